/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkrate: bits a second over the last half second. */

#include "lkrate.h"

#include <string.h>

/* Below this a rate is two packets and chance. */
#define SHORTEST_US 20000

static gint64
bucket_of (gint64 time_us)
{
  return time_us >> LK_RATE_BUCKET_SHIFT;
}

void
lk_rate_clear (LkRate * rate)
{
  memset (rate, 0, sizeof *rate);
}

void
lk_rate_add (LkRate * rate, gint64 time_us, guint bytes)
{
  gint64 index = bucket_of (time_us);
  guint slot = (guint) ((guint64) index % LK_RATE_BUCKETS);

  if (!rate->is_started) {
    rate->is_started = TRUE;
    rate->first_us = rate->latest_us = time_us;
    rate->buckets[slot].index = index;
  }
  if (index <= bucket_of (rate->latest_us) - LK_RATE_BUCKETS)
    return;
  rate->latest_us = MAX (rate->latest_us, time_us);
  if (rate->buckets[slot].index != index) {
    rate->buckets[slot].index = index;
    rate->buckets[slot].bytes = 0;
    rate->buckets[slot].n_packets = 0;
  }
  rate->buckets[slot].bytes += bytes;
  rate->buckets[slot].n_packets++;
}

static guint64
sum (const LkRate * rate, gint64 first, gint64 last, guint * n_packets)
{
  guint64 bytes = 0;

  *n_packets = 0;
  for (guint i = 0; i < LK_RATE_BUCKETS; i++) {
    if (rate->buckets[i].n_packets == 0 || rate->buckets[i].index < first || rate->buckets[i].index > last)
      continue;
    bytes += rate->buckets[i].bytes;
    *n_packets += rate->buckets[i].n_packets;
  }
  return bytes;
}

guint
lk_rate_bps (const LkRate * rate, gint64 window_us, gint64 until_us)
{
  gint64 first = bucket_of (until_us - MIN (window_us, LK_RATE_WINDOW_US)) + 1;
  gint64 from_us = first * (1 << LK_RATE_BUCKET_SHIFT);
  guint64 bytes, bps;
  guint n_packets;

  if (!rate->is_started)
    return 0;
  from_us = MAX (from_us, rate->first_us);
  if (until_us - from_us < SHORTEST_US)
    return 0;
  bytes = sum (rate, first, bucket_of (until_us), &n_packets);
  bps = bytes * 8 * 1000000 / (guint64) (until_us - from_us);
  return (guint) MIN (bps, G_MAXUINT);
}

guint
lk_rate_n_packets (const LkRate * rate, gint64 window_us, gint64 until_us)
{
  guint n_packets = 0;

  if (rate->is_started)
    sum (rate, bucket_of (until_us - MIN (window_us, LK_RATE_WINDOW_US)) + 1, bucket_of (until_us), &n_packets);
  return n_packets;
}
