/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* appmain: what a program does for whoever starts and stops it: signals, and words with systemd. */

#include "appmain.h"

#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <glib-unix.h>
#include <unistd.h>

static const AppSignals *watched;
static gpointer watched_data;
static gboolean is_stopping;

static gboolean
on_stop (gpointer data)
{
  if (is_stopping)
    _exit (128 + GPOINTER_TO_INT (data));
  is_stopping = TRUE;
  watched->stop (watched_data);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_reload (gpointer data)
{
  watched->reload (watched_data);
  return G_SOURCE_CONTINUE;
}

void
app_signals_watch (const AppSignals * signals, gpointer data)
{
  watched = signals;
  watched_data = data;
  g_unix_signal_add (SIGINT, on_stop, GINT_TO_POINTER (SIGINT));
  g_unix_signal_add (SIGTERM, on_stop, GINT_TO_POINTER (SIGTERM));
  if (signals->reload != NULL)
    g_unix_signal_add (SIGHUP, on_reload, NULL);
}

void
app_notify (const gchar * state)
{
  const gchar *path = g_getenv ("NOTIFY_SOCKET");
  g_autoptr (GSocket) socket = NULL;
  g_autoptr (GSocketAddress) address = NULL;

  if (path == NULL || (*path != '/' && *path != '@'))
    return;
  socket = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_DEFAULT, NULL);
  /* a leading @ is a NUL: the abstract name space */
  address = *path == '@' ? g_unix_socket_address_new_with_type (path + 1, -1, G_UNIX_SOCKET_ADDRESS_ABSTRACT) :
      g_unix_socket_address_new (path);
  if (socket != NULL)
    g_socket_send_to (socket, address, state, strlen (state), NULL, NULL);
}
