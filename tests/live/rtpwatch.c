/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rtpwatch.h"

#include <gst/rtp/rtp.h>

/* gstlivekitcodec.h's ids. */
enum
{ MID = 1, RID, REPAIRED_RID, N_IDS };

typedef struct
{
  guint n_packets, n_ids[N_IDS];
} Count;

static GMutex lock;
static Count counts[128];       /* by payload type; with lock */

static gboolean
count_packet (GstBuffer ** buffer, guint index, gpointer unused)
{
  GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
  gpointer data;
  guint size;

  if (!gst_rtp_buffer_map (*buffer, GST_MAP_READ, &rtp))
    return TRUE;
  g_mutex_lock (&lock);
  counts[gst_rtp_buffer_get_payload_type (&rtp)].n_packets++;
  for (guint id = MID; id < N_IDS; id++)
    counts[gst_rtp_buffer_get_payload_type (&rtp)].n_ids[id] +=
        gst_rtp_buffer_get_extension_onebyte_header (&rtp, (guint8) id, 0, &data, &size);
  g_mutex_unlock (&lock);
  gst_rtp_buffer_unmap (&rtp);
  return TRUE;
}

static GstPadProbeReturn
on_packet (GstPad * pad, GstPadProbeInfo * info, gpointer unused)
{
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);

  if (GST_PAD_PROBE_INFO_TYPE (info) & GST_PAD_PROBE_TYPE_BUFFER_LIST)
    gst_buffer_list_foreach (GST_PAD_PROBE_INFO_BUFFER_LIST (info), count_packet, NULL);
  else
    count_packet (&buffer, 0, NULL);
  return GST_PAD_PROBE_OK;
}

static void
on_pad_added (GstElement * srtpenc, GstPad * pad, gpointer unused)
{
  if (g_str_has_prefix (GST_PAD_NAME (pad), "rtp_sink"))
    gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST, on_packet, NULL, NULL);
}

static void
on_element_added (GstBin * pipeline, GstBin * parent, GstElement * element, gpointer unused)
{
  GstElementFactory *factory = gst_element_get_factory (element);

  if (factory == NULL || !g_str_equal (GST_OBJECT_NAME (factory), "srtpenc"))
    return;
  g_signal_connect (element, "pad-added", G_CALLBACK (on_pad_added), NULL);
  GST_OBJECT_LOCK (element);
  for (GList * item = element->sinkpads; item; item = item->next)
    on_pad_added (element, item->data, NULL);
  GST_OBJECT_UNLOCK (element);
}

void
rtp_watch_install (GstBin * pipeline)
{
  g_signal_connect (pipeline, "deep-element-added", G_CALLBACK (on_element_added), NULL);
}

GList *
rtp_watch_read (void)
{
  GList *list = NULL;

  g_mutex_lock (&lock);
  for (guint pt = 0; pt < G_N_ELEMENTS (counts); pt++) {
    if (counts[pt].n_packets)
      list = g_list_prepend (list, gst_structure_new ("rtp", "payload-type", G_TYPE_UINT, pt,
              "packets", G_TYPE_UINT, counts[pt].n_packets, "mid", G_TYPE_UINT, counts[pt].n_ids[MID],
              "rid", G_TYPE_UINT, counts[pt].n_ids[RID], "repaired-rid", G_TYPE_UINT, counts[pt].n_ids[REPAIRED_RID],
              NULL));
  }
  g_mutex_unlock (&lock);
  return list;
}

/* --- losing --- */

/* What comes in is no list. By sequence number, so that it does not help to send it again. */
static GstPadProbeReturn
lose_some (GstPad * pad, GstPadProbeInfo * info, gpointer nth)
{
  guint8 header[4];

  if (gst_buffer_extract (GST_PAD_PROBE_INFO_BUFFER (info), 0, header, sizeof header) != sizeof header)
    return GST_PAD_PROBE_OK;
  if ((header[1] & 0x7f) != 111 && (header[1] & 0x7f) != 63)
    return GST_PAD_PROBE_OK;
  return GST_READ_UINT16_BE (header + 2) % GPOINTER_TO_UINT (nth) == 0 ? GST_PAD_PROBE_DROP : GST_PAD_PROBE_OK;
}

static void
on_element_added_to_lose (GstBin * pipeline, GstBin * parent, GstElement * element, gpointer nth)
{
  GstElementFactory *factory = gst_element_get_factory (element);
  g_autoptr (GstPad) pad = NULL;

  if (factory == NULL || !g_str_equal (GST_OBJECT_NAME (factory), "srtpdec"))
    return;
  pad = gst_element_get_static_pad (element, "rtp_sink");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, lose_some, nth, NULL);
}

void
rtp_watch_lose (GstBin * pipeline, guint nth)
{
  g_signal_connect (pipeline, "deep-element-added", G_CALLBACK (on_element_added_to_lose), GUINT_TO_POINTER (nth));
}
