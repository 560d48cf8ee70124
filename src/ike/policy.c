/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/policy.h"

#include <stdlib.h>

#include "base/assert.h"

struct ike_conn *ike_conn_new(void)
{
    struct ike_conn *conn = calloc(1, sizeof(*conn));
    if (conn != NULL)
        conn->refs = 1;
    return conn;
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

nanos ike_lifetime_rekey_at(const struct ike_lifetime *lifetime, const struct random *random,
                            nanos now)
{
    nanos jitter = 0;
    if (lifetime->rekey_ns <= 0 || lifetime->rekey_ns == NANOS_NEVER)
        return NANOS_NEVER;
    if (lifetime->jitter_ns > 0 && lifetime->jitter_ns != NANOS_NEVER)
        jitter = (nanos)(random_u64(random) % (uint64_t)lifetime->jitter_ns);
    return nanos_after(now, jitter < lifetime->rekey_ns ? lifetime->rekey_ns - jitter : 0);
}
