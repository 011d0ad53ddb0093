/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What cannot work: one error that says what to change, posted once, without a secret, and no try too many. */
#include <gst/check/gstcheck.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <glib/gstdio.h>
#include <string.h>

#include "elementfixture.h"
#include "lktoken.h"

#define ADD_TRACK LIVEKIT__SIGNAL_REQUEST__MESSAGE_ADD_TRACK

static const gchar *const factories[] = { "livekitsink", "livekitsrc" };

/* Room, no secret, and @wanted (may be NULL) are in the text or are not. */
static void
check_text (const gchar * text, const gchar * wanted)
{
  fail_if (strstr (text, ELEMENT_SECRET) != NULL, "%s", text);
  fail_if (strstr (text, "eyJ") != NULL, "%s", text);
  if (wanted) {
    g_autofree gchar *lower = g_utf8_strdown (text, -1), *lower_wanted = g_utf8_strdown (wanted, -1);

    fail_unless (strstr (lower, lower_wanted) != NULL, "\"%s\" says nothing of \"%s\"", text, wanted);
  }
}

/* The one error after the state change; then nothing more comes, and the server saw so many attempts. */
static void
expect_refusal (ElementFixture * f, GstResourceError code, const gchar * reason, const gchar * wanted, guint n_joins)
{
  g_autofree gchar *text = element_fixture_expect_error (f, GST_RESOURCE_ERROR, code, reason);

  check_text (text, wanted);
  fail_unless_equals_int (fake_server_n_joins (f->server), n_joins);
  element_fixture_expect_no_more_errors (f);
  fail_unless_equals_int (fake_server_n_joins (f->server), n_joins);
}

/* --- the server refuses --- */

static const struct
{
  guint status;
  const gchar *body;
  GstResourceError code;
  const gchar *reason, *text;
} statuses[] = {
  {401, "invalid token: eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJkZXZrZXkifQ.c2lnbmF0dXJlc2lnbmF0dXJl",
      GST_RESOURCE_ERROR_NOT_AUTHORIZED, "unauthorized", "invalid token"},
  {403, "not for you", GST_RESOURCE_ERROR_NOT_AUTHORIZED, NULL, "not for you"},
  {404, "requested room does not exist", GST_RESOURCE_ERROR_NOT_FOUND, "no-room", "room"},
};

GST_START_TEST (test_refusals_are_final)
{
  guint row = __i__ % G_N_ELEMENTS (statuses);
  ElementFixture *f = element_fixture_new (factories[__i__ / G_N_ELEMENTS (statuses)]);

  fake_server_refuse_join (f->server, statuses[row].status, statuses[row].body);
  element_fixture_set_state (f, GST_STATE_PLAYING);
  expect_refusal (f, statuses[row].code, statuses[row].reason, statuses[row].text, 1);
  element_fixture_free (f);
}

GST_END_TEST;

/* Trouble that may pass is tried again until the join timeout, and told as what it was. */
GST_START_TEST (test_trouble_is_tried_again)
{
  static const guint codes[] = { 500, 503 };
  guint status = codes[__i__ % 2];
  ElementFixture *f = element_fixture_new (factories[__i__ / 2]);
  g_autofree gchar *text = NULL;

  g_object_set (f->element, "join-timeout", 1500, NULL);
  fake_server_refuse_join (f->server, status, "could not select node");
  element_fixture_set_state (f, GST_STATE_PLAYING);
  text = element_fixture_expect_error (f, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_BUSY, "server");
  check_text (text, status == 500 ? "HTTP 500" : "HTTP 503");
  fail_unless (fake_server_n_joins (f->server) >= 2);
  element_fixture_expect_no_more_errors (f);
  element_fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_trouble_that_passes)
{
  ElementFixture *f = element_fixture_new (factories[__i__]);

  fake_server_refuse_n_joins (f->server, 2, 503, "busy");
  element_fixture_set_state (f, GST_STATE_PLAYING);
  element_fixture_wait_progress (f, GST_PROGRESS_TYPE_COMPLETE, "connect");
  fail_unless_equals_int (fake_server_n_joins (f->server), 3);
  element_fixture_free (f);
}

GST_END_TEST;

/* --- no server --- */

GST_START_TEST (test_nothing_listens)
{
  ElementFixture *f = element_fixture_new (factories[__i__]);
  g_autofree gchar *where = g_strdup_printf ("127.0.0.1:%u", fake_server_get_port (f->server));

  g_object_set (f->element, "join-timeout", 800, NULL);
  fake_server_go_down (f->server);
  element_fixture_set_state (f, GST_STATE_PLAYING);
  expect_refusal (f, GST_RESOURCE_ERROR_OPEN_READ_WRITE, "connect", where, 0);
  element_fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_no_such_host)
{
  ElementFixture *f = element_fixture_new (factories[__i__]);

  g_object_set (f->element, "join-timeout", 800, "server-url", "wss://no-such-host.invalid", NULL);
  element_fixture_set_state (f, GST_STATE_PLAYING);
  expect_refusal (f, GST_RESOURCE_ERROR_NOT_FOUND, "resolve", "no-such-host.invalid", 0);
  element_fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_not_a_livekit_server)
{
  static const gchar *const answers[] = { "220 mail.example.com ESMTP\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 302 Found\r\nLocation: http://x/\r\n\r\n"
  };
  g_autoptr (FakeRawServer) raw = fake_raw_server_new (answers[__i__ % 3], FALSE);
  ElementFixture *f = element_fixture_new (factories[__i__ / 3]);
  g_autofree gchar *where = g_strdup_printf ("127.0.0.1:%u", fake_raw_server_get_port (raw));

  g_object_set (f->element, "server-url", fake_raw_server_get_url (raw), "join-timeout", 1000, NULL);
  element_fixture_set_state (f, GST_STATE_PLAYING);
  expect_refusal (f, GST_RESOURCE_ERROR_NOT_FOUND, "not-livekit", where, 0);
  element_fixture_free (f);
}

GST_END_TEST;

/* What accepts and never answers: the join timeout ends it. */
GST_START_TEST (test_silence)
{
  g_autoptr (FakeRawServer) raw = fake_raw_server_new ("", TRUE);
  ElementFixture *f = element_fixture_new (factories[__i__]);

  g_object_set (f->element, "join-timeout", 500, "server-url", fake_raw_server_get_url (raw), NULL);
  element_fixture_set_state (f, GST_STATE_PLAYING);
  expect_refusal (f, GST_RESOURCE_ERROR_OPEN_READ_WRITE, "timeout", NULL, 0);
  element_fixture_free (f);
}

GST_END_TEST;

/* Told by the state change itself, and before a token is missed. */
GST_START_TEST (test_urls_that_cannot_work)
{
  static const gchar *const urls[] = { "127.0.0.1:7880", "ftp://host", "ws://", "ws://host:99999999" };
  ElementFixture *f = element_fixture_new (factories[__i__ / 4 % 2]);

  g_object_set (f->element, "server-url", urls[__i__ % 4], NULL);
  if (__i__ >= 8)
    g_object_set (f->element, "api-key", NULL, "api-secret", NULL, NULL);
  fail_unless_equals_int (element_fixture_set_state (f, GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
  expect_refusal (f, GST_RESOURCE_ERROR_SETTINGS, "settings", NULL, 0);
  element_fixture_free (f);
}

GST_END_TEST;

/* --- certificates --- */

typedef struct
{
  gchar *dir, *cert, *key;
} Certificate;

static void
write_pem (const gchar * path, X509 * cert, EVP_PKEY * key)
{
  FILE *file = g_fopen (path, "w");

  fail_unless (file != NULL);
  if (cert)
    PEM_write_X509 (file, cert);
  else
    PEM_write_PrivateKey (file, key, NULL, NULL, 0, NULL, NULL);
  fclose (file);
}

/* Signed by itself, so that it is its own authority. */
static Certificate *
certificate_new (const gchar * alt_name, glong from_s, glong to_s)
{
  Certificate *c = g_new (Certificate, 1);
  EVP_PKEY *key = EVP_EC_gen ("P-256");
  X509 *cert = X509_new ();
  X509_EXTENSION *extension = X509V3_EXT_conf_nid (NULL, NULL, NID_subject_alt_name, alt_name);

  X509_set_version (cert, 2);
  ASN1_INTEGER_set (X509_get_serialNumber (cert), g_random_int_range (1, G_MAXINT));
  X509_gmtime_adj (X509_getm_notBefore (cert), from_s);
  X509_gmtime_adj (X509_getm_notAfter (cert), to_s);
  X509_set_pubkey (cert, key);
  X509_NAME_add_entry_by_txt (X509_get_subject_name (cert), "CN", MBSTRING_ASC, (const guchar *) "test", -1, -1, 0);
  X509_set_issuer_name (cert, X509_get_subject_name (cert));
  X509_add_ext (cert, extension, -1);
  X509_sign (cert, key, EVP_sha256 ());
  c->dir = g_dir_make_tmp ("gst-livekit-XXXXXX", NULL);
  c->cert = g_build_filename (c->dir, "cert.pem", NULL);
  c->key = g_build_filename (c->dir, "key.pem", NULL);
  write_pem (c->cert, cert, NULL);
  write_pem (c->key, NULL, key);
  X509_EXTENSION_free (extension);
  X509_free (cert);
  EVP_PKEY_free (key);
  return c;
}

static void
certificate_free (Certificate * c)
{
  g_remove (c->cert);
  g_remove (c->key);
  g_rmdir (c->dir);
  g_free (c->cert);
  g_free (c->key);
  g_free (c->dir);
  g_free (c);
}

static const struct
{
  const gchar *alt_name;
  glong from_s, to_s;
  gboolean is_trusted;
  const gchar *fault;           /* NULL = it joins */
} certificates[] = {
  {"IP:127.0.0.1", -3600, 3600, TRUE, NULL},
  {"IP:127.0.0.1", -3600, 3600, FALSE, "unknown"},
  {"DNS:other.example.com", -3600, 3600, TRUE, "host name"},
  {"IP:127.0.0.1", -7200, -3600, TRUE, "expired"},
};

/* At once, not by the join timeout. */
GST_START_TEST (test_certificates)
{
  guint row = __i__ % G_N_ELEMENTS (certificates);
  Certificate *c = certificate_new (certificates[row].alt_name, certificates[row].from_s, certificates[row].to_s);
  ElementFixture *f = element_fixture_new (factories[__i__ / G_N_ELEMENTS (certificates)]);

  fail_unless (fake_server_set_tls (f->server, c->cert, c->key, NULL));
  g_object_set (f->element, "server-url", fake_server_get_url (f->server), NULL);
  if (certificates[row].is_trusted)
    g_object_set (f->element, "tls-ca-file", c->cert, NULL);
  element_fixture_set_state (f, GST_STATE_PLAYING);
  if (certificates[row].fault)
    expect_refusal (f, GST_RESOURCE_ERROR_OPEN_READ_WRITE, "tls", certificates[row].fault, 0);
  else
    element_fixture_wait_progress (f, GST_PROGRESS_TYPE_COMPLETE, "connect");
  element_fixture_free (f);
  certificate_free (c);
}

GST_END_TEST;

GST_START_TEST (test_ca_file_that_is_not_there)
{
  ElementFixture *f = element_fixture_new (factories[__i__]);

  g_object_set (f->element, "tls-ca-file", "/no/such/file.pem", NULL);
  element_fixture_set_state (f, GST_STATE_PLAYING);
  expect_refusal (f, GST_RESOURCE_ERROR_SETTINGS, "settings", "/no/such/file.pem", 0);
  element_fixture_free (f);
}

GST_END_TEST;

/* --- tokens --- */

static gchar *
base64url (const gchar * text)
{
  gchar *encoded = g_base64_encode ((const guchar *) text, strlen (text));

  g_strdelimit (encoded, "+", '-');
  g_strdelimit (encoded, "/", '_');
  *strchrnul (encoded, '=') = '\0';
  return encoded;
}

/* @video: members of the grant; @valid_s: from now. */
static gchar *
make_token (const gchar * video, gint valid_s)
{
  g_autofree gchar *header = base64url ("{\"alg\":\"HS256\",\"typ\":\"JWT\"}");
  gint64 now_s = g_get_real_time () / G_USEC_PER_SEC;
  g_autofree gchar *json = g_strdup_printf ("{\"iss\":\"devkey\",\"sub\":\"tester\",\"nbf\":%" G_GINT64_FORMAT
      ",\"exp\":%" G_GINT64_FORMAT ",\"video\":{%s}}", now_s - 7200, now_s + valid_s, video);
  g_autofree gchar *payload = base64url (json);
  g_autofree gchar *input = g_strconcat (header, ".", payload, NULL);
  g_autofree gchar *signature = lk_token_sign (input, "secret", 6);

  return g_strconcat (input, ".", signature, NULL);
}

static const struct
{
  const gchar *token, *video;   /* as it is, or made of @video */
  gint valid_s;
  const gchar *text;
} tokens[] = {
  {"rubbish", NULL, 0, NULL},
  {"a.b.c", NULL, 0, NULL},
  {"..", NULL, 0, NULL},
  {"one\ntwo.three.four", NULL, 0, NULL},
  {NULL, "\"roomJoin\":true,\"room\":\"lab\"", -600, "expired"},
  {NULL, "\"roomJoin\":true,\"room\":\"attic\"", 600, "attic"},
  {NULL, "\"room\":\"lab\"", 600, "roomJoin"},
  {NULL, "\"roomJoin\":false,\"room\":\"lab\"", 600, "roomJoin"},
};

/* What can be seen here is told by the state change, before anything is connected. */
GST_START_TEST (test_bad_tokens)
{
  guint row = __i__ % G_N_ELEMENTS (tokens);
  ElementFixture *f = element_fixture_new (factories[__i__ / G_N_ELEMENTS (tokens)]);
  g_autofree gchar *token = tokens[row].token ? g_strdup (tokens[row].token) : make_token (tokens[row].video,
      tokens[row].valid_s);

  g_object_set (f->element, "token", token, NULL);
  fail_unless_equals_int (element_fixture_set_state (f, GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
  expect_refusal (f, GST_RESOURCE_ERROR_NOT_AUTHORIZED, "token", tokens[row].text, 0);
  element_fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_huge_token)
{
  ElementFixture *f = element_fixture_new (factories[__i__]);
  g_autofree gchar *token = g_strnfill (1024 * 1024, 'a');

  token[1000] = token[2000] = '.';
  g_object_set (f->element, "token", token, NULL);
  fail_unless_equals_int (element_fixture_set_state (f, GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
  expect_refusal (f, GST_RESOURCE_ERROR_NOT_AUTHORIZED, "token", NULL, 0);
  element_fixture_free (f);
}

GST_END_TEST;

/* A server elsewhere, and nothing that a token could come from. */
GST_START_TEST (test_no_token)
{
  ElementFixture *f = element_fixture_new (factories[__i__]);

  g_object_set (f->element, "server-url", "wss://lk.example.com", "api-key", NULL, "api-secret", NULL, NULL);
  fail_unless_equals_int (element_fixture_set_state (f, GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
  expect_refusal (f, GST_RESOURCE_ERROR_NOT_AUTHORIZED, "token", NULL, 0);
  element_fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_no_room)
{
  ElementFixture *f = element_fixture_new (factories[__i__]);
  g_autofree gchar *text = NULL;

  g_object_set (f->element, "room", NULL, NULL);
  fail_unless_equals_int (element_fixture_set_state (f, GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
  text = element_fixture_expect_error (f, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "settings");
  check_text (text, "room");
  element_fixture_expect_no_more_errors (f);
  element_fixture_free (f);
}

GST_END_TEST;

/* The error names the grant, and nothing is connected. */
GST_START_TEST (test_missing_grant)
{
  gboolean is_src = __i__ == 1;
  ElementFixture *f = element_fixture_new (factories[__i__]);
  g_autofree gchar *token = make_token (is_src ? "\"roomJoin\":true,\"room\":\"lab\",\"canSubscribe\":false" :
      "\"roomJoin\":true,\"room\":\"lab\",\"canPublish\":false", 600);

  g_object_set (f->element, "token", token, NULL);
  element_fixture_set_state (f, GST_STATE_PLAYING);
  expect_refusal (f, GST_RESOURCE_ERROR_NOT_AUTHORIZED, "permission", is_src ? "canSubscribe" : "canPublish", 0);
  element_fixture_free (f);
}

GST_END_TEST;

/* A token that may not subscribe is enough to publish, and the other way round. */
GST_START_TEST (test_grant_that_nobody_needs)
{
  gboolean is_src = __i__ == 1;
  ElementFixture *f = element_fixture_new (factories[__i__]);
  g_autofree gchar *token = make_token (is_src ? "\"roomJoin\":true,\"room\":\"lab\",\"canPublish\":false" :
      "\"roomJoin\":true,\"room\":\"lab\",\"canSubscribe\":false", 600);

  g_object_set (f->element, "token", token, NULL);
  element_fixture_play (f);
  element_fixture_wait_progress (f, GST_PROGRESS_TYPE_COMPLETE, "connect");
  element_fixture_free (f);
}

GST_END_TEST;

/* --- the token URL --- */

static const struct
{
  const gchar *answer;
  const gchar *text;
} token_answers[] = {
  {"HTTP/1.1 401 Unauthorized\r\nContent-Length: 8\r\n\r\nwho are?", "401"},
  {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "404"},
  {"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", NULL},
  {"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", NULL},
  {"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 24\r\n\r\n{\"participant_token\": 17}", NULL},
  {"HTTP/1.1 302 Found\r\nLocation: ftp://x/\r\nContent-Length: 0\r\n\r\n", NULL},
};

/* Named, without user and query; no further try. */
GST_START_TEST (test_token_url_that_gives_none)
{
  guint row = __i__ % G_N_ELEMENTS (token_answers);
  g_autoptr (FakeRawServer) raw = fake_raw_server_new (token_answers[row].answer, FALSE);
  ElementFixture *f = element_fixture_new (factories[__i__ / G_N_ELEMENTS (token_answers)]);
  g_autofree gchar *url = g_strdup_printf ("http://me:" ELEMENT_SECRET "@127.0.0.1:%u/token?key=" ELEMENT_SECRET,
      fake_raw_server_get_port (raw));
  g_autofree gchar *where = g_strdup_printf ("127.0.0.1:%u/token", fake_raw_server_get_port (raw));
  g_autofree gchar *text = NULL;

  g_object_set (f->element, "token-url", url, "join-timeout", 3000, NULL);
  element_fixture_set_state (f, GST_STATE_PLAYING);
  text = element_fixture_expect_error (f, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED, "token-source");
  check_text (text, where);
  check_text (text, token_answers[row].text);
  fail_unless (fake_raw_server_n_connections (raw) <= 2, "%u tries", fake_raw_server_n_connections (raw));
  element_fixture_expect_no_more_errors (f);
  element_fixture_free (f);
}

GST_END_TEST;

/* An answer without end is cut off, one of 5xx tried again. */
GST_START_TEST (test_token_url_in_trouble)
{
  static const gchar endless[] = "HTTP/1.1 200 OK\r\n\r\n[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[";
  g_autoptr (FakeRawServer) raw = __i__ == 0 ? fake_raw_server_new_full (endless, strlen (endless), 0, TRUE, TRUE) :
      fake_raw_server_new ("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", FALSE);
  ElementFixture *f = element_fixture_new ("livekitsrc");
  g_autofree gchar *url = g_strdup_printf ("http://127.0.0.1:%u/token", fake_raw_server_get_port (raw));

  g_object_set (f->element, "token-url", url, "join-timeout", 1500, NULL);
  element_fixture_set_state (f, GST_STATE_PLAYING);
  expect_refusal (f, GST_RESOURCE_ERROR_NOT_AUTHORIZED, "token-source", url, 0);
  if (__i__ == 1)
    fail_unless (fake_raw_server_n_connections (raw) >= 2);
  element_fixture_free (f);
}

GST_END_TEST;

/* --- what comes in --- */

static const struct
{
  const gchar *pad, *caps, *hint;
} wrong_caps[] = {
  {"video_%u", "video/x-raw, format=(string)I420, width=(int)320, height=(int)240", "x264enc"},
  {"audio_%u", "audio/x-raw, format=(string)S16LE, rate=(int)48000, channels=(int)2", "opusenc"},
  {"video_%u", "image/jpeg", "encoder"},
  {"video_%u", "video/x-h264, profile=(string)high-4:4:4", "encoder"},
};

/* Not negotiated, with the hint what to put in front. */
GST_START_TEST (test_wrong_caps)
{
  ElementFixture *f = element_fixture_new ("livekitsink");
  ElementFeeder *feeder = element_feeder_new (f, wrong_caps[__i__].pad, NULL, TRUE);
  g_autofree gchar *text = NULL;

  element_fixture_play (f);
  element_feeder_start (feeder);
  element_feeder_set_caps (feeder, wrong_caps[__i__].caps);
  fail_unless_equals_int (element_feeder_push (feeder), GST_FLOW_NOT_NEGOTIATED);
  text = element_fixture_expect_error (f, GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE, NULL);
  check_text (text, wrong_caps[__i__].hint);
  element_fixture_expect_no_more_errors (f);
  element_feeder_free (feeder);
  element_fixture_free (f);
}

GST_END_TEST;

/* Beside other pads it is one track that fails, without a word upstream; with other caps it is published. */
GST_START_TEST (test_wrong_caps_of_one_pad)
{
  ElementFixture *f = element_fixture_new ("livekitsink");
  ElementFeeder *good = element_feeder_new (f, "video_%u", NULL, TRUE);
  ElementFeeder *bad = element_feeder_new (f, "audio_%u", NULL, TRUE);
  g_autoptr (GstMessage) warning = NULL;
  g_autoptr (GstStructure) failed = NULL;
  g_autoptr (GError) error = NULL;

  element_fixture_play (f);
  element_feeder_start (good);
  element_feeder_set_caps (good, VP8_CAPS);
  element_feeder_start (bad);
  element_feeder_set_caps (bad, "audio/x-opus, rate=(int)48000, channels=(int)6, channel-mapping-family=(int)1, "
      "stream-count=(int)4, coupled-count=(int)2");
  fail_unless_equals_int (element_feeder_push (bad), GST_FLOW_OK);
  warning = element_fixture_wait (f, GST_MESSAGE_WARNING);
  gst_message_parse_warning (warning, &error, NULL);
  check_text (error->message, "audio_0");
  failed = element_fixture_wait_structure (f, "livekit-track", "action", "failed");
  fail_unless_equals_string (gst_structure_get_string (failed, "pad"), "audio_0");
  fail_unless_equals_string (element_fixture_request (f, ADD_TRACK, 0)->add_track->name, "video_0");
  fail_unless_equals_int (element_feeder_push (good), GST_FLOW_OK);
  element_feeder_set_caps (bad, OPUS_CAPS);
  fail_unless_equals_int (element_feeder_push (bad), GST_FLOW_OK);
  fail_unless_equals_string (element_fixture_request (f, ADD_TRACK, 1)->add_track->name, "audio_0");
  element_fixture_expect_no_more_errors (f);
  element_feeder_free (good);
  element_feeder_free (bad);
  element_fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_buffer_without_caps)
{
  ElementFixture *f = element_fixture_new ("livekitsink");
  ElementFeeder *feeder = element_feeder_new (f, "video_%u", NULL, TRUE);
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  element_fixture_play (f);
  element_feeder_start (feeder);
  gst_pad_push_event (feeder->src, gst_event_new_segment (&segment));
  fail_unless_equals_int (element_feeder_push (feeder), GST_FLOW_NOT_NEGOTIATED);
  element_feeder_free (feeder);
  element_fixture_free (f);
}

GST_END_TEST;

/* Of video they would be simulcast layers. */
GST_START_TEST (test_two_audio_pads_of_one_name)
{
  ElementFixture *f = element_fixture_new ("livekitsink");
  ElementFeeder *front = element_feeder_new (f, "audio_%u", NULL, TRUE);
  ElementFeeder *other = element_feeder_new (f, "audio_%u", NULL, TRUE);
  ElementFeeder *video = element_feeder_new (f, "video_%u", NULL, TRUE);
  g_autoptr (GstMessage) message = NULL;

  g_object_set (front->sink, "track-name", "front", NULL);
  g_object_set (other->sink, "track-name", "front", NULL);
  /* Of another kind it is another track. */
  g_object_set (video->sink, "track-name", "front", NULL);
  element_fixture_play (f);
  element_feeder_start (video);
  element_feeder_set_caps (video, VP8_CAPS);
  element_feeder_start (front);
  element_feeder_set_caps (front, OPUS_CAPS);
  element_feeder_start (other);
  element_feeder_set_caps (other, OPUS_CAPS);
  message = gst_bus_timed_pop_filtered (f->bus, 10 * GST_SECOND, GST_MESSAGE_WARNING | GST_MESSAGE_ERROR);
  fail_unless (message != NULL && GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING);
  fail_unless_equals_int (element_feeder_push (front), GST_FLOW_OK);
  fail_unless_equals_int (element_feeder_push (video), GST_FLOW_OK);
  element_fixture_expect_no_more_errors (f);
  element_feeder_free (front);
  element_feeder_free (other);
  element_feeder_free (video);
  element_fixture_free (f);
}

GST_END_TEST;

/* --- told to leave --- */

static const struct
{
  Livekit__DisconnectReason reason;
  GstResourceError code;
  const gchar *text;
} leaves[] = {
  {LIVEKIT__DISCONNECT_REASON__DUPLICATE_IDENTITY, GST_RESOURCE_ERROR_BUSY, "duplicate-identity"},
  {LIVEKIT__DISCONNECT_REASON__PARTICIPANT_REMOVED, GST_RESOURCE_ERROR_CLOSE, "removed"},
  {LIVEKIT__DISCONNECT_REASON__ROOM_DELETED, GST_RESOURCE_ERROR_CLOSE, "room-deleted"},
  {LIVEKIT__DISCONNECT_REASON__ROOM_CLOSED, GST_RESOURCE_ERROR_CLOSE, "room-closed"},
};

/* livekitsrc ends without an error when the room does: its own suite. */
GST_START_TEST (test_leave_requests_are_final)
{
  gboolean is_src = __i__ / G_N_ELEMENTS (leaves) == 1;
  guint row = __i__ % G_N_ELEMENTS (leaves);
  ElementFixture *f;

  if (is_src && row >= 2)
    return;
  f = element_fixture_new (factories[is_src]);
  element_fixture_play (f);
  element_fixture_wait_progress (f, GST_PROGRESS_TYPE_COMPLETE, "connect");
  fake_server_push_leave (f->server, LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT, leaves[row].reason);
  expect_refusal (f, leaves[row].code, leaves[row].text, NULL, 1);
  element_fixture_free (f);
}

GST_END_TEST;

/* Who has the other one is told by name. */
GST_START_TEST (test_duplicate_identity_is_named)
{
  ElementFixture *f = element_fixture_new (factories[__i__]);

  element_fixture_play (f);
  element_fixture_wait_progress (f, GST_PROGRESS_TYPE_COMPLETE, "connect");
  fake_server_push_leave (f->server, LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT,
      LIVEKIT__DISCONNECT_REASON__DUPLICATE_IDENTITY);
  expect_refusal (f, GST_RESOURCE_ERROR_BUSY, "duplicate-identity", "tester", 1);
  element_fixture_free (f);
}

GST_END_TEST;

/* After a failure another try, with what was wrong put right. */
GST_START_TEST (test_next_try_works)
{
  ElementFixture *f = element_fixture_new (factories[__i__]);

  fake_server_refuse_n_joins (f->server, 1, 401, "no");
  element_fixture_set_state (f, GST_STATE_PLAYING);
  g_free (element_fixture_expect_error (f, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED, "unauthorized"));
  element_fixture_set_state (f, GST_STATE_READY);
  element_fixture_play (f);
  element_fixture_wait_progress (f, GST_PROGRESS_TYPE_COMPLETE, "connect");
  element_fixture_free (f);
}

GST_END_TEST;

static void
add_server_tests (TCase * tc)
{
  tcase_add_loop_test (tc, test_refusals_are_final, 0, 2 * G_N_ELEMENTS (statuses));
  tcase_add_loop_test (tc, test_trouble_is_tried_again, 0, 4);
  tcase_add_loop_test (tc, test_trouble_that_passes, 0, 2);
  tcase_add_loop_test (tc, test_nothing_listens, 0, 2);
  tcase_add_loop_test (tc, test_no_such_host, 0, 2);
  tcase_add_loop_test (tc, test_not_a_livekit_server, 0, 6);
  tcase_add_loop_test (tc, test_silence, 0, 2);
  tcase_add_loop_test (tc, test_urls_that_cannot_work, 0, 16);
  tcase_add_loop_test (tc, test_certificates, 0, 2 * G_N_ELEMENTS (certificates));
  tcase_add_loop_test (tc, test_ca_file_that_is_not_there, 0, 2);
}

static void
add_token_tests (TCase * tc)
{
  tcase_add_loop_test (tc, test_bad_tokens, 0, 2 * G_N_ELEMENTS (tokens));
  tcase_add_loop_test (tc, test_huge_token, 0, 2);
  tcase_add_loop_test (tc, test_no_token, 0, 2);
  tcase_add_loop_test (tc, test_no_room, 0, 2);
  tcase_add_loop_test (tc, test_missing_grant, 0, 2);
  tcase_add_loop_test (tc, test_grant_that_nobody_needs, 0, 2);
  tcase_add_loop_test (tc, test_token_url_that_gives_none, 0, 2 * G_N_ELEMENTS (token_answers));
  tcase_add_loop_test (tc, test_token_url_in_trouble, 0, 2);
}

static Suite *
refusals_suite (void)
{
  Suite *s = element_suite_create ("refusals");
  TCase *server = tcase_create ("server"), *token = tcase_create ("token"), *input = tcase_create ("input");
  TCase *leave = tcase_create ("leave");

  suite_add_tcase (s, server);
  add_server_tests (server);
  suite_add_tcase (s, token);
  add_token_tests (token);
  suite_add_tcase (s, input);
  tcase_add_loop_test (input, test_wrong_caps, 0, G_N_ELEMENTS (wrong_caps));
  tcase_add_test (input, test_wrong_caps_of_one_pad);
  tcase_add_test (input, test_buffer_without_caps);
  tcase_add_test (input, test_two_audio_pads_of_one_name);
  suite_add_tcase (s, leave);
  tcase_add_loop_test (leave, test_leave_requests_are_final, 0, 2 * G_N_ELEMENTS (leaves));
  tcase_add_loop_test (leave, test_duplicate_identity_is_named, 0, 2);
  tcase_add_loop_test (leave, test_next_try_works, 0, 2);
  return s;
}

GST_CHECK_MAIN (refusals);
