/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of gstlivekitstreams: what a track is called stays with it, without growing for ever. */

#include <gst/check/gstcheck.h>

#include "gstlivekitstreams.h"

/* More than are kept. */
#define MANY 6000

/* As a camera that "identity" publishes as "name"; the texts are the caller's. */
static LkPublication
camera_of (gchar * sid, gchar * identity, gchar * name)
{
  return (LkPublication) {
    .sid = sid,.name = name,.mime_type = (gchar *) "video/VP8",.stream = (gchar *) "",.kind = LK_TRACK_VIDEO,.source =
        LK_SOURCE_CAMERA,.participant_sid = (gchar *) "PA",.participant_identity = identity,.participant_name =
        (gchar *) ""};
}

static void
show (GstLiveKitStreams * streams, LkPublication * publication, LkPublication * other)
{
  g_autoptr (GPtrArray) publications = g_ptr_array_new ();

  if (publication)
    g_ptr_array_add (publications, publication);
  if (other)
    g_ptr_array_add (publications, other);
  gst_livekit_streams_update (streams, "lab", publications);
}

static gchar *
pad_name (GstLiveKitStreams * streams, const gchar * sid)
{
  GstLiveKitStreamSlot *slot = gst_livekit_streams_find (streams, sid);

  return slot ? g_strdup (slot->pad_name) : NULL;
}

/* Tracks come and go, one after the other, while one stays. */
static void
pass_by (GstLiveKitStreams * streams, LkPublication * stays, guint from, guint to)
{
  for (guint i = from; i < to; i++) {
    g_autofree gchar *sid = g_strdup_printf ("TR_%u", i), *identity = g_strdup_printf ("visitor-%u", i);
    g_autofree gchar *name = NULL, *wanted = g_strdup_printf ("video_%u", i);
    LkPublication visitor = camera_of (sid, identity, (gchar *) "");

    show (streams, stays, &visitor);
    name = pad_name (streams, sid);
    fail_unless_equals_string (name, wanted);
    show (streams, stays, NULL);
  }
}

static gchar *
name_of_returning (GstLiveKitStreams * streams, LkPublication * stays, guint number)
{
  g_autofree gchar *identity = g_strdup_printf ("visitor-%u", number);
  LkPublication visitor = camera_of ((gchar *) "TR_again", identity, (gchar *) "");
  gchar *name;

  show (streams, stays, &visitor);
  name = pad_name (streams, "TR_again");
  show (streams, stays, NULL);
  return name;
}

GST_START_TEST (test_names_stay)
{
  GstLiveKitStreams *streams = gst_livekit_streams_new ();
  LkPublication alice = camera_of ((gchar *) "TR_alice", (gchar *) "alice", (gchar *) "front");

  show (streams, &alice, NULL);
  pass_by (streams, &alice, 1, 1000);
  for (guint i = 1; i < 1000; i++) {
    g_autofree gchar *name = name_of_returning (streams, &alice, i), *wanted = g_strdup_printf ("video_%u", i);

    fail_unless_equals_string (name, wanted);
  }
  gst_livekit_streams_free (streams);
}

GST_END_TEST;

/* Who has been gone for longest is forgotten; who is there is not, and no number is given twice. */
GST_START_TEST (test_oldest_is_forgotten)
{
  GstLiveKitStreams *streams = gst_livekit_streams_new ();
  LkPublication alice = camera_of ((gchar *) "TR_alice", (gchar *) "alice", (gchar *) "front");
  g_autofree gchar *staying = NULL, *newest = NULL, *returning = NULL, *forgotten = NULL;
  GList *chosen = g_list_append (NULL, (gpointer) "lab/visitor-1/camera");

  show (streams, &alice, NULL);
  pass_by (streams, &alice, 1, 3);
  /* Who comes again is not the one that has been gone for longest any more. */
  pass_by (streams, &alice, 3, 4000);
  returning = name_of_returning (streams, &alice, 2);
  fail_unless_equals_string (returning, "video_2");
  pass_by (streams, &alice, 4000, MANY);
  staying = pad_name (streams, "TR_alice");
  fail_unless_equals_string (staying, "video_0");
  newest = name_of_returning (streams, &alice, MANY - 1);
  fail_unless_equals_string (newest, "video_5999");
  g_clear_pointer (&returning, g_free);
  returning = name_of_returning (streams, &alice, 2);
  fail_unless_equals_string (returning, "video_2");
  gst_livekit_streams_select (streams, chosen);
  forgotten = name_of_returning (streams, &alice, 1);
  fail_unless_equals_string (forgotten, "video_6000");
  g_list_free (chosen);
  gst_livekit_streams_free (streams);
}

GST_END_TEST;

static GstLiveKitChoice
choice_of (GstLiveKitStreams * streams, const gchar * sid)
{
  return gst_livekit_streams_find (streams, sid)->settings.enabled;
}

/* What is chosen counts for those who are not there just now, too. */
GST_START_TEST (test_choice_while_away)
{
  GstLiveKitStreams *streams = gst_livekit_streams_new ();
  LkPublication alice = camera_of ((gchar *) "TR_alice", (gchar *) "alice", (gchar *) "front");
  LkPublication bob = camera_of ((gchar *) "TR_bob", (gchar *) "bob", (gchar *) "front");
  GList *both = g_list_append (NULL, (gpointer) "lab/alice/front"), *one = g_list_append (NULL, both->data);

  both = g_list_append (both, (gpointer) "lab/bob/front");
  show (streams, &alice, &bob);
  gst_livekit_streams_select (streams, both);
  fail_unless_equals_int (choice_of (streams, "TR_bob"), GST_LIVEKIT_CHOICE_ON);
  show (streams, &alice, NULL);
  gst_livekit_streams_select (streams, one);
  show (streams, &alice, &bob);
  fail_unless_equals_int (choice_of (streams, "TR_alice"), GST_LIVEKIT_CHOICE_ON);
  fail_unless_equals_int (choice_of (streams, "TR_bob"), GST_LIVEKIT_CHOICE_OFF);
  show (streams, &alice, NULL);
  gst_livekit_streams_select (streams, both);
  show (streams, &alice, &bob);
  fail_unless_equals_int (choice_of (streams, "TR_bob"), GST_LIVEKIT_CHOICE_ON);
  g_list_free (one);
  g_list_free (both);
  gst_livekit_streams_free (streams);
}

GST_END_TEST;

static Suite *
streams_suite (void)
{
  Suite *suite = suite_create ("streams");
  TCase *tcase = tcase_create ("names");

  tcase_add_test (tcase, test_names_stay);
  tcase_add_test (tcase, test_oldest_is_forgotten);
  tcase_add_test (tcase, test_choice_while_away);
  suite_add_tcase (suite, tcase);
  return suite;
}

GST_CHECK_MAIN (streams);
