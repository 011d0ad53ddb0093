/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lktokensource: "server URL and token, please", from a literal, a key and secret, or a token URL.
 *
 * Made in any thread, used on one GMainContext (the room loop). */
#pragma once

#include "lkhttp.h"

G_BEGIN_DECLS

typedef struct _LkTokenSource LkTokenSource;

/* Who wants to join; copied. Any may be NULL. */
typedef struct
{
  const gchar *room, *identity, *name, *metadata;
  GHashTable *attributes;       /* string to string */
} LkTokenWish;

typedef struct
{
  gchar *server_url;            /* NULL when the source does not know one */
  gchar *token;
} LkTokenAnswer;
void lk_token_answer_free (LkTokenAnswer * answer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LkTokenAnswer, lk_token_answer_free)

LkTokenSource *lk_token_source_new_literal (const gchar * token);
LkTokenSource *lk_token_source_new_key (const gchar * api_key, const gchar * api_secret);
/* @headers: string to string, may be NULL. protocol: POST of the standard endpoint, GET of a simple key server on 404,
 * 405 or 501. 5xx, 429 and no answer are LK_ERROR_TOKEN_SOURCE and not final; 4xx, rubbish, too large, a redirect to
 * http are. */
LkTokenSource *lk_token_source_new_url (const gchar * url, GHashTable * headers, const LkHttpSettings * http);

/* What the element's properties say, then the environment, then, if @server_url is on this machine, the development
 * keys (interface: token, token-url, api-key + api-secret; LIVEKIT_TOKEN, LIVEKIT_TOKEN_URL, LIVEKIT_API_KEY +
 * LIVEKIT_API_SECRET; devkey/secret for localhost, 127.0.0.0/8, ::1). NULL with LK_ERROR_TOKEN when there is none. A
 * @server_url that is unset is LIVEKIT_URL, else ws://127.0.0.1:7880. Empty strings are unset. LK_ERROR_SETTINGS when
 * the first match cannot work (a token URL that is not http or https). @getenv_func is g_getenv outside tests. */
LkTokenSource *lk_token_source_choose (const gchar * token, const gchar * token_url, GHashTable * token_headers,
    const gchar * api_key, const gchar * api_secret, const gchar * server_url, const LkHttpSettings * http,
    const gchar * (*getenv_func) (const gchar * name), GError ** error);

LkTokenSource *lk_token_source_ref (LkTokenSource * source);
void lk_token_source_unref (LkTokenSource * source);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LkTokenSource, lk_token_source_unref)

/* Whether asking again can give another token than before (a key or a URL can, a literal cannot). */
gboolean lk_token_source_is_renewable (LkTokenSource * source);

/* What can be known without asking: where tokens come from, NULL when it is not from a URL; and whom a literal one
 * names, each NULL when it names none. The caller frees room and identity. */
const gchar *lk_token_source_get_url (LkTokenSource * source);
void lk_token_source_read_literal (LkTokenSource * source, gchar ** room, gchar ** identity);

/* How long one HTTP request may take, 10 s unless told. */
void lk_token_source_set_timeout_ms (LkTokenSource * source, guint timeout_ms);

/* Always answers later, on the thread-default context of the caller. Cancelled: LK_ERROR_CANCELLED. A made-up identity
 * (gst-<host>-<random>) stays the same as long as the source lives. */

/* What can be known of a token without asking anybody: a literal that is malformed, expired, for another room or
 * without a grant that is needed, a key without a room. Any thread, before the first fetch. */
gboolean lk_token_source_check (LkTokenSource * source, const gchar * room, gboolean needs_publish,
    gboolean needs_subscribe, gint64 now_s, GError ** error);

void lk_token_source_fetch_async (LkTokenSource * source, const LkTokenWish * wish, GCancellable * cancellable,
    GAsyncReadyCallback callback, gpointer data);
LkTokenAnswer *lk_token_source_fetch_finish (LkTokenSource * source, GAsyncResult * result, GError ** error);

G_END_DECLS
