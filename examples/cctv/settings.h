/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* settings: what the configuration file says, checked. */
#pragma once

#include <gst/gst.h>

#include "appproblems.h"

G_BEGIN_DECLS

#define CCTV_MAX_STREAMS 3      /* layers of a LiveKit track */

typedef enum
{
  CCTV_PUBLISH_ALWAYS,
  CCTV_PUBLISH_ON_DEMAND,
} CctvPublish;

typedef enum
{
  CCTV_TCP,
  CCTV_UDP,
  CCTV_ANY,                     /* UDP, and TCP when nothing comes */
} CctvTransport;

typedef struct
{
  gchar *location;              /* without user and password */
  gchar *user, *password;       /* or NULL */
} CctvUrl;

/* One camera; shared by reference, never changed. */
typedef struct
{
  gchar *id, *name;
  CctvUrl streams[CCTV_MAX_STREAMS];    /* main first */
  guint n_streams;
  CctvTransport transport;
  CctvPublish publish;
  guint latency_ms;             /* how long a lost packet is waited for */
  gboolean has_audio;
  gboolean does_replay;         /* the last key frame again to who asks for one */
  gchar *fingerprint;           /* of all above and of what concerns all cameras: two that are equal are the same */
} CctvCamera;

/* Shared by reference, never changed. */
typedef struct
{
  gchar *server_url, *room_prefix, *tls_ca_file;
  gchar *api_key, *api_secret;
  gboolean relay_only;
  guint pause_after_s, leave_after_s;
  gchar *listen;

  gchar *redis_host;            /* NULL = this gateway has all cameras for itself */
  guint16 redis_port;
  gchar *redis_user, *redis_password, *redis_prefix;
  gchar *gateway_name;
  guint max_cameras;            /* 0 = any number */

  GPtrArray *cameras;           /* CctvCamera */
  gchar *redis_fingerprint;
} CctvSettings;

/* NULL with problems added. Secrets that the file does not have come from LIVEKIT_API_KEY, LIVEKIT_API_SECRET and
 * REDIS_PASSWORD. */
CctvSettings *cctv_settings_load (const gchar * path, AppProblems * problems);
CctvSettings *cctv_settings_ref (CctvSettings * settings);
void cctv_settings_unref (CctvSettings * settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CctvSettings, cctv_settings_unref)

CctvCamera *cctv_camera_ref (CctvCamera * camera);
void cctv_camera_unref (CctvCamera * camera);
CctvCamera *cctv_settings_find (const CctvSettings * settings, const gchar * id);

G_END_DECLS
