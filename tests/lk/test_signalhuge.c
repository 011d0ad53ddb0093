/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* T30: messages that are too large, too many, or never end. Two sizes are those of large rooms and work; the others end
 * the connection, and none costs more than 64 MiB. */
#include <gst/check/gstcheck.h>
#include <libsoup/soup.h>
#include <string.h>

#include "signalfixture.h"

#define MAX_GROWTH_KIB (64 * 1024)

/* The most that the process ever had, in KiB; 0 where that says nothing of us: under sanitizers and valgrind. */
static guint64
peak_kib (void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return 0;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  return 0;
#endif
#endif
  g_autofree gchar *status = NULL;
  const gchar *preload = g_getenv ("LD_PRELOAD"), *line;

  if ((preload != NULL && strstr (preload, "vgpreload") != NULL)
      || !g_file_get_contents ("/proc/self/status", &status, NULL, NULL))
    return 0;
  line = strstr (status, "VmHWM:");
  return line != NULL ? g_ascii_strtoull (line + strlen ("VmHWM:"), NULL, 10) : 0;
}

static void
check_growth (guint64 before_kib)
{
  guint64 now_kib = peak_kib ();

  fail_unless (now_kib - before_kib < MAX_GROWTH_KIB, "%u KiB more than %u KiB", (guint) (now_kib - before_kib),
      (guint) before_kib);
}

/* A JoinResponse whose room has metadata of @size bytes. */
static GBytes *
make_large_join (gsize size)
{
  Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
  Livekit__JoinResponse join = LIVEKIT__JOIN_RESPONSE__INIT;
  Livekit__Room room = LIVEKIT__ROOM__INIT;
  Livekit__ParticipantInfo participant = LIVEKIT__PARTICIPANT_INFO__INIT;
  g_autofree gchar *metadata = g_strnfill (size, 'x');
  gsize packed_size;
  guint8 *data;

  room.metadata = metadata;
  join.room = &room;
  join.participant = &participant;
  response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN;
  response.join = &join;
  packed_size = livekit__signal_response__get_packed_size (&response);
  data = g_malloc (packed_size);
  livekit__signal_response__pack (&response, data);
  return g_bytes_new_take (data, packed_size);
}

GST_START_TEST (test_large_messages)
{
  static const struct
  {
    gsize size;
    gboolean is_taken;
  } cases[] = { {130 * 1024, TRUE}, {3900 * 1024, TRUE}, {5000 * 1024, FALSE} };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GBytes) bytes = make_large_join (cases[i].size);
    SignalFixture *f = signal_fixture_new ();

    fake_server_set_join_bytes (f->server, bytes);
    in_loop (f, do_connect);
    expect_opened (f, TRUE);
    if (cases[i].is_taken)
      expect_message (f, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN);
    else
      g_error_free (expect_error (f, LK_ERROR_PROTOCOL));
    signal_fixture_free (f);
  }
}

GST_END_TEST;

/* A frame of the server: no mask. */
static void
append_frame (GByteArray * array, guint8 first, gsize size)
{
  guint8 head[] = { first, 127, 0, 0, 0, 0, (size >> 24) & 0xff, (size >> 16) & 0xff, (size >> 8) & 0xff, size & 0xff };
  guint length = array->len;

  if (size < 126) {
    head[1] = (guint8) size;
    g_byte_array_append (array, head, 2);
  } else {
    g_byte_array_append (array, head, sizeof head);
  }
  length = array->len;
  g_byte_array_set_size (array, length + (guint) size);
  memset (array->data + length, 'x', size);
}

#define BINARY 0x02
#define CONTINUED 0x00
#define FINAL 0x80
#define PING 0x09

/* Older ones have no limit for the sum of fragments, and no way to look at them. */
static gboolean
has_limit_of_fragments (void)
{
  g_autoptr (GTypeClass) class = g_type_class_ref (SOUP_TYPE_WEBSOCKET_CONNECTION);

  return g_object_class_find_property (G_OBJECT_CLASS (class), "max-total-message-size") != NULL;
}

/* Each fragment is small, their sum has no end. */
GST_START_TEST (test_fragments_without_end)
{
  g_autoptr (GByteArray) first = g_byte_array_new ();
  g_autoptr (GByteArray) more = g_byte_array_new ();
  guint64 before_kib = peak_kib ();
  SignalFixture *f = signal_fixture_new ();
  SignalEvent *event = NULL;

  if (!has_limit_of_fragments ()) {
    g_print ("LEFT OUT: fragments without end, for libsoup %u.%u has no limit\n", soup_get_major_version (),
        soup_get_minor_version ());
    signal_fixture_free (f);
    return;
  }
  append_frame (first, BINARY, 100000);
  append_frame (more, CONTINUED, 100000);
  connect_and_join (f);
  fake_server_push_raw (f->server, first->data, first->len);
  /* 100 MB, if need be */
  for (guint i = 0; i < 1000 && event == NULL; i++) {
    fake_server_push_raw (f->server, more->data, more->len);
    event = g_async_queue_timeout_pop (f->events, 2000);
  }
  if (event != NULL)
    g_async_queue_push_front (f->events, event);
  g_error_free (expect_error (f, LK_ERROR_PROTOCOL));
  signal_fixture_free (f);
  check_growth (before_kib);
}

GST_END_TEST;

GST_START_TEST (test_a_million_empty_frames)
{
  static const guint8 kinds[] = { FINAL | BINARY, CONTINUED, FINAL | PING };
  g_autoptr (GByteArray) frames = g_byte_array_new ();
  guint64 before_kib = peak_kib ();
  SignalFixture *f = signal_fixture_new ();

  if (kinds[__i__] == CONTINUED)
    append_frame (frames, BINARY, 0);
  for (guint i = 0; i < 1000; i++)
    append_frame (frames, kinds[__i__], 0);
  connect_and_join (f);
  for (guint i = 0; i < 1000; i++)
    fake_server_push_raw (f->server, frames->data + (kinds[__i__] == CONTINUED && i > 0 ? 2 : 0),
        frames->len - (kinds[__i__] == CONTINUED && i > 0 ? 2 : 0));
  if (kinds[__i__] == (FINAL | BINARY)) {
    g_error_free (expect_error (f, LK_ERROR_PROTOCOL));
  } else {
    /* nothing is wrong with pings and empty fragments, and they cost nothing */
    in_loop (f, do_close);
    expect_closed_quietly (f);
  }
  signal_fixture_free (f);
  check_growth (before_kib);
}

GST_END_TEST;

/* update { participants {} participants {} … }: two bytes each on the wire. */
GST_START_TEST (test_two_megabytes_of_empty_fields)
{
  g_autoptr (GByteArray) message = g_byte_array_new ();
  guint64 before_kib = peak_kib ();
  SignalFixture *f = signal_fixture_new ();

  g_byte_array_append (message, (const guint8 *) "\x2a\x80\x80\x80\x01", 5);
  g_byte_array_set_size (message, 5 + 2 * 1024 * 1024);
  for (guint i = 5; i < message->len; i += 2) {
    message->data[i] = 0x0a;
    message->data[i + 1] = 0;
  }
  connect_and_join (f);
  fake_server_push_bytes (f->server, message->data, message->len);
  g_error_free (expect_error (f, LK_ERROR_PROTOCOL));
  signal_fixture_free (f);
  check_growth (before_kib);
}

GST_END_TEST;

/* A frame that claims a length which nobody has. */
GST_START_TEST (test_lengths_that_lie)
{
  static const gchar *const heads[] = { "\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff",
    "\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", "\x82\x7f\x00\x00\x00\x00\xff\xff\xff\xff"
  };
  SignalFixture *f = signal_fixture_new ();

  connect_and_join (f);
  fake_server_push_raw (f->server, heads[__i__], 10);
  g_error_free (expect_error (f, LK_ERROR_PROTOCOL));
  signal_fixture_free (f);
}

GST_END_TEST;

/* What is not offered cannot be inflated. */
GST_START_TEST (test_no_compression_is_offered)
{
  FakeRawServer *raw = fake_raw_server_new ("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", FALSE);
  SignalFixture *f = signal_fixture_new ();
  g_autofree gchar *received = NULL, *lower = NULL;

  f->settings.server_url = fake_raw_server_get_url (raw);
  in_loop (f, do_connect);
  g_error_free (expect_error (f, LK_ERROR_SERVER));
  received = fake_raw_server_wait_received (raw, "\r\n\r\n", WAIT_MS);
  fail_unless (received != NULL);
  lower = g_ascii_strdown (received, -1);
  fail_unless (strstr (lower, "upgrade: websocket") != NULL);
  fail_if (strstr (lower, "sec-websocket-extensions") != NULL);
  signal_fixture_free (f);
  fake_raw_server_free (raw);
}

GST_END_TEST;

static Suite *
signalhuge_suite (void)
{
  Suite *s = suite_create ("lksignalhuge");
  TCase *tc = tcase_create ("T30");

  suite_add_tcase (s, tc);
  tcase_set_timeout (tc, 120);
  tcase_add_test (tc, test_large_messages);
  tcase_add_test (tc, test_fragments_without_end);
  tcase_add_loop_test (tc, test_a_million_empty_frames, 0, 3);
  tcase_add_test (tc, test_two_megabytes_of_empty_fields);
  tcase_add_loop_test (tc, test_lengths_that_lie, 0, 3);
  tcase_add_test (tc, test_no_compression_is_offered);
  return s;
}

GST_CHECK_MAIN (signalhuge);
