/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkbackoff: how long to wait before the next attempt. Pure. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Milliseconds to wait before attempt @attempt (0 = the first after the loss), @elapsed_ms after the loss: 0, 300, 600,
 * then 1000 each until ten seconds have gone, for a server that restarts is back within seconds; then 2, 4 and 7 s.
 * @random in [0, 1) adds jitter of up to ± 20 % from the second attempt on. */
guint lk_backoff_delay_ms (guint attempt, guint64 elapsed_ms, gdouble random);

G_END_DECLS
