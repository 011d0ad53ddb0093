/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitpads-src: pads of livekitsrc. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitpads.h"

#include "gstlivekitenumtypes.h"

/**
 * GstLiveKitSrcPad:
 *
 * A pad of livekitsrc: one track of a participant.
 */

struct _GstLiveKitSrcPad
{
  GstPad parent;

  GstLiveKitRemoteTrack *track;

  /* set before it is shown */
  void (*settings_changed) (GstLiveKitSrcPad * pad, gpointer data);
  gpointer settings_data;

  /* OBJECT_LOCK */
  LkPublication *publication;
  GstLiveKitStreamSettings settings;
  gboolean enabled_by_default;
  gboolean is_leaving;
};

enum
{
  SRC_PROP_0,
  SRC_PROP_PARTICIPANT_IDENTITY,
  SRC_PROP_PARTICIPANT_SID,
  SRC_PROP_TRACK_SID,
  SRC_PROP_TRACK_NAME,
  SRC_PROP_SOURCE,
  SRC_PROP_MUTED,
  SRC_PROP_ENABLED,
  SRC_PROP_QUALITY,
  SRC_PROP_WIDTH,
  SRC_PROP_HEIGHT,
  SRC_PROP_MAX_FRAMERATE,
  SRC_PROP_STATS,
  N_SRC_PROPERTIES
};

static GParamSpec *src_properties[N_SRC_PROPERTIES];

G_DEFINE_FINAL_TYPE (GstLiveKitSrcPad, gst_livekit_src_pad, GST_TYPE_PAD);

static GstStructure *
src_pad_stats (GstLiveKitSrcPad * self)
{
  GstLiveKitRemoteTrackCounters counters;

  gst_livekit_remote_track_get_counters (self->track, &counters);
  return gst_structure_new ("subscribed-track",
      "frames-received", G_TYPE_UINT64, counters.n_frames, "bytes-received", G_TYPE_UINT64, counters.n_bytes,
      "frames-dropped", G_TYPE_UINT64, counters.n_dropped, "key-frames-received", G_TYPE_UINT64,
      counters.n_key_frames, "key-frames-requested", G_TYPE_UINT64, counters.n_key_frame_requests,
      "gaps", G_TYPE_UINT64, counters.n_gaps, "packets-recovered", G_TYPE_UINT64, counters.n_recovered,
      "held-back-ms", G_TYPE_INT, counters.held_back_ms, NULL);
}

static gboolean
is_enabled (GstLiveKitSrcPad * self)
{
  if (self->settings.enabled == GST_LIVEKIT_CHOICE_DEFAULT)
    return self->enabled_by_default;
  return self->settings.enabled == GST_LIVEKIT_CHOICE_ON;
}

static void
gst_livekit_src_pad_set_property (GObject * object, guint id, const GValue * value, GParamSpec * pspec)
{
  GstLiveKitSrcPad *self = GST_LIVEKIT_SRC_PAD (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
    case SRC_PROP_ENABLED:
      self->settings.enabled = g_value_get_boolean (value) ? GST_LIVEKIT_CHOICE_ON : GST_LIVEKIT_CHOICE_OFF;
      break;
    case SRC_PROP_QUALITY:
      self->settings.quality = g_value_get_enum (value);
      break;
    case SRC_PROP_WIDTH:
      self->settings.width = g_value_get_uint (value);
      break;
    case SRC_PROP_HEIGHT:
      self->settings.height = g_value_get_uint (value);
      break;
    case SRC_PROP_MAX_FRAMERATE:
      self->settings.max_framerate = g_value_get_uint (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
  if (self->settings_changed)
    self->settings_changed (self, self->settings_data);
}

static void
gst_livekit_src_pad_get_property (GObject * object, guint id, GValue * value, GParamSpec * pspec)
{
  GstLiveKitSrcPad *self = GST_LIVEKIT_SRC_PAD (object);

  if (id == SRC_PROP_STATS) {
    g_value_take_boxed (value, src_pad_stats (self));
    return;
  }
  GST_OBJECT_LOCK (self);
  switch (id) {
    case SRC_PROP_PARTICIPANT_IDENTITY:
      g_value_set_string (value, self->publication->participant_identity);
      break;
    case SRC_PROP_PARTICIPANT_SID:
      g_value_set_string (value, self->publication->participant_sid);
      break;
    case SRC_PROP_TRACK_SID:
      g_value_set_string (value, self->publication->sid);
      break;
    case SRC_PROP_TRACK_NAME:
      g_value_set_string (value, self->publication->name);
      break;
    case SRC_PROP_SOURCE:
      g_value_set_enum (value, (GstLiveKitTrackSource) self->publication->source);
      break;
    case SRC_PROP_MUTED:
      g_value_set_boolean (value, self->publication->muted);
      break;
    case SRC_PROP_ENABLED:
      g_value_set_boolean (value, is_enabled (self));
      break;
    case SRC_PROP_QUALITY:
      g_value_set_enum (value, self->settings.quality);
      break;
    case SRC_PROP_WIDTH:
      g_value_set_uint (value, self->settings.width);
      break;
    case SRC_PROP_HEIGHT:
      g_value_set_uint (value, self->settings.height);
      break;
    case SRC_PROP_MAX_FRAMERATE:
      g_value_set_uint (value, self->settings.max_framerate);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_livekit_src_pad_finalize (GObject * object)
{
  GstLiveKitSrcPad *self = GST_LIVEKIT_SRC_PAD (object);

  gst_livekit_remote_track_unref (self->track);
  g_clear_pointer (&self->publication, lk_publication_free);
  G_OBJECT_CLASS (gst_livekit_src_pad_parent_class)->finalize (object);
}

static void
gst_livekit_src_pad_class_init (GstLiveKitSrcPadClass * klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;
  const GParamFlags playing = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING;

  object_class->set_property = gst_livekit_src_pad_set_property;
  object_class->get_property = gst_livekit_src_pad_get_property;
  object_class->finalize = gst_livekit_src_pad_finalize;
  src_properties[SRC_PROP_PARTICIPANT_IDENTITY] = g_param_spec_string ("participant-identity", "Participant identity",
      "Identity of who publishes the track", NULL, flags);
  src_properties[SRC_PROP_PARTICIPANT_SID] = g_param_spec_string ("participant-sid", "Participant sid",
      "The server's id of who publishes the track", NULL, flags);
  src_properties[SRC_PROP_TRACK_SID] = g_param_spec_string ("track-sid", "Track sid", "The server's id of the track",
      NULL, flags);
  src_properties[SRC_PROP_TRACK_NAME] = g_param_spec_string ("track-name", "Track name",
      "Name of the track, may be empty", NULL, flags);
  src_properties[SRC_PROP_SOURCE] = g_param_spec_enum ("source", "Source", "What the track shows",
      GST_TYPE_LIVEKIT_TRACK_SOURCE, GST_LIVEKIT_TRACK_SOURCE_UNKNOWN, flags);
  src_properties[SRC_PROP_MUTED] = g_param_spec_boolean ("muted", "Muted",
      "Whether the publisher has muted the track", FALSE, flags);
  /**
   * GstLiveKitSrcPad:enabled:
   *
   * Whether the track is subscribed to. While it is not, nothing of it is received and the pad carries GAP events.
   * Default: auto-subscribe of the element. select-streams sets it, too.
   */
  src_properties[SRC_PROP_ENABLED] = g_param_spec_boolean ("enabled", "Enabled",
      "Receive the track (default: auto-subscribe of the element; takes effect at once)", TRUE, playing);
  /**
   * GstLiveKitSrcPad:quality:
   *
   * Which layer of the video to ask for, where there are several. Default: video-quality of the element. width and
   * height win.
   */
  src_properties[SRC_PROP_QUALITY] = g_param_spec_enum ("quality", "Quality",
      "Which layer of the video to ask for (auto = as the element says; takes effect at once)",
      GST_TYPE_LIVEKIT_VIDEO_QUALITY, GST_LIVEKIT_VIDEO_QUALITY_AUTO, playing);
  /**
   * GstLiveKitSrcPad:width:
   *
   * How wide the video is shown: the server sends the smallest layer that is about as large. With height unset, that
   * follows from the shape of the video, and the other way round.
   */
  src_properties[SRC_PROP_WIDTH] = g_param_spec_uint ("width", "Width",
      "Pixels to ask for (0 = unset, as quality says; takes effect at once)", 0, G_MAXUINT16, 0, playing);
  /**
   * GstLiveKitSrcPad:height:
   *
   * How high the video is shown, as width.
   */
  src_properties[SRC_PROP_HEIGHT] = g_param_spec_uint ("height", "Height",
      "Pixels to ask for (0 = unset, as quality says; takes effect at once)", 0, G_MAXUINT16, 0, playing);
  /**
   * GstLiveKitSrcPad:max-framerate:
   *
   * How many frames a second are wanted at most. Only of use for videos that have temporal layers.
   */
  src_properties[SRC_PROP_MAX_FRAMERATE] = g_param_spec_uint ("max-framerate", "Maximum frame rate",
      "Frames per second to ask for at most (0 = unset, all; takes effect at once)", 0, 1000, 0, playing);
  /**
   * GstLiveKitSrcPad:stats:
   *
   * frames-received, bytes-received, frames-dropped, key-frames-received, key-frames-requested, gaps,
   * packets-recovered (lost, and got back by redundancy; uint64); held-back-ms (int).
   */
  src_properties[SRC_PROP_STATS] = g_param_spec_boxed ("stats", "Statistics", "Counters of the track",
      GST_TYPE_STRUCTURE, flags);
  g_object_class_install_properties (object_class, N_SRC_PROPERTIES, src_properties);
}

static void
gst_livekit_src_pad_init (GstLiveKitSrcPad * self)
{
}

GstLiveKitSrcPad *
gst_livekit_src_pad_new (GstPadTemplate * templ, const gchar * name, GstLiveKitRemoteTrack * track)
{
  GstLiveKitSrcPad *self = g_object_new (GST_TYPE_LIVEKIT_SRC_PAD, "name", name, "direction", GST_PAD_SRC,
      "template", templ, NULL);

  self->track = gst_livekit_remote_track_ref (track);
  return self;
}

GstLiveKitRemoteTrack *
gst_livekit_src_pad_get_track (GstLiveKitSrcPad * self)
{
  return self->track;
}

void
gst_livekit_src_pad_set_publication (GstLiveKitSrcPad * self, const LkPublication * publication)
{
  LkPublication *old;
  gboolean muted_changed, sid_changed;

  GST_OBJECT_LOCK (self);
  old = self->publication;
  self->publication = lk_publication_copy (publication);
  GST_OBJECT_UNLOCK (self);
  muted_changed = old && old->muted != publication->muted;
  sid_changed = old && g_strcmp0 (old->sid, publication->sid) != 0;
  g_clear_pointer (&old, lk_publication_free);
  if (muted_changed)
    g_object_notify_by_pspec (G_OBJECT (self), src_properties[SRC_PROP_MUTED]);
  if (sid_changed)
    g_object_notify_by_pspec (G_OBJECT (self), src_properties[SRC_PROP_TRACK_SID]);
}

void
gst_livekit_src_pad_set_settings (GstLiveKitSrcPad * self, const GstLiveKitStreamSettings * settings,
    gboolean enabled_by_default)
{
  gboolean was_enabled, enabled;

  GST_OBJECT_LOCK (self);
  was_enabled = is_enabled (self);
  self->settings = *settings;
  self->enabled_by_default = enabled_by_default;
  enabled = is_enabled (self);
  GST_OBJECT_UNLOCK (self);
  if (enabled != was_enabled)
    g_object_notify_by_pspec (G_OBJECT (self), src_properties[SRC_PROP_ENABLED]);
}

void
gst_livekit_src_pad_get_settings (GstLiveKitSrcPad * self, GstLiveKitStreamSettings * settings)
{
  GST_OBJECT_LOCK (self);
  *settings = self->settings;
  GST_OBJECT_UNLOCK (self);
}

gboolean
gst_livekit_src_pad_take_leave (GstLiveKitSrcPad * self)
{
  gboolean is_first;

  GST_OBJECT_LOCK (self);
  is_first = !self->is_leaving;
  self->is_leaving = TRUE;
  GST_OBJECT_UNLOCK (self);
  return is_first;
}

void
gst_livekit_src_pad_watch_settings (GstLiveKitSrcPad * self, void (*changed) (GstLiveKitSrcPad * pad, gpointer data),
    gpointer data)
{
  self->settings_changed = changed;
  self->settings_data = data;
}
