/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* livekit-endless-stream: plays files in an endless loop, into video devices or into a LiveKit room.
 *
 *     livekit-endless-stream FILE=/dev/video10 FILE=/dev/video11      decoded, to v4l2loopback
 *     livekit-endless-stream --room ROOM FILE...                each a participant; encoded as they are, if possible
 *     livekit-endless-stream "FILE=SINK ..."                          decoded, to any sink of a launch line
 *
 * How to get into the room comes from the environment: LIVEKIT_URL with LIVEKIT_TOKEN_URL, or with LIVEKIT_API_KEY and
 * LIVEKIT_API_SECRET. A file that fails starts again alone. */
#include <gst/gst.h>
#include <string.h>

#include "applog.h"
#include "appmain.h"
#include "appproblems.h"
#include "apprestart.h"

/* livekitsink's and what is encoded here: decoding stops there */
#define RAW_CAPS "video/x-raw;audio/x-raw"
#define VIDEO_ENCODER "videoconvert ! vp8enc deadline=1 cpu-used=8 target-bitrate=2000000 keyframe-max-dist=120"
#define AUDIO_ENCODER "audioconvert ! audioresample ! opusenc"

static gchar *opt_room;
static gchar *opt_identity;
static gchar **opt_files;

static const GOptionEntry entries[] = {
  {"room", 'r', 0, G_OPTION_ARG_STRING, &opt_room, "The room for files without a device", "ROOM"},
  {"identity", 'i', 0, G_OPTION_ARG_STRING, &opt_identity, "Beginning of the participants' names (default: endless)",
        "NAME"},
  {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &opt_files, NULL, "FILE[=DEVICE]..."},
  {NULL}
};

/* One file that is played. */
typedef struct
{
  gchar *path, *uri, *target;   /* target: a sink's launch line; NULL: the room */
  gchar *identity, *track;
  GstElement *pipeline;         /* NULL while it waits to start again */
  GstElement *decoder, *sink;   /* of the pipeline; sink: livekitsink */
  gint is_ready;                /* atomic: all streams are known */
  gboolean is_looping;
  AppRestart *restart;
} Loop;

static void
drop_pipeline (Loop * loop)
{
  if (loop->pipeline == NULL)
    return;
  gst_bus_remove_watch (GST_ELEMENT_BUS (loop->pipeline));
  gst_element_set_state (loop->pipeline, GST_STATE_NULL);
  loop->decoder = loop->sink = NULL;
  gst_clear_object (&loop->pipeline);
}

static void
fail (Loop * loop, const gchar * reason)
{
  guint delay_ms;

  drop_pipeline (loop);
  delay_ms = app_restart_failed (loop->restart);
  app_warning ("%s: %s; starts again in %.1f s", loop->path, reason, delay_ms / 1000.0);
}

/* A segment seek that does not flush plays on without a gap. One stream is asked, on behalf of all: livekitsink
 * passes no seeks on. */
static void
seek_to_start (Loop * loop, GstSeekFlags flags)
{
  GstPad *pad = loop->decoder->srcpads != NULL ? loop->decoder->srcpads->data : NULL;

  if (pad == NULL || !gst_pad_send_event (pad, gst_event_new_seek (1.0, GST_FORMAT_TIME, flags | GST_SEEK_FLAG_SEGMENT,
              GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_NONE, 0)))
    fail (loop, "it cannot be played from its start again");
}

static void
on_segment_done (Loop * loop)
{
  app_debug ("%s: again", loop->path);
  seek_to_start (loop, GST_SEEK_FLAG_NONE);
}

/* All streams are there: from now on the file is played by segments. */
static void
begin (Loop * loop)
{
  if (loop->is_looping || !g_atomic_int_get (&loop->is_ready))
    return;
  loop->is_looping = TRUE;
  seek_to_start (loop, GST_SEEK_FLAG_FLUSH);
  if (loop->pipeline != NULL)
    gst_element_set_state (loop->pipeline, GST_STATE_PLAYING);
  app_restart_works (loop->restart);
}

static gboolean
on_message (GstBus * bus, GstMessage * message, gpointer data)
{
  Loop *loop = data;
  g_autoptr (GError) error = NULL;

  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_ERROR:
      gst_message_parse_error (message, &error, NULL);
      fail (loop, error->message);
      break;
    case GST_MESSAGE_EOS:
      fail (loop, "it ended");
      break;
    case GST_MESSAGE_SEGMENT_DONE:
      on_segment_done (loop);
      break;
    case GST_MESSAGE_APPLICATION:
      begin (loop);
      break;
    default:
      break;
  }
  return G_SOURCE_CONTINUE;
}

/* Streams. In threads of the decoder. */

static gboolean
link_bin (Loop * loop, GstPad * pad, const gchar * description, GstPad * next)
{
  g_autoptr (GError) error = NULL;
  GstElement *bin = gst_parse_bin_from_description (description, TRUE, &error);
  g_autoptr (GstPad) sink = NULL, src = NULL;

  if (bin == NULL) {
    app_error ("%s: %s", loop->path, error->message);
    return FALSE;
  }
  gst_bin_add (GST_BIN (loop->pipeline), bin);
  sink = gst_element_get_static_pad (bin, "sink");
  src = gst_element_get_static_pad (bin, "src");
  gst_element_sync_state_with_parent (bin);
  return sink != NULL && (next == NULL || gst_pad_link (src, next) == GST_PAD_LINK_OK)
      && gst_pad_link (pad, sink) == GST_PAD_LINK_OK;
}

static gboolean
publish (Loop * loop, GstPad * pad, const gchar * media_type)
{
  gboolean is_video = g_str_has_prefix (media_type, "video/");
  g_autoptr (GstPad) sink = gst_element_request_pad_simple (loop->sink, is_video ? "video_%u" : "audio_%u");

  g_object_set (sink, "track-name", loop->track, NULL);
  if (g_str_has_suffix (media_type, "/x-raw"))
    return link_bin (loop, pad, is_video ? VIDEO_ENCODER : AUDIO_ENCODER, sink);
  return gst_pad_link (pad, sink) == GST_PAD_LINK_OK;
}

static void
on_pad_added (GstElement * decoder, GstPad * pad, gpointer data)
{
  Loop *loop = data;
  g_autoptr (GstCaps) caps = gst_pad_query_caps (pad, NULL);
  const gchar *media_type = gst_structure_get_name (gst_caps_get_structure (caps, 0));
  gboolean ok = TRUE;

  if (loop->target == NULL)
    ok = publish (loop, pad, media_type);
  else if (g_str_has_prefix (media_type, "video/"))
    ok = link_bin (loop, pad, loop->target, NULL);
  if (!ok)
    app_warning ("%s: %s cannot be played", loop->path, media_type);
}

static void
on_no_more_pads (GstElement * decoder, gpointer data)
{
  Loop *loop = data;

  g_atomic_int_set (&loop->is_ready, TRUE);
  gst_element_post_message (decoder, gst_message_new_application (GST_OBJECT (decoder),
          gst_structure_new_empty ("all-streams")));
}

static GstCaps *
make_stop_caps (void)
{
  g_autoptr (GstElementFactory) factory = gst_element_factory_find ("livekitsink");
  GstCaps *caps = gst_caps_from_string (RAW_CAPS);

  for (const GList * l = gst_element_factory_get_static_pad_templates (factory); l != NULL; l = l->next)
    caps = gst_caps_merge (caps, gst_static_pad_template_get_caps (l->data));
  return caps;
}

static void
start_pipeline (gpointer data)
{
  Loop *loop = data;
  GstElement *decoder = gst_element_factory_make ("uridecodebin", NULL);
  g_autoptr (GstBus) bus = NULL;

  loop->decoder = decoder;
  loop->is_looping = FALSE;
  loop->is_ready = FALSE;
  loop->pipeline = gst_object_ref_sink (gst_pipeline_new (NULL));
  bus = gst_element_get_bus (loop->pipeline);
  gst_bus_add_watch (bus, on_message, loop);
  g_object_set (decoder, "uri", loop->uri, NULL);
  g_signal_connect (decoder, "pad-added", G_CALLBACK (on_pad_added), loop);
  g_signal_connect (decoder, "no-more-pads", G_CALLBACK (on_no_more_pads), loop);
  gst_bin_add (GST_BIN (loop->pipeline), decoder);
  if (loop->target == NULL) {
    g_autoptr (GstCaps) caps = make_stop_caps ();

    g_object_set (decoder, "caps", caps, NULL);
    loop->sink = gst_element_factory_make ("livekitsink", NULL);
    g_object_set (loop->sink, "room", opt_room, "identity", loop->identity, "join-timeout", 0, NULL);
    gst_bin_add (GST_BIN (loop->pipeline), loop->sink);
  }
  app_info ("%s: starts", loop->path);
  /* what failed is told on the bus */
  gst_element_set_state (loop->pipeline, GST_STATE_PAUSED);
}

/* The program */

static void
loop_free (gpointer data)
{
  Loop *loop = data;

  drop_pipeline (loop);
  app_restart_free (loop->restart);
  g_free (loop->path);
  g_free (loop->uri);
  g_free (loop->target);
  g_free (loop->identity);
  g_free (loop->track);
  g_free (loop);
}

/* Whether what stands behind the decoder can be made: else it would be tried again and again. */
static void
check_elements (Loop * loop, AppProblems * problems)
{
  g_autoptr (GstElementFactory) factory = gst_element_factory_find ("livekitsink");
  g_autoptr (GError) error = NULL;
  GstElement *bin;

  if (loop->target == NULL) {
    if (factory == NULL)
      app_problems_add (problems, loop->path, "the element livekitsink is not installed (GST_PLUGIN_PATH)");
    return;
  }
  bin = gst_parse_bin_from_description_full (loop->target, TRUE, NULL, GST_PARSE_FLAG_FATAL_ERRORS, &error);
  if (bin != NULL)
    gst_object_unref (gst_object_ref_sink (bin));
  else
    app_problems_add (problems, loop->path, "%s in \"%s\"", error->message, loop->target);
}

/* @text is FILE or FILE=TARGET. */
static Loop *
loop_new (const gchar * text, guint number, AppProblems * problems)
{
  const gchar *equals = strchr (text, '=');
  Loop *loop = g_new0 (Loop, 1);
  g_autofree gchar *absolute = NULL;

  loop->path = equals != NULL ? g_strndup (text, (gsize) (equals - text)) : g_strdup (text);
  absolute = g_canonicalize_filename (loop->path, NULL);
  loop->uri = g_filename_to_uri (absolute, NULL, NULL);
  loop->track = g_path_get_basename (loop->path);
  loop->identity = g_strdup_printf ("%s-%u", opt_identity != NULL ? opt_identity : "endless", number);
  loop->restart = app_restart_new (start_pipeline, loop);
  if (equals != NULL)
    loop->target = g_strdup_printf (equals[1] == '/' ? "videoconvert ! v4l2sink device=%s" : "videoconvert ! %s",
        equals + 1);
  if (!g_file_test (loop->path, G_FILE_TEST_IS_REGULAR))
    app_problems_add (problems, loop->path, "there is no such file");
  if (equals != NULL && equals[1] == '/' && !g_file_test (equals + 1, G_FILE_TEST_EXISTS))
    app_problems_add (problems, loop->path, "there is no device %s: load v4l2loopback (modprobe v4l2loopback devices=2 "
        "video_nr=10,11), or play into a room (--room)", equals + 1);
  if (equals == NULL && opt_room == NULL)
    app_problems_add (problems, loop->path, "where to? FILE=DEVICE, or --room");
  else
    check_elements (loop, problems);
  return loop;
}

static void
stop (gpointer data)
{
  app_info ("stops");
  g_main_loop_quit (data);
}

int
main (int argc, char **argv)
{
  static const AppSignals signals = { stop, NULL };
  g_autoptr (GOptionContext) options = g_option_context_new ("- files in an endless loop");
  g_autoptr (GMainLoop) main_loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GPtrArray) loops = g_ptr_array_new_with_free_func (loop_free);
  g_autoptr (AppProblems) problems = app_problems_new ();
  g_autoptr (GError) error = NULL;

  g_option_context_add_main_entries (options, entries, NULL);
  g_option_context_add_group (options, gst_init_get_option_group ());
  if (!g_option_context_parse (options, &argc, &argv, &error) || opt_files == NULL) {
    g_printerr ("%s\n", error != NULL ? error->message : "no file is named (see --help)");
    return APP_EXIT_SETTINGS;
  }
  app_log_init ();
  for (guint i = 0; opt_files[i] != NULL; i++)
    g_ptr_array_add (loops, loop_new (opt_files[i], i, problems));
  if (app_problems_print (problems) > 0)
    return APP_EXIT_SETTINGS;
  app_signals_watch (&signals, main_loop);
  for (guint i = 0; i < loops->len; i++)
    start_pipeline (g_ptr_array_index (loops, i));
  app_notify ("READY=1");
  g_main_loop_run (main_loop);
  return 0;
}
