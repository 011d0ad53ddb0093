/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* roomworld: the clock, the signal client, what the room tells, and ways into each state. */

#include "roomworld.h"

#include <gst/check/gstcheck.h>
#include <string.h>

#include "lkmessage.h"

/* ------------------------------------------------------------------------------------------------------------------ */
/* The world */

typedef struct
{
  guint64 id;
  gint64 due_ms;
  LkLoopFunc func;
  gpointer data;
} Timer;

static RoomWorld *world;

static void
free_sent (gpointer request)
{
  livekit__signal_request__free_unpacked (request, NULL);
}

static LkSignalClient *
fake_client_new (LkLoop * loop, const LkSignalClientDelegate * delegate, gpointer data)
{
  RoomClient *client = g_new0 (RoomClient, 1);

  client->delegate = *delegate;
  client->data = data;
  client->sent = g_ptr_array_new_with_free_func (free_sent);
  fail_unless (world->client == NULL, "two clients at once");
  world->client = client;
  world->n_clients++;
  return (LkSignalClient *) client;
}

static void
fake_client_free (LkSignalClient * handle)
{
  RoomClient *client = (RoomClient *) handle;

  fail_unless (world->client == client);
  world->client = NULL;
  g_ptr_array_unref (client->sent);
  g_free (client->server_url);
  g_free (client->token);
  g_free (client->participant_sid);
  g_free (client->metadata);
  g_free (client);
}

static void
fake_client_connect (LkSignalClient * handle, const LkSignalSettings * settings)
{
  RoomClient *client = (RoomClient *) handle;

  client->server_url = g_strdup (settings->server_url);
  client->token = g_strdup (settings->token);
  client->participant_sid = g_strdup (settings->participant_sid);
  client->metadata = g_strdup (settings->metadata);
  client->use_v0 = settings->use_v0;
  client->reconnect = settings->reconnect;
  client->reason = settings->reconnect_reason;
  client->ping_interval_s = settings->ping_interval_s;
  client->ping_timeout_s = settings->ping_timeout_s;
}

static void
fake_client_send (LkSignalClient * handle, const Livekit__SignalRequest * request)
{
  g_autoptr (GBytes) bytes = lk_message_pack (request);

  g_ptr_array_add (((RoomClient *) handle)->sent,
      livekit__signal_request__unpack (NULL, g_bytes_get_size (bytes), g_bytes_get_data (bytes, NULL)));
}

static void
fake_client_close (LkSignalClient * handle)
{
  ((RoomClient *) handle)->is_closing = TRUE;
}

static guint
fake_client_rtt (LkSignalClient * handle)
{
  return 42;
}

static guint64
fake_post_after (LkLoop * loop, guint delay_ms, LkLoopFunc func, gpointer data, GDestroyNotify destroy)
{
  Timer *timer = g_new0 (Timer, 1);

  timer->id = ++world->last_timer;
  timer->due_ms = world->now_ms + delay_ms;
  timer->func = func;
  timer->data = data;
  g_queue_push_tail (&world->timers, timer);
  return timer->id;
}

static Timer *
find_timer (guint64 id)
{
  for (GList * l = world->timers.head; l != NULL; l = l->next) {
    if (((Timer *) l->data)->id == id)
      return l->data;
  }
  return NULL;
}

static void
fake_cancel (LkLoop * loop, guint64 * id)
{
  Timer *timer = *id != 0 ? find_timer (*id) : NULL;

  *id = 0;
  if (timer != NULL) {
    g_queue_remove (&world->timers, timer);
    g_free (timer);
  }
}

static gint64
fake_now_ms (void)
{
  return world->now_ms;
}

static gint64
fake_unix_s (void)
{
  return world->now_s;
}

/* The middle: delays are what the policy says, without jitter. */
static gdouble
fake_random (void)
{
  return 0.5;
}

static const LkRoomHooks fake_hooks = {
  fake_client_new, fake_client_free, fake_client_connect, fake_client_send, fake_client_close, fake_client_rtt,
  fake_post_after, fake_cancel, fake_now_ms, fake_unix_s, fake_random
};

static Timer *
next_timer (gint64 until_ms)
{
  Timer *next = NULL;

  for (GList * l = world->timers.head; l != NULL; l = l->next) {
    Timer *timer = l->data;

    if (timer->due_ms <= until_ms && (next == NULL || timer->due_ms < next->due_ms))
      next = timer;
  }
  return next;
}

void
advance (RoomWorld * f, gint64 ms)
{
  gint64 end_ms = f->now_ms + ms;
  Timer *timer;

  while ((timer = next_timer (end_ms)) != NULL) {
    LkLoopFunc func = timer->func;
    gpointer data = timer->data;

    f->now_ms = MAX (f->now_ms, timer->due_ms);
    g_queue_remove (&f->timers, timer);
    g_free (timer);
    func (data);
  }
  f->now_ms = end_ms;
}

/* Lets a fetch of a token come to its end. */
void
settle (RoomWorld * f)
{
  gint64 deadline = g_get_monotonic_time () + WAIT_MS * 1000;

  while (f->room->fetch != NULL && g_get_monotonic_time () < deadline)
    g_main_context_iteration (lk_loop_get_context (f->loop), TRUE);
  fail_unless (f->room->fetch == NULL);
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* What the room tells */

static void note (RoomWorld * f, const gchar * format, ...) G_GNUC_PRINTF (2, 3);

static void
note (RoomWorld * f, const gchar * format, ...)
{
  va_list args;

  f->n_callbacks++;
  fail_if (f->was_closed, "a callback after CLOSED");
  if (!f->keeps_quiet) {
    va_start (args, format);
    g_queue_push_tail (&f->lines, g_strdup_vprintf (format, args));
    va_end (args);
  }
  if (f->leave_at == f->n_callbacks)
    lk_room_leave_in_loop (f->room);
}

static void
on_state_changed (LkRoom * room, LkRoomState state, const GError * error, guint attempt, guint next_try_ms,
    gpointer data)
{
  RoomWorld *f = data;
  g_autofree gchar *try_text = attempt > 0 ? g_strdup_printf (" #%u in %u", attempt, next_try_ms) : g_strdup ("");

  fail_unless (error == NULL || error->domain == LK_ERROR);
  fail_unless_equals_int (lk_room_get_state (room), state);
  if (error != NULL) {
    g_free (f->message);
    f->message = g_strdup (error->message);
  }
  note (f, "%s%s%s%s", lk_room_state_name (state), try_text, error != NULL ? ": " : "",
      error != NULL ? lk_error_reason ((LkError) error->code) : "");
  f->was_closed = state == LK_ROOM_CLOSED;
}

static void
on_joined (LkRoom * room, const LkJoinInfo * info, gpointer data)
{
  RoomWorld *f = data;

  f->is_single_peer = info->is_single_peer;
  f->is_loopback = info->server_is_loopback;
  g_free (f->detail);
  f->detail = g_strdup_printf ("%s %s %s %u %s", info->server_url, info->room_sid, info->local->identity,
      info->n_ice_servers, info->enabled_codecs[0] != NULL ? info->enabled_codecs[0] : "-");
  note (f, info->is_rejoin ? "rejoin" : "join");
}

static void
on_roster_complete (LkRoom * room, gpointer data)
{
  note (data, "roster n=%u", lk_roster_n_participants (lk_room_get_roster (room)));
}

static void
on_resumed (LkRoom * room, const LkIceServer * ice_servers, guint n_ice_servers, gpointer data)
{
  note (data, "resumed ice=%u", n_ice_servers);
}

static void
on_token_refreshed (LkRoom * room, gpointer data)
{
  note (data, "token");
}

static void
on_remote_answer (LkRoom * room, const gchar * sdp, guint id, GHashTable * mids, gpointer data)
{
  note (data, "answer %s %u mids=%u", sdp, id, g_hash_table_size (mids));
}

static void
on_remote_offer (LkRoom * room, const gchar * sdp, guint id, GHashTable * mids, gpointer data)
{
  note (data, "offer %s %u mids=%u", sdp, id, g_hash_table_size (mids));
}

static void
on_remote_candidate (LkRoom * room, LkSignalTarget target, const gchar * candidate, const gchar * mid, guint index,
    gpointer data)
{
  note (data, "candidate %d %s", target, candidate);
}

static void
on_media_sections_required (LkRoom * room, guint n_audio, guint n_video, gpointer data)
{
  note (data, "sections %u %u", n_audio, n_video);
}

static void
on_track_published (LkRoom * room, const gchar * cid, const LkPublication * publication, gpointer data)
{
  note (data, "published %s %s %s", cid, publication->sid, publication->participant_identity);
}

static void
on_publish_failed (LkRoom * room, const gchar * cid, const GError * error, gpointer data)
{
  note (data, "publish-failed %s: %s", cid, lk_error_reason ((LkError) error->code));
}

static void
on_track_unpublished (LkRoom * room, const gchar * sid, gpointer data)
{
  note (data, "unpublished %s", sid);
}

static void
on_mute_requested (LkRoom * room, const gchar * sid, gboolean muted, gpointer data)
{
  note (data, "mute %s %d", sid, muted);
}

static void
on_quality_requested (LkRoom * room, const gchar * sid, const LkCodecQuality * codecs, guint n_codecs, gpointer data)
{
  note (data, "quality %s n=%u %s %d%d%d", sid, n_codecs, codecs[0].codec, codecs[0].enabled[0], codecs[0].enabled[1],
      codecs[0].enabled[2]);
}

static void
on_track_subscribed (LkRoom * room, const gchar * sid, gpointer data)
{
  note (data, "subscribed %s", sid);
}

static void
on_subscription_failed (LkRoom * room, const gchar * sid, const gchar * why, gpointer data)
{
  note (data, "subscription-failed %s: %s", sid, why);
}

static void
on_subscription_allowed (LkRoom * room, const gchar * sid, gboolean allowed, gpointer data)
{
  note (data, "allowed %s %d", sid, allowed);
}

static void
on_stream_paused (LkRoom * room, const gchar * sid, gboolean paused, gpointer data)
{
  note (data, "paused %s %d", sid, paused);
}

static void
on_speakers_changed (LkRoom * room, const LkSpeaker * speakers, guint n_speakers, gpointer data)
{
  note (data, "speakers n=%u %s", n_speakers, n_speakers > 0 ? speakers[0].sid : "-");
}

static void
on_connection_quality (LkRoom * room, const gchar * sid, const gchar * quality, gfloat score, gpointer data)
{
  note (data, "connection %s %s", sid, quality);
}

static void
on_room_updated (LkRoom * room, const LkRoomInfo * info, gpointer data)
{
  note (data, "room %s %s n=%u", info->sid, info->metadata, info->n_participants);
}

static void
on_participant_joined (const LkParticipant * participant, gpointer data)
{
  note (data, "+%s", participant->identity);
}

static void
on_participant_left (const LkParticipant * participant, gpointer data)
{
  note (data, "-%s", participant->identity);
}

static void
on_track_added (const LkPublication * publication, gpointer data)
{
  note (data, "+%s", publication->sid);
}

static void
on_track_removed (const LkPublication * publication, gpointer data)
{
  note (data, "-%s", publication->sid);
}

static void
on_local_changed (const LkParticipant * participant, gpointer data)
{
  note (data, "local %s", participant->name);
}

/* participant_updated and track_changed are left out on purpose: callbacks may be missing. */
static const LkRoomDelegate delegate = {
  .state_changed = on_state_changed,
  .joined = on_joined,
  .roster_complete = on_roster_complete,
  .resumed = on_resumed,
  .token_refreshed = on_token_refreshed,
  .remote_answer = on_remote_answer,
  .remote_offer = on_remote_offer,
  .remote_candidate = on_remote_candidate,
  .media_sections_required = on_media_sections_required,
  .track_published = on_track_published,
  .publish_failed = on_publish_failed,
  .track_unpublished = on_track_unpublished,
  .mute_requested = on_mute_requested,
  .quality_requested = on_quality_requested,
  .track_subscribed = on_track_subscribed,
  .subscription_failed = on_subscription_failed,
  .subscription_allowed = on_subscription_allowed,
  .stream_paused = on_stream_paused,
  .speakers_changed = on_speakers_changed,
  .connection_quality = on_connection_quality,
  .room_updated = on_room_updated,
  .roster = {
        .participant_joined = on_participant_joined,
        .participant_left = on_participant_left,
        .track_added = on_track_added,
        .track_removed = on_track_removed,
        .local_changed = on_local_changed,
      },
};

void
expect (RoomWorld * f, const gchar * line)
{
  g_autofree gchar *told = g_queue_pop_head (&f->lines);

  fail_unless (told != NULL, "not told: %s", line);
  fail_unless (g_str_equal (told, line), "'%s' instead of '%s'", told, line);
}

void
expect_nothing (RoomWorld * f)
{
  fail_unless (g_queue_is_empty (&f->lines), "unexpected: %s", (gchar *) g_queue_peek_head (&f->lines));
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* RoomWorld */

gchar *
mint_token (const gchar * room, gint64 now_s, guint valid_s)
{
  LkTokenRequest request = { NULL, };

  request.api_key = "devkey";
  request.api_secret = "secret";
  request.room = room;
  request.identity = "me";
  request.now_s = now_s;
  request.valid_s = valid_s;
  return lk_token_mint (&request, NULL);
}

/* A token with just this video grant, for claims that the minting side never makes. The signature is not looked at. */
gchar *
forge_token (const gchar * video)
{
  g_autofree gchar *claims = g_strdup_printf ("{\"iss\":\"devkey\",\"sub\":\"me\",\"exp\":%" G_GINT64_FORMAT
      ",\"video\":%s}", NOW_S + 600, video);
  const gchar *parts[] = { "{\"alg\":\"HS256\",\"typ\":\"JWT\"}", claims, "signature" };
  GString *token = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (parts); i++) {
    g_autofree gchar *base64 = g_base64_encode ((const guchar *) parts[i], strlen (parts[i]));

    g_strdelimit (base64, "+", '-');
    g_strdelimit (base64, "/", '_');
    base64[strcspn (base64, "=")] = '\0';
    g_string_append_printf (token, "%s%s", i > 0 ? "." : "", base64);
  }
  return g_string_free (token, FALSE);
}

void
use_token (RoomWorld * f, gchar * token)
{
  g_clear_pointer (&f->settings.token_source, lk_token_source_unref);
  g_free (f->token);
  f->token = token;
  f->settings.token_source = lk_token_source_new_literal (token);
}

void
use_key (RoomWorld * f)
{
  g_clear_pointer (&f->settings.token_source, lk_token_source_unref);
  f->settings.token_source = lk_token_source_new_key ("devkey", "secret");
}

void
new_room (RoomWorld * f)
{
  f->room = lk_room_new (f->loop, &delegate, f);
  lk_room_set_hooks (f->room, &fake_hooks);
  f->was_closed = FALSE;
  f->n_callbacks = 0;
}

void
free_room (RoomWorld * f)
{
  fail_unless (g_queue_is_empty (&f->timers), "a timer is left");
  fail_unless (f->client == NULL, "a client is left");
  g_clear_pointer (&f->room, lk_room_free);
}

typedef struct
{
  RoomWorld *f;
  Body body;
  GMutex lock;
  GCond cond;
  gboolean is_done;
} Call;

static void
run_body (gpointer data)
{
  Call *call = data;

  new_room (call->f);
  call->body (call->f);
  free_room (call->f);
  g_mutex_lock (&call->lock);
  call->is_done = TRUE;
  g_cond_signal (&call->cond);
  g_mutex_unlock (&call->lock);
}

static void
set_up (RoomWorld * f)
{
  world = f;
  f->now_ms = 1000;
  f->now_s = NOW_S;
  f->settings.server_url = "wss://example.com/lk";
  f->settings.room = "lab";
  f->settings.client_version = "1.2.3";
  f->settings.join_timeout_ms = 10000;
  use_token (f, mint_token ("lab", NOW_S, 600));
}

/* The test as a whole, on the loop. Nothing may be told that was not expected. */
void
run (Body body)
{
  RoomWorld fixture = { NULL, }, *f = &fixture;
  Call call = { f, body, };

  f->loop = lk_loop_new ("test-room");
  g_queue_init (&f->lines);
  g_queue_init (&f->timers);
  set_up (f);
  lk_loop_start (f->loop);
  g_mutex_init (&call.lock);
  g_cond_init (&call.cond);
  fail_unless (lk_loop_post (f->loop, run_body, &call, NULL));
  g_mutex_lock (&call.lock);
  while (!call.is_done)
    g_cond_wait (&call.cond, &call.lock);
  g_mutex_unlock (&call.lock);
  lk_loop_stop (f->loop);
  lk_loop_unref (f->loop);
  expect_nothing (f);
  lk_token_source_unref (f->settings.token_source);
  g_free (f->token);
  g_free (f->message);
  g_free (f->detail);
  g_mutex_clear (&call.lock);
  g_cond_clear (&call.cond);
  world = NULL;
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* Ways into each state */

void
start_join (RoomWorld * f)
{
  lk_room_join_in_loop (f->room, &f->settings);
  expect (f, "fetching-token #1 in 0");
}

void
reach_connecting (RoomWorld * f)
{
  start_join (f);
  advance (f, 0);
  settle (f);
  expect (f, "connecting #1 in 0");
  advance (f, 0);
  fail_unless (f->client != NULL && !f->client->reconnect);
}

void
join_on (RoomWorld * f, gboolean is_v1, gboolean is_rejoin)
{
  say_open (f, is_v1);
  say_join (f);
  expect (f, "joined");
  expect (f, is_rejoin ? "rejoin" : "join");
  if (!is_rejoin) {
    expect (f, "+bob");
    expect (f, "+TR_bob");
  }
  expect (f, "roster n=1");
}

void
reach_joined (RoomWorld * f)
{
  reach_connecting (f);
  join_on (f, TRUE, FALSE);
}

/* In the room with media for some time. */
void
reach_steady (RoomWorld * f)
{
  reach_joined (f);
  lk_room_transport_up_in_loop (f->room);
  advance (f, 60000);
  expect_nothing (f);
}

void
reach_resuming (RoomWorld * f)
{
  reach_steady (f);
  say_closed (f, LK_ERROR_CONNECT, 0);
  expect (f, "resuming #1 in 0: connect");
  advance (f, 0);
  fail_unless (f->client != NULL && f->client->reconnect);
}

void
reach_rejoining (RoomWorld * f)
{
  reach_resuming (f);
  say_open (f, TRUE);
  say_leave (f, LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT, LIVEKIT__DISCONNECT_REASON__STATE_MISMATCH);
  expect (f, "rejoining #1 in 0: disconnected");
  advance (f, 0);
  fail_unless (f->client != NULL && !f->client->reconnect);
}

void
resume_on (RoomWorld * f)
{
  say_open (f, TRUE);
  say_reconnect (f);
  expect (f, "joined");
  expect (f, "resumed ice=0");
}

/* From JOINED, with its goodbye. */
void
leave_politely (RoomWorld * f)
{
  guint before;

  expect_nothing (f);
  before = n_sent (f);
  lk_room_leave_in_loop (f->room);
  fail_unless_equals_int (SENT (before, LEAVE)->leave->reason, LIVEKIT__DISCONNECT_REASON__CLIENT_INITIATED);
  fail_unless_equals_int (SENT (before, LEAVE)->leave->action, LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT);
  expect (f, "leaving");
  say_closed_quietly (f);
  expect (f, "closed");
}

/* From a state without a session. */
void
leave_at_once (RoomWorld * f)
{
  lk_room_leave_in_loop (f->room);
  expect (f, "leaving");
  fail_unless (f->client == NULL);
  advance (f, 0);
  expect (f, "closed: cancelled");
}

void
expect_end (RoomWorld * f, const gchar * closed)
{
  expect (f, "leaving");
  advance (f, 0);
  expect (f, closed);
}

void
publish (RoomWorld * f, const gchar * cid)
{
  LkPublishRequest request = { NULL, };

  request.cid = cid;
  request.name = "name";
  request.mime_type = "video/H264";
  request.kind = LK_TRACK_VIDEO;
  lk_room_publish_in_loop (f->room, &request);
}

void
subscribe (RoomWorld * f, const gchar * sid, gboolean is_wanted)
{
  const gchar *sids[] = { sid };

  lk_room_subscribe_in_loop (f->room, sids, 1, is_wanted);
}

