/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkpacer: when a packet of video may go, and which never will. */

#include "lkpacer.h"

#define MIN_BPS 10000
#define BURST_US 40000
/* A bucket below the size of a packet would let none through at once. */
#define MIN_BURST_BYTES 3000
/* Room for the key frame that is asked for. */
#define RESUME_QUEUE_US 200000
/* Audio may take more than there is, for a while. What it owes is not owed for ever. */
#define MAX_DEBT_US 1000000

struct _LkPacer
{
  guint bps;
  gint64 now_us;
  gdouble level_bytes;          /* tokens; below 0: a debt */
  guint64 queued_bytes;
};

static gdouble
bytes_of (LkPacer * self, gint64 time_us)
{
  return self->bps / 8e6 * time_us;
}

static void
advance (LkPacer * self, gint64 now_us)
{
  gint64 elapsed_us = now_us - self->now_us;

  if (elapsed_us <= 0)
    return;
  self->now_us = now_us;
  /* a long pause fills the bucket, and overflows nothing */
  self->level_bytes += bytes_of (self, MIN (elapsed_us, 10 * G_USEC_PER_SEC));
  self->level_bytes = MIN (self->level_bytes, MAX (bytes_of (self, BURST_US), MIN_BURST_BYTES));
}

LkPacer *
lk_pacer_new (guint bps, gint64 now_us)
{
  LkPacer *self = g_new0 (LkPacer, 1);

  self->bps = MAX (bps, MIN_BPS);
  self->now_us = now_us;
  return self;
}

void
lk_pacer_free (LkPacer * self)
{
  g_free (self);
}

void
lk_pacer_set_rate (LkPacer * self, guint bps, gint64 now_us)
{
  advance (self, now_us);
  self->bps = MAX (bps, MIN_BPS);
  self->level_bytes = CLAMP (self->level_bytes, -bytes_of (self, MAX_DEBT_US),
      MAX (bytes_of (self, BURST_US), MIN_BURST_BYTES));
}

gint64
lk_pacer_queue_us (LkPacer * self, gint64 now_us)
{
  gdouble ahead;

  advance (self, now_us);
  ahead = self->queued_bytes - self->level_bytes;
  return ahead > 0 ? (gint64) (ahead * 8e6 / self->bps) : 0;
}

gboolean
lk_pacer_has_room (LkPacer * self, gint64 now_us)
{
  return lk_pacer_queue_us (self, now_us) <= LK_PACER_STALE_US;
}

gboolean
lk_pacer_may_resume (LkPacer * self, gint64 now_us)
{
  return lk_pacer_queue_us (self, now_us) <= RESUME_QUEUE_US;
}

void
lk_pacer_queued (LkPacer * self, guint bytes)
{
  self->queued_bytes += bytes;
}

gint64
lk_pacer_wait_us (LkPacer * self, gint64 now_us)
{
  advance (self, now_us);
  if (self->level_bytes > 0)
    return 0;
  return (gint64) (-self->level_bytes * 8e6 / self->bps) + 1;
}

gboolean
lk_pacer_has_burst (LkPacer * self, guint bytes, gint64 now_us)
{
  advance (self, now_us);
  return self->level_bytes >= bytes;
}

void
lk_pacer_sent (LkPacer * self, guint bytes, gboolean is_queued, gint64 now_us)
{
  advance (self, now_us);
  self->level_bytes = MAX (self->level_bytes - bytes, -bytes_of (self, MAX_DEBT_US));
  if (is_queued)
    self->queued_bytes -= MIN (bytes, self->queued_bytes);
}

void
lk_pacer_dropped (LkPacer * self, guint bytes)
{
  self->queued_bytes -= MIN (bytes, self->queued_bytes);
}
