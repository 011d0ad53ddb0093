/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz: what the targets share. Each is one file with LLVMFuzzerTestOneInput(): with clang and -Dfuzz=enabled a
 * libFuzzer program, else, with fuzzmain.c, a test that replays its corpus. */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <stdlib.h>

G_BEGIN_DECLS

int LLVMFuzzerInitialize (int *argc, char ***argv);     /* in fuzzinit.c, for all */
int LLVMFuzzerTestOneInput (const uint8_t * data, size_t size);

/* An allocation of just that size and a zero byte, so that reading beyond it is seen. */
gchar *fuzz_text (const uint8_t * data, size_t size);

/* What must hold whatever comes in. Aborts, which libFuzzer notices; it does not notice the trap of g_error(). */
#define fuzz_check(condition) \
  G_STMT_START { \
    if (!(condition)) { \
      g_printerr ("%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
      abort (); \
    } \
  } G_STMT_END

G_END_DECLS
