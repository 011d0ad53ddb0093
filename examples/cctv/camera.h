/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* camera: one camera as one participant: when it is in its room, and which of its streams run.
 *
 * Main thread. */
#pragma once

#include "layerstats.h"
#include "stream.h"

G_BEGIN_DECLS

typedef struct _CctvRun CctvRun;

typedef enum
{
  CCTV_IDLE,                    /* on demand, and nobody is there */
  CCTV_JOINING,
  CCTV_PUBLISHING,              /* in the room */
  CCTV_WAITING,                 /* for the next attempt to join */
  CCTV_LEAVING,
  CCTV_N_STATES
} CctvState;

typedef struct
{
  CctvState state;
  guint n_streams, n_viewers;
  CctvStreamStatus streams[CCTV_MAX_STREAMS];
  const CctvLayerStats *layers; /* of the streams, in their order */
  const CctvLayerStats *audio;  /* NULL = there is none */
  guint n_joins, n_reconnects, n_failures;
  gdouble round_trip_s;         /* of the signalling, 0 = not known */
} CctvStatus;

/* @displaced is called when somebody else has joined under the camera's name; it may stop the run. */
CctvRun *cctv_run_new (CctvCamera * camera, CctvSettings * settings,
    void (*displaced) (const gchar * id, gpointer data), gpointer data);
CctvCamera *cctv_run_get_camera (CctvRun * run);
/* Leaves the room; @stopped (@data) is called later, when that is done and @run is freed. */
void cctv_run_stop (CctvRun * run, void (*stopped) (gpointer data), gpointer data);
/* Somebody is in the room. */
void cctv_run_viewer_came (CctvRun * run);
/* Each second. */
void cctv_run_check (CctvRun * run);
void cctv_run_get_status (CctvRun * run, CctvStatus * status);
const gchar *cctv_state_name (CctvState state);

G_END_DECLS
