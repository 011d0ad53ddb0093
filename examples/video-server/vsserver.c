/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vsserver: the room, the pipelines, and what they have to do with each other. */

#include "vsserver.h"

#include "applog.h"
#include "appmetrics.h"
#include "vsreceiver.h"
#include "vsroom.h"
#include "vssender.h"

#define STOP_POLL_MS 20
/* For all pipelines together, then for the goodbye to the room: what does not end by then is left where it is. */
#define STOP_US (8 * G_USEC_PER_SEC)

struct _VsServer
{
  GstClock *clock;              /* one for all pipelines: so times of one are times of another */
  VsRoom *room;
  GPtrArray *senders, *receivers;       /* VsSender, VsReceiver, owned */
  GPtrArray *pads;              /* of livekitsrc, that are there, owned */
  void (*done) (gpointer data); /* not NULL: it ends */
  gpointer done_data;
  guint stop_timer;             /* source id */
  gint64 stop_until_us;         /* monotonic */
};

static void
each_sender (VsServer * server, void (*func) (VsSender * sender))
{
  for (guint i = 0; i < server->senders->len; i++)
    func (g_ptr_array_index (server->senders, i));
}

static void
each_receiver (VsServer * server, void (*func) (VsReceiver * receiver))
{
  for (guint i = 0; i < server->receivers->len; i++)
    func (g_ptr_array_index (server->receivers, i));
}

static VsRunner *
get_runner (VsServer * server, guint index, const VsPipelineConfig ** config)
{
  if (index < server->senders->len) {
    VsSender *sender = g_ptr_array_index (server->senders, index);

    *config = vs_sender_get_config (sender);
    return vs_sender_get_runner (sender);
  } else {
    VsReceiver *receiver = g_ptr_array_index (server->receivers, index - server->senders->len);

    *config = vs_receiver_get_config (receiver);
    return vs_receiver_get_runner (receiver);
  }
}

/* Tracks of others */

/* A track may be free for a pipeline whose own one has gone; not at the end, when none begins any more. */
static void
offer_pads (VsServer * server)
{
  if (server->done != NULL || vs_room_get_bin (server->room) == NULL)
    return;
  for (guint i = 0; i < server->pads->len; i++) {
    GstPad *pad = g_ptr_array_index (server->pads, i);
    gboolean is_taken = FALSE;

    for (guint j = 0; j < server->receivers->len && !is_taken; j++)
      is_taken = vs_receiver_has (g_ptr_array_index (server->receivers, j), pad);
    for (guint j = 0; j < server->receivers->len && !is_taken; j++)
      is_taken = vs_receiver_offer (g_ptr_array_index (server->receivers, j), pad);
  }
}

static void
pad_added (GstPad * pad, gpointer data)
{
  VsServer *server = data;

  g_ptr_array_add (server->pads, gst_object_ref (pad));
  offer_pads (server);
}

static void
pad_removed (GstPad * pad, gpointer data)
{
  VsServer *server = data;

  g_ptr_array_remove (server->pads, pad);
  for (guint i = 0; i < server->receivers->len; i++)
    vs_receiver_withdraw (g_ptr_array_index (server->receivers, i), pad);
  offer_pads (server);
}

/* The room comes and goes */

static void
room_up (gpointer data)
{
  VsServer *server = data;

  each_sender (server, vs_sender_room_up);
  offer_pads (server);
}

static void
room_down (gpointer data)
{
  VsServer *server = data;

  g_ptr_array_set_size (server->pads, 0);
  each_sender (server, vs_sender_room_down);
  each_receiver (server, vs_receiver_room_down);
}

static gboolean
element_failed (GstObject * element, const GError * error, gpointer data)
{
  VsServer *server = data;
  gboolean is_seen_to = FALSE;

  for (guint i = 0; i < server->senders->len && !is_seen_to; i++)
    is_seen_to = vs_sender_element_failed (g_ptr_array_index (server->senders, i), element, error);
  for (guint i = 0; i < server->receivers->len && !is_seen_to; i++)
    is_seen_to = vs_receiver_element_failed (g_ptr_array_index (server->receivers, i), element, error);
  return is_seen_to;
}

VsServer *
vs_server_new (const VsConfig * config)
{
  static const VsRoomDelegate delegate = { room_up, room_down, pad_added, pad_removed, element_failed };
  VsServer *server = g_new0 (VsServer, 1);

  server->clock = gst_system_clock_obtain ();
  server->room = vs_room_new (config, server->clock, &delegate, server);
  server->senders = g_ptr_array_new_with_free_func ((GDestroyNotify) vs_sender_free);
  server->receivers = g_ptr_array_new_with_free_func ((GDestroyNotify) vs_receiver_free);
  server->pads = g_ptr_array_new_with_free_func (gst_object_unref);
  for (guint i = 0; i < config->pipelines->len; i++) {
    const VsPipelineConfig *pipeline = g_ptr_array_index (config->pipelines, i);

    if (pipeline->direction == VS_SENDS)
      g_ptr_array_add (server->senders, vs_sender_new (pipeline, server->room, server->clock));
    else
      g_ptr_array_add (server->receivers, vs_receiver_new (pipeline, server->room, server->clock));
  }
  return server;
}

void
vs_server_free (VsServer * server)
{
  g_clear_handle_id (&server->stop_timer, g_source_remove);
  g_ptr_array_unref (server->senders);
  g_ptr_array_unref (server->receivers);
  vs_room_free (server->room);
  g_ptr_array_unref (server->pads);
  gst_object_unref (server->clock);
  g_free (server);
}

void
vs_server_start (VsServer * server)
{
  vs_room_start (server->room);
  each_sender (server, vs_sender_start);
}

/* Stop */

static gboolean
have_pipelines_ended (VsServer * server)
{
  const VsPipelineConfig *config;

  for (guint i = 0; i < server->senders->len + server->receivers->len; i++) {
    if (!vs_runner_has_ended (get_runner (server, i, &config)))
      return FALSE;
  }
  return TRUE;
}

static void
tell_what_has_not_ended (VsServer * server)
{
  const VsPipelineConfig *config;

  for (guint i = 0; i < server->senders->len + server->receivers->len; i++) {
    if (!vs_runner_has_ended (get_runner (server, i, &config)))
      app_warning ("%s: does not end", config->setting);
  }
  if (!vs_room_has_ended (server->room))
    app_warning ("room: does not end");
}

static gboolean
stop_if_left (gpointer data)
{
  VsServer *server = data;

  if (!vs_room_has_ended (server->room) && g_get_monotonic_time () < server->stop_until_us)
    return G_SOURCE_CONTINUE;
  tell_what_has_not_ended (server);
  server->stop_timer = 0;
  server->done (server->done_data);
  return G_SOURCE_REMOVE;
}

static gboolean
leave_if_ended (gpointer data)
{
  VsServer *server = data;

  if (!have_pipelines_ended (server) && g_get_monotonic_time () < server->stop_until_us)
    return G_SOURCE_CONTINUE;
  vs_room_stop (server->room);
  server->stop_until_us = g_get_monotonic_time () + STOP_US;
  server->stop_timer = g_timeout_add (STOP_POLL_MS, stop_if_left, server);
  return G_SOURCE_REMOVE;
}

gboolean
vs_server_has_ended (VsServer * server)
{
  return have_pipelines_ended (server) && vs_room_has_ended (server->room);
}

void
vs_server_stop (VsServer * server, void (*done) (gpointer data), gpointer data)
{
  server->done = done;
  server->done_data = data;
  each_sender (server, vs_sender_end);
  each_receiver (server, vs_receiver_end);
  server->stop_until_us = g_get_monotonic_time () + STOP_US;
  server->stop_timer = g_timeout_add (STOP_POLL_MS, leave_if_ended, server);
}

/* What is told about it */

static const gchar *const state_names[] = { "stopped", "starting", "running", "ending", "broken" };

gboolean
vs_server_is_ready (GString * why, gpointer data)
{
  VsServer *server = data;

  if (!vs_room_is_connected (server->room))
    g_string_append (why, "not in the room");
  for (guint i = 0; i < server->senders->len + server->receivers->len; i++) {
    const VsPipelineConfig *config;
    VsState state = vs_runner_get_state (get_runner (server, i, &config));

    if (state == VS_BROKEN || state == VS_STARTING)
      g_string_append_printf (why, "%s%s is %s", why->len > 0 ? ", " : "", config->setting, state_names[state]);
  }
  return why->len == 0;
}

static void
add_pipeline_states (VsServer * server, GString * text)
{
  guint n_pipelines = server->senders->len + server->receivers->len;
  const VsPipelineConfig *config;

  app_metrics_begin (text, "video_server_pipeline_state", APP_METRIC_GAUGE, "1 for the state that a pipeline is in");
  for (guint i = 0; i < n_pipelines; i++) {
    VsState state = vs_runner_get_state (get_runner (server, i, &config));

    for (guint j = 0; j < G_N_ELEMENTS (state_names); j++)
      app_metrics_add (text, "video_server_pipeline_state", state == j, "pipeline", config->setting, "state",
          state_names[j], NULL);
  }
  app_metrics_begin (text, "video_server_pipeline_restarts_total", APP_METRIC_COUNTER,
      "How often a pipeline was started again");
  for (guint i = 0; i < n_pipelines; i++) {
    guint restarts = vs_runner_get_restarts (get_runner (server, i, &config));

    app_metrics_add (text, "video_server_pipeline_restarts_total", restarts, "pipeline", config->setting, NULL);
  }
}

static void
add_flow (VsServer * server, GString * text, const gchar * name, const gchar * help, gboolean wants_bytes)
{
  app_metrics_begin (text, name, APP_METRIC_COUNTER, help);
  for (guint i = 0; i < server->senders->len; i++) {
    VsSender *sender = g_ptr_array_index (server->senders, i);
    VsSenderStats stats;

    vs_sender_get_stats (sender, &stats);
    app_metrics_add (text, name, (gdouble) (wants_bytes ? stats.bytes : stats.buffers), "pipeline",
        vs_sender_get_config (sender)->setting, "direction", "send", NULL);
  }
  for (guint i = 0; i < server->receivers->len; i++) {
    VsReceiver *receiver = g_ptr_array_index (server->receivers, i);
    guint64 buffers, bytes;

    vs_receiver_get_counts (receiver, &buffers, &bytes);
    app_metrics_add (text, name, (gdouble) (wants_bytes ? bytes : buffers), "pipeline",
        vs_receiver_get_config (receiver)->setting, "direction", "receive", NULL);
  }
}

/* One field of the statistics of livekitsink's pads. */
static void
add_layers (VsServer * server, GString * text, const gchar * name, AppMetricKind kind, const gchar * help,
    const gchar * field)
{
  app_metrics_begin (text, name, kind, help);
  for (guint i = 0; i < server->senders->len; i++) {
    VsSender *sender = g_ptr_array_index (server->senders, i);
    g_autoptr (GPtrArray) all = vs_sender_get_pad_stats (sender);

    for (guint j = 0; j < all->len; j++) {
      g_autofree gchar *layer = g_strdup_printf ("%u", j);
      guint64 number = 0;
      gboolean is_true = FALSE;

      gst_structure_get_uint64 (g_ptr_array_index (all, j), field, &number);
      gst_structure_get_boolean (g_ptr_array_index (all, j), field, &is_true);
      app_metrics_add (text, name, (gdouble) number + is_true, "pipeline", vs_sender_get_config (sender)->setting,
          "track", vs_sender_get_config (sender)->track, "layer", layer, NULL);
    }
  }
}

void
vs_server_add_metrics (GString * text, gpointer data)
{
  VsServer *server = data;

  app_metrics_single (text, "video_server_connected", APP_METRIC_GAUGE, "1 while it is in the room",
      vs_room_is_connected (server->room));
  app_metrics_single (text, "video_server_room_restarts_total", APP_METRIC_COUNTER,
      "How often the room was given up and joined again", vs_room_get_restarts (server->room));
  add_pipeline_states (server, text);
  add_flow (server, text, "video_server_pipeline_buffers_total", "Buffers that came out of a pipeline or went in",
      FALSE);
  add_flow (server, text, "video_server_pipeline_bytes_total", "The bytes in them", TRUE);
  add_layers (server, text, "video_server_layer_active", APP_METRIC_GAUGE, "1 while somebody watches the layer",
      "active");
  add_layers (server, text, "video_server_layer_frames_total", APP_METRIC_COUNTER, "Frames sent", "frames-sent");
  add_layers (server, text, "video_server_layer_bytes_total", APP_METRIC_COUNTER, "Bytes sent, before RTP",
      "bytes-sent");
  add_layers (server, text, "video_server_layer_key_frame_requests_total", APP_METRIC_COUNTER, "Key frames asked for",
      "key-frames-requested");
}
