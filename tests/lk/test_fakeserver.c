/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fakeserver: that the server which the other tests rely on does what it says, seen by a plain libsoup client. */
#include <gst/check/gstcheck.h>
#include <libsoup/soup.h>
#include <string.h>

#include "fakemessages.h"
#include "fakeserver.h"
#include "lkmessage.h"
#include "lktoken.h"

#define WAIT_MS 5000

typedef struct
{
  FakeServer *server;
  SoupSession *session;
  SoupWebsocketConnection *ws;
  guint status;                 /* of the handshake */
  GPtrArray *responses;         /* Livekit__SignalResponse */
  gboolean is_done, is_closed;
  gushort close_code;
} Fixture;

static Fixture *
fixture_new (void)
{
  Fixture *f = g_new0 (Fixture, 1);

  f->server = fake_server_new ();
  f->session = soup_session_new ();
  f->responses = g_ptr_array_new_with_free_func ((GDestroyNotify) lk_message_free);
  return f;
}

static void
fixture_free (Fixture * f)
{
  g_clear_object (&f->ws);
  g_object_unref (f->session);
  g_ptr_array_unref (f->responses);
  fake_server_free (f->server);
  while (g_main_context_iteration (NULL, FALSE));
  g_free (f);
}

static void
on_message (SoupWebsocketConnection * ws, SoupWebsocketDataType type, GBytes * bytes, Fixture * f)
{
  Livekit__SignalResponse *response = lk_message_unpack (bytes, NULL);

  fail_unless (type == SOUP_WEBSOCKET_DATA_BINARY && response != NULL);
  g_ptr_array_add (f->responses, response);
}

static void
on_closed (SoupWebsocketConnection * ws, Fixture * f)
{
  f->is_closed = TRUE;
  f->close_code = soup_websocket_connection_get_close_code (ws);
}

static void
on_connected (GObject * session, GAsyncResult * result, gpointer data)
{
  Fixture *f = data;

  f->ws = soup_session_websocket_connect_finish (SOUP_SESSION (session), result, NULL);
  f->is_done = TRUE;
  if (!f->ws)
    return;
  g_signal_connect (f->ws, "message", G_CALLBACK (on_message), f);
  g_signal_connect (f->ws, "closed", G_CALLBACK (on_closed), f);
}

static gboolean
on_timeout (gpointer timed_out)
{
  *(gboolean *) timed_out = TRUE;
  return G_SOURCE_REMOVE;
}

#define wait_for(condition) \
  G_STMT_START { \
    gboolean timed_out = FALSE; \
    guint id = g_timeout_add (WAIT_MS, on_timeout, &timed_out); \
    while (!(condition) && !timed_out) \
      g_main_context_iteration (NULL, TRUE); \
    fail_if (timed_out, "still not: " #condition); \
    g_source_remove (id); \
  } G_STMT_END

static gchar *
mint_token (void)
{
  LkTokenRequest request = { "devkey", "secret", "lab", "alice", "Alice", NULL, NULL, 0, 600 };

  request.now_s = g_get_real_time () / G_USEC_PER_SEC;
  return lk_token_mint (&request, NULL);
}

/* @path_and_query below the server's URL, with a token. */
static void
fixture_connect (Fixture * f, const gchar * path_and_query)
{
  g_autofree gchar *url = g_strconcat (fake_server_get_url (f->server), path_and_query, NULL);
  g_autofree gchar *token = mint_token ();
  g_autofree gchar *header = g_strconcat ("Bearer ", token, NULL);
  g_autoptr (SoupMessage) message = soup_message_new ("GET", url);

  g_clear_object (&f->ws);
  f->is_done = f->is_closed = FALSE;
  soup_message_headers_replace (soup_message_get_request_headers (message), "Authorization", header);
  soup_session_websocket_connect_async (f->session, message, NULL, NULL, G_PRIORITY_DEFAULT, NULL, on_connected, f);
  wait_for (f->is_done);
  f->status = soup_message_get_status (message);
}

static void
fixture_send (Fixture * f, const Livekit__SignalRequest * request)
{
  g_autoptr (GBytes) bytes = lk_message_pack (request);

  soup_websocket_connection_send_message (f->ws, SOUP_WEBSOCKET_DATA_BINARY, bytes);
}

static Livekit__SignalResponse *
fixture_response (Fixture * f, guint index)
{
  wait_for (f->responses->len > index);
  return g_ptr_array_index (f->responses, index);
}

GST_START_TEST (test_v0_join_ping_and_leave)
{
  Fixture *f = fixture_new ();
  Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
  Livekit__Ping ping = LIVEKIT__PING__INIT;
  Livekit__LeaveRequest leave = LIVEKIT__LEAVE_REQUEST__INIT;
  Livekit__JoinResponse *join;
  g_autofree gchar *protocol = NULL;

  fixture_connect (f, "/rtc?protocol=17");
  fail_unless (f->ws != NULL);
  fail_unless_equals_int (fixture_response (f, 0)->message_case, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN);
  join = fixture_response (f, 0)->join;
  fail_unless_equals_string (join->room->name, "lab");
  fail_unless_equals_string (join->participant->sid, "PA_1");
  fail_unless_equals_string (join->participant->identity, "alice");
  fail_unless (join->subscriber_primary);
  fail_unless_equals_int (join->n_enabled_publish_codecs, 3);
  protocol = fake_server_dup_last_query (f->server, "protocol");
  fail_unless_equals_string (protocol, "17");

  request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING_REQ;
  request.ping_req = &ping;
  ping.timestamp = 4711;
  fixture_send (f, &request);
  fail_unless_equals_int (fixture_response (f, 1)->message_case, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_PONG_RESP);
  fail_unless_equals_int (fixture_response (f, 1)->pong_resp->last_ping_timestamp, 4711);

  request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_LEAVE;
  request.leave = &leave;
  fixture_send (f, &request);
  wait_for (f->is_closed);
  fail_unless_equals_int (f->close_code, SOUP_WEBSOCKET_CLOSE_NORMAL);
  fail_unless (fake_server_wait_leaves (f->server, 1, WAIT_MS));
  fail_unless (fake_server_wait_clients (f->server, 0, WAIT_MS));
  fixture_free (f);
}
GST_END_TEST;

static gchar *
make_join_path (gboolean reconnect)
{
  Livekit__JoinRequest join = LIVEKIT__JOIN_REQUEST__INIT;
  Livekit__AddTrackRequest add = LIVEKIT__ADD_TRACK_REQUEST__INIT;
  Livekit__AddTrackRequest *adds[] = { &add };
  Livekit__SimulcastCodec codec = LIVEKIT__SIMULCAST_CODEC__INIT;
  Livekit__SimulcastCodec *codecs[] = { &codec };
  g_autofree gchar *base64 = NULL, *escaped = NULL;

  add.cid = (char *) "front";
  add.type = LIVEKIT__TRACK_TYPE__VIDEO;
  add.simulcast_codecs = codecs;
  add.n_simulcast_codecs = 1;
  codec.codec = (char *) "h264";
  join.reconnect = reconnect;
  join.participant_sid = reconnect ? (char *) "PA_1" : (char *) "";
  join.add_track_requests = adds;
  join.n_add_track_requests = reconnect ? 0 : 1;
  base64 = lk_message_pack_join (&join);
  escaped = g_uri_escape_string (base64, NULL, FALSE);
  return g_strconcat ("/rtc/v1?join_request=", escaped, NULL);
}

GST_START_TEST (test_v1_join_publish_and_resume)
{
  Fixture *f = fixture_new ();
  g_autofree gchar *join_path = make_join_path (FALSE);
  g_autofree gchar *resume_path = make_join_path (TRUE);
  Livekit__TrackPublishedResponse *published;

  fake_server_add_participant (f->server, "PA_bob", "bob", "Bob");
  fake_server_add_track (f->server, "PA_bob", "TR_bob", LIVEKIT__TRACK_TYPE__AUDIO,
      LIVEKIT__TRACK_SOURCE__MICROPHONE, "mic", "audio/opus");
  fixture_connect (f, join_path);
  fail_unless_equals_int (fixture_response (f, 0)->join->n_other_participants, 1);
  fail_if (fixture_response (f, 0)->join->subscriber_primary);
  published = fixture_response (f, 1)->track_published;
  fail_unless_equals_string (published->cid, "front");
  fail_unless_equals_string (published->track->sid, "TR_1");
  fail_unless_equals_string (published->track->mime_type, "video/H264");
  fail_unless (fake_server_wait_request (f->server, LIVEKIT__SIGNAL_REQUEST__MESSAGE_ADD_TRACK, WAIT_MS));
  fail_if (fake_server_wait_request (f->server, LIVEKIT__SIGNAL_REQUEST__MESSAGE_ADD_TRACK, 1));

  fake_server_mute_track (f->server, "PA_bob", "TR_bob", TRUE);
  fail_unless (fixture_response (f, 2)->update->participants[0]->tracks[0]->muted);

  fake_server_drop (f->server);
  wait_for (f->is_closed);
  fail_unless_equals_int (f->close_code, 0);
  fixture_connect (f, resume_path);
  fail_unless_equals_int (fixture_response (f, 3)->message_case, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_RECONNECT);
  fail_unless_equals_int (fixture_response (f, 4)->update->n_participants, 2);
  fail_unless_equals_int (fake_server_n_joins (f->server), 1);
  fail_unless_equals_int (fake_server_n_resumes (f->server), 1);

  fake_server_refuse_resumes (f->server, TRUE);
  fixture_connect (f, resume_path);
  fail_unless_equals_int (fixture_response (f, 5)->leave->action, LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT);
  wait_for (f->is_closed);
  fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_refusals)
{
  Fixture *f = fixture_new ();
  g_autofree gchar *path = make_join_path (FALSE);

  fake_server_refuse_n_joins (f->server, 1, 503, "busy");
  fixture_connect (f, path);
  fail_unless (f->ws == NULL);
  fail_unless_equals_int (f->status, 503);
  fixture_connect (f, path);
  fail_unless (f->ws != NULL);

  fake_server_refuse_join (f->server, 401, "no");
  fixture_connect (f, path);
  fail_unless_equals_int (f->status, 401);
  fake_server_refuse_join (f->server, 0, NULL);

  fixture_connect (f, "/rtc/v1?join_request=bm8+");
  fail_unless_equals_int (f->status, 400);
  fake_server_without_v1 (f->server);
  fixture_connect (f, path);
  fail_unless_equals_int (f->status, 404);
  fail_unless_equals_int (fake_server_n_joins (f->server), 4);
  fixture_free (f);
}
GST_END_TEST;

/* After the second message, in each way; the third never comes. */
GST_START_TEST (test_close_after)
{
  Fixture *f = fixture_new ();
  g_autofree gchar *path = make_join_path (FALSE);

  fake_server_close_after (f->server, 2, __i__);
  fixture_connect (f, path);
  fixture_response (f, 1);
  fake_server_push_refresh_token (f->server, "x");
  if (__i__ == FAKE_CLOSE_SILENCE) {
    fail_unless (fake_server_wait_clients (f->server, 1, WAIT_MS));
  } else {
    wait_for (f->is_closed);
    fail_unless_equals_int (f->close_code, __i__ == FAKE_CLOSE_FRAME ? SOUP_WEBSOCKET_CLOSE_NORMAL : 0);
    fail_unless (fake_server_wait_clients (f->server, 0, WAIT_MS));
  }
  fail_unless_equals_int (f->responses->len, 2);
  fail_unless_equals_int (fake_server_n_sent (f->server), 2);

  fixture_connect (f, path);
  fail_unless_equals_int (fixture_response (f, 2)->message_case, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN);
  fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_down_and_back)
{
  Fixture *f = fixture_new ();
  g_autofree gchar *path = make_join_path (FALSE);

  fixture_connect (f, path);
  fixture_response (f, 1);
  fake_server_go_down (f->server);
  wait_for (f->is_closed);
  fixture_connect (f, path);
  fail_unless (f->ws == NULL);
  fake_server_come_back (f->server);
  fixture_connect (f, path);
  fail_unless (f->ws != NULL);
  fixture_response (f, 3);

  fake_server_reset (f->server);
  wait_for (f->is_closed);
  fixture_connect (f, path);
  fixture_response (f, 5);
  fake_server_close (f->server, 1011);
  wait_for (f->is_closed);
  fail_unless_equals_int (f->close_code, 1011);
  fixture_connect (f, path);
  fake_server_freeze (f->server);
  fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_raw_server)
{
  g_autoptr (FakeRawServer) server = fake_raw_server_new ("HTTP/1.1 101 Hello\r\n\r\n", FALSE);
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketConnection) connection = NULL;
  g_autofree gchar *received = NULL;
  gchar buffer[100] = "";
  gsize n;

  connection = g_socket_client_connect_to_host (client, "127.0.0.1", fake_raw_server_get_port (server), NULL, NULL);
  fail_unless (connection != NULL);
  fail_unless (g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (connection)), "GET", 3, NULL,
          NULL, NULL));
  fail_unless (g_input_stream_read_all (g_io_stream_get_input_stream (G_IO_STREAM (connection)), buffer,
          sizeof buffer - 1, &n, NULL, NULL));
  fail_unless_equals_string (buffer, "HTTP/1.1 101 Hello\r\n\r\n");
  fail_unless (fake_raw_server_wait_connections (server, 1, WAIT_MS));
  g_io_stream_close (G_IO_STREAM (connection), NULL, NULL);
  received = fake_raw_server_wait_received (server, "GET", WAIT_MS);
  fail_unless_equals_string (received, "GET");
}
GST_END_TEST;

static Suite *
fakeserver_suite (void)
{
  Suite *s = suite_create ("fakeserver");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_v0_join_ping_and_leave);
  tcase_add_test (tc, test_v1_join_publish_and_resume);
  tcase_add_test (tc, test_refusals);
  tcase_add_loop_test (tc, test_close_after, FAKE_CLOSE_FRAME, FAKE_CLOSE_SILENCE + 1);
  tcase_add_test (tc, test_down_and_back);
  tcase_add_test (tc, test_raw_server);
  return s;
}

GST_CHECK_MAIN (fakeserver);
