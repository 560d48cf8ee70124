/* SPDX-License-Identifier: Apache-2.0 */
/* The forbidden acts of the data plane; nonce reuse, which nothing repairs, comes first. */
#include <stdlib.h>

#include "base/assert.h"
#include "sim/checker.h"
#include "sim/traffic.h"

#define ESP_IV 8 /* offset of the explicit IV behind SPI and sequence number */

void sim_check_sealed(struct sim_host *host, uint64_t key, struct span packet, uint64_t sequence)
{
    struct sim_prints *nonces = &host->sim->checks->nonces;
    uint64_t iv, was;
    ASSERT(packet.len >= ESP_IV + sizeof(iv));
    memcpy(&iv, packet.ptr + ESP_IV, sizeof(iv));
    uint64_t numbers[2] = {key, sequence}, ivs[2] = {key, iv};
    if (!sim_prints_put(nonces, sim_hash((uint8_t *)numbers, 16, 1), 0, &was))
        sim_violation(host->sim, "%s: ESP sequence number %llu used twice with one key", host->name,
                      (unsigned long long)sequence);
    if (!sim_prints_put(nonces, sim_hash((uint8_t *)ivs, 16, 2), 0, &was))
        sim_violation(host->sim, "%s: ESP nonce used twice with one key", host->name);
    uint32_t low = (uint32_t)packet.ptr[4] << 24 | (uint32_t)packet.ptr[5] << 16 |
                   (uint32_t)packet.ptr[6] << 8 | packet.ptr[7];
    if (low != (uint32_t)sequence)
        sim_violation(host->sim, "%s: ESP packet %llu says that it is %u", host->name,
                      (unsigned long long)sequence, low);
}

void sim_check_sent(const struct sim_host *host, const struct sim_packet *packet)
{
    if (sim_traffic_marked(span_of(packet->octets, packet->len)))
        sim_violation(host->sim, "%s: an inner packet leaves in the clear", host->name);
}

uint64_t sim_check_packet_new(const struct sim_host *user, size_t len, bool forged)
{
    struct sim_checks *checks = user->sim->checks;
    if (checks->n_packets == checks->packet_room) {
        checks->packet_room = checks->packet_room == 0 ? 1024 : checks->packet_room * 2;
        checks->packets =
            reallocarray(checks->packets, checks->packet_room, sizeof(checks->packets[0]));
        ASSERT(checks->packets != NULL);
    }
    checks->packets[checks->n_packets] = (struct sim_inner){(uint16_t)len, forged, false, user};
    return checks->n_packets++;
}

const struct sim_host *sim_check_packet_arrived(const struct sim_host *host, uint64_t number,
                                                size_t len)
{
    struct sim *sim = host->sim;
    struct sim_checks *checks = sim->checks;
    unsigned long long n = number;
    if (number >= checks->n_packets || checks->packets[number].len != len) {
        sim_violation(sim, "%s: inner packet %llu of %zu octets was never sent", host->name, n,
                      len);
        return NULL;
    }
    struct sim_inner *packet = &checks->packets[number];
    if (packet->arrived)
        sim_violation(sim, "%s: inner packet %llu arrived twice", host->name, n);
    if (packet->forged)
        sim_violation(sim, "%s: inner packet %llu arrived against the selectors", host->name, n);
    if (!host->gateway && packet->user != host)
        sim_violation(sim, "%s gets inner packet %llu, which is for %s", host->name, n,
                      packet->user->name);
    packet->arrived = true;
    sim->counts.esp_delivered++;
    return packet->user;
}
