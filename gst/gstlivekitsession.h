/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitsession: one participant in a room: the room, its peers, and the tracks of both directions.
 *
 * One element publishes in it, one subscribes, or one of them alone. Each may come and go; the last one that leaves
 * ends it. Its webrtcbins are in a bin that is a child of one of the two, the tracks of each direction are children of
 * its element. */
#pragma once

#include <gst/gst.h>
#include "gstlivekitenums.h"
#include "gstlivekitlocaltrack.h"
#include "gstlivekitremotetrack.h"
#include "lkroom.h"

G_BEGIN_DECLS

typedef struct _GstLiveKitSession GstLiveKitSession;
typedef struct _GstLiveKitRegistry GstLiveKitRegistry;

typedef enum
{
  GST_LIVEKIT_ROLE_PUBLISHER,
  GST_LIVEKIT_ROLE_SUBSCRIBER,
  GST_LIVEKIT_N_ROLES
} GstLiveKitRole;

typedef struct
{
  LkRoomSettings room;
  gboolean relay_only;
  const gchar *stun_server;     /* in place of the server's; NULL = those */
  const gchar *const *turn_servers;     /* the same; turn: or turns: URIs with credentials */
  guint latency_ms;             /* of the subscriber, as the next */
  GstLiveKitRemoteTrackFlags remote_track_flags;
} GstLiveKitSessionSettings;

void gst_livekit_session_settings_copy (GstLiveKitSessionSettings * to, const GstLiveKitSessionSettings * from);
void gst_livekit_session_settings_clear (GstLiveKitSessionSettings * settings);

typedef enum
{
  GST_LIVEKIT_INTEREST_NONE,
  GST_LIVEKIT_INTEREST_SHOWN,   /* a pad, but nothing is to come on it */
  GST_LIVEKIT_INTEREST_SUBSCRIBED,
} GstLiveKitInterest;

/* Room loop, no lock held, unless said otherwise. */
typedef struct
{
  /* @reason: why, or NULL. attempt and next_try_ms while reconnecting. FAILED is said with the error that ended it. */
  void (*state_changed) (GstLiveKitSession * session, GstLiveKitConnectionState state, const GError * reason,
      guint attempt, guint next_try_ms, gpointer data);
  void (*joined) (GstLiveKitSession * session, const gchar * room, const gchar * identity, gpointer data);
  void (*room_info_changed) (GstLiveKitSession * session, const GstStructure * info, gpointer data);
  /* An element message; takes @structure. */
  void (*message) (GstLiveKitSession * session, GstStructure * structure, gpointer data);
  /* A warning: one track is lost, others run. */
  void (*warning) (GstLiveKitSession * session, const GError * error, gpointer data);

  /* Publishing; NULL where nothing is published. */
  void (*get_track_settings) (GstLiveKitSession * session, GstLiveKitLayer * layer,
      GstLiveKitTrackSettings * settings, gpointer data);
  void (*track_muted) (GstLiveKitSession * session, GstLiveKitLayer * layer, gboolean muted, gpointer data);

  /* Subscribing; NULL where nothing is shown. */
  /* All LkPublications that there are to choose from; comes before choose() is asked about each. */
  void (*tracks_listed) (GstLiveKitSession * session, const GPtrArray * publications, gpointer data);
  GstLiveKitInterest (*choose) (GstLiveKitSession * session, const LkPublication * publication, gpointer data);
  /* What to ask the server for; filled with what it does by itself. */
  void (*get_quality) (GstLiveKitSession * session, const LkPublication * publication, LkTrackSettings * settings,
      gpointer data);
  void (*tracks_known) (GstLiveKitSession * session, guint n_waiting, gpointer data);
  void (*track_changed) (GstLiveKitSession * session, GstLiveKitRemoteTrack * track,
      const LkPublication * publication, gpointer data);
  GstLiveKitRemoteTrackDelegate remote_track;   /* the same @data */
} GstLiveKitSessionDelegate;

/* @registry: where others find it, or NULL. */
GstLiveKitSession *gst_livekit_session_new (GstLiveKitRegistry * registry);
GstLiveKitSession *gst_livekit_session_ref (GstLiveKitSession * session);
void gst_livekit_session_unref (GstLiveKitSession * session);   /* the last one after the last leave */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstLiveKitSession, gst_livekit_session_unref)

/* Application thread. @element takes the role, which nobody has: the first one's settings start the session, a later
 * one is told by its delegate how things are. Neither waits for the network. FALSE: the session's token does not allow
 * it, and the role is given back. The last leave says goodbye (500 ms at most), takes the peers down and ends the loop;
 * any takes less than two seconds, and no callback comes after it. FALSE: something was stuck and had to be left
 * behind. */
gboolean gst_livekit_session_enter (GstLiveKitSession * session, GstLiveKitRole role, GstBin * element,
    const GstLiveKitSessionDelegate * delegate, gpointer data, const GstLiveKitSessionSettings * settings,
    GError ** error);
gboolean gst_livekit_session_leave (GstLiveKitSession * session, GstLiveKitRole role);
/* PAUSED to PLAYING, and back. Paused at first. */
void gst_livekit_session_set_playing (GstLiveKitSession * session, GstLiveKitRole role, gboolean is_playing);

/* Room loop. The format of a layer has become known, or another one; its frames have another size. */
void gst_livekit_session_format_known_in_loop (GstLiveKitSession * session, GstLiveKitLayer * layer);
void gst_livekit_session_size_changed_in_loop (GstLiveKitSession * session, GstLiveKitLayer * layer);

/* Any thread. */
LkLoop *gst_livekit_session_get_loop (GstLiveKitSession * session);
void gst_livekit_session_add_layer (GstLiveKitSession * session, GstLiveKitLayer * layer);
void gst_livekit_session_remove_layer (GstLiveKitSession * session, GstLiveKitLayer * layer);
/* Its stream has ended: removed when what waits for the link is out, unless it is added again before. */
void gst_livekit_session_end_layer (GstLiveKitSession * session, GstLiveKitLayer * layer);
/* All streams have ended: when what waits for the link is out, unpublishes what there is, then runs @done (@data) on
 * the loop. */
void gst_livekit_session_finish (GstLiveKitSession * session, LkLoopFunc done, gpointer data, GDestroyNotify destroy);
void gst_livekit_session_set_muted (GstLiveKitSession * session, GstLiveKitLayer * layer, gboolean muted);
void gst_livekit_session_update_choice (GstLiveKitSession * session);   /* choose or get_quality, or a pad was linked */
void gst_livekit_session_push_eos (GstLiveKitSession * session);        /* on all pads of remote tracks */
void gst_livekit_session_recalculate_latency (GstLiveKitSession * session);
void gst_livekit_session_child_failed (GstLiveKitSession * session, const gchar * why);
gboolean gst_livekit_session_is_over (GstLiveKitSession * session);     /* it has ended by itself */
void gst_livekit_session_set_reconnect_timeout (GstLiveKitSession * session, guint timeout_ms);
void gst_livekit_session_update_participant (GstLiveKitSession * session, const gchar * name, const gchar * metadata,
    GHashTable * attributes);
GstStructure *gst_livekit_session_get_stats (GstLiveKitSession * session);      /* the last snapshot, at most 1 s old */

G_END_DECLS
