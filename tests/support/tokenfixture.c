/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tokenfixture: the server on a loop of its own, the client on the context of the test. */

#include "tokenfixture.h"

#include <gst/check/gstcheck.h>
#include <string.h>

#include "lklog.h"

#define DEADLINE_US (20 * G_USEC_PER_SEC)

/* The server: what it answers by path, what it was asked */

static void
route_free (gpointer data)
{
  TokenRoute *route = data;

  g_free (route->path);
  g_free (route->location);
  g_bytes_unref (route->body);
  g_free (route);
}

static void
request_free (gpointer data)
{
  TokenRequest *request = data;

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
record_request (TokenServer * server, SoupServerMessage * message)
{
  SoupMessageHeaders *headers = soup_server_message_get_request_headers (message);
  g_autoptr (GBytes) body = soup_message_body_flatten (soup_server_message_get_request_body (message));
  TokenRequest *request = g_new0 (TokenRequest, 1);
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

static TokenRoute *
find_route (TokenServer * server, const gchar * method, const gchar * path)
{
  for (guint i = 0; i < server->routes->len; i++) {
    TokenRoute *route = g_ptr_array_index (server->routes, i);

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
  TokenServer *server = data;
  TokenRoute *route = find_route (server, soup_server_message_get_method (message), path);
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
  TokenServer *server = data;
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
  TokenServer *server = data;

  g_clear_pointer (&server->front, tls_front_free);
  soup_server_disconnect (server->soup);
  g_clear_object (&server->soup);
}

void
expect_server_event (TokenServer * server, const gchar * name)
{
  fail_unless_equals_string (g_async_queue_timeout_pop (server->events, DEADLINE_US), name);
}

TokenServer *
token_server_new (GTlsCertificate * certificate)
{
  TokenServer *server = g_new0 (TokenServer, 1);

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

void
token_server_free (TokenServer * server)
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

TokenRoute *
add_route (TokenServer * server, const gchar * method, const gchar * path, guint status, const gchar * body)
{
  TokenRoute *route = g_new0 (TokenRoute, 1);

  route->method = method;
  route->path = g_strdup (path);
  route->status = status;
  route->body = g_bytes_new (body, strlen (body));
  g_ptr_array_add (server->routes, route);
  return route;
}

void
add_redirect (TokenServer * server, const gchar * path, guint status, const gchar * location)
{
  add_route (server, NULL, path, status, "<html>elsewhere</html>")->location = g_strdup (location);
}

gchar *
token_server_url (TokenServer * server, const gchar * path)
{
  return g_strdup_printf ("%s://127.0.0.1:%u%s", server->certificate != NULL ? "https" : "http", server->port, path);
}

TokenRequest *
get_request (TokenServer * server, guint i)
{
  fail_unless (i < server->requests->len, "request %u of %u", i, server->requests->len);
  return g_ptr_array_index (server->requests, i);
}

gchar *
token_raw_url (FakeRawServer * raw, const gchar * scheme)
{
  return g_strdup_printf ("%s://127.0.0.1:%u/token", scheme, fake_raw_server_get_port (raw));
}

/* The client's side */

static GMutex log_lock;

static void
on_log (LkLogLevel level, const gchar * file, const gchar * function, gint line_number, const gchar * object,
    const gchar * line, gpointer data)
{
  g_mutex_lock (&log_lock);
  g_string_append_printf (data, "%s: %s\n", object, line);
  g_mutex_unlock (&log_lock);
}

TokenFixture *
token_fixture_new (void)
{
  TokenFixture *f = g_new0 (TokenFixture, 1);

  f->context = g_main_context_new ();
  g_main_context_push_thread_default (f->context);
  f->log = g_string_new (NULL);
  lk_log_set_sink (on_log, f->log);
  f->server = token_server_new (NULL);
  return f;
}

/* T28, T34: nothing secret in any line of the log. */
static void
check_log (TokenFixture * f)
{
  static const gchar *const secrets[] = {
    "eyJ", "UiHoww", HEADER_SECRET, "hunter2", "s3cret", "\r",
  };

  for (guint i = 0; i < G_N_ELEMENTS (secrets); i++)
    fail_unless (strstr (f->log->str, secrets[i]) == NULL, "'%s' in the log:\n%s", secrets[i], f->log->str);
}

static void
clear_result (TokenFixture * f)
{
  g_clear_pointer (&f->answer, lk_token_answer_free);
  g_clear_error (&f->error);
  f->is_done = FALSE;
}

void
token_fixture_free (TokenFixture * f)
{
  clear_result (f);
  while (g_main_context_iteration (f->context, FALSE));
  token_server_free (f->server);
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
  TokenFixture *f = data;

  fail_if (f->is_done);
  f->answer = lk_token_source_fetch_finish (NULL, result, &f->error);
  fail_unless ((f->answer == NULL) != (f->error == NULL));
  f->is_done = TRUE;
}

void
start_fetch (TokenFixture * f, LkTokenSource * source, const LkTokenWish * wish)
{
  clear_result (f);
  lk_token_source_fetch_async (source, wish, f->cancellable, on_fetched, f);
  /* never from inside the call */
  fail_if (f->is_done);
}

void
finish_fetch (TokenFixture * f)
{
  while (!f->is_done)
    g_main_context_iteration (f->context, TRUE);
}

const LkTokenWish lab_wish = {.room = "lab",.identity = "alice" };

void
fetch (TokenFixture * f, LkTokenSource * source)
{
  start_fetch (f, source, &lab_wish);
  finish_fetch (f);
}

LkTokenSource *
source_at (TokenFixture * f, const gchar * path)
{
  g_autofree gchar *url = token_server_url (f->server, path);

  return lk_token_source_new_url (url, NULL, NULL);
}

void
fetch_path (TokenFixture * f, const gchar * path)
{
  g_autoptr (LkTokenSource) source = source_at (f, path);

  fetch (f, source);
}

void
expect_answer (TokenFixture * f, const gchar * url, const gchar * token)
{
  fail_unless (f->answer != NULL, "%s", f->error != NULL ? f->error->message : "");
  fail_unless_equals_string (f->answer->server_url, url);
  fail_unless_equals_string (f->answer->token, token);
}

void
expect_no_answer (TokenFixture * f, LkError code, guint http_status, gboolean is_final, const gchar * words)
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

GHashTable *
make_headers (const gchar * name, const gchar * value)
{
  GHashTable *headers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);

  g_hash_table_insert (headers, g_strdup (name), g_strdup (value));
  return headers;
}
