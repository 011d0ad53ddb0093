/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vsrunner: runs one pipeline of the configuration, and starts it again when it breaks. On the main loop. */
#pragma once

#include "vsconfig.h"
#include "vsparse.h"

G_BEGIN_DECLS

typedef struct _VsRunner VsRunner;

typedef enum
{
  VS_STOPPED,
  VS_STARTING,                  /* an element has not opened what it needs, or the pipeline before has not ended */
  VS_RUNNING,
  VS_ENDING,                    /* EOS is on its way to the end */
  VS_BROKEN,                    /* waits to start again */
} VsState;

typedef struct
{
  /* A new pipeline, not yet started: set up its ends. It belongs to the runner. */
  void (*prepare) (VsParsed * parsed, gpointer data);
  /* Its elements run now; may be NULL. */
  void (*started) (VsParsed * parsed, gpointer data);
  /* Nothing goes into it or comes out from now on; @is_broken: it will be started again. */
  void (*stopped) (gboolean is_broken, gpointer data);
} VsRunnerDelegate;

VsRunner *vs_runner_new (const VsPipelineConfig * config, GstClock * clock, const VsRunnerDelegate * delegate,
    gpointer data);
/* Only when it has ended. */
void vs_runner_free (VsRunner * runner);

void vs_runner_start (VsRunner * runner);
/* Lets EOS run through it, so that files are complete, and stops it then, or after five seconds. */
void vs_runner_end (VsRunner * runner);
void vs_runner_stop (VsRunner * runner);
/* Somebody else saw that it cannot go on. */
void vs_runner_fail (VsRunner * runner, const gchar * reason);

VsState vs_runner_get_state (VsRunner * runner);
gboolean vs_runner_has_ended (VsRunner * runner);       /* there is no pipeline, not even one that goes down */
guint vs_runner_get_restarts (VsRunner * runner);

G_END_DECLS
