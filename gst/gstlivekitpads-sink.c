/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitpads-sink: pads of livekitsink. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitpads.h"

#include "gstlivekitbin.h"
#include "gstlivekitenumtypes.h"

/**
 * GstLiveKitSinkPad:
 *
 * A pad of livekitsink: one published track, or one simulcast layer of it.
 */

struct _GstLiveKitSinkPad
{
  GstPad parent;

  LkTrackKind kind;
  GstLiveKitLayer *layer;

  /* OBJECT_LOCK */
  gchar *track_name, *stream_name, *track_sid;
  GstLiveKitTrackSource source;
  gboolean muted, dtx, red, measure_level, is_eos, is_refused;
  guint bitrate;
};

enum
{
  SINK_PROP_0,
  SINK_PROP_TRACK_NAME,
  SINK_PROP_SOURCE,
  SINK_PROP_STREAM_NAME,
  SINK_PROP_MUTED,
  SINK_PROP_DTX,
  SINK_PROP_RED,
  SINK_PROP_MEASURE_LEVEL,
  SINK_PROP_BITRATE,
  SINK_PROP_TRACK_SID,
  SINK_PROP_ACTIVE,
  SINK_PROP_TARGET_BITRATE,
  SINK_PROP_STATS,
  N_SINK_PROPERTIES
};

static GParamSpec *sink_properties[N_SINK_PROPERTIES];

G_DEFINE_FINAL_TYPE (GstLiveKitSinkPad, gst_livekit_sink_pad, GST_TYPE_PAD);

static void
tell_muted (GstLiveKitSinkPad * self, gboolean muted)
{
  g_autoptr (GstElement) element = gst_pad_get_parent_element (GST_PAD (self));
  g_autoptr (GstLiveKitSession) session = element ? gst_livekit_bin_ref_session (GST_LIVEKIT_BIN (element)) : NULL;

  if (session && self->layer)
    gst_livekit_session_set_muted (session, self->layer, muted);
}

static void
gst_livekit_sink_pad_set_property (GObject * object, guint id, const GValue * value, GParamSpec * pspec)
{
  GstLiveKitSinkPad *self = GST_LIVEKIT_SINK_PAD (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
    case SINK_PROP_TRACK_NAME:
      g_free (self->track_name);
      self->track_name = g_value_dup_string (value);
      break;
    case SINK_PROP_SOURCE:
      self->source = g_value_get_enum (value);
      break;
    case SINK_PROP_STREAM_NAME:
      g_free (self->stream_name);
      self->stream_name = g_value_dup_string (value);
      break;
    case SINK_PROP_MUTED:
      self->muted = g_value_get_boolean (value);
      break;
    case SINK_PROP_DTX:
      self->dtx = g_value_get_boolean (value);
      break;
    case SINK_PROP_RED:
      self->red = g_value_get_boolean (value);
      break;
    case SINK_PROP_MEASURE_LEVEL:
      self->measure_level = g_value_get_boolean (value);
      break;
    case SINK_PROP_BITRATE:
      self->bitrate = g_value_get_uint (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
  if (id == SINK_PROP_MUTED)
    tell_muted (self, g_value_get_boolean (value));
}

static GstStructure *
sink_pad_stats (GstLiveKitSinkPad * self)
{
  GstLiveKitLayerCounters counters = { 0 };

  if (self->layer)
    gst_livekit_layer_get_counters (self->layer, &counters);
  return gst_structure_new ("published-track", "ssrc", G_TYPE_UINT, counters.ssrc, "width", G_TYPE_UINT, counters.width,
      "height", G_TYPE_UINT, counters.height, "active", G_TYPE_BOOLEAN, counters.is_active,
      "frames-sent", G_TYPE_UINT64, counters.n_frames, "bytes-sent", G_TYPE_UINT64, counters.n_bytes,
      "frames-dropped", G_TYPE_UINT64, counters.n_dropped, "key-frames-sent", G_TYPE_UINT64, counters.n_key_frames,
      "key-frames-requested", G_TYPE_UINT64, counters.n_key_frame_requests, "latency-us", G_TYPE_UINT,
      counters.latency_us, NULL);
}

static void
gst_livekit_sink_pad_get_property (GObject * object, guint id, GValue * value, GParamSpec * pspec)
{
  GstLiveKitSinkPad *self = GST_LIVEKIT_SINK_PAD (object);

  if (id == SINK_PROP_STATS) {
    g_value_take_boxed (value, sink_pad_stats (self));
    return;
  }
  if (id == SINK_PROP_TARGET_BITRATE) {
    g_value_set_uint (value, self->layer ? gst_livekit_share_get_target (gst_livekit_layer_get_share (self->layer)) :
        GST_LIVEKIT_TARGET_FREE);
    return;
  }
  if (id == SINK_PROP_ACTIVE) {
    GstLiveKitLayerCounters counters = { 0 };

    if (self->layer)
      gst_livekit_layer_get_counters (self->layer, &counters);
    g_value_set_boolean (value, counters.is_active);
    return;
  }
  GST_OBJECT_LOCK (self);
  switch (id) {
    case SINK_PROP_TRACK_NAME:
      g_value_set_string (value, self->track_name);
      break;
    case SINK_PROP_SOURCE:
      g_value_set_enum (value, self->source);
      break;
    case SINK_PROP_STREAM_NAME:
      g_value_set_string (value, self->stream_name);
      break;
    case SINK_PROP_MUTED:
      g_value_set_boolean (value, self->muted);
      break;
    case SINK_PROP_DTX:
      g_value_set_boolean (value, self->dtx);
      break;
    case SINK_PROP_RED:
      g_value_set_boolean (value, self->red);
      break;
    case SINK_PROP_MEASURE_LEVEL:
      g_value_set_boolean (value, self->measure_level);
      break;
    case SINK_PROP_BITRATE:
      g_value_set_uint (value, self->bitrate);
      break;
    case SINK_PROP_TRACK_SID:
      g_value_set_string (value, self->track_sid);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_livekit_sink_pad_finalize (GObject * object)
{
  GstLiveKitSinkPad *self = GST_LIVEKIT_SINK_PAD (object);

  g_clear_pointer (&self->layer, gst_livekit_layer_unref);
  g_free (self->track_name);
  g_free (self->stream_name);
  g_free (self->track_sid);
  G_OBJECT_CLASS (gst_livekit_sink_pad_parent_class)->finalize (object);
}

/* What an application sets. */
static void
make_sink_settings (void)
{
  const GParamFlags ready = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;

  /**
   * GstLiveKitSinkPad:track-name:
   *
   * The name of the track in the room; without it, the pad's. Used when the track is published. Video pads that are
   * given the same name are the simulcast layers of one track, ordered by size; there may be three.
   */
  sink_properties[SINK_PROP_TRACK_NAME] = g_param_spec_string ("track-name", "Track name",
      "Name of the track (unset = the pad's name)", NULL, ready);
  /**
   * GstLiveKitSinkPad:source:
   *
   * What the track shows. Default: camera for video, microphone for audio.
   */
  sink_properties[SINK_PROP_SOURCE] = g_param_spec_enum ("source", "Source",
      "What the track shows (default: camera for video, microphone for audio)", GST_TYPE_LIVEKIT_TRACK_SOURCE,
      GST_LIVEKIT_TRACK_SOURCE_UNKNOWN, ready);
  /**
   * GstLiveKitSinkPad:stream-name:
   *
   * Tracks of one stream are kept in sync by viewers. Default: all tracks of the element are one stream.
   */
  sink_properties[SINK_PROP_STREAM_NAME] = g_param_spec_string ("stream-name", "Stream name",
      "Tracks of one stream are kept in sync by viewers (unset = all of the element)", NULL, ready);
  /**
   * GstLiveKitSinkPad:muted:
   *
   * While TRUE nothing is sent, and everybody in the room is told. The server may mute the track, too.
   */
  sink_properties[SINK_PROP_MUTED] = g_param_spec_boolean ("muted", "Muted", "Send nothing and tell the room", FALSE,
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
  /**
   * GstLiveKitSinkPad:dtx:
   *
   * Opus: silence that the encoder has marked (opusenc dtx=true) is not sent, and the room is told so. Used when the
   * track is published.
   */
  sink_properties[SINK_PROP_DTX] = g_param_spec_boolean ("dtx", "DTX",
      "Opus: do not send silence that the encoder has marked (opusenc dtx=true)", FALSE, ready);
  /**
   * GstLiveKitSinkPad:red:
   *
   * Opus: each packet is sent with the one before it (RFC 2198), so that single ones may be lost. That doubles the bitrate. The
   * server hands it on to viewers that understand it, and plain Opus to the others. Used when caps are set.
   */
  sink_properties[SINK_PROP_RED] = g_param_spec_boolean ("red", "RED",
      "Opus: send each packet with the one before it, at twice the bitrate", FALSE, ready);
  /**
   * GstLiveKitSinkPad:measure-level:
   *
   * The server finds out who speaks by what packets say of how loud they are. That comes from #GstAudioLevelMeta (`level
   * audio-level-meta=true` in front of the encoder); where there is none, TRUE decodes the sound to find out. Used when caps are set.
   */
  sink_properties[SINK_PROP_MEASURE_LEVEL] = g_param_spec_boolean ("measure-level", "Measure level",
      "Audio without GstAudioLevelMeta: decode it to tell how loud it is, so that the room knows who speaks", FALSE, ready);
  /**
   * GstLiveKitSinkPad:bitrate:
   *
   * What the encoder makes at most, told to the server when the track is published.
   */
  sink_properties[SINK_PROP_BITRATE] = g_param_spec_uint ("bitrate", "Bitrate",
      "Bit/s that the encoder makes at most (0 = not known)", 0, G_MAXUINT, 0, ready);
}

/* What it may read. */
static void
make_sink_state (void)
{
  /**
   * GstLiveKitSinkPad:track-sid:
   *
   * The server's id of the track; NULL while it is not published.
   */
  sink_properties[SINK_PROP_TRACK_SID] = g_param_spec_string ("track-sid", "Track sid",
      "The server's id of the track (NULL = not published)", NULL, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  /**
   * GstLiveKitSinkPad:active:
   *
   * Whether what comes in is sent: the track is published, somebody watches this layer of it (dynacast), and the
   * connection has room for it. Notifies.
   */
  sink_properties[SINK_PROP_ACTIVE] = g_param_spec_boolean ("active", "Active",
      "Published, watched by somebody in this quality, and the connection has room for it", FALSE,
      G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  /**
   * GstLiveKitSinkPad:target-bitrate:
   *
   * What the encoder may make now, as the connection is estimated to carry: video only. 0: nothing of this layer is
   * sent. The largest number: no limit is known. Notifies, from the room's thread. The same goes upstream as a custom
   * event `livekit-target-bitrate` with the field `bitrate` (uint).
   */
  sink_properties[SINK_PROP_TARGET_BITRATE] = g_param_spec_uint ("target-bitrate", "Target bitrate",
      "Bit/s that the encoder may make now (0 = none, the largest number = no limit is known)", 0, G_MAXUINT,
      GST_LIVEKIT_TARGET_FREE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  /**
   * GstLiveKitSinkPad:stats:
   *
   * ssrc, width, height, latency-us (uint); active (boolean); frames-sent, bytes-sent, frames-dropped, key-frames-sent,
   * key-frames-requested (uint64).
   */
  sink_properties[SINK_PROP_STATS] = g_param_spec_boxed ("stats", "Statistics", "Counters of the track",
      GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
}

static void
gst_livekit_sink_pad_class_init (GstLiveKitSinkPadClass * klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->set_property = gst_livekit_sink_pad_set_property;
  object_class->get_property = gst_livekit_sink_pad_get_property;
  object_class->finalize = gst_livekit_sink_pad_finalize;
  make_sink_settings ();
  make_sink_state ();
  g_object_class_install_properties (object_class, N_SINK_PROPERTIES, sink_properties);
}

static void
gst_livekit_sink_pad_init (GstLiveKitSinkPad * self)
{
}

GstLiveKitSinkPad *
gst_livekit_sink_pad_new (GstPadTemplate * templ, const gchar * name, LkTrackKind kind)
{
  GstLiveKitSinkPad *self = g_object_new (GST_TYPE_LIVEKIT_SINK_PAD, "name", name, "direction", GST_PAD_SINK,
      "template", templ, NULL);

  self->kind = kind;
  self->source = kind == LK_TRACK_VIDEO ? GST_LIVEKIT_TRACK_SOURCE_CAMERA : GST_LIVEKIT_TRACK_SOURCE_MICROPHONE;
  return self;
}

GstLiveKitLayer *
gst_livekit_sink_pad_get_layer (GstLiveKitSinkPad * self)
{
  return self->layer;
}

void
gst_livekit_sink_pad_set_layer (GstLiveKitSinkPad * self, GstLiveKitLayer * layer)
{
  self->layer = layer;
}

void
gst_livekit_sink_pad_get_settings (GstLiveKitSinkPad * self, GstLiveKitTrackSettings * settings)
{
  GST_OBJECT_LOCK (self);
  settings->name = g_strdup (self->track_name ? self->track_name : GST_OBJECT_NAME (self));
  settings->group = g_strdup (self->track_name);
  settings->stream = g_strdup (self->stream_name);
  settings->source = (LkTrackSource) self->source;
  settings->muted = self->muted;
  settings->dtx = self->dtx;
  settings->bitrate = self->bitrate;
  GST_OBJECT_UNLOCK (self);
}

LkTrackKind
gst_livekit_sink_pad_get_kind (GstLiveKitSinkPad * self)
{
  return self->kind;
}

void
gst_livekit_sink_pad_set_sid (GstLiveKitSinkPad * self, const gchar * sid)
{
  GST_OBJECT_LOCK (self);
  g_free (self->track_sid);
  self->track_sid = g_strdup (sid);
  GST_OBJECT_UNLOCK (self);
  g_object_notify_by_pspec (G_OBJECT (self), sink_properties[SINK_PROP_TRACK_SID]);
}

gboolean
gst_livekit_sink_pad_tell_target (GstLiveKitSinkPad * self, guint bps)
{
  GParamSpec *pspec = sink_properties[SINK_PROP_TARGET_BITRATE];
  gboolean is_heard = g_signal_has_handler_pending (self, g_signal_lookup ("notify", G_TYPE_OBJECT),
      g_quark_from_static_string (pspec->name), FALSE);

  g_object_notify_by_pspec (G_OBJECT (self), pspec);
  return gst_pad_push_event (GST_PAD (self), gst_event_new_custom (GST_EVENT_CUSTOM_UPSTREAM,
          gst_structure_new (GST_LIVEKIT_TARGET_EVENT, "bitrate", G_TYPE_UINT, bps, NULL))) || is_heard;
}

void
gst_livekit_sink_pad_tell_active (GstLiveKitSinkPad * self)
{
  g_object_notify_by_pspec (G_OBJECT (self), sink_properties[SINK_PROP_ACTIVE]);
}

void
gst_livekit_sink_pad_set_muted (GstLiveKitSinkPad * self, gboolean muted)
{
  GST_OBJECT_LOCK (self);
  self->muted = muted;
  GST_OBJECT_UNLOCK (self);
  g_object_notify_by_pspec (G_OBJECT (self), sink_properties[SINK_PROP_MUTED]);
}

gboolean
gst_livekit_sink_pad_take_eos (GstLiveKitSinkPad * self)
{
  gboolean is_first;

  GST_OBJECT_LOCK (self);
  is_first = !self->is_eos;
  self->is_eos = TRUE;
  GST_OBJECT_UNLOCK (self);
  return is_first;
}

gboolean
gst_livekit_sink_pad_is_eos (GstLiveKitSinkPad * self)
{
  gboolean is_eos;

  GST_OBJECT_LOCK (self);
  is_eos = self->is_eos;
  GST_OBJECT_UNLOCK (self);
  return is_eos;
}

gboolean
gst_livekit_sink_pad_set_refused (GstLiveKitSinkPad * self, gboolean is_refused)
{
  gboolean is_change;

  GST_OBJECT_LOCK (self);
  is_change = self->is_refused != is_refused;
  self->is_refused = is_refused;
  GST_OBJECT_UNLOCK (self);
  return is_change;
}

gboolean
gst_livekit_sink_pad_is_refused (GstLiveKitSinkPad * self)
{
  gboolean is_refused;

  GST_OBJECT_LOCK (self);
  is_refused = self->is_refused;
  GST_OBJECT_UNLOCK (self);
  return is_refused;
}

void
gst_livekit_sink_pad_reset_eos (GstLiveKitSinkPad * self)
{
  GST_OBJECT_LOCK (self);
  self->is_eos = FALSE;
  GST_OBJECT_UNLOCK (self);
}
