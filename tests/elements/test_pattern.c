/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitpattern: which tracks a pattern means, and the name of a track for stream ids. */
#include <gst/check/gstcheck.h>

#include "gstlivekitpattern.h"

static LkPublication
make_publication (const gchar * identity, const gchar * name, LkTrackKind kind, LkTrackSource source)
{
  return (LkPublication) {
    .sid = (gchar *) "TR_abc", .name = (gchar *) name, .mime_type = (gchar *) "", .stream = (gchar *) "",
    .kind = kind, .source = source, .participant_sid = (gchar *) "PA_1", .participant_identity = (gchar *) identity,
    .participant_name = (gchar *) "",
  };
}

static const struct
{
  const gchar *pattern, *identity, *name;
  LkTrackKind kind;
  LkTrackSource source;
  gboolean matches;
} matches[] = {
  /* everything */
  {NULL, "alice", "front", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, TRUE},
  {"", "alice", "front", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, TRUE},
  {" , ,", "alice", "front", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, TRUE},
  {"*", "alice", "front", LK_TRACK_AUDIO, LK_SOURCE_UNKNOWN, TRUE},
  {"*/*", "alice", "", LK_TRACK_AUDIO, LK_SOURCE_UNKNOWN, TRUE},
  /* an identity alone */
  {"alice", "alice", "front", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, TRUE},
  {"alice", "bob", "front", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, FALSE},
  {"ali", "alice", "front", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, FALSE},
  {"ali*", "alice", "front", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, TRUE},
  {"ali?e", "alice", "front", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, TRUE},
  {"ali?", "alice", "front", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, FALSE},
  {"Alice", "alice", "front", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, FALSE},
  /* each way to name a track */
  {"alice/front", "alice", "front", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, TRUE},
  {"alice/back", "alice", "front", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, FALSE},
  {"*/TR_abc", "alice", "front", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, TRUE},
  {"*/TR_abd", "alice", "front", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, FALSE},
  {"*/camera", "alice", "front", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, TRUE},
  {"*/camera", "alice", "front", LK_TRACK_VIDEO, LK_SOURCE_SCREEN_SHARE, FALSE},
  {"*/microphone", "alice", "", LK_TRACK_AUDIO, LK_SOURCE_MICROPHONE, TRUE},
  {"*/screen-share", "alice", "", LK_TRACK_VIDEO, LK_SOURCE_SCREEN_SHARE, TRUE},
  {"*/screen-share", "alice", "", LK_TRACK_AUDIO, LK_SOURCE_SCREEN_SHARE_AUDIO, FALSE},
  {"*/screen-share-audio", "alice", "", LK_TRACK_AUDIO, LK_SOURCE_SCREEN_SHARE_AUDIO, TRUE},
  {"*/screen-share*", "alice", "", LK_TRACK_AUDIO, LK_SOURCE_SCREEN_SHARE_AUDIO, TRUE},
  {"*/video", "alice", "front", LK_TRACK_VIDEO, LK_SOURCE_UNKNOWN, TRUE},
  {"*/video", "alice", "mic", LK_TRACK_AUDIO, LK_SOURCE_UNKNOWN, FALSE},
  {"*/audio", "alice", "mic", LK_TRACK_AUDIO, LK_SOURCE_MICROPHONE, TRUE},
  {"alice/", "alice", "front", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, FALSE},
  {"/camera", "alice", "front", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, FALSE},
  {"/camera", "", "front", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, TRUE},
  /* lists */
  {"bob/camera,alice/front", "alice", "front", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, TRUE},
  {"bob , alice", "alice", "front", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, TRUE},
  {"bob,carol", "alice", "front", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, FALSE},
  /* what is special, escaped */
  {"a%2Fb/camera", "a/b", "", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, TRUE},
  {"a%2fb", "a/b", "", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, TRUE},
  {"a/b", "a/b", "", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, FALSE},
  {"a%2Cb", "a,b", "", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, TRUE},
  {"a%2Cb", "a", "", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, FALSE},
  {"100%25", "100%", "", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, TRUE},
  {"a%2A", "a*", "", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, TRUE},
  {"a%2A", "abc", "", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, FALSE},
  {"a%3F", "a?", "", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, TRUE},
  {"a%3F", "ab", "", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, FALSE},
  {"x/a%2Fb", "x", "a/b", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, TRUE},
  {"*", "a/b,c%*?", "", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, TRUE},
  /* what needs no escape may have one; half an escape is text */
  {"%61lice", "alice", "", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, TRUE},
  {"J%C3%B6rg", "J\303\266rg", "", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, TRUE},
  {"J?rg", "J\303\266rg", "", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, TRUE},
  {"a%", "a", "", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, FALSE},
  {"a%2", "a", "", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, FALSE},
  {"a%zz", "a", "", LK_TRACK_VIDEO, LK_SOURCE_CAMERA, FALSE},
};

GST_START_TEST (test_patterns_match)
{
  LkPublication publication = make_publication (matches[__i__].identity, matches[__i__].name, matches[__i__].kind,
      matches[__i__].source);
  GstLiveKitPatterns *patterns = gst_livekit_patterns_new (matches[__i__].pattern);

  fail_unless_equals_int (gst_livekit_patterns_match (patterns, &publication), matches[__i__].matches);
  gst_livekit_patterns_free (patterns);
}

GST_END_TEST;

/* An escape may give any byte, also one that is no character and one that ends the string. */
GST_START_TEST (test_strange_escapes_match_nothing)
{
  static const gchar *const texts[] = { "%FF", "%ff%fe/*", "%00", "a%00b/camera", "\303", "%",
    "?:\377\377\367\377", "%F7%F7%F7/x", "\355\240\200/*"
  };
  LkPublication publication = make_publication ("alice", "front", LK_TRACK_VIDEO, LK_SOURCE_CAMERA);

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
    GstLiveKitPatterns *patterns = gst_livekit_patterns_new (texts[i]);

    fail_if (gst_livekit_patterns_match (patterns, &publication), "%s", texts[i]);
    gst_livekit_patterns_free (patterns);
  }
}

GST_END_TEST;

GST_START_TEST (test_many_patterns)
{
  GString *text = g_string_new ("zoe");
  LkPublication publication = make_publication ("alice", "front", LK_TRACK_VIDEO, LK_SOURCE_CAMERA);
  GstLiveKitPatterns *patterns;

  for (guint i = 0; i < 10000; i++)
    g_string_append_printf (text, ",user%u/*%u*", i, i);
  patterns = gst_livekit_patterns_new (text->str);
  fail_if (gst_livekit_patterns_match (patterns, &publication));
  gst_livekit_patterns_free (patterns);
  g_string_append (text, ",alice");
  patterns = gst_livekit_patterns_new (text->str);
  fail_unless (gst_livekit_patterns_match (patterns, &publication));
  gst_livekit_patterns_free (patterns);
  g_string_free (text, TRUE);
}

GST_END_TEST;

static const struct
{
  const gchar *identity, *name;
  LkTrackSource source;
  gboolean is_unique;
  const gchar *path;
} paths[] = {
  {"alice", "front", LK_SOURCE_CAMERA, TRUE, "alice/front"},
  {"alice", "front", LK_SOURCE_CAMERA, FALSE, "alice/camera"},
  {"alice", "", LK_SOURCE_SCREEN_SHARE, TRUE, "alice/screen-share"},
  {"alice", "front", LK_SOURCE_UNKNOWN, FALSE, "alice/TR_abc"},
  {"alice", "", LK_SOURCE_UNKNOWN, TRUE, "alice/TR_abc"},
  {"a/b", "100%, *?", LK_SOURCE_CAMERA, TRUE, "a%2Fb/100%25%2C %2A%3F"},
  {"J\303\266rg", "\360\237\216\245", LK_SOURCE_CAMERA, TRUE, "J\303\266rg/\360\237\216\245"},
};

/* And a path is a pattern that matches its own track. */
GST_START_TEST (test_path_of_a_publication)
{
  LkPublication publication = make_publication (paths[__i__].identity, paths[__i__].name, LK_TRACK_VIDEO,
      paths[__i__].source);
  g_autofree gchar *path = gst_livekit_pattern_of (&publication, paths[__i__].is_unique);
  GstLiveKitPatterns *patterns = gst_livekit_patterns_new (path);
  LkPublication other = make_publication ("somebody", "else", LK_TRACK_VIDEO, LK_SOURCE_UNKNOWN);

  fail_unless_equals_string (path, paths[__i__].path);
  fail_unless (gst_livekit_patterns_match (patterns, &publication));
  fail_if (gst_livekit_patterns_match (patterns, &other));
  gst_livekit_patterns_free (patterns);
}

GST_END_TEST;

static Suite *
pattern_suite (void)
{
  Suite *s = suite_create ("pattern");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_add_loop_test (tc, test_patterns_match, 0, G_N_ELEMENTS (matches));
  tcase_add_test (tc, test_strange_escapes_match_nothing);
  tcase_add_test (tc, test_many_patterns);
  tcase_add_loop_test (tc, test_path_of_a_publication, 0, G_N_ELEMENTS (paths));
  return s;
}

GST_CHECK_MAIN (pattern);
