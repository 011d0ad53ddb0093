/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* T29: messages that are none: cut, damaged, made up; to the room as messages, and over a websocket. Each is ignored or
 * ends the connection by one clean error. The messages in the corpus are from sessions with livekit-server 1.13.5.
 *
 * LK_TEST_INPUTS: how many damaged messages, 10000 when unset. LK_TEST_SEED: replays a run. */
#include <gst/check/gstcheck.h>
#include <string.h>

#include "lkmessage.h"
#include "roomworld.h"
#include "signalfixture.h"

#define DEFAULT_INPUTS 10000
#define MIN_RECORDED 30
/* of those in a row that the client forgives */
#define BAD_IN_A_ROW 9

static GPtrArray *
load_corpus (void)
{
  GPtrArray *messages = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  g_autoptr (GDir) dir = g_dir_open (LK_CORPUS_DIR "/message", 0, NULL);
  const gchar *name;
  guint n_recorded = 0;

  fail_unless (dir != NULL);
  while ((name = g_dir_read_name (dir)) != NULL) {
    g_autofree gchar *path = g_build_filename (LK_CORPUS_DIR "/message", name, NULL);
    gchar *data;
    gsize size;

    fail_unless (g_file_get_contents (path, &data, &size, NULL), "%s", path);
    n_recorded += g_str_has_prefix (name, "made-") ? 0 : 1;
    g_ptr_array_add (messages, g_bytes_new_take (data, size));
  }
  fail_unless (n_recorded >= MIN_RECORDED, "%u", n_recorded);
  return messages;
}

static guint
n_inputs (void)
{
  const gchar *given = g_getenv ("LK_TEST_INPUTS");

  return given != NULL ? (guint) g_ascii_strtoull (given, NULL, 10) : DEFAULT_INPUTS;
}

static GRand *
make_rand (const gchar * what)
{
  const gchar *given = g_getenv ("LK_TEST_SEED");
  guint32 seed = given != NULL ? (guint32) g_ascii_strtoull (given, NULL, 0) : g_random_int ();

  g_print ("%s: LK_TEST_SEED=%u\n", what, seed);
  return g_rand_new_with_seed (seed);
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* Into a room */

/* The log's line is asked for, too. FALSE when it is no message. */
static gboolean
hear (RoomWorld * f, gconstpointer data, gsize size)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (GError) error = NULL;
  g_autofree gchar *summary = NULL;
  Livekit__SignalResponse *response = lk_message_unpack (bytes, &error);

  fail_unless ((response == NULL) == (error != NULL));
  if (response == NULL) {
    fail_unless (g_error_matches (error, LK_ERROR, LK_ERROR_PROTOCOL));
    return FALSE;
  }
  summary = lk_message_summary_response (response);
  fail_unless (summary != NULL && *summary != '\0' && strchr (summary, '\n') == NULL);
  if (f->client != NULL)
    say (f, response);
  lk_message_free (response);
  return TRUE;
}

/* A room that is listening, in a session or before one. */
static void
revive (RoomWorld * f, gboolean in_session)
{
  f->keeps_quiet = FALSE;
  if (f->room != NULL && f->was_closed) {
    free_room (f);
    new_room (f);
  } else if (f->room != NULL && lk_room_get_state (f->room) != LK_ROOM_IDLE) {
    lk_room_leave_in_loop (f->room);
    advance (f, 1000);
    g_queue_clear_full (&f->lines, g_free);
    free_room (f);
    new_room (f);
  }
  if (in_session)
    reach_steady (f);
  else
    reach_connecting (f);
  f->keeps_quiet = TRUE;
}

/* At most one end, and it can always be left. */
static void
finish (RoomWorld * f)
{
  if (!f->was_closed) {
    lk_room_leave_in_loop (f->room);
    advance (f, 1000);
  }
  fail_unless (f->was_closed);
  g_queue_clear_full (&f->lines, g_free);
}

static void
hear_every_prefix (RoomWorld * f)
{
  g_autoptr (GPtrArray) messages = load_corpus ();

  for (guint in_session = 0; in_session < 2; in_session++) {
    revive (f, in_session);
    for (guint i = 0; i < messages->len; i++) {
      gsize size;
      const guint8 *data = g_bytes_get_data (g_ptr_array_index (messages, i), &size);

      for (gsize length = 0; length <= size; length++) {
        hear (f, data, length);
        if (f->client == NULL)
          revive (f, in_session);
      }
    }
  }
  finish (f);
}

GST_START_TEST (test_every_prefix)
{
  run (hear_every_prefix);
}

GST_END_TEST;

/* From a copy: the array moves while it grows. */
static void
append_itself (GByteArray * array)
{
  guint size = MIN (array->len, 4096);
  g_autofree guint8 *copy = g_memdup2 (array->data, size);

  g_byte_array_append (array, copy, size);
}

/* Bits flipped, bytes cut out, doubled or made up, pieces of two messages; now and then nothing but chance. */
static GByteArray *
damage (GPtrArray * messages, GRand * rand)
{
  GByteArray *array = g_byte_array_new ();
  GBytes *message = g_ptr_array_index (messages, g_rand_int_range (rand, 0, (gint) messages->len));
  GBytes *other = g_ptr_array_index (messages, g_rand_int_range (rand, 0, (gint) messages->len));
  gint n = g_rand_int_range (rand, 1, 5);

  g_byte_array_append (array, g_bytes_get_data (message, NULL), (guint) g_bytes_get_size (message));
  while (n-- > 0) {
    gint at = g_rand_int_range (rand, 0, (gint) array->len + 1), rest = (gint) array->len - at;
    guint8 byte = (guint8) g_rand_int_range (rand, 0, 256);

    switch (g_rand_int_range (rand, 0, 6)) {
      case 0:
        if (rest > 0)
          array->data[at] ^= (guint8) (1 << g_rand_int_range (rand, 0, 8));
        break;
      case 1:
        if (rest > 0)
          array->data[at] = byte;
        break;
      case 2:
        if (rest > 0)
          g_byte_array_remove_range (array, (guint) at, (guint) g_rand_int_range (rand, 1, MIN (rest, 20) + 1));
        break;
      case 3:
        g_byte_array_set_size (array, (guint) at);
        g_byte_array_append (array, g_bytes_get_data (other, NULL), (guint) g_bytes_get_size (other));
        break;
      case 4:
        append_itself (array);
        break;
      default:
        for (gint i = at; i < (gint) array->len && i < at + 8; i++)
          array->data[i] = (guint8) g_rand_int_range (rand, 0, 256);
        break;
    }
  }
  return array;
}

static void
hear_damaged (RoomWorld * f)
{
  g_autoptr (GPtrArray) messages = load_corpus ();
  g_autoptr (GRand) rand = make_rand ("damage");
  guint n_heard = 0, n = n_inputs ();

  revive (f, TRUE);
  for (guint i = 0; i < n; i++) {
    g_autoptr (GByteArray) array = damage (messages, rand);

    n_heard += hear (f, array->data, array->len) ? 1 : 0;
    /* as it would be after so many of them */
    if (f->client == NULL || i % 50 == 49)
      revive (f, g_rand_int_range (rand, 0, 4) > 0);
  }
  finish (f);
  /* it is not all rubbish */
  fail_unless (n_heard > n / 20, "%u of %u", n_heard, n);
}

GST_START_TEST (test_damaged_messages)
{
  run (hear_damaged);
}

GST_END_TEST;

/* ------------------------------------------------------------------------------------------------------------------ */
/* Over a websocket */

/* refresh_token "x": who says it is still listened to. */
static const guint8 good[] = { 0x82, 1, 1, 'x' };

static void
push_good (SignalFixture * f, guint * n_good)
{
  fake_server_push_bytes (f->server, good, sizeof good);
  (*n_good)++;
}

/* All that was good has come; what else was understood may have. Nothing has ended. */
static void
expect_good (SignalFixture * f, guint n_good)
{
  while (n_good > 0) {
    SignalEvent *event = pop (f);

    fail_unless (event->kind == MESSAGE, "%s", event->error != NULL ? event->error->message : "the end");
    n_good -= event->message == LIVEKIT__SIGNAL_RESPONSE__MESSAGE_REFRESH_TOKEN ? 1 : 0;
    signal_event_free (event);
  }
  in_loop (f, do_close);
  expect_closed_quietly (f);
}

GST_START_TEST (test_every_prefix_on_the_wire)
{
  g_autoptr (GPtrArray) messages = load_corpus ();
  SignalFixture *f = signal_fixture_new ();
  guint n_good = 0, n = 0;

  connect_and_join (f);
  for (guint i = 0; i < messages->len; i++) {
    gsize size;
    const guint8 *data = g_bytes_get_data (g_ptr_array_index (messages, i), &size);

    /* a whole one with this number may be among them, and is counted by nobody */
    if (size >= 2 && data[0] == good[0] && data[1] == good[1])
      continue;
    for (gsize length = 1; length < size; length++) {
      fake_server_push_bytes (f->server, data, length);
      if (++n % BAD_IN_A_ROW == 0)
        push_good (f, &n_good);
    }
  }
  push_good (f, &n_good);
  expect_good (f, n_good);
  signal_fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_wrong_wire_types_on_the_wire)
{
  SignalFixture *f = signal_fixture_new ();
  guint n_good = 0;

  connect_and_join (f);
  for (guint field = 1; field <= 31; field++) {
    for (guint wire_type = 0; wire_type < 8; wire_type++) {
      guint tag = field << 3 | wire_type;
      guint8 data[] = { tag < 128 ? tag : (tag & 127) | 128, tag < 128 ? 4 : tag >> 7, 8, 1, 16, 1 };

      /* a refresh_token that is right, as above */
      if (field == 16 && wire_type == 2)
        continue;
      fake_server_push_bytes (f->server, data, sizeof data);
      if (wire_type == 7)
        push_good (f, &n_good);
    }
  }
  expect_good (f, n_good);
  signal_fixture_free (f);
}

GST_END_TEST;

/* 10 000 groups inside each other, of a field that nobody knows and of one that is known; messages inside each
 * other. */
GST_START_TEST (test_nesting_on_the_wire)
{
  g_autoptr (GByteArray) unknown = g_byte_array_new ();
  g_autoptr (GByteArray) known = g_byte_array_new ();
  g_autoptr (GByteArray) nested = g_byte_array_new ();
  SignalFixture *f = signal_fixture_new ();
  guint n_good = 0;

  for (guint i = 0; i < 10000; i++) {
    guint8 head[4] = { 0x0a, }, n = 1;
    guint rest = nested->len;

    g_byte_array_append (unknown, (const guint8 *) "\xc3\x3e", 2);
    g_byte_array_append (known, (const guint8 *) "\x0b", 1);
    for (; rest >= 128; rest >>= 7)
      head[n++] = (guint8) ((rest & 127) | 128);
    head[n++] = (guint8) rest;
    g_byte_array_prepend (nested, head, n);
  }
  connect_and_join (f);
  fake_server_push_bytes (f->server, unknown->data, unknown->len);
  push_good (f, &n_good);
  fake_server_push_bytes (f->server, known->data, known->len);
  push_good (f, &n_good);
  fake_server_push_bytes (f->server, nested->data, nested->len);
  push_good (f, &n_good);
  expect_good (f, n_good);
  signal_fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_text_frames)
{
  static const gchar *const texts[] = { "", "rubbish", "{\"join\":{}}", "<html></html>", "{\"leave\":{\"action\":0}}",
    "\r\n"
  };
  SignalFixture *f = signal_fixture_new ();
  guint n_good = 0;

  connect_and_join (f);
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    fake_server_push_text (f->server, texts[i]);
  push_good (f, &n_good);
  expect_good (f, n_good);
  signal_fixture_free (f);
}

GST_END_TEST;

/* Ten in a row, of whatever kind, come from something else. */
GST_START_TEST (test_nothing_but_rubbish)
{
  g_autoptr (GRand) rand = make_rand ("rubbish");
  SignalFixture *f = signal_fixture_new ();
  g_autoptr (GError) error = NULL;

  connect_and_join (f);
  for (guint i = 0; i <= BAD_IN_A_ROW; i++) {
    /* field 1, which goes on beyond the end */
    guint8 data[8] = { 0x0a, 0x7f, };

    for (guint k = 2; k < sizeof data; k++)
      data[k] = (guint8) g_rand_int_range (rand, 0, 256);
    fake_server_push_bytes (f->server, data, sizeof data);
  }
  error = expect_error (f, LK_ERROR_PROTOCOL);
  fail_if (lk_error_is_final (error));
  signal_fixture_free (f);
}

GST_END_TEST;

static Suite *
malformed_suite (void)
{
  Suite *s = suite_create ("malformed");
  TCase *tc = tcase_create ("T29");

  suite_add_tcase (s, tc);
  tcase_set_timeout (tc, 3600);
  tcase_add_test (tc, test_every_prefix);
  tcase_add_test (tc, test_damaged_messages);
  tcase_add_test (tc, test_every_prefix_on_the_wire);
  tcase_add_test (tc, test_wrong_wire_types_on_the_wire);
  tcase_add_test (tc, test_nesting_on_the_wire);
  tcase_add_test (tc, test_text_frames);
  tcase_add_test (tc, test_nothing_but_rubbish);
  return s;
}

GST_CHECK_MAIN (malformed);
