/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitregistry: which participants the elements of a pipeline are, so that a sink and a source can be one. It
 * travels in the GstContext "gst.livekit.session", field "registry", which an application may hand on to other
 * pipelines. */
#pragma once

#include "gstlivekitsession.h"

G_BEGIN_DECLS

#define GST_LIVEKIT_CONTEXT_TYPE "gst.livekit.session"

#define GST_TYPE_LIVEKIT_REGISTRY (gst_livekit_registry_get_type ())
G_DECLARE_FINAL_TYPE (GstLiveKitRegistry, gst_livekit_registry, GST, LIVEKIT_REGISTRY, GObject)

/* The one of @element's context, of its bins' or of the application's; else a new one, which the others are told of.
 * Posts messages. */
GstLiveKitRegistry *gst_livekit_registry_find (GstElement * element);

/* Server, room and identity as text, for comparison alone; NULL when the settings name nobody. */
gchar *gst_livekit_registry_make_key (const GstLiveKitSessionSettings * settings);

/* The session of @key, made if there is none that lives, with @role taken in it: LK_ERROR_DUPLICATE_IDENTITY when
 * another element has it. The caller owns the reference, and gives the role back by leave. */
GstLiveKitSession *gst_livekit_registry_join (GstLiveKitRegistry * registry, const gchar * key, GstLiveKitRole role,
    GError ** error);
/* TRUE: nobody else has a role in @session, and nobody will find it any more. */
gboolean gst_livekit_registry_leave (GstLiveKitRegistry * registry, GstLiveKitSession * session, GstLiveKitRole role);

G_END_DECLS
