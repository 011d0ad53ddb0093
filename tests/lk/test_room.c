/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkroom: the state machine, with a signal client and a clock of the test's own, so that back-off takes no time; and at the
 * end some rounds with the real client against the fake server.
 *
 * What the room tells becomes lines ("resuming #1 in 0: connect"), and each line has to be expected. A test with the fake
 * client runs as a whole on the loop. */
#include <gst/check/gstcheck.h>
#include <string.h>

#include "fakeserver.h"
#include "lkerror.h"
#include "lklog.h"
#include "lkmessage.h"
#include "lkroom-private.h"

/* Only reached by a test that fails. */
#define WAIT_MS 20000
#define NOW_S G_GINT64_CONSTANT (1800000000)

/* ------------------------------------------------------------------------------------------------------------------ */
/* The world */

typedef struct
{
  LkSignalClientDelegate delegate;
  gpointer data;
  /* as connect was called */
  gchar *server_url, *token, *participant_sid, *metadata;
  gboolean use_v0, reconnect;
  Livekit__ReconnectReason reason;
  guint ping_interval_s, ping_timeout_s;
  GPtrArray *sent;              /* Livekit__SignalRequest */
  gboolean is_closing;
} FakeClient;

typedef struct
{
  guint64 id;
  gint64 due_ms;
  LkLoopFunc func;
  gpointer data;
} Timer;

typedef struct _Fixture Fixture;
typedef void (*Body) (Fixture * f);

struct _Fixture
{
  LkLoop *loop;
  LkRoom *room;
  LkRoomSettings settings;
  gchar *token;
  GQueue lines;                 /* what was told */
  gboolean keeps_quiet;         /* nothing is noted */
  guint leave_at;               /* 1, 2, …: leave inside that callback */
  guint n_callbacks;
  gboolean was_closed;
  /* the fake world */
  FakeClient *client;           /* that the room has now */
  guint n_clients;
  GQueue timers;
  guint64 last_timer;
  gint64 now_ms, now_s;
  /* what the last callbacks brought */
  gboolean is_single_peer, is_loopback;
  gchar *message;               /* of the last error */
  gchar *detail;
};

static Fixture *world;

static void
free_sent (gpointer request)
{
  livekit__signal_request__free_unpacked (request, NULL);
}

static LkSignalClient *
fake_client_new (LkLoop * loop, const LkSignalClientDelegate * delegate, gpointer data)
{
  FakeClient *client = g_new0 (FakeClient, 1);

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
  FakeClient *client = (FakeClient *) handle;

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
  FakeClient *client = (FakeClient *) handle;

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

  g_ptr_array_add (((FakeClient *) handle)->sent,
      livekit__signal_request__unpack (NULL, g_bytes_get_size (bytes), g_bytes_get_data (bytes, NULL)));
}

static void
fake_client_close (LkSignalClient * handle)
{
  ((FakeClient *) handle)->is_closing = TRUE;
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

static void
advance (Fixture * f, gint64 ms)
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
static void
settle (Fixture * f)
{
  gint64 deadline = g_get_monotonic_time () + WAIT_MS * 1000;

  while (f->room->fetch != NULL && g_get_monotonic_time () < deadline)
    g_main_context_iteration (lk_loop_get_context (f->loop), TRUE);
  fail_unless (f->room->fetch == NULL);
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* What the room tells */

static void note (Fixture * f, const gchar * format, ...) G_GNUC_PRINTF (2, 3);

static void
note (Fixture * f, const gchar * format, ...)
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
on_state_changed (LkRoom * room, LkRoomState state, const GError * error, guint attempt, guint next_try_ms, gpointer data)
{
  Fixture *f = data;
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
  Fixture *f = data;

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

static void
expect (Fixture * f, const gchar * line)
{
  g_autofree gchar *told = g_queue_pop_head (&f->lines);

  fail_unless (told != NULL, "not told: %s", line);
  fail_unless (g_str_equal (told, line), "'%s' instead of '%s'", told, line);
}

static void
expect_nothing (Fixture * f)
{
  fail_unless (g_queue_is_empty (&f->lines), "unexpected: %s", (gchar *) g_queue_peek_head (&f->lines));
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* Fixture */

static gchar *
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
static gchar *
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

static void
use_token (Fixture * f, gchar * token)
{
  g_clear_pointer (&f->settings.token_source, lk_token_source_unref);
  g_free (f->token);
  f->token = token;
  f->settings.token_source = lk_token_source_new_literal (token);
}

static void
use_key (Fixture * f)
{
  g_clear_pointer (&f->settings.token_source, lk_token_source_unref);
  f->settings.token_source = lk_token_source_new_key ("devkey", "secret");
}

static void
new_room (Fixture * f)
{
  f->room = lk_room_new (f->loop, &delegate, f);
  lk_room_set_hooks (f->room, &fake_hooks);
  f->was_closed = FALSE;
  f->n_callbacks = 0;
}

static void
free_room (Fixture * f)
{
  fail_unless (g_queue_is_empty (&f->timers), "a timer is left");
  fail_unless (f->client == NULL, "a client is left");
  g_clear_pointer (&f->room, lk_room_free);
}

typedef struct
{
  Fixture *f;
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
set_up (Fixture * f)
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
static void
run (Body body)
{
  Fixture fixture = { NULL, }, *f = &fixture;
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
/* What the server does */

#define RESPONSE(name, Case, member) \
  Livekit__SignalResponse name = LIVEKIT__SIGNAL_RESPONSE__INIT; \
  name.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_ ## Case; \
  name.member = &member

static void
say (Fixture * f, const Livekit__SignalResponse * response)
{
  fail_unless (f->client != NULL, "nobody listens");
  f->client->delegate.message ((LkSignalClient *) f->client, response, f->client->data);
}

static void
say_open (Fixture * f, gboolean is_v1)
{
  fail_unless (f->client != NULL, "nobody connects");
  f->client->delegate.opened ((LkSignalClient *) f->client, is_v1, FALSE, f->client->data);
}

static void
say_closed (Fixture * f, LkError code, guint status)
{
  g_autoptr (GError) error = lk_error_new_http (code, status, "fault %u", status);

  fail_unless (f->client != NULL, "nothing to close");
  f->client->delegate.closed ((LkSignalClient *) f->client, error, f->client->data);
}

static void
say_closed_quietly (Fixture * f)
{
  fail_unless (f->client != NULL && f->client->is_closing);
  f->client->delegate.closed ((LkSignalClient *) f->client, NULL, f->client->data);
}

static void
say_join (Fixture * f)
{
  Livekit__JoinResponse join = LIVEKIT__JOIN_RESPONSE__INIT;
  Livekit__Room room = LIVEKIT__ROOM__INIT;
  Livekit__ParticipantInfo me = LIVEKIT__PARTICIPANT_INFO__INIT, bob = LIVEKIT__PARTICIPANT_INFO__INIT;
  Livekit__ParticipantInfo *others[] = { &bob };
  Livekit__TrackInfo track = LIVEKIT__TRACK_INFO__INIT, *tracks[] = { &track };
  Livekit__ICEServer ice = LIVEKIT__ICESERVER__INIT, *ices[] = { &ice };
  Livekit__Codec codec = LIVEKIT__CODEC__INIT, *codecs[] = { &codec };
  gchar *urls[] = { (gchar *) "stun:stun.example.com" };
  RESPONSE (response, JOIN, join);

  room.sid = (gchar *) "RM_1";
  room.name = (gchar *) "lab";
  me.sid = (gchar *) "PA_me";
  me.identity = (gchar *) "me";
  bob.sid = (gchar *) "PA_bob";
  bob.identity = (gchar *) "bob";
  bob.state = LIVEKIT__PARTICIPANT_INFO__STATE__ACTIVE;
  track.sid = (gchar *) "TR_bob";
  bob.tracks = tracks;
  bob.n_tracks = 1;
  ice.urls = urls;
  ice.n_urls = 1;
  codec.mime = (gchar *) "video/VP8";
  join.room = &room;
  join.participant = &me;
  join.other_participants = others;
  join.n_other_participants = 1;
  join.ice_servers = ices;
  join.n_ice_servers = 1;
  join.enabled_publish_codecs = codecs;
  join.n_enabled_publish_codecs = 1;
  join.ping_interval = 7;
  join.ping_timeout = 21;
  say (f, &response);
}

static void
say_reconnect_with (Fixture * f, Livekit__ClientConfiguration * configuration)
{
  Livekit__ReconnectResponse reconnect = LIVEKIT__RECONNECT_RESPONSE__INIT;
  RESPONSE (response, RECONNECT, reconnect);

  reconnect.client_configuration = configuration;
  say (f, &response);
}

static void
say_reconnect (Fixture * f)
{
  say_reconnect_with (f, NULL);
}

static void
say_leave (Fixture * f, Livekit__LeaveRequest__Action action, Livekit__DisconnectReason reason)
{
  Livekit__LeaveRequest leave = LIVEKIT__LEAVE_REQUEST__INIT;
  RESPONSE (response, LEAVE, leave);

  leave.action = action;
  leave.reason = reason;
  say (f, &response);
}

static void
say_refresh_token (Fixture * f, const gchar * token)
{
  Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;

  response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_REFRESH_TOKEN;
  response.refresh_token = (gchar *) token;
  say (f, &response);
}

static void
say_published (Fixture * f, const gchar * cid, const gchar * sid)
{
  Livekit__TrackPublishedResponse track_published = LIVEKIT__TRACK_PUBLISHED_RESPONSE__INIT;
  Livekit__TrackInfo track = LIVEKIT__TRACK_INFO__INIT;
  RESPONSE (response, TRACK_PUBLISHED, track_published);

  track.sid = (gchar *) sid;
  track.name = (gchar *) "name";
  track.mime_type = (gchar *) "video/H264";
  track.type = LIVEKIT__TRACK_TYPE__VIDEO;
  track.width = 640;
  track_published.cid = (gchar *) cid;
  track_published.track = &track;
  say (f, &response);
}

static void
say_refused_track (Fixture * f, const gchar * cid, Livekit__RequestResponse__Reason reason)
{
  Livekit__RequestResponse request_response = LIVEKIT__REQUEST_RESPONSE__INIT;
  Livekit__AddTrackRequest add = LIVEKIT__ADD_TRACK_REQUEST__INIT;
  RESPONSE (response, REQUEST_RESPONSE, request_response);

  add.cid = (gchar *) cid;
  request_response.reason = reason;
  request_response.request_case = LIVEKIT__REQUEST_RESPONSE__REQUEST_ADD_TRACK;
  request_response.add_track = &add;
  say (f, &response);
}

static void
say_answer (Fixture * f, const gchar * sdp, guint id)
{
  Livekit__SessionDescription answer = LIVEKIT__SESSION_DESCRIPTION__INIT;
  RESPONSE (response, ANSWER, answer);

  answer.type = (gchar *) "answer";
  answer.sdp = (gchar *) sdp;
  answer.id = id;
  say (f, &response);
}

static void
say_offer (Fixture * f, const gchar * sdp, guint id)
{
  Livekit__SessionDescription offer = LIVEKIT__SESSION_DESCRIPTION__INIT;
  Livekit__StringEntry mid = LIVEKIT__STRING_ENTRY__INIT, *mids[] = { &mid };
  RESPONSE (response, OFFER, offer);

  mid.key = (gchar *) "0";
  mid.value = (gchar *) "TR_bob";
  offer.type = (gchar *) "offer";
  offer.sdp = (gchar *) sdp;
  offer.id = id;
  offer.mid_to_track_id = mids;
  offer.n_mid_to_track_id = 1;
  say (f, &response);
}

/* The @index-th request that the room sent to the client of now. */
static const Livekit__SignalRequest *
sent (Fixture * f, guint index, Livekit__SignalRequest__MessageCase kind)
{
  const Livekit__SignalRequest *request;

  fail_unless (f->client != NULL && index < f->client->sent->len, "request %u was not sent", index);
  request = g_ptr_array_index (f->client->sent, index);
  fail_unless_equals_int (request->message_case, kind);
  return request;
}

#define SENT(index, KIND) sent (f, (index), LIVEKIT__SIGNAL_REQUEST__MESSAGE_ ## KIND)

static guint
n_sent (Fixture * f)
{
  return f->client != NULL ? f->client->sent->len : 0;
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* Ways into each state */

static void
start_join (Fixture * f)
{
  lk_room_join_in_loop (f->room, &f->settings);
  expect (f, "fetching-token #1 in 0");
}

static void
reach_connecting (Fixture * f)
{
  start_join (f);
  advance (f, 0);
  settle (f);
  expect (f, "connecting #1 in 0");
  advance (f, 0);
  fail_unless (f->client != NULL && !f->client->reconnect);
}

static void
join_on (Fixture * f, gboolean is_v1, gboolean is_rejoin)
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

static void
reach_joined (Fixture * f)
{
  reach_connecting (f);
  join_on (f, TRUE, FALSE);
}

/* In the room with media for some time. */
static void
reach_steady (Fixture * f)
{
  reach_joined (f);
  lk_room_transport_up_in_loop (f->room);
  advance (f, 60000);
  expect_nothing (f);
}

static void
reach_resuming (Fixture * f)
{
  reach_steady (f);
  say_closed (f, LK_ERROR_CONNECT, 0);
  expect (f, "resuming #1 in 0: connect");
  advance (f, 0);
  fail_unless (f->client != NULL && f->client->reconnect);
}

static void
reach_rejoining (Fixture * f)
{
  reach_resuming (f);
  say_open (f, TRUE);
  say_leave (f, LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT, LIVEKIT__DISCONNECT_REASON__STATE_MISMATCH);
  expect (f, "rejoining #1 in 0: disconnected");
  advance (f, 0);
  fail_unless (f->client != NULL && !f->client->reconnect);
}

static void
resume_on (Fixture * f)
{
  say_open (f, TRUE);
  say_reconnect (f);
  expect (f, "joined");
  expect (f, "resumed ice=0");
}

/* From JOINED, with its goodbye. */
static void
leave_politely (Fixture * f)
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
static void
leave_at_once (Fixture * f)
{
  lk_room_leave_in_loop (f->room);
  expect (f, "leaving");
  fail_unless (f->client == NULL);
  advance (f, 0);
  expect (f, "closed: cancelled");
}

static void
expect_end (Fixture * f, const gchar * closed)
{
  expect (f, "leaving");
  advance (f, 0);
  expect (f, closed);
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* Joining */

static void
joins_and_leaves (Fixture * f)
{
  reach_connecting (f);
  fail_unless_equals_string (f->client->server_url, "wss://example.com/lk");
  fail_unless_equals_string (f->client->token, f->token);
  fail_unless_equals_int (lk_room_get_rtt_ms (f->room), 42);
  join_on (f, TRUE, FALSE);
  fail_unless (f->is_single_peer);
  fail_unless_equals_string (f->detail, "wss://example.com/lk RM_1 me 1 video/VP8");
  lk_room_transport_up_in_loop (f->room);
  advance (f, 3600 * 1000);
  fail_unless_equals_int (n_sent (f), 0);
  leave_politely (f);
}

GST_START_TEST (test_joins_and_leaves)
{
  run (joins_and_leaves);
}

GST_END_TEST;

static void
tries_the_first_join_again (Fixture * f)
{
  static const gchar *const lines[] = { "connecting #2 in 300: connect", "connecting #3 in 600: resolve",
    "connecting #4 in 1000: connect", "connecting #5 in 1000: resolve"
  };
  static const gint delays[] = { 300, 600, 1000, 1000 };

  reach_connecting (f);
  for (guint i = 0; i < G_N_ELEMENTS (lines); i++) {
    say_closed (f, i % 2 == 0 ? LK_ERROR_CONNECT : LK_ERROR_RESOLVE, 0);
    expect (f, lines[i]);
    advance (f, delays[i] - 1);
    fail_unless (f->client == NULL);
    advance (f, 1);
    fail_unless (f->client != NULL);
  }
  say_closed (f, LK_ERROR_SERVER, 503);
  expect (f, "connecting #6 in 1000: server");
  advance (f, 1000);
  /* 10 s after the join; what was last is what the user wants to know */
  advance (f, 10000 - 3900 - 1);
  expect_nothing (f);
  advance (f, 1);
  expect (f, "leaving");
  expect (f, "closed: server");
}

GST_START_TEST (test_tries_the_first_join_again)
{
  run (tries_the_first_join_again);
}

GST_END_TEST;

static void
join_times_out (Fixture * f)
{
  reach_connecting (f);
  advance (f, 10000);
  expect_end (f, "closed: timeout");
}

static void
join_never_times_out (Fixture * f)
{
  f->settings.join_timeout_ms = 0;
  f->keeps_quiet = TRUE;
  lk_room_join_in_loop (f->room, &f->settings);
  advance (f, 0);
  settle (f);
  for (guint i = 0; i < 40; i++) {
    advance (f, 7000);
    fail_unless (f->client != NULL);
    say_closed (f, LK_ERROR_CONNECT, 0);
  }
  fail_unless (f->n_clients == 41 || f->n_clients == 40);
  f->keeps_quiet = FALSE;
  leave_at_once (f);
}

static void
media_of_first_join_times_out (Fixture * f)
{
  reach_joined (f);
  advance (f, 9999);
  expect_nothing (f);
  advance (f, 1);
  expect (f, "leaving");
  SENT (0, LEAVE);
  /* the server does not answer */
  advance (f, 499);
  expect_nothing (f);
  advance (f, 1);
  expect (f, "closed: media");
}

static void
lost_before_media_is_joined_again (Fixture * f)
{
  reach_joined (f);
  say_closed (f, LK_ERROR_CONNECT, 0);
  expect (f, "connecting #2 in 300: connect");
  advance (f, 300);
  join_on (f, TRUE, TRUE);
  lk_room_transport_failed_in_loop (f->room, "no route");
  expect (f, "connecting #3 in 600: media");
  advance (f, 600);
  join_on (f, TRUE, TRUE);
  say_leave (f, LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT, LIVEKIT__DISCONNECT_REASON__STATE_MISMATCH);
  expect (f, "connecting #4 in 1000: disconnected");
  advance (f, 1000);
  join_on (f, TRUE, TRUE);
  lk_room_transport_up_in_loop (f->room);
  advance (f, 100000);
  fail_unless_equals_int (lk_room_get_n_reconnects (f->room, TRUE), 3);
  leave_politely (f);
}

static void
leave_as_first_message (Fixture * f)
{
  reach_connecting (f);
  say_leave (f, LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT, LIVEKIT__DISCONNECT_REASON__JOIN_FAILURE);
  expect (f, "connecting #2 in 300: disconnected");
  advance (f, 300);
  say_leave (f, LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT, LIVEKIT__DISCONNECT_REASON__ROOM_DELETED);
  expect_end (f, "closed: room-deleted");
}

static void
reconnect_as_first_message_of_a_join (Fixture * f)
{
  reach_connecting (f);
  say_reconnect (f);
  expect (f, "connecting #2 in 300: protocol");
  leave_at_once (f);
}

static void
join_without_participant (Fixture * f)
{
  Livekit__JoinResponse join = LIVEKIT__JOIN_RESPONSE__INIT;
  RESPONSE (response, JOIN, join);

  reach_connecting (f);
  say (f, &response);
  expect (f, "connecting #2 in 300: protocol");
  leave_at_once (f);
}

static void
server_url_is_chosen (Fixture * f)
{
  f->settings.server_url = NULL;
  reach_connecting (f);
  fail_unless_equals_string (f->client->server_url, "ws://127.0.0.1:7880");
  leave_at_once (f);
}

static const Body join_bodies[] = { join_times_out, join_never_times_out, media_of_first_join_times_out,
  lost_before_media_is_joined_again, leave_as_first_message, reconnect_as_first_message_of_a_join,
  join_without_participant, server_url_is_chosen
};

GST_START_TEST (test_joining)
{
  run (join_bodies[__i__]);
}

GST_END_TEST;

static const struct
{
  LkError code;
  guint status;
  const gchar *closed;
} final_errors[] = {
  {LK_ERROR_UNAUTHORIZED, 401, "closed: unauthorized"},
  {LK_ERROR_UNAUTHORIZED, 403, "closed: unauthorized"},
  {LK_ERROR_TOKEN, 400, "closed: token"},
  {LK_ERROR_NO_ROOM, 404, "closed: no-room"},
  {LK_ERROR_NOT_LIVEKIT, 200, "closed: not-livekit"},
  {LK_ERROR_TLS, 0, "closed: tls"},
  {LK_ERROR_SETTINGS, 0, "closed: settings"},
};

static gint body_index;

static void
refusal_is_final (Fixture * f)
{
  reach_connecting (f);
  say_closed (f, final_errors[body_index].code, final_errors[body_index].status);
  expect_end (f, final_errors[body_index].closed);
}

static void
refusal_is_final_with_a_key (Fixture * f)
{
  use_key (f);
  f->now_s = g_get_real_time () / G_USEC_PER_SEC;
  refusal_is_final (f);
}

GST_START_TEST (test_final_errors_of_joining)
{
  body_index = __i__;
  run (refusal_is_final);
  run (refusal_is_final_with_a_key);
}

GST_END_TEST;

static const struct
{
  const gchar *video;
  gboolean needs_publish, needs_subscribe;
  const gchar *closed;          /* NULL: is fine */
  const gchar *text;
} tokens[] = {
  {"{\"roomJoin\":true,\"room\":\"other\"}", FALSE, FALSE, "closed: token", "other"},
  {"{\"roomJoin\":false,\"room\":\"lab\"}", FALSE, FALSE, "closed: token", "roomJoin"},
  {"{\"roomJoin\":true,\"room\":\"lab\",\"canPublish\":false}", TRUE, FALSE, "closed: permission", "canPublish"},
  {"{\"roomJoin\":true,\"room\":\"lab\",\"canSubscribe\":false}", FALSE, TRUE, "closed: permission", "canSubscribe"},
  {"{\"roomJoin\":true,\"room\":\"lab\",\"canSubscribe\":false}", TRUE, FALSE, NULL, NULL},
  {"{\"roomJoin\":true,\"room\":\"lab\",\"canPublish\":false}", FALSE, TRUE, NULL, NULL},
};

static void
token_is_checked_here (Fixture * f)
{
  use_token (f, forge_token (tokens[body_index].video));
  f->settings.needs_publish = tokens[body_index].needs_publish;
  f->settings.needs_subscribe = tokens[body_index].needs_subscribe;
  if (tokens[body_index].closed == NULL) {
    reach_connecting (f);
    leave_at_once (f);
    return;
  }
  start_join (f);
  advance (f, 0);
  settle (f);
  expect_end (f, tokens[body_index].closed);
  fail_unless (strstr (f->message, tokens[body_index].text) != NULL, "%s", f->message);
  fail_unless_equals_int (f->n_clients, 0);
}

GST_START_TEST (test_tokens_are_checked_here)
{
  body_index = __i__;
  run (token_is_checked_here);
}

GST_END_TEST;

static void
expired_token (Fixture * f)
{
  use_token (f, mint_token ("lab", NOW_S - 1000, 100));
  start_join (f);
  advance (f, 0);
  settle (f);
  expect_end (f, "closed: token");
}

static void
rubbish_token (Fixture * f)
{
  use_token (f, g_strdup ("rubbish"));
  start_join (f);
  advance (f, 0);
  settle (f);
  expect_end (f, "closed: token");
}

static void
no_token_source (Fixture * f)
{
  LkRoomSettings settings = f->settings;

  settings.token_source = NULL;
  lk_room_join_in_loop (f->room, &settings);
  expect_end (f, "closed: token");
}

static const Body token_bodies[] = { expired_token, rubbish_token, no_token_source };

GST_START_TEST (test_tokens_that_cannot_work)
{
  run (token_bodies[__i__]);
}

GST_END_TEST;

/* A token that may change its owner: the names of the settings go with it, or after it. */
static void
participant_is_corrected (Fixture * f)
{
  f->settings.name = "Me";
  f->settings.metadata = "meta";
  reach_connecting (f);
  fail_unless_equals_string (f->client->metadata, "meta");
  join_on (f, TRUE, FALSE);
  fail_unless_equals_string (SENT (0, UPDATE_METADATA)->update_metadata->name, "Me");
  fail_unless_equals_string (SENT (0, UPDATE_METADATA)->update_metadata->metadata, "meta");
  leave_politely (f);
}

static void
participant_is_left_alone (Fixture * f)
{
  use_token (f, forge_token ("{\"roomJoin\":true,\"room\":\"lab\"}"));
  f->settings.name = "Me";
  f->settings.metadata = "meta";
  reach_connecting (f);
  fail_unless (f->client->metadata == NULL);
  join_on (f, TRUE, FALSE);
  fail_unless_equals_int (n_sent (f), 0);
  leave_politely (f);
}

GST_START_TEST (test_participant_of_the_settings)
{
  run (participant_is_corrected);
  run (participant_is_left_alone);
}

GST_END_TEST;

/* ------------------------------------------------------------------------------------------------------------------ */
/* Resuming */

static void
publish (Fixture * f, const gchar * cid)
{
  LkPublishRequest request = { NULL, };

  request.cid = cid;
  request.name = "name";
  request.mime_type = "video/H264";
  request.kind = LK_TRACK_VIDEO;
  lk_room_publish_in_loop (f->room, &request);
}

static void
subscribe (Fixture * f, const gchar * sid, gboolean is_wanted)
{
  const gchar *sids[] = { sid };

  lk_room_subscribe_in_loop (f->room, sids, 1, is_wanted);
}

/* Fills a session with all that a resume has to tell again. */
static void
fill_session (Fixture * f)
{
  LkTrackSettings off = { TRUE, 0, 0, 0, 0 };

  publish (f, "cid-1");
  say_published (f, "cid-1", "TR_1");
  expect (f, "published cid-1 TR_1 me");
  publish (f, "cid-2");
  say_published (f, "cid-2", "TR_2");
  expect (f, "published cid-2 TR_2 me");
  lk_room_unpublish_in_loop (f->room, "cid-2");
  subscribe (f, "TR_bob", TRUE);
  subscribe (f, "TR_gone", TRUE);
  subscribe (f, "TR_gone", FALSE);
  lk_room_set_track_settings_in_loop (f->room, "TR_bob", &off);
  lk_room_send_offer_in_loop (f->room, "my-offer", 3);
  say_answer (f, "the-answer", 3);
  expect (f, "answer the-answer 3 mids=0");
}

static void
resume_tells_the_state_first (Fixture * f)
{
  LkTrackSettings low = { FALSE, 0, 0, 0, 0 };
  const Livekit__SyncState *state;

  reach_joined (f);
  lk_room_transport_up_in_loop (f->room);
  fill_session (f);
  advance (f, 1000);
  say_closed (f, LK_ERROR_CONNECT, 0);
  expect (f, "resuming #1 in 0: connect");

  /* asked for while there is nobody to ask */
  lk_room_set_track_muted_in_loop (f->room, "TR_1", TRUE);
  lk_room_send_candidate_in_loop (f->room, LK_TARGET_PUBLISHER, "candidate:1", "0", 0);
  lk_room_send_offer_in_loop (f->room, "old-offer", 4);
  lk_room_send_offer_in_loop (f->room, "new-offer", 5);
  subscribe (f, "TR_new", TRUE);
  lk_room_set_track_settings_in_loop (f->room, "TR_bob", &low);
  publish (f, "cid-3");

  advance (f, 0);
  fail_unless (f->client->reconnect);
  fail_unless_equals_string (f->client->participant_sid, "PA_me");
  fail_unless_equals_int (f->client->reason, LIVEKIT__RECONNECT_REASON__RR_SIGNAL_DISCONNECTED);
  fail_unless_equals_int (f->client->ping_interval_s, 7);
  fail_unless_equals_int (f->client->ping_timeout_s, 21);
  fail_if (f->client->use_v0);
  resume_on (f);

  state = SENT (0, SYNC_STATE)->sync_state;
  fail_unless_equals_int (state->n_publish_tracks, 1);
  fail_unless_equals_string (state->publish_tracks[0]->cid, "cid-1");
  fail_unless_equals_string (state->publish_tracks[0]->track->sid, "TR_1");
  fail_unless_equals_string (state->publish_tracks[0]->track->name, "name");
  fail_unless_equals_int (state->publish_tracks[0]->track->width, 640);
  fail_unless (state->subscription->subscribe);
  fail_unless_equals_int (state->subscription->n_track_sids, 2);
  fail_unless_equals_int (state->n_track_sids_disabled, 0);
  fail_unless_equals_string (state->offer->sdp, "new-offer");
  fail_unless_equals_string (state->answer->sdp, "the-answer");

  fail_unless_equals_string (SENT (1, OFFER)->offer->sdp, "new-offer");
  fail_unless_equals_int (SENT (1, OFFER)->offer->id, 5);
  fail_unless_equals_string (SENT (2, MUTE)->mute->sid, "TR_1");
  SENT (3, TRICKLE);
  SENT (4, SUBSCRIPTION);
  fail_if (SENT (5, TRACK_SETTING)->track_setting->disabled);
  fail_unless_equals_string (SENT (6, ADD_TRACK)->add_track->cid, "cid-3");
  fail_unless_equals_int (n_sent (f), 7);
  fail_unless_equals_int (lk_room_get_n_reconnects (f->room, FALSE), 1);
  leave_politely (f);
}

static void
resume_tells_disabled_tracks (Fixture * f)
{
  const Livekit__SyncState *state;

  reach_joined (f);
  lk_room_transport_up_in_loop (f->room);
  fill_session (f);
  advance (f, 1000);
  say_closed (f, LK_ERROR_CONNECT, 0);
  expect (f, "resuming #1 in 0: connect");
  advance (f, 0);
  resume_on (f);
  state = SENT (0, SYNC_STATE)->sync_state;
  fail_unless_equals_int (state->subscription->n_track_sids, 1);
  fail_unless_equals_string (state->subscription->track_sids[0], "TR_bob");
  fail_unless_equals_int (state->n_track_sids_disabled, 1);
  fail_unless_equals_string (state->track_sids_disabled[0], "TR_bob");
  /* the offer was answered */
  SENT (1, TRACK_SETTING);
  fail_unless_equals_int (n_sent (f), 2);
  leave_politely (f);
}

static void
resume_by_v0_tells_the_subscriber_peer (Fixture * f)
{
  const Livekit__SyncState *state;

  reach_connecting (f);
  join_on (f, FALSE, FALSE);
  fail_if (f->is_single_peer);
  lk_room_transport_up_in_loop (f->room);
  say_offer (f, "server-offer", 77);
  expect (f, "offer server-offer 77 mids=1");
  lk_room_send_answer_in_loop (f->room, "my-answer", 77);
  lk_room_send_offer_in_loop (f->room, "my-offer", 1);
  say_answer (f, "server-answer", 1);
  expect (f, "answer server-answer 1 mids=0");
  advance (f, 1000);
  say_closed (f, LK_ERROR_CONNECT, 0);
  expect (f, "resuming #1 in 0: connect");
  advance (f, 0);
  fail_unless (f->client->use_v0);
  say_open (f, FALSE);
  say_reconnect (f);
  expect (f, "joined");
  expect (f, "resumed ice=0");
  state = SENT (0, SYNC_STATE)->sync_state;
  fail_unless_equals_string (state->offer->sdp, "server-offer");
  fail_unless_equals_int (state->offer->id, 77);
  fail_unless_equals_string (state->answer->sdp, "my-answer");
  leave_politely (f);
}

static void
resume_goes_on_trying (Fixture * f)
{
  static const gchar *const lines[] = { "resuming #2 in 300: connect", "resuming #3 in 600: server",
    "resuming #4 in 1000: connect"
  };
  static const gint delays[] = { 300, 600, 1000 };

  reach_resuming (f);
  for (guint i = 0; i < G_N_ELEMENTS (lines); i++) {
    say_closed (f, i == 1 ? LK_ERROR_SERVER : LK_ERROR_CONNECT, i == 1 ? 503 : 0);
    expect (f, lines[i]);
    advance (f, delays[i]);
    fail_unless (f->client->reconnect);
  }
  resume_on (f);
  /* as long after, the next outage begins anew */
  advance (f, 500);
  say_closed (f, LK_ERROR_CONNECT, 0);
  expect (f, "resuming #1 in 0: connect");
  leave_at_once (f);
}

static void
resume_answered_by_a_new_session (Fixture * f)
{
  reach_resuming (f);
  join_on (f, TRUE, TRUE);
  fail_unless_equals_int (lk_room_get_n_reconnects (f->room, FALSE), 0);
  fail_unless_equals_int (lk_room_get_n_reconnects (f->room, TRUE), 1);
  leave_politely (f);
}

static void
refused_resume_is_a_rejoin (Fixture * f)
{
  reach_resuming (f);
  say_closed (f, LK_ERROR_TOKEN, 400);
  expect (f, "rejoining #1 in 0: token");
  advance (f, 0);
  join_on (f, TRUE, TRUE);
  leave_politely (f);
}

static void
room_that_is_gone_ends_the_rejoin (Fixture * f)
{
  reach_resuming (f);
  say_closed (f, LK_ERROR_NO_ROOM, 404);
  expect (f, "rejoining #1 in 0: no-room");
  advance (f, 0);
  say_closed (f, LK_ERROR_NO_ROOM, 404);
  expect_end (f, "closed: no-room");
}

/* Something on the way answers while the server is down. */
static void
strangers_are_borne_while_reconnecting (Fixture * f)
{
  reach_resuming (f);
  say_closed (f, LK_ERROR_NOT_LIVEKIT, 0);
  expect (f, "resuming #2 in 300: not-livekit");
  advance (f, 300);
  say_closed (f, LK_ERROR_NOT_LIVEKIT, 404);
  expect (f, "rejoining #1 in 0: not-livekit");
  advance (f, 0);
  say_closed (f, LK_ERROR_NOT_LIVEKIT, 200);
  expect (f, "rejoining #2 in 300: not-livekit");
  leave_at_once (f);
}

static void
certificate_fault_ends_a_resume (Fixture * f)
{
  reach_resuming (f);
  say_closed (f, LK_ERROR_TLS, 0);
  expect_end (f, "closed: tls");
}

static void
resume_is_forbidden (Fixture * f)
{
  Livekit__ClientConfiguration configuration = LIVEKIT__CLIENT_CONFIGURATION__INIT;

  configuration.resume_connection = LIVEKIT__CLIENT_CONFIG_SETTING__DISABLED;
  reach_resuming (f);
  say_reconnect_with (f, &configuration);
  expect (f, "joined");
  expect (f, "resumed ice=0");
  advance (f, 1000);
  say_closed (f, LK_ERROR_CONNECT, 0);
  expect (f, "rejoining #1 in 0: connect");
  leave_at_once (f);
}

/* Nothing that a session asked for is told to the next. */
static void
rejoin_forgets (Fixture * f)
{
  reach_joined (f);
  lk_room_transport_up_in_loop (f->room);
  fill_session (f);
  publish (f, "cid-9");
  advance (f, 1000);
  lk_room_transport_failed_in_loop (f->room, "broken");
  expect (f, "rejoining #1 in 0: media");
  subscribe (f, "TR_bob", TRUE);
  publish (f, "cid-10");
  lk_room_send_offer_in_loop (f->room, "offer", 9);
  advance (f, 0);
  join_on (f, TRUE, TRUE);
  lk_room_transport_up_in_loop (f->room);
  fail_unless_equals_int (n_sent (f), 0);
  advance (f, 20000);
  say_closed (f, LK_ERROR_CONNECT, 0);
  expect (f, "resuming #1 in 0: connect");
  advance (f, 0);
  resume_on (f);
  fail_unless_equals_int (n_sent (f), 1);
  fail_unless_equals_int (SENT (0, SYNC_STATE)->sync_state->n_publish_tracks, 0);
  fail_unless_equals_int (SENT (0, SYNC_STATE)->sync_state->subscription->n_track_sids, 0);
  fail_unless (SENT (0, SYNC_STATE)->sync_state->offer == NULL);
  leave_politely (f);
}

/* A session that ends at once is no success: the pauses grow. */
static void
server_that_throws_us_out (Fixture * f)
{
  static const gchar *const lines[] = { "rejoining #2 in 300: disconnected", "rejoining #3 in 600: disconnected",
    "rejoining #4 in 1000: disconnected", "rejoining #5 in 1000: disconnected"
  };

  reach_rejoining (f);
  for (guint i = 0; i < G_N_ELEMENTS (lines); i++) {
    join_on (f, TRUE, TRUE);
    lk_room_transport_up_in_loop (f->room);
    advance (f, 400);
    say_leave (f, LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT, LIVEKIT__DISCONNECT_REASON__STATE_MISMATCH);
    expect (f, lines[i]);
    advance (f, 1000);
  }
  leave_at_once (f);
}

static const Body resume_bodies[] = { resume_tells_the_state_first, resume_tells_disabled_tracks,
  resume_by_v0_tells_the_subscriber_peer, resume_goes_on_trying, resume_answered_by_a_new_session,
  refused_resume_is_a_rejoin, room_that_is_gone_ends_the_rejoin, strangers_are_borne_while_reconnecting,
  certificate_fault_ends_a_resume, resume_is_forbidden, rejoin_forgets, server_that_throws_us_out
};

GST_START_TEST (test_resuming)
{
  run (resume_bodies[__i__]);
}

GST_END_TEST;

/* ------------------------------------------------------------------------------------------------------------------ */
/* Transport and time */

static void
transport_that_returns (Fixture * f)
{
  reach_steady (f);
  lk_room_transport_lost_in_loop (f->room, LK_TARGET_SUBSCRIBER);
  expect (f, "resuming #1 in 0: media");
  advance (f, 0);
  fail_unless_equals_int (f->client->reason, LIVEKIT__RECONNECT_REASON__RR_SUBSCRIBER_FAILED);
  resume_on (f);
  advance (f, 14999);
  lk_room_transport_up_in_loop (f->room);
  advance (f, 100000);
  expect_nothing (f);
  /* the reason is not kept */
  say_closed (f, LK_ERROR_CONNECT, 0);
  expect (f, "resuming #1 in 0: connect");
  advance (f, 0);
  fail_unless_equals_int (f->client->reason, LIVEKIT__RECONNECT_REASON__RR_SIGNAL_DISCONNECTED);
  leave_at_once (f);
}

static void
transport_that_does_not_return (Fixture * f)
{
  reach_steady (f);
  lk_room_transport_lost_in_loop (f->room, LK_TARGET_PUBLISHER);
  expect (f, "resuming #1 in 0: media");
  advance (f, 0);
  fail_unless_equals_int (f->client->reason, LIVEKIT__RECONNECT_REASON__RR_PUBLISHER_FAILED);
  resume_on (f);
  advance (f, 14999);
  expect_nothing (f);
  advance (f, 1);
  expect (f, "rejoining #2 in 300: media");
  advance (f, 300);
  join_on (f, TRUE, TRUE);
  /* nor does that of the new session */
  advance (f, 15000);
  expect (f, "rejoining #3 in 600: media");
  leave_at_once (f);
}

static void
transport_lost_while_resuming (Fixture * f)
{
  reach_resuming (f);
  advance (f, 3000);
  lk_room_transport_lost_in_loop (f->room, LK_TARGET_PUBLISHER);
  expect_nothing (f);
  advance (f, 15000);
  expect (f, "rejoining #1 in 0: media");
  leave_at_once (f);
}

static void
transport_failed_while_resuming (Fixture * f)
{
  reach_resuming (f);
  lk_room_transport_failed_in_loop (f->room, NULL);
  expect (f, "rejoining #1 in 0: media");
  leave_at_once (f);
}

static void
reconnect_timeout_ends_it (Fixture * f)
{
  f->settings.reconnect_timeout_ms = 5000;
  reach_resuming (f);
  advance (f, 1000);
  say_leave (f, LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT, LIVEKIT__DISCONNECT_REASON__STATE_MISMATCH);
  expect (f, "rejoining #1 in 0: disconnected");
  advance (f, 3999);
  expect_nothing (f);
  advance (f, 1);
  expect (f, "leaving");
  expect (f, "closed: connection-lost");
}

static void
reconnect_timeout_may_change (Fixture * f)
{
  f->settings.reconnect_timeout_ms = 5000;
  reach_resuming (f);
  advance (f, 4000);
  lk_room_set_reconnect_timeout_in_loop (f->room, 0);
  advance (f, 60000);
  expect_nothing (f);
  lk_room_set_reconnect_timeout_in_loop (f->room, 70000);
  advance (f, 5999);
  expect_nothing (f);
  lk_room_set_reconnect_timeout_in_loop (f->room, 10000);
  advance (f, 0);
  expect (f, "leaving");
  expect (f, "closed: connection-lost");
}

static void
reconnect_timeout_counts_one_outage (Fixture * f)
{
  f->settings.reconnect_timeout_ms = 5000;
  reach_resuming (f);
  advance (f, 3000);
  resume_on (f);
  advance (f, 60000);
  say_closed (f, LK_ERROR_CONNECT, 0);
  expect (f, "resuming #1 in 0: connect");
  advance (f, 4999);
  expect_nothing (f);
  advance (f, 1);
  expect (f, "leaving");
  expect (f, "closed: connection-lost");
}

static void
delays_follow_the_policy (Fixture * f)
{
  gint64 start;
  guint n;

  reach_resuming (f);
  f->keeps_quiet = TRUE;
  start = f->now_ms;
  while (f->now_ms - start < 600 * 1000) {
    say_closed (f, LK_ERROR_CONNECT, 0);
    while (f->client == NULL)
      advance (f, 100);
  }
  n = f->n_clients;
  /* 12 in the first ten seconds, then one each 7 s */
  fail_unless (n > 80 && n < 105, "%u tries", n);
  f->keeps_quiet = FALSE;
  leave_at_once (f);
}

static const Body time_bodies[] = { transport_that_returns, transport_that_does_not_return,
  transport_lost_while_resuming, transport_failed_while_resuming, reconnect_timeout_ends_it,
  reconnect_timeout_may_change, reconnect_timeout_counts_one_outage, delays_follow_the_policy
};

GST_START_TEST (test_transport_and_time)
{
  run (time_bodies[__i__]);
}

GST_END_TEST;

/* ------------------------------------------------------------------------------------------------------------------ */
/* Leave */

#define DISCONNECT LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT
#define RESUME LIVEKIT__LEAVE_REQUEST__ACTION__RESUME
#define RECONNECT LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT
#define REASON(name) LIVEKIT__DISCONNECT_REASON__ ## name

static const struct
{
  Livekit__LeaveRequest__Action action;
  Livekit__DisconnectReason reason;
  const gchar *line;            /* "closed: …" is the end */
} leaves[] = {
  {DISCONNECT, REASON (DUPLICATE_IDENTITY), "closed: duplicate-identity"},
  {DISCONNECT, REASON (PARTICIPANT_REMOVED), "closed: removed"},
  {DISCONNECT, REASON (ROOM_DELETED), "closed: room-deleted"},
  {DISCONNECT, REASON (ROOM_CLOSED), "closed: room-closed"},
  {DISCONNECT, REASON (CLIENT_INITIATED), "closed: disconnected"},
  {DISCONNECT, REASON (USER_REJECTED), "closed: disconnected"},
  {DISCONNECT, (Livekit__DisconnectReason) 99, "closed: disconnected"},
  {DISCONNECT, REASON (SERVER_SHUTDOWN), "rejoining #1 in 0: server-shutdown"},
  {DISCONNECT, REASON (JOIN_FAILURE), "rejoining #1 in 0: disconnected"},
  {DISCONNECT, REASON (CONNECTION_TIMEOUT), "rejoining #1 in 0: disconnected"},
  {DISCONNECT, REASON (MIGRATION), "rejoining #1 in 0: disconnected"},
  {DISCONNECT, REASON (STATE_MISMATCH), "rejoining #1 in 0: disconnected"},
  {DISCONNECT, REASON (UNKNOWN_REASON), "rejoining #1 in 0: disconnected"},
  {RESUME, REASON (CONNECTION_TIMEOUT), "resuming #1 in 0: disconnected"},
  {RESUME, REASON (MIGRATION), "resuming #1 in 0: disconnected"},
  {RECONNECT, REASON (STATE_MISMATCH), "rejoining #1 in 0: disconnected"},
  {(Livekit__LeaveRequest__Action) 9, REASON (STATE_MISMATCH), "rejoining #1 in 0: disconnected"},
};

static void
leave_in_session (Fixture * f)
{
  reach_steady (f);
  say_leave (f, leaves[body_index].action, leaves[body_index].reason);
  fail_unless (f->client == NULL);
  if (g_str_has_prefix (leaves[body_index].line, "closed")) {
    expect_end (f, leaves[body_index].line);
    return;
  }
  expect (f, leaves[body_index].line);
  advance (f, 0);
  fail_unless_equals_int (f->client->reconnect, leaves[body_index].action == RESUME);
  leave_at_once (f);
}

GST_START_TEST (test_told_to_leave)
{
  body_index = __i__;
  run (leave_in_session);
}

GST_END_TEST;

static void
leave_while_fetching (Fixture * f)
{
  start_join (f);
  leave_at_once (f);
}

static void
leave_while_fetch_is_under_way (Fixture * f)
{
  start_join (f);
  advance (f, 0);
  fail_unless (f->room->fetch != NULL);
  leave_at_once (f);
}

static void
leave_while_connecting (Fixture * f)
{
  reach_connecting (f);
  leave_at_once (f);
}

static void
leave_during_backoff_of_join (Fixture * f)
{
  reach_connecting (f);
  say_closed (f, LK_ERROR_CONNECT, 0);
  expect (f, "connecting #2 in 300: connect");
  leave_at_once (f);
}

static void
leave_during_backoff_of_resume (Fixture * f)
{
  reach_resuming (f);
  say_closed (f, LK_ERROR_CONNECT, 0);
  expect (f, "resuming #2 in 300: connect");
  leave_at_once (f);
}

static void
leave_during_backoff_of_rejoin (Fixture * f)
{
  reach_rejoining (f);
  say_closed (f, LK_ERROR_CONNECT, 0);
  expect (f, "rejoining #2 in 300: connect");
  leave_at_once (f);
}

static void
leave_while_idle (Fixture * f)
{
  lk_room_leave_in_loop (f->room);
  expect_end (f, "closed");
}

static void
leave_twice (Fixture * f)
{
  reach_steady (f);
  lk_room_leave_in_loop (f->room);
  lk_room_leave_in_loop (f->room);
  expect (f, "leaving");
  fail_unless_equals_int (n_sent (f), 1);
  advance (f, 500);
  expect (f, "closed");
  lk_room_leave_in_loop (f->room);
  advance (f, 10000);
}

static const Body leave_bodies[] = { leave_while_fetching, leave_while_fetch_is_under_way, leave_while_connecting,
  leave_during_backoff_of_join, leave_during_backoff_of_resume, leave_during_backoff_of_rejoin, leave_while_idle,
  leave_twice
};

GST_START_TEST (test_leave_closes)
{
  run (leave_bodies[__i__]);
}

GST_END_TEST;

/* ------------------------------------------------------------------------------------------------------------------ */
/* Tokens in a session */

static void
refreshed_token_is_used (Fixture * f)
{
  g_autofree gchar *refreshed = mint_token ("lab", NOW_S, 1200);

  reach_joined (f);
  lk_room_transport_up_in_loop (f->room);
  advance (f, 1000);
  say_refresh_token (f, "rubbish");
  expect (f, "token");
  say_refresh_token (f, refreshed);
  expect (f, "token");
  f->now_s = NOW_S + 1200;      /* the first has run out */
  say_closed (f, LK_ERROR_CONNECT, 0);
  expect (f, "resuming #1 in 0: connect");
  advance (f, 0);
  fail_unless_equals_string (f->client->token, refreshed);
  say_leave (f, RECONNECT, REASON (STATE_MISMATCH));
  expect (f, "rejoining #1 in 0: disconnected");
  advance (f, 0);
  fail_unless_equals_string (f->client->token, refreshed);
  /* and now that one, too */
  f->now_s = NOW_S + 1300;
  say_closed (f, LK_ERROR_CONNECT, 0);
  expect (f, "rejoining #2 in 300: connect");
  advance (f, 300);
  expect_end (f, "closed: unauthorized");
}

/* The made token is checked by the clock of the test, which is that of the minting side here. */
static void
expired_token_is_renewed (Fixture * f)
{
  g_autofree gchar *first = NULL;

  use_key (f);
  f->now_s = g_get_real_time () / G_USEC_PER_SEC;
  reach_steady (f);
  first = g_strdup (f->client->token);
  say_closed (f, LK_ERROR_CONNECT, 0);
  expect (f, "resuming #1 in 0: connect");
  f->room->claims->expires_s = f->now_s - 1000;
  advance (f, 0);
  expect (f, "rejoining #1 in 0: token");
  advance (f, 0);
  settle (f);
  fail_unless (f->client != NULL && !f->client->reconnect);
  join_on (f, TRUE, TRUE);
  leave_politely (f);
}

static void
refused_token_is_renewed_once (Fixture * f)
{
  use_key (f);
  f->now_s = g_get_real_time () / G_USEC_PER_SEC;
  reach_resuming (f);
  say_closed (f, LK_ERROR_UNAUTHORIZED, 401);
  expect (f, "rejoining #1 in 0: unauthorized");
  advance (f, 0);
  settle (f);
  say_closed (f, LK_ERROR_UNAUTHORIZED, 401);
  expect_end (f, "closed: unauthorized");
}

static void
refused_literal_token_is_final (Fixture * f)
{
  reach_resuming (f);
  say_closed (f, LK_ERROR_UNAUTHORIZED, 403);
  expect_end (f, "closed: unauthorized");
}

static void
moved_to_another_room (Fixture * f)
{
  Livekit__RoomMovedResponse room_moved = LIVEKIT__ROOM_MOVED_RESPONSE__INIT;
  Livekit__Room room = LIVEKIT__ROOM__INIT;
  Livekit__ParticipantInfo me = LIVEKIT__PARTICIPANT_INFO__INIT;
  g_autofree gchar *token = mint_token ("other", NOW_S, 600);
  RESPONSE (response, ROOM_MOVED, room_moved);

  reach_steady (f);
  room.sid = (gchar *) "RM_2";
  room.metadata = (gchar *) "meta";
  me.sid = (gchar *) "PA_me2";
  me.identity = (gchar *) "me";
  room_moved.room = &room;
  room_moved.participant = &me;
  room_moved.token = token;
  say (f, &response);
  expect (f, "-TR_bob");
  expect (f, "-bob");
  expect (f, "room RM_2 meta n=0");
  fail_unless_equals_string (lk_roster_get_local (lk_room_get_roster (f->room))->sid, "PA_me2");
  say_closed (f, LK_ERROR_CONNECT, 0);
  expect (f, "resuming #1 in 0: connect");
  advance (f, 0);
  fail_unless_equals_string (f->client->token, token);
  fail_unless_equals_string (f->client->participant_sid, "PA_me2");
  leave_at_once (f);
}

static const Body session_token_bodies[] = { refreshed_token_is_used, expired_token_is_renewed,
  refused_token_is_renewed_once, refused_literal_token_is_final, moved_to_another_room
};

GST_START_TEST (test_tokens_in_a_session)
{
  run (session_token_bodies[__i__]);
}

GST_END_TEST;

/* ------------------------------------------------------------------------------------------------------------------ */
/* Publishing */

static void
add_track_fields (Fixture * f)
{
  static const LkLayer layers[] = { {320, 180, 100000, 0}, {1280, 720, 2000000, 2} };
  LkPublishRequest request = { NULL, };
  const Livekit__AddTrackRequest *add;

  reach_joined (f);
  request.cid = "v";
  request.name = "front";
  request.stream = "cams";
  request.mime_type = "video/H264";
  request.kind = LK_TRACK_VIDEO;
  request.source = LK_SOURCE_CAMERA;
  request.width = 1280;
  request.height = 720;
  request.layers = layers;
  request.n_layers = 2;
  lk_room_publish_in_loop (f->room, &request);
  add = SENT (0, ADD_TRACK)->add_track;
  fail_unless_equals_string (add->cid, "v");
  fail_unless_equals_string (add->name, "front");
  fail_unless_equals_string (add->stream, "cams");
  fail_unless_equals_int (add->type, LIVEKIT__TRACK_TYPE__VIDEO);
  fail_unless_equals_int (add->source, LIVEKIT__TRACK_SOURCE__CAMERA);
  fail_unless_equals_int (add->width, 1280);
  fail_unless_equals_int (add->height, 720);
  fail_unless_equals_int (add->n_layers, 2);
  fail_unless_equals_int (add->layers[1]->quality, LIVEKIT__VIDEO_QUALITY__HIGH);
  fail_unless_equals_int (add->layers[1]->bitrate, 2000000);
  fail_unless_equals_int (add->n_simulcast_codecs, 1);
  fail_unless_equals_string (add->simulcast_codecs[0]->codec, "h264");
  fail_unless_equals_string (add->simulcast_codecs[0]->cid, "v");
  fail_unless_equals_int (add->n_audio_features, 0);

  memset (&request, 0, sizeof (request));
  request.cid = "a";
  request.mime_type = "audio/opus";
  request.kind = LK_TRACK_AUDIO;
  request.source = LK_SOURCE_MICROPHONE;
  request.is_stereo = request.muted = TRUE;
  lk_room_publish_in_loop (f->room, &request);
  add = SENT (1, ADD_TRACK)->add_track;
  fail_unless_equals_int (add->type, LIVEKIT__TRACK_TYPE__AUDIO);
  fail_unless (add->muted);
  fail_unless (add->disable_red);
  fail_unless_equals_int (add->n_audio_features, 2);
  fail_unless_equals_int (add->audio_features[0], LIVEKIT__AUDIO_TRACK_FEATURE__TF_STEREO);
  fail_unless_equals_int (add->audio_features[1], LIVEKIT__AUDIO_TRACK_FEATURE__TF_NO_DTX);
  request.is_stereo = FALSE;
  request.has_red = request.has_dtx = TRUE;
  request.cid = "b";
  lk_room_publish_in_loop (f->room, &request);
  fail_unless_equals_int (SENT (2, ADD_TRACK)->add_track->n_audio_features, 0);
  fail_if (SENT (2, ADD_TRACK)->add_track->disable_red);
  leave_politely (f);
}

static void
thirty_tracks_wait_their_turn (Fixture * f)
{
  reach_joined (f);
  lk_room_transport_up_in_loop (f->room);
  for (guint i = 0; i < 30; i++) {
    g_autofree gchar *cid = g_strdup_printf ("c%u", i);

    publish (f, cid);
  }
  fail_unless_equals_int (n_sent (f), 20);
  lk_room_unpublish_in_loop (f->room, "c25");
  fail_unless_equals_int (n_sent (f), 20);
  lk_room_unpublish_in_loop (f->room, "c3");
  fail_unless_equals_int (n_sent (f), 21);
  for (guint i = 0; i < 30; i++) {
    g_autofree gchar *cid = g_strdup_printf ("c%u", i), *sid = g_strdup_printf ("TR_%u", i);
    g_autofree gchar *line = g_strdup_printf ("published %s %s me", cid, sid);

    say_published (f, cid, sid);
    if (i != 25 && i != 3)
      expect (f, line);
  }
  expect_nothing (f);
  fail_unless_equals_int (n_sent (f), 29);
  fail_unless_equals_string (SENT (28, ADD_TRACK)->add_track->cid, "c29");
  advance (f, 60000);
  leave_politely (f);
}

static void
refused_tracks (Fixture * f)
{
  reach_joined (f);
  lk_room_transport_up_in_loop (f->room);
  publish (f, "a");
  publish (f, "b");
  publish (f, "c");
  publish (f, "d");
  say_refused_track (f, "a", LIVEKIT__REQUEST_RESPONSE__REASON__NOT_ALLOWED);
  expect (f, "publish-failed a: permission");
  say_refused_track (f, "b", LIVEKIT__REQUEST_RESPONSE__REASON__UNSUPPORTED_TYPE);
  expect (f, "publish-failed b: publish");
  say_refused_track (f, "c", LIVEKIT__REQUEST_RESPONSE__REASON__QUEUED);
  say_refused_track (f, "d", LIVEKIT__REQUEST_RESPONSE__REASON__OK);
  say_refused_track (f, "unknown", LIVEKIT__REQUEST_RESPONSE__REASON__NOT_ALLOWED);
  expect_nothing (f);
  advance (f, 9999);
  expect_nothing (f);
  advance (f, 1);
  expect (f, "publish-failed c: publish");
  expect (f, "publish-failed d: publish");
  say_published (f, "c", "TR_late");
  expect_nothing (f);
  leave_politely (f);
}

/* Until media of the tracks before has come, the server counts them. */
static void
too_many_pending_tracks (Fixture * f)
{
  reach_joined (f);
  lk_room_transport_up_in_loop (f->room);
  publish (f, "a");
  say_refused_track (f, "a", LIVEKIT__REQUEST_RESPONSE__REASON__LIMIT_EXCEEDED);
  publish (f, "b");
  fail_unless_equals_int (n_sent (f), 1);
  advance (f, 499);
  fail_unless_equals_int (n_sent (f), 1);
  advance (f, 1);
  fail_unless_equals_int (n_sent (f), 3);
  say_published (f, "a", "TR_a");
  expect (f, "published a TR_a me");
  for (guint i = 0; i < 19; i++) {
    say_refused_track (f, "b", LIVEKIT__REQUEST_RESPONSE__REASON__LIMIT_EXCEEDED);
    advance (f, 500);
    expect_nothing (f);
  }
  say_refused_track (f, "b", LIVEKIT__REQUEST_RESPONSE__REASON__LIMIT_EXCEEDED);
  advance (f, 500);
  expect (f, "publish-failed b: publish");
  leave_politely (f);
}

static void
publishing_over_a_resume (Fixture * f)
{
  reach_joined (f);
  lk_room_transport_up_in_loop (f->room);
  publish (f, "lost");
  publish (f, "done");
  advance (f, 9000);
  say_closed (f, LK_ERROR_CONNECT, 0);
  expect (f, "resuming #1 in 0: connect");
  publish (f, "new");
  lk_room_unpublish_in_loop (f->room, "done");
  advance (f, 5000);
  resume_on (f);
  SENT (0, SYNC_STATE);
  fail_unless_equals_string (SENT (1, ADD_TRACK)->add_track->cid, "lost");
  fail_unless_equals_string (SENT (2, ADD_TRACK)->add_track->cid, "new");
  fail_unless_equals_int (n_sent (f), 3);
  say_refused_track (f, "lost", LIVEKIT__REQUEST_RESPONSE__REASON__QUEUED);
  expect (f, "publish-failed lost: cancelled");
  say_refused_track (f, "new", LIVEKIT__REQUEST_RESPONSE__REASON__QUEUED);
  expect_nothing (f);
  advance (f, 10000);
  expect (f, "publish-failed new: publish");
  leave_politely (f);
}

static void
unpublished_by_the_server (Fixture * f)
{
  Livekit__TrackUnpublishedResponse track_unpublished = LIVEKIT__TRACK_UNPUBLISHED_RESPONSE__INIT;
  RESPONSE (response, TRACK_UNPUBLISHED, track_unpublished);

  reach_joined (f);
  lk_room_transport_up_in_loop (f->room);
  publish (f, "a");
  say_published (f, "a", "TR_a");
  expect (f, "published a TR_a me");
  track_unpublished.track_sid = (gchar *) "TR_a";
  say (f, &response);
  expect (f, "unpublished TR_a");
  advance (f, 1000);
  say_closed (f, LK_ERROR_CONNECT, 0);
  expect (f, "resuming #1 in 0: connect");
  advance (f, 0);
  resume_on (f);
  fail_unless_equals_int (SENT (0, SYNC_STATE)->sync_state->n_publish_tracks, 0);
  leave_politely (f);
}

static const Body publish_bodies[] = { add_track_fields, thirty_tracks_wait_their_turn, refused_tracks,
  too_many_pending_tracks, publishing_over_a_resume, unpublished_by_the_server
};

GST_START_TEST (test_publishing)
{
  run (publish_bodies[__i__]);
}

GST_END_TEST;

/* ------------------------------------------------------------------------------------------------------------------ */
/* Messages and commands of a session */

/* The kinds that a server says in a session, and what the room makes of them. */

static void
say_trickle_of (Fixture * f, const gchar * json, Livekit__SignalTarget target)
{
  Livekit__TrickleRequest trickle = LIVEKIT__TRICKLE_REQUEST__INIT;
  RESPONSE (response, TRICKLE, trickle);

  trickle.candidateinit = (gchar *) json;
  trickle.target = target;
  say (f, &response);
}

static void
say_trickle (Fixture * f)
{
  say_trickle_of (f, "{\"candidate\":\"candidate:1\",\"sdpMid\":\"0\",\"sdpMLineIndex\":0}",
      LIVEKIT__SIGNAL_TARGET__SUBSCRIBER);
}

static void
say_bad_trickle (Fixture * f)
{
  say_trickle_of (f, "{", LIVEKIT__SIGNAL_TARGET__SUBSCRIBER);
}

static void
say_mute (Fixture * f)
{
  Livekit__MuteTrackRequest mute = LIVEKIT__MUTE_TRACK_REQUEST__INIT;
  RESPONSE (response, MUTE, mute);

  mute.sid = (gchar *) "TR_1";
  mute.muted = TRUE;
  say (f, &response);
}

static void
say_speakers (Fixture * f)
{
  Livekit__SpeakerInfo speaker = LIVEKIT__SPEAKER_INFO__INIT, *speakers[] = { &speaker };
  Livekit__SpeakersChanged speakers_changed = LIVEKIT__SPEAKERS_CHANGED__INIT;
  RESPONSE (response, SPEAKERS_CHANGED, speakers_changed);

  speaker.sid = (gchar *) "PA_bob";
  speakers_changed.speakers = speakers;
  speakers_changed.n_speakers = 1;
  say (f, &response);
}

static void
say_connection_quality (Fixture * f)
{
  Livekit__ConnectionQualityInfo good = LIVEKIT__CONNECTION_QUALITY_INFO__INIT, odd = good, *infos[] = { &odd, &good };
  Livekit__ConnectionQualityUpdate connection_quality = LIVEKIT__CONNECTION_QUALITY_UPDATE__INIT;
  RESPONSE (response, CONNECTION_QUALITY, connection_quality);

  odd.quality = (Livekit__ConnectionQuality) 77;
  good.participant_sid = (gchar *) "PA_bob";
  good.quality = LIVEKIT__CONNECTION_QUALITY__GOOD;
  connection_quality.updates = infos;
  connection_quality.n_updates = 2;
  say (f, &response);
}

static void
say_stream_state (Fixture * f)
{
  Livekit__StreamStateInfo info = LIVEKIT__STREAM_STATE_INFO__INIT, *infos[] = { &info };
  Livekit__StreamStateUpdate stream_state_update = LIVEKIT__STREAM_STATE_UPDATE__INIT;
  RESPONSE (response, STREAM_STATE_UPDATE, stream_state_update);

  info.track_sid = (gchar *) "TR_bob";
  info.state = LIVEKIT__STREAM_STATE__PAUSED;
  stream_state_update.stream_states = infos;
  stream_state_update.n_stream_states = 1;
  say (f, &response);
}

static void
say_permission (Fixture * f)
{
  Livekit__SubscriptionPermissionUpdate subscription_permission_update = LIVEKIT__SUBSCRIPTION_PERMISSION_UPDATE__INIT;
  RESPONSE (response, SUBSCRIPTION_PERMISSION_UPDATE, subscription_permission_update);

  subscription_permission_update.track_sid = (gchar *) "TR_bob";
  say (f, &response);
}

static void
say_subscription_error (Fixture * f)
{
  Livekit__SubscriptionResponse subscription_response = LIVEKIT__SUBSCRIPTION_RESPONSE__INIT;
  RESPONSE (response, SUBSCRIPTION_RESPONSE, subscription_response);

  subscription_response.track_sid = (gchar *) "TR_bob";
  subscription_response.err = LIVEKIT__SUBSCRIPTION_ERROR__SE_CODEC_UNSUPPORTED;
  say (f, &response);
}

static void
say_track_subscribed (Fixture * f)
{
  Livekit__TrackSubscribed track_subscribed = LIVEKIT__TRACK_SUBSCRIBED__INIT;
  RESPONSE (response, TRACK_SUBSCRIBED, track_subscribed);

  track_subscribed.track_sid = (gchar *) "TR_1";
  say (f, &response);
}

static void
say_sections (Fixture * f)
{
  Livekit__MediaSectionsRequirement media_sections_requirement = LIVEKIT__MEDIA_SECTIONS_REQUIREMENT__INIT;
  RESPONSE (response, MEDIA_SECTIONS_REQUIREMENT, media_sections_requirement);

  media_sections_requirement.num_audios = 3;
  media_sections_requirement.num_videos = 4000000000u;
  say (f, &response);
}

/* By codec, and with more codecs and qualities than there are. */
static void
say_quality (Fixture * f)
{
  Livekit__SubscribedQuality high = LIVEKIT__SUBSCRIBED_QUALITY__INIT, off = high, *qualities[] = { &off, &high };
  Livekit__SubscribedCodec codec = LIVEKIT__SUBSCRIBED_CODEC__INIT, *codecs[40];
  Livekit__SubscribedQualityUpdate subscribed_quality_update = LIVEKIT__SUBSCRIBED_QUALITY_UPDATE__INIT;
  RESPONSE (response, SUBSCRIBED_QUALITY_UPDATE, subscribed_quality_update);

  off.quality = LIVEKIT__VIDEO_QUALITY__OFF;
  off.enabled = TRUE;
  high.quality = LIVEKIT__VIDEO_QUALITY__HIGH;
  high.enabled = TRUE;
  codec.codec = (gchar *) "h264";
  codec.qualities = qualities;
  codec.n_qualities = 2;
  for (guint i = 0; i < G_N_ELEMENTS (codecs); i++)
    codecs[i] = &codec;
  subscribed_quality_update.track_sid = (gchar *) "TR_1";
  subscribed_quality_update.subscribed_codecs = codecs;
  subscribed_quality_update.n_subscribed_codecs = G_N_ELEMENTS (codecs);
  say (f, &response);
}

static void
say_old_quality (Fixture * f)
{
  Livekit__SubscribedQuality low = LIVEKIT__SUBSCRIBED_QUALITY__INIT, *qualities[] = { &low };
  Livekit__SubscribedQualityUpdate subscribed_quality_update = LIVEKIT__SUBSCRIBED_QUALITY_UPDATE__INIT;
  RESPONSE (response, SUBSCRIBED_QUALITY_UPDATE, subscribed_quality_update);

  low.enabled = TRUE;
  subscribed_quality_update.track_sid = (gchar *) "TR_1";
  subscribed_quality_update.subscribed_qualities = qualities;
  subscribed_quality_update.n_subscribed_qualities = 1;
  say (f, &response);
}

static void
say_update (Fixture * f)
{
  Livekit__ParticipantInfo info = LIVEKIT__PARTICIPANT_INFO__INIT, *infos[] = { &info };
  Livekit__ParticipantUpdate update = LIVEKIT__PARTICIPANT_UPDATE__INIT;
  RESPONSE (response, UPDATE, update);

  info.sid = (gchar *) "PA_bob";
  info.identity = (gchar *) "bob";
  info.state = LIVEKIT__PARTICIPANT_INFO__STATE__DISCONNECTED;
  info.version = 9;
  update.participants = infos;
  update.n_participants = 1;
  say (f, &response);
}

static void
say_room_update (Fixture * f)
{
  Livekit__Room room = LIVEKIT__ROOM__INIT;
  Livekit__RoomUpdate room_update = LIVEKIT__ROOM_UPDATE__INIT;
  RESPONSE (response, ROOM_UPDATE, room_update);

  room.metadata = (gchar *) "meta";
  room.num_participants = 5;
  room_update.room = &room;
  say (f, &response);
}

static void
say_empty_room_update (Fixture * f)
{
  Livekit__RoomUpdate room_update = LIVEKIT__ROOM_UPDATE__INIT;
  RESPONSE (response, ROOM_UPDATE, room_update);

  say (f, &response);
}

static void
say_published_without_track (Fixture * f)
{
  Livekit__TrackPublishedResponse track_published = LIVEKIT__TRACK_PUBLISHED_RESPONSE__INIT;
  RESPONSE (response, TRACK_PUBLISHED, track_published);

  say (f, &response);
}

static void
say_empty_move (Fixture * f)
{
  Livekit__RoomMovedResponse room_moved = LIVEKIT__ROOM_MOVED_RESPONSE__INIT;
  RESPONSE (response, ROOM_MOVED, room_moved);

  say (f, &response);
}

static void
say_refused_mute (Fixture * f)
{
  Livekit__RequestResponse request_response = LIVEKIT__REQUEST_RESPONSE__INIT;
  Livekit__MuteTrackRequest mute = LIVEKIT__MUTE_TRACK_REQUEST__INIT;
  RESPONSE (response, REQUEST_RESPONSE, request_response);

  request_response.request_case = LIVEKIT__REQUEST_RESPONSE__REQUEST_MUTE;
  request_response.mute = &mute;
  request_response.reason = LIVEKIT__REQUEST_RESPONSE__REASON__NOT_FOUND;
  say (f, &response);
}

static void
say_unknown (Fixture * f)
{
  Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;

  say (f, &response);
}

static void
say_any_answer (Fixture * f)
{
  say_answer (f, "sdp", 0);
}

static void
say_any_offer (Fixture * f)
{
  say_offer (f, "sdp", 9);
}

static void
say_any_token (Fixture * f)
{
  g_autofree gchar *token = mint_token ("lab", f->now_s, 3600);

  say_refresh_token (f, token);
}

static const struct
{
  Body say;
  const gchar *line, *second;   /* NULL = nothing */
} messages[] = {
  {say_any_answer, "answer sdp 0 mids=0", NULL},
  {say_any_offer, "offer sdp 9 mids=1", NULL},
  {say_trickle, "candidate 1 candidate:1", NULL},
  {say_bad_trickle, NULL, NULL},
  {say_mute, "mute TR_1 1", NULL},
  {say_speakers, "speakers n=1 PA_bob", NULL},
  {say_connection_quality, "connection PA_bob good", NULL},
  {say_stream_state, "paused TR_bob 1", NULL},
  {say_permission, "allowed TR_bob 0", NULL},
  {say_subscription_error, "subscription-failed TR_bob: no common codec", NULL},
  {say_track_subscribed, "subscribed TR_1", NULL},
  {say_sections, "sections 3 200", NULL},
  {say_quality, "quality TR_1 n=16 h264 001", NULL},
  {say_old_quality, "quality TR_1 n=1  100", NULL},
  {say_update, "-TR_bob", "-bob"},
  {say_room_update, "room RM_1 meta n=5", NULL},
  {say_empty_room_update, NULL, NULL},
  {say_published_without_track, NULL, NULL},
  {say_empty_move, "-TR_bob", "-bob"},
  {say_refused_mute, NULL, NULL},
  {say_unknown, NULL, NULL},
  {say_join, NULL, NULL},       /* in a session */
  {say_reconnect, NULL, NULL},
  {say_any_token, "token", NULL},
};

static void
message_is_passed_on (Fixture * f)
{
  reach_steady (f);
  messages[body_index].say (f);
  if (messages[body_index].line != NULL)
    expect (f, messages[body_index].line);
  if (messages[body_index].second != NULL)
    expect (f, messages[body_index].second);
  expect_nothing (f);
  leave_politely (f);
}

GST_START_TEST (test_messages)
{
  body_index = __i__;
  run (message_is_passed_on);
}

GST_END_TEST;

static void
commands_are_sent (Fixture * f)
{
  const LkTrackSettings settings = { FALSE, 7, 640, 360, 15 };
  g_autoptr (GHashTable) attributes = g_hash_table_new (g_str_hash, g_str_equal);
  const gchar *sids[] = { "TR_a", "TR_b" };

  reach_steady (f);
  lk_room_set_track_muted_in_loop (f->room, "TR_1", TRUE);
  fail_unless (SENT (0, MUTE)->mute->muted);
  lk_room_update_video_track_in_loop (f->room, "TR_1", 320, 240);
  fail_unless_equals_int (SENT (1, UPDATE_VIDEO_TRACK)->update_video_track->height, 240);
  lk_room_subscribe_in_loop (f->room, sids, 2, TRUE);
  fail_unless_equals_string (SENT (2, SUBSCRIPTION)->subscription->track_sids[1], "TR_b");
  fail_unless (SENT (2, SUBSCRIPTION)->subscription->subscribe);
  lk_room_subscribe_in_loop (f->room, sids, 1, FALSE);
  fail_if (SENT (3, SUBSCRIPTION)->subscription->subscribe);
  lk_room_set_track_settings_in_loop (f->room, "TR_a", &settings);
  fail_unless_equals_int (SENT (4, TRACK_SETTING)->track_setting->quality, LIVEKIT__VIDEO_QUALITY__HIGH);
  fail_unless_equals_int (SENT (4, TRACK_SETTING)->track_setting->fps, 15);
  lk_room_send_candidate_in_loop (f->room, LK_TARGET_SUBSCRIBER, "candidate:7", "1", 1);
  fail_unless_equals_int (SENT (5, TRICKLE)->trickle->target, LIVEKIT__SIGNAL_TARGET__SUBSCRIBER);
  fail_unless (strstr (SENT (5, TRICKLE)->trickle->candidateinit, "candidate:7") != NULL);
  lk_room_send_answer_in_loop (f->room, "sdp", 12);
  fail_unless_equals_int (SENT (6, ANSWER)->answer->id, 12);
  fail_unless_equals_string (SENT (6, ANSWER)->answer->type, "answer");
  g_hash_table_insert (attributes, (gchar *) "k", (gchar *) "v");
  lk_room_update_participant_in_loop (f->room, "New", NULL, attributes);
  fail_unless_equals_string (SENT (7, UPDATE_METADATA)->update_metadata->name, "New");
  fail_unless_equals_string (SENT (7, UPDATE_METADATA)->update_metadata->metadata, "");
  fail_unless_equals_string (SENT (7, UPDATE_METADATA)->update_metadata->attributes[0]->key, "k");
  fail_unless_equals_int (n_sent (f), 8);
  leave_politely (f);
}

GST_START_TEST (test_commands)
{
  run (commands_are_sent);
}

GST_END_TEST;

/* ------------------------------------------------------------------------------------------------------------------ */
/* Every command and every event in every state */

static void
be_idle (Fixture * f)
{
}

static void
reach_fetching (Fixture * f)
{
  start_join (f);
  advance (f, 0);
}

static void
reach_leaving (Fixture * f)
{
  reach_steady (f);
  lk_room_leave_in_loop (f->room);
}

static void
reach_closed (Fixture * f)
{
  reach_leaving (f);
  advance (f, 500);
}

static const Body ways_to_states[] = {
  [LK_ROOM_IDLE] = be_idle,
  [LK_ROOM_FETCHING_TOKEN] = reach_fetching,
  [LK_ROOM_CONNECTING] = reach_connecting,
  [LK_ROOM_JOINED] = reach_steady,
  [LK_ROOM_RESUMING] = reach_resuming,
  [LK_ROOM_REJOINING] = reach_rejoining,
  [LK_ROOM_LEAVING] = reach_leaving,
  [LK_ROOM_CLOSED] = reach_closed,
};

#define STATE(name) (1u << LK_ROOM_ ## name)

/* Where each state may lead in one step; to itself always. LEAVING may be followed by CLOSED within one event. */
static const guint next_states[] = {
  [LK_ROOM_IDLE] = STATE (FETCHING_TOKEN) | STATE (LEAVING),
  [LK_ROOM_FETCHING_TOKEN] = STATE (CONNECTING) | STATE (LEAVING) | STATE (CLOSED),
  [LK_ROOM_CONNECTING] = STATE (JOINED) | STATE (LEAVING) | STATE (CLOSED),
  /* back to CONNECTING when the transport never was up: the first join goes on */
  [LK_ROOM_JOINED] = STATE (CONNECTING) | STATE (RESUMING) | STATE (REJOINING) | STATE (LEAVING),
  [LK_ROOM_RESUMING] = STATE (JOINED) | STATE (REJOINING) | STATE (LEAVING),
  [LK_ROOM_REJOINING] = STATE (JOINED) | STATE (LEAVING),
  [LK_ROOM_LEAVING] = STATE (CLOSED),
  [LK_ROOM_CLOSED] = 0,
};

static void
do_join (Fixture * f)
{
  lk_room_join_in_loop (f->room, &f->settings);
}

static void
do_leave (Fixture * f)
{
  lk_room_leave_in_loop (f->room);
}

static void
do_set_timeout (Fixture * f)
{
  lk_room_set_reconnect_timeout_in_loop (f->room, 100000);
}

static void
do_transport_up (Fixture * f)
{
  lk_room_transport_up_in_loop (f->room);
}

static void
do_transport_lost (Fixture * f)
{
  lk_room_transport_lost_in_loop (f->room, LK_TARGET_PUBLISHER);
}

static void
do_transport_failed (Fixture * f)
{
  lk_room_transport_failed_in_loop (f->room, "why");
}

static void
do_offer (Fixture * f)
{
  lk_room_send_offer_in_loop (f->room, "sdp", 1);
}

static void
do_answer (Fixture * f)
{
  lk_room_send_answer_in_loop (f->room, "sdp", 1);
}

static void
do_candidate (Fixture * f)
{
  lk_room_send_candidate_in_loop (f->room, LK_TARGET_PUBLISHER, "candidate:1", NULL, 0);
}

static void
do_publish (Fixture * f)
{
  publish (f, "cid");
}

static void
do_unpublish (Fixture * f)
{
  lk_room_unpublish_in_loop (f->room, "cid");
}

static void
do_mute (Fixture * f)
{
  lk_room_set_track_muted_in_loop (f->room, "TR_1", TRUE);
}

static void
do_update_video (Fixture * f)
{
  lk_room_update_video_track_in_loop (f->room, "TR_1", 1, 2);
}

static void
do_subscribe (Fixture * f)
{
  subscribe (f, "TR_bob", TRUE);
}

static void
do_unsubscribe (Fixture * f)
{
  subscribe (f, "TR_bob", FALSE);
}

static void
do_track_settings (Fixture * f)
{
  LkTrackSettings settings = { TRUE, 0, 0, 0, 0 };

  lk_room_set_track_settings_in_loop (f->room, "TR_bob", &settings);
}

static void
do_update_participant (Fixture * f)
{
  lk_room_update_participant_in_loop (f->room, "name", "metadata", NULL);
}

static void
do_opened_v0 (Fixture * f)
{
  say_open (f, FALSE);
}

static void
do_closed_connect (Fixture * f)
{
  say_closed (f, LK_ERROR_CONNECT, 0);
}

static void
do_closed_unauthorized (Fixture * f)
{
  say_closed (f, LK_ERROR_UNAUTHORIZED, 401);
}

static void
do_closed_tls (Fixture * f)
{
  say_closed (f, LK_ERROR_TLS, 0);
}

static void
do_closed_without_reason (Fixture * f)
{
  f->client->delegate.closed ((LkSignalClient *) f->client, NULL, f->client->data);
}

static void
do_leave_for_good (Fixture * f)
{
  say_leave (f, DISCONNECT, REASON (DUPLICATE_IDENTITY));
}

static void
do_leave_shutdown (Fixture * f)
{
  say_leave (f, DISCONNECT, REASON (SERVER_SHUTDOWN));
}

static void
do_leave_resume (Fixture * f)
{
  say_leave (f, RESUME, REASON (CONNECTION_TIMEOUT));
}

static void
do_leave_reconnect (Fixture * f)
{
  say_leave (f, RECONNECT, REASON (STATE_MISMATCH));
}

static void
do_published (Fixture * f)
{
  say_published (f, "cid", "TR_1");
}

static void
do_refused_track (Fixture * f)
{
  say_refused_track (f, "cid", LIVEKIT__REQUEST_RESPONSE__REASON__NOT_ALLOWED);
}

static void
do_token_arrives (Fixture * f)
{
  if (f->room->fetch != NULL)
    settle (f);
}

static void
do_wait_a_little (Fixture * f)
{
  advance (f, 500);
}

static void
do_wait_long (Fixture * f)
{
  advance (f, 30000);
}

/* The first few come also after each other event. */
static const Body commands[] = { do_join, do_leave, do_transport_up, do_transport_failed, do_publish, do_token_arrives,
  do_wait_a_little, do_wait_long, do_set_timeout, do_transport_lost, do_offer, do_answer, do_candidate, do_unpublish,
  do_mute, do_update_video, do_subscribe, do_unsubscribe, do_track_settings, do_update_participant
};

#define N_COMMANDS_TWICE 8

/* Of the client: only where there is one. */
static const Body client_events[] = { say_join, say_reconnect, do_closed_connect, do_closed_unauthorized,
  do_leave_for_good, do_leave_resume, do_leave_reconnect, do_opened_v0, do_closed_tls, do_closed_without_reason,
  do_leave_shutdown, do_published, do_refused_track
};

#define N_CLIENT_EVENTS_TWICE 7

static void
check_step (Fixture * f, LkRoomState before)
{
  LkRoomState now = lk_room_get_state (f->room);

  fail_unless (now == before || (next_states[before] & (1u << now)) != 0, "%s -> %s", lk_room_state_name (before),
      lk_room_state_name (now));
}

/* However it got there, a room can be left, and that ends it. */
static void
end_quietly (Fixture * f)
{
  f->keeps_quiet = TRUE;
  g_queue_clear_full (&f->lines, g_free);
  if (lk_room_get_state (f->room) != LK_ROOM_CLOSED) {
    lk_room_leave_in_loop (f->room);
    fail_unless (lk_room_get_state (f->room) == LK_ROOM_LEAVING || lk_room_get_state (f->room) == LK_ROOM_CLOSED);
    advance (f, 500);
  }
  fail_unless_equals_int (lk_room_get_state (f->room), LK_ROOM_CLOSED);
  f->keeps_quiet = FALSE;
}

static void
start_over (Fixture * f)
{
  end_quietly (f);
  free_room (f);
  new_room (f);
}

static void
check_event (Fixture * f, Body event)
{
  LkRoomState before = lk_room_get_state (f->room);

  g_queue_clear_full (&f->lines, g_free);
  event (f);
  /* 30 s are many steps */
  if (event != do_wait_long)
    check_step (f, before);
}

static void
visit (Fixture * f, Body first, gboolean first_needs_client, Body second, gboolean second_needs_client)
{
  ways_to_states[body_index] (f);
  fail_unless_equals_int (lk_room_get_state (f->room), body_index);
  if (!first_needs_client || f->client != NULL)
    check_event (f, first);
  if (!second_needs_client || f->client != NULL)
    check_event (f, second);
  start_over (f);
}

static void
visit_with_each_second (Fixture * f, Body event, gboolean needs_client)
{
  for (guint i = 0; i < N_COMMANDS_TWICE; i++)
    visit (f, event, needs_client, commands[i], FALSE);
  for (guint i = 0; i < N_CLIENT_EVENTS_TWICE; i++)
    visit (f, event, needs_client, client_events[i], TRUE);
}

/* Each event after the way to each state, and a second one after that. */
static void
every_event_in_every_state (Fixture * f)
{
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    visit_with_each_second (f, commands[i], FALSE);
  for (guint i = 0; i < G_N_ELEMENTS (client_events); i++)
    visit_with_each_second (f, client_events[i], TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (messages); i++)
    visit_with_each_second (f, messages[i].say, TRUE);
  end_quietly (f);
}

GST_START_TEST (test_every_event_in_every_state)
{
  body_index = __i__;
  run (every_event_in_every_state);
}

GST_END_TEST;

/* Every command has its answer: a callback, a request, or a state in which its time is still to come or is over. */
static void
every_command_is_answered (Fixture * f)
{
  static const gchar *const publish_answers[] = {
    [LK_ROOM_IDLE] = "publish-failed cid: cancelled",
    [LK_ROOM_LEAVING] = "publish-failed cid: cancelled",
    [LK_ROOM_CLOSED] = NULL,
  };
  static const gchar *const join_answers[] = {
    [LK_ROOM_IDLE] = "fetching-token #1 in 0",
    [LK_ROOM_FETCHING_TOKEN] = "fetching-token: settings",
    [LK_ROOM_CONNECTING] = "connecting: settings",
    [LK_ROOM_JOINED] = "joined: settings",
    [LK_ROOM_RESUMING] = "resuming: settings",
    [LK_ROOM_REJOINING] = "rejoining: settings",
    [LK_ROOM_LEAVING] = "leaving: settings",
    [LK_ROOM_CLOSED] = NULL,
  };

  ways_to_states[body_index] (f);
  g_queue_clear_full (&f->lines, g_free);
  if ((guint) body_index < G_N_ELEMENTS (publish_answers)) {
    publish (f, "cid");
    if (publish_answers[body_index] != NULL)
      expect (f, publish_answers[body_index]);
    expect_nothing (f);
  }
  do_join (f);
  if (join_answers[body_index] != NULL)
    expect (f, join_answers[body_index]);
  expect_nothing (f);
  end_quietly (f);
}

GST_START_TEST (test_every_command_is_answered)
{
  body_index = __i__;
  run (every_command_is_answered);
}

GST_END_TEST;

/* ------------------------------------------------------------------------------------------------------------------ */
/* Leaving from inside each callback of a long story */

static void
tell_story (Fixture * f)
{
  lk_room_join_in_loop (f->room, &f->settings);
  advance (f, 0);
  if (f->room->fetch != NULL)
    settle (f);
  advance (f, 0);
  for (guint i = 0; i < 3 && f->client != NULL; i++) {
    if (!f->client->is_closing)
      say_open (f, TRUE);
    if (f->client->reconnect)
      say_reconnect (f);
    else
      say_join (f);
    lk_room_transport_up_in_loop (f->room);
    publish (f, "cid");
    for (guint k = 0; k < G_N_ELEMENTS (messages) && f->client != NULL; k++)
      messages[k].say (f);
    if (f->client != NULL)
      say_published (f, "cid", "TR_1");
    if (f->client != NULL && i == 0)
      say_closed (f, LK_ERROR_CONNECT, 0);
    else if (f->client != NULL)
      say_leave (f, RECONNECT, REASON (STATE_MISMATCH));
    advance (f, 400);
  }
}

static void
leave_from_every_callback (Fixture * f)
{
  guint n_callbacks;

  f->keeps_quiet = TRUE;
  tell_story (f);
  n_callbacks = f->n_callbacks;
  fail_unless (n_callbacks > 40, "%u", n_callbacks);
  for (guint i = 1; i <= n_callbacks; i++) {
    start_over (f);
    f->keeps_quiet = TRUE;
    f->leave_at = i;
    tell_story (f);
    advance (f, 500);
    fail_unless_equals_int (lk_room_get_state (f->room), LK_ROOM_CLOSED);
    f->leave_at = 0;
  }
  f->keeps_quiet = FALSE;
}

GST_START_TEST (test_leave_from_every_callback)
{
  run (leave_from_every_callback);
}

GST_END_TEST;

/* ------------------------------------------------------------------------------------------------------------------ */
/* With the real client, against the fake server */

typedef struct
{
  LkLoop *loop;
  LkRoom *room;
  FakeServer *server;
  LkRoomSettings settings;
  GAsyncQueue *lines;
  gchar *token;
  GMutex lock;
  GString *log;
} Rig;

static void
rig_log (LkLogLevel level, const gchar * file, const gchar * function, gint line_number, const gchar * object,
    const gchar * line, gpointer data)
{
  Rig *rig = data;

  g_mutex_lock (&rig->lock);
  g_string_append_printf (rig->log, "%s: %s\n", object, line);
  g_mutex_unlock (&rig->lock);
}

static void
rig_state_changed (LkRoom * room, LkRoomState state, const GError * error, guint attempt, guint next_try_ms,
    gpointer data)
{
  Rig *rig = data;

  g_async_queue_push (rig->lines, g_strdup_printf ("%s%s%s", lk_room_state_name (state), error != NULL ? ": " : "",
          error != NULL ? lk_error_reason ((LkError) error->code) : ""));
}

/* The transport of these tests is always up at once. */
static void
rig_joined (LkRoom * room, const LkJoinInfo * info, gpointer data)
{
  Rig *rig = data;

  lk_room_transport_up_in_loop (room);
  g_async_queue_push (rig->lines, g_strdup (info->is_single_peer ? "in by v1" : "in by v0"));
}

static void
rig_resumed (LkRoom * room, const LkIceServer * ice_servers, guint n_ice_servers, gpointer data)
{
  Rig *rig = data;

  g_async_queue_push (rig->lines, g_strdup ("resumed"));
}

static void
rig_track_published (LkRoom * room, const gchar * cid, const LkPublication * publication, gpointer data)
{
  Rig *rig = data;

  g_async_queue_push (rig->lines, g_strdup_printf ("published %s", cid));
}

static const LkRoomDelegate rig_delegate = {
  .state_changed = rig_state_changed,
  .joined = rig_joined,
  .resumed = rig_resumed,
  .track_published = rig_track_published,
};

static void
rig_do_join (gpointer data)
{
  Rig *rig = data;

  lk_room_join_in_loop (rig->room, &rig->settings);
}

static void
rig_do_leave (gpointer data)
{
  Rig *rig = data;

  lk_room_leave_in_loop (rig->room);
}

static void
rig_do_publish (gpointer data)
{
  Rig *rig = data;
  LkPublishRequest request = { NULL, };

  request.cid = "cid";
  request.mime_type = "audio/opus";
  request.kind = LK_TRACK_AUDIO;
  lk_room_publish_in_loop (rig->room, &request);
}

static Rig *
rig_new (void)
{
  Rig *rig = g_new0 (Rig, 1);

  g_mutex_init (&rig->lock);
  rig->log = g_string_new (NULL);
  lk_log_set_sink (rig_log, rig);
  lk_log_set_max_level (LK_LOG_TRACE);
  rig->server = fake_server_new ();
  rig->lines = g_async_queue_new_full (g_free);
  rig->token = mint_token ("lab", g_get_real_time () / G_USEC_PER_SEC, 600);
  rig->settings.server_url = fake_server_get_url (rig->server);
  rig->settings.token_source = lk_token_source_new_literal (rig->token);
  rig->settings.client_version = "1.2.3";
  rig->settings.join_timeout_ms = WAIT_MS;
  rig->loop = lk_loop_new ("test-rig");
  lk_loop_start (rig->loop);
  rig->room = lk_room_new (rig->loop, &rig_delegate, rig);
  return rig;
}

/* @line, after others maybe. */
static void
rig_wait (Rig * rig, const gchar * line)
{
  gint64 deadline = g_get_monotonic_time () + WAIT_MS * 1000;
  gboolean is_found = FALSE;

  while (!is_found) {
    g_autofree gchar *told = g_async_queue_timeout_pop (rig->lines, (guint64) MAX (deadline - g_get_monotonic_time (), 1));

    fail_unless (told != NULL, "not told: %s\n%s", line, rig->log->str);
    is_found = g_str_equal (told, line);
    fail_if (!is_found && g_str_has_prefix (told, "closed"), "%s before %s", told, line);
  }
}

/* CLOSED is the end: nothing comes after it. */
static void
rig_free (Rig * rig)
{
  lk_loop_stop (rig->loop);
  fail_unless_equals_int (g_async_queue_length (rig->lines), 0);
  lk_room_free (rig->room);
  lk_loop_unref (rig->loop);
  lk_log_set_sink (NULL, NULL);
  fail_if (strstr (rig->log->str, rig->token) != NULL, "the token is in the log");
  fail_if (strstr (rig->log->str, strrchr (rig->token, '.')) != NULL, "the token's signature is in the log");
  fake_server_free (rig->server);
  lk_token_source_unref (rig->settings.token_source);
  g_async_queue_unref (rig->lines);
  g_string_free (rig->log, TRUE);
  g_mutex_clear (&rig->lock);
  g_free (rig->token);
  g_free (rig);
}

static void
rig_join (Rig * rig)
{
  lk_loop_post (rig->loop, rig_do_join, rig, NULL);
}

static void
rig_leave (Rig * rig)
{
  lk_loop_post (rig->loop, rig_do_leave, rig, NULL);
  rig_wait (rig, "closed");
}

GST_START_TEST (test_real_join_and_leave)
{
  Rig *rig = rig_new ();

  rig_join (rig);
  rig_wait (rig, "in by v1");
  rig_leave (rig);
  fail_unless (fake_server_wait_leaves (rig->server, 1, WAIT_MS));
  fail_unless (fake_server_wait_clients (rig->server, 0, WAIT_MS));
  rig_free (rig);
}

GST_END_TEST;

GST_START_TEST (test_real_resume)
{
  Rig *rig = rig_new ();

  if (__i__ == 1)
    fake_server_without_v1 (rig->server);
  rig_join (rig);
  rig_wait (rig, __i__ == 1 ? "in by v0" : "in by v1");
  lk_loop_post (rig->loop, rig_do_publish, rig, NULL);
  rig_wait (rig, "published cid");
  fake_server_drop (rig->server);
  rig_wait (rig, "resuming: connect");
  rig_wait (rig, "resumed");
  fail_unless (fake_server_wait_request (rig->server, LIVEKIT__SIGNAL_REQUEST__MESSAGE_SYNC_STATE, WAIT_MS));
  fail_unless_equals_int (fake_server_last_request (rig->server,
          LIVEKIT__SIGNAL_REQUEST__MESSAGE_SYNC_STATE)->sync_state->n_publish_tracks, 1);
  fail_unless_equals_int (fake_server_n_validates (rig->server), __i__ == 1 ? 1 : 0);
  rig_leave (rig);
  rig_free (rig);
}

GST_END_TEST;

GST_START_TEST (test_real_server_restart)
{
  Rig *rig = rig_new ();

  rig_join (rig);
  rig_wait (rig, "in by v1");
  fake_server_refuse_resumes (rig->server, TRUE);
  fake_server_go_down (rig->server);
  rig_wait (rig, "resuming: connect");
  rig_wait (rig, "resuming: connect");
  fake_server_come_back (rig->server);
  rig_wait (rig, "rejoining: disconnected");
  rig_wait (rig, "in by v1");
  rig_leave (rig);
  rig_free (rig);
}

GST_END_TEST;

GST_START_TEST (test_real_refusal)
{
  Rig *rig = rig_new ();
  gchar *line;

  fake_server_refuse_join (rig->server, 401, "invalid API key");
  rig_join (rig);
  do {
    line = g_async_queue_timeout_pop (rig->lines, (guint64) WAIT_MS * 1000);
    fail_unless (line != NULL);
    if (g_str_has_prefix (line, "closed"))
      break;
    g_free (line);
  } while (TRUE);
  fail_unless_equals_string (line, "closed: unauthorized");
  fail_unless_equals_int (fake_server_n_joins (rig->server), 1);
  g_free (line);
  rig_free (rig);
}

GST_END_TEST;

/* The connection ends after the n-th message, in one of four ways; the room comes back, and can be left. */
GST_START_TEST (test_real_fault_after_each_message)
{
  for (guint n = 1; n <= 10; n++) {
    Rig *rig = rig_new ();

    fake_server_set_ping (rig->server, 1, 1);
    fake_server_close_after (rig->server, n, (FakeClose) __i__);
    rig_join (rig);
    rig_wait (rig, "in by v1");
    for (guint i = 0; i < n; i++)
      fake_server_push_refresh_token (rig->server, rig->token);
    rig_wait (rig, "joined");   /* once more */
    fail_unless_equals_int (fake_server_n_joins (rig->server) + fake_server_n_resumes (rig->server), 2);
    rig_leave (rig);
    rig_free (rig);
  }
}

GST_END_TEST;

static Suite *
room_suite (void)
{
  Suite *s = suite_create ("lkroom");
  TCase *tc = tcase_create ("join");

  suite_add_tcase (s, tc);
  tcase_set_timeout (tc, 60);
  tcase_add_test (tc, test_joins_and_leaves);
  tcase_add_test (tc, test_tries_the_first_join_again);
  tcase_add_loop_test (tc, test_joining, 0, G_N_ELEMENTS (join_bodies));
  tcase_add_loop_test (tc, test_final_errors_of_joining, 0, G_N_ELEMENTS (final_errors));
  tcase_add_loop_test (tc, test_tokens_are_checked_here, 0, G_N_ELEMENTS (tokens));
  tcase_add_loop_test (tc, test_tokens_that_cannot_work, 0, G_N_ELEMENTS (token_bodies));
  tcase_add_test (tc, test_participant_of_the_settings);

  tc = tcase_create ("reconnect");
  suite_add_tcase (s, tc);
  tcase_set_timeout (tc, 60);
  tcase_add_loop_test (tc, test_resuming, 0, G_N_ELEMENTS (resume_bodies));
  tcase_add_loop_test (tc, test_transport_and_time, 0, G_N_ELEMENTS (time_bodies));
  tcase_add_loop_test (tc, test_told_to_leave, 0, G_N_ELEMENTS (leaves));
  tcase_add_loop_test (tc, test_leave_closes, 0, G_N_ELEMENTS (leave_bodies));
  tcase_add_loop_test (tc, test_tokens_in_a_session, 0, G_N_ELEMENTS (session_token_bodies));

  tc = tcase_create ("session");
  suite_add_tcase (s, tc);
  tcase_set_timeout (tc, 60);
  tcase_add_loop_test (tc, test_publishing, 0, G_N_ELEMENTS (publish_bodies));
  tcase_add_loop_test (tc, test_messages, 0, G_N_ELEMENTS (messages));
  tcase_add_test (tc, test_commands);

  tc = tcase_create ("states");
  suite_add_tcase (s, tc);
  tcase_set_timeout (tc, 300);
  tcase_add_loop_test (tc, test_every_event_in_every_state, LK_ROOM_IDLE, LK_ROOM_CLOSED + 1);
  tcase_add_loop_test (tc, test_every_command_is_answered, LK_ROOM_IDLE, LK_ROOM_CLOSED + 1);
  tcase_add_test (tc, test_leave_from_every_callback);

  tc = tcase_create ("real");
  suite_add_tcase (s, tc);
  tcase_set_timeout (tc, 120);
  tcase_add_test (tc, test_real_join_and_leave);
  tcase_add_loop_test (tc, test_real_resume, 0, 2);
  tcase_add_test (tc, test_real_server_restart);
  tcase_add_test (tc, test_real_refusal);
  tcase_add_loop_test (tc, test_real_fault_after_each_message, FAKE_CLOSE_FRAME, FAKE_CLOSE_SILENCE + 1);
  return s;
}

GST_CHECK_MAIN (room);
