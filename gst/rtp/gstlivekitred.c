/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitred: payloads of RFC 2198. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitred.h"

#define MORE_FOLLOW 0x80
#define LONG_HEADER 4
#define LAST_HEADER 1

/* The header of a block at *@position, which moves behind it. FALSE when it is cut off. */
static gboolean
read_header (const guint8 * payload, gsize size, gsize * position, GstLiveKitRedBlock * block, gboolean * is_last)
{
  const guint8 *header = payload + *position;

  if (size - *position < LAST_HEADER)
    return FALSE;
  *is_last = !(header[0] & MORE_FOLLOW);
  *block = (GstLiveKitRedBlock) {
  .payload_type = header[0] & 0x7f};
  if (*is_last) {
    *position += LAST_HEADER;
    return TRUE;
  }
  if (size - *position < LONG_HEADER)
    return FALSE;
  block->offset = (guint) header[1] << 6 | header[2] >> 2;
  block->size = (gsize) (header[2] & 0x03) << 8 | header[3];
  *position += LONG_HEADER;
  return TRUE;
}

guint
gst_livekit_red_parse (const guint8 * payload, gsize size, GstLiveKitRedBlock * blocks)
{
  gsize position = 0;
  gboolean is_last = FALSE;
  guint n = 0;

  for (; !is_last; n++) {
    if (n == GST_LIVEKIT_RED_MAX_BLOCKS || !read_header (payload, size, &position, &blocks[n], &is_last))
      return 0;
  }
  for (guint i = 0; i < n; i++) {
    if (i == n - 1)
      blocks[i].size = size - position;
    if (blocks[i].size > size - position)
      return 0;
    blocks[i].position = position;
    position += blocks[i].size;
  }
  return n;
}

gsize
gst_livekit_red_write_headers (const GstLiveKitRedBlock * blocks, guint n_blocks, guint8 * out)
{
  for (guint i = 0; out && i < n_blocks - 1; i++, out += LONG_HEADER) {
    out[0] = MORE_FOLLOW | blocks[i].payload_type;
    out[1] = (guint8) (blocks[i].offset >> 6);
    out[2] = (guint8) (blocks[i].offset << 2 | blocks[i].size >> 8);
    out[3] = (guint8) blocks[i].size;
  }
  if (out)
    out[0] = blocks[n_blocks - 1].payload_type;
  return (n_blocks - 1) * LONG_HEADER + LAST_HEADER;
}
