/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitdependency: writes dependency descriptors, the RTP header extension by which a server drops temporal
 * layers without reading the codec. For one spatial layer of one to three temporal ones. Pure. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define GST_LIVEKIT_DEPENDENCY_URI \
  "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"

#define GST_LIVEKIT_DEPENDENCY_MAX_TEMPORAL_LAYERS 3
/* Fits an extension with a one-byte header. */
#define GST_LIVEKIT_DEPENDENCY_MAX_SIZE 16

/* The frames of one stream, one after the other. A frame of layer t refers to the last frame of a layer below t, a
 * frame of layer 0 to the last one of layer 0, as in the modes L1T1, L1T2 and L1T3. */
typedef struct _GstLiveKitDependencyWriter GstLiveKitDependencyWriter;

GstLiveKitDependencyWriter *gst_livekit_dependency_writer_new (guint16 first_frame_number);
void gst_livekit_dependency_writer_free (GstLiveKitDependencyWriter * writer);

/* A key frame of layer 0 with which a coded video sequence starts, of so many temporal layers. FALSE: too many. */
gboolean gst_livekit_dependency_writer_start (GstLiveKitDependencyWriter * writer, guint n_temporal_layers);
/* Any other frame. FALSE: no sequence was started, the layer is not in it, or its base is too long ago. */
gboolean gst_livekit_dependency_writer_next (GstLiveKitDependencyWriter * writer, guint temporal_id);
/* The descriptor of one packet of the frame, at most GST_LIVEKIT_DEPENDENCY_MAX_SIZE bytes. 0: there is no frame. */
gsize gst_livekit_dependency_writer_write (GstLiveKitDependencyWriter * writer, gboolean starts_frame,
    gboolean ends_frame, guint8 * out);

G_END_DECLS
