/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitsession-peers: a session's peers: what they tell it, and how they are made and closed. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitsession-private.h"

#include <string.h>
#include "gstlivekitelements.h"
#include "lkerror.h"

#define GST_CAT_DEFAULT gst_livekit_debug

/* Of the transport: five missed reports of what is sent. */
#define SILENCE_MS 5000
/* Checks of ICE take a few round trips. */
#define RESTART_LIMIT (5 * G_TIME_SPAN_SECOND)
/* RFC 7065 §3.2 */
#define DEFAULT_TURNS_PORT 5349

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

void
gst_livekit_session_close_peers_in_loop (GstLiveKitSession * session)
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
gboolean
gst_livekit_session_is_transport_up (GstLiveKitSession * session)
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

  if (session->restart_us)
    session->quiet_is_fine = TRUE;
  session->restart_us = 0;
  if (session->connected_us == 0)
    session->connected_us = g_get_monotonic_time ();
  gst_livekit_session_note_start_in_loop (session);
  if (peer == session->publisher)
    gst_livekit_session_connected_in_loop (session, TRUE);
  if (!gst_livekit_session_is_transport_up (session))
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

/* libnice of Debian 12 never tells that the other side has gone, so silence has to: reports of the server come about
 * once a second for what is sent, every three for what is received. It may also be that there is nothing to tell. So
 * ICE is asked first, by a restart, which costs a live path nothing; only when it does not come up is the transport
 * lost. */
void
gst_livekit_session_check_silence_in_loop (GstLiveKitSession * session)
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
on_peer_congested (GstLiveKitPeer * peer, gpointer data)
{
  gst_livekit_session_tick_bandwidth_in_loop (data);
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
  .congested = on_peer_congested,
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
  GstLiveKitPeerConfig config = {.name = name,.role = role,.latency_ms =
        session->users[GST_LIVEKIT_ROLE_SUBSCRIBER].latency_ms };

  choose_ice_servers (session, info, turn, &stun);
  config.stun_server = stun;
  config.turn_servers = (GStrv) turn->pdata;
  config.relay_only = session->settings.relay_only || info->force_relay;
  config.is_loopback = info->server_is_loopback;
  peer = gst_livekit_peer_new (GST_BIN (session->core), session->loop, &config, &peer_delegate, session, &error);
  if (peer == NULL)
    gst_livekit_session_warn (session, error);
  else
    gst_livekit_peer_set_send_offset_in_loop (peer, session->offsets[GST_LIVEKIT_ROLE_PUBLISHER]);
  return peer;
}

gboolean
gst_livekit_session_make_peers_in_loop (GstLiveKitSession * session, const LkJoinInfo * info)
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


/* The jitter buffers that there are take it over. */
void
gst_livekit_session_set_latency_in_loop (GstLiveKitSession * session, guint latency_ms)
{
  if (session->subscriber)
    gst_livekit_peer_set_latency_in_loop (session->subscriber, latency_ms);
}
