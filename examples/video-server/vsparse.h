/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vsparse: the text of a pipeline, made into one, and which of its ends meet the room. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define VS_MAX_LAYERS 3

typedef struct
{
  GstElement *pipeline;         /* GstPipeline, owned */
  gboolean is_sender;
  /* appsink "sink", or "sink_l", "sink_m", "sink_h", or the one appsrc "source"; in the pipeline, which owns them */
  GstElement *ends[VS_MAX_LAYERS];
  guint n_ends;
  /* of a receiver */
  GstCaps *wanted;              /* what stands behind the appsrc takes */
  gboolean takes_rtp;
  gboolean takes_audio, takes_video;    /* both: it does not say */
} VsParsed;

/* NULL with @problem, of one line or, with a mark below the text, of three. Both to be freed. Elements of the text
 * are in NULL. */
VsParsed *vs_parse (const gchar * text, gchar ** problem);
void vs_parsed_free (VsParsed * parsed);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsParsed, vs_parsed_free)

/* Where in @text the fault is that gst_parse_launch() tells by @error, in bytes from its start; -1 if that cannot be
 * told. */
gssize vs_parse_find_fault (const gchar * text, const GError * error);

G_END_DECLS
