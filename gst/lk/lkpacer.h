/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkpacer: when a packet of video may go, and which never will. Pure: it holds no packets and no clock.
 *
 * The caller keeps one queue of video packets. A frame may enter it when lk_pacer_has_room() says so; after one that
 * may not, the stream goes on with a key frame, to be asked for when lk_pacer_may_resume(). One packet is taken out
 * when lk_pacer_wait_us() says 0. Audio and RTX wait for nothing, but are told as well: what they use, video may not.
 * A token bucket of 40 ms, at the target itself and not at a multiple (browsers take 2.5): above it a key frame alone
 * fills the queue that the estimator just emptied. Bytes are of whole packets, as the link sees them. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _LkPacer LkPacer;

/* Video that waits for longer is stale: half a second. */
#define LK_PACER_STALE_US 500000

LkPacer *lk_pacer_new (guint bps, gint64 now_us);
void lk_pacer_free (LkPacer * self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LkPacer, lk_pacer_free);

/* At least 10 kbit/s are taken. */
void lk_pacer_set_rate (LkPacer * self, guint bps, gint64 now_us);

gboolean lk_pacer_has_room (LkPacer * self, gint64 now_us);
/* There is room for a key frame as well. */
gboolean lk_pacer_may_resume (LkPacer * self, gint64 now_us);
/* A packet enters the queue. */
void lk_pacer_queued (LkPacer * self, guint bytes);
/* The next of the queue: 0 when it may go now. */
gint64 lk_pacer_wait_us (LkPacer * self, gint64 now_us);
/* Several packets of together @bytes may go now, one right behind the other. */
gboolean lk_pacer_has_burst (LkPacer * self, guint bytes, gint64 now_us);
/* It went. @is_queued: it was in the queue; FALSE for audio, RTX and padding. */
void lk_pacer_sent (LkPacer * self, guint bytes, gboolean is_queued, gint64 now_us);
/* One of the queue was thrown away. */
void lk_pacer_dropped (LkPacer * self, guint bytes);

/* How long the queue is, in time at this rate. */
gint64 lk_pacer_queue_us (LkPacer * self, gint64 now_us);

G_END_DECLS
