/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitrtpextensions: RTP header extensions that GStreamer lacks, or writes wrongly, for sending. */
#pragma once

#include <gst/rtp/rtp.h>

G_BEGIN_DECLS

/* http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time: when the frame was captured, as NTP time (UQ32.32). */
#define GST_LIVEKIT_CAPTURE_TIME_URI "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
#define GST_TYPE_LIVEKIT_RTP_CAPTURE_TIME (gst_livekit_rtp_capture_time_get_type ())
G_DECLARE_FINAL_TYPE (GstLiveKitRtpCaptureTime, gst_livekit_rtp_capture_time, GST, LIVEKIT_RTP_CAPTURE_TIME,
    GstRTPHeaderExtension)

/* Buffers carry running times of @element, which outlives the extension. */
GstRTPHeaderExtension *gst_livekit_rtp_capture_time_new (GstElement * element);
/* NTP time of an instant of running time, when it is @now on the clock and @real_us (microseconds since 1970) in the
 * world. */
guint64 gst_livekit_rtp_capture_time_ntp (GstClockTime captured, GstClockTime now, gint64 real_us);

/* RFC 6464, from GstAudioLevelMeta. rtphdrextclientaudiolevel writes a wrong value before 1.22.9. */
#define GST_LIVEKIT_AUDIO_LEVEL_URI "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
#define GST_TYPE_LIVEKIT_RTP_AUDIO_LEVEL (gst_livekit_rtp_audio_level_get_type ())
G_DECLARE_FINAL_TYPE (GstLiveKitRtpAudioLevel, gst_livekit_rtp_audio_level, GST, LIVEKIT_RTP_AUDIO_LEVEL,
    GstRTPHeaderExtension)

GstRTPHeaderExtension *gst_livekit_rtp_audio_level_new (void);

/* draft-holmer-rmcat-transport-wide-cc-extensions-01: room for the number that rtpsession writes when it sends. It does
 * so in headers of one byte only, so that packets with others, which rtphdrexttwcc refuses, go without. */
#define GST_LIVEKIT_TWCC_URI "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
#define GST_TYPE_LIVEKIT_RTP_TRANSPORT_NUMBER (gst_livekit_rtp_transport_number_get_type ())
G_DECLARE_FINAL_TYPE (GstLiveKitRtpTransportNumber, gst_livekit_rtp_transport_number, GST,
    LIVEKIT_RTP_TRANSPORT_NUMBER, GstRTPHeaderExtension)

GstRTPHeaderExtension *gst_livekit_rtp_transport_number_new (void);

G_END_DECLS
