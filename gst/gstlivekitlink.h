/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitlink: what the path of one peer carries: video is paced, RTX kept in bounds, both directions are estimated.
 *
 * Sending: transport-wide feedback comes in as webrtcbin's rtpsession reads it, packets of video go out through
 * gst_livekit_link_send(). Receiving: the server is told by REMB what may come (lkremb); where it wants
 * transport-wide feedback, rtpsession sends that by itself. One thread, from the first packet that has to wait, or
 * that comes, on. */
#pragma once

#include <gst/gst.h>
#include "lkallocator.h"
#include "lkbandwidth.h"

G_BEGIN_DECLS

#define GST_LIVEKIT_ABS_SEND_TIME_URI "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"

typedef struct _GstLiveKitLink GstLiveKitLink;

/* @congested (@data): the path we send on is full, just now. Any thread, no lock held. @data is given up by stop. */
GstLiveKitLink *gst_livekit_link_new (void (*congested) (gpointer data), gpointer data, GDestroyNotify destroy);
GstLiveKitLink *gst_livekit_link_ref (GstLiveKitLink * link);
void gst_livekit_link_unref (GstLiveKitLink * link);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstLiveKitLink, gst_livekit_link_unref)

/* Inner elements of webrtcbin, when they appear. */
void gst_livekit_link_attach_session (GstLiveKitLink * link, GstElement * rtpsession);
void gst_livekit_link_attach_rtx (GstLiveKitLink * link, GstElement * rtprtxsend);
/* The id of abs-send-time in what comes. */
void gst_livekit_link_set_abs_send_time_id (GstLiveKitLink * link, guint id);
/* Another path, or the same after an outage: what was measured is dead. */
void gst_livekit_link_reset (GstLiveKitLink * link);
/* Ends the thread. When webrtcbin is down. */
void gst_livekit_link_stop (GstLiveKitLink * link);

/* Any thread; each source of a joint has one of its own, and the link has one. What fails inside the peer is dealt with
 * by whoever owns that: to upstream it is as if the peer was being replaced (GST_FLOW_FLUSHING). */
GstFlowReturn gst_livekit_link_push (GstPad * joint, GstBuffer * packet);
/* Several packets as one, taken. */
GstFlowReturn gst_livekit_link_push_list (GstPad * joint, GstBufferList * packets);
/* Any thread. A packet of video on its way to @joint, taken. Those of one stream stay in order. */
GstFlowReturn gst_livekit_link_send (GstLiveKitLink * link, GstPad * joint, GstBuffer * packet);
/* The same for several packets of one stream, taken. They stay together as long as all may go at once: to the elements of
 * webrtcbin a list costs less than its packets. */
GstFlowReturn gst_livekit_link_send_list (GstLiveKitLink * link, GstPad * joint, GstBufferList * packets);
/* Nothing waits, and nothing is on its way out. */
gboolean gst_livekit_link_is_idle (GstLiveKitLink * link);
/* Throws away what waits for @joint. */
void gst_livekit_link_forget (GstLiveKitLink * link, GstPad * joint);
/* Whether a frame may be sent: else it would be stale before it went, and the stream goes on with a key frame. */
gboolean gst_livekit_link_has_room (GstLiveKitLink * link);
/* There is room for that key frame, so that it is time to ask for it. */
gboolean gst_livekit_link_may_resume (GstLiveKitLink * link);
/* It is being found out whether more fits: what a stream has to send is better for that than padding. */
gboolean gst_livekit_link_is_probing (GstLiveKitLink * link);

typedef struct
{
  gboolean is_known;            /* feedback has come */
  LkBandwidthStatus up, down;
  gboolean is_receiving;        /* down has meaning: something has come lately */
  guint audio_bps, rtx_bps;
  guint pacer_us;               /* how long video waits before it is sent */
  guint64 n_rtx_refused, n_nacks_refused, n_padding;
} GstLiveKitLinkStatus;

/* Ten times a second. @status: as it is now. */
void gst_livekit_link_tick (GstLiveKitLink * link, GstLiveKitLinkStatus * status);
/* What lkallocator made of it. */
void gst_livekit_link_set_allocation (GstLiveKitLink * link, const LkAllocation * allocation);

G_END_DECLS
