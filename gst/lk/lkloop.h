/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkloop: a thread with a GMainContext of its own, on which everything of one session happens.
 *
 * Posting never waits and may be done from any thread. What is posted runs in order. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _LkLoop LkLoop;
typedef void (*LkLoopFunc) (gpointer data);

LkLoop *lk_loop_new (const gchar * name);
LkLoop *lk_loop_ref (LkLoop * loop);
void lk_loop_unref (LkLoop * loop);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LkLoop, lk_loop_unref)

/* Starts the thread. A loop starts once. */
void lk_loop_start (LkLoop * loop);

/* Runs what was posted before, then frees the timers, delivers the answers of GIO that are there already, ends and
 * joins the thread. Not from the loop itself, no lock held. Later posts are refused. Without a stop, the thread ends by
 * itself after the last unref, which never waits and may be made on the loop. */
void lk_loop_stop (LkLoop * loop);

/* Runs @func (@data) on the loop, then @destroy (@data). A stopped loop only calls @destroy and returns FALSE. */
gboolean lk_loop_post (LkLoop * loop, LkLoopFunc func, gpointer data, GDestroyNotify destroy);

/* The same after @delay_ms of monotonic time. The id is for lk_loop_cancel(), and never 0 (0: loop stopped). @destroy
 * runs on the loop, or in the caller of cancel/stop. A timer that ran is forgotten: cancelling it does nothing. */
guint64 lk_loop_post_after (LkLoop * loop, guint delay_ms, LkLoopFunc func, gpointer data, GDestroyNotify destroy);
void lk_loop_cancel (LkLoop * loop, guint64 * id);      /* sets *id to 0; 0 is fine */

/* The longest that what ran at one time has kept everything else waiting since the start. */
guint lk_loop_get_longest_us (LkLoop * loop);
guint lk_loop_get_longest_cpu_us (LkLoop * loop);       /* the same as time of a processor */
/* The same without the time that others had the processors (as far as the system tells): work, and waiting for
 * locks. */
guint lk_loop_get_longest_held_us (LkLoop * loop);

gboolean lk_loop_is_current (LkLoop * loop);
GMainContext *lk_loop_get_context (LkLoop * loop);      /* not owned */

#define lk_loop_assert_current(loop) g_assert (lk_loop_is_current (loop))

G_END_DECLS
