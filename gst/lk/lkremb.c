/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkremb: what to tell a sender that sends on what the receiver says. */

#include "lkremb.h"

#include <string.h>

/* A second, in steps of at most LK_REMB_INTERVAL_US. */
#define FALLING 0.15
#define FLOOR 0.7
#define CONGESTED_LOSS 0.05
#define CONGESTED_QUEUE_US 60000
#define SILENCE_US 300000
#define SSRC_TIMEOUT_US 10000000
#define MAX_BATCH 4096
/* More at once is no loss but another stream under the same number. */
#define MAX_GAP 500
#define ABS_SEND_TIME_BITS 24
#define PERIOD_US (64 * G_USEC_PER_SEC)
/* Late packets of the batch before. */
#define MAX_CREDIT 20
/* So many packets in a row, so much later than the quickest: the path fills. No measure, but a reason to measure now,
 * for a while: then it is another's queue, or a longer route. The quickest is forgotten faster than clocks drift. */
#define FILLING_US 25000
#define FILLING_PACKETS 4
#define FILLED_PACKETS 60
#define FILLING_STEP_US 20000
#define FORGOTTEN_US_PER_S 500
/* The server wants twelve falling values, whatever their distance: a few quick ones, then no more than it needs. */
#define N_QUICK 24
#define QUICK_US 12000
#define CONGESTED_US 25000

typedef struct
{
  guint32 ssrc;
  guint16 seqnum;               /* the highest */
  gint64 seen_us;
} Source;

struct _LkRemb
{
  LkBandwidth *bandwidth;
  GArray *batch;                /* LkBandwidthPacket */
  guint16 next_seqnum;          /* of our own: the packets of all sources in one row */
  Source sources[LK_REMB_MAX_SSRCS];
  guint n_sources;
  gboolean has_time;
  guint32 last_time;            /* as in the packet */
  gint64 send_ticks;            /* unwrapped */
  gint64 offset_us;             /* of our clock to the sender's, less the first packet's delay */
  gint balance;                 /* packets expected and not arrived; below 0 when late ones came */
  gint64 last_packet_us;
  gint64 least_us, least_at_us; /* of what packets took, in the unknown unit of send_time_us() */
  guint n_filling;
  gdouble bps;
  gint64 written_us;
  guint n_congested;            /* reports since the path is full */
};

LkRemb *
lk_remb_new (const LkBandwidthConfig * config, gint64 now_us)
{
  LkRemb *self;
  LkBandwidth *bandwidth = lk_bandwidth_new (config, now_us);

  g_return_val_if_fail (bandwidth != NULL, NULL);
  self = g_new0 (LkRemb, 1);
  self->bandwidth = bandwidth;
  self->batch = g_array_new (FALSE, FALSE, sizeof (LkBandwidthPacket));
  self->bps = config->start_bps;
  self->last_packet_us = now_us;
  return self;
}

void
lk_remb_free (LkRemb * self)
{
  lk_bandwidth_free (self->bandwidth);
  g_array_unref (self->batch);
  g_free (self);
}

void
lk_remb_reset (LkRemb * self, gint64 now_us)
{
  lk_bandwidth_reset (self->bandwidth, now_us);
  g_array_set_size (self->batch, 0);
  self->n_sources = 0;
  self->balance = 0;
  self->has_time = FALSE;
  self->n_filling = self->n_congested = 0;
}

/* RFC 8285 §4.2 and §4.3. */
static gboolean
find_extension (const guint8 * data, gsize size, gboolean is_one_byte, guint id, guint32 * value)
{
  const gsize head = is_one_byte ? 1 : 2;

  for (gsize i = 0; i < size;) {
    guint found = is_one_byte ? data[i] >> 4 : data[i];
    gsize length;

    if (found == 0) {
      i++;
      continue;
    }
    if (i + head > size)
      return FALSE;
    length = is_one_byte ? (data[i] & 15) + 1u : data[i + 1];
    i += head;
    if (length > size - i)
      return FALSE;
    if (found == id && length == 3) {
      *value = (guint32) data[i] << 16 | data[i + 1] << 8 | data[i + 2];
      return TRUE;
    }
    i += length;
  }
  return FALSE;
}

gboolean
lk_remb_find_send_time (const guint8 * packet, gsize size, guint id, guint32 * abs_send_time)
{
  gsize offset, length;
  guint profile;

  if (size < 12 || packet[0] >> 6 != 2 || !(packet[0] & 0x10))
    return FALSE;
  offset = 12 + 4 * (packet[0] & 15u);
  if (offset + 4 > size)
    return FALSE;
  profile = packet[offset] << 8 | packet[offset + 1];
  length = 4 * ((gsize) packet[offset + 2] << 8 | packet[offset + 3]);
  if (length > size - offset - 4 || (profile != 0xbede && profile >> 4 != 0x100))
    return FALSE;
  return find_extension (packet + offset + 4, length, profile == 0xbede, id, abs_send_time);
}

/* In our clock, but for an unknown constant. */
static gint64
send_time_us (LkRemb * self, guint32 abs_send_time, gint64 now_us)
{
  const gint unused = 32 - ABS_SEND_TIME_BITS;
  gint64 ticks;
  gint32 delta;

  abs_send_time &= (1u << ABS_SEND_TIME_BITS) - 1;
  if (!self->has_time) {
    self->has_time = TRUE;
    self->last_time = abs_send_time;
    self->send_ticks = 0;
    self->offset_us = now_us;
    self->least_us = 0;
    self->least_at_us = now_us;
    self->n_filling = 0;
  }
  delta = (gint32) ((abs_send_time - self->last_time) << unused) / (1 << unused);
  ticks = self->send_ticks + delta;
  if (delta > 0) {
    self->last_time = abs_send_time;
    self->send_ticks = ticks;
  }
  return self->offset_us + ticks * 1000000 / (1 << 18);
}

static Source *
find_source (LkRemb * self, guint32 ssrc, guint16 seqnum, gint64 now_us)
{
  guint oldest = 0;

  for (guint i = 0; i < self->n_sources; i++) {
    if (self->sources[i].ssrc == ssrc)
      return &self->sources[i];
    if (self->sources[i].seen_us < self->sources[oldest].seen_us)
      oldest = i;
  }
  if (self->n_sources < LK_REMB_MAX_SSRCS)
    oldest = self->n_sources++;
  self->sources[oldest] = (Source) { ssrc, (guint16) (seqnum - 1), now_us };
  return &self->sources[oldest];
}

static void
append (LkRemb * self, gboolean is_lost, guint bytes, gint64 send_us, gint64 recv_us)
{
  LkBandwidthPacket packet = { self->next_seqnum, is_lost, bytes, send_us, recv_us };

  if (self->batch->len >= MAX_BATCH)
    return;
  self->next_seqnum++;
  g_array_append_val (self->batch, packet);
}

static gboolean
is_filling (LkRemb * self, gint64 taken_us, gint64 now_us)
{
  gint64 forgotten_us = (now_us - self->least_at_us) * FORGOTTEN_US_PER_S / G_USEC_PER_SEC;

  if (taken_us <= self->least_us + forgotten_us) {
    self->least_us = taken_us;
    self->least_at_us = now_us;
  } else if (taken_us > self->least_us + forgotten_us + FILLING_US) {
    self->n_filling = MIN (self->n_filling + 1, FILLED_PACKETS);
    return self->n_filling >= FILLING_PACKETS && self->n_filling < FILLED_PACKETS
        && now_us - self->written_us >= FILLING_STEP_US;
  }
  self->n_filling = 0;
  return FALSE;
}

gboolean
lk_remb_add (LkRemb * self, guint32 ssrc, guint16 seqnum, guint32 abs_send_time, guint bytes, gint64 now_us)
{
  Source *source = find_source (self, ssrc, seqnum, now_us);
  gint64 send_us;
  gint step = (gint16) (guint16) (seqnum - source->seqnum);

  /* after half its period the extension may mean an earlier or a later time */
  if (now_us - self->last_packet_us > PERIOD_US / 2)
    self->has_time = FALSE;
  if (ABS (step) > MAX_GAP)
    step = 1;
  else
    seqnum = MAX (step, 0) + source->seqnum;
  source->seqnum = seqnum;
  self->balance += MAX (step, 0) - 1;
  source->seen_us = now_us;
  self->last_packet_us = now_us;
  send_us = send_time_us (self, abs_send_time, now_us);
  append (self, FALSE, bytes, send_us, now_us);
  return is_filling (self, now_us - send_us, now_us);
}

/* Losses are counted at the end, as late packets make up for them. */
static void
append_losses (LkRemb * self, gint64 now_us)
{
  for (; self->balance > 0; self->balance--)
    append (self, TRUE, 0, now_us, 0);
  /* duplicates are no credit */
  self->balance = MAX (self->balance, -MAX_CREDIT);
}

static gboolean
is_congested (const LkBandwidthStatus * status)
{
  return status->is_congested || status->loss > CONGESTED_LOSS || status->queue_us > CONGESTED_QUEUE_US;
}

static void
update (LkRemb * self, gint64 now_us)
{
  LkBandwidthStatus status;
  gdouble falling = 1 - FALLING * CLAMP (now_us - self->written_us, 0, LK_REMB_INTERVAL_US) / G_USEC_PER_SEC;

  self->written_us = now_us;
  for (guint i = 0; i < self->batch->len; i++) {
    LkBandwidthPacket *packet = &g_array_index (self->batch, LkBandwidthPacket, i);

    lk_bandwidth_sent (self->bandwidth, packet->bytes, FALSE, now_us);
  }
  append_losses (self, now_us);
  if (self->batch->len > 0)
    lk_bandwidth_feedback (self->bandwidth, (LkBandwidthPacket *) self->batch->data, self->batch->len, now_us);
  g_array_set_size (self->batch, 0);
  lk_bandwidth_tick (self->bandwidth, now_us);
  lk_bandwidth_get_status (self->bandwidth, now_us, &status);
  self->n_congested = status.is_congested ? self->n_congested + 1 : 0;
  /* what is known of the queue is old: to go on falling would tell the server of a congestion that nobody sees */
  if (now_us - self->last_packet_us > SILENCE_US)
    return;
  if (!is_congested (&status))
    self->bps = status.target_bps;
  else
    self->bps = MAX (MIN (self->bps, MAX (status.acked_bps, status.target_bps)) * falling, FLOOR * status.acked_bps);
  self->bps = MAX (self->bps, 1000);
}

static guint
list_ssrcs (LkRemb * self, gint64 now_us, guint max, guint8 * data)
{
  guint n = 0;

  for (guint i = 0; i < self->n_sources && n < max; i++) {
    guint32 ssrc = GUINT32_TO_BE (self->sources[i].ssrc);

    if (now_us - self->sources[i].seen_us > SSRC_TIMEOUT_US)
      continue;
    memcpy (data + 4 * n++, &ssrc, 4);
  }
  return n;
}

/* draft-alvestrand-rmcat-remb-03 §2.2: the value is mantissa (18 bits) * 2 ^ exponent (6 bits). */
static void
write_head (guint8 * data, guint32 sender_ssrc, guint n_ssrcs, guint bps)
{
  guint exponent = 0;

  while (bps >> exponent >= 1u << 18)
    exponent++;
  bps >>= exponent;
  data[0] = 0x8f;               /* version 2, format 15: application layer feedback */
  data[1] = 206;                /* payload-specific feedback */
  data[2] = 0;
  data[3] = (guint8) (4 + n_ssrcs);
  data[4] = sender_ssrc >> 24;
  data[5] = sender_ssrc >> 16;
  data[6] = sender_ssrc >> 8;
  data[7] = (guint8) sender_ssrc;
  memset (data + 8, 0, 4);
  memcpy (data + 12, "REMB", 4);
  data[16] = (guint8) n_ssrcs;
  data[17] = (guint8) (exponent << 2 | bps >> 16);
  data[18] = (guint8) (bps >> 8);
  data[19] = (guint8) bps;
}

gsize
lk_remb_write (LkRemb * self, guint32 sender_ssrc, gint64 now_us, guint8 * data, gsize size)
{
  guint n_ssrcs;

  update (self, now_us);
  if (size < 24)
    return 0;
  n_ssrcs = list_ssrcs (self, now_us, (guint) MIN ((size - 20) / 4, LK_REMB_MAX_SSRCS), data + 20);
  if (n_ssrcs == 0)
    return 0;
  write_head (data, sender_ssrc, n_ssrcs, (guint) self->bps);
  return 20 + 4 * n_ssrcs;
}

gint64
lk_remb_interval_us (LkRemb * self)
{
  if (self->n_congested == 0)
    return LK_REMB_INTERVAL_US;
  return self->n_congested <= N_QUICK ? QUICK_US : CONGESTED_US;
}

guint
lk_remb_bps (LkRemb * self)
{
  return (guint) self->bps;
}

void
lk_remb_get_status (LkRemb * self, gint64 now_us, LkBandwidthStatus * status)
{
  lk_bandwidth_get_status (self->bandwidth, now_us, status);
}
