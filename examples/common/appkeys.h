/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* appkeys: the server's API key and secret, and the tokens that are made with them. */
#pragma once

#include "appsettings.h"

G_BEGIN_DECLS

typedef struct
{
  gchar *key, *secret;
} AppKeys;

typedef enum
{
  APP_MAY_PUBLISH = 1 << 0,
  APP_MAY_SUBSCRIBE = 1 << 1,
  APP_MAY_SEND_DATA = 1 << 2,
} AppGrants;

/* From LIVEKIT_API_KEY and LIVEKIT_API_SECRET, API_KEY and API_SECRET, or the file KEY_FILE, which is LiveKit's
 * ("key: secret", the first one is taken, and nobody but its owner and group may read it). NULL when there are none;
 * half of them, two ways at once, or a file that cannot be used are problems. */
AppKeys *app_keys_read (AppSettings * settings, AppProblems * problems);
/* Those of such a file; NULL with a problem. @place is where the file is named. */
AppKeys *app_keys_load (const gchar * path, const gchar * place, AppProblems * problems);
void app_keys_free (AppKeys * keys);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AppKeys, app_keys_free)

/* A token for @valid_s seconds from now; @name may be NULL. To be freed with lk_token_clear(). */
gchar *app_keys_mint (const AppKeys * keys, const gchar * room, const gchar * identity, const gchar * name,
    AppGrants grants, guint valid_s, GError ** error);

G_END_DECLS
