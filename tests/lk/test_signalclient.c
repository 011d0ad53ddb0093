/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lksignalclient: ways into a server, refusals, certificates, pings, rubbish, and the ways out. */
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <gst/check/gstcheck.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "fakeserver.h"
#include "lkerror.h"
#include "lklog.h"
#include "lksignalclient.h"
#include "lktoken.h"

/* Only reached by a test that fails. */
#define WAIT_MS 20000

typedef enum
{ OPENED, MESSAGE, CLOSED } EventKind;

typedef struct
{
  EventKind kind;
  gboolean is_v1, is_loopback;
  Livekit__SignalResponse__MessageCase message;
  GError *error;
} Event;

typedef enum
{ DO_NOTHING, DO_FREE, DO_CLOSE } Reaction;

typedef struct
{
  LkLoop *loop;
  FakeServer *server;
  LkSignalClient *client;
  GAsyncQueue *events;
  gchar *token;
  LkSignalSettings settings;
  Reaction on_opened, on_message;
  gboolean is_in_call;          /* loop: inside connect, send or close */
  GMutex lock;
  GString *log;
} Fixture;

static Fixture *current;

static void
collect_log (LkLogLevel level, const gchar * file, const gchar * function, gint line_number, const gchar * object,
    const gchar * line, gpointer data)
{
  if (current == NULL)
    return;
  g_mutex_lock (&current->lock);
  g_string_append_printf (current->log, "%s\n", line);
  g_mutex_unlock (&current->lock);
}

static void
event_free (Event * event)
{
  g_clear_error (&event->error);
  g_free (event);
}

static void
react (Fixture * f, Reaction reaction)
{
  if (reaction == DO_FREE)
    g_clear_pointer (&f->client, lk_signal_client_free_in_loop);
  else if (reaction == DO_CLOSE)
    lk_signal_client_close_in_loop (f->client);
}

static void
on_opened (LkSignalClient * client, gboolean is_v1, gboolean is_loopback, gpointer data)
{
  Fixture *f = data;
  Event *event = g_new0 (Event, 1);

  event->kind = OPENED;
  event->is_v1 = is_v1;
  event->is_loopback = is_loopback;
  /* first, for the test may go on as soon as it has the event */
  react (f, f->on_opened);
  g_async_queue_push (f->events, event);
}

static void
on_message (LkSignalClient * client, const Livekit__SignalResponse * response, gpointer data)
{
  Fixture *f = data;
  Event *event = g_new0 (Event, 1);

  event->kind = MESSAGE;
  event->message = response->message_case;
  /* first, for the test may go on as soon as it has the event */
  react (f, f->on_message);
  g_async_queue_push (f->events, event);
}

static void
on_closed (LkSignalClient * client, const GError * error, gpointer data)
{
  Fixture *f = data;
  Event *event = g_new0 (Event, 1);

  g_assert_true (!f->is_in_call);
  event->kind = CLOSED;
  event->error = error != NULL ? g_error_copy (error) : NULL;
  g_async_queue_push (f->events, event);
}

typedef struct
{
  void (*func) (Fixture *);
  Fixture *f;
  GMutex lock;
  GCond cond;
  gboolean is_done;
} Call;

static void
run_call (gpointer data)
{
  Call *call = data;

  call->f->is_in_call = TRUE;
  call->func (call->f);
  call->f->is_in_call = FALSE;
  g_mutex_lock (&call->lock);
  call->is_done = TRUE;
  g_cond_signal (&call->cond);
  g_mutex_unlock (&call->lock);
}

static void
in_loop (Fixture * f, void (*func) (Fixture *))
{
  Call call = { func, f, };

  g_mutex_init (&call.lock);
  g_cond_init (&call.cond);
  fail_unless (lk_loop_post (f->loop, run_call, &call, NULL));
  g_mutex_lock (&call.lock);
  while (!call.is_done)
    g_cond_wait (&call.cond, &call.lock);
  g_mutex_unlock (&call.lock);
  g_mutex_clear (&call.lock);
  g_cond_clear (&call.cond);
}

static gchar *
mint_token (void)
{
  LkTokenRequest request = { NULL, };

  request.api_key = "devkey";
  request.api_secret = "secret";
  request.room = "lab";
  request.identity = "alice";
  request.now_s = g_get_real_time () / G_USEC_PER_SEC;
  request.valid_s = 600;
  return lk_token_mint (&request, NULL);
}

static Fixture *
fixture_new (void)
{
  Fixture *f = g_new0 (Fixture, 1);

  g_mutex_init (&f->lock);
  f->log = g_string_new (NULL);
  f->server = fake_server_new ();
  f->loop = lk_loop_new ("test-signal");
  f->events = g_async_queue_new_full ((GDestroyNotify) event_free);
  f->token = mint_token ();
  f->settings.server_url = fake_server_get_url (f->server);
  f->settings.token = f->token;
  f->settings.client_version = "1.2.3";
  current = f;
  lk_log_set_sink (collect_log, NULL);
  lk_log_set_max_level (LK_LOG_TRACE);
  lk_loop_start (f->loop);
  return f;
}

static void
free_client (Fixture * f)
{
  g_clear_pointer (&f->client, lk_signal_client_free_in_loop);
}

static Event *
pop (Fixture * f)
{
  Event *event = g_async_queue_timeout_pop (f->events, (guint64) WAIT_MS * 1000);

  fail_unless (event != NULL, "nothing happened");
  return event;
}

/* Nothing else may have happened, and no secret may be in a log. */
static void
fixture_free (Fixture * f)
{
  Event *event;

  in_loop (f, free_client);
  lk_loop_stop (f->loop);
  event = g_async_queue_try_pop (f->events);
  fail_unless (event == NULL, "unexpected event %d", event != NULL ? (gint) event->kind : -1);
  fail_if (strstr (f->log->str, f->token) != NULL || strstr (f->log->str, strrchr (f->token, '.')) != NULL);
  current = NULL;
  lk_loop_unref (f->loop);
  g_async_queue_unref (f->events);
  fake_server_free (f->server);
  g_string_free (f->log, TRUE);
  g_mutex_clear (&f->lock);
  g_free (f->token);
  g_free (f);
}

static const LkSignalClientDelegate delegate = { on_opened, on_message, on_closed };

static void
do_connect (Fixture * f)
{
  f->client = lk_signal_client_new (f->loop, &delegate, f);
  lk_signal_client_connect_in_loop (f->client, &f->settings);
}

static void
do_close (Fixture * f)
{
  lk_signal_client_close_in_loop (f->client);
}

/* A second one does nothing. */
static void
do_close_twice (Fixture * f)
{
  lk_signal_client_close_in_loop (f->client);
  lk_signal_client_close_in_loop (f->client);
}

static void
do_connect_and_close (Fixture * f)
{
  do_connect (f);
  lk_signal_client_close_in_loop (f->client);
}

static void
do_connect_and_free (Fixture * f)
{
  do_connect (f);
  free_client (f);
}

static void
do_send_mute (Fixture * f)
{
  Livekit__MuteTrackRequest mute = LIVEKIT__MUTE_TRACK_REQUEST__INIT;
  Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;

  mute.sid = (gchar *) "TR_1";
  request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_MUTE;
  request.mute = &mute;
  lk_signal_client_send_in_loop (f->client, &request);
}

static void
expect_opened (Fixture * f, gboolean is_v1)
{
  Event *event = pop (f);

  fail_unless (event->kind == OPENED, "%s", event->error != NULL ? event->error->message : "not opened");
  fail_unless_equals_int (event->is_v1, is_v1);
  fail_unless (event->is_loopback);
  event_free (event);
}

static void
expect_message (Fixture * f, Livekit__SignalResponse__MessageCase message)
{
  Event *event = pop (f);

  fail_unless (event->kind == MESSAGE, "%s", event->error != NULL ? event->error->message : "no message");
  fail_unless_equals_int (event->message, message);
  event_free (event);
}

/* Others may come before it. */
static void
expect_closed_quietly (Fixture * f)
{
  Event *event = pop (f);

  while (event->kind == MESSAGE) {
    event_free (event);
    event = pop (f);
  }
  fail_unless (event->kind == CLOSED && event->error == NULL);
  event_free (event);
}

static GError *
expect_error (Fixture * f, LkError code)
{
  Event *event = pop (f);
  GError *error;

  while (event->kind == MESSAGE) {
    event_free (event);
    event = pop (f);
  }
  fail_unless (event->kind == CLOSED && event->error != NULL, "no error but event %d", (gint) event->kind);
  error = g_steal_pointer (&event->error);
  event_free (event);
  fail_unless (error->domain == LK_ERROR && error->code == (gint) code, "%s instead of %s: %s",
      lk_error_reason ((LkError) error->code), lk_error_reason (code), error->message);
  fail_if (strstr (error->message, f->token) != NULL);
  return error;
}

static void
expect_error_with (Fixture * f, LkError code, const gchar * text)
{
  g_autoptr (GError) error = expect_error (f, code);

  fail_unless (strstr (error->message, text) != NULL, "'%s' is not in: %s", text, error->message);
}

static void
connect_and_join (Fixture * f)
{
  in_loop (f, do_connect);
  expect_opened (f, !f->settings.use_v0);
  expect_message (f, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN);
}

/* ---- ways in ---- */

GST_START_TEST (test_joins_by_v1)
{
  Fixture *f = fixture_new ();
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
  fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_falls_back_to_v0_on_404)
{
  Fixture *f = fixture_new ();
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
  fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_goes_straight_to_v0_when_told)
{
  Fixture *f = fixture_new ();

  f->settings.use_v0 = TRUE;
  connect_and_join (f);
  fail_unless_equals_int (fake_server_n_validates (f->server), 0);
  fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_resumes_by_v1)
{
  Fixture *f = fixture_new ();
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
  fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_resumes_by_v0)
{
  Fixture *f = fixture_new ();
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
  fixture_free (f);
}

GST_END_TEST;

/* User part and query are not for the server; http means ws. */
GST_START_TEST (test_server_urls)
{
  static const gchar *const parts[][2] = { {"ws://127.0.0.1", ""}, {"http://127.0.0.1", "/"}, {"HTTP://localhost", ""},
    {"ws://user:password@127.0.0.1", "//?a=b#c"}, {"ws://127.0.0.1", "///"}
  };

  for (guint i = 0; i < G_N_ELEMENTS (parts); i++) {
    Fixture *f = fixture_new ();
    g_autofree gchar *url = g_strdup_printf ("%s:%u%s", parts[i][0], fake_server_get_port (f->server), parts[i][1]);
    g_autofree gchar *path = NULL;

    f->settings.server_url = url;
    connect_and_join (f);
    path = fake_server_dup_last_path (f->server);
    fail_unless_equals_string (path, "/rtc/v1");
    fixture_free (f);
  }
}

GST_END_TEST;

GST_START_TEST (test_path_of_server_url_is_kept)
{
  FakeRawServer *raw = fake_raw_server_new ("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", FALSE);
  Fixture *f = fixture_new ();
  g_autofree gchar *url = g_strdup_printf ("http://127.0.0.1:%u/base/", fake_raw_server_get_port (raw));
  g_autofree gchar *received = NULL;

  f->settings.server_url = url;
  in_loop (f, do_connect);
  g_error_free (expect_error (f, LK_ERROR_SERVER));
  received = fake_raw_server_dup_received (raw);
  fail_unless (g_str_has_prefix (received, "GET /base/rtc/v1?join_request="), "%s", received);
  fixture_free (f);
  fake_raw_server_free (raw);
}

GST_END_TEST;

/* ---- refusals ---- */

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
  Fixture *f = fixture_new ();
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
  fixture_free (f);
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
    Fixture *f = fixture_new ();

    f->settings.server_url = fake_raw_server_get_url (raw);
    in_loop (f, do_connect);
    g_error_free (expect_error (f, LK_ERROR_NOT_LIVEKIT));
    fixture_free (f);
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
  Fixture *f = fixture_new ();

  f->settings.server_url = fake_raw_server_get_url (raw);
  in_loop (f, do_connect);
  g_error_free (expect_error (f, strangers[__i__].code));
  fixture_free (f);
  fake_raw_server_free (raw);
}

GST_END_TEST;

GST_START_TEST (test_endless_headers)
{
  static const gchar header[] = "X-Header: 0123456789012345678901234567890123456789\r\n";
  FakeRawServer *raw = fake_raw_server_new_full (header, strlen (header), 0, TRUE, TRUE);
  Fixture *f = fixture_new ();

  f->settings.server_url = fake_raw_server_get_url (raw);
  in_loop (f, do_connect);
  expect_error_with (f, LK_ERROR_CONNECT, "too big");
  fixture_free (f);
  fake_raw_server_free (raw);
}

GST_END_TEST;

/* The only test that waits for the whole 15 s. */
GST_START_TEST (test_slow_handshake_ends)
{
  static const gchar answer[] = "HTTP/1.1 101 Switching Protocols\r\nX: 0123456789\r\n";
  FakeRawServer *raw = fake_raw_server_new_full (answer, strlen (answer), 1000, FALSE, TRUE);
  Fixture *f = fixture_new ();
  gint64 start = g_get_monotonic_time ();
  gint64 seconds;

  f->settings.server_url = fake_raw_server_get_url (raw);
  in_loop (f, do_connect);
  expect_error_with (f, LK_ERROR_CONNECT, "did not answer within 15 s");
  seconds = (g_get_monotonic_time () - start) / G_USEC_PER_SEC;
  fail_unless (seconds >= 14 && seconds <= 17, "%d s", (gint) seconds);
  fixture_free (f);
  fake_raw_server_free (raw);
}

GST_END_TEST;

GST_START_TEST (test_nobody_listens)
{
  Fixture *f = fixture_new ();
  g_autofree gchar *where = g_strdup_printf ("127.0.0.1:%u", fake_server_get_port (f->server));

  fake_server_go_down (f->server);
  in_loop (f, do_connect);
  expect_error_with (f, LK_ERROR_CONNECT, where);
  fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_no_such_host)
{
  Fixture *f = fixture_new ();

  f->settings.server_url = "wss://no-such-host.invalid";
  in_loop (f, do_connect);
  expect_error_with (f, LK_ERROR_RESOLVE, "no-such-host.invalid");
  fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_settings_that_cannot_work)
{
  static const gchar *const urls[] = { NULL, "", "127.0.0.1:7880", "ftp://host", "ws://", "ws:///path", "wss",
    "ws://host:99999999"
  };

  for (guint i = 0; i < G_N_ELEMENTS (urls); i++) {
    Fixture *f = fixture_new ();

    f->settings.server_url = urls[i];
    in_loop (f, do_connect);
    g_error_free (expect_error (f, LK_ERROR_SETTINGS));
    fixture_free (f);
  }
}

GST_END_TEST;

GST_START_TEST (test_tokens_that_cannot_be_sent)
{
  static const gchar *const tokens[] = { NULL, "", "a.b.c\r\nX-Evil: 1", "a b", "t\303\266ken" };

  for (guint i = 0; i < G_N_ELEMENTS (tokens); i++) {
    Fixture *f = fixture_new ();

    f->settings.token = tokens[i];
    in_loop (f, do_connect);
    g_error_free (expect_error (f, LK_ERROR_TOKEN));
    fail_unless_equals_int (fake_server_n_joins (f->server), 0);
    fixture_free (f);
  }
}

GST_END_TEST;

/* ---- certificates ---- */

typedef struct
{
  gchar *dir, *ca, *cert, *key;
} Certificates;

static EVP_PKEY *
make_key (void)
{
  return EVP_EC_gen ("P-256");
}

static X509 *
make_certificate (EVP_PKEY * key, const gchar * name, const gchar * alt_name, glong from_s, glong to_s, X509 * issuer,
    EVP_PKEY * issuer_key)
{
  X509 *cert = X509_new ();
  X509_EXTENSION *extension;

  X509_set_version (cert, 2);
  ASN1_INTEGER_set (X509_get_serialNumber (cert), 1 + g_random_int_range (0, G_MAXINT));
  X509_gmtime_adj (X509_getm_notBefore (cert), from_s);
  X509_gmtime_adj (X509_getm_notAfter (cert), to_s);
  X509_set_pubkey (cert, key);
  X509_NAME_add_entry_by_txt (X509_get_subject_name (cert), "CN", MBSTRING_ASC, (const guchar *) name, -1, -1, 0);
  X509_set_issuer_name (cert, X509_get_subject_name (issuer != NULL ? issuer : cert));
  extension = X509V3_EXT_conf_nid (NULL, NULL, alt_name != NULL ? NID_subject_alt_name : NID_basic_constraints,
      alt_name != NULL ? alt_name : "critical,CA:TRUE");
  X509_add_ext (cert, extension, -1);
  X509_EXTENSION_free (extension);
  X509_sign (cert, issuer_key != NULL ? issuer_key : key, EVP_sha256 ());
  return cert;
}

static void
write_pem (const gchar * path, X509 * cert, EVP_PKEY * key)
{
  FILE *file = fopen (path, "w");

  fail_unless (file != NULL);
  if (cert != NULL)
    PEM_write_X509 (file, cert);
  else
    PEM_write_PrivateKey (file, key, NULL, NULL, 0, NULL, NULL);
  fclose (file);
}

/* An authority, and a certificate of it for @alt_name. */
static Certificates *
certificates_new (const gchar * alt_name, glong from_s, glong to_s)
{
  Certificates *c = g_new0 (Certificates, 1);
  EVP_PKEY *ca_key = make_key (), *key = make_key ();
  X509 *ca = make_certificate (ca_key, "Test authority", NULL, -86400 * 10, 86400, NULL, NULL);
  X509 *cert = make_certificate (key, "Test server", alt_name, from_s, to_s, ca, ca_key);

  c->dir = g_dir_make_tmp ("lk-test-XXXXXX", NULL);
  c->ca = g_build_filename (c->dir, "ca.pem", NULL);
  c->cert = g_build_filename (c->dir, "cert.pem", NULL);
  c->key = g_build_filename (c->dir, "key.pem", NULL);
  write_pem (c->ca, ca, NULL);
  write_pem (c->cert, cert, NULL);
  write_pem (c->key, NULL, key);
  X509_free (ca);
  X509_free (cert);
  EVP_PKEY_free (ca_key);
  EVP_PKEY_free (key);
  return c;
}

static void
certificates_free (Certificates * c)
{
  g_remove (c->ca);
  g_remove (c->cert);
  g_remove (c->key);
  g_rmdir (c->dir);
  g_free (c->ca);
  g_free (c->cert);
  g_free (c->key);
  g_free (c->dir);
  g_free (c);
}

static const struct
{
  const gchar *alt_name;
  glong from_s, to_s;
  gboolean with_ca, without_checks;
  const gchar *fault;           /* NULL = accepted */
} tls_cases[] = {
  {"IP:127.0.0.1", -3600, 3600, TRUE, FALSE, NULL},
  {"IP:127.0.0.1", -3600, 3600, FALSE, FALSE, "unknown"},
  {"DNS:other.example.com", -3600, 3600, TRUE, FALSE, "host name"},
  {"IP:127.0.0.1", -7200, -3600, TRUE, FALSE, "expired"},
  {"IP:127.0.0.1", 3600, 7200, TRUE, FALSE, "not valid yet"},
  {"DNS:other.example.com", -7200, -3600, FALSE, TRUE, NULL},
};

GST_START_TEST (test_certificates)
{
  Certificates *c = certificates_new (tls_cases[__i__].alt_name, tls_cases[__i__].from_s, tls_cases[__i__].to_s);
  LkHttpSettings *http = lk_http_settings_copy (NULL);
  Fixture *f = fixture_new ();

  fail_unless (fake_server_set_tls (f->server, c->cert, c->key, NULL));
  f->settings.server_url = fake_server_get_url (f->server);
  fail_unless (g_str_has_prefix (f->settings.server_url, "wss://"));
  if (tls_cases[__i__].with_ca)
    http->tls_ca_file = g_strdup (c->ca);
  if (tls_cases[__i__].without_checks)
    http->tls_validation_flags = 0;
  f->settings.http = http;
  in_loop (f, do_connect);
  if (tls_cases[__i__].fault == NULL) {
    expect_opened (f, TRUE);
    expect_message (f, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN);
    in_loop (f, do_close);
    expect_closed_quietly (f);
  } else {
    g_autoptr (GError) error = expect_error (f, LK_ERROR_TLS);

    fail_unless (lk_error_is_final (error));
    fail_unless (strstr (error->message, tls_cases[__i__].fault) != NULL, "%s", error->message);
    fail_unless_equals_int (fake_server_n_joins (f->server), 0);
  }
  fixture_free (f);
  lk_http_settings_free (http);
  certificates_free (c);
}

GST_END_TEST;

GST_START_TEST (test_ca_file_that_is_not_there)
{
  LkHttpSettings *http = lk_http_settings_copy (NULL);
  Fixture *f = fixture_new ();

  http->tls_ca_file = g_strdup ("/no/such/file.pem");
  f->settings.http = http;
  in_loop (f, do_connect);
  expect_error_with (f, LK_ERROR_SETTINGS, "/no/such/file.pem");
  fixture_free (f);
  lk_http_settings_free (http);
}

GST_END_TEST;

/* No fault of a certificate, so it may pass. */
GST_START_TEST (test_broken_tls_handshakes)
{
  static const gchar *const answers[] = { "", "HTTP/1.1 400 Bad Request\r\n\r\n", "\x16\x03\x03" };

  for (guint i = 0; i < G_N_ELEMENTS (answers); i++) {
    FakeRawServer *raw = fake_raw_server_new (answers[i], FALSE);
    Fixture *f = fixture_new ();
    g_autofree gchar *url = g_strdup_printf ("wss://127.0.0.1:%u", fake_raw_server_get_port (raw));
    g_autoptr (GError) error = NULL;

    f->settings.server_url = url;
    in_loop (f, do_connect);
    error = expect_error (f, LK_ERROR_TLS);
    fail_if (lk_error_is_final (error));
    fixture_free (f);
    fake_raw_server_free (raw);
  }
}

GST_END_TEST;

/* ---- messages and pings ---- */

GST_START_TEST (test_requests_reach_the_server)
{
  Fixture *f = fixture_new ();

  connect_and_join (f);
  in_loop (f, do_send_mute);
  fail_unless (fake_server_wait_request (f->server, LIVEKIT__SIGNAL_REQUEST__MESSAGE_MUTE, WAIT_MS));
  in_loop (f, do_close);
  in_loop (f, do_send_mute);    /* not any more */
  expect_closed_quietly (f);
  in_loop (f, do_send_mute);
  fail_unless_equals_int (fake_server_n_requests (f->server, LIVEKIT__SIGNAL_REQUEST__MESSAGE_MUTE), 1);
  fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_pings_carry_the_round_trip_time)
{
  Fixture *f = fixture_new ();
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
  fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_silence_is_noticed)
{
  Fixture *f = fixture_new ();
  gint64 start;

  fake_server_set_ping (f->server, 1, 1);
  fake_server_ignore_pings (f->server, TRUE);
  start = g_get_monotonic_time ();
  connect_and_join (f);
  expect_error_with (f, LK_ERROR_CONNECT, "No answer");
  fail_unless (g_get_monotonic_time () - start >= 900 * 1000);
  fixture_free (f);
}

GST_END_TEST;

/* A ReconnectResponse brings no times: those of the settings hold. */
GST_START_TEST (test_silence_is_noticed_after_a_resume)
{
  Fixture *f = fixture_new ();

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
  fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_frozen_server_is_noticed)
{
  Fixture *f = fixture_new ();

  fake_server_set_ping (f->server, 1, 1);
  connect_and_join (f);
  fake_server_freeze (f->server);
  expect_error_with (f, LK_ERROR_CONNECT, "No answer");
  fake_server_thaw (f->server);
  fixture_free (f);
}

GST_END_TEST;

/* An empty message is none that could begin a session. */
GST_START_TEST (test_session_that_does_not_begin)
{
  g_autoptr (GBytes) empty = g_bytes_new_static ("", 0);
  Fixture *f = fixture_new ();

  fake_server_set_join_bytes (f->server, empty);
  in_loop (f, do_connect);
  expect_opened (f, TRUE);
  expect_error_with (f, LK_ERROR_CONNECT, "did not begin the session");
  fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_a_few_bad_messages_are_ignored)
{
  Fixture *f = fixture_new ();

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
    Event *event = pop (f);

    fail_unless (event->kind == MESSAGE);
    n_tokens += event->message == LIVEKIT__SIGNAL_RESPONSE__MESSAGE_REFRESH_TOKEN ? 1 : 0;
    event_free (event);
  }
  in_loop (f, do_close);
  expect_closed_quietly (f);
  fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_ten_bad_messages_in_a_row_are_too_many)
{
  Fixture *f = fixture_new ();

  connect_and_join (f);
  for (guint i = 0; i < 5; i++) {
    fake_server_push_text (f->server, "{}");
    fake_server_push_bytes (f->server, "\xff\xff\xff", 3);
  }
  expect_error_with (f, LK_ERROR_PROTOCOL, "10 messages");
  fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_frames_that_are_none)
{
  Fixture *f = fixture_new ();

  connect_and_join (f);
  fake_server_push_raw (f->server, "\x8f\xff not a frame", 14);
  g_error_free (expect_error (f, LK_ERROR_PROTOCOL));
  fixture_free (f);
}

GST_END_TEST;

/* A JoinResponse whose room has metadata of @size bytes. */
static GBytes *
make_large_join (gsize size)
{
  Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
  Livekit__JoinResponse join = LIVEKIT__JOIN_RESPONSE__INIT;
  Livekit__Room room = LIVEKIT__ROOM__INIT;
  Livekit__ParticipantInfo participant = LIVEKIT__PARTICIPANT_INFO__INIT;
  g_autofree gchar *metadata = g_strnfill (size, 'x');
  gsize packed_size;
  guint8 *data;

  room.metadata = metadata;
  join.room = &room;
  join.participant = &participant;
  response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN;
  response.join = &join;
  packed_size = livekit__signal_response__get_packed_size (&response);
  data = g_malloc (packed_size);
  livekit__signal_response__pack (&response, data);
  return g_bytes_new_take (data, packed_size);
}

GST_START_TEST (test_large_messages)
{
  static const struct
  {
    gsize size;
    gboolean is_taken;
  } cases[] = { {130 * 1024, TRUE}, {3900 * 1024, TRUE}, {5000 * 1024, FALSE} };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GBytes) bytes = make_large_join (cases[i].size);
    Fixture *f = fixture_new ();

    fake_server_set_join_bytes (f->server, bytes);
    in_loop (f, do_connect);
    expect_opened (f, TRUE);
    if (cases[i].is_taken)
      expect_message (f, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN);
    else
      g_error_free (expect_error (f, LK_ERROR_PROTOCOL));
    fixture_free (f);
  }
}

GST_END_TEST;

/* ---- ways out ---- */

GST_START_TEST (test_close_says_goodbye)
{
  Fixture *f = fixture_new ();

  connect_and_join (f);
  in_loop (f, do_close_twice);
  expect_closed_quietly (f);
  fail_unless (fake_server_wait_clients (f->server, 0, WAIT_MS));
  in_loop (f, do_close);
  fixture_free (f);
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
  Fixture *f = fixture_new ();
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
  fixture_free (f);
  g_mutex_clear (&hold.lock);
  g_cond_clear (&hold.cond);
}

GST_END_TEST;

GST_START_TEST (test_close_while_connecting)
{
  FakeRawServer *silent = fake_raw_server_new ("", TRUE);
  Fixture *f = fixture_new ();

  f->settings.server_url = fake_raw_server_get_url (silent);
  in_loop (f, do_connect);
  fail_unless (fake_raw_server_wait_connections (silent, 1, WAIT_MS));
  in_loop (f, do_close);
  expect_closed_quietly (f);
  in_loop (f, free_client);
  in_loop (f, do_connect_and_close);
  expect_closed_quietly (f);
  fixture_free (f);
  fake_raw_server_free (silent);
}

GST_END_TEST;

GST_START_TEST (test_free_at_any_time)
{
  Fixture *f = fixture_new ();

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
  fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_close_inside_callbacks)
{
  Fixture *f = fixture_new ();

  f->on_opened = DO_CLOSE;
  in_loop (f, do_connect);
  expect_opened (f, TRUE);
  expect_closed_quietly (f);
  in_loop (f, free_client);
  f->on_opened = DO_NOTHING;
  f->on_message = DO_CLOSE;
  connect_and_join (f);
  expect_closed_quietly (f);
  fixture_free (f);
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
  Fixture *f = fixture_new ();
  g_autoptr (GError) error = NULL;

  connect_and_join (f);
  ways[__i__] (f->server);
  error = expect_error (f, LK_ERROR_CONNECT);
  fail_if (lk_error_is_final (error));
  fixture_free (f);
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

  tc = tcase_create ("refused");
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
  tcase_add_test (tc, test_tokens_that_cannot_be_sent);

  tc = tcase_create ("tls");
  suite_add_tcase (s, tc);
  tcase_set_timeout (tc, 60);
  tcase_add_loop_test (tc, test_certificates, 0, G_N_ELEMENTS (tls_cases));
  tcase_add_test (tc, test_ca_file_that_is_not_there);
  tcase_add_test (tc, test_broken_tls_handshakes);

  tc = tcase_create ("messages");
  suite_add_tcase (s, tc);
  tcase_set_timeout (tc, 60);
  tcase_add_test (tc, test_requests_reach_the_server);
  tcase_add_test (tc, test_pings_carry_the_round_trip_time);
  tcase_add_test (tc, test_silence_is_noticed);
  tcase_add_test (tc, test_silence_is_noticed_after_a_resume);
  tcase_add_test (tc, test_frozen_server_is_noticed);
  tcase_add_test (tc, test_session_that_does_not_begin);
  tcase_add_test (tc, test_a_few_bad_messages_are_ignored);
  tcase_add_test (tc, test_ten_bad_messages_in_a_row_are_too_many);
  tcase_add_test (tc, test_frames_that_are_none);
  tcase_add_test (tc, test_large_messages);

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
