/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* esloop: one file that is played in an endless loop, and starts again alone when it fails. On the main loop. */
#pragma once

#include "esconfig.h"

G_BEGIN_DECLS

typedef struct _EsLoop EsLoop;

typedef enum
{
  ES_STOPPED,
  ES_STARTING,
  ES_PLAYING,
  ES_BROKEN,                    /* waits to start again */
  ES_N_STATES
} EsState;

typedef struct
{
  EsState state;
  gboolean is_connected;        /* to its room */
  guint64 n_rounds;             /* that were played to their end */
  guint n_restarts;
} EsStatus;

/* @config and @file must live as long. */
EsLoop *es_loop_new (const EsConfig * config, const EsFile * file);
void es_loop_free (EsLoop * loop);      /* only when it has ended */
void es_loop_start (EsLoop * loop);
void es_loop_end (EsLoop * loop);
gboolean es_loop_has_ended (EsLoop * loop);

const EsFile *es_loop_get_file (EsLoop * loop);
void es_loop_get_status (EsLoop * loop, EsStatus * status);
const gchar *es_state_name (EsState state);

G_END_DECLS
