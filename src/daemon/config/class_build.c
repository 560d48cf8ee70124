/* SPDX-License-Identifier: Apache-2.0 */
/* Classes of traffic: the section `classes` of a connection. */
#include <stddef.h>
#include <stdio.h>
#include <strings.h>

#include "control/values.h"
#include "daemon/config/conn_keys.h"
#include "daemon/config/selectors.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* struct class_work - the class, and the keys that were given. */
struct class_work {
    struct traffic_class class;
    struct ike_class_paths paths;
    bool priority;
};

/* --- values --- */

/* range_read - reads "5" or "5-9". NULL: fine, otherwise the fault. */
static const char *range_read(const char *text, uint64_t most, uint64_t *ret_first,
                              uint64_t *ret_last)
{
    char copy[48];
    if (strlen(text) >= sizeof(copy))
        return "is too long";
    strcpy(copy, text);
    char *dash = strchr(copy, '-');
    if (dash != NULL)
        *dash = '\0';
    if (!value_u64(copy, ret_first) || !value_u64(dash == NULL ? copy : dash + 1, ret_last))
        return "is not a number, nor a range as 1-9";
    if (*ret_first > *ret_last || *ret_last > most)
        return "is too large, or the larger number comes first";
    return NULL;
}

static int set_ports(const struct tree *node, struct number_range *range, struct build_error *error)
{
    char text[48];
    if (strlen(tree_value_text(node)) >= sizeof(text))
        return build_fail(error, node, "too long for ports");
    strcpy(text, tree_value_text(node));
    const char *why = ts_ports(text, &range->first, &range->last);
    if (why == NULL && range->first > range->last)
        why = "a class takes no opaque ports";
    return why == NULL ? 0 : build_fail(error, node, "'%.40s': %s", tree_value_text(node), why);
}

static int set_local_port(const struct tree *node, void *target, struct build_error *error)
{
    return set_ports(node, &((struct class_work *)target)->class.local_port, error);
}

static int set_remote_port(const struct tree *node, void *target, struct build_error *error)
{
    return set_ports(node, &((struct class_work *)target)->class.remote_port, error);
}

static int set_protocol(const struct tree *node, void *target, struct build_error *error)
{
    struct class_work *work = target;
    const char *why = ts_protocol(tree_value_text(node), &work->class.protocol);
    return why == NULL ? 0 : build_fail(error, node, "'%.40s': %s", tree_value_text(node), why);
}

static int add_remote_ts(const struct tree *node, const char *text, void *target,
                         struct build_error *error)
{
    struct traffic_class *class = &((struct class_work *)target)->class;
    if (class->n_remote == LIMIT_CLASS_RANGES)
        return build_fail(error, node, "more than %d networks", LIMIT_CLASS_RANGES);
    if (!range_parse(text, &class->remote[class->n_remote]))
        return build_fail(error, node, "'%.60s' is not an address, a network or a range", text);
    class->n_remote++;
    return 0;
}

static int set_remote_ts(const struct tree *node, void *target, struct build_error *error)
{
    return key_for_items(node, target, error, add_remote_ts);
}

static bool dscp_named(const char *text, uint64_t *ret_value)
{
    static const struct {
        const char *name;
        uint8_t value;
    } names[] = {
        {"be", 0},    {"le", 1},    {"ef", 46},   {"va", 44},   {"cs0", 0},   {"cs1", 8},
        {"cs2", 16},  {"cs3", 24},  {"cs4", 32},  {"cs5", 40},  {"cs6", 48},  {"cs7", 56},
        {"af11", 10}, {"af12", 12}, {"af13", 14}, {"af21", 18}, {"af22", 20}, {"af23", 22},
        {"af31", 26}, {"af32", 28}, {"af33", 30}, {"af41", 34}, {"af42", 36}, {"af43", 38},
    };
    for (size_t i = 0; i < LEN(names); i++)
        if (strcasecmp(names[i].name, text) == 0) {
            *ret_value = names[i].value;
            return true;
        }
    return value_u64(text, ret_value);
}

static int add_dscp(const struct tree *node, const char *text, void *target,
                    struct build_error *error)
{
    uint64_t value;
    if (!dscp_named(text, &value) || value > 63)
        return build_fail(error, node, "'%.40s' is not a DSCP: 0 to 63, or a name such as ef",
                          text);
    ((struct class_work *)target)->class.dscp |= UINT64_C(1) << value;
    return 0;
}

static int set_dscp(const struct tree *node, void *target, struct build_error *error)
{
    return key_for_items(node, target, error, add_dscp);
}

static int set_size(const struct tree *node, void *target, struct build_error *error)
{
    struct class_work *work = target;
    uint64_t first, last;
    const char *why = range_read(tree_value_text(node), UINT16_MAX, &first, &last);
    if (why != NULL)
        return build_fail(error, node, "'%.40s' %s", tree_value_text(node), why);
    work->class.size = (struct number_range){(uint16_t)first, (uint16_t)last};
    return 0;
}

static int set_priority(const struct tree *node, void *target, struct build_error *error)
{
    struct class_work *work = target;
    uint64_t first, last;
    const char *why = range_read(tree_value_text(node), UINT32_MAX, &first, &last);
    if (why != NULL)
        return build_fail(error, node, "'%.40s' %s", tree_value_text(node), why);
    work->paths.first_priority = (uint32_t)first;
    work->paths.last_priority = (uint32_t)last;
    work->priority = true;
    return 0;
}

static int add_path(const struct tree *node, const char *text, void *target,
                    struct build_error *error)
{
    struct ike_class_paths *paths = &((struct class_work *)target)->paths;
    if (paths->n_paths == POLICY_CLASS_PATHS)
        return build_fail(error, node, "more than %d paths", POLICY_CLASS_PATHS);
    if (text[0] == '\0' || strlen(text) >= LIMIT_NAME)
        return build_fail(error, node, "'%.40s' is not the name of a path or interface", text);
    strcpy(paths->paths[paths->n_paths++], text);
    return 0;
}

static int set_paths(const struct tree *node, void *target, struct build_error *error)
{
    return key_for_items(node, target, error, add_path);
}

static int set_multipath(const struct tree *node, void *target, struct build_error *error)
{
    const char *text = tree_value_text(node);
    if (strcasecmp(text, "redundant") != 0)
        return build_fail(error, node, "'%.40s': of a class only 'redundant' is possible", text);
    ((struct class_work *)target)->class.redundant = true;
    return 0;
}

static const struct key class_keys[] = {
    {.name = "protocol", .kind = KEY_FUNCTION, .function = set_protocol},
    {.name = "local_port", .kind = KEY_FUNCTION, .function = set_local_port},
    {.name = "remote_port", .kind = KEY_FUNCTION, .function = set_remote_port},
    {.name = "remote_ts", .kind = KEY_FUNCTION, .function = set_remote_ts},
    {.name = "dscp", .kind = KEY_FUNCTION, .function = set_dscp},
    {.name = "size", .kind = KEY_FUNCTION, .function = set_size},
    {.name = "paths", .kind = KEY_FUNCTION, .function = set_paths},
    {.name = "priority", .kind = KEY_FUNCTION, .function = set_priority},
    {.name = "multipath", .kind = KEY_FUNCTION, .function = set_multipath},
    {.name = "strict", .kind = KEY_BOOL, .offset = offsetof(struct class_work, class.strict)},
};

/* --- a class --- */

static bool has_ports(uint8_t protocol)
{
    return protocol == 0 || protocol == 6 || protocol == 17 || protocol == 132 || protocol == 136;
}

static int check(const struct tree *node, const struct class_work *work, struct build_error *error)
{
    const struct traffic_class *class = &work->class;
    bool ports = !number_any(class->local_port) || !number_any(class->remote_port);
    if (ports && !has_ports(class->protocol))
        return build_fail(error, key_node(node, "protocol"), "this protocol has no ports");
    if (work->paths.n_paths > 0 && work->priority)
        return build_fail(error, key_node(node, "priority"), "'paths' names them already");
    if (class->strict && work->paths.n_paths == 0 && !work->priority)
        return build_fail(error, key_node(node, "strict"), "to which paths? 'paths' is missing");
    if (class->strict && class->redundant)
        return build_fail(error, key_node(node, "strict"),
                          "not with 'redundant': lost packets are sent again on any path");
    return 0;
}

static int class_build(const struct tree *node, struct ike_conn *conn, struct build_error *error)
{
    static const struct key_table table = {class_keys, LEN(class_keys), NULL, NULL};
    if (node->kind != TREE_SECTION)
        return build_fail(error, node, "a section per class is expected: %.40s { dscp = ... }",
                          node->name);
    if (conn->n_classes == POLICY_CLASSES)
        return build_fail(error, node, "more than %d classes", POLICY_CLASSES);
    struct class_work work;
    memset(&work, 0, sizeof(work));
    work.class.local_port = work.class.remote_port = work.class.size = NUMBER_ANY;
    work.paths.last_priority = UINT32_MAX;
    int err = key_name_copy(node, work.paths.name, error);
    if (err == 0)
        err = keys_apply(&table, node, &work, error);
    if (err == 0)
        err = check(node, &work, error);
    if (err != 0)
        return err;
    conn->classes[conn->n_classes] = work.class;
    conn->class_paths[conn->n_classes++] = work.paths;
    return 0;
}

int classes_build(const struct tree *section, struct ike_conn *conn, struct build_error *error)
{
    int err = 0;
    for (const struct tree *node = section->first; err == 0 && node != NULL; node = node->next)
        err = class_build(node, conn, error);
    return err;
}

/* --- the connection --- */

/* path_named - a path of the connection can have that name. The interfaces of a section with `auto`
 * are not known yet. */
static bool path_named(const struct ike_conn *conn, const char *name)
{
    bool open = conn->n_paths == 0;
    for (uint8_t i = 0; i < conn->n_paths; i++) {
        const struct ike_path_policy *path = &conn->paths[i];
        if (strcmp(path->name, name) == 0 || strcmp(path->interface, name) == 0)
            return true;
        open |= strcmp(path->interface, "auto") == 0;
    }
    return open;
}

int classes_check(const struct tree *section, const struct ike_conn *conn,
                  struct build_error *error)
{
    const struct tree *classes = tree_get(section, "classes");
    for (uint8_t i = 0; i < conn->n_classes; i++) {
        const struct ike_class_paths *class = &conn->class_paths[i];
        const struct tree *node = classes == NULL ? NULL : tree_get(classes, class->name);
        for (uint8_t k = 0; k < class->n_paths; k++)
            if (!path_named(conn, class->paths[k]))
                return build_fail(error, node == NULL ? section : key_node(node, "paths"),
                                  "no path is called '%.40s'", class->paths[k]);
    }
    return 0;
}
