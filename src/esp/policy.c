/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/policy.h"

#include <math.h>
#include <stdlib.h>

#include "base/assert.h"
#include "esp/selector.h"

struct spi_slot {
    uint32_t spi; /* 0: free */
    struct esp_child *child;
};

/* struct wide - a remote selector that is not a single address. */
struct wide {
    struct address_range range;
    unsigned width; /* bits that differ between first and last, roughly: narrow ones first */
    uint32_t group;
};

/* struct host - a remote selector that is one address; a chain per slot. */
struct host {
    struct address address;
    uint32_t group;
    uint32_t next; /* index + 1; 0: end */
};

struct esp_policy {
    uint64_t key;
    size_t spi_mask, host_mask;
    struct spi_slot *spis;
    uint32_t *host_heads; /* index + 1 */
    struct host *hosts;
    struct wide *wides;
    struct esp_group *groups;
    struct esp_child **members; /* of all groups */
    size_t n_hosts, n_wides, n_groups;
};

static size_t scatter(uint64_t key, uint64_t value)
{
    value = (value ^ key) * 0x9e3779b97f4a7c15u;
    value ^= value >> 29;
    return (size_t)((value * (key | 1)) >> 24);
}

static size_t address_scatter(uint64_t key, const struct address *a)
{
    uint64_t words[2];
    memcpy(words, a->octets, 16);
    return scatter(key, words[0] ^ (scatter(key, words[1]) + a->family));
}

static size_t table_size(size_t n)
{
    size_t size = 16;
    while (size < 2 * n)
        size *= 2;
    return size;
}

static void spi_insert(struct esp_policy *policy, struct esp_child *child)
{
    size_t at = scatter(policy->key, child->spi_in) & policy->spi_mask;
    while (policy->spis[at].spi != 0)
        at = (at + 1) & policy->spi_mask;
    policy->spis[at] = (struct spi_slot){child->spi_in, child};
}

static unsigned range_width(const struct address_range *range)
{
    size_t len = address_len(&range->first);
    for (size_t i = 0; i < len; i++) {
        unsigned differ = (unsigned)(range->first.octets[i] ^ range->last.octets[i]);
        if (differ != 0)
            return (unsigned)(len - i) * 8 - (unsigned)(__builtin_clz(differ) - 24);
    }
    return 0;
}

static void selector_insert(struct esp_policy *policy, const struct address_range *range,
                            uint32_t group)
{
    unsigned width = range_width(range);
    if (width != 0) {
        size_t at = policy->n_wides++;
        for (; at > 0 && policy->wides[at - 1].width > width; at--)
            policy->wides[at] = policy->wides[at - 1];
        policy->wides[at] = (struct wide){*range, width, group};
        return;
    }
    size_t slot = address_scatter(policy->key, &range->first) & policy->host_mask;
    policy->hosts[policy->n_hosts++] = (struct host){range->first, group, policy->host_heads[slot]};
    policy->host_heads[slot] = (uint32_t)policy->n_hosts;
}

/* struct build - what is needed only while a policy is made. */
struct build {
    const struct esp_policy_entry *entries;
    size_t n, sending, selectors;
    uint32_t *group_of; /* entry -> group, or NO_GROUP */
    uint32_t *heads;    /* session -> index + 1 of its last group */
    uint32_t *next;     /* group -> index + 1 of another one of its session's slot */
    size_t head_mask;
};

#define NO_GROUP UINT32_MAX

static bool same_group(const struct esp_child *a, const struct esp_child *b)
{
    return a->session == b->session && esp_ts_list_equal(&a->local_ts, &b->local_ts) &&
           esp_ts_list_equal(&a->remote_ts, &b->remote_ts);
}

/* group_assign - the entry's group; the first of a group brings its selectors along. While groups
 * are made `children` points into the entries' place of their first member. */
static void group_assign(struct esp_policy *policy, struct build *b, size_t at)
{
    const struct esp_policy_entry *entry = &b->entries[at];
    uint32_t *head = &b->heads[scatter(policy->key, entry->child->session) & b->head_mask];
    for (uint32_t i = *head; i != 0; i = b->next[i - 1])
        if (same_group(policy->groups[i - 1].children[0], entry->child)) {
            policy->groups[i - 1].n++;
            b->group_of[at] = i - 1;
            return;
        }
    uint32_t index = (uint32_t)policy->n_groups++;
    policy->members[index] = entry->child;
    policy->groups[index] = (struct esp_group){.session = entry->child->session,
                                               .mode = entry->mode,
                                               .follow = entry->follow,
                                               .n = 1,
                                               .children = &policy->members[index]};
    b->next[index] = *head;
    *head = index + 1;
    b->group_of[at] = index;
    const struct esp_ts_list *remote = &entry->child->remote_ts;
    for (size_t i = 0; i < remote->n; i++)
        selector_insert(policy, &remote->ts[i].range, index);
}

/* members_place - gives each group its part of `members`, and fills it. */
static void members_place(struct esp_policy *policy, const struct build *b)
{
    struct esp_child **at = policy->members;
    for (size_t i = 0; i < policy->n_groups; i++) {
        policy->groups[i].children = at;
        at += policy->groups[i].n;
        policy->groups[i].n = 0;
    }
    for (size_t i = 0; i < b->n; i++)
        if (b->group_of[i] != NO_GROUP) {
            struct esp_group *group = &policy->groups[b->group_of[i]];
            group->children[group->n++] = b->entries[i].child;
        }
}

static bool policy_alloc(struct esp_policy *policy, const struct build *b)
{
    policy->spi_mask = table_size(b->n) - 1;
    policy->host_mask = table_size(b->selectors) - 1;
    policy->spis = calloc(policy->spi_mask + 1, sizeof(*policy->spis));
    policy->host_heads = calloc(policy->host_mask + 1, sizeof(*policy->host_heads));
    policy->hosts = calloc(b->selectors + 1, sizeof(*policy->hosts));
    policy->wides = calloc(b->selectors + 1, sizeof(*policy->wides));
    policy->groups = calloc(b->sending + 1, sizeof(*policy->groups));
    policy->members = calloc(b->sending + 1, sizeof(struct esp_child *));
    return policy->spis != NULL && policy->host_heads != NULL && policy->hosts != NULL &&
           policy->wides != NULL && policy->groups != NULL && policy->members != NULL;
}

static bool build_alloc(struct build *b)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->entries[i].sends) {
            b->sending++;
            b->selectors += b->entries[i].child->remote_ts.n;
        }
    b->head_mask = table_size(b->sending) - 1;
    b->group_of = calloc(b->n + 1, sizeof(*b->group_of));
    b->heads = calloc(b->head_mask + 1, sizeof(*b->heads));
    b->next = calloc(b->sending + 1, sizeof(*b->next));
    return b->group_of != NULL && b->heads != NULL && b->next != NULL;
}

struct esp_policy *esp_policy_new(uint64_t key, const struct esp_policy_entry *entries, size_t n)
{
    struct build b = {.entries = entries, .n = n};
    struct esp_policy *policy = calloc(1, sizeof(*policy));
    bool ok = build_alloc(&b) && policy != NULL && policy_alloc(policy, &b);
    if (ok) {
        policy->key = key;
        for (size_t i = 0; i < n; i++) {
            spi_insert(policy, entries[i].child);
            b.group_of[i] = NO_GROUP;
            if (entries[i].sends)
                group_assign(policy, &b, i);
        }
        members_place(policy, &b);
    }
    free(b.group_of);
    free(b.heads);
    free(b.next);
    return ok ? policy : esp_policy_free(policy);
}

struct esp_policy *esp_policy_free(struct esp_policy *policy)
{
    if (policy == NULL)
        return NULL;
    free(policy->spis);
    free(policy->host_heads);
    free(policy->hosts);
    free(policy->wides);
    free(policy->groups);
    free(policy->members);
    free(policy);
    return NULL;
}

struct esp_child *esp_policy_spi(const struct esp_policy *policy, uint32_t spi)
{
    if (spi == 0)
        return NULL;
    size_t at = scatter(policy->key, spi) & policy->spi_mask;
    for (; policy->spis[at].spi != 0; at = (at + 1) & policy->spi_mask)
        if (policy->spis[at].spi == spi)
            return policy->spis[at].child;
    return NULL;
}

static bool can_send(const struct esp_child *child)
{
    return atomic_load_explicit(&child->usable, memory_order_relaxed) &&
           !atomic_load_explicit(&child->exhausted, memory_order_relaxed);
}

static bool group_takes(const struct esp_group *group, const struct esp_inner *inner)
{
    const struct esp_child *first = group->children[0];
    return esp_selector_out(&first->local_ts, &first->remote_ts, inner);
}

static bool group_can_send(const struct esp_group *group)
{
    for (uint32_t i = 0; i < group->n; i++)
        if (can_send(group->children[i]))
            return true;
    return false;
}

/* esp_policy_group: a group that takes the packet but cannot send (its session is being deleted)
 * stands back for one that can. */
const struct esp_group *esp_policy_group(const struct esp_policy *policy,
                                         const struct esp_inner *inner)
{
    const struct esp_group *mute = NULL;
    size_t slot = address_scatter(policy->key, &inner->dst) & policy->host_mask;
    for (uint32_t at = policy->host_heads[slot]; at != 0; at = policy->hosts[at - 1].next) {
        const struct host *host = &policy->hosts[at - 1];
        const struct esp_group *group = &policy->groups[host->group];
        if (!address_equal(&host->address, &inner->dst) || !group_takes(group, inner))
            continue;
        if (group_can_send(group))
            return group;
        mute = mute == NULL ? group : mute;
    }
    for (size_t i = 0; i < policy->n_wides; i++) {
        const struct wide *wide = &policy->wides[i];
        const struct esp_group *group = &policy->groups[wide->group];
        if (!range_contains(&wide->range, &inner->dst) || !group_takes(group, inner))
            continue;
        if (group_can_send(group))
            return group;
        mute = mute == NULL ? group : mute;
    }
    return mute;
}

/* rendezvous_score - the weighted share of a flow: -weight / log(hash in 0..1); the highest wins.
 */
static double rendezvous_score(const struct esp_child *child, uint64_t flow_hash)
{
    uint64_t hash = (flow_hash ^ child->flow_tag * 0xd6e8feb86659fd93u) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 32;
    hash *= 0xd6e8feb86659fd93u;
    double unit = ((double)(hash >> 11) + 0.5) / 9007199254740992.0; /* 2^53 */
    uint32_t weight = atomic_load_explicit(&child->weight, memory_order_relaxed);
    return -(double)(weight == 0 ? 1 : weight) / log(unit);
}

/* best_of - among the usable children of the lowest priority number: the first, or by weight. */
static struct esp_child *best_of(const struct esp_group *group, uint64_t flow_hash)
{
    struct esp_child *best = NULL;
    uint32_t best_priority = UINT32_MAX;
    double best_score = 0;
    for (uint32_t i = 0; i < group->n; i++) {
        struct esp_child *child = group->children[i];
        if (!can_send(child))
            continue;
        uint32_t priority = atomic_load_explicit(&child->priority, memory_order_relaxed);
        bool same = best != NULL && priority == best_priority;
        if (best != NULL &&
            (priority > best_priority || (same && group->mode == ESP_MODE_FAILOVER)))
            continue;
        double score = group->mode == ESP_MODE_BALANCE ? rendezvous_score(child, flow_hash) : 1.0;
        if (same && score <= best_score)
            continue;
        best = child;
        best_priority = priority;
        best_score = score;
    }
    return best;
}

struct esp_child *esp_group_choose(const struct esp_group *group, uint64_t flow_hash,
                                   uint16_t came_in_on)
{
    if (group->n == 1)
        return can_send(group->children[0]) ? group->children[0] : NULL;
    if (group->follow && came_in_on != 0)
        for (uint32_t i = 0; i < group->n; i++)
            if (group->children[i]->flow_tag == came_in_on && can_send(group->children[i]))
                return group->children[i];
    return best_of(group, flow_hash);
}
