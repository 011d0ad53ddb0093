/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* appproblems: everything that is wrong with the settings, collected, so that all of it is told at once. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What programs exit with when their settings cannot work. */
#define APP_EXIT_SETTINGS 2

typedef struct _AppProblems AppProblems;

AppProblems *app_problems_new (void);
void app_problems_free (AppProblems * problems);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AppProblems, app_problems_free)

/* "@place: text"; @place is a file, "file:line" or NULL. Never with the value of a secret. */
void app_problems_add (AppProblems * problems, const gchar * place, const gchar * format, ...) G_GNUC_PRINTF (3, 4);
/* The same of line @line of @file; 0 is no line. */
void app_problems_add_line (AppProblems * problems, const gchar * file, guint line, const gchar * format, ...)
    G_GNUC_PRINTF (4, 5);

guint app_problems_count (AppProblems * problems);
const gchar *app_problems_get (AppProblems * problems, guint index);
/* Prints all of them to standard error, a line or more each; returns how many there are. */
guint app_problems_print (AppProblems * problems);

G_END_DECLS
