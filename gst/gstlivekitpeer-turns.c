/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitpeer-turns: what webrtcbin is told, one thing after the other. While it works it holds the lock that nearly
 * all of its signals and properties take: in a crowd, on a busy machine, for half a second. So that the room loop never
 * waits for that lock, what comes meanwhile waits here until webrtcbin has answered. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitpeer-private.h"

typedef struct
{
  GstLiveKitPeerFunc func;
  gpointer data;
  GDestroyNotify free_data;
} Turn;

static void
turn_free (gpointer data)
{
  Turn *turn = data;

  if (turn->free_data)
    turn->free_data (turn->data);
  g_free (turn);
}

static void
run_turns_in_loop (GstLiveKitPeer * peer)
{
  Turn *turn;

  while (!peer->is_busy && (turn = g_queue_pop_head (&peer->turns))) {
    turn->func (peer, turn->data);
    turn_free (turn);
  }
}

void
gst_livekit_peer_take_turn_in_loop (GstLiveKitPeer * peer, GstLiveKitPeerFunc func, gpointer data,
    GDestroyNotify free_data)
{
  Turn *turn;

  lk_loop_assert_current (peer->loop);
  if (peer->is_closed) {
    if (free_data)
      free_data (data);
    return;
  }
  turn = g_new (Turn, 1);
  *turn = (Turn) {
  func, data, free_data};
  g_queue_push_tail (&peer->turns, turn);
  run_turns_in_loop (peer);
}

void
gst_livekit_peer_begin_operation_in_loop (GstLiveKitPeer * peer)
{
  lk_loop_assert_current (peer->loop);
  peer->is_busy = TRUE;
}

static void
operation_ended_in_loop (GstLiveKitPeer * peer, gpointer unused)
{
  peer->is_busy = FALSE;
  run_turns_in_loop (peer);
}

void
gst_livekit_peer_end_operation (GstLiveKitPeer * peer)
{
  gst_livekit_peer_post (peer, operation_ended_in_loop, NULL, NULL);
}

void
gst_livekit_peer_drop_turns_in_loop (GstLiveKitPeer * peer)
{
  g_queue_clear_full (&peer->turns, turn_free);
}
