/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkroom: what its files share, and what tests put in: a clock and a signal client of their own.
 *
 * lkroom.c is the state machine, lkroom-setup.c makes and frees, lkroom-token.c has the token, lkroom-session.c
 * begins and forgets a session, lkroom-commands.c is what the owner asks for, lkroom-publish.c the tracks of ours,
 * lkroom-messages.c what the server says. */
#pragma once

#include "lkroom.h"
#include "lkroster-private.h"
#include "lksignalclient.h"
#include "lktoken.h"

G_BEGIN_DECLS

/* The world around a room. The functions are those of lksignalclient.h and lkloop.h unless a test changes them. */
typedef struct
{
  LkSignalClient *(*client_new) (LkLoop * loop, const LkSignalClientDelegate * delegate, gpointer data);
  void (*client_free) (LkSignalClient * client);
  void (*client_connect) (LkSignalClient * client, const LkSignalSettings * settings);
  void (*client_send) (LkSignalClient * client, const Livekit__SignalRequest * request);
  void (*client_close) (LkSignalClient * client);
  guint (*client_get_rtt_ms) (LkSignalClient * client);

  guint64 (*post_after) (LkLoop * loop, guint delay_ms, LkLoopFunc func, gpointer data, GDestroyNotify destroy);
  void (*cancel) (LkLoop * loop, guint64 * id);
  gint64 (*now_ms) (void);      /* never jumps */
  gint64 (*unix_s) (void);
  gdouble (*random) (void);     /* in [0, 1) */
} LkRoomHooks;

/* Between new and join. */
void lk_room_get_hooks (LkRoom * room, LkRoomHooks * hooks);
void lk_room_set_hooks (LkRoom * room, const LkRoomHooks * hooks);

/* A fetch of a token under way. The answer may come after the room is gone: room is NULL then. */
typedef struct
{
  LkRoom *room;
  LkTokenSource *source;
  GCancellable *cancellable;
} LkRoomFetch;

struct _LkRoom
{
  /* constant after construction */
  LkLoop *loop;
  LkRoomDelegate delegate;
  gpointer data;
  LkRoster *roster;
  LkRoomHooks hooks;

  /* all else: room loop only */
  LkRoomState state;            /* written by set_state_in_loop() alone */

  /* what join was given; name, metadata and attributes may change */
  gchar *server_url;
  LkTokenSource *token_source;
  gchar *room_name, *identity, *name, *metadata;
  GHashTable *attributes;
  LkHttpSettings *http;
  gchar *client_version;
  gboolean needs_publish, needs_subscribe;
  guint join_timeout_ms, reconnect_timeout_ms;

  /* the stay: from join to CLOSED */
  LkRoomFetch *fetch;
  gchar *token;                 /* the newest: fetched, refreshed, or of the room that we were moved to */
  LkTokenClaims *claims;
  gchar *token_server_url;      /* from the token source */
  gchar **regions;              /* servers to try, as a Leave named them, in its order; NULL = none */
  guint next_region;            /* of them */
  gchar *region_url;            /* the one of now, in place of the settings' server; NULL = none */
  gboolean must_renew_token, has_renewed_token;  /* after a 401; has: since the last session */
  gboolean has_joined;          /* joined() was called */
  gboolean was_up;              /* a transport was up: what fails from here on is a loss, not a join that failed */
  gboolean use_v0;              /* the server has no v1 */
  GError *last_error;           /* of the last try */
  GError *final_error;          /* what CLOSED will say */
  guint n_resumes, n_rejoins;

  /* the outage, or the first join */
  gint64 since_ms;
  guint attempt;                /* tries made or planned since then */
  gboolean has_switched;        /* from resuming to rejoining */
  gboolean has_answered;        /* a server that had been silent */
  guint n_soon;                 /* tries to come that do not wait for long */
  gint64 try_since_ms;          /* of the last one */
  gboolean is_answered;         /* the try */
  GArray *ghosts;               /* gint64, ms: when a try was given up that the server may take up yet */
  gint64 steady_since_ms;       /* JOINED with transport up; 0 = is not */

  /* the session, as the server knows it */
  LkSignalClient *client;
  gboolean is_in_session;       /* the server would want a goodbye */
  gboolean is_single_peer, server_is_loopback, can_resume;
  gchar *participant_sid, *participant_identity;
  guint ping_interval_s, ping_timeout_s;
  gboolean is_paused;
  gboolean transport_is_up, transport_was_up;    /* was: in this session */
  Livekit__ReconnectReason reconnect_reason;
  gchar *room_sid;

  /* told again in SyncState, or after it */
  gchar *own_offer, *remote_answer;     /* v1; in v0 of the publisher peer */
  gchar *remote_offer, *own_answer;     /* v0, of the subscriber peer */
  guint own_offer_id, remote_answer_id, remote_offer_id, own_answer_id;
  gboolean offer_is_open;       /* no answer yet */
  GHashTable *wanted;           /* set of track sids */
  GHashTable *track_settings;   /* track sid -> LkTrackSettings */
  GQueue waiting;               /* GBytes of SignalRequests, while RESUMING */

  /* publishing */
  GQueue publishes;             /* Publish, in the order of the calls, until answered */
  guint n_sent;                 /* of them */
  GHashTable *published;        /* cid -> Published */

  /* timers */
  guint64 join_timer, retry_timer, reconnect_timer, transport_timer, leave_timer, publish_timer;
};

/* LK_ROOM_TELL (room, mute_requested, room, sid, muted): who gave no callback does not want to know. */
#define LK_ROOM_TELL(room, callback, ...) \
  G_STMT_START { \
    if ((room)->delegate.callback != NULL) \
      (room)->delegate.callback (__VA_ARGS__, (room)->data); \
  } G_STMT_END

/* lkroom.c */
/* The only writer of the state. The delegate may do anything from here, so that callers look at the state anew, or
 * end. */
void lk_room_set_state_in_loop (LkRoom * room, LkRoomState state, const GError * error);
gint64 lk_room_now_ms (LkRoom * room);
void lk_room_arm (LkRoom * room, guint64 * timer, gint64 delay_ms, LkLoopFunc func);
void lk_room_disarm (LkRoom * room, guint64 * timer);
gboolean lk_room_is_reconnecting (LkRoom * room);
void lk_room_start_connect (LkRoom * room);
/* A try did not work out: the next, or the end. */
void lk_room_attempt_failed (LkRoom * room, const GError * error);
/* JOINED ends: resumes where that can work, else as below. */
void lk_room_lost (LkRoom * room, const GError * error);
/* Whether somebody of our identity may be a try of ours that we gave up; each is believed once. */
gboolean lk_room_take_ghost (LkRoom * room);
/* The session is no more: rejoins, or tries the first join again. */
void lk_room_begin_rejoin (LkRoom * room, const GError * error);
/* Takes @error. */
void lk_room_close_with_error (LkRoom * room, GError * error);

/* lkroom-setup.c */
void lk_room_take_settings (LkRoom * room, const LkRoomSettings * settings);

/* lkroom-token.c */
void lk_room_start_fetch (LkRoom * room);       /* the answer goes on from there */
void lk_room_drop_fetch (LkRoom * room);
gboolean lk_room_token_is_valid (LkRoom * room);
void lk_room_renew_token (LkRoom * room);       /* fetches, or ends when the source has no other */
void lk_room_take_token (LkRoom * room, const gchar * token);   /* one that the server gave */

/* lkroom-session.c */
const gchar *lk_room_choose_server_url (LkRoom * room);
void lk_room_joined (LkRoom * room, const Livekit__JoinResponse * join);
void lk_room_resumed (LkRoom * room, const Livekit__ReconnectResponse * reconnect);
void lk_room_forget_session (LkRoom * room);
void lk_room_take_regions (LkRoom * room, const Livekit__RegionSettings * settings);
/* After the last: the server of the settings. */
void lk_room_go_to_next_region (LkRoom * room);

/* lkroom-messages.c */
void lk_room_handle_message (LkRoom * room, const Livekit__SignalResponse * response);

/* lkroom-commands.c */
/* At once while JOINED, later while RESUMING, else never. */
void lk_room_send (LkRoom * room, const Livekit__SignalRequest * request);
void lk_room_send_sync_state (LkRoom * room);
void lk_room_send_waiting (LkRoom * room);
/* Name and metadata of the settings, where the token has others. */
void lk_room_correct_participant (LkRoom * room, const Livekit__ParticipantInfo * info);
void lk_room_forget_track (LkRoom * room, const gchar * sid);

/* lkroom-publish.c */
void lk_room_init_publishing (LkRoom * room);
void lk_room_clear_publishing (LkRoom * room);  /* nobody is told */
void lk_room_pause_publishing (LkRoom * room);  /* answers will not come any more; resume asks again */
void lk_room_resume_publishing (LkRoom * room);
void lk_room_track_published (LkRoom * room, const Livekit__TrackPublishedResponse * response);
void lk_room_track_refused (LkRoom * room, const gchar * cid, Livekit__RequestResponse__Reason reason,
    const gchar * text);
void lk_room_track_unpublished (LkRoom * room, const gchar * sid);
/* Array of n_published messages for SyncState. */
Livekit__TrackPublishedResponse **lk_room_unpack_published (LkRoom * room, gsize * n_published);
void lk_room_free_published (Livekit__TrackPublishedResponse ** published, gsize n_published);

G_END_DECLS
