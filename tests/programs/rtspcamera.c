/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rtspcamera: RTSP cameras for the tests, by gst-rtsp-server.
 *
 *     rtspcamera [--port N] [--user NAME --password TEXT] PATH=LAUNCH...
 *
 * Prints {"event":"listening","port":N}, then a line for each connection that is made ("open") and ended ("closed").
 * The raw pictures that leave an element called "clock" carry the time of day in milliseconds, modulo 2^24; what leaves
 * one called "spoil" is rubbish. Ends with its standard input. */
#include <glib-unix.h>
#include <gst/rtsp-server/rtsp-server.h>
#include <stdio.h>

#include "../../examples/framemark.h"

static gint opt_port;
static gchar *opt_user, *opt_password, **opt_streams;

static const GOptionEntry entries[] = {
  {"port", 'p', 0, G_OPTION_ARG_INT, &opt_port, "Port to listen on, 0 = a free one", "N"},
  {"user", 'u', 0, G_OPTION_ARG_STRING, &opt_user, "Who may look", "NAME"},
  {"password", 0, 0, G_OPTION_ARG_STRING, &opt_password, "His password", "TEXT"},
  {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &opt_streams, NULL, "PATH=LAUNCH..."},
  {NULL}
};

static void
print_event (const gchar * name)
{
  g_print ("{\"event\": \"%s\"}\n", name);
}

static GstPadProbeReturn
on_picture (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstBuffer *buffer = gst_buffer_make_writable (GST_PAD_PROBE_INFO_BUFFER (info));

  frame_mark_write_buffer (pad, buffer, (guint) (g_get_real_time () / 1000) & FRAME_MARK_MAX);
  info->data = buffer;
  return GST_PAD_PROBE_OK;
}

/* One unit of a picture that no key frame goes before, and nothing that a decoder would know. */
static GstPadProbeReturn
on_spoilt (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  static const guint8 start[] = { 0, 0, 0, 1, 0x41 };
  GstBuffer *buffer = gst_buffer_copy_deep (GST_PAD_PROBE_INFO_BUFFER (info));
  GstMapInfo map;

  gst_buffer_map (buffer, &map, GST_MAP_WRITE);
  for (gsize i = 0; i < map.size; i++)
    map.data[i] = i < sizeof (start) ? start[i] : (guint8) g_random_int_range (1, 256);
  gst_buffer_unmap (buffer, &map);
  gst_buffer_unref (GST_PAD_PROBE_INFO_BUFFER (info));
  info->data = buffer;
  return GST_PAD_PROBE_OK;
}

static void
watch (GstElement * bin, const gchar * name, GstPadProbeCallback callback)
{
  g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (bin), name);
  g_autoptr (GstPad) pad = element ? gst_element_get_static_pad (element, "src") : NULL;

  if (pad)
    gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, callback, NULL, NULL);
}

static void
on_media_configure (GstRTSPMediaFactory * factory, GstRTSPMedia * media, gpointer data)
{
  g_autoptr (GstElement) element = gst_rtsp_media_get_element (media);

  watch (element, "clock", on_picture);
  watch (element, "spoil", on_spoilt);
}

static void
on_client_closed (GstRTSPClient * client, gpointer data)
{
  print_event ("closed");
}

static void
on_client_connected (GstRTSPServer * server, GstRTSPClient * client, gpointer data)
{
  print_event ("open");
  g_signal_connect (client, "closed", G_CALLBACK (on_client_closed), NULL);
}

static void
allow (GstRTSPMediaFactory * factory)
{
  gst_rtsp_media_factory_add_role (factory, "viewer", GST_RTSP_PERM_MEDIA_FACTORY_ACCESS, G_TYPE_BOOLEAN, TRUE,
      GST_RTSP_PERM_MEDIA_FACTORY_CONSTRUCT, G_TYPE_BOOLEAN, TRUE, NULL);
}

static void
add_stream (GstRTSPServer * server, const gchar * text)
{
  g_auto (GStrv) parts = g_strsplit (text, "=", 2);
  g_autoptr (GstRTSPMountPoints) mounts = gst_rtsp_server_get_mount_points (server);
  GstRTSPMediaFactory *factory = gst_rtsp_media_factory_new ();

  gst_rtsp_media_factory_set_launch (factory, parts[1]);
  gst_rtsp_media_factory_set_shared (factory, TRUE);
  if (opt_user)
    allow (factory);
  g_signal_connect (factory, "media-configure", G_CALLBACK (on_media_configure), NULL);
  gst_rtsp_mount_points_add_factory (mounts, parts[0], factory);
}

static void
ask_for_password (GstRTSPServer * server)
{
  g_autoptr (GstRTSPAuth) auth = gst_rtsp_auth_new ();
  g_autoptr (GstRTSPToken) token = gst_rtsp_token_new (GST_RTSP_TOKEN_MEDIA_FACTORY_ROLE, G_TYPE_STRING, "viewer",
      NULL);
  g_autofree gchar *basic = gst_rtsp_auth_make_basic (opt_user, opt_password);

  gst_rtsp_auth_add_basic (auth, basic, token);
  gst_rtsp_server_set_auth (server, auth);
}

static gboolean
on_input (gint fd, GIOCondition condition, gpointer data)
{
  gchar bytes[64];

  if (read (fd, bytes, sizeof (bytes)) <= 0)
    g_main_loop_quit (data);
  return G_SOURCE_CONTINUE;
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GstRTSPServer) server = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree gchar *port = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  if (!g_option_context_parse (context, &argc, &argv, &error)) {
    g_printerr ("%s\n", error->message);
    return 2;
  }
  setvbuf (stdout, NULL, _IOLBF, 0);
  server = gst_rtsp_server_new ();
  port = g_strdup_printf ("%d", opt_port);
  gst_rtsp_server_set_address (server, "127.0.0.1");
  gst_rtsp_server_set_service (server, port);
  if (opt_user)
    ask_for_password (server);
  for (guint i = 0; opt_streams && opt_streams[i]; i++)
    add_stream (server, opt_streams[i]);
  g_signal_connect (server, "client-connected", G_CALLBACK (on_client_connected), NULL);
  if (gst_rtsp_server_attach (server, NULL) == 0)
    return 1;
  g_print ("{\"event\": \"listening\", \"port\": %d}\n", gst_rtsp_server_get_bound_port (server));
  g_unix_fd_add (0, G_IO_IN | G_IO_HUP, on_input, loop);
  g_main_loop_run (loop);
  return 0;
}
