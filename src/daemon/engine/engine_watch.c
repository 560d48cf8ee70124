/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/rate.h"
#include "daemon/engine/engine_state.h"

#define UNREACHABLE_PER_SECOND 4

struct watching *engine_watch_add(struct engine *e, enum watch_kind kind, uint64_t tag,
                                  nanos timeout, const struct engine_watch *watch)
{
    for (size_t i = 0; i < ENGINE_WATCHES; i++) {
        struct watching *w = &e->watching[i];
        if (w->kind != WATCH_FREE)
            continue;
        *w = (struct watching){.kind = kind,
                               .tag = tag,
                               .watch = *watch,
                               .deadline = timeout > 0 ? nanos_after(e->now, timeout) : NANOS_NEVER,
                               .worst = IKE_OK};
        return w;
    }
    return NULL;
}

static void watch_end(struct watching *w, bool success, const char *error)
{
    struct watching ended = *w;
    w->kind = WATCH_FREE; /* unlink it first: `done` may start another one */
    ended.watch.done(ended.watch.context, success, ended.matches, error);
}

static struct watching *watch_find(struct engine *e, uint64_t tag)
{
    for (size_t i = 0; i < ENGINE_WATCHES; i++)
        if (e->watching[i].kind != WATCH_FREE && e->watching[i].tag == tag)
            return &e->watching[i];
    return NULL;
}

void engine_watch_log(struct engine *e, const struct engine_line *line)
{
    for (size_t i = 0; i < ENGINE_WATCHES; i++) {
        const struct watching *w = &e->watching[i];
        bool other = w->kind == WATCH_INITIATE && line->conn != NULL && w->conn[0] != '\0' &&
                     strcmp(w->conn, line->conn) != 0;
        if (w->kind != WATCH_FREE && w->watch.log != NULL && !other)
            w->watch.log(w->watch.context, line);
    }
}

/* connects_to - a login of the connection goes there. */
static bool connects_to(struct engine *e, const char *conn, const struct address *remote)
{
    struct path_status path;
    for (size_t i = 0; path_manager_status(e->paths, i, &path); i++)
        if (path.session == 0 && path.state == PATH_CONNECTING && strcmp(path.conn, conn) == 0 &&
            address_equal(&path.wanted.remote.address, remote))
            return true;
    return false;
}

static void unreachable_tell(struct watching *w, const struct endpoint *remote)
{
    char address[ADDRESS_TEXT_MAX], text[ADDRESS_TEXT_MAX + 128];
    const struct engine_line line = {.group = "NET", .conn = w->conn, .text = text};
    w->unreachable = *remote;
    (void)snprintf(text, sizeof(text),
                   "%s refuses UDP port %u, or a router before it (ICMP: unreachable); trying on",
                   address_print(&remote->address, address), remote->port);
    w->watch.log(w->watch.context, &line);
}

void engine_watch_unreachable(struct engine *e, const struct endpoint *remote)
{
    for (size_t i = 0; i < ENGINE_WATCHES; i++) {
        struct watching *w = &e->watching[i];
        bool told = endpoint_equal(&w->unreachable, remote);
        if (w->kind == WATCH_INITIATE && !w->connected && w->watch.log != NULL && !told &&
            rate_second(&e->unreachable_ns, UNREACHABLE_PER_SECOND, e->now) &&
            connects_to(e, w->conn, &remote->address))
            unreachable_tell(w, remote);
    }
}

void engine_watch_failed(struct engine *e, uint64_t tag, const char *why)
{
    struct watching *w = watch_find(e, tag);
    if (w != NULL)
        watch_end(w, false, why);
}

void engine_watch_news(struct engine *e, const struct path_news *news)
{
    engine_say_path(e, news);
    if (news->kind != PATH_NEWS_CONNECTED && news->kind != PATH_NEWS_CONNECT_FAILED)
        return;
    bool success = news->kind == PATH_NEWS_CONNECTED;
    for (size_t i = 0; i < ENGINE_WATCHES; i++) {
        struct watching *w = &e->watching[i];
        /* an older wish for the same connection was merged into this one */
        if (w->kind != WATCH_INITIATE || w->tag > news->tag || strcmp(w->conn, news->conn) != 0)
            continue;
        w->matches = 1;
        if (success) { /* once the host has the routes of its Child SA */
            w->asked = host_asked(e->host);
            w->connected = true;
        } else {
            watch_end(w, false, ike_outcome_name(news->outcome));
        }
    }
    engine_watch_host(e);
}

void engine_watch_host(struct engine *e)
{
    for (size_t i = 0; i < ENGINE_WATCHES; i++) {
        struct watching *w = &e->watching[i];
        if (w->kind == WATCH_INITIATE && w->connected && w->asked <= host_answered(e->host))
            watch_end(w, w->refused[0] == '\0', w->refused);
    }
}

void engine_watch_refused(struct engine *e, ike_child_id id, const char *why)
{
    struct ike_child_info child;
    struct ike_session_info session;
    if (!ike_child_get(e->ike, id, &child) || !ike_session_get(e->ike, child.session, &session))
        return;
    for (size_t i = 0; i < ENGINE_WATCHES; i++) {
        struct watching *w = &e->watching[i];
        if (w->kind == WATCH_INITIATE && strcmp(w->conn, session.conn->name) == 0)
            (void)snprintf(w->refused, sizeof(w->refused), "%s", why);
    }
}

void engine_watch_command_done(struct engine *e, const struct ike_event *event)
{
    struct watching *w = watch_find(e, event->tag);
    if (w == NULL || w->kind != WATCH_TERMINATE || w->open == 0)
        return;
    w->open--;
    /* a peer that does not answer a Delete has not prevented it */
    if (w->open == 0)
        watch_end(w, true, "");
}

void engine_watch_tick(struct engine *e)
{
    for (size_t i = 0; i < ENGINE_WATCHES; i++)
        if (e->watching[i].kind != WATCH_FREE && e->watching[i].deadline <= e->now)
            watch_end(&e->watching[i], false, "timeout");
}

nanos engine_watch_deadline(const struct engine *e)
{
    nanos deadline = NANOS_NEVER;
    for (size_t i = 0; i < ENGINE_WATCHES; i++)
        if (e->watching[i].kind != WATCH_FREE)
            deadline = nanos_min(deadline, e->watching[i].deadline);
    return deadline;
}

void engine_unwatch(struct engine *e, void *context)
{
    for (size_t i = 0; i < ENGINE_WATCHES; i++)
        if (e->watching[i].kind != WATCH_FREE && e->watching[i].watch.context == context)
            e->watching[i].kind = WATCH_FREE;
}
