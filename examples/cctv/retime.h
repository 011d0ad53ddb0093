/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* retime: timestamps of a camera's clock to running time of ours. Pure.
 *
 * Two streams of one camera begin at different times, over TCP with bursts, and their clock drifts: as layers of one
 * track they must agree to some milliseconds, for weeks. What arrives with the least delay tells the offset best. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* Zeroed, it is ready. */
typedef struct
{
  gboolean is_started;
  gint64 offset;                /* ns: what is added now */
  gint64 least, least_before;   /* offsets seen in this window, and in the one before */
  GstClockTime started, window_start, last_pts, last_arrival;
  guint n_jumps;                /* of the camera's clock, so far */
} Retimer;

/* @pts as the camera says, @arrival in running time; the result is in running time. */
GstClockTime retimer_map (Retimer * retimer, GstClockTime pts, GstClockTime arrival);

G_END_DECLS
