/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitbin: abstract parent of livekitsink and livekitsrc: how to join, state changes, the bus. */
#pragma once

#include <gst/gst.h>
#include "gstlivekitsession.h"

G_BEGIN_DECLS

#define GST_TYPE_LIVEKIT_BIN (gst_livekit_bin_get_type ())
G_DECLARE_DERIVABLE_TYPE (GstLiveKitBin, gst_livekit_bin, GST, LIVEKIT_BIN, GstBin)

struct _GstLiveKitBinClass
{
  GstBinClass parent_class;

  GstLiveKitRole role;

  /* Before the session starts: what of it is this element's. Application thread. */
  void (*prepare) (GstLiveKitBin * bin, GstLiveKitSessionDelegate * delegate, GstLiveKitSessionSettings * settings);
  /* The session is there (before pads are activated); is about to stop; has stopped. Application thread. */
  void (*started) (GstLiveKitBin * bin, GstLiveKitSession * session);
  void (*stopping) (GstLiveKitBin * bin);
  void (*stopped) (GstLiveKitBin * bin);
  /* The session ended by itself. Room loop. TRUE: it has been dealt with, no error message. */
  gboolean (*ended) (GstLiveKitBin * bin, const GError * error);
};

/* The running session, or NULL. Any thread; the caller owns the reference. */
GstLiveKitSession *gst_livekit_bin_ref_session (GstLiveKitBin * bin);

/* room name for stream ids; the caller frees it. */
gchar *gst_livekit_bin_dup_room (GstLiveKitBin * bin);

/* Posts @error once in the life of a session; later ones are logged. Any thread. */
void gst_livekit_bin_post_error (GstLiveKitBin * bin, const GError * error);

G_END_DECLS
