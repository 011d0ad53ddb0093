/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitbin-private: shared by gstlivekitbin.c (state changes, the bus, the session) and
 * gstlivekitbin-properties.c. */
#pragma once

#include "gstlivekitbin.h"
#include "lkhttp.h"

G_BEGIN_DECLS

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

extern GParamSpec *gst_livekit_bin_properties[N_PROPERTIES];

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

GstLiveKitBinPrivate *gst_livekit_bin_get_private (GstLiveKitBin * bin);

/* gstlivekitbin-properties.c */
#define DEFAULT_JOIN_TIMEOUT_MS 10000
#define DEFAULT_RECONNECT_TIMEOUT_MS 0
#define DEFAULT_TLS_VALIDATION_FLAGS G_TLS_CERTIFICATE_VALIDATE_ALL

void gst_livekit_bin_set_property (GObject * object, guint id, const GValue * value, GParamSpec * pspec);
void gst_livekit_bin_get_property (GObject * object, guint id, GValue * value, GParamSpec * pspec);
void gst_livekit_bin_install_properties (GObjectClass * klass);

G_END_DECLS
