/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream: one stream of a camera, kept running: connects, watches whether anything comes, tries again with back-off.
 *
 * Main thread. It lives as long as its camera; what it feeds comes and goes. */
#pragma once

#include "source.h"

G_BEGIN_DECLS

typedef struct _CctvStream CctvStream;

typedef enum
{
  CCTV_STREAM_PAUSED,           /* not wanted */
  CCTV_STREAM_CONNECTING,       /* no frame yet */
  CCTV_STREAM_FLOWING,
  CCTV_STREAM_WAITING,          /* for the next attempt */
  CCTV_STREAM_N_STATES
} CctvStreamState;

typedef struct
{
  CctvStreamState state;
  CctvSourceCounters counters;  /* of all connections */
  guint n_connects, n_failures;
  gint64 key_frame_age_us;      /* since the last key frame while it flows, else 0 */
  gdouble latency_s;            /* mean of the last second's frames, 0 = there were none */
} CctvStreamStatus;

CctvStream *cctv_stream_new (const CctvCamera * camera, guint index);
void cctv_stream_free (CctvStream * stream);

/* Where to put what comes; @audio_pad may be NULL. */
void cctv_stream_attach (CctvStream * stream, GstBin * pipeline, GstPad * video_pad, GstPad * audio_pad);
void cctv_stream_detach (CctvStream * stream);
void cctv_stream_set_wanted (CctvStream * stream, gboolean is_wanted);
/* Each second. */
void cctv_stream_check (CctvStream * stream);
/* An error on the pipeline's bus; TRUE when it is of this stream, also of a connection that has been given up. */
gboolean cctv_stream_take_error (CctvStream * stream, GstObject * origin, const GError * error);
void cctv_stream_get_status (CctvStream * stream, CctvStreamStatus * status);
const gchar *cctv_stream_state_name (CctvStreamState state);

G_END_DECLS
