/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* livekitrtpav1pay and livekitrtpav1depay, with what av1enc makes. */
#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>
#include <gst/rtp/rtp.h>
#include <gst/video/video.h>

#include "gstlivekitav1packet.h"

#define DEPAY_CAPS "application/x-rtp, media=video, clock-rate=90000, encoding-name=AV1, payload=96"
#define N_UNITS 40

/* A real stream, a key frame in ten, whose first frames need several packets at any MTU. */
static GPtrArray *
encode (const gchar * filter)
{
  g_autofree gchar *launch = g_strdup_printf ("videotestsrc pattern=snow num-buffers=%d ! "
      "video/x-raw,width=160,height=120,framerate=30/1,format=I420 ! "
      "av1enc cpu-used=8 keyframe-max-dist=10 target-bitrate=1500%s", N_UNITS, filter);
  GstHarness *h = gst_harness_new_parse (launch);
  GPtrArray *units = g_ptr_array_new_with_free_func ((GDestroyNotify) gst_buffer_unref);

  gst_harness_set_sink_caps_str (h, "video/x-av1");
  gst_harness_play (h);
  for (guint i = 0; i < N_UNITS; i++)
    g_ptr_array_add (units, gst_harness_pull (h));
  gst_harness_teardown (h);
  return units;
}

static GstHarness *
new_payloader (guint mtu)
{
  GstHarness *h = gst_harness_new ("livekitrtpav1pay");

  g_object_set (h->element, "mtu", mtu, NULL);
  gst_harness_set_src_caps_str (h, "video/x-av1, stream-format=obu-stream, alignment=tu");
  return h;
}

static void
check_same (GstBuffer * got, GstBuffer * sent)
{
  GstMapInfo map;

  fail_unless (gst_buffer_map (sent, &map, GST_MAP_READ));
  gst_check_buffer_data (got, map.data, map.size);
  gst_buffer_unmap (sent, &map);
  fail_unless_equals_uint64 (GST_BUFFER_PTS (got), GST_BUFFER_PTS (sent));
  fail_unless_equals_int (GST_BUFFER_FLAG_IS_SET (got, GST_BUFFER_FLAG_DELTA_UNIT),
      GST_BUFFER_FLAG_IS_SET (sent, GST_BUFFER_FLAG_DELTA_UNIT));
  fail_unless_equals_int (GST_BUFFER_FLAG_IS_SET (got, GST_BUFFER_FLAG_HEADER),
      !GST_BUFFER_FLAG_IS_SET (sent, GST_BUFFER_FLAG_DELTA_UNIT));
}

static gboolean
has_marker (GstBuffer * packet)
{
  GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
  gboolean marker;

  fail_unless (gst_rtp_buffer_map (packet, GST_MAP_READ, &rtp));
  marker = gst_rtp_buffer_get_marker (&rtp);
  gst_rtp_buffer_unmap (&rtp);
  return marker;
}

static guint8
get_aggregation_header (GstBuffer * packet)
{
  GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
  guint8 header;

  fail_unless (gst_rtp_buffer_map (packet, GST_MAP_READ, &rtp));
  header = *(guint8 *) gst_rtp_buffer_get_payload (&rtp);
  gst_rtp_buffer_unmap (&rtp);
  return header;
}

static const guint mtus[] = { 28, 200, 333, 600, 1000, 1200, 1400 };

GST_START_TEST (test_real_stream_comes_back)
{
  g_autoptr (GPtrArray) units = encode ("");
  GstHarness *pay = new_payloader (mtus[__i__]), *depay = gst_harness_new ("livekitrtpav1depay");
  guint n_packets = 0, n_sequences = 0;

  gst_harness_set_src_caps_str (depay, DEPAY_CAPS);
  for (guint i = 0; i < units->len; i++) {
    GstBuffer *unit = g_ptr_array_index (units, i);
    g_autoptr (GstBuffer) back = NULL;
    GstBuffer *packet;
    gboolean marker = FALSE;

    fail_unless_equals_int (gst_harness_push (pay, gst_buffer_ref (unit)), GST_FLOW_OK);
    for (guint k = 0; (packet = gst_harness_try_pull (pay)); k++, n_packets++) {
      fail_if (marker, "a packet follows the marker");
      marker = has_marker (packet);
      fail_unless (gst_buffer_get_size (packet) <= mtus[__i__]);
      if (get_aggregation_header (packet) & GST_LIVEKIT_AV1_NEW_SEQUENCE) {
        fail_unless (k == 0 && !GST_BUFFER_FLAG_IS_SET (unit, GST_BUFFER_FLAG_DELTA_UNIT));
        n_sequences++;
      }
      gst_harness_push (depay, packet);
    }
    fail_unless (marker);
    back = gst_harness_try_pull (depay);
    fail_unless (back != NULL);
    check_same (back, unit);
    fail_unless_equals_int (GST_BUFFER_IS_DISCONT (back), i == 0);
  }
  fail_unless (n_packets > N_UNITS);
  fail_unless_equals_int (n_sequences, N_UNITS / 10);
  gst_harness_teardown (pay);
  gst_harness_teardown (depay);
}

GST_END_TEST;

/* The bulk of a packet is memory of the encoder's buffer. */
GST_START_TEST (test_payload_is_shared)
{
  g_autoptr (GPtrArray) units = encode ("");
  GstHarness *pay = new_payloader (1200);
  GstMemory *memory = gst_buffer_peek_memory (g_ptr_array_index (units, 0), 0);
  GstBuffer *packet;
  guint n_shared = 0;

  gst_harness_push (pay, gst_buffer_ref (g_ptr_array_index (units, 0)));
  while ((packet = gst_harness_try_pull (pay))) {
    GstMemory *last = gst_buffer_peek_memory (packet, gst_buffer_n_memory (packet) - 1);

    n_shared += last->parent == memory;
    gst_buffer_unref (packet);
  }
  fail_unless (n_shared > 1);
  gst_harness_teardown (pay);
}

GST_END_TEST;

GST_START_TEST (test_caps_tell_profile_level_and_tier)
{
  g_autoptr (GPtrArray) units = encode ("");
  GstHarness *pay = new_payloader (1200);
  g_autoptr (GstCaps) caps = NULL;
  const GstStructure *structure;

  gst_harness_push (pay, gst_buffer_ref (g_ptr_array_index (units, 0)));
  caps = gst_pad_get_current_caps (pay->sinkpad);
  structure = gst_caps_get_structure (caps, 0);
  fail_unless_equals_string (gst_structure_get_string (structure, "encoding-name"), "AV1");
  fail_unless_equals_string (gst_structure_get_string (structure, "profile"), "0");
  fail_unless_equals_string (gst_structure_get_string (structure, "tier"), "0");
  fail_unless (gst_structure_has_field_typed (structure, "level-idx", G_TYPE_STRING));
  gst_harness_teardown (pay);
}

GST_END_TEST;

/* A receiver's parameters are what it can do, not what is sent. */
GST_START_TEST (test_parameters_of_downstream_do_not_stop_the_stream)
{
  g_autoptr (GPtrArray) units = encode ("");
  GstHarness *pay = gst_harness_new ("livekitrtpav1pay");
  g_autoptr (GstCaps) caps = NULL;

  gst_harness_set_sink_caps_str (pay, DEPAY_CAPS ", level-idx=(string)13, profile=(string)0");
  gst_harness_set_src_caps_str (pay, "video/x-av1, stream-format=obu-stream, alignment=tu");
  fail_unless_equals_int (gst_harness_push (pay, gst_buffer_ref (g_ptr_array_index (units, 0))), GST_FLOW_OK);
  caps = gst_pad_get_current_caps (pay->sinkpad);
  fail_unless_equals_string (gst_structure_get_string (gst_caps_get_structure (caps, 0), "level-idx"), "13");
  gst_harness_teardown (pay);
}

GST_END_TEST;

static const gchar *const refused_caps[] = {
  "video/x-av1, stream-format=annexb, alignment=tu",
  "video/x-av1, stream-format=obu-stream, alignment=frame",
};

GST_START_TEST (test_other_formats_are_refused_with_a_reason)
{
  GstHarness *pay = gst_harness_new ("livekitrtpav1pay");
  g_autoptr (GstBus) bus = gst_bus_new ();
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree gchar *debug = NULL;
  g_autoptr (GstCaps) caps = gst_pad_peer_query_caps (pay->srcpad, NULL);
  g_autoptr (GstCaps) refused = gst_caps_from_string (refused_caps[__i__]);

  fail_if (gst_caps_can_intersect (caps, refused));
  gst_element_set_bus (pay->element, bus);
  gst_harness_set_src_caps_str (pay, refused_caps[__i__]);
  fail_unless_equals_int (gst_harness_push (pay, gst_harness_create_buffer (pay, 10)), GST_FLOW_NOT_NEGOTIATED);
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  fail_unless (message != NULL);
  gst_message_parse_error (message, &error, &debug);
  fail_unless (g_error_matches (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT));
  fail_unless (strstr (debug, "av1parse") != NULL);
  gst_element_set_bus (pay->element, NULL);
  gst_harness_teardown (pay);
}

GST_END_TEST;

/* av1parse in front makes of annex B what the payloader takes. */
GST_START_TEST (test_av1parse_converts)
{
  g_autoptr (GPtrArray) units = encode ("");
  g_autoptr (GPtrArray) others = encode (" ! av1parse ! video/x-av1,stream-format=annexb,alignment=tu ! identity");
  GstHarness *h = gst_harness_new_parse ("av1parse ! livekitrtpav1pay ! livekitrtpav1depay");

  gst_harness_set_src_caps_str (h, "video/x-av1, stream-format=annexb, alignment=tu");
  for (guint i = 0; i < units->len; i++) {
    g_autoptr (GstBuffer) back = NULL;

    fail_unless_equals_int (gst_harness_push (h, gst_buffer_ref (g_ptr_array_index (others, i))), GST_FLOW_OK);
    back = gst_harness_pull (h);
    check_same (back, g_ptr_array_index (units, i));
  }
  gst_harness_teardown (h);
}

GST_END_TEST;

GST_START_TEST (test_bad_units_are_told_once_and_skipped)
{
  g_autoptr (GPtrArray) units = encode ("");
  GstHarness *pay = new_payloader (1200);
  g_autoptr (GstBus) bus = gst_bus_new ();
  GstMessage *message;
  guint n_warnings = 0;

  gst_element_set_bus (pay->element, bus);
  for (guint i = 0; i < 3; i++) {
    GstBuffer *bad = gst_buffer_new_memdup ("\x32\x7f\x10", 3);

    fail_unless_equals_int (gst_harness_push (pay, bad), GST_FLOW_OK);
  }
  fail_unless_equals_int (gst_harness_buffers_in_queue (pay), 0);
  gst_harness_push (pay, gst_buffer_ref (g_ptr_array_index (units, 0)));
  fail_unless (gst_harness_buffers_in_queue (pay) > 0);
  while ((message = gst_bus_pop_filtered (bus, GST_MESSAGE_WARNING))) {
    n_warnings++;
    gst_message_unref (message);
  }
  fail_unless_equals_int (n_warnings, 1);
  gst_element_set_bus (pay->element, NULL);
  gst_harness_teardown (pay);
}

GST_END_TEST;

GST_START_TEST (test_extensions_fit_the_mtu)
{
  g_autoptr (GPtrArray) units = encode ("");
  GstHarness *pay = gst_harness_new ("livekitrtpav1pay");
  GstRTPHeaderExtension *extension =
      gst_rtp_header_extension_create_from_uri
      ("http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01");
  GstBuffer *packet;
  guint biggest = 0;

  fail_unless (extension != NULL);
  gst_rtp_header_extension_set_id (extension, 3);
  g_signal_emit_by_name (pay->element, "add-extension", extension);
  gst_object_unref (extension);
  g_object_set (pay->element, "mtu", 600, NULL);
  gst_harness_set_src_caps_str (pay, "video/x-av1, stream-format=obu-stream, alignment=tu");
  for (guint i = 0; i < units->len; i++) {
    gst_harness_push (pay, gst_buffer_ref (g_ptr_array_index (units, i)));
    while ((packet = gst_harness_try_pull (pay))) {
      guint8 first;

      gst_buffer_extract (packet, 0, &first, 1);
      fail_unless (first & 0x10, "no extension");
      biggest = MAX (biggest, gst_buffer_get_size (packet));
      gst_buffer_unref (packet);
    }
  }
  fail_unless_equals_int (biggest, 600);
  gst_harness_teardown (pay);
}

GST_END_TEST;

static GPtrArray *
make_packets (GPtrArray * units, guint mtu)
{
  GstHarness *pay = new_payloader (mtu);
  GPtrArray *packets = g_ptr_array_new_with_free_func ((GDestroyNotify) gst_buffer_unref);
  GstBuffer *packet;

  for (guint i = 0; i < units->len; i++) {
    gst_harness_push (pay, gst_buffer_ref (g_ptr_array_index (units, i)));
    while ((packet = gst_harness_try_pull (pay)))
      g_ptr_array_add (packets, packet);
  }
  gst_harness_teardown (pay);
  return packets;
}

static guint
count_key_frame_requests (GstHarness * h)
{
  GstEvent *event;
  guint n = 0;

  while ((event = gst_harness_try_pull_upstream_event (h))) {
    n += gst_video_event_is_force_key_unit (event);
    gst_event_unref (event);
  }
  return n;
}

/* What comes out is whole, in order, and where that was asked for starts with a key frame after each loss. */
static guint
check_with_loss (GPtrArray * units, GPtrArray * packets, guint seed, gboolean waits)
{
  GstHarness *depay = gst_harness_new ("livekitrtpav1depay");
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  GstBuffer *got;
  guint n_lost = 0, n_got = 0, unit = 0;

  g_object_set (depay->element, "wait-for-keyframe", waits, "request-keyframe", TRUE, NULL);
  gst_harness_set_src_caps_str (depay, DEPAY_CAPS);
  for (guint i = 0; i < packets->len; i++) {
    if (g_rand_double (rand) < 0.005)
      n_lost++;
    else
      gst_harness_push (depay, gst_buffer_ref (g_ptr_array_index (packets, i)));
  }
  fail_unless (n_lost > 0);
  while ((got = gst_harness_try_pull (depay))) {
    while (unit < units->len
        && GST_BUFFER_PTS (g_ptr_array_index (units, unit)) != GST_BUFFER_PTS (got))
      unit++;
    fail_unless (unit < units->len);
    check_same (got, g_ptr_array_index (units, unit));
    if (waits && GST_BUFFER_IS_DISCONT (got))
      fail_if (GST_BUFFER_FLAG_IS_SET (got, GST_BUFFER_FLAG_DELTA_UNIT));
    gst_buffer_unref (got);
    n_got++;
  }
  fail_unless (n_got < units->len);
  fail_unless (count_key_frame_requests (depay) > 0);
  gst_harness_teardown (depay);
  return n_got;
}

GST_START_TEST (test_loss)
{
  g_autoptr (GPtrArray) units = encode ("");
  g_autoptr (GPtrArray) packets = make_packets (units, 1400);
  guint n_got[2] = { 0, 0 };

  for (guint seed = 1; seed <= 40; seed++)
    n_got[seed % 2] += check_with_loss (units, packets, seed, seed % 2);
  fail_unless (n_got[0] > n_got[1] && n_got[1] > 0, "%u %u of %u", n_got[0], n_got[1], 20 * N_UNITS);
}

GST_END_TEST;

/* Nothing is shown before the first key frame, and one is asked for. */
GST_START_TEST (test_starts_with_a_key_frame)
{
  g_autoptr (GPtrArray) units = encode ("");
  g_autoptr (GPtrArray) packets = make_packets (units, 10000);
  GstHarness *depay = gst_harness_new ("livekitrtpav1depay");
  g_autoptr (GstBuffer) got = NULL;

  g_object_set (depay->element, "request-keyframe", TRUE, NULL);
  gst_harness_set_src_caps_str (depay, DEPAY_CAPS);
  for (guint i = 3; i < packets->len; i++) {
    if (i == 10)
      fail_unless_equals_int (count_key_frame_requests (depay), 1);
    gst_harness_push (depay, gst_buffer_ref (g_ptr_array_index (packets, i)));
  }
  got = gst_harness_pull (depay);
  check_same (got, g_ptr_array_index (units, 10));
  fail_unless (GST_BUFFER_IS_DISCONT (got));
  fail_unless_equals_int (count_key_frame_requests (depay), 0);
  gst_harness_teardown (depay);
}

GST_END_TEST;

static void
clear_marker (GstBuffer ** packet)
{
  GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;

  *packet = gst_buffer_make_writable (*packet);
  fail_unless (gst_rtp_buffer_map (*packet, GST_MAP_READWRITE, &rtp));
  gst_rtp_buffer_set_marker (&rtp, FALSE);
  gst_rtp_buffer_unmap (&rtp);
}

/* §4.2: markers may be missing. The next timestamp ends a unit, and EOS the last. */
GST_START_TEST (test_without_markers)
{
  g_autoptr (GPtrArray) units = encode ("");
  g_autoptr (GPtrArray) packets = make_packets (units, 500);
  GstHarness *depay = gst_harness_new ("livekitrtpav1depay");

  gst_harness_set_src_caps_str (depay, DEPAY_CAPS);
  for (guint i = 0; i < packets->len; i++) {
    GstBuffer *packet = gst_buffer_ref (g_ptr_array_index (packets, i));

    clear_marker (&packet);
    gst_harness_push (depay, packet);
  }
  gst_harness_push_event (depay, gst_event_new_eos ());
  for (guint i = 0; i < units->len; i++) {
    g_autoptr (GstBuffer) got = gst_harness_try_pull (depay);

    fail_unless (got != NULL, "unit %u", i);
    check_same (got, g_ptr_array_index (units, i));
  }
  gst_harness_teardown (depay);
}

GST_END_TEST;

static Suite *
av1_suite (void)
{
  Suite *s = suite_create ("av1");
  TCase *pay = tcase_create ("pay"), *depay = tcase_create ("depay");

  suite_add_tcase (s, pay);
  tcase_add_test (pay, test_payload_is_shared);
  tcase_add_test (pay, test_caps_tell_profile_level_and_tier);
  tcase_add_test (pay, test_parameters_of_downstream_do_not_stop_the_stream);
  tcase_add_loop_test (pay, test_other_formats_are_refused_with_a_reason, 0, G_N_ELEMENTS (refused_caps));
  tcase_add_test (pay, test_av1parse_converts);
  tcase_add_test (pay, test_bad_units_are_told_once_and_skipped);
  tcase_add_test (pay, test_extensions_fit_the_mtu);
  suite_add_tcase (s, depay);
  tcase_add_loop_test (depay, test_real_stream_comes_back, 0, G_N_ELEMENTS (mtus));
  tcase_add_test (depay, test_loss);
  tcase_add_test (depay, test_starts_with_a_key_frame);
  tcase_add_test (depay, test_without_markers);
  return s;
}

GST_CHECK_MAIN (av1);
