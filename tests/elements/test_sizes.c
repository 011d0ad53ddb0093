/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* livekitsink: layers of one track whose caps have no size, or a strange one. */
#include <gst/check/gstcheck.h>

#include "elementfixture.h"

#define ADD_TRACK LIVEKIT__SIGNAL_REQUEST__MESSAGE_ADD_TRACK

static ElementFixture *
new_fixture (ElementFeeder ** layers, guint n_layers)
{
  ElementFixture *f = element_fixture_new ("livekitsink");

  for (guint i = 0; i < n_layers; i++) {
    layers[i] = element_feeder_new (f, "video_%u", NULL, TRUE);
    g_object_set (layers[i]->sink, "track-name", "front", NULL);
  }
  element_fixture_play (f);
  element_fixture_wait_joined (f);
  for (guint i = 0; i < n_layers; i++)
    element_feeder_start (layers[i]);
  return f;
}

static void
free_fixture (ElementFixture * f, ElementFeeder ** layers, guint n_layers)
{
  for (guint i = 0; i < n_layers; i++)
    element_feeder_free (layers[i]);
  element_fixture_free (f);
}

/* Nothing ever tells it: the other is published, with a place for it. */
GST_START_TEST (test_one_without_size)
{
  ElementFeeder *layers[2];
  ElementFixture *f = new_fixture (layers, 2);
  const Livekit__AddTrackRequest *request;

  element_feeder_set_caps (layers[0], "video/x-vp8, width=(int)640, height=(int)480");
  element_feeder_set_caps (layers[1], "video/x-vp8");
  request = element_fixture_request (f, ADD_TRACK, 0)->add_track;
  fail_unless_equals_int (request->n_layers, 2);
  fail_unless (request->layers[0]->width > 0 && request->layers[1]->width > 0);
  fail_unless (request->layers[0]->width == 640 || request->layers[1]->width == 640);
  free_fixture (f, layers, 2);
}

GST_END_TEST;

/* A warning names them and says what is missing; it is of that track, another is published. */
GST_START_TEST (test_two_without_sizes)
{
  ElementFeeder *layers[2], *track;
  ElementFixture *f = new_fixture (layers, 2);
  g_autoptr (GstMessage) warning = NULL;
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 2; i++)
    element_feeder_set_caps (layers[i], "video/x-vp8");
  warning = element_fixture_wait (f, GST_MESSAGE_WARNING);
  gst_message_parse_warning (warning, &error, NULL);
  fail_unless (strstr (error->message, "'front'") && strstr (error->message, "video_0")
      && strstr (error->message, "video_1") && strstr (error->message, "width and height"), "%s", error->message);
  track = element_feeder_new (f, "video_%u", "video/x-vp8, width=(int)320, height=(int)180", TRUE);
  fail_unless_equals_string (element_fixture_request (f, ADD_TRACK, 0)->add_track->name, "video_2");
  element_feeder_free (track);
  free_fixture (f, layers, 2);
}

GST_END_TEST;

/* They tell it late, but in time: both are layers, and none was guessed. */
GST_START_TEST (test_sizes_come_late)
{
  ElementFeeder *layers[2];
  ElementFixture *f = new_fixture (layers, 2);
  const Livekit__AddTrackRequest *request;

  for (guint i = 0; i < 2; i++)
    element_feeder_set_caps (layers[i], "video/x-vp8");
  element_feeder_set_caps (layers[0], "video/x-vp8, width=(int)1280, height=(int)720");
  element_feeder_set_caps (layers[1], "video/x-vp8, width=(int)320, height=(int)180");
  request = element_fixture_request (f, ADD_TRACK, 0)->add_track;
  fail_unless_equals_int (request->n_layers, 2);
  fail_unless_equals_int (request->layers[0]->width, 320);
  fail_unless_equals_int (request->layers[1]->width, 1280);
  free_fixture (f, layers, 2);
}

GST_END_TEST;

/* Sizes up to the largest that caps can have are compared without overflow: these have one aspect, and no warning. */
GST_START_TEST (test_absurd_sizes)
{
  ElementFeeder *layers[2];
  ElementFixture *f = new_fixture (layers, 2);

  element_feeder_set_caps (layers[0], "video/x-vp8, width=(int)2000000000, height=(int)2000000000");
  element_feeder_set_caps (layers[1], "video/x-vp8, width=(int)1000000000, height=(int)1000000000");
  fail_unless_equals_int (element_fixture_request (f, ADD_TRACK, 0)->add_track->n_layers, 2);
  element_fixture_expect_none (f, GST_MESSAGE_WARNING);
  free_fixture (f, layers, 2);
}

GST_END_TEST;

static Suite *
sizes_suite (void)
{
  Suite *s = element_suite_create ("sizes");
  TCase *tc = tcase_create ("layers");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_one_without_size);
  tcase_add_test (tc, test_two_without_sizes);
  tcase_add_test (tc, test_sizes_come_late);
  tcase_add_test (tc, test_absurd_sizes);
  return s;
}

GST_CHECK_MAIN (sizes);
