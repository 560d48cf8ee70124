/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/config_view.h"

#include <stdio.h>
#include <strings.h>

#include "control/values.h"

const struct tree *config_key(const struct tree *section, const char *name)
{
    const struct tree *node = section == NULL ? NULL : section->first;
    while (node != NULL && strcasecmp(node->name, name) != 0)
        node = node->next;
    return node;
}

const char *config_text(const struct tree *section, const char *name, const char *otherwise)
{
    const struct tree *node = config_key(section, name);
    const char *text = node == NULL ? "" : tree_value_text(node);
    return text[0] == '\0' ? otherwise : text;
}

bool config_says(const struct tree *section, const char *name, bool otherwise)
{
    bool value = otherwise;
    return value_bool(config_text(section, name, ""), &value) ? value : otherwise;
}

const struct tree *config_round(const struct tree *conn, const char *prefix, unsigned index)
{
    for (const struct tree *node = conn->first; node != NULL; node = node->next)
        if (node->kind == TREE_SECTION && strncasecmp(node->name, prefix, strlen(prefix)) == 0 &&
            index-- == 0)
            return node;
    return NULL;
}

/* has_peer - remote_addrs has an address or a name that this end can call. */
static bool has_peer(const struct tree *conn)
{
    struct tree *items = tree_items(config_key(conn, "remote_addrs"));
    bool found = false;
    struct address_range range;
    for (const struct tree *item = items == NULL ? NULL : items->first; item != NULL;
         item = item->next) {
        const char *text = tree_value_text(item);
        bool network = range_parse(text, &range) && !address_equal(&range.first, &range.last);
        found |=
            !network && text[0] != '%' && strcmp(text, "0.0.0.0") != 0 && strcmp(text, "::") != 0;
    }
    tree_free(items);
    return found;
}

static bool is_shunt(const struct tree *child)
{
    const char *mode = config_text(child, "mode", "tunnel");
    return strcasecmp(mode, "pass") == 0 || strcasecmp(mode, "drop") == 0;
}

enum config_role config_role(const struct tree *conn)
{
    const struct tree *children = config_key(conn, "children");
    bool shunts = children != NULL && children->first != NULL;
    for (const struct tree *child = shunts ? children->first : NULL; child != NULL;
         child = child->next)
        shunts &= is_shunt(child);
    if (shunts)
        return CONFIG_SHUNTS;
    if (!has_peer(conn))
        return CONFIG_GATEWAY;
    return config_text(conn, "vips", "")[0] != '\0' ? CONFIG_END_USER : CONFIG_SITE;
}

const char *config_role_name(enum config_role role)
{
    static const char *const names[] = {"end-user", "gateway", "site", "shunts"};
    return names[role];
}

bool config_forwards(const struct tree *child)
{
    struct tree *items = tree_items(config_key(child, "local_ts"));
    struct address_range range;
    bool forwards = false;
    for (const struct tree *item = items == NULL ? NULL : items->first; item != NULL;
         item = item->next)
        forwards |=
            config_ts(tree_value_text(item), &range) && !address_equal(&range.first, &range.last);
    tree_free(items);
    return forwards && !is_shunt(child) &&
           strcasecmp(config_text(child, "mode", ""), "transport") != 0;
}

bool config_ts(const char *text, struct address_range *ret_range)
{
    char address[RANGE_TEXT_MAX];
    size_t len = strcspn(text, "[");
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
        len--;
    if (len >= sizeof(address))
        return false;
    (void)snprintf(address, sizeof(address), "%.*s", (int)len, text);
    return range_parse(address, ret_range);
}

bool config_pool_range(const struct tree *pool, struct address_range *ret_range)
{
    return range_parse(config_text(pool, "addrs", ""), ret_range);
}

bool config_glob(const char *pattern, const char *text)
{
    const char *star = NULL, *again = NULL;
    while (*text != '\0') {
        if (*pattern == '*') {
            star = pattern++;
            again = text;
        } else if (*pattern != '\0' && strncasecmp(pattern, text, 1) == 0) {
            pattern++;
            text++;
        } else if (star != NULL) { /* try again, with one more character for the last * */
            pattern = star + 1;
            text = ++again;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}
