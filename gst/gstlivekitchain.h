/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitchain: the elements that make packets of one format: [clocksync] ! [parser ! capsfilter] ! payloader in a
 * bin. */
#pragma once

#include <gst/gst.h>
#include "gstlivekitcodec.h"
#include "gstlivekitlevelmeter.h"

G_BEGIN_DECLS

typedef struct
{
  const GstLiveKitCodec *codec;
  GstElement *bin, *payloader;
  GstElement *clocksync;        /* NULL for live input */
  GstPad *feed;                 /* parentless src pad, linked to the bin: works whatever bin the host is */
  GstPad *src_pad;              /* of the bin */
  guint32 ssrc;                 /* chosen at random */
  GstLiveKitLevelMeter *meter;  /* or NULL; streaming thread */
} GstLiveKitChain;

/* In @host, in its state. NULL when elements are missing, which is logged. The caller gives @feed its functions. */
GstLiveKitChain *gst_livekit_chain_new (GstBin * host, const gchar * name, const GstLiveKitCodec * codec,
    gboolean is_live);
/* Before anything streams, and behind the probes that drop: packets of sound tell how loud they are, where nobody
 * has said so. FALSE: there is no decoder. */
gboolean gst_livekit_chain_measure_level (GstLiveKitChain * chain);
/* While nothing streams in it. */
void gst_livekit_chain_free (GstLiveKitChain * chain);
/* What packets carry from now on: always what the codec has, and with @rid also that and @mid: the stream is @layer of
 * several streams then, from 0, whatever is in it. Capture times are those of @clock, whose running times buffers
 * carry. */
void gst_livekit_chain_add_extensions (GstLiveKitChain * chain, GstElement * clock, guint n_spatial_layers,
    const gchar * mid, const gchar * rid, guint layer);

G_END_DECLS
