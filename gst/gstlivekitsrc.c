/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitsrc: tracks of a room to src pads. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

/**
 * SECTION:element-livekitsrc
 * @title: livekitsrc
 * @short_description: shows the tracks of a LiveKit room as pads
 *
 * livekitsrc joins a LiveKit room and shows the audio and video tracks of its participants as pads that come and go:
 * encoded, parsed, the first video frame a key frame. It comes back by itself when the connection is lost, and its pads
 * stay.
 *
 * ## Examples
 * |[
 * gst-launch-1.0 livekitsrc room=lab tracks='*<!-- -->/video' ! decodebin3 ! autovideosink
 * ]|
 * Shows a camera of the room "lab" of a development server on this machine.
 * |[
 * gst-launch-1.0 -e livekitsrc room=lab tracks=alice/camera ! h264parse ! video/x-h264,stream-format=avc3 ! mp4mux ! filesink location=alice.mp4
 * ]|
 * Records one participant's camera, as it is sent, until Ctrl-C.
 * |[
 * gst-play-1.0 livekit://127.0.0.1:7880/lab?tracks=alice
 * ]|
 * Plays one participant, in any player of GStreamer's: properties are given in the query.
 */

#include <gst/gst.h>
#include <gst/video/video.h>
#include "gstlivekitbin.h"
#include "gstlivekitcodec.h"
#include "gstlivekitelements.h"
#include "gstlivekitpads.h"
#include "gstlivekitenumtypes.h"
#include "gstlivekitpattern.h"
#include "gstlivekitstreams.h"
#include "gstlivekituri.h"
#include "lkerror.h"

#define GST_CAT_DEFAULT gst_livekit_debug

#define GST_TYPE_LIVEKIT_SRC (gst_livekit_src_get_type ())
G_DECLARE_FINAL_TYPE (GstLiveKitSrc, gst_livekit_src, GST, LIVEKIT_SRC, GstLiveKitBin)

#define DEFAULT_LATENCY_MS 100

enum
{
  PROP_0,
  PROP_TRACKS,
  PROP_AUTO_SUBSCRIBE,
  PROP_LATENCY,
  PROP_OUTPUT,
  PROP_VIDEO_QUALITY,
  PROP_ADD_REFERENCE_TIMESTAMP_META,
  N_PROPERTIES
};

static GParamSpec *properties[N_PROPERTIES];

struct _GstLiveKitSrc
{
  GstLiveKitBin parent;

  /* OBJECT_LOCK */
  gchar *tracks;
  gboolean auto_subscribe;
  guint latency_ms;
  GstLiveKitOutput output;
  GstLiveKitVideoQuality video_quality;
  gboolean adds_capture_time;
  GstLiveKitStreams *streams;
  guint group_id;
  gboolean is_running;
  GCond pad_removed;            /* with OBJECT_LOCK, as are the next two */
  GCond pad_shown;
  gboolean is_showing;          /* a pad is being added */

  /* room loop only */
  gchar *applied_tracks;
  GstLiveKitPatterns *patterns;
};

G_DEFINE_FINAL_TYPE_WITH_CODE (GstLiveKitSrc, gst_livekit_src, GST_TYPE_LIVEKIT_BIN,
    G_IMPLEMENT_INTERFACE (GST_TYPE_URI_HANDLER, gst_livekit_uri_handler_init)
    G_IMPLEMENT_INTERFACE (GST_TYPE_CHILD_PROXY, gst_livekit_pads_child_proxy_init));
/* The rank by which playbin3 finds it for its URIs. */
GST_ELEMENT_REGISTER_DEFINE_WITH_CODE (livekitsrc, "livekitsrc", GST_RANK_PRIMARY, GST_TYPE_LIVEKIT_SRC,
    gst_livekit_init_once ());

/* --- streams --- */

static void
tag_stream (GstLiveKitSrc * self, const LkPublication * publication)
{
  g_autoptr (GstTagList) tags = gst_livekit_stream_tags (publication);
  g_autoptr (GstStream) stream = NULL;
  GstLiveKitStreamSlot *slot;

  GST_OBJECT_LOCK (self);
  slot = gst_livekit_streams_find (self->streams, publication->sid);
  if (slot)
    stream = gst_object_ref (slot->stream);
  GST_OBJECT_UNLOCK (self);
  if (stream)
    gst_stream_set_tags (stream, tags);
}

/* --- choosing, on the room loop --- */

static gboolean
matches (GstLiveKitSrc * self, const LkPublication * publication)
{
  g_autofree gchar *tracks = NULL;

  GST_OBJECT_LOCK (self);
  tracks = g_strdup (self->tracks);
  GST_OBJECT_UNLOCK (self);
  if (self->patterns == NULL || g_strcmp0 (tracks, self->applied_tracks) != 0) {
    g_clear_pointer (&self->patterns, gst_livekit_patterns_free);
    self->patterns = gst_livekit_patterns_new (tracks);
    g_free (self->applied_tracks);
    self->applied_tracks = g_steal_pointer (&tracks);
  }
  return gst_livekit_patterns_match (self->patterns, publication);
}

static GstStreamCollection *
make_collection_locked (GstLiveKitSrc * self, const gchar * room, gboolean only_selected)
{
  GstStreamCollection *collection = gst_stream_collection_new (room);
  g_autoptr (GList) slots = gst_livekit_streams_list (self->streams, only_selected, self->auto_subscribe);

  for (GList * item = slots; item; item = item->next)
    gst_stream_collection_add_stream (collection, gst_object_ref (((GstLiveKitStreamSlot *) item->data)->stream));
  return collection;
}

/* All that `tracks` names, subscribed or not: so applications can select. */
static void
tracks_listed (GstLiveKitSession * session, const GPtrArray * publications, gpointer data)
{
  GstLiveKitSrc *self = data;
  g_autofree gchar *room = gst_livekit_bin_dup_room (GST_LIVEKIT_BIN (self));
  g_autoptr (GPtrArray) matching = g_ptr_array_new ();
  g_autoptr (GstStreamCollection) collection = NULL;

  for (guint i = 0; i < publications->len; i++) {
    if (matches (self, g_ptr_array_index (publications, i)))
      g_ptr_array_add (matching, g_ptr_array_index (publications, i));
  }
  GST_OBJECT_LOCK (self);
  if (gst_livekit_streams_update (self->streams, room, matching))
    collection = make_collection_locked (self, room, FALSE);
  GST_OBJECT_UNLOCK (self);
  if (collection == NULL)
    return;
  for (guint i = 0; i < matching->len; i++)
    tag_stream (self, g_ptr_array_index (matching, i));
  gst_element_post_message (GST_ELEMENT (self), gst_message_new_stream_collection (GST_OBJECT (self), collection));
}

static GstLiveKitInterest
choose (GstLiveKitSession * session, const LkPublication * publication, gpointer data)
{
  GstLiveKitSrc *self = data;
  GstLiveKitStreamSlot *slot;
  GstLiveKitInterest interest = GST_LIVEKIT_INTEREST_NONE;

  GST_OBJECT_LOCK (self);
  slot = gst_livekit_streams_find (self->streams, publication->sid);
  if (slot && (slot->settings.enabled == GST_LIVEKIT_CHOICE_ON
          || (slot->settings.enabled == GST_LIVEKIT_CHOICE_DEFAULT && self->auto_subscribe)))
    interest = GST_LIVEKIT_INTEREST_SUBSCRIBED;
  else if (slot)
    interest = GST_LIVEKIT_INTEREST_SHOWN;
  GST_OBJECT_UNLOCK (self);
  return interest;
}

static void
get_quality (GstLiveKitSession * session, const LkPublication * publication, LkTrackSettings * settings, gpointer data)
{
  GstLiveKitSrc *self = data;
  GstLiveKitStreamSettings wanted = { 0, };
  GstLiveKitStreamSlot *slot;

  if (publication->kind != LK_TRACK_VIDEO)
    return;
  GST_OBJECT_LOCK (self);
  slot = gst_livekit_streams_find (self->streams, publication->sid);
  if (slot)
    wanted = slot->settings;
  if (wanted.quality == GST_LIVEKIT_VIDEO_QUALITY_AUTO)
    wanted.quality = self->video_quality;
  GST_OBJECT_UNLOCK (self);
  if (wanted.quality != GST_LIVEKIT_VIDEO_QUALITY_AUTO)
    settings->quality = (gint) wanted.quality - GST_LIVEKIT_VIDEO_QUALITY_LOW;
  settings->fps = wanted.max_framerate;
  gst_livekit_stream_settings_get_size (&wanted, publication, &settings->width, &settings->height);
}

static void
update_choice (GstLiveKitSrc * self)
{
  g_autoptr (GstLiveKitSession) session = gst_livekit_bin_ref_session (GST_LIVEKIT_BIN (self));

  if (session)
    gst_livekit_session_update_choice (session);
}

/* --- choosing, by the application --- */

/* Its pads show what has been chosen for the streams. */
static void
update_pads (GstLiveKitSrc * self)
{
  g_autoptr (GList) pads = NULL;

  GST_OBJECT_LOCK (self);
  pads = g_list_copy_deep (GST_ELEMENT (self)->srcpads, (GCopyFunc) (GCallback) gst_object_ref, NULL);
  GST_OBJECT_UNLOCK (self);
  for (GList * item = pads; item; item = item->next) {
    g_autoptr (GstLiveKitSrcPad) pad = item->data;
    g_autofree gchar *sid = NULL;
    GstLiveKitStreamSettings settings = { 0, };
    GstLiveKitStreamSlot *slot;
    gboolean auto_subscribe;

    g_object_get (pad, "track-sid", &sid, NULL);
    GST_OBJECT_LOCK (self);
    slot = gst_livekit_streams_find (self->streams, sid);
    if (slot)
      settings = slot->settings;
    auto_subscribe = self->auto_subscribe;
    GST_OBJECT_UNLOCK (self);
    if (slot)
      gst_livekit_src_pad_set_settings (pad, &settings, auto_subscribe);
  }
}

static void
on_pad_settings_changed (GstLiveKitSrcPad * pad, gpointer data)
{
  GstLiveKitSrc *self = data;
  g_autofree gchar *sid = NULL;
  GstLiveKitStreamSettings settings;
  GstLiveKitStreamSlot *slot;

  g_object_get (pad, "track-sid", &sid, NULL);
  gst_livekit_src_pad_get_settings (pad, &settings);
  GST_OBJECT_LOCK (self);
  slot = gst_livekit_streams_find (self->streams, sid);
  if (slot)
    slot->settings = settings;
  GST_OBJECT_UNLOCK (self);
  update_choice (self);
}

/* Takes @event. */
static void
select_streams (GstLiveKitSrc * self, GstEvent * event)
{
  g_autofree gchar *room = gst_livekit_bin_dup_room (GST_LIVEKIT_BIN (self));
  g_autoptr (GstStreamCollection) all = NULL;
  g_autoptr (GstStreamCollection) selected = NULL;
  GList *stream_ids = NULL;
  GstMessage *message;

  gst_event_parse_select_streams (event, &stream_ids);
  GST_OBJECT_LOCK (self);
  gst_livekit_streams_select (self->streams, stream_ids);
  all = make_collection_locked (self, room, FALSE);
  selected = make_collection_locked (self, room, TRUE);
  GST_OBJECT_UNLOCK (self);
  g_list_free_full (stream_ids, g_free);
  update_pads (self);
  update_choice (self);
  message = gst_message_new_streams_selected (GST_OBJECT (self), all);
  for (guint i = 0; i < gst_stream_collection_get_size (selected); i++)
    gst_message_streams_selected_add (message, gst_stream_collection_get_stream (selected, i));
  gst_message_set_seqnum (message, gst_event_get_seqnum (event));
  gst_event_unref (event);
  gst_element_post_message (GST_ELEMENT (self), message);
}

/* --- pads --- */

static GstLiveKitSrcPad *
find_pad (GstLiveKitSrc * self, GstLiveKitRemoteTrack * track)
{
  GstLiveKitSrcPad *found = NULL;

  GST_OBJECT_LOCK (self);
  for (GList * item = GST_ELEMENT (self)->srcpads; item && !found; item = item->next) {
    if (gst_livekit_src_pad_get_track (item->data) == track)
      found = gst_object_ref (item->data);
  }
  GST_OBJECT_UNLOCK (self);
  return found;
}

static gboolean
gst_livekit_src_pad_event (GstPad * pad, GstObject * parent, GstEvent * event)
{
  gboolean ok = GST_EVENT_TYPE (event) == GST_EVENT_LATENCY || GST_EVENT_TYPE (event) == GST_EVENT_RECONFIGURE
      || GST_EVENT_TYPE (event) == GST_EVENT_QOS;

  if (GST_EVENT_TYPE (event) == GST_EVENT_SELECT_STREAMS) {
    select_streams (GST_LIVEKIT_SRC (parent), event);
    return TRUE;
  }
  if (gst_video_event_is_force_key_unit (event)) {
    gst_livekit_remote_track_want_key_frame (gst_livekit_src_pad_get_track (GST_LIVEKIT_SRC_PAD (pad)));
    ok = TRUE;
  }
  gst_event_unref (event);
  return ok;
}

static gboolean
gst_livekit_src_pad_query (GstPad * pad, GstObject * parent, GstQuery * query)
{
  GstLiveKitSrc *self = GST_LIVEKIT_SRC (parent);

  switch (GST_QUERY_TYPE (query)) {
    case GST_QUERY_LATENCY:
      gst_query_set_latency (query, TRUE, self->latency_ms * GST_MSECOND, GST_CLOCK_TIME_NONE);
      return TRUE;
    case GST_QUERY_SCHEDULING:
      gst_query_set_scheduling (query, GST_SCHEDULING_FLAG_SEQUENTIAL, 1, -1, 0);
      gst_query_add_scheduling_mode (query, GST_PAD_MODE_PUSH);
      return TRUE;
    default:
      return gst_pad_query_default (pad, parent, query);
  }
}

static void
push_stream_start (GstLiveKitSrc * self, GstPad * pad, GstStream * stream, GstCaps * caps)
{
  const gchar *stream_id = gst_stream_get_stream_id (stream);
  g_autoptr (GstTagList) tags = gst_stream_get_tags (stream);
  g_autoptr (GstStreamCollection) collection = gst_stream_collection_new (stream_id);
  GstEvent *event = gst_event_new_stream_start (stream_id);

  gst_stream_set_caps (stream, caps);
  gst_stream_collection_add_stream (collection, gst_object_ref (stream));
  gst_event_set_group_id (event, self->group_id);
  gst_event_set_stream (event, stream);
  gst_pad_push_event (pad, event);
  if (gst_caps_is_fixed (caps))
    gst_pad_push_event (pad, gst_event_new_caps (caps));
  gst_pad_push_event (pad, gst_event_new_stream_collection (collection));
  if (tags)
    gst_pad_push_event (pad, gst_event_new_tag (g_steal_pointer (&tags)));
}

static void
on_pad_linked (GstPad * pad, GstPad * peer, gpointer data)
{
  gst_livekit_remote_track_linked (gst_livekit_src_pad_get_track (GST_LIVEKIT_SRC_PAD (pad)));
  update_choice (data);
}

static GstLiveKitSrcPad *
make_pad (GstLiveKitSrc * self, const gchar * name, GstLiveKitRemoteTrack * track, const LkPublication * publication,
    const GstLiveKitStreamSettings * settings, gboolean enabled_by_default)
{
  GstPadTemplate *template = gst_element_get_pad_template (GST_ELEMENT (self),
      publication->kind == LK_TRACK_VIDEO ? "video_%u" : "audio_%u");
  GstLiveKitSrcPad *pad = gst_livekit_src_pad_new (template, name, track);

  gst_livekit_src_pad_set_publication (pad, publication);
  gst_livekit_src_pad_set_settings (pad, settings, enabled_by_default);
  gst_livekit_src_pad_watch_settings (pad, on_pad_settings_changed, self);
  gst_pad_set_event_function (GST_PAD (pad), gst_livekit_src_pad_event);
  gst_pad_set_query_function (GST_PAD (pad), gst_livekit_src_pad_query);
  gst_pad_use_fixed_caps (GST_PAD (pad));
  g_signal_connect_object (pad, "linked", G_CALLBACK (on_pad_linked), self, 0);
  gst_pad_set_active (GST_PAD (pad), TRUE);
  return pad;
}

/* Its track ends, the element stops, another pad wants its name: whoever is first does it. */
static void
remove_pad (GstLiveKitSrc * self, GstPad * pad)
{
  if (!gst_livekit_src_pad_take_leave (GST_LIVEKIT_SRC_PAD (pad)))
    return;
  gst_pad_set_active (pad, FALSE);
  gst_child_proxy_child_removed (GST_CHILD_PROXY (self), G_OBJECT (pad), GST_PAD_NAME (pad));
  gst_element_remove_pad (GST_ELEMENT (self), pad);
  GST_OBJECT_LOCK (self);
  g_cond_broadcast (&self->pad_removed);
  GST_OBJECT_UNLOCK (self);
}

/* The track has been published again before its old pad was taken away. */
static void
free_name (GstLiveKitSrc * self, const gchar * name)
{
  g_autoptr (GstPad) old = gst_element_get_static_pad (GST_ELEMENT (self), name);

  if (old == NULL)
    return;
  gst_pad_push_event (old, gst_event_new_eos ());
  remove_pad (self, old);
  GST_OBJECT_LOCK (self);
  while (g_list_find (GST_ELEMENT (self)->srcpads, old))
    g_cond_wait (&self->pad_removed, GST_OBJECT_GET_LOCK (self));
  GST_OBJECT_UNLOCK (self);
}

/* One after the other, though each track has a thread: what listens to pad-added is rarely made for several at once. Of
 * gst_parse_launch() two would take the same link, and warn. FALSE: the track has gone meanwhile, and another one may
 * have the pad's name. */
static gboolean
add_pad (GstLiveKitSrc * self, GstPad * pad, const gchar * sid)
{
  gboolean is_wanted;

  GST_OBJECT_LOCK (self);
  while (self->is_showing)
    g_cond_wait (&self->pad_shown, GST_OBJECT_GET_LOCK (self));
  is_wanted = self->is_running && gst_livekit_streams_find (self->streams, sid);
  self->is_showing = is_wanted;
  if (!is_wanted)
    g_cond_signal (&self->pad_shown);
  GST_OBJECT_UNLOCK (self);
  if (!is_wanted)
    return FALSE;
  gst_element_add_pad (GST_ELEMENT (self), pad);
  gst_child_proxy_child_added (GST_CHILD_PROXY (self), G_OBJECT (pad), GST_OBJECT_NAME (pad));
  GST_OBJECT_LOCK (self);
  self->is_showing = FALSE;
  g_cond_signal (&self->pad_shown);
  GST_OBJECT_UNLOCK (self);
  return TRUE;
}

static GstPad *
show_pad (GstLiveKitRemoteTrack * track, const LkPublication * publication, GstCaps * caps, gpointer data)
{
  GstLiveKitSrc *self = data;
  g_autofree gchar *name = NULL;
  g_autoptr (GstStream) stream = NULL;
  GstLiveKitStreamSettings settings = { 0, };
  GstLiveKitStreamSlot *slot;
  g_autoptr (GstPad) pad = NULL;
  gboolean auto_subscribe;

  GST_OBJECT_LOCK (self);
  slot = self->is_running ? gst_livekit_streams_find (self->streams, publication->sid) : NULL;
  if (slot) {
    name = g_strdup (slot->pad_name);
    stream = gst_object_ref (slot->stream);
    settings = slot->settings;
  }
  auto_subscribe = self->auto_subscribe;
  GST_OBJECT_UNLOCK (self);
  if (stream == NULL)
    return NULL;
  free_name (self, name);
  pad = GST_PAD (gst_object_ref_sink (make_pad (self, name, track, publication, &settings, auto_subscribe)));
  push_stream_start (self, pad, stream, caps);
  if (!add_pad (self, pad, publication->sid)) {
    gst_pad_set_active (pad, FALSE);
    return NULL;
  }
  GST_INFO_OBJECT (self, "pad=%s shows track sid=%s stream-id=%s", name, publication->sid,
      gst_stream_get_stream_id (stream));
  return g_steal_pointer (&pad);
}

static void
hide_pad (GstLiveKitRemoteTrack * track, GstPad * pad, gpointer data)
{
  remove_pad (data, pad);
}

static void
on_session_track_changed (GstLiveKitSession * session, GstLiveKitRemoteTrack * track,
    const LkPublication * publication, gpointer data)
{
  g_autoptr (GstLiveKitSrcPad) pad = find_pad (data, track);
  g_autofree gchar *old_sid = NULL;

  if (pad == NULL)
    return;
  g_object_get (pad, "track-sid", &old_sid, NULL);
  gst_livekit_src_pad_set_publication (pad, publication);
  /* What was set while the track had no session. */
  if (g_strcmp0 (old_sid, publication->sid) != 0)
    on_pad_settings_changed (pad, data);
}

static void
on_session_tracks_known (GstLiveKitSession * session, guint n_waiting, gpointer data)
{
  gst_element_no_more_pads (data);
}

/* --- the session --- */

static void
gst_livekit_src_prepare (GstLiveKitBin * bin, GstLiveKitSessionDelegate * delegate,
    GstLiveKitSessionSettings * settings)
{
  GstLiveKitSrc *self = GST_LIVEKIT_SRC (bin);

  delegate->tracks_listed = tracks_listed;
  delegate->choose = choose;
  delegate->get_quality = get_quality;
  delegate->tracks_known = on_session_tracks_known;
  delegate->track_changed = on_session_track_changed;
  delegate->remote_track.show_pad = show_pad;
  delegate->remote_track.hide_pad = hide_pad;
  GST_OBJECT_LOCK (self);
  settings->latency_ms = self->latency_ms;
  if (self->output == GST_LIVEKIT_OUTPUT_RTP)
    settings->remote_track_flags |= GST_LIVEKIT_REMOTE_TRACK_RTP;
  if (self->adds_capture_time)
    settings->remote_track_flags |= GST_LIVEKIT_REMOTE_TRACK_CAPTURE_TIME;
  self->is_running = TRUE;
  self->group_id = gst_util_group_id_next ();
  GST_OBJECT_UNLOCK (self);
}

static void
gst_livekit_src_stopping (GstLiveKitBin * bin)
{
  GST_OBJECT_LOCK (bin);
  GST_LIVEKIT_SRC (bin)->is_running = FALSE;
  GST_OBJECT_UNLOCK (bin);
}

static void
gst_livekit_src_stopped (GstLiveKitBin * bin)
{
  g_autoptr (GPtrArray) none = g_ptr_array_new ();
  g_autoptr (GList) pads = NULL;

  GST_OBJECT_LOCK (bin);
  gst_livekit_streams_update (GST_LIVEKIT_SRC (bin)->streams, "", none);
  pads = g_list_copy_deep (GST_ELEMENT (bin)->srcpads, (GCopyFunc) (GCallback) gst_object_ref, NULL);
  GST_OBJECT_UNLOCK (bin);
  for (GList * item = pads; item; item = item->next) {
    remove_pad (GST_LIVEKIT_SRC (bin), item->data);
    gst_object_unref (item->data);
  }
}

static void
gst_livekit_src_started (GstLiveKitBin * bin, GstLiveKitSession * session)
{
}

/* The session has pushed EOS on the pads, so recordings finish. When the room is over, so are we: no error. */
static gboolean
gst_livekit_src_ended (GstLiveKitBin * bin, const GError * error)
{
  return g_error_matches (error, LK_ERROR, LK_ERROR_ROOM_DELETED) || g_error_matches (error, LK_ERROR,
      LK_ERROR_ROOM_CLOSED);
}

static GstStateChangeReturn
gst_livekit_src_change_state (GstElement * element, GstStateChange transition)
{
  GstStateChangeReturn result = GST_ELEMENT_CLASS (gst_livekit_src_parent_class)->change_state (element, transition);

  if (result == GST_STATE_CHANGE_FAILURE)
    return result;
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED || transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED)
    return GST_STATE_CHANGE_NO_PREROLL;
  return result;
}

static gboolean
gst_livekit_src_send_event (GstElement * element, GstEvent * event)
{
  g_autoptr (GstLiveKitSession) session = NULL;

  if (GST_EVENT_TYPE (event) == GST_EVENT_SELECT_STREAMS) {
    select_streams (GST_LIVEKIT_SRC (element), event);
    return TRUE;
  }
  if (GST_EVENT_TYPE (event) != GST_EVENT_EOS)
    return GST_ELEMENT_CLASS (gst_livekit_src_parent_class)->send_event (element, event);
  gst_event_unref (event);
  session = gst_livekit_bin_ref_session (GST_LIVEKIT_BIN (element));
  if (session)
    gst_livekit_session_push_eos (session);
  return session != NULL;
}

/* --- properties --- */

static void
gst_livekit_src_set_property (GObject * object, guint id, const GValue * value, GParamSpec * pspec)
{
  GstLiveKitSrc *self = GST_LIVEKIT_SRC (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_TRACKS:
      g_free (self->tracks);
      self->tracks = g_value_dup_string (value);
      break;
    case PROP_AUTO_SUBSCRIBE:
      self->auto_subscribe = g_value_get_boolean (value);
      break;
    case PROP_LATENCY:
      self->latency_ms = g_value_get_uint (value);
      break;
    case PROP_OUTPUT:
      self->output = g_value_get_enum (value);
      break;
    case PROP_VIDEO_QUALITY:
      self->video_quality = g_value_get_enum (value);
      break;
    case PROP_ADD_REFERENCE_TIMESTAMP_META:
      self->adds_capture_time = g_value_get_boolean (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
  if (id == PROP_AUTO_SUBSCRIBE)
    update_pads (self);
  update_choice (self);
}

static void
gst_livekit_src_get_property (GObject * object, guint id, GValue * value, GParamSpec * pspec)
{
  GstLiveKitSrc *self = GST_LIVEKIT_SRC (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_TRACKS:
      g_value_set_string (value, self->tracks);
      break;
    case PROP_AUTO_SUBSCRIBE:
      g_value_set_boolean (value, self->auto_subscribe);
      break;
    case PROP_LATENCY:
      g_value_set_uint (value, self->latency_ms);
      break;
    case PROP_OUTPUT:
      g_value_set_enum (value, self->output);
      break;
    case PROP_VIDEO_QUALITY:
      g_value_set_enum (value, self->video_quality);
      break;
    case PROP_ADD_REFERENCE_TIMESTAMP_META:
      g_value_set_boolean (value, self->adds_capture_time);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_livekit_src_finalize (GObject * object)
{
  GstLiveKitSrc *self = GST_LIVEKIT_SRC (object);

  g_free (self->tracks);
  g_free (self->applied_tracks);
  gst_livekit_streams_free (self->streams);
  g_cond_clear (&self->pad_removed);
  g_cond_clear (&self->pad_shown);
  g_clear_pointer (&self->patterns, gst_livekit_patterns_free);
  G_OBJECT_CLASS (gst_livekit_src_parent_class)->finalize (object);
}

static void
add_template (GstElementClass * klass, const gchar * name, LkTrackKind kind)
{
  g_autoptr (GstCaps) caps = gst_livekit_codecs_output_caps (kind);

  gst_caps_append (caps, gst_caps_new_simple ("application/x-rtp", "media", G_TYPE_STRING, lk_track_kind_name (kind),
          NULL));
  gst_element_class_add_pad_template (klass, gst_pad_template_new_with_gtype (name, GST_PAD_SRC, GST_PAD_SOMETIMES,
          caps, GST_TYPE_LIVEKIT_SRC_PAD));
}

static void
install_properties (GObjectClass * object_class)
{
  const GParamFlags ready = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;
  const GParamFlags playing = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING;

  /**
   * GstLiveKitSrc:tracks:
   *
   * Which tracks to show: patterns `identity/track`, comma-separated, with `*` and `?`. Without `/` a pattern means
   * `identity/<!-- -->*`. A track is a name, a sid, camera, microphone, screen-share, screen-share-audio, audio or
   * video. `/ , % * ?` inside identities and names are percent-escaped.
   */
  properties[PROP_TRACKS] = g_param_spec_string ("tracks", "Tracks",
      "Patterns identity/track of what to show, comma-separated (unset = everything)", NULL, playing);
  /**
   * GstLiveKitSrc:auto-subscribe:
   *
   * Whether all tracks that `tracks` names are received. If not, their pads appear all the same, and only those are
   * received that select-streams names, or whose `enabled` is set.
   */
  properties[PROP_AUTO_SUBSCRIBE] = g_param_spec_boolean ("auto-subscribe", "Auto subscribe",
      "Receive every track shown (FALSE = only those that select-streams or a pad's enabled asks for)", TRUE, playing);
  /**
   * GstLiveKitSrc:latency:
   *
   * How long the jitter buffer waits for packets that are late or sent again. It adds no delay to what comes in order.
   */
  properties[PROP_LATENCY] = g_param_spec_uint ("latency", "Latency", "Milliseconds that the jitter buffer waits", 0,
      10000, DEFAULT_LATENCY_MS, ready);
  /**
   * GstLiveKitSrc:output:
   *
   * What the pads give: encoded streams, or RTP packets behind the jitter buffer, for those who send them on.
   */
  properties[PROP_OUTPUT] = g_param_spec_enum ("output", "Output",
      "Encoded and parsed streams, or RTP packets in order, as they came", GST_TYPE_LIVEKIT_OUTPUT,
      GST_LIVEKIT_OUTPUT_ENCODED, ready);
  /**
   * GstLiveKitSrc:video-quality:
   *
   * Which layer of videos to ask for, where there are several. A pad's own quality, width and height win.
   */
  properties[PROP_VIDEO_QUALITY] = g_param_spec_enum ("video-quality", "Video quality",
      "Which layer of videos to ask for (auto = the best that the connection carries; takes effect at once)",
      GST_TYPE_LIVEKIT_VIDEO_QUALITY, GST_LIVEKIT_VIDEO_QUALITY_AUTO, playing);
  /**
   * GstLiveKitSrc:add-reference-timestamp-meta:
   *
   * Whether buffers carry a GstReferenceTimestampMeta (`timestamp/x-ntp`: nanoseconds since 1900) that says when, by the
   * publisher's clock, they were captured: from the header extension abs-capture-time, which livekitsink sends, or from sender
   * reports, the first of which may take some seconds.
   */
  properties[PROP_ADD_REFERENCE_TIMESTAMP_META] = g_param_spec_boolean ("add-reference-timestamp-meta",
      "Add reference timestamp meta", "Tell on each buffer when the publisher captured it, once that is known", FALSE,
      ready);
  g_object_class_install_properties (object_class, N_PROPERTIES, properties);
}

static void
gst_livekit_src_class_init (GstLiveKitSrcClass * klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstLiveKitBinClass *bin_class = GST_LIVEKIT_BIN_CLASS (klass);

  object_class->set_property = gst_livekit_src_set_property;
  object_class->get_property = gst_livekit_src_get_property;
  object_class->finalize = gst_livekit_src_finalize;
  element_class->change_state = gst_livekit_src_change_state;
  element_class->send_event = gst_livekit_src_send_event;
  bin_class->role = GST_LIVEKIT_ROLE_SUBSCRIBER;
  bin_class->prepare = gst_livekit_src_prepare;
  bin_class->started = gst_livekit_src_started;
  bin_class->stopping = gst_livekit_src_stopping;
  bin_class->stopped = gst_livekit_src_stopped;
  bin_class->ended = gst_livekit_src_ended;
  install_properties (object_class);
  add_template (element_class, "video_%u", LK_TRACK_VIDEO);
  add_template (element_class, "audio_%u", LK_TRACK_AUDIO);
  gst_element_class_set_static_metadata (element_class, "LiveKit source", "Source/Network/WebRTC",
      "Shows the audio and video tracks of a LiveKit room as pads", "The gst-livekit authors");
  gst_type_mark_as_plugin_api (GST_TYPE_LIVEKIT_SRC_PAD, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_LIVEKIT_OUTPUT, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_LIVEKIT_VIDEO_QUALITY, 0);
}

static void
gst_livekit_src_init (GstLiveKitSrc * self)
{
  self->latency_ms = DEFAULT_LATENCY_MS;
  self->auto_subscribe = TRUE;
  self->streams = gst_livekit_streams_new ();
  g_cond_init (&self->pad_removed);
  g_cond_init (&self->pad_shown);
  gst_bin_set_suppressed_flags (GST_BIN (self), GST_ELEMENT_FLAG_SOURCE | GST_ELEMENT_FLAG_SINK);
  GST_OBJECT_FLAG_SET (self, GST_ELEMENT_FLAG_SOURCE);
}
