/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gateway: all cameras of one configuration file, those that are this gateway's turn, and what asks about them.
 *
 * Main thread. */
#pragma once

#include "apphttp.h"
#include "settings.h"

G_BEGIN_DECLS

typedef struct _CctvGateway CctvGateway;

/* @path is read again by a reload. NULL with an error: the address is taken. */
CctvGateway *cctv_gateway_new (const gchar * path, CctvSettings * settings, GError ** error);
/* What is wrong is told, and what there was goes on. */
void cctv_gateway_reload (CctvGateway * gateway);
/* All cameras leave their rooms; then, or after ten seconds, @stopped (@data) is called, and the gateway may be
 * freed. */
void cctv_gateway_stop (CctvGateway * gateway, void (*stopped) (gpointer data), gpointer data);
/* Whether all have: else threads of GStreamer still run. */
gboolean cctv_gateway_has_ended (CctvGateway * gateway);
void cctv_gateway_free (CctvGateway * gateway);
guint cctv_gateway_get_port (CctvGateway * gateway);

G_END_DECLS
