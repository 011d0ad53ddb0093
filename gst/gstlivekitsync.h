/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitsync: when what came was captured, and how the tracks of a participant are kept together.
 *
 * A jitter buffer places a stream by the arrival of its packets, so that sound, which is made and sent faster than pictures,
 * comes out too early. Each stream tells here when, on the publisher's clock, its packets were captured: by the header extension
 * abs-capture-time, else by sender reports. Streams of one participant are then placed by their capture, as long after it as the one that
 * takes longest needs; streams that have no others to be in sync with stay where the jitter buffer has them. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* All streams of a session. */
typedef struct _GstLiveKitSync GstLiveKitSync;

GstLiveKitSync *gst_livekit_sync_new (void);
/* Of the jitter buffers: frames are not placed earlier than that before they came. */
void gst_livekit_sync_set_latency (GstLiveKitSync * sync, GstClockTime latency);
GstLiveKitSync *gst_livekit_sync_ref (GstLiveKitSync * sync);
void gst_livekit_sync_unref (GstLiveKitSync * sync);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstLiveKitSync, gst_livekit_sync_unref)

/* One RTP stream. Any thread. */
typedef struct _GstLiveKitStreamTime GstLiveKitStreamTime;

GstLiveKitStreamTime *gst_livekit_stream_time_new (GstLiveKitSync * sync, const gchar * participant);
GstLiveKitStreamTime *gst_livekit_stream_time_ref (GstLiveKitStreamTime * stream);
void gst_livekit_stream_time_unref (GstLiveKitStreamTime * stream);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstLiveKitStreamTime, gst_livekit_stream_time_unref)
/* The stream is over: others wait for it no longer. */
void gst_livekit_stream_time_end (GstLiveKitStreamTime * stream);

/* What a sender report says: an instant of NTP time (UQ32.32) as RTP time. The same one may be told again. */
void gst_livekit_stream_time_take_report (GstLiveKitStreamTime * stream, guint64 ntp, guint32 rtp);
/* A packet behind the jitter buffer, at running time @now. @capture_id: the id of the extension abs-capture-time, 0
 * = none. */
void gst_livekit_stream_time_take_packet (GstLiveKitStreamTime * stream, GstBuffer * packet, GstClockTime now,
    guint clock_rate, guint capture_id);
/* Takes a buffer that was made of such packets and is there at running time @now, and gives it the time at which it
 * belongs beside the participant's other streams; @add_meta: and the publisher's capture time as
 * GstReferenceTimestampMeta, if it is known (timestamp/x-ntp, in ns). */
GstBuffer *gst_livekit_stream_time_place (GstLiveKitStreamTime * stream, GstBuffer * buffer, GstClockTime now, gboolean add_meta);

/* By how much the last buffer was placed later than the jitter buffer had it, in ns. */
GstClockTimeDiff gst_livekit_stream_time_get_offset (GstLiveKitStreamTime * stream);

G_END_DECLS
