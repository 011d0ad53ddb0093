/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of lkerror and lklog. */

#include <gst/check/gstcheck.h>
#include <gio/gio.h>
#include <string.h>

#include "lkerror.h"
#include "lklog.h"

#define HEADER "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
#define PAYLOAD "eyJpc3MiOiJkZXZrZXkiLCJzdWIiOiJhbGljZSIsInZpZGVvIjp7InJvb20iOiJsYWIifX0"
#define SIGNATURE "UiHowwYrQ5Hhqt1skUZOq1tfqatxp3RggXb93fRyOAM"
#define TOKEN HEADER "." PAYLOAD "." SIGNATURE

static void
check_clean (const gchar * text, const gchar * expected)
{
  g_autofree gchar *clean = lk_error_clean_text (text, -1);

  fail_unless_equals_string (clean, expected);
}

static void
check_clean_url (const gchar * url, const gchar * expected)
{
  g_autofree gchar *clean = lk_error_clean_url (url);

  fail_unless_equals_string (clean, expected);
}

GST_START_TEST (test_every_code_has_its_own_reason)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  for (gint code = LK_ERROR_SETTINGS; code <= LK_ERROR_CANCELLED; code++) {
    const gchar *reason = lk_error_reason ((LkError) code);

    fail_unless (reason != NULL && g_strcmp0 (reason, "unknown") != 0);
    fail_unless (g_hash_table_add (seen, (gpointer) reason), "%s twice", reason);
  }
  fail_unless_equals_string (lk_error_reason (LK_ERROR_UNAUTHORIZED), "unauthorized");
  fail_unless_equals_string (lk_error_reason (LK_ERROR_DUPLICATE_IDENTITY), "duplicate-identity");
  fail_unless_equals_string (lk_error_reason (LK_ERROR_CONNECTION_LOST), "connection-lost");
  fail_unless_equals_string (lk_error_reason ((LkError) 1000), "unknown");
  fail_unless_equals_string (lk_error_reason ((LkError) - 1), "unknown");
}
GST_END_TEST;

GST_START_TEST (test_final_by_code)
{
  static const LkError final[] = {
    LK_ERROR_TLS, LK_ERROR_SETTINGS, LK_ERROR_TOKEN, LK_ERROR_UNAUTHORIZED, LK_ERROR_PERMISSION, LK_ERROR_NO_ROOM,
    LK_ERROR_NOT_LIVEKIT, LK_ERROR_DUPLICATE_IDENTITY, LK_ERROR_REMOVED, LK_ERROR_ROOM_DELETED, LK_ERROR_ROOM_CLOSED,
    LK_ERROR_CANCELLED,
  };

  for (gint code = LK_ERROR_SETTINGS; code <= LK_ERROR_CANCELLED; code++) {
    g_autoptr (GError) error = g_error_new (LK_ERROR, code, "x");
    gboolean is_final = FALSE;

    for (guint i = 0; i < G_N_ELEMENTS (final); i++)
      is_final = is_final || (gint) final[i] == code;
    fail_unless_equals_int (lk_error_is_final (error), is_final);
  }
  fail_if (lk_error_is_final (NULL));
}
GST_END_TEST;

GST_START_TEST (test_foreign_domains)
{
  g_autoptr (GError) cancelled = g_error_new (G_IO_ERROR, G_IO_ERROR_CANCELLED, "x");
  g_autoptr (GError) refused = g_error_new (G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED, "x");

  fail_unless (lk_error_is_final (cancelled));
  fail_if (lk_error_is_final (refused));
  fail_unless_equals_int (lk_error_http_status (refused), 0);
  fail_unless_equals_int (lk_error_http_status (NULL), 0);
}
GST_END_TEST;

GST_START_TEST (test_token_source_is_final_by_status)
{
  static const guint final[] = { 301, 400, 401, 403, 404, 405, 422 };
  static const guint passing[] = { 0, 429, 500, 501, 502, 503, 504 };

  for (guint i = 0; i < G_N_ELEMENTS (final); i++) {
    g_autoptr (GError) error = lk_error_new_http (LK_ERROR_TOKEN_SOURCE, final[i], "%s", "x");

    fail_unless_equals_int (lk_error_http_status (error), final[i]);
    fail_unless (lk_error_is_final (error));
  }
  for (guint i = 0; i < G_N_ELEMENTS (passing); i++) {
    g_autoptr (GError) error = lk_error_new_http (LK_ERROR_TOKEN_SOURCE, passing[i], "%s", "x");

    fail_if (lk_error_is_final (error));
    lk_error_set_final (error, TRUE);
    fail_unless (lk_error_is_final (error));
  }
}
GST_END_TEST;

GST_START_TEST (test_details_survive_copy_and_prefix)
{
  g_autoptr (GError) error = lk_error_new_http (LK_ERROR_SERVER, 503, "answered %d", 503);
  g_autoptr (GError) copy = NULL, prefixed = NULL;

  lk_error_set_final (error, TRUE);
  copy = g_error_copy (error);
  fail_unless_equals_string (copy->message, "answered 503");
  fail_unless_equals_int (lk_error_http_status (copy), 503);
  fail_unless (lk_error_is_final (copy));

  g_propagate_prefixed_error (&prefixed, g_steal_pointer (&copy), "joining: ");
  fail_unless_equals_string (prefixed->message, "joining: answered 503");
  fail_unless_equals_int (lk_error_http_status (prefixed), 503);
  fail_unless (lk_error_is_final (prefixed));
}
GST_END_TEST;

GST_START_TEST (test_harmless_text_stays)
{
  check_clean (NULL, "");
  check_clean ("", "");
  check_clean ("requested room does not exist", "requested room does not exist");
  check_clean ("no such host: livekit.example.com.", "no such host: livekit.example.com.");
  check_clean ("ec2-203-0-113-25.compute-1.amazonaws.com is not 10.77.0.1...",
      "ec2-203-0-113-25.compute-1.amazonaws.com is not 10.77.0.1...");
  check_clean ("invalid authorization token: expired", "invalid authorization token: expired");
  check_clean ("invalid authorization header. Must start with Bearer ",
      "invalid authorization header. Must start with Bearer");
  check_clean ("Ünïcode – ラボ", "Ünïcode – ラボ");
  check_clean ("mail to a@b.example", "mail to a@b.example");
  check_clean ("heyJo", "heyJo");
}
GST_END_TEST;

GST_START_TEST (test_tokens_are_cut_out)
{
  check_clean (TOKEN, "[token]");
  /* the words of LiveKit's server */
  check_clean ("invalid authorization token: " TOKEN ", error: go-jose/go-jose: error in cryptographic primitive",
      "invalid authorization token: [token], error: go-jose/go-jose: error in cryptographic primitive");
  check_clean ("'" TOKEN "'", "'[token]'");
  check_clean ("refused " TOKEN ".", "refused [token].");
  check_clean ("x" TOKEN " y", "x[token] y");
  check_clean (TOKEN " and " TOKEN, "[token] and [token]");
  check_clean ("wss://h/rtc?access_token=" TOKEN "&protocol=17", "wss://h/rtc?access_token=[token]&protocol=17");
  check_clean ("wss://h/rtc?access_token=abc&protocol=17", "wss://h/rtc?access_token=[token]&protocol=17");
  check_clean ("a header that begins otherwise: ewogImFsZyI6ICJub25lIiB9.ewogImlzcyI6ICJrZXkiIH0.c2lnbmF0dXJlIG9mIG5v",
      "a header that begins otherwise: [token]");
  check_clean ("{\"participant_token\": \"abc.def\", \"a\": 1}", "{\"participant_token\": \"[token]\", \"a\": 1}");
  check_clean ("api_secret=hunter2;", "api_secret=[token];");
}
GST_END_TEST;

/* An opaque word may lie in front of a token, in one word with it. */
GST_START_TEST (test_words_before_tokens_are_cut_out)
{
  g_autofree gchar *glued = lk_error_clean_text ("x c2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJlc2lnbmFeyJhbGciOiJIUzI1NiJ9 y",
      -1);
  g_autofree gchar *prefixed = lk_error_clean_text ("token:eyJhbGciOiJIUzI1NiJ9 abc-eyJhbGciOiJIUzI1NiJ9", -1);

  fail_unless_equals_string (glued, "x [token] y");
  fail_unless_equals_string (prefixed, "token:[token] abc-[token]");
}
GST_END_TEST;

GST_START_TEST (test_partial_tokens_are_cut_out)
{
  check_clean ("token " HEADER, "token [token]");
  check_clean ("token eyJhbGciOi...", "token [token]...");
  check_clean ("..." SIGNATURE, "[token]");
  check_clean ("part " PAYLOAD "." SIGNATURE, "part [token]");
  check_clean ("tail " SIGNATURE, "tail [token]");
}
GST_END_TEST;

GST_START_TEST (test_bearer_values_are_cut_out)
{
  check_clean ("Authorization: Bearer abc.def", "Authorization: Bearer [token]");
  check_clean ("got 'bearer  s3cr3t', wanted another", "got 'bearer [token]', wanted another");
  check_clean ("BEARER%20abc", "BEARER%20[token]");
  check_clean ("Bearer \"abc\" sent", "Bearer \"[token]\" sent");
  check_clean ("Bearer\r\n " TOKEN, "Bearer [token]");
}
GST_END_TEST;

GST_START_TEST (test_users_of_urls_are_cut_out)
{
  check_clean ("cannot reach https://user:pass@host/x: no route", "cannot reach https://host/x: no route");
  check_clean ("http://a:b@c@host and http://host/@x", "http://host and http://host/@x");
}
GST_END_TEST;

GST_START_TEST (test_text_is_one_valid_line)
{
  g_autofree gchar *with_nul = lk_error_clean_text ("a\0b", 3);
  g_autofree gchar *part = lk_error_clean_text ("abcdef", 3);

  check_clean (" a\nb\r\n\tc\033[31m\f ", "a b c [31m");
  check_clean ("\xff" "a\xc3", "\357\277\275a\357\277\275");
  check_clean ("a\342\200\250b\302\205c", "a b c");
  /* zero width space and right-to-left override */
  check_clean ("ey\342\200\213JhbGciOiJIUzI1NiJ9 \342\200\256x", "[token] x");
  fail_unless (g_utf8_validate (with_nul, -1, NULL));
  fail_unless_equals_string (part, "abc");
}
GST_END_TEST;

GST_START_TEST (test_long_text_is_cut)
{
  for (guint n = 240; n < 300; n++) {
    g_autoptr (GString) text = g_string_new (NULL);
    g_autofree gchar *clean = NULL;

    for (guint i = 0; i < n; i++)
      g_string_append (text, i % 3 == 0 ? " " : "ä");
    g_string_prepend (text, n % 2 == 0 ? "" : "x");
    clean = lk_error_clean_text (text->str, -1);
    fail_unless (strlen (clean) <= 256);
    fail_unless (strlen (clean) > 250);
    fail_unless (g_utf8_validate (clean, -1, NULL));
    fail_unless (g_str_has_suffix (clean, "…"));
  }
}
GST_END_TEST;

/* A token right at the place where the text is cut, and texts of megabytes. */
GST_START_TEST (test_cutting_opens_no_token)
{
  g_autoptr (GString) big = g_string_new (NULL);

  for (guint n = 0; n < 300; n++) {
    g_autoptr (GString) text = g_string_new (NULL);
    g_autofree gchar *clean = NULL;

    for (guint i = 0; i < n; i++)
      g_string_append_c (text, i % 5 == 4 ? ' ' : 'x');
    g_string_append (text, " " TOKEN " end");
    clean = lk_error_clean_text (text->str, -1);
    fail_unless (strstr (clean, "eyJ") == NULL && strstr (clean, "UiHoww") == NULL, "%s", clean);
  }
  while (big->len < 5000000)
    g_string_append (big, " " TOKEN);
  {
    g_autofree gchar *clean = lk_error_clean_text (big->str, (gssize) big->len);

    fail_unless (strlen (clean) <= 256);
    fail_unless (strstr (clean, "eyJ") == NULL);
  }
}
GST_END_TEST;

/* Any bytes: valid, short, one line. The seed is constant, so that a failure comes again. */
GST_START_TEST (test_any_bytes)
{
  static const gchar letters[] = "eyJa.-_ \n\"':=@/Bearer token=://\xc3\xa4\xff\xe2\x80";
  g_autoptr (GRand) random = g_rand_new_with_seed (34);

  for (guint round = 0; round < 20000; round++) {
    gsize length = (gsize) g_rand_int_range (random, 0, 400);
    g_autofree gchar *bytes = g_malloc (length + 1);
    g_autofree gchar *clean = NULL, *clean_url = NULL;

    for (gsize i = 0; i < length; i++)
      bytes[i] = letters[g_rand_int_range (random, 0, sizeof (letters))];
    bytes[length] = '\0';
    clean = lk_error_clean_text (bytes, (gssize) length);
    clean_url = lk_error_clean_url (bytes);
    fail_unless (strlen (clean) <= 256 && g_utf8_validate (clean, -1, NULL) && strpbrk (clean, "\r\n") == NULL);
    fail_unless (strlen (clean_url) <= 256 && g_utf8_validate (clean_url, -1, NULL));
    fail_unless (strchr (clean_url, '?') == NULL && strchr (clean_url, '\n') == NULL);
  }
}
GST_END_TEST;

GST_START_TEST (test_urls)
{
  check_clean_url (NULL, "");
  check_clean_url ("wss://lk.example.com", "wss://lk.example.com");
  check_clean_url ("https://user:pass@host:8443/a/b?access_token=" TOKEN "#frag", "https://host:8443/a/b");
  check_clean_url ("https://user:p@ss@host/", "https://host/");
  check_clean_url ("https://" TOKEN "@host/x", "https://host/x");
  check_clean_url ("https://[::1]:7880/x?y", "https://[::1]:7880/x");
  check_clean_url ("https://[fe80::1]/", "https://[fe80::1]/");
  check_clean_url ("https://host/@user/room", "https://host/@user/room");
  check_clean_url ("https://host/" TOKEN "/x", "https://host/[token]/x");
  check_clean_url ("https://host#a?b", "https://host");
  check_clean_url ("https://host/a\r\nX: y", "https://host/a X: y");
}
GST_END_TEST;

/* What is no URL still shows no password. */
GST_START_TEST (test_broken_urls)
{
  check_clean_url ("user:pass@host/x", "host/x");
  check_clean_url ("wss:/user:pass@host/x", "host/x");
  check_clean_url ("wss:\\\\user:pass@host/x", "host/x");
  check_clean_url ("wss:///user:pass@host/x", "host/x");
  check_clean_url ("https://user:pa/ss@host/x", "https://");
  check_clean_url ("https://user:pa?ss@host/x", "https://");
  check_clean_url ("https://user:pa#ss@host/x", "https://");
  check_clean_url ("localhost:7880", "localhost:7880");
}
GST_END_TEST;

typedef struct
{
  guint n_lines;
  LkLogLevel level;
  gchar *object, *line;
} LogSeen;

static void
log_sink (LkLogLevel level, const gchar * file, const gchar * function, gint line_number, const gchar * object,
    const gchar * line, gpointer data)
{
  LogSeen *seen = data;

  fail_unless (g_str_has_suffix (file, "test_error.c"));
  fail_unless (function != NULL && line_number > 0);
  seen->n_lines++;
  seen->level = level;
  g_free (seen->object);
  seen->object = g_strdup (object);
  g_free (seen->line);
  seen->line = g_strdup (line);
}

GST_START_TEST (test_log)
{
  LogSeen seen = { 0 };

  lk_warning ("room", "nobody listens n=%d", 1);
  lk_log_set_sink (log_sink, &seen);
  lk_log_set_max_level (LK_LOG_INFO);
  lk_info ("room", "joined sid=%s\nn=%d", "RM_1", 2);
  fail_unless_equals_int (seen.n_lines, 1);
  fail_unless_equals_int (seen.level, LK_LOG_INFO);
  fail_unless_equals_string (seen.object, "room");
  fail_unless_equals_string (seen.line, "joined sid=RM_1 n=2");

  lk_debug ("room", "not wanted");
  fail_unless_equals_int (seen.n_lines, 1);
  lk_error ("room", "plain");
  fail_unless_equals_int (seen.n_lines, 2);

  lk_log_set_sink (NULL, NULL);
  lk_error ("room", "silence");
  fail_unless_equals_int (seen.n_lines, 2);
  g_free (seen.object);
  g_free (seen.line);
}
GST_END_TEST;

static Suite *
error_suite (void)
{
  Suite *suite = suite_create ("error");
  TCase *codes = tcase_create ("codes"), *texts = tcase_create ("texts"), *urls = tcase_create ("urls");
  TCase *logging = tcase_create ("log");

  suite_add_tcase (suite, codes);
  tcase_add_test (codes, test_every_code_has_its_own_reason);
  tcase_add_test (codes, test_final_by_code);
  tcase_add_test (codes, test_foreign_domains);
  tcase_add_test (codes, test_token_source_is_final_by_status);
  tcase_add_test (codes, test_details_survive_copy_and_prefix);

  suite_add_tcase (suite, texts);
  tcase_add_test (texts, test_harmless_text_stays);
  tcase_add_test (texts, test_tokens_are_cut_out);
  tcase_add_test (texts, test_partial_tokens_are_cut_out);
  tcase_add_test (texts, test_words_before_tokens_are_cut_out);
  tcase_add_test (texts, test_bearer_values_are_cut_out);
  tcase_add_test (texts, test_users_of_urls_are_cut_out);
  tcase_add_test (texts, test_text_is_one_valid_line);
  tcase_add_test (texts, test_long_text_is_cut);
  tcase_add_test (texts, test_cutting_opens_no_token);
  tcase_add_test (texts, test_any_bytes);

  suite_add_tcase (suite, urls);
  tcase_add_test (urls, test_urls);
  tcase_add_test (urls, test_broken_urls);

  suite_add_tcase (suite, logging);
  tcase_add_test (logging, test_log);
  return suite;
}

GST_CHECK_MAIN (error);
