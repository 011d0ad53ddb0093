/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitrtpav1: livekitrtpav1pay and livekitrtpav1depay. */
#pragma once

#include <gst/rtp/rtp.h>

G_BEGIN_DECLS

#define GST_TYPE_LIVEKIT_RTP_AV1_PAY (gst_livekit_rtp_av1_pay_get_type ())
G_DECLARE_FINAL_TYPE (GstLiveKitRtpAv1Pay, gst_livekit_rtp_av1_pay, GST, LIVEKIT_RTP_AV1_PAY, GstRTPBasePayload)

#define GST_TYPE_LIVEKIT_RTP_AV1_DEPAY (gst_livekit_rtp_av1_depay_get_type ())
G_DECLARE_FINAL_TYPE (GstLiveKitRtpAv1Depay, gst_livekit_rtp_av1_depay, GST, LIVEKIT_RTP_AV1_DEPAY,
    GstRTPBaseDepayload)

GST_ELEMENT_REGISTER_DECLARE (livekitrtpav1pay);
GST_ELEMENT_REGISTER_DECLARE (livekitrtpav1depay);

G_END_DECLS
