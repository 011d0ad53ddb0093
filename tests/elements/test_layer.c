/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitlayer: what upstream still brings when the element stops, and what it is asked for. */
#include <gst/check/gstcheck.h>

#include "elementfixture.h"
#include "gstlivekitelements.h"
#include "gstlivekitlayer.h"
#include "gstlivekitspatial.h"

/* Else the plugin's entry has it. */
GST_DEBUG_CATEGORY (gst_livekit_debug);

typedef struct
{
  GstElement *host;
  LkLoop *loop;
  GstLiveKitLayer *layer;
  gboolean stops_when_made;     /* while the elements for a format are being made */
  guint n_made;
} Fixture;

static void
on_element_added (GstBin * host, GstElement * element, Fixture * f)
{
  f->n_made++;
  if (f->stops_when_made)
    gst_livekit_layer_stop (f->layer);
}

static void
ignore_format (GstLiveKitLayer * layer, gpointer data)
{
}

static Fixture *
fixture_new (void)
{
  static const GstLiveKitLayerDelegate delegate = {.format_known = ignore_format };
  Fixture *f = g_new0 (Fixture, 1);

  f->host = gst_object_ref_sink (gst_bin_new (NULL));
  g_signal_connect (f->host, "element-added", G_CALLBACK (on_element_added), f);
  f->loop = lk_loop_new ("test");
  lk_loop_start (f->loop);
  f->layer = gst_livekit_layer_new ("audio_0", LK_TRACK_AUDIO, &delegate, f);
  gst_livekit_layer_start (f->layer, GST_BIN (f->host), f->loop);
  return f;
}

static gboolean
send_caps (Fixture * f, const gchar * format)
{
  g_autoptr (GstCaps) caps = gst_caps_from_string (format);
  GstLiveKitLayerInput input = { TRUE, FALSE, FALSE };

  return gst_livekit_layer_set_caps (f->layer, caps, &input);
}

static void
fixture_free (Fixture * f)
{
  lk_loop_stop (f->loop);
  lk_loop_unref (f->loop);
  /* Nobody frees elements that came after the stop; the layer aborts with them. */
  fail_unless_equals_int (GST_BIN_NUMCHILDREN (f->host), 0);
  gst_livekit_layer_unref (f->layer);
  gst_object_unref (f->host);
  g_free (f);
}

GST_START_TEST (test_caps_after_the_stop)
{
  Fixture *f = fixture_new ();

  gst_livekit_layer_stop (f->layer);
  fail_unless (send_caps (f, "audio/x-opus, rate=48000, channels=2"));
  fail_unless_equals_int (gst_livekit_layer_push (f->layer, gst_buffer_new ()), GST_FLOW_FLUSHING);
  /* As the application's seek may bring it. */
  gst_livekit_layer_flush (f->layer, FALSE);
  fail_unless (send_caps (f, "audio/x-opus, rate=48000, channels=2"));
  fail_unless_equals_int (gst_livekit_layer_push (f->layer, gst_buffer_new ()), GST_FLOW_FLUSHING);
  fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_stop_while_elements_are_made)
{
  Fixture *f = fixture_new ();

  f->stops_when_made = TRUE;
  fail_unless (send_caps (f, "audio/x-opus, rate=48000, channels=2"));
  fail_unless_equals_int (f->n_made, 1);
  fixture_free (f);
}

GST_END_TEST;

/* The elements of the old format are the layer's until those of the new one are there. */
GST_START_TEST (test_stop_while_the_format_changes)
{
  Fixture *f = fixture_new ();

  fail_unless (send_caps (f, "audio/x-opus, rate=48000, channels=2"));
  fail_unless_equals_int (GST_BIN_NUMCHILDREN (f->host), 1);
  f->stops_when_made = TRUE;
  fail_unless (send_caps (f, "audio/x-mulaw, rate=8000, channels=1"));
  fail_unless_equals_int (f->n_made, 2);
  fixture_free (f);
}

GST_END_TEST;

/* A start makes all well again. */
GST_START_TEST (test_start_after_the_stop)
{
  Fixture *f = fixture_new ();

  fail_unless_equals_int (gst_livekit_layer_push (f->layer, gst_buffer_new ()), GST_FLOW_NOT_NEGOTIATED);
  gst_livekit_layer_stop (f->layer);
  gst_livekit_layer_start (f->layer, GST_BIN (f->host), f->loop);
  fail_if (send_caps (f, "video/x-vp8"));
  fail_unless (send_caps (f, "audio/x-opus, rate=48000, channels=2"));
  fail_unless_equals_int (GST_BIN_NUMCHILDREN (f->host), 1);
  gst_livekit_layer_stop (f->layer);
  fixture_free (f);
}

GST_END_TEST;

static GstBuffer *
wrap (const guint8 * data, gsize size)
{
  return gst_buffer_new_memdup (data, size);
}

/* Two frames in a superframe of VP9: both shown are layers, one hidden is none; a cut index says nothing. */
GST_START_TEST (test_layers_that_nothing_tells_apart)
{
  static const guint8 layers[] = { 0x82, 1, 2, 0x86, 4, 0xc1, 3, 2, 0xc1 };
  static const guint8 hidden[] = { 0x84, 1, 2, 0x86, 4, 0xc1, 3, 2, 0xc1 };
  static const guint8 sizes_lie[] = { 0x82, 1, 2, 0x86, 4, 0xc1, 0xff, 2, 0xc1 };
  const GstLiveKitCodec *vp9 = gst_livekit_codec_from_mime_type ("video/VP9");
  const GstLiveKitCodec *vp8 = gst_livekit_codec_from_mime_type ("video/VP8");
  g_autoptr (GstBuffer) two = wrap (layers, sizeof layers), one = wrap (hidden, sizeof hidden);
  g_autoptr (GstBuffer) lying = wrap (sizes_lie, sizeof sizes_lie), cut = wrap (layers + 6, 3), empty = gst_buffer_new ();

  fail_unless (gst_livekit_has_untold_layers (vp9, two));
  fail_if (gst_livekit_has_untold_layers (vp8, two));
  fail_if (gst_livekit_has_untold_layers (vp9, one));
  fail_if (gst_livekit_has_untold_layers (vp9, lying));
  fail_if (gst_livekit_has_untold_layers (vp9, cut));
  fail_if (gst_livekit_has_untold_layers (vp9, empty));
}

GST_END_TEST;

/* By the sequence header, wherever that is; frames without one say nothing. */
GST_START_TEST (test_spatial_layers_are_counted)
{
  static const guint8 unit[] = { 0x12, 0, 0x0a, 9, 0x00, 0x13, 0x01, 0x20, 0x80, 0x91, 0x57, 0xfb, 0xc0, 0x36, 0, 1, 0x10 };
  const GstLiveKitCodec *av1 = gst_livekit_codec_from_mime_type ("video/AV1");
  const GstLiveKitCodec *vp8 = gst_livekit_codec_from_mime_type ("video/VP8");
  g_autoptr (GstBuffer) whole = wrap (unit, sizeof unit), delimiter = wrap (unit, 2), frame = wrap (unit + 13, 4);
  g_autoptr (GstBuffer) codec_data = NULL, nonsense = wrap (unit + 9, 3);
  g_autoptr (GstCaps) caps = gst_caps_new_empty_simple ("video/x-av1");

  fail_unless_equals_int (gst_livekit_spatial_layers_of_buffer (av1, caps, whole, 1), 2);
  fail_unless_equals_int (gst_livekit_spatial_layers_of_buffer (av1, caps, delimiter, 1), 0);
  fail_unless_equals_int (gst_livekit_spatial_layers_of_buffer (av1, caps, frame, 3), 3);
  fail_unless_equals_int (gst_livekit_spatial_layers_of_buffer (av1, caps, nonsense, 1), 1);
  fail_unless_equals_int (gst_livekit_spatial_layers_of_caps (av1, caps), 0);
  fail_unless_equals_int (gst_livekit_spatial_layers_of_caps (vp8, caps), 1);
  /* four bytes in front, here of other use */
  codec_data = gst_buffer_append (wrap (unit, 4), wrap (unit + 2, 11));
  gst_caps_set_simple (caps, "codec_data", GST_TYPE_BUFFER, codec_data, NULL);
  fail_unless_equals_int (gst_livekit_spatial_layers_of_caps (av1, caps), 2);
  gst_caps_set_simple (caps, "stream-format", G_TYPE_STRING, "annexb", NULL);
  fail_unless_equals_int (gst_livekit_spatial_layers_of_buffer (av1, caps, whole, 1), 1);
}

GST_END_TEST;

typedef struct
{
  LkLoop *loop;
  GstLiveKitLayer *layer;
  gint n_asked;                 /* atomic */
} Requests;

static void
count_request (GstLiveKitLayer * layer, gpointer data)
{
  g_atomic_int_inc (&((Requests *) data)->n_asked);
}

static void
list_again_in_loop (gpointer data)
{
  Requests *requests = data;

  gst_livekit_layer_set_listed_in_loop (requests->layer, TRUE);
  gst_livekit_layer_want_key_frame (requests->layer);
}

/* The third request is put off; when its time comes the session does not have the layer. */
static void
ask_and_unlist_in_loop (gpointer data)
{
  Requests *requests = data;

  gst_livekit_layer_set_listed_in_loop (requests->layer, TRUE);
  for (guint i = 0; i < 3; i++)
    gst_livekit_layer_want_key_frame (requests->layer);
  fail_unless (g_atomic_int_get (&requests->n_asked) >= 2);
  gst_livekit_layer_set_listed_in_loop (requests->layer, FALSE);
  lk_loop_post_after (requests->loop, 300, list_again_in_loop, requests, NULL);
}

/* A stream that ends and goes on is asked for key frames as before. */
GST_START_TEST (test_requests_after_a_pause)
{
  static const GstLiveKitLayerDelegate delegate = {.key_frame_wanted = count_request };
  Requests requests = { lk_loop_new ("test"), NULL, 0 };
  GstElement *host = gst_object_ref_sink (gst_bin_new (NULL));

  lk_loop_start (requests.loop);
  requests.layer = gst_livekit_layer_new ("video_0", LK_TRACK_VIDEO, &delegate, &requests);
  gst_livekit_layer_start (requests.layer, GST_BIN (host), requests.loop);
  lk_loop_post (requests.loop, ask_and_unlist_in_loop, &requests, NULL);
  element_wait_until (g_atomic_int_get (&requests.n_asked) >= 3);
  lk_loop_stop (requests.loop);
  gst_livekit_layer_stop (requests.layer);
  gst_livekit_layer_unref (requests.layer);
  lk_loop_unref (requests.loop);
  gst_object_unref (host);
}

GST_END_TEST;

static Suite *
layer_suite (void)
{
  Suite *s = suite_create ("layer");
  TCase *tc = tcase_create ("stop");

  GST_DEBUG_CATEGORY_INIT (gst_livekit_debug, "livekit", 0, "LiveKit rooms");
  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_caps_after_the_stop);
  tcase_add_test (tc, test_stop_while_elements_are_made);
  tcase_add_test (tc, test_stop_while_the_format_changes);
  tcase_add_test (tc, test_start_after_the_stop);
  tc = tcase_create ("requests");
  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_requests_after_a_pause);
  tc = tcase_create ("spatial");
  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_layers_that_nothing_tells_apart);
  tcase_add_test (tc, test_spatial_layers_are_counted);
  return s;
}

GST_CHECK_MAIN (layer);
