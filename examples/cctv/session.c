/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* session: one stay of a camera in its room. */

#include "session.h"

#include <string.h>

#include "appkeys.h"
#include "applog.h"
#include "lktoken.h"

#define TOKEN_VALID_S (60 * 60)

struct _CctvSession
{
  CctvCamera *camera;
  CctvSessionDelegate delegate;
  gpointer data;

  GstElement *pipeline, *sink;
  GstPad *video_pads[CCTV_MAX_STREAMS], *audio_pad;
  gboolean is_connected, has_failed;
  GHashTable *others;           /* sids of the other participants */

  void (*stopped) (gpointer data);
  gpointer stopped_data;
};

static gchar *
make_identity (const CctvCamera * camera)
{
  return g_strconcat (CCTV_IDENTITY_PREFIX, camera->id, NULL);
}

static gchar *
make_room (const CctvSettings * settings, const CctvCamera * camera)
{
  return g_strconcat (settings->room_prefix, camera->id, NULL);
}

/* --- what the bus says --- */

static void
take_connection (CctvSession * session, const GstStructure * structure)
{
  const gchar *state = gst_structure_get_string (structure, "state");
  const gchar *reason = gst_structure_get_string (structure, "reason");
  gboolean is_connected = g_strcmp0 (state, "connected") == 0;

  if (session->is_connected == is_connected)
    return;
  session->is_connected = is_connected;
  app_info ("camera %s: %s%s%s", session->camera->id, state, reason && *reason ? ", " : "", reason ? reason : "");
  session->delegate.connected_changed (is_connected, session->data);
}

static gint
find_stream (CctvSession * session, const gchar * pad_name)
{
  for (guint i = 0; i < session->camera->n_streams; i++) {
    if (g_strcmp0 (GST_PAD_NAME (session->video_pads[i]), pad_name) == 0)
      return (gint) i;
  }
  return -1;
}

static void
take_track (CctvSession * session, const GstStructure * structure)
{
  const gchar *action = gst_structure_get_string (structure, "action");
  gint stream = find_stream (session, gst_structure_get_string (structure, "pad"));
  gboolean is_active = g_strcmp0 (action, "active") == 0;

  if (stream < 0)
    return;
  if (is_active || g_strcmp0 (action, "inactive") == 0)
    session->delegate.active_changed ((guint) stream, is_active, session->data);
}

static void
take_participant (CctvSession * session, const GstStructure * structure)
{
  const gchar *action = gst_structure_get_string (structure, "action");
  const gchar *sid = gst_structure_get_string (structure, "sid");
  guint before = g_hash_table_size (session->others);

  if (sid == NULL)
    return;
  if (g_strcmp0 (action, "left") == 0)
    g_hash_table_remove (session->others, sid);
  else
    g_hash_table_add (session->others, g_strdup (sid));
  if (g_hash_table_size (session->others) != before)
    session->delegate.viewers_changed (g_hash_table_size (session->others), session->data);
}

static void
take_element_message (CctvSession * session, GstMessage * message)
{
  const GstStructure *structure = gst_message_get_structure (message);

  if (GST_MESSAGE_SRC (message) != GST_OBJECT (session->sink))
    return;
  if (gst_structure_has_name (structure, "livekit-connection"))
    take_connection (session, structure);
  else if (gst_structure_has_name (structure, "livekit-track"))
    take_track (session, structure);
  else if (gst_structure_has_name (structure, "livekit-participant"))
    take_participant (session, structure);
}

static gboolean
is_displaced (GstMessage * message)
{
  const GstStructure *details = NULL;

  gst_message_parse_error_details (message, &details);
  return details && g_strcmp0 (gst_structure_get_string (details, "reason"), "duplicate-identity") == 0;
}

static void
take_error (CctvSession * session, GstMessage * message)
{
  g_autoptr (GError) error = NULL;

  gst_message_parse_error (message, &error, NULL);
  if (session->delegate.stream_failed (GST_MESSAGE_SRC (message), error, session->data))
    return;
  /* Of a connection to the camera that has been given up meanwhile, or said already. */
  if (session->has_failed || (GST_MESSAGE_SRC (message) != GST_OBJECT (session->sink)
          && !gst_object_has_as_ancestor (GST_MESSAGE_SRC (message), GST_OBJECT (session->sink))))
    return;
  session->has_failed = TRUE;
  session->delegate.failed (error, is_displaced (message), session->data);
}

static void
take_warning (CctvSession * session, GstMessage * message)
{
  g_autoptr (GError) error = NULL;

  gst_message_parse_warning (message, &error, NULL);
  app_warning ("camera %s: %s", session->camera->id, error->message);
}

/* The owner may stop the session in one of these; what it needs is held until then. */
static gboolean
on_bus_message (GstBus * bus, GstMessage * message, gpointer data)
{
  CctvSession *session = data;

  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_ELEMENT:
      take_element_message (session, message);
      break;
    case GST_MESSAGE_ERROR:
      take_error (session, message);
      break;
    case GST_MESSAGE_WARNING:
      take_warning (session, message);
      break;
    default:
      break;
  }
  return G_SOURCE_CONTINUE;
}

/* --- making it --- */

static gchar *
mint_token (const CctvCamera * camera, const CctvSettings * settings, GError ** error)
{
  g_autofree gchar *room = make_room (settings, camera);
  g_autofree gchar *identity = make_identity (camera);
  const AppKeys keys = { settings->api_key, settings->api_secret };

  return app_keys_mint (&keys, room, identity, camera->name, APP_MAY_PUBLISH, TOKEN_VALID_S, error);
}

/* It comes back by itself for as long as it takes: the camera's place in the room is not given up. */
static void
set_up_sink (CctvSession * session, const CctvSettings * settings, const gchar * token)
{
  g_autofree gchar *room = make_room (settings, session->camera);
  g_autofree gchar *identity = make_identity (session->camera);

  g_object_set (session->sink, "server-url", settings->server_url, "room", room, "identity", identity,
      "participant-name", session->camera->name, "token", token, "join-timeout", 0, NULL);
  if (settings->tls_ca_file)
    g_object_set (session->sink, "tls-ca-file", settings->tls_ca_file, NULL);
  if (settings->relay_only)
    gst_util_set_object_arg (G_OBJECT (session->sink), "ice-transport-policy", "relay");
}

static void
request_pads (CctvSession * session)
{
  for (guint i = 0; i < session->camera->n_streams; i++) {
    session->video_pads[i] = gst_element_request_pad_simple (session->sink, "video_%u");
    g_object_set (session->video_pads[i], "track-name", "camera", NULL);
  }
  if (!session->camera->has_audio)
    return;
  session->audio_pad = gst_element_request_pad_simple (session->sink, "audio_%u");
  g_object_set (session->audio_pad, "track-name", "microphone", NULL);
}

/* rtspsrc offers a clock, too, and comes and goes. */
static void
make_pipeline (CctvSession * session)
{
  g_autoptr (GstClock) clock = gst_system_clock_obtain ();
  g_autoptr (GstBus) bus = NULL;

  session->pipeline = gst_object_ref_sink (gst_pipeline_new (NULL));
  gst_pipeline_use_clock (GST_PIPELINE (session->pipeline), clock);
  gst_bin_add (GST_BIN (session->pipeline), session->sink);
  bus = gst_element_get_bus (session->pipeline);
  gst_bus_add_watch (bus, on_bus_message, session);
}

CctvSession *
cctv_session_new (CctvCamera * camera, const CctvSettings * settings, const CctvSessionDelegate * delegate,
    gpointer data, GError ** error)
{
  gchar *token = mint_token (camera, settings, error);
  CctvSession *session;

  if (token == NULL)
    return NULL;
  session = g_new0 (CctvSession, 1);
  session->camera = cctv_camera_ref (camera);
  session->delegate = *delegate;
  session->data = data;
  session->others = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  session->sink = gst_element_factory_make ("livekitsink", NULL);
  set_up_sink (session, settings, token);
  lk_token_clear (token);
  request_pads (session);
  make_pipeline (session);
  return session;
}

gboolean
cctv_session_start (CctvSession * session)
{
  return gst_element_set_state (session->pipeline, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE;
}

/* --- ending it --- */

static gboolean
stopped_in_main (gpointer data)
{
  CctvSession *session = data;

  for (guint i = 0; i < session->camera->n_streams; i++)
    gst_object_unref (session->video_pads[i]);
  g_clear_pointer (&session->audio_pad, gst_object_unref);
  gst_object_unref (session->pipeline);
  g_hash_table_unref (session->others);
  cctv_camera_unref (session->camera);
  session->stopped (session->stopped_data);
  g_free (session);
  return G_SOURCE_REMOVE;
}

static void
stopped_in_thread (gpointer data)
{
  g_idle_add (stopped_in_main, data);
}

static void
end_source (const GValue * item, gpointer data)
{
  CctvSession *session = data;
  GstElement *element = g_value_get_object (item);

  if (element != session->sink)
    gst_element_set_state (element, GST_STATE_NULL);
}

/* Sources first, which somebody may be taking down already: in PAUSED the sink's inner sinks hold what is being pushed,
 * and no source would end. */
static void
leave (GstElement * pipeline, gpointer data)
{
  GstIterator *children = gst_bin_iterate_elements (GST_BIN (pipeline));

  while (gst_iterator_foreach (children, end_source, data) == GST_ITERATOR_RESYNC)
    gst_iterator_resync (children);
  gst_iterator_free (children);
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

void
cctv_session_stop (CctvSession * session, void (*stopped) (gpointer data), gpointer data)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (session->pipeline);

  gst_bus_remove_watch (bus);
  gst_bus_set_flushing (bus, TRUE);
  session->stopped = stopped;
  session->stopped_data = data;
  gst_element_call_async (session->pipeline, leave, session, stopped_in_thread);
}

/* --- what it has --- */

GstBin *
cctv_session_get_pipeline (CctvSession * session)
{
  return GST_BIN (session->pipeline);
}

GstPad *
cctv_session_get_video_pad (CctvSession * session, guint stream)
{
  return session->video_pads[stream];
}

GstPad *
cctv_session_get_audio_pad (CctvSession * session)
{
  return session->audio_pad;
}

guint
cctv_session_get_n_viewers (CctvSession * session)
{
  return g_hash_table_size (session->others);
}

gboolean
cctv_session_is_published (CctvSession * session, guint stream)
{
  g_autofree gchar *sid = NULL;

  g_object_get (session->video_pads[stream], "track-sid", &sid, NULL);
  return sid != NULL;
}

gboolean
cctv_session_is_active (CctvSession * session, guint stream)
{
  gboolean is_active;

  g_object_get (session->video_pads[stream], "active", &is_active, NULL);
  return is_active;
}

GstStructure *
cctv_session_get_stats (CctvSession * session)
{
  GstStructure *stats = NULL;

  g_object_get (session->sink, "stats", &stats, NULL);
  return stats;
}
