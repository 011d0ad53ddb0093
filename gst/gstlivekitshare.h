/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitshare: what one layer may use of the link. */
#pragma once

#include <gst/gst.h>
#include "gstlivekitlink.h"

G_BEGIN_DECLS

typedef struct _GstLiveKitShare GstLiveKitShare;

/* The custom event that goes upstream, with the field "bitrate". */
#define GST_LIVEKIT_TARGET_EVENT "livekit-target-bitrate"
/* No limit is known. */
#define GST_LIVEKIT_TARGET_FREE G_MAXUINT

GstLiveKitShare *gst_livekit_share_new (void);
void gst_livekit_share_free (GstLiveKitShare * share);

/* Any thread. NULL: it is not sent. */
void gst_livekit_share_set_link (GstLiveKitShare * share, GstLiveKitLink * link);

/* Streaming thread. What upstream makes, sent or not. */
void gst_livekit_share_count (GstLiveKitShare * share, gsize bytes);
/* Whether a frame may be sent; after one that may not, none before a key frame can be used. */
gboolean gst_livekit_share_admits (GstLiveKitShare * share, gboolean is_delta);
/* A key frame now would be sent. Any thread. */
gboolean gst_livekit_share_may_resume (GstLiveKitShare * share);

/* Room loop. @level of @n_levels; @nominal: bit/s that upstream says it makes at most, 0 = unknown. */
void gst_livekit_share_describe_in_loop (GstLiveKitShare * share, guint level, guint n_levels, guint nominal,
    gboolean is_limited, LkAllocatorLayer * layer);

typedef struct
{
  gboolean has_room;            /* else the layer is not sent at all */
  gboolean thinning_begins;     /* only key frames from now on */
  gboolean has_target;          /* tell upstream: @target_bps */
  guint target_bps;             /* of the encoder; 0 = nothing, GST_LIVEKIT_TARGET_FREE */
} GstLiveKitShareChange;

void gst_livekit_share_apply_in_loop (GstLiveKitShare * share, const LkAllocatorShare * given, gboolean is_limited,
    GstLiveKitShareChange * change);
/* Somebody upstream obeys the targets. */
void gst_livekit_share_set_obeyed_in_loop (GstLiveKitShare * share, gboolean is_obeyed);
guint gst_livekit_share_get_target (GstLiveKitShare * share);   /* any thread */

G_END_DECLS
