/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* appserver: where the LiveKit server is, and how one gets in. */

#include "appserver.h"

#include <string.h>

void
app_server_free (AppServer * server)
{
  if (server == NULL)
    return;
  g_free (server->url);
  g_free (server->token_url);
  app_keys_free (server->keys);
  g_free (server);
}

static gboolean
has_scheme (const gchar * url, const gchar * const *schemes)
{
  g_autofree gchar *scheme = g_uri_parse_scheme (url);

  return strstr (url, "://") != NULL && scheme != NULL && g_strv_contains (schemes, scheme);
}

/* @value with @scheme in front if it has none; NULL with a problem when it is no URL of these schemes. */
static gchar *
read_url (AppSettings * settings, const gchar * name, const gchar * value, const gchar * const *schemes,
    AppProblems * problems)
{
  gboolean has_one = strstr (value, "://") != NULL;
  g_autofree gchar *url = has_one ? g_strdup (value) : g_strconcat (schemes[0], "://", value, NULL);
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_NONE, NULL);

  if (uri != NULL && g_uri_get_host (uri) != NULL && *g_uri_get_host (uri) != '\0' && has_scheme (url, schemes))
    return g_steal_pointer (&url);
  app_settings_add_problem (settings, name, problems, "a host with its port, or a URL of %s or %s, is expected",
      schemes[0], schemes[1]);
  return NULL;
}

/* As the Go server has it, a token server without a path is asked for /token. */
static gchar *
add_token_path (const gchar * url)
{
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_ENCODED, NULL);
  const gchar *path = g_uri_get_path (uri);

  if (*path != '\0' && strcmp (path, "/") != 0)
    return g_strdup (url);
  return g_strconcat (url, *path == '/' ? "token" : "/token", NULL);
}

AppServer *
app_server_read (AppSettings * settings, AppProblems * problems)
{
  static const gchar *const server_schemes[] = { "ws", "wss", "http", "https", NULL };
  static const gchar *const token_schemes[] = { "http", "https", NULL };
  AppServer *server = g_new0 (AppServer, 1);
  const gchar *address, *token_server = app_settings_get (settings, "TOKEN_SERVER");
  guint n_problems = app_problems_count (problems);

  address = app_settings_need (settings, "LIVEKIT_SERVER", "the address of the LiveKit server", problems);
  if (address != NULL)
    server->url = read_url (settings, "LIVEKIT_SERVER", address, server_schemes, problems);

  server->keys = app_keys_read (settings, problems);
  if (token_server != NULL && server->keys != NULL)
    app_settings_add_problem (settings, "TOKEN_SERVER", problems,
        "it is set, and an API key too: one of them is enough");
  else if (token_server == NULL && server->keys == NULL && app_problems_count (problems) == n_problems)
    app_settings_need (settings, "TOKEN_SERVER", "host:port or URL of the key server (or set LIVEKIT_API_KEY and "
        "LIVEKIT_API_SECRET, or KEY_FILE)", problems);
  if (token_server != NULL) {
    g_autofree gchar *url = read_url (settings, "TOKEN_SERVER", token_server, token_schemes, problems);

    server->token_url = url != NULL ? add_token_path (url) : NULL;
  }
  return server;
}

void
app_server_set_up (const AppServer * server, GObject * element)
{
  g_object_set (element, "server-url", server->url, NULL);
  if (server->keys != NULL)
    g_object_set (element, "api-key", server->keys->key, "api-secret", server->keys->secret, NULL);
  else
    g_object_set (element, "token-url", server->token_url, NULL);
}
