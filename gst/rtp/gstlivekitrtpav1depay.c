/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitrtpav1depay: AV1 out of RTP packets, after "RTP Payload Format For AV1 (v1.0)". */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

/**
 * SECTION:element-livekitrtpav1depay
 * @title: livekitrtpav1depay
 *
 * Makes temporal units of AV1 from RTP packets. Shows nothing before the first key frame, and no unit that lacks a
 * packet.
 *
 * |[
 * gst-launch-1.0 udpsrc port=5004 caps='application/x-rtp,media=video,clock-rate=90000,encoding-name=AV1' ! \
 *     rtpjitterbuffer ! livekitrtpav1depay ! av1dec ! videoconvert ! autovideosink
 * ]| Shows what comes in on a port.
 * |[
 * gst-launch-1.0 -e udpsrc port=5004 caps='application/x-rtp,media=video,clock-rate=90000,encoding-name=AV1' ! \
 *     rtpjitterbuffer do-lost=true ! livekitrtpav1depay request-keyframe=true wait-for-keyframe=true ! av1parse ! \
 *     matroskamux ! filesink location=film.mkv
 * ]| Records it. After a loss the file goes on with a key frame.
 */

#include "gstlivekitrtpav1.h"

#include <gst/video/video.h>

#include "gstlivekitav1packet.h"
#include "gstlivekitelements.h"

#define GST_CAT_DEFAULT gst_livekit_debug

/* A lost key frame request is made again, but not for each packet. */
#define REQUEST_INTERVAL_US (500 * G_TIME_SPAN_MILLISECOND)

struct _GstLiveKitRtpAv1Depay
{
  GstRTPBaseDepayload parent;
  /* OBJECT_LOCK */
  gboolean request_keyframe, wait_for_keyframe;
  /* streaming thread only */
  GstLiveKitAv1Assembler *assembler;
  guint32 rtptime;              /* of the unit that is being assembled */
  GstClockTime pts, dts;        /* of its first packet: the base class knows only those of the last */
  gboolean is_waiting;          /* for a key frame */
  gboolean is_discont;
  gint64 last_request;          /* monotonic time, 0 = none */
};

enum
{
  PROP_0,
  PROP_REQUEST_KEYFRAME,
  PROP_WAIT_FOR_KEYFRAME,
  N_PROPERTIES
};

static GParamSpec *properties[N_PROPERTIES];

G_DEFINE_FINAL_TYPE (GstLiveKitRtpAv1Depay, gst_livekit_rtp_av1_depay, GST_TYPE_RTP_BASE_DEPAYLOAD);
GST_ELEMENT_REGISTER_DEFINE_WITH_CODE (livekitrtpav1depay, "livekitrtpav1depay", GST_RANK_MARGINAL,
    GST_TYPE_LIVEKIT_RTP_AV1_DEPAY, gst_livekit_init_once ());

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS ("application/x-rtp, media=(string)video, clock-rate=(int)90000, encoding-name=(string)AV1"));

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS ("video/x-av1, stream-format=(string)obu-stream, alignment=(string)tu"));

static gboolean
get_setting (GstLiveKitRtpAv1Depay * self, const gboolean * setting)
{
  gboolean value;

  GST_OBJECT_LOCK (self);
  value = *setting;
  GST_OBJECT_UNLOCK (self);
  return value;
}

static void
request_key_frame (GstLiveKitRtpAv1Depay * self)
{
  gint64 now = g_get_monotonic_time ();

  if (!get_setting (self, &self->request_keyframe))
    return;
  if (self->last_request > 0 && now - self->last_request < REQUEST_INTERVAL_US)
    return;
  self->last_request = now;
  GST_DEBUG_OBJECT (self, "asking for a key frame");
  gst_pad_push_event (GST_RTP_BASE_DEPAYLOAD_SINKPAD (self),
      gst_video_event_new_upstream_force_key_unit (GST_CLOCK_TIME_NONE, TRUE, 0));
}

static void
note_loss (GstLiveKitRtpAv1Depay * self)
{
  gst_livekit_av1_assembler_lose (self->assembler);
  self->is_discont = TRUE;
  if (get_setting (self, &self->wait_for_keyframe))
    self->is_waiting = TRUE;
  request_key_frame (self);
}

static GstBuffer *
make_buffer (GstLiveKitRtpAv1Depay * self, GBytes * unit, const GstLiveKitAv1UnitInfo * info)
{
  GstBuffer *buffer = gst_buffer_new_wrapped_bytes (unit);

  GST_BUFFER_PTS (buffer) = self->pts;
  GST_BUFFER_DTS (buffer) = self->dts;
  if (info->starts_sequence)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_HEADER);
  if (!info->has_key_frame)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT);
  if (self->is_discont)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
  self->is_discont = FALSE;
  return buffer;
}

/* The unit that has come to its end, or NULL. */
static GstBuffer *
finish_unit (GstLiveKitRtpAv1Depay * self)
{
  GstLiveKitAv1UnitInfo info;
  g_autoptr (GBytes) unit = gst_livekit_av1_assembler_take (self->assembler, &info);

  if (unit == NULL) {
    GST_DEBUG_OBJECT (self, "broken unit dropped rtptime=%u", self->rtptime);
    note_loss (self);
    return NULL;
  }
  if (info.starts_sequence) {
    self->is_waiting = FALSE;
    self->last_request = 0;
  }
  if (self->is_waiting) {
    GST_LOG_OBJECT (self, "waiting for a key frame rtptime=%u", self->rtptime);
    self->is_discont = TRUE;
    request_key_frame (self);
    return NULL;
  }
  return make_buffer (self, unit, &info);
}

static void
push_unit (GstLiveKitRtpAv1Depay * self)
{
  GstBuffer *buffer = finish_unit (self);

  if (buffer)
    gst_rtp_base_depayload_push (GST_RTP_BASE_DEPAYLOAD (self), buffer);
}

static void
add_payload (GstLiveKitRtpAv1Depay * self, GstRTPBuffer * rtp)
{
  const guint8 *payload = gst_rtp_buffer_get_payload (rtp);
  guint size = gst_rtp_buffer_get_payload_len (rtp);

  if (!gst_livekit_av1_assembler_is_pending (self->assembler)) {
    self->rtptime = gst_rtp_buffer_get_timestamp (rtp);
    self->pts = GST_BUFFER_PTS (rtp->buffer);
    self->dts = GST_BUFFER_DTS (rtp->buffer);
  }
  if (!gst_livekit_av1_assembler_add (self->assembler, payload, size))
    GST_LOG_OBJECT (self, "packet of a broken unit seqnum=%u size=%u", gst_rtp_buffer_get_seq (rtp), size);
}

/* §4.2: a new timestamp ends a unit as the marker does. */
static GstBuffer *
gst_livekit_rtp_av1_depay_process_rtp_packet (GstRTPBaseDepayload * depayload, GstRTPBuffer * rtp)
{
  GstLiveKitRtpAv1Depay *self = GST_LIVEKIT_RTP_AV1_DEPAY (depayload);
  gboolean follows_loss = GST_BUFFER_IS_DISCONT (rtp->buffer);

  if (follows_loss)
    note_loss (self);
  /* Padding that probes for bandwidth is no part of a unit. */
  if (gst_rtp_buffer_get_payload_len (rtp) == 0)
    return NULL;
  if (gst_livekit_av1_assembler_is_pending (self->assembler) && self->rtptime != gst_rtp_buffer_get_timestamp (rtp)) {
    push_unit (self);
    if (follows_loss)
      gst_livekit_av1_assembler_lose (self->assembler);
  }
  add_payload (self, rtp);
  return gst_rtp_buffer_get_marker (rtp) ? finish_unit (self) : NULL;
}

static gboolean
gst_livekit_rtp_av1_depay_packet_lost (GstRTPBaseDepayload * depayload, GstEvent * event)
{
  GstLiveKitRtpAv1Depay *self = GST_LIVEKIT_RTP_AV1_DEPAY (depayload);
  gboolean might_have_been_fec = FALSE;

  gst_structure_get_boolean (gst_event_get_structure (event), "might-have-been-fec", &might_have_been_fec);
  if (!might_have_been_fec)
    note_loss (self);
  return GST_RTP_BASE_DEPAYLOAD_CLASS (gst_livekit_rtp_av1_depay_parent_class)->packet_lost (depayload, event);
}

static gboolean
gst_livekit_rtp_av1_depay_set_caps (GstRTPBaseDepayload * depayload, GstCaps * caps)
{
  g_autoptr (GstCaps) out = gst_static_pad_template_get_caps (&src_template);

  depayload->clock_rate = 90000;
  return gst_pad_set_caps (GST_RTP_BASE_DEPAYLOAD_SRCPAD (depayload), out);
}

static void
start_over (GstLiveKitRtpAv1Depay * self)
{
  GstLiveKitAv1UnitInfo info;
  GBytes *unit = gst_livekit_av1_assembler_take (self->assembler, &info);

  g_clear_pointer (&unit, g_bytes_unref);
  self->is_waiting = self->is_discont = TRUE;
  self->last_request = 0;
}

/* The last unit may lack only its marker. */
static gboolean
gst_livekit_rtp_av1_depay_handle_event (GstRTPBaseDepayload * depayload, GstEvent * event)
{
  GstLiveKitRtpAv1Depay *self = GST_LIVEKIT_RTP_AV1_DEPAY (depayload);

  if (GST_EVENT_TYPE (event) == GST_EVENT_EOS && gst_livekit_av1_assembler_is_pending (self->assembler))
    push_unit (self);
  if (GST_EVENT_TYPE (event) == GST_EVENT_FLUSH_STOP)
    start_over (self);
  return GST_RTP_BASE_DEPAYLOAD_CLASS (gst_livekit_rtp_av1_depay_parent_class)->handle_event (depayload, event);
}

static GstStateChangeReturn
gst_livekit_rtp_av1_depay_change_state (GstElement * element, GstStateChange transition)
{
  GstStateChangeReturn ret;

  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED)
    start_over (GST_LIVEKIT_RTP_AV1_DEPAY (element));
  ret = GST_ELEMENT_CLASS (gst_livekit_rtp_av1_depay_parent_class)->change_state (element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    start_over (GST_LIVEKIT_RTP_AV1_DEPAY (element));
  return ret;
}

static void
gst_livekit_rtp_av1_depay_set_property (GObject * object, guint id, const GValue * value, GParamSpec * pspec)
{
  GstLiveKitRtpAv1Depay *self = GST_LIVEKIT_RTP_AV1_DEPAY (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_REQUEST_KEYFRAME:
      self->request_keyframe = g_value_get_boolean (value);
      break;
    case PROP_WAIT_FOR_KEYFRAME:
      self->wait_for_keyframe = g_value_get_boolean (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_livekit_rtp_av1_depay_get_property (GObject * object, guint id, GValue * value, GParamSpec * pspec)
{
  GstLiveKitRtpAv1Depay *self = GST_LIVEKIT_RTP_AV1_DEPAY (object);

  switch (id) {
    case PROP_REQUEST_KEYFRAME:
      g_value_set_boolean (value, get_setting (self, &self->request_keyframe));
      break;
    case PROP_WAIT_FOR_KEYFRAME:
      g_value_set_boolean (value, get_setting (self, &self->wait_for_keyframe));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
}

static void
gst_livekit_rtp_av1_depay_finalize (GObject * object)
{
  gst_livekit_av1_assembler_free (GST_LIVEKIT_RTP_AV1_DEPAY (object)->assembler);
  G_OBJECT_CLASS (gst_livekit_rtp_av1_depay_parent_class)->finalize (object);
}

static void
install_properties (GObjectClass * object_class)
{
  /**
   * GstLiveKitRtpAv1Depay:request-keyframe:
   *
   * Ask upstream for a key frame when packets are lost and while one is waited for, at most twice a second.
   */
  properties[PROP_REQUEST_KEYFRAME] = g_param_spec_boolean ("request-keyframe", "Request key frame",
      "Ask upstream for a key frame after a loss and while waiting for one (used at once)", FALSE,
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
  /**
   * GstLiveKitRtpAv1Depay:wait-for-keyframe:
   *
   * After a loss, show nothing up to the next key frame. The first key frame is always waited for.
   */
  properties[PROP_WAIT_FOR_KEYFRAME] = g_param_spec_boolean ("wait-for-keyframe", "Wait for key frame",
      "Show nothing between a loss and the next key frame (used at the next loss)", FALSE,
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
  g_object_class_install_properties (object_class, N_PROPERTIES, properties);
}

static void
gst_livekit_rtp_av1_depay_class_init (GstLiveKitRtpAv1DepayClass * klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstRTPBaseDepayloadClass *depayload_class = GST_RTP_BASE_DEPAYLOAD_CLASS (klass);

  object_class->set_property = gst_livekit_rtp_av1_depay_set_property;
  object_class->get_property = gst_livekit_rtp_av1_depay_get_property;
  object_class->finalize = gst_livekit_rtp_av1_depay_finalize;
  install_properties (object_class);
  element_class->change_state = gst_livekit_rtp_av1_depay_change_state;
  depayload_class->set_caps = gst_livekit_rtp_av1_depay_set_caps;
  depayload_class->process_rtp_packet = gst_livekit_rtp_av1_depay_process_rtp_packet;
  depayload_class->packet_lost = gst_livekit_rtp_av1_depay_packet_lost;
  depayload_class->handle_event = gst_livekit_rtp_av1_depay_handle_event;
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class, "LiveKit RTP AV1 depayloader", "Codec/Depayloader/Network/RTP",
      "Takes AV1 out of RTP packets (RTP Payload Format For AV1 v1.0)", "The gst-livekit authors");
}

static void
gst_livekit_rtp_av1_depay_init (GstLiveKitRtpAv1Depay * self)
{
  self->assembler = gst_livekit_av1_assembler_new (GST_LIVEKIT_AV1_MAX_UNIT_SIZE);
}
