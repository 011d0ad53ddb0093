/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitbitrate: makes the encoder beside it follow the target of livekitsink. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

/**
 * SECTION:element-livekitbitrate
 * @title: livekitbitrate
 * @short_description: lets an encoder follow the bandwidth that livekitsink has
 *
 * Passes everything on. It takes the event `livekit-target-bitrate` that livekitsink sends upstream, and sets the
 * bitrate of the encoder next to it: the first one that it knows upstream, else downstream, with parsers, queues and
 * the like between. What the encoder was set to at first is the most it gets.
 *
 * ## Example
 * |[
 * gst-launch-1.0 videotestsrc is-live=true ! x264enc tune=zerolatency bitrate=2500 ! livekitbitrate ! \
 *     livekitsink room=lab
 * ]|
 * 2.5 Mbit/s where they fit, and what fits where they do not.
 */

#include <gst/gst.h>
#include <string.h>
#include "gstlivekitelements.h"
#include "gstlivekitshare.h"

#define GST_CAT_DEFAULT gst_livekit_debug

#define DEFAULT_MIN_BITRATE 50000
/* Elements between the encoder and here. */
#define MAX_STEPS 16

#define GST_TYPE_LIVEKIT_BITRATE (gst_livekit_bitrate_get_type ())
G_DECLARE_FINAL_TYPE (GstLiveKitBitrate, gst_livekit_bitrate, GST, LIVEKIT_BITRATE, GstElement)

/* The encoders that we know: their property and how many bit/s are one of its units. Names that end in * are those of
 * a family. */
typedef struct
{
  const gchar *factory, *property;
  guint unit;
} Encoder;

static const Encoder encoders[] = {
  {"x264enc", "bitrate", 1000}, {"x265enc", "bitrate", 1000}, {"openh264enc", "bitrate", 1},
  {"vp8enc", "target-bitrate", 1}, {"vp9enc", "target-bitrate", 1}, {"av1enc", "target-bitrate", 1000},
  {"svtav1enc", "target-bitrate", 1000}, {"rav1enc", "bitrate", 1},
  /* VA-API, old and new */
  {"vaapi*enc", "bitrate", 1000}, {"va*enc", "bitrate", 1000}, {"va*lpenc", "bitrate", 1000},
  /* NVIDIA: desktop, Jetson */
  {"nvv4l2*enc", "bitrate", 1}, {"nv*enc", "bitrate", 1000},
  /* Intel, AMD, Windows, Apple */
  {"qsv*enc", "bitrate", 1000}, {"msdk*enc", "bitrate", 1000},
  {"amf*enc", "bitrate", 1000}, {"mf*enc", "bitrate", 1000},
  {"vtenc_h26*", "bitrate", 1000},
  /* V4L2 has it among its controls; Rockchip, OpenMAX, NXP (kbit/s), Android */
  {"v4l2*enc", "extra-controls", 1}, {"mpp*enc", "bps", 1}, {"omx*enc", "target-bitrate", 1},
  {"vpuenc_h26*", "bitrate", 1000}, {"amcvidenc-*", "bitrate", 1},
};

struct _GstLiveKitBitrate
{
  GstElement parent;
  GstPad *sink_pad, *src_pad;

  /* OBJECT_LOCK */
  guint min_bitrate, bitrate;
  guint target;                 /* bit/s, GST_LIVEKIT_TARGET_FREE = as it was */
  GWeakRef encoder;
  const Encoder *kind;
  guint full;                   /* what the encoder had at first, in bit/s; 0 = that was up to it */
  gboolean is_applying;
};

enum
{
  PROP_0,
  PROP_MIN_BITRATE,
  PROP_BITRATE,
  N_PROPERTIES
};

static GParamSpec *properties[N_PROPERTIES];

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS_ANY);
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS_ANY);

G_DEFINE_FINAL_TYPE (GstLiveKitBitrate, gst_livekit_bitrate, GST_TYPE_ELEMENT);
GST_ELEMENT_REGISTER_DEFINE_WITH_CODE (livekitbitrate, "livekitbitrate", GST_RANK_NONE, GST_TYPE_LIVEKIT_BITRATE,
    gst_livekit_init_once ());

/* --- the encoder --- */

static const Encoder *
find_kind (GstElement * element)
{
  GstElementFactory *factory = gst_element_get_factory (element);

  for (guint i = 0; factory && i < G_N_ELEMENTS (encoders); i++) {
    if (g_pattern_match_simple (encoders[i].factory, GST_OBJECT_NAME (factory))
        && g_object_class_find_property (G_OBJECT_GET_CLASS (element), encoders[i].property))
      return &encoders[i];
  }
  return NULL;
}

/* The only pad of @element on its far side; NULL when there are others. */
static GstPad *
far_pad (GstElement * element, GstPadDirection direction)
{
  GstPad *pad = NULL;
  GList *pads;

  GST_OBJECT_LOCK (element);
  pads = direction == GST_PAD_SINK ? element->sinkpads : element->srcpads;
  if (pads && pads->next == NULL)
    pad = gst_object_ref (pads->data);
  GST_OBJECT_UNLOCK (element);
  return pad;
}

/* From @start, a pad of ours, away from us. */
static GstElement *
find_encoder (GstPad * start, const Encoder ** kind)
{
  GstPadDirection direction = GST_PAD_DIRECTION (start);
  GstPad *pad = gst_object_ref (start);
  GstElement *found = NULL;

  for (guint step = 0; pad && found == NULL && step < MAX_STEPS; step++) {
    g_autoptr (GstPad) near = pad;
    g_autoptr (GstPad) peer = gst_pad_get_peer (near);
    g_autoptr (GstElement) element = peer ? gst_pad_get_parent_element (peer) : NULL;

    pad = NULL;
    if (element == NULL)
      continue;
    *kind = find_kind (element);
    if (*kind)
      found = gst_object_ref (element);
    else
      pad = far_pad (element, direction);
  }
  gst_clear_object (&pad);
  return found;
}

static guint
read_bitrate (GstElement * encoder, const Encoder * kind)
{
  GValue value = G_VALUE_INIT, number = G_VALUE_INIT;
  g_autoptr (GstStructure) controls = NULL;
  gint bitrate = 0;

  if (g_str_equal (kind->property, "extra-controls")) {
    g_object_get (encoder, kind->property, &controls, NULL);
    if (controls)
      gst_structure_get_int (controls, "video_bitrate", &bitrate);
    return (guint) MAX (bitrate, 0);
  }
  g_object_get_property (G_OBJECT (encoder), kind->property, &value);
  g_value_init (&number, G_TYPE_INT64);
  if (g_value_transform (&value, &number))
    bitrate = (gint) CLAMP (g_value_get_int64 (&number) * kind->unit, 0, G_MAXINT32);
  g_value_unset (&number);
  g_value_unset (&value);
  return (guint) bitrate;
}

/* 0: as it was, which is automatic. */
static void
write_bitrate (GstElement * encoder, const Encoder * kind, guint bps)
{
  g_autoptr (GstStructure) controls = NULL;
  GValue number = G_VALUE_INIT, value = G_VALUE_INIT;
  GParamSpec *pspec = g_object_class_find_property (G_OBJECT_GET_CLASS (encoder), kind->property);

  if (g_str_equal (kind->property, "extra-controls")) {
    g_object_get (encoder, kind->property, &controls, NULL);
    if (controls == NULL)
      controls = gst_structure_new_empty ("controls");
    if (bps)
      gst_structure_set (controls, "video_bitrate", G_TYPE_INT, (gint) MIN (bps, G_MAXINT32), NULL);
    else
      gst_structure_remove_field (controls, "video_bitrate");
    g_object_set (encoder, kind->property, controls, NULL);
    return;
  }
  g_value_init (&number, G_TYPE_INT64);
  g_value_set_int64 (&number, bps ? MAX (bps / kind->unit, 1) : 0);
  g_value_init (&value, pspec->value_type);
  if (g_value_transform (&number, &value))
    g_object_set_property (G_OBJECT (encoder), kind->property, &value);
  g_value_unset (&value);
  g_value_unset (&number);
}

static GstElement *
ref_encoder (GstLiveKitBitrate * self, const Encoder ** kind, guint * full)
{
  GstElement *encoder;

  GST_OBJECT_LOCK (self);
  encoder = g_weak_ref_get (&self->encoder);
  *kind = self->kind;
  *full = self->full;
  GST_OBJECT_UNLOCK (self);
  if (encoder)
    return encoder;
  encoder = find_encoder (self->sink_pad, kind);
  if (encoder == NULL)
    encoder = find_encoder (self->src_pad, kind);
  if (encoder == NULL)
    return NULL;
  *full = read_bitrate (encoder, *kind);
  GST_INFO_OBJECT (self, "encoder=%s bitrate=%u", GST_OBJECT_NAME (encoder), *full);
  GST_OBJECT_LOCK (self);
  g_weak_ref_set (&self->encoder, encoder);
  self->kind = *kind;
  self->full = *full;
  GST_OBJECT_UNLOCK (self);
  return encoder;
}

static guint
wanted_bitrate_locked (GstLiveKitBitrate * self, guint full)
{
  guint bps = MAX (self->target, self->min_bitrate);

  if (full)
    return MIN (bps, full);
  /* Without a bitrate of its own it is left alone until there is a limit, and when there is none any more. */
  return bps == GST_LIVEKIT_TARGET_FREE ? 0 : bps;
}

/* In a pool thread: an encoder may keep its lock for as long as it works on a frame. One at a time, or the last to get
 * that lock would win. */
static void
apply (GstElement * element, gpointer unused)
{
  GstLiveKitBitrate *self = GST_LIVEKIT_BITRATE (element);
  const Encoder *kind;
  guint full, bps;
  g_autoptr (GstElement) encoder = ref_encoder (self, &kind, &full);

  if (encoder == NULL)
    return;
  GST_OBJECT_LOCK (self);
  while (!self->is_applying && (bps = wanted_bitrate_locked (self, full)) != self->bitrate) {
    self->is_applying = TRUE;
    self->bitrate = bps;
    GST_OBJECT_UNLOCK (self);
    GST_DEBUG_OBJECT (self, "bitrate=%u", bps);
    write_bitrate (encoder, kind, bps);
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_BITRATE]);
    GST_OBJECT_LOCK (self);
    self->is_applying = FALSE;
  }
  GST_OBJECT_UNLOCK (self);
}

/* --- pads --- */

static gboolean
take_target (GstLiveKitBitrate * self, GstEvent * event)
{
  const Encoder *kind;
  guint bitrate, full;
  g_autoptr (GstElement) encoder = NULL;

  if (!gst_structure_get_uint (gst_event_get_structure (event), "bitrate", &bitrate))
    return FALSE;
  encoder = ref_encoder (self, &kind, &full);
  if (encoder == NULL)
    return FALSE;
  GST_OBJECT_LOCK (self);
  self->target = bitrate;
  GST_OBJECT_UNLOCK (self);
  gst_element_call_async (GST_ELEMENT (self), apply, NULL, NULL);
  return TRUE;
}

static gboolean
gst_livekit_bitrate_src_event (GstPad * pad, GstObject * parent, GstEvent * event)
{
  gboolean is_taken;

  if (GST_EVENT_TYPE (event) != GST_EVENT_CUSTOM_UPSTREAM || !gst_event_has_name (event, GST_LIVEKIT_TARGET_EVENT))
    return gst_pad_event_default (pad, parent, event);
  is_taken = take_target (GST_LIVEKIT_BITRATE (parent), event);
  gst_event_unref (event);
  return is_taken;
}

static GstFlowReturn
gst_livekit_bitrate_chain (GstPad * pad, GstObject * parent, GstBuffer * buffer)
{
  return gst_pad_push (GST_LIVEKIT_BITRATE (parent)->src_pad, buffer);
}

/* --- the element --- */

static void
gst_livekit_bitrate_set_property (GObject * object, guint id, const GValue * value, GParamSpec * pspec)
{
  GstLiveKitBitrate *self = GST_LIVEKIT_BITRATE (object);

  if (id != PROP_MIN_BITRATE) {
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    return;
  }
  GST_OBJECT_LOCK (self);
  self->min_bitrate = g_value_get_uint (value);
  GST_OBJECT_UNLOCK (self);
}

static void
gst_livekit_bitrate_get_property (GObject * object, guint id, GValue * value, GParamSpec * pspec)
{
  GstLiveKitBitrate *self = GST_LIVEKIT_BITRATE (object);

  GST_OBJECT_LOCK (self);
  if (id == PROP_MIN_BITRATE)
    g_value_set_uint (value, self->min_bitrate);
  else if (id == PROP_BITRATE)
    g_value_set_uint (value, self->bitrate);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  GST_OBJECT_UNLOCK (self);
}

static void
gst_livekit_bitrate_finalize (GObject * object)
{
  g_weak_ref_clear (&GST_LIVEKIT_BITRATE (object)->encoder);
  G_OBJECT_CLASS (gst_livekit_bitrate_parent_class)->finalize (object);
}

static void
gst_livekit_bitrate_class_init (GstLiveKitBitrateClass * klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  object_class->set_property = gst_livekit_bitrate_set_property;
  object_class->get_property = gst_livekit_bitrate_get_property;
  object_class->finalize = gst_livekit_bitrate_finalize;
  /**
   * GstLiveKitBitrate:min-bitrate:
   *
   * The encoder gets no less, however small the connection is.
   */
  properties[PROP_MIN_BITRATE] = g_param_spec_uint ("min-bitrate", "Least bitrate",
      "Bit/s that the encoder gets at least", 1, G_MAXINT32, DEFAULT_MIN_BITRATE,
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
  /**
   * GstLiveKitBitrate:bitrate:
   *
   * What the encoder was set to last; 0 while it has what it was given. Notifies.
   */
  properties[PROP_BITRATE] = g_param_spec_uint ("bitrate", "Bitrate",
      "Bit/s that the encoder was set to last (0 = it was not)", 0, G_MAXUINT, 0,
      G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  g_object_class_install_properties (object_class, N_PROPERTIES, properties);
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class, "LiveKit bitrate", "Generic/Network/WebRTC",
      "Lets the encoder beside it follow the bandwidth that livekitsink has", "The gst-livekit authors");
}

static void
gst_livekit_bitrate_init (GstLiveKitBitrate * self)
{
  self->min_bitrate = DEFAULT_MIN_BITRATE;
  self->target = GST_LIVEKIT_TARGET_FREE;
  g_weak_ref_init (&self->encoder, NULL);
  self->sink_pad = gst_pad_new_from_static_template (&sink_template, "sink");
  gst_pad_set_chain_function (self->sink_pad, gst_livekit_bitrate_chain);
  self->src_pad = gst_pad_new_from_static_template (&src_template, "src");
  gst_pad_set_event_function (self->src_pad, gst_livekit_bitrate_src_event);
  for (guint i = 0; i < 2; i++) {
    GstPad *pad = i ? self->src_pad : self->sink_pad;

    GST_OBJECT_FLAG_SET (pad, GST_PAD_FLAG_PROXY_CAPS | GST_PAD_FLAG_PROXY_ALLOCATION | GST_PAD_FLAG_PROXY_SCHEDULING);
    gst_element_add_pad (GST_ELEMENT (self), pad);
  }
}
