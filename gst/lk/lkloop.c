/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkloop: a thread with a GMainContext of its own. */

#include "lkloop.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "lklog.h"

/* Worth a line in the log. */
#define LONG_US (50 * 1000)

typedef enum
{
  STATE_NEW,
  STATE_RUNNING,
  STATE_STOPPING,               /* nothing more is taken; the thread works off what it has */
  STATE_STOPPED,
} State;

/* func is NULL in the one that ends the thread. */
typedef struct
{
  LkLoopFunc func;
  gpointer data;
  GDestroyNotify destroy;
} Task;

typedef struct
{
  Task task;
  guint64 id;
  GSource *source;
} Timer;

/* What the source of a timer knows. The timer itself belongs to the table; who takes it out of there runs or frees
 * it. */
typedef struct
{
  LkLoop *loop;
  guint64 id;
} TimerKey;

struct _LkLoop
{
  /* constant after construction */
  gchar *name;
  GMainContext *context;
  GSource *task_source;
  /* loop thread only */
  gboolean is_done;
  gint64 woke_us, woke_cpu_us, woke_delay_us;   /* 0 = has not waited yet */
  gint schedstat;               /* file of the thread, -1 = none */
  /* atomic; users hold one of the refs together, the thread another, so that nobody has to join who cannot */
  gint n_refs, n_users;
  gint longest_us, longest_cpu_us, longest_held_us;     /* atomic, written by the loop thread */
  /* lock; never held while calling out */
  GMutex lock;
  GCond state_changed;
  State state;
  gboolean is_awake;            /* the thread owns its context */
  GThread *thread;
  GQueue tasks;                 /* Task, in order */
  GHashTable *timers;           /* id -> Timer */
  guint64 last_id;
};

typedef struct
{
  GSource source;
  LkLoop *loop;
} TaskSource;

static Task *
task_new (LkLoopFunc func, gpointer data, GDestroyNotify destroy)
{
  Task *task = g_new0 (Task, 1);

  task->func = func;
  task->data = data;
  task->destroy = destroy;
  return task;
}

static void
task_clear (Task * task)
{
  if (task->destroy != NULL)
    task->destroy (task->data);
}

static void
task_free (Task * task)
{
  task_clear (task);
  g_free (task);
}

static void
timer_free (Timer * timer)
{
  g_source_destroy (timer->source);
  g_source_unref (timer->source);
  task_clear (&timer->task);
  g_free (timer);
}

static gboolean
task_source_dispatch (GSource * source, GSourceFunc callback, gpointer data)
{
  LkLoop *self = ((TaskSource *) source)->loop;
  GQueue batch;
  Task *task;

  /* Only what is there now: tasks that post tasks must not keep sockets and timers waiting. */
  g_mutex_lock (&self->lock);
  batch = self->tasks;
  g_queue_init (&self->tasks);
  g_source_set_ready_time (source, -1);
  g_mutex_unlock (&self->lock);

  while ((task = g_queue_pop_head (&batch)) != NULL) {
    if (task->func != NULL)
      task->func (task->data);
    else
      self->is_done = TRUE;
    task_free (task);
  }
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs task_source_funcs = { NULL, NULL, task_source_dispatch, NULL, NULL, NULL };

/* --- how long it keeps everybody waiting --- */

static GPrivate current_loop;

/* What this thread has used of a processor: on a busy machine, and behind locks, time passes without that. */
static gint64
get_cpu_us (void)
{
#ifdef CLOCK_THREAD_CPUTIME_ID
  struct timespec now;

  if (clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now) == 0)
    return (gint64) now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
#endif
  return g_get_monotonic_time ();
}

/* How long this thread has been ready to go on while others had the processors; proc(5), /proc/PID/schedstat. */
static gint64
get_delay_us (LkLoop * self)
{
  gchar text[64], *delay;
  gssize length = self->schedstat < 0 ? 0 : pread (self->schedstat, text, sizeof text - 1, 0);

  if (length <= 0)
    return 0;
  text[length] = '\0';
  delay = strchr (text, ' ');
  return delay ? (gint64) (g_ascii_strtoull (delay, NULL, 10) / 1000) : 0;
}

/* The two of one moment: the thread may have had to wait in between. On some systems the second grows with each look. */
static gint64
get_times (LkLoop * self, gint64 * delay_us)
{
  gint64 now, delay;
  guint tries = 3;

  do {
    delay = get_delay_us (self);
    now = g_get_monotonic_time ();
    *delay_us = get_delay_us (self);
  } while (*delay_us != delay && --tries > 0);
  return now;
}

static void
raise_to (gint * longest_us, gint64 us)
{
  if (us > g_atomic_int_get (longest_us))
    g_atomic_int_set (longest_us, (gint) MIN (us, G_MAXINT));
}

static void
note_busy (LkLoop * self)
{
  gint64 busy_us, cpu_us, delay_us;

  if (self->woke_us == 0)
    return;
  /* none of the three can be more than that, and it is not worth a line */
  busy_us = g_get_monotonic_time () - self->woke_us;
  if (busy_us <= LONG_US && busy_us <= MIN (self->longest_cpu_us, self->longest_held_us))
    return;
  cpu_us = get_cpu_us () - self->woke_cpu_us;
  busy_us = get_times (self, &delay_us) - self->woke_us;
  delay_us -= self->woke_delay_us;
  if (busy_us > LONG_US)
    lk_debug ("loop", "%s was busy for %d ms cpu=%d ms others-had-it=%d ms", self->name, (gint) (busy_us / 1000),
        (gint) (cpu_us / 1000), (gint) (delay_us / 1000));
  raise_to (&self->longest_us, busy_us);
  raise_to (&self->longest_cpu_us, cpu_us);
  raise_to (&self->longest_held_us, busy_us - delay_us);
}

/* Called where the loop begins to wait: what happens between two waits keeps tasks, timers and sockets waiting. */
static gint
timed_poll (GPollFD * fds, guint n_fds, gint timeout_ms)
{
  LkLoop *self = g_private_get (&current_loop);
  gint n_ready;

  if (self)
    note_busy (self);
  n_ready = g_poll (fds, n_fds, timeout_ms);
  if (self) {
    self->woke_us = get_times (self, &self->woke_delay_us);
    self->woke_cpu_us = get_cpu_us ();
  }
  return n_ready;
}

guint
lk_loop_get_longest_us (LkLoop * self)
{
  return (guint) g_atomic_int_get (&self->longest_us);
}

guint
lk_loop_get_longest_cpu_us (LkLoop * self)
{
  return (guint) g_atomic_int_get (&self->longest_cpu_us);
}

guint
lk_loop_get_longest_held_us (LkLoop * self)
{
  return (guint) g_atomic_int_get (&self->longest_held_us);
}

LkLoop *
lk_loop_new (const gchar * name)
{
  LkLoop *self = g_new0 (LkLoop, 1);

  self->name = g_strdup (name);
  self->context = g_main_context_new ();
  g_main_context_set_poll_func (self->context, timed_poll);
  self->n_refs = 1;
  self->n_users = 1;
  self->schedstat = -1;
  g_mutex_init (&self->lock);
  g_cond_init (&self->state_changed);
  g_queue_init (&self->tasks);
  self->timers = g_hash_table_new (g_int64_hash, g_int64_equal);

  self->task_source = g_source_new (&task_source_funcs, sizeof (TaskSource));
  ((TaskSource *) self->task_source)->loop = self;
  g_source_set_static_name (self->task_source, "lk-loop-tasks");
  g_source_attach (self->task_source, self->context);
  return self;
}

static void
push_task_locked (LkLoop * self, Task * task)
{
  g_queue_push_tail (&self->tasks, task);
  g_source_set_ready_time (self->task_source, 0);
}

/* Calls destroy functions, so that no lock may be held. They cannot add anything: the state is not RUNNING any more. */
static void
drop_tasks_and_timers (LkLoop * self)
{
  g_autoptr (GList) timers = NULL;
  GQueue tasks;
  Task *task;

  g_mutex_lock (&self->lock);
  tasks = self->tasks;
  g_queue_init (&self->tasks);
  timers = g_hash_table_get_values (self->timers);
  g_hash_table_remove_all (self->timers);
  g_mutex_unlock (&self->lock);

  while ((task = g_queue_pop_head (&tasks)) != NULL)
    task_free (task);
  for (GList * l = timers; l != NULL; l = l->next)
    timer_free (l->data);
}

static void
drop_ref (LkLoop * self)
{
  if (!g_atomic_int_dec_and_test (&self->n_refs))
    return;
  drop_tasks_and_timers (self);
  g_source_destroy (self->task_source);
  g_source_unref (self->task_source);
  g_main_context_unref (self->context);
  g_hash_table_unref (self->timers);
  g_cond_clear (&self->state_changed);
  g_mutex_clear (&self->lock);
  g_free (self->name);
  g_free (self);
}

LkLoop *
lk_loop_ref (LkLoop * self)
{
  g_return_val_if_fail (self != NULL, NULL);
  g_atomic_int_inc (&self->n_users);
  return self;
}

/* Without a stop before, the thread ends by itself and nobody waits for it: the caller may be that thread. */
void
lk_loop_unref (LkLoop * self)
{
  GThread *thread = NULL;

  g_return_if_fail (self != NULL);
  if (!g_atomic_int_dec_and_test (&self->n_users))
    return;

  g_mutex_lock (&self->lock);
  if (self->state == STATE_RUNNING) {
    self->state = STATE_STOPPING;
    push_task_locked (self, task_new (NULL, NULL, NULL));
    thread = g_steal_pointer (&self->thread);
  } else if (self->state == STATE_NEW) {
    self->state = STATE_STOPPED;
  }
  g_mutex_unlock (&self->lock);

  if (thread != NULL)
    g_thread_unref (thread);
  drop_ref (self);
}

/* Answers of cancelled operations are mostly there already, and would leak what they hold. */
static void
deliver_what_is_ready (LkLoop * self)
{
  /* a limit, for a source that is always ready would keep the thread for ever */
  for (guint i = 0; i < 100 && g_main_context_iteration (self->context, FALSE); i++);
}

static gpointer
loop_thread (gpointer data)
{
  LkLoop *self = data;

  self->schedstat = open ("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
  g_private_set (&current_loop, self);
  g_main_context_push_thread_default (self->context);
  g_mutex_lock (&self->lock);
  self->is_awake = TRUE;
  g_cond_broadcast (&self->state_changed);
  g_mutex_unlock (&self->lock);

  while (!self->is_done)
    g_main_context_iteration (self->context, TRUE);

  drop_tasks_and_timers (self);
  deliver_what_is_ready (self);
  g_main_context_pop_thread_default (self->context);
  g_private_set (&current_loop, NULL);
  if (self->schedstat >= 0)
    close (self->schedstat);
  drop_ref (self);
  return NULL;
}

void
lk_loop_start (LkLoop * self)
{
  g_return_if_fail (self != NULL);

  g_mutex_lock (&self->lock);
  if (self->state != STATE_NEW) {
    g_mutex_unlock (&self->lock);
    g_return_if_reached ();
  }
  self->state = STATE_RUNNING;
  g_atomic_int_inc (&self->n_refs);
  self->thread = g_thread_new (self->name, loop_thread, self);
  /* From here on g_main_context_invoke() of others finds an owner, and never runs in their threads. */
  while (!self->is_awake)
    g_cond_wait (&self->state_changed, &self->lock);
  g_mutex_unlock (&self->lock);
}

void
lk_loop_stop (LkLoop * self)
{
  GThread *thread = NULL;

  g_return_if_fail (self != NULL);
  g_return_if_fail (!lk_loop_is_current (self));

  g_mutex_lock (&self->lock);
  if (self->state == STATE_RUNNING) {
    self->state = STATE_STOPPING;
    push_task_locked (self, task_new (NULL, NULL, NULL));
    thread = g_steal_pointer (&self->thread);
  } else if (self->state == STATE_NEW) {
    self->state = STATE_STOPPED;
  } else {
    while (self->state != STATE_STOPPED)
      g_cond_wait (&self->state_changed, &self->lock);
  }
  g_mutex_unlock (&self->lock);

  if (thread == NULL) {
    drop_tasks_and_timers (self);
    return;
  }
  g_thread_join (thread);
  g_mutex_lock (&self->lock);
  self->state = STATE_STOPPED;
  g_cond_broadcast (&self->state_changed);
  g_mutex_unlock (&self->lock);
}

static gboolean
is_open_locked (LkLoop * self)
{
  return self->state == STATE_NEW || self->state == STATE_RUNNING;
}

gboolean
lk_loop_post (LkLoop * self, LkLoopFunc func, gpointer data, GDestroyNotify destroy)
{
  gboolean is_taken;

  g_return_val_if_fail (self != NULL && func != NULL, FALSE);

  g_mutex_lock (&self->lock);
  is_taken = is_open_locked (self);
  if (is_taken)
    push_task_locked (self, task_new (func, data, destroy));
  g_mutex_unlock (&self->lock);

  if (!is_taken && destroy != NULL)
    destroy (data);
  return is_taken;
}

static Timer *
steal_timer (LkLoop * self, guint64 id)
{
  gpointer timer = NULL;

  g_mutex_lock (&self->lock);
  g_hash_table_steal_extended (self->timers, &id, NULL, &timer);
  g_mutex_unlock (&self->lock);
  return timer;
}

static gboolean
on_timer (gpointer data)
{
  TimerKey *key = data;
  Timer *timer = steal_timer (key->loop, key->id);

  if (timer != NULL) {
    timer->task.func (timer->task.data);
    timer_free (timer);
  }
  return G_SOURCE_REMOVE;
}

static Timer *
timer_new (LkLoop * self, guint delay_ms, const Task * task, guint64 id)
{
  Timer *timer = g_new0 (Timer, 1);
  TimerKey *key = g_new0 (TimerKey, 1);

  key->loop = self;
  key->id = id;
  timer->task = *task;
  timer->id = id;
  timer->source = g_timeout_source_new (delay_ms);
  g_source_set_callback (timer->source, on_timer, key, g_free);
  return timer;
}

guint64
lk_loop_post_after (LkLoop * self, guint delay_ms, LkLoopFunc func, gpointer data, GDestroyNotify destroy)
{
  const Task task = { func, data, destroy };
  guint64 id = 0;

  g_return_val_if_fail (self != NULL && func != NULL, 0);

  g_mutex_lock (&self->lock);
  if (is_open_locked (self)) {
    Timer *timer;

    id = ++self->last_id;
    timer = timer_new (self, delay_ms, &task, id);
    g_hash_table_insert (self->timers, &timer->id, timer);
    g_source_attach (timer->source, self->context);
  }
  g_mutex_unlock (&self->lock);

  if (id == 0 && destroy != NULL)
    destroy (data);
  return id;
}

void
lk_loop_cancel (LkLoop * self, guint64 * id)
{
  Timer *timer = NULL;

  g_return_if_fail (self != NULL && id != NULL);
  if (*id != 0)
    timer = steal_timer (self, *id);
  *id = 0;
  if (timer != NULL)
    timer_free (timer);
}

gboolean
lk_loop_is_current (LkLoop * self)
{
  g_return_val_if_fail (self != NULL, FALSE);
  return g_main_context_is_owner (self->context);
}

GMainContext *
lk_loop_get_context (LkLoop * self)
{
  g_return_val_if_fail (self != NULL, NULL);
  return self->context;
}
