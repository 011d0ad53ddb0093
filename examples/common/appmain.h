/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* appmain: what a program does for whoever starts and stops it: signals, and words with systemd. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct
{
  void (*stop) (gpointer data); /* SIGINT or SIGTERM, once; a second one ends the process at once */
  void (*reload) (gpointer data);       /* SIGHUP; NULL: not caught */
} AppSignals;

/* On the main loop. @signals must live as long. */
void app_signals_watch (const AppSignals * signals, gpointer data);

/* Tells systemd (Type=notify), e.g. "READY=1" or "STOPPING=1"; does nothing when nobody listens. */
void app_notify (const gchar * state);

G_END_DECLS
