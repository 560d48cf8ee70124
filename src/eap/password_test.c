/* SPDX-License-Identifier: Apache-2.0 */
/* EAP-MD5 and EAP-GTC: the methods without a key. */
#include "base/unit_test.h"
#include "eap/test_pair.h"

static const enum eap_type types[] = {EAP_TYPE_MD5, EAP_TYPE_GTC};

static void begin(struct test_pair *p, enum eap_type type)
{
    test_pair_begin(p, 1, NULL);
    test_pair_method(p, type);
}

static void succeeds(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct test_pair p;
        begin(&p, types[i]);
        test_pair_make(&p);
        test_pair_run(&p);
        assert_int_equal(p.result.verdict, EAP_SUCCEEDED);
        assert_int_equal(p.peer_result.verdict, EAP_SUCCEEDED);
        assert_int_equal(p.result.msk_len + p.peer_result.msk_len, 0);
        assert_memory_equal(p.result.identity, "anna", 4);
        assert_false(eap_type_derives_keys(types[i]));
        test_pair_end(&p);
    }
}

/* struct refusal - a login that must fail, because one side has another password. */
struct refusal {
    const char *peer, *authenticator; /* passwords; NULL: the usual one, "": none */
};

static void refused(void **state)
{
    static const struct refusal rows[] = {
        {"wrong", NULL}, {"correct hors", NULL}, {"correct horse ", NULL}, {NULL, ""}, {"", NULL}};
    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
        const struct refusal *row = &rows[i / 2];
        struct test_pair p;
        begin(&p, types[i % 2]);
        if (row->peer != NULL)
            test_pair_password(&p, 0, row->peer);
        if (row->authenticator != NULL)
            test_pair_password(&p, 1, row->authenticator);
        test_pair_make(&p);
        test_pair_run(&p);
        assert_int_not_equal(p.result.verdict, EAP_SUCCEEDED);
        assert_int_equal(p.peer_result.verdict, EAP_FAILED);
        test_pair_end(&p);
    }
}

/* An NT hash is not accepted in place of the password. */
static void hash_is_no_password(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct test_pair p;
        begin(&p, types[i]);
        p.sides[0].secret.kind = p.sides[1].secret.kind = EAP_SECRET_NT_HASH;
        test_pair_make(&p);
        test_pair_run(&p);
        assert_int_equal(p.peer_result.verdict, EAP_FAILED);
        test_pair_end(&p);
    }
}

/* A20: EAP-Success before the method; a second Request after it; wrong lengths. */
static void authenticator_out_of_turn(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct test_pair p;
        begin(&p, types[i]);
        p.config[1].identity = span_text("anna");
        test_pair_make(&p);
        eap_peer_recv(p.peer, span_of("\3\1\0\4", 4), &p.peer_result);
        assert_int_equal(p.peer_result.verdict, EAP_FAILED);
        test_pair_end(&p);

        begin(&p, types[i]);
        p.config[1].identity = span_text("anna");
        test_pair_make(&p);
        test_pair_to_peer(&p);
        assert_int_equal(p.peer_result.verdict, EAP_REPLY);
        test_pair_to_peer(&p); /* the Request again: the peer sends its password only once */
        assert_int_equal(p.peer_result.verdict, EAP_FAILED);
        assert_int_equal(p.peer_result.packet_len, 0);
        test_pair_end(&p);
    }
}

static const struct {
    const char *octets;
    size_t len;
} md5_rows[] = {{"", 0},
                {"\0", 1},
                {"\1", 1},
                {"\x11"
                 "0123456789abcdef",
                 17},
                {"\xff"
                 "x",
                 2},
                {"\x10"
                 "0123456789abcde",
                 16}};

static void md5_values_that_lie(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(md5_rows); i++) {
        bool to_peer = i % 2 == 0;
        size_t len = md5_rows[i / 2].len;
        uint8_t packet[64] = {to_peer ? 1 : 2, 0, 0, (uint8_t)(5 + len), EAP_TYPE_MD5};
        struct test_pair p;
        begin(&p, EAP_TYPE_MD5);
        p.config[1].identity = span_text("anna");
        test_pair_make(&p);
        packet[1] = p.result.packet[1];
        memcpy(packet + 5, md5_rows[i / 2].octets, len);
        if (to_peer)
            eap_peer_recv(p.peer, span_of(packet, 5 + len), &p.peer_result);
        else
            eap_authenticator_recv(p.authenticator, span_of(packet, 5 + len), &p.result);
        assert_int_equal(to_peer ? p.peer_result.verdict : p.result.verdict, EAP_FAILED);
        test_pair_end(&p);
    }
}

/* The authenticator compares all octets of the Response, and its length. */
static void md5_compared_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i <= 16; i++) {
        uint8_t packet[64];
        struct test_pair p;
        begin(&p, EAP_TYPE_MD5);
        p.config[1].identity = span_text("anna");
        test_pair_make(&p);
        test_pair_to_peer(&p);
        size_t len = p.peer_result.packet_len;
        assert_true(len >= 22 && len <= sizeof(packet) && p.peer_result.packet[5] == 16);
        memcpy(packet, p.peer_result.packet, len);
        if (i < 16)
            packet[6 + i] ^= 1;
        eap_authenticator_recv(p.authenticator, span_of(packet, len), &p.result);
        assert_int_equal(p.result.verdict, i < 16 ? EAP_FAILED : EAP_SUCCEEDED);
        test_pair_end(&p);
    }
}

/* RFC 3748 section 5.3.1: the Gateway offers one method after the other until the peer has it. */
static void chosen_by_nak(void **state)
{
    (void)state;
    struct test_pair p;
    begin(&p, EAP_TYPE_MD5);
    p.config[1].n_methods = 3;
    p.config[1].methods[0] = EAP_TYPE_MSCHAPV2;
    p.config[1].methods[1] = EAP_TYPE_AKA;
    p.config[1].methods[2] = EAP_TYPE_MD5;
    test_pair_make(&p);
    test_pair_run(&p);
    assert_int_equal(p.result.verdict, EAP_SUCCEEDED);
    assert_int_equal(p.result.type, EAP_TYPE_MD5);
    test_pair_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(succeeds),
        cmocka_unit_test(refused),
        cmocka_unit_test(hash_is_no_password),
        cmocka_unit_test(authenticator_out_of_turn),
        cmocka_unit_test(md5_values_that_lie),
        cmocka_unit_test(md5_compared_whole),
        cmocka_unit_test(chosen_by_nak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
