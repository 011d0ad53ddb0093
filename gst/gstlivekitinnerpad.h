/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitinnerpad: parentless sink pads, by which data leaves elements that may be replaced. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* An active pad that takes any caps; owned by the caller. @data: its element_private. */
GstPad *gst_livekit_inner_pad_new (const gchar * name, gpointer data, GstPadChainFunction chain,
    GstPadEventFunction event);

G_END_DECLS
