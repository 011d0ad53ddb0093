/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lktokensource: a token URL is asked. */

#include "lktokensource-private.h"

#include "lklog.h"

#include <json-glib/json-glib.h>
#include <libsoup/soup.h>
#include <openssl/crypto.h>
#include <string.h>

#define MAX_ANSWER_BYTES (64 * 1024)
/* of a refusal, of which 256 bytes are shown */
#define MAX_REFUSAL_BYTES 4096
#define MAX_REDIRECTS 5

/* One question to a token URL, data of its GTask. Everything happens on the context of the task. */
typedef struct
{
  LkTokenSource *source;
  gchar *room, *identity, *name, *metadata;
  GHashTable *attributes;
  SoupSession *session;
  GCancellable *abort;          /* of the request under way */
  GSource *cancel_source, *timeout_source;      /* NULL when there is none */
  gboolean is_cancelled, is_timed_out;

  gboolean is_simple;           /* GET of a simple key server; else POST of the standard endpoint */
  const gchar *method;
  GUri *uri;
  guint n_redirects;
  gboolean has_left_site;       /* redirected elsewhere: the extra headers stay at home from then on */

  SoupMessage *message;
  GInputStream *body;
  gchar *buffer;                /* MAX_ANSWER_BYTES, one for "too large", one for a NUL */
  gsize n_bytes;
} Fetch;

static void start_request (GTask * task);

static gboolean
is_empty (const gchar * text)
{
  return text == NULL || *text == '\0';
}

static void
stop_source (GSource ** source)
{
  if (*source == NULL)
    return;
  g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
fetch_free (gpointer data)
{
  Fetch *fetch = data;

  stop_source (&fetch->cancel_source);
  stop_source (&fetch->timeout_source);
  lk_token_source_unref (fetch->source);
  g_free (fetch->room);
  g_free (fetch->identity);
  g_free (fetch->name);
  g_free (fetch->metadata);
  g_clear_pointer (&fetch->attributes, g_hash_table_unref);
  g_clear_object (&fetch->body);
  g_clear_object (&fetch->message);
  if (fetch->session != NULL)
    soup_session_abort (fetch->session);
  g_clear_object (&fetch->session);
  g_clear_object (&fetch->abort);
  g_clear_pointer (&fetch->uri, g_uri_unref);
  if (fetch->buffer != NULL) {
    OPENSSL_cleanse (fetch->buffer, MAX_ANSWER_BYTES + 2);
    g_free (fetch->buffer);
  }
  g_free (fetch);
}

static Fetch *
fetch_new (LkTokenSource * source, const LkTokenWish * wish)
{
  Fetch *fetch = g_new0 (Fetch, 1);

  fetch->source = lk_token_source_ref (source);
  fetch->room = g_strdup (wish->room);
  fetch->identity = g_strdup (wish->identity);
  fetch->name = g_strdup (wish->name);
  fetch->metadata = g_strdup (wish->metadata);
  fetch->attributes = lk_token_source_copy_strings (wish->attributes, g_free);
  fetch->method = SOUP_METHOD_POST;
  fetch->buffer = g_malloc0 (MAX_ANSWER_BYTES + 2);
  return fetch;
}

/* The caller holds a ref of @task. Nothing of the fetch may call back after this. */
static void
stop_fetch (Fetch * fetch)
{
  stop_source (&fetch->cancel_source);
  stop_source (&fetch->timeout_source);
  g_clear_object (&fetch->body);
}

static void
fail_fetch (GTask * task, GError * error)
{
  Fetch *fetch = g_task_get_task_data (task);

  stop_fetch (fetch);
  lk_info ("token", "no token: %s", error->message);
  g_task_return_error (task, error);
}

static gchar *
describe_request (Fetch * fetch)
{
  g_autofree gchar *url = g_uri_to_string (fetch->uri);
  g_autofree gchar *clean = lk_error_clean_url (url);

  return g_strdup_printf ("%s %s", fetch->method, clean);
}

/* For what no other attempt mends: @format is what @request did. */
static void fail_for_good (GTask * task, const gchar * format, ...) G_GNUC_PRINTF (2, 3);

static void
fail_for_good (GTask * task, const gchar * format, ...)
{
  Fetch *fetch = g_task_get_task_data (task);
  g_autofree gchar *request = describe_request (fetch);
  g_autofree gchar *text = NULL;
  guint status = fetch->message != NULL ? soup_message_get_status (fetch->message) : 0;
  GError *error;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  error = lk_error_new_http (LK_ERROR_TOKEN_SOURCE, status, "token URL (%s) %s", request, text);
  lk_error_set_final (error, TRUE);
  fail_fetch (task, error);
}

/* Hung up in the handshake, for which GIO says that there is no TLS: a server that restarts, maybe. */
static gboolean
is_broken_off (const GError * error)
{
  return g_error_matches (error, G_TLS_ERROR, G_TLS_ERROR_EOF)
      || g_error_matches (error, G_TLS_ERROR, G_TLS_ERROR_NOT_TLS);
}

/* No answer, or half of one. */
static void
fail_by_cause (GTask * task, const GError * cause)
{
  Fetch *fetch = g_task_get_task_data (task);
  g_autofree gchar *request = describe_request (fetch);
  g_autofree gchar *text = lk_error_clean_text (cause->message, -1);
  GError *error;

  if (fetch->is_cancelled) {
    error = g_error_new (LK_ERROR, LK_ERROR_CANCELLED, "cancelled while waiting for token URL (%s)", request);
  } else if (fetch->is_timed_out) {
    error = g_error_new (LK_ERROR, LK_ERROR_TOKEN_SOURCE, "token URL (%s) did not answer within %u ms", request,
        fetch->source->timeout_ms);
  } else if (lk_http_is_old_tls (fetch->message)) {
    error = g_error_new (LK_ERROR, LK_ERROR_TLS, "token URL (%s): no version of TLS newer than 1.1", request);
  } else if (g_error_matches (cause, G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE)) {
    g_autofree gchar *what = lk_http_certificate_faults (lk_http_get_faults (fetch->message));

    error = g_error_new (LK_ERROR, LK_ERROR_TLS, "token URL (%s): certificate not accepted: %s", request,
        *what != '\0' ? what : text);
  } else if (cause->domain == G_TLS_ERROR && !is_broken_off (cause)) {
    error = g_error_new (LK_ERROR, LK_ERROR_TLS, "token URL (%s): %s", request, text);
  } else {
    error = g_error_new (LK_ERROR, LK_ERROR_TOKEN_SOURCE, "token URL (%s) does not answer: %s", request, text);
  }
  fail_fetch (task, error);
}

/* Requests */

static gboolean
is_header_name (const gchar * name)
{
  if (*name == '\0')
    return FALSE;
  for (; *name != '\0'; name++) {
    /* RFC 9110 §5.6.2, token */
    if (!g_ascii_isalnum (*name) && strchr ("!#$%&'*+-.^_`|~", *name) == NULL)
      return FALSE;
  }
  return TRUE;
}

static gboolean
is_header_value (const gchar * value)
{
  if (!g_utf8_validate (value, -1, NULL))
    return FALSE;
  for (; *value != '\0'; value++) {
    if (g_ascii_iscntrl (*value) && *value != '\t')
      return FALSE;
  }
  return TRUE;
}

static gboolean
check_headers (GHashTable * headers, GError ** error)
{
  GHashTableIter iter;
  gpointer name, value;

  if (headers == NULL)
    return TRUE;
  g_hash_table_iter_init (&iter, headers);
  while (g_hash_table_iter_next (&iter, &name, &value)) {
    /* these two say where the request ends */
    gboolean is_framing = g_ascii_strcasecmp (name, "Content-Length") == 0
        || g_ascii_strcasecmp (name, "Transfer-Encoding") == 0;

    if (!is_header_name (name) || !is_header_value (value) || is_framing) {
      g_autofree gchar *clean = lk_error_clean_text (name, -1);

      g_set_error (error, LK_ERROR, LK_ERROR_SETTINGS, "token-headers: '%s' cannot be sent as a header", clean);
      return FALSE;
    }
  }
  return TRUE;
}

static void
add_headers (Fetch * fetch)
{
  SoupMessageHeaders *headers = soup_message_get_request_headers (fetch->message);
  GHashTableIter iter;
  gpointer name, value;

  soup_message_headers_replace (headers, "Accept", "application/json");
  if (fetch->has_left_site || fetch->source->headers == NULL)
    return;
  g_hash_table_iter_init (&iter, fetch->source->headers);
  while (g_hash_table_iter_next (&iter, &name, &value))
    soup_message_headers_replace (headers, name, value);
}

static void
add_member (JsonBuilder * builder, const gchar * name, const gchar * value)
{
  if (is_empty (value))
    return;
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, value);
}

static GBytes *
make_request_body (Fetch * fetch)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autoptr (JsonNode) root = NULL;
  GHashTableIter iter;
  gpointer name, value;
  gchar *text;
  gsize length;

  json_builder_begin_object (builder);
  add_member (builder, "room_name", fetch->room);
  add_member (builder, "participant_identity", fetch->identity);
  add_member (builder, "participant_name", fetch->name);
  add_member (builder, "participant_metadata", fetch->metadata);
  if (fetch->attributes != NULL && g_hash_table_size (fetch->attributes) > 0) {
    json_builder_set_member_name (builder, "participant_attributes");
    json_builder_begin_object (builder);
    g_hash_table_iter_init (&iter, fetch->attributes);
    while (g_hash_table_iter_next (&iter, &name, &value)) {
      json_builder_set_member_name (builder, name);
      json_builder_add_string_value (builder, value);
    }
    json_builder_end_object (builder);
  }
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  json_generator_set_root (generator, root);
  text = json_generator_to_data (generator, &length);
  return g_bytes_new_take (text, length);
}

static gboolean
check_wish (const LkTokenWish * wish, GError ** error)
{
  const gchar *texts[] = { wish->room, wish->identity, wish->name, wish->metadata };
  GHashTableIter iter;
  gpointer key, value;
  gboolean is_valid = TRUE;

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    is_valid = is_valid && (texts[i] == NULL || g_utf8_validate (texts[i], -1, NULL));
  if (wish->attributes != NULL) {
    g_hash_table_iter_init (&iter, wish->attributes);
    while (g_hash_table_iter_next (&iter, &key, &value))
      is_valid = is_valid && g_utf8_validate (key, -1, NULL) && (value == NULL || g_utf8_validate (value, -1, NULL));
  }
  if (!is_valid)
    g_set_error_literal (error, LK_ERROR, LK_ERROR_SETTINGS,
        "room, identity, name, metadata or an attribute is not valid UTF-8");
  return is_valid;
}

static gboolean
on_timeout (gpointer data)
{
  Fetch *fetch = data;

  fetch->is_timed_out = TRUE;
  g_cancellable_cancel (fetch->abort);
  return G_SOURCE_REMOVE;
}

static gboolean
on_cancellable_cancelled (GCancellable * cancellable, gpointer data)
{
  Fetch *fetch = data;

  fetch->is_cancelled = TRUE;
  g_cancellable_cancel (fetch->abort);
  return G_SOURCE_REMOVE;
}

static void
start_timeout (GTask * task)
{
  Fetch *fetch = g_task_get_task_data (task);

  stop_source (&fetch->timeout_source);
  fetch->timeout_source = g_timeout_source_new (fetch->source->timeout_ms);
  g_source_set_callback (fetch->timeout_source, on_timeout, fetch, NULL);
  g_source_attach (fetch->timeout_source, g_task_get_context (task));
}

/* Called on the context, so that libsoup never hears of a cancel in another thread. */
static void
watch_cancellable (GTask * task)
{
  Fetch *fetch = g_task_get_task_data (task);
  GCancellable *cancellable = g_task_get_cancellable (task);

  if (cancellable == NULL)
    return;
  fetch->cancel_source = g_cancellable_source_new (cancellable);
  g_source_set_callback (fetch->cancel_source, G_SOURCE_FUNC (on_cancellable_cancelled), fetch, NULL);
  g_source_attach (fetch->cancel_source, g_task_get_context (task));
}

/* GET of a simple key server: identity and room in the query. */
static void
become_simple (GTask * task, const gchar * why)
{
  Fetch *fetch = g_task_get_task_data (task);
  g_autofree gchar *identity = NULL, *room = NULL, *query = NULL;
  g_autoptr (GUri) base = NULL;
  const gchar *own;

  lk_debug ("token", "no standard endpoint, asking as of a simple key server: %s", why);
  base = lk_token_source_parse_url (fetch->source->url, NULL);
  own = g_uri_get_query (base);
  if (is_empty (fetch->identity)) {
    g_free (fetch->identity);
    fetch->identity = g_strdup (lk_token_source_get_made_up_identity (fetch->source));
  }
  identity = g_uri_escape_string (fetch->identity, NULL, FALSE);
  room = g_uri_escape_string (fetch->room, NULL, FALSE);
  if (own == NULL)
    own = "";
  query = g_strdup_printf ("%s%sidentity=%s&room=%s", own, is_empty (own) ? "" : "&", identity, room);

  g_uri_unref (fetch->uri);
  fetch->uri = soup_uri_copy (base, SOUP_URI_QUERY, query, SOUP_URI_NONE);
  fetch->is_simple = TRUE;
  fetch->method = SOUP_METHOD_GET;
  fetch->n_redirects = 0;
  fetch->has_left_site = FALSE;
  start_request (task);
}

/* Redirects */

static gint
get_port (GUri * uri)
{
  gint port = g_uri_get_port (uri);

  if (port > 0)
    return port;
  return g_strcmp0 (g_uri_get_scheme (uri), "https") == 0 ? 443 : 80;
}

static gboolean
is_https (GUri * uri)
{
  return g_strcmp0 (g_uri_get_scheme (uri), "https") == 0;
}

/* The same origin, or its move from http to https. */
static gboolean
is_same_site (GUri * from, GUri * to)
{
  if (g_ascii_strcasecmp (g_uri_get_host (from), g_uri_get_host (to)) != 0)
    return FALSE;
  if (!is_https (from) && is_https (to))
    return get_port (from) == 80 && get_port (to) == 443;
  return is_https (from) == is_https (to) && get_port (from) == get_port (to);
}

static gboolean
is_redirect (guint status)
{
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static void
follow_redirect (GTask * task, guint status)
{
  Fetch *fetch = g_task_get_task_data (task);
  const gchar *location = soup_message_headers_get_one (soup_message_get_response_headers (fetch->message), "Location");
  g_autofree gchar *clean = lk_error_clean_url (location);
  g_autoptr (GUri) uri = NULL;

  if (location != NULL)
    uri = g_uri_parse_relative (fetch->uri, location, SOUP_HTTP_URI_FLAGS, NULL);
  if (uri == NULL || is_empty (g_uri_get_host (uri))) {
    fail_for_good (task, "answered HTTP %u without saying where to", status);
    return;
  }
  if (!is_https (uri) && (is_https (fetch->uri) || g_strcmp0 (g_uri_get_scheme (uri), "http") != 0)) {
    fail_for_good (task, "wants to redirect to %s, which is not %s", clean, is_https (fetch->uri) ? "https" : "http");
    return;
  }
  if (++fetch->n_redirects > MAX_REDIRECTS) {
    fail_for_good (task, "redirected more than %d times", MAX_REDIRECTS);
    return;
  }

  /* RFC 9110 §15.4: user agents change POST to GET for 301 and 302, and anything to GET for 303 */
  if (status != 307 && status != 308)
    fetch->method = SOUP_METHOD_GET;
  if (!is_same_site (fetch->uri, uri))
    fetch->has_left_site = TRUE;
  lk_debug ("token", "redirected status=%u to=%s", status, clean);
  g_uri_unref (fetch->uri);
  fetch->uri = g_steal_pointer (&uri);
  start_request (task);
}

/* The answer, as it is whole now. */

static void
read_answer (GTask * task)
{
  Fetch *fetch = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  gboolean is_secure = g_ascii_strncasecmp (fetch->source->url, "https:", 6) == 0;
  LkTokenAnswer *answer = lk_token_answer_parse (fetch->buffer, fetch->n_bytes, is_secure, &error);

  if (answer == NULL) {
    fail_for_good (task, "%s", error->message);
    return;
  }
  stop_fetch (fetch);
  g_task_return_pointer (task, answer, (GDestroyNotify) lk_token_answer_free);
}

static gboolean
is_success (Fetch * fetch)
{
  guint status = soup_message_get_status (fetch->message);

  return status >= 200 && status < 300;
}

/* How the endpoint of one form says that it might be the other. */
static gboolean
is_unknown_there (guint status)
{
  return status == 404 || status == 405 || status == 501;
}

static void
refuse_by_status (GTask * task)
{
  Fetch *fetch = g_task_get_task_data (task);
  guint status = soup_message_get_status (fetch->message);
  g_autofree gchar *request = describe_request (fetch);
  g_autofree gchar *text = lk_error_clean_text (fetch->buffer, (gssize) fetch->n_bytes);
  const gchar *hint = "";
  GError *error;

  if (!fetch->is_simple && is_unknown_there (status))
    hint = " (a simple key server can only be asked for a token when room is set)";
  error = lk_error_new_http (LK_ERROR_TOKEN_SOURCE, status, "token URL (%s) answered HTTP %u%s%s%s", request, status,
      *text != '\0' ? ": " : "", text, hint);
  if (status == 429 || status == 503)
    lk_error_set_retry_after_ms (error, lk_http_get_retry_after_ms (fetch->message));
  fail_fetch (task, error);
}

static void
handle_answer (GTask * task)
{
  Fetch *fetch = g_task_get_task_data (task);

  if (!is_success (fetch))
    refuse_by_status (task);
  else if (fetch->n_bytes > MAX_ANSWER_BYTES)
    fail_for_good (task, "answered with more than %d bytes", MAX_ANSWER_BYTES);
  else
    read_answer (task);
}

static void read_body (GTask * task);

static void
on_body_read (GObject * object, GAsyncResult * result, gpointer data)
{
  g_autoptr (GTask) task = data;
  g_autoptr (GError) error = NULL;
  Fetch *fetch = g_task_get_task_data (task);
  gssize n = g_input_stream_read_finish (G_INPUT_STREAM (object), result, &error);

  if (n > 0)
    fetch->n_bytes += (gsize) n;
  /* a refusal without the end of its text is still a refusal */
  if (n < 0 && (is_success (fetch) || fetch->is_cancelled))
    fail_by_cause (task, error);
  else if (n <= 0 || fetch->n_bytes > (is_success (fetch) ? MAX_ANSWER_BYTES : MAX_REFUSAL_BYTES))
    handle_answer (task);
  else
    read_body (task);
}

/* Up to one byte more than may be, which tells "too large" from "just so". */
static void
read_body (GTask * task)
{
  Fetch *fetch = g_task_get_task_data (task);

  g_input_stream_read_async (fetch->body, fetch->buffer + fetch->n_bytes, MAX_ANSWER_BYTES + 1 - fetch->n_bytes,
      G_PRIORITY_DEFAULT, fetch->abort, on_body_read, g_object_ref (task));
}

static void
on_message_sent (GObject * object, GAsyncResult * result, gpointer data)
{
  g_autoptr (GTask) task = data;
  g_autoptr (GError) error = NULL;
  Fetch *fetch = g_task_get_task_data (task);
  guint status;

  fetch->body = soup_session_send_finish (SOUP_SESSION (object), result, &error);
  if (fetch->body == NULL) {
    fail_by_cause (task, error);
    return;
  }
  status = soup_message_get_status (fetch->message);
  if (is_redirect (status)) {
    follow_redirect (task, status);
  } else if (!fetch->is_simple && !is_empty (fetch->room) && is_unknown_there (status)) {
    g_autofree gchar *why = g_strdup_printf ("status=%u", status);

    become_simple (task, why);
  } else {
    read_body (task);
  }
}

/* A request of fetch->method to fetch->uri; what was under way before is over. */
static void
start_request (GTask * task)
{
  Fetch *fetch = g_task_get_task_data (task);
  g_autofree gchar *request = describe_request (fetch);

  g_clear_object (&fetch->body);
  g_clear_object (&fetch->message);
  fetch->n_bytes = 0;
  fetch->message = soup_message_new_from_uri (fetch->method, fetch->uri);
  soup_message_add_flags (fetch->message, SOUP_MESSAGE_NO_REDIRECT);
  if (fetch->method == SOUP_METHOD_POST) {
    g_autoptr (GBytes) body = make_request_body (fetch);

    soup_message_set_request_body_from_bytes (fetch->message, "application/json", body);
  }
  add_headers (fetch);
  lk_http_prepare (fetch->session, fetch->message);
  start_timeout (task);
  lk_debug ("token", "asking for a token request=%s", request);
  soup_session_send_async (fetch->session, fetch->message, G_PRIORITY_DEFAULT, fetch->abort, on_message_sent,
      g_object_ref (task));
}

void
lk_token_source_ask_url (GTask * task, LkTokenSource * source, const LkTokenWish * wish)
{
  Fetch *fetch = fetch_new (source, wish);
  GError *error = NULL;

  g_task_set_task_data (task, fetch, fetch_free);
  fetch->uri = lk_token_source_parse_url (source->url, &error);
  if (fetch->uri != NULL && check_headers (source->headers, &error) && check_wish (wish, &error))
    fetch->session = lk_http_session_new (source->http, 0, &error);
  if (error != NULL) {
    g_task_return_error (task, error);
    return;
  }
  fetch->abort = g_cancellable_new ();
  watch_cancellable (task);
  start_request (task);
}
