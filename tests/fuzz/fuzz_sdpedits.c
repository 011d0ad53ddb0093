/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz: GStreamer's parser of session descriptions and our edits, without the validator between them. */

#include "fuzz.h"
#include "fuzzsdp.h"

int
LLVMFuzzerTestOneInput (const uint8_t * data, size_t size)
{
  g_autofree gchar *text = fuzz_text (data, size);
  GstSDPMessage *sdp = NULL;

  /* GStreamer asks for more than nothing */
  if (*text == '\0')
    return 0;
  if (gst_sdp_message_new_from_text (text, &sdp) == GST_SDP_OK) {
    g_autofree gchar *again = NULL;

    fuzz_edit_sdp (sdp);
    again = gst_sdp_message_as_text (sdp);
    fuzz_check (again != NULL);
    gst_sdp_message_free (sdp);
  }
  return 0;
}
