/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* elementfixture: livekitsink or livekitsrc in a pipeline, beside a fake server. */
#include <gst/check/gstcheck.h>
#include <gst/video/video.h>
#include <string.h>

#include "elementfixture.h"

/* The promise of the elements; a loaded machine gets no more either. */
/* As promised. LK_TEST_SLOWER: how many times longer under a tool that makes all slower. */
#define STATE_CHANGE_LIMIT_US (2 * G_USEC_PER_SEC)

static gboolean
let_pass (const gchar * domain, GLogLevelFlags level, const gchar * message, gpointer unused)
{
  return TRUE;
}

/* What upstream.txt lists fails no test. */
static void
read_upstream_list (void)
{
  g_autofree gchar *text = NULL;
  g_auto (GStrv) lines = NULL;

  fail_unless (g_file_get_contents (LK_UPSTREAM_LIST, &text, NULL, NULL));
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    g_auto (GStrv) fields = g_strsplit (lines[i], "\t", -1);
    GRegex *regex;

    if (*lines[i] == '#' || g_strv_length (fields) < 5)
      continue;
    regex = g_regex_new (fields[1], 0, 0, NULL);
    fail_unless (regex != NULL, "%s", fields[1]);
    gst_check_add_log_filter (fields[0], G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING, regex, let_pass, NULL, NULL);
  }
}

ElementFixture *
element_fixture_new (const gchar * factory)
{
  ElementFixture *f = g_new0 (ElementFixture, 1);

  read_upstream_list ();
  f->server = fake_server_new ();
  f->element = gst_element_factory_make (factory, "element");
  fail_unless (f->element != NULL, "%s is missing", factory);
  f->pipeline = gst_pipeline_new ("test");
  /* What was posted is looked at after the end, too. */
  g_object_set (f->pipeline, "auto-flush-bus", FALSE, NULL);
  gst_bin_add (GST_BIN (f->pipeline), f->element);
  f->bus = gst_element_get_bus (f->pipeline);
  g_object_set (f->element, "server-url", fake_server_get_url (f->server), "room", "lab", "identity", "tester",
      "api-key", "devkey", "api-secret", ELEMENT_SECRET, "join-timeout", 0, NULL);
  return f;
}

static void
fail_on_error (GstMessage * message)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *debug = NULL;

  gst_message_parse_error (message, &error, &debug);
  fail ("an error that was not expected: %s (%s)", error->message, debug);
}

void
element_fixture_expect_none (ElementFixture * f, GstMessageType types)
{
  GstMessage *message;

  while ((message = gst_bus_pop_filtered (f->bus, types | GST_MESSAGE_ERROR))) {
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
      fail_on_error (message);
    fail ("a message that was not expected: %s", GST_MESSAGE_TYPE_NAME (message));
  }
}

void
element_fixture_expect_no_more_errors (ElementFixture * f)
{
  element_fixture_set_state (f, GST_STATE_NULL);
  element_fixture_expect_none (f, GST_MESSAGE_ERROR);
}

void
element_fixture_free (ElementFixture * f)
{
  element_fixture_set_state (f, GST_STATE_NULL);
  if (!f->allows_errors)
    element_fixture_expect_none (f, GST_MESSAGE_ERROR);
  gst_bus_set_flushing (f->bus, TRUE);
  gst_object_unref (f->bus);
  ASSERT_OBJECT_REFCOUNT (f->pipeline, "pipeline", 1);
  gst_object_unref (f->pipeline);
  fake_server_free (f->server);
  g_free (f);
}

Suite *
element_suite_create (const gchar * name)
{
  g_autoptr (GstElement) dtlsdec = gst_element_factory_make ("dtlsdec", NULL);

  if (dtlsdec)
    gst_object_ref_sink (dtlsdec);
  return suite_create (name);
}

GstStateChangeReturn
element_fixture_set_state (ElementFixture * f, GstState state)
{
  gint64 start = g_get_monotonic_time ();
  GstStateChangeReturn result = gst_element_set_state (f->pipeline, state);
  gint64 took = g_get_monotonic_time () - start;
  const gchar *slower = g_getenv ("LK_TEST_SLOWER");

  fail_unless (took < STATE_CHANGE_LIMIT_US * (slower ? g_ascii_strtoll (slower, NULL, 10) : 1), "to %s took %u ms", gst_element_state_get_name (state),
      (guint) (took / 1000));
  return result;
}

void
element_fixture_play (ElementFixture * f)
{
  fail_if (element_fixture_set_state (f, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE);
  fail_unless (fake_server_wait_clients (f->server, 1, ELEMENT_WAIT_MS));
}

GstMessage *
element_fixture_wait (ElementFixture * f, GstMessageType types)
{
  GstMessage *message = gst_bus_timed_pop_filtered (f->bus, ELEMENT_WAIT_MS * GST_MSECOND, types | GST_MESSAGE_ERROR);

  fail_unless (message != NULL, "no message came");
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    f->n_errors++;
    if (!(types & GST_MESSAGE_ERROR))
      fail_on_error (message);
  }
  return message;
}

GstStructure *
element_fixture_wait_structure (ElementFixture * f, const gchar * name, const gchar * field, const gchar * value)
{
  while (TRUE) {
    g_autoptr (GstMessage) message = element_fixture_wait (f, GST_MESSAGE_ELEMENT);
    const GstStructure *structure = gst_message_get_structure (message);

    if (gst_structure_has_name (structure, name)
        && (field == NULL || g_strcmp0 (gst_structure_get_string (structure, field), value) == 0))
      return gst_structure_copy (structure);
  }
}

void
element_fixture_wait_state (ElementFixture * f, const gchar * connection_state)
{
  gst_structure_free (element_fixture_wait_structure (f, "livekit-connection", "state", connection_state));
}

void
element_fixture_wait_progress (ElementFixture * f, GstProgressType wanted_type, const gchar * wanted_code)
{
  while (TRUE) {
    g_autoptr (GstMessage) message = element_fixture_wait (f, GST_MESSAGE_PROGRESS);
    g_autofree gchar *code = NULL;
    GstProgressType type;

    gst_message_parse_progress (message, &type, &code, NULL);
    if (type == wanted_type && g_str_equal (code, wanted_code))
      return;
  }
}

void
element_fixture_wait_joined (ElementFixture * f)
{
  element_fixture_wait_progress (f, GST_PROGRESS_TYPE_COMPLETE, "connect");
}

void
element_fixture_drop_messages (ElementFixture * f)
{
  element_fixture_expect_none (f, 0);
  gst_bus_set_flushing (f->bus, TRUE);
  gst_bus_set_flushing (f->bus, FALSE);
}

gchar *
element_fixture_expect_error (ElementFixture * f, GQuark domain, gint code, const gchar * reason)
{
  g_autoptr (GstMessage) message = element_fixture_wait (f, GST_MESSAGE_ERROR);
  g_autoptr (GError) error = NULL;
  g_autofree gchar *debug = NULL;
  const GstStructure *details = NULL;

  gst_message_parse_error (message, &error, &debug);
  gst_message_parse_error_details (message, &details);
  fail_unless (error->domain == domain && error->code == code, "%s %d: %s", g_quark_to_string (error->domain),
      error->code, error->message);
  if (reason) {
    fail_unless (details != NULL);
    fail_unless_equals_string (gst_structure_get_string (details, "reason"), reason);
  }
  return g_strdup_printf ("%s\n%s", error->message, debug ? debug : "");
}

const Livekit__SignalRequest *
element_fixture_request (ElementFixture * f, Livekit__SignalRequest__MessageCase kind, guint index)
{
  gint64 deadline = g_get_monotonic_time () + ELEMENT_WAIT_MS * G_TIME_SPAN_MILLISECOND;

  /* Each is waited for once, and others may have done that. */
  while (fake_server_n_requests (f->server, kind) <= index) {
    gint64 left_ms = (deadline - g_get_monotonic_time ()) / G_TIME_SPAN_MILLISECOND;

    fail_unless (left_ms > 0 && fake_server_wait_request (f->server, kind, left_ms), "no request %u of kind %d", index,
        kind);
  }
  return fake_server_nth_request (f->server, kind, index);
}

void
element_fill_room (ElementFixture * f, gboolean muted)
{
  fake_server_add_participant (f->server, "PA_alice", "alice", "Alice");
  fake_server_add_track (f->server, "PA_alice", "TR_cam", LIVEKIT__TRACK_TYPE__VIDEO, LIVEKIT__TRACK_SOURCE__CAMERA,
      "front", "video/VP8");
  fake_server_add_track (f->server, "PA_alice", "TR_mic", LIVEKIT__TRACK_TYPE__AUDIO, LIVEKIT__TRACK_SOURCE__MICROPHONE,
      "", "audio/opus");
  fake_server_add_participant (f->server, "PA_bob", "bob", "");
  fake_server_add_track (f->server, "PA_bob", "TR_slides", LIVEKIT__TRACK_TYPE__VIDEO,
      LIVEKIT__TRACK_SOURCE__SCREEN_SHARE, "slides", "video/H264");
  if (!muted)
    return;
  fake_server_mute_track (f->server, "PA_alice", "TR_cam", TRUE);
  fake_server_mute_track (f->server, "PA_alice", "TR_mic", TRUE);
  fake_server_mute_track (f->server, "PA_bob", "TR_slides", TRUE);
}

static gboolean
lists_sid (const Livekit__UpdateSubscription * subscription, const gchar * sid)
{
  for (gsize i = 0; i < subscription->n_track_sids; i++) {
    if (g_str_equal (subscription->track_sids[i], sid))
      return TRUE;
  }
  return FALSE;
}

gboolean
element_is_subscribed (ElementFixture * f, const gchar * sid)
{
  const Livekit__SignalRequest__MessageCase kind = LIVEKIT__SIGNAL_REQUEST__MESSAGE_SUBSCRIPTION;
  gboolean result = FALSE;

  for (guint i = 0; i < fake_server_n_requests (f->server, kind); i++) {
    const Livekit__UpdateSubscription *subscription = fake_server_nth_request (f->server, kind, i)->subscription;

    if (lists_sid (subscription, sid))
      result = subscription->subscribe;
  }
  return result;
}

/* --- feeders --- */

static gboolean
on_feeder_query (GstPad * pad, GstObject * parent, GstQuery * query)
{
  ElementFeeder *feeder = gst_pad_get_element_private (pad);

  if (GST_QUERY_TYPE (query) == GST_QUERY_LATENCY) {
    gst_query_set_latency (query, feeder->is_live, 0, GST_CLOCK_TIME_NONE);
    return TRUE;
  }
  return gst_pad_query_default (pad, parent, query);
}

static gboolean
on_feeder_event (GstPad * pad, GstObject * parent, GstEvent * event)
{
  ElementFeeder *feeder = gst_pad_get_element_private (pad);

  if (gst_video_event_is_force_key_unit (event))
    g_atomic_int_inc ((gint *) & feeder->n_key_frame_requests);
  gst_event_unref (event);
  return TRUE;
}

ElementFeeder *
element_feeder_new (ElementFixture * f, const gchar * pad_name, const gchar * caps, gboolean is_live)
{
  ElementFeeder *feeder = g_new0 (ElementFeeder, 1);

  feeder->is_live = is_live;
  feeder->element = f->element;
  feeder->sink = gst_element_request_pad_simple (f->element, pad_name);
  fail_unless (feeder->sink != NULL);
  feeder->src = gst_object_ref_sink (gst_pad_new ("feeder", GST_PAD_SRC));
  gst_pad_set_element_private (feeder->src, feeder);
  gst_pad_set_query_function (feeder->src, on_feeder_query);
  gst_pad_set_event_function (feeder->src, on_feeder_event);
  gst_pad_set_active (feeder->src, TRUE);
  fail_unless_equals_int (gst_pad_link_full (feeder->src, feeder->sink, GST_PAD_LINK_CHECK_NOTHING), GST_PAD_LINK_OK);
  if (caps) {
    element_feeder_start (feeder);
    element_feeder_set_caps (feeder, caps);
  }
  return feeder;
}

void
element_feeder_start (ElementFeeder * feeder)
{
  g_autofree gchar *stream_id = g_strdup_printf ("feeder/%p", feeder);

  gst_pad_push_event (feeder->src, gst_event_new_stream_start (stream_id));
}

void
element_feeder_set_caps (ElementFeeder * feeder, const gchar * text)
{
  g_autoptr (GstCaps) caps = gst_caps_from_string (text);
  GstSegment segment;

  fail_unless (caps != NULL, "%s", text);
  gst_pad_push_event (feeder->src, gst_event_new_caps (caps));
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_push_event (feeder->src, gst_event_new_segment (&segment));
}

GstFlowReturn
element_feeder_push (ElementFeeder * feeder)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, 100, NULL);

  gst_buffer_memset (buffer, 0, 0, 100);
  GST_BUFFER_PTS (buffer) = feeder->n_pushed * 20 * GST_MSECOND;
  GST_BUFFER_DURATION (buffer) = 20 * GST_MSECOND;
  feeder->n_pushed++;
  return gst_pad_push (feeder->src, buffer);
}

void
element_feeder_release (ElementFeeder * feeder)
{
  gst_pad_unlink (feeder->src, feeder->sink);
  gst_element_release_request_pad (feeder->element, feeder->sink);
  gst_clear_object (&feeder->sink);
}

void
element_feeder_free (ElementFeeder * feeder)
{
  gst_pad_set_active (feeder->src, FALSE);
  if (feeder->sink)
    element_feeder_release (feeder);
  gst_object_unref (feeder->src);
  g_free (feeder);
}

guint64
element_feeder_get_stat (ElementFeeder * feeder, const gchar * name)
{
  g_autoptr (GstStructure) stats = NULL;
  guint64 value = 0;

  g_object_get (feeder->sink, "stats", &stats, NULL);
  fail_unless (gst_structure_get_uint64 (stats, name, &value), "no %s", name);
  return value;
}

/* --- what the process has --- */

static guint
count_entries (const gchar * path)
{
  GDir *dir = g_dir_open (path, 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir))
    n++;
  g_dir_close (dir);
  return n;
}

ElementCount
element_count_now (void)
{
  return (ElementCount) { count_entries ("/proc/self/task"), count_entries ("/proc/self/fd") };
}

/* GLib keeps this many idle threads of its pools, and ends them when nobody has used them for a while. */
#define POOL_THREADS 2

void
element_expect_count (ElementCount before)
{
  element_wait_until (element_count_now ().n_threads <= before.n_threads + POOL_THREADS);
  element_wait_until (element_count_now ().n_fds <= before.n_fds);
}
