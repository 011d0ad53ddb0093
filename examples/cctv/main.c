/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* livekit-cctv: RTSP cameras to LiveKit rooms, nothing transcoded. See docs/cctv.md. */

#include <locale.h>
#include <unistd.h>

#include "applog.h"
#include "appmain.h"
#include "gateway.h"

typedef struct
{
  GMainLoop *loop;
  CctvGateway *gateway;
} App;

static gboolean opt_check;
static gchar **opt_files;

static const GOptionEntry entries[] = {
  {"check", 0, 0, G_OPTION_ARG_NONE, &opt_check, "Only say what is wrong with the file", NULL},
  {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &opt_files, NULL, "FILE"},
  {NULL}
};

static void
on_stopped (gpointer data)
{
  g_main_loop_quit (((App *) data)->loop);
}

static void
on_stop (gpointer data)
{
  App *app = data;

  app_notify ("STOPPING=1");
  app_info ("stopping");
  cctv_gateway_stop (app->gateway, on_stopped, app);
}

static void
on_reload (gpointer data)
{
  App *app = data;

  cctv_gateway_reload (app->gateway);
}

static gboolean
check_elements (AppProblems * problems)
{
  static const gchar *const names[] = { "livekitsink", "rtspsrc", "rtph264depay", "rtph265depay", "rtppcmudepay",
    "rtppcmadepay", "rtpopusdepay", "rtpmp4gdepay", "rtpmp4adepay", "aacparse", "avdec_aac", "opusenc" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autoptr (GstElementFactory) factory = gst_element_factory_find (names[i]);

    if (factory == NULL)
      app_problems_add (problems, NULL, "the GStreamer element %s is missing", names[i]);
  }
  return app_problems_count (problems) == 0;
}

static int
run (CctvSettings * settings)
{
  static const AppSignals signals = {.stop = on_stop,.reload = on_reload };
  g_autoptr (GError) error = NULL;
  App app = { NULL, NULL };
  gboolean has_ended;

  app.gateway = cctv_gateway_new (opt_files[0], settings, &error);
  if (app.gateway == NULL) {
    app_error ("%s", error->message);
    return 1;
  }
  app.loop = g_main_loop_new (NULL, FALSE);
  app_signals_watch (&signals, &app);
  app_info ("%u cameras, port %u", settings->cameras->len, cctv_gateway_get_port (app.gateway));
  app_notify ("READY=1");
  g_main_loop_run (app.loop);
  has_ended = cctv_gateway_has_ended (app.gateway);
  cctv_gateway_free (app.gateway);
  g_main_loop_unref (app.loop);
  /* nothing may be taken from under threads that still run */
  if (!has_ended)
    _exit (1);
  return 0;
}

static gboolean
parse_options (int *argc, char ***argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new ("- RTSP cameras to LiveKit rooms");
  g_autoptr (GError) error = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  if (!g_option_context_parse (context, argc, argv, &error)) {
    g_printerr ("livekit-cctv: %s\n", error->message);
    return FALSE;
  }
  if (opt_files == NULL || opt_files[1] != NULL) {
    g_printerr ("usage: livekit-cctv [--check] FILE\n");
    return FALSE;
  }
  return TRUE;
}

int
main (int argc, char **argv)
{
  g_autoptr (AppProblems) problems = app_problems_new ();
  g_autoptr (CctvSettings) settings = NULL;
  int result = 0;

  setlocale (LC_ALL, "");
  app_log_init ();
  if (!parse_options (&argc, &argv))
    return APP_EXIT_SETTINGS;
  settings = cctv_settings_load (opt_files[0], problems);
  check_elements (problems);
  if (app_problems_print (problems) > 0)
    result = APP_EXIT_SETTINGS;
  else if (!opt_check)
    result = run (settings);
  g_strfreev (opt_files);
  gst_deinit ();
  return result;
}
