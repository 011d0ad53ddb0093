/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* elementfixture: livekitsink or livekitsrc in a pipeline, beside a fake server. Every wait fails the test at its
 * deadline. */
#pragma once

#include <gst/gst.h>

#include "fakeserver.h"

G_BEGIN_DECLS

/* Only reached by a test that fails. */
#define ELEMENT_WAIT_MS 20000
/* Seen nowhere: not in an error, a log, a dot file. */
#define ELEMENT_SECRET "the-secret-of-this-test-0123456789"

typedef struct
{
  FakeServer *server;
  GstElement *pipeline, *element;
  GstBus *bus;
  guint n_errors;               /* that were taken off the bus */
  gboolean allows_errors;       /* none is missed at the end */
} ElementFixture;

/* As suite_create(), before the tests are forked: each would else make the DTLS key of its process anew, which takes a
 * second on a loaded machine. */
Suite *element_suite_create (const gchar * name);

/* The element has server-url, room "lab", identity "tester" and a key set, and no join-timeout. */
ElementFixture *element_fixture_new (const gchar * factory);
/* To NULL, in less than 2 s, and no error was posted that nobody expected. */
void element_fixture_free (ElementFixture * f);
GstStateChangeReturn element_fixture_set_state (ElementFixture * f, GstState state);    /* below 2 s */
void element_fixture_play (ElementFixture * f); /* PLAYING, and a websocket is open */

/* Takes messages off the bus until one of @types; the caller owns it. An error in between fails the test. */
GstMessage *element_fixture_wait (ElementFixture * f, GstMessageType types);
/* The element message @name whose string @field is @value (@field may be NULL); a copy that the caller owns. */
GstStructure *element_fixture_wait_structure (ElementFixture * f, const gchar * name, const gchar * field,
    const gchar * value);
void element_fixture_wait_state (ElementFixture * f, const gchar * connection_state);
void element_fixture_wait_progress (ElementFixture * f, GstProgressType type, const gchar * code);
void element_fixture_wait_joined (ElementFixture * f);
/* Messages that nobody has read hold their senders. None of them is an error. */
void element_fixture_drop_messages (ElementFixture * f);
/* The next error is this one; @reason of its details may be NULL. Text and debug text, which the caller owns. */
gchar *element_fixture_expect_error (ElementFixture * f, GQuark domain, gint code, const gchar * reason);
/* To NULL, and nothing else has been posted: for tests that expected an error. */
void element_fixture_expect_no_more_errors (ElementFixture * f);
/* No message of @types is on the bus now. */
void element_fixture_expect_none (ElementFixture * f, GstMessageType types);

/* The @index-th (from 0) request of that kind, when it has come. */
const Livekit__SignalRequest *element_fixture_request (ElementFixture * f, Livekit__SignalRequest__MessageCase kind,
    guint index);

/* alice: camera "front" (TR_cam), microphone (TR_mic); bob: screen "slides" (TR_slides). @muted: so that their pads
 * come without media. */
void element_fill_room (ElementFixture * f, gboolean muted);
/* What all subscription requests until now come to. */
gboolean element_is_subscribed (ElementFixture * f, const gchar * sid);

/* What feeds a request pad: a src pad of nobody's, pushed from the test's thread. */
typedef struct
{
  GstPad *src, *sink;
  GstElement *element;
  gboolean is_live;
  guint n_key_frame_requests;
  guint64 n_pushed;
} ElementFeeder;

ElementFeeder *element_feeder_new (ElementFixture * f, const gchar * pad_name, const gchar * caps, gboolean is_live);
void element_feeder_free (ElementFeeder * feeder);      /* releases the pad, if that has not been done */
void element_feeder_release (ElementFeeder * feeder);
/* And a segment. Whether they were taken is told by the next push alone: caps are sticky. */
void element_feeder_set_caps (ElementFeeder * feeder, const gchar * caps);
GstFlowReturn element_feeder_push (ElementFeeder * feeder);     /* one buffer of nothing in particular */
void element_feeder_start (ElementFeeder * feeder);     /* stream-start; new() with caps has done both */
guint64 element_feeder_get_stat (ElementFeeder * feeder, const gchar * name);

#define VP8_CAPS "video/x-vp8, width=(int)320, height=(int)240, framerate=(fraction)30/1"
#define H264_CAPS "video/x-h264, stream-format=(string)byte-stream, alignment=(string)au, profile=(string)main, " \
  "width=(int)640, height=(int)480, framerate=(fraction)30/1"
#define OPUS_CAPS "audio/x-opus, rate=(int)48000, channels=(int)2, channel-mapping-family=(int)0"

typedef struct
{
  guint n_threads, n_fds;
} ElementCount;

ElementCount element_count_now (void);
void element_expect_count (ElementCount before);        /* waits until no more is left than @before */

/* For what tells nobody that it has happened, such as the end of a thread. */
#define element_wait_until(condition) \
  G_STMT_START { \
    gint64 deadline_ = g_get_monotonic_time () + ELEMENT_WAIT_MS * G_TIME_SPAN_MILLISECOND; \
    while (!(condition) && g_get_monotonic_time () < deadline_) \
      g_usleep (5000); \
    fail_unless (condition, "still not: " #condition); \
  } G_STMT_END

G_END_DECLS
