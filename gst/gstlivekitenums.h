/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitenums: enums that are visible as properties. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/**
 * GstLiveKitConnectionState:
 * @GST_LIVEKIT_CONNECTION_STATE_DISCONNECTED: not in a room, and not trying
 * @GST_LIVEKIT_CONNECTION_STATE_CONNECTING: joining for the first time
 * @GST_LIVEKIT_CONNECTION_STATE_CONNECTED: in the room, media can flow
 * @GST_LIVEKIT_CONNECTION_STATE_RECONNECTING: the connection was lost and is being made again
 * @GST_LIVEKIT_CONNECTION_STATE_FAILED: given up; an error message says why
 */
typedef enum /*< underscore_name=gst_livekit_connection_state >*/
{
  GST_LIVEKIT_CONNECTION_STATE_DISCONNECTED,    /*< nick=disconnected >*/
  GST_LIVEKIT_CONNECTION_STATE_CONNECTING,      /*< nick=connecting >*/
  GST_LIVEKIT_CONNECTION_STATE_CONNECTED,       /*< nick=connected >*/
  GST_LIVEKIT_CONNECTION_STATE_RECONNECTING,    /*< nick=reconnecting >*/
  GST_LIVEKIT_CONNECTION_STATE_FAILED,          /*< nick=failed >*/
} GstLiveKitConnectionState;

/**
 * GstLiveKitTrackSource:
 * @GST_LIVEKIT_TRACK_SOURCE_UNKNOWN: not said
 * @GST_LIVEKIT_TRACK_SOURCE_CAMERA: a camera
 * @GST_LIVEKIT_TRACK_SOURCE_MICROPHONE: a microphone
 * @GST_LIVEKIT_TRACK_SOURCE_SCREEN_SHARE: a picture of a screen
 * @GST_LIVEKIT_TRACK_SOURCE_SCREEN_SHARE_AUDIO: the sound that belongs to such a picture
 */
typedef enum /*< underscore_name=gst_livekit_track_source >*/
{
  GST_LIVEKIT_TRACK_SOURCE_UNKNOWN,             /*< nick=unknown >*/
  GST_LIVEKIT_TRACK_SOURCE_CAMERA,              /*< nick=camera >*/
  GST_LIVEKIT_TRACK_SOURCE_MICROPHONE,          /*< nick=microphone >*/
  GST_LIVEKIT_TRACK_SOURCE_SCREEN_SHARE,        /*< nick=screen-share >*/
  GST_LIVEKIT_TRACK_SOURCE_SCREEN_SHARE_AUDIO,  /*< nick=screen-share-audio >*/
} GstLiveKitTrackSource;

/**
 * GstLiveKitIceTransportPolicy:
 * @GST_LIVEKIT_ICE_TRANSPORT_POLICY_ALL: any way that works
 * @GST_LIVEKIT_ICE_TRANSPORT_POLICY_RELAY: over TURN servers alone
 */
typedef enum /*< underscore_name=gst_livekit_ice_transport_policy >*/
{
  GST_LIVEKIT_ICE_TRANSPORT_POLICY_ALL,         /*< nick=all >*/
  GST_LIVEKIT_ICE_TRANSPORT_POLICY_RELAY,       /*< nick=relay >*/
} GstLiveKitIceTransportPolicy;

/**
 * GstLiveKitVideoQuality:
 * @GST_LIVEKIT_VIDEO_QUALITY_AUTO: of a pad: as the element says; of the element: the best that the connection carries
 * @GST_LIVEKIT_VIDEO_QUALITY_LOW: the smallest layer
 * @GST_LIVEKIT_VIDEO_QUALITY_MEDIUM: the middle one
 * @GST_LIVEKIT_VIDEO_QUALITY_HIGH: the largest layer
 */
typedef enum /*< underscore_name=gst_livekit_video_quality >*/
{
  GST_LIVEKIT_VIDEO_QUALITY_AUTO,               /*< nick=auto >*/
  GST_LIVEKIT_VIDEO_QUALITY_LOW,                /*< nick=low >*/
  GST_LIVEKIT_VIDEO_QUALITY_MEDIUM,             /*< nick=medium >*/
  GST_LIVEKIT_VIDEO_QUALITY_HIGH,               /*< nick=high >*/
} GstLiveKitVideoQuality;

/**
 * GstLiveKitOutput:
 * @GST_LIVEKIT_OUTPUT_ENCODED: encoded and parsed streams
 * @GST_LIVEKIT_OUTPUT_RTP: RTP packets in order
 */
typedef enum /*< underscore_name=gst_livekit_output >*/
{
  GST_LIVEKIT_OUTPUT_ENCODED,                   /*< nick=encoded >*/
  GST_LIVEKIT_OUTPUT_RTP,                       /*< nick=rtp >*/
} GstLiveKitOutput;

G_END_DECLS
