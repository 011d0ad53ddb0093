/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitdependency: writes dependency descriptors. §: of appendix A of "RTP Payload Format For AV1 (v1.0)". */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitdependency.h"

#include <string.h>

#define N_LAYERS GST_LIVEKIT_DEPENDENCY_MAX_TEMPORAL_LAYERS
#define MAX_TEMPLATES 5

/* Decode target indications, table A.1 */
enum
{ NOT_PRESENT, DISCARDABLE, SWITCH };

/* One decode target per layer, the fullest first; one chain, of the frames of layer 0, protects them all. */
typedef struct
{
  guint temporal_id;
  guint fdiff;                  /* 0: a key frame */
  guint chain_fdiff;
  guint dtis[N_LAYERS];
} Template;

typedef struct
{
  guint n_templates;
  Template templates[MAX_TEMPLATES];
} Structure;

/* The third is §A.10.2.1; the others are made likewise. */
static const Structure structures[N_LAYERS] = {
  {2, {{0, 0, 0, {SWITCH}}, {0, 1, 1, {SWITCH}}}},
  {3, {{0, 0, 0, {SWITCH, SWITCH}}, {0, 2, 2, {SWITCH, SWITCH}}, {1, 1, 1, {DISCARDABLE, NOT_PRESENT}}}},
  {5, {{0, 0, 0, {SWITCH, SWITCH, SWITCH}}, {0, 4, 4, {SWITCH, SWITCH, SWITCH}},
          {1, 2, 2, {SWITCH, DISCARDABLE, NOT_PRESENT}}, {2, 1, 1, {DISCARDABLE, NOT_PRESENT, NOT_PRESENT}},
          {2, 1, 3, {DISCARDABLE, NOT_PRESENT, NOT_PRESENT}}}},
};

struct _GstLiveKitDependencyWriter
{
  guint n_layers;               /* 0 = no sequence was started */
  guint id_offset;              /* of the structure's templates, other than that of the structure before */
  guint16 frame_number;
  guint16 last_of_layer[N_LAYERS];      /* frame numbers */
  gboolean has_layer[N_LAYERS];
  /* the frame */
  gboolean has_frame, has_structure;
  guint template_index;
  guint fdiff, chain_fdiff;
};

typedef struct
{
  guint8 *out;
  guint n_bits;
} BitWriter;

static void
put_bits (BitWriter * writer, guint value, guint n)
{
  for (; n > 0; n--, writer->n_bits++)
    writer->out[writer->n_bits / 8] |= (guint8) ((value >> (n - 1) & 1) << (7 - writer->n_bits % 8));
}

/* ns(n), §A.8.2 */
static void
put_non_symmetric (BitWriter * writer, guint n, guint value)
{
  guint width = g_bit_storage (n), n_short = (1u << width) - n;

  if (value < n_short)
    put_bits (writer, value, width - 1);
  else
    put_bits (writer, value + n_short, width);
}

GstLiveKitDependencyWriter *
gst_livekit_dependency_writer_new (guint16 first_frame_number)
{
  GstLiveKitDependencyWriter *writer = g_new0 (GstLiveKitDependencyWriter, 1);

  writer->frame_number = (guint16) (first_frame_number - 1);
  return writer;
}

void
gst_livekit_dependency_writer_free (GstLiveKitDependencyWriter * writer)
{
  g_free (writer);
}

static const Structure *
get_structure (GstLiveKitDependencyWriter * writer)
{
  return &structures[writer->n_layers - 1];
}

static void
note_frame (GstLiveKitDependencyWriter * writer, guint temporal_id)
{
  writer->last_of_layer[temporal_id] = writer->frame_number;
  writer->has_layer[temporal_id] = TRUE;
  writer->has_frame = TRUE;
}

gboolean
gst_livekit_dependency_writer_start (GstLiveKitDependencyWriter * writer, guint n_temporal_layers)
{
  writer->frame_number++;
  writer->has_frame = FALSE;
  if (n_temporal_layers < 1 || n_temporal_layers > N_LAYERS) {
    writer->n_layers = 0;
    return FALSE;
  }
  /* Another structure must have other ids (§A.8.3, template_id_offset). */
  if (writer->n_layers > 0 && writer->n_layers != n_temporal_layers)
    writer->id_offset = (writer->id_offset + get_structure (writer)->n_templates) % 64;
  writer->n_layers = n_temporal_layers;
  memset (writer->has_layer, 0, sizeof writer->has_layer);
  writer->has_structure = TRUE;
  writer->template_index = 0;
  note_frame (writer, 0);
  return TRUE;
}

/* The frame that one of @temporal_id refers to: of the lower layers the last. */
static guint
find_fdiff (GstLiveKitDependencyWriter * writer, guint temporal_id)
{
  guint fdiff = (guint16) (writer->frame_number - writer->last_of_layer[0]);

  for (guint layer = 1; layer < temporal_id; layer++) {
    if (writer->has_layer[layer])
      fdiff = MIN (fdiff, (guint16) (writer->frame_number - writer->last_of_layer[layer]));
  }
  return fdiff;
}

/* The template that needs the fewest corrections. */
static guint
find_template (GstLiveKitDependencyWriter * writer, guint temporal_id)
{
  const Structure *structure = get_structure (writer);
  guint best = 0, best_score = 0;

  for (guint i = 1; i < structure->n_templates; i++) {
    const Template *candidate = &structure->templates[i];
    guint score = 1u + (candidate->fdiff == writer->fdiff) + (candidate->chain_fdiff == writer->chain_fdiff);

    if (candidate->temporal_id != temporal_id || score <= best_score)
      continue;
    best = i;
    best_score = score;
  }
  return best;
}

gboolean
gst_livekit_dependency_writer_next (GstLiveKitDependencyWriter * writer, guint temporal_id)
{
  writer->frame_number++;
  writer->has_frame = FALSE;
  if (temporal_id >= writer->n_layers)
    return FALSE;
  writer->fdiff = find_fdiff (writer, temporal_id);
  writer->chain_fdiff = (guint16) (writer->frame_number - writer->last_of_layer[0]);
  /* frame_chain_fdiff has eight bits; the chain is lost until the next key frame */
  if (writer->chain_fdiff > 0xff)
    return FALSE;
  writer->has_structure = FALSE;
  writer->template_index = find_template (writer, temporal_id);
  note_frame (writer, temporal_id);
  return TRUE;
}

/* template_layers(): they are in order, so that each has the layer of the one before or the next. */
static void
put_layers (BitWriter * bits, const Structure * structure)
{
  for (guint i = 1; i < structure->n_templates; i++)
    put_bits (bits, structure->templates[i].temporal_id != structure->templates[i - 1].temporal_id, 2);
  put_bits (bits, 3, 2);
}

static void
put_structure (GstLiveKitDependencyWriter * writer, BitWriter * bits)
{
  const Structure *structure = get_structure (writer);

  put_bits (bits, writer->id_offset, 6);
  put_bits (bits, writer->n_layers - 1, 5);
  put_layers (bits, structure);
  for (guint i = 0; i < structure->n_templates; i++) {
    for (guint target = 0; target < writer->n_layers; target++)
      put_bits (bits, structure->templates[i].dtis[target], 2);
  }
  for (guint i = 0; i < structure->n_templates; i++) {
    if (structure->templates[i].fdiff > 0) {
      put_bits (bits, 1, 1);
      put_bits (bits, structure->templates[i].fdiff - 1, 4);
    }
    put_bits (bits, 0, 1);
  }
  put_non_symmetric (bits, writer->n_layers + 1, 1);    /* chain_cnt; which one protects a target then takes no bits */
  for (guint i = 0; i < structure->n_templates; i++)
    put_bits (bits, structure->templates[i].chain_fdiff, 4);
  put_bits (bits, 0, 1);        /* resolutions_present_flag: one spatial layer, whose size the signalling tells */
}

/* frame_fdiffs() with one entry, in units of four bits */
static void
put_fdiff (BitWriter * bits, guint fdiff)
{
  guint n_units = fdiff <= 16 ? 1 : 2;

  put_bits (bits, n_units, 2);
  put_bits (bits, fdiff - 1, 4 * n_units);
  put_bits (bits, 0, 2);
}

gsize
gst_livekit_dependency_writer_write (GstLiveKitDependencyWriter * writer, gboolean starts_frame, gboolean ends_frame,
    guint8 * out)
{
  BitWriter bits = { out, 0 };
  const Template *used;
  gboolean has_structure, other_fdiff, other_chain;

  if (!writer->has_frame)
    return 0;
  used = &get_structure (writer)->templates[writer->template_index];
  has_structure = writer->has_structure && starts_frame;
  other_fdiff = writer->template_index > 0 && used->fdiff != writer->fdiff;
  other_chain = writer->template_index > 0 && used->chain_fdiff != writer->chain_fdiff;
  memset (out, 0, GST_LIVEKIT_DEPENDENCY_MAX_SIZE);
  put_bits (&bits, starts_frame != 0, 1);
  put_bits (&bits, ends_frame != 0, 1);
  put_bits (&bits, (writer->id_offset + writer->template_index) % 64, 6);
  put_bits (&bits, writer->frame_number, 16);
  if (!has_structure && !other_fdiff && !other_chain)
    return bits.n_bits / 8;
  put_bits (&bits, has_structure, 1);
  put_bits (&bits, 0, 2);       /* active_decode_targets_present_flag, custom_dtis_flag */
  put_bits (&bits, other_fdiff, 1);
  put_bits (&bits, other_chain, 1);
  if (has_structure)
    put_structure (writer, &bits);
  if (other_fdiff)
    put_fdiff (&bits, writer->fdiff);
  if (other_chain)
    put_bits (&bits, writer->chain_fdiff, 8);
  return (bits.n_bits + 7) / 8;
}
