/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lktokensource: what its files share. lktokensource.c has the sources, lktokensource-url.c asks a token URL,
 * lktokensource-answer.c reads what it says. */
#pragma once

#include "lkerror.h"
#include "lktokensource.h"

G_BEGIN_DECLS

typedef enum
{
  LK_TOKEN_SOURCE_LITERAL,
  LK_TOKEN_SOURCE_KEY,
  LK_TOKEN_SOURCE_URL,
} LkTokenSourceKind;

struct _LkTokenSource
{
  gint n_refs;                  /* atomic */
  /* constant after construction */
  LkTokenSourceKind kind;
  gchar *token;
  gchar *api_key, *api_secret;
  gchar *url;
  GHashTable *headers;          /* string to string, owned; NULL = none */
  LkHttpSettings *http;
  guint timeout_ms;
  /* context of the fetches only */
  gchar *made_up_identity;
};

/* lktokensource.c */
/* A URI that is http or https, with a host, on one line. NULL with LK_ERROR_SETTINGS. */
GUri *lk_token_source_parse_url (const gchar * url, GError ** error);
const gchar *lk_token_source_get_made_up_identity (LkTokenSource * source);
GHashTable *lk_token_source_copy_strings (GHashTable * table, GDestroyNotify free_value);       /* NULL gives NULL */

/* lktokensource-url.c */
/* @task is answered with an LkTokenAnswer. */
void lk_token_source_ask_url (GTask * task, LkTokenSource * source, const LkTokenWish * wish);

/* lktokensource-answer.c */
/* JSON from the network. With @is_secure, as the token URL was, the server's has to be, too. NULL with
 * LK_ERROR_TOKEN_SOURCE, whose text goes on after "the token URL". */
LkTokenAnswer *lk_token_answer_parse (const gchar * text, gsize length, gboolean is_secure, GError ** error);

G_END_DECLS
