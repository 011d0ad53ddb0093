/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For roomworld in a fuzz target: libcheck's checks only work inside of its runner. */
#pragma once

#include "../../../fuzz.h"

#define fail_unless(condition, ...) fuzz_check (condition)
#define fail_if(condition, ...) fail_unless (!(condition))
#define fail_unless_equals_int(a, b) fail_unless ((a) == (b))
#define fail_unless_equals_string(a, b) fail_unless (g_strcmp0 ((a), (b)) == 0)
