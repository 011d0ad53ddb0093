/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitjitter: how rtpbin's jitter buffers begin. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* @jitterbuffer is an rtpjitterbuffer that nothing has come to yet. Lets its first packet pass at once, be it followed by
 * another or not. */
void gst_livekit_jitter_hasten (GstElement * jitterbuffer);

G_END_DECLS
