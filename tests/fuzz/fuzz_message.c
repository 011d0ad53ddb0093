/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz: bytes of the websocket to a SignalResponse, and what is told of it in the log. */

#include "fuzz.h"

#include <string.h>

#include "lkerror.h"
#include "lkmessage.h"

int
LLVMFuzzerTestOneInput (const uint8_t * data, size_t size)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (GError) error = NULL;
  Livekit__SignalResponse *response = lk_message_unpack (bytes, &error);

  fuzz_check ((response == NULL) == (error != NULL));
  if (response == NULL) {
    fuzz_check (g_error_matches (error, LK_ERROR, LK_ERROR_PROTOCOL));
  } else {
    g_autofree gchar *summary = lk_message_summary_response (response);

    fuzz_check (*summary != '\0' && strchr (summary, '\n') == NULL && g_utf8_validate (summary, -1, NULL));
    lk_message_free (response);
  }
  return 0;
}
