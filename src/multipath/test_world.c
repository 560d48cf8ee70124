/* SPDX-License-Identifier: Apache-2.0 */
#include "multipath/test_world.h"

#include <stdio.h>
#include <stdlib.h>

/* --- the network --- */

static uint32_t next_random(struct world *world)
{
    world->seed = world->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(world->seed >> 33);
}

static void fill(void *context, void *octets, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)octets)[i] = (uint8_t)next_random(context);
}

static struct address address_of(const char *text)
{
    struct address address;
    assert_true(address_parse(text, &address));
    return address;
}

static struct address link_address(unsigned link)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "10.0.%u.2", link);
    return address_of(text);
}

static struct address remote_address(unsigned n)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "192.0.2.%u", n + 1);
    return address_of(text);
}

static int link_of(const struct world *world, const struct ike_path *path)
{
    for (unsigned i = 0; i < world->n_links; i++) {
        struct address own = link_address(i);
        if (path->interface == i + 1 && address_equal(&own, &path->local.address))
            return (int)i;
    }
    return -1;
}

static bool passes(const struct world *world, const struct ike_path *path)
{
    int link = link_of(world, path);
    return world->peer_up && link >= 0 && world->links[link].up && !world->links[link].hole &&
           !address_equal(&path->remote.address, &world->dead_remote);
}

static bool lost(struct world *world, const struct ike_path *path)
{
    unsigned percent = world->links[link_of(world, path)].loss_percent;
    return percent > 0 && next_random(world) % 100 < percent;
}

static void tell_links(struct world *world)
{
    struct path_link links[WORLD_LINKS] = {0};
    for (unsigned i = 0; i < world->n_links; i++) {
        struct path_link *link = &links[i];
        link->index = i + 1;
        link->up = world->links[i].up;
        (void)snprintf(link->name, sizeof(link->name), "eth%u", i);
        if (!link->up)
            continue;
        link->n_addresses = 1;
        link->addresses[0] = link_address(i);
        link->n_routes = !world->links[i].no_route;
        link->routes[0].metric = 100 + i;
        assert_true(range_parse(world->links[i].near ? "192.0.2.0/24" : "0.0.0.0/0",
                                &link->routes[0].destination));
    }
    path_manager_links_set(world->pm, links, world->n_links, world->now);
}

/* --- the IKE core --- */

static struct world_sa *sa_find(const struct world *world, ike_sa_id id)
{
    for (unsigned i = 0; i < WORLD_SAS; i++)
        if (id != 0 && world->sas[i].id == id)
            return (struct world_sa *)&world->sas[i];
    return NULL;
}

static struct world_sa *sa_of_child(const struct world *world, ike_child_id child)
{
    for (unsigned i = 0; i < WORLD_SAS; i++)
        if (world->sas[i].id != 0 && child != 0 && world->sas[i].child == child)
            return (struct world_sa *)&world->sas[i];
    return NULL;
}

static struct world_sa *sa_new(struct world *world)
{
    for (unsigned i = 0; i < WORLD_SAS; i++) {
        if (world->sas[i].id != 0)
            continue;
        world->sas[i] = (struct world_sa){.id = ++world->last_id, .last_heard = world->now};
        return &world->sas[i];
    }
    fail_msg("no room for an IKE SA");
    return NULL;
}

unsigned world_established(const struct world *world)
{
    unsigned n = 0;
    for (unsigned i = 0; i < WORLD_SAS; i++)
        n += world->sas[i].id != 0 && world->sas[i].life == IKE_ESTABLISHED;
    return n;
}

static unsigned of_session(const struct world *world, ike_session_id session)
{
    unsigned n = 0;
    for (unsigned i = 0; i < WORLD_SAS; i++)
        n += world->sas[i].id != 0 && world->sas[i].life == IKE_ESTABLISHED &&
             world->sas[i].session == session;
    return n;
}

static bool known(const struct world *world, const struct world_sa *sa)
{
    return sa->up >= world->peer_started;
}

static struct ike_event *emit(struct world *world, const struct world_sa *sa,
                              enum ike_event_kind kind)
{
    assert_true(world->n_events < ARRAY_LEN(world->events));
    struct ike_event *event = &world->events[world->n_events++];
    *event = (struct ike_event){.kind = kind,
                                .session = sa == NULL ? world->session : sa->session,
                                .sa = sa == NULL ? 0 : sa->id,
                                .path = sa == NULL ? (struct ike_path){.interface = 0} : sa->path};
    return event;
}

static void done(struct world *world, struct world_sa *sa, enum ike_outcome outcome)
{
    struct ike_event *event = emit(world, sa, IKE_EV_COMMAND_DONE);
    event->tag = sa->intents[0].command.tag;
    event->outcome = outcome;
    event->rtt_ns = world->now - sa->asked;
    memmove(&sa->intents[0], &sa->intents[1], (sa->n - 1) * sizeof(sa->intents[0]));
    sa->n--;
    sa->asked = sa->next_try = sa->answer_at = 0;
    sa->tries = 0;
}

static void child_down(struct world *world, struct world_sa *sa, enum ike_outcome outcome)
{
    if (sa->child == 0)
        return;
    struct ike_event *event = emit(world, sa, IKE_EV_CHILD_DOWN);
    event->child = sa->child;
    event->outcome = outcome;
    sa->child = 0;
}

static void sa_down(struct world *world, struct world_sa *sa, enum ike_outcome outcome)
{
    child_down(world, sa, outcome);
    while (sa->n > 0)
        done(world, sa, outcome);
    if (sa->life == IKE_ESTABLISHED || sa->life == IKE_SA_REPLACED)
        emit(world, sa, IKE_EV_SA_DOWN)->outcome = outcome;
    bool counted = sa->life == IKE_ESTABLISHED;
    sa->id = 0;
    if (counted && of_session(world, sa->session) == 0) {
        struct ike_event *event = emit(world, NULL, IKE_EV_SESSION_DOWN);
        event->session = sa->session;
        event->outcome = outcome;
        if (world->session == sa->session)
            world->session = 0;
    }
}

static void child_up(struct world *world, struct world_sa *sa)
{
    sa->child = ++world->last_id;
    sa->child_in = sa->child_out = 0;
    sa->child_usable = false;
    emit(world, sa, IKE_EV_CHILD_NEW)->child = sa->child;
    if (!world->no_routes)
        emit(world, sa, IKE_EV_CHILD_UP)->child = sa->child;
}

static void logged_in(struct world *world, struct world_sa *sa)
{
    /* never a second login while an IKE SA of the first one could be talked to where it is */
    for (unsigned i = 0; !world->chaos && i < WORLD_SAS; i++) {
        const struct world_sa *other = &world->sas[i];
        assert_false(other->id != 0 && other->life == IKE_ESTABLISHED && known(world, other) &&
                     passes(world, &other->path));
    }
    world->logins++;
    world->session = sa->session = ++world->last_id;
    sa->up = world->now;
    sa->life = IKE_ESTABLISHED;
    sa->role = IKE_SA_INITIATOR;
    emit(world, sa, IKE_EV_SA_UP);
    emit(world, sa, IKE_EV_SESSION_UP);
    if (!world->childless && !world->refuses)
        child_up(world, sa);
    done(world, sa, world->refuses && !world->childless ? IKE_TS_REFUSED : IKE_OK);
}

static void cloned(struct world *world, struct world_sa *sa)
{
    if (world_established(world) >= world->peer_max_sas) {
        done(world, sa, IKE_NO_ADDITIONAL_SAS);
        return;
    }
    struct world_sa *clone = sa_new(world);
    clone->life = IKE_ESTABLISHED;
    clone->parent = sa->id;
    clone->session = sa->session;
    clone->up = world->now;
    clone->path = sa->path;
    clone->role = IKE_SA_INITIATOR;
    struct ike_event *event = emit(world, clone, IKE_EV_SA_UP);
    event->sa_old = sa->id;
    event->tag = sa->intents[0].command.tag;
    done(world, sa, IKE_OK);
    event = &world->events[world->n_events - 1];
    event->sa_old = sa->id;
    event->sa = clone->id;
}

static void answered(struct world *world, struct world_sa *sa)
{
    const struct world_intent intent = sa->intents[0];
    sa->last_heard = world->now;
    sa->unanswered = (uint8_t)(sa->tries - sa->answers);
    struct ike_event *event = emit(world, sa, IKE_EV_EXCHANGE);
    event->tag = intent.command.tag;
    event->rtt_ns = world->now - sa->asked;
    switch ((int)intent.command.kind) {
    case IKE_CMD_CONNECT:
        if (++sa->step == 1) {
            sa->asked = sa->answer_at = 0;
            sa->next_try = world->now;
            sa->tries = 0;
        } else {
            logged_in(world, sa);
        }
        return;
    case IKE_CMD_CLONE: cloned(world, sa); return;
    case IKE_CMD_PATH_TEST: event->path = intent.command.path; break;
    case IKE_CMD_MOVE:
        event->path = intent.command.path;
        sa->path = intent.command.path;
        emit(world, sa, IKE_EV_SA_MOVED);
        break;
    case IKE_CMD_CREATE_CHILD:
        assert_int_equal(sa->child, 0); /* no second Child SA of the same name */
        if (world->refuses) {
            done(world, sa, IKE_TS_REFUSED);
            return;
        }
        child_up(world, sa);
        break;
    default: break;
    }
    done(world, sa, IKE_OK);
}

static void ask(struct world *world, struct world_sa *sa)
{
    const struct ike_command *command = &sa->intents[0].command;
    bool elsewhere = command->kind == IKE_CMD_MOVE || command->kind == IKE_CMD_PATH_TEST;
    const struct ike_path *path = elsewhere ? &command->path : &sa->path;
    if (sa->asked == 0) {
        sa->asked = world->now;
        sa->tries = sa->answers = 0;
        sa->interval = command->retry_ns > 0 ? command->retry_ns : NANOS_PER_SEC;
    }
    sa->tries++;
    sa->next_try = world->now + sa->interval;
    if (command->retry_ns == 0)
        sa->interval = sa->interval * 9 / 5;
    if ((sa->life != IKE_ESTABLISHED || known(world, sa)) && passes(world, path) &&
        !lost(world, path)) {
        sa->answers++;
        if (sa->answer_at == 0)
            sa->answer_at = world->now + world->links[link_of(world, path)].rtt;
    }
}

static void sa_step(struct world *world, struct world_sa *sa)
{
    if (sa->n == 0)
        return;
    const struct ike_command *command = &sa->intents[0].command;
    if (sa->answer_at != 0 && sa->answer_at <= world->now) {
        sa->answer_at = 0;
        if (sa->parked) { /* the old request was answered: now ours goes out */
            sa->parked = false;
            sa->next_try = world->now;
        } else {
            answered(world, sa);
            return;
        }
    }
    if (command->give_up_ns > 0 && sa->asked != 0 &&
        world->now - sa->asked >= command->give_up_ns && sa->life != IKE_ESTABLISHED) {
        sa_down(world, sa, IKE_TIMEOUT);
    } else if (command->give_up_ns > 0 && sa->asked != 0 &&
               world->now - sa->asked >= command->give_up_ns) {
        sa->parked = true;
        done(world, sa, IKE_TIMEOUT);
    } else if (command->retry_ns == 0 && sa->tries > 6 && sa->next_try <= world->now) {
        sa_down(world, sa, IKE_TIMEOUT);
    } else if (sa->next_try <= world->now) {
        ask(world, sa);
    }
}

static int command_run(struct world *world, const struct ike_command *command)
{
    struct world_sa *sa = sa_find(world, command->sa);
    if (command->kind == IKE_CMD_CANCEL) {
        for (unsigned i = 0; i < WORLD_SAS; i++)
            if (world->sas[i].n > 0 && world->sas[i].intents[0].command.tag == command->tag)
                sa_down(world, &world->sas[i], IKE_CANCELLED);
        return 0;
    }
    if (command->kind == IKE_CMD_DELETE_SESSION) {
        for (unsigned i = 0; i < WORLD_SAS; i++)
            if (world->sas[i].id != 0 && world->sas[i].life == IKE_ESTABLISHED &&
                world->sas[i].session == command->session)
                sa_down(world, &world->sas[i], IKE_CANCELLED);
        return 0;
    }
    if (command->kind == IKE_CMD_DELETE_CHILD) {
        sa = sa_of_child(world, command->child_id);
        if (sa == NULL)
            return ERR_NOT_FOUND;
        child_down(world, sa, IKE_CANCELLED);
        return 0;
    }
    if (command->kind == IKE_CMD_CONNECT) {
        bool again = command->again != 0 && sa_find(world, command->again) == NULL;
        sa = sa_new(world);
        if (again) {
            sa->id = command->again;
            world->last_id--;
        }
        sa->path = command->path;
        sa->life = IKE_HALF_OPEN;
    }
    if (sa == NULL)
        return ERR_NOT_FOUND;
    if (command->kind == IKE_CMD_DELETE_IKE) {
        sa_down(world, sa, IKE_CANCELLED);
        return 0;
    }
    if (sa->n == ARRAY_LEN(sa->intents))
        return ERR_FULL;
    if (command->kind == IKE_CMD_CLONE) /* one clone of an IKE SA at a time */
        for (unsigned i = 0; i < sa->n; i++)
            assert_int_not_equal(sa->intents[i].command.kind, IKE_CMD_CLONE);
    if (sa->n == 0)
        sa->next_try = world->now;
    sa->intents[sa->n++].command = *command;
    return 0;
}

static void count(struct world *world, const struct ike_command *command)
{
    enum ike_command_kind kind = command->kind;
    world->for_packets += command->packet.src.family != ADDRESS_NONE;
    world->connects += kind == IKE_CMD_CONNECT;
    world->early += command->early_ns > 0;
    world->clones += kind == IKE_CMD_CLONE;
    world->moves += kind == IKE_CMD_MOVE;
    world->creates += kind == IKE_CMD_CREATE_CHILD;
    world->probes += kind == IKE_CMD_PROBE;
    const struct world_sa *sa = kind == IKE_CMD_PROBE ? sa_find(world, command->sa) : NULL;
    if (sa != NULL && link_of(world, &sa->path) >= 0)
        world->links[link_of(world, &sa->path)].probes++;
    world->tests += kind == IKE_CMD_PATH_TEST;
    world->deletes += kind == IKE_CMD_DELETE_IKE || kind == IKE_CMD_DELETE_SESSION;
    assert_true(command->reason == IKE_OK || command->force);
    world->timeouts += command->reason == IKE_TIMEOUT;
    world->commands++;
    if (world->now - world->second >= NANOS_PER_SEC) {
        world->second = world->now;
        world->commands_this_second = 0;
    }
    if (++world->commands_this_second > world->worst_second)
        world->worst_second = world->commands_this_second;
}

/* --- the view --- */

static bool view_session(const void *context, ike_session_id id, struct ike_session_info *ret_info)
{
    const struct world *world = context;
    if (id == 0 || of_session(world, id) == 0)
        return false;
    *ret_info = (struct ike_session_info){
        .id = id,
        .conn = world->conn,
        .role = IKE_END_USER,
        .established = true,
        .mobike = world->peer_mobike,
        .dialect = world->peer_clones ? IKE_DIALECT_KEEP_OLD : IKE_DIALECT_NONE,
    };
    return true;
}

static bool view_sa(const void *context, ike_sa_id id, struct ike_sa_info *ret_info)
{
    const struct world *world = context;
    const struct world_sa *sa = sa_find(world, id);
    if (sa == NULL)
        return false;
    *ret_info = (struct ike_sa_info){.id = id,
                                     .line = id,
                                     .session = sa->session,
                                     .parent = sa->parent,
                                     .life = sa->life,
                                     .role = sa->role,
                                     .path = sa->path,
                                     .unanswered = sa->unanswered,
                                     .last_heard_ns = sa->last_heard};
    for (unsigned i = 0; i < world->n_remotes; i++)
        ret_info->peer_addresses[ret_info->n_peer_addresses++] = remote_address(i);
    return true;
}

/* view_line - no IKE SA is rekeyed here. */
static bool view_line(const void *context, ike_session_id session, ike_sa_id line,
                      struct ike_sa_info *ret_info)
{
    return view_sa(context, line, ret_info) && ret_info->session == session &&
           ret_info->life == IKE_ESTABLISHED;
}

static bool view_child(const void *context, ike_child_id id, struct ike_child_info *ret_info)
{
    const struct world *world = context;
    const struct world_sa *sa = sa_of_child(world, id);
    if (sa == NULL)
        return false;
    *ret_info = (struct ike_child_info){.id = id,
                                        .sa = sa->id,
                                        .line = sa->id,
                                        .session = sa->session,
                                        .policy = &world->conn->children[0],
                                        .life = IKE_CHILD_ACTIVE,
                                        .up = !world->no_routes};
    return true;
}

static bool view_sa_next(const void *context, ike_sa_id after, struct ike_sa_info *ret_info)
{
    const struct world *world = context;
    const struct world_sa *first = NULL;
    for (const struct world_sa *sa = world->sas; sa < world->sas + WORLD_SAS; sa++)
        if (sa->id > after && (first == NULL || sa->id < first->id))
            first = sa;
    return first != NULL && view_sa(context, first->id, ret_info);
}

static bool view_child_next(const void *context, ike_child_id after,
                            struct ike_child_info *ret_info)
{
    const struct world *world = context;
    ike_child_id first = 0;
    for (const struct world_sa *sa = world->sas; sa < world->sas + WORLD_SAS; sa++)
        if (sa->id != 0 && sa->child > after && (first == 0 || sa->child < first))
            first = sa->child;
    return view_child(context, first, ret_info);
}

static bool child_traffic(const void *context, ike_child_id id, nanos *ret_in_ns, nanos *ret_out_ns)
{
    const struct world_sa *sa = sa_of_child(context, id);
    if (sa == NULL)
        return false;
    *ret_in_ns = sa->child_in;
    *ret_out_ns = sa->child_out;
    return true;
}

/* --- the loop --- */

static void pull(struct world *world)
{
    struct ike_command command;
    struct path_order order;
    struct path_news news;
    for (unsigned guard = 0;; guard++) {
        assert_true(guard < 1000); /* they must come to rest */
        unsigned n = world->n_events;
        memcpy(world->taken, world->events, n * sizeof(world->events[0]));
        world->n_events = 0;
        for (unsigned i = 0; i < n; i++) {
            path_manager_event(world->pm, &world->taken[i], world->now);
            path_manager_check_invariants(world->pm);
        }
        bool any = n > 0;
        while (path_manager_command(world->pm, &command)) {
            any = true;
            count(world, &command);
            int err = command_run(world, &command);
            if (err != 0)
                path_manager_refused(world->pm, command.tag, err, world->now);
        }
        while (path_manager_order(world->pm, &order)) {
            if (order.kind == PATH_ORDER_CLASSES) {
                world->classes_told++;
                for (unsigned i = 0; i < WORLD_SAS; i++)
                    world->sas[i].child_carries = 0; /* as esp/policy.h says */
            }
            struct world_sa *sa =
                order.kind == PATH_ORDER_CHILD ? sa_of_child(world, order.child) : NULL;
            if (sa != NULL) {
                sa->child_usable = order.usable;
                sa->child_priority = order.priority;
                sa->child_carries = order.carries;
            }
        }
        while (path_manager_news(world->pm, &news)) {
            world->connected += news.kind == PATH_NEWS_CONNECTED;
            world->failed += news.kind == PATH_NEWS_CONNECT_FAILED;
            world->retries += news.kind == PATH_NEWS_CONNECT_RETRY;
            world->ups += news.kind == PATH_NEWS_STATE && news.to == PATH_UP;
            if (news.kind != PATH_NEWS_STATE)
                world->outcome = news.outcome;
            if (getenv("WORLD_TRACE") != NULL)
                fprintf(stderr, "%8.3f %s %s -> %s sa %u %s\n", (double)world->now / NANOS_PER_SEC,
                        news.path, path_state_name(news.from), path_state_name(news.to), news.sa,
                        news.reason);
        }
        if (!any && world->n_events == 0)
            return;
    }
}

static void flow_step(struct world *world)
{
    struct world_sa *best = NULL;
    world->carrier = 0;
    for (unsigned i = 0; i < WORLD_SAS; i++) {
        struct world_sa *sa = &world->sas[i];
        if (sa->id != 0 && sa->child != 0 && sa->child_usable &&
            (best == NULL || sa->child_priority < best->child_priority))
            best = sa;
    }
    if (best == NULL)
        return;
    world->carrier = best->child;
    if (!world->flow)
        return;
    best->child_out = world->now;
    if (known(world, best) && passes(world, &best->path) && !lost(world, &best->path)) {
        if (!world->upstream_only)
            best->child_in = world->now;
        world->flow_ok = world->now;
    } else if (world->flow_ok != 0 && world->now - world->flow_ok > world->worst_gap) {
        world->worst_gap = world->now - world->flow_ok;
    }
}

void world_run(struct world *world, nanos duration)
{
    nanos end = world->now + duration;
    for (; world->now < end; world->now += WORLD_STEP) {
        for (unsigned i = 0; i < WORLD_SAS; i++)
            if (world->sas[i].id != 0)
                sa_step(world, &world->sas[i]);
        pull(world);
        for (unsigned guard = 0; path_manager_deadline(world->pm) <= world->now; guard++) {
            assert_true(guard < 3); /* one tick may end what another one began */
            path_manager_tick(world->pm, world->now);
            path_manager_check_invariants(world->pm);
            pull(world);
        }
        flow_step(world);
    }
}

void world_until(struct world *world, bool (*condition)(const struct world *world), nanos limit)
{
    nanos end = world->now + limit;
    while (!condition(world) && world->now < end)
        world_run(world, WORLD_STEP);
    assert_true(condition(world));
}

/* --- making one --- */

struct world *world_new(unsigned n_links, uint64_t seed)
{
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    world->seed = seed;
    world->random = (struct random){.fill = fill, .context = world};
    world->n_links = n_links;
    world->now = 100 * NANOS_PER_SEC;
    world->peer_up = world->peer_clones = world->peer_mobike = true;
    world->peer_max_sas = 8;
    for (unsigned i = 0; i < n_links; i++)
        world->links[i] =
            (struct world_link){.up = true, .rtt = (nanos)(10 + 10 * i) * NANOS_PER_MS};
    struct ike_conn *conn = world->conn = ike_conn_new();
    assert_non_null(conn);
    (void)snprintf(conn->name, sizeof(conn->name), "home");
    conn->n_children = 1;
    (void)snprintf(conn->children[0].name, sizeof(conn->children[0].name), "net");
    conn->n_remote_addrs = 1;
    conn->remote_addrs[0].range.first = conn->remote_addrs[0].range.last = remote_address(0);
    conn->keyingtries = 1;
    conn->mobike = true;
    conn->clone = IKE_CLONE_BOTH;
    conn->max_ike_sas = 8;
    conn->probe_interval_ns = NANOS_PER_SEC;
    conn->failover_ns = 2 * NANOS_PER_SEC;
    conn->stable_for_ns = 5 * NANOS_PER_SEC;
    for (unsigned i = 0; i < n_links; i++) {
        struct ike_path_policy *path = &conn->paths[conn->n_paths++];
        (void)snprintf(path->name, sizeof(path->name), "p%u", i);
        (void)snprintf(path->interface, sizeof(path->interface), "eth%u", i);
        path->priority = i + 1;
        path->weight = 1;
    }
    return world;
}

void world_start(struct world *world)
{
    struct path_options options = {
        .random = &world->random,
        .view = {.context = world,
                 .session = view_session,
                 .sa = view_sa,
                 .line = view_line,
                 .child = view_child,
                 .sa_next = view_sa_next,
                 .child_next = view_child_next},
        .traffic = {.context = world, .child = child_traffic},
    };
    world->pm = path_manager_new(&options);
    assert_non_null(world->pm);
    tell_links(world);
}

void world_connect(struct world *world, bool keep)
{
    struct path_connect wish = {.conn = world->conn, .tag = 7, .keep = keep};
    assert_int_equal(path_manager_connect(world->pm, &wish, world->now), 0);
    pull(world);
}

void world_free(struct world *world)
{
    path_manager_free(world->pm);
    assert_int_equal(world->conn->refs, 1);
    ike_conn_unref(world->conn);
    free(world);
}

void world_link_set(struct world *world, unsigned link, bool up)
{
    world->links[link].up = up;
    tell_links(world);
    path_manager_check_invariants(world->pm);
    pull(world);
    flow_step(world);
}

void world_sa_kill(struct world *world, unsigned link, enum ike_outcome outcome)
{
    for (unsigned i = 0; i < WORLD_SAS; i++) {
        struct world_sa *sa = &world->sas[i];
        if (sa->id != 0 && (sa->life == IKE_ESTABLISHED || sa->life == IKE_HALF_OPEN) &&
            link_of(world, &sa->path) == (int)link) {
            sa_down(world, sa, outcome);
            break;
        }
    }
    pull(world);
}

void world_redirect(struct world *world, unsigned link, const struct ike_gateway *to)
{
    for (unsigned i = 0; i < WORLD_SAS; i++) {
        struct world_sa *sa = &world->sas[i];
        if (sa->id == 0 || sa->life != IKE_HALF_OPEN || link_of(world, &sa->path) != (int)link)
            continue;
        struct ike_event *event = emit(world, sa, IKE_EV_REDIRECT);
        event->tag = sa->intents[0].command.tag;
        event->path.remote.address = to->address;
        event->notice = to->name;
        sa_down(world, sa, IKE_REDIRECTED);
        break;
    }
    pull(world);
}

struct path_status world_path(const struct world *world, const char *name)
{
    struct path_status status;
    for (size_t i = 0; path_manager_status(world->pm, i, &status); i++)
        if (strcmp(status.path, name) == 0)
            return status;
    fail_msg("no path %s", name);
    return status;
}

void world_child_kill(struct world *world)
{
    for (unsigned i = 0; i < WORLD_SAS; i++)
        if (world->sas[i].id != 0)
            child_down(world, &world->sas[i], IKE_CANCELLED);
    pull(world);
}

void world_child_routed(struct world *world)
{
    world->no_routes = false;
    for (unsigned i = 0; i < WORLD_SAS; i++)
        if (world->sas[i].id != 0 && world->sas[i].child != 0)
            emit(world, &world->sas[i], IKE_EV_CHILD_UP)->child = world->sas[i].child;
    pull(world);
}

void world_child_rekey(struct world *world)
{
    for (unsigned i = 0; i < WORLD_SAS; i++) {
        struct world_sa *sa = &world->sas[i];
        if (sa->id == 0 || sa->child == 0)
            continue;
        struct world_sa old = *sa;
        struct ike_event *event = emit(world, sa, IKE_EV_CHILD_NEW);
        event->child = sa->child = ++world->last_id;
        event->child_old = old.child;
        emit(world, sa, IKE_EV_CHILD_UP)->child = sa->child;
        sa->child_in = sa->child_out = 0;
        child_down(world, &old, IKE_OK);
    }
    pull(world);
}

bool world_all_up(const struct world *world)
{
    struct path_status status;
    size_t i = 0;
    for (; path_manager_status(world->pm, i, &status); i++)
        if (status.state != PATH_UP || status.child == 0 || status.parked || !status.usable)
            return false;
    return i > 0;
}

int world_carrier_link(const struct world *world)
{
    const struct world_sa *sa = sa_of_child(world, world->carrier);
    return sa == NULL ? -1 : link_of(world, &sa->path);
}

struct world *world_up(unsigned n_links, uint64_t seed)
{
    struct world *world = world_new(n_links, seed);
    world_start(world);
    world_connect(world, true);
    world_until(world, world_all_up, 5 * NANOS_PER_SEC);
    assert_int_equal(world->logins, 1);
    world->flow = true;
    world_run(world, 2 * NANOS_PER_SEC);
    return world;
}
