/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Authentic messages of every exchange type, as request and as response, with the Initiator flag
 * right and wrong and the SPIs exchanged, with three Message IDs, to IKE SAs in every state.
 */
#include <stdio.h>

#include "exchange/scenario.h"
#include "ike/core/sa.h"

/* --- the states --- */

enum state {
    LOGIN_ANSWERED, /* IKE_AUTH has yet to come */
    LOGIN_ASKED,    /* the answer to IKE_AUTH has yet to come */
    IDLE_USER,
    IDLE_GATEWAY,
    ASKING_USER, /* a probe is under way */
    ASKING_GATEWAY,
    REPLACED, /* the peer rekeyed it and has yet to delete it */
    DELETING_USER,
    DELETING_GATEWAY,
    N_STATES
};

static bool state_of_user(enum state state)
{
    return state == LOGIN_ASKED || state == IDLE_USER || state == ASKING_USER ||
           state == DELETING_USER;
}

static int lost_exchange; /* of the End User's requests and the answers; -1: everything is lost */

static bool lose(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world, (void)to_b;
    return lost_exchange >= 0 && d->octets[18] != lost_exchange;
}

static void post_on_sa(struct peer *peer, enum ike_command_kind kind)
{
    (void)world_post(peer, (struct ike_command){.kind = kind, .sa = world_sa(peer, 0)});
    world_run(peer->world, 100 * NANOS_PER_MS);
}

static struct world *world_in(enum state state)
{
    struct world *world;
    if (state == LOGIN_ANSWERED || state == LOGIN_ASKED) {
        world = world_new(1);
        world->hook = lose;
        lost_exchange = WIRE_IKE_AUTH;
        world_start(world);
        (void)world_post(
            &world->a,
            (struct ike_command){.kind = IKE_CMD_CONNECT, .conn = "office", .path = world_path(0)});
        world_run(world, 100 * NANOS_PER_MS);
        return world;
    }
    world = scenario_up(1);
    /* each has asked and answered something: there is a response to be repeated */
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_PROBE, world_sa(&world->a, 0)), IKE_OK);
    assert_int_equal(scenario_on_sa(&world->b, IKE_CMD_PROBE, world_sa(&world->b, 0)), IKE_OK);
    world->hook = lose;
    lost_exchange = state == REPLACED ? WIRE_INFORMATIONAL : -1;
    if (state == ASKING_USER)
        post_on_sa(&world->a, IKE_CMD_PROBE);
    else if (state == ASKING_GATEWAY)
        post_on_sa(&world->b, IKE_CMD_PROBE);
    else if (state == REPLACED)
        post_on_sa(&world->a, IKE_CMD_REKEY_IKE);
    else if (state == DELETING_USER)
        post_on_sa(&world->a, IKE_CMD_DELETE_IKE);
    else if (state == DELETING_GATEWAY)
        post_on_sa(&world->b, IKE_CMD_DELETE_IKE);
    return world;
}

/* --- the messages --- */

static const uint8_t exchanges[] = {
    0, 33, WIRE_IKE_SA_INIT, WIRE_IKE_AUTH, WIRE_CREATE_CHILD_SA, 37, 38, 43, 255};
enum which { NEXT, LAST, BEYOND, N_WHICH };
enum content { EMPTY, DELETES, OPEN, N_CONTENTS }; /* OPEN: D in the open */
enum flag { RIGHT_FLAG, WRONG_FLAG, WRONG_FLAG_AND_SPIS, N_FLAGS };

struct cell {
    enum state state;
    uint8_t exchange;
    bool response;
    enum flag flag;
    enum which which;
    enum content content;
};

static struct ike_datagram answer;
static unsigned n_answers;

static bool take(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world, (void)to_b;
    answer = *d;
    n_answers++;
    return false;
}

/* make - the message, with the keys of the peer of `sa` whatever the flag says. */
static void make(const struct cell *cell, const struct ike_keylog *log, const struct sa *sa,
                 struct crypto_provider *crypto, struct ike_datagram *ret)
{
    uint32_t next = cell->response ? sa->mine.next_id : sa->theirs.next_id;
    bool swapped = cell->flag == WRONG_FLAG_AND_SPIS;
    const struct ike_keylog other = {log->spi_i,         log->spi_r, log->encr,
                                     log->encr_key_bits, log->integ, log->sk_er,
                                     log->sk_ei,         log->sk_ar, log->sk_ai};
    struct ike_header header = {
        .spi_i = swapped ? sa->spi_r : sa->spi_i,
        .spi_r = swapped ? sa->spi_i : sa->spi_r,
        .version = IKE_VERSION,
        .exchange = cell->exchange,
        .flags = cell->response ? IKE_FLAG_RESPONSE : 0,
        .message_id = cell->which == NEXT   ? next
                      : cell->which == LAST ? next - 1
                                            : next + 1,
        .next_payload = WIRE_PAYLOAD_D,
        .length = IKE_HEADER_LEN + 8,
    };
    if (sa_original_initiator(sa) == (cell->flag != RIGHT_FLAG))
        header.flags |= IKE_FLAG_INITIATOR;
    const uint8_t payload[8] = {0, 0, 0, 8, WIRE_PROTO_IKE, 0, 0, 0};
    if (cell->content == OPEN) {
        ike_header_write(&header, ret->octets);
        memcpy(ret->octets + IKE_HEADER_LEN, payload, 8);
        ret->len = header.length;
        return;
    }
    bool deletes = cell->content == DELETES;
    message_seal(cell->flag == RIGHT_FLAG ? log : &other, crypto, &header,
                 deletes ? WIRE_PAYLOAD_D : 0, span_of(payload, deletes ? 8 : 0), ret);
}

static const char *const lives[] = {"half open", "authenticating", "established",
                                    "replaced",  "deleting",       "gone"};

/* put - one message; what came of it is written to `text`: the answer, "again" if it is the one to
 * the last request, and the life of the IKE SA; nothing if nothing happened. */
static void put(const struct cell *cell, char *text, size_t cap)
{
    static struct message m;
    struct world *world = world_in(cell->state);
    struct peer *peer = state_of_user(cell->state) ? &world->a : &world->b;
    struct ike_datagram d = {0};
    struct ike_sa_info info;
    struct ike_keylog log;
    assert_true(ike_sa_next(peer->ike, 0, &info));
    const struct sa *sa = sa_find(peer->ike, info.id);
    uint32_t mine = sa->mine.next_id, theirs = sa->theirs.next_id;
    enum ike_sa_life life = info.life;
    assert_true(ike_keylog_get(peer->ike, info.id, &log));
    make(cell, &log, sa, world->a.crypto, &d);
    world->hook = take;
    n_answers = 0;
    struct ike_path path = {info.path.remote, info.path.local, 0};
    world_deliver_raw(world, peer == &world->b, &path, span_of(d.octets, d.len));
    ike_check_invariants(peer->ike);

    bool there = ike_sa_get(peer->ike, info.id, &info);
    bool same = there && info.life == life && sa->mine.next_id == mine;
    bool again = there && sa->theirs.next_id == theirs;
    char said[160] = "";
    assert_true(n_answers <= 1);
    if (n_answers > 0) {
        struct message_keys keys = {.n = 1, .sas = {log}, .known = {true}};
        assert_true(message_read(&keys, NULL, NULL, world->a.crypto, &answer, &m));
        message_print(&m, said, sizeof(said));
        assert_true(answer.octets[16] == WIRE_PAYLOAD_SK || answer.len < d.len);
    }
    text[0] = '\0';
    if (n_answers > 0 || !same || !again)
        (void)snprintf(text, cap, "%s%s / %s",
                       n_answers == 0                         ? "silence"
                       : answer.octets[16] != WIRE_PAYLOAD_SK ? "in the open: "
                       : again                                ? "again "
                                                              : "",
                       said, lives[there ? info.life : IKE_DEAD]);
    world_free(world);
}

/* expect - the same text, as the RFCs have it. */
static void expect(const struct cell *cell, char *text, size_t cap)
{
    static const enum ike_sa_life life_of[N_STATES] = {
        IKE_AUTHENTICATING, IKE_AUTHENTICATING, IKE_ESTABLISHED, IKE_ESTABLISHED, IKE_ESTABLISHED,
        IKE_ESTABLISHED,    IKE_SA_REPLACED,    IKE_DELETING,    IKE_DELETING,
    };
    enum state state = cell->state;
    enum ike_sa_life life = life_of[state];
    const char *name = wire_exchange_name(cell->exchange);
    bool auth = cell->exchange == WIRE_IKE_AUTH, info = cell->exchange == WIRE_INFORMATIONAL;
    text[0] = '\0';
    if (cell->exchange < WIRE_IKE_AUTH || cell->exchange > WIRE_INFORMATIONAL ||
        cell->content == OPEN)
        return;           /* not agreed on, or a hint of anyone */
    if (cell->response) { /* only the one that is waited for */
        if (cell->flag != RIGHT_FLAG || cell->which != NEXT)
            return;
        if ((state == LOGIN_ASKED && auth) || (life == IKE_DELETING && info))
            (void)snprintf(text, cap, "silence / gone");
        else if ((state == ASKING_USER || state == ASKING_GATEWAY) && info)
            (void)snprintf(text, cap, "silence / established");
    } else if (cell->flag != RIGHT_FLAG) { /* of no IKE SA (RFC 7296 section 2.21.4) */
        (void)snprintf(text, cap, "in the open: %s response: N(INVALID_IKE_SPI) / %s", name,
                       lives[life]);
    } else if (cell->which == BEYOND || state == LOGIN_ASKED ||
               (state == LOGIN_ANSWERED && !auth) ||
               (state == LOGIN_ANSWERED && cell->which == LAST)) {
        return;
    } else if (cell->which == LAST) { /* section 2.1 */
        (void)snprintf(text, cap, "again %s / %s",
                       state == REPLACED ? "CREATE_CHILD_SA response: SA(IKE) NONCE KE"
                                         : "INFORMATIONAL response: -",
                       lives[life]);
    } else if (info) {
        (void)snprintf(text, cap, "INFORMATIONAL response: - / %s",
                       cell->content == DELETES ? "gone" : lives[life]);
    } else if (!auth && life > IKE_ESTABLISHED) { /* section 2.25.2 */
        (void)snprintf(text, cap, "%s response: N(TEMPORARY_FAILURE) / %s", name, lives[life]);
    } else { /* section 2.21.3 */
        (void)snprintf(text, cap, "%s response: N(INVALID_SYNTAX) / gone", name);
    }
}

static void check(const struct cell *cell)
{
    char found[256], expected[256];
    put(cell, found, sizeof(found));
    expect(cell, expected, sizeof(expected));
    if (strcmp(found, expected) != 0)
        fail_msg("state %d, exchange %u%s, flag %d, id %d, content %d: \"%s\" is not \"%s\"",
                 (int)cell->state, cell->exchange, cell->response ? " response" : "",
                 (int)cell->flag, (int)cell->which, (int)cell->content, found, expected);
}

/* The product of all of them, as a number. */
static void every_message_in_every_state(void **state)
{
    (void)state;
    const unsigned n = N_STATES * sizeof(exchanges) * 2 * N_FLAGS * N_WHICH * N_CONTENTS;
    for (unsigned i = 0; i < n; i++) {
        unsigned rest = i;
        struct cell cell;
        cell.content = rest % N_CONTENTS, rest /= N_CONTENTS;
        cell.which = rest % N_WHICH, rest /= N_WHICH;
        cell.flag = rest % N_FLAGS, rest /= N_FLAGS;
        cell.response = rest % 2 == 1, rest /= 2;
        cell.exchange = exchanges[rest % sizeof(exchanges)], rest /= sizeof(exchanges);
        cell.state = rest;
        check(&cell);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_message_in_every_state)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
