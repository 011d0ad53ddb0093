/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitreceivegate: holds media that comes too early. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitreceivegate.h"

#include "gstlivekitelements.h"

#define GST_CAT_DEFAULT gst_livekit_debug

/* About a second of twenty tracks. What is beyond is lost, as it would be on the network. */
#define MAX_HELD_PACKETS 4000

struct _GstLiveKitReceiveGate
{
  gatomicrefcount ref_count;
  gint last_packet_ms;          /* atomic, monotonic time */
  GMutex lock;                  /* around all below; never held while pushing */
  GHashTable *known;            /* SSRC */
  GQueue held;                  /* GstBuffer, in order of arrival */
  GHashTable *ended;            /* SSRC */
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
  g_atomic_int_set (&((GstLiveKitReceiveGate *) data)->last_packet_ms, (gint) now_ms ());
  return GST_PAD_PROBE_OK;
}

void
gst_livekit_receive_gate_watch (GstLiveKitReceiveGate * gate, GstElement * nicesrc)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (nicesrc, "src");

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST, on_incoming,
      gst_livekit_receive_gate_ref (gate), (GDestroyNotify) gst_livekit_receive_gate_unref);
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

void
gst_livekit_receive_gate_end_stream (GstLiveKitReceiveGate * gate, guint32 ssrc)
{
  guint number = ssrc;

  g_mutex_lock (&gate->lock);
  g_hash_table_add (gate->ended, GUINT_TO_POINTER (number));
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

static GstPadProbeReturn
on_report (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  clear_ended (data);
  return GST_PAD_PROBE_OK;
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
gst_livekit_receive_gate_add_ssrcs (GstLiveKitReceiveGate * gate, GHashTable * ssrcs)
{
  GHashTableIter iter;
  gpointer ssrc;

  g_mutex_lock (&gate->lock);
  g_hash_table_iter_init (&iter, ssrcs);
  while (g_hash_table_iter_next (&iter, &ssrc, NULL))
    g_hash_table_add (gate->known, ssrc);
  gate->may_release = TRUE;
  g_mutex_unlock (&gate->lock);
}
