/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitcore: the bin that a session's webrtcbins are in. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitcore.h"

struct _GstLiveKitCore
{
  GstBin parent;

  /* application thread, one call at a time */
  GstBin *home;                 /* not owned: moves us away before it goes */
  gboolean is_playing;
  GstClockTime base_time;       /* of what is inside, while playing */
};

G_DEFINE_FINAL_TYPE (GstLiveKitCore, gst_livekit_core, GST_TYPE_BIN);

GstLiveKitCore *
gst_livekit_core_new (void)
{
  GstLiveKitCore *core = g_object_new (GST_TYPE_LIVEKIT_CORE, NULL);

  gst_object_ref_sink (core);
  /* One of two elements may be paused or stopped while the other goes on. */
  gst_element_set_locked_state (GST_ELEMENT (core), TRUE);
  return core;
}

static void
set_base_time (const GValue * item, gpointer base_time)
{
  gst_element_set_base_time (g_value_get_object (item), *(GstClockTime *) base_time);
}

/* To all that is inside: it would else be told by the next state change, and media shall not pause for it. */
static void
spread_base_time (GstLiveKitCore * core)
{
  g_autoptr (GstIterator) iterator = gst_bin_iterate_recurse (GST_BIN (core));

  gst_element_set_base_time (GST_ELEMENT (core), core->base_time);
  while (gst_iterator_foreach (iterator, set_base_time, &core->base_time) == GST_ITERATOR_RESYNC)
    gst_iterator_resync (iterator);
}

void
gst_livekit_core_move (GstLiveKitCore * core, GstBin * home)
{
  g_autoptr (GstClock) old = gst_element_get_clock (GST_ELEMENT (core));
  g_autoptr (GstClock) now = NULL;

  if (core->home == home)
    return;
  if (core->home)
    gst_bin_remove (core->home, GST_ELEMENT (core));
  core->home = home;
  if (home)
    gst_bin_add (home, GST_ELEMENT (core));
  if (!core->is_playing)
    return;
  now = gst_element_get_clock (GST_ELEMENT (core));
  if (old && now && old != now)
    core->base_time += gst_clock_get_time (now) - gst_clock_get_time (old);
  spread_base_time (core);
}

void
gst_livekit_core_follow (GstLiveKitCore * core, GstElement * leader)
{
  GstElement *element = GST_ELEMENT (core);

  if (leader && !core->is_playing) {
    g_autoptr (GstClock) clock = gst_element_get_clock (leader);

    core->base_time = gst_element_get_base_time (leader);
    if (clock)
      gst_element_set_clock (element, clock);
  }
  core->is_playing = leader != NULL;
  /* Its home may have set another one, when it was paused in between. */
  if (leader)
    gst_element_set_base_time (element, core->base_time);
  gst_element_set_state (element, leader ? GST_STATE_PLAYING : GST_STATE_PAUSED);
}

GstClockTimeDiff
gst_livekit_core_get_offset (GstLiveKitCore * core, GstElement * element)
{
  g_autoptr (GstClock) ours = gst_element_get_clock (GST_ELEMENT (core));
  g_autoptr (GstClock) theirs = gst_element_get_clock (element);
  GstClockTimeDiff offset = GST_CLOCK_DIFF (core->base_time, gst_element_get_base_time (element));

  if (ours && theirs && ours != theirs)
    offset += GST_CLOCK_DIFF (gst_clock_get_time (theirs), gst_clock_get_time (ours));
  return offset;
}

/* A bin that lets go of an element takes its clock away, and a jitter buffer without a clock waits for nothing. */
static gboolean
gst_livekit_core_set_clock (GstElement * element, GstClock * clock)
{
  return clock == NULL || GST_ELEMENT_CLASS (gst_livekit_core_parent_class)->set_clock (element, clock);
}

/* What is inside comes and goes with the network; our state is what the elements say. */
static void
gst_livekit_core_handle_message (GstBin * bin, GstMessage * message)
{
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ASYNC_START || GST_MESSAGE_TYPE (message) == GST_MESSAGE_ASYNC_DONE)
    gst_message_unref (message);
  else
    GST_BIN_CLASS (gst_livekit_core_parent_class)->handle_message (bin, message);
}

static void
gst_livekit_core_class_init (GstLiveKitCoreClass * klass)
{
  GST_BIN_CLASS (klass)->handle_message = gst_livekit_core_handle_message;
  GST_ELEMENT_CLASS (klass)->set_clock = gst_livekit_core_set_clock;
}

static void
gst_livekit_core_init (GstLiveKitCore * core)
{
}
