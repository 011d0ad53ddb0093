/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* record-one: one participant's camera and microphone into one Matroska file, as they are sent, until Ctrl-C or until
 * he leaves.
 *
 *     record-one ROOM IDENTITY FILE.mkv
 *
 * The server and how to get in come from the environment: LIVEKIT_URL, LIVEKIT_TOKEN or LIVEKIT_TOKEN_URL, or
 * LIVEKIT_API_KEY with LIVEKIT_API_SECRET; without any of them, a development server on this machine. */
#include <glib-unix.h>
#include <gst/gst.h>

typedef struct
{
  GMainLoop *loop;
  GstElement *pipeline, *source, *muxer;
  gint result;
} App;

static gboolean
link_pad (GstElement * source, GstPad * pad, gpointer data)
{
  App *app = data;
  gboolean is_video = g_str_has_prefix (GST_PAD_NAME (pad), "video");
  GstElement *queue = gst_element_factory_make ("queue", NULL);
  GstPad *queue_sink = gst_element_get_static_pad (queue, "sink");

  if (gst_pad_is_linked (pad)) {
    gst_object_unref (queue_sink);
    gst_object_unref (queue);
    return TRUE;
  }
  gst_bin_add (GST_BIN (app->pipeline), queue);
  gst_element_link_pads (queue, "src", app->muxer, is_video ? "video_%u" : "audio_%u");
  gst_element_sync_state_with_parent (queue);
  if (gst_pad_link (pad, queue_sink) != GST_PAD_LINK_OK)
    g_printerr ("%s cannot be recorded\n", GST_PAD_NAME (pad));
  else
    g_print ("recording %s\n", GST_PAD_NAME (pad));
  gst_object_unref (queue_sink);
  return TRUE;
}

/* All at once: a muxer takes no stream later than its first data. */
static void
no_more_pads (GstElement * source, gpointer data)
{
  gst_element_foreach_src_pad (source, link_pad, data);
}

/* The recording is finished by EOS on all pads, which also comes when he leaves. */
static gboolean
interrupted (gpointer data)
{
  App *app = data;

  gst_element_send_event (app->pipeline, gst_event_new_eos ());
  return G_SOURCE_CONTINUE;
}

static gboolean
bus_message (GstBus * bus, GstMessage * message, gpointer data)
{
  App *app = data;
  g_autoptr (GError) error = NULL;

  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_ERROR:
      gst_message_parse_error (message, &error, NULL);
      g_printerr ("%s\n", error->message);
      app->result = 1;
      g_main_loop_quit (app->loop);
      break;
    case GST_MESSAGE_EOS:
      g_main_loop_quit (app->loop);
      break;
    default:
      break;
  }
  return G_SOURCE_CONTINUE;
}

int
main (int argc, char **argv)
{
  App app = { NULL, };
  g_autoptr (GError) error = NULL;
  g_autoptr (GstBus) bus = NULL;
  GstElement *file;

  gst_init (&argc, &argv);
  if (argc != 4) {
    g_printerr ("usage: %s ROOM IDENTITY FILE.mkv\n", argv[0]);
    return 2;
  }
  app.loop = g_main_loop_new (NULL, FALSE);
  app.pipeline = gst_parse_launch ("livekitsrc name=source matroskamux name=muxer ! filesink name=file", &error);
  if (app.pipeline == NULL) {
    g_printerr ("%s\n", error->message);
    return 1;
  }
  app.source = gst_bin_get_by_name (GST_BIN (app.pipeline), "source");
  app.muxer = gst_bin_get_by_name (GST_BIN (app.pipeline), "muxer");
  file = gst_bin_get_by_name (GST_BIN (app.pipeline), "file");
  g_object_set (app.source, "room", argv[1], "tracks", argv[2], NULL);
  g_object_set (file, "location", argv[3], NULL);
  gst_object_unref (file);
  g_signal_connect (app.source, "no-more-pads", G_CALLBACK (no_more_pads), &app);
  bus = gst_element_get_bus (app.pipeline);
  gst_bus_add_watch (bus, bus_message, &app);
  g_unix_signal_add (SIGINT, interrupted, &app);
  g_unix_signal_add (SIGTERM, interrupted, &app);

  gst_element_set_state (app.pipeline, GST_STATE_PLAYING);
  g_main_loop_run (app.loop);
  gst_element_set_state (app.pipeline, GST_STATE_NULL);

  gst_bus_remove_watch (bus);
  gst_object_unref (app.source);
  gst_object_unref (app.muxer);
  gst_object_unref (app.pipeline);
  g_main_loop_unref (app.loop);
  return app.result;
}
