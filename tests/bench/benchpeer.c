/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * benchpeer: runs a pipeline, or many copies of it, for the bench, and does as little besides as can be.
 *
 *   benchpeer [--copies N] [--first N] [--feed FILE [--answer]] [--sent ELEMENT] [--received ELEMENT --branch TEXT]
 *             [--hash] PIPELINE
 *   benchpeer --load FILE ELEMENT
 *
 * "@" in the text of the pipeline is the number of the copy, in two digits or more. Lines on standard output are JSON objects
 * with "event", "t" (microseconds of the real time, which the Go peer knows, too) and "copy". Commands on standard
 * input: "play" (all copies, anew), "stop", "add" (a pad), "counts" (buffers so far, by copy), "frames" (what was seen
 * with --hash), "quit".
 */

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <gst/gst.h>
#include <gst/video/video.h>

#include "../live/commands.h"
#include "clip.h"

typedef struct
{
  guint64 hash;
  gint64 t;
} Seen;

typedef struct
{
  guint number;
  GstElement *pipeline;
  GstElement *feed;             /* appsrc, or NULL */
  gint n_sent, n_received;      /* atomic */
  GMutex lock;
  /* with lock */
  guint position;               /* in the clip */
  GArray *sent, *received;      /* of Seen */
} Copy;

static gint opt_copies = 1, opt_first;
static gchar *opt_feed, *opt_sent, *opt_received, *opt_branch, *opt_load;
static gboolean opt_answer, opt_hash;
static gchar **opt_rest;

static const GOptionEntry entries[] = {
  {"copies", 0, 0, G_OPTION_ARG_INT, &opt_copies, "How many of the pipeline", "N"},
  {"first", 0, 0, G_OPTION_ARG_INT, &opt_first, "The number of the first of them", "N"},
  {"feed", 0, 0, G_OPTION_ARG_FILENAME, &opt_feed, "H.264 for the appsrc called feed, 30 frames a second", "FILE"},
  {"answer", 0, 0, G_OPTION_ARG_NONE, &opt_answer, "Begin the file again when a key frame is asked for", NULL},
  {"sent", 0, 0, G_OPTION_ARG_STRING, &opt_sent, "Watch what leaves the source pad of this element", "ELEMENT"},
  {"received", 0, 0, G_OPTION_ARG_STRING, &opt_received, "Watch the pads that this element adds", "ELEMENT"},
  {"branch", 0, 0, G_OPTION_ARG_STRING, &opt_branch, "What each pad that it adds is linked to", "TEXT"},
  {"hash", 0, 0, G_OPTION_ARG_NONE, &opt_hash, "Remember what passed, by its bytes, and when", NULL},
  {"load", 0, 0, G_OPTION_ARG_FILENAME, &opt_load, "Tell what loading this plugin and making an element costs", "FILE"},
  {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &opt_rest, "", "PIPELINE"},
  {NULL}
};

static GPtrArray *copies;       /* of Copy; main thread, and the feeder while it runs */
static Clip *clip;
static GThread *feeder;
static gint is_feeding;         /* atomic */

static void
emit (Copy * copy, const gchar * event, const gchar * more)
{
  printf ("{\"event\": \"%s\", \"copy\": %u, \"t\": %" G_GINT64_FORMAT "%s}\n", event, copy ? copy->number : 0,
      g_get_real_time (), more);
}

/* Watching */

static void
remember (Copy * copy, GArray * seen, GstBuffer * buffer, gint64 t)
{
  Seen entry = { 0, t };
  GstMapInfo map;

  if (!gst_buffer_map (buffer, &map, GST_MAP_READ))
    g_error ("cannot map a buffer");
  entry.hash = clip_hash_slices (map.data, map.size);
  gst_buffer_unmap (buffer, &map);
  g_mutex_lock (&copy->lock);
  g_array_append_val (seen, entry);
  g_mutex_unlock (&copy->lock);
}

static GstPadProbeReturn
sent_probe (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  Copy *copy = data;
  gint64 t = g_get_real_time ();

  if (g_atomic_int_add (&copy->n_sent, 1) == 0)
    emit (copy, "first-sent", "");
  if (opt_hash)
    remember (copy, copy->sent, GST_PAD_PROBE_INFO_BUFFER (info), t);
  return GST_PAD_PROBE_OK;
}

static void
took (Copy * copy, GstPad * pad, GstBuffer * buffer)
{
  gint64 t = g_get_real_time ();

  if (opt_hash)
    remember (copy, copy->received, buffer, t);
  g_atomic_int_inc (&copy->n_received);
  if (!g_object_get_data (G_OBJECT (pad), "bench-seen")) {
    gboolean key = !GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT);
    g_autofree gchar *more = g_strdup_printf (", \"pad\": \"%s\", \"key\": %s", GST_PAD_NAME (pad),
        key ? "true" : "false");

    g_object_set_data (G_OBJECT (pad), "bench-seen", GINT_TO_POINTER (TRUE));
    emit (copy, "first-received", more);
  }
}

static GstPadProbeReturn
received_probe (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  if (info->type & GST_PAD_PROBE_TYPE_BUFFER_LIST) {
    GstBufferList *list = GST_PAD_PROBE_INFO_BUFFER_LIST (info);

    for (guint i = 0; i < gst_buffer_list_length (list); i++)
      took (data, pad, gst_buffer_list_get (list, i));
  } else {
    took (data, pad, GST_PAD_PROBE_INFO_BUFFER (info));
  }
  return GST_PAD_PROBE_OK;
}

/* The branch's own end is watched, not the pad: what comes out of the pad may still be packets. */
static void
pad_added (GstElement * element, GstPad * pad, gpointer data)
{
  Copy *copy = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GstPad) sink = NULL, watched = NULL;
  g_autoptr (GstElement) end = NULL;
  GstElement *bin;

  if (!GST_PAD_IS_SRC (pad))
    return;
  bin = gst_parse_bin_from_description (opt_branch, TRUE, &error);
  if (bin == NULL)
    g_error ("%s: %s", opt_branch, error->message);
  end = gst_bin_get_by_name (GST_BIN (bin), "end");
  watched = gst_element_get_static_pad (end, "sink");
  gst_pad_add_probe (watched, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST, received_probe, copy, NULL);
  gst_bin_add (GST_BIN (copy->pipeline), bin);
  gst_element_sync_state_with_parent (bin);
  sink = gst_element_get_static_pad (bin, "sink");
  if (gst_pad_link (pad, sink) != GST_PAD_LINK_OK)
    g_printerr ("cannot link %s\n", GST_PAD_NAME (pad));
}

static gboolean
bus_message (GstBus * bus, GstMessage * message, gpointer data)
{
  Copy *copy = data;

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    g_autoptr (GError) error = NULL;
    g_autofree gchar *debug = NULL;

    gst_message_parse_error (message, &error, &debug);
    g_printerr ("%s: %s (%s)\n", GST_OBJECT_NAME (message->src), error->message, debug);
    emit (copy, "error", "");
  } else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_LATENCY) {
    gst_bin_recalculate_latency (GST_BIN (copy->pipeline));
  } else if (gst_message_has_name (message, "livekit-connection")) {
    if (!g_strcmp0 (gst_structure_get_string (gst_message_get_structure (message), "state"), "connected"))
      emit (copy, "connected", "");
  } else if (gst_message_has_name (message, "livekit-track")) {
    if (!g_strcmp0 (gst_structure_get_string (gst_message_get_structure (message), "action"), "published"))
      emit (copy, "published", "");
  } else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_PROGRESS) {
    g_autofree gchar *code = NULL;
    GstProgressType type;

    gst_message_parse_progress (message, &type, &code, NULL);
    if (type == GST_PROGRESS_TYPE_COMPLETE && g_str_equal (code, "connect"))
      emit (copy, "joined", "");
  }
  return G_SOURCE_CONTINUE;
}

/* Feeding */

static void
push_unit_locked (Copy * copy)
{
  GstBuffer *buffer = clip_unit (clip, copy->position++ % clip_n_units (clip));
  GstFlowReturn ret;

  g_signal_emit_by_name (copy->feed, "push-buffer", buffer, &ret);
  gst_buffer_unref (buffer);
}

static GstPadProbeReturn
request_probe (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  Copy *copy = data;

  if (gst_video_event_is_force_key_unit (GST_PAD_PROBE_INFO_EVENT (info))) {
    g_mutex_lock (&copy->lock);
    copy->position = 0;
    push_unit_locked (copy);
    g_mutex_unlock (&copy->lock);
  }
  return GST_PAD_PROBE_OK;
}

static gpointer
feed_all (gpointer data)
{
  gint64 next = g_get_monotonic_time ();

  for (guint64 frame = 0; g_atomic_int_get (&is_feeding); frame++) {
    for (guint i = 0; i < copies->len; i++) {
      Copy *copy = g_ptr_array_index (copies, i);

      g_mutex_lock (&copy->lock);
      push_unit_locked (copy);
      g_mutex_unlock (&copy->lock);
    }
    next += G_USEC_PER_SEC / CLIP_FPS;
    g_usleep ((gulong) MAX (next - g_get_monotonic_time (), 0));
  }
  return NULL;
}

/* Starting and stopping */

static gchar *
numbered (const gchar * text, guint number)
{
  g_autofree gchar *word = g_strdup_printf ("%02u", number);
  g_auto (GStrv) parts = g_strsplit (text, "@", -1);

  return g_strjoinv (word, parts);
}

static void
watch_element (Copy * copy, const gchar * name, const gchar * pad_name, GstPadProbeType type, GstPadProbeCallback probe)
{
  g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (copy->pipeline), name);
  g_autoptr (GstPad) pad = element ? gst_element_get_static_pad (element, pad_name) : NULL;

  if (pad == NULL)
    g_error ("no pad %s.%s", name, pad_name);
  gst_pad_add_probe (pad, type, probe, copy, NULL);
}

static Copy *
copy_new (guint number)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *text = numbered (opt_rest[0], number);
  g_autoptr (GstBus) bus = NULL;
  GstElement *content;
  Copy *copy = g_new0 (Copy, 1);

  copy->number = number;
  g_mutex_init (&copy->lock);
  copy->sent = g_array_new (FALSE, FALSE, sizeof (Seen));
  copy->received = g_array_new (FALSE, FALSE, sizeof (Seen));
  copy->pipeline = gst_pipeline_new (NULL);
  content = gst_parse_launch (text, &error);
  if (error != NULL)
    g_error ("%s: %s", text, error->message);
  gst_bin_add (GST_BIN (copy->pipeline), content);
  bus = gst_element_get_bus (copy->pipeline);
  gst_bus_add_watch (bus, bus_message, copy);
  if (opt_sent)
    watch_element (copy, opt_sent, "src", GST_PAD_PROBE_TYPE_BUFFER, sent_probe);
  if (opt_received) {
    g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (copy->pipeline), opt_received);

    g_signal_connect (element, "pad-added", G_CALLBACK (pad_added), copy);
  }
  if (opt_feed) {
    copy->feed = gst_bin_get_by_name (GST_BIN (copy->pipeline), "feed");
    if (opt_answer)
      watch_element (copy, "feed", "src", GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, request_probe);
  }
  return copy;
}

static void
copy_free (gpointer data)
{
  Copy *copy = data;
  g_autoptr (GstBus) bus = gst_element_get_bus (copy->pipeline);

  gst_element_set_state (copy->pipeline, GST_STATE_NULL);
  gst_bus_remove_watch (bus);
  g_clear_object (&copy->feed);
  gst_object_unref (copy->pipeline);
  g_array_unref (copy->sent);
  g_array_unref (copy->received);
  g_mutex_clear (&copy->lock);
  g_free (copy);
}

static void
stop (void)
{
  if (feeder != NULL) {
    g_atomic_int_set (&is_feeding, FALSE);
    g_thread_join (g_steal_pointer (&feeder));
  }
  g_ptr_array_set_size (copies, 0);
}

static void
play (void)
{
  stop ();
  for (guint i = 0; i < (guint) opt_copies; i++)
    g_ptr_array_add (copies, copy_new ((guint) opt_first + i));
  for (guint i = 0; i < copies->len; i++) {
    Copy *copy = g_ptr_array_index (copies, i);

    emit (copy, "playing", "");
    gst_element_set_state (copy->pipeline, GST_STATE_PLAYING);
  }
  if (opt_feed) {
    g_atomic_int_set (&is_feeding, TRUE);
    feeder = g_thread_new ("feeder", feed_all, NULL);
  }
}

/* Telling */

static void
print_counts (void)
{
  GString *line = g_string_new (", \"counts\": [");

  for (guint i = 0; i < copies->len; i++) {
    Copy *copy = g_ptr_array_index (copies, i);

    g_string_append_printf (line, "%s%d", i ? ", " : "",
        g_atomic_int_get (opt_received ? &copy->n_received : &copy->n_sent));
  }
  g_string_append_c (line, ']');
  emit (NULL, "counts", line->str);
  g_string_free (line, TRUE);
}

static void
append_seen (GString * line, const gchar * name, GArray * seen)
{
  g_string_append_printf (line, ", \"%s\": [", name);
  for (guint i = 0; i < seen->len; i++) {
    Seen *entry = &g_array_index (seen, Seen, i);

    g_string_append_printf (line, "%s[\"%" G_GINT64_MODIFIER "x\", %" G_GINT64_FORMAT "]", i ? ", " : "", entry->hash,
        entry->t);
  }
  g_string_append_c (line, ']');
  g_array_set_size (seen, 0);
}

static void
print_frames (void)
{
  for (guint i = 0; i < copies->len; i++) {
    Copy *copy = g_ptr_array_index (copies, i);
    GString *line = g_string_new (NULL);

    g_mutex_lock (&copy->lock);
    append_seen (line, "sent", copy->sent);
    append_seen (line, "received", copy->received);
    g_mutex_unlock (&copy->lock);
    emit (copy, "frames", line->str);
    g_string_free (line, TRUE);
  }
}

/* One more branch of the tee called t into the element called k, of each copy. */
static void
add_pads (void)
{
  for (guint i = 0; i < copies->len; i++) {
    Copy *copy = g_ptr_array_index (copies, i);
    g_autoptr (GstElement) tee = gst_bin_get_by_name (GST_BIN (copy->pipeline), "t");
    g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (copy->pipeline), "k");
    GstElement *queue = gst_element_factory_make ("queue", NULL);

    gst_bin_add (GST_BIN (copy->pipeline), queue);
    emit (copy, "adding", "");
    if (!gst_element_link_pads (queue, "src", element, "video_%u"))
      g_error ("no more pads");
    gst_element_sync_state_with_parent (queue);
    gst_element_link (tee, queue);
  }
}

static void
run_command (gpointer data, gchar ** words)
{
  if (g_str_equal (words[0], "play")) {
    play ();
  } else if (g_str_equal (words[0], "stop")) {
    stop ();
    emit (NULL, "stopped", "");
  } else if (g_str_equal (words[0], "add")) {
    add_pads ();
  } else if (g_str_equal (words[0], "counts")) {
    print_counts ();
  } else if (g_str_equal (words[0], "frames")) {
    print_frames ();
  } else if (g_str_equal (words[0], "quit")) {
    g_main_loop_quit (data);
  } else {
    g_printerr ("no command %s\n", words[0]);
  }
}

static gint64
cpu_us (void)
{
  struct timespec now;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

static int
load (const gchar * element_name)
{
  gint64 t = g_get_monotonic_time (), cpu = cpu_us ();
  g_autoptr (GError) error = NULL;
  g_autofree gchar *more = NULL;
  GstPlugin *plugin = gst_plugin_load_file (opt_load, &error);
  GstElement *element;

  if (plugin == NULL)
    g_error ("%s", error->message);
  more = g_strdup_printf (", \"us\": %" G_GINT64_FORMAT ", \"cpu\": %" G_GINT64_FORMAT, g_get_monotonic_time () - t,
      cpu_us () - cpu);
  emit (NULL, "loaded", more);
  element = gst_object_ref_sink (gst_element_factory_make (element_name, NULL));
  g_free (more);
  more = g_strdup_printf (", \"us\": %" G_GINT64_FORMAT ", \"cpu\": %" G_GINT64_FORMAT, g_get_monotonic_time () - t,
      cpu_us () - cpu);
  emit (NULL, "made", more);
  gst_object_unref (element);
  gst_object_unref (plugin);
  return 0;
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new ("PIPELINE");
  g_autoptr (GMainLoop) loop = NULL;
  g_autoptr (GError) error = NULL;

  setlinebuf (stdout);
  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  if (!g_option_context_parse (context, &argc, &argv, &error) || !opt_rest || g_strv_length (opt_rest) != 1) {
    g_printerr ("%s\n", error ? error->message : "one pipeline is needed");
    return 2;
  }
  if (opt_load)
    return load (opt_rest[0]);
  if (opt_feed)
    clip = clip_open (opt_feed);
  copies = g_ptr_array_new_with_free_func (copy_free);
  loop = g_main_loop_new (NULL, FALSE);
  watch_commands (loop, run_command, loop);
  g_main_loop_run (loop);
  stop ();
  g_ptr_array_unref (copies);
  g_clear_pointer (&clip, clip_free);
  return 0;
}
