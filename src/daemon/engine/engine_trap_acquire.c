/* SPDX-License-Identifier: Apache-2.0 */
/* A packet that no Child SA takes asks for a session: by which trap, with which host, and how often. */
#include <stdio.h>

#include "base/rate.h"
#include "daemon/common/log.h"
#include "daemon/config/selectors.h"
#include "daemon/engine/engine_devices.h"
#include "daemon/engine/engine_state.h"
#include "daemon/engine/engine_traps.h"
#include "ike/terms/narrow.h"

#define TRAP_PAUSE_NS         NANOS_PER_SEC /* time between two wishes of one trap, to one host */
#define TRAP_HOSTS_PER_SECOND 16            /* a scan of a network must not be a flood of logins */

/* connecting_to - a login to the host is wanted and not complete. */
static bool connecting_to(const struct engine *e, const char *conn, const struct address *to)
{
    struct path_status status;
    for (size_t i = 0; path_manager_status(e->paths, i, &status); i++)
        if (strcmp(status.conn, conn) == 0 && status.role == IKE_END_USER && status.session == 0 &&
            status.state != PATH_IDLE && address_equal(&status.wanted.remote.address, to))
            return true;
    return false;
}

/* trapped_find - the entry of that trap and host; NULL: none. */
static struct trapped *trapped_find(struct engine *e, const char *conn, const char *child,
                                    const struct address *to)
{
    for (size_t i = 0; i < ENGINE_TRAPPED; i++) {
        struct trapped *t = &e->trapped[i];
        if (strcmp(t->conn, conn) == 0 && strcmp(t->child, child) == 0 && address_equal(&t->to, to))
            return t;
    }
    return NULL;
}

struct trapped *engine_trapped_of(struct engine *e, const char *conn, const char *child,
                                  const struct address *to)
{
    struct trapped *at = trapped_find(e, conn, child, to);
    if (at != NULL)
        return at;
    at = &e->trapped[0];
    for (size_t i = 1; i < ENGINE_TRAPPED; i++)
        if (e->trapped[i].until < at->until)
            at = &e->trapped[i];
    *at = (struct trapped){.to = *to};
    (void)snprintf(at->conn, sizeof(at->conn), "%s", conn);
    (void)snprintf(at->child, sizeof(at->child), "%s", child);
    return at;
}

bool engine_trap_asks(struct engine *e, const struct ike_conn *conn,
                      const struct ike_child_policy *child, const struct address *to)
{
    /* A request that the rate refuses starts no pause: the host's next packet may ask. */
    const struct trapped *last = trapped_find(e, conn->name, child->name, to);
    if ((last != NULL && last->until > e->now) ||
        (to->family != ADDRESS_NONE &&
         !rate_second(&e->trapped_hosts_ns, TRAP_HOSTS_PER_SECOND, e->now)))
        return false;
    engine_trapped_of(e, conn->name, child->name, to)->until = nanos_after(e->now, TRAP_PAUSE_NS);
    return true;
}

struct peer_place {
    struct address address;
    bool found;
};

static int find_place(void *context, const struct address_range *range)
{
    struct peer_place *place = context;
    place->found |= range_contains(range, &place->address);
    return 0;
}

/* trap_host - the host with which the packet asks for a session. Where any host may be the peer, it is
 * the destination. false: the destination cannot be a peer. Packets that this host forwards ask for no
 * session, since others could then make it log in anywhere. Replies of this host do ask (a TCP RST to a
 * forged source). TRAP_HOSTS_PER_SECOND and LIMIT_TRAP_LOGINS bound how many logins others cause so. */
static bool trap_host(const struct engine *e, const struct ike_conn *conn,
                      const struct ike_child_policy *child, const struct esp_acquire *wanted,
                      struct address *ret_to)
{
    struct peer_place place = {.address = wanted->dst};
    *ret_to = (struct address){0};
    if (!selectors_any_peer(conn, child))
        return true;
    (void)!selectors_peers(conn, find_place, &place);
    *ret_to = place.address;
    return place.found && address_usable_outer(&place.address, false) &&
           engine_has_address(e, &wanted->src);
}

static void trap_connect(struct engine *e, struct ike_conn *conn,
                         const struct ike_child_policy *child, const struct esp_acquire *wanted)
{
    struct address to;
    if (e->stopping || !trap_host(e, conn, child, wanted, &to))
        return;
    bool any = to.family != ADDRESS_NONE;
    if (!any && engine_trap_is_up(e, conn, child->name, &to)) {
        engine_trap_rest(e, conn, child, wanted);
        return;
    }
    if ((any ? connecting_to(e, conn->name, &to) : engine_conn_connecting(e, conn->name)) ||
        engine_trap_is_up(e, conn, child->name, &to) || !engine_trap_asks(e, conn, child, &to))
        return;
    struct path_connect wish = {
        .conn = conn,
        .child = child->name,
        .packet = {wanted->src, wanted->dst, wanted->src_port, wanted->dst_port, wanted->protocol},
        .tag = engine_number(e),
        .beside = any,
        .n_remotes = any,
        .remotes = {to},
        /* the next packet asks again */
        .keep = !any && engine_conn_kept(e, conn, child->name),
    };
    char text[ADDRESS_TEXT_MAX];
    int error = engine_connect(e, &wish);
    log_line(error == 0 ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
             "event=trap conn=%s child=%s to=%s result=%s", conn->name, child->name,
             any ? address_print(&to, text) : "gateway", error_text(error));
}

struct trap_found {
    struct ike_conn *conn;
    const struct ike_child_policy *child; /* NULL: none */
    struct address_range range;
};

/* trap_takes - the trap of the child takes the packet, and there is a host for it to ask. */
static bool trap_takes(const struct engine *e, const struct ike_conn *conn,
                       const struct ike_child_policy *child, const struct esp_acquire *wanted,
                       struct address_range *ret_range)
{
    struct address to;
    uint16_t device;
    if (!engine_is_trap(e, conn, child) || !engine_policy_device(e, child, &device) ||
        device != wanted->device)
        return false;
    const struct ike_ts_list remote = engine_trap_selectors(conn, child);
    const struct ike_ts *ts =
        selectors_narrowest(&remote, &wanted->dst, wanted->dst_port, wanted->protocol);
    struct ike_ts_list local;
    ts_fixed(&child->local_ts, &local);
    if (ts != NULL)
        *ret_range = ts->range;
    /* with a dynamic local selector the inner address is not known yet */
    return ts != NULL &&
           (child->local_ts.n_dynamic > 0 ||
            selectors_take(&local, &wanted->src, wanted->src_port, wanted->protocol)) &&
           trap_host(e, conn, child, wanted, &to);
}

/* trap_precedes - the narrower trap comes first, as with routes. Of two equal traps, the one with a
 * known peer comes first, or else the earlier one. */
static bool trap_precedes(const struct trap_found *one, const struct trap_found *other)
{
    if (!range_within(&one->range, &other->range))
        return false;
    return !range_within(&other->range, &one->range) ||
           (selectors_any_peer(other->conn, other->child) &&
            !selectors_any_peer(one->conn, one->child));
}

void engine_trap_acquire(struct engine *e, const struct esp_acquire *wanted)
{
    struct trap_found found = {0}, at;
    for (size_t i = 0; (at.conn = ike_conn_at(e->ike, i)) != NULL; i++)
        for (uint8_t c = 0; c < at.conn->n_children; c++) {
            at.child = &at.conn->children[c];
            if (trap_takes(e, at.conn, at.child, wanted, &at.range) &&
                (found.child == NULL || trap_precedes(&at, &found)))
                found = at;
        }
    if (found.child != NULL)
        trap_connect(e, found.conn, found.child, wanted);
}
