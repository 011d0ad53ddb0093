/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* apprestart: starts something again after it failed, later each time. On the main loop. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _AppRestart AppRestart;
typedef void (*AppRestartFunc) (gpointer data);

/* Milliseconds to wait before attempt @attempt (0 = the first): 0.5, 1, 2, 4, 8, 16, then 30 s; @random in [0, 1)
 * adds jitter of up to ± 20 %, so that what broke together does not come back together. */
guint app_restart_delay_ms (guint attempt, gdouble random);

AppRestart *app_restart_new (AppRestartFunc start, gpointer data);
void app_restart_free (AppRestart * restart);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AppRestart, app_restart_free)

/* It has failed: start() is called later, once, however often this is said until then. Returns the milliseconds. */
guint app_restart_failed (AppRestart * restart);
/* It works. When it has done so for a minute, the next failure counts as the first. */
void app_restart_works (AppRestart * restart);
void app_restart_cancel (AppRestart * restart);

gboolean app_restart_is_waiting (AppRestart * restart);
guint app_restart_get_count (AppRestart * restart);     /* how often start() was called */

G_END_DECLS
