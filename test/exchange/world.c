/* SPDX-License-Identifier: Apache-2.0 */
#include "exchange/world.h"

#include <stdio.h>
#include <stdlib.h>

#include "crypto/prf.h"
#include "crypto/test_ke.h"
#include "daemon/engine/proofs.h"
#include "exchange/party.h"
#include "wire/iana.h"

static void peer_init(struct peer *peer, struct world *world, const char *name, uint64_t seed)
{
    peer->world = world;
    peer->name = name;
    peer->dice = seed;
    peer->random = dice_random(&peer->dice);
    peer->psk = "a secret of both";
    peer->crypto = crypto_new();
    assert_non_null(peer->crypto);
    world_restart(peer, (struct ike_options){.ke_jobs = true}); /* as in the daemon */
}

void world_restart(struct peer *peer, struct ike_options options)
{
    options.crypto = peer->crypto;
    options.random = &peer->random;
    if (peer->ike != NULL)
        ike_free(peer->ike);
    peer->ike = ike_new(&options);
    assert_non_null(peer->ike);
    proofs_free(peer->proofs);
    peer->proofs = proofs_new();
    assert_non_null(peer->proofs);
    peer->n_leases = peer->installed = 0;
}

struct world *world_new(uint64_t seed)
{
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    world->now = NANOS_PER_SEC;
    world->dice = seed;
    peer_init(&world->a, world, "a", seed * 2 + 1);
    peer_init(&world->b, world, "b", seed * 2 + 2);
    world->conn_a = party_conn(false);
    world->conn_b = party_conn(true);
    return world;
}

void world_start(struct world *world)
{
    assert_int_equal(ike_conn_add(world->a.ike, world->conn_a), 0);
    assert_int_equal(ike_conn_add(world->b.ike, world->conn_b), 0);
    ike_ppk_set(world->a.ike, world->a.ppk != NULL);
    ike_ppk_set(world->b.ike, world->b.ppk != NULL);
}

static void peer_done(struct peer *peer)
{
    assert_true(peer->believes || peer->unproven == 0);
    ike_free(peer->ike);
    proofs_free(peer->proofs);
}

void world_free(struct world *world)
{
    while (world->wire != NULL) {
        struct datagram *d = world->wire;
        world->wire = d->next;
        free(d);
    }
    peer_done(&world->a);
    peer_done(&world->b);
    crypto_free(world->a.crypto);
    crypto_free(world->b.crypto);
    ike_conn_unref(world->conn_a);
    ike_conn_unref(world->conn_b);
    free(world->scenario);
    free(world);
}

/* --- the jobs --- */

/* private_value_from - libcrypto draws its octets from these dice, so that a seed replays each octet. */
static void private_value_from(const uint64_t dice[WORLD_KE_DICE])
{
    static uint64_t state;
    static struct random random;
    state = dice[0];
    random = dice_random(&state);
    test_ke_random(&random);
}

static void do_key_exchange(struct peer *peer, const struct ike_event *event)
{
    assert_true(peer->n_ke < ARRAY_LEN(peer->ke));
    peer->ke[peer->n_ke].job = event->job;
    if (event->ke.step.step != KE_SECRET)
        random_fill(&peer->random, peer->ke[peer->n_ke].dice, sizeof(peer->ke[0].dice));
    peer->ke[peer->n_ke++].step = event->ke.step;
    if (!peer->hold_ke)
        world_ke_run(peer, 0);
}

void world_ke_run(struct peer *peer, int error)
{
    unsigned n = peer->n_ke;
    peer->n_ke = 0;
    for (unsigned i = 0; i < n; i++) {
        struct ke_job step = peer->ke[i].step;
        private_value_from(peer->ke[i].dice);
        if (error == 0)
            ke_run(&step);
        struct ike_result result = {.error = error != 0 ? error : step.error, .ke = &step};
        ike_complete(peer->ike, peer->ke[i].job, &result, peer->world->now);
    }
}

/* hold - true: the result waits for world_eap_release. */
static bool hold(struct peer *peer, bool wanted, const struct ike_event *event,
                 const struct ike_result *result)
{
    if (!wanted)
        return false;
    peer->held = *result;
    peer->held_job = event->job;
    return true;
}

/* complete - takes the result of a job to the core, and to the proofs. */
static void complete(struct peer *peer, ike_job_id job, const struct ike_result *result)
{
    proofs_answer(peer->proofs, job, result);
    ike_complete(peer->ike, job, result, peer->world->now);
}

static void give_lease(struct peer *peer, const struct ike_event *event,
                       struct ike_config *ret_config)
{
    peer->n_leases++;
    if (peer->lease != NULL) {
        *ret_config = *peer->lease;
        return;
    }
    ret_config->n_addresses = 1;
    assert_true(address_parse("10.9.0.1", &ret_config->addresses[0]));
    ret_config->addresses[0].octets[3] = (uint8_t)event->session;
    if (event->lease.beside != 0 && !address_is_any(&event->lease.requested[0]))
        ret_config->addresses[0] = event->lease.requested[0];
}

static void do_job(struct peer *peer, const struct ike_event *event)
{
    uint8_t auth[PARTY_ROOM];
    struct ike_result result = {0};
    switch ((int)event->kind) {
    case IKE_EV_AUTH_SIGN:
    case IKE_EV_AUTH_VERIFY:
        party_auth(peer->crypto, peer->psk, event, auth, &result);
        result.proof.chain = event->kind == IKE_EV_AUTH_VERIFY ? peer->chain : 0;
        if (peer->hold_verify && event->kind == IKE_EV_AUTH_VERIFY) {
            peer->held = (struct ike_result){.error = result.error};
            peer->held_job = event->job;
            return;
        }
        break;
    case IKE_EV_PPK:
        party_ppk(peer->crypto, (struct party_ppk){peer->ppk_id, peer->ppk}, event, auth, &result);
        if (peer->ppk_fails)
            result = (struct ike_result){.error = ERR_CRYPTO};
        break;
    case IKE_EV_EAP:
        party_eap(&peer->eap, event, &result);
        if (result.eap_state == IKE_EAP_SUCCESS)
            result.proof.chain = peer->chain;
        if (hold(peer, peer->hold_eap, event, &result))
            return;
        break;
    case IKE_EV_TICKET_SEAL:
    case IKE_EV_TICKET_OPEN:
    case IKE_EV_TICKET_USE:
        party_ticket(&peer->tickets, peer->crypto, event, peer->world->now, &result);
        break;
    case IKE_EV_TICKET_END:
        party_ticket(&peer->tickets, peer->crypto, event, peer->world->now, &result);
        return;
    case IKE_EV_EAP_END: peer->eap.ended++; return;
    case IKE_EV_CHAINS_END: return;
    case IKE_EV_KE: do_key_exchange(peer, event); return;
    case IKE_EV_ADMIT:
        if (!peer->admits && !proofs_admit(peer->proofs, peer->ike, event))
            result.error = ERR_DENIED;
        peer->unproven += result.error != 0;
        break;
    case IKE_EV_LEASE:
        result.error = peer->refuse_lease ? ERR_FULL : 0;
        if (!peer->refuse_lease)
            give_lease(peer, event, &result.config);
        break;
    case IKE_EV_CHILD_INSTALL:
        result.error = peer->refuse_install ? ERR_SYSTEM : 0;
        peer->installed++;
        if (hold(peer, peer->hold_install, event, &result))
            return;
        break;
    default: return;
    }
    if (hold(peer, peer->hold != 0 && event->kind == peer->hold, event, &result))
        return;
    if (peer->believes && event->kind == IKE_EV_AUTH_VERIFY) {
        proofs_answer(peer->proofs, event->job, &result);
        result = (struct ike_result){0};
    }
    complete(peer, event->job, &result);
}

void world_eap_release(struct peer *peer)
{
    ike_job_id job = peer->held_job;
    peer->held_job = 0;
    complete(peer, job, &peer->held);
    world_drain(peer->world);
}

/* event_keep - in the ring; its notice as a copy, and nothing else that it points to. */
static void event_keep(struct peer *peer, const struct ike_event *event)
{
    size_t at = peer->n_events++ % WORLD_EVENTS;
    struct ike_event *kept = &peer->events[at];
    memset(kept, 0, sizeof(*kept));
    memcpy(kept, event, ike_event_size(event->kind));
    (void)snprintf(peer->notices[at], sizeof(peer->notices[at]), "%s", event->notice);
    kept->notice = peer->notices[at];
}

static void pull_events(struct peer *peer)
{
    const struct ike_event *event;
    while ((event = ike_event(peer->ike)) != NULL) {
        peer->counts[event->kind]++;
        peer->n_leases -= event->kind == IKE_EV_LEASE_RELEASE;
        peer->installed -= event->kind == IKE_EV_CHILD_REMOVE;
        if (getenv("WORLD_TRACE") != NULL)
            printf("%10.3f %s event %d sa %u child %u path %u-%u outcome %s %s %s\n",
                   (double)peer->world->now / 1e9, peer->name, event->kind, event->sa, event->child,
                   event->path.local.address.octets[3], event->path.remote.address.octets[3],
                   ike_outcome_name(event->outcome), event->what, event->notice);
        event_keep(peer, event);
        assert_int_equal(proofs_ask(peer->proofs, peer->ike, event), 0);
        if (event->kind == IKE_EV_SESSION_UP)
            peer->unproven += !proofs_take(peer->proofs, peer->ike, event);
        do_job(peer, event);
    }
}

static void send_out(struct world *world, const struct ike_datagram *d, bool to_b)
{
    struct datagram *copy = calloc(1, sizeof(*copy));
    assert_non_null(copy);
    copy->d = *d;
    copy->to_b = to_b;
    copy->due_ns = world->now + WORLD_LATENCY_NS;
    if (world->jitter_ns > 0)
        copy->due_ns += (nanos)(dice_next(&world->dice) % (uint64_t)world->jitter_ns);
    struct datagram **link = &world->wire;
    while (*link != NULL && (*link)->due_ns <= copy->due_ns)
        link = &(*link)->next;
    copy->next = *link;
    *link = copy;
}

static void pull_datagrams(struct peer *peer)
{
    static struct ike_datagram d;
    struct world *world = peer->world;
    while (ike_send(peer->ike, &d)) {
        bool to_b = peer == &world->b ? false : true;
        world->n_sent++;
        if (getenv("WORLD_TRACE") != NULL)
            printf("%10.3f %s sends %s %s id %u spi %02x%02x path %u-%u, %zu octets\n",
                   (double)world->now / 1e9, peer->name, wire_exchange_name(d.octets[18]),
                   d.octets[19] & 0x20 ? "response" : "request", d.octets[23], d.octets[0],
                   d.octets[8], d.path.local.address.octets[3], d.path.remote.address.octets[3],
                   d.len);
        bool lost = world->inspect != NULL && !world->inspect(world, to_b, &d);
        lost |= world->hook != NULL && !world->hook(world, to_b, &d);
        lost |= dice_next(&world->dice) % 100 < world->loss_percent;
        world->n_lost += lost;
        if (!lost)
            send_out(world, &d, to_b);
        if (!lost && dice_next(&world->dice) % 100 < world->duplicate_percent)
            send_out(world, &d, to_b);
    }
}

void world_drain(struct world *world)
{
    struct peer *peers[2] = {&world->a, &world->b};
    for (int i = 0; i < 2; i++) {
        pull_events(peers[i]);
        pull_datagrams(peers[i]);
        pull_events(peers[i]);
        ike_check_invariants(peers[i]->ike);
    }
}

/* translate - the NAT in front of `a`, if there is one. false: it has no mapping for this. */
static bool translate(struct world *world, bool to_b, struct ike_path *path)
{
    if (world->nat_port == 0)
        return true;
    if (to_b) {
        world->nat_inside = path->remote.address;
        path->remote.port = (uint16_t)(world->nat_port + (path->remote.port == 500 ? 0 : 1));
        return address_parse("203.0.113.7", &path->remote.address);
    }
    if (path->local.port != world->nat_port && path->local.port != world->nat_port + 1)
        return false;
    path->local.port = path->local.port == world->nat_port ? 500 : 4500;
    path->local.address = world->nat_inside;
    return true;
}

void world_deliver_raw(struct world *world, bool to_b, const struct ike_path *path,
                       struct span octets)
{
    ike_recv(to_b ? world->b.ike : world->a.ike, path, octets, world->now);
    world_drain(world);
}

static void deliver(struct world *world)
{
    struct datagram *d = world->wire;
    struct ike_path path = {.local = d->d.path.remote, .remote = d->d.path.local};
    world->wire = d->next;
    if (translate(world, d->to_b, &path))
        ike_recv(d->to_b ? world->b.ike : world->a.ike, &path, span_of(d->d.octets, d->d.len),
                 world->now);
    free(d);
}

void world_run(struct world *world, nanos duration_ns)
{
    nanos end = world->now + duration_ns;
    world_drain(world);
    for (;;) {
        nanos at = nanos_min(ike_deadline(world->a.ike), ike_deadline(world->b.ike));
        if (world->wire != NULL)
            at = nanos_min(at, world->wire->due_ns);
        if (at > end)
            break;
        if (at > world->now)
            world->now = at;
        if (world->wire != NULL && world->wire->due_ns <= world->now)
            deliver(world);
        ike_tick(world->a.ike, world->now);
        ike_tick(world->b.ike, world->now);
        world_drain(world);
    }
    world->now = end;
}

/* --- commands --- */

struct ike_path world_path(unsigned i)
{
    struct ike_path path = {0};
    assert_true(address_parse("192.0.2.1", &path.local.address));
    assert_true(address_parse("198.51.100.1", &path.remote.address));
    path.local.address.octets[3] = (uint8_t)(1 + i);
    return path;
}

struct ike_path world_path6(unsigned i)
{
    struct ike_path path = {0};
    assert_true(address_parse("2001:db8:a::1", &path.local.address));
    assert_true(address_parse("2001:db8:b::1", &path.remote.address));
    path.local.address.octets[15] = (uint8_t)(1 + i);
    return path;
}

uint64_t world_post(struct peer *peer, struct ike_command command)
{
    static uint64_t tag;
    command.tag = ++tag;
    assert_int_equal(ike_command(peer->ike, &command, peer->world->now), 0);
    world_drain(peer->world);
    return tag;
}

const struct ike_event *world_done(const struct peer *peer, uint64_t tag)
{
    for (size_t i = 0; i < WORLD_EVENTS && i < peer->n_events; i++)
        if (peer->events[i].kind == IKE_EV_COMMAND_DONE && peer->events[i].tag == tag)
            return &peer->events[i];
    return NULL;
}

enum ike_outcome world_command(struct peer *peer, struct ike_command command)
{
    uint64_t tag = world_post(peer, command);
    for (int i = 0; i < 4000 && world_done(peer, tag) == NULL; i++)
        world_run(peer->world, 50 * NANOS_PER_MS);
    assert_non_null(world_done(peer, tag));
    world_run(peer->world, 100 * NANOS_PER_MS);
    return world_done(peer, tag)->outcome;
}

enum ike_outcome world_connect(struct world *world)
{
    return world_command(
        &world->a,
        (struct ike_command){.kind = IKE_CMD_CONNECT, .conn = "office", .path = world_path(0)});
}

/* --- looking --- */

ike_sa_id world_sa(const struct peer *peer, unsigned index)
{
    struct ike_sa_info info;
    ike_sa_id id = 0;
    while (ike_sa_next(peer->ike, id, &info)) {
        id = info.id;
        if (info.life == IKE_ESTABLISHED && index-- == 0)
            return id;
    }
    return 0;
}

unsigned world_n_sas(const struct peer *peer)
{
    struct ike_sa_info info;
    unsigned n = 0;
    for (ike_sa_id id = 0; ike_sa_next(peer->ike, id, &info); id = info.id)
        n++;
    return n;
}

ike_child_id world_child(const struct peer *peer, unsigned index)
{
    struct ike_child_info info;
    ike_child_id id = 0;
    while (ike_child_next(peer->ike, id, &info)) {
        id = info.id;
        if (info.life != IKE_CHILD_REPLACED && index-- == 0)
            return id;
    }
    return 0;
}

unsigned world_n_children(const struct peer *peer)
{
    struct ike_child_info info;
    unsigned n = 0;
    for (ike_child_id id = 0; ike_child_next(peer->ike, id, &info); id = info.id)
        n++;
    return n;
}

static void check_one_way(const struct peer *one, const struct peer *other)
{
    struct ike_sa_info sa, found_sa;
    for (ike_sa_id id = 0; ike_sa_next(one->ike, id, &sa); id = sa.id) {
        bool found = false;
        if (sa.refused) /* only one end keeps it */
            continue;
        for (ike_sa_id o = 0; !found && ike_sa_next(other->ike, o, &found_sa); o = found_sa.id)
            found = found_sa.spi_i == sa.spi_i && found_sa.spi_r == sa.spi_r &&
                    found_sa.role != sa.role;
        assert_true(found);
        assert_int_equal(sa.life, found_sa.life);
        assert_true(endpoint_equal(&sa.path.local, &found_sa.path.remote));
        assert_true(endpoint_equal(&sa.path.remote, &found_sa.path.local));
    }
    struct ike_child_info child, found_child;
    for (ike_child_id id = 0; ike_child_next(one->ike, id, &child); id = child.id) {
        bool found = false;
        for (ike_child_id o = 0; !found && ike_child_next(other->ike, o, &found_child);
             o = found_child.id)
            found = found_child.spi_in == child.spi_out && found_child.spi_out == child.spi_in;
        assert_true(found);
        assert_int_equal(child.local_ts.n, found_child.remote_ts.n);
        assert_true(ike_sa_get(one->ike, child.sa, &sa));
        assert_true(ike_sa_get(other->ike, found_child.sa, &found_sa));
        assert_true(sa.spi_i == found_sa.spi_i && sa.spi_r == found_sa.spi_r);
    }
}

void world_check(struct world *world)
{
    check_one_way(&world->a, &world->b);
    check_one_way(&world->b, &world->a);
    assert_int_equal(world->a.installed, world_n_children(&world->a));
    assert_int_equal(world->b.installed, world_n_children(&world->b));
}
