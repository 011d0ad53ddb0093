/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lklog: log lines of the client, over one sink function.
 *
 * Any thread. Tokens, secrets and keys are never handed in, at no level. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  LK_LOG_ERROR,
  LK_LOG_WARNING,
  LK_LOG_INFO,
  LK_LOG_DEBUG,
  LK_LOG_TRACE,
} LkLogLevel;

/* @line is one line without a line end; @object names who speaks, e.g. "room". */
typedef void (*LkLogSink) (LkLogLevel level, const gchar * file, const gchar * function, gint line_number,
    const gchar * object, const gchar * line, gpointer data);

/* Set once, before any other call of the client; NULL is silence. @max_level spares the formatting of what nobody
 * reads. */
void lk_log_set_sink (LkLogSink sink, gpointer data);
void lk_log_set_max_level (LkLogLevel max_level);

void lk_log (LkLogLevel level, const gchar * file, const gchar * function, gint line_number, const gchar * object,
    const gchar * format, ...) G_GNUC_PRINTF (6, 7);

#define LK_LOG(level, object, ...) lk_log ((level), __FILE__, G_STRFUNC, __LINE__, (object), __VA_ARGS__)
#define lk_error(object, ...) LK_LOG (LK_LOG_ERROR, object, __VA_ARGS__)
#define lk_warning(object, ...) LK_LOG (LK_LOG_WARNING, object, __VA_ARGS__)
#define lk_info(object, ...) LK_LOG (LK_LOG_INFO, object, __VA_ARGS__)
#define lk_debug(object, ...) LK_LOG (LK_LOG_DEBUG, object, __VA_ARGS__)
#define lk_trace(object, ...) LK_LOG (LK_LOG_TRACE, object, __VA_ARGS__)

G_END_DECLS
