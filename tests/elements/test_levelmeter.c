/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitlevelmeter: tones of known loudness, encoded. */
#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>

#include "gstlivekitlevelmeter.h"

typedef struct
{
  const gchar *encoder, *decoder, *source;
  gint least, most;             /* a full sine is 3 dB below a full square */
} Tone;

static const Tone tones[] = {
  {"audio/x-raw,rate=48000,channels=2 ! opusenc", "opusdec", "wave=sine volume=1.0", 2, 5},
  {"audio/x-raw,rate=48000,channels=1 ! opusenc", "opusdec", "wave=sine volume=0.1", 21, 25},
  {"audio/x-raw,rate=48000,channels=1 ! opusenc", "opusdec", "wave=silence", 90, 127},
  {"audio/x-raw,rate=8000,channels=1 ! mulawenc", "mulawdec", "wave=sine volume=0.1", 22, 24},
  {"audio/x-raw,rate=8000,channels=1 ! alawenc", "alawdec", "wave=sine volume=0.01", 42, 45},
};

GST_START_TEST (test_level_of_tones)
{
  const Tone *tone = &tones[__i__];
  g_autofree gchar *text = g_strdup_printf ("audiotestsrc num-buffers=40 %s ! %s", tone->source, tone->encoder);
  GstHarness *h = gst_harness_new_parse (text);
  GstLiveKitLevelMeter *meter = gst_livekit_level_meter_new (tone->decoder);
  gint level = -1;

  fail_unless (meter != NULL);
  gst_harness_play (h);
  for (guint i = 0; i < 30; i++) {
    g_autoptr (GstBuffer) buffer = gst_harness_pull (h);
    g_autoptr (GstCaps) caps = gst_pad_get_current_caps (h->sinkpad);
    guint refs = GST_MINI_OBJECT_REFCOUNT_VALUE (buffer);

    level = gst_livekit_level_meter_measure (meter, caps, buffer);
    fail_unless_equals_int (GST_MINI_OBJECT_REFCOUNT_VALUE (buffer), refs);
    fail_unless (level >= 0 && level <= 127, "level %d of packet %u", level, i);
  }
  fail_unless (level >= tone->least && level <= tone->most, "level %d", level);
  gst_livekit_level_meter_free (meter);
  gst_harness_teardown (h);
}

GST_END_TEST;

GST_START_TEST (test_what_cannot_be_decoded)
{
  GstLiveKitLevelMeter *meter = gst_livekit_level_meter_new ("opusdec");
  g_autoptr (GstCaps) caps = gst_caps_from_string ("audio/x-opus, channel-mapping-family=(int)0, channels=(int)1, rate=(int)48000");
  g_autoptr (GstBuffer) buffer = gst_buffer_new_allocate (NULL, 40, NULL);

  /* a TOC that says 63 frames, of no length */
  gst_buffer_memset (buffer, 0, 0xff, 40);
  for (guint i = 0; i < 50; i++)
    fail_unless_equals_int (gst_livekit_level_meter_measure (meter, caps, buffer), -1);
  gst_livekit_level_meter_free (meter);
  fail_unless (gst_livekit_level_meter_new ("nosuchdec") == NULL);
}

GST_END_TEST;

static Suite *
levelmeter_suite (void)
{
  Suite *s = suite_create ("levelmeter");
  TCase *tc = tcase_create ("levels");

  suite_add_tcase (s, tc);
  tcase_add_loop_test (tc, test_level_of_tones, 0, G_N_ELEMENTS (tones));
  tcase_add_test (tc, test_what_cannot_be_decoded);
  return s;
}

GST_CHECK_MAIN (levelmeter);
