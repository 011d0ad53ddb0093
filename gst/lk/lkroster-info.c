/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkroster-info: what the server says of one participant and of one track, as the rest of the project sees it. */
#include "lkroster-info.h"

/* ---- names ---- */

const gchar *
lk_track_kind_name (LkTrackKind kind)
{
  switch (kind) {
    case LK_TRACK_AUDIO:
      return "audio";
    case LK_TRACK_VIDEO:
      return "video";
    case LK_TRACK_DATA:
      return "data";
  }
  return "unknown";
}

const gchar *
lk_track_source_name (LkTrackSource source)
{
  switch (source) {
    case LK_SOURCE_CAMERA:
      return "camera";
    case LK_SOURCE_MICROPHONE:
      return "microphone";
    case LK_SOURCE_SCREEN_SHARE:
      return "screen-share";
    case LK_SOURCE_SCREEN_SHARE_AUDIO:
      return "screen-share-audio";
    case LK_SOURCE_UNKNOWN:
      break;
  }
  return "unknown";
}

static const gchar *
participant_kind_name (gint kind)
{
  switch (kind) {
    case LIVEKIT__PARTICIPANT_INFO__KIND__STANDARD:
      return "standard";
    case LIVEKIT__PARTICIPANT_INFO__KIND__INGRESS:
      return "ingress";
    case LIVEKIT__PARTICIPANT_INFO__KIND__EGRESS:
      return "egress";
    case LIVEKIT__PARTICIPANT_INFO__KIND__SIP:
      return "sip";
    case LIVEKIT__PARTICIPANT_INFO__KIND__AGENT:
      return "agent";
    case LIVEKIT__PARTICIPANT_INFO__KIND__CONNECTOR:
      return "connector";
    case LIVEKIT__PARTICIPANT_INFO__KIND__BRIDGE:
      return "bridge";
    default:
      return "unknown";
  }
}

/* ---- publications ---- */

LkPublication *
lk_publication_copy (const LkPublication * publication)
{
  LkPublication *copy;

  g_return_val_if_fail (publication != NULL, NULL);

  copy = g_new (LkPublication, 1);
  *copy = *publication;
  copy->sid = g_strdup (publication->sid);
  copy->name = g_strdup (publication->name);
  copy->mime_type = g_strdup (publication->mime_type);
  copy->stream = g_strdup (publication->stream);
  copy->participant_sid = g_strdup (publication->participant_sid);
  copy->participant_identity = g_strdup (publication->participant_identity);
  copy->participant_name = g_strdup (publication->participant_name);
  return copy;
}

void
lk_publication_free (LkPublication * publication)
{
  if (!publication)
    return;
  g_free (publication->sid);
  g_free (publication->name);
  g_free (publication->mime_type);
  g_free (publication->stream);
  g_free (publication->participant_sid);
  g_free (publication->participant_identity);
  g_free (publication->participant_name);
  g_free (publication);
}

/* The track's own, else that of its first codec: old servers fill the one, new ones both. */
static const gchar *
track_mime_type (const Livekit__TrackInfo * info)
{
  if ((!info->mime_type || !*info->mime_type) && info->n_codecs > 0)
    return info->codecs[0]->mime_type;
  return info->mime_type;
}

static gboolean
track_is_stereo (const Livekit__TrackInfo * info)
{
  gsize i;

  for (i = 0; i < info->n_audio_features; i++) {
    if (info->audio_features[i] == LIVEKIT__AUDIO_TRACK_FEATURE__TF_STEREO)
      return TRUE;
  }
  return info->stereo;
}

static gchar *
copy_text (const gchar * text)
{
  return g_strdup (text ? text : "");
}

LkPublication *
lk_publication_new (const LkParticipant * owner, const Livekit__TrackInfo * info)
{
  LkPublication *publication = g_new0 (LkPublication, 1);

  publication->sid = copy_text (info->sid);
  publication->name = copy_text (info->name);
  publication->mime_type = copy_text (track_mime_type (info));
  publication->stream = copy_text (info->stream);
  publication->kind = (LkTrackKind) info->type;
  if ((gint) info->source >= LK_SOURCE_UNKNOWN && (gint) info->source <= LK_SOURCE_SCREEN_SHARE_AUDIO)
    publication->source = (LkTrackSource) info->source;
  publication->muted = !!info->muted;
  publication->is_encrypted = info->encryption != LIVEKIT__ENCRYPTION__TYPE__NONE;
  publication->is_stereo = track_is_stereo (info);
  publication->width = info->width;
  publication->height = info->height;
  publication->participant_sid = g_strdup (owner->sid);
  publication->participant_identity = g_strdup (owner->identity);
  publication->participant_name = g_strdup (owner->name);
  return publication;
}

gboolean
lk_publication_differs (const LkPublication * a, const LkPublication * b)
{
  return a->muted != b->muted || a->is_encrypted != b->is_encrypted || a->is_stereo != b->is_stereo
      || a->width != b->width || a->height != b->height || a->source != b->source || !g_str_equal (a->name, b->name)
      || !g_str_equal (a->mime_type, b->mime_type) || !g_str_equal (a->stream, b->stream);
}

/* ---- participants ---- */

static GHashTable *
copy_attributes (Livekit__StringEntry ** entries, gsize n_entries)
{
  GHashTable *attributes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  gsize i;

  for (i = 0; i < n_entries; i++)
    g_hash_table_replace (attributes, copy_text (entries[i]->key), copy_text (entries[i]->value));
  return attributes;
}

static gboolean
attributes_differ (GHashTable * a, GHashTable * b)
{
  GHashTableIter iter;
  gpointer key, value;

  if (g_hash_table_size (a) != g_hash_table_size (b))
    return TRUE;
  g_hash_table_iter_init (&iter, a);
  while (g_hash_table_iter_next (&iter, &key, &value)) {
    if (g_strcmp0 (value, g_hash_table_lookup (b, key)) != 0)
      return TRUE;
  }
  return FALSE;
}

static LkPermission
read_permission (const Livekit__ParticipantPermission * permission)
{
  LkPermission result = { FALSE, };

  if (permission) {
    result.can_subscribe = !!permission->can_subscribe;
    result.can_publish = !!permission->can_publish;
    result.can_publish_data = !!permission->can_publish_data;
    result.can_update_metadata = !!permission->can_update_metadata;
    result.hidden = !!permission->hidden;
  }
  return result;
}

gboolean
lk_permission_differs (const LkPermission * a, const LkPermission * b)
{
  return a->can_subscribe != b->can_subscribe || a->can_publish != b->can_publish
      || a->can_publish_data != b->can_publish_data || a->can_update_metadata != b->can_update_metadata
      || a->hidden != b->hidden;
}

gboolean
lk_participant_differs (const LkParticipant * a, const LkParticipant * b)
{
  return !g_str_equal (a->name, b->name) || !g_str_equal (a->metadata, b->metadata) || !g_str_equal (a->kind, b->kind)
      || lk_permission_differs (&a->permission, &b->permission) || attributes_differ (a->attributes, b->attributes);
}

void
lk_participant_read (LkParticipant * participant, const Livekit__ParticipantInfo * info)
{
  participant->sid = copy_text (info->sid);
  participant->identity = copy_text (info->identity);
  participant->name = copy_text (info->name);
  participant->metadata = copy_text (info->metadata);
  participant->kind = participant_kind_name (info->kind);
  participant->attributes = copy_attributes (info->attributes, info->n_attributes);
  participant->permission = read_permission (info->permission);
  participant->version = info->version;
}

void
lk_participant_clear (LkParticipant * participant)
{
  g_free (participant->sid);
  g_free (participant->identity);
  g_free (participant->name);
  g_free (participant->metadata);
  g_hash_table_unref (participant->attributes);
}
