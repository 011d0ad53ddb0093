/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkroom: the tracks of ours: asked for, answered, told again after a resume.
 *
 * The server answers an AddTrack at once, but counts it as pending until its media has come, and takes 20 of those.
 * So there are two limits: how many we ask for without an answer, and "too many" as an answer, after which we wait
 * and ask again. */

#include "lkroom-private.h"

#include <string.h>

#include "lkerror.h"
#include "lklog.h"
#include "lkroster-info.h"

#define MAX_UNANSWERED 20
#define ANSWER_TIMEOUT_MS 10000
/* After "too many pending tracks". Media of a track comes within some 100 ms. */
#define LIMIT_PAUSE_MS 500

typedef struct
{
  LkRoom *room;
  gchar *cid;
  GBytes *request;              /* AddTrackRequest */
  gboolean is_sent;
  gboolean is_resent;           /* the session before the resume may have had it */
  guint64 timer;                /* from the first sending on */
} Publish;

typedef struct
{
  gchar *sid;
  GBytes *response;             /* TrackPublishedResponse as the server sent it, members that we do not know included */
} Published;

static void
publish_free (Publish * publish)
{
  lk_room_disarm (publish->room, &publish->timer);
  g_bytes_unref (publish->request);
  g_free (publish->cid);
  g_free (publish);
}

static void
published_free (Published * published)
{
  g_bytes_unref (published->response);
  g_free (published->sid);
  g_free (published);
}

void
lk_room_init_publishing (LkRoom * self)
{
  g_queue_init (&self->publishes);
  self->published = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) published_free);
}

void
lk_room_clear_publishing (LkRoom * self)
{
  lk_room_disarm (self, &self->publish_timer);
  g_queue_clear_full (&self->publishes, (GDestroyNotify) publish_free);
  self->n_sent = 0;
  g_hash_table_remove_all (self->published);
}

static Publish *
find_publish (LkRoom * self, const gchar * cid)
{
  for (GList * l = self->publishes.head; l != NULL; l = l->next) {
    Publish *publish = l->data;

    if (g_strcmp0 (publish->cid, cid) == 0)
      return publish;
  }
  return NULL;
}

static void
remove_publish (LkRoom * self, Publish * publish)
{
  g_queue_remove (&self->publishes, publish);
  if (publish->is_sent)
    self->n_sent--;
  publish_free (publish);
}

static void send_publishes (LkRoom * self);

static void
fail_publish (LkRoom * self, Publish * publish, GError * reason)
{
  g_autoptr (GError) error = reason;
  g_autofree gchar *cid = g_strdup (publish->cid);

  lk_warning ("room", "track refused cid=%s reason=%s", cid, error->message);
  remove_publish (self, publish);
  LK_ROOM_TELL (self, publish_failed, self, cid, error);
  send_publishes (self);
}

static void
on_answer_timeout (gpointer data)
{
  Publish *publish = data;

  publish->timer = 0;
  fail_publish (publish->room, publish, g_error_new (LK_ERROR, LK_ERROR_PUBLISH,
          "The server did not answer within %d s that the track is published", ANSWER_TIMEOUT_MS / 1000));
}

static void
send_publish (LkRoom * self, Publish * publish)
{
  Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
  Livekit__AddTrackRequest *add_track = livekit__add_track_request__unpack (NULL, g_bytes_get_size (publish->request),
      g_bytes_get_data (publish->request, NULL));

  publish->is_sent = TRUE;
  self->n_sent++;
  if (publish->timer == 0)
    publish->timer = self->hooks.post_after (self->loop, ANSWER_TIMEOUT_MS, on_answer_timeout, publish, NULL);
  request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_ADD_TRACK;
  request.add_track = add_track;
  self->hooks.client_send (self->client, &request);
  livekit__add_track_request__free_unpacked (add_track, NULL);
}

static void
send_publishes (LkRoom * self)
{
  if (self->state != LK_ROOM_JOINED || self->publish_timer != 0)
    return;
  for (GList * l = self->publishes.head; l != NULL && self->n_sent < MAX_UNANSWERED; l = l->next) {
    Publish *publish = l->data;

    if (!publish->is_sent)
      send_publish (self, publish);
  }
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* What the owner asks for */

static void
fill_layers (const LkPublishRequest * request, Livekit__VideoLayer * layers, Livekit__VideoLayer ** pointers)
{
  for (guint i = 0; i < request->n_layers; i++) {
    livekit__video_layer__init (&layers[i]);
    layers[i].quality = (Livekit__VideoQuality) CLAMP (request->layers[i].quality, 0, 2);
    layers[i].width = request->layers[i].width;
    layers[i].height = request->layers[i].height;
    layers[i].bitrate = request->layers[i].bitrate;
    pointers[i] = &layers[i];
  }
}

static void
fill_codec (const LkPublishRequest * request, gchar * codec, Livekit__SimulcastCodec * simulcast)
{
  livekit__simulcast_codec__init (simulcast);
  simulcast->codec = codec;
  simulcast->cid = (gchar *) request->cid;
  /* Else the server takes layers of VP9 and AV1 for those of one stream. */
  if (request->n_layers > 1 && !request->is_svc)
    simulcast->video_layer_mode = LIVEKIT__VIDEO_LAYER__MODE__ONE_SPATIAL_LAYER_PER_STREAM;
}

static GBytes *
pack_add_track (const LkPublishRequest * request)
{
  Livekit__AddTrackRequest add = LIVEKIT__ADD_TRACK_REQUEST__INIT;
  Livekit__SimulcastCodec codec, *codecs[] = { &codec };
  Livekit__AudioTrackFeature features[2];
  g_autofree Livekit__VideoLayer *layers = g_new0 (Livekit__VideoLayer, request->n_layers);
  g_autofree Livekit__VideoLayer **layer_pointers = g_new0 (Livekit__VideoLayer *, request->n_layers);
  const gchar *slash = request->mime_type != NULL ? strchr (request->mime_type, '/') : NULL;
  g_autofree gchar *codec_name = slash != NULL ? g_ascii_strdown (slash + 1, -1) : NULL;
  guint8 *data;
  gsize size;

  add.cid = (gchar *) request->cid;
  add.name = (gchar *) (request->name != NULL ? request->name : "");
  add.stream = (gchar *) (request->stream != NULL ? request->stream : "");
  add.type = request->kind == LK_TRACK_AUDIO ? LIVEKIT__TRACK_TYPE__AUDIO : LIVEKIT__TRACK_TYPE__VIDEO;
  add.source = (Livekit__TrackSource) request->source;
  add.muted = request->muted;
  add.width = request->width;
  add.height = request->height;
  add.disable_red = !request->has_red;
  fill_layers (request, layers, layer_pointers);
  add.layers = layer_pointers;
  add.n_layers = request->n_layers;
  if (codec_name != NULL) {
    fill_codec (request, codec_name, &codec);
    add.simulcast_codecs = codecs;
    add.n_simulcast_codecs = 1;
  }
  add.audio_features = features;
  if (request->kind == LK_TRACK_AUDIO && request->is_stereo)
    features[add.n_audio_features++] = LIVEKIT__AUDIO_TRACK_FEATURE__TF_STEREO;
  if (request->kind == LK_TRACK_AUDIO && !request->has_dtx)
    features[add.n_audio_features++] = LIVEKIT__AUDIO_TRACK_FEATURE__TF_NO_DTX;

  size = livekit__add_track_request__get_packed_size (&add);
  data = g_malloc (size);
  livekit__add_track_request__pack (&add, data);
  return g_bytes_new_take (data, size);
}

static void
queue_publish (LkRoom * self, const LkPublishRequest * request)
{
  Publish *publish = g_new0 (Publish, 1);

  publish->room = self;
  publish->cid = g_strdup (request->cid);
  publish->request = pack_add_track (request);
  g_queue_push_tail (&self->publishes, publish);
  send_publishes (self);
}

void
lk_room_publish_in_loop (LkRoom * self, const LkPublishRequest * request)
{
  g_autoptr (GError) error = NULL;

  lk_loop_assert_current (self->loop);

  switch (self->state) {
    case LK_ROOM_JOINED:
    case LK_ROOM_RESUMING:
      queue_publish (self, request);
      break;
    case LK_ROOM_FETCHING_TOKEN:
    case LK_ROOM_CONNECTING:
    case LK_ROOM_REJOINING:
      /* joined() is the time for it */
      lk_debug ("room", "publishing dropped while %s cid=%s", lk_room_state_name (self->state), request->cid);
      break;
    case LK_ROOM_IDLE:
    case LK_ROOM_LEAVING:
      error = g_error_new (LK_ERROR, LK_ERROR_CANCELLED, "Nothing can be published while %s",
          lk_room_state_name (self->state));
      LK_ROOM_TELL (self, publish_failed, self, request->cid, error);
      break;
    case LK_ROOM_CLOSED:
      break;
  }
}

void
lk_room_unpublish_in_loop (LkRoom * self, const gchar * cid)
{
  Publish *publish;

  lk_loop_assert_current (self->loop);

  publish = find_publish (self, cid);
  if (publish != NULL)
    remove_publish (self, publish);
  g_hash_table_remove (self->published, cid);
  send_publishes (self);
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* What the server says */

static void
remember_published (LkRoom * self, const Livekit__TrackPublishedResponse * response)
{
  Published *published = g_new0 (Published, 1);
  gsize size = livekit__track_published_response__get_packed_size (response);
  guint8 *data = g_malloc (size);

  livekit__track_published_response__pack (response, data);
  published->sid = g_strdup (response->track->sid);
  published->response = g_bytes_new_take (data, size);
  g_hash_table_replace (self->published, g_strdup (response->cid), published);
}

void
lk_room_track_published (LkRoom * self, const Livekit__TrackPublishedResponse * response)
{
  Publish *publish = find_publish (self, response->cid);
  g_autoptr (LkPublication) publication = NULL;

  if (publish == NULL || !publish->is_sent || response->track == NULL) {
    lk_debug ("room", "published what was not asked for cid=%s", response->cid);
    return;
  }
  lk_info ("room", "track published cid=%s sid=%s", response->cid, response->track->sid);
  remove_publish (self, publish);
  remember_published (self, response);
  publication = lk_publication_new (lk_roster_get_local (self->roster), response->track);
  LK_ROOM_TELL (self, track_published, self, response->cid, publication);
  send_publishes (self);
}

static void
on_limit_pause_over (gpointer data)
{
  LkRoom *self = data;

  self->publish_timer = 0;
  send_publishes (self);
}

/* Its 10 s go on. */
static void
wait_for_room (LkRoom * self, Publish * publish)
{
  publish->is_sent = FALSE;
  self->n_sent--;
  if (self->publish_timer == 0)
    lk_room_arm (self, &self->publish_timer, LIMIT_PAUSE_MS, on_limit_pause_over);
}

void
lk_room_track_refused (LkRoom * self, const gchar * cid, Livekit__RequestResponse__Reason reason, const gchar * text)
{
  Publish *publish = find_publish (self, cid);
  const gchar *colon = text[0] != '\0' ? ": " : "";

  if (publish == NULL || !publish->is_sent || reason == LIVEKIT__REQUEST_RESPONSE__REASON__OK)
    return;
  if (reason == LIVEKIT__REQUEST_RESPONSE__REASON__LIMIT_EXCEEDED) {
    wait_for_room (self, publish);
  } else if (reason == LIVEKIT__REQUEST_RESPONSE__REASON__QUEUED) {
    /* It comes when the track before it with this cid has gone. After a resume that one is this one, and its answer
     * is lost */
    if (publish->is_resent)
      fail_publish (self, publish, g_error_new (LK_ERROR, LK_ERROR_CANCELLED,
              "The connection broke while the track was being published"));
  } else if (reason == LIVEKIT__REQUEST_RESPONSE__REASON__NOT_ALLOWED) {
    fail_publish (self, publish, g_error_new (LK_ERROR, LK_ERROR_PERMISSION,
            "The server does not allow to publish this track%s%s", colon, text));
  } else {
    fail_publish (self, publish, g_error_new (LK_ERROR, LK_ERROR_PUBLISH,
            "The server refused the track (reason %d)%s%s", (gint) reason, colon, text));
  }
}

static gboolean
has_sid (gpointer cid, gpointer published, gpointer sid)
{
  return g_strcmp0 (((Published *) published)->sid, sid) == 0;
}

void
lk_room_track_unpublished (LkRoom * self, const gchar * sid)
{
  g_hash_table_foreach_remove (self->published, has_sid, (gpointer) sid);
  LK_ROOM_TELL (self, track_unpublished, self, sid);
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* Over a resume */

void
lk_room_pause_publishing (LkRoom * self)
{
  lk_room_disarm (self, &self->publish_timer);
  self->n_sent = 0;
  for (GList * l = self->publishes.head; l != NULL; l = l->next) {
    Publish *publish = l->data;

    lk_room_disarm (self, &publish->timer);
    publish->is_resent |= publish->is_sent;
    publish->is_sent = FALSE;
  }
}

void
lk_room_resume_publishing (LkRoom * self)
{
  send_publishes (self);
}

Livekit__TrackPublishedResponse **
lk_room_unpack_published (LkRoom * self, gsize * n_published)
{
  Livekit__TrackPublishedResponse **array =
      g_new0 (Livekit__TrackPublishedResponse *, g_hash_table_size (self->published));
  GHashTableIter iter;
  gpointer published;

  *n_published = 0;
  g_hash_table_iter_init (&iter, self->published);
  while (g_hash_table_iter_next (&iter, NULL, &published)) {
    GBytes *bytes = ((Published *) published)->response;

    array[(*n_published)++] = livekit__track_published_response__unpack (NULL, g_bytes_get_size (bytes),
        g_bytes_get_data (bytes, NULL));
  }
  return array;
}

void
lk_room_free_published (Livekit__TrackPublishedResponse ** published, gsize n_published)
{
  for (gsize i = 0; i < n_published; i++)
    livekit__track_published_response__free_unpacked (published[i], NULL);
  g_free (published);
}
