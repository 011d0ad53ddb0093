/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitremotetrack-jobs: what is pushed without data: gaps, EOS, pads of tracks that say nothing. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitremotetrack-private.h"

/* Without data for so long a pad is shown as it is, so that applications need not wait for somebody to speak. */
#define SHOW_ANYWAY_AFTER (2 * G_TIME_SPAN_SECOND)

/* So long may the first frame take when packets come. */
#define FIRST_FRAME_WAIT (100 * G_TIME_SPAN_MILLISECOND)

/* --- jobs on a pool thread, under the stream lock: downstream may block --- */

static void
end_job (GstElement * element, gpointer data)
{
  GstLiveKitRemoteTrack *track = data;
  g_autoptr (GstPad) pad = NULL;

  GST_PAD_STREAM_LOCK (track->outlet);
  g_mutex_lock (&track->lock);
  pad = g_steal_pointer (&track->pad);
  g_mutex_unlock (&track->lock);
  if (pad)
    gst_livekit_remote_track_end_pad (track, pad);
  GST_PAD_STREAM_UNLOCK (track->outlet);
}

void
gst_livekit_remote_track_end_in_loop (GstLiveKitRemoteTrack * track)
{
  gst_livekit_remote_track_detach_in_loop (track);
  g_mutex_lock (&track->lock);
  track->has_ended = TRUE;
  g_mutex_unlock (&track->lock);
  gst_element_call_async (track->element, end_job, gst_livekit_remote_track_ref (track),
      (GDestroyNotify) gst_livekit_remote_track_unref);
}

typedef struct
{
  GstLiveKitRemoteTrack *track;
  GDestroyNotify left;
  gpointer data;
} Leave;

/* When the stream lock can be had, nobody pushes any more. */
static void
leave_job (GstElement * element, gpointer data)
{
  Leave *leave = data;
  GstLiveKitRemoteTrack *track = leave->track;
  g_autoptr (GstPad) pad = NULL;

  GST_PAD_STREAM_LOCK (track->outlet);
  g_mutex_lock (&track->lock);
  pad = g_steal_pointer (&track->pad);
  g_mutex_unlock (&track->lock);
  GST_PAD_STREAM_UNLOCK (track->outlet);
  leave->left (leave->data);
}

static void
leave_free (gpointer data)
{
  Leave *leave = data;

  gst_livekit_remote_track_unref (leave->track);
  g_free (leave);
}

void
gst_livekit_remote_track_leave_in_loop (GstLiveKitRemoteTrack * track, GDestroyNotify left, gpointer data)
{
  Leave *leave = g_new (Leave, 1);

  gst_livekit_remote_track_detach_in_loop (track);
  g_mutex_lock (&track->lock);
  track->has_ended = TRUE;
  g_mutex_unlock (&track->lock);
  *leave = (Leave) {
  gst_livekit_remote_track_ref (track), left, data};
  gst_element_call_async (track->element, leave_job, leave, leave_free);
}

void
gst_livekit_remote_track_set_offset (GstLiveKitRemoteTrack * track, GstClockTimeDiff offset)
{
  g_mutex_lock (&track->lock);
  track->offset = offset;
  g_mutex_unlock (&track->lock);
}

static void
eos_job (GstElement * element, gpointer data)
{
  GstLiveKitRemoteTrack *track = data;
  g_autoptr (GstPad) pad = NULL;

  GST_PAD_STREAM_LOCK (track->outlet);
  pad = gst_livekit_remote_track_ref_pad (track);
  if (pad)
    gst_pad_push_event (pad, gst_event_new_eos ());
  GST_PAD_STREAM_UNLOCK (track->outlet);
}

void
gst_livekit_remote_track_push_eos_async (GstLiveKitRemoteTrack * track)
{
  gst_element_call_async (track->element, eos_job, gst_livekit_remote_track_ref (track),
      (GDestroyNotify) gst_livekit_remote_track_unref);
}

static void
push_gap (GstLiveKitRemoteTrack * track, GstPad * pad)
{
  GstClockTime now = gst_element_get_current_running_time (track->element);

  if (!GST_CLOCK_TIME_IS_VALID (now))
    return;
  if (!GST_CLOCK_TIME_IS_VALID (track->position))
    track->position = now;
  if (now <= track->position)
    return;
  if (!gst_pad_is_linked (pad)) {
    track->position = now;
    return;
  }
  gst_livekit_remote_track_ensure_events (track, pad);
  gst_livekit_remote_track_ensure_segment (track, pad);
  /* What takes a gap takes data again, so that the server may be asked for some. */
  if (gst_pad_push_event (pad, gst_event_new_gap (track->position, now - track->position)))
    gst_livekit_remote_track_note_flow (track, pad, GST_FLOW_OK);
  track->position = now;
  g_mutex_lock (&track->lock);
  track->counters.n_gaps++;
  g_mutex_unlock (&track->lock);
}

static GstCaps *
implied_caps (GstLiveKitRemoteTrack * track, const GstLiveKitCodec * codec)
{
  g_autofree gchar *name = g_ascii_strup (gst_livekit_codec_get_sdp_name (codec), -1);

  if (!gst_livekit_remote_track_is_rtp (track))
    return gst_caps_from_string (codec->output_caps);
  return gst_caps_new_simple ("application/x-rtp", "media", G_TYPE_STRING, lk_track_kind_name (track->kind),
      "encoding-name", G_TYPE_STRING, name, "clock-rate", G_TYPE_INT, (gint) codec->clock_rate, NULL);
}

static void
tick_job (GstElement * element, gpointer data)
{
  GstLiveKitRemoteTrack *track = data;
  const GstLiveKitCodec *codec;
  gboolean is_muted, is_refused, got_data;
  g_autoptr (GstPad) pad = NULL;

  GST_PAD_STREAM_LOCK (track->outlet);
  got_data = track->got_data;
  track->got_data = FALSE;
  g_mutex_lock (&track->lock);
  is_muted = track->publication->muted || track->is_silent || !track->is_subscribed;
  is_refused = track->refused_us != 0;
  codec = gst_livekit_codec_from_mime_type (track->publication->mime_type);
  g_mutex_unlock (&track->lock);
  pad = gst_livekit_remote_track_ref_pad (track);
  if (pad == NULL && codec
      && (is_muted || g_get_monotonic_time () - track->made_us > SHOW_ANYWAY_AFTER)) {
    g_autoptr (GstCaps) caps = implied_caps (track, codec);

    pad = gst_livekit_remote_track_ensure_shown (track, caps);
    if (pad && gst_caps_is_fixed (caps))
      gst_pad_push_event (pad, gst_event_new_caps (caps));
  }
  if (pad && (is_muted || is_refused) && !got_data && gst_pad_has_current_caps (pad))
    push_gap (track, pad);
  GST_PAD_STREAM_UNLOCK (track->outlet);
  g_mutex_lock (&track->lock);
  track->job_is_running = FALSE;
  g_mutex_unlock (&track->lock);
}

void
gst_livekit_remote_track_tick_in_loop (GstLiveKitRemoteTrack * track)
{
  g_autoptr (GstPad) pad = gst_livekit_remote_track_ref_pad (track);
  gboolean is_unlinked = pad && !gst_pad_is_linked (pad);
  gboolean is_needed, is_overdue;

  g_mutex_lock (&track->lock);
  /* Depayloaders of VP9 and AV1 let nothing out before a key frame, nor does h265parse before parameter sets. */
  is_overdue = track->bin && track->waits_since_us
      && g_get_monotonic_time () - track->waits_since_us > FIRST_FRAME_WAIT;
  if (is_unlinked && track->refused_us == 0)
    track->refused_us = g_get_monotonic_time ();
  is_needed = !track->job_is_running && !track->has_ended && (track->publication->muted || track->is_silent
      || !track->is_subscribed || track->refused_us || track->pad == NULL);
  track->job_is_running |= is_needed;
  g_mutex_unlock (&track->lock);
  if (is_overdue)
    gst_livekit_remote_track_want_key_frame (track);
  if (is_needed)
    gst_element_call_async (track->element, tick_job, gst_livekit_remote_track_ref (track),
        (GDestroyNotify) gst_livekit_remote_track_unref);
}
