/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* appyaml: a YAML document as a tree that knows its lines, read with libyaml. */

#include "appyaml.h"

#include <string.h>
#include <yaml.h>

#define MAX_BYTES (1024 * 1024)
#define MAX_DEPTH 16

struct _AppYaml
{
  AppYamlKind kind;
  const gchar *file;            /* interned */
  guint line;
  gchar *text;                  /* scalar */
  GPtrArray *names;             /* map: AppYaml, owned; beside items */
  GPtrArray *items;             /* AppYaml, owned */
  gboolean is_known;            /* somebody asked for it */
};

typedef struct
{
  yaml_parser_t parser;
  const gchar *file;
  AppProblems *problems;
} Reader;

static AppYaml *
node_new (Reader * reader, AppYamlKind kind, const yaml_mark_t * mark)
{
  AppYaml *node = g_new0 (AppYaml, 1);

  node->kind = kind;
  node->file = reader->file;
  node->line = (guint) mark->line + 1;
  if (kind != APP_YAML_SCALAR)
    node->items = g_ptr_array_new_with_free_func ((GDestroyNotify) app_yaml_free);
  if (kind == APP_YAML_MAP)
    node->names = g_ptr_array_new_with_free_func ((GDestroyNotify) app_yaml_free);
  return node;
}

void
app_yaml_free (AppYaml * root)
{
  if (root == NULL)
    return;
  g_free (root->text);
  g_clear_pointer (&root->names, g_ptr_array_unref);
  g_clear_pointer (&root->items, g_ptr_array_unref);
  g_free (root);
}

static gboolean
next_event (Reader * reader, yaml_event_t * event)
{
  if (yaml_parser_parse (&reader->parser, event))
    return TRUE;
  app_problems_add_line (reader->problems, reader->file, (guint) reader->parser.problem_mark.line + 1, "%s%s%s",
      reader->parser.context != NULL ? reader->parser.context : "", reader->parser.context != NULL ? ": " : "",
      reader->parser.problem != NULL ? reader->parser.problem : "no YAML");
  return FALSE;
}

static gboolean
refuse (Reader * reader, const yaml_event_t * event, const gchar * what)
{
  app_problems_add_line (reader->problems, reader->file, (guint) event->start_mark.line + 1, "%s", what);
  return FALSE;
}

/* Whether the event is one of those that are read here. Anchors let a small file become a large tree. */
static gboolean
check_event (Reader * reader, const yaml_event_t * event)
{
  switch (event->type) {
    case YAML_ALIAS_EVENT:
      return refuse (reader, event, "aliases are not read");
    case YAML_SCALAR_EVENT:
      if (event->data.scalar.anchor != NULL)
        return refuse (reader, event, "anchors are not read");
      if (strlen ((const gchar *) event->data.scalar.value) != event->data.scalar.length)
        return refuse (reader, event, "a text with a NUL in it");
      return TRUE;
    case YAML_SEQUENCE_START_EVENT:
      return event->data.sequence_start.anchor == NULL || refuse (reader, event, "anchors are not read");
    case YAML_MAPPING_START_EVENT:
      return event->data.mapping_start.anchor == NULL || refuse (reader, event, "anchors are not read");
    default:
      return TRUE;
  }
}

static gint
find_index (const AppYaml * map, const gchar * name)
{
  for (guint i = 0; i < map->names->len; i++) {
    const AppYaml *entry = g_ptr_array_index (map->names, i);

    if (strcmp (entry->text, name) == 0)
      return (gint) i;
  }
  return -1;
}

/* Takes @node. A map takes a name, then a value. */
static gboolean
add_to (Reader * reader, AppYaml * parent, AppYaml * node, const yaml_event_t * event)
{
  if (parent->kind == APP_YAML_MAP && parent->names->len == parent->items->len) {
    if (node->kind != APP_YAML_SCALAR || find_index (parent, node->text) >= 0) {
      refuse (reader, event, node->kind != APP_YAML_SCALAR ? "a name must be a text" : "the name is there already");
      app_yaml_free (node);
      return FALSE;
    }
    g_ptr_array_add (parent->names, node);
  } else {
    g_ptr_array_add (parent->items, node);
  }
  return TRUE;
}

static AppYaml *
make_node (Reader * reader, const yaml_event_t * event)
{
  AppYaml *node;

  switch (event->type) {
    case YAML_SEQUENCE_START_EVENT:
      return node_new (reader, APP_YAML_LIST, &event->start_mark);
    case YAML_MAPPING_START_EVENT:
      return node_new (reader, APP_YAML_MAP, &event->start_mark);
    default:
      node = node_new (reader, APP_YAML_SCALAR, &event->start_mark);
      node->text = g_strndup ((const gchar *) event->data.scalar.value, event->data.scalar.length);
      return node;
  }
}

/* One event. @open are the containers that are being read, the root first, which is a list of one. */
static gboolean
take_event (Reader * reader, GPtrArray * open, const yaml_event_t * event)
{
  AppYaml *node;

  if (!check_event (reader, event))
    return FALSE;
  switch (event->type) {
    case YAML_SCALAR_EVENT:
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
      if (open->len > MAX_DEPTH)
        return refuse (reader, event, "nested too deeply");
      node = make_node (reader, event);
      if (!add_to (reader, g_ptr_array_index (open, open->len - 1), node, event))
        return FALSE;
      if (node->kind != APP_YAML_SCALAR)
        g_ptr_array_add (open, node);
      return TRUE;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
      g_ptr_array_set_size (open, (gint) open->len - 1);
      return TRUE;
    case YAML_DOCUMENT_START_EVENT:
      return ((AppYaml *) g_ptr_array_index (open, 0))->items->len == 0 || refuse (reader, event, "a second document");
    default:
      return TRUE;
  }
}

static gboolean
read_events (Reader * reader, AppYaml * root)
{
  g_autoptr (GPtrArray) open = g_ptr_array_new ();
  gboolean ok = TRUE, is_over = FALSE;

  g_ptr_array_add (open, root);
  while (ok && !is_over) {
    yaml_event_t event;

    if (!next_event (reader, &event))
      return FALSE;
    ok = take_event (reader, open, &event);
    is_over = event.type == YAML_STREAM_END_EVENT;
    yaml_event_delete (&event);
  }
  return ok;
}

AppYaml *
app_yaml_parse (const gchar * text, gsize size, const gchar * file, AppProblems * problems)
{
  Reader reader = {.file = g_intern_string (file),.problems = problems };
  yaml_mark_t start = { 0, };
  AppYaml *root = NULL, *list;

  if (size > MAX_BYTES || !g_utf8_validate_len (text, size, NULL)) {
    app_problems_add (problems, file, size > MAX_BYTES ? "too large" : "not valid UTF-8");
    return NULL;
  }
  if (!yaml_parser_initialize (&reader.parser))
    g_error ("out of memory");
  yaml_parser_set_input_string (&reader.parser, (const guchar *) text, size);
  list = node_new (&reader, APP_YAML_LIST, &start);
  if (read_events (&reader, list))
    root = list->items->len > 0 ? g_ptr_array_steal_index (list->items, 0) : node_new (&reader, APP_YAML_MAP, &start);
  app_yaml_free (list);
  yaml_parser_delete (&reader.parser);
  return root;
}

AppYaml *
app_yaml_load (const gchar * path, AppProblems * problems)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *text = NULL;
  gsize size;

  if (!g_file_get_contents (path, &text, &size, &error)) {
    app_problems_add (problems, NULL, "%s", error->message);
    return NULL;
  }
  return app_yaml_parse (text, size, path, problems);
}

AppYamlKind
app_yaml_get_kind (const AppYaml * node)
{
  return node->kind;
}

guint
app_yaml_get_line (const AppYaml * node)
{
  return node->line;
}

const gchar *
app_yaml_get_file (const AppYaml * node)
{
  return node->file;
}

const gchar *
app_yaml_get_text (const AppYaml * node)
{
  return node->text;
}

guint
app_yaml_get_size (const AppYaml * node)
{
  return node->items != NULL ? node->items->len : 0;
}

AppYaml *
app_yaml_get_item (const AppYaml * node, guint index)
{
  return g_ptr_array_index (node->items, index);
}

const gchar *
app_yaml_get_name (const AppYaml * node, guint index)
{
  return ((AppYaml *) g_ptr_array_index (node->names, index))->text;
}

guint
app_yaml_get_name_line (const AppYaml * node, guint index)
{
  return ((AppYaml *) g_ptr_array_index (node->names, index))->line;
}

AppYaml *
app_yaml_find (AppYaml * map, const gchar * name)
{
  gint index = map->kind == APP_YAML_MAP ? find_index (map, name) : -1;
  AppYaml *node = index >= 0 ? g_ptr_array_index (map->items, index) : NULL;

  if (node != NULL)
    node->is_known = TRUE;
  return node;
}

AppYaml *
app_yaml_find_kind (AppYaml * map, const gchar * name, AppYamlKind kind, AppProblems * problems)
{
  static const gchar *const kinds[] = { "a text or number", "a list", "a map" };
  AppYaml *node = app_yaml_find (map, name);

  if (node == NULL || node->kind == kind)
    return node;
  app_yaml_add_problem (node, problems, "%s must be %s", name, kinds[kind]);
  return NULL;
}

const gchar *
app_yaml_find_text (AppYaml * map, const gchar * name, const gchar * fallback, AppProblems * problems)
{
  AppYaml *node = app_yaml_find_kind (map, name, APP_YAML_SCALAR, problems);

  return node != NULL ? node->text : fallback;
}

gint64
app_yaml_find_int (AppYaml * map, const gchar * name, gint64 least, gint64 most, gint64 fallback,
    AppProblems * problems)
{
  AppYaml *node = app_yaml_find_kind (map, name, APP_YAML_SCALAR, problems);
  gint64 value = fallback;

  if (node != NULL && !g_ascii_string_to_signed (node->text, 10, least, most, &value, NULL)) {
    app_yaml_add_problem (node, problems, "%s must be a number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
        ", not \"%s\"", name, least, most, node->text);
    return fallback;
  }
  return value;
}

gboolean
app_yaml_find_bool (AppYaml * map, const gchar * name, gboolean fallback, AppProblems * problems)
{
  AppYaml *node = app_yaml_find_kind (map, name, APP_YAML_SCALAR, problems);

  if (node == NULL)
    return fallback;
  if (g_ascii_strcasecmp (node->text, "true") == 0 || g_ascii_strcasecmp (node->text, "yes") == 0)
    return TRUE;
  if (g_ascii_strcasecmp (node->text, "false") == 0 || g_ascii_strcasecmp (node->text, "no") == 0)
    return FALSE;
  app_yaml_add_problem (node, problems, "%s must be true or false, not \"%s\"", name, node->text);
  return fallback;
}

void
app_yaml_check_known (AppYaml * map, AppProblems * problems)
{
  for (guint i = 0; map->names != NULL && i < map->names->len; i++) {
    const AppYaml *item = g_ptr_array_index (map->items, i);

    if (!item->is_known)
      app_yaml_add_problem (g_ptr_array_index (map->names, i), problems, "there is no setting \"%s\" here",
          app_yaml_get_name (map, i));
  }
}

void
app_yaml_add_problem (const AppYaml * node, AppProblems * problems, const gchar * format, ...)
{
  g_autofree gchar *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  app_problems_add_line (problems, node->file, node->line, "%s", text);
}
