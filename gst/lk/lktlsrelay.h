/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lktlsrelay: a TCP port on loopback, each of whose connections goes on over TLS to one host.
 *
 * For TURN over TLS: libnice knows turns: URIs but speaks plain TCP to them. One GMainContext (the room loop). */
#pragma once

#include "lkhttp.h"

G_BEGIN_DECLS

typedef struct _LkTlsRelay LkTlsRelay;

/* NULL with a G_IO_ERROR or LK_ERROR_SETTINGS. The certificate of @host is checked as @settings say. */
LkTlsRelay *lk_tls_relay_new (const gchar * host, guint16 port, const LkHttpSettings * settings, GError ** error);
/* Closes the port and all connections. */
void lk_tls_relay_free (LkTlsRelay * relay);
guint16 lk_tls_relay_get_port (LkTlsRelay * relay);

G_END_DECLS
