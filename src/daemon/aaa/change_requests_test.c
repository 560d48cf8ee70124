/* SPDX-License-Identifier: Apache-2.0 */
/* Disconnect-Requests and CoA-Requests that are obeyed, refused or dropped. */
#include "daemon/aaa/change_requests.h"

#include "base/unit_test.h"
#include "radius/test_server.h"

#define SECRET "testing123"
#define NOW_S  1000000

static struct change_requests *requests;
static struct change_result result;
static struct change_when when;
static struct change_from from;
static struct radius_key key = {sizeof(SECRET) - 1, SECRET};
static uint8_t request[RADIUS_PACKET];
static uint8_t attributes[RADIUS_PACKET];
static struct writer w;
static uint8_t identifier;

static int setup(void **state)
{
    (void)state;
    requests = change_requests_new();
    when = (struct change_when){.now = 5 * NANOS_PER_SEC, .wall_s = NOW_S};
    from = (struct change_from){.server = 2, .source.port = 40000, .key = &key};
    assert_true(address_parse("192.0.2.9", &from.source.address));
    identifier = 7;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    requests = change_requests_free(requests);
    return 0;
}

/* begin - a request of now about anna. */
static void begin(void)
{
    w = writer_of(attributes, sizeof(attributes));
    radius_u32_write(&w, RADIUS_EVENT_TIMESTAMP, NOW_S);
    radius_attribute_write(&w, RADIUS_USER_NAME, span_text("anna"));
}

static void seal(enum radius_code code, bool with_mac)
{
    const struct test_reply what = {code, with_mac, writer_span(&w)};
    from.octets = span_of(request, test_server_request(&what, identifier, SECRET, request));
}

static enum change_verdict take(void)
{
    return change_requests_recv(requests, &from, 3799, &when, &result);
}

static enum change_verdict say(enum radius_code code)
{
    seal(code, true);
    return take();
}

/* expect_reply - it is sealed with the secret, and one to the request. */
static void expect_reply(enum radius_code code, uint32_t cause)
{
    struct radius_packet reply;
    uint32_t found = 0;
    assert_true(radius_packet_read(result.reply.octets, &reply));
    assert_int_equal(reply.code, code);
    assert_int_equal(reply.identifier, identifier);
    assert_int_equal(radius_reply_check(&reply, RADIUS_DISCONNECT_REQUEST, &key, request + 4), 0);
    (void)radius_find_u32(&reply, RADIUS_ERROR_CAUSE, &found);
    assert_int_equal(found, cause);
    assert_true(address_equal(&result.reply.to.address, &from.source.address));
    assert_int_equal(result.reply.to.port, from.source.port);
}

static void done(uint32_t cause)
{
    assert_int_equal(change_requests_server(requests, result.job), 2);
    assert_true(change_requests_done(requests, result.job, cause, &key, &result.reply));
    assert_false(change_requests_done(requests, result.job, cause, &key, &result.reply));
}

static void disconnects(void **state)
{
    (void)state;
    begin();
    radius_attribute_write(&w, RADIUS_PROXY_STATE, span_text("one"));
    radius_attribute_write(&w, RADIUS_PROXY_STATE, span_text("two"));
    assert_int_equal(say(RADIUS_DISCONNECT_REQUEST), CHANGE_ASK);
    assert_true(result.change.disconnect);
    assert_int_equal(result.change.user_len, 4);
    done(AAA_DONE);
    expect_reply(RADIUS_DISCONNECT_ACK, 0);
    struct radius_packet reply;
    struct span value;
    assert_true(radius_packet_read(result.reply.octets, &reply));
    assert_int_equal(radius_count(&reply, RADIUS_PROXY_STATE), 2);
    assert_true(radius_find(&reply, RADIUS_PROXY_STATE, &value));
    assert_memory_equal(value.ptr, "one", 3);
    /* again, also from another port: the same reply, and nothing happens twice */
    from.source.port++;
    assert_int_equal(take(), CHANGE_REPLY_NOW);
    expect_reply(RADIUS_DISCONNECT_ACK, 0);
    when.now += CHANGE_WINDOW_S * NANOS_PER_SEC;
    assert_int_equal(take(), CHANGE_REPLY_NOW);
}

static void changes(void **state)
{
    (void)state;
    begin();
    radius_u32_write(&w, RADIUS_SESSION_TIMEOUT, 600);
    radius_u32_write(&w, RADIUS_IDLE_TIMEOUT, 0);
    radius_attribute_write(&w, RADIUS_FILTER_ID, span_text("staff"));
    radius_attribute_write(&w, RADIUS_FILTER_ID, span_text("managers"));
    radius_attribute_write(&w, RADIUS_ACCT_SESSION_ID, span_text("0123-7"));
    seal(RADIUS_COA_REQUEST, false); /* Message-Authenticator may be missing */
    assert_int_equal(take(), CHANGE_ASK);
    const struct aaa_change *c = &result.change;
    assert_true(!c->disconnect && c->timeout && c->idle && c->filter);
    assert_int_equal(c->session_timeout_s, 600);
    assert_int_equal(c->groups.n, 2);
    assert_string_equal(c->groups.names[1], "managers");
    assert_string_equal(c->session_id, "0123-7");
    assert_int_equal(take(), CHANGE_DROP); /* the engine is being asked */
    done(AAA_SESSION_NOT_FOUND);
    expect_reply(RADIUS_COA_NAK, 503);
    identifier++;
    assert_int_equal(say(RADIUS_COA_REQUEST), CHANGE_ASK); /* another request */
}

static void refused(void **state)
{
    static const struct {
        uint8_t type;
        const char *value;
        size_t len;
        uint32_t disconnect, coa; /* Error-Cause; 0: the engine is asked */
    } rows[] = {
        {27, "\0\0\0\x9", 4, 401, 0},    {27, "\0\0\0\0", 4, 401, 407},
        {27, "\0\0\x9", 3, 401, 407},    {28, "\0\0\0\0\0", 5, 401, 407},
        {11, "staff", 5, 401, 0},        {11, "", 0, 401, 407},
        {11, "a\0b", 3, 401, 407},       {6, "\0\0\0\x11", 4, 401, 405},
        {26, "\0\0\1\x37", 4, 401, 401}, {79, "\2\1\0\5\1", 5, 401, 401},
        {24, "x", 1, 401, 401},          {1, "bert", 4, 404, 404},
        {44, "", 0, 407, 407},           {8, "\12\0\0", 3, 407, 407},
        {31, "a\0", 2, 407, 407},        {8, "\12\36\0\1", 4, 0, 402},
        {32, "gw", 2, 0, 402},           {200, "x", 1, 401, 401},
    };
    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
        bool disconnect = i % 2 == 0;
        uint32_t cause = disconnect ? rows[i / 2].disconnect : rows[i / 2].coa;
        begin();
        radius_attribute_write(&w, (enum radius_attribute)rows[i / 2].type,
                               span_of(rows[i / 2].value, rows[i / 2].len));
        identifier++;
        enum change_verdict verdict =
            say(disconnect ? RADIUS_DISCONNECT_REQUEST : RADIUS_COA_REQUEST);
        assert_int_equal(verdict, cause == 0 ? CHANGE_ASK : CHANGE_REPLY_NOW);
        if (cause != 0)
            expect_reply(disconnect ? RADIUS_DISCONNECT_NAK : RADIUS_COA_NAK, cause);
    }
}

static void nobody_named(void **state)
{
    (void)state;
    w = writer_of(attributes, sizeof(attributes));
    radius_u32_write(&w, RADIUS_EVENT_TIMESTAMP, NOW_S);
    radius_attribute_write(&w, RADIUS_NAS_IDENTIFIER, span_text("gw"));
    assert_int_equal(say(RADIUS_DISCONNECT_REQUEST), CHANGE_REPLY_NOW); /* all sessions: no */
    expect_reply(RADIUS_DISCONNECT_NAK, 402);
}

static void forged(void **state)
{
    static const enum radius_code others[] = {RADIUS_ACCESS_REQUEST, RADIUS_ACCOUNTING_REQUEST,
                                              RADIUS_DISCONNECT_ACK, RADIUS_COA_NAK};
    (void)state;
    begin();
    seal(RADIUS_DISCONNECT_REQUEST, true);
    for (size_t at = 0; at < from.octets.len; at++) { /* each octet counts */
        request[at] ^= 1;
        assert_int_equal(take(), CHANGE_DROP);
        request[at] ^= 1;
    }
    for (size_t len = 0; len < from.octets.len; len++) { /* and no octet may be missing */
        struct span whole = from.octets;
        from.octets.len = len;
        assert_int_equal(take(), CHANGE_DROP);
        from.octets = whole;
    }
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_int_equal(say(others[i]), CHANGE_DROP);
    seal(RADIUS_DISCONNECT_REQUEST, true);
    key.octets[0] ^= 1;
    assert_int_equal(take(), CHANGE_DROP);
    key.octets[0] ^= 1;
    request[from.octets.len] = 0xff; /* padding is ignored */
    from.octets.len++;
    assert_int_equal(take(), CHANGE_ASK);
}

/* A request with a wrong, short or repeated Message-Authenticator is dropped. */
static void wrong_mac(void **state)
{
    static const uint8_t zeros[16];
    (void)state;
    begin();
    radius_attribute_write(&w, RADIUS_MESSAGE_AUTHENTICATOR, span_of(zeros, 16));
    seal(RADIUS_DISCONNECT_REQUEST, false);
    assert_int_equal(take(), CHANGE_DROP);
    seal(RADIUS_DISCONNECT_REQUEST, true);
    assert_int_equal(take(), CHANGE_DROP);
    begin();
    radius_attribute_write(&w, RADIUS_MESSAGE_AUTHENTICATOR, span_of(zeros, 15));
    seal(RADIUS_DISCONNECT_REQUEST, false);
    assert_int_equal(take(), CHANGE_DROP);
}

static void stale(void **state)
{
    static const struct {
        int64_t late_s;
        enum change_verdict verdict;
    } rows[] = {{-301, CHANGE_DROP}, {-300, CHANGE_ASK}, {300, CHANGE_ASK}, {301, CHANGE_DROP}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        begin();
        identifier++;
        when.wall_s = NOW_S + rows[i].late_s;
        assert_int_equal(say(RADIUS_DISCONNECT_REQUEST), rows[i].verdict);
    }
    for (int undated = 0; undated < 2; undated++) {
        w = writer_of(attributes, sizeof(attributes));
        radius_attribute_write(&w, RADIUS_USER_NAME, span_text("anna"));
        from.undated = undated != 0;
        assert_int_equal(say(RADIUS_DISCONNECT_REQUEST), undated ? CHANGE_ASK : CHANGE_DROP);
    }
}

static void bounded(void **state)
{
    (void)state;
    for (unsigned i = 0; i <= CHANGE_REQUESTS; i++) {
        w = writer_of(attributes, sizeof(attributes));
        radius_u32_write(&w, RADIUS_EVENT_TIMESTAMP, NOW_S);
        radius_u32_write(&w, RADIUS_NAS_PORT, i + 1);
        assert_int_equal(say(RADIUS_DISCONNECT_REQUEST),
                         i < CHANGE_REQUESTS ? CHANGE_ASK : CHANGE_DROP);
    }
    when.now += (2 * CHANGE_WINDOW_S + 1) * NANOS_PER_SEC;
    assert_int_equal(take(), CHANGE_ASK);
    begin(); /* a request whose reply would be too long is dropped */
    for (int i = 0; i < 3; i++)
        radius_attribute_write(&w, RADIUS_PROXY_STATE, span_of(request, 200));
    assert_int_equal(say(RADIUS_DISCONNECT_REQUEST), CHANGE_DROP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(disconnects, setup, teardown),
        cmocka_unit_test_setup_teardown(changes, setup, teardown),
        cmocka_unit_test_setup_teardown(refused, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_named, setup, teardown),
        cmocka_unit_test_setup_teardown(forged, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_mac, setup, teardown),
        cmocka_unit_test_setup_teardown(stale, setup, teardown),
        cmocka_unit_test_setup_teardown(bounded, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
