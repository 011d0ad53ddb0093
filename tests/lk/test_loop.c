/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of lkloop. */

#include <gst/check/gstcheck.h>
#include <sched.h>
#include <time.h>
#include <gio/gio.h>

#include "lklog.h"
#include "lkloop.h"

/* Longer than anything here takes on a slow machine under valgrind; reached only by a failure. */
#define DEADLINE_US (20 * G_USEC_PER_SEC)

typedef struct
{
  LkLoop *loop;
  GAsyncQueue *events;          /* what ran, in order, as numbers from 1 */
  gint n_destroyed;             /* atomic */
} Fixture;

typedef struct
{
  Fixture *f;
  guint number;
} Item;

static Fixture *
fixture_new (void)
{
  Fixture *f = g_new0 (Fixture, 1);

  f->loop = lk_loop_new ("test");
  f->events = g_async_queue_new ();
  return f;
}

static void
fixture_free (Fixture * f)
{
  lk_loop_stop (f->loop);
  lk_loop_unref (f->loop);
  fail_unless_equals_int (g_async_queue_length (f->events), 0);
  g_async_queue_unref (f->events);
  g_free (f);
}

static void
push_event (Fixture * f, guint number)
{
  g_async_queue_push (f->events, GUINT_TO_POINTER (number));
}

static void
expect_event (Fixture * f, guint number)
{
  guint got = GPOINTER_TO_UINT (g_async_queue_timeout_pop (f->events, DEADLINE_US));

  fail_unless_equals_int (got, number);
}

static Item *
item_new (Fixture * f, guint number)
{
  Item *item = g_new0 (Item, 1);

  item->f = f;
  item->number = number;
  return item;
}

static void
item_free (gpointer data)
{
  Item *item = data;

  g_atomic_int_inc (&item->f->n_destroyed);
  g_free (item);
}

static void
item_run (gpointer data)
{
  Item *item = data;

  g_assert_true (lk_loop_is_current (item->f->loop));
  push_event (item->f, item->number);
}

static gboolean
post_item (Fixture * f, guint number)
{
  return lk_loop_post (f->loop, item_run, item_new (f, number), item_free);
}

static guint64
post_item_after (Fixture * f, guint delay_ms, guint number)
{
  return lk_loop_post_after (f->loop, delay_ms, item_run, item_new (f, number), item_free);
}

GST_START_TEST (test_posts_run_in_order)
{
  Fixture *f = fixture_new ();

  fail_unless (post_item (f, 1));
  fail_unless (post_item (f, 2));
  lk_loop_start (f->loop);
  for (guint i = 3; i <= 1000; i++)
    fail_unless (post_item (f, i));
  for (guint i = 1; i <= 1000; i++)
    expect_event (f, i);
  lk_loop_stop (f->loop);
  fail_unless_equals_int (f->n_destroyed, 1000);
  fixture_free (f);
}
GST_END_TEST;

static void
run_nested (gpointer data)
{
  Fixture *f = data;

  post_item (f, 2);
  /* not inline */
  push_event (f, 1);
}

GST_START_TEST (test_post_on_the_loop_is_not_inline)
{
  Fixture *f = fixture_new ();

  lk_loop_start (f->loop);
  lk_loop_post (f->loop, run_nested, f, NULL);
  expect_event (f, 1);
  expect_event (f, 2);
  fixture_free (f);
}
GST_END_TEST;

static void
run_tower (gpointer data)
{
  Item *item = data;

  if (item->number < 100)
    lk_loop_post (item->f->loop, run_tower, item_new (item->f, item->number + 1), item_free);
  push_event (item->f, item->number);
}

/* Posts of several threads keep the order of each. */
static gpointer
poster_thread (gpointer data)
{
  Item *item = data;

  for (guint i = 0; i < 500; i++)
    g_assert_true (post_item (item->f, item->number + i));
  return NULL;
}

GST_START_TEST (test_posts_of_several_threads)
{
  Fixture *f = fixture_new ();
  GThread *threads[4];
  Item items[4];
  guint next[4] = { 0 };

  lk_loop_start (f->loop);
  for (guint i = 0; i < 4; i++) {
    items[i].f = f;
    items[i].number = 1 + i * 1000;
    threads[i] = g_thread_new ("poster", poster_thread, &items[i]);
  }
  for (guint i = 0; i < 4; i++)
    g_thread_join (threads[i]);
  for (guint i = 0; i < 2000; i++) {
    guint got = GPOINTER_TO_UINT (g_async_queue_timeout_pop (f->events, DEADLINE_US));

    fail_unless (got != 0);
    fail_unless_equals_int ((got - 1) % 1000, next[(got - 1) / 1000]++);
  }
  fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_stop_runs_what_was_posted)
{
  Fixture *f = fixture_new ();

  lk_loop_start (f->loop);
  for (guint i = 1; i <= 100; i++)
    post_item (f, i);
  lk_loop_stop (f->loop);
  fail_unless_equals_int (g_async_queue_length (f->events), 100);
  fail_unless_equals_int (f->n_destroyed, 100);
  for (guint i = 1; i <= 100; i++)
    expect_event (f, i);

  fail_if (post_item (f, 101));
  fail_unless_equals_int (f->n_destroyed, 101);
  fail_unless (post_item_after (f, 0, 102) == 0);
  fail_unless_equals_int (f->n_destroyed, 102);
  /* once more is fine */
  lk_loop_stop (f->loop);
  fixture_free (f);
}
GST_END_TEST;

/* A chain of posts cannot keep the loop from ending: later posts are refused, and freed. */
#define BUSY_US 30000

static void
be_busy (gpointer data)
{
  gint64 until = g_get_monotonic_time () + BUSY_US;

  while (g_get_monotonic_time () < until);
  push_event (data, 1);
}

GST_START_TEST (test_longest_time_that_it_was_busy)
{
  Fixture *f = fixture_new ();

  lk_loop_start (f->loop);
  fail_unless (lk_loop_post_after (f->loop, 1, be_busy, f, NULL));
  expect_event (f, 1);
  lk_loop_stop (f->loop);
  fail_unless (lk_loop_get_longest_us (f->loop) >= BUSY_US);
  fixture_free (f);
}

GST_END_TEST;

static void
count_long_stays (LkLogLevel level, const gchar * file, const gchar * function, gint line_number, const gchar * object,
    const gchar * line, gpointer data)
{
  if (strstr (line, "was busy for"))
    g_atomic_int_inc ((gint *) data);
}

/* The first for longer than the second. */
static void
be_busy_for_long (gpointer data)
{
  static gint64 long_us[] = { 120000, 80000 };
  static guint n = 0;
  gint64 until = g_get_monotonic_time () + long_us[n++ % 2];

  while (g_get_monotonic_time () < until);
  push_event (data, n);
}

GST_START_TEST (test_each_long_time_is_told)
{
  Fixture *f = fixture_new ();
  gint n_told = 0;

  lk_log_set_sink (count_long_stays, &n_told);
  lk_log_set_max_level (LK_LOG_DEBUG);
  lk_loop_start (f->loop);
  for (guint i = 1; i <= 2; i++) {
    fail_unless (lk_loop_post_after (f->loop, 1, be_busy_for_long, f, NULL));
    expect_event (f, i);
  }
  lk_loop_stop (f->loop);
  lk_log_set_sink (NULL, NULL);
  fail_unless (g_atomic_int_get (&n_told) >= 2, "told %d times", n_told);
  fixture_free (f);
}

GST_END_TEST;

#ifdef __linux__
static void
stay_on_first_processor (void)
{
  cpu_set_t allowed, first;

  fail_unless (sched_getaffinity (0, sizeof allowed, &allowed) == 0);
  CPU_ZERO (&first);
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET (cpu, &allowed))
      continue;
    CPU_SET (cpu, &first);
    break;
  }
  fail_unless (sched_setaffinity (0, sizeof first, &first) == 0);
}

static gpointer
use_processor (gpointer is_over)
{
  stay_on_first_processor ();
  while (!g_atomic_int_get ((gint *) is_over));
  return NULL;
}

static void
share_processor (gpointer data)
{
  struct timespec used;

  stay_on_first_processor ();
  do {
    fail_unless (clock_gettime (CLOCK_THREAD_CPUTIME_ID, &used) == 0);
  } while (used.tv_sec == 0 && used.tv_nsec < 100 * 1000 * 1000);
  push_event (data, 1);
}

static void
sleep_some (gpointer data)
{
  g_usleep (BUSY_US);
  push_event (data, 1);
}

/* What others had the processor for is no fault of the loop; what it waited for is. */
GST_START_TEST (test_longest_time_that_it_was_held)
{
  Fixture *f = fixture_new ();
  gint is_over = FALSE;
  GThread *other;

  lk_loop_start (f->loop);
  fail_unless (lk_loop_post_after (f->loop, 1, sleep_some, f, NULL));
  expect_event (f, 1);
  lk_loop_stop (f->loop);
  fail_unless (lk_loop_get_longest_held_us (f->loop) >= BUSY_US);
  fixture_free (f);

  if (!g_file_test ("/proc/thread-self/schedstat", G_FILE_TEST_EXISTS))
    return;
  f = fixture_new ();
  other = g_thread_new ("other", use_processor, &is_over);
  lk_loop_start (f->loop);
  fail_unless (lk_loop_post_after (f->loop, 1, share_processor, f, NULL));
  expect_event (f, 1);
  lk_loop_stop (f->loop);
  g_atomic_int_set (&is_over, TRUE);
  g_thread_join (other);
  fail_unless (lk_loop_get_longest_held_us (f->loop) + BUSY_US < lk_loop_get_longest_us (f->loop));
  fixture_free (f);
}

GST_END_TEST;
#endif

GST_START_TEST (test_stop_cuts_chains)
{
  Fixture *f = fixture_new ();
  guint n;

  lk_loop_start (f->loop);
  lk_loop_post (f->loop, run_tower, item_new (f, 1), item_free);
  lk_loop_stop (f->loop);
  n = (guint) g_async_queue_length (f->events);
  fail_unless (n >= 1);
  /* as many as ran, and one more that was refused, unless the chain came to its end */
  fail_unless (f->n_destroyed == (gint) n + (n < 100 ? 1 : 0));
  for (guint i = 1; i <= n; i++)
    expect_event (f, i);
  fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_never_started)
{
  Fixture *f = fixture_new ();

  post_item (f, 1);
  fail_unless (post_item_after (f, 0, 2) != 0);
  lk_loop_stop (f->loop);
  fail_unless_equals_int (f->n_destroyed, 2);
  fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_never_started_nor_stopped)
{
  Fixture f = { lk_loop_new (NULL), NULL, 0 };

  lk_loop_post (f.loop, item_run, item_new (&f, 1), item_free);
  lk_loop_post_after (f.loop, 0, item_run, item_new (&f, 2), item_free);
  lk_loop_unref (f.loop);
  fail_unless_equals_int (f.n_destroyed, 2);
}
GST_END_TEST;

GST_START_TEST (test_timers_run_when_due)
{
  Fixture *f = fixture_new ();
  gint64 start = g_get_monotonic_time ();

  lk_loop_start (f->loop);
  /* Far enough apart for a thread that is kept waiting between the two. */
  post_item_after (f, 800, 3);
  post_item_after (f, 30, 2);
  post_item_after (f, 0, 1);
  expect_event (f, 1);
  expect_event (f, 2);
  fail_unless (g_get_monotonic_time () - start >= 29000);
  expect_event (f, 3);
  fail_unless (g_get_monotonic_time () - start >= 799000);
  fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_cancelled_timer_does_not_run)
{
  Fixture *f = fixture_new ();
  guint64 id = post_item_after (f, 1, 1), none = 0;

  fail_unless (id != 0);
  lk_loop_cancel (f->loop, &id);
  fail_unless (id == 0);
  fail_unless_equals_int (f->n_destroyed, 1);
  lk_loop_cancel (f->loop, &id);
  lk_loop_cancel (f->loop, &none);

  lk_loop_start (f->loop);
  id = post_item_after (f, 5, 2);
  post_item_after (f, 5, 3);
  lk_loop_cancel (f->loop, &id);
  expect_event (f, 3);
  fixture_free (f);
}
GST_END_TEST;

typedef struct
{
  Fixture *f;
  guint64 id;
} SelfCancel;

static void
cancel_self (gpointer data)
{
  SelfCancel *self = data;

  lk_loop_cancel (self->f->loop, &self->id);
  push_event (self->f, 1);
}

static void
start_self_cancel (gpointer data)
{
  SelfCancel *self = data;

  self->id = lk_loop_post_after (self->f->loop, 0, cancel_self, self, NULL);
}

/* A timer that ran is forgotten, also while it runs. */
GST_START_TEST (test_timer_cancels_itself)
{
  Fixture *f = fixture_new ();
  SelfCancel self = { f, 0 };

  lk_loop_start (f->loop);
  lk_loop_post (f->loop, start_self_cancel, &self, NULL);
  expect_event (f, 1);
  fixture_free (f);
  fail_unless (self.id == 0);
}
GST_END_TEST;

GST_START_TEST (test_stop_frees_timers)
{
  Fixture *f = fixture_new ();

  lk_loop_start (f->loop);
  for (guint i = 1; i <= 10; i++)
    post_item_after (f, 1000000, i);
  lk_loop_stop (f->loop);
  fail_unless_equals_int (f->n_destroyed, 10);
  fixture_free (f);
}
GST_END_TEST;

/* Timers that run and are cancelled by another thread at once: each runs or not, and is freed once. */
GST_START_TEST (test_cancel_races_with_timer)
{
  Fixture *f = fixture_new ();
  gint n_ran;

  lk_loop_start (f->loop);
  for (guint i = 0; i < 2000; i++) {
    guint64 id = post_item_after (f, 0, 1);

    if (i % 2 == 0)
      g_thread_yield ();
    lk_loop_cancel (f->loop, &id);
  }
  lk_loop_stop (f->loop);
  fail_unless_equals_int (f->n_destroyed, 2000);
  for (n_ran = 0; g_async_queue_try_pop (f->events) != NULL;)
    n_ran++;
  fail_unless (n_ran <= 2000);
  fixture_free (f);
}
GST_END_TEST;

static void
on_answer (GObject * object, GAsyncResult * result, gpointer data)
{
  Fixture *f = data;

  g_assert_true (lk_loop_is_current (f->loop));
  push_event (f, 2);
}

static void
start_async (gpointer data)
{
  Fixture *f = data;
  g_autoptr (GTask) task = g_task_new (NULL, NULL, on_answer, f);

  g_assert_true (g_main_context_get_thread_default () == lk_loop_get_context (f->loop));
  g_task_return_boolean (task, TRUE);
  push_event (f, 1);
}

GST_START_TEST (test_async_answers_come_on_the_loop)
{
  Fixture *f = fixture_new ();

  fail_if (lk_loop_is_current (f->loop));
  lk_loop_start (f->loop);
  fail_if (lk_loop_is_current (f->loop));
  lk_loop_post (f->loop, start_async, f, NULL);
  expect_event (f, 1);
  expect_event (f, 2);
  fixture_free (f);
}
GST_END_TEST;

/* What is ready when the loop ends is delivered, so that nothing leaks that it holds. */
GST_START_TEST (test_answers_are_delivered_before_the_end)
{
  Fixture *f = fixture_new ();

  lk_loop_start (f->loop);
  lk_loop_post (f->loop, start_async, f, NULL);
  lk_loop_stop (f->loop);
  expect_event (f, 1);
  expect_event (f, 2);
  fixture_free (f);
}
GST_END_TEST;

static void
push_destroyed (gpointer data)
{
  push_event (data, 2);
}

static void
unref_last (gpointer data)
{
  Fixture *f = data;

  lk_loop_unref (f->loop);
  push_event (f, 1);
}

/* The last user goes on the loop itself, which then ends and frees everything by itself. */
GST_START_TEST (test_last_unref_on_the_loop)
{
  Fixture f = { lk_loop_new ("self"), g_async_queue_new (), 0 };

  lk_loop_start (f.loop);
  lk_loop_post_after (f.loop, 1000000, item_run, &f, push_destroyed);
  lk_loop_post (f.loop, unref_last, &f, NULL);
  expect_event (&f, 1);
  expect_event (&f, 2);
  g_async_queue_unref (f.events);
}
GST_END_TEST;

GST_START_TEST (test_last_unref_elsewhere_ends_the_thread)
{
  Fixture f = { lk_loop_new ("else"), g_async_queue_new (), 0 };

  lk_loop_start (f.loop);
  lk_loop_post_after (f.loop, 1000000, item_run, &f, push_destroyed);
  lk_loop_unref (f.loop);
  expect_event (&f, 2);
  g_async_queue_unref (f.events);
}
GST_END_TEST;

static gpointer
stop_thread (gpointer data)
{
  lk_loop_stop (data);
  return NULL;
}

GST_START_TEST (test_two_threads_stop)
{
  Fixture *f = fixture_new ();
  GThread *threads[4];

  lk_loop_start (f->loop);
  for (guint i = 1; i <= 100; i++)
    post_item (f, i);
  for (guint i = 0; i < 4; i++)
    threads[i] = g_thread_new ("stopper", stop_thread, f->loop);
  for (guint i = 0; i < 4; i++)
    g_thread_join (threads[i]);
  for (guint i = 1; i <= 100; i++)
    expect_event (f, i);
  fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_refs)
{
  Fixture *f = fixture_new ();
  g_autoptr (LkLoop) loop = lk_loop_ref (f->loop);

  fail_unless (loop == f->loop);
  lk_loop_start (f->loop);
  fixture_free (f);
  fail_if (lk_loop_post (loop, item_run, NULL, NULL));
}
GST_END_TEST;

static Suite *
loop_suite (void)
{
  Suite *suite = suite_create ("loop");
  TCase *post = tcase_create ("post"), *timers = tcase_create ("timers"), *ends = tcase_create ("ends");

  suite_add_tcase (suite, post);
  tcase_add_test (post, test_posts_run_in_order);
  tcase_add_test (post, test_post_on_the_loop_is_not_inline);
  tcase_add_test (post, test_posts_of_several_threads);
  tcase_add_test (post, test_async_answers_come_on_the_loop);

  suite_add_tcase (suite, timers);
  tcase_add_test (timers, test_timers_run_when_due);
  tcase_add_test (timers, test_cancelled_timer_does_not_run);
  tcase_add_test (timers, test_timer_cancels_itself);
  tcase_add_test (timers, test_stop_frees_timers);
  tcase_add_test (timers, test_cancel_races_with_timer);

  suite_add_tcase (suite, ends);
  tcase_add_test (ends, test_stop_runs_what_was_posted);
  tcase_add_test (ends, test_stop_cuts_chains);
  tcase_add_test (timers, test_longest_time_that_it_was_busy);
  tcase_add_test (timers, test_each_long_time_is_told);
#ifdef __linux__
  tcase_add_test (timers, test_longest_time_that_it_was_held);
#endif
  tcase_add_test (ends, test_never_started);
  tcase_add_test (ends, test_never_started_nor_stopped);
  tcase_add_test (ends, test_answers_are_delivered_before_the_end);
  tcase_add_test (ends, test_last_unref_on_the_loop);
  tcase_add_test (ends, test_last_unref_elsewhere_ends_the_thread);
  tcase_add_test (ends, test_two_threads_stop);
  tcase_add_test (ends, test_refs);
  return suite;
}

GST_CHECK_MAIN (loop);
