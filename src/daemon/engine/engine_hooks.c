/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chooses the updown scripts to run. A script gets `up` for a pair of selectors when the first
 * Child SA of a session and child comes, and `down` when the last one goes. A rekey or a further
 * path runs no script.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "daemon/common/hook_channel.h"
#include "daemon/common/log.h"
#include "daemon/engine/engine_devices.h"
#include "daemon/engine/engine_state.h"
#include "daemon/engine/reqids.h"

/* the state of one child of a session that a script was told */
struct hooked {
    struct hooked *next; /* of the session */
    ike_session_id session;
    unsigned n_children;
    struct ike_ts_list local_ts, remote_ts;
    struct hook_request request; /* without the pair of selectors */
};

struct engine_hooks {
    struct map by_session; /* -> first */
    struct map by_child;
};

struct engine_hooks *engine_hooks_new(void)
{
    return calloc(1, sizeof(struct engine_hooks));
}

struct engine_hooks *engine_hooks_free(struct engine_hooks *hooks)
{
    if (hooks == NULL)
        return NULL;
    for (size_t i = 0; i < hooks->by_session.cap; i++)
        for (struct hooked *hooked = map_at(&hooks->by_session, i), *next; hooked != NULL;
             hooked = next) {
            next = hooked->next;
            free(hooked);
        }
    map_done(&hooks->by_session);
    map_done(&hooks->by_child);
    free(hooks);
    return NULL;
}

static void settings_end(struct engine *e, enum hook_kind kind)
{
    const struct hook_message message = {.kind = kind};
    if (channel_send(e->start->hooks_fd, &message, sizeof(message), NULL, 0) != 0)
        log_line(LOG_LEVEL_ERROR, "event=updown-lost text=\"what was up may stay\"");
}

void engine_hooks_begin(struct engine *e)
{
    if (!e->arriving)
        settings_end(e, HOOK_ENGINE_BEGINS);
}

void engine_hooks_follow(struct engine *e)
{
    settings_end(e, HOOK_ENGINE_FOLLOWS);
}

static void tell(struct engine *e, struct hooked *hooked, bool up)
{
    struct hook_request *request = &hooked->request;
    request->up = up;
    for (size_t i = 0; i < hooked->local_ts.n; i++)
        for (size_t j = 0; j < hooked->remote_ts.n; j++) {
            request->local_ts = hooked->local_ts.ts[i];
            request->remote_ts = hooked->remote_ts.ts[j];
            struct hook_message message = {.kind = HOOK_SCRIPT_RUN, .request = *request};
            if (channel_send(e->start->hooks_fd, &message, sizeof(message), NULL, 0) != 0)
                log_line(LOG_LEVEL_ERROR, "event=updown-lost conn=%s child=%s", request->conn,
                         request->child);
        }
}

/* interface_of - the link of the path, or the link that has its address. */
static void interface_of(const struct engine *e, const struct ike_path *path, char out[16])
{
    for (size_t i = 0; i < PATH_LINKS && out[0] == '\0'; i++) {
        const struct path_link *link = &e->links[i];
        bool found = path->interface != 0 && link->index == path->interface;
        for (size_t j = 0; path->interface == 0 && j < link->n_addresses; j++)
            found |= address_equal(&link->addresses[j], &path->local.address);
        if (found)
            memcpy(out, link->name, sizeof(link->name));
    }
}

static void request_fill(struct engine *e, const struct ike_child_info *child,
                         struct hook_request *r)
{
    struct ike_session_info session = {0};
    struct ike_sa_info sa = {0};
    (void)ike_session_get(e->ike, child->session, &session);
    (void)ike_sa_get(e->ike, child->sa, &sa);
    r->hostaccess = child->policy->hostaccess;
    r->udp_encap = child->udp_encap;
    r->end_user = session.role == IKE_END_USER;
    r->reqid = child->policy->reqid != 0 ? child->policy->reqid : reqids_get(e->reqids, child->id);
    r->uniqueid = child->sa;
    (void)snprintf(r->script, sizeof(r->script), "%s", child->policy->updown);
    memcpy(r->child, child->policy->name, sizeof(r->child));
    if (session.conn != NULL)
        memcpy(r->conn, session.conn->name, sizeof(r->conn));
    interface_of(e, &sa.path, r->interface);
    (void)snprintf(r->device, sizeof(r->device), "%s", engine_child_device_name(e, child->id));
    r->own_device = engine_child_marks(e, child->id, &r->marks);
    r->local = sa.path.local.address;
    r->remote = sa.path.remote.address;
    r->local_id = session.local_id;
    r->remote_id = session.remote_id;
    const struct ike_config *config = sa.config != NULL ? sa.config : &session.config;
    r->n_inner = config->n_addresses;
    memcpy(r->inner, config->addresses, sizeof(r->inner));
    r->n_dns = config->n_dns;
    memcpy(r->dns, config->dns, sizeof(r->dns));
}

static struct hooked *hooked_find(const struct engine_hooks *hooks,
                                  const struct ike_child_info *child)
{
    struct hooked *hooked = map_get(&hooks->by_session, child->session);
    while (hooked != NULL && strcmp(hooked->request.child, child->policy->name) != 0)
        hooked = hooked->next;
    return hooked;
}

static struct hooked *hooked_add(struct engine *e, const struct ike_child_info *child)
{
    struct hooked *hooked = calloc(1, sizeof(*hooked));
    if (hooked == NULL)
        return NULL;
    hooked->session = child->session;
    hooked->local_ts = child->local_ts;
    hooked->remote_ts = child->remote_ts;
    hooked->next = map_get(&e->hooks->by_session, child->session);
    request_fill(e, child, &hooked->request);
    if (map_set(&e->hooks->by_session, child->session, hooked) != 0) {
        free(hooked);
        return NULL;
    }
    return hooked;
}

static void hooked_remove(struct engine_hooks *hooks, struct hooked *hooked)
{
    struct hooked *first = map_get(&hooks->by_session, hooked->session), **link = &first;
    while (*link != hooked)
        link = &(*link)->next;
    *link = hooked->next;
    map_replace(&hooks->by_session, hooked->session, first);
    free(hooked);
}

void engine_hooks_child_up(struct engine *e, ike_child_id id)
{
    struct ike_child_info child;
    if (!ike_child_get(e->ike, id, &child) || child.policy->updown[0] == '\0')
        return;
    struct hooked *hooked = hooked_find(e->hooks, &child);
    bool first = hooked == NULL;
    if (first)
        hooked = hooked_add(e, &child);
    if (hooked == NULL || map_put(&e->hooks->by_child, id, hooked) != 0) {
        if (first && hooked != NULL)
            hooked_remove(e->hooks, hooked);
        log_line(LOG_LEVEL_ERROR, "event=updown-lost child=%u error=%s", id,
                 error_text(ERR_NO_MEMORY));
        return;
    }
    hooked->n_children++;
    if (first)
        tell(e, hooked, true);
}

void engine_hooks_child_down(struct engine *e, ike_child_id id)
{
    struct hooked *hooked = map_take(&e->hooks->by_child, id);
    if (hooked == NULL || --hooked->n_children > 0)
        return;
    tell(e, hooked, false);
    hooked_remove(e->hooks, hooked);
}
