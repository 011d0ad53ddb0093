/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lktokensource: what a token URL says. Pure. */

#include "lktokensource-private.h"

#include "lkjson.h"
#include "lktoken.h"

#include <json-glib/json-glib.h>
#include <libsoup/soup.h>

#define MAX_DEPTH 32

static gboolean
is_empty (const gchar * text)
{
  return text == NULL || *text == '\0';
}

static gboolean
get_string (JsonObject * object, const gchar * const *names, const gchar ** value)
{
  *value = NULL;
  for (; *names != NULL; names++) {
    JsonNode *node = json_object_get_member (object, *names);

    if (node == NULL || JSON_NODE_HOLDS_NULL (node))
      continue;
    if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_STRING)
      return FALSE;
    *value = json_node_get_string (node);
    if (!is_empty (*value))
      return TRUE;
  }
  return TRUE;
}

/* NULL when @server_url is good, else what is wrong with it. */
static const gchar *
find_fault_of_server_url (const gchar * server_url, gboolean must_be_secure)
{
  g_autoptr (GUri) uri = g_uri_parse (server_url, SOUP_HTTP_URI_FLAGS, NULL);
  const gchar *scheme = uri != NULL ? g_uri_get_scheme (uri) : "";
  gboolean is_secure = g_strcmp0 (scheme, "wss") == 0 || g_strcmp0 (scheme, "https") == 0;

  for (const gchar * p = server_url; *p != '\0'; p++) {
    if (!g_ascii_isgraph (*p))
      return "is no URL";
  }
  if (uri == NULL || is_empty (g_uri_get_host (uri)))
    return "is no URL";
  if (!is_secure && g_strcmp0 (scheme, "ws") != 0 && g_strcmp0 (scheme, "http") != 0)
    return "is not of ws, wss, http or https";
  if (!is_secure && must_be_secure && !lk_http_host_is_loopback (g_uri_get_host (uri)))
    return "is not encrypted, while the token URL is";
  return NULL;
}

static void refuse (GError ** error, const gchar * format, ...) G_GNUC_PRINTF (2, 3);

static void
refuse (GError ** error, const gchar * format, ...)
{
  va_list args;

  va_start (args, format);
  g_propagate_error (error, g_error_new_valist (LK_ERROR, LK_ERROR_TOKEN_SOURCE, format, args));
  va_end (args);
}

static LkTokenAnswer *
read_object (JsonObject * object, gboolean is_secure, GError ** error)
{
  static const gchar *const token_names[] = { "participant_token", "participantToken", "token", NULL };
  static const gchar *const url_names[] = { "server_url", "serverUrl", NULL };
  g_autoptr (GError) cause = NULL;
  const gchar *token, *server_url, *fault;
  LkTokenAnswer *answer;

  if (!get_string (object, token_names, &token) || !get_string (object, url_names, &server_url)) {
    refuse (error, "answered with a token or a server URL that is no string");
    return NULL;
  }
  if (is_empty (token)) {
    refuse (error, "answered without a token");
    return NULL;
  }
  if (!lk_token_check_text (token, &cause)) {
    refuse (error, "answered with a bad token: %s", cause->message);
    return NULL;
  }
  fault = !is_empty (server_url) ? find_fault_of_server_url (server_url, is_secure) : NULL;
  if (fault != NULL) {
    g_autofree gchar *clean = lk_error_clean_url (server_url);

    refuse (error, "answered with the server URL %s, which %s", clean, fault);
    return NULL;
  }

  answer = g_new0 (LkTokenAnswer, 1);
  answer->token = g_strdup (token);
  answer->server_url = is_empty (server_url) ? NULL : g_strdup (server_url);
  return answer;
}

LkTokenAnswer *
lk_token_answer_parse (const gchar * text, gsize length, gboolean is_secure, GError ** error)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  JsonNode *root = NULL;

  if (lk_json_is_valid (text, length, MAX_DEPTH)
      && json_parser_load_from_data (parser, text, (gssize) length, NULL))
    root = json_parser_get_root (parser);
  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root)) {
    refuse (error, "answered with something that is no JSON object");
    return NULL;
  }
  return read_object (json_node_get_object (root), is_secure, error);
}
