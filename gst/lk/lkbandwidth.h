/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkbandwidth: what a path carries, estimated by who sends from the feedback of who receives. Pure.
 *
 * Units: bits a second and bytes are of whole packets as the link sees them, IP header included; times are
 * microseconds.
 * @now_us and send_us are of one clock, ours; recv_us is of the receiver's. Neither must start anywhere. Not thread
 * safe.
 *
 * Feedback is that of draft-holmer-rmcat-transport-wide-cc-extensions-01: 16-bit numbers that wrap, arrivals in steps
 * of 250 us. The estimate is in the manner of draft-ietf-rmcat-gcc-02:
 *
 * | number | from |
 * | --- | --- |
 * | trend of delays, threshold 6 to 600 ms | gcc-02 §5.2 to 5.5, see lkdelay.h |
 * | down to 0.85 of what arrives on a full queue | gcc-02 §5.6 (beta); here 0.6 to 0.9, the more the longer the queue |
 * | up 40 kbit/s a second near the known capacity, as all flows | gcc-02 §5.6 (additive); ours: more after four seconds
 *   without a queue, for the limit may be gone |
 * | up 50 % a second where no limit is known | ours: three times as much in less than 8 s |
 * | no more than 1.5 times what arrives, plus 10 kbit/s | gcc-02 §5.6 |
 * | loss of more than 10 % decreases, of less than 2 % does not count | gcc-02 §6. Ours: only what is certain, less what is always lost,
 *   and not below 0.85 of what arrives |
 * | a queue of 40 ms is full, whatever the trend | ours: a queue that drops at its end does not grow |
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _LkBandwidth LkBandwidth;

/* What was measured with a feedback is dead with the route: lk_bandwidth_reset(). */
typedef struct
{
  guint16 seqnum;
  gboolean is_lost;
  guint bytes;                  /* up to 65535; more is taken for that */
  gint64 send_us, recv_us;      /* recv_us has no meaning when lost */
} LkBandwidthPacket;

typedef struct
{
  guint min_bps, max_bps, start_bps;    /* 0 < min <= start <= max */
} LkBandwidthConfig;

/* Why the target is what it is. */
typedef enum
{
  LK_BANDWIDTH_STEADY,          /* the limit is known and near */
  LK_BANDWIDTH_RISING,          /* no limit is known */
  LK_BANDWIDTH_UNUSED,          /* held: less is sent than may be */
  LK_BANDWIDTH_QUEUE,           /* lowered: a queue grew or is full */
  LK_BANDWIDTH_LOSS,            /* lowered: more is lost than before */
  LK_BANDWIDTH_SILENCE,         /* lowered: much was sent and no feedback came */
} LkBandwidthReason;

typedef struct
{
  guint target_bps;             /* all that may be sent: audio, video, RTX, padding */
  guint steady_bps;             /* what it will be when the queue is gone */
  guint acked_bps;              /* what arrived, over half a second */
  guint sent_bps;               /* what was sent, over half a second, without padding */
  guint padding_bps;            /* what should be sent besides, to learn whether more would fit; mostly 0 */
  gboolean is_probing;          /* looks whether more fits: padding, or rather media, may fill the target */
  gint64 queue_us;              /* standing queue */
  gdouble loss;                 /* 0 to 1, over about a second */
  gboolean is_congested;        /* now: no RTX, no padding, no layer is added */
  gboolean is_limited;          /* the path was full once; before, the target says nothing, and nobody need send less */
  LkBandwidthReason reason;
} LkBandwidthStatus;

LkBandwidth *lk_bandwidth_new (const LkBandwidthConfig * config, gint64 now_us);
void lk_bandwidth_free (LkBandwidth * self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LkBandwidth, lk_bandwidth_free);

/* Forgets the path (ICE restart, new transport). Starts again at half the target, for the new path may be smaller, but
 * no lower than at first for that; what silence took off does not count. */
void lk_bandwidth_reset (LkBandwidth * self, gint64 now_us);
/* How much could be used if it were there, where media come in steps (a layer that is off). It does not limit the
 * target; above it there is padding from time to time. 0: nothing more. */
void lk_bandwidth_set_wanted (LkBandwidth * self, guint wanted_bps);

/* For each packet with a transport-wide number that is sent. */
void lk_bandwidth_sent (LkBandwidth * self, guint bytes, gboolean is_padding, gint64 now_us);
/* For each feedback, packets in the order of their numbers; or for each 100 ms of packets that came, by a receiver. */
void lk_bandwidth_feedback (LkBandwidth * self, const LkBandwidthPacket * packets, guint n_packets, gint64 now_us);
/* Some times a second, feedback or not: notices silence. */
void lk_bandwidth_tick (LkBandwidth * self, gint64 now_us);

void lk_bandwidth_get_status (LkBandwidth * self, gint64 now_us, LkBandwidthStatus * status);
const gchar *lk_bandwidth_reason_name (LkBandwidthReason reason);

G_END_DECLS
