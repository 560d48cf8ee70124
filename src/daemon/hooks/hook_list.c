/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/hooks/hook_list.h"

#include <stdlib.h>
#include <string.h>

struct hooked {
    struct hooked *older;
    struct hook_request request;
};

static bool ts_same(const struct ike_ts *a, const struct ike_ts *b)
{
    return a->protocol == b->protocol && a->start_port == b->start_port &&
           a->end_port == b->end_port && address_equal(&a->range.first, &b->range.first) &&
           address_equal(&a->range.last, &b->range.last);
}

static bool same(const struct hook_request *a, const struct hook_request *b)
{
    return a->uniqueid == b->uniqueid && strcmp(a->script, b->script) == 0 &&
           strcmp(a->conn, b->conn) == 0 && strcmp(a->child, b->child) == 0 &&
           ts_same(&a->local_ts, &b->local_ts) && ts_same(&a->remote_ts, &b->remote_ts);
}

bool hook_list_add(struct hook_list *list, const struct hook_request *request)
{
    struct hooked *hooked = list->n == HOOK_UP_MAX ? NULL : malloc(sizeof(*hooked));
    if (hooked == NULL)
        return false;
    *hooked = (struct hooked){list->newest, *request};
    list->newest = hooked;
    list->n++;
    return true;
}

bool hook_list_take(struct hook_list *list, const struct hook_request *request)
{
    struct hooked **link = &list->newest;
    while (*link != NULL && !same(&(*link)->request, request))
        link = &(*link)->older;
    struct hooked *gone = *link;
    if (gone == NULL)
        return false;
    *link = gone->older;
    free(gone);
    list->n--;
    return true;
}

bool hook_list_pop(struct hook_list *list, struct hook_request *ret_request)
{
    struct hooked *gone = list->newest;
    if (gone == NULL)
        return false;
    *ret_request = gone->request;
    list->newest = gone->older;
    free(gone);
    list->n--;
    return true;
}
