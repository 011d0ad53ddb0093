/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tlsserver.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <openssl/ssl.h>

struct _TlsServer
{
  GSocketListener *listener;
  SSL_CTX *context;
  GCancellable *cancellable;
  GThread *thread;
  guint port;
  gboolean echoes;
  gint is_over;                 /* atomic */
  gboolean is_handshaked;       /* these of the thread; read after its end */
  guint n_bytes;
};

static void
serve (TlsServer * server, SSL * ssl)
{
  gchar buffer[4096];
  gint n;

  server->is_handshaked = SSL_accept (ssl) == 1;
  while (server->is_handshaked && (n = SSL_read (ssl, buffer, sizeof buffer)) > 0) {
    server->n_bytes += (guint) n;
    if (!server->echoes || SSL_write (ssl, buffer, n) <= 0)
      break;
  }
}

static gpointer
run (gpointer data)
{
  TlsServer *server = data;
  GSocketConnection *connection = g_socket_listener_accept (server->listener, NULL, server->cancellable, NULL);
  SSL *ssl;

  if (connection == NULL)
    return NULL;
  /* GIO's are never blocking underneath */
  fcntl (g_socket_get_fd (g_socket_connection_get_socket (connection)), F_SETFL, 0);
  ssl = SSL_new (server->context);
  SSL_set_fd (ssl, g_socket_get_fd (g_socket_connection_get_socket (connection)));
  serve (server, ssl);
  SSL_free (ssl);
  g_object_unref (connection);
  g_atomic_int_set (&server->is_over, TRUE);
  g_main_context_wakeup (NULL);
  return NULL;
}

TlsServer *
tls_server_new (const TestCertificates * certificates, gint version, gboolean echoes)
{
  g_autoptr (GSocketAddress) any = g_inet_socket_address_new_from_string ("127.0.0.1", 0);
  g_autoptr (GSocketAddress) address = NULL;
  TlsServer *server = g_new0 (TlsServer, 1);

  server->listener = g_socket_listener_new ();
  server->context = SSL_CTX_new (TLS_server_method ());
  server->cancellable = g_cancellable_new ();
  server->echoes = echoes;
  SSL_CTX_set_security_level (server->context, 0);
  if (!SSL_CTX_set_min_proto_version (server->context, version)
      || !SSL_CTX_set_max_proto_version (server->context, version)
      || SSL_CTX_use_certificate_file (server->context, certificates->cert, SSL_FILETYPE_PEM) != 1
      || SSL_CTX_use_PrivateKey_file (server->context, certificates->key, SSL_FILETYPE_PEM) != 1
      || !g_socket_listener_add_address (server->listener, any, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL,
          &address, NULL))
    g_error ("no TLS server");
  server->port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address));
  server->thread = g_thread_new ("tlsserver", run, server);
  return server;
}

guint
tls_server_get_port (TlsServer * server)
{
  return server->port;
}

gboolean
tls_server_is_over (TlsServer * server)
{
  return g_atomic_int_get (&server->is_over);
}

gboolean
tls_server_finish (TlsServer * server, guint * n_bytes)
{
  g_clear_pointer (&server->thread, g_thread_join);
  *n_bytes = server->n_bytes;
  return server->is_handshaked;
}

void
tls_server_free (TlsServer * server)
{
  g_cancellable_cancel (server->cancellable);
  g_clear_pointer (&server->thread, g_thread_join);
  g_object_unref (server->cancellable);
  g_object_unref (server->listener);
  SSL_CTX_free (server->context);
  g_free (server);
}
