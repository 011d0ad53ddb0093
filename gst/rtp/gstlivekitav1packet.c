/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitav1packet: temporal units to RTP payloads and back. §: of "RTP Payload Format For AV1 (v1.0)". */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitav1packet.h"

#include <string.h>

/* W has two bits. With more elements each has a length. */
#define MAX_COUNTED_ELEMENTS 3

/* A smaller piece of an OBU is not worth the rest of a packet; it also keeps OBU headers in one piece. */
#define MIN_FRAGMENT_SIZE 4

typedef struct
{
  guint obu;
  gsize offset, size;           /* in the OBU as it is sent: header, then payload */
} Element;

struct _GstLiveKitAv1Plan
{
  const guint8 *unit;
  GstLiveKitAv1UnitInfo info;
  GArray *obus;                 /* GstLiveKitAv1Obu, those that are sent */
  GArray *elements;             /* Element */
  GArray *packets;              /* GstLiveKitAv1Packet */
};

GstLiveKitAv1Plan *
gst_livekit_av1_plan_new (void)
{
  GstLiveKitAv1Plan *plan = g_new0 (GstLiveKitAv1Plan, 1);

  plan->obus = g_array_new (FALSE, TRUE, sizeof (GstLiveKitAv1Obu));
  plan->elements = g_array_new (FALSE, TRUE, sizeof (Element));
  plan->packets = g_array_new (FALSE, TRUE, sizeof (GstLiveKitAv1Packet));
  return plan;
}

void
gst_livekit_av1_plan_free (GstLiveKitAv1Plan * plan)
{
  g_array_unref (plan->obus);
  g_array_unref (plan->elements);
  g_array_unref (plan->packets);
  g_free (plan);
}

static GstLiveKitAv1Obu *
get_obu (GstLiveKitAv1Plan * plan, guint index)
{
  return &g_array_index (plan->obus, GstLiveKitAv1Obu, index);
}

static Element *
get_element (GstLiveKitAv1Plan * plan, guint index)
{
  return &g_array_index (plan->elements, Element, index);
}

static gsize
sent_size (const GstLiveKitAv1Obu * obu)
{
  return obu->header_size + obu->payload_size;
}

/* §5: neither delimiters nor tile lists are sent. */
static gboolean
read_obus (GstLiveKitAv1Plan * plan, const guint8 * unit, gsize size)
{
  GstLiveKitAv1Obu obu;
  gsize offset = 0;

  while (offset < size) {
    if (!gst_livekit_av1_read_obu (unit, size, &offset, &obu))
      return FALSE;
    if (obu.type != GST_LIVEKIT_AV1_OBU_TEMPORAL_DELIMITER && obu.type != GST_LIVEKIT_AV1_OBU_TILE_LIST)
      g_array_append_val (plan->obus, obu);
  }
  return TRUE;
}

/* Where the frame of the OBU at @start ends: in front of the next frame and the headers and metadata of that. */
static guint
find_frame_end (GstLiveKitAv1Plan * plan, guint start, GstLiveKitAv1Packet * like)
{
  gboolean has_frame = FALSE;
  guint end = 0;

  for (guint i = start; i < plan->obus->len; i++) {
    const GstLiveKitAv1Obu *obu = get_obu (plan, i);
    gboolean is_head = gst_livekit_av1_obu_starts_frame (obu);

    if (is_head && has_frame)
      return end > 0 ? end : i;
    if (is_head) {
      has_frame = TRUE;
      like->temporal_id = obu->temporal_id;
      like->spatial_id = obu->spatial_id;
    } else if (obu->type == GST_LIVEKIT_AV1_OBU_TILE_GROUP) {
      end = 0;
    } else if (has_frame && end == 0 && (obu->type == GST_LIVEKIT_AV1_OBU_SEQUENCE_HEADER
            || obu->type == GST_LIVEKIT_AV1_OBU_METADATA)) {
      end = i;
    }
  }
  return plan->obus->len;
}

/* What the elements of a packet take if all have a length: what a further one finds. */
static gsize
closed_size (GstLiveKitAv1Plan * plan, const GstLiveKitAv1Packet * packet)
{
  gsize size = 1;

  for (guint i = 0; i < packet->n_elements; i++) {
    const Element *element = get_element (plan, packet->first_element + i);

    size += gst_livekit_av1_leb128_size (element->size) + element->size;
  }
  return size;
}

/* How many of @wanted bytes a further element may have. */
static gsize
find_room (GstLiveKitAv1Plan * plan, const GstLiveKitAv1Packet * packet, gsize wanted, gsize max_size)
{
  gsize used = closed_size (plan, packet), room = used < max_size ? max_size - used : 0;

  if (packet->n_elements >= MAX_COUNTED_ELEMENTS && room > 0)
    room -= MIN (room, gst_livekit_av1_leb128_size (MIN (wanted, room)));
  return MIN (room, wanted);
}

/* §5: a packet has one layer, and what has no layer stands in front. */
static gboolean
may_follow (GstLiveKitAv1Plan * plan, const GstLiveKitAv1Packet * packet, const GstLiveKitAv1Obu * obu)
{
  const GstLiveKitAv1Obu *last;

  if (packet->n_elements == 0)
    return TRUE;
  if (obu->type == GST_LIVEKIT_AV1_OBU_SEQUENCE_HEADER)
    return FALSE;
  last = get_obu (plan, get_element (plan, packet->first_element + packet->n_elements - 1)->obu);
  if (!last->has_extension)
    return TRUE;
  return obu->has_extension && obu->temporal_id == last->temporal_id && obu->spatial_id == last->spatial_id;
}

static void
close_packet (GstLiveKitAv1Plan * plan, GstLiveKitAv1Packet * packet, gboolean is_continued)
{
  if (packet->n_elements == 0)
    return;
  if (packet->n_elements <= MAX_COUNTED_ELEMENTS)
    packet->aggregation_header |= packet->n_elements << GST_LIVEKIT_AV1_COUNT_SHIFT;
  if (is_continued)
    packet->aggregation_header |= GST_LIVEKIT_AV1_IS_CONTINUED;
  g_array_append_val (plan->packets, *packet);
  packet->aggregation_header = is_continued ? GST_LIVEKIT_AV1_CONTINUES : 0;
  packet->n_elements = 0;
  packet->first_element = plan->elements->len;
  packet->starts_frame = FALSE;
}

static void
plan_obu (GstLiveKitAv1Plan * plan, GstLiveKitAv1Packet * packet, guint index, gsize max_size)
{
  const GstLiveKitAv1Obu *obu = get_obu (plan, index);
  Element element = {.obu = index };

  if (!may_follow (plan, packet, obu))
    close_packet (plan, packet, FALSE);
  while (element.offset < sent_size (obu)) {
    gsize rest = sent_size (obu) - element.offset;

    element.size = find_room (plan, packet, rest, max_size);
    if (element.size < MIN (rest, MIN_FRAGMENT_SIZE)) {
      close_packet (plan, packet, FALSE);
      continue;
    }
    g_array_append_val (plan->elements, element);
    packet->n_elements++;
    element.offset += element.size;
    if (element.offset < sent_size (obu))
      close_packet (plan, packet, TRUE);
  }
}

static void
plan_frame (GstLiveKitAv1Plan * plan, guint start, guint end, const GstLiveKitAv1Packet * like, gsize max_size)
{
  GstLiveKitAv1Packet packet = *like;

  packet.first_element = plan->elements->len;
  packet.starts_frame = TRUE;
  for (guint i = start; i < end; i++)
    plan_obu (plan, &packet, i, max_size);
  close_packet (plan, &packet, FALSE);
  g_array_index (plan->packets, GstLiveKitAv1Packet, plan->packets->len - 1).ends_frame = TRUE;
}

gboolean
gst_livekit_av1_plan_make (GstLiveKitAv1Plan * plan, const guint8 * unit, gsize size, gsize max_size)
{
  GstLiveKitAv1Packet like = { 0 };
  guint end;

  g_return_val_if_fail (max_size >= GST_LIVEKIT_AV1_MIN_PAYLOAD_SIZE, FALSE);
  g_array_set_size (plan->obus, 0);
  g_array_set_size (plan->elements, 0);
  g_array_set_size (plan->packets, 0);
  plan->unit = unit;
  if (!gst_livekit_av1_read_unit (unit, size, &plan->info) || !read_obus (plan, unit, size))
    return FALSE;
  for (guint start = 0; start < plan->obus->len; start = end) {
    end = find_frame_end (plan, start, &like);
    plan_frame (plan, start, end, &like, max_size);
    like.frame++;
  }
  if (plan->info.starts_sequence)
    g_array_index (plan->packets, GstLiveKitAv1Packet, 0).aggregation_header |= GST_LIVEKIT_AV1_NEW_SEQUENCE;
  return TRUE;
}

const GstLiveKitAv1UnitInfo *
gst_livekit_av1_plan_get_info (GstLiveKitAv1Plan * plan)
{
  return &plan->info;
}

guint
gst_livekit_av1_plan_get_n_packets (GstLiveKitAv1Plan * plan)
{
  return plan->packets->len;
}

const GstLiveKitAv1Packet *
gst_livekit_av1_plan_get_packet (GstLiveKitAv1Plan * plan, guint index)
{
  return &g_array_index (plan->packets, GstLiveKitAv1Packet, index);
}

/* Counts where @out is NULL. */
static void
put (guint8 * out, gsize * position, const guint8 * bytes, gsize size)
{
  if (out && size > 0)
    memcpy (out + *position, bytes, size);
  *position += size;
}

/* What of an element is the OBU's header is written, and where the rest lies is told. */
static void
put_element_header (GstLiveKitAv1Plan * plan, const Element * element, guint8 * out, gsize * position,
    gsize * rest_offset, gsize * rest_size)
{
  const GstLiveKitAv1Obu *obu = get_obu (plan, element->obu);
  gsize n_header = 0, payload_start = 0;

  if (element->offset < obu->header_size)
    n_header = MIN (obu->header_size - element->offset, element->size);
  else
    payload_start = element->offset - obu->header_size;
  put (out, position, obu->header + element->offset, n_header);
  *rest_offset = obu->payload_offset + payload_start;
  *rest_size = element->size - n_header;
}

gsize
gst_livekit_av1_plan_write_head (GstLiveKitAv1Plan * plan, guint index, guint8 * out, gsize * tail_offset,
    gsize * tail_size)
{
  const GstLiveKitAv1Packet *packet = gst_livekit_av1_plan_get_packet (plan, index);
  gsize position = 0;

  put (out, &position, &packet->aggregation_header, 1);
  for (guint i = 0; i < packet->n_elements; i++) {
    const Element *element = get_element (plan, packet->first_element + i);
    gboolean is_last = i == packet->n_elements - 1;
    guint8 length[GST_LIVEKIT_AV1_MAX_LEB128_SIZE];

    if (!is_last || packet->n_elements > MAX_COUNTED_ELEMENTS)
      put (out, &position, length, gst_livekit_av1_write_leb128 (length, element->size));
    put_element_header (plan, element, out, &position, tail_offset, tail_size);
    if (!is_last)
      put (out, &position, plan->unit + *tail_offset, *tail_size);
  }
  return position;
}

struct _GstLiveKitAv1Assembler
{
  gsize max_unit_size;
  GByteArray *unit;             /* complete OBUs with sizes, behind a temporal delimiter */
  GByteArray *fragment;         /* of an OBU that goes on in the next packet */
  gboolean has_fragment, is_broken, is_pending, follows_loss;
};

/* An empty temporal delimiter with a size */
static const guint8 delimiter[] = { 0x12, 0x00 };

GstLiveKitAv1Assembler *
gst_livekit_av1_assembler_new (gsize max_unit_size)
{
  GstLiveKitAv1Assembler *assembler = g_new0 (GstLiveKitAv1Assembler, 1);

  assembler->max_unit_size = max_unit_size;
  assembler->unit = g_byte_array_new ();
  assembler->fragment = g_byte_array_new ();
  return assembler;
}

void
gst_livekit_av1_assembler_free (GstLiveKitAv1Assembler * assembler)
{
  g_byte_array_unref (assembler->unit);
  g_byte_array_unref (assembler->fragment);
  g_free (assembler);
}

/* One OBU as it was sent. A size field of its own is allowed, and must then fit. */
static gboolean
add_obu (GstLiveKitAv1Assembler * assembler, const guint8 * data, gsize size)
{
  GstLiveKitAv1Obu obu;
  gsize offset = 0;
  guint8 length[GST_LIVEKIT_AV1_MAX_LEB128_SIZE];

  if (!gst_livekit_av1_read_obu (data, size, &offset, &obu))
    return FALSE;
  if (obu.type == GST_LIVEKIT_AV1_OBU_TEMPORAL_DELIMITER || obu.type == GST_LIVEKIT_AV1_OBU_TILE_LIST)
    return TRUE;
  if (assembler->unit->len == 0) {
    /* Packets in front of these were lost: did they belong to this unit? */
    if (assembler->follows_loss && (obu.type == GST_LIVEKIT_AV1_OBU_TILE_GROUP
            || obu.type == GST_LIVEKIT_AV1_OBU_REDUNDANT_FRAME_HEADER))
      return FALSE;
    g_byte_array_append (assembler->unit, delimiter, sizeof delimiter);
  }
  if (assembler->unit->len + size > assembler->max_unit_size)
    return FALSE;
  obu.header[0] |= 0x02;        /* obu_has_size_field */
  g_byte_array_append (assembler->unit, obu.header, obu.header_size);
  g_byte_array_append (assembler->unit, length, (guint) gst_livekit_av1_write_leb128 (length, obu.payload_size));
  g_byte_array_append (assembler->unit, data + obu.payload_offset, (guint) obu.payload_size);
  return TRUE;
}

static gboolean
add_element (GstLiveKitAv1Assembler * assembler, const guint8 * data, gsize size, gboolean continues,
    gboolean is_continued)
{
  gboolean ok;

  if (continues != assembler->has_fragment || size == 0)
    return FALSE;
  if (!continues && !is_continued)
    return add_obu (assembler, data, size);
  if (assembler->unit->len + assembler->fragment->len + size > assembler->max_unit_size)
    return FALSE;
  g_byte_array_append (assembler->fragment, data, (guint) size);
  assembler->has_fragment = is_continued;
  if (is_continued)
    return TRUE;
  ok = add_obu (assembler, assembler->fragment->data, assembler->fragment->len);
  g_byte_array_set_size (assembler->fragment, 0);
  return ok;
}

static gboolean
add_elements (GstLiveKitAv1Assembler * assembler, const guint8 * payload, gsize size)
{
  guint8 header = payload[0];
  guint count = (header & GST_LIVEKIT_AV1_COUNT_MASK) >> GST_LIVEKIT_AV1_COUNT_SHIFT, i = 0;
  gsize position = 1;

  while (position < size) {
    gsize element_size = size - position, n_read;
    gboolean is_first = i == 0, is_last;

    i++;
    if (i != count) {
      if (!gst_livekit_av1_read_leb128 (payload + position, size - position, &element_size, &n_read))
        return FALSE;
      position += n_read;
      if (element_size > size - position)
        return FALSE;
    }
    is_last = position + element_size == size;
    if (!add_element (assembler, payload + position, element_size, is_first && header & GST_LIVEKIT_AV1_CONTINUES,
            is_last && header & GST_LIVEKIT_AV1_IS_CONTINUED))
      return FALSE;
    position += element_size;
  }
  return i > 0 && (count == 0 || i == count);
}

/* A broken unit keeps no bytes. */
static void
break_unit (GstLiveKitAv1Assembler * assembler)
{
  assembler->is_broken = TRUE;
  assembler->has_fragment = FALSE;
  g_byte_array_set_size (assembler->unit, 0);
  g_byte_array_set_size (assembler->fragment, 0);
}

gboolean
gst_livekit_av1_assembler_add (GstLiveKitAv1Assembler * assembler, const guint8 * payload, gsize size)
{
  gboolean ok = size > 1 && !assembler->is_broken;

  /* §4.4: nothing goes on where a sequence starts */
  if (ok && payload[0] & GST_LIVEKIT_AV1_NEW_SEQUENCE)
    ok = !(payload[0] & GST_LIVEKIT_AV1_CONTINUES);
  assembler->is_pending = TRUE;
  if (ok && add_elements (assembler, payload, size))
    return TRUE;
  break_unit (assembler);
  return FALSE;
}

void
gst_livekit_av1_assembler_lose (GstLiveKitAv1Assembler * assembler)
{
  assembler->follows_loss = TRUE;
  if (assembler->is_pending)
    break_unit (assembler);
}

gboolean
gst_livekit_av1_assembler_is_pending (GstLiveKitAv1Assembler * assembler)
{
  return assembler->is_pending;
}

GBytes *
gst_livekit_av1_assembler_take (GstLiveKitAv1Assembler * assembler, GstLiveKitAv1UnitInfo * info)
{
  gboolean is_whole = assembler->is_pending && !assembler->is_broken && !assembler->has_fragment;
  GBytes *unit = NULL;

  is_whole = is_whole && gst_livekit_av1_read_unit (assembler->unit->data, assembler->unit->len, info)
      && info->n_frames > 0;
  if (is_whole)
    unit = g_byte_array_free_to_bytes (g_steal_pointer (&assembler->unit));
  else
    g_byte_array_set_size (assembler->unit, 0);
  if (assembler->unit == NULL)
    assembler->unit = g_byte_array_new ();
  g_byte_array_set_size (assembler->fragment, 0);
  assembler->has_fragment = assembler->is_broken = assembler->is_pending = assembler->follows_loss = FALSE;
  return unit;
}
