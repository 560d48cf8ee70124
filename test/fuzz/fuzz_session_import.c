/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Octets of an exported session with a digest that fits: each three octets of the input change one of
 * them, or cut the rest off. Whatever is taken has to be sound: it is looked at, ticked, and exported
 * again. What is refused leaves nothing.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "crypto/prf.h"
#include "exchange/export_v1.h"
#include "exchange/mover.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DIGEST  32
#define CHANGES 12 /* octets of the input: with more of them nothing would be taken */
#define NOW     (1000 * NANOS_PER_SEC)

/* changed - the octets as the input wants them; returns their length. */
static size_t changed(const uint8_t *data, size_t size, uint8_t *out)
{
    size_t len = sizeof(export_v1);
    memcpy(out, export_v1, len);
    for (size_t i = 0; i + 2 < size; i += 3) {
        size_t at = (size_t)(data[i] << 8 | data[i + 1]) % (sizeof(export_v1) - DIGEST);
        if (data[i] >= 0xf0)
            len = at + DIGEST;
        else
            out[at] = data[i + 2];
    }
    return len;
}

static void events_drop(struct ike *ike)
{
    static struct ike_datagram d;
    while (ike_event(ike) != NULL)
        ;
    while (ike_send(ike, &d))
        ;
}

static void live(struct ike *ike, ike_session_id id)
{
    struct ike_exported again;
    ike_check_invariants(ike);
    if (ike_session_freeze(ike, id, NOW) == 0 && ike_session_export(ike, id, &again, NOW) == 0) {
        ike_check_invariants(ike);
        ASSERT(ike_session_import(ike, span_of(again.octets, again.len), &id, NOW) == 0);
        ike_exported_done(&again);
    }
    events_drop(ike);
    for (nanos at = NOW; at < NOW + 100 * NANOS_PER_SEC; at += 10 * NANOS_PER_SEC) {
        ike_tick(ike, at);
        events_drop(ike);
        ike_check_invariants(ike);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world *world;
    if (world == NULL)
        world = world_new(1);
    size = size < CHANGES ? size : CHANGES;
    uint8_t *octets = malloc(sizeof(export_v1));
    ASSERT(octets != NULL);
    size_t len = changed(data, size, octets);
    struct span all = span_of(octets, len - DIGEST);
    ASSERT(crypto_digest(world->b.crypto, CRYPTO_SHA2_256, &all, 1, octets + len - DIGEST) == 0);
    struct ike *ike = mover_new(&world->b);
    ike_session_id id = 0;
    int err = ike_session_import(ike, span_of(octets, len), &id, NOW);
    free(octets);
    if (err == 0)
        live(ike, id);
    else
        ASSERT(ike_deadline(ike) == NANOS_NEVER && ike_event(ike) == NULL);
    ike_check_invariants(ike);
    ike_free(ike);
    return 0;
}
