/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vsconfig: what the video server shall do, read and checked. */

#include "vsconfig.h"

#include "apphttp.h"
#include "applog.h"
#include "vsparse.h"

#include <string.h>

#define MAX_PIPELINES 64

static void
pipeline_config_free (gpointer data)
{
  VsPipelineConfig *config = data;

  g_free (config->setting);
  g_free (config->text);
  g_free (config->track);
  g_free (config);
}

void
vs_config_free (VsConfig * config)
{
  if (config == NULL)
    return;
  app_server_free (config->server);
  g_free (config->room);
  g_free (config->identity);
  g_free (config->http_listen);
  g_ptr_array_unref (config->pipelines);
  g_free (config);
}

/* Pipelines */

/* The folded text of a YAML file still has line ends and many spaces. */
static gchar *
to_one_line (const gchar * text)
{
  g_auto (GStrv) words = g_strsplit_set (text, "\r\n", -1);
  GString *line = g_string_new (NULL);

  for (guint i = 0; words[i] != NULL; i++) {
    g_strstrip (words[i]);
    if (*words[i] != '\0')
      g_string_append_printf (line, "%s%s", line->len > 0 ? " " : "", words[i]);
  }
  return g_string_free (line, FALSE);
}

/* What the text is for; a receiver's track is chosen later. */
static VsPipelineConfig *
read_pipeline (VsConfig * config, AppSettings * settings, guint number, const gchar * value, AppProblems * problems)
{
  VsPipelineConfig *pipeline = g_new0 (VsPipelineConfig, 1);
  g_autofree gchar *problem = NULL;
  g_autoptr (VsParsed) parsed = NULL;

  pipeline->setting = g_strdup_printf ("PIPELINE_%u", number);
  pipeline->text = to_one_line (value);
  parsed = vs_parse (pipeline->text, &problem);
  if (parsed == NULL) {
    app_settings_add_problem (settings, pipeline->setting, problems, "%s", problem);
  } else if (parsed->is_sender) {
    pipeline->track = g_strdup_printf ("%s-%u", config->identity, number);
  } else if (parsed->takes_audio == parsed->takes_video) {
    app_settings_add_problem (settings, pipeline->setting, problems,
        "it does not say whether it takes video or audio: put caps behind its source, such as video/x-vp8 or audio/x-opus");
  } else {
    pipeline->direction = parsed->takes_audio ? VS_RECEIVES_AUDIO : VS_RECEIVES_VIDEO;
  }
  return pipeline;
}

static void
read_pipelines (VsConfig * config, AppSettings * settings, AppProblems * problems)
{
  guint count, first = app_settings_get (settings, "PIPELINE_0") != NULL ? 0 : 1;

  if (app_settings_need (settings, "PIPELINES", "how many pipelines there are", problems) == NULL)
    return;
  count = (guint) app_settings_get_int (settings, "PIPELINES", 1, MAX_PIPELINES, 0, problems);
  for (guint number = first; number < first + count; number++) {
    g_autofree gchar *name = g_strdup_printf ("PIPELINE_%u", number);
    const gchar *value = app_settings_get (settings, name);

    if (value == NULL)
      app_settings_add_problem (settings, "PIPELINES", problems, "it is %u, but %s is not set", count, name);
    else
      g_ptr_array_add (config->pipelines, read_pipeline (config, settings, number, value, problems));
  }
}

/* The n-th name goes to the n-th pipeline of its kind. */
static void
choose_tracks (VsConfig * config, AppSettings * settings, const gchar * name, VsDirection direction,
    AppProblems * problems)
{
  const gchar *value = app_settings_get (settings, name);
  g_auto (GStrv) tracks = g_strsplit (value != NULL ? value : "", ",", -1);
  guint n_tracks = g_strv_length (tracks), used = 0;

  for (guint i = 0; i < config->pipelines->len; i++) {
    VsPipelineConfig *pipeline = g_ptr_array_index (config->pipelines, i);

    if (pipeline->direction != direction)
      continue;
    if (used < n_tracks && *g_strstrip (tracks[used]) != '\0')
      pipeline->track = g_strdup (tracks[used]);
    else
      app_settings_add_problem (settings, name, problems, "%s receives %s, but no track is named for it",
          pipeline->setting, direction == VS_RECEIVES_VIDEO ? "video" : "audio");
    used++;
  }
  /* not worth a stop: the Go server passed over it */
  if (used < n_tracks && app_problems_count (problems) == 0)
    app_warning ("%s names %u, but %u pipelines receive that", name, n_tracks, used);
}

VsConfig *
vs_config_read (AppSettings * settings, AppProblems * problems)
{
  VsConfig *config = g_new0 (VsConfig, 1);
  g_autoptr (GPtrArray) unknown = NULL;

  config->pipelines = g_ptr_array_new_with_free_func (pipeline_config_free);
  config->server = app_server_read (settings, problems);
  config->http_listen = g_strdup (app_http_read_address (settings, "HTTP_LISTEN", NULL, problems));
  config->room = g_strdup (app_settings_need (settings, "ROOM_ID", "the room to join", problems));
  config->identity = g_strdup (app_settings_need (settings, "CLIENT_ID", "the name to join it by", problems));
  read_pipelines (config, settings, problems);
  choose_tracks (config, settings, "RECEIVER_VIDEO_ID", VS_RECEIVES_VIDEO, problems);
  choose_tracks (config, settings, "RECEIVER_AUDIO_ID", VS_RECEIVES_AUDIO, problems);

  unknown = app_settings_get_unknown (settings);
  for (guint i = 0; i < unknown->len; i++)
    app_warning ("%s is not used", (const gchar *) g_ptr_array_index (unknown, i));
  return config;
}
