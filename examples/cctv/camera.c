/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* camera: one camera as one participant. */

#include "camera.h"

#include "applog.h"
#include "apprestart.h"
#include "session.h"

struct _CctvRun
{
  CctvCamera *camera;
  CctvSettings *settings;
  CctvStream *streams[CCTV_MAX_STREAMS];
  CctvLayerStats layers[CCTV_MAX_STREAMS], audio;

  CctvSession *session;         /* NULL = not in the room, nor on the way */
  gboolean is_connected, is_leaving;
  gboolean was_lost;            /* the connection, since it was there last */
  gboolean is_demanded;         /* on demand: somebody came */
  gint64 alone_since_us;        /* 0 = not alone, or not connected */
  gint64 unwatched_since_us[CCTV_MAX_STREAMS];  /* 0 = watched, or not known yet */
  AppRestart *restart;
  void (*displaced) (const gchar * id, gpointer data);
  gpointer displaced_data;
  guint n_joins, n_reconnects, n_failures, round_trip_ms;

  void (*stopped) (gpointer data);      /* NULL = it goes on */
  gpointer stopped_data;
};

/* --- streams --- */

/* Until its track is published, a stream runs: the sink has to see what it is. Sound comes with the first one. */
static gboolean
is_needed (CctvRun * run, guint stream)
{
  return !cctv_session_is_published (run->session, stream) || cctv_session_is_active (run->session, stream)
      || (stream == 0 && run->camera->has_audio && cctv_session_get_n_viewers (run->session) > 0);
}

static void
update_stream (CctvRun * run, guint stream)
{
  gint64 now = g_get_monotonic_time ();
  gint64 *since = &run->unwatched_since_us[stream];

  if (is_needed (run, stream))
    *since = 0;
  else if (*since == 0)
    *since = now;
  cctv_stream_set_wanted (run->streams[stream], *since == 0
      || now - *since < run->settings->pause_after_s * G_TIME_SPAN_SECOND);
}

static void
update_streams (CctvRun * run)
{
  for (guint i = 0; run->session && i < run->camera->n_streams; i++)
    update_stream (run, i);
}

/* --- in and out of the room --- */

static void leave (CctvRun * run);
static void join (gpointer data);

static gboolean
must_be_there (CctvRun * run)
{
  return run->stopped == NULL && (run->camera->publish == CCTV_PUBLISH_ALWAYS || run->is_demanded);
}

static void
on_connected_changed (gboolean is_connected, gpointer data)
{
  CctvRun *run = data;

  if (is_connected) {
    run->n_joins++;
    run->n_reconnects += run->was_lost;
  }
  /* who left for want of viewers has lost nothing */
  run->was_lost = !is_connected;
  run->is_connected = is_connected;
  run->alone_since_us = is_connected && cctv_session_get_n_viewers (run->session) == 0 ? g_get_monotonic_time () : 0;
  if (is_connected)
    app_restart_works (run->restart);
}

static void
on_active_changed (guint stream, gboolean is_active, gpointer data)
{
  update_streams (data);
}

static void
on_viewers_changed (guint n_viewers, gpointer data)
{
  CctvRun *run = data;

  if (n_viewers > 0)
    run->alone_since_us = 0;
  else if (run->is_connected)
    run->alone_since_us = g_get_monotonic_time ();
  update_streams (run);
}

static gboolean
on_stream_failed (GstObject * origin, const GError * error, gpointer data)
{
  CctvRun *run = data;
  gboolean is_taken = FALSE;

  for (guint i = 0; i < run->camera->n_streams && !is_taken; i++)
    is_taken = cctv_stream_take_error (run->streams[i], origin, error);
  return is_taken;
}

static void
fail (CctvRun * run, const gchar * text)
{
  guint delay_ms = app_restart_failed (run->restart);

  run->n_failures++;
  app_warning ("camera %s: %s Next attempt in %.1f s.", run->camera->id, text, delay_ms / 1000.0);
}

static void
on_failed (const GError * error, gboolean is_displaced, gpointer data)
{
  CctvRun *run = data;

  run->was_lost |= run->is_connected;
  leave (run);
  fail (run, error->message);
  if (is_displaced)
    run->displaced (run->camera->id, run->displaced_data);
}

static const CctvSessionDelegate session_delegate = {
  .connected_changed = on_connected_changed,
  .active_changed = on_active_changed,
  .viewers_changed = on_viewers_changed,
  .stream_failed = on_stream_failed,
  .failed = on_failed,
};

static void
attach_streams (CctvRun * run)
{
  GstBin *pipeline = cctv_session_get_pipeline (run->session);

  for (guint i = 0; i < run->camera->n_streams; i++) {
    run->unwatched_since_us[i] = 0;
    cctv_stream_set_wanted (run->streams[i], TRUE);
    cctv_stream_attach (run->streams[i], pipeline, cctv_session_get_video_pad (run->session, i),
        i == 0 ? cctv_session_get_audio_pad (run->session) : NULL);
  }
}

static void
join (gpointer data)
{
  CctvRun *run = data;
  g_autoptr (GError) error = NULL;

  if (run->session || run->is_leaving || !must_be_there (run))
    return;
  run->session = cctv_session_new (run->camera, run->settings, &session_delegate, run, &error);
  if (run->session == NULL) {
    fail (run, error->message);
    return;
  }
  if (!cctv_session_start (run->session)) {
    leave (run);
    fail (run, "The pipeline does not start.");
    return;
  }
  attach_streams (run);
}

static void
run_free (CctvRun * run)
{
  for (guint i = 0; i < run->camera->n_streams; i++)
    cctv_stream_free (run->streams[i]);
  app_restart_free (run->restart);
  cctv_camera_unref (run->camera);
  cctv_settings_unref (run->settings);
  g_free (run);
}

static void
finish (CctvRun * run)
{
  void (*stopped) (gpointer data) = run->stopped;
  gpointer data = run->stopped_data;

  run_free (run);
  stopped (data);
}

static void
on_left (gpointer data)
{
  CctvRun *run = data;

  run->is_leaving = FALSE;
  if (run->stopped)
    finish (run);
  else if (!app_restart_is_waiting (run->restart))
    join (run);
}

static void
leave (CctvRun * run)
{
  if (run->session == NULL)
    return;
  for (guint i = 0; i < run->camera->n_streams; i++) {
    cctv_stream_detach (run->streams[i]);
    cctv_layer_stats_end (&run->layers[i]);
  }
  cctv_layer_stats_end (&run->audio);
  run->is_connected = FALSE;
  run->round_trip_ms = 0;
  run->alone_since_us = 0;
  run->is_leaving = TRUE;
  cctv_session_stop (g_steal_pointer (&run->session), on_left, run);
}

/* --- from outside --- */

CctvRun *
cctv_run_new (CctvCamera * camera, CctvSettings * settings, void (*displaced) (const gchar * id, gpointer data),
    gpointer data)
{
  CctvRun *run = g_new0 (CctvRun, 1);

  run->camera = cctv_camera_ref (camera);
  run->settings = cctv_settings_ref (settings);
  run->restart = app_restart_new (join, run);
  run->displaced = displaced;
  run->displaced_data = data;
  for (guint i = 0; i < camera->n_streams; i++)
    run->streams[i] = cctv_stream_new (camera, i);
  join (run);
  return run;
}

CctvCamera *
cctv_run_get_camera (CctvRun * run)
{
  return run->camera;
}

static gboolean
finish_later (gpointer data)
{
  finish (data);
  return G_SOURCE_REMOVE;
}

void
cctv_run_stop (CctvRun * run, void (*stopped) (gpointer data), gpointer data)
{
  run->stopped = stopped;
  run->stopped_data = data;
  app_restart_cancel (run->restart);
  leave (run);
  if (!run->is_leaving)
    g_idle_add (finish_later, run);
}

void
cctv_run_viewer_came (CctvRun * run)
{
  if (run->camera->publish != CCTV_PUBLISH_ON_DEMAND || run->is_demanded || run->stopped)
    return;
  app_info ("camera %s: a viewer came", run->camera->id);
  run->is_demanded = TRUE;
  join (run);
}

static void
check_demand (CctvRun * run)
{
  if (run->camera->publish != CCTV_PUBLISH_ON_DEMAND || run->alone_since_us == 0
      || g_get_monotonic_time () - run->alone_since_us < run->settings->leave_after_s * G_TIME_SPAN_SECOND)
    return;
  app_info ("camera %s: no viewer for %u s", run->camera->id, run->settings->leave_after_s);
  run->is_demanded = FALSE;
  leave (run);
}

static void
take_stats (CctvRun * run)
{
  GstStructure *stats = cctv_session_get_stats (run->session);
  GstPad *audio_pad = cctv_session_get_audio_pad (run->session);

  if (stats == NULL)
    return;
  for (guint i = 0; i < run->camera->n_streams; i++)
    cctv_layer_stats_take (&run->layers[i], stats, GST_PAD_NAME (cctv_session_get_video_pad (run->session, i)));
  if (audio_pad)
    cctv_layer_stats_take (&run->audio, stats, GST_PAD_NAME (audio_pad));
  gst_structure_get_uint (stats, "signal-rtt-ms", &run->round_trip_ms);
  gst_structure_free (stats);
}

void
cctv_run_check (CctvRun * run)
{
  if (run->session == NULL)
    return;
  for (guint i = 0; i < run->camera->n_streams; i++)
    cctv_stream_check (run->streams[i]);
  take_stats (run);
  update_streams (run);
  check_demand (run);
}

static CctvState
get_state (CctvRun * run)
{
  if (run->session)
    return run->is_connected ? CCTV_PUBLISHING : CCTV_JOINING;
  if (app_restart_is_waiting (run->restart))
    return CCTV_WAITING;
  return run->is_leaving ? CCTV_LEAVING : CCTV_IDLE;
}

void
cctv_run_get_status (CctvRun * run, CctvStatus * status)
{
  *status = (CctvStatus) {
    .state = get_state (run),.n_streams = run->camera->n_streams,.layers = run->layers,
    .audio = run->camera->has_audio ? &run->audio : NULL,.n_joins = run->n_joins,
    .n_reconnects = run->n_reconnects,.n_failures = run->n_failures,.round_trip_s = run->round_trip_ms / 1000.0,
    .n_viewers = run->session ? cctv_session_get_n_viewers (run->session) : 0,
  };
  for (guint i = 0; i < run->camera->n_streams; i++)
    cctv_stream_get_status (run->streams[i], &status->streams[i]);
}

const gchar *
cctv_state_name (CctvState state)
{
  static const gchar *const names[CCTV_N_STATES] = { "idle", "joining", "publishing", "waiting", "leaving" };

  return names[state];
}
