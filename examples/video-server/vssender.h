/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vssender: one pipeline that sends: what its appsinks get becomes a track of the room. On the main loop. */
#pragma once

#include "vsroom.h"
#include "vsrunner.h"

G_BEGIN_DECLS

typedef struct _VsSender VsSender;

typedef struct
{
  guint64 buffers, bytes;       /* that came out of the pipeline */
} VsSenderStats;

VsSender *vs_sender_new (const VsPipelineConfig * config, VsRoom * room, GstClock * clock);
void vs_sender_free (VsSender * sender);
void vs_sender_start (VsSender * sender);
void vs_sender_end (VsSender * sender);

void vs_sender_room_up (VsSender * sender);
void vs_sender_room_down (VsSender * sender);
/* TRUE when @element is one that it has put into the room's pipeline. */
gboolean vs_sender_element_failed (VsSender * sender, GstObject * element, const GError * error);

const VsPipelineConfig *vs_sender_get_config (VsSender * sender);
VsRunner *vs_sender_get_runner (VsSender * sender);
void vs_sender_get_stats (VsSender * sender, VsSenderStats * stats);
/* Statistics of its pads of livekitsink, as GstStructure; to be unreffed. */
GPtrArray *vs_sender_get_pad_stats (VsSender * sender);

G_END_DECLS
