/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitspatial: how many spatial layers (SVC) an encoded stream has. */
#pragma once

#include <gst/gst.h>
#include "gstlivekitcodec.h"

G_BEGIN_DECLS

/* 0: they do not say. Streams of most codecs have one. */
guint gst_livekit_spatial_layers_of_caps (const GstLiveKitCodec * codec, GstCaps * caps);
/* @otherwise: of frames that do not say, as those of annex B. 0: there is no frame. */
guint gst_livekit_spatial_layers_of_buffer (const GstLiveKitCodec * codec, GstCaps * caps, GstBuffer * buffer,
    guint otherwise);
/* Several pictures of one instant, in a codec whose layers nothing tells apart. */
gboolean gst_livekit_has_untold_layers (const GstLiveKitCodec * codec, GstBuffer * buffer);

G_END_DECLS
