/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The name servers of Gateways that this host uses: as End User, those of a CFG_REPLY
 * (INTERNAL_IP4_DNS and INTERNAL_IP6_DNS, RFC 7296 section 3.15.1; ENCDNS_IP4 and ENCDNS_IP6, RFC
 * 9464), as long as a Child SA reaches them. A server outside of the selectors is not used: queries
 * to it would leave in the clear.
 *
 * The servers of a Gateway with domains (RFC 8598) are asked for these only. All servers are those
 * of one TUN, and a resolver cannot tell them apart there. So while a Gateway has domains, the
 * servers of other Gateways wait.
 */
#include <stdlib.h>

#include "daemon/common/hook_channel.h"
#include "daemon/common/log.h"
#include "daemon/config/selectors.h"
#include "daemon/engine/engine_state.h"
#include "ike/terms/identity.h"

#define CHILDREN_MOST 64 /* limit of Child SAs with name servers */

struct reached {
    ike_child_id child; /* 0: free */
    uint64_t order;     /* the Gateway that came first has the lowest */
    struct ike_id gateway;
    struct domain_list domains; /* empty: all names */
    uint32_t n;
    struct address servers[HOOK_DNS];
    struct encrypted_dns encrypted_dns;
};

struct engine_name_servers {
    struct reached children[CHILDREN_MOST];
    uint64_t last_order;
    struct hook_name_servers told; /* to the hooks process */
    bool unsure;                   /* an earlier engine told it something else */
    bool again;                    /* the hooks process had no room for the last change */
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

/* gateway_order - Child SAs of one Gateway share a place, so a rekey does not change it. */
static uint64_t gateway_order(struct engine_name_servers *all, const struct ike_id *gateway)
{
    for (size_t i = 0; i < CHILDREN_MOST; i++)
        if (all->children[i].child != 0 && identity_equal(&all->children[i].gateway, gateway))
            return all->children[i].order;
    return ++all->last_order;
}

static const struct reached *first_gateway(const struct engine_name_servers *all)
{
    const struct reached *first = NULL;
    for (size_t i = 0; i < CHILDREN_MOST; i++)
        if (all->children[i].child != 0 && (first == NULL || all->children[i].order < first->order))
            first = &all->children[i];
    return first;
}

/* has_domains - each Child SA of this Gateway has domains, so its servers do not serve all
 * names. */
static bool has_domains(const struct engine_name_servers *all, uint64_t order)
{
    for (size_t i = 0; i < CHILDREN_MOST; i++)
        if (all->children[i].child != 0 && all->children[i].order == order &&
            domain_list_empty(&all->children[i].domains))
            return false;
    return true;
}

/* joins - the servers may be used beside those of the first Gateway, since they serve the same
 * names. */
static bool joins(const struct engine_name_servers *all, const struct reached *first,
                  const struct reached *one)
{
    return one->child != 0 && (one->order == first->order ||
                               (!has_domains(all, first->order) && !has_domains(all, one->order)));
}

static void server_add(struct hook_name_servers *list, const struct address *server)
{
    for (uint32_t i = 0; i < list->n; i++)
        if (address_equal(&list->servers[i], server))
            return;
    if (list->n < HOOK_DNS)
        list->servers[list->n++] = *server;
}

static void reached_add(struct hook_name_servers *list, const struct reached *one, bool split)
{
    struct span domain = {0};
    for (uint32_t k = 0; k < one->n; k++)
        server_add(list, &one->servers[k]);
    encrypted_dns_add(&list->encrypted_dns, &one->encrypted_dns);
    while (split && (domain = domain_list_next(&one->domains, domain)).len > 0)
        if (domain_list_add(&list->domains, domain) != 0)
            break;
}

static void compose(struct engine *e, struct hook_name_servers *list)
{
    const struct engine_name_servers *all = e->name_servers;
    const struct reached *first = first_gateway(all);
    memcpy(list->device, e->start->tun_name, sizeof(list->device));
    if (first == NULL)
        return;
    /* its own servers first: of encrypted resolvers one is asked, and a rekey must not change which */
    for (unsigned others = 0; others < 2; others++)
        for (size_t i = 0; i < CHILDREN_MOST; i++) {
            const struct reached *one = &all->children[i];
            if (joins(all, first, one) && (one->order != first->order) == (others == 1))
                reached_add(list, one, has_domains(all, first->order));
        }
}

static bool same_list(const struct hook_name_servers *a, const struct hook_name_servers *b)
{
    bool same = a->n == b->n && strcmp(a->domains.text, b->domains.text) == 0 &&
                encrypted_dns_equal(&a->encrypted_dns, &b->encrypted_dns);
    for (uint32_t i = 0; same && i < a->n; i++)
        same = address_equal(&a->servers[i], &b->servers[i]);
    return same;
}

/* tell - sends the name servers to the hooks process, if they have changed. */
static void tell(struct engine *e)
{
    struct engine_name_servers *all = e->name_servers;
    struct hook_message message = {.kind = HOOK_NAME_SERVERS};
    struct hook_name_servers *list = &message.name_servers;
    compose(e, list);
    all->again = false;
    if (e->arriving || (!all->unsure && same_list(list, &all->told)))
        return;
    all->unsure = false;
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

void engine_name_servers_arrived(struct engine *e)
{
    e->name_servers->unsure = true;
    tell(e);
}

/* server_reached - a Child SA with these remote selectors carries questions to the server. */
static bool server_reached(const struct address *server, const void *context)
{
    const struct ike_ts_list *remote = context;
    for (size_t i = 0; hook_name_server_usable(server) && i < remote->n; i++)
        if (range_contains(&remote->ts[i].range, server))
            return true;
    return false;
}

/* domains_for - RFC 8598 section 2: where all traffic is in the tunnel they MUST be ignored. */
static struct domain_list domains_for(const struct ike_session_info *session,
                                      const struct ike_child_info *child)
{
    static const struct domain_list all_names;
    bool split = !selectors_whole(&child->remote_ts, ADDRESS_V4) &&
                 !selectors_whole(&child->remote_ts, ADDRESS_V6);
    return split ? session->config.domains : all_names;
}

static void say_waits(const struct engine_name_servers *all, const struct reached *one,
                      const struct ike_conn *conn)
{
    if (!joins(all, first_gateway(all), one))
        log_line(
            LOG_LEVEL_WARNING,
            "event=dns-waits connection=%s reason=\"the name servers of another Gateway are in "
            "use, and one of the two is for some domains only\"",
            conn->name);
}

/* reached_of - the servers of the session that the Child SA reaches. false: none. */
static bool reached_of(const struct ike_session_info *session, const struct ike_child_info *child,
                       struct reached *ret)
{
    *ret = (struct reached){.child = child->id,
                            .gateway = session->remote_id,
                            .domains = domains_for(session, child),
                            .encrypted_dns = session->config.encrypted_dns};
    for (uint8_t i = 0; i < session->config.n_dns; i++)
        if (server_reached(&session->config.dns[i], &child->remote_ts))
            ret->servers[ret->n++] = session->config.dns[i];
    encrypted_dns_keep(&ret->encrypted_dns, server_reached, &child->remote_ts);
    return ret->n > 0 || ret->encrypted_dns.n > 0;
}

void engine_name_servers_child_up(struct engine *e, ike_child_id id)
{
    struct engine_name_servers *all = e->name_servers;
    struct ike_child_info child;
    struct ike_session_info session;
    struct reached found;
    if (!ike_child_get(e->ike, id, &child) || !ike_session_get(e->ike, child.session, &session) ||
        session.role != IKE_END_USER || session.conn == NULL || !session.conn->install_dns ||
        !reached_of(&session, &child, &found))
        return;
    struct reached *room = reached_find(all, 0);
    if (room == NULL)
        return;
    found.order = gateway_order(all, &found.gateway);
    *room = found;
    say_waits(all, room, session.conn);
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

void engine_name_servers_usable(const struct engine *e, const struct ike_session_info *session,
                                struct hook_name_servers *ret)
{
    struct ike_child_info child = {.id = 0};
    bool split = true;
    *ret = (struct hook_name_servers){.n = 0};
    while (session->role == IKE_END_USER && ike_child_next(e->ike, child.id, &child)) {
        struct reached found;
        if (child.session != session->id || !reached_of(session, &child, &found))
            continue;
        reached_add(ret, &found, true);
        split = split && !domain_list_empty(&found.domains);
    }
    if (!split)
        ret->domains = (struct domain_list){.text = ""};
}
