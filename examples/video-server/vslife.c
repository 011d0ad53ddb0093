/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vslife: one life of a pipeline. */

#include "vslife.h"

struct _VsLife
{
  GstElement *pipeline;
  const VsLifeDelegate *delegate;
  gpointer data;
  guint n_threads;              /* that are at work for it */
  gboolean is_starting, is_down;
  gboolean is_measuring;        /* its latency */
  gboolean has_new_latency;     /* since that began */
  void (*ended) (gpointer data);        /* not NULL: it ends */
  gpointer ended_data;
};

/* @func in a thread, then @done on the main loop, which calls leave(). */
static void
enter (VsLife * life, GstElementCallAsyncFunc func, GDestroyNotify done)
{
  life->n_threads++;
  gst_element_call_async (life->pipeline, func, life, done);
}

static void
post (GSourceFunc func, VsLife * life)
{
  g_idle_add_full (G_PRIORITY_DEFAULT, func, life, NULL);
}

static gboolean
leave (VsLife * life)
{
  if (--life->n_threads == 0 && life->is_down) {
    gst_object_unref (life->pipeline);
    life->ended (life->ended_data);
    g_free (life);
  }
  return G_SOURCE_REMOVE;
}

/* Down */

static void
to_null (GstElement * pipeline, gpointer data)
{
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

static gboolean
down_in_main (gpointer data)
{
  VsLife *life = data;

  life->is_down = TRUE;
  return leave (life);
}

static void
down_in_thread (gpointer data)
{
  post (down_in_main, data);
}

/* Latency: of one measurement after another the last one holds */

static void measure (VsLife * life);

static void
to_latency (GstElement * pipeline, gpointer data)
{
  gst_bin_recalculate_latency (GST_BIN (pipeline));
}

static gboolean
measured_in_main (gpointer data)
{
  VsLife *life = data;

  life->is_measuring = FALSE;
  if (life->has_new_latency && life->ended == NULL)
    measure (life);
  return leave (life);
}

static void
measured_in_thread (gpointer data)
{
  post (measured_in_main, data);
}

/* The pipeline takes it when it has started, and not before. */
static void
measure (VsLife * life)
{
  life->has_new_latency = life->is_starting || life->is_measuring;
  if (life->has_new_latency)
    return;
  life->is_measuring = TRUE;
  enter (life, to_latency, measured_in_thread);
}

/* Up */

static void
to_playing (GstElement * pipeline, gpointer data)
{
  /* an element that says why has done so before: that is the one that counts */
  if (gst_element_set_state (pipeline, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE)
    GST_ELEMENT_ERROR (pipeline, CORE, STATE_CHANGE, ("an element cannot start, and does not say why"), (NULL));
}

static gboolean
started_in_main (gpointer data)
{
  VsLife *life = data;

  life->is_starting = FALSE;
  if (life->ended != NULL) {
    enter (life, to_null, down_in_thread);
  } else {
    measure (life);
    life->delegate->started (life->data);
  }
  return leave (life);
}

static void
started_in_thread (gpointer data)
{
  post (started_in_main, data);
}

static gboolean
on_message (GstBus * bus, GstMessage * message, gpointer data)
{
  VsLife *life = data;

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_LATENCY)
    measure (life);
  else
    life->delegate->message (message, life->data);
  return G_SOURCE_CONTINUE;
}

VsLife *
vs_life_new (GstElement * pipeline, const VsLifeDelegate * delegate, gpointer data)
{
  VsLife *life = g_new0 (VsLife, 1);
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);

  life->pipeline = gst_object_ref (pipeline);
  life->delegate = delegate;
  life->data = data;
  life->is_starting = TRUE;
  gst_bus_add_watch (bus, on_message, life);
  enter (life, to_playing, started_in_thread);
  return life;
}

static void
to_eos (GstElement * source, gpointer data)
{
  gst_element_send_event (source, gst_event_new_eos ());
}

static void
send_eos (const GValue * source, gpointer data)
{
  gst_element_call_async (g_value_get_object (source), to_eos, NULL, NULL);
}

/* A source waits until what it has pushed is through. Not by the pipeline, which could not be stopped meanwhile. */
void
vs_life_send_eos (VsLife * life)
{
  GstIterator *sources = gst_bin_iterate_sources (GST_BIN (life->pipeline));

  while (gst_iterator_foreach (sources, send_eos, NULL) == GST_ITERATOR_RESYNC)
    gst_iterator_resync (sources);
  gst_iterator_free (sources);
}

/* A start that is under way goes first: two changes of state at once would end in either. */
void
vs_life_end (VsLife * life, void (*ended) (gpointer data), gpointer data)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (life->pipeline);

  gst_bus_remove_watch (bus);
  gst_bus_set_flushing (bus, TRUE);
  life->ended = ended;
  life->ended_data = data;
  if (!life->is_starting)
    enter (life, to_null, down_in_thread);
}
