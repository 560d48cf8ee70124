/* SPDX-License-Identifier: Apache-2.0 */
/* Which octets the holder of a key signs for TLS: each form, shortened and longer forms, and octets
 * of IKE. tls_test.c shows that TLS asks for no other forms. */
#include <openssl/bn.h>

#include "base/unit_test.h"
#include "base/writer.h"
#include "eap/tls_signed.h"

static uint8_t room[4096];

static size_t certificate_verify_13(const char *context, size_t hash)
{
    memset(room, ' ', 64);
    memcpy(room + 64, context, 33);
    room[97] = 0;
    memset(room + 98, 0x5a, hash);
    return 98 + hash;
}

static size_t key_exchange_12(uint16_t curve, uint8_t len)
{
    memset(room, 0xa5, sizeof(room));
    room[64] = 3, room[65] = (uint8_t)(curve >> 8), room[66] = (uint8_t)curve, room[67] = len;
    return 68u + len;
}

/* ServerDHParams of a group whose prime has that many bits. */
static size_t key_exchange_dhe(BIGNUM *prime, uint8_t generator)
{
    size_t n = (size_t)BN_num_bytes(prime);
    memset(room, 0xa5, sizeof(room));
    struct writer w = writer_of(room + 64, sizeof(room) - 64);
    write_u16(&w, (uint16_t)n);
    assert_int_equal(BN_bn2bin(prime, writer_reserve(&w, n)), (int)n);
    write_u16(&w, 1);
    write_u8(&w, generator);
    write_u16(&w, (uint16_t)n);
    BN_free(prime);
    return 64 + w.len + n;
}

static size_t handshake_12(const uint8_t *types, size_t n)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        room[at] = types[i], room[at + 1] = 0, room[at + 2] = 0, room[at + 3] = 40;
        memset(room + at + 4, 0x77, 40);
        at += 44;
    }
    return at;
}

static void forms_signed(void **state)
{
    static const uint8_t client[] = {1, 2, 11, 12, 13, 14, 11, 16};
    static const struct {
        uint16_t curve;
        uint8_t len;
    } curves[] = {{23, 65}, {24, 97}, {25, 133}, {29, 32}, {30, 56}};
    (void)state;
    assert_true(tls_signed_is(
        span_of(room, certificate_verify_13("TLS 1.3, server CertificateVerify", 32))));
    assert_true(tls_signed_is(
        span_of(room, certificate_verify_13("TLS 1.3, client CertificateVerify", 48))));
    for (size_t i = 0; i < ARRAY_LEN(curves); i++)
        assert_true(tls_signed_is(span_of(room, key_exchange_12(curves[i].curve, curves[i].len))));
    assert_true(tls_signed_is(span_of(room, handshake_12(client, sizeof(client)))));
    assert_true(tls_signed_is(span_of(room, key_exchange_dhe(BN_get_rfc3526_prime_2048(NULL), 2))));
    assert_true(tls_signed_is(span_of(room, key_exchange_dhe(BN_get_rfc3526_prime_8192(NULL), 2))));
}

/* Each form, cut to each shorter length, and with one octet more. */
static void lengths_refused(void **state)
{
    static const uint8_t client[] = {1, 2, 11, 12, 13, 14, 11, 16};
    (void)state;
    size_t n = certificate_verify_13("TLS 1.3, server CertificateVerify", 32);
    for (size_t len = 0; len <= n + 1; len++)
        assert_true(tls_signed_is(span_of(room, len)) == (len == n));
    n = key_exchange_12(29, 32);
    for (size_t len = 0; len <= n + 1; len++)
        assert_true(tls_signed_is(span_of(room, len)) == (len == n));
    n = key_exchange_dhe(BN_get_rfc3526_prime_2048(NULL), 2);
    for (size_t len = 0; len <= n + 1; len++)
        assert_true(tls_signed_is(span_of(room, len)) == (len == n));
    n = handshake_12(client, sizeof(client));
    for (size_t len = 0; len <= n + 1; len++)
        assert_true(tls_signed_is(span_of(room, len)) == (len == n));
}

static void others_refused(void **state)
{
    static const uint8_t no_hello[] = {2, 1, 11, 12, 16}, two_hellos[] = {1, 1, 2, 11, 16};
    static const uint8_t no_key[] = {1, 2, 11, 12, 14}, few[] = {1, 2, 11, 16};
    (void)state;
    assert_false(tls_signed_is(
        span_of(room, certificate_verify_13("TLS 1.3, server certificateVerify", 32))));
    assert_false(tls_signed_is(span_of(room, key_exchange_12(29, 33))));
    assert_false(tls_signed_is(span_of(room, key_exchange_12(21, 57))));
    size_t n = key_exchange_12(29, 32);
    room[64] = 1; /* a prime curve of the asker's choice */
    assert_false(tls_signed_is(span_of(room, n)));
    assert_false(
        tls_signed_is(span_of(room, key_exchange_dhe(BN_get_rfc3526_prime_1536(NULL), 2))));
    assert_false(
        tls_signed_is(span_of(room, key_exchange_dhe(BN_get_rfc3526_prime_2048(NULL), 3))));
    n = key_exchange_dhe(BN_get_rfc3526_prime_2048(NULL), 2);
    room[70] ^= 1; /* a prime of the asker's choice */
    assert_false(tls_signed_is(span_of(room, n)));
    assert_false(tls_signed_is(span_of(room, handshake_12(no_hello, sizeof(no_hello)))));
    assert_false(tls_signed_is(span_of(room, handshake_12(two_hellos, sizeof(two_hellos)))));
    assert_false(tls_signed_is(span_of(room, handshake_12(no_key, sizeof(no_key)))));
    assert_false(tls_signed_is(span_of(room, handshake_12(few, sizeof(few)))));
}

/* The process that asks for a signature chooses the randoms of TLS 1.2. They could be the header of
 * an IKE_SA_INIT message, and the curve and the point could be a part of its payloads. */
static void ike_refused(void **state)
{
    static const uint8_t client[] = {1, 2, 11, 12, 13, 14, 11, 16};
    (void)state;
    for (int form = 0; form < 3; form++) {
        size_t n = form == 0   ? key_exchange_12(25, 133)
                   : form == 1 ? handshake_12(client, sizeof(client))
                               : key_exchange_dhe(BN_get_rfc3526_prime_2048(NULL), 2);
        assert_true(tls_signed_is(span_of(room, n)));
        room[17] = 0x20, room[18] = 34, room[19] = 0x20;
        memset(room + 20, 0, 4); /* Message ID */
        assert_false(tls_signed_is(span_of(room, n)));
        room[17] = 0x21; /* receivers ignore the minor version */
        assert_false(tls_signed_is(span_of(room, n)));
        room[18] = 35; /* not IKE_SA_INIT: never covered by an AUTH payload */
        assert_true(tls_signed_is(span_of(room, n)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_signed),
        cmocka_unit_test(lengths_refused),
        cmocka_unit_test(others_refused),
        cmocka_unit_test(ike_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
