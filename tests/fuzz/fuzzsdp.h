/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz: what the targets with session descriptions share. */
#pragma once

#include <gst/sdp/sdp.h>

G_BEGIN_DECLS

/* All that we do to a description, whatever is in it. */
void fuzz_edit_sdp (GstSDPMessage * sdp);

G_END_DECLS
