/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tokenfixture: a token source beside an HTTP server, which answers by path. No secret may be in a log. */
#pragma once

#include <libsoup/soup.h>

#include "fakeserver.h"
#include "lkerror.h"
#include "lkloop.h"
#include "lktokensource.h"
#include "tlsfront.h"

G_BEGIN_DECLS

#define TOKEN "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.UiHowwYrQ5Hhqt1skUZOq1tfqatxp3RggXb93fRyOAM"
#define TOKEN_ANSWER "{\"server_url\":\"wss://lk.example.com\",\"participant_token\":\"" TOKEN "\",\"more\":[1,{}]}"
#define HEADER_SECRET "hush-hush-value"

typedef struct
{
  const gchar *method;          /* NULL = any */
  gchar *path;
  guint status;
  gchar *location;              /* or NULL */
  GBytes *body;
  gboolean is_chunked, is_silent, is_endless;
} TokenRoute;

typedef struct
{
  gchar *method, *path, *query, *content_type, *extra, *accept, *body, *authorization;
} TokenRequest;

typedef struct
{
  LkLoop *loop;
  SoupServer *soup;
  guint port;
  GTlsCertificate *certificate;
  TlsFront *front;              /* with a certificate */
  GPtrArray *routes;            /* set before the first request */
  GPtrArray *requests;          /* read after the last one */
  GAsyncQueue *events;
} TokenServer;

typedef struct
{
  GMainContext *context;
  GString *log;
  TokenServer *server;
  LkTokenAnswer *answer;
  GError *error;
  gboolean is_done;
  GCancellable *cancellable;    /* NULL unless a test wants one */
} TokenFixture;

/* ---- the server ---- */

/* @certificate: taken, NULL for HTTP. */
TokenServer *token_server_new (GTlsCertificate * certificate);
void token_server_free (TokenServer * server);
gchar *token_server_url (TokenServer * server, const gchar * path);
/* @method: NULL = any. All before the first request. */
TokenRoute *add_route (TokenServer * server, const gchar * method, const gchar * path, guint status,
    const gchar * body);
void add_redirect (TokenServer * server, const gchar * path, guint status, const gchar * location);
void expect_server_event (TokenServer * server, const gchar * name);
TokenRequest *get_request (TokenServer * server, guint i);
/* Where nothing but bytes is to be had. @scheme: http or https. */
gchar *token_raw_url (FakeRawServer * raw, const gchar * scheme);

/* ---- the client's side ---- */

extern const LkTokenWish lab_wish;

TokenFixture *token_fixture_new (void);
void token_fixture_free (TokenFixture * f);
void start_fetch (TokenFixture * f, LkTokenSource * source, const LkTokenWish * wish);
void finish_fetch (TokenFixture * f);
/* of lab_wish, to its end */
void fetch (TokenFixture * f, LkTokenSource * source);
LkTokenSource *source_at (TokenFixture * f, const gchar * path);
void fetch_path (TokenFixture * f, const gchar * path);
void expect_answer (TokenFixture * f, const gchar * url, const gchar * token);
void expect_no_answer (TokenFixture * f, LkError code, guint http_status, gboolean is_final, const gchar * words);
GHashTable *make_headers (const gchar * name, const gchar * value);

G_END_DECLS
