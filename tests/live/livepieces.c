/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * livepieces: two pipelines whose pieces come and go, for the live tests. Prints JSON lines as livelaunch does. Each
 * src pad that a livekitsrc shows feeds a fakesink. The second pipeline's running time is ahead of the first one's by
 * LEAD.
 *
 * Commands on standard input: "add 0|1 NAME DESCRIPTION" (a bin of that name into the first or second pipeline, in its
 * state), "remove NAME" (to NULL, then out of its pipeline), "pause NAME" and "play NAME" (a piece or an element of the
 * first pipeline), "state 0|1 null|playing", "hand-on" (the second pipeline gets the first one's contexts), "count NAME"
 * (buffers that its fakesinks had; longest time between two of them and the most by which a timestamp was not the running
 * time, both since the last count and in ms), "get ELEMENT PROPERTY", "quit". */

#include <stdio.h>
#include <glib-unix.h>
#include <gst/gst.h>
#include <json-glib/json-glib.h>

#include "commands.h"

#define N_PIPELINES 2
#define LEAD (1000 * GST_SECOND)

typedef struct
{
  GstElement *bin;
  guint pipeline;
  GMutex lock;
  guint n_buffers;              /* with lock, as the next */
  gint64 last_us, longest_us;
  GstClockTimeDiff most_off;
} Piece;

typedef struct
{
  GMainLoop *loop;
  GstElement *pipelines[N_PIPELINES];
  GHashTable *pieces;           /* name -> Piece, owned; those that are gone are kept for their probes */
  gint result;
} App;

/* Prints a line. */
static void
emit (const gchar * event, const gchar * name, const gchar * text, gint64 number)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree gchar *line = NULL;

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "event");
  json_builder_add_string_value (builder, event);
  json_builder_set_member_name (builder, "t");
  json_builder_add_int_value (builder, g_get_monotonic_time ());
  json_builder_set_member_name (builder, "name");
  json_builder_add_string_value (builder, name);
  json_builder_set_member_name (builder, "text");
  json_builder_add_string_value (builder, text);
  json_builder_set_member_name (builder, "number");
  json_builder_add_int_value (builder, number);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  line = json_to_string (root, FALSE);
  printf ("%s\n", line);
}

static GstPadProbeReturn
count_buffer (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  Piece *piece = data;
  gint64 now = g_get_monotonic_time ();
  g_autoptr (GstElement) element = gst_pad_get_parent_element (pad);
  GstClockTimeDiff off = GST_CLOCK_DIFF (GST_BUFFER_PTS (GST_PAD_PROBE_INFO_BUFFER (info)),
      gst_element_get_current_running_time (element));

  g_mutex_lock (&piece->lock);
  if (piece->n_buffers++ > 0)
    piece->longest_us = MAX (piece->longest_us, now - piece->last_us);
  piece->last_us = now;
  piece->most_off = MAX (piece->most_off, ABS (off));
  g_mutex_unlock (&piece->lock);
  return GST_PAD_PROBE_OK;
}

static void
pad_added (GstElement * source, GstPad * pad, gpointer data)
{
  Piece *piece = data;
  GstElement *sink = gst_element_factory_make ("fakesink", NULL);
  g_autoptr (GstPad) sink_pad = gst_element_get_static_pad (sink, "sink");

  g_object_set (sink, "sync", FALSE, "async", FALSE, NULL);
  gst_pad_add_probe (sink_pad, GST_PAD_PROBE_TYPE_BUFFER, count_buffer, piece, NULL);
  gst_bin_add (GST_BIN (piece->bin), sink);
  gst_element_sync_state_with_parent (sink);
  gst_pad_link (pad, sink_pad);
}

static void
watch_source (const GValue * item, gpointer piece)
{
  GstElement *element = g_value_get_object (item);
  GstElementFactory *factory = gst_element_get_factory (element);

  if (factory && g_str_equal (GST_OBJECT_NAME (factory), "livekitsrc"))
    g_signal_connect (element, "pad-added", G_CALLBACK (pad_added), piece);
}

static Piece *
find (App * app, const gchar * name)
{
  Piece *piece = g_hash_table_lookup (app->pieces, name);

  if (piece == NULL)
    g_error ("no piece %s", name);
  return piece;
}

static void
add (App * app, guint pipeline, const gchar * name, const gchar * description)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstIterator) elements = NULL;
  Piece *piece = g_new0 (Piece, 1);

  piece->bin = gst_parse_bin_from_description (description, FALSE, &error);
  if (piece->bin == NULL)
    g_error ("%s: %s", description, error->message);
  gst_object_set_name (GST_OBJECT (piece->bin), name);
  piece->pipeline = pipeline;
  elements = gst_bin_iterate_recurse (GST_BIN (piece->bin));
  gst_iterator_foreach (elements, watch_source, piece);
  g_hash_table_insert (app->pieces, g_strdup (name), piece);
  gst_bin_add (GST_BIN (app->pipelines[pipeline]), piece->bin);
  gst_element_sync_state_with_parent (piece->bin);
  emit ("added", name, "", 0);
}

static void
remove_piece (App * app, const gchar * name)
{
  Piece *piece = find (app, name);
  gint64 start = g_get_monotonic_time ();

  gst_element_set_locked_state (piece->bin, TRUE);
  gst_element_set_state (piece->bin, GST_STATE_NULL);
  gst_bin_remove (GST_BIN (app->pipelines[piece->pipeline]), piece->bin);
  piece->bin = NULL;
  emit ("removed", name, "", (g_get_monotonic_time () - start) / 1000);
}

static void
play (App * app, const gchar * name, gboolean is_playing)
{
  g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (app->pipelines[0]), name);

  gst_element_set_state (element, is_playing ? GST_STATE_PLAYING : GST_STATE_PAUSED);
  emit (is_playing ? "playing" : "paused", name, "", 0);
}

static void
count (App * app, const gchar * name)
{
  Piece *piece = find (app, name);
  g_autofree gchar *times = NULL;
  guint n;

  g_mutex_lock (&piece->lock);
  n = piece->n_buffers;
  times = g_strdup_printf ("%d %d", (gint) (piece->longest_us / 1000), (gint) (piece->most_off / GST_MSECOND));
  piece->longest_us = piece->most_off = 0;
  g_mutex_unlock (&piece->lock);
  emit ("count", name, times, n);
}

static void
get (App * app, const gchar * name, const gchar * property)
{
  g_auto (GValue) value = G_VALUE_INIT;
  g_autofree gchar *text = NULL;

  for (guint i = 0; i < N_PIPELINES && !G_IS_VALUE (&value); i++) {
    g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (app->pipelines[i]), name);

    if (element)
      g_object_get_property (G_OBJECT (element), property, &value);
  }
  text = G_IS_VALUE (&value) ? gst_value_serialize (&value) : NULL;
  emit ("property", name, text ? text : "", 0);
}

static void
hand_on (App * app)
{
  GList *contexts = gst_element_get_contexts (app->pipelines[0]);

  for (GList * item = contexts; item; item = item->next)
    gst_element_set_context (app->pipelines[1], item->data);
  emit ("handed-on", "", "", g_list_length (contexts));
  g_list_free_full (contexts, (GDestroyNotify) gst_context_unref);
}

static void
set_state (App * app, guint pipeline, const gchar * state)
{
  GstElement *element = app->pipelines[pipeline];
  g_autoptr (GstClock) clock = gst_system_clock_obtain ();

  if (pipeline == 1) {
    gst_pipeline_use_clock (GST_PIPELINE (element), clock);
    gst_element_set_start_time (element, GST_CLOCK_TIME_NONE);
    gst_element_set_base_time (element, gst_clock_get_time (clock) - LEAD);
  }
  gst_element_set_state (element, g_str_equal (state, "playing") ? GST_STATE_PLAYING : GST_STATE_NULL);
  emit ("state", "", state, pipeline);
}

static void
run_command (gpointer data, gchar ** words)
{
  App *app = data;
  guint n = g_strv_length (words);
  const gchar *name = words[0];

  if (n == 4 && g_str_equal (name, "add"))
    add (app, *words[1] == '1', words[2], words[3]);
  else if (n == 2 && g_str_equal (name, "remove"))
    remove_piece (app, words[1]);
  else if (n == 2 && g_str_equal (name, "pause"))
    play (app, words[1], FALSE);
  else if (n == 2 && g_str_equal (name, "play"))
    play (app, words[1], TRUE);
  else if (n == 3 && g_str_equal (name, "state"))
    set_state (app, *words[1] == '1', words[2]);
  else if (n == 1 && g_str_equal (name, "hand-on"))
    hand_on (app);
  else if (n == 2 && g_str_equal (name, "count"))
    count (app, words[1]);
  else if (n == 3 && g_str_equal (name, "get"))
    get (app, words[1], words[2]);
  else if (n == 1 && g_str_equal (name, "quit"))
    g_main_loop_quit (app->loop);
  else
    g_error ("unknown command %s", name);
}

static gboolean
bus_message (GstBus * bus, GstMessage * message, gpointer data)
{
  App *app = data;
  g_autoptr (GError) error = NULL;

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    gst_message_parse_error (message, &error, NULL);
    emit ("error", GST_MESSAGE_SRC_NAME (message), error->message, 0);
    app->result = 1;
  } else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ELEMENT
      && gst_message_has_name (message, "livekit-connection")) {
    emit ("connection", GST_MESSAGE_SRC_NAME (message),
        gst_structure_get_string (gst_message_get_structure (message), "state"), 0);
  }
  return G_SOURCE_CONTINUE;
}

static void
piece_free (gpointer data)
{
  Piece *piece = data;

  g_mutex_clear (&piece->lock);
  g_free (piece);
}

int
main (int argc, char **argv)
{
  App app = { 0 };

  setvbuf (stdout, NULL, _IOLBF, 0);
  gst_init (&argc, &argv);
  app.loop = g_main_loop_new (NULL, FALSE);
  app.pieces = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, piece_free);
  for (guint i = 0; i < N_PIPELINES; i++) {
    g_autoptr (GstBus) bus = NULL;

    app.pipelines[i] = gst_object_ref_sink (gst_pipeline_new (NULL));
    bus = gst_element_get_bus (app.pipelines[i]);
    gst_bus_add_watch (bus, bus_message, &app);
  }
  watch_commands (app.loop, run_command, &app);
  g_main_loop_run (app.loop);
  for (guint i = 0; i < N_PIPELINES; i++) {
    g_autoptr (GstBus) bus = gst_element_get_bus (app.pipelines[i]);

    gst_element_set_state (app.pipelines[i], GST_STATE_NULL);
    gst_bus_remove_watch (bus);
    gst_clear_object (&app.pipelines[i]);
  }
  g_hash_table_unref (app.pieces);
  g_main_loop_unref (app.loop);
  gst_deinit ();                /* the leaks tracer prints what is alive now */
  return app.result;
}
