/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* appserver: where the LiveKit server is, and how one gets in: by the settings LIVEKIT_SERVER and TOKEN_SERVER, or
 * keys. */
#pragma once

#include <glib-object.h>

#include "appkeys.h"

G_BEGIN_DECLS

typedef struct
{
  gchar *url, *token_url;       /* token_url is NULL when there are keys */
  AppKeys *keys;                /* or NULL */
} AppServer;

/* Of use only if no problems are added. */
AppServer *app_server_read (AppSettings * settings, AppProblems * problems);
void app_server_free (AppServer * server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AppServer, app_server_free)

/* The properties of livekitsink or livekitsrc. */
void app_server_set_up (const AppServer * server, GObject * element);

G_END_DECLS
