/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* layerstats: what livekitsink's statistics say of one layer. */

#include "layerstats.h"

void
cctv_counter_take (CctvCounter * counter, guint64 value)
{
  counter->total += value >= counter->last ? value - counter->last : value;
  counter->last = value;
}

static void
take_uint64 (CctvCounter * counter, const GstStructure * structure, const gchar * name)
{
  guint64 value;

  if (gst_structure_get_uint64 (structure, name, &value))
    cctv_counter_take (counter, value);
}

static void
take_uint (CctvCounter * counter, const GstStructure * structure, const gchar * name)
{
  guint value;

  if (gst_structure_get_uint (structure, name, &value))
    cctv_counter_take (counter, value);
}

static const GstStructure *
find_layer (const GstStructure * stats, const gchar * pad_name)
{
  const GValue *list = gst_structure_get_value (stats, "published");

  for (guint i = 0; list && i < gst_value_list_get_size (list); i++) {
    const GstStructure *layer = gst_value_get_structure (gst_value_list_get_value (list, i));

    if (g_strcmp0 (gst_structure_get_string (layer, "pad"), pad_name) == 0)
      return layer;
  }
  return NULL;
}

typedef struct
{
  CctvLayerStats *layer;
  guint ssrc;
} Search;

static void
take_outbound (CctvLayerStats * layer, const GstStructure * rtp)
{
  take_uint64 (&layer->n_packets, rtp, "packets-sent");
  take_uint (&layer->n_nacks, rtp, "nack-count");
  take_uint (&layer->n_plis, rtp, "pli-count");
}

static gboolean
take_webrtc (GQuark field, const GValue * value, gpointer data)
{
  Search *search = data;
  const GstStructure *entry;
  guint ssrc;

  if (!GST_VALUE_HOLDS_STRUCTURE (value))
    return TRUE;
  entry = gst_value_get_structure (value);
  if (!gst_structure_get_uint (entry, "ssrc", &ssrc) || ssrc != search->ssrc)
    return TRUE;
  if (gst_structure_has_name (entry, "outbound-rtp"))
    take_outbound (search->layer, entry);
  return TRUE;
}

void
cctv_layer_stats_take (CctvLayerStats * layer, const GstStructure * stats, const gchar * pad_name)
{
  const GstStructure *own = find_layer (stats, pad_name);
  const GValue *webrtc = gst_structure_get_value (stats, "webrtc");
  Search search = { layer, 0 };
  guint latency_us = 0;

  layer->is_active = FALSE;
  if (own == NULL)
    return;
  gst_structure_get_boolean (own, "active", &layer->is_active);
  gst_structure_get_uint (own, "ssrc", &search.ssrc);
  if (gst_structure_get_uint (own, "latency-us", &latency_us))
    layer->latency_s = latency_us / 1e6;
  take_uint64 (&layer->n_bytes, own, "bytes-sent");
  take_uint64 (&layer->n_frames, own, "frames-sent");
  take_uint64 (&layer->n_key_frames, own, "key-frames-sent");
  take_uint64 (&layer->n_key_frame_requests, own, "key-frames-requested");
  if (webrtc && GST_VALUE_HOLDS_STRUCTURE (webrtc))
    gst_structure_foreach (gst_value_get_structure (webrtc), take_webrtc, &search);
}

void
cctv_layer_stats_end (CctvLayerStats * layer)
{
  CctvCounter *const counters[] = { &layer->n_bytes, &layer->n_frames, &layer->n_key_frames,
    &layer->n_key_frame_requests, &layer->n_packets, &layer->n_nacks, &layer->n_plis };

  for (guint i = 0; i < G_N_ELEMENTS (counters); i++)
    counters[i]->last = 0;
  layer->latency_s = 0;
  layer->is_active = FALSE;
}
