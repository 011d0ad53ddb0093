/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lktoken: LiveKit access tokens: JSON Web Tokens (RFC 7519) signed with HS256 (RFC 7518 §3.2). Pure. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What a token says, as far as a client wants to know. Read without checking the signature: only the server can. */
typedef struct
{
  gchar *api_key;               /* iss */
  gchar *identity;              /* sub, else jti */
  gchar *name;
  gchar *room;                  /* video.room */
  gint64 not_before_s, expires_s;       /* unix seconds, 0 = not given */
  gboolean room_join, can_publish, can_subscribe, can_publish_data, can_update_own_metadata, hidden;
  gchar **can_publish_sources;  /* NULL = all */
  gchar *sha256;                /* of a webhook's body, in base64 */
} LkTokenClaims;

typedef struct
{
  const gchar *api_key, *api_secret;
  const gchar *room, *identity, *name, *metadata;       /* name and metadata may be NULL */
  GHashTable *attributes;       /* string to string, or NULL */
  gint64 now_s;                 /* unix seconds */
  guint valid_s;                /* from now */
  gboolean no_publish, no_subscribe, no_data;   /* what is not granted */
  gboolean no_join, may_list_rooms;     /* for the server's API */
} LkTokenRequest;

/* A signed token, or NULL with LK_ERROR_SETTINGS. Grants canUpdateOwnMetadata and, unless the request says otherwise,
 * roomJoin, canPublish, canSubscribe and canPublishData. The caller frees it with lk_token_clear(). */
gchar *lk_token_mint (const LkTokenRequest * request, GError ** error);

/* LK_ERROR_TOKEN when @token is NULL, empty, longer than 64 KiB, or more than visible ASCII: it goes into a header of
 * HTTP. */
gboolean lk_token_check_text (const gchar * token, GError ** error);

/* NULL with LK_ERROR_TOKEN when @token is no JWT. */
LkTokenClaims *lk_token_read (const gchar * token, GError ** error);
void lk_token_claims_free (LkTokenClaims * claims);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LkTokenClaims, lk_token_claims_free)

/* LK_ERROR_TOKEN when @claims cannot open @room (NULL = any) at @now_s: expired or not yet valid by more than the
 * server's 60 s of leeway, no roomJoin, no room, another room. The text says which. */
gboolean lk_token_check (const LkTokenClaims * claims, const gchar * room, gint64 now_s, GError ** error);

/* The signature part: base64url of HMAC-SHA256 (@key, @input). NULL only when libcrypto fails. */
gchar *lk_token_sign (const gchar * input, gconstpointer key, gsize key_size);

/* LK_ERROR_PERMISSION naming the grant that is missing. */
gboolean lk_token_check_grants (const LkTokenClaims * claims, gboolean needs_publish, gboolean needs_subscribe,
    GError ** error);

/* Whether @secret has signed @token with HS256. For those who are given tokens: webhooks. */
gboolean lk_token_is_signed_by (const gchar * token, const gchar * secret);

/* Overwrites and frees a secret string; NULL is fine. */
void lk_token_clear (gchar * secret);

G_END_DECLS
