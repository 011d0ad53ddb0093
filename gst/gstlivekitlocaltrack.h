/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitlocaltrack: one published track: its layers, and their place in room and peer.
 *
 * Room loop only. */
#pragma once

#include "gstlivekitlayer.h"
#include "gstlivekitpeer.h"
#include "lkroom.h"

G_BEGIN_DECLS

typedef struct _GstLiveKitLocalTrack GstLiveKitLocalTrack;

/* What a pad's properties say; strings are copied. */
typedef struct
{
  gchar *name, *stream;         /* stream may be NULL */
  gchar *group;                 /* pads of one kind and group are layers of one track; NULL = this pad is a track */
  LkTrackSource source;
  gboolean muted, dtx;
  guint bitrate;                /* bit/s, 0 = unknown */
} GstLiveKitTrackSettings;

void gst_livekit_track_settings_clear (GstLiveKitTrackSettings * settings);

/* Fills in what the pad of @layer says; the caller clears it. */
typedef void (*GstLiveKitTrackSettingsFunc) (GstLiveKitLayer * layer, GstLiveKitTrackSettings * settings,
    gpointer data);

GstLiveKitLocalTrack *gst_livekit_local_track_new (LkLoop * loop, GstElement * element, LkTrackKind kind,
    const gchar * group, GstLiveKitTrackSettingsFunc get_settings, gpointer data);
void gst_livekit_local_track_free (GstLiveKitLocalTrack * track);
gboolean gst_livekit_local_track_is_group (GstLiveKitLocalTrack * track, LkTrackKind kind, const gchar * group);

void gst_livekit_local_track_add_layer (GstLiveKitLocalTrack * track, GstLiveKitLayer * layer);
/* Its packets stop; the others go on. */
void gst_livekit_local_track_remove_layer (GstLiveKitLocalTrack * track, GstLiveKitLayer * layer);
gboolean gst_livekit_local_track_has_layer (GstLiveKitLocalTrack * track, GstLiveKitLayer * layer);
guint gst_livekit_local_track_get_n_layers (GstLiveKitLocalTrack * track);
GstLiveKitLayer *gst_livekit_local_track_get_layer (GstLiveKitLocalTrack * track, guint i);

typedef enum
{
  GST_LIVEKIT_PUBLISH_NOTHING,  /* nothing to do, or it failed */
  GST_LIVEKIT_PUBLISH_LATER,    /* some layers have no format yet: again when they have, or after a while */
  GST_LIVEKIT_PUBLISH_OFFER,    /* announced: make an offer */
} GstLiveKitPublishResult;

/* How long layers are waited for when another one of the track has a format. */
#define GST_LIVEKIT_LAYER_WAIT_MS 2000

/* Announces the track and opens a section. */
GstLiveKitPublishResult gst_livekit_local_track_publish (GstLiveKitLocalTrack * track, LkRoom * room,
    GstLiveKitPeer * peer);
/* A layer that was not there when the track was published has a format now. FALSE: publish it all again. */
gboolean gst_livekit_local_track_admit (GstLiveKitLocalTrack * track, GstLiveKitLayer * layer);
/* The peer or the session has gone, or the track shall go: closes the gates and the section. TRUE: an offer is
 * needed. */
gboolean gst_livekit_local_track_unpublish (GstLiveKitLocalTrack * track, LkRoom * room);
gboolean gst_livekit_local_track_is_published (GstLiveKitLocalTrack * track);
/* The server has ended it: not published again until it may be. TRUE: that is a change. */
gboolean gst_livekit_local_track_set_forbidden (GstLiveKitLocalTrack * track, gboolean forbidden);
/* The room has another codec in place of ours, which nobody would get: it fails, and is not published again before its
 * codec changes. FALSE: @mime_type is ours. */
gboolean gst_livekit_local_track_refuse_codec (GstLiveKitLocalTrack * track, LkRoom * room, const gchar * mime_type);
void gst_livekit_local_track_set_negotiated (GstLiveKitLocalTrack * track, gboolean accepted);
/* Media may flow: the peer is connected (or not any more). @start_offset: how long after the clock's start that was. */
void gst_livekit_local_track_set_connected (GstLiveKitLocalTrack * track, gboolean is_connected,
    GstClockTime start_offset);
void gst_livekit_local_track_set_published (GstLiveKitLocalTrack * track, const gchar * sid);
void gst_livekit_local_track_set_muted (GstLiveKitLocalTrack * track, LkRoom * room, gboolean muted);
/* Dynacast: which qualities somebody watches. */
void gst_livekit_local_track_set_watched (GstLiveKitLocalTrack * track, const LkCodecQuality * codecs, guint n_codecs);
/* Tells the room the size of the largest layer. */
void gst_livekit_local_track_tell_size (GstLiveKitLocalTrack * track, LkRoom * room);
/* Layers that somebody watches, from small to large, with bit/s that upstream says each has (0 = unknown), into
 * arrays of GST_LIVEKIT_MAX_LAYERS; how many. */
guint gst_livekit_local_track_get_senders (GstLiveKitLocalTrack * track, GstLiveKitLayer ** layers, guint * nominal);
const gchar *gst_livekit_local_track_get_cid (GstLiveKitLocalTrack * track);    /* NULL = not published */
const gchar *gst_livekit_local_track_get_sid (GstLiveKitLocalTrack * track);
void gst_livekit_local_track_fail (GstLiveKitLocalTrack * track, LkRoom * room, const GError * error);

G_END_DECLS
