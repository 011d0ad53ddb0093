/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* layerstats: what livekitsink's statistics say of one layer, summed over all its sessions. Pure. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* A counter that begins again with each session and sometimes within one. */
typedef struct
{
  guint64 total, last;
} CctvCounter;

typedef struct
{
  CctvCounter n_bytes, n_frames, n_key_frames, n_key_frame_requests;    /* of the layer, encoded */
  CctvCounter n_packets, n_nacks, n_plis;       /* of its RTP stream */
  gdouble latency_s;            /* now; 0 = not known */
  gboolean is_active;
} CctvLayerStats;

void cctv_counter_take (CctvCounter * counter, guint64 value);
/* Takes what @stats (livekitsink's) says of the pad. */
void cctv_layer_stats_take (CctvLayerStats * layer, const GstStructure * stats, const gchar * pad_name);
/* There is no session any more. */
void cctv_layer_stats_end (CctvLayerStats * layer);

G_END_DECLS
