/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkallocator: shares what a path carries out to audio, layers of video and retransmissions. */

#include "lkallocator.h"

#include <string.h>

#define RTX_SHARE 10            /* one tenth */
#define MARGIN_ON 1.1
#define OFF_AFTER_US 200000
#define WAIT_US 2000000
#define WAIT_MAX_US 32000000
#define FLAP_US 10000000
#define SPARE 0.95
#define HEADER_BYTES 60
#define PACKET_BYTES 1100
/* A frame is a packet at least: so many a second are always paid for. */
#define FRAMES_PER_SECOND 30

typedef struct
{
  LkAllocatorLayer layer;
  gboolean is_on, was_on;
  gint64 on_us;                 /* since when */
  gint64 misfit_us;             /* since when there is no room; 0: there is */
  gint64 not_before_us, wait_us;
  guint given;                  /* its place in what the caller gave */
} Layer;

struct _LkAllocator
{
  Layer layers[LK_ALLOCATOR_MAX_LAYERS];        /* in the order of service */
  guint n_layers;
};

LkAllocator *
lk_allocator_new (void)
{
  return g_new0 (LkAllocator, 1);
}

void
lk_allocator_free (LkAllocator * self)
{
  g_free (self);
}

static gint
compare_layers (gconstpointer a, gconstpointer b)
{
  const Layer *x = a, *y = b;

  if (x->layer.level != y->layer.level)
    return x->layer.level < y->layer.level ? -1 : 1;
  return x->given < y->given ? -1 : x->given > y->given;
}

static const Layer *
find_layer (const Layer * layers, guint n_layers, const LkAllocatorLayer * wanted)
{
  for (guint i = 0; i < n_layers; i++) {
    if (layers[i].layer.track == wanted->track && layers[i].layer.level == wanted->level)
      return &layers[i];
  }
  return NULL;
}

gboolean
lk_allocator_set_layers (LkAllocator * self, const LkAllocatorLayer * layers, guint n_layers)
{
  Layer fresh[LK_ALLOCATOR_MAX_LAYERS] = { 0 };

  if (n_layers > LK_ALLOCATOR_MAX_LAYERS)
    return FALSE;
  for (guint i = 0; i < n_layers; i++) {
    const Layer *old = find_layer (self->layers, self->n_layers, &layers[i]);

    if (old != NULL)
      fresh[i] = *old;
    else
      fresh[i].wait_us = WAIT_US;
    fresh[i].layer = layers[i];
    fresh[i].layer.max_bps = MAX (layers[i].max_bps, layers[i].min_bps);
    fresh[i].given = i;
  }
  qsort (fresh, n_layers, sizeof *fresh, compare_layers);
  memcpy (self->layers, fresh, sizeof fresh);
  self->n_layers = n_layers;
  return TRUE;
}

static void
switch_on (Layer * layer, gint64 now_us)
{
  layer->is_on = TRUE;
  layer->on_us = now_us;
  layer->misfit_us = 0;
}

static void
switch_off (Layer * layer, gint64 now_us)
{
  gboolean has_flapped = layer->was_on && now_us - layer->on_us < FLAP_US;

  layer->wait_us = has_flapped ? MIN (2 * layer->wait_us, WAIT_MAX_US) : WAIT_US;
  layer->not_before_us = now_us + layer->wait_us;
  layer->is_on = FALSE;
  layer->was_on = TRUE;
}

/* The lowest layer of a track stays on. A layer whose lower neighbour is off has no room. */
static void
judge_layer (Layer * layer, gdouble left_bps, gdouble margin_bps, gboolean is_blocked, gboolean is_congested,
    gint64 now_us)
{
  gboolean fits = layer->layer.min_bps <= left_bps && !is_blocked;

  if (layer->layer.level == 0) {
    if (!layer->is_on)
      switch_on (layer, now_us);
  } else if (!layer->is_on) {
    if (fits && layer->layer.min_bps <= margin_bps && !is_congested && now_us >= layer->not_before_us)
      switch_on (layer, now_us);
  } else if (fits) {
    layer->misfit_us = 0;
  } else {
    if (layer->misfit_us == 0)
      layer->misfit_us = MAX (now_us, 1);
    if (is_congested || is_blocked || now_us - layer->misfit_us >= OFF_AFTER_US)
      switch_off (layer, now_us);
  }
}

static gboolean
judge_layers (LkAllocator * self, gdouble video_bps, gboolean is_congested, gint64 now_us)
{
  gdouble used_bps = 0;
  gboolean is_blocked = FALSE, has_changed = FALSE;

  for (guint i = 0; i < self->n_layers; i++) {
    Layer *layer = &self->layers[i];
    gboolean was_on = layer->is_on;

    judge_layer (layer, video_bps - used_bps, video_bps / MARGIN_ON - used_bps, is_blocked, is_congested, now_us);
    has_changed = has_changed || layer->is_on != was_on;
    if (layer->is_on)
      used_bps += layer->layer.min_bps;
    else
      is_blocked = TRUE;
  }
  return has_changed;
}

guint
lk_allocator_with_headers (guint bps)
{
  gdouble packets = MAX (bps / 8.0 / PACKET_BYTES, FRAMES_PER_SECOND);

  return (guint) MIN (bps + packets * HEADER_BYTES * 8, G_MAXUINT);
}

/* What is left of @bps without the headers of the packets that it needs. */
static guint
without_headers (guint bps)
{
  gdouble packets = MAX (bps / 8.0 / (PACKET_BYTES + HEADER_BYTES), FRAMES_PER_SECOND);

  return (guint) MAX (bps - packets * HEADER_BYTES * 8, bps / 4.0);
}

static void
give (LkAllocatorShare * share, const Layer * layer, gdouble bps)
{
  share->is_on = TRUE;
  share->bps = (guint) bps;
  share->is_thinned = share->bps < layer->layer.min_bps;
  share->encoder_bps = (guint) (SPARE * without_headers (share->bps));
}

static void
give_shares (LkAllocator * self, gdouble video_bps, LkAllocation * out)
{
  gdouble shares[LK_ALLOCATOR_MAX_LAYERS] = { 0 };
  gdouble left_bps = video_bps;

  for (guint i = 0; i < self->n_layers; i++) {
    if (self->layers[i].is_on) {
      shares[i] = MIN (self->layers[i].layer.min_bps, left_bps);
      left_bps -= shares[i];
    }
  }
  for (guint i = 0; i < self->n_layers; i++) {
    Layer *layer = &self->layers[i];

    if (!layer->is_on)
      continue;
    if (layer->layer.max_bps > shares[i]) {
      gdouble more = MIN (layer->layer.max_bps - shares[i], left_bps);

      shares[i] += more;
      left_bps -= more;
    }
    give (&out->layers[layer->given], layer, shares[i]);
    out->video_bps += out->layers[layer->given].bps;
  }
}

/* The target at which one more layer would come on, or the lowest be whole again. Those that are on find out by
 * themselves what fits. */
static guint
next_step (LkAllocator * self, const LkAllocation * out, guint other_bps)
{
  gdouble least = other_bps;

  for (guint i = 0; i < self->n_layers; i++) {
    least += self->layers[i].layer.min_bps * MARGIN_ON;
    if (!self->layers[i].is_on || out->layers[self->layers[i].given].is_thinned)
      return (guint) MIN (least + 1, G_MAXUINT);
  }
  return 0;
}

void
lk_allocator_share (LkAllocator * self, const LkAllocatorInput * input, gint64 now_us, LkAllocation * out)
{
  guint rtx_max = input->target_bps / RTX_SHARE;
  guint rtx_used = MIN (input->rtx_bps, rtx_max);
  guint64 other_bps = (guint64) input->audio_bps + rtx_used;
  gdouble steady_bps, video_bps = input->target_bps > other_bps ? input->target_bps - other_bps : 0;

  memset (out, 0, sizeof *out);
  out->n_layers = self->n_layers;
  steady_bps = MAX (video_bps, (gdouble) input->steady_bps - other_bps);
  out->has_changed = judge_layers (self, steady_bps, input->is_congested, now_us);
  give_shares (self, video_bps, out);
  out->rtx_bps = input->is_congested ? 0 : rtx_max;
  out->wanted_bps = next_step (self, out, (guint) MIN (other_bps, G_MAXUINT));
}
