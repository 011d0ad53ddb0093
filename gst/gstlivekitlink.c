/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitlink: what the path of one peer carries. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitlink.h"

#include <string.h>
#include "gstlivekitcodec.h"
#include "gstlivekitelements.h"
#include "lkpacer.h"
#include "lkrate.h"
#include "lkremb.h"

#define GST_CAT_DEFAULT gst_livekit_debug

/* Of a packet as the link sees it, beside what is in the buffer here: SRTP tag, UDP, IP. */
#define OUTER_BYTES 38
/* Feedback counts payloads: RTP header and extensions as well. */
#define HEADER_BYTES 60
/* Where no limit is known, a key frame need not wait for long. */
#define FREE_PACING 1.5
#define MAX_QUEUED 10000
#define MAX_FEEDBACK 4096
#define IDLE_US G_TIME_SPAN_SECOND
#define PADDING_STEP_US 10000
/* rtprtxsend has what is younger. */
#define PADDING_MAX_AGE_US (600 * G_TIME_SPAN_MILLISECOND)
#define PADDING_MAX_BYTES 3000
#define RTX_BURST_BYTES 20000
#define N_RECENT 64
/* What retransmissions may take of a full path towards us. */
#define NACK_SHARE 0.1
#define NACK_PACKET_BITS 9600
#define NACK_BURST 10.0
/* The least time between two reports of ours. What comes is repaired in time only when requests are not held back by
 * the report before; who only sends has nothing to ask, and on a small path a hundred reports a second take a large
 * part of it. */
#define REPORTS_RECEIVING (20 * GST_MSECOND)
#define REPORTS_SMALL (100 * GST_MSECOND)
#define REPORTS_SENDING (250 * GST_MSECOND)
#define SMALL_BPS 1000000
#define RECEIVING_US (5 * G_TIME_SPAN_SECOND)
/* The server looks at the trend of some ten values. */
#define REMB_CONGESTED_US 25000

/* Where the estimates begin says nothing until the path is full; small, an encoder above it would seem limited. */
static const LkBandwidthConfig up_config = { 50000, 200000000, 10000000 };
static const LkBandwidthConfig down_config = { 50000, 200000000, 20000000 };

typedef struct
{
  GstPad *joint;
  GstBuffer *packet;
} Item;

enum
{
  TYPE_OTHER,
  TYPE_AUDIO,
  TYPE_VIDEO,
  TYPE_RTX,
};

struct _GstLiveKitLink
{
  gatomicrefcount ref_count;

  /* constant after construction */
  guint8 types[128];            /* of payload types */
  void (*congested) (gpointer data);
  gpointer congested_data;
  GDestroyNotify destroy;

  /* atomic */
  gint abs_send_time_id, has_received;

  /* lock; never held while calling out */
  GMutex lock;
  GCond changed;
  GThread *thread;
  gboolean is_stopped;

  /* sending */
  LkBandwidth *bandwidth;
  LkPacer *pacer;
  GQueue queue;                 /* Item */
  gboolean is_pushing;          /* the thread has taken one out */
  gboolean is_known;            /* feedback has come */
  gboolean is_limited;          /* the path was full */
  gdouble rtx_bytes;            /* tokens */
  guint rtx_bps;
  gint64 rtx_us;
  LkRate audio, rtx;
  gboolean is_probing;
  guint padding_bps;
  gdouble padding_bytes;
  guint padding_due;            /* bytes of RTX that are our own padding */
  gint64 padding_us;
  struct
  {
    guint32 ssrc;
    guint16 seqnum;
    guint bytes;
    gint64 sent_us;
  } recent[N_RECENT];
  guint next_recent, next_padding;
  guint64 n_rtx_refused, n_nacks_refused, n_padding;

  /* receiving */
  LkRemb *remb;                 /* NULL until something comes */
  gboolean rtcp_flows;
  gint64 remb_us;
  gboolean down_congested, down_queued;
  guint down_bps;
  gdouble nacks;                /* tokens */
  gint64 nacks_us;

  GWeakRef rtpsession, rtxsend, rtcp_pad;

  /* room loop only */
  GstClockTime report_interval;
  gint64 received_us;
};

static gpointer link_thread (gpointer data);

static void
item_free (gpointer data)
{
  Item *item = data;

  gst_object_unref (item->joint);
  gst_buffer_unref (item->packet);
  g_free (item);
}

GstLiveKitLink *
gst_livekit_link_new (void (*congested) (gpointer data), gpointer data, GDestroyNotify destroy)
{
  GstLiveKitLink *link = g_new0 (GstLiveKitLink, 1);
  gint64 now_us = g_get_monotonic_time ();

  g_atomic_ref_count_init (&link->ref_count);
  link->congested = congested;
  link->congested_data = data;
  link->destroy = destroy;
  for (const GstLiveKitCodec * codec = gst_livekit_codecs (); codec->encoding_name; codec++) {
    link->types[codec->payload_type] = codec->kind == LK_TRACK_VIDEO ? TYPE_VIDEO : TYPE_AUDIO;
    if (codec->rtx_payload_type)
      link->types[codec->rtx_payload_type] = TYPE_RTX;
  }
  g_mutex_init (&link->lock);
  g_cond_init (&link->changed);
  link->bandwidth = lk_bandwidth_new (&up_config, now_us);
  link->pacer = lk_pacer_new (up_config.start_bps, now_us);
  link->rtx_bps = up_config.start_bps / 10;
  link->rtx_us = link->padding_us = link->nacks_us = now_us;
  link->rtx_bytes = RTX_BURST_BYTES;
  g_queue_init (&link->queue);
  g_weak_ref_init (&link->rtpsession, NULL);
  g_weak_ref_init (&link->rtxsend, NULL);
  g_weak_ref_init (&link->rtcp_pad, NULL);
  return link;
}

GstLiveKitLink *
gst_livekit_link_ref (GstLiveKitLink * link)
{
  g_atomic_ref_count_inc (&link->ref_count);
  return link;
}

void
gst_livekit_link_unref (GstLiveKitLink * link)
{
  if (!g_atomic_ref_count_dec (&link->ref_count))
    return;
  g_assert (link->thread == NULL);
  g_queue_clear_full (&link->queue, item_free);
  lk_bandwidth_free (link->bandwidth);
  lk_pacer_free (link->pacer);
  if (link->remb)
    lk_remb_free (link->remb);
  g_weak_ref_clear (&link->rtpsession);
  g_weak_ref_clear (&link->rtxsend);
  g_weak_ref_clear (&link->rtcp_pad);
  g_mutex_clear (&link->lock);
  g_cond_clear (&link->changed);
  g_free (link);
}

void
gst_livekit_link_stop (GstLiveKitLink * link)
{
  GThread *thread;

  g_mutex_lock (&link->lock);
  link->is_stopped = TRUE;
  thread = g_steal_pointer (&link->thread);
  g_cond_broadcast (&link->changed);
  g_mutex_unlock (&link->lock);
  if (thread)
    g_thread_join (thread);
  link->destroy (link->congested_data);
}

static void
wake_locked (GstLiveKitLink * link)
{
  if (link->thread == NULL && !link->is_stopped)
    link->thread = g_thread_new ("livekit-link", link_thread, link);
  g_cond_signal (&link->changed);
}

void
gst_livekit_link_reset (GstLiveKitLink * link)
{
  gint64 now_us = g_get_monotonic_time ();

  g_mutex_lock (&link->lock);
  lk_bandwidth_reset (link->bandwidth, now_us);
  link->is_known = link->is_limited = link->is_probing = FALSE;
  link->padding_bps = link->padding_due = 0;
  if (link->remb)
    lk_remb_reset (link->remb, now_us);
  g_mutex_unlock (&link->lock);
}

void
gst_livekit_link_set_abs_send_time_id (GstLiveKitLink * link, guint id)
{
  g_atomic_int_set (&link->abs_send_time_id, (gint) id);
}

/* --- sending: packets --- */

GstFlowReturn
gst_livekit_link_push (GstPad * joint, GstBuffer * packet)
{
  GstFlowReturn flow;

  GST_PAD_STREAM_LOCK (joint);
  flow = gst_pad_push (joint, packet);
  GST_PAD_STREAM_UNLOCK (joint);
  return flow == GST_FLOW_ERROR ? GST_FLOW_FLUSHING : flow;
}

static guint
packet_bytes (GstBuffer * packet)
{
  return (guint) gst_buffer_get_size (packet) + OUTER_BYTES;
}

/* Who gives no feedback has no say in the rate. */
static gboolean
may_go_locked (GstLiveKitLink * link)
{
  return !link->is_known || lk_pacer_wait_us (link->pacer, g_get_monotonic_time ()) == 0;
}

GstFlowReturn
gst_livekit_link_send (GstLiveKitLink * link, GstPad * joint, GstBuffer * packet)
{
  gboolean is_queued, is_stopped;

  g_mutex_lock (&link->lock);
  is_stopped = link->is_stopped;
  is_queued = link->is_pushing || !g_queue_is_empty (&link->queue) || !may_go_locked (link);
  if (is_stopped || g_queue_get_length (&link->queue) >= MAX_QUEUED) {
    g_mutex_unlock (&link->lock);
    gst_buffer_unref (packet);
    return is_stopped ? GST_FLOW_FLUSHING : GST_FLOW_OK;
  }
  if (is_queued) {
    Item *item = g_new (Item, 1);

    *item = (Item) {
    gst_object_ref (joint), packet};
    lk_pacer_queued (link->pacer, packet_bytes (packet));
    g_queue_push_tail (&link->queue, item);
    wake_locked (link);
  } else {
    lk_pacer_sent (link->pacer, packet_bytes (packet), FALSE, g_get_monotonic_time ());
  }
  g_mutex_unlock (&link->lock);
  return is_queued ? GST_FLOW_OK : gst_livekit_link_push (joint, packet);
}

gboolean
gst_livekit_link_is_idle (GstLiveKitLink * link)
{
  gboolean is_idle;

  g_mutex_lock (&link->lock);
  is_idle = !link->is_pushing && g_queue_is_empty (&link->queue);
  g_mutex_unlock (&link->lock);
  return is_idle;
}

void
gst_livekit_link_forget (GstLiveKitLink * link, GstPad * joint)
{
  GQueue kept = G_QUEUE_INIT, gone = G_QUEUE_INIT;
  Item *item;

  g_mutex_lock (&link->lock);
  while ((item = g_queue_pop_head (&link->queue))) {
    g_queue_push_tail (item->joint == joint ? &gone : &kept, item);
    if (item->joint == joint)
      lk_pacer_dropped (link->pacer, packet_bytes (item->packet));
  }
  link->queue = kept;
  g_mutex_unlock (&link->lock);
  g_queue_clear_full (&gone, item_free);
}

gboolean
gst_livekit_link_has_room (GstLiveKitLink * link)
{
  gboolean has_room;

  g_mutex_lock (&link->lock);
  has_room = !link->is_limited || lk_pacer_has_room (link->pacer, g_get_monotonic_time ());
  g_mutex_unlock (&link->lock);
  return has_room;
}

gboolean
gst_livekit_link_may_resume (GstLiveKitLink * link)
{
  gboolean may_resume;

  g_mutex_lock (&link->lock);
  may_resume = !link->is_limited || lk_pacer_may_resume (link->pacer, g_get_monotonic_time ());
  g_mutex_unlock (&link->lock);
  return may_resume;
}

gboolean
gst_livekit_link_is_probing (GstLiveKitLink * link)
{
  gboolean is_probing;

  g_mutex_lock (&link->lock);
  is_probing = link->is_probing;
  g_mutex_unlock (&link->lock);
  return is_probing;
}

/* --- sending: what leaves rtprtxsend --- */

static gboolean
take_rtx_locked (GstLiveKitLink * link, guint bytes, gint64 now_us)
{
  if (link->padding_due >= bytes) {
    link->padding_due -= bytes;
    link->n_padding++;
    lk_bandwidth_sent (link->bandwidth, bytes, TRUE, now_us);
    return TRUE;
  }
  link->rtx_bytes += link->rtx_bps / 8e6 * (now_us - link->rtx_us);
  link->rtx_bytes = MIN (link->rtx_bytes, RTX_BURST_BYTES);
  link->rtx_us = now_us;
  if (link->is_known && (link->rtx_bps == 0 || link->rtx_bytes < bytes)) {
    link->n_rtx_refused++;
    return FALSE;
  }
  link->rtx_bytes -= MIN (bytes, link->rtx_bytes);
  lk_rate_add (&link->rtx, now_us, bytes);
  lk_bandwidth_sent (link->bandwidth, bytes, FALSE, now_us);
  return TRUE;
}

/* FALSE: it must not be sent. */
static gboolean
take_sent_locked (GstLiveKitLink * link, const guint8 * header, guint bytes)
{
  gint64 now_us = g_get_monotonic_time ();

  switch (link->types[header[1] & 0x7f]) {
    case TYPE_VIDEO:
      lk_bandwidth_sent (link->bandwidth, bytes, FALSE, now_us);
      link->recent[link->next_recent].ssrc = GST_READ_UINT32_BE (header + 8);
      link->recent[link->next_recent].seqnum = GST_READ_UINT16_BE (header + 2);
      link->recent[link->next_recent].bytes = bytes;
      link->recent[link->next_recent].sent_us = now_us;
      link->next_recent = (link->next_recent + 1) % N_RECENT;
      return TRUE;
    case TYPE_RTX:
      if (!take_rtx_locked (link, bytes, now_us))
        return FALSE;
      break;
    case TYPE_AUDIO:
      /* It has no numbers, so that the target is for what is left beside it. */
      lk_rate_add (&link->audio, now_us, bytes);
      return TRUE;
    default:
      return TRUE;
  }
  lk_pacer_sent (link->pacer, bytes, FALSE, now_us);
  return TRUE;
}

static GstPadProbeReturn
on_sending (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstLiveKitLink *link = data;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  guint8 header[12];
  gboolean may_go;

  if (gst_buffer_extract (buffer, 0, header, sizeof header) != sizeof header)
    return GST_PAD_PROBE_OK;
  g_mutex_lock (&link->lock);
  may_go = take_sent_locked (link, header, packet_bytes (buffer));
  g_mutex_unlock (&link->lock);
  return may_go ? GST_PAD_PROBE_OK : GST_PAD_PROBE_DROP;
}

/* --- sending: feedback --- */

static void
update_pacer_locked (GstLiveKitLink * link, gint64 now_us)
{
  LkBandwidthStatus status;

  lk_bandwidth_get_status (link->bandwidth, now_us, &status);
  link->is_limited = status.is_limited;
  link->is_probing = status.is_probing && !status.is_congested;
  link->padding_bps = status.is_congested ? 0 : status.padding_bps;
  if (status.is_congested && status.reason == LK_BANDWIDTH_QUEUE)
    link->rtx_bps = 0;
  if (status.is_limited)
    lk_pacer_set_rate (link->pacer, status.target_bps, now_us);
  else
    lk_pacer_set_rate (link->pacer, (guint) (FREE_PACING * MAX (status.target_bps, status.sent_bps)), now_us);
  /* What rtprtxsend did not have is no credit for retransmissions. */
  if (link->padding_bps == 0)
    link->padding_due = 0;
  else
    wake_locked (link);
}

/* One packet of webrtcbin's structures. */
static gboolean
read_fate (const GValue * value, LkBandwidthPacket * packet)
{
  const GstStructure *fate = G_VALUE_HOLDS (value, GST_TYPE_STRUCTURE) ? g_value_get_boxed (value) : NULL;
  guint seqnum = 0, size = 0;
  guint64 local_ts = 0, remote_ts = 0;
  gboolean is_lost = TRUE;

  if (fate == NULL || !gst_structure_get_uint (fate, "seqnum", &seqnum)
      || !gst_structure_get_boolean (fate, "lost", &is_lost)
      || !gst_structure_get_uint64 (fate, "local-ts", &local_ts) || !GST_CLOCK_TIME_IS_VALID (local_ts))
    return FALSE;
  gst_structure_get_uint (fate, "size", &size);
  gst_structure_get_uint64 (fate, "remote-ts", &remote_ts);
  if (!is_lost && !GST_CLOCK_TIME_IS_VALID (remote_ts))
    return FALSE;
  *packet = (LkBandwidthPacket) {
    .seqnum = (guint16) seqnum,.is_lost = is_lost,.bytes = size + HEADER_BYTES,
    .send_us = (gint64) GST_TIME_AS_USECONDS (local_ts),
    .recv_us = is_lost ? 0 : (gint64) GST_TIME_AS_USECONDS (remote_ts) };
  return TRUE;
}

static void
take_feedback (GstLiveKitLink * link, const GstStructure * structure)
{
  const GValue *value = gst_structure_get_value (structure, "packets");
  g_autofree LkBandwidthPacket *packets = NULL;
  const GValueArray *fates;
  guint n = 0;
  gint64 now_us = g_get_monotonic_time ();
  LkBandwidthStatus before, after;

  /* rtpsession still has it. */
  G_GNUC_BEGIN_IGNORE_DEPRECATIONS;
  if (value == NULL || !G_VALUE_HOLDS (value, g_type_from_name ("GValueArray"))
      || (fates = g_value_get_boxed (value)) == NULL)
    return;
  G_GNUC_END_IGNORE_DEPRECATIONS;
  packets = g_new (LkBandwidthPacket, MIN (fates->n_values, MAX_FEEDBACK) + 1);
  for (guint i = 0; i < MIN (fates->n_values, MAX_FEEDBACK); i++)
    n += read_fate (&fates->values[i], &packets[n]);
  if (n == 0)
    return;
  g_mutex_lock (&link->lock);
  link->is_known = TRUE;
  lk_bandwidth_get_status (link->bandwidth, now_us, &before);
  lk_bandwidth_feedback (link->bandwidth, packets, n, now_us);
  lk_bandwidth_get_status (link->bandwidth, now_us, &after);
  update_pacer_locked (link, now_us);
  g_mutex_unlock (&link->lock);
  if (after.is_congested && after.target_bps < before.target_bps)
    link->congested (link->congested_data);
}

static GstPadProbeReturn
on_feedback (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  const GstStructure *structure = gst_event_get_structure (GST_PAD_PROBE_INFO_EVENT (info));

  if (structure == NULL || !gst_structure_has_name (structure, "RTPTWCCPackets"))
    return GST_PAD_PROBE_OK;
  take_feedback (data, structure);
  return GST_PAD_PROBE_DROP;
}

/* --- receiving --- */

static void
take_received (GstLiveKitLink * link, const guint8 * data, gsize size)
{
  guint id = (guint) g_atomic_int_get (&link->abs_send_time_id), bytes = (guint) size + OUTER_BYTES;
  gint64 now_us = g_get_monotonic_time ();
  guint32 sent;

  if (id == 0 || !lk_remb_find_send_time (data, size, id, &sent))
    return;
  g_mutex_lock (&link->lock);
  if (link->remb == NULL) {
    link->remb = lk_remb_new (&down_config, now_us);
    link->remb_us = now_us + LK_REMB_INTERVAL_US;
    wake_locked (link);
  }
  lk_remb_add (link->remb, GST_READ_UINT32_BE (data + 8), GST_READ_UINT16_BE (data + 2), sent, bytes, now_us);
  g_mutex_unlock (&link->lock);
}

static GstPadProbeReturn
on_receiving (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstMapInfo map;

  g_atomic_int_set (&((GstLiveKitLink *) data)->has_received, TRUE);
  if (gst_buffer_map (GST_PAD_PROBE_INFO_BUFFER (info), &map, GST_MAP_READ)) {
    take_received (data, map.data, map.size);
    gst_buffer_unmap (GST_PAD_PROBE_INFO_BUFFER (info), &map);
  }
  return GST_PAD_PROBE_OK;
}

/* While the path towards us is full, retransmissions make it worse: only some are asked for. */
static GstPadProbeReturn
on_retransmission_request (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstLiveKitLink *link = data;
  const GstStructure *structure = gst_event_get_structure (GST_PAD_PROBE_INFO_EVENT (info));
  gint64 now_us = g_get_monotonic_time ();
  gboolean may_go;

  if (structure == NULL || !gst_structure_has_name (structure, "GstRTPRetransmissionRequest"))
    return GST_PAD_PROBE_OK;
  g_mutex_lock (&link->lock);
  link->nacks += NACK_SHARE * link->down_bps / NACK_PACKET_BITS * (now_us - link->nacks_us) / G_USEC_PER_SEC;
  link->nacks = MIN (link->nacks, NACK_BURST);
  link->nacks_us = now_us;
  may_go = !link->down_queued || link->nacks >= 1;
  link->nacks -= may_go ? MIN (link->nacks, 1) : 0;
  link->n_nacks_refused += !may_go;
  g_mutex_unlock (&link->lock);
  return may_go ? GST_PAD_PROBE_OK : GST_PAD_PROBE_DROP;
}

static GstPadProbeReturn
on_reports_begin (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstLiveKitLink *link = data;

  /* Before the first of rtpsession's own, the pad has no segment. */
  g_mutex_lock (&link->lock);
  link->rtcp_flows = TRUE;
  g_mutex_unlock (&link->lock);
  return GST_PAD_PROBE_REMOVE;
}

/* --- the inner elements --- */

static void
add_probe (GstLiveKitLink * link, GstPad * pad, GstPadProbeType type, GstPadProbeCallback callback)
{
  gst_pad_add_probe (pad, type, callback, gst_livekit_link_ref (link), (GDestroyNotify) gst_livekit_link_unref);
}

static void
on_session_pad_added (GstElement * rtpsession, GstPad * pad, GstLiveKitLink * link)
{
  const gchar *name = GST_OBJECT_NAME (pad);

  if (g_str_equal (name, "send_rtp_sink")) {
    add_probe (link, pad, GST_PAD_PROBE_TYPE_BUFFER, on_sending);
    add_probe (link, pad, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, on_feedback);
  } else if (g_str_equal (name, "recv_rtp_sink")) {
    add_probe (link, pad, GST_PAD_PROBE_TYPE_BUFFER, on_receiving);
  } else if (g_str_equal (name, "recv_rtp_src")) {
    add_probe (link, pad, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, on_retransmission_request);
  } else if (g_str_equal (name, "send_rtcp_src")) {
    g_weak_ref_set (&link->rtcp_pad, pad);
    add_probe (link, pad, GST_PAD_PROBE_TYPE_BUFFER, on_reports_begin);
  }
}

void
gst_livekit_link_attach_session (GstLiveKitLink * link, GstElement * rtpsession)
{
  g_weak_ref_set (&link->rtpsession, rtpsession);
  g_signal_connect_data (rtpsession, "pad-added", G_CALLBACK (on_session_pad_added), gst_livekit_link_ref (link),
      (GClosureNotify) (GCallback) gst_livekit_link_unref, 0);
}

void
gst_livekit_link_attach_rtx (GstLiveKitLink * link, GstElement * rtprtxsend)
{
  g_weak_ref_set (&link->rtxsend, rtprtxsend);
}

/* --- the thread --- */

static void
send_first (GstLiveKitLink * link)
{
  Item *item = g_queue_pop_head (&link->queue);

  lk_pacer_sent (link->pacer, packet_bytes (item->packet), TRUE, g_get_monotonic_time ());
  link->is_pushing = TRUE;
  g_mutex_unlock (&link->lock);
  /* An unlinked or closed joint has lost its section. */
  gst_livekit_link_push (item->joint, gst_buffer_ref (item->packet));
  item_free (item);
  g_mutex_lock (&link->lock);
  link->is_pushing = FALSE;
}

/* Old packets again, as browsers do it: the server drops them. */
static void
pad (GstLiveKitLink * link, gint64 now_us)
{
  guint slot = link->next_padding++ % N_RECENT, bytes = link->recent[slot].bytes;
  GstStructure *structure;
  GstElement *rtxsend;
  GstPad *src_pad;

  if (bytes == 0 || now_us - link->recent[slot].sent_us > PADDING_MAX_AGE_US)
    return;
  link->padding_bytes -= bytes;
  /* Its own header has two bytes more. */
  link->padding_due = MIN (link->padding_due + bytes + 4, 4 * PADDING_MAX_BYTES);
  structure = gst_structure_new ("GstRTPRetransmissionRequest", "seqnum", G_TYPE_UINT, link->recent[slot].seqnum,
      "ssrc", G_TYPE_UINT, link->recent[slot].ssrc, NULL);
  g_mutex_unlock (&link->lock);
  rtxsend = g_weak_ref_get (&link->rtxsend);
  src_pad = rtxsend ? gst_element_get_static_pad (rtxsend, "src") : NULL;
  if (src_pad)
    gst_pad_send_event (src_pad, gst_event_new_custom (GST_EVENT_CUSTOM_UPSTREAM, structure));
  else
    gst_structure_free (structure);
  g_clear_pointer (&src_pad, gst_object_unref);
  g_clear_pointer (&rtxsend, gst_object_unref);
  g_mutex_lock (&link->lock);
}

/* Returns when to come again. */
static gint64
pad_when_due (GstLiveKitLink * link, gint64 now_us)
{
  if (link->padding_bps == 0) {
    link->padding_us = now_us;
    link->padding_bytes = 0;
    return G_MAXINT64;
  }
  link->padding_bytes += link->padding_bps / 8e6 * (now_us - link->padding_us);
  link->padding_bytes = MIN (link->padding_bytes, PADDING_MAX_BYTES);
  link->padding_us = now_us;
  for (guint tries = 0; tries < N_RECENT && link->padding_bytes > 0 && g_queue_is_empty (&link->queue); tries++)
    pad (link, now_us);
  return now_us + PADDING_STEP_US;
}

static void
send_remb (GstLiveKitLink * link, gint64 now_us)
{
  guint8 data[LK_REMB_MAX_BYTES];
  gsize size = lk_remb_write (link->remb, 1, now_us, data, sizeof data);
  LkBandwidthStatus status;
  GstPad *rtcp_pad;
  gboolean rtcp_flows = link->rtcp_flows;

  lk_remb_get_status (link->remb, now_us, &status);
  link->down_congested = status.is_congested;
  link->down_queued = status.is_congested && status.reason == LK_BANDWIDTH_QUEUE;
  link->down_bps = status.acked_bps;
  g_mutex_unlock (&link->lock);
  rtcp_pad = g_weak_ref_get (&link->rtcp_pad);
  if (rtcp_pad && size && rtcp_flows)
    gst_pad_push (rtcp_pad, gst_buffer_new_memdup (data, size));
  g_clear_pointer (&rtcp_pad, gst_object_unref);
  g_mutex_lock (&link->lock);
}

static gint64
send_remb_when_due (GstLiveKitLink * link, gint64 now_us)
{
  if (link->remb == NULL)
    return G_MAXINT64;
  if (now_us >= link->remb_us) {
    send_remb (link, now_us);
    link->remb_us = now_us + (link->down_congested ? REMB_CONGESTED_US : LK_REMB_INTERVAL_US);
  }
  return link->remb_us;
}

static gpointer
link_thread (gpointer data)
{
  GstLiveKitLink *link = data;

  g_mutex_lock (&link->lock);
  while (!link->is_stopped) {
    gint64 now_us = g_get_monotonic_time (), until_us = now_us + IDLE_US;

    if (!g_queue_is_empty (&link->queue) && may_go_locked (link)) {
      send_first (link);
      continue;
    }
    until_us = MIN (until_us, pad_when_due (link, now_us));
    until_us = MIN (until_us, send_remb_when_due (link, now_us));
    if (!g_queue_is_empty (&link->queue))
      until_us = MIN (until_us, now_us + lk_pacer_wait_us (link->pacer, now_us));
    if (!link->is_stopped && until_us > now_us)
      g_cond_wait_until (&link->changed, &link->lock, until_us);
  }
  g_mutex_unlock (&link->lock);
  return NULL;
}

/* --- room loop --- */

static gboolean
is_receiving (GstLiveKitLink * link)
{
  gint64 now_us = g_get_monotonic_time ();

  if (g_atomic_int_compare_and_exchange (&link->has_received, TRUE, FALSE))
    link->received_us = now_us;
  return link->received_us != 0 && now_us - link->received_us <= RECEIVING_US;
}

static void
set_report_interval (GstLiveKitLink * link, const GstLiveKitLinkStatus * status, gboolean receives)
{
  gboolean is_small = (status->up.is_limited && status->up.target_bps < SMALL_BPS)
      || (status->is_receiving && status->down.is_limited && status->down.target_bps < SMALL_BPS);
  g_autoptr (GstElement) rtpsession = NULL;
  GstClockTime interval;

  if (!receives)
    interval = REPORTS_SENDING;
  else
    interval = is_small ? REPORTS_SMALL : REPORTS_RECEIVING;
  if (interval == link->report_interval)
    return;
  link->report_interval = interval;
  rtpsession = g_weak_ref_get (&link->rtpsession);
  if (rtpsession)
    g_object_set (rtpsession, "rtcp-min-interval", interval, NULL);
}

void
gst_livekit_link_tick (GstLiveKitLink * link, GstLiveKitLinkStatus * status)
{
  gint64 now_us = g_get_monotonic_time ();
  gboolean receives = is_receiving (link);

  g_mutex_lock (&link->lock);
  *status = (GstLiveKitLinkStatus) {
    .is_known = link->is_known,.is_receiving = receives && link->remb != NULL,
    .audio_bps = lk_rate_bps (&link->audio, LK_RATE_WINDOW_US, now_us),
    .rtx_bps = lk_rate_bps (&link->rtx, LK_RATE_WINDOW_US, now_us),
    .pacer_us = (guint) lk_pacer_queue_us (link->pacer, now_us),
    .n_rtx_refused = link->n_rtx_refused,.n_nacks_refused = link->n_nacks_refused,.n_padding = link->n_padding };
  lk_bandwidth_tick (link->bandwidth, now_us);
  update_pacer_locked (link, now_us);
  lk_bandwidth_get_status (link->bandwidth, now_us, &status->up);
  if (link->remb)
    lk_remb_get_status (link->remb, now_us, &status->down);
  g_mutex_unlock (&link->lock);
  set_report_interval (link, status, receives);
}

void
gst_livekit_link_set_allocation (GstLiveKitLink * link, const LkAllocation * allocation)
{
  g_mutex_lock (&link->lock);
  link->rtx_bps = allocation->rtx_bps;
  lk_bandwidth_set_wanted (link->bandwidth, allocation->wanted_bps);
  g_mutex_unlock (&link->lock);
}
