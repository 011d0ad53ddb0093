/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of lkallocator, lkpacer and lkremb. Time is a number, so it is exact. */

#include <gst/check/gstcheck.h>

#include "lkallocator.h"
#include "lkpacer.h"
#include "lkremb.h"

#define S 1000000
#define MS 1000

static const LkAllocatorLayer three_layers[] = {
  {0, 0, 150000, 150000}, {0, 1, 600000, 600000}, {0, 2, 2400000, 2400000},
};

static LkAllocation
share (LkAllocator * allocator, guint target_bps, gboolean is_congested, gint64 now_us)
{
  LkAllocatorInput input = {.target_bps = target_bps,.is_congested = is_congested,.audio_bps = 50000 };
  LkAllocation allocation;

  lk_allocator_share (allocator, &input, now_us, &allocation);
  return allocation;
}

GST_START_TEST (test_layers_go_at_once_and_come_with_margin)
{
  g_autoptr (LkAllocator) allocator = lk_allocator_new ();
  LkAllocation allocation;

  fail_unless (lk_allocator_set_layers (allocator, three_layers, 3));
  allocation = share (allocator, 4000000, FALSE, 1 * S);
  fail_unless (allocation.layers[0].is_on && allocation.layers[1].is_on && allocation.layers[2].is_on);
  fail_unless_equals_int (allocation.wanted_bps, 0);
  fail_unless_equals_int (allocation.video_bps, 3150000);

  allocation = share (allocator, 1000000, TRUE, 2 * S);
  fail_unless (allocation.has_changed);
  fail_unless (allocation.layers[1].is_on && !allocation.layers[2].is_on);
  fail_unless_equals_int (allocation.rtx_bps, 0);
  fail_unless (allocation.wanted_bps > 3150000 && allocation.wanted_bps < 3600000, "%u", allocation.wanted_bps);

  /* what just fits is not enough to come back, nor is it while congested, nor at once */
  allocation = share (allocator, 3210000, FALSE, 5 * S);
  fail_unless (!allocation.layers[2].is_on);
  allocation = share (allocator, 4000000, TRUE, 5 * S);
  fail_unless (!allocation.layers[2].is_on);
  allocation = share (allocator, 4000000, FALSE, 5 * S);
  fail_unless (allocation.layers[2].is_on);
  /* one that goes again soon waits for longer */
  share (allocator, 1000000, TRUE, 6 * S);
  allocation = share (allocator, 4000000, FALSE, 9 * S);
  fail_unless (!allocation.layers[2].is_on);
  allocation = share (allocator, 4000000, FALSE, 11 * S);
  fail_unless (allocation.layers[2].is_on);
}
GST_END_TEST;

GST_START_TEST (test_lowest_layer_is_thinned)
{
  static const LkAllocatorLayer fixed = { 0, 0, 3000000, 3000000 };
  g_autoptr (LkAllocator) allocator = lk_allocator_new ();
  LkAllocation allocation;

  lk_allocator_set_layers (allocator, &fixed, 1);
  allocation = share (allocator, 1000000, FALSE, 1 * S);
  fail_unless (allocation.layers[0].is_on && allocation.layers[0].is_thinned);
  fail_unless_equals_int (allocation.layers[0].bps, 950000);
  fail_unless (allocation.layers[0].encoder_bps < 950000);
  allocation = share (allocator, 4000000, FALSE, 2 * S);
  fail_unless (!allocation.layers[0].is_thinned);
}
GST_END_TEST;

GST_START_TEST (test_lowest_layers_of_all_tracks_first)
{
  static const LkAllocatorLayer layers[] = {
    {0, 0, 100000, 300000}, {0, 1, 500000, 1000000}, {1, 0, 100000, 2000000},
  };
  g_autoptr (LkAllocator) allocator = lk_allocator_new ();
  LkAllocation allocation;

  lk_allocator_set_layers (allocator, layers, 3);
  allocation = share (allocator, 450000, FALSE, 1 * S);
  fail_unless_equals_int (allocation.layers[0].bps, 300000);
  fail_unless_equals_int (allocation.layers[2].bps, 100000);
  fail_unless (!allocation.layers[1].is_on);
}
GST_END_TEST;

GST_START_TEST (test_pacer_keeps_the_rate_and_its_queue_short)
{
  gint64 now_us = 1 * S;
  g_autoptr (LkPacer) pacer = lk_pacer_new (1000000, now_us);
  guint n_sent = 0, n_queued = 0;

  /* a second of 4 Mbit/s at once */
  for (guint frame = 0; frame < 30; frame++) {
    for (guint i = 0; i < 14 && lk_pacer_has_room (pacer, now_us); i++, n_queued++)
      lk_pacer_queued (pacer, 1200);
  }
  fail_unless (n_queued >= 50 && n_queued <= 60, "%u queued", n_queued);
  fail_unless (!lk_pacer_may_resume (pacer, now_us));
  for (; n_sent < n_queued; n_sent++) {
    now_us += lk_pacer_wait_us (pacer, now_us);
    lk_pacer_sent (pacer, 1200, TRUE, now_us);
  }
  fail_unless (ABS (now_us - 1 * S - n_sent * 9600 * 1000000LL / 1000000) < 60 * MS);
  fail_unless (lk_pacer_may_resume (pacer, now_us));
  /* audio waits for nothing, and video for it */
  fail_unless (lk_pacer_wait_us (pacer, now_us + 20 * MS) == 0);
  lk_pacer_sent (pacer, 10000, FALSE, now_us + 20 * MS);
  fail_unless (lk_pacer_wait_us (pacer, now_us + 20 * MS) > 40 * MS);
}
GST_END_TEST;

/* 40 ms at 1 Mbit/s are 5000 bytes. */
GST_START_TEST (test_pacer_bursts_are_paid_for)
{
  gint64 now_us = 1 * S;
  g_autoptr (LkPacer) pacer = lk_pacer_new (1000000, now_us);

  now_us += S;
  fail_unless (lk_pacer_has_burst (pacer, 5000, now_us) && !lk_pacer_has_burst (pacer, 5001, now_us));
  lk_pacer_sent (pacer, 4000, FALSE, now_us);
  fail_unless (lk_pacer_has_burst (pacer, 1000, now_us) && !lk_pacer_has_burst (pacer, 1001, now_us));
  fail_unless (lk_pacer_wait_us (pacer, now_us) == 0);
  fail_unless (lk_pacer_has_burst (pacer, 2000, now_us + 8 * MS));
}
GST_END_TEST;

/* RFC-like bytes: draft-alvestrand-rmcat-remb-03 §2.2. */
static guint
parse_remb (const guint8 * data, gsize size)
{
  fail_unless (size >= 24 && size % 4 == 0);
  fail_unless_equals_int (data[0], 0x8f);
  fail_unless_equals_int (data[1], 206);
  fail_unless_equals_int (GST_READ_UINT16_BE (data + 2), size / 4 - 1);
  fail_unless (memcmp (data + 12, "REMB", 4) == 0);
  fail_unless_equals_int (data[16], (size - 20) / 4);
  return (guint) ((data[17] & 3) << 16 | data[18] << 8 | data[19]) << (data[17] >> 2);
}

/* 1000 byte packets, each @interval_us, arriving each @arrival_us. */
static guint
receive (LkRemb * remb, guint n, gint64 interval_us, gint64 arrival_us, guint16 * seqnum, gint64 * send_us,
    gint64 * now_us)
{
  guint8 data[LK_REMB_MAX_BYTES];
  gint64 due_us = *now_us + LK_REMB_INTERVAL_US;
  guint bps = 0;

  for (guint i = 0; i < n; i++) {
    *send_us += interval_us;
    *now_us += arrival_us;
    lk_remb_add (remb, 77, (*seqnum)++, (guint32) (*send_us * (1 << 18) / 1000000), 1000, *now_us);
    if (*now_us < due_us)
      continue;
    bps = parse_remb (data, lk_remb_write (remb, 1, *now_us, data, sizeof data));
    fail_unless_equals_int (GST_READ_UINT32_BE (data + 20), 77);
    due_us += LK_REMB_INTERVAL_US;
  }
  return bps;
}

GST_START_TEST (test_remb_falls_while_congested)
{
  static const LkBandwidthConfig config = { 50000, 100000000, 5000000 };
  gint64 now_us = 1 * S, send_us = 3 * S;
  g_autoptr (LkRemb) remb = lk_remb_new (&config, now_us);
  guint16 seqnum = 65000;
  guint before, after;
  guint8 data[LK_REMB_MAX_BYTES];

  fail_unless_equals_int (lk_remb_write (remb, 1, now_us, data, sizeof data), 0);
  before = receive (remb, 2000, 4 * MS, 4 * MS, &seqnum, &send_us, &now_us);
  fail_unless (before >= 2000000, "%u", before);
  /* half of it gets through, and the queue grows */
  before = receive (remb, 100, 4 * MS, 8 * MS, &seqnum, &send_us, &now_us);
  fail_unless (before < 1200000, "%u", before);
  for (guint i = 0; i < 5; i++) {
    after = receive (remb, 30, 8 * MS, 8 * MS, &seqnum, &send_us, &now_us);
    fail_unless (after < before || after <= 710000, "%u after %u", after, before);
    before = after;
  }
}
GST_END_TEST;

/* As livekitsrc writes: when it is due, and when the path seems to fill. Each word falls below the one before, from the
 * first that does: how many did in the end, and how many were written. */
typedef struct
{
  LkRemb *remb;
  guint16 seqnum;
  gint64 send_us, now_us, due_us;
  guint bps, n_falling, n_written;
} Receiver;

static void
receive_as_told (Receiver * self, guint n, gint64 interval_us, gint64 arrival_us)
{
  guint8 data[LK_REMB_MAX_BYTES];

  for (guint i = 0; i < n; i++) {
    guint before = self->bps;

    self->send_us += interval_us;
    self->now_us += arrival_us;
    if (!lk_remb_add (self->remb, 77, self->seqnum++, (guint32) (self->send_us * (1 << 18) / 1000000), 1000, self->now_us)
        && self->now_us < self->due_us)
      continue;
    self->bps = parse_remb (data, lk_remb_write (self->remb, 1, self->now_us, data, sizeof data));
    self->due_us = self->now_us + lk_remb_interval_us (self->remb);
    self->n_falling = self->bps < before ? self->n_falling + 1 : 0;
    self->n_written++;
  }
}

static void
write_in_silence (Receiver * self, gint64 duration_us)
{
  guint8 data[LK_REMB_MAX_BYTES];
  gint64 end_us = self->now_us + duration_us;

  for (; self->now_us < end_us; self->now_us += 4 * MS) {
    if (self->now_us < self->due_us)
      continue;
    lk_remb_write (self->remb, 1, self->now_us, data, sizeof data);
    self->due_us = self->now_us + lk_remb_interval_us (self->remb);
    self->n_written++;
  }
}

/* The server wants twelve falling values. Waiting for the next report, and 25 ms between them, took 528 ms here. */
GST_START_TEST (test_remb_tells_soon)
{
  static const LkBandwidthConfig config = { 50000, 100000000, 5000000 };
  Receiver self = {.now_us = 1 * S,.send_us = 3 * S,.due_us = 1 * S };
  g_autoptr (LkRemb) remb = lk_remb_new (&config, self.now_us);
  gint64 start_us;

  self.remb = remb;
  receive_as_told (&self, 1000, 4 * MS, 4 * MS);
  fail_unless (self.n_written <= 41, "%u", self.n_written);
  start_us = self.now_us;
  while (self.n_falling < 12 && self.now_us - start_us < 2 * S)
    receive_as_told (&self, 1, 4 * MS, 7 * MS);
  fail_unless (self.now_us - start_us <= 370 * MS, "after %u ms", (guint) ((self.now_us - start_us) / MS));
  /* and then no more often than it needs */
  receive_as_told (&self, 100, 7 * MS, 7 * MS);
  self.n_written = 0;
  receive_as_told (&self, 150, 7 * MS, 7 * MS);
  fail_unless (self.n_written <= 43, "%u in a second", self.n_written);
  /* in silence nobody knows of a queue after a second */
  write_in_silence (&self, 2 * S);
  self.n_written = 0;
  write_in_silence (&self, 2 * S);
  fail_unless (self.n_written <= 21, "%u in two seconds", self.n_written);
}
GST_END_TEST;

/* All but the first packet take 40 ms longer: it is looked at at once, but not for ever. */
GST_START_TEST (test_remb_one_was_quick)
{
  static const LkBandwidthConfig config = { 50000, 100000000, 5000000 };
  Receiver self = {.now_us = 1 * S,.send_us = 3 * S,.due_us = 1 * S };
  g_autoptr (LkRemb) remb = lk_remb_new (&config, self.now_us);

  self.remb = remb;
  receive_as_told (&self, 1, 4 * MS, 4 * MS);
  self.now_us += 40 * MS;
  receive_as_told (&self, 250, 4 * MS, 4 * MS);
  fail_unless (self.n_written > 15, "%u in a second", self.n_written);
  self.n_written = 0;
  receive_as_told (&self, 1000, 4 * MS, 4 * MS);
  fail_unless (self.n_written <= 41, "%u in four seconds", self.n_written);
}
GST_END_TEST;

GST_START_TEST (test_send_time_is_found)
{
  guint8 packet[] = { 0x91, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 77, 0, 0, 0, 9, 0xbe, 0xde, 0, 2, 0x10, 5, 0x82, 1, 2, 3, 0, 0 };
  guint32 found = 0;

  fail_unless (lk_remb_find_send_time (packet, sizeof packet, 8, &found));
  fail_unless_equals_int (found, 0x010203);
  fail_unless (!lk_remb_find_send_time (packet, sizeof packet, 1, &found));
  fail_unless (!lk_remb_find_send_time (packet, sizeof packet, 9, &found));
  for (gsize size = 0; size < sizeof packet; size++) {
    g_autofree guint8 *cut = g_memdup2 (packet, size);

    fail_unless (!lk_remb_find_send_time (cut, size, 8, &found), "of %u bytes", (guint) size);
  }
  /* a length beyond the end */
  packet[22] = 0x8f;
  fail_unless (!lk_remb_find_send_time (packet, sizeof packet, 8, &found));
  /* two-byte headers */
  memcpy (packet + 16, (guint8[]) { 0x10, 0, 0, 2, 1, 1, 5, 8, 3, 4, 5, 6 }, 12);
  fail_unless (lk_remb_find_send_time (packet, sizeof packet, 8, &found));
  fail_unless_equals_int (found, 0x040506);
}
GST_END_TEST;

static Suite *
sharing_suite (void)
{
  Suite *suite = suite_create ("sharing");
  TCase *tcase = tcase_create ("sharing");

  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_layers_go_at_once_and_come_with_margin);
  tcase_add_test (tcase, test_lowest_layer_is_thinned);
  tcase_add_test (tcase, test_lowest_layers_of_all_tracks_first);
  tcase_add_test (tcase, test_pacer_keeps_the_rate_and_its_queue_short);
  tcase_add_test (tcase, test_pacer_bursts_are_paid_for);
  tcase_add_test (tcase, test_remb_falls_while_congested);
  tcase_add_test (tcase, test_remb_tells_soon);
  tcase_add_test (tcase, test_remb_one_was_quick);
  tcase_add_test (tcase, test_send_time_is_found);
  return suite;
}

GST_CHECK_MAIN (sharing);
