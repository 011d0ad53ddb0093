/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitdependency and livekitrtphdrextdependency, read back by a parser that knows only the specification. */
#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>
#include <gst/rtp/rtp.h>

#include "gstlivekitdependency.h"

#define MAX_TEMPLATES 16
#define MAX_TARGETS 4

/* What a receiver keeps of a stream (§A.8.2) */
typedef struct
{
  guint id_offset, n_targets, n_templates, n_chains;
  guint temporal_id[MAX_TEMPLATES], dtis[MAX_TEMPLATES][MAX_TARGETS], n_fdiffs[MAX_TEMPLATES];
  guint fdiffs[MAX_TEMPLATES][4], chain_fdiff[MAX_TEMPLATES];
} Structure;

typedef struct
{
  gboolean starts_frame, ends_frame, has_structure;
  guint frame_number, template_index, temporal_id, n_fdiffs, fdiff, chain_fdiff;
} Descriptor;

typedef struct
{
  const guint8 *data;
  guint n_bits, position;
} Bits;

static guint
take (Bits * bits, guint n)
{
  guint value = 0;

  while (n-- > 0) {
    fail_unless (bits->position < bits->n_bits, "the descriptor is too short");
    value = value << 1 | (bits->data[bits->position / 8] >> (7 - bits->position % 8) & 1);
    bits->position++;
  }
  return value;
}

static guint
take_non_symmetric (Bits * bits, guint n)
{
  guint width = 0, value, n_short;

  for (guint x = n; x != 0; x >>= 1)
    width++;
  n_short = (1u << width) - n;
  value = take (bits, width - 1);
  return value < n_short ? value : (value << 1) - n_short + take (bits, 1);
}

static void
parse_templates (Bits * bits, Structure * structure)
{
  guint next, temporal_id = 0;

  structure->n_templates = 0;
  do {
    structure->temporal_id[structure->n_templates++] = temporal_id;
    fail_unless (structure->n_templates < MAX_TEMPLATES);
    next = take (bits, 2);
    fail_if (next == 2, "a second spatial layer");
    temporal_id += next == 1;
  } while (next != 3);
  for (guint i = 0; i < structure->n_templates; i++) {
    for (guint target = 0; target < structure->n_targets; target++)
      structure->dtis[i][target] = take (bits, 2);
  }
  for (guint i = 0; i < structure->n_templates; i++) {
    structure->n_fdiffs[i] = 0;
    while (take (bits, 1))
      structure->fdiffs[i][structure->n_fdiffs[i]++] = take (bits, 4) + 1;
  }
}

static void
parse_structure (Bits * bits, Structure * structure)
{
  structure->id_offset = take (bits, 6);
  structure->n_targets = take (bits, 5) + 1;
  fail_unless (structure->n_targets <= MAX_TARGETS);
  parse_templates (bits, structure);
  structure->n_chains = take_non_symmetric (bits, structure->n_targets + 1);
  fail_unless_equals_int (structure->n_chains, 1);
  for (guint target = 0; target < structure->n_targets; target++)
    take_non_symmetric (bits, structure->n_chains);
  for (guint i = 0; i < structure->n_templates; i++)
    structure->chain_fdiff[i] = take (bits, 4);
  fail_if (take (bits, 1), "resolutions");
}

static void
parse_frame (Bits * bits, const Structure * structure, Descriptor * d, const gboolean * custom)
{
  guint i = d->template_index, n_units;

  fail_unless (i < structure->n_templates);
  d->temporal_id = structure->temporal_id[i];
  d->n_fdiffs = structure->n_fdiffs[i];
  d->fdiff = d->n_fdiffs ? structure->fdiffs[i][0] : 0;
  d->chain_fdiff = structure->chain_fdiff[i];
  for (guint target = 0; custom[0] && target < structure->n_targets; target++)
    take (bits, 2);
  if (custom[1]) {
    d->n_fdiffs = 0;
    while ((n_units = take (bits, 2))) {
      d->fdiff = take (bits, 4 * n_units) + 1;
      d->n_fdiffs++;
    }
  }
  if (custom[2])
    d->chain_fdiff = take (bits, 8);
}

static Descriptor
parse (const guint8 * data, gsize size, Structure * structure)
{
  Bits bits = { data, (guint) size * 8, 0 };
  Descriptor d = { 0 };
  gboolean custom[3] = { FALSE, FALSE, FALSE };
  guint id;

  d.starts_frame = take (&bits, 1);
  d.ends_frame = take (&bits, 1);
  id = take (&bits, 6);
  d.frame_number = take (&bits, 16);
  if (size > 3) {
    d.has_structure = take (&bits, 1);
    fail_if (take (&bits, 1), "active decode targets");
    for (guint i = 0; i < 3; i++)
      custom[i] = take (&bits, 1);
    if (d.has_structure)
      parse_structure (&bits, structure);
  }
  d.template_index = (id + 64 - structure->id_offset) % 64;
  parse_frame (&bits, structure, &d, custom);
  fail_unless (bits.n_bits - bits.position < 8);
  fail_unless_equals_int (take (&bits, bits.n_bits - bits.position), 0);
  return d;
}

static Descriptor
write_and_parse (GstLiveKitDependencyWriter * writer, Structure * structure, gsize * size)
{
  guint8 data[GST_LIVEKIT_DEPENDENCY_MAX_SIZE];

  *size = gst_livekit_dependency_writer_write (writer, TRUE, TRUE, data);
  fail_unless (*size >= 3 && *size <= sizeof data);
  return parse (data, *size, structure);
}

/* The table of §A.10.2.1, written out by hand after §A.8.2 */
GST_START_TEST (test_structure_of_the_specification)
{
  static const guint8 expected[] = { 0x80, 0x12, 0x34, 0x80, 0x02, 0x14, 0xea, 0xaa,
    0x44, 0x10, 0x4d, 0x14, 0x10, 0x20, 0x84, 0x26
  };
  guint8 data[GST_LIVEKIT_DEPENDENCY_MAX_SIZE];
  GstLiveKitDependencyWriter *writer = gst_livekit_dependency_writer_new (0x1234);

  fail_unless_equals_int (gst_livekit_dependency_writer_write (writer, TRUE, FALSE, data), 0);
  fail_unless (gst_livekit_dependency_writer_start (writer, 3));
  fail_unless_equals_int (gst_livekit_dependency_writer_write (writer, TRUE, FALSE, data), sizeof expected);
  fail_unless (memcmp (data, expected, sizeof expected) == 0);
  /* the structure is in the first packet only */
  fail_unless_equals_int (gst_livekit_dependency_writer_write (writer, FALSE, TRUE, data), 3);
  fail_unless (data[0] == 0x40 && data[1] == 0x12 && data[2] == 0x34);
  gst_livekit_dependency_writer_free (writer);
}

GST_END_TEST;

static const struct
{
  guint n_layers, period;
  guint temporal_ids[4], fdiffs[4], chain_fdiffs[4];
} modes[] = {
  {1, 1, {0}, {1}, {1}},
  {2, 2, {0, 1}, {2, 1}, {2, 1}},
  {3, 4, {0, 2, 1, 2}, {4, 1, 2, 1}, {4, 1, 2, 3}},
};

/* Over a wrap of the frame number, all but the first three bytes long. */
GST_START_TEST (test_regular_streams_take_three_bytes)
{
  GstLiveKitDependencyWriter *writer = gst_livekit_dependency_writer_new (65530);
  Structure structure = { 0 };
  gsize size;

  fail_unless (gst_livekit_dependency_writer_start (writer, modes[__i__].n_layers));
  fail_unless (write_and_parse (writer, &structure, &size).has_structure);
  fail_unless_equals_int (structure.n_targets, modes[__i__].n_layers);
  for (guint i = 1; i < 40; i++) {
    guint k = i % modes[__i__].period;
    Descriptor d;

    fail_unless (gst_livekit_dependency_writer_next (writer, modes[__i__].temporal_ids[k]));
    d = write_and_parse (writer, &structure, &size);
    fail_unless_equals_int (size, 3);
    fail_unless_equals_int (d.frame_number, (65530 + i) % 65536);
    fail_unless_equals_int (d.temporal_id, modes[__i__].temporal_ids[k]);
    fail_unless_equals_int (d.n_fdiffs, 1);
    fail_unless_equals_int (d.fdiff, modes[__i__].fdiffs[k]);
    fail_unless_equals_int (d.chain_fdiff, modes[__i__].chain_fdiffs[k]);
  }
  gst_livekit_dependency_writer_free (writer);
}

GST_END_TEST;

/* A target has what is of its layer or below, and the chain is layer 0. */
GST_START_TEST (test_targets_are_layers)
{
  GstLiveKitDependencyWriter *writer = gst_livekit_dependency_writer_new (0);
  Structure structure = { 0 };
  gsize size;

  fail_unless (gst_livekit_dependency_writer_start (writer, modes[__i__].n_layers));
  write_and_parse (writer, &structure, &size);
  for (guint i = 0; i < structure.n_templates; i++) {
    for (guint target = 0; target < structure.n_targets; target++) {
      guint top = structure.n_targets - 1 - target, layer = structure.temporal_id[i];

      fail_unless_equals_int (structure.dtis[i][target] != 0, layer <= top);
      /* the top layer of a target is what nothing else in it refers to, but for layer 0 */
      fail_unless_equals_int (structure.dtis[i][target] == 1, layer == top && layer > 0);
    }
  }
  gst_livekit_dependency_writer_free (writer);
}

GST_END_TEST;

/* Whatever the order: each frame names a frame of a lower layer, or of its own for 0, and the last of the chain. */
GST_START_TEST (test_irregular_streams)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (22);
  GstLiveKitDependencyWriter *writer = gst_livekit_dependency_writer_new (65000);
  Structure structure = { 0 };
  guint layer_of[5000] = { 0 }, n_layers = 0, last_base = 0;
  gsize size;

  for (guint i = 0; i < G_N_ELEMENTS (layer_of); i++) {
    Descriptor d;

    if (i == 0 || g_rand_int_range (rand, 0, 200) == 0) {
      guint before = structure.id_offset, layers_before = n_layers;

      n_layers = g_rand_int_range (rand, 1, 4);
      fail_unless (gst_livekit_dependency_writer_start (writer, n_layers));
      fail_unless (write_and_parse (writer, &structure, &size).has_structure);
      if (layers_before > 0)
        fail_unless_equals_int (structure.id_offset != before, n_layers != layers_before);
      last_base = i;
      continue;
    }
    layer_of[i] = g_rand_int_range (rand, 0, 20) ? g_rand_int_range (rand, 0, n_layers) : 0;
    fail_unless (gst_livekit_dependency_writer_next (writer, layer_of[i]));
    d = write_and_parse (writer, &structure, &size);
    fail_unless_equals_int (d.frame_number, (65000 + i) % 65536);
    fail_unless_equals_int (d.temporal_id, layer_of[i]);
    fail_unless (d.fdiff >= 1 && i - d.fdiff >= last_base);
    fail_unless (layer_of[i - d.fdiff] < MAX (layer_of[i], 1));
    fail_unless_equals_int (d.chain_fdiff, i - last_base);
    if (layer_of[i] == 0)
      last_base = i;
  }
  gst_livekit_dependency_writer_free (writer);
}

GST_END_TEST;

GST_START_TEST (test_what_cannot_be_described)
{
  GstLiveKitDependencyWriter *writer = gst_livekit_dependency_writer_new (0);
  guint8 data[GST_LIVEKIT_DEPENDENCY_MAX_SIZE];

  fail_if (gst_livekit_dependency_writer_next (writer, 0));
  fail_if (gst_livekit_dependency_writer_start (writer, 4));
  fail_if (gst_livekit_dependency_writer_next (writer, 0));
  fail_unless_equals_int (gst_livekit_dependency_writer_write (writer, TRUE, TRUE, data), 0);
  fail_unless (gst_livekit_dependency_writer_start (writer, 2));
  fail_if (gst_livekit_dependency_writer_next (writer, 2));
  fail_unless_equals_int (gst_livekit_dependency_writer_write (writer, TRUE, TRUE, data), 0);
  for (guint i = 2; i <= 255; i++)
    fail_unless (gst_livekit_dependency_writer_next (writer, 1));
  fail_if (gst_livekit_dependency_writer_next (writer, 1));
  gst_livekit_dependency_writer_free (writer);
}

GST_END_TEST;

/* A key frame and inter frames of L1T2, as OBUs: sequence header of two operating points, then frames. */
static GstBuffer *
make_unit (guint index)
{
  static const guint8 key[] = { 0x12, 0, 0x0a, 9, 0x00, 0x11, 0x03, 0x20, 0x80, 0x91, 0x57, 0xfb, 0xc0 };
  guint8 frame[] = { 0x36, (guint8) (index % 2 << 5), 0xac, 0x02, 0x30 };
  guint8 *data = g_malloc0 (sizeof key + sizeof frame + 299);
  gsize start = index == 0 ? sizeof key : 0;

  if (index == 0) {
    memcpy (data, key, sizeof key);
    frame[4] = 0x10;
  }
  memcpy (data + start, frame, sizeof frame);
  return gst_buffer_new_wrapped (data, start + sizeof frame + 299);
}

GST_START_TEST (test_packets_carry_descriptors)
{
  GstHarness *pay = gst_harness_new ("livekitrtpav1pay");
  Structure structure = { 0 };
  GstBuffer *packet;
  guint frame_number = 0;

  gst_harness_set_sink_caps_str (pay, "application/x-rtp, extmap-4=(string)\"" GST_LIVEKIT_DEPENDENCY_URI "\"");
  g_object_set (pay->element, "mtu", 150, NULL);
  gst_harness_set_src_caps_str (pay, "video/x-av1, stream-format=obu-stream, alignment=tu");
  for (guint i = 0; i < 10; i++) {
    guint n_packets = 0;
    gboolean has_ended = FALSE;

    fail_unless_equals_int (gst_harness_push (pay, make_unit (i)), GST_FLOW_OK);
    while ((packet = gst_harness_try_pull (pay))) {
      GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
      gpointer data;
      guint size;
      Descriptor d;

      fail_unless (gst_buffer_get_size (packet) <= 150);
      fail_unless (gst_rtp_buffer_map (packet, GST_MAP_READ, &rtp));
      fail_unless (gst_rtp_buffer_get_extension_onebyte_header (&rtp, 4, 0, &data, &size));
      d = parse (data, size, &structure);
      fail_unless_equals_int (d.starts_frame, n_packets == 0);
      fail_unless_equals_int (d.has_structure, i == 0 && n_packets == 0);
      fail_unless_equals_int (d.temporal_id, i % 2);
      if (i == 0 && n_packets == 0)
        frame_number = d.frame_number;
      fail_unless_equals_int (d.frame_number, (frame_number + i) % 65536);
      has_ended = d.ends_frame;
      fail_unless_equals_int (has_ended, gst_rtp_buffer_get_marker (&rtp));
      gst_rtp_buffer_unmap (&rtp);
      gst_buffer_unref (packet);
      n_packets++;
    }
    fail_unless (has_ended && n_packets >= 3);
  }
  fail_unless_equals_int (structure.n_targets, 2);
  gst_harness_teardown (pay);
}

GST_END_TEST;

static Suite *
dependency_suite (void)
{
  Suite *s = suite_create ("dependency");
  TCase *descriptors = tcase_create ("descriptors"), *elements = tcase_create ("elements");

  suite_add_tcase (s, descriptors);
  tcase_add_test (descriptors, test_structure_of_the_specification);
  tcase_add_loop_test (descriptors, test_regular_streams_take_three_bytes, 0, G_N_ELEMENTS (modes));
  tcase_add_loop_test (descriptors, test_targets_are_layers, 0, G_N_ELEMENTS (modes));
  tcase_add_test (descriptors, test_irregular_streams);
  tcase_add_test (descriptors, test_what_cannot_be_described);
  suite_add_tcase (s, elements);
  tcase_add_test (elements, test_packets_carry_descriptors);
  return s;
}

GST_CHECK_MAIN (dependency);
