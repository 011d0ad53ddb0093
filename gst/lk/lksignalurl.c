/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lksignalurl: the server's URL, and the query with which a signal client joins or resumes. */

#include "lksignalurl.h"

#include <json-glib/json-glib.h>
#include <libsoup/soup.h>
#include <string.h>

#include "lkerror.h"
#include "lkmessage.h"

#define PROTOCOL_VERSION 17

static const gchar *
websocket_scheme (const gchar * scheme)
{
  if (g_str_equal (scheme, "ws") || g_str_equal (scheme, "http"))
    return "ws";
  if (g_str_equal (scheme, "wss") || g_str_equal (scheme, "https"))
    return "wss";
  return NULL;
}

GUri *
lk_signal_url_parse (const gchar * text, GError ** error)
{
  g_autofree gchar *clean = lk_error_clean_url (text);
  g_autoptr (GUri) uri = NULL;
  const gchar *scheme;

  uri = text != NULL ? g_uri_parse (text, G_URI_FLAGS_ENCODED, NULL) : NULL;
  scheme = uri != NULL ? websocket_scheme (g_uri_get_scheme (uri)) : NULL;
  if (scheme == NULL || g_uri_get_host (uri) == NULL || g_uri_get_host (uri)[0] == '\0') {
    g_set_error (error, LK_ERROR, LK_ERROR_SETTINGS,
        "'%s' is no server URL: it begins with ws://, wss://, http:// or https:// and a host", clean);
    return NULL;
  }
  return g_uri_build (G_URI_FLAGS_ENCODED, scheme, NULL, g_uri_get_host (uri), g_uri_get_port (uri),
      g_uri_get_path (uri), NULL, NULL);
}

gboolean
lk_signal_url_check (const gchar * server_url, GError ** error)
{
  g_autoptr (GUri) uri = lk_signal_url_parse (server_url, error);

  return uri != NULL;
}

gchar *
lk_signal_url_describe (GUri * uri)
{
  const gchar *host = g_uri_get_host (uri);
  gint port = g_uri_get_port (uri);
  g_autofree gchar *text = NULL;

  if (port < 0)
    text = g_strdup (host);
  else
    text = g_strdup_printf (strchr (host, ':') != NULL ? "[%s]:%d" : "%s:%d", host, port);
  return lk_error_clean_text (text, -1);
}

GUri *
lk_signal_url_build (GUri * server, gboolean is_http, const gchar * path, const gchar * query)
{
  gboolean is_tls = g_str_equal (g_uri_get_scheme (server), "wss");
  g_autofree gchar *base = g_strdup (g_uri_get_path (server));
  g_autofree gchar *whole = NULL;
  gsize length = strlen (base);

  while (length > 0 && base[length - 1] == '/')
    base[--length] = '\0';
  whole = g_strconcat (base, path, NULL);
  return g_uri_build (SOUP_HTTP_URI_FLAGS, is_http ? (is_tls ? "https" : "http") : (is_tls ? "wss" : "ws"), NULL,
      g_uri_get_host (server), g_uri_get_port (server), whole, query, NULL);
}

static Livekit__StringEntry **
entries_from_table (GHashTable * table)
{
  GPtrArray *entries = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer key, value;

  g_hash_table_iter_init (&iter, table);
  while (g_hash_table_iter_next (&iter, &key, &value)) {
    Livekit__StringEntry *entry = g_new (Livekit__StringEntry, 1);

    livekit__string_entry__init (entry);
    entry->key = key;
    entry->value = value;
    g_ptr_array_add (entries, entry);
  }
  g_ptr_array_add (entries, NULL);
  return (Livekit__StringEntry **) g_ptr_array_free (entries, FALSE);
}

/* With a NULL at the end, as g_strfreev() would have it; the strings belong to the table. */
static void
free_entries (Livekit__StringEntry ** entries)
{
  for (guint i = 0; entries != NULL && entries[i] != NULL; i++)
    g_free (entries[i]);
  g_free (entries);
}

gchar *
lk_signal_url_v1_query (const LkSignalSettings * settings)
{
  Livekit__ClientInfo info = LIVEKIT__CLIENT_INFO__INIT;
  Livekit__ConnectionSettings connection = LIVEKIT__CONNECTION_SETTINGS__INIT;
  Livekit__JoinRequest join = LIVEKIT__JOIN_REQUEST__INIT;
  Livekit__StringEntry **entries = NULL;
  g_autofree gchar *packed = NULL, *escaped = NULL;

  info.sdk = LIVEKIT__CLIENT_INFO__SDK__CPP;
  info.version = (gchar *) settings->client_version;
  info.protocol = PROTOCOL_VERSION;
  connection.auto_subscribe = FALSE;
  join.client_info = &info;
  join.connection_settings = &connection;
  if (settings->metadata != NULL)
    join.metadata = (gchar *) settings->metadata;
  if (settings->attributes != NULL) {
    entries = entries_from_table (settings->attributes);
    join.participant_attributes = entries;
    join.n_participant_attributes = g_hash_table_size (settings->attributes);
  }
  if (settings->reconnect) {
    join.reconnect = TRUE;
    join.reconnect_reason = settings->reconnect_reason;
    join.participant_sid = (gchar *) settings->participant_sid;
  }

  packed = lk_message_pack_join (&join);
  free_entries (entries);
  escaped = g_uri_escape_string (packed, NULL, FALSE);
  return g_strdup_printf ("join_request=%s", escaped);
}

/* Base64 of a JSON object, URL-safe, with its padding. */
static gchar *
build_v0_attributes (GHashTable * attributes)
{
  JsonObject *object = json_object_new ();
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  g_autofree gchar *json = NULL;
  GHashTableIter iter;
  gpointer key, value;
  gchar *base64;

  json_node_take_object (node, object);
  g_hash_table_iter_init (&iter, attributes);
  while (g_hash_table_iter_next (&iter, &key, &value))
    json_object_set_string_member (object, key, value);
  json = json_to_string (node, FALSE);
  base64 = g_base64_encode ((const guchar *) json, strlen (json));
  g_strdelimit (base64, "+", '-');
  g_strdelimit (base64, "/", '_');
  return base64;
}

static void
append_parameter (GString * query, const gchar * name, const gchar * value)
{
  if (query->len > 0)
    g_string_append_c (query, '&');
  g_string_append (query, name);
  g_string_append_c (query, '=');
  g_string_append_uri_escaped (query, value, NULL, FALSE);
}

gchar *
lk_signal_url_v0_query (const LkSignalSettings * settings)
{
  GString *query = g_string_new (NULL);

  append_parameter (query, "protocol", G_STRINGIFY (PROTOCOL_VERSION));
  append_parameter (query, "sdk", "cpp");
  append_parameter (query, "version", settings->client_version);
  append_parameter (query, "auto_subscribe", "0");
  if (settings->attributes != NULL && g_hash_table_size (settings->attributes) > 0) {
    g_autofree gchar *attributes = build_v0_attributes (settings->attributes);

    append_parameter (query, "attributes", attributes);
  }
  if (settings->reconnect) {
    g_autofree gchar *reason = g_strdup_printf ("%d", (gint) settings->reconnect_reason);

    append_parameter (query, "reconnect", "1");
    append_parameter (query, "sid", settings->participant_sid);
    append_parameter (query, "reconnect_reason", reason);
  }
  return g_string_free (query, FALSE);
}
