/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitav1obu: reads AV1's open bitstream units (OBUs): headers, sequence header, temporal unit. Pure. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* obu_type, AV1 specification §6.2.2 */
typedef enum
{
  GST_LIVEKIT_AV1_OBU_SEQUENCE_HEADER = 1,
  GST_LIVEKIT_AV1_OBU_TEMPORAL_DELIMITER = 2,
  GST_LIVEKIT_AV1_OBU_FRAME_HEADER = 3,
  GST_LIVEKIT_AV1_OBU_TILE_GROUP = 4,
  GST_LIVEKIT_AV1_OBU_METADATA = 5,
  GST_LIVEKIT_AV1_OBU_FRAME = 6,
  GST_LIVEKIT_AV1_OBU_REDUNDANT_FRAME_HEADER = 7,
  GST_LIVEKIT_AV1_OBU_TILE_LIST = 8,
  GST_LIVEKIT_AV1_OBU_PADDING = 15,
} GstLiveKitAv1ObuType;

typedef struct
{
  GstLiveKitAv1ObuType type;
  guint8 header[2];             /* as it was, but obu_has_size_field is 0 */
  guint header_size;            /* 2 with an extension, else 1 */
  gboolean has_extension;
  guint temporal_id, spatial_id;        /* 0 without an extension */
  gsize payload_offset, payload_size;   /* in the data it was read from */
} GstLiveKitAv1Obu;

#define GST_LIVEKIT_AV1_MAX_OPERATING_POINTS 32

typedef struct
{
  guint profile;
  gboolean is_reduced_still_picture;
  guint n_operating_points;
  guint16 operating_point_idc[GST_LIVEKIT_AV1_MAX_OPERATING_POINTS];    /* bit t: temporal layer t, bit 8+s: spatial */
  guint8 level_idx[GST_LIVEKIT_AV1_MAX_OPERATING_POINTS];
  guint8 tier[GST_LIVEKIT_AV1_MAX_OPERATING_POINTS];
  guint n_temporal_layers, n_spatial_layers;    /* of all operating points; 1 where none says more */
  guint max_width, max_height;
} GstLiveKitAv1Sequence;

typedef struct
{
  gboolean has_sequence;
  GstLiveKitAv1Sequence sequence;       /* the last one; valid if has_sequence */
  guint n_frames;               /* headers of frames, shown again ones included */
  gboolean has_key_frame;       /* the first frame is a key frame that is shown at once */
  gboolean starts_sequence;     /* that, behind a sequence header: decoding may start here (§7.5) */
  guint temporal_id;            /* of the first frame */
  guint max_spatial_id;         /* of all frames */
} GstLiveKitAv1UnitInfo;

#define GST_LIVEKIT_AV1_MAX_LEB128_SIZE 8

/* FALSE if it is cut off, longer than eight bytes or above 32 bits (§4.10.5). */
gboolean gst_livekit_av1_read_leb128 (const guint8 * data, gsize size, gsize * value, gsize * n_read);
gsize gst_livekit_av1_leb128_size (gsize value);
gsize gst_livekit_av1_write_leb128 (guint8 * out, gsize value);

/* The OBU at *@offset, which moves behind it. One without a size reaches up to the end. FALSE: no OBU. */
gboolean gst_livekit_av1_read_obu (const guint8 * data, gsize size, gsize * offset, GstLiveKitAv1Obu * obu);
/* @data: the payload of a sequence header OBU. */
gboolean gst_livekit_av1_read_sequence (const guint8 * data, gsize size, GstLiveKitAv1Sequence * sequence);
/* @data: a temporal unit, or a part of one, in the low-overhead format. FALSE: it is none. */
gboolean gst_livekit_av1_read_unit (const guint8 * data, gsize size, GstLiveKitAv1UnitInfo * info);
/* One that starts a frame: what comes in front of it up to the frame before belongs to it. */
gboolean gst_livekit_av1_obu_starts_frame (const GstLiveKitAv1Obu * obu);

G_END_DECLS
