/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* applife: a pipeline that is made again and again. */

#include "applife.h"

/* One pipeline, from its start until it is in NULL. */
typedef struct
{
  AppLife *life;
  GstElement *pipeline;
  guint n_threads;              /* that are at work for it */
  gboolean is_starting, is_ending, is_down;
  gboolean is_measuring;        /* its latency */
  gboolean has_new_latency;     /* since that began */
} Run;

struct _AppLife
{
  const AppLifeDelegate *delegate;
  gpointer data;
  Run *run;                     /* or NULL */
  gboolean is_going_down;       /* the one before is not in NULL yet */
  gboolean is_wanted_again;     /* as soon as it is */
};

static void start_run (AppLife * life);

/* Something that may wait for the pipeline's elements. */
typedef struct
{
  Run *run;
  void (*work) (GstElement * pipeline);
  void (*done) (Run * run);
} Step;

static void
leave (Run * run)
{
  AppLife *life = run->life;

  if (--run->n_threads > 0 || !run->is_down)
    return;
  gst_object_unref (run->pipeline);
  g_free (run);
  life->is_going_down = FALSE;
  if (life->is_wanted_again)
    start_run (life);
}

static gboolean
done_in_main (gpointer data)
{
  Step *step = data;

  step->done (step->run);
  leave (step->run);
  return G_SOURCE_REMOVE;
}

static void
done_in_thread (gpointer step)
{
  g_idle_add_full (G_PRIORITY_DEFAULT, done_in_main, step, g_free);
}

static void
work_in_thread (GstElement * pipeline, gpointer step)
{
  ((Step *) step)->work (pipeline);
}

/* @work in a thread, then @done on the main loop. */
static void
enter (Run * run, void (*work) (GstElement * pipeline), void (*done) (Run * run))
{
  Step *step = g_new (Step, 1);

  *step = (Step) {
  run, work, done};
  run->n_threads++;
  gst_element_call_async (run->pipeline, work_in_thread, step, done_in_thread);
}

/* Down */

static void
to_null (GstElement * pipeline)
{
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

static void
on_down (Run * run)
{
  run->is_down = TRUE;
}

/* Latency: of one measurement after another the last one holds */

static void measure (Run * run);

static void
to_latency (GstElement * pipeline)
{
  gst_bin_recalculate_latency (GST_BIN (pipeline));
}

static void
on_measured (Run * run)
{
  run->is_measuring = FALSE;
  if (run->has_new_latency && !run->is_ending)
    measure (run);
}

/* The pipeline takes it when it has started, and not before. */
static void
measure (Run * run)
{
  run->has_new_latency = run->is_starting || run->is_measuring;
  if (run->has_new_latency)
    return;
  run->is_measuring = TRUE;
  enter (run, to_latency, on_measured);
}

/* Up */

static void
change_state (GstElement * pipeline, GstState state)
{
  /* an element that says why has done so before: that is the one that counts */
  if (gst_element_set_state (pipeline, state) == GST_STATE_CHANGE_FAILURE)
    GST_ELEMENT_ERROR (pipeline, CORE, STATE_CHANGE, ("an element cannot start, and does not say why"), (NULL));
}

static void
to_paused (GstElement * pipeline)
{
  change_state (pipeline, GST_STATE_PAUSED);
}

static void
to_playing (GstElement * pipeline)
{
  change_state (pipeline, GST_STATE_PLAYING);
}

static void
on_paused (Run * run)
{
  run->is_starting = FALSE;
  if (run->is_ending)
    enter (run, to_null, on_down);
  else
    run->life->delegate->paused (run->life->data);
}

static void
on_started (Run * run)
{
  run->is_starting = FALSE;
  if (run->is_ending) {
    enter (run, to_null, on_down);
  } else {
    measure (run);
    run->life->delegate->started (run->life->data);
  }
}

static gboolean
on_message (GstBus * bus, GstMessage * message, gpointer data)
{
  Run *run = data;

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_LATENCY)
    measure (run);
  else
    run->life->delegate->message (message, run->life->data);
  return G_SOURCE_CONTINUE;
}

static void
start_run (AppLife * life)
{
  GstElement *pipeline;
  g_autoptr (GstBus) bus = NULL;

  life->is_wanted_again = FALSE;
  pipeline = life->delegate->make (life->data);
  if (pipeline == NULL)
    return;
  life->run = g_new0 (Run, 1);
  life->run->life = life;
  life->run->pipeline = pipeline;
  life->run->is_starting = TRUE;
  bus = gst_element_get_bus (pipeline);
  gst_bus_add_watch (bus, on_message, life->run);
  if (life->delegate->paused != NULL)
    enter (life->run, to_paused, on_paused);
  else
    enter (life->run, to_playing, on_started);
}

AppLife *
app_life_new (const AppLifeDelegate * delegate, gpointer data)
{
  AppLife *life = g_new0 (AppLife, 1);

  life->delegate = delegate;
  life->data = data;
  return life;
}

void
app_life_free (AppLife * life)
{
  g_return_if_fail (life == NULL || app_life_has_ended (life));
  g_free (life);
}

void
app_life_begin (AppLife * life)
{
  g_return_if_fail (life->run == NULL);
  if (life->is_going_down)
    life->is_wanted_again = TRUE;
  else
    start_run (life);
}

void
app_life_play (AppLife * life)
{
  g_return_if_fail (!life->run->is_starting);
  life->run->is_starting = TRUE;
  enter (life->run, to_playing, on_started);
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
app_life_send_eos (AppLife * life)
{
  GstIterator *sources = gst_bin_iterate_sources (GST_BIN (life->run->pipeline));

  while (gst_iterator_foreach (sources, send_eos, NULL) == GST_ITERATOR_RESYNC)
    gst_iterator_resync (sources);
  gst_iterator_free (sources);
}

/* A start that is under way goes first: two changes of state at once would end in either. */
void
app_life_end (AppLife * life)
{
  Run *run = g_steal_pointer (&life->run);
  g_autoptr (GstBus) bus = NULL;

  life->is_wanted_again = FALSE;
  if (run == NULL)
    return;
  bus = gst_element_get_bus (run->pipeline);
  gst_bus_remove_watch (bus);
  gst_bus_set_flushing (bus, TRUE);
  life->is_going_down = run->is_ending = TRUE;
  if (!run->is_starting)
    enter (run, to_null, on_down);
}

gboolean
app_life_is_going_down (AppLife * life)
{
  return life->is_going_down;
}

gboolean
app_life_has_ended (AppLife * life)
{
  return life->run == NULL && !life->is_going_down;
}
