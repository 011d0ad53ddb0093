/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkbandwidth: what a path carries, estimated by who sends from the feedback of who receives. */

#include "lkbandwidth.h"

#include <string.h>

#include "lkdelay.h"
#include "lkrate.h"

/* A trend alone may be jitter's: a queue must stand as well. */
#define SMALL_QUEUE_US 10000
#define FULL_QUEUE_US 40000
/* How long a shorter rate is taken over on a full queue, where arrivals are as even as the link: it knows sooner. */
#define SHORT_WINDOW_US 200000
#define SHORT_WINDOW_PACKETS 8
/* An encoder needs that long to obey. */
#define OBEY_US 250000

#define BETA_MAX 0.90
#define BETA_MIN 0.60
#define BETA_LOSS 0.85
#define LEAST_RELEARNT 0.7
/* Where to go on once the queue is gone. Two flows come to share fairly by the difference to 1. */
#define AFTER_DRAIN 0.90
#define AFTER_MISTAKE 1.0

/* Below that of the capacity it is made up fast; so much more must have arrived, without a queue, to prove it wrong.
 * A target above it proves nothing: encoders do not fill it. */
#define NEAR_LOW 0.80
#define NEAR_PROVEN 0.05
/* Shapers let a burst pass that they saved up: a tenth more for so long, or as much in less time. */
#define PROOF 0.10
#define PROOF_US 1200000
/* The same for all flows, so that they come closer, and no faster than a browser's, which would get little else. The
 * longer the queue stays empty, the less the capacity is believed. */
#define RISE_NEAR_BPS 40000     /* a second */
#define RISE_NEAR_US 4000000
#define RISE_MORE_BPS 45000     /* a second, more each second after that */
#define RISE_NEAR_MAX 0.15      /* a second */
#define RISE_FAR 0.50
/* Padding ends at once when it is too much, so that a probe may be bolder than an encoder. */
#define RISE_PROBE 0.15
#define LONGEST_STEP_US 700000

#define LOSS_HIGH 0.10
#define LOSS_LOW 0.03
#define LOSS_WINDOW_US 3000000
#define LOSS_MIN_PACKETS 20
#define LOSS_BUCKET_US 1000000
#define LOSS_BUCKET_PACKETS 50
#define N_LOSS_BUCKETS 10

/* The server answers what arrives when it holds more than 20 packets: before that, and in a pause, it owes nothing.
 * Less outstanding is no silence. */
#define OWED_PACKETS 21
#define OWED_PAUSE_US 500000
#define SILENCE_PACKETS 60
#define SILENCE_US 1000000
#define SILENCE_FACTOR 0.7

#define PROBE_QUIET_US 2000000
#define PROBE_RETRY_US 5000000
#define USED 0.85

/* Far above what any clock says, far below what overflows. */
#define TIME_LIMIT_US (G_GINT64_CONSTANT (1) << 52)
#define N_SEEN 4096

enum
{
  SEEN_NOTHING,
  SEEN_LOST,
  SEEN_ARRIVED,
};

struct _LkBandwidth
{
  LkBandwidthConfig config;
  gdouble target_bps;
  guint wanted_bps;
  gint64 now_us;
  LkBandwidthReason reason;

  /* feedback */
  LkDelay *delay;
  LkRate acked;
  gboolean has_feedback;
  gint64 feedback_us, decided_us, newest_send_us;
  gint64 last_seqnum;           /* unwrapped */
  gint64 seen_seqnum[N_SEEN];
  guint8 seen[N_SEEN];

  /* sending */
  LkRate media, padding;
  guint n_outstanding;
  gint64 sent_us;
  gint64 owed_us;               /* since when an answer to them should be on its way */
  gint64 silence_us;
  gdouble before_silence_bps;

  /* congestion: from the first decrease until the queue is gone */
  gboolean is_congested, was_congested;
  guint capacity_bps;           /* what arrived when the queue was full; 0: not known */
  gint64 decrease_us, progress_us;
  gint64 disproved_us;          /* since when more than the capacity arrives */
  gint64 decrease_queue_us;     /* the queue since the last decrease, lowered as it drains */
  guint decrease_acked_bps;

  /* losses: since the last decrease, about the last second, and the least of ten seconds */
  guint n_window, n_window_lost;
  gint64 window_us;
  gdouble loss;
  guint n_bucket, n_bucket_lost;
  gint64 bucket_us;
  gdouble bucket_loss[N_LOSS_BUCKETS];
  guint n_buckets;

  /* probing */
  gboolean is_probing;
  gint64 probe_us;
};

static void
set_target (LkBandwidth * self, gdouble bps)
{
  self->target_bps = CLAMP (bps, self->config.min_bps, self->config.max_bps);
}

static void
forget_path (LkBandwidth * self)
{
  lk_delay_reset (self->delay);
  lk_rate_clear (&self->acked);
  lk_rate_clear (&self->media);
  lk_rate_clear (&self->padding);
  memset (self->seen, SEEN_NOTHING, sizeof self->seen);
  self->has_feedback = FALSE;
  self->n_outstanding = 0;
  self->is_congested = self->was_congested = FALSE;
  self->capacity_bps = 0;
  self->n_window = self->n_window_lost = 0;
  self->n_bucket = self->n_bucket_lost = self->n_buckets = 0;
  self->loss = 0;
  self->is_probing = FALSE;
  self->window_us = self->bucket_us = self->decided_us = self->silence_us = self->owed_us = self->sent_us
      = self->probe_us = self->now_us;
  self->decrease_us = self->progress_us = self->disproved_us = self->now_us;
  self->reason = LK_BANDWIDTH_RISING;
}

LkBandwidth *
lk_bandwidth_new (const LkBandwidthConfig * config, gint64 now_us)
{
  LkBandwidth *self;

  g_return_val_if_fail (config->min_bps > 0 && config->min_bps <= config->max_bps, NULL);
  self = g_new0 (LkBandwidth, 1);
  self->config = *config;
  self->now_us = now_us;
  self->delay = lk_delay_new ();
  forget_path (self);
  set_target (self, config->start_bps);
  return self;
}

void
lk_bandwidth_free (LkBandwidth * self)
{
  lk_delay_free (self->delay);
  g_free (self);
}

/* Time does not go back here, whatever the caller's clock does. */
static void
set_now (LkBandwidth * self, gint64 now_us)
{
  self->now_us = CLAMP (now_us, self->now_us, MAX (self->now_us, TIME_LIMIT_US));
}

void
lk_bandwidth_reset (LkBandwidth * self, gint64 now_us)
{
  set_now (self, now_us);
  if (self->reason == LK_BANDWIDTH_SILENCE)
    set_target (self, MAX (self->target_bps, self->before_silence_bps));
  forget_path (self);
  set_target (self, MAX (self->target_bps / 2, MIN (self->target_bps, self->config.start_bps)));
}

void
lk_bandwidth_set_wanted (LkBandwidth * self, guint wanted_bps)
{
  self->wanted_bps = wanted_bps;
}

void
lk_bandwidth_sent (LkBandwidth * self, guint bytes, gboolean is_padding, gint64 now_us)
{
  set_now (self, now_us);
  lk_rate_add (is_padding ? &self->padding : &self->media, self->now_us, MIN (bytes, G_MAXUINT16));
  if (self->n_outstanding == 0)
    self->silence_us = self->now_us;
  self->n_outstanding++;
  if (self->n_outstanding == OWED_PACKETS || self->now_us - self->sent_us > OWED_PAUSE_US)
    self->owed_us = self->now_us;
  self->sent_us = self->now_us;
}

/* Losses */

static gdouble
usual_loss (LkBandwidth * self)
{
  gdouble least = 1.0;

  /* one second proves nothing: what is always lost is what was lost at several rates */
  if (self->n_buckets < 2)
    return 0;
  for (guint i = 0; i < MIN (self->n_buckets, N_LOSS_BUCKETS); i++)
    least = MIN (least, self->bucket_loss[i]);
  return least;
}

static void
restart_loss_window (LkBandwidth * self)
{
  self->n_window = self->n_window_lost = 0;
  self->window_us = self->now_us;
}

static void
finish_loss_bucket (LkBandwidth * self)
{
  if (self->now_us - self->bucket_us < LOSS_BUCKET_US || self->n_bucket < LOSS_BUCKET_PACKETS)
    return;
  self->bucket_loss[self->n_buckets % N_LOSS_BUCKETS] = (gdouble) self->n_bucket_lost / self->n_bucket;
  self->n_buckets++;
  if (self->n_buckets == 2 * N_LOSS_BUCKETS)
    self->n_buckets = N_LOSS_BUCKETS;
  self->n_bucket = self->n_bucket_lost = 0;
  self->bucket_us = self->now_us;
}

static void
count_losses (LkBandwidth * self, guint n_arrived, guint n_lost, guint n_repaired, guint n_old)
{
  guint n = n_arrived + n_lost;

  if (n == 0)
    return;
  if (self->now_us - self->window_us > LOSS_WINDOW_US)
    restart_loss_window (self);
  self->n_window += n - MIN (n, n_old);
  self->n_window_lost += n_lost - MIN (n_lost, n_old);
  self->n_bucket += n;
  self->n_bucket_lost += n_lost;
  /* what was given up and came after all had only lost its way */
  self->n_window_lost -= MIN (n_repaired, self->n_window_lost);
  self->n_bucket_lost -= MIN (n_repaired, self->n_bucket_lost);
  finish_loss_bucket (self);
  /* the last hundred packets or so */
  self->loss += ((gdouble) (n_lost - MIN (n_repaired, n_lost)) / n - self->loss) * n / (n + 50.0);
}

/* So many were lost that chance cannot be it: two standard deviations above the limit. */
static gboolean
is_lossy (LkBandwidth * self)
{
  gdouble usual = usual_loss (self) * self->n_window;
  gdouble excess = self->n_window_lost - usual - LOSS_HIGH * self->n_window;

  if (self->n_window < LOSS_MIN_PACKETS)
    return FALSE;
  return excess > 0 && excess * excess > 4.0 * self->n_window_lost;
}

/* Feedback */

static gint64
unwrap_seqnum (LkBandwidth * self, guint16 seqnum)
{
  if (!self->has_feedback)
    return 0x10000 + seqnum;
  return self->last_seqnum + (gint16) (guint16) (seqnum - (guint16) self->last_seqnum);
}

/* The fate known so far, which @fate replaces. */
static guint8
remember_fate (LkBandwidth * self, guint16 number, guint8 fate)
{
  gint64 seqnum = unwrap_seqnum (self, number);
  guint slot = (guint) ((guint64) seqnum % N_SEEN);
  guint8 known = self->seen_seqnum[slot] == seqnum ? self->seen[slot] : SEEN_NOTHING;

  self->has_feedback = TRUE;
  self->last_seqnum = MAX (self->last_seqnum, seqnum);
  self->seen_seqnum[slot] = seqnum;
  self->seen[slot] = MAX (known, fate);
  return known;
}

static void
take_arrived (LkBandwidth * self, const LkBandwidthPacket * packet)
{
  gint64 send_us = CLAMP (packet->send_us, -TIME_LIMIT_US, TIME_LIMIT_US);
  gint64 recv_us = CLAMP (packet->recv_us, -TIME_LIMIT_US, TIME_LIMIT_US);

  if (!lk_delay_add (self->delay, send_us, recv_us)) {
    lk_rate_clear (&self->acked);
    self->newest_send_us = send_us;
  }
  lk_rate_add (&self->acked, recv_us, MIN (packet->bytes, G_MAXUINT16));
  self->newest_send_us = MAX (self->newest_send_us, send_us);
}

/* FALSE when nothing in it was new. */
static gboolean
take_packets (LkBandwidth * self, const LkBandwidthPacket * packets, guint n_packets)
{
  guint n_arrived = 0, n_lost = 0, n_repaired = 0, n_old = 0;

  for (guint i = 0; i < n_packets; i++) {
    guint8 known = remember_fate (self, packets[i].seqnum, packets[i].is_lost ? SEEN_LOST : SEEN_ARRIVED);

    if (packets[i].is_lost) {
      n_lost += known == SEEN_NOTHING;
      /* lost before the last decrease: it has been answered */
      n_old += known == SEEN_NOTHING && packets[i].send_us < self->decrease_us;
    } else if (known != SEEN_ARRIVED) {
      take_arrived (self, &packets[i]);
      n_arrived++;
      n_repaired += known == SEEN_LOST;
    }
  }
  count_losses (self, n_arrived, n_lost, n_repaired, n_old);
  return n_arrived + n_lost > 0;
}

/* What the link carries, measured where it is full. */
static guint
acked_now (LkBandwidth * self)
{
  gint64 until_us = self->acked.latest_us;

  if (lk_rate_n_packets (&self->acked, SHORT_WINDOW_US, until_us) < SHORT_WINDOW_PACKETS)
    return lk_rate_bps (&self->acked, LK_RATE_WINDOW_US, until_us);
  return lk_rate_bps (&self->acked, SHORT_WINDOW_US, until_us);
}

static guint
acked_half_second (LkBandwidth * self)
{
  return lk_rate_bps (&self->acked, LK_RATE_WINDOW_US, self->acked.latest_us);
}

/* Until what is sent now is reported. */
static gint64
response_us (LkBandwidth * self)
{
  return CLAMP (self->now_us - self->newest_send_us, 0, 1000000);
}

/* Down */

static void
learn_capacity (LkBandwidth * self, guint acked_bps)
{
  gdouble change = self->capacity_bps > 0 ? (gdouble) acked_bps / self->capacity_bps : 0;

  if (change > 0.85 && change < 1.15)
    self->capacity_bps = (guint) (0.5 * self->capacity_bps + 0.5 * acked_bps);
  else
    self->capacity_bps = acked_bps;
}

static void
fail_probe (LkBandwidth * self)
{
  if (!self->is_probing)
    return;
  self->is_probing = FALSE;
  self->probe_us = self->now_us + PROBE_RETRY_US;
}

static void
begin_decrease (LkBandwidth * self, gint64 queue_us, guint acked_bps)
{
  self->is_congested = self->was_congested = TRUE;
  self->decrease_us = self->progress_us = self->disproved_us = self->now_us;
  self->decrease_queue_us = queue_us;
  self->decrease_acked_bps = acked_bps;
  restart_loss_window (self);
  fail_probe (self);
}

static void
decrease_for_queue (LkBandwidth * self, gint64 queue_us)
{
  guint acked_bps = acked_now (self);
  /* a second's worth of queue is to be gone in about two */
  gdouble beta = CLAMP (BETA_MAX + 0.02 - queue_us / 1e6, BETA_MIN, BETA_MAX);

  if (acked_bps == 0)
    return;
  /* after the first time, what arrives may be little because little is sent */
  if (self->is_congested)
    acked_bps = MAX (acked_bps, (guint) (LEAST_RELEARNT * self->capacity_bps));
  learn_capacity (self, acked_bps);
  set_target (self, MIN (self->target_bps, beta * acked_bps));
  begin_decrease (self, queue_us, acked_bps);
  self->reason = LK_BANDWIDTH_QUEUE;
}

static void
decrease_for_loss (LkBandwidth * self, gint64 queue_us)
{
  guint acked_bps = acked_now (self);
  gdouble loss = (gdouble) self->n_window_lost / self->n_window - usual_loss (self);

  learn_capacity (self, acked_bps);
  /* without the second term a stream of losses takes the target to nothing */
  set_target (self, MIN (self->target_bps, MAX (self->target_bps * (1 - 0.5 * loss), BETA_LOSS * acked_bps)));
  begin_decrease (self, queue_us, acked_bps);
  self->reason = LK_BANDWIDTH_LOSS;
}

/* Less was sent and arrived, nothing was lost, and the delay is what it was: a longer route, or somebody else's queue
 * that we would starve behind. */
static gboolean
is_not_our_queue (LkBandwidth * self, gint64 queue_us)
{
  return self->is_congested && queue_us >= 0.9 * self->decrease_queue_us
      && self->now_us - self->progress_us > OBEY_US + response_us (self)
      && self->n_window_lost == 0 && acked_now (self) < 0.95 * self->decrease_acked_bps;
}

/* Whether the last decrease has had its time, or was not enough at once. */
static gboolean
may_decrease (LkBandwidth * self, gint64 queue_us)
{
  if (!self->is_congested)
    return TRUE;
  /* nothing of what is reported was sent since */
  if (self->newest_send_us < self->decrease_us + OBEY_US / 2)
    return FALSE;
  if (queue_us > self->decrease_queue_us + 20000)
    return TRUE;
  return self->now_us - self->progress_us > OBEY_US + response_us (self);
}

static void
note_progress (LkBandwidth * self, gint64 queue_us)
{
  if (queue_us >= 0.9 * self->decrease_queue_us)
    return;
  self->decrease_queue_us = queue_us;
  self->progress_us = self->now_us;
}

static void
end_congestion (LkBandwidth * self, gdouble part)
{
  self->is_congested = FALSE;
  set_target (self, MAX (self->target_bps, part * self->capacity_bps));
  self->reason = LK_BANDWIDTH_STEADY;
}

/* Up */

static gdouble
rise_bps_per_s (LkBandwidth * self)
{
  gint64 longer_us = MAX (self->now_us - self->decrease_us - RISE_NEAR_US, 0);

  if (self->capacity_bps == 0 || self->target_bps < NEAR_LOW * self->capacity_bps)
    return RISE_FAR * self->target_bps;
  if (self->is_probing)
    return RISE_PROBE * self->target_bps;
  return MIN (RISE_NEAR_BPS + RISE_MORE_BPS * (longer_us / 1e6), RISE_NEAR_MAX * self->target_bps);
}

static void
doubt_capacity (LkBandwidth * self, guint acked_bps)
{
  gdouble more = (gdouble) acked_bps / self->capacity_bps - 1;

  if (more <= NEAR_PROVEN)
    self->disproved_us = self->now_us;
  else if ((self->now_us - self->disproved_us) * more > PROOF_US * MIN (more, PROOF))
    self->capacity_bps = 0;
}

static void
increase (LkBandwidth * self, gint64 elapsed_us)
{
  guint acked_bps = acked_half_second (self);
  gdouble ceiling = MAX (1.5 * acked_bps + 10000, self->target_bps);
  gdouble rise = rise_bps_per_s (self) * elapsed_us / 1e6;

  if (self->loss - usual_loss (self) > LOSS_LOW)
    return;
  if (self->capacity_bps > 0 && lk_delay_queue_us (self->delay) > SMALL_QUEUE_US / 2)
    return;
  set_target (self, MIN (self->target_bps + rise, ceiling));
  /* what arrived without a queue fits */
  set_target (self, MAX (self->target_bps, 0.95 * acked_bps));
  doubt_capacity (self, acked_bps);
  if (self->capacity_bps > 0)
    self->reason = LK_BANDWIDTH_STEADY;
  else
    self->reason = ceiling > self->target_bps ? LK_BANDWIDTH_RISING : LK_BANDWIDTH_UNUSED;
}

static void
decide (LkBandwidth * self)
{
  gint64 queue_us = lk_delay_queue_us (self->delay);
  gint64 elapsed_us = CLAMP (self->now_us - self->decided_us, 0, LONGEST_STEP_US);
  gboolean is_over = lk_delay_usage (self->delay) == LK_DELAY_OVERUSE && queue_us > SMALL_QUEUE_US;

  self->decided_us = self->now_us;
  if (self->is_congested)
    note_progress (self, queue_us);
  if (is_not_our_queue (self, queue_us)) {
    lk_delay_rebase (self->delay);
    end_congestion (self, AFTER_MISTAKE);
  } else if (is_over || queue_us > FULL_QUEUE_US) {
    if (may_decrease (self, queue_us))
      decrease_for_queue (self, queue_us);
  } else if (is_lossy (self)) {
    if (may_decrease (self, queue_us))
      decrease_for_loss (self, queue_us);
  } else if (self->is_congested) {
    if (queue_us < SMALL_QUEUE_US)
      end_congestion (self, AFTER_DRAIN);
  } else {
    increase (self, elapsed_us);
  }
}

void
lk_bandwidth_feedback (LkBandwidth * self, const LkBandwidthPacket * packets, guint n_packets, gint64 now_us)
{
  set_now (self, now_us);
  if (!take_packets (self, packets, n_packets))
    return;
  self->feedback_us = self->silence_us = self->now_us;
  self->n_outstanding = 0;
  /* a path that was gone, not one that was full: that would have been seen */
  if (self->reason == LK_BANDWIDTH_SILENCE) {
    set_target (self, MAX (self->target_bps, (self->was_congested ? SILENCE_FACTOR : 1) * self->before_silence_bps));
    self->reason = LK_BANDWIDTH_STEADY;
  }
  decide (self);
}

/* Silence and probes */

static void
check_silence (LkBandwidth * self)
{
  /* a server that has never answered may not know how */
  if (!self->has_feedback)
    return;
  /* what is known of the queue is old, be it that nothing was sent or that nothing came back */
  if (self->now_us - self->silence_us >= SILENCE_US) {
    lk_delay_clear_trend (self->delay);
    restart_loss_window (self);
    self->is_congested = FALSE;
    self->silence_us = self->now_us;
  }
  if (self->n_outstanding < SILENCE_PACKETS || self->now_us - self->owed_us < SILENCE_US)
    return;
  self->owed_us = self->now_us;
  if (self->reason != LK_BANDWIDTH_SILENCE)
    self->before_silence_bps = self->target_bps;
  set_target (self, self->target_bps * SILENCE_FACTOR);
  fail_probe (self);
  self->reason = LK_BANDWIDTH_SILENCE;
}

static void
check_probe (LkBandwidth * self)
{
  if (self->wanted_bps <= self->target_bps) {
    self->is_probing = FALSE;
    return;
  }
  if (self->is_probing || self->is_congested || self->now_us < self->probe_us
      || self->now_us - self->decrease_us < PROBE_QUIET_US)
    return;
  self->is_probing = lk_rate_bps (&self->media, LK_RATE_WINDOW_US, self->now_us) < USED * self->target_bps;
}

void
lk_bandwidth_tick (LkBandwidth * self, gint64 now_us)
{
  set_now (self, now_us);
  check_silence (self);
  check_probe (self);
}

void
lk_bandwidth_get_status (LkBandwidth * self, gint64 now_us, LkBandwidthStatus * status)
{
  set_now (self, now_us);
  memset (status, 0, sizeof *status);
  status->target_bps = (guint) self->target_bps;
  status->acked_bps = acked_half_second (self);
  status->sent_bps = lk_rate_bps (&self->media, LK_RATE_WINDOW_US, self->now_us);
  status->queue_us = lk_delay_queue_us (self->delay);
  status->loss = self->loss;
  status->is_congested = self->is_congested;
  status->is_limited = self->was_congested;
  status->steady_bps = status->target_bps;
  if (self->is_congested)
    status->steady_bps = MAX (status->target_bps, (guint) (AFTER_DRAIN * self->capacity_bps));
  status->reason = self->reason;
  status->is_probing = self->is_probing;
  if (self->is_probing && status->sent_bps < status->target_bps)
    status->padding_bps = MIN (status->target_bps, self->wanted_bps) - MIN (status->sent_bps, self->wanted_bps);
}

const gchar *
lk_bandwidth_reason_name (LkBandwidthReason reason)
{
  static const gchar *names[] = { "steady", "rising", "unused", "queue", "loss", "silence" };

  return (guint) reason < G_N_ELEMENTS (names) ? names[reason] : "unknown";
}
