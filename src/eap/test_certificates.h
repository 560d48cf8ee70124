/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EAP_TEST_CERTIFICATES_H
#define EAP_TEST_CERTIFICATES_H

/* Certificates made on the spot, P-256. */

#include <openssl/x509.h>

#include "eap/eap.h"

struct test_ca {
    EVP_PKEY *key;
    X509 *certificate;
};

void test_ca_make(struct test_ca *ca, const char *name);
void test_ca_end(struct test_ca *ca);

struct test_leaf {
    const char *name;  /* of SubjectAltName, DNS; NULL: a common name alone, "cn.example" */
    long from_s, to_s; /* validity, from now; 0, 0: a day around now */
    const char *eku;   /* "clientAuth", "serverAuth"; NULL: none */
};

/* test_tls - credentials with a certificate of `issuer` that trust `trusted`. */
struct eap_tls *test_tls(const struct test_ca *issuer, const struct test_leaf *leaf,
                         const struct test_ca *trusted);

#endif
