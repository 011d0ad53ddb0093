/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The room goes on while webrtcbin works on a description: in a crowd, on a busy machine, that takes half a second,
 * and it holds its lock meanwhile. */
#include <gst/check/gstcheck.h>

#include "elementfixture.h"

typedef struct
{
  GMutex lock;
  GCond changed;
  gboolean is_held, may_go_on;
} Hold;

/* The transport is made in the midst of a description, on a thread of webrtcbin's and with its lock. */
static void
hold_webrtcbin (GstBin * bin, GstBin * parent, GstElement * child, gpointer data)
{
  GstElementFactory *factory = gst_element_get_factory (child);
  gint64 deadline = g_get_monotonic_time () + 2 * ELEMENT_WAIT_MS * G_TIME_SPAN_MILLISECOND;
  Hold *hold = data;

  if (factory == NULL || !g_str_equal (GST_OBJECT_NAME (factory), "dtlssrtpenc"))
    return;
  g_mutex_lock (&hold->lock);
  hold->is_held = TRUE;
  g_cond_broadcast (&hold->changed);
  while (!hold->may_go_on && g_cond_wait_until (&hold->changed, &hold->lock, deadline));
  g_mutex_unlock (&hold->lock);
}

static void
wait_held (Hold * hold)
{
  gint64 deadline = g_get_monotonic_time () + ELEMENT_WAIT_MS * G_TIME_SPAN_MILLISECOND;

  g_mutex_lock (&hold->lock);
  while (!hold->is_held && g_cond_wait_until (&hold->changed, &hold->lock, deadline));
  fail_unless (hold->is_held);
  g_mutex_unlock (&hold->lock);
}

static void
let_go (Hold * hold)
{
  g_mutex_lock (&hold->lock);
  hold->may_go_on = TRUE;
  g_cond_broadcast (&hold->changed);
  g_mutex_unlock (&hold->lock);
}

static void
add_camera (ElementFixture * f, const gchar * identity)
{
  g_autofree gchar *participant = g_strconcat ("PA_", identity, NULL), *track = g_strconcat ("TR_", identity, NULL);

  fake_server_add_participant (f->server, participant, identity, "");
  fake_server_add_track (f->server, participant, track, LIVEKIT__TRACK_TYPE__VIDEO, LIVEKIT__TRACK_SOURCE__CAMERA, "",
      "video/VP8");
}

GST_START_TEST (test_room_goes_on_while_webrtcbin_works)
{
  ElementFixture *f = element_fixture_new ("livekitsrc");
  Hold hold = { 0, };

  g_mutex_init (&hold.lock);
  g_cond_init (&hold.changed);
  g_signal_connect (f->element, "deep-element-added", G_CALLBACK (hold_webrtcbin), &hold);
  element_fill_room (f, TRUE);
  element_fixture_play (f);
  wait_held (&hold);
  /* Each needs a receiving section more. */
  add_camera (f, "carol");
  element_wait_until (element_is_subscribed (f, "TR_carol"));
  add_camera (f, "dave");
  element_wait_until (element_is_subscribed (f, "TR_dave"));
  fake_server_remove_participant (f->server, "PA_carol");
  gst_structure_free (element_fixture_wait_structure (f, "livekit-participant", "action", "left"));
  let_go (&hold);
  fail_unless (fake_server_wait_request (f->server, LIVEKIT__SIGNAL_REQUEST__MESSAGE_OFFER, ELEMENT_WAIT_MS));
  element_fixture_free (f);
  g_cond_clear (&hold.changed);
  g_mutex_clear (&hold.lock);
}

GST_END_TEST;

static Suite *
busy_suite (void)
{
  Suite *suite = element_suite_create ("busy");
  TCase *tcase = tcase_create ("room");

  tcase_add_test (tcase, test_room_goes_on_while_webrtcbin_works);
  suite_add_tcase (suite, tcase);
  return suite;
}

GST_CHECK_MAIN (busy);
