/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wall: all cameras of a room in one picture, to a window or wherever else.
 *
 *     wall ROOM
 *     wall ROOM 'x264enc tune=zerolatency ! flvmux streamable=true ! rtmp2sink location=rtmp://example.com/live/key'
 *
 * How to get in comes from the environment, as for record-one. The server is asked for each camera in the size that it
 * has on the wall. */
#include <glib-unix.h>
#include <math.h>
#include <gst/gst.h>

#define WALL_WIDTH 1280
#define WALL_HEIGHT 720

typedef struct
{
  GstPad *camera, *tile;        /* of livekitsrc, of the compositor */
  GstElement *decoder;
} Tile;

typedef struct
{
  GMainLoop *loop;
  GstElement *pipeline, *compositor;
  GMutex lock;
  GPtrArray *tiles;             /* with lock */
  gint result;
} App;

/* As square a grid as holds them all. */
static void
arrange (App * app)
{
  gint columns = MAX (1, (gint) ceil (sqrt (app->tiles->len)));
  gint width = WALL_WIDTH / columns, height = WALL_HEIGHT / columns;

  for (guint i = 0; i < app->tiles->len; i++) {
    Tile *tile = g_ptr_array_index (app->tiles, i);

    g_object_set (tile->tile, "xpos", (gint) i % columns * width, "ypos", (gint) i / columns * height,
        "width", width, "height", height, NULL);
    gst_util_set_object_arg (G_OBJECT (tile->tile), "sizing-policy", "keep-aspect-ratio");
    g_object_set (tile->camera, "height", height, NULL);
  }
}

/* By hand: to gst_parse_bin_from_description(), what decodebin will be linked to is unlinked, too. */
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
pad_added (GstElement * source, GstPad * pad, gpointer data)
{
  App *app = data;
  Tile *tile = g_new (Tile, 1);
  GstPad *sink, *src;

  tile->camera = gst_object_ref (pad);
  tile->decoder = gst_parse_bin_from_description ("queue name=in ! decodebin ! videoconvert "
      "! queue name=out leaky=downstream max-size-buffers=2", FALSE, NULL);
  tile->tile = gst_element_request_pad_simple (app->compositor, "sink_%u");
  gst_bin_add (GST_BIN (app->pipeline), tile->decoder);
  sink = show_pad (tile->decoder, "in", "sink");
  src = show_pad (tile->decoder, "out", "src");
  g_mutex_lock (&app->lock);
  g_ptr_array_add (app->tiles, tile);
  arrange (app);
  g_mutex_unlock (&app->lock);
  gst_pad_link (src, tile->tile);
  gst_element_sync_state_with_parent (tile->decoder);
  gst_pad_link (pad, sink);
}

static Tile *
take_tile (App * app, GstPad * pad)
{
  Tile *found = NULL;

  g_mutex_lock (&app->lock);
  for (guint i = 0; i < app->tiles->len && found == NULL; i++) {
    Tile *tile = g_ptr_array_index (app->tiles, i);

    if (tile->camera == pad)
      found = g_ptr_array_steal_index (app->tiles, i);
  }
  arrange (app);
  g_mutex_unlock (&app->lock);
  return found;
}

static void
pad_removed (GstElement * source, GstPad * pad, gpointer data)
{
  App *app = data;
  Tile *tile = take_tile (app, pad);

  if (tile == NULL)
    return;
  gst_element_set_state (tile->decoder, GST_STATE_NULL);
  gst_bin_remove (GST_BIN (app->pipeline), tile->decoder);
  gst_element_release_request_pad (app->compositor, tile->tile);
  gst_object_unref (tile->tile);
  gst_object_unref (tile->camera);
  g_free (tile);
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
  g_autofree gchar *text = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GstBus) bus = NULL;
  GstElement *source;

  gst_init (&argc, &argv);
  if (argc < 2 || argc > 3) {
    g_printerr ("usage: %s ROOM [SINK]\n", argv[0]);
    return 2;
  }
  /* Live even while nobody is there; cameras that stop sending hold up nothing. */
  text = g_strdup_printf ("livekitsrc name=source tracks=*/video "
      "compositor name=compositor background=black force-live=true ignore-inactive-pads=true "
      "min-upstream-latency=200000000 ! video/x-raw,width=%d,height=%d,framerate=30/1 ! videoconvert ! queue ! %s",
      WALL_WIDTH, WALL_HEIGHT, argc == 3 ? argv[2] : "autovideosink");
  app.pipeline = gst_parse_launch (text, &error);
  if (app.pipeline == NULL) {
    g_printerr ("%s\n", error->message);
    return 1;
  }
  app.loop = g_main_loop_new (NULL, FALSE);
  app.tiles = g_ptr_array_new ();
  g_mutex_init (&app.lock);
  app.compositor = gst_bin_get_by_name (GST_BIN (app.pipeline), "compositor");
  source = gst_bin_get_by_name (GST_BIN (app.pipeline), "source");
  g_object_set (source, "room", argv[1], NULL);
  g_signal_connect (source, "pad-added", G_CALLBACK (pad_added), &app);
  g_signal_connect (source, "pad-removed", G_CALLBACK (pad_removed), &app);
  bus = gst_element_get_bus (app.pipeline);
  gst_bus_add_watch (bus, bus_message, &app);
  g_unix_signal_add (SIGINT, interrupted, &app);
  g_unix_signal_add (SIGTERM, interrupted, &app);

  gst_element_set_state (app.pipeline, GST_STATE_PLAYING);
  g_main_loop_run (app.loop);
  gst_element_set_state (app.pipeline, GST_STATE_NULL);

  gst_bus_remove_watch (bus);
  gst_object_unref (source);
  gst_object_unref (app.compositor);
  gst_object_unref (app.pipeline);
  g_ptr_array_unref (app.tiles);
  g_mutex_clear (&app.lock);
  g_main_loop_unref (app.loop);
  return app.result;
}
