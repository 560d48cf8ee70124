/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "daemon/common/log.h"
#include "daemon/config/selectors.h"
#include "daemon/engine/engine_state.h"

/* --- key exchanges --- */

void engine_key_exchange(struct engine *e, const struct ike_event *event)
{
    struct ike_result result = {.error = ke_workers_add(e->ke_workers, event->job, &event->ke)};
    if (result.error != 0)
        ike_complete(e->ike, event->job, &result, e->now);
}

static void on_key_exchange(void *context, int fd, unsigned events)
{
    struct engine *e = context;
    struct ke_job step;
    ike_job_id job;
    (void)fd, (void)events;
    while (ke_workers_next(e->ke_workers, &job, &step)) {
        struct ike_result result = {.error = step.error, .ke = &step};
        ike_complete(e->ike, job, &result, e->now);
        wipe(&step, sizeof(step));
        engine_pump(e);
    }
}

/* --- names of peers --- */

/* a name that is unknown may be known a moment later, while the system boots */
#define RETRY_NS (10 * NANOS_PER_SEC)

/* next_name - notes the addresses up to the next name of remote_addrs. false: there is no more name. */
static bool next_name(struct resolving *r)
{
    struct path_connect *wish = &r->wish;
    for (; r->entry < wish->conn->n_remote_addrs; r->entry++) {
        const struct ike_remote *remote = &wish->conn->remote_addrs[r->entry];
        if (remote->name[0] != '\0')
            return true;
        if (!ike_remote_any(remote) && address_equal(&remote->range.first, &remote->range.last) &&
            wish->n_remotes < POLICY_ADDRESSES)
            wish->remotes[wish->n_remotes++] = remote->range.first;
    }
    return false;
}

static int resolver_ask(struct engine *e, struct resolving *r)
{
    struct resolve_request request = {.job = r->job};
    const char *name = r->wish.conn->remote_addrs[r->entry].name;
    memcpy(request.name, name, strnlen(name, sizeof(request.name) - 1));
    r->retry_at = NANOS_NEVER;
    return e->resolver_fd < 0 ? ERR_AGAIN
                              : channel_send(e->resolver_fd, &request, sizeof(request), NULL, 0);
}

static void resolving_end(struct resolving *r)
{
    r->wish.conn = ike_conn_unref(r->wish.conn);
    r->job = 0;
}

/* unresolved - tells the clients that wait for the connection that its names have no address. */
static void unresolved(struct engine *e, const struct path_connect *wish)
{
    const struct ike_conn *conn = wish->conn;
    char why[ENGINE_ERROR_MAX] = "the peer's address is unknown: remote_addrs has none to call";
    for (uint8_t i = 0; i < conn->n_remote_addrs; i++)
        if (conn->remote_addrs[i].name[0] != '\0')
            (void)snprintf(why, sizeof(why),
                           "%.200s does not resolve: is the name right, and do the name servers of "
                           "this host answer? See: getent ahosts %.200s",
                           conn->remote_addrs[i].name, conn->remote_addrs[i].name);
    engine_watch_failed(e, wish->tag, why);
}

static void resolved(struct engine *e, struct resolving *r)
{
    struct path_connect wish = r->wish;
    if (r->child[0] != '\0')
        wish.child = r->child;
    if (r->again) {
        path_manager_remotes(e->paths, &wish, e->now);
        resolving_end(r);
        engine_pump(e);
        return;
    }
    int error = path_manager_connect(e->paths, &wish, e->now);
    if (error == ERR_INVALID && wish.keep) {
        r->wish.n_remotes = r->entry = 0;
        (void)next_name(r);
        r->retry_at = nanos_after(e->now, RETRY_NS);
        return;
    }
    if (error != 0)
        unresolved(e, &wish);
    resolving_end(r);
    engine_pump(e);
}

void engine_name_ask(struct engine *e, const struct path_question *question)
{
    struct resolve_request request = {.job = question->tag};
    memcpy(request.name, question->name, strnlen(question->name, sizeof(request.name) - 1));
    engine_log_name_asked(e, question);
    if (e->resolver_fd < 0 || channel_send(e->resolver_fd, &request, sizeof(request), NULL, 0) != 0)
        path_manager_resolved(e->paths, question->tag, NULL, 0, e->now);
}

/* name_answered - reads the addresses of a name to which a Gateway redirected us. */
static void name_answered(struct engine *e, const struct resolve_answer *answer)
{
    size_t n = answer->error != 0 ? 0 : answer->n;
    if (n == 0)
        engine_log_name_failed(e, answer->job, answer->error);
    path_manager_resolved(e->paths, answer->job, answer->addresses,
                          n < POLICY_ADDRESSES ? n : POLICY_ADDRESSES, e->now);
    engine_pump(e);
}

/* resolving_go_on - asks for the next name, or finishes. */
static void resolving_go_on(struct engine *e, struct resolving *r)
{
    if (!next_name(r))
        resolved(e, r);
    else if (resolver_ask(e, r) != 0 && e->resolver_fd >= 0)
        r->retry_at = nanos_after(e->now, RETRY_NS);
    /* without a resolver the next one is asked: engine_resolver_take() */
}

/* resolver_drop - the resolver has ended; the supervisor starts another one. */
static void resolver_drop(struct engine *e)
{
    if (e->resolver_fd < 0)
        return;
    event_loop_remove(e->loop, e->resolver_fd);
    close(e->resolver_fd);
    e->resolver_fd = -1;
}

static void on_resolved(void *context, int fd, unsigned events)
{
    struct engine *e = context;
    struct resolve_answer answer;
    (void)events;
    int error;
    while ((error = channel_recv(fd, &answer, sizeof(answer), NULL, NULL)) == 0) {
        if ((answer.job & PATH_TAG) != 0)
            name_answered(e, &answer);
        for (size_t i = 0; i < ENGINE_RESOLVING; i++) {
            struct resolving *r = &e->resolving[i];
            if (answer.job == 0 || r->job != answer.job)
                continue;
            for (size_t j = 0; j < answer.n && j < POLICY_ADDRESSES; j++)
                if (r->wish.n_remotes < POLICY_ADDRESSES)
                    r->wish.remotes[r->wish.n_remotes++] = answer.addresses[j];
            if (answer.error != 0)
                engine_log_unresolved(e, r, answer.error);
            r->entry++;
            resolving_go_on(e, r);
        }
    }
    if (error != ERR_AGAIN)
        resolver_drop(e);
}

int engine_resolver_take(struct engine *e, int fd)
{
    resolver_drop(e);
    e->resolver_fd = fd;
    for (size_t i = 0; i < ENGINE_RESOLVING; i++)
        if (e->resolving[i].job != 0 && e->resolving[i].retry_at == NANOS_NEVER)
            e->resolving[i].retry_at = e->now;
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0
               ? ERR_SYSTEM
               : event_loop_add(e->loop, fd, EVENT_READ, on_resolved, e);
}

/* resolving_new - NULL: too many names are asked for. */
static struct resolving *resolving_new(struct engine *e, const struct path_connect *wish)
{
    for (size_t i = 0; i < ENGINE_RESOLVING; i++) {
        struct resolving *r = &e->resolving[i];
        if (r->job != 0)
            continue;
        *r = (struct resolving){.job = engine_number(e), .wish = *wish};
        r->wish.conn = ike_conn_ref(wish->conn);
        r->wish.child = NULL;
        if (wish->child != NULL)
            memcpy(r->child, wish->child, strnlen(wish->child, LIMIT_NAME - 1));
        return r;
    }
    return NULL;
}

int engine_connect(struct engine *e, const struct path_connect *wish)
{
    if (!selectors_remote_name(wish->conn))
        return path_manager_connect(e->paths, wish, e->now);
    struct resolving *r = resolving_new(e, wish);
    if (r == NULL)
        return ERR_FULL;
    resolving_go_on(e, r);
    return 0;
}

void engine_names_again(struct engine *e, const char *conn_name)
{
    struct ike_conn *conn = ike_conn_find(e->ike, conn_name);
    if (conn == NULL || !selectors_remote_name(conn))
        return;
    for (size_t i = 0; i < ENGINE_RESOLVING; i++)
        if (e->resolving[i].job != 0 && e->resolving[i].wish.conn == conn)
            return;
    struct resolving *r = resolving_new(e, &(struct path_connect){.conn = conn});
    if (r == NULL)
        return; /* the next round tries what was known */
    r->again = true;
    resolving_go_on(e, r);
}

void engine_connect_forget(struct engine *e, const char *conn_name)
{
    for (size_t i = 0; i < ENGINE_RESOLVING; i++) {
        struct resolving *r = &e->resolving[i];
        if (r->job == 0 || strcmp(r->wish.conn->name, conn_name) != 0)
            continue;
        if (!r->again)
            engine_watch_failed(e, r->wish.tag, "cancelled");
        resolving_end(r);
    }
}

void engine_connect_tick(struct engine *e)
{
    for (size_t i = 0; i < ENGINE_RESOLVING; i++) {
        struct resolving *r = &e->resolving[i];
        if (r->job != 0 && r->retry_at <= e->now && resolver_ask(e, r) != 0)
            r->retry_at = nanos_after(e->now, RETRY_NS);
    }
}

nanos engine_connect_deadline(const struct engine *e)
{
    nanos deadline = NANOS_NEVER;
    for (size_t i = 0; i < ENGINE_RESOLVING; i++)
        if (e->resolving[i].job != 0)
            deadline = nanos_min(deadline, e->resolving[i].retry_at);
    return deadline;
}

int engine_jobs_add(struct engine *e)
{
    e->resolver_fd = -1;
    int error = engine_resolver_take(e, e->start->resolver_fd);
    return error != 0 ? error
                      : event_loop_add(e->loop, ke_workers_fd(e->ke_workers), EVENT_READ,
                                       on_key_exchange, e);
}
