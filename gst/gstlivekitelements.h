/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitelements: what the plugin entry shares with its elements. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

GST_DEBUG_CATEGORY_EXTERN (gst_livekit_debug);

GST_ELEMENT_REGISTER_DECLARE (livekitbitrate);
GST_ELEMENT_REGISTER_DECLARE (livekitsink);
GST_ELEMENT_REGISTER_DECLARE (livekitsrc);

/* The debug category, and the client's log lines in it. Any thread, any number of times. */
void gst_livekit_init_once (void);

G_END_DECLS
