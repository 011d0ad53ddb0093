/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* signalfixture: a signal client beside a fake server. */

#include "signalfixture.h"

#include <gst/check/gstcheck.h>
#include <string.h>

#include "lklog.h"
#include "lktoken.h"

static SignalFixture *current;

static void
collect_log (LkLogLevel level, const gchar * file, const gchar * function, gint line_number, const gchar * object,
    const gchar * line, gpointer data)
{
  if (current == NULL)
    return;
  g_mutex_lock (&current->lock);
  g_string_append_printf (current->log, "%s\n", line);
  g_mutex_unlock (&current->lock);
}

void
signal_event_free (SignalEvent * event)
{
  g_clear_error (&event->error);
  g_free (event);
}

static void
react (SignalFixture * f, Reaction reaction)
{
  if (reaction == DO_FREE)
    g_clear_pointer (&f->client, lk_signal_client_free_in_loop);
  else if (reaction == DO_CLOSE)
    lk_signal_client_close_in_loop (f->client);
}

static void
on_opened (LkSignalClient * client, gboolean is_v1, gboolean is_loopback, gpointer data)
{
  SignalFixture *f = data;
  SignalEvent *event = g_new0 (SignalEvent, 1);

  event->kind = OPENED;
  event->is_v1 = is_v1;
  event->is_loopback = is_loopback;
  /* first, for the test may go on as soon as it has the event */
  react (f, f->on_opened);
  g_async_queue_push (f->events, event);
}

static void
on_message (LkSignalClient * client, const Livekit__SignalResponse * response, gpointer data)
{
  SignalFixture *f = data;
  SignalEvent *event = g_new0 (SignalEvent, 1);

  event->kind = MESSAGE;
  event->message = response->message_case;
  /* first, for the test may go on as soon as it has the event */
  react (f, f->on_message);
  g_async_queue_push (f->events, event);
}

static void
on_closed (LkSignalClient * client, const GError * error, gpointer data)
{
  SignalFixture *f = data;
  SignalEvent *event = g_new0 (SignalEvent, 1);

  g_assert_true (!f->is_in_call);
  event->kind = CLOSED;
  event->error = error != NULL ? g_error_copy (error) : NULL;
  g_async_queue_push (f->events, event);
}

typedef struct
{
  void (*func) (SignalFixture *);
  SignalFixture *f;
  GMutex lock;
  GCond cond;
  gboolean is_done;
} Call;

static void
run_call (gpointer data)
{
  Call *call = data;

  call->f->is_in_call = TRUE;
  call->func (call->f);
  call->f->is_in_call = FALSE;
  g_mutex_lock (&call->lock);
  call->is_done = TRUE;
  g_cond_signal (&call->cond);
  g_mutex_unlock (&call->lock);
}

void
in_loop (SignalFixture * f, void (*func) (SignalFixture *))
{
  Call call = { func, f, };

  g_mutex_init (&call.lock);
  g_cond_init (&call.cond);
  fail_unless (lk_loop_post (f->loop, run_call, &call, NULL));
  g_mutex_lock (&call.lock);
  while (!call.is_done)
    g_cond_wait (&call.cond, &call.lock);
  g_mutex_unlock (&call.lock);
  g_mutex_clear (&call.lock);
  g_cond_clear (&call.cond);
}

static gchar *
mint_token (void)
{
  LkTokenRequest request = { NULL, };

  request.api_key = "devkey";
  request.api_secret = "secret";
  request.room = "lab";
  request.identity = "alice";
  request.now_s = g_get_real_time () / G_USEC_PER_SEC;
  request.valid_s = 600;
  return lk_token_mint (&request, NULL);
}

SignalFixture *
signal_fixture_new (void)
{
  SignalFixture *f = g_new0 (SignalFixture, 1);

  g_mutex_init (&f->lock);
  f->log = g_string_new (NULL);
  f->server = fake_server_new ();
  f->loop = lk_loop_new ("test-signal");
  f->events = g_async_queue_new_full ((GDestroyNotify) signal_event_free);
  f->token = mint_token ();
  f->settings.server_url = fake_server_get_url (f->server);
  f->settings.token = f->token;
  f->settings.client_version = "1.2.3";
  current = f;
  lk_log_set_sink (collect_log, NULL);
  lk_log_set_max_level (LK_LOG_TRACE);
  lk_loop_start (f->loop);
  return f;
}

void
free_client (SignalFixture * f)
{
  g_clear_pointer (&f->client, lk_signal_client_free_in_loop);
}

SignalEvent *
pop (SignalFixture * f)
{
  SignalEvent *event = g_async_queue_timeout_pop (f->events, (guint64) WAIT_MS * 1000);

  fail_unless (event != NULL, "nothing happened");
  return event;
}

void
signal_fixture_free (SignalFixture * f)
{
  SignalEvent *event;

  in_loop (f, free_client);
  lk_loop_stop (f->loop);
  event = g_async_queue_try_pop (f->events);
  fail_unless (event == NULL, "unexpected event %d", event != NULL ? (gint) event->kind : -1);
  fail_if (strstr (f->log->str, f->token) != NULL || strstr (f->log->str, strrchr (f->token, '.')) != NULL);
  current = NULL;
  lk_loop_unref (f->loop);
  g_async_queue_unref (f->events);
  fake_server_free (f->server);
  g_string_free (f->log, TRUE);
  g_mutex_clear (&f->lock);
  g_free (f->token);
  g_free (f);
}

static const LkSignalClientDelegate delegate = { on_opened, on_message, on_closed };

void
do_connect (SignalFixture * f)
{
  f->client = lk_signal_client_new (f->loop, &delegate, f);
  lk_signal_client_connect_in_loop (f->client, &f->settings);
}

void
do_close (SignalFixture * f)
{
  lk_signal_client_close_in_loop (f->client);
}

void
do_close_twice (SignalFixture * f)
{
  lk_signal_client_close_in_loop (f->client);
  lk_signal_client_close_in_loop (f->client);
}

void
do_connect_and_close (SignalFixture * f)
{
  do_connect (f);
  lk_signal_client_close_in_loop (f->client);
}

void
do_connect_and_free (SignalFixture * f)
{
  do_connect (f);
  free_client (f);
}

void
do_send_mute (SignalFixture * f)
{
  Livekit__MuteTrackRequest mute = LIVEKIT__MUTE_TRACK_REQUEST__INIT;
  Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;

  mute.sid = (gchar *) "TR_1";
  request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_MUTE;
  request.mute = &mute;
  lk_signal_client_send_in_loop (f->client, &request);
}

void
expect_opened (SignalFixture * f, gboolean is_v1)
{
  SignalEvent *event = pop (f);

  fail_unless (event->kind == OPENED, "%s", event->error != NULL ? event->error->message : "not opened");
  fail_unless_equals_int (event->is_v1, is_v1);
  fail_unless (event->is_loopback);
  signal_event_free (event);
}

void
expect_message (SignalFixture * f, Livekit__SignalResponse__MessageCase message)
{
  SignalEvent *event = pop (f);

  fail_unless (event->kind == MESSAGE, "%s", event->error != NULL ? event->error->message : "no message");
  fail_unless_equals_int (event->message, message);
  signal_event_free (event);
}

void
expect_closed_quietly (SignalFixture * f)
{
  SignalEvent *event = pop (f);

  while (event->kind == MESSAGE) {
    signal_event_free (event);
    event = pop (f);
  }
  fail_unless (event->kind == CLOSED && event->error == NULL);
  signal_event_free (event);
}

GError *
expect_error (SignalFixture * f, LkError code)
{
  SignalEvent *event = pop (f);
  GError *error;

  while (event->kind == MESSAGE) {
    signal_event_free (event);
    event = pop (f);
  }
  fail_unless (event->kind == CLOSED && event->error != NULL, "no error but event %d", (gint) event->kind);
  error = g_steal_pointer (&event->error);
  signal_event_free (event);
  fail_unless (error->domain == LK_ERROR && error->code == (gint) code, "%s instead of %s: %s",
      lk_error_reason ((LkError) error->code), lk_error_reason (code), error->message);
  fail_if (strstr (error->message, f->token) != NULL);
  return error;
}

void
expect_error_with (SignalFixture * f, LkError code, const gchar * text)
{
  g_autoptr (GError) error = expect_error (f, code);

  fail_unless (strstr (error->message, text) != NULL, "'%s' is not in: %s", text, error->message);
}

void
connect_and_join (SignalFixture * f)
{
  in_loop (f, do_connect);
  expect_opened (f, !f->settings.use_v0);
  expect_message (f, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN);
}
