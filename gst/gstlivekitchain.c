/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitchain: the elements that make packets of one format. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitchain.h"

#include <gst/audio/audio.h>
#include <gst/rtp/rtp.h>
#include "gstlivekitelements.h"
#include "rtp/gstlivekitrtpextensions.h"

#define GST_CAT_DEFAULT gst_livekit_debug

/* Fits any path with IPv6 and TURN overhead. */
#define RTP_MTU 1200

static GstElement *
make_payloader (const GstLiveKitCodec * codec, guint32 ssrc)
{
  GstElement *payloader = gst_element_factory_make (codec->payloader, NULL);

  if (payloader == NULL)
    return NULL;
  g_object_set (payloader, "pt", codec->payload_type, "ssrc", ssrc, "mtu", RTP_MTU, NULL);
  /* Small NAL units share a packet but wait for none. */
  if (g_str_has_prefix (codec->payloader, "rtph26"))
    gst_util_set_object_arg (G_OBJECT (payloader), "aggregate-mode", "zero-latency");
  /* What an SFU rewrites when it switches layers. */
  if (g_str_has_prefix (codec->payloader, "rtpvp"))
    gst_util_set_object_arg (G_OBJECT (payloader), "picture-id-mode", "15-bit");
  return payloader;
}

static GstElement *
make_parser (const GstLiveKitCodec * codec)
{
  GstElement *parser = gst_element_factory_make (codec->parser, NULL);

  /* Parameter sets in front of each key frame. Not by the payloader: it puts them behind those that are there already,
   * where a receiver takes them for a new access unit. */
  if (parser && g_object_class_find_property (G_OBJECT_GET_CLASS (parser), "config-interval"))
    g_object_set (parser, "config-interval", -1, NULL);
  return parser;
}

static GstElement *
make_caps_filter (const gchar * caps_string)
{
  GstElement *filter = gst_element_factory_make ("capsfilter", NULL);
  g_autoptr (GstCaps) caps = gst_caps_from_string (caps_string);

  g_object_set (filter, "caps", caps, NULL);
  return filter;
}

/* Adds @element behind *@last, unless it is NULL: then @missing is set. */
static void
append (GstBin * bin, GstElement ** last, GstElement * element, gboolean * missing)
{
  if (element == NULL) {
    *missing = TRUE;
    return;
  }
  gst_bin_add (bin, element);
  if (*last && !gst_element_link (*last, element))
    *missing = TRUE;
  *last = element;
}

static void
add_ghost_pad (GstElement * bin, GstElement * element, const gchar * name)
{
  g_autoptr (GstPad) target = gst_element_get_static_pad (element, name);

  gst_element_add_pad (bin, gst_ghost_pad_new (name, target));
}

static GstElement *
fill_bin (GstLiveKitChain * chain, gboolean is_live)
{
  const GstLiveKitCodec *codec = chain->codec;
  GstBin *bin = GST_BIN (chain->bin);
  GstElement *first, *last = NULL;
  gboolean missing = FALSE;

  if (!is_live) {
    chain->clocksync = gst_element_factory_make ("clocksync", NULL);
    append (bin, &last, chain->clocksync, &missing);
  }
  first = last;
  if (codec->parser) {
    append (bin, &last, make_parser (codec), &missing);
    first = first ? first : last;
  }
  if (codec->parsed_caps)
    append (bin, &last, make_caps_filter (codec->parsed_caps), &missing);
  chain->payloader = make_payloader (codec, chain->ssrc);
  append (bin, &last, chain->payloader, &missing);
  first = first ? first : last;
  return missing ? NULL : first;
}

static void
link_feed (GstLiveKitChain * chain, const gchar * name)
{
  g_autoptr (GstPad) sink_pad = gst_element_get_static_pad (chain->bin, "sink");

  chain->feed = gst_object_ref_sink (gst_pad_new (name, GST_PAD_SRC));
  gst_pad_set_active (chain->feed, TRUE);
  gst_pad_link_full (chain->feed, sink_pad, GST_PAD_LINK_CHECK_NOTHING);
}

void
gst_livekit_chain_free (GstLiveKitChain * chain)
{
  GstObject *parent;

  if (chain->feed)
    gst_pad_set_active (chain->feed, FALSE);
  gst_element_set_locked_state (chain->bin, TRUE);
  gst_element_set_state (chain->bin, GST_STATE_NULL);
  parent = gst_object_get_parent (GST_OBJECT (chain->bin));
  if (parent) {
    gst_bin_remove (GST_BIN (parent), chain->bin);
    gst_object_unref (parent);
  }
  g_clear_pointer (&chain->meter, gst_livekit_level_meter_free);
  gst_clear_object (&chain->feed);
  gst_clear_object (&chain->src_pad);
  gst_object_unref (chain->bin);
  g_free (chain);
}

GstLiveKitChain *
gst_livekit_chain_new (GstBin * host, const gchar * name, const GstLiveKitCodec * codec, gboolean is_live)
{
  GstLiveKitChain *chain = g_new0 (GstLiveKitChain, 1);
  GstElement *first;

  chain->codec = codec;
  /* 0 would mean that the payloader chooses. */
  chain->ssrc = g_random_int_range (1, G_MAXINT32);
  chain->bin = gst_object_ref_sink (gst_bin_new (NULL));
  first = fill_bin (chain, is_live);
  if (first == NULL) {
    GST_ERROR_OBJECT (host, "elements missing for codec=%s", codec->encoding_name);
    gst_livekit_chain_free (chain);
    return NULL;
  }
  add_ghost_pad (chain->bin, first, "sink");
  add_ghost_pad (chain->bin, chain->payloader, "src");
  chain->src_pad = gst_element_get_static_pad (chain->bin, "src");
  gst_bin_add (host, chain->bin);
  link_feed (chain, name);
  gst_element_sync_state_with_parent (chain->bin);
  return chain;
}

static GstPadProbeReturn
add_level (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstLiveKitChain *chain = data;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  gint level;

  if (caps == NULL || gst_buffer_get_audio_level_meta (buffer))
    return GST_PAD_PROBE_OK;
  level = gst_livekit_level_meter_measure (chain->meter, caps, buffer);
  if (level < 0)
    return GST_PAD_PROBE_OK;
  buffer = gst_buffer_make_writable (buffer);
  gst_buffer_add_audio_level_meta (buffer, (guint8) level, FALSE);
  GST_PAD_PROBE_INFO_DATA (info) = buffer;
  return GST_PAD_PROBE_OK;
}

gboolean
gst_livekit_chain_measure_level (GstLiveKitChain * chain)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (chain->payloader, "sink");

  chain->meter = gst_livekit_level_meter_new (chain->codec->decoder);
  if (chain->meter)
    gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, add_level, chain, NULL);
  return chain->meter != NULL;
}

/* Takes @extension. */
static void
add_extension (GstElement * payloader, GstRTPHeaderExtension * extension, guint id)
{
  if (extension == NULL)
    return;
  gst_rtp_header_extension_set_id (extension, id);
  g_signal_emit_by_name (payloader, "add-extension", extension);
  gst_object_unref (extension);
}

static GstRTPHeaderExtension *
make_dependency (guint n_spatial_layers, gint spatial_id)
{
  GstElement *extension = gst_element_factory_make ("livekitrtphdrextdependency", NULL);

  if (extension == NULL)
    return NULL;
  g_object_set (extension, "spatial-layers", n_spatial_layers, "spatial-id", spatial_id, NULL);
  return GST_RTP_HEADER_EXTENSION (gst_object_ref_sink (extension));
}

static GstRTPHeaderExtension *
make_extension (const gchar * element, const gchar * property, const gchar * value)
{
  GstElement *extension = gst_element_factory_make (element, NULL);

  if (extension == NULL)
    return NULL;
  gst_object_ref_sink (extension);
  g_object_set (extension, property, value, NULL);
  return GST_RTP_HEADER_EXTENSION (extension);
}

void
gst_livekit_chain_add_extensions (GstLiveKitChain * chain, GstElement * clock, guint n_spatial_layers,
    const gchar * mid, const gchar * rid, guint layer)
{
  const GstLiveKitCodec *codec = chain->codec;
  GstElement *payloader = chain->payloader;

  g_signal_emit_by_name (payloader, "clear-extensions");
  add_extension (payloader, gst_livekit_rtp_capture_time_new (clock),
      GST_LIVEKIT_EXTENSION_CAPTURE_TIME);
  if (codec->kind == LK_TRACK_AUDIO)
    add_extension (payloader, gst_livekit_rtp_audio_level_new (), GST_LIVEKIT_EXTENSION_AUDIO_LEVEL);
  else
    add_extension (payloader, gst_livekit_rtp_transport_number_new (), GST_LIVEKIT_EXTENSION_TWCC);
  if (gst_livekit_codec_needs_dependencies (codec, rid != NULL))
    add_extension (payloader, rid ? make_dependency (1, (gint) layer) : make_dependency (n_spatial_layers, -1),
        GST_LIVEKIT_EXTENSION_DEPENDENCY);
  if (rid) {
    add_extension (payloader, make_extension ("rtphdrextmid", "mid", mid), GST_LIVEKIT_EXTENSION_MID);
    add_extension (payloader, make_extension ("rtphdrextstreamid", "rid", rid), GST_LIVEKIT_EXTENSION_RID);
  }
}
