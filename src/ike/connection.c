/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/connection.h"

#include <stdlib.h>

#include "base/assert.h"

struct ike_conn *ike_conn_new(void)
{
    struct ike_conn *conn = calloc(1, sizeof(*conn));
    if (conn != NULL)
        conn->refs = 1;
    return conn;
}

static size_t conn_size(const struct ike_conn *conn)
{
    return offsetof(struct ike_conn, children) +
           (size_t)(conn->n_children + conn->n_shunts) * sizeof(conn->children[0]);
}

struct ike_conn *ike_conn_copy(const struct ike_conn *conn)
{
    struct ike_conn *copy = malloc(conn_size(conn));
    if (copy != NULL) {
        memcpy(copy, conn, conn_size(conn));
        copy->refs = 1;
    }
    return copy;
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
    if (--conn->refs == 0)
        free(conn);
    return NULL;
}

bool ike_conn_same(const struct ike_conn *a, const struct ike_conn *b)
{
    size_t begin = offsetof(struct ike_conn, name);
    return conn_size(a) == conn_size(b) &&
           memcmp((const uint8_t *)a + begin, (const uint8_t *)b + begin, conn_size(a) - begin) ==
               0;
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
