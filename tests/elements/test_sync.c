/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of gstlivekitsync: streams of a participant that are captured together come out together. */

#include <gst/check/gstcheck.h>
#include <gst/rtp/rtp.h>

#include "gstlivekitsync.h"

#define CAPTURE_ID 6
/* 2021-01-01 in NTP seconds. */
#define EPOCH G_GUINT64_CONSTANT (3818448000)

/* One stream of a publisher whose clock began at EPOCH when running time was 0. */
typedef struct
{
  GstLiveKitStreamTime *time;
  guint clock_rate;
  guint32 rtp_base;
  GstClockTime frame;           /* between two of them */
  GstClockTime transit;         /* from capture to what the jitter buffer says */
  gdouble speed;                /* of the publisher's clock */
  guint next;
  gboolean has_extension;
  GstClockTime out;             /* of the last frame */
} Stream;

static void
stream_begin (Stream * stream, GstLiveKitSync * sync, const gchar * participant, gboolean is_video, GstClockTime transit)
{
  *stream = (Stream) {
    .time = gst_livekit_stream_time_new (sync, participant),
    .clock_rate = is_video ? 90000 : 48000,
    .rtp_base = is_video ? 4294960000u : 77,
    .frame = is_video ? 40 * GST_MSECOND : 20 * GST_MSECOND,
    .transit = transit,
    .speed = 1,
    .out = GST_CLOCK_TIME_NONE};
}

static guint64
ntp_of (Stream * stream, GstClockTime at)
{
  GstClockTime theirs = (GstClockTime) (at * stream->speed);

  return ((EPOCH + theirs / GST_SECOND) << 32) + gst_util_uint64_scale (theirs % GST_SECOND, G_GUINT64_CONSTANT (1) << 32,
      GST_SECOND);
}

static guint32
rtp_of (Stream * stream, GstClockTime at)
{
  return stream->rtp_base + (guint32) gst_util_uint64_scale ((GstClockTime) (at * stream->speed), stream->clock_rate,
      GST_SECOND);
}

static void
stream_report (Stream * stream, GstClockTime at)
{
  gst_livekit_stream_time_take_report (stream->time, ntp_of (stream, at), rtp_of (stream, at));
}

static GstBuffer *
make_packet (Stream * stream, GstClockTime at)
{
  GstBuffer *packet = gst_rtp_buffer_new_allocate (10, 0, 0);
  GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
  guint64 ntp = GUINT64_TO_BE (ntp_of (stream, at));

  gst_rtp_buffer_map (packet, GST_MAP_WRITE, &rtp);
  gst_rtp_buffer_set_timestamp (&rtp, rtp_of (stream, at));
  if (stream->has_extension)
    gst_rtp_buffer_add_extension_onebyte_header (&rtp, CAPTURE_ID, &ntp, sizeof ntp);
  gst_rtp_buffer_unmap (&rtp);
  GST_BUFFER_PTS (packet) = at + stream->transit;
  return packet;
}

/* The next frame goes through; returns it as it comes out. */
static GstBuffer *
stream_step_full (Stream * stream, gboolean add_meta)
{
  GstClockTime at = stream->next++ * stream->frame;
  g_autoptr (GstBuffer) packet = make_packet (stream, at);
  GstBuffer *frame = gst_buffer_new ();

  gst_livekit_stream_time_take_packet (stream->time, packet, GST_BUFFER_PTS (packet), stream->clock_rate, CAPTURE_ID);
  GST_BUFFER_PTS (frame) = GST_BUFFER_PTS (packet);
  frame = gst_livekit_stream_time_place (stream->time, frame, GST_BUFFER_PTS (packet), add_meta);
  if (GST_CLOCK_TIME_IS_VALID (stream->out))
    fail_unless (GST_BUFFER_PTS (frame) > stream->out, "time went back");
  stream->out = GST_BUFFER_PTS (frame);
  return frame;
}

static void
stream_step (Stream * stream)
{
  gst_buffer_unref (stream_step_full (stream, FALSE));
}

static void
play (Stream * audio, Stream * video, GstClockTime until)
{
  while (audio->next * audio->frame < until || video->next * video->frame < until) {
    if (audio->next * audio->frame <= video->next * video->frame)
      stream_step (audio);
    else
      stream_step (video);
  }
}

/* By how much the last sound came out later than the last picture that was captured with it. */
static GstClockTimeDiff
skew (Stream * audio, Stream * video)
{
  GstClockTimeDiff captured = GST_CLOCK_DIFF ((video->next - 1) * video->frame, (audio->next - 1) * audio->frame);

  return GST_CLOCK_DIFF (video->out, audio->out) - captured;
}

/* alice's sound, 10 ms on its way, and her picture, 50 ms: both reported and played for five seconds. */
static GstLiveKitSync *
begin_in_sync (Stream * audio, Stream * video)
{
  GstLiveKitSync *sync = gst_livekit_sync_new ();

  stream_begin (audio, sync, "alice", FALSE, 10 * GST_MSECOND);
  stream_begin (video, sync, "alice", TRUE, 50 * GST_MSECOND);
  stream_report (audio, 0);
  stream_report (video, 0);
  play (audio, video, 5 * GST_SECOND);
  return sync;
}

static void
end (Stream * one, Stream * two, GstLiveKitSync * sync)
{
  gst_livekit_stream_time_unref (one->time);
  gst_livekit_stream_time_unref (two->time);
  gst_livekit_sync_unref (sync);
}

GST_START_TEST (test_early_stream_is_held_back_at_once)
{
  GstLiveKitSync *sync = gst_livekit_sync_new ();
  Stream audio, video;

  stream_begin (&audio, sync, "alice", FALSE, 10 * GST_MSECOND);
  stream_begin (&video, sync, "alice", TRUE, 190 * GST_MSECOND);
  play (&audio, &video, GST_SECOND);
  fail_unless_equals_int64 (skew (&audio, &video), -180 * (gint64) GST_MSECOND);
  stream_report (&audio, GST_SECOND);
  play (&audio, &video, 2 * GST_SECOND);
  fail_unless_equals_int64 (skew (&audio, &video), -180 * (gint64) GST_MSECOND);
  stream_report (&video, 2 * GST_SECOND);
  play (&audio, &video, 2 * GST_SECOND + 100 * GST_MSECOND);
  fail_unless (ABS (skew (&audio, &video)) < (gint64) GST_MSECOND);
  fail_unless_equals_int64 (gst_livekit_stream_time_get_offset (video.time), 0);
  end (&audio, &video, sync);
}

GST_END_TEST;

GST_START_TEST (test_later_changes_come_slowly)
{
  Stream audio, video;
  GstLiveKitSync *sync = begin_in_sync (&audio, &video);
  GstClockTime before;

  fail_unless (ABS (skew (&audio, &video)) < (gint64) GST_MSECOND);
  video.transit += 100 * GST_MSECOND;
  for (guint i = 0; i < 300; i++) {
    before = audio.out;
    play (&audio, &video, (audio.next + 1) * audio.frame);
    fail_unless (audio.out - before <= audio.frame + 10 * GST_MSECOND);
  }
  play (&audio, &video, 20 * GST_SECOND);
  fail_unless (ABS (skew (&audio, &video)) < (gint64) GST_MSECOND);
  video.transit -= 100 * GST_MSECOND;
  /* The picture itself jumped back, which is the jitter buffer's doing. */
  video.out = GST_CLOCK_TIME_NONE;
  play (&audio, &video, 40 * GST_SECOND);
  fail_unless (ABS (skew (&audio, &video)) < (gint64) GST_MSECOND);
  end (&audio, &video, sync);
}

GST_END_TEST;

GST_START_TEST (test_big_change_does_not_take_long)
{
  Stream audio, video;
  GstLiveKitSync *sync = begin_in_sync (&audio, &video);

  video.transit += 1500 * GST_MSECOND;
  play (&audio, &video, 20 * GST_SECOND);
  fail_unless (ABS (skew (&audio, &video)) < 40 * (gint64) GST_MSECOND);
  end (&audio, &video, sync);
}

GST_END_TEST;

/* A jitter buffer places packets anew that come later than its latency allows. */
GST_START_TEST (test_late_frames_stay_with_their_sound)
{
  Stream audio, video;
  GstLiveKitSync *sync = begin_in_sync (&audio, &video);

  gst_livekit_sync_set_latency (sync, 100 * GST_MSECOND);
  video.transit += 105 * GST_MSECOND;
  play (&audio, &video, 5 * GST_SECOND + 100 * GST_MSECOND);
  fail_unless (ABS (skew (&audio, &video)) < 10 * (gint64) GST_MSECOND);
  /* What is later still comes when it can. */
  video.transit += 200 * GST_MSECOND;
  play (&audio, &video, 5 * GST_SECOND + 200 * GST_MSECOND);
  fail_unless (skew (&audio, &video) < -150 * (gint64) GST_MSECOND);
  video.transit -= 305 * GST_MSECOND;
  video.out = GST_CLOCK_TIME_NONE;
  play (&audio, &video, 30 * GST_SECOND);
  fail_unless (ABS (skew (&audio, &video)) < (gint64) GST_MSECOND);
  end (&audio, &video, sync);
}

GST_END_TEST;

GST_START_TEST (test_participants_do_not_wait_for_each_other)
{
  GstLiveKitSync *sync = gst_livekit_sync_new ();
  Stream audio, video;

  stream_begin (&audio, sync, "alice", FALSE, 10 * GST_MSECOND);
  stream_begin (&video, sync, "bob", TRUE, 190 * GST_MSECOND);
  stream_report (&audio, 0);
  stream_report (&video, 0);
  play (&audio, &video, 5 * GST_SECOND);
  fail_unless_equals_int64 (skew (&audio, &video), -180 * (gint64) GST_MSECOND);
  end (&audio, &video, sync);
}

GST_END_TEST;

/* A publisher whose reports are nonsense, or a stream that is over, holds nothing back. */
GST_START_TEST (test_unrelated_clocks_and_ended_streams)
{
  GstLiveKitSync *sync = gst_livekit_sync_new ();
  Stream audio, video;

  stream_begin (&audio, sync, "alice", FALSE, 10 * GST_MSECOND);
  stream_begin (&video, sync, "alice", TRUE, 50 * GST_MSECOND);
  stream_report (&audio, 0);
  gst_livekit_stream_time_take_report (video.time, G_MAXUINT64, 0);
  play (&audio, &video, 5 * GST_SECOND);
  fail_unless_equals_int64 (gst_livekit_stream_time_get_offset (audio.time), 0);
  gst_livekit_stream_time_take_report (video.time, 1, G_MAXUINT32);
  play (&audio, &video, 10 * GST_SECOND);
  fail_unless_equals_int64 (gst_livekit_stream_time_get_offset (audio.time), 0);
  stream_report (&video, 10 * GST_SECOND);
  play (&audio, &video, 40 * GST_SECOND);
  fail_unless (ABS (skew (&audio, &video)) < (gint64) GST_MSECOND);
  fail_unless (gst_livekit_stream_time_get_offset (audio.time) > 35 * (gint64) GST_MSECOND);
  gst_livekit_stream_time_end (video.time);
  play (&audio, &video, 60 * GST_SECOND);
  fail_unless (ABS (gst_livekit_stream_time_get_offset (audio.time)) < (gint64) GST_MSECOND);
  end (&audio, &video, sync);
}

GST_END_TEST;

static gint64
captured_of (GstBuffer * buffer)
{
  g_autoptr (GstCaps) ntp = gst_caps_new_empty_simple ("timestamp/x-ntp");
  GstReferenceTimestampMeta *meta = gst_buffer_get_reference_timestamp_meta (buffer, ntp);

  return meta ? (gint64) (meta->timestamp - EPOCH * GST_SECOND) : -1;
}

static void
check_captured (Stream * stream, gint64 captured)
{
  g_autoptr (GstBuffer) buffer = stream_step_full (stream, TRUE);
  gint64 found = captured_of (buffer);

  if (captured < 0) {
    fail_unless_equals_int64 (found, -1);
    return;
  }
  fail_unless (ABS (found - captured) < 20 * (gint64) GST_USECOND, "%" G_GINT64_FORMAT " is not %" G_GINT64_FORMAT,
      found, captured);
}

GST_START_TEST (test_capture_times)
{
  GstLiveKitSync *sync = gst_livekit_sync_new ();
  Stream audio, video;

  stream_begin (&audio, sync, "alice", FALSE, 10 * GST_MSECOND);
  stream_begin (&video, sync, "alice", TRUE, 50 * GST_MSECOND);
  check_captured (&video, -1);
  /* The server's, before it has one of the publisher's. */
  gst_livekit_stream_time_take_report (video.time, 0, 0);
  check_captured (&video, -1);
  stream_report (&video, 7 * GST_SECOND);
  check_captured (&video, 80 * GST_MSECOND);
  /* RTP time wraps here, after 80 ms. */
  check_captured (&video, 120 * GST_MSECOND);
  audio.has_extension = TRUE;
  check_captured (&audio, 0);
  audio.has_extension = FALSE;
  check_captured (&audio, 20 * GST_MSECOND);
  /* An extension is nearer to the truth than a report. */
  gst_livekit_stream_time_take_report (audio.time, ntp_of (&audio, GST_SECOND), rtp_of (&audio, 0));
  check_captured (&audio, 40 * GST_MSECOND);
  end (&audio, &video, sync);
}

GST_END_TEST;

/* An hour with a publisher whose clock is 100 ppm fast: what the jitter buffer follows, we do not spoil. */
GST_START_TEST (test_fast_clock)
{
  GstLiveKitSync *sync = gst_livekit_sync_new ();
  Stream audio, video;

  stream_begin (&audio, sync, "alice", FALSE, 10 * GST_MSECOND);
  stream_begin (&video, sync, "alice", TRUE, 90 * GST_MSECOND);
  audio.speed = video.speed = 1.0001;
  for (guint minute = 0; minute < 60; minute++) {
    stream_report (&audio, minute * 60 * GST_SECOND);
    stream_report (&video, minute * 60 * GST_SECOND);
    play (&audio, &video, (minute + 1) * 60 * GST_SECOND);
    fail_unless (ABS (skew (&audio, &video)) < 5 * (gint64) GST_MSECOND);
    fail_unless (video.out - (video.next - 1) * video.frame < 95 * GST_MSECOND);
  }
  end (&audio, &video, sync);
}

GST_END_TEST;

static Suite *
sync_suite (void)
{
  Suite *suite = suite_create ("sync");
  TCase *tcase = tcase_create ("sync");

  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_early_stream_is_held_back_at_once);
  tcase_add_test (tcase, test_later_changes_come_slowly);
  tcase_add_test (tcase, test_big_change_does_not_take_long);
  tcase_add_test (tcase, test_late_frames_stay_with_their_sound);
  tcase_add_test (tcase, test_participants_do_not_wait_for_each_other);
  tcase_add_test (tcase, test_unrelated_clocks_and_ended_streams);
  tcase_add_test (tcase, test_capture_times);
  tcase_add_test (tcase, test_fast_clock);
  return suite;
}

GST_CHECK_MAIN (sync);
