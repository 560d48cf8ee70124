/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every interface has a link to the middle of the network, in which all public addresses are
 * reachable. A packet meets, in this order: the faults of the sender's link, a NAT, the attacker on
 * the path, and the faults of the receiver's link.
 */
#include "sim/network.h"

#include <stdlib.h>

#include "base/assert.h"
#include "sim/checker.h"
#include "sim/host.h"
#include "sim/hostile.h"

#define UDP_HEADER 8

struct sim_packet *sim_packet_new(const struct endpoint *src, const struct endpoint *dst, bool raw,
                                  struct span octets)
{
    struct sim_packet *packet = malloc(sizeof(*packet) + octets.len);
    ASSERT(packet != NULL);
    *packet = (struct sim_packet){.src = *src, .dst = *dst, .raw = raw, .len = octets.len};
    if (raw)
        packet->src.port = packet->dst.port = 0;
    if (octets.len > 0)
        memcpy(packet->octets, octets.ptr, octets.len);
    return packet;
}

static size_t packet_ip_len(const struct sim_packet *packet)
{
    return packet->len + (packet->src.address.family == ADDRESS_V6 ? 40u : 20u) +
           (packet->raw ? 0u : UDP_HEADER);
}

/* --- NATs --- */

static bool mapping_live(const struct sim *sim, const struct sim_nat *nat,
                         const struct sim_mapping *m)
{
    return m->port != 0 && sim->now - m->used < nat->timeout;
}

static bool port_taken(const struct sim_nat *nat, uint16_t port)
{
    for (size_t i = 0; i < 64; i++)
        if (nat->mappings[i].port == port)
            return true;
    return false;
}

static struct sim_mapping *mapping_new(struct sim *sim, struct sim_nat *nat)
{
    struct sim_mapping *oldest = &nat->mappings[0];
    for (size_t i = 0; i < 64; i++) {
        struct sim_mapping *m = &nat->mappings[i];
        if (!mapping_live(sim, nat, m) || m->used < oldest->used)
            oldest = m;
        if (!mapping_live(sim, nat, m))
            break;
    }
    uint16_t port;
    do
        port = (uint16_t)(20000 + sim_below(sim, 40000));
    while (port_taken(nat, port));
    *oldest = (struct sim_mapping){.port = port};
    return oldest;
}

/* nat_out - translates a packet from inside; false: the NAT does not translate it. */
static bool nat_out(struct sim *sim, struct sim_nat *nat, struct sim_packet *packet)
{
    struct sim_mapping *found = NULL;
    if (packet->raw)
        return false;
    for (size_t i = 0; i < 64 && found == NULL; i++) {
        struct sim_mapping *m = &nat->mappings[i];
        if (mapping_live(sim, nat, m) && endpoint_equal(&m->inside, &packet->src) &&
            (!nat->symmetric || endpoint_equal(&m->remote, &packet->dst)))
            found = m;
    }
    if (found == NULL) {
        found = mapping_new(sim, nat);
        found->inside = packet->src;
        found->remote = packet->dst;
    }
    found->used = sim->now;
    packet->src = (struct endpoint){nat->address, found->port};
    return true;
}

/* nat_in - translates a packet to its host inside; false: no mapping. */
static bool nat_in(const struct sim *sim, const struct sim_nat *nat,
                   const struct sim_packet *packet, struct endpoint *ret_inside)
{
    for (size_t i = 0; i < 64; i++) {
        const struct sim_mapping *m = &nat->mappings[i];
        if (mapping_live(sim, nat, m) && m->port == packet->dst.port && !packet->raw &&
            (!nat->symmetric || endpoint_equal(&m->remote, &packet->src))) {
            *ret_inside = m->inside;
            return true;
        }
    }
    return false;
}

void sim_nat_forget(struct sim_nat *nat)
{
    memset(nat->mappings, 0, sizeof(nat->mappings));
}

void sim_nat_swap(struct sim *sim, struct sim_nat *nat)
{
    struct sim_mapping *live[64];
    size_t n = 0;
    for (size_t i = 0; i < 64; i++)
        if (mapping_live(sim, nat, &nat->mappings[i]))
            live[n++] = &nat->mappings[i];
    if (n < 2)
        return;
    size_t one = sim_below(sim, n), other = (one + 1 + sim_below(sim, n - 1)) % n;
    uint16_t port = live[one]->port;
    live[one]->port = live[other]->port;
    live[other]->port = port;
}

/* --- links --- */

static bool link_loses(struct sim *sim, struct sim_link *link, size_t len)
{
    if (link->burst_left == 0 && sim_chance(sim, link->burst)) {
        link->burst_left = 8;
        link->burst_ns = sim->now;
    }
    if (link->burst_left > 0) {
        link->burst_left--;
        return true;
    }
    return sim_chance(sim, link->loss) || (link->mtu != 0 && len > link->mtu);
}

static nanos link_delay(struct sim *sim, const struct sim_link *link)
{
    nanos delay = link->delay;
    if (link->jitter > 0)
        delay += (nanos)sim_below(sim, (uint64_t)link->jitter);
    if (sim_chance(sim, link->reorder))
        delay += (nanos)sim_below(sim, 20 * (uint64_t)NANOS_PER_MS) + link->delay;
    return delay;
}

static void corrupt(struct sim *sim, const struct sim_link *link, struct sim_packet *packet)
{
    if (packet->len == 0 || !sim_chance(sim, link->corrupt))
        return;
    packet->octets[sim_below(sim, packet->len)] ^= (uint8_t)(1u << sim_below(sim, 8));
}

/* --- finding --- */

/* interface_at - the interface with that address; NULL: none. */
static struct sim_interface *interface_at(struct sim *sim, const struct address *address,
                                          struct sim_host **ret_host)
{
    for (unsigned i = 0; i < sim->n_hosts; i++)
        for (unsigned k = 0; k < sim->hosts[i].n_interfaces; k++)
            if (address_equal(&sim->hosts[i].interfaces[k].address, address)) {
                *ret_host = &sim->hosts[i];
                return &sim->hosts[i].interfaces[k];
            }
    return NULL;
}

static const struct sim_nat *nat_at(const struct sim *sim, const struct address *address)
{
    for (unsigned i = 0; i < sim->n_nats; i++)
        if (address_equal(&sim->nats[i].address, address))
            return &sim->nats[i];
    return NULL;
}

static struct sim_interface *interface_of(struct sim_host *host, const struct ike_path *path)
{
    if (path->interface > host->n_interfaces)
        return NULL;
    for (unsigned i = 0; i < host->n_interfaces; i++) {
        struct sim_interface *interface = &host->interfaces[i];
        bool here = path->interface == 0 || path->interface == i + 1;
        if (here && interface->link.up && address_equal(&interface->address, &path->local.address))
            return interface;
    }
    return NULL;
}

/* --- sending and delivering --- */

void sim_network_inject(struct sim *sim, struct sim_packet *packet, nanos wait)
{
    sim_event_new(sim, SIM_DELIVER, wait, NULL)->packet = packet;
}

static void lost(struct sim *sim, const struct sim_host *host, const char *why)
{
    sim->counts.lost++;
    sim_log(sim, host, "  lost: %s", why);
}

/* receiver - the interface that gets a packet from the middle of the network, and its endpoint
 * behind its NAT. NULL: none. */
static struct sim_interface *receiver(struct sim *sim, const struct sim_packet *packet,
                                      struct endpoint *ret_dst, struct sim_host **ret_host)
{
    const struct sim_nat *nat = nat_at(sim, &packet->dst.address);
    *ret_dst = packet->dst;
    if (nat != NULL && !nat_in(sim, nat, packet, ret_dst))
        return NULL;
    struct sim_interface *interface = interface_at(sim, &ret_dst->address, ret_host);
    return interface != NULL && (nat == NULL) == (interface->nat == NULL) ? interface : NULL;
}

/* middle - the packet is past the sender's link: it travels on, once or twice. */
static void middle(struct sim *sim, struct sim_link *link, struct sim_packet *packet)
{
    struct endpoint dst;
    struct sim_host *host;
    struct sim_interface *to = receiver(sim, packet, &dst, &host);
    unsigned twice = link->duplicate + (to != NULL ? to->link.duplicate : 0);
    sim_hostile_sees(sim, packet);
    for (bool again = sim_chance(sim, twice);; again = false) {
        nanos wait = link_delay(sim, link) + (to != NULL ? link_delay(sim, &to->link) : 0);
        struct sim_packet *one = again ? sim_packet_new(&packet->src, &packet->dst, packet->raw,
                                                        span_of(packet->octets, packet->len))
                                       : packet;
        sim_network_inject(sim, one, wait);
        if (!again)
            return;
    }
}

void sim_network_send(struct sim_host *host, const struct ike_path *path, bool raw,
                      struct span octets)
{
    struct sim *sim = host->sim;
    struct sim_interface *interface = interface_of(host, path);
    struct sim_packet *packet = sim_packet_new(&path->local, &path->remote, raw, octets);
    const char *why = NULL;
    sim->counts.datagrams++;
    sim_mix_octets(sim, octets.ptr, octets.len);
    sim_check_sent(host, packet);
    if (interface == NULL)
        why = "no such address here";
    else if (interface->link.hole_out || link_loses(sim, &interface->link, packet_ip_len(packet)))
        why = "on the sender's link";
    else if (interface->nat != NULL && !nat_out(sim, interface->nat, packet))
        why = "not through this NAT";
    if (why != NULL) {
        lost(sim, host, why);
        free(packet);
        return;
    }
    corrupt(sim, &interface->link, packet);
    middle(sim, &interface->link, packet);
}

void sim_network_deliver(struct sim *sim, struct sim_packet *packet)
{
    struct endpoint dst;
    struct sim_host *host = NULL;
    struct sim_interface *interface = receiver(sim, packet, &dst, &host);
    if (interface == NULL || !interface->link.up || interface->link.hole_in || !host->running ||
        link_loses(sim, &interface->link, packet_ip_len(packet))) {
        lost(sim, host, "on the receiver's side");
        return;
    }
    corrupt(sim, &interface->link, packet);
    struct ike_path path = {.local = dst,
                            .remote = packet->src,
                            .interface = (uint32_t)(interface - host->interfaces) + 1};
    sim_host_recv(host, &path, packet->raw, (struct buffer){packet->octets, packet->len});
}
