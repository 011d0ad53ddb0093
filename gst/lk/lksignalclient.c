/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lksignalclient: one websocket to a LiveKit server. */

#include "lksignalclient.h"

#include <libsoup/soup.h>
#include <string.h>

#include "lkerror.h"
#include "lklog.h"
#include "lkmessage.h"
#include "lksignalurl.h"
#include "lktoken.h"

/* Until the handshake is answered, all detours included. The server starts the session first: up to 12 s of its own. */
#define OPEN_TIMEOUT_MS 15000
#define FIRST_MESSAGE_TIMEOUT_MS 5000
/* What /validate says is only for people to read, but for a room that does not exist. */
#define VALIDATE_TIMEOUT_MS 3000
#define VALIDATE_MAX_BYTES 4096
#define CLOSE_TIMEOUT_MS 500
/* In a row. One may come from a newer server; ten come from something else. */
#define MAX_BAD_MESSAGES 10
/* Ten of these would be a burden. */
#define MAX_BAD_MESSAGE_BYTES (64 * 1024)
/* What a JoinResponse without these members gets: the values of the open-source server. */
#define DEFAULT_PING_INTERVAL_S 5
#define DEFAULT_PING_TIMEOUT_S 15
#define MAX_PING_INTERVAL_S 60
#define NO_ROOM_TEXT "requested room does not exist"

typedef enum
{
  STATE_NEW,
  STATE_CONNECTING,             /* handshake, or the question why it was refused */
  STATE_OPEN,
  STATE_CLOSING,
  STATE_CLOSED,                 /* closed() was called, or is posted */
} State;

struct _LkSignalClient
{
  /* constant after construction */
  LkLoop *loop;
  LkSignalClientDelegate delegate;
  gpointer data;
  /* room loop only */
  guint n_refs;                 /* the owner's, and one for each operation under way */
  gboolean is_freed;            /* no more callbacks */
  State state;
  GError *error;                /* what closed() will say */
  /* constant after connect */
  GUri *base;                   /* ws or wss, without query */
  gchar *where;                 /* host and port, for texts */
  gchar *token;
  LkHttpSettings *http;
  gchar *v0_query, *v1_query;
  guint ping_interval_ms, ping_timeout_ms;
  /* handshake */
  SoupSession *session;
  SoupMessage *handshake;
  GCancellable *handshake_cancellable, *validate_cancellable;
  gboolean is_v1;
  guint refused_status;         /* of the handshake whose reason is being asked for */
  gchar validate_body[VALIDATE_MAX_BYTES + 1];
  /* open */
  SoupWebsocketConnection *websocket;
  gboolean has_first_message;
  guint n_bad_messages;
  gint64 last_message_us;       /* monotonic */
  guint rtt_ms;
  /* timers */
  guint64 open_timer, validate_timer, first_message_timer, ping_timer, silence_timer, close_timer;
};

static void start_handshake (LkSignalClient * self);

static LkSignalClient *
client_ref (LkSignalClient * self)
{
  self->n_refs++;
  return self;
}

static void
client_unref (gpointer data)
{
  LkSignalClient *self = data;

  if (--self->n_refs > 0)
    return;
  g_clear_error (&self->error);
  g_clear_object (&self->validate_cancellable);
  g_clear_object (&self->session);
  g_clear_pointer (&self->base, g_uri_unref);
  g_clear_pointer (&self->token, lk_token_clear);
  g_clear_pointer (&self->http, lk_http_settings_free);
  g_free (self->where);
  g_free (self->v0_query);
  g_free (self->v1_query);
  lk_loop_unref (self->loop);
  g_free (self);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LkSignalClient, client_unref)

LkSignalClient *
lk_signal_client_new (LkLoop * loop, const LkSignalClientDelegate * delegate, gpointer data)
{
  LkSignalClient *self = g_new0 (LkSignalClient, 1);

  self->n_refs = 1;
  self->loop = lk_loop_ref (loop);
  self->delegate = *delegate;
  self->data = data;
  return self;
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* The end */

static void
cancel_timers (LkSignalClient * self)
{
  lk_loop_cancel (self->loop, &self->open_timer);
  lk_loop_cancel (self->loop, &self->validate_timer);
  lk_loop_cancel (self->loop, &self->first_message_timer);
  lk_loop_cancel (self->loop, &self->ping_timer);
  lk_loop_cancel (self->loop, &self->silence_timer);
  lk_loop_cancel (self->loop, &self->close_timer);
}

static void
unref_later (gpointer object)
{
}

/* The websocket reads on after a callback of ours returns, so that the last reference must not go inside one. */
static void
drop_websocket (LkSignalClient * self)
{
  SoupWebsocketConnection *websocket = g_steal_pointer (&self->websocket);

  if (websocket == NULL)
    return;
  g_signal_handlers_disconnect_by_data (websocket, self);
  lk_loop_post (self->loop, unref_later, websocket, g_object_unref);
}

static void
drop_handshake (LkSignalClient * self)
{
  if (self->handshake != NULL)
    g_signal_handlers_disconnect_by_data (self->handshake, self);
  g_clear_object (&self->handshake);
  if (self->handshake_cancellable != NULL)
    g_cancellable_cancel (self->handshake_cancellable);
  g_clear_object (&self->handshake_cancellable);
}

static void
tear_down (LkSignalClient * self)
{
  cancel_timers (self);
  drop_handshake (self);
  if (self->validate_cancellable != NULL)
    g_cancellable_cancel (self->validate_cancellable);
  drop_websocket (self);
}

void
lk_signal_client_free_in_loop (LkSignalClient * self)
{
  lk_loop_assert_current (self->loop);

  self->is_freed = TRUE;
  self->state = STATE_CLOSED;
  tear_down (self);
  client_unref (self);
}

static void
tell_closed (gpointer data)
{
  LkSignalClient *self = data;

  if (!self->is_freed)
    self->delegate.closed (self, self->error, self->data);
}

/* The way to every end. Takes @error; NULL is the end that was asked for. */
static void
finish (LkSignalClient * self, GError * error)
{
  if (self->state == STATE_CLOSED) {
    g_clear_error (&error);
    return;
  }
  lk_debug ("signal", "closed host=%s reason=%s", self->where != NULL ? self->where : "-",
      error != NULL ? error->message : "asked");
  self->state = STATE_CLOSED;
  self->error = error;
  tear_down (self);
  lk_loop_post (self->loop, tell_closed, client_ref (self), client_unref);
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* Errors of connecting */

static GError *
error_from_tls (LkSignalClient * self, SoupMessage * message, const GError * cause)
{
  GTlsCertificateFlags faults = soup_message_get_tls_peer_certificate_errors (message);
  GError *error;

  if (g_error_matches (cause, G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE) && faults != 0) {
    g_autofree gchar *words = lk_http_certificate_faults (faults);

    return g_error_new (LK_ERROR, LK_ERROR_TLS, "The certificate of %s is not accepted: %s", self->where, words);
  }
  error = g_error_new (LK_ERROR, LK_ERROR_TLS, "TLS with %s failed: %s", self->where, cause->message);
  /* Mostly a peer that hung up in the middle: a proxy whose server restarts. */
  lk_error_set_final (error, FALSE);
  return error;
}

static GError *
error_from_speech (LkSignalClient * self, const GError * cause)
{
  GError *error = g_error_new (LK_ERROR, LK_ERROR_NOT_LIVEKIT, "%s does not speak as a LiveKit server does: %s",
      self->where, cause->message);

  /* An answer that broke off looks like one that is no HTTP. */
  if (g_error_matches (cause, SOUP_SESSION_ERROR, SOUP_SESSION_ERROR_PARSING))
    lk_error_set_final (error, FALSE);
  return error;
}

static GError *
error_from_io (LkSignalClient * self, SoupMessage * message, const GError * cause)
{
  if (cause->domain == LK_ERROR)
    return g_error_copy (cause);
  if (lk_http_is_old_tls (message))
    return g_error_new (LK_ERROR, LK_ERROR_TLS, "%s speaks no version of TLS newer than 1.1", self->where);
  if (cause->domain == G_RESOLVER_ERROR)
    return g_error_new (LK_ERROR, LK_ERROR_RESOLVE, "No address for host %s: %s", self->where, cause->message);
  if (cause->domain == G_TLS_ERROR)
    return error_from_tls (self, message, cause);
  if (cause->domain == SOUP_SESSION_ERROR || cause->domain == SOUP_WEBSOCKET_ERROR)
    return error_from_speech (self, cause);
  if (g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_PROXY_AUTH_FAILED)
      || g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_PROXY_NEED_AUTH))
    return g_error_new (LK_ERROR, LK_ERROR_SETTINGS, "The proxy on the way to %s wants other credentials: %s",
        self->where, cause->message);
  return g_error_new (LK_ERROR, LK_ERROR_CONNECT, "Cannot connect to %s: %s", self->where, cause->message);
}

/* @text is the server's reason, clean, or empty. */
static GError *
error_from_status (LkSignalClient * self, guint status, const gchar * text)
{
  const gchar *colon = text[0] != '\0' ? ": " : "";

  if (status == 401 || status == 403)
    return lk_error_new_http (LK_ERROR_UNAUTHORIZED, status, "%s refused the access token (HTTP %u)%s%s", self->where,
        status, colon, text);
  if (status == 400 && (strstr (text, "join request") != NULL || strstr (text, "join_request") != NULL))
    return lk_error_new_http (LK_ERROR_PROTOCOL, status, "%s did not understand us (HTTP %u)%s%s", self->where, status,
        colon, text);
  if (status == 400)
    return lk_error_new_http (LK_ERROR_TOKEN, status, "%s cannot use the access token (HTTP %u)%s%s", self->where,
        status, colon, text);
  if (status == 407)
    return lk_error_new_http (LK_ERROR_SETTINGS, status, "The proxy on the way to %s wants other credentials",
        self->where);
  if (status == 408 || status == 429 || status >= 500)
    return lk_error_new_http (LK_ERROR_SERVER, status, "%s cannot take us now (HTTP %u)%s%s", self->where, status,
        colon, text);
  if (SOUP_STATUS_IS_REDIRECTION (status))
    return lk_error_new_http (LK_ERROR_NOT_LIVEKIT, status,
        "%s sends us elsewhere (HTTP %u), which a LiveKit server does not", self->where, status);
  return lk_error_new_http (LK_ERROR_NOT_LIVEKIT, status, "%s is not a LiveKit server (HTTP %u)%s%s", self->where,
      status, colon, text);
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* Why a handshake was refused: libsoup does not give the body, so /validate is asked with the same query and token */

static GUri *
build_uri (LkSignalClient * self, gboolean is_http, const gchar * path)
{
  return lk_signal_url_build (self->base, is_http, path, self->is_v1 ? self->v1_query : self->v0_query);
}

static SoupMessage *
new_message (LkSignalClient * self, GUri * uri)
{
  SoupMessage *message = soup_message_new_from_uri (SOUP_METHOD_GET, uri);
  g_autofree gchar *bearer = g_strconcat ("Bearer ", self->token, NULL);

  soup_message_headers_replace (soup_message_get_request_headers (message), "Authorization", bearer);
  soup_message_add_flags (message, SOUP_MESSAGE_NO_REDIRECT | SOUP_MESSAGE_DO_NOT_USE_AUTH_CACHE);
  lk_http_prepare (self->session, message);
  memset (bearer, 0, strlen (bearer));
  return message;
}

static void
refusal_explained (LkSignalClient * self, const gchar * body)
{
  g_autofree gchar *text = NULL;

  lk_loop_cancel (self->loop, &self->validate_timer);
  if (self->refused_status != 404) {
    text = lk_error_clean_text (body, -1);
    finish (self, error_from_status (self, self->refused_status, text));
    return;
  }
  if (strstr (body, NO_ROOM_TEXT) != NULL) {
    finish (self, lk_error_new_http (LK_ERROR_NO_ROOM, 404, "%s: the room does not exist, and the server does not make "
            "rooms by itself", self->where));
    return;
  }
  if (!self->is_v1) {
    finish (self, error_from_status (self, 404, ""));
    return;
  }
  lk_info ("signal", "no v1 signalling, trying v0 host=%s", self->where);
  self->is_v1 = FALSE;
  start_handshake (self);
}

static void
on_validate_body (GObject * stream, GAsyncResult * result, gpointer data)
{
  g_autoptr (LkSignalClient) self = data;
  gsize length = 0;

  /* What came before an error or the deadline will do. */
  g_input_stream_read_all_finish (G_INPUT_STREAM (stream), result, &length, NULL);
  self->validate_body[length] = '\0';
  if (self->state == STATE_CONNECTING)
    refusal_explained (self, self->validate_body);
}

static void
on_validate_answer (GObject * session, GAsyncResult * result, gpointer data)
{
  g_autoptr (LkSignalClient) self = data;
  g_autoptr (GInputStream) stream = soup_session_send_finish (SOUP_SESSION (session), result, NULL);
  SoupMessage *message = soup_session_get_async_result_message (SOUP_SESSION (session), result);

  if (self->state != STATE_CONNECTING)
    return;
  /* "success" explains nothing. */
  if (stream == NULL || SOUP_STATUS_IS_SUCCESSFUL (soup_message_get_status (message))) {
    refusal_explained (self, "");
    return;
  }
  g_input_stream_read_all_async (stream, self->validate_body, VALIDATE_MAX_BYTES, G_PRIORITY_DEFAULT,
      self->validate_cancellable, on_validate_body, client_ref (self));
}

static void
on_validate_timeout (gpointer data)
{
  LkSignalClient *self = data;

  self->validate_timer = 0;
  g_cancellable_cancel (self->validate_cancellable);
}

static void
ask_why_refused (LkSignalClient * self, guint status)
{
  g_autoptr (GUri) uri = build_uri (self, TRUE, self->is_v1 ? "/rtc/v1/validate" : "/rtc/validate");
  g_autoptr (SoupMessage) message = new_message (self, uri);

  self->refused_status = status;
  g_clear_object (&self->validate_cancellable);
  self->validate_cancellable = g_cancellable_new ();
  self->validate_timer = lk_loop_post_after (self->loop, VALIDATE_TIMEOUT_MS, on_validate_timeout, self, NULL);
  soup_session_send_async (self->session, message, G_PRIORITY_DEFAULT, self->validate_cancellable, on_validate_answer,
      client_ref (self));
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* Messages */

static gint64
unix_ms (void)
{
  return g_get_real_time () / 1000;
}

static void
send_ping (gpointer data)
{
  LkSignalClient *self = data;
  Livekit__Ping ping = LIVEKIT__PING__INIT;
  Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;

  ping.timestamp = unix_ms ();
  ping.rtt = self->rtt_ms;
  request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING_REQ;
  request.ping_req = &ping;
  self->ping_timer = lk_loop_post_after (self->loop, self->ping_interval_ms, send_ping, self, NULL);
  lk_signal_client_send_in_loop (self, &request);
}

/* Armed for the whole time-out; messages only note when they came, which is cheaper than a new timer for each. */
static void
check_silence (gpointer data)
{
  LkSignalClient *self = data;
  gint64 silent_ms = (g_get_monotonic_time () - self->last_message_us) / 1000;

  self->silence_timer = 0;
  if (silent_ms >= self->ping_timeout_ms) {
    finish (self, g_error_new (LK_ERROR, LK_ERROR_CONNECT, "No answer from %s for %u s", self->where,
            self->ping_timeout_ms / 1000));
    return;
  }
  self->silence_timer =
      lk_loop_post_after (self->loop, (guint) (self->ping_timeout_ms - silent_ms), check_silence, self, NULL);
}

static void
set_ping_times (LkSignalClient * self, gint interval_s, gint timeout_s)
{
  interval_s = interval_s > 0 ? CLAMP (interval_s, 1, MAX_PING_INTERVAL_S) : DEFAULT_PING_INTERVAL_S;
  timeout_s = timeout_s > 0 ? MIN (timeout_s, G_MAXINT / 1000) : DEFAULT_PING_TIMEOUT_S;
  self->ping_interval_ms = (guint) interval_s * 1000;
  self->ping_timeout_ms = (guint) MAX (timeout_s, interval_s) * 1000;
}

static void
start_pings (LkSignalClient * self)
{
  lk_loop_cancel (self->loop, &self->ping_timer);
  lk_loop_cancel (self->loop, &self->silence_timer);
  self->silence_timer = lk_loop_post_after (self->loop, self->ping_timeout_ms, check_silence, self, NULL);
  send_ping (self);
}

/* The session has begun: from here on the server has to show that it lives. */
static void
handle_first_message (LkSignalClient * self, const Livekit__SignalResponse * response)
{
  self->has_first_message = TRUE;
  lk_loop_cancel (self->loop, &self->first_message_timer);
  if (response->message_case == LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN)
    set_ping_times (self, response->join->ping_interval, response->join->ping_timeout);
  if (response->message_case != LIVEKIT__SIGNAL_RESPONSE__MESSAGE_LEAVE)
    start_pings (self);
}

static gboolean
can_be_first (const Livekit__SignalResponse * response)
{
  return response->message_case == LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN
      || response->message_case == LIVEKIT__SIGNAL_RESPONSE__MESSAGE_RECONNECT
      || response->message_case == LIVEKIT__SIGNAL_RESPONSE__MESSAGE_LEAVE;
}

static void
handle_pong (LkSignalClient * self, const Livekit__Pong * pong)
{
  gint64 now = unix_ms ();

  /* the wall clock may have been set meanwhile, and the server may say anything */
  if (now < pong->last_ping_timestamp || pong->last_ping_timestamp < now - MAX_PING_INTERVAL_S * 1000)
    return;
  /* 0 means "not known" to the server */
  self->rtt_ms = (guint) MAX (now - pong->last_ping_timestamp, 1);
  lk_trace ("signal", "pong rtt=%u", self->rtt_ms);
}

static void
handle_bad_message (LkSignalClient * self, GBytes * bytes, const gchar * what)
{
  lk_warning ("signal", "message ignored host=%s reason=%s", self->where, what);
  if (g_bytes_get_size (bytes) > MAX_BAD_MESSAGE_BYTES)
    finish (self, g_error_new (LK_ERROR, LK_ERROR_PROTOCOL, "A message of %u bytes from %s makes no sense: %s",
            (guint) g_bytes_get_size (bytes), self->where, what));
  else if (++self->n_bad_messages >= MAX_BAD_MESSAGES)
    finish (self, g_error_new (LK_ERROR, LK_ERROR_PROTOCOL, "%u messages in a row from %s make no sense, the last: %s",
            self->n_bad_messages, self->where, what));
}

static void
on_websocket_message (SoupWebsocketConnection * websocket, gint type, GBytes * bytes, gpointer data)
{
  g_autoptr (LkSignalClient) self = client_ref (data);
  g_autoptr (GError) error = NULL;
  Livekit__SignalResponse *response;

  if (self->state != STATE_OPEN)
    return;
  if (type != SOUP_WEBSOCKET_DATA_BINARY) {
    handle_bad_message (self, bytes, "a text frame");
    return;
  }
  if (g_bytes_get_size (bytes) == 0) {
    handle_bad_message (self, bytes, "an empty frame");
    return;
  }
  response = lk_message_unpack (bytes, &error);
  if (response == NULL) {
    handle_bad_message (self, bytes, error->message);
    return;
  }
  self->n_bad_messages = 0;
  self->last_message_us = g_get_monotonic_time ();
  if (!self->has_first_message && can_be_first (response))
    handle_first_message (self, response);
  if (response->message_case == LIVEKIT__SIGNAL_RESPONSE__MESSAGE_PONG_RESP) {
    handle_pong (self, response->pong_resp);
  } else {
    g_autofree gchar *summary = lk_message_summary_response (response);

    lk_debug ("signal", "received %s", summary);
    self->delegate.message (self, response, self->data);
  }
  lk_message_free (response);
}

static void
on_first_message_timeout (gpointer data)
{
  LkSignalClient *self = data;

  self->first_message_timer = 0;
  finish (self, g_error_new (LK_ERROR, LK_ERROR_CONNECT, "%s opened the connection, but did not begin the session",
          self->where));
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* The websocket */

static void
on_websocket_error (SoupWebsocketConnection * websocket, const GError * cause, gpointer data)
{
  LkSignalClient *self = data;

  if (self->state == STATE_CLOSING)
    return;
  /* These have the close codes of RFC 6455 as their code: what came was no websocket frame, or was too large. */
  if (cause->domain == SOUP_WEBSOCKET_ERROR)
    finish (self, g_error_new (LK_ERROR, LK_ERROR_PROTOCOL, "%s: %s", self->where, cause->message));
  else
    finish (self, g_error_new (LK_ERROR, LK_ERROR_CONNECT, "The connection to %s broke: %s", self->where,
            cause->message));
}

/* The server's close frame, or our own on its way out. libsoup would wait 5 s for the server to shut down TCP. */
static void
on_websocket_closing (SoupWebsocketConnection * websocket, gpointer data)
{
  LkSignalClient *self = data;

  if (self->state == STATE_OPEN)
    finish (self, g_error_new (LK_ERROR, LK_ERROR_CONNECT, "%s closed the connection", self->where));
}

static void
on_websocket_closed (SoupWebsocketConnection * websocket, gpointer data)
{
  LkSignalClient *self = data;

  if (self->state == STATE_CLOSING)
    finish (self, NULL);
  else
    finish (self, g_error_new (LK_ERROR, LK_ERROR_CONNECT, "The connection to %s broke", self->where));
}

static gboolean
is_loopback (LkSignalClient * self)
{
  GSocketAddress *remote = soup_message_get_remote_address (self->handshake);

  /* A proxy on this machine says nothing about the server. */
  if (remote == NULL || G_IS_PROXY_ADDRESS (remote) || !G_IS_INET_SOCKET_ADDRESS (remote) || self->http->proxy != NULL)
    return lk_http_host_is_loopback (g_uri_get_host (self->base));
  return g_inet_address_get_is_loopback (g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (remote)));
}

static void
set_limits (SoupWebsocketConnection * websocket)
{
  soup_websocket_connection_set_max_incoming_payload_size (websocket, LK_MESSAGE_MAX_BYTES);
  /* libsoup 3.8: fragments count together */
  if (g_object_class_find_property (G_OBJECT_GET_CLASS (websocket), "max-total-message-size") != NULL)
    g_object_set (websocket, "max-total-message-size", (guint64) LK_MESSAGE_MAX_BYTES, NULL);
}

static void
handshake_accepted (LkSignalClient * self, SoupWebsocketConnection * websocket)
{
  gboolean loopback = is_loopback (self);

  lk_loop_cancel (self->loop, &self->open_timer);
  drop_handshake (self);
  set_limits (websocket);
  self->websocket = websocket;
  self->state = STATE_OPEN;
  self->last_message_us = g_get_monotonic_time ();
  g_signal_connect (websocket, "message", G_CALLBACK (on_websocket_message), self);
  g_signal_connect (websocket, "error", G_CALLBACK (on_websocket_error), self);
  g_signal_connect (websocket, "closing", G_CALLBACK (on_websocket_closing), self);
  g_signal_connect (websocket, "closed", G_CALLBACK (on_websocket_closed), self);
  self->first_message_timer =
      lk_loop_post_after (self->loop, FIRST_MESSAGE_TIMEOUT_MS, on_first_message_timeout, self, NULL);
  lk_debug ("signal", "websocket open host=%s version=%s loopback=%d", self->where, self->is_v1 ? "v1" : "v0",
      loopback);
  self->delegate.opened (self, self->is_v1, loopback, self->data);
}

/* The server knows how long it will take better than our back-off does. */
static GError *
error_from_trouble (LkSignalClient * self, guint status)
{
  GError *error = error_from_status (self, status, "");

  if (status == 429 || status == 503)
    lk_error_set_retry_after_ms (error, lk_http_get_retry_after_ms (self->handshake));
  return error;
}

static void
handshake_failed (LkSignalClient * self, const GError * cause)
{
  guint status = soup_message_get_status (self->handshake);

  if (status == SOUP_STATUS_NONE || status == SOUP_STATUS_SWITCHING_PROTOCOLS)
    finish (self, error_from_io (self, self->handshake, cause));
  else if (status == 400 || status == 401 || status == 403 || status == 404)
    ask_why_refused (self, status);
  else
    finish (self, error_from_trouble (self, status));
}

static void
on_handshake_done (GObject * session, GAsyncResult * result, gpointer data)
{
  g_autoptr (LkSignalClient) self = data;
  g_autoptr (GError) cause = NULL;
  SoupWebsocketConnection *websocket;

  websocket = soup_session_websocket_connect_finish (SOUP_SESSION (session), result, &cause);
  if (self->state != STATE_CONNECTING)
    g_clear_object (&websocket);
  else if (websocket != NULL)
    handshake_accepted (self, websocket);
  else
    handshake_failed (self, cause);
}

static void
cancel_later (gpointer cancellable)
{
  g_cancellable_cancel (cancellable);
}

/* Any answer but 101, which does not come this way. libsoup would read the body first, and there are bodies without an
 * end. The status says it all. */
static void
on_handshake_headers (SoupMessage * message, gpointer data)
{
  LkSignalClient *self = data;

  lk_loop_post (self->loop, cancel_later, g_object_ref (self->handshake_cancellable), g_object_unref);
}

static void
start_handshake (LkSignalClient * self)
{
  g_autoptr (GUri) uri = build_uri (self, FALSE, self->is_v1 ? "/rtc/v1" : "/rtc");

  drop_handshake (self);
  self->handshake = new_message (self, uri);
  self->handshake_cancellable = g_cancellable_new ();
  g_signal_connect (self->handshake, "got-headers", G_CALLBACK (on_handshake_headers), self);
  soup_session_websocket_connect_async (self->session, self->handshake, NULL, NULL, G_PRIORITY_DEFAULT,
      self->handshake_cancellable, on_handshake_done, client_ref (self));
}

static void
on_open_timeout (gpointer data)
{
  LkSignalClient *self = data;

  self->open_timer = 0;
  finish (self, g_error_new (LK_ERROR, LK_ERROR_CONNECT, "%s did not answer within %d s", self->where,
          OPEN_TIMEOUT_MS / 1000));
}

static gboolean
take_settings (LkSignalClient * self, const LkSignalSettings * settings, GError ** error)
{
  self->base = lk_signal_url_parse (settings->server_url, error);
  if (self->base == NULL || !lk_token_check_text (settings->token, error))
    return FALSE;
  self->where = lk_signal_url_describe (self->base);
  self->token = g_strdup (settings->token);
  self->http = lk_http_settings_copy (settings->http);
  self->is_v1 = !settings->use_v0;
  self->v0_query = lk_signal_url_v0_query (settings);
  self->v1_query = lk_signal_url_v1_query (settings);
  set_ping_times (self, (gint) settings->ping_interval_s, (gint) settings->ping_timeout_s);
  /* No limit on silence: our own timers are stricter. */
  self->session = lk_http_session_new (self->http, 0, error);
  return self->session != NULL;
}

void
lk_signal_client_connect_in_loop (LkSignalClient * self, const LkSignalSettings * settings)
{
  GError *error = NULL;

  lk_loop_assert_current (self->loop);
  g_return_if_fail (self->state == STATE_NEW);

  self->state = STATE_CONNECTING;
  if (!take_settings (self, settings, &error)) {
    finish (self, error);
    return;
  }
  self->open_timer = lk_loop_post_after (self->loop, OPEN_TIMEOUT_MS, on_open_timeout, self, NULL);
  start_handshake (self);
}

void
lk_signal_client_send_in_loop (LkSignalClient * self, const Livekit__SignalRequest * request)
{
  g_autofree gchar *summary = NULL;
  g_autoptr (GBytes) bytes = NULL;

  lk_loop_assert_current (self->loop);

  /* libsoup complains about a frame after a close frame, which may have come in this moment */
  if (self->state != STATE_OPEN
      || soup_websocket_connection_get_state (self->websocket) != SOUP_WEBSOCKET_STATE_OPEN)
    return;
  summary = lk_message_summary_request (request);
  if (request->message_case == LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING_REQ)
    lk_trace ("signal", "sending %s", summary);
  else
    lk_debug ("signal", "sending %s", summary);
  bytes = lk_message_pack (request);
  soup_websocket_connection_send_message (self->websocket, SOUP_WEBSOCKET_DATA_BINARY, bytes);
}

static void
on_close_timeout (gpointer data)
{
  LkSignalClient *self = data;

  self->close_timer = 0;
  finish (self, NULL);
}

void
lk_signal_client_close_in_loop (LkSignalClient * self)
{
  lk_loop_assert_current (self->loop);

  if (self->state == STATE_CLOSING || self->state == STATE_CLOSED)
    return;
  if (self->state != STATE_OPEN
      || soup_websocket_connection_get_state (self->websocket) != SOUP_WEBSOCKET_STATE_OPEN) {
    finish (self, NULL);
    return;
  }
  cancel_timers (self);
  self->state = STATE_CLOSING;
  self->close_timer = lk_loop_post_after (self->loop, CLOSE_TIMEOUT_MS, on_close_timeout, self, NULL);
  soup_websocket_connection_close (self->websocket, SOUP_WEBSOCKET_CLOSE_NORMAL, NULL);
}

guint
lk_signal_client_get_rtt_ms (LkSignalClient * self)
{
  return self->rtt_ms;
}
