/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_POLICY_H
#define ESP_POLICY_H

/*
 * What the workers look things up in: SPI -> Child SA, and inner packet -> group of Child SAs that
 * carry it. One thread changes it, any number look things up at the same time, without a lock.
 *
 * A change costs the same with one Child SA as with a hundred thousand. What it takes out of sight
 * stays intact for those who have found it before, and waits in `esp_policy_retired` until whoever
 * has the threads knows that nobody has it any more; that goes for the children too, which are
 * borrowed.
 *
 * A group is found by the covering prefix of its remote selectors: one probe of a table for each
 * prefix length that is in use, the longest first. Only groups with the same covering prefix are
 * compared one after another, LIMIT_COMPARISONS for one packet: peers that may choose their
 * selectors can make them differ by ports, or have ranges that do not fill their prefix, and log in
 * again and again. Whose comparison would come after that does not send. That hurts only those who
 * may have the same destinations as such a peer, which could take the packets as well.
 */

#include "base/limits.h"
#include "base/map.h"
#include "base/shared_map.h"
#include "esp/esp_child.h"
#include "esp/flow_table.h"

/* struct esp_group - the Child SAs of one session that have the same selectors and send. */
struct esp_group {
    struct retired retired; /* first: free() takes it */
    esp_session_id session;
    _Atomic enum esp_mode mode;
    _Atomic bool follow; /* answer a flow where it came in */
    uint32_t n;
    _Atomic(struct esp_child *) children[]; /* in order of joining; NULL: left */
};

struct esp_policy;

struct esp_policy *esp_policy_new(uint64_t key); /* `key` scatters addresses. NULL: no memory. */
/* esp_policy_free - with what is retired and was not taken. Takes NULL, returns NULL. */
struct esp_policy *esp_policy_free(struct esp_policy *policy);

/* --- changes --- */

/* esp_policy_add - the child receives from now on. Its SPI must be new. ERR_NO_MEMORY. */
int esp_policy_add(struct esp_policy *policy, struct esp_child *child) MUST_USE;

/* esp_policy_send - it is a member of its group, and `instead` (NULL: nobody), which goes on
 * receiving, none of any group. At no moment is neither of them. ERR_NO_MEMORY: nothing happened.
 */
int esp_policy_send(struct esp_policy *policy, struct esp_child *child,
                    struct esp_child *instead) MUST_USE;
/* esp_policy_reselect - the child has these selectors from now on; while it changes its group, it
 * may be in none. ERR_NO_MEMORY: it has the old ones, or the new ones and only receives. */
int esp_policy_reselect(struct esp_policy *policy, struct esp_child *child,
                        const struct esp_ts_list *local, const struct esp_ts_list *remote) MUST_USE;
void esp_policy_silence(struct esp_policy *policy, struct esp_child *child); /* only receives */
void esp_policy_remove(struct esp_policy *policy, struct esp_child *child);  /* not even that */

static inline bool esp_policy_sends(const struct esp_child *child)
{
    return child->bundle != NULL;
}

/* esp_policy_tag - a flow tag that no child of the session has. */
uint16_t esp_policy_tag(struct esp_policy *policy, esp_session_id session);

/* esp_policy_mode - of a session, before its first child or at any time; failover, follow without.
 * ERR_NO_MEMORY. esp_policy_mode_end - it is forgotten with the last child. */
int esp_policy_mode(struct esp_policy *policy, esp_session_id session, enum esp_mode mode,
                    bool follow) MUST_USE;
void esp_policy_mode_end(struct esp_policy *policy, esp_session_id session);

/* esp_policy_retired - what changes took out of sight, in order; each is given to free() when
 * nobody looks at it any more. */
struct retired_list *esp_policy_retired(struct esp_policy *policy);

/* --- looking things up: any thread --- */

/* esp_policy_spi - NULL: unknown. */
struct esp_child *esp_policy_spi(const struct esp_policy *policy, uint32_t spi);

/* esp_policy_group - the group whose selectors take the outbound packet; the one with the narrowest
 * remote selector where several do, and that can send if one can. NULL: none. */
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
