/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkhttp: what the token URL, the signal client and the TLS relay share of HTTP and TLS. */

#include "lkhttp.h"

#include "lkerror.h"
#include "lklog.h"
#include "lktoken.h"

#include <libsoup/soup.h>
#include <string.h>

LkHttpSettings *
lk_http_settings_copy (const LkHttpSettings * settings)
{
  LkHttpSettings *copy = g_new0 (LkHttpSettings, 1);

  copy->tls_validation_flags = G_TLS_CERTIFICATE_VALIDATE_ALL;
  if (settings == NULL)
    return copy;
  g_set_object (&copy->tls_database, settings->tls_database);
  copy->tls_ca_file = g_strdup (settings->tls_ca_file);
  copy->tls_validation_flags = settings->tls_validation_flags;
  copy->proxy = g_strdup (settings->proxy);
  copy->proxy_id = g_strdup (settings->proxy_id);
  copy->proxy_pw = g_strdup (settings->proxy_pw);
  return copy;
}

void
lk_http_settings_free (LkHttpSettings * settings)
{
  if (settings == NULL)
    return;
  g_clear_object (&settings->tls_database);
  g_free (settings->tls_ca_file);
  g_free (settings->proxy);
  g_free (settings->proxy_id);
  lk_token_clear (settings->proxy_pw);
  g_free (settings);
}

/* What the handlers of messages need of a session. Held by the session and by each message. */
typedef struct
{
  LkHttpSettings *settings;
  GTlsDatabase *ca_file;        /* authorities beside those of the session's database */
} HttpContext;

static const gchar http_context_key[] = "lk-http-context";
static const gchar http_old_tls_key[] = "lk-http-old-tls";
static const gchar http_faults_key[] = "lk-http-certificate-faults";

static void
http_context_clear (gpointer data)
{
  HttpContext *context = data;

  lk_http_settings_free (context->settings);
  g_clear_object (&context->ca_file);
}

static void
http_context_unref (gpointer data)
{
  g_rc_box_release_full (data, http_context_clear);
}

static void
on_message_handler_gone (gpointer data, GClosure * closure)
{
  http_context_unref (data);
}

static gboolean
is_empty (const gchar * text)
{
  return text == NULL || *text == '\0';
}

GTlsDatabase *
lk_http_open_ca_file (const gchar * path, GError ** error)
{
  /* GnuTLS takes absolute names only */
  g_autofree gchar *absolute = g_canonicalize_filename (path, NULL);
  g_autoptr (GError) cause = NULL;
  GTlsDatabase *database = g_tls_file_database_new (absolute, &cause);

  if (database == NULL)
    g_set_error (error, LK_ERROR, LK_ERROR_SETTINGS, "cannot use tls-ca-file %s: %s", path, cause->message);
  return database;
}

static GProxyResolver *
make_proxy_resolver (const gchar * proxy)
{
  /* as souphttpsrc has it, a proxy without a scheme is an HTTP proxy */
  g_autofree gchar *url = strstr (proxy, "://") != NULL ? g_strdup (proxy) : g_strconcat ("http://", proxy, NULL);

  return g_simple_proxy_resolver_new (url, NULL);
}

SoupSession *
lk_http_session_new (const LkHttpSettings * settings, guint timeout_s, GError ** error)
{
  HttpContext *context = g_rc_box_new0 (HttpContext);
  SoupSession *session;

  context->settings = lk_http_settings_copy (settings);
  settings = context->settings;
  if (!is_empty (settings->tls_ca_file)) {
    context->ca_file = lk_http_open_ca_file (settings->tls_ca_file, error);
    if (context->ca_file == NULL) {
      http_context_unref (context);
      return NULL;
    }
  }

  session = soup_session_new_with_options ("user-agent", "gst-livekit", "timeout", timeout_s, NULL);
  if (settings->tls_database != NULL)
    soup_session_set_tls_database (session, settings->tls_database);
  if (!is_empty (settings->proxy)) {
    g_autoptr (GProxyResolver) resolver = make_proxy_resolver (settings->proxy);

    soup_session_set_proxy_resolver (session, resolver);
  }
  g_object_set_data_full (G_OBJECT (session), http_context_key, context, http_context_unref);
  return session;
}

/* The faults of @certificate when the authorities of the CA file are asked in place of the system's. */
static GTlsCertificateFlags
ask_ca_file (GTlsDatabase * ca_file, const gchar * host, guint16 port, GTlsCertificate * certificate,
    GTlsCertificateFlags faults)
{
  g_autoptr (GSocketConnectable) identity = g_network_address_new (host, port);
  g_autoptr (GError) error = NULL;
  GTlsCertificateFlags others;

  others = g_tls_database_verify_chain (ca_file, certificate, G_TLS_DATABASE_PURPOSE_AUTHENTICATE_SERVER,
      identity, NULL, G_TLS_DATABASE_VERIFY_NONE, NULL, &error);
  if (error != NULL) {
    lk_warning ("http", "tls-ca-file cannot be asked: %s", error->message);
    return faults;
  }
  return others;
}

gboolean
lk_http_accept_certificate (const LkHttpSettings * settings, GTlsDatabase * ca_file, const gchar * host, guint16 port,
    GTlsCertificate * certificate, GTlsCertificateFlags * faults)
{
  GTlsCertificateFlags left = *faults & settings->tls_validation_flags;

  if (left != 0 && ca_file != NULL) {
    *faults = ask_ca_file (ca_file, host, port, certificate, *faults);
    left = *faults & settings->tls_validation_flags;
  }
  if (left == 0 && *faults != 0) {
    g_autofree gchar *text = lk_http_certificate_faults (*faults);

    lk_warning ("http", "certificate accepted by tls-validation-flags host=%s faults=%s", host, text);
  }
  return left == 0;
}

/* libsoup asks only when there is a fault. */
static gboolean
on_message_accept_certificate (SoupMessage * message, GTlsCertificate * certificate, GTlsCertificateFlags faults,
    gpointer data)
{
  HttpContext *context = data;
  GUri *uri = soup_message_get_uri (message);
  gint port = g_uri_get_port (uri);
  gboolean ok = lk_http_accept_certificate (context->settings, context->ca_file, g_uri_get_host (uri),
      port > 0 ? (guint16) port : 443, certificate, &faults);

  g_object_set_data (G_OBJECT (message), http_faults_key, GUINT_TO_POINTER (faults));
  return ok;
}

static gboolean
on_message_authenticate (SoupMessage * message, SoupAuth * auth, gboolean is_retry, gpointer data)
{
  HttpContext *context = data;

  if (!soup_auth_is_for_proxy (auth) || is_retry || context->settings->proxy_id == NULL)
    return FALSE;
  soup_auth_authenticate (auth, context->settings->proxy_id,
      context->settings->proxy_pw != NULL ? context->settings->proxy_pw : "");
  return TRUE;
}

/* GIO cannot be told which versions it may speak, and with GnuTLS it speaks TLS 1.0. */
gboolean
lk_http_connection_is_old_tls (GTlsConnection * connection)
{
  GTlsProtocolVersion version = g_tls_connection_get_protocol_version (connection);

  return version != G_TLS_PROTOCOL_VERSION_UNKNOWN && version < G_TLS_PROTOCOL_VERSION_TLS_1_2;
}

/* The request has not been sent yet: it goes into a connection that is closed. */
static void
on_message_network_event (SoupMessage * message, GSocketClientEvent event, GIOStream * connection, gpointer data)
{
  if (event != G_SOCKET_CLIENT_TLS_HANDSHAKED || !G_IS_TLS_CONNECTION (connection)
      || !lk_http_connection_is_old_tls (G_TLS_CONNECTION (connection)))
    return;
  g_object_set_data (G_OBJECT (message), http_old_tls_key, GINT_TO_POINTER (TRUE));
  g_io_stream_close (connection, NULL, NULL);
}

gboolean
lk_http_is_old_tls (SoupMessage * message)
{
  return g_object_get_data (G_OBJECT (message), http_old_tls_key) != NULL;
}

void
lk_http_prepare (SoupSession * session, SoupMessage * message)
{
  HttpContext *context = g_object_get_data (G_OBJECT (session), http_context_key);

  g_return_if_fail (context != NULL);
  g_signal_connect_data (message, "accept-certificate", G_CALLBACK (on_message_accept_certificate),
      g_rc_box_acquire (context), on_message_handler_gone, 0);
  g_signal_connect_data (message, "authenticate", G_CALLBACK (on_message_authenticate),
      g_rc_box_acquire (context), on_message_handler_gone, 0);
  g_signal_connect (message, "network-event", G_CALLBACK (on_message_network_event), NULL);
}

GTlsCertificateFlags
lk_http_get_faults (SoupMessage * message)
{
  return (GTlsCertificateFlags) GPOINTER_TO_UINT (g_object_get_data (G_OBJECT (message), http_faults_key));
}

gchar *
lk_http_certificate_faults (GTlsCertificateFlags faults)
{
  static const struct
  {
    GTlsCertificateFlags fault;
    const gchar *text;
  } texts[] = {
    {G_TLS_CERTIFICATE_UNKNOWN_CA, "unknown authority"},
    {G_TLS_CERTIFICATE_BAD_IDENTITY, "wrong host name"},
    {G_TLS_CERTIFICATE_NOT_ACTIVATED, "not valid yet"},
    {G_TLS_CERTIFICATE_EXPIRED, "expired"},
    {G_TLS_CERTIFICATE_REVOKED, "revoked"},
    {G_TLS_CERTIFICATE_INSECURE, "insecure algorithm"},
    {G_TLS_CERTIFICATE_GENERIC_ERROR, "invalid"},
  };
  GString *list = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
    if (faults & texts[i].fault)
      g_string_append_printf (list, "%s%s", list->len > 0 ? ", " : "", texts[i].text);
  }
  return g_string_free (list, FALSE);
}

static guint
seconds_until (const gchar * date)
{
  g_autoptr (GDateTime) then = soup_date_time_new_from_http_string (date);
  gint64 seconds = then != NULL ? g_date_time_to_unix (then) - g_get_real_time () / G_USEC_PER_SEC : 0;

  return (guint) CLAMP (seconds, 0, G_MAXINT);
}

guint
lk_http_get_retry_after_ms (SoupMessage * message)
{
  const gchar *value = soup_message_headers_get_one (soup_message_get_response_headers (message), "Retry-After");
  guint64 seconds = 0;

  if (value == NULL)
    return 0;
  if (!g_ascii_string_to_unsigned (value, 10, 0, G_MAXUINT64, &seconds, NULL))
    seconds = seconds_until (value);
  return (guint) MIN (seconds, LK_ERROR_MAX_RETRY_AFTER_MS / 1000) * 1000;
}

gboolean
lk_http_host_is_loopback (const gchar * host)
{
  g_autofree gchar *bare = NULL;
  g_autoptr (GInetAddress) address = NULL;
  gsize length;

  if (host == NULL)
    return FALSE;
  if (g_ascii_strcasecmp (host, "localhost") == 0)
    return TRUE;
  length = strlen (host);
  if (length > 2 && host[0] == '[' && host[length - 1] == ']')
    bare = g_strndup (host + 1, length - 2);
  else
    bare = g_strdup (host);
  address = g_inet_address_new_from_string (bare);
  return address != NULL && g_inet_address_get_is_loopback (address);
}
