/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* appkeys: the server's API key and secret, and the tokens that are made with them. */

#include "appkeys.h"

#include "appyaml.h"
#include "lktoken.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <sys/stat.h>

void
app_keys_free (AppKeys * keys)
{
  if (keys == NULL)
    return;
  g_free (keys->key);
  lk_token_clear (keys->secret);
  g_free (keys);
}

static AppKeys *
keys_new (const gchar * key, const gchar * secret)
{
  AppKeys *keys = g_new0 (AppKeys, 1);

  keys->key = g_strdup (key);
  keys->secret = g_strdup (secret);
  return keys;
}

AppKeys *
app_keys_load (const gchar * path, const gchar * place, AppProblems * problems)
{
  g_autoptr (AppYaml) root = NULL;
  const gchar *secret = NULL;
  GStatBuf info;

  if (g_stat (path, &info) != 0) {
    app_problems_add (problems, place, "%s: %s", path, g_strerror (errno));
    return NULL;
  }
  if ((info.st_mode & S_IRWXO) != 0) {
    app_problems_add (problems, path, "others may read the keys: chmod o= %s", path);
    return NULL;
  }
  root = app_yaml_load (path, problems);
  if (root == NULL)
    return NULL;
  if (app_yaml_get_kind (root) == APP_YAML_MAP && app_yaml_get_size (root) > 0)
    secret = app_yaml_get_text (app_yaml_get_item (root, 0));
  if (secret == NULL || *secret == '\0' || *app_yaml_get_name (root, 0) == '\0') {
    app_problems_add (problems, path, "\"key: secret\" is expected");
    return NULL;
  }
  return keys_new (app_yaml_get_name (root, 0), secret);
}

/* One pair of settings: NULL if neither is set. */
static AppKeys *
read_pair (AppSettings * settings, const gchar * key_name, const gchar * secret_name, AppProblems * problems)
{
  const gchar *key = app_settings_get (settings, key_name), *secret = app_settings_get (settings, secret_name);
  g_autofree gchar *place = NULL;

  if (key == NULL && secret == NULL)
    return NULL;
  if (key == NULL || secret == NULL) {
    place = app_settings_get_place (settings, key != NULL ? key_name : secret_name);
    app_problems_add (problems, place, "%s is set, %s is not", key != NULL ? key_name : secret_name,
        key != NULL ? secret_name : key_name);
    return NULL;
  }
  return keys_new (key, secret);
}

AppKeys *
app_keys_read (AppSettings * settings, AppProblems * problems)
{
  g_autoptr (AppKeys) keys = read_pair (settings, "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET", problems);
  const gchar *path = app_settings_get (settings, "KEY_FILE");
  g_autofree gchar *place = NULL;

  if (keys == NULL)
    keys = read_pair (settings, "API_KEY", "API_SECRET", problems);
  if (path == NULL)
    return g_steal_pointer (&keys);
  place = app_settings_get_place (settings, "KEY_FILE");
  if (keys != NULL) {
    app_problems_add (problems, place, "KEY_FILE and a key with its secret are set: one of them is enough");
    return NULL;
  }
  return app_keys_load (path, place, problems);
}

gchar *
app_keys_mint (const AppKeys * keys, const gchar * room, const gchar * identity, const gchar * name,
    AppGrants grants, guint valid_s, GError ** error)
{
  LkTokenRequest request = {
    .api_key = keys->key,
    .api_secret = keys->secret,
    .room = room,
    .identity = identity,
    .name = name,
    .now_s = g_get_real_time () / G_USEC_PER_SEC,
    .valid_s = valid_s,
    .no_publish = !(grants & APP_MAY_PUBLISH),
    .no_subscribe = !(grants & APP_MAY_SUBSCRIBE),
    .no_data = !(grants & APP_MAY_SEND_DATA),
  };

  return lk_token_mint (&request, error);
}
