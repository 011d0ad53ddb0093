/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitdependency: writes dependency descriptors. §: of appendix A of "RTP Payload Format For AV1 (v1.0)". */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitdependency.h"

#include <string.h>

#define MAX_SPATIAL GST_LIVEKIT_DEPENDENCY_MAX_SPATIAL_LAYERS
#define MAX_TEMPORAL GST_LIVEKIT_DEPENDENCY_MAX_TEMPORAL_LAYERS
/* Five for each spatial layer of three temporal ones */
#define MAX_TEMPLATES (5 * MAX_SPATIAL)
/* The last frame of a lower temporal layer, and the one of the spatial layer below */
#define MAX_FDIFFS 2

/* Decode target indications, table A.1 */
enum
{ NOT_PRESENT, DISCARDABLE, SWITCH, REQUIRED };

/* What is told of a frame. A template is one that comes again and again. */
typedef struct
{
  guint spatial_id, temporal_id;
  gboolean is_key;              /* of the unit that starts a sequence */
  guint n_fdiffs, fdiffs[MAX_FDIFFS];
  guint chain_fdiffs[MAX_SPATIAL];
} Frame;

typedef struct
{
  guint16 number;
  gboolean is_there;
} FrameNumber;

/* One decode target per spatial and temporal layer, the fullest first. One chain per spatial layer: the frames of
 * temporal layer 0 of it and of those below, which protects the targets of that spatial layer. */
struct _GstLiveKitDependencyWriter
{
  guint n_spatial, n_temporal;  /* 0 = no sequence was started */
  guint first_spatial_id;       /* what is counted from 0 here is told as this and the next ones */
  guint id_offset;              /* of the structure's templates, other than that of the structure before */
  Frame templates[MAX_TEMPLATES];
  guint n_templates;
  guint16 frame_number;
  guint16 last_of_chain[MAX_SPATIAL];
  FrameNumber last_of_layer[MAX_SPATIAL][MAX_TEMPORAL];
  FrameNumber in_unit[MAX_SPATIAL];     /* the frames of this temporal unit */
  gboolean is_key_unit;
  /* the frame */
  gboolean has_frame, has_structure;
  Frame frame;
  guint template_index;
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
gst_livekit_dependency_writer_new (guint16 first_frame_number, guint first_spatial_id)
{
  GstLiveKitDependencyWriter *writer = g_new0 (GstLiveKitDependencyWriter, 1);

  writer->frame_number = (guint16) (first_frame_number - 1);
  writer->first_spatial_id = MIN (first_spatial_id, MAX_SPATIAL - 1);
  return writer;
}

void
gst_livekit_dependency_writer_free (GstLiveKitDependencyWriter * writer)
{
  g_free (writer);
}

static void
note_frame (GstLiveKitDependencyWriter * writer)
{
  const Frame *frame = &writer->frame;
  FrameNumber number = { writer->frame_number, TRUE };

  writer->last_of_layer[frame->spatial_id][frame->temporal_id] = number;
  writer->in_unit[frame->spatial_id] = number;
  for (guint chain = frame->spatial_id; chain < writer->n_spatial && frame->temporal_id == 0; chain++)
    writer->last_of_chain[chain] = writer->frame_number;
  writer->has_frame = TRUE;
}

/* The first frame of a sequence, of the lowest layer. */
static void
describe_first (GstLiveKitDependencyWriter * writer)
{
  writer->frame = (Frame) {.is_key = TRUE };
  memset (writer->last_of_layer, 0, sizeof writer->last_of_layer);
  memset (writer->in_unit, 0, sizeof writer->in_unit);
  writer->is_key_unit = TRUE;
}

/* A unit has each spatial layer once, in order. */
static void
begin_unit (GstLiveKitDependencyWriter * writer, guint spatial_id)
{
  gboolean is_new = FALSE;

  for (guint layer = spatial_id; layer < writer->n_spatial; layer++)
    is_new |= writer->in_unit[layer].is_there;
  if (!is_new)
    return;
  memset (writer->in_unit, 0, sizeof writer->in_unit);
  writer->is_key_unit = FALSE;
}

static void
add_fdiff (GstLiveKitDependencyWriter * writer, guint16 referred)
{
  writer->frame.fdiffs[writer->frame.n_fdiffs++] = (guint16) (writer->frame_number - referred);
}

/* Of the lower temporal layers of its own spatial layer the last frame; for the lowest one, its own. */
static void
add_temporal_fdiff (GstLiveKitDependencyWriter * writer)
{
  const FrameNumber *layers = writer->last_of_layer[writer->frame.spatial_id];
  const FrameNumber *best = layers[0].is_there ? &layers[0] : NULL;

  for (guint layer = 1; layer < writer->frame.temporal_id; layer++) {
    guint16 age = (guint16) (writer->frame_number - layers[layer].number);

    if (layers[layer].is_there && (best == NULL || age < (guint16) (writer->frame_number - best->number)))
      best = &layers[layer];
  }
  if (best)
    add_fdiff (writer, best->number);
}

/* FALSE: nothing is known that it could refer to, or the last frame of a chain is too long ago: frame_chain_fdiff has
 * eight bits. */
static gboolean
describe_next (GstLiveKitDependencyWriter * writer, guint spatial_id, guint temporal_id)
{
  begin_unit (writer, spatial_id);
  writer->frame = (Frame) {
  .spatial_id = spatial_id,.temporal_id = temporal_id,.is_key = writer->is_key_unit && temporal_id == 0};
  add_temporal_fdiff (writer);
  if (spatial_id > 0 && writer->in_unit[spatial_id - 1].is_there)
    add_fdiff (writer, writer->in_unit[spatial_id - 1].number);
  if (writer->frame.n_fdiffs == 0)
    return FALSE;
  for (guint chain = 0; chain < writer->n_spatial; chain++) {
    writer->frame.chain_fdiffs[chain] = (guint16) (writer->frame_number - writer->last_of_chain[chain]);
    if (writer->frame.chain_fdiffs[chain] > 0xff)
      return FALSE;
  }
  return TRUE;
}

static gboolean
has_fdiffs_of (const Frame * frame, const Frame * other)
{
  return frame->n_fdiffs == other->n_fdiffs && memcmp (frame->fdiffs, other->fdiffs, sizeof frame->fdiffs) == 0;
}

static gboolean
has_chains_of (const Frame * frame, const Frame * other)
{
  return memcmp (frame->chain_fdiffs, other->chain_fdiffs, sizeof frame->chain_fdiffs) == 0;
}

static gboolean
is_of_layer (const Frame * frame, const Frame * other)
{
  return frame->spatial_id == other->spatial_id && frame->temporal_id == other->temporal_id
      && frame->is_key == other->is_key;
}

/* Templates are in the order of their layers. */
static void
add_template (GstLiveKitDependencyWriter * writer, const Frame * frame)
{
  guint i = writer->n_templates;

  for (guint k = 0; k < writer->n_templates; k++) {
    const Frame *other = &writer->templates[k];

    if (is_of_layer (frame, other) && has_fdiffs_of (frame, other) && has_chains_of (frame, other))
      return;
  }
  for (; i > 0; i--) {
    const Frame *before = &writer->templates[i - 1];

    if (before->spatial_id < frame->spatial_id
        || (before->spatial_id == frame->spatial_id && before->temporal_id <= frame->temporal_id))
      break;
    writer->templates[i] = *before;
  }
  writer->templates[i] = *frame;
  writer->n_templates++;
}

/* The frames of the usual order of layers, up to where they come again. Of one spatial layer and three temporal ones it
 * is the table of §A.10.2.1. */
static void
make_templates (GstLiveKitDependencyWriter * writer)
{
  static const struct
  {
    guint n_units, temporal_ids[5];
  } orders[MAX_TEMPORAL] = { {2, {0, 0}}, {3, {0, 1, 0}}, {5, {0, 2, 1, 2, 0}} }, *order;
  GstLiveKitDependencyWriter model = {.n_spatial = writer->n_spatial,.n_temporal = writer->n_temporal };

  order = &orders[writer->n_temporal - 1];
  for (guint unit = 0; unit < order->n_units; unit++) {
    for (guint spatial_id = 0; spatial_id < writer->n_spatial; spatial_id++) {
      model.frame_number++;
      if (unit == 0 && spatial_id == 0)
        describe_first (&model);
      else
        describe_next (&model, spatial_id, order->temporal_ids[unit]);
      note_frame (&model);
      add_template (writer, &model.frame);
    }
  }
}

gboolean
gst_livekit_dependency_writer_start (GstLiveKitDependencyWriter * writer, guint n_spatial_layers,
    guint n_temporal_layers)
{
  writer->frame_number++;
  writer->has_frame = FALSE;
  if (n_spatial_layers < 1 || n_spatial_layers > MAX_SPATIAL - writer->first_spatial_id || n_temporal_layers < 1
      || n_temporal_layers > MAX_TEMPORAL) {
    writer->n_spatial = 0;
    return FALSE;
  }
  if (writer->n_spatial != n_spatial_layers || writer->n_temporal != n_temporal_layers) {
    /* Another structure must have other ids (§A.8.3, template_id_offset). */
    if (writer->n_templates)
      writer->id_offset = (writer->id_offset + writer->first_spatial_id + writer->n_templates) % 64;
    writer->n_spatial = n_spatial_layers;
    writer->n_temporal = n_temporal_layers;
    writer->n_templates = 0;
    make_templates (writer);
  }
  writer->has_structure = TRUE;
  writer->template_index = 0;
  describe_first (writer);
  note_frame (writer);
  return TRUE;
}

/* The template that needs the fewest corrections. What a frame is to the targets depends on its layer alone. */
static gboolean
find_template (GstLiveKitDependencyWriter * writer)
{
  guint best_score = 0;

  for (guint i = 0; i < writer->n_templates; i++) {
    const Frame *candidate = &writer->templates[i];
    guint score = 1u + has_fdiffs_of (candidate, &writer->frame) + has_chains_of (candidate, &writer->frame);

    if (!is_of_layer (candidate, &writer->frame) || score <= best_score)
      continue;
    writer->template_index = i;
    best_score = score;
  }
  return best_score > 0;
}

gboolean
gst_livekit_dependency_writer_next (GstLiveKitDependencyWriter * writer, guint spatial_id, guint temporal_id)
{
  writer->frame_number++;
  writer->has_frame = FALSE;
  if (spatial_id >= writer->n_spatial || temporal_id >= writer->n_temporal)
    return FALSE;
  if (!describe_next (writer, spatial_id, temporal_id) || !find_template (writer))
    return FALSE;
  writer->has_structure = FALSE;
  note_frame (writer);
  return TRUE;
}

/* What lower spatial layers have is not enough to begin with a target, but for the unit that starts a sequence. The
 * top temporal layer of a target is what nothing else in it refers to. */
static guint
find_dti (const Frame * frame, guint spatial_id, guint temporal_id)
{
  if (frame->spatial_id > spatial_id || frame->temporal_id > temporal_id)
    return NOT_PRESENT;
  if (frame->is_key)
    return SWITCH;
  if (frame->spatial_id < spatial_id)
    return REQUIRED;
  return frame->temporal_id == temporal_id && temporal_id > 0 ? DISCARDABLE : SWITCH;
}

/* template_layers(): they are in order, so that each has the layer of the one before, or the next in time or space.
 * The first is of layer 0 by definition: for each layer that is not in the stream there is a template without use. */
static void
put_layers (BitWriter * bits, guint first_spatial_id, const Frame * templates, guint n_templates)
{
  for (guint layer = 0; layer < first_spatial_id; layer++)
    put_bits (bits, 2, 2);
  for (guint i = 1; i < n_templates; i++) {
    gboolean is_next_spatial = templates[i].spatial_id != templates[i - 1].spatial_id;
    gboolean is_next_temporal = templates[i].temporal_id != templates[i - 1].temporal_id;

    put_bits (bits, is_next_spatial ? 2 : is_next_temporal, 2);
  }
  put_bits (bits, 3, 2);
}

static void
put_targets (GstLiveKitDependencyWriter * writer, BitWriter * bits)
{
  for (guint i = 0; i < writer->first_spatial_id * writer->n_spatial * writer->n_temporal; i++)
    put_bits (bits, NOT_PRESENT, 2);
  for (guint i = 0; i < writer->n_templates; i++) {
    for (guint spatial = writer->n_spatial; spatial > 0; spatial--) {
      for (guint temporal = writer->n_temporal; temporal > 0; temporal--)
        put_bits (bits, find_dti (&writer->templates[i], spatial - 1, temporal - 1), 2);
    }
  }
}

/* template_fdiffs() */
static void
put_template_fdiffs (BitWriter * bits, const Frame * frame)
{
  for (guint k = 0; k < frame->n_fdiffs; k++) {
    put_bits (bits, 1, 1);
    put_bits (bits, frame->fdiffs[k] - 1, 4);
  }
  put_bits (bits, 0, 1);
}

/* template_chains() */
static void
put_chains (GstLiveKitDependencyWriter * writer, BitWriter * bits)
{
  guint n_targets = writer->n_spatial * writer->n_temporal;

  put_non_symmetric (bits, n_targets + 1, writer->n_spatial);
  for (guint target = 0; target < n_targets; target++)
    put_non_symmetric (bits, writer->n_spatial, writer->n_spatial - 1 - target / writer->n_temporal);
  for (guint i = 0; i < writer->first_spatial_id * writer->n_spatial; i++)
    put_bits (bits, 0, 4);
  for (guint i = 0; i < writer->n_templates; i++) {
    for (guint chain = 0; chain < writer->n_spatial; chain++)
      put_bits (bits, writer->templates[i].chain_fdiffs[chain], 4);
  }
}

static void
put_structure (GstLiveKitDependencyWriter * writer, BitWriter * bits)
{
  put_bits (bits, writer->id_offset, 6);
  put_bits (bits, writer->n_spatial * writer->n_temporal - 1, 5);
  put_layers (bits, writer->first_spatial_id, writer->templates, writer->n_templates);
  put_targets (writer, bits);
  put_bits (bits, 0, writer->first_spatial_id); /* no template_fdiffs() */
  for (guint i = 0; i < writer->n_templates; i++)
    put_template_fdiffs (bits, &writer->templates[i]);
  put_chains (writer, bits);
  put_bits (bits, 0, 1);        /* resolutions_present_flag: the signalling tells the sizes */
}

/* frame_fdiffs(), in units of four bits */
static void
put_fdiffs (BitWriter * bits, const Frame * frame)
{
  for (guint k = 0; k < frame->n_fdiffs; k++) {
    guint n_units = frame->fdiffs[k] <= 16 ? 1 : frame->fdiffs[k] <= 256 ? 2 : 3;

    put_bits (bits, n_units, 2);
    put_bits (bits, frame->fdiffs[k] - 1, 4 * n_units);
  }
  put_bits (bits, 0, 2);
}

gsize
gst_livekit_dependency_writer_write (GstLiveKitDependencyWriter * writer, gboolean starts_frame, gboolean ends_frame,
    guint8 * out)
{
  BitWriter bits = { out, 0 };
  const Frame *frame = &writer->frame, *used;
  gboolean has_structure, other_fdiffs, other_chains;

  if (!writer->has_frame)
    return 0;
  used = &writer->templates[writer->template_index];
  has_structure = writer->has_structure && starts_frame;
  other_fdiffs = !has_fdiffs_of (used, frame);
  other_chains = !has_chains_of (used, frame);
  memset (out, 0, gst_livekit_dependency_max_size (has_structure ? writer->n_spatial : 1));
  put_bits (&bits, starts_frame != 0, 1);
  put_bits (&bits, ends_frame != 0, 1);
  put_bits (&bits, (writer->id_offset + writer->first_spatial_id + writer->template_index) % 64, 6);
  put_bits (&bits, writer->frame_number, 16);
  if (!has_structure && !other_fdiffs && !other_chains)
    return bits.n_bits / 8;
  put_bits (&bits, has_structure, 1);
  put_bits (&bits, 0, 2);       /* active_decode_targets_present_flag, custom_dtis_flag */
  put_bits (&bits, other_fdiffs, 1);
  put_bits (&bits, other_chains, 1);
  if (has_structure)
    put_structure (writer, &bits);
  if (other_fdiffs)
    put_fdiffs (&bits, frame);
  for (guint chain = 0; other_chains && chain < writer->n_spatial; chain++)
    put_bits (&bits, frame->chain_fdiffs[chain], 8);
  return (bits.n_bits + 7) / 8;
}

gsize
gst_livekit_dependency_max_size (guint n_spatial_layers)
{
  return n_spatial_layers > 1 ? 128 : 16;
}
