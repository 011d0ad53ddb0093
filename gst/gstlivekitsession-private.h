/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitsession-private: shared by gstlivekitsession.c (life), -users.c (whose it is), -peers.c, -room.c, -facts.c,
 * -publish.c, -tracks.c (what is subscribed to), -bandwidth.c and gstlivekitstats.c. */
#pragma once

#include "gstlivekitcore.h"
#include "gstlivekitsession.h"
#include "lkallocator.h"
#include "lktlsrelay.h"

G_BEGIN_DECLS

typedef struct
{
  GstBin *bin;                  /* not owned: it leaves before it goes; NULL: nobody has the role */
  GstLiveKitSessionDelegate delegate;
  gpointer data;
  guint latency_ms;
  GstLiveKitRemoteTrackFlags remote_track_flags;
} GstLiveKitSessionUser;

/* Between looks whether the last packets are out, and how many: 500 ms. */
#define GST_LIVEKIT_DRAIN_STEP_MS 5
#define GST_LIVEKIT_DRAIN_STEPS 100

/* The last livekit-bandwidth message of a direction. */
typedef struct
{
  gint64 told_us;
  guint estimate_bps;
  const gchar *limited_by;      /* constant */
} GstLiveKitBandwidthTold;

struct _GstLiveKitSession
{
  gatomicrefcount ref_count;

  /* constant after construction */
  GstLiveKitCore *core;         /* owned */
  GstElement *element;          /* the same, for logs */
  GstLiveKitRegistry *registry; /* owned, or NULL */

  /* constant while started */
  LkLoop *loop;
  GstLiveKitSessionSettings settings;   /* strings owned */

  /* application threads, one at a time: who has the turn */
  gboolean is_started;
  GstBin *members[GST_LIVEKIT_N_ROLES], *home;  /* not owned */
  gboolean is_playing[GST_LIVEKIT_N_ROLES];

  /* room loop only */
  GstLiveKitSessionUser users[GST_LIVEKIT_N_ROLES];
  GstClockTimeDiff offsets[GST_LIVEKIT_N_ROLES];        /* of the core's running time to theirs */
  LkRoom *room;
  GError *end_error;            /* what ended it */
  GstLiveKitPeer *publisher, *subscriber;       /* the same one in v1; NULL until joined */
  GPtrArray *relays;             /* LkTlsRelay of the peers' TURN servers, owned */
  gboolean is_single_peer, is_joined, is_stopping, was_connected;
  GstLiveKitConnectionState state;
  GstClockTime start_offset;    /* the publisher's running time when it could first send */
  GPtrArray *layers;            /* GstLiveKitLayer, owned: what there is to publish */
  GPtrArray *local_tracks;      /* GstLiveKitLocalTrack, owned: those layers by tracks */
  guint64 layer_timer, removal_timer;
  LkPermission permission;
  GstLiveKitSync *sync;
  GHashTable *remote_tracks;    /* track sid -> GstLiveKitRemoteTrack, owned */
  GHashTable *told_settings;    /* track sid -> LkTrackSettings as the server has them, owned */
  GPtrArray *orphans;           /* GstLiveKitRemoteTrack of the session before, owned */
  GHashTable *mid_to_track;     /* as the last description said */
  GHashTable *waiting_pads;     /* mid -> GstPad that came before its track was known, owned */
  gboolean reconcile_is_posted, latency_is_posted, no_more_tracks_told;
  gboolean subscriber_rests;    /* it is paused while the publisher plays: nothing shall come */
  guint64 tick, orphan_timer, latency_timer;
  gint64 restart_us;            /* when ICE was restarted because of silence, 0 = it was not */
  gboolean quiet_is_fine;       /* the path was proved although nothing came: nobody sends anything */
  gchar *server_url, *server_version, *server_region, *room_sid, *room_name, *room_metadata, *participant_sid;
  guint n_participants;
  gboolean active_recording;
  GstStructure *local_message;  /* what has been told of ourselves, or NULL */
  gint64 started_us, joined_us, connected_us, first_media_us;
  guint n_joins, n_dead_peers;
  LkAllocator *allocator;
  GstLiveKitLinkStatus up_status, down_status;
  GstLiveKitBandwidthTold up_told, down_told;

  /* stop_lock */
  GMutex stop_lock;
  GCond stop_changed;
  guint n_peers_closing, n_tracks_leaving;
  gboolean is_closed, is_turn_taken;

  gint is_over;                 /* atomic */

  /* OBJECT_LOCK of the core */
  GstStructure *stats;
};

GstLiveKitPeer *gst_livekit_session_peer_for_tracks (GstLiveKitSession * session, gboolean sending);
GstLiveKitSessionUser *gst_livekit_session_get_user (GstLiveKitSession * session, GstLiveKitRole role);
/* Takes @message. To all, or to the publisher. */
void gst_livekit_session_tell (GstLiveKitSession * session, GstStructure * message);
void gst_livekit_session_tell_publisher (GstLiveKitSession * session, GstStructure * message);
void gst_livekit_session_warn (GstLiveKitSession * session, const GError * error);
void gst_livekit_session_set_state_in_loop (GstLiveKitSession * session, GstLiveKitConnectionState state,
    const GError * reason, guint attempt, guint next_try_ms);

/* gstlivekitsession.c, application thread */
void gst_livekit_session_start (GstLiveKitSession * session, const GstLiveKitSessionSettings * settings);
gboolean gst_livekit_session_stop (GstLiveKitSession * session);

/* gstlivekitsession-room.c */
extern const LkRoomDelegate gst_livekit_session_room_delegate;
/* What @user would know if it had been here from the beginning. */
void gst_livekit_session_catch_up_in_loop (GstLiveKitSession * session, GstLiveKitSessionUser * user);
void gst_livekit_session_tell_room_info_in_loop (GstLiveKitSession * session);

/* gstlivekitsession-facts.c, room loop */
GstStructure *gst_livekit_session_make_participant_message (const gchar * action, const LkParticipant * participant,
    gboolean is_local);
void gst_livekit_session_tell_participant (GstLiveKitSession * session, const gchar * action,
    const LkParticipant * participant);
void gst_livekit_session_remember_local_in_loop (GstLiveKitSession * session, const LkParticipant * participant);
/* Tells what is new of ourselves. @before: what we were allowed to do. */
void gst_livekit_session_tell_local_in_loop (GstLiveKitSession * session, const LkParticipant * participant,
    const LkPermission * before);
void gst_livekit_session_on_connection_quality (LkRoom * room, const gchar * participant_sid, const gchar * quality,
    gfloat score, gpointer data);

/* gstlivekitsession-peers.c, room loop */
gboolean gst_livekit_session_make_peers_in_loop (GstLiveKitSession * session, const LkJoinInfo * info);
void gst_livekit_session_close_peers_in_loop (GstLiveKitSession * session);
gboolean gst_livekit_session_is_transport_up (GstLiveKitSession * session);
/* Every second or more often: restarts ICE when nothing comes any more. */
void gst_livekit_session_check_silence_in_loop (GstLiveKitSession * session);

void gst_livekit_session_set_latency_in_loop (GstLiveKitSession * session, guint latency_ms);

/* gstlivekitsession-publish.c, room loop */
/* The transport is up. */
void gst_livekit_session_note_start_in_loop (GstLiveKitSession * session);
/* Their element goes. */
void gst_livekit_session_drop_local_in_loop (GstLiveKitSession * session);
void gst_livekit_session_publish_all_in_loop (GstLiveKitSession * session);
void gst_livekit_session_unpublish_all_in_loop (GstLiveKitSession * session);
void gst_livekit_session_connected_in_loop (GstLiveKitSession * session, gboolean is_connected);
void gst_livekit_session_unpublish_in_loop (GstLiveKitSession * session, GstLiveKitLocalTrack * track);
/* The right to publish has come back. */
void gst_livekit_session_allow_all_in_loop (GstLiveKitSession * session);
GstLiveKitLocalTrack *gst_livekit_session_find_local (GstLiveKitSession * session, const gchar * cid,
    const gchar * sid);
/* Sets all pads of @track to what the room has made of it. */
void gst_livekit_session_tell_muted_in_loop (GstLiveKitSession * session, GstLiveKitLocalTrack * track, gboolean muted);

/* gstlivekitsession-tracks.c, room loop */
/* Their element goes. Tracks that were shown have let go of it when @left (@data) has been called for each of them. */
guint gst_livekit_session_drop_remote_in_loop (GstLiveKitSession * session, GDestroyNotify left, gpointer data);
/* Of the core's running time to that of the role's element. */
void gst_livekit_session_set_offset_in_loop (GstLiveKitSession * session, GstLiveKitRole role, GstClockTimeDiff offset);
void gst_livekit_session_reconcile_later (GstLiveKitSession * session);
/* The right to subscribe has come back. */
void gst_livekit_session_subscribe_again_in_loop (GstLiveKitSession * session);
/* Nothing comes on a subscribed track, although it is not muted: its pad gets GAP events. */
void gst_livekit_session_set_silent_in_loop (GstLiveKitSession * session, const LkPublication * publication,
    gboolean is_silent, const gchar * action);
void gst_livekit_session_tracks_mapped_in_loop (GstLiveKitSession * session, GHashTable * mid_to_track);
void gst_livekit_session_pad_added_in_loop (GstLiveKitSession * session, GstLiveKitPeer * peer, GstPad * pad,
    const gchar * mid);
void gst_livekit_session_orphan_all_in_loop (GstLiveKitSession * session);
void gst_livekit_session_end_all_in_loop (GstLiveKitSession * session);
void gst_livekit_session_tick_tracks_in_loop (GstLiveKitSession * session);
GstStructure *gst_livekit_session_track_message (const gchar * action, const LkPublication * publication);
void gst_livekit_session_tell_track (GstLiveKitSession * session, const gchar * action,
    const LkPublication * publication);

/* gstlivekitsession-bandwidth.c, room loop. Ten times a second. */
void gst_livekit_session_tick_bandwidth_in_loop (GstLiveKitSession * session);
/* Somebody has come who does not know yet: the next messages are due. */
void gst_livekit_session_tell_bandwidth_again_in_loop (GstLiveKitSession * session);
void gst_livekit_session_add_bandwidth_stats (GstLiveKitSession * session, GstStructure * stats);

/* gstlivekitstats.c, room loop */
void gst_livekit_session_update_stats_in_loop (GstLiveKitSession * session);

G_END_DECLS
