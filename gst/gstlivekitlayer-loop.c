/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitlayer-loop: what the session does with a layer, in the room loop. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitlayer-private.h"

/* From here on a bitrate can be measured. */
#define MEASURE_LEAST (1 * G_TIME_SPAN_SECOND)

static guint
find_bitrate (GstLiveKitLayer * layer)
{
  gint64 measured_us = g_get_monotonic_time () - layer->first_frame_us;

  if (layer->tag_bitrate)
    return layer->tag_bitrate;
  if (layer->first_frame_us == 0 || measured_us < MEASURE_LEAST)
    return 0;
  return (guint) MIN (gst_util_uint64_scale (layer->n_measured_bytes, 8 * G_USEC_PER_SEC, measured_us), G_MAXINT32);
}

void
gst_livekit_layer_set_listed_in_loop (GstLiveKitLayer * layer, gboolean is_listed)
{
  layer->is_listed = is_listed;
}

void
gst_livekit_layer_set_ended_in_loop (GstLiveKitLayer * layer, gboolean is_ended)
{
  layer->is_ended = is_ended;
}

gboolean
gst_livekit_layer_is_ended_in_loop (GstLiveKitLayer * layer)
{
  return layer->is_ended;
}

gboolean
gst_livekit_layer_get_format_in_loop (GstLiveKitLayer * layer, GstLiveKitLayerFormat * format)
{
  gboolean is_known;

  g_mutex_lock (&layer->lock);
  is_known = layer->chain != NULL && layer->n_spatial_layers > 0;
  if (is_known)
    *format = (GstLiveKitLayerFormat) {
      .codec = layer->chain->codec,.width = layer->width,.height = layer->height,
      .n_spatial_layers = layer->n_spatial_layers,.n_channels = layer->n_channels,.bitrate = find_bitrate (layer),
      .ssrc = layer->chain->ssrc,.src_pad = layer->chain->src_pad };
  g_mutex_unlock (&layer->lock);
  return is_known;
}

gboolean
gst_livekit_layer_attach_in_loop (GstLiveKitLayer * layer, const gchar * mid, const gchar * rid, guint slot,
    GstLiveKitLayerFormat * format)
{
  if (!gst_livekit_layer_get_format_in_loop (layer, format))
    return FALSE;
  g_mutex_lock (&layer->lock);
  layer->attached = layer->chain;
  g_mutex_unlock (&layer->lock);
  gst_livekit_chain_add_extensions (layer->attached, GST_ELEMENT (layer->host), format->n_spatial_layers, mid, rid,
      slot);
  return TRUE;
}

/* opusenc with dtx=true marks silence by packets of a byte or two; the payloader keeps them if it is not told. */
void
gst_livekit_layer_set_dtx_in_loop (GstLiveKitLayer * layer, gboolean dtx)
{
  GstElement *payloader = layer->attached->payloader;

  if (g_object_class_find_property (G_OBJECT_GET_CLASS (payloader), "dtx"))
    g_object_set (payloader, "dtx", dtx, NULL);
}

void
gst_livekit_layer_set_aligner_in_loop (GstLiveKitLayer * layer, GstLiveKitAligner * aligner, guint slot)
{
  GstLiveKitAligner *old;
  guint old_slot;

  g_mutex_lock (&layer->lock);
  old = layer->aligner;
  old_slot = layer->slot;
  layer->slot = slot;
  layer->aligner = aligner ? gst_livekit_aligner_ref (aligner) : NULL;
  g_mutex_unlock (&layer->lock);
  if (old) {
    gst_livekit_aligner_set_flowing (old, old_slot, FALSE);
    gst_livekit_aligner_unref (old);
  }
  gst_livekit_layer_tell_aligner (layer);
}

void
gst_livekit_layer_detach_in_loop (GstLiveKitLayer * layer)
{
  gst_livekit_layer_set_aligner_in_loop (layer, NULL, 0);
  gst_livekit_layer_set_open_in_loop (layer, FALSE, 0);
  layer->has_room = TRUE;
  gst_livekit_share_set_link (layer->share, NULL);
  gst_livekit_layer_set_watched_in_loop (layer, TRUE);
  layer->attached = NULL;
}

gboolean
gst_livekit_layer_is_attached_in_loop (GstLiveKitLayer * layer)
{
  return layer->attached != NULL;
}

gboolean
gst_livekit_layer_is_outdated_in_loop (GstLiveKitLayer * layer)
{
  gboolean is_outdated;

  g_mutex_lock (&layer->lock);
  is_outdated = layer->attached == NULL || layer->attached != layer->chain;
  g_mutex_unlock (&layer->lock);
  return is_outdated;
}

static void
tell_active (GstLiveKitLayer * layer)
{
  gboolean is_active;

  g_mutex_lock (&layer->lock);
  is_active = layer->is_open && layer->is_watched;
  layer->counters.is_active = is_active;
  g_mutex_unlock (&layer->lock);
  if (layer->is_active == is_active)
    return;
  layer->is_active = is_active;
  layer->delegate.active_changed (layer, is_active, layer->delegate_data);
}

void
gst_livekit_layer_set_open_in_loop (GstLiveKitLayer * layer, gboolean is_open, GstClockTime start_offset)
{
  GstLiveKitChain *chain = layer->attached;
  gboolean opens;

  is_open = is_open && chain;
  /* What is not live begins when it can be sent; all tracks are shifted alike, or they would lose their sync. */
  if (is_open && chain->clocksync)
    g_object_set (chain->clocksync, "ts-offset", (gint64) start_offset, NULL);
  g_mutex_lock (&layer->lock);
  is_open = is_open && layer->chain == chain;
  opens = is_open && !layer->is_open;
  layer->is_open = is_open;
  layer->was_open |= opens;
  layer->needs_key_frame |= opens;
  g_cond_broadcast (&layer->changed);
  g_mutex_unlock (&layer->lock);
  gst_livekit_layer_tell_aligner (layer);
  if (opens)
    gst_livekit_layer_want_key_frame (layer);
  tell_active (layer);
}

/* Takes up again what was paused, with a key frame. */
static void
set_flag (GstLiveKitLayer * layer, gboolean * flag, gboolean value, gboolean resumes)
{
  gboolean is_change;

  g_mutex_lock (&layer->lock);
  is_change = *flag != value;
  *flag = value;
  layer->needs_key_frame |= is_change;
  g_mutex_unlock (&layer->lock);
  gst_livekit_layer_tell_aligner (layer);
  if (is_change && resumes)
    gst_livekit_layer_want_key_frame (layer);
}

void
gst_livekit_layer_set_muted_in_loop (GstLiveKitLayer * layer, gboolean muted)
{
  set_flag (layer, &layer->is_muted, muted, !muted);
}

static void
update_watched (GstLiveKitLayer * layer)
{
  gboolean watched = layer->is_wanted && layer->has_room;

  set_flag (layer, &layer->is_watched, watched, watched && layer->attached);
  tell_active (layer);
}

void
gst_livekit_layer_set_watched_in_loop (GstLiveKitLayer * layer, gboolean watched)
{
  layer->is_wanted = watched;
  update_watched (layer);
}

gboolean
gst_livekit_layer_wants_to_send_in_loop (GstLiveKitLayer * layer)
{
  gboolean wants;

  g_mutex_lock (&layer->lock);
  wants = layer->is_open && !layer->is_muted && layer->is_wanted;
  g_mutex_unlock (&layer->lock);
  return wants;
}

GstLiveKitShare *
gst_livekit_layer_get_share (GstLiveKitLayer * layer)
{
  return layer->share;
}

guint
gst_livekit_layer_get_tagged_bitrate (GstLiveKitLayer * layer)
{
  guint bitrate;

  g_mutex_lock (&layer->lock);
  bitrate = layer->tag_bitrate;
  g_mutex_unlock (&layer->lock);
  return bitrate;
}

void
gst_livekit_layer_set_share_in_loop (GstLiveKitLayer * layer, const LkAllocatorShare * given, gboolean is_limited)
{
  GstLiveKitShareChange change;

  gst_livekit_share_apply_in_loop (layer->share, given, is_limited, &change);
  if (layer->has_room != change.has_room) {
    layer->has_room = change.has_room;
    update_watched (layer);
  }
  if (change.thinning_begins)
    layer->delegate.warning (layer, "The connection cannot carry this stream: only its key frames are sent.",
        "let the encoder follow the pad's target-bitrate (livekitbitrate does it), or publish smaller layers",
        layer->delegate_data);
  if (change.has_target)
    gst_livekit_share_set_obeyed_in_loop (layer->share,
        layer->delegate.target_changed (layer, change.target_bps, layer->delegate_data));
}

gboolean
gst_livekit_layer_refuse_red_in_loop (GstLiveKitLayer * layer)
{
  gboolean has_red;

  g_mutex_lock (&layer->lock);
  has_red = layer->chain && g_str_equal (layer->chain->codec->mime_type, GST_LIVEKIT_MIME_TYPE_RED);
  layer->is_red_refused |= has_red;
  layer->is_stale |= has_red;
  g_cond_broadcast (&layer->changed);
  g_mutex_unlock (&layer->lock);
  return has_red;
}

void
gst_livekit_layer_tell_published_in_loop (GstLiveKitLayer * layer, const gchar * sid)
{
  layer->delegate.published (layer, sid, layer->delegate_data);
}

void
gst_livekit_layer_tell_failed_in_loop (GstLiveKitLayer * layer, const GError * error)
{
  /* What is not live must not wait for ever. */
  g_mutex_lock (&layer->lock);
  layer->was_open = TRUE;
  g_cond_broadcast (&layer->changed);
  g_mutex_unlock (&layer->lock);
  layer->delegate.failed (layer, error, layer->delegate_data);
}

void
gst_livekit_layer_get_counters (GstLiveKitLayer * layer, GstLiveKitLayerCounters * counters)
{
  g_mutex_lock (&layer->lock);
  *counters = layer->counters;
  counters->ssrc = layer->chain ? layer->chain->ssrc : 0;
  counters->width = layer->width;
  counters->height = layer->height;
  g_mutex_unlock (&layer->lock);
}
