/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitdependency and livekitrtphdrextdependency, read back by a parser that knows only the specification. */
#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>
#include <gst/rtp/rtp.h>

#include "gstlivekitdependency.h"
#include "gstlivekitrtpextensions.h"

#define MAX_TEMPLATES 16
#define MAX_TARGETS 9
#define MAX_CHAINS 3
#define MAX_SIZE 128

/* What a receiver keeps of a stream (§A.8.2) */
typedef struct
{
  guint id_offset, n_targets, n_templates, n_chains;
  guint spatial_id[MAX_TEMPLATES], temporal_id[MAX_TEMPLATES], dtis[MAX_TEMPLATES][MAX_TARGETS];
  guint n_fdiffs[MAX_TEMPLATES], fdiffs[MAX_TEMPLATES][4], chain_fdiffs[MAX_TEMPLATES][MAX_CHAINS];
  guint chain_of_target[MAX_TARGETS];
} Structure;

typedef struct
{
  gboolean starts_frame, ends_frame, has_structure;
  guint frame_number, template_index, spatial_id, temporal_id, n_fdiffs, fdiffs[4], chain_fdiffs[MAX_CHAINS];
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
  guint next, spatial_id = 0, temporal_id = 0;

  structure->n_templates = 0;
  do {
    structure->spatial_id[structure->n_templates] = spatial_id;
    structure->temporal_id[structure->n_templates++] = temporal_id;
    fail_unless (structure->n_templates < MAX_TEMPLATES);
    next = take (bits, 2);
    temporal_id = next == 2 ? 0 : temporal_id + (next == 1);
    spatial_id += next == 2;
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
  fail_unless (structure->n_chains >= 1 && structure->n_chains <= MAX_CHAINS);
  for (guint target = 0; target < structure->n_targets; target++)
    structure->chain_of_target[target] = take_non_symmetric (bits, structure->n_chains);
  for (guint i = 0; i < structure->n_templates; i++) {
    for (guint chain = 0; chain < structure->n_chains; chain++)
      structure->chain_fdiffs[i][chain] = take (bits, 4);
  }
  fail_if (take (bits, 1), "resolutions");
}

static void
parse_frame (Bits * bits, const Structure * structure, Descriptor * d, const gboolean * custom)
{
  guint i = d->template_index, n_units;

  fail_unless (i < structure->n_templates);
  d->spatial_id = structure->spatial_id[i];
  d->temporal_id = structure->temporal_id[i];
  d->n_fdiffs = structure->n_fdiffs[i];
  memcpy (d->fdiffs, structure->fdiffs[i], sizeof d->fdiffs);
  memcpy (d->chain_fdiffs, structure->chain_fdiffs[i], sizeof d->chain_fdiffs);
  for (guint target = 0; custom[0] && target < structure->n_targets; target++)
    take (bits, 2);
  if (custom[1]) {
    d->n_fdiffs = 0;
    while ((n_units = take (bits, 2))) {
      fail_unless (d->n_fdiffs < G_N_ELEMENTS (d->fdiffs));
      d->fdiffs[d->n_fdiffs++] = take (bits, 4 * n_units) + 1;
    }
  }
  for (guint chain = 0; custom[2] && chain < structure->n_chains; chain++)
    d->chain_fdiffs[chain] = take (bits, 8);
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
  guint8 data[MAX_SIZE];

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
  guint8 data[MAX_SIZE];
  GstLiveKitDependencyWriter *writer = gst_livekit_dependency_writer_new (0x1234, 0);

  fail_unless_equals_int (gst_livekit_dependency_writer_write (writer, TRUE, FALSE, data), 0);
  fail_unless (gst_livekit_dependency_writer_start (writer, 1, 3));
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
  GstLiveKitDependencyWriter *writer = gst_livekit_dependency_writer_new (65530, 0);
  Structure structure = { 0 };
  gsize size;

  fail_unless (gst_livekit_dependency_writer_start (writer, 1, modes[__i__].n_layers));
  fail_unless (write_and_parse (writer, &structure, &size).has_structure);
  fail_unless_equals_int (structure.n_targets, modes[__i__].n_layers);
  for (guint i = 1; i < 40; i++) {
    guint k = i % modes[__i__].period;
    Descriptor d;

    fail_unless (gst_livekit_dependency_writer_next (writer, 0, modes[__i__].temporal_ids[k]));
    d = write_and_parse (writer, &structure, &size);
    fail_unless_equals_int (size, 3);
    fail_unless_equals_int (d.frame_number, (65530 + i) % 65536);
    fail_unless_equals_int (d.temporal_id, modes[__i__].temporal_ids[k]);
    fail_unless_equals_int (d.n_fdiffs, 1);
    fail_unless_equals_int (d.fdiffs[0], modes[__i__].fdiffs[k]);
    fail_unless_equals_int (d.chain_fdiffs[0], modes[__i__].chain_fdiffs[k]);
  }
  gst_livekit_dependency_writer_free (writer);
}

GST_END_TEST;

/* A target has what is of its layer or below, and the chain is layer 0. */
GST_START_TEST (test_targets_are_layers)
{
  GstLiveKitDependencyWriter *writer = gst_livekit_dependency_writer_new (0, 0);
  Structure structure = { 0 };
  gsize size;

  fail_unless (gst_livekit_dependency_writer_start (writer, 1, modes[__i__].n_layers));
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
  GstLiveKitDependencyWriter *writer = gst_livekit_dependency_writer_new (65000, 0);
  Structure structure = { 0 };
  guint layer_of[5000] = { 0 }, n_layers = 0, last_base = 0;
  gsize size;

  for (guint i = 0; i < G_N_ELEMENTS (layer_of); i++) {
    Descriptor d;

    if (i == 0 || g_rand_int_range (rand, 0, 200) == 0) {
      guint before = structure.id_offset, layers_before = n_layers;

      n_layers = g_rand_int_range (rand, 1, 4);
      fail_unless (gst_livekit_dependency_writer_start (writer, 1, n_layers));
      fail_unless (write_and_parse (writer, &structure, &size).has_structure);
      if (layers_before > 0)
        fail_unless_equals_int (structure.id_offset != before, n_layers != layers_before);
      last_base = i;
      continue;
    }
    layer_of[i] = g_rand_int_range (rand, 0, 20) ? g_rand_int_range (rand, 0, n_layers) : 0;
    fail_unless (gst_livekit_dependency_writer_next (writer, 0, layer_of[i]));
    d = write_and_parse (writer, &structure, &size);
    fail_unless_equals_int (d.frame_number, (65000 + i) % 65536);
    fail_unless_equals_int (d.temporal_id, layer_of[i]);
    fail_unless (d.fdiffs[0] >= 1 && i - d.fdiffs[0] >= last_base);
    fail_unless (layer_of[i - d.fdiffs[0]] < MAX (layer_of[i], 1));
    fail_unless_equals_int (d.chain_fdiffs[0], i - last_base);
    if (layer_of[i] == 0)
      last_base = i;
  }
  gst_livekit_dependency_writer_free (writer);
}

GST_END_TEST;

GST_START_TEST (test_what_cannot_be_described)
{
  GstLiveKitDependencyWriter *writer = gst_livekit_dependency_writer_new (0, 0);
  guint8 data[MAX_SIZE];

  fail_if (gst_livekit_dependency_writer_next (writer, 0, 0));
  fail_if (gst_livekit_dependency_writer_start (writer, 1, 4));
  fail_if (gst_livekit_dependency_writer_next (writer, 0, 0));
  fail_unless_equals_int (gst_livekit_dependency_writer_write (writer, TRUE, TRUE, data), 0);
  fail_unless (gst_livekit_dependency_writer_start (writer, 1, 2));
  fail_if (gst_livekit_dependency_writer_next (writer, 0, 2));
  fail_unless_equals_int (gst_livekit_dependency_writer_write (writer, TRUE, TRUE, data), 0);
  for (guint i = 2; i <= 255; i++)
    fail_unless (gst_livekit_dependency_writer_next (writer, 0, 1));
  fail_if (gst_livekit_dependency_writer_next (writer, 0, 1));
  gst_livekit_dependency_writer_free (writer);
}

GST_END_TEST;

/* What a viewer of each target is sent can be decoded, and its chain has it all: over three times the period, with the
 * temporal layers as in modes[]. */
GST_START_TEST (test_spatial_layers)
{
  guint n_spatial = 2 + __i__ / 3, mode = __i__ % 3, n_temporal = modes[mode].n_layers;
  GstLiveKitDependencyWriter *writer = gst_livekit_dependency_writer_new (65530, 0);
  Structure structure = { 0 };
  Descriptor frames[13 * 3];
  gsize size;

  for (guint i = 0; i < 13 * n_spatial; i++) {
    guint unit = i / n_spatial, spatial_id = i % n_spatial, temporal_id = modes[mode].temporal_ids[unit % modes[mode].period];

    fail_unless (i == 0 ? gst_livekit_dependency_writer_start (writer, n_spatial, n_temporal)
        : gst_livekit_dependency_writer_next (writer, spatial_id, temporal_id));
    frames[i] = write_and_parse (writer, &structure, &size);
    fail_unless_equals_int (frames[i].has_structure, i == 0);
    fail_unless (i == 0 ? size <= gst_livekit_dependency_max_size (n_spatial) : size == 3);
    fail_unless_equals_int (frames[i].spatial_id, spatial_id);
    fail_unless_equals_int (frames[i].temporal_id, temporal_id);
    fail_unless_equals_int (frames[i].n_fdiffs, (unit > 0) + (spatial_id > 0));
  }
  fail_unless_equals_int (structure.n_targets, n_spatial * n_temporal);
  fail_unless_equals_int (structure.n_chains, n_spatial);
  for (guint target = 0; target < structure.n_targets; target++) {
    guint chain = structure.chain_of_target[target], last_of_chain = 0;

    for (guint i = 0; i < 13 * n_spatial; i++) {
      const guint *dtis = structure.dtis[frames[i].template_index];
      gboolean is_in = frames[i].spatial_id <= n_spatial - 1 - target / n_temporal
          && frames[i].temporal_id <= n_temporal - 1 - target % n_temporal;

      fail_unless_equals_int (dtis[target] != 0, is_in);
      fail_unless_equals_int (chain, n_spatial - 1 - target / n_temporal);
      fail_unless_equals_int (frames[i].chain_fdiffs[chain], i - last_of_chain);
      if (frames[i].temporal_id == 0 && frames[i].spatial_id <= chain)
        last_of_chain = i;
      for (guint k = 0; is_in && k < frames[i].n_fdiffs; k++) {
        const Descriptor *referred = &frames[i - frames[i].fdiffs[k]];

        fail_unless (frames[i].fdiffs[k] <= i);
        /* it is sent to that viewer, too, and not as one that nothing refers to */
        fail_unless (structure.dtis[referred->template_index][target] >= 2);
      }
    }
  }
  gst_livekit_dependency_writer_free (writer);
}

GST_END_TEST;

/* A unit without its lower layer, and one whose upper layer has nothing to refer to. */
GST_START_TEST (test_missing_spatial_layers)
{
  GstLiveKitDependencyWriter *writer = gst_livekit_dependency_writer_new (0, 0);
  Structure structure = { 0 };
  Descriptor d;
  gsize size;

  fail_unless (gst_livekit_dependency_writer_start (writer, 3, 1));
  write_and_parse (writer, &structure, &size);
  fail_unless (gst_livekit_dependency_writer_next (writer, 1, 0));
  fail_if (gst_livekit_dependency_writer_next (writer, 3, 0));
  /* the next unit has the middle layer only */
  fail_unless (gst_livekit_dependency_writer_next (writer, 1, 0));
  d = write_and_parse (writer, &structure, &size);
  fail_unless (d.n_fdiffs == 1 && d.fdiffs[0] == 2);
  fail_unless (d.chain_fdiffs[0] == 3 && d.chain_fdiffs[1] == 2 && d.chain_fdiffs[2] == 2);
  /* the one after that the top layer only, which never was */
  fail_unless (gst_livekit_dependency_writer_next (writer, 0, 0));
  fail_if (gst_livekit_dependency_writer_next (writer, 2, 0));
  fail_unless (gst_livekit_dependency_writer_next (writer, 1, 0));
  fail_unless (gst_livekit_dependency_writer_next (writer, 2, 0));
  d = write_and_parse (writer, &structure, &size);
  fail_unless (d.spatial_id == 2 && d.n_fdiffs == 1 && d.fdiffs[0] == 1);
  gst_livekit_dependency_writer_free (writer);
}

GST_END_TEST;

/* One stream of several: all of it is of its layer, and the templates of the layers below are of no target. */
GST_START_TEST (test_one_layer_of_several)
{
  guint id = __i__;
  GstLiveKitDependencyWriter *writer = gst_livekit_dependency_writer_new (7, id);
  Structure structure = { 0 };
  Descriptor d;
  gsize size;

  fail_if (gst_livekit_dependency_writer_start (writer, 4 - id, 1));
  for (guint i = 0; i < 10; i++) {
    gboolean is_key = i % 5 == 0;

    fail_unless (is_key ? gst_livekit_dependency_writer_start (writer, 1, 1)
        : gst_livekit_dependency_writer_next (writer, 0, 0));
    d = write_and_parse (writer, &structure, &size);
    fail_unless_equals_int (d.has_structure, is_key);
    fail_unless (is_key ? size <= gst_livekit_dependency_max_size (1) : size == 3);
    fail_unless_equals_int (d.frame_number, 8 + i);
    fail_unless_equals_int (d.spatial_id, id);
    fail_unless_equals_int (d.n_fdiffs, is_key ? 0 : 1);
    fail_unless (is_key || (d.fdiffs[0] == 1 && d.chain_fdiffs[0] == 1));
    fail_unless_equals_int (structure.n_targets, 1);
    for (guint k = 0; k < structure.n_templates; k++)
      fail_unless_equals_int (structure.dtis[k][0] != 0, structure.spatial_id[k] == id);
  }
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

/* L2T1: a key unit and others, each of two frames. */
static GstBuffer *
make_spatial_unit (guint index)
{
  static const guint8 key[] = { 0x12, 0, 0x0a, 9, 0x00, 0x13, 0x01, 0x20, 0x80, 0x91, 0x57, 0xfb, 0xc0 };
  guint8 lower[] = { 0x36, 0x00, 0x64, 0x30 }, upper[] = { 0x36, 0x08, 0xac, 0x02, 0x30 };
  guint8 *data = g_malloc0 (sizeof key + sizeof lower + 99 + sizeof upper + 299);
  gsize start = index == 0 ? sizeof key : 2;
  GstBuffer *unit;

  memcpy (data, key, start);
  if (index == 0)
    lower[3] = 0x10;
  memcpy (data + start, lower, sizeof lower);
  start += sizeof lower + 99;
  memcpy (data + start, upper, sizeof upper);
  unit = gst_buffer_new_wrapped (data, start + sizeof upper + 299);
  if (index > 0)
    GST_BUFFER_FLAG_SET (unit, GST_BUFFER_FLAG_DELTA_UNIT);
  return unit;
}

static void
add_extension (GstHarness * pay, guint n_spatial_layers)
{
  GstElement *extension = gst_element_factory_make ("livekitrtphdrextdependency", NULL);

  g_object_set (extension, "spatial-layers", n_spatial_layers, NULL);
  gst_rtp_header_extension_set_id (GST_RTP_HEADER_EXTENSION (extension), 4);
  g_signal_emit_by_name (pay->element, "add-extension", extension);
  gst_object_unref (extension);
}

static void
add_transport_number (GstHarness * pay)
{
  GstRTPHeaderExtension *extension = gst_livekit_rtp_transport_number_new ();

  gst_rtp_header_extension_set_id (extension, 3);
  g_signal_emit_by_name (pay->element, "add-extension", extension);
  gst_object_unref (extension);
}

/* The packets of a unit say which layer they are of; with an extension that was told of one layer they say nothing. Those of
 * the key unit have headers of two bytes and no transport-wide number, the others both as usual. */
GST_START_TEST (test_packets_of_spatial_layers)
{
  GstHarness *pay = gst_harness_new ("livekitrtpav1pay");
  Structure structure = { 0 };
  GstBuffer *packet;
  gboolean is_told = __i__, is_long;

  add_extension (pay, is_told ? 2 : 1);
  add_transport_number (pay);
  g_object_set (pay->element, "mtu", 300, NULL);
  gst_harness_set_src_caps_str (pay, "video/x-av1, stream-format=obu-stream, alignment=tu");
  for (guint i = 0; i < 5; i++) {
    guint n_of_layer[2] = { 0, 0 };

    fail_unless_equals_int (gst_harness_push (pay, make_spatial_unit (i)), GST_FLOW_OK);
    while ((packet = gst_harness_try_pull (pay))) {
      GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
      gpointer data;
      guint8 bits;
      guint size;

      fail_unless (gst_rtp_buffer_map (packet, GST_MAP_READ, &rtp));
      is_long = is_told && i == 0;
      fail_unless_equals_int (gst_rtp_buffer_get_extension_onebyte_header (&rtp, 3, 0, &data, &size), !is_long);
      if (is_long)
        fail_unless (gst_rtp_buffer_get_extension_twobytes_header (&rtp, &bits, 4, 0, &data, &size));
      else
        fail_unless_equals_int (gst_rtp_buffer_get_extension_onebyte_header (&rtp, 4, 0, &data, &size), is_told);
      if (is_told) {
        Descriptor d = parse (data, size, &structure);

        fail_unless_equals_int (d.starts_frame, n_of_layer[d.spatial_id] == 0);
        fail_unless_equals_int (d.has_structure, i == 0 && d.spatial_id == 0 && d.starts_frame);
        fail_unless_equals_int (gst_rtp_buffer_get_marker (&rtp), d.spatial_id == 1 && d.ends_frame);
        n_of_layer[d.spatial_id]++;
      }
      gst_rtp_buffer_unmap (&rtp);
      gst_buffer_unref (packet);
    }
    fail_unless (!is_told || (n_of_layer[0] >= 1 && n_of_layer[1] > n_of_layer[0]));
  }
  gst_harness_teardown (pay);
}

GST_END_TEST;

/* Profile 0, 320x180 (§6.2 of the VP9 bitstream specification) */
static GstBuffer *
make_vp9_frame (gboolean is_key)
{
  static const guint8 key[] = { 0x82, 0x49, 0x83, 0x42, 0x20, 0x13, 0xf0, 0x0b, 0x30 }, other[] = { 0x86, 0x00 };
  guint8 *data = g_malloc0 (500);

  if (is_key)
    memcpy (data, key, sizeof key);
  else
    memcpy (data, other, sizeof other);
  return gst_buffer_new_wrapped (data, 500);
}

GST_START_TEST (test_packets_of_vp9)
{
  GstHarness *pay = gst_harness_new ("rtpvp9pay");
  GstElement *extension = gst_element_factory_make ("livekitrtphdrextdependency", NULL);
  Structure structure = { 0 };
  GstBuffer *packet;

  g_object_set (extension, "spatial-id", 2, NULL);
  gst_rtp_header_extension_set_id (GST_RTP_HEADER_EXTENSION (extension), 4);
  g_signal_emit_by_name (pay->element, "add-extension", extension);
  gst_object_unref (extension);
  g_object_set (pay->element, "mtu", 200, NULL);
  gst_harness_set_src_caps_str (pay, "video/x-vp9, width=320, height=180");
  for (guint i = 0; i < 6; i++) {
    guint n_packets = 0;

    fail_unless_equals_int (gst_harness_push (pay, make_vp9_frame (i % 3 == 0)), GST_FLOW_OK);
    while ((packet = gst_harness_try_pull (pay))) {
      GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
      gpointer data;
      guint size;
      Descriptor d;

      fail_unless (gst_rtp_buffer_map (packet, GST_MAP_READ, &rtp));
      fail_unless (gst_rtp_buffer_get_extension_onebyte_header (&rtp, 4, 0, &data, &size));
      d = parse (data, size, &structure);
      fail_unless_equals_int (d.spatial_id, 2);
      fail_unless_equals_int (d.starts_frame, n_packets == 0);
      fail_unless_equals_int (d.has_structure, i % 3 == 0 && n_packets == 0);
      fail_unless_equals_int (d.ends_frame, gst_rtp_buffer_get_marker (&rtp));
      gst_rtp_buffer_unmap (&rtp);
      gst_buffer_unref (packet);
      n_packets++;
    }
    fail_unless (n_packets >= 3);
  }
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
  tcase_add_loop_test (descriptors, test_spatial_layers, 0, 6);
  tcase_add_test (descriptors, test_missing_spatial_layers);
  tcase_add_loop_test (descriptors, test_one_layer_of_several, 0, 3);
  suite_add_tcase (s, elements);
  tcase_add_test (elements, test_packets_carry_descriptors);
  tcase_add_loop_test (elements, test_packets_of_spatial_layers, 0, 2);
  tcase_add_test (elements, test_packets_of_vp9);
  return s;
}

GST_CHECK_MAIN (dependency);
