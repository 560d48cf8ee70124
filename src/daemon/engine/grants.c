/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/engine/grants.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/map.h"

struct grants {
    uint64_t last;
    size_t n_unclaimed;
    struct grant *oldest, *youngest; /* unclaimed */
    struct map by_number, by_session;
    struct deadline_heap heap;
};

struct grants *grants_new(void)
{
    return calloc(1, sizeof(struct grants));
}

static void unclaimed_remove(struct grants *grants, struct grant *grant)
{
    *(grant->previous != NULL ? &grant->previous->next : &grants->oldest) = grant->next;
    *(grant->next != NULL ? &grant->next->previous : &grants->youngest) = grant->previous;
    grant->next = grant->previous = NULL;
    grants->n_unclaimed--;
}

void grants_drop(struct grants *grants, struct grant *grant)
{
    if (grant->session == 0)
        unclaimed_remove(grants, grant);
    else
        (void)map_take(&grants->by_session, grant->session);
    if (grant->number != 0)
        (void)map_take(&grants->by_number, grant->number);
    deadline_heap_leave(&grants->heap, &grant->deadline);
    free(grant->account);
    free(grant);
}

struct grants *grants_free(struct grants *grants)
{
    if (grants == NULL)
        return NULL;
    while (grants->oldest != NULL)
        grants_drop(grants, grants->oldest);
    for (size_t i = 0; i < grants->by_session.cap; i++) {
        struct grant *grant = map_at(&grants->by_session, i);
        if (grant != NULL)
            free(grant->account);
        free(grant);
    }
    map_done(&grants->by_number);
    map_done(&grants->by_session);
    deadline_heap_done(&grants->heap);
    free(grants);
    return NULL;
}

static struct grant *grant_new(struct grants *grants)
{
    struct grant *grant = calloc(1, sizeof(*grant));
    if (grant == NULL || deadline_heap_join(&grants->heap) != 0) {
        free(grant);
        return NULL;
    }
    grant->deadline = (struct deadline){.owner = grant};
    grant->interim_at_ns = NANOS_NEVER;
    return grant;
}

static void unclaimed_expire(struct grants *grants, nanos now)
{
    while (grants->oldest != NULL && (grants->n_unclaimed >= GRANTS_UNCLAIMED ||
                                      now - grants->oldest->born_ns >= GRANTS_UNCLAIMED_NS))
        grants_drop(grants, grants->oldest);
}

uint64_t grants_add(struct grants *grants, const struct aaa_grant *what, nanos now)
{
    unclaimed_expire(grants, now);
    struct grant *grant = grant_new(grants);
    if (grant == NULL)
        return 0;
    if (map_put(&grants->by_number, grants->last + 1, grant) != 0) {
        deadline_heap_leave(&grants->heap, &grant->deadline);
        free(grant);
        return 0;
    }
    grant->number = ++grants->last;
    grant->born_ns = now;
    grant->what = *what;
    grant->previous = grants->youngest;
    *(grants->youngest != NULL ? &grants->youngest->next : &grants->oldest) = grant;
    grants->youngest = grant;
    grants->n_unclaimed++;
    return grant->number;
}

static uint32_t shorter(uint32_t a, uint32_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

static void groups_join(struct aaa_groups *groups, const struct aaa_groups *more)
{
    for (uint32_t i = 0; i < more->n && groups->n < AAA_GROUPS; i++)
        memcpy(groups->names[groups->n++], more->names[i], sizeof(more->names[i]));
}

/* classes_join - whole attributes only. */
static void classes_join(struct aaa_grant *what, const struct aaa_grant *more)
{
    struct reader r = reader_of(span_of(more->classes, more->n_classes));
    uint8_t type;
    struct span value;
    struct writer w = writer_of(what->classes, sizeof(what->classes));
    w.len = what->n_classes;
    while (radius_next(&r, &type, &value) && w.len + 2 + value.len <= sizeof(what->classes))
        radius_attribute_write(&w, (enum radius_attribute)type, value);
    what->n_classes = (uint32_t)w.len;
}

void grants_join(struct grant *grant, const struct aaa_grant *more)
{
    struct aaa_grant *what = &grant->what;
    what->session_timeout_s = shorter(what->session_timeout_s, more->session_timeout_s);
    what->idle_timeout_s = shorter(what->idle_timeout_s, more->idle_timeout_s);
    if (more->interim_s != 0)
        what->interim_s = more->interim_s;
    if (more->framed4.family != ADDRESS_NONE)
        what->framed4 = more->framed4;
    if (more->framed6.family != ADDRESS_NONE)
        what->framed6 = more->framed6;
    if (more->pool4[0] != '\0')
        memcpy(what->pool4, more->pool4, sizeof(what->pool4));
    if (more->pool6[0] != '\0')
        memcpy(what->pool6, more->pool6, sizeof(what->pool6));
    groups_join(&what->groups, &more->groups);
    for (uint32_t i = 0; i < more->n_dns && what->n_dns < AAA_DNS; i++)
        what->dns[what->n_dns++] = more->dns[i];
    classes_join(what, more);
}

struct grant *grants_find(const struct grants *grants, uint64_t number)
{
    return number == 0 ? NULL : map_get(&grants->by_number, number);
}

struct grant *grants_of(const struct grants *grants, ike_session_id session)
{
    return map_get(&grants->by_session, session);
}

struct grant *grants_claim(struct grants *grants, uint64_t number, ike_session_id session)
{
    ASSERT(session != 0 && grants_of(grants, session) == NULL);
    struct grant *grant = number == 0 ? grant_new(grants) : grants_find(grants, number);
    if (grant == NULL || grant->session != 0)
        return NULL;
    if (map_put(&grants->by_session, session, grant) != 0) {
        if (number == 0) {
            deadline_heap_leave(&grants->heap, &grant->deadline);
            free(grant);
        }
        return NULL;
    }
    if (number != 0)
        unclaimed_remove(grants, grant);
    grant->session = session;
    return grant;
}

struct grant *grants_keep(struct grants *grants, uint64_t number, ike_session_id session)
{
    if (session == 0 || grants_of(grants, session) != NULL || grants_find(grants, number) != NULL ||
        number == UINT64_MAX)
        return NULL;
    struct grant *grant = grant_new(grants);
    if (grant == NULL)
        return NULL;
    if ((number != 0 && map_put(&grants->by_number, number, grant) != 0) ||
        map_put(&grants->by_session, session, grant) != 0) {
        (void)map_take(&grants->by_number, number);
        deadline_heap_leave(&grants->heap, &grant->deadline);
        free(grant);
        return NULL;
    }
    grants->last = number > grants->last ? number : grants->last;
    grant->number = number;
    grant->session = session;
    return grant;
}

void grants_wake(struct grants *grants, struct grant *grant, nanos at)
{
    deadline_heap_set(&grants->heap, &grant->deadline, at);
}

struct grant *grants_due(const struct grants *grants, nanos now)
{
    struct deadline *first = deadline_heap_first(&grants->heap);
    return first == NULL || first->at > now ? NULL : first->owner;
}

nanos grants_deadline(const struct grants *grants)
{
    const struct deadline *first = deadline_heap_first(&grants->heap);
    return first == NULL ? NANOS_NEVER : first->at;
}
