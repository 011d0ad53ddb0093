/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitdependency: writes dependency descriptors, the RTP header extension by which a server drops layers
 * without reading the codec. For one to three spatial layers of one to three temporal ones. Pure. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define GST_LIVEKIT_DEPENDENCY_URI \
  "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"

#define GST_LIVEKIT_DEPENDENCY_MAX_SPATIAL_LAYERS 3
#define GST_LIVEKIT_DEPENDENCY_MAX_TEMPORAL_LAYERS 3

/* The frames of one stream, one after the other. A frame of temporal layer t refers to the last frame of a layer below
 * t in its spatial layer, a frame of layer 0 to the last one of layer 0, as in the modes L1T2 and L1T3. One of a
 * spatial layer that is not the lowest refers to that below it in its temporal unit, too, as in L3T3: of streams that
 * do so with key frames only (L3T3_KEY) more is told than is true, which costs bytes and no pictures. */
typedef struct _GstLiveKitDependencyWriter GstLiveKitDependencyWriter;

/* @first_spatial_id: what is told of the stream's lowest layer, and the next number of the next. Not 0 for a stream
 * that is one layer of several streams. */
GstLiveKitDependencyWriter *gst_livekit_dependency_writer_new (guint16 first_frame_number, guint first_spatial_id);
void gst_livekit_dependency_writer_free (GstLiveKitDependencyWriter * writer);

/* A key frame of the lowest layer with which a coded video sequence starts, of so many layers. FALSE: too many. */
gboolean gst_livekit_dependency_writer_start (GstLiveKitDependencyWriter * writer, guint n_spatial_layers,
    guint n_temporal_layers);
/* Any other frame; a temporal unit has its spatial layers in order. FALSE: no sequence was started, the layer is not
 * in it, it has no base, or that is too long ago. */
gboolean gst_livekit_dependency_writer_next (GstLiveKitDependencyWriter * writer, guint spatial_id, guint temporal_id);
/* The most that a descriptor has. With one spatial layer, and one temporal one if that is not number 0, it fits an
 * extension with a one-byte header. */
gsize gst_livekit_dependency_max_size (guint n_spatial_layers);
/* The descriptor of one packet of the frame. @out has room for the most, but where no sequence starts for the most of
 * one spatial layer only. 0: there is no frame. */
gsize gst_livekit_dependency_writer_write (GstLiveKitDependencyWriter * writer, gboolean starts_frame,
    gboolean ends_frame, guint8 * out);

G_END_DECLS
