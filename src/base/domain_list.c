/* SPDX-License-Identifier: Apache-2.0 */
#include "base/domain_list.h"

#include <string.h>

#define LABEL_MAX 63

static char lower(uint8_t c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static bool plain(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

/* is_domain - without the dot at the end. A hyphen in front would look like an option. */
static bool is_domain(struct span name)
{
    size_t label = 0;
    for (size_t i = 0; i < name.len; i++) {
        bool dot = name.ptr[i] == '.';
        if (dot ? label == 0 : !plain(name.ptr[i]) || (label == 0 && name.ptr[i] == '-'))
            return false;
        label = dot ? 0 : label + 1;
        if (label > LABEL_MAX)
            return false;
    }
    return label > 0 && name.len <= DOMAIN_TEXT_MAX;
}

struct span domain_list_next(const struct domain_list *list, struct span after)
{
    const char *at = after.len == 0 ? list->text : (const char *)after.ptr + after.len;
    if (*at == ' ')
        at++;
    return span_of(at, strcspn(at, " "));
}

static bool listed(const struct domain_list *list, const char *name, size_t len)
{
    struct span one = {0};
    while ((one = domain_list_next(list, one)).len > 0)
        if (span_equal(one, span_of(name, len)))
            return true;
    return false;
}

int domain_list_add(struct domain_list *list, struct span name)
{
    char text[DOMAIN_TEXT_MAX];
    size_t used = strlen(list->text), blank = used > 0 ? 1 : 0;
    if (name.len > 1 && name.ptr[name.len - 1] == '.')
        name.len--;
    if (!is_domain(name))
        return ERR_INVALID;
    for (size_t i = 0; i < name.len; i++)
        text[i] = lower(name.ptr[i]);
    if (listed(list, text, name.len))
        return 0;
    if (used + blank + name.len >= sizeof(list->text))
        return ERR_TRUNCATED;
    if (blank != 0)
        list->text[used] = ' ';
    memcpy(list->text + used + blank, text, name.len);
    list->text[used + blank + name.len] = '\0';
    return 0;
}

bool domain_list_sound(const struct domain_list *list)
{
    struct domain_list again = {.text = ""};
    struct span one = {0};
    if (memchr(list->text, '\0', sizeof(list->text)) == NULL)
        return false;
    while ((one = domain_list_next(list, one)).len > 0)
        if (domain_list_add(&again, one) != 0)
            return false;
    return strcmp(again.text, list->text) == 0;
}

/* domain_within - `name` is `parent` or below it. Both come from lists. */
static bool domain_within(struct span name, struct span parent)
{
    if (name.len < parent.len ||
        memcmp(name.ptr + name.len - parent.len, parent.ptr, parent.len) != 0)
        return false;
    return name.len == parent.len || name.ptr[name.len - parent.len - 1] == '.';
}

bool domain_list_covers(const struct domain_list *list, struct span name)
{
    struct span one = {0};
    while ((one = domain_list_next(list, one)).len > 0)
        if (domain_within(name, one))
            return true;
    return false;
}
