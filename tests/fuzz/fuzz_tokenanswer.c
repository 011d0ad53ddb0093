/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz: what a token URL answers. */

#include "fuzz.h"

#include "lksignalurl.h"
#include "lktoken.h"
#include "lktokensource-private.h"

static void
try_answer (const gchar * text, gsize size, gboolean is_secure)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LkTokenAnswer) answer = lk_token_answer_parse (text, size, is_secure, &error);

  fuzz_check ((answer == NULL) == (error != NULL));
  if (answer == NULL) {
    fuzz_check (g_error_matches (error, LK_ERROR, LK_ERROR_TOKEN_SOURCE));
    fuzz_check (g_utf8_validate (error->message, -1, NULL));
    return;
  }
  fuzz_check (lk_token_check_text (answer->token, NULL));
  if (answer->server_url != NULL)
    lk_signal_url_check (answer->server_url, NULL);
}

int
LLVMFuzzerTestOneInput (const uint8_t * data, size_t size)
{
  g_autofree gchar *text = fuzz_text (data, size);

  try_answer (text, size, TRUE);
  try_answer (text, size, FALSE);
  return 0;
}
