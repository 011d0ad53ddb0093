/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitlevelmeter: how loud encoded sound is, for who did not say so: decodes it, and keeps nothing of that.
 * One thread. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct _GstLiveKitLevelMeter GstLiveKitLevelMeter;

/* NULL when there is no such decoder. */
GstLiveKitLevelMeter *gst_livekit_level_meter_new (const gchar * decoder);
void gst_livekit_level_meter_free (GstLiveKitLevelMeter * meter);
/* Of one packet; @caps as on its pad. RFC 6464: 0 is the loudest, 127 silence, in dB. -1 = nothing came out of the
 * decoder. */
gint gst_livekit_level_meter_measure (GstLiveKitLevelMeter * meter, GstCaps * caps, GstBuffer * buffer);

G_END_DECLS
