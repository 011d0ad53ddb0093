/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkroom: a session as it begins, is taken up again, and is forgotten. */

#include "lkroom-private.h"

#include <string.h>

#include "lkerror.h"
#include "lklog.h"

#define DEFAULT_SERVER_URL "ws://127.0.0.1:7880"
/* More than anybody has the patience to try. */
#define MAX_REGIONS 10

const gchar *
lk_room_choose_server_url (LkRoom * self)
{
  if (self->region_url != NULL)
    return self->region_url;
  if (self->server_url != NULL && self->server_url[0] != '\0')
    return self->server_url;
  if (self->token_server_url != NULL && self->token_server_url[0] != '\0')
    return self->token_server_url;
  return DEFAULT_SERVER_URL;
}

/* A host of LiveKit Cloud, over TLS. Only those have regions, and the token goes to no other host. */
static gboolean
is_cloud_url (const gchar * url)
{
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_ENCODED, NULL);
  const gchar *scheme = uri != NULL ? g_uri_get_scheme (uri) : "";
  const gchar *host = uri != NULL ? g_uri_get_host (uri) : NULL;

  if (host == NULL || (!g_str_equal (scheme, "wss") && !g_str_equal (scheme, "https")))
    return FALSE;
  if (host[strspn (host, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "-.")] != '\0')
    return FALSE;
  return g_str_has_suffix (host, ".livekit.cloud") || g_str_has_suffix (host, ".livekit.run");
}

void
lk_room_take_regions (LkRoom * self, const Livekit__RegionSettings * settings)
{
  gboolean is_cloud = is_cloud_url (lk_room_choose_server_url (self));
  GPtrArray *urls = g_ptr_array_new ();

  for (gsize i = 0; is_cloud && i < settings->n_regions && urls->len < MAX_REGIONS; i++) {
    if (is_cloud_url (settings->regions[i]->url))
      g_ptr_array_add (urls, g_strdup (settings->regions[i]->url));
  }
  lk_info ("room", "regions n=%u of=%u", urls->len, (guint) settings->n_regions);
  g_ptr_array_add (urls, NULL);
  g_strfreev (self->regions);
  self->regions = (gchar **) g_ptr_array_free (urls, FALSE);
  self->next_region = 0;
  if (self->regions[0] == NULL)
    g_clear_pointer (&self->regions, g_strfreev);
}

void
lk_room_go_to_next_region (LkRoom * self)
{
  g_autofree gchar *clean_url = NULL;

  g_clear_pointer (&self->region_url, g_free);
  if (self->regions != NULL)
    self->region_url = g_strdup (self->regions[self->next_region++]);
  if (self->region_url == NULL)
    g_clear_pointer (&self->regions, g_strfreev);
  self->use_v0 = FALSE;
  clean_url = lk_error_clean_url (lk_room_choose_server_url (self));
  lk_info ("room", "going to url=%s", clean_url);
}

void
lk_room_forget_session (LkRoom * self)
{
  self->is_in_session = FALSE;
  self->transport_is_up = self->transport_was_up = FALSE;
  self->offer_is_open = FALSE;
  g_clear_pointer (&self->own_offer, g_free);
  g_clear_pointer (&self->own_answer, g_free);
  g_clear_pointer (&self->remote_offer, g_free);
  g_clear_pointer (&self->remote_answer, g_free);
  g_clear_pointer (&self->participant_sid, g_free);
  g_hash_table_remove_all (self->wanted);
  g_hash_table_remove_all (self->track_settings);
  g_queue_clear_full (&self->waiting, (GDestroyNotify) g_bytes_unref);
  lk_room_clear_publishing (self);
}

static LkIceServer *
make_ice_servers (Livekit__ICEServer ** servers, gsize n_servers)
{
  LkIceServer *array = g_new0 (LkIceServer, n_servers);

  for (gsize i = 0; i < n_servers; i++) {
    gchar **urls = g_new0 (gchar *, servers[i]->n_urls + 1);

    for (gsize k = 0; k < servers[i]->n_urls; k++)
      urls[k] = servers[i]->urls[k];
    array[i].urls = urls;
    array[i].username = servers[i]->username;
    array[i].credential = servers[i]->credential;
  }
  return array;
}

static void
free_ice_servers (LkIceServer * array, gsize n_servers)
{
  for (gsize i = 0; i < n_servers; i++)
    g_free (array[i].urls);
  g_free (array);
}

static gboolean
may_resume (const Livekit__ClientConfiguration * configuration)
{
  return configuration == NULL || configuration->resume_connection != LIVEKIT__CLIENT_CONFIG_SETTING__DISABLED;
}

static void
take_join (LkRoom * self, const Livekit__JoinResponse * join)
{
  lk_room_forget_session (self);
  g_free (self->participant_identity);
  g_free (self->room_sid);
  self->participant_sid = g_strdup (join->participant->sid);
  self->participant_identity = g_strdup (join->participant->identity);
  self->room_sid = g_strdup (join->room != NULL ? join->room->sid : "");
  self->ping_interval_s = (guint) MAX (join->ping_interval, 0);
  self->ping_timeout_s = (guint) MAX (join->ping_timeout, 0);
  self->can_resume = may_resume (join->client_configuration);
  self->is_in_session = TRUE;
  self->has_renewed_token = FALSE;
  g_clear_pointer (&self->regions, g_strfreev);
  self->reconnect_reason = LIVEKIT__RECONNECT_REASON__RR_SIGNAL_DISCONNECTED;
  lk_roster_set_local (self->roster, join->participant);
}

static const gchar *
first_filled (const gchar * a, const gchar * b)
{
  return a != NULL && a[0] != '\0' ? a : b != NULL ? b : "";
}

static void
tell_joined (LkRoom * self, const Livekit__JoinResponse * join, gboolean is_rejoin)
{
  g_autofree gchar *clean_url = lk_error_clean_url (lk_room_choose_server_url (self));
  g_autofree const gchar **codecs = g_new0 (const gchar *, join->n_enabled_publish_codecs + 1);
  LkIceServer *ice_servers = make_ice_servers (join->ice_servers, join->n_ice_servers);
  LkJoinInfo info = { 0, };

  for (gsize i = 0; i < join->n_enabled_publish_codecs; i++)
    codecs[i] = join->enabled_publish_codecs[i]->mime;
  info.is_rejoin = is_rejoin;
  info.is_single_peer = self->is_single_peer;
  info.subscriber_primary = join->subscriber_primary;
  info.fast_publish = join->fast_publish;
  info.force_relay = join->client_configuration != NULL
      && join->client_configuration->force_relay == LIVEKIT__CLIENT_CONFIG_SETTING__ENABLED;
  info.ice_servers = ice_servers;
  info.n_ice_servers = (guint) join->n_ice_servers;
  info.server_url = clean_url;
  info.server_is_loopback = self->server_is_loopback;
  info.room_sid = self->room_sid;
  info.room_name = join->room != NULL ? join->room->name : "";
  info.room_metadata = join->room != NULL ? join->room->metadata : "";
  info.n_participants = join->room != NULL ? join->room->num_participants : 0;
  info.active_recording = join->room != NULL && join->room->active_recording;
  info.server_version = first_filled (join->server_version, join->server_info ? join->server_info->version : NULL);
  info.server_region = first_filled (join->server_region, join->server_info ? join->server_info->region : NULL);
  info.enabled_codecs = codecs;
  info.local = lk_roster_get_local (self->roster);
  LK_ROOM_TELL (self, joined, self, &info);
  free_ice_servers (ice_servers, join->n_ice_servers);
}

/* Also when a resume was asked for: a server that gives a new session instead has forgotten the old one. */
void
lk_room_joined (LkRoom * self, const Livekit__JoinResponse * join)
{
  gboolean is_rejoin = self->has_joined;
  g_autofree gchar *room_name = NULL;

  if (join->participant == NULL) {
    g_autoptr (GError) error =
        g_error_new (LK_ERROR, LK_ERROR_PROTOCOL, "The server's JoinResponse has no participant");

    lk_room_attempt_failed (self, error);
    return;
  }
  take_join (self, join);
  self->has_joined = TRUE;
  self->n_rejoins += is_rejoin ? 1 : 0;
  room_name = lk_error_clean_text (join->room != NULL ? join->room->name : "-", -1);
  lk_info ("room", "%s room=%s sid=%s participant=%s identity=%s server=%s signalling=%s others=%u",
      is_rejoin ? "rejoined" : "joined", room_name, self->room_sid,
      self->participant_sid, self->participant_identity,
      first_filled (join->server_version, join->server_info ? join->server_info->version : NULL),
      self->is_single_peer ? "v1" : "v0", (guint) join->n_other_participants);

  /* Each of these may leave, and then the rest is not for telling any more. */
  lk_room_set_state_in_loop (self, LK_ROOM_JOINED, NULL);
  if (self->state == LK_ROOM_JOINED)
    tell_joined (self, join, is_rejoin);
  if (self->state == LK_ROOM_JOINED)
    lk_roster_replace_all (self->roster, join->other_participants, join->n_other_participants);
  if (self->state == LK_ROOM_JOINED)
    LK_ROOM_TELL (self, roster_complete, self);
  if (self->state == LK_ROOM_JOINED)
    lk_room_correct_participant (self, join->participant);
}

void
lk_room_resumed (LkRoom * self, const Livekit__ReconnectResponse * reconnect)
{
  LkIceServer *ice_servers = make_ice_servers (reconnect->ice_servers, reconnect->n_ice_servers);

  self->n_resumes++;
  self->has_renewed_token = FALSE;
  self->reconnect_reason = LIVEKIT__RECONNECT_REASON__RR_SIGNAL_DISCONNECTED;
  self->can_resume = may_resume (reconnect->client_configuration);
  lk_info ("room", "resumed room=%s participant=%s attempt=%u", self->room_sid, self->participant_sid, self->attempt);
  lk_room_send_sync_state (self);
  lk_room_set_state_in_loop (self, LK_ROOM_JOINED, NULL);
  if (self->state == LK_ROOM_JOINED)
    lk_room_send_waiting (self);
  if (self->state == LK_ROOM_JOINED)
    LK_ROOM_TELL (self, resumed, self, ice_servers, (guint) reconnect->n_ice_servers);
  free_ice_servers (ice_servers, reconnect->n_ice_servers);
}
