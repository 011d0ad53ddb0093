/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of lkbandwidth on a simulated link. The same seeds give the same runs: times are simulated, so they are
 * exact. */

#include <gst/check/gstcheck.h>

#include "lkbandwidth.h"
#include "linksim.h"

#define S 1000000
#define MS 1000
#define STEP (50 * MS)

static LinkSimFlowConfig
adaptive_flow (guint max_bps)
{
  LinkSimFlowConfig config = {.n_layers = 1,.audio_bps = 32000,.first_seqnum = 65000 };

  config.layers[0] = (LkAllocatorLayer) { 0, 0, 50000, max_bps };
  config.bandwidth = (LkBandwidthConfig) { 50000, 2 * max_bps, max_bps };
  return config;
}

/* As bandwidth.md's bench: tbf with 100 ms and a burst of 16 kB. */
static void
set_tbf (LinkSim * sim, guint bps)
{
  LinkSimLink *link = link_sim_link (sim);

  link->bps = bps;
  link->queue_bytes = bps / 80 + 16000;
  link->burst_bytes = 16000;
}

/* Runs until the target is below (above) @bps; how long that took, or @most_us. */
static gint64
time_until (LinkSim * sim, LinkSimFlow * flow, gboolean is_below, guint bps, gint64 most_us)
{
  gint64 start_us = link_sim_now_us (sim);

  while (link_sim_now_us (sim) - start_us < most_us) {
    guint target_bps = link_sim_target_bps (flow);

    if (is_below ? target_bps < bps : target_bps >= bps)
      break;
    link_sim_run (sim, 10 * MS);
  }
  return link_sim_now_us (sim) - start_us;
}

static guint
least_target_bps (LinkSim * sim, LinkSimFlow * flow, gint64 duration_us)
{
  guint least = G_MAXUINT;

  for (gint64 t = 0; t < duration_us; t += STEP) {
    link_sim_run (sim, STEP);
    least = MIN (least, link_sim_target_bps (flow));
  }
  return least;
}

static void
assert_limit_is_met (guint32 seed, gint64 jitter_us)
{
  LinkSimFlowConfig config = adaptive_flow (3000000);
  LinkSim *sim = link_sim_new (seed);
  LinkSimFlow *flow = link_sim_add_flow (sim, &config);
  LinkSimStats *stats = link_sim_stats (flow);
  gint64 limit_us, below_us, p95_us, back_us;
  gdouble use;

  set_tbf (sim, 3500000);
  link_sim_link (sim)->jitter_us = jitter_us;
  link_sim_run (sim, 10 * S);
  set_tbf (sim, 1000000);
  limit_us = link_sim_now_us (sim);
  below_us = time_until (sim, flow, TRUE, 1000000, 5 * S);
  link_sim_run (sim, 4 * S - below_us);
  fail_unless (below_us <= 800 * MS, "below the link after %d ms", (gint) (below_us / MS));
  fail_unless (stats->last_loss_us - limit_us <= 1300 * MS, "lost for %d ms",
      (gint) ((stats->last_loss_us - limit_us) / MS));

  link_sim_clear_stats (flow);
  link_sim_run (sim, 30 * S);
  use = stats->received_bytes * 8 / 30.0 / 1000000;
  p95_us = link_sim_delay_percentile_us (flow, 95);
  GST_INFO ("seed %u below %d ms use %.3f p95 %d ms lost %u", seed, (gint) (below_us / MS), use, (gint) (p95_us / MS),
      stats->n_lost);
  fail_unless (use >= 0.90, "use %.3f", use);
  fail_unless (p95_us <= 80 * MS + link_sim_link (sim)->delay_us + jitter_us, "one way delay %d ms",
      (gint) (p95_us / MS));
  /* of more than 3000 */
  fail_unless (stats->n_lost <= 15, "lost %u", stats->n_lost);

  set_tbf (sim, 3500000);
  back_us = time_until (sim, flow, FALSE, 2850000, 20 * S);
  GST_INFO ("back after %d ms", (gint) (back_us / MS));
  fail_unless (back_us <= (jitter_us ? 12 : 8) * S, "back after %d ms", (gint) (back_us / MS));
  link_sim_free (sim);
}

GST_START_TEST (test_limit_is_met_and_left)
{
  for (guint32 seed = 1; seed <= 10; seed++)
    assert_limit_is_met (seed, 0);
}
GST_END_TEST;

GST_START_TEST (test_limit_is_met_with_jitter)
{
  assert_limit_is_met (1, 20 * MS);
  assert_limit_is_met (2, 30 * MS);
}
GST_END_TEST;

/* A stream that was published into a link that is too small from the start. */
GST_START_TEST (test_small_link_at_the_start)
{
  LinkSimFlowConfig config = adaptive_flow (3000000);
  LinkSim *sim = link_sim_new (1);
  LinkSimFlow *flow = link_sim_add_flow (sim, &config);

  set_tbf (sim, 1000000);
  fail_unless (time_until (sim, flow, TRUE, 1000000, 5 * S) <= 800 * MS);
  link_sim_free (sim);
}
GST_END_TEST;

static void
assert_no_dip (const LinkSimLink * link, guint least_bps, gint64 duration_us)
{
  LinkSimFlowConfig config = adaptive_flow (3000000);
  LinkSim *sim = link_sim_new (1);
  LinkSimFlow *flow = link_sim_add_flow (sim, &config);
  guint bps;

  *link_sim_link (sim) = *link;
  bps = least_target_bps (sim, flow, duration_us);
  fail_unless (bps >= least_bps, "fell to %u", bps);
  link_sim_free (sim);
}

GST_START_TEST (test_clean_link_is_no_limit)
{
  LinkSimLink link = {.bps = 10000000,.queue_bytes = 125000,.delay_us = 20 * MS,.jitter_us = 2 * MS,.drift_ppm = 100 };

  assert_no_dip (&link, 3000000, 600LL * S);
  link.drift_ppm = -100;
  assert_no_dip (&link, 3000000, 60LL * S);
}
GST_END_TEST;

GST_START_TEST (test_jitter_is_no_limit)
{
  LinkSimLink link = {.bps = 10000000,.queue_bytes = 125000,.delay_us = 20 * MS };

  for (link.jitter_us = 20 * MS; link.jitter_us <= 30 * MS; link.jitter_us += 5 * MS)
    assert_no_dip (&link, 3000000, 120LL * S);
  link.jitter_us = 0;
  link.spike_us = 60 * MS;
  assert_no_dip (&link, 3000000, 120LL * S);
}
GST_END_TEST;

GST_START_TEST (test_random_loss_is_no_limit)
{
  LinkSimLink link = {.bps = 10000000,.queue_bytes = 125000,.delay_us = 20 * MS,.loss = 0.05 };

  assert_no_dip (&link, 3000000, 120LL * S);
  /* more is doubted at first */
  link.loss = 0.15;
  assert_no_dip (&link, 2000000, 120LL * S);
}
GST_END_TEST;

GST_START_TEST (test_reordering_is_no_limit)
{
  LinkSimLink link = {.bps = 10000000,.queue_bytes = 125000,.delay_us = 20 * MS,.jitter_us = 10 * MS,
    .is_reordering = TRUE
  };

  assert_no_dip (&link, 3000000, 120LL * S);
}
GST_END_TEST;

GST_START_TEST (test_lost_feedback_is_no_limit)
{
  LinkSimLink link = {.bps = 10000000,.queue_bytes = 125000,.delay_us = 20 * MS,.feedback_loss = 0.3 };

  assert_no_dip (&link, 3000000, 120LL * S);
}
GST_END_TEST;

/* A route that is 60 ms longer, and clocks that are set, must not starve the stream. */
GST_START_TEST (test_longer_route_is_no_queue)
{
  LinkSimFlowConfig config = adaptive_flow (3000000);
  LinkSim *sim = link_sim_new (1);
  LinkSimFlow *flow = link_sim_add_flow (sim, &config);

  link_sim_run (sim, 20 * S);
  link_sim_link (sim)->delay_us += 60 * MS;
  fail_unless (least_target_bps (sim, flow, 5 * S) >= 1500000);
  fail_unless (least_target_bps (sim, flow, 10 * S) >= 2500000);
  link_sim_link (sim)->clock_step_us = 3600LL * S;
  fail_unless (least_target_bps (sim, flow, 10 * S) >= 2500000);
  link_sim_link (sim)->clock_step_us = -3600LL * S;
  fail_unless (least_target_bps (sim, flow, 10 * S) >= 2500000);
  link_sim_free (sim);
}
GST_END_TEST;

static guint64
received_bytes (LinkSimFlow * flow)
{
  guint64 bytes = link_sim_stats (flow)->received_bytes;

  link_sim_clear_stats (flow);
  return bytes;
}

static void
assert_shares_are_fair (guint32 seed, gint64 second_us)
{
  LinkSimFlowConfig config = adaptive_flow (2500000);
  LinkSim *sim = link_sim_new (seed);
  LinkSimFlow *flows[2] = { link_sim_add_flow (sim, &config), NULL };

  set_tbf (sim, 3000000);
  link_sim_run (sim, second_us);
  flows[1] = link_sim_add_flow (sim, &config);
  link_sim_run (sim, 20 * S);
  received_bytes (flows[0]);
  received_bytes (flows[1]);
  for (guint i = 0; i < 4; i++) {
    link_sim_run (sim, 10 * S);
    for (guint k = 0; k < 2; k++) {
      guint bps = (guint) (received_bytes (flows[k]) * 8 / 10);

      fail_unless (bps >= 750000, "seed %u: flow %u has %u", seed, k, bps);
    }
  }
  link_sim_free (sim);
}

GST_START_TEST (test_two_flows_share)
{
  for (guint32 seed = 1; seed <= 5; seed++) {
    assert_shares_are_fair (seed, 0);
    assert_shares_are_fair (seed, 20 * S);
  }
}
GST_END_TEST;

GST_START_TEST (test_cross_traffic_leaves_the_rest)
{
  LinkSimFlowConfig config = adaptive_flow (3000000);
  LinkSim *sim = link_sim_new (1);
  LinkSimFlow *flow = link_sim_add_flow (sim, &config);
  guint bps;

  set_tbf (sim, 3500000);
  link_sim_run (sim, 10 * S);
  link_sim_link (sim)->cross_bps = 2000000;
  link_sim_run (sim, 5 * S);
  link_sim_clear_stats (flow);
  link_sim_run (sim, 20 * S);
  bps = (guint) (received_bytes (flow) * 8 / 20);
  fail_unless (bps >= 1100000 && bps <= 1550000, "%u", bps);
  link_sim_free (sim);
}
GST_END_TEST;

/* 150, 600, 2400 kbit/s of fixed streams into 1 Mbit/s: the top layer goes, the others stay, and padding finds it
 * room again. */
GST_START_TEST (test_top_layer_goes_and_comes)
{
  LinkSimFlowConfig config = {.n_layers = 3,.is_fixed = TRUE,.audio_bps = 32000 };
  LinkSim *sim = link_sim_new (1);
  LinkSimFlow *flow;
  const LkAllocation *allocation;
  gint64 start_us;

  for (guint i = 0; i < 3; i++) {
    static const guint bps[] = { 150000, 600000, 2400000 };

    config.layers[i] = (LkAllocatorLayer) { 0, i, bps[i], bps[i] };
  }
  config.bandwidth = (LkBandwidthConfig) { 50000, 6000000, 4000000 };
  flow = link_sim_add_flow (sim, &config);
  allocation = link_sim_allocation (flow);
  set_tbf (sim, 4500000);
  link_sim_run (sim, 10 * S);
  fail_unless (allocation->layers[2].is_on);
  set_tbf (sim, 1200000);
  link_sim_run (sim, 1 * S);
  fail_unless (!allocation->layers[2].is_on);
  link_sim_run (sim, 4 * S);
  for (guint i = 0; i < 40; i++) {
    link_sim_run (sim, 500 * MS);
    fail_unless (allocation->layers[0].is_on && !allocation->layers[0].is_thinned);
    fail_unless (allocation->layers[1].is_on, "after %u", i);
    fail_unless (!allocation->layers[2].is_on);
  }
  set_tbf (sim, 4500000);
  start_us = link_sim_now_us (sim);
  while (!allocation->layers[2].is_on && link_sim_now_us (sim) - start_us < 20 * S)
    link_sim_run (sim, 50 * MS);
  fail_unless (link_sim_now_us (sim) - start_us <= 10 * S);
  link_sim_free (sim);
}
GST_END_TEST;

GST_START_TEST (test_fixed_stream_is_thinned)
{
  LinkSimFlowConfig config = adaptive_flow (3000000);
  LinkSim *sim = link_sim_new (1);
  LinkSimFlow *flow;

  config.is_fixed = TRUE;
  config.layers[0].min_bps = 3000000;
  flow = link_sim_add_flow (sim, &config);
  set_tbf (sim, 3500000);
  link_sim_run (sim, 10 * S);
  set_tbf (sim, 1000000);
  link_sim_run (sim, 2 * S);
  fail_unless (link_sim_allocation (flow)->layers[0].is_thinned);
  link_sim_clear_stats (flow);
  link_sim_run (sim, 20 * S);
  fail_unless (link_sim_stats (flow)->sent_bytes * 8 / 20 <= 1050000);
  fail_unless (link_sim_stats (flow)->sent_bytes > 0);
  link_sim_free (sim);
}
GST_END_TEST;

/* By hand from here */

static const LkBandwidthConfig by_hand = { 50000, 6000000, 3000000 };

static void
feed (LkBandwidth * bandwidth, guint16 first, guint n, gint64 * now_us, gint64 offset_us)
{
  g_autofree LkBandwidthPacket *packets = g_new0 (LkBandwidthPacket, n);

  for (guint i = 0; i < n; i++) {
    *now_us += 3 * MS;
    packets[i] = (LkBandwidthPacket) { (guint16) (first + i), FALSE, 1160, *now_us, *now_us + offset_us };
    lk_bandwidth_sent (bandwidth, 1160, FALSE, *now_us);
  }
  lk_bandwidth_feedback (bandwidth, packets, n, *now_us + 20 * MS);
}

static LkBandwidthStatus
status_of (LkBandwidth * bandwidth, gint64 now_us)
{
  LkBandwidthStatus status;

  lk_bandwidth_get_status (bandwidth, now_us, &status);
  return status;
}

/* One on a link without a limit, after 900 packets of feedback. */
static LkBandwidth *
new_fed (gint64 * now_us)
{
  LkBandwidth *bandwidth;

  *now_us = 5 * S;
  bandwidth = lk_bandwidth_new (&by_hand, *now_us);
  for (guint i = 0; i < 30; i++)
    feed (bandwidth, (guint16) (30 * i), 30, now_us, 0);
  return bandwidth;
}

GST_START_TEST (test_numbers_wrap)
{
  gint64 now_us = 5 * S;
  g_autoptr (LkBandwidth) bandwidth = lk_bandwidth_new (&by_hand, now_us);

  for (guint i = 0; i < 3000; i++)
    feed (bandwidth, (guint16) (65500 + 30 * i), 30, &now_us, 0);
  fail_unless (status_of (bandwidth, now_us).loss == 0);
  /* 1160 bytes each 3 ms are 3.093 Mbit/s */
  fail_unless (ABS ((gint) status_of (bandwidth, now_us).acked_bps - 3093333) < 50000);
  fail_unless (status_of (bandwidth, now_us).target_bps > 3000000);
}
GST_END_TEST;

/* Said twice counts once; said lost and then arrived is not lost. */
GST_START_TEST (test_repeated_feedback_counts_once)
{
  gint64 now_us = 5 * S;
  g_autoptr (LkBandwidth) bandwidth = lk_bandwidth_new (&by_hand, now_us);
  LkBandwidthPacket packets[30];
  guint acked_bps;

  for (guint i = 0; i < 30; i++)
    packets[i] = (LkBandwidthPacket) { (guint16) i, FALSE, 1160, now_us + i * 3 * MS, now_us + i * 3 * MS };
  lk_bandwidth_feedback (bandwidth, packets, 30, now_us + 100 * MS);
  acked_bps = status_of (bandwidth, now_us).acked_bps;
  for (guint k = 0; k < 10; k++)
    lk_bandwidth_feedback (bandwidth, packets, 30, now_us + (110 + k) * MS);
  fail_unless_equals_int (status_of (bandwidth, now_us).acked_bps, acked_bps);
  for (guint i = 0; i < 30; i++)
    packets[i].is_lost = TRUE;
  lk_bandwidth_feedback (bandwidth, packets, 30, now_us + 200 * MS);
  fail_unless (status_of (bandwidth, now_us).loss == 0);
}
GST_END_TEST;

GST_START_TEST (test_silence_lowers_and_recovers)
{
  gint64 now_us;
  g_autoptr (LkBandwidth) bandwidth = new_fed (&now_us);
  guint before_bps;

  before_bps = status_of (bandwidth, now_us).target_bps;
  /* nothing sent: nothing known, nothing changed */
  now_us += 10 * S;
  lk_bandwidth_tick (bandwidth, now_us);
  fail_unless_equals_int (status_of (bandwidth, now_us).target_bps, before_bps);
  for (guint i = 0; i < 400; i++) {
    now_us += 10 * MS;
    lk_bandwidth_sent (bandwidth, 1160, FALSE, now_us);
    lk_bandwidth_tick (bandwidth, now_us);
  }
  fail_unless (status_of (bandwidth, now_us).target_bps <= 0.5 * before_bps);
  fail_unless_equals_int (status_of (bandwidth, now_us).reason, LK_BANDWIDTH_SILENCE);
  for (guint i = 0; i < 40; i++)
    feed (bandwidth, (guint16) (1300 + 30 * i), 30, &now_us, 0);
  fail_unless (status_of (bandwidth, now_us).target_bps >= 0.9 * before_bps);
}
GST_END_TEST;

/* The server answers what arrives: what it was not asked in a pause, it owes no answer. */
GST_START_TEST (test_pause_is_no_silence)
{
  for (guint n_before = 1; n_before <= 55; n_before += 6) {
    for (guint pause_ms = 600; pause_ms <= 3000; pause_ms += 100) {
      gint64 now_us;
      g_autoptr (LkBandwidth) bandwidth = new_fed (&now_us);
      guint before_bps;

      before_bps = status_of (bandwidth, now_us).target_bps;
      for (guint i = 0; i < n_before; i++)
        lk_bandwidth_sent (bandwidth, 1160, FALSE, now_us);
      for (guint i = 0; i < pause_ms / 10; i++)
        lk_bandwidth_tick (bandwidth, now_us += 10 * MS);
      /* a key frame, on its way */
      for (guint i = 0; i < 100; i++) {
        lk_bandwidth_sent (bandwidth, 1160, FALSE, now_us += 2 * MS);
        lk_bandwidth_tick (bandwidth, now_us);
      }
      fail_unless_equals_int (status_of (bandwidth, now_us).target_bps, before_bps);
    }
  }
}
GST_END_TEST;

/* What silence has made of the target is no word about the next path. */
GST_START_TEST (test_reset_after_silence)
{
  gint64 now_us;
  g_autoptr (LkBandwidth) bandwidth = new_fed (&now_us);
  guint before_bps;

  before_bps = status_of (bandwidth, now_us).target_bps;
  for (guint i = 0; i < 1000; i++) {
    lk_bandwidth_sent (bandwidth, 1160, FALSE, now_us += 10 * MS);
    lk_bandwidth_tick (bandwidth, now_us);
  }
  fail_unless (status_of (bandwidth, now_us).target_bps < before_bps / 5);
  lk_bandwidth_reset (bandwidth, now_us);
  fail_unless (status_of (bandwidth, now_us).target_bps >= before_bps / 2);
}
GST_END_TEST;

GST_START_TEST (test_reset_starts_again)
{
  gint64 now_us;
  g_autoptr (LkBandwidth) bandwidth = new_fed (&now_us);

  lk_bandwidth_reset (bandwidth, now_us);
  fail_unless_equals_int (status_of (bandwidth, now_us).acked_bps, 0);
  fail_unless_equals_int (status_of (bandwidth, now_us).queue_us, 0);
  /* other numbers, other clocks, no jump seen */
  for (guint i = 0; i < 30; i++)
    feed (bandwidth, (guint16) (40000 + 30 * i), 30, &now_us, 900LL * S);
  fail_unless (status_of (bandwidth, now_us).loss == 0);
  fail_unless_equals_int (status_of (bandwidth, now_us).queue_us, 0);
  fail_unless (status_of (bandwidth, now_us).target_bps >= 3000000);
}
GST_END_TEST;

/* Whatever comes, the target stays in its bounds, and media flow again after. */
GST_START_TEST (test_hostile_feedback_is_borne)
{
  const guint n = 65535;
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  g_autofree LkBandwidthPacket *packets = g_new0 (LkBandwidthPacket, n);
  gint64 now_us = 5 * S;
  g_autoptr (LkBandwidth) bandwidth = lk_bandwidth_new (&by_hand, now_us);

  for (guint round = 0; round < 20; round++) {
    guint count = round < 3 ? n : g_rand_int (rand) % 500;

    for (guint i = 0; i < count; i++) {
      packets[i].seqnum = (guint16) g_rand_int (rand);
      packets[i].is_lost = g_rand_boolean (rand);
      packets[i].bytes = round % 2 ? G_MAXUINT : g_rand_int (rand);
      packets[i].send_us = g_rand_boolean (rand) ? G_MININT64 : (gint64) g_rand_int (rand) << 31;
      packets[i].recv_us = g_rand_boolean (rand) ? G_MAXINT64 : -((gint64) g_rand_int (rand) << 31);
    }
    lk_bandwidth_feedback (bandwidth, packets, count, round % 3 ? now_us : G_MININT64);
    lk_bandwidth_tick (bandwidth, now_us);
    now_us += 100 * MS;
    fail_unless (status_of (bandwidth, now_us).target_bps >= by_hand.min_bps);
    fail_unless (status_of (bandwidth, now_us).target_bps <= by_hand.max_bps);
    fail_unless (status_of (bandwidth, now_us).queue_us >= 0);
  }
  lk_bandwidth_feedback (bandwidth, NULL, 0, now_us);
  for (guint i = 0; i < 300; i++)
    feed (bandwidth, (guint16) (30 * i), 30, &now_us, 0);
  fail_unless (status_of (bandwidth, now_us).target_bps >= 2900000);
}
GST_END_TEST;

static Suite *
bandwidth_suite (void)
{
  Suite *suite = suite_create ("bandwidth");
  TCase *tcase = tcase_create ("link");

  suite_add_tcase (suite, tcase);
  tcase_set_timeout (tcase, 100);
  tcase_add_test (tcase, test_limit_is_met_and_left);
  tcase_add_test (tcase, test_limit_is_met_with_jitter);
  tcase_add_test (tcase, test_small_link_at_the_start);
  tcase_add_test (tcase, test_clean_link_is_no_limit);
  tcase_add_test (tcase, test_jitter_is_no_limit);
  tcase_add_test (tcase, test_random_loss_is_no_limit);
  tcase_add_test (tcase, test_reordering_is_no_limit);
  tcase_add_test (tcase, test_lost_feedback_is_no_limit);
  tcase_add_test (tcase, test_longer_route_is_no_queue);
  tcase_add_test (tcase, test_two_flows_share);
  tcase_add_test (tcase, test_cross_traffic_leaves_the_rest);
  tcase_add_test (tcase, test_top_layer_goes_and_comes);
  tcase_add_test (tcase, test_fixed_stream_is_thinned);

  tcase = tcase_create ("feedback");
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_numbers_wrap);
  tcase_add_test (tcase, test_repeated_feedback_counts_once);
  tcase_add_test (tcase, test_silence_lowers_and_recovers);
  tcase_add_test (tcase, test_pause_is_no_silence);
  tcase_add_test (tcase, test_reset_after_silence);
  tcase_add_test (tcase, test_reset_starts_again);
  tcase_add_test (tcase, test_hostile_feedback_is_borne);
  return suite;
}

GST_CHECK_MAIN (bandwidth);
