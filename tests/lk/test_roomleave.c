/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkroom: told to leave, for each reason and action; to go elsewhere; to come back later. */
#include <gst/check/gstcheck.h>

#include "fakeserver.h"
#include "roomworld.h"

static guint row;               /* of the loop test that runs */

/* ------------------------------------------------------------------------------------------------------------------ */
/* Each reason with each action */

/* What "disconnect" is for the reason: the end, or a fault of the server that passes. The other actions say what to do
 * whatever the reason is. */
static const struct
{
  Livekit__DisconnectReason reason;
  const gchar *word;
  gboolean is_final;
} reasons[] = {
  {REASON (UNKNOWN_REASON), "disconnected", FALSE},
  {REASON (CLIENT_INITIATED), "disconnected", TRUE},
  {REASON (DUPLICATE_IDENTITY), "duplicate-identity", TRUE},
  {REASON (SERVER_SHUTDOWN), "server-shutdown", FALSE},
  {REASON (PARTICIPANT_REMOVED), "removed", TRUE},
  {REASON (ROOM_DELETED), "room-deleted", TRUE},
  {REASON (STATE_MISMATCH), "disconnected", FALSE},
  {REASON (JOIN_FAILURE), "disconnected", FALSE},
  {REASON (MIGRATION), "disconnected", FALSE},
  {REASON (SIGNAL_CLOSE), "disconnected", FALSE},
  {REASON (ROOM_CLOSED), "room-closed", TRUE},
  {REASON (USER_UNAVAILABLE), "disconnected", TRUE},
  {REASON (USER_REJECTED), "disconnected", TRUE},
  {REASON (SIP_TRUNK_FAILURE), "disconnected", TRUE},
  {REASON (CONNECTION_TIMEOUT), "disconnected", FALSE},
  {REASON (MEDIA_FAILURE), "disconnected", TRUE},
  {REASON (AGENT_ERROR), "disconnected", TRUE},
  /* of a newer server */
  {(Livekit__DisconnectReason) 99, "disconnected", TRUE},
};

static const Livekit__LeaveRequest__Action actions[] = { DISCONNECT, RESUME, RECONNECT,
  (Livekit__LeaveRequest__Action) 9
};

/* Expects the end, or that the room goes on with @next; returns whether it goes on. */
static gboolean
leave_for (RoomWorld * f, Livekit__LeaveRequest__Action action, guint reason, const gchar * next)
{
  gboolean is_end = action == DISCONNECT && reasons[reason].is_final;
  g_autofree gchar *line = g_strconcat (is_end ? "closed" : next, ": ", reasons[reason].word, NULL);

  say_leave (f, action, reasons[reason].reason);
  fail_unless (f->client == NULL);
  if (is_end)
    expect_end (f, line);
  else
    expect (f, line);
  return !is_end;
}

static void
leave_in_session (RoomWorld * f)
{
  Livekit__LeaveRequest__Action action = actions[row % G_N_ELEMENTS (actions)];

  reach_steady (f);
  if (!leave_for (f, action, row / G_N_ELEMENTS (actions), action == RESUME ? "resuming #1 in 0" : "rejoining #1 in 0"))
    return;
  advance (f, 0);
  fail_unless_equals_int (f->client->reconnect, action == RESUME);
  leave_at_once (f);
}

GST_START_TEST (test_told_to_leave)
{
  row = __i__;
  run (leave_in_session);
}

GST_END_TEST;

/* In place of the answer to a join, a resume, a rejoin: no end of the first kind is tried again, all others are. */
static void
leave_as_first_answer (RoomWorld * f)
{
  static const Body ways[] = { reach_connecting, reach_resuming, reach_rejoining };
  static const gchar *const next[] = { "connecting #2 in 300", "rejoining #1 in 0", "rejoining #2 in 300" };

  ways[row % G_N_ELEMENTS (ways)] (f);
  if (leave_for (f, DISCONNECT, row / G_N_ELEMENTS (ways), next[row % G_N_ELEMENTS (ways)]))
    leave_at_once (f);
}

GST_START_TEST (test_leave_as_first_answer)
{
  row = __i__;
  run (leave_as_first_answer);
}

GST_END_TEST;

/* ------------------------------------------------------------------------------------------------------------------ */
/* Regions */

#define CLOUD "wss://lab.livekit.cloud"

static void
say_leave_to (RoomWorld * f, Livekit__LeaveRequest__Action action, const gchar * const *urls, gsize n_urls)
{
  Livekit__LeaveRequest leave = LIVEKIT__LEAVE_REQUEST__INIT;
  Livekit__RegionSettings settings = LIVEKIT__REGION_SETTINGS__INIT;
  g_autofree Livekit__RegionInfo *infos = g_new0 (Livekit__RegionInfo, n_urls);
  g_autofree Livekit__RegionInfo **pointers = g_new0 (Livekit__RegionInfo *, n_urls);
  RESPONSE (response, LEAVE, leave);

  for (gsize i = 0; i < n_urls; i++) {
    livekit__region_info__init (&infos[i]);
    infos[i].url = (gchar *) urls[i];
    pointers[i] = &infos[i];
  }
  settings.regions = pointers;
  settings.n_regions = n_urls;
  leave.action = action;
  leave.reason = REASON (SERVER_SHUTDOWN);
  leave.regions = &settings;
  say (f, &response);
}

static void
send_elsewhere (RoomWorld * f, const gchar * const *urls, gsize n_urls)
{
  say_leave_to (f, RECONNECT, urls, n_urls);
  expect (f, "rejoining #1 in 0: server-shutdown");
}

static void
regions_are_tried_in_order (RoomWorld * f)
{
  static const gchar *const urls[] = { "wss://eu.lab.livekit.cloud", "wss://us.lab.livekit.run" };

  f->settings.server_url = CLOUD;
  reach_steady (f);
  send_elsewhere (f, urls, G_N_ELEMENTS (urls));
  advance (f, 0);
  fail_unless_equals_string (f->client->server_url, urls[0]);
  /* what ends a join elsewhere is a fault of one region */
  say_closed (f, LK_ERROR_TLS, 0);
  expect (f, "rejoining #2 in 300: tls");
  advance (f, 300);
  fail_unless_equals_string (f->client->server_url, urls[1]);
  say_closed (f, LK_ERROR_CONNECT, 0);
  expect (f, "rejoining #3 in 600: connect");
  advance (f, 600);
  fail_unless_equals_string (f->client->server_url, CLOUD);
  say_closed (f, LK_ERROR_CONNECT, 0);
  expect (f, "rejoining #4 in 1000: connect");
  advance (f, 1000);
  fail_unless_equals_string (f->client->server_url, CLOUD);
  say_closed (f, LK_ERROR_TLS, 0);
  expect_end (f, "closed: tls");
}

/* The session is resumed where it is; lost there for good, the server of the settings is asked. */
static void
region_holds_a_session (RoomWorld * f)
{
  static const gchar *const urls[] = { "wss://eu.lab.livekit.cloud" };

  f->settings.server_url = CLOUD;
  reach_steady (f);
  say_leave_to (f, DISCONNECT, urls, G_N_ELEMENTS (urls));
  expect (f, "rejoining #1 in 0: server-shutdown");
  advance (f, 0);
  join_on (f, TRUE, TRUE);
  lk_room_transport_up_in_loop (f->room);
  advance (f, 1000);
  say_closed (f, LK_ERROR_CONNECT, 0);
  expect (f, "resuming #1 in 0: connect");
  advance (f, 0);
  fail_unless_equals_string (f->client->server_url, urls[0]);
  say_closed (f, LK_ERROR_CONNECT, 0);
  expect (f, "resuming #2 in 300: connect");
  advance (f, 300);
  fail_unless_equals_string (f->client->server_url, urls[0]);
  say_leave (f, RECONNECT, REASON (STATE_MISMATCH));
  expect (f, "rejoining #1 in 0: disconnected");
  advance (f, 0);
  fail_unless_equals_string (f->client->server_url, urls[0]);
  say_closed (f, LK_ERROR_CONNECT, 0);
  expect (f, "rejoining #2 in 300: connect");
  advance (f, 300);
  fail_unless_equals_string (f->client->server_url, CLOUD);
  leave_at_once (f);
}

/* A resume is asked of the same server; only when that does not work the regions count. */
static void
resume_comes_before_the_regions (RoomWorld * f)
{
  static const gchar *const urls[] = { "wss://eu.lab.livekit.cloud" };

  f->settings.server_url = CLOUD;
  reach_steady (f);
  say_leave_to (f, RESUME, urls, G_N_ELEMENTS (urls));
  expect (f, "resuming #1 in 0: server-shutdown");
  advance (f, 0);
  fail_unless_equals_string (f->client->server_url, CLOUD);
  say_leave (f, RECONNECT, REASON (STATE_MISMATCH));
  expect (f, "rejoining #1 in 0: disconnected");
  advance (f, 0);
  fail_unless_equals_string (f->client->server_url, urls[0]);
  leave_at_once (f);
}

/* The token goes to nobody but LiveKit Cloud, by TLS, and at most ten are tried. */
static void
other_hosts_are_no_regions (RoomWorld * f)
{
  static const gchar *const urls[] = { "wss://evil.example.com", "ws://eu.lab.livekit.cloud", "livekit.cloud",
    "wss://evil.com/x.livekit.cloud", "wss://evil.com#.livekit.cloud", "wss://evil.com%2f.livekit.cloud", "",
    "wss://lab.livekit.cloud@evil.com", "wss://evil.livekit.cloud.example.com", "wss://livekit.cloud.", "\n",
    "wss://r.livekit.cloud", "wss://r.livekit.cloud", "wss://r.livekit.cloud", "wss://r.livekit.cloud",
    "wss://r.livekit.cloud", "wss://r.livekit.cloud", "wss://r.livekit.cloud", "wss://r.livekit.cloud",
    "wss://r.livekit.cloud", "wss://r.livekit.cloud", "wss://r.livekit.cloud", "wss://r.livekit.cloud"
  };

  f->settings.server_url = CLOUD;
  reach_steady (f);
  send_elsewhere (f, urls, G_N_ELEMENTS (urls));
  f->keeps_quiet = TRUE;
  for (guint i = 0; i < 10; i++) {
    while (f->client == NULL)
      advance (f, 100);
    fail_unless_equals_string (f->client->server_url, "wss://r.livekit.cloud");
    say_closed (f, LK_ERROR_CONNECT, 0);
  }
  while (f->client == NULL)
    advance (f, 100);
  fail_unless_equals_string (f->client->server_url, CLOUD);
  f->keeps_quiet = FALSE;
  leave_at_once (f);
}

static void
other_servers_have_no_regions (RoomWorld * f)
{
  static const gchar *const urls[] = { "wss://eu.lab.livekit.cloud" };

  reach_steady (f);
  send_elsewhere (f, urls, G_N_ELEMENTS (urls));
  advance (f, 0);
  fail_unless_equals_string (f->client->server_url, "wss://example.com/lk");
  leave_at_once (f);
}

static void
no_regions_are_none (RoomWorld * f)
{
  f->settings.server_url = CLOUD;
  reach_steady (f);
  send_elsewhere (f, NULL, 0);
  advance (f, 0);
  fail_unless_equals_string (f->client->server_url, CLOUD);
  leave_at_once (f);
}

/* No region is to blame for it. */
static void
token_url_fails_on_the_way_to_a_region (RoomWorld * f)
{
  static const gchar *const urls[] = { "wss://eu.lab.livekit.cloud" };
  FakeRawServer *busy = fake_raw_server_new ("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", FALSE);
  g_autofree gchar *token_url = g_strdup_printf ("http://127.0.0.1:%u", fake_raw_server_get_port (busy));

  f->settings.server_url = CLOUD;
  reach_steady (f);
  send_elsewhere (f, urls, G_N_ELEMENTS (urls));
  lk_token_source_unref (f->room->token_source);
  f->room->token_source = lk_token_source_new_url (token_url, NULL, NULL);
  f->room->must_renew_token = TRUE;
  advance (f, 0);
  settle (f);
  expect (f, "rejoining #2 in 300: token-source");
  f->room->must_renew_token = FALSE;
  advance (f, 300);
  fail_unless_equals_string (f->client->server_url, urls[0]);
  leave_at_once (f);
  fake_raw_server_free (busy);
}

static const Body region_bodies[] = { regions_are_tried_in_order, region_holds_a_session,
  resume_comes_before_the_regions, other_hosts_are_no_regions, other_servers_have_no_regions, no_regions_are_none,
  token_url_fails_on_the_way_to_a_region
};

GST_START_TEST (test_regions)
{
  run (region_bodies[__i__]);
}

GST_END_TEST;

/* ------------------------------------------------------------------------------------------------------------------ */
/* Another room */

/* @stays: a participant and its track that were in the old room, too. */
static void
say_moved (RoomWorld * f, const gchar * token, gboolean stays)
{
  Livekit__RoomMovedResponse room_moved = LIVEKIT__ROOM_MOVED_RESPONSE__INIT;
  Livekit__Room room = LIVEKIT__ROOM__INIT;
  Livekit__ParticipantInfo me = LIVEKIT__PARTICIPANT_INFO__INIT, bob = LIVEKIT__PARTICIPANT_INFO__INIT;
  Livekit__ParticipantInfo *others[] = { &bob };
  Livekit__TrackInfo track = LIVEKIT__TRACK_INFO__INIT, *tracks[] = { &track };
  RESPONSE (response, ROOM_MOVED, room_moved);

  room.sid = (gchar *) "RM_2";
  room.name = (gchar *) "other";
  room.metadata = (gchar *) "meta";
  me.sid = (gchar *) "PA_me2";
  me.identity = (gchar *) "me";
  me.name = (gchar *) "Me";
  bob.sid = (gchar *) (stays ? "PA_bob" : "PA_eve");
  bob.identity = (gchar *) (stays ? "bob" : "eve");
  bob.state = LIVEKIT__PARTICIPANT_INFO__STATE__ACTIVE;
  track.sid = (gchar *) (stays ? "TR_bob" : "TR_eve");
  bob.tracks = tracks;
  bob.n_tracks = 1;
  room_moved.room = &room;
  room_moved.participant = &me;
  room_moved.other_participants = others;
  room_moved.n_other_participants = 1;
  room_moved.token = (gchar *) token;
  say (f, &response);
}

/* All of the old room goes, and @identity and its track come. */
static void
expect_move (RoomWorld * f, const gchar * identity)
{
  g_autofree gchar *participant = g_strconcat ("+", identity, NULL), *track = g_strconcat ("+TR_", identity, NULL);

  expect (f, "token");
  expect (f, "room RM_2 meta n=0");
  expect (f, "-TR_bob");
  expect (f, "-bob");
  expect (f, "local Me");
  expect (f, participant);
  expect (f, track);
}

static void
reach_published (RoomWorld * f)
{
  reach_joined (f);
  lk_room_transport_up_in_loop (f->room);
  publish (f, "cid-1");
  say_published (f, "cid-1", "TR_1");
  expect (f, "published cid-1 TR_1 me");
}

static void
moved_to_another_room (RoomWorld * f)
{
  g_autofree gchar *token = mint_token ("other", NOW_S, 600);

  reach_published (f);
  advance (f, 1000);
  subscribe (f, "TR_bob", TRUE);
  say_moved (f, token, FALSE);
  expect_move (f, "eve");
  fail_unless_equals_string (lk_roster_get_local (lk_room_get_roster (f->room))->sid, "PA_me2");
  say_closed (f, LK_ERROR_CONNECT, 0);
  expect (f, "resuming #1 in 0: connect");
  advance (f, 0);
  fail_unless_equals_string (f->client->token, token);
  fail_unless_equals_string (f->client->participant_sid, "PA_me2");
  resume_on (f);
  /* our tracks moved along, what was watched did not */
  fail_unless_equals_int (SENT (0, SYNC_STATE)->sync_state->n_publish_tracks, 1);
  fail_unless_equals_int (SENT (0, SYNC_STATE)->sync_state->subscription->n_track_sids, 0);
  leave_politely (f);
}

/* Nothing is subscribed in the new room, not even what looks the same. */
static void
who_moves_along_is_new (RoomWorld * f)
{
  g_autofree gchar *token = mint_token ("other", NOW_S, 600);

  reach_steady (f);
  subscribe (f, "TR_bob", TRUE);
  say_moved (f, token, TRUE);
  expect_move (f, "bob");
  fail_unless_equals_int (g_hash_table_size (f->room->wanted), 0);
  leave_politely (f);
}

/* A source that is asked again is asked for the new room. */
static void
source_is_asked_for_the_new_room (RoomWorld * f)
{
  g_autofree gchar *token = NULL;

  use_key (f);
  f->now_s = g_get_real_time () / G_USEC_PER_SEC;
  token = mint_token ("other", f->now_s, 600);
  reach_steady (f);
  f->keeps_quiet = TRUE;
  say_moved (f, token, FALSE);
  f->keeps_quiet = FALSE;
  say_leave (f, RECONNECT, REASON (STATE_MISMATCH));
  expect (f, "rejoining #1 in 0: disconnected");
  f->room->claims->expires_s = f->now_s - 1000;
  advance (f, 0);
  settle (f);
  fail_unless_equals_string (f->room->claims->room, "other");
  fail_unless_equals_string (f->room->claims->identity, "me");
  leave_at_once (f);
}

static void
moved_without_anything (RoomWorld * f)
{
  Livekit__RoomMovedResponse room_moved = LIVEKIT__ROOM_MOVED_RESPONSE__INIT;
  RESPONSE (response, ROOM_MOVED, room_moved);

  reach_steady (f);
  say (f, &response);
  expect (f, "-TR_bob");
  expect (f, "-bob");
  fail_unless_equals_string (f->room->room_name, "lab");
  leave_politely (f);
}

static const Body move_bodies[] = { moved_to_another_room, who_moves_along_is_new, source_is_asked_for_the_new_room,
  moved_without_anything
};

GST_START_TEST (test_moves)
{
  run (move_bodies[__i__]);
}

GST_END_TEST;

/* A node that hands its sessions on: the session is taken up again with all that it had. */
static void
migration_is_a_resume (RoomWorld * f)
{
  reach_published (f);
  lk_room_send_offer_in_loop (f->room, "my-offer", 3);
  say_answer (f, "the-answer", 3);
  expect (f, "answer the-answer 3 mids=0");
  advance (f, 1000);
  say_leave (f, RESUME, REASON (MIGRATION));
  expect (f, "resuming #1 in 0: disconnected");
  advance (f, 0);
  fail_unless (f->client->reconnect);
  resume_on (f);
  fail_unless_equals_string (SENT (0, SYNC_STATE)->sync_state->offer->sdp, "my-offer");
  fail_unless_equals_string (SENT (0, SYNC_STATE)->sync_state->answer->sdp, "the-answer");
  fail_unless_equals_int (SENT (0, SYNC_STATE)->sync_state->n_publish_tracks, 1);
  fail_unless (SENT (0, SYNC_STATE)->sync_state->subscription->subscribe);
  leave_politely (f);
}

GST_START_TEST (test_migration)
{
  run (migration_is_a_resume);
}

GST_END_TEST;

/* ------------------------------------------------------------------------------------------------------------------ */
/* Retry-After */

static void
say_busy (RoomWorld * f, guint status, guint retry_after_ms)
{
  g_autoptr (GError) error = lk_error_new_http (LK_ERROR_SERVER, status, "busy");

  lk_error_set_retry_after_ms (error, retry_after_ms);
  f->client->delegate.closed ((LkSignalClient *) f->client, error, f->client->data);
}

/* Longer than the back-off: it holds; shorter: the back-off does; beyond all reason: a minute. */
static void
server_says_when (RoomWorld * f)
{
  reach_resuming (f);
  say_busy (f, 503, 5000);
  expect (f, "resuming #2 in 5000: server");
  advance (f, 4999);
  fail_unless (f->client == NULL);
  advance (f, 1);
  say_busy (f, 429, 1);
  expect (f, "resuming #3 in 600: server");
  advance (f, 600);
  say_busy (f, 429, 86400000);
  expect (f, "resuming #4 in 60000: server");
  advance (f, 60000);
  /* it is not kept for other faults */
  say_closed (f, LK_ERROR_CONNECT, 0);
  expect (f, "resuming #5 in 7000: connect");
  leave_at_once (f);
}

static void
server_says_when_at_the_first_join (RoomWorld * f)
{
  reach_connecting (f);
  say_busy (f, 503, 2000);
  expect (f, "connecting #2 in 2000: server");
  advance (f, 2000);
  join_on (f, TRUE, FALSE);
  leave_politely (f);
}

/* The time-outs of the settings end a wait of any length. */
static void
join_timeout_is_shorter (RoomWorld * f)
{
  reach_connecting (f);
  say_busy (f, 503, 60000);
  expect (f, "connecting #2 in 60000: server");
  advance (f, 10000);
  expect (f, "leaving");
  expect (f, "closed: server");
}

static void
reconnect_timeout_is_shorter (RoomWorld * f)
{
  f->settings.reconnect_timeout_ms = 5000;
  reach_resuming (f);
  say_busy (f, 503, 60000);
  expect (f, "resuming #2 in 60000: server");
  advance (f, 5000);
  expect (f, "leaving");
  expect (f, "closed: connection-lost");
}

/* The pause that one region asks for is none of the next, nor of the server of the settings. */
static void
pause_is_of_one_region (RoomWorld * f)
{
  static const gchar *const urls[] = { "wss://eu.lab.livekit.cloud" };

  f->settings.server_url = CLOUD;
  reach_steady (f);
  send_elsewhere (f, urls, G_N_ELEMENTS (urls));
  advance (f, 0);
  fail_unless_equals_string (f->client->server_url, urls[0]);
  say_busy (f, 503, 60000);
  expect (f, "rejoining #2 in 300: server");
  advance (f, 300);
  fail_unless_equals_string (f->client->server_url, CLOUD);
  say_busy (f, 503, 5000);
  expect (f, "rejoining #3 in 5000: server");
  leave_at_once (f);
}

static const Body retry_bodies[] = { server_says_when, server_says_when_at_the_first_join, join_timeout_is_shorter,
  reconnect_timeout_is_shorter, pause_is_of_one_region
};

GST_START_TEST (test_retry_after)
{
  run (retry_bodies[__i__]);
}

GST_END_TEST;

static Suite *
roomleave_suite (void)
{
  Suite *s = suite_create ("lkroomleave");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_set_timeout (tc, 60);
  tcase_add_loop_test (tc, test_told_to_leave, 0, G_N_ELEMENTS (reasons) * G_N_ELEMENTS (actions));
  tcase_add_loop_test (tc, test_leave_as_first_answer, 0, G_N_ELEMENTS (reasons) * 3);
  tcase_add_loop_test (tc, test_regions, 0, G_N_ELEMENTS (region_bodies));
  tcase_add_loop_test (tc, test_moves, 0, G_N_ELEMENTS (move_bodies));
  tcase_add_test (tc, test_migration);
  tcase_add_loop_test (tc, test_retry_after, 0, G_N_ELEMENTS (retry_bodies));
  return s;
}

GST_CHECK_MAIN (roomleave);
