/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/policy.h"

#include <endian.h>
#include <math.h>
#include <stdlib.h>

#include "base/assert.h"
#include "esp/selector.h"
#include "esp/shunt.h"

#define WIDTHS      129 /* host bits of a prefix: 0..128 */
#define WIDTH_WORDS 3

/* struct place - a group under the covering prefix of one of its remote selectors. The table holds
 * the first place of a prefix; `previous` of the first is the last. */
struct place {
    struct retired retired; /* first: free() takes it */
    _Atomic(struct esp_group *) group;
    _Atomic(struct place *) next;
    struct place *previous, *bundle_next;
    uint64_t key; /* of family, width and prefix */
    uint8_t family, width;
};

/* struct esp_bundle - the writer's record of a group. The members of a group never change; when a
 * child joins, the bundle gets a new group. Readers never see bundles. */
struct esp_bundle {
    struct esp_bundle *next, **link; /* of the session */
    struct esp_group *group;
    uint32_t n; /* children in it */
    struct place *places;
};

struct session {
    esp_session_id id;
    enum esp_mode mode;
    bool follow;
    bool told; /* esp_policy_mode or _classes was called, and not esp_policy_mode_end */
    struct esp_classes *classes; /* owned, and retired, since readers use it; NULL: none */
    struct esp_bundle *bundles;
    struct esp_child *children; /* that receive */
};

struct esp_policy {
    struct shared_map spis;                  /* -> struct esp_child */
    struct shared_map places;                /* -> struct place, the first */
    _Atomic uint64_t widths[2][WIDTH_WORDS]; /* bits: which occur */
    _Atomic bool ranked;                     /* a Child SA has its own rank */
    _Atomic uint64_t taken;                  /* incremented before a place is removed */
    uint64_t key;
    uint32_t n_places[2][WIDTHS];
    struct map sessions;
    struct retired_list retired;
    uint16_t last_tag;
};

struct esp_policy *esp_policy_new(uint64_t key)
{
    struct esp_policy *policy = calloc(1, sizeof(*policy));
    if (policy != NULL)
        policy->key = key;
    return policy;
}

static void session_free(struct session *session)
{
    while (session->bundles != NULL) {
        struct esp_bundle *bundle = session->bundles;
        session->bundles = bundle->next;
        while (bundle->places != NULL) {
            struct place *place = bundle->places;
            bundle->places = place->bundle_next;
            free(place);
        }
        free(bundle->group);
        free(bundle);
    }
    free(session->classes);
    free(session);
}

struct esp_policy *esp_policy_free(struct esp_policy *policy)
{
    if (policy == NULL)
        return NULL;
    for (size_t i = 0; i < policy->sessions.cap; i++)
        if (map_at(&policy->sessions, i) != NULL)
            session_free(map_at(&policy->sessions, i));
    map_done(&policy->sessions);
    shared_map_done(&policy->spis);
    shared_map_done(&policy->places);
    retired_free(&policy->retired);
    free(policy);
    return NULL;
}

struct retired_list *esp_policy_retired(struct esp_policy *policy)
{
    return &policy->retired;
}

/* --- sessions --- */

static struct session *session_of(struct esp_policy *policy, esp_session_id id)
{
    struct session *session = map_get(&policy->sessions, id);
    if (session != NULL || (session = calloc(1, sizeof(*session))) == NULL)
        return session;
    *session = (struct session){.id = id, .mode = ESP_MODE_FAILOVER, .follow = true};
    if (map_put(&policy->sessions, id, session) != 0) {
        free(session);
        return NULL;
    }
    return session;
}

/* classes_retire - the session has these classes (NULL: none) in place of those before. */
static void classes_retire(struct esp_policy *policy, struct session *session,
                           struct esp_classes *classes)
{
    struct esp_classes *old = session->classes;
    session->classes = classes;
    for (struct esp_bundle *bundle = session->bundles; bundle != NULL; bundle = bundle->next)
        atomic_store(&bundle->group->classes, classes);
    if (old != NULL)
        retired_add(&policy->retired, &old->retired);
}

/* session_leave - frees the session when nothing needs it any more. */
static void session_leave(struct esp_policy *policy, struct session *session)
{
    if (session->told || session->children != NULL)
        return;
    (void)map_take(&policy->sessions, session->id);
    classes_retire(policy, session, NULL);
    session_free(session);
}

int esp_policy_mode(struct esp_policy *policy, esp_session_id id, enum esp_mode mode, bool follow)
{
    struct session *session = session_of(policy, id);
    if (session == NULL)
        return ERR_NO_MEMORY;
    session->told = true;
    session->mode = mode;
    session->follow = follow;
    for (struct esp_bundle *bundle = session->bundles; bundle != NULL; bundle = bundle->next) {
        atomic_store(&bundle->group->mode, mode);
        atomic_store(&bundle->group->follow, follow);
    }
    return 0;
}

int esp_policy_classes(struct esp_policy *policy, esp_session_id id,
                       const struct traffic_classes *list)
{
    struct session *session = session_of(policy, id);
    struct esp_classes *classes = NULL;
    if (session == NULL)
        return ERR_NO_MEMORY;
    session->told = true;
    if (list->n > 0 && (classes = esp_classes_new(list)) == NULL)
        return ERR_NO_MEMORY;
    /* their bits are of the former list: until new ones come, no child may carry a strict class */
    for (struct esp_child *child = session->children; child != NULL; child = child->session_next)
        atomic_store(&child->classes, 0);
    classes_retire(policy, session, classes);
    return 0;
}

void esp_policy_mode_end(struct esp_policy *policy, esp_session_id id)
{
    struct session *session = map_get(&policy->sessions, id);
    if (session == NULL)
        return;
    session->told = false;
    session_leave(policy, session);
}

static bool tag_used(const struct session *session, uint16_t tag)
{
    for (const struct esp_child *c = session->children; c != NULL; c = c->session_next)
        if (c->flow_tag == tag)
            return true;
    return false;
}

uint16_t esp_policy_tag(struct esp_policy *policy, esp_session_id id)
{
    const struct session *session = map_get(&policy->sessions, id);
    do
        policy->last_tag++;
    while (policy->last_tag == 0 || (session != NULL && tag_used(session, policy->last_tag)));
    return policy->last_tag;
}

/* --- places --- */

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

/* place_key - key of the prefix of `address` with this many host bits, of a device; never 0.
 * Prefixes with equal keys are distinguished by their selectors and devices. */
static uint64_t place_key(uint64_t key, const struct address *address, unsigned width,
                          uint16_t device)
{
    uint64_t words[2];
    memcpy(words, address->octets, 16);
    unsigned prefix = (unsigned)address_len(address) * 8 - width;
    for (unsigned i = 0; i < 2; i++, prefix -= prefix < 64 ? prefix : 64)
        words[i] &= prefix >= 64 ? UINT64_MAX : htobe64(~(UINT64_MAX >> prefix));
    uint64_t hash = words[0] ^ ((uint64_t)device << 16 | (uint64_t)address->family << 8 | width);
    for (unsigned i = 0; i < 2; i++) {
        hash = (hash ^ key) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
        hash = (hash ^ words[1]) * (key | 1);
        hash ^= hash >> 32;
    }
    return hash | (hash == 0);
}

static unsigned family_index(uint8_t family)
{
    return family == ADDRESS_V6;
}

/* place_link - order under one prefix. Single addresses: the youngest group first, since a client
 * that lost its session reconnects with a new one. Networks: the oldest first, so that a new
 * session cannot displace it. */
static int place_link(struct esp_policy *policy, struct place *place)
{
    struct place *first = shared_map_get(&policy->places, place->key);
    if (first == NULL || place->width == 0) {
        atomic_store(&place->next, first);
        place->previous = first == NULL ? place : first->previous;
        if (shared_map_set(&policy->places, place->key, place, &policy->retired) != 0)
            return ERR_NO_MEMORY;
    } else {
        place->previous = first->previous;
        atomic_store(&place->previous->next, place);
    }
    if (first != NULL)
        first->previous = place;
    unsigned f = family_index(place->family);
    policy->n_places[f][place->width]++;
    atomic_fetch_or(&policy->widths[f][place->width / 64], UINT64_C(1) << place->width % 64);
    return 0;
}

static void place_unlink(struct esp_policy *policy, struct place *place)
{
    struct place *first = shared_map_get(&policy->places, place->key);
    struct place *next = atomic_load(&place->next);
    atomic_fetch_add(&policy->taken, 1);
    if (place == first) {
        int err = shared_map_set(&policy->places, place->key, next, &policy->retired);
        ASSERT(err == 0);
        first = next;
    } else {
        atomic_store(&place->previous->next, next);
    }
    if (next != NULL)
        next->previous = place->previous;
    else if (first != NULL)
        first->previous = place->previous;
    unsigned f = family_index(place->family);
    if (--policy->n_places[f][place->width] == 0)
        atomic_fetch_and(&policy->widths[f][place->width / 64],
                         ~(UINT64_C(1) << place->width % 64));
    retired_add(&policy->retired, &place->retired);
}

/* --- groups --- */

static struct esp_child *first_member(const struct esp_group *group)
{
    for (uint32_t i = 0; i < group->n; i++) {
        struct esp_child *child = atomic_load(&group->children[i]);
        if (child != NULL)
            return child;
    }
    return NULL;
}

static bool same_selectors(const struct esp_selectors *a, const struct esp_selectors *b)
{
    return esp_ts_list_equal(&a->local, &b->local) && esp_ts_list_equal(&a->remote, &b->remote);
}

static struct esp_bundle *bundle_find(const struct session *session, const struct esp_child *child)
{
    for (struct esp_bundle *bundle = session->bundles; bundle != NULL; bundle = bundle->next) {
        if (bundle->group->device == child->device_out &&
            same_selectors(atomic_load(&first_member(bundle->group)->selectors),
                           atomic_load(&child->selectors)))
            return bundle;
    }
    return NULL;
}

/* group_new - a group of the members of `old` (NULL: none) and one more. */
static struct esp_group *group_new(const struct session *session, const struct esp_bundle *old,
                                   struct esp_child *child)
{
    size_t room = (old == NULL ? 0 : old->n) + (size_t)1;
    struct esp_group *group = calloc(1, sizeof(*group) + room * sizeof(group->children[0]));
    if (group == NULL)
        return NULL;
    group->session = session->id;
    group->rank = child->rank;
    group->device = child->device_out;
    group->icmp = child->icmp && !child->transport;
    atomic_store(&group->mode, session->mode);
    atomic_store(&group->follow, session->follow);
    atomic_store(&group->classes, session->classes);
    for (uint32_t i = 0; old != NULL && i < old->group->n; i++) {
        struct esp_child *member = atomic_load(&old->group->children[i]);
        if (member != NULL)
            atomic_store(&group->children[group->n++], member);
    }
    atomic_store(&group->children[group->n++], child);
    return group;
}

/* bundle_end - no reader finds the group from now on. Readers that hold it still see its last
 * child, which is valid. */
static void bundle_end(struct esp_policy *policy, struct esp_bundle *bundle)
{
    while (bundle->places != NULL) {
        struct place *place = bundle->places;
        bundle->places = place->bundle_next;
        place_unlink(policy, place);
    }
    retired_add(&policy->retired, &bundle->group->retired);
    *bundle->link = bundle->next;
    if (bundle->next != NULL)
        bundle->next->link = bundle->link;
    free(bundle);
}

static bool bundle_has(const struct esp_bundle *bundle, uint64_t key)
{
    for (const struct place *place = bundle->places; place != NULL; place = place->bundle_next)
        if (place->key == key)
            return true;
    return false;
}

/* bundle_show - enters the group under each of its remote selectors. */
static int bundle_show(struct esp_policy *policy, struct esp_bundle *bundle,
                       const struct esp_ts_list *remote)
{
    for (size_t i = 0; i < remote->n; i++) {
        const struct address_range *range = &remote->ts[i].range;
        unsigned width = range_width(range);
        uint64_t key = place_key(policy->key, &range->first, width, bundle->group->device);
        if (bundle_has(bundle, key))
            continue;
        struct place *place = calloc(1, sizeof(*place));
        if (place == NULL)
            return ERR_NO_MEMORY;
        place->key = key;
        place->family = range->first.family;
        place->width = (uint8_t)width;
        atomic_store(&place->group, bundle->group);
        if (place_link(policy, place) != 0) {
            free(place);
            return ERR_NO_MEMORY;
        }
        place->bundle_next = bundle->places;
        bundle->places = place;
    }
    return 0;
}

/* bundle_begin - makes a bundle with its first child. */
static int bundle_begin(struct esp_policy *policy, struct session *session, struct esp_child *child)
{
    struct esp_bundle *bundle = calloc(1, sizeof(*bundle));
    struct esp_group *group = bundle == NULL ? NULL : group_new(session, NULL, child);
    if (group == NULL) {
        free(bundle);
        return ERR_NO_MEMORY;
    }
    *bundle = (struct esp_bundle){
        .next = session->bundles, .link = &session->bundles, .group = group, .n = 1};
    if (bundle->next != NULL)
        bundle->next->link = &bundle->next;
    session->bundles = bundle;
    if (bundle_show(policy, bundle, &atomic_load(&child->selectors)->remote) != 0) {
        bundle_end(policy, bundle);
        return ERR_NO_MEMORY;
    }
    child->bundle = bundle;
    return 0;
}

/* bundle_join - replaces the group by a group with one more child. */
static int bundle_join(struct esp_policy *policy, const struct session *session,
                       struct esp_bundle *bundle, struct esp_child *child)
{
    struct esp_group *group = group_new(session, bundle, child);
    if (group == NULL)
        return ERR_NO_MEMORY;
    for (struct place *place = bundle->places; place != NULL; place = place->bundle_next)
        atomic_store(&place->group, group);
    retired_add(&policy->retired, &bundle->group->retired);
    bundle->group = group;
    bundle->n++;
    child->bundle = bundle;
    return 0;
}

static _Atomic(struct esp_child *) *slot_of(struct esp_child *child)
{
    struct esp_group *group = child->bundle->group;
    uint32_t i = 0;
    while (i < group->n && atomic_load(&group->children[i]) != child)
        i++;
    ASSERT(i < group->n);
    return &group->children[i];
}

int esp_policy_send(struct esp_policy *policy, struct esp_child *child, struct esp_child *instead)
{
    struct session *session = map_get(&policy->sessions, child->session);
    ASSERT(session != NULL);
    struct esp_bundle *bundle = bundle_find(session, child);
    if (child->bundle == NULL && instead != NULL && bundle != NULL && instead->bundle == bundle) {
        atomic_store(slot_of(instead), child);
        instead->bundle = NULL;
        child->bundle = bundle;
        return 0;
    }
    int err = 0;
    if (child->bundle == NULL)
        err = bundle == NULL ? bundle_begin(policy, session, child)
                             : bundle_join(policy, session, bundle, child);
    if (err == 0 && instead != NULL)
        esp_policy_silence(policy, instead);
    return err;
}

void esp_policy_silence(struct esp_policy *policy, struct esp_child *child)
{
    struct esp_bundle *bundle = child->bundle;
    if (bundle == NULL)
        return;
    if (bundle->n == 1) {
        bundle_end(policy, bundle);
    } else {
        atomic_store(slot_of(child), NULL);
        bundle->n--;
    }
    child->bundle = NULL;
}

int esp_policy_reselect(struct esp_policy *policy, struct esp_child *child,
                        const struct esp_ts_list *local, const struct esp_ts_list *remote)
{
    struct esp_selectors *old = atomic_load(&child->selectors), *new;
    bool sends = esp_policy_sends(child);
    if (esp_ts_list_equal(&old->local, local) && esp_ts_list_equal(&old->remote, remote))
        return 0;
    if ((new = calloc(1, sizeof(*new))) == NULL)
        return ERR_NO_MEMORY;
    new->local = *local;
    new->remote = *remote;
    esp_policy_silence(policy, child);
    atomic_store(&child->selectors, new);
    if (old != &child->first_selectors)
        retired_add(&policy->retired, &old->retired);
    return sends ? esp_policy_send(policy, child, NULL) : 0;
}

/* --- receiving --- */

int esp_policy_add(struct esp_policy *policy, struct esp_child *child)
{
    struct session *session = session_of(policy, child->session);
    if (session == NULL)
        return ERR_NO_MEMORY;
    if (shared_map_set(&policy->spis, child->spi_in, child, &policy->retired) != 0) {
        session_leave(policy, session);
        return ERR_NO_MEMORY;
    }
    if (child->rank != ESP_RANK_CHILD)
        atomic_store(&policy->ranked, true);
    child->bundle = NULL;
    child->session_next = session->children;
    child->session_link = &session->children;
    if (child->session_next != NULL)
        child->session_next->session_link = &child->session_next;
    session->children = child;
    return 0;
}

void esp_policy_remove(struct esp_policy *policy, struct esp_child *child)
{
    struct session *session = map_get(&policy->sessions, child->session);
    esp_policy_silence(policy, child);
    int err = shared_map_set(&policy->spis, child->spi_in, NULL, &policy->retired);
    ASSERT(err == 0 && session != NULL);
    *child->session_link = child->session_next;
    if (child->session_next != NULL)
        child->session_next->session_link = child->session_link;
    session_leave(policy, session);
}

/* --- look-ups --- */

struct esp_child *esp_policy_spi(const struct esp_policy *policy, uint32_t spi)
{
    return shared_map_get(&policy->spis, spi);
}

static bool can_send(const struct esp_child *child)
{
    return child != NULL && esp_child_can_send(child);
}

/* can_carry - packets of these classes (bits); 0: of none. */
static bool can_carry(const struct esp_child *child, unsigned classes)
{
    return can_send(child) &&
           (atomic_load_explicit(&child->classes, memory_order_relaxed) & classes) == classes;
}

static bool group_takes(const struct esp_group *group, const struct esp_inner *inner)
{
    const struct esp_child *member = first_member(group);
    if (member == NULL || group->device != inner->device)
        return false;
    const struct esp_selectors *selectors = atomic_load(&member->selectors);
    return esp_selector_out(&selectors->local, &selectors->remote, inner);
}

static bool group_can_send(const struct esp_group *group)
{
    for (uint32_t i = 0; i < group->n; i++)
        if (can_send(atomic_load(&group->children[i])))
            return true;
    return false;
}

struct search {
    unsigned left;                /* comparisons */
    bool ranked;                  /* ranks come before prefixes, so all prefixes are searched */
    const struct esp_group *best; /* with `ranked`: the group of the lowest rank so far */
    const struct esp_group *mute; /* the first group that takes the packet but cannot send */
};

/* prefix_search - searches the groups under the destination's prefix with this many host bits.
 * NULL: none takes the packet and can send. */
static const struct esp_group *prefix_search(const struct esp_policy *policy,
                                             const struct esp_inner *inner, unsigned width,
                                             struct search *search)
{
    const struct place *place =
        shared_map_get(&policy->places, place_key(policy->key, &inner->dst, width, inner->device));
    for (; place != NULL && search->left > 0; place = atomic_load(&place->next)) {
        search->left--;
        const struct esp_group *group = atomic_load(&place->group);
        if (!group_takes(group, inner))
            continue;
        if (group_can_send(group)) {
            if (!search->ranked)
                return group;
            if (search->best == NULL || group->rank < search->best->rank)
                search->best = group;
            continue;
        }
        search->mute = search->mute == NULL ? group : search->mute;
    }
    return NULL;
}

/*
 * New selectors are published before old ones are removed. A reader that misses during a removal
 * looks up again. So a packet that has a Child SA always finds it. A group that cannot send,
 * because its session is being deleted, is used only if no other takes the packet. With `priority` in
 * the configuration the lowest rank counts, and the narrowest prefix among equals.
 */
const struct esp_group *esp_policy_group(const struct esp_policy *policy,
                                         const struct esp_inner *inner)
{
    unsigned f = family_index(inner->dst.family);
    struct search search;
    uint64_t taken;
    do {
        search = (struct search){.left = LIMIT_COMPARISONS, .ranked = atomic_load(&policy->ranked)};
        taken = atomic_load(&policy->taken);
        for (unsigned word = 0; word < WIDTH_WORDS; word++)
            for (uint64_t left = atomic_load(&policy->widths[f][word]); left != 0;
                 left &= left - 1) {
                unsigned width = word * 64 + (unsigned)__builtin_ctzll(left);
                const struct esp_group *group = prefix_search(policy, inner, width, &search);
                if (group != NULL)
                    return group;
            }
        if (search.best != NULL)
            return search.best;
    } while (taken != atomic_load(&policy->taken));
    return search.mute;
}

bool esp_group_multicast(const struct esp_group *group, const struct address *to)
{
    const struct esp_child *member = first_member(group);
    if (member == NULL)
        return false;
    const struct esp_ts_list *remote = &atomic_load(&member->selectors)->remote;
    for (size_t i = 0; i < remote->n; i++) {
        const struct address_range *range = &remote->ts[i].range;
        if (address_is_multicast(&range->first) && address_is_multicast(&range->last) &&
            range_contains(range, to))
            return true;
    }
    return false;
}

/* rendezvous_score - the weighted share of a flow: -weight / log(hash in 0..1). The highest score
 * wins. */
static double rendezvous_score(const struct esp_child *child, uint64_t flow_hash)
{
    uint64_t hash = (flow_hash ^ child->flow_tag * 0xd6e8feb86659fd93u) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 32;
    hash *= 0xd6e8feb86659fd93u;
    double unit = ((double)(hash >> 11) + 0.5) / 9007199254740992.0; /* 2^53 */
    uint32_t weight = atomic_load_explicit(&child->weight, memory_order_relaxed);
    return -(double)(weight == 0 ? 1 : weight) / log(unit);
}

/* best_of - chooses among the usable children with the lowest priority number: the first, or by
 * weight. */
static struct esp_child *best_of(const struct esp_group *group, uint64_t flow_hash,
                                 unsigned classes)
{
    struct esp_child *best = NULL;
    uint32_t best_priority = UINT32_MAX;
    double best_score = 0;
    enum esp_mode mode = atomic_load(&group->mode);
    for (uint32_t i = 0; i < group->n; i++) {
        struct esp_child *child = atomic_load(&group->children[i]);
        if (!can_carry(child, classes))
            continue;
        uint32_t priority = atomic_load_explicit(&child->priority, memory_order_relaxed);
        bool same = best != NULL && priority == best_priority;
        if (best != NULL && (priority > best_priority || (same && mode == ESP_MODE_FAILOVER)))
            continue;
        double score = mode != ESP_MODE_FAILOVER ? rendezvous_score(child, flow_hash) : 1.0;
        if (same && score <= best_score)
            continue;
        best = child;
        best_priority = priority;
        best_score = score;
    }
    return best;
}

/* came_in_on - the usable child on which the flow last came in. NULL: none, or it does not count. */
static struct esp_child *came_in_on(const struct esp_group *group, uint16_t tag, unsigned classes)
{
    for (uint32_t i = 0; tag != 0 && i < group->n; i++) {
        struct esp_child *child = atomic_load(&group->children[i]);
        if (can_carry(child, classes) && child->flow_tag == tag && atomic_load(&group->follow))
            return child;
    }
    return NULL;
}

static struct esp_child *choose(const struct esp_group *group, unsigned classes, uint64_t flow_hash,
                                struct flow_origin origin)
{
    struct esp_child *from = came_in_on(group, origin.tag, classes);
    if (from != NULL && origin.recent)
        return from;
    struct esp_child *best = best_of(group, flow_hash, classes);
    bool equal = from != NULL && best != NULL &&
                 atomic_load_explicit(&from->priority, memory_order_relaxed) ==
                     atomic_load_explicit(&best->priority, memory_order_relaxed);
    return equal ? from : best;
}

struct esp_child *esp_group_choose(const struct esp_group *group, uint64_t flow_hash,
                                   struct flow_origin origin)
{
    return choose(group, 0, flow_hash, origin);
}

struct esp_child *esp_group_choose_class(const struct esp_group *group, int class,
                                         uint64_t flow_hash, struct flow_origin origin)
{
    const struct esp_classes *classes = atomic_load(&group->classes);
    if (class == ESP_CLASS_NONE || classes == NULL || (unsigned)class >= classes->n)
        return choose(group, 0, flow_hash, origin);
    struct esp_child *child = choose(group, 1u << class, flow_hash, origin);
    bool all = child == NULL && !classes->list[class].strict;
    return all ? choose(group, 0, flow_hash, origin) : child;
}
