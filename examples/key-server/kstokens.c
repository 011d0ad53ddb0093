/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kstokens: /token, in both forms. */

#include "kstokens.h"

#include "applog.h"
#include "appmetrics.h"
#include "lkjson.h"
#include "lktoken.h"

#include <json-glib/json-glib.h>
#include <string.h>

#define MAX_NAME_BYTES 256
#define MAX_DEPTH 8

struct _KsTokens
{
  const KsConfig *config;
  guint64 n_given, n_refused;
};

typedef struct
{
  gchar *room, *identity, *name;
} Wish;

static void
wish_clear (Wish * wish)
{
  g_free (wish->room);
  g_free (wish->identity);
  g_free (wish->name);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Wish, wish_clear)

static void
refuse (KsTokens * tokens, SoupServerMessage * message, guint status, const gchar * text)
{
  tokens->n_refused++;
  app_http_answer_text (message, status, "%s", text);
}

/* A token for the wish; NULL after an answer that says why not. */
static gchar *
mint (KsTokens * tokens, SoupServerMessage * message, const Wish * wish)
{
  const KsConfig *config = tokens->config;
  AppGrants grants = APP_MAY_SUBSCRIBE;
  g_autoptr (GError) error = NULL;
  gchar *token;

  if (!g_regex_match (config->identities, wish->identity, 0, NULL)) {
    refuse (tokens, message, SOUP_STATUS_FORBIDDEN, "this identity is not allowed");
    return NULL;
  }
  if (!g_regex_match (config->rooms, wish->room, 0, NULL)) {
    refuse (tokens, message, SOUP_STATUS_FORBIDDEN, "this room is not allowed");
    return NULL;
  }
  if (g_regex_match (config->publishers, wish->identity, 0, NULL))
    grants |= APP_MAY_PUBLISH | APP_MAY_SEND_DATA;
  token = app_keys_mint (config->keys, wish->room, wish->identity, wish->name, grants, config->valid_s, &error);
  if (token == NULL) {
    app_warning ("no token: %s", error->message);
    refuse (tokens, message, SOUP_STATUS_INTERNAL_SERVER_ERROR, "no token could be made");
    return NULL;
  }
  tokens->n_given++;
  app_info ("token for %s in %s, to %s", wish->identity, wish->room,
      grants & APP_MAY_PUBLISH ? "publish and watch" : "watch");
  return token;
}

/* Takes @token. */
static void
answer_token (SoupServerMessage * message, guint status, const gchar * name, gchar * token, const gchar * server_url)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  gchar *text;

  json_builder_begin_object (builder);
  if (server_url != NULL) {
    json_builder_set_member_name (builder, "server_url");
    json_builder_add_string_value (builder, server_url);
  }
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, token);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  text = json_to_string (root, FALSE);
  app_http_answer (message, status, "application/json", text, -1);
  lk_token_clear (text);
  lk_token_clear (token);
}

static void
answer_get (KsTokens * tokens, SoupServerMessage * message, GHashTable * query)
{
  Wish wish = { NULL, };
  gchar *token;

  wish.identity = query != NULL ? g_hash_table_lookup (query, "identity") : NULL;
  wish.room = query != NULL ? g_hash_table_lookup (query, "room") : NULL;
  if (wish.identity == NULL || *wish.identity == '\0') {
    refuse (tokens, message, SOUP_STATUS_BAD_REQUEST, "identity not set");
    return;
  }
  if (wish.room == NULL || *wish.room == '\0') {
    refuse (tokens, message, SOUP_STATUS_BAD_REQUEST, "room not set");
    return;
  }
  token = mint (tokens, message, &wish);
  if (token != NULL)
    answer_token (message, SOUP_STATUS_OK, "token", token, NULL);
}

/* What may not be chosen here is refused, not dropped: whoever asks for it relies on it. */
static gboolean
read_member (const gchar * name, JsonNode * value, Wish * wish)
{
  static const struct
  {
    const gchar *name, *other_name;
    gsize offset;
  } members[] = {
    {"room_name", "roomName", G_STRUCT_OFFSET (Wish, room)},
    {"participant_identity", "participantIdentity", G_STRUCT_OFFSET (Wish, identity)},
    {"participant_name", "participantName", G_STRUCT_OFFSET (Wish, name)},
  };
  gboolean is_text = JSON_NODE_HOLDS_VALUE (value) && json_node_get_value_type (value) == G_TYPE_STRING;

  for (guint i = 0; i < G_N_ELEMENTS (members); i++) {
    gchar **text = G_STRUCT_MEMBER_P (wish, members[i].offset);

    if (strcmp (name, members[i].name) != 0 && strcmp (name, members[i].other_name) != 0)
      continue;
    if (!is_text || strlen (json_node_get_string (value)) > MAX_NAME_BYTES)
      return FALSE;
    g_free (*text);
    *text = g_strdup (json_node_get_string (value));
    return TRUE;
  }
  return JSON_NODE_HOLDS_NULL (value) || (is_text && *json_node_get_string (value) == '\0');
}

/* The text of a refusal, or NULL. To be freed. */
static gchar *
read_wish (SoupServerMessage * message, Wish * wish)
{
  g_autoptr (GBytes) body = soup_message_body_flatten (soup_server_message_get_request_body (message));
  g_autoptr (JsonParser) parser = json_parser_new ();
  gsize size;
  const gchar *text = g_bytes_get_data (body, &size), *name;
  JsonObjectIter iter;
  JsonNode *value;

  if (size == 0 || !lk_json_is_valid (text, size, MAX_DEPTH)
      || !json_parser_load_from_data (parser, text, (gssize) size, NULL)
      || !JSON_NODE_HOLDS_OBJECT (json_parser_get_root (parser)))
    return g_strdup ("a JSON object is expected");
  json_object_iter_init (&iter, json_node_get_object (json_parser_get_root (parser)));
  while (json_object_iter_next (&iter, &name, &value)) {
    if (!read_member (name, value, wish))
      return g_strdup_printf ("%.64s cannot be so, or may not be chosen here", name);
  }
  if (wish->room == NULL || *wish->room == '\0')
    return g_strdup ("room_name is not set");
  if (wish->identity == NULL || *wish->identity == '\0') {
    g_free (wish->identity);
    wish->identity = g_strdup_printf ("viewer-%08x", g_random_int ());
  }
  return NULL;
}

static void
answer_post (KsTokens * tokens, SoupServerMessage * message)
{
  g_auto (Wish) wish = { NULL, };
  g_autofree gchar *fault = read_wish (message, &wish);
  gchar *token;

  if (fault != NULL) {
    refuse (tokens, message, SOUP_STATUS_BAD_REQUEST, fault);
    return;
  }
  token = mint (tokens, message, &wish);
  if (token != NULL)
    answer_token (message, SOUP_STATUS_CREATED, "participant_token", token, tokens->config->server_url);
}

/* Pages of other sites may read the answers, if the settings let them. */
static void
add_cors (KsTokens * tokens, SoupServerMessage * message)
{
  const gchar *origin = soup_message_headers_get_one (soup_server_message_get_request_headers (message), "Origin");
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (message);
  const gchar *const *origins = (const gchar * const *) tokens->config->origins;

  if (g_strv_contains (origins, "*"))
    soup_message_headers_replace (headers, "Access-Control-Allow-Origin", "*");
  else if (origin != NULL && *origin != '\0' && g_strv_contains (origins, origin))
    soup_message_headers_replace (headers, "Access-Control-Allow-Origin", origin);
  soup_message_headers_replace (headers, "Vary", "Origin");
}

static void
on_token (SoupServerMessage * message, const gchar * path, GHashTable * query, gpointer data)
{
  KsTokens *tokens = data;
  const gchar *method = soup_server_message_get_method (message);
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (message);

  add_cors (tokens, message);
  if (!app_http_allow (message, "GET, POST, OPTIONS"))
    return;
  if (method == SOUP_METHOD_OPTIONS) {
    soup_message_headers_replace (headers, "Access-Control-Allow-Methods", "GET, POST, OPTIONS");
    soup_message_headers_replace (headers, "Access-Control-Allow-Headers", "Authorization, Content-Type");
    soup_message_headers_replace (headers, "Access-Control-Max-Age", "600");
    soup_server_message_set_status (message, SOUP_STATUS_NO_CONTENT, NULL);
  } else if (method == SOUP_METHOD_POST) {
    answer_post (tokens, message);
  } else {
    answer_get (tokens, message, query);
  }
}

KsTokens *
ks_tokens_new (const KsConfig * config, AppHttp * http)
{
  KsTokens *tokens = g_new0 (KsTokens, 1);

  tokens->config = config;
  app_http_add (http, "/token", on_token, tokens);
  return tokens;
}

void
ks_tokens_free (KsTokens * tokens)
{
  g_free (tokens);
}

void
ks_tokens_add_metrics (GString * text, gpointer data)
{
  KsTokens *tokens = data;

  app_metrics_single (text, "key_server_tokens_total", APP_METRIC_COUNTER, "Tokens that were given",
      (gdouble) tokens->n_given);
  app_metrics_single (text, "key_server_refusals_total", APP_METRIC_COUNTER, "Requests that were refused",
      (gdouble) tokens->n_refused);
}
