/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* certificates: an authority of the test's own and a certificate, as PEM files in a folder that ends with them. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct
{
  gchar *dir, *ca, *cert, *key;
} TestCertificates;

/* @alt_name: "IP:127.0.0.1", "DNS:…"; valid from and to, in seconds from now. */
TestCertificates *test_certificates_new (const gchar * alt_name, glong from_s, glong to_s);
/* Signed by itself and by no authority; @ca is of nobody. */
TestCertificates *test_certificates_new_self_signed (const gchar * alt_name);
void test_certificates_free (TestCertificates * certificates);

G_END_DECLS
