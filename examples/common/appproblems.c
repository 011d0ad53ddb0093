/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* appproblems: everything that is wrong with the settings, collected, so that all of it is told at once. */

#include "appproblems.h"

#include "applog.h"

struct _AppProblems
{
  GPtrArray *texts;             /* owned strings */
};

AppProblems *
app_problems_new (void)
{
  AppProblems *problems = g_new0 (AppProblems, 1);

  problems->texts = g_ptr_array_new_with_free_func (g_free);
  return problems;
}

void
app_problems_free (AppProblems * problems)
{
  if (problems == NULL)
    return;
  g_ptr_array_unref (problems->texts);
  g_free (problems);
}

static void G_GNUC_PRINTF (3, 0)
add_valist (AppProblems * problems, const gchar * place, const gchar * format, va_list arguments)
{
  g_autofree gchar *text = g_strdup_vprintf (format, arguments);

  app_log_hide_passwords (text);
  g_ptr_array_add (problems->texts, place != NULL ? g_strconcat (place, ": ", text, NULL) : g_steal_pointer (&text));
}

void
app_problems_add (AppProblems * problems, const gchar * place, const gchar * format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  add_valist (problems, place, format, arguments);
  va_end (arguments);
}

void
app_problems_add_line (AppProblems * problems, const gchar * file, guint line, const gchar * format, ...)
{
  g_autofree gchar *place = line > 0 ? g_strdup_printf ("%s:%u", file, line) : g_strdup (file);
  va_list arguments;

  va_start (arguments, format);
  add_valist (problems, place, format, arguments);
  va_end (arguments);
}

guint
app_problems_count (AppProblems * problems)
{
  return problems->texts->len;
}

const gchar *
app_problems_get (AppProblems * problems, guint index)
{
  return g_ptr_array_index (problems->texts, index);
}

guint
app_problems_print (AppProblems * problems)
{
  for (guint i = 0; i < problems->texts->len; i++)
    g_printerr ("%s\n", app_problems_get (problems, i));
  return problems->texts->len;
}
