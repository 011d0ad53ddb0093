/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lktoken: LiveKit access tokens: JSON Web Tokens (RFC 7519) signed with HS256 (RFC 7518 §3.2). */

#include "lktoken.h"

#include "lkerror.h"
#include "lkjson.h"

#include <json-glib/json-glib.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#define MAX_TOKEN_BYTES (64 * 1024)
/* in base64, with a header and a signature of 80 bytes, still within the limit of lk_token_read() */
#define MAX_PAYLOAD_BYTES (48 * 1024 - 128)
/* A token's claims need three levels; roomConfig and claims to come have some more. */
#define MAX_DEPTH 32
#define MAX_SOURCES 32
/* What the server allows a clock to be off, protocol.md §2. */
#define LEEWAY_S 60
#define SHA256_BYTES 32

static gchar *
base64url_encode (gconstpointer data, gsize size)
{
  gchar *text = g_base64_encode (data, size);

  text[strcspn (text, "=")] = '\0';
  g_strdelimit (text, "+", '-');
  g_strdelimit (text, "/", '_');
  return text;
}

/* RFC 7515 §2: without padding, line ends or anything else. NULL if @text is not so. A NUL follows the result. */
static gchar *
base64url_decode (const gchar * text, gsize length, gsize * size)
{
  g_autofree gchar *padded = NULL;
  guchar *data;
  gchar *result;

  if (length == 0 || length % 4 == 1)
    return NULL;
  for (gsize i = 0; i < length; i++) {
    if (!g_ascii_isalnum (text[i]) && text[i] != '-' && text[i] != '_')
      return NULL;
  }
  padded = g_strdup_printf ("%.*s%s", (gint) length, text, length % 4 == 2 ? "==" : length % 4 == 3 ? "=" : "");
  g_strdelimit (padded, "-", '+');
  g_strdelimit (padded, "_", '/');
  data = g_base64_decode (padded, size);
  result = g_strndup ((const gchar *) data, *size);
  g_free (data);
  return result;
}

gchar *
lk_token_sign (const gchar * input, gconstpointer key, gsize key_size)
{
  guchar mac[SHA256_BYTES];
  gsize mac_size = 0;
  gchar *text;

  g_return_val_if_fail (input != NULL && key != NULL, NULL);

  if (EVP_Q_mac (NULL, "HMAC", NULL, "SHA256", NULL, key, key_size, (const guchar *) input, strlen (input), mac,
          sizeof (mac), &mac_size) == NULL || mac_size != sizeof (mac))
    return NULL;
  text = base64url_encode (mac, sizeof (mac));
  OPENSSL_cleanse (mac, sizeof (mac));
  return text;
}

void
lk_token_clear (gchar * secret)
{
  if (secret == NULL)
    return;
  OPENSSL_cleanse (secret, strlen (secret));
  g_free (secret);
}

/* The header's word for the algorithm is not asked for: there is no other here. */
gboolean
lk_token_is_signed_by (const gchar * token, const gchar * secret)
{
  const gchar *dot = strrchr (token, '.');
  g_autofree gchar *input = dot != NULL ? g_strndup (token, (gsize) (dot - token)) : NULL;
  g_autofree gchar *signature = NULL;

  if (input == NULL || *secret == '\0')
    return FALSE;
  signature = lk_token_sign (input, secret, strlen (secret));
  return signature != NULL && strlen (signature) == strlen (dot + 1)
      && CRYPTO_memcmp (signature, dot + 1, strlen (signature)) == 0;
}

/* Minting */

static gboolean
check_text (const gchar * what, const gchar * text, gboolean is_needed, GError ** error)
{
  if (text == NULL || *text == '\0') {
    if (is_needed)
      g_set_error (error, LK_ERROR, LK_ERROR_SETTINGS, "no %s to make a token with: set %s", what, what);
    return !is_needed;
  }
  if (!g_utf8_validate (text, -1, NULL)) {
    g_set_error (error, LK_ERROR, LK_ERROR_SETTINGS, "%s is not valid UTF-8", what);
    return FALSE;
  }
  return TRUE;
}

static gboolean
check_request (const LkTokenRequest * request, GError ** error)
{
  GHashTableIter iter;
  gpointer key, value;

  if (!check_text ("api-key", request->api_key, TRUE, error))
    return FALSE;
  /* bytes as they are, for a key of HMAC is no text */
  if (request->api_secret == NULL || *request->api_secret == '\0') {
    g_set_error_literal (error, LK_ERROR, LK_ERROR_SETTINGS, "no api-secret to sign a token with: set api-secret");
    return FALSE;
  }
  if (!check_text ("room", request->room, TRUE, error) || !check_text ("identity", request->identity, TRUE, error)
      || !check_text ("participant-name", request->name, FALSE, error)
      || !check_text ("participant-metadata", request->metadata, FALSE, error))
    return FALSE;
  if (request->attributes == NULL)
    return TRUE;

  g_hash_table_iter_init (&iter, request->attributes);
  while (g_hash_table_iter_next (&iter, &key, &value)) {
    if (!check_text ("an attribute's name", key, FALSE, error)
        || !check_text ("an attribute's value", value, FALSE, error))
      return FALSE;
  }
  return TRUE;
}

static void
add_string (JsonBuilder * builder, const gchar * name, const gchar * value)
{
  if (value == NULL || *value == '\0')
    return;
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, value);
}

static void
add_int (JsonBuilder * builder, const gchar * name, gint64 value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_int_value (builder, value);
}

static void
add_attributes (JsonBuilder * builder, GHashTable * attributes)
{
  g_autoptr (GList) names = NULL;

  if (attributes == NULL || g_hash_table_size (attributes) == 0)
    return;
  names = g_list_sort (g_hash_table_get_keys (attributes), (GCompareFunc) strcmp);
  json_builder_set_member_name (builder, "attributes");
  json_builder_begin_object (builder);
  for (GList * l = names; l != NULL; l = l->next) {
    const gchar *value = g_hash_table_lookup (attributes, l->data);

    json_builder_set_member_name (builder, l->data);
    json_builder_add_string_value (builder, value != NULL ? value : "");
  }
  json_builder_end_object (builder);
}

static void
add_grant (JsonBuilder * builder, const gchar * name, gboolean is_granted)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_boolean_value (builder, is_granted);
}

/* Those that are not granted are said, too: the server takes most that are absent for granted. */
static void
add_grants (JsonBuilder * builder, const LkTokenRequest * request)
{
  json_builder_set_member_name (builder, "video");
  json_builder_begin_object (builder);
  add_string (builder, "room", request->room);
  add_grant (builder, "roomJoin", !request->no_join);
  add_grant (builder, "canPublish", !request->no_publish);
  add_grant (builder, "canSubscribe", !request->no_subscribe);
  add_grant (builder, "canPublishData", !request->no_data);
  add_grant (builder, "canUpdateOwnMetadata", TRUE);
  if (request->may_list_rooms)
    add_grant (builder, "roomList", TRUE);
  json_builder_end_object (builder);
}

static gchar *
make_payload (const LkTokenRequest * request)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_object (builder);
  add_string (builder, "iss", request->api_key);
  add_string (builder, "sub", request->identity);
  add_int (builder, "nbf", request->now_s);
  add_int (builder, "exp", request->now_s + request->valid_s);
  add_string (builder, "name", request->name);
  add_string (builder, "metadata", request->metadata);
  add_attributes (builder, request->attributes);
  add_grants (builder, request);
  json_builder_end_object (builder);

  root = json_builder_get_root (builder);
  json_generator_set_root (generator, root);
  return json_generator_to_data (generator, NULL);
}

gchar *
lk_token_mint (const LkTokenRequest * request, GError ** error)
{
  static const gchar header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
  g_autofree gchar *payload = NULL, *header64 = NULL, *payload64 = NULL, *input = NULL, *signature = NULL;

  g_return_val_if_fail (request != NULL, NULL);

  if (!check_request (request, error))
    return NULL;
  payload = make_payload (request);
  if (strlen (payload) > MAX_PAYLOAD_BYTES) {
    g_set_error_literal (error, LK_ERROR, LK_ERROR_SETTINGS,
        "participant-metadata and participant-attributes are too long for an access token");
    return NULL;
  }
  header64 = base64url_encode (header, strlen (header));
  payload64 = base64url_encode (payload, strlen (payload));
  input = g_strconcat (header64, ".", payload64, NULL);
  signature = lk_token_sign (input, request->api_secret, strlen (request->api_secret));
  if (signature == NULL) {
    g_set_error_literal (error, LK_ERROR, LK_ERROR_SETTINGS, "libcrypto cannot make an HMAC with SHA-256");
    return NULL;
  }
  return g_strconcat (input, ".", signature, NULL);
}

/* Reading */

static JsonParser *
parse_object (const gchar * part, gsize length)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  g_autofree gchar *text = NULL;
  gsize size = 0;
  JsonNode *root;

  text = base64url_decode (part, length, &size);
  if (text == NULL || !lk_json_is_valid (text, size, MAX_DEPTH))
    return NULL;
  if (!json_parser_load_from_data (parser, text, (gssize) size, NULL))
    return NULL;
  root = json_parser_get_root (parser);
  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root))
    return NULL;
  return g_steal_pointer (&parser);
}

/* Members of a wrong type count as absent: only the server can say what it makes of them. */
static JsonNode *
get_value (JsonObject * object, const gchar * name)
{
  JsonNode *node = object != NULL ? json_object_get_member (object, name) : NULL;

  return node != NULL && JSON_NODE_HOLDS_VALUE (node) ? node : NULL;
}

static gchar *
dup_string (JsonObject * object, const gchar * name)
{
  JsonNode *node = get_value (object, name);

  return node != NULL && json_node_get_value_type (node) == G_TYPE_STRING ? json_node_dup_string (node) : NULL;
}

static gboolean
get_boolean (JsonObject * object, const gchar * name, gboolean fallback)
{
  JsonNode *node = get_value (object, name);

  return node != NULL && json_node_get_value_type (node) == G_TYPE_BOOLEAN ? json_node_get_boolean (node) : fallback;
}

/* RFC 7519 §2, NumericDate: may have a fraction. */
static gint64
get_time_s (JsonObject * object, const gchar * name)
{
  JsonNode *node = get_value (object, name);
  gdouble value;

  if (node == NULL)
    return 0;
  if (json_node_get_value_type (node) == G_TYPE_INT64)
    return json_node_get_int (node);
  if (json_node_get_value_type (node) != G_TYPE_DOUBLE)
    return 0;
  value = json_node_get_double (node);
  /* beyond 2^62 a cast would be undefined, and the sun cold */
  return (gint64) CLAMP (value, -0x1p62, 0x1p62);
}

static gchar **
dup_sources (JsonObject * grant)
{
  JsonNode *node = grant != NULL ? json_object_get_member (grant, "canPublishSources") : NULL;
  g_autoptr (GPtrArray) sources = NULL;
  JsonArray *array;

  if (node == NULL || !JSON_NODE_HOLDS_ARRAY (node))
    return NULL;
  array = json_node_get_array (node);
  sources = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i < json_array_get_length (array) && sources->len < MAX_SOURCES; i++) {
    JsonNode *source = json_array_get_element (array, i);

    if (JSON_NODE_HOLDS_VALUE (source) && json_node_get_value_type (source) == G_TYPE_STRING)
      g_ptr_array_add (sources, json_node_dup_string (source));
  }
  if (sources->len == 0)
    return NULL;
  g_ptr_array_add (sources, NULL);
  return (gchar **) g_ptr_array_free (g_steal_pointer (&sources), FALSE);
}

static LkTokenClaims *
read_claims (JsonObject * object)
{
  LkTokenClaims *claims = g_new0 (LkTokenClaims, 1);
  JsonNode *video = json_object_get_member (object, "video");
  JsonObject *grant = video != NULL && JSON_NODE_HOLDS_OBJECT (video) ? json_node_get_object (video) : NULL;

  claims->api_key = dup_string (object, "iss");
  claims->identity = dup_string (object, "sub");
  if (claims->identity == NULL || *claims->identity == '\0') {
    g_free (claims->identity);
    claims->identity = dup_string (object, "jti");
  }
  claims->name = dup_string (object, "name");
  claims->not_before_s = get_time_s (object, "nbf");
  claims->expires_s = get_time_s (object, "exp");

  claims->room = dup_string (grant, "room");
  claims->room_join = get_boolean (grant, "roomJoin", FALSE);
  claims->can_publish = get_boolean (grant, "canPublish", TRUE);
  claims->can_subscribe = get_boolean (grant, "canSubscribe", TRUE);
  claims->can_publish_data = get_boolean (grant, "canPublishData", claims->can_publish);
  claims->can_update_own_metadata = get_boolean (grant, "canUpdateOwnMetadata", FALSE);
  claims->hidden = get_boolean (grant, "hidden", FALSE);
  claims->can_publish_sources = dup_sources (grant);
  claims->sha256 = dup_string (object, "sha256");
  return claims;
}

gboolean
lk_token_check_text (const gchar * token, GError ** error)
{
  gsize length = token != NULL ? strnlen (token, MAX_TOKEN_BYTES + 1) : 0;

  if (length == 0) {
    g_set_error_literal (error, LK_ERROR, LK_ERROR_TOKEN, "the access token is empty");
    return FALSE;
  }
  if (length > MAX_TOKEN_BYTES) {
    g_set_error (error, LK_ERROR, LK_ERROR_TOKEN, "the access token is longer than %d bytes", MAX_TOKEN_BYTES);
    return FALSE;
  }
  for (gsize i = 0; i < length; i++) {
    if (!g_ascii_isgraph (token[i])) {
      g_set_error_literal (error, LK_ERROR, LK_ERROR_TOKEN,
          "the access token has a space, a line end or another character in it that no token has");
      return FALSE;
    }
  }
  return TRUE;
}

LkTokenClaims *
lk_token_read (const gchar * token, GError ** error)
{
  g_autoptr (JsonParser) header = NULL, payload = NULL;
  g_autofree gchar *signature = NULL;
  const gchar *dot1, *dot2;
  gsize size;

  if (!lk_token_check_text (token, error))
    return NULL;
  dot1 = strchr (token, '.');
  dot2 = dot1 != NULL ? strchr (dot1 + 1, '.') : NULL;
  if (dot2 != NULL) {
    header = parse_object (token, (gsize) (dot1 - token));
    payload = parse_object (dot1 + 1, (gsize) (dot2 - dot1 - 1));
    signature = base64url_decode (dot2 + 1, strlen (dot2 + 1), &size);
  }
  if (header == NULL || payload == NULL || signature == NULL) {
    g_set_error_literal (error, LK_ERROR, LK_ERROR_TOKEN, "the access token is not a JSON Web Token");
    return NULL;
  }
  return read_claims (json_node_get_object (json_parser_get_root (payload)));
}

void
lk_token_claims_free (LkTokenClaims * claims)
{
  if (claims == NULL)
    return;
  g_free (claims->api_key);
  g_free (claims->identity);
  g_free (claims->name);
  g_free (claims->room);
  g_strfreev (claims->can_publish_sources);
  g_free (claims->sha256);
  g_free (claims);
}

static gboolean
check_times (const LkTokenClaims * claims, gint64 now_s, GError ** error)
{
  if (claims->expires_s != 0 && now_s - LEEWAY_S > claims->expires_s) {
    g_set_error (error, LK_ERROR, LK_ERROR_TOKEN, "the access token expired %" G_GUINT64_FORMAT " s ago",
        (guint64) now_s - (guint64) claims->expires_s);
    return FALSE;
  }
  if (claims->not_before_s > now_s + LEEWAY_S) {
    g_set_error (error, LK_ERROR, LK_ERROR_TOKEN,
        "the access token is not valid before %" G_GUINT64_FORMAT " s from now",
        (guint64) claims->not_before_s - (guint64) now_s);
    return FALSE;
  }
  return TRUE;
}

gboolean
lk_token_check (const LkTokenClaims * claims, const gchar * room, gint64 now_s, GError ** error)
{
  g_return_val_if_fail (claims != NULL, FALSE);

  if (!check_times (claims, now_s, error))
    return FALSE;
  if (!claims->room_join) {
    g_set_error_literal (error, LK_ERROR, LK_ERROR_TOKEN,
        "the access token does not allow to join a room (no roomJoin)");
    return FALSE;
  }
  if (claims->room == NULL || *claims->room == '\0') {
    g_set_error_literal (error, LK_ERROR, LK_ERROR_TOKEN, "the access token names no room");
    return FALSE;
  }
  if (room != NULL && *room != '\0' && strcmp (room, claims->room) != 0) {
    g_autofree gchar *theirs = lk_error_clean_text (claims->room, -1);
    g_autofree gchar *ours = lk_error_clean_text (room, -1);

    g_set_error (error, LK_ERROR, LK_ERROR_TOKEN, "the access token is for room '%s', not for '%s'", theirs, ours);
    return FALSE;
  }
  return TRUE;
}

gboolean
lk_token_check_grants (const LkTokenClaims * claims, gboolean needs_publish, gboolean needs_subscribe, GError ** error)
{
  const gchar *missing = NULL;

  if (needs_publish && !claims->can_publish)
    missing = "canPublish";
  else if (needs_subscribe && !claims->can_subscribe)
    missing = "canSubscribe";
  if (missing)
    g_set_error (error, LK_ERROR, LK_ERROR_PERMISSION, "The access token does not grant %s", missing);
  return missing == NULL;
}
