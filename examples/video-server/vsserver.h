/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vsserver: the room, the pipelines, and what they have to do with each other. On the main loop. */
#pragma once

#include "vsconfig.h"

G_BEGIN_DECLS

typedef struct _VsServer VsServer;

VsServer *vs_server_new (const VsConfig * config);
void vs_server_free (VsServer * server);        /* only when it has ended */
void vs_server_start (VsServer * server);
/* Completes recordings, then leaves the room and calls @done; after some seconds also when something does not end. */
void vs_server_stop (VsServer * server, void (*done) (gpointer data), gpointer data);
gboolean vs_server_has_ended (VsServer * server);

/* For AppMonitor: ready is who is in the room and has no broken pipeline. */
gboolean vs_server_is_ready (GString * why, gpointer server);
void vs_server_add_metrics (GString * text, gpointer server);

G_END_DECLS
