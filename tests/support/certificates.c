/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* certificates: made with libcrypto. */

#include "certificates.h"

#include <glib/gstdio.h>
#include <gst/check/gstcheck.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

static EVP_PKEY *
make_key (void)
{
  return EVP_EC_gen ("P-256");
}

static X509 *
make_certificate (EVP_PKEY * key, const gchar * name, const gchar * alt_name, glong from_s, glong to_s, X509 * issuer,
    EVP_PKEY * issuer_key)
{
  X509 *cert = X509_new ();
  X509_EXTENSION *extension;

  X509_set_version (cert, 2);
  ASN1_INTEGER_set (X509_get_serialNumber (cert), 1 + g_random_int_range (0, G_MAXINT));
  X509_gmtime_adj (X509_getm_notBefore (cert), from_s);
  X509_gmtime_adj (X509_getm_notAfter (cert), to_s);
  X509_set_pubkey (cert, key);
  X509_NAME_add_entry_by_txt (X509_get_subject_name (cert), "CN", MBSTRING_ASC, (const guchar *) name, -1, -1, 0);
  X509_set_issuer_name (cert, X509_get_subject_name (issuer != NULL ? issuer : cert));
  extension = X509V3_EXT_conf_nid (NULL, NULL, alt_name != NULL ? NID_subject_alt_name : NID_basic_constraints,
      alt_name != NULL ? alt_name : "critical,CA:TRUE");
  X509_add_ext (cert, extension, -1);
  X509_EXTENSION_free (extension);
  X509_sign (cert, issuer_key != NULL ? issuer_key : key, EVP_sha256 ());
  return cert;
}

static void
write_pem (const gchar * path, X509 * cert, EVP_PKEY * key)
{
  FILE *file = fopen (path, "w");

  fail_unless (file != NULL);
  if (cert != NULL)
    PEM_write_X509 (file, cert);
  else
    PEM_write_PrivateKey (file, key, NULL, NULL, 0, NULL, NULL);
  fclose (file);
}

/* Of a name that no other has: one with the same name and another key would be tried, and found to be wrong. */
static X509 *
make_authority (EVP_PKEY * key)
{
  g_autofree gchar *name = g_strdup_printf ("Test authority %08x", g_random_int ());

  return make_certificate (key, name, NULL, -86400 * 10, 86400, NULL, NULL);
}

static TestCertificates *
make_files (X509 * ca, X509 * cert, EVP_PKEY * key)
{
  TestCertificates *c = g_new0 (TestCertificates, 1);

  c->dir = g_dir_make_tmp ("lk-test-XXXXXX", NULL);
  c->ca = g_build_filename (c->dir, "ca.pem", NULL);
  c->cert = g_build_filename (c->dir, "cert.pem", NULL);
  c->key = g_build_filename (c->dir, "key.pem", NULL);
  write_pem (c->ca, ca, NULL);
  write_pem (c->cert, cert, NULL);
  write_pem (c->key, NULL, key);
  return c;
}

TestCertificates *
test_certificates_new (const gchar * alt_name, glong from_s, glong to_s)
{
  EVP_PKEY *ca_key = make_key (), *key = make_key ();
  X509 *ca = make_authority (ca_key);
  X509 *cert = make_certificate (key, "Test server", alt_name, from_s, to_s, ca, ca_key);
  TestCertificates *c = make_files (ca, cert, key);

  X509_free (ca);
  X509_free (cert);
  EVP_PKEY_free (ca_key);
  EVP_PKEY_free (key);
  return c;
}

TestCertificates *
test_certificates_new_self_signed (const gchar * alt_name)
{
  EVP_PKEY *ca_key = make_key (), *key = make_key ();
  X509 *ca = make_authority (ca_key);
  X509 *cert = make_certificate (key, "Test server", alt_name, -86400, 86400, NULL, NULL);
  TestCertificates *c = make_files (ca, cert, key);

  X509_free (ca);
  X509_free (cert);
  EVP_PKEY_free (ca_key);
  EVP_PKEY_free (key);
  return c;
}

void
test_certificates_free (TestCertificates * c)
{
  g_remove (c->ca);
  g_remove (c->cert);
  g_remove (c->key);
  g_rmdir (c->dir);
  g_free (c->ca);
  g_free (c->cert);
  g_free (c->key);
  g_free (c->dir);
  g_free (c);
}
