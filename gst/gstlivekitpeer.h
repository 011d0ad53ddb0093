/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitpeer: one webrtcbin: sections, offers and answers, candidates, liveness. Knows no room.
 *
 * Room loop only, callbacks included, but for ref and unref. */
#pragma once

#include <gst/gst.h>
#include "gstlivekitcodec.h"
#include "gstlivekitlink.h"
#include "gstlivekitsync.h"
#include "lkloop.h"

G_BEGIN_DECLS

typedef struct _GstLiveKitPeer GstLiveKitPeer;
typedef struct _GstLiveKitSendSection GstLiveKitSendSection;

typedef enum
{
  GST_LIVEKIT_PEER_BOTH,        /* v1: we offer, both directions */
  GST_LIVEKIT_PEER_PUBLISHER,   /* v0: we offer, sending only */
  GST_LIVEKIT_PEER_SUBSCRIBER,  /* v0: the server offers, receiving only */
} GstLiveKitPeerRole;

typedef struct
{
  const gchar *name;            /* of the webrtcbin */
  GstLiveKitPeerRole role;
  gboolean relay_only, is_loopback;     /* is_loopback: the server is on this machine */
  guint latency_ms;             /* jitter buffer */
  const gchar *stun_server;     /* "stun://host:port", or NULL */
  GStrv turn_servers;           /* "turn://user:password@host:port?transport=…", percent-escaped; or NULL */
} GstLiveKitPeerConfig;

typedef struct
{
  void (*local_offer) (GstLiveKitPeer * peer, const gchar * sdp, guint id, gpointer data);
  void (*local_answer) (GstLiveKitPeer * peer, const gchar * sdp, guint id, gpointer data);
  void (*local_candidate) (GstLiveKitPeer * peer, const gchar * candidate, guint mline_index, gpointer data);
  /* ICE and DTLS are up, and the certificate is the one that the remote description names. */
  void (*connected) (GstLiveKitPeer * peer, gpointer data);
  void (*disconnected) (GstLiveKitPeer * peer, gpointer data);
  /* What is sent has filled the path. */
  void (*congested) (GstLiveKitPeer * peer, gpointer data);
  /* The peer is beyond repair and must be replaced. */
  void (*failed) (GstLiveKitPeer * peer, const gchar * why, gpointer data);
  /* The server took @section (or refused it), and media may be sent once the peer is connected. @section_data is what
   * was given to open_section. */
  void (*section_negotiated) (GstLiveKitPeer * peer, gpointer section_data, gboolean accepted, gpointer data);
  /* A new stream on section @mid. @pad is blocked until gst_livekit_peer_release_pad(). */
  void (*pad_added) (GstLiveKitPeer * peer, GstPad * pad, const gchar * mid, gpointer data);
  /* A remote description has been applied: sections and tracks are as @mid_to_track says (string to string). */
  void (*tracks_mapped) (GstLiveKitPeer * peer, GHashTable * mid_to_track, gpointer data);
} GstLiveKitPeerDelegate;

/* The webrtcbin becomes a child of @host. NULL with GST_CORE_ERROR_MISSING_PLUGIN. */
GstLiveKitPeer *gst_livekit_peer_new (GstBin * host, LkLoop * loop, const GstLiveKitPeerConfig * config,
    const GstLiveKitPeerDelegate * delegate, gpointer data, GError ** error);
GstLiveKitPeer *gst_livekit_peer_ref (GstLiveKitPeer * peer);
void gst_livekit_peer_unref (GstLiveKitPeer * peer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstLiveKitPeer, gst_livekit_peer_unref)

/* Detaches the peer: no callback from now on. A thread of its own takes webrtcbin down and calls @done (@data)
 * there. */
void gst_livekit_peer_close_in_loop (GstLiveKitPeer * peer, GDestroyNotify done, gpointer data);

gboolean gst_livekit_peer_is_connected (GstLiveKitPeer * peer);
GstLiveKitLink *gst_livekit_peer_get_link (GstLiveKitPeer * peer);

/* Sending. A section is an m-line of ours with the sink pad behind it; a closed one of the same shape is used again,
 * since webrtcbin cannot give one back. With one layer, @ssrc is what its packets carry; with more, each source has the
 * rid of its layer (0 is the smallest), and sources may come and go while the section is open. */
#define GST_LIVEKIT_MAX_LAYERS 3
GstLiveKitSendSection *gst_livekit_peer_open_section_in_loop (GstLiveKitPeer * peer, const GstLiveKitCodec * codec,
    const gchar * stream, const gchar * cid, guint32 ssrc, guint n_layers, gpointer section_data, GError ** error);
const gchar *gst_livekit_peer_get_mid (GstLiveKitSendSection * section);
const gchar *gst_livekit_peer_rid (guint n_layers, guint layer);        /* NULL when there is but one layer */
gboolean gst_livekit_peer_add_source_in_loop (GstLiveKitPeer * peer, GstLiveKitSendSection * section, GstPad * src_pad,
    guint32 ssrc, GError ** error);
void gst_livekit_peer_remove_source_in_loop (GstLiveKitPeer * peer, GstLiveKitSendSection * section,
    GstPad * src_pad);
void gst_livekit_peer_close_section_in_loop (GstLiveKitPeer * peer, GstLiveKitSendSection * section);

/* Whether a source's thread is inside now. */
gboolean gst_livekit_peer_is_sending_in_loop (GstLiveKitPeer * peer);
/* What is to be added to the running times of sources to make them webrtcbin's: they may be in another pipeline. */
void gst_livekit_peer_set_send_offset_in_loop (GstLiveKitPeer * peer, GstClockTimeDiff offset);

/* Receiving (v1). Makes sure that there are sections for so many tracks in all. TRUE when an offer is needed for it. */
gboolean gst_livekit_peer_want_sections_in_loop (GstLiveKitPeer * peer, guint n_audio, guint n_video);
/* The server asked for so many more; what is under way counts. */
void gst_livekit_peer_require_sections_in_loop (GstLiveKitPeer * peer, guint n_audio, guint n_video);
/* Lets the data of a pad from pad_added flow, to where it was linked or, when @wanted is FALSE, nowhere. */
void gst_livekit_peer_release_pad (GstPad * pad, gboolean wanted);
/* Tells @stream when the packets on @pad were captured. */
void gst_livekit_peer_time_stream_in_loop (GstLiveKitPeer * peer, GstPad * pad, GstLiveKitStreamTime * stream);
/* Frees the jitter buffer and threads of the stream on @pad. */
void gst_livekit_peer_clear_stream_in_loop (GstLiveKitPeer * peer, GstPad * pad);

/* Makes an offer, now or after the answer that is due. */
void gst_livekit_peer_negotiate_in_loop (GstLiveKitPeer * peer);
void gst_livekit_peer_set_remote_answer_in_loop (GstLiveKitPeer * peer, const gchar * sdp, guint id,
    GHashTable * mid_to_track);
/* v0. @track_codec tells the codec of a track sid, NULL when unknown. */
typedef const GstLiveKitCodec *(*GstLiveKitTrackCodecFunc) (const gchar * track_sid, gpointer data);
void gst_livekit_peer_set_remote_offer_in_loop (GstLiveKitPeer * peer, const gchar * sdp, guint id,
    GHashTable * mid_to_track, GstLiveKitTrackCodecFunc track_codec, gpointer data);
void gst_livekit_peer_add_remote_candidate_in_loop (GstLiveKitPeer * peer, const gchar * candidate,
    guint mline_index);

/* ICE with new credentials: by our next offer, or (v0, receiving) as the server offers. Media goes on meanwhile. */
void gst_livekit_peer_restart_ice_in_loop (GstLiveKitPeer * peer);
/* Nothing comes any more: disconnected, until ICE is up again. */
void gst_livekit_peer_set_lost_in_loop (GstLiveKitPeer * peer);
/* Milliseconds since anything came from the other side. libnice before consent freshness does not notice that it has
 * gone. */
guint gst_livekit_peer_get_silence_ms (GstLiveKitPeer * peer);

/* Of the jitter buffers, those that there are already too. */
void gst_livekit_peer_set_latency_in_loop (GstLiveKitPeer * peer, guint latency_ms);
/* Tells the inner sinks what latency there is. */
void gst_livekit_peer_recalculate_latency_in_loop (GstLiveKitPeer * peer);

/* WebRTC statistics; @func gets a structure of webrtcbin's (not owned) on the room loop. */
typedef void (*GstLiveKitPeerStatsFunc) (GstLiveKitPeer * peer, const GstStructure * stats, gpointer data);
void gst_livekit_peer_fetch_stats_in_loop (GstLiveKitPeer * peer, GstLiveKitPeerStatsFunc func, gpointer data);

/* Makes what takes long the first time in a process (the DTLS key, the plugins), in a thread, once. */
void gst_livekit_peer_warm_up (void);
/* For each warm_up: an application may deinitialise GStreamer when the last element is in NULL. Waits for the key, at
 * most. */
void gst_livekit_peer_cool_down (void);

G_END_DECLS
