/* SPDX-License-Identifier: Apache-2.0 */
/* EAP-TTLS and PEAP, both sides: whole logins by each inner method, servers and passwords that are
 * refused, and packets out of turn, outside of the tunnel and inside. */
#include "base/unit_test.h"
#include "eap/test_certificates.h"
#include "eap/test_pair.h"
#include "eap/tls_tunnel.h"

static struct test_ca ca, other_ca;
static const enum eap_type types[] = {EAP_TYPE_TTLS, EAP_TYPE_PEAP};

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

struct run {
    struct test_tls peer, server;
    struct test_pair pair;
};

static void begin(struct run *run, enum eap_type type, const struct test_ca *issuer)
{
    const struct test_leaf anna = {.name = "anna"}, aaa = {.name = "aaa.example"};
    test_tls_make(&run->peer, &ca, &anna, &ca);
    test_tls_make(&run->server, issuer, &aaa, &ca);
    run->peer.tls.n_certs = 0; /* the peer shows none */
    run->peer.server = "aaa.example";
    test_pair_begin(&run->pair, 1, NULL);
    test_pair_method(&run->pair, type);
    run->pair.config[0].tls = &run->peer.tls;
    run->pair.config[1].tls = &run->server.tls;
}

static void end(struct run *run)
{
    test_pair_end(&run->pair);
    test_tls_end(&run->peer);
    test_tls_end(&run->server);
}

static void succeeds(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(types); i++) {
        struct run run;
        begin(&run, types[i / 2], &ca);
        run.server.tls.only_12 = i % 2 == 1;
        struct test_pair *p = &run.pair;
        test_pair_make(p);
        test_pair_run(p);
        assert_string_equal(p->result.reason, "");
        assert_string_equal(p->peer_result.reason, "");
        assert_int_equal(p->result.verdict, EAP_SUCCEEDED);
        assert_int_equal(p->peer_result.verdict, EAP_SUCCEEDED);
        assert_int_equal(p->result.msk_len, EAP_MSK);
        assert_memory_equal(p->result.msk, p->peer_result.msk, EAP_MSK);
        assert_int_equal(run.server.signatures, 1);
        assert_int_equal(run.peer.signatures, 0);
        end(&run);
    }
}

/* struct refusal - a login that must fail for one reason. */
struct refusal {
    const char *name, *peer, *authenticator, *server; /* passwords; the name of the server */
    bool other_ca;
};

static void refused(void **state)
{
    static const struct refusal rows[] = {
        {.name = "a server of another CA", .other_ca = true},
        {.name = "a server of another name", .server = "bbb.example"},
        {.name = "a wrong password", .peer = "wrong"},
        {.name = "an unknown user", .authenticator = ""},
        {.name = "no password", .peer = ""},
    };
    (void)state;
    for (size_t i = 0; i < 4 * ARRAY_LEN(rows); i++) {
        const struct refusal *row = &rows[i / 4];
        struct run run;
        begin(&run, types[i % 2], row->other_ca ? &other_ca : &ca);
        run.server.tls.only_12 = i % 4 >= 2;
        struct test_pair *p = &run.pair;
        if (row->server != NULL)
            run.peer.server = row->server;
        if (row->peer != NULL)
            test_pair_password(p, 0, row->peer);
        if (row->authenticator != NULL)
            test_pair_password(p, 1, row->authenticator);
        test_pair_make(p);
        test_pair_run(p);
        if (p->peer_result.verdict != EAP_FAILED || p->result.verdict == EAP_SUCCEEDED ||
            p->peer_result.msk_len + p->result.msk_len != 0)
            fail_msg("taken: %s", row->name);
        end(&run);
    }
}

/* A20: EAP-Success at each point before the inner method has ended well. */
static void success_too_early(void **state)
{
    (void)state;
    for (unsigned before = 0; before < 2 * 12; before++) {
        struct run run;
        begin(&run, types[before % 2], &ca);
        struct test_pair *p = &run.pair;
        p->config[1].identity = span_text("anna");
        test_pair_make(p);
        bool proven = false;
        for (unsigned i = 0; i < before / 2 && !proven; i++) {
            test_pair_to_peer(p);
            test_pair_to_authenticator(p);
            proven = p->result.verdict == EAP_SUCCEEDED;
        }
        if (!proven) {
            /* with TTLS the inner method may be over before the authenticator knows it */
            eap_peer_recv(p->peer, span_of("\3\1\0\4", 4), &p->peer_result);
            if (types[before % 2] == EAP_TYPE_PEAP || before / 2 < 5)
                assert_int_equal(p->peer_result.verdict, EAP_FAILED);
        }
        end(&run);
    }
}

/* anonymous - the peer says this identity outside of the tunnel, and "anna" inside, with her password. */
static void anonymous(struct run *run, enum eap_type type, const char *outside)
{
    uint8_t room[64];
    struct writer w = writer_of(room, sizeof(room));
    struct test_pair *p = &run->pair;
    begin(run, type, &ca);
    assert_int_equal(eap_peer_new(&p->config[0], &p->peer), 0);
    assert_int_equal(eap_authenticator_new(&p->config[1], &p->authenticator), 0);
    eap_authenticator_asked(p->authenticator, 6);
    eap_packet_begin(&w, EAP_RESPONSE, 6, EAP_TYPE_IDENTITY);
    write_bytes(&w, span_text(outside));
    eap_packet_end(&w);
    eap_authenticator_recv(p->authenticator, writer_span(&w), &p->result);
    test_pair_run(p);
}

/* RFC 5281 section 7.3: the session has the inner identity, which is proven, and never the outer one. */
static void anonymous_outside(void **state)
{
    static const char *const names[] = {"anonymous@example", "@example", "bert"};
    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(names); i++) {
        struct run run;
        anonymous(&run, types[i % 2], names[i / 2]);
        struct test_pair *p = &run.pair;
        assert_int_equal(p->result.verdict, EAP_SUCCEEDED);
        assert_true(
            span_equal(span_of(p->result.identity, p->result.identity_len), span_text("anna")));
        assert_memory_equal(p->result.msk, p->peer_result.msk, EAP_MSK);
        end(&run);
    }
}

/* The outer identity is IDi, which the session has: no other one may come inside. */
static void identity_of_another(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct run run;
        begin(&run, types[i], &ca);
        struct test_pair *p = &run.pair;
        p->config[1].identity = span_text("bert"); /* inside it will be anna, with her password */
        test_pair_make(p);
        test_pair_run(p);
        assert_int_equal(p->result.verdict, EAP_FAILED);
        assert_int_equal(p->peer_result.verdict, EAP_FAILED);
        end(&run);
    }
}

/* --- a server with a good certificate that is hostile inside the tunnel --- */

struct server {
    struct eap_talk talk;
    struct tls_tunnel tunnel;
    uint8_t identifier;
};

static struct span wrap(struct server *s, uint8_t type, uint8_t flags, uint8_t packet[EAP_PACKET])
{
    struct writer w = writer_of(packet, EAP_PACKET);
    eap_packet_begin(&w, EAP_REQUEST, ++s->identifier, type);
    if (flags != 0)
        write_u8(&w, flags);
    else
        tls_tunnel_write(&s->tunnel, &w);
    eap_packet_end(&w);
    return writer_span(&w);
}

/* handshake - runs TLS until the peer has no more to send, or has begun the inner conversation. */
static void handshake(struct run *run, struct server *s, uint8_t type)
{
    struct test_pair *p = &run->pair;
    uint8_t packet[EAP_PACKET], inside[1024];
    s->talk = (struct eap_talk){.crypto = p->crypto,
                                .random = &p->random,
                                .secrets = &p->secrets[1],
                                .tls = &run->server.tls};
    assert_int_equal(tls_tunnel_begin(&s->tunnel, &s->talk, TLS_AUTHENTICATOR_ALONE), 0);
    eap_peer_recv(p->peer, wrap(s, type, 0x20, packet), &p->peer_result);
    for (int i = 0; i < 6; i++) {
        struct eap_packet response;
        bool start;
        assert_int_equal(p->peer_result.verdict, EAP_REPLY);
        assert_true(
            eap_packet_read(span_of(p->peer_result.packet, p->peer_result.packet_len), &response));
        (void)tls_tunnel_recv(&s->tunnel, response.data, &start);
        if (s->tunnel.done && tls_tunnel_pending(&s->tunnel) == 0)
            break;
        if (!s->tunnel.done)
            assert_true(tls_tunnel_advance(&s->tunnel));
        if (s->tunnel.done && tls_tunnel_pending(&s->tunnel) == 0)
            break;
        eap_peer_recv(p->peer, wrap(s, type, 0, packet), &p->peer_result);
    }
    (void)SSL_read(s->tunnel.ssl, inside, sizeof(inside));
}

/* shake_hands - the peer's tunnel asks the authenticator's for an OCSP response. */
static void shake_hands(struct tls_tunnel *peer, struct tls_tunnel *server)
{
    struct tls_tunnel *const ends[] = {peer, server};
    uint8_t octets[EAP_PACKET];
    bool start;
    assert_int_equal(SSL_set_tlsext_status_type(peer->ssl, TLSEXT_STATUSTYPE_ocsp), 1);
    for (unsigned i = 0; i < 40 && !(peer->done && server->done); i++) {
        struct tls_tunnel *from = ends[i % 2], *to = ends[(i + 1) % 2];
        enum tls_step step = TLS_STEP_FLIGHT;
        if (!from->done)
            assert_true(tls_tunnel_advance(from));
        while (step != TLS_STEP_ACK && tls_tunnel_pending(from) > 0) {
            struct writer w = writer_of(octets, sizeof(octets));
            tls_tunnel_write(from, &w);
            step = tls_tunnel_recv(to, writer_span(&w), &start);
            assert_true(step == TLS_STEP_FLIGHT || step == TLS_STEP_FRAGMENT);
        }
    }
    assert_true(peer->done && server->done);
}

/* RFC 9190 section 5.4: a client that asks gets the OCSP response about the server's certificate, and a server
 * without one logs in all the same. */
static void ocsp_response(void **state)
{
    static const char response[] = "what a responder has said";
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct run run;
        struct tls_tunnel tunnels[2];
        const unsigned char *got = NULL;
        begin(&run, EAP_TYPE_TTLS, &ca);
        if (i % 2 == 0)
            run.server.tls.ocsp = span_text(response);
        run.server.tls.only_12 = i >= 2;
        struct test_pair *p = &run.pair;
        struct eap_talk peer = {.crypto = p->crypto, .random = &p->random, .tls = &run.peer.tls};
        struct eap_talk server = {
            .crypto = p->crypto, .random = &p->random, .tls = &run.server.tls};
        assert_int_equal(tls_tunnel_begin(&tunnels[0], &peer, TLS_PEER_ANONYMOUS), 0);
        assert_int_equal(tls_tunnel_begin(&tunnels[1], &server, TLS_AUTHENTICATOR_ALONE), 0);
        shake_hands(&tunnels[0], &tunnels[1]);
        long len = SSL_get_tlsext_status_ocsp_resp(tunnels[0].ssl, &got);
        if (i % 2 == 0)
            assert_true(span_equal(span_of(got, (size_t)len), span_text(response)));
        else
            assert_int_equal(len, -1);
        tls_tunnel_end(&tunnels[0]);
        tls_tunnel_end(&tunnels[1]);
        end(&run);
    }
}

struct inside {
    enum eap_type type;
    const char *name, *octets;
    size_t len;
};
#define INSIDE(type, name, text)                                                                   \
    {                                                                                              \
        type, name, text, sizeof(text) - 1                                                         \
    }

static void never_succeeds(const struct inside *row, bool only_12)
{
    struct run run;
    struct server s = {.identifier = 7};
    uint8_t packet[EAP_PACKET];
    begin(&run, row->type, &ca);
    run.server.tls.only_12 = only_12;
    struct test_pair *p = &run.pair;
    test_pair_make(p);
    handshake(&run, &s, (uint8_t)row->type);
    assert_int_equal(SSL_write(s.tunnel.ssl, row->octets, (int)row->len), (int)row->len);
    eap_peer_recv(p->peer, wrap(&s, (uint8_t)row->type, 0, packet), &p->peer_result);
    if (p->peer_result.verdict != EAP_FAILED) {
        const uint8_t success[] = {EAP_SUCCESS, s.identifier, 0, 4};
        eap_peer_recv(p->peer, span_of(success, 4), &p->peer_result);
    }
    if (p->peer_result.verdict != EAP_FAILED || p->peer_result.msk_len != 0)
        fail_msg("taken: %s", row->name);
    tls_tunnel_end(&s.tunnel);
    end(&run);
}

/* A server that refuses the inner method may close the tunnel. The peer answers with an empty Response,
 * so that EAP-Failure can come. */
static void closed_tunnel(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        const enum eap_type type = i < 2 ? EAP_TYPE_TTLS : EAP_TYPE_PEAP;
        struct run run;
        struct server s = {.identifier = 7};
        struct eap_packet response;
        uint8_t packet[EAP_PACKET];
        begin(&run, type, &ca);
        run.server.tls.only_12 = i % 2 == 1;
        struct test_pair *p = &run.pair;
        test_pair_make(p);
        handshake(&run, &s, (uint8_t)type);
        assert_int_equal(SSL_shutdown(s.tunnel.ssl), 0);
        eap_peer_recv(p->peer, wrap(&s, (uint8_t)type, 0, packet), &p->peer_result);
        assert_int_equal(p->peer_result.verdict, EAP_REPLY);
        assert_true(
            eap_packet_read(span_of(p->peer_result.packet, p->peer_result.packet_len), &response));
        assert_true(response.type == type && response.data.len >= 1);
        const uint8_t failure[] = {EAP_FAILURE, s.identifier, 0, 4};
        eap_peer_recv(p->peer, span_of(failure, 4), &p->peer_result);
        assert_int_equal(p->peer_result.verdict, EAP_FAILED);
        assert_non_null(strstr(p->peer_result.reason, "has closed the TLS tunnel"));
        tls_tunnel_end(&s.tunnel);
        end(&run);
    }
}

static void hostile_inside(void **state)
{
    static const struct inside rows[] = {
        INSIDE(EAP_TYPE_PEAP, "Result before the method", "\1\1\0\x0b\x21\x80\3\0\2\0\1"),
        INSIDE(EAP_TYPE_PEAP, "Result failure", "\1\1\0\x0b\x21\x80\3\0\2\0\2"),
        INSIDE(EAP_TYPE_PEAP, "Result of two lengths", "\1\1\0\x0b\x21\x80\3\0\3\0\1"),
        INSIDE(EAP_TYPE_PEAP, "two Results", "\1\1\0\x11\x21\x80\3\0\2\0\1\x80\3\0\2\0\1"),
        INSIDE(EAP_TYPE_PEAP, "TLV beyond the end", "\1\1\0\x0b\x21\x80\3\xff\xff\0\1"),
        INSIDE(EAP_TYPE_PEAP, "Success inside", "\3\1\0\4"),
        INSIDE(EAP_TYPE_PEAP, "identity alone", "\1"),
        INSIDE(EAP_TYPE_PEAP, "TLS inside of TLS", "\x0d\x20"),
        INSIDE(EAP_TYPE_PEAP, "a challenge of no length", "\x1a\1\1\0\5"),
        INSIDE(EAP_TYPE_TTLS, "an AVP without its header", "\0\0\0"),
        INSIDE(EAP_TYPE_TTLS, "an AVP shorter than its header", "\0\0\0\x4f\x40\0\0\7"),
        INSIDE(EAP_TYPE_TTLS, "an AVP longer than all", "\0\0\0\x4f\x40\0\1\0xxxx"),
        INSIDE(EAP_TYPE_TTLS, "an AVP of 16 MiB", "\0\0\0\x4f\x40\xff\xff\xffxxxx"),
        INSIDE(EAP_TYPE_TTLS, "a vendor AVP cut", "\0\0\0\x4f\xc0\0\0\x0a\0\0"),
        INSIDE(EAP_TYPE_TTLS, "an unknown AVP that must be known", "\0\0\0\1\x40\0\0\x0cxxxx"),
        INSIDE(EAP_TYPE_TTLS, "nothing but an unknown AVP", "\0\0\0\1\0\0\0\x0cxxxx"),
        INSIDE(EAP_TYPE_TTLS, "Success inside", "\0\0\0\x4f\x40\0\0\x0c\3\0\0\4"),
        INSIDE(EAP_TYPE_TTLS, "identity again", "\0\0\0\x4f\x40\0\0\x0d\1\0\0\5\1\0\0\0"),
        INSIDE(EAP_TYPE_TTLS, "a Response", "\0\0\0\x4f\x40\0\0\x0d\2\0\0\5\1\0\0\0"),
    };
    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++)
        never_succeeds(&rows[i / 2], i % 2 == 1);
}

/* One octet of one packet is changed: neither side succeeds. */
static void changed_on_the_way(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 40; n++) {
        struct run run;
        begin(&run, types[n % 2], &ca);
        struct test_pair *p = &run.pair;
        p->config[1].identity = span_text("anna");
        test_pair_make(p);
        for (unsigned i = 0; p->peer_result.verdict != EAP_FAILED; i++) {
            if (i == n / 4 && (n & 2) == 0)
                p->result.packet[p->result.packet_len - 1] ^= 1;
            test_pair_to_peer(p);
            if (p->peer_result.packet_len == 0)
                break;
            if (i == n / 4 && (n & 2) != 0)
                p->peer_result.packet[p->peer_result.packet_len - 1] ^= 1;
            test_pair_to_authenticator(p);
        }
        if (p->result.verdict == EAP_SUCCEEDED && p->peer_result.verdict == EAP_SUCCEEDED)
            assert_memory_equal(p->result.msk, p->peer_result.msk, EAP_MSK);
        end(&run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(succeeds),           cmocka_unit_test(refused),
        cmocka_unit_test(success_too_early),  cmocka_unit_test(identity_of_another),
        cmocka_unit_test(anonymous_outside),  cmocka_unit_test(hostile_inside),
        cmocka_unit_test(closed_tunnel),      cmocka_unit_test(ocsp_response),
        cmocka_unit_test(changed_on_the_way),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
