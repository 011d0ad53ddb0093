/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fakerawserver: sends given bytes to whoever connects, whatever was asked. */
#include "fakeserver.h"

#include <string.h>

#define MAX_RECEIVED_BYTES (1024 * 1024)

struct _FakeRawServer
{
  /* constant after construction */
  GSocketListener *listener;
  GCancellable *cancellable;
  GThread *thread;
  GBytes *bytes;
  guint ms_per_byte;
  gboolean is_endless, keep_open;
  guint port;
  gchar *url;

  GMutex lock;
  GCond cond;
  /* under the lock from here on */
  GString *received;
  guint n_connections;
  GPtrArray *visits;            /* GThread */
};

typedef struct
{
  FakeRawServer *server;
  GSocketConnection *connection;
} Visit;

/* Also what waits for the next byte to go out. */
static gboolean
sleep_or_cancel (FakeRawServer * server, guint ms)
{
  GPollFD poll_fd;
  gint n;

  if (!g_cancellable_make_pollfd (server->cancellable, &poll_fd))
    return FALSE;
  n = g_poll (&poll_fd, 1, ms);
  g_cancellable_release_fd (server->cancellable);
  return n == 0;
}

static gboolean
send_once (FakeRawServer * server, GOutputStream * stream)
{
  gsize size, i;
  const guint8 *data = g_bytes_get_data (server->bytes, &size);

  if (server->ms_per_byte == 0)
    return g_output_stream_write_all (stream, data, size, NULL, server->cancellable, NULL);
  for (i = 0; i < size; i++) {
    if (!g_output_stream_write_all (stream, data + i, 1, NULL, server->cancellable, NULL)
        || !sleep_or_cancel (server, server->ms_per_byte))
      return FALSE;
  }
  return TRUE;
}

static void
note_received (FakeRawServer * server, const gchar * data, gsize size)
{
  gsize i;

  g_mutex_lock (&server->lock);
  for (i = 0; i < size && server->received->len < MAX_RECEIVED_BYTES; i++)
    g_string_append_c (server->received, data[i] ? data[i] : '.');
  g_cond_broadcast (&server->cond);
  g_mutex_unlock (&server->lock);
}

/* Until the other side ends. Without it, closing would be a reset that may eat what was sent. */
static void
receive_all (FakeRawServer * server, GInputStream * stream)
{
  gchar buffer[4096];
  gssize n;

  while ((n = g_input_stream_read (stream, buffer, sizeof buffer, server->cancellable, NULL)) > 0)
    note_received (server, buffer, n);
}

static gpointer
run_visit (gpointer data)
{
  Visit *visit = data;
  FakeRawServer *server = visit->server;
  GIOStream *stream = G_IO_STREAM (visit->connection);
  gboolean goes_on;

  do
    goes_on = send_once (server, g_io_stream_get_output_stream (stream));
  while (goes_on && server->is_endless);
  if (!server->keep_open)
    g_socket_shutdown (g_socket_connection_get_socket (visit->connection), FALSE, TRUE, NULL);
  receive_all (server, g_io_stream_get_input_stream (stream));
  g_io_stream_close (stream, NULL, NULL);
  g_object_unref (visit->connection);
  g_free (visit);
  return NULL;
}

static gpointer
run_listener (gpointer data)
{
  FakeRawServer *server = data;
  GSocketConnection *connection;

  while ((connection = g_socket_listener_accept (server->listener, NULL, server->cancellable, NULL))) {
    Visit *visit = g_new (Visit, 1);

    visit->server = server;
    visit->connection = connection;
    g_mutex_lock (&server->lock);
    server->n_connections++;
    g_ptr_array_add (server->visits, g_thread_new ("fakeraw", run_visit, visit));
    g_cond_broadcast (&server->cond);
    g_mutex_unlock (&server->lock);
  }
  return NULL;
}

static void
join_thread (gpointer thread)
{
  g_thread_join (thread);
}

FakeRawServer *
fake_raw_server_new_full (gconstpointer data, gsize size, guint ms_per_byte, gboolean is_endless, gboolean keep_open)
{
  FakeRawServer *server = g_new0 (FakeRawServer, 1);
  g_autoptr (GSocketAddress) any = g_inet_socket_address_new_from_string ("127.0.0.1", 0);
  g_autoptr (GSocketAddress) address = NULL;
  GError *error = NULL;

  server->bytes = g_bytes_new (data, size);
  server->ms_per_byte = ms_per_byte;
  server->is_endless = is_endless && size > 0;
  server->keep_open = keep_open;
  server->received = g_string_new (NULL);
  server->visits = g_ptr_array_new_with_free_func (join_thread);
  server->cancellable = g_cancellable_new ();
  server->listener = g_socket_listener_new ();
  g_mutex_init (&server->lock);
  g_cond_init (&server->cond);
  if (!g_socket_listener_add_address (server->listener, any, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL,
          &address, &error))
    g_error ("the raw server cannot listen: %s", error->message);
  server->port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address));
  server->url = g_strdup_printf ("ws://127.0.0.1:%u", server->port);
  server->thread = g_thread_new ("fakerawlisten", run_listener, server);
  return server;
}

FakeRawServer *
fake_raw_server_new (const gchar * bytes_to_send, gboolean keep_open)
{
  return fake_raw_server_new_full (bytes_to_send, strlen (bytes_to_send), 0, FALSE, keep_open);
}

void
fake_raw_server_free (FakeRawServer * server)
{
  if (!server)
    return;
  g_cancellable_cancel (server->cancellable);
  g_thread_join (server->thread);
  g_ptr_array_unref (server->visits);
  g_object_unref (server->listener);
  g_object_unref (server->cancellable);
  g_bytes_unref (server->bytes);
  g_string_free (server->received, TRUE);
  g_mutex_clear (&server->lock);
  g_cond_clear (&server->cond);
  g_free (server->url);
  g_free (server);
}

guint
fake_raw_server_get_port (FakeRawServer * server)
{
  return server->port;
}

const gchar *
fake_raw_server_get_url (FakeRawServer * server)
{
  return server->url;
}

guint
fake_raw_server_n_connections (FakeRawServer * server)
{
  guint n;

  g_mutex_lock (&server->lock);
  n = server->n_connections;
  g_mutex_unlock (&server->lock);
  return n;
}

gboolean
fake_raw_server_wait_connections (FakeRawServer * server, guint n, guint timeout_ms)
{
  gint64 deadline = g_get_monotonic_time () + timeout_ms * G_TIME_SPAN_MILLISECOND;
  gboolean is_reached;

  g_mutex_lock (&server->lock);
  while (!(is_reached = server->n_connections >= n)) {
    if (!g_cond_wait_until (&server->cond, &server->lock, deadline))
      break;
  }
  g_mutex_unlock (&server->lock);
  return is_reached;
}

gchar *
fake_raw_server_wait_received (FakeRawServer * server, const gchar * text, guint timeout_ms)
{
  gint64 deadline = g_get_monotonic_time () + timeout_ms * G_TIME_SPAN_MILLISECOND;
  gchar *copy = NULL;

  g_mutex_lock (&server->lock);
  while (!strstr (server->received->str, text)) {
    if (!g_cond_wait_until (&server->cond, &server->lock, deadline))
      break;
  }
  if (strstr (server->received->str, text))
    copy = g_strdup (server->received->str);
  g_mutex_unlock (&server->lock);
  return copy;
}
