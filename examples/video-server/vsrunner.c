/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vsrunner: runs one pipeline of the configuration, and starts it again when it breaks. */

#include "vsrunner.h"

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
  VsParsed *parsed;             /* NULL unless it runs or ends */
  AppRestart *restart;
  guint end_timer;              /* source id */
  gboolean is_wanted_again;     /* started while it was ending */
};

static void start_pipeline (gpointer data);

VsRunner *
vs_runner_new (const VsPipelineConfig * config, GstClock * clock, const VsRunnerDelegate * delegate, gpointer data)
{
  VsRunner *runner = g_new0 (VsRunner, 1);

  runner->config = config;
  runner->clock = gst_object_ref (clock);
  runner->delegate = delegate;
  runner->data = data;
  runner->restart = app_restart_new (start_pipeline, runner);
  return runner;
}

static void
drop_pipeline (VsRunner * runner, VsState state)
{
  g_clear_handle_id (&runner->end_timer, g_source_remove);
  runner->state = state;
  if (runner->parsed == NULL)
    return;
  gst_bus_remove_watch (GST_ELEMENT_BUS (runner->parsed->pipeline));
  gst_element_set_state (runner->parsed->pipeline, GST_STATE_NULL);
  runner->delegate->stopped (state == VS_BROKEN, runner->data);
  g_clear_pointer (&runner->parsed, vs_parsed_free);
}

void
vs_runner_free (VsRunner * runner)
{
  if (runner == NULL)
    return;
  drop_pipeline (runner, VS_STOPPED);
  app_restart_free (runner->restart);
  gst_object_unref (runner->clock);
  g_free (runner);
}

void
vs_runner_fail (VsRunner * runner, const gchar * reason)
{
  guint delay_ms;

  if (runner->state != VS_RUNNING)
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

static gboolean
on_message (GstBus * bus, GstMessage * message, gpointer data)
{
  VsRunner *runner = data;

  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_ERROR:
      on_error (runner, message);
      break;
    case GST_MESSAGE_EOS:
      on_eos (runner);
      break;
    case GST_MESSAGE_LATENCY:
      gst_bin_recalculate_latency (GST_BIN (runner->parsed->pipeline));
      break;
    default:
      break;
  }
  return G_SOURCE_CONTINUE;
}

/* "{time}" in the text becomes the time of the start, so that no recording overwrites another. */
static gchar *
fill_in (const gchar * text)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree gchar *time = g_date_time_format (now, "%Y%m%dT%H%M%SZ");
  g_auto (GStrv) parts = g_strsplit (text, "{time}", -1);

  return g_strjoinv (time, parts);
}

static void
start_pipeline (gpointer data)
{
  VsRunner *runner = data;
  g_autofree gchar *text = fill_in (runner->config->text), *problem = NULL;
  g_autoptr (GstBus) bus = NULL;

  runner->state = VS_RUNNING;
  runner->parsed = vs_parse (text, &problem);
  if (runner->parsed == NULL) {
    vs_runner_fail (runner, problem);
    return;
  }
  gst_pipeline_use_clock (GST_PIPELINE (runner->parsed->pipeline), runner->clock);
  bus = gst_element_get_bus (runner->parsed->pipeline);
  gst_bus_add_watch (bus, on_message, runner);
  runner->delegate->prepare (runner->parsed, runner->data);
  app_info ("%s: starts", runner->config->setting);
  app_restart_works (runner->restart);
  /* what failed is told on the bus */
  gst_element_set_state (runner->parsed->pipeline, GST_STATE_PLAYING);
}

void
vs_runner_start (VsRunner * runner)
{
  if (runner->state == VS_ENDING)
    runner->is_wanted_again = TRUE;
  else if (runner->state == VS_STOPPED)
    start_pipeline (runner);
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
  if (runner->state == VS_BROKEN)
    vs_runner_stop (runner);
  runner->is_wanted_again = FALSE;
  if (runner->state != VS_RUNNING)
    return;
  runner->state = VS_ENDING;
  runner->end_timer = g_timeout_add (END_TIMEOUT_MS, on_end_timeout, runner);
  if (runner->parsed->is_sender)
    gst_element_send_event (runner->parsed->pipeline, gst_event_new_eos ());
  else
    gst_app_src_end_of_stream (GST_APP_SRC (runner->parsed->ends[0]));
}

void
vs_runner_stop (VsRunner * runner)
{
  app_restart_cancel (runner->restart);
  runner->is_wanted_again = FALSE;
  drop_pipeline (runner, VS_STOPPED);
}

VsState
vs_runner_get_state (VsRunner * runner)
{
  return runner->state;
}

guint
vs_runner_get_restarts (VsRunner * runner)
{
  return app_restart_get_count (runner->restart);
}
