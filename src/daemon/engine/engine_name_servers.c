/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which name servers of Gateways this host asks: as End User, those that a CFG_REPLY brought
 * (INTERNAL_IP4_DNS and INTERNAL_IP6_DNS, RFC 7296 section 3.15.1), as long as a Child SA reaches
 * them. A server outside of the selectors is left out: questions to it would leave in the clear.
 */
#include <stdlib.h>

#include "daemon/common/hook_channel.h"
#include "daemon/common/log.h"
#include "daemon/engine/engine_state.h"

#define CHILDREN_MOST 64 /* Child SAs with name servers */

struct reached {
    ike_child_id child; /* 0: free */
    uint32_t n;
    struct address servers[HOOK_DNS];
};

struct engine_name_servers {
    struct reached children[CHILDREN_MOST];
    struct hook_name_servers told; /* to the hooks process */
    bool again;                    /* it had no room for the last change */
};

struct engine_name_servers *engine_name_servers_new(void)
{
    return calloc(1, sizeof(struct engine_name_servers));
}

struct engine_name_servers *engine_name_servers_free(struct engine_name_servers *servers)
{
    free(servers);
    return NULL;
}

static struct reached *reached_find(struct engine_name_servers *servers, ike_child_id child)
{
    for (size_t i = 0; i < CHILDREN_MOST; i++)
        if (servers->children[i].child == child)
            return &servers->children[i];
    return NULL;
}

static void server_add(struct hook_name_servers *list, const struct address *server)
{
    for (uint32_t i = 0; i < list->n; i++)
        if (address_equal(&list->servers[i], server))
            return;
    if (list->n < HOOK_DNS)
        list->servers[list->n++] = *server;
}

/* tell - if something has changed. */
static void tell(struct engine *e)
{
    struct engine_name_servers *all = e->name_servers;
    struct hook_message message = {.kind = HOOK_NAME_SERVERS};
    struct hook_name_servers *list = &message.name_servers;
    memcpy(list->device, e->start->tun_name, sizeof(list->device));
    for (size_t i = 0; i < CHILDREN_MOST; i++)
        for (uint32_t k = 0; k < all->children[i].n; k++)
            server_add(list, &all->children[i].servers[k]);
    bool same = list->n == all->told.n;
    for (uint32_t i = 0; same && i < list->n; i++)
        same = address_equal(&list->servers[i], &all->told.servers[i]);
    all->again = false;
    if (same)
        return;
    int error = channel_send(e->start->hooks_fd, &message, sizeof(message), NULL, 0);
    if (error == 0)
        all->told = *list;
    else if (error == ERR_AGAIN)
        all->again = true;
    else
        log_line(LOG_LEVEL_ERROR, "event=dns-failed reason=\"the hooks process is gone\"");
}

void engine_name_servers_tick(struct engine *e)
{
    if (e->name_servers->again)
        tell(e);
}

static bool within_selectors(const struct ike_ts_list *remote, const struct address *server)
{
    for (size_t i = 0; i < remote->n; i++)
        if (range_contains(&remote->ts[i].range, server))
            return true;
    return false;
}

void engine_name_servers_child_up(struct engine *e, ike_child_id id)
{
    struct ike_child_info child;
    struct ike_session_info session;
    if (!ike_child_get(e->ike, id, &child) || !ike_session_get(e->ike, child.session, &session) ||
        session.role != IKE_END_USER || session.conn == NULL || !session.conn->install_dns)
        return;
    struct reached found = {.child = id};
    for (uint8_t i = 0; i < session.config.n_dns; i++) {
        const struct address *server = &session.config.dns[i];
        if (hook_name_server_usable(server) && within_selectors(&child.remote_ts, server))
            found.servers[found.n++] = *server;
    }
    struct reached *room = found.n > 0 ? reached_find(e->name_servers, 0) : NULL;
    if (room == NULL)
        return;
    *room = found;
    tell(e);
}

void engine_name_servers_child_down(struct engine *e, ike_child_id id)
{
    struct reached *gone = reached_find(e->name_servers, id);
    if (gone == NULL)
        return;
    *gone = (struct reached){0};
    tell(e);
}
