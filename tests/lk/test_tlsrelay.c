/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lktlsrelay: bytes pass to a server with a good certificate and TLS 1.2 or newer, and to nobody else. */
#include <gst/check/gstcheck.h>
#include <openssl/ssl.h>
#include <string.h>

#include "lktlsrelay.h"
#include "tlsserver.h"

#define HELLO "hello"

typedef struct
{
  gboolean is_over;
  gchar got[64];
  gssize n_got;
} Talk;

static void
on_read (GObject * input, GAsyncResult * result, gpointer data)
{
  Talk *talk = data;

  talk->n_got = g_input_stream_read_finish (G_INPUT_STREAM (input), result, NULL);
  talk->is_over = TRUE;
}

/* Says hello through the relay; returns what came back, 0 or less when the connection was ended. */
static Talk
talk_through (LkTlsRelay * relay)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketConnection) connection = NULL;
  Talk talk = { FALSE, "", 0 };

  connection = g_socket_client_connect_to_host (client, "127.0.0.1", lk_tls_relay_get_port (relay), NULL, NULL);
  fail_unless (connection != NULL);
  g_output_stream_write (g_io_stream_get_output_stream (G_IO_STREAM (connection)), HELLO, strlen (HELLO), NULL, NULL);
  g_input_stream_read_async (g_io_stream_get_input_stream (G_IO_STREAM (connection)), talk.got, sizeof talk.got,
      G_PRIORITY_DEFAULT, NULL, on_read, &talk);
  while (!talk.is_over)
    g_main_context_iteration (NULL, TRUE);
  g_io_stream_close (G_IO_STREAM (connection), NULL, NULL);
  return talk;
}

static const struct
{
  const gchar *alt_name;
  gint version;
  gboolean with_ca, passes;
} rows[] = {
  {"IP:127.0.0.1", TLS1_2_VERSION, TRUE, TRUE},
  {"IP:127.0.0.1", TLS1_3_VERSION, TRUE, TRUE},
  {"IP:127.0.0.1", TLS1_2_VERSION, FALSE, FALSE},
  {"DNS:other.example.com", TLS1_3_VERSION, TRUE, FALSE},
  {"IP:127.0.0.1", TLS1_VERSION, TRUE, FALSE},
  {"IP:127.0.0.1", TLS1_1_VERSION, TRUE, FALSE},
};

GST_START_TEST (test_who_is_trusted)
{
  TestCertificates *c = test_certificates_new (rows[__i__].alt_name, -3600, 3600);
  TlsServer *server = tls_server_new (c, rows[__i__].version, TRUE);
  LkHttpSettings *settings = lk_http_settings_copy (NULL);
  LkTlsRelay *relay;
  guint n_bytes;
  Talk talk;

  if (rows[__i__].with_ca)
    settings->tls_ca_file = g_strdup (c->ca);
  relay = lk_tls_relay_new ("127.0.0.1", (guint16) tls_server_get_port (server), settings, NULL);
  fail_unless (relay != NULL);
  talk = talk_through (relay);
  lk_tls_relay_free (relay);
  while (!tls_server_is_over (server))
    g_main_context_iteration (NULL, TRUE);
  tls_server_finish (server, &n_bytes);
  if (rows[__i__].passes) {
    fail_unless_equals_int (talk.n_got, (gint) strlen (HELLO));
    fail_unless (memcmp (talk.got, HELLO, strlen (HELLO)) == 0);
    fail_unless_equals_int (n_bytes, strlen (HELLO));
  } else {
    fail_unless (talk.n_got <= 0, "%d bytes came", (gint) talk.n_got);
    fail_unless_equals_int (n_bytes, 0);
  }
  tls_server_free (server);
  lk_http_settings_free (settings);
  test_certificates_free (c);
}

GST_END_TEST;

GST_START_TEST (test_no_ca_file)
{
  LkHttpSettings *settings = lk_http_settings_copy (NULL);
  g_autoptr (GError) error = NULL;

  settings->tls_ca_file = g_strdup ("/nonexistent/ca.pem");
  fail_unless (lk_tls_relay_new ("127.0.0.1", 443, settings, &error) == NULL);
  fail_unless (error != NULL && strstr (error->message, "/nonexistent/ca.pem") != NULL);
  lk_http_settings_free (settings);
}

GST_END_TEST;

static Suite *
tlsrelay_suite (void)
{
  Suite *s = suite_create ("tlsrelay");
  TCase *tc = tcase_create ("relay");

  suite_add_tcase (s, tc);
  tcase_add_loop_test (tc, test_who_is_trusted, 0, G_N_ELEMENTS (rows));
  tcase_add_test (tc, test_no_ca_file);
  return s;
}

GST_CHECK_MAIN (tlsrelay);
