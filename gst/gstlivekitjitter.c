/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitjitter: how rtpbin's jitter buffers begin. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitjitter.h"

/* Its thread passes three events on, to an element that has no pads yet. */
#define DRAIN_LIMIT (5 * G_TIME_SPAN_MILLISECOND)

typedef struct
{
  GMutex lock;
  GCond changed;
  gboolean is_drained;
} Beginning;

static void
beginning_clear (gpointer data)
{
  Beginning *beginning = data;

  g_mutex_clear (&beginning->lock);
  g_cond_clear (&beginning->changed);
}

static void
beginning_unref (gpointer beginning)
{
  g_atomic_rc_box_release_full (beginning, beginning_clear);
}

static GstPadProbeReturn
on_event_out (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  Beginning *beginning = data;

  if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) != GST_EVENT_SEGMENT)
    return GST_PAD_PROBE_OK;
  g_mutex_lock (&beginning->lock);
  beginning->is_drained = TRUE;
  g_cond_signal (&beginning->changed);
  g_mutex_unlock (&beginning->lock);
  return GST_PAD_PROBE_REMOVE;
}

static GstPadProbeReturn
on_first_packet (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  Beginning *beginning = data;
  gint64 end = g_get_monotonic_time () + DRAIN_LIMIT;

  g_mutex_lock (&beginning->lock);
  while (!beginning->is_drained && g_cond_wait_until (&beginning->changed, &beginning->lock, end));
  g_mutex_unlock (&beginning->lock);
  return GST_PAD_PROBE_REMOVE;
}

static void
add_probe (GstElement * jitterbuffer, const gchar * name, GstPadProbeType type, GstPadProbeCallback callback,
    Beginning * beginning)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (jitterbuffer, name);

  gst_pad_add_probe (pad, type, callback, g_atomic_rc_box_acquire (beginning), beginning_unref);
}

void
gst_livekit_jitter_hasten (GstElement * jitterbuffer)
{
  Beginning *beginning = g_atomic_rc_box_new0 (Beginning);

  g_mutex_init (&beginning->lock);
  g_cond_init (&beginning->changed);
  /* It would hold the first packet for the whole latency, since it cannot know that the stream begins with it;
   * LiveKit's server sends the first one first. */
  g_object_set (jitterbuffer, "faststart-min-packets", 1, NULL);
  /* But it looks at the head of its queue. While that is an event it goes by the next packet, 20 ms later for Opus. */
  add_probe (jitterbuffer, "src", GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_event_out, beginning);
  add_probe (jitterbuffer, "sink", GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST, on_first_packet,
      beginning);
  beginning_unref (beginning);
}
