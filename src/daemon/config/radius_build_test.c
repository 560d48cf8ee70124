/* SPDX-License-Identifier: Apache-2.0 */
/* A server of the section `radius` with transport = tls. The other keys are in config_test.c. */
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdio.h>

#include "base/unit_test.h"
#include "control/settings.h"
#include "daemon/config/conn_build.h"
#include "wire/iana.h"

#define TLS "address = 192.0.2.1\ntransport = tls\n"

/* ours, then that of the server's CA: values that start with 0x are octets as well in files, but a
 * message of VICI has the octets themselves */
static uint8_t certs[2][1024];
static size_t lengths[2];
static uint8_t our_key[SHA_DIGEST_LENGTH];

static void cert_make(unsigned i)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x509 = X509_new();
    unsigned char *at = certs[i];
    const unsigned char *octets;
    int len;
    assert_true(X509_set_version(x509, 2) == 1);
    assert_true(ASN1_INTEGER_set(X509_get_serialNumber(x509), i + 1L) == 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(x509), 0));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(x509), 3600));
    assert_true(X509_set_pubkey(x509, key) == 1 && X509_sign(x509, key, EVP_sha256()) > 0);
    lengths[i] = (size_t)i2d_X509(x509, &at);
    X509_PUBKEY_get0_param(NULL, &octets, &len, NULL, X509_get_X509_PUBKEY(x509));
    if (i == 0)
        SHA1(octets, (size_t)len, our_key);
    X509_free(x509);
    EVP_PKEY_free(key);
}

static int begin(void **state)
{
    (void)state;
    cert_make(0);
    cert_make(1);
    return 0;
}

/* build - a server with that text, and certificates: 'o' ours, 'c' that of the CA, one key each. */
static int build(const char *text, const char *with, struct aaa_server *ret, char why[512])
{
    char whole[1024];
    struct settings settings;
    struct build_error error = {.text = ""};
    (void)snprintf(whole, sizeof(whole), "a {\n%s\n}\n", text);
    assert_int_equal(settings_parse("t.conf", span_text(whole), NULL, &settings), 0);
    for (; *with != '\0'; with++) {
        unsigned i = *with == 'c';
        tree_append(settings.root->first,
                    tree_value(i == 0 ? "certs" : "cacerts", span_of(certs[i], lengths[i])));
    }
    int err = radius_build(settings.root->first, false, ret, &error);
    (void)snprintf(why, 512, "%s", error.text);
    settings_done(&settings);
    return err;
}

static void defaults(void **state)
{
    static struct aaa_server server;
    uint8_t digest[SHA256_DIGEST_LENGTH];
    char why[512];
    (void)state;
    assert_int_equal(build(TLS, "co", &server, why), 0); /* in any order */
    assert_true(server.stream && server.watched);
    assert_int_equal(server.tls_port, 2083);
    assert_int_equal(server.secret_len, 6);
    assert_memory_equal(server.secret, "radsec", 6);
    assert_int_equal(server.tls.id.type, ID_IPV4_ADDR);
    assert_int_equal(server.tls.n_certs, 1);
    assert_int_equal(server.tls.n_cas, 1);
    assert_int_equal(server.tls.lengths[0], lengths[0]);
    assert_int_equal(server.tls.lengths[1], lengths[1]);
    assert_memory_equal(server.tls.octets, certs[0], lengths[0]);
    assert_memory_equal(server.tls.octets + lengths[0], certs[1], lengths[1]);
    SHA256(certs[1], lengths[1], digest);
    assert_memory_equal(server.tls.cas[0], digest, sizeof(digest));
    assert_memory_equal(server.tls.key_id, our_key, sizeof(our_key));
}

static void keys(void **state)
{
    static struct aaa_server server;
    char why[512];
    (void)state;
    assert_int_equal(build(TLS "id = aaa.example\ntls_port = 12083\nstatus_server = no\n"
                               "revocation = strict\n",
                           "oc", &server, why),
                     0);
    assert_int_equal(server.tls.id.type, ID_FQDN);
    assert_int_equal(server.tls_port, 12083);
    assert_false(server.watched);
    assert_int_equal(server.tls.revocation, CERT_REVOCATION_STRICT);
}

static void refused(void **state)
{
    static const struct {
        const char *text, *with, *why;
    } rows[] = {
        {TLS, "", "'certs' is missing"},
        {TLS "secret = x", "o", "secret: is for transport = udp"},
        {TLS "auth_port = 1812", "o", "auth_port: is for transport = udp"},
        {TLS "dae_port = 3799", "o", "dae_port: is for transport = udp"},
        {"address = 192.0.2.1\nsecret = x\ntls_port = 2083", "", "is for transport = tls"},
        {"address = 192.0.2.1\nsecret = x\nid = aaa.example", "", "is for transport = tls"},
        {"address = 192.0.2.1\nsecret = x", "c", "cacerts: is for transport = tls"},
        {"address = 192.0.2.1\ntransport = dtls", "", "'dtls' is neither udp nor tls"},
        {TLS "id = *.example", "o", "is neither a DNS name nor an address"},
        {TLS "id = .example", "o", "is neither a DNS name nor an address"},
        {TLS "id = anna@example", "o", "is neither a DNS name nor an address"},
        {TLS "revocation = never", "o", "is none of relaxed, ifuri and strict"},
        {TLS "certs = 0x3000", "", "certs: is no X.509 certificate"},
        {TLS "cacerts = 0x3000", "o", "cacerts: is no X.509 certificate"},
        {TLS, "ooooooooo", "more than 8"},
        {TLS, "occcccccccc", "more than 8"},
        {"transport = tls", "o", "'address' is missing"},
    };
    static struct aaa_server server;
    char why[512];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (build(rows[i].text, rows[i].with, &server, why) != ERR_INVALID ||
            strstr(why, rows[i].why) == NULL)
            fail_msg("'%s': '%s'", rows[i].text, why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(keys),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
