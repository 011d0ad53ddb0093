/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lktokensource and what is on the way to a token URL: silence, redirects, TLS, proxies: faults.md T26, T28, T34. */

#include <gst/check/gstcheck.h>
#include <glib/gstdio.h>
#include <string.h>

#include "certificates.h"
#include "tokenfixture.h"

/* No answer */

GST_START_TEST (test_connection_refused)
{
  TokenFixture *f = token_fixture_new ();
  FakeRawServer *raw = fake_raw_server_new ("", FALSE);
  g_autofree gchar *url = token_raw_url (raw, "http");
  g_autoptr (LkTokenSource) source = lk_token_source_new_url (url, NULL, NULL);

  /* its port is free now */
  fake_raw_server_free (raw);
  fetch (f, source);
  expect_no_answer (f, LK_ERROR_TOKEN_SOURCE, 0, FALSE, "does not answer");
  token_fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_unknown_host)
{
  TokenFixture *f = token_fixture_new ();
  g_autoptr (LkTokenSource) source = lk_token_source_new_url ("http://no-such-host.invalid/token", NULL, NULL);

  fetch (f, source);
  expect_no_answer (f, LK_ERROR_TOKEN_SOURCE, 0, FALSE, "no-such-host.invalid");
  token_fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_broken_answers)
{
  static const gchar *const answers[] = {
    "",
    "hello\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Le",
    "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"token\":",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"tok",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
  };
  TokenFixture *f = token_fixture_new ();

  for (guint i = 0; i < G_N_ELEMENTS (answers); i++) {
    FakeRawServer *raw = fake_raw_server_new (answers[i], FALSE);
    g_autofree gchar *url = token_raw_url (raw, "http");
    g_autoptr (LkTokenSource) source = lk_token_source_new_url (url, NULL, NULL);

    fetch (f, source);
    fail_unless (f->error != NULL);
    fail_unless (g_error_matches (f->error, LK_ERROR, LK_ERROR_TOKEN_SOURCE), "%s", f->error->message);
    fake_raw_server_free (raw);
  }
  token_fixture_free (f);
}
GST_END_TEST;

/* Silence before the headers, between them, in the body; in the text of a refusal, which is then shown as it is. */
GST_START_TEST (test_slow_answers)
{
  static const struct
  {
    const gchar *bytes;
    guint status;
    const gchar *words;
  } rows[] = {
    {"", 0, "did not answer within 500 ms"},
    {"HTTP/1.1 200 OK\r\nX-A:", 0, "did not answer within 500 ms"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"token\"", 0, "did not answer within 500 ms"},
    {"HTTP/1.1 503 No\r\nContent-Length: 100\r\n\r\nlater", 503, "HTTP 503: later"},
  };
  TokenFixture *f = token_fixture_new ();

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    FakeRawServer *raw = fake_raw_server_new (rows[i].bytes, TRUE);
    g_autofree gchar *url = token_raw_url (raw, "http");
    g_autoptr (LkTokenSource) source = lk_token_source_new_url (url, NULL, NULL);

    lk_token_source_set_timeout_ms (source, 500);
    fetch (f, source);
    expect_no_answer (f, LK_ERROR_TOKEN_SOURCE, rows[i].status, FALSE, rows[i].words);
    fake_raw_server_free (raw);
  }
  token_fixture_free (f);
}
GST_END_TEST;

/* Cancelling */

GST_START_TEST (test_cancelled_before)
{
  TokenFixture *f = token_fixture_new ();
  g_autoptr (LkTokenSource) url = source_at (f, "/token");
  g_autoptr (LkTokenSource) literal = lk_token_source_new_literal (TOKEN);

  f->cancellable = g_cancellable_new ();
  g_cancellable_cancel (f->cancellable);
  fetch (f, url);
  expect_no_answer (f, LK_ERROR_CANCELLED, 0, TRUE, "cancelled");
  fetch (f, literal);
  expect_no_answer (f, LK_ERROR_CANCELLED, 0, TRUE, "cancelled");
  fail_unless_equals_int (f->server->requests->len, 0);
  token_fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_cancelled_after_the_answer)
{
  TokenFixture *f = token_fixture_new ();
  g_autoptr (LkTokenSource) literal = lk_token_source_new_literal (TOKEN);

  f->cancellable = g_cancellable_new ();
  start_fetch (f, literal, &lab_wish);
  g_cancellable_cancel (f->cancellable);
  finish_fetch (f);
  expect_no_answer (f, LK_ERROR_CANCELLED, 0, TRUE, "cancelled");
  token_fixture_free (f);
}
GST_END_TEST;

static gpointer
cancel_thread (gpointer data)
{
  TokenFixture *f = data;

  expect_server_event (f->server, "asked");
  g_cancellable_cancel (f->cancellable);
  return NULL;
}

GST_START_TEST (test_slow_server_is_cancelled)
{
  TokenFixture *f = token_fixture_new ();
  GThread *thread;

  add_route (f->server, "POST", "/slow", 200, "")->is_silent = TRUE;
  f->cancellable = g_cancellable_new ();
  thread = g_thread_new ("cancel", cancel_thread, f);
  fetch_path (f, "/slow");
  expect_no_answer (f, LK_ERROR_CANCELLED, 0, TRUE, "cancelled");
  g_thread_join (thread);
  token_fixture_free (f);
}
GST_END_TEST;

/* The source may go while a fetch is under way. */
GST_START_TEST (test_source_goes_while_fetching)
{
  TokenFixture *f = token_fixture_new ();
  LkTokenSource *source = source_at (f, "/token");

  add_route (f->server, "POST", "/token", 200, TOKEN_ANSWER);
  start_fetch (f, source, &lab_wish);
  lk_token_source_unref (source);
  finish_fetch (f);
  expect_answer (f, "wss://lk.example.com", TOKEN);
  token_fixture_free (f);
}
GST_END_TEST;

/* Redirects */

GST_START_TEST (test_redirect_keeps_method)
{
  static const guint statuses[] = { 307, 308 };
  TokenFixture *f = token_fixture_new ();

  for (guint i = 0; i < G_N_ELEMENTS (statuses); i++) {
    g_autofree gchar *path = g_strdup_printf ("/%u", statuses[i]);

    add_redirect (f->server, path, statuses[i], "../token?a=b");
  }
  add_route (f->server, "POST", "/token", 200, TOKEN_ANSWER);
  for (guint i = 0; i < G_N_ELEMENTS (statuses); i++) {
    g_autofree gchar *path = g_strdup_printf ("/%u", statuses[i]);
    TokenRequest *request;

    fetch_path (f, path);
    expect_answer (f, "wss://lk.example.com", TOKEN);
    request = get_request (f->server, 2 * i + 1);
    fail_unless_equals_string (request->query, "a=b");
    fail_unless_equals_string (request->body, "{\"room_name\":\"lab\",\"participant_identity\":\"alice\"}");
    fail_unless_equals_string (request->content_type, "application/json");
  }
  token_fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_redirect_changes_post_to_get)
{
  static const guint statuses[] = { 301, 302, 303 };
  TokenFixture *f = token_fixture_new ();

  for (guint i = 0; i < G_N_ELEMENTS (statuses); i++) {
    g_autofree gchar *path = g_strdup_printf ("/%u", statuses[i]);

    add_redirect (f->server, path, statuses[i], "/token");
  }
  add_route (f->server, "GET", "/token", 200, TOKEN_ANSWER);
  for (guint i = 0; i < G_N_ELEMENTS (statuses); i++) {
    g_autofree gchar *path = g_strdup_printf ("/%u", statuses[i]);

    fetch_path (f, path);
    expect_answer (f, "wss://lk.example.com", TOKEN);
    fail_unless_equals_string (get_request (f->server, 2 * i + 1)->body, "");
  }
  token_fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_redirects_are_counted)
{
  TokenFixture *f = token_fixture_new ();

  for (guint i = 1; i <= 6; i++) {
    g_autofree gchar *path = g_strdup_printf ("/%u", i), *next = g_strdup_printf ("/%u", i - 1);

    add_redirect (f->server, path, 307, next);
  }
  add_route (f->server, "POST", "/0", 200, TOKEN_ANSWER);
  add_redirect (f->server, "/loop", 307, "/loop");
  fetch_path (f, "/5");
  expect_answer (f, "wss://lk.example.com", TOKEN);
  fetch_path (f, "/6");
  expect_no_answer (f, LK_ERROR_TOKEN_SOURCE, 307, TRUE, "more than 5 times");
  g_ptr_array_set_size (f->server->requests, 0);
  fetch_path (f, "/loop");
  expect_no_answer (f, LK_ERROR_TOKEN_SOURCE, 307, TRUE, "more than 5 times");
  fail_unless_equals_int (f->server->requests->len, 6);
  token_fixture_free (f);
}
GST_END_TEST;

/* To another port, and back: the headers of the user stay away from there, and do not come back either. */
GST_START_TEST (test_redirect_elsewhere_gets_no_headers)
{
  TokenFixture *f = token_fixture_new ();
  TokenServer *other = token_server_new (NULL);
  g_autofree gchar *url = g_strdup_printf ("http://user:hunter2@127.0.0.1:%u/start", f->server->port);
  g_autofree gchar *there = token_server_url (other, "/there"), *back = token_server_url (f->server, "/back");
  g_autoptr (GHashTable) headers = make_headers ("X-Extra", HEADER_SECRET);
  g_autoptr (LkTokenSource) source = lk_token_source_new_url (url, headers, NULL);

  add_redirect (f->server, "/start", 307, "/same");
  add_redirect (f->server, "/same", 307, there);
  add_redirect (other, "/there", 307, back);
  add_route (f->server, "POST", "/back", 200, TOKEN_ANSWER);
  fetch (f, source);
  expect_answer (f, "wss://lk.example.com", TOKEN);
  fail_unless_equals_string (get_request (f->server, 0)->extra, HEADER_SECRET);
  fail_unless_equals_string (get_request (f->server, 1)->extra, HEADER_SECRET);
  fail_unless_equals_string (get_request (other, 0)->extra, NULL);
  fail_unless_equals_string (get_request (other, 0)->authorization, NULL);
  fail_unless_equals_string (get_request (f->server, 2)->extra, NULL);
  token_server_free (other);
  token_fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_bad_redirects)
{
  static const gchar *const locations[] = {
    "file:///etc/passwd", "ftp://127.0.0.1/", "data:application/json,{}", "wss://127.0.0.1/", "http://", "http:///x",
    "http://[::1", "//",
  };
  TokenFixture *f = token_fixture_new ();

  for (guint i = 0; i < G_N_ELEMENTS (locations); i++) {
    g_autofree gchar *path = g_strdup_printf ("/%u", i);

    add_redirect (f->server, path, 307, locations[i]);
  }
  add_route (f->server, NULL, "/nowhere", 302, "");
  for (guint i = 0; i < G_N_ELEMENTS (locations); i++) {
    g_autofree gchar *path = g_strdup_printf ("/%u", i);

    fetch_path (f, path);
    expect_no_answer (f, LK_ERROR_TOKEN_SOURCE, 307, TRUE, "http://127.0.0.1");
  }
  fetch_path (f, "/nowhere");
  expect_no_answer (f, LK_ERROR_TOKEN_SOURCE, 302, TRUE, "without saying where to");
  token_fixture_free (f);
}
GST_END_TEST;

/* What a redirect has for a body is not waited for. */
GST_START_TEST (test_redirect_with_endless_body)
{
  TokenFixture *f = token_fixture_new ();
  g_autofree gchar *bytes = g_strdup_printf ("HTTP/1.1 307 There\r\nLocation: http://127.0.0.1:%u/token\r\n"
      "Content-Length: 1000000\r\n\r\nwait", f->server->port);
  FakeRawServer *raw = fake_raw_server_new (bytes, TRUE);
  g_autofree gchar *url = token_raw_url (raw, "http");
  g_autoptr (LkTokenSource) source = lk_token_source_new_url (url, NULL, NULL);

  add_route (f->server, "POST", "/token", 200, TOKEN_ANSWER);
  add_route (f->server, NULL, "/endless", 307, "{")->is_endless = TRUE;
  ((TokenRoute *) g_ptr_array_index (f->server->routes, 1))->location = g_strdup ("/token");
  fetch (f, source);
  expect_answer (f, "wss://lk.example.com", TOKEN);
  fetch_path (f, "/endless");
  expect_answer (f, "wss://lk.example.com", TOKEN);
  fake_raw_server_free (raw);
  token_fixture_free (f);
}
GST_END_TEST;

/* TLS: an authority of our own, and certificates by it */

typedef struct
{
  TokenFixture *f;
  TestCertificates *certificates;
  TokenServer *server;
} TlsFixture;

static TlsFixture *
tls_fixture_new (const gchar * names, glong from_s, glong to_s)
{
  TlsFixture *t = g_new0 (TlsFixture, 1);
  GTlsCertificate *certificate;

  t->f = token_fixture_new ();
  t->certificates = test_certificates_new (names, from_s, to_s);
  certificate = g_tls_certificate_new_from_files (t->certificates->cert, t->certificates->key, NULL);
  fail_unless (certificate != NULL);
  t->server = token_server_new (certificate);
  add_route (t->server, "POST", "/token", 200, TOKEN_ANSWER);
  return t;
}

static void
tls_fixture_free (TlsFixture * t)
{
  token_server_free (t->server);
  test_certificates_free (t->certificates);
  token_fixture_free (t->f);
  g_free (t);
}

static void
tls_fetch (TlsFixture * t, const gchar * path, const gchar * ca_file, GTlsCertificateFlags flags,
    GTlsDatabase * database)
{
  g_autofree gchar *url = token_server_url (t->server, path);
  LkHttpSettings http = {.tls_ca_file = (gchar *) ca_file,.tls_validation_flags = flags,.tls_database = database };
  g_autoptr (LkTokenSource) source = lk_token_source_new_url (url, NULL, &http);

  fetch (t->f, source);
}

GST_START_TEST (test_unknown_authority)
{
  TlsFixture *t = tls_fixture_new ("IP:127.0.0.1", -3600, 3600);
  g_autofree gchar *url = token_server_url (t->server, "/token");
  g_autoptr (LkTokenSource) source = lk_token_source_new_url (url, NULL, NULL);

  fetch (t->f, source);
  expect_no_answer (t->f, LK_ERROR_TLS, 0, TRUE, "unknown authority");
  fail_unless (strstr (t->f->error->message, "https://127.0.0.1") != NULL);
  /* nothing was said to it */
  fail_unless_equals_int (t->server->requests->len, 0);
  tls_fixture_free (t);
}
GST_END_TEST;

GST_START_TEST (test_authority_by_file)
{
  TlsFixture *t = tls_fixture_new ("IP:127.0.0.1", -3600, 3600);
  g_autofree gchar *name = g_path_get_basename (t->certificates->ca), *before = g_get_current_dir ();

  tls_fetch (t, "/token", t->certificates->ca, G_TLS_CERTIFICATE_VALIDATE_ALL, NULL);
  expect_answer (t->f, "wss://lk.example.com", TOKEN);
  /* a relative name is one in the working directory */
  fail_unless (g_chdir (t->certificates->dir) == 0);
  tls_fetch (t, "/token", name, G_TLS_CERTIFICATE_VALIDATE_ALL, NULL);
  expect_answer (t->f, "wss://lk.example.com", TOKEN);
  fail_unless (g_chdir (before) == 0);
  tls_fixture_free (t);
}
GST_END_TEST;

GST_START_TEST (test_authority_by_database)
{
  TlsFixture *t = tls_fixture_new ("IP:127.0.0.1", -3600, 3600);
  g_autoptr (GTlsDatabase) database = g_tls_file_database_new (t->certificates->ca, NULL);

  tls_fetch (t, "/token", NULL, G_TLS_CERTIFICATE_VALIDATE_ALL, database);
  expect_answer (t->f, "wss://lk.example.com", TOKEN);
  tls_fixture_free (t);
}
GST_END_TEST;

GST_START_TEST (test_known_authority_forgives_nothing_else)
{
  TlsFixture *wrong_name = tls_fixture_new ("DNS:other.example.com", -3600, 3600);
  TlsFixture *expired;

  tls_fetch (wrong_name, "/token", wrong_name->certificates->ca, G_TLS_CERTIFICATE_VALIDATE_ALL, NULL);
  expect_no_answer (wrong_name->f, LK_ERROR_TLS, 0, TRUE, "wrong host name");
  fail_unless (strstr (wrong_name->f->error->message, "unknown authority") == NULL);
  fail_unless_equals_int (wrong_name->server->requests->len, 0);
  tls_fixture_free (wrong_name);

  expired = tls_fixture_new ("IP:127.0.0.1", -7200, -3600);
  tls_fetch (expired, "/token", expired->certificates->ca, G_TLS_CERTIFICATE_VALIDATE_ALL, NULL);
  expect_no_answer (expired->f, LK_ERROR_TLS, 0, TRUE, "expired");
  fail_unless_equals_int (expired->server->requests->len, 0);
  tls_fixture_free (expired);
}
GST_END_TEST;

GST_START_TEST (test_other_authority_file)
{
  TlsFixture *other = tls_fixture_new ("IP:127.0.0.1", -3600, 3600);
  TlsFixture *t = tls_fixture_new ("IP:127.0.0.1", -3600, 3600);

  tls_fetch (t, "/token", other->certificates->ca, G_TLS_CERTIFICATE_VALIDATE_ALL, NULL);
  expect_no_answer (t->f, LK_ERROR_TLS, 0, TRUE, "unknown authority");
  tls_fetch (t, "/token", "/nowhere/ca.pem", G_TLS_CERTIFICATE_VALIDATE_ALL, NULL);
  expect_no_answer (t->f, LK_ERROR_SETTINGS, 0, TRUE, "tls-ca-file /nowhere/ca.pem");
  tls_fixture_free (t);
  tls_fixture_free (other);
}
GST_END_TEST;

/* Only what the flags leave out is forgiven, and each time with a warning. */
GST_START_TEST (test_validation_flags)
{
  TlsFixture *t = tls_fixture_new ("DNS:other.example.com", -3600, 3600);

  tls_fetch (t, "/token", NULL, G_TLS_CERTIFICATE_NO_FLAGS, NULL);
  expect_answer (t->f, "wss://lk.example.com", TOKEN);
  fail_unless (strstr (t->f->log->str, "accepted by tls-validation-flags") != NULL);
  tls_fetch (t, "/token", t->certificates->ca, G_TLS_CERTIFICATE_VALIDATE_ALL & ~G_TLS_CERTIFICATE_BAD_IDENTITY, NULL);
  expect_answer (t->f, "wss://lk.example.com", TOKEN);
  tls_fetch (t, "/token", NULL, G_TLS_CERTIFICATE_VALIDATE_ALL & ~G_TLS_CERTIFICATE_BAD_IDENTITY, NULL);
  expect_no_answer (t->f, LK_ERROR_TLS, 0, TRUE, "unknown authority");
  tls_fixture_free (t);
}
GST_END_TEST;

GST_START_TEST (test_no_tls_there)
{
  TokenFixture *f = token_fixture_new ();
  FakeRawServer *raw = fake_raw_server_new ("HTTP/1.1 400 Bad TokenRequest\r\n\r\n", FALSE);
  g_autofree gchar *url = token_raw_url (raw, "https");
  g_autoptr (LkTokenSource) source = lk_token_source_new_url (url, NULL, NULL);

  fetch (f, source);
  expect_no_answer (f, LK_ERROR_TLS, 0, TRUE, "https://127.0.0.1");
  fake_raw_server_free (raw);
  token_fixture_free (f);
}
GST_END_TEST;

/* Somebody who hangs up in the handshake may be a server that restarts. */
GST_START_TEST (test_handshake_cut)
{
  TokenFixture *f = token_fixture_new ();
  FakeRawServer *raw = fake_raw_server_new ("", FALSE);
  g_autofree gchar *url = token_raw_url (raw, "https");
  g_autoptr (LkTokenSource) source = lk_token_source_new_url (url, NULL, NULL);

  fetch (f, source);
  expect_no_answer (f, LK_ERROR_TOKEN_SOURCE, 0, FALSE, "does not answer");
  fake_raw_server_free (raw);
  token_fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_no_way_down)
{
  TlsFixture *t = tls_fixture_new ("IP:127.0.0.1", -3600, 3600);
  g_autofree gchar *plain = token_server_url (t->f->server, "/token");

  add_redirect (t->server, "/down", 307, plain);
  add_route (t->server, "POST", "/ws", 200, "{\"server_url\":\"ws://lk.example.com\",\"token\":\"" TOKEN "\"}");
  add_route (t->server, "POST", "/http", 200, "{\"server_url\":\"HTTP://lk.example.com\",\"token\":\"" TOKEN "\"}");
  add_route (t->server, "POST", "/trick", 200, "{\"server_url\":\"ws://localhost@a.com\",\"token\":\"" TOKEN "\"}");
  add_route (t->server, "POST", "/local", 200, "{\"server_url\":\"ws://localhost:7880\",\"token\":\"" TOKEN "\"}");
  add_route (t->server, "POST", "/local6", 200, "{\"server_url\":\"ws://[::1]:7880\",\"token\":\"" TOKEN "\"}");

  tls_fetch (t, "/down", t->certificates->ca, G_TLS_CERTIFICATE_VALIDATE_ALL, NULL);
  expect_no_answer (t->f, LK_ERROR_TOKEN_SOURCE, 307, TRUE, "which is not https");
  fail_unless_equals_int (t->f->server->requests->len, 0);
  tls_fetch (t, "/ws", t->certificates->ca, G_TLS_CERTIFICATE_VALIDATE_ALL, NULL);
  expect_no_answer (t->f, LK_ERROR_TOKEN_SOURCE, 200, TRUE, "ws://lk.example.com, which is not encrypted");
  tls_fetch (t, "/http", t->certificates->ca, G_TLS_CERTIFICATE_VALIDATE_ALL, NULL);
  expect_no_answer (t->f, LK_ERROR_TOKEN_SOURCE, 200, TRUE, "which is not encrypted");
  tls_fetch (t, "/trick", t->certificates->ca, G_TLS_CERTIFICATE_VALIDATE_ALL, NULL);
  expect_no_answer (t->f, LK_ERROR_TOKEN_SOURCE, 200, TRUE, "which is not encrypted");
  tls_fetch (t, "/local", t->certificates->ca, G_TLS_CERTIFICATE_VALIDATE_ALL, NULL);
  expect_answer (t->f, "ws://localhost:7880", TOKEN);
  tls_fetch (t, "/local6", t->certificates->ca, G_TLS_CERTIFICATE_VALIDATE_ALL, NULL);
  expect_answer (t->f, "ws://[::1]:7880", TOKEN);
  tls_fixture_free (t);
}
GST_END_TEST;

GST_START_TEST (test_way_up)
{
  TlsFixture *t = tls_fixture_new ("IP:127.0.0.1", -3600, 3600);
  g_autofree gchar *up = token_server_url (t->server, "/token"), *url = token_server_url (t->f->server, "/up");
  LkHttpSettings http = {.tls_ca_file = t->certificates->ca,.tls_validation_flags = G_TLS_CERTIFICATE_VALIDATE_ALL };
  g_autoptr (LkTokenSource) source = lk_token_source_new_url (url, NULL, &http);

  add_redirect (t->f->server, "/up", 308, up);
  fetch (t->f, source);
  expect_answer (t->f, "wss://lk.example.com", TOKEN);
  tls_fixture_free (t);
}
GST_END_TEST;

/* The server as an HTTP proxy: the host that is asked for does not exist. */

static gboolean
check_proxy_password (SoupAuthDomain * domain, SoupServerMessage * message, const char *user, const char *password,
    gpointer data)
{
  return g_strcmp0 (user, "proxy-user") == 0 && g_strcmp0 (password, "hunter2") == 0;
}

static void
add_proxy_domain (gpointer data)
{
  TokenServer *server = data;
  g_autoptr (SoupAuthDomain) domain = soup_auth_domain_basic_new ("realm", "proxy", "proxy", TRUE, NULL);

  soup_auth_domain_add_path (domain, "");
  soup_auth_domain_basic_set_auth_callback (domain, check_proxy_password, NULL, NULL);
  soup_server_add_auth_domain (server->soup, domain);
  g_async_queue_push (server->events, (gpointer) "domain");
}

static void
fetch_by_proxy (TokenFixture * f, const gchar * scheme, const gchar * password)
{
  g_autofree gchar *proxy = g_strdup_printf ("%s127.0.0.1:%u", scheme, f->server->port);
  LkHttpSettings http = {
    .tls_validation_flags = G_TLS_CERTIFICATE_VALIDATE_ALL,
    .proxy = proxy,
    .proxy_id = (gchar *) "proxy-user",
    .proxy_pw = (gchar *) password,
  };
  g_autoptr (LkTokenSource) source = lk_token_source_new_url ("http://no-such-host.invalid/token", NULL, &http);

  fetch (f, source);
}

GST_START_TEST (test_proxy)
{
  TokenFixture *f = token_fixture_new ();

  add_route (f->server, "POST", "/token", 200, TOKEN_ANSWER);
  fetch_by_proxy (f, "http://", NULL);
  expect_answer (f, "wss://lk.example.com", TOKEN);
  fetch_by_proxy (f, "", NULL);
  expect_answer (f, "wss://lk.example.com", TOKEN);
  token_fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_proxy_with_password)
{
  TokenFixture *f = token_fixture_new ();

  add_route (f->server, "POST", "/token", 200, TOKEN_ANSWER);
  lk_loop_post (f->server->loop, add_proxy_domain, f->server, NULL);
  expect_server_event (f->server, "domain");
  fetch_by_proxy (f, "http://", "hunter2");
  expect_answer (f, "wss://lk.example.com", TOKEN);
  fetch_by_proxy (f, "http://", "wrong");
  expect_no_answer (f, LK_ERROR_TOKEN_SOURCE, 407, TRUE, "HTTP 407");
  token_fixture_free (f);
}
GST_END_TEST;

static Suite *
tokensourcenet_suite (void)
{
  Suite *suite = suite_create ("tokensourcenet");
  TCase *silence = tcase_create ("silence"), *redirects = tcase_create ("redirects"), *tls = tcase_create ("tls");
  TCase *proxy = tcase_create ("proxy");

  /* neither the desktop's proxy nor one in the environment of who runs the tests */
  g_setenv ("GIO_USE_PROXY_RESOLVER", "dummy", TRUE);

  suite_add_tcase (suite, silence);
  tcase_add_test (silence, test_connection_refused);
  tcase_add_test (silence, test_unknown_host);
  tcase_add_test (silence, test_broken_answers);
  tcase_add_test (silence, test_slow_answers);
  tcase_add_test (silence, test_cancelled_before);
  tcase_add_test (silence, test_cancelled_after_the_answer);
  tcase_add_test (silence, test_slow_server_is_cancelled);
  tcase_add_test (silence, test_source_goes_while_fetching);

  suite_add_tcase (suite, redirects);
  tcase_add_test (redirects, test_redirect_keeps_method);
  tcase_add_test (redirects, test_redirect_changes_post_to_get);
  tcase_add_test (redirects, test_redirects_are_counted);
  tcase_add_test (redirects, test_redirect_elsewhere_gets_no_headers);
  tcase_add_test (redirects, test_bad_redirects);
  tcase_add_test (redirects, test_redirect_with_endless_body);

  suite_add_tcase (suite, tls);
  tcase_add_test (tls, test_unknown_authority);
  tcase_add_test (tls, test_authority_by_file);
  tcase_add_test (tls, test_authority_by_database);
  tcase_add_test (tls, test_known_authority_forgives_nothing_else);
  tcase_add_test (tls, test_other_authority_file);
  tcase_add_test (tls, test_validation_flags);
  tcase_add_test (tls, test_no_tls_there);
  tcase_add_test (tls, test_handshake_cut);
  tcase_add_test (tls, test_no_way_down);
  tcase_add_test (tls, test_way_up);

  suite_add_tcase (suite, proxy);
  tcase_add_test (proxy, test_proxy);
  tcase_add_test (proxy, test_proxy_with_password);
  return suite;
}

GST_CHECK_MAIN (tokensourcenet);
