/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* livekit-video-server: publishes GStreamer pipelines as tracks of a LiveKit room, plays and records tracks of others.
 *
 *     livekit-video-server [--config FILE]
 *
 * README.md says what FILE holds. */
#include <gst/gst.h>
#include <unistd.h>

#include "apphttp.h"
#include "applog.h"
#include "appmain.h"
#include "vsserver.h"

#define FILE_NAME "livekit-video-server.yaml"

static gchar *opt_config;
static gchar **opt_rest;
static gboolean opt_check;

static const GOptionEntry entries[] = {
  {"config", 'c', 0, G_OPTION_ARG_FILENAME, &opt_config, "YAML or key file (default: " FILE_NAME " in the home folder, "
        "else in this one)", "FILE"},
  {"check", 0, 0, G_OPTION_ARG_NONE, &opt_check, "Only read the settings", NULL},
  {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &opt_rest, NULL, "[serve]"},
  {NULL}
};

typedef struct
{
  GMainLoop *loop;
  VsServer *server;
} App;

static gboolean
check_elements (void)
{
  static const gchar *const needed[] = { "livekitsink", "livekitsrc", "appsink", "appsrc", "webrtcbin", "nicesink" };
  gboolean ok = TRUE;

  for (guint i = 0; i < G_N_ELEMENTS (needed); i++) {
    g_autoptr (GstElementFactory) factory = gst_element_factory_find (needed[i]);

    if (factory == NULL) {
      app_error ("the element %s is not installed (GST_PLUGIN_PATH)", needed[i]);
      ok = FALSE;
    }
  }
  return ok;
}

static void
on_stopped (gpointer data)
{
  App *app = data;

  g_main_loop_quit (app->loop);
}

static void
stop (gpointer data)
{
  App *app = data;

  app_info ("stops");
  app_notify ("STOPPING=1");
  vs_server_stop (app->server, on_stopped, app);
}

static int
run (const VsConfig * config)
{
  static const AppSignals signals = { stop, NULL };
  static const AppMonitor monitor = { NULL, vs_server_is_ready, vs_server_add_metrics };
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (AppHttp) http = NULL;
  g_autoptr (GError) error = NULL;
  App app = { loop, NULL };

  if (config->http_listen != NULL) {
    http = app_http_new (config->http_listen, &error);
    if (http == NULL) {
      app_error ("HTTP_LISTEN: %s", error->message);
      return 1;
    }
    app_info ("health and metrics: port %u", app_http_get_port (http));
  }
  app.server = vs_server_new (config);
  if (http != NULL)
    app_http_add_monitor (http, &monitor, app.server);
  app_signals_watch (&signals, &app);
  vs_server_start (app.server);
  app_notify ("READY=1");
  g_main_loop_run (loop);
  /* the server's end still runs the main context: nobody may ask about it then */
  g_clear_pointer (&http, app_http_free);
  /* nothing may be taken from under threads that still run */
  if (!vs_server_has_ended (app.server))
    _exit (1);
  vs_server_free (app.server);
  /* with GST_TRACERS=leaks this tells what is left */
  gst_deinit ();
  return 0;
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) options = g_option_context_new ("- pipelines into and out of a LiveKit room");
  g_autoptr (AppSettings) settings = app_settings_new (NULL);
  g_autoptr (AppProblems) problems = app_problems_new ();
  g_autoptr (VsConfig) config = NULL;
  g_autoptr (GError) error = NULL;

  g_option_context_add_main_entries (options, entries, NULL);
  g_option_context_add_group (options, gst_init_get_option_group ());
  if (!g_option_context_parse (options, &argc, &argv, &error)) {
    g_printerr ("%s\n", error->message);
    return APP_EXIT_SETTINGS;
  }
  /* the Go server's command */
  if (opt_rest != NULL && (g_strcmp0 (opt_rest[0], "serve") != 0 || opt_rest[1] != NULL)) {
    g_printerr ("unknown argument %s\n", opt_rest[0]);
    return APP_EXIT_SETTINGS;
  }
  app_log_init ();
  if (!check_elements ())
    return 1;
  app_settings_read_default (settings, opt_config, FILE_NAME, problems);
  config = vs_config_read (settings, problems);
  if (app_problems_print (problems) > 0)
    return APP_EXIT_SETTINGS;
  return opt_check ? 0 : run (config);
}
