/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gateway: all cameras of one configuration file. */

#include "gateway.h"

#include <string.h>

#include "applog.h"
#include "appmetrics.h"
#include "camera.h"
#include "leases.h"
#include "metrics.h"
#include "rooms.h"
#include "session.h"
#include "webhook.h"

#define CHECK_MS 1000
/* Cameras that start together start so long after each other: a hundred of them at once would hold up the main loop. */
#define START_MS 50
/* Goodbye takes two seconds at most; a camera's connection that does not end is not waited for. */
#define STOP_MS 10000
/* How often the server is asked for viewers whose webhook was missed. */
#define ROOMS_EVERY 15          /* checks */

struct _CctvGateway
{
  gchar *path;
  CctvSettings *settings;
  GPtrArray *runs;              /* CctvRun, of all cameras that are here and not stopping */
  GHashTable *stopping;         /* ids of those that are */
  CctvLeases *leases;           /* NULL = all cameras are ours */
  CctvRooms *rooms;
  AppHttp *http;
  guint timer, start_timer, stop_timer, n_checks;
  guint n_webhooks, n_forged_webhooks, n_reloads, n_failed_reloads;

  void (*stopped) (gpointer data);      /* not NULL: it ends */
  gpointer stopped_data;
};

static void reconcile (CctvGateway * gateway);

/* --- which cameras run --- */

typedef struct
{
  CctvGateway *gateway;
  gchar *id;
} Stopping;

static void
on_run_stopped (gpointer data)
{
  Stopping *stopping = data;
  CctvGateway *gateway = stopping->gateway;

  g_hash_table_remove (gateway->stopping, stopping->id);
  g_free (stopping->id);
  g_free (stopping);
  if (gateway->stopped == NULL)
    reconcile (gateway);
  else if (g_hash_table_size (gateway->stopping) == 0)
    gateway->stopped (gateway->stopped_data);
}

static void
stop_run (CctvGateway * gateway, guint index)
{
  CctvRun *run = g_ptr_array_steal_index (gateway->runs, index);
  Stopping *stopping = g_new (Stopping, 1);

  *stopping = (Stopping) {
  gateway, g_strdup (cctv_run_get_camera (run)->id)};
  g_hash_table_add (gateway->stopping, g_strdup (stopping->id));
  cctv_run_stop (run, on_run_stopped, stopping);
}

static gboolean
is_ours (CctvGateway * gateway, const gchar * id)
{
  return gateway->leases == NULL || cctv_leases_has (gateway->leases, id);
}

/* Another participant is there under the camera's name. While Redis does not answer it is a gateway that took over the
 * lease: both would throw each other out for ever. */
static void
on_displaced (const gchar * id, gpointer data)
{
  CctvGateway *gateway = data;

  if (gateway->stopped || gateway->leases == NULL || cctv_leases_is_connected (gateway->leases))
    return;
  app_warning ("camera %s: another gateway has it now", id);
  cctv_leases_forget (gateway->leases, id);
  reconcile (gateway);
}

static CctvRun *
find_run (CctvGateway * gateway, const gchar * id)
{
  for (guint i = 0; i < gateway->runs->len; i++) {
    CctvRun *run = g_ptr_array_index (gateway->runs, i);

    if (g_str_equal (cctv_run_get_camera (run)->id, id))
      return run;
  }
  return NULL;
}

static gboolean
must_stop (CctvGateway * gateway, CctvRun * run)
{
  const CctvCamera *now = cctv_run_get_camera (run);
  const CctvCamera *wanted = cctv_settings_find (gateway->settings, now->id);

  return wanted == NULL || !is_ours (gateway, now->id) || !g_str_equal (now->fingerprint, wanted->fingerprint);
}

static CctvCamera *
find_missing (CctvGateway * gateway)
{
  for (guint i = 0; i < gateway->settings->cameras->len; i++) {
    CctvCamera *camera = g_ptr_array_index (gateway->settings->cameras, i);

    if (is_ours (gateway, camera->id) && find_run (gateway, camera->id) == NULL
        && !g_hash_table_contains (gateway->stopping, camera->id))
      return camera;
  }
  return NULL;
}

static gboolean
start_next (gpointer data)
{
  CctvGateway *gateway = data;
  CctvCamera *camera = find_missing (gateway);

  if (camera == NULL) {
    gateway->start_timer = 0;
    return G_SOURCE_REMOVE;
  }
  app_info ("camera %s: starts, %u streams", camera->id, camera->n_streams);
  g_ptr_array_add (gateway->runs, cctv_run_new (camera, gateway->settings, on_displaced, gateway));
  gateway->n_checks = 0;        /* a viewer may be there already */
  return G_SOURCE_CONTINUE;
}

/* Compares what runs with what should. A camera that changed stops first, and begins again when it has. */
static void
reconcile (CctvGateway * gateway)
{
  for (guint i = gateway->runs->len; i > 0; i--) {
    CctvRun *run = g_ptr_array_index (gateway->runs, i - 1);

    if (must_stop (gateway, run)) {
      app_info ("camera %s: stops", cctv_run_get_camera (run)->id);
      stop_run (gateway, i - 1);
    }
  }
  if (gateway->start_timer == 0 && start_next (gateway))
    gateway->start_timer = g_timeout_add (START_MS, start_next, gateway);
}

static void
on_leases_changed (gpointer data)
{
  CctvGateway *gateway = data;

  if (gateway->stopped == NULL)
    reconcile (gateway);
}

/* --- viewers --- */

static void
viewer_in_room (CctvGateway * gateway, const gchar * room)
{
  const gchar *prefix = gateway->settings->room_prefix;
  CctvRun *run = g_str_has_prefix (room, prefix) ? find_run (gateway, room + strlen (prefix)) : NULL;

  if (run)
    cctv_run_viewer_came (run);
}

static void
on_room_found (const gchar * room, gpointer data)
{
  viewer_in_room (data, room);
}

static void
take_viewer (CctvGateway * gateway, const gchar * room, const gchar * identity)
{
  const gchar *prefix = gateway->settings->room_prefix;
  gboolean is_camera = g_str_has_prefix (identity, CCTV_IDENTITY_PREFIX) && g_str_has_prefix (room, prefix)
      && g_str_equal (identity + strlen (CCTV_IDENTITY_PREFIX), room + strlen (prefix));

  if (!is_camera)
    viewer_in_room (gateway, room);
}

static void
on_webhook (SoupServerMessage * message, const gchar * path, GHashTable * query, gpointer data)
{
  CctvGateway *gateway = data;
  SoupMessageHeaders *headers = soup_server_message_get_request_headers (message);
  g_autoptr (GBytes) body = NULL;
  g_autofree gchar *room = NULL, *identity = NULL;

  if (!app_http_allow (message, "POST"))
    return;
  body = soup_message_body_flatten (soup_server_message_get_request_body (message));
  gateway->n_webhooks++;
  switch (cctv_webhook_read (soup_message_headers_get_one (headers, "Authorization"), g_bytes_get_data (body, NULL),
          g_bytes_get_size (body), gateway->settings->api_key, gateway->settings->api_secret,
          g_get_real_time () / G_USEC_PER_SEC, &room, &identity)) {
    case CCTV_WEBHOOK_FORGED:
      gateway->n_forged_webhooks++;
      app_http_answer_text (message, SOUP_STATUS_UNAUTHORIZED, "not signed by the server");
      return;
    case CCTV_WEBHOOK_BROKEN:
      app_http_answer_text (message, SOUP_STATUS_BAD_REQUEST, "not understood");
      return;
    case CCTV_WEBHOOK_JOINED:
      take_viewer (gateway, room, identity);
      break;
    case CCTV_WEBHOOK_OTHER:
      break;
  }
  app_http_answer_text (message, SOUP_STATUS_OK, "ok");
}

/* --- what is asked about it --- */

static guint
count_in_state (CctvGateway * gateway, CctvState state)
{
  guint n = 0;

  for (guint i = 0; i < gateway->runs->len; i++) {
    CctvStatus status;

    cctv_run_get_status (g_ptr_array_index (gateway->runs, i), &status);
    n += status.state == state;
  }
  return n;
}

/* A camera that fails alone makes nothing unready; that none can join does. */
static gboolean
is_ready (GString * why, gpointer data)
{
  CctvGateway *gateway = data;
  guint n_waiting = count_in_state (gateway, CCTV_WAITING) + count_in_state (gateway, CCTV_JOINING);

  if (gateway->leases && !cctv_leases_is_connected (gateway->leases))
    g_string_append (why, "Redis does not answer");
  else if (gateway->runs->len > 0 && n_waiting == gateway->runs->len)
    g_string_append_printf (why, "none of %u cameras has joined its room", gateway->runs->len);
  return why->len == 0;
}

static void
add_metrics (GString * text, gpointer data)
{
  CctvGateway *gateway = data;

  app_metrics_single (text, "livekit_cctv_cameras", APP_METRIC_GAUGE, "Cameras in the configuration.",
      gateway->settings->cameras->len);
  app_metrics_single (text, "livekit_cctv_own_cameras", APP_METRIC_GAUGE, "Cameras that this gateway takes care of.",
      gateway->runs->len);
  app_metrics_single (text, "livekit_cctv_webhooks_total", APP_METRIC_COUNTER, "Webhooks that came in.",
      gateway->n_webhooks);
  app_metrics_single (text, "livekit_cctv_forged_webhooks_total", APP_METRIC_COUNTER,
      "Webhooks without a valid signature.", gateway->n_forged_webhooks);
  app_metrics_single (text, "livekit_cctv_reloads_total", APP_METRIC_COUNTER, "Reloads of the configuration.",
      gateway->n_reloads);
  app_metrics_single (text, "livekit_cctv_failed_reloads_total", APP_METRIC_COUNTER,
      "Reloads that found faults and changed nothing.", gateway->n_failed_reloads);
  if (gateway->leases)
    app_metrics_single (text, "livekit_cctv_redis_up", APP_METRIC_GAUGE, "Whether Redis answers.",
        cctv_leases_is_connected (gateway->leases));
  cctv_metrics_add (text, gateway->runs);
}

static const AppMonitor monitor = {.is_ready = is_ready,.add_metrics = add_metrics };

/* --- each second --- */

static gboolean
on_check (gpointer data)
{
  CctvGateway *gateway = data;

  for (guint i = 0; i < gateway->runs->len; i++)
    cctv_run_check (g_ptr_array_index (gateway->runs, i));
  if (gateway->n_checks++ % ROOMS_EVERY == 0 && count_in_state (gateway, CCTV_IDLE) > 0)
    cctv_rooms_ask (gateway->rooms);
  return G_SOURCE_CONTINUE;
}

/* --- from outside --- */

static void
tell_leases (CctvGateway * gateway)
{
  g_autoptr (GPtrArray) ids = g_ptr_array_new ();

  if (gateway->leases == NULL)
    return;
  for (guint i = 0; i < gateway->settings->cameras->len; i++)
    g_ptr_array_add (ids, ((CctvCamera *) g_ptr_array_index (gateway->settings->cameras, i))->id);
  cctv_leases_set_cameras (gateway->leases, ids);
}

CctvGateway *
cctv_gateway_new (const gchar * path, CctvSettings * settings, GError ** error)
{
  AppHttp *http = app_http_new (settings->listen, error);
  CctvGateway *gateway;

  if (http == NULL)
    return NULL;
  gateway = g_new0 (CctvGateway, 1);
  gateway->path = g_strdup (path);
  gateway->settings = cctv_settings_ref (settings);
  gateway->runs = g_ptr_array_new ();
  gateway->stopping = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  gateway->http = http;
  app_http_add_monitor (http, &monitor, gateway);
  app_http_add (http, "/webhook", on_webhook, gateway);
  gateway->rooms = cctv_rooms_new (settings, on_room_found, gateway);
  if (settings->redis_host)
    gateway->leases = cctv_leases_new (settings, on_leases_changed, gateway);
  tell_leases (gateway);
  reconcile (gateway);
  gateway->timer = g_timeout_add (CHECK_MS, on_check, gateway);
  return gateway;
}

static void
keep_what_cannot_change (CctvGateway * gateway, const CctvSettings * settings)
{
  if (!g_str_equal (gateway->settings->listen, settings->listen)
      || !g_str_equal (gateway->settings->redis_fingerprint, settings->redis_fingerprint))
    app_warning ("listen and redis are taken up at the next start only");
}

/* What concerns all cameras makes all of them begin again; it is part of each one's fingerprint. */
void
cctv_gateway_reload (CctvGateway * gateway)
{
  g_autoptr (AppProblems) problems = app_problems_new ();
  CctvSettings *settings;

  if (gateway->stopped)
    return;
  settings = cctv_settings_load (gateway->path, problems);
  if (settings == NULL) {
    gateway->n_failed_reloads++;
    app_error ("%s is not taken up, %u faults:", gateway->path, app_problems_count (problems));
    for (guint i = 0; i < app_problems_count (problems); i++)
      app_error ("%s", app_problems_get (problems, i));
    return;
  }
  gateway->n_reloads++;
  app_info ("%s read again, %u cameras", gateway->path, settings->cameras->len);
  keep_what_cannot_change (gateway, settings);
  cctv_settings_unref (gateway->settings);
  gateway->settings = settings;
  cctv_rooms_free (gateway->rooms);
  gateway->rooms = cctv_rooms_new (settings, on_room_found, gateway);
  tell_leases (gateway);
  reconcile (gateway);
}

static gboolean
on_stop_timeout (gpointer data)
{
  CctvGateway *gateway = data;
  GHashTableIter iter;
  gpointer id;

  gateway->stop_timer = 0;
  g_hash_table_iter_init (&iter, gateway->stopping);
  while (g_hash_table_iter_next (&iter, &id, NULL))
    app_warning ("camera %s: does not end", (const gchar *) id);
  gateway->stopped (gateway->stopped_data);
  return G_SOURCE_REMOVE;
}

void
cctv_gateway_stop (CctvGateway * gateway, void (*stopped) (gpointer data), gpointer data)
{
  gateway->stopped = stopped;
  gateway->stopped_data = data;
  g_clear_handle_id (&gateway->timer, g_source_remove);
  g_clear_handle_id (&gateway->start_timer, g_source_remove);
  while (gateway->runs->len > 0)
    stop_run (gateway, gateway->runs->len - 1);
  if (g_hash_table_size (gateway->stopping) == 0)
    stopped (data);
  else
    gateway->stop_timer = g_timeout_add (STOP_MS, on_stop_timeout, gateway);
}

gboolean
cctv_gateway_has_ended (CctvGateway * gateway)
{
  return g_hash_table_size (gateway->stopping) == 0;
}

void
cctv_gateway_free (CctvGateway * gateway)
{
  g_clear_handle_id (&gateway->stop_timer, g_source_remove);
  g_clear_pointer (&gateway->leases, cctv_leases_free);
  cctv_rooms_free (gateway->rooms);
  app_http_free (gateway->http);
  g_ptr_array_unref (gateway->runs);
  g_hash_table_unref (gateway->stopping);
  cctv_settings_unref (gateway->settings);
  g_free (gateway->path);
  g_free (gateway);
}

guint
cctv_gateway_get_port (CctvGateway * gateway)
{
  return app_http_get_port (gateway->http);
}
