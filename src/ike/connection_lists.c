/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/connection_lists.h"

#include <stdlib.h>

#include "base/assert.h"

/* COUNTED: the owner says how many items. TEXT: as many octets as the text has, with its NUL.
 * OPTIONAL: one item, or none if all its octets are zero. */
enum list_kind { LIST_COUNTED, LIST_TEXT, LIST_OPTIONAL };

/* struct layout - the lists of one owner, in the order of its pointers. The owner is the
 * connection, or an item of another list. */
struct list;
struct layout {
    size_t size, n;
    const struct list *lists;
};

struct list {
    enum list_kind kind;
    size_t at;             /* offset of the pointer in the owner */
    size_t count, further; /* COUNTED: offsets of the uint8_t counts in the owner, whose sum counts;
                            * further 0: one count */
    size_t size, most;     /* octets of an item; the most items */
    const struct layout *layout; /* layout of an item; NULL: it has no lists */
};

/* clang-format off */
#define ITEM(owner, list) sizeof(((struct owner *)NULL)->list[0])
#define COUNTED(owner, list, n, items, layout)                                                     \
    {LIST_COUNTED, offsetof(struct owner, list), offsetof(struct owner, n), 0, ITEM(owner, list), items, layout}
#define TEXT(owner, list, octets)                                                                  \
    {LIST_TEXT, offsetof(struct owner, list), 0, 0, 1, octets, NULL}
#define OPTIONAL(owner, list)                                                                      \
    {LIST_OPTIONAL, offsetof(struct owner, list), 0, 0, ITEM(owner, list), 1, NULL}
#define LAYOUT(owner, lists) {sizeof(struct owner), sizeof(lists) / sizeof((lists)[0]), lists}
/* clang-format on */

static const struct list remote_lists[] = {TEXT(ike_remote, name, POLICY_HOST)};
static const struct layout remote_layout = LAYOUT(ike_remote, remote_lists);

static const struct list auth_lists[] = {
    TEXT(ike_auth_policy, id_pattern, POLICY_TEXT),
    TEXT(ike_auth_policy, eap_id, POLICY_TEXT),
    OPTIONAL(ike_auth_policy, aaa_id),
};
static const struct layout auth_layout = LAYOUT(ike_auth_policy, auth_lists);

static const struct list child_lists[] = {
    COUNTED(ike_child_policy, proposals.proposals, proposals.n, POLICY_PROPOSALS, NULL),
    COUNTED(ike_child_policy, local_ts.fixed.ts, local_ts.fixed.n, POLICY_TS, NULL),
    COUNTED(ike_child_policy, remote_ts.fixed.ts, remote_ts.fixed.n, POLICY_TS, NULL),
    TEXT(ike_child_policy, updown, POLICY_SCRIPT),
};
static const struct layout child_layout = LAYOUT(ike_child_policy, child_lists);

static const struct list conn_lists[] = {
    COUNTED(ike_conn, local_addrs, n_local_addrs, POLICY_ADDRESSES, &remote_layout),
    COUNTED(ike_conn, remote_addrs, n_remote_addrs, POLICY_ADDRESSES, &remote_layout),
    COUNTED(ike_conn, proposals.proposals, proposals.n, POLICY_PROPOSALS, NULL),
    COUNTED(ike_conn, vips, n_vips, POLICY_ADDRESSES, NULL),
    COUNTED(ike_conn, pools, n_pools, POLICY_POOLS, NULL),
    COUNTED(ike_conn, local, n_local_rounds, POLICY_ROUNDS, &auth_layout),
    COUNTED(ike_conn, remote, n_remote_rounds, POLICY_ROUNDS, &auth_layout),
    OPTIONAL(ike_conn, ppk_id),
    TEXT(ike_conn, ppk_pattern, POLICY_TEXT),
    {LIST_COUNTED, offsetof(struct ike_conn, children), offsetof(struct ike_conn, n_children),
     offsetof(struct ike_conn, n_shunts), ITEM(ike_conn, children), POLICY_CHILDREN, &child_layout},
    COUNTED(ike_conn, paths, n_paths, POLICY_PATHS, NULL),
    COUNTED(ike_conn, classes, n_classes, POLICY_CLASSES, NULL),
    COUNTED(ike_conn, class_paths, n_classes, POLICY_CLASSES, NULL),
    OPTIONAL(ike_conn, redirect_to),
    OPTIONAL(ike_conn, dns_domains),
};
static const struct layout conn_layout = LAYOUT(ike_conn, conn_lists);

/* --- pointers of many types --- */

static uint8_t *items_of(const struct list *list, const uint8_t *owner)
{
    uint8_t *items;
    memcpy(&items, owner + list->at, sizeof(items));
    return items;
}

static void items_set(const struct list *list, uint8_t *owner, const void *items)
{
    memcpy(owner + list->at, &items, sizeof(items));
}

/* the item of all OPTIONAL lists that are empty: as large as any of their items */
static const uint8_t nothing[sizeof(struct ike_gateway)];
_Static_assert(sizeof(struct domain_list) <= sizeof(nothing), "nothing is as large as any item");
_Static_assert(sizeof(struct ike_id) <= sizeof(nothing), "nothing is as large as any item");

static size_t items_count(const struct list *list, const uint8_t *owner)
{
    switch (list->kind) {
    case LIST_TEXT: return strlen((const char *)items_of(list, owner)) + 1;
    case LIST_OPTIONAL: return memcmp(items_of(list, owner), nothing, list->size) != 0;
    case LIST_COUNTED: break;
    }
    return owner[list->count] + (list->further > 0 ? owner[list->further] : (size_t)0);
}

static size_t aligned(size_t size)
{
    const size_t step = _Alignof(max_align_t);
    return (size + step - 1) / step * step;
}

/* --- room for the most items --- */

static size_t room_size(const struct layout *layout)
{
    size_t size = 0;
    for (const struct list *list = layout->lists; list < layout->lists + layout->n; list++)
        size += aligned(list->size * list->most) +
                (list->layout == NULL ? 0 : list->most * room_size(list->layout));
    return size;
}

/* room_give - the lists of `owner` lead to `memory`. Returns what is behind them. */
static uint8_t *room_give(const struct layout *layout, uint8_t *owner, uint8_t *memory)
{
    for (const struct list *list = layout->lists; list < layout->lists + layout->n; list++) {
        uint8_t *items = memory;
        items_set(list, owner, items);
        memory += aligned(list->size * list->most);
        for (size_t i = 0; list->layout != NULL && i < list->most; i++)
            memory = room_give(list->layout, items + i * list->size, memory);
    }
    return memory;
}

size_t conn_lists_room_size(void)
{
    return room_size(&conn_layout);
}

void conn_lists_room(struct ike_conn *conn, void *memory)
{
    (void)room_give(&conn_layout, (uint8_t *)conn, memory);
}

/* --- copies --- */

static size_t items_size(const struct layout *layout, const uint8_t *owner)
{
    size_t size = 0;
    for (const struct list *list = layout->lists; list < layout->lists + layout->n; list++) {
        size_t n = items_count(list, owner);
        size += aligned(n * list->size);
        for (size_t i = 0; list->layout != NULL && i < n; i++)
            size += items_size(list->layout, items_of(list, owner) + i * list->size);
    }
    return size;
}

/* items_move - copies the items of `owner` to `memory`. Returns what is behind them. */
static uint8_t *items_move(const struct layout *layout, uint8_t *owner, uint8_t *memory)
{
    for (const struct list *list = layout->lists; list < layout->lists + layout->n; list++) {
        size_t n = items_count(list, owner);
        uint8_t *items = memory;
        ASSERT(n <= list->most);
        if (n > 0)
            memcpy(items, items_of(list, owner), n * list->size);
        memory += aligned(n * list->size);
        items_set(list, owner, n == 0 && list->kind == LIST_OPTIONAL ? nothing : items);
        for (size_t i = 0; list->layout != NULL && i < n; i++)
            memory = items_move(list->layout, items + i * list->size, memory);
    }
    return memory;
}

/* items_fill - copies the items of `from` to `owner`, which has room for the most items. */
static void items_fill(const struct layout *layout, uint8_t *owner, const uint8_t *from)
{
    size_t at = 0;
    for (const struct list *list = layout->lists; list < layout->lists + layout->n; list++) {
        size_t n = list->kind == LIST_OPTIONAL ? 1 : items_count(list, from);
        uint8_t *items = items_of(list, owner);
        memcpy(owner + at, from + at, list->at - at);
        at = list->at + sizeof(void *);
        for (size_t i = 0; i < n; i++)
            if (list->layout != NULL)
                items_fill(list->layout, items + i * list->size,
                           items_of(list, from) + i * list->size);
            else
                memcpy(items + i * list->size, items_of(list, from) + i * list->size, list->size);
    }
    memcpy(owner + at, from + at, layout->size - at);
}

size_t conn_lists_size(const struct ike_conn *conn)
{
    return items_size(&conn_layout, (const uint8_t *)conn);
}

void conn_lists_copy(struct ike_conn *copy, void *memory)
{
    (void)items_move(&conn_layout, (uint8_t *)copy, memory);
}

void conn_lists_fill(struct ike_conn *conn, const struct ike_conn *from)
{
    items_fill(&conn_layout, (uint8_t *)conn, (const uint8_t *)from);
}

struct ike_child_policy *ike_child_copy(const struct ike_child_policy *child)
{
    size_t own = aligned(sizeof(*child));
    struct ike_child_policy *copy = malloc(own + items_size(&child_layout, (const uint8_t *)child));
    if (copy == NULL)
        return NULL;
    *copy = *child;
    (void)items_move(&child_layout, (uint8_t *)copy, (uint8_t *)copy + own);
    return copy;
}

void ike_child_set(struct ike_child_policy *child, const struct ike_child_policy *from)
{
    items_fill(&child_layout, (uint8_t *)child, (const uint8_t *)from);
}

/* --- comparison --- */

/* octets_same - compares the octets of two owners from `at` on, except the pointers. */
static bool octets_same(const struct layout *layout, const uint8_t *a, const uint8_t *b, size_t at)
{
    for (const struct list *list = layout->lists; list < layout->lists + layout->n; list++) {
        ASSERT(at <= list->at);
        if (memcmp(a + at, b + at, list->at - at) != 0)
            return false;
        at = list->at + sizeof(void *);
    }
    return memcmp(a + at, b + at, layout->size - at) == 0;
}

static bool owners_same(const struct layout *layout, const uint8_t *a, const uint8_t *b, size_t at);

static bool items_same(const struct list *list, const uint8_t *a, const uint8_t *b)
{
    size_t n = items_count(list, a);
    const uint8_t *of_a = items_of(list, a), *of_b = items_of(list, b);
    if (n != items_count(list, b))
        return false;
    if (list->layout == NULL)
        return n == 0 || memcmp(of_a, of_b, n * list->size) == 0;
    for (size_t i = 0; i < n; i++)
        if (!owners_same(list->layout, of_a + i * list->size, of_b + i * list->size, 0))
            return false;
    return true;
}

static bool owners_same(const struct layout *layout, const uint8_t *a, const uint8_t *b, size_t at)
{
    if (!octets_same(layout, a, b, at))
        return false;
    for (const struct list *list = layout->lists; list < layout->lists + layout->n; list++)
        if (!items_same(list, a, b))
            return false;
    return true;
}

bool conn_lists_same(const struct ike_conn *a, const struct ike_conn *b)
{
    return owners_same(&conn_layout, (const uint8_t *)a, (const uint8_t *)b,
                       offsetof(struct ike_conn, name));
}

bool ike_child_same(const struct ike_child_policy *a, const struct ike_child_policy *b)
{
    return owners_same(&child_layout, (const uint8_t *)a, (const uint8_t *)b, 0);
}
