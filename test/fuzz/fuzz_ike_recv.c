/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams to an endpoint that has IKE SAs. The first octet says how the rest travels:
 *   bits 0-1   0  as it is
 *              1  behind a header that fits a live IKE SA
 *              2  as the payloads of an authentic request, the next that is expected
 *              3  as the payloads of an authentic response, to a request of a kind that bits 2-4
 *                 choose
 *   bit 5      to the End User instead of the Gateway
 *   bit 6      on the clone instead of the first IKE SA
 * The second octet: exchange type and, of authentic ones, the type of the first payload.
 */
#include <stdlib.h>

#include "exchange/message.h"
#include "exchange/world.h"
#include "ike/core/sa.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct target {
    struct world *world;
    struct peer *peer; /* gets the datagrams */
    const struct sa *sa;
    uint8_t how;
};

static struct world *new_world(void)
{
    struct world *world = world_new(1);
    world->conn_b->lifetime.rekey_ns = world->conn_a->dpd_delay_ns = 60 * NANOS_PER_SEC;
    world_start(world);
    world_connect(world);
    world_command(&world->a,
                  (struct ike_command){.kind = IKE_CMD_CLONE, .sa = world_sa(&world->a, 0)});
    return world;
}

static void outstanding_request(const struct target *target)
{
    static const enum ike_command_kind kinds[8] = {
        IKE_CMD_PROBE,     IKE_CMD_CLONE, IKE_CMD_REKEY_IKE,  IKE_CMD_REKEY_CHILD,
        IKE_CMD_PATH_TEST, IKE_CMD_MOVE,  IKE_CMD_DELETE_IKE, IKE_CMD_CREATE_CHILD};
    struct ike_command command = {.kind = kinds[target->how >> 2 & 7],
                                  .sa = target->sa->id,
                                  .child_id = world_child(target->peer, 0),
                                  .path = world_path(1)};
    (void)world_post(target->peer, command);
}

static struct ike_header fitting_header(const struct target *target, uint8_t exchange)
{
    bool response = (target->how & 3) == 3;
    const struct sa *sa = target->sa;
    bool from_initiator = !sa_original_initiator(sa);
    return (struct ike_header){
        .spi_i = sa->spi_i,
        .spi_r = sa->spi_r,
        .version = IKE_VERSION,
        .exchange = (uint8_t)(WIRE_IKE_SA_INIT + exchange % 4),
        .flags = (uint8_t)((from_initiator ? IKE_FLAG_INITIATOR : 0) |
                           (response ? IKE_FLAG_RESPONSE : 0)),
        .message_id = response ? sa->mine.next_id : sa->theirs.next_id,
    };
}

static void write_datagram(const struct target *target, uint8_t second, struct span rest,
                           struct ike_datagram *d)
{
    static const uint8_t firsts[16] = {WIRE_PAYLOAD_SA,
                                       WIRE_PAYLOAD_KE,
                                       WIRE_PAYLOAD_NONCE,
                                       WIRE_PAYLOAD_N,
                                       WIRE_PAYLOAD_D,
                                       WIRE_PAYLOAD_TSi,
                                       WIRE_PAYLOAD_TSr,
                                       WIRE_PAYLOAD_CP,
                                       WIRE_PAYLOAD_IDi,
                                       WIRE_PAYLOAD_V,
                                       WIRE_PAYLOAD_SK,
                                       WIRE_PAYLOAD_AUTH,
                                       WIRE_PAYLOAD_CERTREQ,
                                       0,
                                       200,
                                       WIRE_PAYLOAD_SKF};
    struct ike_header header = fitting_header(target, second);
    struct ike_keylog log;
    d->len = rest.len;
    memcpy(d->octets, rest.ptr, rest.len);
    if ((target->how & 3) == 0)
        return;
    if ((target->how & 3) == 1) {
        memmove(d->octets + IKE_HEADER_LEN, d->octets, rest.len);
        d->len += IKE_HEADER_LEN;
        header.length = (uint32_t)d->len;
        header.next_payload = firsts[second >> 4];
        ike_header_write(&header, d->octets);
        return;
    }
    if (!ike_keylog_get(target->peer->ike, target->sa->id, &log))
        return;
    if ((target->how & 3) == 3 && target->sa->asking != NULL) {
        uint8_t exchange = second % 4; /* mostly the one that is waited for */
        header.exchange = exchange != 0 ? target->sa->mine.packet->octets[18] : header.exchange;
    }
    message_seal(&log, target->peer->crypto, &header, firsts[second >> 4], rest, d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ike_datagram d;
    if (size < 2 || size > 4096)
        return 0;
    struct target target = {.world = new_world(), .how = data[0]};
    target.peer = (data[0] & 0x20) != 0 ? &target.world->a : &target.world->b;
    ike_sa_id id = world_sa(target.peer, (data[0] & 0x40) != 0);
    target.sa = sa_find(target.peer->ike, id);
    if ((data[0] & 3) == 3)
        outstanding_request(&target);
    write_datagram(&target, data[1], span_of(data + 2, size - 2), &d);
    struct ike_path path = target.sa->path;
    world_deliver_raw(target.world, target.peer == &target.world->b, &path,
                      span_of(d.octets, d.len));
    world_run(target.world, 20 * NANOS_PER_SEC);
    world_free(target.world);
    return 0;
}
