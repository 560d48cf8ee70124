/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_SHUNT_H
#define ESP_SHUNT_H

/*
 * Policies without a Child SA (RFC 4301 section 4.4.1): BYPASS and DISCARD. Routes and the packet
 * filter keep their packets away from the TUN device. This table is for packets that arrive there
 * nevertheless: no Child SA carries them.
 *
 * The policy with the lowest rank decides. The numbers are those of strongSwan, so that a
 * `priority` in the configuration means the same: a pass policy comes before each Child SA, a drop
 * policy after all of them.
 */

#include "base/retired.h"
#include "esp/esp.h"
#include "esp/inner_packet.h"

#define ESP_RANK_PASS  200000u
#define ESP_RANK_CHILD 400000u
#define ESP_RANK_DROP  800000u

struct esp_shunt {
    struct esp_ts local, remote;
    uint32_t rank;
    bool pass; /* else drop */
};

/* struct esp_shunts - immutable; the lowest rank first. */
struct esp_shunts {
    struct retired retired; /* first: free() takes it */
    size_t n;
    struct esp_shunt shunts[];
};

/* esp_shunt_rank - the rank of a mode (`base`) minus a value for prefix lengths and limits of the
 * selectors. So of two policies of one mode the narrower one comes first. */
uint32_t esp_shunt_rank(uint32_t base, const struct esp_ts *local, const struct esp_ts *remote);

/* esp_shunts_new - sorts a copy of `shunts` (n of them). NULL: no memory. */
struct esp_shunts *esp_shunts_new(const struct esp_shunt *shunts, size_t n);

/* esp_shunts_out - the policy that an outbound packet matches, if its rank is below `rank`. NULL:
 * none. esp_shunts_in - the same for a decrypted packet, and drop policies. `shunts` may be NULL. */
const struct esp_shunt *esp_shunts_out(const struct esp_shunts *shunts,
                                       const struct esp_inner *inner, uint32_t rank);
const struct esp_shunt *esp_shunts_in(const struct esp_shunts *shunts,
                                      const struct esp_inner *inner, uint32_t rank);

#endif
