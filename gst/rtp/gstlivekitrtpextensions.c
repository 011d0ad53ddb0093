/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitrtpextensions: RTP header extensions for sending. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitrtpextensions.h"

#include <gst/audio/audio.h>
#include <string.h>

#define NTP_1970 G_GUINT64_CONSTANT (2208988800)
/* The time of a frame says it of the next ones, too: viewers interpolate. */
#define CAPTURE_TIME_INTERVAL (200 * GST_MSECOND)

struct _GstLiveKitRtpCaptureTime
{
  GstRTPHeaderExtension parent;

  GstElement *element;          /* not owned */
  /* streaming thread only */
  GstClockTime last_written;
};

struct _GstLiveKitRtpAudioLevel
{
  GstRTPHeaderExtension parent;
};

struct _GstLiveKitRtpTransportNumber
{
  GstRTPHeaderExtension parent;
};

G_DEFINE_FINAL_TYPE (GstLiveKitRtpCaptureTime, gst_livekit_rtp_capture_time, GST_TYPE_RTP_HEADER_EXTENSION);
G_DEFINE_FINAL_TYPE (GstLiveKitRtpAudioLevel, gst_livekit_rtp_audio_level, GST_TYPE_RTP_HEADER_EXTENSION);
G_DEFINE_FINAL_TYPE (GstLiveKitRtpTransportNumber, gst_livekit_rtp_transport_number, GST_TYPE_RTP_HEADER_EXTENSION);

static GstRTPHeaderExtensionFlags
get_supported_flags (GstRTPHeaderExtension * extension)
{
  return GST_RTP_HEADER_EXTENSION_ONE_BYTE | GST_RTP_HEADER_EXTENSION_TWO_BYTE;
}

/* Nothing here needs what senders say. */
static gboolean
read_nothing (GstRTPHeaderExtension * extension, GstRTPHeaderExtensionFlags flags, const guint8 * data, gsize size,
    GstBuffer * buffer)
{
  return TRUE;
}

static gboolean
set_caps_from_attributes (GstRTPHeaderExtension * extension, GstCaps * caps)
{
  return gst_rtp_header_extension_set_caps_from_attributes_helper (extension, caps, NULL);
}

static void
init_class (gpointer klass, const gchar * uri, const gchar * name, const gchar * description)
{
  GstRTPHeaderExtensionClass *extension_class = GST_RTP_HEADER_EXTENSION_CLASS (klass);

  extension_class->get_supported_flags = get_supported_flags;
  extension_class->read = read_nothing;
  extension_class->set_caps_from_attributes = set_caps_from_attributes;
  gst_rtp_header_extension_class_set_uri (extension_class, uri);
  gst_element_class_set_static_metadata (GST_ELEMENT_CLASS (klass), name, GST_RTP_HDREXT_ELEMENT_CLASS, description,
      "The gst-livekit authors");
}

/* --- capture time --- */

guint64
gst_livekit_rtp_capture_time_ntp (GstClockTime captured, GstClockTime now, gint64 real_us)
{
  gint64 captured_us = real_us - GST_CLOCK_DIFF (captured, now) / 1000;
  guint64 seconds = (guint64) captured_us / G_USEC_PER_SEC + NTP_1970;
  guint64 fraction = ((guint64) captured_us % G_USEC_PER_SEC << 32) / G_USEC_PER_SEC;

  return seconds << 32 | fraction;
}

static gsize
get_capture_time_size (GstRTPHeaderExtension * extension, const GstBuffer * input)
{
  return 8;
}

static gssize
write_capture_time (GstRTPHeaderExtension * extension, const GstBuffer * input, GstRTPHeaderExtensionFlags flags,
    GstBuffer * output, guint8 * data, gsize size)
{
  GstLiveKitRtpCaptureTime *self = GST_LIVEKIT_RTP_CAPTURE_TIME (extension);
  GstClockTime captured = GST_BUFFER_PTS ((GstBuffer *) input);
  GstClockTime now;
  guint64 ntp;

  if (size < 8 || !GST_CLOCK_TIME_IS_VALID (captured))
    return 0;
  if (GST_CLOCK_TIME_IS_VALID (self->last_written) && captured >= self->last_written
      && captured < self->last_written + CAPTURE_TIME_INTERVAL)
    return 0;
  now = gst_element_get_current_running_time (self->element);
  if (!GST_CLOCK_TIME_IS_VALID (now))
    return 0;
  self->last_written = captured;
  ntp = GUINT64_TO_BE (gst_livekit_rtp_capture_time_ntp (captured, now, g_get_real_time ()));
  memcpy (data, &ntp, sizeof ntp);
  return 8;
}

static void
gst_livekit_rtp_capture_time_class_init (GstLiveKitRtpCaptureTimeClass * klass)
{
  GST_RTP_HEADER_EXTENSION_CLASS (klass)->get_max_size = get_capture_time_size;
  GST_RTP_HEADER_EXTENSION_CLASS (klass)->write = write_capture_time;
  init_class (klass, GST_LIVEKIT_CAPTURE_TIME_URI, "LiveKit capture time", "Tells when a frame was captured");
}

static void
gst_livekit_rtp_capture_time_init (GstLiveKitRtpCaptureTime * self)
{
  self->last_written = GST_CLOCK_TIME_NONE;
}

GstRTPHeaderExtension *
gst_livekit_rtp_capture_time_new (GstElement * element)
{
  GstLiveKitRtpCaptureTime *self = g_object_new (GST_TYPE_LIVEKIT_RTP_CAPTURE_TIME, NULL);

  self->element = element;
  return gst_object_ref_sink (self);
}

/* --- audio level --- */

static gsize
get_audio_level_size (GstRTPHeaderExtension * extension, const GstBuffer * input)
{
  return 1;
}

static gssize
write_audio_level (GstRTPHeaderExtension * extension, const GstBuffer * input, GstRTPHeaderExtensionFlags flags,
    GstBuffer * output, guint8 * data, gsize size)
{
  const GstAudioLevelMeta *meta = gst_buffer_get_audio_level_meta ((GstBuffer *) input);

  if (meta == NULL || size < 1)
    return 0;
  *data = (guint8) ((meta->voice_activity ? 0x80 : 0) | MIN (meta->level, 127));
  return 1;
}

static void
gst_livekit_rtp_audio_level_class_init (GstLiveKitRtpAudioLevelClass * klass)
{
  GST_RTP_HEADER_EXTENSION_CLASS (klass)->get_max_size = get_audio_level_size;
  GST_RTP_HEADER_EXTENSION_CLASS (klass)->write = write_audio_level;
  init_class (klass, GST_LIVEKIT_AUDIO_LEVEL_URI, "LiveKit audio level", "Tells how loud a packet of audio is");
}

static void
gst_livekit_rtp_audio_level_init (GstLiveKitRtpAudioLevel * self)
{
}

GstRTPHeaderExtension *
gst_livekit_rtp_audio_level_new (void)
{
  return gst_object_ref_sink (g_object_new (GST_TYPE_LIVEKIT_RTP_AUDIO_LEVEL, NULL));
}

/* --- transport-wide number --- */

static gsize
get_transport_number_size (GstRTPHeaderExtension * extension, const GstBuffer * input)
{
  return 2;
}

static gssize
write_transport_number (GstRTPHeaderExtension * extension, const GstBuffer * input, GstRTPHeaderExtensionFlags flags,
    GstBuffer * output, guint8 * data, gsize size)
{
  if (!(flags & GST_RTP_HEADER_EXTENSION_ONE_BYTE) || size < 2)
    return 0;
  memset (data, 0, 2);
  return 2;
}

static void
gst_livekit_rtp_transport_number_class_init (GstLiveKitRtpTransportNumberClass * klass)
{
  GST_RTP_HEADER_EXTENSION_CLASS (klass)->get_max_size = get_transport_number_size;
  GST_RTP_HEADER_EXTENSION_CLASS (klass)->write = write_transport_number;
  init_class (klass, GST_LIVEKIT_TWCC_URI, "LiveKit transport-wide number",
      "Leaves room for the number of a packet on its way");
}

static void
gst_livekit_rtp_transport_number_init (GstLiveKitRtpTransportNumber * self)
{
}

GstRTPHeaderExtension *
gst_livekit_rtp_transport_number_new (void)
{
  return gst_object_ref_sink (g_object_new (GST_TYPE_LIVEKIT_RTP_TRANSPORT_NUMBER, NULL));
}
