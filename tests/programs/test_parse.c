/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of the video server's view of pipelines: their ends, their faults, and which track is whose. */

#include <gst/check/gstcheck.h>

#include "vsparse.h"
#include "vsreceiver.h"

GST_START_TEST (test_ends)
{
  static const struct
  {
    const gchar *text;
    guint n_ends;
    gboolean is_sender, takes_rtp, takes_audio, takes_video;
  } rows[] = {
    {"videotestsrc ! vp8enc ! appsink name=sink emit-signals=true", 1, TRUE},
    {"videotestsrc ! tee name=t t. ! queue ! vp8enc ! appsink name=sink_h t. ! queue ! vp8enc ! appsink name=sink_m "
          "t. ! queue ! vp8enc ! appsink name=sink_l", 3, TRUE},
    {"videotestsrc ! vp8enc", 1, TRUE},
    {"videotestsrc", 1, TRUE},
    {"filesrc ! matroskademux ! appsink name=sink", 1, TRUE},
    {"filesrc ! decodebin ! videoconvert ! vp8enc", 1, TRUE},
    {"appsrc name=source ! application/x-rtp, encoding-name=(string)VP8, payload=(int)96 ! queue ! fakesink", 1, FALSE,
        TRUE, FALSE, TRUE},
    {"appsrc name=source ! application/x-rtp,encoding-name=(string)OPUS,payload=(int)111,clock-rate=48000 ! "
          "rtpopusdepay ! fakesink", 1, FALSE, TRUE, TRUE, FALSE},
    {"rtpvp8depay ! fakesink", 1, FALSE, TRUE, FALSE, TRUE},
    {"queue ! vp8dec ! fakesink", 1, FALSE, FALSE, FALSE, TRUE},
    {"opusparse ! fakesink", 1, FALSE, FALSE, TRUE, FALSE},
    {"decodebin ! audioconvert ! wavenc ! fakesink", 1, FALSE, FALSE, TRUE, FALSE},
    {"queue ! fakesink", 1, FALSE, FALSE, FALSE, FALSE},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree gchar *problem = NULL;
    g_autoptr (VsParsed) parsed = vs_parse (rows[i].text, &problem);

    fail_unless (parsed != NULL, "%s: %s", rows[i].text, problem);
    fail_unless (parsed->n_ends == rows[i].n_ends, "%s: %u ends", rows[i].text, parsed->n_ends);
    fail_unless (parsed->is_sender == rows[i].is_sender, "%s", rows[i].text);
    fail_unless (parsed->takes_rtp == rows[i].takes_rtp, "%s", rows[i].text);
    fail_unless (parsed->takes_audio == rows[i].takes_audio, "%s", rows[i].text);
    fail_unless (parsed->takes_video == rows[i].takes_video, "%s", rows[i].text);
  }
}
GST_END_TEST;

GST_START_TEST (test_no_end)
{
  static const gchar *const texts[] = {
    "videotestsrc ! fakesink",
    "identity",
    "appsrc name=source ! queue ! appsink name=sink",
    "videotestsrc ! vp8enc ! appsink name=other",
    "videotestsrc ! fakesink name=sink",
    "videotestsrc ! vp8enc ! appsink name=sink videotestsrc",
    "videotestsrc  audiotestsrc",
    "decodebin ! fakesink name=sink",
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_autofree gchar *problem = NULL;
    g_autoptr (VsParsed) parsed = vs_parse (texts[i], &problem);
    gboolean is_last = i + 1 == G_N_ELEMENTS (texts);

    /* the last one is a receiver: what is decoded goes to its sink later */
    fail_unless ((parsed != NULL) == is_last, "%s", texts[i]);
    fail_unless (is_last || g_str_has_prefix (problem, "it must have one end"), "%s", problem);
  }
}
GST_END_TEST;

/* @at is a mark in @text: the fault is told there. */
static void
expect_fault (const gchar * text, const gchar * at)
{
  g_autoptr (GError) error = NULL;
  GstElement *element = gst_parse_launch_full (text, NULL, GST_PARSE_FLAG_FATAL_ERRORS, &error);
  gssize found;

  fail_unless (element == NULL && error != NULL, "%s", text);
  found = vs_parse_find_fault (text, error);
  fail_unless (found >= 0 && g_str_has_prefix (text + found, at), "%s: at %d: %s", text, (gint) found, error->message);
}

GST_START_TEST (test_faults_are_marked)
{
  expect_fault ("videotestsrc ! vp8encc ! appsink name=sink", "vp8encc");
  expect_fault ("videotestsrc pattern=foo ! vp8enc ! appsink name=sink", "pattern");
  expect_fault ("videotestsrc ! vp8enc deadlin=1 ! appsink name=sink", "deadlin=");
  expect_fault ("videotestsrc ! queue ! opusenc ! appsink name=sink", "opusenc");
  expect_fault ("videotestsrc ! queue ! opusenc name=mine ! appsink name=sink", "name=mine");
  expect_fault ("videotestsrc ! video/x-rawx,width=10 ! fakesink", "video/x-rawx");
  expect_fault ("videotestsrc ! queue ! ! appsink name=sink", "! appsink");
  expect_fault ("videotestsrc ! queue ! vp8enc ! (", "(");
}
GST_END_TEST;

/* Also where the text is cut within a URL. */
GST_START_TEST (test_faults_hide_passwords)
{
  static const gchar *const texts[] = {
    "rtspsrc location=rtsp://user:hidden@cam/1 ! rtph264depayy ! appsink name=sink",
    "rtspsrc location=rtsp://user:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaahidden@cam ! rtph264depayy ! fakesink",
    "rtspsrc location=rtsp://user:hidden@cam/1 latency=x ! fakesink",
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_autofree gchar *problem = NULL;

    fail_unless (vs_parse (texts[i], &problem) == NULL);
    fail_unless (strstr (problem, "hidden") == NULL && strstr (problem, "*****@") != NULL, "%s", problem);
  }
}
GST_END_TEST;

GST_START_TEST (test_marks_stand_below)
{
  g_autofree gchar *problem = NULL, *distant = NULL;
  g_autoptr (VsParsed) parsed = vs_parse ("videotestsrc ! vp8encc ! appsink name=sink", &problem);
  g_autoptr (VsParsed) other = vs_parse ("videotestsrc name=ä_one_with_a_name_that_is_rather_long "
      "! queue name=another_long_name ! capsfilter ! vp8encc ! appsink name=sink", &distant);

  fail_unless (parsed == NULL && other == NULL);
  fail_unless_equals_string (problem, "no element \"vp8encc\"\n    videotestsrc ! vp8encc ! appsink name=sink\n"
      "                   ^");
  fail_unless_equals_string (distant, "no element \"vp8encc\"\n"
      "    … name=ä_one_with_a_name_that_is_rather_long ! queue name=another_long_name ! capsfilter ! vp8encc "
      "! appsink name=sink\n"
      "                                                                                               ^");
}
GST_END_TEST;

GST_START_TEST (test_whose_track)
{
  static const gchar *const camera[] = { "", "TR_1", "camera", "video" };
  static const gchar *const named[] = { "room-a-0", "TR_2", "camera", "video" };

  fail_unless (vs_receiver_matches ("room-a-0", "alice", named));
  fail_unless (vs_receiver_matches ("TR_2", "alice", named));
  fail_if (vs_receiver_matches ("camera", "alice", named));
  fail_if (vs_receiver_matches ("room-a-1", "alice", named));
  fail_if (vs_receiver_matches ("room-a-*", "alice", named));
  fail_unless (vs_receiver_matches ("alice/camera", "alice", camera));
  fail_unless (vs_receiver_matches ("ali*/video", "alice", camera));
  fail_unless (vs_receiver_matches ("*/room-a-?", "alice", named));
  fail_unless (vs_receiver_matches ("a%2Fb/camera", "a/b", camera));
  fail_if (vs_receiver_matches ("bob/camera", "alice", camera));
  fail_if (vs_receiver_matches ("bob/%", "bob", camera));
  fail_if (vs_receiver_matches ("alice/camera", NULL, camera));
}
GST_END_TEST;

static Suite *
parse_suite (void)
{
  Suite *suite = suite_create ("programs-parse");
  TCase *tests = tcase_create ("parse");

  suite_add_tcase (suite, tests);
  tcase_add_test (tests, test_ends);
  tcase_add_test (tests, test_no_end);
  tcase_add_test (tests, test_faults_are_marked);
  tcase_add_test (tests, test_faults_hide_passwords);
  tcase_add_test (tests, test_marks_stand_below);
  tcase_add_test (tests, test_whose_track);
  return suite;
}

GST_CHECK_MAIN (parse);
