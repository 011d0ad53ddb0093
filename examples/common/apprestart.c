/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* apprestart: starts something again after it failed, later each time. */

#include "apprestart.h"

#define FIRST_MS 500
#define MOST_MS 30000
#define STEADY_US (60 * G_USEC_PER_SEC)

struct _AppRestart
{
  AppRestartFunc start;
  gpointer data;
  guint timer;                  /* source id, 0 = none */
  guint attempt, count;
  gint64 works_since_us;        /* monotonic, 0 = it does not */
};

guint
app_restart_delay_ms (guint attempt, gdouble random)
{
  guint delay_ms = attempt < 6 ? FIRST_MS << attempt : MOST_MS;

  return (guint) (delay_ms * (0.8 + 0.4 * CLAMP (random, 0, 1)));
}

AppRestart *
app_restart_new (AppRestartFunc start, gpointer data)
{
  AppRestart *restart = g_new0 (AppRestart, 1);

  restart->start = start;
  restart->data = data;
  return restart;
}

void
app_restart_free (AppRestart * restart)
{
  if (restart == NULL)
    return;
  app_restart_cancel (restart);
  g_free (restart);
}

static gboolean
on_timer (gpointer data)
{
  AppRestart *restart = data;

  restart->timer = 0;
  restart->count++;
  restart->start (restart->data);
  return G_SOURCE_REMOVE;
}

guint
app_restart_failed (AppRestart * restart)
{
  gint64 now_us = g_get_monotonic_time ();
  guint delay_ms;

  if (restart->timer != 0)
    return 0;
  if (restart->works_since_us != 0 && now_us - restart->works_since_us >= STEADY_US)
    restart->attempt = 0;
  restart->works_since_us = 0;
  delay_ms = app_restart_delay_ms (restart->attempt++, g_random_double ());
  restart->timer = g_timeout_add (delay_ms, on_timer, restart);
  return delay_ms;
}

void
app_restart_works (AppRestart * restart)
{
  if (restart->works_since_us == 0)
    restart->works_since_us = g_get_monotonic_time ();
}

void
app_restart_cancel (AppRestart * restart)
{
  g_clear_handle_id (&restart->timer, g_source_remove);
}

gboolean
app_restart_is_waiting (AppRestart * restart)
{
  return restart->timer != 0;
}

guint
app_restart_get_count (AppRestart * restart)
{
  return restart->count;
}
