/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkmessage: packs and unpacks signal messages, and tells them in one line for the log. */
#include "lkmessage.h"

#include <gio/gio.h>
#include <json-glib/json-glib.h>
#include <string.h>

#include "lkerror.h"
#include "lkjson.h"

/* candidateInit is one flat object. */
#define MAX_JSON_DEPTH 16

/* ---- unpacking ---- */

/* All that one unpack may ever allocate, freed or not. Counting what was freed again as well also bounds the time:
 * protobuf-c copies the whole list each time that a message of the same field is merged into the one before. */
static gpointer
budget_alloc (gpointer data, gsize size)
{
  gsize *left = data;

  if (size > *left)
    return NULL;
  *left -= size;
  return g_try_malloc (MAX (size, 1));
}

static void
budget_free (gpointer data, gpointer memory)
{
  g_free (memory);
}

static gboolean
is_id (const gchar * field_name)
{
  return g_str_equal (field_name, "sid") || g_str_has_suffix (field_name, "_sid")
      || g_str_has_suffix (field_name, "_sids") || g_str_equal (field_name, "identity")
      || g_str_has_suffix (field_name, "_identity") || g_str_equal (field_name, "cid");
}

/* A string with a zero byte inside is cut there by protobuf-c. That does no harm. */
static gboolean
check_string (const ProtobufCFieldDescriptor * field, const gchar * text, GError ** error)
{
  if (!text)
    return TRUE;
  if (!g_utf8_validate (text, -1, NULL)) {
    g_set_error (error, LK_ERROR, LK_ERROR_PROTOCOL, "Field '%s' of a message is not UTF-8", field->name);
    return FALSE;
  }
  if (is_id (field->name) && strlen (text) > LK_MESSAGE_MAX_ID_BYTES) {
    g_set_error (error, LK_ERROR, LK_ERROR_PROTOCOL, "Field '%s' of a message is longer than %d bytes", field->name,
        LK_MESSAGE_MAX_ID_BYTES);
    return FALSE;
  }
  return TRUE;
}

static gboolean check_message (const ProtobufCMessage * message, GError ** error);

static gboolean
check_value (const ProtobufCFieldDescriptor * field, gconstpointer value, GError ** error)
{
  if (field->type == PROTOBUF_C_TYPE_STRING)
    return check_string (field, value, error);
  return !value || check_message (value, error);
}

static gboolean
check_field (const ProtobufCMessage * message, const ProtobufCFieldDescriptor * field, GError ** error)
{
  gpointer member = G_STRUCT_MEMBER (gpointer, message, field->offset);
  gsize i, n;

  if (field->label != PROTOBUF_C_LABEL_REPEATED) {
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
        && G_STRUCT_MEMBER (guint32, message, field->quantifier_offset) != field->id)
      return TRUE;
    return check_value (field, member, error);
  }

  n = G_STRUCT_MEMBER (gsize, message, field->quantifier_offset);
  for (i = 0; i < n; i++) {
    if (!check_value (field, ((gpointer *) member)[i], error))
      return FALSE;
  }
  return TRUE;
}

/* Recurses as deep as the schema, which has no cycles. */
static gboolean
check_message (const ProtobufCMessage * message, GError ** error)
{
  guint i;

  for (i = 0; i < message->descriptor->n_fields; i++) {
    const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];

    if (field->type != PROTOBUF_C_TYPE_STRING && field->type != PROTOBUF_C_TYPE_MESSAGE)
      continue;
    if (!check_field (message, field, error))
      return FALSE;
  }
  return TRUE;
}

Livekit__SignalResponse *
lk_message_unpack (GBytes * bytes, GError ** error)
{
  gsize budget = LK_MESSAGE_MAX_UNPACKED_BYTES;
  ProtobufCAllocator allocator = { budget_alloc, budget_free, &budget };
  Livekit__SignalResponse *response;
  gconstpointer data;
  gsize size;

  g_return_val_if_fail (bytes != NULL, NULL);

  data = g_bytes_get_data (bytes, &size);
  if (size > LK_MESSAGE_MAX_BYTES) {
    g_set_error (error, LK_ERROR, LK_ERROR_PROTOCOL, "A message of %" G_GSIZE_FORMAT " bytes is too long", size);
    return NULL;
  }

  /* protobuf-c wants a pointer even for no bytes */
  response = livekit__signal_response__unpack (&allocator, size, data ? data : (gconstpointer) "");
  if (!response) {
    g_set_error (error, LK_ERROR, LK_ERROR_PROTOCOL, "%" G_GSIZE_FORMAT " bytes are no signal message, or one that "
        "takes too much memory", size);
    return NULL;
  }
  if (!check_message (&response->base, error))
    g_clear_pointer (&response, lk_message_free);
  return response;
}

void
lk_message_free (Livekit__SignalResponse * response)
{
  ProtobufCAllocator allocator = { budget_alloc, budget_free, NULL };

  if (response)
    livekit__signal_response__free_unpacked (response, &allocator);
}

/* ---- packing ---- */

GBytes *
lk_message_pack (const Livekit__SignalRequest * request)
{
  gsize size;
  guint8 *data;

  g_return_val_if_fail (request != NULL, NULL);

  size = livekit__signal_request__get_packed_size (request);
  data = g_malloc (MAX (size, 1));
  livekit__signal_request__pack (request, data);
  return g_bytes_new_take (data, size);
}

/* NULL if it cannot be done; plain goes as well. */
static GBytes *
gzip (gconstpointer data, gsize size)
{
  g_autoptr (GZlibCompressor) compressor = g_zlib_compressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP, -1);
  g_autoptr (GOutputStream) memory = g_memory_output_stream_new_resizable ();
  g_autoptr (GOutputStream) stream = g_converter_output_stream_new (memory, G_CONVERTER (compressor));

  if (!g_output_stream_write_all (stream, data, size, NULL, NULL, NULL)
      || !g_output_stream_close (stream, NULL, NULL))
    return NULL;
  return g_memory_output_stream_steal_as_bytes (G_MEMORY_OUTPUT_STREAM (memory));
}

static gchar *
base64_url (gconstpointer data, gsize size)
{
  gchar *text = g_base64_encode (data, size);

  g_strdelimit (text, "+", '-');
  g_strdelimit (text, "/", '_');
  return text;
}

gchar *
lk_message_pack_join (const Livekit__JoinRequest * request)
{
  Livekit__WrappedJoinRequest wrapped = LIVEKIT__WRAPPED_JOIN_REQUEST__INIT;
  g_autofree guint8 *plain = NULL, *packed = NULL;
  g_autoptr (GBytes) compressed = NULL;
  gsize size;

  g_return_val_if_fail (request != NULL, NULL);

  size = livekit__join_request__get_packed_size (request);
  plain = g_malloc (MAX (size, 1));
  livekit__join_request__pack (request, plain);
  wrapped.join_request.data = plain;
  wrapped.join_request.len = size;

  compressed = gzip (plain, size);
  if (compressed && g_bytes_get_size (compressed) < size) {
    wrapped.compression = LIVEKIT__WRAPPED_JOIN_REQUEST__COMPRESSION__GZIP;
    /* packing only reads it */
    wrapped.join_request.data = (guint8 *) g_bytes_get_data (compressed, &wrapped.join_request.len);
  }

  size = livekit__wrapped_join_request__get_packed_size (&wrapped);
  packed = g_malloc (MAX (size, 1));
  livekit__wrapped_join_request__pack (&wrapped, packed);
  return base64_url (packed, size);
}

/* ---- summaries ---- */

/* The name of the one member that is set, as in the schema. A kind that is new in the schema has a line at once. */
static GString *
summary_new (const ProtobufCMessageDescriptor * descriptor, guint message_case)
{
  const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field (descriptor, message_case);

  return g_string_new (field ? field->name : "unknown");
}

/* Ids come from the other side: whatever they hold, the line stays one line. */
static void
add_text (GString * line, const gchar * key, const gchar * value)
{
  g_autofree gchar *clean = NULL;

  if (!value || !*value)
    return;
  clean = lk_error_clean_text (value, -1);
  g_string_append_printf (line, " %s=%s", key, clean);
}

static void
add_enum (GString * line, const gchar * key, const ProtobufCEnumDescriptor * descriptor, gint value)
{
  const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value (descriptor, value);

  if (known)
    g_string_append_printf (line, " %s=%s", key, known->name);
  else
    g_string_append_printf (line, " %s=%d", key, value);
}

static void
add_sids (GString * line, const gchar * key, gsize n_sids, gchar * const *sids)
{
  if (n_sids == 1)
    add_text (line, key, sids[0]);
  else
    g_string_append_printf (line, " %ss=%" G_GSIZE_FORMAT, key, n_sids);
}

static void
add_description (GString * line, const Livekit__SessionDescription * description)
{
  if (!description)
    return;
  g_string_append_printf (line, " id=%u bytes=%" G_GSIZE_FORMAT, description->id,
      description->sdp ? strlen (description->sdp) : 0);
  if (description->n_mid_to_track_id)
    g_string_append_printf (line, " mids=%" G_GSIZE_FORMAT, description->n_mid_to_track_id);
}

static void
add_trickle (GString * line, const Livekit__TrickleRequest * trickle)
{
  if (!trickle)
    return;
  g_string_append_printf (line, " target=%s", trickle->target == LIVEKIT__SIGNAL_TARGET__PUBLISHER ? "publisher"
      : "subscriber");
  if (trickle->final)
    g_string_append (line, " final=true");
}

static void
add_mute (GString * line, const Livekit__MuteTrackRequest * mute)
{
  if (!mute)
    return;
  add_text (line, "sid", mute->sid);
  g_string_append_printf (line, " muted=%s", mute->muted ? "true" : "false");
}

static void
add_leave (GString * line, const Livekit__LeaveRequest * leave)
{
  if (!leave)
    return;
  add_enum (line, "action", &livekit__leave_request__action__descriptor, leave->action);
  add_enum (line, "reason", &livekit__disconnect_reason__descriptor, leave->reason);
  if (leave->regions)
    g_string_append_printf (line, " regions=%" G_GSIZE_FORMAT, leave->regions->n_regions);
}

static void
add_track (GString * line, const Livekit__TrackInfo * track)
{
  if (!track)
    return;
  add_text (line, "sid", track->sid);
  add_text (line, "mime", track->mime_type);
}

static void
add_join (GString * line, const Livekit__JoinResponse * join)
{
  if (!join)
    return;
  if (join->room)
    add_text (line, "room", join->room->sid);
  if (join->participant)
    add_text (line, "participant", join->participant->sid);
  g_string_append_printf (line, " others=%" G_GSIZE_FORMAT " ice_servers=%" G_GSIZE_FORMAT,
      join->n_other_participants, join->n_ice_servers);
}

static void
add_update (GString * line, const Livekit__ParticipantUpdate * update)
{
  const Livekit__ParticipantInfo *info;

  if (!update)
    return;
  g_string_append_printf (line, " participants=%" G_GSIZE_FORMAT, update->n_participants);
  if (update->n_participants != 1)
    return;
  info = update->participants[0];
  add_text (line, "sid", info->sid);
  add_enum (line, "state", &livekit__participant_info__state__descriptor, info->state);
  g_string_append_printf (line, " tracks=%" G_GSIZE_FORMAT " version=%u", info->n_tracks, info->version);
}

static void
add_add_track (GString * line, const Livekit__AddTrackRequest * add)
{
  if (!add)
    return;
  add_text (line, "cid", add->cid);
  add_enum (line, "type", &livekit__track_type__descriptor, add->type);
  add_enum (line, "source", &livekit__track_source__descriptor, add->source);
  g_string_append_printf (line, " layers=%" G_GSIZE_FORMAT, add->n_layers);
}

/* What is repeated tells which request it was. */
static void
add_request_response (GString * line, const Livekit__RequestResponse * response)
{
  const ProtobufCFieldDescriptor *field;

  if (!response)
    return;
  add_enum (line, "reason", &livekit__request_response__reason__descriptor, response->reason);
  g_string_append_printf (line, " request_id=%u", response->request_id);
  if (response->request_case == LIVEKIT__REQUEST_RESPONSE__REQUEST__NOT_SET)
    return;
  field = protobuf_c_message_descriptor_get_field (&livekit__request_response__descriptor, response->request_case);
  add_text (line, "request", field ? field->name : NULL);
  if (response->request_case == LIVEKIT__REQUEST_RESPONSE__REQUEST_ADD_TRACK)
    add_text (line, "cid", response->add_track->cid);
}

/* The rarer kinds; TRUE if it was one of them. */
static gboolean
add_track_event (GString * line, const Livekit__SignalResponse * response)
{
  switch (response->message_case) {
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_TRACK_UNPUBLISHED:
      add_text (line, "sid", response->track_unpublished->track_sid);
      return TRUE;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_TRACK_SUBSCRIBED:
      add_text (line, "sid", response->track_subscribed->track_sid);
      return TRUE;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_SUBSCRIBED_QUALITY_UPDATE:
      add_text (line, "sid", response->subscribed_quality_update->track_sid);
      return TRUE;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_SUBSCRIPTION_PERMISSION_UPDATE:
      add_text (line, "sid", response->subscription_permission_update->track_sid);
      g_string_append_printf (line, " allowed=%s",
          response->subscription_permission_update->allowed ? "true" : "false");
      return TRUE;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_SUBSCRIPTION_RESPONSE:
      add_text (line, "sid", response->subscription_response->track_sid);
      add_enum (line, "error", &livekit__subscription_error__descriptor, response->subscription_response->err);
      return TRUE;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_MEDIA_SECTIONS_REQUIREMENT:
      g_string_append_printf (line, " audios=%u videos=%u", response->media_sections_requirement->num_audios,
          response->media_sections_requirement->num_videos);
      return TRUE;
    default:
      return FALSE;
  }
}

gchar *
lk_message_summary_response (const Livekit__SignalResponse * response)
{
  GString *line;

  g_return_val_if_fail (response != NULL, NULL);

  line = summary_new (&livekit__signal_response__descriptor, response->message_case);
  switch (response->message_case) {
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN:
      add_join (line, response->join);
      break;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_ANSWER:
      add_description (line, response->answer);
      break;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_OFFER:
      add_description (line, response->offer);
      break;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_TRICKLE:
      add_trickle (line, response->trickle);
      break;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_UPDATE:
      add_update (line, response->update);
      break;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_TRACK_PUBLISHED:
      add_text (line, "cid", response->track_published->cid);
      add_track (line, response->track_published->track);
      break;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_LEAVE:
      add_leave (line, response->leave);
      break;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_MUTE:
      add_mute (line, response->mute);
      break;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_RECONNECT:
      g_string_append_printf (line, " ice_servers=%" G_GSIZE_FORMAT, response->reconnect->n_ice_servers);
      break;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_REQUEST_RESPONSE:
      add_request_response (line, response->request_response);
      break;
    default:
      add_track_event (line, response);
      break;
  }
  return g_string_free (line, FALSE);
}

gchar *
lk_message_summary_request (const Livekit__SignalRequest * request)
{
  GString *line;

  g_return_val_if_fail (request != NULL, NULL);

  line = summary_new (&livekit__signal_request__descriptor, request->message_case);
  switch (request->message_case) {
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_OFFER:
      add_description (line, request->offer);
      break;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_ANSWER:
      add_description (line, request->answer);
      break;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_TRICKLE:
      add_trickle (line, request->trickle);
      break;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_ADD_TRACK:
      add_add_track (line, request->add_track);
      break;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_MUTE:
      add_mute (line, request->mute);
      break;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_SUBSCRIPTION:
      add_sids (line, "sid", request->subscription->n_track_sids, request->subscription->track_sids);
      g_string_append_printf (line, " subscribe=%s", request->subscription->subscribe ? "true" : "false");
      break;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_TRACK_SETTING:
      add_sids (line, "sid", request->track_setting->n_track_sids, request->track_setting->track_sids);
      g_string_append_printf (line, " disabled=%s quality=%d size=%ux%u",
          request->track_setting->disabled ? "true" : "false", (gint) request->track_setting->quality,
          request->track_setting->width, request->track_setting->height);
      break;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_LEAVE:
      add_leave (line, request->leave);
      break;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_SYNC_STATE:
      g_string_append_printf (line, " publish_tracks=%" G_GSIZE_FORMAT, request->sync_state->n_publish_tracks);
      break;
    default:
      break;
  }
  return g_string_free (line, FALSE);
}

/* ---- descriptions and candidates ---- */

GHashTable *
lk_message_mid_map (const Livekit__SessionDescription * description)
{
  GHashTable *map = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  gsize i;

  for (i = 0; description && i < description->n_mid_to_track_id; i++) {
    const Livekit__StringEntry *entry = description->mid_to_track_id[i];

    g_hash_table_replace (map, g_strdup (entry->key), g_strdup (entry->value));
  }
  return map;
}

gchar *
lk_message_candidate_to_json (const gchar * candidate, const gchar * mid, guint mline_index)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  g_return_val_if_fail (candidate != NULL, NULL);

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "candidate");
  json_builder_add_string_value (builder, candidate);
  json_builder_set_member_name (builder, "sdpMid");
  if (mid)
    json_builder_add_string_value (builder, mid);
  else
    json_builder_add_null_value (builder);
  json_builder_set_member_name (builder, "sdpMLineIndex");
  json_builder_add_int_value (builder, mline_index);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  return json_to_string (root, FALSE);
}

static JsonParser *
parse_candidate_json (const gchar * json, GError ** error)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  gsize length = strlen (json);

  if (length > LK_MESSAGE_MAX_CANDIDATE_BYTES) {
    g_set_error_literal (error, LK_ERROR, LK_ERROR_PROTOCOL, "A candidate is too long");
    return NULL;
  }
  if (!lk_json_is_valid (json, length, MAX_JSON_DEPTH)
      || !json_parser_load_from_data (parser, json, (gssize) length, NULL)
      || !JSON_NODE_HOLDS_OBJECT (json_parser_get_root (parser))) {
    g_set_error_literal (error, LK_ERROR, LK_ERROR_PROTOCOL, "A candidate is not a JSON object");
    return NULL;
  }
  return g_steal_pointer (&parser);
}

/* A line end would smuggle lines into the description that the candidate becomes part of. */
static gboolean
has_control_characters (const gchar * text)
{
  for (; *text; text++) {
    if (g_ascii_iscntrl (*text))
      return TRUE;
  }
  return FALSE;
}

/* Missing and null read as NULL. */
static gboolean
read_json_string (JsonObject * object, const gchar * name, const gchar ** value, GError ** error)
{
  JsonNode *node = json_object_get_member (object, name);

  *value = NULL;
  if (!node || JSON_NODE_HOLDS_NULL (node))
    return TRUE;
  if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_STRING) {
    g_set_error (error, LK_ERROR, LK_ERROR_PROTOCOL, "'%s' of a candidate is not a string", name);
    return FALSE;
  }
  if (has_control_characters (json_node_get_string (node))) {
    g_set_error (error, LK_ERROR, LK_ERROR_PROTOCOL, "'%s' of a candidate is not one line", name);
    return FALSE;
  }
  *value = json_node_get_string (node);
  return TRUE;
}

static gboolean
read_json_index (JsonObject * object, const gchar * name, guint * value, GError ** error)
{
  JsonNode *node = json_object_get_member (object, name);

  *value = 0;
  if (!node || JSON_NODE_HOLDS_NULL (node))
    return TRUE;
  if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_INT64
      || json_node_get_int (node) < 0 || json_node_get_int (node) > G_MAXUINT16) {
    g_set_error (error, LK_ERROR, LK_ERROR_PROTOCOL, "'%s' of a candidate is not an unsigned short", name);
    return FALSE;
  }
  *value = json_node_get_int (node);
  return TRUE;
}

gboolean
lk_message_candidate_from_json (const gchar * json, gchar ** candidate, gchar ** mid, guint * mline_index,
    GError ** error)
{
  g_autoptr (JsonParser) parser = NULL;
  const gchar *candidate_text, *mid_text;
  JsonObject *object;
  guint index;

  g_return_val_if_fail (json != NULL && candidate != NULL && mid != NULL && mline_index != NULL, FALSE);

  *candidate = NULL;
  *mid = NULL;
  *mline_index = 0;
  parser = parse_candidate_json (json, error);
  if (!parser)
    return FALSE;
  object = json_node_get_object (json_parser_get_root (parser));
  if (!read_json_string (object, "candidate", &candidate_text, error)
      || !read_json_string (object, "sdpMid", &mid_text, error)
      || !read_json_index (object, "sdpMLineIndex", &index, error))
    return FALSE;

  *candidate = g_strdup (candidate_text ? candidate_text : "");
  *mid = mid_text && *mid_text ? g_strdup (mid_text) : NULL;
  *mline_index = index;
  return TRUE;
}
