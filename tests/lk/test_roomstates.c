/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkroom: every command and every event in every state, and leaving from inside each callback. */
#include <gst/check/gstcheck.h>

#include "roomworld.h"

static gint body_index;

/* ------------------------------------------------------------------------------------------------------------------ */
/* Every command and every event in every state */

static void
be_idle (RoomWorld * f)
{
}

static void
reach_fetching (RoomWorld * f)
{
  start_join (f);
  advance (f, 0);
}

static void
reach_leaving (RoomWorld * f)
{
  reach_steady (f);
  lk_room_leave_in_loop (f->room);
}

static void
reach_closed (RoomWorld * f)
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
do_join (RoomWorld * f)
{
  lk_room_join_in_loop (f->room, &f->settings);
}

static void
do_leave (RoomWorld * f)
{
  lk_room_leave_in_loop (f->room);
}

static void
do_set_timeout (RoomWorld * f)
{
  lk_room_set_reconnect_timeout_in_loop (f->room, 100000);
}

static void
do_transport_up (RoomWorld * f)
{
  lk_room_transport_up_in_loop (f->room);
}

static void
do_transport_lost (RoomWorld * f)
{
  lk_room_transport_lost_in_loop (f->room, LK_TARGET_PUBLISHER);
}

static void
do_transport_failed (RoomWorld * f)
{
  lk_room_transport_failed_in_loop (f->room, "why");
}

static void
do_offer (RoomWorld * f)
{
  lk_room_send_offer_in_loop (f->room, "sdp", 1);
}

static void
do_answer (RoomWorld * f)
{
  lk_room_send_answer_in_loop (f->room, "sdp", 1);
}

static void
do_candidate (RoomWorld * f)
{
  lk_room_send_candidate_in_loop (f->room, LK_TARGET_PUBLISHER, "candidate:1", NULL, 0);
}

static void
do_publish (RoomWorld * f)
{
  publish (f, "cid");
}

static void
do_unpublish (RoomWorld * f)
{
  lk_room_unpublish_in_loop (f->room, "cid");
}

static void
do_mute (RoomWorld * f)
{
  lk_room_set_track_muted_in_loop (f->room, "TR_1", TRUE);
}

static void
do_update_video (RoomWorld * f)
{
  lk_room_update_video_track_in_loop (f->room, "TR_1", 1, 2);
}

static void
do_subscribe (RoomWorld * f)
{
  subscribe (f, "TR_bob", TRUE);
}

static void
do_unsubscribe (RoomWorld * f)
{
  subscribe (f, "TR_bob", FALSE);
}

static void
do_track_settings (RoomWorld * f)
{
  LkTrackSettings settings = { TRUE, 0, 0, 0, 0 };

  lk_room_set_track_settings_in_loop (f->room, "TR_bob", &settings);
}

static void
do_update_participant (RoomWorld * f)
{
  lk_room_update_participant_in_loop (f->room, "name", "metadata", NULL);
}

static void
do_opened_v0 (RoomWorld * f)
{
  say_open (f, FALSE);
}

static void
do_closed_connect (RoomWorld * f)
{
  say_closed (f, LK_ERROR_CONNECT, 0);
}

static void
do_closed_unauthorized (RoomWorld * f)
{
  say_closed (f, LK_ERROR_UNAUTHORIZED, 401);
}

static void
do_closed_tls (RoomWorld * f)
{
  say_closed (f, LK_ERROR_TLS, 0);
}

static void
do_closed_without_reason (RoomWorld * f)
{
  f->client->delegate.closed ((LkSignalClient *) f->client, NULL, f->client->data);
}

static void
do_leave_for_good (RoomWorld * f)
{
  say_leave (f, DISCONNECT, REASON (DUPLICATE_IDENTITY));
}

static void
do_leave_shutdown (RoomWorld * f)
{
  say_leave (f, DISCONNECT, REASON (SERVER_SHUTDOWN));
}

static void
do_leave_resume (RoomWorld * f)
{
  say_leave (f, RESUME, REASON (CONNECTION_TIMEOUT));
}

static void
do_leave_reconnect (RoomWorld * f)
{
  say_leave (f, RECONNECT, REASON (STATE_MISMATCH));
}

static void
do_published (RoomWorld * f)
{
  say_published (f, "cid", "TR_1");
}

static void
do_refused_track (RoomWorld * f)
{
  say_refused_track (f, "cid", LIVEKIT__REQUEST_RESPONSE__REASON__NOT_ALLOWED);
}

static void
do_token_arrives (RoomWorld * f)
{
  if (f->room->fetch != NULL)
    settle (f);
}

static void
do_wait_a_little (RoomWorld * f)
{
  advance (f, 500);
}

static void
do_wait_long (RoomWorld * f)
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
check_step (RoomWorld * f, LkRoomState before)
{
  LkRoomState now = lk_room_get_state (f->room);

  fail_unless (now == before || (next_states[before] & (1u << now)) != 0, "%s -> %s", lk_room_state_name (before),
      lk_room_state_name (now));
}

/* However it got there, a room can be left, and that ends it. */
static void
end_quietly (RoomWorld * f)
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
start_over (RoomWorld * f)
{
  end_quietly (f);
  free_room (f);
  new_room (f);
}

static void
check_event (RoomWorld * f, Body event)
{
  LkRoomState before = lk_room_get_state (f->room);

  g_queue_clear_full (&f->lines, g_free);
  event (f);
  /* 30 s are many steps */
  if (event != do_wait_long)
    check_step (f, before);
}

static void
visit (RoomWorld * f, Body one, gboolean one_needs_client, Body two, gboolean two_needs_client)
{
  ways_to_states[body_index] (f);
  fail_unless_equals_int (lk_room_get_state (f->room), body_index);
  if (!one_needs_client || f->client != NULL)
    check_event (f, one);
  if (!two_needs_client || f->client != NULL)
    check_event (f, two);
  start_over (f);
}

static void
visit_with_each_second (RoomWorld * f, Body event, gboolean needs_client)
{
  for (guint i = 0; i < N_COMMANDS_TWICE; i++)
    visit (f, event, needs_client, commands[i], FALSE);
  for (guint i = 0; i < N_CLIENT_EVENTS_TWICE; i++)
    visit (f, event, needs_client, client_events[i], TRUE);
}

/* Each event after the way to each state, and a second one after that. */
static void
every_event_in_every_state (RoomWorld * f)
{
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    visit_with_each_second (f, commands[i], FALSE);
  for (guint i = 0; i < G_N_ELEMENTS (client_events); i++)
    visit_with_each_second (f, client_events[i], TRUE);
  for (guint i = 0; i < n_room_messages; i++)
    visit_with_each_second (f, room_messages[i].say, TRUE);
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
every_command_is_answered (RoomWorld * f)
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
tell_story (RoomWorld * f)
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
    for (guint k = 0; k < n_room_messages && f->client != NULL; k++)
      room_messages[k].say (f);
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
leave_from_every_callback (RoomWorld * f)
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

static Suite *
roomstates_suite (void)
{
  Suite *s = suite_create ("lkroomstates");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_set_timeout (tc, 300);
  tcase_add_loop_test (tc, test_every_event_in_every_state, LK_ROOM_IDLE, LK_ROOM_CLOSED + 1);
  tcase_add_loop_test (tc, test_every_command_is_answered, LK_ROOM_IDLE, LK_ROOM_CLOSED + 1);
  tcase_add_test (tc, test_leave_from_every_callback);
  return s;
}

GST_CHECK_MAIN (roomstates);
