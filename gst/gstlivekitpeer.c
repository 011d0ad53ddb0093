/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitpeer: one webrtcbin: its life, its elements, its pads. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitpeer-private.h"

#include <gst/rtp/rtp.h>
#include <gst/video/video.h>
#include <stdio.h>
#include <string.h>
#include "gstlivekitelements.h"
#include "gstlivekitjitter.h"
#include "gstlivekitsdp.h"

#define GST_CAT_DEFAULT gst_livekit_debug

/* RTCP as early as RFC 4585 lets us (AVPF, immediate feedback), or NACKs come too late to help: minimum interval, and a
 * bandwidth that makes RTCP's share no limit. */
#define RTCP_MIN_INTERVAL (20 * GST_MSECOND)
#define RTCP_BANDWIDTH 1e8
#define RTX_MAX_AGE_MS 700
/* And by number, for streams whose timestamps stand still: 60 Mbit/s for that time. */
#define RTX_MAX_PACKETS 4096

typedef struct
{
  GstLiveKitPeer *peer;
  GstLiveKitPeerFunc func;
  gpointer result;
  GDestroyNotify free_result;
} Posted;

static void
posted_run (gpointer data)
{
  Posted *posted = data;

  if (!posted->peer->is_closed)
    posted->func (posted->peer, posted->result);
}

static void
posted_free (gpointer data)
{
  Posted *posted = data;

  if (posted->free_result)
    posted->free_result (posted->result);
  gst_livekit_peer_unref (posted->peer);
  g_free (posted);
}

void
gst_livekit_peer_post (GstLiveKitPeer * peer, GstLiveKitPeerFunc func, gpointer result, GDestroyNotify free_result)
{
  Posted *posted = g_new (Posted, 1);

  *posted = (Posted) {
  gst_livekit_peer_ref (peer), func, result, free_result};
  lk_loop_post (peer->loop, posted_run, posted, posted_free);
}

void
gst_livekit_peer_fail_in_loop (GstLiveKitPeer * peer, const gchar * why)
{
  lk_loop_assert_current (peer->loop);
  if (peer->has_failed)
    return;
  peer->has_failed = TRUE;
  GST_WARNING_OBJECT (peer->webrtcbin, "peer failed why=%s", why);
  peer->delegate.failed (peer, why, peer->delegate_data);
}

static GQuark
probe_quark (void)
{
  return g_quark_from_static_string ("gst-livekit-peer-probe");
}

static GstPadProbeReturn
block (GstPad * pad, GstPadProbeInfo * info, gpointer unused)
{
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
drop (GstPad * pad, GstPadProbeInfo * info, gpointer unused)
{
  return GST_PAD_PROBE_DROP;
}

void
gst_livekit_peer_release_pad (GstPad * pad, gboolean wanted)
{
  gulong probe = GPOINTER_TO_SIZE (g_object_steal_qdata (G_OBJECT (pad), probe_quark ()));

  if (!wanted)
    gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST, drop, NULL, NULL);
  if (probe)
    gst_pad_remove_probe (pad, probe);
}

/* webrtcbin's pad is a ghost of rtpbin's recv_rtp_src_<session>_<ssrc>_<payload type>. */
static guint32
stream_ssrc (GstPad * pad)
{
  g_autoptr (GstPad) target = GST_IS_GHOST_PAD (pad) ? gst_ghost_pad_get_target (GST_GHOST_PAD (pad)) : NULL;
  guint ssrc = 0;

  if (target == NULL || sscanf (GST_PAD_NAME (target), "recv_rtp_src_%*u_%u_", &ssrc) != 1)
    return 0;
  return ssrc;
}

/* The description knows it best: while webrtcbin works on the next one, it takes a new stream for one of the first
 * section. */
static gchar *
find_mid (GstLiveKitPeer * peer, GstPad * pad)
{
  const gchar *declared = peer->remote_sdp ? gst_livekit_sdp_find_mid (peer->remote_sdp, stream_ssrc (pad)) : NULL;
  g_autoptr (GstWebRTCRTPTransceiver) transceiver = NULL;
  g_autofree gchar *mid = NULL;

  g_object_get (pad, "transceiver", &transceiver, NULL);
  if (transceiver)
    g_object_get (transceiver, "mid", &mid, NULL);
  if (declared && g_strcmp0 (declared, mid) != 0)
    GST_DEBUG_OBJECT (pad, "stream of another section mid=%s taken-for=%s", declared, mid);
  return declared ? g_strdup (declared) : g_steal_pointer (&mid);
}

static void
pad_added_in_loop (GstLiveKitPeer * peer, gpointer result)
{
  GstPad *pad = result;
  g_autofree gchar *mid = find_mid (peer, pad);

  GST_DEBUG_OBJECT (pad, "stream begins mid=%s", mid);
  if (mid == NULL) {
    gst_livekit_peer_release_pad (pad, FALSE);
    return;
  }
  peer->delegate.pad_added (peer, pad, mid, peer->delegate_data);
}

static void
on_webrtcbin_pad_added (GstElement * webrtcbin, GstPad * pad, GstLiveKitPeer * peer)
{
  gulong probe;

  if (GST_PAD_DIRECTION (pad) != GST_PAD_SRC)
    return;
  probe = gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM, block, NULL, NULL);
  g_object_set_qdata (G_OBJECT (pad), probe_quark (), GSIZE_TO_POINTER (probe));
  gst_livekit_peer_post (peer, pad_added_in_loop, gst_object_ref (pad), gst_object_unref);
}

static void
on_webrtcbin_new_transceiver (GstElement * webrtcbin, GstWebRTCRTPTransceiver * transceiver, GstLiveKitPeer * peer)
{
  /* webrtcbin 1.22 holds its lock here: nothing but properties of the transceiver. */
  if (peer->role == GST_LIVEKIT_PEER_SUBSCRIBER)
    g_object_set (transceiver, "do-nack", TRUE, NULL);
}

static void
on_rtpbin_new_jitterbuffer (GstElement * rtpbin, GstElement * jitterbuffer, guint session, guint ssrc,
    gpointer unused)
{
  gst_livekit_jitter_hasten (jitterbuffer);
  /* When a stream pauses (mute, nobody watching), it would ask for the packet that should be next, give that up as
   * lost, and drop it when it does come: the first of the key frame that the stream goes on with. */
  g_object_set (jitterbuffer, "rtx-next-seqnum", FALSE, NULL);
}

static void
set_up_rtpsession (GstLiveKitPeer * peer, GstElement * rtpsession)
{
  g_autoptr (GObject) session = NULL;

  /* No waiting for a second packet of each source: SRTP has proved who sends. */
  g_object_set (rtpsession, "probation", 0, "rtcp-min-interval", (guint64) RTCP_MIN_INTERVAL, NULL);
  /* Sender reports are about the capture. What upstream declares as latency is in the time of sending, which this
   * would report. */
  g_object_set (rtpsession, "rtcp-sync-send-time", FALSE, NULL);
  g_object_get (rtpsession, "internal-session", &session, NULL);
  g_object_set (session, "bandwidth", (gdouble) RTCP_BANDWIDTH, NULL);
  gst_livekit_link_attach_session (peer->link, rtpsession);
}

/* webrtcbin 1.22's funnel knows only the SSRC of its caps, and loses requests for the other layers. */
static GstPadProbeReturn
on_funnel_event (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  if (!gst_video_event_is_force_key_unit (GST_PAD_PROBE_INFO_EVENT (info)))
    return GST_PAD_PROBE_OK;
  gst_livekit_peer_route_key_unit (data, GST_PAD_PROBE_INFO_EVENT (info));
  return GST_PAD_PROBE_HANDLED;
}

static void
watch_funnel (GstLiveKitPeer * peer, GstElement * funnel)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (funnel, "src");

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, on_funnel_event, gst_livekit_peer_ref (peer),
      (GDestroyNotify) gst_livekit_peer_unref);
}

static void
add_extension (GstElement * element, const gchar * name, guint id)
{
  g_autoptr (GstRTPHeaderExtension) extension = GST_RTP_HEADER_EXTENSION (gst_element_factory_make (name, NULL));

  gst_object_ref_sink (extension);
  gst_rtp_header_extension_set_id (extension, id);
  g_signal_emit_by_name (element, "add-extension", extension);
}

/* webrtcbin hands it its extensions too late: until the second negotiation retransmissions would name no layer, and the
 * server would take them for new streams. */
static void
set_up_rtx (GstLiveKitPeer * peer, GstElement * rtxsend)
{
  /* After an outage the server asks for all that it has missed. What is older than a second would come in a burst, to
   * which a receiver's jitter buffer sets its clock anew: sound and picture are seconds apart then. */
  g_object_set (rtxsend, "max-size-packets", RTX_MAX_PACKETS, "max-size-time", RTX_MAX_AGE_MS, NULL);
  add_extension (rtxsend, "rtphdrextstreamid", GST_LIVEKIT_EXTENSION_RID);
  add_extension (rtxsend, "rtphdrextrepairedstreamid", GST_LIVEKIT_EXTENSION_REPAIRED_RID);
  gst_livekit_link_attach_rtx (peer->link, rtxsend);
}

/* The one of packets and reports in dtlssrtpenc: at each change between them it would send the other's events again, and
 * nicesink would post a message through all bins. */
static void
keep_events (GstElement * funnel)
{
  if (g_object_class_find_property (G_OBJECT_GET_CLASS (funnel), "forward-sticky-events"))
    g_object_set (funnel, "forward-sticky-events", FALSE, NULL);
}

static void
on_webrtcbin_deep_element_added (GstBin * webrtcbin, GstBin * parent, GstElement * element, GstLiveKitPeer * peer)
{
  GstElementFactory *factory = gst_element_get_factory (element);
  const gchar *name = factory ? GST_OBJECT_NAME (factory) : "";

  if (g_str_equal (name, "nicesrc"))
    gst_livekit_receive_gate_watch (peer->gate, element);
  else if (g_str_equal (name, "srtpdec"))
    gst_livekit_receive_gate_attach (peer->gate, element);
  else if (g_str_equal (name, "dtlsdec"))
    g_weak_ref_set (&peer->dtlsdec, element);
  else if (g_str_equal (name, "dtlssrtpenc"))
    g_weak_ref_set (&peer->dtlssrtpenc, element);
  else if (g_str_equal (name, "rtpssrcdemux"))
    gst_livekit_receive_gate_set_demux (peer->gate, element);
  else if (g_str_equal (name, "rtpsession"))
    set_up_rtpsession (peer, element);
  else if (g_str_equal (name, "rtpfunnel"))
    watch_funnel (peer, element);
  else if (g_str_equal (name, "funnel"))
    keep_events (element);
  else if (g_str_equal (name, "rtprtxsend"))
    set_up_rtx (peer, element);
  else if (g_str_equal (name, "rtpbin"))
    g_signal_connect (element, "new-jitterbuffer", G_CALLBACK (on_rtpbin_new_jitterbuffer), NULL);
  else if (g_str_equal (name, "clocksync"))
    /* It would add the latency that upstream declares; our tracks pace what has to be paced. */
    g_object_set (element, "sync", FALSE, NULL);
}

static void
connect_signals (GstLiveKitPeer * peer)
{
  static const struct
  {
    const gchar *name;
    GCallback callback;
  } signals[] = {
    {"notify::connection-state", G_CALLBACK (gst_livekit_peer_on_connection_state)},
    {"on-ice-candidate", G_CALLBACK (gst_livekit_peer_on_ice_candidate)},
    {"pad-added", G_CALLBACK (on_webrtcbin_pad_added)},
    {"on-new-transceiver", G_CALLBACK (on_webrtcbin_new_transceiver)},
    {"deep-element-added", G_CALLBACK (on_webrtcbin_deep_element_added)},
  };

  for (guint i = 0; i < G_N_ELEMENTS (signals); i++)
    g_signal_connect_data (peer->webrtcbin, signals[i].name, signals[i].callback, gst_livekit_peer_ref (peer),
        (GClosureNotify) (GCallback) gst_livekit_peer_unref, 0);
}

static void
congested_in_loop (GstLiveKitPeer * peer, gpointer unused)
{
  peer->delegate.congested (peer, peer->delegate_data);
}

static void
on_link_congested (gpointer data)
{
  gst_livekit_peer_post (data, congested_in_loop, NULL, NULL);
}

static void
recv_section_free (gpointer data)
{
  GstLiveKitRecvSection *section = data;

  g_free (section->mid);
  g_free (section);
}

/* rtpbin is there before anybody could hear of it. */
static void
adopt_existing_children (GstLiveKitPeer * peer)
{
  g_autoptr (GstIterator) iterator = gst_bin_iterate_recurse (GST_BIN (peer->webrtcbin));
  GValue item = G_VALUE_INIT;

  while (gst_iterator_next (iterator, &item) == GST_ITERATOR_OK) {
    on_webrtcbin_deep_element_added (GST_BIN (peer->webrtcbin), NULL, g_value_get_object (&item), peer);
    g_value_unset (&item);
  }
}

GstLiveKitPeer *
gst_livekit_peer_new (GstBin * host, LkLoop * loop, const GstLiveKitPeerConfig * config,
    const GstLiveKitPeerDelegate * delegate, gpointer data, GError ** error)
{
  GstElement *webrtcbin = gst_element_factory_make ("webrtcbin", config->name);
  GstLiveKitPeer *peer;

  if (webrtcbin == NULL) {
    g_set_error (error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN,
        "The element webrtcbin is missing (Debian: gstreamer1.0-plugins-bad and gstreamer1.0-nice).");
    return NULL;
  }
  peer = g_new0 (GstLiveKitPeer, 1);
  g_atomic_ref_count_init (&peer->ref_count);
  peer->loop = lk_loop_ref (loop);
  peer->host = host;
  peer->webrtcbin = gst_object_ref_sink (webrtcbin);
  peer->role = config->role;
  peer->gate = gst_livekit_receive_gate_new ();
  peer->link = gst_livekit_link_new (on_link_congested, gst_livekit_peer_ref (peer),
      (GDestroyNotify) gst_livekit_peer_unref);
  if (config->role == GST_LIVEKIT_PEER_BOTH)
    gst_livekit_link_set_abs_send_time_id (peer->link, GST_LIVEKIT_EXTENSION_ABS_SEND_TIME);
  peer->delegate = *delegate;
  peer->delegate_data = data;
  peer->send_sections = g_ptr_array_new_with_free_func (gst_livekit_send_section_free);
  peer->recv_sections = g_ptr_array_new_with_free_func (recv_section_free);
  peer->local_candidates = g_ptr_array_new_with_free_func (g_free);
  g_weak_ref_init (&peer->dtlsdec, NULL);
  g_weak_ref_init (&peer->dtlssrtpenc, NULL);
  g_mutex_init (&peer->senders_lock);
  peer->senders = g_hash_table_new_full (NULL, NULL, NULL, gst_object_unref);

  g_object_set (webrtcbin, "bundle-policy", GST_WEBRTC_BUNDLE_POLICY_MAX_BUNDLE, "latency", config->latency_ms, NULL);
  connect_signals (peer);
  adopt_existing_children (peer);
  gst_livekit_peer_set_up_ice (peer, config);
  gst_bin_add (host, webrtcbin);
  gst_element_sync_state_with_parent (webrtcbin);
  gst_livekit_peer_watch_dtls_in_loop (peer);
  return peer;
}

GstLiveKitPeer *
gst_livekit_peer_ref (GstLiveKitPeer * peer)
{
  g_atomic_ref_count_inc (&peer->ref_count);
  return peer;
}

void
gst_livekit_peer_unref (GstLiveKitPeer * peer)
{
  if (!g_atomic_ref_count_dec (&peer->ref_count))
    return;
  g_ptr_array_unref (peer->send_sections);
  g_ptr_array_unref (peer->recv_sections);
  g_ptr_array_unref (peer->local_candidates);
  g_free (peer->ice_ufrag);
  g_free (peer->ice_pwd);
  g_clear_pointer (&peer->local_sdp, gst_sdp_message_free);
  g_clear_pointer (&peer->remote_sdp, gst_sdp_message_free);
  g_clear_pointer (&peer->mid_to_track, g_hash_table_unref);
  g_weak_ref_clear (&peer->dtlsdec);
  g_weak_ref_clear (&peer->dtlssrtpenc);
  g_hash_table_unref (peer->senders);
  g_mutex_clear (&peer->senders_lock);
  gst_livekit_receive_gate_unref (peer->gate);
  gst_livekit_link_unref (peer->link);
  gst_clear_object (&peer->webrtcbin);
  lk_loop_unref (peer->loop);
  g_free (peer);
}

typedef struct
{
  GstElement *webrtcbin;
  GstBin *host;
  GstLiveKitLink *link;
  GDestroyNotify done;
  gpointer data;
} TearDown;

/* Descriptions that webrtcbin 1.22 is still working on while it goes to NULL leave elements behind that play on, and
 * promises that nobody answers. Its operations run one by one: when this one is answered, so are those before it. */
static void
finish_operations (GstElement * webrtcbin)
{
  GstPromise *promise = gst_promise_new ();

  g_signal_emit_by_name (webrtcbin, "get-stats", NULL, promise);
  gst_promise_wait (promise);
  gst_promise_unref (promise);
}

/* webrtcbin joins its threads here, so this may take a while and must not be one of them, nor the loop. */
static gpointer
tear_down_thread (gpointer data)
{
  TearDown *job = data;

  finish_operations (job->webrtcbin);
  gst_element_set_state (job->webrtcbin, GST_STATE_NULL);
  gst_livekit_link_stop (job->link);
  gst_livekit_link_unref (job->link);
  if (GST_OBJECT_PARENT (job->webrtcbin) == GST_OBJECT_CAST (job->host))
    gst_bin_remove (job->host, job->webrtcbin);
  gst_object_unref (job->webrtcbin);
  gst_object_unref (job->host);
  if (job->done)
    job->done (job->data);
  g_free (job);
  return NULL;
}

void
gst_livekit_peer_close_in_loop (GstLiveKitPeer * peer, GDestroyNotify done, gpointer data)
{
  TearDown *job = g_new (TearDown, 1);

  lk_loop_assert_current (peer->loop);
  peer->is_closed = TRUE;
  lk_loop_cancel (peer->loop, &peer->dtls_timer);
  gst_livekit_receive_gate_close (peer->gate);
  gst_livekit_peer_drop_turns_in_loop (peer);
  for (guint i = 0; i < peer->send_sections->len; i++)
    gst_livekit_peer_close_section_in_loop (peer, g_ptr_array_index (peer->send_sections, i));
  gst_element_set_locked_state (peer->webrtcbin, TRUE);
  g_signal_handlers_disconnect_by_data (peer->webrtcbin, peer);
  /* Whatever may still hold the peer, a promise that webrtcbin has lost for instance, does not hold webrtcbin. */
  *job = (TearDown) {
  g_steal_pointer (&peer->webrtcbin), gst_object_ref (peer->host), gst_livekit_link_ref (peer->link), done, data};
  g_ptr_array_set_size (peer->send_sections, 0);
  g_thread_unref (g_thread_new ("livekit-teardown", tear_down_thread, job));
}

gboolean
gst_livekit_peer_is_connected (GstLiveKitPeer * peer)
{
  return peer->is_connected;
}

GstLiveKitLink *
gst_livekit_peer_get_link (GstLiveKitPeer * peer)
{
  return peer->link;
}

static void
set_latency_in_turn (GstLiveKitPeer * peer, gpointer latency_ms)
{
  g_object_set (peer->webrtcbin, "latency", GPOINTER_TO_UINT (latency_ms), NULL);
}

void
gst_livekit_peer_set_latency_in_loop (GstLiveKitPeer * peer, guint latency_ms)
{
  gst_livekit_peer_take_turn_in_loop (peer, set_latency_in_turn, GUINT_TO_POINTER (latency_ms), NULL);
}

void
gst_livekit_peer_recalculate_latency_in_loop (GstLiveKitPeer * peer)
{
  lk_loop_assert_current (peer->loop);
  if (!peer->is_closed)
    gst_bin_recalculate_latency (GST_BIN (peer->webrtcbin));
}

void
gst_livekit_peer_clear_stream_in_loop (GstLiveKitPeer * peer, GstPad * pad)
{
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  guint ssrc;

  lk_loop_assert_current (peer->loop);
  if (caps && gst_structure_get_uint (gst_caps_get_structure (caps, 0), "ssrc", &ssrc))
    gst_livekit_receive_gate_end_stream (peer->gate, ssrc);
}

void
gst_livekit_peer_time_stream_in_loop (GstLiveKitPeer * peer, GstPad * pad, GstLiveKitStreamTime * stream)
{
  lk_loop_assert_current (peer->loop);
  gst_livekit_receive_gate_time_stream (peer->gate, pad, stream);
}

static GMutex warm_up_lock;
static GThread *warm_up;
static gint warm_up_users;

static gpointer
warm_up_thread (gpointer unused)
{
  static const gchar *const factories[] = { "dtlsdec", "dtlssrtpenc", "dtlssrtpdec", "nicesrc", "nicesink", "srtpenc",
    "srtpdec", "rtpbin", "rtprtxsend", "rtprtxreceive", "rtpfunnel", "rtpjitterbuffer", "rtpptdemux", "rtpssrcdemux",
    "rtpsession", "rtpstorage", "rtpulpfecdec", "funnel", "queue", "capsfilter", "clocksync", "rtph264pay",
    "rtph264depay", "h264parse", "rtpvp8pay", "rtpvp8depay", "rtpopuspay", "rtpopusdepay", "opusparse"
  };

  for (guint i = 0; i < G_N_ELEMENTS (factories) && g_atomic_int_get (&warm_up_users) > 0; i++) {
    GstElement *element = gst_element_factory_make (factories[i], NULL);

    if (element)
      gst_object_unref (gst_object_ref_sink (element));
  }
  return NULL;
}

void
gst_livekit_peer_warm_up (void)
{
  static gboolean is_done = FALSE;

  g_mutex_lock (&warm_up_lock);
  g_atomic_int_inc (&warm_up_users);
  if (!is_done)
    warm_up = g_thread_new ("livekit-warm-up", warm_up_thread, NULL);
  is_done = TRUE;
  g_mutex_unlock (&warm_up_lock);
}

void
gst_livekit_peer_cool_down (void)
{
  GThread *thread = NULL;

  g_mutex_lock (&warm_up_lock);
  if (g_atomic_int_dec_and_test (&warm_up_users))
    thread = g_steal_pointer (&warm_up);
  g_mutex_unlock (&warm_up_lock);
  if (thread)
    g_thread_join (thread);
}
