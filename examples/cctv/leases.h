/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* leases: which of the cameras are this gateway's, agreed with the others through Redis or Valkey.
 *
 * A lease is a key that runs out. Who has it renews it; who finds none takes it. Without Redis one keeps what one has,
 * and takes nothing new. A thread of its own talks with Redis; the functions are for the main thread. */
#pragma once

#include "settings.h"

G_BEGIN_DECLS

typedef struct _CctvLeases CctvLeases;

/* @changed is called on the main loop. */
CctvLeases *cctv_leases_new (const CctvSettings * settings, void (*changed) (gpointer data), gpointer data);
/* Gives all back, if Redis answers. */
void cctv_leases_free (CctvLeases * leases);
/* Which there are: strings, copied. */
void cctv_leases_set_cameras (CctvLeases * leases, GPtrArray * ids);
gboolean cctv_leases_has (CctvLeases * leases, const gchar * id);
/* It is seen that another gateway has it. */
void cctv_leases_forget (CctvLeases * leases, const gchar * id);
gboolean cctv_leases_is_connected (CctvLeases * leases);

G_END_DECLS
