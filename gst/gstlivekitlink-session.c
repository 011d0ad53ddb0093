/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitlink-session: what a link sees, and lets pass, at webrtcbin's rtpsession. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitcodec.h"
#include "gstlivekitlink-private.h"
#include "rtp/gstlivekitrtpextensions.h"

/* Feedback counts payloads: RTP header and extensions as well. */
#define HEADER_BYTES 60
#define MAX_FEEDBACK 4096
/* What retransmissions may take of a full path towards us. */
#define NACK_SHARE 0.1
#define NACK_PACKET_BITS 9600
#define NACK_BURST 10.0

/* Where the estimate begins says nothing until the path is full; small, an encoder above it would seem limited. */
static const LkBandwidthConfig down_config = { 50000, 200000000, 20000000 };

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
  link->rtx_bytes = MIN (link->rtx_bytes, GST_LIVEKIT_LINK_RTX_BURST);
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
    case GST_LIVEKIT_LINK_VIDEO:
      lk_bandwidth_sent (link->bandwidth, bytes, FALSE, now_us);
      link->recent[link->next_recent].ssrc = GST_READ_UINT32_BE (header + 8);
      link->recent[link->next_recent].seqnum = GST_READ_UINT16_BE (header + 2);
      link->recent[link->next_recent].bytes = bytes;
      link->recent[link->next_recent].sent_us = now_us;
      link->next_recent = (link->next_recent + 1) % GST_LIVEKIT_LINK_N_RECENT;
      return TRUE;
    case GST_LIVEKIT_LINK_RTX:
      if (!take_rtx_locked (link, bytes, now_us))
        return FALSE;
      break;
    case GST_LIVEKIT_LINK_AUDIO:
      /* It has no numbers, so that the target is for what is left beside it. */
      lk_rate_add (&link->audio, now_us, bytes);
      return TRUE;
    default:
      return TRUE;
  }
  lk_pacer_sent (link->pacer, bytes, FALSE, now_us);
  return TRUE;
}

/* FALSE: it must not be sent. */
static gboolean
take_packet_locked (GstLiveKitLink * link, GstBuffer * packet)
{
  guint8 header[12];

  if (gst_buffer_extract (packet, 0, header, sizeof header) != sizeof header)
    return TRUE;
  return take_sent_locked (link, header, (guint) gst_buffer_get_size (packet) + GST_LIVEKIT_LINK_OUTER_BYTES);
}

/* Lists are frames of ours; rtprtxsend makes none. */
static GstPadProbeReturn
on_sending (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstLiveKitLink *link = data;
  gboolean may_go = TRUE;

  g_mutex_lock (&link->lock);
  if (GST_PAD_PROBE_INFO_TYPE (info) & GST_PAD_PROBE_TYPE_BUFFER_LIST) {
    GstBufferList *list = GST_PAD_PROBE_INFO_BUFFER_LIST (info);

    for (guint i = 0; i < gst_buffer_list_length (list); i++)
      take_packet_locked (link, gst_buffer_list_get (list, i));
  } else {
    may_go = take_packet_locked (link, GST_PAD_PROBE_INFO_BUFFER (info));
  }
  g_mutex_unlock (&link->lock);
  return may_go ? GST_PAD_PROBE_OK : GST_PAD_PROBE_DROP;
}

/* --- sending: feedback --- */

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
  gst_livekit_link_update_pacer_locked (link, now_us);
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
  guint id = (guint) g_atomic_int_get (&link->abs_send_time_id), bytes = (guint) size + GST_LIVEKIT_LINK_OUTER_BYTES;
  gint64 now_us = g_get_monotonic_time ();
  guint32 sent;

  if (id == 0 || !lk_remb_find_send_time (data, size, id, &sent))
    return;
  g_mutex_lock (&link->lock);
  if (link->remb == NULL) {
    link->remb = lk_remb_new (&down_config, now_us);
    link->remb_us = now_us + LK_REMB_INTERVAL_US;
    gst_livekit_link_wake_locked (link);
  }
  if (lk_remb_add (link->remb, GST_READ_UINT32_BE (data + 8), GST_READ_UINT16_BE (data + 2), sent, bytes, now_us)) {
    link->remb_us = MIN (link->remb_us, now_us);
    gst_livekit_link_wake_locked (link);
  }
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

/* webrtcbin's funnel forgets to tell what a section has announced while it tells what another has, in two threads (seen in
 * 1.22.0), and the session would number nothing, for ever. It numbers only packets with room for it. */
static GstPadProbeReturn
on_sending_event (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);
  g_autofree gchar *field = NULL;
  g_autoptr (GstCaps) numbered = NULL;
  GstCaps *caps;

  if (GST_EVENT_TYPE (event) != GST_EVENT_CAPS)
    return GST_PAD_PROBE_OK;
  gst_event_parse_caps (event, &caps);
  numbered = gst_caps_copy (caps);
  field = g_strdup_printf ("extmap-%u", GST_LIVEKIT_EXTENSION_TWCC);
  gst_caps_set_simple (numbered, field, G_TYPE_STRING, GST_LIVEKIT_TWCC_URI, NULL);
  GST_PAD_PROBE_INFO_DATA (info) = gst_event_new_caps (numbered);
  gst_event_unref (event);
  return GST_PAD_PROBE_OK;
}

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
    add_probe (link, pad, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST, on_sending);
    add_probe (link, pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_sending_event);
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
