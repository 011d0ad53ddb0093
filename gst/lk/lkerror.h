/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkerror: what can go wrong, one code per thing that an application can act on. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define LK_ERROR (lk_error_quark ())

typedef enum
{
  LK_ERROR_SETTINGS,            /* a URL, room or other setting that cannot work */
  LK_ERROR_RESOLVE,             /* no such host */
  LK_ERROR_CONNECT,             /* nothing listens, the network is down, the connection broke while joining */
  LK_ERROR_TLS,                 /* certificate or handshake */
  LK_ERROR_NOT_LIVEKIT,         /* something answers, but it is not a LiveKit server */
  LK_ERROR_TOKEN_SOURCE,        /* the token URL does not give a token */
  LK_ERROR_TOKEN,               /* no token, or one that is malformed, expired, or for another room */
  LK_ERROR_UNAUTHORIZED,        /* the server refused the token */
  LK_ERROR_PERMISSION,          /* the token lacks a grant that is needed */
  LK_ERROR_NO_ROOM,             /* the room does not exist and the server does not make it */
  LK_ERROR_SERVER,              /* 5xx, 429, limits */
  LK_ERROR_PROTOCOL,            /* the server said something that cannot be */
  LK_ERROR_TIMEOUT,             /* not joined within the join timeout */
  LK_ERROR_CONNECTION_LOST,     /* reconnect timeout is over */
  LK_ERROR_MEDIA,               /* ICE or DTLS does not come up */
  LK_ERROR_DUPLICATE_IDENTITY,  /* the same identity joined elsewhere */
  LK_ERROR_REMOVED,             /* an administrator removed the participant */
  LK_ERROR_ROOM_DELETED,
  LK_ERROR_ROOM_CLOSED,
  LK_ERROR_SERVER_SHUTDOWN,
  LK_ERROR_DISCONNECTED,        /* told to leave, for another reason */
  LK_ERROR_PUBLISH,             /* a track was refused */
  LK_ERROR_CANCELLED,           /* we were told to stop */
} LkError;

GQuark lk_error_quark (void);

/* The word for programs: "unauthorized", "duplicate-identity", "connection-lost", … Never NULL. */
const gchar *lk_error_reason (LkError code);

/* LK_ERROR is an extended domain (GLib 2.68): beside code and message each error carries an HTTP status, a flag for
 * "final" and a pause. All survive g_error_copy() and g_propagate_prefixed_error(). */

/* Whether trying again cannot help while nobody changes a setting: what lk_error_set_final() said, else by the code. A
 * LK_ERROR_TOKEN_SOURCE is final by its status: 4xx but 429, and anything else that is no answer to come back for (1xx
 * to 3xx); not with 429, 5xx or none. Of other domains only G_IO_ERROR_CANCELLED is final. NULL is not. */
gboolean lk_error_is_final (const GError * error);
void lk_error_set_final (GError * error, gboolean is_final);    /* @error is an LK_ERROR */

/* HTTP status that came with @error, 0 when there was none. Set by lk_error_new_http(). */
guint lk_error_http_status (const GError * error);
GError *lk_error_new_http (LkError code, guint status, const gchar * format, ...) G_GNUC_PRINTF (3, 4);

/* How long the server asked to be left alone (Retry-After), 0 when it did not; at most LK_ERROR_MAX_RETRY_AFTER_MS. */
#define LK_ERROR_MAX_RETRY_AFTER_MS 60000
guint lk_error_retry_after_ms (const GError * error);
void lk_error_set_retry_after_ms (GError * error, guint retry_after_ms);        /* @error is an LK_ERROR */

/* A copy of foreign text that is safe to show: valid UTF-8, one line, at most 256 bytes, everything that looks like a
 * JWT (three base64url parts with dots), a part of one, or a Bearer value replaced by "[token]", and so the values of
 * token= and secret=; user parts of URLs are cut out. Servers repeat refused tokens. @length may be -1. Never NULL. */
gchar *lk_error_clean_text (const gchar * text, gssize length);

/* @url without user part, query and fragment, for logs and errors, and clean as above. Never NULL. */
gchar *lk_error_clean_url (const gchar * url);

G_END_DECLS
