/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* settings: what the configuration file says, checked. */

#include "settings.h"

#include <string.h>

#include "apphttp.h"
#include "appkeys.h"
#include "appyaml.h"
#include "lktoken.h"

#define DEFAULT_LISTEN "127.0.0.1:8090"
#define MAX_SECONDS (24 * 60 * 60)
#define MAX_LATENCY_MS 10000

/* What one reading hands around. */
typedef struct
{
  CctvSettings *settings;
  AppProblems *problems;
} Reader;

static gchar *
dup_text (AppYaml * map, const gchar * name, const gchar * fallback, Reader * reader)
{
  const gchar *text = app_yaml_find_text (map, name, NULL, reader->problems);

  return g_strdup (text && *text ? text : fallback);
}

/* The line of an entry, or of the map that lacks it. */
static const AppYaml *
place_of (AppYaml * map, const gchar * name)
{
  const AppYaml *node = app_yaml_find (map, name);

  return node ? node : map;
}

static guint
choose (AppYaml * map, const gchar * name, const gchar * const *values, guint fallback, Reader * reader)
{
  const gchar *text = app_yaml_find_text (map, name, NULL, reader->problems);
  g_autofree gchar *list = NULL;

  if (text == NULL)
    return fallback;
  for (guint i = 0; values[i]; i++) {
    if (g_str_equal (values[i], text))
      return i;
  }
  list = g_strjoinv (", ", (gchar **) values);
  app_yaml_add_problem (place_of (map, name), reader->problems, "%s must be one of %s, not \"%s\"", name, list, text);
  return fallback;
}

static CctvPublish
choose_publish (AppYaml * map, CctvPublish fallback, Reader * reader)
{
  static const gchar *const values[] = { "always", "on-demand", NULL };

  return choose (map, "publish", values, fallback, reader);
}

/* A secret in a file of its own, as container platforms hand them over; without the line end. */
static gchar *
read_secret_file (AppYaml * map, const gchar * name, Reader * reader)
{
  const gchar *path = app_yaml_find_text (map, name, NULL, reader->problems);
  g_autoptr (GError) error = NULL;
  gchar *text = NULL;

  if (path == NULL)
    return NULL;
  if (!g_file_get_contents (path, &text, NULL, &error)) {
    app_yaml_add_problem (place_of (map, name), reader->problems, "%s: %s", name, error->message);
    return NULL;
  }
  return g_strchomp (text);
}

static gchar *
read_secret (AppYaml * map, const gchar * name, const gchar * file_name, Reader * reader)
{
  gchar *secret = dup_text (map, name, NULL, reader);

  if (app_yaml_find (map, file_name) == NULL)
    return secret;
  if (secret == NULL)
    return read_secret_file (map, file_name, reader);
  app_yaml_add_problem (place_of (map, file_name), reader->problems, "%s and %s exclude each other", name, file_name);
  return secret;
}

/* --- livekit --- */

static void
read_key_file (AppYaml * map, const gchar * path, Reader * reader)
{
  const AppYaml *node = place_of (map, "key-file");
  g_autofree gchar *place = g_strdup_printf ("%s:%u", app_yaml_get_file (node), app_yaml_get_line (node));
  g_autoptr (AppKeys) keys = app_keys_load (path, place, reader->problems);

  if (keys == NULL)
    return;
  reader->settings->api_key = g_steal_pointer (&keys->key);
  reader->settings->api_secret = g_steal_pointer (&keys->secret);
}

static void
read_keys (AppYaml * map, Reader * reader)
{
  CctvSettings *settings = reader->settings;
  const gchar *path = app_yaml_find_text (map, "key-file", NULL, reader->problems);

  settings->api_key = dup_text (map, "api-key", NULL, reader);
  settings->api_secret = dup_text (map, "api-secret", NULL, reader);
  if (path && (settings->api_key || settings->api_secret))
    app_yaml_add_problem (place_of (map, "key-file"), reader->problems, "key-file and api-key exclude each other");
  else if (path)
    read_key_file (map, path, reader);
  if (path)
    return;
  if (settings->api_key == NULL)
    settings->api_key = g_strdup (g_getenv ("LIVEKIT_API_KEY"));
  if (settings->api_secret == NULL)
    settings->api_secret = g_strdup (g_getenv ("LIVEKIT_API_SECRET"));
  if (settings->api_key == NULL || *settings->api_key == '\0')
    app_yaml_add_problem (map, reader->problems, "no API key: set api-key, key-file or LIVEKIT_API_KEY");
  if (settings->api_secret == NULL || *settings->api_secret == '\0')
    app_yaml_add_problem (map, reader->problems, "no API secret: set api-secret, key-file or LIVEKIT_API_SECRET");
}

static gboolean
is_server_url (const gchar * url)
{
  static const gchar *const schemes[] = { "ws", "wss", "http", "https" };
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_NONE, NULL);

  for (guint i = 0; uri && g_uri_get_host (uri) && i < G_N_ELEMENTS (schemes); i++) {
    if (g_str_equal (g_uri_get_scheme (uri), schemes[i]))
      return TRUE;
  }
  return FALSE;
}

static void
read_livekit (AppYaml * map, Reader * reader)
{
  CctvSettings *settings = reader->settings;

  settings->server_url = dup_text (map, "url", g_getenv ("LIVEKIT_URL"), reader);
  if (settings->server_url == NULL)
    app_yaml_add_problem (map, reader->problems, "no server: set url or LIVEKIT_URL");
  else if (!is_server_url (settings->server_url))
    app_yaml_add_problem (place_of (map, "url"), reader->problems, "url must be like wss://livekit.example.com");
  settings->room_prefix = dup_text (map, "room-prefix", "camera_", reader);
  settings->tls_ca_file = dup_text (map, "tls-ca-file", NULL, reader);
  settings->relay_only = app_yaml_find_bool (map, "relay-only", FALSE, reader->problems);
  if (settings->tls_ca_file && !g_file_test (settings->tls_ca_file, G_FILE_TEST_IS_REGULAR))
    app_yaml_add_problem (place_of (map, "tls-ca-file"), reader->problems, "no such file");
  read_keys (map, reader);
  app_yaml_check_known (map, reader->problems);
}

/* --- addresses --- */

static gboolean
split_address (const gchar * text, guint16 default_port, gchar ** host, guint16 * port)
{
  g_autoptr (GSocketConnectable) address = g_network_address_parse (text, default_port, NULL);

  if (address == NULL)
    return FALSE;
  *host = g_strdup (g_network_address_get_hostname (G_NETWORK_ADDRESS (address)));
  *port = g_network_address_get_port (G_NETWORK_ADDRESS (address));
  return TRUE;
}

static void
read_listen (AppYaml * root, Reader * reader)
{
  g_autoptr (GError) error = NULL;

  reader->settings->listen = dup_text (root, "listen", DEFAULT_LISTEN, reader);
  if (!app_http_check_address (reader->settings->listen, &error))
    app_yaml_add_problem (place_of (root, "listen"), reader->problems, "%s", error->message);
}

static void
read_redis (AppYaml * map, Reader * reader)
{
  CctvSettings *settings = reader->settings;
  g_autofree gchar *address = dup_text (map, "address", NULL, reader);

  if (address == NULL || !split_address (address, 6379, &settings->redis_host, &settings->redis_port))
    app_yaml_add_problem (place_of (map, "address"), reader->problems, "redis needs an address like 127.0.0.1:6379");
  settings->redis_user = dup_text (map, "user", NULL, reader);
  settings->redis_password = read_secret (map, "password", "password-file", reader);
  if (settings->redis_password == NULL)
    settings->redis_password = g_strdup (g_getenv ("REDIS_PASSWORD"));
  settings->redis_prefix = dup_text (map, "prefix", "livekit-cctv:", reader);
  settings->gateway_name = dup_text (map, "gateway", NULL, reader);
  settings->max_cameras = app_yaml_find_int (map, "max-cameras", 0, G_MAXINT, 0, reader->problems);
  app_yaml_check_known (map, reader->problems);
}

/* --- cameras --- */

static void
url_clear (CctvUrl * url)
{
  g_clear_pointer (&url->location, g_free);
  g_clear_pointer (&url->user, lk_token_clear);
  g_clear_pointer (&url->password, lk_token_clear);
}

static void
camera_clear (gpointer data)
{
  CctvCamera *camera = data;

  for (guint i = 0; i < CCTV_MAX_STREAMS; i++)
    url_clear (&camera->streams[i]);
  g_free (camera->id);
  g_free (camera->name);
  lk_token_clear (camera->fingerprint);
}

CctvCamera *
cctv_camera_ref (CctvCamera * camera)
{
  return g_atomic_rc_box_acquire (camera);
}

void
cctv_camera_unref (CctvCamera * camera)
{
  g_atomic_rc_box_release_full (camera, camera_clear);
}

/* What a room's name and a metric's label can carry without quoting. */
static gboolean
is_id (const gchar * text)
{
  gsize length = strlen (text);

  return length > 0 && length <= 64
      && strspn (text, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "-_.") == length;
}

/* An @ in a host was meant for the password: rtspsrc would tell it when it looks for such a host. */
static gboolean
is_camera_url (GUri * uri)
{
  static const gchar *const schemes[] = { "rtsp", "rtsps", NULL };
  const gchar *host = g_uri_get_host (uri);

  return g_strv_contains (schemes, g_uri_get_scheme (uri)) && host && *host != '\0' && strchr (host, '@') == NULL;
}

/* Name and password go to rtspsrc by properties of their own, so that no message of its shows them. The text is not
 * shown either: a part of it may be a password. */
static gboolean
split_url (const gchar * text, CctvUrl * url)
{
  g_autoptr (GUri) uri = g_uri_parse (text, G_URI_FLAGS_HAS_PASSWORD | G_URI_FLAGS_ENCODED_PATH
      | G_URI_FLAGS_ENCODED_QUERY, NULL);
  g_autoptr (GUri) plain = NULL;

  if (uri == NULL || !is_camera_url (uri))
    return FALSE;
  plain = g_uri_build (G_URI_FLAGS_ENCODED_PATH | G_URI_FLAGS_ENCODED_QUERY, g_uri_get_scheme (uri), NULL,
      g_uri_get_host (uri), g_uri_get_port (uri), g_uri_get_path (uri), g_uri_get_query (uri), NULL);
  url->location = g_uri_to_string (plain);
  url->user = g_strdup (g_uri_get_user (uri));
  url->password = g_strdup (g_uri_get_password (uri));
  return TRUE;
}

static void
add_stream (CctvCamera * camera, const AppYaml * node, Reader * reader)
{
  const gchar *text = app_yaml_get_text (node);

  if (camera->n_streams == CCTV_MAX_STREAMS) {
    app_yaml_add_problem (node, reader->problems, "a camera has %u streams at most", CCTV_MAX_STREAMS);
    return;
  }
  if (text && split_url (text, &camera->streams[camera->n_streams]))
    camera->n_streams++;
  else
    app_yaml_add_problem (node, reader->problems, "not like rtsp://camera.example.com/stream; in a "
        "password @ is %%40, / is %%2F and # is %%23");
}

static void
read_streams (CctvCamera * camera, AppYaml * map, Reader * reader)
{
  const AppYaml *url = app_yaml_find (map, "url");
  const AppYaml *sub = app_yaml_find (map, "sub-streams");

  if (url == NULL)
    app_yaml_add_problem (map, reader->problems, "the camera has no url");
  else
    add_stream (camera, url, reader);
  if (sub && app_yaml_get_kind (sub) == APP_YAML_MAP) {
    app_yaml_add_problem (sub, reader->problems, "sub-streams must be a list");
    return;
  }
  if (sub && app_yaml_get_kind (sub) == APP_YAML_SCALAR)
    add_stream (camera, sub, reader);
  for (guint i = 0; sub && i < app_yaml_get_size (sub); i++)
    add_stream (camera, app_yaml_get_item (sub, i), reader);
}

/* Those of the camera count for each URL that has none of its own. */
static void
read_credentials (CctvCamera * camera, AppYaml * map, Reader * reader)
{
  g_autofree gchar *user = dup_text (map, "user", NULL, reader);
  gchar *password = read_secret (map, "password", "password-file", reader);

  if (password && user == NULL)
    app_yaml_add_problem (map, reader->problems, "the camera has a password but no user");
  for (guint i = 0; user && i < camera->n_streams; i++) {
    if (camera->streams[i].user)
      continue;
    camera->streams[i].user = g_strdup (user);
    camera->streams[i].password = g_strdup (password);
  }
  lk_token_clear (password);
}

static void
check_id (const CctvCamera * camera, AppYaml * map, Reader * reader)
{
  if (!is_id (camera->id))
    app_yaml_add_problem (place_of (map, "id"), reader->problems,
        "a camera needs an id of letters, digits, '-', '_' and '.', at most 64");
  else if (cctv_settings_find (reader->settings, camera->id))
    app_yaml_add_problem (place_of (map, "id"), reader->problems, "another camera has the id \"%s\"", camera->id);
}

static void
read_camera (AppYaml * map, CctvPublish publish, Reader * reader)
{
  static const gchar *const transports[] = { "tcp", "udp", "any", NULL };
  CctvCamera *camera;

  if (app_yaml_get_kind (map) != APP_YAML_MAP) {
    app_yaml_add_problem (map, reader->problems, "a camera must be a map with id and url");
    return;
  }
  camera = g_atomic_rc_box_new0 (CctvCamera);
  camera->id = dup_text (map, "id", "", reader);
  camera->name = dup_text (map, "name", camera->id, reader);
  camera->transport = choose (map, "transport", transports, CCTV_TCP, reader);
  camera->publish = choose_publish (map, publish, reader);
  camera->latency_ms = app_yaml_find_int (map, "latency", 0, MAX_LATENCY_MS, 100, reader->problems);
  camera->does_replay = app_yaml_find_bool (map, "replay", TRUE, reader->problems);
  camera->has_audio = app_yaml_find_bool (map, "audio", TRUE, reader->problems);
  check_id (camera, map, reader);
  read_streams (camera, map, reader);
  read_credentials (camera, map, reader);
  app_yaml_check_known (map, reader->problems);
  g_ptr_array_add (reader->settings->cameras, camera);
}

/* --- the whole --- */

static void
append_text (GString * text, const gchar * part)
{
  g_string_append_printf (text, "\n%s", part ? part : "");
}

static gchar *
make_fingerprint (const CctvSettings * settings, const CctvCamera * camera)
{
  GString *text = g_string_new (NULL);

  g_string_append_printf (text, "%u %u %u", settings->relay_only, settings->pause_after_s, settings->leave_after_s);
  append_text (text, settings->server_url);
  append_text (text, settings->room_prefix);
  append_text (text, settings->tls_ca_file);
  append_text (text, settings->api_key);
  append_text (text, settings->api_secret);
  g_string_append_printf (text, "\n%u %u %u %u %u", camera->transport, camera->publish, camera->latency_ms,
      camera->has_audio, camera->does_replay);
  append_text (text, camera->name);
  for (guint i = 0; i < camera->n_streams; i++) {
    append_text (text, camera->streams[i].location);
    append_text (text, camera->streams[i].user);
    append_text (text, camera->streams[i].password);
  }
  return g_string_free (text, FALSE);
}

static gchar *
make_redis_fingerprint (const CctvSettings * settings)
{
  const gchar *const parts[] = { settings->redis_host, settings->redis_user, settings->redis_password,
    settings->redis_prefix, settings->gateway_name };
  GString *text = g_string_new (NULL);

  g_string_append_printf (text, "%u %u", settings->redis_port, settings->max_cameras);
  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    append_text (text, parts[i]);
  return g_string_free (text, FALSE);
}

static void
read_root (AppYaml * root, Reader * reader)
{
  CctvSettings *settings = reader->settings;
  AppYaml *livekit = app_yaml_find_kind (root, "livekit", APP_YAML_MAP, reader->problems);
  AppYaml *redis = app_yaml_find_kind (root, "redis", APP_YAML_MAP, reader->problems);
  AppYaml *cameras = app_yaml_find_kind (root, "cameras", APP_YAML_LIST, reader->problems);
  CctvPublish publish = choose_publish (root, CCTV_PUBLISH_ALWAYS, reader);
  g_autoptr (AppYaml) none = app_yaml_parse ("", 0, app_yaml_get_file (root), reader->problems);

  read_livekit (livekit ? livekit : none, reader);
  read_listen (root, reader);
  if (redis)
    read_redis (redis, reader);
  settings->pause_after_s = app_yaml_find_int (root, "pause-after", 1, MAX_SECONDS, 30, reader->problems);
  settings->leave_after_s = app_yaml_find_int (root, "leave-after", 1, MAX_SECONDS, 60, reader->problems);
  if (cameras == NULL && app_yaml_find (root, "cameras") == NULL)
    app_yaml_add_problem (root, reader->problems, "there is no list of cameras");
  for (guint i = 0; cameras && i < app_yaml_get_size (cameras); i++)
    read_camera (app_yaml_get_item (cameras, i), publish, reader);
  app_yaml_check_known (root, reader->problems);
}

CctvSettings *
cctv_settings_load (const gchar * path, AppProblems * problems)
{
  g_autoptr (CctvSettings) settings = g_atomic_rc_box_new0 (CctvSettings);
  guint before = app_problems_count (problems);
  g_autoptr (AppYaml) root = NULL;
  Reader reader = { settings, problems };

  settings->cameras = g_ptr_array_new_with_free_func ((GDestroyNotify) cctv_camera_unref);
  root = app_yaml_load (path, problems);
  if (root == NULL)
    return NULL;
  if (app_yaml_get_kind (root) != APP_YAML_MAP) {
    app_yaml_add_problem (root, problems, "the file must be a map with livekit and cameras");
    return NULL;
  }
  read_root (root, &reader);
  if (app_problems_count (problems) > before)
    return NULL;
  settings->redis_fingerprint = make_redis_fingerprint (settings);
  for (guint i = 0; i < settings->cameras->len; i++) {
    CctvCamera *camera = g_ptr_array_index (settings->cameras, i);

    camera->fingerprint = make_fingerprint (settings, camera);
  }
  return g_steal_pointer (&settings);
}

static void
settings_clear (gpointer data)
{
  CctvSettings *settings = data;

  g_free (settings->server_url);
  g_free (settings->room_prefix);
  g_free (settings->tls_ca_file);
  g_free (settings->api_key);
  lk_token_clear (settings->api_secret);
  g_free (settings->listen);
  g_free (settings->redis_host);
  g_free (settings->redis_user);
  lk_token_clear (settings->redis_password);
  g_free (settings->redis_prefix);
  g_free (settings->gateway_name);
  lk_token_clear (settings->redis_fingerprint);
  g_ptr_array_unref (settings->cameras);
}

CctvSettings *
cctv_settings_ref (CctvSettings * settings)
{
  return g_atomic_rc_box_acquire (settings);
}

void
cctv_settings_unref (CctvSettings * settings)
{
  g_atomic_rc_box_release_full (settings, settings_clear);
}

CctvCamera *
cctv_settings_find (const CctvSettings * settings, const gchar * id)
{
  for (guint i = 0; i < settings->cameras->len; i++) {
    CctvCamera *camera = g_ptr_array_index (settings->cameras, i);

    if (g_str_equal (camera->id, id))
      return camera;
  }
  return NULL;
}
