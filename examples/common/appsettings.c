/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* appsettings: flat settings, from the environment, or from a YAML or key file of the same names. */

#include "appsettings.h"

#include "appyaml.h"

#include <string.h>

#define MAX_BYTES (1024 * 1024)

typedef struct
{
  gchar *value;
  const gchar *file;            /* interned */
  guint line;
  gboolean is_known;            /* somebody asked for it */
} Entry;

struct _AppSettings
{
  gchar **environment;
  const gchar *file;            /* the last one that was read, interned, or NULL */
  GHashTable *entries;          /* name in capitals -> Entry */
};

static void
entry_free (gpointer data)
{
  Entry *entry = data;

  g_free (entry->value);
  g_free (entry);
}

AppSettings *
app_settings_new (const gchar * const *environment)
{
  AppSettings *settings = g_new0 (AppSettings, 1);

  settings->environment = environment != NULL ? g_strdupv ((gchar **) environment) : g_get_environ ();
  settings->entries = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, entry_free);
  return settings;
}

void
app_settings_free (AppSettings * settings)
{
  if (settings == NULL)
    return;
  g_strfreev (settings->environment);
  g_hash_table_unref (settings->entries);
  g_free (settings);
}

static void
add_entry (AppSettings * settings, const gchar * name, const gchar * value, guint line)
{
  Entry *entry = g_new0 (Entry, 1);

  entry->value = g_strdup (value);
  entry->file = settings->file;
  entry->line = line;
  g_hash_table_insert (settings->entries, g_ascii_strup (name, -1), entry);
}

static gboolean
is_name (const gchar * text, gsize length)
{
  for (gsize i = 0; i < length; i++) {
    if (!g_ascii_isalnum (text[i]) && text[i] != '_')
      return FALSE;
  }
  return length > 0 && !g_ascii_isdigit (text[0]);
}

/* The value of NAME=value in @line, and its name; NULL when it is no such line. */
static const gchar *
split_line (const gchar * line, gchar ** name)
{
  const gchar *equals = strchr (line, '='), *start = line;
  gsize length;

  if (equals == NULL)
    return NULL;
  if (g_str_has_prefix (start, "export "))
    start += strlen ("export ");
  length = (gsize) (equals - start);
  while (length > 0 && g_ascii_isspace (start[length - 1]))
    length--;
  if (!is_name (start, length))
    return NULL;
  *name = g_strndup (start, length);
  return equals + 1;
}

static gchar *
unquote (const gchar * text)
{
  gchar *value = g_strstrip (g_strdup (text));
  gsize length = strlen (value);

  if (length >= 2 && (value[0] == '"' || value[0] == '\'') && value[length - 1] == value[0]) {
    memmove (value, value + 1, length - 2);
    value[length - 2] = '\0';
  }
  return value;
}

/* Joins lines that end in a backslash, from *index on, which is left at the last one. */
static gchar *
join_lines (gchar ** lines, guint * index)
{
  GString *joined = g_string_new (g_strchug (lines[*index]));

  g_strchomp (joined->str);
  joined->len = strlen (joined->str);
  while (joined->len > 0 && joined->str[joined->len - 1] == '\\' && joined->str[0] != '#'
      && lines[*index + 1] != NULL) {
    g_string_truncate (joined, joined->len - 1);
    g_string_append (joined, g_strchomp (lines[++*index]));
  }
  return g_string_free (joined, FALSE);
}

static void
read_key_file (AppSettings * settings, const gchar * text, AppProblems * problems)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (guint i = 0; lines[i] != NULL; i++) {
    guint number = i + 1;
    g_autofree gchar *line = join_lines (lines, &i), *name = NULL, *value = NULL;
    const gchar *rest;

    if (*line == '\0' || strchr ("#;[", *line) != NULL)
      continue;
    rest = split_line (line, &name);
    if (rest == NULL) {
      /* not what it says: it may be half of a secret */
      app_problems_add_line (problems, settings->file, number, "NAME=value is expected");
      continue;
    }
    value = unquote (rest);
    add_entry (settings, name, value, number);
  }
}

static void
read_yaml (AppSettings * settings, const gchar * text, gsize size, AppProblems * problems)
{
  g_autoptr (AppYaml) root = app_yaml_parse (text, size, settings->file, problems);

  if (root == NULL)
    return;
  if (app_yaml_get_kind (root) != APP_YAML_MAP) {
    app_yaml_add_problem (root, problems, "NAME: value is expected");
    return;
  }
  for (guint i = 0; i < app_yaml_get_size (root); i++) {
    AppYaml *item = app_yaml_get_item (root, i);
    const gchar *name = app_yaml_get_name (root, i);

    if (app_yaml_get_kind (item) != APP_YAML_SCALAR)
      app_yaml_add_problem (item, problems, "%s must be a text or number", name);
    else
      add_entry (settings, name, app_yaml_get_text (item), app_yaml_get_name_line (root, i));
  }
}

/* By the first line that says anything. */
static gboolean
is_key_file (const gchar * text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (guint i = 0; lines[i] != NULL; i++) {
    const gchar *line = g_strstrip (lines[i]);
    g_autofree gchar *name = NULL;

    if (*line != '\0' && strchr ("#;", *line) == NULL)
      return *line == '[' || split_line (line, &name) != NULL;
  }
  return FALSE;
}

gboolean
app_settings_read (AppSettings * settings, const gchar * path, AppProblems * problems)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *text = NULL;
  gsize size;

  if (!g_file_get_contents (path, &text, &size, &error)) {
    app_problems_add (problems, NULL, "%s", error->message);
    return FALSE;
  }
  if (size > MAX_BYTES || !g_utf8_validate_len (text, size, NULL)) {
    app_problems_add (problems, path, size > MAX_BYTES ? "too large" : "not valid UTF-8");
    return FALSE;
  }
  settings->file = g_intern_string (path);
  if (is_key_file (text))
    read_key_file (settings, text, problems);
  else
    read_yaml (settings, text, size, problems);
  return TRUE;
}

void
app_settings_read_default (AppSettings * settings, const gchar * path, const gchar * name, AppProblems * problems)
{
  g_autofree gchar *at_home = g_build_filename (g_get_home_dir (), name, NULL);

  if (path == NULL)
    path = g_file_test (at_home, G_FILE_TEST_EXISTS) ? at_home : g_file_test (name, G_FILE_TEST_EXISTS) ? name : NULL;
  if (path != NULL)
    app_settings_read (settings, path, problems);
}

static Entry *
find_entry (AppSettings * settings, const gchar * name)
{
  g_autofree gchar *key = g_ascii_strup (name, -1);
  Entry *entry = g_hash_table_lookup (settings->entries, key);

  if (entry != NULL)
    entry->is_known = TRUE;
  return entry;
}

static const gchar *
find_variable (AppSettings * settings, const gchar * name)
{
  const gchar *value = g_environ_getenv (settings->environment, name);

  return value != NULL && *value != '\0' ? value : NULL;
}

const gchar *
app_settings_get (AppSettings * settings, const gchar * name)
{
  const gchar *value = find_variable (settings, name);
  Entry *entry = find_entry (settings, name);

  if (value == NULL && entry != NULL)
    value = entry->value;
  return value != NULL && *value != '\0' ? value : NULL;
}

const gchar *
app_settings_need (AppSettings * settings, const gchar * name, const gchar * what, AppProblems * problems)
{
  const gchar *value = app_settings_get (settings, name);

  if (value == NULL) {
    g_autofree gchar *place = app_settings_get_place (settings, name);

    app_problems_add (problems, place, "%s is not set: %s", name, what);
  }
  return value;
}

gint64
app_settings_get_int (AppSettings * settings, const gchar * name, gint64 least, gint64 most, gint64 fallback,
    AppProblems * problems)
{
  const gchar *text = app_settings_get (settings, name);
  g_autofree gchar *place = NULL;
  gint64 value = fallback;

  if (text == NULL || g_ascii_string_to_signed (text, 10, least, most, &value, NULL))
    return value;
  place = app_settings_get_place (settings, name);
  app_problems_add (problems, place, "%s must be a number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
      ", not \"%s\"", name, least, most, text);
  return fallback;
}

gchar *
app_settings_get_place (AppSettings * settings, const gchar * name)
{
  Entry *entry = find_entry (settings, name);

  if (find_variable (settings, name) != NULL)
    return g_strdup ("environment");
  if (entry != NULL)
    return g_strdup_printf ("%s:%u", entry->file, entry->line);
  return g_strdup (settings->file != NULL ? settings->file : "environment");
}

void
app_settings_add_problem (AppSettings * settings, const gchar * name, AppProblems * problems, const gchar * format, ...)
{
  g_autofree gchar *place = app_settings_get_place (settings, name), *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  app_problems_add (problems, place, "%s: %s", name, text);
}

GPtrArray *
app_settings_get_unknown (AppSettings * settings)
{
  GPtrArray *unknown = g_ptr_array_new_with_free_func (g_free);
  GHashTableIter iter;
  gpointer name, value;

  g_hash_table_iter_init (&iter, settings->entries);
  while (g_hash_table_iter_next (&iter, &name, &value)) {
    const Entry *entry = value;

    if (!entry->is_known)
      g_ptr_array_add (unknown, g_strdup_printf ("%s:%u: %s", entry->file, entry->line, (const gchar *) name));
  }
  return unknown;
}
