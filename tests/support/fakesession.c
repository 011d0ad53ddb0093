/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fakesession: one websocket of the fake server: first messages, requests, answers, and how it ends. All of it in the
 * server's thread. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "fakemessages.h"
#include "fakeserver-private.h"

/* The largest that clients may send, twice over. */
#define MAX_PAYLOAD_BYTES (4 * 1024 * 1024)

/* ---- connections ---- */

FakeClient *
fake_server_newest_client (FakeServer * server)
{
  return server->clients->len ? g_ptr_array_index (server->clients, server->clients->len - 1) : NULL;
}

/* Linux resets a connection that is connected to nothing. Closing with a linger time of 0 would as well, but the
 * websocket still has the descriptor. */
static void
reset_socket (GSocket * socket)
{
  struct sockaddr address = {.sa_family = AF_UNSPEC };

  if (connect (g_socket_get_fd (socket), &address, sizeof address) < 0)
    g_warning ("cannot reset a connection: %s", g_strerror (errno));
}

void
fake_client_end (FakeClient * client, FakeClose how, guint code)
{
  client->is_silent = TRUE;
  switch (how) {
    case FAKE_CLOSE_FRAME:
      if (soup_websocket_connection_get_state (client->ws) == SOUP_WEBSOCKET_STATE_OPEN)
        soup_websocket_connection_close (client->ws, code, NULL);
      break;
    case FAKE_CLOSE_FIN:
      g_socket_shutdown (client->socket, TRUE, TRUE, NULL);
      break;
    case FAKE_CLOSE_RST:
      reset_socket (client->socket);
      break;
    case FAKE_CLOSE_SILENCE:
      break;
  }
}

static void
end_after_flush (FakeServer * server, gpointer data)
{
  FakeClose how;
  guint i;

  g_mutex_lock (&server->lock);
  how = server->close_how;
  g_mutex_unlock (&server->lock);
  for (i = 0; i < server->clients->len; i++) {
    FakeClient *client = g_ptr_array_index (server->clients, i);

    if (client->ws != data)
      continue;
    fake_client_end (client, how, SOUP_WEBSOCKET_CLOSE_NORMAL);
    break;
  }
}

/* TRUE if this was the last message that @client gets. */
static gboolean
count_message (FakeServer * server)
{
  gboolean is_last;

  g_mutex_lock (&server->lock);
  server->n_sent++;
  is_last = server->close_after > 0 && --server->close_after == 0;
  g_cond_broadcast (&server->cond);
  g_mutex_unlock (&server->lock);
  return is_last;
}

void
fake_client_send (FakeClient * client, GBytes * bytes, SoupWebsocketDataType type)
{
  gboolean is_last;

  if (client->is_silent || soup_websocket_connection_get_state (client->ws) != SOUP_WEBSOCKET_STATE_OPEN)
    return;
  is_last = count_message (client->server);
  soup_websocket_connection_send_message (client->ws, type, bytes);
  if (!is_last)
    return;
  /* libsoup writes when the loop finds the socket writable: that comes before a low priority */
  client->is_silent = TRUE;
  fake_server_post_late (client->server, end_after_flush, g_object_ref (client->ws), g_object_unref);
}

static void
send_response (FakeClient * client, const Livekit__SignalResponse * response)
{
  g_autoptr (GBytes) bytes = fake_message_pack (response);

  fake_client_send (client, bytes, SOUP_WEBSOCKET_DATA_BINARY);
}

void
fake_client_free (gpointer data)
{
  FakeClient *client = data;

  g_signal_handlers_disconnect_by_data (client->ws, client);
  g_object_unref (client->ws);
  g_object_unref (client->socket);
  fake_participant_free (client->self);
  g_free (client->room);
  g_free (client);
}

static void
on_ws_closed (SoupWebsocketConnection * ws, FakeClient * client)
{
  FakeServer *server = client->server;

  g_ptr_array_remove (server->clients, client);
  g_mutex_lock (&server->lock);
  server->n_clients = server->clients->len;
  g_cond_broadcast (&server->cond);
  g_mutex_unlock (&server->lock);
}

/* ---- answers ---- */

static void
send_update (FakeClient * client, Livekit__ParticipantInfo ** infos, gsize n_infos)
{
  Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
  Livekit__ParticipantUpdate update = LIVEKIT__PARTICIPANT_UPDATE__INIT;

  update.participants = infos;
  update.n_participants = n_infos;
  response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_UPDATE;
  response.update = &update;
  send_response (client, &response);
}

static void
send_pong (FakeClient * client, const Livekit__SignalRequest * request)
{
  Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
  Livekit__Pong pong = LIVEKIT__PONG__INIT;

  if (request->message_case == LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING) {
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_PONG;
    response.pong = request->ping;
  } else {
    pong.last_ping_timestamp = request->ping_req->timestamp;
    pong.timestamp = g_get_real_time () / 1000;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_PONG_RESP;
    response.pong_resp = &pong;
  }
  send_response (client, &response);
}

static void
send_track_published (FakeClient * client, const Livekit__AddTrackRequest * request)
{
  Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
  Livekit__TrackPublishedResponse published = LIVEKIT__TRACK_PUBLISHED_RESPONSE__INIT;
  g_autofree gchar *sid = g_strdup_printf ("TR_%u", ++client->server->next_track);

  published.cid = request->cid;
  published.track = fake_track_new_from_request (sid, request);
  response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_TRACK_PUBLISHED;
  response.track_published = &published;
  send_response (client, &response);
  livekit__track_info__free_unpacked (published.track, NULL);
}

static void
answer_update_metadata (FakeClient * client, const Livekit__UpdateParticipantMetadata * request)
{
  Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
  Livekit__RequestResponse answer = LIVEKIT__REQUEST_RESPONSE__INIT;

  if (*request->name)
    fake_set_text (&client->self->name, request->name);
  if (*request->metadata)
    fake_set_text (&client->self->metadata, request->metadata);
  client->self->version++;
  send_update (client, &client->self, 1);

  answer.request_id = request->request_id;
  answer.reason = LIVEKIT__REQUEST_RESPONSE__REASON__OK;
  response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_REQUEST_RESPONSE;
  response.request_response = &answer;
  send_response (client, &response);
}

static void
answer_by_default (FakeClient * client, const Livekit__SignalRequest * request)
{
  gboolean ignores_pings;

  switch (request->message_case) {
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING:
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING_REQ:
      g_mutex_lock (&client->server->lock);
      ignores_pings = client->server->ignores_pings;
      g_mutex_unlock (&client->server->lock);
      if (!ignores_pings)
        send_pong (client, request);
      break;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_ADD_TRACK:
      send_track_published (client, request->add_track);
      break;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_UPDATE_METADATA:
      answer_update_metadata (client, request->update_metadata);
      break;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_LEAVE:
      fake_client_end (client, FAKE_CLOSE_FRAME, SOUP_WEBSOCKET_CLOSE_NORMAL);
      break;
    default:
      break;
  }
}

/* ---- requests ---- */

/* Takes @request. */
static void
handle_request (FakeClient * client, Livekit__SignalRequest * request)
{
  FakeServer *server = client->server;
  FakeServerHandler handler;
  gpointer handler_data;

  g_mutex_lock (&server->lock);
  g_ptr_array_add (server->requests, request);
  if (request->message_case == LIVEKIT__SIGNAL_REQUEST__MESSAGE_LEAVE)
    server->n_leaves++;
  handler = server->handler;
  handler_data = server->handler_data;
  g_cond_broadcast (&server->cond);
  g_mutex_unlock (&server->lock);

  if (!handler || !handler (server, request, handler_data))
    answer_by_default (client, request);
}

static void
on_ws_message (SoupWebsocketConnection * ws, SoupWebsocketDataType type, GBytes * bytes, FakeClient * client)
{
  Livekit__SignalRequest *request = NULL;

  if (client->is_silent)
    return;
  if (type == SOUP_WEBSOCKET_DATA_BINARY)
    request = livekit__signal_request__unpack (NULL, g_bytes_get_size (bytes), g_bytes_get_data (bytes, NULL));
  if (request) {
    handle_request (client, request);
    return;
  }
  g_mutex_lock (&client->server->lock);
  client->server->n_bad++;
  g_mutex_unlock (&client->server->lock);
}

/* A copy, as if @request had come by itself. */
static void
handle_copy (FakeClient * client, const Livekit__SignalRequest * request)
{
  gsize size = livekit__signal_request__get_packed_size (request);
  g_autofree guint8 *data = g_malloc (MAX (size, 1));

  livekit__signal_request__pack (request, data);
  handle_request (client, livekit__signal_request__unpack (NULL, size, data));
}

static void
handle_requests_in_join (FakeClient * client, const Livekit__JoinRequest * join)
{
  Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
  gsize i;

  for (i = 0; i < join->n_add_track_requests; i++) {
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_ADD_TRACK;
    request.add_track = join->add_track_requests[i];
    handle_copy (client, &request);
  }
  if (join->publisher_offer) {
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_OFFER;
    request.offer = join->publisher_offer;
    handle_copy (client, &request);
  }
}

/* ---- first messages ---- */

static void
fill_join (FakeServer * server, FakeClient * client, const FakeAttempt * attempt, Livekit__JoinResponse * join)
{
  join->participant = client->self;
  join->server_version = (char *) "0.0.0-fake";
  join->server_region = (char *) "test";
  join->subscriber_primary = !attempt->is_v1 && client->self->permission->can_subscribe;
  join->fast_publish = client->self->permission->can_publish;
  join->ping_interval = server->ping_interval_s;
  join->ping_timeout = server->ping_timeout_s;
  join->other_participants = (Livekit__ParticipantInfo **) server->participants->pdata;
  join->n_other_participants = server->participants->len;
}

/* The test's own, if it has one. */
static GBytes *
make_join_locked (FakeServer * server, FakeClient * client, const FakeAttempt * attempt)
{
  static const gchar *const mime_types[] = { "video/VP8", "video/H264", "audio/opus" };
  Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
  Livekit__JoinResponse join = LIVEKIT__JOIN_RESPONSE__INIT;
  Livekit__ServerInfo info = LIVEKIT__SERVER_INFO__INIT;
  Livekit__Room room = LIVEKIT__ROOM__INIT;
  Livekit__Codec codecs[G_N_ELEMENTS (mime_types)];
  Livekit__Codec *codec_list[G_N_ELEMENTS (mime_types)];
  g_autofree gchar *room_sid = g_strconcat ("RM_", client->room, NULL);
  guint i;

  if (server->join_bytes)
    return g_bytes_ref (server->join_bytes);
  for (i = 0; i < G_N_ELEMENTS (mime_types); i++) {
    livekit__codec__init (&codecs[i]);
    codecs[i].mime = (char *) mime_types[i];
    codec_list[i] = &codecs[i];
  }
  fill_join (server, client, attempt, &join);
  room.sid = room_sid;
  room.name = client->room;
  room.num_participants = server->participants->len + 1;
  info.protocol = 17;
  info.version = join.server_version;
  info.node_id = (char *) "ND_fake";
  join.room = &room;
  join.server_info = &info;
  join.enabled_publish_codecs = codec_list;
  join.n_enabled_publish_codecs = G_N_ELEMENTS (codec_list);
  response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN;
  response.join = &join;
  return fake_message_pack (&response);
}

static void
send_join (FakeClient * client, const FakeAttempt * attempt)
{
  FakeServer *server = client->server;
  g_autoptr (GBytes) bytes = NULL;

  g_mutex_lock (&server->lock);
  bytes = make_join_locked (server, client, attempt);
  g_mutex_unlock (&server->lock);
  fake_client_send (client, bytes, SOUP_WEBSOCKET_DATA_BINARY);
  if (attempt->join)
    handle_requests_in_join (client, attempt->join);
}

static void
send_leave (FakeClient * client, Livekit__LeaveRequest__Action action, Livekit__DisconnectReason reason)
{
  Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
  Livekit__LeaveRequest leave = LIVEKIT__LEAVE_REQUEST__INIT;

  leave.action = action;
  leave.reason = reason;
  response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_LEAVE;
  response.leave = &leave;
  send_response (client, &response);
}

/* As the real one: the answer, then everybody, us too. */
static void
send_resumed (FakeClient * client)
{
  FakeServer *server = client->server;
  Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
  Livekit__ReconnectResponse reconnect = LIVEKIT__RECONNECT_RESPONSE__INIT;
  g_autoptr (GPtrArray) everybody = g_ptr_array_new_with_free_func ((GDestroyNotify) fake_participant_free);
  guint i;

  response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_RECONNECT;
  response.reconnect = &reconnect;
  send_response (client, &response);

  g_mutex_lock (&server->lock);
  for (i = 0; i < server->participants->len; i++)
    g_ptr_array_add (everybody, fake_participant_copy (g_ptr_array_index (server->participants, i)));
  g_mutex_unlock (&server->lock);
  g_ptr_array_add (everybody, fake_participant_copy (client->self));
  send_update (client, (Livekit__ParticipantInfo **) everybody->pdata, everybody->len);
}

static Livekit__ParticipantInfo *
make_self (FakeServer * server, const FakeAttempt * attempt)
{
  g_autofree gchar *sid = NULL;
  Livekit__ParticipantInfo *self;
  gboolean can_publish = attempt->claims->can_publish, can_subscribe = attempt->claims->can_subscribe;

  if (attempt->is_resume)
    sid = g_strdup (attempt->participant_sid);
  else
    sid = g_strdup_printf ("PA_%u", ++server->next_participant);
  g_mutex_lock (&server->lock);
  if (server->has_permission) {
    can_publish = server->can_publish;
    can_subscribe = server->can_subscribe;
  }
  g_free (server->last_sid);
  server->last_sid = g_strdup (sid);
  g_mutex_unlock (&server->lock);

  self = fake_participant_new (sid, attempt->claims->identity, attempt->claims->name);
  fake_participant_set_permission (self, can_publish, can_subscribe);
  if (attempt->join)
    fake_set_text (&self->metadata, attempt->join->metadata);
  return self;
}

void
fake_client_start (FakeServer * server, const FakeAttempt * attempt, SoupWebsocketConnection * ws)
{
  FakeClient *client = g_new0 (FakeClient, 1);
  gboolean refuses_resumes;

  client->server = server;
  client->ws = g_object_ref (ws);
  client->socket = g_object_ref (attempt->socket);
  client->room = g_strdup (attempt->claims->room);
  client->self = make_self (server, attempt);
  soup_websocket_connection_set_max_incoming_payload_size (ws, MAX_PAYLOAD_BYTES);
  g_signal_connect (ws, "message", G_CALLBACK (on_ws_message), client);
  g_signal_connect (ws, "closed", G_CALLBACK (on_ws_closed), client);
  g_ptr_array_add (server->clients, client);

  g_mutex_lock (&server->lock);
  server->n_clients = server->clients->len;
  refuses_resumes = server->refuses_resumes;
  g_cond_broadcast (&server->cond);
  g_mutex_unlock (&server->lock);

  if (!attempt->is_resume) {
    send_join (client, attempt);
  } else if (refuses_resumes) {
    send_leave (client, LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT, LIVEKIT__DISCONNECT_REASON__STATE_MISMATCH);
    fake_client_end (client, FAKE_CLOSE_FRAME, SOUP_WEBSOCKET_CLOSE_NORMAL);
  } else {
    send_resumed (client);
  }
}

