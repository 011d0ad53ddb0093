/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitav1packet: temporal units to RTP payloads and back, after "RTP Payload Format For AV1 (v1.0)". Pure. */
#pragma once

#include "gstlivekitav1obu.h"

G_BEGIN_DECLS

/* The aggregation header, §4.4 */
#define GST_LIVEKIT_AV1_CONTINUES 0x80  /* Z: the first element continues the packet before */
#define GST_LIVEKIT_AV1_IS_CONTINUED 0x40       /* Y: the last element goes on in the next packet */
#define GST_LIVEKIT_AV1_COUNT_SHIFT 4   /* W: number of elements, 0 = each has a length */
#define GST_LIVEKIT_AV1_COUNT_MASK 0x30
#define GST_LIVEKIT_AV1_NEW_SEQUENCE 0x08       /* N: first packet of a coded video sequence */

/* A plan for the packets of one temporal unit. It reads the unit's bytes until it is made again or cleared. */
typedef struct _GstLiveKitAv1Plan GstLiveKitAv1Plan;

typedef struct
{
  guint8 aggregation_header;
  guint n_elements;
  guint frame;                  /* which frame of the unit it belongs to */
  gboolean starts_frame, ends_frame;
  guint temporal_id, spatial_id;        /* of its frame */
  guint first_element;
} GstLiveKitAv1Packet;

/* The least size of a payload for which a plan can be made. */
#define GST_LIVEKIT_AV1_MIN_PAYLOAD_SIZE 8

GstLiveKitAv1Plan *gst_livekit_av1_plan_new (void);
void gst_livekit_av1_plan_free (GstLiveKitAv1Plan * plan);

/* Packets of at most @max_size bytes of payload, none with parts of two frames or layers. FALSE: not OBUs. */
gboolean gst_livekit_av1_plan_make (GstLiveKitAv1Plan * plan, const guint8 * unit, gsize size, gsize max_size);
const GstLiveKitAv1UnitInfo *gst_livekit_av1_plan_get_info (GstLiveKitAv1Plan * plan);
guint gst_livekit_av1_plan_get_n_packets (GstLiveKitAv1Plan * plan);
const GstLiveKitAv1Packet *gst_livekit_av1_plan_get_packet (GstLiveKitAv1Plan * plan, guint index);

/* A payload is what is written to @out (NULL: only counted; its size is returned), and then @tail_size bytes of the
 * unit from @tail_offset on, which need no copy. */
gsize gst_livekit_av1_plan_write_head (GstLiveKitAv1Plan * plan, guint index, guint8 * out, gsize * tail_offset,
    gsize * tail_size);

/* Makes temporal units of payloads. */
typedef struct _GstLiveKitAv1Assembler GstLiveKitAv1Assembler;

/* Not even lossless 8K makes so much in one unit. */
#define GST_LIVEKIT_AV1_MAX_UNIT_SIZE (32 * 1024 * 1024)

GstLiveKitAv1Assembler *gst_livekit_av1_assembler_new (gsize max_unit_size);
void gst_livekit_av1_assembler_free (GstLiveKitAv1Assembler * assembler);

/* FALSE: the payload is malformed or does not fit what came before. The unit is then broken; more of it changes
 * nothing. */
gboolean gst_livekit_av1_assembler_add (GstLiveKitAv1Assembler * assembler, const guint8 * payload, gsize size);
/* Something is missing in front of the next payload. */
void gst_livekit_av1_assembler_lose (GstLiveKitAv1Assembler * assembler);
/* Whether payloads came, good or bad, since the last take. */
gboolean gst_livekit_av1_assembler_is_pending (GstLiveKitAv1Assembler * assembler);
/* The unit, with a delimiter in front and sizes in all OBUs; NULL if it is broken or has no frame. Starts the next
 * one. */
GBytes *gst_livekit_av1_assembler_take (GstLiveKitAv1Assembler * assembler, GstLiveKitAv1UnitInfo * info);

G_END_DECLS
