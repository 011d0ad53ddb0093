/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitav1obu and gstlivekitav1packet: OBUs, temporal units, payloads. */
#include <gst/check/gstcheck.h>

#include "gstlivekitav1packet.h"

static void
check_bytes (GBytes * got, const guint8 * expected, gsize size)
{
  fail_unless (got != NULL);
  fail_unless_equals_uint64 (g_bytes_get_size (got), size);
  fail_unless (memcmp (g_bytes_get_data (got, NULL), expected, size) == 0);
}

static void
append (GByteArray * array, const void *bytes, gsize size)
{
  if (size > 0)
    g_byte_array_append (array, bytes, (guint) size);
}

/* An OBU with a size field. @layer: temporal << 4 | spatial, -1 = no extension. The payload counts up. */
static void
append_obu (GByteArray * unit, guint type, gint layer, guint8 first_byte, gsize payload_size)
{
  guint8 header[2] = { (guint8) (type << 3 | 0x02 | (layer >= 0 ? 0x04 : 0)),
    (guint8) (layer >= 0 ? (layer >> 4) << 5 | (layer & 3) << 3 : 0)
  };
  guint8 length[GST_LIVEKIT_AV1_MAX_LEB128_SIZE];

  append (unit, header, layer >= 0 ? 2 : 1);
  append (unit, length, gst_livekit_av1_write_leb128 (length, payload_size));
  for (gsize i = 0; i < payload_size; i++) {
    guint8 byte = (guint8) (i == 0 ? first_byte : i);

    append (unit, &byte, 1);
  }
}

/* Profile 0, one operating point of level 4, 64x48, as a sequence header OBU. */
static const guint8 small_sequence[] = { 0x0a, 0x07, 0x00, 0x00, 0x00, 0x22, 0xaf, 0xf7, 0xc0 };

#define SHOWN_KEY_FRAME 0x10
#define SHOWN_INTER_FRAME 0x30
#define DELIMITER 2
#define METADATA 5
#define FRAME_HEADER 3
#define TILE_GROUP 4
#define FRAME 6
#define TILE_LIST 8

static GBytes *
join_packet (GstLiveKitAv1Plan * plan, const guint8 * unit, guint index)
{
  gsize tail_offset, tail_size, size;
  g_autoptr (GByteArray) payload = g_byte_array_new ();

  size = gst_livekit_av1_plan_write_head (plan, index, NULL, &tail_offset, &tail_size);
  g_byte_array_set_size (payload, (guint) size);
  fail_unless_equals_int (gst_livekit_av1_plan_write_head (plan, index, payload->data, &tail_offset, &tail_size),
      size);
  append (payload, unit + tail_offset, tail_size);
  return g_byte_array_free_to_bytes (g_steal_pointer (&payload));
}

static gchar *
to_hex (const guint8 * bytes, gsize size)
{
  GString *text = g_string_new (NULL);

  for (gsize i = 0; i < size; i++)
    g_string_append_printf (text, "%02x", bytes[i]);
  return g_string_free (text, FALSE);
}

/* All payloads of a unit, as text, with spaces between them. */
static gchar *
describe_packets (GByteArray * unit, gsize max_size)
{
  GstLiveKitAv1Plan *plan = gst_livekit_av1_plan_new ();
  GString *text = g_string_new (NULL);

  fail_unless (gst_livekit_av1_plan_make (plan, unit->data, unit->len, max_size));
  for (guint i = 0; i < gst_livekit_av1_plan_get_n_packets (plan); i++) {
    g_autoptr (GBytes) payload = join_packet (plan, unit->data, i);
    g_autofree gchar *hex = to_hex (g_bytes_get_data (payload, NULL), g_bytes_get_size (payload));

    fail_unless (g_bytes_get_size (payload) <= max_size);
    g_string_append_printf (text, "%s%s", i > 0 ? " " : "", hex);
  }
  gst_livekit_av1_plan_free (plan);
  return g_string_free (text, FALSE);
}

static const struct
{
  const gchar *bytes;
  gsize size, value, n_read;    /* n_read 0: refused */
} lebs[] = {
  {"\x00", 1, 0, 1},
  {"\x7f", 1, 127, 1},
  {"\x80\x01", 2, 128, 2},
  {"\xe5\x8e\x26", 3, 624485, 3},
  {"\xff\xff\xff\xff\x0f", 5, G_MAXUINT32, 5},
  {"\x85\x80\x80\x80\x80\x80\x80\x00", 8, 5, 8},        /* longer than needed */
  {"\x80\x80\x80\x80\x10", 5, 0, 0},    /* above 32 bits */
  {"\x85\x80\x80\x80\x80\x80\x80\x80\x00", 9, 0, 0},
  {"\xff\xff\xff\xff\xff\xff\xff\xff\xff", 9, 0, 0},
  {"\x80", 1, 0, 0},
  {"", 0, 0, 0},
};

GST_START_TEST (test_leb128)
{
  gsize value = 1234, n_read = 0, size = lebs[__i__].size;
  gboolean ok = gst_livekit_av1_read_leb128 ((const guint8 *) lebs[__i__].bytes, size, &value, &n_read);
  guint8 written[GST_LIVEKIT_AV1_MAX_LEB128_SIZE];

  fail_unless_equals_int (ok, lebs[__i__].n_read > 0);
  if (!ok)
    return;
  fail_unless_equals_uint64 (value, lebs[__i__].value);
  fail_unless_equals_uint64 (n_read, lebs[__i__].n_read);
  fail_unless_equals_uint64 (gst_livekit_av1_write_leb128 (written, value), gst_livekit_av1_leb128_size (value));
  fail_unless (gst_livekit_av1_read_leb128 (written, sizeof written, &n_read, &size) && n_read == value);
}

GST_END_TEST;

typedef struct
{
  GByteArray *bytes;
  guint n_bits;
} BitWriter;

static void
put_bits (BitWriter * writer, guint32 value, guint n)
{
  while (n-- > 0) {
    if (writer->n_bits % 8 == 0)
      append (writer->bytes, "", 1);
    writer->bytes->data[writer->n_bits / 8] |= (value >> n & 1) << (7 - writer->n_bits % 8);
    writer->n_bits++;
  }
}

/* All that can stand in front of the size (AV1 specification §5.5.1). */
static void
put_sequence (BitWriter * writer, const guint16 * idc, guint n_points)
{
  put_bits (writer, 1, 3);      /* profile */
  put_bits (writer, 0, 2);
  put_bits (writer, 1, 1);      /* timing_info_present_flag */
  put_bits (writer, 1, 32);
  put_bits (writer, 30, 32);
  put_bits (writer, 1, 1);      /* equal_picture_interval */
  put_bits (writer, 2, 3);      /* uvlc: 010 */
  put_bits (writer, 1, 1);      /* decoder_model_info_present_flag */
  put_bits (writer, 9, 5);      /* delays of ten bits */
  put_bits (writer, 1, 32);
  put_bits (writer, 0, 10);
  put_bits (writer, 1, 1);      /* initial_display_delay_present_flag */
  put_bits (writer, n_points - 1, 5);
  for (guint i = 0; i < n_points; i++) {
    put_bits (writer, idc[i], 12);
    put_bits (writer, 9 - i, 5);
    if (9 - i > 7)
      put_bits (writer, 1, 1);
    put_bits (writer, 1, 1);
    put_bits (writer, 0x3ff, 10);
    put_bits (writer, 0x3ff, 10);
    put_bits (writer, 0, 1);
    put_bits (writer, 1, 1);
    put_bits (writer, 15, 4);
  }
  put_bits (writer, 10, 4);
  put_bits (writer, 9, 4);
  put_bits (writer, 1919, 11);
  put_bits (writer, 1079 - 512, 10);
}

GST_START_TEST (test_sequence_header_with_everything)
{
  static const guint16 idc[] = { 0x307, 0x303, 0x101 };
  BitWriter writer = { g_byte_array_new (), 0 };
  GstLiveKitAv1Sequence sequence;

  put_sequence (&writer, idc, G_N_ELEMENTS (idc));
  fail_unless (gst_livekit_av1_read_sequence (writer.bytes->data, writer.bytes->len, &sequence));
  fail_unless_equals_int (sequence.profile, 1);
  fail_unless_equals_int (sequence.n_operating_points, 3);
  fail_unless_equals_int (sequence.operating_point_idc[2], 0x101);
  fail_unless_equals_int (sequence.level_idx[0], 9);
  fail_unless_equals_int (sequence.tier[0], 1);
  fail_unless_equals_int (sequence.level_idx[2], 7);
  fail_unless_equals_int (sequence.tier[2], 0);
  fail_unless_equals_int (sequence.n_temporal_layers, 3);
  fail_unless_equals_int (sequence.n_spatial_layers, 2);
  fail_unless_equals_int (sequence.max_width, 1920);
  fail_unless_equals_int (sequence.max_height, 568);
  for (guint size = 0; size < writer.bytes->len; size++)
    fail_if (gst_livekit_av1_read_sequence (writer.bytes->data, size, &sequence));
  g_byte_array_unref (writer.bytes);
}

GST_END_TEST;

static const struct
{
  guint16 idc;
  guint n_temporal, n_spatial;
} layers[] = { {0, 1, 1}, {0x101, 1, 1}, {0x103, 2, 1}, {0x107, 3, 1}, {0x707, 3, 3}, {0xfff, 1, 1} };

GST_START_TEST (test_layers_of_a_sequence)
{
  BitWriter writer = { g_byte_array_new (), 0 };
  GstLiveKitAv1Sequence sequence;

  put_sequence (&writer, &layers[__i__].idc, 1);
  fail_unless (gst_livekit_av1_read_sequence (writer.bytes->data, writer.bytes->len, &sequence));
  fail_unless_equals_int (sequence.n_temporal_layers, layers[__i__].n_temporal);
  fail_unless_equals_int (sequence.n_spatial_layers, layers[__i__].n_spatial);
  g_byte_array_unref (writer.bytes);
}

GST_END_TEST;

GST_START_TEST (test_unit_is_a_key_frame_or_not)
{
  g_autoptr (GByteArray) unit = g_byte_array_new ();
  GstLiveKitAv1UnitInfo info;

  append_obu (unit, DELIMITER, -1, 0, 0);
  append (unit, small_sequence, sizeof small_sequence);
  append_obu (unit, FRAME, 0x00, SHOWN_KEY_FRAME, 20);
  append_obu (unit, FRAME, 0x01, SHOWN_INTER_FRAME, 20);
  fail_unless (gst_livekit_av1_read_unit (unit->data, unit->len, &info));
  fail_unless (info.has_sequence && info.has_key_frame && info.starts_sequence);
  fail_unless_equals_int (info.n_frames, 2);
  fail_unless_equals_int (info.max_spatial_id, 1);
  fail_unless_equals_int (info.sequence.max_width, 64);
  fail_unless_equals_int (info.sequence.max_height, 48);
  fail_unless_equals_int (info.sequence.level_idx[0], 4);
  /* the sizes of the last OBUs do not fit */
  fail_if (gst_livekit_av1_read_unit (unit->data, unit->len - 1, &info));

  /* a key frame alone does not start a sequence; one that is shown again, hidden or no key frame is none */
  for (guint i = 0; i < 4; i++) {
    static const guint8 first_bytes[] = { SHOWN_KEY_FRAME, 0x80, 0x00, SHOWN_INTER_FRAME };

    g_byte_array_set_size (unit, 0);
    append_obu (unit, FRAME, 0x20, first_bytes[i], 20);
    fail_unless (gst_livekit_av1_read_unit (unit->data, unit->len, &info));
    fail_unless_equals_int (info.has_key_frame, i == 0);
    fail_unless_equals_int (info.temporal_id, 2);
    fail_if (info.starts_sequence);
  }
}

GST_END_TEST;

/* "Examples" of §5: [ SH MD MD(0,0) FH(0,0) TG(0,0) ] [ MD(0,1) FH(0,1) TG(0,1) ] */
GST_START_TEST (test_layers_have_packets_of_their_own)
{
  g_autoptr (GByteArray) unit = g_byte_array_new ();
  g_autofree gchar *packets = NULL;

  append_obu (unit, DELIMITER, -1, 0, 0);
  append (unit, small_sequence, sizeof small_sequence);
  append_obu (unit, METADATA, -1, 0xaa, 2);
  append_obu (unit, METADATA, 0x00, 0xab, 1);
  append_obu (unit, FRAME_HEADER, 0x00, SHOWN_KEY_FRAME, 3);
  append_obu (unit, TILE_GROUP, 0x00, 0xac, 4);
  append_obu (unit, TILE_LIST, -1, 0, 4);
  append_obu (unit, METADATA, 0x01, 0xba, 1);
  append_obu (unit, FRAME_HEADER, 0x01, SHOWN_INTER_FRAME, 3);
  append_obu (unit, TILE_GROUP, 0x01, 0xbc, 4);
  packets = describe_packets (unit, 1000);
  /* 08: five elements, all with lengths, N; 30: three, the last without */
  fail_unless_equals_string (packets,
      "08" "08" "0800000022aff7c0" "03" "28aa01" "03" "2c00ab" "05" "1c00100102" "06" "2400ac010203" " "
      "30" "03" "2c08ba" "05" "1c08300102" "2408bc010203");
}

GST_END_TEST;

/* The second figure of §4.5: elements of 200 and 100 bytes make a payload of 303 */
GST_START_TEST (test_size_example)
{
  g_autoptr (GByteArray) unit = g_byte_array_new ();
  GstLiveKitAv1Plan *plan = gst_livekit_av1_plan_new ();
  g_autoptr (GBytes) payload = NULL;
  const guint8 *bytes;

  append_obu (unit, FRAME_HEADER, -1, SHOWN_INTER_FRAME, 199);
  append_obu (unit, TILE_GROUP, -1, 0, 99);
  fail_unless (gst_livekit_av1_plan_make (plan, unit->data, unit->len, 303));
  fail_unless_equals_int (gst_livekit_av1_plan_get_n_packets (plan), 1);
  payload = join_packet (plan, unit->data, 0);
  fail_unless_equals_int (g_bytes_get_size (payload), 303);
  bytes = g_bytes_get_data (payload, NULL);
  fail_unless_equals_int (bytes[0], 0x20);
  fail_unless (bytes[1] == 0xc8 && bytes[2] == 0x01);
  fail_unless_equals_int (bytes[3 + 200], TILE_GROUP << 3);

  /* one byte less, and the last element is continued */
  fail_unless (gst_livekit_av1_plan_make (plan, unit->data, unit->len, 302));
  fail_unless_equals_int (gst_livekit_av1_plan_get_n_packets (plan), 2);
  fail_unless_equals_int (gst_livekit_av1_plan_get_packet (plan, 0)->aggregation_header, 0x60);
  fail_unless_equals_int (gst_livekit_av1_plan_get_packet (plan, 1)->aggregation_header, 0x90);
  fail_unless (gst_livekit_av1_plan_get_packet (plan, 0)->starts_frame);
  fail_if (gst_livekit_av1_plan_get_packet (plan, 0)->ends_frame);
  fail_unless (gst_livekit_av1_plan_get_packet (plan, 1)->ends_frame);
  gst_livekit_av1_plan_free (plan);
}

GST_END_TEST;

static GByteArray *
make_random_unit (GRand * rand)
{
  GByteArray *unit = g_byte_array_new ();
  guint n_frames = g_rand_int_range (rand, 1, 4);

  append_obu (unit, DELIMITER, -1, 0, 0);
  if (g_rand_boolean (rand))
    append (unit, small_sequence, sizeof small_sequence);
  for (guint i = 0; i < n_frames; i++) {
    guint n_metadata = g_rand_int_range (rand, 0, 6), n_groups = g_rand_int_range (rand, 0, 5);
    gint layer = g_rand_boolean (rand) ? (gint) i : -1;

    while (n_metadata-- > 0)
      append_obu (unit, METADATA, g_rand_boolean (rand) ? layer : -1, 0, g_rand_int_range (rand, 0, 40));
    append_obu (unit, n_groups ? FRAME_HEADER : FRAME, layer, SHOWN_INTER_FRAME, g_rand_int_range (rand, 1, 900));
    while (n_groups-- > 0)
      append_obu (unit, TILE_GROUP, layer, 0, g_rand_int_range (rand, 0, 900));
  }
  return unit;
}

GST_START_TEST (test_random_units_come_back)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (20);
  GstLiveKitAv1Plan *plan = gst_livekit_av1_plan_new ();
  GstLiveKitAv1Assembler *assembler = gst_livekit_av1_assembler_new (GST_LIVEKIT_AV1_MAX_UNIT_SIZE);
  GstLiveKitAv1UnitInfo info;

  for (guint round = 0; round < 3000; round++) {
    g_autoptr (GByteArray) unit = make_random_unit (rand);
    gsize max_size = g_rand_int_range (rand, GST_LIVEKIT_AV1_MIN_PAYLOAD_SIZE, 1400);
    g_autoptr (GBytes) back = NULL;

    fail_unless (gst_livekit_av1_plan_make (plan, unit->data, unit->len, max_size));
    for (guint i = 0; i < gst_livekit_av1_plan_get_n_packets (plan); i++) {
      g_autoptr (GBytes) payload = join_packet (plan, unit->data, i);

      fail_unless (g_bytes_get_size (payload) <= max_size);
      fail_unless (gst_livekit_av1_assembler_add (assembler, g_bytes_get_data (payload, NULL),
              g_bytes_get_size (payload)));
    }
    back = gst_livekit_av1_assembler_take (assembler, &info);
    check_bytes (back, unit->data, unit->len);
  }
  gst_livekit_av1_assembler_free (assembler);
  gst_livekit_av1_plan_free (plan);
}

GST_END_TEST;

static const struct
{
  const gchar *what, *bytes;
  gsize size;
} bad_payloads[] = {
  {"nothing", "", 0},
  {"a header alone", "\x10", 1},
  {"a length beyond the end", "\x20\x7f\x30\x10", 4},
  {"a length of nine bytes", "\x00\x85\x80\x80\x80\x80\x80\x80\x80\x00\x30\x10", 12},
  {"a length cut off", "\x00\x80", 2},
  {"an empty element", "\x20\x00\x30\x10", 4},
  {"an empty last element", "\x20\x02\x30\x10", 4},
  {"fewer elements than counted", "\x30\x02\x30\x10", 4},
  {"a continuation of nothing", "\x90\x30\x10", 3},
  {"a continuation where a sequence starts", "\x98\x30\x10", 3},
  {"the forbidden bit", "\x10\xb0\x10", 3},
  {"an extension cut off", "\x10\x34", 2},
  {"an inner size beyond the element", "\x10\x32\x7f\x10", 4},
  {"an inner size cut off", "\x10\x32", 2},
};

GST_START_TEST (test_bad_payloads_break_their_unit_alone)
{
  static const guint8 good[] = { 0x10, 0x30, SHOWN_INTER_FRAME, 1, 2 };
  static const guint8 whole[] = { 0x12, 0, 0x32, 3, SHOWN_INTER_FRAME, 1, 2 };
  GstLiveKitAv1Assembler *assembler = gst_livekit_av1_assembler_new (1000);
  GstLiveKitAv1UnitInfo info;
  g_autoptr (GBytes) unit = NULL;

  fail_if (gst_livekit_av1_assembler_add (assembler, (const guint8 *) bad_payloads[__i__].bytes,
          bad_payloads[__i__].size), "%s was taken", bad_payloads[__i__].what);
  fail_if (gst_livekit_av1_assembler_add (assembler, good, sizeof good));
  fail_unless (gst_livekit_av1_assembler_take (assembler, &info) == NULL);

  fail_unless (gst_livekit_av1_assembler_add (assembler, good, sizeof good));
  unit = gst_livekit_av1_assembler_take (assembler, &info);
  check_bytes (unit, whole, sizeof whole);
  gst_livekit_av1_assembler_free (assembler);
}

GST_END_TEST;

/* Sizes inside elements are allowed; delimiters and tile lists are ignored (§5). */
GST_START_TEST (test_what_receivers_put_up_with)
{
  static const guint8 payload[] = { 0x00, 2, 0x12, 0x00, 5, 0x32, 3, SHOWN_INTER_FRAME, 1, 2, 3, 0x40, 7, 7 };
  static const guint8 whole[] = { 0x12, 0, 0x32, 3, SHOWN_INTER_FRAME, 1, 2 };
  GstLiveKitAv1Assembler *assembler = gst_livekit_av1_assembler_new (1000);
  GstLiveKitAv1UnitInfo info;
  g_autoptr (GBytes) unit = NULL;

  fail_unless (gst_livekit_av1_assembler_add (assembler, payload, sizeof payload));
  unit = gst_livekit_av1_assembler_take (assembler, &info);
  check_bytes (unit, whole, sizeof whole);
  gst_livekit_av1_assembler_free (assembler);
}

GST_END_TEST;

GST_START_TEST (test_endless_fragments_are_capped)
{
  static const guint8 start[] = { 0x50, 0x30, SHOWN_INTER_FRAME, 1 };
  static const guint8 more[100] = { 0xd0 };
  GstLiveKitAv1Assembler *assembler = gst_livekit_av1_assembler_new (1000);
  guint n_taken = 0;

  fail_unless (gst_livekit_av1_assembler_add (assembler, start, sizeof start));
  while (n_taken < 100 && gst_livekit_av1_assembler_add (assembler, more, sizeof more))
    n_taken++;
  fail_unless_equals_int (n_taken, 10);
  gst_livekit_av1_assembler_free (assembler);
}

GST_END_TEST;

/* Random payloads, half of them of a likely shape; what comes out is always a temporal unit. */
GST_START_TEST (test_random_payloads)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (21);
  GstLiveKitAv1Assembler *assembler = gst_livekit_av1_assembler_new (4000);
  GstLiveKitAv1UnitInfo info;
  guint n_units = 0, n_good = 0;

  for (guint round = 0; round < 100000; round++) {
    gsize size = g_rand_int_range (rand, 0, 60);
    g_autofree guint8 *payload = g_malloc (size + 1);

    for (gsize i = 0; i < size; i++)
      payload[i] = (guint8) g_rand_int_range (rand, 0, i > 0 && round % 2 ? 12 : 256);
    if (size > 1 && round % 4 == 1) {
      payload[0] = 0x10;
      payload[1] = (guint8) (g_rand_int_range (rand, 0, 16) << 3);
    }
    n_good += gst_livekit_av1_assembler_add (assembler, payload, size);
    if (g_rand_int_range (rand, 0, 3) == 0) {
      g_autoptr (GBytes) unit = gst_livekit_av1_assembler_take (assembler, &info);

      if (unit == NULL)
        continue;
      n_units++;
      fail_unless (gst_livekit_av1_read_unit (g_bytes_get_data (unit, NULL), g_bytes_get_size (unit), &info));
      fail_unless (info.n_frames > 0 && g_bytes_get_size (unit) <= 4100);
    } else if (g_rand_int_range (rand, 0, 20) == 0) {
      gst_livekit_av1_assembler_lose (assembler);
    }
  }
  fail_unless (n_good > 1000 && n_units > 100, "good %u units %u", n_good, n_units);
  gst_livekit_av1_assembler_free (assembler);
}

GST_END_TEST;

static Suite *
av1packet_suite (void)
{
  Suite *s = suite_create ("av1packet");
  TCase *obus = tcase_create ("obus"), *packets = tcase_create ("packets");

  suite_add_tcase (s, obus);
  tcase_add_loop_test (obus, test_leb128, 0, G_N_ELEMENTS (lebs));
  tcase_add_test (obus, test_sequence_header_with_everything);
  tcase_add_loop_test (obus, test_layers_of_a_sequence, 0, G_N_ELEMENTS (layers));
  tcase_add_test (obus, test_unit_is_a_key_frame_or_not);
  suite_add_tcase (s, packets);
  tcase_add_test (packets, test_layers_have_packets_of_their_own);
  tcase_add_test (packets, test_size_example);
  tcase_add_test (packets, test_random_units_come_back);
  tcase_add_loop_test (packets, test_bad_payloads_break_their_unit_alone, 0, G_N_ELEMENTS (bad_payloads));
  tcase_add_test (packets, test_what_receivers_put_up_with);
  tcase_add_test (packets, test_endless_fragments_are_capped);
  tcase_add_test (packets, test_random_payloads);
  return s;
}

GST_CHECK_MAIN (av1packet);
