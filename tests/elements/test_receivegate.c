/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of gstlivekitreceivegate: what passes, and that it does not remember for ever. */

#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>
#include <gst/rtp/rtp.h>

#include "gstlivekitreceivegate.h"

GST_DEBUG_CATEGORY (gst_livekit_debug);

typedef struct
{
  GstLiveKitReceiveGate *gate;
  GstElement *decoder;          /* stands for srtpdec */
  GstPad *src, *sink;
  guint n_passed;
} Fixture;

static GstFlowReturn
count_packet (GstPad * pad, GstObject * parent, GstBuffer * buffer)
{
  ((Fixture *) gst_pad_get_element_private (pad))->n_passed++;
  gst_buffer_unref (buffer);
  return GST_FLOW_OK;
}

static GstPad *
add_pad (GstElement * element, const gchar * name)
{
  GstPad *pad = gst_pad_new (name, GST_PAD_SRC);

  gst_pad_set_active (pad, TRUE);
  fail_unless (gst_element_add_pad (element, pad));
  return pad;
}

static Fixture *
fixture_new (void)
{
  Fixture *f = g_new0 (Fixture, 1);
  GstSegment segment;

  f->gate = gst_livekit_receive_gate_new ();
  f->decoder = gst_object_ref_sink (gst_bin_new (NULL));
  f->src = add_pad (f->decoder, "rtp_src");
  add_pad (f->decoder, "rtcp_src");
  f->sink = gst_object_ref_sink (gst_pad_new ("sink", GST_PAD_SINK));
  gst_pad_set_element_private (f->sink, f);
  gst_pad_set_chain_function (f->sink, count_packet);
  gst_pad_set_active (f->sink, TRUE);
  fail_unless (gst_pad_link_full (f->src, f->sink, GST_PAD_LINK_CHECK_NOTHING) == GST_PAD_LINK_OK);
  gst_pad_push_event (f->src, gst_event_new_stream_start ("packets"));
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_push_event (f->src, gst_event_new_segment (&segment));
  gst_livekit_receive_gate_attach (f->gate, f->decoder);
  gst_livekit_receive_gate_set_verified (f->gate, TRUE);
  return f;
}

static void
fixture_free (Fixture * f)
{
  gst_pad_unlink (f->src, f->sink);
  gst_object_unref (f->decoder);
  gst_object_unref (f->sink);
  gst_livekit_receive_gate_unref (f->gate);
  g_free (f);
}

static gboolean
passes (Fixture * f, guint32 ssrc)
{
  guint8 header[12] = { 0x80, 96, };
  guint before = f->n_passed;

  GST_WRITE_UINT32_BE (header + 8, ssrc);
  fail_unless_equals_int (gst_pad_push (f->src, gst_buffer_new_memdup (header, sizeof header)), GST_FLOW_OK);
  return f->n_passed > before;
}

static void
know (Fixture * f, guint32 ssrc)
{
  g_autoptr (GHashTable) ssrcs = g_hash_table_new (NULL, NULL);

  g_hash_table_add (ssrcs, GUINT_TO_POINTER (ssrc));
  gst_livekit_receive_gate_set_ssrcs (f->gate, ssrcs);
}

/* Each description lists all streams that there are: what it does not list is not known. */
GST_START_TEST (test_known_streams_are_those_of_the_last_answer)
{
  Fixture *f = fixture_new ();

  know (f, 1);
  gst_livekit_receive_gate_set_answer_due (f->gate, TRUE);
  fail_unless (passes (f, 1));
  fail_if (passes (f, 2));
  know (f, 2);
  fail_unless (passes (f, 2));
  fail_unless_equals_int (f->n_passed, 3);      /* what was held has come as well */
  fail_if (passes (f, 1));
  gst_livekit_receive_gate_set_answer_due (f->gate, FALSE);
  fail_unless (passes (f, 3));
  fail_unless_equals_int (f->n_passed, 5);
  fixture_free (f);
}

GST_END_TEST;

/* What has ended stays so, until thousands more have. */
GST_START_TEST (test_ended_streams)
{
  Fixture *f = fixture_new ();

  fail_unless (passes (f, 1));
  for (guint32 ssrc = 1; ssrc <= 4000; ssrc++) {
    gst_livekit_receive_gate_end_stream (f->gate, ssrc);
    gst_livekit_receive_gate_end_stream (f->gate, ssrc);
  }
  for (guint32 ssrc = 1; ssrc <= 4000; ssrc++)
    fail_if (passes (f, ssrc));
  for (guint32 ssrc = 4001; ssrc <= 9000; ssrc++)
    gst_livekit_receive_gate_end_stream (f->gate, ssrc);
  fail_if (passes (f, 9000));
  fail_if (passes (f, 5001));
  fail_unless (passes (f, 1));
  fixture_free (f);
}

GST_END_TEST;

/* --- the end --- */

#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d"

/* A receiver report (RFC 3550 §6.4.2), protected. */
static GstBuffer *
make_report (GstHarness * protector)
{
  guint8 report[8] = { 0x80, GST_RTCP_TYPE_RR, 0, 1, 0, 0, 0, 1 };

  return gst_harness_push_and_pull (protector, gst_buffer_new_memdup (report, sizeof report));
}

static GstHarness *
protector_new (void)
{
  g_autoptr (GstElement) encoder = gst_object_ref_sink (gst_element_factory_make ("srtpenc", NULL));
  GstHarness *protector;

  gst_util_set_object_arg (G_OBJECT (encoder), "key", KEY);
  protector = gst_harness_new_with_element (encoder, "rtcp_sink_0", "rtcp_src_0");
  gst_harness_set_src_caps_str (protector, "application/x-rtcp");
  return protector;
}

static GstElement *
start_decoder (GstPad * pad)
{
  GstElement *decoder = gst_object_ref_sink (gst_element_factory_make ("srtpdec", NULL));
  g_autoptr (GstPad) sink = gst_element_get_static_pad (decoder, "rtp_sink");
  g_autoptr (GstCaps) caps = gst_caps_from_string ("application/x-srtp,ssrc=(uint)1,srtp-key=(buffer)" KEY ","
      "srtp-cipher=aes-128-icm,srtp-auth=hmac-sha1-80,srtcp-cipher=aes-128-icm,srtcp-auth=hmac-sha1-80");
  GstSegment segment;

  fail_unless (gst_pad_link (pad, sink) == GST_PAD_LINK_OK);
  fail_unless_equals_int (gst_element_set_state (decoder, GST_STATE_PLAYING), GST_STATE_CHANGE_SUCCESS);
  gst_pad_push_event (pad, gst_event_new_stream_start ("packets"));
  fail_unless (gst_pad_push_event (pad, gst_event_new_caps (caps)));
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_push_event (pad, gst_event_new_segment (&segment));
  return decoder;
}

/* On its way to NULL srtpdec gives up its source pads first, which forget their events. It would announce the first
 * report, should that come then, as of a stream that it cannot name. */
GST_START_TEST (test_report_while_stopping)
{
  GstLiveKitReceiveGate *gate = gst_livekit_receive_gate_new ();
  GstElement *source = gst_object_ref_sink (gst_bin_new (NULL));        /* stands for nicesrc */
  GstPad *pad = add_pad (source, "src");
  GstElement *decoder = start_decoder (pad);
  GstHarness *protector = protector_new ();
  g_autoptr (GstPad) rtp_src = gst_element_get_static_pad (decoder, "rtp_src");
  g_autoptr (GstPad) rtcp_src = gst_element_get_static_pad (decoder, "rtcp_src");

  gst_livekit_receive_gate_watch (gate, source);
  gst_livekit_receive_gate_close (gate);
  gst_pad_set_active (rtp_src, FALSE);
  gst_pad_set_active (rtcp_src, FALSE);
  fail_unless_equals_int (gst_pad_push (pad, make_report (protector)), GST_FLOW_OK);
  gst_element_set_state (decoder, GST_STATE_NULL);
  gst_harness_teardown (protector);
  gst_object_unref (decoder);
  gst_object_unref (source);
  gst_livekit_receive_gate_unref (gate);
}

GST_END_TEST;

static Suite *
receivegate_suite (void)
{
  Suite *suite = suite_create ("receivegate");
  TCase *tcase = tcase_create ("packets");

  GST_DEBUG_CATEGORY_INIT (gst_livekit_debug, "livekit", 0, "LiveKit rooms");
  tcase_add_test (tcase, test_known_streams_are_those_of_the_last_answer);
  tcase_add_test (tcase, test_ended_streams);
  tcase_add_test (tcase, test_report_while_stopping);
  suite_add_tcase (suite, tcase);
  return suite;
}

GST_CHECK_MAIN (receivegate);
