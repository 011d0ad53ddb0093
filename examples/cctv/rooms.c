/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rooms: asks the server which rooms have somebody in them. */

#include "rooms.h"

#include <json-glib/json-glib.h>
#include <libsoup/soup.h>

#include "applog.h"
#include "lkhttp.h"
#include "lkjson.h"
#include "lktoken.h"

#define TIMEOUT_S 10
#define TOKEN_VALID_S 60
#define METHOD "/twirp/livekit.RoomService/ListRooms"

struct _CctvRooms
{
  CctvSettings *settings;
  SoupSession *session;
  GCancellable *cancellable;
  gboolean is_asking, is_told;
  void (*found) (const gchar * room, gpointer data);
  gpointer data;
};

CctvRooms *
cctv_rooms_new (CctvSettings * settings, void (*found) (const gchar * room, gpointer data), gpointer data)
{
  CctvRooms *rooms = g_new0 (CctvRooms, 1);
  LkHttpSettings http = {.tls_ca_file = settings->tls_ca_file,.tls_validation_flags = G_TLS_CERTIFICATE_VALIDATE_ALL };
  g_autoptr (GError) error = NULL;

  rooms->settings = cctv_settings_ref (settings);
  rooms->cancellable = g_cancellable_new ();
  rooms->found = found;
  rooms->data = data;
  rooms->session = lk_http_session_new (&http, TIMEOUT_S, &error);
  if (rooms->session == NULL)
    app_warning ("%s", error->message);
  return rooms;
}

static void
rooms_clear (CctvRooms * rooms)
{
  cctv_settings_unref (rooms->settings);
  g_clear_object (&rooms->session);
  g_object_unref (rooms->cancellable);
  g_free (rooms);
}

/* An answer that is on its way frees it. */
void
cctv_rooms_free (CctvRooms * rooms)
{
  g_cancellable_cancel (rooms->cancellable);
  if (!rooms->is_asking)
    rooms_clear (rooms);
}

static void
read_room (JsonArray * array, guint index, JsonNode * node, gpointer data)
{
  CctvRooms *rooms = data;
  JsonObject *room = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  JsonNode *name = room ? json_object_get_member (room, "name") : NULL;
  JsonNode *count = room ? json_object_get_member (room, "num_participants") : NULL;

  if (name && count && JSON_NODE_HOLDS_VALUE (name) && json_node_get_value_type (name) == G_TYPE_STRING
      && JSON_NODE_HOLDS_VALUE (count) && json_node_get_value_type (count) == G_TYPE_INT64
      && json_node_get_int (count) > 0)
    rooms->found (json_node_get_string (name), rooms->data);
}

static void
read_answer (CctvRooms * rooms, GBytes * bytes)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  gsize size;
  const gchar *text = g_bytes_get_data (bytes, &size);
  JsonNode *list;

  if (size == 0 || !lk_json_is_valid (text, size, LK_JSON_MAX_DEPTH)
      || !json_parser_load_from_data (parser, text, (gssize) size, NULL)
      || !JSON_NODE_HOLDS_OBJECT (json_parser_get_root (parser)))
    return;
  list = json_object_get_member (json_node_get_object (json_parser_get_root (parser)), "rooms");
  if (list && JSON_NODE_HOLDS_ARRAY (list))
    json_array_foreach_element (json_node_get_array (list), read_room, rooms);
}

/* Said once until it works again: it is asked often. */
static void
tell_failure (CctvRooms * rooms, const gchar * text)
{
  if (!rooms->is_told)
    app_warning ("the server does not tell its rooms: %s", text);
  rooms->is_told = TRUE;
}

static void
on_answer (GObject * object, GAsyncResult * result, gpointer data)
{
  CctvRooms *rooms = data;
  g_autoptr (GError) error = NULL;
  SoupMessage *message = soup_session_get_async_result_message (SOUP_SESSION (object), result);
  guint status = message ? soup_message_get_status (message) : 0;
  g_autoptr (GBytes) bytes = soup_session_send_and_read_finish (SOUP_SESSION (object), result, &error);

  rooms->is_asking = FALSE;
  if (g_cancellable_is_cancelled (rooms->cancellable)) {
    rooms_clear (rooms);
    return;
  }
  if (bytes == NULL) {
    tell_failure (rooms, error->message);
  } else if (status != SOUP_STATUS_OK) {
    g_autofree gchar *text = g_strdup_printf ("HTTP %u", status);

    tell_failure (rooms, text);
  } else {
    rooms->is_told = FALSE;
    read_answer (rooms, bytes);
  }
}

static SoupMessage *
make_message (CctvRooms * rooms, const gchar * token)
{
  const gchar *url = rooms->settings->server_url;
  g_autofree gchar *http = g_str_has_prefix (url, "ws") ? g_strconcat ("http", url + 2, NULL) : g_strdup (url);
  g_autofree gchar *whole = NULL, *authorization = g_strconcat ("Bearer ", token, NULL);
  g_autoptr (GBytes) body = g_bytes_new_static ("{}", 2);
  SoupMessage *message;

  if (g_str_has_suffix (http, "/"))
    http[strlen (http) - 1] = '\0';
  whole = g_strconcat (http, METHOD, NULL);
  message = soup_message_new ("POST", whole);
  if (message == NULL)
    return NULL;
  soup_message_headers_replace (soup_message_get_request_headers (message), "Authorization", authorization);
  soup_message_set_request_body_from_bytes (message, "application/json", body);
  lk_http_prepare (rooms->session, message);
  return message;
}

void
cctv_rooms_ask (CctvRooms * rooms)
{
  LkTokenRequest request = {
    .api_key = rooms->settings->api_key,.api_secret = rooms->settings->api_secret,.room = "-",
    .identity = "livekit-cctv",
    .now_s = g_get_real_time () / G_USEC_PER_SEC,.valid_s = TOKEN_VALID_S,
    .no_join = TRUE,.no_publish = TRUE,.no_subscribe = TRUE,.no_data = TRUE,.may_list_rooms = TRUE,
  };
  g_autoptr (SoupMessage) message = NULL;
  gchar *token;

  if (rooms->is_asking || rooms->session == NULL)
    return;
  token = lk_token_mint (&request, NULL);
  message = token ? make_message (rooms, token) : NULL;
  lk_token_clear (token);
  if (message == NULL)
    return;
  rooms->is_asking = TRUE;
  soup_session_send_and_read_async (rooms->session, message, G_PRIORITY_DEFAULT, rooms->cancellable, on_answer, rooms);
}
