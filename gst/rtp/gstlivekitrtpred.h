/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitrtpred: livekitrtpredpay and livekitrtpreddepay. */
#pragma once

#include <gst/rtp/rtp.h>

G_BEGIN_DECLS

/* What the blocks are: Opus, by the number that all of LiveKit uses. */
#define GST_LIVEKIT_RED_OPUS_PAYLOAD_TYPE 111

#define GST_TYPE_LIVEKIT_RTP_RED_PAY (gst_livekit_rtp_red_pay_get_type ())
G_DECLARE_FINAL_TYPE (GstLiveKitRtpRedPay, gst_livekit_rtp_red_pay, GST, LIVEKIT_RTP_RED_PAY, GstRTPBasePayload)

#define GST_TYPE_LIVEKIT_RTP_RED_DEPAY (gst_livekit_rtp_red_depay_get_type ())
G_DECLARE_FINAL_TYPE (GstLiveKitRtpRedDepay, gst_livekit_rtp_red_depay, GST, LIVEKIT_RTP_RED_DEPAY,
    GstRTPBaseDepayload)

GST_ELEMENT_REGISTER_DECLARE (livekitrtpredpay);
GST_ELEMENT_REGISTER_DECLARE (livekitrtpreddepay);

G_END_DECLS
