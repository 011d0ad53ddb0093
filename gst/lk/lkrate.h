/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkrate: bits a second over the last half second, in steps of 8 ms, in fixed memory. Pure. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define LK_RATE_BUCKETS 64
#define LK_RATE_BUCKET_SHIFT 13 /* 8.192 ms */
#define LK_RATE_WINDOW_US 500000

typedef struct
{
  gboolean is_started;
  gint64 first_us, latest_us;
  struct
  {
    gint64 index;
    guint64 bytes;
    guint n_packets;
  } buckets[LK_RATE_BUCKETS];
} LkRate;

void lk_rate_clear (LkRate * rate);
/* Times may be of any clock and come a little out of order; what is older than the window is ignored. */
void lk_rate_add (LkRate * rate, gint64 time_us, guint bytes);
/* Over the last @window_us (at most LK_RATE_WINDOW_US) before @until_us; 0 while less than 20 ms are known. */
guint lk_rate_bps (const LkRate * rate, gint64 window_us, gint64 until_us);
guint lk_rate_n_packets (const LkRate * rate, gint64 window_us, gint64 until_us);

G_END_DECLS
