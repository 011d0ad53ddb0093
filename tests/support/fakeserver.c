/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fakeserver: the thread, HTTP, and who may come in. */
#include <string.h>

#include "fakemessages.h"
#include "fakeserver-private.h"

typedef struct
{
  FakeServer *server;
  FakeTask func;
  gpointer data;
  GDestroyNotify destroy;
  gboolean *is_done;            /* for who waits, or NULL */
} Job;

/* ---- the thread ---- */

static gboolean
run_job (gpointer data)
{
  Job *job = data;

  job->func (job->server, job->data);
  return G_SOURCE_REMOVE;
}

static void
free_job (gpointer data)
{
  Job *job = data;

  if (job->destroy)
    job->destroy (job->data);
  if (job->is_done) {
    g_mutex_lock (&job->server->lock);
    *job->is_done = TRUE;
    g_cond_broadcast (&job->server->cond);
    g_mutex_unlock (&job->server->lock);
  }
  g_free (job);
}

static void
attach_job (FakeServer * server, gint priority, FakeTask func, gpointer data, GDestroyNotify destroy,
    gboolean * is_done)
{
  GSource *source = g_idle_source_new ();
  Job *job = g_new (Job, 1);

  *job = (Job) { server, func, data, destroy, is_done };
  g_source_set_priority (source, priority);
  g_source_set_callback (source, run_job, job, free_job);
  g_source_attach (source, server->context);
  g_source_unref (source);
}

void
fake_server_post (FakeServer * server, FakeTask func, gpointer data, GDestroyNotify destroy)
{
  attach_job (server, G_PRIORITY_DEFAULT, func, data, destroy, NULL);
}

void
fake_server_post_late (FakeServer * server, FakeTask func, gpointer data, GDestroyNotify destroy)
{
  attach_job (server, G_PRIORITY_LOW, func, data, destroy, NULL);
}

void
fake_server_run (FakeServer * server, FakeTask func, gpointer data)
{
  gboolean is_done = FALSE;

  if (g_main_context_is_owner (server->context)) {
    func (server, data);
    return;
  }
  attach_job (server, G_PRIORITY_DEFAULT, func, data, NULL, &is_done);
  g_mutex_lock (&server->lock);
  while (!is_done)
    g_cond_wait (&server->cond, &server->lock);
  g_mutex_unlock (&server->lock);
}

/* ---- HTTP ---- */

static void
free_join_request (gpointer join)
{
  livekit__join_request__free_unpacked (join, NULL);
}

static void
free_attempt (gpointer data)
{
  FakeAttempt *attempt = data;

  g_free (attempt->participant_sid);
  g_clear_pointer (&attempt->claims, lk_token_claims_free);
  g_clear_object (&attempt->socket);
  g_free (attempt);
}

static void
answer (SoupServerMessage * message, guint status, const gchar * body)
{
  if (body && *body)
    soup_server_message_set_response (message, "text/plain; charset=utf-8", SOUP_MEMORY_COPY, body, strlen (body));
  soup_server_message_set_status (message, status, NULL);
}

/* The token, or NULL with the words of the real server. */
static const gchar *
find_token (SoupServerMessage * message, GHashTable * query, const gchar ** why)
{
  const gchar *header = soup_message_headers_get_one (soup_server_message_get_request_headers (message),
      "Authorization");
  const gchar *token;

  if (header && !g_str_has_prefix (header, "Bearer ")) {
    *why = "invalid authorization header. Must start with Bearer ";
    return NULL;
  }
  token = header ? header + strlen ("Bearer ") : query ? g_hash_table_lookup (query, "access_token") : NULL;
  if (!token)
    *why = "no permissions to access the room";
  return token;
}

static gboolean
read_token (FakeAttempt * attempt, const gchar * token, const gchar ** why)
{
  attempt->claims = lk_token_read (token, NULL);
  if (!attempt->claims)
    *why = "invalid authorization token";
  else if (!attempt->claims->room_join)
    *why = "permissions denied";
  return *why == NULL;
}

static void
read_v0_query (FakeAttempt * attempt, GHashTable * query)
{
  const gchar *reconnect = query ? g_hash_table_lookup (query, "reconnect") : NULL;

  attempt->is_resume = g_strcmp0 (reconnect, "1") == 0 || g_strcmp0 (reconnect, "true") == 0;
  if (attempt->is_resume)
    attempt->participant_sid = g_strdup (g_hash_table_lookup (query, "sid"));
}

/* What came, noted for the test. */
static void
note_attempt (FakeServer * server, FakeAttempt * attempt, const gchar * path, GHashTable * query, const gchar * token)
{
  g_mutex_lock (&server->lock);
  if (attempt->join)
    g_ptr_array_add (server->joins, attempt->join);
  server->last_join = attempt->join;
  g_free (server->last_path);
  server->last_path = g_strdup (path);
  g_free (server->last_token);
  server->last_token = g_strdup (token);
  g_clear_pointer (&server->last_query, g_hash_table_unref);
  server->last_query = query ? g_hash_table_ref (query) : NULL;
  if (attempt->is_resume)
    server->n_resumes++;
  else
    server->n_joins++;
  g_cond_broadcast (&server->cond);
  g_mutex_unlock (&server->lock);
}

/* Status 0 if @message may go on. */
static guint
read_attempt (FakeAttempt * attempt, SoupServerMessage * message, GHashTable * query, const gchar ** token,
    const gchar ** why)
{
  if (attempt->is_v1) {
    attempt->join = fake_join_request_unpack (query ? g_hash_table_lookup (query, "join_request") : NULL, why);
    if (!attempt->join)
      return SOUP_STATUS_BAD_REQUEST;
    attempt->is_resume = attempt->join->reconnect;
    attempt->participant_sid = g_strdup (attempt->join->participant_sid);
  } else {
    read_v0_query (attempt, query);
  }
  *token = find_token (message, query, why);
  if (!*token || !read_token (attempt, *token, why))
    return SOUP_STATUS_UNAUTHORIZED;
  if (!attempt->claims->room || !*attempt->claims->room) {
    *why = "no room name";
    return SOUP_STATUS_BAD_REQUEST;
  }
  return 0;
}

/* TRUE if the test wants it refused. A limited number of refusals counts attempts; to validate repeats the last one. */
static gboolean
take_refusal (FakeServer * server, gboolean is_validate, guint * status, gchar ** body)
{
  gboolean refuse;

  g_mutex_lock (&server->lock);
  if (is_validate) {
    refuse = server->refuse_status && (server->was_refused || server->n_refusals == G_MAXUINT);
  } else {
    refuse = server->refuse_status && server->n_refusals > 0;
    if (refuse && server->n_refusals != G_MAXUINT)
      server->n_refusals--;
    server->was_refused = refuse;
  }
  if (refuse) {
    *status = server->refuse_status;
    *body = g_strdup (server->refuse_body);
  }
  g_mutex_unlock (&server->lock);
  return refuse;
}

static gboolean
is_upgrade (SoupServerMessage * message)
{
  return soup_message_headers_header_contains (soup_server_message_get_request_headers (message), "Upgrade",
      "websocket");
}

static void
handle_attempt (FakeServer * server, SoupServerMessage * message, const gchar * path, GHashTable * query,
    gboolean is_validate)
{
  FakeAttempt *attempt = g_new0 (FakeAttempt, 1);
  const gchar *token = NULL, *why = NULL;
  g_autofree gchar *body = NULL;
  guint status;

  g_object_set_data_full (G_OBJECT (message), "attempt", attempt, free_attempt);
  attempt->is_v1 = g_str_has_prefix (path, "/rtc/v1");
  attempt->socket = g_object_ref (soup_server_message_get_socket (message));
  status = read_attempt (attempt, message, query, &token, &why);
  if (!is_validate)
    note_attempt (server, attempt, path, query, token);
  else if (attempt->join)
    g_clear_pointer (&attempt->join, free_join_request);

  if (take_refusal (server, is_validate, &status, &body))
    answer (message, status, body);
  else if (status)
    answer (message, status, why);
  else if (is_validate)
    answer (message, SOUP_STATUS_OK, "success");
}

static void
on_http (SoupServer * soup, SoupServerMessage * message, const char *path, GHashTable * query, gpointer data)
{
  FakeServer *server = data;
  gboolean is_validate = g_str_equal (path, "/rtc/validate") || g_str_equal (path, "/rtc/v1/validate");
  gboolean is_rtc = g_str_equal (path, "/rtc") || g_str_equal (path, "/rtc/v1");
  gboolean without_v1;

  g_mutex_lock (&server->lock);
  without_v1 = server->without_v1;
  if (is_validate)
    server->n_validates++;
  g_mutex_unlock (&server->lock);

  if (g_str_equal (path, "/"))
    answer (message, SOUP_STATUS_OK, "OK");
  else if (without_v1 && g_str_has_prefix (path, "/rtc/v1"))
    answer (message, SOUP_STATUS_NOT_FOUND, NULL);
  else if (is_validate || (is_rtc && is_upgrade (message)))
    handle_attempt (server, message, path, query, is_validate);
  else
    answer (message, SOUP_STATUS_NOT_FOUND, NULL);
}

static void
on_websocket (SoupServer * soup, SoupServerMessage * message, const char *path, SoupWebsocketConnection * ws,
    gpointer data)
{
  fake_client_start (data, g_object_get_data (G_OBJECT (message), "attempt"), ws);
}

/* ---- life ---- */

/* Not by soup_server_get_uris(), which leaks an address in libsoup 3.2. */
static guint
find_port (SoupServer * soup)
{
  GSList *sockets = soup_server_get_listeners (soup);
  g_autoptr (GSocketAddress) address = g_socket_get_local_address (sockets->data, NULL);

  g_slist_free (sockets);
  return g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address));
}

gboolean
fake_server_start_listening (FakeServer * server, guint port, GError ** error)
{
  gboolean is_tls = server->certificate != NULL;
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new_from_string ("127.0.0.1", is_tls ? 0 : port);

  if (!soup_server_listen (server->soup, address, 0, error))
    return FALSE;
  if (is_tls) {
    server->front = tls_front_new (server->certificate, port, find_port (server->soup), error);
    if (server->front == NULL)
      return FALSE;
    port = tls_front_get_port (server->front);
  } else {
    port = find_port (server->soup);
  }

  g_mutex_lock (&server->lock);
  /* the same port again is the same URL: the test may still hold it */
  if (server->port != port) {
    server->port = port;
    g_free (server->url);
    server->url = g_strdup_printf ("%s://127.0.0.1:%u", is_tls ? "wss" : "ws", port);
  }
  g_mutex_unlock (&server->lock);
  return TRUE;
}

static void
start_soup (FakeServer * server, gpointer data)
{
  GError *error = NULL;

  server->soup = soup_server_new (NULL, NULL);
  soup_server_add_handler (server->soup, "/", on_http, server, NULL);
  soup_server_add_handler (server->soup, "/rtc", on_http, server, NULL);
  soup_server_add_handler (server->soup, "/rtc/v1", on_http, server, NULL);
  soup_server_add_websocket_handler (server->soup, "/rtc", NULL, NULL, on_websocket, server, NULL);
  soup_server_add_websocket_handler (server->soup, "/rtc/v1", NULL, NULL, on_websocket, server, NULL);
  if (!fake_server_start_listening (server, 0, &error))
    g_error ("the fake server cannot listen: %s", error->message);
}

void
fake_server_stop_listening (FakeServer * server)
{
  g_clear_pointer (&server->front, tls_front_free);
  soup_server_disconnect (server->soup);
  while (server->clients->len > 0) {
    g_socket_shutdown (fake_server_newest_client (server)->socket, TRUE, TRUE, NULL);
    g_ptr_array_remove_index (server->clients, server->clients->len - 1);
  }
  g_mutex_lock (&server->lock);
  server->n_clients = 0;
  g_cond_broadcast (&server->cond);
  g_mutex_unlock (&server->lock);
}

static void
stop_soup (FakeServer * server, gpointer data)
{
  fake_server_stop_listening (server);
  g_clear_object (&server->soup);
  g_main_loop_quit (server->loop);
}

static gpointer
run_thread (gpointer data)
{
  FakeServer *server = data;

  g_main_context_push_thread_default (server->context);
  g_main_loop_run (server->loop);
  /* what libsoup still has to clean up */
  while (g_main_context_iteration (server->context, FALSE));
  g_main_context_pop_thread_default (server->context);
  return NULL;
}

static void
free_request (gpointer request)
{
  livekit__signal_request__free_unpacked (request, NULL);
}

FakeServer *
fake_server_new (void)
{
  FakeServer *server = g_new0 (FakeServer, 1);

  g_mutex_init (&server->lock);
  g_cond_init (&server->cond);
  server->clients = g_ptr_array_new_with_free_func (fake_client_free);
  server->requests = g_ptr_array_new_with_free_func (free_request);
  server->cursors = g_hash_table_new (NULL, NULL);
  server->joins = g_ptr_array_new_with_free_func (free_join_request);
  server->participants = g_ptr_array_new_with_free_func ((GDestroyNotify) fake_participant_free);
  server->ping_interval_s = 5;
  server->ping_timeout_s = 15;
  server->context = g_main_context_new ();
  server->loop = g_main_loop_new (server->context, FALSE);
  server->thread = g_thread_new ("fakeserver", run_thread, server);
  fake_server_run (server, start_soup, NULL);
  return server;
}

void
fake_server_free (FakeServer * server)
{
  if (!server)
    return;
  fake_server_thaw (server);
  fake_server_post (server, stop_soup, NULL, NULL);
  g_thread_join (server->thread);
  g_main_loop_unref (server->loop);
  g_main_context_unref (server->context);
  g_ptr_array_unref (server->clients);
  g_ptr_array_unref (server->requests);
  g_ptr_array_unref (server->joins);
  g_ptr_array_unref (server->participants);
  g_hash_table_unref (server->cursors);
  g_clear_pointer (&server->last_query, g_hash_table_unref);
  g_clear_pointer (&server->join_bytes, g_bytes_unref);
  g_clear_object (&server->certificate);
  g_free (server->url);
  g_free (server->last_path);
  g_free (server->last_token);
  g_free (server->last_sid);
  g_free (server->refuse_body);
  g_mutex_clear (&server->lock);
  g_cond_clear (&server->cond);
  g_free (server);
}
