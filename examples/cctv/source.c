/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* source: one RTSP connection. */

#include "source.h"

#include <gst/video/video.h>

#include "gop.h"
#include "retime.h"

typedef struct
{
  const gchar *encoding;        /* of the session description */
  gboolean is_video;
  const gchar *elements;        /* from packets to what livekitsink takes */
} Format;

/* Browsers have no AAC in WebRTC; all else goes on as it is. */
#define AAC_TO_OPUS "aacparse ! avdec_aac ! audioconvert ! audioresample ! " \
    "audio/x-raw,rate=48000,channels=[1,2] ! opusenc name=out"

static const Format formats[] = {
  {"H264", TRUE, "rtph264depay name=out"},
  {"H265", TRUE, "rtph265depay name=out"},
  {"PCMU", FALSE, "rtppcmudepay name=out"},
  {"PCMA", FALSE, "rtppcmadepay name=out"},
  {"OPUS", FALSE, "rtpopusdepay name=out"},
  {"MPEG4-GENERIC", FALSE, "rtpmp4gdepay name=in ! " AAC_TO_OPUS},
  {"MP4A-LATM", FALSE, "rtpmp4adepay name=in ! " AAC_TO_OPUS},
};

/* Of UDP, before TCP is tried; of a TCP connection and its answers. */
#define TIMEOUT_US ((guint64) 5 * G_USEC_PER_SEC)

struct _CctvSource
{
  gatomicrefcount ref_count;

  /* constant after construction, but for the bin, which goes last */
  GstElement *pipeline, *bin;
  GstPad *video_pad, *audio_pad;
  gboolean does_replay;

  /* rtspsrc's thread */
  gboolean has_video, has_audio;

  gint is_key_frame_wanted;     /* atomic */

  /* lock */
  GMutex lock;
  gboolean is_stopped, is_down;
  CctvSourceCounters counters;

  /* streaming thread of video, of audio */
  Retimer video_retimer, audio_retimer;
  CctvGop gop;
  gboolean is_replaying;
  guint32 packet_time;
  gint64 frame_began_us;
};

static CctvSource *
source_ref (CctvSource * source)
{
  g_atomic_ref_count_inc (&source->ref_count);
  return source;
}

void
cctv_source_unref (CctvSource * source)
{
  if (!g_atomic_ref_count_dec (&source->ref_count))
    return;
  gst_object_unref (source->pipeline);
  g_clear_pointer (&source->bin, gst_object_unref);
  gst_object_unref (source->video_pad);
  g_clear_pointer (&source->audio_pad, gst_object_unref);
  cctv_gop_clear (&source->gop);
  g_mutex_clear (&source->lock);
  g_free (source);
}

static void
source_unref (gpointer data)
{
  cctv_source_unref (data);
}

static void
closure_unref (gpointer data, GClosure * closure)
{
  source_unref (data);
}

static const Format *
find_format (const GstStructure * structure)
{
  const gchar *encoding = gst_structure_get_string (structure, "encoding-name");

  for (guint i = 0; encoding && i < G_N_ELEMENTS (formats); i++) {
    if (g_ascii_strcasecmp (formats[i].encoding, encoding) == 0)
      return &formats[i];
  }
  return NULL;
}

/* --- streaming threads --- */

static GstClockTime
running_time_now (CctvSource * source)
{
  return gst_element_get_current_running_time (source->pipeline);
}

static GstBuffer *
retime (CctvSource * source, Retimer * retimer, GstBuffer * buffer)
{
  GstClockTime now = running_time_now (source);

  if (!GST_BUFFER_PTS_IS_VALID (buffer) || !GST_CLOCK_TIME_IS_VALID (now))
    return buffer;
  buffer = gst_buffer_make_writable (buffer);
  GST_BUFFER_PTS (buffer) = retimer_map (retimer, GST_BUFFER_PTS (buffer), now);
  GST_BUFFER_DTS (buffer) = GST_CLOCK_TIME_NONE;
  return buffer;
}

static GstPadProbeReturn
on_packet (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  CctvSource *source = data;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);

  g_mutex_lock (&source->lock);
  source->counters.n_packets++;
  source->counters.n_bytes += gst_buffer_get_size (buffer);
  g_mutex_unlock (&source->lock);
  return GST_PAD_PROBE_OK;
}

/* The packets of one frame have one timestamp. */
static GstPadProbeReturn
on_video_packet (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  CctvSource *source = data;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  guint8 header[8];

  if (gst_buffer_extract (buffer, 0, header, sizeof (header)) == sizeof (header)
      && (source->frame_began_us == 0 || GST_READ_UINT32_BE (header + 4) != source->packet_time)) {
    source->packet_time = GST_READ_UINT32_BE (header + 4);
    source->frame_began_us = g_get_monotonic_time ();
  }
  return on_packet (pad, info, data);
}

static void
count_frame (CctvSource * source, GstBuffer * buffer)
{
  gint64 now = g_get_monotonic_time ();

  g_mutex_lock (&source->lock);
  source->counters.n_frames++;
  source->counters.last_frame_us = now;
  source->counters.latency_us += source->frame_began_us ? (guint64) (now - source->frame_began_us) : 0;
  if (!GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT)) {
    source->counters.n_key_frames++;
    source->counters.last_key_frame_us = now;
  }
  source->counters.n_jumps = source->video_retimer.n_jumps;
  g_mutex_unlock (&source->lock);
}

/* Who asks for a key frame gets the last one again, with all that came since, in front of @buffer. */
static void
replay (CctvSource * source, GstPad * pad, GstBuffer * buffer)
{
  g_autoptr (GPtrArray) frames = NULL;

  if (!g_atomic_int_get (&source->is_key_frame_wanted))
    return;
  if (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT) && GST_BUFFER_PTS_IS_VALID (buffer)) {
    frames = cctv_gop_replay (&source->gop, GST_BUFFER_PTS (buffer), g_get_monotonic_time ());
    if (frames == NULL)
      return;
  }
  g_atomic_int_set (&source->is_key_frame_wanted, FALSE);
  source->is_replaying = TRUE;
  for (guint i = 0; frames && i < frames->len; i++)
    gst_pad_push (pad, gst_buffer_ref (g_ptr_array_index (frames, i)));
  source->is_replaying = FALSE;
}

static GstPadProbeReturn
on_video (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  CctvSource *source = data;

  if (source->is_replaying)
    return GST_PAD_PROBE_OK;
  info->data = retime (source, &source->video_retimer, GST_PAD_PROBE_INFO_BUFFER (info));
  count_frame (source, GST_PAD_PROBE_INFO_BUFFER (info));
  if (source->does_replay) {
    replay (source, pad, GST_PAD_PROBE_INFO_BUFFER (info));
    cctv_gop_take (&source->gop, GST_PAD_PROBE_INFO_BUFFER (info), g_get_monotonic_time ());
  }
  return GST_PAD_PROBE_OK;
}

/* It goes on to the camera: some understand it. */
static GstPadProbeReturn
on_request (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  CctvSource *source = data;

  if (gst_video_event_is_force_key_unit (GST_PAD_PROBE_INFO_EVENT (info)))
    g_atomic_int_set (&source->is_key_frame_wanted, TRUE);
  return GST_PAD_PROBE_OK;
}

/* In front of a decoder: it takes up the new times. */
static GstPadProbeReturn
on_audio (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  CctvSource *source = data;

  info->data = retime (source, &source->audio_retimer, GST_PAD_PROBE_INFO_BUFFER (info));
  return GST_PAD_PROBE_OK;
}

/* The track stays when the camera ends: the next connection goes on with it. */
static GstPadProbeReturn
on_event (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  CctvSource *source = data;

  switch (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info))) {
    case GST_EVENT_EOS:
      GST_ELEMENT_ERROR (source->bin, RESOURCE, READ, ("The camera has ended its stream."), (NULL));
      return GST_PAD_PROBE_DROP;
    case GST_EVENT_FLUSH_START:
    case GST_EVENT_FLUSH_STOP:
      return GST_PAD_PROBE_DROP;
    default:
      return GST_PAD_PROBE_OK;
  }
}

/* --- rtspsrc's thread --- */

static gboolean
on_select_stream (GstElement * rtspsrc, guint number, GstCaps * caps, gpointer data)
{
  CctvSource *source = data;
  const Format *format = find_format (gst_caps_get_structure (caps, 0));
  gboolean *has = format && format->is_video ? &source->has_video : &source->has_audio;

  if (format == NULL || *has || (!format->is_video && source->audio_pad == NULL))
    return FALSE;
  *has = TRUE;
  return TRUE;
}

static void
on_no_more_pads (GstElement * rtspsrc, gpointer data)
{
  CctvSource *source = data;

  if (!source->has_video)
    GST_ELEMENT_ERROR (source->bin, STREAM, WRONG_TYPE, ("The camera offers neither H.264 nor H.265."), (NULL));
}

static GstPad *
add_ghost (CctvSource * source, GstElement * chain, const gchar * element_name, const gchar * pad_name,
    const gchar * ghost_name)
{
  g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (chain), element_name);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (element, pad_name);
  GstPad *ghost = gst_ghost_pad_new (ghost_name, pad);

  gst_pad_set_active (ghost, TRUE);
  gst_element_add_pad (chain, ghost);
  return ghost;
}

static GstElement *
make_chain (CctvSource * source, const Format * format)
{
  g_autoptr (GError) error = NULL;
  GstElement *chain = gst_parse_bin_from_description_full (format->elements, FALSE, NULL,
      GST_PARSE_FLAG_FATAL_ERRORS | GST_PARSE_FLAG_PLACE_IN_BIN, &error);

  if (chain == NULL)
    GST_ELEMENT_ERROR (source->bin, CORE, MISSING_PLUGIN, ("%s: %s", format->encoding, error->message), (NULL));
  return chain;
}

/* The first element's packets are counted, what comes out of it gets its time, what comes out of the last goes on. */
static void
watch_chain (CctvSource * source, const Format * format, GstElement * chain, GstPad * sink, GstPad * src)
{
  g_autoptr (GstPad) inner = gst_ghost_pad_get_target (GST_GHOST_PAD (sink));
  g_autoptr (GstElement) first = gst_pad_get_parent_element (inner);
  g_autoptr (GstPad) parsed = gst_element_get_static_pad (first, "src");

  gst_pad_add_probe (sink, GST_PAD_PROBE_TYPE_BUFFER, format->is_video ? on_video_packet : on_packet,
      source_ref (source), source_unref);
  gst_pad_add_probe (parsed, GST_PAD_PROBE_TYPE_BUFFER, format->is_video ? on_video : on_audio, source_ref (source),
      source_unref);
  gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, on_request, source_ref (source), source_unref);
  gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM | GST_PAD_PROBE_TYPE_EVENT_FLUSH, on_event,
      source_ref (source), source_unref);
}

static gboolean
link_out (CctvSource * source, const Format * format, GstPad * src)
{
  GstPad *ghost = gst_ghost_pad_new (format->is_video ? "video" : "audio", src);
  gboolean is_linked;

  gst_pad_set_active (ghost, TRUE);
  gst_element_add_pad (source->bin, ghost);
  g_mutex_lock (&source->lock);
  is_linked = !source->is_stopped;
  g_mutex_unlock (&source->lock);
  return is_linked && gst_pad_link (ghost, format->is_video ? source->video_pad : source->audio_pad) == GST_PAD_LINK_OK;
}

static void
on_pad_added (GstElement * rtspsrc, GstPad * pad, gpointer data)
{
  CctvSource *source = data;
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  const Format *format = caps ? find_format (gst_caps_get_structure (caps, 0)) : NULL;
  gboolean has_depayloader = format && strstr (format->elements, "name=in") != NULL;
  GstElement *chain;
  GstPad *sink, *src;

  if (format == NULL)
    return;
  chain = make_chain (source, format);
  if (chain == NULL)
    return;
  sink = add_ghost (source, chain, has_depayloader ? "in" : "out", "sink", "sink");
  src = add_ghost (source, chain, "out", "src", "src");
  watch_chain (source, format, chain, sink, src);
  gst_bin_add (GST_BIN (source->bin), chain);
  if (!link_out (source, format, src))
    return;
  gst_element_sync_state_with_parent (chain);
  gst_pad_link (pad, sink);
}

/* --- main thread --- */

static GstElement *
make_rtspsrc (const CctvCamera * camera, guint stream)
{
  static const gchar *const protocols[] = { "tcp", "udp", "tcp+udp" };
  GstElement *rtspsrc = gst_element_factory_make ("rtspsrc", NULL);
  const CctvUrl *url = &camera->streams[stream];

  if (rtspsrc == NULL)
    return NULL;
  /* Its jitter buffer holds nothing back but what waits for a lost packet, and its clock is left to the retimer. */
  g_object_set (rtspsrc, "location", url->location, "user-id", url->user, "user-pw", url->password,
      "latency", camera->latency_ms, "timeout", TIMEOUT_US, "tcp-timeout", TIMEOUT_US, NULL);
  gst_util_set_object_arg (G_OBJECT (rtspsrc), "buffer-mode", "none");
  gst_util_set_object_arg (G_OBJECT (rtspsrc), "protocols", protocols[camera->transport]);
  return rtspsrc;
}

static void
listen_to (CctvSource * source, GstElement * rtspsrc, const gchar * signal, GCallback callback)
{
  g_signal_connect_data (rtspsrc, signal, callback, source_ref (source), closure_unref, 0);
}

CctvSource *
cctv_source_new (const CctvCamera * camera, guint stream, GstBin * pipeline, GstPad * video_pad, GstPad * audio_pad)
{
  CctvSource *source = g_new0 (CctvSource, 1);
  GstElement *rtspsrc = make_rtspsrc (camera, stream);

  g_atomic_ref_count_init (&source->ref_count);
  g_mutex_init (&source->lock);
  cctv_gop_init (&source->gop);
  source->pipeline = gst_object_ref (GST_ELEMENT (pipeline));
  source->bin = gst_object_ref_sink (gst_bin_new (NULL));
  source->video_pad = gst_object_ref (video_pad);
  source->does_replay = camera->does_replay;
  source->audio_pad = audio_pad ? gst_object_ref (audio_pad) : NULL;
  if (rtspsrc == NULL)
    return source;
  listen_to (source, rtspsrc, "select-stream", G_CALLBACK (on_select_stream));
  listen_to (source, rtspsrc, "pad-added", G_CALLBACK (on_pad_added));
  listen_to (source, rtspsrc, "no-more-pads", G_CALLBACK (on_no_more_pads));
  gst_bin_add (GST_BIN (source->bin), rtspsrc);
  return source;
}

gboolean
cctv_source_start (CctvSource * source)
{
  return gst_bin_add (GST_BIN (source->pipeline), source->bin) && gst_element_sync_state_with_parent (source->bin);
}

static void
unlink_from (GstPad * sink_pad, GstElement * bin)
{
  g_autoptr (GstPad) peer = sink_pad ? gst_pad_get_peer (sink_pad) : NULL;
  g_autoptr (GstElement) parent = peer ? gst_pad_get_parent_element (peer) : NULL;

  if (parent == bin)
    gst_pad_unlink (peer, sink_pad);
}

/* Says goodbye to the camera, which may take a while. What is in the bin holds the source, so the source lets go of the
 * bin: no thread is in there any more. */
static void
take_down (GstElement * bin, gpointer data)
{
  CctvSource *source = data;

  gst_element_set_state (bin, GST_STATE_NULL);
  gst_bin_remove (GST_BIN (source->pipeline), bin);
  g_clear_pointer (&source->bin, gst_object_unref);
  g_mutex_lock (&source->lock);
  source->is_down = TRUE;
  g_mutex_unlock (&source->lock);
}

void
cctv_source_stop (CctvSource * source)
{
  g_mutex_lock (&source->lock);
  source->is_stopped = TRUE;
  g_mutex_unlock (&source->lock);
  unlink_from (source->video_pad, source->bin);
  unlink_from (source->audio_pad, source->bin);
  gst_element_set_locked_state (source->bin, TRUE);
  gst_element_call_async (source->bin, take_down, source_ref (source), source_unref);
}

gboolean
cctv_source_is_down (CctvSource * source)
{
  gboolean is_down;

  g_mutex_lock (&source->lock);
  is_down = source->is_down;
  g_mutex_unlock (&source->lock);
  return is_down;
}

gboolean
cctv_source_has (CctvSource * source, GstObject * object)
{
  return object == GST_OBJECT (source->bin) || gst_object_has_as_ancestor (object, GST_OBJECT (source->bin));
}

void
cctv_source_get_counters (CctvSource * source, CctvSourceCounters * counters)
{
  g_mutex_lock (&source->lock);
  *counters = source->counters;
  g_mutex_unlock (&source->lock);
}
