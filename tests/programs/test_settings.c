/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of what programs read: settings, YAML, keys; and of restarts and metrics. */

#include <gst/check/gstcheck.h>
#include <glib/gstdio.h>

#include "appkeys.h"
#include "applog.h"
#include "appmetrics.h"
#include "apprestart.h"
#include "appyaml.h"
#include "lktoken.h"

static gchar *folder;

static void
make_folder (void)
{
  folder = g_dir_make_tmp ("programs-XXXXXX", NULL);
  fail_unless (folder != NULL);
}

static void
remove_folder (void)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const gchar *name;

  while ((name = g_dir_read_name (dir)) != NULL) {
    g_autofree gchar *path = g_build_filename (folder, name, NULL);

    g_unlink (path);
  }
  g_rmdir (folder);
  g_clear_pointer (&folder, g_free);
}

static gchar *
write_file (const gchar * name, const gchar * text)
{
  gchar *path = g_build_filename (folder, name, NULL);

  fail_unless (g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0640, NULL));
  return path;
}

/* Whether one of the problems ends with @text. */
static void
expect_problem (AppProblems * problems, const gchar * text)
{
  for (guint i = 0; i < app_problems_count (problems); i++) {
    if (g_str_has_suffix (app_problems_get (problems, i), text))
      return;
  }
  app_problems_print (problems);
  fail ("no problem: %s", text);
}

static AppSettings *
read_settings (const gchar * text, const gchar * const *environment, AppProblems * problems)
{
  static const gchar *const nothing[] = { NULL };
  g_autofree gchar *path = write_file ("file", text);
  AppSettings *settings = app_settings_new (environment != NULL ? environment : nothing);

  fail_unless (app_settings_read (settings, path, problems));
  return settings;
}

GST_START_TEST (test_yaml_settings)
{
  g_autoptr (AppProblems) problems = app_problems_new ();
  g_autoptr (AppSettings) settings = read_settings ("# a comment\nROOM_ID: room1\nport: 80\nPIPELINES: 2\n"
      "PIPELINE_0: >\n          a\n          ! b \n          ! c\n# more\nEMPTY:\nPIPELINE_1: 'd ! e'\n", NULL,
      problems);
  g_autoptr (GPtrArray) unknown = NULL;
  g_autofree gchar *place = NULL;

  fail_unless_equals_int (app_problems_count (problems), 0);
  fail_unless_equals_string (app_settings_get (settings, "ROOM_ID"), "room1");
  fail_unless_equals_string (app_settings_get (settings, "PORT"), "80");
  fail_unless_equals_string (app_settings_get (settings, "PIPELINE_0"), "a ! b  ! c\n");
  fail_unless (app_settings_get (settings, "EMPTY") == NULL);
  fail_unless_equals_int (app_settings_get_int (settings, "PIPELINES", 1, 99, 0, problems), 2);
  place = app_settings_get_place (settings, "PIPELINE_0");
  fail_unless (g_str_has_suffix (place, "/file:5"));
  unknown = app_settings_get_unknown (settings);
  fail_unless_equals_int (unknown->len, 1);
  fail_unless (g_str_has_suffix (g_ptr_array_index (unknown, 0), "/file:11: PIPELINE_1"));
  fail_unless_equals_int (app_problems_count (problems), 0);
}
GST_END_TEST;

GST_START_TEST (test_key_file_settings)
{
  g_autoptr (AppProblems) problems = app_problems_new ();
  g_autoptr (AppSettings) settings = read_settings ("\n# comment\n[server]\nROOM_ID=room1\n  export A = 'x y' \n"
      "LONG=\"a ! \\\n  b\"\nbroken line\nURL=ws://h/?a=b\n", NULL, problems);

  fail_unless_equals_string (app_settings_get (settings, "ROOM_ID"), "room1");
  fail_unless_equals_string (app_settings_get (settings, "A"), "x y");
  fail_unless_equals_string (app_settings_get (settings, "LONG"), "a !   b");
  fail_unless_equals_string (app_settings_get (settings, "URL"), "ws://h/?a=b");
  fail_unless_equals_int (app_problems_count (problems), 1);
  expect_problem (problems, "/file:8: NAME=value is expected");
}
GST_END_TEST;

GST_START_TEST (test_environment_wins)
{
  static const gchar *const environment[] = { "ROOM_ID=other", "EMPTY=", NULL };
  g_autoptr (AppProblems) problems = app_problems_new ();
  g_autoptr (AppSettings) settings = read_settings ("ROOM_ID: room1\nEMPTY: file\n", environment, problems);
  g_autofree gchar *place = app_settings_get_place (settings, "ROOM_ID");

  fail_unless_equals_string (app_settings_get (settings, "ROOM_ID"), "other");
  fail_unless_equals_string (app_settings_get (settings, "EMPTY"), "file");
  fail_unless_equals_string (place, "environment");
}
GST_END_TEST;

GST_START_TEST (test_all_problems_are_told)
{
  g_autoptr (AppProblems) problems = app_problems_new ();
  g_autoptr (AppSettings) settings = read_settings ("A: [1, 2]\nN: 70000\nM: x\n", NULL, problems);

  app_settings_get_int (settings, "N", 0, 65535, 0, problems);
  app_settings_get_int (settings, "M", 0, 65535, 0, problems);
  fail_unless (app_settings_need (settings, "ROOM_ID", "the room to join", problems) == NULL);
  fail_unless_equals_int (app_problems_count (problems), 4);
  expect_problem (problems, "/file:1: A must be a text or number");
  expect_problem (problems, "/file:2: N must be a number from 0 to 65535, not \"70000\"");
  expect_problem (problems, "/file:3: M must be a number from 0 to 65535, not \"x\"");
  expect_problem (problems, "/file: ROOM_ID is not set: the room to join");
}
GST_END_TEST;

static AppYaml *
parse (const gchar * text, AppProblems * problems)
{
  return app_yaml_parse (text, strlen (text), "cameras.yaml", problems);
}

GST_START_TEST (test_yaml_tree)
{
  g_autoptr (AppProblems) problems = app_problems_new ();
  g_autoptr (AppYaml) root = parse ("rooms: {a: 1}\ncameras:\n  - id: front\n    port: 554\n    on: yes\n"
      "  - id: back\n    prot: 1\n", problems);
  AppYaml *cameras = app_yaml_find_kind (root, "cameras", APP_YAML_LIST, problems), *camera;

  fail_unless_equals_int (app_yaml_get_size (cameras), 2);
  camera = app_yaml_get_item (cameras, 0);
  fail_unless_equals_int (app_yaml_get_line (camera), 3);
  fail_unless_equals_string (app_yaml_find_text (camera, "id", NULL, problems), "front");
  fail_unless_equals_int (app_yaml_find_int (camera, "port", 1, 65535, 0, problems), 554);
  fail_unless (app_yaml_find_bool (camera, "on", FALSE, problems));
  app_yaml_check_known (camera, problems);
  fail_unless_equals_int (app_problems_count (problems), 0);

  camera = app_yaml_get_item (cameras, 1);
  fail_unless_equals_int (app_yaml_find_int (camera, "id", 1, 2, 7, problems), 7);
  fail_unless (app_yaml_find_bool (camera, "id", TRUE, problems));
  app_yaml_check_known (camera, problems);
  fail_unless (app_yaml_find_text (root, "cameras", NULL, problems) == NULL);
  fail_unless_equals_int (app_problems_count (problems), 4);
  expect_problem (problems, "cameras.yaml:6: id must be a number from 1 to 2, not \"back\"");
  expect_problem (problems, "cameras.yaml:6: id must be true or false, not \"back\"");
  expect_problem (problems, "cameras.yaml:7: there is no setting \"prot\" here");
  expect_problem (problems, "cameras.yaml:3: cameras must be a text or number");
}
GST_END_TEST;

GST_START_TEST (test_yaml_faults)
{
  static const gchar *const faulty[][2] = {
    {"a: 1\nb: [1, 2\n", "cameras.yaml:3: "},
    {"a: 1\na: 2\n", "cameras.yaml:2: the name is there already"},
    {"a: &x 1\nb: *x\n", "cameras.yaml:1: anchors are not read"},
    {"b: *x\n", "cameras.yaml:1: "},
    {"[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]", "cameras.yaml:1: nested too deeply"},
    {"[a]: 1", "cameras.yaml:1: a name must be a text"},
    {"a: 1\n---\nb: 1\n", "cameras.yaml:2: a second document"},
    {"a: \"\\0\"\n", "cameras.yaml:1: a text with a NUL in it"},
    {"a: \xff\n", "cameras.yaml: not valid UTF-8"},
    {"\ta: 1\n", "cameras.yaml:1: "},
  };

  for (guint i = 0; i < G_N_ELEMENTS (faulty); i++) {
    g_autoptr (AppProblems) problems = app_problems_new ();
    g_autoptr (AppYaml) root = parse (faulty[i][0], problems);

    fail_unless (root == NULL, "%s", faulty[i][0]);
    fail_unless_equals_int (app_problems_count (problems), 1);
    fail_unless (g_str_has_prefix (app_problems_get (problems, 0), faulty[i][1]), "%s", app_problems_get (problems, 0));
  }
}
GST_END_TEST;

GST_START_TEST (test_empty_yaml_is_an_empty_map)
{
  g_autoptr (AppProblems) problems = app_problems_new ();
  g_autoptr (AppYaml) root = parse ("# nothing\n", problems);

  fail_unless_equals_int (app_yaml_get_kind (root), APP_YAML_MAP);
  fail_unless_equals_int (app_yaml_get_size (root), 0);
}
GST_END_TEST;

static AppKeys *
read_keys (const gchar * text, AppProblems * problems)
{
  g_autoptr (AppSettings) settings = read_settings (text, NULL, problems);

  return app_keys_read (settings, problems);
}

GST_START_TEST (test_keys)
{
  g_autoptr (AppProblems) problems = app_problems_new ();
  g_autofree gchar *path = write_file ("keys", "devkey: secret\nother: one\n");
  g_autofree gchar *by_file = g_strdup_printf ("KEY_FILE: %s\n", path);
  g_autofree gchar *both = g_strdup_printf ("KEY_FILE: %s\nAPI_KEY: a\nAPI_SECRET: b\n", path);
  g_autoptr (AppKeys) by_pair = read_keys ("LIVEKIT_API_KEY: a\nLIVEKIT_API_SECRET: b\n", problems);
  g_autoptr (AppKeys) by_old_pair = read_keys ("API_KEY: c\nAPI_SECRET: d\n", problems);
  g_autoptr (AppKeys) by_keys = read_keys (by_file, problems);

  fail_unless_equals_string (by_pair->secret, "b");
  fail_unless_equals_string (by_old_pair->secret, "d");
  fail_unless_equals_string (by_keys->key, "devkey");
  fail_unless_equals_string (by_keys->secret, "secret");
  fail_unless (read_keys ("ROOM_ID: a\n", problems) == NULL);
  fail_unless_equals_int (app_problems_print (problems), 0);
  fail_unless (read_keys (both, problems) == NULL);
  fail_unless (read_keys ("API_KEY: a\n", problems) == NULL);
  fail_unless_equals_int (g_chmod (path, 0644), 0);
  fail_unless (read_keys (by_file, problems) == NULL);
  fail_unless_equals_int (app_problems_count (problems), 3);
  expect_problem (problems, "/file:1: API_KEY is set, API_SECRET is not");
  expect_problem (problems, "KEY_FILE and a key with its secret are set: one of them is enough");
}
GST_END_TEST;

GST_START_TEST (test_key_files_that_are_none)
{
  static const gchar *const texts[] = { "", "devkey\n", "devkey:\n", "devkey: ''\n", "'': secret\n",
    "devkey: [secret]\n", "- devkey: secret\n", "devkey: {secret: 1}\n" };
  g_autoptr (AppProblems) nowhere = app_problems_new ();

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_autoptr (AppProblems) problems = app_problems_new ();
    g_autofree gchar *path = write_file ("keys", texts[i]);

    fail_unless (app_keys_load (path, "place:3", problems) == NULL, "%s", texts[i]);
    fail_unless_equals_int (app_problems_count (problems), 1);
    expect_problem (problems, "/keys: \"key: secret\" is expected");
  }
  fail_unless (read_keys ("KEY_FILE: /nowhere/keys\n", nowhere) == NULL);
  fail_unless_equals_int (app_problems_count (nowhere), 1);
  expect_problem (nowhere, "/file:1: /nowhere/keys: No such file or directory");
}
GST_END_TEST;

GST_START_TEST (test_minted_grants)
{
  AppKeys keys = { (gchar *) "devkey", (gchar *) "secret" };
  gint64 now_s = g_get_real_time () / G_USEC_PER_SEC;
  gchar *token = app_keys_mint (&keys, "room_1", "cam", NULL, APP_MAY_PUBLISH, 3600, NULL);
  g_autoptr (LkTokenClaims) claims = lk_token_read (token, NULL);

  fail_unless (claims->can_publish && !claims->can_subscribe && !claims->can_publish_data);
  fail_unless_equals_string (claims->room, "room_1");
  fail_unless (claims->expires_s >= now_s + 3600 && claims->expires_s < now_s + 3660);
  lk_token_clear (token);
}
GST_END_TEST;

GST_START_TEST (test_metrics_text)
{
  g_autoptr (GString) text = g_string_new (NULL);

  app_metrics_begin (text, "a_total", APP_METRIC_COUNTER, "What it counts");
  app_metrics_add (text, "a_total", 3, "camera", "a\"b\\c\nd", "kind", NULL, NULL);
  app_metrics_single (text, "b", APP_METRIC_GAUGE, "Something", 0.5);
  fail_unless_equals_string (text->str, "# HELP a_total What it counts\n# TYPE a_total counter\n"
      "a_total{camera=\"a\\\"b\\\\c\\nd\",kind=\"\"} 3\n# HELP b Something\n# TYPE b gauge\nb 0.5\n");
}
GST_END_TEST;

GST_START_TEST (test_restart_delays)
{
  static const guint expected[] = { 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000 };

  for (guint i = 0; i < G_N_ELEMENTS (expected); i++) {
    fail_unless_equals_int (app_restart_delay_ms (i, 0.5), expected[i]);
    fail_unless_equals_int (app_restart_delay_ms (i, 0), expected[i] * 8 / 10);
  }
  fail_unless_equals_int (app_restart_delay_ms (G_MAXUINT, 5), 36000);
}
GST_END_TEST;

static void
quit (gpointer data)
{
  g_main_loop_quit (data);
}

GST_START_TEST (test_restart_comes_once)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (AppRestart) restart = app_restart_new (quit, loop);

  fail_unless (app_restart_failed (restart) > 0);
  fail_unless_equals_int (app_restart_failed (restart), 0);
  fail_unless (app_restart_is_waiting (restart));
  g_main_loop_run (loop);
  fail_unless_equals_int (app_restart_get_count (restart), 1);
  fail_if (app_restart_is_waiting (restart));
  /* it had not worked for long: the second delay is longer than the longest first one */
  app_restart_works (restart);
  fail_unless (app_restart_failed (restart) > 600);
  app_restart_cancel (restart);
  fail_if (app_restart_is_waiting (restart));
}
GST_END_TEST;

static GString *printed;

static void
on_printed (const gchar * text)
{
  g_string_append (printed, text);
}

GST_START_TEST (test_log_lines_are_lines)
{
  printed = g_string_new (NULL);
  g_set_printerr_handler (on_printed);
  app_info ("camera %s", "a\r\nb\033[2Jc\177\303\251");
  g_set_printerr_handler (NULL);
  fail_unless (g_str_has_suffix (printed->str, " camera a  b [2Jc \303\251\n"), "%s", printed->str);
  g_string_free (printed, TRUE);
}
GST_END_TEST;

GST_START_TEST (test_passwords_of_urls_are_hidden)
{
  static const struct
  {
    const gchar *text, *shown;
  } rows[] = {
    {"rtsp://user:pass@cam/1", "rtsp://user:****@cam/1"},
    {"location=\"rtsp://u:p:q@r@cam\" ! x http://:a@b", "location=\"rtsp://u:*****@cam\" ! x http://:*@b"},
    {"ws://127.0.0.1:7880/@ and rtsp://user@cam:554/", "ws://127.0.0.1:7880/@ and rtsp://user@cam:554/"},
    {"://", "://"},
    {"a:b@c", "a:b@c"},
  };
  g_autoptr (AppProblems) problems = app_problems_new ();

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree gchar *text = g_strdup (rows[i].text);

    app_log_hide_passwords (text);
    fail_unless_equals_string (text, rows[i].shown);
  }
  app_problems_add (problems, NULL, "%s", rows[0].text);
  fail_unless_equals_string (app_problems_get (problems, 0), rows[0].shown);
  printed = g_string_new (NULL);
  g_set_printerr_handler (on_printed);
  app_info ("%s", rows[0].text);
  g_set_printerr_handler (NULL);
  fail_unless (strstr (printed->str, rows[0].shown) != NULL, "%s", printed->str);
  g_string_free (printed, TRUE);
}
GST_END_TEST;

static Suite *
settings_suite (void)
{
  Suite *suite = suite_create ("programs-settings");
  TCase *files = tcase_create ("files"), *other = tcase_create ("other");

  suite_add_tcase (suite, files);
  tcase_add_checked_fixture (files, make_folder, remove_folder);
  tcase_add_test (files, test_yaml_settings);
  tcase_add_test (files, test_key_file_settings);
  tcase_add_test (files, test_environment_wins);
  tcase_add_test (files, test_all_problems_are_told);
  tcase_add_test (files, test_keys);
  tcase_add_test (files, test_key_files_that_are_none);

  suite_add_tcase (suite, other);
  tcase_add_test (other, test_yaml_tree);
  tcase_add_test (other, test_yaml_faults);
  tcase_add_test (other, test_empty_yaml_is_an_empty_map);
  tcase_add_test (other, test_minted_grants);
  tcase_add_test (other, test_metrics_text);
  tcase_add_test (other, test_restart_delays);
  tcase_add_test (other, test_restart_comes_once);
  tcase_add_test (other, test_log_lines_are_lines);
  tcase_add_test (other, test_passwords_of_urls_are_hidden);
  return suite;
}

GST_CHECK_MAIN (settings);
