/* SPDX-License-Identifier: Apache-2.0 */
/* Both roles against each other, and each role against packets that the other must not send. */
#include "base/unit_test.h"
#include "eap/test_pair.h"

static void mschapv2_succeeds(void **state)
{
    struct test_pair p;
    (void)state;
    test_pair_begin(&p, 1, NULL);
    test_pair_make(&p);
    test_pair_run(&p);
    assert_int_equal(p.result.verdict, EAP_SUCCEEDED);
    assert_int_equal(p.peer_result.verdict, EAP_SUCCEEDED);
    assert_int_equal(p.result.msk_len, EAP_MSK);
    assert_memory_equal(p.result.msk, p.peer_result.msk, EAP_MSK);
    assert_int_equal(p.result.identity_len, 4);
    assert_memory_equal(p.result.identity, "anna", 4);
    assert_int_equal(p.packets, 7);
    test_pair_end(&p);
}

static void mschapv2_wrong_password(void **state)
{
    struct test_pair p;
    (void)state;
    test_pair_begin(&p, 2, NULL);
    test_pair_password(&p, 0, "wrong");
    test_pair_make(&p);
    test_pair_run(&p);
    assert_int_equal(p.peer_result.verdict, EAP_FAILED);
    assert_non_null(strstr(p.peer_result.reason, "E=691"));
    assert_int_equal(p.result.verdict, EAP_FAILED);
    assert_int_equal(p.result.packet[0], 4);
    assert_int_equal(p.result.msk_len, 0);
    test_pair_end(&p);
}

/* An authenticator without the password must not pass: A20, CVE-2015-8023. */
static void peer_demands_the_authenticators_proof(void **state)
{
    struct test_pair p;
    (void)state;
    test_pair_begin(&p, 3, NULL);
    test_pair_make(&p);
    test_pair_to_peer(&p); /* Identity */
    test_pair_to_authenticator(&p);
    test_pair_to_peer(&p); /* Challenge */
    test_pair_to_authenticator(&p);
    p.result.packet[12] ^= 1; /* in the 40 digits of Success */
    test_pair_to_peer(&p);
    assert_int_equal(p.peer_result.verdict, EAP_FAILED);
    assert_int_equal(p.peer_result.packet_len, 0);
    test_pair_end(&p);
}

static void unknown_user_looks_like_a_wrong_password(void **state)
{
    struct test_pair p;
    (void)state;
    test_pair_begin(&p, 4, NULL);
    p.sides[1].secret.len = 0;
    test_pair_make(&p);
    test_pair_run(&p);
    assert_int_equal(p.peer_result.verdict, EAP_FAILED);
    assert_non_null(strstr(p.peer_result.reason, "E=691"));
    test_pair_end(&p);
}

/* The result has the identity that was proven. A Response with another user's Name is refused, even
 * if the password of that user is right. */
static void name_of_another_user(void **state)
{
    struct test_pair p;
    (void)state;
    test_pair_begin(&p, 5, NULL);
    p.config[1].identity = span_text("bert"); /* as in IDi */
    test_pair_make(&p);
    test_pair_run(&p);
    assert_int_equal(p.peer_result.verdict, EAP_FAILED);
    test_pair_end(&p);
}

struct hostile {
    const char *name;
    const char *octets;
    size_t len;
};

#define PACKET(name, text)                                                                         \
    {                                                                                              \
        name, text, sizeof(text) - 1                                                               \
    }

static void peer_refuses(const struct hostile *row, unsigned packets_before)
{
    struct test_pair p;
    test_pair_begin(&p, 6, NULL);
    test_pair_make(&p);
    for (unsigned i = 0; i < packets_before; i++) {
        test_pair_to_peer(&p);
        test_pair_to_authenticator(&p);
    }
    eap_peer_recv(p.peer, span_of(row->octets, row->len), &p.peer_result);
    if (p.peer_result.verdict == EAP_REPLY) /* a last Response that reports the failure */
        eap_peer_recv(p.peer, span_of("\3\1\0\4", 4), &p.peer_result);
    if (p.peer_result.verdict != EAP_FAILED || p.peer_result.msk_len != 0)
        fail_msg("taken: %s after %u packets", row->name, packets_before);
    /* A21: a later Success changes nothing */
    eap_peer_recv(p.peer, span_of("\3\1\0\4", 4), &p.peer_result);
    assert_int_equal(p.peer_result.verdict, EAP_FAILED);
    test_pair_end(&p);
}

/* A20, A21, P33: packets that an authenticator must not send, at the beginning, after the identity
 * and after the Response. */
static void hostile_authenticator(void **state)
{
    static const struct hostile rows[] = {
        PACKET("nothing", ""),
        PACKET("half a header", "\1\1\0"),
        PACKET("code 0", "\0\1\0\5\1"),
        PACKET("code 5", "\5\1\0\5\1"),
        PACKET("a response", "\2\1\0\5\1"),
        PACKET("length below the header", "\1\1\0\3\1"),
        PACKET("length too long", "\1\1\0\6\1"),
        PACKET("length too short", "\1\1\0\5\1x"),
        PACKET("no type", "\1\1\0\4"),
        PACKET("type 0", "\1\1\0\5\0"),
        PACKET("success before the method", "\3\1\0\4"),
        PACKET("success with data", "\3\1\0\5x"),
        PACKET("failure", "\4\1\0\4"),
        PACKET("MSCHAPv2 without OpCode", "\1\1\0\5\x1a"),
        PACKET("MSCHAPv2 OpCode alone", "\1\1\0\6\x1a\1"),
        PACKET("MSCHAPv2 MS-Length too short", "\1\1\0\x0a\x1a\1\1\0\4\x10"),
        PACKET("MSCHAPv2 MS-Length too long", "\1\1\0\x0a\x1a\1\1\xff\xff\x10"),
        PACKET("MSCHAPv2 challenge cut", "\1\1\0\x0b\x1a\1\1\0\6\x10x"),
        PACKET("MSCHAPv2 challenge of 255", "\1\1\0\x0a\x1a\1\1\0\5\xff"),
        PACKET("MSCHAPv2 success of nothing", "\1\1\0\x09\x1a\3\1\0\4"),
        PACKET("MSCHAPv2 success S= alone", "\1\1\0\x0b\x1a\3\1\0\6S="),
        PACKET("MSCHAPv2 failure of 6 (CVE-2025-62291)", "\1\1\0\6\x1a\4"),
        PACKET("MSCHAPv2 failure of 7", "\1\1\0\7\x1a\4\1"),
        PACKET("MSCHAPv2 failure of 8", "\1\1\0\x08\x1a\4\1\0"),
        PACKET("MSCHAPv2 failure of 9", "\1\1\0\x09\x1a\4\1\0\4"),
        PACKET("MSCHAPv2 response to the peer", "\1\1\0\x09\x1a\2\1\0\4"),
        PACKET("MSCHAPv2 OpCode 9", "\1\1\0\x09\x1a\x09\1\0\4"),
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (unsigned before = 0; before < 3; before++)
            peer_refuses(&rows[i], before);
}

static void authenticator_refuses(const struct hostile *row, unsigned packets_before)
{
    uint8_t octets[128];
    struct test_pair p;
    test_pair_begin(&p, 7, NULL);
    test_pair_make(&p);
    for (unsigned i = 0; i < packets_before; i++) {
        test_pair_to_peer(&p);
        test_pair_to_authenticator(&p);
    }
    memcpy(octets, row->octets, row->len);
    if (row->len > 1 && octets[1] == 1) /* the right Identifier */
        octets[1] = p.result.packet[1];
    eap_authenticator_recv(p.authenticator, span_of(octets, row->len), &p.result);
    if (p.result.verdict == EAP_REPLY) /* MSCHAPv2 says Failure first */
        eap_authenticator_recv(p.authenticator, span_of("\2\1\0\6\x1a\4", 6), &p.result);
    if (p.result.verdict != EAP_FAILED || p.result.msk_len != 0 || p.result.packet[0] != 4)
        fail_msg("taken: %s after %u packets", row->name, packets_before);
    test_pair_end(&p);
}

static void hostile_peer(void **state)
{
    static const struct hostile rows[] = {
        PACKET("nothing", ""),
        PACKET("a request", "\1\1\0\5\1"),
        PACKET("success", "\3\1\0\4"),
        PACKET("another identifier", "\2\2\0\x09\1anna"),
        PACKET("identity without octets", "\2\1\0\5\1"),
        PACKET("nak for nothing", "\2\1\0\6\3\0"),
        PACKET("nak without types", "\2\1\0\5\3"),
        PACKET("nak for the same method", "\2\1\0\6\3\x1a"),
        PACKET("another method", "\2\1\0\6\x0dx"),
        PACKET("MSCHAPv2 without OpCode", "\2\1\0\5\x1a"),
        PACKET("MSCHAPv2 response cut", "\2\1\0\x0a\x1a\2\1\0\5\x31"),
        PACKET("MSCHAPv2 MS-Length 0", "\2\1\0\x0a\x1a\2\1\0\0\x31"),
        PACKET("MSCHAPv2 failure", "\2\1\0\6\x1a\4"),
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (unsigned before = 0; before < 3; before++)
            authenticator_refuses(&rows[i], before);
}

/* The peer's Success counts only after its Response: row 26 of the advisories. */
static void peer_success_out_of_turn(void **state)
{
    struct test_pair p;
    (void)state;
    test_pair_begin(&p, 8, NULL);
    p.config[1].identity = span_text("anna");
    test_pair_make(&p);
    uint8_t success[] = {2, p.result.packet[1], 0, 6, 26, 3};
    eap_authenticator_recv(p.authenticator, span_of(success, sizeof(success)), &p.result);
    assert_int_equal(p.result.verdict, EAP_FAILED);
    test_pair_end(&p);
}

static void identity_is_not_asked_twice(void **state)
{
    struct test_pair p;
    (void)state;
    test_pair_begin(&p, 9, NULL);
    p.config[1].identity = span_text("anna"); /* IDi said it */
    test_pair_make(&p);
    test_pair_run(&p);
    assert_int_equal(p.result.verdict, EAP_SUCCEEDED);
    assert_int_equal(p.packets, 5);
    test_pair_end(&p);
}

/* A21: an authenticator that repeats Identity or Notification forever. */
static void asked_without_end(void **state)
{
    static const struct hostile rows[] = {PACKET("identity", "\1\1\0\5\1"),
                                          PACKET("notification", "\1\1\0\6\2x")};
    (void)state;
    for (size_t row = 0; row < ARRAY_LEN(rows); row++) {
        struct test_pair p;
        test_pair_begin(&p, 10, NULL);
        test_pair_make(&p);
        for (int i = 0; i < EAP_ASKED; i++) {
            eap_peer_recv(p.peer, span_of(rows[row].octets, rows[row].len), &p.peer_result);
            assert_int_equal(p.peer_result.verdict, EAP_REPLY);
        }
        eap_peer_recv(p.peer, span_of(rows[row].octets, rows[row].len), &p.peer_result);
        assert_int_equal(p.peer_result.verdict, EAP_FAILED);
        test_pair_end(&p);
    }
}

static void nak_names_what_there_is(void **state)
{
    struct test_pair p;
    (void)state;
    test_pair_begin(&p, 11, NULL);
    test_pair_make(&p);
    eap_peer_recv(p.peer, span_of("\1\7\0\6\x15\0", 6), &p.peer_result);
    assert_int_equal(p.peer_result.packet_len, 6);
    assert_memory_equal(p.peer_result.packet, "\2\7\0\6\3\x1a", 6);
    /* RFC 3748 section 5.3.2 */
    eap_peer_recv(p.peer, span_of("\1\x08\0\x0c\xfe\0\0\1\0\0\0\1", 12), &p.peer_result);
    assert_int_equal(p.peer_result.packet_len, 20);
    assert_memory_equal(p.peer_result.packet, "\2\x08\0\x14\xfe\0\0\0\0\0\0\3\xfe\0\0\0\0\0\0\x1a",
                        20);
    test_pair_end(&p);
}

static void cut_anywhere(void **state)
{
    (void)state;
    for (unsigned before = 0; before < 4; before++) {
        struct test_pair p;
        test_pair_begin(&p, 12, NULL);
        test_pair_make(&p);
        for (unsigned i = 0; i < before; i++) {
            test_pair_to_peer(&p);
            test_pair_to_authenticator(&p);
        }
        uint8_t packet[EAP_PACKET];
        size_t len = p.result.packet_len - 1;
        memcpy(packet, p.result.packet, len);
        packet[2] = (uint8_t)(len >> 8), packet[3] = (uint8_t)len;
        eap_peer_recv(p.peer, span_of(packet, len), &p.peer_result);
        assert_int_not_equal(p.peer_result.verdict, EAP_SUCCEEDED);
        test_pair_end(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mschapv2_succeeds),
        cmocka_unit_test(mschapv2_wrong_password),
        cmocka_unit_test(peer_demands_the_authenticators_proof),
        cmocka_unit_test(unknown_user_looks_like_a_wrong_password),
        cmocka_unit_test(name_of_another_user),
        cmocka_unit_test(hostile_authenticator),
        cmocka_unit_test(hostile_peer),
        cmocka_unit_test(peer_success_out_of_turn),
        cmocka_unit_test(identity_is_not_asked_twice),
        cmocka_unit_test(asked_without_end),
        cmocka_unit_test(nak_names_what_there_is),
        cmocka_unit_test(cut_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
