/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitbin-properties: the properties that both elements have. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitbin-private.h"

#include <gio/gio.h>
#include "gstlivekitelements.h"
#include "gstlivekitenumtypes.h"
#include "lkerror.h"
#include "lktoken.h"

#define GST_CAT_DEFAULT gst_livekit_debug

GParamSpec *gst_livekit_bin_properties[N_PROPERTIES];

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
  GstLiveKitBinPrivate *priv = gst_livekit_bin_get_private (self);
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

void
gst_livekit_bin_set_property (GObject * object, guint id, const GValue * value, GParamSpec * pspec)
{
  GstLiveKitBin *self = GST_LIVEKIT_BIN (object);

  GST_OBJECT_LOCK (self);
  set_property_locked (gst_livekit_bin_get_private (self), id, value);
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

void
gst_livekit_bin_get_property (GObject * object, guint id, GValue * value, GParamSpec * pspec)
{
  GstLiveKitBin *self = GST_LIVEKIT_BIN (object);
  GstLiveKitBinPrivate *priv = gst_livekit_bin_get_private (self);

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
   * LIVEKIT_URL, else what the token URL answers, else ws://127.0.0.1:7880. Reading gives it without user part and
   * query.
   */
  gst_livekit_bin_properties[PROP_SERVER_URL] = g_param_spec_string ("server-url", "Server URL",
      "LiveKit server (ws, wss, http or https; unset = LIVEKIT_URL, else the token URL's, else ws://127.0.0.1:7880)",
      NULL, READY);
  /**
   * GstLiveKitBin:token-url:
   *
   * Where to ask for an access token when joining: LiveKit's standard token endpoint (POST), or a simple key server
   * (GET with identity and room). When it is not set: LIVEKIT_TOKEN_URL.
   */
  gst_livekit_bin_properties[PROP_TOKEN_URL] = g_param_spec_string ("token-url", "Token URL",
      "http(s) URL that gives access tokens (unset = LIVEKIT_TOKEN_URL)", NULL, READY);
  /**
   * GstLiveKitBin:token-headers:
   *
   * Further HTTP headers for the token URL, for instance for its own authentication.
   */
  gst_livekit_bin_properties[PROP_TOKEN_HEADERS] = g_param_spec_boxed ("token-headers", "Token headers",
      "Further HTTP headers for token-url", GST_TYPE_STRUCTURE, READY_SECRET);
  /**
   * GstLiveKitBin:token:
   *
   * A ready access token. When it is set while playing it is used at the next join.
   */
  gst_livekit_bin_properties[PROP_TOKEN] = g_param_spec_string ("token", "Access token",
      "A ready access token (unset = token-url, else api-key with api-secret, else LIVEKIT_TOKEN, LIVEKIT_TOKEN_URL, "
      "LIVEKIT_API_KEY with LIVEKIT_API_SECRET, else, on this machine, the development keys)", NULL,
      G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
  /**
   * GstLiveKitBin:api-key:
   *
   * With #GstLiveKitBin:api-secret: the token is made here. For tests and trusted hosts.
   */
  gst_livekit_bin_properties[PROP_API_KEY] = g_param_spec_string ("api-key", "API key",
      "Key to make the access token with, together with api-secret", NULL, READY);
  /**
   * GstLiveKitBin:api-secret:
   *
   * The secret of #GstLiveKitBin:api-key.
   */
  gst_livekit_bin_properties[PROP_API_SECRET] = g_param_spec_string ("api-secret", "API secret",
      "Secret that belongs to api-key", NULL,
      READY_SECRET);
  /**
   * GstLiveKitBin:room:
   *
   * The room to join. Needed unless the token names it; then it is filled in by the join.
   */
  gst_livekit_bin_properties[PROP_ROOM] = g_param_spec_string ("room", "Room", "Room to join (unset = the token's)",
      NULL, READY);
  /**
   * GstLiveKitBin:identity:
   *
   * Who we are in the room; nobody else there may have the same. After the join: what the server knows.
   */
  gst_livekit_bin_properties[PROP_IDENTITY] = g_param_spec_string ("identity", "Identity",
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
  gst_livekit_bin_properties[PROP_PARTICIPANT_NAME] = g_param_spec_string ("participant-name", "Participant name",
      "Name that others see", NULL, PLAYING);
  /**
   * GstLiveKitBin:participant-metadata:
   *
   * Any text that others get with the participant.
   */
  gst_livekit_bin_properties[PROP_PARTICIPANT_METADATA] = g_param_spec_string ("participant-metadata",
      "Participant metadata",
      "Text that others get with the participant", NULL, PLAYING);
  /**
   * GstLiveKitBin:participant-attributes:
   *
   * Keys and values that others get with the participant: key, value, key, value…
   */
  gst_livekit_bin_properties[PROP_PARTICIPANT_ATTRIBUTES] = gst_param_spec_array ("participant-attributes",
      "Participant attributes",
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
  gst_livekit_bin_properties[PROP_JOIN_TIMEOUT] = g_param_spec_uint ("join-timeout", "Join timeout",
      "Milliseconds that joining may take (0 = keep trying for ever)", 0, G_MAXUINT, DEFAULT_JOIN_TIMEOUT_MS, READY);
  /**
   * GstLiveKitBin:reconnect-timeout:
   *
   * How long to try to get back into the room before giving up with an error. With 0, the default, it never gives up.
   */
  gst_livekit_bin_properties[PROP_RECONNECT_TIMEOUT] = g_param_spec_uint ("reconnect-timeout", "Reconnect timeout",
      "Milliseconds to keep trying after a lost connection (0 = for ever; used at the next loss)",
      0, G_MAXUINT, DEFAULT_RECONNECT_TIMEOUT_MS, PLAYING);
  /**
   * GstLiveKitBin:ice-transport-policy:
   *
   * Whether media may take any way, or TURN servers alone.
   */
  gst_livekit_bin_properties[PROP_ICE_TRANSPORT_POLICY] = g_param_spec_enum ("ice-transport-policy",
      "ICE transport policy",
      "Which ways media may take", GST_TYPE_LIVEKIT_ICE_TRANSPORT_POLICY, GST_LIVEKIT_ICE_TRANSPORT_POLICY_ALL, READY);
  /**
   * GstLiveKitBin:stun-server:
   *
   * In place of the STUN servers that the LiveKit server names: stun://host:port.
   */
  gst_livekit_bin_properties[PROP_STUN_SERVER] = g_param_spec_string ("stun-server", "STUN server",
      "stun://host:port (unset = as the server says)", NULL, READY);
  /**
   * GstLiveKitBin:turn-servers:
   *
   * In place of the TURN servers that the LiveKit server names: turn://user:password@host:port?transport=udp, with user
   * and password percent-escaped.
   */
  gst_livekit_bin_properties[PROP_TURN_SERVERS] = gst_param_spec_array ("turn-servers", "TURN servers",
      "URIs of TURN servers with credentials (unset = as the server says)", g_param_spec_string ("uri", "URI",
          "turn://user:password@host:port?transport=udp|tcp", NULL, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS),
      READY_SECRET);
  gst_livekit_bin_properties[PROP_CONNECTION_STATE] = g_param_spec_enum ("connection-state", "Connection state",
      "How the connection to the room is", GST_TYPE_LIVEKIT_CONNECTION_STATE,
      GST_LIVEKIT_CONNECTION_STATE_DISCONNECTED, READ_ONLY);
  /**
   * GstLiveKitBin:room-info:
   *
   * The room: sid, name, metadata, server-version, server-region, server-url, participant-sid (strings) and
   * num-participants (uint). NULL before the first join.
   */
  gst_livekit_bin_properties[PROP_ROOM_INFO] = g_param_spec_boxed ("room-info", "Room information",
      "What is known of the room and the server", GST_TYPE_STRUCTURE, READ_ONLY);
  /**
   * GstLiveKitBin:stats:
   *
   * Counters and times, at most a second old; the fields are listed in docs/stats.md.
   */
  gst_livekit_bin_properties[PROP_STATS] = g_param_spec_boxed ("stats", "Statistics",
      "Counters and times of the session",
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
  gst_livekit_bin_properties[PROP_TLS_CA_FILE] = g_param_spec_string ("tls-ca-file", "TLS CA file",
      "PEM file with further authorities", NULL, READY);
  /**
   * GstLiveKitBin:tls-database:
   *
   * The authorities to trust, in place of those of the system.
   */
  gst_livekit_bin_properties[PROP_TLS_DATABASE] = g_param_spec_object ("tls-database", "TLS database",
      "Authorities in place of the system's", G_TYPE_TLS_DATABASE, READY);
  /**
   * GstLiveKitBin:tls-validation-flags:
   *
   * What is checked of certificates: of the server's, the token URL's and a TURN server's. Anything but validate-all
   * makes it possible to listen in.
   */
  gst_livekit_bin_properties[PROP_TLS_VALIDATION_FLAGS] = g_param_spec_flags ("tls-validation-flags",
      "TLS validation flags",
      "What is checked of certificates", G_TYPE_TLS_CERTIFICATE_FLAGS, DEFAULT_TLS_VALIDATION_FLAGS, READY);
  /**
   * GstLiveKitBin:proxy:
   *
   * HTTP or SOCKS proxy for the websocket and the token URL. Without it, the system's.
   */
  gst_livekit_bin_properties[PROP_PROXY] = g_param_spec_string ("proxy", "Proxy", "Proxy URL (unset = the system's)",
      NULL, READY);
  gst_livekit_bin_properties[PROP_PROXY_ID] = g_param_spec_string ("proxy-id", "Proxy user", "User name for the proxy",
      NULL, READY);
  gst_livekit_bin_properties[PROP_PROXY_PW] = g_param_spec_string ("proxy-pw", "Proxy password",
      "Password for the proxy", NULL,
      READY_SECRET);
}

void
gst_livekit_bin_install_properties (GObjectClass * klass)
{
  install_joining_properties ();
  install_participant_properties ();
  install_connection_properties ();
  install_http_properties ();
  g_object_class_install_properties (klass, N_PROPERTIES, gst_livekit_bin_properties);
}
