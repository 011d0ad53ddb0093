/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitlink-private: what the files of a link share: gstlivekitlink.c has the queue, its thread and what others
 * ask for, -session.c what passes through webrtcbin's rtpsession. */
#pragma once

#include "gstlivekitlink.h"

#include "lkpacer.h"
#include "lkrate.h"
#include "lkremb.h"

G_BEGIN_DECLS

/* Of a packet as the link sees it, beside what is in the buffer here: SRTP tag, UDP, IP. */
#define GST_LIVEKIT_LINK_OUTER_BYTES 38
#define GST_LIVEKIT_LINK_RTX_BURST 20000
#define GST_LIVEKIT_LINK_N_RECENT 64

enum
{
  GST_LIVEKIT_LINK_OTHER,
  GST_LIVEKIT_LINK_AUDIO,
  GST_LIVEKIT_LINK_VIDEO,
  GST_LIVEKIT_LINK_RTX,
};

struct _GstLiveKitLink
{
  gatomicrefcount ref_count;

  /* constant after construction */
  guint8 types[128];            /* of payload types */
  void (*congested) (gpointer data);
  gpointer congested_data;
  GDestroyNotify destroy;

  /* atomic */
  gint abs_send_time_id, has_received;

  /* lock; never held while calling out */
  GMutex lock;
  GCond changed;
  GThread *thread;
  gboolean is_stopped;

  /* sending */
  LkBandwidth *bandwidth;
  LkPacer *pacer;
  GQueue queue;                 /* Item */
  gboolean is_pushing;          /* the thread has taken one out */
  gboolean is_known;            /* feedback has come */
  gboolean is_limited;          /* the path was full */
  gdouble rtx_bytes;            /* tokens */
  guint rtx_bps;
  gint64 rtx_us;
  LkRate audio, rtx;
  gboolean is_probing;
  guint padding_bps;
  gdouble padding_bytes;
  guint padding_due;            /* bytes of RTX that are our own padding */
  gint64 padding_us;
  struct
  {
    guint32 ssrc;
    guint16 seqnum;
    guint bytes;
    gint64 sent_us;
  } recent[GST_LIVEKIT_LINK_N_RECENT];
  guint next_recent, next_padding;
  guint64 n_rtx_refused, n_nacks_refused, n_padding;

  /* receiving */
  LkRemb *remb;                 /* NULL until something comes */
  gboolean rtcp_flows;
  gint64 remb_us;
  gboolean down_queued;
  guint down_bps;
  gdouble nacks;                /* tokens */
  gint64 nacks_us;

  GWeakRef rtpsession, rtxsend, rtcp_pad;

  /* room loop only */
  GstClockTime report_interval;
  gint64 received_us;
};

/* The thread has something to do; it is made when there is none. */
void gst_livekit_link_wake_locked (GstLiveKitLink * link);
/* What lkbandwidth knows now is what the queue goes by. */
void gst_livekit_link_update_pacer_locked (GstLiveKitLink * link, gint64 now_us);

G_END_DECLS
