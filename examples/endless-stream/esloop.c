/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* esloop: one file that is played in an endless loop. */

#include "esloop.h"

#include <gst/gst.h>

#include "applife.h"
#include "applog.h"
#include "apprestart.h"

/* livekitsink's and what is encoded here: decoding stops there */
#define RAW_CAPS "video/x-raw;audio/x-raw"
#define VIDEO_ENCODER "videoconvert ! vp8enc deadline=1 cpu-used=8 target-bitrate=2000000 keyframe-max-dist=120"
#define AUDIO_ENCODER "audioconvert ! audioresample ! opusenc"

struct _EsLoop
{
  /* constant after construction */
  const EsConfig *config;
  const EsFile *file;
  /* main loop */
  EsStatus status;
  GstElement *decoder;          /* of the pipeline, or NULL */
  gboolean is_paused, has_streams;
  AppLife *life;
  AppRestart *restart;
};

static void
drop_pipeline (EsLoop * loop, EsState state)
{
  loop->status.state = state;
  loop->status.is_connected = FALSE;
  app_life_end (loop->life);
  gst_clear_object (&loop->decoder);
}

static void
fail (EsLoop * loop, const gchar * reason)
{
  guint delay_ms;

  drop_pipeline (loop, ES_BROKEN);
  delay_ms = app_restart_failed (loop->restart);
  app_warning ("%s: %s; starts again in %.1f s", loop->file->path, reason, delay_ms / 1000.0);
}

/* A segment seek that does not flush plays on without a gap. One stream is asked, on behalf of all: livekitsink
 * passes no seeks on. */
static gboolean
seek_to_start (EsLoop * loop, GstSeekFlags flags)
{
  GstPad *pad = loop->decoder->srcpads != NULL ? loop->decoder->srcpads->data : NULL;

  if (pad != NULL && gst_pad_send_event (pad, gst_event_new_seek (1.0, GST_FORMAT_TIME, flags | GST_SEEK_FLAG_SEGMENT,
              GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_NONE, 0)))
    return TRUE;
  fail (loop, "it cannot be played from its start again");
  return FALSE;
}

static void
on_segment_done (EsLoop * loop)
{
  app_debug ("%s: again", loop->file->path);
  loop->status.n_rounds++;
  seek_to_start (loop, GST_SEEK_FLAG_NONE);
}

/* All streams are there: from now on the file is played by segments. */
static void
begin_if_ready (EsLoop * loop)
{
  if (loop->is_paused && loop->has_streams && seek_to_start (loop, GST_SEEK_FLAG_FLUSH))
    app_life_play (loop->life);
}

static void
on_paused (gpointer data)
{
  EsLoop *loop = data;

  loop->is_paused = TRUE;
  begin_if_ready (loop);
}

static void
on_started (gpointer data)
{
  EsLoop *loop = data;

  loop->status.state = ES_PLAYING;
  app_restart_works (loop->restart);
}

static void
on_all_streams (EsLoop * loop)
{
  if (loop->has_streams)
    return;
  loop->has_streams = TRUE;
  begin_if_ready (loop);
}

static void
on_connection (EsLoop * loop, const GstStructure * structure)
{
  const gchar *state = gst_structure_get_string (structure, "state");
  const gchar *reason = gst_structure_get_string (structure, "reason");
  gboolean is_connected = g_strcmp0 (state, "connected") == 0;

  if (loop->status.is_connected == is_connected)
    return;
  loop->status.is_connected = is_connected;
  app_info ("%s: %s%s%s", loop->file->path, state, reason != NULL && *reason != '\0' ? ", " : "",
      reason != NULL ? reason : "");
}

static void
on_message (GstMessage * message, gpointer data)
{
  EsLoop *loop = data;
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
      on_all_streams (loop);
      break;
    case GST_MESSAGE_ELEMENT:
      if (gst_message_has_name (message, "livekit-connection"))
        on_connection (loop, gst_message_get_structure (message));
      break;
    default:
      break;
  }
}

/* Streams. In threads of the decoder; the loop may have begun another life by then. */

static gboolean
link_bin (EsLoop * loop, GstBin * pipeline, GstPad * pad, const gchar * description, GstPad * next)
{
  g_autoptr (GError) error = NULL;
  GstElement *bin = gst_parse_bin_from_description (description, TRUE, &error);
  g_autoptr (GstPad) sink = NULL, src = NULL;

  if (bin == NULL) {
    app_error ("%s: %s", loop->file->path, error->message);
    return FALSE;
  }
  gst_bin_add (pipeline, bin);
  sink = gst_element_get_static_pad (bin, "sink");
  src = gst_element_get_static_pad (bin, "src");
  gst_element_sync_state_with_parent (bin);
  return sink != NULL && (next == NULL || gst_pad_link (src, next) == GST_PAD_LINK_OK)
      && gst_pad_link (pad, sink) == GST_PAD_LINK_OK;
}

static gboolean
publish (EsLoop * loop, GstBin * pipeline, GstPad * pad, const gchar * media_type)
{
  gboolean is_video = g_str_has_prefix (media_type, "video/");
  g_autoptr (GstElement) livekitsink = gst_bin_get_by_name (pipeline, "room");
  g_autoptr (GstPad) sink = gst_element_request_pad_simple (livekitsink, is_video ? "video_%u" : "audio_%u");

  g_object_set (sink, "track-name", loop->file->track, NULL);
  if (g_str_has_suffix (media_type, "/x-raw"))
    return link_bin (loop, pipeline, pad, is_video ? VIDEO_ENCODER : AUDIO_ENCODER, sink);
  return gst_pad_link (pad, sink) == GST_PAD_LINK_OK;
}

static void
on_pad_added (GstElement * decoder, GstPad * pad, gpointer data)
{
  EsLoop *loop = data;
  g_autoptr (GstObject) pipeline = gst_object_get_parent (GST_OBJECT (decoder));
  g_autoptr (GstCaps) caps = gst_pad_query_caps (pad, NULL);
  const gchar *media_type = gst_structure_get_name (gst_caps_get_structure (caps, 0));
  gboolean ok = TRUE;

  if (loop->file->target == NULL)
    ok = publish (loop, GST_BIN (pipeline), pad, media_type);
  else if (g_str_has_prefix (media_type, "video/"))
    ok = link_bin (loop, GST_BIN (pipeline), pad, loop->file->target, NULL);
  if (!ok)
    app_warning ("%s: %s cannot be played", loop->file->path, media_type);
}

static void
on_no_more_pads (GstElement * decoder, gpointer data)
{
  gst_element_post_message (decoder, gst_message_new_application (GST_OBJECT (decoder),
          gst_structure_new_empty ("all-streams")));
}

/* The pipeline */

static GstCaps *
make_stop_caps (void)
{
  g_autoptr (GstElementFactory) factory = gst_element_factory_find ("livekitsink");
  GstCaps *caps = gst_caps_from_string (RAW_CAPS);

  for (const GList * l = gst_element_factory_get_static_pad_templates (factory); l != NULL; l = l->next)
    caps = gst_caps_merge (caps, gst_static_pad_template_get_caps (l->data));
  return caps;
}

static GstElement *
make_sink (EsLoop * loop)
{
  GstElement *sink = gst_element_factory_make ("livekitsink", "room");

  if (loop->config->server != NULL)
    app_server_set_up (loop->config->server, G_OBJECT (sink));
  g_object_set (sink, "room", loop->config->room, "identity", loop->file->identity, "join-timeout", 0, NULL);
  return sink;
}

static GstElement *
make (gpointer data)
{
  EsLoop *loop = data;
  GstElement *pipeline = gst_object_ref_sink (gst_pipeline_new (NULL));

  loop->is_paused = loop->has_streams = FALSE;
  loop->status.state = ES_STARTING;
  loop->decoder = gst_object_ref_sink (gst_element_factory_make ("uridecodebin", NULL));
  g_object_set (loop->decoder, "uri", loop->file->uri, NULL);
  g_signal_connect (loop->decoder, "pad-added", G_CALLBACK (on_pad_added), loop);
  g_signal_connect (loop->decoder, "no-more-pads", G_CALLBACK (on_no_more_pads), loop);
  gst_bin_add (GST_BIN (pipeline), loop->decoder);
  if (loop->file->target == NULL) {
    g_autoptr (GstCaps) caps = make_stop_caps ();

    g_object_set (loop->decoder, "caps", caps, NULL);
    gst_bin_add (GST_BIN (pipeline), make_sink (loop));
  }
  app_info ("%s: starts", loop->file->path);
  return pipeline;
}

static void
start_again (gpointer data)
{
  app_life_begin (((EsLoop *) data)->life);
}

EsLoop *
es_loop_new (const EsConfig * config, const EsFile * file)
{
  static const AppLifeDelegate delegate = { make, on_started, on_message, on_paused };
  EsLoop *loop = g_new0 (EsLoop, 1);

  loop->config = config;
  loop->file = file;
  loop->life = app_life_new (&delegate, loop);
  loop->restart = app_restart_new (start_again, loop);
  return loop;
}

void
es_loop_free (EsLoop * loop)
{
  app_restart_free (loop->restart);
  app_life_free (loop->life);
  g_free (loop);
}

void
es_loop_start (EsLoop * loop)
{
  app_life_begin (loop->life);
}

void
es_loop_end (EsLoop * loop)
{
  app_restart_cancel (loop->restart);
  drop_pipeline (loop, ES_STOPPED);
}

gboolean
es_loop_has_ended (EsLoop * loop)
{
  return app_life_has_ended (loop->life);
}

const EsFile *
es_loop_get_file (EsLoop * loop)
{
  return loop->file;
}

void
es_loop_get_status (EsLoop * loop, EsStatus * status)
{
  *status = loop->status;
  status->n_restarts = app_restart_get_count (loop->restart);
}

const gchar *
es_state_name (EsState state)
{
  static const gchar *const names[ES_N_STATES] = { "stopped", "starting", "playing", "broken" };

  return names[state];
}
