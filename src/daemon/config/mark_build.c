/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config/mark_build.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "control/values.h"
#include "daemon/common/inner_device.h"

static bool number32(const char *text, uint32_t *ret)
{
    uint64_t value;
    if (!value_u64(text, &value) || value > UINT32_MAX)
        return false;
    *ret = (uint32_t)value;
    return true;
}

/* mark_split - "value/mask" into its parts. Without a mask, all bits count. */
static bool mark_split(const char *text, char value[32], uint32_t *ret_mask)
{
    const char *slash = strchr(text, '/');
    size_t len = slash == NULL ? strlen(text) : (size_t)(slash - text);
    *ret_mask = UINT32_MAX;
    if (len >= 32)
        return false;
    memcpy(value, text, len);
    value[len] = '\0';
    return slash == NULL || number32(slash + 1, ret_mask);
}

static bool mark_parse(const char *text, struct ike_mark *ret)
{
    char value[32];
    struct ike_mark mark = {.kind = IKE_MARK_FIXED};
    if (!mark_split(text, value, &mark.mask))
        return false;
    if (strcasecmp(value, "%unique") == 0)
        mark.kind = IKE_MARK_UNIQUE;
    else if (strcasecmp(value, "%unique-dir") == 0)
        mark.kind = IKE_MARK_UNIQUE_DIR;
    else if (!number32(value, &mark.value))
        return false;
    /* "0" means no mark, for templates */
    bool none = mark.kind == IKE_MARK_FIXED && mark.value == 0 && strchr(text, '/') == NULL;
    *ret = none || mark.mask == 0 ? (struct ike_mark){.kind = IKE_MARK_NONE} : mark;
    return true;
}

int mark_build(const struct tree *node, struct ike_mark *ret, struct build_error *error)
{
    const char *text = tree_value_text(node);
    struct ike_mark mark = {.kind = IKE_MARK_NONE};
    if (text[0] != '\0' && !mark_parse(text, &mark))
        return build_fail(error, node,
                          "'%.60s' is not a mark (such as 42, 0x2a/0xff, %%unique, %%unique-dir)",
                          text);
    if (mark.kind == IKE_MARK_FIXED && (mark.value & ~mark.mask) != 0)
        return build_fail(error, node, "'%.60s' matches no packet: its mask leaves out bits of it",
                          text);
    *ret = mark;
    return 0;
}

int mark_set_build(const struct tree *node, struct ike_mark *ret, struct build_error *error)
{
    const char *text = tree_value_text(node);
    struct ike_mark mark = {.kind = IKE_MARK_NONE};
    bool same = strncasecmp(text, "%same", 5) == 0 && (text[5] == '\0' || text[5] == '/');
    if (same)
        mark.kind = IKE_MARK_SAME;
    else if (text[0] != '\0' && (!mark_parse(text, &mark) || mark.kind > IKE_MARK_FIXED))
        return build_fail(error, node,
                          "'%.60s' is not a mark to set (such as 42, 0x2a/0xff, %%same)", text);
    mark.value &= mark.mask;
    *ret = mark;
    return 0;
}

int if_id_build(const struct tree *node, struct ike_mark *ret, struct build_error *error)
{
    const char *text = tree_value_text(node);
    struct ike_mark id = {.kind = IKE_MARK_NONE};
    if (text[0] != '\0' && (strchr(text, '/') != NULL || !mark_parse(text, &id)))
        return build_fail(error, node,
                          "'%.60s' is not the id of an interface (such as 42, %%unique, "
                          "%%unique-dir)",
                          text);
    *ret = id;
    return 0;
}

int device_name_build(const struct tree *node, char ret_name[16], struct build_error *error)
{
    const char *text = tree_value_text(node);
    struct inner_device device = {.mask_out = 0};
    if (text[0] == '\0')
        return 0;
    if (strlen(text) < sizeof(device.name))
        memcpy(device.name, text, strlen(text));
    if (!inner_device_sound(&device))
        return build_fail(error, node, "'%.60s' is not a name that an interface can have", text);
    memcpy(ret_name, device.name, sizeof(device.name));
    return 0;
}

int routes_build(const struct tree *node, enum ike_routes *ret_routes, struct build_error *error)
{
    const char *text = tree_value_text(node);
    bool yes = true;
    if (text[0] == '\0')
        return 0;
    if (!value_bool(text, &yes))
        return build_fail(error, node, "'%.60s' is not yes or no", text);
    *ret_routes = yes ? IKE_ROUTES_YES : IKE_ROUTES_NO;
    return 0;
}

static bool mark_given(const struct ike_mark *mark)
{
    return mark->kind != IKE_MARK_NONE;
}

static bool is_shunt(const struct ike_child_policy *policy)
{
    return policy->mode == IKE_MODE_PASS || policy->mode == IKE_MODE_DROP;
}

/* names_check - a device of marks has a name that the kernel accepts. */
static int names_check(const struct tree *section, const struct ike_child_policy *policy,
                       struct build_error *error)
{
    struct inner_marks marks;
    struct inner_device out, in;
    int why = 0;
    bool dir =
        policy->mark_in.kind == IKE_MARK_UNIQUE_DIR || policy->mark_out.kind == IKE_MARK_UNIQUE_DIR;
    const struct inner_unique longest = {.mark_in = INNER_UNIQUE_MAX - dir,
                                         .mark_out = INNER_UNIQUE_MAX,
                                         .if_id_in = INNER_UNIQUE_MAX,
                                         .if_id_out = INNER_UNIQUE_MAX};
    bool unique = inner_has_unique(policy);
    inner_marks_of(policy, unique ? &longest : NULL, &marks);
    bool own = inner_devices_of(policy, &marks, &out, &in, &why);
    if (unique && own && why != 0)
        return build_fail(error, key_node(section, "mark_out"),
                          "devices of these marks would have names of more than 15 characters");
    if (own && why != 0)
        return build_fail(error, key_node(section, "mark_out"),
                          "the device of these marks needs a name: 'device = NAME', with at most "
                          "15 characters");
    return 0;
}

static int marks_check(const struct tree *section, const struct ike_child_policy *policy,
                       struct build_error *error)
{
    bool marks = mark_given(&policy->mark_in) || mark_given(&policy->mark_out) ||
                 mark_given(&policy->set_mark_in);
    bool ids = mark_given(&policy->if_id_in) || mark_given(&policy->if_id_out);
    if ((marks || ids || policy->device[0] != '\0') && is_shunt(policy))
        return build_fail(error, key_node(section, "mode"),
                          "pass and drop have no device: marks, if_id and device are of tunnels");
    if (marks && ids)
        return build_fail(error,
                          key_node(section, mark_given(&policy->mark_out) ? "mark_out" : "mark_in"),
                          "marks and if_id both choose the device of a child: one of them only");
    if (mark_given(&policy->if_id_in) != mark_given(&policy->if_id_out))
        return build_fail(
            error, key_node(section, mark_given(&policy->if_id_in) ? "if_id_in" : "if_id_out"),
            "if_id_in and if_id_out are given together, or neither");
    if (policy->device[0] != '\0' && (ids || inner_has_unique(policy)))
        return build_fail(error, key_node(section, "device"),
                          "names one device: if_id and %%unique have names of their own");
    return names_check(section, policy, error);
}

/* defaults_apply - shunts have no device. */
static void defaults_apply(struct ike_child_policy *policy, const struct mark_defaults *defaults)
{
    if (is_shunt(policy))
        return;
    if (!mark_given(&policy->if_id_in))
        policy->if_id_in = defaults->if_id_in;
    if (!mark_given(&policy->if_id_out))
        policy->if_id_out = defaults->if_id_out;
    if (policy->device[0] == '\0')
        memcpy(policy->device, defaults->device, sizeof(policy->device));
    if (policy->routes == IKE_ROUTES_DEFAULT)
        policy->routes = defaults->routes;
    if (policy->routes == IKE_ROUTES_DEFAULT)
        policy->routes = mark_given(&policy->if_id_out) ? IKE_ROUTES_NO : IKE_ROUTES_YES;
}

int marks_finish(const struct tree *section, struct ike_conn *conn,
                 const struct mark_defaults *defaults, struct build_error *error)
{
    const struct tree *children = tree_get(section, "children");
    int first = 0;
    for (uint8_t i = 0; i < conn->n_children; i++) {
        struct ike_child_policy *policy = &conn->children[i];
        const struct tree *child = children == NULL ? NULL : tree_get(children, policy->name);
        defaults_apply(policy, defaults);
        if (!build_goes_on(error, marks_check(child == NULL ? section : child, policy, error),
                           &first))
            break;
    }
    return first;
}
