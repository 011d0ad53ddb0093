/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitremotetrack-private: what the files of a remote track share: gstlivekitremotetrack.c has its stream,
 * -jobs.c what is pushed without one. */
#pragma once

#include "gstlivekitremotetrack.h"

G_BEGIN_DECLS

struct _GstLiveKitRemoteTrack
{
  gatomicrefcount ref_count;

  /* constant after construction */
  GstElement *element;          /* not owned: whose pad it is; stops the session before it goes */
  GstBin *host;                 /* not owned */
  LkLoop *loop;
  LkTrackKind kind;
  GstLiveKitSync *sync;
  GstLiveKitRemoteTrackFlags flags;
  GstLiveKitRemoteTrackDelegate delegate;
  gpointer delegate_data;
  GstPad *outlet;               /* parentless sink pad behind the parser; its stream lock orders all that is pushed */
  gint64 made_us;

  /* room loop only */
  GstLiveKitPeer *peer;
  GstPad *stream_pad;           /* of webrtcbin */
  GstElement *bin;

  /* lock; never held while calling out */
  GMutex lock;
  LkPublication *publication;
  gint64 last_key_frame_request_us;
  GstLiveKitRemoteTrackCounters counters;
  gboolean job_is_running, is_silent, is_subscribed, key_frame_is_due;
  gint64 waits_since_us;        /* for the first frame of the stream, 0 = it came */
  gint64 refused_us;            /* since when downstream has taken nothing, 0 = it does */
  GstPad *pad;                  /* as shown, or NULL; owned, and until it is hidden the element's, too */
  GstClockTimeDiff offset;      /* of webrtcbin's running time to the element's */
  gboolean has_ended;
  GstLiveKitStreamTime *time;   /* of the stream, NULL = none */

  /* stream lock of the outlet */
  gboolean needs_key_frame, has_segment, got_data, is_filled;
  gboolean needs_events;        /* downstream was flushed: it has forgotten what it knew */
  GstClockTime position;        /* running time of what downstream has got */
  GstClockTime last_pts;
};

/* Constant. */
gboolean gst_livekit_remote_track_is_rtp (GstLiveKitRemoteTrack * track);
/* Any thread: a reference to the pad as shown, or NULL. */
GstPad *gst_livekit_remote_track_ref_pad (GstLiveKitRemoteTrack * track);

/* With the stream lock of the outlet. ensure_shown: a reference to the pad; NULL: the track has ended. */
void gst_livekit_remote_track_end_pad (GstLiveKitRemoteTrack * track, GstPad * pad);
GstPad *gst_livekit_remote_track_ensure_shown (GstLiveKitRemoteTrack * track, GstCaps * caps);
void gst_livekit_remote_track_ensure_segment (GstLiveKitRemoteTrack * track, GstPad * pad);
void gst_livekit_remote_track_ensure_events (GstLiveKitRemoteTrack * track, GstPad * pad);
/* What downstream made of the last that it got. */
void gst_livekit_remote_track_note_flow (GstLiveKitRemoteTrack * track, GstPad * pad, GstFlowReturn flow);

G_END_DECLS
