/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* applife: a pipeline that is made again and again: one after the other, never two beside each other, for both would
 * want the same device, file, or name in a room. What may wait for its elements is done in threads: a device that does
 * not answer, or a server that is said goodbye to, holds up this one pipeline and not the main loop.
 *
 * On the main loop, as is all that the delegate hears. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct _AppLife AppLife;

typedef struct
{
  /* A new pipeline, which is started then; NULL: it cannot be made, and that is seen to. */
  GstElement *(*make) (gpointer data);
  void (*started) (gpointer data);      /* all its elements run or, as the bus tells, have failed */
  void (*message) (GstMessage * message, gpointer data);        /* of its bus; latency is seen to here */
  /* NULL, or it goes to PAUSED only, and this is called: then app_life_play() brings it on. */
  void (*paused) (gpointer data);
} AppLifeDelegate;

/* @delegate must live as long. */
AppLife *app_life_new (const AppLifeDelegate * delegate, gpointer data);
void app_life_free (AppLife * life);    /* only when it has ended */

/* Makes a pipeline and starts it: at once or, if there was one before, as soon as that is in NULL. There must be none
 * now. */
void app_life_begin (AppLife * life);
void app_life_play (AppLife * life);
/* The sources of the pipeline send EOS, once it has started. */
void app_life_send_eos (AppLife * life);
/* The delegate hears no more of the pipeline, if there is one, and it goes down. What waits to begin does not. */
void app_life_end (AppLife * life);

gboolean app_life_is_going_down (AppLife * life);       /* a pipeline is not in NULL yet, which has been ended */
gboolean app_life_has_ended (AppLife * life);   /* there is none, not even one that goes down */

G_END_DECLS
