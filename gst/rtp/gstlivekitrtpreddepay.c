/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitrtpreddepay: Opus out of RTP packets that have the ones before them, too (RFC 2198). */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

/**
 * SECTION:element-livekitrtpreddepay
 * @title: livekitrtpreddepay
 *
 * Takes Opus out of RTP packets of which each has some of those before it (RFC 2198), and what was lost out of the next one.
 * Packets got back so have #GST_RTP_BUFFER_FLAG_REDUNDANT.
 *
 * |[
 * gst-launch-1.0 udpsrc port=5004 caps='application/x-rtp,media=audio,clock-rate=48000,encoding-name=RED,payload=63' ! \
 *     rtpjitterbuffer ! livekitrtpreddepay ! opusdec ! autoaudiosink
 * ]| Plays what comes in on a port.
 * |[
 * gst-launch-1.0 audiotestsrc num-buffers=500 ! opusenc ! livekitrtpredpay pt=63 ! \
 *     identity drop-probability=0.1 ! livekitrtpreddepay ! opusdec ! autoaudiosink
 * ]| A tenth of the packets is missing, and hardly any sound.
 */

#include "gstlivekitrtpred.h"

#include "gstlivekitelements.h"
#include "gstlivekitred.h"

#define GST_CAT_DEFAULT gst_livekit_debug

#define CLOCK_RATE 48000

struct _GstLiveKitRtpRedDepay
{
  GstRTPBaseDepayload parent;
  /* streaming thread only */
  gboolean has_last;
  guint16 last_seqnum;
  guint32 last_rtptime;
};

G_DEFINE_FINAL_TYPE (GstLiveKitRtpRedDepay, gst_livekit_rtp_red_depay, GST_TYPE_RTP_BASE_DEPAYLOAD);
GST_ELEMENT_REGISTER_DEFINE_WITH_CODE (livekitrtpreddepay, "livekitrtpreddepay", GST_RANK_MARGINAL,
    GST_TYPE_LIVEKIT_RTP_RED_DEPAY, gst_livekit_init_once ());

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS ("application/x-rtp, media=(string)audio, clock-rate=(int)48000, encoding-name=(string){ RED, X-LIVEKIT-RED }"));

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS ("audio/x-opus, channel-mapping-family=(int)0"));

static gboolean
gst_livekit_rtp_red_depay_set_caps (GstRTPBaseDepayload * depayload, GstCaps * caps)
{
  g_autoptr (GstCaps) out = gst_static_pad_template_get_caps (&src_template);

  depayload->clock_rate = CLOCK_RATE;
  return gst_pad_set_caps (GST_RTP_BASE_DEPAYLOAD_SRCPAD (depayload), out);
}

/* Something lies between the last packet and this one. */
static gboolean
follows_loss (GstLiveKitRtpRedDepay * self, guint16 seqnum)
{
  gint16 distance = (gint16) (guint16) (seqnum - self->last_seqnum);

  return self->has_last && distance > 1;
}

/* @block is of what was lost: it is younger than what came last. */
static void
push_lost (GstLiveKitRtpRedDepay * self, GstRTPBuffer * rtp, const GstLiveKitRedBlock * block)
{
  guint32 rtptime = gst_rtp_buffer_get_timestamp (rtp) - block->offset;
  GstClockTime age = gst_util_uint64_scale_int (block->offset, GST_SECOND, CLOCK_RATE);
  GstBuffer *buffer;

  if (block->size == 0 || block->offset == 0 || (gint32) (rtptime - self->last_rtptime) <= 0)
    return;
  GST_DEBUG_OBJECT (self, "packet got back rtptime=%u size=%" G_GSIZE_FORMAT, rtptime, block->size);
  buffer = gst_rtp_buffer_get_payload_subbuffer (rtp, (guint) block->position, (guint) block->size);
  if (GST_BUFFER_PTS_IS_VALID (rtp->buffer))
    GST_BUFFER_PTS (buffer) = GST_BUFFER_PTS (rtp->buffer) - MIN (age, GST_BUFFER_PTS (rtp->buffer));
  GST_BUFFER_FLAG_SET (buffer, GST_RTP_BUFFER_FLAG_REDUNDANT);
  self->last_rtptime = rtptime;
  gst_rtp_base_depayload_push (GST_RTP_BASE_DEPAYLOAD (self), buffer);
}

static GstBuffer *
gst_livekit_rtp_red_depay_process_rtp_packet (GstRTPBaseDepayload * depayload, GstRTPBuffer * rtp)
{
  GstLiveKitRtpRedDepay *self = GST_LIVEKIT_RTP_RED_DEPAY (depayload);
  GstLiveKitRedBlock blocks[GST_LIVEKIT_RED_MAX_BLOCKS];
  const GstLiveKitRedBlock *own;
  GstBuffer *buffer;
  guint16 seqnum = gst_rtp_buffer_get_seq (rtp);
  guint n = gst_livekit_red_parse (gst_rtp_buffer_get_payload (rtp), gst_rtp_buffer_get_payload_len (rtp), blocks);

  /* Padding that probes for bandwidth, or no RED. */
  if (n == 0)
    return NULL;
  own = &blocks[n - 1];
  for (guint i = 0; i < n - 1 && follows_loss (self, seqnum); i++) {
    if (blocks[i].payload_type == own->payload_type)
      push_lost (self, rtp, &blocks[i]);
  }
  self->has_last = TRUE;
  self->last_seqnum = seqnum;
  self->last_rtptime = gst_rtp_buffer_get_timestamp (rtp);
  if (own->size == 0)
    return NULL;
  buffer = gst_rtp_buffer_get_payload_subbuffer (rtp, (guint) own->position, (guint) own->size);
  /* The base class gives the packet's time to the first buffer alone. */
  GST_BUFFER_PTS (buffer) = GST_BUFFER_PTS (rtp->buffer);
  return buffer;
}

/* Whether it is lost for good shows only with the next packet, so that no gap is told of. */
static gboolean
gst_livekit_rtp_red_depay_packet_lost (GstRTPBaseDepayload * depayload, GstEvent * event)
{
  return TRUE;
}

static gboolean
gst_livekit_rtp_red_depay_handle_event (GstRTPBaseDepayload * depayload, GstEvent * event)
{
  if (GST_EVENT_TYPE (event) == GST_EVENT_FLUSH_STOP)
    GST_LIVEKIT_RTP_RED_DEPAY (depayload)->has_last = FALSE;
  return GST_RTP_BASE_DEPAYLOAD_CLASS (gst_livekit_rtp_red_depay_parent_class)->handle_event (depayload, event);
}

static GstStateChangeReturn
gst_livekit_rtp_red_depay_change_state (GstElement * element, GstStateChange transition)
{
  GstStateChangeReturn ret =
      GST_ELEMENT_CLASS (gst_livekit_rtp_red_depay_parent_class)->change_state (element, transition);

  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    GST_LIVEKIT_RTP_RED_DEPAY (element)->has_last = FALSE;
  return ret;
}

static void
gst_livekit_rtp_red_depay_class_init (GstLiveKitRtpRedDepayClass * klass)
{
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstRTPBaseDepayloadClass *depayload_class = GST_RTP_BASE_DEPAYLOAD_CLASS (klass);

  element_class->change_state = gst_livekit_rtp_red_depay_change_state;
  depayload_class->set_caps = gst_livekit_rtp_red_depay_set_caps;
  depayload_class->process_rtp_packet = gst_livekit_rtp_red_depay_process_rtp_packet;
  depayload_class->packet_lost = gst_livekit_rtp_red_depay_packet_lost;
  depayload_class->handle_event = gst_livekit_rtp_red_depay_handle_event;
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class, "LiveKit RTP RED depayloader", "Codec/Depayloader/Network/RTP",
      "Takes Opus out of RTP packets, and what was lost out of the next one (RFC 2198)", "The gst-livekit authors");
}

static void
gst_livekit_rtp_red_depay_init (GstLiveKitRtpRedDepay * self)
{
}
