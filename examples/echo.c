/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* echo: an agent that listens to everybody in a room and says it again after a while: one participant in two elements.
 *
 *     echo ROOM [IDENTITY [MILLISECONDS]]
 *
 * How to get in comes from the environment, as for record-one. Put something else in place of the queue "later", and it
 * is an agent that answers. livekitsrc never shows what its own participant says, so that the echo does not hear
 * itself. */
#include <glib-unix.h>
#include <stdlib.h>
#include <gst/gst.h>

/* The two have the room and the identity in common, so they are one participant with one connection. The silence keeps
 * the mixer going, and the track published, while nobody is there. */
#define PIPELINE "livekitsrc name=ears tracks=*/audio " \
    "audiotestsrc is-live=true wave=silence ! audio/x-raw,rate=48000,channels=2 ! mixer. " \
    "audiomixer name=mixer ! queue name=later max-size-time=0 max-size-bytes=0 max-size-buffers=0 " \
    "! audioconvert ! opusenc ! livekitsink name=mouth"

typedef struct
{
  GstPad *voice, *slot;         /* of livekitsrc, of the mixer */
  GstElement *decoder;
} Voice;

typedef struct
{
  GMainLoop *loop;
  GstElement *pipeline, *mixer;
  GMutex lock;
  GPtrArray *voices;            /* with lock */
  gint result;
} App;

static GstPad *
show_pad (GstElement * bin, const gchar * element_name, const gchar * pad_name)
{
  GstElement *element = gst_bin_get_by_name (GST_BIN (bin), element_name);
  GstPad *pad = gst_element_get_static_pad (element, pad_name), *ghost = gst_ghost_pad_new (pad_name, pad);

  gst_element_add_pad (bin, ghost);
  gst_object_unref (pad);
  gst_object_unref (element);
  return ghost;
}

static void
pad_added (GstElement * ears, GstPad * pad, gpointer data)
{
  App *app = data;
  Voice *voice = g_new (Voice, 1);
  gchar *identity;
  GstPad *sink, *src;

  voice->voice = gst_object_ref (pad);
  voice->decoder = gst_parse_bin_from_description ("queue name=in ! decodebin ! audioconvert ! audioresample "
      "! queue name=out", FALSE, NULL);
  voice->slot = gst_element_request_pad_simple (app->mixer, "sink_%u");
  gst_bin_add (GST_BIN (app->pipeline), voice->decoder);
  sink = show_pad (voice->decoder, "in", "sink");
  src = show_pad (voice->decoder, "out", "src");
  g_mutex_lock (&app->lock);
  g_ptr_array_add (app->voices, voice);
  g_mutex_unlock (&app->lock);
  gst_pad_link (src, voice->slot);
  gst_element_sync_state_with_parent (voice->decoder);
  gst_pad_link (pad, sink);
  g_object_get (pad, "participant-identity", &identity, NULL);
  g_print ("listening to %s\n", identity);
  g_free (identity);
}

static Voice *
take_voice (App * app, GstPad * pad)
{
  Voice *found = NULL;

  g_mutex_lock (&app->lock);
  for (guint i = 0; i < app->voices->len && found == NULL; i++) {
    Voice *voice = g_ptr_array_index (app->voices, i);

    if (voice->voice == pad)
      found = g_ptr_array_steal_index (app->voices, i);
  }
  g_mutex_unlock (&app->lock);
  return found;
}

static void
pad_removed (GstElement * ears, GstPad * pad, gpointer data)
{
  App *app = data;
  Voice *voice = take_voice (app, pad);

  if (voice == NULL)
    return;
  gst_element_set_state (voice->decoder, GST_STATE_NULL);
  gst_bin_remove (GST_BIN (app->pipeline), voice->decoder);
  gst_element_release_request_pad (app->mixer, voice->slot);
  gst_object_unref (voice->slot);
  gst_object_unref (voice->voice);
  g_free (voice);
}

static gboolean
interrupted (gpointer data)
{
  g_main_loop_quit (((App *) data)->loop);
  return G_SOURCE_CONTINUE;
}

static gboolean
bus_message (GstBus * bus, GstMessage * message, gpointer data)
{
  App *app = data;
  g_autoptr (GError) error = NULL;

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_LATENCY)
    gst_bin_recalculate_latency (GST_BIN (app->pipeline));
  if (GST_MESSAGE_TYPE (message) != GST_MESSAGE_ERROR)
    return G_SOURCE_CONTINUE;
  gst_message_parse_error (message, &error, NULL);
  g_printerr ("%s\n", error->message);
  app->result = 1;
  g_main_loop_quit (app->loop);
  return G_SOURCE_CONTINUE;
}

static void
set_up (App * app, const gchar * room, const gchar * identity, guint delay_ms)
{
  GstElement *ears = gst_bin_get_by_name (GST_BIN (app->pipeline), "ears");
  GstElement *mouth = gst_bin_get_by_name (GST_BIN (app->pipeline), "mouth");
  GstElement *later = gst_bin_get_by_name (GST_BIN (app->pipeline), "later");

  g_object_set (ears, "room", room, "identity", identity, NULL);
  g_object_set (mouth, "room", room, "identity", identity, NULL);
  g_object_set (later, "min-threshold-time", delay_ms * GST_MSECOND, NULL);
  g_signal_connect (ears, "pad-added", G_CALLBACK (pad_added), app);
  g_signal_connect (ears, "pad-removed", G_CALLBACK (pad_removed), app);
  gst_object_unref (ears);
  gst_object_unref (mouth);
  gst_object_unref (later);
}

int
main (int argc, char **argv)
{
  App app = { NULL, };
  g_autoptr (GError) error = NULL;
  g_autoptr (GstBus) bus = NULL;

  gst_init (&argc, &argv);
  if (argc < 2 || argc > 4) {
    g_printerr ("usage: %s ROOM [IDENTITY [MILLISECONDS]]\n", argv[0]);
    return 2;
  }
  app.loop = g_main_loop_new (NULL, FALSE);
  app.voices = g_ptr_array_new ();
  g_mutex_init (&app.lock);
  app.pipeline = gst_parse_launch (PIPELINE, &error);
  if (app.pipeline == NULL || error) {
    g_printerr ("%s\n", error->message);
    return 1;
  }
  app.mixer = gst_bin_get_by_name (GST_BIN (app.pipeline), "mixer");
  set_up (&app, argv[1], argc > 2 ? argv[2] : "echo", argc > 3 ? (guint) atoi (argv[3]) : 1000);
  bus = gst_element_get_bus (app.pipeline);
  gst_bus_add_watch (bus, bus_message, &app);
  g_unix_signal_add (SIGINT, interrupted, &app);
  g_unix_signal_add (SIGTERM, interrupted, &app);

  gst_element_set_state (app.pipeline, GST_STATE_PLAYING);
  g_main_loop_run (app.loop);
  gst_element_set_state (app.pipeline, GST_STATE_NULL);

  gst_bus_remove_watch (bus);
  gst_object_unref (app.mixer);
  gst_object_unref (app.pipeline);
  g_ptr_array_unref (app.voices);
  g_mutex_clear (&app.lock);
  g_main_loop_unref (app.loop);
  return app.result;
}
