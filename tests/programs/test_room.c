/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of the video server's room: which errors end it. */

#include <gst/check/gstcheck.h>

#include "vsroom.h"

/* A livekitsink with the properties that are set, and nothing behind them. */

typedef GstBin Sink;
typedef GstBinClass SinkClass;

GType sink_get_type (void);
G_DEFINE_TYPE (Sink, sink, GST_TYPE_BIN);

static void
set_property (GObject * object, guint id, const GValue * value, GParamSpec * pspec)
{
}

static void
sink_class_init (SinkClass * class)
{
  static const gchar *const names[] = { "server-url", "token-url", "room", "identity" };

  G_OBJECT_CLASS (class)->set_property = set_property;
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    g_object_class_install_property (G_OBJECT_CLASS (class), i + 1,
        g_param_spec_string (names[i], names[i], names[i], NULL, G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS));
  g_object_class_install_property (G_OBJECT_CLASS (class), G_N_ELEMENTS (names) + 1,
      g_param_spec_uint ("join-timeout", "", "", 0, G_MAXUINT, 0, G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS));
}

static void
sink_init (Sink * sink)
{
}

typedef struct
{
  guint n_ups, n_downs, n_asked;
} Seen;

static void
note_up (gpointer data)
{
  ((Seen *) data)->n_ups++;
}

static void
note_down (gpointer data)
{
  ((Seen *) data)->n_downs++;
}

static gboolean
note_failure (GstObject * element, const GError * error, gpointer data)
{
  ((Seen *) data)->n_asked++;
  return FALSE;
}

#define wait_until(condition) G_STMT_START { \
  while (!(condition)) \
    g_main_context_iteration (NULL, TRUE); \
} G_STMT_END

static void
post_error (GstBin * bin, GstElement * origin)
{
  GError *error = g_error_new_literal (GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, "Internal data stream error.");

  gst_element_post_message (GST_ELEMENT (bin), gst_message_new_error (GST_OBJECT (origin), error, NULL));
  g_error_free (error);
}

/* Of three layers that fail at once the first one's error closes all; those of the others come when they are gone. */
GST_START_TEST (test_error_of_what_has_gone)
{
  static const VsRoomDelegate delegate = { note_up, note_down, NULL, NULL, note_failure };
  VsPipelineConfig sender = {.direction = VS_SENDS };
  AppServer server = {.url = (gchar *) "ws://127.0.0.1:1",.token_url = (gchar *) "http://127.0.0.1:1" };
  VsConfig config = {.server = &server,.room = (gchar *) "yard",.identity = (gchar *) "camera" };
  g_autoptr (GstClock) clock = gst_system_clock_obtain ();
  g_autoptr (GstElement) feed = gst_object_ref_sink (gst_element_factory_make ("identity", NULL));
  Seen seen = { 0, };
  VsRoom *room;

  fail_unless (gst_element_register (NULL, "livekitsink", GST_RANK_NONE, sink_get_type ()));
  config.pipelines = g_ptr_array_new ();
  g_ptr_array_add (config.pipelines, &sender);
  room = vs_room_new (&config, clock, &delegate, &seen);
  vs_room_start (room);
  wait_until (seen.n_ups == 1);
  post_error (vs_room_get_bin (room), feed);
  while (g_main_context_iteration (NULL, FALSE));
  fail_unless_equals_int (seen.n_downs + seen.n_asked, 0);
  fail_unless (vs_room_get_bin (room) != NULL);

  gst_bin_add (vs_room_get_bin (room), gst_object_ref (feed));
  post_error (vs_room_get_bin (room), feed);
  wait_until (seen.n_asked == 1);
  fail_unless_equals_int (seen.n_downs, 1);
  fail_unless (vs_room_get_bin (room) == NULL);
  vs_room_stop (room);
  wait_until (vs_room_has_ended (room));
  vs_room_free (room);
  g_ptr_array_unref (config.pipelines);
}
GST_END_TEST;

static Suite *
room_suite (void)
{
  Suite *suite = suite_create ("programs-room");
  TCase *tests = tcase_create ("room");

  suite_add_tcase (suite, tests);
  tcase_set_timeout (tests, 60);
  tcase_add_test (tests, test_error_of_what_has_gone);
  return suite;
}

GST_CHECK_MAIN (room);
