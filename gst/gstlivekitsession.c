/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitsession: one participant in a room: its life, the room's events, the peers. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitsession-private.h"

#include <string.h>
#include "gstlivekitelements.h"
#include "gstlivekitregistry.h"
#include "lkerror.h"

#define GST_CAT_DEFAULT gst_livekit_debug

/* GAP events, and pads shown without data. */
#define TICK_MS 100
#define STATS_EVERY_TICKS 10
/* Latency messages of inner elements come in flocks. */
#define LATENCY_MS 10
/* The promise of a state change: down in less than two seconds. */
#define STOP_LIMIT (1800 * G_TIME_SPAN_MILLISECOND)
/* What the network and a viewer's jitter buffer may still hold when the last frame has been sent. */
#define DRAIN_MS 250
/* How long what waits for the link is waited for, before that. */
#define SENT_LIMIT (2 * G_TIME_SPAN_SECOND)

/* --- life --- */

GstLiveKitSession *
gst_livekit_session_new (GstLiveKitRegistry * registry)
{
  GstLiveKitSession *session = g_new0 (GstLiveKitSession, 1);

  g_atomic_ref_count_init (&session->ref_count);
  session->core = gst_livekit_core_new ();
  session->element = GST_ELEMENT (session->core);
  session->registry = registry ? g_object_ref (registry) : NULL;
  session->loop = lk_loop_new ("livekit");
  session->allocator = lk_allocator_new ();
  session->start_offset = GST_CLOCK_TIME_NONE;
  session->layers = g_ptr_array_new_with_free_func ((GDestroyNotify) gst_livekit_layer_unref);
  session->local_tracks = g_ptr_array_new_with_free_func ((GDestroyNotify) gst_livekit_local_track_free);
  session->told_settings = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  session->remote_tracks = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
      (GDestroyNotify) gst_livekit_remote_track_unref);
  session->relays = g_ptr_array_new_with_free_func ((GDestroyNotify) lk_tls_relay_free);
  session->sync = gst_livekit_sync_new ();
  session->orphans = g_ptr_array_new_with_free_func ((GDestroyNotify) gst_livekit_remote_track_unref);
  session->waiting_pads = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, gst_object_unref);
  g_mutex_init (&session->stop_lock);
  g_cond_init (&session->stop_changed);
  session->is_closed = TRUE;
  return session;
}

void
gst_livekit_session_settings_clear (GstLiveKitSessionSettings * settings)
{
  LkRoomSettings *room = &settings->room;

  g_free ((gchar *) room->server_url);
  g_free ((gchar *) room->room);
  g_free ((gchar *) room->identity);
  g_free ((gchar *) room->name);
  g_free ((gchar *) room->metadata);
  g_clear_pointer (&room->attributes, g_hash_table_unref);
  g_clear_pointer (&room->token_source, lk_token_source_unref);
  lk_http_settings_free ((LkHttpSettings *) room->http);
  g_free ((gchar *) settings->stun_server);
  g_strfreev ((gchar **) settings->turn_servers);
}

void
gst_livekit_session_settings_copy (GstLiveKitSessionSettings * to, const GstLiveKitSessionSettings * from)
{
  *to = *from;
  to->room.server_url = g_strdup (from->room.server_url);
  to->room.room = g_strdup (from->room.room);
  to->room.identity = g_strdup (from->room.identity);
  to->room.name = g_strdup (from->room.name);
  to->room.metadata = g_strdup (from->room.metadata);
  to->room.attributes = from->room.attributes ? g_hash_table_ref (from->room.attributes) : NULL;
  to->room.token_source = from->room.token_source ? lk_token_source_ref (from->room.token_source) : NULL;
  to->room.http = lk_http_settings_copy (from->room.http);
  to->stun_server = g_strdup (from->stun_server);
  to->turn_servers = (const gchar * const *) g_strdupv ((gchar **) from->turn_servers);
}

GstLiveKitSession *
gst_livekit_session_ref (GstLiveKitSession * session)
{
  g_atomic_ref_count_inc (&session->ref_count);
  return session;
}

void
gst_livekit_session_unref (GstLiveKitSession * session)
{
  if (!g_atomic_ref_count_dec (&session->ref_count))
    return;
  if (session->room)
    lk_room_free (session->room);
  g_ptr_array_unref (session->local_tracks);
  g_ptr_array_unref (session->layers);
  g_hash_table_unref (session->remote_tracks);
  g_hash_table_unref (session->told_settings);
  g_ptr_array_unref (session->orphans);
  gst_livekit_sync_unref (session->sync);
  g_ptr_array_unref (session->relays);
  lk_allocator_free (session->allocator);
  g_hash_table_unref (session->waiting_pads);
  g_clear_pointer (&session->mid_to_track, g_hash_table_unref);
  g_free (session->server_url);
  g_free (session->server_version);
  g_free (session->server_region);
  g_free (session->room_sid);
  g_free (session->room_name);
  g_free (session->room_metadata);
  g_free (session->participant_sid);
  gst_livekit_session_settings_clear (&session->settings);
  g_clear_pointer (&session->stats, gst_structure_free);
  g_clear_error (&session->end_error);
  gst_object_unref (session->core);
  g_clear_object (&session->registry);
  g_clear_pointer (&session->local_message, gst_structure_free);
  lk_loop_unref (session->loop);
  g_mutex_clear (&session->stop_lock);
  g_cond_clear (&session->stop_changed);
  g_free (session);
}

static void
tick_in_loop (gpointer data)
{
  GstLiveKitSession *session = data;
  static const guint every = STATS_EVERY_TICKS;
  gint64 n = g_get_monotonic_time () / (TICK_MS * G_TIME_SPAN_MILLISECOND);

  session->tick = lk_loop_post_after (session->loop, TICK_MS, tick_in_loop, session, NULL);
  gst_livekit_session_tick_tracks_in_loop (session);
  gst_livekit_session_check_silence_in_loop (session);
  gst_livekit_session_tick_bandwidth_in_loop (session);
  if (n % every == 0)
    gst_livekit_session_update_stats_in_loop (session);
}

static void
start_in_loop (gpointer data)
{
  GstLiveKitSession *session = data;

  session->started_us = g_get_monotonic_time ();
  session->room = lk_room_new (session->loop, &gst_livekit_session_room_delegate, session);
  lk_room_set_paused_in_loop (session->room, TRUE);
  gst_livekit_session_set_state_in_loop (session, GST_LIVEKIT_CONNECTION_STATE_CONNECTING, NULL, 0, 0);
  tick_in_loop (session);
  lk_room_join_in_loop (session->room, &session->settings.room);
}

void
gst_livekit_session_start (GstLiveKitSession * session, const GstLiveKitSessionSettings * settings)
{
  gst_livekit_session_settings_copy (&session->settings, settings);
  session->is_closed = FALSE;
  lk_loop_start (session->loop);
  lk_loop_post (session->loop, start_in_loop, session, NULL);
}

static void
stop_in_loop (gpointer data)
{
  GstLiveKitSession *session = data;
  LkRoomState state = lk_room_get_state (session->room);

  session->is_stopping = TRUE;
  lk_loop_cancel (session->loop, &session->tick);
  lk_loop_cancel (session->loop, &session->orphan_timer);
  lk_loop_cancel (session->loop, &session->latency_timer);
  if (state == LK_ROOM_CLOSED)
    return;
  lk_room_leave_in_loop (session->room);
}

gboolean
gst_livekit_session_stop (GstLiveKitSession * session)
{
  gint64 deadline = g_get_monotonic_time () + STOP_LIMIT;
  gboolean is_down = TRUE;
  GHashTableIter iter;
  gpointer track;

  lk_loop_post (session->loop, stop_in_loop, session, NULL);
  g_mutex_lock (&session->stop_lock);
  while (is_down && (!session->is_closed || session->n_peers_closing > 0))
    is_down = g_cond_wait_until (&session->stop_changed, &session->stop_lock, deadline);
  g_mutex_unlock (&session->stop_lock);
  lk_loop_stop (session->loop);

  g_hash_table_iter_init (&iter, session->remote_tracks);
  while (g_hash_table_iter_next (&iter, NULL, &track))
    gst_livekit_remote_track_dispose (track);
  for (guint i = 0; i < session->orphans->len; i++)
    gst_livekit_remote_track_dispose (g_ptr_array_index (session->orphans, i));
  return is_down;
}

LkLoop *
gst_livekit_session_get_loop (GstLiveKitSession * session)
{
  return session->loop;
}

/* --- calls from any thread --- */

typedef struct
{
  GstLiveKitSession *session;
  LkLoopFunc done;
  gpointer data;
  GDestroyNotify destroy;
  gint64 until_us;
} Finish;

static void
finish_free (gpointer data)
{
  Finish *finish = data;

  if (finish->destroy)
    finish->destroy (finish->data);
  g_free (finish);
}

static void
finished_in_loop (gpointer data)
{
  Finish *finish = data;

  finish->done (finish->data);
}

/* What @finish has goes on to @func. */
static void
go_on_in_loop (Finish * finish, guint ms, LkLoopFunc func)
{
  Finish *next = g_new (Finish, 1);

  *next = *finish;
  finish->destroy = NULL;
  lk_loop_post_after (finish->session->loop, ms, func, next, finish_free);
}

static void
unpublish_drained_in_loop (gpointer data)
{
  Finish *finish = data;
  GstLiveKitSession *session = finish->session;

  if (gst_livekit_session_get_user (session, GST_LIVEKIT_ROLE_PUBLISHER) == NULL)
    return;
  gst_livekit_session_unpublish_all_in_loop (session);
  if (session->publisher)
    gst_livekit_peer_negotiate_in_loop (session->publisher);
  go_on_in_loop (finish, 0, finished_in_loop);
}

/* Where the link is full, the last frames wait their turn. */
static void
wait_until_sent_in_loop (gpointer data)
{
  Finish *finish = data;
  GstLiveKitSession *session = finish->session;

  if (session->publisher && gst_livekit_peer_is_sending_in_loop (session->publisher)
      && g_get_monotonic_time () < finish->until_us)
    go_on_in_loop (finish, GST_LIVEKIT_DRAIN_STEP_MS, wait_until_sent_in_loop);
  else
    go_on_in_loop (finish, DRAIN_MS, unpublish_drained_in_loop);
}

void
gst_livekit_session_finish (GstLiveKitSession * session, LkLoopFunc done, gpointer data, GDestroyNotify destroy)
{
  Finish *finish = g_new (Finish, 1);

  *finish = (Finish) {
  session, done, data, destroy, g_get_monotonic_time () + SENT_LIMIT};
  lk_loop_post (session->loop, wait_until_sent_in_loop, finish, finish_free);
}

static void
latency_in_loop (gpointer data)
{
  GstLiveKitSession *session = data;

  session->latency_timer = 0;
  /* Not an element's: its state lock is held by whoever waits for this loop to stop. */
  if (session->publisher)
    gst_livekit_peer_recalculate_latency_in_loop (session->publisher);
  if (session->subscriber && session->subscriber != session->publisher)
    gst_livekit_peer_recalculate_latency_in_loop (session->subscriber);
}

static void
latency_later_in_loop (gpointer data)
{
  GstLiveKitSession *session = data;

  if (session->latency_timer == 0 && !session->is_stopping)
    session->latency_timer = lk_loop_post_after (session->loop, LATENCY_MS, latency_in_loop, session, NULL);
}

void
gst_livekit_session_recalculate_latency (GstLiveKitSession * session)
{
  lk_loop_post (session->loop, latency_later_in_loop, session, NULL);
}

typedef struct
{
  GstLiveKitSession *session;
  gchar *text, *metadata;
  GHashTable *attributes;
  guint number;
} Call;

static void
call_free (gpointer data)
{
  Call *call = data;

  g_free (call->text);
  g_free (call->metadata);
  g_clear_pointer (&call->attributes, g_hash_table_unref);
  g_free (call);
}

static void
child_failed_in_loop (gpointer data)
{
  Call *call = data;

  if (call->session->room && !call->session->is_stopping)
    lk_room_transport_failed_in_loop (call->session->room, call->text);
}

void
gst_livekit_session_child_failed (GstLiveKitSession * session, const gchar * why)
{
  Call *call = g_new0 (Call, 1);

  call->session = session;
  call->text = g_strdup (why);
  lk_loop_post (session->loop, child_failed_in_loop, call, call_free);
}

static void
reconnect_timeout_in_loop (gpointer data)
{
  Call *call = data;

  lk_room_set_reconnect_timeout_in_loop (call->session->room, call->number);
}

void
gst_livekit_session_set_reconnect_timeout (GstLiveKitSession * session, guint timeout_ms)
{
  Call *call = g_new0 (Call, 1);

  call->session = session;
  call->number = timeout_ms;
  lk_loop_post (session->loop, reconnect_timeout_in_loop, call, call_free);
}

static void
update_participant_in_loop (gpointer data)
{
  Call *call = data;

  lk_room_update_participant_in_loop (call->session->room, call->text, call->metadata, call->attributes);
}

void
gst_livekit_session_update_participant (GstLiveKitSession * session, const gchar * name, const gchar * metadata,
    GHashTable * attributes)
{
  Call *call = g_new0 (Call, 1);

  call->session = session;
  call->text = g_strdup (name);
  call->metadata = g_strdup (metadata);
  call->attributes = attributes ? g_hash_table_ref (attributes) : NULL;
  lk_loop_post (session->loop, update_participant_in_loop, call, call_free);
}
