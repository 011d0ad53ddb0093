/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitpeer-sdp: negotiation of a peer: sections, offers, answers. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitpeer-private.h"

#include <stdlib.h>
#include <string.h>
#include "gstlivekitelements.h"
#include "gstlivekitsdp.h"
#include "rtp/gstlivekitrtpextensions.h"

#define GST_CAT_DEFAULT gst_livekit_debug

static void
description_free (gpointer data)
{
  gst_webrtc_session_description_free (data);
}

/* One promise of webrtcbin's. It answers on a thread of webrtcbin's; @func runs on the loop with the description of the
 * reply's @field, or NULL when there is none. An error fails the peer. */
typedef struct
{
  GstLiveKitPeer *peer;
  GstLiveKitPeerFunc func;
  const gchar *field, *what;
} Awaited;

static void
awaited_free (gpointer data)
{
  Awaited *awaited = data;

  gst_livekit_peer_unref (awaited->peer);
  g_free (awaited);
}

static void
fail_with_message (GstLiveKitPeer * peer, gpointer result)
{
  gst_livekit_peer_fail_in_loop (peer, result);
}

static void
on_promise (GstPromise * promise, gpointer data)
{
  Awaited *awaited = data;
  const GstStructure *reply = gst_promise_get_reply (promise);
  GstWebRTCSessionDescription *description = NULL;
  g_autoptr (GError) error = NULL;

  if (gst_promise_wait (promise) != GST_PROMISE_RESULT_REPLIED)
    return;
  if (reply)
    gst_structure_get (reply, "error", G_TYPE_ERROR, &error, NULL);
  if (error) {
    gst_livekit_peer_post (awaited->peer, fail_with_message, g_strdup_printf ("%s: %s", awaited->what,
            error->message), g_free);
    return;
  }
  if (awaited->field && reply)
    gst_structure_get (reply, awaited->field, GST_TYPE_WEBRTC_SESSION_DESCRIPTION, &description, NULL);
  gst_livekit_peer_post (awaited->peer, awaited->func, description, description ? description_free : NULL);
}

static void
on_operation_answered (GstPromise * promise, gpointer data)
{
  on_promise (promise, data);
  gst_livekit_peer_end_operation (((Awaited *) data)->peer);
}

static GstPromise *
await (GstLiveKitPeer * peer, GstLiveKitPeerFunc func, const gchar * field, const gchar * what)
{
  Awaited *awaited = g_new (Awaited, 1);

  *awaited = (Awaited) {
  gst_livekit_peer_ref (peer), func, field, what};
  gst_livekit_peer_begin_operation_in_loop (peer);
  return gst_promise_new_with_change_func (on_operation_answered, awaited, awaited_free);
}

typedef struct
{
  const gchar *action;
  GstWebRTCSessionDescription *description;
  GstLiveKitPeerFunc then;
} NewDescription;

static void
new_description_free (gpointer data)
{
  NewDescription *new_description = data;

  gst_webrtc_session_description_free (new_description->description);
  g_free (new_description);
}

static void
set_description_in_turn (GstLiveKitPeer * peer, gpointer data)
{
  NewDescription *new_description = data;
  GstPromise *promise = await (peer, new_description->then, NULL, new_description->action);

  g_signal_emit_by_name (peer->webrtcbin, new_description->action, new_description->description, promise);
  gst_promise_unref (promise);
}

static void
set_description (GstLiveKitPeer * peer, const gchar * action, GstWebRTCSDPType type, const GstSDPMessage * sdp,
    GstLiveKitPeerFunc then)
{
  NewDescription *new_description = g_new (NewDescription, 1);
  GstSDPMessage *copy;

  gst_sdp_message_copy (sdp, &copy);
  gst_livekit_sdp_hide_red (copy);
  *new_description = (NewDescription) {
  action, gst_webrtc_session_description_new (type, copy), then};
  gst_livekit_peer_take_turn_in_loop (peer, set_description_in_turn, new_description, new_description_free);
}

static void
keep_sdp (GstSDPMessage ** place, const GstSDPMessage * sdp)
{
  g_clear_pointer (place, gst_sdp_message_free);
  gst_sdp_message_copy (sdp, place);
}

static GstLiveKitSendSection *
find_send_section (GstLiveKitPeer * peer, const gchar * mid)
{
  for (guint i = 0; i < peer->send_sections->len; i++) {
    GstLiveKitSendSection *section = g_ptr_array_index (peer->send_sections, i);

    if (g_strcmp0 (section->mid, mid) == 0)
      return section;
  }
  return NULL;
}

static GstLiveKitRecvSection *
find_recv_section (GstLiveKitPeer * peer, const gchar * mid)
{
  for (guint i = 0; i < peer->recv_sections->len; i++) {
    GstLiveKitRecvSection *section = g_ptr_array_index (peer->recv_sections, i);

    if (g_strcmp0 (section->mid, mid) == 0)
      return section;
  }
  return NULL;
}

/* --- receiving --- */

static GstCaps *
recv_caps (LkTrackKind kind, const gchar * mid)
{
  g_autofree gchar *capture_time = g_strdup_printf ("extmap-%u", GST_LIVEKIT_EXTENSION_CAPTURE_TIME);
  GstCaps *caps = gst_caps_new_empty ();

  for (const GstLiveKitCodec * codec = gst_livekit_codecs (); codec->encoding_name; codec++) {
    if (codec->kind == kind)
      gst_caps_append_structure (caps, gst_structure_new ("application/x-rtp",
              "media", G_TYPE_STRING, lk_track_kind_name (kind), "encoding-name", G_TYPE_STRING, codec->encoding_name,
              "payload", G_TYPE_INT, codec->payload_type, "clock-rate", G_TYPE_INT, codec->clock_rate, NULL));
  }
  /* Each structure that has it writes a line. */
  gst_structure_set (gst_caps_get_structure (caps, 0), "a-mid", G_TYPE_STRING, mid, capture_time, G_TYPE_STRING,
      GST_LIVEKIT_CAPTURE_TIME_URI, NULL);
  return caps;
}

static void
add_transceiver_in_turn (GstLiveKitPeer * peer, gpointer caps)
{
  g_autoptr (GstWebRTCRTPTransceiver) transceiver = NULL;

  g_signal_emit_by_name (peer->webrtcbin, "add-transceiver", GST_WEBRTC_RTP_TRANSCEIVER_DIRECTION_RECVONLY, caps,
      &transceiver);
  if (transceiver)
    g_object_set (transceiver, "do-nack", TRUE, NULL);
}

static void
add_recv_section (GstLiveKitPeer * peer, LkTrackKind kind)
{
  GstLiveKitRecvSection *section = g_new0 (GstLiveKitRecvSection, 1);

  section->mid = g_strdup_printf ("r%u", peer->n_mids++);
  section->kind = kind;
  g_ptr_array_add (peer->recv_sections, section);
  gst_livekit_peer_take_turn_in_loop (peer, add_transceiver_in_turn, recv_caps (kind, section->mid),
      (GDestroyNotify) gst_caps_unref);
}

static guint
count_recv_sections (GstLiveKitPeer * peer, LkTrackKind kind, gboolean only_unanswered)
{
  guint n = 0;

  for (guint i = 0; i < peer->recv_sections->len; i++) {
    GstLiveKitRecvSection *section = g_ptr_array_index (peer->recv_sections, i);

    n += section->kind == kind && !(only_unanswered && section->is_answered);
  }
  return n;
}

gboolean
gst_livekit_peer_want_sections_in_loop (GstLiveKitPeer * peer, guint n_audio, guint n_video)
{
  guint before = peer->recv_sections->len;

  lk_loop_assert_current (peer->loop);
  n_audio = MIN (n_audio, GST_LIVEKIT_SDP_MAX_MEDIA / 2);
  n_video = MIN (n_video, GST_LIVEKIT_SDP_MAX_MEDIA / 2);
  while (count_recv_sections (peer, LK_TRACK_AUDIO, FALSE) < n_audio)
    add_recv_section (peer, LK_TRACK_AUDIO);
  while (count_recv_sections (peer, LK_TRACK_VIDEO, FALSE) < n_video)
    add_recv_section (peer, LK_TRACK_VIDEO);
  return peer->recv_sections->len > before;
}

void
gst_livekit_peer_require_sections_in_loop (GstLiveKitPeer * peer, guint n_audio, guint n_video)
{
  guint audio = count_recv_sections (peer, LK_TRACK_AUDIO, FALSE);
  guint video = count_recv_sections (peer, LK_TRACK_VIDEO, FALSE);

  n_audio -= MIN (n_audio, count_recv_sections (peer, LK_TRACK_AUDIO, TRUE));
  n_video -= MIN (n_video, count_recv_sections (peer, LK_TRACK_VIDEO, TRUE));
  gst_livekit_peer_want_sections_in_loop (peer, audio + n_audio, video + n_video);
  gst_livekit_peer_negotiate_in_loop (peer);
}

/* --- our offer --- */

/* @wire: for the server, which takes no codec later that the first section of a kind does not list, and which has to
 * know what is unpublished. webrtcbin gets the truth of this moment, and never a change of direction: 1.22 refuses
 * that. */
static void
edit_offer (GstLiveKitPeer * peer, GstSDPMessage * sdp, gboolean wire)
{
  for (guint i = 0; i < gst_sdp_message_medias_len (sdp); i++) {
    GstSDPMedia *media = (GstSDPMedia *) gst_sdp_message_get_media (sdp, i);
    const gchar *mid = gst_livekit_sdp_get_mid (media);
    GstLiveKitSendSection *section = find_send_section (peer, mid);

    if (section) {
      gst_livekit_sdp_write_codecs (media, section->codec, wire);
      gst_livekit_sdp_write_msid (media, section->stream, section->cid);
      if (wire && !section->is_open)
        gst_livekit_sdp_set_direction (media, "inactive");
    } else if (find_recv_section (peer, mid)) {
      gst_livekit_sdp_write_codecs (media, NULL, TRUE);
      if (g_strcmp0 (gst_sdp_media_get_media (media), "video") == 0) {
        gst_livekit_sdp_add_extension (media, GST_LIVEKIT_EXTENSION_TWCC, GST_LIVEKIT_TWCC_URI);
        gst_livekit_sdp_add_extension (media, GST_LIVEKIT_EXTENSION_ABS_SEND_TIME, GST_LIVEKIT_ABS_SEND_TIME_URI);
      }
    }
  }
}

static void
tell_candidates (GstLiveKitPeer * peer)
{
  if (!peer->tell_candidates_again)
    return;
  peer->tell_candidates_again = FALSE;
  for (guint i = 0; i < peer->local_candidates->len; i++)
    peer->delegate.local_candidate (peer, g_ptr_array_index (peer->local_candidates, i), 0, peer->delegate_data);
}

static void
offer_set_in_loop (GstLiveKitPeer * peer, gpointer unused)
{
  GstSDPMessage *wire;
  g_autofree gchar *text = NULL;

  gst_sdp_message_copy (peer->local_sdp, &wire);
  edit_offer (peer, wire, TRUE);
  text = gst_sdp_message_as_text (wire);
  gst_sdp_message_free (wire);
  GST_LOG_OBJECT (peer->webrtcbin, "offer id=%u\n%s", peer->offer_id, text);
  peer->delegate.local_offer (peer, text, peer->offer_id, peer->delegate_data);
  tell_candidates (peer);
}

static void
offer_made_in_loop (GstLiveKitPeer * peer, gpointer result)
{
  GstWebRTCSessionDescription *offer = result;

  if (offer == NULL) {
    gst_livekit_peer_fail_in_loop (peer, "webrtcbin made no offer");
    return;
  }
  keep_sdp (&peer->local_sdp, offer->sdp);
  edit_offer (peer, peer->local_sdp, FALSE);
  if (peer->restart_is_due)
    gst_livekit_peer_begin_ice_restart_in_loop (peer);
  peer->restart_is_due = FALSE;
  if (peer->ice_ufrag)
    gst_livekit_sdp_set_ice_credentials (peer->local_sdp, peer->ice_ufrag, peer->ice_pwd);
  set_description (peer, "set-local-description", GST_WEBRTC_SDP_TYPE_OFFER, peer->local_sdp, offer_set_in_loop);
}

static void
make_offer_in_turn (GstLiveKitPeer * peer, gpointer unused)
{
  GstPromise *promise;

  for (guint i = 0; i < peer->send_sections->len; i++) {
    GstLiveKitSendSection *section = g_ptr_array_index (peer->send_sections, i);

    section->in_offer = section->is_open;
  }
  gst_livekit_receive_gate_set_answer_due (peer->gate, TRUE);
  promise = await (peer, offer_made_in_loop, "offer", "create-offer");
  g_signal_emit_by_name (peer->webrtcbin, "create-offer", NULL, promise);
  gst_promise_unref (promise);
}

void
gst_livekit_peer_negotiate_in_loop (GstLiveKitPeer * peer)
{
  lk_loop_assert_current (peer->loop);
  if (peer->is_closed || peer->has_failed || peer->role == GST_LIVEKIT_PEER_SUBSCRIBER)
    return;
  if (peer->offer_is_outstanding) {
    peer->offer_again = TRUE;
    return;
  }
  /* An offer needs a section: it is what makes the participant active. */
  if (peer->send_sections->len == 0 && peer->recv_sections->len == 0)
    add_recv_section (peer, LK_TRACK_AUDIO);
  peer->offer_is_outstanding = TRUE;
  peer->offer_again = FALSE;
  peer->offer_id++;
  gst_livekit_peer_take_turn_in_loop (peer, make_offer_in_turn, NULL, NULL);
}

/* --- the server's answer --- */

static gboolean
is_refused (const GstSDPMedia * media)
{
  return gst_sdp_media_get_port (media) == 0 && gst_sdp_media_get_attribute_val (media, "bundle-only") == NULL;
}

static void
tell_sections (GstLiveKitPeer * peer)
{
  for (guint i = 0; i < gst_sdp_message_medias_len (peer->remote_sdp); i++) {
    const GstSDPMedia *media = gst_sdp_message_get_media (peer->remote_sdp, i);
    const gchar *mid = gst_livekit_sdp_get_mid (media);
    GstLiveKitSendSection *section = find_send_section (peer, mid);
    GstLiveKitRecvSection *recv = find_recv_section (peer, mid);

    if (recv)
      recv->is_answered = TRUE;
    if (section && section->in_offer && section->is_open && !section->is_negotiated) {
      section->is_negotiated = TRUE;
      peer->delegate.section_negotiated (peer, section->data, !is_refused (media), peer->delegate_data);
    }
  }
}

static void
answer_set_in_loop (GstLiveKitPeer * peer, gpointer unused)
{
  g_autoptr (GHashTable) ssrcs = g_hash_table_new (NULL, NULL);
  g_autoptr (GHashTable) mid_to_track = g_steal_pointer (&peer->mid_to_track);

  gst_livekit_sdp_collect_ssrcs (peer->remote_sdp, ssrcs);
  gst_livekit_receive_gate_set_ssrcs (peer->gate, ssrcs);
  gst_livekit_receive_gate_set_answer_due (peer->gate, FALSE);
  peer->offer_is_outstanding = FALSE;
  tell_sections (peer);
  if (!peer->is_closed)
    peer->delegate.tracks_mapped (peer, mid_to_track, peer->delegate_data);
  if (!peer->is_closed && peer->offer_again)
    gst_livekit_peer_negotiate_in_loop (peer);
}

/* To webrtcbin 1.22 no section that has ever been active may become inactive: it could not come back. */
static void
edit_answer (GstLiveKitPeer * peer, GstSDPMessage * sdp)
{
  for (guint i = 0; i < gst_sdp_message_medias_len (sdp); i++) {
    GstSDPMedia *media = (GstSDPMedia *) gst_sdp_message_get_media (sdp, i);
    const gchar *mid = gst_livekit_sdp_get_mid (media);

    if (find_send_section (peer, mid))
      gst_livekit_sdp_set_direction (media, "recvonly");
    else if (find_recv_section (peer, mid))
      gst_livekit_sdp_set_direction (media, "sendonly");
  }
}

void
gst_livekit_peer_set_remote_answer_in_loop (GstLiveKitPeer * peer, const gchar * text, guint id,
    GHashTable * mid_to_track)
{
  g_autoptr (GError) error = NULL;
  GstSDPMessage *sdp;

  lk_loop_assert_current (peer->loop);
  if (peer->is_closed)
    return;
  GST_LOG_OBJECT (peer->webrtcbin, "answer id=%u\n%s", id, text);
  if (!peer->offer_is_outstanding || peer->mid_to_track || (id != 0 && id != peer->offer_id)) {
    GST_WARNING_OBJECT (peer->webrtcbin, "answer to no offer of ours skipped id=%u", id);
    return;
  }
  sdp = gst_livekit_sdp_parse (text, TRUE, peer->local_sdp, &error);
  if (sdp == NULL) {
    gst_livekit_peer_fail_in_loop (peer, error->message);
    return;
  }
  keep_sdp (&peer->remote_sdp, sdp);
  peer->mid_to_track = g_hash_table_ref (mid_to_track);
  edit_answer (peer, sdp);
  set_description (peer, "set-remote-description", GST_WEBRTC_SDP_TYPE_ANSWER, sdp, answer_set_in_loop);
  gst_sdp_message_free (sdp);
}

/* --- v0: the server's offer --- */

static void
edit_remote_offer (GstLiveKitPeer * peer, GstSDPMessage * sdp)
{
  for (guint i = 0; i < gst_sdp_message_medias_len (sdp); i++) {
    GstSDPMedia *media = (GstSDPMedia *) gst_sdp_message_get_media (sdp, i);
    const gchar *mid = gst_livekit_sdp_get_mid (media);
    const gchar *sid = g_hash_table_lookup (peer->mid_to_track, mid);
    const GstLiveKitCodec *codec = sid ? peer->track_codec (sid, peer->track_codec_data) : NULL;

    if (g_str_equal (gst_sdp_media_get_media (media), "application"))
      continue;
    gst_livekit_sdp_set_direction (media, "sendonly");
    /* webrtcbin answers the first format. */
    if (codec)
      gst_livekit_sdp_prefer_codec (media, codec);
  }
}

static void
local_answer_set_in_loop (GstLiveKitPeer * peer, gpointer unused)
{
  g_autofree gchar *text = NULL;
  g_autoptr (GHashTable) mid_to_track = g_steal_pointer (&peer->mid_to_track);
  g_autoptr (GHashTable) ssrcs = g_hash_table_new (NULL, NULL);
  GstSDPMessage *wire;

  gst_livekit_sdp_collect_ssrcs (peer->remote_sdp, ssrcs);
  gst_livekit_receive_gate_set_ssrcs (peer->gate, ssrcs);
  gst_sdp_message_copy (peer->local_sdp, &wire);
  for (guint i = 0; i < gst_sdp_message_medias_len (wire); i++) {
    const gchar *theirs = gst_livekit_sdp_get_direction (gst_sdp_message_get_media (peer->remote_sdp, i));

    if (g_str_equal (theirs, "inactive") || g_str_equal (theirs, "recvonly"))
      gst_livekit_sdp_set_direction ((GstSDPMedia *) gst_sdp_message_get_media (wire, i), "inactive");
  }
  text = gst_sdp_message_as_text (wire);
  gst_sdp_message_free (wire);
  GST_LOG_OBJECT (peer->webrtcbin, "answer id=%u\n%s", peer->offer_id, text);
  peer->delegate.tracks_mapped (peer, mid_to_track, peer->delegate_data);
  peer->delegate.local_answer (peer, text, peer->offer_id, peer->delegate_data);
  tell_candidates (peer);
  peer->offer_is_outstanding = FALSE;
}

/* webrtcbin answers without any. */
static void
answer_extensions (GstLiveKitPeer * peer, GstSDPMedia * media, const GstSDPMedia * offered)
{
  static const gchar *const uris[] = { GST_LIVEKIT_TWCC_URI, GST_LIVEKIT_ABS_SEND_TIME_URI };

  for (guint i = 0; i < G_N_ELEMENTS (uris); i++) {
    guint id = gst_livekit_sdp_find_extension (offered, uris[i]);

    if (id == 0)
      continue;
    gst_livekit_sdp_add_extension (media, id, uris[i]);
    if (uris[i] == uris[1])
      gst_livekit_link_set_abs_send_time_id (peer->link, id);
  }
}

/* webrtcbin answers with one codec, and the server takes no other later than in the first section of a kind. */
static void
edit_local_answer (GstLiveKitPeer * peer)
{
  for (guint i = 0; i < gst_sdp_message_medias_len (peer->local_sdp); i++) {
    GstSDPMedia *media = (GstSDPMedia *) gst_sdp_message_get_media (peer->local_sdp, i);
    const GstSDPMedia *offered = gst_sdp_message_get_media (peer->remote_sdp, i);
    gint payload_type = 0;

    if (g_strcmp0 (gst_sdp_media_get_media (media), "application") == 0 || gst_sdp_media_formats_len (media) == 0)
      continue;
    payload_type = atoi (gst_sdp_media_get_format (media, 0));
    gst_livekit_sdp_answer_codecs (media, offered, gst_livekit_codec_from_payload_type (payload_type));
    answer_extensions (peer, media, offered);
  }
}

static void
answer_made_in_loop (GstLiveKitPeer * peer, gpointer result)
{
  GstWebRTCSessionDescription *answer = result;

  if (answer == NULL) {
    gst_livekit_peer_fail_in_loop (peer, "webrtcbin made no answer");
    return;
  }
  keep_sdp (&peer->local_sdp, answer->sdp);
  edit_local_answer (peer);
  if (peer->ice_ufrag)
    gst_livekit_sdp_set_ice_credentials (peer->local_sdp, peer->ice_ufrag, peer->ice_pwd);
  set_description (peer, "set-local-description", GST_WEBRTC_SDP_TYPE_ANSWER, peer->local_sdp,
      local_answer_set_in_loop);
}

static void
make_answer_in_turn (GstLiveKitPeer * peer, gpointer unused)
{
  GstPromise *promise = await (peer, answer_made_in_loop, "answer", "create-answer");

  g_signal_emit_by_name (peer->webrtcbin, "create-answer", NULL, promise);
  gst_promise_unref (promise);
}

static void
remote_offer_set_in_loop (GstLiveKitPeer * peer, gpointer unused)
{
  gst_livekit_peer_take_turn_in_loop (peer, make_answer_in_turn, NULL, NULL);
}

static const gchar *
first_ufrag (const GstSDPMessage * sdp)
{
  const gchar *ufrag = gst_sdp_media_get_attribute_val (gst_sdp_message_get_media (sdp, 0), "ice-ufrag");

  return ufrag ? ufrag : gst_sdp_message_get_attribute_val (sdp, "ice-ufrag");
}

/* RFC 8839 §4.4.1.1.1: new credentials. To webrtcbin they would mean nothing: no checks would run. */
static gboolean
is_ice_restart (const GstSDPMessage * before, const GstSDPMessage * now)
{
  return g_strcmp0 (first_ufrag (before), first_ufrag (now)) != 0;
}

void
gst_livekit_peer_set_remote_offer_in_loop (GstLiveKitPeer * peer, const gchar * text, guint id,
    GHashTable * mid_to_track, GstLiveKitTrackCodecFunc track_codec, gpointer data)
{
  g_autoptr (GError) error = NULL;
  GstSDPMessage *sdp;

  lk_loop_assert_current (peer->loop);
  if (peer->is_closed || peer->has_failed)
    return;
  GST_LOG_OBJECT (peer->webrtcbin, "offer id=%u\n%s", id, text);
  /* The server keeps one offer outstanding. */
  if (peer->role != GST_LIVEKIT_PEER_SUBSCRIBER || peer->offer_is_outstanding) {
    gst_livekit_peer_fail_in_loop (peer, "an offer came out of turn");
    return;
  }
  sdp = gst_livekit_sdp_parse (text, FALSE, peer->remote_sdp, &error);
  if (sdp == NULL) {
    gst_livekit_peer_fail_in_loop (peer, error->message);
    return;
  }
  if (peer->remote_sdp && is_ice_restart (peer->remote_sdp, sdp))
    gst_livekit_peer_begin_ice_restart_in_loop (peer);
  keep_sdp (&peer->remote_sdp, sdp);
  peer->offer_is_outstanding = TRUE;
  peer->offer_id = id;
  peer->mid_to_track = g_hash_table_ref (mid_to_track);
  peer->track_codec = track_codec;
  peer->track_codec_data = data;
  edit_remote_offer (peer, sdp);
  set_description (peer, "set-remote-description", GST_WEBRTC_SDP_TYPE_OFFER, sdp, remote_offer_set_in_loop);
  gst_sdp_message_free (sdp);
}
