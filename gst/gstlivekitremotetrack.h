/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitremotetrack: one subscribed track: from a pad of webrtcbin through depayloader and parser to a src pad that
 * the element shows. The pad outlives the stream: a rejoin brings the track a new one. */
#pragma once

#include <gst/gst.h>
#include "gstlivekitpeer.h"
#include "lkroster.h"

G_BEGIN_DECLS

typedef struct _GstLiveKitRemoteTrack GstLiveKitRemoteTrack;

typedef struct
{
  /* Shows a pad for the track: made, activated and added by the callee, until hide_pad or the stop. On a streaming or a
   * pool thread, with the track's stream lock held. @caps: what is known of the format. Returns a reference, or NULL:
   * the element is stopping. */
  GstPad *(*show_pad) (GstLiveKitRemoteTrack * track, const LkPublication * publication, GstCaps * caps,
      gpointer data);
  /* The track has ended and EOS has been pushed. The pad may be gone already, by the stop or for another of its
   * name. */
  void (*hide_pad) (GstLiveKitRemoteTrack * track, GstPad * pad, gpointer data);
} GstLiveKitRemoteTrackDelegate;

typedef enum
{
  GST_LIVEKIT_REMOTE_TRACK_RTP = 1 << 0,        /* packets are shown as they are, without depayloader */
  GST_LIVEKIT_REMOTE_TRACK_CAPTURE_TIME = 1 << 1,       /* buffers say when they were captured */
} GstLiveKitRemoteTrackFlags;

GstLiveKitRemoteTrack *gst_livekit_remote_track_new (GstElement * element, GstBin * host, LkLoop * loop,
    const LkPublication * publication, GstLiveKitSync * sync, GstLiveKitRemoteTrackFlags flags,
    const GstLiveKitRemoteTrackDelegate * delegate, gpointer data);
GstLiveKitRemoteTrack *gst_livekit_remote_track_ref (GstLiveKitRemoteTrack * track);
void gst_livekit_remote_track_unref (GstLiveKitRemoteTrack * track);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstLiveKitRemoteTrack, gst_livekit_remote_track_unref)

/* Room loop. */
const LkPublication *gst_livekit_remote_track_get_publication (GstLiveKitRemoteTrack * track);
/* The publication has changed, or is that of a new session. */
void gst_livekit_remote_track_set_publication_in_loop (GstLiveKitRemoteTrack * track,
    const LkPublication * publication);
/* Links a blocked pad from the peer and releases it. FALSE: the codec is none of ours. */
gboolean gst_livekit_remote_track_attach_in_loop (GstLiveKitRemoteTrack * track, GstLiveKitPeer * peer, GstPad * pad);
/* The stream is over, the track may go on with another. */
void gst_livekit_remote_track_detach_in_loop (GstLiveKitRemoteTrack * track);
/* The track has ended: EOS on its pad, then it is hidden; what comes later is dropped. */
void gst_livekit_remote_track_end_in_loop (GstLiveKitRemoteTrack * track);
/* Its element goes, although the track goes on: what comes later is dropped, and nobody uses element or pad when @left
 * (@data) has been called, on a pool thread. */
void gst_livekit_remote_track_leave_in_loop (GstLiveKitRemoteTrack * track, GDestroyNotify left, gpointer data);
/* At the stop, when the peer is down and nothing streams: frees the elements at once. Any thread. */
void gst_livekit_remote_track_dispose (GstLiveKitRemoteTrack * track);
gboolean gst_livekit_remote_track_is_attached_in_loop (GstLiveKitRemoteTrack * track);
/* Once in a while: shows a pad that has been waiting for data, and tells downstream that there is none. */
void gst_livekit_remote_track_tick_in_loop (GstLiveKitRemoteTrack * track);

/* Nothing will come for a while, muted or not: GAP events. TRUE: that is a change. */
gboolean gst_livekit_remote_track_set_silent_in_loop (GstLiveKitRemoteTrack * track, gboolean is_silent);
/* Not subscribed: the pad is there, with GAP events. TRUE: that is a change. A new track is not. */
gboolean gst_livekit_remote_track_set_subscribed_in_loop (GstLiveKitRemoteTrack * track, gboolean is_subscribed);
gboolean gst_livekit_remote_track_is_subscribed_in_loop (GstLiveKitRemoteTrack * track);
/* Whether nobody takes what the pad gives: it has not been linked for a while, or what it is linked to is flushing or
 * at EOS. */
gboolean gst_livekit_remote_track_is_idle_in_loop (GstLiveKitRemoteTrack * track);

/* Any thread. */
/* What webrtcbin's running time is ahead of the element's. */
void gst_livekit_remote_track_set_offset (GstLiveKitRemoteTrack * track, GstClockTimeDiff offset);
/* The pad has been linked: it may not be idle any more. */
void gst_livekit_remote_track_linked (GstLiveKitRemoteTrack * track);
gboolean gst_livekit_remote_track_is_shown (GstLiveKitRemoteTrack * track);
void gst_livekit_remote_track_want_key_frame (GstLiveKitRemoteTrack * track);
/* EOS on the pad although the track goes on (the pipeline is being ended). */
void gst_livekit_remote_track_push_eos_async (GstLiveKitRemoteTrack * track);

typedef struct
{
  guint64 n_frames, n_bytes, n_dropped, n_key_frames, n_key_frame_requests, n_gaps, n_recovered;
  gint held_back_ms;
} GstLiveKitRemoteTrackCounters;
void gst_livekit_remote_track_get_counters (GstLiveKitRemoteTrack * track, GstLiveKitRemoteTrackCounters * counters);

G_END_DECLS
