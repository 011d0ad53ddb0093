/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitlayer: what one sink pad feeds: gate, parser, payloader. A track has one, or one for each simulcast
 * quality.
 *
 * Encoded buffers come in by the streaming functions; the track decides on the room loop what becomes of them. */
#pragma once

#include <gst/gst.h>
#include "gstlivekitaligner.h"
#include "gstlivekitcodec.h"
#include "gstlivekitshare.h"
#include "lkloop.h"

G_BEGIN_DECLS

typedef struct _GstLiveKitLayer GstLiveKitLayer;

/* Spatial layers in one stream that LiveKit tells apart. */
#define GST_LIVEKIT_LAYER_MAX_SPATIAL 3

typedef struct
{
  /* Any thread: upstream shall make a key frame. Rate-limited. */
  void (*key_frame_wanted) (GstLiveKitLayer * layer, gpointer data);
  /* Streaming thread: something in the stream will not do. @text is for people, @debug says what to change. */
  void (*warning) (GstLiveKitLayer * layer, const gchar * text, const gchar * debug, gpointer data);
  /* Room loop: a format is known, so that the layer can be published; again after each change of codec. */
  void (*format_known) (GstLiveKitLayer * layer, gpointer data);
  /* Room loop: frames of another size come, or the size is known now: not all caps have it. */
  void (*size_changed) (GstLiveKitLayer * layer, gpointer data);
  /* Room loop: published as part of the track @sid, or (NULL) not any more. */
  void (*published) (GstLiveKitLayer * layer, const gchar * sid, gpointer data);
  /* Room loop: whether what comes in is sent on: it is published, somebody watches, and the link has room. */
  void (*active_changed) (GstLiveKitLayer * layer, gboolean is_active, gpointer data);
  /* Room loop: upstream may make so many bit/s (0 = none, GST_LIVEKIT_TARGET_FREE). TRUE when somebody obeys. */
  gboolean (*target_changed) (GstLiveKitLayer * layer, guint bps, gpointer data);
  /* Room loop: it is not published, and why. */
  void (*failed) (GstLiveKitLayer * layer, const GError * error, gpointer data);
} GstLiveKitLayerDelegate;

GstLiveKitLayer *gst_livekit_layer_new (const gchar * pad_name, LkTrackKind kind,
    const GstLiveKitLayerDelegate * delegate, gpointer data);
GstLiveKitLayer *gst_livekit_layer_ref (GstLiveKitLayer * layer);
void gst_livekit_layer_unref (GstLiveKitLayer * layer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstLiveKitLayer, gst_livekit_layer_unref)
const gchar *gst_livekit_layer_get_pad_name (GstLiveKitLayer * layer);
LkTrackKind gst_livekit_layer_get_kind (GstLiveKitLayer * layer);

/* Application thread. start: elements are made in @host from now on (READY→PAUSED). stop: streaming functions answer
 * FLUSHING and whoever waits in them leaves; elements are freed. After stop, start works again. */
void gst_livekit_layer_start (GstLiveKitLayer * layer, GstBin * host, LkLoop * loop);
void gst_livekit_layer_flush (GstLiveKitLayer * layer, gboolean flushing);
void gst_livekit_layer_stop (GstLiveKitLayer * layer);

typedef struct
{
  gboolean is_live;             /* upstream is; what is not is paced by the clock */
  gboolean has_red;             /* Opus is sent with redundancy */
  gboolean measures_level;      /* of sound that does not say how loud it is */
} GstLiveKitLayerInput;

/* Streaming thread. set_caps: FALSE when they cannot be sent; after a stop they go nowhere, as all that still comes. */
gboolean gst_livekit_layer_set_caps (GstLiveKitLayer * layer, GstCaps * caps, const GstLiveKitLayerInput * input);
gboolean gst_livekit_layer_push_event (GstLiveKitLayer * layer, GstEvent * event);
GstFlowReturn gst_livekit_layer_push (GstLiveKitLayer * layer, GstBuffer * buffer);

/* What it carries now. @src_pad is not owned, and valid while the layer is attached. */
typedef struct
{
  const GstLiveKitCodec *codec;
  guint width, height;
  guint n_spatial_layers;       /* in one stream (SVC), at least 1 */
  guint n_channels;             /* as the caps say, 0 = nothing */
  guint bitrate;                /* bit/s of tags, else measured, 0 = unknown */
  guint32 ssrc;
  GstPad *src_pad;              /* RTP */
} GstLiveKitLayerFormat;

/* Room loop, by the session: whether it has the layer. What was posted on the loop and comes later does not reach the
 * delegate, whose element may be gone while the session goes on. */
void gst_livekit_layer_set_listed_in_loop (GstLiveKitLayer * layer, gboolean is_listed);
/* Its stream has ended, and no other has begun. */
void gst_livekit_layer_set_ended_in_loop (GstLiveKitLayer * layer, gboolean is_ended);
gboolean gst_livekit_layer_is_ended_in_loop (GstLiveKitLayer * layer);

/* Room loop, by the track. attach holds on to the present format, and tells it; FALSE when there is none yet. The
 * packets carry @rid and @mid when it is not NULL, and where it helps that they are of layer @slot. */
gboolean gst_livekit_layer_get_format_in_loop (GstLiveKitLayer * layer, GstLiveKitLayerFormat * format);
gboolean gst_livekit_layer_attach_in_loop (GstLiveKitLayer * layer, const gchar * mid, const gchar * rid, guint slot,
    GstLiveKitLayerFormat * format);
/* Silence that the encoder has marked is not sent. While attached. */
void gst_livekit_layer_set_dtx_in_loop (GstLiveKitLayer * layer, gboolean dtx);
/* The layers of one track are sent together. NULL = alone; so it is after detach. */
void gst_livekit_layer_set_aligner_in_loop (GstLiveKitLayer * layer, GstLiveKitAligner * aligner, guint slot);
void gst_livekit_layer_detach_in_loop (GstLiveKitLayer * layer);
gboolean gst_livekit_layer_is_attached_in_loop (GstLiveKitLayer * layer);
/* The format has changed since it was attached. */
gboolean gst_livekit_layer_is_outdated_in_loop (GstLiveKitLayer * layer);
/* Media may flow. @start_offset: how long after the clock's start that was so first. */
void gst_livekit_layer_set_open_in_loop (GstLiveKitLayer * layer, gboolean is_open, GstClockTime start_offset);
void gst_livekit_layer_set_muted_in_loop (GstLiveKitLayer * layer, gboolean muted);
/* The room takes no redundancy: the format changes to Opus alone when more comes in. FALSE: there is none to leave
 * out. */
gboolean gst_livekit_layer_refuse_red_in_loop (GstLiveKitLayer * layer);
void gst_livekit_layer_set_watched_in_loop (GstLiveKitLayer * layer, gboolean watched);
/* It is open, watched and not muted, so that only the link may keep it from being sent. */
gboolean gst_livekit_layer_wants_to_send_in_loop (GstLiveKitLayer * layer);
GstLiveKitShare *gst_livekit_layer_get_share (GstLiveKitLayer * layer);
/* What the link has for it. */
void gst_livekit_layer_set_share_in_loop (GstLiveKitLayer * layer, const LkAllocatorShare * given, gboolean is_limited);
guint gst_livekit_layer_get_tagged_bitrate (GstLiveKitLayer * layer);   /* 0 = unknown */
void gst_livekit_layer_tell_published_in_loop (GstLiveKitLayer * layer, const gchar * sid);
void gst_livekit_layer_tell_failed_in_loop (GstLiveKitLayer * layer, const GError * error);

/* Asks upstream for a key frame, at most every 150 ms. Any thread. */
void gst_livekit_layer_want_key_frame (GstLiveKitLayer * layer);

/* Any thread: counters since start. */
typedef struct
{
  guint64 n_frames, n_bytes, n_dropped, n_key_frames, n_key_frame_requests;
  guint32 ssrc;
  guint width, height;
  guint latency_us;             /* to the socket or the link's queue: mean of the last frames of live input; 0 = none was sent */
  gboolean is_active;
} GstLiveKitLayerCounters;
void gst_livekit_layer_get_counters (GstLiveKitLayer * layer, GstLiveKitLayerCounters * counters);

G_END_DECLS
