/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pass and drop policies. The supervisor has one entry for each pair of a local and a remote
 * prefix, and the data plane has the same list. Two policies may share an entry.
 */
#include <stdio.h>
#include <stdlib.h>

#include "daemon/common/log.h"
#include "daemon/engine/engine_state.h"
#include "ike/terms/narrow.h"
#include "multipath/install.h"

#define ENTRIES_MAX 64 /* of one policy */

struct shunt_entry {
    struct priv_request request; /* PRIV_SHUNT_ADD */
    struct esp_shunt shunt;
};

struct engine_shunt {
    char conn[LIMIT_NAME], child[LIMIT_NAME];
    bool by_hand;                    /* not by start_action */
    struct ike_child_policy *policy; /* owned copy: the connection from which it was installed */
    size_t n;
    struct shunt_entry entries[ENTRIES_MAX];
};

/* --- entries of a policy --- */

/* selectors_of - `dynamic` means any address of either family: a policy without a Child SA has no
 * peer. */
static size_t selectors_of(const struct ike_ts_policy *policy,
                           struct esp_ts ret[POLICY_TS + 2 * ENTRIES_MAX])
{
    static const char *const any[] = {"0.0.0.0/0", "::/0"};
    struct ike_ts_list list;
    ts_fixed(policy, &list);
    const struct esp_ts_list fixed = install_selectors(&list);
    size_t n = 0;
    for (; n < fixed.n; n++)
        ret[n] = fixed.ts[n];
    for (uint8_t i = 0; i < policy->n_dynamic; i++)
        for (size_t f = 0; f < 2; f++) {
            struct esp_ts *ts = &ret[n++];
            *ts = (struct esp_ts){.protocol = policy->dynamic[i].protocol,
                                  .start_port = policy->dynamic[i].start_port,
                                  .end_port = policy->dynamic[i].end_port};
            (void)range_parse(any[f], &ts->range);
        }
    return n;
}

/* pair_add - one prefix at each end. */
static int pair_add(struct engine_shunt *shunt, const struct esp_ts *local,
                    const struct esp_ts *remote)
{
    const struct ike_child_policy *policy = shunt->policy;
    bool pass = policy->mode == IKE_MODE_PASS;
    unsigned local_len, remote_len;
    if (shunt->n == ENTRIES_MAX)
        return ERR_FULL;
    struct shunt_entry *entry = &shunt->entries[shunt->n];
    memset(entry, 0, sizeof(*entry)); /* entries are compared as octets */
    if (!range_to_prefix(&local->range, &local_len) ||
        !range_to_prefix(&remote->range, &remote_len))
        return ERR_INVALID;
    uint32_t rank = policy->priority;
    if (rank == 0)
        rank = esp_shunt_rank(pass ? ESP_RANK_PASS : ESP_RANK_DROP, local, remote);
    entry->shunt.local = *local;
    entry->shunt.remote = *remote;
    entry->shunt.rank = rank;
    entry->shunt.pass = pass;
    entry->request.kind = PRIV_SHUNT_ADD;
    entry->request.address = remote->range.first;
    entry->request.prefix_len = (uint8_t)remote_len;
    struct priv_policy *to = &entry->request.policy;
    to->rank = rank;
    to->local_start = local->start_port;
    to->local_end = local->end_port;
    to->remote_start = remote->start_port;
    to->remote_end = remote->end_port;
    to->local = local->range.first;
    to->local_len = (uint8_t)local_len;
    to->protocol = local->protocol != 0 ? local->protocol : remote->protocol;
    to->action = pass ? PRIV_PASS : PRIV_DROP;
    memcpy(to->device, policy->interface, sizeof(to->device));
    shunt->n++;
    return 0;
}

static int prefixes_add(struct engine_shunt *shunt, struct esp_ts local, struct esp_ts remote)
{
    struct address_range local_left = local.range, rest;
    const struct address_range all = remote.range;
    int error = 0;
    unsigned len;
    for (bool more_local = true; error == 0 && more_local;) {
        struct address_range next_local, remote_left = all;
        more_local = range_first_prefix(&local_left, &len, &next_local);
        (void)range_from_prefix(&local_left.first, len, &local.range);
        for (bool more = true; error == 0 && more; remote_left = rest) {
            more = range_first_prefix(&remote_left, &len, &rest);
            (void)range_from_prefix(&remote_left.first, len, &remote.range);
            error = pair_add(shunt, &local, &remote);
        }
        local_left = next_local;
    }
    return error;
}

/* entries_fill - pairs each local with each remote selector, if one packet can match both. */
static int entries_fill(struct engine_shunt *shunt)
{
    struct esp_ts local[POLICY_TS + 2 * ENTRIES_MAX], remote[POLICY_TS + 2 * ENTRIES_MAX];
    size_t n_local = selectors_of(&shunt->policy->local_ts, local);
    size_t n_remote = selectors_of(&shunt->policy->remote_ts, remote);
    int error = 0;
    for (size_t i = 0; i < n_local; i++)
        for (size_t j = 0; error == 0 && j < n_remote; j++) {
            const struct esp_ts *l = &local[i], *r = &remote[j];
            if (l->range.first.family == r->range.first.family &&
                (l->protocol == 0 || r->protocol == 0 || l->protocol == r->protocol))
                error = prefixes_add(shunt, *l, *r);
        }
    return error != 0 || shunt->n > 0 ? error : ERR_INVALID;
}

/* --- what is installed --- */

static bool elsewhere(const struct engine *e, const struct engine_shunt *but,
                      const struct priv_request *request)
{
    for (size_t i = 0; i < e->n_shunts; i++)
        for (size_t j = 0; e->shunts[i] != but && j < e->shunts[i]->n; j++)
            if (span_equal(span_of(&e->shunts[i]->entries[j].request, sizeof(*request)),
                           span_of(request, sizeof(*request))))
                return true;
    return false;
}

/* plane_tell - sends the policies to the data plane, except those of another interface: they do not
 * concern the inner device. */
static void plane_tell(struct engine *e)
{
    size_t n = 0, cap = 0;
    for (size_t i = 0; i < e->n_shunts; i++)
        cap += e->shunts[i]->n;
    struct esp_shunt *list = calloc(cap + 1, sizeof(*list));
    for (size_t i = 0; list != NULL && i < e->n_shunts; i++)
        for (size_t j = 0; j < e->shunts[i]->n; j++)
            if (e->shunts[i]->policy->interface[0] == '\0')
                list[n++] = e->shunts[i]->entries[j].shunt;
    if (list == NULL || esp_plane_shunts_set(e->esp, list, n) != 0)
        log_line(LOG_LEVEL_ERROR, "event=shunts-incomplete reason=\"%s\"",
                 error_text(ERR_NO_MEMORY));
    free(list);
}

static size_t shunt_place(const struct engine *e, const char *conn, const char *child)
{
    size_t i = 0;
    while (i < e->n_shunts && ((conn != NULL && strcmp(e->shunts[i]->conn, conn) != 0) ||
                               strcmp(e->shunts[i]->child, child) != 0))
        i++;
    return i;
}

static void shunt_free(struct engine_shunt *shunt)
{
    free(shunt->policy);
    free(shunt);
}

/* shunt_end - removes the entries that no other policy has. */
static void shunt_end(struct engine *e, struct engine_shunt *shunt)
{
    for (size_t i = 0; i < shunt->n; i++) {
        struct priv_request request = shunt->entries[i].request;
        if (elsewhere(e, shunt, &request))
            continue;
        request.kind = PRIV_SHUNT_REMOVE;
        host_shunt(e->host, &request);
    }
    shunt_free(shunt);
}

static void shunt_remove(struct engine *e, size_t place)
{
    struct engine_shunt *shunt = e->shunts[place];
    e->shunts[place] = e->shunts[--e->n_shunts];
    log_line(LOG_LEVEL_INFO, "event=shunt-removed conn=%s child=%s", shunt->conn, shunt->child);
    shunt_end(e, shunt);
    plane_tell(e);
}

static int shunt_new(const struct ike_conn *conn, const struct ike_child_policy *policy,
                     struct engine_shunt **ret)
{
    struct engine_shunt *shunt = calloc(1, sizeof(*shunt));
    if (shunt == NULL)
        return ERR_NO_MEMORY;
    shunt->policy = ike_child_copy(policy);
    int error = shunt->policy == NULL ? ERR_NO_MEMORY : 0;
    if (error == 0) {
        (void)snprintf(shunt->conn, sizeof(shunt->conn), "%s", conn->name);
        (void)snprintf(shunt->child, sizeof(shunt->child), "%s", policy->name);
        error = entries_fill(shunt);
    }
    if (error != 0) {
        shunt_free(shunt);
        return error;
    }
    *ret = shunt;
    return 0;
}

int engine_shunt_install(struct engine *e, const struct ike_conn *conn,
                         const struct ike_child_policy *policy, bool by_hand)
{
    size_t place = shunt_place(e, conn->name, policy->name);
    struct engine_shunt *shunt, *old = place < e->n_shunts ? e->shunts[place] : NULL;
    if (policy->mode == IKE_MODE_DROP && !e->start->filtered)
        return ERR_WRONG_STATE;
    if (old == NULL) {
        struct engine_shunt **shunts =
            reallocarray(e->shunts, e->n_shunts + 1, sizeof(struct engine_shunt *));
        if (shunts == NULL)
            return ERR_NO_MEMORY;
        e->shunts = shunts;
    }
    int error = shunt_new(conn, policy, &shunt);
    if (error != 0)
        return error;
    shunt->by_hand = by_hand;
    for (size_t i = 0; i < shunt->n; i++)
        host_shunt(e->host, &shunt->entries[i].request);
    e->shunts[place] = shunt;
    e->n_shunts += old == NULL;
    if (old != NULL) /* entries that both have are in force all the time */
        shunt_end(e, old);
    plane_tell(e);
    log_line(LOG_LEVEL_INFO, "event=shunt-installed conn=%s child=%s mode=%s", conn->name,
             policy->name, policy->mode == IKE_MODE_PASS ? "pass" : "drop");
    return 0;
}

bool engine_shunt_uninstall(struct engine *e, const char *conn, const char *child)
{
    size_t place = shunt_place(e, conn, child);
    if (place == e->n_shunts)
        return false;
    shunt_remove(e, place);
    return true;
}

const struct ike_child_policy *engine_shunt_find(const struct ike_conn *conn, const char *child)
{
    for (size_t i = 0; i < conn->n_shunts; i++)
        if (strcmp(conn->children[conn->n_children + i].name, child) == 0)
            return &conn->children[conn->n_children + i];
    return NULL;
}

static void start(struct engine *e, const struct ike_conn *conn,
                  const struct ike_child_policy *policy, bool by_hand)
{
    int error = engine_shunt_install(e, conn, policy, by_hand);
    if (error != 0)
        log_line(LOG_LEVEL_ERROR, "event=shunt-refused conn=%s child=%s error=%s", conn->name,
                 policy->name, error_text(error));
}

void engine_shunts_load(struct engine *e, const struct ike_conn *conn, bool fresh)
{
    for (size_t i = e->n_shunts; i-- > 0;) {
        const struct engine_shunt *shunt = e->shunts[i];
        const struct ike_child_policy *now = engine_shunt_find(conn, shunt->child);
        if (strcmp(shunt->conn, conn->name) != 0 ||
            (now != NULL && ike_child_same(now, shunt->policy)))
            continue;
        if (now == NULL || (now->start_action == IKE_START_NONE && !shunt->by_hand))
            shunt_remove(e, i);
        else
            start(e, conn, now, shunt->by_hand);
    }
    for (size_t i = 0; fresh && i < conn->n_shunts; i++) {
        const struct ike_child_policy *policy = &conn->children[conn->n_children + i];
        if (policy->start_action != IKE_START_NONE &&
            shunt_place(e, conn->name, policy->name) == e->n_shunts)
            start(e, conn, policy, false);
    }
}

void engine_shunts_unload(struct engine *e, const char *conn)
{
    for (size_t i = e->n_shunts; i-- > 0;)
        if (strcmp(e->shunts[i]->conn, conn) == 0)
            shunt_remove(e, i);
}

void engine_shunts_all(struct engine *e)
{
    host_shunt(e->host, &(struct priv_request){.kind = PRIV_SHUNTS_ALL});
}

bool engine_shunt_at(const struct engine *e, size_t index, const char **ret_conn,
                     const struct ike_child_policy **ret_policy)
{
    if (index >= e->n_shunts)
        return false;
    *ret_conn = e->shunts[index]->conn;
    *ret_policy = e->shunts[index]->policy;
    return true;
}

void engine_shunts_done(struct engine *e)
{
    while (e->n_shunts > 0)
        shunt_free(e->shunts[--e->n_shunts]);
    free(e->shunts);
    e->shunts = NULL;
}
