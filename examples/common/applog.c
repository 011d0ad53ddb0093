/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* applog: log lines on standard error. */

#include "applog.h"

#include <string.h>

#include "lklog.h"

static AppLogLevel max_level = APP_LOG_INFO;
static gboolean is_journal;

static const gchar *const level_names[] = { "error", "warning", "info", "debug" };

gboolean
app_log_is_level (const gchar * text, AppLogLevel * level)
{
  for (guint i = 0; i < G_N_ELEMENTS (level_names); i++) {
    if (g_strcmp0 (text, level_names[i]) == 0) {
      *level = (AppLogLevel) i;
      return TRUE;
    }
  }
  return FALSE;
}

static void
on_client_line (LkLogLevel level, const gchar * file, const gchar * function, gint line_number, const gchar * object,
    const gchar * line, gpointer data)
{
  app_log (level == LK_LOG_ERROR ? APP_LOG_ERROR : APP_LOG_WARNING, "%s: %s", object, line);
}

void
app_log_init (void)
{
  const gchar *level = g_getenv ("LOG_LEVEL");

  is_journal = g_getenv ("JOURNAL_STREAM") != NULL;
  lk_log_set_sink (on_client_line, NULL);
  lk_log_set_max_level (LK_LOG_WARNING);
  if (level != NULL && *level != '\0' && !app_log_is_level (level, &max_level))
    app_warning ("LOG_LEVEL is not one of error, warning, info, debug: %s; info is taken", level);
}

void
app_log_hide_passwords (gchar * text)
{
  for (gchar * p = strstr (text, "://"); p != NULL; p = strstr (p, "://")) {
    gchar *at, *colon;

    p += strlen ("://");
    at = g_strrstr_len (p, (gssize) strcspn (p, "/ \t\r\n\"'<>"), "@");
    colon = at != NULL ? memchr (p, ':', (gsize) (at - p)) : NULL;
    if (colon != NULL)
      memset (colon + 1, '*', (gsize) (at - colon - 1));
  }
}

/* Control characters become spaces: a line of the log is one line, and a terminal is not steered by it, whatever a peer
 * called itself. */
void
app_log (AppLogLevel level, const gchar * format, ...)
{
  static const gint priorities[] = { 3, 4, 6, 7 };
  g_autofree gchar *text = NULL, *time = NULL;
  g_autoptr (GDateTime) now = NULL;
  va_list arguments;

  if (level > max_level)
    return;
  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  app_log_hide_passwords (text);
  for (gchar * p = text; *p != '\0'; p++)
    *p = g_ascii_iscntrl (*p) ? ' ' : *p;
  if (is_journal) {
    g_printerr ("<%d>%s\n", priorities[level], text);
    return;
  }
  now = g_date_time_new_now_utc ();
  time = g_date_time_format (now, "%Y-%m-%dT%H:%M:%S");
  g_printerr ("%s.%03dZ %-7s %s\n", time, g_date_time_get_microsecond (now) / 1000, level_names[level], text);
}
