/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitsession-bandwidth: shares out what the link carries among a session's layers, and tells of it. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitsession-private.h"

#include "gstlivekitelements.h"

#define GST_CAT_DEFAULT gst_livekit_debug

#define MESSAGE_US G_TIME_SPAN_SECOND
/* A message is worth it when the estimate has changed by so much. */
#define MESSAGE_PERCENT 5

typedef struct
{
  GstLiveKitLayer *layers[LK_ALLOCATOR_MAX_LAYERS];
  LkAllocatorLayer described[LK_ALLOCATOR_MAX_LAYERS];
  guint n;
} Senders;

/* What wants to be sent: published, watched, not muted. What does not, takes nothing. */
static void
collect_track (GstLiveKitLocalTrack * track, gboolean is_limited, Senders * senders)
{
  GstLiveKitLayer *layers[GST_LIVEKIT_MAX_LAYERS];
  guint nominal[GST_LIVEKIT_MAX_LAYERS];
  guint n = gst_livekit_local_track_get_senders (track, layers, nominal);

  for (guint i = 0; i < n && senders->n < LK_ALLOCATOR_MAX_LAYERS; i++) {
    LkAllocatorLayer *described = &senders->described[senders->n];

    /* Not its place among the tracks, which changes when another one goes. */
    described->track = g_str_hash (gst_livekit_local_track_get_cid (track));
    gst_livekit_share_describe_in_loop (gst_livekit_layer_get_share (layers[i]), i, n, nominal[i], is_limited,
        described);
    senders->layers[senders->n++] = layers[i];
  }
}

static void
collect_senders (GstLiveKitSession * session, gboolean is_limited, Senders * senders)
{
  senders->n = 0;
  for (guint i = 0; i < session->local_tracks->len; i++)
    collect_track (g_ptr_array_index (session->local_tracks, i), is_limited, senders);
}

/* The target is for video alone: the server reports nothing else, so that what arrives is what audio has left. */
static void
share_out (GstLiveKitSession * session, GstLiveKitLink * link, const GstLiveKitLinkStatus * status)
{
  gboolean is_limited = status->is_known && status->up.is_limited;
  LkAllocatorInput input = {
    .target_bps = is_limited ? status->up.target_bps : G_MAXINT32,.is_congested = is_limited && status->up.is_congested,
    .steady_bps = status->up.steady_bps,.rtx_bps = status->rtx_bps,
  };
  LkAllocation allocation;
  Senders senders;

  collect_senders (session, is_limited, &senders);
  lk_allocator_set_layers (session->allocator, senders.described, senders.n);
  lk_allocator_share (session->allocator, &input, g_get_monotonic_time (), &allocation);
  /* Losses without a queue are the path's own: there retransmissions are what helps. */
  if (!is_limited || status->up.reason == LK_BANDWIDTH_LOSS)
    allocation.rtx_bps = status->up.target_bps / 10;
  gst_livekit_link_set_allocation (link, &allocation);
  for (guint i = 0; i < senders.n; i++)
    gst_livekit_layer_set_share_in_loop (senders.layers[i], &allocation.layers[i], is_limited);
}

static const gchar *
limited_by (const LkBandwidthStatus * status)
{
  return status->is_limited ? lk_bandwidth_reason_name (status->reason) : "nothing";
}

static GstStructure *
describe (const gchar * name, const gchar * direction, const LkBandwidthStatus * status, guint audio_bps,
    guint sent_bps, guint received_bps)
{
  return gst_structure_new (name, "direction", G_TYPE_STRING, direction, "estimate", G_TYPE_UINT,
      status->target_bps + audio_bps, "sent", G_TYPE_UINT, sent_bps, "received", G_TYPE_UINT, received_bps,
      "queue-ms", G_TYPE_UINT, (guint) (status->queue_us / 1000), "loss", G_TYPE_DOUBLE, status->loss,
      "limited-by", G_TYPE_STRING, limited_by (status), NULL);
}

static void
tell (GstLiveKitSession * session, GstLiveKitBandwidthTold * told, const LkBandwidthStatus * status,
    GstStructure * message)
{
  const gchar *reason = limited_by (status);
  guint64 change = MAX (told->estimate_bps, status->target_bps) - MIN (told->estimate_bps, status->target_bps);
  gint64 now_us = g_get_monotonic_time ();

  if (now_us - told->told_us < MESSAGE_US
      || (told->limited_by == reason && change * 100 < (guint64) told->estimate_bps * MESSAGE_PERCENT)) {
    gst_structure_free (message);
    return;
  }
  *told = (GstLiveKitBandwidthTold) {
  now_us, status->target_bps, reason};
  gst_livekit_session_tell (session, message);
}

static GstStructure *
describe_up (const gchar * name, const GstLiveKitLinkStatus * status)
{
  return describe (name, "sending", &status->up, status->audio_bps, status->up.sent_bps + status->audio_bps, 0);
}

static GstStructure *
describe_down (const gchar * name, const GstLiveKitLinkStatus * status)
{
  return describe (name, "receiving", &status->down, 0, 0, status->down.acked_bps);
}

void
gst_livekit_session_tick_bandwidth_in_loop (GstLiveKitSession * session)
{
  GstLiveKitLinkStatus *up = &session->up_status, *down = &session->down_status;

  if (session->publisher == NULL || !gst_livekit_session_is_transport_up (session))
    return;
  gst_livekit_link_tick (gst_livekit_peer_get_link (session->publisher), up);
  share_out (session, gst_livekit_peer_get_link (session->publisher), up);
  *down = *up;
  if (session->subscriber != session->publisher)
    gst_livekit_link_tick (gst_livekit_peer_get_link (session->subscriber), down);
  GST_LOG_OBJECT (session->element, "at=%" G_GINT64_FORMAT " up target=%u sent=%u acked=%u padding=%u queue-us=%"
      G_GINT64_FORMAT " loss=%.3f pacer-us=%u %s%s; down %u acked=%u queue-us=%" G_GINT64_FORMAT " loss=%.3f %s%s",
      g_get_monotonic_time (), up->up.target_bps,
      up->up.sent_bps, up->up.acked_bps, up->up.padding_bps, up->up.queue_us, up->up.loss, up->pacer_us,
      limited_by (&up->up), up->up.is_congested ? "!" : "", down->down.target_bps, down->down.acked_bps,
      down->down.queue_us, down->down.loss, limited_by (&down->down), down->down.is_congested ? "!" : "");
  if (up->is_known)
    tell (session, &session->up_told, &up->up, describe_up ("livekit-bandwidth", up));
  if (down->is_receiving)
    tell (session, &session->down_told, &down->down, describe_down ("livekit-bandwidth", down));
}

void
gst_livekit_session_tell_bandwidth_again_in_loop (GstLiveKitSession * session)
{
  session->up_told.limited_by = session->down_told.limited_by = NULL;
}

void
gst_livekit_session_add_bandwidth_stats (GstLiveKitSession * session, GstStructure * stats)
{
  const GstLiveKitLinkStatus *up = &session->up_status, *down = &session->down_status;
  g_autoptr (GstStructure) sending = describe_up ("bandwidth", up), receiving = describe_down ("bandwidth", down);

  if (up->is_known) {
    gst_structure_set (sending, "pacer-ms", G_TYPE_UINT, up->pacer_us / 1000, "rtx", G_TYPE_UINT, up->rtx_bps,
        "rtx-refused", G_TYPE_UINT64, up->n_rtx_refused, "padding-packets", G_TYPE_UINT64, up->n_padding, NULL);
    gst_structure_set (stats, "sending", GST_TYPE_STRUCTURE, sending, NULL);
  }
  if (down->is_receiving) {
    gst_structure_set (receiving, "nacks-refused", G_TYPE_UINT64, down->n_nacks_refused, NULL);
    gst_structure_set (stats, "receiving", GST_TYPE_STRUCTURE, receiving, NULL);
  }
}
