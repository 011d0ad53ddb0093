/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekiterror: the client's errors as messages on the bus. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* Posts @error, an LK_ERROR or any other, as an error (or warning) message with details "reason" and, where there was
 * one, "http-status-code". */
void gst_livekit_post_error (GstElement * element, const GError * error);
void gst_livekit_post_warning (GstElement * element, const GError * error);

G_END_DECLS
