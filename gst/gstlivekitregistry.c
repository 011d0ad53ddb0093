/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitregistry: which participants the elements of a pipeline are. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitregistry.h"

#include <string.h>
#include "gstlivekitelements.h"
#include "lkerror.h"

#define GST_CAT_DEFAULT gst_livekit_debug

#define DEFAULT_SERVER_URL "ws://127.0.0.1:7880"

typedef struct
{
  GstLiveKitSession *session;   /* owned */
  gboolean is_taken[GST_LIVEKIT_N_ROLES];
} Entry;

struct _GstLiveKitRegistry
{
  GObject parent;

  /* lock; never held while calling out */
  GMutex lock;
  GHashTable *entries;          /* key -> Entry, owned; what has lost its key is in strays */
  GPtrArray *strays;            /* Entry, owned: over, but somebody is in it still */
};

G_DEFINE_FINAL_TYPE (GstLiveKitRegistry, gst_livekit_registry, G_TYPE_OBJECT);

static void
entry_free (gpointer data)
{
  Entry *entry = data;

  gst_livekit_session_unref (entry->session);
  g_free (entry);
}

/* --- the context --- */

static GstLiveKitRegistry *
registry_of (GstContext * context)
{
  GstLiveKitRegistry *registry = NULL;

  gst_structure_get (gst_context_get_structure (context), "registry", GST_TYPE_LIVEKIT_REGISTRY, &registry, NULL);
  return registry;
}

static GstLiveKitRegistry *
find_in_context (GstElement * element)
{
  g_autoptr (GstContext) context = gst_element_get_context (element, GST_LIVEKIT_CONTEXT_TYPE);

  return context ? registry_of (context) : NULL;
}

static GstLiveKitRegistry *
make_and_tell (GstElement * element)
{
  GstLiveKitRegistry *registry = g_object_new (GST_TYPE_LIVEKIT_REGISTRY, NULL);
  g_autoptr (GstContext) context = gst_context_new (GST_LIVEKIT_CONTEXT_TYPE, TRUE);

  gst_structure_set (gst_context_writable_structure (context), "registry", GST_TYPE_LIVEKIT_REGISTRY, registry, NULL);
  gst_element_set_context (element, context);
  gst_element_post_message (element, gst_message_new_have_context (GST_OBJECT (element),
          g_steal_pointer (&context)));
  return registry;
}

GstLiveKitRegistry *
gst_livekit_registry_find (GstElement * element)
{
  GstLiveKitRegistry *registry = find_in_context (element);

  if (registry)
    return registry;
  /* Answered while it is posted: by a bin that has heard of one, or by the application. */
  gst_element_post_message (element, gst_message_new_need_context (GST_OBJECT (element), GST_LIVEKIT_CONTEXT_TYPE));
  registry = find_in_context (element);
  return registry ? registry : make_and_tell (element);
}

/* --- keys --- */

/* http is ws, and a port that is the default need not be written. */
static gchar *
make_server_key (const gchar * url)
{
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_NONE, NULL);
  g_autofree gchar *host = NULL, *path = NULL;
  gboolean is_secure;
  gint port;
  gsize length;

  if (uri == NULL)
    return g_strdup (url);
  is_secure = g_str_equal (g_uri_get_scheme (uri), "https") || g_str_equal (g_uri_get_scheme (uri), "wss");
  port = g_uri_get_port (uri) > 0 ? g_uri_get_port (uri) : is_secure ? 443 : 80;
  host = g_ascii_strdown (g_uri_get_host (uri) ? g_uri_get_host (uri) : "", -1);
  path = g_strdup (g_uri_get_path (uri));
  for (length = strlen (path); length > 0 && path[length - 1] == '/'; length--)
    path[length - 1] = '\0';
  return g_strdup_printf ("%s://%s:%d%s", is_secure ? "wss" : "ws", host, port, path);
}

gchar *
gst_livekit_registry_make_key (const GstLiveKitSessionSettings * settings)
{
  const LkRoomSettings *room = &settings->room;
  const gchar *url = room->server_url ? room->server_url : lk_token_source_get_url (room->token_source);
  g_autofree gchar *server = make_server_key (url ? url : DEFAULT_SERVER_URL);
  g_autofree gchar *token_room = NULL, *token_identity = NULL;
  const gchar *identity;

  lk_token_source_read_literal (room->token_source, &token_room, &token_identity);
  identity = token_identity ? token_identity : room->identity;
  if (identity == NULL || *identity == '\0')
    return NULL;
  /* No line break can be in a URL, nor in a token's room that a server takes for another one. */
  return g_strdup_printf ("%s\n%s\n%s", server, token_room ? token_room : room->room ? room->room : "", identity);
}

/* --- sessions --- */

static Entry *
find_entry (GstLiveKitRegistry * self, const gchar * key)
{
  Entry *entry = g_hash_table_lookup (self->entries, key);
  gpointer old_key;

  if (entry == NULL || !gst_livekit_session_is_over (entry->session))
    return entry;
  /* Whoever is in it still has been told its error; who comes now begins anew. */
  g_hash_table_steal_extended (self->entries, key, &old_key, NULL);
  g_free (old_key);
  g_ptr_array_add (self->strays, entry);
  return NULL;
}

GstLiveKitSession *
gst_livekit_registry_join (GstLiveKitRegistry * self, const gchar * key, GstLiveKitRole role, GError ** error)
{
  GstLiveKitSession *session = NULL;
  Entry *entry;

  g_mutex_lock (&self->lock);
  entry = find_entry (self, key);
  if (entry == NULL) {
    entry = g_new0 (Entry, 1);
    entry->session = gst_livekit_session_new (self);
    g_hash_table_insert (self->entries, g_strdup (key), entry);
  }
  if (!entry->is_taken[role])
    session = gst_livekit_session_ref (entry->session);
  entry->is_taken[role] = TRUE;
  g_mutex_unlock (&self->lock);
  if (session == NULL)
    g_set_error (error, LK_ERROR, LK_ERROR_DUPLICATE_IDENTITY, "Another %s is '%s' here already.",
        role == GST_LIVEKIT_ROLE_PUBLISHER ? "livekitsink" : "livekitsrc", strrchr (key, '\n') + 1);
  return session;
}

static gboolean
is_of_session (gpointer key, gpointer entry, gpointer session)
{
  return ((Entry *) entry)->session == session;
}

static gboolean
is_stray_of_session (gconstpointer entry, gconstpointer session)
{
  return ((const Entry *) entry)->session == session;
}

gboolean
gst_livekit_registry_leave (GstLiveKitRegistry * self, GstLiveKitSession * session, GstLiveKitRole role)
{
  gboolean is_last = TRUE, is_stray;
  Entry *entry;
  guint index = 0;

  g_mutex_lock (&self->lock);
  is_stray = g_ptr_array_find_with_equal_func (self->strays, session, is_stray_of_session, &index);
  entry = is_stray ? g_ptr_array_index (self->strays, index) :
      g_hash_table_find (self->entries, is_of_session, session);
  entry->is_taken[role] = FALSE;
  for (guint i = 0; i < GST_LIVEKIT_N_ROLES; i++)
    is_last &= !entry->is_taken[i];
  if (is_last && is_stray)
    g_ptr_array_remove_index_fast (self->strays, index);
  else if (is_last)
    g_hash_table_foreach_remove (self->entries, is_of_session, session);
  g_mutex_unlock (&self->lock);
  return is_last;
}

/* --- the object --- */

static void
gst_livekit_registry_finalize (GObject * object)
{
  GstLiveKitRegistry *self = GST_LIVEKIT_REGISTRY (object);

  g_hash_table_unref (self->entries);
  g_ptr_array_unref (self->strays);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (gst_livekit_registry_parent_class)->finalize (object);
}

/* gst-launch-1.0 -v prints contexts. */
static void
transform_to_text (const GValue * registry, GValue * text)
{
  g_value_take_string (text, g_strdup_printf ("%p", g_value_get_object (registry)));
}

static void
gst_livekit_registry_class_init (GstLiveKitRegistryClass * klass)
{
  g_value_register_transform_func (GST_TYPE_LIVEKIT_REGISTRY, G_TYPE_STRING, transform_to_text);
  G_OBJECT_CLASS (klass)->finalize = gst_livekit_registry_finalize;
}

static void
gst_livekit_registry_init (GstLiveKitRegistry * self)
{
  g_mutex_init (&self->lock);
  self->entries = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, entry_free);
  self->strays = g_ptr_array_new_with_free_func (entry_free);
}
