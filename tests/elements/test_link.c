/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of gstlivekitlink with a session of ours in place of webrtcbin's: who waits, who does not, and what becomes of
 * those that wait. */

#include <gst/check/gstcheck.h>

#include "elementfixture.h"
#include "gstlivekitlink.h"
#include "gstlivekitrtpextensions.h"

#define PACKET_BYTES 1200
#define VIDEO 96

typedef struct
{
  GstLiveKitLink *link;
  GstElement *session;
  GstPad *joint, *sink;
  gint n_received;              /* atomic */
  gint n_disordered;            /* atomic */
  gint n_shared;                /* atomic: somebody else holds them, so that who writes into them has to copy */
  gint n_congested;             /* atomic */
  gint n_lists;                 /* atomic */
  guint16 seqnum, reported;
  gboolean is_ended, is_broken;
  GstClockTime local_ts, remote_ts;
} Fixture;

static void
on_congested (gpointer data)
{
  g_atomic_int_inc (&((Fixture *) data)->n_congested);
}

static void
on_end (gpointer data)
{
  ((Fixture *) data)->is_ended = TRUE;
}

static void
take (Fixture * fixture, GstBuffer * buffer)
{
  guint8 number[2];

  gst_buffer_extract (buffer, 2, number, 2);
  if (GST_READ_UINT16_BE (number) != (guint16) g_atomic_int_add (&fixture->n_received, 1))
    g_atomic_int_inc (&fixture->n_disordered);
  if (!gst_buffer_is_writable (buffer))
    g_atomic_int_inc (&fixture->n_shared);
}

static GstFlowReturn
chain (GstPad * pad, GstObject * parent, GstBuffer * buffer)
{
  Fixture *fixture = gst_pad_get_element_private (pad);

  if (!fixture->is_broken)
    take (fixture, buffer);
  gst_buffer_unref (buffer);
  return fixture->is_broken ? GST_FLOW_ERROR : GST_FLOW_OK;
}

static GstFlowReturn
chain_list (GstPad * pad, GstObject * parent, GstBufferList * list)
{
  Fixture *fixture = gst_pad_get_element_private (pad);

  g_atomic_int_inc (&fixture->n_lists);
  for (guint i = 0; !fixture->is_broken && i < gst_buffer_list_length (list); i++)
    take (fixture, gst_buffer_list_get (list, i));
  gst_buffer_list_unref (list);
  return fixture->is_broken ? GST_FLOW_ERROR : GST_FLOW_OK;
}

static void
set_up (Fixture * fixture)
{
  GstSegment segment;

  *fixture = (Fixture) {.local_ts = GST_SECOND,.remote_ts = 77 * GST_SECOND };
  fixture->link = gst_livekit_link_new (on_congested, fixture, on_end);
  fixture->session = gst_object_ref_sink (gst_bin_new ("session"));
  gst_livekit_link_attach_session (fixture->link, fixture->session);
  fixture->sink = gst_pad_new ("send_rtp_sink", GST_PAD_SINK);
  gst_pad_set_element_private (fixture->sink, fixture);
  gst_pad_set_chain_function (fixture->sink, chain);
  gst_pad_set_chain_list_function (fixture->sink, chain_list);
  gst_pad_set_active (fixture->sink, TRUE);
  gst_element_add_pad (fixture->session, fixture->sink);
  fixture->joint = gst_object_ref_sink (gst_pad_new ("joint", GST_PAD_SRC));
  gst_pad_set_active (fixture->joint, TRUE);
  fail_unless_equals_int (gst_pad_link_full (fixture->joint, fixture->sink, GST_PAD_LINK_CHECK_NOTHING),
      GST_PAD_LINK_OK);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_push_event (fixture->joint, gst_event_new_stream_start ("joint"));
  gst_pad_push_event (fixture->joint, gst_event_new_segment (&segment));
}

static void
clean_up (Fixture * fixture)
{
  gst_pad_set_active (fixture->joint, FALSE);
  gst_livekit_link_stop (fixture->link);
  fail_unless (fixture->is_ended);
  gst_object_unref (fixture->session);
  gst_object_unref (fixture->joint);
  gst_livekit_link_unref (fixture->link);
}

static GstBuffer *
next_packet (Fixture * fixture)
{
  guint8 *data = g_malloc0 (PACKET_BYTES);

  data[0] = 0x80;
  data[1] = VIDEO;
  GST_WRITE_UINT16_BE (data + 2, fixture->seqnum);
  fixture->seqnum++;
  return gst_buffer_new_wrapped (data, PACKET_BYTES);
}

static GstFlowReturn
send (Fixture * fixture, guint n)
{
  GstFlowReturn flow = GST_FLOW_OK;

  for (guint i = 0; i < n && flow == GST_FLOW_OK; i++)
    flow = gst_livekit_link_send (fixture->link, fixture->joint, next_packet (fixture));
  return flow;
}

static GstFlowReturn
send_list (Fixture * fixture, guint n)
{
  GstBufferList *list = gst_buffer_list_new_sized (n);

  for (guint i = 0; i < n; i++)
    gst_buffer_list_add (list, next_packet (fixture));
  return gst_livekit_link_send_list (fixture->link, fixture->joint, list);
}

G_GNUC_BEGIN_IGNORE_DEPRECATIONS;

static void
add_fate (GValueArray * fates, GstStructure * fate)
{
  GValue value = G_VALUE_INIT;

  g_value_init (&value, GST_TYPE_STRUCTURE);
  g_value_take_boxed (&value, fate);
  g_value_array_append (fates, &value);
  g_value_unset (&value);
}

static void
report (Fixture * fixture, GValueArray * fates)
{
  GstStructure *structure = gst_structure_new_empty ("RTPTWCCPackets");

  if (fates)
    gst_structure_set (structure, "packets", g_value_array_get_type (), fates, NULL);
  gst_pad_push_event (fixture->sink, gst_event_new_custom (GST_EVENT_CUSTOM_UPSTREAM, structure));
  if (fates)
    g_value_array_free (fates);
}

/* Packets sent each 3 ms, which arrive each @arrival. */
static void
report_arrivals (Fixture * fixture, guint n, GstClockTime arrival)
{
  GValueArray *fates = g_value_array_new (n);

  for (guint i = 0; i < n; i++) {
    fixture->local_ts += 3 * GST_MSECOND;
    fixture->remote_ts += arrival;
    add_fate (fates, gst_structure_new ("RTPTWCCPacket", "seqnum", G_TYPE_UINT, (guint) fixture->reported++,
            "local-ts", G_TYPE_UINT64, fixture->local_ts, "remote-ts", G_TYPE_UINT64, fixture->remote_ts,
            "payload-type", G_TYPE_UCHAR, VIDEO, "size", G_TYPE_UINT, PACKET_BYTES, "lost", G_TYPE_BOOLEAN, FALSE,
            NULL));
  }
  report (fixture, fates);
}

G_GNUC_END_IGNORE_DEPRECATIONS;

static void
fill_path (Fixture * fixture, GstClockTime arrival)
{
  for (guint i = 0; i < 20; i++)
    report_arrivals (fixture, 30, 3 * GST_MSECOND);
  fail_unless_equals_int (g_atomic_int_get (&fixture->n_congested), 0);
  report_arrivals (fixture, 60, arrival);
  fail_unless (g_atomic_int_get (&fixture->n_congested) > 0);
}

/* Many wait at a link that is full, where one arrives each @arrival. */
static void
set_up_full (Fixture * fixture, GstClockTime arrival, guint n)
{
  set_up (fixture);
  fill_path (fixture, arrival);
  fail_unless_equals_int (send (fixture, n), GST_FLOW_OK);
}

static void
wait_idle (Fixture * fixture)
{
  element_wait_until (gst_livekit_link_is_idle (fixture->link));
}

static void
wait_all (Fixture * fixture, guint n)
{
  wait_idle (fixture);
  fail_unless_equals_int (fixture->n_received, n);
  fail_unless_equals_int (fixture->n_disordered, 0);
  fail_unless_equals_int (fixture->n_shared, 0);
}

/* As from a server that does not report. */
GST_START_TEST (test_without_feedback_nothing_waits)
{
  Fixture fixture;

  set_up (&fixture);
  for (guint i = 0; i < 20; i++) {
    fail_unless_equals_int (send (&fixture, 1000), GST_FLOW_OK);
    fail_unless_equals_int (fixture.n_received, (i + 1) * 1000);
    fail_unless (gst_livekit_link_is_idle (fixture.link) && gst_livekit_link_has_room (fixture.link));
  }
  fail_unless_equals_int (fixture.n_disordered, 0);
  clean_up (&fixture);
}
GST_END_TEST;

/* An element of the peer that fails has said so; the streams wait for the next peer. */
GST_START_TEST (test_broken_peer)
{
  Fixture fixture;

  set_up (&fixture);
  fail_unless_equals_int (send (&fixture, 1), GST_FLOW_OK);
  fixture.is_broken = TRUE;
  fail_unless_equals_int (send (&fixture, 1), GST_FLOW_FLUSHING);
  fail_unless_equals_int (send_list (&fixture, 3), GST_FLOW_FLUSHING);
  clean_up (&fixture);
}
GST_END_TEST;

GST_START_TEST (test_packets_of_a_frame_stay_together)
{
  Fixture fixture;

  set_up (&fixture);
  fail_unless_equals_int (send_list (&fixture, 1000), GST_FLOW_OK);
  for (guint i = 0; i < 20; i++)
    report_arrivals (&fixture, 30, 3 * GST_MSECOND);
  /* what goes at once is paid for: more than a burst is not sent */
  element_wait_until (send_list (&fixture, 5) == GST_FLOW_OK && fixture.n_lists == 2);
  fail_unless_equals_int (send_list (&fixture, 1000), GST_FLOW_OK);
  wait_all (&fixture, fixture.seqnum);
  fail_unless_equals_int (fixture.n_lists, 2);
  clean_up (&fixture);
}
GST_END_TEST;

GST_START_TEST (test_packets_that_wait_are_taken_apart)
{
  Fixture fixture;
  guint n = 0;

  set_up_full (&fixture, 10 * GST_MSECOND, 20);
  for (guint i = 0; i < 20; i++)
    n += send_list (&fixture, 10) == GST_FLOW_OK;
  fail_unless_equals_int (n, 20);
  wait_all (&fixture, 220);
  fail_unless_equals_int (fixture.n_lists, 0);
  gst_livekit_link_ref (fixture.link);
  gst_pad_set_active (fixture.joint, FALSE);
  gst_livekit_link_stop (fixture.link);
  fail_unless_equals_int (send_list (&fixture, 10), GST_FLOW_FLUSHING);
  gst_object_unref (fixture.session);
  gst_object_unref (fixture.joint);
  gst_livekit_link_unref (fixture.link);
  gst_livekit_link_unref (fixture.link);
}
GST_END_TEST;

/* A picture that is larger than what was sent so far is no reason to drop the next ones. */
GST_START_TEST (test_without_a_limit_there_is_room)
{
  Fixture fixture;

  set_up (&fixture);
  for (guint i = 0; i < 20; i++)
    report_arrivals (&fixture, 30, 3 * GST_MSECOND);
  fail_unless_equals_int (send (&fixture, 5000), GST_FLOW_OK);
  fail_unless (gst_livekit_link_has_room (fixture.link) && gst_livekit_link_may_resume (fixture.link));
  wait_all (&fixture, 5000);
  clean_up (&fixture);
}
GST_END_TEST;

GST_START_TEST (test_who_waits_goes_in_order)
{
  Fixture fixture;

  set_up_full (&fixture, 10 * GST_MSECOND, 200);
  wait_all (&fixture, 200);
  clean_up (&fixture);
}
GST_END_TEST;

/* 5000 packets would take minutes. */
GST_START_TEST (test_stop_leaves_who_waits)
{
  Fixture fixture;

  set_up_full (&fixture, 50 * GST_MSECOND, 5000);
  fail_unless (!gst_livekit_link_has_room (fixture.link) && !gst_livekit_link_may_resume (fixture.link));
  gst_livekit_link_ref (fixture.link);
  clean_up (&fixture);
  fail_unless (fixture.n_received < 5000);
  fixture.joint = gst_pad_new ("joint", GST_PAD_SRC);
  fail_unless_equals_int (send (&fixture, 1), GST_FLOW_FLUSHING);
  gst_object_unref (fixture.joint);
  gst_livekit_link_unref (fixture.link);
}
GST_END_TEST;

GST_START_TEST (test_forgotten_ones_make_room)
{
  Fixture fixture;

  set_up_full (&fixture, 50 * GST_MSECOND, 5000);
  gst_livekit_link_forget (fixture.link, fixture.joint);
  wait_idle (&fixture);
  fail_unless (fixture.n_received < 5000);
  fail_unless (gst_livekit_link_has_room (fixture.link));
  clean_up (&fixture);
}
GST_END_TEST;

/* Another path: what was measured holds nobody back any more. */
GST_START_TEST (test_reset_lets_all_go)
{
  Fixture fixture;

  set_up_full (&fixture, 50 * GST_MSECOND, 5000);
  gst_livekit_link_reset (fixture.link);
  wait_all (&fixture, 5000);
  clean_up (&fixture);
}
GST_END_TEST;

G_GNUC_BEGIN_IGNORE_DEPRECATIONS;

GST_START_TEST (test_odd_feedback_is_borne)
{
  Fixture fixture;
  GValueArray *fates = g_value_array_new (0);
  GValue number = G_VALUE_INIT;

  set_up (&fixture);
  report (&fixture, NULL);
  gst_pad_push_event (fixture.sink, gst_event_new_custom (GST_EVENT_CUSTOM_UPSTREAM,
          gst_structure_new ("RTPTWCCPackets", "packets", G_TYPE_UINT, 7, NULL)));
  report (&fixture, g_value_array_new (0));
  g_value_init (&number, G_TYPE_UINT);
  g_value_array_append (fates, &number);
  add_fate (fates, gst_structure_new_empty ("RTPTWCCPacket"));
  /* one that was never sent */
  add_fate (fates, gst_structure_new ("RTPTWCCPacket", "seqnum", G_TYPE_UINT, 1, "local-ts", G_TYPE_UINT64,
          GST_CLOCK_TIME_NONE, "remote-ts", G_TYPE_UINT64, GST_SECOND, "lost", G_TYPE_BOOLEAN, FALSE, NULL));
  report (&fixture, fates);
  /* none of it was feedback */
  fail_unless_equals_int (send (&fixture, 5000), GST_FLOW_OK);
  fail_unless_equals_int (fixture.n_received, 5000);
  fates = g_value_array_new (0);
  for (guint i = 0; i < 6000; i++)
    add_fate (fates, gst_structure_new ("RTPTWCCPacket", "seqnum", G_TYPE_UINT, G_MAXUINT - i,
            "local-ts", G_TYPE_UINT64, GST_CLOCK_TIME_NONE - 1 - i, "remote-ts", G_TYPE_UINT64, (guint64) i << 50, "size", G_TYPE_UINT, G_MAXUINT,
            "lost", G_TYPE_BOOLEAN, i % 3 == 0, NULL));
  report (&fixture, fates);
  fail_unless_equals_int (send (&fixture, 10), GST_FLOW_OK);
  wait_idle (&fixture);
  fail_unless_equals_int (fixture.n_received, 5010);
  clean_up (&fixture);
}
GST_END_TEST;

G_GNUC_END_IGNORE_DEPRECATIONS;

/* --- with the elements of GStreamer --- */

typedef struct
{
  GstPad *video;
  GstCaps *caps;
} Meanwhile;

/* As if the thread of the video came in between. */
static GstPadProbeReturn
announce_meanwhile (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  Meanwhile *meanwhile = data;

  if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) != GST_EVENT_CAPS || meanwhile->caps == NULL)
    return GST_PAD_PROBE_OK;
  gst_pad_send_event (meanwhile->video, gst_event_new_caps (meanwhile->caps));
  gst_clear_caps (&meanwhile->caps);
  return GST_PAD_PROBE_OK;
}

static void
read_number (GstBuffer * buffer, GArray * numbers)
{
  guint8 packet[20];

  fail_unless_equals_int (gst_buffer_extract (buffer, 0, packet, sizeof packet), 20);
  if ((packet[1] & 0x7f) == VIDEO) {
    guint number = packet[17] << 8 | packet[18];

    g_array_append_val (numbers, number);
  }
}

static GstPadProbeReturn
take_number (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  if (GST_PAD_PROBE_INFO_TYPE (info) & GST_PAD_PROBE_TYPE_BUFFER) {
    read_number (GST_PAD_PROBE_INFO_BUFFER (info), data);
    return GST_PAD_PROBE_OK;
  }
  for (guint i = 0; i < gst_buffer_list_length (GST_PAD_PROBE_INFO_BUFFER_LIST (info)); i++)
    read_number (gst_buffer_list_get (GST_PAD_PROBE_INFO_BUFFER_LIST (info), i), data);
  return GST_PAD_PROBE_OK;
}

static void
send_segment (GstPad * pad)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_send_event (pad, gst_event_new_segment (&segment));
}

/* A packet with room for a transport-wide number. */
static GstBuffer *
new_packet (guint payload_type, guint ssrc)
{
  guint8 packet[] = { 0x90, payload_type, 0, 1, 0, 0, 0, 1, 0, 0, 0, ssrc, 0xbe, 0xde, 0, 1, 0x41, 0, 0, 0, 1, 2, 3, 4 };

  return gst_buffer_new_memdup (packet, sizeof packet);
}

/* The funnel tells the session of the audio, and while it does, of the video: it forgot the latter. */
GST_START_TEST (test_all_video_is_numbered)
{
  g_autoptr (GstElement) pipeline = gst_pipeline_new (NULL);
  GstElement *funnel = gst_element_factory_make ("rtpfunnel", NULL);
  GstElement *session = gst_element_factory_make ("rtpsession", NULL);
  GstElement *sink = gst_element_factory_make ("fakesink", NULL);
  g_autoptr (GArray) numbers = g_array_new (FALSE, FALSE, sizeof (guint));
  g_autoptr (GstPad) funnel_src = NULL, sink_sink = NULL, audio = NULL, session_sink = NULL;
  GstBufferList *frame = gst_buffer_list_new ();
  Fixture fixture = { 0 };
  Meanwhile meanwhile;

  fixture.link = gst_livekit_link_new (on_congested, &fixture, on_end);
  gst_livekit_link_attach_session (fixture.link, session);
  g_object_set (sink, "async", FALSE, "sync", FALSE, NULL);
  gst_bin_add_many (GST_BIN (pipeline), funnel, session, sink, NULL);
  fail_unless (gst_element_link_pads (funnel, "src", session, "send_rtp_sink"));
  fail_unless (gst_element_link_pads (session, "send_rtp_src", sink, "sink"));
  funnel_src = gst_element_get_static_pad (funnel, "src");
  sink_sink = gst_element_get_static_pad (sink, "sink");
  session_sink = gst_element_get_static_pad (session, "send_rtp_sink");
  audio = gst_element_request_pad_simple (funnel, "sink_0");
  meanwhile.video = gst_element_request_pad_simple (funnel, "sink_1");
  meanwhile.caps = gst_caps_from_string ("application/x-rtp, media=video, payload=96, clock-rate=90000, ssrc=(uint)2, "
      "encoding-name=H264, extmap-4=(string)\"" GST_LIVEKIT_TWCC_URI "\"");
  gst_pad_add_probe (funnel_src, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, announce_meanwhile, &meanwhile, NULL);
  gst_pad_add_probe (sink_sink, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST, take_number, numbers, NULL);
  fail_unless_equals_int (gst_element_set_state (pipeline, GST_STATE_PLAYING), GST_STATE_CHANGE_SUCCESS);

  gst_pad_send_event (audio, gst_event_new_stream_start ("audio"));
  gst_pad_send_event (meanwhile.video, gst_event_new_stream_start ("video"));
  {
    g_autoptr (GstCaps) caps = gst_caps_from_string ("application/x-rtp, media=audio, payload=111, clock-rate=48000, "
        "encoding-name=OPUS, ssrc=(uint)1");

    gst_pad_send_event (audio, gst_event_new_caps (caps));
  }
  send_segment (audio);
  fail_unless_equals_int (gst_pad_chain (audio, new_packet (111, 1)), GST_FLOW_OK);
  fail_unless (meanwhile.caps == NULL);
  send_segment (meanwhile.video);
  for (guint i = 0; i < 3; i++)
    fail_unless_equals_int (gst_pad_chain (meanwhile.video, new_packet (VIDEO, 2)), GST_FLOW_OK);
  for (guint i = 0; i < 3; i++)
    gst_buffer_list_add (frame, new_packet (VIDEO, 2));
  fail_unless_equals_int (gst_pad_chain_list (meanwhile.video, frame), GST_FLOW_OK);
  fail_unless_equals_int (numbers->len, 6);
  for (guint i = 1; i < 6; i++)
    fail_unless_equals_int (g_array_index (numbers, guint, i), g_array_index (numbers, guint, 0) + i);

  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_element_release_request_pad (funnel, audio);
  gst_element_release_request_pad (funnel, meanwhile.video);
  gst_object_unref (meanwhile.video);
  gst_livekit_link_stop (fixture.link);
  gst_livekit_link_unref (fixture.link);
}
GST_END_TEST;

static Suite *
link_suite (void)
{
  Suite *suite = suite_create ("link");
  TCase *tcase = tcase_create ("link");

  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_without_feedback_nothing_waits);
  tcase_add_test (tcase, test_broken_peer);
  tcase_add_test (tcase, test_packets_of_a_frame_stay_together);
  tcase_add_test (tcase, test_packets_that_wait_are_taken_apart);
  tcase_add_test (tcase, test_without_a_limit_there_is_room);
  tcase_add_test (tcase, test_who_waits_goes_in_order);
  tcase_add_test (tcase, test_stop_leaves_who_waits);
  tcase_add_test (tcase, test_forgotten_ones_make_room);
  tcase_add_test (tcase, test_reset_lets_all_go);
  tcase_add_test (tcase, test_odd_feedback_is_borne);
  tcase_add_test (tcase, test_all_video_is_numbered);
  return suite;
}

GST_CHECK_MAIN (link);
