/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vsrunner: runs one pipeline of the configuration, and starts it again when it breaks. */

#include "vsrunner.h"

#include "applife.h"
#include "applog.h"
#include "apprestart.h"

#include <gst/app/gstappsrc.h>
#include <string.h>

#define END_TIMEOUT_MS 5000

struct _VsRunner
{
  const VsPipelineConfig *config;
  GstClock *clock;
  const VsRunnerDelegate *delegate;
  gpointer data;
  VsState state;
  VsParsed *parsed;             /* NULL unless it starts, runs or ends */
  AppLife *life;
  AppRestart *restart;
  guint end_timer;              /* source id */
  gboolean is_wanted_again;     /* as soon as it has ended */
  gint64 last_start_s;          /* as the text was told, since 1970 */
};

static const AppLifeDelegate life_delegate;
static void start_again (gpointer data);

VsRunner *
vs_runner_new (const VsPipelineConfig * config, GstClock * clock, const VsRunnerDelegate * delegate, gpointer data)
{
  VsRunner *runner = g_new0 (VsRunner, 1);

  runner->config = config;
  runner->clock = gst_object_ref (clock);
  runner->delegate = delegate;
  runner->data = data;
  runner->life = app_life_new (&life_delegate, runner);
  runner->restart = app_restart_new (start_again, runner);
  return runner;
}

static void
drop_pipeline (VsRunner * runner, VsState state)
{
  g_clear_handle_id (&runner->end_timer, g_source_remove);
  runner->is_wanted_again = FALSE;
  runner->state = state;
  if (runner->parsed != NULL)
    runner->delegate->stopped (state == VS_BROKEN, runner->data);
  app_life_end (runner->life);
  g_clear_pointer (&runner->parsed, vs_parsed_free);
}

void
vs_runner_free (VsRunner * runner)
{
  if (runner == NULL)
    return;
  app_restart_free (runner->restart);
  app_life_free (runner->life);
  gst_object_unref (runner->clock);
  g_free (runner);
}

void
vs_runner_fail (VsRunner * runner, const gchar * reason)
{
  guint delay_ms;

  if (runner->state != VS_STARTING && runner->state != VS_RUNNING)
    return;
  drop_pipeline (runner, VS_BROKEN);
  delay_ms = app_restart_failed (runner->restart);
  app_warning ("%s: %s; starts again in %.1f s", runner->config->setting, reason, delay_ms / 1000.0);
}

/* The end of the way that vs_runner_end() began. */
static void
finish (VsRunner * runner)
{
  gboolean is_wanted_again = runner->is_wanted_again;

  vs_runner_stop (runner);
  if (is_wanted_again)
    vs_runner_start (runner);
}

static void
on_error (VsRunner * runner, GstMessage * message)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *details = NULL, *reason = NULL;

  gst_message_parse_error (message, &error, &details);
  reason = g_strdup_printf ("%s: %s", GST_OBJECT_NAME (GST_MESSAGE_SRC (message)), error->message);
  app_debug ("%s: %s", runner->config->setting, details != NULL ? details : "");
  if (runner->state == VS_ENDING) {
    app_warning ("%s: %s, while it ended", runner->config->setting, reason);
    finish (runner);
  } else {
    vs_runner_fail (runner, reason);
  }
}

static void
on_eos (VsRunner * runner)
{
  if (runner->state != VS_ENDING) {
    vs_runner_fail (runner, "its stream ended");
    return;
  }
  app_info ("%s: ended", runner->config->setting);
  finish (runner);
}

static void
on_message (GstMessage * message, gpointer data)
{
  VsRunner *runner = data;

  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_ERROR:
      on_error (runner, message);
      break;
    case GST_MESSAGE_EOS:
      on_eos (runner);
      break;
    default:
      break;
  }
}

/* "{time}" in the text becomes the time of the start, so that no recording overwrites another: not even one of the same
 * second, in place of which it is the next one. */
static gchar *
fill_in (VsRunner * runner)
{
  gint64 now_s = MAX (g_get_real_time () / G_USEC_PER_SEC, runner->last_start_s + 1);
  g_autoptr (GDateTime) now = g_date_time_new_from_unix_utc (now_s);
  g_autofree gchar *time = g_date_time_format (now, "%Y%m%dT%H%M%SZ");
  g_auto (GStrv) parts = g_strsplit (runner->config->text, "{time}", -1);

  runner->last_start_s = now_s;
  return g_strjoinv (time, parts);
}

static void
on_started (gpointer data)
{
  VsRunner *runner = data;

  runner->state = VS_RUNNING;
  app_restart_works (runner->restart);
  if (runner->delegate->started != NULL)
    runner->delegate->started (runner->parsed, runner->data);
}

static GstElement *
make (gpointer data)
{
  VsRunner *runner = data;
  g_autofree gchar *text = fill_in (runner), *problem = NULL;

  runner->state = VS_STARTING;
  runner->parsed = vs_parse (text, &problem);
  if (runner->parsed == NULL) {
    vs_runner_fail (runner, problem);
    return NULL;
  }
  gst_pipeline_use_clock (GST_PIPELINE (runner->parsed->pipeline), runner->clock);
  runner->delegate->prepare (runner->parsed, runner->data);
  app_info ("%s: starts", runner->config->setting);
  return gst_object_ref (runner->parsed->pipeline);
}

static const AppLifeDelegate life_delegate = { make, on_started, on_message };

static void
start_again (gpointer data)
{
  VsRunner *runner = data;

  if (app_life_is_going_down (runner->life))
    app_warning ("%s: does not end; starts again when it has", runner->config->setting);
  app_life_begin (runner->life);
}

void
vs_runner_start (VsRunner * runner)
{
  if (runner->state == VS_ENDING) {
    runner->is_wanted_again = TRUE;
  } else if (runner->state == VS_STOPPED) {
    runner->state = VS_STARTING;
    app_life_begin (runner->life);
  }
}

static gboolean
on_end_timeout (gpointer data)
{
  VsRunner *runner = data;

  runner->end_timer = 0;
  app_warning ("%s: does not end; stopped", runner->config->setting);
  finish (runner);
  return G_SOURCE_REMOVE;
}

void
vs_runner_end (VsRunner * runner)
{
  /* what has not begun has nothing to complete, and would not take the event */
  if (runner->state == VS_BROKEN || runner->state == VS_STARTING)
    vs_runner_stop (runner);
  runner->is_wanted_again = FALSE;
  if (runner->state != VS_RUNNING)
    return;
  runner->state = VS_ENDING;
  runner->end_timer = g_timeout_add (END_TIMEOUT_MS, on_end_timeout, runner);
  if (runner->parsed->is_sender)
    app_life_send_eos (runner->life);
  else
    gst_app_src_end_of_stream (GST_APP_SRC (runner->parsed->ends[0]));
}

void
vs_runner_stop (VsRunner * runner)
{
  app_restart_cancel (runner->restart);
  drop_pipeline (runner, VS_STOPPED);
}

VsState
vs_runner_get_state (VsRunner * runner)
{
  return runner->state;
}

gboolean
vs_runner_has_ended (VsRunner * runner)
{
  return app_life_has_ended (runner->life);
}

guint
vs_runner_get_restarts (VsRunner * runner)
{
  return app_restart_get_count (runner->restart);
}
