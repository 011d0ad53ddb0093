/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitaligner: sends the simulcast layers of one instant together. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitaligner.h"

#define MAX_LAYERS 3
/* Timestamps of encoders behind one source are the same; behind several, nearly. */
#define SAME_INSTANT (5 * GST_MSECOND)
/* So many waits in vain, and a layer is not waited for until it has caught up. */
#define MAX_MISSES 3

typedef struct
{
  gboolean is_flowing;
  GstClockTime time;            /* of its last frame, NONE = has sent none */
  GstClockTime interval;        /* between its last two, 0 = not known */
  GThread *thread;              /* that brought it; only compared */
  guint n_misses;
} Layer;

struct _GstLiveKitAligner
{
  gatomicrefcount ref_count;
  GMutex lock;                  /* around all below */
  GCond changed;
  Layer layers[MAX_LAYERS];
};

GstLiveKitAligner *
gst_livekit_aligner_new (void)
{
  GstLiveKitAligner *aligner = g_new0 (GstLiveKitAligner, 1);

  g_atomic_ref_count_init (&aligner->ref_count);
  g_mutex_init (&aligner->lock);
  g_cond_init (&aligner->changed);
  return aligner;
}

GstLiveKitAligner *
gst_livekit_aligner_ref (GstLiveKitAligner * aligner)
{
  g_atomic_ref_count_inc (&aligner->ref_count);
  return aligner;
}

void
gst_livekit_aligner_unref (GstLiveKitAligner * aligner)
{
  if (!g_atomic_ref_count_dec (&aligner->ref_count))
    return;
  g_mutex_clear (&aligner->lock);
  g_cond_clear (&aligner->changed);
  g_free (aligner);
}

void
gst_livekit_aligner_set_flowing (GstLiveKitAligner * aligner, guint slot, gboolean is_flowing)
{
  Layer *layer = &aligner->layers[slot];

  g_mutex_lock (&aligner->lock);
  if (layer->is_flowing != is_flowing)
    *layer = (Layer) {
    .is_flowing = is_flowing,.time = GST_CLOCK_TIME_NONE};
  g_cond_broadcast (&aligner->changed);
  g_mutex_unlock (&aligner->lock);
}

/* Layers of a camera's own streams have frames at other times than ours, or fewer: none is due between them. One thread
 * that brings several layers in turn would wait for itself. */
static gboolean
is_awaited (GstLiveKitAligner * aligner, guint slot, const Layer * other)
{
  const Layer *own = &aligner->layers[slot];

  return other != own && other->is_flowing && GST_CLOCK_TIME_IS_VALID (other->time) && other->thread != own->thread
      && other->n_misses < MAX_MISSES && other->time + SAME_INSTANT < own->time
      && other->time + other->interval < own->time + SAME_INSTANT;
}

static gboolean
must_wait (GstLiveKitAligner * aligner, guint slot)
{
  gboolean must = FALSE;

  for (guint i = 0; i < MAX_LAYERS; i++)
    must |= is_awaited (aligner, slot, &aligner->layers[i]);
  return must && aligner->layers[slot].is_flowing;
}

static void
count_misses (GstLiveKitAligner * aligner, guint slot)
{
  for (guint i = 0; i < MAX_LAYERS; i++)
    aligner->layers[i].n_misses += is_awaited (aligner, slot, &aligner->layers[i]);
}

static GstClockTime
most_advanced (GstLiveKitAligner * aligner)
{
  GstClockTime most = 0;

  for (guint i = 0; i < MAX_LAYERS; i++) {
    if (aligner->layers[i].is_flowing && GST_CLOCK_TIME_IS_VALID (aligner->layers[i].time))
      most = MAX (most, aligner->layers[i].time);
  }
  return most;
}

gboolean
gst_livekit_aligner_pass (GstLiveKitAligner * aligner, guint slot, GstClockTime time)
{
  gint64 deadline = g_get_monotonic_time () + GST_LIVEKIT_ALIGNER_LIMIT_MS * G_TIME_SPAN_MILLISECOND;
  Layer *own = &aligner->layers[slot];
  gboolean in_time = TRUE;

  if (!GST_CLOCK_TIME_IS_VALID (time))
    return TRUE;
  g_mutex_lock (&aligner->lock);
  if (GST_CLOCK_TIME_IS_VALID (own->time) && time > own->time)
    own->interval = time - own->time;
  own->time = time;
  own->thread = g_thread_self ();
  if (time + GST_LIVEKIT_ALIGNER_LIMIT_MS * GST_MSECOND >= most_advanced (aligner))
    own->n_misses = 0;
  g_cond_broadcast (&aligner->changed);
  while (in_time && must_wait (aligner, slot))
    in_time = g_cond_wait_until (&aligner->changed, &aligner->lock, deadline);
  if (!in_time)
    count_misses (aligner, slot);
  g_mutex_unlock (&aligner->lock);
  return in_time;
}
