/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitpeer-send: the sending sections of a peer: what is linked to webrtcbin's sink pads. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitpeer-private.h"

#include "gstlivekitelements.h"
#include "gstlivekitinnerpad.h"
#include "rtp/gstlivekitdependency.h"
#include "rtp/gstlivekitrtpextensions.h"

#define GST_CAT_DEFAULT gst_livekit_debug

static const gchar *const rids[GST_LIVEKIT_MAX_LAYERS] = { "q", "h", "f" };

const gchar *
gst_livekit_peer_rid (guint n_layers, guint layer)
{
  return n_layers > 1 && layer < G_N_ELEMENTS (rids) ? rids[layer] : NULL;
}

const gchar *
gst_livekit_peer_get_mid (GstLiveKitSendSection * section)
{
  return section->mid;
}

/* --- caps: webrtcbin makes its offer from them --- */

static void
add_simulcast_fields (GstLiveKitSendSection * section, GstCaps * caps)
{
  g_autoptr (GString) list = g_string_new ("send ");

  for (guint i = 0; i < section->n_layers; i++) {
    g_autofree gchar *field = g_strdup_printf ("rid-%s", rids[i]);

    gst_caps_set_simple (caps, field, G_TYPE_STRING, "send", NULL);
    g_string_append_printf (list, "%s%s", i ? ";" : "", rids[i]);
  }
  gst_caps_set_simple (caps, "a-simulcast", G_TYPE_STRING, list->str, NULL);
}

static void
add_extension_field (GstCaps * caps, guint id, const gchar * uri)
{
  g_autofree gchar *field = g_strdup_printf ("extmap-%u", id);

  gst_caps_set_simple (caps, field, G_TYPE_STRING, uri, NULL);
}

static GstCaps *
section_caps (GstLiveKitSendSection * section, guint32 ssrc)
{
  const GstLiveKitCodec *codec = section->codec;
  g_autofree gchar *msid = g_strdup_printf ("%s %s", section->stream, section->cid);
  GstCaps *caps = gst_caps_new_simple ("application/x-rtp",
      "media", G_TYPE_STRING, lk_track_kind_name (codec->kind), "encoding-name", G_TYPE_STRING, codec->encoding_name,
      "payload", G_TYPE_INT, codec->payload_type, "clock-rate", G_TYPE_INT, codec->clock_rate,
      "a-mid", G_TYPE_STRING, section->mid, "a-msid", G_TYPE_STRING, msid, NULL);

  add_extension_field (caps, GST_LIVEKIT_EXTENSION_CAPTURE_TIME, GST_LIVEKIT_CAPTURE_TIME_URI);
  if (codec->kind == LK_TRACK_AUDIO)
    add_extension_field (caps, GST_LIVEKIT_EXTENSION_AUDIO_LEVEL, GST_LIVEKIT_AUDIO_LEVEL_URI);
  /* Not on audio: the server does not report it, and all of it would seem lost. */
  if (codec->kind == LK_TRACK_VIDEO)
    add_extension_field (caps, GST_LIVEKIT_EXTENSION_TWCC, GST_LIVEKIT_TWCC_URI);
  if (gst_livekit_codec_needs_dependencies (codec, section->n_layers > 1))
    add_extension_field (caps, GST_LIVEKIT_EXTENSION_DEPENDENCY, GST_LIVEKIT_DEPENDENCY_URI);
  if (section->n_layers == 1) {
    gst_caps_set_simple (caps, "ssrc", G_TYPE_UINT, ssrc, NULL);
    return caps;
  }
  /* No SSRC here: a section that names some is no simulcast to the server. */
  add_simulcast_fields (section, caps);
  add_extension_field (caps, GST_LIVEKIT_EXTENSION_MID, "urn:ietf:params:rtp-hdrext:sdes:mid");
  add_extension_field (caps, GST_LIVEKIT_EXTENSION_RID, "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id");
  add_extension_field (caps, GST_LIVEKIT_EXTENSION_REPAIRED_RID,
      "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id");
  return caps;
}

static void
announce_caps (GstLiveKitSendSection * section, guint32 ssrc)
{
  g_autoptr (GstCaps) caps = section_caps (section, ssrc);
  g_autofree gchar *stream_id = g_strdup_printf ("%s/%s", section->stream, section->cid);
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_push_event (section->joint, gst_event_new_stream_start (stream_id));
  gst_pad_push_event (section->joint, gst_event_new_caps (caps));
  gst_pad_push_event (section->joint, gst_event_new_segment (&segment));
}

/* --- key frame requests --- */

void
gst_livekit_peer_route_key_unit (GstLiveKitPeer * peer, GstEvent * event)
{
  g_autoptr (GPtrArray) pads = g_ptr_array_new_with_free_func (gst_object_unref);
  GHashTableIter iter;
  gpointer key, pad;
  guint ssrc = 0;

  gst_structure_get_uint (gst_event_get_structure (event), "ssrc", &ssrc);
  g_mutex_lock (&peer->senders_lock);
  g_hash_table_iter_init (&iter, peer->senders);
  while (g_hash_table_iter_next (&iter, &key, &pad)) {
    if (ssrc == 0 || GPOINTER_TO_UINT (key) == ssrc)
      g_ptr_array_add (pads, gst_object_ref (pad));
  }
  g_mutex_unlock (&peer->senders_lock);
  for (guint i = 0; i < pads->len; i++)
    gst_pad_send_event (g_ptr_array_index (pads, i), gst_event_ref (event));
  gst_event_unref (event);
}

static gboolean
on_joint_event (GstPad * joint, GstObject * parent, GstEvent * event)
{
  /* Key frame requests have been taken in webrtcbin's funnel. */
  gst_event_unref (event);
  return TRUE;
}

/* What is sent adds no latency to anybody's, and waits for none that upstream declares. */
static gboolean
on_joint_query (GstPad * joint, GstObject * parent, GstQuery * query)
{
  if (GST_QUERY_TYPE (query) != GST_QUERY_LATENCY)
    return FALSE;
  gst_query_set_latency (query, TRUE, 0, GST_CLOCK_TIME_NONE);
  return TRUE;
}

/* --- sources --- */

/* Keeps both while somebody is in the source's chain function. */
typedef struct
{
  GstPad *joint;
  GstLiveKitLink *link;         /* NULL: audio, which waits for nothing */
} Source;

static void
source_data_free (gpointer data)
{
  Source *source = data;

  gst_object_unref (source->joint);
  g_clear_pointer (&source->link, gst_livekit_link_unref);
  g_free (source);
}

/* Each source has a thread of its own. */
static GstFlowReturn
on_source_buffer (GstPad * pad, GstObject * parent, GstBuffer * buffer)
{
  Source *source = gst_pad_get_element_private (pad);

  if (source->link)
    return gst_livekit_link_send (source->link, source->joint, buffer);
  return gst_livekit_link_push (source->joint, buffer);
}

static GstFlowReturn
on_source_list (GstPad * pad, GstObject * parent, GstBufferList * list)
{
  Source *source = gst_pad_get_element_private (pad);

  if (source->link)
    return gst_livekit_link_send_list (source->link, source->joint, list);
  return gst_livekit_link_push_list (source->joint, list);
}

/* Caps and segment are the section's own. */
static gboolean
on_source_event (GstPad * source, GstObject * parent, GstEvent * event)
{
  gst_event_unref (event);
  return TRUE;
}

static GQuark
source_quark (void)
{
  return g_quark_from_static_string ("gst-livekit-source");
}

static GQuark
ssrc_quark (void)
{
  return g_quark_from_static_string ("gst-livekit-ssrc");
}

gboolean
gst_livekit_peer_add_source_in_loop (GstLiveKitPeer * peer, GstLiveKitSendSection * section, GstPad * src_pad,
    guint32 ssrc, GError ** error)
{
  Source *data = g_new (Source, 1);
  GstPad *source = gst_livekit_inner_pad_new (NULL, data, on_source_buffer, on_source_event);

  lk_loop_assert_current (peer->loop);
  *data = (Source) {
  gst_object_ref (section->joint), section->codec->kind == LK_TRACK_VIDEO ? gst_livekit_link_ref (peer->link) : NULL};
  g_object_set_qdata_full (G_OBJECT (source), source_quark (), data, source_data_free);
  g_object_set_qdata (G_OBJECT (source), ssrc_quark (), GUINT_TO_POINTER (ssrc));
  gst_pad_set_chain_list_function (source, on_source_list);
  g_ptr_array_add (section->sources, source);
  if (gst_pad_link_full (src_pad, source, GST_PAD_LINK_CHECK_NOTHING) != GST_PAD_LINK_OK) {
    g_ptr_array_remove (section->sources, source);
    g_set_error (error, GST_CORE_ERROR, GST_CORE_ERROR_PAD, "The pad is linked already.");
    return FALSE;
  }
  g_mutex_lock (&peer->senders_lock);
  g_hash_table_insert (peer->senders, GUINT_TO_POINTER (ssrc), gst_object_ref (src_pad));
  g_mutex_unlock (&peer->senders_lock);
  return TRUE;
}

static void
remove_source (GstLiveKitPeer * peer, GstPad * source)
{
  g_autoptr (GstPad) src_pad = gst_pad_get_peer (source);
  gpointer key = g_object_get_qdata (G_OBJECT (source), ssrc_quark ());
  gpointer pad = NULL;

  if (src_pad)
    gst_pad_unlink (src_pad, source);
  g_mutex_lock (&peer->senders_lock);
  g_hash_table_steal_extended (peer->senders, key, NULL, &pad);
  g_mutex_unlock (&peer->senders_lock);
  gst_clear_object ((GstPad **) & pad);
}

void
gst_livekit_peer_remove_source_in_loop (GstLiveKitPeer * peer, GstLiveKitSendSection * section, GstPad * src_pad)
{
  lk_loop_assert_current (peer->loop);
  for (guint i = 0; i < section->sources->len; i++) {
    GstPad *source = g_ptr_array_index (section->sources, i);

    if (GST_PAD_PEER (source) != src_pad)
      continue;
    remove_source (peer, source);
    g_ptr_array_remove_index (section->sources, i);
    return;
  }
}

/* --- sections --- */

static void
source_free (gpointer source)
{
  /* Not deactivated: that would wait for whoever is in it. */
  gst_object_unref (source);
}

void
gst_livekit_send_section_free (gpointer data)
{
  GstLiveKitSendSection *section = data;

  g_free (section->mid);
  g_free (section->stream);
  g_free (section->cid);
  g_ptr_array_unref (section->sources);
  gst_clear_object (&section->joint);
  gst_clear_object (&section->sink_pad);
  g_free (section);
}

static gboolean
make_joint (GstLiveKitPeer * peer, GstLiveKitSendSection * section)
{
  g_autoptr (GstWebRTCRTPTransceiver) transceiver = NULL;

  section->sink_pad = gst_element_request_pad_simple (peer->webrtcbin, "sink_%u");
  if (section->sink_pad == NULL)
    return FALSE;
  g_object_get (section->sink_pad, "transceiver", &transceiver, NULL);
  g_object_set (transceiver, "direction", GST_WEBRTC_RTP_TRANSCEIVER_DIRECTION_SENDONLY, "do-nack",
      section->codec->rtx_payload_type != 0, NULL);
  section->joint = gst_object_ref_sink (gst_pad_new (section->mid, GST_PAD_SRC));
  gst_pad_set_event_function (section->joint, on_joint_event);
  gst_pad_set_query_function (section->joint, on_joint_query);
  gst_pad_set_offset (section->joint, peer->send_offset);
  gst_pad_set_active (section->joint, TRUE);
  return gst_pad_link_full (section->joint, section->sink_pad, GST_PAD_LINK_CHECK_NOTHING) == GST_PAD_LINK_OK;
}

static GstLiveKitSendSection *
free_section (GstLiveKitPeer * peer, const GstLiveKitCodec * codec, guint32 ssrc, guint n_layers)
{
  for (guint i = 0; i < peer->send_sections->len; i++) {
    GstLiveKitSendSection *section = g_ptr_array_index (peer->send_sections, i);

    /* The server keeps a simulcast section's streams by their rids, and any section's by SSRC, and would not look at
     * new ones. */
    if (!section->is_open && section->codec == codec && n_layers == 1 && section->n_layers == 1
        && section->ssrc != ssrc)
      return section;
  }
  return NULL;
}

static GstLiveKitSendSection *
new_section (GstLiveKitPeer * peer, const GstLiveKitCodec * codec, guint n_layers)
{
  GstLiveKitSendSection *section = g_new0 (GstLiveKitSendSection, 1);

  section->mid = g_strdup_printf ("p%u", peer->n_mids++);
  section->codec = codec;
  section->n_layers = n_layers;
  section->sources = g_ptr_array_new_with_free_func (source_free);
  g_ptr_array_add (peer->send_sections, section);
  return section;
}

static gboolean
is_busy (GstPad * source)
{
  if (!g_rec_mutex_trylock (GST_PAD_GET_STREAM_LOCK (source)))
    return TRUE;
  GST_PAD_STREAM_UNLOCK (source);
  return FALSE;
}

gboolean
gst_livekit_peer_is_sending_in_loop (GstLiveKitPeer * peer)
{
  gboolean is_sending = !gst_livekit_link_is_idle (peer->link);

  lk_loop_assert_current (peer->loop);
  for (guint i = 0; i < peer->send_sections->len; i++) {
    GstLiveKitSendSection *section = g_ptr_array_index (peer->send_sections, i);

    for (guint s = 0; s < section->sources->len; s++)
      is_sending |= is_busy (g_ptr_array_index (section->sources, s));
  }
  return is_sending;
}

void
gst_livekit_peer_set_send_offset_in_loop (GstLiveKitPeer * peer, GstClockTimeDiff offset)
{
  lk_loop_assert_current (peer->loop);
  peer->send_offset = offset;
  for (guint i = 0; i < peer->send_sections->len; i++) {
    GstLiveKitSendSection *section = g_ptr_array_index (peer->send_sections, i);

    if (section->joint)
      gst_pad_set_offset (section->joint, offset);
  }
}

GstLiveKitSendSection *
gst_livekit_peer_open_section_in_loop (GstLiveKitPeer * peer, const GstLiveKitCodec * codec, const gchar * stream,
    const gchar * cid, guint32 ssrc, guint n_layers, gpointer section_data, GError ** error)
{
  GstLiveKitSendSection *section = free_section (peer, codec, ssrc, n_layers);

  lk_loop_assert_current (peer->loop);
  if (section == NULL)
    section = new_section (peer, codec, n_layers);
  g_free (section->stream);
  g_free (section->cid);
  section->stream = g_strdup (stream);
  section->cid = g_strdup (cid);
  section->data = section_data;
  section->is_negotiated = section->in_offer = FALSE;
  if (section->sink_pad == NULL && !make_joint (peer, section)) {
    g_set_error (error, GST_CORE_ERROR, GST_CORE_ERROR_PAD, "webrtcbin gives no sink pad.");
    return NULL;
  }
  section->is_open = TRUE;
  section->ssrc = ssrc;
  announce_caps (section, ssrc);
  return section;
}

void
gst_livekit_peer_close_section_in_loop (GstLiveKitPeer * peer, GstLiveKitSendSection * section)
{
  lk_loop_assert_current (peer->loop);
  for (guint i = 0; i < section->sources->len; i++)
    remove_source (peer, g_ptr_array_index (section->sources, i));
  g_ptr_array_set_size (section->sources, 0);
  gst_livekit_link_forget (peer->link, section->joint);
  section->is_open = FALSE;
  section->data = NULL;
}
