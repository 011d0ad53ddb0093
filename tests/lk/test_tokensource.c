/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lktokensource: which source is chosen, what it asks and what it makes of the answer: T34, protocol.md §2.1. */

#include <gst/check/gstcheck.h>
#include <json-glib/json-glib.h>
#include <string.h>

#include "lktoken.h"
#include "tokenfixture.h"

/* Literals and keys */

GST_START_TEST (test_literal_is_trimmed)
{
  TokenFixture *f = token_fixture_new ();
  g_autoptr (LkTokenSource) source = lk_token_source_new_literal (" \n" TOKEN "\r\n\t");

  fail_if (lk_token_source_is_renewable (source));
  fetch (f, source);
  expect_answer (f, NULL, TOKEN);
  token_fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_bad_literals)
{
  g_autofree gchar *long_token = g_strnfill (1024 * 1024, 'a');
  const gchar *const literals[] = {
    NULL, "", " \n ", TOKEN "\r\nX-Injected: yes", "a b", "a\tb", "a\033b", "a\177", "tök", long_token,
  };
  TokenFixture *f = token_fixture_new ();

  for (guint i = 0; i < G_N_ELEMENTS (literals); i++) {
    g_autoptr (LkTokenSource) source = lk_token_source_new_literal (literals[i]);

    fetch (f, source);
    expect_no_answer (f, LK_ERROR_TOKEN, 0, TRUE, "access token");
  }
  token_fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_key_mints)
{
  TokenFixture *f = token_fixture_new ();
  g_autoptr (LkTokenSource) source = lk_token_source_new_key ("devkey", "s3cret");
  g_autoptr (LkTokenClaims) claims = NULL;
  gint64 now_s = g_get_real_time () / G_USEC_PER_SEC;

  fail_unless (lk_token_source_is_renewable (source));
  fetch (f, source);
  fail_unless (f->answer != NULL && f->answer->server_url == NULL);
  claims = lk_token_read (f->answer->token, NULL);
  fail_unless (claims != NULL);
  fail_unless_equals_string (claims->api_key, "devkey");
  fail_unless_equals_string (claims->identity, "alice");
  fail_unless_equals_string (claims->room, "lab");
  fail_unless (claims->expires_s >= now_s + 6 * 60 * 60 && claims->expires_s <= now_s + 6 * 60 * 60 + 60);
  fail_unless (lk_token_check (claims, "lab", now_s, NULL));
  token_fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_key_without_settings)
{
  TokenFixture *f = token_fixture_new ();
  g_autoptr (LkTokenSource) source = lk_token_source_new_key ("devkey", "s3cret");
  g_autoptr (LkTokenSource) keyless = lk_token_source_new_key (NULL, NULL);
  LkTokenWish wish = {.identity = "alice" };

  start_fetch (f, source, &wish);
  finish_fetch (f);
  expect_no_answer (f, LK_ERROR_SETTINGS, 0, TRUE, "set room");
  start_fetch (f, source, NULL);
  finish_fetch (f);
  expect_no_answer (f, LK_ERROR_SETTINGS, 0, TRUE, "set room");
  fetch (f, keyless);
  expect_no_answer (f, LK_ERROR_SETTINGS, 0, TRUE, "set api-key");
  token_fixture_free (f);
}
GST_END_TEST;

static gchar *
fetch_identity (TokenFixture * f, LkTokenSource * source)
{
  LkTokenWish wish = {.room = "lab",.identity = "" };
  g_autoptr (LkTokenClaims) claims = NULL;

  start_fetch (f, source, &wish);
  finish_fetch (f);
  claims = lk_token_read (f->answer->token, NULL);
  return g_strdup (claims->identity);
}

/* Made up once: a rejoin of the same source is the same participant; another source is another. */
GST_START_TEST (test_made_up_identity)
{
  TokenFixture *f = token_fixture_new ();
  g_autoptr (LkTokenSource) source = lk_token_source_new_key ("devkey", "s3cret");
  g_autoptr (LkTokenSource) other = lk_token_source_new_key ("devkey", "s3cret");
  g_autofree gchar *once = fetch_identity (f, source);
  g_autofree gchar *again = fetch_identity (f, source);
  g_autofree gchar *elsewhere = fetch_identity (f, other);

  fail_unless (g_regex_match_simple ("^gst-[A-Za-z0-9-]+-[0-9a-f]{8}$", once, 0, 0), "%s", once);
  fail_unless_equals_string (once, again);
  fail_if (g_strcmp0 (once, elsewhere) == 0);
  token_fixture_free (f);
}
GST_END_TEST;

/* The standard endpoint */

GST_START_TEST (test_standard_endpoint)
{
  TokenFixture *f = token_fixture_new ();
  g_autofree gchar *url = token_server_url (f->server, "/token?x=1");
  g_autoptr (GHashTable) headers = make_headers ("X-Extra", "Basic " HEADER_SECRET);
  g_autoptr (GHashTable) attributes = make_headers ("role", "camera \"1\"");
  g_autoptr (LkTokenSource) source = lk_token_source_new_url (url, headers, NULL);
  LkTokenWish wish = { "lab/ä", "alice", "Alice", "{\"a\":1}", attributes };
  TokenRequest *request;

  add_route (f->server, "POST", "/token", 200, TOKEN_ANSWER);
  start_fetch (f, source, &wish);
  finish_fetch (f);
  expect_answer (f, "wss://lk.example.com", TOKEN);
  fail_unless (lk_token_source_is_renewable (source));

  request = get_request (f->server, 0);
  fail_unless_equals_int (f->server->requests->len, 1);
  fail_unless_equals_string (request->query, "x=1");
  fail_unless_equals_string (request->content_type, "application/json");
  fail_unless_equals_string (request->accept, "application/json");
  fail_unless_equals_string (request->extra, "Basic " HEADER_SECRET);
  fail_unless_equals_string (request->body, "{\"room_name\":\"lab/ä\",\"participant_identity\":\"alice\","
      "\"participant_name\":\"Alice\",\"participant_metadata\":\"{\\\"a\\\":1}\","
      "\"participant_attributes\":{\"role\":\"camera \\\"1\\\"\"}}");
  token_fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_nothing_wished)
{
  TokenFixture *f = token_fixture_new ();
  g_autoptr (LkTokenSource) source = source_at (f, "/token");

  add_route (f->server, "POST", "/token", 201, TOKEN_ANSWER);
  start_fetch (f, source, NULL);
  finish_fetch (f);
  expect_answer (f, "wss://lk.example.com", TOKEN);
  fail_unless_equals_string (get_request (f->server, 0)->body, "{}");
  token_fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_spellings)
{
  static const struct
  {
    const gchar *body, *url;
  } rows[] = {
    {"{\"serverUrl\":\"wss://a\",\"participantToken\":\"" TOKEN "\"}", "wss://a"},
    {"{\"server_url\":\"wss://a\",\"serverUrl\":\"wss://b\",\"token\":\"" TOKEN "\"}", "wss://a"},
    {"{\"server_url\":\"\",\"serverUrl\":\"https://b/base\",\"token\":\"" TOKEN "\"}", "https://b/base"},
    {"{\"server_url\":null,\"participant_token\":null,\"token\":\"" TOKEN "\"}", NULL},
    {"{\"participant_token\":\"" TOKEN "\",\"token\":\"other\"}", NULL},
    {" {\"token\":\"" TOKEN "\"}\r\n", NULL},
    {"{\"server_url\":\"ws://10.0.0.1:7880\",\"token\":\"" TOKEN "\"}", "ws://10.0.0.1:7880"},
  };
  TokenFixture *f = token_fixture_new ();

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree gchar *path = g_strdup_printf ("/%u", i);

    add_route (f->server, "POST", path, 200, rows[i].body);
  }
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree gchar *path = g_strdup_printf ("/%u", i);

    fetch_path (f, path);
    expect_answer (f, rows[i].url, TOKEN);
  }
  token_fixture_free (f);
}
GST_END_TEST;

/* The simple key server */

GST_START_TEST (test_simple_server)
{
  static const guint statuses[] = { 404, 405, 501 };
  TokenFixture *f = token_fixture_new ();
  LkTokenWish wish = {.room = "lab & yard/ä",.identity = "al=ice" };

  for (guint i = 0; i < G_N_ELEMENTS (statuses); i++) {
    g_autofree gchar *path = g_strdup_printf ("/%u", statuses[i]);

    add_route (f->server, "POST", path, statuses[i], "no such method");
    add_route (f->server, "GET", path, 200, "{\"token\":\"" TOKEN "\"}");
  }
  for (guint i = 0; i < G_N_ELEMENTS (statuses); i++) {
    g_autofree gchar *url = g_strdup_printf ("http://127.0.0.1:%u/%u?key=1", f->server->port, statuses[i]);
    g_autoptr (GHashTable) headers = make_headers ("X-Extra", HEADER_SECRET);
    g_autoptr (LkTokenSource) source = lk_token_source_new_url (url, headers, NULL);
    TokenRequest *request;

    start_fetch (f, source, &wish);
    finish_fetch (f);
    expect_answer (f, NULL, TOKEN);
    request = get_request (f->server, 2 * i + 1);
    fail_unless_equals_string (request->method, "GET");
    fail_unless_equals_string (request->query, "key=1&identity=al%3Dice&room=lab%20%26%20yard%2F%C3%A4");
    fail_unless_equals_string (request->extra, HEADER_SECRET);
    fail_unless_equals_string (request->body, "");
  }
  token_fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_simple_server_needs_identity_and_room)
{
  TokenFixture *f = token_fixture_new ();
  g_autoptr (LkTokenSource) source = source_at (f, "/token");
  LkTokenWish no_identity = {.room = "lab" };
  LkTokenWish no_room = {.identity = "alice" };

  add_route (f->server, "POST", "/token", 404, "");
  add_route (f->server, "GET", "/token", 200, "{\"token\":\"" TOKEN "\"}");
  start_fetch (f, source, &no_identity);
  finish_fetch (f);
  expect_answer (f, NULL, TOKEN);
  fail_unless (g_str_has_prefix (get_request (f->server, 1)->query, "identity=gst-"));
  fail_unless (g_str_has_suffix (get_request (f->server, 1)->query, "&room=lab"));

  start_fetch (f, source, &no_room);
  finish_fetch (f);
  expect_no_answer (f, LK_ERROR_TOKEN_SOURCE, 404, TRUE, "when room is set");
  fail_unless_equals_int (f->server->requests->len, 3);
  token_fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_neither_form)
{
  TokenFixture *f = token_fixture_new ();

  add_route (f->server, NULL, "/404", 404, "not found");
  add_route (f->server, "POST", "/400", 405, "");
  add_route (f->server, "GET", "/400", 400, "identity not set");
  add_route (f->server, "POST", "/503", 501, "");
  add_route (f->server, "GET", "/503", 503, "");
  fetch_path (f, "/404");
  expect_no_answer (f, LK_ERROR_TOKEN_SOURCE, 404, TRUE, "HTTP 404: not found");
  fail_unless_equals_int (f->server->requests->len, 2);
  fetch_path (f, "/400");
  expect_no_answer (f, LK_ERROR_TOKEN_SOURCE, 400, TRUE, "HTTP 400: identity not set");
  fetch_path (f, "/503");
  expect_no_answer (f, LK_ERROR_TOKEN_SOURCE, 503, FALSE, "HTTP 503");
  token_fixture_free (f);
}
GST_END_TEST;

/* Refusals */

GST_START_TEST (test_refusals_by_status)
{
  static const struct
  {
    guint status;
    gboolean is_final;
  } rows[] = {
    {204, TRUE}, {304, TRUE}, {400, TRUE}, {401, TRUE}, {403, TRUE}, {407, TRUE}, {410, TRUE}, {422, TRUE},
    {429, FALSE}, {500, FALSE}, {502, FALSE}, {503, FALSE}, {504, FALSE},
  };
  TokenFixture *f = token_fixture_new ();

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree gchar *path = g_strdup_printf ("/%u", rows[i].status);

    add_route (f->server, "POST", path, rows[i].status, rows[i].status == 204 || rows[i].status == 304 ? "" : "sorry");
  }
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree gchar *path = g_strdup_printf ("/%u", rows[i].status);

    fetch_path (f, path);
    expect_no_answer (f, LK_ERROR_TOKEN_SOURCE, rows[i].status, rows[i].is_final, "http://127.0.0.1:");
  }
  /* the source asks once; who retries is the room */
  fail_unless_equals_int (f->server->requests->len, G_N_ELEMENTS (rows));
  token_fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_refusal_repeats_the_token)
{
  TokenFixture *f = token_fixture_new ();
  g_autofree gchar *url = g_strdup_printf ("http://user:hunter2@127.0.0.1:%u/token?key=hunter2", f->server->port);
  g_autoptr (LkTokenSource) source = lk_token_source_new_url (url, NULL, NULL);

  add_route (f->server, "POST", "/token", 403, "invalid authorization token: " TOKEN ", error:\r\n Bearer hunter2");
  fetch (f, source);
  expect_no_answer (f, LK_ERROR_TOKEN_SOURCE, 403, TRUE,
      "/token) answered HTTP 403: invalid authorization token: [token], error: Bearer [token]");
  token_fixture_free (f);
}
GST_END_TEST;

/* The user part of the URL is for HTTP authentication. */
GST_START_TEST (test_refusal_of_user_and_password)
{
  TokenFixture *f = token_fixture_new ();
  g_autofree gchar *url = g_strdup_printf ("http://user:hunter2@127.0.0.1:%u/token", f->server->port);
  g_autoptr (LkTokenSource) source = lk_token_source_new_url (url, NULL, NULL);

  add_route (f->server, "POST", "/token", 401, "who are you?");
  fetch (f, source);
  expect_no_answer (f, LK_ERROR_TOKEN_SOURCE, 401, TRUE, "HTTP 401: who are you?");
  token_fixture_free (f);
}
GST_END_TEST;

static gchar *
brackets (guint n)
{
  GString *text = g_string_new ("{\"token\":");

  for (guint i = 0; i < n; i++)
    g_string_append_c (text, '[');
  return g_string_free (text, FALSE);
}

GST_START_TEST (test_rubbish_answers)
{
  g_autofree gchar *many = brackets (80000), *fitting = brackets (60000);
  const struct
  {
    const gchar *body, *words;
  } rows[] = {
    {"", "no JSON"},
    {"<html>hello</html>", "no JSON"},
    {"{", "no JSON"},
    {"[]", "no JSON"},
    {"\"" TOKEN "\"", "no JSON"},
    {TOKEN, "no JSON"},
    {"{\"token\":\"\xff\"}", "no JSON"},
    {"{\"token\":\"" TOKEN "\"}{}", "no JSON"},
    {many, "more than 65536 bytes"},
    {fitting, "no JSON"},
    {"{}", "without a token"},
    {"{\"token\":\"\"}", "without a token"},
    {"{\"token\":null}", "without a token"},
    {"{\"server_url\":\"wss://a\"}", "without a token"},
    {"{\"token\":17}", "no string"},
    {"{\"token\":[\"" TOKEN "\"]}", "no string"},
    {"{\"participant_token\":{},\"token\":\"" TOKEN "\"}", "no string"},
    {"{\"server_url\":true,\"token\":\"" TOKEN "\"}", "no string"},
    {"{\"token\":\"a\\r\\nX-Injected: yes\"}", "bad token"},
    {"{\"token\":\"a b\"}", "bad token"},
    {"{\"server_url\":\"ftp://a\",\"token\":\"" TOKEN "\"}", "is not of ws"},
    {"{\"server_url\":\"lk.example.com\",\"token\":\"" TOKEN "\"}", "is no URL"},
    {"{\"server_url\":\"wss://\",\"token\":\"" TOKEN "\"}", "is no URL"},
    {"{\"server_url\":\"wss://a\\r\\nX: y\",\"token\":\"" TOKEN "\"}", "is no URL"},
    {"{\"server_url\":\"wss://a b\",\"token\":\"" TOKEN "\"}", "is no URL"},
  };
  TokenFixture *f = token_fixture_new ();

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree gchar *path = g_strdup_printf ("/%u", i);

    add_route (f->server, "POST", path, 200, rows[i].body);
  }
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree gchar *path = g_strdup_printf ("/%u", i);

    fetch_path (f, path);
    expect_no_answer (f, LK_ERROR_TOKEN_SOURCE, 200, TRUE, rows[i].words);
  }
  token_fixture_free (f);
}
GST_END_TEST;

static gchar *
answer_of_size (gsize size)
{
  g_autofree gchar *fill = NULL;
  const gchar *head = "{\"token\":\"" TOKEN "\",\"x\":\"", *tail = "\"}";

  fill = g_strnfill (size - strlen (head) - strlen (tail), 'x');
  return g_strconcat (head, fill, tail, NULL);
}

GST_START_TEST (test_answers_of_size)
{
  g_autofree gchar *just_so = answer_of_size (65536), *one_more = answer_of_size (65537);
  g_autofree gchar *huge = answer_of_size (10 * 1024 * 1024);
  TokenFixture *f = token_fixture_new ();

  add_route (f->server, "POST", "/just", 200, just_so);
  add_route (f->server, "POST", "/more", 200, one_more);
  add_route (f->server, "POST", "/huge", 200, huge);
  add_route (f->server, "POST", "/chunks", 200, huge)->is_chunked = TRUE;
  add_route (f->server, "POST", "/endless", 200, "{")->is_endless = TRUE;
  add_route (f->server, "POST", "/refused", 403, "no, no, no")->is_endless = TRUE;
  fetch_path (f, "/just");
  expect_answer (f, NULL, TOKEN);
  fetch_path (f, "/more");
  expect_no_answer (f, LK_ERROR_TOKEN_SOURCE, 200, TRUE, "more than 65536 bytes");
  fetch_path (f, "/huge");
  expect_no_answer (f, LK_ERROR_TOKEN_SOURCE, 200, TRUE, "more than 65536 bytes");
  fetch_path (f, "/chunks");
  expect_no_answer (f, LK_ERROR_TOKEN_SOURCE, 200, TRUE, "more than 65536 bytes");
  fetch_path (f, "/endless");
  expect_no_answer (f, LK_ERROR_TOKEN_SOURCE, 200, TRUE, "more than 65536 bytes");
  fetch_path (f, "/refused");
  expect_no_answer (f, LK_ERROR_TOKEN_SOURCE, 403, TRUE, "HTTP 403: no, no, no");
  token_fixture_free (f);
}
GST_END_TEST;

/* Injection */

GST_START_TEST (test_bad_headers)
{
  static const gchar *const names[] = { "X-Extra\r\nX-Injected", "X Extra", "", "X-Exträ", "X:", "Content-Length",
    "transfer-encoding",
  };
  static const gchar *const values[] = { "a\r\nX-Injected: yes", "a\nb", "a\rb", "a\033", "\xff" };
  TokenFixture *f = token_fixture_new ();
  g_autofree gchar *url = token_server_url (f->server, "/token");

  for (guint i = 0; i < G_N_ELEMENTS (names) + G_N_ELEMENTS (values); i++) {
    gboolean is_name = i < G_N_ELEMENTS (names);
    g_autoptr (GHashTable) headers = make_headers (is_name ? names[i] : "X-Extra",
        is_name ? "1" : values[i - G_N_ELEMENTS (names)]);
    g_autoptr (LkTokenSource) source = lk_token_source_new_url (url, headers, NULL);

    fetch (f, source);
    expect_no_answer (f, LK_ERROR_SETTINGS, 0, TRUE, "token-headers");
  }
  fail_unless_equals_int (f->server->requests->len, 0);
  token_fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_bad_urls)
{
  static const gchar *const urls[] = {
    NULL, "", "token", "/token", "ftp://host/token", "ws://host/token", "http://", "https:///token", "http://[::1/",
    "http://host/a b", "http://host/\r\nX-Injected: yes", "http://ho\tst/", "http://user:hunter2@/",
  };
  TokenFixture *f = token_fixture_new ();

  for (guint i = 0; i < G_N_ELEMENTS (urls); i++) {
    g_autoptr (LkTokenSource) source = lk_token_source_new_url (urls[i], NULL, NULL);

    fetch (f, source);
    expect_no_answer (f, LK_ERROR_SETTINGS, 0, TRUE, "token-url");
  }
  token_fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_wish_is_utf8)
{
  TokenFixture *f = token_fixture_new ();
  g_autoptr (LkTokenSource) source = source_at (f, "/token");
  g_autoptr (GHashTable) attributes = make_headers ("k", "\xff");
  LkTokenWish room = {.room = "\xff" };
  LkTokenWish attribute = {.attributes = attributes };

  start_fetch (f, source, &room);
  finish_fetch (f);
  expect_no_answer (f, LK_ERROR_SETTINGS, 0, TRUE, "UTF-8");
  start_fetch (f, source, &attribute);
  finish_fetch (f);
  expect_no_answer (f, LK_ERROR_SETTINGS, 0, TRUE, "UTF-8");
  token_fixture_free (f);
}
GST_END_TEST;

/* Settings */

GST_START_TEST (test_http_settings_copy)
{
  g_autoptr (LkHttpSettings) defaults = lk_http_settings_copy (NULL);
  g_autoptr (LkHttpSettings) copy = NULL;

  fail_unless (defaults->tls_database == NULL && defaults->tls_ca_file == NULL && defaults->proxy == NULL);
  fail_unless (defaults->tls_validation_flags == G_TLS_CERTIFICATE_VALIDATE_ALL);
  defaults->proxy = g_strdup ("http://proxy");
  defaults->proxy_pw = g_strdup ("hunter2");
  defaults->tls_validation_flags = G_TLS_CERTIFICATE_EXPIRED;
  copy = lk_http_settings_copy (defaults);
  fail_unless_equals_string (copy->proxy, "http://proxy");
  fail_unless_equals_string (copy->proxy_pw, "hunter2");
  fail_unless (copy->tls_validation_flags == G_TLS_CERTIFICATE_EXPIRED);
  lk_http_settings_free (NULL);
}
GST_END_TEST;

GST_START_TEST (test_loopback_hosts)
{
  static const gchar *const local[] = { "localhost", "LocalHost", "127.0.0.1", "127.255.1.2", "::1", "[::1]" };
  static const gchar *const remote[] = { "", "localhost.example.com", "128.0.0.1", "10.0.0.1", "::2", "[::]", "0.0.0.0",
    "127.0.0.1.example.com", "[",
  };

  for (guint i = 0; i < G_N_ELEMENTS (local); i++)
    fail_unless (lk_http_host_is_loopback (local[i]), "%s", local[i]);
  for (guint i = 0; i < G_N_ELEMENTS (remote); i++)
    fail_if (lk_http_host_is_loopback (remote[i]), "%s", remote[i]);
  fail_if (lk_http_host_is_loopback (NULL));
}
GST_END_TEST;

/* Choosing */

static const gchar *const *environment;

static const gchar *
fake_getenv (const gchar * name)
{
  gsize length = strlen (name);

  for (const gchar * const *line = environment; line != NULL && *line != NULL; line++) {
    if (strncmp (*line, name, length) == 0 && (*line)[length] == '=')
      return *line + length + 1;
  }
  return NULL;
}

typedef struct
{
  const gchar *token, *token_url, *api_key, *api_secret, *server_url;
  const gchar *env[6];
  /* what the chosen source gives: a literal, the issuer of a token, or the path that is asked; or an error */
  const gchar *literal, *issuer, *path;
  LkError error;
} Choice;

static void
check_chosen (TokenFixture * f, const Choice * choice, LkTokenSource * source)
{
  fetch (f, source);
  if (choice->issuer != NULL) {
    g_autoptr (LkTokenClaims) claims = lk_token_read (f->answer->token, NULL);

    fail_unless_equals_string (claims->api_key, choice->issuer);
  } else if (choice->literal != NULL) {
    expect_answer (f, NULL, choice->literal);
  } else {
    expect_answer (f, "wss://lk.example.com", TOKEN);
    fail_unless_equals_string (get_request (f->server, f->server->requests->len - 1)->path, choice->path);
  }
}

static void
check_choice (TokenFixture * f, guint i, const Choice * choice)
{
  g_autoptr (LkTokenSource) source = NULL;
  g_autoptr (GError) error = NULL;

  environment = choice->env;
  source = lk_token_source_choose (choice->token, choice->token_url, NULL, choice->api_key, choice->api_secret,
      choice->server_url, NULL, fake_getenv, &error);
  if (choice->literal == NULL && choice->issuer == NULL && choice->path == NULL) {
    fail_unless (source == NULL, "choice %u", i);
    fail_unless (g_error_matches (error, LK_ERROR, (gint) choice->error), "choice %u: %s", i, error->message);
    fail_unless (lk_error_is_final (error));
    return;
  }
  fail_unless (source != NULL, "choice %u: %s", i, error != NULL ? error->message : "");
  fail_unless (error == NULL);
  check_chosen (f, choice, source);
}

GST_START_TEST (test_choose)
{
  TokenFixture *f = token_fixture_new ();
  g_autofree gchar *a = token_server_url (f->server, "/a"), *b = token_server_url (f->server, "/b");
  g_autofree gchar *env_b = g_strconcat ("LIVEKIT_TOKEN_URL=", b, NULL);
  const gchar *far = "wss://lk.example.com";
  const Choice choices[] = {
    /* properties, in their order */
    {"T", a, "key", "s3cret", far, {"LIVEKIT_TOKEN=E"}, .literal = "T"},
    {NULL, a, "key", "s3cret", far, {"LIVEKIT_TOKEN=E"}, .path = "/a"},
    {NULL, NULL, "key", "s3cret", far, {"LIVEKIT_TOKEN=E"}, .issuer = "key"},
    /* empty is unset */
    {"", "", "key", "s3cret", far, {NULL}, .issuer = "key"},
    {"", "", "", "", far, {"LIVEKIT_TOKEN=E"}, .literal = "E"},
    /* half a pair is none */
    {NULL, NULL, "key", NULL, far, {"LIVEKIT_TOKEN=E"}, .literal = "E"},
    {NULL, NULL, NULL, "s3cret", far, {NULL}, .error = LK_ERROR_TOKEN},
    /* the environment, in its order */
    {NULL, NULL, NULL, NULL, far, {"LIVEKIT_TOKEN=E", env_b}, .literal = "E"},
    {NULL, NULL, NULL, NULL, far, {"LIVEKIT_TOKEN=", env_b, "LIVEKIT_API_KEY=k", "LIVEKIT_API_SECRET=s3cret"},
        .path = "/b"},
    {NULL, NULL, NULL, NULL, far, {"LIVEKIT_API_KEY=k", "LIVEKIT_API_SECRET=s3cret"}, .issuer = "k"},
    {NULL, NULL, NULL, NULL, far, {"LIVEKIT_API_KEY=k"}, .error = LK_ERROR_TOKEN},
    /* development keys for this machine only */
    {NULL, NULL, NULL, NULL, NULL, {NULL}, .issuer = "devkey"},
    {NULL, NULL, NULL, NULL, "", {"LIVEKIT_URL="}, .issuer = "devkey"},
    {NULL, NULL, NULL, NULL, NULL, {"LIVEKIT_URL=wss://lk.example.com"}, .error = LK_ERROR_TOKEN},
    {NULL, NULL, NULL, NULL, NULL, {"LIVEKIT_URL=ws://localhost:1"}, .issuer = "devkey"},
    {NULL, NULL, NULL, NULL, "ws://localhost:7880", {NULL}, .issuer = "devkey"},
    {NULL, NULL, NULL, NULL, "http://127.1.2.3:7880/base", {NULL}, .issuer = "devkey"},
    {NULL, NULL, NULL, NULL, "wss://[::1]", {NULL}, .issuer = "devkey"},
    {NULL, NULL, NULL, NULL, far, {NULL}, .error = LK_ERROR_TOKEN},
    {NULL, NULL, NULL, NULL, "ws://localhost@lk.example.com", {NULL}, .error = LK_ERROR_TOKEN},
    {NULL, NULL, NULL, NULL, "ws://127.0.0.1.example.com", {NULL}, .error = LK_ERROR_TOKEN},
    {NULL, NULL, NULL, NULL, "ws://10.0.0.1", {NULL}, .error = LK_ERROR_TOKEN},
    {NULL, NULL, NULL, NULL, "localhost:7880", {NULL}, .error = LK_ERROR_TOKEN},
    {NULL, NULL, NULL, NULL, "nonsense", {NULL}, .error = LK_ERROR_TOKEN},
    /* a first match that cannot work is not passed over */
    {NULL, "ws://host/token", "key", "s3cret", far, {NULL}, .error = LK_ERROR_SETTINGS},
    {NULL, NULL, NULL, NULL, far, {"LIVEKIT_TOKEN_URL=host/token"}, .error = LK_ERROR_SETTINGS},
  };

  add_route (f->server, "POST", "/a", 200, TOKEN_ANSWER);
  add_route (f->server, "POST", "/b", 200, TOKEN_ANSWER);
  for (guint i = 0; i < G_N_ELEMENTS (choices); i++)
    check_choice (f, i, &choices[i]);
  token_fixture_free (f);
}
GST_END_TEST;

static Suite *
tokensource_suite (void)
{
  Suite *suite = suite_create ("tokensource");
  TCase *local = tcase_create ("local"), *forms = tcase_create ("forms"), *refusals = tcase_create ("refusals");
  TCase *input = tcase_create ("input"), *settings = tcase_create ("settings");

  /* neither the desktop's proxy nor one in the environment of who runs the tests */
  g_setenv ("GIO_USE_PROXY_RESOLVER", "dummy", TRUE);

  suite_add_tcase (suite, local);
  tcase_add_test (local, test_literal_is_trimmed);
  tcase_add_test (local, test_bad_literals);
  tcase_add_test (local, test_key_mints);
  tcase_add_test (local, test_key_without_settings);
  tcase_add_test (local, test_made_up_identity);

  suite_add_tcase (suite, forms);
  tcase_add_test (forms, test_standard_endpoint);
  tcase_add_test (forms, test_nothing_wished);
  tcase_add_test (forms, test_spellings);
  tcase_add_test (forms, test_simple_server);
  tcase_add_test (forms, test_simple_server_needs_identity_and_room);
  tcase_add_test (forms, test_neither_form);

  suite_add_tcase (suite, refusals);
  tcase_add_test (refusals, test_refusals_by_status);
  tcase_add_test (refusals, test_refusal_repeats_the_token);
  tcase_add_test (refusals, test_refusal_of_user_and_password);
  tcase_add_test (refusals, test_rubbish_answers);
  tcase_add_test (refusals, test_answers_of_size);

  suite_add_tcase (suite, input);
  tcase_add_test (input, test_bad_headers);
  tcase_add_test (input, test_bad_urls);
  tcase_add_test (input, test_wish_is_utf8);

  suite_add_tcase (suite, settings);
  tcase_add_test (settings, test_http_settings_copy);
  tcase_add_test (settings, test_loopback_hosts);
  tcase_add_test (settings, test_choose);
  return suite;
}

GST_CHECK_MAIN (tokensource);
