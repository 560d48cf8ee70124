/* SPDX-License-Identifier: Apache-2.0 */
/* IKE_SA_INIT requests of nobody: spoofed, by the thousand, and with what costs us most. */
#include <stdio.h>
#include <stdlib.h>

#include "crypto/ke.h"
#include "exchange/scenario.h"
#include "ike/core/sa.h"
#include "wire/payloads.h"

#define NET 256 /* host numbers so far apart are of different IPv4 /24 */

static struct ike_datagram taken; /* the last one of `a` that went by */
static struct ike_datagram answer;
static unsigned n_answers;

static bool take(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world;
    if (to_b) {
        taken = *d;
    } else {
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

static struct message init; /* a good one */

static struct world *with_init(struct ike_options options)
{
    static struct message_keys keys;
    struct world *world = world_new(1);
    keys = (struct message_keys){0};
    world_restart(&world->b, options);
    world_start(world);
    world->hook = take;
    struct ike_command connect = {.kind = IKE_CMD_CONNECT, .conn = "office", .path = world_path(0)};
    struct ike_command cancel = {.kind = IKE_CMD_CANCEL, .tag = world_post(&world->a, connect)};
    assert_int_equal(ike_command(world->a.ike, &cancel, world->now), 0);
    while (world->wire != NULL) { /* it does not arrive */
        struct datagram *d = world->wire;
        world->wire = d->next;
        free(d);
    }
    assert_true(message_read(&keys, world->a.ike, NULL, world->a.crypto, &taken, &init));
    n_answers = 0;
    return world;
}

/* send_init - with this SPI, from the host with this number, with the cookie of `answer` or not. */
static void send_init(struct world *world, uint64_t spi, unsigned host, bool cookie)
{
    static struct message_keys none;
    struct message m = init;
    if (cookie) {
        struct message refusal;
        none = (struct message_keys){0};
        assert_true(message_read(&none, NULL, NULL, world->a.crypto, &answer, &refusal));
        message_insert(&m, 0, WIRE_PAYLOAD_N, message_body(&refusal, 0));
    }
    m.header.spi_i = spi;
    m.sa = 1;
    none = (struct message_keys){0};
    struct ike_datagram d = {.path = world_path(0)};
    d.path.local.port = d.path.remote.port = 500;
    d.path.local.address.octets[1] = (uint8_t)(host >> 16);
    d.path.local.address.octets[2] = (uint8_t)(host >> 8);
    d.path.local.address.octets[3] = (uint8_t)host;
    message_write(&none, world->a.crypto, &m, &d);
    taken = d;
    to_b(world, &d);
}

static void same_request_again(void **state)
{
    (void)state;
    struct world *world = with_init((struct ike_options){0});
    send_init(world, 1000, 1, false);
    struct ike_datagram first = answer;
    assert_int_equal(n_answers, 1);
    for (int i = 0; i < 10; i++)
        to_b(world, &taken);
    assert_int_equal(n_answers, 11);
    assert_int_equal(answer.len, first.len);
    assert_memory_equal(answer.octets, first.octets, first.len);
    assert_int_equal(stats_of(&world->b).half_open, 1);
    send_init(world, 1000, 2, false); /* from elsewhere: another one */
    assert_int_equal(stats_of(&world->b).half_open, 2);
    size_t nonce = message_find(&init, WIRE_PAYLOAD_NONCE);
    message_octets(&init, nonce)[0] ^= 1;
    send_init(world, 1000, 1, false);
    assert_int_equal(stats_of(&world->b).half_open, 3);
    world_run(world, 31 * NANOS_PER_SEC);
    assert_int_equal(stats_of(&world->b).half_open, 0);
    assert_int_equal(world_n_sas(&world->b), 0);
    world_free(world);
}

/* one address gets three, then cookies; with cookies sixteen, then silence. */
static void one_address(void **state)
{
    (void)state;
    struct world *world = with_init((struct ike_options){0});
    for (uint64_t spi = 1; spi <= 100; spi++)
        send_init(world, spi, 1, false);
    assert_int_equal(stats_of(&world->b).half_open, 3);
    assert_int_equal(stats_of(&world->b).cookies_sent, 97);
    for (uint64_t spi = 1000; spi < 1100; spi++) {
        send_init(world, spi, 1, false);
        send_init(world, spi, 1, true);
        /* an answer that is asked for with a wrong address is not larger than the question */
        assert_true(stats_of(&world->b).half_open == 16 || answer.len <= 2 * taken.len);
    }
    assert_int_equal(stats_of(&world->b).half_open, 16);
    /* a neighbour in its /24 needs a cookie; others are not affected */
    send_init(world, 5000, 2, false);
    assert_int_equal(stats_of(&world->b).half_open, 16);
    send_init(world, 5000, 2, true);
    assert_int_equal(stats_of(&world->b).half_open, 17);
    send_init(world, 5000, 2 * NET, false);
    assert_int_equal(stats_of(&world->b).half_open, 18);
    world_run(world, 31 * NANOS_PER_SEC);
    assert_int_equal(stats_of(&world->b).half_open, 0);
    world_free(world);
}

/* from everywhere: cookies from the threshold on, and never more than the cap. */
static void many_addresses(void **state)
{
    (void)state;
    struct world *world = with_init((struct ike_options){.max_half_open = 60});
    for (unsigned host = 1; host <= 500; host++)
        send_init(world, host, host * NET, false);
    assert_int_equal(stats_of(&world->b).half_open, 30);
    assert_int_equal(stats_of(&world->b).cookies_sent, 470);
    assert_true(answer.len < taken.len);
    for (unsigned host = 1000; host < 1100; host++) {
        send_init(world, host, host * NET, false);
        send_init(world, host, host * NET, true);
    }
    /* an eighth of the table is for those who have logged in before */
    assert_int_equal(stats_of(&world->b).half_open, 53);
    world_run(world, 31 * NANOS_PER_SEC);
    /* who has a cookie and is alone again gets in */
    assert_int_equal(stats_of(&world->b).half_open, 0);
    world_free(world);
}

/* a cookie of another address, port, SPI; an old one */
static void cookies_of_others(void **state)
{
    (void)state;
    struct world *world = with_init((struct ike_options){.cookie_threshold = 1});
    send_init(world, 1, 1, false);
    send_init(world, 2, 2, false);
    struct ike_datagram good = answer;
    assert_int_equal(stats_of(&world->b).half_open, 1);
    send_init(world, 2, 3, true); /* another address */
    answer = good;
    send_init(world, 3, 2, true); /* another SPI */
    answer = good;
    answer.octets[answer.len - 1] ^= 1;
    send_init(world, 2, 2, true); /* one bit */
    assert_int_equal(stats_of(&world->b).half_open, 1);
    answer = good;
    send_init(world, 2, 2, true);
    assert_int_equal(stats_of(&world->b).half_open, 2);
    world_run(world, 31 * NANOS_PER_SEC);
    send_init(world, 9, 9, false);
    world_run(world, 400 * NANOS_PER_SEC);
    send_init(world, 1, 1, false); /* half open again, so that cookies are asked for */
    answer = good;                 /* of the secret that is still the last one */
    send_init(world, 2, 2, true);
    assert_int_equal(stats_of(&world->b).half_open, 1);
    send_init(world, 3, 3, false); /* a new secret */
    answer = good;
    send_init(world, 2, 2, true);
    assert_int_equal(stats_of(&world->b).half_open, 1);
    world_free(world);
}

/* --- key exchanges --- */

/* ke_set - the KE payload of the good request says this. */
static void ke_set(uint16_t group, uint8_t octet, size_t len)
{
    static uint8_t body[4 + 512];
    size_t at = message_find(&init, WIRE_PAYLOAD_KE);
    memset(body, octet, sizeof(body));
    body[0] = (uint8_t)(group >> 8);
    body[1] = (uint8_t)group;
    body[2] = body[3] = 0;
    message_remove(&init, at);
    message_insert(&init, at, WIRE_PAYLOAD_KE, span_of(body, 4 + len));
}

/* Values that no key exchange can use are refused without one; after thirty each request needs a
 * cookie, and others with a cookie log in (F1, C5, C8). */
static void bad_key_exchange(void **state)
{
    static const struct {
        uint16_t group;
        uint8_t octet;
        size_t len;
    } rows[] = {{31, 0, 32}, {31, 9, 31}, {31, 9, 33}, {16, 0, 512}, {16, 255, 512}, {19, 1, 64}};
    (void)state;
    for (size_t row = 0; row < ARRAY_LEN(rows); row++) {
        struct world *world = with_init((struct ike_options){0});
        struct message good = init;
        ke_set(rows[row].group, rows[row].octet, rows[row].len);
        for (unsigned host = 1; host <= 500; host++)
            send_init(world, host, host * NET, false);
        assert_int_equal(stats_of(&world->b).half_open, 0);
        assert_int_equal(world_n_sas(&world->b), 0);
        assert_int_equal(stats_of(&world->b).cookies_sent, 470);
        assert_true(answer.len < taken.len);
        init = good;
        send_init(world, 7, 1, false);
        assert_int_equal(stats_of(&world->b).half_open, 0);
        send_init(world, 7, 1, true);
        assert_int_equal(stats_of(&world->b).half_open, 1);
        world_run(world, 31 * NANOS_PER_SEC); /* forgotten */
        send_init(world, 8, 2 * NET, false);
        assert_int_equal(stats_of(&world->b).half_open, 1);
        world_free(world);
    }
}

/* bad values with a good cookie: the source is shut out, and nobody else. */
static void bad_key_exchange_proven(void **state)
{
    (void)state;
    struct world *world = with_init((struct ike_options){0});
    struct message good = init;
    ke_set(31, 0, 32);
    for (unsigned spi = 1; spi <= 100; spi++) {
        send_init(world, spi, 1, false);
        send_init(world, spi, 1, true);
    }
    init = good;
    send_init(world, 1000, 1, false);
    send_init(world, 1000, 1, true);
    assert_int_equal(stats_of(&world->b).half_open, 0);
    send_init(world, 1001, 2 * NET, false);
    assert_int_equal(stats_of(&world->b).half_open, 1);
    world_free(world);
}

/* F3: key exchange time for logins is bounded; half of it is for those with a cookie. A rekey of an
 * established IKE SA asks nobody. */
static void key_exchange_budget(void **state)
{
    (void)state;
    struct world *world = with_init((struct ike_options){
        .ke_budget_ns = NANOS_PER_MS, .cookie_threshold = 1000, .cookie_per_address = 1000});
    for (unsigned host = 1; host <= 100; host++)
        send_init(world, host, host * NET, false);
    uint64_t unproven = stats_of(&world->b).half_open;
    assert_int_equal(unproven, NANOS_PER_MS / 2 / ke_cost_ns(31));
    assert_int_equal(stats_of(&world->b).cookies_sent, 100 - unproven);
    send_init(world, 100, 100 * NET, true);
    assert_int_equal(stats_of(&world->b).half_open, unproven + 1);
    world_run(world, NANOS_PER_SEC);
    for (unsigned host = 101; host <= 200; host++)
        send_init(world, host, host * NET, false);
    assert_int_equal(stats_of(&world->b).half_open, 2 * unproven + 1);
    world_free(world);
    /* what is refused by its value takes nothing of the time */
    world = with_init((struct ike_options){.ke_budget_ns = NANOS_PER_MS, .cookie_threshold = 1000});
    struct message good = init;
    ke_set(31, 0, 32);
    for (unsigned host = 1; host <= 100; host++)
        send_init(world, host, host * NET, false);
    init = good;
    send_init(world, 1, 1, false);
    assert_int_equal(stats_of(&world->b).half_open, 1);
    world_free(world);
    world = scenario_up(3);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_REKEY_IKE, world_sa(&world->a, 0)),
                         IKE_OK);
    scenario_end(world);
}

/* --- answers --- */

/* F9: whatever is asked, the answer is not larger, and one source gets so many in a second. */
static void never_larger(void **state)
{
    (void)state;
    struct world *world = with_init((struct ike_options){0});
    struct message good = init;
    size_t sa = message_find(&init, WIRE_PAYLOAD_SA);
    /* one proposal: ENCR 99, with the Vendor ID that would be told of ours */
    static const uint8_t nothing[] = {0, 0, 0, 16, 1, 1, 0, 1, 0, 0, 0, 8, 1, 0, 0, 99};
    message_remove(&init, sa);
    message_insert(&init, sa, WIRE_PAYLOAD_SA, span_of(nothing, sizeof(nothing)));
    for (unsigned spi = 1; spi <= 200; spi++) {
        send_init(world, spi, 1, false);
        assert_true(answer.len <= taken.len);
    }
    assert_int_equal(n_answers, LIMIT_REFUSALS_PER_SECOND);
    assert_int_equal(answer.octets[IKE_HEADER_LEN + 7], N_NO_PROPOSAL_CHOSEN);
    send_init(world, 1000, 2 * NET, false); /* of another source */
    assert_int_equal(n_answers, LIMIT_REFUSALS_PER_SECOND + 1);
    for (size_t i = 0; i < init.n;) /* as short as can be */
        if (init.items[i].type == WIRE_PAYLOAD_N)
            message_remove(&init, i);
        else
            i++;
    send_init(world, 1001, 3 * NET, false);
    assert_true(answer.len <= taken.len);
    init = good;
    world_free(world);
}

/* F9: an attacker repeats an IKE_SA_INIT request with the address of a victim. The number of responses is bounded. A
 * second later, the same request gets a response again. */
static void answers_to_a_victim(void **state)
{
    (void)state;
    struct world *world = with_init((struct ike_options){0});
    send_init(world, 1000, 1, false);
    const struct ike_datagram request = taken;
    for (unsigned second = 0; second < 10; second++) {
        for (unsigned i = 0; i < 1000; i++)
            to_b(world, &request);
        world_run(world, NANOS_PER_SEC);
    }
    assert_true(n_answers <= 11 * LIMIT_REPEATS_PER_SECOND);
    unsigned before = n_answers;
    to_b(world, &request);
    assert_int_equal(n_answers, before + 1);
    world_free(world);
}

/* S9: one source that asks for unknown IKE SAs does not keep the answer from another. */
static void unknown_spi_of_many(void **state)
{
    (void)state;
    struct world *world = with_init((struct ike_options){0});
    struct ike_datagram d = {.path = world_path(0), .len = IKE_HEADER_LEN + 64};
    struct ike_header header = {.spi_i = 1,
                                .spi_r = 2,
                                .next_payload = WIRE_PAYLOAD_SK,
                                .version = IKE_VERSION,
                                .exchange = WIRE_INFORMATIONAL,
                                .flags = IKE_FLAG_INITIATOR,
                                .length = IKE_HEADER_LEN + 64};
    for (unsigned i = 0; i < 100000; i++) {
        header.spi_i++;
        ike_header_write(&header, d.octets);
        d.octets[IKE_HEADER_LEN + 3] = 64;
        to_b(world, &d);
    }
    assert_int_equal(n_answers, LIMIT_HINTS_PER_SECOND);
    d.path.local.address.octets[1]++;
    to_b(world, &d);
    assert_int_equal(n_answers, LIMIT_HINTS_PER_SECOND + 1);
    world_free(world);
}

/* --- before the configuration --- */

/* two_that_are_refused - the request with a major version of tomorrow, and with a critical payload that nobody knows.
 * Returns how many answers there are. */
static unsigned two_that_are_refused(struct world *world, struct ike_datagram request)
{
    unsigned before = n_answers;
    uint8_t *next_payload = &request.octets[16], *version = &request.octets[17];
    *version = 0x30;
    to_b(world, &request);
    *version = IKE_VERSION;
    *next_payload = 200;
    request.octets[IKE_HEADER_LEN + 1] |= 0x80;
    to_b(world, &request);
    return n_answers - before;
}

/* A peer whose Gateway restarts hears nothing, and is in when the configuration is there. */
static void not_served_yet(void **state)
{
    (void)state;
    struct world *world = world_new(1);
    world_restart(&world->b, (struct ike_options){.silent_at_first = true});
    assert_int_equal(ike_conn_add(world->a.ike, world->conn_a), 0);
    world->hook = take;
    n_answers = 0;
    struct ike_command connect = {.kind = IKE_CMD_CONNECT, .conn = "office", .path = world_path(0)};
    uint64_t tag = world_post(&world->a, connect);
    world_run(world, 5 * NANOS_PER_SEC);
    assert_int_equal(n_answers, 0);
    assert_int_equal(two_that_are_refused(world, taken), 0);
    assert_null(world_done(&world->a, tag));
    assert_int_equal(ike_conn_add(world->b.ike, world->conn_b), 0);
    world_run(world, NANOS_PER_SEC);
    assert_int_equal(n_answers, 0);
    ike_serve(world->b.ike);
    assert_int_equal(two_that_are_refused(world, taken), 2);
    world_run(world, 20 * NANOS_PER_SEC);
    assert_non_null(world_done(&world->a, tag));
    assert_int_equal(world_done(&world->a, tag)->outcome, IKE_OK);
    world_free(world);
}

/* --- connections --- */

/* The connection is chosen as by a look at each of them: by address, then in order of loading. */
static void among_many_connections(void **state)
{
    (void)state;
    struct world *world = world_new(1);
    assert_int_equal(ike_conn_add(world->a.ike, world->conn_a), 0);
    for (unsigned i = 0; i < 300; i++) {
        struct ike_conn *conn = ike_conn_new();
        ike_conn_set(conn, world->conn_b);
        (void)snprintf(conn->name, sizeof(conn->name), "c%u", i);
        conn->n_remote_addrs = 1;
        conn->remote_addrs[0].range.first = world_path(0).local.address;
        conn->remote_addrs[0].range.first.octets[3] = (uint8_t)(i % 256);
        conn->remote_addrs[0].range.last = conn->remote_addrs[0].range.first;
        if (i % 3 == 2) /* overlaps many others */
            conn->remote_addrs[0].range.last.octets[3] = 255;
        if (i == 299)
            conn->n_remote_addrs = 0;
        assert_int_equal(ike_conn_add(world->b.ike, conn), 0);
        ike_conn_unref(conn);
    }
    /* 192.0.2.1: c1 has it alone, c257 as well; the first is taken */
    assert_int_equal(world_connect(world), IKE_OK);
    assert_string_equal(scenario_session(&world->b).conn->name, "c1");
    assert_int_equal(ike_conn_remove(world->b.ike, "c1"), 0);
    assert_int_equal(world_connect(world), IKE_OK);
    struct ike_session_info info;
    for (ike_session_id id = 0; ike_session_next(world->b.ike, id, &info); id = info.id)
        ;
    assert_string_equal(info.conn->name, "c257");
    world_free(world);
}

/* --- wrong secrets --- */

/* guess - a login with this secret over this path; how long it took until the answer. */
static nanos guess(const char *psk, const char *name)
{
    struct world *world = world_new(1);
    world->a.psk = psk;
    if (name != NULL)
        (void)snprintf((char *)world->conn_a->local[0].id.data,
                       sizeof(world->conn_a->local[0].id.data), "%s", name);
    world_start(world);
    nanos began = world->now;
    struct ike_command connect = {.kind = IKE_CMD_CONNECT, .conn = "office", .path = world_path(0)};
    uint64_t tag = world_post(&world->a, connect);
    while (world_done(&world->a, tag) == NULL)
        world_run(world, NANOS_PER_MS);
    assert_int_equal(world_done(&world->a, tag)->outcome, IKE_AUTH_FAILED);
    nanos took = world->now - began;
    world_free(world);
    return took;
}

/* C26: an unknown identity and a wrong secret get the same answer after the same time. */
static void one_answer_for_all(void **state)
{
    (void)state;
    nanos wrong = guess("not the secret at all", NULL);
    assert_true(wrong >= LIMIT_AUTH_WAIT_NS);
    assert_int_equal(guess("not the secret at all", "nobody@elsewhere.example"), wrong);
}

/* C27: guesses are slowed down; the owner of the identity is in at once meanwhile. */
static void guesses(void **state)
{
    (void)state;
    struct world *world = world_new(1);
    const char *right = world->a.psk;
    unsigned n = 0;
    world_start(world);
    world->a.psk = "a guess";
    nanos end = world->now + 60 * NANOS_PER_SEC;
    while (world->now < end) {
        (void)world_connect(world);
        n++;
    }
    assert_true(n < 20);
    /* the source of the guesses and the identity they name: right is right */
    world->a.psk = right;
    nanos began = world->now;
    struct ike_command connect = {.kind = IKE_CMD_CONNECT, .conn = "office", .path = world_path(0)};
    uint64_t tag = world_post(&world->a, connect);
    while (world_done(&world->a, tag) == NULL)
        world_run(world, NANOS_PER_MS);
    assert_int_equal(world_done(&world->a, tag)->outcome, IKE_OK);
    assert_true(world->now - began < NANOS_PER_SEC / 2);
    world_free(world);
}

/* F12: with little memory left no login begins; with none, no clone and no Child SA. What is there
 * goes on. */
static void memory_is_short(void **state)
{
    (void)state;
    for (int level = IKE_PRESSURE_LOGINS; level <= IKE_PRESSURE_ALL; level++) {
        struct world *world = world_new(91);
        scenario_login(world);
        ike_sa_id sa = world_sa(&world->a, 0);
        ike_pressure_set(world->b.ike, (enum ike_pressure)level);
        bool all = level == IKE_PRESSURE_ALL;
        enum ike_outcome clone = scenario_on_sa(&world->a, IKE_CMD_CLONE, sa);
        assert_int_equal(clone, all ? IKE_TEMPORARY_FAILURE : IKE_OK);
        assert_int_equal(
            scenario_on_child(&world->a, IKE_CMD_REKEY_CHILD, world_child(&world->a, 0)), IKE_OK);
        ike_pressure_set(world->b.ike, IKE_PRESSURE_NONE);
        world_run(world, 20 * NANOS_PER_SEC);
        scenario_end(world);
        world = with_init((struct ike_options){0});
        ike_pressure_set(world->b.ike, (enum ike_pressure)level);
        send_init(world, 77, 1, false);
        assert_int_equal(stats_of(&world->b).half_open, 0);
        assert_int_equal(n_answers, 0);
        ike_pressure_set(world->b.ike, IKE_PRESSURE_NONE);
        send_init(world, 78, 1, false);
        assert_int_equal(stats_of(&world->b).half_open, 1);
        world_free(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_request_again),  cmocka_unit_test(one_address),
        cmocka_unit_test(many_addresses),      cmocka_unit_test(cookies_of_others),
        cmocka_unit_test(bad_key_exchange),    cmocka_unit_test(bad_key_exchange_proven),
        cmocka_unit_test(key_exchange_budget), cmocka_unit_test(never_larger),
        cmocka_unit_test(answers_to_a_victim), cmocka_unit_test(unknown_spi_of_many),
        cmocka_unit_test(not_served_yet),      cmocka_unit_test(among_many_connections),
        cmocka_unit_test(one_answer_for_all),  cmocka_unit_test(guesses),
        cmocka_unit_test(memory_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
