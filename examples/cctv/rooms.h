/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rooms: asks the server which rooms have somebody in them: for webhooks that were missed.
 *
 * Main loop. */
#pragma once

#include "settings.h"

G_BEGIN_DECLS

typedef struct _CctvRooms CctvRooms;

/* @found is called for each room that is not empty. */
CctvRooms *cctv_rooms_new (CctvSettings * settings, void (*found) (const gchar * room, gpointer data), gpointer data);
void cctv_rooms_free (CctvRooms * rooms);
/* Not before the last question is answered. */
void cctv_rooms_ask (CctvRooms * rooms);

G_END_DECLS
