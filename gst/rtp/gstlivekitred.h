/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitred: payloads of RFC 2198: a packet of sound, and the ones before it once more. Pure. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* §3: 14 bits for how much older, 10 for how long. */
#define GST_LIVEKIT_RED_MAX_OFFSET 0x3fff
#define GST_LIVEKIT_RED_MAX_BLOCK_SIZE 0x3ff
/* More have never been seen; LiveKit's server makes three. */
#define GST_LIVEKIT_RED_MAX_BLOCKS 8

typedef struct
{
  guint8 payload_type;
  guint offset;                 /* so much older than the packet's timestamp */
  gsize position, size;         /* in the payload */
} GstLiveKitRedBlock;

/* The last block is what the packet itself is about; oldest first. Returns how many there are, 0 when it is no such
 * payload. */
guint gst_livekit_red_parse (const guint8 * payload, gsize size, GstLiveKitRedBlock * blocks);

/* Headers of one packet with @n_blocks, of which the last has offset 0. Returns how many bytes that takes; @out may
 * be NULL. */
gsize gst_livekit_red_write_headers (const GstLiveKitRedBlock * blocks, guint n_blocks, guint8 * out);

G_END_DECLS
