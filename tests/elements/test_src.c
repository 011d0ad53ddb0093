/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* livekitsrc with a scripted server that sends no media: choice of tracks, messages, pads of muted tracks, and the
 * ends. */
#include <gst/check/gstcheck.h>
#include <string.h>

#include "elementfixture.h"

#define SUBSCRIPTION LIVEKIT__SIGNAL_REQUEST__MESSAGE_SUBSCRIPTION

static GstPad *
wait_pad (ElementFixture * f, const gchar * name)
{
  g_autoptr (GstPad) pad = NULL;

  element_wait_until ((pad = gst_element_get_static_pad (f->element, name)) != NULL);
  return g_steal_pointer (&pad);
}

static gboolean
has_pad (ElementFixture * f, const gchar * name)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (f->element, name);

  return pad != NULL;
}

/* --- what came on a pad --- */

typedef struct
{
  GMutex lock;
  GCond changed;
  guint n_gaps, n_eos, n_segments, n_caps;
  GstClockTime gap_end;
  gchar *stream_id;
  GstPad *sink;
} Watch;

static gboolean
on_watch_event (GstPad * pad, GstObject * parent, GstEvent * event)
{
  Watch *watch = gst_pad_get_element_private (pad);
  GstClockTime start, duration;
  const gchar *stream_id;

  g_mutex_lock (&watch->lock);
  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_GAP:
      gst_event_parse_gap (event, &start, &duration);
      fail_unless (watch->n_segments == 1 && watch->n_caps >= 1);
      /* Each goes on where the one before ended. */
      fail_unless (watch->n_gaps == 0 || start == watch->gap_end);
      watch->gap_end = start + duration;
      watch->n_gaps++;
      break;
    case GST_EVENT_STREAM_START:
      gst_event_parse_stream_start (event, &stream_id);
      g_free (watch->stream_id);
      watch->stream_id = g_strdup (stream_id);
      break;
    case GST_EVENT_EOS:
      watch->n_eos++;
      break;
    case GST_EVENT_SEGMENT:
      watch->n_segments++;
      break;
    case GST_EVENT_CAPS:
      watch->n_caps++;
      break;
    default:
      break;
  }
  g_cond_broadcast (&watch->changed);
  g_mutex_unlock (&watch->lock);
  gst_event_unref (event);
  return TRUE;
}

static Watch *
watch_new (GstPad * pad)
{
  Watch *watch = g_new0 (Watch, 1);

  g_mutex_init (&watch->lock);
  g_cond_init (&watch->changed);
  watch->sink = gst_object_ref_sink (gst_pad_new ("watch", GST_PAD_SINK));
  gst_pad_set_element_private (watch->sink, watch);
  gst_pad_set_event_function (watch->sink, on_watch_event);
  gst_pad_set_active (watch->sink, TRUE);
  fail_unless_equals_int (gst_pad_link_full (pad, watch->sink, GST_PAD_LINK_CHECK_NOTHING), GST_PAD_LINK_OK);
  return watch;
}

static void
watch_wait (Watch * watch, const guint * counter, guint n)
{
  gint64 deadline = g_get_monotonic_time () + ELEMENT_WAIT_MS * G_TIME_SPAN_MILLISECOND;

  g_mutex_lock (&watch->lock);
  while (*counter < n)
    fail_unless (g_cond_wait_until (&watch->changed, &watch->lock, deadline), "only %u of %u came", *counter, n);
  g_mutex_unlock (&watch->lock);
}

static void
watch_free (Watch * watch)
{
  g_autoptr (GstPad) peer = gst_pad_get_peer (watch->sink);

  if (peer)
    gst_pad_unlink (peer, watch->sink);
  gst_pad_set_active (watch->sink, FALSE);
  gst_object_unref (watch->sink);
  g_free (watch->stream_id);
  g_mutex_clear (&watch->lock);
  g_cond_clear (&watch->changed);
  g_free (watch);
}

/* --- states and queries --- */

GST_START_TEST (test_state_changes)
{
  ElementFixture *f = element_fixture_new ("livekitsrc");

  fake_server_freeze (f->server);
  fail_unless_equals_int (element_fixture_set_state (f, GST_STATE_READY), GST_STATE_CHANGE_SUCCESS);
  fail_unless_equals_int (element_fixture_set_state (f, GST_STATE_PAUSED), GST_STATE_CHANGE_NO_PREROLL);
  fail_unless_equals_int (element_fixture_set_state (f, GST_STATE_PLAYING), GST_STATE_CHANGE_SUCCESS);
  fail_unless_equals_int (element_fixture_set_state (f, GST_STATE_PAUSED), GST_STATE_CHANGE_NO_PREROLL);
  fail_unless_equals_int (element_fixture_set_state (f, GST_STATE_READY), GST_STATE_CHANGE_SUCCESS);
  fail_unless_equals_int (element_fixture_set_state (f, GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS);
  element_fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_queries)
{
  ElementFixture *f = element_fixture_new ("livekitsrc");
  g_autoptr (GstQuery) latency = gst_query_new_latency ();
  g_autoptr (GstQuery) scheduling = gst_query_new_scheduling ();
  g_autoptr (GstPad) pad = NULL;
  GstClockTime min, max;
  gboolean is_live;

  g_object_set (f->element, "latency", 250, "tracks", "*/audio", NULL);
  element_fill_room (f, TRUE);
  element_fixture_play (f);
  pad = wait_pad (f, "audio_0");
  fail_unless (gst_pad_query (pad, latency));
  gst_query_parse_latency (latency, &is_live, &min, &max);
  fail_unless (is_live);
  fail_unless (min == 250 * GST_MSECOND);
  fail_unless (max == GST_CLOCK_TIME_NONE);
  fail_unless (gst_pad_query (pad, scheduling));
  fail_unless (gst_query_has_scheduling_mode (scheduling, GST_PAD_MODE_PUSH));
  fail_if (gst_query_has_scheduling_mode (scheduling, GST_PAD_MODE_PULL));
  element_fixture_free (f);
}

GST_END_TEST;

/* --- choosing --- */

static const struct
{
  const gchar *tracks;
  gboolean camera, microphone, slides;
} choices[] = {
  {NULL, TRUE, TRUE, TRUE},
  {"*/video", TRUE, FALSE, TRUE},
  {"alice", TRUE, TRUE, FALSE},
  {"alice/camera,bob", TRUE, FALSE, TRUE},
  {"*/microphone", FALSE, TRUE, FALSE},
  {"*/TR_slides", FALSE, FALSE, TRUE},
  {"bob/slides", FALSE, FALSE, TRUE},
};

GST_START_TEST (test_patterns_choose)
{
  ElementFixture *f = element_fixture_new ("livekitsrc");
  guint n_wanted = choices[__i__].camera + choices[__i__].microphone + choices[__i__].slides;
  const Livekit__UpdateSubscription *subscription;

  g_object_set (f->element, "tracks", choices[__i__].tracks, NULL);
  element_fill_room (f, FALSE);
  element_fixture_play (f);
  subscription = element_fixture_request (f, SUBSCRIPTION, 0)->subscription;
  fail_unless (subscription->subscribe);
  fail_unless_equals_int (subscription->n_track_sids, n_wanted);
  fail_unless_equals_int (element_is_subscribed (f, "TR_cam"), choices[__i__].camera);
  fail_unless_equals_int (element_is_subscribed (f, "TR_mic"), choices[__i__].microphone);
  fail_unless_equals_int (element_is_subscribed (f, "TR_slides"), choices[__i__].slides);
  element_fixture_free (f);
}

GST_END_TEST;

/* Who comes later is looked at, too. */
GST_START_TEST (test_later_tracks)
{
  ElementFixture *f = element_fixture_new ("livekitsrc");

  g_object_set (f->element, "tracks", "*/camera", NULL);
  element_fixture_play (f);
  element_fixture_wait_progress (f, GST_PROGRESS_TYPE_COMPLETE, "connect");
  element_fill_room (f, FALSE);
  element_fixture_request (f, SUBSCRIPTION, 0);
  fail_unless (element_is_subscribed (f, "TR_cam"));
  gst_structure_free (element_fixture_wait_structure (f, "livekit-track", "sid", "TR_slides"));
  fail_if (element_is_subscribed (f, "TR_slides"));
  element_fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_choice_changes_while_playing)
{
  ElementFixture *f = element_fixture_new ("livekitsrc");

  g_object_set (f->element, "tracks", "alice", NULL);
  element_fill_room (f, FALSE);
  element_fixture_play (f);
  element_fixture_request (f, SUBSCRIPTION, 0);
  g_object_set (f->element, "tracks", "*/video", NULL);
  element_wait_until (element_is_subscribed (f, "TR_slides") && !element_is_subscribed (f, "TR_mic"));
  fail_unless (element_is_subscribed (f, "TR_cam"));
  g_object_set (f->element, "tracks", "nobody", NULL);
  element_wait_until (!element_is_subscribed (f, "TR_slides") && !element_is_subscribed (f, "TR_cam"));
  g_object_set (f->element, "tracks", NULL, NULL);
  element_wait_until (element_is_subscribed (f, "TR_slides") && element_is_subscribed (f, "TR_cam")
      && element_is_subscribed (f, "TR_mic"));
  element_fixture_free (f);
}

GST_END_TEST;

/* --- messages --- */

GST_START_TEST (test_participants_and_tracks_are_told)
{
  ElementFixture *f = element_fixture_new ("livekitsrc");
  g_autoptr (GstStructure) alice = NULL;
  g_autoptr (GstStructure) published = NULL;

  element_fill_room (f, FALSE);
  element_fixture_play (f);
  alice = element_fixture_wait_structure (f, "livekit-participant", "identity", "alice");
  fail_unless_equals_string (gst_structure_get_string (alice, "action"), "joined");
  fail_unless_equals_string (gst_structure_get_string (alice, "sid"), "PA_alice");
  fail_unless_equals_string (gst_structure_get_string (alice, "name"), "Alice");
  /* Muting is told of tracks that are subscribed to. */
  element_fixture_request (f, SUBSCRIPTION, 0);
  fake_server_mute_track (f->server, "PA_alice", "TR_cam", TRUE);
  gst_structure_free (element_fixture_wait_structure (f, "livekit-track", "action", "muted"));
  fake_server_mute_track (f->server, "PA_alice", "TR_cam", FALSE);
  gst_structure_free (element_fixture_wait_structure (f, "livekit-track", "action", "unmuted"));
  fake_server_remove_track (f->server, "PA_alice", "TR_cam");
  gst_structure_free (element_fixture_wait_structure (f, "livekit-track", "action", "unpublished"));
  fake_server_remove_participant (f->server, "PA_alice");
  gst_structure_free (element_fixture_wait_structure (f, "livekit-participant", "action", "left"));
  fake_server_add_participant (f->server, "PA_carol", "carol", "Carol");
  gst_structure_free (element_fixture_wait_structure (f, "livekit-participant", "identity", "carol"));
  fake_server_add_track (f->server, "PA_carol", "TR_new", LIVEKIT__TRACK_TYPE__AUDIO,
      LIVEKIT__TRACK_SOURCE__MICROPHONE, "voice", "audio/opus");
  published = element_fixture_wait_structure (f, "livekit-track", "sid", "TR_new");
  fail_unless_equals_string (gst_structure_get_string (published, "action"), "published");
  fail_unless_equals_string (gst_structure_get_string (published, "name"), "voice");
  fail_unless_equals_string (gst_structure_get_string (published, "source"), "microphone");
  fail_unless_equals_string (gst_structure_get_string (published, "kind"), "audio");
  fail_unless_equals_string (gst_structure_get_string (published, "mime-type"), "audio/opus");
  fail_unless_equals_string (gst_structure_get_string (published, "identity"), "carol");
  element_fixture_free (f);
}

GST_END_TEST;

static void
count_notify (GObject * object, GParamSpec * spec, gint * n)
{
  g_atomic_int_inc (n);
}

GST_START_TEST (test_room_info_and_state)
{
  ElementFixture *f = element_fixture_new ("livekitsrc");
  gint n_states = 0, n_infos = 0;
  g_autoptr (GstStructure) info = NULL;
  guint state;

  g_signal_connect (f->element, "notify::connection-state", G_CALLBACK (count_notify), &n_states);
  g_signal_connect (f->element, "notify::room-info", G_CALLBACK (count_notify), &n_infos);
  element_fixture_play (f);
  element_fixture_wait_state (f, "connecting");
  element_fixture_wait_progress (f, GST_PROGRESS_TYPE_COMPLETE, "connect");
  element_wait_until (g_atomic_int_get (&n_infos) >= 1);
  fail_unless_equals_int (g_atomic_int_get (&n_states), 1);
  g_object_get (f->element, "room-info", &info, "connection-state", &state, NULL);
  fail_unless_equals_int (state, 1);
  fail_unless_equals_string (gst_structure_get_string (info, "name"), "lab");
  fail_unless_equals_string (gst_structure_get_string (info, "sid"), "RM_lab");
  fail_unless_equals_string (gst_structure_get_string (info, "server-version"), "0.0.0-fake");
  fail_unless_equals_string (gst_structure_get_string (info, "server-region"), "test");
  fail_unless_equals_string (gst_structure_get_string (info, "participant-sid"), "PA_1");
  fail_unless (gst_structure_has_field_typed (info, "num-participants", G_TYPE_UINT));
  element_fixture_set_state (f, GST_STATE_NULL);
  fail_unless_equals_int (g_atomic_int_get (&n_states), 2);
  g_object_get (f->element, "connection-state", &state, NULL);
  fail_unless_equals_int (state, 0);
  element_fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_stats)
{
  ElementFixture *f = element_fixture_new ("livekitsrc");
  g_autoptr (GstStructure) before = NULL;
  g_autoptr (GstStructure) after = NULL;

  g_object_get (f->element, "stats", &before, NULL);
  fail_unless (before == NULL);
  element_fixture_play (f);
  element_fixture_wait_progress (f, GST_PROGRESS_TYPE_COMPLETE, "connect");
  element_wait_until (({
    g_clear_pointer (&after, gst_structure_free);
    g_object_get (f->element, "stats", &after, NULL);
    after != NULL && gst_structure_n_fields (after) > 0;
  }));
  element_fixture_free (f);
}

GST_END_TEST;

/* --- pads --- */

static void
on_no_more_pads (GstElement * element, gint * n)
{
  g_atomic_int_inc (n);
}

GST_START_TEST (test_muted_tracks_have_pads_with_gaps)
{
  ElementFixture *f = element_fixture_new ("livekitsrc");
  g_autoptr (GstPad) pad = NULL;
  g_autofree gchar *identity = NULL, *participant = NULL, *sid = NULL, *name = NULL;
  gboolean muted = FALSE;
  guint source;
  gint n_no_more_pads = 0;
  Watch *watch;

  g_signal_connect (f->element, "no-more-pads", G_CALLBACK (on_no_more_pads), &n_no_more_pads);
  g_object_set (f->element, "tracks", "alice", NULL);
  element_fill_room (f, TRUE);
  element_fixture_play (f);
  pad = wait_pad (f, "video_0");
  g_object_get (pad, "participant-identity", &identity, "participant-sid", &participant, "track-sid", &sid,
      "track-name", &name, "source", &source, "muted", &muted, NULL);
  fail_unless_equals_string (identity, "alice");
  fail_unless_equals_string (participant, "PA_alice");
  fail_unless_equals_string (sid, "TR_cam");
  fail_unless_equals_string (name, "front");
  fail_unless_equals_int (source, 1);
  fail_unless (muted);
  watch = watch_new (pad);
  watch_wait (watch, &watch->n_gaps, 3);
  fail_unless_equals_string (watch->stream_id, "lab/alice/front");
  element_wait_until (has_pad (f, "audio_0"));
  element_wait_until (g_atomic_int_get (&n_no_more_pads) == 1);
  fail_unless_equals_int (watch->n_eos, 0);
  watch_free (watch);
  element_fixture_free (f);
  fail_unless_equals_int (n_no_more_pads, 1);
}

GST_END_TEST;

/* An empty room may fill: whoever waits for pads there goes on waiting. */
GST_START_TEST (test_no_more_pads_waits_for_somebody)
{
  ElementFixture *f = element_fixture_new ("livekitsrc");
  gint n = 0;

  g_signal_connect (f->element, "no-more-pads", G_CALLBACK (on_no_more_pads), &n);
  element_fixture_play (f);
  element_fixture_wait_progress (f, GST_PROGRESS_TYPE_COMPLETE, "connect");
  /* Several ticks: each makes a snapshot of the statistics possible. */
  element_wait_until (({
    g_autoptr (GstStructure) stats = NULL;

    g_object_get (f->element, "stats", &stats, NULL);
    stats != NULL;
  }));
  fail_unless_equals_int (g_atomic_int_get (&n), 0);
  element_fill_room (f, TRUE);
  element_wait_until (g_atomic_int_get (&n) == 1);
  element_fixture_free (f);
}

GST_END_TEST;

/* EOS, then the pad goes; the same track again is the same pad name. */
GST_START_TEST (test_unpublish_ends_the_pad)
{
  ElementFixture *f = element_fixture_new ("livekitsrc");
  g_autoptr (GstPad) pad = NULL;
  g_autoptr (GstPad) again = NULL;
  Watch *watch;

  g_object_set (f->element, "tracks", "alice/camera", NULL);
  element_fill_room (f, TRUE);
  element_fixture_play (f);
  pad = wait_pad (f, "video_0");
  watch = watch_new (pad);
  fake_server_remove_track (f->server, "PA_alice", "TR_cam");
  watch_wait (watch, &watch->n_eos, 1);
  element_wait_until (!has_pad (f, "video_0"));
  watch_free (watch);
  fake_server_add_track (f->server, "PA_alice", "TR_cam2", LIVEKIT__TRACK_TYPE__VIDEO, LIVEKIT__TRACK_SOURCE__CAMERA,
      "front", "video/VP8");
  fake_server_mute_track (f->server, "PA_alice", "TR_cam2", TRUE);
  again = wait_pad (f, "video_0");
  watch = watch_new (again);
  watch_wait (watch, &watch->n_gaps, 1);
  fail_unless_equals_string (watch->stream_id, "lab/alice/front");
  watch_free (watch);
  element_fixture_free (f);
}

GST_END_TEST;

typedef struct
{
  GMutex lock;
  GCond changed;
  gchar *first;                 /* sid of the pad whose handler takes long */
  gboolean is_released;
  guint n_shown, n_slides;
} SlowHandler;

static void
on_pad_added_slowly (GstElement * element, GstPad * pad, SlowHandler * slow)
{
  g_autofree gchar *sid = NULL;

  g_object_get (pad, "track-sid", &sid, NULL);
  g_mutex_lock (&slow->lock);
  slow->n_shown++;
  slow->n_slides += g_str_has_prefix (sid, "TR_slides");
  if (slow->first == NULL)
    slow->first = g_steal_pointer (&sid);
  g_cond_broadcast (&slow->changed);
  while (!slow->is_released)
    g_cond_wait (&slow->changed, &slow->lock);
  g_mutex_unlock (&slow->lock);
}

static guint
n_streams (ElementFixture * f)
{
  g_autoptr (GstMessage) message = element_fixture_wait (f, GST_MESSAGE_STREAM_COLLECTION);
  g_autoptr (GstStreamCollection) collection = NULL;

  gst_message_parse_stream_collection (message, &collection);
  return gst_stream_collection_get_size (collection);
}

/* While an application is busy with a pad, the track of the next one goes, and comes back as another. */
GST_START_TEST (test_track_goes_before_its_pad_is_shown)
{
  ElementFixture *f = element_fixture_new ("livekitsrc");
  g_autoptr (GstPad) again = NULL;
  SlowHandler slow = { 0, };

  g_mutex_init (&slow.lock);
  g_cond_init (&slow.changed);
  g_object_set (f->element, "tracks", "alice/microphone,bob", NULL);
  g_signal_connect (f->element, "pad-added", G_CALLBACK (on_pad_added_slowly), &slow);
  fake_server_add_participant (f->server, "PA_alice", "alice", "Alice");
  fake_server_add_track (f->server, "PA_alice", "TR_mic", LIVEKIT__TRACK_TYPE__AUDIO, LIVEKIT__TRACK_SOURCE__MICROPHONE,
      "", "audio/opus");
  fake_server_mute_track (f->server, "PA_alice", "TR_mic", TRUE);
  element_fixture_play (f);
  g_mutex_lock (&slow.lock);
  while (slow.first == NULL)
    g_cond_wait (&slow.changed, &slow.lock);
  g_mutex_unlock (&slow.lock);
  fake_server_add_participant (f->server, "PA_bob", "bob", "Bob");
  for (guint i = 0; i < 10; i++) {
    g_autofree gchar *sid = g_strdup_printf ("TR_slides%u", i);

    fake_server_add_track (f->server, "PA_bob", sid, LIVEKIT__TRACK_TYPE__VIDEO, LIVEKIT__TRACK_SOURCE__SCREEN_SHARE,
        "slides", "video/VP8");
    fake_server_mute_track (f->server, "PA_bob", sid, TRUE);
    while (n_streams (f) < 2);
    fake_server_remove_track (f->server, "PA_bob", sid);
    while (n_streams (f) > 1);
  }
  fake_server_add_track (f->server, "PA_bob", "TR_again", LIVEKIT__TRACK_TYPE__VIDEO,
      LIVEKIT__TRACK_SOURCE__SCREEN_SHARE, "slides", "video/VP8");
  fake_server_mute_track (f->server, "PA_bob", "TR_again", TRUE);
  g_mutex_lock (&slow.lock);
  slow.is_released = TRUE;
  g_cond_broadcast (&slow.changed);
  g_mutex_unlock (&slow.lock);
  again = wait_pad (f, "video_0");
  element_fixture_free (f);
  fail_unless_equals_string (slow.first, "TR_mic");
  fail_unless_equals_int (slow.n_slides, 0);
  fail_unless_equals_int (slow.n_shown, 2);
  g_free (slow.first);
  g_mutex_clear (&slow.lock);
  g_cond_clear (&slow.changed);
}

GST_END_TEST;

/* As gst-launch-1.0 -e and Ctrl-C do. */
GST_START_TEST (test_eos_event_ends_all_pads)
{
  ElementFixture *f = element_fixture_new ("livekitsrc");
  g_autoptr (GstPad) video = NULL;
  g_autoptr (GstPad) audio = NULL;
  Watch *watches[2];

  g_object_set (f->element, "tracks", "alice", NULL);
  element_fill_room (f, TRUE);
  element_fixture_play (f);
  video = wait_pad (f, "video_0");
  audio = wait_pad (f, "audio_0");
  watches[0] = watch_new (video);
  watches[1] = watch_new (audio);
  fail_unless (gst_element_send_event (f->pipeline, gst_event_new_eos ()));
  for (guint i = 0; i < 2; i++) {
    watch_wait (watches[i], &watches[i]->n_eos, 1);
    fail_unless_equals_int (watches[i]->n_eos, 1);
  }
  element_fixture_set_state (f, GST_STATE_NULL);
  watch_free (watches[0]);
  watch_free (watches[1]);
  element_fixture_free (f);
}

GST_END_TEST;

/* A pad that nobody links holds up nobody. */
GST_START_TEST (test_unlinked_pads_stop_nothing)
{
  ElementFixture *f = element_fixture_new ("livekitsrc");
  g_autoptr (GstPad) pad = NULL;
  Watch *watch;

  element_fill_room (f, TRUE);
  element_fixture_play (f);
  pad = wait_pad (f, "audio_0");
  element_wait_until (has_pad (f, "video_0"));
  watch = watch_new (pad);
  watch_wait (watch, &watch->n_gaps, 3);
  watch_free (watch);
  element_fixture_free (f);
}

GST_END_TEST;

/* --- the end of the room --- */

static const struct
{
  Livekit__DisconnectReason reason;
  const gchar *error;           /* its reason, NULL = no error */
  GstResourceError code;
} ends[] = {
  {LIVEKIT__DISCONNECT_REASON__ROOM_DELETED, NULL, 0},
  {LIVEKIT__DISCONNECT_REASON__ROOM_CLOSED, NULL, 0},
  {LIVEKIT__DISCONNECT_REASON__PARTICIPANT_REMOVED, "removed", GST_RESOURCE_ERROR_CLOSE},
  {LIVEKIT__DISCONNECT_REASON__DUPLICATE_IDENTITY, "duplicate-identity", GST_RESOURCE_ERROR_BUSY},
};

/* Recordings finish in each case. */
GST_START_TEST (test_end_of_the_room)
{
  ElementFixture *f = element_fixture_new ("livekitsrc");
  g_autoptr (GstPad) pad = NULL;
  Watch *watch;

  g_object_set (f->element, "tracks", "alice/camera", NULL);
  element_fill_room (f, TRUE);
  element_fixture_play (f);
  pad = wait_pad (f, "video_0");
  watch = watch_new (pad);
  fake_server_push_leave (f->server, LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT, ends[__i__].reason);
  watch_wait (watch, &watch->n_eos, 1);
  if (ends[__i__].error)
    g_free (element_fixture_expect_error (f, GST_RESOURCE_ERROR, ends[__i__].code, ends[__i__].error));
  else
    element_fixture_wait_state (f, "failed");
  fail_unless_equals_int (fake_server_n_joins (f->server), 1);
  element_fixture_expect_no_more_errors (f);
  watch_free (watch);
  element_fixture_free (f);
}

GST_END_TEST;

/* With a sink behind every pad the pipeline itself ends. */
GST_START_TEST (test_pipeline_ends_with_the_room)
{
  ElementFixture *f = element_fixture_new ("livekitsrc");
  GstElement *sink = gst_element_factory_make ("fakesink", NULL);
  g_autoptr (GstPad) pad = NULL;
  g_autoptr (GstPad) sink_pad = NULL;

  g_object_set (sink, "async", FALSE, NULL);
  gst_bin_add (GST_BIN (f->pipeline), sink);
  g_object_set (f->element, "tracks", "alice/microphone", NULL);
  element_fill_room (f, TRUE);
  element_fixture_play (f);
  pad = wait_pad (f, "audio_0");
  sink_pad = gst_element_get_static_pad (sink, "sink");
  fail_unless_equals_int (gst_pad_link (pad, sink_pad), GST_PAD_LINK_OK);
  fake_server_push_leave (f->server, LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT,
      LIVEKIT__DISCONNECT_REASON__ROOM_DELETED);
  gst_message_unref (element_fixture_wait (f, GST_MESSAGE_EOS));
  element_fixture_free (f);
}

GST_END_TEST;

static Suite *
src_suite (void)
{
  Suite *s = element_suite_create ("src");
  TCase *states = tcase_create ("states"), *choice = tcase_create ("choice"), *messages = tcase_create ("messages");
  TCase *pads = tcase_create ("pads"), *end = tcase_create ("end");

  suite_add_tcase (s, states);
  tcase_add_test (states, test_state_changes);
  tcase_add_test (states, test_queries);
  suite_add_tcase (s, choice);
  tcase_add_loop_test (choice, test_patterns_choose, 0, G_N_ELEMENTS (choices));
  tcase_add_test (choice, test_later_tracks);
  tcase_add_test (choice, test_choice_changes_while_playing);
  suite_add_tcase (s, messages);
  tcase_add_test (messages, test_participants_and_tracks_are_told);
  tcase_add_test (messages, test_room_info_and_state);
  tcase_add_test (messages, test_stats);
  suite_add_tcase (s, pads);
  tcase_add_test (pads, test_muted_tracks_have_pads_with_gaps);
  tcase_add_test (pads, test_no_more_pads_waits_for_somebody);
  tcase_add_test (pads, test_unpublish_ends_the_pad);
  tcase_add_test (pads, test_track_goes_before_its_pad_is_shown);
  tcase_add_test (pads, test_eos_event_ends_all_pads);
  tcase_add_test (pads, test_unlinked_pads_stop_nothing);
  suite_add_tcase (s, end);
  tcase_add_loop_test (end, test_end_of_the_room, 0, G_N_ELEMENTS (ends));
  tcase_add_test (end, test_pipeline_ends_with_the_room);
  return s;
}

GST_CHECK_MAIN (src);
