/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lksignalclient: one websocket to a LiveKit server: connect or resume, send requests, deliver responses, ping,
 * close.
 *
 * Knows the ways into a server (v1, and v0 where v1 is not there) and what a refusal means; knows nothing of a
 * session. One client makes one connection in its life. Everything, callbacks included, happens on the loop. */
#pragma once

#include "livekit.pb-c.h"
#include "lkloop.h"
#include "lktokensource.h"

G_BEGIN_DECLS

typedef struct _LkSignalClient LkSignalClient;

/* Copied. */
typedef struct
{
  const gchar *server_url;      /* ws, wss, http or https; a path is kept, user part and query are not */
  const gchar *token;           /* goes into a header, and to no other host */
  const LkHttpSettings *http;   /* NULL = defaults */
  const gchar *client_version;
  gboolean use_v0;              /* this server has been found to have no v1 */
  /* The participant's own, in place of the token's; NULL unless the token grants canUpdateOwnMetadata */
  const gchar *metadata;        /* v1 only */
  GHashTable *attributes;       /* string to string */
  /* Resume */
  gboolean reconnect;
  const gchar *participant_sid;
  Livekit__ReconnectReason reconnect_reason;
  guint ping_interval_s, ping_timeout_s;        /* as the session's JoinResponse said; a ReconnectResponse does not */
} LkSignalSettings;

/* A callback may call any function of the client, free included. */
typedef struct
{
  /* The websocket is open. @is_loopback: the server is on this machine. */
  void (*opened) (LkSignalClient * client, gboolean is_v1, gboolean is_loopback, gpointer data);
  /* Every response but pongs. @response is valid during the call. */
  void (*message) (LkSignalClient * client, const Livekit__SignalResponse * response, gpointer data);
  /* Last call, exactly once after connect unless freed before, never from inside connect, send or close. @error:
   * NULL after close. It is one of ours (LK_ERROR): lk_error_is_final() and lk_error_http_status() tell what to do. */
  void (*closed) (LkSignalClient * client, const GError * error, gpointer data);
} LkSignalClientDelegate;

LkSignalClient *lk_signal_client_new (LkLoop * loop, const LkSignalClientDelegate * delegate, gpointer data);
/* At once and without a word to the server. */
void lk_signal_client_free_in_loop (LkSignalClient * client);

void lk_signal_client_connect_in_loop (LkSignalClient * client, const LkSignalSettings * settings);
/* Dropped while not open. */
void lk_signal_client_send_in_loop (LkSignalClient * client, const Livekit__SignalRequest * request);
/* Sends what was queued and a close frame, waits for the server's, 500 ms at most; or gives up connecting. */
void lk_signal_client_close_in_loop (LkSignalClient * client);

guint lk_signal_client_get_rtt_ms (LkSignalClient * client);    /* 0 = not known yet */

G_END_DECLS
