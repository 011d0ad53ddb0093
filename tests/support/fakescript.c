/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fakescript: what a test tells the fake server, and what it asks it. */
#include <string.h>

#include "fakemessages.h"
#include "fakeserver-private.h"

/* ---- asking ---- */

const gchar *
fake_server_get_url (FakeServer * server)
{
  return server->url;
}

guint
fake_server_get_port (FakeServer * server)
{
  return server->port;
}

static guint
read_counter (FakeServer * server, const guint * counter)
{
  guint n;

  g_mutex_lock (&server->lock);
  n = *counter;
  g_mutex_unlock (&server->lock);
  return n;
}

guint
fake_server_n_joins (FakeServer * server)
{
  return read_counter (server, &server->n_joins);
}

guint
fake_server_n_resumes (FakeServer * server)
{
  return read_counter (server, &server->n_resumes);
}

guint
fake_server_n_validates (FakeServer * server)
{
  return read_counter (server, &server->n_validates);
}

guint
fake_server_n_leaves (FakeServer * server)
{
  return read_counter (server, &server->n_leaves);
}

guint
fake_server_n_clients (FakeServer * server)
{
  return read_counter (server, &server->n_clients);
}

guint
fake_server_n_sent (FakeServer * server)
{
  return read_counter (server, &server->n_sent);
}

guint
fake_server_n_bad (FakeServer * server)
{
  return read_counter (server, &server->n_bad);
}

static gint64
deadline_after (guint timeout_ms)
{
  return g_get_monotonic_time () + timeout_ms * G_TIME_SPAN_MILLISECOND;
}

static gboolean
wait_counter (FakeServer * server, const guint * counter, guint n, gboolean is_exact, guint timeout_ms)
{
  gint64 deadline = deadline_after (timeout_ms);
  gboolean is_reached;

  g_mutex_lock (&server->lock);
  while (!(is_reached = is_exact ? *counter == n : *counter >= n)) {
    if (!g_cond_wait_until (&server->cond, &server->lock, deadline))
      break;
  }
  g_mutex_unlock (&server->lock);
  return is_reached;
}

gboolean
fake_server_wait_joins (FakeServer * server, guint n, guint timeout_ms)
{
  return wait_counter (server, &server->n_joins, n, FALSE, timeout_ms);
}

gboolean
fake_server_wait_resumes (FakeServer * server, guint n, guint timeout_ms)
{
  return wait_counter (server, &server->n_resumes, n, FALSE, timeout_ms);
}

gboolean
fake_server_wait_leaves (FakeServer * server, guint n, guint timeout_ms)
{
  return wait_counter (server, &server->n_leaves, n, FALSE, timeout_ms);
}

gboolean
fake_server_wait_clients (FakeServer * server, guint n, guint timeout_ms)
{
  return wait_counter (server, &server->n_clients, n, TRUE, timeout_ms);
}

/* From @start on; the place behind it, or 0. */
static guint
find_request_locked (FakeServer * server, Livekit__SignalRequest__MessageCase kind, guint start)
{
  guint i;

  for (i = start; i < server->requests->len; i++) {
    Livekit__SignalRequest *request = g_ptr_array_index (server->requests, i);

    if (request->message_case == kind)
      return i + 1;
  }
  return 0;
}

gboolean
fake_server_wait_request (FakeServer * server, Livekit__SignalRequest__MessageCase kind, guint timeout_ms)
{
  gint64 deadline = deadline_after (timeout_ms);
  guint start, next;

  g_mutex_lock (&server->lock);
  start = GPOINTER_TO_UINT (g_hash_table_lookup (server->cursors, GUINT_TO_POINTER (kind)));
  while (!(next = find_request_locked (server, kind, start))) {
    if (!g_cond_wait_until (&server->cond, &server->lock, deadline))
      break;
  }
  if (next)
    g_hash_table_insert (server->cursors, GUINT_TO_POINTER (kind), GUINT_TO_POINTER (next));
  g_mutex_unlock (&server->lock);
  return next != 0;
}

guint
fake_server_n_requests (FakeServer * server, Livekit__SignalRequest__MessageCase kind)
{
  guint n = 0, place = 0;

  g_mutex_lock (&server->lock);
  while ((place = find_request_locked (server, kind, place)))
    n++;
  g_mutex_unlock (&server->lock);
  return n;
}

const Livekit__SignalRequest *
fake_server_nth_request (FakeServer * server, Livekit__SignalRequest__MessageCase kind, guint index)
{
  const Livekit__SignalRequest *request = NULL;
  guint place = 0;

  g_mutex_lock (&server->lock);
  do
    place = find_request_locked (server, kind, place);
  while (place && index--);
  if (place)
    request = g_ptr_array_index (server->requests, place - 1);
  g_mutex_unlock (&server->lock);
  return request;
}

const Livekit__SignalRequest *
fake_server_last_request (FakeServer * server, Livekit__SignalRequest__MessageCase kind)
{
  guint n = fake_server_n_requests (server, kind);

  return n ? fake_server_nth_request (server, kind, n - 1) : NULL;
}

const Livekit__JoinRequest *
fake_server_last_join (FakeServer * server)
{
  const Livekit__JoinRequest *join;

  g_mutex_lock (&server->lock);
  join = server->last_join;
  g_mutex_unlock (&server->lock);
  return join;
}

static gchar *
dup_text (FakeServer * server, gchar ** text)
{
  gchar *copy;

  g_mutex_lock (&server->lock);
  copy = g_strdup (*text);
  g_mutex_unlock (&server->lock);
  return copy;
}

gchar *
fake_server_dup_last_path (FakeServer * server)
{
  return dup_text (server, &server->last_path);
}

gchar *
fake_server_dup_last_token (FakeServer * server)
{
  return dup_text (server, &server->last_token);
}

gchar *
fake_server_dup_last_participant_sid (FakeServer * server)
{
  return dup_text (server, &server->last_sid);
}

gchar *
fake_server_dup_last_query (FakeServer * server, const gchar * name)
{
  gchar *value = NULL;

  g_mutex_lock (&server->lock);
  if (server->last_query)
    value = g_strdup (g_hash_table_lookup (server->last_query, name));
  g_mutex_unlock (&server->lock);
  return value;
}

/* ---- pushing ---- */

void
fake_server_set_handler (FakeServer * server, FakeServerHandler handler, gpointer data)
{
  g_mutex_lock (&server->lock);
  server->handler = handler;
  server->handler_data = data;
  g_mutex_unlock (&server->lock);
}

static void
push_binary (FakeServer * server, gpointer bytes)
{
  FakeClient *client = fake_server_newest_client (server);

  if (client)
    fake_client_send (client, bytes, SOUP_WEBSOCKET_DATA_BINARY);
}

static void
push_text (FakeServer * server, gpointer bytes)
{
  FakeClient *client = fake_server_newest_client (server);

  if (client)
    fake_client_send (client, bytes, SOUP_WEBSOCKET_DATA_TEXT);
}

static void
push_raw (FakeServer * server, gpointer bytes)
{
  FakeClient *client = fake_server_newest_client (server);
  gsize size, done = 0;
  const gchar *data = g_bytes_get_data (bytes, &size);

  while (client && done < size) {
    gssize n = g_socket_send_with_blocking (client->socket, data + done, size - done, TRUE, NULL, NULL);

    if (n <= 0)
      return;
    done += n;
  }
}

static void
unref_bytes (gpointer bytes)
{
  g_bytes_unref (bytes);
}

void
fake_server_push (FakeServer * server, const Livekit__SignalResponse * response)
{
  fake_server_post (server, push_binary, fake_message_pack (response), unref_bytes);
}

void
fake_server_push_bytes (FakeServer * server, gconstpointer data, gsize size)
{
  fake_server_post (server, push_binary, g_bytes_new (data, size), unref_bytes);
}

void
fake_server_push_text (FakeServer * server, const gchar * text)
{
  fake_server_post (server, push_text, g_bytes_new (text, strlen (text)), unref_bytes);
}

void
fake_server_push_raw (FakeServer * server, gconstpointer data, gsize size)
{
  fake_server_post (server, push_raw, g_bytes_new (data, size), unref_bytes);
}

void
fake_server_push_leave (FakeServer * server, Livekit__LeaveRequest__Action action, Livekit__DisconnectReason reason)
{
  Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
  Livekit__LeaveRequest leave = LIVEKIT__LEAVE_REQUEST__INIT;

  leave.action = action;
  leave.reason = reason;
  response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_LEAVE;
  response.leave = &leave;
  fake_server_push (server, &response);
}

void
fake_server_push_refresh_token (FakeServer * server, const gchar * token)
{
  Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;

  response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_REFRESH_TOKEN;
  response.refresh_token = (char *) token;
  fake_server_push (server, &response);
}

/* ---- the others ---- */

static Livekit__ParticipantInfo *
find_participant_locked (FakeServer * server, const gchar * sid)
{
  guint i;

  for (i = 0; i < server->participants->len; i++) {
    Livekit__ParticipantInfo *participant = g_ptr_array_index (server->participants, i);

    if (g_str_equal (participant->sid, sid))
      return participant;
  }
  g_error ("the test speaks of participant %s, who is not there", sid);
}

/* Everybody who is connected hears of @participant; nobody may be. */
static GBytes *
pack_update_locked (Livekit__ParticipantInfo * participant)
{
  Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
  Livekit__ParticipantUpdate update = LIVEKIT__PARTICIPANT_UPDATE__INIT;

  participant->version++;
  update.participants = &participant;
  update.n_participants = 1;
  response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_UPDATE;
  response.update = &update;
  return fake_message_pack (&response);
}

static void
push_to_all (FakeServer * server, gpointer bytes)
{
  guint i;

  for (i = 0; i < server->clients->len; i++)
    fake_client_send (g_ptr_array_index (server->clients, i), bytes, SOUP_WEBSOCKET_DATA_BINARY);
}

/* Posted with the lock held, so that updates go out in the order of what they tell. Who comes later has it in the
 * answer to the join. */
static void
tell_all_locked (FakeServer * server, Livekit__ParticipantInfo * participant)
{
  GBytes *bytes = pack_update_locked (participant);

  if (server->n_clients > 0)
    fake_server_post (server, push_to_all, bytes, unref_bytes);
  else
    g_bytes_unref (bytes);
}

void
fake_server_set_join_participants (FakeServer * server, Livekit__ParticipantInfo ** infos, gsize n_infos)
{
  gsize i;

  g_mutex_lock (&server->lock);
  g_ptr_array_set_size (server->participants, 0);
  for (i = 0; i < n_infos; i++)
    g_ptr_array_add (server->participants, fake_participant_copy (infos[i]));
  g_mutex_unlock (&server->lock);
}

void
fake_server_add_participant (FakeServer * server, const gchar * sid, const gchar * identity, const gchar * name)
{
  Livekit__ParticipantInfo *participant = fake_participant_new (sid, identity, name);

  g_mutex_lock (&server->lock);
  g_ptr_array_add (server->participants, participant);
  tell_all_locked (server, participant);
  g_mutex_unlock (&server->lock);
}

void
fake_server_remove_participant (FakeServer * server, const gchar * sid)
{
  Livekit__ParticipantInfo *participant;

  g_mutex_lock (&server->lock);
  participant = find_participant_locked (server, sid);
  participant->state = LIVEKIT__PARTICIPANT_INFO__STATE__DISCONNECTED;
  tell_all_locked (server, participant);
  g_ptr_array_remove (server->participants, participant);
  g_mutex_unlock (&server->lock);
}

void
fake_server_add_track (FakeServer * server, const gchar * participant_sid, const gchar * track_sid,
    Livekit__TrackType type, Livekit__TrackSource source, const gchar * name, const gchar * mime_type)
{
  Livekit__ParticipantInfo *participant;

  g_mutex_lock (&server->lock);
  participant = find_participant_locked (server, participant_sid);
  fake_participant_add_track (participant, fake_track_new (track_sid, type, source, name, mime_type));
  tell_all_locked (server, participant);
  g_mutex_unlock (&server->lock);
}

void
fake_server_remove_track (FakeServer * server, const gchar * participant_sid, const gchar * track_sid)
{
  Livekit__ParticipantInfo *participant;

  g_mutex_lock (&server->lock);
  participant = find_participant_locked (server, participant_sid);
  if (!fake_participant_remove_track (participant, track_sid))
    g_error ("the test speaks of track %s, which is not there", track_sid);
  tell_all_locked (server, participant);
  g_mutex_unlock (&server->lock);
}

void
fake_server_mute_track (FakeServer * server, const gchar * participant_sid, const gchar * track_sid, gboolean muted)
{
  Livekit__ParticipantInfo *participant;
  Livekit__TrackInfo *track;

  g_mutex_lock (&server->lock);
  participant = find_participant_locked (server, participant_sid);
  track = fake_participant_find_track (participant, track_sid);
  if (!track)
    g_error ("the test speaks of track %s, which is not there", track_sid);
  track->muted = muted;
  tell_all_locked (server, participant);
  g_mutex_unlock (&server->lock);
}

/* ---- behaviour ---- */

void
fake_server_refuse_n_joins (FakeServer * server, guint n, guint http_status, const gchar * body)
{
  g_mutex_lock (&server->lock);
  server->refuse_status = http_status;
  server->n_refusals = n;
  server->was_refused = FALSE;
  g_free (server->refuse_body);
  server->refuse_body = g_strdup (body);
  g_mutex_unlock (&server->lock);
}

void
fake_server_refuse_join (FakeServer * server, guint http_status, const gchar * body)
{
  fake_server_refuse_n_joins (server, G_MAXUINT, http_status, body);
}

static void
set_flag (FakeServer * server, gboolean * flag, gboolean value)
{
  g_mutex_lock (&server->lock);
  *flag = value;
  g_mutex_unlock (&server->lock);
}

void
fake_server_refuse_resumes (FakeServer * server, gboolean refuse)
{
  set_flag (server, &server->refuses_resumes, refuse);
}

void
fake_server_without_v1 (FakeServer * server)
{
  set_flag (server, &server->without_v1, TRUE);
}

void
fake_server_ignore_pings (FakeServer * server, gboolean ignore)
{
  set_flag (server, &server->ignores_pings, ignore);
}

void
fake_server_set_permission (FakeServer * server, gboolean can_publish, gboolean can_subscribe)
{
  g_mutex_lock (&server->lock);
  server->has_permission = TRUE;
  server->can_publish = can_publish;
  server->can_subscribe = can_subscribe;
  g_mutex_unlock (&server->lock);
}

void
fake_server_set_ping (FakeServer * server, gint interval_s, gint timeout_s)
{
  g_mutex_lock (&server->lock);
  server->ping_interval_s = interval_s;
  server->ping_timeout_s = timeout_s;
  g_mutex_unlock (&server->lock);
}

void
fake_server_set_join_bytes (FakeServer * server, GBytes * bytes)
{
  g_mutex_lock (&server->lock);
  g_clear_pointer (&server->join_bytes, g_bytes_unref);
  server->join_bytes = bytes ? g_bytes_ref (bytes) : NULL;
  g_mutex_unlock (&server->lock);
}

static void
switch_to_tls (FakeServer * server, gpointer certificate)
{
  GError *error = NULL;

  fake_server_stop_listening (server);
  g_set_object (&server->certificate, certificate);
  if (!fake_server_start_listening (server, 0, &error))
    g_error ("the fake server cannot listen: %s", error->message);
}

gboolean
fake_server_set_tls (FakeServer * server, const gchar * cert_file, const gchar * key_file, GError ** error)
{
  g_autoptr (GTlsCertificate) certificate = g_tls_certificate_new_from_files (cert_file, key_file, error);

  if (!certificate)
    return FALSE;
  fake_server_run (server, switch_to_tls, certificate);
  return TRUE;
}

/* ---- faults ---- */

static void
close_newest (FakeServer * server, gpointer code)
{
  FakeClient *client = fake_server_newest_client (server);

  if (client)
    fake_client_end (client, FAKE_CLOSE_FRAME, GPOINTER_TO_UINT (code));
}

static void
end_newest (FakeServer * server, gpointer how)
{
  FakeClient *client = fake_server_newest_client (server);

  if (client)
    fake_client_end (client, GPOINTER_TO_INT (how), 0);
}

void
fake_server_close (FakeServer * server, guint code)
{
  fake_server_post (server, close_newest, GUINT_TO_POINTER (code), NULL);
}

void
fake_server_drop (FakeServer * server)
{
  fake_server_post (server, end_newest, GINT_TO_POINTER (FAKE_CLOSE_FIN), NULL);
}

void
fake_server_reset (FakeServer * server)
{
  fake_server_post (server, end_newest, GINT_TO_POINTER (FAKE_CLOSE_RST), NULL);
}

void
fake_server_close_after (FakeServer * server, guint n_messages, FakeClose how)
{
  g_mutex_lock (&server->lock);
  server->close_after = n_messages;
  server->close_how = how;
  g_mutex_unlock (&server->lock);
}

static void
stand_still (FakeServer * server, gpointer data)
{
  g_mutex_lock (&server->lock);
  while (server->is_frozen)
    g_cond_wait (&server->cond, &server->lock);
  g_mutex_unlock (&server->lock);
}

void
fake_server_freeze (FakeServer * server)
{
  set_flag (server, &server->is_frozen, TRUE);
  fake_server_post (server, stand_still, NULL, NULL);
}

void
fake_server_thaw (FakeServer * server)
{
  g_mutex_lock (&server->lock);
  server->is_frozen = FALSE;
  g_cond_broadcast (&server->cond);
  g_mutex_unlock (&server->lock);
}

static void
go_down (FakeServer * server, gpointer data)
{
  fake_server_stop_listening (server);
}

static void
come_back (FakeServer * server, gpointer data)
{
  GError *error = NULL;

  if (!fake_server_start_listening (server, server->port, &error))
    g_error ("the fake server cannot listen again: %s", error->message);
}

void
fake_server_go_down (FakeServer * server)
{
  fake_server_thaw (server);
  fake_server_run (server, go_down, NULL);
}

void
fake_server_come_back (FakeServer * server)
{
  fake_server_run (server, come_back, NULL);
}
