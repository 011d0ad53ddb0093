/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lktokensource: "server URL and token, please", from a literal, a key and secret, or a token URL. */

#include "lktokensource-private.h"

#include "lklog.h"
#include "lktoken.h"

#include <libsoup/soup.h>
#include <string.h>

#define DEFAULT_TIMEOUT_MS 10000
/* as LiveKit's server SDKs */
#define KEY_TOKEN_VALID_S (6 * 60 * 60)

static gboolean
is_empty (const gchar * text)
{
  return text == NULL || *text == '\0';
}

/* Sources */

static LkTokenSource *
source_new (LkTokenSourceKind kind)
{
  LkTokenSource *self = g_new0 (LkTokenSource, 1);

  self->n_refs = 1;
  self->kind = kind;
  self->timeout_ms = DEFAULT_TIMEOUT_MS;
  return self;
}

LkTokenSource *
lk_token_source_new_literal (const gchar * token)
{
  LkTokenSource *self = source_new (LK_TOKEN_SOURCE_LITERAL);

  self->token = g_strdup (token);
  return self;
}

LkTokenSource *
lk_token_source_new_key (const gchar * api_key, const gchar * api_secret)
{
  LkTokenSource *self = source_new (LK_TOKEN_SOURCE_KEY);

  self->api_key = g_strdup (api_key);
  self->api_secret = g_strdup (api_secret);
  return self;
}

/* Values may be "Bearer …" and the like. */
static void
clear_secret (gpointer data)
{
  lk_token_clear (data);
}

GHashTable *
lk_token_source_copy_strings (GHashTable * table, GDestroyNotify free_value)
{
  GHashTable *copy;
  GHashTableIter iter;
  gpointer key, value;

  if (table == NULL)
    return NULL;
  copy = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, free_value);
  g_hash_table_iter_init (&iter, table);
  while (g_hash_table_iter_next (&iter, &key, &value))
    g_hash_table_insert (copy, g_strdup (key), g_strdup (value != NULL ? value : ""));
  return copy;
}

LkTokenSource *
lk_token_source_new_url (const gchar * url, GHashTable * headers, const LkHttpSettings * http)
{
  LkTokenSource *self = source_new (LK_TOKEN_SOURCE_URL);

  self->url = g_strstrip (g_strdup (url != NULL ? url : ""));
  self->headers = lk_token_source_copy_strings (headers, clear_secret);
  self->http = lk_http_settings_copy (http);
  return self;
}

LkTokenSource *
lk_token_source_ref (LkTokenSource * self)
{
  g_return_val_if_fail (self != NULL, NULL);
  g_atomic_int_inc (&self->n_refs);
  return self;
}

void
lk_token_source_unref (LkTokenSource * self)
{
  g_return_if_fail (self != NULL);
  if (!g_atomic_int_dec_and_test (&self->n_refs))
    return;
  lk_token_clear (self->token);
  g_free (self->api_key);
  lk_token_clear (self->api_secret);
  /* may have a password in it */
  lk_token_clear (self->url);
  g_clear_pointer (&self->headers, g_hash_table_unref);
  lk_http_settings_free (self->http);
  g_free (self->made_up_identity);
  g_free (self);
}

void
lk_token_source_set_timeout_ms (LkTokenSource * self, guint timeout_ms)
{
  g_return_if_fail (self != NULL);
  self->timeout_ms = timeout_ms;
}

gboolean
lk_token_source_is_renewable (LkTokenSource * self)
{
  g_return_val_if_fail (self != NULL, FALSE);
  return self->kind != LK_TOKEN_SOURCE_LITERAL;
}

/* @url as a URI, or NULL with LK_ERROR_SETTINGS: http or https, with a host, on one line. */
GUri *
lk_token_source_parse_url (const gchar * url, GError ** error)
{
  g_autoptr (GUri) uri = NULL;
  g_autofree gchar *clean = lk_error_clean_url (url);

  for (const gchar * p = url; *p != '\0'; p++) {
    if (g_ascii_iscntrl (*p) || *p == ' ') {
      g_set_error (error, LK_ERROR, LK_ERROR_SETTINGS, "token-url %s has a space or a line end in it", clean);
      return NULL;
    }
  }
  uri = g_uri_parse (url, SOUP_HTTP_URI_FLAGS, NULL);
  if (uri == NULL || is_empty (g_uri_get_host (uri)) || (g_strcmp0 (g_uri_get_scheme (uri), "http") != 0
          && g_strcmp0 (g_uri_get_scheme (uri), "https") != 0)) {
    g_set_error (error, LK_ERROR, LK_ERROR_SETTINGS, "token-url %s is not an http or https URL", clean);
    return NULL;
  }
  return g_steal_pointer (&uri);
}

/* Choosing */

static gboolean
server_is_local (const gchar * server_url)
{
  g_autoptr (GUri) uri = g_uri_parse (server_url, G_URI_FLAGS_NONE, NULL);

  return uri != NULL && lk_http_host_is_loopback (g_uri_get_host (uri));
}

static LkTokenSource *
choose_url (const gchar * url, GHashTable * headers, const LkHttpSettings * http, GError ** error)
{
  g_autoptr (LkTokenSource) source = lk_token_source_new_url (url, headers, http);
  g_autoptr (GUri) uri = lk_token_source_parse_url (source->url, error);

  return uri != NULL ? g_steal_pointer (&source) : NULL;
}

/* What a full set of three settings gives; NULL without an error when it gives nothing. */
static LkTokenSource *
choose_among (const gchar * token, const gchar * token_url, GHashTable * headers, const gchar * api_key,
    const gchar * api_secret, const LkHttpSettings * http, GError ** error)
{
  if (!is_empty (token))
    return lk_token_source_new_literal (token);
  if (!is_empty (token_url))
    return choose_url (token_url, headers, http, error);
  if (!is_empty (api_key) && !is_empty (api_secret))
    return lk_token_source_new_key (api_key, api_secret);
  if (!is_empty (api_key) || !is_empty (api_secret))
    lk_warning ("token", "%s without %s is of no use", is_empty (api_key) ? "api-secret" : "api-key",
        is_empty (api_key) ? "api-key" : "api-secret");
  return NULL;
}

LkTokenSource *
lk_token_source_choose (const gchar * token, const gchar * token_url, GHashTable * token_headers, const gchar * api_key,
    const gchar * api_secret, const gchar * server_url, const LkHttpSettings * http,
    const gchar * (*getenv_func) (const gchar * name), GError ** error)
{
  g_autoptr (GError) cause = NULL;
  LkTokenSource *source;

  g_return_val_if_fail (getenv_func != NULL, NULL);

  source = choose_among (token, token_url, token_headers, api_key, api_secret, http, &cause);
  if (source == NULL && cause == NULL)
    source = choose_among (getenv_func ("LIVEKIT_TOKEN"), getenv_func ("LIVEKIT_TOKEN_URL"), token_headers,
        getenv_func ("LIVEKIT_API_KEY"), getenv_func ("LIVEKIT_API_SECRET"), http, &cause);
  if (source != NULL)
    return source;
  if (cause != NULL) {
    g_propagate_error (error, g_steal_pointer (&cause));
    return NULL;
  }

  if (is_empty (server_url))
    server_url = getenv_func ("LIVEKIT_URL");
  if (is_empty (server_url) || server_is_local (server_url))
    return lk_token_source_new_key ("devkey", "secret");
  g_set_error_literal (error, LK_ERROR, LK_ERROR_TOKEN,
      "no access token: set token, token-url, or api-key and api-secret");
  return NULL;
}

/* Answers */

void
lk_token_answer_free (LkTokenAnswer * answer)
{
  if (answer == NULL)
    return;
  g_free (answer->server_url);
  lk_token_clear (answer->token);
  g_free (answer);
}

static LkTokenAnswer *
answer_literal (LkTokenSource * self, GError ** error)
{
  g_autoptr (LkTokenAnswer) answer = g_new0 (LkTokenAnswer, 1);
  const gchar *start = self->token != NULL ? self->token : "";
  gsize length;

  while (g_ascii_isspace (*start))
    start++;
  for (length = strlen (start); length > 0 && g_ascii_isspace (start[length - 1]);)
    length--;
  answer->token = g_strndup (start, length);
  return lk_token_check_text (answer->token, error) ? g_steal_pointer (&answer) : NULL;
}

/* Letters, digits and dashes of the host's name, and a random number, for hosts made of one image have one name. */
const gchar *
lk_token_source_get_made_up_identity (LkTokenSource * self)
{
  g_autofree gchar *host = NULL;

  if (self->made_up_identity == NULL) {
    host = g_strndup (g_get_host_name (), 64);
    g_strcanon (host, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-", '-');
    self->made_up_identity = g_strdup_printf ("gst-%s-%08x", host, g_random_int ());
  }
  return self->made_up_identity;
}

static LkTokenAnswer *
answer_key (LkTokenSource * self, const LkTokenWish * wish, GError ** error)
{
  g_autoptr (LkTokenAnswer) answer = NULL;
  LkTokenRequest request = {
    .api_key = self->api_key,
    .api_secret = self->api_secret,
    .room = wish->room,
    .identity = is_empty (wish->identity) ? lk_token_source_get_made_up_identity (self) : wish->identity,
    .name = wish->name,
    .metadata = wish->metadata,
    .attributes = wish->attributes,
    .now_s = g_get_real_time () / G_USEC_PER_SEC,
    .valid_s = KEY_TOKEN_VALID_S,
  };
  gchar *token = lk_token_mint (&request, error);

  if (token == NULL)
    return NULL;
  answer = g_new0 (LkTokenAnswer, 1);
  answer->token = token;
  return g_steal_pointer (&answer);
}

void
lk_token_source_fetch_async (LkTokenSource * self, const LkTokenWish * wish, GCancellable * cancellable,
    GAsyncReadyCallback callback, gpointer data)
{
  const LkTokenWish no_wish = { NULL };
  g_autoptr (GTask) task = NULL;
  LkTokenAnswer *answer;
  GError *error = NULL;

  g_return_if_fail (self != NULL);

  if (wish == NULL)
    wish = &no_wish;
  task = g_task_new (NULL, cancellable, callback, data);
  g_task_set_source_tag (task, lk_token_source_fetch_async);
  /* it would put an error of GIO in the place of ours */
  g_task_set_check_cancellable (task, FALSE);
  if (g_cancellable_is_cancelled (cancellable)) {
    g_task_return_new_error (task, LK_ERROR, LK_ERROR_CANCELLED, "cancelled before a token was asked for");
    return;
  }
  if (self->kind == LK_TOKEN_SOURCE_URL) {
    lk_token_source_ask_url (task, self, wish);
    return;
  }
  answer = self->kind == LK_TOKEN_SOURCE_KEY ? answer_key (self, wish, &error) : answer_literal (self, &error);
  if (answer != NULL)
    g_task_return_pointer (task, answer, (GDestroyNotify) lk_token_answer_free);
  else
    g_task_return_error (task, error);
}

LkTokenAnswer *
lk_token_source_fetch_finish (LkTokenSource * self, GAsyncResult * result, GError ** error)
{
  g_autoptr (GError) cause = NULL;
  LkTokenAnswer *answer;

  g_return_val_if_fail (g_task_is_valid (result, NULL), NULL);
  g_return_val_if_fail (g_async_result_is_tagged (result, lk_token_source_fetch_async), NULL);

  answer = g_task_propagate_pointer (G_TASK (result), &cause);
  /* cancelling beats an answer that came in the meantime, and every other error */
  if (g_cancellable_is_cancelled (g_task_get_cancellable (G_TASK (result)))
      && !g_error_matches (cause, LK_ERROR, LK_ERROR_CANCELLED)) {
    g_clear_error (&cause);
    g_clear_pointer (&answer, lk_token_answer_free);
    g_set_error_literal (&cause, LK_ERROR, LK_ERROR_CANCELLED, "cancelled while a token was asked for");
  }
  if (cause != NULL)
    g_propagate_error (error, g_steal_pointer (&cause));
  return answer;
}

gboolean
lk_token_source_check (LkTokenSource * self, const gchar * room, gboolean needs_publish, gboolean needs_subscribe,
    gint64 now_s, GError ** error)
{
  g_autoptr (LkTokenAnswer) answer = NULL;
  g_autoptr (LkTokenClaims) claims = NULL;

  if (self->kind == LK_TOKEN_SOURCE_KEY && is_empty (room)) {
    g_set_error_literal (error, LK_ERROR, LK_ERROR_SETTINGS, "There is no room to make a token for: set room.");
    return FALSE;
  }
  if (self->kind != LK_TOKEN_SOURCE_LITERAL)
    return TRUE;
  answer = answer_literal (self, error);
  claims = answer ? lk_token_read (answer->token, error) : NULL;
  return claims && lk_token_check (claims, room, now_s, error)
      && lk_token_check_grants (claims, needs_publish, needs_subscribe, error);
}

const gchar *
lk_token_source_get_url (LkTokenSource * self)
{
  return self->kind == LK_TOKEN_SOURCE_URL ? self->url : NULL;
}

void
lk_token_source_read_literal (LkTokenSource * self, gchar ** room, gchar ** identity)
{
  g_autoptr (LkTokenAnswer) answer = self->kind == LK_TOKEN_SOURCE_LITERAL ? answer_literal (self, NULL) : NULL;
  g_autoptr (LkTokenClaims) claims = answer ? lk_token_read (answer->token, NULL) : NULL;

  *room = claims ? g_strdup (claims->room) : NULL;
  *identity = claims ? g_strdup (claims->identity) : NULL;
}
