/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitlayer: what one sink pad feeds. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitlayer-private.h"

#include <gst/rtp/rtp.h>
#include <gst/video/video.h>
#include "gstlivekitelements.h"
#include "gstlivekitspatial.h"

#define GST_CAT_DEFAULT gst_livekit_debug

/* The server throttles its requests to one in 500 ms; several viewers' and our own may fall together. Two may follow at
 * once: our own as the layer opens, and the server's when its first viewer is ready, some 20 ms later. */
#define KEY_FRAME_INTERVAL (150 * G_TIME_SPAN_MILLISECOND)
/* So many requests, over so long, without a key frame: the encoder does not hear them. */
#define UNANSWERED_REQUESTS 3
#define UNANSWERED_LIMIT (2 * G_TIME_SPAN_SECOND)
/* So much input without a frame that could be sent, over so long: the parser waits for something. */
#define FRUITLESS_BUFFERS 30
#define FRUITLESS_LIMIT (3 * G_TIME_SPAN_SECOND)
GstLiveKitLayer *
gst_livekit_layer_new (const gchar * pad_name, LkTrackKind kind, const GstLiveKitLayerDelegate * delegate,
    gpointer data)
{
  GstLiveKitLayer *layer = g_new0 (GstLiveKitLayer, 1);

  g_atomic_ref_count_init (&layer->ref_count);
  layer->pad_name = g_strdup (pad_name);
  layer->kind = kind;
  layer->delegate = *delegate;
  layer->delegate_data = data;
  layer->is_stopped = layer->is_flushing = layer->is_watched = layer->is_wanted = layer->has_room = TRUE;
  layer->share = gst_livekit_share_new ();
  g_mutex_init (&layer->lock);
  g_cond_init (&layer->changed);
  return layer;
}

GstLiveKitLayer *
gst_livekit_layer_ref (GstLiveKitLayer * layer)
{
  g_atomic_ref_count_inc (&layer->ref_count);
  return layer;
}

void
gst_livekit_layer_unref (GstLiveKitLayer * layer)
{
  if (!g_atomic_ref_count_dec (&layer->ref_count))
    return;
  g_assert (layer->chain == NULL);
  g_free (layer->pad_name);
  gst_clear_caps (&layer->caps);
  gst_livekit_share_free (layer->share);
  g_clear_pointer (&layer->loop, lk_loop_unref);
  g_mutex_clear (&layer->lock);
  g_cond_clear (&layer->changed);
  g_free (layer);
}

const gchar *
gst_livekit_layer_get_pad_name (GstLiveKitLayer * layer)
{
  return layer->pad_name;
}

LkTrackKind
gst_livekit_layer_get_kind (GstLiveKitLayer * layer)
{
  return layer->kind;
}

/* --- the chain --- */

static void
ask_upstream (gpointer data)
{
  GstLiveKitLayer *layer = data;
  gint64 now = g_get_monotonic_time ();

  g_mutex_lock (&layer->lock);
  layer->key_frame_is_due = FALSE;
  layer->key_frames_until_us = MAX (layer->key_frames_until_us, now) + KEY_FRAME_INTERVAL;
  if (layer->n_unanswered++ == 0)
    layer->first_unanswered_us = now;
  layer->counters.n_key_frame_requests++;
  g_mutex_unlock (&layer->lock);
  layer->delegate.key_frame_wanted (layer, layer->delegate_data);
}

static void
ask_upstream_later (gpointer data)
{
  GstLiveKitLayer *layer = data;

  if (layer->is_listed) {
    ask_upstream (layer);
    return;
  }
  g_mutex_lock (&layer->lock);
  layer->key_frame_is_due = FALSE;
  g_mutex_unlock (&layer->lock);
}

/* A request too soon after another is put off, not lost: the frame that answered the other may have come too early for
 * who asks now. */
void
gst_livekit_layer_want_key_frame (GstLiveKitLayer * layer)
{
  gint64 wait_us;
  gboolean is_due;

  if (layer->kind != LK_TRACK_VIDEO)
    return;
  g_mutex_lock (&layer->lock);
  is_due = layer->key_frame_is_due;
  layer->key_frame_is_due = TRUE;
  wait_us = layer->key_frames_until_us - KEY_FRAME_INTERVAL - g_get_monotonic_time ();
  g_mutex_unlock (&layer->lock);
  if (is_due)
    return;
  if (wait_us <= 0)
    ask_upstream (layer);
  else
    lk_loop_post_after (layer->loop, wait_us / G_TIME_SPAN_MILLISECOND + 1, ask_upstream_later,
        gst_livekit_layer_ref (layer), (GDestroyNotify) gst_livekit_layer_unref);
}

/* Asks again if that is long ago; does not use up what the server may ask for meanwhile. The next frame comes here, too. */
static void
await_key_frame (GstLiveKitLayer * layer)
{
  gboolean is_asked;

  g_mutex_lock (&layer->lock);
  is_asked = layer->key_frames_until_us > g_get_monotonic_time ();
  g_mutex_unlock (&layer->lock);
  if (!is_asked)
    gst_livekit_layer_want_key_frame (layer);
}

static gboolean
on_feed_event (GstPad * pad, GstObject * parent, GstEvent * event)
{
  GstLiveKitLayer *layer = gst_pad_get_element_private (pad);

  if (gst_video_event_is_force_key_unit (event))
    gst_livekit_layer_want_key_frame (layer);
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
watch_for_b_frames (GstLiveKitLayer * layer, GstBuffer * buffer)
{
  GstClockTime pts = GST_BUFFER_PTS (buffer);

  if (!GST_CLOCK_TIME_IS_VALID (pts))
    return;
  if (!layer->b_frames_told && GST_CLOCK_TIME_IS_VALID (layer->last_pts) && pts < layer->last_pts
      && !GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DISCONT)) {
    layer->b_frames_told = TRUE;
    layer->delegate.warning (layer, "The video stream has B frames, which browsers do not play smoothly.",
        "let the encoder make none (x264enc: tune=zerolatency or bframes=0)", layer->delegate_data);
  }
  layer->last_pts = pts;
}

static void
watch_for_deafness (GstLiveKitLayer * layer, gboolean is_key_frame)
{
  gboolean is_deaf = FALSE;

  g_mutex_lock (&layer->lock);
  if (is_key_frame)
    layer->n_unanswered = 0;
  else
    is_deaf = layer->n_unanswered >= UNANSWERED_REQUESTS
        && g_get_monotonic_time () - layer->first_unanswered_us > UNANSWERED_LIMIT;
  g_mutex_unlock (&layer->lock);
  if (!is_deaf || layer->deafness_told)
    return;
  layer->deafness_told = TRUE;
  layer->delegate.warning (layer, "The encoder makes no key frame when it is asked to: viewers wait for its next one.",
      "let it make one at least every two seconds (x264enc: key-int-max=60)", layer->delegate_data);
}

/* A parser lets nothing through before it has seen parameter sets. */
static void
watch_for_fruitless_input (GstLiveKitLayer * layer)
{
  gint64 now = g_get_monotonic_time ();

  if (layer->n_fruitless++ == 0)
    layer->first_fruitless_us = now;
  if (layer->fruitlessness_told || layer->n_fruitless < FRUITLESS_BUFFERS
      || now - layer->first_fruitless_us < FRUITLESS_LIMIT)
    return;
  layer->fruitlessness_told = TRUE;
  layer->delegate.warning (layer,
      "Nothing in this stream can be sent: its parameter sets (SPS, sequence header) are missing.",
      "let the encoder repeat them with each key frame, or give them as codec_data", layer->delegate_data);
}

static void
align (GstLiveKitLayer * layer, GstBuffer * buffer)
{
  GstLiveKitAligner *aligner;
  guint slot;

  g_mutex_lock (&layer->lock);
  aligner = layer->aligner ? gst_livekit_aligner_ref (layer->aligner) : NULL;
  slot = layer->slot;
  g_mutex_unlock (&layer->lock);
  if (aligner == NULL)
    return;
  if (!gst_livekit_aligner_pass (aligner, slot, GST_BUFFER_PTS (buffer)))
    GST_LOG_OBJECT (layer->host, "other layers are late pad=%s", layer->pad_name);
  gst_livekit_aligner_unref (aligner);
}

static void
size_changed_in_loop (gpointer data)
{
  GstLiveKitLayer *layer = data;

  if (layer->is_listed)
    layer->delegate.size_changed (layer, layer->delegate_data);
}

static void
take_size (GstLiveKitLayer * layer, GstCaps * caps)
{
  const GstStructure *structure = gst_caps_get_structure (caps, 0);
  gboolean is_change;
  gint width, height;

  if (!gst_structure_get_int (structure, "width", &width) || !gst_structure_get_int (structure, "height", &height))
    return;
  width = MAX (width, 0);
  height = MAX (height, 0);
  g_mutex_lock (&layer->lock);
  is_change = layer->chain && (layer->width != (guint) width || layer->height != (guint) height);
  layer->width = width;
  layer->height = height;
  g_mutex_unlock (&layer->lock);
  if (is_change)
    lk_loop_post (layer->loop, size_changed_in_loop, gst_livekit_layer_ref (layer),
        (GDestroyNotify) gst_livekit_layer_unref);
}

static void
layers_counted_in_loop (gpointer data)
{
  GstLiveKitLayer *layer = data;

  if (layer->is_listed && gst_livekit_layer_is_outdated_in_loop (layer))
    layer->delegate.format_known (layer, layer->delegate_data);
}

/* What is in a stream of more layers than LiveKit has goes as one, whole to everybody. */
static guint
layers_told (guint n)
{
  return n > GST_LIVEKIT_LAYER_MAX_SPATIAL ? 1 : n;
}

/* The track can be published when it is known what it consists of. A sequence of other layers is another stream. */
static void
count_spatial_layers (GstLiveKitLayer * layer, GstBuffer * key_frame)
{
  const GstLiveKitCodec *codec;
  gboolean is_first;
  guint before, n;

  g_mutex_lock (&layer->lock);
  codec = layer->chain ? layer->chain->codec : NULL;
  before = layer->n_spatial_layers;
  g_mutex_unlock (&layer->lock);
  if (codec && !layer->untold_layers_told && gst_livekit_has_untold_layers (codec, key_frame)) {
    layer->untold_layers_told = TRUE;
    layer->delegate.warning (layer, "The spatial layers of this stream are sent as one: all viewers get all of them.",
        "only those of AV1 are told apart; let the encoder make one, or AV1", layer->delegate_data);
  }
  if (codec == NULL || !codec->has_dependencies)
    return;
  n = layers_told (gst_livekit_spatial_layers_of_buffer (codec, layer->caps, key_frame, before ? before : 1));
  if (n == 0 || n == before)
    return;
  GST_INFO_OBJECT (layer->host, "spatial layers counted pad=%s layers=%u before=%u", layer->pad_name, n, before);
  g_mutex_lock (&layer->lock);
  is_first = layer->n_spatial_layers == 0;
  layer->n_spatial_layers = n;
  layer->is_stale |= !is_first;
  g_mutex_unlock (&layer->lock);
  if (is_first)
    lk_loop_post (layer->loop, layers_counted_in_loop, gst_livekit_layer_ref (layer),
        (GDestroyNotify) gst_livekit_layer_unref);
}

static void
take_channels (GstLiveKitLayer * layer, GstCaps * caps)
{
  gint channels;

  if (!gst_structure_get_int (gst_caps_get_structure (caps, 0), "channels", &channels))
    return;
  g_mutex_lock (&layer->lock);
  layer->n_channels = MAX (channels, 0);
  g_mutex_unlock (&layer->lock);
}

/* In front of the payloader, where every frame is parsed: viewers can begin with a key frame alone. */
static GstPadProbeReturn
on_frame (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstLiveKitLayer *layer = data;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  gboolean is_delta = layer->kind == LK_TRACK_VIDEO && GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT);
  gboolean fits = layer->kind != LK_TRACK_VIDEO || gst_livekit_share_admits (layer->share, is_delta);
  gboolean may_flow, drop, is_awaited;

  g_mutex_lock (&layer->lock);
  may_flow = layer->is_open && !layer->is_muted && layer->is_watched;
  layer->needs_key_frame |= !fits;
  is_awaited = may_flow && layer->needs_key_frame && is_delta;
  drop = !may_flow || is_awaited || !fits;
  if (layer->first_frame_us == 0)
    layer->first_frame_us = g_get_monotonic_time ();
  layer->n_measured_bytes += gst_buffer_get_size (buffer);
  if (drop) {
    layer->counters.n_dropped++;
  } else {
    layer->needs_key_frame = FALSE;
    layer->counters.n_frames++;
    layer->counters.n_key_frames += layer->kind == LK_TRACK_VIDEO && !is_delta;
    layer->counters.n_bytes += gst_buffer_get_size (buffer);
  }
  g_mutex_unlock (&layer->lock);
  layer->n_fruitless = 0;
  if (layer->kind == LK_TRACK_VIDEO) {
    watch_for_b_frames (layer, buffer);
    watch_for_deafness (layer, !is_delta);
  }
  if (is_awaited && gst_livekit_share_may_resume (layer->share))
    await_key_frame (layer);
  if (!drop)
    align (layer, buffer);
  return drop ? GST_PAD_PROBE_DROP : GST_PAD_PROBE_OK;
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

static void
watch_chain (GstLiveKitLayer * layer, GstLiveKitChain * chain)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (chain->payloader, "sink");

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, on_frame, layer, NULL);
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_parsed_event, layer, NULL);
  gst_pad_set_element_private (chain->feed, layer);
  /* Who asks for a key frame may still be in its event function when the elements go. */
  g_object_set_data_full (G_OBJECT (chain->feed), "gst-livekit-layer", gst_livekit_layer_ref (layer),
      (GDestroyNotify) gst_livekit_layer_unref);
  gst_pad_set_event_function (chain->feed, on_feed_event);
  gst_pad_set_query_function (chain->feed, on_feed_query);
}

/* --- application thread --- */

void
gst_livekit_layer_start (GstLiveKitLayer * layer, GstBin * host, LkLoop * loop)
{
  layer->host = host;
  g_clear_pointer (&layer->loop, lk_loop_unref);
  layer->loop = lk_loop_ref (loop);
  gst_segment_init (&layer->segment, GST_FORMAT_TIME);
  layer->last_pts = GST_CLOCK_TIME_NONE;
  layer->b_frames_told = layer->deafness_told = layer->fruitlessness_told = layer->untold_layers_told = FALSE;
  layer->n_fruitless = 0;
  g_mutex_lock (&layer->lock);
  layer->is_stopped = layer->is_flushing = FALSE;
  layer->is_open = layer->was_open = layer->is_muted = FALSE;
  layer->is_watched = layer->is_wanted = layer->has_room = layer->needs_key_frame = TRUE;
  layer->width = layer->height = layer->n_channels = layer->tag_bitrate = layer->n_unanswered = 0;
  layer->first_frame_us = layer->n_measured_bytes = 0;
  layer->is_red_refused = layer->is_stale = FALSE;
  layer->n_spatial_layers = 0;
  layer->key_frames_until_us = 0;
  layer->key_frame_is_due = FALSE;
  layer->counters = (GstLiveKitLayerCounters) {
  0};
  g_mutex_unlock (&layer->lock);
}

void
gst_livekit_layer_tell_aligner (GstLiveKitLayer * layer)
{
  GstLiveKitAligner *aligner;
  gboolean is_flowing;
  guint slot;

  g_mutex_lock (&layer->lock);
  aligner = layer->aligner ? gst_livekit_aligner_ref (layer->aligner) : NULL;
  slot = layer->slot;
  is_flowing = layer->is_open && layer->is_watched && !layer->is_muted && !layer->is_flushing;
  g_mutex_unlock (&layer->lock);
  if (aligner == NULL)
    return;
  gst_livekit_aligner_set_flowing (aligner, slot, is_flowing);
  gst_livekit_aligner_unref (aligner);
}

void
gst_livekit_layer_flush (GstLiveKitLayer * layer, gboolean flushing)
{
  g_mutex_lock (&layer->lock);
  layer->is_flushing = flushing;
  g_cond_broadcast (&layer->changed);
  g_mutex_unlock (&layer->lock);
  gst_livekit_layer_tell_aligner (layer);
}

void
gst_livekit_layer_stop (GstLiveKitLayer * layer)
{
  GstLiveKitChain *chain;

  gst_livekit_layer_flush (layer, TRUE);
  g_mutex_lock (&layer->lock);
  layer->is_stopped = TRUE;
  chain = g_steal_pointer (&layer->chain);
  g_cond_broadcast (&layer->changed);
  g_mutex_unlock (&layer->lock);
  if (chain)
    gst_livekit_chain_free (chain);
}

/* --- streaming thread --- */

typedef struct
{
  GstLiveKitLayer *layer;
  GstLiveKitChain *old;
} FormatChange;

static void
format_change_free (gpointer data)
{
  FormatChange *change = data;

  if (change->old)
    gst_livekit_chain_free (change->old);
  gst_livekit_layer_unref (change->layer);
  g_free (change);
}

static void
format_known_in_loop (gpointer data)
{
  FormatChange *change = data;

  /* Whoever attached it since the format was set has done so with this format. */
  if (change->layer->is_listed && gst_livekit_layer_is_outdated_in_loop (change->layer))
    change->layer->delegate.format_known (change->layer, change->layer->delegate_data);
  /* Nobody has taken it up: there is no session. */
  if (change->old && change->layer->attached == change->old)
    gst_livekit_layer_detach_in_loop (change->layer);
}

static const GstLiveKitCodec *
choose_codec (GstLiveKitLayer * layer, GstCaps * caps, gboolean has_red)
{
  const GstLiveKitCodec *codec = gst_livekit_codec_from_caps (caps);
  const GstLiveKitCodec *red = gst_livekit_codec_from_mime_type (GST_LIVEKIT_MIME_TYPE_RED);

  g_mutex_lock (&layer->lock);
  has_red &= !layer->is_red_refused;
  g_mutex_unlock (&layer->lock);
  return has_red && codec && g_str_equal (codec->media_type, red->media_type) ? red : codec;
}


/* The feed of the present chain, if it will do for @codec, or, with NULL, of any. The elements may go while it is
 * used. */
static GstPad *
ref_feed (GstLiveKitLayer * layer, const GstLiveKitCodec * codec)
{
  GstPad *feed = NULL;

  g_mutex_lock (&layer->lock);
  if (layer->chain && (codec == NULL || (layer->chain->codec == codec && !layer->is_stale)))
    feed = gst_object_ref (layer->chain->feed);
  g_mutex_unlock (&layer->lock);
  return feed;
}

/* Takes @chain, and gives the one before. FALSE: there was a stop meanwhile, and nobody would free it. */
static gboolean
set_chain (GstLiveKitLayer * layer, GstLiveKitChain * chain, guint n_spatial_layers, gboolean is_live,
    GstLiveKitChain ** old)
{
  gboolean is_stopped;

  g_mutex_lock (&layer->lock);
  is_stopped = layer->is_stopped;
  if (!is_stopped) {
    *old = layer->chain;
    /* What was counted in the stream is newer than what caps say. */
    if (!layer->is_stale || layer->chain == NULL || layer->chain->codec != chain->codec)
      layer->n_spatial_layers = n_spatial_layers;
    layer->chain = chain;
    layer->is_stale = FALSE;
    layer->is_live = is_live;
    layer->is_open = FALSE;
    layer->needs_key_frame = TRUE;
  }
  g_mutex_unlock (&layer->lock);
  if (is_stopped)
    gst_livekit_chain_free (chain);
  return !is_stopped;
}

static void
post_format (GstLiveKitLayer * layer, GstLiveKitChain * old)
{
  FormatChange *change = g_new (FormatChange, 1);

  *change = (FormatChange) {
  gst_livekit_layer_ref (layer), old};
  lk_loop_post (layer->loop, format_known_in_loop, change, format_change_free);
}

gboolean
gst_livekit_layer_set_caps (GstLiveKitLayer * layer, GstCaps * caps, const GstLiveKitLayerInput * input)
{
  const GstLiveKitCodec *codec = choose_codec (layer, caps, input->has_red);
  GstLiveKitChain *chain = NULL, *old = NULL;
  g_autoptr (GstPad) feed = NULL;
  guint n_layers;

  if (codec == NULL || codec->kind != layer->kind)
    return FALSE;
  n_layers = layers_told (gst_livekit_spatial_layers_of_caps (codec, caps));
  gst_caps_replace (&layer->caps, caps);
  layer->input = *input;
  take_size (layer, caps);
  take_channels (layer, caps);
  feed = ref_feed (layer, codec);
  if (feed == NULL) {
    chain = gst_livekit_chain_new (layer->host, layer->pad_name, codec, input->is_live);
    if (chain == NULL)
      return FALSE;
    watch_chain (layer, chain);
    if (input->measures_level && codec->decoder && !gst_livekit_chain_measure_level (chain))
      GST_WARNING_OBJECT (layer->host, "no decoder to measure the level with: %s", codec->decoder);
    feed = gst_object_ref (chain->feed);
    if (!set_chain (layer, chain, n_layers, input->is_live, &old))
      return TRUE;
  }
  gst_pad_push_event (feed, gst_event_new_stream_start (layer->pad_name));
  gst_pad_push_event (feed, gst_event_new_caps (caps));
  if (chain == NULL)
    return TRUE;
  GST_INFO_OBJECT (layer->host, "format known pad=%s codec=%s live=%d", layer->pad_name, codec->encoding_name,
      input->is_live);
  post_format (layer, old);
  return TRUE;
}

static void
take_tags (GstLiveKitLayer * layer, GstEvent * event)
{
  GstTagList *tags;
  guint bitrate = 0;

  gst_event_parse_tag (event, &tags);
  if (!gst_tag_list_get_uint (tags, GST_TAG_MAXIMUM_BITRATE, &bitrate)
      && !gst_tag_list_get_uint (tags, GST_TAG_NOMINAL_BITRATE, &bitrate))
    gst_tag_list_get_uint (tags, GST_TAG_BITRATE, &bitrate);
  if (bitrate == 0)
    return;
  g_mutex_lock (&layer->lock);
  layer->tag_bitrate = bitrate;
  g_mutex_unlock (&layer->lock);
}

/* From here on timestamps are running times: layers whose encoders shift them in their own ways still belong
 * together. */
static GstEvent *
take_segment (GstLiveKitLayer * layer, GstEvent * event)
{
  GstSegment ours;

  gst_event_copy_segment (event, &layer->segment);
  gst_event_unref (event);
  gst_segment_init (&ours, GST_FORMAT_TIME);
  return gst_event_new_segment (&ours);
}

static GstClockTime
running_time (GstLiveKitLayer * layer, GstClockTime time)
{
  guint64 result;

  if (!GST_CLOCK_TIME_IS_VALID (time)
      || gst_segment_to_running_time_full (&layer->segment, GST_FORMAT_TIME, time, &result) <= 0)
    return GST_CLOCK_TIME_NONE;
  return result;
}

/* Frames are sent in the order in which they come, so that either time will do: of a raw stream h264parse knows only
 * when to decode. Live input without any is timed when it comes. */
static GstBuffer *
to_running_time (GstLiveKitLayer * layer, GstBuffer * buffer)
{
  buffer = gst_buffer_make_writable (buffer);
  if (!GST_BUFFER_PTS_IS_VALID (buffer))
    GST_BUFFER_PTS (buffer) = GST_BUFFER_DTS (buffer);
  if (layer->segment.format == GST_FORMAT_TIME) {
    GST_BUFFER_PTS (buffer) = running_time (layer, GST_BUFFER_PTS (buffer));
    GST_BUFFER_DTS (buffer) = running_time (layer, GST_BUFFER_DTS (buffer));
  }
  if (!GST_BUFFER_PTS_IS_VALID (buffer) && layer->is_live)
    GST_BUFFER_PTS (buffer) = gst_element_get_current_running_time (GST_ELEMENT (layer->host));
  return buffer;
}

gboolean
gst_livekit_layer_push_event (GstLiveKitLayer * layer, GstEvent * event)
{
  g_autoptr (GstPad) feed = ref_feed (layer, NULL);

  if (GST_EVENT_TYPE (event) == GST_EVENT_TAG)
    take_tags (layer, event);
  else if (GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT)
    event = take_segment (layer, event);
  if (feed == NULL) {
    gst_event_unref (event);
    return TRUE;
  }
  return gst_pad_push_event (feed, event);
}

static gboolean
is_delta_unit (GstLiveKitLayer * layer, GstBuffer * buffer)
{
  return layer->kind == LK_TRACK_VIDEO && GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT);
}

/* What is not sent goes no further than the gate, but for what the chain has to see: with input that is not live the
 * clocksync keeps the pace; a parser needs the parameter sets, which an encoder may make once. The probe drops it
 * behind. */
static gboolean
is_seen_by_chain (GstLiveKitLayer * layer, GstBuffer * buffer)
{
  gboolean may_have_headers = layer->chain->codec->parsed_caps
      && (layer->first_frame_us == 0 || !is_delta_unit (layer, buffer));

  return !layer->is_live || may_have_headers;
}

typedef struct
{
  gboolean drop, is_awaited;
  gboolean is_stale;            /* another chain has to be made first; nothing else is told then */
  GstPad *feed;                 /* of the chain that was there then; owned */
} GateVerdict;

/* Waits, for input that is not live, until media may flow. */
static GstFlowReturn
pass_gate (GstLiveKitLayer * layer, GstBuffer * buffer, GateVerdict * verdict)
{
  gboolean is_paused, is_useless;
  GstFlowReturn flow;

  g_mutex_lock (&layer->lock);
  while (layer->chain && !layer->is_open && !layer->is_flushing && !layer->is_live && !layer->was_open
      && layer->n_spatial_layers > 0 && !layer->is_stale)
    g_cond_wait (&layer->changed, &layer->lock);
  /* The elements may have gone meanwhile. */
  if (layer->is_stopped || layer->is_flushing || layer->chain == NULL) {
    flow = layer->is_stopped || layer->is_flushing ? GST_FLOW_FLUSHING : GST_FLOW_NOT_NEGOTIATED;
    g_mutex_unlock (&layer->lock);
    verdict->drop = TRUE;
    return flow;
  }
  verdict->is_stale = layer->is_stale;
  if (verdict->is_stale) {
    g_mutex_unlock (&layer->lock);
    return GST_FLOW_OK;
  }
  verdict->feed = gst_object_ref (layer->chain->feed);
  is_paused = !layer->is_open || layer->is_muted || !layer->is_watched;
  layer->needs_key_frame |= is_paused;
  /* av1parse, too, can make nothing of it: it has not seen what came before. */
  is_useless = layer->needs_key_frame && is_delta_unit (layer, buffer);
  verdict->drop = (is_paused || is_useless) && !is_seen_by_chain (layer, buffer);
  verdict->is_awaited = verdict->drop && !is_paused;
  layer->counters.n_dropped += verdict->drop;
  g_mutex_unlock (&layer->lock);
  return GST_FLOW_OK;
}

/* Tells a chain that will do what upstream has said. */
static void
replace_chain (GstLiveKitLayer * layer)
{
  g_autoptr (GstCaps) caps = gst_caps_ref (layer->caps);
  g_autoptr (GstPad) feed = NULL;
  GstLiveKitLayerInput input = layer->input;
  GstSegment ours;

  gst_livekit_layer_set_caps (layer, caps, &input);
  feed = ref_feed (layer, NULL);
  gst_segment_init (&ours, GST_FORMAT_TIME);
  if (feed)
    gst_pad_push_event (feed, gst_event_new_segment (&ours));
}

/* The chain has no queue: when the push returns, the frame's packets have been handed to the socket, or to the link,
 * where they wait while the connection is busy. How long they do is the link's to tell (pacer-ms). */
static void
measure_latency (GstLiveKitLayer * layer, gint64 started_us)
{
  guint latency_us = (guint) (g_get_monotonic_time () - started_us);

  g_mutex_lock (&layer->lock);
  if (layer->is_open && layer->is_live && layer->is_watched && !layer->is_muted)
    layer->counters.latency_us =
        layer->counters.latency_us ? (layer->counters.latency_us * 7 + latency_us) / 8 : latency_us;
  g_mutex_unlock (&layer->lock);
}

GstFlowReturn
gst_livekit_layer_push (GstLiveKitLayer * layer, GstBuffer * buffer)
{
  gint64 started_us = g_get_monotonic_time ();
  GateVerdict verdict = { FALSE, FALSE, FALSE, NULL };
  g_autoptr (GstPad) feed = NULL;
  GstFlowReturn flow;

  if (!is_delta_unit (layer, buffer))
    count_spatial_layers (layer, buffer);
  gst_livekit_share_count (layer->share, gst_buffer_get_size (buffer));
  flow = pass_gate (layer, buffer, &verdict);
  if (verdict.is_stale) {
    replace_chain (layer);
    flow = pass_gate (layer, buffer, &verdict);
    flow = flow == GST_FLOW_OK && verdict.is_stale ? GST_FLOW_NOT_NEGOTIATED : flow;
  }
  feed = verdict.feed;
  if (flow != GST_FLOW_OK || verdict.drop) {
    gst_buffer_unref (buffer);
    if (verdict.is_awaited && gst_livekit_share_may_resume (layer->share)) {
      watch_for_deafness (layer, FALSE);
      await_key_frame (layer);
    }
    return flow;
  }
  watch_for_fruitless_input (layer);
  flow = gst_pad_push (feed, to_running_time (layer, buffer));
  measure_latency (layer, started_us);
  /* While the peer is being replaced nothing is linked; that is no reason for upstream to stop. */
  if (flow == GST_FLOW_NOT_LINKED || flow == GST_FLOW_FLUSHING) {
    g_mutex_lock (&layer->lock);
    flow = layer->is_stopped || layer->is_flushing ? GST_FLOW_FLUSHING : GST_FLOW_OK;
    g_mutex_unlock (&layer->lock);
  }
  return flow;
}
