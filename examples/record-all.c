/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* record-all: every track of a room into a Matroska file of its own, as it is sent, whoever comes and goes, until
 * Ctrl-C.
 *
 *     record-all ROOM FOLDER
 *
 * How to get in comes from the environment, as for record-one. */
#include <glib-unix.h>
#include <gst/gst.h>

typedef struct
{
  GMainLoop *loop;
  GstElement *pipeline;
  const gchar *folder;
  gint n_files;                 /* atomic: ever begun */
  gint n_branches;              /* atomic: being written */
  gboolean is_ending;
  gint result;
} App;

typedef struct
{
  App *app;
  GstElement *branch;
} Ended;

static gboolean
quit_when_done (gpointer data)
{
  App *app = data;

  if (app->is_ending && g_atomic_int_get (&app->n_branches) == 0)
    g_main_loop_quit (app->loop);
  return G_SOURCE_REMOVE;
}

static gboolean
remove_branch (gpointer data)
{
  Ended *ended = data;
  App *app = ended->app;

  gst_element_set_state (ended->branch, GST_STATE_NULL);
  gst_bin_remove (GST_BIN (app->pipeline), ended->branch);
  gst_object_unref (ended->branch);
  g_free (ended);
  g_atomic_int_add (&app->n_branches, -1);
  return quit_when_done (app);
}

/* EOS has gone through the muxer: with it, the file is complete. */
static GstPadProbeReturn
file_event (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  Ended *ended;

  if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) != GST_EVENT_EOS)
    return GST_PAD_PROBE_OK;
  ended = g_new (Ended, 1);
  ended->app = data;
  ended->branch = GST_ELEMENT (gst_object_get_parent (GST_OBJECT (GST_PAD_PARENT (pad))));
  g_idle_add (remove_branch, ended);
  return GST_PAD_PROBE_REMOVE;
}

/* Identities come from the network: what is left of one is safe in a path. */
static gchar *
file_name (App * app, GstPad * pad)
{
  g_autofree gchar *identity = NULL;

  g_object_get (pad, "participant-identity", &identity, NULL);
  g_strcanon (identity, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-_", '_');
  return g_strdup_printf ("%s/%04d-%s-%s.mkv", app->folder, g_atomic_int_add (&app->n_files, 1), identity,
      GST_PAD_NAME (pad));
}

static void
pad_added (GstElement * source, GstPad * pad, gpointer data)
{
  App *app = data;
  g_autofree gchar *name = file_name (app, pad);
  const gchar *description = g_str_has_prefix (GST_PAD_NAME (pad), "video") ?
      "queue ! muxer.video_%u matroskamux name=muxer ! filesink name=file" :
      "queue ! muxer.audio_%u matroskamux name=muxer ! filesink name=file";
  GstElement *branch = gst_parse_bin_from_description (description, TRUE, NULL);
  GstElement *file = gst_bin_get_by_name (GST_BIN (branch), "file");
  GstPad *file_sink = gst_element_get_static_pad (file, "sink"), *branch_sink;

  /* Tracks come at any time: none may make the pipeline wait for it. */
  g_object_set (file, "location", name, "async", FALSE, NULL);
  g_atomic_int_inc (&app->n_branches);
  gst_pad_add_probe (file_sink, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, file_event, app, NULL);
  gst_bin_add (GST_BIN (app->pipeline), branch);
  gst_element_sync_state_with_parent (branch);
  branch_sink = gst_element_get_static_pad (branch, "sink");
  if (gst_pad_link (pad, branch_sink) != GST_PAD_LINK_OK)
    g_printerr ("%s cannot be recorded\n", GST_PAD_NAME (pad));
  g_print ("%s\n", name);
  gst_object_unref (branch_sink);
  gst_object_unref (file_sink);
  gst_object_unref (file);
}

static gboolean
interrupted (gpointer data)
{
  App *app = data;

  app->is_ending = TRUE;
  gst_element_send_event (app->pipeline, gst_event_new_eos ());
  quit_when_done (app);
  return G_SOURCE_CONTINUE;
}

static gboolean
bus_message (GstBus * bus, GstMessage * message, gpointer data)
{
  App *app = data;
  g_autoptr (GError) error = NULL;

  if (GST_MESSAGE_TYPE (message) != GST_MESSAGE_ERROR)
    return G_SOURCE_CONTINUE;
  gst_message_parse_error (message, &error, NULL);
  g_printerr ("%s\n", error->message);
  app->result = 1;
  g_main_loop_quit (app->loop);
  return G_SOURCE_CONTINUE;
}

int
main (int argc, char **argv)
{
  App app = { NULL, };
  GstElement *source;
  g_autoptr (GstBus) bus = NULL;

  gst_init (&argc, &argv);
  if (argc != 3) {
    g_printerr ("usage: %s ROOM FOLDER\n", argv[0]);
    return 2;
  }
  source = gst_element_factory_make ("livekitsrc", NULL);
  if (source == NULL) {
    g_printerr ("livekitsrc is not installed: set GST_PLUGIN_PATH\n");
    return 1;
  }
  app.folder = argv[2];
  app.loop = g_main_loop_new (NULL, FALSE);
  app.pipeline = gst_pipeline_new (NULL);
  gst_bin_add (GST_BIN (app.pipeline), source);
  g_object_set (source, "room", argv[1], NULL);
  g_signal_connect (source, "pad-added", G_CALLBACK (pad_added), &app);
  bus = gst_element_get_bus (app.pipeline);
  gst_bus_add_watch (bus, bus_message, &app);
  g_unix_signal_add (SIGINT, interrupted, &app);
  g_unix_signal_add (SIGTERM, interrupted, &app);

  gst_element_set_state (app.pipeline, GST_STATE_PLAYING);
  g_main_loop_run (app.loop);
  gst_element_set_state (app.pipeline, GST_STATE_NULL);

  gst_bus_remove_watch (bus);
  gst_object_unref (app.pipeline);
  g_main_loop_unref (app.loop);
  return app.result;
}
