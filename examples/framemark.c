/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * framemark: a number written into a picture as black and white blocks that survives lossy video coding.
 */

#include "framemark.h"

#define N_BLOCKS 32
#define LUMA_BLACK 16
#define LUMA_WHITE 235
#define LUMA_MIDDLE ((LUMA_BLACK + LUMA_WHITE) / 2)

/* No number gives all blocks of one colour, which is what a damaged picture often shows. */
static guint32
seal (guint number)
{
  guint32 sum = ((number + 1) * 2654435761u) >> 24;

  return sum << 24 | (number & FRAME_MARK_MAX);
}

static gint
block_size (GstVideoFrame * frame)
{
  return GST_VIDEO_FRAME_WIDTH (frame) / N_BLOCKS;
}

void
frame_mark_write (GstVideoFrame * frame, guint number)
{
  guint32 bits = seal (number & FRAME_MARK_MAX);
  gint size = block_size (frame);
  gint height = MIN (MAX (size, 16), GST_VIDEO_FRAME_HEIGHT (frame));

  for (gint y = 0; y < height; y++) {
    guint8 *row = (guint8 *) GST_VIDEO_FRAME_PLANE_DATA (frame, 0) + y * GST_VIDEO_FRAME_PLANE_STRIDE (frame, 0);

    for (gint x = 0; x < size * N_BLOCKS; x++)
      row[x] = (bits >> (x / size)) & 1 ? LUMA_WHITE : LUMA_BLACK;
  }
}

gboolean
frame_mark_read (GstVideoFrame * frame, guint * number)
{
  gint size = block_size (frame);
  gint height = MIN (MAX (size, 16), GST_VIDEO_FRAME_HEIGHT (frame));
  const guint8 *row;
  guint32 bits = 0;

  if (size < 4)
    return FALSE;
  row = (guint8 *) GST_VIDEO_FRAME_PLANE_DATA (frame, 0) + height / 2 * GST_VIDEO_FRAME_PLANE_STRIDE (frame, 0);
  for (gint i = 0; i < N_BLOCKS; i++) {
    guint sum = 0;

    for (gint x = size / 4; x < size * 3 / 4; x++)
      sum += row[i * size + x];
    if (sum > (guint) (size * 3 / 4 - size / 4) * LUMA_MIDDLE)
      bits |= 1u << i;
  }
  *number = bits & FRAME_MARK_MAX;
  return bits == seal (*number);
}

static gboolean
map_buffer (GstPad * pad, GstBuffer * buffer, GstMapFlags flags, GstVideoFrame * frame)
{
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  GstVideoInfo info;

  return caps != NULL && gst_video_info_from_caps (&info, caps) && gst_video_frame_map (frame, &info, buffer, flags);
}

gboolean
frame_mark_write_buffer (GstPad * pad, GstBuffer * buffer, guint number)
{
  GstVideoFrame frame;

  if (!map_buffer (pad, buffer, GST_MAP_READWRITE, &frame))
    return FALSE;
  frame_mark_write (&frame, number);
  gst_video_frame_unmap (&frame);
  return TRUE;
}

gboolean
frame_mark_read_buffer (GstPad * pad, GstBuffer * buffer, guint * number)
{
  GstVideoFrame frame;
  gboolean valid;

  if (!map_buffer (pad, buffer, GST_MAP_READ, &frame))
    return FALSE;
  valid = frame_mark_read (&frame, number);
  gst_video_frame_unmap (&frame);
  return valid;
}
