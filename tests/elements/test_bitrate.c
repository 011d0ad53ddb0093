/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of livekitbitrate: encoders that are there follow the event, whatever their unit. */

#include <gst/check/gstcheck.h>

#include "elementfixture.h"

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
  element_wait_until (bitrate_of (encoder, row) == bps);
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

/* An encoder of VA-API by its name. Its bitrate, in kbit/s, is 0 at first; who sets it to 600 waits. */
typedef struct
{
  GstElement parent;
  GMutex lock;
  GCond changed;
  guint bitrate;
  gboolean is_held, is_entered;
} SlowEncoder;

typedef GstElementClass SlowEncoderClass;

static GType slow_encoder_get_type (void);
G_DEFINE_TYPE (SlowEncoder, slow_encoder, GST_TYPE_ELEMENT);

static void
slow_encoder_set_property (GObject * object, guint id, const GValue * value, GParamSpec * pspec)
{
  SlowEncoder *self = (SlowEncoder *) object;
  guint bitrate = g_value_get_uint (value);

  g_mutex_lock (&self->lock);
  self->is_entered |= bitrate == 600;
  g_cond_broadcast (&self->changed);
  while (self->is_held && bitrate == 600)
    g_cond_wait (&self->changed, &self->lock);
  self->bitrate = bitrate;
  g_mutex_unlock (&self->lock);
}

static void
slow_encoder_get_property (GObject * object, guint id, GValue * value, GParamSpec * pspec)
{
  SlowEncoder *self = (SlowEncoder *) object;

  g_mutex_lock (&self->lock);
  g_value_set_uint (value, self->bitrate);
  g_mutex_unlock (&self->lock);
}

static void
slow_encoder_class_init (SlowEncoderClass * klass)
{
  G_OBJECT_CLASS (klass)->set_property = slow_encoder_set_property;
  G_OBJECT_CLASS (klass)->get_property = slow_encoder_get_property;
  g_object_class_install_property (G_OBJECT_CLASS (klass), 1, g_param_spec_uint ("bitrate", "Bitrate", "kbit/s", 0,
          G_MAXINT32, 0, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS));
  gst_element_class_set_static_metadata (klass, "Slow", "Codec/Encoder/Video", "Takes its time", "tests");
}

static void
slow_encoder_init (SlowEncoder * self)
{
  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
  gst_element_add_pad (GST_ELEMENT (self), gst_pad_new ("sink", GST_PAD_SINK));
  gst_element_add_pad (GST_ELEMENT (self), gst_pad_new ("src", GST_PAD_SRC));
}

static const Row slow_row = { "vaslowenc", "bitrate", 1000, 0 };

static GstElement *
slow_bin (SlowEncoder ** encoder, GstPad ** pad)
{
  GstElement *bin, *end;

  fail_unless (gst_element_register (NULL, slow_row.encoder, GST_RANK_NONE, slow_encoder_get_type ()));
  bin = gst_object_ref_sink (gst_parse_launch ("vaslowenc name=e ! livekitbitrate ! fakesink name=end", NULL));
  *encoder = (SlowEncoder *) gst_bin_get_by_name (GST_BIN (bin), "e");
  end = gst_bin_get_by_name (GST_BIN (bin), "end");
  *pad = gst_element_get_static_pad (end, "sink");
  gst_object_unref (end);
  gst_element_set_state (bin, GST_STATE_PAUSED);
  return bin;
}

static void
slow_bin_free (GstElement * bin, SlowEncoder * encoder, GstPad * pad)
{
  gst_element_set_state (bin, GST_STATE_NULL);
  gst_object_unref (pad);
  gst_object_unref (encoder);
  gst_object_unref (bin);
}

/* 0 is automatic: it is that again when there is no limit any more. */
GST_START_TEST (test_automatic_bitrate_comes_back)
{
  SlowEncoder *encoder;
  GstPad *pad;
  GstElement *bin = slow_bin (&encoder, &pad);

  fail_unless (send_target (pad, G_MAXUINT));
  fail_unless (send_target (pad, 700000));
  wait_bitrate (GST_ELEMENT (encoder), &slow_row, 700000);
  fail_unless (send_target (pad, G_MAXUINT));
  wait_bitrate (GST_ELEMENT (encoder), &slow_row, 0);
  slow_bin_free (bin, encoder, pad);
}
GST_END_TEST;

GST_START_TEST (test_last_target_wins)
{
  SlowEncoder *encoder;
  GstPad *pad;
  GstElement *bin = slow_bin (&encoder, &pad);
  gint64 until_us = g_get_monotonic_time () + G_TIME_SPAN_SECOND;

  encoder->is_held = TRUE;
  fail_unless (send_target (pad, 600000));
  g_mutex_lock (&encoder->lock);
  while (!encoder->is_entered)
    g_cond_wait (&encoder->changed, &encoder->lock);
  g_mutex_unlock (&encoder->lock);
  fail_unless (send_target (pad, 300000));
  /* nobody else gets in while one is there */
  g_mutex_lock (&encoder->lock);
  while (encoder->bitrate == 0 && g_cond_wait_until (&encoder->changed, &encoder->lock, until_us));
  fail_unless_equals_int (encoder->bitrate, 0);
  encoder->is_held = FALSE;
  g_cond_broadcast (&encoder->changed);
  g_mutex_unlock (&encoder->lock);
  wait_bitrate (GST_ELEMENT (encoder), &slow_row, 300000);
  slow_bin_free (bin, encoder, pad);
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
  tcase_add_test (tcase, test_automatic_bitrate_comes_back);
  tcase_add_test (tcase, test_last_target_wins);
  tcase_add_test (tcase, test_without_an_encoder_the_event_is_not_taken);
  return suite;
}

GST_CHECK_MAIN (bitrate);
