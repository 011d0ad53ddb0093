/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkroom: what the owner asks for in a session, and how a resume tells it again. */

#include "lkroom-private.h"

#include "lkerror.h"
#include "lklog.h"
#include "lkmessage.h"
#include "lksignalurl.h"

/* Of an owner who goes on for hours without a server. Descriptions do not count: only the last is kept. */
#define MAX_WAITING 1000

static gboolean
is_filled (const gchar * text)
{
  return text != NULL && text[0] != '\0';
}

static GBytes *
pack_request (const Livekit__SignalRequest * request)
{
  gsize size = livekit__signal_request__get_packed_size (request);
  guint8 *data = g_malloc (size);

  livekit__signal_request__pack (request, data);
  return g_bytes_new_take (data, size);
}

void
lk_room_send (LkRoom * self, const Livekit__SignalRequest * request)
{
  switch (self->state) {
    case LK_ROOM_JOINED:
      self->hooks.client_send (self->client, request);
      break;
    case LK_ROOM_RESUMING:
      if (g_queue_get_length (&self->waiting) >= MAX_WAITING) {
        lk_warning ("room", "too many requests wait for the resume, the oldest is dropped");
        g_bytes_unref (g_queue_pop_head (&self->waiting));
      }
      g_queue_push_tail (&self->waiting, pack_request (request));
      break;
    case LK_ROOM_IDLE:
    case LK_ROOM_FETCHING_TOKEN:
    case LK_ROOM_CONNECTING:
    case LK_ROOM_REJOINING:
    case LK_ROOM_LEAVING:
    case LK_ROOM_CLOSED:
      lk_debug ("room", "request dropped while %s", lk_room_state_name (self->state));
      break;
  }
}

static gboolean
has_session (LkRoom * self)
{
  return self->state == LK_ROOM_JOINED || self->state == LK_ROOM_RESUMING;
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* Descriptions and candidates */

static void
send_description (LkRoom * self, gboolean is_offer, const gchar * sdp, guint id)
{
  Livekit__SessionDescription description = LIVEKIT__SESSION_DESCRIPTION__INIT;
  Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;

  description.type = (gchar *) (is_offer ? "offer" : "answer");
  description.sdp = (gchar *) sdp;
  description.id = id;
  if (is_offer) {
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_OFFER;
    request.offer = &description;
  } else {
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_ANSWER;
    request.answer = &description;
  }
  lk_room_send (self, &request);
}

void
lk_room_send_offer_in_loop (LkRoom * self, const gchar * sdp, guint id)
{
  lk_loop_assert_current (self->loop);

  if (!has_session (self)) {
    lk_debug ("room", "offer dropped while %s", lk_room_state_name (self->state));
    return;
  }
  g_free (self->own_offer);
  self->own_offer = g_strdup (sdp);
  self->own_offer_id = id;
  self->offer_is_open = TRUE;
  /* the resume sends what is open */
  if (self->state == LK_ROOM_JOINED)
    send_description (self, TRUE, sdp, id);
}

void
lk_room_send_answer_in_loop (LkRoom * self, const gchar * sdp, guint id)
{
  lk_loop_assert_current (self->loop);

  if (has_session (self)) {
    g_free (self->own_answer);
    self->own_answer = g_strdup (sdp);
    self->own_answer_id = id;
  }
  send_description (self, FALSE, sdp, id);
}

void
lk_room_send_candidate_in_loop (LkRoom * self, LkSignalTarget target, const gchar * candidate, const gchar * mid,
    guint mline_index)
{
  Livekit__TrickleRequest trickle = LIVEKIT__TRICKLE_REQUEST__INIT;
  Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
  g_autofree gchar *json = NULL;

  lk_loop_assert_current (self->loop);

  json = lk_message_candidate_to_json (candidate, mid, mline_index);
  trickle.candidateinit = json;
  trickle.target = target == LK_TARGET_PUBLISHER ? LIVEKIT__SIGNAL_TARGET__PUBLISHER
      : LIVEKIT__SIGNAL_TARGET__SUBSCRIBER;
  request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_TRICKLE;
  request.trickle = &trickle;
  lk_room_send (self, &request);
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* Tracks */

void
lk_room_set_track_muted_in_loop (LkRoom * self, const gchar * sid, gboolean muted)
{
  Livekit__MuteTrackRequest mute = LIVEKIT__MUTE_TRACK_REQUEST__INIT;
  Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;

  lk_loop_assert_current (self->loop);

  mute.sid = (gchar *) sid;
  mute.muted = muted;
  request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_MUTE;
  request.mute = &mute;
  lk_room_send (self, &request);
}

void
lk_room_update_video_track_in_loop (LkRoom * self, const gchar * sid, guint width, guint height)
{
  Livekit__UpdateLocalVideoTrack update = LIVEKIT__UPDATE_LOCAL_VIDEO_TRACK__INIT;
  Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;

  lk_loop_assert_current (self->loop);

  update.track_sid = (gchar *) sid;
  update.width = width;
  update.height = height;
  request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_UPDATE_VIDEO_TRACK;
  request.update_video_track = &update;
  lk_room_send (self, &request);
}

void
lk_room_subscribe_in_loop (LkRoom * self, const gchar * const *sids, guint n_sids, gboolean subscribe)
{
  Livekit__UpdateSubscription subscription = LIVEKIT__UPDATE_SUBSCRIPTION__INIT;
  Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;

  lk_loop_assert_current (self->loop);

  if (!has_session (self) || n_sids == 0) {
    lk_debug ("room", "subscription dropped while %s n=%u", lk_room_state_name (self->state), n_sids);
    return;
  }
  for (guint i = 0; i < n_sids; i++) {
    if (subscribe)
      g_hash_table_add (self->wanted, g_strdup (sids[i]));
    else
      g_hash_table_remove (self->wanted, sids[i]);
  }
  subscription.track_sids = (gchar **) sids;
  subscription.n_track_sids = n_sids;
  subscription.subscribe = subscribe;
  request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_SUBSCRIPTION;
  request.subscription = &subscription;
  lk_room_send (self, &request);
}

static void
send_track_settings (LkRoom * self, const gchar * sid, const LkTrackSettings * settings)
{
  Livekit__UpdateTrackSettings update = LIVEKIT__UPDATE_TRACK_SETTINGS__INIT;
  Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
  gchar *sids[] = { (gchar *) sid };

  update.track_sids = sids;
  update.n_track_sids = 1;
  update.disabled = settings->disabled;
  update.quality = (Livekit__VideoQuality) CLAMP (settings->quality, 0, 2);
  update.width = settings->width;
  update.height = settings->height;
  update.fps = settings->fps;
  request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_TRACK_SETTING;
  request.track_setting = &update;
  lk_room_send (self, &request);
}

void
lk_room_set_track_settings_in_loop (LkRoom * self, const gchar * sid, const LkTrackSettings * settings)
{
  lk_loop_assert_current (self->loop);

  if (!has_session (self)) {
    lk_debug ("room", "track settings dropped while %s", lk_room_state_name (self->state));
    return;
  }
  g_hash_table_replace (self->track_settings, g_strdup (sid), g_memdup2 (settings, sizeof (*settings)));
  /* the resume sends all of them */
  if (self->state == LK_ROOM_JOINED)
    send_track_settings (self, sid, settings);
}

void
lk_room_forget_track (LkRoom * self, const gchar * sid)
{
  g_hash_table_remove (self->wanted, sid);
  g_hash_table_remove (self->track_settings, sid);
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* Ourselves */

static void
send_participant (LkRoom * self, const gchar * name, const gchar * metadata, GHashTable * attributes)
{
  Livekit__UpdateParticipantMetadata update = LIVEKIT__UPDATE_PARTICIPANT_METADATA__INIT;
  Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
  guint n_attributes = attributes != NULL ? g_hash_table_size (attributes) : 0;
  g_autofree Livekit__StringEntry *entries = g_new0 (Livekit__StringEntry, n_attributes);
  g_autofree Livekit__StringEntry **pointers = g_new0 (Livekit__StringEntry *, n_attributes);
  GHashTableIter iter;
  gpointer key, value;

  if (attributes != NULL)
    g_hash_table_iter_init (&iter, attributes);
  for (guint i = 0; i < n_attributes && g_hash_table_iter_next (&iter, &key, &value); i++) {
    livekit__string_entry__init (&entries[i]);
    entries[i].key = key;
    entries[i].value = value;
    pointers[i] = &entries[i];
  }
  if (name != NULL)
    update.name = (gchar *) name;
  if (metadata != NULL)
    update.metadata = (gchar *) metadata;
  update.attributes = pointers;
  update.n_attributes = n_attributes;
  request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_UPDATE_METADATA;
  request.update_metadata = &update;
  lk_room_send (self, &request);
}

/* For the next session, too. */
static void
store_participant (LkRoom * self, const gchar * name, const gchar * metadata, GHashTable * attributes)
{
  GHashTableIter iter;
  gpointer key, value;

  if (is_filled (name)) {
    g_free (self->name);
    self->name = g_strdup (name);
  }
  if (is_filled (metadata)) {
    g_free (self->metadata);
    self->metadata = g_strdup (metadata);
  }
  if (attributes == NULL || self->attributes == NULL)
    return;
  g_hash_table_iter_init (&iter, attributes);
  while (g_hash_table_iter_next (&iter, &key, &value)) {
    if (is_filled (value))
      g_hash_table_replace (self->attributes, g_strdup (key), g_strdup (value));
    else
      g_hash_table_remove (self->attributes, key);
  }
}

void
lk_room_update_participant_in_loop (LkRoom * self, const gchar * name, const gchar * metadata, GHashTable * attributes)
{
  lk_loop_assert_current (self->loop);

  /* before the join there are its settings */
  if (self->state == LK_ROOM_IDLE)
    return;
  store_participant (self, name, metadata, attributes);
  send_participant (self, name, metadata, attributes);
}

void
lk_room_correct_participant (LkRoom * self, const Livekit__ParticipantInfo * info)
{
  gboolean has_name = !is_filled (self->name) || g_strcmp0 (self->name, info->name) == 0;
  gboolean has_metadata = !is_filled (self->metadata) || g_strcmp0 (self->metadata, info->metadata) == 0;

  if ((has_name && has_metadata) || !self->claims->can_update_own_metadata)
    return;
  send_participant (self, has_name ? NULL : self->name, has_metadata ? NULL : self->metadata, NULL);
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* After a resume */

static void
fill_description (Livekit__SessionDescription * description, const gchar * type, gchar * sdp, guint id)
{
  description->type = (gchar *) type;
  description->sdp = sdp;
  description->id = id;
}

static GPtrArray *
list_disabled (LkRoom * self)
{
  GPtrArray *sids = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer sid, settings;

  g_hash_table_iter_init (&iter, self->track_settings);
  while (g_hash_table_iter_next (&iter, &sid, &settings)) {
    if (((LkTrackSettings *) settings)->disabled)
      g_ptr_array_add (sids, sid);
  }
  return sids;
}

/* v1: our offer, the server's answer. v0: of the subscriber peer the server's offer, our answer. */
static void
fill_descriptions (LkRoom * self, Livekit__SyncState * state, Livekit__SessionDescription * offer,
    Livekit__SessionDescription * answer)
{
  if (self->is_single_peer) {
    fill_description (offer, "offer", self->own_offer, self->own_offer_id);
    fill_description (answer, "answer", self->remote_answer, self->remote_answer_id);
  } else {
    fill_description (offer, "offer", self->remote_offer, self->remote_offer_id);
    fill_description (answer, "answer", self->own_answer, self->own_answer_id);
  }
  if (offer->sdp != NULL)
    state->offer = offer;
  if (answer->sdp != NULL)
    state->answer = answer;
}

/* Not by lk_room_send(): the state is not JOINED yet, and this comes before everything. */
void
lk_room_send_sync_state (LkRoom * self)
{
  Livekit__SyncState state = LIVEKIT__SYNC_STATE__INIT;
  Livekit__SessionDescription offer = LIVEKIT__SESSION_DESCRIPTION__INIT, answer = LIVEKIT__SESSION_DESCRIPTION__INIT;
  Livekit__UpdateSubscription subscription = LIVEKIT__UPDATE_SUBSCRIPTION__INIT;
  Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
  g_autoptr (GPtrArray) disabled = list_disabled (self);
  g_autofree gpointer *wanted = NULL;
  guint n_wanted = 0;

  fill_descriptions (self, &state, &offer, &answer);
  wanted = g_hash_table_get_keys_as_array (self->wanted, &n_wanted);
  subscription.subscribe = TRUE;
  subscription.track_sids = (gchar **) wanted;
  subscription.n_track_sids = n_wanted;
  state.subscription = &subscription;
  state.track_sids_disabled = (gchar **) disabled->pdata;
  state.n_track_sids_disabled = disabled->len;
  state.publish_tracks = lk_room_unpack_published (self, &state.n_publish_tracks);
  request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_SYNC_STATE;
  request.sync_state = &state;
  self->hooks.client_send (self->client, &request);
  lk_room_free_published (state.publish_tracks, state.n_publish_tracks);
}

/* What was asked for while there was nobody to ask, in its order; and an offer that may have got lost on its way. */
void
lk_room_send_waiting (LkRoom * self)
{
  GHashTableIter iter;
  gpointer sid, settings;
  GBytes *bytes;

  if (self->offer_is_open)
    send_description (self, TRUE, self->own_offer, self->own_offer_id);
  while ((bytes = g_queue_pop_head (&self->waiting)) != NULL) {
    Livekit__SignalRequest *request =
        livekit__signal_request__unpack (NULL, g_bytes_get_size (bytes), g_bytes_get_data (bytes, NULL));

    lk_room_send (self, request);
    livekit__signal_request__free_unpacked (request, NULL);
    g_bytes_unref (bytes);
  }
  g_hash_table_iter_init (&iter, self->track_settings);
  while (g_hash_table_iter_next (&iter, &sid, &settings))
    send_track_settings (self, sid, settings);
  lk_room_resume_publishing (self);
}

gboolean
lk_room_check_server_url (const gchar * server_url, GError ** error)
{
  return lk_signal_url_check (server_url, error);
}
