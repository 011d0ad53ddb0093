/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkhttp: how HTTP and TLS are spoken: proxy, authorities, checks of certificates. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* How HTTP is spoken, shared by the token URL and the signal client. Copied by who takes it. */
typedef struct
{
  GTlsDatabase *tls_database;   /* NULL = the system's */
  gchar *tls_ca_file;           /* PEM file of further authorities, beside those of the system; NULL = none */
  GTlsCertificateFlags tls_validation_flags;
  gchar *proxy, *proxy_id, *proxy_pw;   /* NULL = the system's proxy */
} LkHttpSettings;

LkHttpSettings *lk_http_settings_copy (const LkHttpSettings * settings);        /* NULL gives the defaults */
void lk_http_settings_free (LkHttpSettings * settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LkHttpSettings, lk_http_settings_free)

/* A session (libsoup's, declared here so that not everybody includes it) with these settings and @timeout_s of silence
 * at most, for the thread-default context of the caller; NULL with LK_ERROR_SETTINGS when the CA file cannot be read.
 * Each message is handed to lk_http_prepare() before it is sent: checks of certificates, the proxy's password. */
struct _SoupSession;
struct _SoupMessage;
struct _SoupSession *lk_http_session_new (const LkHttpSettings * settings, guint timeout_s, GError ** error);
void lk_http_prepare (struct _SoupSession * session, struct _SoupMessage * message);
/* What was wrong with the certificate of @message, no matter whether the settings forgave it. 0 when nothing was. */
GTlsCertificateFlags lk_http_get_faults (struct _SoupMessage * message);
/* The same in words, e.g. "unknown authority, wrong host name"; to be freed. */
gchar *lk_http_certificate_faults (GTlsCertificateFlags faults);
/* Whether @message was not sent because the server speaks nothing newer than TLS 1.1 (RFC 8996). */
gboolean lk_http_is_old_tls (struct _SoupMessage * message);
/* The same of a connection whose handshake is over. */
gboolean lk_http_connection_is_old_tls (GTlsConnection * connection);
/* What the answer to @message says with Retry-After, in seconds or as a date (RFC 9110 §10.2.3). 0 when it says
 * nothing. */
guint lk_http_get_retry_after_ms (struct _SoupMessage * message);
/* Whether @host is localhost, 127.0.0.0/8 or ::1 (brackets allowed). */
gboolean lk_http_host_is_loopback (const gchar * host);

/* LK_ERROR_SETTINGS when the file cannot be used. */
GTlsDatabase *lk_http_open_ca_file (const gchar * path, GError ** error);
/* Whether the settings let a certificate pass that has @faults; @ca_file, or NULL, is asked for a second opinion, and
 * @faults are what is left of them then. */
gboolean lk_http_accept_certificate (const LkHttpSettings * settings, GTlsDatabase * ca_file, const gchar * host,
    guint16 port, GTlsCertificate * certificate, GTlsCertificateFlags * faults);

G_END_DECLS
