/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitpeer-private: shared by gstlivekitpeer.c (life, pads), -transport.c, -sdp.c (negotiation) and -turns.c (what
 * webrtcbin is told, and when). */
#pragma once

#include "gstlivekitpeer.h"

#include <gst/sdp/sdp.h>
#include <gst/webrtc/webrtc.h>
#include "gstlivekitlink.h"
#include "gstlivekitreceivegate.h"

G_BEGIN_DECLS

struct _GstLiveKitSendSection
{
  gchar *mid, *stream, *cid;
  const GstLiveKitCodec *codec;
  guint n_layers;
  guint32 ssrc;                 /* of its last stream; 0 with several layers */
  GstPad *sink_pad;             /* of webrtcbin; never released, for webrtcbin 1.22 would leak it and its m-line */
  GstPad *joint;                /* parentless src pad in front of it, where the sources come together */
  GPtrArray *sources;           /* parentless sink pads, each linked to a source */
  gpointer data;
  gboolean is_open;
  gboolean in_offer;            /* written into the offer that waits for its answer */
  gboolean is_negotiated;
};

typedef struct
{
  gchar *mid;
  LkTrackKind kind;
  gboolean is_answered;
} GstLiveKitRecvSection;

struct _GstLiveKitPeer
{
  gatomicrefcount ref_count;

  /* constant after construction */
  LkLoop *loop;
  GstBin *host;                 /* not owned: whoever made the peer closes it before this goes */
  GstElement *webrtcbin;        /* owned */
  GstLiveKitPeerRole role;
  GstLiveKitReceiveGate *gate;
  GstLiveKitLink *link;

  /* room loop only */
  GstLiveKitPeerDelegate delegate;
  gpointer delegate_data;
  gboolean is_closed, is_connected, was_connected, has_failed;
  GPtrArray *send_sections;     /* GstLiveKitSendSection */
  GPtrArray *recv_sections;     /* GstLiveKitRecvSection */
  guint n_mids;
  GstClockTimeDiff send_offset;
  gboolean offer_is_outstanding, offer_again;
  guint offer_id;
  GstSDPMessage *local_sdp, *remote_sdp;        /* as set last; remote unedited */
  GPtrArray *local_candidates;  /* text; told again after an ICE restart, for webrtcbin does not gather anew */
  gboolean restart_is_due, is_restarting, tell_candidates_again;
  gchar *ice_ufrag, *ice_pwd;   /* ours after a restart; NULL = webrtcbin's */
  GHashTable *mid_to_track;     /* of the description that is being set */
  GstLiveKitTrackCodecFunc track_codec;
  gpointer track_codec_data;
  GQueue turns;                 /* what waits for webrtcbin */
  gboolean is_busy;             /* it has not answered the last operation */
  gboolean stats_are_due;       /* asked for, not answered */

  /* senders_lock; never held while calling out */
  GMutex senders_lock;
  GHashTable *senders;          /* SSRC -> GstPad of the source, owned */

  /* OBJECT_LOCK of webrtcbin */
  GWeakRef dtlsdec, dtlssrtpenc;
  /* the loop */
  guint64 dtls_timer;
};

/* Runs @func (peer, result) on the loop unless the peer is closed meanwhile; @result is freed by @free_result. */
typedef void (*GstLiveKitPeerFunc) (GstLiveKitPeer * peer, gpointer result);
void gst_livekit_peer_post (GstLiveKitPeer * peer, GstLiveKitPeerFunc func, gpointer result,
    GDestroyNotify free_result);
/* gstlivekitpeer-turns.c. Runs @func (peer, data) as soon as webrtcbin is not busy, maybe at once; never, when the peer
 * is closed before. All that takes webrtcbin's lock belongs into a turn. */
void gst_livekit_peer_take_turn_in_loop (GstLiveKitPeer * peer, GstLiveKitPeerFunc func, gpointer data,
    GDestroyNotify free_data);
/* In a turn: the operation that webrtcbin is given now ends by end_operation (any thread), when its promise is
 * answered. */
void gst_livekit_peer_begin_operation_in_loop (GstLiveKitPeer * peer);
void gst_livekit_peer_end_operation (GstLiveKitPeer * peer);
void gst_livekit_peer_drop_turns_in_loop (GstLiveKitPeer * peer);
void gst_livekit_peer_fail_in_loop (GstLiveKitPeer * peer, const gchar * why);
/* gstlivekitpeer-transport.c. The handlers of webrtcbin's signals come on its threads. */
void gst_livekit_peer_begin_ice_restart_in_loop (GstLiveKitPeer * peer);
void gst_livekit_peer_verify_in_loop (GstLiveKitPeer * peer);
void gst_livekit_peer_set_up_ice (GstLiveKitPeer * peer, const GstLiveKitPeerConfig * config);
void gst_livekit_peer_watch_dtls_in_loop (GstLiveKitPeer * peer);
void gst_livekit_peer_on_connection_state (GstElement * webrtcbin, GParamSpec * pspec, GstLiveKitPeer * peer);
void gst_livekit_peer_on_ice_candidate (GstElement * webrtcbin, guint mline_index, const gchar * text,
    GstLiveKitPeer * peer);
/* gstlivekitpeer-send.c. @event: an upstream GstForceKeyUnit, taken; it goes to the source that sends its SSRC. */
void gst_livekit_peer_route_key_unit (GstLiveKitPeer * peer, GstEvent * event);
void gst_livekit_send_section_free (gpointer section);

G_END_DECLS
