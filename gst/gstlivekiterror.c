/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekiterror: the client's errors as messages on the bus, by one table. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekiterror.h"

#include "lkerror.h"

typedef struct
{
  LkError code;
  GstResourceError gst_code;
  const gchar *text, *hint;
} Row;

/* hint: what to change. */
static const Row rows[] = {
  {LK_ERROR_SETTINGS, GST_RESOURCE_ERROR_SETTINGS, "The settings cannot work.", "Check the properties."},
  {LK_ERROR_RESOLVE, GST_RESOURCE_ERROR_NOT_FOUND, "The LiveKit server was not found.", "Check server-url."},
  {LK_ERROR_CONNECT, GST_RESOURCE_ERROR_OPEN_READ_WRITE, "Could not connect to the LiveKit server.",
      "Check server-url, and that the server runs."},
  {LK_ERROR_TLS, GST_RESOURCE_ERROR_OPEN_READ_WRITE, "There is no secure connection to the LiveKit server.",
      "tls-ca-file adds an authority."},
  {LK_ERROR_NOT_LIVEKIT, GST_RESOURCE_ERROR_NOT_FOUND, "This is not a LiveKit server.", "Check server-url."},
  {LK_ERROR_TOKEN_SOURCE, GST_RESOURCE_ERROR_NOT_AUTHORIZED, "The token URL gave no token.", "Check token-url."},
  {LK_ERROR_TOKEN, GST_RESOURCE_ERROR_NOT_AUTHORIZED, "There is no usable access token.",
      "Set token, token-url, or api-key and api-secret."},
  {LK_ERROR_UNAUTHORIZED, GST_RESOURCE_ERROR_NOT_AUTHORIZED, "The LiveKit server did not accept the access token.",
      "Check the key it was signed with, and its time."},
  {LK_ERROR_PERMISSION, GST_RESOURCE_ERROR_NOT_AUTHORIZED, "The access token does not allow this.",
      "It needs another grant."},
  {LK_ERROR_NO_ROOM, GST_RESOURCE_ERROR_NOT_FOUND, "The room does not exist.", "This server does not create rooms."},
  {LK_ERROR_SERVER, GST_RESOURCE_ERROR_BUSY, "The LiveKit server refused for now.", "Try again later."},
  {LK_ERROR_PROTOCOL, GST_RESOURCE_ERROR_READ, "The LiveKit server said something that cannot be.", ""},
  {LK_ERROR_TIMEOUT, GST_RESOURCE_ERROR_OPEN_READ_WRITE, "Joining the room took too long.",
      "join-timeout sets how long it may take."},
  {LK_ERROR_CONNECTION_LOST, GST_RESOURCE_ERROR_READ, "The connection to the room was lost.",
      "reconnect-timeout sets how long to try."},
  {LK_ERROR_MEDIA, GST_RESOURCE_ERROR_OPEN_READ_WRITE, "The media connection does not come up.",
      "Is UDP blocked? A TURN server may help."},
  {LK_ERROR_DUPLICATE_IDENTITY, GST_RESOURCE_ERROR_BUSY, "Somebody else joined with the same identity.",
      "Each participant needs an identity of its own."},
  {LK_ERROR_REMOVED, GST_RESOURCE_ERROR_CLOSE, "The participant was removed from the room.", ""},
  {LK_ERROR_ROOM_DELETED, GST_RESOURCE_ERROR_CLOSE, "The room was deleted.", ""},
  {LK_ERROR_ROOM_CLOSED, GST_RESOURCE_ERROR_CLOSE, "The room was closed.", ""},
  {LK_ERROR_SERVER_SHUTDOWN, GST_RESOURCE_ERROR_CLOSE, "The LiveKit server was shut down.", ""},
  {LK_ERROR_DISCONNECTED, GST_RESOURCE_ERROR_CLOSE, "The LiveKit server ended the session.", ""},
  {LK_ERROR_PUBLISH, GST_RESOURCE_ERROR_WRITE, "A track was not accepted.", ""},
  {LK_ERROR_CANCELLED, GST_RESOURCE_ERROR_CLOSE, "Stopped.", ""},
};

static const Row *
find_row (const GError * error)
{
  for (guint i = 0; error->domain == LK_ERROR && i < G_N_ELEMENTS (rows); i++) {
    if (rows[i].code == (LkError) error->code)
      return &rows[i];
  }
  return NULL;
}

static void
post (GstElement * element, GstMessageType type, const GError * error)
{
  const Row *row = find_row (error);
  guint status = lk_error_http_status (error);
  GQuark domain = row ? GST_RESOURCE_ERROR : error->domain;
  gint code = row ? (gint) row->gst_code : error->code;
  gchar *text = row ? g_strdup_printf ("%s %s", row->text, error->message) : g_strdup (error->message);
  GstStructure *details = gst_structure_new ("details", "reason", G_TYPE_STRING,
      row ? lk_error_reason (row->code) : "internal", NULL);

  if (status)
    gst_structure_set (details, "http-status-code", G_TYPE_UINT, status, NULL);
  gst_element_message_full_with_details (element, type, domain, code, text, row ? g_strdup (row->hint) : NULL,
      __FILE__, GST_FUNCTION, __LINE__, details);
}

void
gst_livekit_post_error (GstElement * element, const GError * error)
{
  post (element, GST_MESSAGE_ERROR, error);
}

void
gst_livekit_post_warning (GstElement * element, const GError * error)
{
  post (element, GST_MESSAGE_WARNING, error);
}
