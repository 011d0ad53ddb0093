/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vsroom: one participant: a pipeline of livekitsink and livekitsrc, made again when it failed for good. */

#include "vsroom.h"

#include "applife.h"
#include "applog.h"
#include "apprestart.h"

#include <string.h>

struct _VsRoom
{
  const VsConfig *config;
  GstClock *clock;
  const VsRoomDelegate *delegate;
  gpointer data;
  GstElement *pipeline, *sink, *src;    /* sink and src belong to the pipeline */
  AppLife *life;
  gboolean is_up;               /* the pipeline has started */
  AppRestart *restart;
  gboolean is_connected;
};

static const AppLifeDelegate life_delegate;
static void start_again (gpointer data);

VsRoom *
vs_room_new (const VsConfig * config, GstClock * clock, const VsRoomDelegate * delegate, gpointer data)
{
  VsRoom *room = g_new0 (VsRoom, 1);

  room->config = config;
  room->clock = gst_object_ref (clock);
  room->delegate = delegate;
  room->data = data;
  room->life = app_life_new (&life_delegate, room);
  room->restart = app_restart_new (start_again, room);
  return room;
}

static void
drop_pipeline (VsRoom * room)
{
  room->is_connected = room->is_up = FALSE;
  if (room->pipeline != NULL)
    room->delegate->down (room->data);
  app_life_end (room->life);
  room->sink = room->src = NULL;
  gst_clear_object (&room->pipeline);
}

void
vs_room_free (VsRoom * room)
{
  if (room == NULL)
    return;
  /* changes of pads that wait keep the old pipeline */
  while (g_main_context_iteration (NULL, FALSE));
  app_restart_free (room->restart);
  app_life_free (room->life);
  gst_object_unref (room->clock);
  g_free (room);
}

/* Messages */

static void
on_error (VsRoom * room, GstMessage * message)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *details = NULL;
  guint delay_ms;

  /* what was taken out meanwhile: each layer of a track tells of the same fault, and at the first all of them go */
  if (!gst_object_has_as_ancestor (GST_MESSAGE_SRC (message), GST_OBJECT (room->pipeline)))
    return;
  gst_message_parse_error (message, &error, &details);
  if (room->delegate->element_failed (GST_MESSAGE_SRC (message), error, room->data))
    return;
  app_debug ("room: %s", details != NULL ? details : "");
  drop_pipeline (room);
  delay_ms = app_restart_failed (room->restart);
  app_error ("room: %s; joins again in %.1f s", error->message, delay_ms / 1000.0);
}

static void
on_warning (VsRoom * room, GstMessage * message)
{
  g_autoptr (GError) error = NULL;

  gst_message_parse_warning (message, &error, NULL);
  app_warning ("room: %s: %s", GST_OBJECT_NAME (GST_MESSAGE_SRC (message)), error->message);
}

static void
on_connection (VsRoom * room, const GstStructure * structure)
{
  const gchar *state = gst_structure_get_string (structure, "state");
  const gchar *reason = gst_structure_get_string (structure, "reason");
  gboolean is_connected = g_strcmp0 (state, "connected") == 0;

  if (is_connected == room->is_connected && is_connected)
    return;
  room->is_connected = is_connected;
  if (is_connected)
    app_restart_works (room->restart);
  app_info ("room: %s%s%s", state, reason != NULL && *reason != '\0' ? ": " : "", reason != NULL ? reason : "");
}

static void
on_track (const GstStructure * structure)
{
  const gchar *name = gst_structure_get_string (structure, "name"), *pad = gst_structure_get_string (structure, "pad");
  const gchar *identity = gst_structure_get_string (structure, "identity");

  app_info ("room: %s%s%s %s", name != NULL && *name != '\0' ? name : pad != NULL ? pad : "track",
      identity != NULL ? " of " : "", identity != NULL ? identity : "", gst_structure_get_string (structure, "action"));
}

/* Both elements tell of the one session that they share. */
static void
on_element (VsRoom * room, GstMessage * message)
{
  const GstStructure *structure = gst_message_get_structure (message);

  if (GST_MESSAGE_SRC (message) != GST_OBJECT (room->sink != NULL ? room->sink : room->src))
    return;
  if (gst_structure_has_name (structure, "livekit-connection"))
    on_connection (room, structure);
  else if (gst_structure_has_name (structure, "livekit-track"))
    on_track (structure);
}

static void
on_message (GstMessage * message, gpointer data)
{
  VsRoom *room = data;

  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_ERROR:
      on_error (room, message);
      break;
    case GST_MESSAGE_WARNING:
      on_warning (room, message);
      break;
    case GST_MESSAGE_ELEMENT:
      on_element (room, message);
      break;
    default:
      break;
  }
}

/* Pads come and go in threads of the element. */

typedef struct
{
  VsRoom *room;
  GstElement *pipeline;         /* that was the room's */
  GstPad *pad;
  gboolean is_added;
} PadChange;

static void
pad_change_free (gpointer data)
{
  PadChange *change = data;

  gst_object_unref (change->pipeline);
  gst_object_unref (change->pad);
  g_free (change);
}

static gboolean
take_pad_change (gpointer data)
{
  PadChange *change = data;
  VsRoom *room = change->room;

  if (change->pipeline != room->pipeline)
    return G_SOURCE_REMOVE;
  if (change->is_added)
    room->delegate->pad_added (change->pad, room->data);
  else
    room->delegate->pad_removed (change->pad, room->data);
  return G_SOURCE_REMOVE;
}

static void
post_pad_change (VsRoom * room, GstElement * src, GstPad * pad, gboolean is_added)
{
  GstObject *pipeline = gst_object_get_parent (GST_OBJECT (src));
  PadChange *change;

  if (pipeline == NULL)
    return;
  change = g_new0 (PadChange, 1);
  change->room = room;
  change->pipeline = GST_ELEMENT (pipeline);
  change->pad = gst_object_ref (pad);
  change->is_added = is_added;
  g_idle_add_full (G_PRIORITY_DEFAULT, take_pad_change, change, pad_change_free);
}

static void
on_pad_added (GstElement * src, GstPad * pad, gpointer data)
{
  post_pad_change (data, src, pad, TRUE);
}

static void
on_pad_removed (GstElement * src, GstPad * pad, gpointer data)
{
  post_pad_change (data, src, pad, FALSE);
}

/* The pipeline */

static gboolean
has_direction (VsRoom * room, gboolean is_sender)
{
  for (guint i = 0; i < room->config->pipelines->len; i++) {
    const VsPipelineConfig *pipeline = g_ptr_array_index (room->config->pipelines, i);

    if ((pipeline->direction == VS_SENDS) == is_sender)
      return TRUE;
  }
  return FALSE;
}

/* What livekitsrc shall show, as its property "tracks". A name alone is a name of anybody's track. */
static gchar *
make_patterns (VsRoom * room)
{
  GString *patterns = g_string_new (NULL);

  for (guint i = 0; i < room->config->pipelines->len; i++) {
    const VsPipelineConfig *pipeline = g_ptr_array_index (room->config->pipelines, i);
    g_autofree gchar *escaped = NULL;

    if (pipeline->direction == VS_SENDS)
      continue;
    if (strchr (pipeline->track, '/') == NULL)
      escaped = g_uri_escape_string (pipeline->track, " ", TRUE);
    g_string_append_printf (patterns, "%s%s%s", patterns->len > 0 ? "," : "", escaped != NULL ? "*/" : "",
        escaped != NULL ? escaped : pipeline->track);
  }
  return g_string_free (patterns, FALSE);
}

/* Waits for the server and the token server as long as it takes: reconnect-timeout is 0 of itself. */
static GstElement *
make_element (VsRoom * room, const gchar * factory)
{
  const VsConfig *config = room->config;
  GstElement *element = gst_element_factory_make (factory, NULL);

  app_server_set_up (config->server, G_OBJECT (element));
  g_object_set (element, "room", config->room, "identity", config->identity, "join-timeout", 0, NULL);
  gst_bin_add (GST_BIN (room->pipeline), element);
  return element;
}

/* From now on its elements have a base time, and pass it on. */
static void
on_started (gpointer data)
{
  VsRoom *room = data;

  room->is_up = TRUE;
  room->delegate->up (room->data);
}

static GstElement *
make (gpointer data)
{
  VsRoom *room = data;

  room->pipeline = gst_object_ref_sink (gst_pipeline_new ("room"));
  gst_pipeline_use_clock (GST_PIPELINE (room->pipeline), room->clock);
  if (has_direction (room, TRUE))
    room->sink = make_element (room, "livekitsink");
  if (has_direction (room, FALSE)) {
    g_autofree gchar *patterns = make_patterns (room);

    room->src = make_element (room, "livekitsrc");
    g_object_set (room->src, "tracks", patterns, NULL);
    g_signal_connect (room->src, "pad-added", G_CALLBACK (on_pad_added), room);
    g_signal_connect (room->src, "pad-removed", G_CALLBACK (on_pad_removed), room);
  }
  return gst_object_ref (room->pipeline);
}

static const AppLifeDelegate life_delegate = { make, on_started, on_message };

/* Never beside the one before: the server would throw that out, for there is one participant of a name. */
static void
start_again (gpointer data)
{
  VsRoom *room = data;

  app_life_begin (room->life);
}

void
vs_room_start (VsRoom * room)
{
  if (room->pipeline == NULL && !app_restart_is_waiting (room->restart))
    app_life_begin (room->life);
}

void
vs_room_stop (VsRoom * room)
{
  app_restart_cancel (room->restart);
  drop_pipeline (room);
}

GstBin *
vs_room_get_bin (VsRoom * room)
{
  return room->is_up ? GST_BIN (room->pipeline) : NULL;
}

GstElement *
vs_room_get_sink (VsRoom * room)
{
  return room->sink;
}

gboolean
vs_room_has_ended (VsRoom * room)
{
  return app_life_has_ended (room->life);
}

gboolean
vs_room_is_connected (VsRoom * room)
{
  return room->is_connected;
}

guint
vs_room_get_restarts (VsRoom * room)
{
  return app_restart_get_count (room->restart);
}
