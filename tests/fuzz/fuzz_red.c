/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz: a payload of RFC 2198. What was understood lies inside, one block behind the other, and gives the same
 * headers again. */

#include "fuzz.h"

#include <string.h>

#include "gstlivekitred.h"

int
LLVMFuzzerTestOneInput (const uint8_t * data, size_t size)
{
  GstLiveKitRedBlock blocks[GST_LIVEKIT_RED_MAX_BLOCKS];
  guint8 headers[4 * GST_LIVEKIT_RED_MAX_BLOCKS];
  guint n = gst_livekit_red_parse (data, size, blocks);
  gsize position;

  if (n == 0)
    return 0;
  fuzz_check (n <= GST_LIVEKIT_RED_MAX_BLOCKS);
  position = gst_livekit_red_write_headers (blocks, n, headers);
  /* of the last header's first byte the highest bit is clear */
  fuzz_check (position <= size && memcmp (headers, data, position) == 0);
  for (guint i = 0; i < n; i++) {
    fuzz_check (blocks[i].position == position);
    position += blocks[i].size;
  }
  fuzz_check (position == size);
  return 0;
}
