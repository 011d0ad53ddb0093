/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz: a session description through the validator, and what is done with one that passes, by us and then by
 * webrtcbin. The first byte: 1 = an answer, 2 = there is a description before it, which ends with a byte 0xff. */

#include "fuzz.h"

#include <string.h>

#include "fuzzsdp.h"
#include "gstlivekitsdp.h"
#include "lkerror.h"

/* In caps, names of attributes become quarks, and GLib leaves old tables of them behind. Leaks are looked for in
 * sdpedits. */
const char *__asan_default_options (void);

const char *
__asan_default_options (void)
{
  return "detect_leaks=0";
}

/* The calls of webrtcbin with what the network said. */
static void
make_caps (const GstSDPMessage * sdp)
{
  for (guint i = 0; i < gst_sdp_message_medias_len (sdp); i++) {
    const GstSDPMedia *media = gst_sdp_message_get_media (sdp, i);
    g_autoptr (GstCaps) global = gst_caps_new_empty_simple ("application/x-rtp");

    gst_sdp_message_attributes_to_caps (sdp, global);
    gst_sdp_media_attributes_to_caps (media, global);
    for (guint k = 0; k < gst_sdp_media_formats_len (media); k++) {
      GstCaps *caps = gst_sdp_media_get_caps_from_media (media, atoi (gst_sdp_media_get_format (media, k)));

      if (caps != NULL)
        gst_caps_unref (caps);
    }
  }
}

/* What webrtcbin relies on. */
static void
check_promises (const GstSDPMessage * sdp, gboolean is_answer, const GstSDPMessage * offer)
{
  g_autoptr (GHashTable) mids = g_hash_table_new (g_str_hash, g_str_equal);
  guint n = gst_sdp_message_medias_len (sdp);

  fuzz_check (n > 0 && n <= GST_LIVEKIT_SDP_MAX_MEDIA);
  for (guint i = 0; i < n; i++) {
    const gchar *mid = gst_livekit_sdp_get_mid (gst_sdp_message_get_media (sdp, i));

    fuzz_check (mid != NULL && *mid != '\0' && g_hash_table_add (mids, (gpointer) mid));
    if (offer != NULL && i < gst_sdp_message_medias_len (offer))
      fuzz_check (g_strcmp0 (mid, gst_livekit_sdp_get_mid (gst_sdp_message_get_media (offer, i))) == 0);
  }
  if (offer != NULL)
    fuzz_check (is_answer ? n == gst_sdp_message_medias_len (offer) : n >= gst_sdp_message_medias_len (offer));
}

int
LLVMFuzzerTestOneInput (const uint8_t * data, size_t size)
{
  g_autofree gchar *text = fuzz_text (data, size);
  g_autoptr (GError) error = NULL;
  GstSDPMessage *offer = NULL, *sdp;
  gchar *rest = size > 0 ? text + 1 : text, *end;
  gboolean is_answer = size > 0 && (data[0] & 1);

  if (size > 0 && (data[0] & 2) && (end = strchr (rest, '\xff')) != NULL) {
    *end = '\0';
    offer = gst_livekit_sdp_parse (rest, FALSE, NULL, NULL);
    rest = end + 1;
  }
  sdp = gst_livekit_sdp_parse (rest, is_answer, offer, &error);
  fuzz_check ((sdp == NULL) == (error != NULL));
  if (sdp != NULL) {
    check_promises (sdp, is_answer, offer);
    make_caps (sdp);
    fuzz_edit_sdp (sdp);
    make_caps (sdp);
    gst_sdp_message_free (sdp);
  } else {
    fuzz_check (g_error_matches (error, LK_ERROR, LK_ERROR_PROTOCOL));
  }
  if (offer != NULL)
    gst_sdp_message_free (offer);
  return 0;
}
