/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of leases against what is no Redis, or one that answers something else. With a real one:
 * check_cctv_service.py. */

#include <gio/gio.h>
#include <gst/check/gstcheck.h>

#include "leases.h"

#define PASSWORD "hushhush"

/* Answers whatever it is asked with one text; closes the connection when that is empty. NULL: as Redis does for the
 * only gateway. */
typedef struct
{
  GSocketListener *listener;
  guint16 port;
  const gchar *reply;
  GAsyncQueue *asked;           /* an entry for each time */
  GCancellable *cancellable;
  GThread *thread;
} FakeRedis;

static gpointer
serve (gpointer data)
{
  FakeRedis *redis = data;
  GSocketConnection *connection;

  while ((connection = g_socket_listener_accept (redis->listener, NULL, redis->cancellable, NULL)) != NULL) {
    GInputStream *input = g_io_stream_get_input_stream (G_IO_STREAM (connection));
    GOutputStream *output = g_io_stream_get_output_stream (G_IO_STREAM (connection));
    gchar buffer[4096];
    gssize size;

    while ((size = g_input_stream_read (input, buffer, sizeof buffer - 1, redis->cancellable, NULL)) > 0) {
      const gchar *reply = redis->reply;

      buffer[size] = '\0';
      if (reply == NULL)
        reply = strstr (buffer, "\r\nSET\r\n") || strstr (buffer, "\r\nAUTH\r\n") ? "+OK\r\n" : ":1\r\n";
      g_output_stream_write_all (output, reply, strlen (reply), NULL, redis->cancellable, NULL);
      g_async_queue_push (redis->asked, redis);
      if (*reply == '\0')
        break;
    }
    g_object_unref (connection);
  }
  return NULL;
}

static void
fake_redis_start (FakeRedis * redis, const gchar * reply)
{
  redis->listener = g_socket_listener_new ();
  redis->port = g_socket_listener_add_any_inet_port (redis->listener, NULL, NULL);
  fail_unless (redis->port > 0);
  redis->reply = reply;
  redis->asked = g_async_queue_new ();
  redis->cancellable = g_cancellable_new ();
  redis->thread = g_thread_new ("redis", serve, redis);
}

static void
fake_redis_stop (FakeRedis * redis)
{
  g_cancellable_cancel (redis->cancellable);
  g_thread_join (redis->thread);
  g_socket_listener_close (redis->listener);
  g_object_unref (redis->listener);
  g_object_unref (redis->cancellable);
  g_async_queue_unref (redis->asked);
}

static GMutex log_lock;
static GString *log_text;

static void
on_printed (const gchar * text)
{
  g_mutex_lock (&log_lock);
  g_string_append (log_text, text);
  g_mutex_unlock (&log_lock);
}

static void
on_changed (gpointer data)
{
}

GST_START_TEST (test_odd_answers)
{
  static const gchar *const replies[] = {
    "", "HTTP/1.1 400 Bad Request\r\n\r\n", "\r\n", "+OK\r\n", "$-1\r\n", "*-1\r\n", "*2\r\n:1\r\n$2\r\nab\r\n",
    ":-9223372036854775808\r\n", ":9223372036854775807\r\n", "$99999999999\r\n", "*99999999999\r\n",
    "-ERR unknown command `AUTH`, with args beginning with: `" PASSWORD "`, \r\n",
  };
  CctvSettings settings = {.redis_host = (gchar *) "127.0.0.1",.redis_password = (gchar *) PASSWORD,
    .redis_prefix = (gchar *) "test:",.gateway_name = (gchar *) "one"
  };
  g_autoptr (GPtrArray) ids = g_ptr_array_new ();

  log_text = g_string_new (NULL);
  g_set_printerr_handler (on_printed);
  g_ptr_array_add (ids, (gpointer) "yard");
  for (guint i = 0; i < G_N_ELEMENTS (replies); i++) {
    FakeRedis redis;
    CctvLeases *leases;

    fake_redis_start (&redis, replies[i]);
    settings.redis_port = redis.port;
    leases = cctv_leases_new (&settings, on_changed, NULL);
    cctv_leases_set_cameras (leases, ids);
    /* of a second tick, too */
    for (guint n = 0; n < 2; n++)
      fail_unless (g_async_queue_timeout_pop (redis.asked, 20 * G_USEC_PER_SEC) != NULL, "%s", replies[i]);
    fail_if (cctv_leases_has (leases, "yard"), "%s", replies[i]);
    cctv_leases_free (leases);
    fake_redis_stop (&redis);
  }
  g_set_printerr_handler (NULL);
  fail_unless (strstr (log_text->str, "Redis: ") != NULL);
  fail_if (strstr (log_text->str, PASSWORD) != NULL, "%s", log_text->str);
  g_string_free (log_text, TRUE);
}
GST_END_TEST;

static gboolean
on_alarm (gpointer data)
{
  fail ("it takes too long");
  return G_SOURCE_REMOVE;
}

static gboolean
on_tick (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

/* Runs the main context until the camera is this gateway's and Redis answers, or not, as asked. */
static void
wait_for (CctvLeases * leases, gboolean has, gboolean is_connected)
{
  guint alarm = g_timeout_add_seconds (20, on_alarm, NULL), wake = g_timeout_add (20, on_tick, NULL);

  while (cctv_leases_has (leases, "yard") != has || cctv_leases_is_connected (leases) != is_connected)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (alarm);
  g_source_remove (wake);
}

GST_START_TEST (test_redis_gone)
{
  CctvSettings settings = {.redis_host = (gchar *) "127.0.0.1",.redis_password = (gchar *) PASSWORD,
    .redis_prefix = (gchar *) "test:",.gateway_name = (gchar *) "one"
  };
  g_autoptr (GPtrArray) ids = g_ptr_array_new ();
  FakeRedis redis;
  CctvLeases *leases;

  g_ptr_array_add (ids, (gpointer) "yard");
  fake_redis_start (&redis, NULL);
  settings.redis_port = redis.port;
  leases = cctv_leases_new (&settings, on_changed, NULL);
  cctv_leases_set_cameras (leases, ids);
  wait_for (leases, TRUE, TRUE);
  fake_redis_stop (&redis);
  /* what one has is kept, until another is seen to have it */
  wait_for (leases, TRUE, FALSE);
  cctv_leases_forget (leases, "yard");
  fail_if (cctv_leases_has (leases, "yard"));
  cctv_leases_free (leases);
}
GST_END_TEST;

static Suite *
leases_suite (void)
{
  Suite *suite = suite_create ("leases");
  TCase *answers = tcase_create ("answers");

  suite_add_tcase (suite, answers);
  tcase_set_timeout (answers, 120);
  tcase_add_test (answers, test_odd_answers);
  tcase_add_test (answers, test_redis_gone);
  return suite;
}

GST_CHECK_MAIN (leases);
