/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* commands: lines on standard input, for the programs that live tests start. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Gives each line to @run, split at blanks into four words at most; its end quits @loop. */
void watch_commands (GMainLoop * loop, void (*run) (gpointer data, gchar ** words), gpointer data);

G_END_DECLS
