/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lksignalurl: the server's URL, and the query with which a signal client joins or resumes. Pure. */
#pragma once

#include "lksignalclient.h"

G_BEGIN_DECLS

/* As ws or wss, without user part and query. NULL with LK_ERROR_SETTINGS. */
GUri *lk_signal_url_parse (const gchar * server_url, GError ** error);
/* LK_ERROR_SETTINGS when @server_url is none that a client could connect to. */
gboolean lk_signal_url_check (const gchar * server_url, GError ** error);

/* These take what lk_signal_url_parse() gave. */
gchar *lk_signal_url_describe (GUri * server);  /* host and port, for texts */
/* @path is appended to what path the server's URL has, with one slash between. @is_http: http or https, not ws or
 * wss. */
GUri *lk_signal_url_build (GUri * server, gboolean is_http, const gchar * path, const gchar * query);

/* The query of a join, or, with settings->reconnect, of a resume. */
gchar *lk_signal_url_v1_query (const LkSignalSettings * settings);
gchar *lk_signal_url_v0_query (const LkSignalSettings * settings);

G_END_DECLS
