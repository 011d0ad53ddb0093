/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gop: the frames since a camera's last key frame, to be shown again to who comes in between. Pure.
 *
 * Cameras make a key frame every two to four seconds and cannot be asked for one. Shown again with timestamps close
 * together, the frames are decoded at once, and what comes then goes on as it does for everybody. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct
{
  GPtrArray *frames;            /* GstBuffer; empty when there is nothing to begin with */
  gsize n_bytes;
  gint64 key_frame_us;          /* when the first of them came, monotonic */
  gint64 replayed_us, replayed_span_us; /* when they were shown again last, and how much that was; 0 = never */
} CctvGop;

void cctv_gop_init (CctvGop * gop);
void cctv_gop_clear (CctvGop * gop);
/* Each frame, after it has been sent. */
void cctv_gop_take (CctvGop * gop, GstBuffer * buffer, gint64 now_us);
/* Copies of the frames with timestamps shortly before @pts, NULL = not now. Bandwidth is doubled at most: what was shown
 * again is paid for by as much time. To be freed. */
GPtrArray *cctv_gop_replay (CctvGop * gop, GstClockTime pts, gint64 now_us);

G_END_DECLS
