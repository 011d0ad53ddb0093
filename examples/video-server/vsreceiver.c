/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vsreceiver: one pipeline that receives: it runs while the track that it is for is in the room.
 *
 * Pads of livekitsrc give encoded streams. A pipeline that takes RTP gets a payloader of its own: so it begins with a
 * key frame, has the payload type that it asks for, whatever the server uses, and may stand beside those that take no
 * RTP. */

#include "vsreceiver.h"

#include "applog.h"

#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/video/video.h>
#include <string.h>

/* what Go's server and Chromium use, for caps that do not say */
#define DEFAULT_VIDEO_PT 96
#define DEFAULT_AUDIO_PT 111
/* what the pipeline itself may take on top of the jitter buffer, before its sink is late */
#define MARGIN_NS (50 * GST_MSECOND)
#define QUEUE_NS (3 * GST_SECOND)
/* The server forgets requests that follow another one within half a second. */
#define ASK_AGAIN_US G_USEC_PER_SEC

struct _VsReceiver
{
  const VsPipelineConfig *config;
  VsRoom *room;
  VsRunner *runner;
  GstClock *clock;
  /* main loop only */
  GstPad *pad;                  /* of livekitsrc, or NULL */
  GstElement *branch, *tail;    /* behind it, in the room's pipeline: its appsink */
  GstCaps *wanted;              /* by the text; NULL until it was parsed */
  gboolean takes_rtp;
  /* with lock */
  GMutex lock;
  GstElement *end;              /* appsrc of the pipeline, or NULL */
  gboolean needs_key_frame;     /* of video: not begun yet */
  gint64 asked_us;              /* for one, monotonic */
  guint64 buffers, bytes;
  GstClockTime last_time;       /* of what the pipeline was given, or NONE; streaming thread, and before there is an end */
};

static const struct
{
  const gchar *media_type, *encoding, *payloader;
} payloaders[] = {
  {"video/x-vp8", "VP8", "rtpvp8pay"},
  {"video/x-vp9", "VP9", "rtpvp9pay"},
  {"video/x-h264", "H264", "rtph264pay config-interval=-1"},
  {"video/x-h265", "H265", "rtph265pay config-interval=-1"},
  {"video/x-av1", "AV1", "livekitrtpav1pay"},
  {"audio/x-opus", "OPUS", "rtpopuspay"},
  {"audio/x-mulaw", "PCMU", "rtppcmupay"},
  {"audio/x-alaw", "PCMA", "rtppcmapay"},
};

/* Which track */

gboolean
vs_receiver_matches (const gchar * wanted, const gchar * identity, const gchar * const *names)
{
  const gchar *slash = strchr (wanted, '/');
  g_autofree gchar *who = NULL, *what = NULL;

  if (slash == NULL) {
    for (guint i = 0; i < 2; i++) {
      if (g_strcmp0 (wanted, names[i]) == 0)
        return TRUE;
    }
    return FALSE;
  }
  who = g_uri_unescape_segment (wanted, slash, NULL);
  what = g_uri_unescape_string (slash + 1, NULL);
  if (who == NULL || what == NULL || identity == NULL || !g_pattern_match_simple (who, identity))
    return FALSE;
  for (guint i = 0; i < 4; i++) {
    if (names[i] != NULL && g_pattern_match_simple (what, names[i]))
      return TRUE;
  }
  return FALSE;
}

/* By name, sid, source ("camera") or kind ("video"). */
static gboolean
is_wanted (VsReceiver * receiver, GstPad * pad)
{
  gboolean is_video = g_str_has_prefix (GST_OBJECT_NAME (pad), "video");
  g_autofree gchar *identity = NULL, *name = NULL, *sid = NULL, *source_nick = NULL;
  const gchar *names[4] = { NULL, };
  g_auto (GValue) source = G_VALUE_INIT;

  if (is_video != (receiver->config->direction == VS_RECEIVES_VIDEO))
    return FALSE;
  g_object_get (pad, "participant-identity", &identity, "track-name", &name, "track-sid", &sid, NULL);
  g_object_get_property (G_OBJECT (pad), "source", &source);
  source_nick = gst_value_serialize (&source);
  names[0] = name;
  names[1] = sid;
  names[2] = source_nick;
  names[3] = is_video ? "video" : "audio";
  return vs_receiver_matches (receiver->config->track, identity, names);
}

/* Key frames: from the pipeline's decoder to livekitsrc */

static void
ask_room (VsReceiver * receiver)
{
  g_autoptr (GstPad) pad = receiver->tail != NULL ? gst_element_get_static_pad (receiver->tail, "sink") : NULL;

  if (pad != NULL)
    gst_pad_push_event (pad, gst_video_event_new_upstream_force_key_unit (GST_CLOCK_TIME_NONE, TRUE, 0));
}

static gboolean
ask_room_in_main (gpointer data)
{
  ask_room (data);
  return G_SOURCE_REMOVE;
}

static GstPadProbeReturn
on_end_event (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  if (gst_event_has_name (GST_PAD_PROBE_INFO_EVENT (info), "GstForceKeyUnit"))
    g_idle_add_full (G_PRIORITY_DEFAULT, ask_room_in_main, data, NULL);
  return GST_PAD_PROBE_OK;
}

/* From the room to the pipeline. In a streaming thread of the room. */

/* In front of the payloader, if there is one: nothing before a key frame. */
static GstPadProbeReturn
on_branch_buffer (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  VsReceiver *receiver = data;
  gint64 now_us = g_get_monotonic_time ();
  gboolean passes, asks;

  g_mutex_lock (&receiver->lock);
  if (!GST_BUFFER_FLAG_IS_SET (GST_PAD_PROBE_INFO_BUFFER (info), GST_BUFFER_FLAG_DELTA_UNIT))
    receiver->needs_key_frame = FALSE;
  passes = receiver->end != NULL && !receiver->needs_key_frame;
  asks = receiver->end != NULL && receiver->needs_key_frame && now_us - receiver->asked_us >= ASK_AGAIN_US;
  if (asks)
    receiver->asked_us = now_us;
  g_mutex_unlock (&receiver->lock);
  if (asks)
    gst_pad_push_event (pad, gst_video_event_new_upstream_force_key_unit (GST_CLOCK_TIME_NONE, TRUE, 0));
  return passes ? GST_PAD_PROBE_OK : GST_PAD_PROBE_DROP;
}

/* Always later than the one before: where two are the same, h264parse takes the time from the second, and mp4mux wants one. */
static GstClockTime
place (VsReceiver * receiver, gint64 time)
{
  GstClockTime earliest = receiver->last_time == GST_CLOCK_TIME_NONE ? 0 : receiver->last_time + GST_MSECOND;

  /* what is older than the pipeline is of its beginning */
  return receiver->last_time = time > (gint64) earliest ? (GstClockTime) time : earliest;
}

static void
push (VsReceiver * receiver, GstSample * sample, GstElement * tail, GstElement * end)
{
  GstBuffer *buffer = gst_buffer_copy (gst_sample_get_buffer (sample));
  guint64 time = gst_segment_to_running_time (gst_sample_get_segment (sample), GST_FORMAT_TIME,
      GST_BUFFER_PTS (buffer));
  gint64 shift = GST_CLOCK_DIFF (gst_element_get_base_time (end), gst_element_get_base_time (tail));

  GST_BUFFER_DTS (buffer) = GST_CLOCK_TIME_NONE;
  if (GST_CLOCK_TIME_IS_VALID (time))
    GST_BUFFER_PTS (buffer) = place (receiver, (gint64) time + shift);
  gst_app_src_set_caps (GST_APP_SRC (end), gst_sample_get_caps (sample));
  gst_app_src_push_buffer (GST_APP_SRC (end), buffer);
}

static GstFlowReturn
on_sample (GstAppSink * tail, gpointer data)
{
  VsReceiver *receiver = data;
  g_autoptr (GstSample) sample = gst_app_sink_pull_sample (tail);
  GstBuffer *buffer = sample != NULL ? gst_sample_get_buffer (sample) : NULL;
  GstElement *end = NULL;

  if (buffer == NULL || GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_GAP))
    return GST_FLOW_OK;
  g_mutex_lock (&receiver->lock);
  if (receiver->end != NULL) {
    end = gst_object_ref (receiver->end);
    receiver->buffers++;
    receiver->bytes += gst_buffer_get_size (buffer);
  }
  g_mutex_unlock (&receiver->lock);
  if (end != NULL) {
    push (receiver, sample, GST_ELEMENT (tail), end);
    gst_object_unref (end);
  }
  return GST_FLOW_OK;
}

/* The pipeline */

/* Last of all, for the first buffer is a key frame. */
static void
link_branch (VsReceiver * receiver)
{
  g_autoptr (GstPad) sink = gst_element_get_static_pad (receiver->branch, "sink");

  if (gst_pad_link (receiver->pad, sink) != GST_PAD_LINK_OK)
    app_warning ("%s: the track %s cannot be linked", receiver->config->setting, receiver->config->track);
}

static GstClockTime
get_room_latency (VsReceiver * receiver)
{
  g_autoptr (GstQuery) query = gst_query_new_latency ();
  GstClockTime least = 0;

  if (receiver->pad != NULL && gst_pad_query (receiver->pad, query))
    gst_query_parse_latency (query, NULL, &least, NULL);
  return least;
}

static void
prepare (VsParsed * parsed, gpointer data)
{
  VsReceiver *receiver = data;
  GstElement *end = parsed->ends[0];
  g_autoptr (GstPad) pad = gst_element_get_static_pad (end, "src");
  GstClockTime latency = get_room_latency (receiver) + MARGIN_NS;

  /* never blocks the room, whatever the text says */
  g_object_set (end, "block", FALSE, "format", GST_FORMAT_TIME, "min-latency",
      (gint64) latency, "max-time", QUEUE_NS, "max-bytes", G_GUINT64_CONSTANT (0),
      "leaky-type", GST_APP_LEAKY_TYPE_DOWNSTREAM, NULL);
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, on_end_event, receiver, NULL);
  /* known before the pipeline runs: times are made from it at once */
  gst_element_set_start_time (parsed->pipeline, GST_CLOCK_TIME_NONE);
  /* what comes first was taken by the publisher a latency ago */
  gst_element_set_base_time (parsed->pipeline, gst_clock_get_time (receiver->clock) - latency);
  gst_element_set_base_time (end, gst_element_get_base_time (parsed->pipeline));
}

/* From now on it takes what is pushed. */
static void
started (VsParsed * parsed, gpointer data)
{
  VsReceiver *receiver = data;

  g_mutex_lock (&receiver->lock);
  receiver->end = gst_object_ref (parsed->ends[0]);
  receiver->last_time = GST_CLOCK_TIME_NONE;
  receiver->needs_key_frame = receiver->config->direction == VS_RECEIVES_VIDEO;
  receiver->asked_us = g_get_monotonic_time ();
  g_mutex_unlock (&receiver->lock);
  if (receiver->pad != NULL && !gst_pad_is_linked (receiver->pad))
    link_branch (receiver);
  else
    ask_room (receiver);
}

static void
stopped (gboolean is_broken, gpointer data)
{
  VsReceiver *receiver = data;

  g_mutex_lock (&receiver->lock);
  gst_clear_object (&receiver->end);
  g_mutex_unlock (&receiver->lock);
}

/* The room's side */

/* The payload type that @wanted asks for, if it does. */
static gint
get_payload_type (VsReceiver * receiver)
{
  gint type = receiver->config->direction == VS_RECEIVES_VIDEO ? DEFAULT_VIDEO_PT : DEFAULT_AUDIO_PT;

  for (guint i = 0; !gst_caps_is_any (receiver->wanted) && i < gst_caps_get_size (receiver->wanted); i++) {
    if (gst_structure_get_int (gst_caps_get_structure (receiver->wanted, i), "payload", &type))
      break;
  }
  return type;
}

static gboolean
takes_encoding (VsReceiver * receiver, const gchar * encoding)
{
  g_autoptr (GstCaps) caps = gst_caps_new_simple ("application/x-rtp", "encoding-name", G_TYPE_STRING, encoding, NULL);

  return gst_caps_can_intersect (caps, receiver->wanted);
}

/* What stands between @pad and the pipeline; NULL with the reason if that cannot be. */
static gchar *
describe_branch (VsReceiver * receiver, GstCaps * caps, gchar ** problem)
{
  const gchar *media_type = gst_structure_get_name (gst_caps_get_structure (caps, 0));
  guint i;

  if (!receiver->takes_rtp) {
    if (gst_caps_can_intersect (caps, receiver->wanted))
      return g_strdup ("appsink name=tail");
    *problem = g_strdup_printf ("it does not take %s", media_type);
    return NULL;
  }
  for (i = 0; i < G_N_ELEMENTS (payloaders) && strcmp (payloaders[i].media_type, media_type) != 0; i++);
  if (i == G_N_ELEMENTS (payloaders) || !takes_encoding (receiver, payloaders[i].encoding)) {
    *problem = g_strdup_printf ("it does not take %s", media_type);
    return NULL;
  }
  return g_strdup_printf ("%s pt=%d ! appsink name=tail", payloaders[i].payloader, get_payload_type (receiver));
}

static gboolean
make_branch (VsReceiver * receiver, GstPad * pad)
{
  static GstAppSinkCallbacks callbacks = {.new_sample = on_sample };
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  g_autofree gchar *description = NULL, *problem = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GstPad) sink = NULL;

  if (caps == NULL)
    caps = gst_pad_query_caps (pad, NULL);
  if (gst_caps_is_any (caps) || gst_caps_is_empty (caps))
    return FALSE;
  description = describe_branch (receiver, caps, &problem);
  if (description == NULL) {
    app_warning ("%s: %s, which the track %s is", receiver->config->setting, problem, receiver->config->track);
    return FALSE;
  }
  receiver->branch = gst_parse_bin_from_description_full (description, TRUE, NULL, GST_PARSE_FLAG_FATAL_ERRORS, &error);
  if (receiver->branch == NULL) {
    app_warning ("%s: %s", receiver->config->setting, error->message);
    return FALSE;
  }
  gst_object_ref_sink (receiver->branch);
  receiver->tail = gst_bin_get_by_name (GST_BIN (receiver->branch), "tail");
  g_object_set (receiver->tail, "sync", FALSE, "async", FALSE, NULL);
  gst_app_sink_set_callbacks (GST_APP_SINK (receiver->tail), &callbacks, receiver, NULL);
  gst_bin_add (vs_room_get_bin (receiver->room), receiver->branch);
  gst_element_sync_state_with_parent (receiver->branch);
  sink = gst_element_get_static_pad (receiver->branch, "sink");
  gst_pad_add_probe (sink, GST_PAD_PROBE_TYPE_BUFFER, on_branch_buffer, receiver, NULL);
  return TRUE;
}

static void
drop_branch (VsReceiver * receiver, gboolean is_room_alive)
{
  if (receiver->branch != NULL && is_room_alive) {
    gst_element_set_state (receiver->branch, GST_STATE_NULL);
    gst_bin_remove (vs_room_get_bin (receiver->room), receiver->branch);
  }
  gst_clear_object (&receiver->tail);
  gst_clear_object (&receiver->branch);
  gst_clear_object (&receiver->pad);
}

/* The text was parsed before, so it can be again. */
static void
read_wanted (VsReceiver * receiver)
{
  g_autofree gchar *problem = NULL;
  g_autoptr (VsParsed) parsed = vs_parse (receiver->config->text, &problem);

  receiver->wanted = parsed != NULL ? gst_caps_ref (parsed->wanted) : gst_caps_new_any ();
  receiver->takes_rtp = parsed != NULL && parsed->takes_rtp;
}

gboolean
vs_receiver_offer (VsReceiver * receiver, GstPad * pad)
{
  if (receiver->pad != NULL || !is_wanted (receiver, pad))
    return FALSE;
  receiver->pad = gst_object_ref (pad);
  if (!make_branch (receiver, pad)) {
    drop_branch (receiver, TRUE);
    return FALSE;
  }
  app_info ("%s: the track %s is there", receiver->config->setting, receiver->config->track);
  vs_runner_start (receiver->runner);
  return TRUE;
}

gboolean
vs_receiver_has (VsReceiver * receiver, GstPad * pad)
{
  return receiver->pad == pad;
}

gboolean
vs_receiver_withdraw (VsReceiver * receiver, GstPad * pad)
{
  if (receiver->pad != pad)
    return FALSE;
  app_info ("%s: the track %s is gone", receiver->config->setting, receiver->config->track);
  drop_branch (receiver, TRUE);
  vs_runner_end (receiver->runner);
  return TRUE;
}

void
vs_receiver_room_down (VsReceiver * receiver)
{
  drop_branch (receiver, FALSE);
  vs_runner_end (receiver->runner);
}

gboolean
vs_receiver_element_failed (VsReceiver * receiver, GstObject * element, const GError * error)
{
  if (receiver->branch == NULL || !gst_object_has_as_ancestor (element, GST_OBJECT (receiver->branch)))
    return FALSE;
  app_warning ("%s: %s", receiver->config->setting, error->message);
  drop_branch (receiver, TRUE);
  vs_runner_end (receiver->runner);
  return TRUE;
}

void
vs_receiver_end (VsReceiver * receiver)
{
  vs_runner_end (receiver->runner);
}

VsReceiver *
vs_receiver_new (const VsPipelineConfig * config, VsRoom * room, GstClock * clock)
{
  static const VsRunnerDelegate delegate = { prepare, started, stopped };
  VsReceiver *receiver = g_new0 (VsReceiver, 1);

  g_mutex_init (&receiver->lock);
  receiver->config = config;
  receiver->room = room;
  receiver->clock = gst_object_ref (clock);
  receiver->runner = vs_runner_new (config, clock, &delegate, receiver);
  read_wanted (receiver);
  return receiver;
}

void
vs_receiver_free (VsReceiver * receiver)
{
  vs_runner_free (receiver->runner);
  while (g_idle_remove_by_data (receiver));
  drop_branch (receiver, FALSE);
  gst_clear_caps (&receiver->wanted);
  gst_object_unref (receiver->clock);
  g_mutex_clear (&receiver->lock);
  g_free (receiver);
}

const VsPipelineConfig *
vs_receiver_get_config (VsReceiver * receiver)
{
  return receiver->config;
}

VsRunner *
vs_receiver_get_runner (VsReceiver * receiver)
{
  return receiver->runner;
}

void
vs_receiver_get_counts (VsReceiver * receiver, guint64 * buffers, guint64 * bytes)
{
  g_mutex_lock (&receiver->lock);
  *buffers = receiver->buffers;
  *bytes = receiver->bytes;
  g_mutex_unlock (&receiver->lock);
}
