/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkjson: what json-glib may see. */
#include <gst/check/gstcheck.h>
#include <json-glib/json-glib.h>
#include <string.h>

#include "lkjson.h"

static const struct
{
  const gchar *text;
  guint max_depth;
  gboolean is_valid;
} rows[] = {
  {"[{}]", 2, TRUE},
  {" { } \n", 1, TRUE},
  {"[[],[],{}]", 2, TRUE},
  {"[\"[[[[\\\"[[[\"]", 1, TRUE},
  {"[\"a\", 1, -1.5e+3, true, \"//\", false, null, 0, -0, 0.5, 1E9, 1e-2]", 1, TRUE},
  {"{\"a\":{\"b\":[1,{\"c\":\"d\"}]},\"e\":[]}", 4, TRUE},
  {"[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"]", 1, TRUE},
  {"[\"\xc3\xa9\"]", 1, TRUE},
  {"[99999999999999999999999999999999]", 1, TRUE},
  /* more than one value, none, none that counts */
  {"", 1, FALSE},
  {" ", 1, FALSE},
  {"[][]", 2, FALSE},
  {"{}{}", 2, FALSE},
  {"{} 1", 2, FALSE},
  {"1 {}", 2, FALSE},
  {"\"a\"", 2, FALSE},
  {"17", 2, FALSE},
  {"null", 2, FALSE},
  /* depth */
  {"[{}]", 1, FALSE},
  {"[[]]", 1, FALSE},
  {"[]", 0, FALSE},
  /* brackets */
  {"[", 2, FALSE},
  {"[]]", 2, FALSE},
  {"]", 2, FALSE},
  {"}", 2, FALSE},
  {"[}", 2, FALSE},
  {"{]", 2, FALSE},
  {"[{]}", 2, FALSE},
  {"{\"a\":[}]", 3, FALSE},
  /* commas, colons, names */
  {"[,]", 2, FALSE},
  {"[1,]", 2, FALSE},
  {"[,1]", 2, FALSE},
  {"[1 2]", 2, FALSE},
  {"{\"a\"}", 2, FALSE},
  {"{\"a\":}", 2, FALSE},
  {"{\"a\":1,}", 2, FALSE},
  {"{\"a\":1 \"b\":2}", 2, FALSE},
  {"{a:1}", 2, FALSE},
  {"{1:1}", 2, FALSE},
  {"{\"a\":1,,\"b\":2}", 2, FALSE},
  {"{\"a\"=1}", 2, FALSE},
  /* strings */
  {"[\"open", 2, FALSE},
  {"[\"\\", 2, FALSE},
  {"[\"\\\"]", 2, FALSE},
  {"['a']", 2, FALSE},
  {"[\"\\x41\"]", 2, FALSE},
  {"[\"\\u12g4\"]", 2, FALSE},
  {"[\"\\u12\"]", 2, FALSE},
  {"[\"\\u0000\"]", 2, FALSE},
  {"[\"\\ud800\"]", 2, FALSE},
  {"[\"\\ud800x\"]", 2, FALSE},
  {"[\"\\ud800\\n\"]", 2, FALSE},
  {"[\"\\ud800\\u0041\"]", 2, FALSE},
  {"[\"\\ude00\"]", 2, FALSE},
  {"[\"line\nend\"]", 2, FALSE},
  {"[\"tab\t\"]", 2, FALSE},
  {"[\"\xff\"]", 2, FALSE},
  {"[\"\xed\xa0\x80\"]", 2, FALSE},
  /* numbers and words */
  {"[01]", 2, FALSE},
  {"[+1]", 2, FALSE},
  {"[-]", 2, FALSE},
  {"[.5]", 2, FALSE},
  {"[1.]", 2, FALSE},
  {"[1e]", 2, FALSE},
  {"[1e+]", 2, FALSE},
  {"[0x10]", 2, FALSE},
  {"[NaN]", 2, FALSE},
  {"[tru]", 2, FALSE},
  {"[True]", 2, FALSE},
  {"[truefalse]", 2, FALSE},
  {"[t", 2, FALSE},
  /* what is no JSON, though some take it */
  {"[ # x\n ]", 2, FALSE},
  {"[ /* x */ ]", 2, FALSE},
  {"[ // x\n ]", 2, FALSE},
  {"\xef\xbb\xbf[]", 2, FALSE},
};

GST_START_TEST (test_what_is_json)
{
  fail_unless_equals_int (lk_json_is_valid (rows[__i__].text, strlen (rows[__i__].text), rows[__i__].max_depth),
      rows[__i__].is_valid);
}

GST_END_TEST;

GST_START_TEST (test_nul_and_length)
{
  fail_if (lk_json_is_valid ("[\"\0\"]", 5, 2));
  fail_if (lk_json_is_valid ("[]\0", 3, 2));
  fail_unless (lk_json_is_valid ("[]]", 2, 2));
  fail_if (lk_json_is_valid ("[]", 1, 2));
  fail_if (lk_json_is_valid ("[\"\\ud83d\\ude00\"]", 9, 2));
}

GST_END_TEST;

GST_START_TEST (test_depth)
{
  for (guint depth = 1; depth <= LK_JSON_MAX_DEPTH + 1; depth++) {
    g_autofree gchar *open = g_strnfill (depth, '['), *end = g_strnfill (depth, ']');
    g_autofree gchar *text = g_strconcat (open, end, NULL);

    fail_unless_equals_int (lk_json_is_valid (text, 2 * depth, LK_JSON_MAX_DEPTH), depth <= LK_JSON_MAX_DEPTH);
    if (depth > 1 && depth <= LK_JSON_MAX_DEPTH)
      fail_if (lk_json_is_valid (text, 2 * depth, depth - 1));
  }
}

GST_END_TEST;

/* A parser of another hand agrees: whatever is made out of these pieces and passes, json-glib parses. */
GST_START_TEST (test_json_glib_agrees)
{
  static const gchar *const pieces[] = { "{", "}", "[", "]", ",", ":", "\"a\"", "\"\\u00e9\"", "\"\\ud800\"", "1", "-",
    "0", ".5", "e3", "true", "null", " ", "\"\\", "x", "/**/"
  };
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  guint n_valid = 0;

  for (guint i = 0; i < 200000; i++) {
    g_autoptr (JsonParser) parser = json_parser_new ();
    g_autoptr (GString) text = g_string_new (g_rand_boolean (rand) ? "{\"a\":" : "[");

    for (gint n = g_rand_int_range (rand, 0, 6); n > 0; n--)
      g_string_append (text, pieces[g_rand_int_range (rand, 0, G_N_ELEMENTS (pieces))]);
    g_string_append (text, text->str[0] == '{' ? "}" : "]");
    if (!lk_json_is_valid (text->str, text->len, 16))
      continue;
    n_valid++;
    fail_unless (json_parser_load_from_data (parser, text->str, (gssize) text->len, NULL), "%s", text->str);
  }
  fail_unless (n_valid > 1000, "%u", n_valid);
}

GST_END_TEST;

static Suite *
json_suite (void)
{
  Suite *s = suite_create ("lkjson");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_set_timeout (tc, 60);
  tcase_add_loop_test (tc, test_what_is_json, 0, G_N_ELEMENTS (rows));
  tcase_add_test (tc, test_nul_and_length);
  tcase_add_test (tc, test_depth);
  tcase_add_test (tc, test_json_glib_agrees);
  return s;
}

GST_CHECK_MAIN (json);
