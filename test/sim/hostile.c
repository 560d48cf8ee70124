/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/hostile.h"

#include <stdlib.h>

#include "base/writer.h"
#include "sim/network.h"
#include "wire/iana.h"

#define IKE_HEADER 28

static struct sim_packet *copy_of(const struct sim_packet *packet)
{
    return sim_packet_new(&packet->src, &packet->dst, packet->raw,
                          span_of(packet->octets, packet->len));
}

static nanos some_time(struct sim *sim)
{
    return (nanos)sim_below(sim, (uint64_t)(sim_chance(sim, 200) ? 60 : 1) * NANOS_PER_SEC);
}

/* replay - sends one of the last packets again, sometimes from elsewhere. */
static void replay(struct sim *sim)
{
    uint64_t n = sim->n_recent < SIM_RECENT ? sim->n_recent : SIM_RECENT;
    struct sim_packet *packet = copy_of(sim->recent[sim_below(sim, n)]);
    if (sim_chance(sim, 300) && packet->src.address.family == ADDRESS_V4)
        packet->src.address.octets[3] = (uint8_t)(100 + sim_below(sim, 100));
    if (sim_chance(sim, 300) && !packet->raw)
        packet->src.port = (uint16_t)(1024 + sim_below(sim, 60000));
    sim->counts.replayed++;
    sim_network_inject(sim, packet, some_time(sim));
}

/* mutate - sends an altered copy: bits, length, or a header field. */
static void mutate(struct sim *sim, const struct sim_packet *packet)
{
    struct sim_packet *copy = copy_of(packet);
    uint64_t n = 1 + sim_below(sim, 4);
    for (uint64_t i = 0; i < n && copy->len > 0; i++) {
        size_t near = sim_chance(sim, 500) && copy->len > 32 ? 32 : copy->len;
        copy->octets[sim_below(sim, near)] ^= (uint8_t)(1 + sim_below(sim, 255));
    }
    if (sim_chance(sim, 200))
        copy->len = sim_below(sim, copy->len + 1);
    sim->counts.mutated++;
    sim_network_inject(sim, copy, (nanos)sim_below(sim, NANOS_PER_SEC));
}

/* spoof - sends an unprotected notify, as if the receiver of an IKE message had answered:
 * INVALID_SYNTAX, AUTHENTICATION_FAILED, NO_PROPOSAL_CHOSEN or INVALID_IKE_SPI. */
static void spoof(struct sim *sim, const struct sim_packet *packet)
{
    static const uint16_t notifies[] = {N_INVALID_SYNTAX, N_AUTHENTICATION_FAILED,
                                        N_NO_PROPOSAL_CHOSEN, N_INVALID_IKE_SPI};
    uint8_t octets[4 + IKE_HEADER + 8];
    size_t marker = packet->src.port != 500 && packet->dst.port != 500 ? 4 : 0;
    if (packet->raw || packet->len < marker + IKE_HEADER)
        return;
    struct writer w = writer_of(octets, sizeof(octets));
    write_bytes(&w, span_of(packet->octets, marker + 16));
    write_u8(&w, WIRE_PAYLOAD_N);
    write_u8(&w, 0x20);
    write_u8(&w, packet->octets[marker + 18]);
    write_u8(&w, (packet->octets[marker + 19] & 0x08) ^ 0x28);
    write_bytes(&w, span_of(packet->octets + marker + 20, 4));
    write_u32(&w, IKE_HEADER + 8);
    write_u32(&w, 8);
    write_u16(&w, 0);
    write_u16(&w, notifies[sim_below(sim, 4)]);
    struct sim_packet *lie =
        sim_packet_new(&packet->dst, &packet->src, false, span_of(octets, marker + IKE_HEADER + 8));
    sim->counts.mutated++;
    sim_network_inject(sim, lie, (nanos)sim_below(sim, 20 * (uint64_t)NANOS_PER_MS));
}

void sim_hostile_sees(struct sim *sim, const struct sim_packet *packet)
{
    if (sim->replay + sim->mutate + sim->spoof == 0)
        return;
    struct sim_packet **place = &sim->recent[sim->n_recent++ % SIM_RECENT];
    free(*place);
    *place = copy_of(packet);
    if (sim_chance(sim, sim->replay))
        replay(sim);
    if (sim_chance(sim, sim->mutate))
        mutate(sim, packet);
    if (sim_chance(sim, sim->spoof))
        spoof(sim, packet);
}
