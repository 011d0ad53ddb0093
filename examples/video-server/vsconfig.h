/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vsconfig: what the video server shall do, read and checked. */
#pragma once

#include <glib.h>

#include "appserver.h"

G_BEGIN_DECLS

typedef enum
{
  VS_SENDS,
  VS_RECEIVES_VIDEO,
  VS_RECEIVES_AUDIO,
} VsDirection;

typedef struct
{
  gchar *setting;               /* its name there, e.g. "PIPELINE_3" */
  gchar *text;                  /* in one line */
  VsDirection direction;
  gchar *track;                 /* the name that it is published by; or what it receives: a name, or identity/name */
} VsPipelineConfig;

typedef struct
{
  AppServer *server;
  gchar *room, *identity;
  gchar *http_listen;           /* or NULL */
  GPtrArray *pipelines;         /* VsPipelineConfig, owned */
} VsConfig;

/* Everything that is wrong is added to the problems; the result is of use only if there are none. GStreamer is
 * initialised. */
VsConfig *vs_config_read (AppSettings * settings, AppProblems * problems);
void vs_config_free (VsConfig * config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsConfig, vs_config_free)

G_END_DECLS
