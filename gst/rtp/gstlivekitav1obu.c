/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitav1obu: reads AV1's open bitstream units. §: of the AV1 bitstream specification. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitav1obu.h"

#include <string.h>

#define FORBIDDEN_BIT 0x80
#define EXTENSION_FLAG 0x04
#define HAS_SIZE_FIELD 0x02

#define KEY_FRAME 0

/* Reading beyond the end gives zeros and sets is_short: asked once, at the end. */
typedef struct
{
  const guint8 *data;
  gsize n_bits, position;
  gboolean is_short;
} BitReader;

static guint32
read_bits (BitReader * reader, guint n)
{
  guint32 value = 0;

  if (n > reader->n_bits - reader->position) {
    reader->position = reader->n_bits;
    reader->is_short = TRUE;
    return 0;
  }
  for (; n > 0; n--, reader->position++)
    value = value << 1 | (reader->data[reader->position / 8] >> (7 - reader->position % 8) & 1);
  return value;
}

/* §4.10.3; the value is of no interest here */
static void
skip_uvlc (BitReader * reader)
{
  guint n_zeros = 0;

  while (!reader->is_short && read_bits (reader, 1) == 0)
    n_zeros++;
  if (n_zeros < 32)
    read_bits (reader, n_zeros);
}

gboolean
gst_livekit_av1_read_leb128 (const guint8 * data, gsize size, gsize * value, gsize * n_read)
{
  guint64 sum = 0;

  for (gsize i = 0; i < size && i < GST_LIVEKIT_AV1_MAX_LEB128_SIZE; i++) {
    sum |= (guint64) (data[i] & 0x7f) << (7 * i);
    if (data[i] & 0x80)
      continue;
    if (sum > G_MAXUINT32)
      return FALSE;
    *value = (gsize) sum;
    *n_read = i + 1;
    return TRUE;
  }
  return FALSE;
}

gsize
gst_livekit_av1_leb128_size (gsize value)
{
  gsize size = 1;

  while (value >>= 7)
    size++;
  return size;
}

gsize
gst_livekit_av1_write_leb128 (guint8 * out, gsize value)
{
  gsize size = 0;

  do {
    out[size] = (guint8) ((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    value >>= 7;
    size++;
  } while (value > 0);
  return size;
}

gboolean
gst_livekit_av1_read_obu (const guint8 * data, gsize size, gsize * offset, GstLiveKitAv1Obu * obu)
{
  gsize position = *offset, payload_size, n_read;

  memset (obu, 0, sizeof *obu);
  if (position >= size || data[position] & FORBIDDEN_BIT)
    return FALSE;
  obu->has_extension = (data[position] & EXTENSION_FLAG) != 0;
  obu->header_size = obu->has_extension ? 2 : 1;
  if (size - position < obu->header_size)
    return FALSE;
  obu->type = data[position] >> 3 & 0x0f;
  obu->header[0] = (guint8) (data[position] & ~HAS_SIZE_FIELD);
  if (obu->has_extension) {
    obu->header[1] = data[position + 1];
    obu->temporal_id = obu->header[1] >> 5;
    obu->spatial_id = obu->header[1] >> 3 & 3;
  }
  position += obu->header_size;
  payload_size = size - position;
  if (data[*offset] & HAS_SIZE_FIELD) {
    if (!gst_livekit_av1_read_leb128 (data + position, size - position, &payload_size, &n_read))
      return FALSE;
    position += n_read;
    if (payload_size > size - position)
      return FALSE;
  }
  obu->payload_offset = position;
  obu->payload_size = payload_size;
  *offset = position + payload_size;
  return TRUE;
}

/* timing_info() and decoder_model_info(), §5.5.3 and §5.5.4. Returns the length of delays, or 0. */
static guint
read_timing (BitReader * reader)
{
  guint delay_length;

  if (!read_bits (reader, 1))
    return 0;
  read_bits (reader, 32);       /* num_units_in_display_tick */
  read_bits (reader, 32);       /* time_scale */
  if (read_bits (reader, 1))
    skip_uvlc (reader);         /* num_ticks_per_picture_minus_1 */
  if (!read_bits (reader, 1))
    return 0;
  delay_length = read_bits (reader, 5) + 1;
  read_bits (reader, 32);       /* num_units_in_decoding_tick */
  read_bits (reader, 5);        /* buffer_removal_time_length_minus_1 */
  read_bits (reader, 5);        /* frame_presentation_time_length_minus_1 */
  return delay_length;
}

static void
read_operating_points (BitReader * reader, GstLiveKitAv1Sequence * sequence)
{
  guint delay_length = read_timing (reader);
  gboolean has_display_delay = read_bits (reader, 1);

  sequence->n_operating_points = read_bits (reader, 5) + 1;
  for (guint i = 0; i < sequence->n_operating_points; i++) {
    sequence->operating_point_idc[i] = (guint16) read_bits (reader, 12);
    sequence->level_idx[i] = (guint8) read_bits (reader, 5);
    if (sequence->level_idx[i] > 7)
      sequence->tier[i] = (guint8) read_bits (reader, 1);
    if (delay_length && read_bits (reader, 1)) {
      read_bits (reader, delay_length); /* decoder_buffer_delay */
      read_bits (reader, delay_length); /* encoder_buffer_delay */
      read_bits (reader, 1);    /* low_delay_mode_flag */
    }
    if (has_display_delay && read_bits (reader, 1))
      read_bits (reader, 4);    /* initial_display_delay_minus_1 */
  }
}

static void
count_layers (GstLiveKitAv1Sequence * sequence)
{
  guint layers = 0;

  for (guint i = 0; i < sequence->n_operating_points; i++)
    layers |= sequence->operating_point_idc[i];
  /* One point of all layers only keeps decoders from dropping any (AV1 RTP specification §5). */
  if (layers == 0xfff && sequence->n_operating_points == 1)
    layers = 0;
  /* g_bit_storage (0) is 1 */
  sequence->n_temporal_layers = g_bit_storage (layers & 0xff);
  sequence->n_spatial_layers = g_bit_storage (layers >> 8);
}

/* §5.5.1, up to the size */
gboolean
gst_livekit_av1_read_sequence (const guint8 * data, gsize size, GstLiveKitAv1Sequence * sequence)
{
  BitReader reader = { data, size * 8, 0, FALSE };
  guint width_bits, height_bits;

  memset (sequence, 0, sizeof *sequence);
  sequence->profile = read_bits (&reader, 3);
  read_bits (&reader, 1);       /* still_picture */
  sequence->is_reduced_still_picture = read_bits (&reader, 1);
  if (sequence->is_reduced_still_picture) {
    sequence->n_operating_points = 1;
    sequence->level_idx[0] = (guint8) read_bits (&reader, 5);
  } else {
    read_operating_points (&reader, sequence);
  }
  width_bits = read_bits (&reader, 4) + 1;
  height_bits = read_bits (&reader, 4) + 1;
  sequence->max_width = read_bits (&reader, width_bits) + 1;
  sequence->max_height = read_bits (&reader, height_bits) + 1;
  count_layers (sequence);
  return !reader.is_short && sequence->profile <= 2;
}

gboolean
gst_livekit_av1_obu_starts_frame (const GstLiveKitAv1Obu * obu)
{
  return obu->type == GST_LIVEKIT_AV1_OBU_FRAME || obu->type == GST_LIVEKIT_AV1_OBU_FRAME_HEADER;
}

/* The start of uncompressed_header(), §5.9.2: a key frame that is shown. */
static gboolean
is_shown_key_frame (const guint8 * data, gsize size, gboolean is_reduced_still_picture)
{
  BitReader reader = { data, size * 8, 0, FALSE };
  gboolean is_shown_again, is_shown;
  guint frame_type;

  if (is_reduced_still_picture)
    return TRUE;
  is_shown_again = read_bits (&reader, 1);
  frame_type = read_bits (&reader, 2);
  is_shown = read_bits (&reader, 1);
  return !is_shown_again && frame_type == KEY_FRAME && is_shown && !reader.is_short;
}

static void
add_frame (GstLiveKitAv1UnitInfo * info, const guint8 * data, const GstLiveKitAv1Obu * obu)
{
  gboolean is_still = info->has_sequence && info->sequence.is_reduced_still_picture;

  if (info->n_frames++ == 0) {
    info->has_key_frame = is_shown_key_frame (data + obu->payload_offset, obu->payload_size, is_still);
    info->starts_sequence = info->has_key_frame && info->has_sequence && obu->temporal_id == 0;
    info->temporal_id = obu->temporal_id;
  }
  info->max_spatial_id = MAX (info->max_spatial_id, obu->spatial_id);
}

gboolean
gst_livekit_av1_read_unit (const guint8 * data, gsize size, GstLiveKitAv1UnitInfo * info)
{
  GstLiveKitAv1Obu obu;
  gsize offset = 0;

  memset (info, 0, sizeof *info);
  while (offset < size) {
    if (!gst_livekit_av1_read_obu (data, size, &offset, &obu))
      return FALSE;
    if (obu.type == GST_LIVEKIT_AV1_OBU_SEQUENCE_HEADER) {
      if (!gst_livekit_av1_read_sequence (data + obu.payload_offset, obu.payload_size, &info->sequence))
        return FALSE;
      info->has_sequence = TRUE;
    } else if (gst_livekit_av1_obu_starts_frame (&obu)) {
      add_frame (info, data, &obu);
    }
  }
  return size > 0;
}
