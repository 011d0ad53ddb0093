/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitsync: when what came was captured, and how the tracks of a participant are kept together. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitsync.h"

#include <string.h>

#include <gst/rtp/rtp.h>

/* Streams further apart than this are on clocks that have nothing to do with each other. */
#define MAX_OFFSET (2 * GST_SECOND)
/* Once streams are together their times move by a twentieth at most, so that recordings have no holes... */
#define SLEW 20
/* ...unless they are this far off for this long: then something has changed, and listeners should not wait for half
 * a minute. */
#define JUMP_FROM (250 * GST_MSECOND)
#define JUMP_AFTER (2 * GST_SECOND)
/* The packet that took least in so long is the one that the network has not held. Not what the jitter buffer makes
 * of it: after a stall it may be seconds off, for a while. */
#define WINDOW (2 * GST_SECOND)
/* Extensions win over reports, which say the same of a longer time, unless there has been none for so long. */
#define EXTENSION_LIFE (5 * G_TIME_SPAN_SECOND)
/* An RTP timestamp of 90 kHz is ambiguous after 6.6 hours. */
#define ANCHOR_LIFE (3600 * G_TIME_SPAN_SECOND)
/* Frames that may be on their way from the jitter buffer through the parser. */
#define N_FRAMES 16

typedef struct
{
  gchar *participant;
  GPtrArray *members;           /* GstLiveKitStreamTime, not owned */
  gint64 delay;                 /* ns from a capture to the running time at which it belongs */
  GstClockTime delay_set, off_since;    /* when it was set, and since when it is far off */
  gboolean has_delay;
} Group;

struct _GstLiveKitSync
{
  gatomicrefcount ref_count;
  GMutex lock;                  /* around the groups and what they know of their members; taken after a stream's */
  GHashTable *groups;           /* participant -> Group */
  GstClockTime latency;
};

typedef struct
{
  GstClockTime pts;
  gint64 captured;              /* ns since 1900 */
} Frame;

struct _GstLiveKitStreamTime
{
  gatomicrefcount ref_count;
  GstLiveKitSync *sync;

  /* lock of the sync */
  Group *group;                 /* NULL = ended */
  gboolean has_transit;
  gint64 transit;               /* ns from the capture, on the publisher's clock, to running time: of this window and the last */
  gint64 least, last_least;     /* of the window, and of the one before */
  GstClockTime window_start;
  gboolean was_in_sync;

  /* lock */
  GMutex lock;
  gboolean has_anchor, is_by_extension;
  guint32 anchor_rtp;
  gint64 anchor_captured, anchored_us;
  guint64 last_report;
  Frame frames[N_FRAMES];
  guint n_frames;               /* ever written */
  GstClockTimeDiff offset;
  GstClockTime last_pts, last_out;
};

GstLiveKitSync *
gst_livekit_sync_new (void)
{
  GstLiveKitSync *sync = g_new0 (GstLiveKitSync, 1);

  g_atomic_ref_count_init (&sync->ref_count);
  g_mutex_init (&sync->lock);
  sync->groups = g_hash_table_new (g_str_hash, g_str_equal);
  return sync;
}

void
gst_livekit_sync_set_latency (GstLiveKitSync * sync, GstClockTime latency)
{
  g_mutex_lock (&sync->lock);
  sync->latency = latency;
  g_mutex_unlock (&sync->lock);
}

GstLiveKitSync *
gst_livekit_sync_ref (GstLiveKitSync * sync)
{
  g_atomic_ref_count_inc (&sync->ref_count);
  return sync;
}

void
gst_livekit_sync_unref (GstLiveKitSync * sync)
{
  if (!g_atomic_ref_count_dec (&sync->ref_count))
    return;
  /* Streams hold a reference, so there are no groups any more. */
  g_hash_table_unref (sync->groups);
  g_mutex_clear (&sync->lock);
  g_free (sync);
}

static void
join_group_locked (GstLiveKitStreamTime * stream, const gchar * participant)
{
  Group *group = g_hash_table_lookup (stream->sync->groups, participant);

  if (group == NULL) {
    group = g_new0 (Group, 1);
    group->participant = g_strdup (participant);
    group->members = g_ptr_array_new ();
    group->off_since = GST_CLOCK_TIME_NONE;
    g_hash_table_insert (stream->sync->groups, group->participant, group);
  }
  g_ptr_array_add (group->members, stream);
  stream->group = group;
}

static void
leave_group_locked (GstLiveKitStreamTime * stream)
{
  Group *group = g_steal_pointer (&stream->group);

  if (group == NULL)
    return;
  g_ptr_array_remove_fast (group->members, stream);
  if (group->members->len > 0)
    return;
  g_hash_table_remove (stream->sync->groups, group->participant);
  g_ptr_array_unref (group->members);
  g_free (group->participant);
  g_free (group);
}

GstLiveKitStreamTime *
gst_livekit_stream_time_new (GstLiveKitSync * sync, const gchar * participant)
{
  GstLiveKitStreamTime *stream = g_new0 (GstLiveKitStreamTime, 1);

  g_atomic_ref_count_init (&stream->ref_count);
  stream->sync = gst_livekit_sync_ref (sync);
  g_mutex_init (&stream->lock);
  stream->last_pts = stream->last_out = GST_CLOCK_TIME_NONE;
  g_mutex_lock (&sync->lock);
  join_group_locked (stream, participant);
  g_mutex_unlock (&sync->lock);
  return stream;
}

GstLiveKitStreamTime *
gst_livekit_stream_time_ref (GstLiveKitStreamTime * stream)
{
  g_atomic_ref_count_inc (&stream->ref_count);
  return stream;
}

void
gst_livekit_stream_time_end (GstLiveKitStreamTime * stream)
{
  g_mutex_lock (&stream->sync->lock);
  leave_group_locked (stream);
  g_mutex_unlock (&stream->sync->lock);
}

void
gst_livekit_stream_time_unref (GstLiveKitStreamTime * stream)
{
  if (!g_atomic_ref_count_dec (&stream->ref_count))
    return;
  gst_livekit_stream_time_end (stream);
  gst_livekit_sync_unref (stream->sync);
  g_mutex_clear (&stream->lock);
  g_free (stream);
}

/* --- capture times --- */

/* Fits: NTP time ends in 2036. */
static gint64
ntp_to_ns (guint64 ntp)
{
  return (gint64) gst_util_uint64_scale (ntp, GST_SECOND, G_GUINT64_CONSTANT (1) << 32);
}

static void
set_anchor_locked (GstLiveKitStreamTime * stream, guint64 ntp, guint32 rtp, gboolean is_by_extension)
{
  stream->anchor_captured = ntp_to_ns (ntp);
  stream->anchor_rtp = rtp;
  stream->anchored_us = g_get_monotonic_time ();
  stream->is_by_extension = is_by_extension;
  stream->has_anchor = TRUE;
}

void
gst_livekit_stream_time_take_report (GstLiveKitStreamTime * stream, guint64 ntp, guint32 rtp)
{
  g_mutex_lock (&stream->lock);
  /* Before the publisher's first report has come, the server's say 0. */
  if (ntp != 0 && ntp != stream->last_report && !(stream->has_anchor && stream->is_by_extension
          && g_get_monotonic_time () - stream->anchored_us < EXTENSION_LIFE))
    set_anchor_locked (stream, ntp, rtp, FALSE);
  stream->last_report = ntp;
  g_mutex_unlock (&stream->lock);
}

static void
note_transit (GstLiveKitStreamTime * stream, GstClockTime now, gint64 transit)
{
  g_mutex_lock (&stream->sync->lock);
  /* The first, or another clock, or the first report that makes sense. */
  if (!stream->has_transit || ABS (transit - stream->transit) > (gint64) MAX_OFFSET) {
    stream->least = stream->last_least = transit;
    stream->window_start = now;
  } else if (now >= stream->window_start + WINDOW) {
    stream->last_least = stream->least;
    stream->least = transit;
    stream->window_start = now;
  }
  stream->least = MIN (stream->least, transit);
  stream->transit = MIN (stream->least, stream->last_least);
  stream->has_transit = TRUE;
  g_mutex_unlock (&stream->sync->lock);
}

static void
read_extension_locked (GstLiveKitStreamTime * stream, GstRTPBuffer * rtp, guint id)
{
  gpointer bytes;
  guint64 capture = 0;
  guint size;
  guint16 bits;

  if (!gst_rtp_buffer_get_extension_onebyte_header (rtp, id, 0, &bytes, &size)
      && !gst_rtp_buffer_get_extension_twobytes_header (rtp, (guint8 *) & bits, id, 0, &bytes, &size))
    return;
  /* 8 bytes, or 16 with the difference to yet another clock; anywhere, and GStreamer's macro wants them aligned. */
  if (size >= sizeof capture)
    memcpy (&capture, bytes, sizeof capture);
  if (capture != 0)
    set_anchor_locked (stream, GUINT64_FROM_BE (capture), gst_rtp_buffer_get_timestamp (rtp), TRUE);
}

void
gst_livekit_stream_time_take_packet (GstLiveKitStreamTime * stream, GstBuffer * packet, GstClockTime now,
    guint clock_rate, guint capture_id)
{
  GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
  GstClockTime pts = GST_BUFFER_PTS (packet);
  gboolean is_known = FALSE;
  gint64 captured = 0;
  gint32 since;

  if (clock_rate == 0 || !GST_CLOCK_TIME_IS_VALID (pts) || !GST_CLOCK_TIME_IS_VALID (now)
      || !gst_rtp_buffer_map (packet, GST_MAP_READ, &rtp))
    return;
  g_mutex_lock (&stream->lock);
  if (capture_id)
    read_extension_locked (stream, &rtp, capture_id);
  if (stream->has_anchor && g_get_monotonic_time () - stream->anchored_us < ANCHOR_LIFE) {
    since = (gint32) (gst_rtp_buffer_get_timestamp (&rtp) - stream->anchor_rtp);
    captured = stream->anchor_captured + since * (gint64) GST_SECOND / clock_rate;
    if (stream->n_frames == 0 || stream->frames[(stream->n_frames - 1) % N_FRAMES].pts != pts)
      stream->frames[stream->n_frames++ % N_FRAMES] = (Frame) { pts, captured };
    is_known = TRUE;
  }
  g_mutex_unlock (&stream->lock);
  gst_rtp_buffer_unmap (&rtp);
  if (is_known)
    note_transit (stream, now, (gint64) now - captured);
}

/* The packet that the frame began with has its time. */
static gboolean
find_captured_locked (GstLiveKitStreamTime * stream, GstClockTime pts, gint64 * captured)
{
  const Frame *nearest = NULL;

  for (guint i = 0; i < MIN (stream->n_frames, N_FRAMES); i++) {
    const Frame *frame = &stream->frames[i];

    if (nearest == NULL || ABS (GST_CLOCK_DIFF (frame->pts, pts)) < ABS (GST_CLOCK_DIFF (nearest->pts, pts)))
      nearest = frame;
  }
  if (nearest == NULL)
    return FALSE;
  *captured = nearest->captured + GST_CLOCK_DIFF (nearest->pts, pts);
  return *captured >= 0;
}

static void
add_capture_meta (GstBuffer * buffer, gint64 captured)
{
  static GstStaticCaps caps = GST_STATIC_CAPS ("timestamp/x-ntp");
  g_autoptr (GstCaps) reference = gst_static_caps_get (&caps);

  gst_buffer_add_reference_timestamp_meta (buffer, reference, (GstClockTime) captured, GST_CLOCK_TIME_NONE);
}

/* --- keeping together --- */

/* The longest way that a stream of the group takes, and how many there are; 0: their clocks have nothing to do with
 * each other. */
static guint
find_longest_locked (Group * group, gint64 * longest)
{
  gint64 least = G_MAXINT64;
  guint n = 0;

  *longest = G_MININT64;
  for (guint i = 0; i < group->members->len; i++) {
    const GstLiveKitStreamTime *member = g_ptr_array_index (group->members, i);

    if (!member->has_transit)
      continue;
    *longest = MAX (*longest, member->transit);
    least = MIN (least, member->transit);
    n++;
  }
  return n && *longest - least <= (gint64) MAX_OFFSET ? n : 0;
}

static void
move_delay_locked (Group * group, gint64 wanted, GstClockTime now, gboolean is_new)
{
  gint64 off = wanted - group->delay, step = 0;

  if (now > group->delay_set)
    step = (gint64) ((now - group->delay_set) / SLEW);
  if (ABS (off) < (gint64) JUMP_FROM)
    group->off_since = GST_CLOCK_TIME_NONE;
  else if (!GST_CLOCK_TIME_IS_VALID (group->off_since))
    group->off_since = now;
  /* Forwards: time never goes back. */
  if (!group->has_delay || (off > 0 && (is_new || (GST_CLOCK_TIME_IS_VALID (group->off_since) && now > group->off_since
                  && now - group->off_since > JUMP_AFTER)))) {
    group->delay = wanted;
    group->off_since = GST_CLOCK_TIME_NONE;
  } else {
    group->delay += CLAMP (off, -step, step);
  }
  group->has_delay = TRUE;
  group->delay_set = MAX (group->delay_set, now);
}

/* Where a frame belongs; that is where the jitter buffer has it when nothing better is known. */
static GstClockTime
find_place (GstLiveKitStreamTime * stream, GstClockTime pts, GstClockTime now, gint64 captured)
{
  Group *group;
  gint64 place = (gint64) pts, longest;
  guint n;

  g_mutex_lock (&stream->sync->lock);
  group = stream->group;
  n = group && stream->has_transit ? find_longest_locked (group, &longest) : 0;
  /* One that is left alone goes slowly back to where it would be. */
  if (n > 1 || (n == 1 && stream->was_in_sync)) {
    move_delay_locked (group, longest, now, !stream->was_in_sync);
    stream->was_in_sync = TRUE;
    /* What comes so late that a sink would drop it is shown as soon as it can be. */
    place = MAX (captured + group->delay, (gint64) now - (gint64) stream->sync->latency);
  }
  g_mutex_unlock (&stream->sync->lock);
  return (GstClockTime) MAX (place, 0);
}

GstBuffer *
gst_livekit_stream_time_place (GstLiveKitStreamTime * stream, GstBuffer * buffer, GstClockTime now, gboolean add_meta)
{
  GstClockTime pts = GST_BUFFER_PTS (buffer), place = pts;
  gboolean is_known;
  gint64 captured = 0;

  if (!GST_CLOCK_TIME_IS_VALID (pts))
    return buffer;
  g_mutex_lock (&stream->lock);
  is_known = find_captured_locked (stream, pts, &captured);
  if (is_known && GST_CLOCK_TIME_IS_VALID (now))
    place = find_place (stream, pts, now, captured);
  if (GST_CLOCK_TIME_IS_VALID (stream->last_out) && pts > stream->last_pts && place < stream->last_out + GST_MSECOND)
    place = stream->last_out + GST_MSECOND;
  stream->last_pts = pts;
  stream->last_out = place;
  stream->offset = GST_CLOCK_DIFF (pts, place);
  g_mutex_unlock (&stream->lock);
  if (place == pts && !(is_known && add_meta))
    return buffer;
  buffer = gst_buffer_make_writable (buffer);
  GST_BUFFER_PTS (buffer) = place;
  if (GST_BUFFER_DTS_IS_VALID (buffer))
    GST_BUFFER_DTS (buffer) = place;
  if (is_known && add_meta)
    add_capture_meta (buffer, captured);
  return buffer;
}

GstClockTimeDiff
gst_livekit_stream_time_get_offset (GstLiveKitStreamTime * stream)
{
  GstClockTimeDiff offset;

  g_mutex_lock (&stream->lock);
  offset = stream->offset;
  g_mutex_unlock (&stream->lock);
  return offset;
}
