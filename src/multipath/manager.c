/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "multipath/vpn.h"

struct path_manager *path_manager_new(const struct path_options *options)
{
    ASSERT(options->random != NULL && options->view.sa != NULL && options->view.session != NULL &&
           options->view.child != NULL && options->view.sa_next != NULL &&
           options->view.child_next != NULL);
    struct path_manager *pm = calloc(1, sizeof(*pm));
    if (pm == NULL)
        return NULL;
    pm->options = *options;
    pm->behind_ns = NANOS_NEVER;
    return pm;
}

void path_manager_view_set(struct path_manager *pm, const struct path_view *view)
{
    pm->options.view = *view;
}

struct path_manager *path_manager_free(struct path_manager *pm)
{
    if (pm == NULL)
        return NULL;
    while (pm->vpns != NULL)
        vpn_free(pm->vpns);
    deadline_heap_done(&pm->deadlines);
    map_done(&pm->by_id);
    free(pm);
    return NULL;
}

static void wish_add(struct vpn *vpn)
{
    vpn->wish_previous = NULL;
    vpn->wish_next = vpn->pm->wishes;
    if (vpn->wish_next != NULL)
        vpn->wish_next->wish_previous = vpn;
    vpn->pm->wishes = vpn;
}

static void wish_remove(struct vpn *vpn)
{
    if (vpn->wish_previous == NULL)
        vpn->pm->wishes = vpn->wish_next;
    else
        vpn->wish_previous->wish_next = vpn->wish_next;
    if (vpn->wish_next != NULL)
        vpn->wish_next->wish_previous = vpn->wish_previous;
}

struct vpn *vpn_new(struct path_manager *pm, struct ike_conn *conn, enum ike_session_role role)
{
    struct vpn *vpn = calloc(1, sizeof(*vpn));
    struct vpn_gateway *gateway = role == IKE_GATEWAY ? NULL : calloc(1, sizeof(*gateway));
    /* The map gets room for the session ID now: vpn_id_set must not fail. */
    if (vpn == NULL || (gateway == NULL && role == IKE_END_USER) ||
        map_reserve(&pm->by_id, pm->deadlines.members + 1) != 0 ||
        deadline_heap_join(&pm->deadlines) != 0) {
        free(gateway);
        free(vpn);
        return NULL;
    }
    vpn->pm = pm;
    vpn->role = role;
    vpn->gateway = gateway;
    vpn->conn = ike_conn_ref(conn);
    vpn->deadline = (struct deadline){.at = NANOS_NEVER, .owner = vpn};
    vpn->previous = pm->vpns_last;
    if (pm->vpns_last == NULL)
        pm->vpns = vpn;
    else
        pm->vpns_last->next = vpn;
    pm->vpns_last = vpn;
    wish_add(vpn);
    return vpn;
}

void vpn_id_set(struct vpn *vpn, ike_session_id id)
{
    if (vpn->session.id == 0)
        wish_remove(vpn);
    else
        (void)map_take(&vpn->pm->by_id, vpn->session.id);
    vpn->session.id = id;
    if (id == 0) {
        wish_add(vpn);
        return;
    }
    int err = map_put(&vpn->pm->by_id, id, vpn);
    ASSERT(err == 0);
}

static void touched_remove(struct vpn *vpn)
{
    struct vpn **link = &vpn->pm->touched, *previous = NULL;
    while (*link != NULL && *link != vpn) {
        previous = *link;
        link = &previous->touched_next;
    }
    if (*link != NULL)
        *link = vpn->touched_next;
    if (vpn->pm->touched_last == vpn)
        vpn->pm->touched_last = previous;
}

void vpn_free(struct vpn *vpn)
{
    if (vpn->touched)
        touched_remove(vpn);
    vpn->pm->status_at = NULL;
    vpn_id_set(vpn, 0);
    wish_remove(vpn);
    if (vpn->previous == NULL)
        vpn->pm->vpns = vpn->next;
    else
        vpn->previous->next = vpn->next;
    if (vpn->next != NULL)
        vpn->next->previous = vpn->previous;
    else
        vpn->pm->vpns_last = vpn->previous;
    deadline_heap_leave(&vpn->pm->deadlines, &vpn->deadline);
    if (vpn->replace.successor != NULL)
        vpn->replace.successor->replace.elder = NULL;
    if (vpn->replace.elder != NULL)
        vpn->replace.elder->replace.successor = NULL;
    struct vpn **link = &vpn->pm->orders;
    while (vpn->ordering && *link != vpn)
        link = &(*link)->orders;
    if (vpn->ordering)
        *link = vpn->orders;
    ike_conn_unref(vpn->conn);
    ike_conn_unref(vpn->conn_next);
    free(vpn->gateway);
    free(vpn->paths);
    free(vpn->legs);
    free(vpn->bearers);
    free(vpn);
}

void vpn_behind(struct path_manager *pm)
{
    pm->missed = true;
    pm->behind_ns = nanos_min(pm->behind_ns, nanos_after(pm->now, NANOS_PER_SEC));
}

struct vpn *vpn_find(const struct path_manager *pm, ike_session_id id)
{
    return map_get(&pm->by_id, id);
}

bool vpn_single(const struct vpn *vpn)
{
    return (vpn->session.clones != CLONES_YES && vpn->session.clones != CLONES_FULL) ||
           !vpn->session.mobike || vpn->conn->clone == IKE_CLONE_OFF || vpn->conn->n_paths == 0;
}

static uint64_t enqueue(struct vpn *vpn, const struct ike_command *command, uint64_t tag)
{
    struct path_manager *pm = vpn->pm;
    struct command_node *node = pm->commands_free;
    if (pm->n_commands == COMMANDS_MAX)
        return 0;
    if (node == NULL)
        node = &pm->nodes[pm->n_nodes++];
    else
        pm->commands_free = node->next;
    *node = (struct command_node){.command = *command};
    node->command.tag = tag;
    if (command->conn != NULL)
        (void)snprintf(node->conn, sizeof(node->conn), "%s", command->conn);
    if (command->child != NULL)
        (void)snprintf(node->child, sizeof(node->child), "%s", command->child);
    if (pm->commands_last == NULL)
        pm->commands = node;
    else
        pm->commands_last->next = node;
    pm->commands_last = node;
    pm->n_commands++;
    return tag;
}

uint64_t command_add(struct vpn *vpn, const struct ike_command *command)
{
    return enqueue(vpn, command, PATH_TAG | ++vpn->pm->last_tag);
}

void command_cancel(struct vpn *vpn, uint64_t tag)
{
    struct ike_command command = {.kind = IKE_CMD_CANCEL};
    /* Without room for the command, the login continues; login.c deletes its result. */
    (void)enqueue(vpn, &command, tag);
}

bool path_manager_command(struct path_manager *pm, struct ike_command *ret_command)
{
    struct command_node *node = pm->commands, *taken = pm->command_taken;
    if (taken != NULL) {
        taken->next = pm->commands_free;
        pm->commands_free = taken;
    }
    pm->command_taken = node;
    if (node == NULL)
        return false;
    pm->commands = node->next;
    if (pm->commands == NULL)
        pm->commands_last = NULL;
    pm->n_commands--;
    *ret_command = node->command;
    ret_command->conn = node->conn[0] == '\0' ? NULL : node->conn;
    ret_command->child = node->child[0] == '\0' ? NULL : node->child;
    return true;
}

bool path_manager_order(struct path_manager *pm, struct path_order *ret_order)
{
    while (pm->orders != NULL) {
        struct vpn *vpn = pm->orders;
        if (orders_next(vpn, ret_order))
            return true;
        vpn->ordering = false;
        pm->orders = vpn->orders;
    }
    return false;
}

void news_add(struct path_manager *pm, const struct path_news *news)
{
    if (pm->n_news == NEWS_MAX) {
        pm->news_first = (pm->news_first + 1) % NEWS_MAX;
        pm->n_news--;
    }
    pm->news[(pm->news_first + pm->n_news++) % NEWS_MAX] = *news;
}

bool path_manager_news(struct path_manager *pm, struct path_news *ret_news)
{
    if (pm->n_news == 0)
        return false;
    *ret_news = pm->news[pm->news_first];
    pm->news_first = (pm->news_first + 1) % NEWS_MAX;
    pm->n_news--;
    return true;
}

nanos retry_after(const struct path_manager *pm, uint32_t failures, nanos now)
{
    unsigned doublings = failures > 0 ? failures - 1 : 0;
    nanos wait = nanos_min(RETRY_MIN_NS << (doublings < 10 ? doublings : 10), RETRY_MAX_NS);
    uint32_t quarter_ms = (uint32_t)(wait / 4 / NANOS_PER_MS);
    return now + wait - (nanos)random_below(pm->options.random, quarter_ms) * NANOS_PER_MS;
}

static void paths_check(const struct vpn *vpn)
{
    for (unsigned i = 0; i < vpn->n_paths; i++) {
        const struct path *path = &vpn->paths[i];
        unsigned legs = 0;
        for (unsigned k = 0; k < vpn->session.n_legs; k++) {
            legs += vpn->legs[k].path == (int)i;
            ASSERT(vpn->legs[k].path != (int)i || vpn->legs[k].line == path->use.line);
        }
        ASSERT(legs == (path->use.line != 0));
        ASSERT(path->use.line == 0 || path->use.clone_tag == 0);
        ASSERT(path->use.clone_tag == 0 || leg_cloned_for(vpn, path) != NULL);
        ASSERT(vpn->session.id == 0 || path->login.tag == 0);
    }
}

void path_manager_check_invariants(const struct path_manager *pm)
{
    size_t all = 0, with_id = 0, n = 0;
    for (const struct vpn *vpn = pm->vpns; vpn != NULL; vpn = vpn->next) {
        all++;
        with_id += vpn->session.id != 0;
        ASSERT(vpn->session.id != 0 || (vpn->session.n_legs == 0 && vpn->session.n_bearers == 0));
        ASSERT(vpn->session.id != 0 || vpn->wish.phase != WISH_OVER);
        const struct vpn *successor = vpn->replace.successor;
        ASSERT(successor == NULL ||
               (successor->replace.elder == vpn && successor->replace.phase != REPLACES_NONE));
        ASSERT(!vpn->touched);
        ASSERT(!vpn_hidden(vpn) || vpn->session.id == 0);
        for (unsigned i = 0; i < vpn->session.n_legs; i++) {
            const struct leg *leg = &vpn->legs[i];
            ASSERT(leg->id != 0 && leg_of(vpn, leg->line) == leg &&
                   (leg->job == JOB_NONE) == (leg->job_tag == 0));
            ASSERT(leg->path < (int)vpn->n_paths);
        }
        if (vpn_end_user(vpn))
            paths_check(vpn);
        else
            ASSERT(vpn->n_paths == 0);
    }
    ASSERT(with_id == pm->by_id.n && all == pm->deadlines.members);
    for (const struct command_node *node = pm->commands; node != NULL; node = node->next)
        n++;
    ASSERT(n == pm->n_commands);
}
