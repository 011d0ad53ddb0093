/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of the small HTTP server: raw requests over sockets, answers as they come. */

#include <gst/check/gstcheck.h>

#include "apphttp.h"

typedef struct
{
  guint port;
  const gchar *request;
  gboolean is_all;              /* no more will come: it may be half of one */
  GMainLoop *loop;
  GString *answer;
} Exchange;

/* Writes the request, reads until the server closes. In a thread: the server is on the main loop. */
static gpointer
exchange (gpointer data)
{
  Exchange *e = data;
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketConnection) connection = g_socket_client_connect_to_host (client, "127.0.0.1", e->port, NULL, NULL);
  GInputStream *input = g_io_stream_get_input_stream (G_IO_STREAM (connection));
  gchar buffer[4096];
  gssize size;

  g_socket_set_timeout (g_socket_connection_get_socket (connection), 20);
  g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (connection)), e->request, strlen (e->request),
      NULL, NULL, NULL);
  if (e->is_all)
    g_socket_shutdown (g_socket_connection_get_socket (connection), FALSE, TRUE, NULL);
  while ((size = g_input_stream_read (input, buffer, sizeof buffer, NULL, NULL)) > 0)
    g_string_append_len (e->answer, buffer, size);
  g_main_loop_quit (e->loop);
  return NULL;
}

static gchar *
talk (AppHttp * http, const gchar * request, gboolean is_all)
{
  Exchange e = { app_http_get_port (http), request, is_all, g_main_loop_new (NULL, FALSE), g_string_new (NULL) };
  GThread *thread = g_thread_new ("client", exchange, &e);

  g_main_loop_run (e.loop);
  g_thread_join (thread);
  g_main_loop_unref (e.loop);
  return g_string_free (e.answer, FALSE);
}

/* What the server answers to @request, which says Connection: close. To be freed. */
static gchar *
ask (AppHttp * http, const gchar * request)
{
  return talk (http, request, FALSE);
}

static gchar *
get (AppHttp * http, const gchar * path)
{
  g_autofree gchar *request = g_strdup_printf ("GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);

  return ask (http, request);
}

static void
expect (gchar * answer, const gchar * status, const gchar * text)
{
  g_autofree gchar *line = g_strdup_printf ("HTTP/1.1 %s ", status);

  fail_unless (g_str_has_prefix (answer, line), "%s", answer);
  fail_unless (strstr (answer, text) != NULL, "%s", answer);
  g_free (answer);
}

static gboolean
is_ready (GString * why, gpointer data)
{
  if (!*(gboolean *) data)
    g_string_append (why, "not yet");
  return *(gboolean *) data;
}

static void
add_metrics (GString * text, gpointer data)
{
  g_string_append (text, "up 1\n");
}

static void
on_echo (SoupServerMessage * message, const gchar * path, GHashTable * query, gpointer data)
{
  if (app_http_allow (message, "GET, HEAD, POST"))
    app_http_answer_text (message, 200, "path=%s room=%s", path,
        query != NULL ? (gchar *) g_hash_table_lookup (query, "room") : "");
}

static AppHttp *
start (gboolean * ready)
{
  static const AppMonitor monitor = { NULL, is_ready, add_metrics };
  g_autoptr (GError) error = NULL;
  AppHttp *http = app_http_new ("127.0.0.1:0", &error);

  fail_unless (http != NULL);
  fail_unless (app_http_get_port (http) > 0);
  app_http_add_monitor (http, &monitor, ready);
  app_http_add (http, "/echo", on_echo, NULL);
  app_http_add (http, "/files/", on_echo, NULL);
  return http;
}

GST_START_TEST (test_monitor)
{
  gboolean ready = FALSE;
  g_autoptr (AppHttp) http = start (&ready);

  expect (get (http, "/health"), "200", "ok\n");
  expect (get (http, "/ready"), "503", "not yet\n");
  ready = TRUE;
  expect (get (http, "/ready"), "200", "ok\n");
  expect (get (http, "/metrics"), "200", "text/plain; version=0.0.4");
  expect (get (http, "/metrics"), "200", "\r\n\r\nup 1\n");
  expect (get (http, "/"), "404", "");
}
GST_END_TEST;

GST_START_TEST (test_routes)
{
  gboolean ready = TRUE;
  g_autoptr (AppHttp) http = start (&ready);

  expect (get (http, "/echo?room=a%20b"), "200", "path=/echo room=a b\n");
  expect (get (http, "/echo/more"), "404", "no such page\n");
  expect (get (http, "/files/a/b"), "200", "path=/files/a/b room=\n");
  expect (ask (http, "DELETE /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), "405",
      "Allow: GET, HEAD, POST\r\n");
}
GST_END_TEST;

GST_START_TEST (test_head_has_no_body)
{
  gboolean ready = TRUE;
  g_autoptr (AppHttp) http = start (&ready);
  g_autofree gchar *answer = ask (http, "HEAD /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");

  fail_unless (strstr (answer, "Content-Length: 3\r\n") != NULL, "%s", answer);
  fail_unless (g_str_has_suffix (answer, "\r\n\r\n"), "%s", answer);
}
GST_END_TEST;

GST_START_TEST (test_long_bodies_are_refused)
{
  gboolean ready = TRUE;
  g_autoptr (AppHttp) http = start (&ready);
  g_autofree gchar *body = g_strnfill (65537, 'x');
  g_autofree gchar *request = g_strconcat ("POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
      "Content-Length: 65537\r\n\r\n", body, NULL);

  expect (ask (http, request), "413", "too long\n");
  expect (ask (http, "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
          "2\r\nab\r\n0\r\n\r\n"), "413", "too long\n");
  expect (ask (http, "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab"), "200", "");
}
GST_END_TEST;

/* Whatever comes, the server stays. */
GST_START_TEST (test_broken_requests)
{
  static const gchar *const requests[] = {
    "\r\n\r\n", "GET\r\n\r\n", "GET /echo\r\n\r\n", "\x16\x03\x01\x02\xff\xfe\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "CONNECT x:80 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "GET http://other/echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "GET /echo?room=%00%ff&&=&%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "GET /files/%2e%2e/%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 99999999999999999999\r\n\r\na",
    "GET /health HTTP/1.1\r\nno colon\r\n: no name\r\nConnection: close\r\n\r\n",
  };
  gboolean ready = TRUE;
  g_autoptr (AppHttp) http = start (&ready);

  for (guint i = 0; i < G_N_ELEMENTS (requests); i++) {
    g_autofree gchar *answer = talk (http, requests[i], TRUE);

    fail_unless (*answer == '\0' || g_str_has_prefix (answer, "HTTP/1."), "%s: %s", requests[i], answer);
    expect (get (http, "/health"), "200", "ok\n");
  }
}
GST_END_TEST;

GST_START_TEST (test_long_headers_are_refused)
{
  gboolean ready = TRUE;
  g_autoptr (AppHttp) http = start (&ready);
  g_autofree gchar *value = g_strnfill (1024 * 1024, 'x');
  g_autofree gchar *request = g_strconcat ("GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: ", value,
      "\r\n\r\n", NULL);
  g_autofree gchar *answer = ask (http, request);

  fail_if (g_str_has_prefix (answer, "HTTP/1.1 200"), "%s", answer);
  expect (get (http, "/health"), "200", "ok\n");
}
GST_END_TEST;

/* Opens more connections than are taken, and closes them again. In a thread, as exchange(). */
static gpointer
crowd (gpointer data)
{
  Exchange *e = data;
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GPtrArray) connections = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < 200; i++)
    g_ptr_array_add (connections, g_socket_client_connect_to_host (client, "127.0.0.1", e->port, NULL, NULL));
  for (guint i = 0; i < connections->len; i++) {
    GSocketConnection *connection = g_ptr_array_index (connections, i);
    gchar byte;

    /* the last ones are closed at once */
    g_socket_set_timeout (g_socket_connection_get_socket (connection), 20);
    if (i >= 190 && g_input_stream_read (g_io_stream_get_input_stream (G_IO_STREAM (connection)), &byte, 1, NULL,
            NULL) == 0)
      g_string_append_c (e->answer, 'x');
  }
  g_main_loop_quit (e->loop);
  return NULL;
}

GST_START_TEST (test_too_many_connections)
{
  gboolean ready = TRUE;
  g_autoptr (AppHttp) http = start (&ready);
  Exchange e = { app_http_get_port (http), NULL, FALSE, g_main_loop_new (NULL, FALSE), g_string_new (NULL) };
  GThread *thread = g_thread_new ("crowd", crowd, &e);
  gchar *answer;

  g_main_loop_run (e.loop);
  g_thread_join (thread);
  g_main_loop_unref (e.loop);
  answer = g_string_free (e.answer, FALSE);
  fail_unless_equals_string (answer, "xxxxxxxxxx");
  g_free (answer);
  /* what they left is cleared away by and by */
  while (TRUE) {
    answer = get (http, "/health");
    if (*answer != '\0')
      break;
    g_free (answer);
  }
  expect (answer, "200", "ok\n");
}
GST_END_TEST;

GST_START_TEST (test_addresses)
{
  static const gchar *const good[] = { "127.0.0.1:80", "[::1]:80", ":80", "80", "localhost:0" };
  static const gchar *const bad[] = { "", ":", "host.example:80", "127.0.0.1", "127.0.0.1:65536", "::1:80x", "a:b" };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    fail_unless (app_http_check_address (good[i], NULL), "%s", good[i]);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    fail_if (app_http_check_address (bad[i], NULL), "%s", bad[i]);
}
GST_END_TEST;

GST_START_TEST (test_taken_port_is_told)
{
  gboolean ready = TRUE;
  g_autoptr (AppHttp) http = start (&ready);
  g_autofree gchar *listen = g_strdup_printf ("127.0.0.1:%u", app_http_get_port (http));
  g_autoptr (GError) error = NULL;

  fail_unless (app_http_new (listen, &error) == NULL);
  fail_unless (strstr (error->message, listen) != NULL, "%s", error->message);
}
GST_END_TEST;

static Suite *
http_suite (void)
{
  Suite *suite = suite_create ("programs-http");
  TCase *http = tcase_create ("http");

  suite_add_tcase (suite, http);
  tcase_add_test (http, test_monitor);
  tcase_add_test (http, test_routes);
  tcase_add_test (http, test_head_has_no_body);
  tcase_add_test (http, test_long_bodies_are_refused);
  tcase_add_test (http, test_broken_requests);
  tcase_add_test (http, test_long_headers_are_refused);
  tcase_set_timeout (http, 60);
  tcase_add_test (http, test_too_many_connections);
  tcase_add_test (http, test_addresses);
  tcase_add_test (http, test_taken_port_is_told);
  return suite;
}

GST_CHECK_MAIN (http);
