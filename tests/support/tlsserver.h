/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tlsserver: one TLS connection on loopback, of a version that GIO's servers cannot be held to. */
#pragma once

#include "certificates.h"

#include <glib.h>

G_BEGIN_DECLS

typedef struct _TlsServer TlsServer;

/* @version: one of openssl's TLS1_VERSION …, the only one that it speaks. It sends back what it reads when @echoes. */
TlsServer *tls_server_new (const TestCertificates * certificates, gint version, gboolean echoes);
guint tls_server_get_port (TlsServer * server);
/* The main context is woken up when its connection has ended. */
gboolean tls_server_is_over (TlsServer * server);
/* Waits until its connection has ended, then tells whether there was a handshake, and how many bytes came after it. */
gboolean tls_server_finish (TlsServer * server, guint * n_bytes);
/* Ends also without a connection. */
void tls_server_free (TlsServer * server);

G_END_DECLS
