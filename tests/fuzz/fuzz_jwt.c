/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz: an access token. What begins with a brace is the payload of one, made a token here, for chance does not find
 * base64. */

#include "fuzz.h"

#include <string.h>

#include "lktoken.h"

#define NOW_S 1800000000

static gchar *
make_token (const uint8_t * payload, size_t size)
{
  g_autofree gchar *base64 = g_base64_encode (payload, size);

  g_strdelimit (base64, "+", '-');
  g_strdelimit (base64, "/", '_');
  base64[strcspn (base64, "=")] = '\0';
  return g_strconcat ("eyJhbGciOiJIUzI1NiJ9.", base64, ".c2lnbmF0dXJl", NULL);
}

int
LLVMFuzzerTestOneInput (const uint8_t * data, size_t size)
{
  g_autofree gchar *token = size > 0 && data[0] == '{' ? make_token (data, size) : fuzz_text (data, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (LkTokenClaims) claims = lk_token_read (token, &error);

  fuzz_check ((claims == NULL) == (error != NULL));
  if (claims != NULL) {
    lk_token_check (claims, "lab", NOW_S, NULL);
    lk_token_check (claims, NULL, 0, NULL);
    lk_token_check_grants (claims, TRUE, TRUE, NULL);
    fuzz_check (claims->identity == NULL || g_utf8_validate (claims->identity, -1, NULL));
    fuzz_check (claims->room == NULL || g_utf8_validate (claims->room, -1, NULL));
  }
  return 0;
}
