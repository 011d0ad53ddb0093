/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* T26: lksignalclient and TLS: certificates, old versions, connections that end in the middle. The token is sent to
 * nobody whose certificate is not accepted. */
#include <gst/check/gstcheck.h>
#include <openssl/ssl.h>
#include <string.h>

#include "certificates.h"
#include "cutrelay.h"
#include "signalfixture.h"
#include "tlsserver.h"

/* ---- certificates ---- */

static const struct
{
  const gchar *alt_name;
  glong from_s, to_s;
  gboolean with_ca, without_checks, is_self_signed;
  const gchar *fault;           /* NULL = accepted */
} tls_cases[] = {
  {"IP:127.0.0.1", -3600, 3600, TRUE, FALSE, FALSE, NULL},
  {"IP:127.0.0.1", -3600, 3600, FALSE, FALSE, FALSE, "unknown"},
  {"DNS:other.example.com", -3600, 3600, TRUE, FALSE, FALSE, "host name"},
  {"IP:127.0.0.1", -7200, -3600, TRUE, FALSE, FALSE, "expired"},
  {"IP:127.0.0.1", 3600, 7200, TRUE, FALSE, FALSE, "not valid yet"},
  {"DNS:other.example.com", -7200, -3600, FALSE, TRUE, FALSE, NULL},
  {"IP:127.0.0.1", 0, 0, TRUE, FALSE, TRUE, "unknown"},
  {"IP:127.0.0.1", 0, 0, FALSE, FALSE, TRUE, "unknown"},
};

GST_START_TEST (test_certificates)
{
  TestCertificates *c = tls_cases[__i__].is_self_signed
      ? test_certificates_new_self_signed (tls_cases[__i__].alt_name)
      : test_certificates_new (tls_cases[__i__].alt_name, tls_cases[__i__].from_s, tls_cases[__i__].to_s);
  LkHttpSettings *http = lk_http_settings_copy (NULL);
  SignalFixture *f = signal_fixture_new ();

  fail_unless (fake_server_set_tls (f->server, c->cert, c->key, NULL));
  f->settings.server_url = fake_server_get_url (f->server);
  fail_unless (g_str_has_prefix (f->settings.server_url, "wss://"));
  if (tls_cases[__i__].with_ca)
    http->tls_ca_file = g_strdup (c->ca);
  if (tls_cases[__i__].without_checks)
    http->tls_validation_flags = 0;
  f->settings.http = http;
  in_loop (f, do_connect);
  if (tls_cases[__i__].fault == NULL) {
    expect_opened (f, TRUE);
    expect_message (f, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN);
    in_loop (f, do_close);
    expect_closed_quietly (f);
    /* what was forgiven is told */
    fail_unless_equals_int (strstr (f->log->str, "accepted by tls-validation-flags") != NULL,
        tls_cases[__i__].without_checks);
  } else {
    g_autoptr (GError) error = expect_error (f, LK_ERROR_TLS);

    fail_unless (lk_error_is_final (error));
    fail_unless (strstr (error->message, tls_cases[__i__].fault) != NULL, "%s", error->message);
    fail_unless_equals_int (fake_server_n_joins (f->server), 0);
  }
  signal_fixture_free (f);
  lk_http_settings_free (http);
  test_certificates_free (c);
}

GST_END_TEST;

GST_START_TEST (test_ca_file_that_is_not_there)
{
  LkHttpSettings *http = lk_http_settings_copy (NULL);
  SignalFixture *f = signal_fixture_new ();

  http->tls_ca_file = g_strdup ("/no/such/file.pem");
  f->settings.http = http;
  in_loop (f, do_connect);
  expect_error_with (f, LK_ERROR_SETTINGS, "/no/such/file.pem");
  signal_fixture_free (f);
  lk_http_settings_free (http);
}

GST_END_TEST;

/* No fault of a certificate, so it may pass. */
GST_START_TEST (test_broken_tls_handshakes)
{
  static const gchar *const answers[] = { "", "HTTP/1.1 400 Bad Request\r\n\r\n", "\x16\x03\x03" };

  for (guint i = 0; i < G_N_ELEMENTS (answers); i++) {
    FakeRawServer *raw = fake_raw_server_new (answers[i], FALSE);
    SignalFixture *f = signal_fixture_new ();
    g_autofree gchar *url = g_strdup_printf ("wss://127.0.0.1:%u", fake_raw_server_get_port (raw));
    g_autoptr (GError) error = NULL;

    f->settings.server_url = url;
    in_loop (f, do_connect);
    error = expect_error (f, LK_ERROR_TLS);
    fail_if (lk_error_is_final (error));
    signal_fixture_free (f);
    fake_raw_server_free (raw);
  }
}

GST_END_TEST;

#define MORE_BYTES 4096

/* To the end, whatever comes before. */
static GError *
drain (SignalFixture * f)
{
  g_autofree guint8 *more = g_malloc0 (MORE_BYTES);

  while (TRUE) {
    SignalEvent *event = pop (f);
    GError *error = g_steal_pointer (&event->error);
    gboolean is_end = event->kind == CLOSED;

    if (event->kind == MESSAGE)
      fake_server_push_bytes (f->server, more, MORE_BYTES);
    signal_event_free (event);
    if (is_end)
      return error;
  }
}

/* ---- versions ---- */

/* TLS 1.0 and 1.1, with a certificate that is good: the token is not sent. And 1.2, to see that this server works. */
static const gint versions[] = { TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION };

GST_START_TEST (test_old_versions_are_refused)
{
  TestCertificates *c = test_certificates_new ("IP:127.0.0.1", -3600, 3600);
  TlsServer *server = tls_server_new (c, versions[__i__], FALSE);
  LkHttpSettings *http = lk_http_settings_copy (NULL);
  SignalFixture *f = signal_fixture_new ();
  gboolean is_old = versions[__i__] != TLS1_2_VERSION, is_handshaked;
  g_autofree gchar *url = g_strdup_printf ("wss://127.0.0.1:%u", tls_server_get_port (server));
  g_autoptr (GError) error = NULL;
  guint n_bytes;

  f->settings.server_url = url;
  http->tls_ca_file = g_strdup (c->ca);
  f->settings.http = http;
  in_loop (f, do_connect);
  if (is_old) {
    error = expect_error (f, LK_ERROR_TLS);
    is_handshaked = tls_server_finish (server, &n_bytes);
    fail_unless_equals_int (n_bytes, 0);
    if (is_handshaked) {
      fail_unless (lk_error_is_final (error));
      fail_unless (strstr (error->message, "newer than 1.1") != NULL, "%s", error->message);
    }
  } else {
    /* it hangs up when it has the request */
    error = drain (f);
    fail_unless (error != NULL);
    is_handshaked = tls_server_finish (server, &n_bytes);
    fail_unless (is_handshaked && n_bytes > 0, "%d %u: %s", is_handshaked, n_bytes, error->message);
  }
  tls_server_free (server);
  signal_fixture_free (f);
  lk_http_settings_free (http);
  test_certificates_free (c);
}

GST_END_TEST;

/* ---- cut ---- */

/* Bytes of the server that pass: none, parts of each flight of the handshake, of the HTTP answer and of the first
 * message, the last without a close_notify. */
#define N_CUTS 60
#define CUT_STEP 67

/* A client that trusts the server, and the relay between them. */
typedef struct
{
  TestCertificates *certificates;
  LkHttpSettings *http;
  SignalFixture *f;
  CutRelay *relay;
  gchar *url;
} CutWorld;

static CutWorld *
cut_world_new (guint n_bytes, gboolean by_reset)
{
  CutWorld *w = g_new0 (CutWorld, 1);

  w->certificates = test_certificates_new ("IP:127.0.0.1", -3600, 3600);
  w->http = lk_http_settings_copy (NULL);
  w->http->tls_ca_file = g_strdup (w->certificates->ca);
  w->f = signal_fixture_new ();
  fail_unless (fake_server_set_tls (w->f->server, w->certificates->cert, w->certificates->key, NULL));
  w->relay = cut_relay_new (fake_server_get_port (w->f->server), n_bytes, by_reset);
  w->url = g_strdup_printf ("wss://127.0.0.1:%u", cut_relay_get_port (w->relay));
  w->f->settings.server_url = w->url;
  w->f->settings.http = w->http;
  return w;
}

static void
cut_world_free (CutWorld * w)
{
  signal_fixture_free (w->f);
  cut_relay_free (w->relay);
  lk_http_settings_free (w->http);
  test_certificates_free (w->certificates);
  g_free (w->url);
  g_free (w);
}

static void
cut_at (guint n_bytes, gboolean by_reset)
{
  CutWorld *w = cut_world_new (n_bytes, by_reset);
  g_autoptr (GError) error = NULL;

  in_loop (w->f, do_connect);
  error = drain (w->f);
  fail_unless (error != NULL && error->domain == LK_ERROR);
  /* whoever restarts may break off; it is worth another try */
  fail_if (lk_error_is_final (error), "after %u bytes: %s", n_bytes, error->message);
  cut_world_free (w);
}

GST_START_TEST (test_cut_at_each_flight)
{
  for (guint i = 0; i < N_CUTS; i++)
    cut_at (i < 6 ? i : i * CUT_STEP, __i__ == 1);
}

GST_END_TEST;

/* In the middle of a message of a session, and no close_notify: no part of it counts. */
GST_START_TEST (test_cut_in_mid_message)
{
  g_autofree guint8 *large = g_malloc0 (100 * 1024);
  CutWorld *w = cut_world_new (50 * 1024, FALSE);

  connect_and_join (w->f);
  fake_server_push_bytes (w->f->server, large, 100 * 1024);
  g_error_free (expect_error (w->f, LK_ERROR_CONNECT));
  cut_world_free (w);
}

GST_END_TEST;

static Suite *
signaltls_suite (void)
{
  Suite *s = suite_create ("lksignaltls");
  TCase *tc = tcase_create ("T26");

  suite_add_tcase (s, tc);
  tcase_set_timeout (tc, 180);
  tcase_add_loop_test (tc, test_certificates, 0, G_N_ELEMENTS (tls_cases));
  tcase_add_test (tc, test_ca_file_that_is_not_there);
  tcase_add_test (tc, test_broken_tls_handshakes);
  tcase_add_loop_test (tc, test_old_versions_are_refused, 0, 3);
  tcase_add_loop_test (tc, test_cut_at_each_flight, 0, 2);
  tcase_add_test (tc, test_cut_in_mid_message);
  return s;
}

GST_CHECK_MAIN (signaltls);
