/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitpattern: the `tracks` property: a list of patterns `identity/track`. Pure. */
#pragma once

#include <glib.h>
#include "lkroster.h"

G_BEGIN_DECLS

typedef struct _GstLiveKitPatterns GstLiveKitPatterns;

/* @text: comma-separated, `*` and `?`; without `/` it means any track of
 * that identity; a track is a name, sid, camera, microphone,
 * screen-share, screen-share-audio, audio or video. `/ , % * ?` inside identities and names are percent-escaped. NULL
 * or empty matches everything. */
GstLiveKitPatterns *gst_livekit_patterns_new (const gchar * text);
void gst_livekit_patterns_free (GstLiveKitPatterns * patterns);
gboolean gst_livekit_patterns_match (GstLiveKitPatterns * patterns, const LkPublication * publication);

/* `identity/track` of a publication, escaped, for stream ids. The track part is the name if it is not empty and unique
 * in the participant (@name_is_unique), else the source, else the sid. */
gchar *gst_livekit_pattern_of (const LkPublication * publication, gboolean name_is_unique);

G_END_DECLS
