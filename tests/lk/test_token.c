/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of lktoken, with tokens of other implementations (tests/vectors/make_tokens.py). */

#include <gst/check/gstcheck.h>
#include <json-glib/json-glib.h>
#include <string.h>

#include "lkerror.h"
#include "lktoken.h"

#define NOW 1700000000
/* base64url of {"alg":"HS256","typ":"JWT"} */
#define HEADER "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"

/* Helpers that share nothing with the code under test */

static gchar *
to_base64url (const gchar * data, gsize size)
{
  g_autofree gchar *text = g_base64_encode ((const guchar *) data, size);
  g_autoptr (GString) result = g_string_new (text);

  g_string_replace (result, "=", "", 0);
  g_string_replace (result, "+", "-", 0);
  g_string_replace (result, "/", "_", 0);
  return g_strdup (result->str);
}

static gchar *
from_base64url (const gchar * part)
{
  g_autoptr (GString) text = g_string_new (part);
  gsize size;

  g_string_replace (text, "-", "+", 0);
  g_string_replace (text, "_", "/", 0);
  while (text->len % 4 != 0)
    g_string_append_c (text, '=');
  {
    g_autofree guchar *data = g_base64_decode (text->str, &size);

    return g_strndup ((const gchar *) data, size);
  }
}

static gchar *
hmac_by_glib (const gchar * input, gconstpointer key, gsize key_size)
{
  g_autoptr (GHmac) hmac = g_hmac_new (G_CHECKSUM_SHA256, key, key_size);
  guint8 digest[32];
  gsize size = sizeof (digest);

  g_hmac_update (hmac, (const guchar *) input, -1);
  g_hmac_get_digest (hmac, digest, &size);
  return to_base64url ((const gchar *) digest, size);
}

static gchar *
token_of_json (const gchar * json, gssize length)
{
  g_autofree gchar *payload = to_base64url (json, length < 0 ? strlen (json) : (gsize) length);

  return g_strdup_printf (HEADER ".%s.c2ln", payload);
}

static LkTokenClaims *
read_json (const gchar * json)
{
  g_autofree gchar *token = token_of_json (json, -1);
  g_autoptr (GError) error = NULL;
  LkTokenClaims *claims = lk_token_read (token, &error);

  fail_unless (claims != NULL, "%s: %s", json, error != NULL ? error->message : "no error");
  fail_unless (error == NULL);
  return claims;
}

static void
expect_refused (const gchar * token)
{
  g_autoptr (GError) error = NULL;

  fail_unless (lk_token_read (token, &error) == NULL);
  fail_unless (g_error_matches (error, LK_ERROR, LK_ERROR_TOKEN));
  fail_unless (strlen (error->message) < 100);
  fail_unless (lk_token_read (token, NULL) == NULL);
}

static void
expect_json_refused (const gchar * json, gssize length)
{
  g_autofree gchar *token = token_of_json (json, length);

  expect_refused (token);
}

/* Signatures */

GST_START_TEST (test_rfc7515_a1)
{
  static const gchar input[] = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
      ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
  static const guint8 key[] = {
    3, 35, 53, 75, 43, 15, 165, 188, 131, 126, 6, 101, 119, 123, 166, 143, 90, 179, 40, 230, 240, 84, 201, 40, 169, 15,
    132, 178, 210, 80, 46, 191, 211, 251, 90, 146, 210, 6, 71, 239, 150, 138, 180, 195, 119, 98, 61, 34, 61, 46, 33,
    114, 5, 46, 79, 8, 192, 205, 154, 245, 103, 208, 128, 163,
  };
  g_autofree gchar *signature = lk_token_sign (input, key, sizeof (key));
  g_autofree gchar *token = g_strconcat (input, ".", signature, NULL);
  g_autoptr (LkTokenClaims) claims = NULL;

  fail_unless_equals_string (signature, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
  claims = lk_token_read (token, NULL);
  fail_unless (claims != NULL);
  fail_unless_equals_string (claims->api_key, "joe");
  fail_unless_equals_int64 (claims->expires_s, 1300819380);
}
GST_END_TEST;

static void
compare_string (JsonObject * expected, const gchar * member, const gchar * value)
{
  fail_unless_equals_string (value, json_object_get_string_member_with_default (expected, member, NULL));
}

static void
compare_boolean (JsonObject * expected, const gchar * member, gboolean value)
{
  fail_unless (json_object_has_member (expected, member));
  fail_unless_equals_int (value, json_object_get_boolean_member (expected, member));
}

static void
compare_sources (JsonObject * expected, gchar ** sources)
{
  JsonArray *array;

  if (!json_object_has_member (expected, "can_publish_sources")) {
    fail_unless (sources == NULL);
    return;
  }
  array = json_object_get_array_member (expected, "can_publish_sources");
  fail_unless_equals_int (g_strv_length (sources), json_array_get_length (array));
  for (guint i = 0; sources[i] != NULL; i++)
    fail_unless_equals_string (sources[i], json_array_get_string_element (array, i));
}

static void
check_vector (JsonObject * vector)
{
  const gchar *token = json_object_get_string_member (vector, "token");
  const gchar *secret = json_object_get_string_member (vector, "secret");
  JsonObject *expected = json_object_get_object_member (vector, "expected");
  g_autofree gchar *input = g_strndup (token, (gsize) (strrchr (token, '.') - token));
  g_autofree gchar *signature = lk_token_sign (input, secret, strlen (secret));
  g_autoptr (LkTokenClaims) claims = lk_token_read (token, NULL);

  GST_INFO ("vector %s", json_object_get_string_member (vector, "name"));
  fail_unless_equals_string (signature, strrchr (token, '.') + 1);
  fail_unless (claims != NULL);
  compare_string (expected, "api_key", claims->api_key);
  compare_string (expected, "identity", claims->identity);
  compare_string (expected, "name", claims->name);
  compare_string (expected, "room", claims->room);
  fail_unless_equals_int64 (claims->not_before_s, json_object_get_int_member (expected, "not_before"));
  fail_unless_equals_int64 (claims->expires_s, json_object_get_int_member (expected, "expires"));
  compare_boolean (expected, "room_join", claims->room_join);
  compare_boolean (expected, "can_publish", claims->can_publish);
  compare_boolean (expected, "can_subscribe", claims->can_subscribe);
  compare_boolean (expected, "can_publish_data", claims->can_publish_data);
  compare_boolean (expected, "can_update_own_metadata", claims->can_update_own_metadata);
  compare_boolean (expected, "hidden", claims->hidden);
  compare_sources (expected, claims->can_publish_sources);
}

GST_START_TEST (test_tokens_of_others_are_read)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;
  JsonArray *vectors;

  fail_unless (json_parser_load_from_file (parser, LK_VECTORS_DIR "/tokens.json", &error), "%s",
      error != NULL ? error->message : "");
  vectors = json_object_get_array_member (json_node_get_object (json_parser_get_root (parser)), "tokens");
  fail_unless (json_array_get_length (vectors) >= 8);
  for (guint i = 0; i < json_array_get_length (vectors); i++)
    check_vector (json_array_get_object_element (vectors, i));
}
GST_END_TEST;

/* Minting */

static LkTokenRequest
make_request (void)
{
  LkTokenRequest request = {
    .api_key = "devkey",
    .api_secret = "secret",
    .room = "lab \"1\"/ä",
    .identity = "alice",
    .now_s = NOW,
    .valid_s = 600,
  };

  return request;
}

static JsonNode *
parse_payload (const gchar * token)
{
  g_auto (GStrv) parts = g_strsplit (token, ".", -1);
  g_autofree gchar *payload = NULL;
  JsonNode *node;

  fail_unless_equals_int (g_strv_length (parts), 3);
  payload = from_base64url (parts[1]);
  node = json_from_string (payload, NULL);
  fail_unless (node != NULL && JSON_NODE_HOLDS_OBJECT (node));
  return node;
}

GST_START_TEST (test_minted_token_is_signed)
{
  LkTokenRequest request = make_request ();
  gchar *token = lk_token_mint (&request, NULL);
  g_autofree gchar *input = NULL, *signature = NULL, *header = NULL;
  g_auto (GStrv) parts = NULL;

  fail_unless (token != NULL);
  fail_unless (strpbrk (token, "=+/ \n") == NULL);
  parts = g_strsplit (token, ".", -1);
  fail_unless_equals_int (g_strv_length (parts), 3);
  header = from_base64url (parts[0]);
  fail_unless_equals_string (header, "{\"alg\":\"HS256\",\"typ\":\"JWT\"}");
  input = g_strconcat (parts[0], ".", parts[1], NULL);
  signature = hmac_by_glib (input, "secret", 6);
  fail_unless_equals_string (parts[2], signature);
  lk_token_clear (token);
  lk_token_clear (NULL);
}
GST_END_TEST;

GST_START_TEST (test_minted_payload)
{
  g_autoptr (GHashTable) attributes = g_hash_table_new (g_str_hash, g_str_equal);
  LkTokenRequest request = make_request ();
  g_autofree gchar *token = NULL, *text = NULL;
  g_autoptr (JsonNode) payload = NULL;

  g_hash_table_insert (attributes, (gpointer) "b", (gpointer) "2");
  g_hash_table_insert (attributes, (gpointer) "a", (gpointer) "1 \"ä\"");
  request.name = "Alice \\ \"Ä\"";
  request.metadata = "{\"k\":1}\n";
  request.attributes = attributes;
  token = lk_token_mint (&request, NULL);
  payload = parse_payload (token);
  text = json_to_string (payload, FALSE);
  fail_unless_equals_string (text, "{\"iss\":\"devkey\",\"sub\":\"alice\",\"nbf\":1700000000,\"exp\":1700000600,"
      "\"name\":\"Alice \\\\ \\\"Ä\\\"\",\"metadata\":\"{\\\"k\\\":1}\\n\","
      "\"attributes\":{\"a\":\"1 \\\"ä\\\"\",\"b\":\"2\"},"
      "\"video\":{\"room\":\"lab \\\"1\\\"/ä\",\"roomJoin\":true,\"canPublish\":true,\"canSubscribe\":true,"
      "\"canPublishData\":true,\"canUpdateOwnMetadata\":true}}");
}
GST_END_TEST;

GST_START_TEST (test_grants_for_the_api)
{
  LkTokenRequest request = make_request ();
  g_autofree gchar *token = NULL;
  g_autoptr (JsonNode) payload = NULL;
  JsonObject *video;

  request.no_join = request.may_list_rooms = TRUE;
  token = lk_token_mint (&request, NULL);
  payload = parse_payload (token);
  video = json_object_get_object_member (json_node_get_object (payload), "video");
  fail_if (json_object_get_boolean_member (video, "roomJoin"));
  fail_unless (json_object_get_boolean_member (video, "roomList"));
}
GST_END_TEST;

GST_START_TEST (test_signatures_are_checked)
{
  LkTokenRequest request = make_request ();
  g_autofree gchar *token = lk_token_mint (&request, NULL);
  g_autofree gchar *unsigned_token = g_strndup (token, (gsize) (strrchr (token, '.') - token + 1));

  fail_unless (lk_token_is_signed_by (token, request.api_secret));
  fail_if (lk_token_is_signed_by (token, "another"));
  fail_if (lk_token_is_signed_by (token, ""));
  fail_if (lk_token_is_signed_by (unsigned_token, request.api_secret));
  fail_if (lk_token_is_signed_by ("", request.api_secret));
  for (gsize i = 0; token[i]; i++) {
    g_autofree gchar *other = g_strdup (token);

    other[i] = other[i] == 'x' ? 'y' : 'x';
    fail_if (lk_token_is_signed_by (other, request.api_secret));
  }
}
GST_END_TEST;

GST_START_TEST (test_unset_members_are_left_out)
{
  LkTokenRequest request = make_request ();
  g_autofree gchar *token = NULL;
  g_autoptr (JsonNode) payload = NULL;
  JsonObject *object;

  request.name = "";
  request.attributes = g_hash_table_new (g_str_hash, g_str_equal);
  token = lk_token_mint (&request, NULL);
  payload = parse_payload (token);
  object = json_node_get_object (payload);
  fail_if (json_object_has_member (object, "name"));
  fail_if (json_object_has_member (object, "metadata"));
  fail_if (json_object_has_member (object, "attributes"));
  g_hash_table_unref (request.attributes);
}
GST_END_TEST;

GST_START_TEST (test_minted_token_is_read)
{
  LkTokenRequest request = make_request ();
  g_autofree gchar *token = NULL;
  g_autoptr (LkTokenClaims) claims = NULL;

  request.name = "Alice";
  token = lk_token_mint (&request, NULL);
  claims = lk_token_read (token, NULL);
  fail_unless (claims != NULL);
  fail_unless_equals_string (claims->api_key, "devkey");
  fail_unless_equals_string (claims->identity, "alice");
  fail_unless_equals_string (claims->name, "Alice");
  fail_unless_equals_string (claims->room, request.room);
  fail_unless_equals_int64 (claims->expires_s, NOW + 600);
  fail_unless (claims->room_join && claims->can_publish && claims->can_subscribe && claims->can_publish_data
      && claims->can_update_own_metadata && !claims->hidden && claims->can_publish_sources == NULL);
  fail_unless (lk_token_check (claims, request.room, NOW, NULL));
}
GST_END_TEST;

GST_START_TEST (test_grants_are_left_out_by_request)
{
  LkTokenRequest request = make_request ();
  g_autofree gchar *publisher = NULL, *viewer = NULL;
  g_autoptr (LkTokenClaims) may_publish = NULL, may_watch = NULL;

  request.no_subscribe = TRUE;
  publisher = lk_token_mint (&request, NULL);
  may_publish = lk_token_read (publisher, NULL);
  fail_unless (may_publish->room_join && may_publish->can_publish && may_publish->can_publish_data);
  fail_if (may_publish->can_subscribe);

  request.no_subscribe = FALSE;
  request.no_publish = request.no_data = TRUE;
  viewer = lk_token_mint (&request, NULL);
  may_watch = lk_token_read (viewer, NULL);
  fail_unless (may_watch->room_join && may_watch->can_subscribe);
  fail_if (may_watch->can_publish || may_watch->can_publish_data);
}
GST_END_TEST;

static void
expect_mint_refused (const LkTokenRequest * request, const gchar * word)
{
  g_autoptr (GError) error = NULL;

  fail_unless (lk_token_mint (request, &error) == NULL);
  fail_unless (g_error_matches (error, LK_ERROR, LK_ERROR_SETTINGS));
  fail_unless (strstr (error->message, word) != NULL, "%s", error->message);
  fail_unless (strstr (error->message, "secret\"") == NULL);
}

GST_START_TEST (test_mint_needs_settings)
{
  static const gsize needed[] = {
    G_STRUCT_OFFSET (LkTokenRequest, api_key), G_STRUCT_OFFSET (LkTokenRequest, api_secret),
    G_STRUCT_OFFSET (LkTokenRequest, room), G_STRUCT_OFFSET (LkTokenRequest, identity),
  };
  static const gchar *const words[] = { "set api-key", "set api-secret", "set room", "set identity" };

  for (guint i = 0; i < G_N_ELEMENTS (needed); i++) {
    LkTokenRequest request = make_request ();

    G_STRUCT_MEMBER (const gchar *, &request, needed[i]) = NULL;
    expect_mint_refused (&request, words[i]);
    G_STRUCT_MEMBER (const gchar *, &request, needed[i]) = "";
    expect_mint_refused (&request, words[i]);
  }
}
GST_END_TEST;

GST_START_TEST (test_mint_refuses_what_json_cannot_hold)
{
  LkTokenRequest request = make_request ();
  g_autofree gchar *long_text = g_strnfill (60000, 'x');
  g_autoptr (GHashTable) attributes = g_hash_table_new (g_str_hash, g_str_equal);

  request.name = "a\xff";
  expect_mint_refused (&request, "UTF-8");
  request.name = NULL;
  request.metadata = long_text;
  expect_mint_refused (&request, "too long");
  request.metadata = NULL;
  request.attributes = attributes;
  g_hash_table_insert (attributes, (gpointer) "k", (gpointer) "\xc3");
  expect_mint_refused (&request, "UTF-8");
}
GST_END_TEST;

/* What may be minted may be read: the limits fit each other. */
GST_START_TEST (test_longest_token)
{
  LkTokenRequest request = make_request ();
  gsize length;

  for (length = 49000; length > 48000; length--) {
    g_autofree gchar *metadata = g_strnfill (length, 'x');
    g_autofree gchar *token = NULL;

    request.metadata = metadata;
    token = lk_token_mint (&request, NULL);
    if (token != NULL) {
      g_autoptr (LkTokenClaims) claims = lk_token_read (token, NULL);

      fail_unless (claims != NULL);
      return;
    }
  }
  fail ("nothing near 48 KiB could be minted");
}
GST_END_TEST;

/* Reading */

GST_START_TEST (test_rubbish_is_refused)
{
  g_autofree gchar *long_token = g_strnfill (1024 * 1024, 'a');

  expect_refused (NULL);
  expect_refused ("");
  expect_refused ("abc");
  expect_refused ("a.b");
  expect_refused ("...");
  expect_refused ("..");
  expect_refused ("rubb.ishr.ubbi");
  expect_refused (HEADER "." HEADER);
  expect_refused (HEADER "." HEADER ".");
  expect_refused (HEADER ".." HEADER);
  expect_refused ("." HEADER "." HEADER);
  expect_refused (HEADER "." HEADER "." HEADER "." HEADER);
  expect_refused (HEADER "." HEADER ".sig\n");
  expect_refused (" " HEADER "." HEADER ".c2ln");
  expect_refused (HEADER "." HEADER ".c2ln\r\nX-Injected: yes");
  expect_refused (HEADER "." HEADER ".a+/=");
  expect_refused (HEADER "." HEADER ".abcde");
  expect_refused (long_token);
}
GST_END_TEST;

GST_START_TEST (test_bad_json_is_refused)
{
  expect_json_refused ("[]", -1);
  expect_json_refused ("\"x\"", -1);
  expect_json_refused ("17", -1);
  expect_json_refused ("null", -1);
  expect_json_refused ("{", -1);
  expect_json_refused ("{\"a\":}", -1);
  expect_json_refused ("{} {}", -1);
  expect_json_refused ("{\"sub\":\"\xff\xfe\"}", -1);
  expect_json_refused ("{\"sub\":\"a\0b\"}", 13);
  expect_json_refused ("{\"sub\":\"a\"}\0", 12);
  expect_json_refused ("/* comment */ {}", -1);
  expect_json_refused ("{'sub':1}", -1);
}
GST_END_TEST;

static gchar *
nested (const gchar * head, const gchar * open, guint n)
{
  GString *text = g_string_new (head);

  for (guint i = 0; i < n; i++)
    g_string_append (text, open);
  return g_string_free (text, FALSE);
}

GST_START_TEST (test_deep_nesting_is_refused)
{
  g_autofree gchar *arrays = nested ("{\"a\":", "[", 40000);
  g_autofree gchar *objects = nested ("", "{\"a\":", 8000);
  /* where a scanner that knows comments and one that does not see different strings */
  g_autofree gchar *comment = nested ("{\"a\": /* \" */ ", "[", 40000);
  g_autofree gchar *escape = nested ("{\"a\\\\\": ", "[", 40000);

  expect_json_refused (arrays, -1);
  expect_json_refused (objects, -1);
  expect_json_refused (comment, -1);
  expect_json_refused (escape, -1);
}
GST_END_TEST;

GST_START_TEST (test_brackets_in_strings_are_no_nesting)
{
  g_autofree gchar *brackets = nested ("", "[{\\\"", 1000);
  g_autofree gchar *json = g_strdup_printf ("{\"sub\":\"a\",\"metadata\":\"%s\"}", brackets);
  g_autoptr (LkTokenClaims) claims = read_json (json);

  fail_unless_equals_string (claims->identity, "a");
}
GST_END_TEST;

GST_START_TEST (test_wrong_types_count_as_absent)
{
  g_autoptr (LkTokenClaims) claims = read_json ("{\"iss\":1,\"sub\":{\"a\":1},\"jti\":[],\"name\":true,"
      "\"exp\":\"soon\",\"nbf\":null,\"video\":{\"room\":7,\"roomJoin\":\"true\",\"canPublish\":0,"
      "\"canSubscribe\":null,\"canPublishData\":[],\"hidden\":1.5,\"canPublishSources\":{\"a\":1}}}");
  g_autoptr (LkTokenClaims) sources = read_json ("{\"video\":{\"canPublishSources\":[1,null,\"camera\",{}]}}");
  g_autoptr (LkTokenClaims) empty = read_json ("{\"video\":{\"canPublishSources\":[]}}");
  g_autoptr (LkTokenClaims) no_object = read_json ("{\"video\":[{\"roomJoin\":true}]}");

  fail_unless (claims->api_key == NULL && claims->identity == NULL && claims->name == NULL && claims->room == NULL);
  fail_unless (claims->expires_s == 0 && claims->not_before_s == 0);
  fail_unless (!claims->room_join && claims->can_publish && claims->can_subscribe && claims->can_publish_data);
  fail_unless (!claims->hidden && claims->can_publish_sources == NULL);

  fail_unless_equals_int (g_strv_length (sources->can_publish_sources), 1);
  fail_unless_equals_string (sources->can_publish_sources[0], "camera");
  fail_unless (empty->can_publish_sources == NULL);
  fail_if (no_object->room_join);
}
GST_END_TEST;

GST_START_TEST (test_numbers)
{
  g_autoptr (LkTokenClaims) fraction = read_json ("{\"exp\":1700000000.75,\"nbf\":1.7e9}");
  g_autoptr (LkTokenClaims) huge = read_json ("{\"exp\":1e300,\"nbf\":-1e300,"
      "\"video\":{\"roomJoin\":true,\"room\":\"a\"}}");
  g_autoptr (LkTokenClaims) digits = read_json ("{\"exp\":99999999999999999999999999,\"nbf\":-9999999999999999999}");
  g_autoptr (LkTokenClaims) past = read_json ("{\"exp\":-9223372036854775807}");

  fail_unless_equals_int64 (fraction->expires_s, 1700000000);
  fail_unless_equals_int64 (fraction->not_before_s, 1700000000);
  fail_unless (lk_token_check (huge, "a", NOW, NULL));
  /* json-glib has its own idea of these; what counts is that there is an answer */
  lk_token_check (digits, NULL, NOW, NULL);
  fail_if (lk_token_check (past, NULL, NOW, NULL));
}
GST_END_TEST;

/* Every token of the vectors cut short or with one byte changed: an answer, no crash. */
GST_START_TEST (test_mutated_tokens)
{
  LkTokenRequest request = make_request ();
  g_autofree gchar *token = lk_token_mint (&request, NULL);
  gsize length = strlen (token);
  g_autoptr (GRand) random = g_rand_new_with_seed (28);

  for (gsize i = 0; i < length; i++) {
    g_autofree gchar *prefix = g_strndup (token, i);
    g_autoptr (LkTokenClaims) claims = lk_token_read (prefix, NULL);

    /* whole but for letters of its signature, it is a token */
    fail_unless ((claims != NULL) == (i > (gsize) (strrchr (token, '.') + 1 - token) && (length - i) % 4 != 2));
  }
  for (guint round = 0; round < 10000; round++) {
    g_autofree gchar *changed = g_strdup (token);
    g_autoptr (LkTokenClaims) claims = NULL;

    for (guint i = 0; i < 3; i++)
      changed[g_rand_int_range (random, 0, (gint) length)] = (gchar) g_rand_int_range (random, 1, 256);
    claims = lk_token_read (changed, NULL);
    if (claims != NULL)
      lk_token_check (claims, "lab", NOW, NULL);
  }
}
GST_END_TEST;

/* Random JSON-like text behind a right header, most of which json-glib refuses. */
GST_START_TEST (test_random_payloads)
{
  static const gchar *const words[] = {
    "{", "}", "[", "]", ",", ":", "\"", "\"video\"", "\"exp\"", "\"sub\"", "\"room\"", "\"roomJoin\"", "1", "-1e9",
    "true", "null", "\\", "\\u0000", "\\ud800", " ", "\n", "{\"video\":{", "}}", "\"x\"", "0x1", "//", "'", "ä",
  };
  g_autoptr (GRand) random = g_rand_new_with_seed (40);

  for (guint round = 0; round < 20000; round++) {
    g_autoptr (GString) json = g_string_new ("{");
    g_autofree gchar *token = NULL;
    g_autoptr (LkTokenClaims) claims = NULL;

    for (gint n = g_rand_int_range (random, 0, 20); n > 0; n--)
      g_string_append (json, words[g_rand_int_range (random, 0, G_N_ELEMENTS (words))]);
    token = token_of_json (json->str, -1);
    claims = lk_token_read (token, NULL);
  }
}
GST_END_TEST;

/* Checking */

static void
expect_check_refused (const gchar * json, const gchar * room, gint64 now_s, const gchar * word)
{
  g_autoptr (LkTokenClaims) claims = read_json (json);
  g_autoptr (GError) error = NULL;

  fail_if (lk_token_check (claims, room, now_s, &error));
  fail_unless (g_error_matches (error, LK_ERROR, LK_ERROR_TOKEN));
  fail_unless (strstr (error->message, word) != NULL, "%s", error->message);
  fail_unless (lk_error_is_final (error));
}

GST_START_TEST (test_check)
{
  static const gchar good[] = "{\"sub\":\"a\",\"nbf\":1000,\"exp\":2000,"
      "\"video\":{\"roomJoin\":true,\"room\":\"lab\"}}";
  g_autoptr (LkTokenClaims) claims = read_json (good);

  fail_unless (lk_token_check (claims, "lab", 1500, NULL));
  fail_unless (lk_token_check (claims, NULL, 1500, NULL));
  fail_unless (lk_token_check (claims, "", 1500, NULL));
  /* the server's leeway of 60 s */
  fail_unless (lk_token_check (claims, "lab", 2060, NULL));
  fail_unless (lk_token_check (claims, "lab", 940, NULL));

  expect_check_refused (good, "lab", 2061, "expired");
  expect_check_refused (good, "lab", 939, "not valid before");
  expect_check_refused (good, "Lab", 1500, "'lab', not for 'Lab'");
  expect_check_refused ("{\"video\":{\"room\":\"lab\"}}", "lab", 1500, "roomJoin");
  expect_check_refused ("{\"video\":{\"room\":\"lab\",\"roomJoin\":false}}", "lab", 1500, "roomJoin");
  expect_check_refused ("{\"sub\":\"a\"}", "lab", 1500, "roomJoin");
  expect_check_refused ("{\"video\":{\"roomJoin\":true}}", "lab", 1500, "no room");
  expect_check_refused ("{\"video\":{\"roomJoin\":true,\"room\":\"\"}}", NULL, 1500, "no room");
}
GST_END_TEST;

static Suite *
token_suite (void)
{
  Suite *suite = suite_create ("token");
  TCase *vectors = tcase_create ("vectors"), *mint = tcase_create ("mint"), *reading = tcase_create ("read");
  TCase *checking = tcase_create ("check");

  suite_add_tcase (suite, vectors);
  tcase_add_test (vectors, test_rfc7515_a1);
  tcase_add_test (vectors, test_tokens_of_others_are_read);

  suite_add_tcase (suite, mint);
  tcase_add_test (mint, test_minted_token_is_signed);
  tcase_add_test (mint, test_minted_payload);
  tcase_add_test (mint, test_grants_for_the_api);
  tcase_add_test (mint, test_signatures_are_checked);
  tcase_add_test (mint, test_unset_members_are_left_out);
  tcase_add_test (mint, test_minted_token_is_read);
  tcase_add_test (mint, test_grants_are_left_out_by_request);
  tcase_add_test (mint, test_mint_needs_settings);
  tcase_add_test (mint, test_mint_refuses_what_json_cannot_hold);
  tcase_add_test (mint, test_longest_token);

  suite_add_tcase (suite, reading);
  tcase_add_test (reading, test_rubbish_is_refused);
  tcase_add_test (reading, test_bad_json_is_refused);
  tcase_add_test (reading, test_deep_nesting_is_refused);
  tcase_add_test (reading, test_brackets_in_strings_are_no_nesting);
  tcase_add_test (reading, test_wrong_types_count_as_absent);
  tcase_add_test (reading, test_numbers);
  tcase_add_test (reading, test_mutated_tokens);
  tcase_add_test (reading, test_random_payloads);

  suite_add_tcase (suite, checking);
  tcase_add_test (checking, test_check);
  return suite;
}

GST_CHECK_MAIN (token);
