/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* retime: timestamps of a camera's clock to running time of ours. */

#include "retime.h"

/* The least of two windows counts: in ten seconds a clock that is off by 100 ppm has gone one millisecond astray. */
#define WINDOW (5 * GST_SECOND)
/* At first the offset follows at once: what comes first, a key frame, has taken the longest. */
#define SETTLE (1 * GST_SECOND)
/* Then it walks so far in a second, which no viewer sees and no clock outruns. */
#define WALK_PER_SECOND (5 * GST_MSECOND)
/* From here on it is no drift, but the camera has halted meanwhile. */
#define SNAP (200 * GST_MSECOND)
/* B frames go back by less; what a stalled network holds back goes on as it did. */
#define JUMP (1 * GST_SECOND)

static void
start (Retimer * retimer, gint64 offset, GstClockTime arrival)
{
  retimer->is_started = TRUE;
  retimer->offset = retimer->least = retimer->least_before = offset;
  retimer->started = retimer->window_start = retimer->last_arrival = arrival;
}

static gboolean
is_jump (const Retimer * retimer, GstClockTime pts, GstClockTime arrival)
{
  gint64 step = GST_CLOCK_DIFF (retimer->last_pts, pts);
  gint64 waited = GST_CLOCK_DIFF (retimer->last_arrival, arrival);
  /* Behind by so much that what was held back may still come. */
  gint64 behind = GST_CLOCK_DIFF (retimer->last_pts + retimer->offset, retimer->last_arrival);

  return step < -(gint64) JUMP || step > waited + MAX (behind, 0) + (gint64) JUMP;
}

static void
take_offset (Retimer * retimer, gint64 offset, GstClockTime arrival)
{
  if (arrival < retimer->window_start + WINDOW) {
    retimer->least = MIN (retimer->least, offset);
    return;
  }
  retimer->least_before = retimer->least;
  retimer->least = offset;
  retimer->window_start = arrival;
}

static void
walk (Retimer * retimer, GstClockTime arrival)
{
  gint64 distance = MIN (retimer->least, retimer->least_before) - retimer->offset;
  GstClockTime waited = arrival > retimer->last_arrival ? arrival - retimer->last_arrival : 0;
  gint64 step = (gint64) gst_util_uint64_scale (waited, WALK_PER_SECOND, GST_SECOND);

  if (arrival < retimer->started + SETTLE || ABS (distance) > (gint64) SNAP)
    step = ABS (distance);
  retimer->offset += CLAMP (distance, -step, step);
}

GstClockTime
retimer_map (Retimer * retimer, GstClockTime pts, GstClockTime arrival)
{
  gint64 offset = GST_CLOCK_DIFF (pts, arrival);

  if (!retimer->is_started) {
    start (retimer, offset, arrival);
  } else if (is_jump (retimer, pts, arrival)) {
    retimer->n_jumps++;
    start (retimer, offset, arrival);
  } else {
    take_offset (retimer, offset, arrival);
    walk (retimer, arrival);
  }
  retimer->last_pts = pts;
  retimer->last_arrival = arrival;
  return (GstClockTime) MAX ((gint64) pts + retimer->offset, 0);
}
