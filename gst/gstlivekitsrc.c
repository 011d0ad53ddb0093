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
 * encoded, parsed, the first video frame a key frame. It comes back by itself when the connection is lost, and its pads stay.
 *
 * ## Examples
 * |[
 * gst-launch-1.0 livekitsrc room=lab tracks='*<!-- -->/video' ! decodebin3 ! autovideosink
 * ]|
 * Shows a camera of the room "lab" of a development server on this machine.
 * |[
 * gst-launch-1.0 -e livekitsrc room=lab tracks=alice/camera ! h264parse ! mp4mux ! filesink location=alice.mp4
 * ]|
 * Records one participant's camera, as it is sent, until Ctrl-C.
 */

#include <gst/gst.h>
#include <gst/video/video.h>
#include "gstlivekitbin.h"
#include "gstlivekitcodec.h"
#include "gstlivekitelements.h"
#include "gstlivekitpads.h"
#include "gstlivekitpattern.h"
#include "lkerror.h"

#define GST_CAT_DEFAULT gst_livekit_debug

#define GST_TYPE_LIVEKIT_SRC (gst_livekit_src_get_type ())
G_DECLARE_FINAL_TYPE (GstLiveKitSrc, gst_livekit_src, GST, LIVEKIT_SRC, GstLiveKitBin)

#define DEFAULT_LATENCY_MS 100

enum
{
  PROP_0,
  PROP_TRACKS,
  PROP_LATENCY,
  N_PROPERTIES
};

static GParamSpec *properties[N_PROPERTIES];

struct _GstLiveKitSrc
{
  GstLiveKitBin parent;

  /* OBJECT_LOCK */
  gchar *tracks;
  guint latency_ms;
  GHashTable *numbers;          /* "video:room/identity/track" -> pad number; a track keeps it while the element lives */
  guint n_video, n_audio;
  guint group_id;
  gboolean is_running;
  GstStreamCollection *collection;

  /* room loop only */
  gchar *applied_tracks;
  GstLiveKitPatterns *patterns;
};

G_DEFINE_FINAL_TYPE (GstLiveKitSrc, gst_livekit_src, GST_TYPE_LIVEKIT_BIN);
GST_ELEMENT_REGISTER_DEFINE_WITH_CODE (livekitsrc, "livekitsrc", GST_RANK_NONE, GST_TYPE_LIVEKIT_SRC,
    gst_livekit_init_once ());

/* --- choosing, on the room loop --- */

static gboolean
is_wanted (GstLiveKitSession * session, const LkPublication * publication, gpointer data)
{
  GstLiveKitSrc *self = data;
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
is_name_unique (GstLiveKitSrc * self, const LkPublication * publication)
{
  gboolean is_unique = TRUE;

  GST_OBJECT_LOCK (self);
  for (GList * item = GST_ELEMENT (self)->srcpads; item; item = item->next) {
    g_autofree gchar *identity = NULL, *name = NULL, *sid = NULL;

    GST_OBJECT_UNLOCK (self);
    g_object_get (item->data, "participant-identity", &identity, "track-name", &name, "track-sid", &sid, NULL);
    GST_OBJECT_LOCK (self);
    if (g_strcmp0 (identity, publication->participant_identity) == 0 && g_strcmp0 (name, publication->name) == 0
        && g_strcmp0 (sid, publication->sid) != 0)
      is_unique = FALSE;
  }
  GST_OBJECT_UNLOCK (self);
  return is_unique;
}

static gchar *
stream_id_of (GstLiveKitSrc * self, const LkPublication * publication)
{
  g_autofree gchar *room = gst_livekit_bin_dup_room (GST_LIVEKIT_BIN (self));
  g_autofree gchar *path = gst_livekit_pattern_of (publication, is_name_unique (self, publication));

  return g_strdup_printf ("%s/%s", room, path);
}

/* FALSE if another pad of that name is still there. */
static gchar *
pad_name_of (GstLiveKitSrc * self, const LkPublication * publication, const gchar * stream_id)
{
  gboolean is_video = publication->kind == LK_TRACK_VIDEO;
  g_autofree gchar *key = g_strdup_printf ("%s:%s", lk_track_kind_name (publication->kind), stream_id);
  guint *next = is_video ? &self->n_video : &self->n_audio;
  gpointer number;
  gchar *name;

  GST_OBJECT_LOCK (self);
  if (!g_hash_table_lookup_extended (self->numbers, key, NULL, &number)) {
    number = GUINT_TO_POINTER ((*next)++);
    g_hash_table_insert (self->numbers, g_steal_pointer (&key), number);
  }
  name = g_strdup_printf ("%s_%u", lk_track_kind_name (publication->kind), GPOINTER_TO_UINT (number));
  GST_OBJECT_UNLOCK (self);
  return name;
}

static GstTagList *
tags_of (const LkPublication * publication)
{
  const gchar *artist = *publication->participant_name ? publication->participant_name :
      publication->participant_identity;
  GstTagList *tags = gst_tag_list_new_empty ();

  /* Known to GStreamer since 1.24. */
  if (gst_tag_exists ("container-specific-track-id"))
    gst_tag_list_add (tags, GST_TAG_MERGE_REPLACE, "container-specific-track-id", publication->sid, NULL);
  gst_tag_list_set_scope (tags, GST_TAG_SCOPE_STREAM);
  if (*publication->name)
    gst_tag_list_add (tags, GST_TAG_MERGE_REPLACE, GST_TAG_TITLE, publication->name, NULL);
  if (*artist)
    gst_tag_list_add (tags, GST_TAG_MERGE_REPLACE, GST_TAG_ARTIST, artist, NULL);
  return tags;
}

static gboolean
gst_livekit_src_pad_event (GstPad * pad, GstObject * parent, GstEvent * event)
{
  gboolean ok = GST_EVENT_TYPE (event) == GST_EVENT_LATENCY || GST_EVENT_TYPE (event) == GST_EVENT_RECONFIGURE
      || GST_EVENT_TYPE (event) == GST_EVENT_QOS;

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
push_stream_start (GstLiveKitSrc * self, GstPad * pad, const gchar * stream_id, const LkPublication * publication,
    GstCaps * caps)
{
  GstStreamType type = publication->kind == LK_TRACK_VIDEO ? GST_STREAM_TYPE_VIDEO : GST_STREAM_TYPE_AUDIO;
  g_autoptr (GstStream) stream = gst_stream_new (stream_id, caps, type, GST_STREAM_FLAG_NONE);
  g_autoptr (GstTagList) tags = tags_of (publication);
  g_autoptr (GstStreamCollection) collection = gst_stream_collection_new (stream_id);
  GstEvent *event = gst_event_new_stream_start (stream_id);

  gst_stream_set_tags (stream, tags);
  gst_stream_collection_add_stream (collection, gst_object_ref (stream));
  gst_event_set_group_id (event, self->group_id);
  gst_event_set_stream (event, stream);
  gst_pad_push_event (pad, event);
  gst_pad_push_event (pad, gst_event_new_caps (caps));
  gst_pad_push_event (pad, gst_event_new_stream_collection (collection));
  gst_pad_push_event (pad, gst_event_new_tag (gst_tag_list_ref (tags)));
}

/* All streams that have a pad, for applications. */
static void
post_collection (GstLiveKitSrc * self)
{
  g_autofree gchar *room = gst_livekit_bin_dup_room (GST_LIVEKIT_BIN (self));
  g_autoptr (GstStreamCollection) collection = gst_stream_collection_new (room);

  GST_OBJECT_LOCK (self);
  for (GList * item = GST_ELEMENT (self)->srcpads; item; item = item->next) {
    GstStream *stream = gst_pad_get_stream (item->data);

    if (stream)
      gst_stream_collection_add_stream (collection, stream);
  }
  GST_OBJECT_UNLOCK (self);
  gst_element_post_message (GST_ELEMENT (self), gst_message_new_stream_collection (GST_OBJECT (self), collection));
}

static GstPad *
show_pad (GstLiveKitRemoteTrack * track, const LkPublication * publication, GstCaps * caps, gpointer data)
{
  GstLiveKitSrc *self = data;
  GstElement *element = data;
  g_autofree gchar *stream_id = stream_id_of (self, publication);
  g_autofree gchar *name = pad_name_of (self, publication, stream_id);
  g_autoptr (GstPad) old = NULL;
  GstLiveKitSrcPad *pad;
  gboolean is_running;

  GST_OBJECT_LOCK (self);
  is_running = self->is_running;
  GST_OBJECT_UNLOCK (self);
  if (!is_running)
    return NULL;
  /* The track has been published again before its old pad was taken away. */
  old = gst_element_get_static_pad (element, name);
  if (old) {
    gst_pad_push_event (old, gst_event_new_eos ());
    gst_element_remove_pad (element, old);
  }
  pad = gst_livekit_src_pad_new (gst_element_get_pad_template (element,
          publication->kind == LK_TRACK_VIDEO ? "video_%u" : "audio_%u"), name, track);
  gst_livekit_src_pad_set_publication (pad, publication);
  gst_pad_set_event_function (GST_PAD (pad), gst_livekit_src_pad_event);
  gst_pad_set_query_function (GST_PAD (pad), gst_livekit_src_pad_query);
  gst_pad_use_fixed_caps (GST_PAD (pad));
  gst_pad_set_active (GST_PAD (pad), TRUE);
  push_stream_start (self, GST_PAD (pad), stream_id, publication, caps);
  GST_INFO_OBJECT (self, "pad=%s shows track sid=%s stream-id=%s", name, publication->sid, stream_id);
  gst_element_add_pad (element, GST_PAD (pad));
  post_collection (self);
  return GST_PAD (pad);
}

static void
hide_pad (GstLiveKitRemoteTrack * track, GstPad * pad, gpointer data)
{
  g_autoptr (GstLiveKitSrcPad) ours = find_pad (data, track);

  if (ours == NULL || GST_PAD (ours) != pad)
    return;
  gst_pad_set_active (pad, FALSE);
  gst_element_remove_pad (data, pad);
  post_collection (data);
}

static void
on_session_track_changed (GstLiveKitSession * session, GstLiveKitRemoteTrack * track,
    const LkPublication * publication, gpointer data)
{
  g_autoptr (GstLiveKitSrcPad) pad = find_pad (data, track);

  if (pad)
    gst_livekit_src_pad_set_publication (pad, publication);
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

  delegate->is_wanted = is_wanted;
  delegate->tracks_known = on_session_tracks_known;
  delegate->track_changed = on_session_track_changed;
  delegate->remote_track.show_pad = show_pad;
  delegate->remote_track.hide_pad = hide_pad;
  settings->room.needs_subscribe = TRUE;
  GST_OBJECT_LOCK (self);
  settings->latency_ms = self->latency_ms;
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
  g_autoptr (GList) pads = NULL;

  GST_OBJECT_LOCK (bin);
  pads = g_list_copy_deep (GST_ELEMENT (bin)->srcpads, (GCopyFunc) (GCallback) gst_object_ref, NULL);
  GST_OBJECT_UNLOCK (bin);
  for (GList * item = pads; item; item = item->next) {
    gst_pad_set_active (item->data, FALSE);
    gst_element_remove_pad (GST_ELEMENT (bin), item->data);
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
  g_autoptr (GstLiveKitSession) session = NULL;

  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_TRACKS:
      g_free (self->tracks);
      self->tracks = g_value_dup_string (value);
      break;
    case PROP_LATENCY:
      self->latency_ms = g_value_get_uint (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
  session = gst_livekit_bin_ref_session (GST_LIVEKIT_BIN (self));
  if (session && id == PROP_TRACKS)
    gst_livekit_session_update_choice (session);
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
    case PROP_LATENCY:
      g_value_set_uint (value, self->latency_ms);
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
  g_hash_table_unref (self->numbers);
  g_clear_pointer (&self->patterns, gst_livekit_patterns_free);
  G_OBJECT_CLASS (gst_livekit_src_parent_class)->finalize (object);
}

static void
add_template (GstElementClass * klass, const gchar * name, LkTrackKind kind)
{
  g_autoptr (GstCaps) caps = gst_livekit_codecs_output_caps (kind);

  gst_element_class_add_pad_template (klass, gst_pad_template_new_with_gtype (name, GST_PAD_SRC, GST_PAD_SOMETIMES,
          caps, GST_TYPE_LIVEKIT_SRC_PAD));
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
  bin_class->prepare = gst_livekit_src_prepare;
  bin_class->started = gst_livekit_src_started;
  bin_class->stopping = gst_livekit_src_stopping;
  bin_class->stopped = gst_livekit_src_stopped;
  bin_class->ended = gst_livekit_src_ended;
  /**
   * GstLiveKitSrc:tracks:
   *
   * Which tracks to show: patterns `identity/track`, comma-separated, with `*` and `?`. Without `/` a pattern means
   * `identity/<!-- -->*`. A track is a name, a sid, camera, microphone, screen-share, screen-share-audio, audio or video.
   * `/ , % * ?` inside identities and names are percent-escaped.
   */
  properties[PROP_TRACKS] = g_param_spec_string ("tracks", "Tracks",
      "Patterns identity/track of what to show, comma-separated (unset = everything)", NULL,
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
  /**
   * GstLiveKitSrc:latency:
   *
   * How long the jitter buffer waits for packets that are late or sent again. It adds no delay to what comes in order.
   */
  properties[PROP_LATENCY] = g_param_spec_uint ("latency", "Latency", "Milliseconds that the jitter buffer waits", 0,
      10000, DEFAULT_LATENCY_MS, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
  g_object_class_install_properties (object_class, N_PROPERTIES, properties);
  add_template (element_class, "video_%u", LK_TRACK_VIDEO);
  add_template (element_class, "audio_%u", LK_TRACK_AUDIO);
  gst_element_class_set_static_metadata (element_class, "LiveKit source", "Source/Network/WebRTC",
      "Shows the audio and video tracks of a LiveKit room as pads", "The gst-livekit authors");
  gst_type_mark_as_plugin_api (GST_TYPE_LIVEKIT_SRC_PAD, 0);
}

static void
gst_livekit_src_init (GstLiveKitSrc * self)
{
  self->latency_ms = DEFAULT_LATENCY_MS;
  self->numbers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  gst_bin_set_suppressed_flags (GST_BIN (self), GST_ELEMENT_FLAG_SOURCE | GST_ELEMENT_FLAG_SINK);
  GST_OBJECT_FLAG_SET (self, GST_ELEMENT_FLAG_SOURCE);
}
