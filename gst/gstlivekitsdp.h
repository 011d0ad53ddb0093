/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitsdp: checks and edits of session descriptions. Pure.
 *
 * webrtcbin never sees a description which the check refuses. The edits are what webrtcbin and a LiveKit server need to
 * understand each other (docs/design.md, "Session descriptions"). */
#pragma once

#include <gst/sdp/sdp.h>
#include "gstlivekitcodec.h"

G_BEGIN_DECLS

/* No more m-lines than a participant can sensibly have; webrtcbin itself takes any number. */
#define GST_LIVEKIT_SDP_MAX_MEDIA 200
#define GST_LIVEKIT_SDP_MAX_BYTES (1024 * 1024)

/* Parses and checks @text from the network. For an answer, @offer is what it answers: as many m-lines, the same mids.
 * For an offer, @offer is the one before it, or NULL: its m-lines must still be there, in order. Free with
 * gst_sdp_message_free(). NULL with LK_ERROR_PROTOCOL. */
GstSDPMessage *gst_livekit_sdp_parse (const gchar * text, gboolean is_answer, const GstSDPMessage * offer,
    GError ** error);

const gchar *gst_livekit_sdp_get_direction (const GstSDPMedia * media); /* "sendrecv" when none is written */
void gst_livekit_sdp_set_direction (GstSDPMedia * media, const gchar * direction);
const gchar *gst_livekit_sdp_get_mid (const GstSDPMedia * media);       /* NULL if none */

/* Writes the formats of an audio or video section anew from our table: @own first; then, if @all, the others of the
 * kind. */
void gst_livekit_sdp_write_codecs (GstSDPMedia * media, const GstLiveKitCodec * own, gboolean all);
/* The same for the answer to @offered: only what that section offers under our numbers. */
void gst_livekit_sdp_answer_codecs (GstSDPMedia * media, const GstSDPMedia * offered, const GstLiveKitCodec * own);
/* Moves the formats of @codec to the front of the m-line. */
void gst_livekit_sdp_prefer_codec (GstSDPMedia * media, const GstLiveKitCodec * codec);
/* RED by another name, for webrtcbin. */
void gst_livekit_sdp_hide_red (GstSDPMessage * sdp);
/* Gives every `a=ssrc:N msid:` and the `a=msid` line this stream and track id. */
void gst_livekit_sdp_write_msid (GstSDPMedia * media, const gchar * stream, const gchar * track);
/* a=extmap. find: 0 = it is not there. */
void gst_livekit_sdp_add_extension (GstSDPMedia * media, guint id, const gchar * uri);
guint gst_livekit_sdp_find_extension (const GstSDPMedia * media, const gchar * uri);
void gst_livekit_sdp_set_ice_credentials (GstSDPMessage * sdp, const gchar * ufrag, const gchar * pwd);

/* SSRCs that the description declares, as a set of GUINT_TO_POINTER. */
void gst_livekit_sdp_collect_ssrcs (const GstSDPMessage * sdp, GHashTable * ssrcs);
/* Of the section that declares @ssrc, NULL if none does; owned by @sdp. */
const gchar *gst_livekit_sdp_find_mid (const GstSDPMessage * sdp, guint32 ssrc);
/* Whether @fingerprint ("AA:BB:…", SHA-256) is the one that every section declares. */
gboolean gst_livekit_sdp_has_fingerprint (const GstSDPMessage * sdp, const gchar * fingerprint);

G_END_DECLS
