/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* livekit-endless-stream: plays files in an endless loop, into video devices or into a LiveKit room.
 *
 *     livekit-endless-stream FILE=/dev/video10 FILE=/dev/video11      decoded, to v4l2loopback
 *     livekit-endless-stream --room ROOM FILE...                each a participant; encoded as they are, if possible
 *     livekit-endless-stream "FILE=SINK ..."                          decoded, to any sink of a launch line
 *     livekit-endless-stream --config SETTINGS                        all that by settings
 *
 * A file that fails starts again alone. docs/video-server.md has the settings. */
#include <gst/gst.h>
#include <unistd.h>

#include "apphttp.h"
#include "applog.h"
#include "appmain.h"
#include "appmetrics.h"
#include "esloop.h"

#define STOP_POLL_MS 20
/* Goodbye to a room takes two seconds at most; what does not end by then is left where it is. */
#define STOP_US (8 * G_USEC_PER_SEC)

static gchar *opt_config;
static gchar *opt_room;
static gchar *opt_identity;
static gchar **opt_files;
static gboolean opt_check;

static const GOptionEntry entries[] = {
  {"config", 'c', 0, G_OPTION_ARG_FILENAME, &opt_config, "YAML or key file", "SETTINGS"},
  {"check", 0, 0, G_OPTION_ARG_NONE, &opt_check, "Only read the settings", NULL},
  {"room", 'r', 0, G_OPTION_ARG_STRING, &opt_room, "The room for files without a device", "ROOM"},
  {"identity", 'i', 0, G_OPTION_ARG_STRING, &opt_identity, "Beginning of the participants' names (default: endless)",
        "NAME"},
  {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &opt_files, NULL, "FILE[=DEVICE]..."},
  {NULL}
};

typedef struct
{
  GMainLoop *main_loop;
  GPtrArray *loops;             /* EsLoop, owned */
  gint64 stop_until_us;         /* monotonic */
} App;

/* What is told about it */

static gboolean
is_ready (GString * why, gpointer data)
{
  App *app = data;

  for (guint i = 0; i < app->loops->len; i++) {
    EsLoop *loop = g_ptr_array_index (app->loops, i);
    const EsFile *file = es_loop_get_file (loop);
    EsStatus status;

    es_loop_get_status (loop, &status);
    if (status.state != ES_PLAYING)
      g_string_append_printf (why, "%s%s is %s", why->len > 0 ? ", " : "", file->path, es_state_name (status.state));
    else if (file->target == NULL && !status.is_connected)
      g_string_append_printf (why, "%s%s is not in the room", why->len > 0 ? ", " : "", file->path);
  }
  return why->len == 0;
}

static gdouble
get_connected (const EsStatus * status)
{
  return status->is_connected;
}

static gdouble
get_rounds (const EsStatus * status)
{
  return (gdouble) status->n_rounds;
}

static gdouble
get_restarts (const EsStatus * status)
{
  return status->n_restarts;
}

/* One file may be played several times: its number tells them apart. */
static void
add_metric (App * app, GString * text, const gchar * name, AppMetricKind kind, const gchar * help,
    gdouble (*get) (const EsStatus * status))
{
  app_metrics_begin (text, name, kind, help);
  for (guint i = 0; i < app->loops->len; i++) {
    EsLoop *loop = g_ptr_array_index (app->loops, i);
    g_autofree gchar *number = g_strdup_printf ("%u", i);
    EsStatus status;

    es_loop_get_status (loop, &status);
    app_metrics_add (text, name, get (&status), "number", number, "file", es_loop_get_file (loop)->path, NULL);
  }
}

static void
add_states (App * app, GString * text)
{
  app_metrics_begin (text, "endless_stream_state", APP_METRIC_GAUGE, "1 for the state that a file is in");
  for (guint i = 0; i < app->loops->len; i++) {
    EsLoop *loop = g_ptr_array_index (app->loops, i);
    g_autofree gchar *number = g_strdup_printf ("%u", i);
    EsStatus status;

    es_loop_get_status (loop, &status);
    for (guint state = 0; state < ES_N_STATES; state++)
      app_metrics_add (text, "endless_stream_state", status.state == state, "number", number, "file",
          es_loop_get_file (loop)->path, "state", es_state_name (state), NULL);
  }
}

static void
add_metrics (GString * text, gpointer data)
{
  App *app = data;

  add_states (app, text);
  add_metric (app, text, "endless_stream_connected", APP_METRIC_GAUGE, "1 while it is in the room", get_connected);
  add_metric (app, text, "endless_stream_rounds_total", APP_METRIC_COUNTER, "How often it was played to its end",
      get_rounds);
  add_metric (app, text, "endless_stream_restarts_total", APP_METRIC_COUNTER, "How often it was started again",
      get_restarts);
}

/* Stop */

static gboolean
have_ended (App * app)
{
  for (guint i = 0; i < app->loops->len; i++) {
    if (!es_loop_has_ended (g_ptr_array_index (app->loops, i)))
      return FALSE;
  }
  return TRUE;
}

static gboolean
quit_if_ended (gpointer data)
{
  App *app = data;

  if (!have_ended (app) && g_get_monotonic_time () < app->stop_until_us)
    return G_SOURCE_CONTINUE;
  for (guint i = 0; i < app->loops->len; i++) {
    EsLoop *loop = g_ptr_array_index (app->loops, i);

    if (!es_loop_has_ended (loop))
      app_warning ("%s: does not end", es_loop_get_file (loop)->path);
  }
  g_main_loop_quit (app->main_loop);
  return G_SOURCE_REMOVE;
}

static void
stop (gpointer data)
{
  App *app = data;

  app_info ("stops");
  app_notify ("STOPPING=1");
  for (guint i = 0; i < app->loops->len; i++)
    es_loop_end (g_ptr_array_index (app->loops, i));
  app->stop_until_us = g_get_monotonic_time () + STOP_US;
  g_timeout_add (STOP_POLL_MS, quit_if_ended, app);
}

static int
run (const EsConfig * config)
{
  static const AppSignals signals = { stop, NULL };
  static const AppMonitor monitor = { NULL, is_ready, add_metrics };
  g_autoptr (GMainLoop) main_loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GPtrArray) loops = g_ptr_array_new_with_free_func ((GDestroyNotify) es_loop_free);
  g_autoptr (AppHttp) http = NULL;
  g_autoptr (GError) error = NULL;
  App app = { main_loop, loops, 0 };

  if (config->http_listen != NULL) {
    http = app_http_new (config->http_listen, &error);
    if (http == NULL) {
      app_error ("HTTP_LISTEN: %s", error->message);
      return 1;
    }
    app_info ("health and metrics: port %u", app_http_get_port (http));
    app_http_add_monitor (http, &monitor, &app);
  }
  for (guint i = 0; i < config->files->len; i++)
    g_ptr_array_add (loops, es_loop_new (config, g_ptr_array_index (config->files, i)));
  app_signals_watch (&signals, &app);
  for (guint i = 0; i < loops->len; i++)
    es_loop_start (g_ptr_array_index (loops, i));
  app_notify ("READY=1");
  g_main_loop_run (main_loop);
  /* nothing may be taken from under threads that still run */
  if (!have_ended (&app))
    _exit (1);
  return 0;
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) options = g_option_context_new ("- files in an endless loop");
  g_autoptr (AppSettings) settings = app_settings_new (NULL);
  g_autoptr (AppProblems) problems = app_problems_new ();
  g_autoptr (EsConfig) config = NULL;
  g_autoptr (GError) error = NULL;

  g_option_context_add_main_entries (options, entries, NULL);
  g_option_context_add_group (options, gst_init_get_option_group ());
  if (!g_option_context_parse (options, &argc, &argv, &error)) {
    g_printerr ("%s\n", error->message);
    return APP_EXIT_SETTINGS;
  }
  app_log_init ();
  if (opt_config != NULL)
    app_settings_read (settings, opt_config, problems);
  config = es_config_read (settings, opt_files, opt_room, opt_identity, problems);
  if (app_problems_print (problems) > 0)
    return APP_EXIT_SETTINGS;
  return opt_check ? 0 : run (config);
}
