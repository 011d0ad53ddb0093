/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fakeserver: what its parts share: fakeserver.c (thread and HTTP), fakesession.c (one
 * websocket), fakescript.c (what a test tells it and asks it). */
#pragma once

#include <libsoup/soup.h>

#include "fakeserver.h"
#include "lktoken.h"
#include "tlsfront.h"

G_BEGIN_DECLS

/* Runs in the server's thread. */
typedef void (*FakeTask) (FakeServer * server, gpointer data);

/* One websocket. Server's thread only. */
typedef struct
{
  FakeServer *server;
  SoupWebsocketConnection *ws;
  GSocket *socket;
  Livekit__ParticipantInfo *self;
  gchar *room;
  gboolean is_silent;           /* sends nothing any more, and ignores what comes */
} FakeClient;

/* One request for a websocket or for its validation. */
typedef struct
{
  gboolean is_v1, is_resume;
  Livekit__JoinRequest *join;   /* NULL in v0; owned by the server */
  gchar *participant_sid;       /* of a resume */
  LkTokenClaims *claims;
  GSocket *socket;
} FakeAttempt;

struct _FakeServer
{
  /* constant after construction */
  GThread *thread;
  GMainContext *context;
  GMainLoop *loop;
  SoupServer *soup;

  /* server's thread only */
  GPtrArray *clients;           /* FakeClient, owned, newest last */
  guint next_participant, next_track;
  GTlsCertificate *certificate; /* or NULL: no TLS */
  TlsFront *front;              /* while it listens with TLS */

  GMutex lock;
  GCond cond;

  /* under the lock from here on */
  guint port;
  gchar *url;
  GPtrArray *requests;          /* Livekit__SignalRequest, owned */
  GHashTable *cursors;          /* kind -> index behind the request that was waited for last */
  GPtrArray *joins;             /* Livekit__JoinRequest, owned */
  Livekit__JoinRequest *last_join;
  gchar *last_path, *last_token, *last_sid;
  GHashTable *last_query;       /* or NULL */
  guint n_joins, n_resumes, n_validates, n_leaves, n_clients, n_sent, n_bad;

  FakeServerHandler handler;
  gpointer handler_data;
  GPtrArray *participants;      /* Livekit__ParticipantInfo, owned */
  guint refuse_status, n_refusals;
  gchar *refuse_body;
  gboolean was_refused, refuses_resumes, without_v1, ignores_pings;
  gboolean has_permission, can_publish, can_subscribe;
  gint ping_interval_s, ping_timeout_s;
  GBytes *join_bytes;
  guint close_after;            /* messages to go, 0 = never */
  FakeClose close_how;
  gboolean is_frozen;
};

/* In order, and never waits. */
void fake_server_post (FakeServer * server, FakeTask func, gpointer data, GDestroyNotify destroy);
/* After what libsoup has to do now. */
void fake_server_post_late (FakeServer * server, FakeTask func, gpointer data, GDestroyNotify destroy);
/* From the server's thread at once, else waits until it is done. */
void fake_server_run (FakeServer * server, FakeTask func, gpointer data);

/* These in the server's thread only. */
FakeClient *fake_server_newest_client (FakeServer * server);    /* or NULL */
void fake_client_start (FakeServer * server, const FakeAttempt * attempt, SoupWebsocketConnection * ws);
void fake_client_free (gpointer client);
void fake_client_send (FakeClient * client, GBytes * bytes, SoupWebsocketDataType type);
void fake_client_end (FakeClient * client, FakeClose how, guint code);
gboolean fake_server_start_listening (FakeServer * server, guint port, GError ** error);
void fake_server_stop_listening (FakeServer * server);  /* ends all connections, too */

G_END_DECLS
