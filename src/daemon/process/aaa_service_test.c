/* SPDX-License-Identifier: Apache-2.0 */
/* EAP through RADIUS without sockets: what the peer says, what a server answers, and what neither
 * may say. */
#include "base/unit_test.h"
#include "daemon/process/aaa_service.h"
#include "linux/entropy.h"
#include "radius/test_server.h"

#define SECRET "testing123"

static struct aaa_service *service;
static struct aaa_request request;
static struct aaa_answer answer;
static uint8_t sent[RADIUS_PACKET];
static struct radius_datagram datagram;
static struct radius_packet asked;

static int setup(void **state)
{
    unsigned changed;
    (void)state;
    service = aaa_service_new(entropy_random());
    memset(&request, 0, sizeof(request));
    request.kind = AAA_SERVER_LOAD;
    strcpy(request.server.name, "one");
    assert_true(address_parse("192.0.2.1", &request.server.address));
    request.server.secret_len = sizeof(SECRET) - 1;
    memcpy(request.server.secret, SECRET, sizeof(SECRET) - 1);
    assert_true(aaa_service_ask(service, &request, 0, &answer, &changed));
    assert_int_equal(answer.error, 0);
    assert_int_equal(changed, 0);
    assert_int_equal(request.server.secret[0], 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    service = aaa_service_free(service);
    return 0;
}

/* A step of conversation 5; true: it is answered at once. */
static bool step(const char *identity, const char *pattern, struct span packet)
{
    unsigned changed;
    memset(&request, 0, sizeof(request));
    request.kind = AAA_STEP;
    request.job = 77;
    request.step.eap.conversation = 5;
    request.step.eap.authenticator = 1;
    request.step.eap.identity_len = (uint32_t)strlen(identity);
    memcpy(request.step.eap.identity, identity, strlen(identity));
    strcpy(request.step.eap.pattern, pattern);
    request.step.eap.packet_len = (uint32_t)packet.len;
    if (packet.len > 0)
        memcpy(request.step.eap.packet, packet.ptr, packet.len);
    strcpy(request.step.calling, "198.51.100.7:4500");
    return aaa_service_ask(service, &request, 0, &answer, &changed);
}

static void expect_request(void)
{
    assert_true(radius_client_send(aaa_service_client(service), 0, &datagram));
    memcpy(sent, datagram.octets.ptr, datagram.octets.len);
    datagram.octets.ptr = sent;
    assert_true(radius_packet_read(datagram.octets, &asked));
    assert_int_equal(asked.code, RADIUS_ACCESS_REQUEST);
    assert_int_equal(radius_count(&asked, RADIUS_MESSAGE_AUTHENTICATOR), 1);
}

/* The server's answer, with `eap` and more attributes. */
static void server_says(enum radius_code code, const char *eap, size_t eap_len, struct span more)
{
    uint8_t attributes[512], reply[RADIUS_PACKET];
    struct writer w = writer_of(attributes, sizeof(attributes));
    struct radius_datagram from = datagram;
    struct radius_outcome outcome;
    radius_eap_write(&w, span_of(eap, eap_len));
    write_bytes(&w, more);
    const struct test_reply what = {code, true, writer_span(&w)};
    size_t len = test_server_seal(&what, datagram.octets, SECRET, reply);
    from.octets = span_of(reply, len);
    assert_true(radius_client_recv(aaa_service_client(service), &from, 0, &outcome));
    assert_true(aaa_service_outcome(service, &outcome, &answer));
    assert_int_equal(answer.job, 77);
}

static struct span keys(void)
{
    static uint8_t octets[256];
    static const uint8_t key[32] = {1};
    struct writer w = writer_of(octets, sizeof(octets));
    test_server_mppe(&w, 17, span_of(key, 32), sent + 4, SECRET);
    test_server_mppe(&w, 16, span_of(key, 32), sent + 4, SECRET);
    radius_u32_write(&w, RADIUS_SESSION_TIMEOUT, 3600);
    radius_u32_write(&w, RADIUS_FRAMED_IP_ADDRESS, 0x0a1e0007);
    radius_attribute_write(&w, RADIUS_FRAMED_POOL, span_text("inner"));
    radius_attribute_write(&w, RADIUS_CLASS, span_text("gold"));
    return writer_span(&w);
}

static void begin(const char *pattern)
{
    assert_false(step("anna@example.org", pattern, (struct span){0}));
    expect_request();
}

static void passes_through(void **state)
{
    uint8_t eap[64];
    struct span value;
    (void)state;
    begin("");
    assert_int_equal(radius_eap_join(&asked, eap, sizeof(eap)), 21);
    assert_memory_equal(eap, "\2\0\0\x15\1anna@example.org", 21);
    assert_true(radius_find(&asked, RADIUS_USER_NAME, &value));
    assert_int_equal(value.len, 16);
    static const uint8_t state_attribute[] = {RADIUS_STATE, 4, 'x', 'y'};
    server_says(RADIUS_ACCESS_CHALLENGE, "\1\7\0\6\4\0", 6, span_of(state_attribute, 4));
    assert_int_equal(answer.verdict, EAP_REPLY);
    assert_int_equal(answer.result.packet_len, 6);
    assert_false(step("", "", span_of("\2\7\0\6\4\1", 6)));
    expect_request();
    assert_true(radius_find(&asked, RADIUS_STATE, &value));
    assert_memory_equal(value.ptr, "xy", 2);
    assert_int_equal(radius_eap_join(&asked, eap, sizeof(eap)), 6);
    server_says(RADIUS_ACCESS_ACCEPT, "\3\7\0\4", 4, keys());
    assert_int_equal(answer.verdict, EAP_SUCCEEDED);
    assert_int_equal(answer.result.msk_len, 64);
    assert_int_equal(answer.result.identity_len, 16);
    assert_int_equal(answer.grant.session_timeout_s, 3600);
    assert_int_equal(answer.grant.framed.family, ADDRESS_V4);
    assert_string_equal(answer.grant.pool, "inner");
    assert_int_equal(answer.grant.class_len, 4);
    /* it is over: the number would begin anew */
    assert_true(step("", "", span_of("\2\7\0\6\4\1", 6)));
    assert_int_equal(answer.error, ERR_INVALID);
}

static void asks_for_the_identity(void **state)
{
    (void)state;
    assert_true(step("", "%any", (struct span){0}));
    assert_int_equal(answer.verdict, EAP_REPLY);
    assert_int_equal(answer.result.packet[4], 1);
    assert_false(step("", "", span_of("\2\7\0\x09\1bert", 9)));
    expect_request();
    server_says(RADIUS_ACCESS_REJECT, "\4\7\0\4", 4, (struct span){0});
    assert_int_equal(answer.verdict, EAP_FAILED);
    assert_int_equal(answer.result.packet[0], 4);
}

/* Of all identities the one that the session carries is the one that the server vouches for. */
static void identities(void **state)
{
    static const struct {
        const char *pattern, *user_name; /* of the Access-Accept; NULL: none */
        const char *proven;              /* NULL: refused */
    } rows[] = {
        {"", NULL, "anna@example.org"},
        {"%any", NULL, "anna@example.org"},
        {"*@example.org", NULL, "anna@example.org"},
        {"*@example.com", NULL, NULL},
        {"", "bert@example.org", "bert@example.org"},
        {"bert@example.org", "bert@example.org", "bert@example.org"},
        {"anna@example.org", "bert@example.org", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t more[512];
        struct writer w = writer_of(more, sizeof(more));
        begin(rows[i].pattern);
        write_bytes(&w, keys());
        if (rows[i].user_name != NULL)
            radius_attribute_write(&w, RADIUS_USER_NAME, span_text(rows[i].user_name));
        server_says(RADIUS_ACCESS_ACCEPT, "\3\7\0\4", 4, writer_span(&w));
        assert_int_equal(answer.verdict, rows[i].proven == NULL ? EAP_FAILED : EAP_SUCCEEDED);
        if (rows[i].proven == NULL) {
            assert_int_equal(answer.result.packet[0], 4);
            assert_int_equal(answer.result.msk_len, 0);
            continue;
        }
        assert_int_equal(answer.result.identity_len, strlen(rows[i].proven));
        assert_memory_equal(answer.result.identity, rows[i].proven, strlen(rows[i].proven));
    }
}

/* A23 and RFC 3579 section 2.6.3: code and EAP-Message must say the same. */
static void hostile_server(void **state)
{
    static const struct {
        const char *name;
        enum radius_code code;
        const char *eap;
        size_t len;
    } rows[] = {
        {"accept without EAP", RADIUS_ACCESS_ACCEPT, "", 0},
        {"accept with failure", RADIUS_ACCESS_ACCEPT, "\4\7\0\4", 4},
        {"accept with a request", RADIUS_ACCESS_ACCEPT, "\1\7\0\6\4\0", 6},
        {"challenge without EAP", RADIUS_ACCESS_CHALLENGE, "", 0},
        {"challenge with success", RADIUS_ACCESS_CHALLENGE, "\3\7\0\4", 4},
        {"challenge with a response", RADIUS_ACCESS_CHALLENGE, "\2\7\0\6\4\0", 6},
        {"challenge with a length too long", RADIUS_ACCESS_CHALLENGE, "\1\7\0\7\4\0", 6},
        {"reject with success", RADIUS_ACCESS_REJECT, "\3\7\0\4", 4},
        {"reject without EAP", RADIUS_ACCESS_REJECT, "", 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        begin("");
        server_says(rows[i].code, rows[i].eap, rows[i].len, keys());
        if (answer.verdict != EAP_FAILED || answer.result.msk_len != 0 ||
            answer.result.packet_len != 4 || answer.result.packet[0] != 4)
            fail_msg("taken: %s", rows[i].name);
    }
}

static void hostile_peer(void **state)
{
    static const struct {
        const char *octets;
        size_t len;
    } rows[] = {{"\1\7\0\6\4\0", 6}, {"\2\7\0\7\4\0", 6}, {"\2", 1}, {"\3\7\0\4", 4}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        begin("");
        server_says(RADIUS_ACCESS_CHALLENGE, "\1\7\0\6\4\0", 6, (struct span){0});
        assert_true(step("", "", span_of(rows[i].octets, rows[i].len)));
        assert_int_equal(answer.verdict, EAP_FAILED);
    }
}

static void silent_server(void **state)
{
    struct radius_client *client = aaa_service_client(service);
    struct radius_outcome outcome;
    (void)state;
    begin("");
    while (radius_client_deadline(client) != NANOS_NEVER)
        (void)radius_client_send(client, radius_client_deadline(client), &datagram);
    assert_true(radius_client_failed(client, &outcome));
    assert_true(aaa_service_outcome(service, &outcome, &answer));
    assert_int_equal(answer.verdict, EAP_FAILED);
    assert_non_null(strstr(answer.result.reason, "one does not answer"));
}

/* An engine that somebody else has taken over. */
static void hostile_engine(void **state)
{
    unsigned changed;
    (void)state;
    begin("");
    assert_true(step("", "", span_of("\2\7\0\6\4\1", 6))); /* the server is asked already */
    assert_int_equal(answer.error, ERR_INVALID);
    for (uint32_t kind = 0; kind < 8; kind++) {
        memset(&request, 0xff, sizeof(request));
        request.kind = kind;
        if (aaa_service_ask(service, &request, 0, &answer, &changed))
            assert_int_equal(answer.error, ERR_INVALID);
        else
            assert_int_equal(kind, AAA_END);
        assert_int_equal(changed, RADIUS_SERVERS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(passes_through, setup, teardown),
        cmocka_unit_test_setup_teardown(asks_for_the_identity, setup, teardown),
        cmocka_unit_test_setup_teardown(identities, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_server, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_peer, setup, teardown),
        cmocka_unit_test_setup_teardown(silent_server, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_engine, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
