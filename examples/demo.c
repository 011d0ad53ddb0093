/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * livekit-demo: a test picture and a tone go into a LiveKit room by livekitsink and come out again by livekitsrc, are
 * recorded without transcoding, looked at, and measured. Started by demo.sh; the server and its keys are in the
 * environment.
 */

#include <glib-unix.h>
#include <gst/video/video.h>

#include "measure.h"

#define DEADLINE_S 30
#define POLL_MS 20
#define FRAMES_BEFORE_RECEIVER 60       /* the usual case is a viewer who comes later */

#define PUBLISHER \
  "videotestsrc is-live=true pattern=smpte ! video/x-raw,format=I420,width=640,height=480,framerate=30/1 " \
  "! timeoverlay valignment=bottom halignment=left ! clockoverlay valignment=bottom halignment=right " \
  "! x264enc name=encoder tune=zerolatency speed-preset=veryfast bitrate=1500 key-int-max=300 ! sink.video_0 " \
  "audiotestsrc name=tone is-live=true freq=440 volume=1 samplesperbuffer=480 " \
  "! audio/x-raw,format=F32LE,rate=48000,channels=1 ! audioconvert ! opusenc ! sink.audio_0 " \
  "livekitsink name=sink identity=demo-camera"

#define RECEIVER \
  "livekitsrc name=src identity=demo-viewer tracks=demo-camera matroskamux name=mux offset-to-zero=true " \
  "! filesink name=file " \
  "src.video_0 ! tee name=v ! queue ! h264parse ! mux. " \
  "v. ! queue ! avdec_h264 ! video/x-raw,format=I420 ! fakesink name=picture sync=false " \
  "src.audio_0 ! tee name=a ! queue ! opusparse ! mux. " \
  "a. ! queue ! opusdec ! audioconvert ! audio/x-raw,format=F32LE,channels=1 ! fakesink name=sound sync=false"

typedef struct
{
  GMainLoop *loop;
  GstElement *publisher, *receiver;
  Measure *measure;
  gint64 publisher_started, publisher_joined, receiver_started, receiver_joined;        /* monotonic; 0 = not yet */
  guint tracks_published;
  guint deadline;
  gboolean finishing, failed;
} Demo;

static gchar *opt_room, *opt_output, *opt_page;
static gint opt_seconds = 10;
static gboolean opt_keep;

static const GOptionEntry entries[] = {
  {"room", 0, 0, G_OPTION_ARG_STRING, &opt_room, "Room to use", "NAME"},
  {"output", 0, 0, G_OPTION_ARG_FILENAME, &opt_output, "Folder for recording and picture", "FOLDER"},
  {"seconds", 0, 0, G_OPTION_ARG_INT, &opt_seconds, "How long to record", "N"},
  {"page", 0, 0, G_OPTION_ARG_STRING, &opt_page, "Address of the web page, to print it at the end", "URL"},
  {"keep", 0, 0, G_OPTION_ARG_NONE, &opt_keep, "Go on publishing afterwards, until Ctrl-C", NULL},
  {NULL}
};

static GstElement *
get (GstElement * pipeline, const gchar * name)
{
  GstElement *element = gst_bin_get_by_name (GST_BIN (pipeline), name);

  g_assert (element != NULL);
  return element;
}

static void
save_picture (Demo * demo)
{
  g_autofree gchar *path = g_build_filename (opt_output, "frame.png", NULL);
  g_autoptr (GstCaps) caps = gst_caps_new_empty_simple ("image/png");
  g_autoptr (GError) error = NULL;
  g_autoptr (GstSample) png = NULL;
  g_autoptr (GstSample) picture = measure_get_picture (demo->measure);
  GstMapInfo map;

  if (picture == NULL)
    return;
  png = gst_video_convert_sample (picture, caps, 5 * GST_SECOND, &error);
  if (png != NULL && gst_buffer_map (gst_sample_get_buffer (png), &map, GST_MAP_READ)) {
    if (g_file_set_contents (path, (const gchar *) map.data, (gssize) map.size, &error))
      g_print ("a received frame: %s\n", path);
    gst_buffer_unmap (gst_sample_get_buffer (png), &map);
  }
  if (error != NULL)
    g_printerr ("frame.png: %s\n", error->message);
}

/* What happens when */

static void
fail (Demo * demo, const gchar * text)
{
  g_printerr ("failed: %s\n", text);
  demo->failed = TRUE;
  g_main_loop_quit (demo->loop);
}

static gboolean
out_of_time (gpointer data)
{
  Demo *demo = data;

  demo->deadline = 0;
  fail (demo, demo->receiver_started == 0 ? "the publisher's tracks were not published in time" :
      measure_get_first_frame (demo->measure) == 0 ? "no frame came in time" : "the recording did not end in time");
  return G_SOURCE_REMOVE;
}

static gboolean
finish_recording (gpointer data)
{
  Demo *demo = data;

  demo->finishing = TRUE;
  gst_element_send_event (demo->receiver, gst_event_new_eos ());
  return G_SOURCE_REMOVE;
}

static gboolean
look_for_first_frame (gpointer data)
{
  Demo *demo = data;

  if (measure_get_first_frame (demo->measure) == 0)
    return G_SOURCE_CONTINUE;
  g_timeout_add ((guint) opt_seconds * 1000, finish_recording, demo);
  return G_SOURCE_REMOVE;
}

static void
print_time (const gchar * title, gint64 from, gint64 to)
{
  g_print ("  %-50s %6.1f ms\n", title, (to - from) / 1000.0);
}

static void
recording_finished (Demo * demo)
{
  g_clear_handle_id (&demo->deadline, g_source_remove);
  gst_element_set_state (demo->receiver, GST_STATE_NULL);
  g_print ("the recording: %s/recording.mkv\n", opt_output);
  save_picture (demo);
  g_print ("\n");
  print_time ("publisher: time to join", demo->publisher_started, demo->publisher_joined);
  print_time ("receiver: time to join", demo->receiver_started, demo->receiver_joined);
  print_time ("receiver: join to first frame", demo->receiver_joined, measure_get_first_frame (demo->measure));
  measure_print (demo->measure);
  if (measure_get_n_decoded (demo->measure) == 0)
    fail (demo, "no frame was received");
  else if (!opt_keep)
    g_main_loop_quit (demo->loop);
  else
    g_print ("still publishing%s%s; Ctrl-C ends it\n", opt_page ? ", watch it on " : "", opt_page ? opt_page : "");
}

static gboolean
start_receiver_when_ready (gpointer data)
{
  Demo *demo = data;

  if (demo->publisher_joined == 0 || demo->tracks_published < 2
      || measure_get_n_sent (demo->measure) < FRAMES_BEFORE_RECEIVER)
    return G_SOURCE_CONTINUE;
  g_print ("publishing; starting the receiver, which records %d s\n", opt_seconds);
  demo->receiver_started = g_get_monotonic_time ();
  gst_element_set_state (demo->receiver, GST_STATE_PLAYING);
  g_timeout_add (POLL_MS, look_for_first_frame, demo);
  return G_SOURCE_REMOVE;
}

static void
element_message (Demo * demo, GstMessage * message)
{
  const GstStructure *structure = gst_message_get_structure (message);
  gboolean from_publisher = gst_object_has_as_ancestor (GST_MESSAGE_SRC (message), GST_OBJECT (demo->publisher));
  gint64 *joined = from_publisher ? &demo->publisher_joined : &demo->receiver_joined;

  if (gst_structure_has_name (structure, "livekit-connection")
      && g_strcmp0 (gst_structure_get_string (structure, "state"), "connected") == 0 && *joined == 0)
    *joined = g_get_monotonic_time ();
  if (gst_structure_has_name (structure, "livekit-track") && from_publisher
      && g_strcmp0 (gst_structure_get_string (structure, "action"), "published") == 0)
    demo->tracks_published++;
}

static gboolean
watch_bus (GstBus * bus, GstMessage * message, gpointer data)
{
  Demo *demo = data;
  g_autoptr (GError) error = NULL;

  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_ERROR:
      gst_message_parse_error (message, &error, NULL);
      fail (demo, error->message);
      break;
    case GST_MESSAGE_LATENCY:
      gst_bin_recalculate_latency (GST_BIN (gst_object_has_as_ancestor (GST_MESSAGE_SRC (message),
                  GST_OBJECT (demo->publisher)) ? demo->publisher : demo->receiver));
      break;
    case GST_MESSAGE_ELEMENT:
      element_message (demo, message);
      break;
    case GST_MESSAGE_EOS:
      if (demo->finishing)
        recording_finished (demo);
      else
        fail (demo, "the stream ended early");
      break;
    default:
      break;
  }
  return G_SOURCE_CONTINUE;
}

static gboolean
interrupted (gpointer data)
{
  Demo *demo = data;

  g_main_loop_quit (demo->loop);
  return G_SOURCE_CONTINUE;
}

/* Setting up */

static void
watch_pad (Demo * demo, GstElement * pipeline, const gchar * name, const gchar * pad_name,
    void (*watch) (Measure * measure, GstPad * pad))
{
  g_autoptr (GstElement) element = get (pipeline, name);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (element, pad_name);

  watch (demo->measure, pad);
}

static void
receiver_pad_added (GstElement * element, GstPad * pad, gpointer data)
{
  Demo *demo = data;

  if (g_str_has_prefix (GST_PAD_NAME (pad), "video"))
    measure_watch_received (demo->measure, pad);
}

static GstElement *
parse (Demo * demo, const gchar * description)
{
  g_autoptr (GError) error = NULL;
  GstElement *pipeline = gst_parse_launch (description, &error);
  g_autoptr (GstBus) bus = NULL;

  if (pipeline == NULL || error != NULL) {
    g_printerr ("livekit-demo: %s\n", error->message);
    exit (1);
  }
  bus = gst_element_get_bus (pipeline);
  gst_bus_add_watch (bus, watch_bus, demo);
  return gst_object_ref_sink (pipeline);
}

static void
make_publisher (Demo * demo)
{
  g_autoptr (GstElement) sink = NULL;

  demo->publisher = parse (demo, PUBLISHER);
  sink = get (demo->publisher, "sink");
  g_object_set (sink, "room", opt_room, NULL);
  watch_pad (demo, demo->publisher, "encoder", "sink", measure_watch_raw_video);
  watch_pad (demo, demo->publisher, "sink", "video_0", measure_watch_sent);
  watch_pad (demo, demo->publisher, "tone", "src", measure_watch_tone);
}

static void
make_receiver (Demo * demo)
{
  g_autoptr (GstElement) src = NULL, file = NULL;
  g_autofree gchar *path = g_build_filename (opt_output, "recording.mkv", NULL);

  demo->receiver = parse (demo, RECEIVER);
  src = get (demo->receiver, "src");
  file = get (demo->receiver, "file");
  g_object_set (src, "room", opt_room, NULL);
  g_object_set (file, "location", path, NULL);
  g_signal_connect (src, "pad-added", G_CALLBACK (receiver_pad_added), demo);
  watch_pad (demo, demo->receiver, "picture", "sink", measure_watch_picture);
  watch_pad (demo, demo->receiver, "sound", "sink", measure_watch_sound);
}

static void
stop (GstElement * pipeline)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);

  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_bus_remove_watch (bus);
  gst_object_unref (pipeline);
}

static void
run (Demo * demo)
{
  make_publisher (demo);
  make_receiver (demo);
  g_unix_signal_add (SIGINT, interrupted, demo);
  g_unix_signal_add (SIGTERM, interrupted, demo);
  demo->deadline = g_timeout_add_seconds (DEADLINE_S + (guint) opt_seconds, out_of_time, demo);
  demo->publisher_started = g_get_monotonic_time ();
  gst_element_set_state (demo->publisher, GST_STATE_PLAYING);
  g_timeout_add (POLL_MS, start_receiver_when_ready, demo);
  g_main_loop_run (demo->loop);
  stop (demo->receiver);
  stop (demo->publisher);
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  Demo demo = { 0 };

  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  if (!g_option_context_parse (context, &argc, &argv, &error)) {
    g_printerr ("livekit-demo: %s\n", error->message);
    return 2;
  }
  opt_room = opt_room ? opt_room : g_strdup ("demo");
  opt_output = opt_output ? opt_output : g_strdup ("demo");
  g_mkdir_with_parents (opt_output, 0755);
  demo.loop = g_main_loop_new (NULL, FALSE);
  demo.measure = measure_new ();
  run (&demo);
  measure_free (demo.measure);
  g_main_loop_unref (demo.loop);
  g_free (opt_room);
  g_free (opt_output);
  g_free (opt_page);
  return demo.failed ? 1 : 0;
}
