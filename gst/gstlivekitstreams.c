/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitstreams: what the tracks of a room are called in a livekitsrc. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitstreams.h"

#include "gstlivekitpattern.h"

/* Of an agent in a room with a coming and going for weeks; some hundred bytes each. */
#define MAX_SLOTS 4096

struct _GstLiveKitStreams
{
  GHashTable *slots;            /* key of a track -> GstLiveKitStreamSlot, owned; those of tracks that have gone, too */
  GHashTable *by_id;            /* stream id -> the same, not owned */
  GHashTable *by_sid;           /* the same, of tracks that are there */
  GHashTable *wanted_ids;       /* set: chosen before there was such a stream */
  guint n_video, n_audio;
  guint64 n_gone;
};

static void
slot_leave (GstLiveKitStreamSlot * slot)
{
  g_clear_pointer (&slot->sid, g_free);
  gst_clear_object (&slot->stream);
}

static void
slot_free (gpointer data)
{
  GstLiveKitStreamSlot *slot = data;

  slot_leave (slot);
  g_free (slot->pad_name);
  g_free (slot->stream_id);
  g_free (slot);
}

GstLiveKitStreams *
gst_livekit_streams_new (void)
{
  GstLiveKitStreams *streams = g_new0 (GstLiveKitStreams, 1);

  streams->slots = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, slot_free);
  streams->by_id = g_hash_table_new (g_str_hash, g_str_equal);
  streams->by_sid = g_hash_table_new (g_str_hash, g_str_equal);
  streams->wanted_ids = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return streams;
}

void
gst_livekit_streams_free (GstLiveKitStreams * streams)
{
  g_hash_table_unref (streams->by_sid);
  g_hash_table_unref (streams->by_id);
  g_hash_table_unref (streams->slots);
  g_hash_table_unref (streams->wanted_ids);
  g_free (streams);
}

static gboolean
is_name_unique (const GPtrArray * publications, const LkPublication * publication)
{
  for (guint i = 0; i < publications->len; i++) {
    const LkPublication *other = g_ptr_array_index (publications, i);

    if (other != publication && g_str_equal (other->participant_identity, publication->participant_identity)
        && g_str_equal (other->name, publication->name))
      return FALSE;
  }
  return TRUE;
}

/* The first form that no other stream has. */
static gchar *
make_stream_id (GstLiveKitStreams * streams, const gchar * room, const GPtrArray * publications,
    const LkPublication * publication)
{
  LkPublication nameless = *publication;

  for (guint form = 0;; form++) {
    g_autofree gchar *path = NULL, *stream_id = NULL;

    if (form > 0)
      nameless.name = (gchar *) "";
    if (form > 1)
      nameless.source = LK_SOURCE_UNKNOWN;
    path = gst_livekit_pattern_of (&nameless, form == 0 && is_name_unique (publications, publication));
    stream_id = g_strdup_printf ("%s/%s", room, path);
    if (form > 1 || !g_hash_table_contains (streams->by_id, stream_id))
      return g_steal_pointer (&stream_id);
  }
}

/* The number of a pad goes to no other track. */
static void
forget_oldest (GstLiveKitStreams * streams)
{
  GstLiveKitStreamSlot *oldest = NULL;
  const gchar *oldest_key = NULL;
  GHashTableIter iter;
  gpointer key, data;

  g_hash_table_iter_init (&iter, streams->slots);
  while (g_hash_table_iter_next (&iter, &key, &data)) {
    GstLiveKitStreamSlot *slot = data;

    if (slot->sid || (oldest && oldest->gone_as < slot->gone_as))
      continue;
    oldest = slot;
    oldest_key = key;
  }
  if (oldest == NULL)
    return;
  if (g_hash_table_lookup (streams->by_id, oldest->stream_id) == oldest)
    g_hash_table_remove (streams->by_id, oldest->stream_id);
  g_hash_table_remove (streams->slots, oldest_key);
}

static GstLiveKitStreamSlot *
make_slot (GstLiveKitStreams * streams, gchar * key, const gchar * room, const GPtrArray * publications,
    const LkPublication * publication)
{
  GstLiveKitStreamSlot *slot = g_new0 (GstLiveKitStreamSlot, 1);
  guint *number = publication->kind == LK_TRACK_VIDEO ? &streams->n_video : &streams->n_audio;

  if (g_hash_table_size (streams->slots) >= MAX (MAX_SLOTS, g_hash_table_size (streams->by_sid) + 1))
    forget_oldest (streams);
  slot->kind = publication->kind;
  slot->pad_name = g_strdup_printf ("%s_%u", lk_track_kind_name (publication->kind), (*number)++);
  slot->stream_id = make_stream_id (streams, room, publications, publication);
  if (g_hash_table_remove (streams->wanted_ids, slot->stream_id))
    slot->settings.enabled = GST_LIVEKIT_CHOICE_ON;
  g_hash_table_insert (streams->slots, key, slot);
  /* The key is the slot's own. */
  g_hash_table_replace (streams->by_id, slot->stream_id, slot);
  return slot;
}

/* What a track is recognised by when it comes back. Of several that are alike, each takes the first free slot. */
static GstLiveKitStreamSlot *
take_slot (GstLiveKitStreams * streams, const gchar * room, const GPtrArray * publications,
    const LkPublication * publication)
{
  for (guint n = 0;; n++) {
    g_autofree gchar *key = g_strdup_printf ("%d\n%s\n%s\n%s\n%d\n%u", publication->kind, room,
        publication->participant_identity, publication->name, publication->source, n);
    GstLiveKitStreamSlot *slot = g_hash_table_lookup (streams->slots, key);

    if (slot == NULL)
      return make_slot (streams, g_steal_pointer (&key), room, publications, publication);
    if (slot->sid == NULL)
      return slot;
  }
}

static void
add_track (GstLiveKitStreams * streams, const gchar * room, const GPtrArray * publications,
    const LkPublication * publication)
{
  GstLiveKitStreamSlot *slot = take_slot (streams, room, publications, publication);

  slot->sid = g_strdup (publication->sid);
  slot->stream = gst_stream_new (slot->stream_id, NULL, slot->kind == LK_TRACK_VIDEO ? GST_STREAM_TYPE_VIDEO :
      GST_STREAM_TYPE_AUDIO, GST_STREAM_FLAG_NONE);
  g_hash_table_insert (streams->by_sid, slot->sid, slot);
}

gboolean
gst_livekit_streams_update (GstLiveKitStreams * streams, const gchar * room, const GPtrArray * publications)
{
  g_autoptr (GHashTable) present = g_hash_table_new (g_str_hash, g_str_equal);
  gboolean has_changed = FALSE;
  GHashTableIter iter;
  gpointer sid, slot;

  for (guint i = 0; i < publications->len; i++)
    g_hash_table_add (present, ((LkPublication *) g_ptr_array_index (publications, i))->sid);
  g_hash_table_iter_init (&iter, streams->by_sid);
  while (g_hash_table_iter_next (&iter, &sid, &slot)) {
    if (g_hash_table_contains (present, sid))
      continue;
    g_hash_table_iter_remove (&iter);
    slot_leave (slot);
    ((GstLiveKitStreamSlot *) slot)->gone_as = ++streams->n_gone;
    has_changed = TRUE;
  }
  for (guint i = 0; i < publications->len; i++) {
    const LkPublication *publication = g_ptr_array_index (publications, i);

    if (g_hash_table_contains (streams->by_sid, publication->sid))
      continue;
    add_track (streams, room, publications, publication);
    has_changed = TRUE;
  }
  return has_changed;
}

GstLiveKitStreamSlot *
gst_livekit_streams_find (GstLiveKitStreams * streams, const gchar * sid)
{
  return g_hash_table_lookup (streams->by_sid, sid);
}

void
gst_livekit_streams_select (GstLiveKitStreams * streams, GList * stream_ids)
{
  GHashTableIter iter;
  gpointer slot;

  g_hash_table_remove_all (streams->wanted_ids);
  g_hash_table_iter_init (&iter, streams->slots);
  while (g_hash_table_iter_next (&iter, NULL, &slot))
    ((GstLiveKitStreamSlot *) slot)->settings.enabled = GST_LIVEKIT_CHOICE_OFF;
  for (GList * item = stream_ids; item; item = item->next) {
    slot = g_hash_table_lookup (streams->by_id, item->data);
    if (slot)
      ((GstLiveKitStreamSlot *) slot)->settings.enabled = GST_LIVEKIT_CHOICE_ON;
    else
      g_hash_table_add (streams->wanted_ids, g_strdup (item->data));
  }
}

static gint
compare_slots (gconstpointer a, gconstpointer b)
{
  const GstLiveKitStreamSlot *first = a, *second = b;

  if (first->kind != second->kind)
    return first->kind == LK_TRACK_VIDEO ? -1 : 1;
  return g_strcmp0 (first->pad_name, second->pad_name);
}

GList *
gst_livekit_streams_list (GstLiveKitStreams * streams, gboolean only_selected, gboolean is_default_on)
{
  GList *list = NULL;
  GHashTableIter iter;
  gpointer data;

  g_hash_table_iter_init (&iter, streams->by_sid);
  while (g_hash_table_iter_next (&iter, NULL, &data)) {
    GstLiveKitStreamSlot *slot = data;
    gboolean is_on = slot->settings.enabled == GST_LIVEKIT_CHOICE_ON
        || (slot->settings.enabled == GST_LIVEKIT_CHOICE_DEFAULT && is_default_on);

    if (is_on || !only_selected)
      list = g_list_insert_sorted (list, slot, compare_slots);
  }
  return list;
}

void
gst_livekit_stream_settings_get_size (const GstLiveKitStreamSettings * settings, const LkPublication * publication,
    guint * width, guint * height)
{
  gboolean has_shape = publication->width > 0 && publication->height > 0;
  gint shape_width = has_shape ? (gint) publication->width : 16;
  gint shape_height = has_shape ? (gint) publication->height : 9;

  *width = settings->width;
  *height = settings->height;
  if (*width && *height == 0)
    *height = MAX (1, (guint) gst_util_uint64_scale_int_round (*width, shape_height, shape_width));
  else if (*height && *width == 0)
    *width = MAX (1, (guint) gst_util_uint64_scale_int_round (*height, shape_width, shape_height));
}

GstTagList *
gst_livekit_stream_tags (const LkPublication * publication)
{
  const gchar *artist = *publication->participant_name ? publication->participant_name :
      publication->participant_identity;
  GstTagList *tags = gst_tag_list_new_empty ();

  /* Known to GStreamer since 1.24. */
  if (gst_tag_exists ("container-specific-track-id"))
    gst_tag_list_add (tags, GST_TAG_MERGE_REPLACE, "container-specific-track-id", publication->sid, NULL);
  gst_tag_list_set_scope (tags, GST_TAG_SCOPE_STREAM);
  if (*publication->name)
    gst_tag_list_add (tags, GST_TAG_MERGE_REPLACE, GST_TAG_TITLE, publication->name, NULL);
  if (*artist)
    gst_tag_list_add (tags, GST_TAG_MERGE_REPLACE, GST_TAG_ARTIST, artist, NULL);
  return tags;
}
