/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_POLICY_H
#define ESP_POLICY_H

/*
 * The tables of the workers: SPI -> Child SA, and inner packet -> group of Child SAs that carry it.
 * One thread changes them. Any number of threads read them at the same time, without a lock. A
 * change costs the same with one Child SA as with a hundred thousand. An object that is removed
 * stays intact for readers that hold it. It waits in `esp_policy_retired` until the owner of the
 * threads knows that no reader holds it. The same goes for Child SAs, which are borrowed.
 *
 * A group is found by the covering prefix of its remote selectors: one probe of a table for each
 * prefix length in use, the longest first. Groups with the same covering prefix are compared in
 * turn, at most LIMIT_COMPARISONS for a packet. A group beyond that limit is not considered for
 * sending. A peer that may choose its selectors could otherwise add groups without end. The limit
 * affects only peers with the same destinations, whose packets such a peer could take anyway.
 *
 * Each TUN device has policies of its own: a packet sees only the Child SAs of the device from
 * which it comes. So Child SAs of different devices can have the same selectors, and their packets
 * stay apart.
 */

#include "base/limits.h"
#include "base/map.h"
#include "base/shared_map.h"
#include "esp/classes.h"
#include "esp/esp_child.h"
#include "esp/flow_table.h"

/* struct esp_group - the Child SAs of one session that have the same selectors and the same TUN
 * device, and send. */
struct esp_group {
    struct retired retired; /* first: free() takes it */
    esp_session_id session;
    _Atomic enum esp_mode mode;
    bool icmp;           /* its Child SAs accept ICMP errors about their packets */
    uint32_t rank;       /* of its Child SAs, against shunts */
    uint16_t device;     /* that its packets come from */
    _Atomic bool follow; /* a flow is answered on the Child SA on which it arrived */
    _Atomic(struct esp_classes *) classes; /* of the session; NULL: it has none */
    uint32_t n;
    _Atomic(struct esp_child *) children[]; /* in order of joining; NULL: it has left */
};

struct esp_policy;

/* `key` randomises the table of addresses. NULL: no memory. */
struct esp_policy *esp_policy_new(uint64_t key);
/* esp_policy_free - frees retired objects as well. Takes NULL, returns NULL. */
struct esp_policy *esp_policy_free(struct esp_policy *policy);

/* --- changes --- */

/* esp_policy_add - the child receives from now on. Its SPI must be new. ERR_NO_MEMORY. */
int esp_policy_add(struct esp_policy *policy, struct esp_child *child) MUST_USE;

/* esp_policy_send - puts the child into its group, so that it sends. Then `instead` (NULL: none)
 * leaves its group, and only receives. One of the two can send at any time. ERR_NO_MEMORY: nothing
 * has changed. */
int esp_policy_send(struct esp_policy *policy, struct esp_child *child,
                    struct esp_child *instead) MUST_USE;
/* esp_policy_reselect - changes the selectors of the child, which may be in no group meanwhile.
 * ERR_NO_MEMORY: it keeps the old selectors, or has the new ones and only receives. */
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

/* esp_policy_mode - of a session, before its first child or at any time. Without a call: failover,
 * follow. ERR_NO_MEMORY. */
int esp_policy_mode(struct esp_policy *policy, esp_session_id session, enum esp_mode mode,
                    bool follow) MUST_USE;
void esp_policy_mode_end(struct esp_policy *policy, esp_session_id session);

/* esp_policy_classes - replaces the classes of traffic of a session; n 0: none. No child may carry
 * any of them yet. ERR_NO_MEMORY: the former ones stay. */
int esp_policy_classes(struct esp_policy *policy, esp_session_id session,
                       const struct traffic_classes *classes) MUST_USE;

/* esp_policy_retired - objects that changes removed, in order. Each is freed when no reader holds
 * it. */
struct retired_list *esp_policy_retired(struct esp_policy *policy);

/* --- looking things up: any thread --- */

/* esp_policy_spi - NULL: unknown. */
struct esp_child *esp_policy_spi(const struct esp_policy *policy, uint32_t spi);

/* esp_policy_group - the group that carries the outbound packet: the one with the narrowest remote
 * selector, among those of the packet's device that can send. NULL: none. */
const struct esp_group *esp_policy_group(const struct esp_policy *policy,
                                         const struct esp_inner *inner);

/* esp_group_multicast - a remote selector contains `to` and only multicast addresses. */
bool esp_group_multicast(const struct esp_group *group, const struct address *to);

/*
 * esp_group_choose - the child for a flow. `origin`: from the flow table. NULL: no child is usable.
 * With `follow`, a flow is answered on the child on which it came in, if that was recently, or if
 * no usable child has a better priority. So the peer's choice counts while packets of the flow come
 * in, and afterwards the flow returns to the best path. Balance uses weighted rendezvous hashing: a
 * child that joins or leaves moves only its own flows.
 */
struct esp_child *esp_group_choose(const struct esp_group *group, uint64_t flow_hash,
                                   struct flow_origin origin);

/* esp_group_class - the class of traffic of a packet that the group carries, or ESP_CLASS_NONE. */
static inline int esp_group_class(const struct esp_group *group, const struct esp_inner *inner)
{
    const struct esp_classes *classes = atomic_load_explicit(&group->classes, memory_order_acquire);
    return classes == NULL ? ESP_CLASS_NONE : esp_class_find(classes, inner);
}

/* esp_group_choose_class - the same for a packet of that class: among the Child SAs that it may use,
 * if one of them is usable. Otherwise among all, unless the class is strict. */
struct esp_child *esp_group_choose_class(const struct esp_group *group, int class,
                                         uint64_t flow_hash, struct flow_origin origin);

#endif
