/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands.h"

typedef struct
{
  GMainLoop *loop;              /* not owned */
  void (*run) (gpointer data, gchar ** words);
  gpointer data;
} Commands;

static gboolean
on_line (GIOChannel * channel, GIOCondition condition, gpointer data)
{
  Commands *commands = data;
  g_autofree gchar *line = NULL;
  g_auto (GStrv) words = NULL;

  if (g_io_channel_read_line (channel, &line, NULL, NULL, NULL) != G_IO_STATUS_NORMAL) {
    g_main_loop_quit (commands->loop);
    return G_SOURCE_REMOVE;
  }
  words = g_strsplit (g_strstrip (line), " ", 4);
  commands->run (commands->data, words);
  return G_SOURCE_CONTINUE;
}

void
watch_commands (GMainLoop * loop, void (*run) (gpointer data, gchar ** words), gpointer data)
{
  g_autoptr (GIOChannel) input = g_io_channel_unix_new (0);
  Commands *commands = g_new (Commands, 1);

  *commands = (Commands) {
  loop, run, data};
  g_io_add_watch_full (input, G_PRIORITY_DEFAULT, G_IO_IN | G_IO_HUP, on_line, commands, g_free);
}
