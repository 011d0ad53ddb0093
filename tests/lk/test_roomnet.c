/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkroom: with the real signal client, against the fake server. */
#include <gst/check/gstcheck.h>
#include <string.h>

#include "fakeserver.h"
#include "lkerror.h"
#include "lklog.h"
#include "lkroom.h"
#include "lktoken.h"

/* Only reached by a test that fails. */
#define WAIT_MS 20000

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

static gchar *
mint_token (void)
{
  LkTokenRequest request = { NULL, };

  request.api_key = "devkey";
  request.api_secret = "secret";
  request.room = "lab";
  request.identity = "me";
  request.now_s = g_get_real_time () / G_USEC_PER_SEC;
  request.valid_s = 600;
  return lk_token_mint (&request, NULL);
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
  rig->token = mint_token ();
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
    gint64 left = MAX (deadline - g_get_monotonic_time (), 1);
    g_autofree gchar *told = g_async_queue_timeout_pop (rig->lines, (guint64) left);

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
roomnet_suite (void)
{
  Suite *s = suite_create ("lkroomnet");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_set_timeout (tc, 120);
  tcase_add_test (tc, test_real_join_and_leave);
  tcase_add_loop_test (tc, test_real_resume, 0, 2);
  tcase_add_test (tc, test_real_server_restart);
  tcase_add_test (tc, test_real_refusal);
  tcase_add_loop_test (tc, test_real_fault_after_each_message, FAKE_CLOSE_FRAME, FAKE_CLOSE_SILENCE + 1);
  return s;
}

GST_CHECK_MAIN (roomnet);
