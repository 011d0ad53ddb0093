/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lksignalclient: ways into a server, pings, rubbish, and the ways out. Refusals, certificates and messages that are
 * too large have suites of their own. */
#include <gst/check/gstcheck.h>
#include <string.h>

#include "signalfixture.h"

/* ---- ways in ---- */

GST_START_TEST (test_joins_by_v1)
{
  SignalFixture *f = signal_fixture_new ();
  g_autofree gchar *path = NULL, *token = NULL, *query_token = NULL;
  g_autoptr (GHashTable) attributes = g_hash_table_new (g_str_hash, g_str_equal);
  const Livekit__JoinRequest *join;

  g_hash_table_insert (attributes, (gchar *) "k\"ey", (gchar *) "välue");
  f->settings.attributes = attributes;
  f->settings.metadata = "meta";
  connect_and_join (f);
  join = fake_server_last_join (f->server);
  path = fake_server_dup_last_path (f->server);
  token = fake_server_dup_last_token (f->server);
  query_token = fake_server_dup_last_query (f->server, "access_token");
  fail_unless_equals_string (path, "/rtc/v1");
  fail_unless_equals_string (token, f->token);
  fail_unless (query_token == NULL);
  fail_unless_equals_int (join->client_info->sdk, LIVEKIT__CLIENT_INFO__SDK__CPP);
  fail_unless_equals_int (join->client_info->protocol, 17);
  fail_unless_equals_string (join->client_info->version, "1.2.3");
  fail_if (join->connection_settings->auto_subscribe);
  fail_if (join->reconnect);
  fail_unless_equals_string (join->metadata, "meta");
  fail_unless_equals_int (join->n_participant_attributes, 1);
  fail_unless_equals_string (join->participant_attributes[0]->value, "välue");
  signal_fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_falls_back_to_v0_on_404)
{
  SignalFixture *f = signal_fixture_new ();
  g_autofree gchar *path = NULL, *protocol = NULL, *sdk = NULL, *subscribe = NULL, *version = NULL, *attributes = NULL;
  g_autoptr (GHashTable) table = g_hash_table_new (g_str_hash, g_str_equal);

  g_hash_table_insert (table, (gchar *) "k", (gchar *) "v?>");
  f->settings.attributes = table;
  fake_server_without_v1 (f->server);
  in_loop (f, do_connect);
  expect_opened (f, FALSE);
  expect_message (f, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN);
  fail_unless_equals_int (fake_server_n_validates (f->server), 1);
  path = fake_server_dup_last_path (f->server);
  protocol = fake_server_dup_last_query (f->server, "protocol");
  sdk = fake_server_dup_last_query (f->server, "sdk");
  version = fake_server_dup_last_query (f->server, "version");
  subscribe = fake_server_dup_last_query (f->server, "auto_subscribe");
  attributes = fake_server_dup_last_query (f->server, "attributes");
  fail_unless_equals_string (path, "/rtc");
  fail_unless_equals_string (protocol, "17");
  fail_unless_equals_string (sdk, "cpp");
  fail_unless_equals_string (version, "1.2.3");
  fail_unless_equals_string (subscribe, "0");
  /* {"k":"v?>"} in URL-safe base64 */
  fail_unless_equals_string (attributes, "eyJrIjoidj8-In0=");
  signal_fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_goes_straight_to_v0_when_told)
{
  SignalFixture *f = signal_fixture_new ();

  f->settings.use_v0 = TRUE;
  connect_and_join (f);
  fail_unless_equals_int (fake_server_n_validates (f->server), 0);
  signal_fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_resumes_by_v1)
{
  SignalFixture *f = signal_fixture_new ();
  g_autofree gchar *sid = NULL;
  const Livekit__JoinRequest *join;

  connect_and_join (f);
  sid = fake_server_dup_last_participant_sid (f->server);
  in_loop (f, free_client);
  f->settings.reconnect = TRUE;
  f->settings.participant_sid = sid;
  f->settings.reconnect_reason = LIVEKIT__RECONNECT_REASON__RR_PUBLISHER_FAILED;
  in_loop (f, do_connect);
  expect_opened (f, TRUE);
  expect_message (f, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_RECONNECT);
  join = fake_server_last_join (f->server);
  fail_unless (join->reconnect);
  fail_unless_equals_string (join->participant_sid, sid);
  fail_unless_equals_int (join->reconnect_reason, LIVEKIT__RECONNECT_REASON__RR_PUBLISHER_FAILED);
  in_loop (f, do_close);
  expect_closed_quietly (f);
  signal_fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_resumes_by_v0)
{
  SignalFixture *f = signal_fixture_new ();
  g_autofree gchar *reconnect = NULL, *reason = NULL, *sid = NULL;

  f->settings.use_v0 = TRUE;
  connect_and_join (f);
  in_loop (f, free_client);
  f->settings.reconnect = TRUE;
  f->settings.participant_sid = "PA_x";
  f->settings.reconnect_reason = LIVEKIT__RECONNECT_REASON__RR_SIGNAL_DISCONNECTED;
  in_loop (f, do_connect);
  expect_opened (f, FALSE);
  expect_message (f, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_RECONNECT);
  reconnect = fake_server_dup_last_query (f->server, "reconnect");
  reason = fake_server_dup_last_query (f->server, "reconnect_reason");
  sid = fake_server_dup_last_query (f->server, "sid");
  fail_unless_equals_string (reconnect, "1");
  fail_unless_equals_string (reason, "1");
  fail_unless_equals_string (sid, "PA_x");
  in_loop (f, do_close);
  expect_closed_quietly (f);
  signal_fixture_free (f);
}

GST_END_TEST;

/* User part and query are not for the server; http means ws. */
GST_START_TEST (test_server_urls)
{
  static const gchar *const parts[][2] = { {"ws://127.0.0.1", ""}, {"http://127.0.0.1", "/"}, {"HTTP://localhost", ""},
    {"ws://user:password@127.0.0.1", "//?a=b#c"}, {"ws://127.0.0.1", "///"}
  };

  for (guint i = 0; i < G_N_ELEMENTS (parts); i++) {
    SignalFixture *f = signal_fixture_new ();
    g_autofree gchar *url = g_strdup_printf ("%s:%u%s", parts[i][0], fake_server_get_port (f->server), parts[i][1]);
    g_autofree gchar *path = NULL;

    f->settings.server_url = url;
    connect_and_join (f);
    path = fake_server_dup_last_path (f->server);
    fail_unless_equals_string (path, "/rtc/v1");
    signal_fixture_free (f);
  }
}

GST_END_TEST;

GST_START_TEST (test_path_of_server_url_is_kept)
{
  FakeRawServer *raw = fake_raw_server_new ("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", FALSE);
  SignalFixture *f = signal_fixture_new ();
  g_autofree gchar *url = g_strdup_printf ("http://127.0.0.1:%u/base/", fake_raw_server_get_port (raw));
  g_autofree gchar *received = NULL;

  f->settings.server_url = url;
  in_loop (f, do_connect);
  g_error_free (expect_error (f, LK_ERROR_SERVER));
  received = fake_raw_server_wait_received (raw, "\r\n\r\n", WAIT_MS);
  fail_unless (received != NULL);
  fail_unless (g_str_has_prefix (received, "GET /base/rtc/v1?join_request="), "%s", received);
  signal_fixture_free (f);
  fake_raw_server_free (raw);
}

GST_END_TEST;

/* ---- messages and pings ---- */

GST_START_TEST (test_requests_reach_the_server)
{
  SignalFixture *f = signal_fixture_new ();

  connect_and_join (f);
  in_loop (f, do_send_mute);
  fail_unless (fake_server_wait_request (f->server, LIVEKIT__SIGNAL_REQUEST__MESSAGE_MUTE, WAIT_MS));
  in_loop (f, do_close);
  in_loop (f, do_send_mute);    /* not any more */
  expect_closed_quietly (f);
  in_loop (f, do_send_mute);
  fail_unless_equals_int (fake_server_n_requests (f->server, LIVEKIT__SIGNAL_REQUEST__MESSAGE_MUTE), 1);
  signal_fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_pings_carry_the_round_trip_time)
{
  SignalFixture *f = signal_fixture_new ();
  const Livekit__SignalRequest *ping;

  fake_server_set_ping (f->server, 1, 3);
  connect_and_join (f);
  fail_unless (fake_server_wait_request (f->server, LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING_REQ, WAIT_MS));
  fail_unless (fake_server_wait_request (f->server, LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING_REQ, WAIT_MS));
  ping = fake_server_nth_request (f->server, LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING_REQ, 0);
  fail_unless_equals_int (ping->ping_req->rtt, 0);
  ping = fake_server_nth_request (f->server, LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING_REQ, 1);
  fail_unless (ping->ping_req->rtt > 0);
  fail_unless (lk_signal_client_get_rtt_ms (f->client) > 0);
  in_loop (f, do_close);
  expect_closed_quietly (f);
  signal_fixture_free (f);
}

GST_END_TEST;

/* Whatever time it says: only one of the last minute can be the answer to a ping. */
GST_START_TEST (test_odd_pongs_tell_no_time)
{
  static const gint64 odd[] = { G_MININT64, -1, G_MAXINT64 };
  SignalFixture *f = signal_fixture_new ();

  fake_server_ignore_pings (f->server, TRUE);
  connect_and_join (f);
  for (guint i = 0; i < G_N_ELEMENTS (odd); i++) {
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    Livekit__Pong pong = LIVEKIT__PONG__INIT;

    pong.last_ping_timestamp = odd[i];
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_PONG_RESP;
    response.pong_resp = &pong;
    fake_server_push (f->server, &response);
  }
  fake_server_push_refresh_token (f->server, "x");
  expect_message (f, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_REFRESH_TOKEN);
  fail_unless_equals_int (lk_signal_client_get_rtt_ms (f->client), 0);
  in_loop (f, do_close);
  expect_closed_quietly (f);
  signal_fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_silence_is_noticed)
{
  SignalFixture *f = signal_fixture_new ();
  gint64 start;

  fake_server_set_ping (f->server, 1, 1);
  fake_server_ignore_pings (f->server, TRUE);
  start = g_get_monotonic_time ();
  connect_and_join (f);
  expect_error_with (f, LK_ERROR_CONNECT, "No answer");
  fail_unless (g_get_monotonic_time () - start >= 900 * 1000);
  signal_fixture_free (f);
}

GST_END_TEST;

/* A ReconnectResponse brings no times: those of the settings hold. */
GST_START_TEST (test_silence_is_noticed_after_a_resume)
{
  SignalFixture *f = signal_fixture_new ();

  fake_server_set_ping (f->server, 60, 60);
  connect_and_join (f);
  in_loop (f, free_client);
  f->settings.reconnect = TRUE;
  f->settings.participant_sid = "PA_x";
  f->settings.ping_interval_s = 1;
  f->settings.ping_timeout_s = 1;
  fake_server_ignore_pings (f->server, TRUE);
  in_loop (f, do_connect);
  expect_opened (f, TRUE);
  expect_message (f, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_RECONNECT);
  expect_error_with (f, LK_ERROR_CONNECT, "No answer");
  signal_fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_frozen_server_is_noticed)
{
  SignalFixture *f = signal_fixture_new ();

  fake_server_set_ping (f->server, 1, 1);
  connect_and_join (f);
  fake_server_freeze (f->server);
  expect_error_with (f, LK_ERROR_CONNECT, "No answer");
  fake_server_thaw (f->server);
  signal_fixture_free (f);
}

GST_END_TEST;

/* An empty message is none that could begin a session. */
GST_START_TEST (test_session_that_does_not_begin)
{
  g_autoptr (GBytes) empty = g_bytes_new_static ("", 0);
  SignalFixture *f = signal_fixture_new ();

  fake_server_set_join_bytes (f->server, empty);
  in_loop (f, do_connect);
  expect_opened (f, TRUE);
  expect_error_with (f, LK_ERROR_CONNECT, "did not begin the session");
  signal_fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_a_few_bad_messages_are_ignored)
{
  SignalFixture *f = signal_fixture_new ();

  connect_and_join (f);
  for (guint i = 0; i < 30; i++) {
    if (i % 3 == 0)
      fake_server_push_text (f->server, "{}");
    else if (i % 3 == 1)
      fake_server_push_bytes (f->server, "\xff\xff\xff", 3);
    else
      fake_server_push_bytes (f->server, "\x82\x01\x01x", 4);   /* refresh_token "x" */
  }
  for (guint n_tokens = 0; n_tokens < 10;) {
    SignalEvent *event = pop (f);

    fail_unless (event->kind == MESSAGE);
    n_tokens += event->message == LIVEKIT__SIGNAL_RESPONSE__MESSAGE_REFRESH_TOKEN ? 1 : 0;
    signal_event_free (event);
  }
  in_loop (f, do_close);
  expect_closed_quietly (f);
  signal_fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_ten_bad_messages_in_a_row_are_too_many)
{
  SignalFixture *f = signal_fixture_new ();

  connect_and_join (f);
  for (guint i = 0; i < 5; i++) {
    fake_server_push_text (f->server, "{}");
    fake_server_push_bytes (f->server, "\xff\xff\xff", 3);
  }
  expect_error_with (f, LK_ERROR_PROTOCOL, "10 messages");
  signal_fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_frames_that_are_none)
{
  SignalFixture *f = signal_fixture_new ();

  connect_and_join (f);
  fake_server_push_raw (f->server, "\x8f\xff not a frame", 14);
  g_error_free (expect_error (f, LK_ERROR_PROTOCOL));
  signal_fixture_free (f);
}

GST_END_TEST;

/* ---- ways out ---- */

GST_START_TEST (test_close_says_goodbye)
{
  SignalFixture *f = signal_fixture_new ();

  connect_and_join (f);
  in_loop (f, do_close_twice);
  expect_closed_quietly (f);
  fail_unless (fake_server_wait_clients (f->server, 0, WAIT_MS));
  in_loop (f, do_close);
  signal_fixture_free (f);
}

GST_END_TEST;

/* Holds the server's thread from a request on until the test lets go, so that it cannot answer a close frame. */
typedef struct
{
  GMutex lock;
  GCond cond;
  gboolean is_held, may_go;
} Hold;

static gboolean
hold_server (FakeServer * server, const Livekit__SignalRequest * request, gpointer data)
{
  Hold *hold = data;

  if (request->message_case != LIVEKIT__SIGNAL_REQUEST__MESSAGE_MUTE)
    return FALSE;
  g_mutex_lock (&hold->lock);
  hold->is_held = TRUE;
  g_cond_broadcast (&hold->cond);
  while (!hold->may_go)
    g_cond_wait (&hold->cond, &hold->lock);
  g_mutex_unlock (&hold->lock);
  return TRUE;
}

GST_START_TEST (test_close_waits_500_ms_at_most)
{
  SignalFixture *f = signal_fixture_new ();
  Hold hold = { 0, };
  gint64 start, ms;

  g_mutex_init (&hold.lock);
  g_cond_init (&hold.cond);
  fake_server_set_handler (f->server, hold_server, &hold);
  connect_and_join (f);
  in_loop (f, do_send_mute);
  g_mutex_lock (&hold.lock);
  while (!hold.is_held)
    g_cond_wait (&hold.cond, &hold.lock);
  g_mutex_unlock (&hold.lock);

  start = g_get_monotonic_time ();
  in_loop (f, do_close);
  expect_closed_quietly (f);
  ms = (g_get_monotonic_time () - start) / 1000;
  fail_unless (ms >= 400 && ms < 5000, "%d ms", (gint) ms);

  g_mutex_lock (&hold.lock);
  hold.may_go = TRUE;
  g_cond_broadcast (&hold.cond);
  g_mutex_unlock (&hold.lock);
  signal_fixture_free (f);
  g_mutex_clear (&hold.lock);
  g_cond_clear (&hold.cond);
}

GST_END_TEST;

GST_START_TEST (test_close_while_connecting)
{
  FakeRawServer *silent = fake_raw_server_new ("", TRUE);
  SignalFixture *f = signal_fixture_new ();

  f->settings.server_url = fake_raw_server_get_url (silent);
  in_loop (f, do_connect);
  fail_unless (fake_raw_server_wait_connections (silent, 1, WAIT_MS));
  in_loop (f, do_close);
  expect_closed_quietly (f);
  in_loop (f, free_client);
  in_loop (f, do_connect_and_close);
  expect_closed_quietly (f);
  signal_fixture_free (f);
  fake_raw_server_free (silent);
}

GST_END_TEST;

GST_START_TEST (test_free_at_any_time)
{
  SignalFixture *f = signal_fixture_new ();

  in_loop (f, do_connect_and_free);
  f->on_opened = DO_FREE;
  in_loop (f, do_connect);
  expect_opened (f, TRUE);
  fail_unless (fake_server_wait_clients (f->server, 0, WAIT_MS));
  f->on_opened = DO_NOTHING;
  f->on_message = DO_FREE;
  in_loop (f, do_connect);
  expect_opened (f, TRUE);
  expect_message (f, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN);
  fail_unless (fake_server_wait_clients (f->server, 0, WAIT_MS));
  signal_fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_close_inside_callbacks)
{
  SignalFixture *f = signal_fixture_new ();

  f->on_opened = DO_CLOSE;
  in_loop (f, do_connect);
  expect_opened (f, TRUE);
  expect_closed_quietly (f);
  in_loop (f, free_client);
  f->on_opened = DO_NOTHING;
  f->on_message = DO_CLOSE;
  connect_and_join (f);
  expect_closed_quietly (f);
  signal_fixture_free (f);
}

GST_END_TEST;

static void
close_by_frame (FakeServer * server)
{
  fake_server_close (server, 1000);
}

static void
close_by_empty_frame (FakeServer * server)
{
  fake_server_close (server, 0);
}

static void
close_by_odd_frame (FakeServer * server)
{
  fake_server_close (server, 4711);
}

GST_START_TEST (test_lost_connections)
{
  static void (*const ways[]) (FakeServer *) = { close_by_frame, close_by_empty_frame, close_by_odd_frame,
    fake_server_drop, fake_server_reset, fake_server_go_down
  };
  SignalFixture *f = signal_fixture_new ();
  g_autoptr (GError) error = NULL;

  connect_and_join (f);
  ways[__i__] (f->server);
  error = expect_error (f, LK_ERROR_CONNECT);
  fail_if (lk_error_is_final (error));
  signal_fixture_free (f);
}

GST_END_TEST;

static Suite *
signalclient_suite (void)
{
  Suite *s = suite_create ("lksignalclient");
  TCase *tc = tcase_create ("join");

  suite_add_tcase (s, tc);
  tcase_set_timeout (tc, 60);
  tcase_add_test (tc, test_joins_by_v1);
  tcase_add_test (tc, test_falls_back_to_v0_on_404);
  tcase_add_test (tc, test_goes_straight_to_v0_when_told);
  tcase_add_test (tc, test_resumes_by_v1);
  tcase_add_test (tc, test_resumes_by_v0);
  tcase_add_test (tc, test_server_urls);
  tcase_add_test (tc, test_path_of_server_url_is_kept);

  tc = tcase_create ("messages");
  suite_add_tcase (s, tc);
  tcase_set_timeout (tc, 60);
  tcase_add_test (tc, test_requests_reach_the_server);
  tcase_add_test (tc, test_pings_carry_the_round_trip_time);
  tcase_add_test (tc, test_odd_pongs_tell_no_time);
  tcase_add_test (tc, test_silence_is_noticed);
  tcase_add_test (tc, test_silence_is_noticed_after_a_resume);
  tcase_add_test (tc, test_frozen_server_is_noticed);
  tcase_add_test (tc, test_session_that_does_not_begin);
  tcase_add_test (tc, test_a_few_bad_messages_are_ignored);
  tcase_add_test (tc, test_ten_bad_messages_in_a_row_are_too_many);
  tcase_add_test (tc, test_frames_that_are_none);

  tc = tcase_create ("end");
  suite_add_tcase (s, tc);
  tcase_set_timeout (tc, 60);
  tcase_add_test (tc, test_close_says_goodbye);
  tcase_add_test (tc, test_close_waits_500_ms_at_most);
  tcase_add_test (tc, test_close_while_connecting);
  tcase_add_test (tc, test_free_at_any_time);
  tcase_add_test (tc, test_close_inside_callbacks);
  tcase_add_loop_test (tc, test_lost_connections, 0, 6);
  return s;
}

GST_CHECK_MAIN (signalclient);
