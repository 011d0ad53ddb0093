/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitcodec: the table and what of it is there on this machine; what the elements' pads take and show. */
#include <gst/check/gstcheck.h>
#include <string.h>

#include "gstlivekitcodec.h"

static void
fail_unless_factory (const gchar * name)
{
  GstElementFactory *factory = gst_element_factory_find (name);

  fail_unless (factory != NULL, "element %s is missing", name);
  gst_object_unref (factory);
}

GST_START_TEST (test_elements_of_each_codec_exist)
{
  for (const GstLiveKitCodec * codec = gst_livekit_codecs (); codec->encoding_name; codec++) {
    fail_unless_factory (codec->payloader);
    fail_unless_factory (codec->depayloader);
    if (codec->parser)
      fail_unless_factory (codec->parser);
  }
  fail_unless_factory ("livekitsink");
  fail_unless_factory ("livekitsrc");
  fail_unless_factory ("webrtcbin");
  fail_unless_factory ("clocksync");
}

GST_END_TEST;

static void
fail_unless_caps (const gchar * text, const gchar * media_type)
{
  g_autoptr (GstCaps) caps = gst_caps_from_string (text);

  fail_unless (caps != NULL, "%s", text);
  for (guint i = 0; i < gst_caps_get_size (caps); i++)
    fail_unless_equals_string (gst_structure_get_name (gst_caps_get_structure (caps, i)), media_type);
}

GST_START_TEST (test_caps_of_each_codec_parse)
{
  for (const GstLiveKitCodec * codec = gst_livekit_codecs (); codec->encoding_name; codec++) {
    if (codec->input_caps)
      fail_unless_caps (codec->input_caps, codec->media_type);
    fail_unless_caps (codec->output_caps, codec->media_type);
    if (codec->parsed_caps)
      fail_unless_caps (codec->parsed_caps, codec->media_type);
  }
}

GST_END_TEST;

/* What the payloader makes is what the table tells the server. */
GST_START_TEST (test_payloaders_agree_with_the_table)
{
  for (const GstLiveKitCodec * codec = gst_livekit_codecs (); codec->encoding_name; codec++) {
    g_autoptr (GstElement) payloader = gst_object_ref_sink (gst_element_factory_make (codec->payloader, NULL));
    g_autoptr (GstPad) src = gst_element_get_static_pad (payloader, "src");
    g_autoptr (GstPad) sink = gst_element_get_static_pad (payloader, "sink");
    g_autoptr (GstCaps) made = gst_pad_get_pad_template_caps (src);
    g_autoptr (GstCaps) taken = gst_pad_get_pad_template_caps (sink);
    const gchar *input = codec->input_caps ? codec->input_caps : codec->output_caps;
    g_autoptr (GstCaps) parsed = gst_caps_from_string (codec->parsed_caps ? codec->parsed_caps : input);
    g_autofree gchar *name = g_ascii_strup (gst_livekit_codec_get_sdp_name (codec), -1);
    g_autoptr (GstCaps) wanted = gst_caps_new_simple ("application/x-rtp", "encoding-name", G_TYPE_STRING,
        name, "clock-rate", G_TYPE_INT, codec->clock_rate, NULL);

    fail_unless (gst_caps_can_intersect (made, wanted), "%s makes no %s", codec->payloader, codec->encoding_name);
    fail_unless (gst_caps_can_intersect (taken, parsed), "%s takes no %s", codec->payloader, codec->media_type);
  }
}

GST_END_TEST;

GST_START_TEST (test_payload_types_are_unique)
{
  gboolean taken[128] = { FALSE };

  for (const GstLiveKitCodec * codec = gst_livekit_codecs (); codec->encoding_name; codec++) {
    guint types[] = { codec->payload_type, codec->rtx_payload_type };

    for (guint i = 0; i < 2; i++) {
      if (i == 1 && types[i] == 0)
        continue;
      fail_unless (types[i] < 128 && !taken[types[i]], "payload type %u of %s", types[i], codec->encoding_name);
      taken[types[i]] = TRUE;
      /* RFC 5761 §4: these would be taken for RTCP. */
      fail_if (types[i] >= 64 && types[i] < 96);
    }
    fail_unless (codec->kind != LK_TRACK_VIDEO || codec->rtx_payload_type != 0);
  }
}

GST_END_TEST;

GST_START_TEST (test_lookups)
{
  g_autoptr (GstCaps) vp8 = gst_caps_from_string ("video/x-vp8, width=(int)320");
  g_autoptr (GstCaps) raw = gst_caps_from_string ("video/x-raw");
  g_autoptr (GstCaps) empty = gst_caps_new_empty ();

  for (const GstLiveKitCodec * codec = gst_livekit_codecs (); codec->encoding_name; codec++) {
    g_autofree gchar *upper = g_ascii_strup (codec->mime_type, -1);

    fail_unless (gst_livekit_codec_from_mime_type (codec->mime_type) == codec);
    fail_unless (gst_livekit_codec_from_mime_type (upper) == codec);
    fail_unless (gst_livekit_codec_from_payload_type (codec->payload_type) == codec);
  }
  fail_unless_equals_string (gst_livekit_codec_from_caps (vp8)->encoding_name, "VP8");
  fail_unless (gst_livekit_codec_from_caps (raw) == NULL);
  fail_unless (gst_livekit_codec_from_caps (empty) == NULL);
  fail_unless (gst_livekit_codec_from_caps (NULL) == NULL);
  fail_unless (gst_livekit_codec_from_mime_type ("") == NULL);
  fail_unless (gst_livekit_codec_from_mime_type ("video/x-unknown") == NULL);
  fail_unless (gst_livekit_codec_from_payload_type (127) == NULL);
}

GST_END_TEST;

/* --- the elements' pads --- */

static GstPadTemplate *
template_of (const gchar * factory_name, const gchar * name, GstPadDirection direction, GstPadPresence presence)
{
  g_autoptr (GstElement) element = gst_object_ref_sink (gst_element_factory_make (factory_name, NULL));
  GstPadTemplate *templ = gst_element_get_pad_template (element, name);

  fail_unless (templ != NULL, "%s has no %s", factory_name, name);
  fail_unless_equals_int (GST_PAD_TEMPLATE_DIRECTION (templ), direction);
  fail_unless_equals_int (GST_PAD_TEMPLATE_PRESENCE (templ), presence);
  return templ;
}

static gboolean
template_takes (GstPadTemplate * templ, const gchar * text)
{
  g_autoptr (GstCaps) ours = gst_pad_template_get_caps (templ);
  g_autoptr (GstCaps) caps = gst_caps_from_string (text);

  fail_unless (caps != NULL, "%s", text);
  return gst_caps_can_intersect (ours, caps);
}

GST_START_TEST (test_sink_templates)
{
  GstPadTemplate *video = template_of ("livekitsink", "video_%u", GST_PAD_SINK, GST_PAD_REQUEST);
  GstPadTemplate *audio = template_of ("livekitsink", "audio_%u", GST_PAD_SINK, GST_PAD_REQUEST);
  static const gchar *const profiles[] = { "constrained-baseline", "baseline", "main", "constrained-high",
    "progressive-high", "high"
  };

  for (guint i = 0; i < G_N_ELEMENTS (profiles); i++) {
    g_autofree gchar *caps = g_strdup_printf ("video/x-h264, profile=(string)%s", profiles[i]);

    fail_unless (template_takes (video, caps), "%s", caps);
  }
  fail_unless (template_takes (video, "video/x-h264, stream-format=(string)avc, alignment=(string)au"));
  fail_unless (template_takes (video, "video/x-h264, stream-format=(string)byte-stream, alignment=(string)nal"));
  fail_unless (template_takes (video, "video/x-vp8"));
  fail_unless (template_takes (video, "video/x-vp9, profile=(string)0"));
  fail_if (template_takes (video, "video/x-vp9, profile=(string)1"));
  fail_unless (template_takes (video, "video/x-av1, stream-format=(string)annexb"));
  fail_unless (template_takes (video, "video/x-h265, profile=(string)main"));
  fail_if (template_takes (video, "video/x-h265, profile=(string)main-10"));
  fail_if (template_takes (video, "video/x-h264, profile=(string)high-4:4:4"));
  fail_if (template_takes (video, "video/x-h264, profile=(string)high-4:2:2"));
  fail_if (template_takes (video, "video/x-h264, profile=(string)high-10"));
  fail_if (template_takes (video, "video/x-raw"));
  fail_if (template_takes (video, "audio/x-opus"));
  fail_unless (template_takes (audio, "audio/x-opus, channel-mapping-family=(int)0, channels=(int)2"));
  fail_if (template_takes (audio, "audio/x-opus, channel-mapping-family=(int)1"));
  fail_unless (template_takes (audio, "audio/x-mulaw, rate=(int)8000, channels=(int)1"));
  fail_unless (template_takes (audio, "audio/x-alaw, rate=(int)8000, channels=(int)1"));
  fail_if (template_takes (audio, "audio/x-alaw, rate=(int)16000, channels=(int)1"));
  fail_if (template_takes (audio, "audio/x-raw"));
  fail_if (template_takes (audio, "video/x-vp8"));
}

GST_END_TEST;

GST_START_TEST (test_src_templates)
{
  GstPadTemplate *video = template_of ("livekitsrc", "video_%u", GST_PAD_SRC, GST_PAD_SOMETIMES);
  GstPadTemplate *audio = template_of ("livekitsrc", "audio_%u", GST_PAD_SRC, GST_PAD_SOMETIMES);

  fail_unless (template_takes (video, "video/x-h264, stream-format=(string)byte-stream, alignment=(string)au"));
  fail_if (template_takes (video, "video/x-h264, stream-format=(string)avc"));
  fail_unless (template_takes (video, "video/x-h265, stream-format=(string)byte-stream, alignment=(string)au"));
  fail_unless (template_takes (video, "video/x-vp8"));
  fail_unless (template_takes (video, "video/x-vp9"));
  fail_unless (template_takes (video, "video/x-av1, stream-format=(string)obu-stream, alignment=(string)tu"));
  fail_if (template_takes (video, "video/x-raw"));
  fail_unless (template_takes (audio, "audio/x-opus"));
  fail_unless (template_takes (audio, "audio/x-mulaw, rate=(int)8000, channels=(int)1"));
  fail_unless (template_takes (audio, "audio/x-alaw, rate=(int)8000, channels=(int)1"));
  fail_if (template_takes (audio, "audio/x-raw"));
}

GST_END_TEST;

static const struct
{
  const gchar *pad, *caps;
  gboolean is_accepted;
} inputs[] = {
  {"video_%u", "video/x-h264", TRUE},
  {"video_%u", "video/x-h264, stream-format=(string)byte-stream, width=(int)320, height=(int)240", TRUE},
  {"video_%u", "video/x-h264, stream-format=(string)avc, alignment=(string)au, profile=(string)main, "
        "codec_data=(buffer)01", TRUE},
  {"video_%u", "video/x-h264, stream-format=(string)byte-stream, alignment=(string)nal, profile=(string)high", TRUE},
  {"video_%u", "video/x-h264, profile=(string)high-4:4:4", FALSE},
  {"video_%u", "video/x-h264, profile=(string)high-4:4:4-intra", FALSE},
  {"video_%u", "video/x-vp8, profile=(string)0", TRUE},
  {"video_%u", "video/x-raw, format=(string)I420", FALSE},
  {"video_%u", "image/jpeg", FALSE},
  {"video_%u", "audio/x-opus", FALSE},
  {"audio_%u", "audio/x-opus", TRUE},
  {"audio_%u", "audio/x-opus, rate=(int)48000, channels=(int)2, channel-mapping-family=(int)0", TRUE},
  {"audio_%u", "audio/x-opus, channel-mapping-family=(int)1, channels=(int)6", FALSE},
  {"audio_%u", "audio/mpeg", FALSE},
};

GST_START_TEST (test_accept_caps)
{
  g_autoptr (GstElement) sink = gst_object_ref_sink (gst_element_factory_make ("livekitsink", NULL));
  g_autoptr (GstPad) pad = gst_element_request_pad_simple (sink, inputs[__i__].pad);
  g_autoptr (GstCaps) caps = gst_caps_from_string (inputs[__i__].caps);

  fail_unless_equals_int (gst_pad_query_accept_caps (pad, caps), inputs[__i__].is_accepted);
  gst_element_release_request_pad (sink, pad);
}

GST_END_TEST;

/* What an encoder behind videoconvert is asked for: no profile that a browser cannot show. */
GST_START_TEST (test_caps_query_offers_what_is_shown_everywhere)
{
  g_autoptr (GstElement) sink = gst_object_ref_sink (gst_element_factory_make ("livekitsink", NULL));
  g_autoptr (GstPad) pad = gst_element_request_pad_simple (sink, "video_%u");
  g_autoptr (GstCaps) filter = gst_caps_from_string ("video/x-h264, profile=(string){ high-4:4:4, high, main }");
  g_autoptr (GstCaps) offered = gst_pad_query_caps (pad, filter);
  g_autoptr (GstCaps) all = gst_pad_query_caps (pad, NULL);
  g_autoptr (GstCaps) bad = gst_caps_from_string ("video/x-h264, profile=(string)high-4:4:4");
  g_autoptr (GstCaps) fine = gst_caps_from_string ("video/x-h264, profile=(string)main");

  fail_if (gst_caps_can_intersect (offered, bad));
  fail_unless (gst_caps_can_intersect (offered, fine));
  fail_if (gst_caps_can_intersect (all, bad));
  fail_if (gst_caps_is_any (all));
  gst_element_release_request_pad (sink, pad);
}

GST_END_TEST;

static Suite *
codecs_suite (void)
{
  Suite *s = suite_create ("codecs");
  TCase *table = tcase_create ("table"), *pads = tcase_create ("pads");

  suite_add_tcase (s, table);
  tcase_add_test (table, test_elements_of_each_codec_exist);
  tcase_add_test (table, test_caps_of_each_codec_parse);
  tcase_add_test (table, test_payloaders_agree_with_the_table);
  tcase_add_test (table, test_payload_types_are_unique);
  tcase_add_test (table, test_lookups);
  suite_add_tcase (s, pads);
  tcase_add_test (pads, test_sink_templates);
  tcase_add_test (pads, test_src_templates);
  tcase_add_loop_test (pads, test_accept_caps, 0, G_N_ELEMENTS (inputs));
  tcase_add_test (pads, test_caps_query_offers_what_is_shown_everywhere);
  return s;
}

GST_CHECK_MAIN (codecs);
