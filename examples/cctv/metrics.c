/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* metrics: the figures of all cameras in Prometheus' text format. */

#include "metrics.h"

#include "appmetrics.h"

#define PREFIX "livekit_cctv_"

typedef struct
{
  const gchar *id;
  CctvStatus status;
} Row;

typedef struct
{
  const gchar *name, *help;
  AppMetricKind kind;
  gdouble (*of_camera) (const CctvStatus * status);
  gdouble (*of_stream) (const CctvStreamStatus * status);
  gdouble (*of_layer) (const CctvLayerStats * stats);
} Metric;

static gdouble viewers (const CctvStatus * s) { return s->n_viewers; }
static gdouble joins (const CctvStatus * s) { return s->n_joins; }
static gdouble reconnects (const CctvStatus * s) { return s->n_reconnects; }
static gdouble round_trip (const CctvStatus * s) { return s->round_trip_s; }
static gdouble failures (const CctvStatus * s) { return s->n_failures; }
static gdouble active_layers (const CctvStatus * s)
{
  guint n = 0;

  for (guint i = 0; i < s->n_streams; i++)
    n += s->layers[i].is_active;
  return n;
}

static gdouble received_bytes (const CctvStreamStatus * s) { return s->counters.n_bytes; }
static gdouble received_packets (const CctvStreamStatus * s) { return s->counters.n_packets; }
static gdouble received_frames (const CctvStreamStatus * s) { return s->counters.n_frames; }
static gdouble received_key_frames (const CctvStreamStatus * s) { return s->counters.n_key_frames; }
static gdouble connects (const CctvStreamStatus * s) { return s->n_connects; }
static gdouble stream_failures (const CctvStreamStatus * s) { return s->n_failures; }
static gdouble clock_jumps (const CctvStreamStatus * s) { return s->counters.n_jumps; }
static gdouble key_frame_age (const CctvStreamStatus * s) { return s->key_frame_age_us / 1e6; }
static gdouble receive_latency (const CctvStreamStatus * s) { return s->latency_s; }

static gdouble is_active (const CctvLayerStats * s) { return s->is_active; }
static gdouble sent_bytes (const CctvLayerStats * s) { return s->n_bytes.total; }
static gdouble sent_packets (const CctvLayerStats * s) { return s->n_packets.total; }
static gdouble sent_frames (const CctvLayerStats * s) { return s->n_frames.total; }
static gdouble nacks (const CctvLayerStats * s) { return s->n_nacks.total; }
static gdouble plis (const CctvLayerStats * s) { return s->n_plis.total; }
static gdouble key_frame_requests (const CctvLayerStats * s) { return s->n_key_frame_requests.total; }
static gdouble send_latency (const CctvLayerStats * s) { return s->latency_s; }

static const Metric metrics[] = {
  {"camera_viewers", "Participants in the camera's room beside it.", APP_METRIC_GAUGE, .of_camera = viewers},
  {"camera_round_trip_seconds", "Round trip of the signalling, 0 = not known.", APP_METRIC_GAUGE,
      .of_camera = round_trip},
  {"camera_active_layers", "Layers that somebody watches.", APP_METRIC_GAUGE, .of_camera = active_layers},
  {"camera_joins_total", "Times that the room was joined.", APP_METRIC_COUNTER, .of_camera = joins},
  {"camera_reconnects_total", "Times that the room was joined again after a loss.", APP_METRIC_COUNTER,
      .of_camera = reconnects},
  {"camera_failures_total", "Errors of the room's side that ended the stay.", APP_METRIC_COUNTER,
      .of_camera = failures},
  {"stream_received_bytes_total", "RTP bytes of the camera.", APP_METRIC_COUNTER, .of_stream = received_bytes},
  {"stream_received_packets_total", "RTP packets of the camera.", APP_METRIC_COUNTER, .of_stream = received_packets},
  {"stream_received_frames_total", "Video frames of the camera.", APP_METRIC_COUNTER, .of_stream = received_frames},
  {"stream_received_key_frames_total", "Key frames among them.", APP_METRIC_COUNTER, .of_stream = received_key_frames},
  {"stream_connects_total", "RTSP connections that were begun.", APP_METRIC_COUNTER, .of_stream = connects},
  {"stream_failures_total", "RTSP connections that failed or fell silent.", APP_METRIC_COUNTER,
      .of_stream = stream_failures},
  {"stream_clock_jumps_total", "Jumps of the camera's clock.", APP_METRIC_COUNTER, .of_stream = clock_jumps},
  {"stream_key_frame_age_seconds", "Since the last key frame, while frames come.", APP_METRIC_GAUGE,
      .of_stream = key_frame_age},
  {"stream_receive_latency_seconds", "From a frame's first packet to livekitsink's pad, mean of the last second.",
      APP_METRIC_GAUGE, .of_stream = receive_latency},
  {"layer_active", "Whether somebody watches the layer.", APP_METRIC_GAUGE, .of_layer = is_active},
  {"layer_sent_bytes_total", "Encoded bytes sent to the server.", APP_METRIC_COUNTER, .of_layer = sent_bytes},
  {"layer_sent_packets_total", "RTP packets sent to the server.", APP_METRIC_COUNTER, .of_layer = sent_packets},
  {"layer_sent_frames_total", "Frames sent to the server.", APP_METRIC_COUNTER, .of_layer = sent_frames},
  {"layer_nacks_total", "NACK packets from the server.", APP_METRIC_COUNTER, .of_layer = nacks},
  {"layer_plis_total", "PLI packets from the server.", APP_METRIC_COUNTER, .of_layer = plis},
  {"layer_key_frame_requests_total", "Key frames that were asked of the camera.", APP_METRIC_COUNTER,
      .of_layer = key_frame_requests},
  {"layer_send_latency_seconds", "From livekitsink's pad to the socket, mean of the last frames.", APP_METRIC_GAUGE,
      .of_layer = send_latency},
};

static void
add_streams (GString * text, const gchar * name, const Metric * metric, const Row * row)
{
  for (guint i = 0; i < row->status.n_streams; i++) {
    g_autofree gchar *stream = g_strdup_printf ("%u", i);
    gdouble value = metric->of_stream ? metric->of_stream (&row->status.streams[i])
        : metric->of_layer (&row->status.layers[i]);

    app_metrics_add (text, name, value, "camera", row->id, "stream", stream, NULL);
  }
  if (metric->of_layer && row->status.audio)
    app_metrics_add (text, name, metric->of_layer (row->status.audio), "camera", row->id, "stream", "audio", NULL);
}

static void
add_metric (GString * text, const Metric * metric, GArray * rows)
{
  g_autofree gchar *name = g_strconcat (PREFIX, metric->name, NULL);

  app_metrics_begin (text, name, metric->kind, metric->help);
  for (guint i = 0; i < rows->len; i++) {
    const Row *row = &g_array_index (rows, Row, i);

    if (metric->of_camera)
      app_metrics_add (text, name, metric->of_camera (&row->status), "camera", row->id, NULL);
    else
      add_streams (text, name, metric, row);
  }
}

/* One series for each state, of which one is 1: so alerts can name it. */
static void
add_states (GString * text, GArray * rows)
{
  app_metrics_begin (text, PREFIX "camera_state", APP_METRIC_GAUGE, "1 for the state that the camera is in.");
  for (guint i = 0; i < rows->len; i++) {
    const Row *row = &g_array_index (rows, Row, i);

    for (guint state = 0; state < CCTV_N_STATES; state++)
      app_metrics_add (text, PREFIX "camera_state", row->status.state == state, "camera", row->id, "state",
          cctv_state_name (state), NULL);
  }
}

static void
add_stream_states (GString * text, GArray * rows)
{
  app_metrics_begin (text, PREFIX "stream_state", APP_METRIC_GAUGE, "1 for the state that the stream is in.");
  for (guint i = 0; i < rows->len; i++) {
    const Row *row = &g_array_index (rows, Row, i);

    for (guint stream = 0; stream < row->status.n_streams; stream++) {
      g_autofree gchar *number = g_strdup_printf ("%u", stream);

      for (guint state = 0; state < CCTV_STREAM_N_STATES; state++)
        app_metrics_add (text, PREFIX "stream_state", row->status.streams[stream].state == state, "camera", row->id,
            "stream", number, "state", cctv_stream_state_name (state), NULL);
    }
  }
}

void
cctv_metrics_add (GString * text, GPtrArray * runs)
{
  g_autoptr (GArray) rows = g_array_new (FALSE, FALSE, sizeof (Row));

  for (guint i = 0; i < runs->len; i++) {
    Row row = {.id = cctv_run_get_camera (g_ptr_array_index (runs, i))->id };

    cctv_run_get_status (g_ptr_array_index (runs, i), &row.status);
    g_array_append_val (rows, row);
  }
  add_states (text, rows);
  add_stream_states (text, rows);
  for (guint i = 0; i < G_N_ELEMENTS (metrics); i++)
    add_metric (text, &metrics[i], rows);
}
