/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* T7: a server that closes at every step: the elements come back, and are never stuck. With LK_TEST_SHORT set, every
 * tenth step. */
#include <gst/check/gstcheck.h>

#include "elementfixture.h"

static const gchar *const factories[] = { "livekitsink", "livekitsrc" };

/* The messages of one session are few, so that most of the 60 are pushed; of each manner 60, a quarter of them in one
 * test. */
#define T7_MESSAGES 60
#define T7_PARTS 4

static void
push_until_closed (ElementFixture * f, guint n)
{
  g_autofree gchar *token = fake_server_dup_last_token (f->server);

  for (guint i = 0; i < n; i++)
    fake_server_push_refresh_token (f->server, token);
}

static void
close_after (guint n, FakeClose how)
{
  ElementFixture *f = element_fixture_new (factories[n % 2]);

  /* silence is noticed by that */
  fake_server_set_ping (f->server, 1, 1);
  fake_server_close_after (f->server, n, how);
  element_fixture_set_state (f, GST_STATE_PLAYING);
  element_fixture_wait_progress (f, GST_PROGRESS_TYPE_COMPLETE, "connect");
  push_until_closed (f, n);
  element_wait_until (fake_server_n_joins (f->server) + fake_server_n_resumes (f->server) >= 2);
  /* and is in again */
  fail_unless (fake_server_wait_clients (f->server, 1, ELEMENT_WAIT_MS));
  element_fixture_free (f);
}

GST_START_TEST (test_t7_closed_after_each_message)
{
  FakeClose how = (FakeClose) (__i__ / T7_PARTS);

  guint step = g_getenv ("LK_TEST_SHORT") != NULL ? 10 : 1;

  for (guint n = 1 + __i__ % T7_PARTS; n <= T7_MESSAGES; n += T7_PARTS * step)
    close_after (n, how);
}

GST_END_TEST;

static Suite *
closing_suite (void)
{
  Suite *s = element_suite_create ("closing");
  TCase *tc = tcase_create ("T7");

  suite_add_tcase (s, tc);
  tcase_set_timeout (tc, 240);
  tcase_add_loop_test (tc, test_t7_closed_after_each_message, 0, (FAKE_CLOSE_SILENCE + 1) * T7_PARTS);
  return s;
}

GST_CHECK_MAIN (closing);
