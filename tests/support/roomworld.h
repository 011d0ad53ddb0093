/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* roomworld: a room in a world of the test's own: a signal client that says what the test wants, and a clock that
 * the test moves, so that back-off takes no time. roomsay.c is the server's part of it.
 *
 * What the room tells becomes lines ("resuming #1 in 0: connect"), and each line has to be expected. A test runs as
 * a whole on the loop of the room, by run(). */
#pragma once

#include "lkerror.h"
#include "lkroom-private.h"

G_BEGIN_DECLS

/* Only reached by a test that fails. */
#ifndef WAIT_MS
#define WAIT_MS 20000
#endif
#define NOW_S G_GINT64_CONSTANT (1800000000)

typedef struct
{
  LkSignalClientDelegate delegate;
  gpointer data;
  /* as connect was called */
  gchar *server_url, *token, *participant_sid, *metadata;
  gboolean use_v0, reconnect;
  Livekit__ReconnectReason reason;
  guint ping_interval_s, ping_timeout_s;
  GPtrArray *sent;              /* Livekit__SignalRequest */
  gboolean is_closing;
} RoomClient;

typedef struct _RoomWorld RoomWorld;
typedef void (*Body) (RoomWorld * f);

struct _RoomWorld
{
  LkLoop *loop;
  LkRoom *room;
  LkRoomSettings settings;
  gchar *token;
  GQueue lines;                 /* what was told */
  gboolean keeps_quiet;         /* nothing is noted */
  guint leave_at;               /* 1, 2, …: leave inside that callback */
  guint n_callbacks;
  gboolean was_closed;
  /* the fake world */
  RoomClient *client;           /* that the room has now */
  guint n_clients;
  GQueue timers;
  guint64 last_timer;
  gint64 now_ms, now_s;
  /* what the last callbacks brought */
  gboolean is_single_peer, is_loopback;
  gchar *message;               /* of the last error */
  gchar *detail;
};

/* One kind that a server says in a session, and the lines that follow; NULL = nothing. */
typedef struct
{
  Body say;
  const gchar *line, *second;
} RoomMessage;

extern const RoomMessage room_messages[];
extern const guint n_room_messages;

/* ---- roomworld.c ---- */

void run (Body body);           /* nothing may be told that was not expected */
void advance (RoomWorld * f, gint64 ms);
void settle (RoomWorld * f);    /* a fetch of a token comes to its end */
void expect (RoomWorld * f, const gchar * line);
void expect_nothing (RoomWorld * f);
gchar *mint_token (const gchar * room, gint64 now_s, guint valid_s);
gchar *forge_token (const gchar * video);
void use_token (RoomWorld * f, gchar * token); /* takes it */
void use_key (RoomWorld * f);
void new_room (RoomWorld * f);
void free_room (RoomWorld * f);
void start_join (RoomWorld * f);
void reach_connecting (RoomWorld * f);
void join_on (RoomWorld * f, gboolean is_v1, gboolean is_rejoin);
void reach_joined (RoomWorld * f);
void reach_steady (RoomWorld * f);
void reach_resuming (RoomWorld * f);
void reach_rejoining (RoomWorld * f);
void resume_on (RoomWorld * f);
void leave_politely (RoomWorld * f);
void leave_at_once (RoomWorld * f);
void expect_end (RoomWorld * f, const gchar * closed);
void publish (RoomWorld * f, const gchar * cid);
void subscribe (RoomWorld * f, const gchar * sid, gboolean is_wanted);

/* ---- roomsay.c: what the server does ---- */

#define RESPONSE(name, Case, member) \
  Livekit__SignalResponse name = LIVEKIT__SIGNAL_RESPONSE__INIT; \
  name.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_ ## Case; \
  name.member = &member

#define DISCONNECT LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT
#define RESUME LIVEKIT__LEAVE_REQUEST__ACTION__RESUME
#define RECONNECT LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT
#define REASON(name) LIVEKIT__DISCONNECT_REASON__ ## name

#define SENT(index, KIND) sent (f, (index), LIVEKIT__SIGNAL_REQUEST__MESSAGE_ ## KIND)

void say (RoomWorld * f, const Livekit__SignalResponse * response);
void say_open (RoomWorld * f, gboolean is_v1);
void say_closed (RoomWorld * f, LkError code, guint status);
void say_closed_quietly (RoomWorld * f);
void say_join (RoomWorld * f);
void say_reconnect_with (RoomWorld * f, Livekit__ClientConfiguration * configuration);
void say_reconnect (RoomWorld * f);
void say_leave (RoomWorld * f, Livekit__LeaveRequest__Action action, Livekit__DisconnectReason reason);
void say_refresh_token (RoomWorld * f, const gchar * token);
void say_published (RoomWorld * f, const gchar * cid, const gchar * sid);
void say_refused_track (RoomWorld * f, const gchar * cid, Livekit__RequestResponse__Reason reason);
void say_answer (RoomWorld * f, const gchar * sdp, guint id);
void say_offer (RoomWorld * f, const gchar * sdp, guint id);
const Livekit__SignalRequest *sent (RoomWorld * f, guint index, Livekit__SignalRequest__MessageCase kind);
guint n_sent (RoomWorld * f);

G_END_DECLS
