/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkroom: the access token: fetched, checked, refreshed by the server, renewed when all that has run out. */

#include "lkroom-private.h"

#include "lkerror.h"
#include "lklog.h"

void
lk_room_take_token (LkRoom * self, const gchar * token)
{
  g_autoptr (LkTokenClaims) claims = lk_token_read (token, NULL);

  if (claims == NULL) {
    lk_warning ("room", "the server gave something that is no token; the old one is kept");
    return;
  }
  lk_token_clear (self->token);
  self->token = g_strdup (token);
  g_clear_pointer (&self->claims, lk_token_claims_free);
  self->claims = g_steal_pointer (&claims);
}

static gboolean
take_fetched_token (LkRoom * self, LkTokenAnswer * answer, GError ** error)
{
  g_autoptr (LkTokenClaims) claims = lk_token_read (answer->token, error);

  if (claims == NULL || !lk_token_check (claims, self->room_name, self->hooks.unix_s (), error)
      || !lk_token_check_grants (claims, self->needs_publish, self->needs_subscribe, error))
    return FALSE;
  lk_token_clear (self->token);
  self->token = g_steal_pointer (&answer->token);
  g_clear_pointer (&self->claims, lk_token_claims_free);
  self->claims = g_steal_pointer (&claims);
  g_free (self->token_server_url);
  self->token_server_url = g_steal_pointer (&answer->server_url);
  self->must_renew_token = FALSE;
  return TRUE;
}

void
lk_room_drop_fetch (LkRoom * self)
{
  LkRoomFetch *fetch = g_steal_pointer (&self->fetch);

  if (fetch == NULL)
    return;
  fetch->room = NULL;           /* its answer frees it */
  g_cancellable_cancel (fetch->cancellable);
}

static void
on_token_fetched (GObject * object, GAsyncResult * result, gpointer data)
{
  LkRoomFetch *fetch = data;
  LkRoom *self = fetch->room;
  g_autoptr (GError) error = NULL;
  g_autoptr (LkTokenAnswer) answer = NULL;

  answer = lk_token_source_fetch_finish (fetch->source, result, &error);
  lk_token_source_unref (fetch->source);
  g_object_unref (fetch->cancellable);
  g_free (fetch);
  if (self == NULL)
    return;
  self->fetch = NULL;
  if (answer == NULL || !take_fetched_token (self, answer, &error))
    lk_room_attempt_failed (self, error);
  else if (self->state == LK_ROOM_FETCHING_TOKEN)
    lk_room_set_state_in_loop (self, LK_ROOM_CONNECTING, NULL);
  else
    lk_room_start_connect (self);
}

void
lk_room_start_fetch (LkRoom * self)
{
  LkRoomFetch *fetch = g_new0 (LkRoomFetch, 1);
  LkTokenWish wish = { NULL, };

  wish.room = self->room_name;
  /* who comes back should be who was there */
  wish.identity = self->participant_identity != NULL ? self->participant_identity : self->identity;
  wish.name = self->name;
  wish.metadata = self->metadata;
  wish.attributes = self->attributes;
  fetch->room = self;
  fetch->source = lk_token_source_ref (self->token_source);
  fetch->cancellable = g_cancellable_new ();
  self->fetch = fetch;
  lk_token_source_fetch_async (self->token_source, &wish, fetch->cancellable, on_token_fetched, fetch);
}

gboolean
lk_room_token_is_valid (LkRoom * self)
{
  return self->claims != NULL && !self->must_renew_token
      && lk_token_check (self->claims, NULL, self->hooks.unix_s (), NULL);
}

/* A refreshed token lives ten minutes and more; when even that has run out, only the source can help. */
void
lk_room_renew_token (LkRoom * self)
{
  if (!lk_token_source_is_renewable (self->token_source)) {
    lk_room_close_with_error (self, g_error_new (LK_ERROR, LK_ERROR_UNAUTHORIZED,
            "The access token has expired, and there is no source for another"));
    return;
  }
  lk_room_start_fetch (self);
}
