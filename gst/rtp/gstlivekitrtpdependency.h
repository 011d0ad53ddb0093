/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitrtpdependency: the dependency descriptor as a header extension, and what a payloader tells it. */
#pragma once

#include <gst/rtp/rtp.h>

G_BEGIN_DECLS

/* On the packets of a payloader, which the extension reads. */
typedef struct
{
  GstMeta meta;
  gboolean starts_frame, ends_frame;
  gboolean starts_sequence;     /* the frame is the first of a coded video sequence */
  guint spatial_id, temporal_id;
  guint n_temporal_layers, n_spatial_layers;    /* of the sequence, where one starts */
} GstLiveKitRtpFrameMeta;

/* All fields are 0 at first. The packet must be writable. */
GstLiveKitRtpFrameMeta *gst_livekit_rtp_frame_meta_add (GstBuffer * packet);

#define GST_TYPE_LIVEKIT_RTP_DEPENDENCY (gst_livekit_rtp_dependency_get_type ())
G_DECLARE_FINAL_TYPE (GstLiveKitRtpDependency, gst_livekit_rtp_dependency, GST, LIVEKIT_RTP_DEPENDENCY,
    GstRTPHeaderExtension)

GST_ELEMENT_REGISTER_DECLARE (livekitrtphdrextdependency);

G_END_DECLS
