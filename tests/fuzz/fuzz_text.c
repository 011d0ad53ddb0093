/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz: texts and URLs of others, made fit to be shown. */

#include "fuzz.h"

#include <string.h>

#include "lkerror.h"
#include "lkhttp.h"
#include "lksignalurl.h"

#define MAX_SHOWN 256
/* A token as HS256 makes it, put in the middle of the input: no part of its signature may be shown. */
#define SIGNATURE "c2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF"
#define TOKEN "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9." SIGNATURE

static void
check_clean (const gchar * clean)
{
  fuzz_check (strlen (clean) <= MAX_SHOWN && strpbrk (clean, "\r\n") == NULL && g_utf8_validate (clean, -1, NULL));
}

int
LLVMFuzzerTestOneInput (const uint8_t * data, size_t size)
{
  g_autofree gchar *text = fuzz_text (data, size);
  g_autofree gchar *clean = lk_error_clean_text (text, (gssize) size), *clean_url = lk_error_clean_url (text);
  g_autofree gchar *with_token = NULL, *clean_token = NULL;
  size_t half = strnlen (text, size) / 2;

  check_clean (clean);
  check_clean (clean_url);
  lk_signal_url_check (text, NULL);
  lk_http_host_is_loopback (text);

  with_token = g_strdup_printf ("%.*s " TOKEN " %s", (gint) half, text, text + half);
  clean_token = lk_error_clean_text (with_token, -1);
  check_clean (clean_token);
  fuzz_check (strstr (clean_token, SIGNATURE) == NULL);
  return 0;
}
