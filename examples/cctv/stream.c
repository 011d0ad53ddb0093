/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream: one stream of a camera, kept running. */

#include "stream.h"

#include "applog.h"
#include "lkbackoff.h"

/* A camera is given so long to answer, and to send the first frame; then, to send the next one. */
#define SILENCE (10 * G_TIME_SPAN_SECOND)
/* After so long without a fault a new fault is the first. */
#define FORGIVEN (30 * G_TIME_SPAN_SECOND)
#define MIN_DELAY_MS 500
/* How often it is looked whether the last connection has ended. */
#define ENDING_MS 50
/* Viewers see nothing without one. Told once for each connection. */
#define KEY_FRAME_OVERDUE (30 * G_TIME_SPAN_SECOND)

struct _CctvStream
{
  const CctvCamera *camera;     /* the owner keeps it */
  guint index;

  GstBin *pipeline;             /* NULL = detached */
  GstPad *video_pad, *audio_pad;
  CctvSource *source;           /* or NULL */
  CctvSource *ending;           /* the one before, or NULL */
  gint64 ending_since_us;
  gboolean is_wanted, overdue_told, ending_told;
  gint64 started_us;            /* the source */
  guint timer;
  guint attempt;
  gint64 first_failure_us;

  CctvSourceCounters before;    /* of connections that are over */
  guint64 checked_frames, checked_latency_us;   /* of this connection, at the last check */
  gdouble latency_s;
  guint n_connects, n_failures;
};

static void start (CctvStream * stream);

CctvStream *
cctv_stream_new (const CctvCamera * camera, guint index)
{
  CctvStream *stream = g_new0 (CctvStream, 1);

  stream->camera = camera;
  stream->index = index;
  return stream;
}

void
cctv_stream_free (CctvStream * stream)
{
  cctv_stream_detach (stream);
  g_clear_pointer (&stream->ending, cctv_source_unref);
  g_free (stream);
}

static void
add_counters (CctvSourceCounters * sum, const CctvSourceCounters * part)
{
  sum->n_packets += part->n_packets;
  sum->n_bytes += part->n_bytes;
  sum->n_frames += part->n_frames;
  sum->n_key_frames += part->n_key_frames;
  sum->n_jumps += part->n_jumps;
  sum->latency_us += part->latency_us;
  sum->last_frame_us = MAX (sum->last_frame_us, part->last_frame_us);
  sum->last_key_frame_us = MAX (sum->last_key_frame_us, part->last_key_frame_us);
}

static void
stop (CctvStream * stream)
{
  CctvSourceCounters counters;

  g_clear_handle_id (&stream->timer, g_source_remove);
  if (stream->source == NULL)
    return;
  cctv_source_get_counters (stream->source, &counters);
  add_counters (&stream->before, &counters);
  stream->checked_frames = stream->checked_latency_us = 0;
  stream->latency_s = 0;
  cctv_source_stop (stream->source);
  g_clear_pointer (&stream->ending, cctv_source_unref);
  stream->ending = g_steal_pointer (&stream->source);
  stream->ending_since_us = g_get_monotonic_time ();
  stream->ending_told = FALSE;
}

static gboolean
try_again (gpointer data)
{
  CctvStream *stream = data;

  stream->timer = 0;
  start (stream);
  return G_SOURCE_REMOVE;
}

/* A camera that is away for days fills no log: the first, second, fourth, eighth ... attempt is told. */
static void
tell_failure (CctvStream * stream, const gchar * text, guint delay_ms)
{
  gboolean is_power_of_two = (stream->attempt & (stream->attempt - 1)) == 0;

  app_log (is_power_of_two ? APP_LOG_WARNING : APP_LOG_DEBUG,
      "camera %s, stream %u: %s Attempt %u, the next one in %.1f s.", stream->camera->id, stream->index, text,
      stream->attempt, delay_ms / 1000.0);
}

static void
fail (CctvStream * stream, const gchar * text)
{
  gint64 now = g_get_monotonic_time ();
  guint delay_ms;

  if (stream->first_failure_us == 0 || now - stream->started_us > FORGIVEN) {
    stream->first_failure_us = now;
    stream->attempt = 0;
  }
  stream->n_failures++;
  delay_ms = lk_backoff_delay_ms (stream->attempt++, (now - stream->first_failure_us) / 1000, g_random_double ());
  delay_ms = MAX (delay_ms, MIN_DELAY_MS);
  tell_failure (stream, text, delay_ms);
  stop (stream);
  stream->timer = g_timeout_add (delay_ms, try_again, stream);
}

/* One after the other: else a camera that keeps its connections busy would have any number of them. */
static gboolean
must_wait_for_end (CctvStream * stream)
{
  if (stream->ending && cctv_source_is_down (stream->ending))
    g_clear_pointer (&stream->ending, cctv_source_unref);
  if (stream->ending && !stream->ending_told && g_get_monotonic_time () - stream->ending_since_us > SILENCE) {
    stream->ending_told = TRUE;
    app_warning ("camera %s, stream %u: its last connection does not end; there is no other until it does",
        stream->camera->id, stream->index);
  }
  return stream->ending != NULL;
}

static void
start (CctvStream * stream)
{
  if (must_wait_for_end (stream)) {
    stream->timer = g_timeout_add (ENDING_MS, try_again, stream);
    return;
  }
  stream->source = cctv_source_new (stream->camera, stream->index, stream->pipeline, stream->video_pad,
      stream->audio_pad);
  stream->started_us = g_get_monotonic_time ();
  stream->overdue_told = FALSE;
  stream->n_connects++;
  if (!cctv_source_start (stream->source))
    fail (stream, "The connection cannot be made.");
}

static void
update (CctvStream * stream)
{
  gboolean must_run = stream->is_wanted && stream->pipeline;

  if (must_run && stream->source == NULL && stream->timer == 0) {
    stream->attempt = 0;
    stream->first_failure_us = 0;
    start (stream);
  } else if (!must_run) {
    stop (stream);
  }
}

void
cctv_stream_attach (CctvStream * stream, GstBin * pipeline, GstPad * video_pad, GstPad * audio_pad)
{
  cctv_stream_detach (stream);
  stream->pipeline = gst_object_ref (pipeline);
  stream->video_pad = gst_object_ref (video_pad);
  stream->audio_pad = audio_pad ? gst_object_ref (audio_pad) : NULL;
  update (stream);
}

void
cctv_stream_detach (CctvStream * stream)
{
  stop (stream);
  g_clear_pointer (&stream->pipeline, gst_object_unref);
  g_clear_pointer (&stream->video_pad, gst_object_unref);
  g_clear_pointer (&stream->audio_pad, gst_object_unref);
}

void
cctv_stream_set_wanted (CctvStream * stream, gboolean is_wanted)
{
  if (stream->is_wanted != is_wanted && stream->pipeline)
    app_info ("camera %s, stream %u: %s", stream->camera->id, stream->index,
        is_wanted ? "somebody watches it" : "paused, nobody watches it");
  stream->is_wanted = is_wanted;
  update (stream);
}

static void
check_key_frames (CctvStream * stream, const CctvSourceCounters * counters, gint64 now)
{
  gint64 since = counters->last_key_frame_us ? counters->last_key_frame_us : stream->started_us;

  if (stream->overdue_told || counters->n_frames == 0 || now - since < KEY_FRAME_OVERDUE)
    return;
  stream->overdue_told = TRUE;
  app_warning ("camera %s, stream %u: no key frame for %d s: viewers who come see nothing. "
      "Let the camera make one every second or two.", stream->camera->id, stream->index,
      (gint) (KEY_FRAME_OVERDUE / G_TIME_SPAN_SECOND));
}

static void
measure_latency (CctvStream * stream, const CctvSourceCounters * counters)
{
  guint64 n_frames = counters->n_frames - stream->checked_frames;

  stream->latency_s = n_frames ? (counters->latency_us - stream->checked_latency_us) / 1e6 / n_frames : 0;
  stream->checked_frames = counters->n_frames;
  stream->checked_latency_us = counters->latency_us;
}

void
cctv_stream_check (CctvStream * stream)
{
  gint64 now = g_get_monotonic_time ();
  CctvSourceCounters counters;

  if (stream->source == NULL)
    return;
  cctv_source_get_counters (stream->source, &counters);
  measure_latency (stream, &counters);
  if (now - MAX (stream->started_us, counters.last_frame_us) > SILENCE)
    fail (stream, counters.n_packets == 0 ? "Nothing comes." : counters.n_frames == 0 ?
        "What comes has no picture in it." : "Nothing comes any more.");
  else
    check_key_frames (stream, &counters, now);
}

gboolean
cctv_stream_take_error (CctvStream * stream, GstObject * origin, const GError * error)
{
  if (stream->source == NULL || !cctv_source_has (stream->source, origin))
    return FALSE;
  fail (stream, error->message);
  return TRUE;
}

void
cctv_stream_get_status (CctvStream * stream, CctvStreamStatus * status)
{
  CctvSourceCounters now = { 0, };

  if (stream->source)
    cctv_source_get_counters (stream->source, &now);
  *status = (CctvStreamStatus) {
  .counters = stream->before,.n_connects = stream->n_connects,.n_failures = stream->n_failures,
    .latency_s = stream->latency_s};
  add_counters (&status->counters, &now);
  if (stream->source)
    status->state = now.n_frames ? CCTV_STREAM_FLOWING : CCTV_STREAM_CONNECTING;
  else
    status->state = stream->timer ? CCTV_STREAM_WAITING : CCTV_STREAM_PAUSED;
  if (now.n_frames)
    status->key_frame_age_us = g_get_monotonic_time ()
        - (now.last_key_frame_us ? now.last_key_frame_us : stream->started_us);
}

const gchar *
cctv_stream_state_name (CctvStreamState state)
{
  static const gchar *const names[CCTV_STREAM_N_STATES] = { "paused", "connecting", "flowing", "waiting" };

  return names[state];
}
