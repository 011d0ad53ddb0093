/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What livekitsrc asks the server for: which tracks, in what quality, and nothing for pads that nobody uses. And the
 * URIs that say so. */
#include <gst/check/gstcheck.h>
#include <string.h>

#include "elementfixture.h"

#define SUBSCRIPTION LIVEKIT__SIGNAL_REQUEST__MESSAGE_SUBSCRIPTION
#define TRACK_SETTING LIVEKIT__SIGNAL_REQUEST__MESSAGE_TRACK_SETTING

/* The newest settings of a track, NULL = never told. */
static const Livekit__UpdateTrackSettings *
settings_of (ElementFixture * f, const gchar * sid)
{
  const Livekit__UpdateTrackSettings *found = NULL;

  for (guint i = 0; i < fake_server_n_requests (f->server, TRACK_SETTING); i++) {
    const Livekit__UpdateTrackSettings *request = fake_server_nth_request (f->server, TRACK_SETTING,
        i)->track_setting;

    for (gsize t = 0; t < request->n_track_sids; t++)
      found = g_str_equal (request->track_sids[t], sid) ? request : found;
  }
  return found;
}

static gboolean
is_disabled (ElementFixture * f, const gchar * sid)
{
  const Livekit__UpdateTrackSettings *settings = settings_of (f, sid);

  return settings && settings->disabled;
}

static GstPad *
find_pad (ElementFixture * f, const gchar * sid)
{
  g_autolist (GstPad) pads = NULL;
  GstPad *found = NULL;

  GST_OBJECT_LOCK (f->element);
  pads = g_list_copy_deep (f->element->srcpads, (GCopyFunc) (GCallback) gst_object_ref, NULL);
  GST_OBJECT_UNLOCK (f->element);
  for (GList * item = pads; item && !found; item = item->next) {
    g_autofree gchar *pad_sid = NULL;

    g_object_get (item->data, "track-sid", &pad_sid, NULL);
    if (g_strcmp0 (pad_sid, sid) == 0)
      found = gst_object_ref (item->data);
  }
  return found;
}

static GstPad *
wait_pad (ElementFixture * f, const gchar * sid)
{
  g_autoptr (GstPad) pad = NULL;

  element_wait_until ((pad = find_pad (f, sid)) != NULL);
  return g_steal_pointer (&pad);
}

static gboolean
is_enabled (GstPad * pad)
{
  gboolean enabled;

  g_object_get (pad, "enabled", &enabled, NULL);
  return enabled;
}

/* --- subscribing --- */

GST_START_TEST (test_without_auto_subscribe)
{
  ElementFixture *f = element_fixture_new ("livekitsrc");
  g_autoptr (GstPad) camera = NULL, microphone = NULL;

  g_object_set (f->element, "auto-subscribe", FALSE, NULL);
  element_fill_room (f, TRUE);
  element_fixture_play (f);
  camera = wait_pad (f, "TR_cam");
  microphone = wait_pad (f, "TR_mic");
  fail_if (is_enabled (camera));
  fail_unless_equals_int (fake_server_n_requests (f->server, SUBSCRIPTION), 0);
  g_object_set (camera, "enabled", TRUE, NULL);
  element_wait_until (element_is_subscribed (f, "TR_cam"));
  fail_if (element_is_subscribed (f, "TR_mic") || element_is_subscribed (f, "TR_slides"));
  g_object_set (camera, "enabled", FALSE, NULL);
  element_wait_until (!element_is_subscribed (f, "TR_cam"));
  fail_unless (find_pad (f, "TR_cam") == camera);
  gst_object_unref (camera);    /* of find_pad() */
  /* What nobody has decided follows the property. */
  g_object_set (f->element, "auto-subscribe", TRUE, NULL);
  element_wait_until (element_is_subscribed (f, "TR_mic") && element_is_subscribed (f, "TR_slides"));
  fail_unless (is_enabled (microphone));
  fail_if (element_is_subscribed (f, "TR_cam"));
  element_fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_disabled_pad_has_gaps_and_stays)
{
  ElementFixture *f = element_fixture_new ("livekitsrc");
  g_autoptr (GstPad) pad = NULL;
  gint n_gaps = 0;
  g_autoptr (GstStructure) stats = NULL;
  GstElement *sink = gst_element_factory_make ("fakesink", NULL);

  element_fill_room (f, TRUE);
  element_fixture_play (f);
  pad = wait_pad (f, "TR_cam");
  element_wait_until (element_is_subscribed (f, "TR_cam"));
  fake_server_mute_track (f->server, "PA_alice", "TR_cam", FALSE);
  gst_structure_free (element_fixture_wait_structure (f, "livekit-track", "action", "unmuted"));
  g_object_set (pad, "enabled", FALSE, NULL);
  g_object_set (sink, "async", FALSE, NULL);
  gst_bin_add (GST_BIN (f->pipeline), sink);
  gst_element_sync_state_with_parent (sink);
  fail_unless (gst_element_link_pads (f->element, GST_PAD_NAME (pad), sink, "sink"));
  element_wait_until (({
    guint64 n = 0;

    gst_clear_structure (&stats);
    g_object_get (pad, "stats", &stats, NULL);
    gst_structure_get_uint64 (stats, "gaps", &n);
    n_gaps = (gint) n;
    n_gaps >= 2;
  }));
  fail_if (element_is_subscribed (f, "TR_cam"));
  g_object_set (pad, "enabled", TRUE, NULL);
  element_wait_until (element_is_subscribed (f, "TR_cam"));
  element_fixture_free (f);
}

GST_END_TEST;

/* --- streams --- */

static GstStreamCollection *
wait_collection (ElementFixture * f, guint n_streams)
{
  for (;;) {
    g_autoptr (GstMessage) message = element_fixture_wait (f, GST_MESSAGE_STREAM_COLLECTION);
    g_autoptr (GstStreamCollection) collection = NULL;

    gst_message_parse_stream_collection (message, &collection);
    if (gst_stream_collection_get_size (collection) == n_streams)
      return g_steal_pointer (&collection);
  }
}

static const gchar *
id_at (GstStreamCollection * collection, guint index)
{
  return gst_stream_get_stream_id (gst_stream_collection_get_stream (collection, index));
}

GST_START_TEST (test_select_streams)
{
  ElementFixture *f = element_fixture_new ("livekitsrc");
  g_autoptr (GstStreamCollection) collection = NULL;
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (GstStream) stream = NULL;
  g_autoptr (GstPad) slides = NULL, camera = NULL;
  g_autoptr (GList) ids = NULL;

  element_fill_room (f, TRUE);
  element_fixture_play (f);
  collection = wait_collection (f, 3);
  fail_unless_equals_string (id_at (collection, 0), "lab/alice/front");
  fail_unless_equals_string (id_at (collection, 1), "lab/bob/slides");
  fail_unless_equals_string (id_at (collection, 2), "lab/alice/microphone");
  slides = wait_pad (f, "TR_slides");
  camera = wait_pad (f, "TR_cam");
  ids = g_list_append (NULL, (gpointer) "lab/bob/slides");
  fail_unless (gst_element_send_event (f->element, gst_event_new_select_streams (ids)));
  message = element_fixture_wait (f, GST_MESSAGE_STREAMS_SELECTED);
  fail_unless_equals_int (gst_message_streams_selected_get_size (message), 1);
  stream = gst_message_streams_selected_get_stream (message, 0);
  fail_unless_equals_string (gst_stream_get_stream_id (stream), "lab/bob/slides");
  element_wait_until (element_is_subscribed (f, "TR_slides") && !element_is_subscribed (f, "TR_cam")
      && !element_is_subscribed (f, "TR_mic"));
  fail_unless (is_enabled (slides));
  fail_if (is_enabled (camera));
  element_fixture_free (f);
}

GST_END_TEST;

/* Upstream on a pad as well, and before there is such a stream. */
GST_START_TEST (test_select_streams_in_advance)
{
  ElementFixture *f = element_fixture_new ("livekitsrc");
  g_autoptr (GstPad) pad = NULL;
  g_autoptr (GList) ids = g_list_append (NULL, (gpointer) "lab/bob/slides");

  g_object_set (f->element, "auto-subscribe", FALSE, NULL);
  fake_server_add_participant (f->server, "PA_zoe", "zoe", "");
  fake_server_add_track (f->server, "PA_zoe", "TR_zoe", LIVEKIT__TRACK_TYPE__AUDIO,
      LIVEKIT__TRACK_SOURCE__MICROPHONE, "", "audio/opus");
  element_fixture_play (f);
  pad = wait_pad (f, "TR_zoe");
  fail_unless (gst_pad_send_event (pad, gst_event_new_select_streams (ids)));
  element_fill_room (f, TRUE);
  element_wait_until (element_is_subscribed (f, "TR_slides"));
  fail_if (element_is_subscribed (f, "TR_cam") || element_is_subscribed (f, "TR_zoe"));
  element_fixture_free (f);
}

GST_END_TEST;

/* A collection lists what `tracks` names; of the tracks that are alike, each has an id and a pad of its own. */
GST_START_TEST (test_tracks_that_are_alike)
{
  ElementFixture *f = element_fixture_new ("livekitsrc");
  g_autoptr (GstStreamCollection) collection = NULL;

  g_object_set (f->element, "tracks", "alice", NULL);
  fake_server_add_participant (f->server, "PA_bob", "bob", "");
  fake_server_add_track (f->server, "PA_bob", "TR_b", LIVEKIT__TRACK_TYPE__VIDEO, LIVEKIT__TRACK_SOURCE__CAMERA, "v",
      "video/VP8");
  fake_server_add_participant (f->server, "PA_alice", "alice", "");
  for (guint i = 0; i < 3; i++) {
    g_autofree gchar *sid = g_strdup_printf ("TR_%u", i);

    fake_server_add_track (f->server, "PA_alice", sid, LIVEKIT__TRACK_TYPE__VIDEO, LIVEKIT__TRACK_SOURCE__CAMERA,
        "v", "video/VP8");
    fake_server_mute_track (f->server, "PA_alice", sid, TRUE);
  }
  element_fixture_play (f);
  collection = wait_collection (f, 3);
  for (guint i = 0; i < 3; i++) {
    g_autofree gchar *sid = g_strdup_printf ("TR_%u", i);

    gst_object_unref (wait_pad (f, sid));
  }
  for (guint i = 0; i < 3; i++) {
    fail_unless (g_str_has_prefix (id_at (collection, i), "lab/alice/"));
    for (guint k = 0; k < i; k++)
      fail_if (g_str_equal (id_at (collection, i), id_at (collection, k)));
  }
  fail_unless_equals_int (f->element->numsrcpads, 3);
  element_fixture_free (f);
}

GST_END_TEST;

/* --- names and numbers --- */

/* Each comes back in the other order; numbers and settings stay. */
GST_START_TEST (test_numbers_stay)
{
  ElementFixture *f = element_fixture_new ("livekitsrc");
  g_autoptr (GstPad) camera = NULL, slides = NULL, camera_again = NULL, slides_again = NULL;
  g_autofree gchar *camera_name = NULL, *slides_name = NULL;
  guint height;

  element_fill_room (f, TRUE);
  element_fixture_play (f);
  camera = wait_pad (f, "TR_cam");
  slides = wait_pad (f, "TR_slides");
  camera_name = gst_pad_get_name (camera);
  slides_name = gst_pad_get_name (slides);
  g_object_set (camera, "height", 180, NULL);
  fake_server_remove_track (f->server, "PA_alice", "TR_cam");
  fake_server_remove_participant (f->server, "PA_bob");
  element_wait_until (f->element->numsrcpads == 1);
  fake_server_add_participant (f->server, "PA_bob2", "bob", "");
  fake_server_add_track (f->server, "PA_bob2", "TR_slides2", LIVEKIT__TRACK_TYPE__VIDEO,
      LIVEKIT__TRACK_SOURCE__SCREEN_SHARE, "slides", "video/H264");
  slides_again = wait_pad (f, "TR_slides2");
  fail_unless_equals_string (GST_PAD_NAME (slides_again), slides_name);
  fake_server_add_track (f->server, "PA_alice", "TR_cam2", LIVEKIT__TRACK_TYPE__VIDEO, LIVEKIT__TRACK_SOURCE__CAMERA,
      "front", "video/VP8");
  camera_again = wait_pad (f, "TR_cam2");
  fail_unless_equals_string (GST_PAD_NAME (camera_again), camera_name);
  g_object_get (camera_again, "height", &height, NULL);
  fail_unless_equals_int (height, 180);
  element_fixture_free (f);
}

GST_END_TEST;

/* A new session: the same pads, and what was asked for is asked for again. */
GST_START_TEST (test_rejoin_keeps_pads_and_asks_again)
{
  ElementFixture *f = element_fixture_new ("livekitsrc");
  g_autoptr (GstPad) camera = NULL, after = NULL;
  guint n_settings, n_subscriptions;

  element_fill_room (f, TRUE);
  element_fixture_play (f);
  camera = wait_pad (f, "TR_cam");
  g_object_set (camera, "quality", 1, NULL);
  element_wait_until (settings_of (f, "TR_cam") && settings_of (f, "TR_cam")->quality == 0);
  n_settings = fake_server_n_requests (f->server, TRACK_SETTING);
  n_subscriptions = fake_server_n_requests (f->server, SUBSCRIPTION);
  fake_server_refuse_resumes (f->server, TRUE);
  fake_server_reset (f->server);
  fail_unless (fake_server_wait_joins (f->server, 2, ELEMENT_WAIT_MS));
  element_wait_until (fake_server_n_requests (f->server, SUBSCRIPTION) > n_subscriptions);
  element_wait_until (fake_server_n_requests (f->server, TRACK_SETTING) > n_settings);
  fail_unless_equals_int (settings_of (f, "TR_cam")->quality, 0);
  after = wait_pad (f, "TR_cam");
  fail_unless (after == camera);
  element_fixture_free (f);
}

GST_END_TEST;

/* --- quality --- */

static const struct
{
  const gchar *element, *pad;   /* qualities */
  guint width, height, fps;
  gint quality;
  guint asked_width, asked_height;
} qualities[] = {
  {"low", "auto", 0, 0, 0, 0, 0, 0},
  {"medium", "auto", 0, 0, 0, 1, 0, 0},
  {"low", "high", 0, 0, 15, 2, 0, 0},
  {"auto", "medium", 0, 0, 0, 1, 0, 0},
  {"auto", "auto", 640, 360, 0, 2, 640, 360},
  {"auto", "auto", 320, 0, 0, 2, 320, 180},
  {"auto", "auto", 0, 180, 0, 2, 320, 180},
};

GST_START_TEST (test_quality)
{
  ElementFixture *f = element_fixture_new ("livekitsrc");
  g_autoptr (GstPad) pad = NULL;
  const Livekit__UpdateTrackSettings *settings;

  element_fill_room (f, TRUE);
  element_fixture_play (f);
  pad = wait_pad (f, "TR_cam");
  gst_util_set_object_arg (G_OBJECT (f->element), "video-quality", qualities[__i__].element);
  gst_util_set_object_arg (G_OBJECT (pad), "quality", qualities[__i__].pad);
  g_object_set (pad, "width", qualities[__i__].width, "height", qualities[__i__].height,
      "max-framerate", qualities[__i__].fps, NULL);
  element_wait_until ((settings = settings_of (f, "TR_cam")) != NULL
      && (gint) settings->quality == qualities[__i__].quality && settings->width == qualities[__i__].asked_width
      && settings->height == qualities[__i__].asked_height && settings->fps == qualities[__i__].fps);
  element_fixture_free (f);
}

GST_END_TEST;

/* What the server does by itself is not told. */
GST_START_TEST (test_defaults_are_not_told)
{
  ElementFixture *f = element_fixture_new ("livekitsrc");
  g_autoptr (GstPad) pad = NULL;

  element_fill_room (f, TRUE);
  element_fixture_play (f);
  pad = wait_pad (f, "TR_cam");
  g_object_set (f->element, "video-quality", 3, NULL);
  g_object_set (pad, "quality", 3, "max-framerate", 15, NULL);
  element_wait_until (settings_of (f, "TR_cam") && settings_of (f, "TR_cam")->fps == 15);
  fail_unless (settings_of (f, "TR_mic") == NULL || is_disabled (f, "TR_mic"));
  element_fixture_free (f);
}

GST_END_TEST;

/* --- pads that nobody uses --- */

static GstElement *
link_sink (ElementFixture * f, GstPad * pad)
{
  GstElement *sink = gst_element_factory_make ("fakesink", NULL);

  g_object_set (sink, "async", FALSE, "sync", FALSE, NULL);
  gst_bin_add (GST_BIN (f->pipeline), sink);
  gst_element_sync_state_with_parent (sink);
  fail_unless (gst_element_link_pads (f->element, GST_PAD_NAME (pad), sink, "sink"));
  return sink;
}

GST_START_TEST (test_unlinked_pad_asks_for_nothing)
{
  ElementFixture *f = element_fixture_new ("livekitsrc");
  g_autoptr (GstPad) camera = NULL, slides = NULL;

  g_object_set (f->element, "tracks", "*/video", NULL);
  element_fill_room (f, TRUE);
  element_fixture_play (f);
  camera = wait_pad (f, "TR_cam");
  slides = wait_pad (f, "TR_slides");
  link_sink (f, slides);
  element_wait_until (is_disabled (f, "TR_cam"));
  fail_if (is_disabled (f, "TR_slides"));
  /* It is still subscribed to. */
  fail_unless (element_is_subscribed (f, "TR_cam"));
  link_sink (f, camera);
  element_wait_until (!is_disabled (f, "TR_cam"));
  /* And unlinked again. */
  {
    g_autoptr (GstPad) peer = gst_pad_get_peer (slides);

    gst_pad_unlink (slides, peer);
  }
  element_wait_until (is_disabled (f, "TR_slides"));
  fail_if (is_disabled (f, "TR_cam"));
  element_fixture_free (f);
}

GST_END_TEST;

/* --- RTP --- */

GST_START_TEST (test_rtp_caps_of_a_muted_track)
{
  ElementFixture *f = element_fixture_new ("livekitsrc");
  g_autoptr (GstPad) pad = NULL;
  g_autoptr (GstCaps) caps = NULL;
  g_autoptr (GstCaps) wanted = gst_caps_from_string ("application/x-rtp, media=video, encoding-name=VP8, "
      "clock-rate=90000");

  gst_util_set_object_arg (G_OBJECT (f->element), "output", "rtp");
  element_fill_room (f, TRUE);
  element_fixture_play (f);
  pad = wait_pad (f, "TR_cam");
  element_wait_until ((caps = gst_pad_get_current_caps (pad)) != NULL);
  fail_unless (gst_caps_is_subset (caps, wanted));
  element_fixture_free (f);
}

GST_END_TEST;

/* --- URIs --- */

static GstElement *
from_uri (const gchar * uri)
{
  g_autoptr (GError) error = NULL;
  GstElement *element = gst_element_make_from_uri (GST_URI_SRC, uri, NULL, &error);

  fail_unless (element != NULL, "%s: %s", uri, error ? error->message : "");
  return gst_object_ref_sink (element);
}

static void
fail_unless_string (gpointer object, const gchar * property, const gchar * wanted)
{
  g_autofree gchar *value = NULL;

  g_object_get (object, property, &value, NULL);
  fail_unless_equals_string (value, wanted);
}

static const struct
{
  const gchar *uri, *server_url, *room, *shown;
} uris[] = {
  {"livekit://127.0.0.1:7880/lab", "ws://127.0.0.1:7880", "lab", "livekit://127.0.0.1:7880/lab"},
  {"livekits://lk.example.com/a%2Fb%20c/", "wss://lk.example.com", "a/b c", "livekits://lk.example.com/a%2Fb%20c"},
  {"livekit://[::1]:7880/lab", "ws://[::1]:7880", "lab", "livekit://[::1]:7880/lab"},
  {"livekit:///lab", NULL, "lab", "livekit:///lab"},
  {"livekits://me:" ELEMENT_SECRET "@lk.example.com/lab", "wss://lk.example.com", "lab",
      "livekits://lk.example.com/lab"},
  {"livekits://h/lab?token=" ELEMENT_SECRET, "wss://h", "lab", "livekits://h/lab"},
  {"livekits://h/lab?api-secret=" ELEMENT_SECRET "&api-key=k", "wss://h", "lab", "livekits://h/lab?api-key=k"},
};

GST_START_TEST (test_uris)
{
  g_autoptr (GstElement) element = from_uri (uris[__i__].uri);
  g_autofree gchar *shown = gst_uri_handler_get_uri (GST_URI_HANDLER (element));

  fail_unless_string (element, "server-url", uris[__i__].server_url);
  fail_unless_string (element, "room", uris[__i__].room);
  fail_unless_equals_string (shown, uris[__i__].shown);
}

GST_END_TEST;

GST_START_TEST (test_uri_query)
{
  g_autoptr (GstElement) element = from_uri ("livekit://h/lab?identity=a%26b&tracks=*%2Fvideo,bob&latency=20&"
      "video-quality=low&auto-subscribe=false&token-url=https%3A%2F%2Fexample.com%2Ft%3Fkey%3D" ELEMENT_SECRET);
  g_autofree gchar *shown = gst_uri_handler_get_uri (GST_URI_HANDLER (element));
  guint latency, quality;
  gboolean auto_subscribe;

  fail_unless_string (element, "identity", "a&b");
  fail_unless_string (element, "tracks", "*/video,bob");
  fail_unless_string (element, "token-url", "https://example.com/t");
  g_object_get (element, "latency", &latency, "video-quality", &quality, "auto-subscribe", &auto_subscribe, NULL);
  fail_unless_equals_int (latency, 20);
  fail_unless_equals_int (quality, 1);
  fail_if (auto_subscribe);
  fail_unless (strstr (shown, "latency=20") && strstr (shown, "video-quality=low"), "%s", shown);
  fail_if (strstr (shown, ELEMENT_SECRET), "%s", shown);
  /* What it shows means the same. */
  fail_unless (gst_uri_handler_set_uri (GST_URI_HANDLER (element), shown, NULL));
  fail_unless_string (element, "tracks", "*/video,bob");
  /* What another one does not say is as before. */
  fail_unless (gst_uri_handler_set_uri (GST_URI_HANDLER (element), "livekits://other/room", NULL));
  fail_unless_string (element, "identity", NULL);
  fail_unless_string (element, "token-url", NULL);
  g_object_get (element, "latency", &latency, NULL);
  fail_unless_equals_int (latency, 100);
}

GST_END_TEST;

static const gchar *const bad_uris[] = {
  "livekit://h/lab?colour=" ELEMENT_SECRET,
  "livekit://h/lab?name=" ELEMENT_SECRET,
  "livekit://h/lab?server-url=" ELEMENT_SECRET,
  "livekit://h/lab?stats=" ELEMENT_SECRET,
  "livekit://h/lab?latency=" ELEMENT_SECRET,
  "livekit://h/lab?output=" ELEMENT_SECRET,
  "livekit://h/two/rooms?token=" ELEMENT_SECRET,
};

GST_START_TEST (test_bad_uris)
{
  g_autoptr (GstElement) element = from_uri ("livekit://before/room");
  g_autoptr (GError) error = NULL;

  fail_if (gst_uri_handler_set_uri (GST_URI_HANDLER (element), bad_uris[__i__], &error));
  fail_unless (g_error_matches (error, GST_URI_ERROR, GST_URI_ERROR_BAD_URI));
  fail_if (strstr (error->message, ELEMENT_SECRET), "%s", error->message);
  fail_unless_string (element, "server-url", "ws://before");
  fail_unless_string (element, "room", "room");
}

GST_END_TEST;

GST_START_TEST (test_uri_while_running)
{
  ElementFixture *f = element_fixture_new ("livekitsrc");
  g_autoptr (GError) error = NULL;
  g_autofree gchar *none = gst_uri_handler_get_uri (GST_URI_HANDLER (f->element));

  fail_unless (none == NULL);
  element_fixture_play (f);
  fail_if (gst_uri_handler_set_uri (GST_URI_HANDLER (f->element), "livekit://h/lab", &error));
  fail_unless (g_error_matches (error, GST_URI_ERROR, GST_URI_ERROR_BAD_STATE));
  element_fixture_free (f);
}

GST_END_TEST;

static Suite *
choosing_suite (void)
{
  Suite *s = element_suite_create ("choosing");
  TCase *subscribing = tcase_create ("subscribing"), *streams = tcase_create ("streams");
  TCase *numbers = tcase_create ("numbers"), *quality = tcase_create ("quality"), *uri = tcase_create ("uri");

  suite_add_tcase (s, subscribing);
  tcase_add_test (subscribing, test_without_auto_subscribe);
  tcase_add_test (subscribing, test_disabled_pad_has_gaps_and_stays);
  suite_add_tcase (s, streams);
  tcase_add_test (streams, test_select_streams);
  tcase_add_test (streams, test_select_streams_in_advance);
  tcase_add_test (streams, test_tracks_that_are_alike);
  suite_add_tcase (s, numbers);
  tcase_add_test (numbers, test_numbers_stay);
  tcase_add_test (numbers, test_rejoin_keeps_pads_and_asks_again);
  suite_add_tcase (s, quality);
  tcase_add_loop_test (quality, test_quality, 0, G_N_ELEMENTS (qualities));
  tcase_add_test (quality, test_defaults_are_not_told);
  tcase_add_test (quality, test_unlinked_pad_asks_for_nothing);
  tcase_add_test (quality, test_rtp_caps_of_a_muted_track);
  suite_add_tcase (s, uri);
  tcase_add_loop_test (uri, test_uris, 0, G_N_ELEMENTS (uris));
  tcase_add_test (uri, test_uri_query);
  tcase_add_loop_test (uri, test_bad_uris, 0, G_N_ELEMENTS (bad_uris));
  tcase_add_test (uri, test_uri_while_running);
  return s;
}

GST_CHECK_MAIN (choosing);
