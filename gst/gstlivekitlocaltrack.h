/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitlocaltrack: one published track: gate, parser, payloader, and its place in room and peer.
 *
 * Encoded buffers come in by the streaming functions; what is published is decided on the room loop. */
#pragma once

#include <gst/gst.h>
#include "gstlivekitpeer.h"
#include "lkroom.h"

G_BEGIN_DECLS

typedef struct _GstLiveKitLocalTrack GstLiveKitLocalTrack;

/* What a pad's properties say; strings are copied. */
typedef struct
{
  gchar *name, *stream;         /* stream may be NULL */
  LkTrackSource source;
  gboolean muted, dtx;
  guint bitrate;                /* bit/s, 0 = unknown */
} GstLiveKitTrackSettings;

void gst_livekit_track_settings_clear (GstLiveKitTrackSettings * settings);

typedef struct
{
  /* Streaming thread: upstream shall make a key frame. Rate-limited. */
  void (*key_frame_wanted) (GstLiveKitLocalTrack * track, gpointer data);
  /* Streaming thread, once: H.264 with B frames. */
  void (*b_frames_seen) (GstLiveKitLocalTrack * track, gpointer data);
  /* Room loop: a format is known, so that the track can be published; again after each change of codec. */
  void (*format_known) (GstLiveKitLocalTrack * track, gpointer data);
  /* Room loop: published with @sid, or (NULL) not any more. */
  void (*published) (GstLiveKitLocalTrack * track, const gchar * sid, gpointer data);
  /* Room loop: the server refused it. */
  void (*failed) (GstLiveKitLocalTrack * track, const GError * error, gpointer data);
} GstLiveKitLocalTrackDelegate;

GstLiveKitLocalTrack *gst_livekit_local_track_new (const gchar * pad_name, LkTrackKind kind,
    const GstLiveKitLocalTrackDelegate * delegate, gpointer data);
GstLiveKitLocalTrack *gst_livekit_local_track_ref (GstLiveKitLocalTrack * track);
void gst_livekit_local_track_unref (GstLiveKitLocalTrack * track);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstLiveKitLocalTrack, gst_livekit_local_track_unref)
const gchar *gst_livekit_local_track_get_pad_name (GstLiveKitLocalTrack * track);

/* Application thread. start: elements are made in @host from now on (READY→PAUSED). stop: streaming functions answer
 * FLUSHING and whoever waits in them leaves; elements are freed. After stop, start works again. */
void gst_livekit_local_track_start (GstLiveKitLocalTrack * track, GstBin * host, LkLoop * loop);
void gst_livekit_local_track_flush (GstLiveKitLocalTrack * track, gboolean flushing);
void gst_livekit_local_track_stop (GstLiveKitLocalTrack * track);

/* Streaming thread. @is_live: whether upstream is live; what is not is paced by the clock. */
gboolean gst_livekit_local_track_set_caps (GstLiveKitLocalTrack * track, GstCaps * caps, gboolean is_live);
gboolean gst_livekit_local_track_push_event (GstLiveKitLocalTrack * track, GstEvent * event);
GstFlowReturn gst_livekit_local_track_push (GstLiveKitLocalTrack * track, GstBuffer * buffer);

/* Room loop. Announces the track (when its format is known) and opens a section; the caller negotiates. FALSE when there
 * is nothing to do. */
gboolean gst_livekit_local_track_publish_in_loop (GstLiveKitLocalTrack * track, LkRoom * room, GstLiveKitPeer * peer,
    const GstLiveKitTrackSettings * settings);
/* The peer or the session has gone, or the track shall go: closes the gate and the section. TRUE: an offer is needed. */
gboolean gst_livekit_local_track_unpublish_in_loop (GstLiveKitLocalTrack * track, LkRoom * room);
void gst_livekit_local_track_negotiated_in_loop (GstLiveKitLocalTrack * track, gboolean accepted);
/* Media may flow: the peer is connected (or not any more). @start_offset: how long after the clock's start that was. */
void gst_livekit_local_track_set_connected_in_loop (GstLiveKitLocalTrack * track, gboolean is_connected,
    GstClockTime start_offset);
void gst_livekit_local_track_set_published_in_loop (GstLiveKitLocalTrack * track, const gchar * sid);
void gst_livekit_local_track_set_muted_in_loop (GstLiveKitLocalTrack * track, LkRoom * room, gboolean muted);
gboolean gst_livekit_local_track_is_format_known_in_loop (GstLiveKitLocalTrack * track);
const gchar *gst_livekit_local_track_get_cid_in_loop (GstLiveKitLocalTrack * track);    /* NULL = not published */
const gchar *gst_livekit_local_track_get_sid_in_loop (GstLiveKitLocalTrack * track);
void gst_livekit_local_track_fail_in_loop (GstLiveKitLocalTrack * track, LkRoom * room, const GError * error);

/* Asks upstream for a key frame, at most every 150 ms. Any thread. */
void gst_livekit_local_track_want_key_frame (GstLiveKitLocalTrack * track);

/* Any thread: counters since start. */
typedef struct
{
  guint64 n_frames, n_bytes, n_dropped, n_key_frames, n_key_frame_requests;
  guint32 ssrc;
} GstLiveKitLocalTrackCounters;
void gst_livekit_local_track_get_counters (GstLiveKitLocalTrack * track, GstLiveKitLocalTrackCounters * counters);

G_END_DECLS
