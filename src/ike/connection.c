/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/connection.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "ike/connection_lists.h"

/* The lists stand behind the struct. */
static size_t struct_size(void)
{
    return (sizeof(struct ike_conn) + _Alignof(max_align_t) - 1) / _Alignof(max_align_t) *
           _Alignof(max_align_t);
}

static struct ike_conn *conn_alloc(size_t lists_size)
{
    struct ike_conn *conn = calloc(1, struct_size() + lists_size);
    if (conn != NULL)
        conn->refs = 1;
    return conn;
}

static void *lists_place(struct ike_conn *conn)
{
    return (uint8_t *)conn + struct_size();
}

struct ike_conn *ike_conn_new(void)
{
    struct ike_conn *conn = conn_alloc(conn_lists_room_size());
    if (conn != NULL)
        conn_lists_room(conn, lists_place(conn));
    return conn;
}

struct ike_conn *ike_conn_copy(const struct ike_conn *conn)
{
    struct ike_conn *copy = conn_alloc(conn_lists_size(conn));
    if (copy == NULL)
        return NULL;
    *copy = *conn;
    copy->refs = 1;
    copy->cas = NULL;
    conn_lists_copy(copy, lists_place(copy));
    if (conn->cas != NULL && ike_conn_cas_set(copy, conn->cas) != 0)
        return ike_conn_unref(copy);
    return copy;
}

size_t ike_conn_size(const struct ike_conn *conn)
{
    return struct_size() + conn_lists_size(conn);
}

void ike_conn_set(struct ike_conn *conn, const struct ike_conn *from)
{
    struct ike_cas *cas = conn->cas;
    unsigned refs = conn->refs;
    conn_lists_fill(conn, from);
    conn->cas = cas;
    conn->refs = refs;
}

int ike_conn_cas_set(struct ike_conn *conn, const struct ike_cas *cas)
{
    struct ike_cas *copy = NULL;
    if (cas->n > 0 || cas->n_responders > 0) {
        copy = malloc(sizeof(*copy));
        if (copy == NULL)
            return ERR_NO_MEMORY;
        *copy = *cas;
    }
    free(conn->cas);
    conn->cas = copy;
    return 0;
}

struct ike_conn *ike_conn_ref(struct ike_conn *conn)
{
    ASSERT(conn->refs > 0);
    conn->refs++;
    return conn;
}

struct ike_conn *ike_conn_unref(struct ike_conn *conn)
{
    if (conn == NULL)
        return NULL;
    ASSERT(conn->refs > 0);
    if (--conn->refs > 0)
        return NULL;
    free(conn->cas);
    free(conn);
    return NULL;
}

static bool cas_same(const struct ike_cas *a, const struct ike_cas *b)
{
    return a == NULL || b == NULL ? a == b : memcmp(a, b, sizeof(*a)) == 0;
}

bool ike_conn_same(const struct ike_conn *a, const struct ike_conn *b)
{
    return conn_lists_same(a, b) && cas_same(a->cas, b->cas);
}

bool ike_conn_same_but_classes(const struct ike_conn *a, const struct ike_conn *b)
{
    struct ike_conn *one = ike_conn_copy(a), *other = ike_conn_copy(b);
    bool same = false;
    if (one != NULL && other != NULL) {
        one->n_classes = other->n_classes = 0;
        same = ike_conn_same(one, other);
    }
    ike_conn_unref(one);
    ike_conn_unref(other);
    return same;
}

bool ike_conn_ordered(const struct ike_conn *conn)
{
    for (uint8_t i = 0; i < conn->n_classes; i++)
        if (conn->classes[i].redundant)
            return true;
    switch (conn->multipath) {
    case IKE_MULTIPATH_FAILOVER:
    case IKE_MULTIPATH_BALANCE: return false;
    case IKE_MULTIPATH_AGGREGATE:
    case IKE_MULTIPATH_REDUNDANT:
    case IKE_MULTIPATH_AUTO: break;
    }
    return true;
}

uint64_t ike_lifetime_soft(uint64_t rekey, uint64_t jitter, const struct random *random)
{
    uint64_t less = rekey > 0 && jitter > 0 ? random_u64(random) % jitter : 0;
    if (rekey == 0)
        return 0;
    return less < rekey ? rekey - less : 1;
}

nanos ike_lifetime_rekey_at(const struct ike_lifetime *lifetime, const struct random *random,
                            nanos now)
{
    if (lifetime->rekey_ns <= 0 || lifetime->rekey_ns == NANOS_NEVER)
        return NANOS_NEVER;
    bool some = lifetime->jitter_ns > 0 && lifetime->jitter_ns != NANOS_NEVER;
    uint64_t jitter = some ? (uint64_t)lifetime->jitter_ns : 0;
    return nanos_after(now, (nanos)ike_lifetime_soft((uint64_t)lifetime->rekey_ns, jitter, random));
}
