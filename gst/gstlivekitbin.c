/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitbin: abstract parent of livekitsink and livekitsrc. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

/**
 * GstLiveKitBin:
 *
 * What livekitsink and livekitsrc have in common: the properties that say how to join a LiveKit room.
 *
 * State changes do not wait for the network: joining begins with READY→PAUSED, is reported by PROGRESS messages and by
 * #GstLiveKitBin:connection-state, and ends in an error message when it fails. Notifications and messages come from the
 * session's own thread, with no lock held.
 */

#include "gstlivekitbin.h"

#include <gio/gio.h>
#include "gstlivekitelements.h"
#include "gstlivekitenumtypes.h"
#include "gstlivekiterror.h"
#include "lkerror.h"
#include "lktoken.h"

#define GST_CAT_DEFAULT gst_livekit_debug

#define DEFAULT_JOIN_TIMEOUT_MS 10000
#define DEFAULT_RECONNECT_TIMEOUT_MS 0
#define DEFAULT_TLS_VALIDATION_FLAGS G_TLS_CERTIFICATE_VALIDATE_ALL

enum
{
  PROP_0,
  PROP_SERVER_URL,
  PROP_TOKEN_URL,
  PROP_TOKEN_HEADERS,
  PROP_TOKEN,
  PROP_API_KEY,
  PROP_API_SECRET,
  PROP_ROOM,
  PROP_IDENTITY,
  PROP_PARTICIPANT_NAME,
  PROP_PARTICIPANT_METADATA,
  PROP_PARTICIPANT_ATTRIBUTES,
  PROP_JOIN_TIMEOUT,
  PROP_RECONNECT_TIMEOUT,
  PROP_ICE_TRANSPORT_POLICY,
  PROP_STUN_SERVER,
  PROP_TURN_SERVERS,
  PROP_TLS_CA_FILE,
  PROP_TLS_DATABASE,
  PROP_TLS_VALIDATION_FLAGS,
  PROP_PROXY,
  PROP_PROXY_ID,
  PROP_PROXY_PW,
  PROP_CONNECTION_STATE,
  PROP_ROOM_INFO,
  PROP_STATS,
  N_PROPERTIES
};

static GParamSpec *properties[N_PROPERTIES];

typedef struct
{
  /* OBJECT_LOCK: settings */
  gchar *server_url, *token_url, *token, *api_key, *api_secret;
  GHashTable *token_headers;
  gchar *room, *identity, *participant_name, *participant_metadata;
  gboolean room_is_ours, identity_is_ours;      /* filled in by the join, so not a wish for the next one */
  GHashTable *participant_attributes;
  guint join_timeout_ms, reconnect_timeout_ms;
  GstLiveKitIceTransportPolicy ice_transport_policy;
  gchar *stun_server;
  GStrv turn_servers;
  LkHttpSettings http;

  /* OBJECT_LOCK: what the session said last */
  GstLiveKitSession *session;
  GstLiveKitConnectionState connection_state;
  GstStructure *room_info;
  gboolean error_is_posted, has_joined;

  /* state changes */
  gboolean is_warm;
} GstLiveKitBinPrivate;

G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE (GstLiveKitBin, gst_livekit_bin, GST_TYPE_BIN);

static GstLiveKitBinPrivate *
get_private (GstLiveKitBin * self)
{
  return gst_livekit_bin_get_instance_private (self);
}

GstLiveKitSession *
gst_livekit_bin_ref_session (GstLiveKitBin * self)
{
  GstLiveKitBinPrivate *priv = get_private (self);
  GstLiveKitSession *session;

  GST_OBJECT_LOCK (self);
  session = priv->session ? gst_livekit_session_ref (priv->session) : NULL;
  GST_OBJECT_UNLOCK (self);
  return session;
}

gchar *
gst_livekit_bin_dup_room (GstLiveKitBin * self)
{
  GstLiveKitBinPrivate *priv = get_private (self);
  gchar *room;

  GST_OBJECT_LOCK (self);
  room = g_strdup (priv->room ? priv->room : "");
  GST_OBJECT_UNLOCK (self);
  return room;
}

void
gst_livekit_bin_post_error (GstLiveKitBin * self, const GError * error)
{
  GstLiveKitBinPrivate *priv = get_private (self);
  gboolean is_posted;

  GST_OBJECT_LOCK (self);
  is_posted = priv->error_is_posted;
  priv->error_is_posted = TRUE;
  GST_OBJECT_UNLOCK (self);
  if (is_posted)
    GST_WARNING_OBJECT (self, "another error: %s", error->message);
  else
    gst_livekit_post_error (GST_ELEMENT (self), error);
}

/* --- what the session tells --- */

static const gchar *
state_nick (GstLiveKitConnectionState state)
{
  g_autoptr (GEnumClass) klass = g_type_class_ref (GST_TYPE_LIVEKIT_CONNECTION_STATE);

  return g_enum_get_value (klass, state)->value_nick;
}

static void
post_progress (GstLiveKitBin * self, GstProgressType type, const gchar * code, const gchar * text)
{
  gst_element_post_message (GST_ELEMENT (self), gst_message_new_progress (GST_OBJECT (self), type, code, text));
}

static void
report_progress (GstLiveKitBin * self, GstLiveKitConnectionState old, GstLiveKitConnectionState state,
    const gchar * text)
{
  const gchar *code = old == GST_LIVEKIT_CONNECTION_STATE_RECONNECTING ? "reconnect" : "connect";

  switch (state) {
    case GST_LIVEKIT_CONNECTION_STATE_CONNECTING:
      post_progress (self, old == state ? GST_PROGRESS_TYPE_CONTINUE : GST_PROGRESS_TYPE_START, "connect",
          "Joining the room");
      return;
    case GST_LIVEKIT_CONNECTION_STATE_RECONNECTING:
      post_progress (self, old == state ? GST_PROGRESS_TYPE_CONTINUE : GST_PROGRESS_TYPE_START, "reconnect",
          "Getting back into the room");
      return;
    case GST_LIVEKIT_CONNECTION_STATE_CONNECTED:
      /* The end of "connect" is told by the join: gst-launch-1.0 waits for it before it goes to PLAYING, and media cannot
       * be sent, nor DTLS shake hands, before that. */
      if (old == GST_LIVEKIT_CONNECTION_STATE_RECONNECTING)
        post_progress (self, GST_PROGRESS_TYPE_COMPLETE, code, "Connected again");
      return;
    case GST_LIVEKIT_CONNECTION_STATE_FAILED:
      post_progress (self, GST_PROGRESS_TYPE_ERROR, code, text);
      return;
    case GST_LIVEKIT_CONNECTION_STATE_DISCONNECTED:
      return;
  }
}

static void
on_session_state_changed (GstLiveKitSession * session, GstLiveKitConnectionState state, const GError * reason,
    guint attempt, guint next_try_ms, gpointer data)
{
  GstLiveKitBin *self = data;
  GstLiveKitBinPrivate *priv = get_private (self);
  GstLiveKitConnectionState old;
  const gchar *why = "";

  GST_OBJECT_LOCK (self);
  old = priv->connection_state;
  priv->connection_state = state;
  GST_OBJECT_UNLOCK (self);
  if (reason)
    why = reason->domain == LK_ERROR ? lk_error_reason (reason->code) : reason->message;
  GST_INFO_OBJECT (self, "connection state=%s reason=%s attempt=%u next-try=%u ms", state_nick (state), why, attempt,
      next_try_ms);
  gst_element_post_message (GST_ELEMENT (self), gst_message_new_element (GST_OBJECT (self),
          gst_structure_new ("livekit-connection", "state", G_TYPE_STRING, state_nick (state),
              "reason", G_TYPE_STRING, why, "attempt", G_TYPE_UINT, attempt,
              "next-try-ms", G_TYPE_UINT, next_try_ms, NULL)));
  report_progress (self, old, state, reason ? reason->message : "");
  if (old != state)
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_CONNECTION_STATE]);
  if (state != GST_LIVEKIT_CONNECTION_STATE_FAILED)
    return;
  if (!GST_LIVEKIT_BIN_GET_CLASS (self)->ended (self, reason))
    gst_livekit_bin_post_error (self, reason);
}

static void
on_session_joined (GstLiveKitSession * session, const gchar * room, const gchar * identity, gpointer data)
{
  GstLiveKitBin *self = data;
  GstLiveKitBinPrivate *priv = get_private (self);
  gboolean room_changed, identity_changed, is_first;

  GST_OBJECT_LOCK (self);
  is_first = !priv->has_joined;
  priv->has_joined = TRUE;
  room_changed = g_strcmp0 (priv->room, room) != 0;
  identity_changed = g_strcmp0 (priv->identity, identity) != 0;
  priv->room_is_ours |= priv->room == NULL;
  priv->identity_is_ours |= priv->identity == NULL;
  g_free (priv->room);
  priv->room = g_strdup (room);
  g_free (priv->identity);
  priv->identity = g_strdup (identity);
  GST_OBJECT_UNLOCK (self);
  if (room_changed)
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_ROOM]);
  if (identity_changed)
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_IDENTITY]);
  if (is_first)
    post_progress (self, GST_PROGRESS_TYPE_COMPLETE, "connect", "Joined the room");
}

static void
on_session_room_info_changed (GstLiveKitSession * session, const GstStructure * info, gpointer data)
{
  GstLiveKitBin *self = data;
  GstLiveKitBinPrivate *priv = get_private (self);
  GstStructure *old;

  GST_OBJECT_LOCK (self);
  old = priv->room_info;
  priv->room_info = gst_structure_copy (info);
  GST_OBJECT_UNLOCK (self);
  g_clear_pointer (&old, gst_structure_free);
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_ROOM_INFO]);
}

static void
on_session_message (GstLiveKitSession * session, GstStructure * structure, gpointer data)
{
  gst_element_post_message (GST_ELEMENT (data), gst_message_new_element (GST_OBJECT (data), structure));
}

static void
on_session_warning (GstLiveKitSession * session, const GError * error, gpointer data)
{
  gst_livekit_post_warning (GST_ELEMENT (data), error);
}

/* --- start and stop --- */

static gboolean
fail_start (GstLiveKitBin * self, GError * error)
{
  gst_livekit_bin_post_error (self, error);
  g_error_free (error);
  return FALSE;
}

static const gchar *
set_or_null (const gchar * value)
{
  return value && *value ? value : NULL;
}

/* OBJECT_LOCK held; strings stay the bin's. */
static void
fill_settings_locked (GstLiveKitBinPrivate * priv, GstLiveKitSessionSettings * settings, const gchar * server_url)
{
  settings->room.server_url = server_url;
  settings->room.room = priv->room_is_ours ? NULL : set_or_null (priv->room);
  settings->room.identity = priv->identity_is_ours ? NULL : set_or_null (priv->identity);
  settings->room.name = set_or_null (priv->participant_name);
  settings->room.metadata = set_or_null (priv->participant_metadata);
  settings->room.attributes = priv->participant_attributes;
  settings->room.http = &priv->http;
  settings->room.client_version = PACKAGE_VERSION;
  settings->room.join_timeout_ms = priv->join_timeout_ms;
  settings->room.reconnect_timeout_ms = priv->reconnect_timeout_ms;
  settings->relay_only = priv->ice_transport_policy == GST_LIVEKIT_ICE_TRANSPORT_POLICY_RELAY;
  settings->stun_server = set_or_null (priv->stun_server);
  settings->turn_servers = (const gchar * const *) priv->turn_servers;
}

static GstLiveKitSession *
make_session (GstLiveKitBin * self, GstLiveKitSessionSettings * settings)
{
  GstLiveKitSessionDelegate delegate = {
    .state_changed = on_session_state_changed,
    .joined = on_session_joined,
    .room_info_changed = on_session_room_info_changed,
    .message = on_session_message,
    .warning = on_session_warning,
  };

  GST_LIVEKIT_BIN_GET_CLASS (self)->prepare (self, &delegate, settings);
  return gst_livekit_session_new (GST_BIN (self), &delegate, self);
}

/* What cannot work is told by the state change itself, not by the network's timing. */
static void
check_settings (const GstLiveKitSessionSettings * settings, GError ** error)
{
  gint64 now_s = g_get_real_time () / G_USEC_PER_SEC;

  if (*error || (settings->room.server_url && !lk_room_check_server_url (settings->room.server_url, error)))
    return;
  lk_token_source_check (settings->room.token_source, settings->room.room,
      settings->room.needs_publish, settings->room.needs_subscribe, now_s, error);
}

static gboolean
start_session (GstLiveKitBin * self)
{
  GstLiveKitBinPrivate *priv = get_private (self);
  GstLiveKitSessionSettings settings = { 0 };
  GstLiveKitSession *session = make_session (self, &settings);
  const gchar *server_url;
  GError *error = NULL;

  GST_OBJECT_LOCK (self);
  server_url = set_or_null (priv->server_url);
  if (server_url == NULL)
    server_url = set_or_null (g_getenv ("LIVEKIT_URL"));
  fill_settings_locked (priv, &settings, server_url);
  settings.room.token_source = lk_token_source_choose (set_or_null (priv->token), set_or_null (priv->token_url),
      priv->token_headers, set_or_null (priv->api_key), set_or_null (priv->api_secret), server_url, &priv->http,
      g_getenv, &error);
  check_settings (&settings, &error);
  if (error == NULL)
    gst_livekit_session_start (session, &settings);
  priv->error_is_posted = priv->has_joined = FALSE;
  GST_OBJECT_UNLOCK (self);
  g_clear_pointer (&settings.room.token_source, lk_token_source_unref);
  if (error) {
    gst_livekit_session_unref (session);
    return fail_start (self, error);
  }
  GST_OBJECT_LOCK (self);
  priv->session = session;
  GST_OBJECT_UNLOCK (self);
  GST_LIVEKIT_BIN_GET_CLASS (self)->started (self, session);
  return TRUE;
}

static void
stop_session (GstLiveKitBin * self)
{
  GstLiveKitBinPrivate *priv = get_private (self);
  GstLiveKitSession *session;
  GstLiveKitConnectionState state;
  gboolean state_changed;

  GST_OBJECT_LOCK (self);
  session = g_steal_pointer (&priv->session);
  GST_OBJECT_UNLOCK (self);
  if (session == NULL)
    return;
  GST_LIVEKIT_BIN_GET_CLASS (self)->stopping (self);
  if (gst_livekit_session_stop (session))
    gst_livekit_session_unref (session);
  else
    GST_WARNING_OBJECT (self, "a webrtcbin did not stop in time and is left behind");
  GST_LIVEKIT_BIN_GET_CLASS (self)->stopped (self);
  GST_OBJECT_LOCK (self);
  state = priv->connection_state;
  state_changed = state != GST_LIVEKIT_CONNECTION_STATE_DISCONNECTED;
  priv->connection_state = GST_LIVEKIT_CONNECTION_STATE_DISCONNECTED;
  if (priv->room_is_ours)
    g_clear_pointer (&priv->room, g_free);
  if (priv->identity_is_ours)
    g_clear_pointer (&priv->identity, g_free);
  priv->room_is_ours = priv->identity_is_ours = FALSE;
  GST_OBJECT_UNLOCK (self);
  if (state == GST_LIVEKIT_CONNECTION_STATE_RECONNECTING)
    post_progress (self, GST_PROGRESS_TYPE_CANCELED, "reconnect", "Stopped");
  else if (state == GST_LIVEKIT_CONNECTION_STATE_CONNECTING && !priv->has_joined)
    post_progress (self, GST_PROGRESS_TYPE_CANCELED, "connect", "Stopped");
  if (state_changed)
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_CONNECTION_STATE]);
}

static void
cool_down (GstLiveKitBin * self)
{
  GstLiveKitBinPrivate *priv = get_private (self);

  if (priv->is_warm)
    gst_livekit_peer_cool_down ();
  priv->is_warm = FALSE;
}

/* No DTLS without sinks that play. */
static void
tell_paused (GstLiveKitBin * self, gboolean is_paused)
{
  g_autoptr (GstLiveKitSession) session = gst_livekit_bin_ref_session (self);

  if (session)
    gst_livekit_session_set_paused (session, is_paused);
}

static GstStateChangeReturn
gst_livekit_bin_change_state (GstElement * element, GstStateChange transition)
{
  GstLiveKitBin *self = GST_LIVEKIT_BIN (element);
  GstStateChangeReturn result;

  switch (transition) {
    case GST_STATE_CHANGE_NULL_TO_READY:
      gst_livekit_peer_warm_up ();
      get_private (self)->is_warm = TRUE;
      break;
    case GST_STATE_CHANGE_READY_TO_PAUSED:
      if (!start_session (self))
        return GST_STATE_CHANGE_FAILURE;
      break;
    case GST_STATE_CHANGE_PLAYING_TO_PAUSED:
      tell_paused (self, TRUE);
      break;
    case GST_STATE_CHANGE_PAUSED_TO_READY:
      stop_session (self);
      break;
    default:
      break;
  }
  result = GST_ELEMENT_CLASS (gst_livekit_bin_parent_class)->change_state (element, transition);
  if (transition == GST_STATE_CHANGE_READY_TO_NULL
      || (transition == GST_STATE_CHANGE_NULL_TO_READY && result == GST_STATE_CHANGE_FAILURE))
    cool_down (self);
  if (result == GST_STATE_CHANGE_FAILURE) {
    if (transition == GST_STATE_CHANGE_READY_TO_PAUSED)
      stop_session (self);
    return result;
  }
  if (transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING)
    tell_paused (self, FALSE);
  /* What is inside comes and goes with the network; the element does not wait for it. */
  return GST_STATE_CHANGE_SUCCESS;
}

/* --- the bus --- */

static gboolean
is_inside_peer (GstLiveKitBin * self, GstObject * object)
{
  g_autoptr (GstObject) at = gst_object_ref (object);

  while (at && at != GST_OBJECT_CAST (self)) {
    GstElementFactory *factory = GST_IS_ELEMENT (at) ? gst_element_get_factory (GST_ELEMENT (at)) : NULL;
    GstObject *parent;

    if (factory && g_str_equal (GST_OBJECT_NAME (factory), "webrtcbin"))
      return TRUE;
    parent = gst_object_get_parent (at);
    gst_object_unref (at);
    at = parent;
  }
  return FALSE;
}

static void
handle_child_error (GstLiveKitBin * self, GstMessage * message)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *debug = NULL;
  g_autoptr (GstLiveKitSession) session = gst_livekit_bin_ref_session (self);
  g_autofree gchar *why = NULL;

  gst_message_parse_error (message, &error, &debug);
  GST_WARNING_OBJECT (self, "error inside the peer from=%s: %s (%s)", GST_MESSAGE_SRC_NAME (message), error->message,
      debug);
  /* When the server goes, SCTP's elements complain; the transport tells the same in its own way. */
  if (session == NULL || g_str_has_prefix (GST_MESSAGE_SRC_NAME (message), "sctp"))
    return;
  why = g_strdup_printf ("%s: %s", GST_MESSAGE_SRC_NAME (message), error->message);
  gst_livekit_session_child_failed (session, why);
}

static void
gst_livekit_bin_handle_message (GstBin * bin, GstMessage * message)
{
  GstLiveKitBin *self = GST_LIVEKIT_BIN (bin);
  gboolean is_from_peer = is_inside_peer (self, GST_MESSAGE_SRC (message));

  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_EOS:
    case GST_MESSAGE_ASYNC_START:
    case GST_MESSAGE_ASYNC_DONE:
    case GST_MESSAGE_QOS:
      gst_message_unref (message);
      return;
    case GST_MESSAGE_LATENCY:{
      g_autoptr (GstLiveKitSession) session = gst_livekit_bin_ref_session (self);

      /* rtpsession cannot make sender reports before somebody answers this, and an application may not. */
      if (session)
        gst_livekit_session_recalculate_latency (session);
      gst_message_unref (message);
      return;
    }
    case GST_MESSAGE_ERROR:
      if (!is_from_peer)
        break;
      handle_child_error (self, message);
      gst_message_unref (message);
      return;
    case GST_MESSAGE_WARNING:
    case GST_MESSAGE_INFO:
    case GST_MESSAGE_ELEMENT:
      if (!is_from_peer)
        break;
      gst_message_unref (message);
      return;
    default:
      break;
  }
  GST_BIN_CLASS (gst_livekit_bin_parent_class)->handle_message (bin, message);
}

/* --- properties --- */

static void
take_string (gchar ** place, const GValue * value)
{
  g_free (*place);
  *place = g_value_dup_string (value);
}

static void
take_secret (gchar ** place, const GValue * value)
{
  lk_token_clear (*place);
  *place = g_value_dup_string (value);
}

static gboolean
add_header (GQuark field, const GValue * value, gpointer data)
{
  g_auto (GValue) text = G_VALUE_INIT;

  g_value_init (&text, G_TYPE_STRING);
  if (g_value_transform (value, &text))
    g_hash_table_insert (data, g_strdup (g_quark_to_string (field)), g_value_dup_string (&text));
  return TRUE;
}

static void
take_headers (GHashTable ** place, const GValue * value)
{
  const GstStructure *structure = gst_value_get_structure (value);

  g_clear_pointer (place, g_hash_table_unref);
  if (structure == NULL)
    return;
  *place = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  gst_structure_foreach (structure, add_header, *place);
}

static void
take_pairs (GHashTable ** place, const GValue * value)
{
  guint n = gst_value_array_get_size (value);

  g_clear_pointer (place, g_hash_table_unref);
  if (n == 0)
    return;
  *place = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  for (guint i = 0; i + 1 < n; i += 2) {
    const GValue *key = gst_value_array_get_value (value, i), *text = gst_value_array_get_value (value, i + 1);

    if (G_VALUE_HOLDS_STRING (key) && G_VALUE_HOLDS_STRING (text) && g_value_get_string (key))
      g_hash_table_insert (*place, g_value_dup_string (key), g_strdup (g_value_get_string (text) ?
              g_value_get_string (text) : ""));
  }
}

static void
take_uris (GStrv * place, const GValue * value)
{
  g_autoptr (GPtrArray) uris = g_ptr_array_new ();

  g_clear_pointer (place, g_strfreev);
  for (guint i = 0; i < gst_value_array_get_size (value); i++) {
    const GValue *uri = gst_value_array_get_value (value, i);

    if (G_VALUE_HOLDS_STRING (uri))
      g_ptr_array_add (uris, g_value_dup_string (uri));
  }
  if (uris->len == 0)
    return;
  g_ptr_array_add (uris, NULL);
  *place = (GStrv) g_ptr_array_steal (uris, NULL);
}

static void
set_property_locked (GstLiveKitBinPrivate * priv, guint id, const GValue * value)
{
  switch (id) {
    case PROP_SERVER_URL:
      take_string (&priv->server_url, value);
      break;
    case PROP_TOKEN_URL:
      take_string (&priv->token_url, value);
      break;
    case PROP_TOKEN_HEADERS:
      take_headers (&priv->token_headers, value);
      break;
    case PROP_TOKEN:
      take_secret (&priv->token, value);
      break;
    case PROP_API_KEY:
      take_string (&priv->api_key, value);
      break;
    case PROP_API_SECRET:
      take_secret (&priv->api_secret, value);
      break;
    case PROP_ROOM:
      take_string (&priv->room, value);
      priv->room_is_ours = FALSE;
      break;
    case PROP_IDENTITY:
      take_string (&priv->identity, value);
      priv->identity_is_ours = FALSE;
      break;
    case PROP_PARTICIPANT_NAME:
      take_string (&priv->participant_name, value);
      break;
    case PROP_PARTICIPANT_METADATA:
      take_string (&priv->participant_metadata, value);
      break;
    case PROP_PARTICIPANT_ATTRIBUTES:
      take_pairs (&priv->participant_attributes, value);
      break;
    case PROP_JOIN_TIMEOUT:
      priv->join_timeout_ms = g_value_get_uint (value);
      break;
    case PROP_RECONNECT_TIMEOUT:
      priv->reconnect_timeout_ms = g_value_get_uint (value);
      break;
    case PROP_ICE_TRANSPORT_POLICY:
      priv->ice_transport_policy = g_value_get_enum (value);
      break;
    case PROP_STUN_SERVER:
      take_string (&priv->stun_server, value);
      break;
    case PROP_TURN_SERVERS:
      take_uris (&priv->turn_servers, value);
      break;
    case PROP_TLS_CA_FILE:
      take_string (&priv->http.tls_ca_file, value);
      break;
    case PROP_TLS_DATABASE:
      g_set_object (&priv->http.tls_database, g_value_get_object (value));
      break;
    case PROP_TLS_VALIDATION_FLAGS:
      priv->http.tls_validation_flags = g_value_get_flags (value);
      break;
    case PROP_PROXY:
      take_string (&priv->http.proxy, value);
      break;
    case PROP_PROXY_ID:
      take_string (&priv->http.proxy_id, value);
      break;
    case PROP_PROXY_PW:
      take_secret (&priv->http.proxy_pw, value);
      break;
    default:
      g_assert_not_reached ();
  }
}

static void
apply_participant (GstLiveKitBin * self)
{
  GstLiveKitBinPrivate *priv = get_private (self);
  g_autoptr (GstLiveKitSession) session = gst_livekit_bin_ref_session (self);
  g_autoptr (GHashTable) attributes = NULL;
  g_autofree gchar *name = NULL, *metadata = NULL;

  GST_OBJECT_LOCK (self);
  name = g_strdup (priv->participant_name);
  metadata = g_strdup (priv->participant_metadata);
  attributes = priv->participant_attributes ? g_hash_table_ref (priv->participant_attributes) : NULL;
  GST_OBJECT_UNLOCK (self);
  if (session)
    gst_livekit_session_update_participant (session, name, metadata, attributes);
}

static void
gst_livekit_bin_set_property (GObject * object, guint id, const GValue * value, GParamSpec * pspec)
{
  GstLiveKitBin *self = GST_LIVEKIT_BIN (object);

  GST_OBJECT_LOCK (self);
  set_property_locked (get_private (self), id, value);
  GST_OBJECT_UNLOCK (self);
  if (id == PROP_PARTICIPANT_NAME || id == PROP_PARTICIPANT_METADATA || id == PROP_PARTICIPANT_ATTRIBUTES) {
    apply_participant (self);
  } else if (id == PROP_RECONNECT_TIMEOUT) {
    g_autoptr (GstLiveKitSession) session = gst_livekit_bin_ref_session (self);

    if (session)
      gst_livekit_session_set_reconnect_timeout (session, g_value_get_uint (value));
  }
}

static void
give_pairs (GHashTable * pairs, GValue * value)
{
  GHashTableIter iter;
  gpointer pair[2];

  if (pairs == NULL)
    return;
  g_hash_table_iter_init (&iter, pairs);
  while (g_hash_table_iter_next (&iter, &pair[0], &pair[1])) {
    for (guint i = 0; i < 2; i++) {
      GValue item = G_VALUE_INIT;

      g_value_init (&item, G_TYPE_STRING);
      g_value_set_string (&item, pair[i]);
      gst_value_array_append_and_take_value (value, &item);
    }
  }
}

static void
get_property_locked (GstLiveKitBinPrivate * priv, guint id, GValue * value)
{
  switch (id) {
    case PROP_SERVER_URL:
      g_value_take_string (value, priv->server_url ? lk_error_clean_url (priv->server_url) : NULL);
      break;
    case PROP_TOKEN_URL:
      g_value_take_string (value, priv->token_url ? lk_error_clean_url (priv->token_url) : NULL);
      break;
    case PROP_API_KEY:
      g_value_set_string (value, priv->api_key);
      break;
    case PROP_ROOM:
      g_value_set_string (value, priv->room);
      break;
    case PROP_IDENTITY:
      g_value_set_string (value, priv->identity);
      break;
    case PROP_PARTICIPANT_NAME:
      g_value_set_string (value, priv->participant_name);
      break;
    case PROP_PARTICIPANT_METADATA:
      g_value_set_string (value, priv->participant_metadata);
      break;
    case PROP_PARTICIPANT_ATTRIBUTES:
      give_pairs (priv->participant_attributes, value);
      break;
    case PROP_JOIN_TIMEOUT:
      g_value_set_uint (value, priv->join_timeout_ms);
      break;
    case PROP_RECONNECT_TIMEOUT:
      g_value_set_uint (value, priv->reconnect_timeout_ms);
      break;
    case PROP_ICE_TRANSPORT_POLICY:
      g_value_set_enum (value, priv->ice_transport_policy);
      break;
    case PROP_STUN_SERVER:
      g_value_set_string (value, priv->stun_server);
      break;
    case PROP_TLS_CA_FILE:
      g_value_set_string (value, priv->http.tls_ca_file);
      break;
    case PROP_TLS_DATABASE:
      g_value_set_object (value, priv->http.tls_database);
      break;
    case PROP_TLS_VALIDATION_FLAGS:
      g_value_set_flags (value, priv->http.tls_validation_flags);
      break;
    case PROP_PROXY:
      g_value_take_string (value, priv->http.proxy ? lk_error_clean_url (priv->http.proxy) : NULL);
      break;
    case PROP_PROXY_ID:
      g_value_set_string (value, priv->http.proxy_id);
      break;
    case PROP_CONNECTION_STATE:
      g_value_set_enum (value, priv->connection_state);
      break;
    case PROP_ROOM_INFO:
      gst_value_set_structure (value, priv->room_info);
      break;
    default:
      g_assert_not_reached ();
  }
}

static void
gst_livekit_bin_get_property (GObject * object, guint id, GValue * value, GParamSpec * pspec)
{
  GstLiveKitBin *self = GST_LIVEKIT_BIN (object);
  GstLiveKitBinPrivate *priv = get_private (self);

  if (id == PROP_STATS) {
    g_autoptr (GstLiveKitSession) session = gst_livekit_bin_ref_session (self);

    if (session)
      g_value_take_boxed (value, gst_livekit_session_get_stats (session));
    return;
  }
  if (id == PROP_ROOM_INFO && priv->room_info == NULL)
    return;
  GST_OBJECT_LOCK (self);
  get_property_locked (priv, id, value);
  GST_OBJECT_UNLOCK (self);
}

/* GStreamer tells an application that forgets to go to NULL; but our threads must not outlive the element. */
static void
gst_livekit_bin_dispose (GObject * object)
{
  stop_session (GST_LIVEKIT_BIN (object));
  cool_down (GST_LIVEKIT_BIN (object));
  G_OBJECT_CLASS (gst_livekit_bin_parent_class)->dispose (object);
}

static void
gst_livekit_bin_finalize (GObject * object)
{
  GstLiveKitBinPrivate *priv = get_private (GST_LIVEKIT_BIN (object));

  g_free (priv->server_url);
  g_free (priv->token_url);
  lk_token_clear (priv->token);
  g_free (priv->api_key);
  lk_token_clear (priv->api_secret);
  g_clear_pointer (&priv->token_headers, g_hash_table_unref);
  g_free (priv->room);
  g_free (priv->identity);
  g_free (priv->participant_name);
  g_free (priv->participant_metadata);
  g_clear_pointer (&priv->participant_attributes, g_hash_table_unref);
  g_free (priv->stun_server);
  g_strfreev (priv->turn_servers);
  g_clear_object (&priv->http.tls_database);
  g_free (priv->http.tls_ca_file);
  g_free (priv->http.proxy);
  g_free (priv->http.proxy_id);
  lk_token_clear (priv->http.proxy_pw);
  g_clear_pointer (&priv->room_info, gst_structure_free);
  G_OBJECT_CLASS (gst_livekit_bin_parent_class)->finalize (object);
}

#define READY (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY)
#define READY_SECRET (G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY)
#define PLAYING (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)
#define READ_ONLY (G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)

static void
install_joining_properties (void)
{
  /**
   * GstLiveKitBin:server-url:
   *
   * The LiveKit server, as ws://, wss://, http:// or https:// URL. When it is not set: the environment variable
   * LIVEKIT_URL, else what the token URL answers, else ws://127.0.0.1:7880. Reading gives it without user part and query.
   */
  properties[PROP_SERVER_URL] = g_param_spec_string ("server-url", "Server URL",
      "LiveKit server (ws, wss, http or https; unset = LIVEKIT_URL, else the token URL's, else ws://127.0.0.1:7880)",
      NULL, READY);
  /**
   * GstLiveKitBin:token-url:
   *
   * Where to ask for an access token when joining: LiveKit's standard token endpoint (POST), or a simple key server
   * (GET with identity and room). When it is not set: LIVEKIT_TOKEN_URL.
   */
  properties[PROP_TOKEN_URL] = g_param_spec_string ("token-url", "Token URL",
      "http(s) URL that gives access tokens (unset = LIVEKIT_TOKEN_URL)", NULL, READY);
  /**
   * GstLiveKitBin:token-headers:
   *
   * Further HTTP headers for the token URL, for instance for its own authentication.
   */
  properties[PROP_TOKEN_HEADERS] = g_param_spec_boxed ("token-headers", "Token headers",
      "Further HTTP headers for token-url", GST_TYPE_STRUCTURE, READY_SECRET);
  /**
   * GstLiveKitBin:token:
   *
   * A ready access token. When it is set while playing it is used at the next join.
   */
  properties[PROP_TOKEN] = g_param_spec_string ("token", "Access token",
      "A ready access token (unset = token-url, else api-key with api-secret, else LIVEKIT_TOKEN, LIVEKIT_TOKEN_URL, "
      "LIVEKIT_API_KEY with LIVEKIT_API_SECRET, else, on this machine, the development keys)", NULL,
      G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
  /**
   * GstLiveKitBin:api-key:
   *
   * With #GstLiveKitBin:api-secret: the token is made here. For tests and trusted hosts.
   */
  properties[PROP_API_KEY] = g_param_spec_string ("api-key", "API key",
      "Key to make the access token with, together with api-secret", NULL, READY);
  /**
   * GstLiveKitBin:api-secret:
   *
   * The secret of #GstLiveKitBin:api-key.
   */
  properties[PROP_API_SECRET] = g_param_spec_string ("api-secret", "API secret", "Secret that belongs to api-key", NULL,
      READY_SECRET);
  /**
   * GstLiveKitBin:room:
   *
   * The room to join. Needed unless the token names it; then it is filled in by the join.
   */
  properties[PROP_ROOM] = g_param_spec_string ("room", "Room", "Room to join (unset = the token's)", NULL, READY);
  /**
   * GstLiveKitBin:identity:
   *
   * Who we are in the room; nobody else there may have the same. After the join: what the server knows.
   */
  properties[PROP_IDENTITY] = g_param_spec_string ("identity", "Identity",
      "Identity of the participant (unset = the token's, else made up)", NULL, READY);
}

static void
install_participant_properties (void)
{
  /**
   * GstLiveKitBin:participant-name:
   *
   * The name that others see. Changing it while playing needs the grant canUpdateOwnMetadata.
   */
  properties[PROP_PARTICIPANT_NAME] = g_param_spec_string ("participant-name", "Participant name",
      "Name that others see", NULL, PLAYING);
  /**
   * GstLiveKitBin:participant-metadata:
   *
   * Any text that others get with the participant.
   */
  properties[PROP_PARTICIPANT_METADATA] = g_param_spec_string ("participant-metadata", "Participant metadata",
      "Text that others get with the participant", NULL, PLAYING);
  /**
   * GstLiveKitBin:participant-attributes:
   *
   * Keys and values that others get with the participant: key, value, key, value…
   */
  properties[PROP_PARTICIPANT_ATTRIBUTES] = gst_param_spec_array ("participant-attributes", "Participant attributes",
      "Keys and values that others get with the participant, in turn", g_param_spec_string ("item", "Item",
          "Key or value", NULL, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS), PLAYING);
}

static void
install_connection_properties (void)
{
  /**
   * GstLiveKitBin:join-timeout:
   *
   * How long joining may take, from READY to PAUSED until media can flow. A refusal (bad token, no such room) is final
   * at once.
   */
  properties[PROP_JOIN_TIMEOUT] = g_param_spec_uint ("join-timeout", "Join timeout",
      "Milliseconds that joining may take (0 = keep trying for ever)", 0, G_MAXUINT, DEFAULT_JOIN_TIMEOUT_MS, READY);
  /**
   * GstLiveKitBin:reconnect-timeout:
   *
   * How long to try to get back into the room before giving up with an error. With 0, the default, it never gives up.
   */
  properties[PROP_RECONNECT_TIMEOUT] = g_param_spec_uint ("reconnect-timeout", "Reconnect timeout",
      "Milliseconds to keep trying after a lost connection (0 = for ever; used at the next loss)",
      0, G_MAXUINT, DEFAULT_RECONNECT_TIMEOUT_MS, PLAYING);
  /**
   * GstLiveKitBin:ice-transport-policy:
   *
   * Whether media may take any way, or TURN servers alone.
   */
  properties[PROP_ICE_TRANSPORT_POLICY] = g_param_spec_enum ("ice-transport-policy", "ICE transport policy",
      "Which ways media may take", GST_TYPE_LIVEKIT_ICE_TRANSPORT_POLICY, GST_LIVEKIT_ICE_TRANSPORT_POLICY_ALL, READY);
  /**
   * GstLiveKitBin:stun-server:
   *
   * In place of the STUN servers that the LiveKit server names: stun://host:port.
   */
  properties[PROP_STUN_SERVER] = g_param_spec_string ("stun-server", "STUN server",
      "stun://host:port (unset = as the server says)", NULL, READY);
  /**
   * GstLiveKitBin:turn-servers:
   *
   * In place of the TURN servers that the LiveKit server names: turn://user:password@host:port?transport=udp, with user
   * and password percent-escaped.
   */
  properties[PROP_TURN_SERVERS] = gst_param_spec_array ("turn-servers", "TURN servers",
      "URIs of TURN servers with credentials (unset = as the server says)", g_param_spec_string ("uri", "URI",
          "turn://user:password@host:port?transport=udp|tcp", NULL, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS),
      READY_SECRET);
  properties[PROP_CONNECTION_STATE] = g_param_spec_enum ("connection-state", "Connection state",
      "How the connection to the room is", GST_TYPE_LIVEKIT_CONNECTION_STATE,
      GST_LIVEKIT_CONNECTION_STATE_DISCONNECTED, READ_ONLY);
  /**
   * GstLiveKitBin:room-info:
   *
   * The room: sid, name, metadata, server-version, server-region, server-url, participant-sid (strings) and
   * num-participants (uint). NULL before the first join.
   */
  properties[PROP_ROOM_INFO] = g_param_spec_boxed ("room-info", "Room information",
      "What is known of the room and the server", GST_TYPE_STRUCTURE, READ_ONLY);
  /**
   * GstLiveKitBin:stats:
   *
   * Counters and times, at most a second old; the fields are listed in docs/stats.md.
   */
  properties[PROP_STATS] = g_param_spec_boxed ("stats", "Statistics", "Counters and times of the session",
      GST_TYPE_STRUCTURE, READ_ONLY);
}

static void
install_http_properties (void)
{
  /**
   * GstLiveKitBin:tls-ca-file:
   *
   * A PEM file with authorities that are trusted beside those of the system.
   */
  properties[PROP_TLS_CA_FILE] = g_param_spec_string ("tls-ca-file", "TLS CA file",
      "PEM file with further authorities", NULL, READY);
  /**
   * GstLiveKitBin:tls-database:
   *
   * The authorities to trust, in place of those of the system.
   */
  properties[PROP_TLS_DATABASE] = g_param_spec_object ("tls-database", "TLS database",
      "Authorities in place of the system's", G_TYPE_TLS_DATABASE, READY);
  /**
   * GstLiveKitBin:tls-validation-flags:
   *
   * What is checked of certificates: of the server's, the token URL's and a TURN server's. Anything but validate-all makes
   * it possible to listen in.
   */
  properties[PROP_TLS_VALIDATION_FLAGS] = g_param_spec_flags ("tls-validation-flags", "TLS validation flags",
      "What is checked of certificates", G_TYPE_TLS_CERTIFICATE_FLAGS, DEFAULT_TLS_VALIDATION_FLAGS, READY);
  /**
   * GstLiveKitBin:proxy:
   *
   * HTTP or SOCKS proxy for the websocket and the token URL. Without it, the system's.
   */
  properties[PROP_PROXY] = g_param_spec_string ("proxy", "Proxy", "Proxy URL (unset = the system's)", NULL, READY);
  properties[PROP_PROXY_ID] = g_param_spec_string ("proxy-id", "Proxy user", "User name for the proxy", NULL, READY);
  properties[PROP_PROXY_PW] = g_param_spec_string ("proxy-pw", "Proxy password", "Password for the proxy", NULL,
      READY_SECRET);
}

static gboolean
no_end (GstLiveKitBin * bin, const GError * error)
{
  return FALSE;
}

static void
gst_livekit_bin_class_init (GstLiveKitBinClass * klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->set_property = gst_livekit_bin_set_property;
  object_class->get_property = gst_livekit_bin_get_property;
  object_class->dispose = gst_livekit_bin_dispose;
  object_class->finalize = gst_livekit_bin_finalize;
  GST_ELEMENT_CLASS (klass)->change_state = gst_livekit_bin_change_state;
  GST_BIN_CLASS (klass)->handle_message = gst_livekit_bin_handle_message;
  klass->ended = no_end;
  install_joining_properties ();
  install_participant_properties ();
  install_connection_properties ();
  install_http_properties ();
  g_object_class_install_properties (object_class, N_PROPERTIES, properties);
  gst_type_mark_as_plugin_api (GST_TYPE_LIVEKIT_BIN, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_LIVEKIT_CONNECTION_STATE, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_LIVEKIT_ICE_TRANSPORT_POLICY, 0);
}

static void
gst_livekit_bin_init (GstLiveKitBin * self)
{
  GstLiveKitBinPrivate *priv = get_private (self);

  priv->join_timeout_ms = DEFAULT_JOIN_TIMEOUT_MS;
  priv->reconnect_timeout_ms = DEFAULT_RECONNECT_TIMEOUT_MS;
  priv->http.tls_validation_flags = DEFAULT_TLS_VALIDATION_FLAGS;
}
