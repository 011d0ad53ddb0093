/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekituri: livekit:// and livekits:// URIs. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekituri.h"

#include <string.h>
#include "gstlivekitbin.h"

const gchar *const gst_livekit_uri_protocols[] = { "livekit", "livekits", NULL };

typedef struct
{
  gchar *server_url, *room;
  GPtrArray *specs;             /* GParamSpec, not owned */
  GArray *values;               /* GValue of each */
} Parsed;

static void
parsed_clear (Parsed * parsed)
{
  g_free (parsed->server_url);
  g_free (parsed->room);
  g_ptr_array_unref (parsed->specs);
  g_array_unref (parsed->values);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Parsed, parsed_clear);

/* The URI itself is shown to nobody: it may hold a secret. */
static gboolean G_GNUC_PRINTF (2, 3)
fail (GError ** error, const gchar * format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  if (error)
    *error = g_error_new_valist (GST_URI_ERROR, GST_URI_ERROR_BAD_URI, format, arguments);
  va_end (arguments);
  return FALSE;
}

/* Without a host it is left to the environment and the defaults. */
static void
parse_server (Parsed * parsed, const GstUri * uri)
{
  g_autoptr (GstUri) server = NULL;

  if (gst_uri_get_host (uri) == NULL || *gst_uri_get_host (uri) == '\0')
    return;
  server = gst_uri_new (g_str_equal (gst_uri_get_scheme (uri), "livekits") ? "wss" : "ws",
      gst_uri_get_userinfo (uri), gst_uri_get_host (uri), gst_uri_get_port (uri), NULL, NULL, NULL);
  parsed->server_url = gst_uri_to_string (server);
}

static gboolean
parse_room (Parsed * parsed, const GstUri * uri, GError ** error)
{
  GList *segments = gst_uri_get_path_segments (uri);
  gboolean ok = TRUE;

  for (GList * item = segments; item && ok; item = item->next) {
    const gchar *segment = item->data;

    if (segment == NULL || *segment == '\0')
      continue;
    ok = parsed->room == NULL;
    if (ok)
      parsed->room = g_strdup (segment);
  }
  g_list_free_full (segments, g_free);
  return ok || fail (error, "The path of the URI is the room: a slash inside its name is written %%2F.");
}

static gboolean
parse_value (Parsed * parsed, GObject * element, const gchar * name, const gchar * text, GError ** error)
{
  GParamSpec *spec = g_object_class_find_property (G_OBJECT_GET_CLASS (element), name);
  g_autofree gchar *copy = g_strdup (text ? text : "");
  GValue value = G_VALUE_INIT;

  if (spec == NULL || !(spec->flags & G_PARAM_WRITABLE) || !g_type_is_a (spec->owner_type, GST_TYPE_LIVEKIT_BIN)
      || g_str_equal (name, "server-url") || g_str_equal (name, "room"))
    return fail (error, "There is no property '%s' that a URI may set.", name);
  g_value_init (&value, spec->value_type);
  /* The copy: GStreamer 1.22 writes into the text of an array. */
  if (G_VALUE_HOLDS_STRING (&value)) {
    g_value_set_string (&value, copy);
  } else if (!gst_value_deserialize_with_pspec (&value, copy, spec)) {
    g_value_unset (&value);
    return fail (error, "The URI has a value for '%s' that it cannot have.", name);
  }
  g_ptr_array_add (parsed->specs, spec);
  g_array_append_val (parsed->values, value);
  return TRUE;
}

static gboolean
parse_query (Parsed * parsed, GObject * element, const GstUri * uri, GError ** error)
{
  g_autoptr (GHashTable) query = gst_uri_get_query_table (uri);
  GHashTableIter iter;
  gpointer name, text;

  if (query == NULL)
    return TRUE;
  g_hash_table_iter_init (&iter, query);
  while (g_hash_table_iter_next (&iter, &name, &text)) {
    if (name && *(gchar *) name && !parse_value (parsed, element, name, text, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
parse (Parsed * parsed, GObject * element, const gchar * text, GError ** error)
{
  g_autoptr (GstUri) uri = gst_uri_from_string (text);

  parsed->specs = g_ptr_array_new ();
  parsed->values = g_array_new (FALSE, FALSE, sizeof (GValue));
  g_array_set_clear_func (parsed->values, (GDestroyNotify) g_value_unset);
  if (uri == NULL || gst_uri_get_scheme (uri) == NULL
      || !g_strv_contains (gst_livekit_uri_protocols, gst_uri_get_scheme (uri)))
    return fail (error, "This is no URI of the form livekit://host:port/room?property=value.");
  parse_server (parsed, uri);
  return parse_room (parsed, uri, error) && parse_query (parsed, element, uri, error);
}

static void
set_back (GObject * element, const gchar * name)
{
  GParamSpec *spec = g_object_class_find_property (G_OBJECT_GET_CLASS (element), name);
  g_auto (GValue) value = G_VALUE_INIT;

  g_value_init (&value, spec->value_type);
  g_param_value_set_default (spec, &value);
  g_object_set_property (element, name, &value);
}

GStrv
gst_livekit_uri_apply (GObject * element, const gchar * uri, const gchar * const *old_names, GError ** error)
{
  g_auto (Parsed) parsed = { NULL, };
  GPtrArray *names;

  if (!parse (&parsed, element, uri, error))
    return NULL;
  for (guint i = 0; old_names && old_names[i]; i++)
    set_back (element, old_names[i]);
  g_object_set (element, "server-url", parsed.server_url, "room", parsed.room, NULL);
  names = g_ptr_array_new ();
  for (guint i = 0; i < parsed.specs->len; i++) {
    GParamSpec *spec = g_ptr_array_index (parsed.specs, i);

    g_object_set_property (element, spec->name, &g_array_index (parsed.values, GValue, i));
    g_ptr_array_add (names, g_strdup (spec->name));
  }
  g_ptr_array_add (names, NULL);
  return (GStrv) g_ptr_array_free (names, FALSE);
}

static void
add_query (GstUri * uri, GObject * element, const gchar * name)
{
  GParamSpec *spec = g_object_class_find_property (G_OBJECT_GET_CLASS (element), name);
  g_auto (GValue) value = G_VALUE_INIT;
  g_autofree gchar *text = NULL;

  if (!(spec->flags & G_PARAM_READABLE))
    return;
  g_value_init (&value, spec->value_type);
  g_object_get_property (element, name, &value);
  text = G_VALUE_HOLDS_STRING (&value) ? g_value_dup_string (&value) : gst_value_serialize (&value);
  if (text)
    gst_uri_set_query_value (uri, name, text);
}

gchar *
gst_livekit_uri_make (GObject * element, const gchar * const *names)
{
  g_autofree gchar *server_url = NULL, *room = NULL;
  g_autoptr (GstUri) server = NULL;
  g_autoptr (GstUri) uri = NULL;
  gboolean is_secure;

  g_object_get (element, "server-url", &server_url, "room", &room, NULL);
  server = server_url ? gst_uri_from_string (server_url) : NULL;
  is_secure = server && (g_strcmp0 (gst_uri_get_scheme (server), "wss") == 0
      || g_strcmp0 (gst_uri_get_scheme (server), "https") == 0);
  uri = gst_uri_new (is_secure ? "livekits" : "livekit", NULL, server ? gst_uri_get_host (server) : "",
      server ? gst_uri_get_port (server) : GST_URI_NO_PORT, NULL, NULL, NULL);
  gst_uri_append_path_segment (uri, "");
  gst_uri_append_path_segment (uri, room ? room : "");
  for (guint i = 0; names && names[i]; i++)
    add_query (uri, element, names[i]);
  return gst_uri_to_string (uri);
}
