/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/engine/host.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "daemon/common/log.h"
#include "daemon/engine/requests.h"

/* Limits of own prefixes for a Child SA and a session: a peer that chooses odd ranges must not use
 * up what the supervisor grants. */
#define ROUTES_PER_CHILD   64
#define ROUTES_PER_SESSION 256

/* owners: sessions claim addresses and name servers, Child SAs claim routes, holds claim both */
#define HOLD_OWNER UINT32_C(0x80000000) /* identifiers of the core count from 1 */
enum claim_kind { CLAIM_ADDRESS, CLAIM_ROUTE, CLAIM_BLOCK, CLAIM_INSIDE };
struct claim {
    enum claim_kind kind;
    uint32_t owner;
    uint8_t prefix_len;
    uint16_t device;  /* of a route or block: to which it leads */
    bool own;         /* a route from an address that the host has anyway */
    bool peer;        /* of a route or block: to a peer that the connection names */
    int error;        /* the supervisor did not carry it out */
    uint32_t session; /* session for which a Child SA's route counts; 0: none */
    struct address address, source;
    struct claim *what_next;  /* the next claim with the same key */
    struct claim *owner_next; /* the next claim of the same owner and kind */
};

struct hold {
    char conn[LIMIT_NAME], child[LIMIT_NAME]; /* conn empty: free */
    bool standing;
    uint32_t owner;
};

struct host {
    struct requests *requests;
    struct map by_what;    /* -> first claim */
    struct map by_owner;   /* key -> first claim, which the table owns */
    struct map by_session; /* session -> number of routes that its Child SAs claim */
    /* by family and length: how many prefixes holds have routes to */
    uint32_t held4[33], held6[129];
    struct hold *holds; /* owned */
    size_t n_holds, n_unused;
    struct map holds_by_name; /* hold_key -> place in `holds`, counted from 1 */
    uint32_t last_owner;      /* of holds */
};

struct host *host_new(int priv_fd)
{
    struct host *host = calloc(1, sizeof(*host));
    if (host != NULL)
        host->requests = requests_new(priv_fd);
    return host == NULL || host->requests != NULL ? host : host_free(host);
}

struct host *host_free(struct host *host)
{
    if (host == NULL)
        return NULL;
    for (size_t i = 0; i < host->by_owner.cap; i++)
        for (struct claim *claim = map_at(&host->by_owner, i); claim != NULL;) {
            struct claim *next = claim->owner_next;
            free(claim);
            claim = next;
        }
    map_done(&host->by_owner);
    map_done(&host->by_what);
    map_done(&host->by_session);
    map_done(&host->holds_by_name);
    requests_free(host->requests);
    free(host->holds);
    free(host);
    return NULL;
}

/* --- requests --- */

static void ask(struct host *host, const struct priv_request *request, uint32_t id)
{
    if (requests_ask(host->requests, request, id) != 0)
        log_line(LOG_LEVEL_ERROR, "event=request-lost kind=%u reason=\"%s\"", request->kind,
                 error_text(ERR_NO_MEMORY));
}

void host_ready(struct host *host)
{
    ask(host, &(struct priv_request){.kind = PRIV_READY}, 0);
}

void host_upgrade(struct host *host)
{
    ask(host, &(struct priv_request){.kind = PRIV_UPGRADE}, 0);
}

void host_mtu(struct host *host, uint16_t mtu)
{
    ask(host, &(struct priv_request){.kind = PRIV_MTU, .mtu = mtu}, 0);
}

void host_lan(struct host *host, bool bypass)
{
    ask(host, &(struct priv_request){.kind = bypass ? PRIV_LAN_BYPASS : PRIV_LAN_BLOCK}, 0);
}

void host_path_sockets(struct host *host, uint32_t id, uint32_t interface,
                       const struct endpoint *local)
{
    const struct priv_request request = {.kind = PRIV_PATH_SOCKETS,
                                         .interface = interface,
                                         .address = local->address,
                                         .port = local->port};
    ask(host, &request, id);
}

void host_device_open(struct host *host, uint16_t number, const struct inner_device *device)
{
    ask(host, &(struct priv_request){.kind = PRIV_DEVICE_OPEN, .device = number, .inner = *device},
        0);
}

void host_device_close(struct host *host, uint16_t number)
{
    ask(host, &(struct priv_request){.kind = PRIV_DEVICE_CLOSE, .device = number}, 0);
}

void host_shunt(struct host *host, const struct priv_request *request)
{
    ask(host, request, 0);
}

uint64_t host_asked(const struct host *host)
{
    return requests_asked(host->requests);
}

uint64_t host_answered(const struct host *host)
{
    return requests_answered(host->requests);
}

static bool claim_same(const struct claim *a, const struct claim *b)
{
    return a->kind == b->kind && a->prefix_len == b->prefix_len && a->own == b->own &&
           a->device == b->device && address_equal(&a->address, &b->address);
}

/* what_key - key of the claimed object; claim_same distinguishes objects with equal keys. */
static uint64_t what_key(const struct claim *claim)
{
    uint64_t words[2];
    memcpy(words, claim->address.octets, sizeof(words));
    uint64_t kind = (uint64_t)claim->device << 3 | (uint64_t)claim->kind << 1 | claim->own;
    return (words[0] ^ (uint64_t)claim->prefix_len << 56 ^ kind << 32) * 0x9e3779b97f4a7c15u ^
           words[1];
}

static uint64_t owner_key(enum claim_kind kind, uint32_t owner)
{
    return (uint64_t)kind << 32 | owner;
}

static const struct claim *claim_find(const struct host *host, const struct claim *like)
{
    const struct claim *claim = map_get(&host->by_what, what_key(like));
    while (claim != NULL && !claim_same(claim, like))
        claim = claim->what_next;
    return claim;
}

/* session_count - its Child SAs have one claim more or less. ERR_NO_MEMORY: of more only. */
static int session_count(struct host *host, uint32_t session, int change)
{
    uintptr_t n = (uintptr_t)map_get(&host->by_session, session);
    n = change > 0 ? n + 1 : n - 1;
    if (n == 0)
        map_replace(&host->by_session, session, NULL);
    else
        return map_set(&host->by_session, session, (void *)n);
    return 0;
}

static uint32_t *held_count(struct host *host, const struct claim *claim)
{
    return claim->address.family == ADDRESS_V6 ? &host->held6[claim->prefix_len]
                                               : &host->held4[claim->prefix_len];
}

static bool is_held_route(const struct claim *claim)
{
    return claim->kind == CLAIM_ROUTE && (claim->owner & HOLD_OWNER) != 0;
}

static int claim_link(struct host *host, struct claim *claim)
{
    uint64_t what = what_key(claim), owner = owner_key(claim->kind, claim->owner);
    claim->what_next = map_get(&host->by_what, what);
    claim->owner_next = map_get(&host->by_owner, owner);
    if (claim->session != 0 && session_count(host, claim->session, 1) != 0)
        return ERR_NO_MEMORY;
    int error = map_set(&host->by_what, what, claim);
    if (error == 0 && map_set(&host->by_owner, owner, claim) != 0) {
        map_replace(&host->by_what, what, claim->what_next);
        error = ERR_NO_MEMORY;
    }
    if (error == 0 && is_held_route(claim))
        ++*held_count(host, claim);
    if (error != 0 && claim->session != 0)
        (void)session_count(host, claim->session, -1);
    return error;
}

/* claim_unlink - removes a claim that its owner has already forgotten. */
static void claim_unlink(struct host *host, const struct claim *claim)
{
    uint64_t what = what_key(claim);
    struct claim *first = map_get(&host->by_what, what), **at = &first;
    while (*at != claim)
        at = &(*at)->what_next;
    *at = claim->what_next;
    map_replace(&host->by_what, what, first);
    if (claim->session != 0)
        (void)session_count(host, claim->session, -1);
    if (is_held_route(claim))
        --*held_count(host, claim);
}

static const uint32_t claim_requests[][2] = {
    [CLAIM_ADDRESS] = {PRIV_ADDRESS_REMOVE, PRIV_ADDRESS_ADD},
    [CLAIM_ROUTE] = {PRIV_ROUTE_REMOVE, PRIV_ROUTE_ADD},
    [CLAIM_BLOCK] = {PRIV_BLOCK_REMOVE, PRIV_BLOCK_ADD},
    [CLAIM_INSIDE] = {PRIV_INSIDE_REMOVE, PRIV_INSIDE_ADD},
};
static const char *const claim_names[] = {"address", "route", "block", "inside"};

static void change(struct host *host, const struct claim *claim, bool add)
{
    struct priv_request request = {.kind = claim_requests[claim->kind][add],
                                   .address = claim->address,
                                   .prefix_len = claim->prefix_len,
                                   .source = claim->source,
                                   .first = claim->own,
                                   .peer = claim->peer,
                                   .device = claim->device};
    ask(host, &request, 0);
}

/* claim_sound - false for an address or prefix that no peer may assign and no selector may name.
 * The supervisor is not asked for it. */
static bool claim_sound(const struct claim *claim)
{
    char text[ADDRESS_TEXT_MAX];
    const struct priv_request request = {.kind = claim_requests[claim->kind][true],
                                         .address = claim->address,
                                         .prefix_len = claim->prefix_len,
                                         .source = claim->source,
                                         .first = claim->own,
                                         .peer = claim->peer};
    if (priv_request_check(&request))
        return true;
    log_line(LOG_LEVEL_WARNING, "event=host-refused what=%s/%u",
             address_print(&claim->address, text), (unsigned)claim->prefix_len);
    return false;
}

static bool claim_is_mine(const struct host *host, const struct claim *claim)
{
    const struct claim *mine = map_get(&host->by_owner, owner_key(claim->kind, claim->owner));
    while (mine != NULL && !claim_same(mine, claim))
        mine = mine->owner_next;
    return mine != NULL;
}

/* claim_add - ERR_INVALID: no session may have it; ERR_FULL: the session has too many; ERR_NO_MEMORY. */
static int claim_add(struct host *host, const struct claim *claim)
{
    if (claim_is_mine(host, claim))
        return 0;
    if (!claim_sound(claim))
        return ERR_INVALID;
    if (claim->session != 0 &&
        (uintptr_t)map_get(&host->by_session, claim->session) >= ROUTES_PER_SESSION)
        return ERR_FULL;
    /* a route without a source gives way to one with a source */
    const struct claim *other = claim_find(host, claim);
    bool there = other != NULL && other->error == 0 &&
                 (other->source.family != ADDRESS_NONE || claim->source.family == ADDRESS_NONE);
    struct claim *copy = malloc(sizeof(*copy));
    if (copy != NULL)
        *copy = *claim;
    if (copy == NULL || claim_link(host, copy) != 0) {
        log_line(LOG_LEVEL_ERROR, "event=host-claim-lost reason=\"%s\"", error_text(ERR_NO_MEMORY));
        free(copy);
        return ERR_NO_MEMORY;
    }
    if (!there)
        change(host, claim, true);
    return 0;
}

/* claims_end - removes objects that no owner claims any more. */
static void claims_end(struct host *host, struct claim *claim)
{
    while (claim != NULL) {
        struct claim *next = claim->owner_next;
        claim_unlink(host, claim);
        const struct claim *other = claim_find(host, claim);
        if (other == NULL && claim->error == 0)
            change(host, claim, false);
        else if (other != NULL && !address_equal(&other->source, &claim->source))
            /* the same route from another address of ours: replaced without a gap */
            change(host, other, true);
        free(claim);
        claim = next;
    }
}

static void claims_drop(struct host *host, enum claim_kind kind, uint32_t owner)
{
    claims_end(host, map_take(&host->by_owner, owner_key(kind, owner)));
}

static void address_claim(struct host *host, enum claim_kind kind, uint32_t owner,
                          const struct address *address)
{
    const struct claim claim = {.kind = kind,
                                .owner = owner,
                                .prefix_len = (uint8_t)(address_len(address) * 8),
                                .address = *address};
    (void)claim_add(host, &claim);
}

void host_addresses(struct host *host, ike_session_id session, const struct ike_config *config)
{
    for (size_t i = 0; i < config->n_dns; i++)
        address_claim(host, CLAIM_INSIDE, session, &config->dns[i]);
    for (size_t i = 0; i < config->n_addresses; i++)
        address_claim(host, CLAIM_ADDRESS, session, &config->addresses[i]);
}

static struct address source_for(const struct ike_config *config, uint8_t family)
{
    for (size_t i = 0; config != NULL && i < config->n_addresses; i++)
        if (config->addresses[i].family == family)
            return config->addresses[i];
    return (struct address){0};
}

static struct address own_for(const struct host_own *own, uint8_t family)
{
    if (own == NULL)
        return (struct address){0};
    return family == ADDRESS_V6 ? own->v6 : own->v4;
}

/* --- routes --- */

/* struct routing - what host_routes() does for one owner. */
struct routing {
    struct host *host;
    uint32_t owner, session;
    uint16_t device;
    const struct ike_conn *named;
    const struct ike_config *config;
    const struct host_own *own;
    unsigned left; /* how many further prefixes it may have */
};

/* is_peer - the prefix is the address of a peer that the connection names. */
static bool is_peer(const struct ike_conn *conn, const struct address *address, unsigned prefix_len)
{
    if (prefix_len != address_len(address) * 8)
        return false;
    for (uint8_t i = 0; conn != NULL && i < conn->n_remote_addrs; i++) {
        const struct address_range *range = &conn->remote_addrs[i].range;
        if (address_equal(&range->first, address) && address_equal(&range->last, address))
            return true;
    }
    return false;
}

/* held_route - the route of holds to exactly this prefix. NULL: none. */
static const struct claim *held_route(const struct host *host, struct claim *like, bool own)
{
    like->own = own;
    const struct claim *claim = map_get(&host->by_what, what_key(like));
    while (claim != NULL &&
           (!claim_same(claim, like) || !is_held_route(claim) || claim->error != 0))
        claim = claim->what_next;
    return claim;
}

/* is_covered - a route of holds leads to the prefix already, from the same address of ours. So a
 * lease from a pool needs no route of its own. */
static bool is_covered(struct routing *r, const struct address *address, unsigned prefix_len,
                       const struct address *source)
{
    struct address_range range;
    const uint32_t *held = address->family == ADDRESS_V6 ? r->host->held6 : r->host->held4;
    for (unsigned len = 0; len <= prefix_len; len++) {
        if (held[len] == 0 || !range_from_prefix(address, len, &range))
            continue;
        struct claim like = {.kind = CLAIM_ROUTE,
                             .prefix_len = (uint8_t)len,
                             .device = r->device,
                             .address = range.first};
        if (held_route(r->host, &like, false) == NULL)
            continue;
        const struct claim *from = held_route(r->host, &like, true);
        if (source->family == ADDRESS_NONE ||
            (from != NULL && address_equal(&from->source, source)))
            return true;
    }
    return false;
}

static int route_claim(struct routing *r, const struct address *address, unsigned prefix_len)
{
    struct claim claim = {.kind = CLAIM_ROUTE,
                          .owner = r->owner,
                          .session = r->session,
                          .prefix_len = (uint8_t)prefix_len,
                          .device = r->device,
                          .peer = is_peer(r->named, address, prefix_len),
                          .address = *address,
                          .source = source_for(r->config, address->family)};
    bool inner = claim.source.family != ADDRESS_NONE;
    struct address own = inner ? claim.source : own_for(r->own, address->family);
    if (!inner && r->session != 0 && is_covered(r, address, prefix_len, &own))
        return 0;
    if (r->left == 0)
        return ERR_FULL;
    r->left--;
    int error = claim_add(r->host, &claim);
    if (error != 0 || inner || own.family == ADDRESS_NONE)
        return error;
    claim.own = true;
    claim.source = own;
    return claim_add(r->host, &claim);
}

/* prefixes_each - the first error ends it. */
static int prefixes_each(struct routing *r, const struct ike_ts_list *list,
                         int (*each)(struct routing *r, const struct address *address,
                                     unsigned prefix_len))
{
    int error = 0;
    for (size_t i = 0; error == 0 && i < list->n; i++) {
        struct address_range left = list->ts[i].range, rest;
        if (address_is_multicast(&left.first)) /* the sender names the device */
            continue;
        for (bool more = true; error == 0 && more; left = rest) {
            unsigned prefix_len;
            more = range_first_prefix(&left, &prefix_len, &rest);
            error = each(r, &left.first, prefix_len);
        }
    }
    return error;
}

static int routes_set(struct routing *r, const struct ike_ts_list *remote_ts)
{
    struct claim *before = map_take(&r->host->by_owner, owner_key(CLAIM_ROUTE, r->owner));
    int error = prefixes_each(r, remote_ts, route_claim);
    claims_end(r->host, before); /* claims that stay are never interrupted */
    return error;
}

int host_routes(struct host *host, const struct host_child *child,
                const struct ike_ts_list *remote_ts)
{
    struct routing r = {.host = host,
                        .owner = child->id,
                        .session = child->session,
                        .device = child->device,
                        .named = child->named,
                        .config = child->config,
                        .own = child->own,
                        .left = ROUTES_PER_CHILD};
    return routes_set(&r, remote_ts);
}

int host_child_error(const struct host *host, ike_child_id child, ike_session_id owner)
{
    const struct claim *claim =
        owner == 0 ? NULL : map_get(&host->by_owner, owner_key(CLAIM_ADDRESS, owner));
    for (; claim != NULL; claim = claim->owner_next)
        if (claim->error == ERR_DENIED)
            return claim->error;
    claim = map_get(&host->by_owner, owner_key(CLAIM_ROUTE, child));
    for (; claim != NULL; claim = claim->owner_next)
        if (claim->error != 0 && !claim->own) /* otherwise the kernel chooses an address */
            return claim->error;
    return 0;
}

/* --- answers --- */

/* claims_mark - tells all owners of the object whether it exists now. */
static void claims_mark(struct host *host, const struct claim *like, int error)
{
    for (struct claim *claim = map_get(&host->by_what, what_key(like)); claim != NULL;
         claim = claim->what_next)
        if (claim_same(claim, like))
            claim->error = error;
}

static void denied_print(const struct request_answer *answer, char out[HOST_DENIED_MAX])
{
    char text[ADDRESS_TEXT_MAX];
    out[0] = '\0';
    if (answer->error == ERR_DENIED && answer->request.kind == PRIV_DEVICE_OPEN)
        (void)snprintf(out, HOST_DENIED_MAX, "the device %.16s is refused: %s",
                       answer->request.inner.name, priv_reason_text(answer->reason));
    else if (answer->error == ERR_DENIED)
        (void)snprintf(out, HOST_DENIED_MAX, "%s/%u is refused: %s",
                       address_print(&answer->request.address, text),
                       (unsigned)answer->request.prefix_len, priv_reason_text(answer->reason));
}

static void answer_take(struct host *host, const struct request_answer *answer)
{
    char text[ADDRESS_TEXT_MAX];
    const struct priv_request *r = &answer->request;
    if ((r->kind == PRIV_SHUNT_ADD || r->kind == PRIV_SHUNT_REMOVE) && answer->error != 0)
        log_line(LOG_LEVEL_ERROR, "event=shunt-failed remote=%s/%u error=%s",
                 address_print(&r->address, text), (unsigned)r->prefix_len,
                 error_text(answer->error));
    for (int kind = CLAIM_ADDRESS; kind <= CLAIM_INSIDE; kind++)
        for (int add = 0; add <= 1; add++) {
            if (r->kind != claim_requests[kind][add])
                continue;
            const struct claim like = {.kind = (enum claim_kind)kind,
                                       .prefix_len = r->prefix_len,
                                       .device = r->device,
                                       .own = r->first == 1,
                                       .address = r->address};
            if (add == 1)
                claims_mark(host, &like, answer->error);
            log_line(answer->error == 0 ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
                     "event=%s-%s what=%s/%u result=%s", claim_names[kind],
                     add == 1 ? "add" : "remove", address_print(&r->address, text),
                     (unsigned)r->prefix_len,
                     answer->error == ERR_DENIED ? priv_reason_text(answer->reason)
                                                 : error_text(answer->error));
        }
}

bool host_answer(struct host *host, struct host_sockets *ret_sockets)
{
    struct request_answer answer;
    ret_sockets->id = 0;
    ret_sockets->device = 0;
    if (!requests_answer(host->requests, &answer))
        return false;
    answer_take(host, &answer);
    denied_print(&answer, ret_sockets->denied);
    if (answer.request.kind == PRIV_DEVICE_OPEN)
        ret_sockets->device = answer.request.device;
    else if (answer.request.kind == PRIV_PATH_SOCKETS)
        ret_sockets->id = answer.id;
    else
        return true;
    ret_sockets->error = answer.error;
    ret_sockets->n = answer.n_fds;
    memcpy(ret_sockets->fds, answer.fds, sizeof(answer.fds));
    return true;
}

void host_session_gone(struct host *host, ike_session_id session)
{
    claims_drop(host, CLAIM_ADDRESS, session);
    claims_drop(host, CLAIM_INSIDE, session);
}

void host_child_gone(struct host *host, ike_child_id child)
{
    claims_drop(host, CLAIM_ROUTE, child);
}

/* --- holds --- */

static int block_claim(struct routing *r, const struct address *address, unsigned prefix_len)
{
    const struct claim claim = {.kind = CLAIM_BLOCK,
                                .owner = r->owner,
                                .prefix_len = (uint8_t)prefix_len,
                                .device = r->device,
                                .peer = is_peer(r->named, address, prefix_len),
                                .address = *address};
    return claim_add(r->host, &claim);
}

/* hold_routes - for the configuration, so without the limits. */
static void hold_routes(struct host *host, const struct hold *hold, const struct host_hold *wanted)
{
    struct routing r = {.host = host,
                        .owner = hold->owner,
                        .device = wanted->block_device,
                        .named = wanted->named,
                        .config = wanted->config,
                        .own = wanted->own,
                        .left = UINT_MAX};
    int error = wanted->block ? prefixes_each(&r, wanted->remote_ts, block_claim) : 0;
    host_addresses(host, hold->owner, wanted->config);
    r.device = wanted->device;
    if (error == 0)
        error = routes_set(&r, wanted->remote_ts);
    if (error != 0)
        log_line(LOG_LEVEL_ERROR, "event=hold-incomplete conn=%s child=%s error=%s", wanted->conn,
                 wanted->child, error_text(error));
}

static uint64_t hold_key(const char *conn, const char *child)
{
    uint64_t key = 0xcbf29ce484222325u; /* FNV-1a; the NUL after the first name is hashed too */
    for (const char *name = conn;; name = child) {
        for (const char *c = name;; c++) {
            key = (key ^ (uint8_t)*c) * 0x100000001b3u;
            if (*c == '\0')
                break;
        }
        if (name == child)
            return key;
    }
}

/* hold_place - a free place. NULL: no memory. */
static struct hold *hold_place(struct host *host)
{
    for (size_t i = 0; host->n_unused > 0 && i < host->n_holds; i++)
        if (host->holds[i].conn[0] == '\0') {
            host->n_unused--;
            return &host->holds[i];
        }
    struct hold *holds = reallocarray(host->holds, host->n_holds + 1, sizeof(*holds));
    if (holds == NULL)
        return NULL;
    host->holds = holds;
    holds[host->n_holds] = (struct hold){0};
    return &holds[host->n_holds++];
}

/* hold_of - the hold of that name, or a place for it. NULL: no memory, or another name has the same
 * key, which names in a configuration do not have by chance. */
static struct hold *hold_of(struct host *host, const char *conn, const char *child)
{
    uint64_t key = hold_key(conn, child);
    uintptr_t place = (uintptr_t)map_get(&host->holds_by_name, key);
    if (place != 0) {
        struct hold *known = &host->holds[place - 1];
        return strcmp(known->conn, conn) == 0 && strcmp(known->child, child) == 0 ? known : NULL;
    }
    struct hold *hold = hold_place(host);
    if (hold == NULL)
        return NULL;
    place = (uintptr_t)(hold - host->holds) + 1;
    if (map_put(&host->holds_by_name, key, (void *)place) != 0) {
        host->n_unused++;
        return NULL;
    }
    return hold;
}

/* Prefixes that the session and the Child SA claim themselves cause no request. */
static void hold_drop(struct host *host, uint32_t owner)
{
    claims_drop(host, CLAIM_ROUTE, owner); /* before the routes whose source they are */
    claims_drop(host, CLAIM_ADDRESS, owner);
    claims_drop(host, CLAIM_INSIDE, owner);
    claims_drop(host, CLAIM_BLOCK, owner);
}

void host_hold(struct host *host, const struct host_hold *wanted)
{
    struct hold *hold = hold_of(host, wanted->conn, wanted->child);
    if (hold == NULL) {
        log_line(LOG_LEVEL_WARNING, "event=hold-refused conn=%s child=%s", wanted->conn,
                 wanted->child);
        return;
    }
    uint32_t before = hold->owner;
    (void)snprintf(hold->conn, sizeof(hold->conn), "%s", wanted->conn);
    (void)snprintf(hold->child, sizeof(hold->child), "%s", wanted->child);
    hold->standing = wanted->standing;
    hold->owner = HOLD_OWNER | ++host->last_owner;
    hold_routes(host, hold, wanted);
    if (before != 0) /* claims that stay are never interrupted */
        hold_drop(host, before);
}

bool host_hold_at(const struct host *host, size_t index, const char **ret_conn,
                  const char **ret_child)
{
    if (index >= host->n_holds)
        return false;
    *ret_conn = host->holds[index].conn;
    *ret_child = host->holds[index].child;
    return true;
}

static void holds_drop(struct host *host, const char *conn, const char *child, bool standing)
{
    for (size_t i = 0; i < host->n_holds; i++) {
        struct hold *hold = &host->holds[i];
        if (hold->conn[0] == '\0' || (conn != NULL && strcmp(hold->conn, conn) != 0) ||
            (child != NULL && strcmp(hold->child, child) != 0) || (hold->standing && !standing))
            continue;
        hold_drop(host, hold->owner);
        (void)map_take(&host->holds_by_name, hold_key(hold->conn, hold->child));
        *hold = (struct hold){0};
        host->n_unused++;
    }
}

void host_release(struct host *host, const char *conn, const char *child)
{
    holds_drop(host, conn, child, false);
}

void host_unload(struct host *host, const char *conn, const char *child)
{
    holds_drop(host, conn, child, true);
}

void host_unblock(struct host *host, const struct ike_ts_list *remote_ts, uint16_t block_device)
{
    struct routing r = {
        .host = host, .owner = HOLD_OWNER | ++host->last_owner, .device = block_device};
    /* the last claim that goes removes the block as well */
    if (prefixes_each(&r, remote_ts, block_claim) != 0)
        log_line(LOG_LEVEL_ERROR, "event=unblock-incomplete");
    claims_drop(host, CLAIM_BLOCK, r.owner);
}
