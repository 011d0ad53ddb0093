/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of gstlivekitaligner. */

#include <gst/check/gstcheck.h>

#include "gstlivekitaligner.h"

#define FRAME (50 * GST_MSECOND)
#define N_FRAMES 20

typedef struct
{
  GstLiveKitAligner *aligner;
  guint slot;
  gulong lag_us;
  gint *passed;                 /* atomic: frames that each layer has let out */
  guint n_layers;
  gint most_ahead;              /* frames before the slowest */
} Feeder;

static gpointer
feed (gpointer data)
{
  Feeder *feeder = data;

  for (gint frame = 0; frame < N_FRAMES; frame++) {
    gint slowest = N_FRAMES;

    /* An encoder that needs so long for each frame. */
    g_usleep (feeder->lag_us);
    gst_livekit_aligner_pass (feeder->aligner, feeder->slot, (GstClockTime) frame * FRAME);
    for (guint i = 0; i < feeder->n_layers; i++)
      slowest = MIN (slowest, g_atomic_int_get (&feeder->passed[i]));
    g_atomic_int_set (&feeder->passed[feeder->slot], frame + 1);
    if (frame > 0)
      feeder->most_ahead = MAX (feeder->most_ahead, frame - slowest);
  }
  gst_livekit_aligner_set_flowing (feeder->aligner, feeder->slot, FALSE);
  return NULL;
}

GST_START_TEST (test_fast_layers_wait)
{
  GstLiveKitAligner *aligner = gst_livekit_aligner_new ();
  gint passed[3] = { 0, };
  Feeder feeders[3];
  GThread *threads[3];

  for (guint i = 0; i < 3; i++) {
    feeders[i] = (Feeder) {
    aligner, i, 1000 + 8000 * i, passed, 3, 0};
    gst_livekit_aligner_set_flowing (aligner, i, TRUE);
    /* All have sent something: who has not is not waited for. */
    gst_livekit_aligner_pass (aligner, i, 0);
  }
  for (guint i = 0; i < 3; i++)
    threads[i] = g_thread_new ("feeder", feed, &feeders[i]);
  for (guint i = 0; i < 3; i++)
    g_thread_join (threads[i]);
  /* The fastest would else be all frames ahead. */
  for (guint i = 0; i < 3; i++)
    fail_unless (feeders[i].most_ahead <= 2, "layer %u was %d frames ahead", i, feeders[i].most_ahead);
  gst_livekit_aligner_unref (aligner);
}

GST_END_TEST;

GST_START_TEST (test_one_thread_does_not_wait_for_itself)
{
  GstLiveKitAligner *aligner = gst_livekit_aligner_new ();
  gint64 start = g_get_monotonic_time ();

  for (guint i = 0; i < 3; i++)
    gst_livekit_aligner_set_flowing (aligner, i, TRUE);
  for (guint frame = 0; frame < 100; frame++) {
    for (guint i = 0; i < 3; i++)
      gst_livekit_aligner_pass (aligner, i, frame * FRAME);
  }
  /* A wait each time would take fifteen seconds. */
  fail_unless (g_get_monotonic_time () - start < 3 * G_TIME_SPAN_SECOND);
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
  gint64 start;

  gst_livekit_aligner_set_flowing (aligner, 0, TRUE);
  gst_livekit_aligner_set_flowing (aligner, 1, TRUE);
  g_thread_join (g_thread_new ("dead", pass_once, aligner));
  start = g_get_monotonic_time ();
  for (guint frame = 1; frame < 100; frame++)
    gst_livekit_aligner_pass (aligner, 0, frame * FRAME);
  fail_unless (g_get_monotonic_time () - start < 100 * GST_LIVEKIT_ALIGNER_LIMIT_MS * G_TIME_SPAN_MILLISECOND / 4);
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
  tcase_add_test (tcase, test_layer_that_stops_wakes_the_others);
  return suite;
}

GST_CHECK_MAIN (aligner);
