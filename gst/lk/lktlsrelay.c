/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lktlsrelay: plain TCP on loopback to TLS elsewhere. */

#include "lktlsrelay.h"

#include "lklog.h"

/* One relay serves the allocations of one participant. */
#define MAX_CONNECTIONS 8
/* When accepting fails, as without descriptors, it would fail again at once. */
#define ACCEPT_PAUSE_MS 500

struct _LkTlsRelay
{
  gint n_refs;                  /* the owner's, and one of each operation under way; loop only */
  gchar *host;
  guint16 port, local_port;
  LkHttpSettings *settings;
  GTlsDatabase *ca_file;
  GSocketListener *listener;
  GSocketClient *client;
  GCancellable *cancellable;
  guint n_connections;
};

/* Both directions of one connection. */
typedef struct
{
  gint n_refs;
  LkTlsRelay *relay;
  GIOStream *local, *remote;
} Pipe;

static LkTlsRelay *
relay_ref (LkTlsRelay * relay)
{
  relay->n_refs++;
  return relay;
}

static void
relay_unref (LkTlsRelay * relay)
{
  if (--relay->n_refs > 0)
    return;
  g_clear_object (&relay->listener);
  g_clear_object (&relay->client);
  g_clear_object (&relay->cancellable);
  g_clear_object (&relay->ca_file);
  lk_http_settings_free (relay->settings);
  g_free (relay->host);
  g_free (relay);
}

static void
pipe_unref (Pipe * pipe)
{
  if (--pipe->n_refs > 0)
    return;
  g_io_stream_close_async (pipe->local, G_PRIORITY_DEFAULT, NULL, NULL, NULL);
  if (pipe->remote)
    g_io_stream_close_async (pipe->remote, G_PRIORITY_DEFAULT, NULL, NULL, NULL);
  pipe->relay->n_connections--;
  relay_unref (pipe->relay);
  g_object_unref (pipe->local);
  g_clear_object (&pipe->remote);
  g_free (pipe);
}

static void
on_spliced (GObject * output, GAsyncResult * result, gpointer data)
{
  g_output_stream_splice_finish (G_OUTPUT_STREAM (output), result, NULL);
  pipe_unref (data);
}

static void
splice (Pipe * pipe, GIOStream * from, GIOStream * to)
{
  pipe->n_refs++;
  g_output_stream_splice_async (g_io_stream_get_output_stream (to), g_io_stream_get_input_stream (from),
      G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET, G_PRIORITY_DEFAULT, pipe->relay->cancellable, on_spliced, pipe);
}

static gboolean
is_old_tls (GSocketConnection * connection)
{
  GIOStream *base = g_tcp_wrapper_connection_get_base_io_stream (G_TCP_WRAPPER_CONNECTION (connection));

  return lk_http_connection_is_old_tls (G_TLS_CONNECTION (base));
}

static void
on_connected (GObject * client, GAsyncResult * result, gpointer data)
{
  Pipe *pipe = data;
  g_autoptr (GError) error = NULL;
  GSocketConnection *connection = g_socket_client_connect_to_host_finish (G_SOCKET_CLIENT (client), result, &error);

  if (connection && is_old_tls (connection)) {
    lk_warning ("tlsrelay", "no TLS 1.2 or newer host=%s port=%u", pipe->relay->host, pipe->relay->port);
    g_object_unref (connection);
  } else if (connection == NULL) {
    if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
      lk_warning ("tlsrelay", "no TLS connection host=%s port=%u: %s", pipe->relay->host, pipe->relay->port,
          error->message);
  } else {
    pipe->remote = G_IO_STREAM (connection);
    splice (pipe, pipe->local, pipe->remote);
    splice (pipe, pipe->remote, pipe->local);
  }
  pipe_unref (pipe);
}

static void accept_next (LkTlsRelay * relay);

static gboolean
accept_after_pause (gpointer data)
{
  LkTlsRelay *relay = data;

  if (!g_cancellable_is_cancelled (relay->cancellable))
    accept_next (relay);
  return G_SOURCE_REMOVE;
}

static void
pause_accepting (LkTlsRelay * relay)
{
  GSource *source = g_timeout_source_new (ACCEPT_PAUSE_MS);

  g_source_set_callback (source, accept_after_pause, relay_ref (relay), (GDestroyNotify) relay_unref);
  g_source_attach (source, g_main_context_get_thread_default ());
  g_source_unref (source);
}

static void
on_accepted (GObject * listener, GAsyncResult * result, gpointer data)
{
  LkTlsRelay *relay = data;
  g_autoptr (GError) error = NULL;
  GSocketConnection *connection;
  Pipe *pipe;

  connection = g_socket_listener_accept_finish (G_SOCKET_LISTENER (listener), result, NULL, &error);
  if (connection && relay->n_connections < MAX_CONNECTIONS) {
    pipe = g_new0 (Pipe, 1);
    pipe->n_refs = 1;
    pipe->relay = relay_ref (relay);
    pipe->local = G_IO_STREAM (connection);
    relay->n_connections++;
    lk_debug ("tlsrelay", "connecting host=%s port=%u", relay->host, relay->port);
    g_socket_client_connect_to_host_async (relay->client, relay->host, relay->port, relay->cancellable, on_connected,
        pipe);
  } else {
    g_clear_object (&connection);
  }
  if (error && !g_cancellable_is_cancelled (relay->cancellable)) {
    lk_warning ("tlsrelay", "cannot accept: %s", error->message);
    pause_accepting (relay);
  } else if (!error) {
    accept_next (relay);
  }
  relay_unref (relay);
}

static void
accept_next (LkTlsRelay * relay)
{
  g_socket_listener_accept_async (relay->listener, relay->cancellable, on_accepted, relay_ref (relay));
}

static gboolean
on_accept_certificate (GTlsConnection * connection, GTlsCertificate * certificate, GTlsCertificateFlags faults,
    gpointer data)
{
  LkTlsRelay *relay = data;

  return lk_http_accept_certificate (relay->settings, relay->ca_file, relay->host, relay->port, certificate, &faults);
}

static void
on_client_event (GSocketClient * client, GSocketClientEvent event, GSocketConnectable * connectable,
    GIOStream * connection, gpointer data)
{
  LkTlsRelay *relay = data;

  if (event != G_SOCKET_CLIENT_TLS_HANDSHAKING)
    return;
  if (relay->settings->tls_database)
    g_tls_connection_set_database (G_TLS_CONNECTION (connection), relay->settings->tls_database);
  g_signal_connect (connection, "accept-certificate", G_CALLBACK (on_accept_certificate), relay);
}

static gboolean
listen_on_loopback (LkTlsRelay * relay, GError ** error)
{
  g_autoptr (GInetAddress) loopback = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  g_autoptr (GSocketAddress) any_port = g_inet_socket_address_new (loopback, 0);
  g_autoptr (GSocketAddress) bound = NULL;

  if (!g_socket_listener_add_address (relay->listener, any_port, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL,
          &bound, error))
    return FALSE;
  relay->local_port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (bound));
  return TRUE;
}

LkTlsRelay *
lk_tls_relay_new (const gchar * host, guint16 port, const LkHttpSettings * settings, GError ** error)
{
  LkTlsRelay *relay = g_new0 (LkTlsRelay, 1);

  relay->n_refs = 1;
  relay->host = g_strdup (host);
  relay->port = port;
  relay->settings = lk_http_settings_copy (settings);
  relay->listener = g_socket_listener_new ();
  relay->client = g_socket_client_new ();
  relay->cancellable = g_cancellable_new ();
  g_socket_client_set_tls (relay->client, TRUE);
  g_signal_connect (relay->client, "event", G_CALLBACK (on_client_event), relay);
  if (relay->settings->tls_ca_file && *relay->settings->tls_ca_file)
    relay->ca_file = lk_http_open_ca_file (relay->settings->tls_ca_file, error);
  if ((relay->settings->tls_ca_file && *relay->settings->tls_ca_file && relay->ca_file == NULL)
      || !listen_on_loopback (relay, error)) {
    relay_unref (relay);
    return NULL;
  }
  accept_next (relay);
  return relay;
}

void
lk_tls_relay_free (LkTlsRelay * relay)
{
  if (relay == NULL)
    return;
  g_cancellable_cancel (relay->cancellable);
  g_socket_listener_close (relay->listener);
  relay_unref (relay);
}

guint16
lk_tls_relay_get_port (LkTlsRelay * relay)
{
  return relay->local_port;
}
