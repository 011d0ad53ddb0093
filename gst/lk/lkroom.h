/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkroom: one participant's stay in a room, as far as signalling goes: the state machine over token source, signal
 * client and roster. Knows no media: descriptions and candidates pass through as text, and the owner tells it how
 * the transport does.
 *
 * Everything here happens on the room loop, callbacks included. A callback may call any function of the room but
 * free. */
#pragma once

#include "lkloop.h"
#include "lkroster.h"
#include "lktokensource.h"

G_BEGIN_DECLS

typedef struct _LkRoom LkRoom;

typedef enum
{
  LK_ROOM_IDLE,
  LK_ROOM_FETCHING_TOKEN,
  LK_ROOM_CONNECTING,           /* websocket under way, or waiting for the next try of the first join */
  LK_ROOM_JOINED,
  LK_ROOM_RESUMING,             /* same session, new websocket */
  LK_ROOM_REJOINING,            /* new session */
  LK_ROOM_LEAVING,
  LK_ROOM_CLOSED,
} LkRoomState;
const gchar *lk_room_state_name (LkRoomState state);

typedef enum { LK_TARGET_PUBLISHER = 0, LK_TARGET_SUBSCRIBER = 1 } LkSignalTarget;

typedef struct
{
  const gchar *server_url;      /* as interface §2; NULL = what the token source says, else ws://127.0.0.1:7880 */
  LkTokenSource *token_source;
  const gchar *room, *identity, *name, *metadata;       /* any may be NULL */
  GHashTable *attributes;       /* string to string, or NULL */
  const LkHttpSettings *http;   /* NULL = defaults */
  const gchar *client_version;  /* "x.y.z" of this project */
  gboolean needs_publish, needs_subscribe;      /* a token without the grant is an LK_ERROR_PERMISSION */
  guint join_timeout_ms;        /* until the transport is up; 0 = for ever */
  guint reconnect_timeout_ms;   /* 0 = for ever */
} LkRoomSettings;

typedef struct { gchar **urls; gchar *username, *credential; } LkIceServer;     /* urls: stun:, turn:, turns: */

/* What a join (or rejoin) brought. Valid during the callback. */
typedef struct
{
  gboolean is_rejoin;
  gboolean is_single_peer;      /* v1: one peer, we make every offer. Else v0 */
  gboolean subscriber_primary;  /* v0: the server offers first; else offer the publisher peer at once */
  gboolean fast_publish;        /* v0: offer the publisher peer at once, too */
  gboolean force_relay;
  const LkIceServer *ice_servers;
  guint n_ice_servers;
  const gchar *server_url;      /* clean, for room-info and to find out whether the server is on this machine */
  gboolean server_is_loopback;  /* the address that the websocket reached is 127.0.0.0/8 or ::1 */
  const gchar *room_sid, *room_name, *room_metadata, *server_version, *server_region;
  guint n_participants;
  gboolean active_recording;
  const gchar *const *enabled_codecs;   /* mime types, NULL-terminated */
  const LkParticipant *local;
} LkJoinInfo;

typedef struct
{
  const gchar *sid, *name, *metadata;
  guint n_participants;
  gboolean active_recording;
} LkRoomInfo;

typedef struct { guint width, height, bitrate; gint quality; /* 0 low, 1 medium, 2 high */ } LkLayer;

typedef struct
{
  const gchar *cid;             /* the track id in our a=msid */
  const gchar *name, *stream, *mime_type;
  LkTrackKind kind;
  LkTrackSource source;
  gboolean muted, is_stereo, has_red, has_dtx;
  guint width, height;
  const LkLayer *layers;
  guint n_layers;
  gboolean is_svc;              /* they are in one stream */
} LkPublishRequest;

typedef struct { const gchar *sid; gfloat level; gboolean active; } LkSpeaker;  /* sid of a participant */

/* Quality switches of one codec of a track (dynacast). */
typedef struct { const gchar *codec; gboolean enabled[3]; /* low, medium, high */ } LkCodecQuality;

/* Any may be NULL. */
typedef struct
{
  /* @error is what ended the old state, or NULL; LEAVING has none, what ends the stay comes with CLOSED, the last
   * call that the room makes. In FETCHING_TOKEN, CONNECTING, RESUMING and REJOINING it comes again for each try,
   * with its number (1, 2, …) and the time until it is made. A first join whose session ends before the transport
   * was up goes from JOINED back to CONNECTING; when it is joined again, that is a rejoin. */
  void (*state_changed) (LkRoom * room, LkRoomState state, const GError * error, guint attempt, guint next_try_ms,
      gpointer data);

  void (*joined) (LkRoom * room, const LkJoinInfo * info, gpointer data);       /* before the roster's callbacks */
  /* After joined() and the roster's callbacks that follow it. In a rejoin those tell differences only: tracks that
   * stayed are in the roster, but not subscribed any more. */
  void (*roster_complete) (LkRoom * room, gpointer data);
  /* Same session again. Transports go on; in v0 the server offers with new ICE credentials. */
  void (*resumed) (LkRoom * room, const LkIceServer * ice_servers, guint n_ice_servers, gpointer data);
  void (*token_refreshed) (LkRoom * room, gpointer data);

  /* @mid_to_track: string to string, may be empty, never NULL */
  void (*remote_answer) (LkRoom * room, const gchar * sdp, guint id, GHashTable * mid_to_track, gpointer data);
  void (*remote_offer) (LkRoom * room, const gchar * sdp, guint id, GHashTable * mid_to_track, gpointer data);
  void (*remote_candidate) (LkRoom * room, LkSignalTarget target, const gchar * candidate, const gchar * mid,
      guint mline_index, gpointer data);
  void (*media_sections_required) (LkRoom * room, guint n_audio, guint n_video, gpointer data);

  void (*track_published) (LkRoom * room, const gchar * cid, const LkPublication * publication, gpointer data);
  void (*publish_failed) (LkRoom * room, const gchar * cid, const GError * error, gpointer data);
  void (*track_unpublished) (LkRoom * room, const gchar * sid, gpointer data);  /* one of ours, by the server */
  void (*mute_requested) (LkRoom * room, const gchar * sid, gboolean muted, gpointer data);     /* one of ours */
  void (*quality_requested) (LkRoom * room, const gchar * sid, const LkCodecQuality * codecs, guint n_codecs,
      gpointer data);
  void (*track_subscribed) (LkRoom * room, const gchar * sid, gpointer data);   /* ours, by its first subscriber */

  void (*subscription_failed) (LkRoom * room, const gchar * sid, const gchar * why, gpointer data);
  void (*subscription_allowed) (LkRoom * room, const gchar * sid, gboolean allowed, gpointer data);
  void (*stream_paused) (LkRoom * room, const gchar * sid, gboolean paused, gpointer data);

  void (*speakers_changed) (LkRoom * room, const LkSpeaker * speakers, guint n_speakers, gpointer data);
  /* @quality: "poor", "good", "excellent", "lost" */
  void (*connection_quality) (LkRoom * room, const gchar * participant_sid, const gchar * quality, gfloat score,
      gpointer data);
  void (*room_updated) (LkRoom * room, const LkRoomInfo * info, gpointer data);

  /* The server did not take what lk_room_update_participant_in_loop() has sent. */
  void (*update_refused) (LkRoom * room, const GError * error, gpointer data);

  LkRosterDelegate roster;      /* the same @data */
} LkRoomDelegate;

/* LK_ERROR_SETTINGS when @server_url is none that one could connect to. Any thread. */
gboolean lk_room_check_server_url (const gchar * server_url, GError ** error);

LkRoom *lk_room_new (LkLoop * loop, const LkRoomDelegate * delegate, gpointer data);
void lk_room_free (LkRoom * room);      /* CLOSED or IDLE only */

/* Answered in every state; where it makes no sense now, LK_ERROR_SETTINGS comes back by state_changed or it is
 * ignored. */
void lk_room_join_in_loop (LkRoom * room, const LkRoomSettings * settings);
/* Says goodbye when there is a session (at most 500 ms), then CLOSED with LK_ERROR_CANCELLED or NULL. */
void lk_room_leave_in_loop (LkRoom * room);
void lk_room_set_reconnect_timeout_in_loop (LkRoom * room, guint timeout_ms);
/* As in the settings, for the tokens of later joins. */
void lk_room_set_needs_in_loop (LkRoom * room, gboolean needs_publish, gboolean needs_subscribe);

LkRoomState lk_room_get_state (LkRoom * room);
LkRoster *lk_room_get_roster (LkRoom * room);   /* not owned; valid until free */
guint lk_room_get_rtt_ms (LkRoom * room);       /* of signalling, 0 = not known yet */
guint lk_room_get_n_reconnects (LkRoom * room, gboolean rejoins);       /* resumes, or rejoins, that succeeded */

/* How the media transport does. up: the primary peer is connected (ICE and DTLS): ends the join timeout. lost:
 * resumes; when the transport does not come up within 15 s of that, rejoins. failed: a rejoin at once (the peer is
 * beyond repair). */
/* While paused the owner cannot bring a transport up, so that the room does not wait for it: the time to do so begins
 * anew when it ends. */
void lk_room_set_paused_in_loop (LkRoom * room, gboolean is_paused);
void lk_room_transport_up_in_loop (LkRoom * room);
void lk_room_transport_lost_in_loop (LkRoom * room, LkSignalTarget target);
void lk_room_transport_failed_in_loop (LkRoom * room, const gchar * why);

/* Sent at once while JOINED; kept and sent after the resume while RESUMING, where an offer without an answer is sent
 * again by itself; dropped elsewhere, for a rejoin starts afresh by joined(). */
void lk_room_send_offer_in_loop (LkRoom * room, const gchar * sdp, guint id);
void lk_room_send_answer_in_loop (LkRoom * room, const gchar * sdp, guint id);
void lk_room_send_candidate_in_loop (LkRoom * room, LkSignalTarget target, const gchar * candidate, const gchar * mid,
    guint mline_index);

/* AddTrack. At most 20 wait for their answer at the server; more are queued here. Answered by track_published or
 * publish_failed (10 s); LK_ERROR_CANCELLED there: a connection broke in the middle, ask again with another cid. A
 * rejoin drops what waits, and before joined() nothing is taken: joined() is the time to publish. */
void lk_room_publish_in_loop (LkRoom * room, const LkPublishRequest * request);
/* Forgets @cid: not sent any more when still queued, left out of SyncState. The owner takes the m-section back. */
void lk_room_unpublish_in_loop (LkRoom * room, const gchar * cid);
void lk_room_set_track_muted_in_loop (LkRoom * room, const gchar * sid, gboolean muted);
void lk_room_update_video_track_in_loop (LkRoom * room, const gchar * sid, guint width, guint height);

/* Joins never auto-subscribe: what is wanted is told here, and told again on resume. A rejoin forgets it. */
void lk_room_subscribe_in_loop (LkRoom * room, const gchar * const *sids, guint n_sids, gboolean subscribe);
typedef struct { gboolean disabled; gint quality; /* 0 low … 2 high */ guint width, height, fps; } LkTrackSettings;
void lk_room_set_track_settings_in_loop (LkRoom * room, const gchar * sid, const LkTrackSettings * settings);

/* Empty or NULL = unchanged; an attribute with an empty value is deleted. */
void lk_room_update_participant_in_loop (LkRoom * room, const gchar * name, const gchar * metadata,
    GHashTable * attributes);

G_END_DECLS
