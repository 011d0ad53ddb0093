/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* appyaml: a YAML document as a tree that knows its lines, read with libyaml.
 *
 * Scalars, lists and maps; one document. Anchors, aliases, tags and names that are no scalars are faults. */
#pragma once

#include "appproblems.h"

G_BEGIN_DECLS

typedef enum
{
  APP_YAML_SCALAR,
  APP_YAML_LIST,
  APP_YAML_MAP,
} AppYamlKind;

typedef struct _AppYaml AppYaml;

/* The tree, or NULL with a problem added. An empty file is an empty map. The caller owns it; what it gives out lives as
 * long. At most 1 MiB is read. */
AppYaml *app_yaml_load (const gchar * path, AppProblems * problems);
AppYaml *app_yaml_parse (const gchar * text, gsize size, const gchar * file, AppProblems * problems);
void app_yaml_free (AppYaml * root);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AppYaml, app_yaml_free)

AppYamlKind app_yaml_get_kind (const AppYaml * node);
guint app_yaml_get_line (const AppYaml * node); /* of its first character, from 1 */
const gchar *app_yaml_get_file (const AppYaml * node);
const gchar *app_yaml_get_text (const AppYaml * node);  /* of a scalar, else NULL */

/* Entries of a list or map, in the order of the file. */
guint app_yaml_get_size (const AppYaml * node);
AppYaml *app_yaml_get_item (const AppYaml * node, guint index);
const gchar *app_yaml_get_name (const AppYaml * node, guint index);     /* of a map's entry */
guint app_yaml_get_name_line (const AppYaml * node, guint index);

/* An entry of a map by name, or NULL. It counts as known from then on. */
AppYaml *app_yaml_find (AppYaml * map, const gchar * name);
/* The same with a value of the kind that is wanted: else a problem is added and @fallback returned. */
const gchar *app_yaml_find_text (AppYaml * map, const gchar * name, const gchar * fallback, AppProblems * problems);
gint64 app_yaml_find_int (AppYaml * map, const gchar * name, gint64 least, gint64 most, gint64 fallback,
    AppProblems * problems);
gboolean app_yaml_find_bool (AppYaml * map, const gchar * name, gboolean fallback, AppProblems * problems);
AppYaml *app_yaml_find_kind (AppYaml * map, const gchar * name, AppYamlKind kind, AppProblems * problems);
/* A problem for each entry of @map that nobody has asked for. */
void app_yaml_check_known (AppYaml * map, AppProblems * problems);
/* A problem at the line of @node. */
void app_yaml_add_problem (const AppYaml * node, AppProblems * problems, const gchar * format, ...)
    G_GNUC_PRINTF (3, 4);

G_END_DECLS
