/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * SoupServer does TLS by itself, but a connection that is dropped during its handshake is freed while GIO still holds
 * it as user data (libsoup 3.6.5: a critical, then a crash). Tests refuse certificates all the time, so TLS ends
 * here. */
#include "tlsfront.h"

struct _TlsFront
{
  GSocketService *service;
  GTlsCertificate *certificate;
  GCancellable *cancellable;
  guint port, target_port;
};

typedef struct
{
  GCancellable *cancellable;
  GIOStream *tls;
  guint target_port;
} Connection;

static void
connection_free (Connection * connection)
{
  g_object_unref (connection->cancellable);
  g_object_unref (connection->tls);
  g_free (connection);
}

static void
on_spliced (GObject * source, GAsyncResult * result, gpointer data)
{
  g_io_stream_splice_finish (result, NULL);
}

static void
on_connected (GObject * client, GAsyncResult * result, gpointer data)
{
  Connection *connection = data;
  g_autoptr (GSocketConnection) plain = g_socket_client_connect_to_host_finish (G_SOCKET_CLIENT (client), result, NULL);

  if (plain != NULL)
    g_io_stream_splice_async (connection->tls, G_IO_STREAM (plain),
        G_IO_STREAM_SPLICE_CLOSE_STREAM1 | G_IO_STREAM_SPLICE_CLOSE_STREAM2, G_PRIORITY_DEFAULT,
        connection->cancellable, on_spliced, NULL);
  connection_free (connection);
}

static void
on_handshake (GObject * tls, GAsyncResult * result, gpointer data)
{
  Connection *connection = data;
  g_autoptr (GSocketClient) client = NULL;

  if (!g_tls_connection_handshake_finish (G_TLS_CONNECTION (tls), result, NULL)) {
    connection_free (connection);
    return;
  }
  client = g_socket_client_new ();
  g_socket_client_set_enable_proxy (client, FALSE);
  g_socket_client_connect_to_host_async (client, "127.0.0.1", (guint16) connection->target_port,
      connection->cancellable, on_connected, connection);
}

static gboolean
on_incoming (GSocketService * service, GSocketConnection * socket, GObject * source, TlsFront * front)
{
  GIOStream *tls = g_tls_server_connection_new (G_IO_STREAM (socket), front->certificate, NULL);
  Connection *connection;

  if (tls == NULL)
    return TRUE;
  /* plain HTTP ends without a goodbye, too */
  g_tls_connection_set_require_close_notify (G_TLS_CONNECTION (tls), FALSE);
  connection = g_new0 (Connection, 1);
  connection->tls = tls;
  connection->cancellable = g_object_ref (front->cancellable);
  connection->target_port = front->target_port;
  g_tls_connection_handshake_async (G_TLS_CONNECTION (tls), G_PRIORITY_DEFAULT, front->cancellable, on_handshake,
      connection);
  return TRUE;
}

TlsFront *
tls_front_new (GTlsCertificate * certificate, guint port, guint target_port, GError ** error)
{
  TlsFront *front = g_new0 (TlsFront, 1);
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new_from_string ("127.0.0.1", port);
  g_autoptr (GSocketAddress) effective = NULL;

  front->service = g_socket_service_new ();
  front->certificate = g_object_ref (certificate);
  front->cancellable = g_cancellable_new ();
  front->target_port = target_port;
  if (!g_socket_listener_add_address (G_SOCKET_LISTENER (front->service), address, G_SOCKET_TYPE_STREAM,
          G_SOCKET_PROTOCOL_TCP, NULL, &effective, error)) {
    tls_front_free (front);
    return NULL;
  }
  front->port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (effective));
  g_signal_connect (front->service, "incoming", G_CALLBACK (on_incoming), front);
  return front;
}

guint
tls_front_get_port (TlsFront * front)
{
  return front->port;
}

void
tls_front_free (TlsFront * front)
{
  if (front == NULL)
    return;
  g_cancellable_cancel (front->cancellable);
  g_signal_handlers_disconnect_by_data (front->service, front);
  g_socket_service_stop (front->service);
  g_socket_listener_close (G_SOCKET_LISTENER (front->service));
  g_object_unref (front->service);
  g_object_unref (front->certificate);
  g_object_unref (front->cancellable);
  g_free (front);
}
