/* SPDX-License-Identifier: Apache-2.0 */
/* A random world: its hosts, their configurations, the network, and the faults. */
#include <stdio.h>

#include "base/assert.h"
#include "exchange/party.h"
#include "ike/terms/identity.h"
#include "sim/fault.h"
#include "sim/host.h"
#include "sim/lease.h"
#include "sim/replace.h"
#include "sim/scenario.h"

static nanos some_seconds(struct sim *sim, unsigned least, unsigned most)
{
    return SIM_SECONDS(least) + (nanos)sim_below(sim, (uint64_t)SIM_SECONDS(most - least));
}

static enum ike_clone some_dialect(struct sim *sim)
{
    static const enum ike_clone dialects[] = {IKE_CLONE_OFF,  IKE_CLONE_KEEP_OLD, IKE_CLONE_RFC7791,
                                              IKE_CLONE_BOTH, IKE_CLONE_BOTH,     IKE_CLONE_BOTH,
                                              IKE_CLONE_BOTH};
    return dialects[sim_below(sim, sizeof(dialects) / sizeof(dialects[0]))];
}

static enum ike_reduced some_reduced(struct sim *sim)
{
    static const enum ike_reduced choices[] = {IKE_REDUCED_OFF, IKE_REDUCED_OFF,
                                               IKE_REDUCED_END_USER, IKE_REDUCED_GATEWAY};
    return choices[sim_below(sim, sizeof(choices) / sizeof(choices[0]))];
}

static enum ike_mesh some_mesh(struct sim *sim)
{
    static const enum ike_mesh choices[] = {IKE_MESH_PAIRS, IKE_MESH_FULL, IKE_MESH_FIRST};
    return choices[sim_below(sim, sizeof(choices) / sizeof(choices[0]))];
}

static void lifetimes(struct sim *sim, struct ike_conn *conn)
{
    struct ike_lifetime *ike = &conn->lifetime, *child = &conn->children[0].lifetime;
    if (sim_chance(sim, 400)) {
        ike->rekey_ns = some_seconds(sim, 20, 120);
        ike->life_ns = 2 * ike->rekey_ns + SIM_SECONDS(60);
        ike->jitter_ns = ike->rekey_ns / 4;
    }
    if (sim_chance(sim, 400)) {
        child->rekey_ns = some_seconds(sim, 15, 60);
        child->life_ns = 2 * child->rekey_ns + SIM_SECONDS(60);
        child->jitter_ns = child->rekey_ns / 4;
    }
    if (sim_chance(sim, 200)) {
        child->rekey_packets = 20 + sim_below(sim, 200);
        child->life_packets = 4 * child->rekey_packets;
    }
}

/* reauthentication - one end asks for it again and again: logins are not counted. */
static void reauthentication(struct sim *sim, struct sim_host *host)
{
    if (!sim_chance(sim, 100))
        return;
    host->conn->reauth_ns = some_seconds(sim, 30, 90);
    host->conn->reauth_over_ns = some_seconds(sim, 10, 30);
    host->logs_in_anew = true;
}

static void configure(struct sim *sim, struct sim_host *host)
{
    struct ike_conn *conn = host->conn;
    conn->clone = some_dialect(sim);
    conn->prefer = sim_chance(sim, 300) ? IKE_CLONE_RFC7791 : IKE_CLONE_KEEP_OLD;
    conn->create_then_move = sim_chance(sim, 300);
    conn->reduced = some_reduced(sim);
    conn->gateway_clones = sim_chance(sim, 200);
    conn->mesh = some_mesh(sim);
    conn->combined_auth = sim_chance(sim, 500);
    conn->mobike = !sim_chance(sim, 50);
    conn->multipath = sim_chance(sim, 400) ? IKE_MULTIPATH_BALANCE : IKE_MULTIPATH_FAILOVER;
    conn->dpd_delay_ns = some_seconds(sim, 10, 30);
    conn->encap = sim_chance(sim, 200);
    conn->fragmentation = sim_chance(sim, 100) ? IKE_FRAGMENTATION_NO : IKE_FRAGMENTATION_YES;
    conn->children[0].replay_window = sim_chance(sim, 200) ? 64 : 1024;
    if (sim_chance(sim, 200))
        conn->unique = IKE_UNIQUE_REPLACE;
    host->options.fragment_size = sim_chance(sim, 200) ? 576 : 0;
    host->options.cookie_threshold = sim_chance(sim, 200) ? 1 : 0;
    lifetimes(sim, conn);
    reauthentication(sim, host);
    host->traffic_interval = SIM_MS(100 + sim_below(sim, 2000));
    conn->inner_per_path = sim_chance(sim, 500);
}

static void link_some(struct sim *sim, struct sim_link *link, bool noise)
{
    link->delay = SIM_MS(1 + sim_below(sim, sim_chance(sim, 200) ? 300 : 50));
    link->jitter = SIM_MS(sim_below(sim, 10));
    if (!noise)
        return;
    link->loss = (unsigned)sim_below(sim, 40);
    link->duplicate = (unsigned)sim_below(sim, 50);
    link->reorder = (unsigned)sim_below(sim, 100);
    link->corrupt = (unsigned)sim_below(sim, 30);
    link->burst = sim_chance(sim, 200) ? (unsigned)sim_below(sim, 5) : 0;
}

static void surround(struct sim *sim, struct sim_host *host)
{
    bool noise = sim_chance(sim, 500);
    for (unsigned i = 0; i < host->n_interfaces; i++) {
        struct sim_interface *interface = &host->interfaces[i];
        link_some(sim, &interface->link, noise);
        if (host->gateway || !sim_chance(sim, 300) || interface->address.family == ADDRESS_V6)
            continue;
        if (sim->n_nats > 0 && (sim_chance(sim, 300) || sim->n_nats == SIM_NATS)) {
            interface->nat = &sim->nats[sim_below(sim, sim->n_nats)]; /* that another one has */
            continue;
        }
        struct sim_nat *nat = sim_nat_before(sim, interface);
        nat->symmetric = sim_chance(sim, 300);
        nat->timeout = some_seconds(sim, 30, 180);
    }
}

/* some_addresses - of a Gateway: usually one. */
static unsigned some_addresses(struct sim *sim)
{
    return sim_chance(sim, 300) ? 2 + (unsigned)sim_below(sim, sim_chance(sim, 300) ? 3 : 1) : 1;
}

/* some_ipv6 - gives IPv6 to some addresses of the Gateway, and to some interfaces of its users if
 * the Gateway has any. The first of each keeps IPv4. */
static void some_ipv6(struct sim *sim, struct sim_host *host, const struct sim_host *gateway)
{
    bool able = gateway == NULL;
    for (unsigned i = 1; gateway != NULL && i < gateway->n_interfaces; i++)
        able |= gateway->interfaces[i].address.family == ADDRESS_V6;
    for (unsigned i = 1; able && i < host->n_interfaces; i++)
        if (sim_chance(sim, 400)) {
            struct address *address = &host->interfaces[i].address;
            ASSERT(address_parse("2001:db8::1", address));
            address->octets[7] = (uint8_t)(host - sim->hosts);
            address->octets[15] = (uint8_t)(1 + i);
        }
}

/* some_children - usually one; a user has only children that its Gateway has. */
static void some_children(struct sim *sim, struct sim_host *host, const struct sim_host *gateway)
{
    uint8_t most = gateway != NULL        ? gateway->conn->n_children
                   : sim_chance(sim, 300) ? SIM_CHILDREN
                                          : 1;
    sim_children(host, most > 1 ? (uint8_t)(1 + sim_below(sim, most)) : 1);
    const struct ike_conn *conn = host->conn;
    if (gateway != NULL && conn->n_children > 1 && sim_chance(sim, 300))
        (void)snprintf(host->only, sizeof(host->only), "%s",
                       conn->children[sim_below(sim, conn->n_children)].name);
}

/* impostor - has a user's name, but not its secret. */
static void impostor(struct sim *sim)
{
    struct sim_host *host = sim_user(sim, 1);
    host->psk = "a guess";
    host->wanted = true;
    host->impostor = true;
    if (sim_chance(sim, 500))
        host->conn->local[0].id = sim->hosts[host - sim->hosts - 1].conn->local[0].id;
}

/* some_families - of inner addresses; a user asks for at least one that its Gateway has. */
static void some_families(struct sim *sim, struct sim_host *host, const struct sim_host *gateway)
{
    bool v6 = sim_chance(sim, 400), v4 = !v6 || sim_chance(sim, 500);
    for (uint8_t i = 0; gateway != NULL && i < gateway->conn->children[0].local_ts.fixed.n; i++) {
        bool has_v6 =
            gateway->conn->children[0].local_ts.fixed.ts[i].range.first.family == ADDRESS_V6;
        v4 |= !has_v6 && !v4 && gateway->conn->n_pools == 1;
        v6 |= has_v6 && !v6 && gateway->conn->n_pools == 1;
    }
    sim_inner_families(host, v4, v6);
}

/* replacements - without dice, and not as faults: they excuse no login. */
static void replacements(struct sim *sim, nanos until)
{
    for (unsigned i = 0; i < sim->n_hosts && sim->replace > 0; i++)
        for (nanos at = sim->replace / (1 + i); at < until; at += sim->replace)
            sim_at(sim, at, sim_replace, sim_argument(&sim->hosts[i], 0));
}

void sim_random_play(struct sim *sim)
{
    unsigned gateways = sim_chance(sim, 200) ? 2 : 1;
    for (unsigned i = 0; i < gateways; i++) {
        struct sim_host *gateway = sim_gateway(sim, some_addresses(sim));
        configure(sim, gateway);
        some_families(sim, gateway, NULL);
        some_children(sim, gateway, NULL);
        some_ipv6(sim, gateway, NULL);
        surround(sim, gateway);
    }
    for (uint64_t n = 1 + sim_below(sim, 3); n > 0; n--) {
        const struct sim_host *gateway = &sim->hosts[sim_below(sim, gateways)];
        struct sim_host *user = sim_user(sim, 1 + (unsigned)sim_below(sim, 4));
        sim_goes_to(user, gateway, 1 + (unsigned)sim_below(sim, gateway->n_interfaces));
        configure(sim, user);
        some_families(sim, user, gateway);
        some_children(sim, user, gateway);
        some_ipv6(sim, user, gateway);
        surround(sim, user);
        if (sim->seed % 4 == 1) /* without dice, so that the runs of other seeds stay the same */
            party_rounds(user->conn, gateway->conn);
    }
    if (sim_chance(sim, 100))
        impostor(sim);
    nanos chaos = some_seconds(sim, 20, 90);
    for (uint64_t n = sim_below(sim, 12); n > 0; n--)
        sim_fault_random(sim, chaos);
    replacements(sim, chaos);
    sim_start(sim);
    sim_run(sim, chaos);
}
