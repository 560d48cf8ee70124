/* SPDX-License-Identifier: Apache-2.0 */
/* swanctl.conf needs no conversion. IKEv1 is removed, and keys with another meaning get a
 * remark. */
#include <stdio.h>
#include <strings.h>

#include "ctl/config_text.h"
#include "ctl/config_view.h"
#include "ctl/import.h"

/* of_ikev1 - why a connection is for IKEv1 only; NULL: it is not. */
static const char *of_ikev1(const struct tree *conn)
{
    static const char *const sides[] = {"local", "remote"};
    if (strcmp(config_text(conn, "version", "0"), "1") == 0)
        return "version = 1 is IKEv1, which ikat does not speak; move the peer to IKEv2";
    if (config_says(conn, "aggressive", false))
        return "aggressive mode is of IKEv1";
    for (size_t i = 0; i < 2; i++)
        for (unsigned n = 0; config_round(conn, sides[i], n) != NULL; n++)
            if (strncasecmp(config_text(config_round(conn, sides[i], n), "auth", ""), "xauth", 5) ==
                0)
                return "XAUTH is of IKEv1";
    return NULL;
}

static void remove_ikev1(struct import *import, struct tree *conns)
{
    char where[FINDING_WHERE];
    struct tree *next;
    for (struct tree *conn = conns->first; conn != NULL; conn = next) {
        const char *why = of_ikev1(conn);
        next = conn->next;
        if (why == NULL)
            continue;
        findings_add(&import->remarks, "refused", findings_where(conn, where),
                     "connection %.60s is left out: %s", conn->name, why);
        tree_remove(conns, conn);
    }
}

/* keys whose meaning is not quite charon's */
static const struct {
    const char *key, *value, *why; /* value NULL: any */
} differences[] = {
    {"dpd_delay", NULL,
     "an unanswered check ends an IKE SA after dpd_timeout, not after all "
     "retransmissions; see DEAD PEERS in ikat.conf(5)"},
    {"reauth_time", NULL,
     "the new login is made beside the old session, which goes once the new "
     "one carries the traffic"},
    {"start_action", "start",
     "without a VPN its packets are blocked from the start of ikatd on; "
     "on_failure = bypass lets them leave in the clear as before"},
    {"start_action", "trap",
     "its packets are blocked until the VPN is up, also while it cannot "
     "come up; on_failure = bypass lets them leave in the clear"},
    {"updown", NULL,
     "scripts must belong to root and lie in a certain folder, and PLUTO_INTERFACE is a TUN "
     "device; "
     "see updown in ikat.conf(5)"},
    {"if_id_in", NULL, "it names a TUN device of ikatd, not an XFRM interface; see ikat.conf(5)"},
    {"if_id_out", NULL, "it names a TUN device of ikatd, not an XFRM interface; see ikat.conf(5)"},
    {"mark_in", NULL, "it leads to a TUN device of its own; see ikat.conf(5)"},
    {"mark_out", NULL, "it leads to a TUN device of its own; see ikat.conf(5)"},
    {"per_cpu_sas", "yes", "ikatd spreads the load of one Child SA itself"},
};

static void tell_differences(struct import *import, const struct tree *section)
{
    char where[FINDING_WHERE];
    for (const struct tree *node = section->first; node != NULL; node = node->next) {
        if (node->kind == TREE_SECTION)
            tell_differences(import, node);
        for (size_t i = 0; i < sizeof(differences) / sizeof(differences[0]); i++)
            if (node->kind == TREE_VALUE && strcasecmp(node->name, differences[i].key) == 0 &&
                (differences[i].value == NULL ||
                 strcasecmp(tree_value_text(node), differences[i].value) == 0))
                findings_add(&import->remarks, "differs", findings_where(node, where), "%s",
                             differences[i].why);
    }
}

/* remove_templates - removes the sections from which others inherit. The reader has already copied
 * their keys to the heirs. */
static void remove_templates(struct tree *root)
{
    static const char *const real[] = {"connections", "secrets", "pools", "authorities"};
    struct tree *next;
    for (struct tree *top = root->first; top != NULL; top = next) {
        bool kept = false;
        next = top->next;
        for (size_t i = 0; i < sizeof(real) / sizeof(real[0]); i++)
            kept |= strcasecmp(top->name, real[i]) == 0;
        if (!kept && top->inherited)
            tree_remove(root, top);
    }
}

void import_swanctl(struct import *import)
{
    remove_templates(import->root);
    struct tree *conns = tree_get(import->root, "connections");
    if (conns == NULL)
        return;
    remove_ikev1(import, conns);
    tell_differences(import, conns);
}
