/* SPDX-License-Identifier: Apache-2.0 */
/* EAP-AKA, both sides; MILENAGE by 3GPP TS 35.207 test set 1, keys by RFC 4186 appendix A.5. */
#include "base/unit_test.h"
#include "eap/milenage.h"
#include "eap/sim_keys.h"
#include "eap/test_pair.h"

#define USIM "0123456789abcdef0123456789abcdef" /* K and OPc, 16 octets each */

static void milenage_test_set_1(void **state)
{
    static const struct milenage usim = {.k = {0x46, 0x5b, 0x5c, 0xe8, 0xb1, 0x99, 0xb4, 0x9f, 0xaa,
                                               0x5f, 0x0a, 0x2e, 0xe2, 0x38, 0xa6, 0xbc},
                                         .opc = {0xcd, 0x63, 0xcb, 0x71, 0x95, 0x4a, 0x9f, 0x4e,
                                                 0x48, 0xa5, 0x99, 0x4e, 0x37, 0xa0, 0x2b, 0xaf}};
    static const uint8_t rand[] = {0x23, 0x55, 0x3c, 0xbe, 0x96, 0x37, 0xa8, 0x9d,
                                   0x21, 0x8a, 0xe6, 0x4d, 0xae, 0x47, 0xbf, 0x35};
    static const uint8_t sqn_amf[] = {0xff, 0x9b, 0xb4, 0xd0, 0xb6, 0x07, 0xb9, 0xb9};
    static const uint8_t f1[] = {0x4a, 0x9f, 0xfa, 0xc3, 0x54, 0xdf, 0xaf, 0xb3,
                                 0x01, 0xcf, 0xaf, 0x9e, 0xc4, 0xe8, 0x71, 0xe9};
    static const struct milenage_answer answer = {
        .res = {0xa5, 0x42, 0x11, 0xd5, 0xe3, 0xba, 0x50, 0xbf},
        .ck = {0xb4, 0x0b, 0xa9, 0xa3, 0xc5, 0x8b, 0x2a, 0x05, 0xbb, 0xf0, 0xd9, 0x87, 0xb2, 0x1b,
               0xf8, 0xcb},
        .ik = {0xf7, 0x69, 0xbc, 0xd7, 0x51, 0x04, 0x46, 0x04, 0x12, 0x76, 0x72, 0x71, 0x1c, 0x6d,
               0x34, 0x41},
        .ak = {0xaa, 0x68, 0x9c, 0x64, 0x83, 0x70},
        .ak_star = {0x45, 0x1e, 0x8b, 0xec, 0xa4, 0x3b}};
    struct eap_crypto *crypto = eap_crypto_new();
    struct milenage_answer computed;
    uint8_t mac[16];
    (void)state;
    assert_int_equal(milenage_f1(crypto, &usim, rand, sqn_amf, mac), 0);
    assert_memory_equal(mac, f1, sizeof(f1));
    assert_int_equal(milenage_f2345(crypto, &usim, rand, &computed), 0);
    assert_memory_equal(&computed, &answer, sizeof(answer));
    eap_crypto_free(crypto);
}

static void keys_of_rfc4186(void **state)
{
    static const uint8_t mk[20] = {0xe5, 0x76, 0xd5, 0xca, 0x33, 0x2e, 0x99, 0x30, 0x01, 0x8b,
                                   0xf1, 0xba, 0xee, 0x27, 0x63, 0xc7, 0x95, 0xb3, 0xc7, 0x12};
    static const uint8_t k_encr[16] = {0x53, 0x6e, 0x5e, 0xbc, 0x44, 0x65, 0x58, 0x2a,
                                       0xa6, 0xa8, 0xec, 0x99, 0x86, 0xeb, 0xb6, 0x20};
    static const uint8_t k_aut[16] = {0x25, 0xaf, 0x19, 0x42, 0xef, 0xcb, 0xf4, 0xbc,
                                      0x72, 0xb3, 0x94, 0x34, 0x21, 0xf2, 0xa9, 0x74};
    static const uint8_t msk[4] = {0x39, 0xd4, 0x5a, 0xea}, msk_end[4] = {0x88, 0x6e, 0x44, 0x88};
    struct sim_keys keys;
    (void)state;
    sim_keys_derive(mk, &keys);
    assert_memory_equal(keys.k_encr, k_encr, 16);
    assert_memory_equal(keys.k_aut, k_aut, 16);
    assert_memory_equal(keys.msk, msk, 4);
    assert_memory_equal(keys.msk + 60, msk_end, 4);
}

/* RFC 9048 appendix C, case 1: the keys that EAP-AKA' derives from CK and IK. */
static void keys_of_rfc9048(void **state)
{
    static const uint8_t ck_ik[32] = {0x53, 0x49, 0xfb, 0xe0, 0x98, 0x64, 0x9f, 0x94,
                                      0x8f, 0x5d, 0x2e, 0x97, 0x3a, 0x81, 0xc0, 0x0f,
                                      0x97, 0x44, 0x87, 0x1a, 0xd3, 0x2b, 0xf9, 0xbb,
                                      0xd1, 0xdd, 0x5c, 0xe5, 0x4e, 0x3e, 0x2e, 0x5a};
    static const uint8_t autn[6] = {0xbb, 0x52, 0xe9, 0x1c, 0x74, 0x7a};
    static const uint8_t k_encr[16] = {0x76, 0x6f, 0xa0, 0xa6, 0xc3, 0x17, 0x17, 0x4b,
                                       0x81, 0x2d, 0x52, 0xfb, 0xcd, 0x11, 0xa1, 0x79};
    static const uint8_t k_aut[32] = {0x08, 0x42, 0xea, 0x72, 0x2f, 0xf6, 0x83, 0x5b,
                                      0xfa, 0x20, 0x32, 0x49, 0x9f, 0xc3, 0xec, 0x23,
                                      0xc2, 0xf0, 0xe3, 0x88, 0xb4, 0xf0, 0x75, 0x43,
                                      0xff, 0xc6, 0x77, 0xf1, 0x69, 0x6d, 0x71, 0xea};
    static const uint8_t msk[8] = {0x67, 0xc4, 0x2d, 0x9a, 0xa5, 0x6c, 0x1b, 0x79};
    static const uint8_t msk_end[4] = {0x93, 0x47, 0xc7, 0x5a};
    struct eap_crypto *crypto = eap_crypto_new();
    struct aka_prime_keys keys;
    const struct aka_prime_input input = {.ck_ik = span_of(ck_ik, sizeof(ck_ik)),
                                          .sqn_ak = span_of(autn, sizeof(autn)),
                                          .network = span_text("WLAN"),
                                          .identity = span_text("0555444333222111")};
    (void)state;
    assert_int_equal(aka_prime_derive(crypto, &input, &keys), 0);
    assert_memory_equal(keys.k_encr, k_encr, sizeof(k_encr));
    assert_memory_equal(keys.k_aut, k_aut, sizeof(k_aut));
    assert_memory_equal(keys.msk, msk, sizeof(msk));
    assert_memory_equal(keys.msk + 60, msk_end, sizeof(msk_end));
    eap_crypto_free(crypto);
}

static void begin(struct test_pair *p)
{
    test_pair_begin(p, 1, NULL);
    test_pair_method(p, EAP_TYPE_AKA);
    test_pair_password(p, 0, USIM);
    test_pair_password(p, 1, USIM);
}

static void succeeds(void **state)
{
    struct test_pair p;
    (void)state;
    begin(&p);
    test_pair_make(&p);
    test_pair_run(&p);
    assert_int_equal(p.result.verdict, EAP_SUCCEEDED);
    assert_int_equal(p.peer_result.verdict, EAP_SUCCEEDED);
    assert_memory_equal(p.result.msk, p.peer_result.msk, EAP_MSK);
    assert_int_equal(p.packets, 5);
    test_pair_end(&p);
}

/* The USIM has accepted a higher sequence number and reports it. The next challenge is above it. */
static void synchronizes(void **state)
{
    struct test_pair p;
    (void)state;
    begin(&p);
    p.sides[0].sqn = 1000;
    test_pair_make(&p);
    test_pair_run(&p);
    assert_int_equal(p.result.verdict, EAP_SUCCEEDED);
    assert_int_equal(p.sides[1].sqn, 1001);
    assert_int_equal(p.packets, 7);
    test_pair_end(&p);
}

static void begin_prime(struct test_pair *p)
{
    begin(p);
    test_pair_method(p, EAP_TYPE_AKA_PRIME);
    p->config[1].identity = span_text("anna");
}

/* AKA': a login, a login that begins with an old sequence number, and one with another key. */
static void prime(void **state)
{
    (void)state;
    for (int row = 0; row < 3; row++) {
        struct test_pair p;
        begin_prime(&p);
        if (row == 1)
            p.sides[0].sqn = 1000;
        if (row == 2)
            test_pair_password(&p, 1, "0123456789abcdefX123456789abcdef");
        test_pair_make(&p);
        test_pair_run(&p);
        assert_int_equal(p.result.verdict, row < 2 ? EAP_SUCCEEDED : EAP_FAILED);
        assert_int_equal(p.peer_result.verdict, row < 2 ? EAP_SUCCEEDED : EAP_FAILED);
        assert_memory_equal(p.result.msk, p.peer_result.msk, EAP_MSK);
        test_pair_end(&p);
    }
}

/* Each octet of the challenge is changed once, so the network, the key derivation function and the
 * separation bit as well. */
static void prime_changed(void **state)
{
    (void)state;
    for (size_t at = 5, len = 6; at < len; at++) {
        struct test_pair p;
        begin_prime(&p);
        test_pair_make(&p);
        len = p.result.packet_len;
        p.result.packet[at] ^= 0x80;
        test_pair_to_peer(&p);
        const uint8_t success[] = {3, p.result.packet[1], 0, 4};
        eap_peer_recv(p.peer, span_of(success, 4), &p.peer_result);
        /* the Reserved octets of attributes are covered by AT_MAC as well */
        assert_int_equal(p.peer_result.verdict, EAP_FAILED);
        assert_int_equal(p.peer_result.msk_len, 0);
        test_pair_end(&p);
    }
}

/* A challenge that was recorded does not log in again. */
static void replayed_challenge(void **state)
{
    struct test_pair p;
    struct eap_result first;
    (void)state;
    begin(&p);
    p.config[1].identity = span_text("anna");
    test_pair_make(&p);
    first = p.result;
    eap_peer_recv(p.peer, span_of(first.packet, first.packet_len), &p.peer_result);
    assert_int_equal(p.peer_result.packet[5], 1); /* Challenge */
    eap_peer_free(p.peer);
    assert_int_equal(eap_peer_new(&p.config[0], &p.peer), 0);
    eap_peer_recv(p.peer, span_of(first.packet, first.packet_len), &p.peer_result);
    assert_int_equal(p.peer_result.packet[5], 4); /* Synchronization-Failure */
    eap_peer_recv(p.peer, span_of("\3\1\0\4", 4), &p.peer_result);
    assert_int_equal(p.peer_result.verdict, EAP_FAILED);
    test_pair_end(&p);
}

static void wrong_key(void **state)
{
    (void)state;
    for (int side = 0; side < 2; side++) {
        struct test_pair p;
        begin(&p);
        test_pair_password(&p, side, "0123456789abcdef0123456789abcdeX");
        test_pair_make(&p);
        test_pair_run(&p);
        assert_int_equal(p.result.verdict, EAP_FAILED);
        assert_int_equal(p.peer_result.verdict, EAP_FAILED);
        assert_int_equal(p.result.msk_len + p.peer_result.msk_len, 0);
        test_pair_end(&p);
    }
}

/* No octet of a challenge or a response can be changed unnoticed. A short key is refused. */
static void every_octet_counts(void **state)
{
    (void)state;
    for (size_t at = 5; at < 72; at++) {
        struct test_pair p;
        begin(&p);
        p.config[1].identity = span_text("anna");
        test_pair_make(&p);
        assert_int_equal(p.result.packet_len, 72);
        p.result.packet[at] ^= 1;
        test_pair_to_peer(&p);
        if (p.peer_result.packet_len > 5 && p.peer_result.packet[5] == 1)
            fail_msg("octet %zu of the challenge does not count", at);
        test_pair_end(&p);
    }
    for (size_t at = 5; at < 44; at++) {
        struct test_pair p;
        begin(&p);
        p.config[1].identity = span_text("anna");
        test_pair_make(&p);
        test_pair_to_peer(&p);
        assert_int_equal(p.peer_result.packet_len, 44);
        p.peer_result.packet[at] ^= 1;
        test_pair_to_authenticator(&p);
        if (!test_pair_notified(&p))
            fail_msg("octet %zu of the answer does not count", at);
        test_pair_end(&p);
    }
}

/* Attributes with a wrong length (CVE-2026-35330). */
static void hostile_attributes(void **state)
{
    static const struct {
        const char *name, *octets;
        size_t len;
    } rows[] = {
#define ROW(name, text) {name, text, sizeof(text) - 1}
        ROW("nothing", ""),
        ROW("subtype alone", "\1"),
        ROW("no attributes", "\1\0\0"),
        ROW("length 0", "\1\0\0\1\0"),
        ROW("length 0 with octets", "\1\0\0\1\0\0\0"),
        ROW("length too long", "\1\0\0\1\5\0\0"),
        ROW("length 255", "\1\0\0\1\xff\0\0"),
        ROW("type alone", "\1\0\0\1"),
        ROW("RAND of 4 octets", "\1\0\0\1\1\0\0\2\1\0\0\x0b\1\0\0"),
        ROW("RAND twice", "\1\0\0\1\1\0\0\1\1\0\0"),
        ROW("unknown, not to be ignored", "\5\0\0\x0a\1\0\0\x7f\1\0\0"),
        ROW("identity without a request", "\5\0\0\x86\1\0\0"),
        ROW("unknown subtype", "\x09\0\0"),
        ROW("authentication reject", "\2\0\0"),
        ROW("synchronization failure", "\4\0\0\4\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        ROW("notification of success", "\x0c\0\0\x0c\1\x80\0"),
        ROW("client error", "\x0e\0\0\x16\1\0\0"),
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t packet[64] = {1, 1, 0, (uint8_t)(5 + rows[i].len), EAP_TYPE_AKA};
        struct test_pair p;
        begin(&p);
        p.config[1].identity = span_text("anna");
        test_pair_make(&p);
        memcpy(packet + 5, rows[i].octets, rows[i].len);
        eap_peer_recv(p.peer, span_of(packet, 5 + rows[i].len), &p.peer_result);
        eap_peer_recv(p.peer, span_of("\3\1\0\4", 4), &p.peer_result);
        packet[0] = 2, packet[1] = p.result.packet[1];
        eap_authenticator_recv(p.authenticator, span_of(packet, 5 + rows[i].len), &p.result);
        bool refused = p.result.verdict == EAP_FAILED || test_pair_notified(&p);
        if (p.peer_result.verdict != EAP_FAILED || !refused)
            fail_msg("taken: %s", rows[i].name);
        test_pair_end(&p);
    }
}

static void identity_without_end(void **state)
{
    struct test_pair p;
    (void)state;
    begin(&p);
    test_pair_make(&p);
    for (int i = 0; i < 5; i++)
        eap_peer_recv(p.peer, span_of("\1\1\0\x0c\x17\5\0\0\x0d\1\0\0", 12), &p.peer_result);
    assert_int_equal(p.peer_result.verdict, EAP_FAILED);
    test_pair_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(milenage_test_set_1), cmocka_unit_test(keys_of_rfc4186),
        cmocka_unit_test(keys_of_rfc9048),     cmocka_unit_test(prime),
        cmocka_unit_test(prime_changed),       cmocka_unit_test(succeeds),
        cmocka_unit_test(synchronizes),        cmocka_unit_test(replayed_challenge),
        cmocka_unit_test(wrong_key),           cmocka_unit_test(every_octet_counts),
        cmocka_unit_test(hostile_attributes),  cmocka_unit_test(identity_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
