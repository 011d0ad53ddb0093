/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of gstlivekitrtpextensions: what a payloader writes with them. */

#include <gst/audio/audio.h>
#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>

#include "gstlivekitrtpextensions.h"

#define ID 5

/* 2021-01-01 00:00:00 UTC is 3818448000 in NTP seconds (RFC 5905 §6). */
GST_START_TEST (test_ntp_time)
{
  gint64 real_us = G_GINT64_CONSTANT (1609459200) * G_USEC_PER_SEC;

  fail_unless_equals_uint64 (gst_livekit_rtp_capture_time_ntp (GST_SECOND, GST_SECOND, real_us),
      G_GUINT64_CONSTANT (3818448000) << 32);
  /* half a second ago */
  fail_unless_equals_uint64 (gst_livekit_rtp_capture_time_ntp (GST_SECOND / 2, GST_SECOND, real_us),
      (G_GUINT64_CONSTANT (3818447999) << 32) + (G_GUINT64_CONSTANT (1) << 31));
  /* in the future */
  fail_unless_equals_uint64 (gst_livekit_rtp_capture_time_ntp (2 * GST_SECOND, GST_SECOND, real_us),
      G_GUINT64_CONSTANT (3818448001) << 32);
}

GST_END_TEST;

static GstHarness *
make_harness (GstRTPHeaderExtension * extension)
{
  GstHarness *harness = gst_harness_new_parse ("rtpopuspay name=pay");
  g_autoptr (GstElement) pay = gst_harness_find_element (harness, "rtpopuspay");

  gst_rtp_header_extension_set_id (extension, ID);
  g_signal_emit_by_name (pay, "add-extension", extension);
  gst_object_unref (extension);
  gst_harness_set_src_caps_str (harness, "audio/x-opus, channels=1, channel-mapping-family=0");
  return harness;
}

static GstBuffer *
make_packet (GstClockTime pts)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, 60, NULL);

  gst_buffer_memset (buffer, 0, 0xfc, 60);
  GST_BUFFER_PTS (buffer) = pts;
  GST_BUFFER_DURATION (buffer) = 20 * GST_MSECOND;
  return buffer;
}

/* Bytes of the extension in the packet that comes of @buffer; 0 when there is none. */
static guint
payload (GstHarness * harness, GstBuffer * buffer, guint8 * bytes)
{
  g_autoptr (GstBuffer) packet = gst_harness_push_and_pull (harness, buffer);
  GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
  gpointer data;
  guint size = 0;

  fail_unless (gst_rtp_buffer_map (packet, GST_MAP_READ, &rtp));
  if (gst_rtp_buffer_get_extension_onebyte_header (&rtp, ID, 0, &data, &size))
    memcpy (bytes, data, size);
  else
    size = 0;
  gst_rtp_buffer_unmap (&rtp);
  return size;
}

static const struct
{
  guint8 level;
  gboolean voice;
  guint8 byte;
} levels[] = {
  {0, TRUE, 0x80}, {10, TRUE, 0x8a}, {127, FALSE, 0x7f}, {200, FALSE, 0x7f}, {64, FALSE, 0x40},
};

GST_START_TEST (test_audio_level)
{
  GstHarness *harness = make_harness (gst_livekit_rtp_audio_level_new ());
  guint8 byte = 0;

  for (guint i = 0; i < G_N_ELEMENTS (levels); i++) {
    GstBuffer *buffer = make_packet (i * 20 * GST_MSECOND);

    gst_buffer_add_audio_level_meta (buffer, levels[i].level, levels[i].voice);
    fail_unless_equals_int (payload (harness, buffer, &byte), 1);
    fail_unless_equals_int (byte, levels[i].byte);
  }
  fail_unless_equals_int (payload (harness, make_packet (GST_SECOND), &byte), 0);
  gst_harness_teardown (harness);
}

GST_END_TEST;

GST_START_TEST (test_capture_time)
{
  g_autoptr (GstElement) element = gst_object_ref_sink (gst_pipeline_new (NULL));
  g_autoptr (GstClock) clock = gst_system_clock_obtain ();
  GstHarness *harness = make_harness (gst_livekit_rtp_capture_time_new (element));
  guint8 bytes[16];
  guint64 now_s, ntp;

  /* without a clock nobody knows */
  fail_unless_equals_int (payload (harness, make_packet (0), bytes), 0);
  gst_element_set_clock (element, clock);
  gst_element_set_base_time (element, gst_clock_get_time (clock) - 10 * GST_SECOND);
  fail_unless_equals_int (payload (harness, make_packet (GST_SECOND), bytes), 8);
  memcpy (&ntp, bytes, sizeof ntp);
  ntp = GUINT64_FROM_BE (ntp);
  now_s = (guint64) g_get_real_time () / G_USEC_PER_SEC + 2208988800u;
  /* captured at 1 s, and it is 10 s and a bit now */
  fail_unless ((ntp >> 32) + 12 > now_s && (ntp >> 32) + 8 < now_s, "%u", (guint) (ntp >> 32));
  /* not in each packet */
  fail_unless_equals_int (payload (harness, make_packet (GST_SECOND + 20 * GST_MSECOND), bytes), 0);
  fail_unless_equals_int (payload (harness, make_packet (GST_SECOND + 300 * GST_MSECOND), bytes), 8);
  gst_harness_teardown (harness);
}

GST_END_TEST;

static Suite *
extensions_suite (void)
{
  Suite *suite = suite_create ("extensions");
  TCase *tcase = tcase_create ("extensions");

  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_ntp_time);
  tcase_add_test (tcase, test_audio_level);
  tcase_add_test (tcase, test_capture_time);
  return suite;
}

GST_CHECK_MAIN (extensions);
