/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * measure: what livekit-demo measures. When each numbered picture passed which place, and how sound lies to pictures.
 */

#include "measure.h"

#include <math.h>

#include "framemark.h"

#define MAX_FRAMES 36000        /* 20 minutes; later ones are not measured */
#define MAX_BEEPS 1200
#define RATE 48000
#define BEEP_LENGTH (100 * GST_MSECOND)
#define BEEP_LEVEL 0.2f
#define BACKGROUND_LEVEL 0.02f
#define ONSET_LEVEL 0.08f       /* between the two */
#define ONSET_QUIET (500 * GST_MSECOND)
#define PICTURE_TO_KEEP 60      /* the decoder is well under way by then */

typedef struct
{
  gint64 painted, sent, received, decoded;      /* monotonic, us; 0 = not seen */
  GstClockTime capture, pts;    /* running time at the publisher, timestamp at the receiver */
} Frame;

struct _Measure
{
  GMutex lock;
  /* with the lock */
  Frame *frames;                /* MAX_FRAMES, by number */
  guint n_painted, n_sent, n_decoded, n_unreadable, first_number, last_number;
  gint64 first_frame;
  GHashTable *arrivals;         /* GstClockTime -> gint64: when a frame left livekitsrc, by timestamp */
  GstClockTime beeps[MAX_BEEPS], last_loud;
  guint n_beeps;
  GstSample *picture;
};

static GstClockTime
running_time (GstPad * pad, GstBuffer * buffer)
{
  g_autoptr (GstEvent) event = gst_pad_get_sticky_event (pad, GST_EVENT_SEGMENT, 0);
  const GstSegment *segment;

  if (event == NULL)
    return GST_CLOCK_TIME_NONE;
  gst_event_parse_segment (event, &segment);
  return gst_segment_to_running_time (segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer));
}

/* The publisher's side */

static GstPadProbeReturn
paint (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  Measure *measure = data;
  GstBuffer *buffer = gst_buffer_make_writable (GST_PAD_PROBE_INFO_BUFFER (info));
  guint number;

  GST_PAD_PROBE_INFO_DATA (info) = buffer;
  g_mutex_lock (&measure->lock);
  number = measure->n_painted++;
  if (number < MAX_FRAMES) {
    measure->frames[number].painted = g_get_monotonic_time ();
    measure->frames[number].capture = running_time (pad, buffer);
  }
  g_mutex_unlock (&measure->lock);
  frame_mark_write_buffer (pad, buffer, number);
  return GST_PAD_PROBE_OK;
}

/* The encoder gives one buffer for one picture, in their order. */
static GstPadProbeReturn
note_sent (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  Measure *measure = data;

  g_mutex_lock (&measure->lock);
  if (measure->n_sent < MAX_FRAMES)
    measure->frames[measure->n_sent++].sent = g_get_monotonic_time ();
  g_mutex_unlock (&measure->lock);
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
shape_tone (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstBuffer *buffer = gst_buffer_make_writable (GST_PAD_PROBE_INFO_BUFFER (info));
  GstClockTime start = running_time (pad, buffer);
  GstMapInfo map;

  GST_PAD_PROBE_INFO_DATA (info) = buffer;
  if (!gst_buffer_map (buffer, &map, GST_MAP_READWRITE))
    return GST_PAD_PROBE_OK;
  for (gsize i = 0; i < map.size / sizeof (gfloat); i++) {
    GstClockTime now = start + gst_util_uint64_scale (i, GST_SECOND, RATE);

    ((gfloat *) map.data)[i] *= now % GST_SECOND < BEEP_LENGTH ? BEEP_LEVEL : BACKGROUND_LEVEL;
  }
  gst_buffer_unmap (buffer, &map);
  return GST_PAD_PROBE_OK;
}

/* The receiver's side */

static GstPadProbeReturn
note_received (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  Measure *measure = data;
  GstClockTime pts = GST_BUFFER_PTS (GST_PAD_PROBE_INFO_BUFFER (info));

  g_mutex_lock (&measure->lock);
  if (measure->first_frame == 0)
    measure->first_frame = g_get_monotonic_time ();
  g_hash_table_insert (measure->arrivals, g_memdup2 (&pts, sizeof pts), GSIZE_TO_POINTER (g_get_monotonic_time ()));
  g_mutex_unlock (&measure->lock);
  return GST_PAD_PROBE_OK;
}

static void
note_decoded_locked (Measure * measure, guint number, GstClockTime pts)
{
  Frame *frame = &measure->frames[number];

  if (measure->n_decoded++ == 0)
    measure->first_number = number;
  measure->last_number = MAX (measure->last_number, number);
  frame->decoded = g_get_monotonic_time ();
  frame->received = (gint64) GPOINTER_TO_SIZE (g_hash_table_lookup (measure->arrivals, &pts));
  frame->pts = pts;
}

static GstPadProbeReturn
look_at_picture (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  Measure *measure = data;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  guint number;
  gboolean readable = frame_mark_read_buffer (pad, buffer, &number);

  g_mutex_lock (&measure->lock);
  if (readable && number < MIN (measure->n_sent, MAX_FRAMES))
    note_decoded_locked (measure, number, GST_BUFFER_PTS (buffer));
  else
    measure->n_unreadable++;
  if (measure->picture == NULL && measure->n_decoded == PICTURE_TO_KEEP) {
    g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);

    measure->picture = gst_sample_new (buffer, caps, NULL, NULL);
  }
  g_mutex_unlock (&measure->lock);
  return GST_PAD_PROBE_OK;
}

/* Notes when it becomes loud after half a second of quiet. */
static GstPadProbeReturn
listen_to_sound (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  Measure *measure = data;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  GstMapInfo map;

  if (!gst_buffer_map (buffer, &map, GST_MAP_READ))
    return GST_PAD_PROBE_OK;
  for (gsize i = 0; i < map.size / sizeof (gfloat); i++) {
    GstClockTime now = GST_BUFFER_PTS (buffer) + gst_util_uint64_scale (i, GST_SECOND, RATE);

    if (fabsf (((gfloat *) map.data)[i]) < ONSET_LEVEL)
      continue;
    if (measure->last_loud != 0 && now > measure->last_loud + ONSET_QUIET && measure->n_beeps < MAX_BEEPS)
      measure->beeps[measure->n_beeps++] = now;
    measure->last_loud = now;
  }
  gst_buffer_unmap (buffer, &map);
  return GST_PAD_PROBE_OK;
}

/* Results */

static gint
compare_doubles (gconstpointer a, gconstpointer b)
{
  return *(const gdouble *) a < *(const gdouble *) b ? -1 : 1;
}

static gdouble
percentile (GArray * values, gdouble part)
{
  if (values->len == 0)
    return NAN;
  g_array_sort (values, compare_doubles);
  return g_array_index (values, gdouble, MIN (values->len - 1, (guint) (values->len * part)));
}

/* How much later than the pictures of the same moment the sound is in the receiver's timestamps, in ms: beeps leave at
 * whole seconds of the publisher's running time, and the pictures tell how that maps to the receiver's. */
static gdouble
av_offset (Measure * measure)
{
  g_autoptr (GArray) shifts = g_array_new (FALSE, FALSE, sizeof (gdouble));
  g_autoptr (GArray) offsets = g_array_new (FALSE, FALSE, sizeof (gdouble));
  gdouble shift;

  for (guint i = measure->first_number; i <= measure->last_number; i++) {
    Frame *frame = &measure->frames[i];
    gdouble between = (gdouble) GST_CLOCK_DIFF (frame->pts, frame->capture);

    if (frame->decoded != 0)
      g_array_append_val (shifts, between);
  }
  shift = percentile (shifts, 0.5);
  for (guint i = 0; i < measure->n_beeps; i++) {
    gdouble seconds = (measure->beeps[i] + shift) / GST_SECOND;
    gdouble offset = (seconds - round (seconds)) * 1000;

    g_array_append_val (offsets, offset);
  }
  return percentile (offsets, 0.5);
}

static void
print_latency (Measure * measure, const gchar * title, gsize from, gsize to)
{
  g_autoptr (GArray) values = g_array_new (FALSE, FALSE, sizeof (gdouble));

  for (guint i = measure->first_number; i <= measure->last_number; i++) {
    gint64 start = G_STRUCT_MEMBER (gint64, &measure->frames[i], from);
    gint64 end = G_STRUCT_MEMBER (gint64, &measure->frames[i], to);
    gdouble ms = (end - start) / 1000.0;

    if (measure->frames[i].decoded != 0 && start != 0 && end != 0)
      g_array_append_val (values, ms);
  }
  g_print ("  %-50s %6.1f ms median, %6.1f ms 99th percentile\n", title, percentile (values, 0.5),
      percentile (values, 0.99));
}

void
measure_print (Measure * measure)
{
  g_mutex_lock (&measure->lock);
  g_print ("  %-50s %6u\n", "frames sent, first to last received",
      measure->n_decoded ? measure->last_number - measure->first_number + 1 : 0);
  g_print ("  %-50s %6u (%u unreadable)\n", "frames received and decoded", measure->n_decoded, measure->n_unreadable);
  print_latency (measure, "latency, livekitsink's pad to livekitsrc's pad", G_STRUCT_OFFSET (Frame, sent),
      G_STRUCT_OFFSET (Frame, received));
  print_latency (measure, "latency, raw picture to raw picture", G_STRUCT_OFFSET (Frame, painted),
      G_STRUCT_OFFSET (Frame, decoded));
  g_print ("  %-50s %6.1f ms median of %u beeps (positive: sound late)\n", "A/V offset", av_offset (measure),
      measure->n_beeps);
  g_print ("  One clock measures both ends. Frames are taken as they come; a sink that plays in sync shows them\n"
      "  later, by the latency of livekitsrc (100 ms by default).\n\n");
  g_mutex_unlock (&measure->lock);
}

/* Making and reading */

static void
watch (Measure * measure, GstPad * pad, GstPadProbeCallback probe)
{
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, probe, measure, NULL);
}

void
measure_watch_raw_video (Measure * measure, GstPad * pad)
{
  watch (measure, pad, paint);
}

void
measure_watch_sent (Measure * measure, GstPad * pad)
{
  watch (measure, pad, note_sent);
}

void
measure_watch_tone (Measure * measure, GstPad * pad)
{
  watch (measure, pad, shape_tone);
}

void
measure_watch_received (Measure * measure, GstPad * pad)
{
  watch (measure, pad, note_received);
}

void
measure_watch_picture (Measure * measure, GstPad * pad)
{
  watch (measure, pad, look_at_picture);
}

void
measure_watch_sound (Measure * measure, GstPad * pad)
{
  watch (measure, pad, listen_to_sound);
}

gint64
measure_get_first_frame (Measure * measure)
{
  gint64 first_frame;

  g_mutex_lock (&measure->lock);
  first_frame = measure->first_frame;
  g_mutex_unlock (&measure->lock);
  return first_frame;
}

guint
measure_get_n_sent (Measure * measure)
{
  guint n_sent;

  g_mutex_lock (&measure->lock);
  n_sent = measure->n_sent;
  g_mutex_unlock (&measure->lock);
  return n_sent;
}

guint
measure_get_n_decoded (Measure * measure)
{
  guint n_decoded;

  g_mutex_lock (&measure->lock);
  n_decoded = measure->n_decoded;
  g_mutex_unlock (&measure->lock);
  return n_decoded;
}

GstSample *
measure_get_picture (Measure * measure)
{
  GstSample *picture;

  g_mutex_lock (&measure->lock);
  picture = measure->picture ? gst_sample_ref (measure->picture) : NULL;
  g_mutex_unlock (&measure->lock);
  return picture;
}

Measure *
measure_new (void)
{
  Measure *measure = g_new0 (Measure, 1);

  g_mutex_init (&measure->lock);
  measure->frames = g_new0 (Frame, MAX_FRAMES);
  measure->arrivals = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  return measure;
}

void
measure_free (Measure * measure)
{
  g_clear_pointer (&measure->picture, gst_sample_unref);
  g_hash_table_unref (measure->arrivals);
  g_free (measure->frames);
  g_mutex_clear (&measure->lock);
  g_free (measure);
}
