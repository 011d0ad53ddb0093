/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lktokensource: "server URL and token, please", from a literal, a key and secret, or a token URL. */

#include "lktokensource.h"

#include "lkerror.h"
#include "lkhttp.h"
#include "lklog.h"
#include "lktoken.h"

#include <json-glib/json-glib.h>
#include <libsoup/soup.h>
#include <openssl/crypto.h>
#include <string.h>

#define MAX_ANSWER_BYTES (64 * 1024)
/* of a refusal, of which 256 bytes are shown */
#define MAX_REFUSAL_BYTES 4096
#define MAX_TOKEN_BYTES (64 * 1024)
#define MAX_DEPTH 32
#define MAX_REDIRECTS 5
#define DEFAULT_TIMEOUT_MS 10000
/* as LiveKit's server SDKs */
#define KEY_TOKEN_VALID_S (6 * 60 * 60)

typedef enum
{
  SOURCE_LITERAL,
  SOURCE_KEY,
  SOURCE_URL,
} SourceKind;

struct _LkTokenSource
{
  gint n_refs;                  /* atomic */
  /* constant after construction */
  SourceKind kind;
  gchar *token;
  gchar *api_key, *api_secret;
  gchar *url;
  GHashTable *headers;          /* string to string, owned; NULL = none */
  LkHttpSettings *http;
  guint timeout_ms;
  /* context of the fetches only */
  gchar *made_up_identity;
};

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

/* Sources */

static LkTokenSource *
source_new (SourceKind kind)
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
  LkTokenSource *self = source_new (SOURCE_LITERAL);

  self->token = g_strdup (token);
  return self;
}

LkTokenSource *
lk_token_source_new_key (const gchar * api_key, const gchar * api_secret)
{
  LkTokenSource *self = source_new (SOURCE_KEY);

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

static GHashTable *
copy_strings (GHashTable * table, GDestroyNotify free_value)
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
  LkTokenSource *self = source_new (SOURCE_URL);

  self->url = g_strstrip (g_strdup (url != NULL ? url : ""));
  self->headers = copy_strings (headers, clear_secret);
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
  return self->kind != SOURCE_LITERAL;
}

/* @url as a URI, or NULL with LK_ERROR_SETTINGS: http or https, with a host, on one line. */
static GUri *
parse_token_url (const gchar * url, GError ** error)
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
  g_autoptr (GUri) uri = parse_token_url (source->url, error);

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

/* Visible ASCII only, for it goes into a header of HTTP. */
static gboolean
check_token_text (const gchar * token, LkError code, GError ** error)
{
  gsize length = strlen (token);

  if (length == 0) {
    g_set_error_literal (error, LK_ERROR, (gint) code, "the access token is empty");
    return FALSE;
  }
  if (length > MAX_TOKEN_BYTES) {
    g_set_error (error, LK_ERROR, (gint) code, "the access token is longer than %d bytes", MAX_TOKEN_BYTES);
    return FALSE;
  }
  for (gsize i = 0; i < length; i++) {
    if (!g_ascii_isgraph (token[i])) {
      g_set_error_literal (error, LK_ERROR, (gint) code,
          "the access token has a space, a line end or another character in it that no token has");
      return FALSE;
    }
  }
  return TRUE;
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
  return check_token_text (answer->token, LK_ERROR_TOKEN, error) ? g_steal_pointer (&answer) : NULL;
}

/* Letters, digits and dashes of the host's name, and a random number, for hosts made of one image have one name. */
static const gchar *
get_made_up_identity (LkTokenSource * self)
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
    .identity = is_empty (wish->identity) ? get_made_up_identity (self) : wish->identity,
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

/* A fetch from a token URL */

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
  fetch->attributes = copy_strings (wish->attributes, g_free);
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
  base = parse_token_url (fetch->source->url, NULL);
  own = g_uri_get_query (base);
  if (is_empty (fetch->identity)) {
    g_free (fetch->identity);
    fetch->identity = g_strdup (get_made_up_identity (fetch->source));
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

/* What the token URL says */

static gboolean
get_string (JsonObject * object, const gchar * const *names, const gchar ** value)
{
  *value = NULL;
  for (; *names != NULL; names++) {
    JsonNode *node = json_object_get_member (object, *names);

    if (node == NULL || JSON_NODE_HOLDS_NULL (node))
      continue;
    if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_STRING)
      return FALSE;
    *value = json_node_get_string (node);
    if (!is_empty (*value))
      return TRUE;
  }
  return TRUE;
}

/* NULL when @server_url is good, else what is wrong with it. */
static const gchar *
find_fault_of_server_url (Fetch * fetch, const gchar * server_url)
{
  g_autoptr (GUri) uri = g_uri_parse (server_url, SOUP_HTTP_URI_FLAGS, NULL);
  const gchar *scheme = uri != NULL ? g_uri_get_scheme (uri) : "";
  gboolean is_secure = g_strcmp0 (scheme, "wss") == 0 || g_strcmp0 (scheme, "https") == 0;

  for (const gchar * p = server_url; *p != '\0'; p++) {
    if (!g_ascii_isgraph (*p))
      return "is no URL";
  }
  if (uri == NULL || is_empty (g_uri_get_host (uri)))
    return "is no URL";
  if (!is_secure && g_strcmp0 (scheme, "ws") != 0 && g_strcmp0 (scheme, "http") != 0)
    return "is not of ws, wss, http or https";
  if (!is_secure && g_ascii_strncasecmp (fetch->source->url, "https:", 6) == 0
      && !lk_http_host_is_loopback (g_uri_get_host (uri)))
    return "is not encrypted, while the token URL is";
  return NULL;
}

static void
read_answer (GTask * task, JsonObject * object)
{
  static const gchar *const token_names[] = { "participant_token", "participantToken", "token", NULL };
  static const gchar *const url_names[] = { "server_url", "serverUrl", NULL };
  Fetch *fetch = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  const gchar *token, *server_url, *fault;
  LkTokenAnswer *answer;

  if (!get_string (object, token_names, &token) || !get_string (object, url_names, &server_url)) {
    fail_for_good (task, "answered with a token or a server URL that is no string");
    return;
  }
  if (is_empty (token)) {
    fail_for_good (task, "answered without a token");
    return;
  }
  if (!check_token_text (token, LK_ERROR_TOKEN_SOURCE, &error)) {
    fail_for_good (task, "answered with a bad token: %s", error->message);
    return;
  }
  fault = !is_empty (server_url) ? find_fault_of_server_url (fetch, server_url) : NULL;
  if (fault != NULL) {
    g_autofree gchar *clean = lk_error_clean_url (server_url);

    fail_for_good (task, "answered with the server URL %s, which %s", clean, fault);
    return;
  }

  answer = g_new0 (LkTokenAnswer, 1);
  answer->token = g_strdup (token);
  answer->server_url = is_empty (server_url) ? NULL : g_strdup (server_url);
  stop_fetch (fetch);
  g_task_return_pointer (task, answer, (GDestroyNotify) lk_token_answer_free);
}

static void
parse_answer (GTask * task)
{
  Fetch *fetch = g_task_get_task_data (task);
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  JsonNode *root = NULL;

  if (lk_token_json_is_sane (fetch->buffer, fetch->n_bytes, MAX_DEPTH)
      && json_parser_load_from_data (parser, fetch->buffer, (gssize) fetch->n_bytes, NULL))
    root = json_parser_get_root (parser);
  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root)) {
    fail_for_good (task, "answered with something that is no JSON object");
    return;
  }
  read_answer (task, json_node_get_object (root));
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

  if (!fetch->is_simple && is_unknown_there (status))
    hint = " (a simple key server can only be asked for a token when room is set)";
  fail_fetch (task, lk_error_new_http (LK_ERROR_TOKEN_SOURCE, status, "token URL (%s) answered HTTP %u%s%s%s", request,
          status, *text != '\0' ? ": " : "", text, hint));
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
    parse_answer (task);
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

static void
start_fetch (GTask * task, LkTokenSource * source, const LkTokenWish * wish)
{
  Fetch *fetch = fetch_new (source, wish);
  GError *error = NULL;

  g_task_set_task_data (task, fetch, fetch_free);
  fetch->uri = parse_token_url (source->url, &error);
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
  if (self->kind == SOURCE_URL) {
    start_fetch (task, self, wish);
    return;
  }
  answer = self->kind == SOURCE_KEY ? answer_key (self, wish, &error) : answer_literal (self, &error);
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

  if (self->kind == SOURCE_KEY && is_empty (room)) {
    g_set_error_literal (error, LK_ERROR, LK_ERROR_SETTINGS, "There is no room to make a token for: set room.");
    return FALSE;
  }
  if (self->kind != SOURCE_LITERAL)
    return TRUE;
  answer = answer_literal (self, error);
  claims = answer ? lk_token_read (answer->token, error) : NULL;
  return claims && lk_token_check (claims, room, now_s, error)
      && lk_token_check_grants (claims, needs_publish, needs_subscribe, error);
}
