/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitpads: the elements' pads, with properties of the track behind each. They are no ghost pads: what is behind
 * may be another element's child (one participant, two elements) and is replaced while the pad stays. */
#pragma once

#include <gst/gst.h>
#include "gstlivekitlocaltrack.h"
#include "gstlivekitremotetrack.h"
#include "gstlivekitstreams.h"

G_BEGIN_DECLS

#define GST_TYPE_LIVEKIT_SINK_PAD (gst_livekit_sink_pad_get_type ())
G_DECLARE_FINAL_TYPE (GstLiveKitSinkPad, gst_livekit_sink_pad, GST, LIVEKIT_SINK_PAD, GstPad)

#define GST_TYPE_LIVEKIT_SRC_PAD (gst_livekit_src_pad_get_type ())
G_DECLARE_FINAL_TYPE (GstLiveKitSrcPad, gst_livekit_src_pad, GST, LIVEKIT_SRC_PAD, GstPad)

GstLiveKitSinkPad *gst_livekit_sink_pad_new (GstPadTemplate * templ, const gchar * name, LkTrackKind kind);
/* Owned by the pad. */
GstLiveKitLayer *gst_livekit_sink_pad_get_layer (GstLiveKitSinkPad * pad);
void gst_livekit_sink_pad_set_layer (GstLiveKitSinkPad * pad, GstLiveKitLayer * layer);
/* What its properties say now; gst_livekit_track_settings_clear() when done. */
void gst_livekit_sink_pad_get_settings (GstLiveKitSinkPad * pad, GstLiveKitTrackSettings * settings);
LkTrackKind gst_livekit_sink_pad_get_kind (GstLiveKitSinkPad * pad);
void gst_livekit_sink_pad_set_sid (GstLiveKitSinkPad * pad, const gchar * sid);
void gst_livekit_sink_pad_set_muted (GstLiveKitSinkPad * pad, gboolean muted);  /* from the room */
/* Upstream may make so many bit/s: tells it by property and event. TRUE when somebody cares. */
gboolean gst_livekit_sink_pad_tell_target (GstLiveKitSinkPad * pad, guint bps);
void gst_livekit_sink_pad_tell_active (GstLiveKitSinkPad * pad);
/* TRUE the first time after a reset: EOS of this pad is to be counted. */
gboolean gst_livekit_sink_pad_take_eos (GstLiveKitSinkPad * pad);
gboolean gst_livekit_sink_pad_is_eos (GstLiveKitSinkPad * pad);
void gst_livekit_sink_pad_reset_eos (GstLiveKitSinkPad * pad);
/* Its caps cannot be published: what comes is dropped, the other pads go on. TRUE: that is a change. */
gboolean gst_livekit_sink_pad_set_refused (GstLiveKitSinkPad * pad, gboolean is_refused);
gboolean gst_livekit_sink_pad_is_refused (GstLiveKitSinkPad * pad);

GstLiveKitSrcPad *gst_livekit_src_pad_new (GstPadTemplate * templ, const gchar * name,
    GstLiveKitRemoteTrack * track);
void gst_livekit_src_pad_set_publication (GstLiveKitSrcPad * pad, const LkPublication * publication);
GstLiveKitRemoteTrack *gst_livekit_src_pad_get_track (GstLiveKitSrcPad * pad);
/* What its writable properties say. @enabled_by_default: what they mean where they say nothing. */
void gst_livekit_src_pad_set_settings (GstLiveKitSrcPad * pad, const GstLiveKitStreamSettings * settings,
    gboolean enabled_by_default);
void gst_livekit_src_pad_get_settings (GstLiveKitSrcPad * pad, GstLiveKitStreamSettings * settings);
/* TRUE the first time: who asked is to take the pad away, and nobody else. */
gboolean gst_livekit_src_pad_take_leave (GstLiveKitSrcPad * pad);
/* Calls @changed (@pad, @data) when somebody has set one of them. */
void gst_livekit_src_pad_watch_settings (GstLiveKitSrcPad * pad, void (*changed) (GstLiveKitSrcPad * pad,
        gpointer data), gpointer data);

/* GstChildProxy of an element whose children are its pads: `video_0::muted` in a launch line. */
void gst_livekit_pads_child_proxy_init (gpointer iface, gpointer unused);

G_END_DECLS
