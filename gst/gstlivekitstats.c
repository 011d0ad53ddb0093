/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitstats: one structure of what a session can tell about itself. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitsession-private.h"

static guint64
ms_since_start (GstLiveKitSession * session, gint64 time_us)
{
  return time_us > session->started_us ? (time_us - session->started_us) / 1000 : 0;
}

static void
append_structure (GValue * list, GstStructure * structure)
{
  GValue item = G_VALUE_INIT;

  g_value_init (&item, GST_TYPE_STRUCTURE);
  g_value_take_boxed (&item, structure);
  gst_value_list_append_and_take_value (list, &item);
}

static GstStructure *
layer_stats (GstLiveKitLocalTrack * track, GstLiveKitLayer * layer)
{
  GstLiveKitLayerCounters counters;

  gst_livekit_layer_get_counters (layer, &counters);
  return gst_structure_new ("published-track", "pad", G_TYPE_STRING, gst_livekit_layer_get_pad_name (layer),
      "sid", G_TYPE_STRING, gst_livekit_local_track_get_sid (track), "ssrc", G_TYPE_UINT, counters.ssrc,
      "width", G_TYPE_UINT, counters.width, "height", G_TYPE_UINT, counters.height,
      "active", G_TYPE_BOOLEAN, counters.is_active, "frames-sent", G_TYPE_UINT64, counters.n_frames,
      "bytes-sent", G_TYPE_UINT64, counters.n_bytes, "frames-dropped", G_TYPE_UINT64, counters.n_dropped,
      "key-frames-sent", G_TYPE_UINT64, counters.n_key_frames,
      "key-frames-requested", G_TYPE_UINT64, counters.n_key_frame_requests,
      "latency-us", G_TYPE_UINT, counters.latency_us, NULL);
}

static void
add_local_tracks (GstLiveKitSession * session, GstStructure * stats)
{
  GValue list = G_VALUE_INIT;

  g_value_init (&list, GST_TYPE_LIST);
  for (guint i = 0; i < session->local_tracks->len; i++) {
    GstLiveKitLocalTrack *track = g_ptr_array_index (session->local_tracks, i);

    for (guint l = 0; l < gst_livekit_local_track_get_n_layers (track); l++)
      append_structure (&list, layer_stats (track, gst_livekit_local_track_get_layer (track, l)));
  }
  gst_structure_take_value (stats, "published", &list);
}

static void
add_remote_tracks (GstLiveKitSession * session, GstStructure * stats)
{
  GValue list = G_VALUE_INIT;
  GHashTableIter iter;
  gpointer track;

  g_value_init (&list, GST_TYPE_LIST);
  g_hash_table_iter_init (&iter, session->remote_tracks);
  while (g_hash_table_iter_next (&iter, NULL, &track)) {
    const LkPublication *publication = gst_livekit_remote_track_get_publication (track);
    GstLiveKitRemoteTrackCounters counters;

    gst_livekit_remote_track_get_counters (track, &counters);
    append_structure (&list, gst_structure_new ("subscribed-track", "sid", G_TYPE_STRING, publication->sid,
            "identity", G_TYPE_STRING, publication->participant_identity, "name", G_TYPE_STRING, publication->name,
            "frames-received", G_TYPE_UINT64, counters.n_frames, "bytes-received", G_TYPE_UINT64, counters.n_bytes,
            "frames-dropped", G_TYPE_UINT64, counters.n_dropped, "key-frames-received", G_TYPE_UINT64,
            counters.n_key_frames, "key-frames-requested", G_TYPE_UINT64, counters.n_key_frame_requests,
            "gaps", G_TYPE_UINT64, counters.n_gaps, "packets-recovered", G_TYPE_UINT64, counters.n_recovered,
            "held-back-ms", G_TYPE_INT, counters.held_back_ms, NULL));
  }
  gst_structure_take_value (stats, "subscribed", &list);
}

static void
publish_snapshot (GstLiveKitSession * session, const GstStructure * webrtc)
{
  GstStructure *stats = gst_structure_new ("livekit-stats",
      "joins", G_TYPE_UINT, session->n_joins,
      "resumes", G_TYPE_UINT, lk_room_get_n_reconnects (session->room, FALSE),
      "rejoins", G_TYPE_UINT, lk_room_get_n_reconnects (session->room, TRUE),
      "signal-rtt-ms", G_TYPE_UINT, lk_room_get_rtt_ms (session->room),
      "loop-longest-us", G_TYPE_UINT, lk_loop_get_longest_us (session->loop),
      "loop-longest-cpu-us", G_TYPE_UINT, lk_loop_get_longest_cpu_us (session->loop),
      "loop-longest-held-us", G_TYPE_UINT, lk_loop_get_longest_held_us (session->loop),
      "join-ms", G_TYPE_UINT64, ms_since_start (session, session->joined_us),
      "connected-ms", G_TYPE_UINT64, ms_since_start (session, session->connected_us),
      "first-media-ms", G_TYPE_UINT64, ms_since_start (session, session->first_media_us),
      "single-peer-connection", G_TYPE_BOOLEAN, session->is_single_peer, NULL);

  add_local_tracks (session, stats);
  add_remote_tracks (session, stats);
  gst_livekit_session_add_bandwidth_stats (session, stats);
  if (webrtc)
    gst_structure_set (stats, "webrtc", GST_TYPE_STRUCTURE, webrtc, NULL);
  GST_OBJECT_LOCK (session->core);
  if (session->stats)
    gst_structure_free (session->stats);
  session->stats = stats;
  GST_OBJECT_UNLOCK (session->core);
}

static void
on_peer_stats (GstLiveKitPeer * peer, const GstStructure * stats, gpointer data)
{
  publish_snapshot (data, stats);
}

void
gst_livekit_session_update_stats_in_loop (GstLiveKitSession * session)
{
  if (session->publisher)
    gst_livekit_peer_fetch_stats_in_loop (session->publisher, on_peer_stats, session);
  else
    publish_snapshot (session, NULL);
}

GstStructure *
gst_livekit_session_get_stats (GstLiveKitSession * session)
{
  GstStructure *stats;

  GST_OBJECT_LOCK (session->core);
  stats = session->stats ? gst_structure_copy (session->stats) : gst_structure_new_empty ("livekit-stats");
  GST_OBJECT_UNLOCK (session->core);
  return stats;
}
