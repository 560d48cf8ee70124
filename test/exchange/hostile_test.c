/* SPDX-License-Identifier: Apache-2.0 */
/* What comes from anyone, and what comes from a peer that has the keys and means ill. */
#include <stdio.h>
#include <stdlib.h>

#include "exchange/scenario.h"
#include "ike/core/sa.h"
#include "wire/payloads.h"

static struct ike_datagram taken; /* the last one of `a` that went by */
static struct ike_datagram answer;
static unsigned n_answers;

static bool take(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world;
    if (to_b) {
        taken = *d;
    } else if ((d->octets[19] & IKE_FLAG_RESPONSE) != 0) {
        answer = *d;
        n_answers++;
    }
    return true;
}

static struct ike_stats stats_of(const struct peer *peer)
{
    struct ike_stats stats;
    ike_stats_get(peer->ike, &stats);
    return stats;
}

static void to_b(struct world *world, const struct ike_datagram *d)
{
    struct ike_path path = {d->path.remote, d->path.local, 0};
    world_deliver_raw(world, true, &path, span_of(d->octets, d->len));
}

/* --- unprotected messages --- */

/* header_only - and payloads that are none, so that an answer is not larger. */
static void header_only(struct world *world, struct ike_header header)
{
    struct ike_datagram d = {.path = world_path(0), .len = IKE_HEADER_LEN};
    if (header.version >> 4 != 2)
        d.len += 8;
    header.length = (uint32_t)d.len;
    ike_header_write(&header, d.octets);
    to_b(world, &d);
}

/* sealed - the header, and what nobody can decrypt */
static void sealed(struct world *world, struct ike_header header)
{
    struct ike_datagram d = {.path = world_path(0), .len = IKE_HEADER_LEN + 64};
    header.next_payload = WIRE_PAYLOAD_SK;
    header.length = (uint32_t)d.len;
    ike_header_write(&header, d.octets);
    d.octets[IKE_HEADER_LEN + 3] = 64;
    to_b(world, &d);
}

static void unknown_things(void **state)
{
    (void)state;
    struct world *world = scenario_up(2);
    struct ike_sa_info info = scenario_sa(&world->b, world_sa(&world->b, 0));
    struct ike_header header = {.spi_i = 1,
                                .spi_r = 2,
                                .version = IKE_VERSION,
                                .exchange = WIRE_INFORMATIONAL,
                                .flags = IKE_FLAG_INITIATOR};
    world->hook = take;
    n_answers = 0;
    for (int i = 0; i < 1000; i++) {
        header.spi_i++;
        sealed(world, header);
    }
    assert_int_equal(n_answers, 10); /* in this second */
    header.flags |= IKE_FLAG_RESPONSE;
    world_run(world, 2 * NANOS_PER_SEC);
    n_answers = 0;
    sealed(world, header);
    header.flags = IKE_FLAG_INITIATOR;
    header_only(world, header); /* only what is encrypted is answered */
    assert_int_equal(n_answers, 0);
    header.flags = IKE_FLAG_INITIATOR;
    header.version = 0x10;
    header_only(world, header);
    assert_int_equal(n_answers, 0);
    header.version = 0x30;
    header_only(world, header);
    assert_int_equal(n_answers, 1);
    assert_int_equal(answer.octets[IKE_HEADER_LEN + 7], N_INVALID_MAJOR_VERSION);
    header.version = 0x2f;
    sealed(world, header);
    assert_int_equal(n_answers, 2);
    /* exchanges that do not exist, for an IKE SA that does */
    static const uint8_t exchanges[] = {0, 1, 33, 38, 43, 44, 240, 255};
    header.spi_i = info.spi_i;
    header.spi_r = info.spi_r;
    header.version = IKE_VERSION;
    for (size_t i = 0; i < sizeof(exchanges); i++) {
        header.exchange = exchanges[i];
        header_only(world, header);
    }
    header.exchange = WIRE_INFORMATIONAL; /* and one in the open */
    header_only(world, header);
    assert_int_equal(n_answers, 2);
    scenario_end(world);
}

/* --- the datagrams of a session, cut, lengthened and spoiled --- */

static bool spoil_everything(struct world *world, bool is_to_b, struct ike_datagram *d)
{
    struct ike *ike = is_to_b ? world->b.ike : world->a.ike;
    struct ike_path path = {d->path.remote, d->path.local, 0};
    static uint8_t copy[LIMIT_IKE_MESSAGE + 8];
    for (size_t len = 0; len < d->len; len++) {
        const struct span cut[2] = {span_of(d->octets, len), span_of(d->octets, d->len)};
        ike_expect(ike, cut, 2);
        ike_recv(ike, &path, cut[0], world->now);
    }
    memcpy(copy, d->octets, d->len);
    memset(copy + d->len, 0, 8);
    ike_recv(ike, &path, span_of(copy, d->len + 3), world->now);
    if (d->octets[18] == WIRE_IKE_SA_INIT)
        return true; /* in the open: AUTH finds it */
    for (size_t i = 0; i < d->len; i++) {
        copy[i] ^= 0x10;
        ike_recv(ike, &path, span_of(copy, d->len), world->now);
        copy[i] ^= 0x10;
    }
    /* back to its sender */
    path = d->path;
    ike_recv(is_to_b ? world->a.ike : world->b.ike, &path, span_of(d->octets, d->len), world->now);
    return true;
}

static void spoiled(void **state)
{
    (void)state;
    struct world *world = world_new(3);
    world->hook = spoil_everything;
    scenario_login(world);
    ike_sa_id second = scenario_clone(&world->a, world_sa(&world->a, 0));
    scenario_move(world, second, 1);
    scenario_create(&world->a, second);
    assert_int_equal(world_n_sas(&world->b), 2);
    assert_true(stats_of(&world->b).unauthenticated > 500);
    assert_int_equal(scenario_session(&world->b).logins, 1);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_DELETE_IKE, world_sa(&world->a, 0)), IKE_OK);
    scenario_end(world);
}

/* a message of one clone is nothing to its sibling. */
static void of_a_sibling(void **state)
{
    (void)state;
    struct world *world = scenario_up(4);
    ike_sa_id second = scenario_clone(&world->a, world_sa(&world->a, 0));
    world->hook = take;
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_PROBE, world_sa(&world->a, 0)), IKE_OK);
    struct ike_sa_info info = scenario_sa(&world->a, second);
    for (int i = 0; i < 8; i++) {
        taken.octets[i] = (uint8_t)(info.spi_i >> (56 - 8 * i));
        taken.octets[8 + i] = (uint8_t)(info.spi_r >> (56 - 8 * i));
    }
    uint64_t before = stats_of(&world->b).unauthenticated;
    n_answers = 0;
    for (uint8_t id = 0; id < 3; id++) {
        taken.octets[23] = id;
        to_b(world, &taken);
    }
    assert_int_equal(n_answers, 0);
    assert_int_equal(stats_of(&world->b).unauthenticated - before, 1); /* the one it expects */
    scenario_end(world);
}

/* --- from a peer with the keys --- */

static uint8_t chain[4096];
static size_t n_chain;
static uint8_t first_type;

/* answer_to - sends `chain` as the next authentic request; the first payload of the answer, as
 * text. */
static const char *answer_to(struct world *world, uint8_t exchange)
{
    static struct message_keys keys;
    static struct message m;
    static char text[256];
    struct ike_datagram d = {0};
    struct ike_keylog log;
    const struct sa *sa = sa_find(world->b.ike, world_sa(&world->b, 0));
    struct ike_header header = {.spi_i = sa->spi_i,
                                .spi_r = sa->spi_r,
                                .version = IKE_VERSION,
                                .exchange = exchange,
                                .flags = IKE_FLAG_INITIATOR,
                                .message_id = sa->theirs.next_id};
    assert_true(ike_keylog_get(world->b.ike, sa->id, &log));
    keys = (struct message_keys){.n = 1, .sas = {log}, .known = {true}};
    message_seal(&log, world->a.crypto, &header, first_type, span_of(chain, n_chain), &d);
    d.path = (struct ike_path){sa->path.remote, sa->path.local, 0};
    world->hook = take;
    n_answers = 0;
    to_b(world, &d);
    if (n_answers == 0)
        return "";
    assert_true(message_read(&keys, NULL, NULL, world->a.crypto, &answer, &m));
    message_print(&m, text, sizeof(text));
    return strchr(text, ':') + 2;
}

static void add_payload(uint8_t next, bool critical, const void *body, size_t len)
{
    chain[n_chain] = next;
    chain[n_chain + 1] = critical ? 0x80 : 0;
    chain[n_chain + 2] = (uint8_t)((len + 4) >> 8);
    chain[n_chain + 3] = (uint8_t)(len + 4);
    if (len > 0)
        memcpy(chain + n_chain + 4, body, len);
    n_chain += len + 4;
}

static void start_chain(uint8_t first)
{
    first_type = first;
    n_chain = 0;
}

static void authentic_but_wrong(void **state)
{
    (void)state;
    struct world *world = scenario_up(5);
    start_chain(200);
    add_payload(0, false, "abc", 3);
    assert_string_equal(answer_to(world, WIRE_INFORMATIONAL), "-");
    start_chain(200);
    add_payload(0, true, "abc", 3);
    assert_string_equal(answer_to(world, WIRE_INFORMATIONAL), "N(UNSUPPORTED_CRITICAL_PAYLOAD)");
    assert_int_equal(answer.len > 0, 1);
    start_chain(WIRE_PAYLOAD_N); /* the critical bit on what we know is nothing */
    add_payload(0, true, "\0\0\x40\x01", 4);
    assert_string_equal(answer_to(world, WIRE_INFORMATIONAL), "-");
    /* Child SAs that are not there, one of them sixty times */
    uint8_t deletes[4 + 60 * 4] = {WIRE_PROTO_ESP, 4, 0, 60};
    memset(deletes + 4, 7, 60 * 4);
    start_chain(WIRE_PAYLOAD_D);
    add_payload(0, false, deletes, sizeof(deletes));
    assert_string_equal(answer_to(world, WIRE_INFORMATIONAL), "-");
    assert_int_equal(world_n_children(&world->b), 1);
    world_free(world);
}

/* RFC 7296 section 2.21.3: each of these is badly formatted, and ends this IKE SA at our end. */
static void fatal_chain(int which)
{
    static const uint8_t n[4] = {0, 0, 0x40, 1};
    start_chain(WIRE_PAYLOAD_N);
    switch (which) {
    case 0: /* beyond the end */
        add_payload(0, false, n, 4);
        chain[3]++;
        break;
    case 1: /* shorter than its own header */
        add_payload(0, false, n, 4);
        chain[3] = 3;
        break;
    case 2: /* octets behind the last payload */
        add_payload(0, false, n, 4);
        n_chain += 3;
        break;
    case 3: /* SK in SK */
        first_type = WIRE_PAYLOAD_SK;
        add_payload(0, false, n, 4);
        break;
    case 4: /* thirty empty notifies that nobody knows */
        for (int i = 0; i < 30; i++)
            add_payload(i < 29 ? WIRE_PAYLOAD_N : 0, false, n, 4);
        break;
    case 5: /* two nonces */
        first_type = WIRE_PAYLOAD_NONCE;
        add_payload(WIRE_PAYLOAD_NONCE, false, "0123456789abcdef", 16);
        add_payload(0, false, "0123456789abcdef", 16);
        break;
    case 6: /* more payloads than there can be */
        for (int i = 0; i < 200; i++)
            add_payload(i < 199 ? WIRE_PAYLOAD_V : 0, false, "", 0);
        first_type = WIRE_PAYLOAD_V;
        break;
    default: /* more SPIs than octets */
        first_type = WIRE_PAYLOAD_D;
        add_payload(0, false, "\3\4\xff\xff", 4);
        break;
    }
}

static struct ike_datagram last_request;
static bool remember(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world;
    if (to_b)
        last_request = *d;
    return true;
}

/* A request is repeated: so is the response. One that is not authentic gets nothing. */
static void forged_repetition(void **state)
{
    (void)state;
    struct world *world = world_new(8);
    world->hook = remember;
    scenario_login(world);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_PROBE, world_sa(&world->a, 0)), IKE_OK);
    struct ike_datagram d = last_request;
    struct ike_path path = {d.path.remote, d.path.local, 0};
    for (int forged = 0; forged < 2; forged++) {
        unsigned before = world->n_sent;
        d.octets[d.len - 1] ^= (uint8_t)forged;
        world_deliver_raw(world, true, &path, span_of(d.octets, d.len));
        assert_int_equal(world->n_sent, before + (forged ? 0 : 1));
    }
    scenario_end(world);
}

/* F9: an attacker saw the last request, and repeats it with the address of a victim. The victim gets a bounded number
 * of responses. The peer still gets its response when it repeats the request. */
static void repeated_for_a_victim(void **state)
{
    (void)state;
    struct world *world = world_new(8);
    struct ike_stats stats;
    world->hook = remember;
    scenario_login(world);
    const struct ike_datagram d = last_request;
    struct ike_path path = {d.path.remote, d.path.local, 0};
    assert_true(address_parse("203.0.113.9", &path.remote.address));
    for (int i = 0; i < 10000; i++)
        world_deliver_raw(world, true, &path, span_of(d.octets, d.len));
    ike_stats_get(world->b.ike, &stats);
    assert_int_equal(stats.retransmitted, LIMIT_REPEATS_PER_SECOND);
    path.remote = d.path.local;
    unsigned before = world->n_sent;
    world_deliver_raw(world, true, &path, span_of(d.octets, d.len));
    assert_int_equal(world->n_sent, before + 1);
    scenario_end(world);
}

static void badly_formatted(void **state)
{
    (void)state;
    for (int which = 0; which < 8; which++) {
        struct world *world = scenario_up(6);
        scenario_clone(&world->a, world_sa(&world->a, 0));
        fatal_chain(which);
        if (strcmp(answer_to(world, WIRE_INFORMATIONAL), "N(INVALID_SYNTAX)") != 0)
            fail_msg("case %d is accepted", which);
        assert_int_equal(world_n_sas(&world->b), 1); /* the sibling */
        assert_int_equal(world->b.n_leases, 1);
        world_free(world);
    }
}

/* Child SAs without end: a limit of the session, and the IKE SA lives. */
static void many_children(void **state)
{
    (void)state;
    struct world *world = scenario_up(7);
    ike_sa_id sa = world_sa(&world->a, 0);
    for (int i = 0; i < LIMIT_CHILD_SAS_SESSION - 1; i++)
        scenario_create(&world->a, sa);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_CREATE_CHILD, sa), IKE_LIMIT);
    assert_int_equal(scenario_on_sa(&world->b, IKE_CMD_CREATE_CHILD, world_sa(&world->b, 0)),
                     IKE_LIMIT);
    assert_int_equal(scenario_on_child(&world->a, IKE_CMD_REKEY_CHILD, world_child(&world->a, 5)),
                     IKE_OK);
    assert_int_equal(world_n_children(&world->b), LIMIT_CHILD_SAS_SESSION);
    scenario_end(world);
}

/* --- a peer that asks and asks, as fast as it can --- */

static enum scenario_fate lose_deletes(struct world *world, bool is_to_b, struct message *m)
{
    (void)world;
    return is_to_b && !ike_header_response(&m->header) && message_find(m, WIRE_PAYLOAD_D) < m->n
               ? SCENARIO_LOST
               : SCENARIO_PASS;
}

/* of the IKE SAs that `b` has, whatever their state */
static unsigned all_sas(const struct peer *peer)
{
    unsigned n = 0;
    struct ike_sa_info info = {0};
    while (ike_sa_next(peer->ike, info.id, &info))
        n++;
    return n;
}

/* Rekeys without end, none of whose old IKE SAs is deleted: plain, and with code 1, after which the
 * old one lives as long as anything is heard on it. */
static void rekeyed_and_rekeyed(void **state)
{
    (void)state;
    for (int unused = 0; unused < 2; unused++) {
        struct world *world = world_new(9);
        unsigned most = 0;
        world->conn_b->max_ike_sas = 2;
        scenario_login(world);
        scenario_edit(world, lose_deletes);
        scenario_watch(world);
        ike_sa_id sa = world_sa(&world->a, 0);
        uint64_t tag = 0;
        for (int i = 0; i < 100; i++) {
            struct ike_command command = {
                .kind = unused ? IKE_CMD_CLONE : IKE_CMD_REKEY_IKE, .sa = sa, .unused_old = unused};
            if (tag == 0)
                tag = world_post(&world->a, command);
            world_run(world, NANOS_PER_SEC + NANOS_PER_SEC / 8);
            const struct ike_event *done = world_done(&world->a, tag);
            most = all_sas(&world->b) > most ? all_sas(&world->b) : most;
            if (done == NULL) /* TEMPORARY_FAILURE: it waits */
                continue;
            if (done->outcome == IKE_OK)
                sa = done->sa;
            tag = 0;
        }
        assert_in_range(most, 4, 12);
        assert_true(scenario_count(world, "CREATE_CHILD_SA response: N(TEMPORARY_FAILURE)") > 0);
        assert_int_equal(world_n_children(&world->b), 1);
        assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_PROBE, sa), IKE_OK);
        world_free(world);
    }
}

/* ask - as often as the queue takes it. */
static void ask(struct peer *peer, struct ike_command command)
{
    (void)!ike_command(peer->ike, &command, peer->world->now);
    world_drain(peer->world);
}

/* As fast as the network carries them: a burst, then as many as the rate allows. */
static void as_fast_as_can_be(void **state)
{
    (void)state;
    struct world *world = scenario_up(10);
    nanos began = world->now;
    for (int i = 0; i < 400; i++) {
        ask(&world->a,
            (struct ike_command){.kind = IKE_CMD_REKEY_IKE, .sa = world_sa(&world->a, 0)});
        world_run(world, 4 * WORLD_LATENCY_NS);
    }
    uint64_t seconds = (uint64_t)((world->now - began) / NANOS_PER_SEC);
    assert_in_range(stats_of(&world->b).rekeys_ike, 16, 17 + seconds);
    world_run(world, 60 * NANOS_PER_SEC);
    began = world->now;
    unsigned before = world->b.counts[IKE_EV_CHILD_UP], asked = 0;
    ike_sa_id sa = world_sa(&world->a, 0);
    while (world->now - began < 10 * NANOS_PER_SEC) {
        ike_child_id child = world_child(&world->a, 1);
        if (child != 0)
            ask(&world->a, (struct ike_command){.kind = IKE_CMD_DELETE_CHILD, .child_id = child});
        ask(&world->a, (struct ike_command){.kind = IKE_CMD_CREATE_CHILD, .sa = sa});
        world_run(world, 2 * WORLD_LATENCY_NS);
        asked++;
    }
    unsigned made = world->b.counts[IKE_EV_CHILD_UP] - before;
    assert_true(asked > 400);
    assert_in_range(made, 2 * LIMIT_CHILD_SAS_SESSION, 2 * LIMIT_CHILD_SAS_SESSION + 16 * 11);
    assert_int_equal(world_n_sas(&world->b), 1); /* and it lives */
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_PROBE, sa), IKE_OK);
    world_free(world);
}

/* To and fro, as fast as the network carries it: by MOBIKE (what is too much is heard when it is
 * repeated), and without it, with every message from another port of a NAT. */
static void moving_all_the_time(void **state)
{
    (void)state;
    for (int mobike = 0; mobike < 2; mobike++) {
        struct world *world = world_new(12);
        world->conn_a->mobike = mobike == 1;
        world->nat_port = mobike ? 0 : 20000;
        scenario_login(world);
        ike_sa_id sa = world_sa(&world->a, 0);
        unsigned before = world->b.counts[IKE_EV_SA_MOVED];
        nanos began = world->now;
        for (uint16_t i = 0; i < 400; i++) {
            struct ike_command move = {.kind = IKE_CMD_MOVE, .sa = sa, .path = world_path(0)};
            move.path.local.port = (uint16_t)(5000 + i % 2);
            if (!mobike) {
                world->nat_port = (uint16_t)(20000 + 2 * (i % 2));
                move.kind = IKE_CMD_PROBE;
            }
            ask(&world->a, move);
            world_run(world, 3 * WORLD_LATENCY_NS);
        }
        unsigned seconds = (unsigned)((world->now - began) / NANOS_PER_SEC);
        unsigned moves = world->b.counts[IKE_EV_SA_MOVED] - before;
        assert_in_range(moves, 64, 65 + 8 * seconds);
        world_run(world, 60 * NANOS_PER_SEC);
        assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_PROBE, sa), IKE_OK); /* and it lives */
        assert_int_equal(scenario_sa(&world->b, world_sa(&world->b, 0)).path.remote.port,
                         mobike ? scenario_sa(&world->a, sa).path.local.port : world->nat_port + 1);
        world_free(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_things),        cmocka_unit_test(spoiled),
        cmocka_unit_test(of_a_sibling),          cmocka_unit_test(authentic_but_wrong),
        cmocka_unit_test(forged_repetition),     cmocka_unit_test(badly_formatted),
        cmocka_unit_test(repeated_for_a_victim), cmocka_unit_test(many_children),
        cmocka_unit_test(rekeyed_and_rekeyed),   cmocka_unit_test(as_fast_as_can_be),
        cmocka_unit_test(moving_all_the_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
