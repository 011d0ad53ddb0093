/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* livekit-key-server: hands out tokens for a LiveKit server, and a page that shows a room.
 *
 *     livekit-key-server [--config FILE] [--check]
 *
 * README.md says what FILE holds. */

#include "apphttp.h"
#include "applog.h"
#include "appmain.h"
#include "kstokens.h"
#include "ksviewer.h"

#define FILE_NAME "livekit-keysrv.yaml"

static gchar *opt_config;
static gchar **opt_rest;
static gboolean opt_check;

static const GOptionEntry entries[] = {
  {"config", 'c', 0, G_OPTION_ARG_FILENAME, &opt_config, "YAML or key file (default: " FILE_NAME " in the home folder, "
        "else in this one)", "FILE"},
  {"check", 0, 0, G_OPTION_ARG_NONE, &opt_check, "Only read the settings", NULL},
  {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &opt_rest, NULL, "[serveToken]"},
  {NULL}
};

static void
stop (gpointer data)
{
  app_info ("stops");
  app_notify ("STOPPING=1");
  g_main_loop_quit (data);
}

static int
run (const KsConfig * config)
{
  static const AppSignals signals = { stop, NULL };
  static const AppMonitor monitor = { NULL, NULL, ks_tokens_add_metrics };
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GError) error = NULL;
  g_autoptr (KsTokens) tokens = NULL;
  g_autoptr (KsViewer) viewer = NULL;
  g_autoptr (AppHttp) http = app_http_new (config->listen, &error);

  if (http != NULL && config->viewer != NULL)
    viewer = ks_viewer_new (http, config->viewer, config->modules, &error);
  if (error != NULL) {
    app_error ("%s", error->message);
    return 1;
  }
  tokens = ks_tokens_new (config, http);
  app_http_add_monitor (http, &monitor, tokens);
  app_signals_watch (&signals, loop);
  app_info ("port %u: /token%s", app_http_get_port (http), viewer != NULL ? ", and the viewer at /" : "");
  app_notify ("READY=1");
  g_main_loop_run (loop);
  return 0;
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) options = g_option_context_new ("- tokens for a LiveKit server, and a viewer");
  g_autoptr (AppSettings) settings = app_settings_new (NULL);
  g_autoptr (AppProblems) problems = app_problems_new ();
  g_autoptr (KsConfig) config = NULL;
  g_autoptr (GError) error = NULL;

  g_option_context_add_main_entries (options, entries, NULL);
  if (!g_option_context_parse (options, &argc, &argv, &error)) {
    g_printerr ("%s\n", error->message);
    return APP_EXIT_SETTINGS;
  }
  /* the Go key server's command */
  if (opt_rest != NULL && (g_strcmp0 (opt_rest[0], "serveToken") != 0 || opt_rest[1] != NULL)) {
    g_printerr ("unknown argument %s\n", opt_rest[0]);
    return APP_EXIT_SETTINGS;
  }
  app_log_init ();
  app_settings_read_default (settings, opt_config, FILE_NAME, problems);
  config = ks_config_read (settings, problems);
  if (app_problems_print (problems) > 0)
    return APP_EXIT_SETTINGS;
  return opt_check ? 0 : run (config);
}
