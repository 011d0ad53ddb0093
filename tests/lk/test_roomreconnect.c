/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkroom: resuming, rejoining, and how long it tries. */
#include <gst/check/gstcheck.h>

#include "roomworld.h"

/* ------------------------------------------------------------------------------------------------------------------ */
/* Resuming */

/* Fills a session with all that a resume has to tell again. */
static void
fill_session (RoomWorld * f)
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
resume_tells_the_state_first (RoomWorld * f)
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
resume_tells_disabled_tracks (RoomWorld * f)
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
resume_by_v0_tells_the_subscriber_peer (RoomWorld * f)
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
resume_goes_on_trying (RoomWorld * f)
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
first_answer_of_a_silent_server_brings_soon_tries (RoomWorld * f)
{
  static const struct
  {
    const gchar *line;
    gint code, delay_ms;
  } tries[] = {
    {"resuming #2 in 300: connect", LK_ERROR_CONNECT, 300},
    {"resuming #3 in 600: connect", LK_ERROR_CONNECT, 600},
    {"resuming #4 in 1000: connect", LK_ERROR_CONNECT, 1000},
    {"resuming #5 in 300: server", LK_ERROR_SERVER, 300},
    {"resuming #6 in 600: server", LK_ERROR_SERVER, 600},
    {"resuming #7 in 1000: server", LK_ERROR_SERVER, 1000},
    /* once per outage */
    {"resuming #8 in 1000: connect", LK_ERROR_CONNECT, 1000},
    {"resuming #9 in 1000: server", LK_ERROR_SERVER, 1000},
  };

  for (guint outage = 0; outage < 2; outage++) {
    if (outage == 0)
      reach_resuming (f);
    for (guint i = 0; i < G_N_ELEMENTS (tries); i++) {
      say_closed (f, tries[i].code, tries[i].code == LK_ERROR_SERVER ? 503 : 0);
      expect (f, tries[i].line);
      advance (f, tries[i].delay_ms);
    }
    resume_on (f);
    advance (f, 500);
    say_closed (f, LK_ERROR_CONNECT, 0);
    expect (f, "resuming #1 in 0: connect");
    advance (f, 0);
  }
  leave_at_once (f);
}

static void
give_up_two_tries (RoomWorld * f)
{
  static const gchar *const lines[] = { "resuming #2 in 300: connect", "resuming #3 in 600: connect" };

  reach_resuming (f);
  lk_room_transport_up_in_loop (f->room);
  for (guint i = 0; i < G_N_ELEMENTS (lines); i++) {
    advance (f, 5000);
    say_closed (f, LK_ERROR_CONNECT, 0);
    expect (f, lines[i]);
    advance (f, 300 * (i + 1));
  }
  join_on (f, TRUE, TRUE);
  lk_room_transport_up_in_loop (f->room);
}

/* The server was frozen, and takes up what waited. */
static void
expect_ghosts (RoomWorld * f, guint n_ghosts)
{
  for (guint i = 0; i < n_ghosts; i++) {
    advance (f, 1000);
    say_leave (f, LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT, LIVEKIT__DISCONNECT_REASON__DUPLICATE_IDENTITY);
    expect (f, "rejoining #1 in 0: disconnected");
    advance (f, 0);
    join_on (f, TRUE, TRUE);
    lk_room_transport_up_in_loop (f->room);
  }
  say_leave (f, LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT, LIVEKIT__DISCONNECT_REASON__DUPLICATE_IDENTITY);
  expect_end (f, "closed: duplicate-identity");
}

static void
our_own_ghosts_are_no_others (RoomWorld * f)
{
  give_up_two_tries (f);
  expect_ghosts (f, 2);
}

static void
ghosts_do_not_stay (RoomWorld * f)
{
  give_up_two_tries (f);
  advance (f, 60000);
  expect_ghosts (f, 0);
}

/* They were given up 5.3 s after one another. */
static void
each_ghost_has_its_minute (RoomWorld * f)
{
  give_up_two_tries (f);
  advance (f, 55000);
  expect_ghosts (f, 1);
}

static void
resume_answered_by_a_new_session (RoomWorld * f)
{
  reach_resuming (f);
  join_on (f, TRUE, TRUE);
  fail_unless_equals_int (lk_room_get_n_reconnects (f->room, FALSE), 0);
  fail_unless_equals_int (lk_room_get_n_reconnects (f->room, TRUE), 1);
  leave_politely (f);
}

static void
refused_resume_is_a_rejoin (RoomWorld * f)
{
  reach_resuming (f);
  say_closed (f, LK_ERROR_TOKEN, 400);
  expect (f, "rejoining #1 in 0: token");
  advance (f, 0);
  join_on (f, TRUE, TRUE);
  leave_politely (f);
}

static void
room_that_is_gone_ends_the_rejoin (RoomWorld * f)
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
strangers_are_borne_while_reconnecting (RoomWorld * f)
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
certificate_fault_ends_a_resume (RoomWorld * f)
{
  reach_resuming (f);
  say_closed (f, LK_ERROR_TLS, 0);
  expect_end (f, "closed: tls");
}

static void
resume_is_forbidden (RoomWorld * f)
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
rejoin_forgets (RoomWorld * f)
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
server_that_throws_us_out (RoomWorld * f)
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
  resume_by_v0_tells_the_subscriber_peer, resume_goes_on_trying, first_answer_of_a_silent_server_brings_soon_tries,
  our_own_ghosts_are_no_others, ghosts_do_not_stay, each_ghost_has_its_minute,
  resume_answered_by_a_new_session,
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
transport_that_returns (RoomWorld * f)
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
transport_that_does_not_return (RoomWorld * f)
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
transport_lost_while_resuming (RoomWorld * f)
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
transport_failed_while_resuming (RoomWorld * f)
{
  reach_resuming (f);
  lk_room_transport_failed_in_loop (f->room, NULL);
  expect (f, "rejoining #1 in 0: media");
  leave_at_once (f);
}

static void
reconnect_timeout_ends_it (RoomWorld * f)
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
reconnect_timeout_may_change (RoomWorld * f)
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
reconnect_timeout_counts_one_outage (RoomWorld * f)
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
delays_follow_the_policy (RoomWorld * f)
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

static Suite *
roomreconnect_suite (void)
{
  Suite *s = suite_create ("lkroomreconnect");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_set_timeout (tc, 60);
  tcase_add_loop_test (tc, test_resuming, 0, G_N_ELEMENTS (resume_bodies));
  tcase_add_loop_test (tc, test_transport_and_time, 0, G_N_ELEMENTS (time_bodies));
  return s;
}

GST_CHECK_MAIN (roomreconnect);
