/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitsession-facts: what applications are told of participants, ours among them. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitsession-private.h"

/* Key, value, key, value, in the order of the keys: a structure cannot hold every key. */
static void
take_attributes (GstStructure * message, GHashTable * attributes)
{
  g_autoptr (GList) keys = g_list_sort (g_hash_table_get_keys (attributes), (GCompareFunc) g_strcmp0);
  GValue list = G_VALUE_INIT;

  g_value_init (&list, GST_TYPE_ARRAY);
  for (GList * key = keys; key; key = key->next) {
    const gchar *pair[2] = { key->data, g_hash_table_lookup (attributes, key->data) };

    for (guint i = 0; i < G_N_ELEMENTS (pair); i++) {
      GValue item = G_VALUE_INIT;

      g_value_init (&item, G_TYPE_STRING);
      g_value_set_string (&item, pair[i]);
      gst_value_array_append_and_take_value (&list, &item);
    }
  }
  gst_structure_take_value (message, "attributes", &list);
}

GstStructure *
gst_livekit_session_make_participant_message (const gchar * action, const LkParticipant * participant, gboolean is_local)
{
  GstStructure *message = gst_structure_new ("livekit-participant", "action", G_TYPE_STRING, action,
      "identity", G_TYPE_STRING, participant->identity, "sid", G_TYPE_STRING, participant->sid,
      "name", G_TYPE_STRING, participant->name, "metadata", G_TYPE_STRING, participant->metadata,
      "kind", G_TYPE_STRING, participant->kind, "local", G_TYPE_BOOLEAN, is_local, NULL);

  take_attributes (message, participant->attributes);
  return message;
}

void
gst_livekit_session_tell_participant (GstLiveKitSession * session, const gchar * action,
    const LkParticipant * participant)
{
  gst_livekit_session_tell (session, gst_livekit_session_make_participant_message (action, participant, FALSE));
}

/* --- ours --- */

void
gst_livekit_session_remember_local_in_loop (GstLiveKitSession * session, const LkParticipant * participant)
{
  g_clear_pointer (&session->local_message, gst_structure_free);
  session->local_message = gst_livekit_session_make_participant_message ("updated", participant, TRUE);
}

/* The server tells all that it knows of us whenever something of it changes, the mute state of our tracks among it. */
void
gst_livekit_session_tell_local_in_loop (GstLiveKitSession * session, const LkParticipant * participant,
    const LkPermission * before)
{
  g_autoptr (GstStructure) known = g_steal_pointer (&session->local_message);
  const LkPermission *now = &participant->permission;

  gst_livekit_session_remember_local_in_loop (session, participant);
  if (known && !gst_structure_is_equal (known, session->local_message))
    gst_livekit_session_tell (session, gst_structure_copy (session->local_message));
  if (!lk_permission_differs (before, now))
    return;
  gst_livekit_session_tell_room_info_in_loop (session);
  gst_livekit_session_tell (session, gst_structure_new ("livekit-room",
          "can-publish", G_TYPE_BOOLEAN, now->can_publish, "can-subscribe", G_TYPE_BOOLEAN, now->can_subscribe,
          "can-publish-data", G_TYPE_BOOLEAN, now->can_publish_data,
          "can-update-metadata", G_TYPE_BOOLEAN, now->can_update_metadata, "hidden", G_TYPE_BOOLEAN, now->hidden, NULL));
}

/* --- connections --- */

void
gst_livekit_session_on_connection_quality (LkRoom * room, const gchar * participant_sid, const gchar * quality,
    gfloat score, gpointer data)
{
  LkRoster *roster = lk_room_get_roster (room);
  const LkParticipant *participant = lk_roster_find_participant (roster, participant_sid);
  gboolean is_local = participant && participant == lk_roster_get_local (roster);

  gst_livekit_session_tell (data, gst_structure_new ("livekit-quality", "sid", G_TYPE_STRING, participant_sid,
          "identity", G_TYPE_STRING, participant ? participant->identity : "", "quality", G_TYPE_STRING, quality,
          "score", G_TYPE_DOUBLE, (gdouble) score, "local", G_TYPE_BOOLEAN, is_local, NULL));
}
