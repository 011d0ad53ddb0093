/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitcore: the bin that a session's webrtcbins are in. It has no pads and a state of its own, so that it can be
 * moved from one element to another while media flows through what is inside. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_LIVEKIT_CORE (gst_livekit_core_get_type ())
G_DECLARE_FINAL_TYPE (GstLiveKitCore, gst_livekit_core, GST, LIVEKIT_CORE, GstBin)

/* The caller owns the reference. */
GstLiveKitCore *gst_livekit_core_new (void);

/* Application thread, one call at a time. From where it is to @home; NULL is nowhere. Running times go on as they
 * were. */
void gst_livekit_core_move (GstLiveKitCore * core, GstBin * home);
/* Plays with the clock and base time of @leader, or, with NULL, is paused. What plays already keeps its times. */
void gst_livekit_core_follow (GstLiveKitCore * core, GstElement * leader);
/* Its running time less that of @element. */
GstClockTimeDiff gst_livekit_core_get_offset (GstLiveKitCore * core, GstElement * element);

G_END_DECLS
