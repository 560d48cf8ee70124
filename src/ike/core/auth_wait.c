/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/auth_wait.h"

#include "ike/terms/identity.h"

#define FORGIVEN_NS   (30 * NANOS_PER_SEC) /* each time without a failure forgives one failure */
#define FAILURES_MOST 16

static uint8_t slot_failures(const struct auth_wait_slot *slot, nanos now)
{
    nanos forgiven = slot->failures == 0 ? 0 : (now - slot->at_ns) / FORGIVEN_NS;
    return forgiven >= slot->failures ? 0 : (uint8_t)(slot->failures - forgiven);
}

static uint8_t slot_add(struct auth_wait_slot *slot, nanos now)
{
    uint8_t before = slot_failures(slot, now);
    slot->failures = before < FAILURES_MOST ? (uint8_t)(before + 1) : before;
    slot->at_ns = now;
    return before;
}

nanos auth_wait_failed(struct auth_wait *wait, const uint8_t key[SIPHASH_KEY_LEN],
                       const struct address *source, const struct ike_id *identity, nanos now)
{
    size_t prefix = source->family == ADDRESS_V6 ? 8 : address_len(source);
    uint64_t at = siphash(key, span_of(source->octets, prefix));
    uint8_t by_source = slot_add(&wait->sources[at % AUTH_WAIT_SLOTS], now);
    uint8_t by_identity =
        slot_add(&wait->identities[identity_keyed_hash(identity, key, 0) % AUTH_WAIT_SLOTS], now);
    uint8_t failures = by_source > by_identity ? by_source : by_identity;
    nanos ns = LIMIT_AUTH_WAIT_NS;
    while (failures-- > 0 && ns < LIMIT_AUTH_WAIT_MOST_NS)
        ns *= 2;
    return nanos_min(ns, LIMIT_AUTH_WAIT_MOST_NS);
}
