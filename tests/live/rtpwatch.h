/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rtpwatch: counts the RTP packets that a pipeline encrypts, by what their headers say; and loses some that come in. */
#pragma once

#include <gst/gst.h>

/* Watches all srtpenc that @pipeline gets. */
void rtp_watch_install (GstBin * pipeline);
/* Loses each @nth packet of Opus, RED or not, in front of all srtpdec that @pipeline gets. */
void rtp_watch_lose (GstBin * pipeline, guint nth);
/* A structure "rtp" for each payload type: packets, and how many of them name a mid, a rid, a repaired rid. The caller
 * frees list and structures. */
GList *rtp_watch_read (void);
