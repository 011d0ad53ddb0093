/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitlink: what the path of one peer carries. What passes through rtpsession is in gstlivekitlink-session.c. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitlink-private.h"

#include "gstlivekitcodec.h"

/* Where no limit is known, a key frame need not wait for long. */
#define FREE_PACING 1.5
#define MAX_QUEUED 10000
#define IDLE_US G_TIME_SPAN_SECOND
#define PADDING_STEP_US 10000
/* rtprtxsend has what is younger. */
#define PADDING_MAX_AGE_US (600 * G_TIME_SPAN_MILLISECOND)
#define PADDING_MAX_BYTES 3000
/* The least time between two reports of ours. What comes is repaired in time only when requests are not held back by
 * the report before; who only sends has nothing to ask, and on a small path a hundred reports a second take a large
 * part of it. */
#define REPORTS_RECEIVING (20 * GST_MSECOND)
#define REPORTS_SMALL (100 * GST_MSECOND)
#define REPORTS_SENDING (250 * GST_MSECOND)
#define SMALL_BPS 1000000
#define RECEIVING_US (5 * G_TIME_SPAN_SECOND)

/* Where the estimate begins says nothing until the path is full; small, an encoder above it would seem limited. */
static const LkBandwidthConfig up_config = { 50000, 200000000, 10000000 };

typedef struct
{
  GstPad *joint;
  GstBuffer *packet;
} Item;

static gpointer link_thread (gpointer data);

static void
item_free (gpointer data)
{
  Item *item = data;

  gst_object_unref (item->joint);
  gst_clear_buffer (&item->packet);
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
    link->types[codec->payload_type] = codec->kind == LK_TRACK_VIDEO ? GST_LIVEKIT_LINK_VIDEO : GST_LIVEKIT_LINK_AUDIO;
    if (codec->rtx_payload_type)
      link->types[codec->rtx_payload_type] = GST_LIVEKIT_LINK_RTX;
  }
  g_mutex_init (&link->lock);
  g_cond_init (&link->changed);
  link->bandwidth = lk_bandwidth_new (&up_config, now_us);
  link->pacer = lk_pacer_new (up_config.start_bps, now_us);
  link->rtx_bps = up_config.start_bps / 10;
  link->rtx_us = link->padding_us = link->nacks_us = now_us;
  link->rtx_bytes = GST_LIVEKIT_LINK_RTX_BURST;
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

void
gst_livekit_link_wake_locked (GstLiveKitLink * link)
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

GstFlowReturn
gst_livekit_link_push_list (GstPad * joint, GstBufferList * packets)
{
  GstFlowReturn flow;

  GST_PAD_STREAM_LOCK (joint);
  flow = gst_pad_push_list (joint, packets);
  GST_PAD_STREAM_UNLOCK (joint);
  return flow == GST_FLOW_ERROR ? GST_FLOW_FLUSHING : flow;
}

static guint
packet_bytes (GstBuffer * packet)
{
  return (guint) gst_buffer_get_size (packet) + GST_LIVEKIT_LINK_OUTER_BYTES;
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
    gst_livekit_link_wake_locked (link);
  } else {
    lk_pacer_sent (link->pacer, packet_bytes (packet), FALSE, g_get_monotonic_time ());
  }
  g_mutex_unlock (&link->lock);
  return is_queued ? GST_FLOW_OK : gst_livekit_link_push (joint, packet);
}

static gboolean
may_go_whole (GstLiveKitLink * link, GstBufferList * packets)
{
  guint n = gst_buffer_list_length (packets);
  guint bytes = (guint) gst_buffer_list_calculate_size (packets) + n * GST_LIVEKIT_LINK_OUTER_BYTES;
  gint64 now_us = g_get_monotonic_time ();
  gboolean may_go;

  g_mutex_lock (&link->lock);
  may_go = !link->is_stopped && !link->is_pushing && g_queue_is_empty (&link->queue)
      && (!link->is_known || lk_pacer_has_burst (link->pacer, bytes, now_us));
  if (may_go)
    lk_pacer_sent (link->pacer, bytes, FALSE, now_us);
  g_mutex_unlock (&link->lock);
  return may_go;
}

/* Each packet has its time. The list goes first: while it holds the packets, the next that writes into one would copy
 * it. */
static GstFlowReturn
send_each (GstLiveKitLink * link, GstPad * joint, GstBufferList * list)
{
  guint length = gst_buffer_list_length (list);
  g_autofree GstBuffer **packets = g_new (GstBuffer *, length);
  GstFlowReturn flow = GST_FLOW_OK;

  for (guint i = 0; i < length; i++)
    packets[i] = gst_buffer_ref (gst_buffer_list_get (list, i));
  gst_buffer_list_unref (list);
  for (guint i = 0; i < length; i++) {
    if (flow == GST_FLOW_OK)
      flow = gst_livekit_link_send (link, joint, packets[i]);
    else
      gst_buffer_unref (packets[i]);
  }
  return flow;
}

GstFlowReturn
gst_livekit_link_send_list (GstLiveKitLink * link, GstPad * joint, GstBufferList * packets)
{
  if (may_go_whole (link, packets))
    return gst_livekit_link_push_list (joint, packets);
  return send_each (link, joint, packets);
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

void
gst_livekit_link_update_pacer_locked (GstLiveKitLink * link, gint64 now_us)
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
    gst_livekit_link_wake_locked (link);
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
  gst_livekit_link_push (item->joint, g_steal_pointer (&item->packet));
  item_free (item);
  g_mutex_lock (&link->lock);
  link->is_pushing = FALSE;
}

/* Old packets again, as browsers do it: the server drops them. */
static void
pad (GstLiveKitLink * link, gint64 now_us)
{
  guint slot = link->next_padding++ % GST_LIVEKIT_LINK_N_RECENT, bytes = link->recent[slot].bytes;
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
  for (guint tries = 0; tries < GST_LIVEKIT_LINK_N_RECENT && link->padding_bytes > 0
      && g_queue_is_empty (&link->queue); tries++)
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
    link->remb_us = now_us + lk_remb_interval_us (link->remb);
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
  gst_livekit_link_update_pacer_locked (link, now_us);
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
