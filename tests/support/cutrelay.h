/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cutrelay: forwards TCP to a server on loopback, and ends a connection when so many bytes of the server have
 * passed. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _CutRelay CutRelay;

/* @by_reset: both ends see a RST, else a FIN. It has threads of its own. */
CutRelay *cut_relay_new (guint target_port, guint n_bytes, gboolean by_reset);
void cut_relay_free (CutRelay * relay);
guint cut_relay_get_port (CutRelay * relay);

G_END_DECLS
