/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitlevelmeter: how loud encoded sound is. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitlevelmeter.h"

#include <math.h>

#define SILENCE 127
#define FULL_SCALE 32768.0

/* The decoder is in no bin and has no bus: what it says of broken packets is nobody's concern. It works in the
 * thread that feeds it. */
struct _GstLiveKitLevelMeter
{
  GstElement *decoder;
  GstPad *feed, *outlet;        /* parentless, around the decoder */
  GstCaps *caps;                /* as fed last */
  gdouble sum;                  /* of squares, of the packet */
  guint64 n_samples;
};

static GstStaticPadTemplate outlet_template = GST_STATIC_PAD_TEMPLATE ("outlet", GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS ("audio/x-raw, format=(string)S16LE, layout=(string)interleaved"));

static GstFlowReturn
on_sound (GstPad * outlet, GstObject * parent, GstBuffer * buffer)
{
  GstLiveKitLevelMeter *meter = gst_pad_get_element_private (outlet);
  GstMapInfo map;

  if (gst_buffer_map (buffer, &map, GST_MAP_READ)) {
    for (gsize i = 0; i + 1 < map.size; i += 2) {
      gdouble sample = (gint16) GST_READ_UINT16_LE (map.data + i);

      meter->sum += sample * sample;
    }
    meter->n_samples += map.size / 2;
    gst_buffer_unmap (buffer, &map);
  }
  gst_buffer_unref (buffer);
  return GST_FLOW_OK;
}

static gboolean
on_event (GstPad * outlet, GstObject * parent, GstEvent * event)
{
  gst_event_unref (event);
  return TRUE;
}

static void
link_pads (GstLiveKitLevelMeter * meter)
{
  g_autoptr (GstPad) sink_pad = gst_element_get_static_pad (meter->decoder, "sink");
  g_autoptr (GstPad) src_pad = gst_element_get_static_pad (meter->decoder, "src");

  meter->feed = gst_object_ref_sink (gst_pad_new ("feed", GST_PAD_SRC));
  meter->outlet = gst_object_ref_sink (gst_pad_new_from_static_template (&outlet_template, "outlet"));
  gst_pad_set_element_private (meter->outlet, meter);
  gst_pad_set_chain_function (meter->outlet, on_sound);
  gst_pad_set_event_function (meter->outlet, on_event);
  gst_pad_set_active (meter->feed, TRUE);
  gst_pad_set_active (meter->outlet, TRUE);
  gst_pad_link_full (meter->feed, sink_pad, GST_PAD_LINK_CHECK_NOTHING);
  gst_pad_link_full (src_pad, meter->outlet, GST_PAD_LINK_CHECK_NOTHING);
}

GstLiveKitLevelMeter *
gst_livekit_level_meter_new (const gchar * decoder)
{
  GstElement *element = gst_element_factory_make (decoder, NULL);
  GstLiveKitLevelMeter *meter;

  if (element == NULL)
    return NULL;
  meter = g_new0 (GstLiveKitLevelMeter, 1);
  meter->decoder = gst_object_ref_sink (element);
  link_pads (meter);
  gst_element_set_state (meter->decoder, GST_STATE_PLAYING);
  return meter;
}

void
gst_livekit_level_meter_free (GstLiveKitLevelMeter * meter)
{
  gst_element_set_state (meter->decoder, GST_STATE_NULL);
  gst_pad_set_active (meter->feed, FALSE);
  gst_pad_set_active (meter->outlet, FALSE);
  gst_object_unref (meter->decoder);
  gst_object_unref (meter->feed);
  gst_object_unref (meter->outlet);
  gst_clear_caps (&meter->caps);
  g_free (meter);
}

static void
begin (GstLiveKitLevelMeter * meter, GstCaps * caps)
{
  GstSegment segment;

  gst_caps_replace (&meter->caps, caps);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_push_event (meter->feed, gst_event_new_stream_start ("level"));
  gst_pad_push_event (meter->feed, gst_event_new_caps (caps));
  gst_pad_push_event (meter->feed, gst_event_new_segment (&segment));
}

gint
gst_livekit_level_meter_measure (GstLiveKitLevelMeter * meter, GstCaps * caps, GstBuffer * buffer)
{
  gdouble power;

  if (meter->caps == NULL || (meter->caps != caps && !gst_caps_is_equal (meter->caps, caps)))
    begin (meter, caps);
  meter->sum = 0;
  meter->n_samples = 0;
  gst_pad_push (meter->feed, gst_buffer_ref (buffer));
  if (meter->n_samples == 0)
    return -1;
  power = meter->sum / (gdouble) meter->n_samples / (FULL_SCALE * FULL_SCALE);
  return power > 0 ? (gint) CLAMP (-10 * log10 (power), 0, SILENCE) : SILENCE;
}
