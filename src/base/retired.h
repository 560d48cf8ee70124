/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_RETIRED_H
#define BASE_RETIRED_H

/*
 * What one thread took out of sight while others may still look at it. It is given back when none
 * can hold it any more; when that is, whoever has the threads knows. A member of the object, so
 * that taking something out of sight needs no memory and cannot fail.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

struct retired {
    struct retired *next;
    uint64_t epoch; /* of whoever gives it back, as is `kind` */
    unsigned kind;
};

/* struct retired_list - first in, first out. Zero is empty. */
struct retired_list {
    struct retired *first, *last;
};

static inline void retired_add(struct retired_list *list, struct retired *retired)
{
    retired->next = NULL;
    *(list->first == NULL ? &list->first : &list->last->next) = retired;
    list->last = retired;
}

static inline struct retired *retired_take(struct retired_list *list) /* NULL: empty */
{
    struct retired *first = list->first;
    if (first != NULL)
        list->first = first->next;
    return first;
}

/* retired_free - all of it, where nobody looks any more and each is the first member of its object.
 */
static inline void retired_free(struct retired_list *list)
{
    for (struct retired *retired; (retired = retired_take(list)) != NULL;)
        free(retired);
}

#endif
