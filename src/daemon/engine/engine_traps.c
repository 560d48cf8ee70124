/* SPDX-License-Identifier: Apache-2.0 */
/* start_action = trap: the routes of a child lead to the inner device before a session exists. The
 * first packet that arrives there asks for one. */
#include <stdio.h>
#include <stdlib.h>

#include "base/rate.h"
#include "daemon/common/log.h"
#include "daemon/config/selectors.h"
#include "daemon/engine/engine_devices.h"
#include "daemon/engine/engine_state.h"
#include "ike/terms/narrow.h"

#define TRAP_PAUSE_NS         NANOS_PER_SEC /* time between two wishes of one trap, to one host */
#define TRAP_HOSTS_PER_SECOND 16            /* a scan of a network must not be a flood of logins */
/* after a refusal of a Child SA for the rest of a trap, for packets to that host: 10 s, doubling to 640 s */
#define REST_PAUSE_NS  (10 * NANOS_PER_SEC)
#define REST_DOUBLINGS 6

static const struct address anybody;

static struct trap_choice *choice_of(const struct engine *e, const char *conn, const char *child)
{
    for (size_t i = 0; i < e->n_choices; i++)
        if (strcmp(e->choices[i].conn, conn) == 0 && strcmp(e->choices[i].child, child) == 0)
            return &e->choices[i];
    return NULL;
}

struct trap_peers {
    const struct ike_child_policy *child;
    struct ike_ts_list *list;
};

/* add_peer - where the peer, or each possible one, is within `range`. There is room: selectors_trapped(). */
static int add_peer(void *context, const struct address_range *range)
{
    const struct trap_peers *peers = context;
    const struct ike_ts_policy *of = &peers->child->remote_ts;
    for (uint8_t d = 0; d < of->n_dynamic && peers->list->n < POLICY_TS; d++)
        peers->list->ts[peers->list->n++] = (struct ike_ts){.protocol = of->dynamic[d].protocol,
                                                            .start_port = of->dynamic[d].start_port,
                                                            .end_port = of->dynamic[d].end_port,
                                                            .range = *range};
    return 0;
}

/* selectors_of - the remote selectors for which packets are caught. `dynamic` is the peer, if its
 * address is known, or the networks of all possible peers. */
static struct ike_ts_list selectors_of(const struct ike_conn *conn,
                                       const struct ike_child_policy *child)
{
    struct ike_ts_list list;
    struct trap_peers peers = {child, &list};
    ts_fixed(&child->remote_ts, &list);
    if (selectors_any_peer(conn, child)) {
        (void)!selectors_peers(conn, add_peer, &peers);
        return list;
    }
    for (uint8_t i = 0; conn->n_vips == 0 && i < conn->n_remote_addrs; i++) {
        const struct address_range *range = &conn->remote_addrs[i].range;
        if (range->first.family != ADDRESS_NONE && address_equal(&range->first, &range->last))
            (void)!add_peer(&peers, range);
    }
    return list;
}

static bool can_trap(const struct engine *e, const struct ike_conn *conn,
                     const struct ike_child_policy *child)
{
    uint16_t device;
    bool any = selectors_any_peer(conn, child);
    /* the supervisor permits the routes to all peers only where the files have the trap */
    if ((any && child->start_action != IKE_START_TRAP) ||
        selectors_name_among_networks(conn, child) || selectors_trapped(conn, child) > POLICY_TS)
        return false;
    return (conn->n_remote_addrs > 0 || any) && selectors_of(conn, child).n > 0 &&
           engine_policy_device(e, child, &device);
}

bool engine_is_trap(const struct engine *e, const struct ike_conn *conn,
                    const struct ike_child_policy *child)
{
    const struct trap_choice *choice = choice_of(e, conn->name, child->name);
    bool on = choice != NULL ? choice->on : child->start_action == IKE_START_TRAP;
    return on && !engine_is_down(e, conn->name) && can_trap(e, conn, child);
}

bool engine_conn_kept(const struct engine *e, const struct ike_conn *conn, const char *child)
{
    for (uint8_t i = 0; i < conn->n_children; i++) {
        const struct ike_child_policy *policy = &conn->children[i];
        if ((child == NULL || strcmp(policy->name, child) == 0) &&
            (policy->dpd_action == IKE_DPD_RESTART ||
             (policy->dpd_action == IKE_DPD_TRAP && !engine_is_trap(e, conn, policy))))
            return true;
    }
    return false;
}

/* hold_open_family - what would leave beside the tunnel is blocked with it. */
static void hold_open_family(const struct ike_conn *conn, const struct ike_child_policy *child,
                             struct ike_ts_list *list)
{
    struct address any = {.family = selectors_open_family(conn)};
    uint8_t taken = any.family == ADDRESS_V6 ? ADDRESS_V4 : ADDRESS_V6;
    struct ike_ts ts = {.end_port = UINT16_MAX};
    struct ike_ts_list fixed;
    ts_fixed(&child->remote_ts, &fixed);
    if (any.family == ADDRESS_NONE || list->n == POLICY_TS || !selectors_whole(&fixed, taken) ||
        !range_from_prefix(&any, 0, &ts.range))
        return;
    list->ts[list->n++] = ts;
}

/* trap_and_held - a Child SA may be narrower than the trap that asked for it. The rest of the trap
 * stays: its packets would leave in the clear. */
static struct ike_ts_list trap_and_held(const struct ike_conn *conn,
                                        const struct ike_child_policy *child,
                                        const struct ike_ts_list *held)
{
    struct ike_ts_list list = selectors_of(conn, child);
    for (size_t i = 0; i < held->n; i++) {
        bool there = false;
        for (size_t j = 0; !there && j < list.n; j++)
            there = range_within(&held->ts[i].range, &list.ts[j].range);
        if (!there && list.n < POLICY_TS)
            list.ts[list.n++] = held->ts[i];
        else if (!there)
            log_line(LOG_LEVEL_ERROR, "event=hold-incomplete conn=%s child=%s error=%s", conn->name,
                     child->name, error_text(ERR_FULL));
    }
    return list;
}

void engine_hold(struct engine *e, const struct ike_conn *conn,
                 const struct ike_child_policy *child, const struct engine_held *held)
{
    static const struct ike_config none;
    uint16_t device;
    if (!engine_routed_device(e, child, &device))
        return;
    struct ike_ts_list list = held == NULL ? selectors_of(conn, child) : *held->remote_ts;
    if (held != NULL && engine_is_trap(e, conn, child))
        list = trap_and_held(conn, child, held->remote_ts);
    hold_open_family(conn, child, &list);
    const struct host_hold wanted = {.conn = conn->name,
                                     .child = child->name,
                                     .remote_ts = &list,
                                     .config = held == NULL ? &none : held->config,
                                     .device = device,
                                     .block_device = engine_block_device(e, device),
                                     .block = conn->on_failure == IKE_ON_FAILURE_BLOCK};
    /* a trap works only if packets reach the device */
    if (wanted.block || engine_is_trap(e, conn, child))
        host_hold(e->host, &wanted);
    else /* on_failure was another one before a reload */
        host_release(e->host, conn->name, child->name);
}

/* trap_named - the trap of that name. NULL: there is none. */
static const struct ike_child_policy *trap_named(const struct engine *e,
                                                 const struct ike_conn *conn, const char *child)
{
    for (uint8_t c = 0; conn != NULL && c < conn->n_children; c++)
        if (strcmp(conn->children[c].name, child) == 0 &&
            engine_is_trap(e, conn, &conn->children[c]))
            return &conn->children[c];
    return NULL;
}

void engine_release(struct engine *e, const char *conn, const char *child)
{
    const char *held_conn, *held_child;
    for (size_t i = 0; host_hold_at(e->host, i, &held_conn, &held_child); i++) {
        if (held_conn[0] == '\0' || (conn != NULL && strcmp(held_conn, conn) != 0) ||
            (child != NULL && strcmp(held_child, child) != 0))
            continue;
        const struct ike_conn *loaded = ike_conn_find(e->ike, held_conn);
        const struct ike_child_policy *trap = trap_named(e, loaded, held_child);
        if (trap != NULL)
            engine_hold(e, loaded, trap, NULL);
        else
            host_release(e->host, held_conn, held_child);
    }
}

bool engine_trap_set(struct engine *e, const struct ike_conn *conn,
                     const struct ike_child_policy *child)
{
    if (!engine_is_trap(e, conn, child))
        return false;
    engine_hold(e, conn, child, NULL);
    esp_plane_acquire(e->plane, true);
    return true;
}

/* child_is_up - the connection has the child. `to`: with that host; family NONE: with any. */
static bool child_is_up(struct engine *e, const struct ike_conn *conn, const char *name,
                        const struct address *to)
{
    struct ike_child_info child = {0};
    struct ike_session_info session;
    struct ike_sa_info sa;
    while (ike_child_next(e->ike, child.id, &child))
        if (strcmp(child.policy->name, name) == 0 &&
            ike_session_get(e->ike, child.session, &session) &&
            strcmp(session.conn->name, conn->name) == 0 &&
            (to->family == ADDRESS_NONE ||
             (ike_sa_get(e->ike, child.sa, &sa) && address_equal(&sa.path.remote.address, to))))
            return true;
    return false;
}

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

static bool choose(struct engine *e, const char *conn, const char *child, bool on)
{
    struct trap_choice *choice = choice_of(e, conn, child);
    if (choice == NULL) {
        struct trap_choice *choices =
            reallocarray(e->choices, e->n_choices + 1, sizeof(choices[0]));
        if (choices == NULL)
            return false;
        e->choices = choices;
        choice = &choices[e->n_choices++];
        (void)snprintf(choice->conn, sizeof(choice->conn), "%s", conn);
        (void)snprintf(choice->child, sizeof(choice->child), "%s", child);
    }
    choice->on = on;
    return true;
}

bool engine_trap_install(struct engine *e, const struct ike_conn *conn,
                         const struct ike_child_policy *child)
{
    return can_trap(e, conn, child) && choose(e, conn->name, child->name, true) &&
           (engine_is_held(e, conn->name, child->name) || engine_trap_set(e, conn, child));
}

/* Routes that a session or a wish still needs stay until that ends. */
bool engine_trap_uninstall(struct engine *e, const struct ike_conn *conn,
                           const struct ike_child_policy *child)
{
    if (!engine_is_trap(e, conn, child) || !choose(e, conn->name, child->name, false))
        return false;
    if (!child_is_up(e, conn, child->name, &anybody) && !engine_conn_connecting(e, conn->name))
        host_release(e->host, conn->name, child->name);
    engine_traps_renew(e);
    return true;
}

void engine_traps_unload(struct engine *e, const char *conn)
{
    for (size_t i = e->n_choices; i-- > 0;)
        if (strcmp(e->choices[i].conn, conn) == 0)
            e->choices[i] = e->choices[--e->n_choices];
}

bool engine_is_held(const struct engine *e, const char *conn, const char *child)
{
    const char *held_conn, *held_child;
    for (size_t i = 0; host_hold_at(e->host, i, &held_conn, &held_child); i++)
        if (strcmp(held_conn, conn) == 0 && strcmp(held_child, child) == 0)
            return true;
    return false;
}

void engine_traps_renew(struct engine *e)
{
    const struct ike_conn *conn;
    bool any = false;
    for (size_t i = 0; (conn = ike_conn_at(e->ike, i)) != NULL; i++)
        for (uint8_t c = 0; c < conn->n_children; c++)
            if (engine_is_trap(e, conn, &conn->children[c])) {
                any = true;
                if (!engine_is_held(e, conn->name, conn->children[c].name))
                    (void)engine_trap_set(e, conn, &conn->children[c]);
            }
    esp_plane_acquire(e->plane, any);
}

void engine_traps_forget(struct engine *e, const struct ike_conn *conn)
{
    const char *held_conn, *held_child;
    for (size_t i = 0; host_hold_at(e->host, i, &held_conn, &held_child); i++) {
        if (strcmp(held_conn, conn->name) == 0 && trap_named(e, conn, held_child) == NULL)
            host_release(e->host, conn->name, held_child);
    }
}

/* taken - the narrowest selector that contains this address, port and protocol. NULL: none does. */
static const struct ike_ts *taken(const struct ike_ts_list *list, const struct address *address,
                                  uint16_t port, uint8_t protocol)
{
    const struct ike_ts *found = NULL;
    for (size_t i = 0; i < list->n; i++) {
        const struct ike_ts *ts = &list->ts[i];
        bool whole = ts->start_port == 0 && ts->end_port == UINT16_MAX;
        if (range_contains(&ts->range, address) &&
            (ts->protocol == 0 || ts->protocol == protocol) &&
            (whole || (port >= ts->start_port && port <= ts->end_port)) &&
            (found == NULL || range_within(&ts->range, &found->range)))
            found = ts;
    }
    return found;
}

static bool takes(const struct ike_ts_list *list, const struct address *address, uint16_t port,
                  uint8_t protocol)
{
    return taken(list, address, port, protocol) != NULL;
}

static bool is_trapped(const struct trapped *t, const char *conn, const char *child,
                       const struct address *to)
{
    return strcmp(t->conn, conn) == 0 && strcmp(t->child, child) == 0 && address_equal(&t->to, to);
}

/* trapped_of - the entry of that trap and host; else the one whose pause ends first, for it to take. */
static struct trapped *trapped_of(struct engine *e, const char *conn, const char *child,
                                  const struct address *to)
{
    struct trapped *at = &e->trapped[0];
    for (size_t i = 0; i < ENGINE_TRAPPED; i++) {
        struct trapped *t = &e->trapped[i];
        if (is_trapped(t, conn, child, to))
            return t;
        if (t->until < at->until)
            at = t;
    }
    *at = (struct trapped){.to = *to};
    (void)snprintf(at->conn, sizeof(at->conn), "%s", conn);
    (void)snprintf(at->child, sizeof(at->child), "%s", child);
    return at;
}

/* paused - the trap of `child` asked a moment ago. If not, this call counts as asking. */
static bool paused(struct engine *e, const struct ike_conn *conn,
                   const struct ike_child_policy *child, const struct address *to)
{
    struct trapped *at = trapped_of(e, conn->name, child->name, to);
    if (at->until > e->now)
        return true;
    at->until = nanos_after(e->now, TRAP_PAUSE_NS);
    return false;
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
 * forged source). TRAP_HOSTS_PER_SECOND and LIMIT_TRAP_HOSTS bound how many logins others cause so. */
static bool trap_host(const struct engine *e, const struct ike_conn *conn,
                      const struct ike_child_policy *child, const struct esp_acquire *wanted,
                      struct address *ret_to)
{
    struct peer_place place = {.address = wanted->dst};
    *ret_to = anybody;
    if (!selectors_any_peer(conn, child))
        return true;
    (void)!selectors_peers(conn, find_place, &place);
    *ret_to = place.address;
    return place.found && address_usable_outer(&place.address, false) &&
           engine_has_address(e, &wanted->src);
}

/* --- the rest of a trap: the peer agreed to a part of it --- */

static bool child_takes(const struct ike_child_info *child, const struct ike_packet *packet)
{
    return takes(&child->remote_ts, &packet->dst, packet->dst_port, packet->protocol) &&
           takes(&child->local_ts, &packet->src, packet->src_port, packet->protocol);
}

/* rest_beside - a Child SA of the trap, on whose IKE SA one for the packet can be asked for. false:
 * there is none, or one takes the packet. */
static bool rest_beside(const struct engine *e, const struct ike_conn *conn,
                        const struct ike_child_policy *child, const struct ike_packet *packet,
                        struct ike_child_info *ret_beside)
{
    struct ike_child_info info = {0};
    struct ike_session_info session;
    bool found = false;
    while (ike_child_next(e->ike, info.id, &info)) {
        if (strcmp(info.policy->name, child->name) != 0 ||
            !ike_session_get(e->ike, info.session, &session) ||
            strcmp(session.conn->name, conn->name) != 0)
            continue;
        if (child_takes(&info, packet))
            return false;
        if (info.up) {
            *ret_beside = info;
            found = true;
        }
    }
    return found;
}

/* rest_connect - asks for a further Child SA. Its selectors begin with the packet's (RFC 7296 section
 * 2.9), so that the peer knows which part is wanted. One request at a time. */
static void rest_connect(struct engine *e, const struct ike_conn *conn,
                         const struct ike_child_policy *child, const struct esp_acquire *wanted)
{
    struct ike_child_info beside;
    const struct ike_packet packet = {wanted->src, wanted->dst, wanted->src_port, wanted->dst_port,
                                      wanted->protocol};
    if (e->rest.tag != 0 || !rest_beside(e, conn, child, &packet, &beside) ||
        paused(e, conn, child, &packet.dst) ||
        !rate_second(&e->trapped_hosts_ns, TRAP_HOSTS_PER_SECOND, e->now))
        return;
    const struct ike_command command = {.kind = IKE_CMD_CREATE_CHILD,
                                        .sa = beside.sa,
                                        .session = beside.session,
                                        .child = child->name,
                                        .packet = packet,
                                        .tag = engine_number(e)};
    struct trap_rest rest = {.tag = command.tag, .packet = packet};
    (void)snprintf(rest.conn, sizeof(rest.conn), "%s", conn->name);
    (void)snprintf(rest.child, sizeof(rest.child), "%s", child->name);
    e->rest = rest; /* the command may be done before it returns */
    int error = ike_command(e->ike, &command, e->now);
    if (error != 0)
        e->rest.tag = 0;
    log_line(LOG_LEVEL_INFO, "event=trap-rest conn=%s child=%s sa=%u result=%s", conn->name,
             child->name, beside.sa, error_text(error));
}

void engine_trap_done(struct engine *e, const struct ike_event *done)
{
    struct ike_child_info child;
    if (e->rest.tag == 0 || done->tag != e->rest.tag)
        return;
    const struct trap_rest rest = e->rest;
    e->rest.tag = 0;
    struct trapped *at = trapped_of(e, rest.conn, rest.child, &rest.packet.dst);
    bool there = done->outcome == IKE_OK && ike_child_get(e->ike, done->child, &child);
    if (there && child_takes(&child, &rest.packet)) {
        at->refusals = 0;
        return;
    }
    /* the peer has no Child SA for the packet, or gave the part anew that is there already */
    const struct ike_command command = {
        .kind = IKE_CMD_DELETE_CHILD, .child_id = done->child, .tag = engine_number(e)};
    if (there && ike_command(e->ike, &command, e->now) != 0)
        log_line(LOG_LEVEL_WARNING, "event=delete-failed child=%u", done->child);
    nanos pause = REST_PAUSE_NS << (at->refusals < REST_DOUBLINGS ? at->refusals : REST_DOUBLINGS);
    at->refusals++;
    at->until = nanos_after(e->now, pause);
    log_line(LOG_LEVEL_INFO, "event=trap-rest-refused conn=%s child=%s reason=%s pause-s=%lld",
             rest.conn, rest.child, ike_outcome_name(there ? IKE_TS_REFUSED : done->outcome),
             (long long)(pause / NANOS_PER_SEC));
}

static void trap_connect(struct engine *e, struct ike_conn *conn,
                         const struct ike_child_policy *child, const struct esp_acquire *wanted)
{
    struct address to;
    if (e->stopping || !trap_host(e, conn, child, wanted, &to))
        return;
    bool any = to.family != ADDRESS_NONE;
    if (!any && child_is_up(e, conn, child->name, &to)) {
        rest_connect(e, conn, child, wanted);
        return;
    }
    if ((any ? connecting_to(e, conn->name, &to) : engine_conn_connecting(e, conn->name)) ||
        child_is_up(e, conn, child->name, &to) || paused(e, conn, child, &to) ||
        (any && !rate_second(&e->trapped_hosts_ns, TRAP_HOSTS_PER_SECOND, e->now)))
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
    const struct ike_ts_list remote = selectors_of(conn, child);
    const struct ike_ts *ts = taken(&remote, &wanted->dst, wanted->dst_port, wanted->protocol);
    struct ike_ts_list local;
    ts_fixed(&child->local_ts, &local);
    if (ts != NULL)
        *ret_range = ts->range;
    /* with a dynamic local selector the inner address is not known yet */
    return ts != NULL &&
           (child->local_ts.n_dynamic > 0 ||
            takes(&local, &wanted->src, wanted->src_port, wanted->protocol)) &&
           trap_host(e, conn, child, wanted, &to);
}

/* trap_precedes - the narrower trap, as with routes; of two alike that with a peer that is known, else
 * the first. */
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
