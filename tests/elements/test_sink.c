/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* livekitsink with a scripted server: pads and what is announced for them, mute, EOS in every order, the gate. */
#include <gst/check/gstcheck.h>
#include <string.h>

#include "elementfixture.h"
#include "fakemessages.h"

#define ADD_TRACK LIVEKIT__SIGNAL_REQUEST__MESSAGE_ADD_TRACK
#define MUTE LIVEKIT__SIGNAL_REQUEST__MESSAGE_MUTE
#define OFFER LIVEKIT__SIGNAL_REQUEST__MESSAGE_OFFER
/* T21 */
#define EOS_LIMIT_US (3 * G_USEC_PER_SEC)
/* The server takes no more that it has not answered. */
#define MAX_PENDING 20

static void
wait_sid (ElementFeeder * feeder, gboolean is_published)
{
  element_wait_until (({
    g_autofree gchar *sid = NULL;

    g_object_get (feeder->sink, "track-sid", &sid, NULL);
    (sid != NULL) == is_published;
  }));
}

/* --- pads --- */

GST_START_TEST (test_pad_names)
{
  g_autoptr (GstElement) sink = gst_object_ref_sink (gst_element_factory_make ("livekitsink", NULL));
  static const gchar *const wanted[] = { "video_%u", "video_%u", "audio_%u", "video_7", "video_%u", "audio_%u" };
  static const gchar *const names[] = { "video_0", "video_1", "audio_0", "video_7", "video_8", "audio_1" };

  for (guint i = 0; i < G_N_ELEMENTS (wanted); i++) {
    g_autoptr (GstPad) pad = gst_element_request_pad_simple (sink, wanted[i]);

    fail_unless (pad != NULL);
    fail_unless_equals_string (GST_OBJECT_NAME (pad), names[i]);
  }
  fail_unless_equals_int (sink->numsinkpads, G_N_ELEMENTS (wanted));
  while (sink->sinkpads)
    gst_element_release_request_pad (sink, sink->sinkpads->data);
  fail_unless_equals_int (sink->numsinkpads, 0);
}

GST_END_TEST;

static void
check_request (const Livekit__AddTrackRequest * request, const gchar * name, Livekit__TrackType type,
    Livekit__TrackSource source, guint width, guint height)
{
  fail_unless_equals_string (request->name, name);
  fail_unless_equals_int (request->type, type);
  fail_unless_equals_int (request->source, source);
  fail_unless_equals_int (request->width, width);
  fail_unless_equals_int (request->height, height);
  fail_unless (strlen (request->cid) > 0);
}

/* Name, source, size, codec, mute and stream as the pad's properties and caps say. */
GST_START_TEST (test_tracks_are_announced)
{
  ElementFixture *f = element_fixture_new ("livekitsink");
  ElementFeeder *video = element_feeder_new (f, "video_%u", NULL, TRUE);
  ElementFeeder *audio, *mono;
  const Livekit__AddTrackRequest *request;

  g_object_set (video->sink, "track-name", "front", "source", 3, "stream-name", "desk", "muted", TRUE, "bitrate",
      800000, NULL);
  element_fixture_play (f);
  element_feeder_start (video);
  element_feeder_set_caps (video, H264_CAPS);
  request = element_fixture_request (f, ADD_TRACK, 0)->add_track;
  check_request (request, "front", LIVEKIT__TRACK_TYPE__VIDEO, LIVEKIT__TRACK_SOURCE__SCREEN_SHARE, 640, 480);
  fail_unless (request->muted);
  fail_unless_equals_string (request->stream, "desk");
  fail_unless_equals_int (request->n_simulcast_codecs, 1);
  fail_unless (g_ascii_strcasecmp (request->simulcast_codecs[0]->codec, "h264") == 0
      || g_ascii_strcasecmp (request->simulcast_codecs[0]->codec, "video/h264") == 0);
  fail_unless_equals_string (request->simulcast_codecs[0]->cid, request->cid);
  fail_unless_equals_int (request->n_layers, 1);
  fail_unless_equals_int (request->layers[0]->bitrate, 800000);
  wait_sid (video, TRUE);

  audio = element_feeder_new (f, "audio_%u", OPUS_CAPS, TRUE);
  request = element_fixture_request (f, ADD_TRACK, 1)->add_track;
  check_request (request, "audio_0", LIVEKIT__TRACK_TYPE__AUDIO, LIVEKIT__TRACK_SOURCE__MICROPHONE, 0, 0);
  fail_if (request->muted);
  /* Stereo, and without dtx. */
  fail_unless_equals_int (request->n_audio_features, 2);
  fail_unless_equals_int (request->audio_features[0], LIVEKIT__AUDIO_TRACK_FEATURE__TF_STEREO);
  fail_unless_equals_int (request->audio_features[1], LIVEKIT__AUDIO_TRACK_FEATURE__TF_NO_DTX);
  mono = element_feeder_new (f, "audio_%u", NULL, TRUE);
  g_object_set (mono->sink, "dtx", TRUE, NULL);
  element_feeder_start (mono);
  element_feeder_set_caps (mono, "audio/x-opus, rate=(int)48000, channels=(int)1, channel-mapping-family=(int)0");
  fail_unless_equals_int (element_fixture_request (f, ADD_TRACK, 2)->add_track->n_audio_features, 0);
  element_feeder_free (video);
  element_feeder_free (audio);
  element_feeder_free (mono);
  element_fixture_free (f);
}

GST_END_TEST;

/* Pads that were there before, and one that comes and goes while playing. */
GST_START_TEST (test_pads_come_and_go)
{
  ElementFixture *f = element_fixture_new ("livekitsink");
  ElementFeeder *steady = element_feeder_new (f, "video_%u", NULL, TRUE), *guest;
  guint n_offers;

  element_fixture_play (f);
  element_feeder_start (steady);
  element_feeder_set_caps (steady, VP8_CAPS);
  wait_sid (steady, TRUE);
  element_fixture_request (f, OFFER, 0);
  for (guint i = 0; i < 5; i++) {
    guest = element_feeder_new (f, "video_%u", VP8_CAPS, TRUE);
    fail_unless_equals_string (element_fixture_request (f, ADD_TRACK, 1 + i)->add_track->name,
        GST_OBJECT_NAME (guest->sink));
    wait_sid (guest, TRUE);
    fail_unless_equals_int (element_feeder_push (guest), GST_FLOW_OK);
    element_feeder_free (guest);
  }
  n_offers = fake_server_n_requests (f->server, OFFER);
  fail_unless (n_offers >= 1);
  wait_sid (steady, TRUE);
  element_feeder_free (steady);
  element_fixture_expect_none (f, GST_MESSAGE_EOS);
  element_fixture_free (f);
}

GST_END_TEST;

/* Requested, and released before anything is known of it. */
GST_START_TEST (test_pad_without_caps)
{
  ElementFixture *f = element_fixture_new ("livekitsink");
  ElementFeeder *feeder = element_feeder_new (f, "video_%u", NULL, TRUE), *other;

  element_fixture_play (f);
  element_feeder_free (feeder);
  feeder = element_feeder_new (f, "audio_%u", NULL, TRUE);
  other = element_feeder_new (f, "audio_%u", OPUS_CAPS, TRUE);
  fail_unless_equals_string (element_fixture_request (f, ADD_TRACK, 0)->add_track->name, "audio_1");
  element_feeder_free (feeder);
  element_feeder_free (other);
  element_fixture_free (f);
}

GST_END_TEST;

typedef struct
{
  GMutex lock;
  GPtrArray *requests;          /* Livekit__AddTrackRequest, of the server */
  guint n_answered, n_pending_max;
} Pending;

/* Keeps what is announced to itself. */
static gboolean
withhold (FakeServer * server, const Livekit__SignalRequest * request, gpointer data)
{
  Pending *pending = data;

  if (request->message_case != ADD_TRACK)
    return FALSE;
  g_mutex_lock (&pending->lock);
  g_ptr_array_add (pending->requests, request->add_track);
  pending->n_pending_max = MAX (pending->n_pending_max, pending->requests->len - pending->n_answered);
  g_mutex_unlock (&pending->lock);
  return TRUE;
}

static void
answer_one (FakeServer * server, Pending * pending)
{
  Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
  Livekit__TrackPublishedResponse published = LIVEKIT__TRACK_PUBLISHED_RESPONSE__INIT;
  g_autofree gchar *sid = g_strdup_printf ("TR_late%u", pending->n_answered);
  Livekit__AddTrackRequest *request;

  g_mutex_lock (&pending->lock);
  request = g_ptr_array_index (pending->requests, pending->n_answered++);
  g_mutex_unlock (&pending->lock);
  published.cid = request->cid;
  published.track = fake_track_new_from_request (sid, request);
  response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_TRACK_PUBLISHED;
  response.track_published = &published;
  fake_server_push (server, &response);
  livekit__track_info__free_unpacked (published.track, NULL);
}

GST_START_TEST (test_many_pads_queue)
{
  enum
  { N_PADS = 30 };
  ElementFixture *f = element_fixture_new ("livekitsink");
  ElementFeeder *feeders[N_PADS];
  Pending pending = {.requests = g_ptr_array_new () };

  g_mutex_init (&pending.lock);
  fake_server_set_handler (f->server, withhold, &pending);
  for (guint i = 0; i < N_PADS; i++)
    feeders[i] = element_feeder_new (f, i % 3 ? "video_%u" : "audio_%u", NULL, TRUE);
  element_fixture_play (f);
  for (guint i = 0; i < N_PADS; i++) {
    element_feeder_start (feeders[i]);
    element_feeder_set_caps (feeders[i], i % 3 ? VP8_CAPS : OPUS_CAPS);
  }
  element_fixture_request (f, ADD_TRACK, MAX_PENDING - 1);
  for (guint i = 0; i < N_PADS; i++) {
    element_fixture_request (f, ADD_TRACK, i);
    /* Counted on the server's thread right after it is seen. */
    element_wait_until (pending.requests->len > i);
    answer_one (f->server, &pending);
  }
  for (guint i = 0; i < N_PADS; i++)
    wait_sid (feeders[i], TRUE);
  fail_unless (pending.n_pending_max <= MAX_PENDING, "%u at once", pending.n_pending_max);
  fail_unless_equals_int (fake_server_n_requests (f->server, ADD_TRACK), N_PADS);
  fake_server_set_handler (f->server, NULL, NULL);
  for (guint i = 0; i < N_PADS; i++)
    element_feeder_free (feeders[i]);
  element_fixture_free (f);
  g_ptr_array_unref (pending.requests);
  g_mutex_clear (&pending.lock);
}

GST_END_TEST;

/* --- mute --- */

GST_START_TEST (test_mute_is_told)
{
  ElementFixture *f = element_fixture_new ("livekitsink");
  ElementFeeder *feeder = element_feeder_new (f, "audio_%u", NULL, TRUE);
  const Livekit__MuteTrackRequest *request;

  element_fixture_play (f);
  element_feeder_start (feeder);
  element_feeder_set_caps (feeder, OPUS_CAPS);
  wait_sid (feeder, TRUE);
  g_object_set (feeder->sink, "muted", TRUE, NULL);
  request = element_fixture_request (f, MUTE, 0)->mute;
  fail_unless_equals_string (request->sid, "TR_1");
  fail_unless (request->muted);
  g_object_set (feeder->sink, "muted", FALSE, NULL);
  fail_if (element_fixture_request (f, MUTE, 1)->mute->muted);
  element_feeder_free (feeder);
  element_fixture_free (f);
}

GST_END_TEST;

static void
push_mute (FakeServer * server, gboolean muted)
{
  Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
  Livekit__MuteTrackRequest mute = LIVEKIT__MUTE_TRACK_REQUEST__INIT;

  mute.sid = (char *) "TR_1";
  mute.muted = muted;
  response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_MUTE;
  response.mute = &mute;
  fake_server_push (server, &response);
}

static void
count_notify (GObject * object, GParamSpec * spec, gint * n)
{
  g_atomic_int_inc (n);
}

/* By an administrator: the property follows, is notified, and is confirmed to the server. */
GST_START_TEST (test_server_mutes)
{
  ElementFixture *f = element_fixture_new ("livekitsink");
  ElementFeeder *feeder = element_feeder_new (f, "audio_%u", NULL, TRUE);
  gint n_notified = 0;
  gboolean muted;

  g_signal_connect (feeder->sink, "notify::muted", G_CALLBACK (count_notify), &n_notified);
  element_fixture_play (f);
  element_feeder_start (feeder);
  element_feeder_set_caps (feeder, OPUS_CAPS);
  wait_sid (feeder, TRUE);
  push_mute (f->server, TRUE);
  fail_unless (element_fixture_request (f, MUTE, 0)->mute->muted);
  element_wait_until (g_atomic_int_get (&n_notified) == 1);
  g_object_get (feeder->sink, "muted", &muted, NULL);
  fail_unless (muted);
  push_mute (f->server, FALSE);
  fail_if (element_fixture_request (f, MUTE, 1)->mute->muted);
  element_wait_until (g_atomic_int_get (&n_notified) == 2);
  g_object_get (feeder->sink, "muted", &muted, NULL);
  fail_if (muted);
  element_feeder_free (feeder);
  element_fixture_free (f);
}

GST_END_TEST;

/* --- EOS --- */

enum
{ N_EOS_PADS = 3 };

typedef struct
{
  ElementFixture *f;
  ElementFeeder *feeders[N_EOS_PADS];
} Trio;

static Trio
trio_new (gboolean with_caps)
{
  Trio t = {.f = element_fixture_new ("livekitsink") };

  for (guint i = 0; i < N_EOS_PADS; i++)
    t.feeders[i] = element_feeder_new (t.f, i == 2 ? "audio_%u" : "video_%u", NULL, TRUE);
  element_fixture_set_state (t.f, GST_STATE_PLAYING);
  for (guint i = 0; i < N_EOS_PADS; i++) {
    element_feeder_start (t.feeders[i]);
    if (with_caps)
      element_feeder_set_caps (t.feeders[i], i == 2 ? OPUS_CAPS : VP8_CAPS);
  }
  return t;
}

static void
trio_free (Trio * t)
{
  for (guint i = 0; i < N_EOS_PADS; i++)
    element_feeder_free (t->feeders[i]);
  element_fixture_free (t->f);
}

static void
push_eos (ElementFeeder * feeder)
{
  fail_unless (gst_pad_push_event (feeder->src, gst_event_new_eos ()));
}

static void
wait_eos (ElementFixture * f)
{
  gint64 start = g_get_monotonic_time ();

  gst_message_unref (element_fixture_wait (f, GST_MESSAGE_EOS));
  fail_unless (g_get_monotonic_time () - start < EOS_LIMIT_US);
}

/* A track that ends is unpublished at once; the element ends with the last one. */
GST_START_TEST (test_eos_one_by_one)
{
  Trio t = trio_new (TRUE);

  for (guint i = 0; i < N_EOS_PADS; i++)
    wait_sid (t.feeders[i], TRUE);
  push_eos (t.feeders[1]);
  wait_sid (t.feeders[1], FALSE);
  push_eos (t.feeders[0]);
  wait_sid (t.feeders[0], FALSE);
  wait_sid (t.feeders[2], TRUE);
  element_fixture_expect_none (t.f, GST_MESSAGE_EOS);
  push_eos (t.feeders[2]);
  wait_eos (t.f);
  wait_sid (t.feeders[2], FALSE);
  element_fixture_expect_none (t.f, GST_MESSAGE_EOS);
  trio_free (&t);
}

GST_END_TEST;

GST_START_TEST (test_eos_while_connecting)
{
  Trio t;

  t.f = element_fixture_new ("livekitsink");
  for (guint i = 0; i < N_EOS_PADS; i++)
    t.feeders[i] = element_feeder_new (t.f, "video_%u", NULL, TRUE);
  fake_server_freeze (t.f->server);
  element_fixture_set_state (t.f, GST_STATE_PLAYING);
  for (guint i = 0; i < N_EOS_PADS; i++) {
    element_feeder_start (t.feeders[i]);
    element_feeder_set_caps (t.feeders[i], VP8_CAPS);
    push_eos (t.feeders[i]);
  }
  wait_eos (t.f);
  trio_free (&t);
}

GST_END_TEST;

GST_START_TEST (test_eos_before_the_first_buffer)
{
  Trio t = trio_new (FALSE);

  for (guint i = 0; i < N_EOS_PADS; i++)
    push_eos (t.feeders[i]);
  wait_eos (t.f);
  trio_free (&t);
}

GST_END_TEST;

/* All have ended, then they go: one EOS. */
GST_START_TEST (test_eos_then_release)
{
  Trio t = trio_new (TRUE);

  for (guint i = 0; i < N_EOS_PADS; i++)
    push_eos (t.feeders[i]);
  element_feeder_release (t.feeders[0]);
  wait_eos (t.f);
  element_feeder_release (t.feeders[1]);
  element_feeder_release (t.feeders[2]);
  trio_free (&t);
}

GST_END_TEST;

/* Two have ended, and the one that has not goes: that is the end. */
GST_START_TEST (test_release_then_eos)
{
  Trio t = trio_new (TRUE);

  if (__i__ == 0)
    element_feeder_release (t.feeders[2]);
  push_eos (t.feeders[0]);
  push_eos (t.feeders[1]);
  if (__i__ == 1)
    element_feeder_release (t.feeders[2]);
  wait_eos (t.f);
  trio_free (&t);
}

GST_END_TEST;

/* Released pads without an EOS are no end: an application may add others. */
GST_START_TEST (test_release_of_all_is_no_eos)
{
  Trio t = trio_new (TRUE);

  for (guint i = 0; i < N_EOS_PADS; i++)
    element_feeder_release (t.feeders[i]);
  element_fixture_set_state (t.f, GST_STATE_READY);
  element_fixture_expect_none (t.f, GST_MESSAGE_EOS);
  trio_free (&t);
}

GST_END_TEST;

/* After EOS nothing is taken; a new stream on the pad is published again, and ends again. */
GST_START_TEST (test_new_stream_after_eos)
{
  Trio t = trio_new (TRUE);
  g_autoptr (GstEvent) flush_stop = gst_event_new_flush_stop (TRUE);

  wait_sid (t.feeders[0], TRUE);
  push_eos (t.feeders[0]);
  wait_sid (t.feeders[0], FALSE);
  fail_unless_equals_int (element_feeder_push (t.feeders[0]), GST_FLOW_EOS);
  gst_pad_push_event (t.feeders[0]->src, gst_event_new_flush_start ());
  gst_pad_push_event (t.feeders[0]->src, gst_event_ref (flush_stop));
  element_feeder_start (t.feeders[0]);
  element_feeder_set_caps (t.feeders[0], VP8_CAPS);
  fail_unless_equals_int (element_feeder_push (t.feeders[0]), GST_FLOW_OK);
  wait_sid (t.feeders[0], TRUE);
  for (guint i = 0; i < N_EOS_PADS; i++)
    push_eos (t.feeders[i]);
  wait_eos (t.f);
  trio_free (&t);
}

GST_END_TEST;

/* The next run of the same element begins anew. */
GST_START_TEST (test_eos_again_after_ready)
{
  Trio t = trio_new (TRUE);

  for (guint n = 0; n < 2; n++) {
    for (guint i = 0; i < N_EOS_PADS; i++)
      push_eos (t.feeders[i]);
    wait_eos (t.f);
    element_fixture_set_state (t.f, GST_STATE_READY);
    element_fixture_set_state (t.f, GST_STATE_PLAYING);
    for (guint i = 0; i < N_EOS_PADS; i++) {
      element_feeder_start (t.feeders[i]);
      element_feeder_set_caps (t.feeders[i], i == 2 ? OPUS_CAPS : VP8_CAPS);
      fail_unless_equals_int (element_feeder_push (t.feeders[i]), GST_FLOW_OK);
    }
  }
  trio_free (&t);
}

GST_END_TEST;

/* --- the gate --- */

/* What is live and comes before media may flow is dropped, not kept. */
GST_START_TEST (test_live_input_is_dropped_while_joining)
{
  ElementFixture *f = element_fixture_new ("livekitsink");
  ElementFeeder *feeder = element_feeder_new (f, "video_%u", NULL, TRUE);

  fake_server_freeze (f->server);
  element_fixture_set_state (f, GST_STATE_PLAYING);
  element_feeder_start (feeder);
  element_feeder_set_caps (feeder, VP8_CAPS);
  for (guint i = 0; i < 50; i++)
    fail_unless_equals_int (element_feeder_push (feeder), GST_FLOW_OK);
  fail_unless_equals_int (element_feeder_get_stat (feeder, "frames-dropped"), 50);
  fail_unless_equals_int (element_feeder_get_stat (feeder, "frames-sent"), 0);
  element_feeder_free (feeder);
  element_fixture_free (f);
}

GST_END_TEST;

static gpointer
push_in_thread (gpointer feeder)
{
  return GINT_TO_POINTER (element_feeder_push (feeder));
}

/* A file waits; stopping frees whoever waits. */
GST_START_TEST (test_other_input_is_held_while_joining)
{
  ElementFixture *f = element_fixture_new ("livekitsink");
  ElementFeeder *feeder = element_feeder_new (f, "video_%u", NULL, FALSE);
  g_autoptr (GThread) thread = NULL;
  GstFlowReturn flow;

  element_fixture_play (f);
  element_feeder_start (feeder);
  element_feeder_set_caps (feeder, VP8_CAPS);
  thread = g_thread_new ("feeder", push_in_thread, feeder);
  element_fixture_request (f, OFFER, 0);
  wait_sid (feeder, TRUE);
  fail_unless_equals_int (element_feeder_get_stat (feeder, "frames-dropped"), 0);
  if (__i__ == 0)
    element_fixture_set_state (f, GST_STATE_READY);
  else if (__i__ == 1)
    gst_pad_push_event (feeder->src, gst_event_new_flush_start ());
  else
    element_feeder_release (feeder);
  flow = GPOINTER_TO_INT (g_thread_join (g_steal_pointer (&thread)));
  fail_unless (flow == GST_FLOW_FLUSHING || flow == GST_FLOW_NOT_LINKED, "%s", gst_flow_get_name (flow));
  element_feeder_free (feeder);
  element_fixture_free (f);
}

GST_END_TEST;

/* Another codec on the same pad is another track; the same one with another size is the same track. */
GST_START_TEST (test_change_of_caps)
{
  ElementFixture *f = element_fixture_new ("livekitsink");
  ElementFeeder *feeder = element_feeder_new (f, "video_%u", NULL, TRUE);
  g_autofree gchar *first_cid = NULL;

  element_fixture_play (f);
  element_feeder_start (feeder);
  element_feeder_set_caps (feeder, VP8_CAPS);
  first_cid = g_strdup (element_fixture_request (f, ADD_TRACK, 0)->add_track->cid);
  wait_sid (feeder, TRUE);
  element_feeder_set_caps (feeder, "video/x-vp8, width=(int)640, height=(int)480");
  fail_unless_equals_int (element_feeder_push (feeder), GST_FLOW_OK);
  element_feeder_set_caps (feeder, H264_CAPS);
  fail_if (g_str_equal (element_fixture_request (f, ADD_TRACK, 1)->add_track->cid, first_cid));
  fail_unless_equals_string (element_fixture_request (f, ADD_TRACK, 1)->add_track->name, "video_0");
  fail_unless_equals_int (element_feeder_push (feeder), GST_FLOW_OK);
  wait_sid (feeder, TRUE);
  fail_unless_equals_int (fake_server_n_requests (f->server, ADD_TRACK), 2);
  element_feeder_free (feeder);
  element_fixture_free (f);
}

GST_END_TEST;

/* --- states --- */

GST_START_TEST (test_state_changes_do_not_wait)
{
  static const GstState states[] = { GST_STATE_READY, GST_STATE_PAUSED, GST_STATE_PLAYING, GST_STATE_PAUSED,
    GST_STATE_READY, GST_STATE_NULL
  };
  ElementFixture *f = element_fixture_new ("livekitsink");
  ElementFeeder *feeder = element_feeder_new (f, "video_%u", NULL, TRUE);

  fake_server_freeze (f->server);
  for (guint i = 0; i < G_N_ELEMENTS (states); i++)
    fail_unless_equals_int (element_fixture_set_state (f, states[i]), GST_STATE_CHANGE_SUCCESS);
  element_feeder_free (feeder);
  element_fixture_free (f);
}

GST_END_TEST;

/* It is a sink, whatever webrtcbin's elements inside are, and answers what it is asked. */
GST_START_TEST (test_flags_stay_while_playing)
{
  ElementFixture *f = element_fixture_new ("livekitsink");

  element_fixture_play (f);
  element_fixture_request (f, OFFER, 0);
  fail_unless (GST_OBJECT_FLAG_IS_SET (f->element, GST_ELEMENT_FLAG_SINK));
  fail_if (GST_OBJECT_FLAG_IS_SET (f->element, GST_ELEMENT_FLAG_SOURCE));
  element_fixture_free (f);
}

GST_END_TEST;

/* --- input that cannot be sent --- */

/* Slices of a picture, and never the parameter sets that they belong to. */
GST_START_TEST (test_stream_without_parameter_sets_is_told)
{
  static const guint8 slice[] = { 0, 0, 0, 1, 0x41, 0x9a, 0x24, 0x6c, 0x41, 0x0f, 0xf2, 0x80 };
  ElementFixture *f = element_fixture_new ("livekitsink");
  ElementFeeder *feeder = element_feeder_new (f, "video_%u", NULL, TRUE);
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (GError) error = NULL;

  element_fixture_play (f);
  element_feeder_start (feeder);
  element_feeder_set_caps (feeder, "video/x-h264, stream-format=(string)byte-stream, alignment=(string)au, "
      "width=(int)320, height=(int)240, framerate=(fraction)10/1");
  for (guint i = 0; i < 200 && message == NULL; i++) {
    GstBuffer *buffer = gst_buffer_new_memdup (slice, sizeof slice);

    GST_BUFFER_PTS (buffer) = i * 100 * GST_MSECOND;
    fail_unless_equals_int (gst_pad_push (feeder->src, buffer), GST_FLOW_OK);
    message = gst_bus_timed_pop_filtered (f->bus, 100 * GST_MSECOND, GST_MESSAGE_WARNING);
  }
  fail_unless (message != NULL);
  gst_message_parse_warning (message, &error, NULL);
  fail_unless (strstr (error->message, "parameter sets") != NULL, "%s", error->message);
  element_feeder_free (feeder);
  element_fixture_free (f);
}

GST_END_TEST;

static Suite *
sink_suite (void)
{
  Suite *s = element_suite_create ("sink");
  TCase *pads = tcase_create ("pads"), *mute = tcase_create ("mute"), *eos = tcase_create ("eos");
  TCase *input = tcase_create ("input");
  TCase *gate = tcase_create ("gate"), *states = tcase_create ("states");

  suite_add_tcase (s, pads);
  tcase_add_test (pads, test_pad_names);
  tcase_add_test (pads, test_tracks_are_announced);
  tcase_add_test (pads, test_pads_come_and_go);
  tcase_add_test (pads, test_pad_without_caps);
  tcase_add_test (pads, test_many_pads_queue);
  suite_add_tcase (s, mute);
  tcase_add_test (mute, test_mute_is_told);
  tcase_add_test (mute, test_server_mutes);
  suite_add_tcase (s, eos);
  tcase_add_test (eos, test_eos_one_by_one);
  tcase_add_test (eos, test_eos_while_connecting);
  tcase_add_test (eos, test_eos_before_the_first_buffer);
  tcase_add_test (eos, test_eos_then_release);
  tcase_add_loop_test (eos, test_release_then_eos, 0, 2);
  tcase_add_test (eos, test_release_of_all_is_no_eos);
  tcase_add_test (eos, test_new_stream_after_eos);
  tcase_add_test (eos, test_eos_again_after_ready);
  suite_add_tcase (s, gate);
  tcase_add_test (gate, test_live_input_is_dropped_while_joining);
  tcase_add_loop_test (gate, test_other_input_is_held_while_joining, 0, 3);
  tcase_add_test (gate, test_change_of_caps);
  suite_add_tcase (s, states);
  tcase_add_test (states, test_state_changes_do_not_wait);
  tcase_add_test (states, test_flags_stay_while_playing);
  suite_add_tcase (s, input);
  tcase_add_test (input, test_stream_without_parameter_sets_is_told);
  return s;
}

GST_CHECK_MAIN (sink);
