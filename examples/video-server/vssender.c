/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vssender: one pipeline that sends: what its appsinks get becomes a track of the room. */

#include "vssender.h"

#include "applog.h"

#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/video/video.h>

/* Between an end of the pipeline and a pad of livekitsink. */
typedef struct
{
  VsSender *sender;
  GMutex lock;
  GstElement *end;              /* appsink of the pipeline, or NULL; with lock, as all to come */
  GstElement *feed;             /* appsrc in the room's pipeline, or NULL */
  GstCaps *caps;                /* of the last buffer */
  gboolean is_muted;            /* the room was told that the pipeline is broken */
  guint64 buffers, bytes;
  GstPad *pad;                  /* of livekitsink; main loop only */
} Outlet;

struct _VsSender
{
  const VsPipelineConfig *config;
  VsRoom *room;
  VsRunner *runner;
  Outlet outlets[VS_MAX_LAYERS];
  guint n_outlets;              /* main loop only */
  gint is_asking;               /* atomic: open_feeds() will run, or waits for the room */
  gint is_unmuting;             /* atomic: unmute() will run */
};

/* Without what is being asked for while the sender is freed. */
static void
post (VsSender * sender, GSourceFunc func)
{
  g_idle_add_full (G_PRIORITY_DEFAULT, func, sender, NULL);
}

/* Key frames: from livekitsink to the pipeline's encoder */

static void
ask_end (Outlet * outlet, GstEvent * event)
{
  GstElement *end;

  g_mutex_lock (&outlet->lock);
  end = outlet->end != NULL ? gst_object_ref (outlet->end) : NULL;
  g_mutex_unlock (&outlet->lock);
  if (end != NULL) {
    g_autoptr (GstPad) pad = gst_element_get_static_pad (end, "sink");

    gst_pad_push_event (pad, event);
    gst_object_unref (end);
  } else {
    gst_event_unref (event);
  }
}

static GstPadProbeReturn
on_feed_event (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);

  if (gst_event_has_name (event, "GstForceKeyUnit"))
    ask_end (data, gst_event_ref (event));
  return GST_PAD_PROBE_OK;
}

/* The room's side. On the main loop. */

static gboolean
is_video (const GstCaps * caps)
{
  return g_str_has_prefix (gst_structure_get_name (gst_caps_get_structure (caps, 0)), "video/");
}

static void
open_feed (Outlet * outlet, const GstCaps * caps)
{
  VsSender *sender = outlet->sender;
  GstElement *feed = gst_element_factory_make ("appsrc", NULL);
  GstElement *sink = vs_room_get_sink (sender->room);
  g_autoptr (GstPad) src = gst_element_get_static_pad (feed, "src");

  outlet->pad = gst_element_request_pad_simple (sink, is_video (caps) ? "video_%u" : "audio_%u");
  g_object_set (outlet->pad, "track-name", sender->config->track, NULL);
  /* what cannot go on is old: better dropped than late */
  g_object_set (feed, "is-live", TRUE, "format", GST_FORMAT_TIME, "max-time", GST_SECOND, "max-bytes",
      G_GUINT64_CONSTANT (0), "leaky-type", GST_APP_LEAKY_TYPE_DOWNSTREAM, NULL);
  gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, on_feed_event, outlet, NULL);
  gst_bin_add (vs_room_get_bin (sender->room), gst_object_ref (feed));
  gst_pad_link (src, outlet->pad);
  gst_element_sync_state_with_parent (feed);

  g_mutex_lock (&outlet->lock);
  outlet->feed = feed;
  g_mutex_unlock (&outlet->lock);
  ask_end (outlet, gst_video_event_new_upstream_force_key_unit (GST_CLOCK_TIME_NONE, TRUE, 0));
}

static GstCaps *
get_caps (VsSender * sender)
{
  GstCaps *caps = NULL;

  for (guint i = 0; i < sender->n_outlets && caps == NULL; i++) {
    Outlet *outlet = &sender->outlets[i];

    g_mutex_lock (&outlet->lock);
    caps = outlet->caps != NULL ? gst_caps_ref (outlet->caps) : NULL;
    g_mutex_unlock (&outlet->lock);
  }
  return caps;
}

/* Whether a pad of livekitsink takes it: asked here, for an error over there ends the whole room. */
static gboolean
can_be_published (VsSender * sender, GstCaps * caps)
{
  GstElementClass *class = GST_ELEMENT_GET_CLASS (vs_room_get_sink (sender->room));
  GstPadTemplate *template = gst_element_class_get_pad_template (class, is_video (caps) ? "video_%u" : "audio_%u");
  g_autoptr (GstCaps) taken = gst_pad_template_get_caps (template);

  return gst_caps_can_intersect (caps, taken);
}

/* All layers at once: the track waits only a moment for those that it does not know of. Until the room is up again
 * is_asking stays. */
static gboolean
open_feeds (gpointer data)
{
  VsSender *sender = data;
  g_autoptr (GstCaps) caps = get_caps (sender);

  if (vs_room_get_bin (sender->room) == NULL || sender->outlets[0].pad != NULL)
    return G_SOURCE_REMOVE;
  if (caps == NULL) {
    vs_runner_fail (sender->runner, "what comes does not say what it is: put a parser in front of its end");
    return G_SOURCE_REMOVE;
  }
  if (!can_be_published (sender, caps)) {
    g_autofree gchar *reason = g_strdup_printf ("%s cannot be published: put an encoder in front of its end",
        gst_structure_get_name (gst_caps_get_structure (caps, 0)));

    vs_runner_fail (sender->runner, reason);
    return G_SOURCE_REMOVE;
  }
  for (guint i = 0; i < sender->n_outlets; i++)
    open_feed (&sender->outlets[i], caps);
  return G_SOURCE_REMOVE;
}

static void
close_feed (Outlet * outlet, gboolean is_room_alive)
{
  GstElement *feed;

  g_mutex_lock (&outlet->lock);
  feed = g_steal_pointer (&outlet->feed);
  outlet->is_muted = FALSE;
  g_mutex_unlock (&outlet->lock);
  if (feed != NULL && is_room_alive) {
    gst_element_set_state (feed, GST_STATE_NULL);
    gst_bin_remove (vs_room_get_bin (outlet->sender->room), feed);
    gst_element_release_request_pad (vs_room_get_sink (outlet->sender->room), outlet->pad);
  }
  gst_clear_object (&feed);
  gst_clear_object (&outlet->pad);
}

static void
close_feeds (VsSender * sender, gboolean is_room_alive)
{
  for (guint i = 0; i < sender->n_outlets; i++)
    close_feed (&sender->outlets[i], is_room_alive);
  g_atomic_int_set (&sender->is_asking, FALSE);
}

static void
set_muted (VsSender * sender, gboolean is_muted)
{
  for (guint i = 0; i < sender->n_outlets; i++) {
    Outlet *outlet = &sender->outlets[i];

    if (outlet->pad == NULL)
      continue;
    g_mutex_lock (&outlet->lock);
    outlet->is_muted = is_muted;
    g_mutex_unlock (&outlet->lock);
    g_object_set (outlet->pad, "muted", is_muted, NULL);
  }
}

static gboolean
unmute (gpointer data)
{
  VsSender *sender = data;

  g_atomic_int_set (&sender->is_unmuting, FALSE);
  if (vs_runner_get_state (sender->runner) == VS_RUNNING)
    set_muted (sender, FALSE);
  return G_SOURCE_REMOVE;
}

/* The pipeline's side. In its streaming threads. */

/* Time of the room's pipeline: both run by one clock. */
static GstClockTime
to_room_time (GstClockTime time, const GstSegment * segment, GstElement * end, GstElement * feed)
{
  guint64 running_time = gst_segment_to_running_time (segment, GST_FORMAT_TIME, time);
  gint64 result;

  if (!GST_CLOCK_TIME_IS_VALID (running_time))
    return GST_CLOCK_TIME_NONE;
  result = (gint64) running_time + GST_CLOCK_DIFF (gst_element_get_base_time (feed), gst_element_get_base_time (end));
  return result >= 0 ? (GstClockTime) result : GST_CLOCK_TIME_NONE;
}

static void
push (GstSample * sample, GstElement * end, GstElement * feed)
{
  GstBuffer *buffer = gst_buffer_copy (gst_sample_get_buffer (sample));
  const GstSegment *segment = gst_sample_get_segment (sample);

  GST_BUFFER_PTS (buffer) = to_room_time (GST_BUFFER_PTS (buffer), segment, end, feed);
  GST_BUFFER_DTS (buffer) = to_room_time (GST_BUFFER_DTS (buffer), segment, end, feed);
  if (!GST_BUFFER_PTS_IS_VALID (buffer)) {
    gst_buffer_unref (buffer);
    return;
  }
  gst_app_src_set_caps (GST_APP_SRC (feed), gst_sample_get_caps (sample));
  gst_app_src_push_buffer (GST_APP_SRC (feed), buffer);
}

static GstFlowReturn
on_sample (GstAppSink * end, gpointer data)
{
  Outlet *outlet = data;
  VsSender *sender = outlet->sender;
  g_autoptr (GstSample) sample = gst_app_sink_pull_sample (end);
  GstElement *feed;
  gboolean is_muted;

  if (sample == NULL)
    return GST_FLOW_EOS;
  g_mutex_lock (&outlet->lock);
  /* of a pipeline that was given up and is going down */
  if (outlet->end != GST_ELEMENT (end)) {
    g_mutex_unlock (&outlet->lock);
    return GST_FLOW_EOS;
  }
  outlet->buffers++;
  outlet->bytes += gst_buffer_get_size (gst_sample_get_buffer (sample));
  gst_caps_replace (&outlet->caps, gst_sample_get_caps (sample));
  feed = outlet->feed != NULL ? gst_object_ref (outlet->feed) : NULL;
  is_muted = outlet->is_muted;
  g_mutex_unlock (&outlet->lock);

  if (feed == NULL && g_atomic_int_compare_and_exchange (&sender->is_asking, FALSE, TRUE))
    post (sender, open_feeds);
  if (is_muted && g_atomic_int_compare_and_exchange (&sender->is_unmuting, FALSE, TRUE))
    post (sender, unmute);
  if (feed != NULL) {
    push (sample, GST_ELEMENT (end), feed);
    gst_object_unref (feed);
  }
  return GST_FLOW_OK;
}

/* Encoders that can do several formats then choose one that others show. */
static void
limit_caps (GstElement * end)
{
  g_autoptr (GstElementFactory) factory = gst_element_factory_find ("livekitsink");
  g_autoptr (GstCaps) given = gst_app_sink_get_caps (GST_APP_SINK (end)), caps = gst_caps_new_empty ();

  if (given != NULL && !gst_caps_is_any (given))
    return;
  for (const GList * l = gst_element_factory_get_static_pad_templates (factory); l != NULL; l = l->next)
    caps = gst_caps_merge (g_steal_pointer (&caps), gst_static_pad_template_get_caps (l->data));
  gst_app_sink_set_caps (GST_APP_SINK (end), caps);
}

static void
prepare (VsParsed * parsed, gpointer data)
{
  static GstAppSinkCallbacks callbacks = {.new_sample = on_sample };
  VsSender *sender = data;

  sender->n_outlets = parsed->n_ends;
  for (guint i = 0; i < parsed->n_ends; i++) {
    Outlet *outlet = &sender->outlets[i];

    g_mutex_lock (&outlet->lock);
    outlet->end = gst_object_ref (parsed->ends[i]);
    g_mutex_unlock (&outlet->lock);
    limit_caps (parsed->ends[i]);
    gst_app_sink_set_callbacks (GST_APP_SINK (parsed->ends[i]), &callbacks, outlet, NULL);
  }
}

static void
stopped (gboolean is_broken, gpointer data)
{
  VsSender *sender = data;

  for (guint i = 0; i < sender->n_outlets; i++) {
    Outlet *outlet = &sender->outlets[i];

    g_mutex_lock (&outlet->lock);
    gst_clear_object (&outlet->end);
    g_mutex_unlock (&outlet->lock);
  }
  if (is_broken)
    set_muted (sender, TRUE);
  /* what was refused once may be another stream the next time */
  if (sender->outlets[0].pad == NULL)
    g_atomic_int_set (&sender->is_asking, FALSE);
}

VsSender *
vs_sender_new (const VsPipelineConfig * config, VsRoom * room, GstClock * clock)
{
  static const VsRunnerDelegate delegate = { prepare, NULL, stopped };
  VsSender *sender = g_new0 (VsSender, 1);

  sender->config = config;
  sender->room = room;
  sender->runner = vs_runner_new (config, clock, &delegate, sender);
  for (guint i = 0; i < VS_MAX_LAYERS; i++) {
    g_mutex_init (&sender->outlets[i].lock);
    sender->outlets[i].sender = sender;
  }
  return sender;
}

void
vs_sender_free (VsSender * sender)
{
  vs_runner_free (sender->runner);
  while (g_idle_remove_by_data (sender));
  close_feeds (sender, FALSE);
  for (guint i = 0; i < VS_MAX_LAYERS; i++) {
    gst_clear_caps (&sender->outlets[i].caps);
    g_mutex_clear (&sender->outlets[i].lock);
  }
  g_free (sender);
}

void
vs_sender_start (VsSender * sender)
{
  vs_runner_start (sender->runner);
}

void
vs_sender_end (VsSender * sender)
{
  vs_runner_end (sender->runner);
}

/* The next buffer asks again. */
void
vs_sender_room_up (VsSender * sender)
{
  g_atomic_int_set (&sender->is_asking, FALSE);
}

void
vs_sender_room_down (VsSender * sender)
{
  close_feeds (sender, FALSE);
}

gboolean
vs_sender_element_failed (VsSender * sender, GstObject * element, const GError * error)
{
  for (guint i = 0; i < sender->n_outlets; i++) {
    if (sender->outlets[i].feed == NULL || GST_OBJECT (sender->outlets[i].feed) != element)
      continue;
    close_feeds (sender, TRUE);
    vs_runner_fail (sender->runner, error->message);
    return TRUE;
  }
  return FALSE;
}

const VsPipelineConfig *
vs_sender_get_config (VsSender * sender)
{
  return sender->config;
}

VsRunner *
vs_sender_get_runner (VsSender * sender)
{
  return sender->runner;
}

void
vs_sender_get_stats (VsSender * sender, VsSenderStats * stats)
{
  stats->buffers = stats->bytes = 0;
  for (guint i = 0; i < sender->n_outlets; i++) {
    Outlet *outlet = &sender->outlets[i];

    g_mutex_lock (&outlet->lock);
    stats->buffers += outlet->buffers;
    stats->bytes += outlet->bytes;
    g_mutex_unlock (&outlet->lock);
  }
}

GPtrArray *
vs_sender_get_pad_stats (VsSender * sender)
{
  GPtrArray *all = g_ptr_array_new_with_free_func ((GDestroyNotify) gst_structure_free);

  for (guint i = 0; i < sender->n_outlets; i++) {
    GstStructure *stats = NULL;

    if (sender->outlets[i].pad != NULL)
      g_object_get (sender->outlets[i].pad, "stats", &stats, NULL);
    if (stats != NULL)
      g_ptr_array_add (all, stats);
  }
  return all;
}
