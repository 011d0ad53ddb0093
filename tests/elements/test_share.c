/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of gstlivekitshare: what an encoder that obeys is thought to need. */

#include <gst/check/gstcheck.h>

#include "gstlivekitshare.h"

static void
share_free (GstLiveKitShare * share)
{
  gst_livekit_share_free (share);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstLiveKitShare, share_free)

/* Of the middle one of three. */
static LkAllocatorLayer
describe (GstLiveKitShare * share, guint nominal, gboolean is_limited)
{
  LkAllocatorLayer layer = { 0 };

  gst_livekit_share_describe_in_loop (share, 1, 3, nominal, is_limited, &layer);
  return layer;
}

/* An encoder that starts anew while it is lowered says so. */
GST_START_TEST (test_lowered_rate_is_not_the_most)
{
  g_autoptr (GstLiveKitShare) share = gst_livekit_share_new ();
  guint before;

  gst_livekit_share_set_obeyed_in_loop (share, TRUE);
  before = describe (share, 2000000, FALSE).max_bps;
  fail_unless (before > 2000000);
  fail_unless_equals_int (describe (share, 300000, TRUE).max_bps, before);
  /* without a limit it is its own */
  fail_unless (describe (share, 300000, FALSE).max_bps < 400000);
  fail_unless (describe (share, 300000, TRUE).max_bps < 400000);
}
GST_END_TEST;

/* Published on a link that is known to be small, it has never made what it could. */
GST_START_TEST (test_unknown_rate_is_found)
{
  g_autoptr (GstLiveKitShare) share = gst_livekit_share_new ();
  gint64 sent_us = g_get_monotonic_time ();
  guint most = describe (share, 0, TRUE).max_bps;

  gst_livekit_share_set_obeyed_in_loop (share, TRUE);
  /* it makes what it is allowed, until that is three times as much as at first; a bucket is a second */
  for (guint i = 0; most < 300000; i++) {
    gint64 now_us = g_get_monotonic_time ();

    fail_unless (i < 5000, "still %u", most);
    gst_livekit_share_count (share, (gsize) ((guint64) most * (guint64) (now_us - sent_us) / 8 / G_USEC_PER_SEC));
    sent_us = now_us;
    most = describe (share, 0, TRUE).max_bps;
    g_usleep (10000);
  }
}
GST_END_TEST;

static Suite *
share_suite (void)
{
  Suite *suite = suite_create ("share");
  TCase *tcase = tcase_create ("share");

  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_lowered_rate_is_not_the_most);
  tcase_add_test (tcase, test_unknown_rate_is_found);
  return suite;
}

GST_CHECK_MAIN (share);
