/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* appsettings: flat settings, from the environment, or from a YAML or key file of the same names.
 *
 * A YAML file is a map of texts. A key file has lines NAME=value, as systemd's EnvironmentFile= (quotes, comments, a
 * backslash at the end of a line); [groups] are passed over. The environment wins. In files,
 * capitals or not is the same. */
#pragma once

#include "appproblems.h"

G_BEGIN_DECLS

typedef struct _AppSettings AppSettings;

/* @environment as of g_get_environ(), copied; NULL = that of the process. */
AppSettings *app_settings_new (const gchar * const *environment);
void app_settings_free (AppSettings * settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AppSettings, app_settings_free)

/* Adds what the file says; FALSE when it cannot be read. Faults are added to the problems. A later file wins. */
gboolean app_settings_read (AppSettings * settings, const gchar * path, AppProblems * problems);

/* Reads @path, or, when that is NULL, the file @name in the home folder, else in the current one; none is needed, for
 * the environment may say all. */
void app_settings_read_default (AppSettings * settings, const gchar * path, const gchar * name, AppProblems * problems);

/* NULL when unset or empty. Owned by the settings. */
const gchar *app_settings_get (AppSettings * settings, const gchar * name);
/* With a problem added when it is not set. */
const gchar *app_settings_need (AppSettings * settings, const gchar * name, const gchar * what, AppProblems * problems);
gint64 app_settings_get_int (AppSettings * settings, const gchar * name, gint64 least, gint64 most, gint64 fallback,
    AppProblems * problems);

/* Where the setting stands: "file:line", "environment", or the file that does not have it. To be freed. */
gchar *app_settings_get_place (AppSettings * settings, const gchar * name);
/* "place: @name: text". */
void app_settings_add_problem (AppSettings * settings, const gchar * name, AppProblems * problems, const gchar * format,
    ...) G_GNUC_PRINTF (4, 5);
/* Names in the files that nobody has asked for, with their places: "file:line: NAME". */
GPtrArray *app_settings_get_unknown (AppSettings * settings);

G_END_DECLS
