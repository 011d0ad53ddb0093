/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkroom: what the server says. One function per kind of message; which of them count in which state is told at the
 * end.
 *
 * After lk_message_unpack() strings are valid and never NULL, but members that are messages may be missing, and
 * enums may have values that we do not know. */

#include "lkroom-private.h"

#include "lkerror.h"
#include "lklog.h"
#include "lkmessage.h"

/* More codecs than there are; more sections of one kind than our peer takes. */
#define MAX_CODECS 16
#define MAX_SECTIONS 200

/* ------------------------------------------------------------------------------------------------------------------ */
/* Transport */

static void
handle_answer (LkRoom * self, const Livekit__SessionDescription * answer)
{
  g_autoptr (GHashTable) mids = lk_message_mid_map (answer);

  g_free (self->remote_answer);
  self->remote_answer = g_strdup (answer->sdp);
  self->remote_answer_id = answer->id;
  if (answer->id == 0 || answer->id == self->own_offer_id)
    self->offer_is_open = FALSE;
  LK_ROOM_TELL (self, remote_answer, self, answer->sdp, answer->id, mids);
}

static void
handle_offer (LkRoom * self, const Livekit__SessionDescription * offer)
{
  g_autoptr (GHashTable) mids = lk_message_mid_map (offer);

  g_free (self->remote_offer);
  self->remote_offer = g_strdup (offer->sdp);
  self->remote_offer_id = offer->id;
  LK_ROOM_TELL (self, remote_offer, self, offer->sdp, offer->id, mids);
}

static void
handle_trickle (LkRoom * self, const Livekit__TrickleRequest * trickle)
{
  g_autofree gchar *candidate = NULL, *mid = NULL;
  g_autoptr (GError) error = NULL;
  LkSignalTarget target;
  guint mline_index = 0;

  if (!lk_message_candidate_from_json (trickle->candidateinit, &candidate, &mid, &mline_index, &error)) {
    lk_warning ("room", "candidate ignored reason=%s", error->message);
    return;
  }
  target = trickle->target == LIVEKIT__SIGNAL_TARGET__PUBLISHER ? LK_TARGET_PUBLISHER : LK_TARGET_SUBSCRIBER;
  LK_ROOM_TELL (self, remote_candidate, self, target, candidate, mid, mline_index);
}

static void
handle_media_sections (LkRoom * self, const Livekit__MediaSectionsRequirement * requirement)
{
  LK_ROOM_TELL (self, media_sections_required, self, MIN (requirement->num_audios, MAX_SECTIONS),
      MIN (requirement->num_videos, MAX_SECTIONS));
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* Tracks */

static guint
read_qualities (Livekit__SubscribedQuality ** qualities, gsize n_qualities, const gchar * codec, LkCodecQuality * out)
{
  out->codec = codec;
  for (gsize i = 0; i < n_qualities; i++) {
    gint quality = (gint) qualities[i]->quality;

    if (quality >= 0 && quality < (gint) G_N_ELEMENTS (out->enabled))
      out->enabled[quality] = qualities[i]->enabled;
  }
  return 1;
}

static void
handle_subscribed_quality (LkRoom * self, const Livekit__SubscribedQualityUpdate * update)
{
  LkCodecQuality codecs[MAX_CODECS] = { {NULL,}, };
  guint n_codecs = 0;

  for (gsize i = 0; i < update->n_subscribed_codecs && n_codecs < MAX_CODECS; i++) {
    const Livekit__SubscribedCodec *codec = update->subscribed_codecs[i];

    n_codecs += read_qualities (codec->qualities, codec->n_qualities, codec->codec, &codecs[n_codecs]);
  }
  /* servers that know of one codec only */
  if (n_codecs == 0)
    n_codecs = read_qualities (update->subscribed_qualities, update->n_subscribed_qualities, "", &codecs[0]);
  LK_ROOM_TELL (self, quality_requested, self, update->track_sid, codecs, n_codecs);
}

static void
handle_stream_states (LkRoom * self, const Livekit__StreamStateUpdate * update)
{
  for (gsize i = 0; i < update->n_stream_states && self->state == LK_ROOM_JOINED; i++)
    LK_ROOM_TELL (self, stream_paused, self, update->stream_states[i]->track_sid,
        update->stream_states[i]->state == LIVEKIT__STREAM_STATE__PAUSED);
}

static void
handle_subscription_response (LkRoom * self, const Livekit__SubscriptionResponse * response)
{
  const gchar *why = "no answer within 15 s";

  if (response->err == LIVEKIT__SUBSCRIPTION_ERROR__SE_CODEC_UNSUPPORTED)
    why = "no common codec";
  else if (response->err == LIVEKIT__SUBSCRIPTION_ERROR__SE_TRACK_NOTFOUND)
    why = "no such track";
  lk_room_forget_track (self, response->track_sid);
  LK_ROOM_TELL (self, subscription_failed, self, response->track_sid, why);
}

static void
update_refused (LkRoom * self, const gchar * text)
{
  g_autoptr (GError) error = g_error_new (LK_ERROR, LK_ERROR_PERMISSION,
      "The server has not taken the participant's name, metadata or attributes: %s", text);

  LK_ROOM_TELL (self, update_refused, self, error);
}

static void
handle_request_response (LkRoom * self, const Livekit__RequestResponse * response)
{
  g_autofree gchar *text = lk_error_clean_text (response->message, -1);

  if (response->request_case == LIVEKIT__REQUEST_RESPONSE__REQUEST_ADD_TRACK)
    lk_room_track_refused (self, response->add_track->cid, response->reason, text);
  else if (response->request_case == LIVEKIT__REQUEST_RESPONSE__REQUEST_UPDATE_METADATA
      && response->reason != LIVEKIT__REQUEST_RESPONSE__REASON__OK)
    update_refused (self, text);
  else if (response->reason != LIVEKIT__REQUEST_RESPONSE__REASON__OK)
    lk_warning ("room", "request refused request=%d reason=%d text=%s", (gint) response->request_case,
        (gint) response->reason, text);
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* Room and participants */

static void
handle_speakers (LkRoom * self, const Livekit__SpeakersChanged * changed)
{
  g_autofree LkSpeaker *speakers = g_new0 (LkSpeaker, changed->n_speakers);

  for (gsize i = 0; i < changed->n_speakers; i++) {
    speakers[i].sid = changed->speakers[i]->sid;
    speakers[i].level = changed->speakers[i]->level;
    speakers[i].active = changed->speakers[i]->active;
  }
  LK_ROOM_TELL (self, speakers_changed, self, speakers, (guint) changed->n_speakers);
}

static const gchar *
quality_name (Livekit__ConnectionQuality quality)
{
  static const gchar *const names[] = { "poor", "good", "excellent", "lost" };

  return (guint) quality < G_N_ELEMENTS (names) ? names[quality] : NULL;
}

static void
handle_connection_quality (LkRoom * self, const Livekit__ConnectionQualityUpdate * update)
{
  for (gsize i = 0; i < update->n_updates && self->state == LK_ROOM_JOINED; i++) {
    const gchar *name = quality_name (update->updates[i]->quality);

    if (name != NULL)
      LK_ROOM_TELL (self, connection_quality, self, update->updates[i]->participant_sid, name,
          update->updates[i]->score);
  }
}

static void
tell_room (LkRoom * self, const Livekit__Room * room)
{
  LkRoomInfo info = { NULL, };

  if (room == NULL)
    return;
  if (room->sid[0] != '\0') {
    g_free (self->room_sid);
    self->room_sid = g_strdup (room->sid);
  }
  info.sid = self->room_sid;
  info.name = room->name;
  info.metadata = room->metadata;
  info.n_participants = room->num_participants;
  info.active_recording = room->active_recording;
  LK_ROOM_TELL (self, room_updated, self, &info);
}

static void
handle_refresh_token (LkRoom * self, const gchar * token)
{
  lk_room_take_token (self, token);
  LK_ROOM_TELL (self, token_refreshed, self);
}

static void
take_moved_participant (LkRoom * self, const Livekit__ParticipantInfo * participant)
{
  g_free (self->participant_sid);
  g_free (self->participant_identity);
  self->participant_sid = g_strdup (participant->sid);
  self->participant_identity = g_strdup (participant->identity);
  lk_roster_set_local (self->roster, participant);
  LK_ROOM_TELL (self, roster.local_changed, lk_roster_get_local (self->roster));
}

/* The connection and our tracks stay, all else is of another room. Its token opens that one alone, and a source that is
 * asked for another one has to know. Each of what is told may leave. */
static void
handle_room_moved (LkRoom * self, const Livekit__RoomMovedResponse * moved)
{
  g_autofree gchar *name = lk_error_clean_text (moved->room != NULL ? moved->room->name : "-", -1);

  lk_info ("room", "moved room=%s", name);
  if (moved->room != NULL && moved->room->name[0] != '\0') {
    g_free (self->room_name);
    self->room_name = g_strdup (moved->room->name);
  }
  if (moved->token[0] != '\0')
    handle_refresh_token (self, moved->token);
  if (self->state == LK_ROOM_JOINED)
    tell_room (self, moved->room);
  if (self->state == LK_ROOM_JOINED)
    lk_roster_replace_all (self->roster, NULL, 0);
  if (self->state == LK_ROOM_JOINED && moved->participant != NULL)
    take_moved_participant (self, moved->participant);
  if (self->state == LK_ROOM_JOINED)
    lk_roster_replace_all (self->roster, moved->other_participants, moved->n_other_participants);
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* Leave */

static GError *
error_from_leave (LkRoom * self, const Livekit__LeaveRequest * leave)
{
  switch ((gint) leave->reason) {
    case LIVEKIT__DISCONNECT_REASON__DUPLICATE_IDENTITY:
      return g_error_new (LK_ERROR, LK_ERROR_DUPLICATE_IDENTITY, "Somebody else joined as '%s'",
          self->participant_identity != NULL ? self->participant_identity : "us");
    case LIVEKIT__DISCONNECT_REASON__PARTICIPANT_REMOVED:
      return g_error_new (LK_ERROR, LK_ERROR_REMOVED, "The participant was removed from the room");
    case LIVEKIT__DISCONNECT_REASON__ROOM_DELETED:
      return g_error_new (LK_ERROR, LK_ERROR_ROOM_DELETED, "The room was deleted");
    case LIVEKIT__DISCONNECT_REASON__ROOM_CLOSED:
      return g_error_new (LK_ERROR, LK_ERROR_ROOM_CLOSED, "The room was closed");
    case LIVEKIT__DISCONNECT_REASON__SERVER_SHUTDOWN:
      return g_error_new (LK_ERROR, LK_ERROR_SERVER_SHUTDOWN, "The server shuts down");
    case LIVEKIT__DISCONNECT_REASON__STATE_MISMATCH:
      return g_error_new (LK_ERROR, LK_ERROR_DISCONNECTED, "The server does not know the session any more");
    default:
      return g_error_new (LK_ERROR, LK_ERROR_DISCONNECTED, "The server ended the session (reason %d)",
          (gint) leave->reason);
  }
}

/* With "disconnect" as the action: whether it is meant for good. The others are faults of a server, which pass. */
static gboolean
is_for_good (const Livekit__LeaveRequest * leave)
{
  switch ((gint) leave->reason) {
    case LIVEKIT__DISCONNECT_REASON__UNKNOWN_REASON:
    case LIVEKIT__DISCONNECT_REASON__SERVER_SHUTDOWN:
    case LIVEKIT__DISCONNECT_REASON__STATE_MISMATCH:
    case LIVEKIT__DISCONNECT_REASON__JOIN_FAILURE:
    case LIVEKIT__DISCONNECT_REASON__MIGRATION:
    case LIVEKIT__DISCONNECT_REASON__SIGNAL_CLOSE:
    case LIVEKIT__DISCONNECT_REASON__CONNECTION_TIMEOUT:
      return FALSE;
    default:
      return TRUE;
  }
}

/* In a session: resume or rejoin at once. Before one: the next try, and of a resume that was asked for: a rejoin. */
static void
come_back (LkRoom * self, gboolean can_resume, const GError * error)
{
  switch (self->state) {
    case LK_ROOM_JOINED:
      if (can_resume)
        lk_room_lost (self, error);
      else
        lk_room_begin_rejoin (self, error);
      break;
    case LK_ROOM_RESUMING:
      lk_room_begin_rejoin (self, error);
      break;
    case LK_ROOM_CONNECTING:
    case LK_ROOM_REJOINING:
      lk_room_attempt_failed (self, error);
      break;
    case LK_ROOM_IDLE:
    case LK_ROOM_FETCHING_TOKEN:
    case LK_ROOM_LEAVING:
    case LK_ROOM_CLOSED:
      break;
  }
}

static void
handle_leave (LkRoom * self, const Livekit__LeaveRequest * leave)
{
  g_autoptr (GError) error = error_from_leave (self, leave);
  gboolean is_resume = leave->action == LIVEKIT__LEAVE_REQUEST__ACTION__RESUME;
  gboolean is_disconnect = leave->action == LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT;

  lk_info ("room", "told to leave reason=%d action=%d", (gint) leave->reason, (gint) leave->action);
  /* nobody is there for a goodbye */
  self->is_in_session = is_resume;
  if (leave->regions != NULL)
    lk_room_take_regions (self, leave->regions);
  if (is_disconnect && g_error_matches (error, LK_ERROR, LK_ERROR_DUPLICATE_IDENTITY) && lk_room_take_ghost (self)) {
    g_clear_error (&error);
    error = g_error_new (LK_ERROR, LK_ERROR_DISCONNECTED, "A try to join that was given up took the place of the session");
    is_disconnect = FALSE;
  }
  if (is_disconnect && is_for_good (leave))
    lk_room_close_with_error (self, g_steal_pointer (&error));
  else
    come_back (self, is_resume, error);
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* Which message counts when */

/* Three parts, each in the order of the field numbers; FALSE when the message is of another. */
static gboolean
handle_transport_message (LkRoom * self, const Livekit__SignalResponse * response)
{
  switch ((gint) response->message_case) {
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_ANSWER:
      handle_answer (self, response->answer);
      return TRUE;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_OFFER:
      handle_offer (self, response->offer);
      return TRUE;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_TRICKLE:
      handle_trickle (self, response->trickle);
      return TRUE;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_MEDIA_SECTIONS_REQUIREMENT:
      handle_media_sections (self, response->media_sections_requirement);
      return TRUE;
    default:
      return FALSE;
  }
}

static gboolean
handle_track_message (LkRoom * self, const Livekit__SignalResponse * response)
{
  switch ((gint) response->message_case) {
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_TRACK_PUBLISHED:
      lk_room_track_published (self, response->track_published);
      return TRUE;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_MUTE:
      LK_ROOM_TELL (self, mute_requested, self, response->mute->sid, response->mute->muted);
      return TRUE;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_STREAM_STATE_UPDATE:
      handle_stream_states (self, response->stream_state_update);
      return TRUE;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_SUBSCRIBED_QUALITY_UPDATE:
      handle_subscribed_quality (self, response->subscribed_quality_update);
      return TRUE;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_SUBSCRIPTION_PERMISSION_UPDATE:
      LK_ROOM_TELL (self, subscription_allowed, self, response->subscription_permission_update->track_sid,
          response->subscription_permission_update->allowed);
      return TRUE;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_TRACK_UNPUBLISHED:
      lk_room_track_unpublished (self, response->track_unpublished->track_sid);
      return TRUE;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_SUBSCRIPTION_RESPONSE:
      handle_subscription_response (self, response->subscription_response);
      return TRUE;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_REQUEST_RESPONSE:
      handle_request_response (self, response->request_response);
      return TRUE;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_TRACK_SUBSCRIBED:
      LK_ROOM_TELL (self, track_subscribed, self, response->track_subscribed->track_sid);
      return TRUE;
    default:
      return FALSE;
  }
}

static gboolean
handle_room_message (LkRoom * self, const Livekit__SignalResponse * response)
{
  switch ((gint) response->message_case) {
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_UPDATE:
      lk_roster_update (self->roster, response->update->participants, response->update->n_participants);
      return TRUE;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_SPEAKERS_CHANGED:
      handle_speakers (self, response->speakers_changed);
      return TRUE;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_ROOM_UPDATE:
      tell_room (self, response->room_update->room);
      return TRUE;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_CONNECTION_QUALITY:
      handle_connection_quality (self, response->connection_quality);
      return TRUE;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_REFRESH_TOKEN:
      handle_refresh_token (self, response->refresh_token);
      return TRUE;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_ROOM_MOVED:
      handle_room_moved (self, response->room_moved);
      return TRUE;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_LEAVE:
      handle_leave (self, response->leave);
      return TRUE;
    default:
      return FALSE;
  }
}

static void
handle_session_message (LkRoom * self, const Livekit__SignalResponse * response)
{
  if (handle_transport_message (self, response) || handle_track_message (self, response)
      || handle_room_message (self, response))
    return;
  /* The rest is of the client, or of features that we do not use. */
  if (response->message_case == LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN
      || response->message_case == LIVEKIT__SIGNAL_RESPONSE__MESSAGE_RECONNECT)
    lk_warning ("room", "a session began inside a session; ignored");
}

/* Before a session there is only its beginning or its refusal; a server that says more is ahead of itself. */
static void
handle_first_message (LkRoom * self, const Livekit__SignalResponse * response)
{
  if (response->message_case == LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN) {
    lk_room_joined (self, response->join);
  } else if (response->message_case == LIVEKIT__SIGNAL_RESPONSE__MESSAGE_RECONNECT && self->state == LK_ROOM_RESUMING) {
    lk_room_resumed (self, response->reconnect);
  } else if (response->message_case == LIVEKIT__SIGNAL_RESPONSE__MESSAGE_RECONNECT) {
    g_autoptr (GError) error =
        g_error_new (LK_ERROR, LK_ERROR_PROTOCOL, "The server resumes a session that was not asked for");

    lk_room_attempt_failed (self, error);
  } else if (response->message_case == LIVEKIT__SIGNAL_RESPONSE__MESSAGE_LEAVE) {
    handle_leave (self, response->leave);
  } else {
    lk_warning ("room", "message before the session ignored kind=%d", (gint) response->message_case);
  }
}

void
lk_room_handle_message (LkRoom * self, const Livekit__SignalResponse * response)
{
  switch (self->state) {
    case LK_ROOM_JOINED:
      handle_session_message (self, response);
      break;
    case LK_ROOM_CONNECTING:
    case LK_ROOM_RESUMING:
    case LK_ROOM_REJOINING:
      handle_first_message (self, response);
      break;
    case LK_ROOM_IDLE:
    case LK_ROOM_FETCHING_TOKEN:
    case LK_ROOM_LEAVING:
    case LK_ROOM_CLOSED:
      break;
  }
}
