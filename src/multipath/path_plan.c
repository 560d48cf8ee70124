/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which paths an End User wants: the path sections of the connection, combined with the links of
 * the host and the addresses of the peer. A path keeps its place in the plan while an IKE SA serves
 * it. The other paths are planned anew after every change.
 *
 * Without a session it is not known which address of the peer answers. So there is a path from each
 * link to each address. The first addresses come first; with a session, `mesh` says which paths stay.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "multipath/vpn.h"

static const struct path_link *link_named(const struct path_manager *pm, const char *name)
{
    for (size_t i = 0; i < pm->n_links; i++)
        if (strcmp(pm->links[i].name, name) == 0)
            return &pm->links[i];
    return NULL;
}

static const struct ike_path_policy *policy_of(const struct vpn *vpn, int policy)
{
    return policy < 0 ? NULL : &vpn->conn->paths[policy];
}

/* local_named - local_addrs of the connection has this address, or is empty. */
static bool local_named(const struct vpn *vpn, const struct address *local)
{
    bool restricted = false;
    for (uint8_t i = 0; i < vpn->conn->n_local_addrs; i++) {
        const struct ike_remote *own = &vpn->conn->local_addrs[i];
        if (own->range.first.family == ADDRESS_NONE || range_contains(&own->range, local))
            return true; /* %any, or a name */
        restricted = true;
    }
    return !restricted;
}

static bool local_allowed(const struct vpn *vpn, const struct ike_path_policy *policy,
                          const struct address *local)
{
    if (policy != NULL && policy->n_local > 0) {
        for (uint8_t i = 0; i < policy->n_local; i++)
            if (address_equal(&policy->local[i], local))
                return true;
        return false;
    }
    /* A connection's own addresses are meant for its first path; sections name theirs. A session
     * that can move is better off on another address than without one. */
    return policy != NULL || local_named(vpn, local) ||
           (vpn->session.id != 0 && vpn->session.mobike);
}

static bool remote_allowed(const struct ike_path_policy *policy, const struct address *remote)
{
    if (policy == NULL || policy->n_remote == 0)
        return true;
    for (uint8_t i = 0; i < policy->n_remote; i++)
        if (address_equal(&policy->remote[i], remote))
            return true;
    return false;
}

/* prefix_len - leading bits that all addresses of the range share. */
static unsigned prefix_len(const struct address_range *range)
{
    unsigned n = 0;
    for (size_t i = 0; i < address_len(&range->first); i++)
        for (unsigned bit = 8; bit-- > 0; n++)
            if (((range->first.octets[i] ^ range->last.octets[i]) >> bit & 1) != 0)
                return n;
    return n;
}

/* route_to - *ret_cost orders routes as the kernel does: longest prefix, then lowest metric. */
static bool route_to(const struct path_link *link, const struct address *remote, uint64_t *ret_cost)
{
    bool found = false;
    for (uint8_t i = 0; i < link->n_routes && i < PATH_LINK_ROUTES; i++) {
        const struct path_route *route = &link->routes[i];
        if (!range_contains(&route->destination, remote))
            continue;
        uint64_t cost = (uint64_t)(128 - prefix_len(&route->destination)) << 32 | route->metric;
        if (!found || cost < *ret_cost)
            *ret_cost = cost;
        found = true;
    }
    return found;
}

/* source_on - our address for `remote` on this link. The connection's own addresses come first,
 * then `kept`, if it is still valid. */
static bool source_on(const struct vpn *vpn, const struct ike_path_policy *policy,
                      const struct path_link *link, const struct address *remote,
                      struct address *kept, uint64_t *ret_cost)
{
    uint64_t cost = 0;
    if (!link->up || !remote_allowed(policy, remote) || !route_to(link, remote, &cost))
        return false;
    const struct address *best = NULL;
    unsigned best_rank = 0;
    for (uint8_t i = 0; i < link->n_addresses && i < PATH_LINK_ADDRESSES; i++) {
        const struct address *own = &link->addresses[i];
        if (own->family != remote->family || !local_allowed(vpn, policy, own) ||
            (address_is_link_local(own) && !address_is_link_local(remote)))
            continue;
        unsigned rank = 1;
        if (address_equal(own, kept))
            rank += 1;
        if (policy != NULL || local_named(vpn, own))
            rank += 2;
        if (rank > best_rank) {
            best = own;
            best_rank = rank;
        }
    }
    if (best == NULL)
        return false;
    *kept = *best;
    *ret_cost = cost;
    return true;
}

static bool own_inner(const struct ike_session_info *info, const struct address *address)
{
    for (uint8_t i = 0; i < info->config.n_addresses; i++)
        if (address_equal(&info->config.addresses[i], address))
            return true;
    return false;
}

void wanted_remotes(struct vpn *vpn, const struct address *more, size_t n)
{
    struct ike_session_info info = {0};
    const struct path_view *view = &vpn->pm->options.view;
    if (vpn->session.id != 0 && !view->session(view->context, vpn->session.id, &info))
        info = (struct ike_session_info){0};
    vpn->n_remotes = vpn->n_own_remotes;
    for (size_t i = 0; i < n && vpn->n_remotes < REMOTES_MAX; i++) {
        bool known = false;
        for (uint8_t k = 0; k < vpn->n_remotes; k++)
            known |= address_equal(&vpn->gateway->remotes[k], &more[i]);
        /* M9: what the peer announces may be nonsense, or an address inside the VPN */
        if (!known && !own_inner(&info, &more[i]) &&
            (address_usable_outer(&more[i], false) ||
             address_is_loopback(&vpn->gateway->remotes[0])))
            vpn->gateway->remotes[vpn->n_remotes++] = more[i];
    }
}

bool wanted_place_there(const struct path_manager *pm, const struct ike_path *at)
{
    for (size_t i = 0; i < pm->n_links; i++) {
        const struct path_link *link = &pm->links[i];
        uint64_t cost;
        if (!link->up || (at->interface != 0 && link->index != at->interface) ||
            !route_to(link, &at->remote.address, &cost))
            continue;
        for (uint8_t k = 0; k < link->n_addresses && k < PATH_LINK_ADDRESSES; k++)
            if (address_equal(&link->addresses[k], &at->local.address))
                return true;
    }
    return false;
}

bool wanted_at_home(const struct path *path, const struct ike_path *at)
{
    return (at->interface == 0 || at->interface == path->link) &&
           address_equal(&at->local.address, &path->local) &&
           address_equal(&at->remote.address, &path->remote);
}

/* refresh - sets whether the path exists now. */
static void refresh(struct vpn *vpn, struct path *path, nanos now)
{
    const struct path_link *link = link_named(vpn->pm, path->interface);
    bool was = path->present;
    path->link = link == NULL ? 0 : link->index;
    path->present = link != NULL && source_on(vpn, policy_of(vpn, path->policy), link,
                                              &path->remote, &path->local, &path->cost);
    if (path->present && path->policy < 0)
        path->priority = local_named(vpn, &path->local) ? 1 : 2;
    if (path->present && !was) {
        path->present_ns = now;
        path->use.test_at_ns = now;
        /* A path that failed may work now. But a flapping link must not cause a storm of
         * attempts. */
        if (path->use.failures > 0)
            path->use.retry_ns = nanos_min(path->use.retry_ns, now + RETRY_MIN_NS);
    }
    if (!path->present && was) {
        path->use.answers_since_ns = 0;
        path->losses += path->use.line != 0;
    }
}

static bool begun(const struct path *path)
{
    return path->use.line != 0 || path->use.clone_tag != 0 || path->login.tag != 0 ||
           path->use.test_tag != 0;
}

struct plan {
    unsigned n;
    struct path paths[LIMIT_SESSION_PATHS];
    int from[LIMIT_SESSION_PATHS]; /* index in the old plan; -1: new */
};

static bool taken_from(const struct plan *plan, int old)
{
    for (unsigned i = 0; i < plan->n; i++)
        if (plan->from[i] == old)
            return true;
    return false;
}

static void plan_keep(const struct vpn *vpn, struct plan *plan, unsigned old)
{
    plan->paths[plan->n] = vpn->paths[old];
    plan->from[plan->n++] = (int)old;
}

static unsigned plan_count(const struct plan *plan, int policy, const char *interface)
{
    unsigned n = 0;
    for (unsigned i = 0; i < plan->n; i++)
        n += plan->paths[i].policy == policy &&
             (interface == NULL || strcmp(plan->paths[i].interface, interface) == 0);
    return n;
}

static bool plan_has(const struct plan *plan, int policy, const char *interface,
                     const struct address *remote)
{
    for (unsigned i = 0; i < plan->n; i++) {
        const struct path *path = &plan->paths[i];
        if (path->policy == policy && strcmp(path->interface, interface) == 0 &&
            address_equal(&path->remote, remote))
            return true;
    }
    return false;
}

static void name_path(const struct vpn *vpn, unsigned nth, struct path *path)
{
    const struct ike_path_policy *policy = policy_of(vpn, path->policy);
    bool by_link = policy == NULL || strcmp(policy->interface, "auto") == 0;
    const char *base = by_link ? path->interface : policy->name;
    if (nth == 0)
        (void)snprintf(path->name, sizeof(path->name), "%s", base);
    else
        (void)snprintf(path->name, sizeof(path->name), "%.50s-%u", base, nth + 1);
}

static unsigned remote_rank(const struct vpn *vpn, const struct address *remote)
{
    unsigned rank = 0;
    while (rank < vpn->n_remotes && !address_equal(&vpn->gateway->remotes[rank], remote))
        rank++;
    return rank;
}

struct path wanted_path(const struct vpn *vpn, int policy_index, const char *interface,
                        const struct address *remote)
{
    const struct ike_path_policy *policy = policy_of(vpn, policy_index);
    struct path path = {
        .policy = policy_index,
        .remote = *remote,
        .priority = policy == NULL ? 1 : policy->priority,
        .weight = policy == NULL || policy->weight == 0 ? 1 : policy->weight,
        .metered = policy != NULL && policy->metered,
        .state = PATH_DOWN,
    };
    (void)snprintf(path.interface, sizeof(path.interface), "%s", interface);
    return path;
}

static void plan_add(const struct vpn *vpn, struct plan *plan, int policy_index,
                     const char *interface, const struct address *remote)
{
    bool later = plan_count(plan, policy_index, interface) > 0;
    if (plan->n == LIMIT_SESSION_PATHS || plan_has(plan, policy_index, interface, remote))
        return;
    for (unsigned i = 0; i < vpn->n_paths; i++) {
        const struct path *old = &vpn->paths[i];
        if (old->policy == policy_index && strcmp(old->interface, interface) == 0 &&
            address_equal(&old->remote, remote) && !taken_from(plan, (int)i)) {
            plan_keep(vpn, plan, i);
            plan->paths[plan->n - 1].login.later = later;
            return;
        }
    }
    struct path path = wanted_path(vpn, policy_index, interface, remote);
    path.login.later = later;
    name_path(vpn, plan_count(plan, policy_index, interface), &path);
    plan->from[plan->n] = -1;
    plan->paths[plan->n++] = path;
}

/* reachable - the link has a route and a source address for the remote. */
static bool reachable(const struct vpn *vpn, int policy, const struct path_link *link,
                      const struct address *remote)
{
    struct address ignored = {0};
    uint64_t cost;
    return source_on(vpn, policy_of(vpn, policy), link, remote, &ignored, &cost);
}

/* plan_full - each link has a path to each remote address. */
static bool plan_full(const struct vpn *vpn)
{
    return vpn->conn->mesh == IKE_MESH_FULL || vpn->session.id == 0;
}

/* answers_at - place of the remote address at which the session is; 0: there is no session. */
static unsigned answers_at(const struct vpn *vpn)
{
    if (vpn->session.id == 0 || vpn->session.n_legs == 0)
        return 0;
    unsigned rank = remote_rank(vpn, &vpn->legs[0].at.remote.address);
    return rank < vpn->n_remotes ? rank : 0;
}

/* plan_link - plans the path of one policy over one link. With plan_full(), one round for each
 * remote address: every link gets one path before any gets two. */
static void plan_link(const struct vpn *vpn, struct plan *plan, int policy,
                      const struct path_link *link, unsigned round)
{
    if (plan_full(vpn)) {
        if (round < vpn->n_remotes && reachable(vpn, policy, link, &vpn->gateway->remotes[round]))
            plan_add(vpn, plan, policy, link->name, &vpn->gateway->remotes[round]);
        return;
    }
    if (plan_count(plan, policy, link->name) > 0)
        return;
    unsigned start = vpn->conn->mesh == IKE_MESH_PAIRS ? plan->n : answers_at(vpn);
    for (unsigned i = 0; i < vpn->n_remotes; i++) {
        const struct address *remote = &vpn->gateway->remotes[(start + i) % vpn->n_remotes];
        if (!reachable(vpn, policy, link, remote))
            continue;
        plan_add(vpn, plan, policy, link->name, remote);
        return;
    }
}

static bool named_elsewhere(const struct vpn *vpn, const char *interface)
{
    for (uint8_t i = 0; i < vpn->conn->n_paths; i++)
        if (strcmp(vpn->conn->paths[i].interface, interface) == 0)
            return true;
    return false;
}

static void plan_policy(const struct vpn *vpn, struct plan *plan, int index, unsigned round)
{
    const struct ike_path_policy *policy = policy_of(vpn, index);
    bool any = policy == NULL || strcmp(policy->interface, "auto") == 0;
    bool by_address = !any && policy->interface[0] == '\0';
    for (size_t i = 0; i < vpn->pm->n_links; i++) {
        const struct path_link *link = &vpn->pm->links[i];
        bool fits = any ? !named_elsewhere(vpn, link->name)
                        : by_address || strcmp(link->name, policy->interface) == 0;
        bool elsewhere = by_address && plan_count(plan, index, link->name) == 0 &&
                         plan_count(plan, index, NULL) > 0;
        if (fits && !elsewhere)
            plan_link(vpn, plan, index, link, round);
    }
}

/* plan_absent - a section keeps its path in status while its interface does not exist. */
static void plan_absent(const struct vpn *vpn, struct plan *plan)
{
    for (uint8_t i = 0; i < vpn->conn->n_paths; i++) {
        const char *interface = vpn->conn->paths[i].interface;
        if (strcmp(interface, "auto") != 0 && plan_count(plan, i, NULL) == 0 && vpn->n_remotes > 0)
            plan_add(vpn, plan, i, interface, &vpn->gateway->remotes[plan->n % vpn->n_remotes]);
    }
}

/* plan_remotes - mesh = pairs: gives a path to remote addresses without one, if the peer has more
 * addresses than we have links. */
static void plan_remotes(const struct vpn *vpn, struct plan *plan)
{
    if (vpn->conn->mesh != IKE_MESH_PAIRS || vpn->conn->n_paths == 0 || plan->n == 0)
        return;
    for (uint8_t r = 0; r < vpn->n_remotes; r++) {
        const struct address *remote = &vpn->gateway->remotes[r];
        bool led_to = remote->family != vpn->gateway->remotes[0].family;
        for (unsigned i = 0; i < plan->n; i++)
            led_to |= address_equal(&plan->paths[i].remote, remote);
        const struct path *least = NULL;
        for (unsigned i = 0; !led_to && i < plan->n; i++) {
            const struct path *path = &plan->paths[i];
            const struct path_link *link = link_named(vpn->pm, path->interface);
            if (link != NULL && reachable(vpn, path->policy, link, remote) &&
                (least == NULL || plan_count(plan, path->policy, path->interface) <
                                      plan_count(plan, least->policy, least->interface)))
                least = path;
        }
        if (least != NULL)
            plan_add(vpn, plan, least->policy, least->interface, remote);
    }
}

/* plan_rename - a login may leave its second path as the only one on the link: gives it the first
 * name. */
static void plan_rename(const struct vpn *vpn, struct plan *plan)
{
    for (unsigned i = 0; !plan_full(vpn) && i < plan->n; i++)
        if (plan_count(plan, plan->paths[i].policy, plan->paths[i].interface) == 1)
            name_path(vpn, 0, &plan->paths[i]);
}

static void plan_commit(struct vpn *vpn, const struct plan *plan)
{
    int to[LIMIT_SESSION_PATHS];
    if (vpn->paths == NULL)
        vpn->paths = calloc(LIMIT_SESSION_PATHS, sizeof(vpn->paths[0]));
    if (vpn->paths == NULL) {
        vpn_behind(vpn->pm);
        return; /* as if there were no links */
    }
    for (unsigned i = 0; i < LIMIT_SESSION_PATHS; i++)
        to[i] = -1;
    for (unsigned i = 0; i < plan->n; i++)
        if (plan->from[i] >= 0)
            to[plan->from[i]] = (int)i;
    for (unsigned i = 0; i < vpn->session.n_legs; i++) {
        struct leg *leg = &vpn->legs[i];
        leg->path = leg->path < 0 ? -1 : to[leg->path];
        leg->job_path = leg->job_path < 0 ? -1 : to[leg->job_path];
    }
    memcpy(vpn->paths, plan->paths, plan->n * sizeof(plan->paths[0]));
    vpn->n_paths = plan->n;
}

void wanted_plan(struct vpn *vpn, nanos now)
{
    ASSERT(vpn_end_user(vpn));
    struct plan plan = {.n = 0};
    unsigned rounds = plan_full(vpn) ? vpn->n_remotes : 1;
    for (unsigned i = 0; i < vpn->n_paths; i++)
        if (begun(&vpn->paths[i]))
            plan_keep(vpn, &plan, i);
    for (unsigned round = 0; round == 0 || round < rounds; round++) {
        if (vpn->conn->n_paths == 0)
            plan_policy(vpn, &plan, -1, round);
        /* named interfaces first: `auto` takes the rest */
        for (uint8_t i = 0; i < vpn->conn->n_paths; i++)
            if (strcmp(vpn->conn->paths[i].interface, "auto") != 0)
                plan_policy(vpn, &plan, i, round);
        for (uint8_t i = 0; i < vpn->conn->n_paths; i++)
            if (strcmp(vpn->conn->paths[i].interface, "auto") == 0)
                plan_policy(vpn, &plan, i, round);
    }
    plan_absent(vpn, &plan);
    plan_remotes(vpn, &plan);
    plan_rename(vpn, &plan);
    plan_commit(vpn, &plan);
    for (unsigned i = 0; i < vpn->n_paths; i++)
        refresh(vpn, &vpn->paths[i], now);
    for (unsigned i = 0; i < vpn->session.n_legs; i++)
        vpn->legs[i].link_gone = !wanted_place_there(vpn->pm, &vpn->legs[i].at);
}

/* remote_take - the path leads to this address from now on. false: its link does not reach it. */
static bool remote_take(const struct vpn *vpn, struct path *path, const struct address *remote)
{
    const struct path_link *link = link_named(vpn->pm, path->interface);
    struct address local = path->local;
    uint64_t cost;
    if (link == NULL || !source_on(vpn, policy_of(vpn, path->policy), link, remote, &local, &cost))
        return false;
    path->remote = *remote;
    path->local = local;
    path->cost = cost;
    return true;
}

void wanted_rotate(struct vpn *vpn, struct path *path)
{
    if (vpn->conn->mesh == IKE_MESH_FULL)
        return;
    unsigned at = remote_rank(vpn, &path->remote);
    for (unsigned i = 1; i < vpn->n_remotes; i++)
        if (remote_take(vpn, path, &vpn->gateway->remotes[(at + i) % vpn->n_remotes]))
            return;
}

void wanted_turn(struct vpn *vpn, const struct address *remote)
{
    for (unsigned i = 0; vpn->conn->mesh != IKE_MESH_FULL && i < vpn->n_paths; i++)
        if (vpn->paths[i].present)
            (void)remote_take(vpn, &vpn->paths[i], remote);
}
