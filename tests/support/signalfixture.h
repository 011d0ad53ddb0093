/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* signalfixture: a signal client on a loop of its own beside a fake server; what it tells becomes events, and each of
 * them has to be expected. */
#pragma once

#include "fakeserver.h"
#include "lkerror.h"
#include "lksignalclient.h"

G_BEGIN_DECLS

/* Only reached by a test that fails. */
#ifndef WAIT_MS
#define WAIT_MS 20000
#endif

typedef enum
{ OPENED, MESSAGE, CLOSED } SignalEventKind;

typedef struct
{
  SignalEventKind kind;
  gboolean is_v1, is_loopback;
  Livekit__SignalResponse__MessageCase message;
  GError *error;
} SignalEvent;

typedef enum
{ DO_NOTHING, DO_FREE, DO_CLOSE } Reaction;

typedef struct
{
  LkLoop *loop;
  FakeServer *server;
  LkSignalClient *client;
  GAsyncQueue *events;
  gchar *token;
  LkSignalSettings settings;
  Reaction on_opened, on_message;
  gboolean is_in_call;          /* loop: inside connect, send or close */
  GMutex lock;
  GString *log;
} SignalFixture;

void signal_event_free (SignalEvent * event);

SignalFixture *signal_fixture_new (void);
/* Nothing else may have happened, and no secret may be in a log. */
void signal_fixture_free (SignalFixture * f);

/* Runs @func on the loop, and waits for its end. */
void in_loop (SignalFixture * f, void (*func) (SignalFixture *));
void do_connect (SignalFixture * f);
void do_close (SignalFixture * f);
void do_close_twice (SignalFixture * f);        /* a second one does nothing */
void do_connect_and_close (SignalFixture * f);
void do_connect_and_free (SignalFixture * f);
void do_send_mute (SignalFixture * f);
void free_client (SignalFixture * f);

SignalEvent *pop (SignalFixture * f);
void expect_opened (SignalFixture * f, gboolean is_v1);
void expect_message (SignalFixture * f, Livekit__SignalResponse__MessageCase message);
/* Messages may come before the end. */
void expect_closed_quietly (SignalFixture * f);
GError *expect_error (SignalFixture * f, LkError code);
void expect_error_with (SignalFixture * f, LkError code, const gchar * text);
void connect_and_join (SignalFixture * f);

G_END_DECLS
