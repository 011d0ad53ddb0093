/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* linksim: one link with a queue, and senders with encoder, allocator, pacer and estimator that share it. Simulated
 * time in steps of a millisecond; the same seed gives the same run. The receiver answers by livekit-server's rule:
 * more than 20 packets held, and 100 ms since the last answer, or more than 100 held, or the end of a frame and 50
 * ms. */
#pragma once

#include <glib.h>

#include "lkallocator.h"
#include "lkbandwidth.h"
#include "lkpacer.h"

#define LINK_SIM_MAX_LAYERS 3

typedef struct _LinkSim LinkSim;
typedef struct _LinkSimFlow LinkSimFlow;

/* May be changed between two calls of link_sim_run(). */
typedef struct
{
  guint bps;
  guint queue_bytes;            /* what comes when it is full is dropped */
  guint burst_bytes;            /* passes at once after a pause, as in tc tbf */
  gint64 delay_us;              /* each way */
  gint64 jitter_us;             /* up to that more for each packet */
  gboolean is_reordering;       /* jitter may change the order */
  gdouble loss;                 /* at random, before the queue */
  gdouble feedback_loss;
  guint cross_bps;              /* of somebody who does not adapt */
  gint64 spike_us;              /* once a second nothing comes out for that long, as on Wi-Fi */
  gdouble drift_ppm;            /* of the receiver's clock */
  gint64 clock_step_us;         /* added to the receiver's clock */
} LinkSimLink;

typedef struct
{
  guint n_layers;
  LkAllocatorLayer layers[LINK_SIM_MAX_LAYERS];
  gboolean is_fixed;            /* layers are made at max_bps, whatever the share */
  gboolean is_greedy;           /* no pacer: a frame goes at once */
  gdouble key_frame_s;          /* 0: only when asked for; they are five times as large */
  guint audio_bps;
  LkBandwidthConfig bandwidth;
  guint16 first_seqnum;
} LinkSimFlowConfig;

typedef struct
{
  guint64 sent_bytes, received_bytes;   /* with headers; RTX and padding too, audio not */
  guint n_sent, n_lost, n_rtx, n_padding, n_key_requests;
  gint64 last_loss_us;          /* when the link dropped one last */
  GArray *delays_us;            /* gint64 of each that came, without pacer; clear it to begin again */
} LinkSimStats;

LinkSim *link_sim_new (guint32 seed);
void link_sim_free (LinkSim * sim);
LinkSimLink *link_sim_link (LinkSim * sim);
LinkSimFlow *link_sim_add_flow (LinkSim * sim, const LinkSimFlowConfig * config);
gint64 link_sim_now_us (LinkSim * sim);
void link_sim_run (LinkSim * sim, gint64 duration_us);

LinkSimStats *link_sim_stats (LinkSimFlow * flow);
void link_sim_clear_stats (LinkSimFlow * flow);
gint64 link_sim_delay_percentile_us (LinkSimFlow * flow, guint percent);
LkBandwidth *link_sim_bandwidth (LinkSimFlow * flow);
LkPacer *link_sim_pacer (LinkSimFlow * flow);
const LkAllocation *link_sim_allocation (LinkSimFlow * flow);
guint link_sim_target_bps (LinkSimFlow * flow);
