/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitrtpdependency: the dependency descriptor as a header extension. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

/**
 * SECTION:element-livekitrtphdrextdependency
 * @title: livekitrtphdrextdependency
 *
 * Tells in each packet to which frame and layer it belongs. Payloaders make it themselves when the other side
 * has asked for it; it writes nothing in packets of payloaders that say nothing of frames. What it says of several
 * spatial layers at the start of a sequence is longer than the usual headers of extensions can tell: key frames have
 * others then, which their maker has to know beforehand (spatial-layers).
 *
 * |[
 * URI=https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension
 * gst-launch-1.0 videotestsrc ! av1enc cpu-used=8 ! livekitrtpav1pay ! \
 *     "application/x-rtp,extmap-4=(string)\"$URI\"" ! udpsink host=127.0.0.1 port=5004
 * ]| Packets with descriptors, as number 4.
 */

#include "gstlivekitrtpdependency.h"

#include <string.h>

#include "gstlivekitdependency.h"
#include "gstlivekitelements.h"

#define GST_CAT_DEFAULT gst_livekit_debug

struct _GstLiveKitRtpDependency
{
  GstRTPHeaderExtension parent;
  guint n_spatial_layers;       /* set before anything streams */
  gint spatial_id;              /* of one stream of several, else -1; set before anything streams */
  GstLiveKitDependencyWriter *writer;   /* streaming thread only */
};

enum
{
  PROP_SPATIAL_LAYERS = 1,
  PROP_SPATIAL_ID
};

G_DEFINE_FINAL_TYPE (GstLiveKitRtpDependency, gst_livekit_rtp_dependency, GST_TYPE_RTP_HEADER_EXTENSION);
GST_ELEMENT_REGISTER_DEFINE_WITH_CODE (livekitrtphdrextdependency, "livekitrtphdrextdependency", GST_RANK_MARGINAL,
    GST_TYPE_LIVEKIT_RTP_DEPENDENCY, gst_livekit_init_once ());

static GType
frame_meta_api_get_type (void)
{
  static const gchar *tags[] = { NULL };
  static gsize type = 0;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, gst_meta_api_type_register ("GstLiveKitRtpFrameMetaAPI", tags));
  return (GType) type;
}

static gboolean
init_frame_meta (GstMeta * meta, gpointer params, GstBuffer * buffer)
{
  GstMeta common = *meta;

  memset (meta, 0, sizeof (GstLiveKitRtpFrameMeta));
  *meta = common;
  return TRUE;
}

static const GstMetaInfo *
get_frame_meta_info (void)
{
  static const GstMetaInfo *info = NULL;

  if (g_once_init_enter (&info))
    g_once_init_leave (&info, gst_meta_register (frame_meta_api_get_type (), "GstLiveKitRtpFrameMeta",
            sizeof (GstLiveKitRtpFrameMeta), init_frame_meta, NULL, NULL));
  return info;
}

GstLiveKitRtpFrameMeta *
gst_livekit_rtp_frame_meta_add (GstBuffer * packet)
{
  return (GstLiveKitRtpFrameMeta *) gst_buffer_add_meta (packet, get_frame_meta_info (), NULL);
}

static GstRTPHeaderExtensionFlags
gst_livekit_rtp_dependency_get_supported_flags (GstRTPHeaderExtension * extension)
{
  return GST_RTP_HEADER_EXTENSION_ONE_BYTE | GST_RTP_HEADER_EXTENSION_TWO_BYTE;
}

/* Only what starts a sequence is long: other packets have the usual headers. */
static gsize
gst_livekit_rtp_dependency_get_max_size (GstRTPHeaderExtension * extension, const GstBuffer * input)
{
  gboolean may_start = input == NULL || !GST_BUFFER_FLAG_IS_SET (input, GST_BUFFER_FLAG_DELTA_UNIT);

  return gst_livekit_dependency_max_size (may_start ? GST_LIVEKIT_RTP_DEPENDENCY (extension)->n_spatial_layers : 1);
}

/* The payload descriptor, RFC 9628 §4.2 */
static gboolean
read_vp9_frame (GstBuffer * packet, GstLiveKitRtpFrameMeta * frame)
{
  enum
  { IS_PREDICTED = 0x40, STARTS_FRAME = 0x08, ENDS_FRAME = 0x04 };
  GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
  guint8 flags;

  if (!gst_rtp_buffer_map (packet, GST_MAP_READ, &rtp))
    return FALSE;
  if (gst_rtp_buffer_get_payload_len (&rtp) == 0) {
    gst_rtp_buffer_unmap (&rtp);
    return FALSE;
  }
  flags = *(const guint8 *) gst_rtp_buffer_get_payload (&rtp);
  gst_rtp_buffer_unmap (&rtp);
  frame->starts_frame = (flags & STARTS_FRAME) != 0;
  frame->ends_frame = (flags & ENDS_FRAME) != 0;
  frame->starts_sequence = (flags & IS_PREDICTED) == 0;
  return TRUE;
}

/* All of a stream that is one of several is told to be one layer: nobody drops less than the stream. */
static gboolean
start_frame_of_layer (GstLiveKitRtpDependency * self, const GstLiveKitRtpFrameMeta * frame)
{
  if (frame->starts_sequence)
    return gst_livekit_dependency_writer_start (self->writer, 1, 1);
  return gst_livekit_dependency_writer_next (self->writer, 0, 0);
}

/* @has_room: for the longest. A sequence that starts where the input does not say so has no descriptors. */
static void
start_frame (GstLiveKitRtpDependency * self, const GstLiveKitRtpFrameMeta * frame, gboolean has_room)
{
  gboolean ok;

  if (self->spatial_id >= 0)
    ok = start_frame_of_layer (self, frame);
  else if (frame->starts_sequence)
    ok = gst_livekit_dependency_writer_start (self->writer,
        frame->n_spatial_layers > self->n_spatial_layers || !has_room ? G_MAXUINT : frame->n_spatial_layers,
        frame->n_temporal_layers);
  else
    ok = gst_livekit_dependency_writer_next (self->writer, frame->spatial_id, frame->temporal_id);
  if (!ok)
    GST_DEBUG_OBJECT (self, "frame without descriptor spatial-id=%u temporal-id=%u spatial-layers=%u temporal-layers=%u",
        frame->spatial_id, frame->temporal_id, frame->n_spatial_layers, frame->n_temporal_layers);
}

static gssize
gst_livekit_rtp_dependency_write (GstRTPHeaderExtension * extension, const GstBuffer * input,
    GstRTPHeaderExtensionFlags flags, GstBuffer * output, guint8 * data, gsize size)
{
  GstLiveKitRtpDependency *self = GST_LIVEKIT_RTP_DEPENDENCY (extension);
  const GstLiveKitRtpFrameMeta *frame =
      (const GstLiveKitRtpFrameMeta *) gst_buffer_get_meta (output, frame_meta_api_get_type ());
  GstLiveKitRtpFrameMeta vp9_frame = { 0 };

  if (frame == NULL && self->spatial_id >= 0 && read_vp9_frame (output, &vp9_frame))
    frame = &vp9_frame;
  if (frame == NULL || size < gst_livekit_dependency_max_size (1))
    return 0;
  if (frame->starts_frame)
    start_frame (self, frame, size >= gst_livekit_dependency_max_size (self->n_spatial_layers));
  return (gssize) gst_livekit_dependency_writer_write (self->writer, frame->starts_frame, frame->ends_frame, data);
}

/* Nothing here needs what senders say. */
static gboolean
gst_livekit_rtp_dependency_read (GstRTPHeaderExtension * extension, GstRTPHeaderExtensionFlags flags,
    const guint8 * data, gsize size, GstBuffer * buffer)
{
  return TRUE;
}

static gboolean
gst_livekit_rtp_dependency_set_caps_from_attributes (GstRTPHeaderExtension * extension, GstCaps * caps)
{
  return gst_rtp_header_extension_set_caps_from_attributes_helper (extension, caps, NULL);
}

static void
gst_livekit_rtp_dependency_set_property (GObject * object, guint id, const GValue * value, GParamSpec * pspec)
{
  GstLiveKitRtpDependency *self = GST_LIVEKIT_RTP_DEPENDENCY (object);

  switch (id) {
    case PROP_SPATIAL_LAYERS:
      self->n_spatial_layers = g_value_get_uint (value);
      break;
    case PROP_SPATIAL_ID:
      self->spatial_id = g_value_get_int (value);
      gst_livekit_dependency_writer_free (self->writer);
      self->writer = gst_livekit_dependency_writer_new ((guint16) g_random_int (), (guint) MAX (self->spatial_id, 0));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
}

static void
gst_livekit_rtp_dependency_get_property (GObject * object, guint id, GValue * value, GParamSpec * pspec)
{
  GstLiveKitRtpDependency *self = GST_LIVEKIT_RTP_DEPENDENCY (object);

  switch (id) {
    case PROP_SPATIAL_LAYERS:
      g_value_set_uint (value, self->n_spatial_layers);
      break;
    case PROP_SPATIAL_ID:
      g_value_set_int (value, self->spatial_id);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
}

static void
gst_livekit_rtp_dependency_finalize (GObject * object)
{
  gst_livekit_dependency_writer_free (GST_LIVEKIT_RTP_DEPENDENCY (object)->writer);
  G_OBJECT_CLASS (gst_livekit_rtp_dependency_parent_class)->finalize (object);
}

static void
gst_livekit_rtp_dependency_class_init (GstLiveKitRtpDependencyClass * klass)
{
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstRTPHeaderExtensionClass *extension_class = GST_RTP_HEADER_EXTENSION_CLASS (klass);
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = gst_livekit_rtp_dependency_finalize;
  object_class->set_property = gst_livekit_rtp_dependency_set_property;
  object_class->get_property = gst_livekit_rtp_dependency_get_property;
  /**
   * livekitrtphdrextdependency:spatial-layers:
   *
   * How many spatial layers the stream may have: there is room to describe so many. Sequences with more have no
   * descriptors.
   */
  g_object_class_install_property (object_class, PROP_SPATIAL_LAYERS, g_param_spec_uint ("spatial-layers",
          "Spatial layers", "How many spatial layers the stream may have; sequences with more have no descriptors", 1,
          GST_LIVEKIT_DEPENDENCY_MAX_SPATIAL_LAYERS, 1, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS));
  /**
   * livekitrtphdrextdependency:spatial-id:
   *
   * Which layer the stream is, where each layer is a stream of its own, as in simulcast; -1: the stream has all layers.
   * The payloader may also be rtpvp9pay then.
   */
  g_object_class_install_property (object_class, PROP_SPATIAL_ID, g_param_spec_int ("spatial-id", "Spatial id",
          "Which layer the stream is, where each layer is a stream of its own (-1 = the stream has all layers)", -1,
          GST_LIVEKIT_DEPENDENCY_MAX_SPATIAL_LAYERS - 1, -1, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS));
  extension_class->get_supported_flags = gst_livekit_rtp_dependency_get_supported_flags;
  extension_class->get_max_size = gst_livekit_rtp_dependency_get_max_size;
  extension_class->write = gst_livekit_rtp_dependency_write;
  extension_class->read = gst_livekit_rtp_dependency_read;
  extension_class->set_caps_from_attributes = gst_livekit_rtp_dependency_set_caps_from_attributes;
  gst_rtp_header_extension_class_set_uri (extension_class, GST_LIVEKIT_DEPENDENCY_URI);
  gst_element_class_set_static_metadata (element_class, "LiveKit dependency descriptor", GST_RTP_HDREXT_ELEMENT_CLASS,
      "Tells an SFU the frame and the layer of each RTP packet", "The gst-livekit authors");
}

static void
gst_livekit_rtp_dependency_init (GstLiveKitRtpDependency * self)
{
  self->n_spatial_layers = 1;
  self->spatial_id = -1;
  self->writer = gst_livekit_dependency_writer_new ((guint16) g_random_int (), 0);
}
