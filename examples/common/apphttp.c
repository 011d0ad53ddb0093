/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* apphttp: a small HTTP server on libsoup's, on the main loop: paths with handlers, health and metrics. */

#include "apphttp.h"

#include <string.h>

#define MAX_BODY_BYTES (64 * 1024)
/* libsoup's own listener takes any number, for any time, and is deaf for ever after one that the limit of open files
 * did not allow. */
#define MAX_CONNECTIONS 128
#define MAX_SILENCE_S 30

struct _AppHttp
{
  SoupServer *server;
  GSocketService *service;
  gint *n_connections;          /* atomic, and an atomic_rc_box: connections may live longer */
  guint port;
  const AppMonitor *monitor;
  gpointer monitor_data;
};

typedef struct
{
  gchar *path;
  AppHttpHandler handler;
  gpointer data;
} Route;

static void
route_free (gpointer data)
{
  Route *route = data;

  g_free (route->path);
  g_free (route);
}

/* The address of @listen, any address for ":port"; NULL with an error. */
static GSocketAddress *
parse_address (const gchar * listen, GError ** error)
{
  const gchar *colon = strrchr (listen, ':');
  g_autofree gchar *host = colon != NULL ? g_strndup (listen, (gsize) (colon - listen)) : g_strdup ("127.0.0.1");
  gsize length = strlen (host);
  GSocketAddress *address = NULL;
  guint64 port;

  if (g_ascii_string_to_unsigned (colon != NULL ? colon + 1 : listen, 10, 0, 65535, &port, NULL)) {
    if (length > 2 && host[0] == '[' && host[length - 1] == ']') {
      memmove (host, host + 1, length - 2);
      host[length - 2] = '\0';
    }
    if (*host == '\0')
      address = g_inet_socket_address_new_from_string ("0.0.0.0", (guint) port);
    else
      address = g_inet_socket_address_new_from_string (g_strcmp0 (host, "localhost") == 0 ? "127.0.0.1" : host,
          (guint) port);
  }
  if (address == NULL)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
        "\"%s\" is no address to listen on: ADDRESS:PORT, :PORT or PORT is expected", listen);
  return address;
}

gboolean
app_http_check_address (const gchar * listen, GError ** error)
{
  g_autoptr (GSocketAddress) address = parse_address (listen, error);

  return address != NULL;
}

const gchar *
app_http_read_address (AppSettings * settings, const gchar * name, const gchar * fallback, AppProblems * problems)
{
  const gchar *listen = app_settings_get (settings, name);
  g_autoptr (GError) error = NULL;

  if (listen != NULL && !app_http_check_address (listen, &error))
    app_settings_add_problem (settings, name, problems, "%s", error->message);
  return listen != NULL ? listen : fallback;
}

/* Runs when the headers are there: libsoup itself keeps a body of any length. One that is too long, or does not say
 * how long it is, is read and forgotten; the answer comes behind it. */
static void
on_early_request (SoupServer * server, SoupServerMessage * message, const char *path, GHashTable * query, gpointer data)
{
  SoupMessageHeaders *headers = soup_server_message_get_request_headers (message);
  SoupEncoding encoding = soup_message_headers_get_encoding (headers);

  if (encoding != SOUP_ENCODING_CHUNKED && (encoding != SOUP_ENCODING_CONTENT_LENGTH
          || soup_message_headers_get_content_length (headers) <= MAX_BODY_BYTES))
    return;
  soup_message_body_set_accumulate (soup_server_message_get_request_body (message), FALSE);
  app_http_answer_text (message, SOUP_STATUS_REQUEST_ENTITY_TOO_LARGE, "too long");
}

static void
on_unknown_path (SoupServer * server, SoupServerMessage * message, const char *path, GHashTable * query, gpointer data)
{
  app_http_answer_text (message, SOUP_STATUS_NOT_FOUND, "no such page");
}

static void
on_connection_gone (gpointer data, GObject * connection)
{
  gint *n_connections = data;

  g_atomic_int_add (n_connections, -1);
  g_atomic_rc_box_release (n_connections);
}

/* One too many is closed. */
static gboolean
on_incoming (GSocketService * service, GSocketConnection * connection, GObject * source, gpointer data)
{
  AppHttp *http = data;
  g_autoptr (GSocketAddress) local = g_socket_connection_get_local_address (connection, NULL);
  g_autoptr (GSocketAddress) remote = g_socket_connection_get_remote_address (connection, NULL);

  if (g_atomic_int_get (http->n_connections) >= MAX_CONNECTIONS)
    return TRUE;
  g_atomic_int_inc (http->n_connections);
  g_object_weak_ref (G_OBJECT (connection), on_connection_gone, g_atomic_rc_box_acquire (http->n_connections));
  g_socket_set_timeout (g_socket_connection_get_socket (connection), MAX_SILENCE_S);
  soup_server_accept_iostream (http->server, G_IO_STREAM (connection), local, remote, NULL);
  return TRUE;
}

AppHttp *
app_http_new (const gchar * listen, GError ** error)
{
  g_autoptr (GSocketAddress) address = parse_address (listen, error), effective = NULL;
  g_autoptr (AppHttp) http = NULL;
  g_autoptr (GError) cause = NULL;

  if (address == NULL)
    return NULL;
  http = g_new0 (AppHttp, 1);
  http->n_connections = g_atomic_rc_box_new0 (gint);
  http->server = soup_server_new ("server-header", "gst-livekit", NULL);
  soup_server_add_handler (http->server, NULL, on_unknown_path, NULL, NULL);
  soup_server_add_early_handler (http->server, NULL, on_early_request, NULL, NULL);
  http->service = g_socket_service_new ();
  g_socket_listener_set_backlog (G_SOCKET_LISTENER (http->service), MAX_CONNECTIONS);
  g_signal_connect (http->service, "incoming", G_CALLBACK (on_incoming), http);
  if (!g_socket_listener_add_address (G_SOCKET_LISTENER (http->service), address, G_SOCKET_TYPE_STREAM,
          G_SOCKET_PROTOCOL_TCP, NULL, &effective, &cause)) {
    g_set_error (error, cause->domain, cause->code, "cannot listen on %s: %s", listen, cause->message);
    return NULL;
  }
  http->port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (effective));
  return g_steal_pointer (&http);
}

void
app_http_free (AppHttp * http)
{
  if (http == NULL)
    return;
  g_signal_handlers_disconnect_by_data (http->service, http);
  g_socket_service_stop (http->service);
  g_socket_listener_close (G_SOCKET_LISTENER (http->service));
  g_object_unref (http->service);
  soup_server_disconnect (http->server);
  g_object_unref (http->server);
  g_atomic_rc_box_release (http->n_connections);
  g_free (http);
}

guint
app_http_get_port (AppHttp * http)
{
  return http->port;
}

static void
on_request (SoupServer * server, SoupServerMessage * message, const char *path, GHashTable * query, gpointer data)
{
  Route *route = data;
  gsize length = strlen (route->path);
  gboolean is_folder = length > 0 && route->path[length - 1] == '/';

  if (is_folder ? !g_str_has_prefix (path, route->path) : strcmp (path, route->path) != 0)
    app_http_answer_text (message, SOUP_STATUS_NOT_FOUND, "no such page");
  else
    route->handler (message, path, query, route->data);
}

void
app_http_add (AppHttp * http, const gchar * path, AppHttpHandler handler, gpointer data)
{
  Route *route = g_new0 (Route, 1);

  route->path = g_strdup (path);
  route->handler = handler;
  route->data = data;
  soup_server_add_handler (http->server, path, on_request, route, route_free);
  soup_server_add_early_handler (http->server, path, on_early_request, NULL, NULL);
}

void
app_http_answer (SoupServerMessage * message, guint status, const gchar * type, const gchar * text, gssize size)
{
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (message);
  gsize length = size < 0 ? strlen (text) : (gsize) size;

  soup_server_message_set_status (message, status, NULL);
  soup_message_headers_replace (headers, "X-Content-Type-Options", "nosniff");
  soup_message_headers_replace (headers, "Cache-Control", "no-store");
  if (soup_server_message_get_method (message) == SOUP_METHOD_HEAD) {
    soup_message_headers_set_content_type (headers, type, NULL);
    soup_message_headers_set_content_length (headers, (goffset) length);
  } else {
    soup_server_message_set_response (message, type, SOUP_MEMORY_COPY, text, length);
  }
}

void
app_http_answer_text (SoupServerMessage * message, guint status, const gchar * format, ...)
{
  g_autofree gchar *text = NULL, *line = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  line = g_strconcat (text, "\n", NULL);
  app_http_answer (message, status, "text/plain; charset=utf-8", line, -1);
}

gboolean
app_http_allow (SoupServerMessage * message, const gchar * methods)
{
  g_auto (GStrv) names = g_strsplit (methods, ", ", -1);

  if (g_strv_contains ((const gchar * const *) names, soup_server_message_get_method (message)))
    return TRUE;
  soup_message_headers_replace (soup_server_message_get_response_headers (message), "Allow", methods);
  app_http_answer_text (message, SOUP_STATUS_METHOD_NOT_ALLOWED, "only %s here", methods);
  return FALSE;
}

static void
answer_check (SoupServerMessage * message, gboolean (*check) (GString * why, gpointer data), gpointer data)
{
  g_autoptr (GString) why = g_string_new (NULL);

  if (!app_http_allow (message, "GET, HEAD"))
    return;
  if (check == NULL || check (why, data))
    app_http_answer_text (message, SOUP_STATUS_OK, "ok");
  else
    app_http_answer_text (message, SOUP_STATUS_SERVICE_UNAVAILABLE, "%s", why->str);
}

static void
on_health (SoupServerMessage * message, const gchar * path, GHashTable * query, gpointer data)
{
  AppHttp *http = data;

  answer_check (message, http->monitor->is_healthy, http->monitor_data);
}

static void
on_ready (SoupServerMessage * message, const gchar * path, GHashTable * query, gpointer data)
{
  AppHttp *http = data;

  answer_check (message, http->monitor->is_ready, http->monitor_data);
}

static void
on_metrics (SoupServerMessage * message, const gchar * path, GHashTable * query, gpointer data)
{
  AppHttp *http = data;
  g_autoptr (GString) text = g_string_new (NULL);

  if (!app_http_allow (message, "GET, HEAD"))
    return;
  http->monitor->add_metrics (text, http->monitor_data);
  app_http_answer (message, SOUP_STATUS_OK, "text/plain; version=0.0.4; charset=utf-8", text->str, (gssize) text->len);
}

void
app_http_add_monitor (AppHttp * http, const AppMonitor * monitor, gpointer data)
{
  http->monitor = monitor;
  http->monitor_data = data;
  app_http_add (http, "/health", on_health, http);
  app_http_add (http, "/ready", on_ready, http);
  app_http_add (http, "/metrics", on_metrics, http);
}
