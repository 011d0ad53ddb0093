/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vslife: one life of a pipeline. What may wait for its elements is done in threads: a device that does not answer, or
 * a server that is said goodbye to, holds up this one pipeline and not the main loop. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct _VsLife VsLife;

/* Both on the main loop. */
typedef struct
{
  void (*message) (GstMessage * message, gpointer data);        /* of its bus; latency is seen to here */
  void (*started) (gpointer data);      /* all its elements run or, as the bus tells, have failed */
} VsLifeDelegate;

/* Starts it. @delegate must live as long. */
VsLife *vs_life_new (GstElement * pipeline, const VsLifeDelegate * delegate, gpointer data);
/* Its sources send EOS, once it has started. */
void vs_life_send_eos (VsLife * life);
/* The delegate hears no more of it. Calls @ended on the main loop when the pipeline is in NULL, and @life is gone. */
void vs_life_end (VsLife * life, void (*ended) (gpointer data), gpointer data);

G_END_DECLS
