/* SPDX-License-Identifier: Apache-2.0 */
/* EAP-TTLS with PAP, CHAP and MS-CHAP-V2 inside: the peer against a server that this file plays. */
#include <openssl/ssl.h>

#include "base/unit_test.h"
#include "eap/mschap.h"
#include "eap/test_certificates.h"
#include "eap/test_pair.h"
#include "eap/tls_inner.h"
#include "eap/ttls_avp.h"

static const char password[] = "correct horse battery"; /* longer than a block of PAP */

/* struct server - the octets that the server got in the tunnel, and its next answer. */
static struct server {
    struct inner inner;
    struct eap_talk talk;
    uint8_t octets[INNER_MAX];
    size_t len;
    enum eap_step step; /* the outcome of the peer's first flight */
    struct span answer; /* the answer to that flight; empty: none */
    bool true_answer;   /* answer with MS-CHAP2-Success of the right password */
} server;

static bool avp_find(uint32_t code, uint32_t vendor, struct span *ret)
{
    struct reader r = reader_of(span_of(server.octets, server.len));
    struct avp avp;
    while (avp_read(&r, &avp))
        if (avp.code == code && avp.vendor == vendor) {
            *ret = avp.data;
            return avp.mandatory;
        }
    return false;
}

/* success_write - writes MS-CHAP2-Success for the peer's response. */
static void success_write(struct writer *out)
{
    struct span challenge = {0}, response = {0};
    struct mschap_exchange e;
    struct eap_secret secret = {.kind = EAP_SECRET_PASSWORD, .len = strlen(password)};
    uint8_t hash[MSCHAP_HASH], value[1 + MSCHAP_AUTH];
    memcpy(secret.octets, password, secret.len);
    assert_true(avp_find(AVP_MS_CHAP_CHALLENGE, AVP_MICROSOFT, &challenge));
    assert_true(avp_find(AVP_MS_CHAP2_RESPONSE, AVP_MICROSOFT, &response));
    assert_int_equal(response.len, 50);
    memcpy(e.authenticator_challenge, challenge.ptr, MSCHAP_CHALLENGE);
    memcpy(e.peer_challenge, response.ptr + 2, MSCHAP_CHALLENGE);
    memcpy(e.nt_response, response.ptr + 26, MSCHAP_NT_RESPONSE);
    assert_int_equal(mschap_secret_hash(server.talk.crypto, &secret, hash), 0);
    uint8_t wanted[MSCHAP_NT_RESPONSE];
    assert_int_equal(mschap_nt_response(server.talk.crypto, &e, span_text("anna"), hash, wanted),
                     0);
    assert_memory_equal(wanted, e.nt_response, sizeof(wanted));
    value[0] = response.ptr[0];
    assert_int_equal(
        mschap_authenticator_response(server.talk.crypto, &e, span_text("anna"), hash, value + 1),
        0);
    const struct avp avp = {.code = AVP_MS_CHAP2_SUCCESS,
                            .vendor = AVP_MICROSOFT,
                            .data = span_of(value, sizeof(value))};
    avp_write(out, &avp);
}

static enum eap_step serve(struct eap_talk *talk, struct inner *inner, struct span data,
                           struct writer *out)
{
    (void)talk, (void)inner;
    memcpy(server.octets, data.ptr, data.len);
    server.len = data.len;
    if (server.true_answer)
        success_write(out);
    else
        write_bytes(out, server.answer);
    return server.step;
}

static const struct inner_codec codec = {.type = EAP_TYPE_TTLS,
                                         .label = "ttls keying material",
                                         .peer_begins = true,
                                         .authenticator = serve};

struct run {
    struct test_ca ca;
    struct test_tls peer, aaa;
    struct test_pair pair;
    enum eap_step last; /* of the server */
};

static void begin(struct run *run, enum eap_type type)
{
    const struct test_leaf anna = {.name = "anna"}, aaa = {.name = "aaa.example"};
    server = (struct server){.inner = {.codec = &codec}, .step = EAP_STEP_DONE};
    test_ca_make(&run->ca, "CA");
    test_tls_make(&run->peer, &run->ca, &anna, &run->ca);
    test_tls_make(&run->aaa, &run->ca, &aaa, &run->ca);
    run->peer.tls.n_certs = 0;
    run->peer.server = "aaa.example";
    test_pair_begin(&run->pair, 1, NULL);
    test_pair_password(&run->pair, 0, password);
    run->pair.config[0].n_methods = 1;
    run->pair.config[0].methods[0] = type;
    run->pair.config[0].tls = &run->peer.tls;
    assert_int_equal(eap_peer_new(&run->pair.config[0], &run->pair.peer), 0);
    server.talk = (struct eap_talk){
        .crypto = run->pair.crypto, .random = &run->pair.random, .tls = &run->aaa.tls};
}

static void end(struct run *run)
{
    inner_done(&server.inner);
    test_pair_end(&run->pair);
    test_tls_end(&run->peer);
    test_tls_end(&run->aaa);
    test_ca_end(&run->ca);
}

/* play - runs until the server or the peer has ended. */
static void play(struct run *run)
{
    uint8_t octets[EAP_PACKET];
    struct eap_result *result = &run->pair.peer_result;
    for (uint8_t id = 1; id < 40; id++) {
        struct writer w = writer_of(octets, sizeof(octets));
        struct eap_packet response;
        eap_packet_begin(&w, EAP_REQUEST, id, EAP_TYPE_TTLS);
        if (id == 1) {
            run->last = inner_authenticator_begin(&server.talk, &server.inner, &w);
        } else {
            assert_true(eap_packet_read(span_of(result->packet, result->packet_len), &response));
            assert_int_equal(response.type, EAP_TYPE_TTLS);
            if (server.len > 0 && response.data.len == 1) /* the peer accepts our answer */
                return;
            run->last = inner_authenticator_recv(&server.talk, &server.inner, response.data, &w);
        }
        if (run->last != EAP_STEP_REPLY)
            return;
        eap_packet_end(&w);
        eap_peer_recv(run->pair.peer, writer_span(&w), result);
        if (result->packet_len == 0)
            return;
    }
}

static void succeed(struct run *run)
{
    struct eap_result *result = &run->pair.peer_result;
    eap_peer_recv(run->pair.peer, span_of("\3\1\0\4", 4), result);
    assert_int_equal(result->verdict, EAP_SUCCEEDED);
    assert_int_equal(result->msk_len, EAP_MSK);
}

/* PAP: the name, and the password with zeros up to a whole block. */
static void pap(void **state)
{
    (void)state;
    for (int old = 0; old < 2; old++) {
        struct run run;
        struct span value = {0};
        begin(&run, EAP_TYPE_TTLS_PAP);
        run.aaa.tls.only_12 = old == 1;
        play(&run);
        assert_int_equal(run.last, EAP_STEP_DONE);
        assert_true(avp_find(AVP_USER_NAME, 0, &value));
        assert_true(span_equal(value, span_text("anna")));
        assert_true(avp_find(AVP_USER_PASSWORD, 0, &value));
        assert_int_equal(value.len, 32);
        assert_string_equal((const char *)value.ptr, password);
        succeed(&run);
        assert_memory_equal(run.pair.peer_result.msk, server.talk.msk, EAP_MSK);
        end(&run);
    }
}

/* CHAP and MS-CHAP-V2: both ends derive the challenge from TLS. */
static void challenge(void **state)
{
    (void)state;
    for (int row = 0; row < 4; row++) {
        struct run run;
        struct span value = {0};
        uint8_t wanted[17], digest[16];
        bool chap = row < 2;
        begin(&run, chap ? EAP_TYPE_TTLS_CHAP : EAP_TYPE_TTLS_MSCHAPV2);
        run.aaa.tls.only_12 = row % 2 == 1;
        server.true_answer = !chap;
        server.step = chap ? EAP_STEP_DONE : EAP_STEP_REPLY;
        play(&run);
        assert_int_equal(SSL_export_keying_material(server.inner.tunnel.ssl, wanted, sizeof(wanted),
                                                    "ttls challenge", 14, NULL, 0, 0),
                         1);
        if (chap) {
            const struct span parts[] = {span_of(wanted + 16, 1), span_text(password),
                                         span_of(wanted, 16)};
            assert_int_equal(eap_digest(run.pair.crypto, run.pair.crypto->md5, parts, 3, digest),
                             0);
            assert_true(avp_find(AVP_CHAP_PASSWORD, 0, &value));
            assert_int_equal(value.ptr[0], wanted[16]);
            assert_memory_equal(value.ptr + 1, digest, sizeof(digest));
            assert_true(avp_find(AVP_CHAP_CHALLENGE, 0, &value));
        }
        if (chap) {
            assert_int_equal(value.len, 16);
            assert_memory_equal(value.ptr, wanted, 16);
        }
        succeed(&run);
        end(&run);
    }
}

/* Answers of a hostile server: none of them is a login. */
static void hostile_server(void **state)
{
    static const struct {
        enum eap_type type;
        const char *name, *octets;
        size_t len;
        const char *reason; /* NULL: any */
    } rows[] = {
#define ROW(type, name, text, reason) {EAP_TYPE_TTLS_##type, name, text, sizeof(text) - 1, reason}
        ROW(PAP, "another password", "\0\0\0\x12\x40\0\0\x0dToken", "refuses the password: Token"),
        ROW(PAP, "an AVP cut", "\0\0\0\x12\x40\0\0\x0dTok", NULL),
        ROW(PAP, "an AVP of no length", "\0\0\0\x12\x40\0\0\0", NULL),
        ROW(PAP, "an EAP packet", "\0\0\0\x4f\x40\0\0\x0d\1\1\0\5\1", NULL),
        ROW(CHAP, "another challenge", "\0\0\0\x3c\x40\0\0\x0cxxxx", NULL),
        ROW(MSCHAPV2, "an error", "\0\0\0\2\xc0\0\0\x13\0\0\1\x37\1E=691 ", "E=691"),
        ROW(MSCHAPV2, "an empty error", "\0\0\0\2\xc0\0\0\x0c\0\0\1\x37", "refuses the password"),
        ROW(MSCHAPV2, "a success that proves nothing",
            "\0\0\0\x1a\xc0\0\0\x37\0\0\1\x37\1S=0123456789ABCDEF0123456789ABCDEF01234567",
            "does not know the password"),
        ROW(MSCHAPV2, "a success cut", "\0\0\0\x1a\xc0\0\0\x0f\0\0\1\x37\1S=", NULL),
        ROW(MSCHAPV2, "a success of another vendor", "\0\0\0\x1a\xc0\0\0\x0f\0\0\1\x38\1S=", NULL),
        ROW(MSCHAPV2, "an AVP that is not known", "\0\0\0\x50\x40\0\0\x0cxxxx", NULL),
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct run run;
        begin(&run, rows[i].type);
        server.step = EAP_STEP_REPLY;
        server.answer = span_of(rows[i].octets, rows[i].len);
        play(&run);
        eap_peer_recv(run.pair.peer, span_of("\3\1\0\4", 4), &run.pair.peer_result);
        if (run.pair.peer_result.verdict != EAP_FAILED || run.pair.peer_result.msk_len != 0)
            fail_msg("taken: %s", rows[i].name);
        end(&run);
    }
}

/* MS-CHAP-V2: EAP-Success before the server has proven that it knows the password is refused. */
static void success_too_early(void **state)
{
    struct run run;
    (void)state;
    begin(&run, EAP_TYPE_TTLS_MSCHAPV2);
    play(&run); /* the server is content with the response */
    eap_peer_recv(run.pair.peer, span_of("\3\1\0\4", 4), &run.pair.peer_result);
    assert_int_equal(run.pair.peer_result.verdict, EAP_FAILED);
    end(&run);
}

/* The peer sends no password if it has none for the identity, or if the server has another name. */
static void says_nothing(void **state)
{
    static const enum eap_type types[] = {EAP_TYPE_TTLS_PAP, EAP_TYPE_TTLS_CHAP,
                                          EAP_TYPE_TTLS_MSCHAPV2};
    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(types); i++) {
        struct run run;
        begin(&run, types[i / 2]);
        if (i % 2 == 0)
            test_pair_password(&run.pair, 0, "");
        else
            run.peer.server = "bbb.example";
        play(&run);
        assert_int_equal(server.len, 0);
        assert_int_not_equal(run.last, EAP_STEP_DONE);
        end(&run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pap),
        cmocka_unit_test(challenge),
        cmocka_unit_test(hostile_server),
        cmocka_unit_test(success_too_early),
        cmocka_unit_test(says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
