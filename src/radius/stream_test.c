/* SPDX-License-Identifier: Apache-2.0 */
/* RADIUS over connections: packets in a stream, and the client with servers that use connections. */
#include "base/unit_test.h"
#include "radius/frames.h"
#include "radius/radius_client.h"
#include "radius/test_server.h"

#define SECRET "radsec"

/* --- frames --- */

struct piece {
    const char *name;
    size_t len;
    const char *octets;
    enum radius_frame last; /* after the last octet */
};

#define PACKET                                                                                     \
    "\x02\x01\x00\x18"                                                                             \
    "0123456789abcdef"                                                                             \
    "\x01\x04xy"

static const struct piece pieces[] = {
    {"a packet", 24, PACKET, FRAME_WHOLE},
    {"two packets", 48, PACKET PACKET, FRAME_WHOLE},
    {"half a packet", 23, PACKET, FRAME_MORE},
    {"a packet and three octets", 27, PACKET "\x02\x01\x00", FRAME_MORE},
    {"Length 0", 4, "\x02\x01\x00\x00", FRAME_MALFORMED},
    {"Length 19", 4, "\x02\x01\x00\x13", FRAME_MALFORMED},
    {"Length 4097", 4, "\x02\x01\x10\x01", FRAME_MALFORMED},
    {"Length 65535", 4, "\x02\x01\xff\xff", FRAME_MALFORMED},
    {"a packet, then Length 19", 28, PACKET "\x02\x01\x00\x13", FRAME_MALFORMED},
    {"an attribute of length 1", 24,
     "\x02\x01\x00\x18"
     "0123456789abcdef"
     "\x01\x01xy",
     FRAME_MALFORMED},
    {"an attribute that is too long", 24,
     "\x02\x01\x00\x18"
     "0123456789abcdef"
     "\x01\x05xy",
     FRAME_MALFORMED},
};

/* frames_feed - in steps of at most `step` octets. *ret_n: packets. */
static enum radius_frame frames_feed(const struct piece *piece, size_t step, unsigned *ret_n)
{
    struct radius_frames frames = {0};
    struct radius_packet packet;
    enum radius_frame frame = FRAME_MORE;
    size_t at = 0;
    *ret_n = 0;
    while (at < piece->len) {
        struct buffer room = radius_frames_room(&frames);
        assert_true(room.len > 0);
        size_t n = piece->len - at < step ? piece->len - at : step;
        n = n < room.len ? n : room.len;
        memcpy(room.ptr, piece->octets + at, n);
        at += n;
        frame = radius_frames_took(&frames, n, &packet);
        if (frame == FRAME_MALFORMED)
            break;
        if (frame == FRAME_WHOLE)
            assert_memory_equal(packet.octets.ptr, PACKET, 24);
        *ret_n += frame == FRAME_WHOLE;
    }
    assert_int_equal(at, piece->len);
    return frame;
}

/* The same packets come out of the stream, however TCP cuts it. */
static void packets_of_a_stream(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
        for (size_t step = 1; step <= 64; step++) {
            unsigned n, whole = (unsigned)(pieces[i].len / 24);
            bool bad = pieces[i].last == FRAME_MALFORMED;
            if (frames_feed(&pieces[i], step, &n) != pieces[i].last ||
                n != (bad && pieces[i].len == 24 ? 0 : whole))
                fail_msg("%s, in steps of %zu: %u packets", pieces[i].name, step, n);
        }
}

static void longest_packet(void **state)
{
    static uint8_t octets[RADIUS_PACKET] = {2, 1, RADIUS_PACKET >> 8, RADIUS_PACKET & 0xff};
    struct radius_frames frames = {0};
    struct radius_packet packet;
    size_t at = RADIUS_HEADER;
    (void)state;
    while (at < sizeof(octets)) {
        size_t len = sizeof(octets) - at > 255 ? 252 : sizeof(octets) - at;
        octets[at + 1] = (uint8_t)len;
        at += len;
    }
    at = 0;
    while (at < sizeof(octets)) {
        struct buffer room = radius_frames_room(&frames);
        memcpy(room.ptr, octets + at, room.len);
        at += room.len;
        enum radius_frame frame = radius_frames_took(&frames, room.len, &packet);
        assert_int_equal(frame, at == sizeof(octets) ? FRAME_WHOLE : FRAME_MORE);
    }
    assert_int_equal(packet.octets.len, sizeof(octets));
}

/* --- the client --- */

static void fill(void *context, void *octets, size_t len)
{
    uint64_t *seed = context;
    for (size_t i = 0; i < len; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        ((uint8_t *)octets)[i] = (uint8_t)(*seed >> 56);
    }
}

#define WAIT (7 * RADIUS_FIRST_NS) /* 1 + 2 + 4: as for three transmissions of a datagram */

static uint64_t seed;
static const struct random generator = {fill, &seed};
static struct radius_client *client;
static struct radius_datagram datagram;
static struct radius_outcome outcome;
static uint8_t request[RADIUS_PACKET], reply[RADIUS_PACKET];

/* Server 0 has connections and is preferred; server 1 has datagrams. */
static int setup_with(bool watched)
{
    const struct radius_server servers[] = {
        {.key = {sizeof(SECRET) - 1, SECRET},
         .preference = 2,
         .accounting = true,
         .watched = watched,
         .stream = true},
        {.key = {sizeof(SECRET) - 1, SECRET}, .preference = 1, .accounting = true},
    };
    seed = 1;
    client = radius_client_new(&generator);
    radius_client_server_set(client, 0, &servers[0]);
    radius_client_server_set(client, 1, &servers[1]);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    return setup_with(true);
}

static int setup_unwatched(void **state)
{
    (void)state;
    return setup_with(false);
}

static int teardown(void **state)
{
    (void)state;
    client = radius_client_free(client);
    return 0;
}

static int ask_code(enum radius_code code, uint64_t tag, unsigned server, nanos now)
{
    uint8_t attributes[64];
    struct writer w = writer_of(attributes, sizeof(attributes));
    radius_attribute_write(&w, RADIUS_USER_NAME, span_text("anna"));
    const struct radius_ask what = {code, tag, server, writer_span(&w)};
    return radius_client_ask(client, &what, now);
}

static int ask(uint64_t tag, unsigned server, nanos now)
{
    return ask_code(RADIUS_ACCESS_REQUEST, tag, server, now);
}

static bool sent(nanos now)
{
    if (!radius_client_send(client, now, &datagram))
        return false;
    memcpy(request, datagram.octets.ptr, datagram.octets.len);
    datagram.octets.ptr = request;
    return true;
}

/* up_at - makes the connection, and lets the server answer its first Status-Server. */
static bool taken(enum radius_code code, struct span attributes, nanos now);
static void up_at(unsigned lane, nanos now)
{
    radius_client_up(client, 0, lane, now);
    if (lane != 0)
        return;
    while (sent(now) && request[0] != RADIUS_STATUS_SERVER)
        ;
    assert_int_equal(request[0], RADIUS_STATUS_SERVER);
    assert_false(taken(RADIUS_ACCESS_ACCEPT, (struct span){0}, now));
}

static bool taken(enum radius_code code, struct span attributes, nanos now)
{
    const struct test_reply what = {code, code != RADIUS_ACCOUNTING_RESPONSE, attributes};
    struct radius_datagram from = datagram;
    from.octets = span_of(reply, test_server_seal(&what, datagram.octets, SECRET, reply));
    from.accounting = false; /* a connection does not say so */
    return radius_client_recv(client, &from, now, &outcome);
}

/* A request waits for the connection, and is never repeated over it. Without a reply in time it goes
 * to the next server. */
static void waits_for_the_connection(void **state)
{
    (void)state;
    assert_int_equal(ask(7, RADIUS_SERVERS, 0), 0);
    assert_false(sent(0));
    assert_true(radius_client_wants(client, 0, 0));
    radius_client_up(client, 0, 0, 1);
    assert_true(sent(1));
    assert_int_equal(datagram.server, 0);
    assert_int_not_equal(request[1], 0); /* RFC 6613 section 2.6.5 */
    for (nanos now = 2; now < WAIT; now += NANOS_PER_SEC)
        assert_false(sent(now));
    assert_true(taken(RADIUS_ACCESS_REJECT, (struct span){0}, WAIT));
    assert_int_equal(outcome.tag, 7);
    assert_false(radius_client_wants(client, 0, 0));
}

/* The connection breaks before the reply: the same request is sent over the next connection. */
static void sent_again_over_the_next(void **state)
{
    uint8_t first[RADIUS_PACKET];
    (void)state;
    radius_client_up(client, 0, 0, 0);
    assert_int_equal(ask(7, 0, 0), 0);
    assert_true(sent(0));
    memcpy(first, request, datagram.octets.len);
    radius_client_lost(client, 0, 0);
    assert_false(sent(1));
    radius_client_up(client, 0, 0, 2);
    assert_true(sent(2));
    assert_memory_equal(first, request, datagram.octets.len);
    assert_false(sent(3));
    assert_true(taken(RADIUS_ACCESS_REJECT, (struct span){0}, 3));
}

/* No connection can be made: old and new requests go to the other server, until a connection is made
 * again. A request of a conversation waits, and fails in time. */
static void down(void **state)
{
    (void)state;
    assert_int_equal(ask(1, RADIUS_SERVERS, 0), 0);
    assert_int_equal(ask(2, 0, 0), 0);
    radius_client_down(client, 0, 1);
    assert_true(sent(1));
    assert_int_equal(datagram.server, 1);
    assert_false(sent(1));
    assert_int_equal(ask(3, RADIUS_SERVERS, 2), 0);
    assert_true(sent(2));
    assert_int_equal(datagram.server, 1);
    radius_client_forget(client, 1);
    radius_client_forget(client, 3);
    assert_int_equal(radius_client_deadline(client), WAIT);
    assert_false(sent(WAIT));
    assert_true(radius_client_failed(client, &outcome));
    assert_int_equal(outcome.tag, 2);
    up_at(0, WAIT);
    assert_int_equal(ask(4, RADIUS_SERVERS, WAIT), 0);
    assert_true(sent(WAIT));
    assert_int_equal(datagram.server, 0);
}

/* Each connection breaks once a request is sent, as with a server that refuses our certificate after
 * the handshake. This request and later ones go to the other server. */
static void flapping(void **state)
{
    (void)state;
    assert_int_equal(ask(7, RADIUS_SERVERS, 0), 0);
    for (nanos now = 1; now <= RADIUS_TRIES; now++) {
        radius_client_up(client, 0, 0, now);
        assert_true(sent(now));
        assert_int_equal(datagram.server, 0);
        radius_client_lost(client, 0, 0);
    }
    assert_true(radius_client_deadline(client) <= RADIUS_TRIES);
    assert_true(sent(RADIUS_TRIES + 1));
    assert_int_equal(datagram.server, 1);
    radius_client_up(client, 0, 0, RADIUS_TRIES + 2);
    assert_int_equal(ask(8, RADIUS_SERVERS, RADIUS_TRIES + 2), 0);
    assert_true(sent(RADIUS_TRIES + 2));
    assert_int_equal(datagram.server, 1);
}

/* No new request gets the Identifier of one whose reply may still come: it would look forged. */
static void late_answer(void **state)
{
    struct radius_datagram from;
    const struct test_reply what = {RADIUS_ACCESS_REJECT, true, {0}};
    (void)state;
    radius_client_up(client, 0, 0, 0);
    assert_int_equal(ask(1, 0, 0), 0);
    assert_true(sent(0));
    from = datagram;
    uint8_t identifier = request[1];
    static uint8_t late[RADIUS_PACKET];
    from.octets = span_of(late, test_server_seal(&what, datagram.octets, SECRET, late));
    radius_client_forget(client, 1);
    assert_false(radius_client_wants(client, 0, 0));
    for (uint64_t tag = 2; tag <= 255; tag++) { /* takes all Identifiers that are left */
        assert_int_equal(ask(tag, 0, 0), 0);
        assert_true(sent(0));
        assert_int_not_equal(request[1], identifier);
    }
    assert_int_equal(ask(256, 0, 0), 0);
    assert_true(radius_client_wants(client, 0, 1)); /* another connection has to take it */
    assert_false(radius_client_recv(client, &from, 1, &outcome));
    assert_false(radius_client_broken(client, 0));
    assert_int_equal(ask(257, 0, 1), 0);
    assert_true(sent(1));
    assert_int_equal(request[1], identifier);
}

/* A request ends in time, however often connections come and go. */
static void flapping_slowly(void **state)
{
    (void)state;
    assert_int_equal(ask(7, 0, 0), 0);
    radius_client_up(client, 0, 0, WAIT - 1);
    assert_true(sent(WAIT - 1));
    radius_client_lost(client, 0, 0);
    radius_client_up(client, 0, 0, 2 * WAIT - 5);
    assert_true(sent(2 * WAIT - 5));
    assert_false(radius_client_failed(client, &outcome));
    while (sent(2 * WAIT))
        ;
    assert_true(radius_client_failed(client, &outcome));
    assert_int_equal(outcome.tag, 7);
}

/* A server that was down is doubtful: it gets one request at a time until it answers. */
static void doubtful_after_down(void **state)
{
    (void)state;
    radius_client_down(client, 0, 0);
    radius_client_up(client, 0, 0, 1);
    assert_int_equal(ask(1, RADIUS_SERVERS, 1), 0);
    assert_true(sent(1));
    assert_int_equal(datagram.server, 0);
    assert_int_equal(ask(2, RADIUS_SERVERS, 1), 0);
    assert_true(sent(1));
    assert_int_equal(datagram.server, 1);
}

/* The only server is down: a request waits for it. */
static void down_alone(void **state)
{
    (void)state;
    radius_client_server_set(client, 1, NULL);
    radius_client_down(client, 0, 0);
    assert_int_equal(ask(1, RADIUS_SERVERS, 0), 0);
    assert_false(sent(WAIT - 1));
    radius_client_down(client, 0, WAIT - 1);
    assert_false(sent(WAIT - 1));
    assert_false(radius_client_failed(client, &outcome));
    radius_client_up(client, 0, 0, WAIT - 1);
    assert_true(sent(WAIT - 1));
}

/* RFC 3539 section 3.4.1: a quiet connection gets a Status-Server. Without a reply to that, the
 * connection is closed. */
static void watchdog(void **state)
{
    (void)state;
    radius_client_up(client, 0, 0, 0);
    assert_true(sent(0)); /* the first one at once */
    assert_int_equal(request[0], RADIUS_STATUS_SERVER);
    assert_int_equal(request[1], 0); /* RFC 6613 section 2.6.5 */
    assert_false(taken(RADIUS_ACCESS_ACCEPT, (struct span){0}, 5));
    nanos second = radius_client_deadline(client);
    assert_in_range(second - 5, RADIUS_WATCH_NS * 14 / 15, RADIUS_WATCH_NS * 16 / 15);
    assert_true(sent(second));
    assert_int_equal(request[0], RADIUS_STATUS_SERVER);
    assert_false(radius_client_broken(client, 0));
    assert_false(sent(second + WAIT));
    assert_true(radius_client_broken(client, 0));
    assert_true(radius_client_dead(client, 0, true, second + WAIT));
    radius_client_lost(client, 0, 0);
    radius_client_up(client, 0, 0, second + WAIT);
    assert_false(radius_client_broken(client, 0));
    assert_true(sent(second + WAIT));
    assert_int_equal(request[0], RADIUS_STATUS_SERVER);
    assert_false(taken(RADIUS_ACCESS_ACCEPT, (struct span){0}, second + WAIT));
    assert_false(radius_client_dead(client, 0, true, second + WAIT));
}

/* RFC 6613 section 2.4: a request without a reply does not make the server dead. It starts the
 * watchdog at once, which decides. */
static void watchdog_decides(void **state)
{
    (void)state;
    up_at(0, 0);
    assert_int_equal(ask(1, RADIUS_SERVERS, 1), 0);
    assert_true(sent(1));
    nanos late = WAIT + 1;
    bool watched = false, other = false;
    while (sent(late))
        watched |= datagram.server == 0 && request[0] == RADIUS_STATUS_SERVER,
            other |= datagram.server == 1;
    if (sent(late))
        watched |= datagram.server == 0 && request[0] == RADIUS_STATUS_SERVER;
    assert_true(watched && other);
    assert_false(radius_client_dead(client, 0, false, late));
    assert_false(radius_client_broken(client, 0));
}

/* More requests than a connection has Identifiers: a further connection is wanted. */
static void several_connections(void **state)
{
    (void)state;
    up_at(0, 0);
    for (uint64_t tag = 1; tag <= 255; tag++)
        assert_int_equal(ask(tag, 0, 0), 0);
    assert_false(radius_client_wants(client, 0, 1));
    assert_int_equal(ask(256, 0, 0), 0);
    assert_true(radius_client_wants(client, 0, 1));
    unsigned n = 0;
    while (sent(0)) {
        assert_int_equal(datagram.lane, 0);
        assert_int_not_equal(request[1], 0);
        n++;
    }
    assert_int_equal(n, 255);
    up_at(1, 1);
    assert_true(sent(1));
    assert_int_equal(datagram.lane, 1);
    for (uint64_t tag = 257; tag <= RADIUS_LANES * 255; tag++)
        assert_int_equal(ask(tag, 0, 1), 0);
    assert_int_equal(ask(9999, 0, 1), ERR_FULL);
}

/* A23: over TLS only the server itself can send a wrong authenticator, so the server is faulty: the
 * connection is closed (RFC 6613 section 2.6.4). */
static void wrong_authenticator(void **state)
{
    (void)state;
    up_at(0, 0);
    assert_int_equal(ask(1, 0, 0), 0);
    assert_true(sent(0));
    const struct test_reply what = {RADIUS_ACCESS_ACCEPT, true, {0}};
    struct radius_datagram from = datagram;
    from.octets = span_of(reply, test_server_seal(&what, datagram.octets, "another", reply));
    assert_false(radius_client_recv(client, &from, 1, &outcome));
    assert_true(radius_client_broken(client, 0));
}

/* RFC 6614 section 2.5: a server that refuses accounting gets no more of it. The record goes to
 * another server. */
static void accounting_unwanted(void **state)
{
    static const uint8_t cause[] = {101, 6, 0, 0, 406 >> 8, 406 & 0xff};
    (void)state;
    up_at(0, 0);
    assert_int_equal(ask_code(RADIUS_ACCOUNTING_REQUEST, 1, RADIUS_SERVERS, 0), 0);
    assert_true(sent(0));
    assert_int_equal(datagram.server, 0);
    assert_false(taken(RADIUS_ACCOUNTING_RESPONSE, span_of(cause, sizeof(cause)), 1));
    assert_true(radius_client_refuses(client, 0));
    assert_true(sent(1));
    assert_int_equal(datagram.server, 1);
    assert_int_equal(ask_code(RADIUS_ACCOUNTING_REQUEST, 2, RADIUS_SERVERS, 2), 0);
    assert_true(sent(2));
    assert_int_equal(datagram.server, 1);
    assert_int_equal(ask(3, RADIUS_SERVERS, 2), 0);
    assert_true(sent(2));
    assert_int_equal(datagram.server, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_of_a_stream),
        cmocka_unit_test_setup_teardown(late_answer, setup_unwatched, teardown),
        cmocka_unit_test_setup_teardown(flapping, setup_unwatched, teardown),
        cmocka_unit_test_setup_teardown(flapping_slowly, setup_unwatched, teardown),
        cmocka_unit_test_setup_teardown(doubtful_after_down, setup_unwatched, teardown),
        cmocka_unit_test(longest_packet),
        cmocka_unit_test_setup_teardown(waits_for_the_connection, setup_unwatched, teardown),
        cmocka_unit_test_setup_teardown(sent_again_over_the_next, setup_unwatched, teardown),
        cmocka_unit_test_setup_teardown(down, setup, teardown),
        cmocka_unit_test_setup_teardown(down_alone, setup_unwatched, teardown),
        cmocka_unit_test_setup_teardown(watchdog, setup, teardown),
        cmocka_unit_test_setup_teardown(watchdog_decides, setup, teardown),
        cmocka_unit_test_setup_teardown(several_connections, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_authenticator, setup, teardown),
        cmocka_unit_test_setup_teardown(accounting_unwanted, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
