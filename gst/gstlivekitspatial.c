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
gst_livekit_spatial_layers_of_buffer (const GstLiveKitCodec * codec, GstCaps * caps, GstBuffer * buffer,
    guint otherwise)
{
  const gchar *format = gst_structure_get_string (gst_caps_get_structure (caps, 0), "stream-format");

  if (!codec->has_dependencies || g_strcmp0 (format, "annexb") == 0)
    return otherwise;
  return count_in_buffer (buffer, 0, otherwise);
}

/* frame_marker, show_existing_frame and show_frame of uncompressed_header() (VP9 §7.2) */
static gboolean
is_shown_vp9_frame (guint8 first_byte)
{
  return first_byte >> 6 == 2 && !(first_byte & 0x08) && first_byte & 0x02;
}

/* By the index at the end of a superframe (VP9 annex B). Hidden frames are often in one with the frame that is shown;
 * several that are shown are layers. */
static gboolean
has_shown_vp9_frames (const guint8 * data, gsize size)
{
  guint8 marker = size > 0 ? data[size - 1] : 0;
  guint n_frames = (marker & 7) + 1, n_bytes = (marker >> 3 & 3) + 1, n_shown = 0;
  gsize index_size = 2 + n_frames * n_bytes, offset = 0;

  if (marker >> 5 != 6 || size < index_size || data[size - index_size] != marker)
    return FALSE;
  for (guint i = 0; i < n_frames && offset < size - index_size; i++) {
    const guint8 *field = data + size - index_size + 1 + i * n_bytes;
    gsize frame_size = 0;

    for (guint k = 0; k < n_bytes; k++)
      frame_size |= (gsize) field[k] << 8 * k;
    n_shown += is_shown_vp9_frame (data[offset]);
    offset += frame_size;
  }
  return n_shown > 1;
}

gboolean
gst_livekit_has_untold_layers (const GstLiveKitCodec * codec, GstBuffer * buffer)
{
  GstMapInfo map;
  gboolean found;

  if (!g_str_equal (codec->encoding_name, "VP9") || !gst_buffer_map (buffer, &map, GST_MAP_READ))
    return FALSE;
  found = has_shown_vp9_frames (map.data, map.size);
  gst_buffer_unmap (buffer, &map);
  return found;
}
