/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/traffic.h"

#include "base/assert.h"
#include "base/reader.h"
#include "base/writer.h"
#include "sim/checker.h"
#include "sim/host.h"
#include "sim/plane.h"

#define HEADERS 28 /* IPv4 and UDP */
#define TEXT    32 /* mark, number, host, kind */
#define ROOM    1500

static const char mark[17] = "PLAINTEXT OF SIM";

enum kind { ASKED, ANSWERED, DOWNSTREAM, FORGED };

static void sum_write(uint8_t *header)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < 20; i += 2)
        sum += (uint32_t)header[i] << 8 | header[i + 1];
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    header[10] = (uint8_t)(~sum >> 8);
    header[11] = (uint8_t)~sum;
}

/* inner_write - a packet of `len` octets with `number` and `kind` in it. */
static void inner_write(uint8_t *out, size_t len, const struct address *src,
                        const struct address *dst, uint64_t number, enum kind kind)
{
    struct writer w = writer_of(out, len);
    write_u16(&w, 0x4500);
    write_u16(&w, (uint16_t)len);
    write_u32(&w, 0);
    write_u16(&w, 64 << 8 | ESP_PROTO_UDP);
    write_u16(&w, 0);
    write_bytes(&w, address_span(src));
    write_bytes(&w, address_span(dst));
    write_u16(&w, (uint16_t)(1000 + number % 4)); /* four flows */
    write_u16(&w, 7);
    write_u16(&w, (uint16_t)(len - 20));
    write_u16(&w, 0); /* no checksum */
    write_bytes(&w, span_of(mark, 16));
    write_u64(&w, number);
    write_u64(&w, kind);
    ASSERT(!writer_failed(&w) && w.len == HEADERS + TEXT);
    for (size_t i = HEADERS + TEXT; i < len; i++)
        out[i] = (uint8_t)(number + i);
    sum_write(out);
}

static void send(struct sim_host *host, const struct address *src, const struct address *dst,
                 enum kind kind)
{
    uint8_t packet[ROOM];
    struct sim *sim = host->sim;
    size_t len = HEADERS + TEXT + sim_below(sim, sim_chance(sim, 100) ? 1250 : 100);
    uint64_t number = sim_check_packet_new(sim, len, kind == FORGED);
    inner_write(packet, len, src, dst, number, kind);
    struct span inner = span_of(packet, len);
    bool left = kind == FORGED ? sim_plane_send_wrong(host->plane, inner)
                               : sim_plane_send(host->plane, inner);
    sim_mix(sim, number << 1 | left);
}

static struct address behind_gateway(const struct sim_host *user)
{
    struct address address;
    ASSERT(address_parse("10.1.0.1", &address));
    address.octets[3] = (uint8_t)(1 + (user - user->sim->hosts));
    return address;
}

void sim_traffic_tick(struct sim_host *host)
{
    struct sim *sim = host->sim;
    if (!host->running || host->traffic_interval == 0)
        return;
    struct address there = behind_gateway(host), forged = there;
    forged.octets[2] = 200; /* 10.1.200.x is nobody's lease */
    if (!host->gateway && host->inner.family != ADDRESS_NONE) {
        bool wrong = sim_chance(sim, 20);
        send(host, wrong ? &forged : &host->inner, &there, wrong ? FORGED : ASKED);
    }
    for (unsigned i = 0; host->gateway && i < SIM_LEASES; i++)
        if (host->leases[i].session != 0)
            send(host, &there, &host->leases[i].address, DOWNSTREAM);
    sim_event_new(sim, SIM_TRAFFIC, 1 + (nanos)sim_below(sim, 2 * (uint64_t)host->traffic_interval),
                  host);
    sim_host_pump(host);
}

void sim_traffic_arrived(struct sim_host *host, const struct esp_inner *inner, struct span packet)
{
    struct sim *sim = host->sim;
    uint8_t same[ROOM];
    if (packet.len < HEADERS + TEXT || packet.len > ROOM) {
        sim_violation(sim, "%s delivers a packet that nobody sent", host->name);
        return;
    }
    struct reader r = reader_of(span_of(packet.ptr + HEADERS + 16, 16));
    uint64_t number = read_u64(&r), kind = read_u64(&r);
    inner_write(same, packet.len, &inner->src, &inner->dst, number, (enum kind)kind);
    if (!span_equal(packet, span_of(same, packet.len))) {
        sim_violation(sim, "%s delivers a packet that was altered", host->name);
        return;
    }
    sim_check_packet_arrived(host, number, packet.len);
    bool mine =
        host->gateway ? inner->dst.octets[1] == 1 : address_equal(&inner->dst, &host->inner);
    if (!mine && sim->n_violations == 0 && !host->gateway)
        sim_log(sim, host, "a packet for an address that it had before");
    if (host->gateway && kind == ASKED)
        send(host, &inner->dst, &inner->src, ANSWERED);
}

bool sim_traffic_marked(struct span octets)
{
    return octets.len >= 16 && memmem(octets.ptr, octets.len, mark, 16) != NULL;
}
