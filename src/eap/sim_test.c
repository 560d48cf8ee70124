/* SPDX-License-Identifier: Apache-2.0 */
/* EAP-SIM, both sides. */
#include "base/unit_test.h"
#include "eap/test_pair.h"

#define SIM "0123456789abcdef0123456789abcdef" /* K and OPc, 16 octets each */

static void begin(struct test_pair *p)
{
    test_pair_begin(p, 1, NULL);
    test_pair_method(p, EAP_TYPE_SIM);
    test_pair_password(p, 0, SIM);
    test_pair_password(p, 1, SIM);
    p->config[1].identity = span_text("anna");
    test_pair_make(p);
}

static void succeeds(void **state)
{
    struct test_pair p;
    (void)state;
    begin(&p);
    test_pair_run(&p);
    assert_int_equal(p.result.verdict, EAP_SUCCEEDED);
    assert_int_equal(p.peer_result.verdict, EAP_SUCCEEDED);
    assert_int_equal(p.result.msk_len, EAP_MSK);
    assert_memory_equal(p.result.msk, p.peer_result.msk, EAP_MSK);
    test_pair_end(&p);
}

static void wrong_key(void **state)
{
    (void)state;
    for (int side = 0; side < 2; side++) {
        struct test_pair p;
        begin(&p);
        test_pair_password(&p, side, "0123456789abcdefX123456789abcdef");
        test_pair_run(&p);
        assert_int_equal(p.result.verdict, EAP_FAILED);
        assert_int_equal(p.peer_result.verdict, EAP_FAILED);
        test_pair_end(&p);
    }
}

/* Triplets: RAND of 16 octets, SRES of 4, Kc of 8. */
#define TRIPLET(c)                                                                                 \
    c c c c c c c c c c c c c c c c "s" c "es"                                                     \
                                    "kc-" c "key" c
#define TRIPLETS TRIPLET("a") TRIPLET("b") TRIPLET("c")

/* A list of triplets stands in for K and OPc. The order of the list does not matter, and a longer one
 * serves as well. */
static void triplets(void **state)
{
    static const struct {
        const char *peer, *authenticator;
        bool succeeds;
    } rows[] = {
        {TRIPLETS, TRIPLETS, true},
        {TRIPLET("c") TRIPLET("b") TRIPLET("a"), TRIPLETS, true},
        {TRIPLETS TRIPLET("d") TRIPLET("e") TRIPLET("f"), TRIPLETS, true},
        {TRIPLETS, TRIPLET("a") TRIPLET("b") TRIPLET("d"), false}, /* a RAND that the peer lacks */
        {TRIPLETS, TRIPLET("a") TRIPLET("b") TRIPLET("b"), false}, /* RFC 4186 section 10.9 */
        {TRIPLETS, TRIPLET("a") TRIPLET("b"), false},              /* too few */
        {TRIPLETS, TRIPLETS "x", false},
        {TRIPLETS, SIM, false},
        {SIM, TRIPLETS, false},
        {TRIPLETS, "aaaaaaaaaaaaaaaasaeskc-akexa" TRIPLET("b") TRIPLET("c"),
         false}, /* another Kc */
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct test_pair p;
        test_pair_begin(&p, 1 + i, NULL);
        test_pair_method(&p, EAP_TYPE_SIM);
        test_pair_password(&p, 0, rows[i].peer);
        test_pair_password(&p, 1, rows[i].authenticator);
        p.config[1].identity = span_text("anna");
        test_pair_make(&p);
        test_pair_run(&p);
        if (rows[i].succeeds != (p.result.verdict == EAP_SUCCEEDED) ||
            rows[i].succeeds != (p.peer_result.verdict == EAP_SUCCEEDED))
            fail_msg("row %zu: %s, %s", i, p.result.reason, p.peer_result.reason);
        test_pair_end(&p);
    }
}

/* The authenticator begins anywhere in a list that is longer than a challenge. */
static void triplets_in_turn(void **state)
{
    unsigned seen[256] = {0}, others = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct test_pair p;
        test_pair_begin(&p, seed, NULL);
        test_pair_method(&p, EAP_TYPE_SIM);
        for (int side = 0; side < 2; side++)
            test_pair_password(&p, side, TRIPLETS TRIPLET("d"));
        p.config[1].identity = span_text("anna");
        test_pair_make(&p);
        test_pair_to_peer(&p);
        test_pair_to_authenticator(&p);
        seen[p.result.packet[12]]++;
        test_pair_run(&p);
        assert_int_equal(p.result.verdict, EAP_SUCCEEDED);
        test_pair_end(&p);
    }
    for (char c = 'a'; c <= 'd'; c++) {
        assert_int_not_equal(seen[(uint8_t)c], 0);
        others += seen[(uint8_t)c];
    }
    assert_int_equal(others, 40);
}

/* An authenticator whose list has a RAND twice sends no challenge, wherever in the list it begins. */
static void a_triplet_twice(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct test_pair p;
        test_pair_begin(&p, seed, NULL);
        test_pair_method(&p, EAP_TYPE_SIM);
        test_pair_password(&p, 0, TRIPLETS TRIPLET("d"));
        test_pair_password(&p, 1, TRIPLETS TRIPLET("d") TRIPLET("d"));
        p.config[1].identity = span_text("anna");
        test_pair_make(&p);
        test_pair_to_peer(&p);
        test_pair_to_authenticator(&p);
        assert_true(test_pair_notified(&p));
        test_pair_end(&p);
    }
}

/* EAP-AKA cannot do with triplets: they do not prove the network. */
static void triplets_are_no_usim(void **state)
{
    struct test_pair p;
    (void)state;
    test_pair_begin(&p, 1, NULL);
    test_pair_method(&p, EAP_TYPE_AKA);
    for (int side = 0; side < 2; side++)
        test_pair_password(&p, side, TRIPLETS);
    p.config[1].identity = span_text("anna");
    test_pair_make(&p);
    test_pair_run(&p);
    assert_int_equal(p.result.verdict, EAP_FAILED);
    test_pair_end(&p);
}

/* Each octet of each packet is changed once. Either neither side succeeds, or both have the same
 * key. */
static void every_octet_counts(void **state)
{
    (void)state;
    for (unsigned packet = 0; packet < 4; packet++)
        for (size_t at = 4, len = 5; at < len; at++) {
            struct test_pair p;
            begin(&p);
            struct eap_result *const results[] = {&p.result, &p.peer_result};
            for (unsigned i = 0; i < 4; i++) {
                struct eap_result *last = results[i % 2];
                if (i == packet) {
                    len = last->packet_len;
                    last->packet[at] ^= 0x10;
                }
                if (i % 2 == 0)
                    test_pair_to_peer(&p);
                else
                    test_pair_to_authenticator(&p);
                if (results[(i + 1) % 2]->verdict != EAP_REPLY ||
                    results[(i + 1) % 2]->packet_len == 0)
                    break;
            }
            if (packet >= 2) /* the keys depend on the Starts, except on their reserved octets */
                assert_int_not_equal(p.result.verdict, EAP_SUCCEEDED);
            test_pair_end(&p);
        }
}

/* RFC 4186 section 10.9: three equal RANDs are refused, as they are worth one. */
static void equal_challenges(void **state)
{
    struct test_pair p;
    (void)state;
    begin(&p);
    test_pair_to_peer(&p);
    test_pair_to_authenticator(&p);
    memcpy(p.result.packet + 12 + 16, p.result.packet + 12, 16);
    test_pair_to_peer(&p);
    assert_non_null(strstr(p.peer_result.reason, "SIM challenge is malformed"));
    test_pair_end(&p);
}

/* RFC 4186 section 4.2.5: AT_ANY_ID_REQ, AT_FULLAUTH_ID_REQ and AT_PERMANENT_ID_REQ in this order, each once, in
 * three Starts at most. A letter for each Start. */
static void starts(void **state)
{
    static const struct {
        const char *ranks,
            *verdicts; /* n: no identity is asked for. Next: the Subtype of the answer */
    } rows[] = {{"afp", "sss"}, {"ap", "ss"},     {"nn", "ss"},    {"aa", "s!"},
                {"fa", "s!"},   {"pf", "s!"},     {"ff", "s!"},    {"pp", "s!"},
                {"v", "u"},     {"afpn", "sss!"}, {"nnnn", "sss!"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct test_pair p;
        uint8_t nonce[16];
        begin(&p);
        for (size_t j = 0; rows[i].ranks[j] != '\0'; j++) {
            char rank = rows[i].ranks[j], verdict = rows[i].verdicts[j];
            uint8_t packet[] = {1, 7, 0, 20, EAP_TYPE_SIM, 10, 0, 0, 15, 2, 0, 2,
                                0, 1, 0, 0,  13,           1,  0, 0};
            packet[16] = rank == 'f' ? 17 : rank == 'p' ? 10 : 13;
            packet[13] = rank == 'v' ? 2 : 1; /* another version */
            packet[3] = rank == 'n' ? 16 : 20;
            eap_peer_recv(p.peer, span_of(packet, packet[3]), &p.peer_result);
            const uint8_t *octets = p.peer_result.packet;
            if (octets[5] != (verdict == 's' ? 10 : 14) || (verdict == 'u' && octets[11] != 1))
                fail_msg("%s: Start %zu", rows[i].ranks, j);
            size_t at = rank == 'n' ? 8 : 8 + 4 * (size_t)octets[9]; /* behind AT_IDENTITY */
            if (verdict == 's' && j == 0)
                memcpy(nonce, octets + at + 4, sizeof(nonce));
            if (verdict == 's') /* section 10.4: NONCE_MT stays */
                assert_memory_equal(nonce, octets + at + 4, sizeof(nonce));
        }
        test_pair_end(&p);
    }
}

/* RFC 4186 section 10.16: the code of Client-Error for RANDs that are too few, equal or malformed. */
static void codes_of_client_errors(void **state)
{
    static const struct {
        uint8_t n, equal, cut, code;
    } rows[] = {{1, 0, 0, 2}, {0, 0, 0, 2}, {2, 1, 0, 3}, {3, 1, 0, 3}, {2, 0, 4, 0}, {4, 0, 0, 0}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct test_pair p;
        uint8_t packet[128] = {1, 9, 0, 0, EAP_TYPE_SIM, 11, 0, 0, 1};
        size_t len = 12 + 16 * (size_t)rows[i].n - rows[i].cut;
        begin(&p);
        test_pair_to_peer(&p); /* the peer has sent AT_NONCE_MT */
        for (size_t j = 0; j < rows[i].n; j++)
            packet[12 + 16 * j] = rows[i].equal ? 1 : (uint8_t)(1 + j);
        packet[3] = (uint8_t)len;
        packet[9] = (uint8_t)((len - 8) / 4);
        eap_peer_recv(p.peer, span_of(packet, len), &p.peer_result);
        assert_int_equal(p.peer_result.packet[5], 14);
        assert_int_equal(p.peer_result.packet[11], rows[i].code);
        test_pair_end(&p);
    }
}

static const struct {
    const char *octets;
    size_t len;
} hostile[] = {
    {"", 0},
    {"\x0a\0\0", 3},                    /* Start without versions */
    {"\x0a\0\0\x0f\2\0\2\0\2\0\0", 11}, /* of another version */
    {"\x0a\0\0\x0f\1\xff\xff", 7},      /* a list beyond its attribute */
    {"\x0a\0\0\x0f\0\0\2", 7},          /* an attribute of no length */
    {"\x0b\0\0\1\1\0\0", 7},            /* Challenge without RAND */
    {"\x0b\0\0\1\5\0\0"
     "0123456789abcdef",
     23},                        /* one RAND */
    {"\x0c\0\0\x0c\1\x80\0", 7}, /* Notification of success, unprotected */
    {"\x0d\0\0", 3},             /* Re-authentication */
};

static void hostile_packets(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4 * ARRAY_LEN(hostile); i++) {
        bool to_peer = i % 2 == 0;
        size_t len = hostile[i / 4].len;
        uint8_t packet[64] = {to_peer ? 1 : 2, 0, 0, (uint8_t)(5 + len), EAP_TYPE_SIM};
        struct test_pair p;
        begin(&p);
        if (i % 4 >= 2) { /* after the Start */
            test_pair_to_peer(&p);
            test_pair_to_authenticator(&p);
        }
        packet[1] = p.result.packet[1];
        memcpy(packet + 5, hostile[i / 4].octets, len);
        struct eap_result *result = to_peer ? &p.peer_result : &p.result;
        if (to_peer)
            eap_peer_recv(p.peer, span_of(packet, 5 + len), result);
        else
            eap_authenticator_recv(p.authenticator, span_of(packet, 5 + len), result);
        if (to_peer && result->verdict == EAP_REPLY)
            eap_peer_recv(p.peer, span_of("\3\1\0\4", 4), result);
        assert_true(result->verdict == EAP_FAILED || test_pair_notified(&p));
        assert_int_equal(result->msk_len, 0);
        test_pair_end(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(succeeds),
        cmocka_unit_test(wrong_key),
        cmocka_unit_test(every_octet_counts),
        cmocka_unit_test(equal_challenges),
        cmocka_unit_test(hostile_packets),
        cmocka_unit_test(starts),
        cmocka_unit_test(codes_of_client_errors),
        cmocka_unit_test(triplets),
        cmocka_unit_test(triplets_in_turn),
        cmocka_unit_test(triplets_are_no_usim),
        cmocka_unit_test(a_triplet_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
