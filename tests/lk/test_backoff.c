/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of lkbackoff. */

#include <gst/check/gstcheck.h>

#include "lkbackoff.h"

GST_START_TEST (test_first_attempt_is_at_once)
{
  fail_unless_equals_int (lk_backoff_delay_ms (0, 0, 0.0), 0);
  fail_unless_equals_int (lk_backoff_delay_ms (0, 0, 0.99), 0);
  fail_unless_equals_int (lk_backoff_delay_ms (0, 60000, 0.5), 0);
}
GST_END_TEST;

/* Attempts that fail at once, with no jitter: faults.md §2. */
GST_START_TEST (test_delays_follow_policy)
{
  static const guint expected[] = {
    0, 300, 600, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 2000, 4000, 7000, 7000, 7000,
  };
  guint64 elapsed_ms = 0;

  for (guint i = 0; i < G_N_ELEMENTS (expected); i++) {
    guint delay_ms = lk_backoff_delay_ms (i, elapsed_ms, 0.5);

    fail_unless_equals_int (delay_ms, expected[i]);
    elapsed_ms += delay_ms;
  }
}
GST_END_TEST;

GST_START_TEST (test_jitter_is_a_fifth)
{
  fail_unless_equals_int (lk_backoff_delay_ms (1, 0, 0.0), 240);
  fail_unless_equals_int (lk_backoff_delay_ms (1, 0, 0.5), 300);
  fail_unless (lk_backoff_delay_ms (1, 0, 0.999999) <= 360);
  fail_unless_equals_int (lk_backoff_delay_ms (50, 60000, 0.0), 5600);
  fail_unless (lk_backoff_delay_ms (50, 60000, 0.999999) <= 8400);
  /* numbers out of range are no way out of it */
  fail_unless_equals_int (lk_backoff_delay_ms (1, 0, -5.0), 240);
  fail_unless_equals_int (lk_backoff_delay_ms (1, 0, 5.0), 360);
}
GST_END_TEST;

/* Whatever the jitter, 2 and 4 s are each taken once. */
GST_START_TEST (test_slow_steps_come_once_each)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (1);

  for (guint round = 0; round < 1000; round++) {
    guint64 elapsed_ms = 0;
    guint n_two = 0, n_four = 0;

    for (guint i = 0; elapsed_ms < 60000; i++) {
      guint delay_ms = lk_backoff_delay_ms (i, elapsed_ms, g_rand_double (random));

      n_two += delay_ms >= 1600 && delay_ms <= 2400;
      n_four += delay_ms >= 3200 && delay_ms <= 4800;
      elapsed_ms += delay_ms;
    }
    fail_unless_equals_int (n_two, 1);
    fail_unless_equals_int (n_four, 1);
  }
}
GST_END_TEST;

GST_START_TEST (test_no_end)
{
  fail_unless_equals_int (lk_backoff_delay_ms (G_MAXUINT, G_MAXUINT64, 0.5), 7000);
}
GST_END_TEST;

static Suite *
backoff_suite (void)
{
  Suite *suite = suite_create ("backoff");
  TCase *tcase = tcase_create ("delays");

  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_first_attempt_is_at_once);
  tcase_add_test (tcase, test_delays_follow_policy);
  tcase_add_test (tcase, test_jitter_is_a_fifth);
  tcase_add_test (tcase, test_slow_steps_come_once_each);
  tcase_add_test (tcase, test_no_end);
  return suite;
}

GST_CHECK_MAIN (backoff);
