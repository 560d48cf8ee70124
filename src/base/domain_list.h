/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_DOMAIN_LIST_H
#define BASE_DOMAIN_LIST_H

/*
 * A few DNS domains in presentation format (RFC 8598 section 4.1). What a peer sends becomes words
 * of a command line and lines of a file, so only letters, digits, hyphens and underscores are taken.
 */

#include "base/error.h"
#include "base/span.h"

#define DOMAIN_TEXT_MAX 253 /* octets of one domain */

/* struct domain_list - in lower case, without the dot at the end, one blank between two of them.
 * Zeroed: empty. */
struct domain_list {
    char text[256];
};

/* domain_list_add - a name that is there already is not added again. ERR_INVALID: not a domain;
 * ERR_TRUNCATED: no room. On errors the list is unchanged. */
int domain_list_add(struct domain_list *list, struct span name) MUST_USE;

/* domain_list_next - the domain behind `after`, which came from this list (empty: the first one).
 * Empty: no more. Borrowed from the list. */
struct span domain_list_next(const struct domain_list *list, struct span after);

/* domain_list_sound - the list was made by domain_list_add(). For lists of other processes. */
bool domain_list_sound(const struct domain_list *list);

/* domain_list_covers - the name is one of the list or below it. */
bool domain_list_covers(const struct domain_list *list, struct span name);

static inline bool domain_list_empty(const struct domain_list *list)
{
    return list->text[0] == '\0';
}

#endif
