/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkbackoff: how long to wait before the next attempt. */

#include "lkbackoff.h"

#define JITTER 0.2

/* The slow steps follow from the time alone, so that attempts that hang for seconds reach them as well. A limit is the
 * least time after the one before and its delay, so that each step is taken once, whatever the jitter. */
static const struct
{
  guint64 until_ms;
  guint delay_ms;
} slow_steps[] = {
  {10000, 1000},
  {11600, 2000},
  {14800, 4000},
  {G_MAXUINT64, 7000},
};

static guint
base_delay_ms (guint attempt, guint64 elapsed_ms)
{
  static const guint quick_ms[] = { 0, 300, 600 };
  guint i = 0;

  if (attempt < G_N_ELEMENTS (quick_ms))
    return quick_ms[attempt];
  while (i < G_N_ELEMENTS (slow_steps) - 1 && elapsed_ms >= slow_steps[i].until_ms)
    i++;
  return slow_steps[i].delay_ms;
}

guint
lk_backoff_delay_ms (guint attempt, guint64 elapsed_ms, gdouble random)
{
  guint delay_ms = base_delay_ms (attempt, elapsed_ms);
  gdouble factor = 1.0 - JITTER + 2 * JITTER * CLAMP (random, 0.0, 1.0);

  return (guint) (delay_ms * factor + 0.5);
}
