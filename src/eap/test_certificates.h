/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EAP_TEST_CERTIFICATES_H
#define EAP_TEST_CERTIFICATES_H

/* Certificates that a test makes for itself. */

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
    const char *aia;   /* authorityInfoAccess, "OCSP;URI:http://..."; NULL: none */
    const char *key;   /* "RSA", "P-384", "ED25519", ...; NULL: P-256 */
};

/* struct test_tls - one side: a certificate, its key, and a CA that it trusts. */
struct test_tls {
    struct eap_tls tls; /* for struct eap_config */
    EVP_PKEY *key;
    unsigned char *der;
    X509 *trusted;
    const char *server;  /* the name that a server has to have; NULL: any */
    unsigned signatures; /* number of signatures made */
};

/* test_tls_make - makes a side with a certificate that `issuer` signs. */
void test_tls_make(struct test_tls *side, const struct test_ca *issuer,
                   const struct test_leaf *leaf, const struct test_ca *trusted);
void test_tls_end(struct test_tls *side); /* also of zeros */

/* test_rsa_make - an RSA key of `bits` bits from many short primes, as two long ones take
 * minutes. */
EVP_PKEY *test_rsa_make(int bits);

#endif
