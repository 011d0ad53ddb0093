/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitspatial: how many spatial layers an encoded stream has. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitspatial.h"

#include "rtp/gstlivekitav1obu.h"

/* In front of the OBUs in an av1C box ("AV1 Codec ISO Media File Format Binding" §2.3) */
#define AV1C_HEADER_SIZE 4

static guint
count_in_units (const guint8 * data, gsize size, guint otherwise)
{
  GstLiveKitAv1UnitInfo info;

  if (!gst_livekit_av1_read_unit (data, size, &info))
    return otherwise;
  if (info.has_sequence)
    return info.sequence.n_spatial_layers;
  return info.n_frames > 0 ? otherwise : 0;
}

static guint
count_in_buffer (GstBuffer * buffer, gsize offset, guint otherwise)
{
  GstMapInfo map;
  guint n = otherwise;

  if (!gst_buffer_map (buffer, &map, GST_MAP_READ))
    return otherwise;
  if (map.size > offset)
    n = count_in_units (map.data + offset, map.size - offset, otherwise);
  gst_buffer_unmap (buffer, &map);
  return n;
}

guint
gst_livekit_spatial_layers_of_caps (const GstLiveKitCodec * codec, GstCaps * caps)
{
  const GValue *codec_data = gst_structure_get_value (gst_caps_get_structure (caps, 0), "codec_data");

  if (!codec->has_dependencies)
    return 1;
  if (codec_data == NULL || !GST_VALUE_HOLDS_BUFFER (codec_data))
    return 0;
  return count_in_buffer (gst_value_get_buffer (codec_data), AV1C_HEADER_SIZE, 0);
}

guint
gst_livekit_spatial_layers_of_buffer (const GstLiveKitCodec * codec, GstBuffer * buffer, guint otherwise)
{
  return codec->has_dependencies ? count_in_buffer (buffer, 0, otherwise) : otherwise;
}
