/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitpeer-transport: ICE and DTLS of one webrtcbin: candidates, restarts, certificate, state. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitpeer-private.h"

#include <nice/agent.h>
#include <stdio.h>
#include <string.h>
#include "gstlivekitelements.h"
#include "gstlivekitsdp.h"

#define GST_CAT_DEFAULT gst_livekit_debug

/* libnice paces its checks by 20 ms, which is most of the time that ICE takes on a good network; RFC 8445 §14.2 allows
 * 5, for the sake of networks. */
#define STUN_PACING_MS 5
#define LOOPBACK_STUN_PACING_MS 1
#define LOOPBACK_STUN_TIMEOUT_MS 50
/* So long libnice looks for work at that pace when there is none left, before it rests, having failed or not: at first,
 * when a connection is lost (its default), and while there is one. */
#define FIRST_ICE_PATIENCE_MS 1000
#define ICE_PATIENCE_MS 5000
#define CONNECTED_ICE_PATIENCE_MS 100
#define DTLS_LOOK_MS 200
/* GstDtlsConnectionState, which has no header. */
#define DTLS_CONNECTED 4

static gchar *
certificate_fingerprint (const gchar * pem)
{
  static const gchar begin[] = "-----BEGIN CERTIFICATE-----", end[] = "-----END CERTIFICATE-----";
  const gchar *from = strstr (pem, begin), *to = strstr (pem, end);
  g_autofree gchar *body = NULL;
  g_autofree guint8 *der = NULL;
  g_autofree gchar *hex = NULL;
  GString *fingerprint;
  gsize length;

  if (from == NULL || to == NULL || to < from)
    return NULL;
  from += sizeof begin - 1;
  body = g_strndup (from, to - from);
  der = g_base64_decode (body, &length);
  hex = g_compute_checksum_for_data (G_CHECKSUM_SHA256, der, length);
  fingerprint = g_string_new (NULL);
  for (guint i = 0; hex[i] != '\0'; i += 2)
    g_string_append_printf (fingerprint, "%s%c%c", i ? ":" : "", g_ascii_toupper (hex[i]),
        g_ascii_toupper (hex[i + 1]));
  return g_string_free (fingerprint, FALSE);
}

/* GStreamer before 1.28.5 takes any certificate, so that whoever sits in between could read and speak. */
static gboolean
is_certificate_right (GstLiveKitPeer * peer)
{
  g_autoptr (GstElement) dtlsdec = g_weak_ref_get (&peer->dtlsdec);
  g_autofree gchar *pem = NULL, *fingerprint = NULL;

  if (dtlsdec == NULL || peer->remote_sdp == NULL)
    return FALSE;
  g_object_get (dtlsdec, "peer-pem", &pem, NULL);
  if (pem)
    fingerprint = certificate_fingerprint (pem);
  return fingerprint && gst_livekit_sdp_has_fingerprint (peer->remote_sdp, fingerprint);
}

void
gst_livekit_peer_verify_in_loop (GstLiveKitPeer * peer)
{
  if (!is_certificate_right (peer)) {
    gst_livekit_receive_gate_set_verified (peer->gate, FALSE);
    gst_livekit_peer_fail_in_loop (peer, "the certificate of the media transport is not the one that was announced");
    return;
  }
  gst_livekit_receive_gate_set_verified (peer->gate, TRUE);
}

static GObject *
get_agent (GstLiveKitPeer * peer)
{
  g_autoptr (GObject) ice = NULL;
  GObject *agent;

  g_object_get (peer->webrtcbin, "ice-agent", &ice, NULL);
  g_object_get (ice, "agent", &agent, NULL);
  return agent;
}

static void
set_ice_patience (GstLiveKitPeer * peer, guint ms)
{
  g_autoptr (GObject) agent = get_agent (peer);

  g_object_set (agent, "idle-timeout", ms, NULL);
}

static void
connection_state_in_turn (GstLiveKitPeer * peer, gpointer unused)
{
  GstWebRTCPeerConnectionState state;

  g_object_get (peer->webrtcbin, "connection-state", &state, NULL);
  GST_INFO_OBJECT (peer->webrtcbin, "transport state=%d", state);
  switch (state) {
    case GST_WEBRTC_PEER_CONNECTION_STATE_CONNECTED:
      if (peer->is_connected && !peer->is_restarting)
        return;
      peer->is_restarting = FALSE;
      set_ice_patience (peer, CONNECTED_ICE_PATIENCE_MS);
      gst_livekit_peer_verify_in_loop (peer);
      if (peer->has_failed)
        return;
      if (peer->was_connected)
        gst_livekit_link_reset (peer->link);
      peer->is_connected = peer->was_connected = TRUE;
      peer->delegate.connected (peer, peer->delegate_data);
      return;
    case GST_WEBRTC_PEER_CONNECTION_STATE_DISCONNECTED:
    case GST_WEBRTC_PEER_CONNECTION_STATE_FAILED:
      if (!peer->is_connected && state != GST_WEBRTC_PEER_CONNECTION_STATE_FAILED)
        return;
      peer->is_connected = FALSE;
      peer->delegate.disconnected (peer, peer->delegate_data);
      /* A server in which many join at once may never hear of the credentials that it has just answered with. */
      if (state == GST_WEBRTC_PEER_CONNECTION_STATE_FAILED && !peer->was_connected)
        gst_livekit_peer_restart_ice_in_loop (peer);
      return;
    case GST_WEBRTC_PEER_CONNECTION_STATE_NEW:
    case GST_WEBRTC_PEER_CONNECTION_STATE_CONNECTING:
    case GST_WEBRTC_PEER_CONNECTION_STATE_CLOSED:
      return;
  }
}

static void
connection_state_in_loop (GstLiveKitPeer * peer, gpointer unused)
{
  gst_livekit_peer_take_turn_in_loop (peer, connection_state_in_turn, NULL, NULL);
}

void
gst_livekit_peer_on_connection_state (GstElement * webrtcbin, GParamSpec * pspec, GstLiveKitPeer * peer)
{
  gst_livekit_peer_post (peer, connection_state_in_loop, NULL, NULL);
}

/* Two threads tell webrtcbin (1.22 at least) the state of DTLS as they have read it before, so that "connecting" may come
 * last and stay. It is told again until it knows. */
static void
look_at_dtls_in_loop (gpointer data)
{
  GstLiveKitPeer *peer = data;
  g_autoptr (GstElement) dtlssrtpenc = NULL;
  gint state = 0;

  peer->dtls_timer = 0;
  if (peer->is_closed || peer->was_connected)
    return;
  dtlssrtpenc = g_weak_ref_get (&peer->dtlssrtpenc);
  if (dtlssrtpenc)
    g_object_get (dtlssrtpenc, "connection-state", &state, NULL);
  if (state == DTLS_CONNECTED) {
    GST_INFO_OBJECT (peer->webrtcbin, "DTLS is connected, told again");
    g_object_notify (G_OBJECT (dtlssrtpenc), "connection-state");
  }
  gst_livekit_peer_watch_dtls_in_loop (peer);
}

void
gst_livekit_peer_watch_dtls_in_loop (GstLiveKitPeer * peer)
{
  peer->dtls_timer = lk_loop_post_after (peer->loop, DTLS_LOOK_MS, look_at_dtls_in_loop, gst_livekit_peer_ref (peer),
      (GDestroyNotify) gst_livekit_peer_unref);
}

typedef struct
{
  guint mline_index;
  gchar *text;
} Candidate;

static void
candidate_free (gpointer data)
{
  Candidate *candidate = data;

  g_free (candidate->text);
  g_free (candidate);
}

guint
gst_livekit_peer_get_silence_ms (GstLiveKitPeer * peer)
{
  return gst_livekit_receive_gate_get_silence_ms (peer->gate);
}

/* webrtcbin keeps its sockets and candidates; libnice forgets the other side's and checks anew. */
void
gst_livekit_peer_begin_ice_restart_in_loop (GstLiveKitPeer * peer)
{
  g_autoptr (GObject) agent = get_agent (peer);
  g_autofree gchar *first = g_uuid_string_random (), *second = g_uuid_string_random ();

  set_ice_patience (peer, ICE_PATIENCE_MS);
  nice_agent_restart (NICE_AGENT (agent));
  g_free (peer->ice_ufrag);
  g_free (peer->ice_pwd);
  /* RFC 8839 §5.4: ice-chars, at least 24 and 128 bits of randomness. */
  peer->ice_ufrag = g_strndup (first, 8);
  peer->ice_pwd = g_strdup_printf ("%.8s%.4s%.8s%.4s", second, second + 9, first, second + 19);
  g_strdelimit (peer->ice_pwd, "-", '+');
  peer->tell_candidates_again = TRUE;
  peer->is_restarting = TRUE;
  GST_INFO_OBJECT (peer->webrtcbin, "ICE restarts");
}

void
gst_livekit_peer_set_lost_in_loop (GstLiveKitPeer * peer)
{
  lk_loop_assert_current (peer->loop);
  if (!peer->is_connected || peer->is_closed)
    return;
  peer->is_connected = FALSE;
  peer->delegate.disconnected (peer, peer->delegate_data);
}

void
gst_livekit_peer_restart_ice_in_loop (GstLiveKitPeer * peer)
{
  lk_loop_assert_current (peer->loop);
  if (peer->is_closed || peer->role == GST_LIVEKIT_PEER_SUBSCRIBER)
    return;
  peer->restart_is_due = TRUE;
  gst_livekit_peer_negotiate_in_loop (peer);
}

static void
local_candidate_in_loop (GstLiveKitPeer * peer, gpointer result)
{
  Candidate *candidate = result;

  GST_LOG_OBJECT (peer->webrtcbin, "local candidate %s", candidate->text);
  g_ptr_array_add (peer->local_candidates, g_strdup (candidate->text));
  peer->delegate.local_candidate (peer, candidate->text, candidate->mline_index, peer->delegate_data);
}

void
gst_livekit_peer_on_ice_candidate (GstElement * webrtcbin, guint mline_index, const gchar * text, GstLiveKitPeer * peer)
{
  Candidate *candidate;

  /* An empty one is the end of candidates (1.24 and newer), of which LiveKit's protocol knows nothing. */
  if (text == NULL || *text == '\0')
    return;
  candidate = g_new (Candidate, 1);
  candidate->mline_index = mline_index;
  candidate->text = g_strdup (text);
  gst_livekit_peer_post (peer, local_candidate_in_loop, candidate, candidate_free);
}

/* Everything is bundled: the first section's transport is the only one. */
static void
add_candidate_in_turn (GstLiveKitPeer * peer, gpointer candidate)
{
  g_signal_emit_by_name (peer->webrtcbin, "add-ice-candidate", 0, candidate);
}

void
gst_livekit_peer_add_remote_candidate_in_loop (GstLiveKitPeer * peer, const gchar * candidate, guint mline_index)
{
  lk_loop_assert_current (peer->loop);
  if (peer->is_closed)
    return;
  if (!g_str_has_prefix (candidate, "candidate:") || strlen (candidate) > 1024 || strpbrk (candidate, "\r\n")) {
    if (*candidate != '\0')
      GST_WARNING_OBJECT (peer->webrtcbin, "unusable remote candidate skipped");
    return;
  }
  GST_LOG_OBJECT (peer->webrtcbin, "remote candidate %s", candidate);
  gst_livekit_peer_take_turn_in_loop (peer, add_candidate_in_turn, g_strdup (candidate), g_free);
}

void
gst_livekit_peer_set_up_ice (GstLiveKitPeer * peer, const GstLiveKitPeerConfig * config)
{
  g_autoptr (GObject) agent = get_agent (peer);
  g_autoptr (GObject) ice = NULL;
  gboolean ok = TRUE;

  g_object_get (peer->webrtcbin, "ice-agent", &ice, NULL);
  g_object_set (agent, "upnp", FALSE, "stun-pacing-timer", STUN_PACING_MS, "idle-timeout", FIRST_ICE_PATIENCE_MS, NULL);
  /* libnice sends from the address it is bound to, and nothing but loopback reaches loopback. Such a server may
   * announce addresses it does not listen on (--node-ip 127.0.0.1 does), and libnice nominates no pair before it has
   * given up the others: on one machine that need not take two seconds. */
  if (config->is_loopback) {
    g_signal_emit_by_name (ice, "add-local-ip-address", "127.0.0.1", &ok);
    g_object_set (agent, "stun-pacing-timer", LOOPBACK_STUN_PACING_MS, "stun-initial-timeout", LOOPBACK_STUN_TIMEOUT_MS,
        "stun-reliable-timeout", 4 * LOOPBACK_STUN_TIMEOUT_MS, NULL);
  }
  if (config->stun_server)
    g_object_set (peer->webrtcbin, "stun-server", config->stun_server, NULL);
  for (guint i = 0; config->turn_servers && config->turn_servers[i]; i++) {
    g_signal_emit_by_name (peer->webrtcbin, "add-turn-server", config->turn_servers[i], &ok);
    if (!ok)
      GST_WARNING_OBJECT (peer->webrtcbin, "a TURN server of the list is not usable");
  }
  if (config->relay_only)
    g_object_set (peer->webrtcbin, "ice-transport-policy", GST_WEBRTC_ICE_TRANSPORT_POLICY_RELAY, NULL);
}
