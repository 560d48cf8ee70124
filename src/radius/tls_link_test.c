/* SPDX-License-Identifier: Apache-2.0 */
/* RADIUS over TLS against a server of OpenSSL, which may be hostile. */
#include "base/unit_test.h"
#include "radius/tls_link.h"

#include <openssl/err.h>
#include <openssl/x509.h>

#define PACKET                                                                                     \
    "\x02\x01\x00\x18"                                                                             \
    "0123456789abcdef"                                                                             \
    "\x01\x04xy"
#define PACKET_LEN 24

/* struct party - a self-signed certificate and its key. The callbacks decide which one is trusted. */
struct party {
    EVP_PKEY *key;
    X509 *x509;
    uint8_t der[2048];
    size_t len;
};

static struct party us, them;
static struct radius_tls *tls;
static struct radius_link *link_;
static SSL_CTX *server_context;
static SSL *server;
static bool trusts_them, trusts_us;
static unsigned n_checked;

static void party_make(struct party *party, const char *name)
{
    unsigned char *at = party->der;
    party->key = EVP_EC_gen("P-256");
    party->x509 = X509_new();
    X509_NAME *subject = X509_get_subject_name(party->x509);
    assert_true(X509_set_version(party->x509, 2) == 1);
    assert_true(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                           (const unsigned char *)name, -1, -1, 0) == 1);
    assert_true(X509_set_issuer_name(party->x509, subject) == 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(party->x509), -60));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(party->x509), 3600));
    assert_true(X509_set_pubkey(party->x509, party->key) == 1);
    assert_true(X509_sign(party->x509, party->key, EVP_sha256()) > 0);
    party->len = (size_t)i2d_X509(party->x509, &at);
    assert_true(party->len > 0 && party->len <= sizeof(party->der));
}

static int on_check(void *context, const struct span *certs, size_t n, char *ret_reason)
{
    (void)context;
    assert_int_equal(n, 1);
    assert_true(span_equal(certs[0], span_of(them.der, them.len)));
    n_checked++;
    if (!trusts_them)
        strcpy(ret_reason, "it is not trusted");
    return trusts_them ? 0 : ERR_AUTH;
}

static int on_client(X509_STORE_CTX *ctx, void *context)
{
    (void)context;
    assert_int_equal(X509_cmp(X509_STORE_CTX_get0_cert(ctx), us.x509), 0);
    X509_STORE_CTX_set_error(ctx, trusts_us ? X509_V_OK : X509_V_ERR_CERT_HAS_EXPIRED);
    return trusts_us;
}

static int begin(void **state)
{
    (void)state;
    party_make(&us, "gateway");
    party_make(&them, "server");
    return 0;
}

static int end(void **state)
{
    (void)state;
    EVP_PKEY_free(us.key), EVP_PKEY_free(them.key);
    X509_free(us.x509), X509_free(them.x509);
    return 0;
}

static void setup_version(int version)
{
    struct radius_tls_config config = {.n_certs = 1,
                                       .certs = {span_of(us.der, us.len)},
                                       .key = us.key,
                                       .server = "aaa.example",
                                       .check = on_check};
    assert_int_equal(radius_tls_new(&config, &tls), 0);
    server_context = SSL_CTX_new(TLS_server_method());
    assert_true(SSL_CTX_use_cert_and_key(server_context, them.x509, them.key, NULL, 1) == 1);
    assert_true(SSL_CTX_set_max_proto_version(server_context, version) == 1);
    assert_true(SSL_CTX_set_min_proto_version(server_context, version) == 1);
    SSL_CTX_set_verify(server_context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(server_context, on_client, NULL);
    server = SSL_new(server_context);
    SSL_set_bio(server, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(server);
    link_ = radius_link_new(tls);
    assert_non_null(link_);
    trusts_them = trusts_us = true;
    n_checked = 0;
}

static int setup(void **state)
{
    (void)state;
    setup_version(TLS1_3_VERSION);
    return 0;
}

static int setup_12(void **state)
{
    (void)state;
    setup_version(TLS1_2_VERSION);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    link_ = radius_link_free(link_);
    tls = radius_tls_free(tls);
    SSL_free(server);
    SSL_CTX_free(server_context);
    ERR_clear_error();
    return 0;
}

/* carry - moves all octets in both directions, in pieces of at most `step`. */
static void carry(size_t step)
{
    uint8_t octets[64 * 1024];
    for (bool moved = true; moved;) {
        moved = false;
        struct span out = radius_link_pending(link_);
        size_t n = out.len < step ? out.len : step;
        if (n > 0) {
            assert_int_equal(BIO_write(SSL_get_rbio(server), out.ptr, (int)n), n);
            radius_link_sent(link_, n);
            moved = true;
        }
        if (!SSL_is_init_finished(server))
            (void)SSL_do_handshake(server);
        int back = BIO_read(SSL_get_wbio(server), octets,
                            (int)(step < sizeof(octets) ? step : sizeof(octets)));
        if (back > 0) {
            assert_int_equal(radius_link_recv(link_, span_of(octets, (size_t)back)), 0);
            moved = true;
        }
    }
}

static void up(size_t step)
{
    carry(step);
    assert_int_equal(radius_link_state(link_), RADIUS_LINK_UP);
    assert_true(SSL_is_init_finished(server));
    assert_int_equal(n_checked, 1);
}

static void packets_cross(void **state)
{
    struct radius_packet packet;
    uint8_t octets[256];
    (void)state;
    assert_int_equal(radius_link_write(link_, span_text("too early")), ERR_WRONG_STATE);
    up(1000);
    assert_string_equal(SSL_get_servername(server, TLSEXT_NAMETYPE_host_name), "aaa.example");
    assert_int_equal(radius_link_write(link_, span_of(PACKET, PACKET_LEN)), 0);
    carry(7);
    assert_int_equal(SSL_read(server, octets, sizeof(octets)), PACKET_LEN);
    assert_memory_equal(octets, PACKET, PACKET_LEN);
    assert_int_equal(SSL_write(server, PACKET PACKET PACKET, 3 * PACKET_LEN), 3 * PACKET_LEN);
    carry(1);
    for (int i = 0; i < 3; i++) {
        assert_true(radius_link_next(link_, &packet));
        assert_memory_equal(packet.octets.ptr, PACKET, PACKET_LEN);
    }
    assert_false(radius_link_next(link_, &packet));
    assert_int_equal(radius_link_state(link_), RADIUS_LINK_UP);
}

static void octet_by_octet(void **state)
{
    (void)state;
    up(1);
}

static void server_ends(void **state)
{
    struct radius_packet packet;
    (void)state;
    up(1000);
    (void)SSL_write(server, PACKET, PACKET_LEN);
    (void)SSL_shutdown(server);
    carry(1000);
    assert_true(radius_link_next(link_, &packet)); /* a packet that came before still counts */
    assert_false(radius_link_next(link_, &packet));
    assert_int_equal(radius_link_state(link_), RADIUS_LINK_CLOSED);
    assert_int_equal(radius_link_write(link_, span_of(PACKET, PACKET_LEN)), ERR_WRONG_STATE);
}

static void we_end(void **state)
{
    uint8_t octet;
    (void)state;
    up(1000);
    radius_link_close(link_);
    carry(1000);
    int rc = SSL_read(server, &octet, 1);
    assert_int_equal(SSL_get_error(server, rc), SSL_ERROR_ZERO_RETURN);
}

/* --- hostile --- */

/* The client refuses the server's certificate before it proves its own identity. */
static void server_untrusted(void **state)
{
    (void)state;
    trusts_them = false;
    carry(1000);
    assert_int_equal(radius_link_state(link_), RADIUS_LINK_FAILED);
    assert_string_equal(radius_link_reason(link_), "it is not trusted");
    assert_false(SSL_is_init_finished(server));
}

static void we_are_refused(void **state)
{
    struct radius_packet packet;
    (void)state;
    trusts_us = false;
    carry(1000);
    assert_false(radius_link_next(link_, &packet)); /* with TLS 1.3 the alert comes late */
    assert_int_equal(radius_link_state(link_), RADIUS_LINK_FAILED);
    assert_non_null(strstr(radius_link_reason(link_), "expired"));
}

static void no_tls(void **state)
{
    static const char *const rows[] = {"HTTP/1.1 400 Bad Request\r\n\r\n", PACKET,
                                       "\x15\x03\x03\x00\x02\x02\x28"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct radius_link *one = radius_link_new(tls);
        assert_int_equal(radius_link_recv(one, span_of(rows[i], i == 1   ? PACKET_LEN
                                                                : i == 2 ? 7
                                                                         : strlen(rows[i]))),
                         0);
        assert_int_equal(radius_link_state(one), RADIUS_LINK_FAILED);
        assert_true(radius_link_reason(one)[0] != '\0');
        radius_link_free(one);
    }
}

/* A malformed packet inside of TLS ends the connection. */
static void malformed_inside(void **state)
{
    struct radius_packet packet;
    (void)state;
    up(1000);
    (void)SSL_write(server, PACKET "\x02\x01\x00\x13", PACKET_LEN + 4);
    carry(1000);
    assert_true(radius_link_next(link_, &packet));
    assert_false(radius_link_next(link_, &packet));
    assert_int_equal(radius_link_state(link_), RADIUS_LINK_FAILED);
    assert_non_null(strstr(radius_link_reason(link_), "malformed"));
}

/* One octet of the ciphertext is changed on the way. */
static void tampered(void **state)
{
    struct radius_packet packet;
    uint8_t octets[256];
    (void)state;
    up(1000);
    (void)SSL_write(server, PACKET, PACKET_LEN);
    int n = BIO_read(SSL_get_wbio(server), octets, sizeof(octets));
    octets[n - 1] ^= 1;
    assert_int_equal(radius_link_recv(link_, span_of(octets, (size_t)n)), 0);
    assert_false(radius_link_next(link_, &packet));
    assert_int_equal(radius_link_state(link_), RADIUS_LINK_FAILED);
}

static void bad_configuration(void **state)
{
    struct radius_tls_config config = {
        .n_certs = 1, .certs = {span_of(us.der, us.len)}, .key = them.key, .check = on_check};
    struct radius_tls *none = NULL;
    (void)state;
    assert_int_equal(radius_tls_new(&config, &none), ERR_INVALID); /* the key of another */
    config.key = us.key;
    config.certs[0].len--;
    assert_int_equal(radius_tls_new(&config, &none), ERR_INVALID);
    config.n_certs = 0;
    assert_int_equal(radius_tls_new(&config, &none), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(packets_cross, setup, teardown),
        cmocka_unit_test_setup_teardown(packets_cross, setup_12, teardown),
        cmocka_unit_test_setup_teardown(octet_by_octet, setup, teardown),
        cmocka_unit_test_setup_teardown(server_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(we_end, setup, teardown),
        cmocka_unit_test_setup_teardown(server_untrusted, setup, teardown),
        cmocka_unit_test_setup_teardown(server_untrusted, setup_12, teardown),
        cmocka_unit_test_setup_teardown(we_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(we_are_refused, setup_12, teardown),
        cmocka_unit_test_setup_teardown(no_tls, setup, teardown),
        cmocka_unit_test_setup_teardown(malformed_inside, setup, teardown),
        cmocka_unit_test_setup_teardown(tampered, setup, teardown),
        cmocka_unit_test(bad_configuration),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
