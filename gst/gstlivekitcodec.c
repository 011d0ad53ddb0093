/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitcodec: the one table of codecs. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitcodec.h"

#include <string.h>

/* The payload types are those which LiveKit's server uses in its own offers, so that both directions of one peer
 * connection, and both connection modes, number alike. Parameters: RFC 6184 §8.1 (H.264), RFC 7798 §7.1 (H.265), RFC
 * 7741 (VP8), RFC 9628 (VP9), AV1 RTP 1.0 §7.2, RFC 7587 §6.1 (Opus), RFC 2198 §5 (RED, here always of Opus), RFC 3551
 * (PCMU, PCMA). */
static const GstLiveKitCodec codecs[] = {
  {
        .encoding_name = "H264",.mime_type = "video/H264",.kind = LK_TRACK_VIDEO,.clock_rate = 90000,
        .payload_type = 108,.rtx_payload_type = 109,
        .fmtp = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
        .media_type = "video/x-h264",
        .input_caps = "video/x-h264, stream-format=(string){ avc, avc3, byte-stream }, alignment=(string){ au, nal }, "
        "profile=(string){ constrained-baseline, baseline, main, constrained-high, progressive-high, high }",
        .parser = "h264parse",.parsed_caps = "video/x-h264, stream-format=(string)byte-stream, alignment=(string)au",
        .payloader = "rtph264pay",.depayloader = "rtph264depay",
      .output_caps = "video/x-h264, stream-format=(string)byte-stream, alignment=(string)au"},
  {
        .encoding_name = "VP8",.mime_type = "video/VP8",.kind = LK_TRACK_VIDEO,.clock_rate = 90000,
        .payload_type = 96,.rtx_payload_type = 97,.media_type = "video/x-vp8",.input_caps = "video/x-vp8",
      .payloader = "rtpvp8pay",.depayloader = "rtpvp8depay",.output_caps = "video/x-vp8"},
  {
        .encoding_name = "VP9",.mime_type = "video/VP9",.kind = LK_TRACK_VIDEO,.clock_rate = 90000,
        .payload_type = 98,.rtx_payload_type = 99,.fmtp = "profile-id=0",.media_type = "video/x-vp9",
        .input_caps = "video/x-vp9, profile=(string)0",.payloader = "rtpvp9pay",.depayloader = "rtpvp9depay",
      .output_caps = "video/x-vp9",.names_layers = TRUE},
  {
        .encoding_name = "AV1",.mime_type = "video/AV1",.kind = LK_TRACK_VIDEO,.clock_rate = 90000,
        .payload_type = 35,.rtx_payload_type = 36,.media_type = "video/x-av1",.input_caps = "video/x-av1",
        .parser = "av1parse",.parsed_caps = "video/x-av1, stream-format=(string)obu-stream, alignment=(string)tu",
        .payloader = "livekitrtpav1pay",.depayloader = "livekitrtpav1depay",
      .output_caps = "video/x-av1, stream-format=(string)obu-stream, alignment=(string)tu",.has_dependencies = TRUE},
  {
        .encoding_name = "H265",.mime_type = "video/H265",.kind = LK_TRACK_VIDEO,.clock_rate = 90000,
        .payload_type = 116,.rtx_payload_type = 117,.fmtp = "level-id=180;profile-id=1;tier-flag=0;tx-mode=SRST",
        .media_type = "video/x-h265",.input_caps = "video/x-h265, profile=(string)main",.parser = "h265parse",
        .parsed_caps = "video/x-h265, stream-format=(string)byte-stream, alignment=(string)au",
        .payloader = "rtph265pay",.depayloader = "rtph265depay",
      .output_caps = "video/x-h265, stream-format=(string)byte-stream, alignment=(string)au"},
  {
        .encoding_name = "OPUS",.mime_type = "audio/opus",.kind = LK_TRACK_AUDIO,.clock_rate = 48000,.channels = 2,
        .payload_type = 111,.fmtp = "minptime=10;useinbandfec=1",.media_type = "audio/x-opus",
        .input_caps = "audio/x-opus, channel-mapping-family=(int)0",.parser = "opusparse",.payloader = "rtpopuspay",
      .depayloader = "rtpopusdepay",.output_caps = "audio/x-opus, channel-mapping-family=(int)0",.decoder = "opusdec"},
  {
        .encoding_name = GST_LIVEKIT_RED_NAME,.mime_type = GST_LIVEKIT_MIME_TYPE_RED,.kind = LK_TRACK_AUDIO,
        .clock_rate = 48000,.channels = 2,.payload_type = 63,.fmtp = "111/111",.media_type = "audio/x-opus",.parser = "opusparse",
        .payloader = "livekitrtpredpay",.depayloader = "livekitrtpreddepay",
      .output_caps = "audio/x-opus, channel-mapping-family=(int)0",.decoder = "opusdec"},
  {
        .encoding_name = "PCMU",.mime_type = "audio/PCMU",.kind = LK_TRACK_AUDIO,.clock_rate = 8000,.channels = 1,
        .payload_type = 0,.media_type = "audio/x-mulaw",.input_caps = "audio/x-mulaw, rate=(int)8000, channels=(int)1",
        .payloader = "rtppcmupay",.depayloader = "rtppcmudepay",
      .output_caps = "audio/x-mulaw, rate=(int)8000, channels=(int)1",.decoder = "mulawdec"},
  {
        .encoding_name = "PCMA",.mime_type = "audio/PCMA",.kind = LK_TRACK_AUDIO,.clock_rate = 8000,.channels = 1,
        .payload_type = 8,.media_type = "audio/x-alaw",.input_caps = "audio/x-alaw, rate=(int)8000, channels=(int)1",
        .payloader = "rtppcmapay",.depayloader = "rtppcmadepay",
      .output_caps = "audio/x-alaw, rate=(int)8000, channels=(int)1",.decoder = "alawdec"},
  {NULL}
};

const GstLiveKitCodec *
gst_livekit_codecs (void)
{
  return codecs;
}

const GstLiveKitCodec *
gst_livekit_codec_from_caps (const GstCaps * caps)
{
  const gchar *name;

  if (caps == NULL || gst_caps_get_size (caps) == 0)
    return NULL;
  name = gst_structure_get_name (gst_caps_get_structure (caps, 0));
  for (const GstLiveKitCodec * codec = codecs; codec->encoding_name; codec++) {
    if (g_str_equal (codec->media_type, name))
      return codec;
  }
  return NULL;
}

const GstLiveKitCodec *
gst_livekit_codec_from_mime_type (const gchar * mime_type)
{
  for (const GstLiveKitCodec * codec = codecs; codec->encoding_name; codec++) {
    if (g_ascii_strcasecmp (codec->mime_type, mime_type) == 0)
      return codec;
  }
  return NULL;
}

const GstLiveKitCodec *
gst_livekit_codec_from_payload_type (guint payload_type)
{
  for (const GstLiveKitCodec * codec = codecs; codec->encoding_name; codec++) {
    if (codec->payload_type == payload_type)
      return codec;
  }
  return NULL;
}

gboolean
gst_livekit_codec_needs_dependencies (const GstLiveKitCodec * codec, gboolean is_layer)
{
  return codec->has_dependencies || (is_layer && codec->names_layers);
}

const gchar *
gst_livekit_codec_get_sdp_name (const GstLiveKitCodec * codec)
{
  return strchr (codec->mime_type, '/') + 1;
}

static GstCaps *
collect_caps (LkTrackKind kind, gboolean input)
{
  GstCaps *caps = gst_caps_new_empty ();

  for (const GstLiveKitCodec * codec = codecs; codec->encoding_name; codec++) {
    if (codec->kind == kind && codec->input_caps)
      gst_caps_append (caps, gst_caps_from_string (input ? codec->input_caps : codec->output_caps));
  }
  return caps;
}

GstCaps *
gst_livekit_codecs_input_caps (LkTrackKind kind)
{
  return collect_caps (kind, TRUE);
}

GstCaps *
gst_livekit_codecs_output_caps (LkTrackKind kind)
{
  return collect_caps (kind, FALSE);
}
