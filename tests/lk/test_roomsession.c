/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkroom: what passes in a session: tracks of ours, messages, commands. */
#include <gst/check/gstcheck.h>

#include "roomworld.h"

static gint body_index;

/* ------------------------------------------------------------------------------------------------------------------ */
/* Publishing */

static void
add_track_fields (RoomWorld * f)
{
  static const LkLayer layers[] = { {320, 180, 100000, 0}, {1280, 720, 2000000, 2} };
  LkPublishRequest request = { NULL, };
  const Livekit__AddTrackRequest *add;

  reach_joined (f);
  request.cid = "v";
  request.name = "front";
  request.stream = "cams";
  request.mime_type = "video/H264";
  request.kind = LK_TRACK_VIDEO;
  request.source = LK_SOURCE_CAMERA;
  request.width = 1280;
  request.height = 720;
  request.layers = layers;
  request.n_layers = 2;
  lk_room_publish_in_loop (f->room, &request);
  add = SENT (0, ADD_TRACK)->add_track;
  fail_unless_equals_string (add->cid, "v");
  fail_unless_equals_string (add->name, "front");
  fail_unless_equals_string (add->stream, "cams");
  fail_unless_equals_int (add->type, LIVEKIT__TRACK_TYPE__VIDEO);
  fail_unless_equals_int (add->source, LIVEKIT__TRACK_SOURCE__CAMERA);
  fail_unless_equals_int (add->width, 1280);
  fail_unless_equals_int (add->height, 720);
  fail_unless_equals_int (add->n_layers, 2);
  fail_unless_equals_int (add->layers[1]->quality, LIVEKIT__VIDEO_QUALITY__HIGH);
  fail_unless_equals_int (add->layers[1]->bitrate, 2000000);
  fail_unless_equals_int (add->n_simulcast_codecs, 1);
  fail_unless_equals_string (add->simulcast_codecs[0]->codec, "h264");
  fail_unless_equals_string (add->simulcast_codecs[0]->cid, "v");
  fail_unless_equals_int (add->simulcast_codecs[0]->video_layer_mode,
      LIVEKIT__VIDEO_LAYER__MODE__ONE_SPATIAL_LAYER_PER_STREAM);
  fail_unless_equals_int (add->n_audio_features, 0);

  request.cid = "s";
  request.is_svc = TRUE;
  lk_room_publish_in_loop (f->room, &request);
  add = SENT (1, ADD_TRACK)->add_track;
  fail_unless_equals_int (add->simulcast_codecs[0]->video_layer_mode, LIVEKIT__VIDEO_LAYER__MODE__MODE_UNUSED);

  memset (&request, 0, sizeof (request));
  request.cid = "a";
  request.mime_type = "audio/opus";
  request.kind = LK_TRACK_AUDIO;
  request.source = LK_SOURCE_MICROPHONE;
  request.is_stereo = request.muted = TRUE;
  lk_room_publish_in_loop (f->room, &request);
  add = SENT (2, ADD_TRACK)->add_track;
  fail_unless_equals_int (add->type, LIVEKIT__TRACK_TYPE__AUDIO);
  fail_unless (add->muted);
  fail_unless (add->disable_red);
  fail_unless_equals_int (add->n_audio_features, 2);
  fail_unless_equals_int (add->audio_features[0], LIVEKIT__AUDIO_TRACK_FEATURE__TF_STEREO);
  fail_unless_equals_int (add->audio_features[1], LIVEKIT__AUDIO_TRACK_FEATURE__TF_NO_DTX);
  request.is_stereo = FALSE;
  request.has_red = request.has_dtx = TRUE;
  request.cid = "b";
  lk_room_publish_in_loop (f->room, &request);
  fail_unless_equals_int (SENT (3, ADD_TRACK)->add_track->n_audio_features, 0);
  fail_if (SENT (3, ADD_TRACK)->add_track->disable_red);
  leave_politely (f);
}

static void
thirty_tracks_wait_their_turn (RoomWorld * f)
{
  reach_joined (f);
  lk_room_transport_up_in_loop (f->room);
  for (guint i = 0; i < 30; i++) {
    g_autofree gchar *cid = g_strdup_printf ("c%u", i);

    publish (f, cid);
  }
  fail_unless_equals_int (n_sent (f), 20);
  lk_room_unpublish_in_loop (f->room, "c25");
  fail_unless_equals_int (n_sent (f), 20);
  lk_room_unpublish_in_loop (f->room, "c3");
  fail_unless_equals_int (n_sent (f), 21);
  for (guint i = 0; i < 30; i++) {
    g_autofree gchar *cid = g_strdup_printf ("c%u", i), *sid = g_strdup_printf ("TR_%u", i);
    g_autofree gchar *line = g_strdup_printf ("published %s %s me", cid, sid);

    say_published (f, cid, sid);
    if (i != 25 && i != 3)
      expect (f, line);
  }
  expect_nothing (f);
  fail_unless_equals_int (n_sent (f), 29);
  fail_unless_equals_string (SENT (28, ADD_TRACK)->add_track->cid, "c29");
  advance (f, 60000);
  leave_politely (f);
}

static void
refused_tracks (RoomWorld * f)
{
  reach_joined (f);
  lk_room_transport_up_in_loop (f->room);
  publish (f, "a");
  publish (f, "b");
  publish (f, "c");
  publish (f, "d");
  say_refused_track (f, "a", LIVEKIT__REQUEST_RESPONSE__REASON__NOT_ALLOWED);
  expect (f, "publish-failed a: permission");
  say_refused_track (f, "b", LIVEKIT__REQUEST_RESPONSE__REASON__UNSUPPORTED_TYPE);
  expect (f, "publish-failed b: publish");
  say_refused_track (f, "c", LIVEKIT__REQUEST_RESPONSE__REASON__QUEUED);
  say_refused_track (f, "d", LIVEKIT__REQUEST_RESPONSE__REASON__OK);
  say_refused_track (f, "unknown", LIVEKIT__REQUEST_RESPONSE__REASON__NOT_ALLOWED);
  expect_nothing (f);
  advance (f, 9999);
  expect_nothing (f);
  advance (f, 1);
  expect (f, "publish-failed c: publish");
  expect (f, "publish-failed d: publish");
  say_published (f, "c", "TR_late");
  expect_nothing (f);
  leave_politely (f);
}

/* Until media of the tracks before has come, the server counts them. */
static void
too_many_pending_tracks (RoomWorld * f)
{
  reach_joined (f);
  lk_room_transport_up_in_loop (f->room);
  publish (f, "a");
  say_refused_track (f, "a", LIVEKIT__REQUEST_RESPONSE__REASON__LIMIT_EXCEEDED);
  publish (f, "b");
  fail_unless_equals_int (n_sent (f), 1);
  advance (f, 499);
  fail_unless_equals_int (n_sent (f), 1);
  advance (f, 1);
  fail_unless_equals_int (n_sent (f), 3);
  say_published (f, "a", "TR_a");
  expect (f, "published a TR_a me");
  for (guint i = 0; i < 19; i++) {
    say_refused_track (f, "b", LIVEKIT__REQUEST_RESPONSE__REASON__LIMIT_EXCEEDED);
    advance (f, 500);
    expect_nothing (f);
  }
  say_refused_track (f, "b", LIVEKIT__REQUEST_RESPONSE__REASON__LIMIT_EXCEEDED);
  advance (f, 500);
  expect (f, "publish-failed b: publish");
  leave_politely (f);
}

static void
publishing_over_a_resume (RoomWorld * f)
{
  reach_joined (f);
  lk_room_transport_up_in_loop (f->room);
  publish (f, "lost");
  publish (f, "done");
  advance (f, 9000);
  say_closed (f, LK_ERROR_CONNECT, 0);
  expect (f, "resuming #1 in 0: connect");
  publish (f, "new");
  lk_room_unpublish_in_loop (f->room, "done");
  advance (f, 5000);
  resume_on (f);
  SENT (0, SYNC_STATE);
  fail_unless_equals_string (SENT (1, ADD_TRACK)->add_track->cid, "lost");
  fail_unless_equals_string (SENT (2, ADD_TRACK)->add_track->cid, "new");
  fail_unless_equals_int (n_sent (f), 3);
  say_refused_track (f, "lost", LIVEKIT__REQUEST_RESPONSE__REASON__QUEUED);
  expect (f, "publish-failed lost: cancelled");
  say_refused_track (f, "new", LIVEKIT__REQUEST_RESPONSE__REASON__QUEUED);
  expect_nothing (f);
  advance (f, 10000);
  expect (f, "publish-failed new: publish");
  leave_politely (f);
}

static void
unpublished_by_the_server (RoomWorld * f)
{
  Livekit__TrackUnpublishedResponse track_unpublished = LIVEKIT__TRACK_UNPUBLISHED_RESPONSE__INIT;
  RESPONSE (response, TRACK_UNPUBLISHED, track_unpublished);

  reach_joined (f);
  lk_room_transport_up_in_loop (f->room);
  publish (f, "a");
  say_published (f, "a", "TR_a");
  expect (f, "published a TR_a me");
  track_unpublished.track_sid = (gchar *) "TR_a";
  say (f, &response);
  expect (f, "unpublished TR_a");
  advance (f, 1000);
  say_closed (f, LK_ERROR_CONNECT, 0);
  expect (f, "resuming #1 in 0: connect");
  advance (f, 0);
  resume_on (f);
  fail_unless_equals_int (SENT (0, SYNC_STATE)->sync_state->n_publish_tracks, 0);
  leave_politely (f);
}

static const Body publish_bodies[] = { add_track_fields, thirty_tracks_wait_their_turn, refused_tracks,
  too_many_pending_tracks, publishing_over_a_resume, unpublished_by_the_server
};

GST_START_TEST (test_publishing)
{
  run (publish_bodies[__i__]);
}

GST_END_TEST;

/* ------------------------------------------------------------------------------------------------------------------ */
/* Messages and commands of a session */

static void
message_is_passed_on (RoomWorld * f)
{
  reach_steady (f);
  room_messages[body_index].say (f);
  if (room_messages[body_index].line != NULL)
    expect (f, room_messages[body_index].line);
  if (room_messages[body_index].second != NULL)
    expect (f, room_messages[body_index].second);
  expect_nothing (f);
  leave_politely (f);
}

GST_START_TEST (test_messages)
{
  body_index = __i__;
  run (message_is_passed_on);
}

GST_END_TEST;

static void
commands_are_sent (RoomWorld * f)
{
  const LkTrackSettings settings = { FALSE, 7, 640, 360, 15 };
  g_autoptr (GHashTable) attributes = g_hash_table_new (g_str_hash, g_str_equal);
  const gchar *sids[] = { "TR_a", "TR_b" };

  reach_steady (f);
  lk_room_set_track_muted_in_loop (f->room, "TR_1", TRUE);
  fail_unless (SENT (0, MUTE)->mute->muted);
  lk_room_update_video_track_in_loop (f->room, "TR_1", 320, 240);
  fail_unless_equals_int (SENT (1, UPDATE_VIDEO_TRACK)->update_video_track->height, 240);
  lk_room_subscribe_in_loop (f->room, sids, 2, TRUE);
  fail_unless_equals_string (SENT (2, SUBSCRIPTION)->subscription->track_sids[1], "TR_b");
  fail_unless (SENT (2, SUBSCRIPTION)->subscription->subscribe);
  lk_room_subscribe_in_loop (f->room, sids, 1, FALSE);
  fail_if (SENT (3, SUBSCRIPTION)->subscription->subscribe);
  lk_room_set_track_settings_in_loop (f->room, "TR_a", &settings);
  fail_unless_equals_int (SENT (4, TRACK_SETTING)->track_setting->quality, LIVEKIT__VIDEO_QUALITY__HIGH);
  fail_unless_equals_int (SENT (4, TRACK_SETTING)->track_setting->fps, 15);
  lk_room_send_candidate_in_loop (f->room, LK_TARGET_SUBSCRIBER, "candidate:7", "1", 1);
  fail_unless_equals_int (SENT (5, TRICKLE)->trickle->target, LIVEKIT__SIGNAL_TARGET__SUBSCRIBER);
  fail_unless (strstr (SENT (5, TRICKLE)->trickle->candidateinit, "candidate:7") != NULL);
  lk_room_send_answer_in_loop (f->room, "sdp", 12);
  fail_unless_equals_int (SENT (6, ANSWER)->answer->id, 12);
  fail_unless_equals_string (SENT (6, ANSWER)->answer->type, "answer");
  g_hash_table_insert (attributes, (gchar *) "k", (gchar *) "v");
  lk_room_update_participant_in_loop (f->room, "New", NULL, attributes);
  fail_unless_equals_string (SENT (7, UPDATE_METADATA)->update_metadata->name, "New");
  fail_unless_equals_string (SENT (7, UPDATE_METADATA)->update_metadata->metadata, "");
  fail_unless_equals_string (SENT (7, UPDATE_METADATA)->update_metadata->attributes[0]->key, "k");
  fail_unless_equals_int (n_sent (f), 8);
  leave_politely (f);
}

GST_START_TEST (test_commands)
{
  run (commands_are_sent);
}

GST_END_TEST;

static Suite *
roomsession_suite (void)
{
  Suite *s = suite_create ("lkroomsession");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_set_timeout (tc, 60);
  tcase_add_loop_test (tc, test_publishing, 0, G_N_ELEMENTS (publish_bodies));
  tcase_add_loop_test (tc, test_messages, 0, n_room_messages);
  tcase_add_test (tc, test_commands);
  return s;
}

GST_CHECK_MAIN (roomsession);
