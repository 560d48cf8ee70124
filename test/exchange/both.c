/* SPDX-License-Identifier: Apache-2.0 */
#include "exchange/both.h"

#include <stdio.h>
#include <stdlib.h>

static unsigned link_of(const struct address *local)
{
    return (unsigned)local->octets[3] - 1;
}

struct address both_remote(unsigned i)
{
    struct address remote = world_path(0).remote.address;
    remote.octets[3] += (uint8_t)i;
    return remote;
}

static bool passes(const struct both *both, const struct address *local)
{
    unsigned link = link_of(local);
    return link < both->n_links && both->up[link] && !both->hole[link];
}

static bool network(struct world *world, bool to_b, struct ike_datagram *d)
{
    const struct address *user = to_b ? &d->path.local.address : &d->path.remote.address;
    return passes(world->hook_context, user);
}

static bool child_traffic(const void *context, ike_child_id id, nanos *ret_in_ns, nanos *ret_out_ns)
{
    const struct end *end = context;
    *ret_in_ns = end->child[id % BOTH_CHILDREN].in;
    *ret_out_ns = end->child[id % BOTH_CHILDREN].out;
    return true;
}

void both_links_tell(struct both *both)
{
    struct path_link links[BOTH_LINKS] = {0};
    for (unsigned i = 0; i < both->n_links; i++) {
        links[i].index = i + 1;
        links[i].up = both->up[i];
        (void)snprintf(links[i].name, sizeof(links[i].name), "eth%u", i);
        links[i].n_addresses = links[i].n_routes = both->up[i];
        links[i].addresses[0] = world_path(i).local.address;
        assert_true(range_parse("0.0.0.0/0", &links[i].routes[0].destination));
    }
    path_manager_links_set(both->a.pm, links, both->n_links, both->world->now);
}

void both_pull(struct both *both, struct end *end)
{
    struct ike_command command;
    struct path_order order;
    struct path_news news;
    for (bool busy = true; busy;) {
        busy = false;
        assert_true(end->peer->n_events - end->seen < WORLD_EVENTS);
        while (end->seen < end->peer->n_events) {
            path_manager_event(end->pm, &end->peer->events[end->seen++ % WORLD_EVENTS],
                               both->world->now);
            path_manager_check_invariants(end->pm);
        }
        if (path_manager_command(end->pm, &command)) {
            busy = true;
            int err = ike_command(end->peer->ike, &command, both->world->now);
            if (err != 0)
                path_manager_refused(end->pm, command.tag, err, both->world->now);
            world_drain(both->world);
        }
        while (path_manager_order(end->pm, &order)) {
            if (order.kind == PATH_ORDER_CHILD) {
                end->child[order.child % BOTH_CHILDREN].usable = order.usable;
                end->child[order.child % BOTH_CHILDREN].priority = order.priority;
            }
        }
        while (path_manager_news(end->pm, &news)) {
            both->connected += news.kind == PATH_NEWS_CONNECTED;
            both->failed += news.kind == PATH_NEWS_CONNECT_FAILED;
            if (news.kind == PATH_NEWS_CONNECT_FAILED || news.kind == PATH_NEWS_CONNECT_RETRY)
                both->outcome = news.outcome;
            if (getenv("WORLD_TRACE") != NULL && news.kind == PATH_NEWS_STATE)
                printf("%10.3f %s %s: %s -> %s\n", (double)both->world->now / 1e9, end->peer->name,
                       news.path, path_state_name(news.from), path_state_name(news.to));
        }
    }
}

/* carrier - the Child SA that a new flow of this end takes; 0: none. The data plane does not send on one that is
 * INBOUND_READY. */
static ike_child_id carrier(const struct end *end)
{
    struct ike_child_info info;
    ike_child_id best = 0;
    for (ike_child_id id = 0; ike_child_next(end->peer->ike, id, &info); id = info.id)
        if (end->child[info.id % BOTH_CHILDREN].usable && info.life != IKE_CHILD_REPLACED &&
            info.life != IKE_CHILD_INBOUND_READY &&
            (best == 0 || end->child[info.id % BOTH_CHILDREN].priority <
                              end->child[best % BOTH_CHILDREN].priority))
            best = info.id;
    return best;
}

/* other_child - what the other end knows the Child SA as. */
static ike_child_id other_child(const struct end *one, const struct end *other, ike_child_id child)
{
    struct ike_child_info info, found;
    if (!ike_child_get(one->peer->ike, child, &info))
        return 0;
    for (ike_child_id id = 0; ike_child_next(other->peer->ike, id, &found); id = found.id)
        if (found.spi_in == info.spi_out)
            return found.id;
    return 0;
}

/* packet - from one end to the other, on a Child SA; false: it did not arrive. */
static bool packet(struct both *both, struct end *from, struct end *to, ike_child_id child)
{
    struct ike_child_info info;
    struct ike_sa_info sa;
    if (child == 0 || !ike_child_get(from->peer->ike, child, &info) ||
        !ike_sa_get(from->peer->ike, info.sa, &sa))
        return false;
    from->child[child % BOTH_CHILDREN].out = both->world->now;
    ike_child_id there = other_child(from, to, child);
    if (there == 0 ||
        !passes(both, from == &both->a ? &sa.path.local.address : &sa.path.remote.address))
        return false;
    to->child[there % BOTH_CHILDREN].in = both->world->now;
    return true;
}

static void gap(const struct both *both, bool arrived, nanos *ok, nanos *worst)
{
    if (!arrived && *ok != 0 && both->world->now - *ok > *worst)
        *worst = both->world->now - *ok;
    if (arrived)
        *ok = both->world->now;
}

static void flows(struct both *both)
{
    ike_child_id child = carrier(&both->a);
    if (both->flow) /* the Gateway answers on the Child SA on which it came */
        gap(both,
            packet(both, &both->a, &both->b, child) &&
                packet(both, &both->b, &both->a, other_child(&both->a, &both->b, child)),
            &both->flow_ok, &both->worst_gap);
    if (both->down_flow)
        gap(both, packet(both, &both->b, &both->a, carrier(&both->b)), &both->down_ok,
            &both->worst_down_gap);
}

void both_run(struct both *both, nanos duration)
{
    struct end *ends[2] = {&both->a, &both->b};
    for (nanos until = both->world->now + duration; both->world->now < until;) {
        world_run(both->world, both->step);
        for (int i = 0; i < 2; i++) {
            if (path_manager_deadline(ends[i]->pm) <= both->world->now)
                path_manager_tick(ends[i]->pm, both->world->now);
            both_pull(both, ends[i]);
        }
        flows(both);
    }
}

bool both_all_up(const struct both *both)
{
    struct path_status status;
    size_t i = 0;
    for (; path_manager_status(both->a.pm, i, &status); i++)
        if (status.state != PATH_UP || status.child == 0 || status.parked)
            return false;
    return i == both->n_paths;
}

void both_until_all_up(struct both *both, nanos limit)
{
    for (nanos end = both->world->now + limit; !both_all_up(both) && both->world->now < end;)
        both_run(both, MS(5));
    assert_true(both_all_up(both));
    both_run(both, MS(500));
    world_check(both->world);
}

unsigned both_logins(const struct both *both)
{
    struct ike_session_info info;
    unsigned n = 0;
    for (ike_session_id id = 0; ike_session_next(both->world->b.ike, id, &info); id = info.id)
        n += info.logins;
    return n;
}

int both_carrier_link(const struct both *both)
{
    struct ike_child_info child;
    struct ike_sa_info sa;
    if (!ike_child_get(both->a.peer->ike, carrier(&both->a), &child) ||
        !ike_sa_get(both->a.peer->ike, child.sa, &sa))
        return -1;
    return (int)link_of(&sa.path.local.address);
}

struct both *both_new(unsigned n_links, uint64_t seed)
{
    struct both *both = calloc(1, sizeof(*both));
    assert_non_null(both);
    struct world *world = both->world = world_new(seed);
    both->n_links = both->n_paths = n_links;
    both->n_remotes = 1;
    both->step = MS(5);
    world->hook = network;
    world->hook_context = both;
    both->a.peer = &world->a;
    both->b.peer = &world->b;
    struct ike_conn *conn = world->conn_a;
    conn->n_remote_addrs = 1;
    conn->remote_addrs[0].range.first = conn->remote_addrs[0].range.last =
        world_path(0).remote.address;
    for (unsigned i = 0; i < n_links; i++) {
        struct ike_path_policy *path = &conn->paths[conn->n_paths++];
        (void)snprintf(path->name, sizeof(path->name), "p%u", i);
        (void)snprintf(path->interface, sizeof(path->interface), "eth%u", i);
        path->priority = i + 1;
        path->weight = 1;
        both->up[i] = true;
    }
    conn->stable_for_ns = world->conn_b->stable_for_ns = SECONDS(5);
    struct end *ends[2] = {&both->a, &both->b};
    for (int i = 0; i < 2; i++) {
        struct path_options options = {.random = &ends[i]->peer->random,
                                       .view = path_view_of(ends[i]->peer->ike),
                                       .traffic = {.context = ends[i], .child = child_traffic}};
        ends[i]->pm = path_manager_new(&options);
        assert_non_null(ends[i]->pm);
    }
    return both;
}

/* announce - both ends tell all their addresses (RFC 4555 section 3.4). */
static void announce(struct both *both)
{
    struct address own[BOTH_LINKS], gateway[BOTH_LINKS];
    for (unsigned i = 0; i < both->n_links; i++)
        own[i] = world_path(i).local.address;
    for (unsigned i = 0; i < both->n_remotes; i++)
        gateway[i] = both_remote(i);
    ike_local_addresses_set(both->a.peer->ike, own, both->n_links, both->world->now);
    ike_local_addresses_set(both->b.peer->ike, gateway, both->n_remotes, both->world->now);
}

void both_connect(struct both *both)
{
    world_start(both->world);
    both_links_tell(both);
    if (both->announce)
        announce(both);
    struct path_connect wish = {.conn = both->world->conn_a, .keep = true};
    assert_int_equal(path_manager_connect(both->a.pm, &wish, both->world->now), 0);
    both_pull(both, &both->a);
}

void both_free(struct both *both)
{
    if (getenv("WORLD_TRACE") != NULL)
        printf("gaps: answered %.3f s, downstream only %.3f s\n", (double)both->worst_gap / 1e9,
               (double)both->worst_down_gap / 1e9);
    path_manager_free(both->a.pm);
    path_manager_free(both->b.pm);
    world_free(both->world);
    free(both);
}

void both_link_set(struct both *both, unsigned link, bool up)
{
    both->up[link] = up;
    both_links_tell(both);
    both_pull(both, &both->a);
}
