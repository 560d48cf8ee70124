/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_POLICY_H
#define ESP_POLICY_H

/*
 * An immutable snapshot of what the workers look things up in: SPI -> Child SA, and inner packet ->
 * group of Child SAs that carry it. The control thread builds a new one for each change and
 * publishes it; it borrows the children.
 */

#include "esp/child.h"
#include "esp/flow_table.h"

/* struct esp_group - the Child SAs of one session that have the same selectors and send. */
struct esp_group {
    esp_session_id session;
    enum esp_mode mode;
    bool follow; /* answer a flow where it came in */
    uint32_t n;
    struct esp_child **children; /* in the order of the entries */
};

/* struct esp_policy_entry - one child to put in. */
struct esp_policy_entry {
    struct esp_child *child;
    bool sends; /* a member of its group; else it only receives */
    enum esp_mode mode;
    bool follow;
};

struct esp_policy;

/* esp_policy_new - `key` scatters the hash tables. NULL: no memory. */
struct esp_policy *esp_policy_new(uint64_t key, const struct esp_policy_entry *entries, size_t n);
struct esp_policy *esp_policy_free(struct esp_policy *policy);

/* esp_policy_spi - NULL: unknown. */
struct esp_child *esp_policy_spi(const struct esp_policy *policy, uint32_t spi);

/* esp_policy_group - the group whose selectors take the outbound packet; the one with the narrowest
 * remote selector where several do. NULL: none. */
const struct esp_group *esp_policy_group(const struct esp_policy *policy,
                                         const struct esp_inner *inner);

/*
 * esp_group_choose - the child for a flow. `came_in_on`: tag from the flow table, 0: unknown. NULL:
 * none is usable. Balance is weighted rendezvous hashing: a child that comes or goes moves only its
 * own flows.
 */
struct esp_child *esp_group_choose(const struct esp_group *group, uint64_t flow_hash,
                                   uint16_t came_in_on);

#endif
