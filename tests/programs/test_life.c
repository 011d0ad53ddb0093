/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of the lives of pipelines, those of the video server among them: starts and ends that hang, or fail. */

#include <gst/check/gstcheck.h>

#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "applife.h"
#include "vsrunner.h"

/* Hangs in its start until a fifo is opened, and then in its flow until that is closed. */
#define HANGS "filesrc name=source location=%s ! appsink name=sink"

typedef struct
{
  gchar *folder, *fifo;
  GstElement *source;           /* of the pipeline that was prepared last */
  AppLife *life;
  GstElement *next;             /* the pipeline that is made next; or NULL: none can be */
  guint n_made, n_prepared, n_started, n_stopped, n_eos, n_errors;
  GPtrArray *files;             /* their names */
  gint n_latencies;             /* atomic */
  gint is_gone;                 /* atomic */
} Fixture;

static void
set_up (Fixture * f)
{
  memset (f, 0, sizeof *f);
  f->folder = g_dir_make_tmp ("life-XXXXXX", NULL);
  f->fifo = g_build_filename (f->folder, "fifo", NULL);
  fail_unless (mkfifo (f->fifo, 0600) == 0);
}

static void
tear_down (Fixture * f)
{
  g_unlink (f->fifo);
  g_rmdir (f->folder);
  g_free (f->fifo);
  g_free (f->folder);
}

#define wait_until(condition) G_STMT_START { \
  while (!(condition)) { \
    if (!g_main_context_iteration (NULL, FALSE)) \
      g_usleep (1000); \
  } \
} G_STMT_END

static int
open_fifo (Fixture * f)
{
  int fd = open (f->fifo, O_RDWR);

  fail_unless (fd >= 0);
  return fd;
}

/* One life */

static void
note_message (GstMessage * message, gpointer data)
{
  Fixture *f = data;

  f->n_eos += GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS;
  f->n_errors += GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR;
}

static void
note_start (gpointer data)
{
  ((Fixture *) data)->n_started++;
}

static void
note_disposal (gpointer data, GObject * object)
{
  g_atomic_int_set (&((Fixture *) data)->is_gone, TRUE);
}

static GstElement *
take_next (gpointer data)
{
  Fixture *f = data;

  f->n_made++;
  return g_steal_pointer (&f->next);
}

/* Takes @pipeline. */
static void
start_life (Fixture * f, GstElement * pipeline)
{
  static const AppLifeDelegate delegate = { take_next, note_start, note_message };

  f->life = app_life_new (&delegate, f);
  f->next = gst_object_ref_sink (pipeline);
  g_object_weak_ref (G_OBJECT (pipeline), note_disposal, f);
  app_life_begin (f->life);
  fail_unless_equals_int (f->n_made, 1);
  fail_if (app_life_has_ended (f->life));
}

static void
wait_end (Fixture * f)
{
  wait_until (app_life_has_ended (f->life) && g_atomic_int_get (&f->is_gone));
  app_life_free (f->life);
}

static void
end_life (Fixture * f)
{
  app_life_end (f->life);
  wait_end (f);
}

static GstPadProbeReturn
note_latency (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) == GST_EVENT_LATENCY)
    g_atomic_int_inc (&((Fixture *) data)->n_latencies);
  return GST_PAD_PROBE_OK;
}

GST_START_TEST (test_eos_and_latency)
{
  Fixture f;
  GstElement *pipeline = gst_parse_launch ("videotestsrc is-live=true name=source ! fakesink", NULL);
  GstElement *source = gst_bin_get_by_name (GST_BIN (pipeline), "source");
  GstPad *pad = gst_element_get_static_pad (source, "src");
  gint n_latencies;

  set_up (&f);
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, note_latency, &f, NULL);
  gst_object_unref (pad);
  start_life (&f, pipeline);
  wait_until (f.n_started == 1 && g_atomic_int_get (&f.n_latencies) > 0);
  n_latencies = g_atomic_int_get (&f.n_latencies);
  gst_element_post_message (source, gst_message_new_latency (GST_OBJECT (source)));
  wait_until (g_atomic_int_get (&f.n_latencies) > n_latencies);
  app_life_send_eos (f.life);
  wait_until (f.n_eos == 1);
  gst_object_unref (source);
  end_life (&f);
  fail_unless_equals_int (f.n_errors, 0);
  tear_down (&f);
}
GST_END_TEST;

static GstState
get_state (GstElement * element)
{
  GstState state;

  gst_element_get_state (element, &state, NULL, 0);
  return state;
}

static GstElement *
make_hanging (Fixture * f)
{
  g_autofree gchar *text = g_strdup_printf (HANGS, f->fifo);

  return gst_parse_launch (text, NULL);
}

/* Ends a life that hangs in its start; returns the element that it hangs in. */
static GstElement *
end_in_start (Fixture * f)
{
  GstElement *pipeline = make_hanging (f), *source = gst_bin_get_by_name (GST_BIN (pipeline), "source");

  start_life (f, pipeline);
  app_life_end (f->life);
  return source;
}

static void
let_start (Fixture * f, GstElement * source)
{
  int fd = open_fifo (f);

  wait_until (get_state (source) >= GST_STATE_PAUSED);
  close (fd);
}

/* It ends when the start is over, and its owner hears of nothing else. */
GST_START_TEST (test_end_while_it_starts)
{
  Fixture f;
  g_autoptr (GstElement) source = NULL;

  set_up (&f);
  source = end_in_start (&f);
  while (g_main_context_iteration (NULL, FALSE));
  fail_unless (app_life_is_going_down (f.life));
  fail_if (app_life_has_ended (f.life));
  let_start (&f, source);
  wait_end (&f);
  fail_unless_equals_int (f.n_started + f.n_errors + f.n_eos, 0);
  tear_down (&f);
}
GST_END_TEST;

/* The next one waits for the end of the one before, and is forgotten when it is ended, too. */
GST_START_TEST (test_one_after_the_other)
{
  Fixture f;
  g_autoptr (GstElement) source = NULL;
  int fd;

  set_up (&f);
  source = end_in_start (&f);
  f.next = gst_object_ref_sink (make_hanging (&f));
  app_life_begin (f.life);
  app_life_end (f.life);
  app_life_begin (f.life);
  app_life_begin (f.life);
  fail_unless_equals_int (f.n_made, 1);
  let_start (&f, source);
  wait_until (f.n_made == 2);
  fd = open_fifo (&f);
  wait_until (f.n_started == 1);
  fail_unless_equals_int (f.n_made, 2);
  app_life_end (f.life);
  app_life_begin (f.life);
  app_life_end (f.life);
  close (fd);
  wait_end (&f);
  fail_unless_equals_int (f.n_made, 2);
  fail_unless_equals_int (f.n_started, 1);
  tear_down (&f);
}
GST_END_TEST;

/* What could not be made leaves nothing behind, and may be made the next time. */
GST_START_TEST (test_nothing_made)
{
  static const AppLifeDelegate delegate = { take_next, note_start, note_message };
  Fixture f;
  AppLife *life = app_life_new (&delegate, &f);

  set_up (&f);
  app_life_begin (life);
  fail_unless_equals_int (f.n_made, 1);
  fail_unless (app_life_has_ended (life));
  app_life_end (life);
  fail_unless (app_life_has_ended (life));
  f.next = gst_object_ref_sink (gst_parse_launch ("videotestsrc ! fakesink", NULL));
  app_life_begin (life);
  wait_until (f.n_started == 1);
  app_life_end (life);
  wait_until (app_life_has_ended (life));
  app_life_free (life);
  tear_down (&f);
}
GST_END_TEST;

/* An element that cannot start and does not say so. */

typedef GstElement Mute;
typedef GstElementClass MuteClass;

GType mute_get_type (void);
G_DEFINE_TYPE (Mute, mute, GST_TYPE_ELEMENT);

static GstStateChangeReturn
mute_change_state (GstElement * element, GstStateChange transition)
{
  return transition == GST_STATE_CHANGE_READY_TO_PAUSED ? GST_STATE_CHANGE_FAILURE :
      GST_ELEMENT_CLASS (mute_parent_class)->change_state (element, transition);
}

static void
mute_class_init (MuteClass * class)
{
  class->change_state = mute_change_state;
}

static void
mute_init (Mute * mute)
{
}

GST_START_TEST (test_failure_without_reason)
{
  Fixture f;
  GstElement *pipeline = gst_pipeline_new (NULL);

  set_up (&f);
  gst_bin_add (GST_BIN (pipeline), g_object_new (mute_get_type (), NULL));
  start_life (&f, pipeline);
  wait_until (f.n_errors == 1);
  end_life (&f);
  tear_down (&f);
}
GST_END_TEST;

/* One life after another */

static void
note_prepared (VsParsed * parsed, gpointer data)
{
  Fixture *f = data;

  gst_clear_object (&f->source);
  f->source = gst_bin_get_by_name (GST_BIN (parsed->pipeline), "source");
  f->n_prepared++;
}

static void
note_run (VsParsed * parsed, gpointer data)
{
  ((Fixture *) data)->n_started++;
}

static void
note_stopped (gboolean is_broken, gpointer data)
{
  ((Fixture *) data)->n_stopped++;
}

/* Its track went while it started, and came back: never two of them at once. */
GST_START_TEST (test_wanted_again_while_it_starts)
{
  static const VsRunnerDelegate delegate = { note_prepared, note_run, note_stopped };
  Fixture f;
  g_autofree gchar *text = NULL;
  g_autoptr (GstClock) clock = gst_system_clock_obtain ();
  VsPipelineConfig config = { 0, };
  VsRunner *runner;
  int fd;

  set_up (&f);
  config.setting = (gchar *) "PIPELINE_0";
  config.text = text = g_strdup_printf (HANGS, f.fifo);
  runner = vs_runner_new (&config, clock, &delegate, &f);
  vs_runner_start (runner);
  fail_unless_equals_int (vs_runner_get_state (runner), VS_STARTING);
  vs_runner_end (runner);
  fail_unless_equals_int (vs_runner_get_state (runner), VS_STOPPED);
  fail_if (vs_runner_has_ended (runner));
  vs_runner_start (runner);
  while (g_main_context_iteration (NULL, FALSE));
  fail_unless_equals_int (vs_runner_get_state (runner), VS_STARTING);
  fail_unless_equals_int (f.n_prepared, 1);
  fail_unless_equals_int (f.n_stopped, 1);

  fd = open_fifo (&f);
  wait_until (get_state (f.source) >= GST_STATE_PAUSED);
  close (fd);
  wait_until (f.n_prepared == 2);
  fail_unless_equals_int (f.n_started, 0);
  fail_unless_equals_int (vs_runner_get_state (runner), VS_STARTING);
  fd = open_fifo (&f);
  wait_until (f.n_started == 1);
  fail_unless_equals_int (vs_runner_get_state (runner), VS_RUNNING);
  fail_unless_equals_int (vs_runner_get_restarts (runner), 0);
  vs_runner_stop (runner);
  close (fd);
  wait_until (vs_runner_has_ended (runner));
  fail_unless_equals_int (f.n_stopped, 2);
  vs_runner_free (runner);
  gst_clear_object (&f.source);
  tear_down (&f);
}
GST_END_TEST;

static void
note_file (VsParsed * parsed, gpointer data)
{
  Fixture *f = data;
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (parsed->pipeline), "file");
  gchar *location = NULL;

  g_object_get (sink, "location", &location, NULL);
  f->n_prepared++;
  g_ptr_array_add (f->files, location);
}

/* As fast as tracks may come and go: each recording has a name of its own. */
GST_START_TEST (test_no_recording_overwrites_another)
{
  static const VsRunnerDelegate delegate = { note_file, note_run, note_stopped };
  Fixture f;
  g_autofree gchar *text = NULL;
  g_autoptr (GstClock) clock = gst_system_clock_obtain ();
  VsPipelineConfig config = { 0, };
  VsRunner *runner;

  set_up (&f);
  f.files = g_ptr_array_new_with_free_func (g_free);
  config.setting = (gchar *) "PIPELINE_0";
  config.text = text = g_strdup_printf ("appsrc name=source ! audio/x-opus ! filesink name=file location=%s/{time}.ogg",
      f.folder);
  runner = vs_runner_new (&config, clock, &delegate, &f);
  for (guint i = 0; i < 4; i++) {
    vs_runner_start (runner);
    wait_until (f.n_prepared == i + 1);
    fail_unless (i == 0 || strcmp (g_ptr_array_index (f.files, i), g_ptr_array_index (f.files, i - 1)) > 0);
    vs_runner_stop (runner);
    wait_until (vs_runner_has_ended (runner));
  }
  vs_runner_free (runner);
  for (guint i = 0; i < f.files->len; i++)
    g_unlink (g_ptr_array_index (f.files, i));
  g_ptr_array_unref (f.files);
  tear_down (&f);
}
GST_END_TEST;

static Suite *
life_suite (void)
{
  Suite *suite = suite_create ("programs-life");
  TCase *tests = tcase_create ("life");

  suite_add_tcase (suite, tests);
  tcase_set_timeout (tests, 60);
  tcase_add_test (tests, test_eos_and_latency);
  tcase_add_test (tests, test_end_while_it_starts);
  tcase_add_test (tests, test_one_after_the_other);
  tcase_add_test (tests, test_nothing_made);
  tcase_add_test (tests, test_failure_without_reason);
  tcase_add_test (tests, test_wanted_again_while_it_starts);
  tcase_add_test (tests, test_no_recording_overwrites_another);
  return suite;
}

GST_CHECK_MAIN (life);
