/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* clip: a file of H.264 with access unit delimiters, as access units. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define CLIP_FPS 30

typedef struct _Clip Clip;

Clip *clip_open (const gchar * path);
void clip_free (Clip * clip);

guint clip_n_units (Clip * clip);

/* A new buffer whose memory is the file's. */
GstBuffer *clip_unit (Clip * clip, guint index);

/* Of what the pictures are coded in, in a byte stream: what payloaders and parsers add or take away does not count. */
guint64 clip_hash_slices (const guint8 * data, gsize size);

G_END_DECLS
