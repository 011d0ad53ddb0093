/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkroom: joining, leaving, being told to leave, and tokens. */
#include <gst/check/gstcheck.h>

#include "roomworld.h"

static gint body_index;

/* ------------------------------------------------------------------------------------------------------------------ */
/* Joining */

static void
joins_and_leaves (RoomWorld * f)
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
tries_the_first_join_again (RoomWorld * f)
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
join_times_out (RoomWorld * f)
{
  reach_connecting (f);
  advance (f, 10000);
  expect_end (f, "closed: timeout");
}

static void
join_never_times_out (RoomWorld * f)
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
media_of_first_join_times_out (RoomWorld * f)
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
lost_before_media_is_joined_again (RoomWorld * f)
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
leave_as_first_message (RoomWorld * f)
{
  reach_connecting (f);
  say_leave (f, LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT, LIVEKIT__DISCONNECT_REASON__JOIN_FAILURE);
  expect (f, "connecting #2 in 300: disconnected");
  advance (f, 300);
  say_leave (f, LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT, LIVEKIT__DISCONNECT_REASON__ROOM_DELETED);
  expect_end (f, "closed: room-deleted");
}

static void
reconnect_as_first_message_of_a_join (RoomWorld * f)
{
  reach_connecting (f);
  say_reconnect (f);
  expect (f, "connecting #2 in 300: protocol");
  leave_at_once (f);
}

static void
join_without_participant (RoomWorld * f)
{
  Livekit__JoinResponse join = LIVEKIT__JOIN_RESPONSE__INIT;
  RESPONSE (response, JOIN, join);

  reach_connecting (f);
  say (f, &response);
  expect (f, "connecting #2 in 300: protocol");
  leave_at_once (f);
}

static void
server_url_is_chosen (RoomWorld * f)
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

static void
refusal_is_final (RoomWorld * f)
{
  reach_connecting (f);
  say_closed (f, final_errors[body_index].code, final_errors[body_index].status);
  expect_end (f, final_errors[body_index].closed);
}

static void
refusal_is_final_with_a_key (RoomWorld * f)
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
token_is_checked_here (RoomWorld * f)
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
expired_token (RoomWorld * f)
{
  use_token (f, mint_token ("lab", NOW_S - 1000, 100));
  start_join (f);
  advance (f, 0);
  settle (f);
  expect_end (f, "closed: token");
}

static void
rubbish_token (RoomWorld * f)
{
  use_token (f, g_strdup ("rubbish"));
  start_join (f);
  advance (f, 0);
  settle (f);
  expect_end (f, "closed: token");
}

static void
no_token_source (RoomWorld * f)
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
participant_is_corrected (RoomWorld * f)
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
participant_is_left_alone (RoomWorld * f)
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
/* Leave */

static void
leave_while_fetching (RoomWorld * f)
{
  start_join (f);
  leave_at_once (f);
}

static void
leave_while_fetch_is_under_way (RoomWorld * f)
{
  start_join (f);
  advance (f, 0);
  fail_unless (f->room->fetch != NULL);
  leave_at_once (f);
}

static void
leave_while_connecting (RoomWorld * f)
{
  reach_connecting (f);
  leave_at_once (f);
}

static void
leave_during_backoff_of_join (RoomWorld * f)
{
  reach_connecting (f);
  say_closed (f, LK_ERROR_CONNECT, 0);
  expect (f, "connecting #2 in 300: connect");
  leave_at_once (f);
}

static void
leave_during_backoff_of_resume (RoomWorld * f)
{
  reach_resuming (f);
  say_closed (f, LK_ERROR_CONNECT, 0);
  expect (f, "resuming #2 in 300: connect");
  leave_at_once (f);
}

static void
leave_during_backoff_of_rejoin (RoomWorld * f)
{
  reach_rejoining (f);
  say_closed (f, LK_ERROR_CONNECT, 0);
  expect (f, "rejoining #2 in 300: connect");
  leave_at_once (f);
}

static void
leave_while_idle (RoomWorld * f)
{
  lk_room_leave_in_loop (f->room);
  expect_end (f, "closed");
}

static void
leave_twice (RoomWorld * f)
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
refreshed_token_is_used (RoomWorld * f)
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
expired_token_is_renewed (RoomWorld * f)
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
refused_token_is_renewed_once (RoomWorld * f)
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
refused_literal_token_is_final (RoomWorld * f)
{
  reach_resuming (f);
  say_closed (f, LK_ERROR_UNAUTHORIZED, 403);
  expect_end (f, "closed: unauthorized");
}

static const Body session_token_bodies[] = { refreshed_token_is_used, expired_token_is_renewed,
  refused_token_is_renewed_once, refused_literal_token_is_final
};

GST_START_TEST (test_tokens_in_a_session)
{
  run (session_token_bodies[__i__]);
}

GST_END_TEST;

static Suite *
room_suite (void)
{
  Suite *s = suite_create ("lkroom");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_set_timeout (tc, 60);
  tcase_add_test (tc, test_joins_and_leaves);
  tcase_add_test (tc, test_tries_the_first_join_again);
  tcase_add_loop_test (tc, test_joining, 0, G_N_ELEMENTS (join_bodies));
  tcase_add_loop_test (tc, test_final_errors_of_joining, 0, G_N_ELEMENTS (final_errors));
  tcase_add_loop_test (tc, test_tokens_are_checked_here, 0, G_N_ELEMENTS (tokens));
  tcase_add_loop_test (tc, test_tokens_that_cannot_work, 0, G_N_ELEMENTS (token_bodies));
  tcase_add_test (tc, test_participant_of_the_settings);
  tcase_add_loop_test (tc, test_leave_closes, 0, G_N_ELEMENTS (leave_bodies));
  tcase_add_loop_test (tc, test_tokens_in_a_session, 0, G_N_ELEMENTS (session_token_bodies));
  return s;
}

GST_CHECK_MAIN (room);
