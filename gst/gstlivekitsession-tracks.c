/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitsession-tracks: which tracks a session receives, and what becomes of them. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitsession-private.h"

#include <string.h>
#include "gstlivekitelements.h"

#define GST_CAT_DEFAULT gst_livekit_debug

GstStructure *
gst_livekit_session_track_message (const gchar * action, const LkPublication * publication)
{
  return gst_structure_new ("livekit-track", "action", G_TYPE_STRING, action,
          "sid", G_TYPE_STRING, publication->sid, "name", G_TYPE_STRING, publication->name,
          "source", G_TYPE_STRING, lk_track_source_name (publication->source),
          "kind", G_TYPE_STRING, lk_track_kind_name (publication->kind),
          "mime-type", G_TYPE_STRING, publication->mime_type,
          "identity", G_TYPE_STRING, publication->participant_identity, NULL);
}

void
gst_livekit_session_tell_track (GstLiveKitSession * session, const gchar * action, const LkPublication * publication)
{
  gst_livekit_session_tell (session, gst_livekit_session_track_message (action, publication));
}

static gboolean
shows_tracks (GstLiveKitSession * session)
{
  return session->users[GST_LIVEKIT_ROLE_SUBSCRIBER].bin != NULL;
}

static void
attach (GstLiveKitSession * session, GstLiveKitRemoteTrack * track, GstLiveKitPeer * peer, GstPad * pad)
{
  const LkPublication *publication = gst_livekit_remote_track_get_publication (track);

  if (session->first_media_us == 0)
    session->first_media_us = g_get_monotonic_time ();
  if (gst_livekit_remote_track_attach_in_loop (track, peer, pad))
    return;
  gst_livekit_session_tell (session, gst_structure_new ("livekit-track", "action", G_TYPE_STRING, "failed",
          "sid", G_TYPE_STRING, publication->sid, "name", G_TYPE_STRING, publication->name,
          "kind", G_TYPE_STRING, lk_track_kind_name (publication->kind),
          "mime-type", G_TYPE_STRING, publication->mime_type, "identity", G_TYPE_STRING,
          publication->participant_identity, "reason", G_TYPE_STRING, "codec",
          "text", G_TYPE_STRING, "This codec cannot be received.", NULL));
}

void
gst_livekit_session_pad_added_in_loop (GstLiveKitSession * session, GstLiveKitPeer * peer, GstPad * pad,
    const gchar * mid)
{
  const gchar *sid = session->mid_to_track ? g_hash_table_lookup (session->mid_to_track, mid) : NULL;
  GstLiveKitRemoteTrack *track = sid ? g_hash_table_lookup (session->remote_tracks, sid) : NULL;

  if (track && gst_livekit_remote_track_is_subscribed_in_loop (track)) {
    attach (session, track, peer, pad);
  } else if (sid) {
    gst_livekit_peer_release_pad (pad, FALSE);
  } else {
    GstPad *older = g_hash_table_lookup (session->waiting_pads, mid);

    GST_DEBUG_OBJECT (session->element, "stream before its track mid=%s", mid);
    if (older)
      gst_livekit_peer_release_pad (older, FALSE);
    g_hash_table_replace (session->waiting_pads, g_strdup (mid), gst_object_ref (pad));
  }
}

void
gst_livekit_session_tracks_mapped_in_loop (GstLiveKitSession * session, GHashTable * mid_to_track)
{
  GHashTableIter iter;
  gpointer mid, pad;

  if (mid_to_track) {
    g_clear_pointer (&session->mid_to_track, g_hash_table_unref);
    session->mid_to_track = g_hash_table_ref (mid_to_track);
  }
  g_hash_table_iter_init (&iter, session->waiting_pads);
  while (g_hash_table_iter_next (&iter, &mid, &pad)) {
    const gchar *sid = session->mid_to_track ? g_hash_table_lookup (session->mid_to_track, mid) : NULL;
    GstLiveKitRemoteTrack *track = sid ? g_hash_table_lookup (session->remote_tracks, sid) : NULL;

    if (sid == NULL)
      continue;
    if (track && gst_livekit_remote_track_is_subscribed_in_loop (track))
      attach (session, track, session->subscriber, pad);
    else
      gst_livekit_peer_release_pad (pad, FALSE);
    g_hash_table_iter_remove (&iter);
  }
}

/* A track of the session before that is this one: same participant, and the same name or, without one, source. */
static GstLiveKitRemoteTrack *
take_orphan (GstLiveKitSession * session, const LkPublication * publication)
{
  GstLiveKitSessionUser *user = &session->users[GST_LIVEKIT_ROLE_SUBSCRIBER];

  for (guint i = 0; i < session->orphans->len; i++) {
    GstLiveKitRemoteTrack *track = g_ptr_array_index (session->orphans, i);
    const LkPublication *old = gst_livekit_remote_track_get_publication (track);

    if (old->kind == publication->kind && g_strcmp0 (old->participant_identity, publication->participant_identity) == 0
        && g_strcmp0 (old->name, publication->name) == 0 && old->source == publication->source) {
      gst_livekit_remote_track_ref (track);
      g_ptr_array_remove_index (session->orphans, i);
      gst_livekit_remote_track_set_publication_in_loop (track, publication);
      user->delegate.track_changed (session, track, publication, user->data);
      return track;
    }
  }
  return NULL;
}

typedef struct
{
  const LkPublication *publication;     /* of the roster */
  GstLiveKitInterest interest;
} Choice;

static void
list_track (const LkPublication * publication, gpointer publications)
{
  if (publication->kind != LK_TRACK_DATA && !publication->is_encrypted)
    g_ptr_array_add (publications, (gpointer) publication);
}

/* sid -> Choice of what is to be shown at all. */
static GHashTable *
choose (GstLiveKitSession * session)
{
  g_autoptr (GPtrArray) publications = g_ptr_array_new ();
  GHashTable *choices = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);
  GstLiveKitSessionUser *user = &session->users[GST_LIVEKIT_ROLE_SUBSCRIBER];

  lk_roster_foreach_track (lk_room_get_roster (session->room), list_track, publications);
  user->delegate.tracks_listed (session, publications, user->data);
  for (guint i = 0; i < publications->len; i++) {
    const LkPublication *publication = g_ptr_array_index (publications, i);
    GstLiveKitInterest interest = user->delegate.choose (session, publication, user->data);

    if (interest == GST_LIVEKIT_INTEREST_SUBSCRIBED && session->subscriber_rests)
      interest = GST_LIVEKIT_INTEREST_SHOWN;
    if (interest != GST_LIVEKIT_INTEREST_NONE)
      g_hash_table_insert (choices, publication->sid, g_memdup2 (&(Choice) {
              publication, interest}, sizeof (Choice)));
  }
  return choices;
}

/* The next session knows nothing of it. */
static void
orphan (GstLiveKitSession * session, GstLiveKitRemoteTrack * track)
{
  gst_livekit_remote_track_set_subscribed_in_loop (track, FALSE);
  g_ptr_array_add (session->orphans, gst_livekit_remote_track_ref (track));
}

/* While pads wait for what comes back, an unpublished one does, too: what threw us out may have thrown out its
 * participant, whose old session the server first showed us. */
static void
end_or_orphan (GstLiveKitSession * session, GstLiveKitRemoteTrack * track, gboolean is_unpublished)
{
  if (is_unpublished && session->orphan_timer)
    orphan (session, track);
  else
    gst_livekit_remote_track_end_in_loop (track);
}

static void
end_unwanted (GstLiveKitSession * session, GHashTable * choices, GPtrArray * unsubscribe)
{
  LkRoster *roster = lk_room_get_roster (session->room);
  GHashTableIter iter;
  gpointer sid, track;

  g_hash_table_iter_init (&iter, session->remote_tracks);
  while (g_hash_table_iter_next (&iter, &sid, &track)) {
    gboolean is_unpublished = lk_roster_find_track (roster, sid) == NULL;

    if (g_hash_table_contains (choices, sid))
      continue;
    if (gst_livekit_remote_track_is_subscribed_in_loop (track)) {
      if (!is_unpublished)
        g_ptr_array_add (unsubscribe, g_strdup (sid));
      gst_livekit_session_tell_track (session, "unsubscribed", gst_livekit_remote_track_get_publication (track));
    }
    if (is_unpublished)
      g_hash_table_remove (session->told_settings, sid);
    end_or_orphan (session, track, is_unpublished);
    g_hash_table_iter_remove (&iter);
  }
}

static GstLiveKitRemoteTrack *
begin (GstLiveKitSession * session, const LkPublication * publication)
{
  GstLiveKitRemoteTrack *track = take_orphan (session, publication);
  GstLiveKitSessionUser *user = &session->users[GST_LIVEKIT_ROLE_SUBSCRIBER];

  if (track == NULL)
    track = gst_livekit_remote_track_new (GST_ELEMENT (user->bin), user->bin, session->loop, publication,
        session->sync, user->remote_track_flags, &user->delegate.remote_track, user->data);
  gst_livekit_remote_track_set_offset (track, session->offsets[GST_LIVEKIT_ROLE_SUBSCRIBER]);
  g_hash_table_insert (session->remote_tracks, g_strdup (publication->sid), track);
  return track;
}

static void
apply_choices (GstLiveKitSession * session, GHashTable * choices, GPtrArray * subscribe, GPtrArray * unsubscribe)
{
  GHashTableIter iter;
  gpointer sid, data;

  g_hash_table_iter_init (&iter, choices);
  while (g_hash_table_iter_next (&iter, &sid, &data)) {
    const Choice *choice = data;
    GstLiveKitRemoteTrack *track = g_hash_table_lookup (session->remote_tracks, sid);
    gboolean is_subscribed = choice->interest == GST_LIVEKIT_INTEREST_SUBSCRIBED;

    if (track == NULL)
      track = begin (session, choice->publication);
    if (!gst_livekit_remote_track_set_subscribed_in_loop (track, is_subscribed))
      continue;
    g_ptr_array_add (is_subscribed ? subscribe : unsubscribe, g_strdup (sid));
    gst_livekit_session_tell_track (session, is_subscribed ? "subscribed" : "unsubscribed", choice->publication);
  }
}

static void
send_subscription (GstLiveKitSession * session, GPtrArray * sids, gboolean subscribe)
{
  if (sids->len)
    lk_room_subscribe_in_loop (session->room, (const gchar * const *) sids->pdata, sids->len, subscribe);
}

/* --- quality --- */

/* @again: the server may have forgotten them. What it does by itself need not be told the first time. */
static void
tell_settings (GstLiveKitSession * session, GstLiveKitRemoteTrack * track, gboolean again)
{
  static const LkTrackSettings defaults = {.quality = 2 };
  const LkPublication *publication = gst_livekit_remote_track_get_publication (track);
  const LkTrackSettings *told = g_hash_table_lookup (session->told_settings, publication->sid);
  GstLiveKitSessionUser *user = &session->users[GST_LIVEKIT_ROLE_SUBSCRIBER];
  LkTrackSettings settings = defaults;

  if (!gst_livekit_remote_track_is_subscribed_in_loop (track))
    return;
  user->delegate.get_quality (session, publication, &settings, user->data);
  settings.disabled = gst_livekit_remote_track_is_idle_in_loop (track);
  if (memcmp (&settings, told ? told : &defaults, sizeof (settings)) == 0 && !(told && again))
    return;
  GST_INFO_OBJECT (session->element, "asking for sid=%s disabled=%d quality=%d size=%ux%u fps=%u", publication->sid,
      settings.disabled, settings.quality, settings.width, settings.height, settings.fps);
  if (told && told->disabled && !settings.disabled)
    gst_livekit_remote_track_want_key_frame (track);
  g_hash_table_replace (session->told_settings, g_strdup (publication->sid), g_memdup2 (&settings, sizeof (settings)));
  lk_room_set_track_settings_in_loop (session->room, publication->sid, &settings);
}

static gboolean
is_told_idle (GstLiveKitSession * session, const gchar * sid)
{
  const LkTrackSettings *told = g_hash_table_lookup (session->told_settings, sid);

  return told && told->disabled;
}

static void
tell_all_settings (GstLiveKitSession * session, GPtrArray * just_subscribed)
{
  GHashTableIter iter;
  gpointer sid, track;

  g_hash_table_iter_init (&iter, session->remote_tracks);
  while (g_hash_table_iter_next (&iter, &sid, &track))
    tell_settings (session, track, g_ptr_array_find_with_equal_func (just_subscribed, sid, g_str_equal, NULL));
}

static gboolean
want_sections (GstLiveKitSession * session)
{
  guint n[2] = { 0, 0 };
  GHashTableIter iter;
  gpointer track;

  if (!session->is_single_peer)
    return FALSE;
  g_hash_table_iter_init (&iter, session->remote_tracks);
  while (g_hash_table_iter_next (&iter, NULL, &track)) {
    if (gst_livekit_remote_track_is_subscribed_in_loop (track))
      n[gst_livekit_remote_track_get_publication (track)->kind == LK_TRACK_VIDEO]++;
  }
  return gst_livekit_peer_want_sections_in_loop (session->subscriber, n[0], n[1]);
}

/* Makes what we are subscribed to what is wanted. The only place where remote tracks begin and end. */
static void
reconcile_in_loop (gpointer data)
{
  GstLiveKitSession *session = data;
  g_autoptr (GPtrArray) subscribe = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) unsubscribe = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GHashTable) choices = NULL;

  session->reconcile_is_posted = FALSE;
  /* While the connection is lost nobody knows what there is; it runs again when it is back. */
  if (!session->is_joined || session->is_stopping || session->subscriber == NULL || !shows_tracks (session)
      || lk_room_get_state (session->room) != LK_ROOM_JOINED)
    return;
  choices = choose (session);
  end_unwanted (session, choices, unsubscribe);
  apply_choices (session, choices, subscribe, unsubscribe);
  send_subscription (session, unsubscribe, FALSE);
  send_subscription (session, subscribe, TRUE);
  tell_all_settings (session, subscribe);
  if (want_sections (session))
    gst_livekit_peer_negotiate_in_loop (session->subscriber);
}

void
gst_livekit_session_subscribe_again_in_loop (GstLiveKitSession * session)
{
  g_autoptr (GPtrArray) sids = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer sid, track;

  g_hash_table_iter_init (&iter, session->remote_tracks);
  while (g_hash_table_iter_next (&iter, &sid, &track)) {
    if (gst_livekit_remote_track_is_subscribed_in_loop (track))
      g_ptr_array_add (sids, sid);
  }
  send_subscription (session, sids, TRUE);
  tell_all_settings (session, sids);
}

void
gst_livekit_session_set_silent_in_loop (GstLiveKitSession * session, const LkPublication * publication,
    gboolean is_silent, const gchar * action)
{
  GstLiveKitRemoteTrack *track = g_hash_table_lookup (session->remote_tracks, publication->sid);
  /* "Allowed" comes with each subscription; it is news only after the contrary. */
  gboolean is_news = track == NULL || gst_livekit_remote_track_set_silent_in_loop (track, is_silent);

  if (is_news && (track || is_silent))
    gst_livekit_session_tell_track (session, action, publication);
}

void
gst_livekit_session_reconcile_later (GstLiveKitSession * session)
{
  if (session->reconcile_is_posted)
    return;
  session->reconcile_is_posted = TRUE;
  lk_loop_post (session->loop, reconcile_in_loop, session, NULL);
}

static void
update_choice_in_loop (gpointer data)
{
  gst_livekit_session_reconcile_later (data);
}

void
gst_livekit_session_update_choice (GstLiveKitSession * session)
{
  lk_loop_post (session->loop, update_choice_in_loop, session, NULL);
}

/* --- all of them --- */

/* The peers go, the pads stay until it is clear what comes back: that is known some time after the next join, whatever
 * an earlier one has left to be waited for. */
void
gst_livekit_session_orphan_all_in_loop (GstLiveKitSession * session)
{
  GHashTableIter iter;
  gpointer track;

  lk_loop_cancel (session->loop, &session->orphan_timer);
  lk_loop_cancel (session->loop, &session->removal_timer);
  g_hash_table_iter_init (&iter, session->remote_tracks);
  while (g_hash_table_iter_next (&iter, NULL, &track))
    orphan (session, track);
  g_hash_table_remove_all (session->remote_tracks);
  g_hash_table_remove_all (session->told_settings);
  g_hash_table_remove_all (session->waiting_pads);
  g_clear_pointer (&session->mid_to_track, g_hash_table_unref);
}

void
gst_livekit_session_end_all_in_loop (GstLiveKitSession * session)
{
  gst_livekit_session_orphan_all_in_loop (session);
  for (guint i = 0; i < session->orphans->len; i++)
    gst_livekit_remote_track_end_in_loop (g_ptr_array_index (session->orphans, i));
  g_ptr_array_set_size (session->orphans, 0);
}

static void
release_waiting_pads (GstLiveKitSession * session)
{
  GHashTableIter iter;
  gpointer pad;

  g_hash_table_iter_init (&iter, session->waiting_pads);
  while (g_hash_table_iter_next (&iter, NULL, &pad))
    gst_livekit_peer_release_pad (pad, FALSE);
  g_hash_table_remove_all (session->waiting_pads);
}

guint
gst_livekit_session_drop_remote_in_loop (GstLiveKitSession * session, GDestroyNotify left, gpointer data)
{
  g_autoptr (GPtrArray) sids = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer sid, track;
  guint n = g_hash_table_size (session->remote_tracks) + session->orphans->len;

  lk_loop_cancel (session->loop, &session->orphan_timer);
  g_hash_table_iter_init (&iter, session->remote_tracks);
  while (g_hash_table_iter_next (&iter, &sid, &track)) {
    if (gst_livekit_remote_track_is_subscribed_in_loop (track))
      g_ptr_array_add (sids, sid);
    gst_livekit_remote_track_leave_in_loop (track, left, data);
  }
  for (guint i = 0; i < session->orphans->len; i++)
    gst_livekit_remote_track_leave_in_loop (g_ptr_array_index (session->orphans, i), left, data);
  /* Also what a resume would ask for again. */
  send_subscription (session, sids, FALSE);
  release_waiting_pads (session);
  g_ptr_array_set_size (session->orphans, 0);
  g_hash_table_remove_all (session->remote_tracks);
  g_hash_table_remove_all (session->told_settings);
  session->no_more_tracks_told = session->subscriber_rests = FALSE;
  return n;
}

void
gst_livekit_session_set_offset_in_loop (GstLiveKitSession * session, GstLiveKitRole role, GstClockTimeDiff offset)
{
  GHashTableIter iter;
  gpointer track;

  session->offsets[role] = offset;
  if (role == GST_LIVEKIT_ROLE_PUBLISHER) {
    if (session->publisher)
      gst_livekit_peer_set_send_offset_in_loop (session->publisher, offset);
    return;
  }
  g_hash_table_iter_init (&iter, session->remote_tracks);
  while (g_hash_table_iter_next (&iter, NULL, &track))
    gst_livekit_remote_track_set_offset (track, offset);
}

void
gst_livekit_session_tick_tracks_in_loop (GstLiveKitSession * session)
{
  GHashTableIter iter;
  gpointer sid, track;
  guint n_waiting = 0;

  g_hash_table_iter_init (&iter, session->remote_tracks);
  while (g_hash_table_iter_next (&iter, &sid, &track)) {
    gst_livekit_remote_track_tick_in_loop (track);
    if (gst_livekit_remote_track_is_idle_in_loop (track) != is_told_idle (session, sid))
      tell_settings (session, track, FALSE);
    n_waiting += !gst_livekit_remote_track_is_shown (track);
  }
  /* Not in an empty room: whoever waits there waits for somebody to come. */
  if (!session->no_more_tracks_told && n_waiting == 0 && g_hash_table_size (session->remote_tracks) > 0) {
    session->no_more_tracks_told = TRUE;
    session->users[GST_LIVEKIT_ROLE_SUBSCRIBER].delegate.tracks_known (session, n_waiting,
        session->users[GST_LIVEKIT_ROLE_SUBSCRIBER].data);
  }
}

static void
push_eos_in_loop (gpointer data)
{
  GstLiveKitSession *session = data;
  GHashTableIter iter;
  gpointer track;

  g_hash_table_iter_init (&iter, session->remote_tracks);
  while (g_hash_table_iter_next (&iter, NULL, &track))
    gst_livekit_remote_track_push_eos_async (track);
  for (guint i = 0; i < session->orphans->len; i++)
    gst_livekit_remote_track_push_eos_async (g_ptr_array_index (session->orphans, i));
}

void
gst_livekit_session_push_eos (GstLiveKitSession * session)
{
  lk_loop_post (session->loop, push_eos_in_loop, session, NULL);
}
