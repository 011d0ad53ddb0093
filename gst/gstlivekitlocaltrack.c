/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitlocaltrack: one published track. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitlocaltrack.h"

#include <gst/video/video.h>
#include "gstlivekitelements.h"

#define GST_CAT_DEFAULT gst_livekit_debug

/* The server throttles its requests to one in 500 ms; several viewers' and our own may fall together. */
#define KEY_FRAME_INTERVAL (150 * G_TIME_SPAN_MILLISECOND)
/* Fits any path with IPv6 and TURN overhead. */
#define RTP_MTU 1200

/* The elements of one format: [clocksync] ! [parser ! capsfilter] ! payloader in a bin, fed by a pad of ours. */
typedef struct
{
  const GstLiveKitCodec *codec;
  GstElement *bin, *payloader, *clocksync;
  GstPad *feed;                 /* parentless src pad, linked to the bin: works whatever bin the host is */
  GstPad *src_pad;              /* of the bin */
  guint32 ssrc;
} Chain;

struct _GstLiveKitLocalTrack
{
  gatomicrefcount ref_count;

  /* constant after construction */
  gchar *pad_name;
  LkTrackKind kind;
  GstLiveKitLocalTrackDelegate delegate;
  gpointer delegate_data;

  /* set while nothing streams */
  GstBin *host;                 /* not owned: owns the pad and so us */
  LkLoop *loop;

  /* lock; never held while calling out */
  GMutex lock;
  GCond changed;
  gboolean is_flushing, is_open, is_muted, is_live, was_open;
  gboolean needs_key_frame;
  gboolean key_frame_is_due;
  gint64 last_key_frame_request_us;
  Chain *chain;                 /* replaced by the streaming thread alone */
  guint width, height;
  GstLiveKitLocalTrackCounters counters;

  /* streaming thread */
  GstClockTime last_pts;
  gboolean b_frames_told;

  /* room loop only */
  Chain *published_chain;       /* what the section is linked to */
  GstLiveKitPeer *peer;
  GstLiveKitSendSection *section;
  gchar *cid, *sid;
  gboolean is_negotiated, is_connected;
  GstClockTime connected_offset;
};

void
gst_livekit_track_settings_clear (GstLiveKitTrackSettings * settings)
{
  g_clear_pointer (&settings->name, g_free);
  g_clear_pointer (&settings->stream, g_free);
}

GstLiveKitLocalTrack *
gst_livekit_local_track_new (const gchar * pad_name, LkTrackKind kind, const GstLiveKitLocalTrackDelegate * delegate,
    gpointer data)
{
  GstLiveKitLocalTrack *track = g_new0 (GstLiveKitLocalTrack, 1);

  g_atomic_ref_count_init (&track->ref_count);
  track->pad_name = g_strdup (pad_name);
  track->kind = kind;
  track->delegate = *delegate;
  track->delegate_data = data;
  track->is_flushing = TRUE;
  g_mutex_init (&track->lock);
  g_cond_init (&track->changed);
  return track;
}

GstLiveKitLocalTrack *
gst_livekit_local_track_ref (GstLiveKitLocalTrack * track)
{
  g_atomic_ref_count_inc (&track->ref_count);
  return track;
}

void
gst_livekit_local_track_unref (GstLiveKitLocalTrack * track)
{
  if (!g_atomic_ref_count_dec (&track->ref_count))
    return;
  g_assert (track->chain == NULL);
  g_free (track->pad_name);
  g_free (track->cid);
  g_free (track->sid);
  g_clear_pointer (&track->loop, lk_loop_unref);
  g_mutex_clear (&track->lock);
  g_cond_clear (&track->changed);
  g_free (track);
}

const gchar *
gst_livekit_local_track_get_pad_name (GstLiveKitLocalTrack * track)
{
  return track->pad_name;
}

/* --- the chain --- */

static void
ask_upstream (gpointer data)
{
  GstLiveKitLocalTrack *track = data;

  g_mutex_lock (&track->lock);
  track->key_frame_is_due = FALSE;
  track->last_key_frame_request_us = g_get_monotonic_time ();
  track->counters.n_key_frame_requests++;
  g_mutex_unlock (&track->lock);
  track->delegate.key_frame_wanted (track, track->delegate_data);
}

/* A request too soon after another is put off, not lost: the frame that answered the other may have come too early for
 * who asks now. */
void
gst_livekit_local_track_want_key_frame (GstLiveKitLocalTrack * track)
{
  gint64 wait_us;
  gboolean is_due;

  if (track->kind != LK_TRACK_VIDEO)
    return;
  g_mutex_lock (&track->lock);
  is_due = track->key_frame_is_due;
  track->key_frame_is_due = TRUE;
  wait_us = track->last_key_frame_request_us + KEY_FRAME_INTERVAL - g_get_monotonic_time ();
  g_mutex_unlock (&track->lock);
  if (is_due)
    return;
  if (wait_us <= 0)
    ask_upstream (track);
  else
    lk_loop_post_after (track->loop, wait_us / G_TIME_SPAN_MILLISECOND + 1, ask_upstream,
        gst_livekit_local_track_ref (track), (GDestroyNotify) gst_livekit_local_track_unref);
}

static gboolean
on_feed_event (GstPad * pad, GstObject * parent, GstEvent * event)
{
  GstLiveKitLocalTrack *track = gst_pad_get_element_private (pad);

  if (gst_video_event_is_force_key_unit (event))
    gst_livekit_local_track_want_key_frame (track);
  gst_event_unref (event);
  return TRUE;
}

/* What happens behind here adds no latency to anybody's, and waits for none that upstream declares. */
static gboolean
on_feed_query (GstPad * pad, GstObject * parent, GstQuery * query)
{
  if (GST_QUERY_TYPE (query) == GST_QUERY_LATENCY) {
    gst_query_set_latency (query, TRUE, 0, GST_CLOCK_TIME_NONE);
    return TRUE;
  }
  return gst_pad_query_default (pad, parent, query);
}

static void
watch_for_b_frames (GstLiveKitLocalTrack * track, GstBuffer * buffer)
{
  GstClockTime pts = GST_BUFFER_PTS (buffer);

  if (!GST_CLOCK_TIME_IS_VALID (pts))
    return;
  if (!track->b_frames_told && GST_CLOCK_TIME_IS_VALID (track->last_pts) && pts < track->last_pts
      && !GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DISCONT)) {
    track->b_frames_told = TRUE;
    track->delegate.b_frames_seen (track, track->delegate_data);
  }
  track->last_pts = pts;
}

/* In front of the payloader, where every frame is parsed: viewers can begin with a key frame alone. */
static GstPadProbeReturn
on_frame (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstLiveKitLocalTrack *track = data;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  gboolean is_delta = track->kind == LK_TRACK_VIDEO && GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT);
  gboolean drop, is_awaited;

  g_mutex_lock (&track->lock);
  is_awaited = track->is_open && !track->is_muted && track->needs_key_frame && is_delta;
  drop = !track->is_open || track->is_muted || is_awaited;
  if (drop) {
    track->counters.n_dropped++;
  } else {
    track->needs_key_frame = FALSE;
    track->counters.n_frames++;
    track->counters.n_key_frames += track->kind == LK_TRACK_VIDEO && !is_delta;
    track->counters.n_bytes += gst_buffer_get_size (buffer);
  }
  g_mutex_unlock (&track->lock);
  if (track->kind == LK_TRACK_VIDEO)
    watch_for_b_frames (track, buffer);
  if (is_awaited)
    gst_livekit_local_track_want_key_frame (track);
  return drop ? GST_PAD_PROBE_DROP : GST_PAD_PROBE_OK;
}

static void
take_size (GstLiveKitLocalTrack * track, GstCaps * caps)
{
  const GstStructure *structure = gst_caps_get_structure (caps, 0);
  gint width, height;

  if (!gst_structure_get_int (structure, "width", &width) || !gst_structure_get_int (structure, "height", &height))
    return;
  g_mutex_lock (&track->lock);
  track->width = MAX (width, 0);
  track->height = MAX (height, 0);
  g_mutex_unlock (&track->lock);
}

static GstPadProbeReturn
on_parsed_event (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);
  GstCaps *caps;

  if (GST_EVENT_TYPE (event) == GST_EVENT_CAPS) {
    gst_event_parse_caps (event, &caps);
    take_size (data, caps);
  }
  return GST_PAD_PROBE_OK;
}

static GstElement *
make_payloader (const GstLiveKitCodec * codec, guint32 ssrc)
{
  GstElement *payloader = gst_element_factory_make (codec->payloader, NULL);

  if (payloader == NULL)
    return NULL;
  g_object_set (payloader, "pt", codec->payload_type, "ssrc", ssrc, "mtu", RTP_MTU, NULL);
  /* Small NAL units share a packet but wait for none. */
  if (g_str_has_prefix (codec->payloader, "rtph26"))
    gst_util_set_object_arg (G_OBJECT (payloader), "aggregate-mode", "zero-latency");
  /* What an SFU rewrites when it switches layers. */
  if (g_str_has_prefix (codec->payloader, "rtpvp"))
    gst_util_set_object_arg (G_OBJECT (payloader), "picture-id-mode", "15-bit");
  return payloader;
}

static GstElement *
make_parser (const GstLiveKitCodec * codec)
{
  GstElement *parser = gst_element_factory_make (codec->parser, NULL);

  /* Parameter sets in front of each key frame. Not by the payloader: it puts them behind those that are there already,
   * where a receiver takes them for a new access unit. */
  if (parser && g_object_class_find_property (G_OBJECT_GET_CLASS (parser), "config-interval"))
    g_object_set (parser, "config-interval", -1, NULL);
  return parser;
}

static GstElement *
make_caps_filter (const gchar * caps_string)
{
  GstElement *filter = gst_element_factory_make ("capsfilter", NULL);
  g_autoptr (GstCaps) caps = gst_caps_from_string (caps_string);

  g_object_set (filter, "caps", caps, NULL);
  return filter;
}

/* Adds @element behind *@last, unless it is NULL: then @missing is set. */
static void
append (GstBin * bin, GstElement ** last, GstElement * element, gboolean * missing)
{
  if (element == NULL) {
    *missing = TRUE;
    return;
  }
  gst_bin_add (bin, element);
  if (*last && !gst_element_link (*last, element))
    *missing = TRUE;
  *last = element;
}

static void
add_ghost_pad (GstElement * bin, GstElement * element, const gchar * name)
{
  g_autoptr (GstPad) target = gst_element_get_static_pad (element, name);

  gst_element_add_pad (bin, gst_ghost_pad_new (name, target));
}

static GstElement *
fill_bin (GstLiveKitLocalTrack * track, Chain * chain, gboolean is_live)
{
  const GstLiveKitCodec *codec = chain->codec;
  GstBin *bin = GST_BIN (chain->bin);
  GstElement *first, *last = NULL;
  gboolean missing = FALSE;

  if (!is_live) {
    chain->clocksync = gst_element_factory_make ("clocksync", NULL);
    append (bin, &last, chain->clocksync, &missing);
  }
  first = last;
  if (codec->parser) {
    append (bin, &last, make_parser (codec), &missing);
    first = first ? first : last;
  }
  if (codec->parsed_caps)
    append (bin, &last, make_caps_filter (codec->parsed_caps), &missing);
  chain->payloader = make_payloader (codec, chain->ssrc);
  append (bin, &last, chain->payloader, &missing);
  first = first ? first : last;
  return missing ? NULL : first;
}

static void
link_feed (GstLiveKitLocalTrack * track, Chain * chain)
{
  g_autoptr (GstPad) sink_pad = gst_element_get_static_pad (chain->bin, "sink");

  chain->feed = gst_object_ref_sink (gst_pad_new (track->pad_name, GST_PAD_SRC));
  gst_pad_set_element_private (chain->feed, track);
  gst_pad_set_event_function (chain->feed, on_feed_event);
  gst_pad_set_query_function (chain->feed, on_feed_query);
  gst_pad_set_active (chain->feed, TRUE);
  gst_pad_link_full (chain->feed, sink_pad, GST_PAD_LINK_CHECK_NOTHING);
}

static void
watch_frames (GstLiveKitLocalTrack * track, Chain * chain)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (chain->payloader, "sink");

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, on_frame, track, NULL);
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_parsed_event, track, NULL);
}

static void
chain_free (gpointer data)
{
  Chain *chain = data;
  GstObject *parent;

  if (chain->feed)
    gst_pad_set_active (chain->feed, FALSE);
  gst_element_set_locked_state (chain->bin, TRUE);
  gst_element_set_state (chain->bin, GST_STATE_NULL);
  parent = gst_object_get_parent (GST_OBJECT (chain->bin));
  if (parent) {
    gst_bin_remove (GST_BIN (parent), chain->bin);
    gst_object_unref (parent);
  }
  gst_clear_object (&chain->feed);
  gst_clear_object (&chain->src_pad);
  gst_object_unref (chain->bin);
  g_free (chain);
}

static Chain *
chain_new (GstLiveKitLocalTrack * track, const GstLiveKitCodec * codec, gboolean is_live)
{
  Chain *chain = g_new0 (Chain, 1);
  GstElement *first;

  chain->codec = codec;
  /* 0 would mean that the payloader chooses. */
  chain->ssrc = g_random_int_range (1, G_MAXINT32);
  chain->bin = gst_object_ref_sink (gst_bin_new (NULL));
  first = fill_bin (track, chain, is_live);
  if (first == NULL) {
    GST_ERROR_OBJECT (track->host, "elements missing for codec=%s", codec->encoding_name);
    chain_free (chain);
    return NULL;
  }
  add_ghost_pad (chain->bin, first, "sink");
  add_ghost_pad (chain->bin, chain->payloader, "src");
  chain->src_pad = gst_element_get_static_pad (chain->bin, "src");
  watch_frames (track, chain);
  gst_bin_add (track->host, chain->bin);
  link_feed (track, chain);
  gst_element_sync_state_with_parent (chain->bin);
  return chain;
}

/* --- application thread --- */

void
gst_livekit_local_track_start (GstLiveKitLocalTrack * track, GstBin * host, LkLoop * loop)
{
  track->host = host;
  g_clear_pointer (&track->loop, lk_loop_unref);
  track->loop = lk_loop_ref (loop);
  track->last_pts = GST_CLOCK_TIME_NONE;
  track->b_frames_told = FALSE;
  g_mutex_lock (&track->lock);
  track->is_flushing = FALSE;
  track->is_open = track->was_open = FALSE;
  track->needs_key_frame = TRUE;
  track->last_key_frame_request_us = -KEY_FRAME_INTERVAL;
  track->key_frame_is_due = FALSE;
  track->counters = (GstLiveKitLocalTrackCounters) {
  0};
  g_mutex_unlock (&track->lock);
}

void
gst_livekit_local_track_flush (GstLiveKitLocalTrack * track, gboolean flushing)
{
  g_mutex_lock (&track->lock);
  track->is_flushing = flushing;
  g_cond_broadcast (&track->changed);
  g_mutex_unlock (&track->lock);
}

void
gst_livekit_local_track_stop (GstLiveKitLocalTrack * track)
{
  Chain *chain;

  gst_livekit_local_track_flush (track, TRUE);
  g_mutex_lock (&track->lock);
  chain = g_steal_pointer (&track->chain);
  g_mutex_unlock (&track->lock);
  if (chain)
    chain_free (chain);
}

/* --- streaming thread --- */

typedef struct
{
  GstLiveKitLocalTrack *track;
  Chain *old;
} FormatChange;

static void
format_change_free (gpointer data)
{
  FormatChange *change = data;

  if (change->old)
    chain_free (change->old);
  gst_livekit_local_track_unref (change->track);
  g_free (change);
}

static void
format_known_in_loop (gpointer data)
{
  FormatChange *change = data;
  GstLiveKitLocalTrack *track = change->track;
  gboolean is_published;

  /* Whoever published it since the format was set has done so with this format. */
  g_mutex_lock (&track->lock);
  is_published = track->section && track->published_chain == track->chain;
  g_mutex_unlock (&track->lock);
  if (!is_published)
    track->delegate.format_known (track, track->delegate_data);
}

gboolean
gst_livekit_local_track_set_caps (GstLiveKitLocalTrack * track, GstCaps * caps, gboolean is_live)
{
  const GstLiveKitCodec *codec = gst_livekit_codec_from_caps (caps);
  Chain *chain = track->chain, *old = chain;
  FormatChange *change;

  if (codec == NULL || codec->kind != track->kind || !codec->can_publish)
    return FALSE;
  take_size (track, caps);
  if (chain == NULL || chain->codec != codec) {
    chain = chain_new (track, codec, is_live);
    if (chain == NULL)
      return FALSE;
    g_mutex_lock (&track->lock);
    track->chain = chain;
    track->is_live = is_live;
    track->is_open = FALSE;
    track->needs_key_frame = TRUE;
    g_mutex_unlock (&track->lock);
  }
  gst_pad_push_event (chain->feed, gst_event_new_stream_start (track->pad_name));
  gst_pad_push_event (chain->feed, gst_event_new_caps (caps));
  if (chain == old)
    return TRUE;
  GST_INFO_OBJECT (track->host, "format known pad=%s codec=%s live=%d", track->pad_name, codec->encoding_name, is_live);
  change = g_new (FormatChange, 1);
  *change = (FormatChange) {
  gst_livekit_local_track_ref (track), old};
  lk_loop_post (track->loop, format_known_in_loop, change, format_change_free);
  return TRUE;
}

gboolean
gst_livekit_local_track_push_event (GstLiveKitLocalTrack * track, GstEvent * event)
{
  if (track->chain == NULL) {
    gst_event_unref (event);
    return TRUE;
  }
  return gst_pad_push_event (track->chain->feed, event);
}

/* Waits, for input that is not live, until media may flow. */
static GstFlowReturn
pass_gate (GstLiveKitLocalTrack * track, gboolean * drop)
{
  GstFlowReturn flow = GST_FLOW_OK;

  g_mutex_lock (&track->lock);
  while (!track->is_open && !track->is_flushing && !track->is_live && !track->was_open)
    g_cond_wait (&track->changed, &track->lock);
  *drop = !track->is_open || track->is_muted;
  if (*drop) {
    track->counters.n_dropped++;
    track->needs_key_frame = TRUE;
  }
  if (track->is_flushing)
    flow = GST_FLOW_FLUSHING;
  g_mutex_unlock (&track->lock);
  return flow;
}

GstFlowReturn
gst_livekit_local_track_push (GstLiveKitLocalTrack * track, GstBuffer * buffer)
{
  gboolean drop = FALSE;
  GstFlowReturn flow;

  if (track->chain == NULL) {
    gst_buffer_unref (buffer);
    return GST_FLOW_NOT_NEGOTIATED;
  }
  flow = pass_gate (track, &drop);
  /* What is not live keeps its pace by the clocksync, so it goes in there in any case; the probe drops it behind. */
  if (flow != GST_FLOW_OK || (drop && track->is_live)) {
    gst_buffer_unref (buffer);
    return flow;
  }
  flow = gst_pad_push (track->chain->feed, buffer);
  /* While the peer is being replaced nothing is linked; that is no reason for upstream to stop. */
  if (flow == GST_FLOW_NOT_LINKED || flow == GST_FLOW_FLUSHING) {
    g_mutex_lock (&track->lock);
    flow = track->is_flushing ? GST_FLOW_FLUSHING : GST_FLOW_OK;
    g_mutex_unlock (&track->lock);
  }
  return flow;
}

/* --- room loop --- */

static void
update_gate (GstLiveKitLocalTrack * track)
{
  gboolean is_open = track->section && track->is_negotiated && track->is_connected;
  gboolean opens;
  Chain *chain = track->published_chain;

  /* What is not live begins when it can be sent; all tracks are shifted alike, or they would lose their sync. */
  if (is_open && chain->clocksync)
    g_object_set (chain->clocksync, "ts-offset", (gint64) track->connected_offset, NULL);
  g_mutex_lock (&track->lock);
  opens = is_open && !track->is_open && track->chain == chain;
  track->is_open = is_open && track->chain == chain;
  track->was_open |= opens;
  track->needs_key_frame |= opens;
  g_cond_broadcast (&track->changed);
  g_mutex_unlock (&track->lock);
  if (opens) {
    GST_INFO_OBJECT (track->host, "media flows pad=%s sid=%s", track->pad_name, track->sid);
    gst_livekit_local_track_want_key_frame (track);
  }
}

static void
announce (GstLiveKitLocalTrack * track, LkRoom * room, const GstLiveKitTrackSettings * settings)
{
  LkPublishRequest request = {
    .cid = track->cid,.name = settings->name,.stream = settings->stream,
    .mime_type = track->published_chain->codec->mime_type,.kind = track->kind,.source = settings->source,
    .muted = settings->muted,.has_dtx = settings->dtx,
  };
  LkLayer layer = {.bitrate = settings->bitrate,.quality = 2 };

  g_mutex_lock (&track->lock);
  request.width = layer.width = track->width;
  request.height = layer.height = track->height;
  g_mutex_unlock (&track->lock);
  if (track->kind == LK_TRACK_VIDEO) {
    request.layers = &layer;
    request.n_layers = 1;
  }
  lk_room_publish_in_loop (room, &request);
}

gboolean
gst_livekit_local_track_publish_in_loop (GstLiveKitLocalTrack * track, LkRoom * room, GstLiveKitPeer * peer,
    const GstLiveKitTrackSettings * settings)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *uuid = NULL;
  Chain *chain;

  g_mutex_lock (&track->lock);
  chain = track->chain;
  track->is_muted = settings->muted;
  g_mutex_unlock (&track->lock);
  if (chain == NULL || track->section)
    return FALSE;
  uuid = g_uuid_string_random ();
  track->cid = g_strdup_printf ("gst-%.8s-%s", uuid, track->pad_name);
  track->published_chain = chain;
  track->is_negotiated = FALSE;
  announce (track, room, settings);
  track->section = gst_livekit_peer_open_section_in_loop (peer, chain->codec,
      settings->stream ? settings->stream : "gstreamer", track->cid, chain->ssrc, chain->src_pad, track, &error);
  if (track->section == NULL) {
    gst_livekit_local_track_fail_in_loop (track, room, error);
    return FALSE;
  }
  track->peer = gst_livekit_peer_ref (peer);
  return TRUE;
}

gboolean
gst_livekit_local_track_unpublish_in_loop (GstLiveKitLocalTrack * track, LkRoom * room)
{
  gboolean was_published = track->section != NULL;

  if (track->section)
    gst_livekit_peer_close_section_in_loop (track->peer, track->section);
  track->section = NULL;
  g_clear_pointer (&track->peer, gst_livekit_peer_unref);
  track->is_negotiated = FALSE;
  update_gate (track);
  track->published_chain = NULL;
  if (track->cid && room)
    lk_room_unpublish_in_loop (room, track->cid);
  g_clear_pointer (&track->cid, g_free);
  if (track->sid) {
    g_clear_pointer (&track->sid, g_free);
    track->delegate.published (track, NULL, track->delegate_data);
  }
  return was_published;
}

void
gst_livekit_local_track_negotiated_in_loop (GstLiveKitLocalTrack * track, gboolean accepted)
{
  track->is_negotiated = accepted;
  update_gate (track);
}

void
gst_livekit_local_track_set_connected_in_loop (GstLiveKitLocalTrack * track, gboolean is_connected,
    GstClockTime start_offset)
{
  track->is_connected = is_connected;
  track->connected_offset = start_offset;
  update_gate (track);
}

void
gst_livekit_local_track_set_published_in_loop (GstLiveKitLocalTrack * track, const gchar * sid)
{
  g_free (track->sid);
  track->sid = g_strdup (sid);
  track->delegate.published (track, sid, track->delegate_data);
}

void
gst_livekit_local_track_set_muted_in_loop (GstLiveKitLocalTrack * track, LkRoom * room, gboolean muted)
{
  gboolean changed;

  g_mutex_lock (&track->lock);
  changed = track->is_muted != muted;
  track->is_muted = muted;
  track->needs_key_frame = TRUE;
  g_mutex_unlock (&track->lock);
  if (track->sid)
    lk_room_set_track_muted_in_loop (room, track->sid, muted);
  if (changed && !muted)
    gst_livekit_local_track_want_key_frame (track);
}

gboolean
gst_livekit_local_track_is_format_known_in_loop (GstLiveKitLocalTrack * track)
{
  gboolean is_known;

  g_mutex_lock (&track->lock);
  is_known = track->chain != NULL;
  g_mutex_unlock (&track->lock);
  return is_known;
}

const gchar *
gst_livekit_local_track_get_cid_in_loop (GstLiveKitLocalTrack * track)
{
  return track->cid;
}

const gchar *
gst_livekit_local_track_get_sid_in_loop (GstLiveKitLocalTrack * track)
{
  return track->sid;
}

void
gst_livekit_local_track_fail_in_loop (GstLiveKitLocalTrack * track, LkRoom * room, const GError * error)
{
  gst_livekit_local_track_unpublish_in_loop (track, room);
  track->delegate.failed (track, error, track->delegate_data);
}

void
gst_livekit_local_track_get_counters (GstLiveKitLocalTrack * track, GstLiveKitLocalTrackCounters * counters)
{
  g_mutex_lock (&track->lock);
  *counters = track->counters;
  counters->ssrc = track->chain ? track->chain->ssrc : 0;
  g_mutex_unlock (&track->lock);
}
