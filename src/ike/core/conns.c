/* SPDX-License-Identifier: Apache-2.0 */
/* The loaded connections, in the order of loading. Each has a number, and later ones have higher
 * numbers. A map leads from the hash of a name to the number. When a connection leaves, the others
 * keep their numbers. No two loaded names have the same hash. */
#include "ike/core/conn_index.h"

#include <stdlib.h>

#include "base/assert.h"
#include "ike/core/ike_state.h"

static uint64_t name_key(const char *name)
{
    uint64_t key = 14695981039346656037u; /* FNV-1a */
    for (; *name != '\0'; name++)
        key = (key ^ (uint8_t)*name) * 1099511628211u;
    return key;
}

/* conn_place - the place of the connection with that name in ike->conns; n_conns: it is not
 * loaded. */
static size_t conn_place(const struct ike *ike, const char *name)
{
    uint64_t number = (uintptr_t)map_get(&ike->conns_by_name, name_key(name));
    size_t first = 0, end = number > 0 ? ike->n_conns : 0;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        if (ike->conn_numbers[middle] < number)
            first = middle + 1;
        else
            end = middle;
    }
    return number > 0 && strcmp(ike->conns[first]->name, name) == 0 ? first : ike->n_conns;
}

int ike_conn_reserve(struct ike *ike, size_t n)
{
    if (n > ike->conns_cap) {
        size_t cap = n > 2 * ike->conns_cap ? n : 2 * ike->conns_cap;
        struct ike_conn **conns = reallocarray(ike->conns, cap, sizeof(struct ike_conn *));
        ike->conns = conns != NULL ? conns : ike->conns;
        uint64_t *numbers = reallocarray(ike->conn_numbers, cap, sizeof(numbers[0]));
        ike->conn_numbers = numbers != NULL ? numbers : ike->conn_numbers;
        if (conns == NULL || numbers == NULL)
            return ERR_NO_MEMORY;
        ike->conns_cap = cap;
    }
    return map_reserve(&ike->conns_by_name, n);
}

int ike_conn_add(struct ike *ike, struct ike_conn *conn)
{
    ike->conn_index = conn_index_drop(ike->conn_index);
    size_t i = conn_place(ike, conn->name);
    uint64_t key = name_key(conn->name);
    if (i < ike->n_conns) {
        ike_conn_ref(conn);
        ike_conn_unref(ike->conns[i]);
        ike->conns[i] = conn;
        return 0;
    }
    if (ike_conn_reserve(ike, ike->n_conns + 1) != 0)
        return ERR_NO_MEMORY;
    if (map_get(&ike->conns_by_name, key) != NULL)
        return ERR_INVALID; /* two names with the same 64-bit hash: never by accident */
    int err = map_put(&ike->conns_by_name, key, (void *)(uintptr_t)++ike->last_conn);
    ASSERT(err == 0); /* ike_conn_reserve made room */
    ike->conn_numbers[ike->n_conns] = ike->last_conn;
    ike->conns[ike->n_conns++] = ike_conn_ref(conn);
    return 0;
}

int ike_conn_remove(struct ike *ike, const char *name)
{
    ike->conn_index = conn_index_drop(ike->conn_index);
    size_t i = conn_place(ike, name);
    if (i == ike->n_conns)
        return ERR_NOT_FOUND;
    struct ike_conn *gone = ike->conns[i];
    size_t behind = --ike->n_conns - i;
    memmove(ike->conns + i, ike->conns + i + 1, behind * sizeof(ike->conns[0]));
    memmove(ike->conn_numbers + i, ike->conn_numbers + i + 1, behind * sizeof(uint64_t));
    (void)map_take(&ike->conns_by_name, name_key(name));
    ike_conn_unref(gone);
    return 0;
}

struct ike_conn *ike_conn_find(struct ike *ike, const char *name)
{
    size_t i = conn_place(ike, name);
    return i < ike->n_conns ? ike->conns[i] : NULL;
}

struct ike_conn *ike_conn_at(struct ike *ike, size_t index)
{
    return index < ike->n_conns ? ike->conns[index] : NULL;
}
