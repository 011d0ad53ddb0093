/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkallocator: shares what a path carries out to audio, layers of video and retransmissions. Pure.
 *
 * Audio comes first and gets all it wants. Then the layers: the lowest of all tracks, then the second of all, and so
 * on; in a level the tracks in the order they were given. A layer is on when its least fits beside all below it. What
 * is left goes to the layers in the same order, up to their most. RTX comes out of the same: what was used of it
 * lately is taken off, and as much as a tenth may be.
 *
 * A layer goes off after 200 ms without room, at once when congested, and comes on with a tenth to spare, not before
 * two seconds. One that goes off again within ten seconds waits twice as long the next time, up to half a minute. The
 * lowest layer of a track is never off: it is thinned (is_thinned), and the pacer drops what is over.
 *
 * All in bits a second of whole packets, but encoder_bps: that is without the headers (60 bytes a packet: RTP and its
 * extensions, SRTP, UDP, IP; bandwidth.md measured them) and with a twentieth to spare, as encoders overshoot. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _LkAllocator LkAllocator;

#define LK_ALLOCATOR_MAX_LAYERS 64

typedef struct
{
  guint track;                  /* any number */
  guint level;                  /* 0: the lowest of its track */
  guint min_bps;                /* below it the layer is not worth sending; a fixed stream's own rate */
  guint max_bps;                /* at least min_bps; the same for a fixed stream */
} LkAllocatorLayer;

typedef struct
{
  gboolean is_on;
  gboolean is_thinned;          /* on, with less than its least */
  guint bps;                    /* 0 when off */
  guint encoder_bps;
} LkAllocatorShare;

typedef struct
{
  guint target_bps, steady_bps; /* lkbandwidth's. Layers go by the second: a moment of draining is no reason */
  gboolean is_congested;
  guint audio_bps;              /* all audio tracks */
  guint rtx_bps;                /* used in the last half second */
} LkAllocatorInput;

typedef struct
{
  guint n_layers;
  LkAllocatorShare layers[LK_ALLOCATOR_MAX_LAYERS];     /* as they were given */
  guint rtx_bps;                /* RTX may use that much now; 0: none */
  guint video_bps;              /* the sum of the layers */
  guint wanted_bps;             /* for lk_bandwidth_set_wanted(): where the next layer comes on; 0: all are */
  gboolean has_changed;         /* some layer went on or off */
} LkAllocation;

/* What @bps of an encoder are with the headers of their packets. */
guint lk_allocator_with_headers (guint bps);

LkAllocator *lk_allocator_new (void);
void lk_allocator_free (LkAllocator * self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LkAllocator, lk_allocator_free);

/* Replaces the layers; a layer of the same track and level stays what it was, a new one comes on when it fits. At most
 * LK_ALLOCATOR_MAX_LAYERS; FALSE, and nothing changed, for more. */
gboolean lk_allocator_set_layers (LkAllocator * self, const LkAllocatorLayer * layers, guint n_layers);
/* With every new target, and at least five times a second. */
void lk_allocator_share (LkAllocator * self, const LkAllocatorInput * input, gint64 now_us, LkAllocation * out);

G_END_DECLS
