/* SPDX-License-Identifier: Apache-2.0 */
/* EAP-TLS, both sides: whole logins, certificates that are refused, and packets out of turn. */
#include "base/unit_test.h"
#include "eap/test_certificates.h"
#include "eap/test_pair.h"

static struct test_ca ca, other_ca;

static int group_setup(void **state)
{
    (void)state;
    test_ca_make(&ca, "CA");
    test_ca_make(&other_ca, "another CA");
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    test_ca_end(&ca);
    test_ca_end(&other_ca);
    return 0;
}

static const struct test_leaf anna = {.name = "anna"}, server = {.name = "aaa.example"};

/* struct run - a login between two sides. */
struct run {
    struct test_tls peer, server;
    struct test_pair pair;
};

static void begin(struct run *run)
{
    test_pair_begin(&run->pair, 1, NULL);
    test_pair_method(&run->pair, EAP_TYPE_TLS);
    run->pair.config[0].tls = run->peer.key == NULL ? NULL : &run->peer.tls;
    run->pair.config[1].tls = &run->server.tls;
}

static void begin_usual(struct run *run)
{
    test_tls_make(&run->peer, &ca, &anna, &ca);
    test_tls_make(&run->server, &ca, &server, &ca);
    begin(run);
}

static void end(struct run *run)
{
    test_pair_end(&run->pair);
    test_tls_end(&run->peer);
    test_tls_end(&run->server);
}

static void succeeds_with(const char *key, bool only_12)
{
    const struct test_leaf peer = {.name = "anna", .key = key};
    const struct test_leaf gateway = {.name = "aaa.example", .key = key};
    struct run run;
    test_tls_make(&run.peer, &ca, &peer, &ca);
    test_tls_make(&run.server, &ca, &gateway, &ca);
    begin(&run);
    run.peer.server = "aaa.example";
    run.server.tls.only_12 = only_12;
    struct test_pair *p = &run.pair;
    test_pair_make(p);
    test_pair_run(p);
    assert_string_equal(p->result.reason, "");
    assert_string_equal(p->peer_result.reason, "");
    assert_int_equal(p->result.verdict, EAP_SUCCEEDED);
    assert_int_equal(p->peer_result.verdict, EAP_SUCCEEDED);
    assert_int_equal(p->result.msk_len, EAP_MSK);
    assert_memory_equal(p->result.msk, p->peer_result.msk, EAP_MSK);
    assert_int_equal(p->result.not_after, 1234567890);
    assert_int_equal(p->peer_result.not_after, 1234567890);
    assert_true(p->result.chain == 7 && p->peer_result.chain == 7);
    assert_int_equal(run.peer.signatures, 1);
    assert_int_equal(run.server.signatures, 1);
    end(&run);
}

/* Each kind of key, with TLS 1.3 and 1.2: OpenSSL signs through us. */
static void succeeds(void **state)
{
    static const char *const keys[] = {NULL, "RSA", "P-384", "P-521", "ED25519", "ED448"};
    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(keys); i++)
        succeeds_with(keys[i / 2], i % 2 == 1);
}

struct refusal {
    const char *name;
    struct test_leaf peer, server;
    bool peer_other_ca, server_other_ca; /* issued by a CA that the other side does not know */
    const char *server_id;
    bool peer_refuses; /* else the authenticator does */
};

static void refuses(const struct refusal *row, bool only_12)
{
    struct run run;
    test_tls_make(&run.peer, row->peer_other_ca ? &other_ca : &ca, &row->peer, &ca);
    test_tls_make(&run.server, row->server_other_ca ? &other_ca : &ca, &row->server, &ca);
    begin(&run);
    run.peer.server = row->server_id;
    run.server.tls.only_12 = only_12;
    struct test_pair *p = &run.pair;
    test_pair_make(p);
    test_pair_run(p);
    if (p->peer_result.verdict != EAP_FAILED || p->result.verdict == EAP_SUCCEEDED)
        fail_msg("taken: %s", row->name);
    if (!row->peer_refuses && p->result.verdict != EAP_FAILED)
        fail_msg("the authenticator does not refuse: %s", row->name);
    if (row->peer_refuses && run.peer.signatures != 0)
        fail_msg("the peer signs all the same: %s", row->name);
    assert_int_equal(p->peer_result.msk_len + p->result.msk_len, 0);
    end(&run);
}

/* The cases A1 to A14 that apply to TLS: a certificate that OpenSSL refuses ends the login. */
static void certificates_refused(void **state)
{
    static const struct refusal rows[] = {
#define REFUSED(text, ...) {.name = text, __VA_ARGS__}
#define PEER               .peer = {.name = "anna"}
#define SERVER             .server = {.name = "aaa"}
        REFUSED("peer of another CA", PEER, SERVER, .peer_other_ca = true),
        REFUSED("server of another CA", PEER, SERVER, .server_other_ca = true,
                .peer_refuses = true),
        REFUSED("server with another name", PEER, .server = {.name = "bbb"}, .server_id = "aaa",
                .peer_refuses = true),
        REFUSED("server with a longer name", PEER, .server = {.name = "aaa.b"}, .server_id = "aaa",
                .peer_refuses = true),
        REFUSED("peer with another name", .peer = {.name = "bert"}, SERVER),
        REFUSED("peer with a longer name", .peer = {.name = "anna.b"}, SERVER),
        REFUSED("peer expired", .peer = {.name = "anna", .from_s = -100, .to_s = -10}, SERVER),
        REFUSED("peer too early", .peer = {.name = "anna", .from_s = 1000, .to_s = 2000}, SERVER),
        REFUSED("server expired", PEER, .server = {.name = "aaa", .from_s = -100, .to_s = -10},
                .peer_refuses = true),
        REFUSED("peer for another purpose", .peer = {.name = "anna", .eku = "serverAuth"}, SERVER),
        REFUSED("server for another purpose", PEER, .server = {.name = "aaa", .eku = "clientAuth"},
                .peer_refuses = true),
    };
    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++)
        refuses(&rows[i / 2], i % 2 == 1);
}

static void nothing_to_show(void **state)
{
    struct run run = {.peer = {.key = NULL}};
    (void)state;
    test_tls_make(&run.server, &ca, &server, &ca);
    begin(&run);
    test_pair_make(&run.pair);
    test_pair_run(&run.pair);
    assert_int_equal(run.pair.peer_result.verdict, EAP_FAILED);
    end(&run);
}

struct packet_row {
    const char *name, *octets;
    size_t len;
};
#define ROW(name, text)                                                                            \
    {                                                                                              \
        name, text, sizeof(text) - 1                                                               \
    }

/* Type-Data that both sides must refuse, at each point of the handshake. */
static const struct packet_row hostile_rows[] = {
    ROW("no flags", ""),
    ROW("length cut", "\x80\0\0"),
    ROW("length of 4 GiB", "\x80\xff\xff\xff\xff"
                           "x"),
    ROW("length of 64 KiB and one", "\x80\0\1\0\1x"),
    ROW("length too short", "\x80\0\0\0\1xx"),
    ROW("length too long, whole", "\x80\0\0\0\3xx"),
    ROW("more of nothing", "\x40"),
    ROW("not TLS", "\0GET / HTTP/1.1\r\n\r\n"),
    ROW("an empty record", "\0\x16\3\3\0\0"),
    ROW("an alert", "\0\x15\3\3\0\2\2\x28"),
};

static void hostile(const struct packet_row *row, unsigned before, bool to_peer)
{
    uint8_t packet[64] = {to_peer ? 1 : 2, 0, 0, (uint8_t)(5 + row->len), EAP_TYPE_TLS};
    struct run run;
    begin_usual(&run);
    struct test_pair *p = &run.pair;
    p->config[1].identity = span_text("anna");
    test_pair_make(p);
    for (unsigned i = 0; i < before; i++) {
        test_pair_to_peer(p);
        test_pair_to_authenticator(p);
    }
    memcpy(packet + 5, row->octets, row->len);
    packet[1] = p->result.packet[1];
    struct eap_result *result = to_peer ? &p->peer_result : &p->result;
    for (int i = 0; i < 3; i++) { /* an alert, and then the end */
        if (to_peer)
            eap_peer_recv(p->peer, span_of(packet, 5 + row->len), result);
        else
            eap_authenticator_recv(p->authenticator, span_of(packet, 5 + row->len), result);
        packet[1] = result->packet[1];
    }
    if (result->verdict != EAP_FAILED || result->msk_len != 0)
        fail_msg("taken: %s after %u packets to the %s", row->name, before,
                 to_peer ? "peer" : "authenticator");
    end(&run);
}

static void hostile_packets(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(hostile_rows); i++)
        for (unsigned before = 0; before < 4; before++) {
            hostile(&hostile_rows[i], before, true);
            hostile(&hostile_rows[i], before, false);
        }
}

/* A20: EAP-Success before the octet 0x00 of RFC 9190 is refused. */
static void success_too_early(void **state)
{
    (void)state;
    for (unsigned before = 0; before < 6; before++) {
        struct run run;
        begin_usual(&run);
        struct test_pair *p = &run.pair;
        p->config[1].identity = span_text("anna");
        test_pair_make(p);
        bool proven = false;
        for (unsigned i = 0; i < before && !proven; i++) {
            test_pair_to_peer(p);
            test_pair_to_authenticator(p);
            proven = p->result.verdict == EAP_SUCCEEDED;
        }
        if (!proven) {
            eap_peer_recv(p->peer, span_of("\3\1\0\4", 4), &p->peer_result);
            assert_int_equal(p->peer_result.verdict, EAP_FAILED);
            assert_int_equal(p->peer_result.msk_len, 0);
        }
        end(&run);
    }
}

/* length_add - gives a packet of TLS that is no fragment the flag L and its length. */
static void length_add(struct eap_result *result)
{
    uint8_t *packet = result->packet;
    size_t data = result->packet_len < 6 ? 0 : result->packet_len - 6;
    if (data == 0 || packet[4] != EAP_TYPE_TLS || (packet[5] & 0xc0) != 0)
        return;
    memmove(packet + 10, packet + 6, data);
    packet[5] |= 0x80;
    const uint8_t length[] = {0, 0, (uint8_t)(data >> 8), (uint8_t)data};
    memcpy(packet + 6, length, sizeof(length));
    result->packet_len += sizeof(length);
    packet[2] = (uint8_t)(result->packet_len >> 8);
    packet[3] = (uint8_t)result->packet_len;
}

/* whole_without_length - no packet of ours that is a whole flight has the flag L. */
static bool whole_without_length(const struct eap_result *result, bool in_fragments)
{
    const uint8_t *packet = result->packet;
    bool more = result->packet_len > 5 && packet[4] == EAP_TYPE_TLS && (packet[5] & 0x40) != 0;
    if (!in_fragments && !more && result->packet_len > 5 && packet[4] == EAP_TYPE_TLS)
        assert_int_equal(packet[5] & 0x80, 0);
    return more;
}

/* RFC 9190 section 2.1.9: the flag L is never set in an unfragmented packet, and accepted in one. */
static void length_of_one_packet(void **state)
{
    (void)state;
    for (int old = 0; old < 2; old++) {
        struct run run;
        bool more[2] = {false, false};
        begin_usual(&run);
        run.server.tls.only_12 = old == 1;
        struct test_pair *p = &run.pair;
        test_pair_make(p);
        for (int i = 0; i < 20 && p->result.verdict == EAP_REPLY; i++) {
            more[0] = whole_without_length(&p->result, more[0]);
            length_add(&p->result);
            test_pair_to_peer(p);
            if (p->peer_result.verdict != EAP_REPLY)
                break;
            more[1] = whole_without_length(&p->peer_result, more[1]);
            length_add(&p->peer_result);
            test_pair_to_authenticator(p);
        }
        assert_int_equal(p->result.verdict, EAP_SUCCEEDED);
        end(&run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(succeeds),          cmocka_unit_test(certificates_refused),
        cmocka_unit_test(nothing_to_show),   cmocka_unit_test(hostile_packets),
        cmocka_unit_test(success_too_early), cmocka_unit_test(length_of_one_packet),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
