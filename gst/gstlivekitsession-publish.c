/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitsession-publish: which tracks a session sends, and what becomes of them. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitsession-private.h"

GstLiveKitLocalTrack *
gst_livekit_session_find_local (GstLiveKitSession * session, const gchar * cid, const gchar * sid)
{
  for (guint i = 0; i < session->local_tracks->len; i++) {
    GstLiveKitLocalTrack *track = g_ptr_array_index (session->local_tracks, i);

    if ((cid && g_strcmp0 (gst_livekit_local_track_get_cid (track), cid) == 0)
        || (sid && g_strcmp0 (gst_livekit_local_track_get_sid (track), sid) == 0))
      return track;
  }
  return NULL;
}

static GstLiveKitLocalTrack *
track_of (GstLiveKitSession * session, GstLiveKitLayer * layer)
{
  for (guint i = 0; i < session->local_tracks->len; i++) {
    if (gst_livekit_local_track_has_layer (g_ptr_array_index (session->local_tracks, i), layer))
      return g_ptr_array_index (session->local_tracks, i);
  }
  return NULL;
}

static void
get_layer_settings (GstLiveKitLayer * layer, GstLiveKitTrackSettings * settings, gpointer data)
{
  GstLiveKitSession *session = data;
  GstLiveKitSessionUser *user = &session->users[GST_LIVEKIT_ROLE_PUBLISHER];

  user->delegate.get_track_settings (session, layer, settings, user->data);
}

/* The track whose name the pad was given, or one of its own. */
static GstLiveKitLocalTrack *
group_layer (GstLiveKitSession * session, GstLiveKitLayer * layer)
{
  LkTrackKind kind = gst_livekit_layer_get_kind (layer);
  GstElement *publisher = GST_ELEMENT (session->users[GST_LIVEKIT_ROLE_PUBLISHER].bin);
  GstLiveKitTrackSettings settings = { NULL, };
  GstLiveKitLocalTrack *track = NULL;

  get_layer_settings (layer, &settings, session);
  for (guint i = 0; settings.group && track == NULL && i < session->local_tracks->len; i++) {
    if (gst_livekit_local_track_is_group (g_ptr_array_index (session->local_tracks, i), kind, settings.group))
      track = g_ptr_array_index (session->local_tracks, i);
  }
  if (track == NULL) {
    track = gst_livekit_local_track_new (session->loop, publisher, kind, settings.group, get_layer_settings, session);
    g_ptr_array_add (session->local_tracks, track);
  }
  gst_livekit_local_track_add_layer (track, layer);
  gst_livekit_track_settings_clear (&settings);
  return track;
}

static void
publish_waiting_in_loop (gpointer data)
{
  GstLiveKitSession *session = data;

  session->layer_timer = 0;
  gst_livekit_session_publish_all_in_loop (session);
}

/* What is not live begins when its element could first send. */
void
gst_livekit_session_note_start_in_loop (GstLiveKitSession * session)
{
  GstBin *publisher = session->users[GST_LIVEKIT_ROLE_PUBLISHER].bin;
  GstClockTime now;

  if (publisher == NULL || GST_CLOCK_TIME_IS_VALID (session->start_offset))
    return;
  now = gst_element_get_current_running_time (GST_ELEMENT (publisher));
  session->start_offset = GST_CLOCK_TIME_IS_VALID (now) ? now : 0;
}

static gboolean
publish (GstLiveKitSession * session, GstLiveKitLocalTrack * track)
{
  GstLiveKitPeer *peer = session->publisher;
  GstLiveKitPublishResult result;

  if (peer == NULL || !session->is_joined || session->is_stopping)
    return FALSE;
  result = gst_livekit_local_track_publish (track, session->room, peer);
  if (result == GST_LIVEKIT_PUBLISH_LATER && session->layer_timer == 0)
    session->layer_timer = lk_loop_post_after (session->loop, GST_LIVEKIT_LAYER_WAIT_MS + 1, publish_waiting_in_loop,
        session, NULL);
  gst_livekit_local_track_set_connected (track, gst_livekit_peer_is_connected (peer), session->start_offset);
  return result == GST_LIVEKIT_PUBLISH_OFFER;
}

void
gst_livekit_session_publish_all_in_loop (GstLiveKitSession * session)
{
  gboolean needs_offer = FALSE;

  /* All before the first is published, for a track waits for its layers. */
  for (guint i = 0; i < session->layers->len; i++) {
    if (track_of (session, g_ptr_array_index (session->layers, i)) == NULL)
      group_layer (session, g_ptr_array_index (session->layers, i));
  }
  for (guint i = 0; i < session->local_tracks->len; i++)
    needs_offer |= publish (session, g_ptr_array_index (session->local_tracks, i));
  if (needs_offer)
    gst_livekit_peer_negotiate_in_loop (session->publisher);
}

void
gst_livekit_session_unpublish_in_loop (GstLiveKitSession * session, GstLiveKitLocalTrack * track)
{
  if (gst_livekit_local_track_unpublish (track, session->room) && session->publisher)
    gst_livekit_peer_negotiate_in_loop (session->publisher);
}

void
gst_livekit_session_allow_all_in_loop (GstLiveKitSession * session)
{
  for (guint i = 0; i < session->local_tracks->len; i++) {
    GstLiveKitLocalTrack *track = g_ptr_array_index (session->local_tracks, i);

    if (!gst_livekit_local_track_set_forbidden (track, FALSE))
      continue;
    gst_livekit_session_tell_publisher (session, gst_structure_new ("livekit-track", "action", G_TYPE_STRING, "allowed",
            "pad", G_TYPE_STRING,
            gst_livekit_layer_get_pad_name (gst_livekit_local_track_get_layer (track, 0)), NULL));
  }
  gst_livekit_session_publish_all_in_loop (session);
}

/* The peer is about to go, so that nobody is told by an offer. */
void
gst_livekit_session_unpublish_all_in_loop (GstLiveKitSession * session)
{
  lk_loop_cancel (session->loop, &session->layer_timer);
  for (guint i = 0; i < session->local_tracks->len; i++) {
    gst_livekit_local_track_unpublish (g_ptr_array_index (session->local_tracks, i), session->room);
    gst_livekit_local_track_set_forbidden (g_ptr_array_index (session->local_tracks, i), FALSE);
  }
}

typedef struct
{
  GstLiveKitSession *session;
  GstLiveKitLayer *layer;
  gboolean flag;
  guint n_waits;
} LayerCall;

static void
layer_call_free (gpointer data)
{
  LayerCall *call = data;

  gst_livekit_layer_unref (call->layer);
  g_free (call);
}

static void
post_layer (GstLiveKitSession * session, GstLiveKitLayer * layer, gboolean flag, LkLoopFunc func)
{
  LayerCall *call = g_new (LayerCall, 1);

  *call = (LayerCall) {
  session, gst_livekit_layer_ref (layer), flag, 0};
  lk_loop_post (session->loop, func, call, layer_call_free);
}

static void
add_layer_in_loop (gpointer data)
{
  LayerCall *call = data;
  GstLiveKitSession *session = call->session;
  GstLiveKitLayerFormat format;

  gst_livekit_layer_set_ended_in_loop (call->layer, FALSE);
  if (g_ptr_array_find (session->layers, call->layer, NULL))
    return;
  g_ptr_array_add (session->layers, gst_livekit_layer_ref (call->layer));
  gst_livekit_layer_set_listed_in_loop (call->layer, TRUE);
  /* One without a format joins its track when it has one: its pad may be given a name until then. */
  if (gst_livekit_layer_get_format_in_loop (call->layer, &format))
    gst_livekit_session_format_known_in_loop (session, call->layer);
}

void
gst_livekit_session_add_layer (GstLiveKitSession * session, GstLiveKitLayer * layer)
{
  post_layer (session, layer, FALSE, add_layer_in_loop);
}

static void
remove_layer_in_loop (gpointer data)
{
  LayerCall *call = data;
  GstLiveKitSession *session = call->session;
  GstLiveKitLocalTrack *track = track_of (session, call->layer);

  if (track && gst_livekit_local_track_get_n_layers (track) == 1) {
    gst_livekit_session_unpublish_in_loop (session, track);
    g_ptr_array_remove (session->local_tracks, track);
  } else if (track) {
    gst_livekit_local_track_remove_layer (track, call->layer);
    /* It may have been the one that the others waited for. */
    if (publish (session, track))
      gst_livekit_peer_negotiate_in_loop (session->publisher);
  }
  gst_livekit_layer_set_listed_in_loop (call->layer, FALSE);
  g_ptr_array_remove (session->layers, call->layer);
}

void
gst_livekit_session_remove_layer (GstLiveKitSession * session, GstLiveKitLayer * layer)
{
  post_layer (session, layer, FALSE, remove_layer_in_loop);
}

/* Where the link is full, its last frames wait their turn. It may go on meanwhile. */
static void
end_layer_in_loop (gpointer data)
{
  LayerCall *call = data;
  GstLiveKitPeer *peer = call->session->publisher;
  LayerCall *again;

  if (call->n_waits == 0)
    gst_livekit_layer_set_ended_in_loop (call->layer, TRUE);
  else if (!gst_livekit_layer_is_ended_in_loop (call->layer))
    return;
  if (peer == NULL || call->n_waits == GST_LIVEKIT_DRAIN_STEPS || !gst_livekit_peer_is_sending_in_loop (peer)) {
    remove_layer_in_loop (call);
    return;
  }
  again = g_new (LayerCall, 1);
  *again = (LayerCall) {
  call->session, gst_livekit_layer_ref (call->layer), call->flag, call->n_waits + 1};
  lk_loop_post_after (call->session->loop, GST_LIVEKIT_DRAIN_STEP_MS, end_layer_in_loop, again, layer_call_free);
}

void
gst_livekit_session_end_layer (GstLiveKitSession * session, GstLiveKitLayer * layer)
{
  post_layer (session, layer, FALSE, end_layer_in_loop);
}

void
gst_livekit_session_format_known_in_loop (GstLiveKitSession * session, GstLiveKitLayer * layer)
{
  GstLiveKitLocalTrack *track;

  /* It has ended or been released since. */
  if (!g_ptr_array_find (session->layers, layer, NULL))
    return;
  track = track_of (session, layer);
  if (track && gst_livekit_local_track_is_published (track) && !gst_livekit_local_track_admit (track, layer))
    gst_livekit_session_unpublish_in_loop (session, track);
  gst_livekit_session_publish_all_in_loop (session);
}

void
gst_livekit_session_size_changed_in_loop (GstLiveKitSession * session, GstLiveKitLayer * layer)
{
  GstLiveKitLocalTrack *track = track_of (session, layer);

  if (track && gst_livekit_layer_is_attached_in_loop (layer))
    gst_livekit_local_track_tell_size (track, session->room);
  else
    gst_livekit_session_format_known_in_loop (session, layer);
}

/* The pads of one track are muted together. */
void
gst_livekit_session_tell_muted_in_loop (GstLiveKitSession * session, GstLiveKitLocalTrack * track, gboolean muted)
{
  GstLiveKitSessionUser *user = &session->users[GST_LIVEKIT_ROLE_PUBLISHER];

  for (guint i = 0; i < gst_livekit_local_track_get_n_layers (track); i++)
    user->delegate.track_muted (session, gst_livekit_local_track_get_layer (track, i), muted, user->data);
}

static void
set_muted_in_loop (gpointer data)
{
  LayerCall *call = data;
  GstLiveKitLocalTrack *track = track_of (call->session, call->layer);

  if (track == NULL)
    return;
  gst_livekit_local_track_set_muted (track, call->session->room, call->flag);
  gst_livekit_session_tell_muted_in_loop (call->session, track, call->flag);
}

void
gst_livekit_session_set_muted (GstLiveKitSession * session, GstLiveKitLayer * layer, gboolean muted)
{
  post_layer (session, layer, muted, set_muted_in_loop);
}

void
gst_livekit_session_drop_local_in_loop (GstLiveKitSession * session)
{
  gboolean needs_offer = FALSE;

  lk_loop_cancel (session->loop, &session->layer_timer);
  for (guint i = 0; i < session->local_tracks->len; i++)
    needs_offer |= gst_livekit_local_track_unpublish (g_ptr_array_index (session->local_tracks, i), session->room);
  if (needs_offer && session->publisher)
    gst_livekit_peer_negotiate_in_loop (session->publisher);
  for (guint i = 0; i < session->layers->len; i++)
    gst_livekit_layer_set_listed_in_loop (g_ptr_array_index (session->layers, i), FALSE);
  g_ptr_array_set_size (session->local_tracks, 0);
  g_ptr_array_set_size (session->layers, 0);
  session->start_offset = GST_CLOCK_TIME_NONE;
}

void
gst_livekit_session_connected_in_loop (GstLiveKitSession * session, gboolean is_connected)
{
  for (guint i = 0; i < session->local_tracks->len; i++)
    gst_livekit_local_track_set_connected (g_ptr_array_index (session->local_tracks, i), is_connected,
        session->start_offset);
}
