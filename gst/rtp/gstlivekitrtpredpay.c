/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitrtpredpay: Opus into RTP packets, each with the one before it (RFC 2198). */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

/**
 * SECTION:element-livekitrtpredpay
 * @title: livekitrtpredpay
 *
 * Puts packets of Opus into RTP packets, each with the one before it, so that one lost is none lost (RFC 2198).
 *
 * |[
 * gst-launch-1.0 audiotestsrc ! opusenc ! livekitrtpredpay pt=63 ! udpsink host=127.0.0.1 port=5004
 * ]| A tone to a port.
 * |[
 * gst-launch-1.0 audiotestsrc wave=ticks ! opusenc dtx=true ! livekitrtpredpay pt=63 dtx=true ! \
 *     udpsink host=127.0.0.1 port=5004
 * ]| Without the silence between the ticks.
 */

#include "gstlivekitrtpred.h"

#include "gstlivekitelements.h"
#include "gstlivekitred.h"

#define GST_CAT_DEFAULT gst_livekit_debug

#define CLOCK_RATE 48000
/* RFC 6716 §2.1.9: a packet of silence has no more than its TOC and a byte. */
#define MAX_SILENCE_SIZE 2

struct _GstLiveKitRtpRedPay
{
  GstRTPBasePayload parent;
  /* OBJECT_LOCK */
  gboolean dtx;
  /* streaming thread only */
  GstBuffer *previous;          /* the packet before, or NULL */
  gboolean starts_talk;
};

enum
{
  PROP_0,
  PROP_DTX,
  N_PROPERTIES
};

static GParamSpec *properties[N_PROPERTIES];

G_DEFINE_FINAL_TYPE (GstLiveKitRtpRedPay, gst_livekit_rtp_red_pay, GST_TYPE_RTP_BASE_PAYLOAD);
GST_ELEMENT_REGISTER_DEFINE_WITH_CODE (livekitrtpredpay, "livekitrtpredpay", GST_RANK_NONE,
    GST_TYPE_LIVEKIT_RTP_RED_PAY, gst_livekit_init_once ());

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS ("audio/x-opus, channel-mapping-family=(int)0"));

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS ("application/x-rtp, media=(string)audio, payload=(int)[ 0, 127 ], "
        "clock-rate=(int)48000, encoding-params=(string)2, encoding-name=(string)RED"));

static void
start_over (GstLiveKitRtpRedPay * self)
{
  gst_clear_buffer (&self->previous);
  self->starts_talk = TRUE;
}

static gboolean
gst_livekit_rtp_red_pay_set_caps (GstRTPBasePayload * payload, GstCaps * caps)
{
  start_over (GST_LIVEKIT_RTP_RED_PAY (payload));
  gst_rtp_base_payload_set_options (payload, "audio", TRUE, "RED", CLOCK_RATE);
  return gst_rtp_base_payload_set_outcaps (payload, "encoding-params", G_TYPE_STRING, "2", NULL);
}

/* In units of the clock, rounded as the base class rounds timestamps. G_MAXUINT: too old, or unknown. */
static guint
age_of_previous (GstLiveKitRtpRedPay * self, GstBuffer * buffer)
{
  guint64 now, then;

  if (self->previous == NULL || !GST_BUFFER_PTS_IS_VALID (buffer) || !GST_BUFFER_PTS_IS_VALID (self->previous))
    return G_MAXUINT;
  now = gst_util_uint64_scale_int (GST_BUFFER_PTS (buffer), CLOCK_RATE, GST_SECOND);
  then = gst_util_uint64_scale_int (GST_BUFFER_PTS (self->previous), CLOCK_RATE, GST_SECOND);
  return now > then && now - then <= GST_LIVEKIT_RED_MAX_OFFSET ? (guint) (now - then) : G_MAXUINT;
}

/* Fills in one block or two. */
static guint
plan_blocks (GstLiveKitRtpRedPay * self, GstBuffer * buffer, GstLiveKitRedBlock * blocks)
{
  gsize size = gst_buffer_get_size (buffer), previous_size;
  guint age = age_of_previous (self, buffer), n = 0;

  previous_size = age == G_MAXUINT ? 0 : gst_buffer_get_size (self->previous);
  if (previous_size > 0 && previous_size <= GST_LIVEKIT_RED_MAX_BLOCK_SIZE
      && previous_size + size + 32 <= GST_RTP_BASE_PAYLOAD_MTU (self))
    blocks[n++] = (GstLiveKitRedBlock) {
    .payload_type = GST_LIVEKIT_RED_OPUS_PAYLOAD_TYPE,.offset = age,.size = previous_size};
  blocks[n++] = (GstLiveKitRedBlock) {
  .payload_type = GST_LIVEKIT_RED_OPUS_PAYLOAD_TYPE,.size = size};
  return n;
}

static GstBuffer *
make_packet (GstLiveKitRtpRedPay * self, GstBuffer * buffer)
{
  GstLiveKitRedBlock blocks[2];
  guint n = plan_blocks (self, buffer, blocks);
  gsize head_size = gst_livekit_red_write_headers (blocks, n, NULL);
  GstBuffer *packet =
      gst_rtp_base_payload_allocate_output_buffer (GST_RTP_BASE_PAYLOAD (self), (guint) head_size, 0, 0);
  GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;

  gst_rtp_buffer_map (packet, GST_MAP_WRITE, &rtp);
  gst_livekit_red_write_headers (blocks, n, gst_rtp_buffer_get_payload (&rtp));
  gst_rtp_buffer_set_marker (&rtp, self->starts_talk);
  gst_rtp_buffer_unmap (&rtp);
  if (self->starts_talk)
    GST_BUFFER_FLAG_SET (packet, GST_BUFFER_FLAG_MARKER);
  GST_BUFFER_PTS (packet) = GST_BUFFER_PTS (buffer);
  GST_BUFFER_DURATION (packet) = GST_BUFFER_DURATION (buffer);
  if (n > 1)
    gst_buffer_copy_into (packet, self->previous, GST_BUFFER_COPY_MEMORY, 0, -1);
  gst_buffer_copy_into (packet, buffer, GST_BUFFER_COPY_MEMORY, 0, -1);
  return packet;
}

static gboolean
is_unwanted_silence (GstLiveKitRtpRedPay * self, GstBuffer * buffer)
{
  gboolean dtx;

  GST_OBJECT_LOCK (self);
  dtx = self->dtx;
  GST_OBJECT_UNLOCK (self);
  return dtx && gst_buffer_get_size (buffer) <= MAX_SILENCE_SIZE;
}

static GstFlowReturn
gst_livekit_rtp_red_pay_handle_buffer (GstRTPBasePayload * payload, GstBuffer * buffer)
{
  GstLiveKitRtpRedPay *self = GST_LIVEKIT_RTP_RED_PAY (payload);
  GstBuffer *packet;

  if (is_unwanted_silence (self, buffer)) {
    self->starts_talk = TRUE;
    gst_buffer_unref (buffer);
    return GST_FLOW_OK;
  }
  packet = make_packet (self, buffer);
  self->starts_talk = FALSE;
  gst_clear_buffer (&self->previous);
  self->previous = buffer;
  return gst_rtp_base_payload_push (payload, packet);
}

static GstStateChangeReturn
gst_livekit_rtp_red_pay_change_state (GstElement * element, GstStateChange transition)
{
  GstStateChangeReturn ret =
      GST_ELEMENT_CLASS (gst_livekit_rtp_red_pay_parent_class)->change_state (element, transition);

  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    start_over (GST_LIVEKIT_RTP_RED_PAY (element));
  return ret;
}

static void
gst_livekit_rtp_red_pay_set_property (GObject * object, guint id, const GValue * value, GParamSpec * pspec)
{
  GstLiveKitRtpRedPay *self = GST_LIVEKIT_RTP_RED_PAY (object);

  GST_OBJECT_LOCK (self);
  if (id == PROP_DTX)
    self->dtx = g_value_get_boolean (value);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  GST_OBJECT_UNLOCK (self);
}

static void
gst_livekit_rtp_red_pay_get_property (GObject * object, guint id, GValue * value, GParamSpec * pspec)
{
  GstLiveKitRtpRedPay *self = GST_LIVEKIT_RTP_RED_PAY (object);

  GST_OBJECT_LOCK (self);
  if (id == PROP_DTX)
    g_value_set_boolean (value, self->dtx);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  GST_OBJECT_UNLOCK (self);
}

static void
gst_livekit_rtp_red_pay_class_init (GstLiveKitRtpRedPayClass * klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstRTPBasePayloadClass *payload_class = GST_RTP_BASE_PAYLOAD_CLASS (klass);

  object_class->set_property = gst_livekit_rtp_red_pay_set_property;
  object_class->get_property = gst_livekit_rtp_red_pay_get_property;
  /**
   * GstLiveKitRtpRedPay:dtx:
   *
   * Send no packets of silence that the encoder has marked, as rtpopuspay's property of this name.
   */
  properties[PROP_DTX] = g_param_spec_boolean ("dtx", "DTX",
      "Send no silence that the encoder has marked (used at once)", FALSE,
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
  g_object_class_install_properties (object_class, N_PROPERTIES, properties);
  element_class->change_state = gst_livekit_rtp_red_pay_change_state;
  payload_class->set_caps = gst_livekit_rtp_red_pay_set_caps;
  payload_class->handle_buffer = gst_livekit_rtp_red_pay_handle_buffer;
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class, "LiveKit RTP RED payloader", "Codec/Payloader/Network/RTP",
      "Puts Opus into RTP packets, each with the one before it (RFC 2198)", "The gst-livekit authors");
}

static void
gst_livekit_rtp_red_pay_init (GstLiveKitRtpRedPay * self)
{
  self->starts_talk = TRUE;
}
