/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * avwatch: when sound begins after silence, and when buffers were captured, for livelaunch.
 */

#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* Looks at S16LE samples of one channel that pass the pad: TRUE when a beep begins in the buffer, at running time
 * *pts. */
gboolean av_watch_find_beep (GstPad * pad, GstBuffer * buffer, GstClockTime * pts);
/* A timestamp of a buffer on the pad as running time: files have segments of their own. */
GstClockTime av_watch_running_time (GstPad * pad, GstClockTime pts);
/* Microseconds since 1970 when the buffer was captured, as its GstReferenceTimestampMeta says; 0 without one. */
gint64   av_watch_captured  (GstBuffer * buffer);
/* The same for a live buffer that has just been made on the pad. */
gint64   av_watch_real_time (GstPad * pad, GstBuffer * buffer);

G_END_DECLS
