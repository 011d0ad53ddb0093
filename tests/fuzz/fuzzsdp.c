/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz: a session description is edited. */

#include "fuzzsdp.h"

#include "gstlivekitsdp.h"

void
fuzz_edit_sdp (GstSDPMessage * sdp)
{
  g_autoptr (GHashTable) ssrcs = g_hash_table_new (NULL, NULL);

  for (guint i = 0; i < gst_sdp_message_medias_len (sdp); i++) {
    GstSDPMedia *media = (GstSDPMedia *) gst_sdp_message_get_media (sdp, i);
    GstSDPMedia *offered = NULL;

    gst_sdp_media_copy (media, &offered);
    gst_livekit_sdp_get_direction (media);
    gst_livekit_sdp_set_direction (media, "recvonly");
    gst_livekit_sdp_write_msid (media, "stream", "track");
    for (const GstLiveKitCodec * codec = gst_livekit_codecs (); codec->encoding_name; codec++) {
      gst_livekit_sdp_prefer_codec (media, codec);
      gst_livekit_sdp_answer_codecs (media, offered, codec);
    }
    gst_livekit_sdp_write_codecs (media, gst_livekit_codecs (), TRUE);
    gst_sdp_media_free (offered);
  }
  gst_livekit_sdp_collect_ssrcs (sdp, ssrcs);
  gst_livekit_sdp_has_fingerprint (sdp, "AA:BB");
  gst_livekit_sdp_set_ice_credentials (sdp, "ufrag", "pwd");
}
