/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitsession: one participant in a room: its life, the room's events, the peers. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitsession-private.h"

#include <string.h>
#include "gstlivekitelements.h"
#include "lkerror.h"

#define GST_CAT_DEFAULT gst_livekit_debug

/* GAP events, and pads shown without data. */
#define TICK_MS 100
#define STATS_EVERY_TICKS 10
/* After a rejoin, how long a track may take to come back before its pad ends. */
#define ORPHAN_MS 10000
/* Latency messages of inner elements come in flocks. */
#define LATENCY_MS 10
/* The promise of a state change: down in less than two seconds. */
#define STOP_LIMIT (1800 * G_TIME_SPAN_MILLISECOND)
/* What the network and a viewer's jitter buffer may still hold when the last frame has been sent. */
#define DRAIN_MS 250
/* Of the transport: five missed reports of what is sent. */
#define SILENCE_MS 5000
/* Checks of ICE take a few round trips. */
#define RESTART_LIMIT (5 * G_TIME_SPAN_SECOND)
/* RFC 7065 §3.2 */
#define DEFAULT_TURNS_PORT 5349

void
gst_livekit_session_tell (GstLiveKitSession * session, GstStructure * message)
{
  session->delegate.message (session, message, session->delegate_data);
}

void
gst_livekit_session_set_state_in_loop (GstLiveKitSession * session, GstLiveKitConnectionState state,
    const GError * reason, guint attempt, guint next_try_ms)
{
  session->state = state;
  session->delegate.state_changed (session, state, reason, attempt, next_try_ms, session->delegate_data);
}

/* --- room info --- */

static void
tell_room_info (GstLiveKitSession * session)
{
  GstStructure *info = gst_structure_new ("room-info",
      "sid", G_TYPE_STRING, session->room_sid, "name", G_TYPE_STRING, session->room_name,
      "metadata", G_TYPE_STRING, session->room_metadata, "server-version", G_TYPE_STRING, session->server_version,
      "server-region", G_TYPE_STRING, session->server_region, "server-url", G_TYPE_STRING, session->server_url,
      "participant-sid", G_TYPE_STRING, session->participant_sid,
      "num-participants", G_TYPE_UINT, session->n_participants, NULL);

  session->delegate.room_info_changed (session, info, session->delegate_data);
  gst_structure_free (info);
}

static void
set_string (gchar ** place, const gchar * value)
{
  if (value == NULL)
    return;
  g_free (*place);
  *place = g_strdup (value);
}

/* --- peers --- */

static void
on_peer_gone (gpointer data)
{
  GstLiveKitSession *session = data;

  g_mutex_lock (&session->stop_lock);
  session->n_peers_closing--;
  g_cond_broadcast (&session->stop_changed);
  g_mutex_unlock (&session->stop_lock);
}

static void
close_peer (GstLiveKitSession * session, GstLiveKitPeer * peer)
{
  g_mutex_lock (&session->stop_lock);
  session->n_peers_closing++;
  g_mutex_unlock (&session->stop_lock);
  gst_livekit_peer_close_in_loop (peer, on_peer_gone, session);
  gst_livekit_peer_unref (peer);
}

static void
close_peers (GstLiveKitSession * session)
{
  GstLiveKitPeer *publisher = g_steal_pointer (&session->publisher);
  GstLiveKitPeer *subscriber = g_steal_pointer (&session->subscriber);

  gst_livekit_session_unpublish_all_in_loop (session);
  gst_livekit_session_connected_in_loop (session, FALSE);
  if (publisher)
    close_peer (session, publisher);
  if (subscriber && subscriber != publisher)
    close_peer (session, subscriber);
  g_ptr_array_set_size (session->relays, 0);
}

static LkSignalTarget
target_of (GstLiveKitSession * session, GstLiveKitPeer * peer)
{
  return peer == session->publisher ? LK_TARGET_PUBLISHER : LK_TARGET_SUBSCRIBER;
}

static void
on_peer_local_offer (GstLiveKitPeer * peer, const gchar * sdp, guint id, gpointer data)
{
  lk_room_send_offer_in_loop (((GstLiveKitSession *) data)->room, sdp, id);
}

static void
on_peer_local_answer (GstLiveKitPeer * peer, const gchar * sdp, guint id, gpointer data)
{
  lk_room_send_answer_in_loop (((GstLiveKitSession *) data)->room, sdp, id);
}

static void
on_peer_local_candidate (GstLiveKitPeer * peer, const gchar * candidate, guint mline_index, gpointer data)
{
  GstLiveKitSession *session = data;

  lk_room_send_candidate_in_loop (session->room, target_of (session, peer), candidate, "0", mline_index);
}

/* Both peers of v0 must be up when both are used; the publisher is offered only when something is published. */
static gboolean
is_transport_up (GstLiveKitSession * session)
{
  if (session->publisher == NULL)
    return FALSE;
  if (session->is_single_peer || !session->subscriber)
    return gst_livekit_peer_is_connected (session->publisher);
  return gst_livekit_peer_is_connected (session->subscriber) || gst_livekit_peer_is_connected (session->publisher);
}

static void
on_peer_connected (GstLiveKitPeer * peer, gpointer data)
{
  GstLiveKitSession *session = data;
  GstClockTime now = gst_element_get_current_running_time (session->element);

  if (session->restart_us)
    session->quiet_is_fine = TRUE;
  session->restart_us = 0;
  if (session->connected_us == 0)
    session->connected_us = g_get_monotonic_time ();
  if (!GST_CLOCK_TIME_IS_VALID (session->start_offset))
    session->start_offset = GST_CLOCK_TIME_IS_VALID (now) ? now : 0;
  if (peer == session->publisher)
    gst_livekit_session_connected_in_loop (session, TRUE);
  if (!is_transport_up (session))
    return;
  lk_room_transport_up_in_loop (session->room);
  if (session->state == GST_LIVEKIT_CONNECTION_STATE_CONNECTED)
    return;
  session->was_connected = TRUE;
  gst_livekit_session_set_state_in_loop (session, GST_LIVEKIT_CONNECTION_STATE_CONNECTED, NULL, 0, 0);
}

static void
on_peer_disconnected (GstLiveKitPeer * peer, gpointer data)
{
  GstLiveKitSession *session = data;

  lk_room_transport_lost_in_loop (session->room, target_of (session, peer));
}

/* libnice of Debian 12 never tells that the other side has gone, so silence has to: reports of the server come about once a
 * second for what is sent, every three for what is received. It may also be that there is nothing to tell. So ICE is asked
 * first, by a restart, which costs a live path nothing; only when it does not come up is the transport lost. */
static void
check_silence (GstLiveKitSession * session)
{
  GstLiveKitPeer *peer = session->publisher;
  guint silence_ms = peer ? gst_livekit_peer_get_silence_ms (peer) : 0;

  if (peer == NULL || !session->is_single_peer || !gst_livekit_peer_is_connected (peer)
      || session->state != GST_LIVEKIT_CONNECTION_STATE_CONNECTED)
    return;
  if (silence_ms < SILENCE_MS) {
    session->restart_us = 0;
    session->quiet_is_fine = FALSE;
  } else if (session->restart_us == 0 && !session->quiet_is_fine) {
    GST_INFO_OBJECT (session->element, "nothing comes from the server for ms=%u", silence_ms);
    session->restart_us = g_get_monotonic_time ();
    gst_livekit_peer_restart_ice_in_loop (peer);
  } else if (session->restart_us && g_get_monotonic_time () - session->restart_us > RESTART_LIMIT) {
    session->restart_us = 0;
    gst_livekit_peer_set_lost_in_loop (peer);
  }
}

static void
on_peer_failed (GstLiveKitPeer * peer, const gchar * why, gpointer data)
{
  lk_room_transport_failed_in_loop (((GstLiveKitSession *) data)->room, why);
}

static const gchar *
first_pad_name (GstLiveKitLocalTrack * track)
{
  return gst_livekit_layer_get_pad_name (gst_livekit_local_track_get_layer (track, 0));
}

static void
on_peer_section_negotiated (GstLiveKitPeer * peer, gpointer section_data, gboolean accepted, gpointer data)
{
  GstLiveKitSession *session = data;
  g_autoptr (GError) error = NULL;

  if (accepted) {
    gst_livekit_local_track_set_negotiated (section_data, TRUE);
    return;
  }
  error = g_error_new (LK_ERROR, LK_ERROR_PUBLISH, "The room does not take the codec of pad %s.",
      first_pad_name (section_data));
  gst_livekit_local_track_fail (section_data, session->room, error);
}

static void
on_peer_pad_added (GstLiveKitPeer * peer, GstPad * pad, const gchar * mid, gpointer data)
{
  gst_livekit_session_pad_added_in_loop (data, peer, pad, mid);
}

static void
on_peer_tracks_mapped (GstLiveKitPeer * peer, GHashTable * mid_to_track, gpointer data)
{
  GstLiveKitSession *session = data;

  if (peer == session->subscriber)
    gst_livekit_session_tracks_mapped_in_loop (session, mid_to_track);
}

static const GstLiveKitPeerDelegate peer_delegate = {
  .local_offer = on_peer_local_offer,
  .local_answer = on_peer_local_answer,
  .local_candidate = on_peer_local_candidate,
  .connected = on_peer_connected,
  .disconnected = on_peer_disconnected,
  .failed = on_peer_failed,
  .section_negotiated = on_peer_section_negotiated,
  .pad_added = on_peer_pad_added,
  .tracks_mapped = on_peer_tracks_mapped,
};

/* libnice would speak plain TCP to a TURN server that wants TLS. */
static gchar *
relay_uri (GstLiveKitSession * session, const gchar * host_port, const gchar * credentials)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocketConnectable) address = NULL;
  g_autofree gchar *bare = g_strndup (host_port, strcspn (host_port, "?"));
  LkTlsRelay *relay;

  address = g_network_address_parse (bare, DEFAULT_TURNS_PORT, &error);
  if (address == NULL) {
    GST_WARNING_OBJECT (session->element, "unusable TURN server skipped: %s", error->message);
    return NULL;
  }
  relay = lk_tls_relay_new (g_network_address_get_hostname (G_NETWORK_ADDRESS (address)),
      g_network_address_get_port (G_NETWORK_ADDRESS (address)), session->settings.room.http, &error);
  if (relay == NULL) {
    GST_WARNING_OBJECT (session->element, "no TLS to TURN server %s: %s", bare, error->message);
    return NULL;
  }
  g_ptr_array_add (session->relays, relay);
  return g_strdup_printf ("turn://%s@127.0.0.1:%u?transport=tcp", credentials, lk_tls_relay_get_port (relay));
}

/* "turn:host:port?transport=udp" and credentials, or a URI that has them, to what webrtcbin takes. NULL for what is no
 * usable TURN URI. */
static gchar *
turn_uri (GstLiveKitSession * session, const gchar * url, const gchar * username, const gchar * credential)
{
  gboolean is_tls = g_str_has_prefix (url, "turns:");
  const gchar *rest = url + (is_tls ? strlen ("turns:") : strlen ("turn:")), *at;
  g_autofree gchar *credentials = NULL;

  if (!is_tls && !g_str_has_prefix (url, "turn:"))
    return NULL;
  if (g_str_has_prefix (rest, "//"))
    rest += 2;
  at = strrchr (rest, '@');
  if (at) {
    credentials = g_strndup (rest, at - rest);
    rest = at + 1;
  } else {
    g_autofree gchar *user = g_uri_escape_string (username ? username : "", NULL, FALSE);
    g_autofree gchar *password = g_uri_escape_string (credential ? credential : "", NULL, FALSE);

    credentials = g_strdup_printf ("%s:%s", user, password);
  }
  return is_tls ? relay_uri (session, rest, credentials) : g_strdup_printf ("turn://%s@%s", credentials, rest);
}

static void
take_ice_servers (GstLiveKitSession * session, const LkJoinInfo * info, GPtrArray * turn, gchar ** stun)
{
  for (guint i = 0; i < info->n_ice_servers; i++) {
    const LkIceServer *server = &info->ice_servers[i];

    for (guint u = 0; server->urls && server->urls[u]; u++) {
      gchar *uri = turn_uri (session, server->urls[u], server->username, server->credential);

      if (uri)
        g_ptr_array_add (turn, uri);
      else if (*stun == NULL && g_str_has_prefix (server->urls[u], "stun:"))
        *stun = g_strdup_printf ("stun://%s", server->urls[u] + strlen ("stun:"));
    }
  }
}

static void
choose_ice_servers (GstLiveKitSession * session, const LkJoinInfo * info, GPtrArray * turn, gchar ** stun)
{
  if (session->settings.turn_servers) {
    for (guint i = 0; session->settings.turn_servers[i]; i++) {
      gchar *uri = turn_uri (session, session->settings.turn_servers[i], NULL, NULL);

      if (uri)
        g_ptr_array_add (turn, uri);
    }
  } else {
    take_ice_servers (session, info, turn, stun);
  }
  /* Nobody between us and this machine could tell us an address. */
  if (info->server_is_loopback)
    g_clear_pointer (stun, g_free);
  if (session->settings.stun_server) {
    g_free (*stun);
    *stun = g_strdup (session->settings.stun_server);
  }
  g_ptr_array_add (turn, NULL);
}

static GstLiveKitPeer *
make_peer (GstLiveKitSession * session, const LkJoinInfo * info, GstLiveKitPeerRole role, const gchar * name)
{
  g_autoptr (GPtrArray) turn = g_ptr_array_new_with_free_func (g_free);
  g_autofree gchar *stun = NULL;
  g_autoptr (GError) error = NULL;
  GstLiveKitPeer *peer;
  GstLiveKitPeerConfig config = {.name = name,.role = role,.latency_ms = session->settings.latency_ms };

  choose_ice_servers (session, info, turn, &stun);
  config.stun_server = stun;
  config.turn_servers = (GStrv) turn->pdata;
  config.relay_only = session->settings.relay_only || info->force_relay;
  config.is_loopback = info->server_is_loopback;
  peer = gst_livekit_peer_new (session->host, session->loop, &config, &peer_delegate, session, &error);
  if (peer == NULL)
    session->delegate.warning (session, error, session->delegate_data);
  return peer;
}

static gboolean
make_peers (GstLiveKitSession * session, const LkJoinInfo * info)
{
  g_autofree gchar *name = NULL, *subscriber_name = NULL;

  session->is_single_peer = info->is_single_peer;
  name = g_strdup_printf ("peer%u", session->n_joins);
  if (info->is_single_peer) {
    session->publisher = make_peer (session, info, GST_LIVEKIT_PEER_BOTH, name);
    session->subscriber = session->publisher;
  } else {
    subscriber_name = g_strdup_printf ("subscriber%u", session->n_joins);
    session->publisher = make_peer (session, info, GST_LIVEKIT_PEER_PUBLISHER, name);
    session->subscriber = make_peer (session, info, GST_LIVEKIT_PEER_SUBSCRIBER, subscriber_name);
  }
  return session->publisher && session->subscriber;
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

  for (guint i = 0; i < session->orphans->len; i++)
    gst_livekit_remote_track_end_in_loop (g_ptr_array_index (session->orphans, i));
  g_ptr_array_set_size (session->orphans, 0);
}

static void
on_room_joined (LkRoom * room, const LkJoinInfo * info, gpointer data)
{
  GstLiveKitSession *session = data;

  session->is_joined = TRUE;
  session->joined_us = g_get_monotonic_time ();
  session->n_joins++;
  set_string (&session->server_url, info->server_url);
  set_string (&session->room_sid, info->room_sid);
  set_string (&session->room_name, info->room_name);
  set_string (&session->room_metadata, info->room_metadata);
  set_string (&session->server_version, info->server_version);
  set_string (&session->server_region, info->server_region);
  set_string (&session->participant_sid, info->local->sid);
  session->delegate.joined (session, info->room_name, info->local->identity, session->delegate_data);
  tell_room_info (session);
  if (!make_peers (session, info)) {
    lk_room_leave_in_loop (room);
    return;
  }
  /* Tracks known by now share the first offer: the roster's callbacks come first. */
  gst_livekit_session_reconcile_later (session);
  lk_loop_post (session->loop, begin_in_loop, session, NULL);
  lk_loop_cancel (session->loop, &session->orphan_timer);
  if (session->orphans->len)
    session->orphan_timer = lk_loop_post_after (session->loop, ORPHAN_MS, end_orphans_in_loop, session, NULL);
  /* v0, with a token that may not subscribe: no offer will come, ours is what makes us active. */
  if (!info->is_single_peer && !info->subscriber_primary)
    gst_livekit_peer_negotiate_in_loop (session->publisher);
}

static void
on_room_resumed (LkRoom * room, const LkIceServer * ice_servers, guint n_ice_servers, gpointer data)
{
  GstLiveKitSession *session = data;

  gst_livekit_session_reconcile_later (session);
  if (is_transport_up (session)) {
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
      close_peers (session);
      if (session->state != GST_LIVEKIT_CONNECTION_STATE_CONNECTING || attempt > 1)
        gst_livekit_session_set_state_in_loop (session, GST_LIVEKIT_CONNECTION_STATE_CONNECTING, error, attempt,
            next_try_ms);
      return;
    case LK_ROOM_RESUMING:
      gst_livekit_session_set_state_in_loop (session, GST_LIVEKIT_CONNECTION_STATE_RECONNECTING, error, attempt,
          next_try_ms);
      return;
    case LK_ROOM_REJOINING:
      session->is_joined = FALSE;
      gst_livekit_session_orphan_all_in_loop (session);
      close_peers (session);
      gst_livekit_session_set_state_in_loop (session, GST_LIVEKIT_CONNECTION_STATE_RECONNECTING, error, attempt,
          next_try_ms);
      return;
    case LK_ROOM_CLOSED:
      session->is_joined = FALSE;
      if (!session->is_stopping)
        gst_livekit_session_end_all_in_loop (session);
      close_peers (session);
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
  g_autoptr (GError) error = NULL;

  if (track == NULL)
    return;
  error = g_error_new (LK_ERROR, LK_ERROR_PERMISSION, "The server has ended the track of pad %s.",
      first_pad_name (track));
  gst_livekit_local_track_fail (track, room, error);
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
    gst_livekit_session_tell_track (data, allowed ? "allowed" : "forbidden", publication);
}

static void
on_room_stream_paused (LkRoom * room, const gchar * sid, gboolean paused, gpointer data)
{
  const LkPublication *publication = lk_roster_find_track (lk_room_get_roster (room), sid);

  if (publication)
    gst_livekit_session_tell_track (data, paused ? "paused" : "resumed", publication);
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
    const LkParticipant *local = lk_roster_get_local (roster);
    GValue item = G_VALUE_INIT;

    if (participant == NULL && local && g_strcmp0 (local->sid, speakers[i].sid) == 0)
      participant = local;
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
on_room_connection_quality (LkRoom * room, const gchar * participant_sid, const gchar * quality, gfloat score,
    gpointer data)
{
  const LkParticipant *participant = lk_roster_find_participant (lk_room_get_roster (room), participant_sid);

  gst_livekit_session_tell (data, gst_structure_new ("livekit-quality", "sid", G_TYPE_STRING, participant_sid,
          "identity", G_TYPE_STRING, participant ? participant->identity : "", "quality", G_TYPE_STRING, quality,
          "score", G_TYPE_DOUBLE, (gdouble) score, NULL));
}

static void
on_room_updated (LkRoom * room, const LkRoomInfo * info, gpointer data)
{
  GstLiveKitSession *session = data;

  set_string (&session->room_sid, info->sid);
  set_string (&session->room_name, info->name);
  set_string (&session->room_metadata, info->metadata);
  session->n_participants = info->n_participants;
  tell_room_info (session);
  gst_livekit_session_tell (session, gst_structure_new ("livekit-room", "sid", G_TYPE_STRING, info->sid,
          "name", G_TYPE_STRING, info->name, "metadata", G_TYPE_STRING, info->metadata,
          "num-participants", G_TYPE_UINT, info->n_participants,
          "active-recording", G_TYPE_BOOLEAN, info->active_recording, NULL));
}

/* --- the roster's callbacks --- */

static void
tell_participant (GstLiveKitSession * session, const gchar * action, const LkParticipant * participant)
{
  GValue attributes = G_VALUE_INIT;
  GstStructure *message = gst_structure_new ("livekit-participant", "action", G_TYPE_STRING, action,
      "identity", G_TYPE_STRING, participant->identity, "sid", G_TYPE_STRING, participant->sid,
      "name", G_TYPE_STRING, participant->name, "metadata", G_TYPE_STRING, participant->metadata,
      "kind", G_TYPE_STRING, participant->kind, NULL);
  GHashTableIter iter;
  gpointer pair[2];

  /* Key, value, key, value: a structure cannot hold every key. */
  g_value_init (&attributes, GST_TYPE_ARRAY);
  g_hash_table_iter_init (&iter, participant->attributes);
  while (g_hash_table_iter_next (&iter, &pair[0], &pair[1])) {
    for (guint i = 0; i < 2; i++) {
      GValue item = G_VALUE_INIT;

      g_value_init (&item, G_TYPE_STRING);
      g_value_set_string (&item, pair[i]);
      gst_value_array_append_and_take_value (&attributes, &item);
    }
  }
  gst_structure_take_value (message, "attributes", &attributes);
  gst_livekit_session_tell (session, message);
}

static void
on_participant_joined (const LkParticipant * participant, gpointer data)
{
  tell_participant (data, "joined", participant);
}

static void
on_participant_updated (const LkParticipant * participant, gpointer data)
{
  tell_participant (data, "updated", participant);
}

static void
on_participant_left (const LkParticipant * participant, gpointer data)
{
  tell_participant (data, "left", participant);
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
  session->delegate.track_changed (session, track, publication, session->delegate_data);
  if (was_muted != publication->muted)
    gst_livekit_session_tell_track (session, publication->muted ? "muted" : "unmuted", publication);
}

static void
on_track_removed (const LkPublication * publication, gpointer data)
{
  gst_livekit_session_tell_track (data, "unpublished", publication);
  gst_livekit_session_reconcile_later (data);
}

static void
on_local_changed (const LkParticipant * participant, gpointer data)
{
  GstLiveKitSession *session = data;

  set_string (&session->participant_sid, participant->sid);
  gst_livekit_session_tell (session, gst_structure_new ("livekit-room",
          "can-publish", G_TYPE_BOOLEAN, participant->permission.can_publish,
          "can-subscribe", G_TYPE_BOOLEAN, participant->permission.can_subscribe,
          "can-publish-data", G_TYPE_BOOLEAN, participant->permission.can_publish_data, NULL));
}

static const LkRoomDelegate room_delegate = {
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
  .connection_quality = on_room_connection_quality,
  .room_updated = on_room_updated,
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

/* --- life --- */

GstLiveKitSession *
gst_livekit_session_new (GstBin * host, const GstLiveKitSessionDelegate * delegate, gpointer data)
{
  GstLiveKitSession *session = g_new0 (GstLiveKitSession, 1);

  g_atomic_ref_count_init (&session->ref_count);
  session->host = host;
  session->element = GST_ELEMENT (host);
  session->delegate = *delegate;
  session->delegate_data = data;
  session->loop = lk_loop_new ("livekit");
  session->start_offset = GST_CLOCK_TIME_NONE;
  session->layers = g_ptr_array_new_with_free_func ((GDestroyNotify) gst_livekit_layer_unref);
  session->local_tracks = g_ptr_array_new_with_free_func ((GDestroyNotify) gst_livekit_local_track_free);
  session->remote_tracks = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
      (GDestroyNotify) gst_livekit_remote_track_unref);
  session->relays = g_ptr_array_new_with_free_func ((GDestroyNotify) lk_tls_relay_free);
  session->orphans = g_ptr_array_new_with_free_func ((GDestroyNotify) gst_livekit_remote_track_unref);
  session->waiting_pads = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, gst_object_unref);
  g_mutex_init (&session->stop_lock);
  g_cond_init (&session->stop_changed);
  session->is_closed = TRUE;
  return session;
}

static void
settings_clear (GstLiveKitSessionSettings * settings)
{
  LkRoomSettings *room = &settings->room;

  g_free ((gchar *) room->server_url);
  g_free ((gchar *) room->room);
  g_free ((gchar *) room->identity);
  g_free ((gchar *) room->name);
  g_free ((gchar *) room->metadata);
  g_clear_pointer (&room->attributes, g_hash_table_unref);
  g_clear_pointer (&room->token_source, lk_token_source_unref);
  lk_http_settings_free ((LkHttpSettings *) room->http);
  g_free ((gchar *) settings->stun_server);
  g_strfreev ((gchar **) settings->turn_servers);
}

static void
settings_copy (GstLiveKitSessionSettings * to, const GstLiveKitSessionSettings * from)
{
  *to = *from;
  to->room.server_url = g_strdup (from->room.server_url);
  to->room.room = g_strdup (from->room.room);
  to->room.identity = g_strdup (from->room.identity);
  to->room.name = g_strdup (from->room.name);
  to->room.metadata = g_strdup (from->room.metadata);
  to->room.attributes = from->room.attributes ? g_hash_table_ref (from->room.attributes) : NULL;
  to->room.token_source = from->room.token_source ? lk_token_source_ref (from->room.token_source) : NULL;
  to->room.http = lk_http_settings_copy (from->room.http);
  to->stun_server = g_strdup (from->stun_server);
  to->turn_servers = (const gchar * const *) g_strdupv ((gchar **) from->turn_servers);
}

GstLiveKitSession *
gst_livekit_session_ref (GstLiveKitSession * session)
{
  g_atomic_ref_count_inc (&session->ref_count);
  return session;
}

void
gst_livekit_session_unref (GstLiveKitSession * session)
{
  if (!g_atomic_ref_count_dec (&session->ref_count))
    return;
  if (session->room)
    lk_room_free (session->room);
  g_ptr_array_unref (session->local_tracks);
  g_ptr_array_unref (session->layers);
  g_hash_table_unref (session->remote_tracks);
  g_ptr_array_unref (session->orphans);
  g_ptr_array_unref (session->relays);
  g_hash_table_unref (session->waiting_pads);
  g_clear_pointer (&session->mid_to_track, g_hash_table_unref);
  g_free (session->server_url);
  g_free (session->server_version);
  g_free (session->server_region);
  g_free (session->room_sid);
  g_free (session->room_name);
  g_free (session->room_metadata);
  g_free (session->participant_sid);
  settings_clear (&session->settings);
  g_clear_pointer (&session->stats, gst_structure_free);
  lk_loop_unref (session->loop);
  g_mutex_clear (&session->stop_lock);
  g_cond_clear (&session->stop_changed);
  g_free (session);
}

static void
tick_in_loop (gpointer data)
{
  GstLiveKitSession *session = data;
  static const guint every = STATS_EVERY_TICKS;
  gint64 n = g_get_monotonic_time () / (TICK_MS * G_TIME_SPAN_MILLISECOND);

  session->tick = lk_loop_post_after (session->loop, TICK_MS, tick_in_loop, session, NULL);
  gst_livekit_session_tick_tracks_in_loop (session);
  check_silence (session);
  if (n % every == 0)
    gst_livekit_session_update_stats_in_loop (session);
}

static void
start_in_loop (gpointer data)
{
  GstLiveKitSession *session = data;

  session->started_us = g_get_monotonic_time ();
  session->room = lk_room_new (session->loop, &room_delegate, session);
  lk_room_set_paused_in_loop (session->room, TRUE);
  gst_livekit_session_set_state_in_loop (session, GST_LIVEKIT_CONNECTION_STATE_CONNECTING, NULL, 0, 0);
  tick_in_loop (session);
  lk_room_join_in_loop (session->room, &session->settings.room);
}

void
gst_livekit_session_start (GstLiveKitSession * session, const GstLiveKitSessionSettings * settings)
{
  settings_copy (&session->settings, settings);
  session->is_closed = FALSE;
  lk_loop_start (session->loop);
  lk_loop_post (session->loop, start_in_loop, session, NULL);
}

static void
stop_in_loop (gpointer data)
{
  GstLiveKitSession *session = data;
  LkRoomState state = lk_room_get_state (session->room);

  session->is_stopping = TRUE;
  lk_loop_cancel (session->loop, &session->tick);
  lk_loop_cancel (session->loop, &session->orphan_timer);
  lk_loop_cancel (session->loop, &session->latency_timer);
  if (state == LK_ROOM_CLOSED)
    return;
  lk_room_leave_in_loop (session->room);
}

gboolean
gst_livekit_session_stop (GstLiveKitSession * session)
{
  gint64 deadline = g_get_monotonic_time () + STOP_LIMIT;
  gboolean is_down = TRUE;
  GHashTableIter iter;
  gpointer track;

  lk_loop_post (session->loop, stop_in_loop, session, NULL);
  g_mutex_lock (&session->stop_lock);
  while (is_down && (!session->is_closed || session->n_peers_closing > 0))
    is_down = g_cond_wait_until (&session->stop_changed, &session->stop_lock, deadline);
  g_mutex_unlock (&session->stop_lock);
  lk_loop_stop (session->loop);

  g_hash_table_iter_init (&iter, session->remote_tracks);
  while (g_hash_table_iter_next (&iter, NULL, &track))
    gst_livekit_remote_track_dispose (track);
  for (guint i = 0; i < session->orphans->len; i++)
    gst_livekit_remote_track_dispose (g_ptr_array_index (session->orphans, i));
  return is_down;
}

LkLoop *
gst_livekit_session_get_loop (GstLiveKitSession * session)
{
  return session->loop;
}

/* --- calls from any thread --- */

typedef struct
{
  GstLiveKitSession *session;
  LkLoopFunc done;
  gpointer data;
  GDestroyNotify destroy;
} Finish;

static void
finish_free (gpointer data)
{
  Finish *finish = data;

  if (finish->destroy)
    finish->destroy (finish->data);
  g_free (finish);
}

static void
finished_in_loop (gpointer data)
{
  Finish *finish = data;

  finish->done (finish->data);
}

static void
unpublish_drained_in_loop (gpointer data)
{
  Finish *finish = data;
  GstLiveKitSession *session = finish->session;
  Finish *next = g_new (Finish, 1);

  gst_livekit_session_unpublish_all_in_loop (session);
  if (session->publisher)
    gst_livekit_peer_negotiate_in_loop (session->publisher);
  *next = *finish;
  finish->destroy = NULL;
  lk_loop_post (session->loop, finished_in_loop, next, finish_free);
}

void
gst_livekit_session_finish (GstLiveKitSession * session, LkLoopFunc done, gpointer data, GDestroyNotify destroy)
{
  Finish *finish = g_new (Finish, 1);

  *finish = (Finish) {
  session, done, data, destroy};
  lk_loop_post_after (session->loop, DRAIN_MS, unpublish_drained_in_loop, finish, finish_free);
}

static void
latency_in_loop (gpointer data)
{
  GstLiveKitSession *session = data;

  session->latency_timer = 0;
  /* Not the host's: its state lock is held by whoever waits for this loop to stop. */
  if (session->publisher)
    gst_livekit_peer_recalculate_latency_in_loop (session->publisher);
  if (session->subscriber && session->subscriber != session->publisher)
    gst_livekit_peer_recalculate_latency_in_loop (session->subscriber);
}

static void
latency_later_in_loop (gpointer data)
{
  GstLiveKitSession *session = data;

  if (session->latency_timer == 0 && !session->is_stopping)
    session->latency_timer = lk_loop_post_after (session->loop, LATENCY_MS, latency_in_loop, session, NULL);
}

void
gst_livekit_session_recalculate_latency (GstLiveKitSession * session)
{
  lk_loop_post (session->loop, latency_later_in_loop, session, NULL);
}

typedef struct
{
  GstLiveKitSession *session;
  gchar *text, *metadata;
  GHashTable *attributes;
  guint number;
} Call;

static void
call_free (gpointer data)
{
  Call *call = data;

  g_free (call->text);
  g_free (call->metadata);
  g_clear_pointer (&call->attributes, g_hash_table_unref);
  g_free (call);
}

static void
child_failed_in_loop (gpointer data)
{
  Call *call = data;

  if (call->session->room && !call->session->is_stopping)
    lk_room_transport_failed_in_loop (call->session->room, call->text);
}

void
gst_livekit_session_child_failed (GstLiveKitSession * session, const gchar * why)
{
  Call *call = g_new0 (Call, 1);

  call->session = session;
  call->text = g_strdup (why);
  lk_loop_post (session->loop, child_failed_in_loop, call, call_free);
}

static void
paused_in_loop (gpointer data)
{
  Call *call = data;

  lk_room_set_paused_in_loop (call->session->room, call->number);
}

void
gst_livekit_session_set_paused (GstLiveKitSession * session, gboolean is_paused)
{
  Call *call = g_new0 (Call, 1);

  call->session = session;
  call->number = is_paused;
  lk_loop_post (session->loop, paused_in_loop, call, call_free);
}

static void
reconnect_timeout_in_loop (gpointer data)
{
  Call *call = data;

  lk_room_set_reconnect_timeout_in_loop (call->session->room, call->number);
}

void
gst_livekit_session_set_reconnect_timeout (GstLiveKitSession * session, guint timeout_ms)
{
  Call *call = g_new0 (Call, 1);

  call->session = session;
  call->number = timeout_ms;
  lk_loop_post (session->loop, reconnect_timeout_in_loop, call, call_free);
}

static void
update_participant_in_loop (gpointer data)
{
  Call *call = data;

  lk_room_update_participant_in_loop (call->session->room, call->text, call->metadata, call->attributes);
}

void
gst_livekit_session_update_participant (GstLiveKitSession * session, const gchar * name, const gchar * metadata,
    GHashTable * attributes)
{
  Call *call = g_new0 (Call, 1);

  call->session = session;
  call->text = g_strdup (name);
  call->metadata = g_strdup (metadata);
  call->attributes = attributes ? g_hash_table_ref (attributes) : NULL;
  lk_loop_post (session->loop, update_participant_in_loop, call, call_free);
}
