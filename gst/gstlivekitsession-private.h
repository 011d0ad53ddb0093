/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitsession-private: shared by gstlivekitsession.c (life), -peers.c, -room.c, -tracks.c (both directions' tracks) and
 * gstlivekitstats.c. */
#pragma once

#include "gstlivekitsession.h"
#include "lktlsrelay.h"

G_BEGIN_DECLS

struct _GstLiveKitSession
{
  gatomicrefcount ref_count;

  /* constant after construction */
  GstBin *host;                 /* not owned: it stops and frees us */
  GstElement *element;          /* the same, as element */
  GstLiveKitSessionDelegate delegate;
  gpointer delegate_data;

  /* constant while started */
  LkLoop *loop;
  GstLiveKitSessionSettings settings;   /* strings owned */

  /* room loop only */
  LkRoom *room;
  GstLiveKitPeer *publisher, *subscriber;       /* the same one in v1; NULL until joined */
  GPtrArray *relays;             /* LkTlsRelay of the peers' TURN servers, owned */
  gboolean is_single_peer, is_joined, is_stopping, was_connected;
  GstLiveKitConnectionState state;
  GstClockTime start_offset;    /* running time of the first connection */
  GPtrArray *layers;            /* GstLiveKitLayer, owned: what there is to publish */
  GPtrArray *local_tracks;      /* GstLiveKitLocalTrack, owned: those layers by tracks */
  guint64 layer_timer, removal_timer;
  LkPermission permission;
  GHashTable *remote_tracks;    /* track sid -> GstLiveKitRemoteTrack, owned */
  GHashTable *told_settings;    /* track sid -> LkTrackSettings as the server has them, owned */
  GPtrArray *orphans;           /* GstLiveKitRemoteTrack of the session before, owned */
  GHashTable *mid_to_track;     /* as the last description said */
  GHashTable *waiting_pads;     /* mid -> GstPad that came before its track was known, owned */
  gboolean reconcile_is_posted, latency_is_posted, no_more_tracks_told;
  guint64 tick, orphan_timer, latency_timer;
  gint64 restart_us;            /* when ICE was restarted because of silence, 0 = it was not */
  gboolean quiet_is_fine;       /* the path was proved although nothing came: nobody sends anything */
  gchar *server_url, *server_version, *server_region, *room_sid, *room_name, *room_metadata, *participant_sid;
  guint n_participants;
  gint64 started_us, joined_us, connected_us, first_media_us;
  guint n_joins, n_dead_peers;

  /* stop_lock */
  GMutex stop_lock;
  GCond stop_changed;
  guint n_peers_closing;
  gboolean is_closed;

  /* OBJECT_LOCK of the host */
  GstStructure *stats;
};

GstLiveKitPeer *gst_livekit_session_peer_for_tracks (GstLiveKitSession * session, gboolean sending);
void gst_livekit_session_tell (GstLiveKitSession * session, GstStructure * message);
void gst_livekit_session_set_state_in_loop (GstLiveKitSession * session, GstLiveKitConnectionState state,
    const GError * reason, guint attempt, guint next_try_ms);

/* gstlivekitsession-room.c */
extern const LkRoomDelegate gst_livekit_session_room_delegate;

/* gstlivekitsession-peers.c, room loop */
gboolean gst_livekit_session_make_peers_in_loop (GstLiveKitSession * session, const LkJoinInfo * info);
void gst_livekit_session_close_peers_in_loop (GstLiveKitSession * session);
gboolean gst_livekit_session_is_transport_up (GstLiveKitSession * session);
/* Every second or more often: restarts ICE when nothing comes any more. */
void gst_livekit_session_check_silence_in_loop (GstLiveKitSession * session);

/* gstlivekitsession-tracks.c, room loop */
void gst_livekit_session_reconcile_later (GstLiveKitSession * session);
void gst_livekit_session_publish_all_in_loop (GstLiveKitSession * session);
void gst_livekit_session_unpublish_all_in_loop (GstLiveKitSession * session);
void gst_livekit_session_connected_in_loop (GstLiveKitSession * session, gboolean is_connected);
void gst_livekit_session_unpublish_in_loop (GstLiveKitSession * session, GstLiveKitLocalTrack * track);
/* The right to publish, or to subscribe, has come back. */
void gst_livekit_session_allow_all_in_loop (GstLiveKitSession * session);
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
GstLiveKitLocalTrack *gst_livekit_session_find_local (GstLiveKitSession * session, const gchar * cid,
    const gchar * sid);
/* Sets all pads of @track to what the room has made of it. */
void gst_livekit_session_tell_muted_in_loop (GstLiveKitSession * session, GstLiveKitLocalTrack * track, gboolean muted);
void gst_livekit_session_tell_track (GstLiveKitSession * session, const gchar * action,
    const LkPublication * publication);

/* gstlivekitstats.c, room loop */
void gst_livekit_session_update_stats_in_loop (GstLiveKitSession * session);

G_END_DECLS
