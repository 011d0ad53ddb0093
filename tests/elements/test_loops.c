/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* T22: states changed again and again, against the fake server; nothing is left behind. LK_TEST_LOOPS: how many times
 * each. LK_TEST_SEED: replays the times of a run. The loops against a real server are tests/live/check_cycles.py. */
#include <gst/check/gstcheck.h>

#include "elementfixture.h"

static const gchar *const factories[] = { "livekitsink", "livekitsrc" };

static guint
count_loops (guint usual)
{
  const gchar *given = g_getenv ("LK_TEST_LOOPS");

  return given ? MAX ((guint) g_ascii_strtoull (given, NULL, 10), 10) : usual;
}

static void
set_state (ElementFixture * f, GstState state, gint64 * most_us)
{
  gint64 start = g_get_monotonic_time (), took;

  fail_if (element_fixture_set_state (f, state) == GST_STATE_CHANGE_FAILURE);
  took = g_get_monotonic_time () - start;
  *most_us = MAX (*most_us, took);
}

static void
tell (const gchar * factory, const gchar * what, guint n, gint64 most_us)
{
  g_print ("T22: %s: %s %u times, %.0f ms at most (limit 2000)\n", factory, what, n, most_us / 1e3);
}

GST_START_TEST (test_ready_and_paused)
{
  ElementFixture *f = element_fixture_new (factories[__i__]);
  ElementCount before = { 0, 0 };
  guint n = count_loops (50);
  gint64 most = 0;

  for (guint i = 0; i < n; i++) {
    if (i == 5) {
      fail_unless (fake_server_wait_clients (f->server, 0, ELEMENT_WAIT_MS));
      element_fixture_drop_messages (f);
      before = element_count_now ();
    }
    set_state (f, GST_STATE_PAUSED, &most);
    /* At different steps of the join. */
    if (i % 3 == 1)
      fail_unless (fake_server_wait_clients (f->server, 1, ELEMENT_WAIT_MS));
    if (i % 3 == 2)
      element_fixture_wait_joined (f);
    set_state (f, GST_STATE_READY, &most);
    element_fixture_drop_messages (f);
  }
  fail_unless (fake_server_wait_clients (f->server, 0, ELEMENT_WAIT_MS));
  element_fixture_drop_messages (f);
  element_expect_count (before);
  tell (factories[__i__], "READY to PAUSED and back", n, most);
  element_fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_stop_at_random_times)
{
  const gchar *given = g_getenv ("LK_TEST_SEED");
  guint32 seed = given ? (guint32) g_ascii_strtoull (given, NULL, 10) : g_random_int ();
  g_autoptr (GRand) random = g_rand_new_with_seed (seed);
  /* All that happens by itself in a join with this server has happened by then, in the long form the pings as well. */
  gint most_wait_us = g_getenv ("LK_TEST_LOOPS") ? 3 * G_USEC_PER_SEC : G_USEC_PER_SEC / 4;
  ElementFixture *f = element_fixture_new (factories[__i__]);
  ElementFeeder *feeder = __i__ == 0 ? element_feeder_new (f, "video_%u", VP8_CAPS, TRUE) : NULL;
  ElementCount before = { 0, 0 };
  guint n = count_loops (12);
  gint64 most = 0;

  g_print ("LK_TEST_SEED=%u\n", seed);
  for (guint i = 0; i < n; i++) {
    if (i == 5) {
      fail_unless (fake_server_wait_clients (f->server, 0, ELEMENT_WAIT_MS));
      element_fixture_drop_messages (f);
      before = element_count_now ();
    }
    set_state (f, GST_STATE_PLAYING, &most);
    g_usleep (g_rand_int_range (random, 0, most_wait_us));
    set_state (f, GST_STATE_NULL, &most);
    element_fixture_drop_messages (f);
  }
  fail_unless (fake_server_wait_clients (f->server, 0, ELEMENT_WAIT_MS));
  element_expect_count (before);
  tell (factories[__i__], "to NULL at a random time", n, most);
  if (feeder)
    element_feeder_free (feeder);
  element_fixture_free (f);
}

GST_END_TEST;

static void
note_disposal (gpointer gone, GObject * element)
{
  g_atomic_int_set ((gint *) gone, TRUE);
}

/* A thread of the element's may hold a reference for a moment, and be the last to let go. */
static void
unref_and_wait (GstElement * element)
{
  gint gone = FALSE;

  g_object_weak_ref (G_OBJECT (element), note_disposal, &gone);
  gst_object_unref (element);
  element_wait_until (g_atomic_int_get (&gone));
}

/* An application's mistake that GStreamer tells with a critical; nothing may crash or hang. */
GST_START_TEST (test_dispose_without_null)
{
  FakeServer *server = fake_server_new ();
  guint n = count_loops (4);
  gint64 most = 0, start, took;

  g_log_set_always_fatal (G_LOG_FATAL_MASK);
  for (guint i = 0; i < n; i++) {
    GstElement *element = gst_object_ref_sink (gst_element_factory_make (factories[__i__], NULL));

    g_object_set (element, "server-url", fake_server_get_url (server), "room", "lab", "identity", "tester", NULL);
    gst_element_set_state (element, GST_STATE_PAUSED);
    if (i % 2)
      fail_unless (fake_server_wait_clients (server, 1, ELEMENT_WAIT_MS));
    start = g_get_monotonic_time ();
    ASSERT_CRITICAL (unref_and_wait (element));
    took = g_get_monotonic_time () - start;
    most = MAX (most, took);
    fail_unless (fake_server_wait_clients (server, 0, ELEMENT_WAIT_MS));
  }
  tell (factories[__i__], "freed without NULL", n, most);
  fake_server_free (server);
}

GST_END_TEST;

/* From a sync handler, so on a thread of the element's: an application may do so by gst_element_call_async(). */
static void
stop_pipeline (GstElement * pipeline, gpointer unused)
{
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

static GstBusSyncReply
on_sync_message (GstBus * bus, GstMessage * message, gpointer pipeline)
{
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_PROGRESS)
    gst_element_call_async (pipeline, stop_pipeline, NULL, NULL);
  return GST_BUS_PASS;
}

GST_START_TEST (test_stop_from_a_sync_handler)
{
  ElementFixture *f = element_fixture_new (factories[__i__]);

  gst_bus_set_sync_handler (f->bus, on_sync_message, f->pipeline, NULL);
  element_fixture_set_state (f, GST_STATE_PAUSED);
  element_wait_until (GST_STATE (f->pipeline) == GST_STATE_NULL);
  gst_bus_set_sync_handler (f->bus, NULL, NULL, NULL);
  /* So do messages, and the calls that are still on their way. */
  element_fixture_drop_messages (f);
  element_wait_until (GST_OBJECT_REFCOUNT_VALUE (f->pipeline) == 1);
  element_fixture_free (f);
}

GST_END_TEST;

static Suite *
loops_suite (void)
{
  Suite *s = element_suite_create ("loops");
  TCase *loops = tcase_create ("loops");

  suite_add_tcase (s, loops);
  tcase_add_loop_test (loops, test_ready_and_paused, 0, 2);
  tcase_add_loop_test (loops, test_stop_at_random_times, 0, 2);
  tcase_add_loop_test (loops, test_dispose_without_null, 0, 2);
  tcase_add_loop_test (loops, test_stop_from_a_sync_handler, 0, 2);
  return s;
}

GST_CHECK_MAIN (loops);
