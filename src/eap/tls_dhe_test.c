/* SPDX-License-Identifier: Apache-2.0 */
/* TLS 1.2 with Diffie-Hellman in a group of primes, with an old other side: which groups and cipher
 * suites each of our sides takes. */
#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include "base/unit_test.h"
#include "crypto/tls_context.h"
#include "eap/test_certificates.h"
#include "eap/test_pair.h"
#include "eap/tls_tunnel.h"

static struct test_ca ca;
static struct test_tls side; /* an RSA key, for either server */
static struct eap_crypto *crypto;

static int group_setup(void **state)
{
    static const struct test_leaf leaf = {.name = "aaa.example", .key = "RSA"};
    (void)state;
    test_ca_make(&ca, "CA");
    test_tls_make(&side, &ca, &leaf, &ca);
    crypto = eap_crypto_new();
    return crypto == NULL ? -1 : 0;
}

static int group_teardown(void **state)
{
    (void)state;
    eap_crypto_free(crypto);
    test_tls_end(&side);
    test_ca_end(&ca);
    return 0;
}

/* struct old - an old peer or server: OpenSSL without our rules. */
struct old {
    const char *suites;
    bool server;
    BIGNUM *(*prime)(BIGNUM *); /* of its group; NULL: the one with that name */
    unsigned generator;
    const char *group;
};

static EVP_PKEY *group_make(const struct old *old)
{
    OSSL_PARAM_BLD *parts = OSSL_PARAM_BLD_new();
    BIGNUM *prime = old->prime == NULL ? NULL : old->prime(NULL), *generator = BN_new();
    if (prime == NULL)
        OSSL_PARAM_BLD_push_utf8_string(parts, OSSL_PKEY_PARAM_GROUP_NAME, old->group, 0);
    else if (BN_set_word(generator, old->generator) == 1 &&
             OSSL_PARAM_BLD_push_BN(parts, OSSL_PKEY_PARAM_FFC_P, prime) == 1)
        OSSL_PARAM_BLD_push_BN(parts, OSSL_PKEY_PARAM_FFC_G, generator);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(parts);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
    EVP_PKEY *group = NULL;
    assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
    assert_int_equal(EVP_PKEY_fromdata(ctx, &group, EVP_PKEY_KEY_PARAMETERS, params), 1);
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(parts);
    BN_free(prime);
    BN_free(generator);
    return group;
}

static SSL *old_new(const struct old *old)
{
    SSL_CTX *context = SSL_CTX_new(old->server ? TLS_server_method() : TLS_client_method());
    SSL_CTX_set_security_level(context, 0);
    assert_int_equal(SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION), 1);
    assert_int_equal(SSL_CTX_set_cipher_list(context, old->suites), 1);
    if (old->server) {
        assert_int_equal(SSL_CTX_set0_tmp_dh_pkey(context, group_make(old)), 1);
        assert_true(tls_context_present(context, NULL, side.tls.certs, 1, side.key));
    }
    SSL *ssl = SSL_new(context);
    SSL_CTX_free(context);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    if (old->server)
        SSL_set_accept_state(ssl);
    else
        SSL_set_connect_state(ssl);
    return ssl;
}

static void move(BIO *from, BIO *to)
{
    uint8_t octets[8192];
    int n = BIO_read(from, octets, sizeof(octets));
    if (n > 0)
        assert_int_equal(BIO_write(to, octets, n), n);
}

/* met - whether a handshake succeeds at our side. `t` stays for further questions. */
static bool met(const struct old *old, struct tls_tunnel *t, struct eap_talk *talk)
{
    SSL *ssl = old_new(old);
    *talk = (struct eap_talk){.crypto = crypto, .tls = &side.tls};
    enum tls_side ours = old->server ? TLS_PEER_ANONYMOUS : TLS_AUTHENTICATOR_ALONE;
    assert_int_equal(tls_tunnel_begin(t, talk, ours), 0);
    for (int i = 0; i < 4 && !t->failed; i++) {
        (void)tls_tunnel_advance(t);
        move(t->out, SSL_get_rbio(ssl));
        (void)SSL_do_handshake(ssl);
        move(SSL_get_wbio(ssl), t->in);
    }
    bool done = t->done;
    SSL_free(ssl);
    return done;
}

#define DHE "DHE-RSA-AES128-GCM-SHA256"

static void servers(void **state)
{
    static const struct {
        struct old old;
        bool taken;
    } rows[] = {
        {{DHE, true, BN_get_rfc3526_prime_2048, 2, NULL}, true},
        {{"DHE-RSA-AES256-GCM-SHA384", true, NULL, 0, "ffdhe2048"}, true},
        {{"DHE-RSA-CHACHA20-POLY1305", true, NULL, 0, "ffdhe3072"}, true},
        {{DHE, true, BN_get_rfc2409_prime_1024, 2, NULL}, false},
        {{DHE, true, BN_get_rfc3526_prime_1536, 2, NULL}, false},
        {{DHE, true, BN_get_rfc3526_prime_2048, 5, NULL}, false}, /* a group of its own */
        {{DHE, true, NULL, 0, "dh_2048_256"}, false},             /* RFC 5114 */
        {{"DHE-RSA-AES128-SHA256", true, NULL, 0, "ffdhe2048"}, false},
        {{"DHE-RSA-AES256-SHA", true, NULL, 0, "ffdhe2048"}, false},
        {{"AES128-GCM-SHA256", true, NULL, 0, "ffdhe2048"}, false}, /* no forward secrecy */
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tls_tunnel t;
        struct eap_talk talk;
        bool taken = met(&rows[i].old, &t, &talk);
        if (taken != rows[i].taken)
            fail_msg("row %zu: %s", i, t.reason);
        tls_tunnel_end(&t);
    }
}

/* As a server we take the group by the strength of our key, and elliptic curves where the peer has
 * them, in whatever order. */
static void peers(void **state)
{
    static const struct {
        const char *suites, *chosen;
    } rows[] = {
        {DHE, DHE},
        {DHE ":ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384"},
        {"DHE-RSA-AES128-SHA256:DHE-RSA-AES256-SHA", NULL},
        {"AES128-GCM-SHA256", NULL},
        {"ADH-AES128-GCM-SHA256", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct old old = {.suites = rows[i].suites};
        struct tls_tunnel t;
        struct eap_talk talk;
        bool taken = met(&old, &t, &talk);
        if (taken != (rows[i].chosen != NULL))
            fail_msg("row %zu: %s", i, t.reason);
        if (taken)
            assert_string_equal(SSL_CIPHER_get_name(SSL_get_current_cipher(t.ssl)), rows[i].chosen);
        EVP_PKEY *key = NULL; /* of the peer, in our group */
        if (taken && SSL_get_peer_tmp_key(t.ssl, &key) == 1 && EVP_PKEY_is_a(key, "DH"))
            assert_int_equal(EVP_PKEY_get_bits(key), 2048);
        EVP_PKEY_free(key);
        tls_tunnel_end(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(servers), cmocka_unit_test(peers)};
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
