/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fakemessages: what the fake server says, and how it reads a join. */
#include "fakemessages.h"

#include <gio/gio.h>
#include <string.h>

/* As the real server has it. */
#define MAX_JOIN_REQUEST_BYTES (1024 * 1024)

/* ---- packing and unpacking ---- */

GBytes *
fake_message_pack (const Livekit__SignalResponse * response)
{
  gsize size = livekit__signal_response__get_packed_size (response);
  guint8 *data = g_malloc (MAX (size, 1));

  livekit__signal_response__pack (response, data);
  return g_bytes_new_take (data, size);
}

static GBytes *
gunzip (gconstpointer data, gsize size)
{
  g_autoptr (GZlibDecompressor) decompressor = g_zlib_decompressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP);
  g_autoptr (GInputStream) memory = g_memory_input_stream_new_from_data (data, size, NULL);
  g_autoptr (GInputStream) stream = g_converter_input_stream_new (memory, G_CONVERTER (decompressor));
  guint8 *buffer = g_malloc (MAX_JOIN_REQUEST_BYTES + 1);
  gsize length;

  if (!g_input_stream_read_all (stream, buffer, MAX_JOIN_REQUEST_BYTES + 1, &length, NULL, NULL)) {
    g_free (buffer);
    return NULL;
  }
  return g_bytes_new_take (buffer, length);
}

/* As strict as the server: URL-safe letters, padding, nothing else. */
static guint8 *
decode_base64_url (const gchar * text, gsize * size)
{
  g_autofree gchar *plain = NULL;

  if (strlen (text) % 4 != 0 || strpbrk (text, "+/ \r\n"))
    return NULL;
  plain = g_strdup (text);
  g_strdelimit (plain, "-", '+');
  g_strdelimit (plain, "_", '/');
  return g_base64_decode (plain, size);
}

static Livekit__JoinRequest *
unpack_inner (const Livekit__WrappedJoinRequest * wrapped, const gchar ** why)
{
  g_autoptr (GBytes) bytes = NULL;
  Livekit__JoinRequest *join;

  if (wrapped->compression == LIVEKIT__WRAPPED_JOIN_REQUEST__COMPRESSION__GZIP)
    bytes = gunzip (wrapped->join_request.data, wrapped->join_request.len);
  else
    bytes = g_bytes_new (wrapped->join_request.data, wrapped->join_request.len);
  if (!bytes) {
    *why = "cannot read decompressed join request";
    return NULL;
  }
  if (g_bytes_get_size (bytes) > MAX_JOIN_REQUEST_BYTES) {
    *why = "join request too large";
    return NULL;
  }
  join = livekit__join_request__unpack (NULL, g_bytes_get_size (bytes), g_bytes_get_data (bytes, NULL));
  if (!join)
    *why = "cannot unmarshal join request";
  return join;
}

Livekit__JoinRequest *
fake_join_request_unpack (const gchar * base64, const gchar ** why)
{
  Livekit__WrappedJoinRequest *wrapped;
  Livekit__JoinRequest *join;
  g_autofree guint8 *data = NULL;
  gsize size;

  if (!base64 || !*base64) {
    *why = "join_request is required";
    return NULL;
  }
  data = decode_base64_url (base64, &size);
  if (!data) {
    *why = "cannot base64 decode wrapped join request";
    return NULL;
  }
  wrapped = livekit__wrapped_join_request__unpack (NULL, size, data);
  if (!wrapped) {
    *why = "cannot unmarshal wrapped join request";
    return NULL;
  }
  join = unpack_inner (wrapped, why);
  livekit__wrapped_join_request__free_unpacked (wrapped, NULL);
  return join;
}

void
fake_set_text (char **member, const gchar * text)
{
  /* what a message starts with is static */
  if (*member != (const char *) protobuf_c_empty_string)
    g_free (*member);
  *member = g_strdup (text ? text : "");
}

/* ---- participants ---- */

Livekit__ParticipantInfo *
fake_participant_new (const gchar * sid, const gchar * identity, const gchar * name)
{
  Livekit__ParticipantInfo *participant = g_new (Livekit__ParticipantInfo, 1);

  livekit__participant_info__init (participant);
  fake_set_text (&participant->sid, sid);
  fake_set_text (&participant->identity, identity);
  fake_set_text (&participant->name, name);
  participant->state = LIVEKIT__PARTICIPANT_INFO__STATE__ACTIVE;
  participant->version = 1;
  fake_participant_set_permission (participant, TRUE, TRUE);
  return participant;
}

Livekit__ParticipantInfo *
fake_participant_copy (const Livekit__ParticipantInfo * participant)
{
  gsize size = livekit__participant_info__get_packed_size (participant);
  g_autofree guint8 *data = g_malloc (MAX (size, 1));

  livekit__participant_info__pack (participant, data);
  return livekit__participant_info__unpack (NULL, size, data);
}

void
fake_participant_free (Livekit__ParticipantInfo * participant)
{
  livekit__participant_info__free_unpacked (participant, NULL);
}

void
fake_participant_add_track (Livekit__ParticipantInfo * participant, Livekit__TrackInfo * track)
{
  participant->tracks = g_renew (Livekit__TrackInfo *, participant->tracks, participant->n_tracks + 1);
  participant->tracks[participant->n_tracks++] = track;
  participant->is_publisher = TRUE;
}

Livekit__TrackInfo *
fake_participant_find_track (const Livekit__ParticipantInfo * participant, const gchar * sid)
{
  gsize i;

  for (i = 0; i < participant->n_tracks; i++) {
    if (g_str_equal (participant->tracks[i]->sid, sid))
      return participant->tracks[i];
  }
  return NULL;
}

gboolean
fake_participant_remove_track (Livekit__ParticipantInfo * participant, const gchar * sid)
{
  gsize i;

  for (i = 0; i < participant->n_tracks; i++) {
    if (!g_str_equal (participant->tracks[i]->sid, sid))
      continue;
    livekit__track_info__free_unpacked (participant->tracks[i], NULL);
    participant->n_tracks--;
    memmove (participant->tracks + i, participant->tracks + i + 1,
        (participant->n_tracks - i) * sizeof (Livekit__TrackInfo *));
    return TRUE;
  }
  return FALSE;
}

void
fake_participant_set_permission (Livekit__ParticipantInfo * participant, gboolean can_publish, gboolean can_subscribe)
{
  if (!participant->permission) {
    participant->permission = g_new (Livekit__ParticipantPermission, 1);
    livekit__participant_permission__init (participant->permission);
  }
  participant->permission->can_publish = can_publish;
  participant->permission->can_publish_data = can_publish;
  participant->permission->can_subscribe = can_subscribe;
  participant->permission->can_update_metadata = TRUE;
}

/* ---- tracks ---- */

static void
add_codec (Livekit__TrackInfo * track, const gchar * mime_type, const gchar * cid)
{
  Livekit__SimulcastCodecInfo *codec = g_new (Livekit__SimulcastCodecInfo, 1);

  livekit__simulcast_codec_info__init (codec);
  fake_set_text (&codec->mime_type, mime_type);
  fake_set_text (&codec->cid, cid);
  track->codecs = g_renew (Livekit__SimulcastCodecInfo *, track->codecs, track->n_codecs + 1);
  track->codecs[track->n_codecs++] = codec;
}

Livekit__TrackInfo *
fake_track_new (const gchar * sid, Livekit__TrackType type, Livekit__TrackSource source, const gchar * name,
    const gchar * mime_type)
{
  Livekit__TrackInfo *track = g_new (Livekit__TrackInfo, 1);

  livekit__track_info__init (track);
  fake_set_text (&track->sid, sid);
  fake_set_text (&track->name, name);
  fake_set_text (&track->mime_type, mime_type);
  track->type = type;
  track->source = source;
  if (mime_type && *mime_type)
    add_codec (track, mime_type, NULL);
  return track;
}

/* Both "vp8" and "video/vp8" are said by clients; the server says the latter, spelled as registered. */
static gchar *
full_mime_type (Livekit__TrackType type, const gchar * codec)
{
  static const gchar *const known[] = { "video/VP8", "video/VP9", "video/H264", "video/H265", "video/AV1", "audio/opus",
    "audio/red", "audio/PCMU", "audio/PCMA"
  };
  const gchar *slash = strchr (codec, '/');
  guint i;

  for (i = 0; i < G_N_ELEMENTS (known); i++) {
    if (g_ascii_strcasecmp (strchr (known[i], '/') + 1, slash ? slash + 1 : codec) == 0)
      return g_strdup (known[i]);
  }
  if (slash)
    return g_strdup (codec);
  return g_strconcat (type == LIVEKIT__TRACK_TYPE__AUDIO ? "audio/" : "video/", codec, NULL);
}

Livekit__TrackInfo *
fake_track_new_from_request (const gchar * sid, const Livekit__AddTrackRequest * request)
{
  Livekit__TrackInfo *track = fake_track_new (sid, request->type, request->source, request->name, NULL);
  gsize i;

  track->muted = request->muted;
  track->width = request->width;
  track->height = request->height;
  track->stereo = request->stereo;
  track->disable_red = request->disable_red;
  track->encryption = request->encryption;
  fake_set_text (&track->stream, request->stream);
  for (i = 0; i < request->n_simulcast_codecs; i++) {
    g_autofree gchar *mime_type = full_mime_type (request->type, request->simulcast_codecs[i]->codec);

    add_codec (track, mime_type, request->simulcast_codecs[i]->cid);
    if (i == 0)
      fake_set_text (&track->mime_type, mime_type);
  }
  return track;
}
