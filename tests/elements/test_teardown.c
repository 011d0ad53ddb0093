/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Both elements: stopped at every step of a join, with connections that break in every way; nothing is left behind. */
#include <gst/check/gstcheck.h>
#include <string.h>

#include "elementfixture.h"

static const gchar *const factories[] = { "livekitsink", "livekitsrc" };

/* What GLib keeps for itself, such as idle threads of its pools, is there after the first round. */
#define WARM_UP_ROUNDS 2

/* --- half a join --- */

typedef enum
{
  STEP_AT_ONCE,
  STEP_RESOLVING,
  STEP_CONNECTED,               /* TCP, no answer */
  STEP_FETCHING_TOKEN,
  STEP_REFUSED,                 /* between two tries */
  STEP_UPGRADED,
  STEP_JOINED,
  STEP_JOINED_FROZEN,           /* the goodbye gets no answer */
  STEP_OFFERED,
  STEP_OFFERED_FROZEN,
  STEP_LOST,                    /* the connection broke, coming back */
  N_STEPS
} Step;

static void
walk_to (ElementFixture * f, FakeRawServer * raw, Step step)
{
  gboolean is_raw = step == STEP_CONNECTED || step == STEP_FETCHING_TOKEN;

  if (step == STEP_RESOLVING)
    g_object_set (f->element, "server-url", "wss://no-such-host.invalid", NULL);
  else if (step == STEP_CONNECTED)
    g_object_set (f->element, "server-url", fake_raw_server_get_url (raw), NULL);
  else if (step == STEP_REFUSED)
    fake_server_refuse_join (f->server, 503, "busy");
  if (step == STEP_FETCHING_TOKEN) {
    g_autofree gchar *url = g_strdup_printf ("http://127.0.0.1:%u/token", fake_raw_server_get_port (raw));

    g_object_set (f->element, "token-url", url, NULL);
  }
  element_fixture_set_state (f, GST_STATE_PLAYING);
  if (step <= STEP_RESOLVING)
    return;
  if (is_raw)
    fail_unless (fake_raw_server_wait_connections (raw, 1, ELEMENT_WAIT_MS));
  else if (step == STEP_REFUSED)
    fail_unless (fake_server_wait_joins (f->server, 1, ELEMENT_WAIT_MS));
  else
    fail_unless (fake_server_wait_clients (f->server, 1, ELEMENT_WAIT_MS));
  if (step >= STEP_JOINED)
    element_fixture_wait_joined (f);
  if (step >= STEP_OFFERED)
    element_fixture_request (f, LIVEKIT__SIGNAL_REQUEST__MESSAGE_OFFER, 0);
  if (step == STEP_JOINED_FROZEN || step == STEP_OFFERED_FROZEN)
    fake_server_freeze (f->server);
  if (step == STEP_LOST) {
    fake_server_drop (f->server);
    element_wait_until (fake_server_n_joins (f->server) + fake_server_n_resumes (f->server) >= 2);
  }
}

static void
stop_at (const gchar * factory, Step step)
{
  g_autoptr (FakeRawServer) raw = fake_raw_server_new ("", TRUE);
  ElementFixture *f = element_fixture_new (factory);
  ElementFeeder *feeder = NULL;

  /* A sink without a pad makes an offer, too. */
  if (g_str_equal (factory, "livekitsink"))
    feeder = element_feeder_new (f, "video_%u", NULL, TRUE);
  walk_to (f, raw, step);
  element_fixture_set_state (f, GST_STATE_NULL);
  if (feeder)
    element_feeder_free (feeder);
  element_fixture_free (f);
}

GST_START_TEST (test_stop_at_each_step)
{
  const gchar *factory = factories[__i__ / N_STEPS];
  ElementCount before = { 0, 0 };

  /* All that is made once in a process is made by now. */
  stop_at (factory, STEP_OFFERED);
  for (guint i = 0; i < WARM_UP_ROUNDS + 2; i++) {
    if (i == WARM_UP_ROUNDS)
      before = element_count_now ();
    stop_at (factory, __i__ % N_STEPS);
  }
  element_expect_count (before);
}

GST_END_TEST;

/* --- connections that break --- */

#define N_MESSAGES 8

/* After the n-th message; it comes back, or tries to, and is stopped there. */
GST_START_TEST (test_close_after_each_message)
{
  FakeClose how = __i__ / N_MESSAGES;
  guint n = __i__ % N_MESSAGES + 1;
  ElementFixture *f = element_fixture_new (factories[n % 2]);
  g_autofree gchar *token = NULL;

  fake_server_close_after (f->server, n, how);
  element_fixture_set_state (f, GST_STATE_PLAYING);
  element_fixture_wait_joined (f);
  token = fake_server_dup_last_token (f->server);
  for (guint i = 1; i < n; i++)
    fake_server_push_refresh_token (f->server, token);
  element_wait_until (fake_server_n_joins (f->server) + fake_server_n_resumes (f->server) >= 2);
  element_fixture_set_state (f, GST_STATE_NULL);
  element_fixture_free (f);
}

GST_END_TEST;

/* The whole server goes, and comes back. */
GST_START_TEST (test_server_goes_and_comes_back)
{
  ElementFixture *f = element_fixture_new (factories[__i__]);

  element_fixture_play (f);
  element_fixture_wait_joined (f);
  fake_server_go_down (f->server);
  fake_server_come_back (f->server);
  element_wait_until (fake_server_n_joins (f->server) + fake_server_n_resumes (f->server) >= 2);
  element_fixture_free (f);
}

GST_END_TEST;

/* --- endings --- */

GST_START_TEST (test_goodbye_is_said)
{
  ElementFixture *f = element_fixture_new (factories[__i__]);

  element_fixture_play (f);
  element_fixture_wait_joined (f);
  element_fixture_set_state (f, GST_STATE_READY);
  fail_unless (fake_server_wait_leaves (f->server, 1, ELEMENT_WAIT_MS));
  fail_unless (fake_server_wait_clients (f->server, 0, ELEMENT_WAIT_MS));
  fail_unless_equals_int (fake_server_n_bad (f->server), 0);
  element_fixture_free (f);
}

GST_END_TEST;

/* --- progress --- */

/* Each that starts ends, in one way. */
GST_START_TEST (test_progress_comes_in_pairs)
{
  ElementFixture *f = element_fixture_new (factories[__i__]);

  element_fixture_set_state (f, GST_STATE_PLAYING);
  element_fixture_wait_progress (f, GST_PROGRESS_TYPE_START, "connect");
  element_fixture_wait_progress (f, GST_PROGRESS_TYPE_COMPLETE, "connect");
  element_fixture_expect_none (f, GST_MESSAGE_PROGRESS);
  element_fixture_set_state (f, GST_STATE_READY);
  fake_server_refuse_join (f->server, 401, "no");
  element_fixture_set_state (f, GST_STATE_PLAYING);
  element_fixture_wait_progress (f, GST_PROGRESS_TYPE_START, "connect");
  element_fixture_wait_progress (f, GST_PROGRESS_TYPE_ERROR, "connect");
  g_free (element_fixture_expect_error (f, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED, "unauthorized"));
  element_fixture_expect_none (f, GST_MESSAGE_PROGRESS);
  element_fixture_free (f);
}

GST_END_TEST;

static Suite *
teardown_suite (void)
{
  Suite *s = element_suite_create ("teardown");
  TCase *steps = tcase_create ("steps"), *closes = tcase_create ("closes"), *endings = tcase_create ("endings");
  TCase *progress = tcase_create ("progress");

  suite_add_tcase (s, steps);
  tcase_add_loop_test (steps, test_stop_at_each_step, 0, 2 * N_STEPS);
  suite_add_tcase (s, closes);
  tcase_add_loop_test (closes, test_close_after_each_message, 0, N_MESSAGES * FAKE_CLOSE_SILENCE);
  tcase_add_loop_test (closes, test_server_goes_and_comes_back, 0, 2);
  suite_add_tcase (s, endings);
  tcase_add_loop_test (endings, test_goodbye_is_said, 0, 2);
  suite_add_tcase (s, progress);
  tcase_add_loop_test (progress, test_progress_comes_in_pairs, 0, 2);
  return s;
}

GST_CHECK_MAIN (teardown);
