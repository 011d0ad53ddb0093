/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of gstlivekitaligner. */

#include <gst/check/gstcheck.h>

#include "gstlivekitaligner.h"

#define FRAME (50 * GST_MSECOND)
#define N_FRAMES 20

/* A layer that stands still is waited for so many times. */
#define N_MISSES 3

typedef struct
{
  GstLiveKitAligner *aligner;
  /* lock */
  GMutex lock;
  GCond changed;
  gint frames[3];               /* the last that each layer has brought */
  guint n_late;
} Layers;

typedef struct
{
  Layers *layers;
  guint slot;
} Feeder;

/* Each brings a frame when the layer above it has: all but the slowest are ahead. */
static void
bring (Layers * layers, guint slot, gint frame)
{
  g_mutex_lock (&layers->lock);
  while (slot > 0 && layers->frames[slot - 1] < frame)
    g_cond_wait (&layers->changed, &layers->lock);
  layers->frames[slot] = frame;
  g_cond_broadcast (&layers->changed);
  g_mutex_unlock (&layers->lock);
}

/* Where the machine itself was too slow, the aligner gives up a layer, and nothing can be said. */
static void
check_passed (Layers * layers, gint frame, gboolean in_time)
{
  g_mutex_lock (&layers->lock);
  layers->n_late += !in_time;
  for (guint i = 0; i < 3 && layers->n_late == 0; i++)
    fail_unless (layers->frames[i] >= frame, "frame %d went out when layer %u had brought %d", frame, i,
        layers->frames[i]);
  g_mutex_unlock (&layers->lock);
}

static gpointer
feed (gpointer data)
{
  Feeder *feeder = data;
  Layers *layers = feeder->layers;

  for (gint frame = 1; frame <= N_FRAMES; frame++) {
    gboolean in_time;

    bring (layers, feeder->slot, frame);
    in_time = gst_livekit_aligner_pass (layers->aligner, feeder->slot, (GstClockTime) frame * FRAME);
    check_passed (layers, frame, in_time);
  }
  gst_livekit_aligner_set_flowing (layers->aligner, feeder->slot, FALSE);
  return NULL;
}

GST_START_TEST (test_fast_layers_wait)
{
  Layers layers = {.aligner = gst_livekit_aligner_new () };
  Feeder feeders[3];
  GThread *threads[3];

  g_mutex_init (&layers.lock);
  g_cond_init (&layers.changed);
  for (guint i = 0; i < 3; i++) {
    feeders[i] = (Feeder) {
    &layers, i};
    gst_livekit_aligner_set_flowing (layers.aligner, i, TRUE);
    /* All have sent something: who has not is not waited for. */
    gst_livekit_aligner_pass (layers.aligner, i, 0);
  }
  for (guint i = 0; i < 3; i++)
    threads[i] = g_thread_new ("feeder", feed, &feeders[i]);
  for (guint i = 0; i < 3; i++)
    g_thread_join (threads[i]);
  g_mutex_clear (&layers.lock);
  g_cond_clear (&layers.changed);
  gst_livekit_aligner_unref (layers.aligner);
}

GST_END_TEST;

GST_START_TEST (test_one_thread_does_not_wait_for_itself)
{
  GstLiveKitAligner *aligner = gst_livekit_aligner_new ();

  for (guint i = 0; i < 3; i++)
    gst_livekit_aligner_set_flowing (aligner, i, TRUE);
  for (guint frame = 0; frame < 100; frame++) {
    for (guint i = 0; i < 3; i++)
      fail_unless (gst_livekit_aligner_pass (aligner, i, frame * FRAME));
  }
  gst_livekit_aligner_unref (aligner);
}

GST_END_TEST;

static gpointer
pass_once (gpointer data)
{
  gst_livekit_aligner_pass (data, 1, 0);
  return NULL;
}

/* A layer that stands still is given up soon. */
GST_START_TEST (test_dead_layer_is_given_up)
{
  GstLiveKitAligner *aligner = gst_livekit_aligner_new ();
  guint n_misses = 0;

  gst_livekit_aligner_set_flowing (aligner, 0, TRUE);
  gst_livekit_aligner_set_flowing (aligner, 1, TRUE);
  g_thread_join (g_thread_new ("dead", pass_once, aligner));
  for (guint frame = 1; frame < 100; frame++)
    n_misses += !gst_livekit_aligner_pass (aligner, 0, frame * FRAME);
  fail_unless_equals_int (n_misses, N_MISSES);
  gst_livekit_aligner_unref (aligner);
}

GST_END_TEST;

static gpointer
pass_two (gpointer data)
{
  gst_livekit_aligner_pass (data, 1, 0);
  gst_livekit_aligner_pass (data, 1, 4 * FRAME);
  return NULL;
}

/* A layer with fewer frames is waited for only when one of them is due. */
GST_START_TEST (test_no_wait_between_frames)
{
  GstLiveKitAligner *aligner = gst_livekit_aligner_new ();

  gst_livekit_aligner_set_flowing (aligner, 0, TRUE);
  gst_livekit_aligner_set_flowing (aligner, 1, TRUE);
  g_thread_join (g_thread_new ("few", pass_two, aligner));
  for (guint frame = 4; frame < 8; frame++)
    fail_unless (gst_livekit_aligner_pass (aligner, 0, frame * FRAME));
  /* now one is due */
  fail_if (gst_livekit_aligner_pass (aligner, 0, 8 * FRAME));
  gst_livekit_aligner_unref (aligner);
}

GST_END_TEST;

static gpointer
pass_second (gpointer data)
{
  gst_livekit_aligner_pass (data, 0, FRAME);
  return NULL;
}

GST_START_TEST (test_layer_that_stops_wakes_the_others)
{
  GstLiveKitAligner *aligner = gst_livekit_aligner_new ();
  GThread *thread;

  gst_livekit_aligner_set_flowing (aligner, 0, TRUE);
  gst_livekit_aligner_set_flowing (aligner, 1, TRUE);
  gst_livekit_aligner_pass (aligner, 1, 0);
  thread = g_thread_new ("waits", pass_second, aligner);
  gst_livekit_aligner_set_flowing (aligner, 1, FALSE);
  g_thread_join (thread);
  gst_livekit_aligner_pass (aligner, 0, 3 * FRAME);
  gst_livekit_aligner_pass (aligner, 0, GST_CLOCK_TIME_NONE);
  gst_livekit_aligner_unref (aligner);
}

GST_END_TEST;

static Suite *
aligner_suite (void)
{
  Suite *suite = suite_create ("aligner");
  TCase *tcase = tcase_create ("aligner");

  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_fast_layers_wait);
  tcase_add_test (tcase, test_one_thread_does_not_wait_for_itself);
  tcase_add_test (tcase, test_dead_layer_is_given_up);
  tcase_add_test (tcase, test_no_wait_between_frames);
  tcase_add_test (tcase, test_layer_that_stops_wakes_the_others);
  return suite;
}

GST_CHECK_MAIN (aligner);
