/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A child with `inactivity` ends when none of its Child SAs carried a packet for that long. It ends
 * on all paths at once: a Child SA on standby is idle while another one carries the traffic. The
 * next wish for the child creates it again.
 */
#include "multipath/vpn.h"

#define AGAIN_NS NANOS_PER_SEC /* there was no room for the order */

static nanos later(nanos a, nanos b)
{
    return a > b ? a : b;
}

nanos idle_since(const struct vpn *vpn, const struct bearer *bearer)
{
    const struct path_traffic *traffic = &vpn->pm->options.traffic;
    nanos in_ns = 0, out_ns = 0;
    if (traffic->child == NULL || !traffic->child(traffic->context, bearer->id, &in_ns, &out_ns))
        return bearer->since_ns;
    return later(bearer->since_ns, later(in_ns, out_ns));
}

/* child_end - orders the deletion. false: not all orders had room. */
static bool child_end(struct vpn *vpn, uint8_t policy)
{
    bool all = true;
    vpn->wish.children &= ~(UINT32_C(1) << policy);
    for (unsigned i = 0; i < vpn->session.n_bearers; i++) {
        struct bearer *bearer = &vpn->bearers[i];
        struct ike_command command = {.kind = IKE_CMD_DELETE_CHILD, .child_id = bearer->id};
        if (bearer->policy != policy || bearer->ending)
            continue;
        bearer->ending = command_add(vpn, &command) != 0;
        all &= bearer->ending;
    }
    return all;
}

nanos idle_settle(struct vpn *vpn, nanos now)
{
    nanos at = NANOS_NEVER;
    for (uint8_t policy = 0; policy < vpn->conn->n_children; policy++) {
        nanos limit = vpn->conn->children[policy].inactivity_ns, used = 0;
        bool any = false;
        for (unsigned i = 0; limit > 0 && i < vpn->session.n_bearers; i++) {
            const struct bearer *bearer = &vpn->bearers[i];
            if (bearer->policy != policy || bearer->ending)
                continue;
            used = later(used, idle_since(vpn, bearer));
            any = true;
        }
        if (!any)
            continue;
        nanos ends = nanos_after(used, limit);
        if (ends <= now)
            ends = child_end(vpn, policy) ? NANOS_NEVER : nanos_after(now, AGAIN_NS);
        at = nanos_min(at, ends);
    }
    return at;
}
