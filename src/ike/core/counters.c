/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/counters.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/siphash.h"
#include "ike/core/ike_state.h"
#include "wire/iana.h"

struct counted {
    struct counted *next;
    char name[LIMIT_NAME];
    struct ike_counters counters;
};

const char *ike_counter_name(enum ike_counter counter)
{
    static const char *const names[IKE_COUNTERS] = {
        [IKE_COUNT_REKEY_INIT] = "ike-rekey-init",
        [IKE_COUNT_REKEY_RESP] = "ike-rekey-resp",
        [IKE_COUNT_CHILD_REKEY] = "child-rekey",
        [IKE_COUNT_INVALID] = "invalid",
        [IKE_COUNT_INVALID_SPI] = "invalid-spi",
        [IKE_COUNT_INIT_IN_REQ] = "ike-init-in-req",
        [IKE_COUNT_INIT_IN_RESP] = "ike-init-in-resp",
        [IKE_COUNT_INIT_OUT_REQ] = "ike-init-out-req",
        [IKE_COUNT_INIT_OUT_RESP] = "ike-init-out-resp",
        [IKE_COUNT_AUTH_IN_REQ] = "ike-auth-in-req",
        [IKE_COUNT_AUTH_IN_RESP] = "ike-auth-in-resp",
        [IKE_COUNT_AUTH_OUT_REQ] = "ike-auth-out-req",
        [IKE_COUNT_AUTH_OUT_RESP] = "ike-auth-out-resp",
        [IKE_COUNT_CREATE_IN_REQ] = "create-child-in-req",
        [IKE_COUNT_CREATE_IN_RESP] = "create-child-in-resp",
        [IKE_COUNT_CREATE_OUT_REQ] = "create-child-out-req",
        [IKE_COUNT_CREATE_OUT_RESP] = "create-child-out-resp",
        [IKE_COUNT_INFO_IN_REQ] = "info-in-req",
        [IKE_COUNT_INFO_IN_RESP] = "info-in-resp",
        [IKE_COUNT_INFO_OUT_REQ] = "info-out-req",
        [IKE_COUNT_INFO_OUT_RESP] = "info-out-resp",
    };
    return names[counter];
}

static uint64_t key_of(const struct ike *ike, const char *name)
{
    return siphash(ike->hash_key, span_text(name)) | 1;
}

static struct counted *counted_find(const struct ike *ike, const char *name)
{
    struct counted *counted = map_get(&ike->counters.by_name, key_of(ike, name));
    return counted != NULL && strcmp(counted->name, name) == 0 ? counted : NULL;
}

/* counted_of - NULL: no memory; then the connection's share is not counted. */
static struct counted *counted_of(struct ike *ike, const char *name)
{
    struct counters *counters = &ike->counters;
    struct counted *counted = counted_find(ike, name);
    if (counted != NULL)
        return counted;
    counted = calloc(1, sizeof(*counted));
    if (counted == NULL || map_put(&counters->by_name, key_of(ike, name), counted) != 0) {
        free(counted);
        return NULL;
    }
    (void)snprintf(counted->name, sizeof(counted->name), "%s", name);
    if (counters->last == NULL)
        counters->first = counted;
    else
        counters->last->next = counted;
    counters->last = counted;
    return counted;
}

void counters_done(struct counters *counters)
{
    while (counters->first != NULL) {
        struct counted *counted = counters->first;
        counters->first = counted->next;
        free(counted);
    }
    counters->last = NULL;
    map_done(&counters->by_name);
}

void count(struct ike *ike, const struct sa *sa, enum ike_counter counter)
{
    const struct ike_conn *conn = sa != NULL && sa->session != NULL ? sa->session->conn : NULL;
    struct counted *counted = conn == NULL ? NULL : counted_of(ike, conn->name);
    ike->counters.all.n[counter]++;
    if (counted != NULL)
        counted->counters.n[counter]++;
}

void count_message(struct ike *ike, const struct sa *sa, enum count_direction direction,
                   uint8_t exchange, bool response)
{
    if (exchange == WIRE_IKE_SESSION_RESUME) /* RFC 5723 section 4.3.2: equivalent */
        exchange = WIRE_IKE_SA_INIT;
    if (exchange < WIRE_IKE_SA_INIT || exchange > WIRE_INFORMATIONAL)
        return;
    unsigned at = IKE_COUNT_INIT_IN_REQ + 4U * (exchange - (unsigned)WIRE_IKE_SA_INIT) +
                  (direction == COUNT_OUT ? 2U : 0U) + (response ? 1U : 0U);
    count(ike, sa, (enum ike_counter)at);
}

bool ike_counters_get(const struct ike *ike, const char *conn, struct ike_counters *ret_counters)
{
    const struct counted *counted = conn == NULL ? NULL : counted_find(ike, conn);
    if (conn != NULL && counted == NULL)
        return false;
    *ret_counters = counted == NULL ? ike->counters.all : counted->counters;
    return true;
}

const char *ike_counters_next(const struct ike *ike, const char *after)
{
    const struct counted *counted = ike->counters.first;
    if (after != NULL) {
        counted = counted_find(ike, after);
        counted = counted == NULL ? NULL : counted->next;
    }
    return counted == NULL ? NULL : counted->name;
}

bool ike_counters_reset(struct ike *ike, const char *conn)
{
    struct counted *counted = conn == NULL ? NULL : counted_find(ike, conn);
    if (conn != NULL && counted == NULL)
        return false;
    *(counted == NULL ? &ike->counters.all : &counted->counters) = (struct ike_counters){0};
    return true;
}
