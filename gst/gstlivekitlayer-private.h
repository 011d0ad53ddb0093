/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitlayer-private: what the files of a layer share: gstlivekitlayer.c has what streams, -loop.c what the
 * session asks for. */
#pragma once

#include "gstlivekitlayer.h"

#include "gstlivekitchain.h"

G_BEGIN_DECLS

struct _GstLiveKitLayer
{
  gatomicrefcount ref_count;

  /* constant after construction */
  gchar *pad_name;
  LkTrackKind kind;
  GstLiveKitLayerDelegate delegate;
  gpointer delegate_data;
  GstLiveKitShare *share;

  /* set while nothing streams */
  GstBin *host;                 /* not owned: owns the pad and so us */
  LkLoop *loop;

  /* lock; never held while calling out */
  GMutex lock;
  GCond changed;
  gboolean is_stopped, is_flushing, is_open, is_muted, is_watched, is_live, was_open;
  gboolean needs_key_frame;
  gboolean key_frame_is_due;
  gboolean is_red_refused;      /* by the room */
  gboolean is_stale;            /* the chain: another one has to be made, with an SSRC of its own */
  gint64 key_frames_until_us;   /* one interval for each request, end to end */
  guint n_unanswered;           /* requests since the last key frame */
  gint64 first_unanswered_us;
  GstLiveKitChain *chain;                 /* replaced by the streaming thread alone */
  guint width, height, n_channels, tag_bitrate;
  guint n_spatial_layers;       /* in its stream, 0 = not known yet */
  gint64 first_frame_us;
  guint64 n_measured_bytes;
  GstLiveKitLayerCounters counters;
  GstLiveKitAligner *aligner;   /* or NULL */
  guint slot;

  /* streaming thread */
  GstSegment segment;
  GstCaps *caps;                /* the last ones, or NULL */
  GstLiveKitLayerInput input;   /* told with them */
  GstClockTime last_pts;
  gboolean b_frames_told, deafness_told, fruitlessness_told, untold_layers_told;
  guint n_fruitless;            /* buffers in since the last frame */
  gint64 first_fruitless_us;

  /* room loop only */
  gboolean is_listed, is_ended;
  GstLiveKitChain *attached;              /* what the section is linked to */
  GstClockTime start_offset;
  gboolean is_active;
  gboolean is_wanted, has_room; /* is_watched: both */
};

/* Any thread: whether its siblings have to wait for it. */
void gst_livekit_layer_tell_aligner (GstLiveKitLayer * layer);

G_END_DECLS
