/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitpeer-stats: webrtcbin's statistics. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitpeer-private.h"

typedef struct
{
  GstLiveKitPeerStatsFunc func;
  gpointer data;
  GstStructure *stats;
} StatsCall;

static void
stats_call_free (gpointer data)
{
  StatsCall *call = data;

  g_clear_pointer (&call->stats, gst_structure_free);
  g_free (call);
}

static void
stats_in_loop (GstLiveKitPeer * peer, gpointer result)
{
  StatsCall *call = result;

  peer->stats_are_due = FALSE;
  if (call->stats == NULL)
    return;
  call->func (peer, call->stats, call->data);
}

typedef struct
{
  GstLiveKitPeer *peer;
  GstLiveKitPeerStatsFunc func;
  gpointer data;
} StatsRequest;

static void
stats_request_free (gpointer data)
{
  StatsRequest *request = data;

  gst_livekit_peer_unref (request->peer);
  g_free (request);
}

static void
on_stats (GstPromise * promise, gpointer data)
{
  StatsRequest *request = data;
  const GstStructure *reply = gst_promise_get_reply (promise);
  StatsCall *call = g_new (StatsCall, 1);

  *call = (StatsCall) {
  request->func, request->data, reply ? gst_structure_copy (reply) : NULL};
  gst_livekit_peer_post (request->peer, stats_in_loop, call, stats_call_free);
  gst_livekit_peer_end_operation (request->peer);
}

static void
fetch_stats_in_turn (GstLiveKitPeer * peer, gpointer data)
{
  StatsRequest *request = g_memdup2 (data, sizeof (StatsRequest));
  GstPromise *promise = gst_promise_new_with_change_func (on_stats, request, stats_request_free);

  gst_livekit_peer_ref (peer);
  gst_livekit_peer_begin_operation_in_loop (peer);
  g_signal_emit_by_name (peer->webrtcbin, "get-stats", NULL, promise);
  gst_promise_unref (promise);
}

void
gst_livekit_peer_fetch_stats_in_loop (GstLiveKitPeer * peer, GstLiveKitPeerStatsFunc func, gpointer data)
{
  StatsRequest *request;

  if (peer->stats_are_due)
    return;
  peer->stats_are_due = TRUE;
  request = g_new (StatsRequest, 1);
  *request = (StatsRequest) {
  gst_livekit_peer_ref (peer), func, data};
  gst_livekit_peer_take_turn_in_loop (peer, fetch_stats_in_turn, request, stats_request_free);
}
