/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/supervisor/permission.h"

#include <net/if.h>
#include <string.h>

#include "daemon/common/hook_script.h"
#include "daemon/common/log.h"
#include "linux/clock.h"

#define FACTS_AGE NANOS_PER_SEC /* a load asks for thousands of routes at once */
/* shorter prefixes are default routes, which name no network in particular */
#define DEFAULT_LEN 2

void permission_done(struct permission *permission)
{
    permits_done(&permission->now);
    permits_done(&permission->next);
    host_facts_done(&permission->facts);
}

void permission_load(struct permission *permission, struct permits *permits)
{
    permits_done(&permission->next);
    permission->next = *permits;
    *permits = (struct permits){0};
}

void permission_loaded(struct permission *permission, bool good)
{
    if (good) {
        permits_done(&permission->now);
        permission->now = permission->next;
        permission->next = (struct permits){0};
    }
    permits_done(&permission->next);
}

static const struct host_facts *facts_get(struct permission *permission, struct netlink *netlink,
                                          uint32_t tun_index)
{
    nanos now = clock_now();
    if (permission->known && now - permission->facts_ns < FACTS_AGE)
        return &permission->facts;
    if (host_facts_read(netlink, tun_index, &permission->facts) != 0)
        log_line(LOG_LEVEL_WARNING, "event=host-facts-old");
    permission->known = true;
    permission->facts_ns = now;
    return &permission->facts;
}

static enum priv_reason reason_of(enum host_fact_kind kind)
{
    switch (kind) {
    case HOST_FACT_NONE: break;
    case HOST_FACT_OWN: return PRIV_REASON_OWN;
    case HOST_FACT_ROUTER: return PRIV_REASON_ROUTER;
    case HOST_FACT_RESOLVER: return PRIV_REASON_RESOLVER;
    }
    return PRIV_REASON_NONE;
}

static enum priv_reason address_reason(struct permission *permission, const struct address *address,
                                       const struct host_facts *facts)
{
    if (!permits_address(&permission->now, address) && !permits_address(&permission->next, address))
        return PRIV_REASON_FILES;
    return reason_of(host_facts_address(facts, address));
}

/* route_reason - the administrator's files may name any network. If the peer chose a part of such a
 * network, it must not only cut off the router. */
static enum priv_reason route_reason(struct permission *permission, const struct priv_request *r,
                                     struct netlink *netlink, uint32_t tun_index)
{
    bool now = permits_route(&permission->now, &r->address, r->prefix_len);
    bool next = permits_route(&permission->next, &r->address, r->prefix_len);
    if (!now && !next)
        return PRIV_REASON_FILES;
    /* if everything is permitted, no files name the peers, so the engine does */
    bool named = r->peer == 1 && (permission->now.all || permission->next.all);
    if (r->prefix_len < DEFAULT_LEN || named)
        return PRIV_REASON_NONE;
    enum host_fact_kind kind =
        host_facts_piece(facts_get(permission, netlink, tun_index), &r->address, r->prefix_len);
    /* last, since it visits all permits */
    bool whole = kind != HOST_FACT_NONE &&
                 ((now && !permits_narrowed(&permission->now, &r->address, r->prefix_len)) ||
                  (next && !permits_narrowed(&permission->next, &r->address, r->prefix_len)));
    return whole ? PRIV_REASON_NONE : reason_of(kind);
}

/* shunt_permitted - a pass policy lets packets through in the clear, and a drop policy can cut the
 * host off. */
static bool shunt_permitted(const struct permits *permits, const struct priv_request *r)
{
    return r->policy.action == PRIV_DROP ? permits_drop(permits, &r->address, r->prefix_len)
                                         : permits_pass(permits, &r->address, r->prefix_len);
}

static enum priv_reason shunt_reason(const struct permission *permission,
                                     const struct priv_request *r)
{
    return shunt_permitted(&permission->now, r) || shunt_permitted(&permission->next, r)
               ? PRIV_REASON_NONE
               : PRIV_REASON_FILES;
}

static enum priv_reason link_reason(const struct permission *permission, uint32_t interface)
{
    char name[IF_NAMESIZE];
    if (if_indextoname(interface, name) == NULL)
        return PRIV_REASON_NONE; /* refused for that */
    return permits_link(&permission->now, name) || permits_link(&permission->next, name)
               ? PRIV_REASON_NONE
               : PRIV_REASON_FILES;
}

static enum priv_reason device_reason(const struct permission *permission,
                                      const struct inner_device *device)
{
    return permits_device(&permission->now, device) || permits_device(&permission->next, device)
               ? PRIV_REASON_NONE
               : PRIV_REASON_DEVICE;
}

enum priv_reason permission_reason(struct permission *permission, const struct priv_request *r,
                                   struct netlink *netlink, uint32_t tun_index)
{
    switch ((enum priv_kind)r->kind) {
    case PRIV_ADDRESS_ADD:
        return address_reason(permission, &r->address, facts_get(permission, netlink, tun_index));
    case PRIV_ROUTE_ADD:
    case PRIV_BLOCK_ADD: return route_reason(permission, r, netlink, tun_index);
    case PRIV_DEVICE_OPEN: return device_reason(permission, &r->inner);
    case PRIV_SHUNT_ADD: return shunt_reason(permission, r);
    case PRIV_PATH_SOCKETS: return link_reason(permission, r->interface);
    case PRIV_LAN_BYPASS:
        return permits_lan(&permission->now) || permits_lan(&permission->next) ? PRIV_REASON_NONE
                                                                               : PRIV_REASON_FILES;
    case PRIV_LAN_BLOCK:
    case PRIV_INSIDE_ADD:
    case PRIV_INSIDE_REMOVE:
    case PRIV_DEVICE_CLOSE:
    case PRIV_SHUNT_REMOVE:
    case PRIV_SHUNTS_ALL:
    case PRIV_ADDRESS_REMOVE:
    case PRIV_ROUTE_REMOVE:
    case PRIV_BLOCK_REMOVE:
    case PRIV_MTU:
    case PRIV_UPGRADE:
    case PRIV_READY: break;
    }
    return PRIV_REASON_NONE;
}

bool permission_dns(const struct permission *permission,
                    const struct name_server_question *question, const char *device)
{
    bool permitted = question->n > 0 && question->n <= HOOK_DNS_ALL &&
                     strncmp(question->device, device, sizeof(question->device)) == 0;
    for (uint32_t i = 0; permitted && i < question->n; i++)
        permitted = hook_name_server_usable(&question->servers[i]) &&
                    (permits_dns(&permission->now, &question->servers[i]) ||
                     permits_dns(&permission->next, &question->servers[i]));
    return permitted;
}

bool permission_script(const struct permission *permission, const char script[HOOK_SCRIPT])
{
    return memchr(script, '\0', HOOK_SCRIPT) != NULL && hook_script_allowed(script) &&
           (permits_script(&permission->now, script) || permits_script(&permission->next, script));
}

bool permission_hook(const struct permission *permission, const struct hook_question *question,
                     const char *device)
{
    switch (question->kind) {
    case HOOK_QUESTION_SERVERS: return permission_dns(permission, &question->servers, device);
    case HOOK_QUESTION_SCRIPT: return permission_script(permission, question->script);
    default: /* a number from outside */ return false;
    }
}
