/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of lktokensource against HTTP servers in the process: faults.md T26, T28, T34 and protocol.md §2.1. */

#include <gst/check/gstcheck.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <libsoup/soup.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "lkerror.h"
#include "lklog.h"
#include "lkloop.h"
#include "lktoken.h"
#include "lktokensource.h"
#include "tlsfront.h"

#define DEADLINE_US (20 * G_USEC_PER_SEC)
#define TOKEN "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.UiHowwYrQ5Hhqt1skUZOq1tfqatxp3RggXb93fRyOAM"
#define GOOD_ANSWER "{\"server_url\":\"wss://lk.example.com\",\"participant_token\":\"" TOKEN "\",\"more\":[1,{}]}"
#define HEADER_SECRET "hush-hush-value"

/* The server: what it answers by path, what it was asked */

typedef struct
{
  const gchar *method;          /* NULL = any */
  gchar *path;
  guint status;
  gchar *location;              /* or NULL */
  GBytes *body;
  gboolean is_chunked, is_silent, is_endless;
} Route;

typedef struct
{
  gchar *method, *path, *query, *content_type, *extra, *accept, *body, *authorization;
} Request;

typedef struct
{
  LkLoop *loop;
  SoupServer *soup;
  guint port;
  GTlsCertificate *certificate;
  TlsFront *front;              /* with a certificate */
  GPtrArray *routes;            /* set before the first request */
  GPtrArray *requests;          /* read after the last one */
  GAsyncQueue *events;
} Server;

static void
route_free (gpointer data)
{
  Route *route = data;

  g_free (route->path);
  g_free (route->location);
  g_bytes_unref (route->body);
  g_free (route);
}

static void
request_free (gpointer data)
{
  Request *request = data;

  g_free (request->method);
  g_free (request->path);
  g_free (request->query);
  g_free (request->content_type);
  g_free (request->extra);
  g_free (request->accept);
  g_free (request->body);
  g_free (request->authorization);
  g_free (request);
}

static void
record_request (Server * server, SoupServerMessage * message)
{
  SoupMessageHeaders *headers = soup_server_message_get_request_headers (message);
  g_autoptr (GBytes) body = soup_message_body_flatten (soup_server_message_get_request_body (message));
  Request *request = g_new0 (Request, 1);
  gsize size;
  const gchar *data = g_bytes_get_data (body, &size);

  request->method = g_strdup (soup_server_message_get_method (message));
  request->path = g_strdup (g_uri_get_path (soup_server_message_get_uri (message)));
  request->query = g_strdup (g_uri_get_query (soup_server_message_get_uri (message)));
  request->content_type = g_strdup (soup_message_headers_get_one (headers, "Content-Type"));
  request->extra = g_strdup (soup_message_headers_get_one (headers, "X-Extra"));
  request->accept = g_strdup (soup_message_headers_get_one (headers, "Accept"));
  request->authorization = g_strdup (soup_message_headers_get_one (headers, "Authorization"));
  request->body = g_strndup (data != NULL ? data : "", size);
  g_ptr_array_add (server->requests, request);
}

static Route *
find_route (Server * server, const gchar * method, const gchar * path)
{
  for (guint i = 0; i < server->routes->len; i++) {
    Route *route = g_ptr_array_index (server->routes, i);

    if (g_strcmp0 (route->path, path) == 0 && (route->method == NULL || g_strcmp0 (route->method, method) == 0))
      return route;
  }
  return NULL;
}

static void
append_more (SoupServerMessage * message, gpointer data)
{
  static const gchar spaces[1024] = { 0 };

  soup_message_body_append (soup_server_message_get_response_body (message), SOUP_MEMORY_STATIC, spaces,
      sizeof (spaces));
}

static void
on_server_request (SoupServer * soup, SoupServerMessage * message, const gchar * path, GHashTable * query,
    gpointer data)
{
  Server *server = data;
  Route *route = find_route (server, soup_server_message_get_method (message), path);
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (message);

  record_request (server, message);
  g_async_queue_push (server->events, (gpointer) "asked");
  if (route == NULL) {
    soup_server_message_set_status (message, 418, "not in the script");
    return;
  }
  if (route->is_silent) {
    soup_server_message_pause (message);
    return;
  }
  soup_server_message_set_status (message, route->status, NULL);
  if (route->location != NULL)
    soup_message_headers_replace (headers, "Location", route->location);
  if (route->is_chunked || route->is_endless)
    soup_message_headers_set_encoding (headers, SOUP_ENCODING_CHUNKED);
  if (g_bytes_get_size (route->body) > 0)
    soup_message_body_append_bytes (soup_server_message_get_response_body (message), route->body);
  if (route->is_endless) {
    append_more (message, NULL);
    g_signal_connect (message, "wrote-chunk", G_CALLBACK (append_more), NULL);
  }
}

static void
server_start (gpointer data)
{
  Server *server = data;
  g_autoptr (GError) error = NULL;
  GSList *uris;

  server->soup = soup_server_new (NULL, NULL);
  soup_server_add_handler (server->soup, NULL, on_server_request, server, NULL);
  if (!soup_server_listen_local (server->soup, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &error))
    g_error ("server: %s", error->message);
  uris = soup_server_get_uris (server->soup);
  server->port = (guint) g_uri_get_port (uris->data);
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
  if (server->certificate != NULL) {
    server->front = tls_front_new (server->certificate, 0, server->port, &error);
    if (server->front == NULL)
      g_error ("server: %s", error->message);
    server->port = tls_front_get_port (server->front);
  }
  g_async_queue_push (server->events, (gpointer) "started");
}

static void
server_stop (gpointer data)
{
  Server *server = data;

  g_clear_pointer (&server->front, tls_front_free);
  soup_server_disconnect (server->soup);
  g_clear_object (&server->soup);
}

static void
expect_server_event (Server * server, const gchar * name)
{
  fail_unless_equals_string (g_async_queue_timeout_pop (server->events, DEADLINE_US), name);
}

static Server *
server_new (GTlsCertificate * certificate)
{
  Server *server = g_new0 (Server, 1);

  server->loop = lk_loop_new ("server");
  server->certificate = certificate;
  server->routes = g_ptr_array_new_with_free_func (route_free);
  server->requests = g_ptr_array_new_with_free_func (request_free);
  server->events = g_async_queue_new ();
  lk_loop_start (server->loop);
  lk_loop_post (server->loop, server_start, server, NULL);
  expect_server_event (server, "started");
  return server;
}

static void
server_free (Server * server)
{
  lk_loop_post (server->loop, server_stop, server, NULL);
  lk_loop_stop (server->loop);
  lk_loop_unref (server->loop);
  g_clear_object (&server->certificate);
  g_ptr_array_unref (server->routes);
  g_ptr_array_unref (server->requests);
  g_async_queue_unref (server->events);
  g_free (server);
}

static Route *
add_route (Server * server, const gchar * method, const gchar * path, guint status, const gchar * body)
{
  Route *route = g_new0 (Route, 1);

  route->method = method;
  route->path = g_strdup (path);
  route->status = status;
  route->body = g_bytes_new (body, strlen (body));
  g_ptr_array_add (server->routes, route);
  return route;
}

static void
add_redirect (Server * server, const gchar * path, guint status, const gchar * location)
{
  add_route (server, NULL, path, status, "<html>elsewhere</html>")->location = g_strdup (location);
}

static gchar *
server_url (Server * server, const gchar * path)
{
  return g_strdup_printf ("%s://127.0.0.1:%u%s", server->certificate != NULL ? "https" : "http", server->port, path);
}

static Request *
get_request (Server * server, guint i)
{
  fail_unless (i < server->requests->len, "request %u of %u", i, server->requests->len);
  return g_ptr_array_index (server->requests, i);
}

/* Bytes as they are: accepts one connection, reads what comes, writes @bytes, closes or waits for the other to. */

typedef struct
{
  GThread *thread;
  GSocketListener *listener;
  GCancellable *stop;
  guint16 port;
  const gchar *bytes;
  gsize n_bytes;
  gboolean keeps_open;
} RawServer;

static gpointer
raw_server_thread (gpointer data)
{
  RawServer *raw = data;
  g_autoptr (GSocketConnection) connection = g_socket_listener_accept (raw->listener, NULL, raw->stop, NULL);
  GInputStream *input;
  gchar buffer[4096];

  if (connection == NULL)
    return NULL;
  input = g_io_stream_get_input_stream (G_IO_STREAM (connection));
  g_input_stream_read (input, buffer, sizeof (buffer), raw->stop, NULL);
  g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (connection)), raw->bytes, raw->n_bytes, NULL,
      raw->stop, NULL);
  while (raw->keeps_open && g_input_stream_read (input, buffer, sizeof (buffer), raw->stop, NULL) > 0);
  return NULL;
}

static RawServer *
raw_server_new (const gchar * bytes, gboolean keeps_open)
{
  RawServer *raw = g_new0 (RawServer, 1);
  g_autoptr (GInetAddress) loopback = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  g_autoptr (GSocketAddress) any = g_inet_socket_address_new (loopback, 0);
  g_autoptr (GSocketAddress) address = NULL;

  raw->listener = g_socket_listener_new ();
  raw->stop = g_cancellable_new ();
  raw->bytes = bytes;
  raw->n_bytes = strlen (bytes);
  raw->keeps_open = keeps_open;
  fail_unless (g_socket_listener_add_address (raw->listener, any, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL,
          &address, NULL));
  raw->port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address));
  raw->thread = g_thread_new ("raw", raw_server_thread, raw);
  return raw;
}

static gchar *
raw_server_url (RawServer * raw)
{
  return g_strdup_printf ("http://127.0.0.1:%u/token", raw->port);
}

static void
raw_server_free (RawServer * raw)
{
  g_cancellable_cancel (raw->stop);
  g_thread_join (raw->thread);
  g_object_unref (raw->listener);
  g_object_unref (raw->stop);
  g_free (raw);
}

/* The client's side */

typedef struct
{
  GMainContext *context;
  GString *log;
  Server *server;
  LkTokenAnswer *answer;
  GError *error;
  gboolean is_done;
  GCancellable *cancellable;    /* NULL unless a test wants one */
} Fixture;

static GMutex log_lock;

static void
on_log (LkLogLevel level, const gchar * file, const gchar * function, gint line_number, const gchar * object,
    const gchar * line, gpointer data)
{
  g_mutex_lock (&log_lock);
  g_string_append_printf (data, "%s: %s\n", object, line);
  g_mutex_unlock (&log_lock);
}

static Fixture *
fixture_new (void)
{
  Fixture *f = g_new0 (Fixture, 1);

  f->context = g_main_context_new ();
  g_main_context_push_thread_default (f->context);
  f->log = g_string_new (NULL);
  lk_log_set_sink (on_log, f->log);
  f->server = server_new (NULL);
  return f;
}

/* T28, T34: nothing secret in any line of the log. */
static void
check_log (Fixture * f)
{
  static const gchar *const secrets[] = {
    "eyJ", "UiHoww", HEADER_SECRET, "hunter2", "s3cret", "\r",
  };

  for (guint i = 0; i < G_N_ELEMENTS (secrets); i++)
    fail_unless (strstr (f->log->str, secrets[i]) == NULL, "'%s' in the log:\n%s", secrets[i], f->log->str);
}

static void
clear_result (Fixture * f)
{
  g_clear_pointer (&f->answer, lk_token_answer_free);
  g_clear_error (&f->error);
  f->is_done = FALSE;
}

static void
fixture_free (Fixture * f)
{
  clear_result (f);
  while (g_main_context_iteration (f->context, FALSE));
  server_free (f->server);
  lk_log_set_sink (NULL, NULL);
  check_log (f);
  g_string_free (f->log, TRUE);
  g_clear_object (&f->cancellable);
  g_main_context_pop_thread_default (f->context);
  g_main_context_unref (f->context);
  g_free (f);
}

static void
on_fetched (GObject * object, GAsyncResult * result, gpointer data)
{
  Fixture *f = data;

  fail_if (f->is_done);
  f->answer = lk_token_source_fetch_finish (NULL, result, &f->error);
  fail_unless ((f->answer == NULL) != (f->error == NULL));
  f->is_done = TRUE;
}

static void
start_fetch (Fixture * f, LkTokenSource * source, const LkTokenWish * wish)
{
  clear_result (f);
  lk_token_source_fetch_async (source, wish, f->cancellable, on_fetched, f);
  /* never from inside the call */
  fail_if (f->is_done);
}

static void
finish_fetch (Fixture * f)
{
  while (!f->is_done)
    g_main_context_iteration (f->context, TRUE);
}

static const LkTokenWish lab_wish = {.room = "lab",.identity = "alice" };

static void
fetch (Fixture * f, LkTokenSource * source)
{
  start_fetch (f, source, &lab_wish);
  finish_fetch (f);
}

static LkTokenSource *
source_at (Fixture * f, const gchar * path)
{
  g_autofree gchar *url = server_url (f->server, path);

  return lk_token_source_new_url (url, NULL, NULL);
}

static void
fetch_path (Fixture * f, const gchar * path)
{
  g_autoptr (LkTokenSource) source = source_at (f, path);

  fetch (f, source);
}

static void
expect_answer (Fixture * f, const gchar * url, const gchar * token)
{
  fail_unless (f->answer != NULL, "%s", f->error != NULL ? f->error->message : "");
  fail_unless_equals_string (f->answer->server_url, url);
  fail_unless_equals_string (f->answer->token, token);
}

static void
expect_error (Fixture * f, LkError code, guint http_status, gboolean is_final, const gchar * words)
{
  fail_unless (f->error != NULL);
  fail_unless (g_error_matches (f->error, LK_ERROR, (gint) code), "%s: %s", g_quark_to_string (f->error->domain),
      f->error->message);
  fail_unless_equals_int (lk_error_http_status (f->error), http_status);
  fail_unless (lk_error_is_final (f->error) == is_final, "%s", f->error->message);
  fail_unless (strstr (f->error->message, words) != NULL, "%s", f->error->message);
  fail_unless (strstr (f->error->message, "eyJ") == NULL && strstr (f->error->message, "UiHoww") == NULL);
  fail_unless (strstr (f->error->message, HEADER_SECRET) == NULL && strstr (f->error->message, "hunter2") == NULL);
  fail_unless (strlen (f->error->message) < 512);
}

static GHashTable *
make_headers (const gchar * name, const gchar * value)
{
  GHashTable *headers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);

  g_hash_table_insert (headers, g_strdup (name), g_strdup (value));
  return headers;
}

/* Literals and keys */

GST_START_TEST (test_literal_is_trimmed)
{
  Fixture *f = fixture_new ();
  g_autoptr (LkTokenSource) source = lk_token_source_new_literal (" \n" TOKEN "\r\n\t");

  fail_if (lk_token_source_is_renewable (source));
  fetch (f, source);
  expect_answer (f, NULL, TOKEN);
  fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_bad_literals)
{
  g_autofree gchar *long_token = g_strnfill (1024 * 1024, 'a');
  const gchar *const literals[] = {
    NULL, "", " \n ", TOKEN "\r\nX-Injected: yes", "a b", "a\tb", "a\033b", "a\177", "tök", long_token,
  };
  Fixture *f = fixture_new ();

  for (guint i = 0; i < G_N_ELEMENTS (literals); i++) {
    g_autoptr (LkTokenSource) source = lk_token_source_new_literal (literals[i]);

    fetch (f, source);
    expect_error (f, LK_ERROR_TOKEN, 0, TRUE, "access token");
  }
  fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_key_mints)
{
  Fixture *f = fixture_new ();
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
  fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_key_without_settings)
{
  Fixture *f = fixture_new ();
  g_autoptr (LkTokenSource) source = lk_token_source_new_key ("devkey", "s3cret");
  g_autoptr (LkTokenSource) keyless = lk_token_source_new_key (NULL, NULL);
  LkTokenWish wish = {.identity = "alice" };

  start_fetch (f, source, &wish);
  finish_fetch (f);
  expect_error (f, LK_ERROR_SETTINGS, 0, TRUE, "set room");
  start_fetch (f, source, NULL);
  finish_fetch (f);
  expect_error (f, LK_ERROR_SETTINGS, 0, TRUE, "set room");
  fetch (f, keyless);
  expect_error (f, LK_ERROR_SETTINGS, 0, TRUE, "set api-key");
  fixture_free (f);
}
GST_END_TEST;

static gchar *
fetch_identity (Fixture * f, LkTokenSource * source)
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
  Fixture *f = fixture_new ();
  g_autoptr (LkTokenSource) source = lk_token_source_new_key ("devkey", "s3cret");
  g_autoptr (LkTokenSource) other = lk_token_source_new_key ("devkey", "s3cret");
  g_autofree gchar *once = fetch_identity (f, source);
  g_autofree gchar *again = fetch_identity (f, source);
  g_autofree gchar *elsewhere = fetch_identity (f, other);

  fail_unless (g_regex_match_simple ("^gst-[A-Za-z0-9-]+-[0-9a-f]{8}$", once, 0, 0), "%s", once);
  fail_unless_equals_string (once, again);
  fail_if (g_strcmp0 (once, elsewhere) == 0);
  fixture_free (f);
}
GST_END_TEST;

/* The standard endpoint */

GST_START_TEST (test_standard_endpoint)
{
  Fixture *f = fixture_new ();
  g_autofree gchar *url = server_url (f->server, "/token?x=1");
  g_autoptr (GHashTable) headers = make_headers ("X-Extra", "Basic " HEADER_SECRET);
  g_autoptr (GHashTable) attributes = make_headers ("role", "camera \"1\"");
  g_autoptr (LkTokenSource) source = lk_token_source_new_url (url, headers, NULL);
  LkTokenWish wish = { "lab/ä", "alice", "Alice", "{\"a\":1}", attributes };
  Request *request;

  add_route (f->server, "POST", "/token", 200, GOOD_ANSWER);
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
  fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_nothing_wished)
{
  Fixture *f = fixture_new ();
  g_autoptr (LkTokenSource) source = source_at (f, "/token");

  add_route (f->server, "POST", "/token", 201, GOOD_ANSWER);
  start_fetch (f, source, NULL);
  finish_fetch (f);
  expect_answer (f, "wss://lk.example.com", TOKEN);
  fail_unless_equals_string (get_request (f->server, 0)->body, "{}");
  fixture_free (f);
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
  Fixture *f = fixture_new ();

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree gchar *path = g_strdup_printf ("/%u", i);

    add_route (f->server, "POST", path, 200, rows[i].body);
  }
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree gchar *path = g_strdup_printf ("/%u", i);

    fetch_path (f, path);
    expect_answer (f, rows[i].url, TOKEN);
  }
  fixture_free (f);
}
GST_END_TEST;

/* The simple key server */

GST_START_TEST (test_simple_server)
{
  static const guint statuses[] = { 404, 405, 501 };
  Fixture *f = fixture_new ();
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
    Request *request;

    start_fetch (f, source, &wish);
    finish_fetch (f);
    expect_answer (f, NULL, TOKEN);
    request = get_request (f->server, 2 * i + 1);
    fail_unless_equals_string (request->method, "GET");
    fail_unless_equals_string (request->query, "key=1&identity=al%3Dice&room=lab%20%26%20yard%2F%C3%A4");
    fail_unless_equals_string (request->extra, HEADER_SECRET);
    fail_unless_equals_string (request->body, "");
  }
  fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_simple_server_needs_identity_and_room)
{
  Fixture *f = fixture_new ();
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
  expect_error (f, LK_ERROR_TOKEN_SOURCE, 404, TRUE, "when room is set");
  fail_unless_equals_int (f->server->requests->len, 3);
  fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_neither_form)
{
  Fixture *f = fixture_new ();

  add_route (f->server, NULL, "/404", 404, "not found");
  add_route (f->server, "POST", "/400", 405, "");
  add_route (f->server, "GET", "/400", 400, "identity not set");
  add_route (f->server, "POST", "/503", 501, "");
  add_route (f->server, "GET", "/503", 503, "");
  fetch_path (f, "/404");
  expect_error (f, LK_ERROR_TOKEN_SOURCE, 404, TRUE, "HTTP 404: not found");
  fail_unless_equals_int (f->server->requests->len, 2);
  fetch_path (f, "/400");
  expect_error (f, LK_ERROR_TOKEN_SOURCE, 400, TRUE, "HTTP 400: identity not set");
  fetch_path (f, "/503");
  expect_error (f, LK_ERROR_TOKEN_SOURCE, 503, FALSE, "HTTP 503");
  fixture_free (f);
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
  Fixture *f = fixture_new ();

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree gchar *path = g_strdup_printf ("/%u", rows[i].status);

    add_route (f->server, "POST", path, rows[i].status, rows[i].status == 204 || rows[i].status == 304 ? "" : "sorry");
  }
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree gchar *path = g_strdup_printf ("/%u", rows[i].status);

    fetch_path (f, path);
    expect_error (f, LK_ERROR_TOKEN_SOURCE, rows[i].status, rows[i].is_final, "http://127.0.0.1:");
  }
  /* the source asks once; who retries is the room */
  fail_unless_equals_int (f->server->requests->len, G_N_ELEMENTS (rows));
  fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_refusal_repeats_the_token)
{
  Fixture *f = fixture_new ();
  g_autofree gchar *url = g_strdup_printf ("http://user:hunter2@127.0.0.1:%u/token?key=hunter2", f->server->port);
  g_autoptr (LkTokenSource) source = lk_token_source_new_url (url, NULL, NULL);

  add_route (f->server, "POST", "/token", 403, "invalid authorization token: " TOKEN ", error:\r\n Bearer hunter2");
  fetch (f, source);
  expect_error (f, LK_ERROR_TOKEN_SOURCE, 403, TRUE,
      "/token) answered HTTP 403: invalid authorization token: [token], error: Bearer [token]");
  fixture_free (f);
}
GST_END_TEST;

/* The user part of the URL is for HTTP authentication. */
GST_START_TEST (test_refusal_of_user_and_password)
{
  Fixture *f = fixture_new ();
  g_autofree gchar *url = g_strdup_printf ("http://user:hunter2@127.0.0.1:%u/token", f->server->port);
  g_autoptr (LkTokenSource) source = lk_token_source_new_url (url, NULL, NULL);

  add_route (f->server, "POST", "/token", 401, "who are you?");
  fetch (f, source);
  expect_error (f, LK_ERROR_TOKEN_SOURCE, 401, TRUE, "HTTP 401: who are you?");
  fixture_free (f);
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
  Fixture *f = fixture_new ();

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree gchar *path = g_strdup_printf ("/%u", i);

    add_route (f->server, "POST", path, 200, rows[i].body);
  }
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree gchar *path = g_strdup_printf ("/%u", i);

    fetch_path (f, path);
    expect_error (f, LK_ERROR_TOKEN_SOURCE, 200, TRUE, rows[i].words);
  }
  fixture_free (f);
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
  Fixture *f = fixture_new ();

  add_route (f->server, "POST", "/just", 200, just_so);
  add_route (f->server, "POST", "/more", 200, one_more);
  add_route (f->server, "POST", "/huge", 200, huge);
  add_route (f->server, "POST", "/chunks", 200, huge)->is_chunked = TRUE;
  add_route (f->server, "POST", "/endless", 200, "{")->is_endless = TRUE;
  add_route (f->server, "POST", "/refused", 403, "no, no, no")->is_endless = TRUE;
  fetch_path (f, "/just");
  expect_answer (f, NULL, TOKEN);
  fetch_path (f, "/more");
  expect_error (f, LK_ERROR_TOKEN_SOURCE, 200, TRUE, "more than 65536 bytes");
  fetch_path (f, "/huge");
  expect_error (f, LK_ERROR_TOKEN_SOURCE, 200, TRUE, "more than 65536 bytes");
  fetch_path (f, "/chunks");
  expect_error (f, LK_ERROR_TOKEN_SOURCE, 200, TRUE, "more than 65536 bytes");
  fetch_path (f, "/endless");
  expect_error (f, LK_ERROR_TOKEN_SOURCE, 200, TRUE, "more than 65536 bytes");
  fetch_path (f, "/refused");
  expect_error (f, LK_ERROR_TOKEN_SOURCE, 403, TRUE, "HTTP 403: no, no, no");
  fixture_free (f);
}
GST_END_TEST;

/* No answer */

GST_START_TEST (test_connection_refused)
{
  Fixture *f = fixture_new ();
  RawServer *raw = raw_server_new ("", FALSE);
  g_autofree gchar *url = raw_server_url (raw);
  g_autoptr (LkTokenSource) source = lk_token_source_new_url (url, NULL, NULL);

  /* its port is free now */
  raw_server_free (raw);
  fetch (f, source);
  expect_error (f, LK_ERROR_TOKEN_SOURCE, 0, FALSE, "does not answer");
  fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_unknown_host)
{
  Fixture *f = fixture_new ();
  g_autoptr (LkTokenSource) source = lk_token_source_new_url ("http://no-such-host.invalid/token", NULL, NULL);

  fetch (f, source);
  expect_error (f, LK_ERROR_TOKEN_SOURCE, 0, FALSE, "no-such-host.invalid");
  fixture_free (f);
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
  Fixture *f = fixture_new ();

  for (guint i = 0; i < G_N_ELEMENTS (answers); i++) {
    RawServer *raw = raw_server_new (answers[i], FALSE);
    g_autofree gchar *url = raw_server_url (raw);
    g_autoptr (LkTokenSource) source = lk_token_source_new_url (url, NULL, NULL);

    fetch (f, source);
    fail_unless (f->error != NULL);
    fail_unless (g_error_matches (f->error, LK_ERROR, LK_ERROR_TOKEN_SOURCE), "%s", f->error->message);
    raw_server_free (raw);
  }
  fixture_free (f);
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
  Fixture *f = fixture_new ();

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    RawServer *raw = raw_server_new (rows[i].bytes, TRUE);
    g_autofree gchar *url = raw_server_url (raw);
    g_autoptr (LkTokenSource) source = lk_token_source_new_url (url, NULL, NULL);

    lk_token_source_set_timeout_ms (source, 500);
    fetch (f, source);
    expect_error (f, LK_ERROR_TOKEN_SOURCE, rows[i].status, FALSE, rows[i].words);
    raw_server_free (raw);
  }
  fixture_free (f);
}
GST_END_TEST;

/* Cancelling */

GST_START_TEST (test_cancelled_before)
{
  Fixture *f = fixture_new ();
  g_autoptr (LkTokenSource) url = source_at (f, "/token");
  g_autoptr (LkTokenSource) literal = lk_token_source_new_literal (TOKEN);

  f->cancellable = g_cancellable_new ();
  g_cancellable_cancel (f->cancellable);
  fetch (f, url);
  expect_error (f, LK_ERROR_CANCELLED, 0, TRUE, "cancelled");
  fetch (f, literal);
  expect_error (f, LK_ERROR_CANCELLED, 0, TRUE, "cancelled");
  fail_unless_equals_int (f->server->requests->len, 0);
  fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_cancelled_after_the_answer)
{
  Fixture *f = fixture_new ();
  g_autoptr (LkTokenSource) literal = lk_token_source_new_literal (TOKEN);

  f->cancellable = g_cancellable_new ();
  start_fetch (f, literal, &lab_wish);
  g_cancellable_cancel (f->cancellable);
  finish_fetch (f);
  expect_error (f, LK_ERROR_CANCELLED, 0, TRUE, "cancelled");
  fixture_free (f);
}
GST_END_TEST;

static gpointer
cancel_thread (gpointer data)
{
  Fixture *f = data;

  expect_server_event (f->server, "asked");
  g_cancellable_cancel (f->cancellable);
  return NULL;
}

GST_START_TEST (test_slow_server_is_cancelled)
{
  Fixture *f = fixture_new ();
  GThread *thread;

  add_route (f->server, "POST", "/slow", 200, "")->is_silent = TRUE;
  f->cancellable = g_cancellable_new ();
  thread = g_thread_new ("cancel", cancel_thread, f);
  fetch_path (f, "/slow");
  expect_error (f, LK_ERROR_CANCELLED, 0, TRUE, "cancelled");
  g_thread_join (thread);
  fixture_free (f);
}
GST_END_TEST;

/* The source may go while a fetch is under way. */
GST_START_TEST (test_source_goes_while_fetching)
{
  Fixture *f = fixture_new ();
  LkTokenSource *source = source_at (f, "/token");

  add_route (f->server, "POST", "/token", 200, GOOD_ANSWER);
  start_fetch (f, source, &lab_wish);
  lk_token_source_unref (source);
  finish_fetch (f);
  expect_answer (f, "wss://lk.example.com", TOKEN);
  fixture_free (f);
}
GST_END_TEST;

/* Redirects */

GST_START_TEST (test_redirect_keeps_method)
{
  static const guint statuses[] = { 307, 308 };
  Fixture *f = fixture_new ();

  for (guint i = 0; i < G_N_ELEMENTS (statuses); i++) {
    g_autofree gchar *path = g_strdup_printf ("/%u", statuses[i]);

    add_redirect (f->server, path, statuses[i], "../token?a=b");
  }
  add_route (f->server, "POST", "/token", 200, GOOD_ANSWER);
  for (guint i = 0; i < G_N_ELEMENTS (statuses); i++) {
    g_autofree gchar *path = g_strdup_printf ("/%u", statuses[i]);
    Request *request;

    fetch_path (f, path);
    expect_answer (f, "wss://lk.example.com", TOKEN);
    request = get_request (f->server, 2 * i + 1);
    fail_unless_equals_string (request->query, "a=b");
    fail_unless_equals_string (request->body, "{\"room_name\":\"lab\",\"participant_identity\":\"alice\"}");
    fail_unless_equals_string (request->content_type, "application/json");
  }
  fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_redirect_changes_post_to_get)
{
  static const guint statuses[] = { 301, 302, 303 };
  Fixture *f = fixture_new ();

  for (guint i = 0; i < G_N_ELEMENTS (statuses); i++) {
    g_autofree gchar *path = g_strdup_printf ("/%u", statuses[i]);

    add_redirect (f->server, path, statuses[i], "/token");
  }
  add_route (f->server, "GET", "/token", 200, GOOD_ANSWER);
  for (guint i = 0; i < G_N_ELEMENTS (statuses); i++) {
    g_autofree gchar *path = g_strdup_printf ("/%u", statuses[i]);

    fetch_path (f, path);
    expect_answer (f, "wss://lk.example.com", TOKEN);
    fail_unless_equals_string (get_request (f->server, 2 * i + 1)->body, "");
  }
  fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_redirects_are_counted)
{
  Fixture *f = fixture_new ();

  for (guint i = 1; i <= 6; i++) {
    g_autofree gchar *path = g_strdup_printf ("/%u", i), *next = g_strdup_printf ("/%u", i - 1);

    add_redirect (f->server, path, 307, next);
  }
  add_route (f->server, "POST", "/0", 200, GOOD_ANSWER);
  add_redirect (f->server, "/loop", 307, "/loop");
  fetch_path (f, "/5");
  expect_answer (f, "wss://lk.example.com", TOKEN);
  fetch_path (f, "/6");
  expect_error (f, LK_ERROR_TOKEN_SOURCE, 307, TRUE, "more than 5 times");
  g_ptr_array_set_size (f->server->requests, 0);
  fetch_path (f, "/loop");
  expect_error (f, LK_ERROR_TOKEN_SOURCE, 307, TRUE, "more than 5 times");
  fail_unless_equals_int (f->server->requests->len, 6);
  fixture_free (f);
}
GST_END_TEST;

/* To another port, and back: the headers of the user stay away from there, and do not come back either. */
GST_START_TEST (test_redirect_elsewhere_gets_no_headers)
{
  Fixture *f = fixture_new ();
  Server *other = server_new (NULL);
  g_autofree gchar *url = g_strdup_printf ("http://user:hunter2@127.0.0.1:%u/start", f->server->port);
  g_autofree gchar *there = server_url (other, "/there"), *back = server_url (f->server, "/back");
  g_autoptr (GHashTable) headers = make_headers ("X-Extra", HEADER_SECRET);
  g_autoptr (LkTokenSource) source = lk_token_source_new_url (url, headers, NULL);

  add_redirect (f->server, "/start", 307, "/same");
  add_redirect (f->server, "/same", 307, there);
  add_redirect (other, "/there", 307, back);
  add_route (f->server, "POST", "/back", 200, GOOD_ANSWER);
  fetch (f, source);
  expect_answer (f, "wss://lk.example.com", TOKEN);
  fail_unless_equals_string (get_request (f->server, 0)->extra, HEADER_SECRET);
  fail_unless_equals_string (get_request (f->server, 1)->extra, HEADER_SECRET);
  fail_unless_equals_string (get_request (other, 0)->extra, NULL);
  fail_unless_equals_string (get_request (other, 0)->authorization, NULL);
  fail_unless_equals_string (get_request (f->server, 2)->extra, NULL);
  server_free (other);
  fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_bad_redirects)
{
  static const gchar *const locations[] = {
    "file:///etc/passwd", "ftp://127.0.0.1/", "data:application/json,{}", "wss://127.0.0.1/", "http://", "http:///x",
    "http://[::1", "//",
  };
  Fixture *f = fixture_new ();

  for (guint i = 0; i < G_N_ELEMENTS (locations); i++) {
    g_autofree gchar *path = g_strdup_printf ("/%u", i);

    add_redirect (f->server, path, 307, locations[i]);
  }
  add_route (f->server, NULL, "/nowhere", 302, "");
  for (guint i = 0; i < G_N_ELEMENTS (locations); i++) {
    g_autofree gchar *path = g_strdup_printf ("/%u", i);

    fetch_path (f, path);
    expect_error (f, LK_ERROR_TOKEN_SOURCE, 307, TRUE, "http://127.0.0.1");
  }
  fetch_path (f, "/nowhere");
  expect_error (f, LK_ERROR_TOKEN_SOURCE, 302, TRUE, "without saying where to");
  fixture_free (f);
}
GST_END_TEST;

/* What a redirect has for a body is not waited for. */
GST_START_TEST (test_redirect_with_endless_body)
{
  Fixture *f = fixture_new ();
  g_autofree gchar *bytes = g_strdup_printf ("HTTP/1.1 307 There\r\nLocation: http://127.0.0.1:%u/token\r\n"
      "Content-Length: 1000000\r\n\r\nwait", f->server->port);
  RawServer *raw = raw_server_new (bytes, TRUE);
  g_autofree gchar *url = raw_server_url (raw);
  g_autoptr (LkTokenSource) source = lk_token_source_new_url (url, NULL, NULL);

  add_route (f->server, "POST", "/token", 200, GOOD_ANSWER);
  add_route (f->server, NULL, "/endless", 307, "{")->is_endless = TRUE;
  ((Route *) g_ptr_array_index (f->server->routes, 1))->location = g_strdup ("/token");
  fetch (f, source);
  expect_answer (f, "wss://lk.example.com", TOKEN);
  fetch_path (f, "/endless");
  expect_answer (f, "wss://lk.example.com", TOKEN);
  raw_server_free (raw);
  fixture_free (f);
}
GST_END_TEST;

/* Injection */

GST_START_TEST (test_bad_headers)
{
  static const gchar *const names[] = { "X-Extra\r\nX-Injected", "X Extra", "", "X-Exträ", "X:", "Content-Length",
    "transfer-encoding",
  };
  static const gchar *const values[] = { "a\r\nX-Injected: yes", "a\nb", "a\rb", "a\033", "\xff" };
  Fixture *f = fixture_new ();
  g_autofree gchar *url = server_url (f->server, "/token");

  for (guint i = 0; i < G_N_ELEMENTS (names) + G_N_ELEMENTS (values); i++) {
    gboolean is_name = i < G_N_ELEMENTS (names);
    g_autoptr (GHashTable) headers = make_headers (is_name ? names[i] : "X-Extra",
        is_name ? "1" : values[i - G_N_ELEMENTS (names)]);
    g_autoptr (LkTokenSource) source = lk_token_source_new_url (url, headers, NULL);

    fetch (f, source);
    expect_error (f, LK_ERROR_SETTINGS, 0, TRUE, "token-headers");
  }
  fail_unless_equals_int (f->server->requests->len, 0);
  fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_bad_urls)
{
  static const gchar *const urls[] = {
    NULL, "", "token", "/token", "ftp://host/token", "ws://host/token", "http://", "https:///token", "http://[::1/",
    "http://host/a b", "http://host/\r\nX-Injected: yes", "http://ho\tst/", "http://user:hunter2@/",
  };
  Fixture *f = fixture_new ();

  for (guint i = 0; i < G_N_ELEMENTS (urls); i++) {
    g_autoptr (LkTokenSource) source = lk_token_source_new_url (urls[i], NULL, NULL);

    fetch (f, source);
    expect_error (f, LK_ERROR_SETTINGS, 0, TRUE, "token-url");
  }
  fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_wish_is_utf8)
{
  Fixture *f = fixture_new ();
  g_autoptr (LkTokenSource) source = source_at (f, "/token");
  g_autoptr (GHashTable) attributes = make_headers ("k", "\xff");
  LkTokenWish room = {.room = "\xff" };
  LkTokenWish attribute = {.attributes = attributes };

  start_fetch (f, source, &room);
  finish_fetch (f);
  expect_error (f, LK_ERROR_SETTINGS, 0, TRUE, "UTF-8");
  start_fetch (f, source, &attribute);
  finish_fetch (f);
  expect_error (f, LK_ERROR_SETTINGS, 0, TRUE, "UTF-8");
  fixture_free (f);
}
GST_END_TEST;

/* TLS: an authority of our own, and certificates by it */

typedef struct
{
  EVP_PKEY *key;
  X509 *certificate;
} Identity;

static void
add_extension (X509 * certificate, gint nid, const gchar * value)
{
  X509_EXTENSION *extension = X509V3_EXT_conf_nid (NULL, NULL, nid, value);

  fail_unless (extension != NULL);
  X509_add_ext (certificate, extension, -1);
  X509_EXTENSION_free (extension);
}

/* Signed by @authority, or by itself. @names: subjectAltName, NULL for an authority. */
static Identity
identity_new (const gchar * common_name, const gchar * names, glong from_s, glong to_s, const Identity * authority)
{
  static glong serial = 1;
  Identity self = { EVP_EC_gen ("P-256"), X509_new () };
  X509_NAME *name = X509_get_subject_name (self.certificate);

  X509_set_version (self.certificate, X509_VERSION_3);
  ASN1_INTEGER_set (X509_get_serialNumber (self.certificate), serial++);
  X509_gmtime_adj (X509_getm_notBefore (self.certificate), from_s);
  X509_gmtime_adj (X509_getm_notAfter (self.certificate), to_s);
  X509_set_pubkey (self.certificate, self.key);
  X509_NAME_add_entry_by_txt (name, "CN", MBSTRING_UTF8, (const guchar *) common_name, -1, -1, 0);
  X509_set_issuer_name (self.certificate, authority != NULL ? X509_get_subject_name (authority->certificate) : name);
  if (names != NULL)
    add_extension (self.certificate, NID_subject_alt_name, names);
  else
    add_extension (self.certificate, NID_basic_constraints, "critical,CA:TRUE");
  fail_unless (X509_sign (self.certificate, authority != NULL ? authority->key : self.key, EVP_sha256 ()) > 0);
  return self;
}

static void
identity_clear (Identity * self)
{
  EVP_PKEY_free (self->key);
  X509_free (self->certificate);
}

static gchar *
to_pem (const Identity * self, gboolean with_key)
{
  BIO *bio = BIO_new (BIO_s_mem ());
  gchar *data, *text;
  glong size;

  PEM_write_bio_X509 (bio, self->certificate);
  if (with_key)
    PEM_write_bio_PrivateKey (bio, self->key, NULL, NULL, 0, NULL, NULL);
  size = BIO_get_mem_data (bio, &data);
  text = g_strndup (data, (gsize) size);
  BIO_free (bio);
  return text;
}

typedef struct
{
  Fixture *f;
  Identity authority;
  gchar *ca_file;
  Server *server;
} TlsFixture;

static TlsFixture *
tls_fixture_new (const gchar * names, glong from_s, glong to_s)
{
  TlsFixture *t = g_new0 (TlsFixture, 1);
  static guint n_authorities = 0;
  g_autofree gchar *pem = NULL, *ca_pem = NULL, *authority_name = NULL;
  Identity leaf;
  gint fd;

  t->f = fixture_new ();
  authority_name = g_strdup_printf ("lk test authority %u", ++n_authorities);
  t->authority = identity_new (authority_name, NULL, -86400, 86400, NULL);
  leaf = identity_new ("lk test server", names, from_s, to_s, &t->authority);
  pem = to_pem (&leaf, TRUE);
  ca_pem = to_pem (&t->authority, FALSE);
  identity_clear (&leaf);

  fd = g_file_open_tmp ("lk-test-ca-XXXXXX", &t->ca_file, NULL);
  fail_unless (fd >= 0);
  g_close (fd, NULL);
  fail_unless (g_file_set_contents (t->ca_file, ca_pem, -1, NULL));
  t->server = server_new (g_tls_certificate_new_from_pem (pem, -1, NULL));
  add_route (t->server, "POST", "/token", 200, GOOD_ANSWER);
  return t;
}

static void
tls_fixture_free (TlsFixture * t)
{
  server_free (t->server);
  identity_clear (&t->authority);
  g_unlink (t->ca_file);
  g_free (t->ca_file);
  fixture_free (t->f);
  g_free (t);
}

static void
tls_fetch (TlsFixture * t, const gchar * path, const gchar * ca_file, GTlsCertificateFlags flags,
    GTlsDatabase * database)
{
  g_autofree gchar *url = server_url (t->server, path);
  LkHttpSettings http = {.tls_ca_file = (gchar *) ca_file,.tls_validation_flags = flags,.tls_database = database };
  g_autoptr (LkTokenSource) source = lk_token_source_new_url (url, NULL, &http);

  fetch (t->f, source);
}

GST_START_TEST (test_unknown_authority)
{
  TlsFixture *t = tls_fixture_new ("IP:127.0.0.1", -3600, 3600);
  g_autofree gchar *url = server_url (t->server, "/token");
  g_autoptr (LkTokenSource) source = lk_token_source_new_url (url, NULL, NULL);

  fetch (t->f, source);
  expect_error (t->f, LK_ERROR_TLS, 0, TRUE, "unknown authority");
  fail_unless (strstr (t->f->error->message, "https://127.0.0.1") != NULL);
  /* nothing was said to it */
  fail_unless_equals_int (t->server->requests->len, 0);
  tls_fixture_free (t);
}
GST_END_TEST;

GST_START_TEST (test_authority_by_file)
{
  TlsFixture *t = tls_fixture_new ("IP:127.0.0.1", -3600, 3600);
  g_autofree gchar *directory = g_path_get_dirname (t->ca_file), *name = g_path_get_basename (t->ca_file);

  tls_fetch (t, "/token", t->ca_file, G_TLS_CERTIFICATE_VALIDATE_ALL, NULL);
  expect_answer (t->f, "wss://lk.example.com", TOKEN);
  /* a relative name is one in the working directory */
  fail_unless (g_chdir (directory) == 0);
  tls_fetch (t, "/token", name, G_TLS_CERTIFICATE_VALIDATE_ALL, NULL);
  expect_answer (t->f, "wss://lk.example.com", TOKEN);
  tls_fixture_free (t);
}
GST_END_TEST;

GST_START_TEST (test_authority_by_database)
{
  TlsFixture *t = tls_fixture_new ("IP:127.0.0.1", -3600, 3600);
  g_autoptr (GTlsDatabase) database = g_tls_file_database_new (t->ca_file, NULL);

  tls_fetch (t, "/token", NULL, G_TLS_CERTIFICATE_VALIDATE_ALL, database);
  expect_answer (t->f, "wss://lk.example.com", TOKEN);
  tls_fixture_free (t);
}
GST_END_TEST;

GST_START_TEST (test_known_authority_forgives_nothing_else)
{
  TlsFixture *wrong_name = tls_fixture_new ("DNS:other.example.com", -3600, 3600);
  TlsFixture *expired;

  tls_fetch (wrong_name, "/token", wrong_name->ca_file, G_TLS_CERTIFICATE_VALIDATE_ALL, NULL);
  expect_error (wrong_name->f, LK_ERROR_TLS, 0, TRUE, "wrong host name");
  fail_unless (strstr (wrong_name->f->error->message, "unknown authority") == NULL);
  fail_unless_equals_int (wrong_name->server->requests->len, 0);
  tls_fixture_free (wrong_name);

  expired = tls_fixture_new ("IP:127.0.0.1", -7200, -3600);
  tls_fetch (expired, "/token", expired->ca_file, G_TLS_CERTIFICATE_VALIDATE_ALL, NULL);
  expect_error (expired->f, LK_ERROR_TLS, 0, TRUE, "expired");
  fail_unless_equals_int (expired->server->requests->len, 0);
  tls_fixture_free (expired);
}
GST_END_TEST;

GST_START_TEST (test_other_authority_file)
{
  TlsFixture *other = tls_fixture_new ("IP:127.0.0.1", -3600, 3600);
  TlsFixture *t = tls_fixture_new ("IP:127.0.0.1", -3600, 3600);

  tls_fetch (t, "/token", other->ca_file, G_TLS_CERTIFICATE_VALIDATE_ALL, NULL);
  expect_error (t->f, LK_ERROR_TLS, 0, TRUE, "unknown authority");
  tls_fetch (t, "/token", "/nowhere/ca.pem", G_TLS_CERTIFICATE_VALIDATE_ALL, NULL);
  expect_error (t->f, LK_ERROR_SETTINGS, 0, TRUE, "tls-ca-file /nowhere/ca.pem");
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
  tls_fetch (t, "/token", t->ca_file, G_TLS_CERTIFICATE_VALIDATE_ALL & ~G_TLS_CERTIFICATE_BAD_IDENTITY, NULL);
  expect_answer (t->f, "wss://lk.example.com", TOKEN);
  tls_fetch (t, "/token", NULL, G_TLS_CERTIFICATE_VALIDATE_ALL & ~G_TLS_CERTIFICATE_BAD_IDENTITY, NULL);
  expect_error (t->f, LK_ERROR_TLS, 0, TRUE, "unknown authority");
  tls_fixture_free (t);
}
GST_END_TEST;

GST_START_TEST (test_no_tls_there)
{
  Fixture *f = fixture_new ();
  RawServer *raw = raw_server_new ("HTTP/1.1 400 Bad Request\r\n\r\n", FALSE);
  g_autofree gchar *url = g_strdup_printf ("https://127.0.0.1:%u/token", raw->port);
  g_autoptr (LkTokenSource) source = lk_token_source_new_url (url, NULL, NULL);

  fetch (f, source);
  expect_error (f, LK_ERROR_TLS, 0, TRUE, "https://127.0.0.1");
  raw_server_free (raw);
  fixture_free (f);
}
GST_END_TEST;

/* Somebody who hangs up in the handshake may be a server that restarts. */
GST_START_TEST (test_handshake_cut)
{
  Fixture *f = fixture_new ();
  RawServer *raw = raw_server_new ("", FALSE);
  g_autofree gchar *url = g_strdup_printf ("https://127.0.0.1:%u/token", raw->port);
  g_autoptr (LkTokenSource) source = lk_token_source_new_url (url, NULL, NULL);

  fetch (f, source);
  expect_error (f, LK_ERROR_TOKEN_SOURCE, 0, FALSE, "does not answer");
  raw_server_free (raw);
  fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_no_way_down)
{
  TlsFixture *t = tls_fixture_new ("IP:127.0.0.1", -3600, 3600);
  g_autofree gchar *plain = server_url (t->f->server, "/token");

  add_redirect (t->server, "/down", 307, plain);
  add_route (t->server, "POST", "/ws", 200, "{\"server_url\":\"ws://lk.example.com\",\"token\":\"" TOKEN "\"}");
  add_route (t->server, "POST", "/http", 200, "{\"server_url\":\"HTTP://lk.example.com\",\"token\":\"" TOKEN "\"}");
  add_route (t->server, "POST", "/trick", 200, "{\"server_url\":\"ws://localhost@a.com\",\"token\":\"" TOKEN "\"}");
  add_route (t->server, "POST", "/local", 200, "{\"server_url\":\"ws://localhost:7880\",\"token\":\"" TOKEN "\"}");
  add_route (t->server, "POST", "/local6", 200, "{\"server_url\":\"ws://[::1]:7880\",\"token\":\"" TOKEN "\"}");

  tls_fetch (t, "/down", t->ca_file, G_TLS_CERTIFICATE_VALIDATE_ALL, NULL);
  expect_error (t->f, LK_ERROR_TOKEN_SOURCE, 307, TRUE, "which is not https");
  fail_unless_equals_int (t->f->server->requests->len, 0);
  tls_fetch (t, "/ws", t->ca_file, G_TLS_CERTIFICATE_VALIDATE_ALL, NULL);
  expect_error (t->f, LK_ERROR_TOKEN_SOURCE, 200, TRUE, "ws://lk.example.com, which is not encrypted");
  tls_fetch (t, "/http", t->ca_file, G_TLS_CERTIFICATE_VALIDATE_ALL, NULL);
  expect_error (t->f, LK_ERROR_TOKEN_SOURCE, 200, TRUE, "which is not encrypted");
  tls_fetch (t, "/trick", t->ca_file, G_TLS_CERTIFICATE_VALIDATE_ALL, NULL);
  expect_error (t->f, LK_ERROR_TOKEN_SOURCE, 200, TRUE, "which is not encrypted");
  tls_fetch (t, "/local", t->ca_file, G_TLS_CERTIFICATE_VALIDATE_ALL, NULL);
  expect_answer (t->f, "ws://localhost:7880", TOKEN);
  tls_fetch (t, "/local6", t->ca_file, G_TLS_CERTIFICATE_VALIDATE_ALL, NULL);
  expect_answer (t->f, "ws://[::1]:7880", TOKEN);
  tls_fixture_free (t);
}
GST_END_TEST;

GST_START_TEST (test_way_up)
{
  TlsFixture *t = tls_fixture_new ("IP:127.0.0.1", -3600, 3600);
  g_autofree gchar *up = server_url (t->server, "/token"), *url = server_url (t->f->server, "/up");
  LkHttpSettings http = {.tls_ca_file = t->ca_file,.tls_validation_flags = G_TLS_CERTIFICATE_VALIDATE_ALL };
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
  Server *server = data;
  g_autoptr (SoupAuthDomain) domain = soup_auth_domain_basic_new ("realm", "proxy", "proxy", TRUE, NULL);

  soup_auth_domain_add_path (domain, "");
  soup_auth_domain_basic_set_auth_callback (domain, check_proxy_password, NULL, NULL);
  soup_server_add_auth_domain (server->soup, domain);
  g_async_queue_push (server->events, (gpointer) "domain");
}

static void
fetch_by_proxy (Fixture * f, const gchar * scheme, const gchar * password)
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
  Fixture *f = fixture_new ();

  add_route (f->server, "POST", "/token", 200, GOOD_ANSWER);
  fetch_by_proxy (f, "http://", NULL);
  expect_answer (f, "wss://lk.example.com", TOKEN);
  fetch_by_proxy (f, "", NULL);
  expect_answer (f, "wss://lk.example.com", TOKEN);
  fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_proxy_with_password)
{
  Fixture *f = fixture_new ();

  add_route (f->server, "POST", "/token", 200, GOOD_ANSWER);
  lk_loop_post (f->server->loop, add_proxy_domain, f->server, NULL);
  expect_server_event (f->server, "domain");
  fetch_by_proxy (f, "http://", "hunter2");
  expect_answer (f, "wss://lk.example.com", TOKEN);
  fetch_by_proxy (f, "http://", "wrong");
  expect_error (f, LK_ERROR_TOKEN_SOURCE, 407, TRUE, "HTTP 407");
  fixture_free (f);
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
check_chosen (Fixture * f, const Choice * choice, LkTokenSource * source)
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
check_choice (Fixture * f, guint i, const Choice * choice)
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
  Fixture *f = fixture_new ();
  g_autofree gchar *a = server_url (f->server, "/a"), *b = server_url (f->server, "/b");
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

  add_route (f->server, "POST", "/a", 200, GOOD_ANSWER);
  add_route (f->server, "POST", "/b", 200, GOOD_ANSWER);
  for (guint i = 0; i < G_N_ELEMENTS (choices); i++)
    check_choice (f, i, &choices[i]);
  fixture_free (f);
}
GST_END_TEST;

static Suite *
tokensource_suite (void)
{
  Suite *suite = suite_create ("tokensource");
  TCase *local = tcase_create ("local"), *forms = tcase_create ("forms"), *refusals = tcase_create ("refusals");
  TCase *silence = tcase_create ("silence"), *redirects = tcase_create ("redirects"), *input = tcase_create ("input");
  TCase *tls = tcase_create ("tls"), *proxy = tcase_create ("proxy"), *settings = tcase_create ("settings");

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

  suite_add_tcase (suite, input);
  tcase_add_test (input, test_bad_headers);
  tcase_add_test (input, test_bad_urls);
  tcase_add_test (input, test_wish_is_utf8);

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

  suite_add_tcase (suite, settings);
  tcase_add_test (settings, test_http_settings_copy);
  tcase_add_test (settings, test_loopback_hosts);
  tcase_add_test (settings, test_choose);
  return suite;
}

GST_CHECK_MAIN (tokensource);
