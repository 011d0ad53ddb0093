/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* livekitsink and livekitsrc of one identity: one session, whoever comes and goes. */
#include <gst/check/gstcheck.h>
#include <string.h>

#include "elementfixture.h"

#define SUBSCRIPTION LIVEKIT__SIGNAL_REQUEST__MESSAGE_SUBSCRIPTION
#define ADD_TRACK LIVEKIT__SIGNAL_REQUEST__MESSAGE_ADD_TRACK
#define CONTEXT_TYPE "gst.livekit.session"

static const gchar *const factories[] = { "livekitsink", "livekitsrc" };

/* --- a second element --- */

static GstElement *
make_other (ElementFixture * f, const gchar * factory)
{
  GstElement *other = gst_element_factory_make (factory, "other");

  g_object_set (other, "server-url", fake_server_get_url (f->server), "room", "lab", "identity", "tester",
      "api-key", "devkey", "api-secret", ELEMENT_SECRET, "join-timeout", 0, NULL);
  return other;
}

/* Into the pipeline, in its state. The pipeline owns it. */
static GstElement *
add_other (ElementFixture * f, const gchar * factory)
{
  GstElement *other = make_other (f, factory);

  gst_bin_add (GST_BIN (f->pipeline), other);
  fail_unless (gst_element_sync_state_with_parent (other));
  return other;
}

static void
note_disposal (gpointer gone, GObject * element)
{
  g_atomic_int_set ((gint *) gone, TRUE);
}

/* Out of the pipeline; nothing may hold it. */
static void
remove_element (ElementFixture * f, GstElement * element)
{
  gint gone = FALSE;

  g_object_weak_ref (G_OBJECT (element), note_disposal, &gone);
  gst_element_set_locked_state (element, TRUE);
  fail_unless_equals_int (gst_element_set_state (element, GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS);
  gst_bin_remove (GST_BIN (f->pipeline), element);
  element_fixture_drop_messages (f);
  element_wait_until (g_atomic_int_get (&gone));
}

static void
wait_joined (ElementFixture * f, guint n_elements)
{
  for (guint i = 0; i < n_elements; i++)
    element_fixture_wait_progress (f, GST_PROGRESS_TYPE_COMPLETE, "connect");
}

static void
expect_identity (GstElement * element, const gchar * wanted)
{
  g_autofree gchar *identity = NULL;

  g_object_get (element, "identity", &identity, NULL);
  fail_unless_equals_string (identity, wanted);
}

/* --- one session --- */

/* What the context carries shall not outlive it. */
static void
watch_registry (ElementFixture * f, gint * gone)
{
  g_autoptr (GstContext) context = gst_element_get_context (f->pipeline, CONTEXT_TYPE);
  const GValue *registry = gst_structure_get_value (gst_context_get_structure (context), "registry");

  g_object_weak_ref (g_value_get_object (registry), note_disposal, gone);
}

GST_START_TEST (test_one_session)
{
  ElementFixture *f = element_fixture_new (factories[__i__]);
  GstElement *other = add_other (f, factories[!__i__]);
  gint gone = FALSE;

  element_fixture_play (f);
  wait_joined (f, 2);
  fail_unless_equals_int (fake_server_n_joins (f->server), 1);
  expect_identity (f->element, "tester");
  expect_identity (other, "tester");
  element_fixture_set_state (f, GST_STATE_NULL);
  fail_unless (fake_server_wait_leaves (f->server, 1, ELEMENT_WAIT_MS));
  fail_unless (fake_server_wait_clients (f->server, 0, ELEMENT_WAIT_MS));
  fail_unless_equals_int (fake_server_n_leaves (f->server), 1);
  /* And again. */
  element_fixture_set_state (f, GST_STATE_PLAYING);
  wait_joined (f, 2);
  fail_unless_equals_int (fake_server_n_joins (f->server), 2);
  watch_registry (f, &gone);
  element_fixture_free (f);
  element_wait_until (g_atomic_int_get (&gone));
}

GST_END_TEST;

/* One of them goes; the session ends with the other one. */
GST_START_TEST (test_first_or_second_goes)
{
  gboolean first_goes = __i__ / 2;
  ElementFixture *f = element_fixture_new (factories[__i__ % 2]);
  GstElement *other;

  element_fixture_play (f);
  wait_joined (f, 1);
  other = add_other (f, factories[!(__i__ % 2)]);
  wait_joined (f, 1);
  fail_unless_equals_int (fake_server_n_joins (f->server), 1);
  remove_element (f, first_goes ? f->element : other);
  fail_unless_equals_int (fake_server_n_leaves (f->server), 0);
  fail_unless_equals_int (fake_server_n_clients (f->server), 1);
  /* It hears of the room as before. */
  fake_server_add_participant (f->server, "PA_carol", "carol", "");
  gst_structure_free (element_fixture_wait_structure (f, "livekit-participant", "identity", "carol"));
  element_fixture_set_state (f, GST_STATE_NULL);
  fail_unless (fake_server_wait_leaves (f->server, 1, ELEMENT_WAIT_MS));
  fail_unless (fake_server_wait_clients (f->server, 0, ELEMENT_WAIT_MS));
  fail_unless_equals_int (fake_server_n_joins (f->server), 1);
  element_fixture_free (f);
}

GST_END_TEST;

/* Who comes later is told what it has missed, by messages of its own. */
GST_START_TEST (test_newcomer_is_told)
{
  ElementFixture *f = element_fixture_new (factories[__i__]);
  g_autoptr (GstStructure) info = NULL;
  g_autofree gchar *room = NULL;
  GstElement *other;

  fake_server_add_participant (f->server, "PA_alice", "alice", "Alice");
  fake_server_add_track (f->server, "PA_alice", "TR_cam", LIVEKIT__TRACK_TYPE__VIDEO, LIVEKIT__TRACK_SOURCE__CAMERA,
      "front", "video/VP8");
  element_fixture_play (f);
  gst_structure_free (element_fixture_wait_structure (f, "livekit-track", "sid", "TR_cam"));
  element_fixture_drop_messages (f);
  other = add_other (f, factories[!__i__]);
  element_fixture_wait_state (f, "connecting");
  gst_structure_free (element_fixture_wait_structure (f, "livekit-participant", "identity", "alice"));
  gst_structure_free (element_fixture_wait_structure (f, "livekit-track", "sid", "TR_cam"));
  g_object_get (other, "room", &room, "room-info", &info, NULL);
  fail_unless_equals_string (room, "lab");
  fail_unless_equals_string (gst_structure_get_string (info, "name"), "lab");
  element_fixture_free (f);
}

GST_END_TEST;

static gboolean
has_pad (GstElement * element, const gchar * name)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (element, name);

  return pad != NULL;
}

/* The source comes, is subscribed, and goes: what it was subscribed to ends, the sink's track does not. */
GST_START_TEST (test_source_beside_a_track)
{
  ElementFixture *f = element_fixture_new ("livekitsink");
  ElementFeeder *feeder = element_feeder_new (f, "video_%u", NULL, TRUE);
  guint n_subscriptions = 0;

  fake_server_add_participant (f->server, "PA_alice", "alice", "Alice");
  fake_server_add_track (f->server, "PA_alice", "TR_mic", LIVEKIT__TRACK_TYPE__AUDIO,
      LIVEKIT__TRACK_SOURCE__MICROPHONE, "", "audio/opus");
  fake_server_mute_track (f->server, "PA_alice", "TR_mic", TRUE);
  element_fixture_play (f);
  element_feeder_start (feeder);
  element_feeder_set_caps (feeder, VP8_CAPS);
  element_fixture_request (f, ADD_TRACK, 0);
  for (guint i = 0; i < 3; i++) {
    GstElement *source = add_other (f, "livekitsrc");

    fail_unless (element_fixture_request (f, SUBSCRIPTION, n_subscriptions++)->subscription->subscribe);
    element_wait_until (has_pad (source, "audio_0"));
    remove_element (f, source);
    fail_if (element_fixture_request (f, SUBSCRIPTION, n_subscriptions++)->subscription->subscribe);
  }
  fail_unless_equals_int (element_feeder_push (feeder), GST_FLOW_OK);
  fail_unless_equals_int (fake_server_n_requests (f->server, ADD_TRACK), 1);
  element_feeder_free (feeder);
  element_fixture_free (f);
}

GST_END_TEST;

/* The sink comes and goes, each time with a track. */
GST_START_TEST (test_sink_beside_a_source)
{
  ElementFixture *f = element_fixture_new ("livekitsrc");
  GstElement *source = f->element;

  element_fixture_play (f);
  wait_joined (f, 1);
  for (guint i = 0; i < 3; i++) {
    ElementFeeder *feeder;

    f->element = add_other (f, "livekitsink");
    feeder = element_feeder_new (f, "audio_%u", OPUS_CAPS, TRUE);
    element_fixture_request (f, ADD_TRACK, i);
    fail_unless_equals_int (element_feeder_push (feeder), GST_FLOW_OK);
    /* Sometimes the pad goes first, sometimes the element. */
    if (i != 1)
      element_feeder_release (feeder);
    gst_element_set_state (f->element, GST_STATE_NULL);
    element_feeder_free (feeder);
    remove_element (f, f->element);
    f->element = source;
    fail_unless_equals_int (fake_server_n_clients (f->server), 1);
  }
  fail_unless_equals_int (fake_server_n_joins (f->server), 1);
  element_fixture_free (f);
}

GST_END_TEST;

/* At every step of a join, in both orders; nothing is left behind. */
GST_START_TEST (test_again_and_again)
{
  ElementFixture *f = element_fixture_new (factories[__i__]);
  ElementCount before = { 0, 0 };

  for (guint i = 0; i < 24; i++) {
    GstElement *other;

    if (i == 6) {
      fail_unless (fake_server_wait_clients (f->server, 0, ELEMENT_WAIT_MS));
      before = element_count_now ();
    }
    element_fixture_set_state (f, GST_STATE_PLAYING);
    if (i % 3 == 1)
      fail_unless (fake_server_wait_clients (f->server, 1, ELEMENT_WAIT_MS));
    other = add_other (f, factories[!__i__]);
    if (i % 3 == 2)
      wait_joined (f, 2);
    if (i % 2) {
      gst_element_set_state (f->element, GST_STATE_READY);
      remove_element (f, other);
    } else {
      remove_element (f, other);
      gst_element_set_state (f->element, GST_STATE_READY);
    }
    element_fixture_set_state (f, GST_STATE_READY);
    element_fixture_drop_messages (f);
  }
  fail_unless (fake_server_wait_clients (f->server, 0, ELEMENT_WAIT_MS));
  element_expect_count (before);
  element_fixture_free (f);
}

GST_END_TEST;

static gpointer
set_to_null (gpointer element)
{
  gst_element_set_state (element, GST_STATE_NULL);
  return NULL;
}

/* Both go at once, in threads of the application's. */
GST_START_TEST (test_both_go_at_once)
{
  for (guint i = 0; i < 10; i++) {
    ElementFixture *f = element_fixture_new (factories[i % 2]);
    GstElement *other = add_other (f, factories[!(i % 2)]);
    GThread *thread;

    element_fixture_play (f);
    if (i % 3)
      wait_joined (f, 2);
    thread = g_thread_new ("null", set_to_null, other);
    gst_element_set_state (f->element, GST_STATE_NULL);
    g_thread_join (thread);
    fail_unless (fake_server_wait_clients (f->server, 0, ELEMENT_WAIT_MS));
    fail_unless_equals_int (fake_server_n_joins (f->server), 1);
    element_fixture_free (f);
  }
}

GST_END_TEST;

/* --- who is who --- */

static const struct
{
  const gchar *property, *value;
  gboolean is_same;
} differences[] = {
  {"identity", "another", FALSE},
  {"identity", NULL, FALSE},
  {"room", "kitchen", FALSE},
  {"server-url", "http://127.0.0.1:%u/", TRUE},
  {"server-url", "WS://127.0.0.1:%u", TRUE},
  {"server-url", "ws://localhost:%u", FALSE},
  {"api-secret", "another-secret-0123456789-0123456789", TRUE},
  {"stun-server", "stun://127.0.0.1:9", TRUE},
};

GST_START_TEST (test_differences)
{
  ElementFixture *f = element_fixture_new ("livekitsink");
  GstElement *other = make_other (f, "livekitsrc");
  g_autofree gchar *value = NULL;

  if (differences[__i__].value)
    value = strstr (differences[__i__].value, "%u") ? g_strdup_printf ("%.*s%u%s",
        (gint) (strstr (differences[__i__].value, "%u") - differences[__i__].value), differences[__i__].value,
        fake_server_get_port (f->server), strstr (differences[__i__].value, "%u") + 2) :
        g_strdup (differences[__i__].value);
  g_object_set (other, differences[__i__].property, value, NULL);
  gst_bin_add (GST_BIN (f->pipeline), other);
  element_fixture_set_state (f, GST_STATE_PLAYING);
  wait_joined (f, 2);
  fail_unless_equals_int (fake_server_n_joins (f->server), differences[__i__].is_same ? 1 : 2);
  element_fixture_free (f);
}

GST_END_TEST;

/* A second sink, or source, of one identity: its error says whose it is, and the first one goes on. */
GST_START_TEST (test_two_of_a_kind)
{
  ElementFixture *f = element_fixture_new (factories[__i__]);
  GstElement *twin = make_other (f, factories[__i__]);
  g_autofree gchar *text = NULL;

  element_fixture_play (f);
  wait_joined (f, 1);
  gst_bin_add (GST_BIN (f->pipeline), twin);
  fail_unless_equals_int (gst_element_set_state (twin, GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
  text = element_fixture_expect_error (f, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_BUSY, "duplicate-identity");
  fail_unless (strstr (text, "'tester'") != NULL, "%s", text);
  gst_element_set_state (twin, GST_STATE_NULL);
  gst_bin_remove (GST_BIN (f->pipeline), twin);
  fail_unless_equals_int (fake_server_n_joins (f->server), 1);
  fail_unless_equals_int (fake_server_n_clients (f->server), 1);
  element_fixture_free (f);
}

GST_END_TEST;

/* The context of the first pipeline, as its message brings it. */
GST_START_TEST (test_context_is_handed_on)
{
  ElementFixture *f = element_fixture_new (factories[__i__]);
  GstElement *other = make_other (f, factories[!__i__]), *pipeline = gst_pipeline_new ("second");
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (GstContext) context = NULL;

  gst_bin_add (GST_BIN (pipeline), other);
  element_fixture_play (f);
  message = element_fixture_wait (f, GST_MESSAGE_HAVE_CONTEXT);
  gst_message_parse_have_context (message, &context);
  fail_unless_equals_string (gst_context_get_context_type (context), CONTEXT_TYPE);
  wait_joined (f, 1);
  gst_element_set_context (pipeline, context);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  element_fixture_set_state (f, GST_STATE_NULL);
  fail_unless_equals_int (fake_server_n_clients (f->server), 1);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  fail_unless (fake_server_wait_clients (f->server, 0, ELEMENT_WAIT_MS));
  fail_unless_equals_int (fake_server_n_joins (f->server), 1);
  gst_object_unref (pipeline);
  element_fixture_free (f);
}

GST_END_TEST;

/* --- errors --- */

/* The session ends: both say so. One of them that starts again begins anew, and the other joins it there. */
GST_START_TEST (test_both_fail_and_come_back)
{
  ElementFixture *f = element_fixture_new (factories[__i__]);
  GstElement *other = add_other (f, factories[!__i__]);

  fake_server_refuse_join (f->server, 401, "no");
  element_fixture_set_state (f, GST_STATE_PLAYING);
  for (guint i = 0; i < 2; i++)
    g_free (element_fixture_expect_error (f, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED, "unauthorized"));
  fake_server_refuse_join (f->server, 0, NULL);
  gst_element_set_state (other, GST_STATE_NULL);
  gst_element_set_state (other, GST_STATE_PLAYING);
  wait_joined (f, 1);
  gst_element_set_state (f->element, GST_STATE_NULL);
  gst_element_set_state (f->element, GST_STATE_PLAYING);
  wait_joined (f, 1);
  fail_unless_equals_int (fake_server_n_clients (f->server), 1);
  element_fixture_free (f);
}

GST_END_TEST;

/* What the session's token does not allow is the newcomer's error alone. */
GST_START_TEST (test_missing_right)
{
  ElementFixture *f = element_fixture_new (factories[__i__]);
  GstElement *other;
  g_autofree gchar *text = NULL;

  fake_server_set_permission (f->server, __i__ == 0, __i__ == 1);
  element_fixture_play (f);
  wait_joined (f, 1);
  other = add_other (f, factories[!__i__]);
  text = element_fixture_expect_error (f, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED, NULL);
  fail_unless (strstr (text, __i__ ? "canPublish" : "canSubscribe") != NULL, "%s", text);
  remove_element (f, other);
  fail_unless_equals_int (fake_server_n_clients (f->server), 1);
  element_fixture_free (f);
}

GST_END_TEST;

static Suite *
duplex_suite (void)
{
  Suite *s = element_suite_create ("duplex");
  TCase *lives = tcase_create ("lives"), *keys = tcase_create ("keys"), *errors = tcase_create ("errors");

  suite_add_tcase (s, lives);
  tcase_add_loop_test (lives, test_one_session, 0, 2);
  tcase_add_loop_test (lives, test_first_or_second_goes, 0, 4);
  tcase_add_loop_test (lives, test_newcomer_is_told, 0, 2);
  tcase_add_test (lives, test_source_beside_a_track);
  tcase_add_test (lives, test_sink_beside_a_source);
  tcase_add_loop_test (lives, test_again_and_again, 0, 2);
  tcase_add_test (lives, test_both_go_at_once);
  suite_add_tcase (s, keys);
  tcase_add_loop_test (keys, test_differences, 0, G_N_ELEMENTS (differences));
  tcase_add_loop_test (keys, test_two_of_a_kind, 0, 2);
  tcase_add_loop_test (keys, test_context_is_handed_on, 0, 2);
  suite_add_tcase (s, errors);
  tcase_add_loop_test (errors, test_both_fail_and_come_back, 0, 2);
  tcase_add_loop_test (errors, test_missing_right, 0, 2);
  return s;
}

GST_CHECK_MAIN (duplex);
