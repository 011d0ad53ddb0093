/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitred, livekitrtpredpay and livekitrtpreddepay: what is lost comes with the next packet. */
#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>
#include <gst/rtp/rtp.h>

#include "gstlivekitred.h"

#define OPUS_CAPS "audio/x-opus, channel-mapping-family=(int)0, channels=(int)1, rate=(int)48000"
#define RED_CAPS "application/x-rtp, media=(string)audio, clock-rate=(int)48000, encoding-name=(string)RED, payload=(int)63"
#define FRAME (20 * GST_MSECOND)

/* RFC 2198 §3, with numbers that reach into every bit. */
static const guint8 example[] = { 0xef, 0x80, 0x04, 0x03, 0x6f, 'o', 'l', 'd', 'n', 'e', 'w' };

GST_START_TEST (test_blocks_are_read)
{
  GstLiveKitRedBlock blocks[GST_LIVEKIT_RED_MAX_BLOCKS];

  fail_unless_equals_int (gst_livekit_red_parse (example, sizeof example, blocks), 2);
  fail_unless_equals_int (blocks[0].payload_type, 111);
  fail_unless_equals_int (blocks[0].offset, 0x2001);
  fail_unless_equals_uint64 (blocks[0].size, 3);
  fail_unless (memcmp (example + blocks[0].position, "old", 3) == 0);
  fail_unless_equals_int (blocks[1].offset, 0);
  fail_unless_equals_uint64 (blocks[1].size, 3);
  fail_unless (memcmp (example + blocks[1].position, "new", 3) == 0);
}

GST_END_TEST;

GST_START_TEST (test_headers_are_written)
{
  const GstLiveKitRedBlock blocks[] = { {111, 0x2001, 0, 3}, {111, 0, 0, 3} };
  guint8 out[5];

  fail_unless_equals_uint64 (gst_livekit_red_write_headers (blocks, 2, NULL), 5);
  fail_unless_equals_uint64 (gst_livekit_red_write_headers (blocks, 2, out), 5);
  fail_unless (memcmp (out, example, sizeof out) == 0);
  fail_unless_equals_uint64 (gst_livekit_red_write_headers (blocks + 1, 1, out), 1);
  fail_unless_equals_int (out[0], 111);
}

GST_END_TEST;

/* A cut anywhere in headers or redundancy; the last block may have any length. */
GST_START_TEST (test_cut_payloads_are_refused)
{
  GstLiveKitRedBlock blocks[GST_LIVEKIT_RED_MAX_BLOCKS];
  guint8 endless[4 * GST_LIVEKIT_RED_MAX_BLOCKS + 8];

  for (gsize size = 0; size < 8; size++)
    fail_unless_equals_int (gst_livekit_red_parse (example, size, blocks), 0);
  for (gsize size = 8; size <= sizeof example; size++)
    fail_unless_equals_int (gst_livekit_red_parse (example, size, blocks), 2);
  memset (endless, 0x80, sizeof endless);
  fail_unless_equals_int (gst_livekit_red_parse (endless, sizeof endless, blocks), 0);
}

GST_END_TEST;

/* --- the elements --- */

/* Packet @i of the sound is i % 100 + 3 bytes, all i. */
static GstBuffer *
make_sound (guint i)
{
  gsize size = i % 100 + 3;
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, size, NULL);

  gst_buffer_memset (buffer, 0, (guint8) i, size);
  GST_BUFFER_PTS (buffer) = i * FRAME;
  GST_BUFFER_DURATION (buffer) = FRAME;
  return buffer;
}

static guint
number_of (GstBuffer * buffer)
{
  guint8 byte = 0;

  fail_unless_equals_uint64 (gst_buffer_extract (buffer, 0, &byte, 1), 1);
  fail_unless_equals_uint64 (gst_buffer_get_size (buffer), byte % 100 + 3u);
  fail_unless (gst_buffer_memcmp (buffer, gst_buffer_get_size (buffer) - 1, &byte, 1) == 0);
  return byte;
}

/* Sends @n packets, loses those that @is_lost names, and checks that all come out but those in @missing; returns how
 * many are marked as got back. */
static guint
send_with_loss (guint n, const gboolean * is_lost, const gboolean * missing)
{
  GstHarness *pay = gst_harness_new ("livekitrtpredpay"), *depay = gst_harness_new ("livekitrtpreddepay");
  guint n_recovered = 0;

  g_object_set (pay->element, "pt", 63, NULL);
  gst_harness_set_src_caps_str (pay, OPUS_CAPS);
  gst_harness_set_src_caps_str (depay, RED_CAPS);
  for (guint i = 0; i < n; i++) {
    GstBuffer *packet = gst_harness_push_and_pull (pay, make_sound (i));

    if (is_lost[i])
      gst_buffer_unref (packet);
    else
      fail_unless_equals_int (gst_harness_push (depay, packet), GST_FLOW_OK);
  }
  for (guint i = 0; i < n; i++) {
    g_autoptr (GstBuffer) buffer = missing[i] ? NULL : gst_harness_try_pull (depay);

    if (missing[i])
      continue;
    fail_unless (buffer != NULL, "packet %u did not come", i);
    fail_unless_equals_int (number_of (buffer), i);
    fail_unless_equals_uint64 (GST_BUFFER_PTS (buffer), i * FRAME);
    fail_unless (GST_BUFFER_FLAG_IS_SET (buffer, GST_RTP_BUFFER_FLAG_REDUNDANT) == is_lost[i]);
    n_recovered += is_lost[i];
  }
  fail_unless (gst_harness_try_pull (depay) == NULL);
  gst_harness_teardown (pay);
  gst_harness_teardown (depay);
  return n_recovered;
}

GST_START_TEST (test_single_losses_come_back)
{
  gboolean is_lost[200] = { FALSE }, missing[200] = { FALSE };

  for (guint i = 7; i < 199; i += 3)
    is_lost[i] = TRUE;
  fail_unless_equals_int (send_with_loss (200, is_lost, missing), 64);
}

GST_END_TEST;

GST_START_TEST (test_of_two_losses_one_comes_back)
{
  gboolean is_lost[20] = { FALSE }, missing[20] = { FALSE };

  is_lost[7] = is_lost[8] = missing[7] = TRUE;
  fail_unless_equals_int (send_with_loss (20, is_lost, missing), 1);
}

GST_END_TEST;

/* The server takes the sequence number of what is redundant from its place: it must be the packet sent before. */
GST_START_TEST (test_after_a_pause_nothing_is_redundant)
{
  GstHarness *pay = gst_harness_new ("livekitrtpredpay");
  static const guint numbers[] = { 0, 1, 2, 100, 101 }, blocks_wanted[] = { 1, 2, 2, 1, 2 };

  gst_harness_set_src_caps_str (pay, OPUS_CAPS);
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++) {
    g_autoptr (GstBuffer) packet = gst_harness_push_and_pull (pay, make_sound (numbers[i]));
    GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
    GstLiveKitRedBlock blocks[GST_LIVEKIT_RED_MAX_BLOCKS];
    guint n;

    fail_unless (gst_rtp_buffer_map (packet, GST_MAP_READ, &rtp));
    n = gst_livekit_red_parse (gst_rtp_buffer_get_payload (&rtp), gst_rtp_buffer_get_payload_len (&rtp), blocks);
    fail_unless_equals_int (n, blocks_wanted[i]);
    fail_unless_equals_int (gst_rtp_buffer_get_marker (&rtp), i == 0);
    if (n == 2)
      fail_unless_equals_int (blocks[0].offset, 960);
    gst_rtp_buffer_unmap (&rtp);
  }
  gst_harness_teardown (pay);
}

GST_END_TEST;

GST_START_TEST (test_dtx_sends_no_silence)
{
  GstHarness *pay = gst_harness_new ("livekitrtpredpay");
  GstBuffer *silence = gst_buffer_new_allocate (NULL, 1, NULL), *packet;
  GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;

  g_object_set (pay->element, "dtx", TRUE, NULL);
  gst_harness_set_src_caps_str (pay, OPUS_CAPS);
  gst_buffer_unref (gst_harness_push_and_pull (pay, make_sound (0)));
  gst_buffer_memset (silence, 0, 0xf8, 1);
  GST_BUFFER_PTS (silence) = FRAME;
  fail_unless_equals_int (gst_harness_push (pay, silence), GST_FLOW_OK);
  fail_unless (gst_harness_try_pull (pay) == NULL);
  packet = gst_harness_push_and_pull (pay, make_sound (2));
  fail_unless (gst_rtp_buffer_map (packet, GST_MAP_READ, &rtp));
  fail_unless (gst_rtp_buffer_get_marker (&rtp));
  gst_rtp_buffer_unmap (&rtp);
  gst_buffer_unref (packet);
  gst_harness_teardown (pay);
}

GST_END_TEST;

static Suite *
red_suite (void)
{
  Suite *s = suite_create ("red");
  TCase *blocks = tcase_create ("blocks"), *elements = tcase_create ("elements");

  suite_add_tcase (s, blocks);
  tcase_add_test (blocks, test_blocks_are_read);
  tcase_add_test (blocks, test_headers_are_written);
  tcase_add_test (blocks, test_cut_payloads_are_refused);
  suite_add_tcase (s, elements);
  tcase_add_test (elements, test_single_losses_come_back);
  tcase_add_test (elements, test_of_two_losses_one_comes_back);
  tcase_add_test (elements, test_after_a_pause_nothing_is_redundant);
  tcase_add_test (elements, test_dtx_sends_no_silence);
  return s;
}

GST_CHECK_MAIN (red);
