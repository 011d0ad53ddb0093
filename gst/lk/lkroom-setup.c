/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkroom: made, set up, freed. */

#include "lkroom-private.h"

static GHashTable *
copy_table (GHashTable * table)
{
  GHashTable *copy = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  GHashTableIter iter;
  gpointer key, value;

  if (table == NULL)
    return copy;
  g_hash_table_iter_init (&iter, table);
  while (g_hash_table_iter_next (&iter, &key, &value))
    g_hash_table_insert (copy, g_strdup (key), g_strdup (value));
  return copy;
}

void
lk_room_take_settings (LkRoom * self, const LkRoomSettings * settings)
{
  self->server_url = g_strdup (settings->server_url);
  self->token_source = settings->token_source != NULL ? lk_token_source_ref (settings->token_source) : NULL;
  self->room_name = g_strdup (settings->room);
  self->identity = g_strdup (settings->identity);
  self->name = g_strdup (settings->name);
  self->metadata = g_strdup (settings->metadata);
  self->attributes = copy_table (settings->attributes);
  self->http = lk_http_settings_copy (settings->http);
  self->client_version = g_strdup (settings->client_version != NULL ? settings->client_version : "0.0.0");
  self->needs_publish = settings->needs_publish;
  self->needs_subscribe = settings->needs_subscribe;
  self->join_timeout_ms = settings->join_timeout_ms;
  self->reconnect_timeout_ms = settings->reconnect_timeout_ms;
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* Roster: passed on, but that what is gone is not wanted any more */

static void
on_participant_joined (const LkParticipant * participant, gpointer data)
{
  LkRoom *self = data;

  LK_ROOM_TELL (self, roster.participant_joined, participant);
}

static void
on_participant_updated (const LkParticipant * participant, gpointer data)
{
  LkRoom *self = data;

  LK_ROOM_TELL (self, roster.participant_updated, participant);
}

static void
on_participant_left (const LkParticipant * participant, gpointer data)
{
  LkRoom *self = data;

  LK_ROOM_TELL (self, roster.participant_left, participant);
}

static void
on_track_added (const LkPublication * publication, gpointer data)
{
  LkRoom *self = data;

  LK_ROOM_TELL (self, roster.track_added, publication);
}

static void
on_track_changed (const LkPublication * publication, gpointer data)
{
  LkRoom *self = data;

  LK_ROOM_TELL (self, roster.track_changed, publication);
}

static void
on_track_removed (const LkPublication * publication, gpointer data)
{
  LkRoom *self = data;

  lk_room_forget_track (self, publication->sid);
  LK_ROOM_TELL (self, roster.track_removed, publication);
}

static void
on_local_changed (const LkParticipant * participant, gpointer data)
{
  LkRoom *self = data;

  LK_ROOM_TELL (self, roster.local_changed, participant);
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* Life */

static gint64
monotonic_ms (void)
{
  return g_get_monotonic_time () / 1000;
}

static gint64
unix_s (void)
{
  return g_get_real_time () / G_USEC_PER_SEC;
}

LkRoom *
lk_room_new (LkLoop * loop, const LkRoomDelegate * delegate, gpointer data)
{
  static const LkRosterDelegate roster_delegate = {
    on_participant_joined, on_participant_updated, on_participant_left, on_track_added, on_track_changed,
    on_track_removed, on_local_changed
  };
  static const LkRoomHooks hooks = {
    lk_signal_client_new, lk_signal_client_free_in_loop, lk_signal_client_connect_in_loop,
    lk_signal_client_send_in_loop, lk_signal_client_close_in_loop, lk_signal_client_get_rtt_ms,
    lk_loop_post_after, lk_loop_cancel, monotonic_ms, unix_s, g_random_double
  };
  LkRoom *self = g_new0 (LkRoom, 1);

  self->loop = lk_loop_ref (loop);
  self->delegate = *delegate;
  self->data = data;
  self->hooks = hooks;
  self->roster = lk_roster_new (&roster_delegate, self);
  self->wanted = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->track_settings = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->ghosts = g_array_new (FALSE, FALSE, sizeof (gint64));
  g_queue_init (&self->waiting);
  lk_room_init_publishing (self);
  return self;
}

void
lk_room_free (LkRoom * self)
{
  g_return_if_fail (self->state == LK_ROOM_IDLE || self->state == LK_ROOM_CLOSED);

  lk_room_forget_session (self);
  lk_roster_free (self->roster);
  g_hash_table_unref (self->wanted);
  g_hash_table_unref (self->track_settings);
  g_hash_table_unref (self->published);
  g_array_unref (self->ghosts);
  g_clear_pointer (&self->attributes, g_hash_table_unref);
  g_clear_pointer (&self->token, lk_token_clear);
  g_clear_pointer (&self->claims, lk_token_claims_free);
  g_clear_pointer (&self->token_source, lk_token_source_unref);
  g_clear_pointer (&self->http, lk_http_settings_free);
  g_clear_error (&self->last_error);
  g_clear_error (&self->final_error);
  g_free (self->server_url);
  g_free (self->token_server_url);
  g_strfreev (self->regions);
  g_free (self->region_url);
  g_free (self->room_name);
  g_free (self->identity);
  g_free (self->name);
  g_free (self->metadata);
  g_free (self->client_version);
  g_free (self->participant_identity);
  g_free (self->room_sid);
  lk_loop_unref (self->loop);
  g_free (self);
}

void
lk_room_get_hooks (LkRoom * self, LkRoomHooks * hooks)
{
  *hooks = self->hooks;
}

void
lk_room_set_hooks (LkRoom * self, const LkRoomHooks * hooks)
{
  g_return_if_fail (self->state == LK_ROOM_IDLE);
  self->hooks = *hooks;
}

LkRoomState
lk_room_get_state (LkRoom * self)
{
  return self->state;
}

LkRoster *
lk_room_get_roster (LkRoom * self)
{
  return self->roster;
}

guint
lk_room_get_rtt_ms (LkRoom * self)
{
  return self->client != NULL ? self->hooks.client_get_rtt_ms (self->client) : 0;
}

guint
lk_room_get_n_reconnects (LkRoom * self, gboolean rejoins)
{
  return rejoins ? self->n_rejoins : self->n_resumes;
}
