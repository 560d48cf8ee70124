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
