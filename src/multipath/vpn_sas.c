/* SPDX-License-Identifier: Apache-2.0 */
/* The records of the IKE SAs and Child SAs of a session. */
#include <stdlib.h>

#include "base/assert.h"
#include "multipath/vpn.h"

struct leg *leg_find(struct vpn *vpn, ike_sa_id id)
{
    for (unsigned i = 0; i < vpn->session.n_legs; i++)
        if (vpn->legs[i].id == id)
            return &vpn->legs[i];
    return NULL;
}

struct leg *leg_of(const struct vpn *vpn, ike_sa_id line)
{
    for (unsigned i = 0; i < vpn->session.n_legs; i++)
        if (vpn->legs[i].line == line)
            return &vpn->legs[i];
    return NULL;
}

struct leg *leg_cloned_for(const struct vpn *vpn, const struct path *path)
{
    for (unsigned i = 0; path->use.clone_tag != 0 && i < vpn->session.n_legs; i++)
        if (vpn->legs[i].clone_tag == path->use.clone_tag)
            return &vpn->legs[i];
    return NULL;
}

/* room - makes room for one more than `n`. */
static bool room(struct path_manager *pm, void **array, unsigned n, unsigned *cap, size_t size)
{
    if (n < *cap)
        return true;
    unsigned grown_cap = *cap == 0 ? 1 : 2 * *cap;
    void *grown = realloc(*array, grown_cap * size);
    if (grown == NULL) {
        vpn_behind(pm);
        return false;
    }
    *array = grown;
    *cap = grown_cap;
    return true;
}

struct leg *leg_add(struct vpn *vpn, ike_sa_id id, nanos now)
{
    struct ike_sa_info info;
    if (vpn->session.n_legs == LEGS_MAX ||
        !room(vpn->pm, (void **)&vpn->legs, vpn->session.n_legs, &vpn->legs_room,
              sizeof(vpn->legs[0])) ||
        !vpn->pm->options.view.sa(vpn->pm->options.view.context, id, &info))
        return NULL;
    struct leg *leg = &vpn->legs[vpn->session.n_legs++];
    *leg = (struct leg){.line = info.line,
                        .id = id,
                        .at = info.path,
                        .path = -1,
                        .job_path = -1,
                        .up_ns = now,
                        .heard_ns = now,
                        .proof_ns = now,
                        .parent = info.parent,
                        .terms = info.terms,
                        .theirs = info.parent != 0 && info.role == IKE_SA_RESPONDER};
    leg->link_gone = vpn_end_user(vpn) && !wanted_place_there(vpn->pm, &leg->at);
    return leg;
}

void leg_assign(struct vpn *vpn, struct leg *leg, int path)
{
    if (leg->path >= 0)
        vpn->paths[leg->path].use.line = 0;
    leg->path = path;
    if (path < 0)
        return;
    ASSERT(vpn->paths[path].use.line == 0);
    vpn->paths[path].use.line = leg->line;
    vpn->paths[path].use.failures = 0;
    vpn->paths[path].use.retry_ns = 0;
}

void leg_remove(struct vpn *vpn, struct leg *leg)
{
    ike_sa_id line = leg->line;
    leg_assign(vpn, leg, -1);
    for (unsigned i = 0; i < vpn->n_paths; i++) {
        /* The jobs of the leg for paths end with it, whether their outcome still comes or not. */
        if (vpn->paths[i].use.clone_tag == leg->clone_tag)
            vpn->paths[i].use.clone_tag = 0;
    }
    for (unsigned i = vpn->session.n_bearers; i > 0; i--)
        if (vpn->bearers[i - 1].line == line)
            bearer_remove(vpn, vpn->bearers[i - 1].id);
    *leg = vpn->legs[--vpn->session.n_legs];
}

bool leg_home(const struct vpn *vpn, const struct leg *leg)
{
    return leg->path >= 0 && wanted_at_home(&vpn->paths[leg->path], &leg->at);
}

bool leg_stands(const struct leg *leg, const struct ike_path *place)
{
    return leg->at.interface == place->interface &&
           address_equal(&leg->at.local.address, &place->local.address) &&
           address_equal(&leg->at.remote.address, &place->remote.address);
}

bool leg_has(const struct vpn *vpn, const struct leg *leg, uint8_t policy)
{
    for (unsigned i = 0; i < vpn->session.n_bearers; i++)
        if (vpn->bearers[i].line == leg->line && vpn->bearers[i].policy == policy)
            return true;
    return false;
}

bool leg_bears(const struct vpn *vpn, const struct leg *leg)
{
    for (unsigned i = 0; i < vpn->session.n_bearers; i++)
        if (vpn->bearers[i].line == leg->line)
            return true;
    return false;
}

bool leg_carries(const struct vpn *vpn, const struct leg *leg)
{
    for (unsigned i = 0; i < vpn->session.n_bearers; i++)
        if (vpn->bearers[i].line == leg->line && vpn->bearers[i].up)
            return true;
    return false;
}

struct bearer *bearer_find(struct vpn *vpn, ike_child_id id)
{
    for (unsigned i = 0; i < vpn->session.n_bearers; i++)
        if (vpn->bearers[i].id == id)
            return &vpn->bearers[i];
    return NULL;
}

void bearer_up(struct vpn *vpn, ike_child_id id)
{
    struct bearer *bearer = bearer_find(vpn, id);
    if (bearer != NULL)
        bearer->up = true;
}

void bearer_remove(struct vpn *vpn, ike_child_id id)
{
    struct bearer *bearer = bearer_find(vpn, id);
    if (bearer != NULL)
        *bearer = vpn->bearers[--vpn->session.n_bearers];
}

static uint8_t policy_index(const struct vpn *vpn, const struct ike_child_policy *policy)
{
    for (uint8_t i = 0; policy != NULL && i < vpn->conn->n_children; i++)
        if (strcmp(vpn->conn->children[i].name, policy->name) == 0)
            return i;
    return 0;
}

/* selectors_hash - FNV-1a over the traffic selectors of both sides. */
static uint32_t selectors_hash(const struct ike_child_info *child)
{
    const struct ike_ts_list *lists[2] = {&child->local_ts, &child->remote_ts};
    uint32_t hash = 2166136261u;
    for (int i = 0; i < 2; i++)
        for (size_t k = 0; k < lists[i]->n; k++) {
            const struct ike_ts *ts = &lists[i]->ts[k];
            const uint32_t words[] = {ts->protocol, ts->start_port, ts->end_port,
                                      ts->range.first.family};
            for (size_t n = 0; n < sizeof(words) / sizeof(words[0]); n++)
                hash = (hash ^ words[n]) * 16777619u;
            for (size_t n = 0; n < sizeof(ts->range.first.octets); n++)
                hash = ((hash ^ ts->range.first.octets[n]) * 16777619u ^ ts->range.last.octets[n]) *
                       16777619u;
        }
    return hash;
}

void bearer_add(struct vpn *vpn, const struct ike_event *event, nanos now)
{
    struct ike_child_info info;
    const struct path_view *view = &vpn->pm->options.view;
    if (bearer_find(vpn, event->child) != NULL || vpn->session.n_bearers == BEARERS_MAX ||
        !view->child(view->context, event->child, &info))
        return;
    struct leg *leg = leg_of(vpn, info.line);
    if (leg == NULL || !room(vpn->pm, (void **)&vpn->bearers, vpn->session.n_bearers,
                             &vpn->bearers_room, sizeof(vpn->bearers[0])))
        return;
    uint8_t policy = policy_index(vpn, info.policy);
    const struct bearer *old = bearer_find(vpn, event->child_old);
    nanos since = old == NULL ? now : idle_since(vpn, old);
    vpn->bearers[vpn->session.n_bearers++] = (struct bearer){.id = event->child,
                                                             .line = info.line,
                                                             .policy = policy,
                                                             .up = info.up,
                                                             .selectors = selectors_hash(&info),
                                                             .renewed = old != NULL && old->renewed,
                                                             .since_ns = since};
    vpn->wish.children |= UINT32_C(1) << policy;
    if (leg->chosen)
        leg->job_at_ns = 0;
    leg->chosen = false;
    health_heard(vpn, leg, now, now);
}
