/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* esconfig: which files are played, and where to. */
#pragma once

#include "appserver.h"

G_BEGIN_DECLS

typedef struct
{
  gchar *path, *uri;
  gchar *target;                /* a sink's launch line; NULL: the room */
  gchar *identity, *track;      /* in the room */
} EsFile;

typedef struct
{
  AppServer *server;            /* NULL: livekitsink's own variables, LIVEKIT_URL and so on, tell */
  gchar *room;                  /* NULL when no file goes there */
  gchar *http_listen;           /* or NULL */
  GPtrArray *files;             /* EsFile, owned */
} EsConfig;

/* @arguments are files of the command line, or NULL: then the settings name them. Room and identity (or NULL) of the
 * command line win, too. Everything that is wrong is added to the problems; the result is of use only if there are
 * none. GStreamer is initialised. */
EsConfig *es_config_read (AppSettings * settings, gchar ** arguments, const gchar * room, const gchar * identity,
    AppProblems * problems);
void es_config_free (EsConfig * config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (EsConfig, es_config_free)

G_END_DECLS
