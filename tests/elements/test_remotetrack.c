/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitremotetrack: the stop takes a pad away while something is pushed on it. */
#include <gst/check/gstcheck.h>

#include "elementfixture.h"
#include "gstlivekitelements.h"
#include "gstlivekitremotetrack.h"

/* Else the plugin's entry has it. */
GST_DEBUG_CATEGORY (gst_livekit_debug);

typedef struct
{
  GstElement *pipeline;
  LkLoop *loop;
  GstLiveKitRemoteTrack *track;
  GstPad *shown;                /* as the element has it */
  GstPad *sink;
  gboolean stops_while_shown;
  gint n_hidden, n_gone;        /* atomic */

  /* lock */
  GMutex lock;
  GCond changed;
  GstEventType blocks_at;
  gboolean is_blocked, is_released;
} Fixture;

static void
note_gone (gpointer n, GObject * pad)
{
  g_atomic_int_inc ((gint *) n);
}

/* What session and element do, in that order. */
static void
stop (Fixture * f)
{
  gst_livekit_remote_track_dispose (f->track);
  gst_pad_set_active (f->shown, FALSE);
  gst_clear_object (&f->shown);
}

static GstPad *
show_pad (GstLiveKitRemoteTrack * track, const LkPublication * publication, GstCaps * caps, gpointer data)
{
  Fixture *f = data;
  g_autoptr (GstPad) pad = gst_object_ref_sink (gst_pad_new ("shown", GST_PAD_SRC));

  g_object_weak_ref (G_OBJECT (pad), note_gone, &f->n_gone);
  gst_pad_set_active (pad, TRUE);
  gst_pad_push_event (pad, gst_event_new_stream_start ("shown"));
  fail_unless_equals_int (gst_pad_link_full (pad, f->sink, GST_PAD_LINK_CHECK_NOTHING), GST_PAD_LINK_OK);
  f->shown = gst_object_ref (pad);
  if (f->stops_while_shown)
    stop (f);
  return g_steal_pointer (&pad);
}

static void
hide_pad (GstLiveKitRemoteTrack * track, GstPad * pad, gpointer data)
{
  g_atomic_int_inc (&((Fixture *) data)->n_hidden);
}

static gboolean
on_event (GstPad * pad, GstObject * parent, GstEvent * event)
{
  Fixture *f = gst_pad_get_element_private (pad);

  g_mutex_lock (&f->lock);
  if (GST_EVENT_TYPE (event) == f->blocks_at) {
    f->is_blocked = TRUE;
    g_cond_broadcast (&f->changed);
    while (!f->is_released)
      g_cond_wait (&f->changed, &f->lock);
  }
  g_mutex_unlock (&f->lock);
  gst_event_unref (event);
  return TRUE;
}

static GstPad *
make_sink (Fixture * f)
{
  GstPad *sink = gst_object_ref_sink (gst_pad_new ("sink", GST_PAD_SINK));

  gst_pad_set_element_private (sink, f);
  gst_pad_set_event_function (sink, on_event);
  gst_pad_set_active (sink, TRUE);
  return sink;
}

/* Of a muted track, so that the pad and its events come without media. */
static Fixture *
fixture_new (GstEventType blocks_at, gboolean stops_while_shown)
{
  static const GstLiveKitRemoteTrackDelegate delegate = { show_pad, hide_pad };
  LkPublication publication = {.sid = (gchar *) "TR_cam",.name = (gchar *) "",.mime_type = (gchar *) "video/VP8",
    .stream = (gchar *) "",.kind = LK_TRACK_VIDEO,.muted = TRUE
  };
  Fixture *f = g_new0 (Fixture, 1);
  g_autoptr (GstLiveKitSync) sync = NULL;
  g_autoptr (GstBus) bus = NULL;

  g_mutex_init (&f->lock);
  g_cond_init (&f->changed);
  f->blocks_at = blocks_at;
  f->stops_while_shown = stops_while_shown;
  f->sink = make_sink (f);
  f->pipeline = gst_pipeline_new (NULL);
  gst_element_set_state (f->pipeline, GST_STATE_PLAYING);
  /* Messages hold the pipeline. */
  bus = gst_element_get_bus (f->pipeline);
  gst_bus_set_flushing (bus, TRUE);
  f->loop = lk_loop_new ("test");
  lk_loop_start (f->loop);
  sync = gst_livekit_sync_new ();
  f->track = gst_livekit_remote_track_new (f->pipeline, GST_BIN (f->pipeline), f->loop, &publication, sync, 0,
      &delegate, f);
  return f;
}

static void
tick_in_loop (gpointer data)
{
  gst_livekit_remote_track_tick_in_loop (((Fixture *) data)->track);
}

static gboolean
is_blocked_after_tick (Fixture * f)
{
  gboolean is_blocked;

  lk_loop_post (f->loop, tick_in_loop, f, NULL);
  g_mutex_lock (&f->lock);
  is_blocked = f->is_blocked;
  g_mutex_unlock (&f->lock);
  return is_blocked;
}

static void
release (Fixture * f)
{
  g_mutex_lock (&f->lock);
  f->is_released = TRUE;
  g_cond_broadcast (&f->changed);
  g_mutex_unlock (&f->lock);
}

static void
fixture_free (Fixture * f)
{
  lk_loop_stop (f->loop);
  /* A job holds one. */
  element_wait_until (GST_OBJECT_REFCOUNT_VALUE (f->pipeline) == 1);
  gst_livekit_remote_track_unref (f->track);
  lk_loop_unref (f->loop);
  gst_element_set_state (f->pipeline, GST_STATE_NULL);
  gst_object_unref (f->pipeline);
  gst_pad_set_active (f->sink, FALSE);
  gst_object_unref (f->sink);
  fail_unless_equals_int (f->n_gone, 1);
  g_mutex_clear (&f->lock);
  g_cond_clear (&f->changed);
  g_free (f);
}

static const GstEventType blocks[] = { GST_EVENT_CAPS, GST_EVENT_SEGMENT, GST_EVENT_GAP };

/* The stop does not wait for downstream, and what goes on behind it finds the pad as it was. */
GST_START_TEST (test_stop_while_downstream_blocks)
{
  Fixture *f = fixture_new (blocks[__i__], FALSE);

  element_wait_until (is_blocked_after_tick (f));
  stop (f);
  release (f);
  fixture_free (f);
}

GST_END_TEST;

/* The same for EOS, which the end of the track brings: of the two only one takes the pad away. */
GST_START_TEST (test_stop_while_the_end_blocks)
{
  Fixture *f = fixture_new (GST_EVENT_EOS, FALSE);

  element_wait_until (({
    lk_loop_post (f->loop, tick_in_loop, f, NULL);
    gst_livekit_remote_track_is_shown (f->track);
  }));
  lk_loop_post (f->loop, (LkLoopFunc) gst_livekit_remote_track_end_in_loop, f->track, NULL);
  element_wait_until (is_blocked_after_tick (f));
  stop (f);
  release (f);
  fixture_free (f);
}

GST_END_TEST;

/* Nobody else knows of a pad that the track has not got yet. */
GST_START_TEST (test_stop_while_the_pad_is_shown)
{
  Fixture *f = fixture_new (GST_EVENT_UNKNOWN, TRUE);

  element_wait_until (({
    lk_loop_post (f->loop, tick_in_loop, f, NULL);
    g_atomic_int_get (&f->n_hidden) == 1;
  }));
  fail_if (gst_livekit_remote_track_is_shown (f->track));
  fixture_free (f);
}

GST_END_TEST;

static Suite *
remotetrack_suite (void)
{
  Suite *s = suite_create ("remotetrack");
  TCase *tc = tcase_create ("stop");

  GST_DEBUG_CATEGORY_INIT (gst_livekit_debug, "livekit", 0, "LiveKit rooms");
  suite_add_tcase (s, tc);
  tcase_add_loop_test (tc, test_stop_while_downstream_blocks, 0, G_N_ELEMENTS (blocks));
  tcase_add_test (tc, test_stop_while_the_end_blocks);
  tcase_add_test (tc, test_stop_while_the_pad_is_shown);
  return s;
}

GST_CHECK_MAIN (remotetrack);
