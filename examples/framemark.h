/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * framemark: a number written into a picture as black and white blocks that survives lossy video coding.
 *
 * The number takes 24 blocks and a checksum 8 more, side by side along the top edge. Works on any format whose first
 * plane is 8-bit luma (I420, NV12, GRAY8 ...).
 */

#pragma once

#include <gst/video/video.h>

G_BEGIN_DECLS

#define FRAME_MARK_MAX 0xffffffu

void     frame_mark_write (GstVideoFrame * frame, guint number);
gboolean frame_mark_read  (GstVideoFrame * frame, guint * number);

/* Maps the buffer with the caps of the pad; FALSE if it cannot be mapped or shows no valid mark. */
gboolean frame_mark_write_buffer (GstPad * pad, GstBuffer * buffer, guint number);
gboolean frame_mark_read_buffer  (GstPad * pad, GstBuffer * buffer, guint * number);

G_END_DECLS
