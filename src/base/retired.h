/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_RETIRED_H
#define BASE_RETIRED_H

/*
 * An object that one thread removed while other threads may still read it. It is freed when no
 * thread can hold it; the owner of the threads knows when. It is a member of the object, so a
 * removal needs no memory and cannot fail.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

struct retired {
    struct retired *next;
    uint64_t epoch; /* set by the code that frees it, as is `kind` */
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

/* retired_free - frees the whole list. No thread may read any more, and `struct retired` must be
 * the first member of each object. */
static inline void retired_free(struct retired_list *list)
{
    for (struct retired *retired; (retired = retired_take(list)) != NULL;)
        free(retired);
}

#endif
