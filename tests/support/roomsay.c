/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* roomworld: what the server says. */

#include "roomworld.h"

#include <gst/check/gstcheck.h>


/* ------------------------------------------------------------------------------------------------------------------ */
/* What the server does */

void
say (RoomWorld * f, const Livekit__SignalResponse * response)
{
  fail_unless (f->client != NULL, "nobody listens");
  f->client->delegate.message ((LkSignalClient *) f->client, response, f->client->data);
}

void
say_open (RoomWorld * f, gboolean is_v1)
{
  fail_unless (f->client != NULL, "nobody connects");
  f->client->delegate.opened ((LkSignalClient *) f->client, is_v1, FALSE, f->client->data);
}

void
say_closed (RoomWorld * f, LkError code, guint status)
{
  g_autoptr (GError) error = lk_error_new_http (code, status, "fault %u", status);

  fail_unless (f->client != NULL, "nothing to close");
  f->client->delegate.closed ((LkSignalClient *) f->client, error, f->client->data);
}

void
say_closed_quietly (RoomWorld * f)
{
  fail_unless (f->client != NULL && f->client->is_closing);
  f->client->delegate.closed ((LkSignalClient *) f->client, NULL, f->client->data);
}

void
say_join (RoomWorld * f)
{
  Livekit__JoinResponse join = LIVEKIT__JOIN_RESPONSE__INIT;
  Livekit__Room room = LIVEKIT__ROOM__INIT;
  Livekit__ParticipantInfo me = LIVEKIT__PARTICIPANT_INFO__INIT, bob = LIVEKIT__PARTICIPANT_INFO__INIT;
  Livekit__ParticipantInfo *others[] = { &bob };
  Livekit__TrackInfo track = LIVEKIT__TRACK_INFO__INIT, *tracks[] = { &track };
  Livekit__ICEServer ice = LIVEKIT__ICESERVER__INIT, *ices[] = { &ice };
  Livekit__Codec codec = LIVEKIT__CODEC__INIT, *codecs[] = { &codec };
  gchar *urls[] = { (gchar *) "stun:stun.example.com" };
  RESPONSE (response, JOIN, join);

  room.sid = (gchar *) "RM_1";
  room.name = (gchar *) "lab";
  me.sid = (gchar *) "PA_me";
  me.identity = (gchar *) "me";
  bob.sid = (gchar *) "PA_bob";
  bob.identity = (gchar *) "bob";
  bob.state = LIVEKIT__PARTICIPANT_INFO__STATE__ACTIVE;
  track.sid = (gchar *) "TR_bob";
  bob.tracks = tracks;
  bob.n_tracks = 1;
  ice.urls = urls;
  ice.n_urls = 1;
  codec.mime = (gchar *) "video/VP8";
  join.room = &room;
  join.participant = &me;
  join.other_participants = others;
  join.n_other_participants = 1;
  join.ice_servers = ices;
  join.n_ice_servers = 1;
  join.enabled_publish_codecs = codecs;
  join.n_enabled_publish_codecs = 1;
  join.ping_interval = 7;
  join.ping_timeout = 21;
  say (f, &response);
}

void
say_reconnect_with (RoomWorld * f, Livekit__ClientConfiguration * configuration)
{
  Livekit__ReconnectResponse reconnect = LIVEKIT__RECONNECT_RESPONSE__INIT;
  RESPONSE (response, RECONNECT, reconnect);

  reconnect.client_configuration = configuration;
  say (f, &response);
}

void
say_reconnect (RoomWorld * f)
{
  say_reconnect_with (f, NULL);
}

void
say_leave (RoomWorld * f, Livekit__LeaveRequest__Action action, Livekit__DisconnectReason reason)
{
  Livekit__LeaveRequest leave = LIVEKIT__LEAVE_REQUEST__INIT;
  RESPONSE (response, LEAVE, leave);

  leave.action = action;
  leave.reason = reason;
  say (f, &response);
}

void
say_refresh_token (RoomWorld * f, const gchar * token)
{
  Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;

  response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_REFRESH_TOKEN;
  response.refresh_token = (gchar *) token;
  say (f, &response);
}

void
say_published (RoomWorld * f, const gchar * cid, const gchar * sid)
{
  Livekit__TrackPublishedResponse track_published = LIVEKIT__TRACK_PUBLISHED_RESPONSE__INIT;
  Livekit__TrackInfo track = LIVEKIT__TRACK_INFO__INIT;
  RESPONSE (response, TRACK_PUBLISHED, track_published);

  track.sid = (gchar *) sid;
  track.name = (gchar *) "name";
  track.mime_type = (gchar *) "video/H264";
  track.type = LIVEKIT__TRACK_TYPE__VIDEO;
  track.width = 640;
  track_published.cid = (gchar *) cid;
  track_published.track = &track;
  say (f, &response);
}

void
say_refused_track (RoomWorld * f, const gchar * cid, Livekit__RequestResponse__Reason reason)
{
  Livekit__RequestResponse request_response = LIVEKIT__REQUEST_RESPONSE__INIT;
  Livekit__AddTrackRequest add = LIVEKIT__ADD_TRACK_REQUEST__INIT;
  RESPONSE (response, REQUEST_RESPONSE, request_response);

  add.cid = (gchar *) cid;
  request_response.reason = reason;
  request_response.request_case = LIVEKIT__REQUEST_RESPONSE__REQUEST_ADD_TRACK;
  request_response.add_track = &add;
  say (f, &response);
}

void
say_answer (RoomWorld * f, const gchar * sdp, guint id)
{
  Livekit__SessionDescription answer = LIVEKIT__SESSION_DESCRIPTION__INIT;
  RESPONSE (response, ANSWER, answer);

  answer.type = (gchar *) "answer";
  answer.sdp = (gchar *) sdp;
  answer.id = id;
  say (f, &response);
}

void
say_offer (RoomWorld * f, const gchar * sdp, guint id)
{
  Livekit__SessionDescription offer = LIVEKIT__SESSION_DESCRIPTION__INIT;
  Livekit__StringEntry mid = LIVEKIT__STRING_ENTRY__INIT, *mids[] = { &mid };
  RESPONSE (response, OFFER, offer);

  mid.key = (gchar *) "0";
  mid.value = (gchar *) "TR_bob";
  offer.type = (gchar *) "offer";
  offer.sdp = (gchar *) sdp;
  offer.id = id;
  offer.mid_to_track_id = mids;
  offer.n_mid_to_track_id = 1;
  say (f, &response);
}

/* The @index-th request that the room sent to the client of now. */
const Livekit__SignalRequest *
sent (RoomWorld * f, guint index, Livekit__SignalRequest__MessageCase kind)
{
  const Livekit__SignalRequest *request;

  fail_unless (f->client != NULL && index < f->client->sent->len, "request %u was not sent", index);
  request = g_ptr_array_index (f->client->sent, index);
  fail_unless_equals_int (request->message_case, kind);
  return request;
}

guint
n_sent (RoomWorld * f)
{
  return f->client != NULL ? f->client->sent->len : 0;
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* The kinds that a server says in a session, and what the room makes of them. */

static void
say_trickle_of (RoomWorld * f, const gchar * json, Livekit__SignalTarget target)
{
  Livekit__TrickleRequest trickle = LIVEKIT__TRICKLE_REQUEST__INIT;
  RESPONSE (response, TRICKLE, trickle);

  trickle.candidateinit = (gchar *) json;
  trickle.target = target;
  say (f, &response);
}

static void
say_trickle (RoomWorld * f)
{
  say_trickle_of (f, "{\"candidate\":\"candidate:1\",\"sdpMid\":\"0\",\"sdpMLineIndex\":0}",
      LIVEKIT__SIGNAL_TARGET__SUBSCRIBER);
}

static void
say_bad_trickle (RoomWorld * f)
{
  say_trickle_of (f, "{", LIVEKIT__SIGNAL_TARGET__SUBSCRIBER);
}

static void
say_mute (RoomWorld * f)
{
  Livekit__MuteTrackRequest mute = LIVEKIT__MUTE_TRACK_REQUEST__INIT;
  RESPONSE (response, MUTE, mute);

  mute.sid = (gchar *) "TR_1";
  mute.muted = TRUE;
  say (f, &response);
}

static void
say_speakers (RoomWorld * f)
{
  Livekit__SpeakerInfo speaker = LIVEKIT__SPEAKER_INFO__INIT, *speakers[] = { &speaker };
  Livekit__SpeakersChanged speakers_changed = LIVEKIT__SPEAKERS_CHANGED__INIT;
  RESPONSE (response, SPEAKERS_CHANGED, speakers_changed);

  speaker.sid = (gchar *) "PA_bob";
  speakers_changed.speakers = speakers;
  speakers_changed.n_speakers = 1;
  say (f, &response);
}

static void
say_connection_quality (RoomWorld * f)
{
  Livekit__ConnectionQualityInfo good = LIVEKIT__CONNECTION_QUALITY_INFO__INIT, odd = good, *infos[] = { &odd, &good };
  Livekit__ConnectionQualityUpdate connection_quality = LIVEKIT__CONNECTION_QUALITY_UPDATE__INIT;
  RESPONSE (response, CONNECTION_QUALITY, connection_quality);

  odd.quality = (Livekit__ConnectionQuality) 77;
  good.participant_sid = (gchar *) "PA_bob";
  good.quality = LIVEKIT__CONNECTION_QUALITY__GOOD;
  connection_quality.updates = infos;
  connection_quality.n_updates = 2;
  say (f, &response);
}

static void
say_stream_state (RoomWorld * f)
{
  Livekit__StreamStateInfo info = LIVEKIT__STREAM_STATE_INFO__INIT, *infos[] = { &info };
  Livekit__StreamStateUpdate stream_state_update = LIVEKIT__STREAM_STATE_UPDATE__INIT;
  RESPONSE (response, STREAM_STATE_UPDATE, stream_state_update);

  info.track_sid = (gchar *) "TR_bob";
  info.state = LIVEKIT__STREAM_STATE__PAUSED;
  stream_state_update.stream_states = infos;
  stream_state_update.n_stream_states = 1;
  say (f, &response);
}

static void
say_permission (RoomWorld * f)
{
  Livekit__SubscriptionPermissionUpdate subscription_permission_update = LIVEKIT__SUBSCRIPTION_PERMISSION_UPDATE__INIT;
  RESPONSE (response, SUBSCRIPTION_PERMISSION_UPDATE, subscription_permission_update);

  subscription_permission_update.track_sid = (gchar *) "TR_bob";
  say (f, &response);
}

static void
say_subscription_error (RoomWorld * f)
{
  Livekit__SubscriptionResponse subscription_response = LIVEKIT__SUBSCRIPTION_RESPONSE__INIT;
  RESPONSE (response, SUBSCRIPTION_RESPONSE, subscription_response);

  subscription_response.track_sid = (gchar *) "TR_bob";
  subscription_response.err = LIVEKIT__SUBSCRIPTION_ERROR__SE_CODEC_UNSUPPORTED;
  say (f, &response);
}

static void
say_track_subscribed (RoomWorld * f)
{
  Livekit__TrackSubscribed track_subscribed = LIVEKIT__TRACK_SUBSCRIBED__INIT;
  RESPONSE (response, TRACK_SUBSCRIBED, track_subscribed);

  track_subscribed.track_sid = (gchar *) "TR_1";
  say (f, &response);
}

static void
say_sections (RoomWorld * f)
{
  Livekit__MediaSectionsRequirement media_sections_requirement = LIVEKIT__MEDIA_SECTIONS_REQUIREMENT__INIT;
  RESPONSE (response, MEDIA_SECTIONS_REQUIREMENT, media_sections_requirement);

  media_sections_requirement.num_audios = 3;
  media_sections_requirement.num_videos = 4000000000u;
  say (f, &response);
}

/* By codec, and with more codecs and qualities than there are. */
static void
say_quality (RoomWorld * f)
{
  Livekit__SubscribedQuality high = LIVEKIT__SUBSCRIBED_QUALITY__INIT, off = high, *qualities[] = { &off, &high };
  Livekit__SubscribedCodec codec = LIVEKIT__SUBSCRIBED_CODEC__INIT, *codecs[40];
  Livekit__SubscribedQualityUpdate subscribed_quality_update = LIVEKIT__SUBSCRIBED_QUALITY_UPDATE__INIT;
  RESPONSE (response, SUBSCRIBED_QUALITY_UPDATE, subscribed_quality_update);

  off.quality = LIVEKIT__VIDEO_QUALITY__OFF;
  off.enabled = TRUE;
  high.quality = LIVEKIT__VIDEO_QUALITY__HIGH;
  high.enabled = TRUE;
  codec.codec = (gchar *) "h264";
  codec.qualities = qualities;
  codec.n_qualities = 2;
  for (guint i = 0; i < G_N_ELEMENTS (codecs); i++)
    codecs[i] = &codec;
  subscribed_quality_update.track_sid = (gchar *) "TR_1";
  subscribed_quality_update.subscribed_codecs = codecs;
  subscribed_quality_update.n_subscribed_codecs = G_N_ELEMENTS (codecs);
  say (f, &response);
}

static void
say_old_quality (RoomWorld * f)
{
  Livekit__SubscribedQuality low = LIVEKIT__SUBSCRIBED_QUALITY__INIT, *qualities[] = { &low };
  Livekit__SubscribedQualityUpdate subscribed_quality_update = LIVEKIT__SUBSCRIBED_QUALITY_UPDATE__INIT;
  RESPONSE (response, SUBSCRIBED_QUALITY_UPDATE, subscribed_quality_update);

  low.enabled = TRUE;
  subscribed_quality_update.track_sid = (gchar *) "TR_1";
  subscribed_quality_update.subscribed_qualities = qualities;
  subscribed_quality_update.n_subscribed_qualities = 1;
  say (f, &response);
}

static void
say_update (RoomWorld * f)
{
  Livekit__ParticipantInfo info = LIVEKIT__PARTICIPANT_INFO__INIT, *infos[] = { &info };
  Livekit__ParticipantUpdate update = LIVEKIT__PARTICIPANT_UPDATE__INIT;
  RESPONSE (response, UPDATE, update);

  info.sid = (gchar *) "PA_bob";
  info.identity = (gchar *) "bob";
  info.state = LIVEKIT__PARTICIPANT_INFO__STATE__DISCONNECTED;
  info.version = 9;
  update.participants = infos;
  update.n_participants = 1;
  say (f, &response);
}

static void
say_room_update (RoomWorld * f)
{
  Livekit__Room room = LIVEKIT__ROOM__INIT;
  Livekit__RoomUpdate room_update = LIVEKIT__ROOM_UPDATE__INIT;
  RESPONSE (response, ROOM_UPDATE, room_update);

  room.metadata = (gchar *) "meta";
  room.num_participants = 5;
  room_update.room = &room;
  say (f, &response);
}

static void
say_empty_room_update (RoomWorld * f)
{
  Livekit__RoomUpdate room_update = LIVEKIT__ROOM_UPDATE__INIT;
  RESPONSE (response, ROOM_UPDATE, room_update);

  say (f, &response);
}

static void
say_published_without_track (RoomWorld * f)
{
  Livekit__TrackPublishedResponse track_published = LIVEKIT__TRACK_PUBLISHED_RESPONSE__INIT;
  RESPONSE (response, TRACK_PUBLISHED, track_published);

  say (f, &response);
}

static void
say_empty_move (RoomWorld * f)
{
  Livekit__RoomMovedResponse room_moved = LIVEKIT__ROOM_MOVED_RESPONSE__INIT;
  RESPONSE (response, ROOM_MOVED, room_moved);

  say (f, &response);
}

static void
say_refused_mute (RoomWorld * f)
{
  Livekit__RequestResponse request_response = LIVEKIT__REQUEST_RESPONSE__INIT;
  Livekit__MuteTrackRequest mute = LIVEKIT__MUTE_TRACK_REQUEST__INIT;
  RESPONSE (response, REQUEST_RESPONSE, request_response);

  request_response.request_case = LIVEKIT__REQUEST_RESPONSE__REQUEST_MUTE;
  request_response.mute = &mute;
  request_response.reason = LIVEKIT__REQUEST_RESPONSE__REASON__NOT_FOUND;
  say (f, &response);
}

static void
say_unknown (RoomWorld * f)
{
  Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;

  say (f, &response);
}

static void
say_any_answer (RoomWorld * f)
{
  say_answer (f, "sdp", 0);
}

static void
say_any_offer (RoomWorld * f)
{
  say_offer (f, "sdp", 9);
}

static void
say_any_token (RoomWorld * f)
{
  g_autofree gchar *token = mint_token ("lab", f->now_s, 3600);

  say_refresh_token (f, token);
}

const RoomMessage room_messages[] = {
  {say_any_answer, "answer sdp 0 mids=0", NULL},
  {say_any_offer, "offer sdp 9 mids=1", NULL},
  {say_trickle, "candidate 1 candidate:1", NULL},
  {say_bad_trickle, NULL, NULL},
  {say_mute, "mute TR_1 1", NULL},
  {say_speakers, "speakers n=1 PA_bob", NULL},
  {say_connection_quality, "connection PA_bob good", NULL},
  {say_stream_state, "paused TR_bob 1", NULL},
  {say_permission, "allowed TR_bob 0", NULL},
  {say_subscription_error, "subscription-failed TR_bob: no common codec", NULL},
  {say_track_subscribed, "subscribed TR_1", NULL},
  {say_sections, "sections 3 200", NULL},
  {say_quality, "quality TR_1 n=16 h264 001", NULL},
  {say_old_quality, "quality TR_1 n=1  100", NULL},
  {say_update, "-TR_bob", "-bob"},
  {say_room_update, "room RM_1 meta n=5", NULL},
  {say_empty_room_update, NULL, NULL},
  {say_published_without_track, NULL, NULL},
  {say_empty_move, "-TR_bob", "-bob"},
  {say_refused_mute, NULL, NULL},
  {say_unknown, NULL, NULL},
  {say_join, NULL, NULL},       /* in a session */
  {say_reconnect, NULL, NULL},
  {say_any_token, "token", NULL},
};

const guint n_room_messages = G_N_ELEMENTS (room_messages);
