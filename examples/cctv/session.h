/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* session: one stay of a camera in its room: a pipeline with a livekitsink, a pad for each stream and one for audio.
 *
 * Main thread. What the sink can mend itself (a lost connection) it mends; session_failed comes when it cannot. */
#pragma once

#include "settings.h"

G_BEGIN_DECLS

typedef struct _CctvSession CctvSession;

typedef struct
{
  void (*connected_changed) (gboolean is_connected, gpointer data);
  /* Somebody has begun or ceased to watch this stream. */
  void (*active_changed) (guint stream, gboolean is_active, gpointer data);
  void (*viewers_changed) (guint n_viewers, gpointer data);
  /* An error that is not the sink's; TRUE when it is taken care of. */
  gboolean (*stream_failed) (GstObject * origin, const GError * error, gpointer data);
  /* @is_displaced: somebody else has joined as the camera. */
  void (*failed) (const GError * error, gboolean is_displaced, gpointer data);
} CctvSessionDelegate;

/* NULL with an error when elements are missing or no token can be made. It is not running yet. */
CctvSession *cctv_session_new (CctvCamera * camera, const CctvSettings * settings,
    const CctvSessionDelegate * delegate, gpointer data, GError ** error);
gboolean cctv_session_start (CctvSession * session);
/* Leaves the room in another thread, then calls @stopped (@data) on the main loop; @session is freed. */
void cctv_session_stop (CctvSession * session, void (*stopped) (gpointer data), gpointer data);

GstBin *cctv_session_get_pipeline (CctvSession * session);
GstPad *cctv_session_get_video_pad (CctvSession * session, guint stream);
GstPad *cctv_session_get_audio_pad (CctvSession * session);     /* NULL = no audio */
guint cctv_session_get_n_viewers (CctvSession * session);
gboolean cctv_session_is_published (CctvSession * session, guint stream);
gboolean cctv_session_is_active (CctvSession * session, guint stream);
/* livekitsink's. To be freed. */
GstStructure *cctv_session_get_stats (CctvSession * session);

/* What a camera is called in a room, with its id behind. */
#define CCTV_IDENTITY_PREFIX "camera-"


G_END_DECLS
