/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of gstlivekitjitter: a jitter buffer that does not wait for a second packet. */

#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>
#include <gst/rtp/rtp.h>

#include "gstlivekitjitter.h"

#define ROUNDS 20
/* Longer than a test may take. */
#define LATENCY_MS 300000

static GstBuffer *
make_packet (guint16 seqnum)
{
  GstBuffer *packet = gst_rtp_buffer_new_allocate (10, 0, 0);
  GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;

  fail_unless (gst_rtp_buffer_map (packet, GST_MAP_WRITE, &rtp));
  gst_rtp_buffer_set_payload_type (&rtp, 111);
  gst_rtp_buffer_set_seq (&rtp, seqnum);
  gst_rtp_buffer_unmap (&rtp);
  GST_BUFFER_DTS (packet) = GST_BUFFER_PTS (packet) = 0;
  return packet;
}

/* Events and packet come together, as from rtpssrcdemux. */
GST_START_TEST (test_first_packet_passes)
{
  for (guint round = 0; round < ROUNDS; round++) {
    GstElement *jitterbuffer = gst_object_ref_sink (gst_element_factory_make ("rtpjitterbuffer", NULL));
    GstHarness *h;
    GstBuffer *packet;

    g_object_set (jitterbuffer, "latency", LATENCY_MS, NULL);
    gst_livekit_jitter_hasten (jitterbuffer);
    h = gst_harness_new_with_element (jitterbuffer, "sink", "src");
    gst_harness_set_src_caps_str (h, "application/x-rtp,media=audio,clock-rate=48000,encoding-name=OPUS,payload=111");
    fail_unless_equals_int (gst_harness_push (h, make_packet (7)), GST_FLOW_OK);
    packet = gst_harness_pull (h);
    fail_if (packet == NULL);
    gst_buffer_unref (packet);
    gst_harness_teardown (h);
    gst_object_unref (jitterbuffer);
  }
}

GST_END_TEST;

static Suite *
jitter_suite (void)
{
  Suite *suite = suite_create ("jitter");
  TCase *tcase = tcase_create ("beginning");

  tcase_add_test (tcase, test_first_packet_passes);
  suite_add_tcase (suite, tcase);
  return suite;
}

GST_CHECK_MAIN (jitter);
