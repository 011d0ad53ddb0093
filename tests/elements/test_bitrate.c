/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of livekitbitrate: encoders that are there follow the event, whatever their unit. */

#include <gst/check/gstcheck.h>

#define EVENT "livekit-target-bitrate"

typedef struct
{
  const gchar *encoder, *property;
  guint unit, full;             /* full: what it is set to, in its unit */
} Row;

static const Row rows[] = {
  {"x264enc", "bitrate", 1000, 2000}, {"openh264enc", "bitrate", 1, 2000000},
  {"vp8enc", "target-bitrate", 1, 2000000}, {"vp9enc", "target-bitrate", 1, 2000000},
  {"x265enc", "bitrate", 1000, 2000}, {"av1enc", "target-bitrate", 1000, 2000},
};

static guint
bitrate_of (GstElement * encoder, const Row * row)
{
  GValue value = G_VALUE_INIT, number = G_VALUE_INIT;

  g_object_get_property (G_OBJECT (encoder), row->property, &value);
  g_value_init (&number, G_TYPE_INT64);
  fail_unless (g_value_transform (&value, &number));
  g_value_unset (&value);
  return (guint) g_value_get_int64 (&number) * row->unit;
}

static gboolean
send_target (GstPad * pad, guint bps)
{
  return gst_pad_push_event (pad, gst_event_new_custom (GST_EVENT_CUSTOM_UPSTREAM,
          gst_structure_new (EVENT, "bitrate", G_TYPE_UINT, bps, NULL)));
}

/* It is set in a pool thread. */
static void
wait_bitrate (GstElement * encoder, const Row * row, guint bps)
{
  for (guint i = 0; bitrate_of (encoder, row) != bps; i++) {
    fail_unless (i < 2000, "%s has %u, should have %u", row->encoder, bitrate_of (encoder, row), bps);
    g_usleep (10000);
  }
}

static void
check_encoder (const Row * row, gboolean is_behind)
{
  g_autofree gchar *full = g_strdup_printf ("%s=%u", row->property, row->full);
  g_autofree gchar *text = g_strdup_printf ("%s ! identity ! %s name=e %s ! identity ! %s ! fakesink name=end",
      is_behind ? "identity" : "livekitbitrate", row->encoder, full, is_behind ? "livekitbitrate" : "identity");
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) bin = gst_object_ref_sink (gst_parse_launch (text, &error));
  g_autoptr (GstElement) encoder = NULL, end = NULL;
  g_autoptr (GstPad) pad = NULL;

  fail_unless (error == NULL, "%s: %s", text, error ? error->message : "");
  encoder = gst_bin_get_by_name (GST_BIN (bin), "e");
  end = gst_bin_get_by_name (GST_BIN (bin), "end");
  pad = gst_element_get_static_pad (end, "sink");
  gst_element_set_state (bin, GST_STATE_PAUSED);
  fail_unless (send_target (pad, 700000));
  wait_bitrate (encoder, row, 700000);
  fail_unless (send_target (pad, 1000));
  wait_bitrate (encoder, row, 50000);
  fail_unless (send_target (pad, G_MAXUINT));
  wait_bitrate (encoder, row, 2000000);
  gst_element_set_state (bin, GST_STATE_NULL);
}

GST_START_TEST (test_encoder_follows)
{
  const Row *row = &rows[__i__];
  g_autoptr (GstElementFactory) factory = gst_element_factory_find (row->encoder);

  /* All of them are in Debian, but not on every machine; x264enc and the vp8 one must be. */
  if (factory == NULL) {
    fail_unless (__i__ != 0 && __i__ != 2, "no %s", row->encoder);
    return;
  }
  check_encoder (row, TRUE);
  check_encoder (row, FALSE);
}
GST_END_TEST;

GST_START_TEST (test_without_an_encoder_the_event_is_not_taken)
{
  g_autoptr (GstElement) bin = gst_object_ref_sink (gst_parse_launch (
          "identity ! livekitbitrate ! fakesink name=end", NULL));
  g_autoptr (GstElement) end = gst_bin_get_by_name (GST_BIN (bin), "end");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (end, "sink");

  gst_element_set_state (bin, GST_STATE_PAUSED);
  fail_unless (!send_target (pad, 700000));
  gst_element_set_state (bin, GST_STATE_NULL);
}
GST_END_TEST;

static Suite *
bitrate_suite (void)
{
  Suite *suite = suite_create ("bitrate");
  TCase *tcase = tcase_create ("bitrate");

  suite_add_tcase (suite, tcase);
  tcase_add_loop_test (tcase, test_encoder_follows, 0, G_N_ELEMENTS (rows));
  tcase_add_test (tcase, test_without_an_encoder_the_event_is_not_taken);
  return suite;
}

GST_CHECK_MAIN (bitrate);
