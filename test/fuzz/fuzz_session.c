/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two endpoints, a network and a script: each pair of octets is one step. What both ends hold is
 * checked after every call (ike_check_invariants); at the end both are told to leave, and nothing
 * may be left: no IKE SA, no Child SA in the data plane, no address that is leased.
 */
#include <stdlib.h>

#include "exchange/party.h"
#include "exchange/scenario.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum step { RUN, COMMAND, LOSE, DELAY, REPEAT, SPOIL, CHANGE, FAULT, STEPS };

static struct {
    unsigned lose, repeat; /* datagrams that are to come */
    nanos delay_ns;
    bool spoil, change;
    uint8_t value;
} plan;

static void change(struct message *m, uint8_t value)
{
    static const uint16_t notifies[16] = {N_INVALID_SYNTAX,
                                          N_NO_PROPOSAL_CHOSEN,
                                          N_INVALID_KE_PAYLOAD,
                                          N_AUTHENTICATION_FAILED,
                                          N_NO_ADDITIONAL_SAS,
                                          N_TS_UNACCEPTABLE,
                                          N_TEMPORARY_FAILURE,
                                          N_CHILD_SA_NOT_FOUND,
                                          N_REKEY_SA,
                                          N_COOKIE2,
                                          N_UPDATE_SA_ADDRESSES,
                                          N_CLONE_IKE_SA,
                                          KEEP_OLD_DEFAULT_NOTIFY,
                                          N_INITIAL_CONTACT,
                                          N_ADDITIONAL_IP4_ADDRESS,
                                          N_COOKIE};
    static const uint8_t octets[20] = {0x80, 1, 2, 3};
    size_t at = m->n == 0 ? 0 : value % m->n;
    switch (value >> 5) {
    case 0:
        if (m->n > 0)
            message_remove(m, at);
        break;
    case 1: /* twice */
        if (m->n > 0)
            message_append(m, m->items[at].type, message_body(m, at));
        break;
    case 2: message_clear(m); break;
    case 3:
        message_insert_notify(m, at, notifies[value & 15], span_of(octets, value & 16 ? 4 : 0));
        break;
    case 4:
        message_clear(m);
        message_append_notify(m, notifies[value & 15], span_of(octets, value & 16 ? 20 : 2));
        break;
    case 5: m->header.exchange = (uint8_t)(WIRE_IKE_AUTH + value % 3); break;
    case 6: m->header.message_id += value & 1 ? 1u : UINT32_MAX; break;
    default:
        if (m->n > 0 && m->items[at].len > 0)
            message_octets(m, at)[value % m->items[at].len] ^= (uint8_t)(1 << value % 8);
        break;
    }
}

static enum scenario_fate edit(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    (void)to_b;
    if (!plan.change)
        return SCENARIO_PASS;
    plan.change = false;
    change(m, plan.value);
    return SCENARIO_CHANGED;
}

static bool on_the_way(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)to_b;
    if (plan.spoil && d->len > 0) {
        plan.spoil = false;
        d->octets[plan.value % d->len] ^= 0x40;
    }
    world->jitter_ns = plan.delay_ns;
    plan.delay_ns = 0;
    world->duplicate_percent = plan.repeat > 0 ? 100 : 0;
    plan.repeat -= plan.repeat > 0;
    if (plan.lose == 0)
        return true;
    plan.lose--;
    return false;
}

static void command(struct world *world, uint8_t value)
{
    static const enum ike_command_kind kinds[16] = {
        IKE_CMD_CONNECT,   IKE_CMD_CREATE_CHILD, IKE_CMD_REKEY_IKE,    IKE_CMD_REKEY_CHILD,
        IKE_CMD_CLONE,     IKE_CMD_MOVE,         IKE_CMD_CREATE_MOVED, IKE_CMD_PROBE,
        IKE_CMD_PATH_TEST, IKE_CMD_DELETE_IKE,   IKE_CMD_DELETE_CHILD, IKE_CMD_DELETE_SESSION,
        IKE_CMD_REAUTH,    IKE_CMD_CLONE,        IKE_CMD_REKEY_IKE,    IKE_CMD_PROBE};
    static uint64_t tag = 1ull << 32;
    struct peer *peer = value & 0x10 ? &world->b : &world->a;
    unsigned which = value >> 5 & 1;
    struct ike_session_info session = {0};
    (void)ike_session_next(peer->ike, 0, &session);
    struct ike_command what = {
        .kind = kinds[value & 15],
        .tag = ++tag,
        .sa = world_sa(peer, which),
        .child_id = world_child(peer, which),
        .session = session.id,
        .conn = "office",
        .path = world_path(value >> 6),
        .path_test = which != 0,
        .unused_old = value >> 6 == 3,
        .force = value >> 6 == 3,
        .give_up_ns = value & 0x80 ? 2 * NANOS_PER_SEC : 0,
        .retry_ns = value & 0x80 ? NANOS_PER_SEC / 2 : 0,
    };
    if (what.kind == IKE_CMD_CONNECT && (peer == &world->b || world_n_sas(peer) > 20))
        return;
    int err = ike_command(peer->ike, &what, world->now);
    (void)err;
    world_drain(world);
}

static void fault(struct world *world, uint8_t value)
{
    struct peer *peer = value & 1 ? &world->b : &world->a;
    ike_child_id child = world_child(peer, 0);
    struct address address;
    switch (value >> 1 & 7) {
    case 0: peer->refuse_lease = !peer->refuse_lease; break;
    case 1: peer->refuse_install = !peer->refuse_install; break;
    case 2: peer->psk = peer->psk == NULL ? "a secret of both" : NULL; break;
    case 3: ike_traffic_seen(peer->ike, child, world->now); break;
    case 4: ike_child_expiring(peer->ike, child, value & 0x80, world->now); break;
    case 5: world->nat_port = value & 0x80 ? 20000 : 0; break;
    default:
        address = world_path(value >> 5).local.address;
        ike_local_addresses_set(peer->ike, &address, value & 0x80 ? 1 : 0, world->now);
    }
    world_drain(world);
}

static void step(struct world *world, enum step what, uint8_t value)
{
    plan.value = value;
    switch (what) {
    case RUN: world_run(world, value * (value & 1 ? NANOS_PER_SEC / 4 : 2 * NANOS_PER_MS)); break;
    case COMMAND: command(world, value); break;
    case LOSE: plan.lose = value % 16; break;
    case DELAY: plan.delay_ns = value * 10 * NANOS_PER_MS + 1; break;
    case REPEAT: plan.repeat = value % 8; break;
    case SPOIL: plan.spoil = true; break;
    case CHANGE: plan.change = true; break;
    case FAULT: fault(world, value); break;
    case STEPS: break;
    }
}

static void leave(struct peer *peer)
{
    struct ike_session_info session;
    for (ike_session_id id = 0; ike_session_next(peer->ike, id, &session); id = session.id) {
        struct ike_command what = {
            .kind = IKE_CMD_DELETE_SESSION, .session = session.id, .force = true};
        assert_int_equal(ike_command(peer->ike, &what, peer->world->now), 0);
    }
    world_drain(peer->world);
}

/* other_login - certificates, EAP, EAP only, or several rounds. */
static void other_login(struct world *world, uint8_t value)
{
    struct ike_conn *a = world->conn_a, *b = world->conn_b;
    a->local[0].method = b->remote[0].method = value % 4 == 0 ? IKE_AUTH_PUBKEY : IKE_AUTH_EAP;
    a->remote[0].method = b->local[0].method = value % 4 == 2 ? IKE_AUTH_EAP : IKE_AUTH_PUBKEY;
    if (value % 4 == 3)
        party_rounds(a, b);
    a->combined_auth = b->combined_auth = true;
}

/* log_in - a script of odd length ends with the kind of login, and its steps change that login. */
static void log_in(struct world *world, const uint8_t *data, size_t size)
{
    struct ike_command connect = {
        .kind = IKE_CMD_CONNECT, .conn = "office", .path = world_path(0), .clone = true};
    if (size % 2 == 1)
        other_login(world, data[size - 1]);
    world_start(world);
    if (size % 2 == 1)
        (void)world_post(&world->a, connect);
    else
        (void)world_connect(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 400)
        return 0;
    struct world *world = world_new(1);
    memset(&plan, 0, sizeof(plan));
    world->conn_a->dpd_delay_ns = 30 * NANOS_PER_SEC;
    world->conn_a->lifetime.rekey_ns = 300 * NANOS_PER_SEC;
    world->conn_b->children[0].lifetime.rekey_ns = 100 * NANOS_PER_SEC;
    scenario_edit(world, edit);
    world->hook = on_the_way;
    log_in(world, data, size);
    for (size_t i = 0; i + 1 < size; i += 2)
        step(world, data[i] % STEPS, data[i + 1]);
    memset(&plan, 0, sizeof(plan));
    world_run(world, 40 * NANOS_PER_SEC);
    leave(&world->a);
    leave(&world->b);
    world_run(world, (size % 2 == 1 ? 1000 : 400) * NANOS_PER_SEC); /* EAP takes its time */
    leave(&world->a);                                               /* who logged in meanwhile */
    leave(&world->b);
    assert_int_equal(world_n_sas(&world->a) + world_n_sas(&world->b), 0);
    assert_int_equal(world->a.installed + world->b.installed, 0);
    assert_int_equal(world->b.n_leases, 0);
    world_free(world);
    return 0;
}
