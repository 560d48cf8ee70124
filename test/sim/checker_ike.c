/* SPDX-License-Identifier: Apache-2.0 */
#include "base/reader.h"
#include "sim/checker.h"
#include "wire/iana.h"

#define FLAG_RESPONSE 0x20
#define SK_HEADER     4 /* of the generic payload header, before fragment number and total */

struct seen {
    uint64_t spi_i, spi_r;
    uint8_t next_payload, exchange, flags;
    uint32_t message_id, length;
    uint16_t fragment, total;
};

static struct seen read_header(struct span octets)
{
    struct reader r = reader_of(octets);
    struct seen m = {.spi_i = read_u64(&r), .spi_r = read_u64(&r), .next_payload = read_u8(&r)};
    (void)read_u8(&r); /* version */
    m.exchange = read_u8(&r);
    m.flags = read_u8(&r);
    m.message_id = read_u32(&r);
    m.length = read_u32(&r);
    if (m.next_payload == WIRE_PAYLOAD_SKF) {
        (void)read_bytes(&r, SK_HEADER);
        m.fragment = read_u16(&r);
        m.total = read_u16(&r);
    }
    return m;
}

static void trace(const struct sim_host *host, const struct ike_datagram *d, const struct seen *m,
                  bool again)
{
    char to[ENDPOINT_TEXT_MAX], from[ENDPOINT_TEXT_MAX];
    if (!host->sim->trace)
        return;
    sim_log(host->sim, host, "if%d %s > %s %s %s mid=%u spi=%08x..%08x %u octets%s",
            (int)d->path.interface - 1, endpoint_print(&d->path.local, from),
            endpoint_print(&d->path.remote, to), wire_exchange_name(m->exchange),
            (m->flags & FLAG_RESPONSE) != 0 ? "rsp" : "req", m->message_id,
            (unsigned)(m->spi_i >> 32), (unsigned)(m->spi_r >> 32), (unsigned)d->len,
            again ? " again" : "");
}

void sim_check_ike(struct sim_host *host, const struct ike_datagram *d)
{
    struct sim *sim = host->sim;
    struct seen m = read_header(span_of(d->octets, d->len));
    uint64_t key[5] = {m.spi_i, m.spi_r, m.message_id, (uint64_t)m.flags << 32 | m.fragment,
                       (uint64_t)(host - sim->hosts) << 32 | m.total};
    uint64_t was, octets = sim_hash(d->octets, d->len, 1);
    if (d->len != m.length || m.length < 28)
        sim_violation(sim, "%s: IKE message of %zu octets says %u", host->name, d->len, m.length);
    /* without an IKE SA no Message ID can repeat: IKE_SA_INIT with and without COOKIE, and
     * unprotected errors */
    bool protected = m.next_payload == WIRE_PAYLOAD_SK || m.next_payload == WIRE_PAYLOAD_SKF;
    if (!protected && (m.exchange != WIRE_IKE_SA_INIT || m.spi_r == 0)) {
        trace(host, d, &m, false);
        return;
    }
    bool fresh =
        sim_prints_put(&sim->checks->messages, sim_hash((uint8_t *)key, 40, 3), octets, &was);
    trace(host, d, &m, !fresh);
    if (!fresh && was != octets)
        sim_violation(sim, "%s: message ID %u of %s used again with other octets", host->name,
                      m.message_id, wire_exchange_name(m.exchange));
}
