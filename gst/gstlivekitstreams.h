/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitstreams: what the tracks of a room are called in a livekitsrc (pad names, stream ids, GstStreams), and what
 * was chosen for each. A track keeps its slot while the element lives: over unpublish and publish, and over rejoins.
 * Beyond 4096 of them, the one whose track has been gone for longest is forgotten: should that come back, it is a new
 * one.
 *
 * No lock of its own: the element's OBJECT_LOCK is held around every call. */
#pragma once

#include <gst/gst.h>
#include "gstlivekitenums.h"
#include "lkroster.h"

G_BEGIN_DECLS

typedef enum
{
  GST_LIVEKIT_CHOICE_DEFAULT,   /* as auto-subscribe says */
  GST_LIVEKIT_CHOICE_ON,
  GST_LIVEKIT_CHOICE_OFF,
} GstLiveKitChoice;

typedef struct
{
  GstLiveKitChoice enabled;
  GstLiveKitVideoQuality quality;
  guint width, height, max_framerate;   /* 0 = unset */
} GstLiveKitStreamSettings;

typedef struct
{
  LkTrackKind kind;
  gchar *pad_name, *stream_id;
  gchar *sid;                   /* of the track that has it now, NULL = none */
  GstStream *stream;            /* the same */
  guint64 gone_as;              /* when its last track went: the how-manieth that went */
  GstLiveKitStreamSettings settings;
} GstLiveKitStreamSlot;

typedef struct _GstLiveKitStreams GstLiveKitStreams;

GstLiveKitStreams *gst_livekit_streams_new (void);
void gst_livekit_streams_free (GstLiveKitStreams * streams);

/* @publications: all LkPublications that can be shown. TRUE: others than before. */
gboolean gst_livekit_streams_update (GstLiveKitStreams * streams, const gchar * room, const GPtrArray * publications);
GstLiveKitStreamSlot *gst_livekit_streams_find (GstLiveKitStreams * streams, const gchar * sid);
/* Chooses those of @stream_ids and unchooses all others, also those that are away; ids of none that ever was are kept
 * for later. */
void gst_livekit_streams_select (GstLiveKitStreams * streams, GList * stream_ids);
/* All that there are; @only_selected: those that are on, where @is_default_on is what the default means. */
GList *gst_livekit_streams_list (GstLiveKitStreams * streams, gboolean only_selected, gboolean is_default_on);

/* The server looks at a size only if there is a width, and then takes the height: both are told, in the video's
 * shape. */
void gst_livekit_stream_settings_get_size (const GstLiveKitStreamSettings * settings, const LkPublication * publication,
    guint * width, guint * height);
GstTagList *gst_livekit_stream_tags (const LkPublication * publication);

G_END_DECLS
