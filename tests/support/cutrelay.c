/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cutrelay: one thread for each direction of each connection. */

#include "cutrelay.h"

#include <gio/gio.h>
#include <string.h>
#include <sys/socket.h>

struct _CutRelay
{
  /* constant after construction */
  GSocketListener *listener;
  GCancellable *cancellable;
  GThread *thread;
  guint port, target_port, n_bytes;
  gboolean by_reset;
  /* the thread's; joined after it */
  GPtrArray *visits;            /* GThread */
};

typedef struct
{
  CutRelay *relay;
  GSocketConnection *client;
} Visit;

static void
cut (CutRelay * relay, GSocketConnection * connection)
{
  GSocket *socket = g_socket_connection_get_socket (connection);
  struct linger at_once = { 1, 0 };

  if (relay->by_reset)
    setsockopt (g_socket_get_fd (socket), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  else
    g_socket_shutdown (socket, TRUE, TRUE, NULL);
}

typedef struct
{
  CutRelay *relay;
  GSocketConnection *from, *to;
} Way;

/* To the server; ends with either end. */
static gpointer
forward (gpointer data)
{
  Way *way = data;
  GInputStream *in = g_io_stream_get_input_stream (G_IO_STREAM (way->from));
  GOutputStream *out = g_io_stream_get_output_stream (G_IO_STREAM (way->to));
  gchar buffer[4096];
  gssize n;

  while ((n = g_input_stream_read (in, buffer, sizeof buffer, way->relay->cancellable, NULL)) > 0) {
    if (!g_output_stream_write_all (out, buffer, (gsize) n, NULL, way->relay->cancellable, NULL))
      break;
  }
  g_socket_shutdown (g_socket_connection_get_socket (way->to), TRUE, TRUE, NULL);
  return NULL;
}

static void
forward_back (Way * way)
{
  GInputStream *in = g_io_stream_get_input_stream (G_IO_STREAM (way->from));
  GOutputStream *out = g_io_stream_get_output_stream (G_IO_STREAM (way->to));
  guint rest = way->relay->n_bytes;
  gchar buffer[4096];

  while (rest > 0) {
    gssize n = g_input_stream_read (in, buffer, MIN (rest, sizeof buffer), way->relay->cancellable, NULL);

    if (n <= 0 || !g_output_stream_write_all (out, buffer, (gsize) n, NULL, way->relay->cancellable, NULL))
      return;
    rest -= (guint) n;
  }
}

static void
serve (CutRelay * relay, GSocketConnection * client)
{
  g_autoptr (GSocketClient) connector = g_socket_client_new ();
  g_autoptr (GSocketConnection) server = NULL;
  Way there, back;
  GThread *thread;

  server = g_socket_client_connect_to_host (connector, "127.0.0.1", (guint16) relay->target_port, relay->cancellable,
      NULL);
  if (server == NULL)
    return;
  there = (Way) { relay, client, server };
  back = (Way) { relay, server, client };
  thread = g_thread_new ("cutrelay", forward, &there);
  forward_back (&back);
  cut (relay, client);
  cut (relay, server);
  /* a reset comes with the close, for which nobody may be reading */
  g_socket_shutdown (g_socket_connection_get_socket (server), TRUE, TRUE, NULL);
  if (relay->by_reset)
    g_socket_shutdown (g_socket_connection_get_socket (client), TRUE, FALSE, NULL);
  g_thread_join (thread);
  g_io_stream_close (G_IO_STREAM (client), NULL, NULL);
  g_io_stream_close (G_IO_STREAM (server), NULL, NULL);
}

static gpointer
run_visit (gpointer data)
{
  Visit *visit = data;

  serve (visit->relay, visit->client);
  g_object_unref (visit->client);
  g_free (visit);
  return NULL;
}

static gpointer
run_listener (gpointer data)
{
  CutRelay *relay = data;
  GSocketConnection *client;

  while ((client = g_socket_listener_accept (relay->listener, NULL, relay->cancellable, NULL)) != NULL) {
    Visit *visit = g_new (Visit, 1);

    visit->relay = relay;
    visit->client = client;
    g_ptr_array_add (relay->visits, g_thread_new ("cutrelay", run_visit, visit));
  }
  return NULL;
}

static void
join_thread (gpointer thread)
{
  g_thread_join (thread);
}

CutRelay *
cut_relay_new (guint target_port, guint n_bytes, gboolean by_reset)
{
  CutRelay *relay = g_new0 (CutRelay, 1);
  g_autoptr (GSocketAddress) any = g_inet_socket_address_new_from_string ("127.0.0.1", 0);
  g_autoptr (GSocketAddress) address = NULL;
  GError *error = NULL;

  relay->target_port = target_port;
  relay->n_bytes = n_bytes;
  relay->by_reset = by_reset;
  relay->visits = g_ptr_array_new_with_free_func (join_thread);
  relay->cancellable = g_cancellable_new ();
  relay->listener = g_socket_listener_new ();
  if (!g_socket_listener_add_address (relay->listener, any, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL, &address,
          &error))
    g_error ("the relay cannot listen: %s", error->message);
  relay->port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address));
  relay->thread = g_thread_new ("cutrelaylisten", run_listener, relay);
  return relay;
}

void
cut_relay_free (CutRelay * relay)
{
  g_cancellable_cancel (relay->cancellable);
  g_thread_join (relay->thread);
  g_ptr_array_unref (relay->visits);
  g_object_unref (relay->listener);
  g_object_unref (relay->cancellable);
  g_free (relay);
}

guint
cut_relay_get_port (CutRelay * relay)
{
  return relay->port;
}
