/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkdelay: what the delays of packets say about the queue they went through. Pure.
 *
 * Times are microseconds. Sending and arrival may be of different clocks, whose offset does not matter and whose
 * drift may be 100 ppm. Groups of packets and the threshold that adapts: draft-ietf-rmcat-gcc-02 §5.2 to 5.5 (bursts
 * of 5 ms; 12.5 ms at first, between 6 and 600; more than 10 ms long). The slope is a regression over the last twenty
 * groups, as browsers do it, in place of the draft's Kalman filter. The standing queue is ours: a trend is blind to a
 * queue that is full. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _LkDelay LkDelay;

typedef enum
{
  LK_DELAY_NORMAL,
  LK_DELAY_OVERUSE,             /* delays grow */
  LK_DELAY_UNDERUSE,            /* delays fall: a queue drains */
} LkDelayUsage;

LkDelay *lk_delay_new (void);
void lk_delay_free (LkDelay * self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LkDelay, lk_delay_free);

/* Forgets all, as for a new route. */
void lk_delay_reset (LkDelay * self);
/* Forgets the trend and keeps the base: after a time without packets. */
void lk_delay_clear_trend (LkDelay * self);
/* Takes the delay of now for that of an empty queue: what seemed a queue did not fall when less was sent. */
void lk_delay_rebase (LkDelay * self);

/* One packet that arrived, in the order of sending. Late ones are left out. FALSE when a clock jumped and all was
 * forgotten. */
gboolean lk_delay_add (LkDelay * self, gint64 send_us, gint64 recv_us);

LkDelayUsage lk_delay_usage (LkDelay * self);
/* The least delay of the last 100 ms (at least five packets) above the least of the last half minute: 0 or more.
 * Jitter and a frame's own packets do not count as a queue. */
gint64 lk_delay_queue_us (LkDelay * self);

G_END_DECLS
