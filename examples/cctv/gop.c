/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gop: the frames since a camera's last key frame. */

#include "gop.h"

/* More than that at once is too much for many a link. */
#define MAX_BYTES (1024 * 1024)
#define MAX_FRAMES 600
/* All of them fit between two frames. */
#define WINDOW (15 * GST_MSECOND)
/* A key frame that young may still be on its way to who asks. */
#define FRESH_US (100 * G_TIME_SPAN_MILLISECOND)

void
cctv_gop_init (CctvGop * gop)
{
  *gop = (CctvGop) {
  .frames = g_ptr_array_new_with_free_func ((GDestroyNotify) gst_buffer_unref)};
}

void
cctv_gop_clear (CctvGop * gop)
{
  g_ptr_array_unref (gop->frames);
}

static void
forget (CctvGop * gop)
{
  g_ptr_array_set_size (gop->frames, 0);
  gop->n_bytes = 0;
}

/* With B frames the order of times is another than that of decoding, and no squeezing keeps it. */
static gboolean
is_next (CctvGop * gop, GstBuffer * buffer)
{
  GstBuffer *last = gop->frames->len ? g_ptr_array_index (gop->frames, gop->frames->len - 1) : NULL;

  return last && GST_BUFFER_PTS_IS_VALID (buffer) && GST_BUFFER_PTS_IS_VALID (last)
      && GST_BUFFER_PTS (buffer) > GST_BUFFER_PTS (last);
}

void
cctv_gop_take (CctvGop * gop, GstBuffer * buffer, gint64 now_us)
{
  if (!GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT)) {
    forget (gop);
    gop->key_frame_us = now_us;
  } else if (!is_next (gop, buffer) || gop->n_bytes + gst_buffer_get_size (buffer) > MAX_BYTES
      || gop->frames->len >= MAX_FRAMES) {
    forget (gop);
    return;
  }
  gop->n_bytes += gst_buffer_get_size (buffer);
  g_ptr_array_add (gop->frames, gst_buffer_ref (buffer));
}

GPtrArray *
cctv_gop_replay (CctvGop * gop, GstClockTime pts, gint64 now_us)
{
  GPtrArray *copies;

  if (gop->frames->len == 0 || pts < WINDOW || now_us - gop->key_frame_us < FRESH_US
      || (gop->replayed_us && now_us - gop->replayed_us < gop->replayed_span_us))
    return NULL;
  gop->replayed_us = now_us;
  gop->replayed_span_us = now_us - gop->key_frame_us;
  copies = g_ptr_array_new_with_free_func ((GDestroyNotify) gst_buffer_unref);
  for (guint i = 0; i < gop->frames->len; i++) {
    GstBuffer *copy = gst_buffer_copy (g_ptr_array_index (gop->frames, i));

    GST_BUFFER_PTS (copy) = pts - WINDOW + gst_util_uint64_scale_int (WINDOW, i, gop->frames->len);
    g_ptr_array_add (copies, copy);
  }
  return copies;
}
