/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* T27: lksignalclient and what is no LiveKit server, or one that does not want us. Of T28, what a header cannot
 * hold. */
#include <gst/check/gstcheck.h>
#include <libsoup/soup.h>
#include <string.h>

#include "signalfixture.h"

static const struct
{
  guint status;
  const gchar *body;
  LkError code;
  gboolean is_final;
  const gchar *text;
} refusals[] = {
  {400, "no room name", LK_ERROR_TOKEN, TRUE, "no room name"},
  {400, "join_request is required", LK_ERROR_PROTOCOL, FALSE, "join_request is required"},
  {401, "invalid API key", LK_ERROR_UNAUTHORIZED, TRUE, "invalid API key"},
  {401, "no: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlc2lnbmF0dXJl", LK_ERROR_UNAUTHORIZED, TRUE,
      "[token]"},
  {401, NULL, LK_ERROR_UNAUTHORIZED, TRUE, "401"},
  {403, "permissions denied", LK_ERROR_UNAUTHORIZED, TRUE, "permissions denied"},
  {404, "requested room does not exist", LK_ERROR_NO_ROOM, TRUE, "does not exist"},
  {404, NULL, LK_ERROR_NOT_LIVEKIT, TRUE, "404"},
  {404, "page not found", LK_ERROR_NOT_LIVEKIT, TRUE, "404"},
  {405, NULL, LK_ERROR_NOT_LIVEKIT, TRUE, "405"},
  {407, NULL, LK_ERROR_SETTINGS, TRUE, "proxy"},
  {408, NULL, LK_ERROR_SERVER, FALSE, "408"},
  {429, "slow down", LK_ERROR_SERVER, FALSE, "429"},
  {500, NULL, LK_ERROR_SERVER, FALSE, "500"},
  {503, "node has exceeded its configured limit", LK_ERROR_SERVER, FALSE, "503"},
  {200, "<html>hello</html>", LK_ERROR_NOT_LIVEKIT, TRUE, "200"},
};

GST_START_TEST (test_refused_joins)
{
  SignalFixture *f = signal_fixture_new ();
  g_autofree gchar *where = g_strdup_printf ("127.0.0.1:%u", fake_server_get_port (f->server));
  g_autoptr (GError) error = NULL;

  fake_server_refuse_join (f->server, refusals[__i__].status, refusals[__i__].body);
  in_loop (f, do_connect);
  error = expect_error (f, refusals[__i__].code);
  fail_unless_equals_int (lk_error_http_status (error), refusals[__i__].status);
  fail_unless_equals_int (lk_error_is_final (error), refusals[__i__].is_final);
  fail_unless (strstr (error->message, refusals[__i__].text) != NULL, "%s", error->message);
  fail_unless (strstr (error->message, where) != NULL, "%s", error->message);
  fail_if (strstr (error->message, "eyJ") != NULL);
  signal_fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_redirect_is_not_followed)
{
  FakeRawServer *target = fake_raw_server_new ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", FALSE);
  static const guint statuses[] = { 301, 302, 307, 308 };

  for (guint i = 0; i < G_N_ELEMENTS (statuses); i++) {
    g_autofree gchar *answer = g_strdup_printf ("HTTP/1.1 %u Elsewhere\r\nLocation: http://127.0.0.1:%u/rtc/v1\r\n"
        "Content-Length: 0\r\n\r\n", statuses[i], fake_raw_server_get_port (target));
    FakeRawServer *raw = fake_raw_server_new (answer, FALSE);
    SignalFixture *f = signal_fixture_new ();

    f->settings.server_url = fake_raw_server_get_url (raw);
    in_loop (f, do_connect);
    g_error_free (expect_error (f, LK_ERROR_NOT_LIVEKIT));
    signal_fixture_free (f);
    fake_raw_server_free (raw);
  }
  fail_unless_equals_int (fake_raw_server_n_connections (target), 0);
  fake_raw_server_free (target);
}

GST_END_TEST;

/* What is no LiveKit server; the second column is the error. */
static const struct
{
  const gchar *answer;
  gboolean keep_open;
  LkError code;
} strangers[] = {
  {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: d3Jvbmc=\r\n\r\n", TRUE, LK_ERROR_NOT_LIVEKIT},
  {"220 mail.example.com ESMTP\r\n\r\n", TRUE, LK_ERROR_NOT_LIVEKIT},
  {"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>endless", TRUE, LK_ERROR_NOT_LIVEKIT},
  {"HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nnever\r\n", TRUE, LK_ERROR_UNAUTHORIZED},
  {"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n", FALSE, LK_ERROR_UNAUTHORIZED},
  {"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", FALSE, LK_ERROR_NOT_LIVEKIT},
  {"", FALSE, LK_ERROR_CONNECT},
  {"HTTP/1.1 10", FALSE, LK_ERROR_NOT_LIVEKIT},
};

GST_START_TEST (test_strangers)
{
  FakeRawServer *raw = fake_raw_server_new (strangers[__i__].answer, strangers[__i__].keep_open);
  SignalFixture *f = signal_fixture_new ();

  f->settings.server_url = fake_raw_server_get_url (raw);
  in_loop (f, do_connect);
  g_error_free (expect_error (f, strangers[__i__].code));
  signal_fixture_free (f);
  fake_raw_server_free (raw);
}

GST_END_TEST;

GST_START_TEST (test_endless_headers)
{
  static const gchar header[] = "X-Header: 0123456789012345678901234567890123456789\r\n";
  FakeRawServer *raw = fake_raw_server_new_full (header, strlen (header), 0, TRUE, TRUE);
  SignalFixture *f = signal_fixture_new ();

  f->settings.server_url = fake_raw_server_get_url (raw);
  in_loop (f, do_connect);
  expect_error_with (f, LK_ERROR_CONNECT, "too big");
  signal_fixture_free (f);
  fake_raw_server_free (raw);
}

GST_END_TEST;

/* The only test that waits for the whole 15 s. */
GST_START_TEST (test_slow_handshake_ends)
{
  static const gchar answer[] = "HTTP/1.1 101 Switching Protocols\r\nX: 0123456789\r\n";
  FakeRawServer *raw = fake_raw_server_new_full (answer, strlen (answer), 1000, FALSE, TRUE);
  SignalFixture *f = signal_fixture_new ();
  gint64 start = g_get_monotonic_time ();

  f->settings.server_url = fake_raw_server_get_url (raw);
  in_loop (f, do_connect);
  expect_error_with (f, LK_ERROR_CONNECT, "did not answer within 15 s");
  /* Not sooner; that bytes go on coming must not put it off: there are 49 of them, longer than an error is waited for. */
  fail_unless (g_get_monotonic_time () - start >= 14 * G_USEC_PER_SEC);
  signal_fixture_free (f);
  fake_raw_server_free (raw);
}

GST_END_TEST;

GST_START_TEST (test_nobody_listens)
{
  SignalFixture *f = signal_fixture_new ();
  g_autofree gchar *where = g_strdup_printf ("127.0.0.1:%u", fake_server_get_port (f->server));

  fake_server_go_down (f->server);
  in_loop (f, do_connect);
  expect_error_with (f, LK_ERROR_CONNECT, where);
  signal_fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_no_such_host)
{
  SignalFixture *f = signal_fixture_new ();

  f->settings.server_url = "wss://no-such-host.invalid";
  in_loop (f, do_connect);
  expect_error_with (f, LK_ERROR_RESOLVE, "no-such-host.invalid");
  signal_fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_settings_that_cannot_work)
{
  static const gchar *const urls[] = { NULL, "", "127.0.0.1:7880", "ftp://host", "ws://", "ws:///path", "wss",
    "ws://host:99999999"
  };

  for (guint i = 0; i < G_N_ELEMENTS (urls); i++) {
    SignalFixture *f = signal_fixture_new ();

    f->settings.server_url = urls[i];
    in_loop (f, do_connect);
    g_error_free (expect_error (f, LK_ERROR_SETTINGS));
    signal_fixture_free (f);
  }
}

GST_END_TEST;

GST_START_TEST (test_tokens_that_cannot_be_sent)
{
  static const gchar *const tokens[] = { NULL, "", "a.b.c\r\nX-Evil: 1", "a b", "t\303\266ken" };

  for (guint i = 0; i < G_N_ELEMENTS (tokens); i++) {
    SignalFixture *f = signal_fixture_new ();

    f->settings.token = tokens[i];
    in_loop (f, do_connect);
    g_error_free (expect_error (f, LK_ERROR_TOKEN));
    fail_unless_equals_int (fake_server_n_joins (f->server), 0);
    signal_fixture_free (f);
  }
}

GST_END_TEST;

/* ---- Retry-After ---- */

static const struct
{
  guint status;
  const gchar *value;           /* NULL: a date, so many seconds away */
  gint date_s;
  guint least_ms, most_ms;
} pauses[] = {
  {503, "7", 0, 7000, 7000},
  {429, "7", 0, 7000, 7000},
  {429, "0", 0, 0, 0},
  {503, "86400", 0, 60000, 60000},
  {503, "99999999999999999999999", 0, 0, 0},
  {503, "18446744073709551615", 0, 60000, 60000},
  {503, "-1", 0, 0, 0},
  {503, "soon", 0, 0, 0},
  {503, "", 0, 0, 0},
  {503, NULL, 30, 20000, 30000},
  {503, NULL, 86400, 60000, 60000},
  {503, NULL, -86400, 0, 0},
  /* of others it is no promise */
  {500, "7", 0, 0, 0},
  {502, "7", 0, 0, 0},
};

GST_START_TEST (test_retry_after)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autoptr (GDateTime) then = g_date_time_add_seconds (now, pauses[__i__].date_s);
  g_autofree gchar *date = soup_date_time_to_string (then, SOUP_DATE_HTTP);
  g_autofree gchar *answer = g_strdup_printf ("HTTP/1.1 %u Busy\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n",
      pauses[__i__].status, pauses[__i__].value != NULL ? pauses[__i__].value : date);
  FakeRawServer *raw = fake_raw_server_new (answer, FALSE);
  SignalFixture *f = signal_fixture_new ();
  g_autoptr (GError) error = NULL;
  guint ms;

  f->settings.server_url = fake_raw_server_get_url (raw);
  in_loop (f, do_connect);
  error = expect_error (f, LK_ERROR_SERVER);
  ms = lk_error_retry_after_ms (error);
  fail_unless (ms >= pauses[__i__].least_ms && ms <= pauses[__i__].most_ms, "%s: %u ms", answer, ms);
  fail_if (lk_error_is_final (error));
  signal_fixture_free (f);
  fake_raw_server_free (raw);
}

GST_END_TEST;

static Suite *
signalrefusals_suite (void)
{
  Suite *s = suite_create ("lksignalrefusals");
  TCase *tc = tcase_create ("T27");

  suite_add_tcase (s, tc);
  tcase_set_timeout (tc, 60);
  tcase_add_loop_test (tc, test_refused_joins, 0, G_N_ELEMENTS (refusals));
  tcase_add_test (tc, test_redirect_is_not_followed);
  tcase_add_loop_test (tc, test_strangers, 0, G_N_ELEMENTS (strangers));
  tcase_add_test (tc, test_endless_headers);
  tcase_add_test (tc, test_slow_handshake_ends);
  tcase_add_test (tc, test_nobody_listens);
  tcase_add_test (tc, test_no_such_host);
  tcase_add_test (tc, test_settings_that_cannot_work);
  tcase_add_loop_test (tc, test_retry_after, 0, G_N_ELEMENTS (pauses));
  tc = tcase_create ("T28");
  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_tokens_that_cannot_be_sent);
  return s;
}

GST_CHECK_MAIN (signalrefusals);
