/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitsession-room: what the room and its roster tell a session. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitsession-private.h"

#include <string.h>
#include "gstlivekitelements.h"
#include "lkerror.h"

#define GST_CAT_DEFAULT gst_livekit_debug

/* After a rejoin, how long a track may take to come back before its pad ends. */
#define ORPHAN_MS 10000
/* How long a track may be gone before its pad ends. */
#define REMOVAL_MS 100

/* --- room info --- */

static GstStructure *
make_room_info (GstLiveKitSession * session)
{
  return gst_structure_new ("room-info",
      "sid", G_TYPE_STRING, session->room_sid, "name", G_TYPE_STRING, session->room_name,
      "metadata", G_TYPE_STRING, session->room_metadata, "server-version", G_TYPE_STRING, session->server_version,
      "server-region", G_TYPE_STRING, session->server_region, "server-url", G_TYPE_STRING, session->server_url,
      "participant-sid", G_TYPE_STRING, session->participant_sid,
      "num-participants", G_TYPE_UINT, session->n_participants,
      "active-recording", G_TYPE_BOOLEAN, session->active_recording,
      "can-publish", G_TYPE_BOOLEAN, session->permission.can_publish,
      "can-subscribe", G_TYPE_BOOLEAN, session->permission.can_subscribe,
      "can-publish-data", G_TYPE_BOOLEAN, session->permission.can_publish_data,
      "can-update-metadata", G_TYPE_BOOLEAN, session->permission.can_update_metadata,
      "hidden", G_TYPE_BOOLEAN, session->permission.hidden, NULL);
}

void
gst_livekit_session_tell_room_info_in_loop (GstLiveKitSession * session)
{
  GstStructure *info = make_room_info (session);

  for (guint i = 0; i < GST_LIVEKIT_N_ROLES; i++) {
    GstLiveKitSessionUser *user = gst_livekit_session_get_user (session, i);

    if (user)
      user->delegate.room_info_changed (session, info, user->data);
  }
  gst_structure_free (info);
}

static void
tell_joined (GstLiveKitSession * session, const gchar * identity)
{
  for (guint i = 0; i < GST_LIVEKIT_N_ROLES; i++) {
    GstLiveKitSessionUser *user = gst_livekit_session_get_user (session, i);

    if (user)
      user->delegate.joined (session, session->room_name, identity, user->data);
  }
}

static void
set_string (gchar ** place, const gchar * value)
{
  if (value == NULL)
    return;
  g_free (*place);
  *place = g_strdup (value);
}

/* --- the room's callbacks --- */

static void
begin_in_loop (gpointer data)
{
  GstLiveKitSession *session = data;

  if (!session->is_joined || session->publisher == NULL)
    return;
  gst_livekit_session_publish_all_in_loop (session);
  if (session->is_single_peer)
    gst_livekit_peer_negotiate_in_loop (session->publisher);
}

static void
end_orphans_in_loop (gpointer data)
{
  GstLiveKitSession *session = data;

  session->orphan_timer = 0;
  for (guint i = 0; i < session->orphans->len; i++)
    gst_livekit_remote_track_end_in_loop (g_ptr_array_index (session->orphans, i));
  g_ptr_array_set_size (session->orphans, 0);
}

/* From each time that we are in the room; nothing can come back while we are not. */
static void
wait_for_orphans (GstLiveKitSession * session)
{
  lk_loop_cancel (session->loop, &session->orphan_timer);
  if (session->orphans->len)
    session->orphan_timer = lk_loop_post_after (session->loop, ORPHAN_MS, end_orphans_in_loop, session, NULL);
}

static void
on_room_joined (LkRoom * room, const LkJoinInfo * info, gpointer data)
{
  GstLiveKitSession *session = data;

  /* A server that has forgotten the session gives another one where a resume was asked for: all is still there. */
  if (session->publisher) {
    gst_livekit_session_orphan_all_in_loop (session);
    gst_livekit_session_close_peers_in_loop (session);
  }
  session->is_joined = TRUE;
  session->permission = info->local->permission;
  session->n_participants = info->n_participants;
  session->active_recording = info->active_recording;
  gst_livekit_session_remember_local_in_loop (session, info->local);
  session->joined_us = g_get_monotonic_time ();
  session->n_joins++;
  set_string (&session->server_url, info->server_url);
  set_string (&session->room_sid, info->room_sid);
  set_string (&session->room_name, info->room_name);
  set_string (&session->room_metadata, info->room_metadata);
  set_string (&session->server_version, info->server_version);
  set_string (&session->server_region, info->server_region);
  set_string (&session->participant_sid, info->local->sid);
  tell_joined (session, info->local->identity);
  gst_livekit_session_tell_room_info_in_loop (session);
  if (!gst_livekit_session_make_peers_in_loop (session, info)) {
    lk_room_leave_in_loop (room);
    return;
  }
  /* Tracks known by now share the first offer: the roster's callbacks come first. */
  gst_livekit_session_reconcile_later (session);
  lk_loop_post (session->loop, begin_in_loop, session, NULL);
  wait_for_orphans (session);
  /* v0, with a token that may not subscribe: no offer will come, ours is what makes us active. */
  if (!info->is_single_peer && !info->subscriber_primary)
    gst_livekit_peer_negotiate_in_loop (session->publisher);
}

static void
on_room_resumed (LkRoom * room, const LkIceServer * ice_servers, guint n_ice_servers, gpointer data)
{
  GstLiveKitSession *session = data;

  gst_livekit_session_reconcile_later (session);
  wait_for_orphans (session);
  if (gst_livekit_session_is_transport_up (session)) {
    lk_room_transport_up_in_loop (room);
    gst_livekit_session_set_state_in_loop (session, GST_LIVEKIT_CONNECTION_STATE_CONNECTED, NULL, 0, 0);
  } else if (session->publisher) {
    /* v0: the server's offer restarts what we receive on. The room waits for the transport, and rejoins without it. */
    gst_livekit_peer_restart_ice_in_loop (session->publisher);
  }
}

static void
on_room_state_changed (LkRoom * room, LkRoomState state, const GError * error, guint attempt, guint next_try_ms,
    gpointer data)
{
  GstLiveKitSession *session = data;

  switch (state) {
    case LK_ROOM_IDLE:
    case LK_ROOM_JOINED:
    case LK_ROOM_LEAVING:
      return;
    case LK_ROOM_FETCHING_TOKEN:
    case LK_ROOM_CONNECTING:
      if (session->was_connected)
        return;
      session->is_joined = FALSE;
      gst_livekit_session_orphan_all_in_loop (session);
      gst_livekit_session_close_peers_in_loop (session);
      if (session->state != GST_LIVEKIT_CONNECTION_STATE_CONNECTING || attempt > 1)
        gst_livekit_session_set_state_in_loop (session, GST_LIVEKIT_CONNECTION_STATE_CONNECTING, error, attempt,
            next_try_ms);
      return;
    case LK_ROOM_RESUMING:
      lk_loop_cancel (session->loop, &session->orphan_timer);
      gst_livekit_session_set_state_in_loop (session, GST_LIVEKIT_CONNECTION_STATE_RECONNECTING, error, attempt,
          next_try_ms);
      return;
    case LK_ROOM_REJOINING:
      session->is_joined = FALSE;
      gst_livekit_session_orphan_all_in_loop (session);
      gst_livekit_session_close_peers_in_loop (session);
      gst_livekit_session_set_state_in_loop (session, GST_LIVEKIT_CONNECTION_STATE_RECONNECTING, error, attempt,
          next_try_ms);
      return;
    case LK_ROOM_CLOSED:
      session->is_joined = FALSE;
      session->end_error = error ? g_error_copy (error) : NULL;
      g_atomic_int_set (&session->is_over, TRUE);
      if (!session->is_stopping)
        gst_livekit_session_end_all_in_loop (session);
      gst_livekit_session_close_peers_in_loop (session);
      g_mutex_lock (&session->stop_lock);
      session->is_closed = TRUE;
      g_cond_broadcast (&session->stop_changed);
      g_mutex_unlock (&session->stop_lock);
      if (!session->is_stopping)
        gst_livekit_session_set_state_in_loop (session, error ? GST_LIVEKIT_CONNECTION_STATE_FAILED :
            GST_LIVEKIT_CONNECTION_STATE_DISCONNECTED, error, attempt, 0);
      return;
  }
}

static void
on_room_remote_answer (LkRoom * room, const gchar * sdp, guint id, GHashTable * mid_to_track, gpointer data)
{
  GstLiveKitSession *session = data;

  if (session->publisher)
    gst_livekit_peer_set_remote_answer_in_loop (session->publisher, sdp, id, mid_to_track);
}

static const GstLiveKitCodec *
codec_of_track (const gchar * track_sid, gpointer data)
{
  GstLiveKitSession *session = data;
  const LkPublication *publication = lk_roster_find_track (lk_room_get_roster (session->room), track_sid);

  return publication ? gst_livekit_codec_from_mime_type (publication->mime_type) : NULL;
}

static void
on_room_remote_offer (LkRoom * room, const gchar * sdp, guint id, GHashTable * mid_to_track, gpointer data)
{
  GstLiveKitSession *session = data;

  if (session->subscriber && !session->is_single_peer)
    gst_livekit_peer_set_remote_offer_in_loop (session->subscriber, sdp, id, mid_to_track, codec_of_track, session);
}

static void
on_room_remote_candidate (LkRoom * room, LkSignalTarget target, const gchar * candidate, const gchar * mid,
    guint mline_index, gpointer data)
{
  GstLiveKitSession *session = data;
  GstLiveKitPeer *peer = target == LK_TARGET_PUBLISHER ? session->publisher : session->subscriber;

  if (peer)
    gst_livekit_peer_add_remote_candidate_in_loop (peer, candidate, mline_index);
}

static void
on_room_media_sections_required (LkRoom * room, guint n_audio, guint n_video, gpointer data)
{
  GstLiveKitSession *session = data;

  if (session->subscriber && session->is_single_peer)
    gst_livekit_peer_require_sections_in_loop (session->subscriber, n_audio, n_video);
}

static void
on_room_track_published (LkRoom * room, const gchar * cid, const LkPublication * publication, gpointer data)
{
  GstLiveKitSession *session = data;
  GstLiveKitLocalTrack *track = gst_livekit_session_find_local (session, cid, NULL);

  if (track == NULL)
    return;
  if (gst_livekit_local_track_refuse_codec (track, room, publication->mime_type)) {
    gst_livekit_peer_negotiate_in_loop (session->publisher);
    return;
  }
  gst_livekit_local_track_set_published (track, publication->sid);
  gst_livekit_session_tell_track (session, "published", publication);
}

static void
on_room_publish_failed (LkRoom * room, const gchar * cid, const GError * error, gpointer data)
{
  GstLiveKitSession *session = data;
  GstLiveKitLocalTrack *track = gst_livekit_session_find_local (session, cid, NULL);

  if (track == NULL)
    return;
  if (g_error_matches (error, LK_ERROR, LK_ERROR_CANCELLED)) {
    /* A resume has swallowed the announcement. */
    gst_livekit_local_track_unpublish (track, room);
    gst_livekit_session_publish_all_in_loop (session);
    return;
  }
  gst_livekit_local_track_fail (track, room, error);
}

static void
on_room_track_unpublished (LkRoom * room, const gchar * sid, gpointer data)
{
  GstLiveKitSession *session = data;
  GstLiveKitLocalTrack *track = gst_livekit_session_find_local (session, NULL, sid);

  if (track == NULL)
    return;
  /* The right to publish has gone, which another message says, and may come back. */
  GST_WARNING_OBJECT (session->element, "the server has ended the track sid=%s", sid);
  gst_livekit_session_tell_publisher (session, gst_structure_new ("livekit-track", "action", G_TYPE_STRING, "forbidden",
          "sid", G_TYPE_STRING, sid, "pad", G_TYPE_STRING,
          gst_livekit_layer_get_pad_name (gst_livekit_local_track_get_layer (track, 0)), NULL));
  gst_livekit_local_track_set_forbidden (track, TRUE);
  gst_livekit_session_unpublish_in_loop (session, track);
}

static void
on_room_mute_requested (LkRoom * room, const gchar * sid, gboolean muted, gpointer data)
{
  GstLiveKitSession *session = data;
  GstLiveKitLocalTrack *track = gst_livekit_session_find_local (session, NULL, sid);

  if (track == NULL)
    return;
  gst_livekit_local_track_set_muted (track, room, muted);
  gst_livekit_session_tell_muted_in_loop (session, track, muted);
}

/* The key frame that the track began with may have gone before anybody could see it, and the server's own request for
 * another comes half a second later: measured. */
static void
on_room_track_subscribed (LkRoom * room, const gchar * sid, gpointer data)
{
  GstLiveKitLocalTrack *track = gst_livekit_session_find_local (data, NULL, sid);

  for (guint i = 0; track && i < gst_livekit_local_track_get_n_layers (track); i++)
    gst_livekit_layer_want_key_frame (gst_livekit_local_track_get_layer (track, i));
}

static void
on_room_quality_requested (LkRoom * room, const gchar * sid, const LkCodecQuality * codecs, guint n_codecs,
    gpointer data)
{
  GstLiveKitLocalTrack *track = gst_livekit_session_find_local (data, NULL, sid);

  if (track)
    gst_livekit_local_track_set_watched (track, codecs, n_codecs);
}

static void
on_room_subscription_failed (LkRoom * room, const gchar * sid, const gchar * why, gpointer data)
{
  GstLiveKitSession *session = data;
  const LkPublication *publication = lk_roster_find_track (lk_room_get_roster (room), sid);

  GST_WARNING_OBJECT (session->element, "subscription failed sid=%s why=%s", sid, why);
  gst_livekit_session_tell (session, gst_structure_new ("livekit-track", "action", G_TYPE_STRING, "failed",
          "sid", G_TYPE_STRING, sid, "name", G_TYPE_STRING, publication ? publication->name : "",
          "kind", G_TYPE_STRING, publication ? lk_track_kind_name (publication->kind) : "",
          "mime-type", G_TYPE_STRING, publication ? publication->mime_type : "",
          "identity", G_TYPE_STRING, publication ? publication->participant_identity : "",
          "reason", G_TYPE_STRING, "subscription", "text", G_TYPE_STRING, why, NULL));
}

static void
on_room_subscription_allowed (LkRoom * room, const gchar * sid, gboolean allowed, gpointer data)
{
  const LkPublication *publication = lk_roster_find_track (lk_room_get_roster (room), sid);

  if (publication)
    gst_livekit_session_set_silent_in_loop (data, publication, !allowed, allowed ? "allowed" : "forbidden");
}

static void
on_room_stream_paused (LkRoom * room, const gchar * sid, gboolean paused, gpointer data)
{
  const LkPublication *publication = lk_roster_find_track (lk_room_get_roster (room), sid);

  if (publication)
    gst_livekit_session_set_silent_in_loop (data, publication, paused, paused ? "paused" : "resumed");
}

static void
on_room_speakers_changed (LkRoom * room, const LkSpeaker * speakers, guint n_speakers, gpointer data)
{
  GstLiveKitSession *session = data;
  LkRoster *roster = lk_room_get_roster (room);
  GValue list = G_VALUE_INIT;
  GstStructure *message = gst_structure_new_empty ("livekit-speakers");

  g_value_init (&list, GST_TYPE_LIST);
  for (guint i = 0; i < n_speakers; i++) {
    const LkParticipant *participant = lk_roster_find_participant (roster, speakers[i].sid);
    GValue item = G_VALUE_INIT;

    g_value_init (&item, GST_TYPE_STRUCTURE);
    g_value_take_boxed (&item, gst_structure_new ("speaker", "sid", G_TYPE_STRING, speakers[i].sid,
            "identity", G_TYPE_STRING, participant ? participant->identity : "",
            "level", G_TYPE_DOUBLE, (gdouble) speakers[i].level, "active", G_TYPE_BOOLEAN, speakers[i].active, NULL));
    gst_value_list_append_and_take_value (&list, &item);
  }
  gst_structure_take_value (message, "speakers", &list);
  gst_livekit_session_tell (session, message);
}

static void
on_room_updated (LkRoom * room, const LkRoomInfo * info, gpointer data)
{
  GstLiveKitSession *session = data;

  set_string (&session->room_sid, info->sid);
  set_string (&session->room_name, info->name);
  set_string (&session->room_metadata, info->metadata);
  session->n_participants = info->n_participants;
  session->active_recording = info->active_recording;
  gst_livekit_session_tell_room_info_in_loop (session);
  gst_livekit_session_tell (session, gst_structure_new ("livekit-room", "sid", G_TYPE_STRING, info->sid,
          "name", G_TYPE_STRING, info->name, "metadata", G_TYPE_STRING, info->metadata,
          "num-participants", G_TYPE_UINT, info->n_participants,
          "active-recording", G_TYPE_BOOLEAN, info->active_recording, NULL));
}

static void
on_room_update_refused (LkRoom * room, const GError * error, gpointer data)
{
  GstLiveKitSession *session = data;

  gst_livekit_session_warn (session, error);
}

/* --- the roster's callbacks --- */

static void
on_participant_joined (const LkParticipant * participant, gpointer data)
{
  gst_livekit_session_tell_participant (data, "joined", participant);
}

static void
on_participant_updated (const LkParticipant * participant, gpointer data)
{
  gst_livekit_session_tell_participant (data, "updated", participant);
}

static void
on_participant_left (const LkParticipant * participant, gpointer data)
{
  gst_livekit_session_tell_participant (data, "left", participant);
}

static void
on_track_added (const LkPublication * publication, gpointer data)
{
  gst_livekit_session_tell_track (data, "published", publication);
  if (publication->is_encrypted)
    GST_WARNING_OBJECT (((GstLiveKitSession *) data)->element, "encrypted track skipped sid=%s", publication->sid);
  gst_livekit_session_reconcile_later (data);
}

static void
on_track_changed (const LkPublication * publication, gpointer data)
{
  GstLiveKitSession *session = data;
  GstLiveKitRemoteTrack *track = g_hash_table_lookup (session->remote_tracks, publication->sid);
  gboolean was_muted;

  gst_livekit_session_reconcile_later (session);
  if (track == NULL)
    return;
  was_muted = gst_livekit_remote_track_get_publication (track)->muted;
  gst_livekit_remote_track_set_publication_in_loop (track, publication);
  session->users[GST_LIVEKIT_ROLE_SUBSCRIBER].delegate.track_changed (session, track, publication,
      session->users[GST_LIVEKIT_ROLE_SUBSCRIBER].data);
  if (was_muted != publication->muted)
    gst_livekit_session_tell_track (session, publication->muted ? "muted" : "unmuted", publication);
}

static void
removed_in_loop (gpointer data)
{
  GstLiveKitSession *session = data;

  session->removal_timer = 0;
  gst_livekit_session_reconcile_later (session);
}

static void
on_track_removed (const LkPublication * publication, gpointer data)
{
  GstLiveKitSession *session = data;

  gst_livekit_session_tell_track (session, "unpublished", publication);
  /* A server that shuts down lets everybody leave, and tells us last: then the tracks come back, and pads must not
   * end. */
  if (session->removal_timer == 0)
    session->removal_timer = lk_loop_post_after (session->loop, REMOVAL_MS, removed_in_loop, session, NULL);
}

static void
on_local_changed (const LkParticipant * participant, gpointer data)
{
  GstLiveKitSession *session = data;

  const LkPermission *now = &participant->permission;
  LkPermission before = session->permission;

  set_string (&session->participant_sid, participant->sid);
  session->permission = *now;
  if (session->is_joined && now->can_publish && !before.can_publish)
    gst_livekit_session_allow_all_in_loop (session);
  if (session->is_joined && now->can_subscribe && !before.can_subscribe)
    gst_livekit_session_subscribe_again_in_loop (session);
  gst_livekit_session_tell_local_in_loop (session, participant, &before);
}

/* --- who comes later --- */

typedef struct
{
  GstLiveKitSession *session;
  GstLiveKitSessionUser *user;
} Newcomer;

static void
tell_of_participant (const LkParticipant * participant, gpointer data)
{
  Newcomer *newcomer = data;

  newcomer->user->delegate.message (newcomer->session,
      gst_livekit_session_make_participant_message ("joined", participant, FALSE), newcomer->user->data);
}

static void
tell_of_track (const LkPublication * publication, gpointer data)
{
  Newcomer *newcomer = data;

  newcomer->user->delegate.message (newcomer->session, gst_livekit_session_track_message ("published", publication),
      newcomer->user->data);
}

static GError *
missing_right (GstLiveKitSession * session, GstLiveKitSessionUser * user)
{
  gboolean publishes = user == &session->users[GST_LIVEKIT_ROLE_PUBLISHER];

  if (publishes ? session->permission.can_publish : session->permission.can_subscribe)
    return NULL;
  return g_error_new (LK_ERROR, LK_ERROR_PERMISSION, "The participant's token was given without the grant %s.",
      publishes ? "canPublish" : "canSubscribe");
}

void
gst_livekit_session_catch_up_in_loop (GstLiveKitSession * session, GstLiveKitSessionUser * user)
{
  const LkParticipant *local = lk_roster_get_local (lk_room_get_roster (session->room));
  Newcomer newcomer = { session, user };
  g_autoptr (GError) error = NULL;

  user->delegate.state_changed (session, GST_LIVEKIT_CONNECTION_STATE_CONNECTING, NULL, 0, 0, user->data);
  if (local && session->joined_us) {
    g_autoptr (GstStructure) info = make_room_info (session);

    user->delegate.joined (session, session->room_name, local->identity, user->data);
    user->delegate.room_info_changed (session, info, user->data);
    lk_roster_foreach_participant (lk_room_get_roster (session->room), tell_of_participant, &newcomer);
    lk_roster_foreach_track (lk_room_get_roster (session->room), tell_of_track, &newcomer);
    error = missing_right (session, user);
  }
  if (session->end_error)
    g_clear_error (&error);
  if (error)
    user->delegate.state_changed (session, GST_LIVEKIT_CONNECTION_STATE_FAILED, error, 0, 0, user->data);
  else if (session->state != GST_LIVEKIT_CONNECTION_STATE_CONNECTING)
    user->delegate.state_changed (session, session->state, session->end_error, 0, 0, user->data);
}

const LkRoomDelegate gst_livekit_session_room_delegate = {
  .state_changed = on_room_state_changed,
  .joined = on_room_joined,
  .resumed = on_room_resumed,
  .remote_answer = on_room_remote_answer,
  .remote_offer = on_room_remote_offer,
  .remote_candidate = on_room_remote_candidate,
  .media_sections_required = on_room_media_sections_required,
  .track_published = on_room_track_published,
  .publish_failed = on_room_publish_failed,
  .track_unpublished = on_room_track_unpublished,
  .mute_requested = on_room_mute_requested,
  .track_subscribed = on_room_track_subscribed,
  .quality_requested = on_room_quality_requested,
  .subscription_failed = on_room_subscription_failed,
  .subscription_allowed = on_room_subscription_allowed,
  .stream_paused = on_room_stream_paused,
  .speakers_changed = on_room_speakers_changed,
  .connection_quality = gst_livekit_session_on_connection_quality,
  .room_updated = on_room_updated,
  .update_refused = on_room_update_refused,
  .roster = {
        .participant_joined = on_participant_joined,
        .participant_updated = on_participant_updated,
        .participant_left = on_participant_left,
        .track_added = on_track_added,
        .track_changed = on_track_changed,
        .track_removed = on_track_removed,
        .local_changed = on_local_changed,
      },
};

