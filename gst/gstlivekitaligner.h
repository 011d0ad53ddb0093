/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitaligner: sends the simulcast layers of one instant together.
 *
 * LiveKit's server switches a viewer to another layer at a key frame, but refuses one that is more than 50 ms older
 * than what it has forwarded last; encoders of three sizes are easily further apart. So the faster layers wait for the
 * slower ones. Any thread. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct _GstLiveKitAligner GstLiveKitAligner;

/* A layer that lags by more than this is not waited for. */
#define GST_LIVEKIT_ALIGNER_LIMIT_MS 150

GstLiveKitAligner *gst_livekit_aligner_new (void);
GstLiveKitAligner *gst_livekit_aligner_ref (GstLiveKitAligner * aligner);
void gst_livekit_aligner_unref (GstLiveKitAligner * aligner);

/* Whether the others wait for layer @slot, and it for them. FALSE also wakes whoever is in pass for it. */
void gst_livekit_aligner_set_flowing (GstLiveKitAligner * aligner, guint slot, gboolean is_flowing);
/* Streaming thread of the layer: a frame of running time @time is about to be sent. Waits until the others have come as
 * far. FALSE: they did not, in time. */
gboolean gst_livekit_aligner_pass (GstLiveKitAligner * aligner, guint slot, GstClockTime time);

G_END_DECLS
