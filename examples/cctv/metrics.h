/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* metrics: the figures of all cameras in Prometheus' text format. */
#pragma once

#include "camera.h"

G_BEGIN_DECLS

/* @runs: CctvRun. */
void cctv_metrics_add (GString * text, GPtrArray * runs);

G_END_DECLS
