/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/engine/reqids.h"

#include <stdlib.h>

#include "base/map.h"

struct reqid {
    uint64_t key; /* of selectors, marks and interface ids */
    uint32_t number, users;
    struct reqid *next; /* of the unused ones */
};

struct reqids {
    struct map by_key, by_child; /* -> struct reqid */
    struct reqid *unused;        /* owned, as are those in by_key */
    uint32_t last;
};

struct reqids *reqids_new(void)
{
    return calloc(1, sizeof(struct reqids));
}

struct reqids *reqids_free(struct reqids *reqids)
{
    if (reqids == NULL)
        return NULL;
    for (size_t i = 0; i < reqids->by_key.cap; i++)
        free(map_at(&reqids->by_key, i));
    for (struct reqid *one = reqids->unused, *next; one != NULL; one = next) {
        next = one->next;
        free(one);
    }
    map_done(&reqids->by_key);
    map_done(&reqids->by_child);
    free(reqids);
    return NULL;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

static uint64_t mix_address(uint64_t hash, const struct address *address)
{
    uint64_t words[2];
    memcpy(words, address->octets, sizeof(words));
    return mix(mix(mix(hash, address->family), words[0]), words[1]);
}

/* key_of - 64 bits of the selectors. Two lists with equal keys would share a number. */
static uint64_t key_of(uint64_t hash, const struct ike_ts_list *list)
{
    hash = mix(hash, list->n);
    for (size_t i = 0; i < list->n; i++) {
        const struct ike_ts *ts = &list->ts[i];
        hash =
            mix(hash, (uint64_t)ts->protocol << 32 | (uint64_t)ts->start_port << 16 | ts->end_port);
        hash = mix_address(mix_address(hash, &ts->range.first), &ts->range.last);
    }
    return hash;
}

static uint64_t mix_mark(uint64_t hash, const struct ike_mark *mark, ike_session_id session)
{
    uint64_t owner = ike_mark_is_unique(mark) ? session : 0;
    return mix(mix(mix(hash, mark->kind), (uint64_t)mark->value << 32 | mark->mask), owner);
}

static uint64_t mix_marks(uint64_t hash, const struct ike_child_install *install)
{
    const struct ike_child_policy *policy = install->policy;
    hash = mix_mark(hash, &policy->mark_in, install->session);
    hash = mix_mark(hash, &policy->mark_out, install->session);
    hash = mix_mark(hash, &policy->if_id_in, install->session);
    return mix_mark(hash, &policy->if_id_out, install->session);
}

static struct reqid *reqid_new(struct reqids *reqids, uint64_t key)
{
    struct reqid *one = reqids->unused;
    if (one != NULL) {
        reqids->unused = one->next;
    } else {
        one = malloc(sizeof(*one));
        if (one == NULL)
            return NULL;
        one->number = ++reqids->last;
    }
    one->key = key;
    one->users = 0;
    if (map_put(&reqids->by_key, key, one) == 0)
        return one;
    one->next = reqids->unused;
    reqids->unused = one;
    return NULL;
}

/* user_gone - a Child SA ended, or was not made. */
static void user_gone(struct reqids *reqids, struct reqid *one)
{
    if (--one->users > 0)
        return;
    (void)map_take(&reqids->by_key, one->key);
    one->next = reqids->unused;
    reqids->unused = one;
}

void reqids_take(struct reqids *reqids, const struct ike_child_install *install)
{
    uint64_t key = key_of(key_of(mix_marks(1, install), &install->local_ts), &install->remote_ts);
    struct reqid *one = map_get(&reqids->by_key, key);
    if (one == NULL)
        one = reqid_new(reqids, key);
    if (one == NULL)
        return;
    one->users++;
    if (map_put(&reqids->by_child, install->child, one) != 0)
        user_gone(reqids, one);
}

void reqids_drop(struct reqids *reqids, ike_child_id child)
{
    struct reqid *one = map_take(&reqids->by_child, child);
    if (one != NULL)
        user_gone(reqids, one);
}

uint32_t reqids_get(const struct reqids *reqids, ike_child_id child)
{
    const struct reqid *one = map_get(&reqids->by_child, child);
    return one != NULL ? one->number : 0;
}
