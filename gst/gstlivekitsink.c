/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitsink: request pads to tracks of a room. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

/**
 * SECTION:element-livekitsink
 * @title: livekitsink
 * @short_description: publishes encoded audio and video in a LiveKit room
 *
 * livekitsink publishes what its pads get as tracks of one participant in a LiveKit room. Input is encoded; nothing is
 * transcoded. It comes back by itself when the connection is lost.
 *
 * ## Examples
 * |[
 * gst-launch-1.0 videotestsrc is-live=true ! videoconvert ! x264enc tune=zerolatency ! livekitsink room=lab
 * ]|
 * A test picture in the room "lab" of a development server on this machine.
 * |[
 * gst-launch-1.0 livekitsink name=s server-url=wss://lk.example.com token-url=https://example.com/token room=yard \
 *     rtspsrc location=rtsp://cam/1 latency=0 ! rtph264depay ! s.video_0 \
 *     audiotestsrc is-live=true ! opusenc ! s.audio_0
 * ]|
 * A camera as it is, and a tone, on a server elsewhere; the token comes from a token URL.
 */

#include <gst/gst.h>
#include <gst/video/video.h>
#include <string.h>
#include "gstlivekitbin.h"
#include "gstlivekitcodec.h"
#include "gstlivekitelements.h"
#include "gstlivekiterror.h"
#include "gstlivekitpads.h"
#include "lkerror.h"

#define GST_CAT_DEFAULT gst_livekit_debug

#define GST_TYPE_LIVEKIT_SINK (gst_livekit_sink_get_type ())
G_DECLARE_FINAL_TYPE (GstLiveKitSink, gst_livekit_sink, GST, LIVEKIT_SINK, GstLiveKitBin)

struct _GstLiveKitSink
{
  GstLiveKitBin parent;

  /* OBJECT_LOCK */
  guint n_video, n_audio;       /* next free pad numbers */
  gboolean eos_is_posted, error_is_posted;
};

G_DEFINE_FINAL_TYPE_WITH_CODE (GstLiveKitSink, gst_livekit_sink, GST_TYPE_LIVEKIT_BIN,
    G_IMPLEMENT_INTERFACE (GST_TYPE_CHILD_PROXY, gst_livekit_pads_child_proxy_init));
GST_ELEMENT_REGISTER_DEFINE_WITH_CODE (livekitsink, "livekitsink", GST_RANK_NONE, GST_TYPE_LIVEKIT_SINK,
    gst_livekit_init_once ());

/* --- tracks --- */

static GstLiveKitSinkPad *
pad_of_layer (GstLiveKitSink * self, GstLiveKitLayer * layer)
{
  return GST_LIVEKIT_SINK_PAD (gst_element_get_static_pad (GST_ELEMENT (self),
          gst_livekit_layer_get_pad_name (layer)));
}

static void
on_layer_key_frame_wanted (GstLiveKitLayer * layer, gpointer data)
{
  g_autoptr (GstLiveKitSinkPad) pad = pad_of_layer (data, layer);

  if (pad == NULL)
    return;
  GST_DEBUG_OBJECT (pad, "key frame wanted");
  gst_pad_push_event (GST_PAD (pad), gst_video_event_new_upstream_force_key_unit (GST_CLOCK_TIME_NONE, TRUE, 0));
}

static void
on_layer_warning (GstLiveKitLayer * layer, const gchar * text, const gchar * debug, gpointer data)
{
  GST_ELEMENT_WARNING (data, STREAM, FORMAT, ("%s", text), ("pad %s: %s", gst_livekit_layer_get_pad_name (layer), debug));
}

static void
on_layer_size_changed (GstLiveKitLayer * layer, gpointer data)
{
  g_autoptr (GstLiveKitSession) session = gst_livekit_bin_ref_session (data);

  if (session)
    gst_livekit_session_size_changed_in_loop (session, layer);
}

static void
on_layer_active_changed (GstLiveKitLayer * layer, gboolean is_active, gpointer data)
{
  g_autoptr (GstLiveKitSinkPad) pad = pad_of_layer (data, layer);
  g_autofree gchar *sid = NULL;

  GST_INFO_OBJECT (data, "pad=%s active=%d", gst_livekit_layer_get_pad_name (layer), is_active);
  if (pad == NULL)
    return;
  g_object_get (pad, "track-sid", &sid, NULL);
  gst_livekit_sink_pad_tell_active (pad);
  gst_element_post_message (data, gst_message_new_element (data, gst_structure_new ("livekit-track",
              "action", G_TYPE_STRING, is_active ? "active" : "inactive", "sid", G_TYPE_STRING, sid,
              "pad", G_TYPE_STRING, gst_livekit_layer_get_pad_name (layer), NULL)));
}

static gboolean
on_layer_target_changed (GstLiveKitLayer * layer, guint bps, gpointer data)
{
  g_autoptr (GstLiveKitSinkPad) pad = pad_of_layer (data, layer);

  GST_DEBUG_OBJECT (data, "pad=%s target-bitrate=%u", gst_livekit_layer_get_pad_name (layer), bps);
  return pad && gst_livekit_sink_pad_tell_target (pad, bps);
}

static void
publish_again_in_loop (GstLiveKitLayer * layer, gpointer data)
{
  g_autoptr (GstLiveKitSession) session = gst_livekit_bin_ref_session (data);

  if (session)
    gst_livekit_session_format_known_in_loop (session, layer);
}

static void
on_layer_published (GstLiveKitLayer * layer, const gchar * sid, gpointer data)
{
  g_autoptr (GstLiveKitSinkPad) pad = pad_of_layer (data, layer);

  if (sid)
    GST_INFO_OBJECT (data, "track published sid=%s pad=%s", sid, gst_livekit_layer_get_pad_name (layer));
  if (pad)
    gst_livekit_sink_pad_set_sid (pad, sid);
}

static void
on_layer_failed (GstLiveKitLayer * layer, const GError * error, gpointer data)
{
  gst_livekit_post_warning (data, error);
  gst_element_post_message (data, gst_message_new_element (data, gst_structure_new ("livekit-track",
              "action", G_TYPE_STRING, "failed", "pad", G_TYPE_STRING, gst_livekit_layer_get_pad_name (layer),
              "reason", G_TYPE_STRING, error->domain == LK_ERROR ? lk_error_reason (error->code) : "internal",
              "text", G_TYPE_STRING, error->message, NULL)));
}

static const GstLiveKitLayerDelegate layer_delegate = {
  .key_frame_wanted = on_layer_key_frame_wanted,
  .warning = on_layer_warning,
  .format_known = publish_again_in_loop,
  .size_changed = on_layer_size_changed,
  .published = on_layer_published,
  .active_changed = on_layer_active_changed,
  .target_changed = on_layer_target_changed,
  .failed = on_layer_failed,
};

static void
get_track_settings (GstLiveKitSession * session, GstLiveKitLayer * layer, GstLiveKitTrackSettings * settings,
    gpointer data)
{
  g_autoptr (GstLiveKitSinkPad) pad = pad_of_layer (data, layer);

  if (pad)
    gst_livekit_sink_pad_get_settings (pad, settings);
}

static void
on_session_layer_muted (GstLiveKitSession * session, GstLiveKitLayer * layer, gboolean muted, gpointer data)
{
  g_autoptr (GstLiveKitSinkPad) pad = pad_of_layer (data, layer);

  if (pad)
    gst_livekit_sink_pad_set_muted (pad, muted);
}

/* --- the pad's functions --- */

static gboolean
is_upstream_live (GstPad * pad)
{
  g_autoptr (GstQuery) query = gst_query_new_latency ();
  gboolean is_live = FALSE;

  /* Who does not answer (appsrc, a demuxer behind a pipe) pushes when it likes, as a live source does not. */
  if (gst_pad_peer_query (pad, query))
    gst_query_parse_latency (query, &is_live, NULL, NULL);
  return is_live;
}

/* Upstream may try the same caps again and again; it is told once in a session. */
static gboolean
is_first_error (GstLiveKitSink * self)
{
  gboolean is_first;

  GST_OBJECT_LOCK (self);
  is_first = !self->error_is_posted;
  self->error_is_posted = TRUE;
  GST_OBJECT_UNLOCK (self);
  return is_first;
}

static const gchar *
encoder_hint (GstCaps * caps)
{
  const gchar *name = gst_caps_get_size (caps) ? gst_structure_get_name (gst_caps_get_structure (caps, 0)) : "";

  if (g_str_equal (name, "video/x-raw"))
    return "Raw video has to be encoded: put \"videoconvert ! x264enc tune=zerolatency\" or \"vp8enc deadline=1\" in front.";
  if (g_str_equal (name, "audio/x-raw"))
    return "Raw audio has to be encoded: put \"audioconvert ! audioresample ! opusenc\" in front.";
  return "Put an encoder for one of the formats of the pad template in front (see gst-inspect-1.0 livekitsink).";
}

static gboolean
has_other_pads (GstLiveKitSink * self)
{
  gboolean has;

  GST_OBJECT_LOCK (self);
  has = GST_ELEMENT (self)->numsinkpads > 1;
  GST_OBJECT_UNLOCK (self);
  return has;
}

/* Without a profile the stream is looked at later; so intersection, not subset. */
static gboolean
is_publishable (GstPad * pad, GstCaps * caps)
{
  g_autoptr (GstCaps) ours = gst_pad_get_pad_template_caps (pad);

  return gst_caps_can_intersect (caps, ours);
}

static void
post_caps_error (GstLiveKitSink * self, GstPad * pad, GstCaps * caps)
{
  if (!is_first_error (self))
    return;
  if (is_publishable (pad, caps))
    GST_ELEMENT_ERROR (self, CORE, MISSING_PLUGIN, ("Elements for this codec are missing."),
        ("caps %" GST_PTR_FORMAT, caps));
  else
    GST_ELEMENT_ERROR (self, STREAM, WRONG_TYPE, ("%s", encoder_hint (caps)),
        ("pad %s cannot publish %" GST_PTR_FORMAT, GST_OBJECT_NAME (pad), caps));
}

/* The track is lost, the others go on: upstream hears nothing of it, for its error would end them all. */
static void
refuse_track (GstLiveKitSink * self, GstLiveKitSinkPad * pad, GstCaps * caps)
{
  GstLiveKitLayer *layer = gst_livekit_sink_pad_get_layer (pad);
  g_autoptr (GstLiveKitSession) session = gst_livekit_bin_ref_session (GST_LIVEKIT_BIN (self));
  g_autofree gchar *text = gst_caps_to_string (caps);
  g_autoptr (GError) error = is_publishable (GST_PAD (pad), caps) ?
      g_error_new (LK_ERROR, LK_ERROR_PUBLISH, "Elements for the codec of pad %s are missing: %s",
      GST_OBJECT_NAME (pad), text) : g_error_new (LK_ERROR, LK_ERROR_PUBLISH, "Pad %s cannot publish %s. %s",
      GST_OBJECT_NAME (pad), text, encoder_hint (caps));

  gst_livekit_sink_pad_set_refused (pad, TRUE);
  if (session)
    gst_livekit_session_remove_layer (session, layer);
  on_layer_failed (layer, error, self);
}

static gboolean
take_caps (GstLiveKitSink * self, GstLiveKitSinkPad * pad, GstCaps * caps)
{
  GstLiveKitLayer *layer = gst_livekit_sink_pad_get_layer (pad);
  g_autoptr (GstLiveKitSession) session = gst_livekit_bin_ref_session (GST_LIVEKIT_BIN (self));
  GstLiveKitLayerInput input = {.is_live = is_upstream_live (GST_PAD (pad)) };

  g_object_get (pad, "red", &input.has_red, "measure-level", &input.measures_level, NULL);
  if (is_publishable (GST_PAD (pad), caps)
      && gst_livekit_layer_set_caps (layer, caps, &input)) {
    if (gst_livekit_sink_pad_set_refused (pad, FALSE) && session)
      gst_livekit_session_add_layer (session, layer);
    return TRUE;
  }
  if (has_other_pads (self))
    refuse_track (self, pad, caps);
  else
    post_caps_error (self, GST_PAD (pad), caps);
  return gst_livekit_sink_pad_is_refused (pad);
}

static void
post_eos_in_loop (gpointer data)
{
  GstElement *self = data;

  GST_INFO_OBJECT (self, "all pads have ended");
  gst_element_post_message (self, gst_message_new_eos (GST_OBJECT (self)));
}

static gboolean
is_all_eos (GstLiveKitSink * self)
{
  gboolean is_all = TRUE;

  GST_OBJECT_LOCK (self);
  for (GList * item = GST_ELEMENT (self)->sinkpads; item; item = item->next)
    is_all &= gst_livekit_sink_pad_is_eos (item->data);
  is_all &= !self->eos_is_posted && GST_ELEMENT (self)->sinkpads != NULL;
  self->eos_is_posted |= is_all;
  GST_OBJECT_UNLOCK (self);
  return is_all;
}

/* The last pad's EOS ends it all; a track whose pad ended earlier is unpublished when its last packets are out. */
static void
take_eos (GstLiveKitSink * self, GstLiveKitSinkPad * pad)
{
  g_autoptr (GstLiveKitSession) session = gst_livekit_bin_ref_session (GST_LIVEKIT_BIN (self));

  if (session == NULL || !gst_livekit_sink_pad_take_eos (pad))
    return;
  GST_DEBUG_OBJECT (pad, "EOS");
  if (is_all_eos (self))
    gst_livekit_session_finish (session, post_eos_in_loop, gst_object_ref (self), gst_object_unref);
  else
    gst_livekit_session_end_layer (session, gst_livekit_sink_pad_get_layer (pad));
}

static void
end_eos (GstLiveKitSink * self, GstLiveKitSinkPad * pad)
{
  g_autoptr (GstLiveKitSession) session = gst_livekit_bin_ref_session (GST_LIVEKIT_BIN (self));

  if (!gst_livekit_sink_pad_is_eos (pad))
    return;
  gst_livekit_sink_pad_reset_eos (pad);
  GST_OBJECT_LOCK (self);
  self->eos_is_posted = FALSE;
  GST_OBJECT_UNLOCK (self);
  if (session)
    gst_livekit_session_add_layer (session, gst_livekit_sink_pad_get_layer (pad));
}

static gboolean
gst_livekit_sink_pad_event (GstPad * pad, GstObject * parent, GstEvent * event)
{
  GstLiveKitSink *self = GST_LIVEKIT_SINK (parent);
  GstLiveKitLayer *layer = gst_livekit_sink_pad_get_layer (GST_LIVEKIT_SINK_PAD (pad));
  gboolean ok = TRUE;
  GstCaps *caps;

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_CAPS:
      gst_event_parse_caps (event, &caps);
      ok = take_caps (self, GST_LIVEKIT_SINK_PAD (pad), caps);
      /* What came before had nowhere to go. */
      if (ok) {
        g_autoptr (GstEvent) segment = gst_pad_get_sticky_event (pad, GST_EVENT_SEGMENT, 0);

        if (segment)
          gst_livekit_layer_push_event (layer, gst_event_ref (segment));
      }
      break;
    case GST_EVENT_EOS:
      take_eos (self, GST_LIVEKIT_SINK_PAD (pad));
      break;
    case GST_EVENT_STREAM_START:
      end_eos (self, GST_LIVEKIT_SINK_PAD (pad));
      break;
    case GST_EVENT_FLUSH_START:
      gst_livekit_layer_flush (layer, TRUE);
      return gst_livekit_layer_push_event (layer, event);
    case GST_EVENT_FLUSH_STOP:
      gst_livekit_layer_flush (layer, FALSE);
      end_eos (self, GST_LIVEKIT_SINK_PAD (pad));
      return gst_livekit_layer_push_event (layer, event);
    case GST_EVENT_SEGMENT:
    case GST_EVENT_GAP:
    case GST_EVENT_TAG:
      return gst_livekit_layer_push_event (layer, event);
    default:
      break;
  }
  gst_event_unref (event);
  return ok;
}

static GstFlowReturn
gst_livekit_sink_pad_chain (GstPad * pad, GstObject * parent, GstBuffer * buffer)
{
  if (gst_livekit_sink_pad_is_refused (GST_LIVEKIT_SINK_PAD (pad))) {
    gst_buffer_unref (buffer);
    return GST_FLOW_OK;
  }
  return gst_livekit_layer_push (gst_livekit_sink_pad_get_layer (GST_LIVEKIT_SINK_PAD (pad)), buffer);
}

static gboolean
accept_caps (GstLiveKitSink * self, GstPad * pad, GstQuery * query)
{
  gboolean ok;
  GstCaps *caps;

  gst_query_parse_accept_caps (query, &caps);
  ok = is_publishable (pad, caps);
  if (!ok && !has_other_pads (self))
    post_caps_error (self, pad, caps);
  gst_query_set_accept_caps_result (query, ok || has_other_pads (self));
  return TRUE;
}

static gboolean
gst_livekit_sink_pad_query (GstPad * pad, GstObject * parent, GstQuery * query)
{
  GstCaps *filter;

  switch (GST_QUERY_TYPE (query)) {
    case GST_QUERY_CAPS:{
      g_autoptr (GstCaps) caps = gst_pad_get_pad_template_caps (pad);
      g_autoptr (GstCaps) filtered = NULL;

      gst_query_parse_caps (query, &filter);
      filtered = filter ? gst_caps_intersect_full (filter, caps, GST_CAPS_INTERSECT_FIRST) : gst_caps_ref (caps);
      gst_query_set_caps_result (query, filtered);
      return TRUE;
    }
    case GST_QUERY_ACCEPT_CAPS:
      return accept_caps (GST_LIVEKIT_SINK (parent), pad, query);
    case GST_QUERY_ALLOCATION:
      return FALSE;
    default:
      return gst_pad_query_default (pad, parent, query);
  }
}

/* --- pads come and go --- */

static gchar *
choose_name (GstLiveKitSink * self, LkTrackKind kind, const gchar * wanted)
{
  const gchar *prefix = kind == LK_TRACK_VIDEO ? "video_" : "audio_";
  guint *next = kind == LK_TRACK_VIDEO ? &self->n_video : &self->n_audio;
  gchar *name;
  guint64 number;

  GST_OBJECT_LOCK (self);
  if (wanted && g_str_has_prefix (wanted, prefix)
      && g_ascii_string_to_unsigned (wanted + strlen (prefix), 10, 0, G_MAXUINT - 1, &number, NULL)) {
    *next = MAX (*next, (guint) number + 1);
    name = g_strdup (wanted);
  } else {
    name = g_strdup_printf ("%s%u", prefix, (*next)++);
  }
  GST_OBJECT_UNLOCK (self);
  return name;
}

static GstPad *
gst_livekit_sink_request_new_pad (GstElement * element, GstPadTemplate * templ, const gchar * wanted,
    const GstCaps * caps)
{
  GstLiveKitSink *self = GST_LIVEKIT_SINK (element);
  LkTrackKind kind = g_str_has_prefix (GST_PAD_TEMPLATE_NAME_TEMPLATE (templ), "video") ? LK_TRACK_VIDEO :
      LK_TRACK_AUDIO;
  g_autofree gchar *name = choose_name (self, kind, wanted);
  GstLiveKitSinkPad *pad = gst_livekit_sink_pad_new (templ, name, kind);
  GstLiveKitLayer *layer = gst_livekit_layer_new (name, kind, &layer_delegate, self);
  g_autoptr (GstLiveKitSession) session = gst_livekit_bin_ref_session (GST_LIVEKIT_BIN (self));

  gst_livekit_sink_pad_set_layer (pad, layer);
  gst_pad_set_chain_function (GST_PAD (pad), gst_livekit_sink_pad_chain);
  gst_pad_set_event_function (GST_PAD (pad), gst_livekit_sink_pad_event);
  gst_pad_set_query_function (GST_PAD (pad), gst_livekit_sink_pad_query);
  if (session) {
    gst_livekit_layer_start (layer, GST_BIN (self), gst_livekit_session_get_loop (session));
    gst_livekit_session_add_layer (session, layer);
    gst_pad_set_active (GST_PAD (pad), TRUE);
  }
  if (!gst_element_add_pad (element, GST_PAD (pad))) {
    if (session)
      gst_livekit_session_remove_layer (session, layer);
    return NULL;
  }
  gst_child_proxy_child_added (GST_CHILD_PROXY (self), G_OBJECT (pad), name);
  return GST_PAD (pad);
}

static void
release_track_in_loop (gpointer data)
{
  gst_livekit_layer_stop (data);
}

static void
gst_livekit_sink_release_pad (GstElement * element, GstPad * pad)
{
  GstLiveKitSink *self = GST_LIVEKIT_SINK (element);
  GstLiveKitLayer *layer = gst_livekit_sink_pad_get_layer (GST_LIVEKIT_SINK_PAD (pad));
  g_autoptr (GstLiveKitSession) session = gst_livekit_bin_ref_session (GST_LIVEKIT_BIN (self));
  g_autofree gchar *name = gst_pad_get_name (pad);

  gst_livekit_layer_flush (layer, TRUE);
  gst_pad_set_active (pad, FALSE);
  gst_livekit_layer_ref (layer);
  if (session)
    gst_livekit_session_remove_layer (session, layer);
  /* Its elements go when the room loop no longer uses them, which is after what was posted above. */
  if (session == NULL || !lk_loop_post (gst_livekit_session_get_loop (session), release_track_in_loop,
          gst_livekit_layer_ref (layer), (GDestroyNotify) gst_livekit_layer_unref))
    gst_livekit_layer_stop (layer);
  gst_child_proxy_child_removed (GST_CHILD_PROXY (self), G_OBJECT (pad), name);
  gst_element_remove_pad (element, pad);
  gst_livekit_layer_unref (layer);
  if (session && is_all_eos (self))
    gst_livekit_session_finish (session, post_eos_in_loop, gst_object_ref (self), gst_object_unref);
}

static void
for_each_pad (GstLiveKitSink * self, void (*func) (GstLiveKitSink * self, GstLiveKitSinkPad * pad, gpointer data),
    gpointer data)
{
  g_autoptr (GList) pads = NULL;

  GST_OBJECT_LOCK (self);
  pads = g_list_copy_deep (GST_ELEMENT (self)->sinkpads, (GCopyFunc) (GCallback) gst_object_ref, NULL);
  GST_OBJECT_UNLOCK (self);
  for (GList * item = pads; item; item = item->next) {
    func (self, item->data, data);
    gst_object_unref (item->data);
  }
}

/* --- the session --- */

static void
start_pad (GstLiveKitSink * self, GstLiveKitSinkPad * pad, gpointer data)
{
  GstLiveKitSession *session = data;

  gst_livekit_sink_pad_reset_eos (pad);
  gst_livekit_sink_pad_set_refused (pad, FALSE);
  gst_livekit_layer_start (gst_livekit_sink_pad_get_layer (pad), GST_BIN (self),
      gst_livekit_session_get_loop (session));
  gst_livekit_session_add_layer (session, gst_livekit_sink_pad_get_layer (pad));
}

static void
flush_pad (GstLiveKitSink * self, GstLiveKitSinkPad * pad, gpointer data)
{
  gst_livekit_layer_flush (gst_livekit_sink_pad_get_layer (pad), TRUE);
}

static void
stop_pad (GstLiveKitSink * self, GstLiveKitSinkPad * pad, gpointer data)
{
  gst_livekit_layer_stop (gst_livekit_sink_pad_get_layer (pad));
}

static void
gst_livekit_sink_prepare (GstLiveKitBin * bin, GstLiveKitSessionDelegate * delegate,
    GstLiveKitSessionSettings * settings)
{
  delegate->get_track_settings = get_track_settings;
  delegate->track_muted = on_session_layer_muted;
}

static void
gst_livekit_sink_started (GstLiveKitBin * bin, GstLiveKitSession * session)
{
  GST_LIVEKIT_SINK (bin)->eos_is_posted = FALSE;
  GST_LIVEKIT_SINK (bin)->error_is_posted = FALSE;
  for_each_pad (GST_LIVEKIT_SINK (bin), start_pad, session);
}

static void
gst_livekit_sink_stopping (GstLiveKitBin * bin)
{
  for_each_pad (GST_LIVEKIT_SINK (bin), flush_pad, NULL);
}

static void
gst_livekit_sink_stopped (GstLiveKitBin * bin)
{
  for_each_pad (GST_LIVEKIT_SINK (bin), stop_pad, NULL);
}

static void
add_template (GstElementClass * klass, const gchar * name, LkTrackKind kind)
{
  g_autoptr (GstCaps) caps = gst_livekit_codecs_input_caps (kind);

  gst_element_class_add_pad_template (klass, gst_pad_template_new_with_gtype (name, GST_PAD_SINK, GST_PAD_REQUEST,
          caps, GST_TYPE_LIVEKIT_SINK_PAD));
}

static void
gst_livekit_sink_class_init (GstLiveKitSinkClass * klass)
{
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstLiveKitBinClass *bin_class = GST_LIVEKIT_BIN_CLASS (klass);

  element_class->request_new_pad = gst_livekit_sink_request_new_pad;
  element_class->release_pad = gst_livekit_sink_release_pad;
  bin_class->role = GST_LIVEKIT_ROLE_PUBLISHER;
  bin_class->prepare = gst_livekit_sink_prepare;
  bin_class->started = gst_livekit_sink_started;
  bin_class->stopping = gst_livekit_sink_stopping;
  bin_class->stopped = gst_livekit_sink_stopped;
  add_template (element_class, "video_%u", LK_TRACK_VIDEO);
  add_template (element_class, "audio_%u", LK_TRACK_AUDIO);
  gst_element_class_set_static_metadata (element_class, "LiveKit sink", "Sink/Network/WebRTC",
      "Publishes encoded audio and video as tracks of a LiveKit room", "The gst-livekit authors");
  gst_type_mark_as_plugin_api (GST_TYPE_LIVEKIT_SINK_PAD, 0);
}

static void
gst_livekit_sink_init (GstLiveKitSink * self)
{
  gst_bin_set_suppressed_flags (GST_BIN (self), GST_ELEMENT_FLAG_SOURCE | GST_ELEMENT_FLAG_SINK);
  GST_OBJECT_FLAG_SET (self, GST_ELEMENT_FLAG_SINK);
}
