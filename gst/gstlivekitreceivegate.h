/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitreceivegate: a probe behind srtpdec. It lets no packet pass before the peer's certificate is known to be
 * the right one, and holds packets of streams that no answer has announced yet: webrtcbin would never show their
 * pads. */
#pragma once

#include <gst/gst.h>
#include "gstlivekitsync.h"

G_BEGIN_DECLS

typedef struct _GstLiveKitReceiveGate GstLiveKitReceiveGate;

/* Any thread. */
GstLiveKitReceiveGate *gst_livekit_receive_gate_new (void);
GstLiveKitReceiveGate *gst_livekit_receive_gate_ref (GstLiveKitReceiveGate * gate);
void gst_livekit_receive_gate_unref (GstLiveKitReceiveGate * gate);
/* Where streams are freed: the rtpssrcdemux behind. */
void gst_livekit_receive_gate_set_demux (GstLiveKitReceiveGate * gate, GstElement * rtpssrcdemux);
/* The stream of @ssrc is over: what still comes of it is dropped, and its jitter buffer and threads are freed before
 * the next packet of any stream passes. Not at once: rtpssrcdemux 1.22 makes its pads twice when it is told while one
 * is being made. For good, which is until some thousands more have ended: rtpbin keeps its pad of that SSRC and cannot
 * make it again, and the server gives a track that takes over a section another SSRC. */
void gst_livekit_receive_gate_end_stream (GstLiveKitReceiveGate * gate, guint32 ssrc);
void gst_livekit_receive_gate_attach (GstLiveKitReceiveGate * gate, GstElement * srtpdec);
/* Notes when anything comes in from @nicesrc, media, RTCP or DTLS. */
void gst_livekit_receive_gate_watch (GstLiveKitReceiveGate * gate, GstElement * nicesrc);
/* From here on it drops all of that. Before webrtcbin goes to NULL: srtpdec 1.22 gives up its pads one by one, and a
 * first report that comes in between makes criticals. */
void gst_livekit_receive_gate_close (GstLiveKitReceiveGate * gate);
/* Milliseconds since the last of it, or since the gate was made. */
guint gst_livekit_receive_gate_get_silence_ms (GstLiveKitReceiveGate * gate);
void gst_livekit_receive_gate_set_verified (GstLiveKitReceiveGate * gate, gboolean is_verified);
/* While @is_due, an answer is awaited: streams of unknown SSRC are held. Else they pass. */
void gst_livekit_receive_gate_set_answer_due (GstLiveKitReceiveGate * gate, gboolean is_due);
/* Those of all sections, as the newest description has them. @ssrcs is not changed any more. */
void gst_livekit_receive_gate_set_ssrcs (GstLiveKitReceiveGate * gate, GHashTable * ssrcs);
/* Tells @stream of the packets on @pad, which is behind the jitter buffer, and of the sender reports about them. */
void gst_livekit_receive_gate_time_stream (GstLiveKitReceiveGate * gate, GstPad * pad, GstLiveKitStreamTime * stream);

G_END_DECLS
