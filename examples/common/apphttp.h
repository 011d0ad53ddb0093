/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* apphttp: a small HTTP server on libsoup's, on the main loop: paths with handlers, health and metrics. */
#pragma once

#include <libsoup/soup.h>

#include "appsettings.h"

G_BEGIN_DECLS

typedef struct _AppHttp AppHttp;

/* @path is what was asked for, decoded; @query may be NULL. The handler answers before it returns, by
 * app_http_answer(). */
typedef void (*AppHttpHandler) (SoupServerMessage * message, const gchar * path, GHashTable * query, gpointer data);

/* Whether @listen is "address:port", "[address]:port", ":port" (all addresses) or "port" (loopback). @error says why
 * not. */
gboolean app_http_check_address (const gchar * listen, GError ** error);
/* The setting @name, else @fallback, which may be NULL; with a problem when it is no such address. */
const gchar *app_http_read_address (AppSettings * settings, const gchar * name, const gchar * fallback,
    AppProblems * problems);
/* NULL with an error when @listen is no address or is taken. Port 0 takes a free one. */
AppHttp *app_http_new (const gchar * listen, GError ** error);
void app_http_free (AppHttp * http);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AppHttp, app_http_free)
guint app_http_get_port (AppHttp * http);

/* Requests of @path alone, or, when it ends in a slash, of all below it. Bodies of more than 64 KiB are refused. */
void app_http_add (AppHttp * http, const gchar * path, AppHttpHandler handler, gpointer data);
/* @type as for Content-Type; text is copied. HEAD gets no body. */
void app_http_answer (SoupServerMessage * message, guint status, const gchar * type, const gchar * text, gssize size);
/* A line of text, and for anything but @methods (e.g. "GET, HEAD") FALSE and an answer with 405. */
void app_http_answer_text (SoupServerMessage * message, guint status, const gchar * format, ...) G_GNUC_PRINTF (3, 4);
gboolean app_http_allow (SoupServerMessage * message, const gchar * methods);

/* What a service is asked by whoever runs it. Both checks append why not. */
typedef struct
{
  gboolean (*is_healthy) (GString * why, gpointer data);        /* GET /health; NULL: while the main loop runs */
  gboolean (*is_ready) (GString * why, gpointer data);  /* GET /ready */
  void (*add_metrics) (GString * text, gpointer data);  /* GET /metrics */
} AppMonitor;

/* @monitor must live as long. */
void app_http_add_monitor (AppHttp * http, const AppMonitor * monitor, gpointer data);

G_END_DECLS
