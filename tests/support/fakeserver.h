/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fakeserver: a LiveKit server in the process that says what a test wants. Signalling only; a handler may do more.
 *
 * It has a thread of its own; all functions may be called from any thread, from the handler too. A test looks at what
 * came by waiting for it, never by sleeping. Every wait ends at its timeout and answers FALSE then. */
#pragma once

#include <gio/gio.h>

#include "livekit.pb-c.h"

G_BEGIN_DECLS

typedef struct _FakeServer FakeServer;

typedef enum
{
  FAKE_CLOSE_FRAME,             /* a close frame, code 1000 */
  FAKE_CLOSE_FIN,               /* TCP ends without a close frame */
  FAKE_CLOSE_RST,
  FAKE_CLOSE_SILENCE,           /* this connection stays open and says nothing any more */
} FakeClose;

/* Runs in the server's thread for each request. TRUE: dealt with, the server does nothing of its own. */
typedef gboolean (*FakeServerHandler) (FakeServer * server, const Livekit__SignalRequest * request, gpointer data);

/* Listens on a free port of 127.0.0.1 and accepts everybody whose token is a JWT that names a room. */
FakeServer *fake_server_new (void);
void fake_server_free (FakeServer * server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FakeServer, fake_server_free)

const gchar *fake_server_get_url (FakeServer * server); /* ws://127.0.0.1:port, or wss; changed by set_tls alone */
guint fake_server_get_port (FakeServer * server);

/* ---- what came ---- */

/* Attempts, the refused ones too. A 404 of fake_server_without_v1() is none. */
guint fake_server_n_joins (FakeServer * server);
guint fake_server_n_resumes (FakeServer * server);
guint fake_server_n_validates (FakeServer * server);
guint fake_server_n_leaves (FakeServer * server);       /* LeaveRequests */
guint fake_server_n_clients (FakeServer * server);      /* websockets that are open now */
guint fake_server_n_sent (FakeServer * server); /* messages that the server sent, to all */
guint fake_server_n_bad (FakeServer * server);  /* messages that were no SignalRequest */

/* Until there were @n of them, ever. */
gboolean fake_server_wait_joins (FakeServer * server, guint n, guint timeout_ms);
gboolean fake_server_wait_resumes (FakeServer * server, guint n, guint timeout_ms);
gboolean fake_server_wait_leaves (FakeServer * server, guint n, guint timeout_ms);
gboolean fake_server_wait_clients (FakeServer * server, guint n, guint timeout_ms);     /* exactly @n open */

/* For the next request of that kind: each is waited for once, in the order they came, also when it came long ago.
 * Requests inside a join_request (add_track_requests, publisher_offer) count as if sent right after the join. */
gboolean fake_server_wait_request (FakeServer * server, Livekit__SignalRequest__MessageCase kind, guint timeout_ms);
guint fake_server_n_requests (FakeServer * server, Livekit__SignalRequest__MessageCase kind);
/* The newest, or the @index-th (from 0) of a kind; NULL if there is none. They live as long as the server. */
const Livekit__SignalRequest *fake_server_last_request (FakeServer * server, Livekit__SignalRequest__MessageCase kind);
const Livekit__SignalRequest *fake_server_nth_request (FakeServer * server, Livekit__SignalRequest__MessageCase kind,
    guint index);

/* Of the newest attempt. The join request is NULL for v0; it lives as long as the server. */
const Livekit__JoinRequest *fake_server_last_join (FakeServer * server);
gchar *fake_server_dup_last_path (FakeServer * server); /* "/rtc/v1" */
gchar *fake_server_dup_last_query (FakeServer * server, const gchar * name);
gchar *fake_server_dup_last_token (FakeServer * server);
gchar *fake_server_dup_last_participant_sid (FakeServer * server);      /* of the newest session */

/* ---- what it says ---- */

void fake_server_set_handler (FakeServer * server, FakeServerHandler handler, gpointer data);

/* To the newest connection. Without one it is dropped. */
void fake_server_push (FakeServer * server, const Livekit__SignalResponse * response);
void fake_server_push_bytes (FakeServer * server, gconstpointer data, gsize size);      /* as one binary message */
void fake_server_push_text (FakeServer * server, const gchar * text);
void fake_server_push_raw (FakeServer * server, gconstpointer data, gsize size);        /* unframed; not with TLS */
void fake_server_push_leave (FakeServer * server, Livekit__LeaveRequest__Action action,
    Livekit__DisconnectReason reason);
void fake_server_push_refresh_token (FakeServer * server, const gchar * token);

/* Who else is there, in JoinResponses and after resumes. Copies. */
void fake_server_set_join_participants (FakeServer * server, Livekit__ParticipantInfo ** infos, gsize n_infos);
/* The same one by one. Who is joined is told by an update, as by the real server. */
void fake_server_add_participant (FakeServer * server, const gchar * sid, const gchar * identity, const gchar * name);
void fake_server_remove_participant (FakeServer * server, const gchar * sid);
void fake_server_add_track (FakeServer * server, const gchar * participant_sid, const gchar * track_sid,
    Livekit__TrackType type, Livekit__TrackSource source, const gchar * name, const gchar * mime_type);
void fake_server_remove_track (FakeServer * server, const gchar * participant_sid, const gchar * track_sid);
void fake_server_mute_track (FakeServer * server, const gchar * participant_sid, const gchar * track_sid,
    gboolean muted);

/* ---- how it behaves; from the next attempt on ---- */

/* Every attempt, and /rtc/validate, answers @http_status and @body (may be NULL); status 0 accepts again. */
void fake_server_refuse_join (FakeServer * server, guint http_status, const gchar * body);
void fake_server_refuse_n_joins (FakeServer * server, guint n, guint http_status, const gchar * body);
/* Resumes get a LeaveRequest: RECONNECT, STATE_MISMATCH, as after a restart. */
void fake_server_refuse_resumes (FakeServer * server, gboolean refuse);
void fake_server_without_v1 (FakeServer * server);      /* 404 to /rtc/v1 and what is below */
/* In place of what the token says. */
void fake_server_set_permission (FakeServer * server, gboolean can_publish, gboolean can_subscribe);
void fake_server_set_ping (FakeServer * server, gint interval_s, gint timeout_s);       /* 5, 15 */
void fake_server_ignore_pings (FakeServer * server, gboolean ignore);   /* at once */
/* Sent in place of the JoinResponse that the server would make; NULL undoes it. */
void fake_server_set_join_bytes (FakeServer * server, GBytes * bytes);
/* wss from now on, at another port; certificate and key in PEM files. */
gboolean fake_server_set_tls (FakeServer * server, const gchar * cert_file, const gchar * key_file, GError ** error);

/* ---- faults; at once ---- */

void fake_server_close (FakeServer * server, guint code);       /* close frame, newest connection */
void fake_server_drop (FakeServer * server);    /* TCP end without a close frame, newest connection */
void fake_server_reset (FakeServer * server);   /* RST, newest connection */
/* After the @n_messages-th message from now on, over all connections. Happens once. */
void fake_server_close_after (FakeServer * server, guint n_messages, FakeClose how);
/* The whole server stands still, as after SIGSTOP: the kernel accepts connections, nobody reads or answers. */
void fake_server_freeze (FakeServer * server);
void fake_server_thaw (FakeServer * server);
/* Nobody listens and all connections end, as after SIGKILL; then again at the same port. Not from the handler. */
void fake_server_go_down (FakeServer * server);
void fake_server_come_back (FakeServer * server);

/* ---- not a LiveKit server at all ---- */

typedef struct _FakeRawServer FakeRawServer;

/* Sends @bytes_to_send to whoever connects to a free port of 127.0.0.1, then keeps the connection open or ends it. */
FakeRawServer *fake_raw_server_new (const gchar * bytes_to_send, gboolean keep_open);
/* The same with zero bytes inside; pause of @ms_per_byte (0 = none); sent again and again if @is_endless. */
FakeRawServer *fake_raw_server_new_full (gconstpointer data, gsize size, guint ms_per_byte, gboolean is_endless,
    gboolean keep_open);
void fake_raw_server_free (FakeRawServer * server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FakeRawServer, fake_raw_server_free)

guint fake_raw_server_get_port (FakeRawServer * server);
const gchar *fake_raw_server_get_url (FakeRawServer * server);  /* ws://127.0.0.1:port */
guint fake_raw_server_n_connections (FakeRawServer * server);
gboolean fake_raw_server_wait_connections (FakeRawServer * server, guint n, guint timeout_ms);
/* All of all connections, zero bytes as '.', as soon as @text is in it; NULL: it does not come. */
gchar *fake_raw_server_wait_received (FakeRawServer * server, const gchar * text, guint timeout_ms);

G_END_DECLS
