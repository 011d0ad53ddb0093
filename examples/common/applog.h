/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* applog: log lines on standard error: with a time, or, under systemd, with the journal's priorities.
 *
 * Any thread. Tokens, secrets, passwords are never handed in; in URLs of texts that are not ours passwords are
 * hidden. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  APP_LOG_ERROR,
  APP_LOG_WARNING,
  APP_LOG_INFO,
  APP_LOG_DEBUG,
} AppLogLevel;

/* Once, first of all. The level comes from LOG_LEVEL (error, warning, info, debug), info without it. What the client
 * library has to say comes at warning and above. */
void app_log_init (void);
gboolean app_log_is_level (const gchar * text, AppLogLevel * level);
void app_log (AppLogLevel level, const gchar * format, ...) G_GNUC_PRINTF (2, 3);

/* In place: passwords of URLs (scheme://user:password@host) become as many asterisks. Log lines and problems do so
 * themselves. */
void app_log_hide_passwords (gchar * text);

#define app_error(...) app_log (APP_LOG_ERROR, __VA_ARGS__)
#define app_warning(...) app_log (APP_LOG_WARNING, __VA_ARGS__)
#define app_info(...) app_log (APP_LOG_INFO, __VA_ARGS__)
#define app_debug(...) app_log (APP_LOG_DEBUG, __VA_ARGS__)

G_END_DECLS
