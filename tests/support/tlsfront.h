/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tlsfront: TLS in front of a plain server on loopback. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _TlsFront TlsFront;

/* Listens on loopback at @port (0: any) in the thread-default context, and goes on to @target_port without TLS. All
 * functions in that context's thread. */
TlsFront *tls_front_new (GTlsCertificate * certificate, guint port, guint target_port, GError ** error);
guint tls_front_get_port (TlsFront * front);
/* Ends all connections; iterate the context once more afterwards. */
void tls_front_free (TlsFront * front);

G_END_DECLS
