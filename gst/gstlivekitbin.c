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

#include "gstlivekitbin-private.h"

#include <gio/gio.h>
#include "gstlivekitelements.h"
#include "gstlivekitenumtypes.h"
#include "gstlivekiterror.h"
#include "gstlivekitregistry.h"
#include "lkerror.h"
#include "lktoken.h"

#define GST_CAT_DEFAULT gst_livekit_debug


G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE (GstLiveKitBin, gst_livekit_bin, GST_TYPE_BIN);

GstLiveKitBinPrivate *
gst_livekit_bin_get_private (GstLiveKitBin * self)
{
  return gst_livekit_bin_get_instance_private (self);
}

GstLiveKitSession *
gst_livekit_bin_ref_session (GstLiveKitBin * self)
{
  GstLiveKitBinPrivate *priv = gst_livekit_bin_get_private (self);
  GstLiveKitSession *session;

  GST_OBJECT_LOCK (self);
  session = priv->session ? gst_livekit_session_ref (priv->session) : NULL;
  GST_OBJECT_UNLOCK (self);
  return session;
}

gchar *
gst_livekit_bin_dup_room (GstLiveKitBin * self)
{
  GstLiveKitBinPrivate *priv = gst_livekit_bin_get_private (self);
  gchar *room;

  GST_OBJECT_LOCK (self);
  room = g_strdup (priv->room ? priv->room : "");
  GST_OBJECT_UNLOCK (self);
  return room;
}

void
gst_livekit_bin_post_error (GstLiveKitBin * self, const GError * error)
{
  GstLiveKitBinPrivate *priv = gst_livekit_bin_get_private (self);
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
      /* The end of "connect" is told by the join: gst-launch-1.0 waits for it before it goes to PLAYING, and media
       * cannot be sent, nor DTLS shake hands, before that. */
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
  GstLiveKitBinPrivate *priv = gst_livekit_bin_get_private (self);
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
    g_object_notify_by_pspec (G_OBJECT (self), gst_livekit_bin_properties[PROP_CONNECTION_STATE]);
  if (state != GST_LIVEKIT_CONNECTION_STATE_FAILED)
    return;
  if (!GST_LIVEKIT_BIN_GET_CLASS (self)->ended (self, reason))
    gst_livekit_bin_post_error (self, reason);
}

static void
on_session_joined (GstLiveKitSession * session, const gchar * room, const gchar * identity, gpointer data)
{
  GstLiveKitBin *self = data;
  GstLiveKitBinPrivate *priv = gst_livekit_bin_get_private (self);
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
    g_object_notify_by_pspec (G_OBJECT (self), gst_livekit_bin_properties[PROP_ROOM]);
  if (identity_changed)
    g_object_notify_by_pspec (G_OBJECT (self), gst_livekit_bin_properties[PROP_IDENTITY]);
  if (is_first)
    post_progress (self, GST_PROGRESS_TYPE_COMPLETE, "connect", "Joined the room");
}

static void
on_session_room_info_changed (GstLiveKitSession * session, const GstStructure * info, gpointer data)
{
  GstLiveKitBin *self = data;
  GstLiveKitBinPrivate *priv = gst_livekit_bin_get_private (self);
  GstStructure *old;

  GST_OBJECT_LOCK (self);
  old = priv->room_info;
  priv->room_info = gst_structure_copy (info);
  GST_OBJECT_UNLOCK (self);
  g_clear_pointer (&old, gst_structure_free);
  g_object_notify_by_pspec (G_OBJECT (self), gst_livekit_bin_properties[PROP_ROOM_INFO]);
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

static gboolean
enter_session (GstLiveKitBin * self, GstLiveKitSession * session, GstLiveKitSessionSettings * settings, GError ** error)
{
  GstLiveKitBinClass *klass = GST_LIVEKIT_BIN_GET_CLASS (self);
  GstLiveKitSessionDelegate delegate = {
    .state_changed = on_session_state_changed,
    .joined = on_session_joined,
    .room_info_changed = on_session_room_info_changed,
    .message = on_session_message,
    .warning = on_session_warning,
  };

  klass->prepare (self, &delegate, settings);
  return gst_livekit_session_enter (session, klass->role, GST_BIN (self), &delegate, self, settings, error);
}

/* What cannot work is told by the state change itself, not by the network's timing. */
static void
check_settings (const GstLiveKitSessionSettings * settings, GError ** error)
{
  gint64 now_s = g_get_real_time () / G_USEC_PER_SEC;

  if (*error)
    return;
  lk_token_source_check (settings->room.token_source, settings->room.room,
      settings->room.needs_publish, settings->room.needs_subscribe, now_s, error);
}

static void
take_settings (GstLiveKitBin * self, GstLiveKitSessionSettings * settings, GError ** error)
{
  GstLiveKitBinPrivate *priv = gst_livekit_bin_get_private (self);
  GstLiveKitSessionSettings ours = { 0 };
  const gchar *server_url;

  GST_OBJECT_LOCK (self);
  server_url = set_or_null (priv->server_url);
  if (server_url == NULL)
    server_url = set_or_null (g_getenv ("LIVEKIT_URL"));
  fill_settings_locked (priv, &ours, server_url);
  ours.room.needs_publish = GST_LIVEKIT_BIN_GET_CLASS (self)->role == GST_LIVEKIT_ROLE_PUBLISHER;
  ours.room.needs_subscribe = GST_LIVEKIT_BIN_GET_CLASS (self)->role == GST_LIVEKIT_ROLE_SUBSCRIBER;
  /* First, for what token there is depends on it: the development server needs none. */
  if (server_url == NULL || lk_room_check_server_url (server_url, error))
    ours.room.token_source = lk_token_source_choose (set_or_null (priv->token), set_or_null (priv->token_url),
        priv->token_headers, set_or_null (priv->api_key), set_or_null (priv->api_secret), server_url, &priv->http,
        g_getenv, error);
  gst_livekit_session_settings_copy (settings, &ours);
  priv->error_is_posted = priv->has_joined = FALSE;
  GST_OBJECT_UNLOCK (self);
  g_clear_pointer (&ours.room.token_source, lk_token_source_unref);
}

/* One of our own, or the other element's, when both name the same participant. */
static GstLiveKitSession *
find_session (GstLiveKitBin * self, const GstLiveKitSessionSettings * settings, GError ** error)
{
  g_autofree gchar *key = gst_livekit_registry_make_key (settings);
  g_autoptr (GstLiveKitRegistry) registry = key ? gst_livekit_registry_find (GST_ELEMENT (self)) : NULL;

  if (registry == NULL)
    return gst_livekit_session_new (NULL);
  return gst_livekit_registry_join (registry, key, GST_LIVEKIT_BIN_GET_CLASS (self)->role, error);
}

static gboolean
start_session (GstLiveKitBin * self)
{
  GstLiveKitBinPrivate *priv = gst_livekit_bin_get_private (self);
  GstLiveKitSessionSettings settings = { 0 };
  GstLiveKitSession *session = NULL;
  GError *error = NULL;

  take_settings (self, &settings, &error);
  check_settings (&settings, &error);
  if (error == NULL)
    session = find_session (self, &settings, &error);
  if (session && !enter_session (self, session, &settings, &error))
    g_clear_pointer (&session, gst_livekit_session_unref);
  gst_livekit_session_settings_clear (&settings);
  if (error)
    return fail_start (self, error);
  GST_OBJECT_LOCK (self);
  priv->session = session;
  GST_OBJECT_UNLOCK (self);
  GST_LIVEKIT_BIN_GET_CLASS (self)->started (self, session);
  return TRUE;
}

static void
stop_session (GstLiveKitBin * self)
{
  GstLiveKitBinPrivate *priv = gst_livekit_bin_get_private (self);
  GstLiveKitSession *session;
  GstLiveKitConnectionState state;
  gboolean state_changed;

  GST_OBJECT_LOCK (self);
  session = g_steal_pointer (&priv->session);
  GST_OBJECT_UNLOCK (self);
  if (session == NULL)
    return;
  GST_LIVEKIT_BIN_GET_CLASS (self)->stopping (self);
  if (gst_livekit_session_leave (session, GST_LIVEKIT_BIN_GET_CLASS (self)->role))
    gst_livekit_session_unref (session);
  else
    GST_WARNING_OBJECT (self, "a webrtcbin, or what is behind a pad, did not stop in time and is left behind");
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
    g_object_notify_by_pspec (G_OBJECT (self), gst_livekit_bin_properties[PROP_CONNECTION_STATE]);
}

static void
cool_down (GstLiveKitBin * self)
{
  GstLiveKitBinPrivate *priv = gst_livekit_bin_get_private (self);

  if (priv->is_warm)
    gst_livekit_peer_cool_down ();
  priv->is_warm = FALSE;
}

/* No DTLS without sinks that play. */
static void
tell_playing (GstLiveKitBin * self, gboolean is_playing)
{
  g_autoptr (GstLiveKitSession) session = gst_livekit_bin_ref_session (self);

  if (session)
    gst_livekit_session_set_playing (session, GST_LIVEKIT_BIN_GET_CLASS (self)->role, is_playing);
}

static GstStateChangeReturn
gst_livekit_bin_change_state (GstElement * element, GstStateChange transition)
{
  GstLiveKitBin *self = GST_LIVEKIT_BIN (element);
  GstStateChangeReturn result;

  switch (transition) {
    case GST_STATE_CHANGE_NULL_TO_READY:
      gst_livekit_peer_warm_up ();
      gst_livekit_bin_get_private (self)->is_warm = TRUE;
      break;
    case GST_STATE_CHANGE_READY_TO_PAUSED:
      if (!start_session (self))
        return GST_STATE_CHANGE_FAILURE;
      break;
    case GST_STATE_CHANGE_PLAYING_TO_PAUSED:
      tell_playing (self, FALSE);
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
    tell_playing (self, TRUE);
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
gst_livekit_bin_dispose (GObject * object)
{
  stop_session (GST_LIVEKIT_BIN (object));
  cool_down (GST_LIVEKIT_BIN (object));
  G_OBJECT_CLASS (gst_livekit_bin_parent_class)->dispose (object);
}

static void
gst_livekit_bin_finalize (GObject * object)
{
  GstLiveKitBinPrivate *priv = gst_livekit_bin_get_private (GST_LIVEKIT_BIN (object));

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
  gst_livekit_bin_install_properties (object_class);
  gst_type_mark_as_plugin_api (GST_TYPE_LIVEKIT_BIN, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_LIVEKIT_CONNECTION_STATE, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_LIVEKIT_ICE_TRANSPORT_POLICY, 0);
}

static void
gst_livekit_bin_init (GstLiveKitBin * self)
{
  GstLiveKitBinPrivate *priv = gst_livekit_bin_get_private (self);

  priv->join_timeout_ms = DEFAULT_JOIN_TIMEOUT_MS;
  priv->reconnect_timeout_ms = DEFAULT_RECONNECT_TIMEOUT_MS;
  priv->http.tls_validation_flags = DEFAULT_TLS_VALIDATION_FLAGS;
}
