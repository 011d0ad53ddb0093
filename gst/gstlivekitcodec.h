/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitcodec: the one table of codecs: RTP numbers, SDP parameters, and the elements for each. Constant. */
#pragma once

#include <gst/gst.h>
#include "lkroster.h"

G_BEGIN_DECLS

typedef struct
{
  const gchar *encoding_name;   /* of webrtcbin's caps: that of the mime type, but for RED */
  const gchar *mime_type;       /* as LiveKit spells it */
  LkTrackKind kind;
  guint clock_rate, channels;   /* channels: of a=rtpmap, 0 = not written */
  guint8 payload_type, rtx_payload_type;        /* rtx 0 = none */
  const gchar *fmtp;            /* of a=fmtp, NULL = none */
  const gchar *media_type;      /* of the encoded stream's caps */
  const gchar *input_caps;      /* what livekitsink takes; NULL = another way to send what an entry before it takes */
  const gchar *parser, *parsed_caps;    /* in front of the payloader, NULL = none needed */
  const gchar *payloader, *depayloader;
  const gchar *output_caps;     /* what livekitsrc shows */
  const gchar *decoder;         /* to find out how loud it is; NULL = not audio */
  gboolean has_dependencies;    /* its payloader tells of frames, for the dependency descriptor */
  gboolean names_layers;        /* its packets say of which spatial layer they are, and the server believes them */
} GstLiveKitCodec;

#define GST_LIVEKIT_MIME_TYPE_RED "audio/red"
/* webrtcbin has a way of its own with what is called RED: another payload around ours, without header extensions. */
#define GST_LIVEKIT_RED_NAME "X-LIVEKIT-RED"

/* Ids of RTP header extensions (RFC 8285): the same in all sections of a peer. */
enum
{
  GST_LIVEKIT_EXTENSION_MID = 1,        /* RFC 9143 */
  GST_LIVEKIT_EXTENSION_RID = 2,        /* RFC 8852 */
  GST_LIVEKIT_EXTENSION_REPAIRED_RID = 3,
  GST_LIVEKIT_EXTENSION_TWCC = 4,       /* draft-holmer-rmcat-transport-wide-cc-extensions-01 */
  GST_LIVEKIT_EXTENSION_AUDIO_LEVEL = 5,
  GST_LIVEKIT_EXTENSION_CAPTURE_TIME = 6,
  GST_LIVEKIT_EXTENSION_DEPENDENCY = 7,
  GST_LIVEKIT_EXTENSION_ABS_SEND_TIME = 8,      /* received only */
};

/* Ends with an entry whose encoding_name is NULL. Video first, in the order of preference for receiving. */
const GstLiveKitCodec *gst_livekit_codecs (void);
const GstLiveKitCodec *gst_livekit_codec_from_caps (const GstCaps * caps);      /* of an encoded stream */
const GstLiveKitCodec *gst_livekit_codec_from_mime_type (const gchar * mime_type);      /* any case */
const GstLiveKitCodec *gst_livekit_codec_from_payload_type (guint payload_type);

/* Whether packets have dependency descriptors. @is_layer: of one stream of several. The server would take each of those
 * for the lowest layer where the codec names layers, if the descriptor did not say another. */
gboolean gst_livekit_codec_needs_dependencies (const GstLiveKitCodec * codec, gboolean is_layer);

/* In a=rtpmap. */
const gchar *gst_livekit_codec_get_sdp_name (const GstLiveKitCodec * codec);

GstCaps *gst_livekit_codecs_input_caps (LkTrackKind kind);
GstCaps *gst_livekit_codecs_output_caps (LkTrackKind kind);

G_END_DECLS
