/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/engine/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/map.h"
#include "daemon/common/channel.h"
#include "daemon/common/log.h"

#define ROUTES_PER_RANGE 64 /* prefixes that one selector may fall into */

/* who claims: sessions claim addresses, Child SAs claim routes, holds claim both */
#define HOLD_OWNER UINT32_C(0x80000000) /* identifiers of the core count from 1 */
enum claim_kind { CLAIM_ADDRESS, CLAIM_ROUTE, CLAIM_BLOCK };
struct claim {
    enum claim_kind kind;
    uint32_t owner;
    uint8_t prefix_len;
    bool own; /* a route from an address that is the host's anyway */
    struct address address, source;
    struct claim *what_next;  /* with the same key of what is claimed */
    struct claim *owner_next; /* of the same owner and kind */
};

struct hold {
    char conn[LIMIT_NAME], child[LIMIT_NAME]; /* conn empty: free */
    uint32_t owner;
};

struct host {
    int priv_fd;
    struct map by_what;  /* -> first claim */
    struct map by_owner; /* -> first claim, which the table owns */
    struct hold *holds;  /* owned */
    size_t n_holds;
    uint32_t last_owner; /* of holds */
};

struct host *host_new(int priv_fd)
{
    struct host *host = calloc(1, sizeof(*host));
    /* the supervisor answers at once, or it is gone and so are we */
    struct timeval patience = {.tv_sec = 3};
    if (host == NULL)
        return NULL;
    host->priv_fd = priv_fd;
    if (setsockopt(priv_fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0) {
        free(host);
        return NULL;
    }
    return host;
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
    free(host->holds);
    free(host);
    return NULL;
}

static int ask(struct host *host, const struct priv_request *request, int *ret_fds, unsigned *ret_n)
{
    struct priv_answer answer;
    unsigned n = 0;
    int fds[LIMIT_WORKERS];
    int error = channel_send(host->priv_fd, request, sizeof(*request), NULL, 0);
    if (error == 0)
        error = channel_recv(host->priv_fd, &answer, sizeof(answer), fds, &n);
    if (error != 0) {
        log_line(LOG_LEVEL_ERROR, "event=supervisor-silent kind=%u error=%s", request->kind,
                 error_text(error));
        return ERR_SYSTEM;
    }
    bool wanted = ret_fds != NULL && answer.error == 0 && n == answer.n_fds;
    for (unsigned i = 0; i < n; i++) {
        if (wanted)
            ret_fds[i] = fds[i];
        else
            close(fds[i]);
    }
    if (wanted)
        *ret_n = n;
    return answer.error;
}

int host_ready(struct host *host)
{
    const struct priv_request request = {.kind = PRIV_READY};
    return ask(host, &request, NULL, NULL);
}

int host_mtu(struct host *host, uint16_t mtu)
{
    const struct priv_request request = {.kind = PRIV_MTU, .mtu = mtu};
    return ask(host, &request, NULL, NULL);
}

int host_path_sockets(struct host *host, uint32_t interface, const struct endpoint *local,
                      int ret_fds[LIMIT_WORKERS], unsigned *ret_n)
{
    const struct priv_request request = {.kind = PRIV_PATH_SOCKETS,
                                         .interface = interface,
                                         .address = local->address,
                                         .port = local->port};
    return ask(host, &request, ret_fds, ret_n);
}

static bool claim_same(const struct claim *a, const struct claim *b)
{
    return a->kind == b->kind && a->prefix_len == b->prefix_len && a->own == b->own &&
           address_equal(&a->address, &b->address);
}

/* what_key - claims that fall together are told apart by claim_same. */
static uint64_t what_key(const struct claim *claim)
{
    uint64_t words[2];
    memcpy(words, claim->address.octets, sizeof(words));
    uint64_t kind = (uint64_t)claim->kind << 1 | claim->own;
    return (words[0] ^ (uint64_t)claim->prefix_len << 56 ^ kind << 48) * 0x9e3779b97f4a7c15u ^
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

static int claim_link(struct host *host, struct claim *claim)
{
    uint64_t what = what_key(claim), owner = owner_key(claim->kind, claim->owner);
    claim->what_next = map_get(&host->by_what, what);
    claim->owner_next = map_get(&host->by_owner, owner);
    if (map_set(&host->by_what, what, claim) != 0)
        return ERR_NO_MEMORY;
    if (map_set(&host->by_owner, owner, claim) == 0)
        return 0;
    map_replace(&host->by_what, what, claim->what_next);
    return ERR_NO_MEMORY;
}

/* claim_unlink - its owner has forgotten it already. */
static void claim_unlink(struct host *host, const struct claim *claim)
{
    uint64_t what = what_key(claim);
    struct claim *first = map_get(&host->by_what, what), **at = &first;
    while (*at != claim)
        at = &(*at)->what_next;
    *at = claim->what_next;
    map_replace(&host->by_what, what, first);
}

static const uint32_t claim_requests[][2] = {
    [CLAIM_ADDRESS] = {PRIV_ADDRESS_REMOVE, PRIV_ADDRESS_ADD},
    [CLAIM_ROUTE] = {PRIV_ROUTE_REMOVE, PRIV_ROUTE_ADD},
    [CLAIM_BLOCK] = {PRIV_BLOCK_REMOVE, PRIV_BLOCK_ADD},
};
static const char *const claim_names[] = {"address", "route", "block"};

static void change(struct host *host, const struct claim *claim, bool add)
{
    char text[ADDRESS_TEXT_MAX];
    struct priv_request request = {.address = claim->address,
                                   .prefix_len = claim->prefix_len,
                                   .source = claim->source,
                                   .first = claim->own};
    request.kind = claim_requests[claim->kind][add];
    if (!priv_request_check(&request)) {
        /* what the peer assigned or a selector names, but nobody may have: not ours to ask for */
        log_line(LOG_LEVEL_WARNING, "event=host-refused what=%s/%u",
                 address_print(&claim->address, text), (unsigned)claim->prefix_len);
        return;
    }
    int error = ask(host, &request, NULL, NULL);
    log_line(error == 0 ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "event=%s-%s what=%s/%u result=%s",
             claim_names[claim->kind], add ? "add" : "remove", address_print(&claim->address, text),
             (unsigned)claim->prefix_len, error_text(error));
}

static void claim_add(struct host *host, const struct claim *claim)
{
    const struct claim *mine = map_get(&host->by_owner, owner_key(claim->kind, claim->owner));
    for (; mine != NULL; mine = mine->owner_next)
        if (claim_same(mine, claim))
            return;
    bool there = claim_find(host, claim) != NULL;
    struct claim *copy = malloc(sizeof(*copy));
    if (copy != NULL)
        *copy = *claim;
    if (copy == NULL || claim_link(host, copy) != 0) {
        log_line(LOG_LEVEL_ERROR, "event=host-claim-lost reason=\"%s\"", error_text(ERR_NO_MEMORY));
        free(copy);
        return;
    }
    if (!there)
        change(host, claim, true);
}

/* claims_end - of claims that no owner has any more. */
static void claims_end(struct host *host, struct claim *claim)
{
    while (claim != NULL) {
        struct claim *next = claim->owner_next;
        claim_unlink(host, claim);
        const struct claim *other = claim_find(host, claim);
        if (other == NULL)
            change(host, claim, false);
        else if (!address_equal(&other->source, &claim->source))
            change(host, other, true); /* from another address of ours: replaces, without a gap */
        free(claim);
        claim = next;
    }
}

static void claims_drop(struct host *host, enum claim_kind kind, uint32_t owner)
{
    claims_end(host, map_take(&host->by_owner, owner_key(kind, owner)));
}

void host_addresses(struct host *host, ike_session_id session, const struct ike_config *config)
{
    for (size_t i = 0; i < config->n_addresses; i++) {
        const struct address *address = &config->addresses[i];
        const struct claim claim = {.kind = CLAIM_ADDRESS,
                                    .owner = session,
                                    .prefix_len = (uint8_t)(address_len(address) * 8),
                                    .address = *address};
        claim_add(host, &claim);
    }
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

void host_routes(struct host *host, ike_child_id child, const struct ike_ts_list *remote_ts,
                 const struct ike_config *config, const struct host_own *own)
{
    struct claim *before = map_take(&host->by_owner, owner_key(CLAIM_ROUTE, child));
    for (size_t i = 0; i < remote_ts->n; i++) {
        struct address_range left = remote_ts->ts[i].range, rest;
        bool more = true;
        for (unsigned n = 0; more && n < ROUTES_PER_RANGE; n++) {
            unsigned prefix_len;
            more = range_first_prefix(&left, &prefix_len, &rest);
            struct claim claim = {.kind = CLAIM_ROUTE,
                                  .owner = child,
                                  .prefix_len = (uint8_t)prefix_len,
                                  .address = left.first,
                                  .source = source_for(config, left.first.family)};
            claim_add(host, &claim);
            if (claim.source.family == ADDRESS_NONE) {
                claim.own = true;
                claim.source = own_for(own, left.first.family);
                if (claim.source.family != ADDRESS_NONE)
                    claim_add(host, &claim);
            }
            left = rest;
        }
    }
    claims_end(host, before); /* what stays is never away */
}

void host_session_gone(struct host *host, ike_session_id session)
{
    claims_drop(host, CLAIM_ADDRESS, session);
}

void host_child_gone(struct host *host, ike_child_id child)
{
    claims_drop(host, CLAIM_ROUTE, child);
}

/* --- holds --- */

/* host_blocks - what has no route to us any more goes nowhere. */
static void host_blocks(struct host *host, uint32_t owner, const struct ike_ts_list *remote_ts)
{
    for (size_t i = 0; i < remote_ts->n; i++) {
        struct address_range left = remote_ts->ts[i].range, rest;
        bool more = true;
        for (unsigned n = 0; more && n < ROUTES_PER_RANGE; n++) {
            unsigned prefix_len;
            more = range_first_prefix(&left, &prefix_len, &rest);
            const struct claim claim = {.kind = CLAIM_BLOCK,
                                        .owner = owner,
                                        .prefix_len = (uint8_t)prefix_len,
                                        .address = left.first};
            claim_add(host, &claim);
            left = rest;
        }
    }
}

/* hold_of - the hold of that name, else a place for it. NULL: no memory. */
static struct hold *hold_of(struct host *host, const char *conn, const char *child)
{
    struct hold *unused = NULL;
    for (size_t i = 0; i < host->n_holds; i++) {
        struct hold *hold = &host->holds[i];
        if (strcmp(hold->conn, conn) == 0 && strcmp(hold->child, child) == 0)
            return hold;
        if (hold->conn[0] == '\0' && unused == NULL)
            unused = hold;
    }
    if (unused != NULL)
        return unused;
    struct hold *holds = reallocarray(host->holds, host->n_holds + 1, sizeof(*holds));
    if (holds == NULL)
        return NULL;
    host->holds = holds;
    holds[host->n_holds] = (struct hold){0};
    return &holds[host->n_holds++];
}

/* Nothing is asked of the supervisor for what the session and the Child SA themselves claim. */
static void hold_drop(struct host *host, uint32_t owner)
{
    claims_drop(host, CLAIM_ROUTE, owner); /* before their source address */
    claims_drop(host, CLAIM_ADDRESS, owner);
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
    hold->owner = HOLD_OWNER | ++host->last_owner;
    if (wanted->block)
        host_blocks(host, hold->owner, wanted->remote_ts);
    host_addresses(host, hold->owner, wanted->config);
    host_routes(host, hold->owner, wanted->remote_ts, wanted->config, NULL);
    if (before != 0) /* what stays is never away */
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

void host_release(struct host *host, const char *conn, const char *child)
{
    for (size_t i = 0; i < host->n_holds; i++) {
        struct hold *hold = &host->holds[i];
        if (hold->conn[0] == '\0' || (conn != NULL && strcmp(hold->conn, conn) != 0) ||
            (child != NULL && strcmp(hold->child, child) != 0))
            continue;
        hold_drop(host, hold->owner);
        *hold = (struct hold){0};
    }
}

void host_unblock(struct host *host, const struct ike_ts_list *remote_ts)
{
    uint32_t owner = HOLD_OWNER | ++host->last_owner;
    host_blocks(host, owner, remote_ts); /* the last claim that goes takes the block along */
    claims_drop(host, CLAIM_BLOCK, owner);
}
