/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* webhook: what a livekit-server tells by POST. */

#include "webhook.h"

#include <json-glib/json-glib.h>
#include <openssl/crypto.h>
#include <string.h>

#include "lkjson.h"
#include "lktoken.h"

/* What clocks may differ by; the server's own signature is valid for five minutes. */
#define LEEWAY_S 60

static gchar *
sha256_base64 (const gchar * body, gsize size)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  guint8 digest[32];
  gsize digest_size = sizeof (digest);

  g_checksum_update (checksum, (const guchar *) body, (gssize) size);
  g_checksum_get_digest (checksum, digest, &digest_size);
  return g_base64_encode (digest, digest_size);
}

static gboolean
is_of_body (const LkTokenClaims * claims, const gchar * body, gsize size)
{
  g_autofree gchar *sum = sha256_base64 (body, size);

  return claims->sha256 && strlen (claims->sha256) == strlen (sum)
      && CRYPTO_memcmp (claims->sha256, sum, strlen (sum)) == 0;
}

static gboolean
is_genuine (const gchar * authorization, const gchar * body, gsize size, const gchar * api_key,
    const gchar * api_secret, gint64 now_s)
{
  const gchar *token = authorization && g_str_has_prefix (authorization, "Bearer ") ? authorization + 7 : authorization;
  g_autoptr (LkTokenClaims) claims = token ? lk_token_read (token, NULL) : NULL;

  return claims && g_strcmp0 (claims->api_key, api_key) == 0 && lk_token_is_signed_by (token, api_secret)
      && claims->expires_s >= now_s - LEEWAY_S && claims->not_before_s <= now_s + LEEWAY_S
      && is_of_body (claims, body, size);
}

static const gchar *
get_string (JsonObject * object, const gchar * name)
{
  JsonNode *node = object ? json_object_get_member (object, name) : NULL;

  return node && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING ?
      json_node_get_string (node) : NULL;
}

static JsonObject *
get_object (JsonObject * object, const gchar * name)
{
  JsonNode *node = json_object_get_member (object, name);

  return node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

CctvWebhookKind
cctv_webhook_read (const gchar * authorization, const gchar * body, gsize size, const gchar * api_key,
    const gchar * api_secret, gint64 now_s, gchar ** room, gchar ** identity)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  JsonObject *root;
  const gchar *event;

  if (!is_genuine (authorization, body, size, api_key, api_secret, now_s))
    return CCTV_WEBHOOK_FORGED;
  if (!lk_json_is_valid (body, size, LK_JSON_MAX_DEPTH)
      || !json_parser_load_from_data (parser, body, (gssize) size, NULL)
      || !JSON_NODE_HOLDS_OBJECT (json_parser_get_root (parser)))
    return CCTV_WEBHOOK_BROKEN;
  root = json_node_get_object (json_parser_get_root (parser));
  event = get_string (root, "event");
  if (event == NULL)
    return CCTV_WEBHOOK_BROKEN;
  if (!g_str_equal (event, "participant_joined"))
    return CCTV_WEBHOOK_OTHER;
  *room = g_strdup (get_string (get_object (root, "room"), "name"));
  *identity = g_strdup (get_string (get_object (root, "participant"), "identity"));
  if (*room && *identity)
    return CCTV_WEBHOOK_JOINED;
  g_clear_pointer (room, g_free);
  g_clear_pointer (identity, g_free);
  return CCTV_WEBHOOK_BROKEN;
}
