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

static void begin(struct test_pair *p, struct eap_tls *peer, struct eap_tls *authenticator)
{
    test_pair_begin(p, 1, NULL);
    test_pair_method(p, EAP_TYPE_TLS);
    p->config[0].tls = peer;
    p->config[1].tls = authenticator;
}

static void end(struct test_pair *p)
{
    struct eap_tls *peer = (struct eap_tls *)(uintptr_t)p->config[0].tls;
    struct eap_tls *authenticator = (struct eap_tls *)(uintptr_t)p->config[1].tls;
    test_pair_end(p);
    eap_tls_free(peer);
    eap_tls_free(authenticator);
}

static void succeeds(void **state)
{
    struct test_pair p;
    (void)state;
    begin(&p, test_tls(&ca, &anna, &ca), test_tls(&ca, &server, &ca));
    p.config[0].server_id = span_text("aaa.example");
    test_pair_make(&p);
    test_pair_run(&p);
    assert_string_equal(p.peer_result.reason, "");
    assert_int_equal(p.result.verdict, EAP_SUCCEEDED);
    assert_int_equal(p.peer_result.verdict, EAP_SUCCEEDED);
    assert_int_equal(p.result.msk_len, EAP_MSK);
    assert_memory_equal(p.result.msk, p.peer_result.msk, EAP_MSK);
    end(&p);
}

struct refusal {
    const char *name;
    struct test_leaf peer, server;
    bool peer_other_ca, server_other_ca; /* issued by a CA that the other side does not know */
    const char *server_id;
    bool peer_refuses; /* else the authenticator does */
};

static void refuses(const struct refusal *row)
{
    struct test_pair p;
    begin(&p, test_tls(row->peer_other_ca ? &other_ca : &ca, &row->peer, &ca),
          test_tls(row->server_other_ca ? &other_ca : &ca, &row->server, &ca));
    if (row->server_id != NULL)
        p.config[0].server_id = span_text(row->server_id);
    test_pair_make(&p);
    test_pair_run(&p);
    if (p.peer_result.verdict != EAP_FAILED || p.result.verdict == EAP_SUCCEEDED)
        fail_msg("taken: %s", row->name);
    if (!row->peer_refuses && p.result.verdict != EAP_FAILED)
        fail_msg("the authenticator does not refuse: %s", row->name);
    assert_int_equal(p.peer_result.msk_len + p.result.msk_len, 0);
    end(&p);
}

/* A1 to A14 as far as TLS meets them; OpenSSL decides, and what it refuses is refused. */
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
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        refuses(&rows[i]);
}

static void nothing_to_show(void **state)
{
    struct test_pair p;
    (void)state;
    begin(&p, NULL, test_tls(&ca, &server, &ca));
    test_pair_make(&p);
    test_pair_run(&p);
    assert_int_equal(p.peer_result.verdict, EAP_FAILED);
    end(&p);
}

struct packet_row {
    const char *name, *octets;
    size_t len;
};
#define ROW(name, text)                                                                            \
    {                                                                                              \
        name, text, sizeof(text) - 1                                                               \
    }

/* Type-Data that the framing must refuse, at any point of the handshake, to either side. */
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
    struct test_pair p;
    begin(&p, test_tls(&ca, &anna, &ca), test_tls(&ca, &server, &ca));
    p.config[1].identity = span_text("anna");
    test_pair_make(&p);
    for (unsigned i = 0; i < before; i++) {
        test_pair_to_peer(&p);
        test_pair_to_authenticator(&p);
    }
    memcpy(packet + 5, row->octets, row->len);
    packet[1] = p.result.packet[1];
    struct eap_result *result = to_peer ? &p.peer_result : &p.result;
    for (int i = 0; i < 3; i++) { /* an alert, and then the end */
        if (to_peer)
            eap_peer_recv(p.peer, span_of(packet, 5 + row->len), result);
        else
            eap_authenticator_recv(p.authenticator, span_of(packet, 5 + row->len), result);
        packet[1] = result->packet[1];
    }
    if (result->verdict != EAP_FAILED || result->msk_len != 0)
        fail_msg("taken: %s after %u packets to the %s", row->name, before,
                 to_peer ? "peer" : "authenticator");
    end(&p);
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

/* A20: EAP-Success before the octet 0x00 of RFC 9190 is none. */
static void success_too_early(void **state)
{
    (void)state;
    for (unsigned before = 0; before < 6; before++) {
        struct test_pair p;
        begin(&p, test_tls(&ca, &anna, &ca), test_tls(&ca, &server, &ca));
        p.config[1].identity = span_text("anna");
        test_pair_make(&p);
        bool proven = false;
        for (unsigned i = 0; i < before && !proven; i++) {
            test_pair_to_peer(&p);
            test_pair_to_authenticator(&p);
            proven = p.result.verdict == EAP_SUCCEEDED;
        }
        if (!proven) {
            eap_peer_recv(p.peer, span_of("\3\1\0\4", 4), &p.peer_result);
            assert_int_equal(p.peer_result.verdict, EAP_FAILED);
            assert_int_equal(p.peer_result.msk_len, 0);
        }
        end(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(succeeds),          cmocka_unit_test(certificates_refused),
        cmocka_unit_test(nothing_to_show),   cmocka_unit_test(hostile_packets),
        cmocka_unit_test(success_too_early),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
