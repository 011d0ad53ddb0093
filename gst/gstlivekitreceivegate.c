/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitreceivegate: holds media that comes too early. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitreceivegate.h"

#include <gst/rtp/rtp.h>
#include <string.h>
#include "gstlivekitelements.h"
#include "rtp/gstlivekitrtpextensions.h"

#define GST_CAT_DEFAULT gst_livekit_debug

/* About a second of twenty tracks. What is beyond is lost, as it would be on the network. */
#define MAX_HELD_PACKETS 4000
/* Streams with sender reports; a peer has fewer sections. */
#define MAX_REPORTS 1000
/* What is late comes within seconds; the server gives no SSRC twice. */
#define MAX_ENDED 4096

typedef struct
{
  guint64 ntp;
  guint32 rtp;
} Report;

struct _GstLiveKitReceiveGate
{
  gatomicrefcount ref_count;
  gint last_packet_ms;          /* atomic, monotonic time */
  gint is_closed;               /* atomic */
  GMutex lock;                  /* around all below; never held while pushing */
  GHashTable *known;            /* SSRC, of the description that was answered last */
  GQueue held;                  /* GstBuffer, in order of arrival */
  GHashTable *ended;            /* SSRC */
  GQueue ended_order;           /* the same, the newest first */
  GHashTable *reports;          /* SSRC -> Report */
  GArray *to_clear;             /* SSRC */
  GWeakRef demux;
  gboolean is_verified, answer_due, may_release;
};

static guint
now_ms (void)
{
  return (guint) (g_get_monotonic_time () / G_TIME_SPAN_MILLISECOND);
}

static GstPadProbeReturn
on_incoming (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstLiveKitReceiveGate *gate = data;

  if (g_atomic_int_get (&gate->is_closed))
    return GST_PAD_PROBE_DROP;
  g_atomic_int_set (&gate->last_packet_ms, (gint) now_ms ());
  return GST_PAD_PROBE_OK;
}

void
gst_livekit_receive_gate_watch (GstLiveKitReceiveGate * gate, GstElement * nicesrc)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (nicesrc, "src");

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST, on_incoming,
      gst_livekit_receive_gate_ref (gate), (GDestroyNotify) gst_livekit_receive_gate_unref);
}

void
gst_livekit_receive_gate_close (GstLiveKitReceiveGate * gate)
{
  g_atomic_int_set (&gate->is_closed, TRUE);
}

guint
gst_livekit_receive_gate_get_silence_ms (GstLiveKitReceiveGate * gate)
{
  return now_ms () - (guint) g_atomic_int_get (&gate->last_packet_ms);
}

GstLiveKitReceiveGate *
gst_livekit_receive_gate_new (void)
{
  GstLiveKitReceiveGate *gate = g_new0 (GstLiveKitReceiveGate, 1);

  g_atomic_ref_count_init (&gate->ref_count);
  g_mutex_init (&gate->lock);
  gate->known = g_hash_table_new (NULL, NULL);
  g_queue_init (&gate->held);
  gate->ended = g_hash_table_new (NULL, NULL);
  g_queue_init (&gate->ended_order);
  gate->reports = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  gate->to_clear = g_array_new (FALSE, FALSE, sizeof (guint));
  g_weak_ref_init (&gate->demux, NULL);
  gate->last_packet_ms = (gint) now_ms ();
  return gate;
}

GstLiveKitReceiveGate *
gst_livekit_receive_gate_ref (GstLiveKitReceiveGate * gate)
{
  g_atomic_ref_count_inc (&gate->ref_count);
  return gate;
}

void
gst_livekit_receive_gate_unref (GstLiveKitReceiveGate * gate)
{
  if (!g_atomic_ref_count_dec (&gate->ref_count))
    return;
  g_queue_clear_full (&gate->held, (GDestroyNotify) gst_buffer_unref);
  g_hash_table_unref (gate->known);
  g_hash_table_unref (gate->ended);
  g_queue_clear (&gate->ended_order);
  g_hash_table_unref (gate->reports);
  g_array_unref (gate->to_clear);
  g_weak_ref_clear (&gate->demux);
  g_mutex_clear (&gate->lock);
  g_free (gate);
}

static guint32
read_ssrc (GstBuffer * buffer)
{
  guint8 bytes[4];

  if (gst_buffer_extract (buffer, 8, bytes, sizeof bytes) != sizeof bytes)
    return 0;
  return GST_READ_UINT32_BE (bytes);
}

static gboolean
may_pass_locked (GstLiveKitReceiveGate * gate, GstBuffer * buffer)
{
  if (!gate->is_verified)
    return FALSE;
  return !gate->answer_due || g_hash_table_contains (gate->known, GUINT_TO_POINTER (read_ssrc (buffer)));
}

/* Packets that have become known go first, so that their order stays. */
static void
take_released_locked (GstLiveKitReceiveGate * gate, GQueue * released)
{
  GQueue kept = G_QUEUE_INIT;
  GstBuffer *buffer;

  gate->may_release = FALSE;
  while ((buffer = g_queue_pop_head (&gate->held)))
    g_queue_push_tail (may_pass_locked (gate, buffer) ? released : &kept, buffer);
  gate->held = kept;
}

void
gst_livekit_receive_gate_set_demux (GstLiveKitReceiveGate * gate, GstElement * rtpssrcdemux)
{
  g_weak_ref_set (&gate->demux, rtpssrcdemux);
}

static void
add_ended_locked (GstLiveKitReceiveGate * gate, guint32 ssrc)
{
  if (!g_hash_table_add (gate->ended, GUINT_TO_POINTER (ssrc)))
    return;
  g_queue_push_head (&gate->ended_order, GUINT_TO_POINTER (ssrc));
  if (g_queue_get_length (&gate->ended_order) > MAX_ENDED)
    g_hash_table_remove (gate->ended, g_queue_pop_tail (&gate->ended_order));
}

void
gst_livekit_receive_gate_end_stream (GstLiveKitReceiveGate * gate, guint32 ssrc)
{
  guint number = ssrc;

  g_mutex_lock (&gate->lock);
  add_ended_locked (gate, ssrc);
  g_hash_table_remove (gate->reports, GUINT_TO_POINTER (number));
  g_array_append_val (gate->to_clear, number);
  g_mutex_unlock (&gate->lock);
}

/* On the thread that all packets of the transport come on. */
static void
clear_ended (GstLiveKitReceiveGate * gate)
{
  g_autoptr (GArray) to_clear = NULL;
  g_autoptr (GstElement) demux = NULL;

  g_mutex_lock (&gate->lock);
  if (gate->to_clear->len > 0) {
    to_clear = gate->to_clear;
    gate->to_clear = g_array_new (FALSE, FALSE, sizeof (guint));
  }
  g_mutex_unlock (&gate->lock);
  if (to_clear == NULL)
    return;
  demux = g_weak_ref_get (&gate->demux);
  for (guint i = 0; demux && i < to_clear->len; i++)
    g_signal_emit_by_name (demux, "clear-ssrc", g_array_index (to_clear, guint, i));
}

/* --- sender reports --- */

static void
take_report (GstLiveKitReceiveGate * gate, GstRTCPPacket * packet)
{
  Report report;
  guint32 ssrc;

  gst_rtcp_packet_sr_get_sender_info (packet, &ssrc, &report.ntp, &report.rtp, NULL, NULL);
  g_mutex_lock (&gate->lock);
  if (!g_hash_table_contains (gate->ended, GUINT_TO_POINTER (ssrc)) && (g_hash_table_size (gate->reports) < MAX_REPORTS
          || g_hash_table_contains (gate->reports, GUINT_TO_POINTER (ssrc))))
    g_hash_table_replace (gate->reports, GUINT_TO_POINTER (ssrc), g_memdup2 (&report, sizeof report));
  g_mutex_unlock (&gate->lock);
}

static GstPadProbeReturn
on_report (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  GstRTCPBuffer rtcp = GST_RTCP_BUFFER_INIT;
  GstRTCPPacket packet;

  clear_ended (data);
  if (!gst_rtcp_buffer_validate_reduced (buffer) || !gst_rtcp_buffer_map (buffer, GST_MAP_READ, &rtcp))
    return GST_PAD_PROBE_OK;
  for (gboolean more = gst_rtcp_buffer_get_first_packet (&rtcp, &packet); more;
      more = gst_rtcp_packet_move_to_next (&packet)) {
    if (gst_rtcp_packet_get_type (&packet) == GST_RTCP_TYPE_SR)
      take_report (data, &packet);
  }
  gst_rtcp_buffer_unmap (&rtcp);
  return GST_PAD_PROBE_OK;
}

typedef struct
{
  GstLiveKitReceiveGate *gate;
  GstLiveKitStreamTime *stream;
  guint clock_rate, capture_id;
} TimedStream;

static void
timed_stream_free (gpointer data)
{
  TimedStream *timed = data;

  gst_livekit_receive_gate_unref (timed->gate);
  gst_livekit_stream_time_unref (timed->stream);
  g_free (timed);
}

static void
time_packet (TimedStream * timed, GstBuffer * packet, GstClockTime now)
{
  const Report *found;
  Report report = { 0, };

  g_mutex_lock (&timed->gate->lock);
  found = g_hash_table_lookup (timed->gate->reports, GUINT_TO_POINTER (read_ssrc (packet)));
  if (found)
    report = *found;
  g_mutex_unlock (&timed->gate->lock);
  gst_livekit_stream_time_take_report (timed->stream, report.ntp, report.rtp);
  gst_livekit_stream_time_take_packet (timed->stream, packet, now, timed->clock_rate, timed->capture_id);
}

static GstPadProbeReturn
on_timed_packet (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  g_autoptr (GstElement) webrtcbin = gst_pad_get_parent_element (pad);
  GstClockTime now = webrtcbin ? gst_element_get_current_running_time (webrtcbin) : GST_CLOCK_TIME_NONE;

  if (GST_PAD_PROBE_INFO_TYPE (info) & GST_PAD_PROBE_TYPE_BUFFER_LIST) {
    GstBufferList *list = GST_PAD_PROBE_INFO_BUFFER_LIST (info);

    for (guint i = 0; i < gst_buffer_list_length (list); i++)
      time_packet (data, gst_buffer_list_get (list, i), now);
  } else {
    time_packet (data, GST_PAD_PROBE_INFO_BUFFER (info), now);
  }
  return GST_PAD_PROBE_OK;
}

static gboolean
find_capture_id (GQuark field, const GValue * value, gpointer id)
{
  guint64 number;

  if (G_VALUE_HOLDS_STRING (value) && g_str_has_prefix (g_quark_to_string (field), "extmap-")
      && g_strcmp0 (g_value_get_string (value), GST_LIVEKIT_CAPTURE_TIME_URI) == 0
      && g_ascii_string_to_unsigned (g_quark_to_string (field) + strlen ("extmap-"), 10, 1, 255, &number, NULL))
    *(guint *) id = (guint) number;
  return TRUE;
}

void
gst_livekit_receive_gate_time_stream (GstLiveKitReceiveGate * gate, GstPad * pad, GstLiveKitStreamTime * stream)
{
  TimedStream *timed = g_new0 (TimedStream, 1);
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  gint clock_rate = 0;

  timed->gate = gst_livekit_receive_gate_ref (gate);
  timed->stream = gst_livekit_stream_time_ref (stream);
  if (caps) {
    gst_structure_get_int (gst_caps_get_structure (caps, 0), "clock-rate", &clock_rate);
    gst_structure_foreach (gst_caps_get_structure (caps, 0), find_capture_id, &timed->capture_id);
  }
  timed->clock_rate = MAX (clock_rate, 0);
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST, on_timed_packet, timed,
      timed_stream_free);
}

static GstPadProbeReturn
on_packet (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstLiveKitReceiveGate *gate = data;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  GstPadProbeReturn answer = GST_PAD_PROBE_OK;
  GQueue released = G_QUEUE_INIT;
  GstBuffer *earlier;

  clear_ended (gate);
  g_mutex_lock (&gate->lock);
  if (gate->may_release)
    take_released_locked (gate, &released);
  if (g_hash_table_contains (gate->ended, GUINT_TO_POINTER (read_ssrc (buffer)))) {
    answer = GST_PAD_PROBE_DROP;
  } else if (!may_pass_locked (gate, buffer)) {
    if (g_queue_get_length (&gate->held) < MAX_HELD_PACKETS)
      g_queue_push_tail (&gate->held, gst_buffer_ref (buffer));
    answer = GST_PAD_PROBE_DROP;
  }
  g_mutex_unlock (&gate->lock);

  if (!g_queue_is_empty (&released)) {
    g_autoptr (GstPad) peer = gst_pad_get_peer (pad);

    GST_DEBUG_OBJECT (pad, "packets came before their answer held=%u", g_queue_get_length (&released));
    while ((earlier = g_queue_pop_head (&released))) {
      if (peer)
        gst_pad_chain (peer, earlier);
      else
        gst_buffer_unref (earlier);
    }
  }
  return answer;
}

void
gst_livekit_receive_gate_attach (GstLiveKitReceiveGate * gate, GstElement * srtpdec)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (srtpdec, "rtp_src");
  g_autoptr (GstPad) rtcp_pad = gst_element_get_static_pad (srtpdec, "rtcp_src");

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, on_packet, gst_livekit_receive_gate_ref (gate),
      (GDestroyNotify) gst_livekit_receive_gate_unref);
  gst_pad_add_probe (rtcp_pad, GST_PAD_PROBE_TYPE_BUFFER, on_report, gst_livekit_receive_gate_ref (gate),
      (GDestroyNotify) gst_livekit_receive_gate_unref);
}

void
gst_livekit_receive_gate_set_verified (GstLiveKitReceiveGate * gate, gboolean is_verified)
{
  g_mutex_lock (&gate->lock);
  gate->is_verified = is_verified;
  gate->may_release = TRUE;
  g_mutex_unlock (&gate->lock);
}

void
gst_livekit_receive_gate_set_answer_due (GstLiveKitReceiveGate * gate, gboolean is_due)
{
  g_mutex_lock (&gate->lock);
  gate->answer_due = is_due;
  gate->may_release = TRUE;
  g_mutex_unlock (&gate->lock);
}

void
gst_livekit_receive_gate_set_ssrcs (GstLiveKitReceiveGate * gate, GHashTable * ssrcs)
{
  g_mutex_lock (&gate->lock);
  g_hash_table_unref (gate->known);
  gate->known = g_hash_table_ref (ssrcs);
  gate->may_release = TRUE;
  g_mutex_unlock (&gate->lock);
}
