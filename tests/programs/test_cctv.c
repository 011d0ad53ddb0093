/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of the camera gateway's parts that need no network: settings, timestamps, webhooks, figures. */

#include <glib/gstdio.h>
#include <gst/check/gstcheck.h>
#include <string.h>

#include "gop.h"
#include "layerstats.h"
#include "lktoken.h"
#include "retime.h"
#include "settings.h"
#include "webhook.h"

/* --- settings --- */

static CctvSettings *
load_text (const gchar * text, AppProblems * problems)
{
  g_autofree gchar *path = NULL;
  gint fd = g_file_open_tmp ("cctv-XXXXXX.yaml", &path, NULL);
  CctvSettings *settings;

  fail_unless (fd >= 0);
  g_close (fd, NULL);
  fail_unless (g_file_set_contents (path, text, -1, NULL));
  settings = cctv_settings_load (path, problems);
  g_unlink (path);
  return settings;
}

#define LIVEKIT "livekit: {url: 'wss://lk.example.com', api-key: devkey, api-secret: topsecret}\n"

GST_START_TEST (test_settings_are_read)
{
  g_autoptr (AppProblems) problems = app_problems_new ();
  g_autoptr (CctvSettings) settings = load_text (LIVEKIT "publish: on-demand\npause-after: 5\ncameras:\n"
      "  - id: yard\n    name: The yard\n    url: rtsp://joe:p%40ss@10.0.0.1:8554/main?x=1\n"
      "    sub-streams: ['rtsp://10.0.0.1/sub', 'rtsp://10.0.0.1/third']\n    user: ann\n    password: word\n"
      "  - {id: gate, url: 'rtsps://10.0.0.2/', publish: always, transport: udp, audio: no, latency: 20}\n", problems);
  const CctvCamera *yard, *gate;

  fail_unless (settings != NULL, "%s", app_problems_count (problems) ? app_problems_get (problems, 0) : "");
  fail_unless_equals_string (settings->server_url, "wss://lk.example.com");
  fail_unless_equals_string (settings->room_prefix, "camera_");
  fail_unless_equals_int (settings->pause_after_s, 5);
  fail_unless_equals_int (settings->leave_after_s, 60);
  fail_unless_equals_int (settings->cameras->len, 2);
  yard = cctv_settings_find (settings, "yard");
  fail_unless_equals_string (yard->name, "The yard");
  fail_unless_equals_int (yard->n_streams, 3);
  fail_unless_equals_string (yard->streams[0].location, "rtsp://10.0.0.1:8554/main?x=1");
  fail_unless_equals_string (yard->streams[0].user, "joe");
  fail_unless_equals_string (yard->streams[0].password, "p@ss");
  fail_unless_equals_string (yard->streams[2].user, "ann");
  fail_unless_equals_string (yard->streams[2].password, "word");
  fail_unless_equals_int (yard->publish, CCTV_PUBLISH_ON_DEMAND);
  fail_unless (yard->has_audio);
  gate = cctv_settings_find (settings, "gate");
  fail_unless_equals_string (gate->name, "gate");
  fail_unless_equals_int (gate->publish, CCTV_PUBLISH_ALWAYS);
  fail_unless_equals_int (gate->transport, CCTV_UDP);
  fail_unless_equals_int (gate->latency_ms, 20);
  fail_if (gate->has_audio);
  fail_unless (cctv_settings_find (settings, "nowhere") == NULL);
}
GST_END_TEST;

static void
expect_problem (AppProblems * problems, guint line, const gchar * words)
{
  g_autofree gchar *place = g_strdup_printf (":%u: ", line);
  gboolean is_found = FALSE;

  for (guint i = 0; i < app_problems_count (problems); i++)
    is_found |= strstr (app_problems_get (problems, i), place) && strstr (app_problems_get (problems, i), words);
  fail_unless (is_found, "line %u: %s", line, words);
}

GST_START_TEST (test_all_faults_are_told_with_their_lines)
{
  g_autoptr (AppProblems) problems = app_problems_new ();
  CctvSettings *settings = load_text ("livekit: {url: 'ftp://x', api-key: devkey, api-secret: topsecret, spare: 1}\n"
      "listen: nonsense\n" "publish: sometimes\n" "redis: {password: a, password-file: b}\n" "cameras:\n"
      "  - {id: 'a b', url: 'rtsp://x/'}\n" "  - {id: c}\n" "  - {id: c, url: 'http://joe:hidden@x/'}\n"
      "  - {id: d, url: 'rtsp://x/', sub-streams: ['rtsp://x/', 'rtsp://x/', 'rtsp://x/']}\n"
      "  - {id: e, url: 'rtsp://x/', password: alone, transport: pigeon, latency: -1}\n" "  - just text\n", problems);

  fail_unless (settings == NULL);
  expect_problem (problems, 1, "url must be");
  expect_problem (problems, 1, "no setting \"spare\"");
  expect_problem (problems, 2, "nonsense");
  expect_problem (problems, 3, "always, on-demand");
  expect_problem (problems, 4, "redis needs an address");
  expect_problem (problems, 4, "exclude each other");
  expect_problem (problems, 6, "needs an id");
  expect_problem (problems, 7, "has no url");
  expect_problem (problems, 8, "another camera has the id");
  expect_problem (problems, 8, "not like rtsp://");
  expect_problem (problems, 9, "3 streams at most");
  expect_problem (problems, 10, "a password but no user");
  expect_problem (problems, 10, "tcp, udp, any");
  expect_problem (problems, 10, "latency must be");
  expect_problem (problems, 11, "must be a map");
  for (guint i = 0; i < app_problems_count (problems); i++) {
    fail_if (strstr (app_problems_get (problems, i), "hidden"));
    fail_if (strstr (app_problems_get (problems, i), "topsecret"));
  }
}
GST_END_TEST;

/* The part behind the first @ is no host: rtspsrc would tell it when it looks for it. */
GST_START_TEST (test_urls_that_are_none)
{
  static const gchar *const urls[] = { "rtsp://joe:hid@den@cam/1", "rtsp://joe:hid/den@cam/1",
    "rtsp://joe:hid#den@cam/1", "rtspx://cam/1", "rtsp-sdp://v=0", "rtsp://", "rtsp:///1", "//cam/1", "cam", "" };

  for (guint i = 0; i < G_N_ELEMENTS (urls); i++) {
    g_autoptr (AppProblems) problems = app_problems_new ();
    g_autofree gchar *text = g_strdup_printf (LIVEKIT "cameras:\n  - {id: a, url: '%s'}\n", urls[i]);

    fail_unless (load_text (text, problems) == NULL, "%s", urls[i]);
    fail_unless_equals_int (app_problems_count (problems), 1);
    expect_problem (problems, 3, "not like rtsp://");
    fail_if (strstr (app_problems_get (problems, 0), "den"));
  }
}
GST_END_TEST;

/* Each is told once or more, and none of them harms. */
GST_START_TEST (test_settings_of_odd_types)
{
  static const gchar *const texts[] = {
    "- a\n", "text\n", "livekit: []\n", "livekit:\n", LIVEKIT "cameras:\n", LIVEKIT "cameras: {a: 1}\n",
    LIVEKIT "cameras: [[]]\n", LIVEKIT "cameras: [{id: [a], url: 'rtsp://x/'}]\n",
    LIVEKIT "cameras: [{id: a, url: {b: c}}]\n", LIVEKIT "cameras: [{id: a, url: 'rtsp://x/', sub-streams: {}}]\n",
    LIVEKIT "cameras: [{id: a, url: 'rtsp://x/', sub-streams: [[], {}]}]\n",
    LIVEKIT "cameras: [{id: a, url: 'rtsp://x/', user: [], password: {}}]\n",
    LIVEKIT "cameras: [{id: a, url: 'rtsp://x/', user: u, password-file: []}]\n",
    LIVEKIT "cameras: [{id: a, url: 'rtsp://x/', user: u, password-file: /nowhere/at/all}]\n",
    LIVEKIT "cameras: [{id: a, url: 'rtsp://x/', audio: 2, replay: [], publish: {}, transport: [], latency: 1e3}]\n",
    LIVEKIT "cameras: []\nredis: no\n", LIVEKIT "cameras: []\nredis: {address: [1]}\n",
    LIVEKIT "cameras: []\nredis: {address: 'x:99999'}\n", LIVEKIT "cameras: []\nlisten: {}\nlisten: 1\n",
    LIVEKIT "cameras: []\npause-after: 99999999999999999999\n", LIVEKIT "cameras: []\nleave-after: []\n",
    "livekit: {url: [], api-key: {}, api-secret: [a], key-file: {}}\ncameras: []\n",
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_autoptr (AppProblems) problems = app_problems_new ();

    fail_unless (load_text (texts[i], problems) == NULL, "%s", texts[i]);
    fail_unless (app_problems_count (problems) > 0, "%s", texts[i]);
  }
}
GST_END_TEST;

GST_START_TEST (test_keys_are_needed)
{
  g_autoptr (AppProblems) problems = app_problems_new ();

  g_unsetenv ("LIVEKIT_API_KEY");
  g_unsetenv ("LIVEKIT_API_SECRET");
  fail_unless (load_text ("livekit: {url: 'ws://x'}\ncameras: []\n", problems) == NULL);
  fail_unless_equals_int (app_problems_count (problems), 2);
  g_setenv ("LIVEKIT_API_KEY", "k", TRUE);
  g_setenv ("LIVEKIT_API_SECRET", "s", TRUE);
  {
    g_autoptr (CctvSettings) settings = load_text ("livekit: {url: 'ws://x'}\ncameras: []\n", problems);

    fail_unless (settings != NULL);
    fail_unless_equals_string (settings->api_secret, "s");
  }
}
GST_END_TEST;

GST_START_TEST (test_keys_of_a_file)
{
  static const struct
  {
    const gchar *keys;
    gint mode;
    const gchar *problem;       /* NULL: they are taken */
  } cases[] = {
    {"devkey: topsecret\n", 0640, NULL},
    {"devkey: topsecret\n", 0644, "others may read the keys"},
    {"devkey:\n", 0600, "\"key: secret\" is expected"},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree gchar *path = NULL, *text = NULL;
    g_autoptr (AppProblems) problems = app_problems_new ();
    g_autoptr (CctvSettings) settings = NULL;

    g_close (g_file_open_tmp ("keys-XXXXXX.yaml", &path, NULL), NULL);
    fail_unless (g_file_set_contents (path, cases[i].keys, -1, NULL) && g_chmod (path, cases[i].mode) == 0);
    text = g_strdup_printf ("livekit: {url: 'ws://x', key-file: '%s'}\ncameras: []\n", path);
    settings = load_text (text, problems);
    g_unlink (path);
    fail_unless ((settings != NULL) == (cases[i].problem == NULL));
    if (settings) {
      fail_unless_equals_string (settings->api_secret, "topsecret");
      continue;
    }
    fail_unless (strstr (app_problems_get (problems, 0), cases[i].problem) != NULL);
  }
}
GST_END_TEST;

GST_START_TEST (test_what_changed_is_seen)
{
  static const gchar *const others[] = {
    LIVEKIT "cameras:\n  - {id: a, url: 'rtsp://x/2'}\n",
    LIVEKIT "cameras:\n  - {id: a, url: 'rtsp://x/1', user: u, password: p}\n",
    LIVEKIT "cameras:\n  - {id: a, url: 'rtsp://x/1', sub-streams: 'rtsp://x/2'}\n",
    LIVEKIT "cameras:\n  - {id: a, url: 'rtsp://x/1', publish: on-demand}\n",
    LIVEKIT "pause-after: 3\ncameras:\n  - {id: a, url: 'rtsp://x/1'}\n",
  };
  g_autoptr (AppProblems) problems = app_problems_new ();
  g_autoptr (CctvSettings) one = load_text (LIVEKIT "cameras:\n  - {id: a, url: 'rtsp://x/1'}\n", problems);
  g_autoptr (CctvSettings) same = load_text (LIVEKIT "cameras:\n  # a comment\n  - id: a\n    url: rtsp://x/1\n",
      problems);

  fail_unless_equals_string (cctv_settings_find (one, "a")->fingerprint, cctv_settings_find (same, "a")->fingerprint);
  for (guint i = 0; i < G_N_ELEMENTS (others); i++) {
    g_autoptr (CctvSettings) other = load_text (others[i], problems);

    fail_if (g_str_equal (cctv_settings_find (one, "a")->fingerprint, cctv_settings_find (other, "a")->fingerprint));
  }
}
GST_END_TEST;

/* --- timestamps --- */

#define FRAME (40 * GST_MSECOND)

/* Feeds @n frames from @pts on, each @delay later than its time; returns how late the last one is on our time. */
static gint64
feed (Retimer * retimer, GstClockTime * pts, GstClockTime * now, guint n, GstClockTime (*delay) (guint i))
{
  gint64 late = 0;

  for (guint i = 0; i < n; i++) {
    GstClockTime arrival = *now + delay (i);

    late = GST_CLOCK_DIFF (retimer_map (retimer, *pts, arrival), *now);
    *pts += FRAME;
    *now += FRAME;
  }
  return late;
}

/* Key frames take longer on their way. */
static GstClockTime
usual_delay (guint i)
{
  return (i % 25 == 0 ? 60 : 10 + i % 5) * GST_MSECOND;
}

static GstClockTime
late_delay (guint i)
{
  return 3 * GST_SECOND - MIN (i, 74) * FRAME;
}

GST_START_TEST (test_streams_of_one_camera_agree)
{
  Retimer main_stream = { 0, }, sub_stream = { 0, };
  GstClockTime main_pts = 7 * GST_SECOND, sub_pts = 0, main_now = 2 * GST_SECOND, sub_now = 2 * GST_SECOND;
  gint64 main_late = feed (&main_stream, &main_pts, &main_now, 250, usual_delay);
  gint64 sub_late = feed (&sub_stream, &sub_pts, &sub_now, 250, usual_delay);

  fail_unless (ABS (main_late - sub_late) < (gint64) GST_MSECOND);
  fail_unless (ABS (main_late + 10 * (gint64) GST_MSECOND) < 25 * (gint64) GST_MSECOND);
  fail_unless_equals_int (main_stream.n_jumps, 0);
}
GST_END_TEST;

GST_START_TEST (test_what_was_held_back_keeps_its_times)
{
  Retimer retimer = { 0, };
  GstClockTime pts = 0, now = GST_SECOND;
  gint64 before = feed (&retimer, &pts, &now, 250, usual_delay), after;

  /* three seconds in a burst */
  feed (&retimer, &pts, &now, 75, late_delay);
  after = feed (&retimer, &pts, &now, 1, usual_delay);
  fail_unless_equals_int (retimer.n_jumps, 0);
  fail_unless (ABS (after - before) < 20 * (gint64) GST_MSECOND, "%" G_GINT64_FORMAT, after - before);
}
GST_END_TEST;

GST_START_TEST (test_a_drifting_clock_is_followed)
{
  Retimer retimer = { 0, };
  gdouble pts = 0;
  gint64 late = 0;

  /* an hour of a camera that is 300 ppm fast */
  for (guint i = 0; i < 90000; i++) {
    GstClockTime now = GST_SECOND + i * FRAME;

    late = GST_CLOCK_DIFF (retimer_map (&retimer, (GstClockTime) pts, now + 10 * GST_MSECOND), now);
    pts += FRAME * 1.0003;
  }
  fail_unless (ABS (late) < 25 * (gint64) GST_MSECOND, "%" G_GINT64_FORMAT, late);
  fail_unless_equals_int (retimer.n_jumps, 0);
}
GST_END_TEST;

GST_START_TEST (test_a_clock_that_jumps)
{
  static const gint64 jumps[] = { 3600 * (gint64) GST_SECOND, -1800 * (gint64) GST_SECOND, 2 * (gint64) GST_SECOND };
  Retimer retimer = { 0, };
  GstClockTime pts = 7200 * GST_SECOND, now = GST_SECOND;

  feed (&retimer, &pts, &now, 100, usual_delay);
  for (guint i = 0; i < G_N_ELEMENTS (jumps); i++) {
    gint64 late;

    pts += jumps[i];
    late = feed (&retimer, &pts, &now, 100, usual_delay);
    fail_unless (ABS (late) < 70 * (gint64) GST_MSECOND);
    fail_unless_equals_int (retimer.n_jumps, i + 1);
  }
}
GST_END_TEST;

/* --- the last key frame again --- */

static void
take_frame (CctvGop * gop, gboolean is_key, GstClockTime pts, gint64 now_us, gsize size)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, size, NULL);

  GST_BUFFER_PTS (buffer) = pts;
  if (!is_key)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT);
  cctv_gop_take (gop, buffer, now_us);
  gst_buffer_unref (buffer);
}

static guint
count_replayed (CctvGop * gop, GstClockTime pts, gint64 now_us)
{
  g_autoptr (GPtrArray) frames = cctv_gop_replay (gop, pts, now_us);
  GstClockTime before = 0;

  for (guint i = 0; frames && i < frames->len; i++) {
    GstBuffer *frame = g_ptr_array_index (frames, i);

    fail_unless (GST_BUFFER_FLAG_IS_SET (frame, GST_BUFFER_FLAG_DELTA_UNIT) == (i > 0));
    fail_unless (GST_BUFFER_PTS (frame) > before && GST_BUFFER_PTS (frame) < pts);
    fail_unless (GST_BUFFER_PTS (frame) > pts - FRAME);
    before = GST_BUFFER_PTS (frame);
  }
  return frames ? frames->len : 0;
}

GST_START_TEST (test_frames_are_shown_again)
{
  CctvGop gop;

  cctv_gop_init (&gop);
  take_frame (&gop, FALSE, GST_SECOND, 1000000, 100);
  fail_unless_equals_int (count_replayed (&gop, 10 * GST_SECOND, 2000000), 0);
  take_frame (&gop, TRUE, 2 * GST_SECOND, 2000000, 100);
  for (guint i = 1; i < 50; i++)
    take_frame (&gop, FALSE, 2 * GST_SECOND + i * FRAME, 2000000 + i * 40000, 100);
  /* two seconds are shown again, and not once more within two */
  fail_unless_equals_int (count_replayed (&gop, 4 * GST_SECOND, 4000000), 50);
  fail_unless_equals_int (count_replayed (&gop, 5 * GST_SECOND, 5000000), 0);
  fail_unless_equals_int (count_replayed (&gop, 6 * GST_SECOND, 6000000), 50);
  /* a key frame that has just gone out is enough */
  take_frame (&gop, TRUE, 20 * GST_SECOND, 20000000, 100);
  fail_unless_equals_int (count_replayed (&gop, 20 * GST_SECOND + FRAME, 20040000), 0);
  cctv_gop_clear (&gop);
}
GST_END_TEST;

GST_START_TEST (test_frames_that_cannot_be_shown_again)
{
  CctvGop gop;

  cctv_gop_init (&gop);
  /* too much */
  take_frame (&gop, TRUE, GST_SECOND, 1000000, 600 * 1024);
  take_frame (&gop, FALSE, GST_SECOND + FRAME, 1040000, 600 * 1024);
  take_frame (&gop, FALSE, GST_SECOND + 2 * FRAME, 1080000, 100);
  fail_unless_equals_int (count_replayed (&gop, 3 * GST_SECOND, 3000000), 0);
  /* B frames */
  take_frame (&gop, TRUE, 4 * GST_SECOND, 4000000, 100);
  take_frame (&gop, FALSE, 4 * GST_SECOND + 3 * FRAME, 4040000, 100);
  take_frame (&gop, FALSE, 4 * GST_SECOND + FRAME, 4080000, 100);
  fail_unless_equals_int (count_replayed (&gop, 6 * GST_SECOND, 6000000), 0);
  cctv_gop_clear (&gop);
}
GST_END_TEST;

/* --- webhooks --- */

#define NOW 1700000000
#define BODY "{\"event\":\"participant_joined\",\"room\":{\"name\":\"camera_yard\"}," \
    "\"participant\":{\"identity\":\"ann\"}}"

static gchar *
base64url (const gchar * text)
{
  gchar *result = g_base64_encode ((const guchar *) text, strlen (text));

  g_strdelimit (result, "+", '-');
  g_strdelimit (result, "/", '_');
  result[strcspn (result, "=")] = '\0';
  return result;
}

static gchar *
sign (const gchar * body, const gchar * key, const gchar * secret, gint64 expires_s)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  guint8 digest[32];
  gsize size = sizeof (digest);
  g_autofree gchar *sum = NULL, *payload = NULL, *header64 = NULL, *payload64 = NULL, *input = NULL, *mac = NULL;

  g_checksum_update (checksum, (const guchar *) body, -1);
  g_checksum_get_digest (checksum, digest, &size);
  sum = g_base64_encode (digest, size);
  payload = g_strdup_printf ("{\"iss\":\"%s\",\"nbf\":%d,\"exp\":%" G_GINT64_FORMAT ",\"sha256\":\"%s\"}", key, NOW,
      expires_s, sum);
  header64 = base64url ("{\"alg\":\"HS256\",\"typ\":\"JWT\"}");
  payload64 = base64url (payload);
  input = g_strconcat (header64, ".", payload64, NULL);
  mac = lk_token_sign (input, secret, strlen (secret));
  return g_strconcat (input, ".", mac, NULL);
}

static CctvWebhookKind
read_webhook (const gchar * authorization, const gchar * body, gchar ** room, gchar ** identity)
{
  return cctv_webhook_read (authorization, body, strlen (body), "devkey", "secret", NOW, room, identity);
}

GST_START_TEST (test_a_signed_webhook_is_read)
{
  g_autofree gchar *authorization = sign (BODY, "devkey", "secret", NOW + 300);
  g_autofree gchar *room = NULL, *identity = NULL;

  fail_unless_equals_int (read_webhook (authorization, BODY, &room, &identity), CCTV_WEBHOOK_JOINED);
  fail_unless_equals_string (room, "camera_yard");
  fail_unless_equals_string (identity, "ann");
}
GST_END_TEST;

GST_START_TEST (test_forged_webhooks_are_refused)
{
  g_autofree gchar *good = sign (BODY, "devkey", "secret", NOW + 300);
  g_autofree gchar *other_key = sign (BODY, "otherkey", "secret", NOW + 300);
  g_autofree gchar *other_secret = sign (BODY, "devkey", "guessed", NOW + 300);
  g_autofree gchar *old = sign (BODY, "devkey", "secret", NOW - 3600);
  gchar *room = NULL, *identity = NULL;

  fail_unless_equals_int (read_webhook (good, BODY " ", &room, &identity), CCTV_WEBHOOK_FORGED);
  fail_unless_equals_int (read_webhook (other_key, BODY, &room, &identity), CCTV_WEBHOOK_FORGED);
  fail_unless_equals_int (read_webhook (other_secret, BODY, &room, &identity), CCTV_WEBHOOK_FORGED);
  fail_unless_equals_int (read_webhook (old, BODY, &room, &identity), CCTV_WEBHOOK_FORGED);
  fail_unless_equals_int (read_webhook ("rubbish", BODY, &room, &identity), CCTV_WEBHOOK_FORGED);
  fail_unless_equals_int (read_webhook (NULL, BODY, &room, &identity), CCTV_WEBHOOK_FORGED);
  fail_unless (room == NULL && identity == NULL);
}
GST_END_TEST;

GST_START_TEST (test_other_webhooks)
{
  static const struct
  {
    const gchar *body;
    CctvWebhookKind kind;
  } cases[] = {
    {"{\"event\":\"room_started\"}", CCTV_WEBHOOK_OTHER},
    {"{\"event\":\"participant_joined\"}", CCTV_WEBHOOK_BROKEN},
    {"{\"event\":\"participant_joined\",\"room\":[],\"participant\":7}", CCTV_WEBHOOK_BROKEN},
    {"{\"event\":1}", CCTV_WEBHOOK_BROKEN},
    {"[]", CCTV_WEBHOOK_BROKEN},
    {"{", CCTV_WEBHOOK_BROKEN},
    {"", CCTV_WEBHOOK_BROKEN},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree gchar *authorization = sign (cases[i].body, "devkey", "secret", NOW + 300);
    gchar *room = NULL, *identity = NULL;

    fail_unless_equals_int (read_webhook (authorization, cases[i].body, &room, &identity), cases[i].kind);
    fail_unless (room == NULL && identity == NULL);
  }
}
GST_END_TEST;

/* --- figures --- */

static GstStructure *
make_stats (guint64 n_bytes, guint64 n_packets, guint n_nacks)
{
  GstStructure *stats = gst_structure_new_empty ("livekit-stats");
  GstStructure *out = gst_structure_new ("outbound-rtp", "ssrc", G_TYPE_UINT, 7, "packets-sent", G_TYPE_UINT64,
      n_packets, "nack-count", G_TYPE_UINT, n_nacks, NULL);
  GstStructure *other = gst_structure_new ("outbound-rtp", "ssrc", G_TYPE_UINT, 8, "packets-sent", G_TYPE_UINT64,
      (guint64) 1000000, NULL);
  GstStructure *webrtc = gst_structure_new ("stats", "a", GST_TYPE_STRUCTURE, out, "b", GST_TYPE_STRUCTURE, other,
      NULL);
  GValue list = G_VALUE_INIT, item = G_VALUE_INIT;
  GstStructure *layer = gst_structure_new ("published-track", "pad", G_TYPE_STRING, "video_0", "ssrc", G_TYPE_UINT, 7,
      "active", G_TYPE_BOOLEAN, TRUE, "bytes-sent", G_TYPE_UINT64, n_bytes, "latency-us", G_TYPE_UINT, 1500, NULL);

  g_value_init (&list, GST_TYPE_LIST);
  g_value_init (&item, GST_TYPE_STRUCTURE);
  g_value_take_boxed (&item, layer);
  gst_value_list_append_and_take_value (&list, &item);
  gst_structure_take_value (stats, "published", &list);
  gst_structure_set (stats, "webrtc", GST_TYPE_STRUCTURE, webrtc, NULL);
  gst_structure_free (out);
  gst_structure_free (other);
  gst_structure_free (webrtc);
  return stats;
}

static void
take (CctvLayerStats * layer, guint64 n_bytes, guint64 n_packets, guint n_nacks)
{
  GstStructure *stats = make_stats (n_bytes, n_packets, n_nacks);

  cctv_layer_stats_take (layer, stats, "video_0");
  gst_structure_free (stats);
}

GST_START_TEST (test_figures_grow_over_sessions)
{
  CctvLayerStats layer = { 0, };

  take (&layer, 1000, 10, 1);
  take (&layer, 3000, 30, 1);
  fail_unless_equals_uint64 (layer.n_bytes.total, 3000);
  fail_unless_equals_uint64 (layer.n_packets.total, 30);
  fail_unless_equals_uint64 (layer.n_nacks.total, 1);
  fail_unless (layer.latency_s == 0.0015 && layer.is_active);
  /* a rejoin within the session: the connection's counters begin again */
  take (&layer, 4000, 5, 2);
  fail_unless_equals_uint64 (layer.n_bytes.total, 4000);
  fail_unless_equals_uint64 (layer.n_packets.total, 35);
  fail_unless_equals_uint64 (layer.n_nacks.total, 2);
  cctv_layer_stats_end (&layer);
  fail_unless (layer.latency_s == 0 && !layer.is_active);
  take (&layer, 6000, 60, 0);
  fail_unless_equals_uint64 (layer.n_bytes.total, 10000);
  fail_unless_equals_uint64 (layer.n_packets.total, 95);
}
GST_END_TEST;

static Suite *
cctv_suite (void)
{
  Suite *suite = suite_create ("cctv");
  TCase *settings = tcase_create ("settings"), *times = tcase_create ("times"), *webhooks = tcase_create ("webhooks");
  TCase *figures = tcase_create ("figures"), *again = tcase_create ("again");

  suite_add_tcase (suite, settings);
  tcase_add_test (settings, test_settings_are_read);
  tcase_add_test (settings, test_all_faults_are_told_with_their_lines);
  tcase_add_test (settings, test_urls_that_are_none);
  tcase_add_test (settings, test_settings_of_odd_types);
  tcase_add_test (settings, test_keys_are_needed);
  tcase_add_test (settings, test_keys_of_a_file);
  tcase_add_test (settings, test_what_changed_is_seen);
  suite_add_tcase (suite, times);
  tcase_add_test (times, test_streams_of_one_camera_agree);
  tcase_add_test (times, test_what_was_held_back_keeps_its_times);
  tcase_add_test (times, test_a_drifting_clock_is_followed);
  tcase_add_test (times, test_a_clock_that_jumps);
  suite_add_tcase (suite, again);
  tcase_add_test (again, test_frames_are_shown_again);
  tcase_add_test (again, test_frames_that_cannot_be_shown_again);
  suite_add_tcase (suite, webhooks);
  tcase_add_test (webhooks, test_a_signed_webhook_is_read);
  tcase_add_test (webhooks, test_forged_webhooks_are_refused);
  tcase_add_test (webhooks, test_other_webhooks);
  suite_add_tcase (suite, figures);
  tcase_add_test (figures, test_figures_grow_over_sessions);
  return suite;
}

GST_CHECK_MAIN (cctv);
