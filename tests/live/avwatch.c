/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * avwatch: when sound begins after silence, and when buffers were captured, for livelaunch.
 */

#include "avwatch.h"

#define LOUD 6000
#define SILENCE (200 * GST_MSECOND)
#define TOGETHER_US 1000
#define NTP_1970 (G_GUINT64_CONSTANT (2208988800) * GST_SECOND)

gboolean
av_watch_find_beep (GstPad * pad, GstBuffer * buffer, GstClockTime * pts)
{
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  static GQuark quark;
  GstClockTime *last_loud, at = GST_CLOCK_TIME_NONE;
  GstMapInfo map;
  gint rate;
  gboolean found = FALSE;

  if (caps == NULL || !gst_structure_get_int (gst_caps_get_structure (caps, 0), "rate", &rate))
    g_error ("no audio on %s", GST_PAD_NAME (pad));
  if (!gst_buffer_map (buffer, &map, GST_MAP_READ))
    g_error ("cannot map a buffer on %s", GST_PAD_NAME (pad));
  quark = quark ? quark : g_quark_from_static_string ("av-watch-last-loud");
  last_loud = g_object_get_qdata (G_OBJECT (pad), quark);
  if (last_loud == NULL) {
    last_loud = g_new0 (GstClockTime, 1);
    g_object_set_qdata_full (G_OBJECT (pad), quark, last_loud, g_free);
  }
  for (gsize i = 0; i + 1 < map.size; i += 2) {
    gint16 sample = (gint16) GST_READ_UINT16_LE (map.data + i);

    if (sample < LOUD && sample > -LOUD)
      continue;
    at = GST_BUFFER_PTS (buffer) + gst_util_uint64_scale (i / 2, GST_SECOND, rate);
    if (!found && at > *last_loud + SILENCE) {
      *pts = at;
      found = TRUE;
    }
    *last_loud = at;
  }
  gst_buffer_unmap (buffer, &map);
  return found;
}

GstClockTime
av_watch_running_time (GstPad * pad, GstClockTime pts)
{
  g_autoptr (GstEvent) event = gst_pad_get_sticky_event (pad, GST_EVENT_SEGMENT, 0);
  const GstSegment *segment;

  if (event == NULL)
    return pts;
  gst_event_parse_segment (event, &segment);
  return gst_segment_to_running_time (segment, GST_FORMAT_TIME, pts);
}

gint64
av_watch_captured (GstBuffer * buffer)
{
  g_autoptr (GstCaps) ntp = gst_caps_new_empty_simple ("timestamp/x-ntp");
  GstReferenceTimestampMeta *meta = gst_buffer_get_reference_timestamp_meta (buffer, ntp);

  return meta && meta->timestamp > NTP_1970 ? (gint64) ((meta->timestamp - NTP_1970) / 1000) : 0;
}

gint64
av_watch_real_time (GstPad * pad, GstBuffer * buffer)
{
  g_autoptr (GstElement) element = gst_pad_get_parent_element (pad);
  GstClockTime now;
  gint64 before, after;

  /* Both clocks at one instant: this thread may be kept waiting between them. */
  do {
    before = g_get_real_time ();
    now = gst_element_get_current_running_time (element);
    after = g_get_real_time ();
  } while (after - before > TOGETHER_US);
  return before - GST_CLOCK_DIFF (GST_BUFFER_PTS (buffer), now) / 1000;
}
