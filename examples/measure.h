/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * measure: what livekit-demo measures. When each numbered picture passed which place, and how sound lies to pictures.
 *
 * Each raw picture carries its number (framemark.h) into the encoder, and the receiver reads it after decoding. The
 * tone is loud for the first 100 ms of each second of the publisher's running time; the receiver compares that with
 * the pictures of the same time in its own timestamps.
 */

#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct _Measure Measure;

Measure *measure_new  (void);
void     measure_free (Measure * measure);

/* The publisher's pads: raw pictures before the encoder, livekitsink's sink pad, raw tone (48 kHz float mono). */
void measure_watch_raw_video (Measure * measure, GstPad * pad);
void measure_watch_sent      (Measure * measure, GstPad * pad);
void measure_watch_tone      (Measure * measure, GstPad * pad);

/* The receiver's pads: livekitsrc's src pad, decoded pictures, decoded sound (48 kHz float mono). */
void measure_watch_received (Measure * measure, GstPad * pad);
void measure_watch_picture  (Measure * measure, GstPad * pad);
void measure_watch_sound    (Measure * measure, GstPad * pad);

gint64     measure_get_first_frame (Measure * measure);  /* monotonic time when it left livekitsrc, 0 = not yet */
guint      measure_get_n_sent      (Measure * measure);
guint      measure_get_n_decoded   (Measure * measure);
GstSample *measure_get_picture     (Measure * measure);  /* transfer full; NULL if there was none */

void measure_print (Measure * measure);

G_END_DECLS
