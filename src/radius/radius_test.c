/* SPDX-License-Identifier: Apache-2.0 */
/* The codec and the client, against the test's own server, which may be hostile. */
#include "base/unit_test.h"
#include "radius/radius_client.h"
#include "radius/test_server.h"

#define SECRET "testing123"

static void fill(void *context, void *octets, size_t len)
{
    uint64_t *seed = context;
    for (size_t i = 0; i < len; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        ((uint8_t *)octets)[i] = (uint8_t)(*seed >> 56);
    }
}

static uint64_t seed;
static const struct random generator = {fill, &seed};
static struct radius_client *client;
static struct radius_datagram datagram;
static struct radius_outcome outcome;
static uint8_t request[RADIUS_PACKET], reply[RADIUS_PACKET];
static size_t reply_len;

static int setup(void **state)
{
    const struct radius_server servers[] = {
        {.key = {sizeof(SECRET) - 1, SECRET}, .preference = 2, .accounting = true},
        {.key = {sizeof(SECRET) - 1, SECRET}, .preference = 1},
    };
    (void)state;
    seed = 1;
    client = radius_client_new(&generator);
    radius_client_server_set(client, 0, &servers[0]);
    radius_client_server_set(client, 1, &servers[1]);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    client = radius_client_free(client);
    return 0;
}

static int ask(enum radius_code code, uint64_t tag, unsigned server, nanos now)
{
    uint8_t attributes[64];
    struct writer w = writer_of(attributes, sizeof(attributes));
    radius_attribute_write(&w, RADIUS_USER_NAME, span_text("anna"));
    const struct radius_ask what = {code, tag, server, writer_span(&w)};
    return radius_client_ask(client, &what, now);
}

static bool sent(nanos now)
{
    if (!radius_client_send(client, now, &datagram))
        return false;
    memcpy(request, datagram.octets.ptr, datagram.octets.len);
    datagram.octets.ptr = request;
    return true;
}

static void answer(enum radius_code code, bool with_mac, struct span attributes)
{
    const struct test_reply what = {code, with_mac, attributes};
    reply_len = test_server_seal(&what, datagram.octets, SECRET, reply);
}

static bool taken(void)
{
    struct radius_datagram from = datagram;
    from.octets = span_of(reply, reply_len);
    return radius_client_recv(client, &from, 0, &outcome);
}

static void access_round_trip(void **state)
{
    uint8_t attributes[512], key[32], authenticator[16];
    struct writer w = writer_of(attributes, sizeof(attributes));
    (void)state;
    assert_int_equal(ask(RADIUS_ACCESS_REQUEST, 7, RADIUS_SERVERS, 0), 0);
    assert_true(sent(0));
    assert_int_equal(datagram.server, 0);
    assert_false(sent(0));
    /* Message-Authenticator comes first: a forger of MD5 needs to choose the octets before it */
    assert_int_equal(request[20], RADIUS_MESSAGE_AUTHENTICATOR);
    memset(key, 0xaa, sizeof(key));
    memcpy(authenticator, request + 4, 16);
    test_server_mppe(&w, 17, span_of(key, 32), authenticator, SECRET);
    memset(key, 0xbb, sizeof(key));
    test_server_mppe(&w, 16, span_of(key, 32), authenticator, SECRET);
    radius_u32_write(&w, RADIUS_SESSION_TIMEOUT, 3600);
    answer(RADIUS_ACCESS_ACCEPT, true, writer_span(&w));
    assert_true(taken());
    assert_int_equal(outcome.tag, 7);
    assert_int_equal(outcome.error, 0);
    assert_int_equal(outcome.msk_error, 0);
    assert_int_equal(outcome.msk[0], 0xaa);
    assert_int_equal(outcome.msk[31], 0xaa);
    assert_int_equal(outcome.msk[32], 0xbb);
    assert_int_equal(outcome.msk[63], 0xbb);
    uint32_t seconds;
    assert_true(radius_find_u32(&outcome.reply, RADIUS_SESSION_TIMEOUT, &seconds));
    assert_int_equal(seconds, 3600);
    assert_false(taken()); /* twice */
}

/* Keys of 16 octets, as MSCHAPv2 has them: zeros stand behind both (A22). */
static void short_keys(void **state)
{
    static const uint8_t zeros[32];
    uint8_t attributes[512], key[16];
    struct writer w = writer_of(attributes, sizeof(attributes));
    (void)state;
    assert_int_equal(ask(RADIUS_ACCESS_REQUEST, 7, RADIUS_SERVERS, 0), 0);
    assert_true(sent(0));
    memset(key, 0xaa, sizeof(key));
    test_server_mppe(&w, 17, span_of(key, 16), request + 4, SECRET);
    test_server_mppe(&w, 16, span_of(key, 16), request + 4, SECRET);
    answer(RADIUS_ACCESS_ACCEPT, true, writer_span(&w));
    assert_true(taken());
    assert_int_equal(outcome.msk_error, 0);
    assert_int_equal(outcome.msk[31], 0xaa);
    assert_memory_equal(outcome.msk + 32, zeros, 32);
}

/* A23: the client drops replies of a sender that does not know the secret; the true reply counts. */
static void hostile_replies(void **state)
{
    (void)state;
    assert_int_equal(ask(RADIUS_ACCESS_REQUEST, 7, RADIUS_SERVERS, 0), 0);
    assert_true(sent(0));
    answer(RADIUS_ACCESS_ACCEPT, false, (struct span){0}); /* BlastRADIUS, CVE-2024-3596 */
    assert_false(taken());
    for (size_t at = 0; at < 38; at++) { /* each octet of header and Message-Authenticator */
        answer(RADIUS_ACCESS_ACCEPT, true, (struct span){0});
        reply[at] ^= 1;
        assert_false(taken());
    }
    answer(RADIUS_ACCOUNTING_RESPONSE, true, (struct span){0});
    assert_false(taken());
    static const uint8_t second[18] = {80, 18};
    answer(RADIUS_ACCESS_ACCEPT, true, span_of(second, sizeof(second)));
    assert_false(taken());
    answer(RADIUS_ACCESS_ACCEPT, true, (struct span){0});
    datagram.lane ^= 1;
    assert_false(taken());
    datagram.lane ^= 1;
    datagram.server = 1;
    assert_false(taken());
    datagram.server = RADIUS_SERVERS;
    assert_false(taken());
    datagram.server = 0;
    assert_true(taken());
}

/* Row 6: attributes with a Length of 0 or 1, too long, or cut off. */
static void malformed_packets(void **state)
{
    static const struct {
        const char *name;
        const char *attributes;
        size_t len;
    } rows[] = {
        {"length 0", "\x4f\x00", 2},
        {"length 1", "\x4f\x01", 2},
        {"type alone", "\x4f", 1},
        {"one too long", "\x4f\x04x", 3},
        {"255", "\x4f\xff", 2},
        {"second of length 0",
         "\x01\x03"
         "a\x01\x00",
         5},
    };
    uint8_t octets[RADIUS_PACKET] = {2, 1};
    struct radius_packet packet;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        octets[3] = (uint8_t)(20 + rows[i].len);
        memcpy(octets + 20, rows[i].attributes, rows[i].len);
        if (radius_packet_read(span_of(octets, 20 + rows[i].len), &packet))
            fail_msg("taken: %s", rows[i].name);
    }
    octets[3] = 20;
    assert_true(radius_packet_read(span_of(octets, 20), &packet));
    assert_false(radius_packet_read(span_of(octets, 19), &packet));
    assert_false(radius_packet_read(span_of(octets, 21), &packet));
    octets[3] = 19;
    assert_false(radius_packet_read(span_of(octets, 19), &packet));
    assert_false(radius_packet_read((struct span){0}, &packet));
}

static void hostile_keys(void **state)
{
    static const struct {
        size_t value_len;
        uint8_t plain_len;
    } rows[] = {{2, 0}, {17, 16}, {18, 0}, {18, 16}, {18, 255}, {34, 33}, {50, 33}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t attributes[512];
        struct writer w = writer_of(attributes, sizeof(attributes));
        assert_int_equal(ask(RADIUS_ACCESS_REQUEST, 7, RADIUS_SERVERS, 0), 0);
        assert_true(sent(0));
        uint8_t pad[16], input[64];
        memcpy(input, SECRET, 10), memcpy(input + 10, request + 4, 16), memset(input + 26, 0x80, 2);
        EVP_Q_digest(NULL, "MD5", NULL, input, 28, pad, NULL);
        for (uint8_t type = 16; type <= 17; type++) {
            write_u8(&w, 26), write_u8(&w, (uint8_t)(8 + rows[i].value_len));
            write_u32(&w, 311);
            write_u8(&w, type), write_u8(&w, (uint8_t)(2 + rows[i].value_len));
            write_u16(&w, 0x8080);
            for (size_t at = 2; at < rows[i].value_len; at++)
                write_u8(&w, at == 2 ? (uint8_t)(rows[i].plain_len ^ pad[0]) : 0);
        }
        answer(RADIUS_ACCESS_ACCEPT, true, writer_span(&w));
        assert_true(taken());
        if (outcome.msk_error != ERR_INVALID)
            fail_msg("row %zu: %s", i, error_text(outcome.msk_error));
    }
}

static void repeats_and_fails_over(void **state)
{
    nanos now = 0;
    uint8_t first[RADIUS_PACKET];
    (void)state;
    assert_int_equal(ask(RADIUS_ACCESS_REQUEST, 7, RADIUS_SERVERS, 0), 0);
    assert_true(sent(now));
    memcpy(first, request, datagram.octets.len);
    for (int i = 1; i < RADIUS_TRIES; i++) {
        now = radius_client_deadline(client);
        assert_int_equal(now, ((1 << i) - 1) * RADIUS_FIRST_NS);
        assert_false(sent(now - 1));
        assert_true(sent(now));
        assert_int_equal(datagram.server, 0);
        assert_memory_equal(first, request, datagram.octets.len); /* RFC 5080 section 2.2.1 */
    }
    now = radius_client_deadline(client);
    assert_true(sent(now));
    assert_int_equal(datagram.server, 1);
    assert_memory_not_equal(first + 4, request + 4, 16);
    assert_true(radius_client_dead(client, 0, false, now));
    answer(RADIUS_ACCESS_ACCEPT, true, (struct span){0});
    assert_true(taken());
    /* the next request goes to the living server, and after a while to the preferred one again */
    assert_int_equal(ask(RADIUS_ACCESS_REQUEST, 8, RADIUS_SERVERS, now), 0);
    assert_true(sent(now));
    assert_int_equal(datagram.server, 1);
    now += RADIUS_DEAD_NS;
    assert_int_equal(ask(RADIUS_ACCESS_REQUEST, 9, RADIUS_SERVERS, now), 0);
    bool preferred = false;
    while (sent(now))
        preferred |= datagram.server == 0;
    assert_true(preferred);
}

static void server_set(unsigned index, const struct radius_server *config)
{
    struct radius_server server = *config;
    server.key = (struct radius_key){sizeof(SECRET) - 1, SECRET};
    radius_client_server_set(client, index, &server);
}

/* The preferred server dies: all requests that wait for it go to the next server at once. Later the
 * client tries the dead server with one request; other requests do not wait for it. */
static void one_dies_for_all(void **state)
{
    nanos now = 0;
    (void)state;
    for (uint64_t tag = 1; tag <= 5; tag++)
        assert_int_equal(ask(RADIUS_ACCESS_REQUEST, tag, RADIUS_SERVERS, (nanos)tag), 0);
    unsigned first = 0, second = 0;
    while (second < 5) {
        now = radius_client_deadline(client);
        while (sent(now))
            *(datagram.server == 0 ? &first : &second) += 1;
    }
    assert_int_equal(first, 5 * RADIUS_TRIES);
    assert_true(now < 15 * NANOS_PER_SEC);
    assert_true(radius_client_dead(client, 0, false, now));
    for (uint64_t tag = 1; tag <= 5; tag++)
        radius_client_forget(client, tag);
    now += RADIUS_DEAD_NS + 1;
    for (uint64_t tag = 6; tag <= 8; tag++)
        assert_int_equal(ask(RADIUS_ACCESS_REQUEST, tag, RADIUS_SERVERS, now), 0);
    first = second = 0;
    while (sent(now))
        *(datagram.server == 0 ? &first : &second) += 1;
    assert_int_equal(first, 1);
    assert_int_equal(second, 2);
}

/* A server that answers others does not like one request: it is not dead. */
static void one_request_dies(void **state)
{
    (void)state;
    assert_int_equal(ask(RADIUS_ACCESS_REQUEST, 1, RADIUS_SERVERS, 0), 0);
    assert_true(sent(0));
    assert_int_equal(ask(RADIUS_ACCESS_REQUEST, 2, RADIUS_SERVERS, 1), 0);
    assert_true(sent(1));
    answer(RADIUS_ACCESS_REJECT, true, (struct span){0});
    struct radius_datagram from = datagram;
    from.octets = span_of(reply, reply_len);
    assert_true(radius_client_recv(client, &from, NANOS_PER_SEC, &outcome));
    assert_int_equal(outcome.tag, 2);
    do
        assert_true(sent(radius_client_deadline(client)));
    while (datagram.server == 0);
    assert_false(radius_client_dead(client, 0, false, 14 * NANOS_PER_SEC));
}

/* Each server has its own number of requests, patience and time of being dead. */
static void limits(void **state)
{
    const struct radius_server slow = {
        .preference = 9, .tries = 2, .first_ns = 7, .dead_ns = 100, .most = 2};
    (void)state;
    server_set(0, &slow);
    for (uint64_t tag = 1; tag <= 3; tag++) {
        assert_int_equal(ask(RADIUS_ACCESS_REQUEST, tag, RADIUS_SERVERS, 0), 0);
        assert_true(sent(0));
        assert_int_equal(datagram.server, tag <= 2 ? 0 : 1); /* server 0 takes two requests */
    }
    assert_int_equal(ask(RADIUS_ACCESS_REQUEST, 4, 0, 0), ERR_FULL);
    radius_client_forget(client, 3);
    assert_int_equal(radius_client_deadline(client), 7);
    assert_true(sent(7));
    assert_true(sent(7));
    assert_int_equal(radius_client_deadline(client), 7 + 14);
    assert_true(sent(21));
    assert_int_equal(datagram.server, 1);
    assert_true(radius_client_dead(client, 0, false, 120));
    assert_false(radius_client_dead(client, 0, false, 121));
    radius_client_server_set(client, 0, NULL);
    radius_client_server_set(client, 1, NULL);
    assert_int_equal(ask(RADIUS_ACCESS_REQUEST, 9, RADIUS_SERVERS, 0), ERR_NOT_FOUND);
}

/* A request of a conversation stays with its server: another server does not know its State. */
static void conversation_stays(void **state)
{
    (void)state;
    assert_int_equal(ask(RADIUS_ACCESS_REQUEST, 7, 1, 0), 0);
    for (int i = 0; i < RADIUS_TRIES; i++) {
        assert_true(sent(radius_client_deadline(client)));
        assert_int_equal(datagram.server, 1);
    }
    assert_false(sent(radius_client_deadline(client)));
    assert_true(radius_client_failed(client, &outcome));
    assert_int_equal(outcome.tag, 7);
    assert_int_equal(outcome.error, ERR_AGAIN);
    assert_false(radius_client_failed(client, &outcome));
    assert_int_equal(radius_client_deadline(client), NANOS_NEVER);
}

static void bounded(void **state)
{
    unsigned n = 0;
    (void)state;
    while (ask(RADIUS_ACCESS_REQUEST, n, 0, 0) == 0)
        n++;
    assert_int_equal(n, RADIUS_LANES * 256);
    assert_int_equal(ask(RADIUS_ACCESS_REQUEST, n, 0, 0), ERR_FULL);
    assert_int_equal(ask(RADIUS_ACCESS_REQUEST, n, 1, 0), 0);
    for (unsigned i = 0; i <= n; i++)
        radius_client_forget(client, i);
    assert_int_equal(radius_client_deadline(client), NANOS_NEVER);
    assert_int_equal(ask(RADIUS_ACCESS_REQUEST, n, 0, 0), 0);
}

/* Only servers that take accounting get Accounting-Requests. The two ports of a server die
 * separately. */
static void accounting_silence(void **state)
{
    (void)state;
    assert_int_equal(ask(RADIUS_ACCOUNTING_REQUEST, 7, RADIUS_SERVERS, 0), 0);
    while (radius_client_deadline(client) != NANOS_NEVER)
        if (sent(radius_client_deadline(client)))
            assert_int_equal(datagram.server, 0);
    assert_true(radius_client_failed(client, &outcome));
    assert_int_equal(outcome.error, ERR_AGAIN);
    assert_true(radius_client_dead(client, 0, true, 15 * NANOS_PER_SEC));
    assert_false(radius_client_dead(client, 0, false, 15 * NANOS_PER_SEC));
}

static void accounting(void **state)
{
    (void)state;
    assert_int_equal(ask(RADIUS_ACCOUNTING_REQUEST, 7, RADIUS_SERVERS, 0), 0);
    assert_true(sent(0));
    assert_true(datagram.accounting);
    /* RFC 2866 section 3: MD5 of the packet with zeros as authenticator, and the secret */
    uint8_t octets[128], digest[16];
    size_t len = datagram.octets.len;
    memcpy(octets, request, len);
    memset(octets + 4, 0, 16);
    memcpy(octets + len, SECRET, 10);
    EVP_Q_digest(NULL, "MD5", NULL, octets, len + 10, digest, NULL);
    assert_memory_equal(request + 4, digest, 16);
    answer(RADIUS_ACCESS_ACCEPT, true, (struct span){0});
    assert_false(taken());
    answer(RADIUS_ACCOUNTING_RESPONSE, false, (struct span){0});
    reply[4] ^= 1;
    assert_false(taken());
    reply[4] ^= 1;
    assert_true(taken());
}

/* --- Status-Server --- */

static void server_make(unsigned index, bool watched)
{
    const struct radius_server server = {.key = {sizeof(SECRET) - 1, SECRET},
                                         .preference = index == 0 ? 2 : 1,
                                         .accounting = true,
                                         .watched = watched};
    radius_client_server_set(client, index, &server);
}

static bool taken_at(nanos now)
{
    struct radius_datagram from = datagram;
    from.octets = span_of(reply, reply_len);
    return radius_client_recv(client, &from, now, &outcome);
}

/* RFC 5997: until it answers, a dead server that is watched gets Status-Servers only, each a new
 * packet. */
static void watched_server_returns(void **state)
{
    uint8_t first[16];
    nanos now = 0;
    (void)state;
    server_make(0, true);
    assert_int_equal(radius_client_deadline(client), NANOS_NEVER); /* it may be alive */
    assert_int_equal(ask(RADIUS_ACCESS_REQUEST, 7, RADIUS_SERVERS, 0), 0);
    while (datagram.server == 0 || request[0] != RADIUS_ACCESS_REQUEST) {
        now = radius_client_deadline(client);
        assert_true(sent(now));
    }
    assert_int_equal(datagram.server, 1);
    answer(RADIUS_ACCESS_REJECT, true, (struct span){0});
    assert_true(taken_at(now));
    for (int i = 0; i < 4; i++) { /* longer than an unwatched server is dead */
        while (!sent(now))
            now = radius_client_deadline(client);
        assert_int_equal(datagram.server, 0);
        assert_int_equal(request[0], RADIUS_STATUS_SERVER);
        assert_int_equal(request[20], RADIUS_MESSAGE_AUTHENTICATOR);
        assert_memory_not_equal(i == 0 ? request : first, request + 4, 16);
        memcpy(first, request + 4, 16);
    }
    assert_int_equal(ask(RADIUS_ACCESS_REQUEST, 8, RADIUS_SERVERS, now), 0);
    assert_true(sent(now));
    assert_int_equal(datagram.server, 1); /* a login does not wait for the dead server's test */
    radius_client_forget(client, 8);
    while (!sent(now))
        now = radius_client_deadline(client);
    answer(RADIUS_ACCESS_ACCEPT, true, (struct span){0});
    reply[10] ^= 1;
    assert_false(taken_at(now)); /* forged */
    const uint8_t wrong[18] = {RADIUS_MESSAGE_AUTHENTICATOR, 18};
    answer(RADIUS_ACCESS_ACCEPT, false, span_of(wrong, sizeof(wrong)));
    assert_false(taken_at(now));
    assert_true(radius_client_dead(client, 0, false, now));
    answer(RADIUS_ACCESS_ACCEPT, false, (struct span){0}); /* as FreeRADIUS 3.2.1 */
    assert_false(taken_at(now));                           /* no outcome for anybody */
    assert_false(radius_client_dead(client, 0, false, now));
    assert_int_equal(radius_client_deadline(client), NANOS_NEVER);
    assert_int_equal(ask(RADIUS_ACCESS_REQUEST, 9, RADIUS_SERVERS, now), 0);
    assert_true(sent(now));
    assert_int_equal(datagram.server, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(access_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(short_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_replies, setup, teardown),
        cmocka_unit_test_setup_teardown(malformed_packets, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(repeats_and_fails_over, setup, teardown),
        cmocka_unit_test_setup_teardown(one_dies_for_all, setup, teardown),
        cmocka_unit_test_setup_teardown(one_request_dies, setup, teardown),
        cmocka_unit_test_setup_teardown(limits, setup, teardown),
        cmocka_unit_test_setup_teardown(conversation_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(accounting, setup, teardown),
        cmocka_unit_test_setup_teardown(accounting_silence, setup, teardown),
        cmocka_unit_test_setup_teardown(watched_server_returns, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
