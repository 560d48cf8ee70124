/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/traffic.h"

#include "base/assert.h"
#include "base/reader.h"
#include "base/writer.h"
#include "sim/checker.h"
#include "sim/host.h"
#include "sim/lease.h"
#include "sim/plane.h"

#define UDP_HEADER 8
#define TEXT       32 /* mark, number, host, kind */
#define ROOM       1500
#define OWN        32 /* inner addresses of one End User */

static const char mark[17] = "PLAINTEXT OF SIM";

enum kind { ASKED, ANSWERED, DOWNSTREAM, FORGED };

struct ends {
    struct address src, dst;
    const struct sim_host *user; /* whose they are */
};

static size_t headers_of(const struct address *address)
{
    return UDP_HEADER + (address->family == ADDRESS_V6 ? IPV6_HEADER_LEN : IPV4_HEADER_LEN);
}

static void sum_write(uint8_t *header)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < IPV4_HEADER_LEN; i += 2)
        sum += (uint32_t)header[i] << 8 | header[i + 1];
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    header[10] = (uint8_t)(~sum >> 8);
    header[11] = (uint8_t)~sum;
}

static void ip_write(struct writer *w, size_t len, bool v6)
{
    if (v6) {
        write_u32(w, UINT32_C(6) << 28);
        write_u16(w, (uint16_t)(len - IPV6_HEADER_LEN));
        write_u16(w, ESP_PROTO_UDP << 8 | 64);
        return;
    }
    write_u16(w, 0x4500);
    write_u16(w, (uint16_t)len);
    write_u32(w, 0);
    write_u16(w, 64 << 8 | ESP_PROTO_UDP);
    write_u16(w, 0);
}

/* inner_write - a packet of `len` octets that contains `number` and `kind`. */
static void inner_write(uint8_t *out, size_t len, const struct address *src,
                        const struct address *dst, uint64_t number, enum kind kind)
{
    struct writer w = writer_of(out, len);
    size_t headers = headers_of(src);
    ip_write(&w, len, src->family == ADDRESS_V6);
    write_bytes(&w, address_span(src));
    write_bytes(&w, address_span(dst));
    write_u16(&w, (uint16_t)(1000 + number % 4)); /* four flows */
    write_u16(&w, 7);
    write_u16(&w, (uint16_t)(len - headers + UDP_HEADER));
    write_u16(&w, 0); /* no checksum; over IPv6 nobody checks it here */
    write_bytes(&w, span_of(mark, 16));
    write_u64(&w, number);
    write_u64(&w, kind);
    ASSERT(!writer_failed(&w) && w.len == headers + TEXT);
    for (size_t i = headers + TEXT; i < len; i++)
        out[i] = (uint8_t)(number + i);
    if (src->family == ADDRESS_V4)
        sum_write(out);
}

static void send(struct sim_host *host, const struct ends *ends, enum kind kind)
{
    uint8_t packet[ROOM];
    struct sim *sim = host->sim;
    size_t len = headers_of(&ends->src) + TEXT + sim_below(sim, sim_chance(sim, 100) ? 1250 : 100);
    uint64_t number = sim_check_packet_new(ends->user, len, kind == FORGED);
    inner_write(packet, len, &ends->src, &ends->dst, number, kind);
    struct span inner = span_of(packet, len);
    bool left = kind == FORGED ? sim_plane_send_wrong(host->plane, inner)
                               : sim_plane_send(host->plane, inner);
    sim_mix(sim, number << 1 | left);
}

/* behind_gateway - a host there that this user talks to, one in the network of each child;
 * `nobody`: an address that is never leased. */
static struct address behind_gateway(const struct sim_host *user, enum address_family family,
                                     bool nobody)
{
    struct address address;
    bool v6 = family == ADDRESS_V6;
    if (nobody)
        ASSERT(address_parse(v6 ? "2001:db8:200::1" : "10.1.200.1", &address));
    else
        ASSERT(address_parse(v6 ? "2001:db8:1::1" : "10.1.0.1", &address));
    if (!nobody && user->conn->n_children > 1)
        sim_behind(&address, (uint8_t)sim_below(user->sim, user->conn->n_children));
    address.octets[address_len(&address) - 1] = (uint8_t)(1 + (user - user->sim->hosts));
    return address;
}

/* somebody_elses - a lease of that family that another user has. false: none. */
static bool somebody_elses(const struct sim_host *host, enum address_family family,
                           struct address *ret_address)
{
    const struct sim *sim = host->sim;
    for (unsigned h = 0; h < sim->n_hosts; h++)
        for (unsigned i = 0; i < SIM_LEASES; i++) {
            const struct sim_lease *lease = &sim->hosts[h].leases[i];
            for (uint8_t k = 0; lease->owner != 0 && lease->user != host && k < lease->n; k++)
                if (lease->addresses[k].family == family) {
                    *ret_address = lease->addresses[k];
                    return true;
                }
        }
    return false;
}

static void user_sends(struct sim_host *host)
{
    struct sim *sim = host->sim;
    struct address own[OWN];
    size_t n = sim_inner_own(host, own, OWN);
    if (n == 0 && host->inner.family != ADDRESS_NONE)
        own[n++] = host->inner; /* what it had: nothing of that may leave */
    if (n == 0)
        return;
    struct address src = own[sim_below(sim, n)];
    struct ends ends = {src, behind_gateway(host, src.family, false), host};
    bool wrong = sim_chance(sim, 20);
    /* an unused address, another user's, or its own of another path, sealed where it does not
     * belong */
    if (wrong && sim_chance(sim, 500) && !somebody_elses(host, src.family, &ends.src))
        ends.src = behind_gateway(host, src.family, true);
    else if (wrong && (n < 2 || sim_chance(sim, 300)))
        ends.src = behind_gateway(host, src.family, true);
    send(host, &ends, wrong ? FORGED : ASKED);
}

static void gateway_sends(struct sim_host *host)
{
    struct sim *sim = host->sim;
    for (unsigned i = 0; i < SIM_LEASES; i++) {
        const struct sim_lease *lease = &host->leases[i];
        if (lease->owner == 0)
            continue;
        struct ends ends = {.dst = lease->addresses[sim_below(sim, lease->n)], .user = lease->user};
        bool wrong = sim_chance(sim, 10);
        bool nobody = wrong && sim_chance(sim, 500); /* or sealed for another user */
        ends.src = behind_gateway(nobody || lease->user == NULL ? host : lease->user,
                                  ends.dst.family, nobody);
        if (nobody)
            ends.src.octets[1] ^= 0x10; /* from the network behind it */
        send(host, &ends, wrong ? FORGED : DOWNSTREAM);
    }
}

void sim_traffic_tick(struct sim_host *host)
{
    struct sim *sim = host->sim;
    if (!host->running || host->traffic_interval == 0)
        return;
    if (host->gateway)
        gateway_sends(host);
    else
        user_sends(host);
    sim_event_new(sim, SIM_TRAFFIC, 1 + (nanos)sim_below(sim, 2 * (uint64_t)host->traffic_interval),
                  host);
    sim_host_pump(host);
}

void sim_traffic_arrived(struct sim_host *host, const struct esp_inner *inner, struct span packet)
{
    struct sim *sim = host->sim;
    uint8_t same[ROOM];
    size_t headers = headers_of(&inner->src);
    if (packet.len < headers + TEXT || packet.len > ROOM) {
        sim_violation(sim, "%s delivers a packet that nobody sent", host->name);
        return;
    }
    struct reader r = reader_of(span_of(packet.ptr + headers + 16, 16));
    uint64_t number = read_u64(&r), kind = read_u64(&r);
    inner_write(same, packet.len, &inner->src, &inner->dst, number, (enum kind)kind);
    if (!span_equal(packet, span_of(same, packet.len))) {
        sim_violation(sim, "%s delivers a packet that was altered", host->name);
        return;
    }
    const struct sim_host *user = sim_check_packet_arrived(host, number, packet.len);
    if (user == NULL)
        return;
    sim->counts.inner_v6 += inner->version == 6;
    const struct sim_lease *lease = host->gateway ? sim_lease_of(host, &inner->src) : NULL;
    if (lease != NULL && lease->user != user)
        sim_violation(sim, "%s takes a packet of %s from an address of %s", host->name, user->name,
                      lease->user->name);
    struct ends back = {inner->dst, inner->src, user};
    if (host->gateway && kind == ASKED)
        send(host, &back, ANSWERED);
}

bool sim_traffic_marked(struct span octets)
{
    return octets.len >= 16 && memmem(octets.ptr, octets.len, mark, 16) != NULL;
}
