/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* linksim: one link with a queue, and senders that share it. */

#include "linksim.h"

#include <string.h>

#define STEP_US 1000
#define HEADER_BYTES 60
#define PAYLOAD_BYTES 1100
#define FRAME_US 33333
#define AUDIO_US 20000
#define SET_BITRATE_US 200000
#define CONTROL_US 50000
#define N_SEQNUMS 8192

typedef struct
{
  LinkSimFlow *flow;            /* NULL: somebody else's */
  gint64 seqnum;                /* -1: without a number (audio) */
  gint64 send_us, arrival_us;
  guint bytes;
  gboolean is_last;
} Packet;

typedef struct
{
  gint64 due_us, newest;        /* packets up to @newest are reported */
  GArray *packets;
} Feedback;

struct _LinkSimFlow
{
  LinkSim *sim;
  LinkSimFlowConfig config;
  LkBandwidth *bandwidth;
  LkAllocator *allocator;
  LkPacer *pacer;
  LkAllocation allocation;
  LinkSimStats stats;

  /* sending */
  guint encoder_bps[LINK_SIM_MAX_LAYERS];
  gboolean wants_key[LINK_SIM_MAX_LAYERS];
  gboolean is_dropping[LINK_SIM_MAX_LAYERS];
  gint64 request_us[LINK_SIM_MAX_LAYERS];
  gint64 start_us, frame_us, audio_us, set_us, control_us, key_us;
  GQueue paced;
  gint64 next_seqnum;
  gdouble rtx_bytes, padding_bytes;
  guint rtx_window_bytes;
  gint64 rtx_window_us;
  guint rtx_bps;
  struct
  {
    gint64 seqnum, send_us, recv_us;
    guint bytes;
    gboolean has_arrived, is_rtx;
  } log[N_SEQNUMS];

  /* the receiver */
  gint64 reported, highest, feedback_us;
  guint n_held;
  GArray *late;                 /* gint64 numbers that came after they were reported lost */
  GQueue feedbacks;
};

struct _LinkSim
{
  LinkSimLink link;
  GRand *rand;
  gint64 now_us, last_arrival_us, cross_us;
  GPtrArray *flows;
  GQueue queue, flying;
  guint64 queue_bytes;
  gdouble tokens;
};

static void
feedback_free (Feedback * feedback)
{
  g_array_unref (feedback->packets);
  g_free (feedback);
}

static void
flow_free (LinkSimFlow * flow)
{
  lk_bandwidth_free (flow->bandwidth);
  lk_allocator_free (flow->allocator);
  lk_pacer_free (flow->pacer);
  g_array_unref (flow->stats.delays_us);
  g_array_unref (flow->late);
  g_queue_clear_full (&flow->paced, g_free);
  g_queue_clear_full (&flow->feedbacks, (GDestroyNotify) feedback_free);
  g_free (flow);
}

LinkSim *
link_sim_new (guint32 seed)
{
  LinkSim *sim = g_new0 (LinkSim, 1);

  sim->rand = g_rand_new_with_seed (seed);
  sim->flows = g_ptr_array_new_with_free_func ((GDestroyNotify) flow_free);
  sim->now_us = 1000000;
  sim->link = (LinkSimLink) {.bps = 10000000,.queue_bytes = 100000,.delay_us = 10000 };
  return sim;
}

void
link_sim_free (LinkSim * sim)
{
  g_ptr_array_unref (sim->flows);
  g_queue_clear_full (&sim->queue, g_free);
  g_queue_clear_full (&sim->flying, g_free);
  g_rand_free (sim->rand);
  g_free (sim);
}

LinkSimLink *
link_sim_link (LinkSim * sim)
{
  return &sim->link;
}

gint64
link_sim_now_us (LinkSim * sim)
{
  return sim->now_us;
}

LinkSimFlow *
link_sim_add_flow (LinkSim * sim, const LinkSimFlowConfig * config)
{
  LinkSimFlow *flow = g_new0 (LinkSimFlow, 1);
  gint64 now_us = sim->now_us;

  flow->sim = sim;
  flow->config = *config;
  flow->bandwidth = lk_bandwidth_new (&config->bandwidth, now_us);
  flow->allocator = lk_allocator_new ();
  lk_allocator_set_layers (flow->allocator, config->layers, config->n_layers);
  flow->pacer = lk_pacer_new (config->bandwidth.start_bps, now_us);
  flow->stats.delays_us = g_array_new (FALSE, FALSE, sizeof (gint64));
  flow->late = g_array_new (FALSE, FALSE, sizeof (gint64));
  flow->next_seqnum = 0x10000 + config->first_seqnum;
  flow->reported = flow->highest = flow->next_seqnum - 1;
  flow->start_us = flow->frame_us = flow->audio_us = flow->control_us = flow->rtx_window_us = now_us;
  flow->key_us = now_us;
  g_ptr_array_add (sim->flows, flow);
  return flow;
}

/* The link */

static void
enqueue (LinkSim * sim, LinkSimFlow * flow, gint64 seqnum, guint bytes, gboolean is_last)
{
  Packet *packet;

  if (sim->queue_bytes + bytes > sim->link.queue_bytes || g_rand_double (sim->rand) < sim->link.loss) {
    if (flow != NULL && seqnum >= 0) {
      flow->stats.n_lost++;
      flow->stats.last_loss_us = sim->now_us;
    }
    return;
  }
  packet = g_new0 (Packet, 1);
  *packet = (Packet) { flow, seqnum, sim->now_us, 0, bytes, is_last };
  g_queue_push_tail (&sim->queue, packet);
  sim->queue_bytes += bytes;
}

static gint
compare_arrivals (gconstpointer a, gconstpointer b, gpointer data)
{
  const Packet *x = a, *y = b;

  /* equal ones keep their order: g_queue_insert_sorted() asks with the older first */
  return x->arrival_us <= y->arrival_us ? -1 : 1;
}

static void
fly (LinkSim * sim, Packet * packet, gint64 departure_us)
{
  packet->arrival_us = departure_us + sim->link.delay_us;
  if (sim->link.jitter_us > 0)
    packet->arrival_us += g_rand_int_range (sim->rand, 0, (gint32) sim->link.jitter_us);
  if (packet->flow == NULL) {
    g_free (packet);
    return;
  }
  if (!sim->link.is_reordering)
    packet->arrival_us = MAX (packet->arrival_us, sim->last_arrival_us);
  sim->last_arrival_us = MAX (sim->last_arrival_us, packet->arrival_us);
  g_queue_insert_sorted (&sim->flying, packet, compare_arrivals, NULL);
}

static void
serve (LinkSim * sim)
{
  gdouble per_step = sim->link.bps / 8e6 * STEP_US, begin;
  Packet *packet;

  if (sim->link.spike_us > 0 && sim->now_us % 1000000 < sim->link.spike_us)
    return;
  begin = sim->tokens;
  sim->tokens += per_step;
  while ((packet = g_queue_peek_head (&sim->queue)) != NULL && sim->tokens >= packet->bytes) {
    gdouble part;

    g_queue_pop_head (&sim->queue);
    sim->tokens -= packet->bytes;
    sim->queue_bytes -= packet->bytes;
    part = CLAMP (1 - (sim->tokens + MAX (0, -begin)) / per_step, 0, 1);
    fly (sim, packet, sim->now_us + (gint64) (part * STEP_US));
  }
  if (packet == NULL)
    sim->tokens = MIN (sim->tokens, MAX (sim->link.burst_bytes, per_step));
}

static void
send_cross_traffic (LinkSim * sim)
{
  if (sim->link.cross_bps == 0) {
    sim->cross_us = sim->now_us;
    return;
  }
  while (sim->cross_us <= sim->now_us) {
    enqueue (sim, NULL, -1, 1200, FALSE);
    sim->cross_us += 1200 * 8000000LL / sim->link.cross_bps;
  }
}

/* The sender */

static void
send_numbered (LinkSimFlow * flow, guint bytes, gboolean is_last, gboolean is_padding, gboolean is_rtx)
{
  LinkSim *sim = flow->sim;
  gint64 seqnum = flow->next_seqnum++;
  guint slot = (guint) (seqnum % N_SEQNUMS);

  flow->log[slot].seqnum = seqnum;
  flow->log[slot].send_us = sim->now_us;
  flow->log[slot].bytes = bytes;
  flow->log[slot].has_arrived = FALSE;
  flow->log[slot].is_rtx = is_padding || is_rtx;
  flow->stats.n_sent++;
  flow->stats.sent_bytes += bytes;
  lk_bandwidth_sent (flow->bandwidth, bytes, is_padding, sim->now_us);
  enqueue (sim, flow, seqnum, bytes, is_last);
}

static void
make_frame (LinkSimFlow * flow, guint layer)
{
  LinkSim *sim = flow->sim;
  guint bps = flow->config.is_fixed ? flow->config.layers[layer].max_bps * 0.94 : flow->encoder_bps[layer];
  gboolean is_key = flow->wants_key[layer];
  guint bytes = bps / 8e6 * FRAME_US * g_rand_double_range (sim->rand, 0.8, 1.2);

  if (!flow->allocation.layers[layer].is_on || bytes == 0)
    return;
  bytes = is_key ? 5 * bytes : bytes;
  flow->wants_key[layer] = FALSE;
  flow->is_dropping[layer] = !lk_pacer_has_room (flow->pacer, sim->now_us) || (flow->is_dropping[layer] && !is_key);
  if (flow->is_dropping[layer])
    return;
  while (bytes > 0) {
    guint part = MIN (bytes, PAYLOAD_BYTES);
    Packet *packet = g_new0 (Packet, 1);

    bytes -= part;
    *packet = (Packet) { flow, 0, 0, 0, part + HEADER_BYTES, bytes == 0 };
    lk_pacer_queued (flow->pacer, packet->bytes);
    g_queue_push_tail (&flow->paced, packet);
  }
}

static void
make_media (LinkSimFlow * flow)
{
  LinkSim *sim = flow->sim;

  while (flow->frame_us <= sim->now_us) {
    for (guint i = 0; i < flow->config.n_layers; i++) {
      if (flow->config.key_frame_s > 0 && sim->now_us - flow->key_us >= flow->config.key_frame_s * 1e6)
        flow->wants_key[i] = TRUE;
      make_frame (flow, i);
    }
    if (flow->config.key_frame_s > 0 && sim->now_us - flow->key_us >= flow->config.key_frame_s * 1e6)
      flow->key_us = sim->now_us;
    flow->frame_us += FRAME_US;
  }
  while (flow->config.audio_bps > 0 && flow->audio_us <= sim->now_us) {
    guint bytes = flow->config.audio_bps / 8e6 * AUDIO_US;

    lk_pacer_sent (flow->pacer, bytes, FALSE, sim->now_us);
    enqueue (sim, flow, -1, bytes, FALSE);
    flow->audio_us += AUDIO_US;
  }
}

static void
send_paced (LinkSimFlow * flow)
{
  gint64 now_us = flow->sim->now_us;

  while (!g_queue_is_empty (&flow->paced)
      && (flow->config.is_greedy || lk_pacer_wait_us (flow->pacer, now_us) == 0)) {
    g_autofree Packet *packet = g_queue_pop_head (&flow->paced);

    lk_pacer_sent (flow->pacer, packet->bytes, TRUE, now_us);
    send_numbered (flow, packet->bytes, packet->is_last, FALSE, FALSE);
  }
}

static void
send_padding (LinkSimFlow * flow, guint padding_bps)
{
  flow->padding_bytes = MIN (flow->padding_bytes + padding_bps / 8e6 * STEP_US, 3000);
  while (padding_bps > 0 && flow->padding_bytes > 1160 && g_queue_is_empty (&flow->paced)) {
    flow->padding_bytes -= 1160;
    flow->stats.n_padding++;
    lk_pacer_sent (flow->pacer, 1160, FALSE, flow->sim->now_us);
    send_numbered (flow, 1160, FALSE, TRUE, FALSE);
  }
}

static void
repair (LinkSimFlow * flow, guint bytes)
{
  if (flow->rtx_bytes < bytes)
    return;
  flow->rtx_bytes -= bytes;
  flow->stats.n_rtx++;
  flow->rtx_window_bytes += bytes;
  lk_pacer_sent (flow->pacer, bytes, FALSE, flow->sim->now_us);
  send_numbered (flow, bytes, FALSE, FALSE, TRUE);
}

static void
set_encoders (LinkSimFlow * flow)
{
  gint64 now_us = flow->sim->now_us;

  if (now_us - flow->set_us < SET_BITRATE_US)
    return;
  flow->set_us = now_us;
  for (guint i = 0; i < flow->config.n_layers; i++)
    flow->encoder_bps[i] = flow->allocation.layers[i].encoder_bps;
}

static void
share_out (LinkSimFlow * flow)
{
  gint64 now_us = flow->sim->now_us;
  LkBandwidthStatus status;
  LkAllocatorInput input = { 0 };

  if (now_us - flow->rtx_window_us >= 1000000) {
    flow->rtx_bps = flow->rtx_window_bytes * 8;
    flow->rtx_window_bytes = 0;
    flow->rtx_window_us = now_us;
  }
  lk_bandwidth_get_status (flow->bandwidth, now_us, &status);
  input.target_bps = status.target_bps;
  input.steady_bps = status.steady_bps;
  input.is_congested = status.is_congested;
  input.audio_bps = flow->config.audio_bps;
  input.rtx_bps = flow->rtx_bps;
  lk_allocator_share (flow->allocator, &input, now_us, &flow->allocation);
  lk_bandwidth_set_wanted (flow->bandwidth, flow->allocation.wanted_bps);
  lk_pacer_set_rate (flow->pacer, status.target_bps, now_us);
  set_encoders (flow);
}

static void
control (LinkSimFlow * flow)
{
  gint64 now_us = flow->sim->now_us;
  LkBandwidthStatus status;

  if (now_us >= flow->control_us) {
    lk_bandwidth_tick (flow->bandwidth, now_us);
    share_out (flow);
    flow->control_us += CONTROL_US;
  }
  for (guint i = 0; i < flow->config.n_layers; i++) {
    if (flow->is_dropping[i] && now_us >= flow->request_us[i] && lk_pacer_may_resume (flow->pacer, now_us)) {
      flow->request_us[i] = now_us + 1000000;
      flow->wants_key[i] = TRUE;
      flow->stats.n_key_requests++;
    }
  }
  lk_bandwidth_get_status (flow->bandwidth, now_us, &status);
  send_padding (flow, status.padding_bps);
  flow->rtx_bytes = MIN (flow->rtx_bytes + flow->allocation.rtx_bps / 8e6 * STEP_US, 6000);
}

/* The receiver */

static void
append_fate (LinkSimFlow * flow, Feedback * feedback, gint64 seqnum)
{
  guint slot = (guint) (seqnum % N_SEQNUMS);
  LkBandwidthPacket packet = { (guint16) seqnum, !flow->log[slot].has_arrived, flow->log[slot].bytes,
    flow->log[slot].send_us, flow->log[slot].recv_us
  };

  if (flow->log[slot].seqnum == seqnum)
    g_array_append_val (feedback->packets, packet);
}

static void
answer (LinkSimFlow * flow)
{
  LinkSim *sim = flow->sim;
  Feedback *feedback = g_new0 (Feedback, 1);

  feedback->due_us = sim->now_us + sim->link.delay_us;
  feedback->packets = g_array_new (FALSE, FALSE, sizeof (LkBandwidthPacket));
  for (guint i = 0; i < flow->late->len; i++)
    append_fate (flow, feedback, g_array_index (flow->late, gint64, i));
  for (gint64 seqnum = flow->reported + 1; seqnum <= flow->highest; seqnum++)
    append_fate (flow, feedback, seqnum);
  g_array_set_size (flow->late, 0);
  flow->reported = flow->highest;
  flow->n_held = 0;
  flow->feedback_us = sim->now_us;
  if (g_rand_double (sim->rand) < sim->link.feedback_loss)
    feedback_free (feedback);
  else
    g_queue_push_tail (&flow->feedbacks, feedback);
}

static void
receive (LinkSimFlow * flow, const Packet * packet)
{
  LinkSim *sim = flow->sim;
  guint slot = (guint) (packet->seqnum % N_SEQNUMS);
  gint64 delay_us = packet->arrival_us - packet->send_us;
  gint64 since_us = sim->now_us - flow->feedback_us;
  gint64 recv_us = (gint64) (packet->arrival_us * (1 + sim->link.drift_ppm / 1e6)) + sim->link.clock_step_us;

  if (packet->seqnum < 0 || flow->log[slot].seqnum != packet->seqnum)
    return;
  flow->log[slot].has_arrived = TRUE;
  flow->log[slot].recv_us = recv_us / 250 * 250 + 77000000;
  flow->stats.received_bytes += packet->bytes;
  g_array_append_val (flow->stats.delays_us, delay_us);
  if (packet->seqnum <= flow->reported)
    g_array_append_val (flow->late, packet->seqnum);
  flow->highest = MAX (flow->highest, packet->seqnum);
  flow->n_held++;
  if (flow->n_held > 20 && (since_us >= 100000 || flow->n_held > 100 || (packet->is_last && since_us >= 50000)))
    answer (flow);
}

static void
take_feedback (LinkSimFlow * flow)
{
  Feedback *feedback;

  while ((feedback = g_queue_peek_head (&flow->feedbacks)) != NULL && feedback->due_us <= flow->sim->now_us) {
    g_queue_pop_head (&flow->feedbacks);
    lk_bandwidth_feedback (flow->bandwidth, (LkBandwidthPacket *) feedback->packets->data, feedback->packets->len,
        flow->sim->now_us);
    share_out (flow);
    for (guint i = 0; i < feedback->packets->len; i++) {
      LkBandwidthPacket *packet = &g_array_index (feedback->packets, LkBandwidthPacket, i);

      if (packet->is_lost)
        repair (flow, packet->bytes);
    }
    feedback_free (feedback);
  }
}

static void
step (LinkSim * sim)
{
  Packet *packet;

  send_cross_traffic (sim);
  for (guint i = 0; i < sim->flows->len; i++) {
    LinkSimFlow *flow = g_ptr_array_index (sim->flows, i);

    take_feedback (flow);
    control (flow);
    make_media (flow);
    send_paced (flow);
  }
  serve (sim);
  sim->now_us += STEP_US;
  while ((packet = g_queue_peek_head (&sim->flying)) != NULL && packet->arrival_us <= sim->now_us) {
    g_queue_pop_head (&sim->flying);
    receive (packet->flow, packet);
    g_free (packet);
  }
}

void
link_sim_run (LinkSim * sim, gint64 duration_us)
{
  gint64 until_us = sim->now_us + duration_us;

  while (sim->now_us < until_us)
    step (sim);
}

LinkSimStats *
link_sim_stats (LinkSimFlow * flow)
{
  return &flow->stats;
}

void
link_sim_clear_stats (LinkSimFlow * flow)
{
  GArray *delays_us = flow->stats.delays_us;

  g_array_set_size (delays_us, 0);
  flow->stats = (LinkSimStats) {.delays_us = delays_us };
}

static gint
compare_times (gconstpointer a, gconstpointer b)
{
  const gint64 *x = a, *y = b;

  return *x < *y ? -1 : *x > *y;
}

gint64
link_sim_delay_percentile_us (LinkSimFlow * flow, guint percent)
{
  GArray *delays_us = flow->stats.delays_us;

  if (delays_us->len == 0)
    return 0;
  g_array_sort (delays_us, compare_times);
  return g_array_index (delays_us, gint64, (delays_us->len - 1) * percent / 100);
}

LkBandwidth *
link_sim_bandwidth (LinkSimFlow * flow)
{
  return flow->bandwidth;
}

LkPacer *
link_sim_pacer (LinkSimFlow * flow)
{
  return flow->pacer;
}

const LkAllocation *
link_sim_allocation (LinkSimFlow * flow)
{
  return &flow->allocation;
}

guint
link_sim_target_bps (LinkSimFlow * flow)
{
  LkBandwidthStatus status;

  lk_bandwidth_get_status (flow->bandwidth, flow->sim->now_us, &status);
  return status.target_bps;
}
