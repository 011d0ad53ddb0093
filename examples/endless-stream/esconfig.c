/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* esconfig: which files are played, and where to. */

#include "esconfig.h"

#include <gst/gst.h>
#include <string.h>

#include "apphttp.h"
#include "applog.h"

#define MAX_FILES 64
#define DEFAULT_IDENTITY "endless"

static void
file_free (gpointer data)
{
  EsFile *file = data;

  g_free (file->path);
  g_free (file->uri);
  g_free (file->target);
  g_free (file->identity);
  g_free (file->track);
  g_free (file);
}

void
es_config_free (EsConfig * config)
{
  if (config == NULL)
    return;
  app_server_free (config->server);
  g_free (config->room);
  g_free (config->http_listen);
  g_ptr_array_unref (config->files);
  g_free (config);
}

/* Whether what stands behind the decoder can be made: else it would be tried again and again. */
static void
check_elements (const EsFile * file, AppProblems * problems)
{
  g_autoptr (GstElementFactory) factory = gst_element_factory_find ("livekitsink");
  g_autoptr (GError) error = NULL;
  GstElement *bin;

  if (file->target == NULL) {
    if (factory == NULL)
      app_problems_add (problems, file->path, "the element livekitsink is not installed (GST_PLUGIN_PATH)");
    return;
  }
  bin = gst_parse_bin_from_description_full (file->target, TRUE, NULL, GST_PARSE_FLAG_FATAL_ERRORS, &error);
  if (bin != NULL)
    gst_object_unref (gst_object_ref_sink (bin));
  else
    app_problems_add (problems, file->path, "%s in \"%s\"", error->message, file->target);
}

/* @text is FILE or FILE=TARGET. */
static void
add_file (EsConfig * config, const gchar * text, const gchar * identity, AppProblems * problems)
{
  const gchar *equals = strchr (text, '=');
  EsFile *file = g_new0 (EsFile, 1);
  g_autofree gchar *absolute = NULL;

  file->path = equals != NULL ? g_strndup (text, (gsize) (equals - text)) : g_strdup (text);
  absolute = g_canonicalize_filename (file->path, NULL);
  file->uri = g_filename_to_uri (absolute, NULL, NULL);
  file->track = g_path_get_basename (file->path);
  file->identity = g_strdup_printf ("%s-%u", identity, config->files->len);
  if (equals != NULL)
    file->target = g_strdup_printf (equals[1] == '/' ? "videoconvert ! v4l2sink device=%s" : "videoconvert ! %s",
        equals + 1);
  g_ptr_array_add (config->files, file);
  if (!g_file_test (file->path, G_FILE_TEST_IS_REGULAR))
    app_problems_add (problems, file->path, "there is no such file");
  if (equals != NULL && equals[1] == '/' && !g_file_test (equals + 1, G_FILE_TEST_EXISTS))
    app_problems_add (problems, file->path, "there is no device %s: load v4l2loopback (modprobe v4l2loopback devices=2 "
        "video_nr=10,11), or play into a room (--room)", equals + 1);
  if (equals == NULL && config->room == NULL)
    app_problems_add (problems, file->path, "where to? FILE=DEVICE, or --room");
  else
    check_elements (file, problems);
}

/* FILE_0, FILE_1 and so on, until one is not set. */
static void
read_files (EsConfig * config, AppSettings * settings, const gchar * identity, AppProblems * problems)
{
  for (guint i = 0; i < MAX_FILES; i++) {
    g_autofree gchar *name = g_strdup_printf ("FILE_%u", i);
    const gchar *value = app_settings_get (settings, name);

    if (value == NULL)
      break;
    add_file (config, value, identity, problems);
  }
  if (config->files->len == 0)
    app_settings_need (settings, "FILE_0", "FILE or FILE=DEVICE, here or in the command line", problems);
}

static gboolean
has_room_files (const EsConfig * config)
{
  for (guint i = 0; i < config->files->len; i++) {
    if (((EsFile *) g_ptr_array_index (config->files, i))->target == NULL)
      return TRUE;
  }
  return FALSE;
}

static gboolean
names_server (AppSettings * settings)
{
  return app_settings_get (settings, "LIVEKIT_SERVER") != NULL || app_settings_get (settings, "TOKEN_SERVER") != NULL
      || app_settings_get (settings, "KEY_FILE") != NULL;
}

EsConfig *
es_config_read (AppSettings * settings, gchar ** arguments, const gchar * room, const gchar * identity,
    AppProblems * problems)
{
  EsConfig *config = g_new0 (EsConfig, 1);
  const gchar *set_room = app_settings_get (settings, "ROOM_ID");
  const gchar *set_identity = app_settings_get (settings, "CLIENT_ID");
  g_autoptr (GPtrArray) unknown = NULL;

  config->files = g_ptr_array_new_with_free_func (file_free);
  config->room = g_strdup (room != NULL ? room : set_room);
  config->http_listen = g_strdup (app_http_read_address (settings, "HTTP_LISTEN", NULL, problems));
  if (identity == NULL)
    identity = set_identity != NULL ? set_identity : DEFAULT_IDENTITY;
  for (guint i = 0; arguments != NULL && arguments[i] != NULL; i++)
    add_file (config, arguments[i], identity, problems);
  if (arguments == NULL)
    read_files (config, settings, identity, problems);
  if (has_room_files (config) && names_server (settings))
    config->server = app_server_read (settings, problems);

  unknown = app_settings_get_unknown (settings);
  for (guint i = 0; i < unknown->len; i++)
    app_warning ("%s is not used", (const gchar *) g_ptr_array_index (unknown, i));
  return config;
}
