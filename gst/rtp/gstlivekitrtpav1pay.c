/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitrtpav1pay: AV1 into RTP packets, after "RTP Payload Format For AV1 (v1.0)". */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

/**
 * SECTION:element-livekitrtpav1pay
 * @title: livekitrtpav1pay
 *
 * Puts temporal units of AV1 into RTP packets, as LiveKit and browsers want them. A packet never has parts of two
 * frames.
 *
 * |[
 * gst-launch-1.0 videotestsrc ! av1enc cpu-used=8 ! livekitrtpav1pay ! udpsink host=127.0.0.1 port=5004
 * ]| A test picture to a port.
 * |[
 * gst-launch-1.0 filesrc location=film.webm ! matroskademux ! av1parse ! livekitrtpav1pay mtu=1200 ! \
 *     udpsink host=127.0.0.1 port=5004
 * ]| A file to a port. av1parse brings what is in annex B or in single OBUs into shape.
 */

#include "gstlivekitrtpav1.h"

#include "gstlivekitav1packet.h"
#include "gstlivekitelements.h"
#include "gstlivekitrtpdependency.h"

#define GST_CAT_DEFAULT gst_livekit_debug

/* What one extension takes at most with one-byte headers (RFC 8285 §4.2). */
#define MAX_EXTENSION_SIZE 17

struct _GstLiveKitRtpAv1Pay
{
  GstRTPBasePayload parent;
  /* streaming thread only */
  GstLiveKitAv1Plan *plan;
  guint extensions_size;        /* the most that a packet carried */
  gint profile, level_idx, tier;        /* in the caps, -1 = not known */
  gboolean has_warned;
};

G_DEFINE_FINAL_TYPE (GstLiveKitRtpAv1Pay, gst_livekit_rtp_av1_pay, GST_TYPE_RTP_BASE_PAYLOAD);
GST_ELEMENT_REGISTER_DEFINE_WITH_CODE (livekitrtpav1pay, "livekitrtpav1pay", GST_RANK_NONE,
    GST_TYPE_LIVEKIT_RTP_AV1_PAY, gst_livekit_init_once ());

/* Wider than what works, so that a wrong format gets an error that says so. The caps query has the truth. */
static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS ("video/x-av1"));

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS ("application/x-rtp, media=(string)video, payload=(int)[ 35, 127 ], "
        "clock-rate=(int)90000, encoding-name=(string)AV1"));

static GstStaticCaps taken_caps = GST_STATIC_CAPS ("video/x-av1, stream-format=(string)obu-stream, "
    "alignment=(string)tu");

static GstCaps *
gst_livekit_rtp_av1_pay_get_caps (GstRTPBasePayload * payload, GstPad * pad, GstCaps * filter)
{
  g_autoptr (GstCaps) caps = NULL;

  if (pad != GST_RTP_BASE_PAYLOAD_SINKPAD (payload))
    return GST_RTP_BASE_PAYLOAD_CLASS (gst_livekit_rtp_av1_pay_parent_class)->get_caps (payload, pad, filter);
  caps = gst_static_caps_get (&taken_caps);
  if (filter == NULL)
    return g_steal_pointer (&caps);
  return gst_caps_intersect_full (filter, caps, GST_CAPS_INTERSECT_FIRST);
}

/* A parameter that downstream has settled otherwise keeps downstream's value: it names what a receiver can do. */
static void
add_parameter (GstRTPBasePayload * payload, GstStructure * parameters, const gchar * name, gint value)
{
  g_autoptr (GstCaps) wanted = NULL;
  g_autoptr (GstCaps) allowed = NULL;
  g_autofree gchar *text = g_strdup_printf ("%d", value);

  if (value < 0)
    return;
  wanted = gst_caps_new_simple ("application/x-rtp", name, G_TYPE_STRING, text, NULL);
  allowed = gst_pad_peer_query_caps (GST_RTP_BASE_PAYLOAD_SRCPAD (payload), NULL);
  if (allowed == NULL || gst_caps_can_intersect (allowed, wanted))
    gst_structure_set (parameters, name, G_TYPE_STRING, text, NULL);
  else
    GST_INFO_OBJECT (payload, "downstream wants another parameter name=%s stream=%d", name, value);
}

static gboolean
negotiate (GstLiveKitRtpAv1Pay * self)
{
  GstRTPBasePayload *payload = GST_RTP_BASE_PAYLOAD (self);
  g_autoptr (GstStructure) parameters = gst_structure_new_empty ("parameters");

  add_parameter (payload, parameters, "profile", self->profile);
  add_parameter (payload, parameters, "level-idx", self->level_idx);
  add_parameter (payload, parameters, "tier", self->tier);
  return gst_rtp_base_payload_set_outcaps_structure (payload, parameters);
}

static gboolean
check_field (GstLiveKitRtpAv1Pay * self, const GstStructure * structure, const gchar * name, const gchar * needed)
{
  const gchar *value = gst_structure_get_string (structure, name);

  if (value == NULL || g_str_equal (value, needed))
    return TRUE;
  GST_ELEMENT_ERROR (self, STREAM, FORMAT, ("AV1 with %s \"%s\" cannot be sent.", name, value),
      ("%s must be \"%s\": put av1parse in front", name, needed));
  return FALSE;
}

static gboolean
gst_livekit_rtp_av1_pay_set_caps (GstRTPBasePayload * payload, GstCaps * caps)
{
  GstLiveKitRtpAv1Pay *self = GST_LIVEKIT_RTP_AV1_PAY (payload);
  const GstStructure *structure = gst_caps_get_structure (caps, 0);

  if (!check_field (self, structure, "stream-format", "obu-stream")
      || !check_field (self, structure, "alignment", "tu"))
    return FALSE;
  gst_rtp_base_payload_set_options (payload, "video", TRUE, "AV1", 90000);
  return negotiate (self);
}

/* The first operating point is the whole stream. */
static gboolean
update_parameters (GstLiveKitRtpAv1Pay * self, const GstLiveKitAv1Sequence * sequence)
{
  gint profile = (gint) sequence->profile, level_idx = sequence->level_idx[0], tier = sequence->tier[0];

  if (self->profile == profile && self->level_idx == level_idx && self->tier == tier)
    return TRUE;
  GST_INFO_OBJECT (self, "sequence header profile=%d level-idx=%d tier=%d size=%ux%u temporal-layers=%u "
      "spatial-layers=%u", profile, level_idx, tier, sequence->max_width, sequence->max_height,
      sequence->n_temporal_layers, sequence->n_spatial_layers);
  self->profile = profile;
  self->level_idx = level_idx;
  self->tier = tier;
  return negotiate (self);
}

/* The base class writes the extensions when a packet has been made, and tells nobody how long they are. */
static void
note_extensions (GstLiveKitRtpAv1Pay * self, GstBuffer * packet)
{
  guint8 header[12];
  guint8 words[2];
  gsize offset;

  if (gst_buffer_extract (packet, 0, header, sizeof header) != sizeof header || !(header[0] & 0x10))
    return;
  offset = sizeof header + 4 * (header[0] & 0x0f);
  if (gst_buffer_extract (packet, offset + 2, words, sizeof words) == sizeof words)
    self->extensions_size = MAX (self->extensions_size, 4 + 4 * (guint) GST_READ_UINT16_BE (words));
}

static GstPadProbeReturn
on_packets (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstLiveKitRtpAv1Pay *self = data;
  GstBufferList *list = GST_PAD_PROBE_INFO_BUFFER_LIST (info);

  for (guint i = 0; i < gst_buffer_list_length (list); i++)
    note_extensions (self, gst_buffer_list_get (list, i));
  return GST_PAD_PROBE_OK;
}

static gboolean
count_extension (GQuark field, const GValue * value, gpointer data)
{
  guint *n = data;

  if (g_str_has_prefix (g_quark_to_string (field), "extmap-"))
    (*n)++;
  return TRUE;
}

/* Until the first packets have been seen, by the number of extensions. */
static guint
guess_extensions_size (GstLiveKitRtpAv1Pay * self)
{
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (GST_RTP_BASE_PAYLOAD_SRCPAD (self));
  guint n = 0;

  if (self->extensions_size > 0 || caps == NULL)
    return self->extensions_size;
  gst_structure_foreach (gst_caps_get_structure (caps, 0), count_extension, &n);
  return n > 0 ? 4 + GST_ROUND_UP_4 (n * MAX_EXTENSION_SIZE) : 0;
}

static gsize
get_max_payload_size (GstLiveKitRtpAv1Pay * self)
{
  guint mtu = GST_RTP_BASE_PAYLOAD_MTU (self), taken = 12 + guess_extensions_size (self);

  return MAX (mtu > taken ? mtu - taken : 0, GST_LIVEKIT_AV1_MIN_PAYLOAD_SIZE);
}

static void
copy_times_and_flags (GstLiveKitRtpAv1Pay * self, GstBuffer * packet, GstBuffer * unit, gboolean is_first)
{
  GST_BUFFER_PTS (packet) = GST_BUFFER_PTS (unit);
  GST_BUFFER_DTS (packet) = GST_BUFFER_DTS (unit);
  GST_BUFFER_DURATION (packet) = GST_BUFFER_DURATION (unit);
  if (!gst_livekit_av1_plan_get_info (self->plan)->has_key_frame)
    GST_BUFFER_FLAG_SET (packet, GST_BUFFER_FLAG_DELTA_UNIT);
  if (is_first && GST_BUFFER_IS_DISCONT (unit))
    GST_BUFFER_FLAG_SET (packet, GST_BUFFER_FLAG_DISCONT);
}

/* For the dependency descriptor. */
static void
tell_frame (GstLiveKitRtpAv1Pay * self, GstBuffer * packet, guint index)
{
  const GstLiveKitAv1UnitInfo *info = gst_livekit_av1_plan_get_info (self->plan);
  const GstLiveKitAv1Packet *planned = gst_livekit_av1_plan_get_packet (self->plan, index);
  GstLiveKitRtpFrameMeta *frame = gst_livekit_rtp_frame_meta_add (packet);

  frame->starts_frame = planned->starts_frame;
  frame->ends_frame = planned->ends_frame;
  frame->starts_sequence = info->starts_sequence && planned->frame == 0;
  frame->spatial_id = planned->spatial_id;
  frame->temporal_id = planned->temporal_id;
  frame->n_temporal_layers = info->sequence.n_temporal_layers;
  frame->n_spatial_layers = info->sequence.n_spatial_layers;
}

/* Small elements are copied; the last one, the bulk of it, is shared with @unit. */
static GstBuffer *
make_packet (GstLiveKitRtpAv1Pay * self, GstBuffer * unit, guint index, gboolean is_last)
{
  gsize tail_offset, tail_size;
  gsize head_size = gst_livekit_av1_plan_write_head (self->plan, index, NULL, &tail_offset, &tail_size);
  GstBuffer *packet =
      gst_rtp_base_payload_allocate_output_buffer (GST_RTP_BASE_PAYLOAD (self), (guint) head_size, 0, 0);
  GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;

  gst_rtp_buffer_map (packet, GST_MAP_WRITE, &rtp);
  gst_livekit_av1_plan_write_head (self->plan, index, gst_rtp_buffer_get_payload (&rtp), &tail_offset, &tail_size);
  gst_rtp_buffer_set_marker (&rtp, is_last);
  gst_rtp_buffer_unmap (&rtp);
  if (is_last)
    GST_BUFFER_FLAG_SET (packet, GST_BUFFER_FLAG_MARKER);
  copy_times_and_flags (self, packet, unit, index == 0);
  tell_frame (self, packet, index);
  if (tail_size > 0)
    gst_buffer_copy_into (packet, unit, GST_BUFFER_COPY_MEMORY, tail_offset, tail_size);
  return packet;
}

static GstBufferList *
make_packets (GstLiveKitRtpAv1Pay * self, GstBuffer * unit)
{
  guint n = gst_livekit_av1_plan_get_n_packets (self->plan);
  GstBufferList *packets = gst_buffer_list_new_sized (n);

  for (guint i = 0; i < n; i++)
    gst_buffer_list_add (packets, make_packet (self, unit, i, i == n - 1));
  return packets;
}

/* One bad unit is no reason to end the stream, and one message is enough where all are. */
static void
warn_of_bad_unit (GstLiveKitRtpAv1Pay * self, GstBuffer * unit)
{
  gsize size = gst_buffer_get_size (unit);

  GST_WARNING_OBJECT (self, "no OBUs in the low-overhead format size=%" G_GSIZE_FORMAT, size);
  if (self->has_warned)
    return;
  self->has_warned = TRUE;
  GST_ELEMENT_WARNING (self, STREAM, FORMAT, ("A part of the AV1 stream cannot be sent."),
      ("no OBUs in the low-overhead format size=%" G_GSIZE_FORMAT, size));
}

static GstFlowReturn
gst_livekit_rtp_av1_pay_handle_buffer (GstRTPBasePayload * payload, GstBuffer * buffer)
{
  GstLiveKitRtpAv1Pay *self = GST_LIVEKIT_RTP_AV1_PAY (payload);
  g_autoptr (GstBuffer) unit = buffer;
  g_autoptr (GstBufferList) packets = NULL;
  const GstLiveKitAv1UnitInfo *info;
  GstMapInfo map;
  gboolean ok;

  if (!gst_buffer_map (unit, &map, GST_MAP_READ))
    return GST_FLOW_ERROR;
  ok = gst_livekit_av1_plan_make (self->plan, map.data, map.size, get_max_payload_size (self));
  info = gst_livekit_av1_plan_get_info (self->plan);
  if (ok && info->has_sequence && !update_parameters (self, &info->sequence)) {
    gst_buffer_unmap (unit, &map);
    return GST_FLOW_NOT_NEGOTIATED;
  }
  if (ok)
    packets = make_packets (self, unit);
  gst_buffer_unmap (unit, &map);
  if (!ok) {
    warn_of_bad_unit (self, unit);
    return GST_FLOW_OK;
  }
  if (gst_buffer_list_length (packets) == 0)
    return GST_FLOW_OK;
  return gst_rtp_base_payload_push_list (payload, g_steal_pointer (&packets));
}

static void
forget_stream (GstLiveKitRtpAv1Pay * self)
{
  self->profile = self->level_idx = self->tier = -1;
  self->extensions_size = 0;
  self->has_warned = FALSE;
}

static GstStateChangeReturn
gst_livekit_rtp_av1_pay_change_state (GstElement * element, GstStateChange transition)
{
  GstStateChangeReturn ret =
      GST_ELEMENT_CLASS (gst_livekit_rtp_av1_pay_parent_class)->change_state (element, transition);

  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    forget_stream (GST_LIVEKIT_RTP_AV1_PAY (element));
  return ret;
}

static void
gst_livekit_rtp_av1_pay_finalize (GObject * object)
{
  gst_livekit_av1_plan_free (GST_LIVEKIT_RTP_AV1_PAY (object)->plan);
  G_OBJECT_CLASS (gst_livekit_rtp_av1_pay_parent_class)->finalize (object);
}

static void
gst_livekit_rtp_av1_pay_class_init (GstLiveKitRtpAv1PayClass * klass)
{
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstRTPBasePayloadClass *payload_class = GST_RTP_BASE_PAYLOAD_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = gst_livekit_rtp_av1_pay_finalize;
  element_class->change_state = gst_livekit_rtp_av1_pay_change_state;
  payload_class->get_caps = gst_livekit_rtp_av1_pay_get_caps;
  payload_class->set_caps = gst_livekit_rtp_av1_pay_set_caps;
  payload_class->handle_buffer = gst_livekit_rtp_av1_pay_handle_buffer;
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class, "LiveKit RTP AV1 payloader", "Codec/Payloader/Network/RTP",
      "Puts AV1 into RTP packets (RTP Payload Format For AV1 v1.0)", "The gst-livekit authors");
}

static void
gst_livekit_rtp_av1_pay_init (GstLiveKitRtpAv1Pay * self)
{
  self->plan = gst_livekit_av1_plan_new ();
  forget_stream (self);
  GST_PAD_SET_ACCEPT_TEMPLATE (GST_RTP_BASE_PAYLOAD_SINKPAD (self));
  gst_pad_add_probe (GST_RTP_BASE_PAYLOAD_SRCPAD (self), GST_PAD_PROBE_TYPE_BUFFER_LIST, on_packets, self, NULL);
}
