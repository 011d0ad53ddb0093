/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* source: one RTSP connection: what the camera sends, depayloaded, into the pads of a livekitsink.
 *
 * It runs once. Errors come on the pipeline's bus from an element that cctv_source_has(); the end of the stream is one
 * of them. All functions: main thread. */
#pragma once

#include "settings.h"

G_BEGIN_DECLS

typedef struct _CctvSource CctvSource;

/* What has come in so far. */
typedef struct
{
  guint64 n_packets, n_bytes, n_frames, n_key_frames;   /* frames of video */
  gint64 last_frame_us;         /* monotonic, 0 = none yet */
  gint64 last_key_frame_us;
  guint n_jumps;                /* of the camera's clock */
  guint64 latency_us;           /* sum, over n_frames: from a frame's first packet to its way into the sink */
} CctvSourceCounters;

/* @audio_pad: NULL = no audio. The pads are livekitsink's. */
CctvSource *cctv_source_new (const CctvCamera * camera, guint stream, GstBin * pipeline, GstPad * video_pad,
    GstPad * audio_pad);
gboolean cctv_source_start (CctvSource * source);
/* Takes the elements down in another thread, the pads are free at once. */
void cctv_source_stop (CctvSource * source);
/* Whether that is done. rtspsrc waits for the end of a message that it has begun to read, which some never send. */
gboolean cctv_source_is_down (CctvSource * source);
void cctv_source_unref (CctvSource * source);
gboolean cctv_source_has (CctvSource * source, GstObject * object);
void cctv_source_get_counters (CctvSource * source, CctvSourceCounters * counters);

G_END_DECLS
