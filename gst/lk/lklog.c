/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lklog: log lines of the client, over one sink function. */

#include "lklog.h"

/* The sink is stored after its data and read before it, so that a line on another thread never meets half of a pair. */
static gpointer sink_data;
static LkLogSink sink_func;
static gint sink_max_level = LK_LOG_TRACE;

void
lk_log_set_sink (LkLogSink sink, gpointer data)
{
  sink_data = data;
  g_atomic_pointer_set (&sink_func, sink);
}

void
lk_log_set_max_level (LkLogLevel max_level)
{
  g_atomic_int_set (&sink_max_level, (gint) max_level);
}

void
lk_log (LkLogLevel level, const gchar * file, const gchar * function, gint line_number, const gchar * object,
    const gchar * format, ...)
{
  LkLogSink sink = (LkLogSink) g_atomic_pointer_get (&sink_func);
  g_autofree gchar *line = NULL;
  va_list args;

  if (sink == NULL || (gint) level > g_atomic_int_get (&sink_max_level))
    return;

  va_start (args, format);
  line = g_strdup_vprintf (format, args);
  va_end (args);
  g_strdelimit (line, "\r\n", ' ');
  sink (level, file, function, line_number, object, line, sink_data);
}
