/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz: candidateInit of a TrickleRequest. */

#include "fuzz.h"

#include "lkerror.h"
#include "lkmessage.h"

int
LLVMFuzzerTestOneInput (const uint8_t * data, size_t size)
{
  g_autofree gchar *json = fuzz_text (data, size), *candidate = NULL, *mid = NULL;
  g_autoptr (GError) error = NULL;
  guint mline_index = 0;

  if (lk_message_candidate_from_json (json, &candidate, &mid, &mline_index, &error)) {
    g_autofree gchar *again = lk_message_candidate_to_json (candidate, mid, mline_index);

    fuzz_check (error == NULL && candidate != NULL && again != NULL);
    fuzz_check (g_utf8_validate (candidate, -1, NULL) && (mid == NULL || g_utf8_validate (mid, -1, NULL)));
  } else {
    fuzz_check (g_error_matches (error, LK_ERROR, LK_ERROR_PROTOCOL));
  }
  return 0;
}
