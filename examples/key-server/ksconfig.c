/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ksconfig: what the key server hands out, and to whom. */

#include "ksconfig.h"

#include "apphttp.h"
#include "applog.h"
#include "ksviewer.h"

#define DEFAULT_LISTEN "127.0.0.1:3030"
#define DEFAULT_NAMES "[A-Za-z0-9_.-]{1,64}"
/* the viewer's page takes names that begin so */
#define DEFAULT_PUBLISHERS "(?!viewer-).*"
#define DEFAULT_SECONDS 3600
#define MOST_SECONDS (30 * 24 * 3600)

void
ks_config_free (KsConfig * config)
{
  if (config == NULL)
    return;
  app_keys_free (config->keys);
  g_free (config->listen);
  g_free (config->server_url);
  g_clear_pointer (&config->rooms, g_regex_unref);
  g_clear_pointer (&config->identities, g_regex_unref);
  g_clear_pointer (&config->publishers, g_regex_unref);
  g_strfreev (config->origins);
  g_free (config->viewer);
  g_free (config->modules);
  g_free (config);
}

static GRegex *
read_pattern (AppSettings * settings, const gchar * name, const gchar * fallback, AppProblems * problems)
{
  const gchar *value = app_settings_get (settings, name);
  g_autofree gchar *whole = g_strdup_printf ("^(?:%s)\\z", value != NULL ? value : fallback);
  g_autoptr (GError) error = NULL;
  GRegex *pattern = g_regex_new (whole, G_REGEX_DOLLAR_ENDONLY, 0, &error);

  if (pattern == NULL)
    app_settings_add_problem (settings, name, problems, "%s", error->message);
  return pattern;
}

static gboolean
is_server_url (const gchar * url)
{
  static const gchar *const schemes[] = { "ws", "wss", NULL };
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_NONE, NULL);

  return uri != NULL && g_strv_contains (schemes, g_uri_get_scheme (uri)) && g_uri_get_host (uri) != NULL
      && *g_uri_get_host (uri) != '\0';
}

static void
check_file (AppSettings * settings, AppProblems * problems, const gchar * name, const gchar * folder,
    const gchar * file)
{
  g_autofree gchar *path = g_build_filename (folder, file, NULL);

  if (!g_file_test (path, G_FILE_TEST_IS_REGULAR))
    app_settings_add_problem (settings, name, problems, "there is no %s", path);
}

static void
read_viewer (KsConfig * config, AppSettings * settings, AppProblems * problems)
{
  config->viewer = g_strdup (app_settings_get (settings, "VIEWER_FOLDER"));
  config->modules = g_strdup (app_settings_get (settings, "VIEWER_MODULES"));
  if ((config->viewer == NULL) != (config->modules == NULL)) {
    app_settings_add_problem (settings, config->viewer != NULL ? "VIEWER_MODULES" : "VIEWER_FOLDER", problems,
        "VIEWER_FOLDER (the page) and VIEWER_MODULES (a folder node_modules with livekit-client) go together");
  } else if (config->viewer != NULL) {
    check_file (settings, problems, "VIEWER_FOLDER", config->viewer, "index.html");
    check_file (settings, problems, "VIEWER_MODULES", config->modules, KS_VIEWER_MODULE);
  }
  if (config->viewer != NULL && config->server_url == NULL)
    app_settings_add_problem (settings, "LIVEKIT_SERVER", problems,
        "it is not set: the viewer must know where its server is");
}

KsConfig *
ks_config_read (AppSettings * settings, AppProblems * problems)
{
  KsConfig *config = g_new0 (KsConfig, 1);
  guint n_problems = app_problems_count (problems);
  const gchar *origins = app_settings_get (settings, "CORS_ORIGINS");
  g_autoptr (GPtrArray) unknown = NULL;

  config->keys = app_keys_read (settings, problems);
  if (config->keys == NULL && app_problems_count (problems) == n_problems)
    app_settings_need (settings, "LIVEKIT_API_KEY",
        "set it and LIVEKIT_API_SECRET, or API_KEY and API_SECRET, or KEY_FILE", problems);
  config->listen = g_strdup (app_http_read_address (settings, "LISTEN", DEFAULT_LISTEN, problems));
  config->server_url = g_strdup (app_settings_get (settings, "LIVEKIT_SERVER"));
  if (config->server_url != NULL && !is_server_url (config->server_url))
    app_settings_add_problem (settings, "LIVEKIT_SERVER", problems, "a URL that begins with ws:// or wss:// is expected");
  config->rooms = read_pattern (settings, "ROOM_PATTERN", DEFAULT_NAMES, problems);
  config->identities = read_pattern (settings, "IDENTITY_PATTERN", DEFAULT_NAMES, problems);
  config->publishers = read_pattern (settings, "PUBLISHER_PATTERN", DEFAULT_PUBLISHERS, problems);
  config->valid_s = (guint) app_settings_get_int (settings, "TOKEN_SECONDS", 60, MOST_SECONDS, DEFAULT_SECONDS,
      problems);
  config->origins = g_strsplit_set (origins != NULL ? origins : "*", ", ", -1);
  read_viewer (config, settings, problems);

  unknown = app_settings_get_unknown (settings);
  for (guint i = 0; i < unknown->len; i++)
    app_warning ("%s is not used", (const gchar *) g_ptr_array_index (unknown, i));
  return config;
}
