/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitremotetrack: one subscribed track. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitremotetrack-private.h"

#include <gst/rtp/rtp.h>
#include <gst/video/video.h>
#include "gstlivekitelements.h"
#include "gstlivekitinnerpad.h"

#define GST_CAT_DEFAULT gst_livekit_debug

/* RFC 4585 §3: feedback must not add to congestion; the server throttles to the same. */
#define KEY_FRAME_INTERVAL (1 * G_TIME_SPAN_SECOND)

/* Time to link a new pad, to link it elsewhere, or to seek downstream, before the server is told to send nothing. */
#define IDLE_AFTER (1 * G_TIME_SPAN_SECOND)

#define FILLER_PIXELS 16

static GstLiveKitRemoteTrack *
outlet_track (GstPad * outlet)
{
  return gst_pad_get_element_private (outlet);
}

gboolean
gst_livekit_remote_track_is_rtp (GstLiveKitRemoteTrack * track)
{
  return track->flags & GST_LIVEKIT_REMOTE_TRACK_RTP;
}

static void
want_key_frame_later (gpointer data)
{
  GstLiveKitRemoteTrack *track = data;
  gboolean is_due;

  g_mutex_lock (&track->lock);
  is_due = track->key_frame_is_due && !track->has_ended;
  track->key_frame_is_due = FALSE;
  g_mutex_unlock (&track->lock);
  if (is_due)
    gst_livekit_remote_track_want_key_frame (track);
}

/* A request too soon after another is put off, not lost, or the picture would stay damaged until the next loss; a key
 * frame that comes meanwhile settles it. */
void
gst_livekit_remote_track_want_key_frame (GstLiveKitRemoteTrack * track)
{
  gint64 now = g_get_monotonic_time (), wait_us = 0;
  gboolean is_due;

  if (track->kind != LK_TRACK_VIDEO)
    return;
  g_mutex_lock (&track->lock);
  if (track->last_key_frame_request_us)
    wait_us = track->last_key_frame_request_us + KEY_FRAME_INTERVAL - now;
  is_due = track->key_frame_is_due;
  if (wait_us > 0) {
    track->key_frame_is_due = TRUE;
  } else {
    track->last_key_frame_request_us = now;
    track->counters.n_key_frame_requests++;
  }
  g_mutex_unlock (&track->lock);
  if (wait_us > 0 && !is_due)
    lk_loop_post_after (track->loop, wait_us / G_TIME_SPAN_MILLISECOND + 1, want_key_frame_later,
        gst_livekit_remote_track_ref (track), (GDestroyNotify) gst_livekit_remote_track_unref);
  /* PLI: the server does not understand FIR as GStreamer writes it. */
  if (wait_us <= 0)
    gst_pad_push_event (track->outlet, gst_video_event_new_upstream_force_key_unit (GST_CLOCK_TIME_NONE, FALSE, 0));
}

/* Who uses the pad holds a reference: the stop takes it away at any time, and cannot wait for a downstream that
 * blocks. */
GstPad *
gst_livekit_remote_track_ref_pad (GstLiveKitRemoteTrack * track)
{
  GstPad *pad;

  g_mutex_lock (&track->lock);
  pad = track->pad ? gst_object_ref (track->pad) : NULL;
  g_mutex_unlock (&track->lock);
  return pad;
}

void
gst_livekit_remote_track_end_pad (GstLiveKitRemoteTrack * track, GstPad * pad)
{
  gst_pad_push_event (pad, gst_event_new_eos ());
  track->delegate.hide_pad (track, pad, track->delegate_data);
}

/* Stream lock held. A reference to the pad; NULL: the track has ended. */
GstPad *
gst_livekit_remote_track_ensure_shown (GstLiveKitRemoteTrack * track, GstCaps * caps)
{
  g_autoptr (GstPad) pad = gst_livekit_remote_track_ref_pad (track);
  g_autoptr (LkPublication) publication = NULL;
  gboolean has_ended;

  if (pad)
    return g_steal_pointer (&pad);
  g_mutex_lock (&track->lock);
  has_ended = track->has_ended;
  publication = lk_publication_copy (track->publication);
  g_mutex_unlock (&track->lock);
  if (!has_ended)
    pad = track->delegate.show_pad (track, publication, caps, track->delegate_data);
  if (pad == NULL)
    return NULL;
  g_mutex_lock (&track->lock);
  /* It may have ended meanwhile, and nobody else knows of this pad. */
  has_ended = track->has_ended;
  if (!has_ended)
    track->pad = gst_object_ref (pad);
  g_mutex_unlock (&track->lock);
  if (!has_ended)
    return g_steal_pointer (&pad);
  gst_livekit_remote_track_end_pad (track, pad);
  return NULL;
}

/* Stream lock held. */
void
gst_livekit_remote_track_ensure_segment (GstLiveKitRemoteTrack * track, GstPad * pad)
{
  GstSegment segment;

  if (track->has_segment)
    return;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_push_event (pad, gst_event_new_segment (&segment));
  track->has_segment = TRUE;
}

/* When a publisher mutes or leaves, LiveKit's server sends some blank key frames of its own, 2 x 2 (H.264) or 8 x 8
 * (VP8) pixels. To a recording they are a change of size, which mp4mux refuses. */
static gboolean
is_filler (GstLiveKitRemoteTrack * track, GstCaps * caps)
{
  const GstStructure *structure = gst_caps_get_structure (caps, 0);
  gint width, height;

  return track->kind == LK_TRACK_VIDEO && gst_structure_get_int (structure, "width", &width)
      && gst_structure_get_int (structure, "height", &height) && width <= FILLER_PIXELS && height <= FILLER_PIXELS;
}

static gboolean
is_public_field (GQuark field, GValue * value, gpointer unused)
{
  static const gchar *const names[] = { "media", "payload", "clock-rate", "encoding-name", "encoding-params", "ssrc",
    "packetization-mode", "profile-level-id", "level-asymmetry-allowed", "sprop-parameter-sets", "sprop-vps",
    "sprop-sps", "sprop-pps", "profile-id", "level-id", "tier-flag", "tx-mode", "profile", "level-idx", "tier",
    "max-fr", "max-fs", "minptime", "maxptime", "ptime", "useinbandfec", "usedtx", "cbr", "stereo", "sprop-stereo",
    "maxplaybackrate", "sprop-maxcapturerate", "maxaveragebitrate", NULL
  };
  const gchar *name = g_quark_to_string (field);

  return g_strv_contains (names, name) || g_str_has_prefix (name, "extmap-");
}

/* webrtcbin's caps carry what it needs itself: sections, transports, streams, feedback. */
static GstCaps *
clean_rtp_caps (GstCaps * caps)
{
  GstCaps *clean = gst_caps_copy (caps);

  for (guint i = 0; i < gst_caps_get_size (clean); i++) {
    GstStructure *structure = gst_caps_get_structure (clean, i);

    gst_structure_filter_and_map_in_place (structure, is_public_field, NULL);
    if (g_strcmp0 (gst_structure_get_string (structure, "encoding-name"), GST_LIVEKIT_RED_NAME) == 0)
      gst_structure_set (structure, "encoding-name", G_TYPE_STRING, "RED", NULL);
  }
  return clean;
}

static void
take_caps (GstLiveKitRemoteTrack * track, GstCaps * stream_caps)
{
  g_autoptr (GstCaps) caps =
      gst_livekit_remote_track_is_rtp (track) ? clean_rtp_caps (stream_caps) : gst_caps_ref (stream_caps);
  g_autoptr (GstPad) pad = NULL;

  track->is_filled = is_filler (track, caps);
  if (!track->is_filled)
    pad = gst_livekit_remote_track_ensure_shown (track, caps);
  if (pad)
    gst_pad_push_event (pad, gst_event_new_caps (caps));
}

static gboolean
on_outlet_event (GstPad * outlet, GstObject * parent, GstEvent * event)
{
  GstLiveKitRemoteTrack *track = outlet_track (outlet);
  GstCaps *caps;

  if (GST_EVENT_TYPE (event) == GST_EVENT_CAPS) {
    gst_event_parse_caps (event, &caps);
    take_caps (track, caps);
  } else if (GST_EVENT_TYPE (event) == GST_EVENT_STREAM_START) {
    /* Another stream of the same track: what it begins with does not follow from what was before. */
    track->needs_key_frame = TRUE;
  }
  /* Stream-start, segment and tags are ours, gaps follow from the mute state, and EOS from the room. */
  gst_event_unref (event);
  return TRUE;
}

static void
count (GstLiveKitRemoteTrack * track, GstBuffer * buffer, gboolean is_dropped, gboolean is_key_frame)
{
  g_mutex_lock (&track->lock);
  track->waits_since_us = 0;
  if (is_dropped) {
    track->counters.n_dropped++;
  } else {
    track->counters.n_frames++;
    track->counters.n_bytes += gst_buffer_get_size (buffer);
    track->counters.n_key_frames += is_key_frame;
    track->key_frame_is_due &= !is_key_frame;
  }
  g_mutex_unlock (&track->lock);
}

static gboolean
collect_event (GstPad * pad, GstEvent ** event, gpointer events)
{
  if (GST_EVENT_TYPE (*event) != GST_EVENT_EOS)
    g_ptr_array_add (events, gst_event_ref (*event));
  return TRUE;
}

/* Stream lock held. Sticky events are sent once to a peer, even if it has been flushed or was in READY meanwhile. */
void
gst_livekit_remote_track_ensure_events (GstLiveKitRemoteTrack * track, GstPad * pad)
{
  g_autoptr (GPtrArray) events = g_ptr_array_new ();

  if (!track->needs_events)
    return;
  track->needs_events = FALSE;
  gst_pad_sticky_events_foreach (pad, collect_event, events);
  for (guint i = 0; i < events->len; i++)
    gst_pad_push_event (pad, g_ptr_array_index (events, i));
}

/* Stream lock held. What downstream made of the last that it got. An element further down that is not linked is no
 * reason to stop: nothing would tell us when it is. */
void
gst_livekit_remote_track_note_flow (GstLiveKitRemoteTrack * track, GstPad * pad, GstFlowReturn flow)
{
  gboolean is_refusal = flow == GST_FLOW_FLUSHING || flow == GST_FLOW_EOS
      || (flow == GST_FLOW_NOT_LINKED && !gst_pad_is_linked (pad));

  g_mutex_lock (&track->lock);
  if (flow == GST_FLOW_OK)
    track->refused_us = 0;
  else if (is_refusal && track->refused_us == 0)
    track->refused_us = g_get_monotonic_time ();
  g_mutex_unlock (&track->lock);
  track->needs_events |= flow == GST_FLOW_FLUSHING;
}

static GstClockTime
shift (GstClockTime time, GstClockTimeDiff offset)
{
  if (!GST_CLOCK_TIME_IS_VALID (time))
    return time;
  return offset > 0 && time < (GstClockTime) offset ? 0 : time - offset;
}

/* Takes @time: the track has no stream any more, or another one. */
static void
set_time (GstLiveKitRemoteTrack * track, GstLiveKitStreamTime * time)
{
  GstLiveKitStreamTime *old;

  g_mutex_lock (&track->lock);
  old = track->time;
  track->time = time;
  g_mutex_unlock (&track->lock);
  if (old == NULL)
    return;
  gst_livekit_stream_time_end (old);
  gst_livekit_stream_time_unref (old);
}

static GstBuffer *
in_sync (GstLiveKitRemoteTrack * track, GstBuffer * buffer)
{
  g_autoptr (GstLiveKitStreamTime) time = NULL;

  g_mutex_lock (&track->lock);
  if (track->time)
    time = gst_livekit_stream_time_ref (track->time);
  g_mutex_unlock (&track->lock);
  if (time == NULL)
    return buffer;
  return gst_livekit_stream_time_place (time, buffer, gst_element_get_current_running_time (track->element),
      track->flags & GST_LIVEKIT_REMOTE_TRACK_CAPTURE_TIME);
}

/* After an outage what was lost comes in a burst, to which the jitter buffer gives one and the same time; a parser
 * takes that off all frames but the first, and muxers refuse frames without one. */
static GstBuffer *
with_time (GstLiveKitRemoteTrack * track, GstBuffer * buffer)
{
  GstClockTimeDiff offset;

  g_mutex_lock (&track->lock);
  offset = track->offset;
  g_mutex_unlock (&track->lock);
  if (offset) {
    buffer = gst_buffer_make_writable (buffer);
    GST_BUFFER_PTS (buffer) = shift (GST_BUFFER_PTS (buffer), offset);
    GST_BUFFER_DTS (buffer) = shift (GST_BUFFER_DTS (buffer), offset);
  }
  if (!GST_BUFFER_PTS_IS_VALID (buffer) && GST_CLOCK_TIME_IS_VALID (track->last_pts)) {
    buffer = gst_buffer_make_writable (buffer);
    GST_BUFFER_PTS (buffer) = track->last_pts + GST_MSECOND;
  }
  if (GST_BUFFER_PTS_IS_VALID (buffer)) {
    track->last_pts = GST_BUFFER_PTS (buffer);
    track->position = GST_BUFFER_PTS (buffer)
        + (GST_BUFFER_DURATION_IS_VALID (buffer) ? GST_BUFFER_DURATION (buffer) : 0);
  }
  return buffer;
}

static GstFlowReturn
on_outlet_buffer (GstPad * outlet, GstObject * parent, GstBuffer * buffer)
{
  GstLiveKitRemoteTrack *track = outlet_track (outlet);
  gboolean is_video = track->kind == LK_TRACK_VIDEO && !gst_livekit_remote_track_is_rtp (track);
  gboolean is_key_frame = is_video && !GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT);
  g_autoptr (GstPad) pad = gst_livekit_remote_track_ref_pad (track);
  GstFlowReturn flow;

  track->got_data = TRUE;
  if (track->is_filled)
    track->needs_key_frame = TRUE;
  if (pad == NULL || track->is_filled || (is_video && track->needs_key_frame && !is_key_frame)) {
    if (pad && !track->is_filled && gst_pad_is_linked (pad))
      gst_livekit_remote_track_want_key_frame (track);
    count (track, buffer, TRUE, FALSE);
    gst_buffer_unref (buffer);
    return GST_FLOW_OK;
  }
  /* Something was lost: what follows cannot be decoded rightly until the next key frame. */
  if (is_video && !is_key_frame && GST_BUFFER_IS_DISCONT (buffer))
    gst_livekit_remote_track_want_key_frame (track);
  gst_livekit_remote_track_ensure_events (track, pad);
  gst_livekit_remote_track_ensure_segment (track, pad);
  buffer = with_time (track, in_sync (track, buffer));
  count (track, buffer, FALSE, is_key_frame);
  flow = gst_pad_push (pad, buffer);
  gst_livekit_remote_track_note_flow (track, pad, flow);
  /* What one pad's downstream does is no reason to stop the room: data is dropped until it takes some again. */
  track->needs_key_frame = flow != GST_FLOW_OK;
  return GST_FLOW_OK;
}

GstLiveKitRemoteTrack *
gst_livekit_remote_track_new (GstElement * element, GstBin * host, LkLoop * loop, const LkPublication * publication,
    GstLiveKitSync * sync, GstLiveKitRemoteTrackFlags flags, const GstLiveKitRemoteTrackDelegate * delegate, gpointer data)
{
  GstLiveKitRemoteTrack *track = g_new0 (GstLiveKitRemoteTrack, 1);

  g_atomic_ref_count_init (&track->ref_count);
  track->element = element;
  track->host = host;
  track->loop = lk_loop_ref (loop);
  track->delegate = *delegate;
  track->delegate_data = data;
  track->publication = lk_publication_copy (publication);
  track->kind = publication->kind;
  track->sync = gst_livekit_sync_ref (sync);
  track->flags = flags;
  track->made_us = g_get_monotonic_time ();
  track->needs_key_frame = TRUE;
  track->position = track->last_pts = GST_CLOCK_TIME_NONE;
  g_mutex_init (&track->lock);
  track->outlet = gst_livekit_inner_pad_new ("outlet", track, on_outlet_buffer, on_outlet_event);
  return track;
}

GstLiveKitRemoteTrack *
gst_livekit_remote_track_ref (GstLiveKitRemoteTrack * track)
{
  g_atomic_ref_count_inc (&track->ref_count);
  return track;
}

void
gst_livekit_remote_track_unref (GstLiveKitRemoteTrack * track)
{
  if (!g_atomic_ref_count_dec (&track->ref_count))
    return;
  g_assert (track->bin == NULL);
  gst_pad_set_active (track->outlet, FALSE);
  gst_object_unref (track->outlet);
  lk_publication_free (track->publication);
  gst_livekit_sync_unref (track->sync);
  lk_loop_unref (track->loop);
  g_mutex_clear (&track->lock);
  g_free (track);
}

const LkPublication *
gst_livekit_remote_track_get_publication (GstLiveKitRemoteTrack * track)
{
  return track->publication;
}

void
gst_livekit_remote_track_set_publication_in_loop (GstLiveKitRemoteTrack * track, const LkPublication * publication)
{
  LkPublication *old;

  lk_loop_assert_current (track->loop);
  g_mutex_lock (&track->lock);
  old = track->publication;
  track->publication = lk_publication_copy (publication);
  g_mutex_unlock (&track->lock);
  lk_publication_free (old);
}

/* --- the elements --- */

static GstPadProbeReturn
count_recovered (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstLiveKitRemoteTrack *track = data;

  if (GST_BUFFER_FLAG_IS_SET (GST_PAD_PROBE_INFO_BUFFER (info), GST_RTP_BUFFER_FLAG_REDUNDANT)) {
    g_mutex_lock (&track->lock);
    track->counters.n_recovered++;
    g_mutex_unlock (&track->lock);
  }
  return GST_PAD_PROBE_OK;
}

/* Behind the depayloader: a parser keeps no flags. */
static void
watch_recovery (GstLiveKitRemoteTrack * track, GstElement * depayloader)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (depayloader, "src");

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, count_recovered, gst_livekit_remote_track_ref (track),
      (GDestroyNotify) gst_livekit_remote_track_unref);
}

static GstElement *
make_bin (GstLiveKitRemoteTrack * track, const GstLiveKitCodec * codec)
{
  GstElement *bin = gst_bin_new (NULL), *last;
  GstElement *depayloader = gst_element_factory_make (codec->depayloader, NULL);
  GstElement *parser = codec->parser ? gst_element_factory_make (codec->parser, NULL) : NULL;
  GstElement *filter = gst_element_factory_make ("capsfilter", NULL);
  g_autoptr (GstCaps) caps = gst_caps_from_string (codec->output_caps);
  g_autoptr (GstPad) sink_pad = NULL, src_pad = NULL;

  if (depayloader == NULL || (codec->parser && parser == NULL)) {
    GST_ERROR_OBJECT (track->element, "elements missing for codec=%s", codec->encoding_name);
    gst_clear_object (&depayloader);
    gst_clear_object (&parser);
    gst_object_unref (filter);
    gst_object_unref (bin);
    return NULL;
  }
  g_object_set (filter, "caps", caps, NULL);
  gst_bin_add_many (GST_BIN (bin), depayloader, filter, NULL);
  last = depayloader;
  if (parser) {
    gst_bin_add (GST_BIN (bin), parser);
    gst_element_link (depayloader, parser);
    last = parser;
  }
  gst_element_link (last, filter);
  if (g_str_equal (codec->mime_type, GST_LIVEKIT_MIME_TYPE_RED))
    watch_recovery (track, depayloader);
  sink_pad = gst_element_get_static_pad (depayloader, "sink");
  src_pad = gst_element_get_static_pad (filter, "src");
  gst_element_add_pad (bin, gst_ghost_pad_new ("sink", sink_pad));
  gst_element_add_pad (bin, gst_ghost_pad_new ("src", src_pad));
  return bin;
}

/* Packets go as they are; the bin only stands where a depayloader would. */
static GstElement *
make_rtp_bin (void)
{
  GstElement *bin = gst_bin_new (NULL), *identity = gst_element_factory_make ("identity", NULL);
  g_autoptr (GstPad) sink_pad = NULL, src_pad = NULL;

  g_object_set (identity, "silent", TRUE, NULL);
  gst_bin_add (GST_BIN (bin), identity);
  sink_pad = gst_element_get_static_pad (identity, "sink");
  src_pad = gst_element_get_static_pad (identity, "src");
  gst_element_add_pad (bin, gst_ghost_pad_new ("sink", sink_pad));
  gst_element_add_pad (bin, gst_ghost_pad_new ("src", src_pad));
  return bin;
}

static const GstLiveKitCodec *
codec_of_pad (GstPad * pad)
{
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  const gchar *name;

  name = caps ? gst_structure_get_string (gst_caps_get_structure (caps, 0), "encoding-name") : NULL;
  for (const GstLiveKitCodec * codec = gst_livekit_codecs (); name && codec->encoding_name; codec++) {
    if (g_ascii_strcasecmp (name, codec->encoding_name) == 0)
      return codec;
  }
  return NULL;
}

/* Hands the data over in place of the pad, so that webrtcbin never hears of what became of it: a jitter buffer keeps
 * the first bad answer, and gives it to all packets of all streams from then on. */
static GstPadProbeReturn
deliver (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  if (GST_PAD_PROBE_INFO_TYPE (info) & GST_PAD_PROBE_TYPE_BUFFER_LIST)
    gst_pad_chain_list (data, GST_PAD_PROBE_INFO_BUFFER_LIST (info));
  else
    gst_pad_chain (data, GST_PAD_PROBE_INFO_BUFFER (info));
  GST_PAD_PROBE_INFO_FLOW_RETURN (info) = GST_FLOW_OK;
  return GST_PAD_PROBE_HANDLED;
}

gboolean
gst_livekit_remote_track_attach_in_loop (GstLiveKitRemoteTrack * track, GstLiveKitPeer * peer, GstPad * pad)
{
  const GstLiveKitCodec *codec = codec_of_pad (pad);
  g_autoptr (GstPad) sink_pad = NULL, src_pad = NULL;

  lk_loop_assert_current (track->loop);
  gst_livekit_remote_track_detach_in_loop (track);
  if (codec)
    track->bin = gst_livekit_remote_track_is_rtp (track) ? make_rtp_bin () : make_bin (track, codec);
  if (track->bin == NULL) {
    gst_livekit_peer_release_pad (pad, FALSE);
    return FALSE;
  }
  gst_object_ref_sink (track->bin);
  track->peer = gst_livekit_peer_ref (peer);
  track->stream_pad = gst_object_ref (pad);
  gst_bin_add (track->host, track->bin);
  sink_pad = gst_element_get_static_pad (track->bin, "sink");
  src_pad = gst_element_get_static_pad (track->bin, "src");
  gst_pad_link_full (src_pad, track->outlet, GST_PAD_LINK_CHECK_NOTHING);
  gst_element_sync_state_with_parent (track->bin);
  gst_pad_link_full (pad, sink_pad, GST_PAD_LINK_CHECK_NOTHING);
  set_time (track, gst_livekit_stream_time_new (track->sync, track->publication->participant_identity));
  gst_livekit_peer_time_stream_in_loop (peer, pad, track->time);
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST, deliver,
      gst_object_ref (sink_pad), gst_object_unref);
  g_mutex_lock (&track->lock);
  track->waits_since_us = g_get_monotonic_time ();
  g_mutex_unlock (&track->lock);
  GST_INFO_OBJECT (track->element, "media comes sid=%s codec=%s", track->publication->sid, codec->encoding_name);
  gst_livekit_peer_release_pad (pad, TRUE);
  return TRUE;
}

static void
dispose_bin (GstElement * unused, gpointer data)
{
  GstElement *bin = data;
  GstObject *parent = gst_object_get_parent (GST_OBJECT (bin));

  gst_element_set_state (bin, GST_STATE_NULL);
  if (parent) {
    gst_bin_remove (GST_BIN (parent), bin);
    gst_object_unref (parent);
  }
}

void
gst_livekit_remote_track_detach_in_loop (GstLiveKitRemoteTrack * track)
{
  GstElement *bin = g_steal_pointer (&track->bin);
  g_autoptr (GstPad) src_pad = NULL;

  lk_loop_assert_current (track->loop);
  if (bin == NULL)
    return;
  set_time (track, NULL);
  gst_livekit_peer_clear_stream_in_loop (track->peer, track->stream_pad);
  src_pad = gst_element_get_static_pad (bin, "src");
  gst_pad_unlink (src_pad, track->outlet);
  gst_element_set_locked_state (bin, TRUE);
  /* Its streaming thread may be held by whatever is downstream, so that NULL has to wait: not here. */
  gst_element_call_async (track->element, dispose_bin, bin, gst_object_unref);
  gst_clear_object (&track->stream_pad);
  g_clear_pointer (&track->peer, gst_livekit_peer_unref);
}

void
gst_livekit_remote_track_dispose (GstLiveKitRemoteTrack * track)
{
  GstElement *bin = g_steal_pointer (&track->bin);
  g_autoptr (GstPad) pad = NULL;

  g_mutex_lock (&track->lock);
  track->has_ended = TRUE;
  pad = g_steal_pointer (&track->pad);
  g_mutex_unlock (&track->lock);
  if (bin == NULL)
    return;
  set_time (track, NULL);
  dispose_bin (NULL, bin);
  gst_object_unref (bin);
  gst_clear_object (&track->stream_pad);
  g_clear_pointer (&track->peer, gst_livekit_peer_unref);
}

gboolean
gst_livekit_remote_track_is_attached_in_loop (GstLiveKitRemoteTrack * track)
{
  return track->bin != NULL;
}

gboolean
gst_livekit_remote_track_set_silent_in_loop (GstLiveKitRemoteTrack * track, gboolean is_silent)
{
  gboolean is_change;

  g_mutex_lock (&track->lock);
  is_change = track->is_silent != is_silent;
  track->is_silent = is_silent;
  g_mutex_unlock (&track->lock);
  return is_change;
}

gboolean
gst_livekit_remote_track_set_subscribed_in_loop (GstLiveKitRemoteTrack * track, gboolean is_subscribed)
{
  gboolean is_change;

  g_mutex_lock (&track->lock);
  is_change = track->is_subscribed != is_subscribed;
  track->is_subscribed = is_subscribed;
  g_mutex_unlock (&track->lock);
  if (!is_subscribed)
    gst_livekit_remote_track_detach_in_loop (track);
  return is_change;
}

gboolean
gst_livekit_remote_track_is_subscribed_in_loop (GstLiveKitRemoteTrack * track)
{
  return track->is_subscribed;
}

gboolean
gst_livekit_remote_track_is_idle_in_loop (GstLiveKitRemoteTrack * track)
{
  gboolean is_idle;

  g_mutex_lock (&track->lock);
  is_idle = track->pad && track->refused_us && g_get_monotonic_time () - track->refused_us >= IDLE_AFTER;
  g_mutex_unlock (&track->lock);
  return is_idle;
}

void
gst_livekit_remote_track_linked (GstLiveKitRemoteTrack * track)
{
  g_mutex_lock (&track->lock);
  track->refused_us = 0;
  g_mutex_unlock (&track->lock);
}

gboolean
gst_livekit_remote_track_is_shown (GstLiveKitRemoteTrack * track)
{
  gboolean is_shown;

  g_mutex_lock (&track->lock);
  is_shown = track->pad != NULL;
  g_mutex_unlock (&track->lock);
  return is_shown;
}

void
gst_livekit_remote_track_get_counters (GstLiveKitRemoteTrack * track, GstLiveKitRemoteTrackCounters * counters)
{
  g_autoptr (GstLiveKitStreamTime) time = NULL;

  g_mutex_lock (&track->lock);
  *counters = track->counters;
  if (track->time)
    time = gst_livekit_stream_time_ref (track->time);
  g_mutex_unlock (&track->lock);
  if (time)
    counters->held_back_ms = (gint) (gst_livekit_stream_time_get_offset (time) / (GstClockTimeDiff) GST_MSECOND);
}
