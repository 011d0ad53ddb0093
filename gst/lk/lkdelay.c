/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkdelay: what the delays of packets say about the queue they went through. */

#include "lkdelay.h"

#include <string.h>

#define GROUP_US 5000           /* gcc-02 §5.2: burst_time */
#define LONGEST_GROUP_US 100000
#define N_SLOPE 20
#define SMOOTHING 0.9
#define GAIN 4.0
#define MAX_DELTAS 60
#define THRESHOLD_START_MS 12.5 /* gcc-02 §5.5: del_var_th (0) */
#define THRESHOLD_MIN_MS 6.0
#define THRESHOLD_MAX_MS 600.0
#define THRESHOLD_OUTLIER_MS 15.0
#define THRESHOLD_UP 0.0087
#define THRESHOLD_DOWN 0.039
#define OVERUSE_US 10000        /* gcc-02 §5.5: overuse_time_th */

/* No queue changes by more between two packets; a clock that was set does. */
#define JUMP_US 3000000
#define PAUSE_US 1000000
#define STANDING_US 100000
#define STANDING_PACKETS 5
#define N_RECENT 256
/* The base must outlive a queue that drains in seconds, and not a drift of 100 ppm: half a minute is 3 ms. */
#define BASE_BUCKET_US 5000000
#define N_BASE 6

typedef struct
{
  gint64 first_send, last_send, first_recv, last_recv;
} Group;

struct _LkDelay
{
  gboolean is_started;
  gint64 last_send, last_recv;

  /* groups and trend */
  Group group, previous;
  gboolean has_group, has_previous;
  guint n_deltas, n_points, next_point;
  gdouble accumulated_ms, smoothed_ms, slope;
  gint64 first_point_us;
  struct
  {
    gdouble x_ms, y_ms;
  } points[N_SLOPE];

  /* detector */
  gdouble threshold_ms;
  gint64 over_us;
  guint n_over;
  gint64 adapted_us;
  LkDelayUsage usage;

  /* standing queue: a ring of what arrived last, and the least delay of each five seconds */
  struct
  {
    gint64 send_us, delay_us;
  } recent[N_RECENT];
  guint n_recent, next_recent;
  gint64 base[N_BASE];
  gint64 base_bucket[N_BASE];
  gboolean has_base[N_BASE];
};

void
lk_delay_clear_trend (LkDelay * self)
{
  self->has_group = self->has_previous = FALSE;
  self->n_deltas = self->n_points = self->next_point = 0;
  self->accumulated_ms = self->smoothed_ms = self->slope = 0;
  self->over_us = 0;
  self->n_over = 0;
  self->adapted_us = 0;
  self->usage = LK_DELAY_NORMAL;
  self->n_recent = self->next_recent = 0;
}

void
lk_delay_reset (LkDelay * self)
{
  lk_delay_clear_trend (self);
  memset (self->has_base, 0, sizeof self->has_base);
  self->threshold_ms = THRESHOLD_START_MS;
  self->is_started = FALSE;
}

LkDelay *
lk_delay_new (void)
{
  LkDelay *self = g_new0 (LkDelay, 1);

  lk_delay_reset (self);
  return self;
}

void
lk_delay_free (LkDelay * self)
{
  g_free (self);
}

static void
add_to_base (LkDelay * self, gint64 send_us, gint64 delay_us)
{
  gint64 bucket = send_us / BASE_BUCKET_US;
  guint slot = (guint) ((guint64) bucket % N_BASE);

  if (!self->has_base[slot] || self->base_bucket[slot] != bucket || delay_us < self->base[slot])
    self->base[slot] = delay_us;
  self->has_base[slot] = TRUE;
  self->base_bucket[slot] = bucket;
}

/* The least delay among the packets sent last. */
static gint64
standing_delay (LkDelay * self)
{
  gint64 least = G_MAXINT64;

  for (guint i = 1; i <= self->n_recent; i++) {
    guint slot = (self->next_recent + N_RECENT - i) % N_RECENT;

    if (i > STANDING_PACKETS && self->last_send - self->recent[slot].send_us > STANDING_US)
      break;
    least = MIN (least, self->recent[slot].delay_us);
  }
  return least;
}

gint64
lk_delay_queue_us (LkDelay * self)
{
  gint64 bucket = self->last_send / BASE_BUCKET_US;
  gint64 base = G_MAXINT64;

  for (guint i = 0; i < N_BASE; i++) {
    if (self->has_base[i] && self->base_bucket[i] > bucket - N_BASE)
      base = MIN (base, self->base[i]);
  }
  /* after a pause five packets come first: fewer tell nothing */
  if (self->n_recent < STANDING_PACKETS || base == G_MAXINT64)
    return 0;
  return MAX (0, standing_delay (self) - base);
}

void
lk_delay_rebase (LkDelay * self)
{
  gint64 delay_us = standing_delay (self);

  memset (self->has_base, 0, sizeof self->has_base);
  if (delay_us != G_MAXINT64)
    add_to_base (self, self->last_send, delay_us);
}

static gdouble
regression (LkDelay * self)
{
  gdouble x_mean = 0, y_mean = 0, numerator = 0, denominator = 0;

  for (guint i = 0; i < self->n_points; i++) {
    x_mean += self->points[i].x_ms / self->n_points;
    y_mean += self->points[i].y_ms / self->n_points;
  }
  for (guint i = 0; i < self->n_points; i++) {
    gdouble dx = self->points[i].x_ms - x_mean;

    numerator += dx * (self->points[i].y_ms - y_mean);
    denominator += dx * dx;
  }
  return denominator > 0 ? numerator / denominator : self->slope;
}

static void
adapt_threshold (LkDelay * self, gdouble modified_ms, gint64 now_us)
{
  gdouble excess_ms = ABS (modified_ms) - self->threshold_ms;
  gdouble elapsed_ms = CLAMP ((now_us - self->adapted_us) / 1000.0, 0, 100);

  if (self->adapted_us == 0)
    elapsed_ms = 0;
  self->adapted_us = now_us;
  /* a sudden queue must not teach the detector to bear it */
  if (excess_ms > THRESHOLD_OUTLIER_MS)
    return;
  self->threshold_ms += (excess_ms < 0 ? THRESHOLD_DOWN : THRESHOLD_UP) * excess_ms * elapsed_ms;
  self->threshold_ms = CLAMP (self->threshold_ms, THRESHOLD_MIN_MS, THRESHOLD_MAX_MS);
}

static void
detect (LkDelay * self, gdouble slope, gint64 elapsed_us, gint64 now_us)
{
  gdouble modified_ms = MIN (self->n_deltas, MAX_DELTAS) * slope * GAIN;

  if (modified_ms > self->threshold_ms) {
    self->over_us += elapsed_us;
    self->n_over++;
    if (self->over_us > OVERUSE_US && self->n_over > 1 && slope >= self->slope)
      self->usage = LK_DELAY_OVERUSE;
  } else {
    self->over_us = 0;
    self->n_over = 0;
    self->usage = modified_ms < -self->threshold_ms ? LK_DELAY_UNDERUSE : LK_DELAY_NORMAL;
  }
  self->slope = slope;
  adapt_threshold (self, modified_ms, now_us);
}

static void
add_point (LkDelay * self, gint64 send_delta_us, gint64 recv_delta_us, gint64 recv_us)
{
  if (self->n_points == 0)
    self->first_point_us = recv_us;
  self->n_deltas = MIN (self->n_deltas + 1, 1000);
  self->accumulated_ms += (recv_delta_us - send_delta_us) / 1000.0;
  self->smoothed_ms = SMOOTHING * self->smoothed_ms + (1 - SMOOTHING) * self->accumulated_ms;
  self->points[self->next_point].x_ms = (recv_us - self->first_point_us) / 1000.0;
  self->points[self->next_point].y_ms = self->smoothed_ms;
  self->next_point = (self->next_point + 1) % N_SLOPE;
  self->n_points = MIN (self->n_points + 1, N_SLOPE);
  if (self->n_points == N_SLOPE)
    detect (self, regression (self), send_delta_us, recv_us);
}

static gboolean
belongs_to_group (const Group * group, gint64 send_us, gint64 recv_us)
{
  gint64 recv_delta = recv_us - group->last_recv;

  if (send_us - group->first_send <= GROUP_US)
    return TRUE;
  /* packets that queued somewhere else and came out together: gcc-02 §5.2 */
  return recv_delta <= GROUP_US && recv_delta < send_us - group->last_send
      && recv_us - group->first_recv < LONGEST_GROUP_US;
}

static void
add_to_group (LkDelay * self, gint64 send_us, gint64 recv_us)
{
  if (self->has_group && belongs_to_group (&self->group, send_us, recv_us)) {
    self->group.last_send = MAX (self->group.last_send, send_us);
    self->group.last_recv = MAX (self->group.last_recv, recv_us);
    return;
  }
  if (self->has_group && self->has_previous) {
    gint64 recv_delta = self->group.last_recv - self->previous.last_recv;

    /* a group that overtook another has no place in a trend */
    if (recv_delta >= 0)
      add_point (self, self->group.last_send - self->previous.last_send, recv_delta, self->group.last_recv);
  }
  self->previous = self->group;
  self->has_previous = self->has_group;
  self->group = (Group) { send_us, send_us, recv_us, recv_us };
  self->has_group = TRUE;
}

/* TRUE when the packet can be compared with the one before. */
static gboolean
check_clocks (LkDelay * self, gint64 send_us, gint64 recv_us)
{
  gint64 change_us = (recv_us - self->last_recv) - (send_us - self->last_send);

  if (!self->is_started)
    return TRUE;
  if (ABS (change_us) > JUMP_US || send_us < self->last_send - JUMP_US) {
    lk_delay_reset (self);
    return FALSE;
  }
  if (send_us - self->last_send > PAUSE_US)
    lk_delay_clear_trend (self);
  return TRUE;
}

gboolean
lk_delay_add (LkDelay * self, gint64 send_us, gint64 recv_us)
{
  gboolean is_comparable = check_clocks (self, send_us, recv_us);

  if (self->is_started && send_us < self->last_send)
    return TRUE;
  self->is_started = TRUE;
  self->last_send = send_us;
  self->last_recv = recv_us;
  self->recent[self->next_recent].send_us = send_us;
  self->recent[self->next_recent].delay_us = recv_us - send_us;
  self->next_recent = (self->next_recent + 1) % N_RECENT;
  self->n_recent = MIN (self->n_recent + 1, N_RECENT);
  add_to_base (self, send_us, recv_us - send_us);
  add_to_group (self, send_us, recv_us);
  return is_comparable;
}

LkDelayUsage
lk_delay_usage (LkDelay * self)
{
  return self->usage;
}
