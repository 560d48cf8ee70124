/* SPDX-License-Identifier: Apache-2.0 */
/* Orders to the data plane about paths, and the states that people see. */
#include <stdio.h>

#include "base/assert.h"
#include "multipath/vpn.h"

/* how much later another IKE SA must have received traffic to become the favourite */
#define FAVOURITE_NS NANOS_PER_SEC
#define PRIORITY_MAX (UINT32_MAX / 4 - 1) /* ranks have two bits more */

const char *path_state_name(enum path_state state)
{
    switch (state) {
    case PATH_DOWN: return "down";
    case PATH_IDLE: return "idle";
    case PATH_CONNECTING: return "connecting";
    case PATH_CLONING: return "cloning";
    case PATH_MOVING: return "moving";
    case PATH_CREATING: return "creating";
    case PATH_UP: return "up";
    case PATH_SUSPECT: return "suspect";
    case PATH_DEAD: return "dead";
    case PATH_RETURNING: return "returning";
    case PATH_BACKOFF: return "backoff";
    }
    ASSERT(false); /* a state without a name */
    return "";
}

/* --- which Child SAs carry traffic --- */

static bool bearer_first_class(const struct vpn *vpn, const struct bearer *bearer)
{
    const struct leg *leg = leg_of(vpn, bearer->line);
    return leg != NULL && leg_usable(leg) && (!vpn_end_user(vpn) || leg_home(vpn, leg));
}

/* bearer_usable - three classes; each is used only if the previous one is empty. First: healthy and
 * at home. Second: healthy, but parked or returning. Third: any with a link, since a dead verdict
 * may be wrong. */
static bool bearer_usable(const struct vpn *vpn, const struct bearer *bearer)
{
    bool first = false, second = false;
    for (unsigned i = 0; i < vpn->session.n_bearers; i++) {
        const struct bearer *other = &vpn->bearers[i];
        const struct leg *leg = leg_of(vpn, other->line);
        if (other->policy != bearer->policy || other->selectors != bearer->selectors || leg == NULL)
            continue;
        first |= bearer_first_class(vpn, other);
        second |= leg_alive(leg);
    }
    const struct leg *leg = leg_of(vpn, bearer->line);
    if (leg == NULL || vpn_released(vpn)) /* another session carries the traffic */
        return false;
    if (first)
        return bearer_first_class(vpn, bearer);
    return second ? leg_alive(leg) : !leg->link_gone;
}

/* spoken_of - the End User told the terms of a path of the session. */
static bool spoken_of(const struct vpn *vpn)
{
    for (unsigned i = 0; i < vpn->session.n_legs; i++)
        if (vpn->legs[i].terms.weight != 0)
            return true;
    return false;
}

/* leg_terms - the terms of the leg's path. An End User has them in its configuration, a Gateway learns them. An End
 * User tells them once the IKE SA is at home. Until then the path is unproven, so it comes behind paths with terms. */
static struct path_terms leg_terms(const struct vpn *vpn, const struct leg *leg)
{
    if (leg == NULL || (vpn_end_user(vpn) && leg->path < 0))
        return PATH_TERMS_UNSAID;
    if (!vpn_end_user(vpn)) {
        bool behind = leg->terms.weight == 0 && spoken_of(vpn);
        return behind ? (struct path_terms){.rank = UINT32_MAX, .weight = 1, .metered = true}
                      : path_terms_meant(leg->terms);
    }
    const struct path *path = &vpn->paths[leg->path];
    return (struct path_terms){
        .rank = path->priority, .weight = path->weight, .metered = path->metered};
}

/* preferred - the line that carries all, among those of equal rank. 0: none does. Without a choice of its own a
 * Gateway follows the traffic of the End User. */
static ike_sa_id preferred(const struct vpn *vpn)
{
    if (choice_made(vpn))
        return vpn->session.choice.line;
    bool follows = !vpn_end_user(vpn) && vpn->conn->multipath == IKE_MULTIPATH_FAILOVER;
    return follows ? vpn->session.favourite : 0;
}

static void bearer_rank(const struct vpn *vpn, const struct bearer *bearer, uint32_t *ret_priority,
                        uint32_t *ret_weight)
{
    struct path_terms terms = leg_terms(vpn, leg_of(vpn, bearer->line));
    *ret_priority = terms.rank;
    *ret_weight = terms.weight;
    /* A metered path carries nothing while another one of its rank can. */
    *ret_priority = (terms.rank < PRIORITY_MAX ? terms.rank : PRIORITY_MAX) * 2 + terms.metered;
    if (preferred(vpn) != 0) /* of equal ones, only the best */
        *ret_priority = *ret_priority * 2 + (bearer->line != preferred(vpn));
}

static const enum esp_mode plane_mode[] = {
    [IKE_MULTIPATH_FAILOVER] = ESP_MODE_FAILOVER,   [IKE_MULTIPATH_BALANCE] = ESP_MODE_BALANCE,
    [IKE_MULTIPATH_AGGREGATE] = ESP_MODE_AGGREGATE, [IKE_MULTIPATH_REDUNDANT] = ESP_MODE_REDUNDANT,
    [IKE_MULTIPATH_AUTO] = ESP_MODE_AUTO,
};

bool orders_next(struct vpn *vpn, struct path_order *ret_order)
{
    if (vpn->session.id == 0)
        return false;
    if (!vpn->session.mode_told) {
        vpn->session.mode_told = true;
        *ret_order = (struct path_order){
            .kind = PATH_ORDER_MODE,
            .session = vpn->session.id,
            .mode = plane_mode[vpn->conn->multipath],
            .follow = !vpn_end_user(vpn),
        };
        return true;
    }
    if (classes_order(vpn, ret_order))
        return true;
    /* Child SAs that become usable come first, so the session always has a usable one. */
    for (int pass = 1; pass >= 0; pass--) {
        for (unsigned i = 0; i < vpn->session.n_bearers; i++) {
            struct bearer *bearer = &vpn->bearers[i];
            bool usable = bearer_usable(vpn, bearer);
            uint32_t priority, weight;
            bearer_rank(vpn, bearer, &priority, &weight);
            uint16_t carries = classes_on(vpn, leg_of(vpn, bearer->line));
            if (usable != (pass == 1) ||
                (bearer->told && bearer->usable == usable && bearer->priority == priority &&
                 bearer->weight == weight && bearer->carries == carries))
                continue;
            bearer->told = true;
            bearer->usable = usable;
            bearer->priority = priority;
            bearer->weight = weight;
            bearer->carries = carries;
            *ret_order = (struct path_order){.kind = PATH_ORDER_CHILD,
                                             .session = vpn->session.id,
                                             .child = bearer->id,
                                             .usable = usable,
                                             .priority = priority,
                                             .weight = weight,
                                             .carries = carries};
            return true;
        }
    }
    return false;
}

/* favour - the IKE SA on which packets of the End User arrive, with some inertia. */
static void favour(struct vpn *vpn)
{
    const struct leg *now_best = leg_of(vpn, vpn->session.favourite);
    const struct leg *best = now_best != NULL && leg_usable(now_best) ? now_best : NULL;
    for (unsigned i = 0; i < vpn->session.n_legs; i++) {
        const struct leg *leg = &vpn->legs[i];
        if (leg_usable(leg) && leg_bears(vpn, leg) &&
            (best == NULL || leg->esp_in_ns > best->esp_in_ns + FAVOURITE_NS))
            best = leg;
    }
    vpn->session.favourite = best == NULL ? 0 : best->line;
}

/* --- states --- */

/* childless_state - the state of a healthy path whose session wants no Child SA now. Perhaps the login still
 * runs, the peer refused the Child SA, or the Child SA has ended. Or the IKE SA is wanted alone. */
static enum path_state childless_state(const struct vpn *vpn)
{
    if (vpn->wish.alone || vpn->conn->n_children == 0)
        return PATH_UP;
    return vpn->session.login_tag != 0 ? PATH_CREATING : PATH_IDLE;
}

static enum path_state home_state(const struct vpn *vpn, const struct path *path,
                                  const struct leg *leg, nanos now)
{
    switch (leg->health) {
    case HEALTH_DEAD: return PATH_DEAD;
    case HEALTH_RETURNING: return PATH_RETURNING;
    case HEALTH_SUSPECT: return PATH_SUSPECT;
    case HEALTH_GOOD: break;
    }
    if (leg_carries(vpn, leg))
        return PATH_UP;
    if (vpn->wish.children == 0)
        return childless_state(vpn);
    return leg->job == JOB_NONE && leg->job_at_ns > now && path->use.line != 0 ? PATH_BACKOFF
                                                                               : PATH_CREATING;
}

static enum path_state away_state(const struct vpn *vpn, const struct path *path,
                                  const struct leg *leg, nanos now)
{
    if (leg->job == JOB_MOVE || leg->job == JOB_CREATE_MOVED)
        return leg->job_path >= 0 && &vpn->paths[leg->job_path] == path ? PATH_MOVING : PATH_DEAD;
    if (leg->job == JOB_CREATE)
        return PATH_CREATING;
    if (path->use.lost)
        return path->use.answers_since_ns != 0 ? PATH_RETURNING : PATH_DEAD;
    return path->use.retry_ns > now || leg->job_at_ns > now ? PATH_BACKOFF : PATH_MOVING;
}

enum path_state orders_path_state(const struct vpn *vpn, const struct path *path, nanos now)
{
    if (!path->present)
        return PATH_DOWN;
    if (vpn->session.id == 0) {
        if (path->login.tag != 0)
            return PATH_CONNECTING;
        return path->login.failed || vpn->wish.round_at_ns > now ? PATH_BACKOFF : PATH_IDLE;
    }
    const struct leg *leg = leg_of(vpn, path->use.line);
    if (leg != NULL)
        return leg_home(vpn, leg) ? home_state(vpn, path, leg, now)
                                  : away_state(vpn, path, leg, now);
    if (path->use.clone_tag != 0)
        return PATH_CLONING;
    if (vpn_single(vpn) && vpn->session.n_legs > 0 && wanted_at_home(path, &vpn->legs[0].at))
        return home_state(vpn, path, &vpn->legs[0],
                          now); /* the single IKE SA is parked on this path */
    return path->use.retry_ns > now ? PATH_BACKOFF : PATH_IDLE;
}

static const char *reason_of(const struct path *path, enum path_state state)
{
    switch (state) {
    case PATH_DOWN: return "no link, address or route";
    case PATH_SUSPECT: return "unanswered";
    case PATH_DEAD: return "nothing comes back";
    case PATH_RETURNING: return "answers again";
    case PATH_BACKOFF: return "failed, will be tried again";
    case PATH_CLONING: return path->use.lost ? "lost, cloned anew" : "";
    case PATH_IDLE:
    case PATH_CONNECTING:
    case PATH_MOVING:
    case PATH_CREATING:
    case PATH_UP: return "";
    }
    return "";
}

void orders_settle(struct vpn *vpn, nanos now)
{
    if (!vpn_end_user(vpn)) {
        favour(vpn);
        return;
    }
    failovers_settle(vpn, now);
    for (unsigned i = 0; !vpn_hidden(vpn) && i < vpn->n_paths; i++) {
        struct path *path = &vpn->paths[i];
        enum path_state state = orders_path_state(vpn, path, now);
        if (state == path->state && path->since_ns != 0)
            continue;
        const struct leg *leg = leg_of(vpn, path->use.line);
        struct path_news news = {.kind = PATH_NEWS_STATE,
                                 .session = vpn->session.id,
                                 .sa = leg == NULL ? 0 : leg->id,
                                 .from = path->state,
                                 .to = state};
        (void)snprintf(news.conn, sizeof(news.conn), "%s", vpn->conn->name);
        (void)snprintf(news.path, sizeof(news.path), "%s", path->name);
        (void)snprintf(news.reason, sizeof(news.reason), "%s", reason_of(path, state));
        if (state != path->state)
            news_add(vpn->pm, &news);
        path->state = state;
        path->since_ns = now > 0 ? now : 1;
    }
}

/* --- status --- */

static void leg_status(const struct vpn *vpn, const struct leg *leg, struct path_status *status)
{
    status->sa = leg->id;
    status->at = leg->at;
    status->parked = vpn_end_user(vpn) && !leg_home(vpn, leg);
    status->rtt_ns = leg->rtt_ns;
    status->jitter_ns = leg->jitter_ns;
    status->last_heard_ns = health_last_heard(vpn, leg);
    for (unsigned i = 0; i < vpn->session.n_bearers; i++) {
        const struct bearer *bearer = &vpn->bearers[i];
        if (bearer->line != leg->line)
            continue;
        if (status->child == 0 || bearer->usable) {
            status->child = bearer->id;
            status->priority = bearer->priority;
            status->weight = bearer->weight;
        }
        status->usable |= bearer->usable;
    }
}

static void path_status_of(const struct vpn *vpn, const struct path *path,
                           struct path_status *status)
{
    (void)snprintf(status->path, sizeof(status->path), "%s", path->name);
    status->state = path->state;
    status->since_ns = path->since_ns;
    status->wanted = (struct ike_path){
        .local.address = path->local, .remote.address = path->remote, .interface = path->link};
    status->failures = path->use.failures;
    status->losses = path->losses;
    status->metered = path->metered;
    status->loss_ppm = choice_loss_ppm(&path->quality);
    const struct leg *leg = leg_of(vpn, path->use.line);
    if (leg != NULL) {
        leg_status(vpn, leg, status);
        status->wanted.local.port = leg->at.local.port;
        status->wanted.remote.port = leg->at.remote.port;
    }
    status->priority = path->priority;
    status->weight = path->weight;
    classes_status(vpn, classes_of_path(vpn, path), status);
}

static void gateway_status(const struct vpn *vpn, const struct leg *leg, struct path_status *status)
{
    (void)snprintf(status->path, sizeof(status->path), "gateway-%u", leg->id);
    leg_status(vpn, leg, status);
    struct path_terms terms = path_terms_meant(leg->terms);
    status->priority = terms.rank;
    status->weight = terms.weight;
    status->metered = terms.metered;
    status->loss_ppm = LOSS_UNKNOWN;
    classes_status(vpn, classes_on(vpn, leg), status);
    status->wanted = leg->at;
    status->since_ns = leg->health == HEALTH_DEAD ? leg->dead_since_ns : leg->up_ns;
    switch (leg->health) {
    case HEALTH_GOOD: status->state = PATH_UP; return;
    case HEALTH_SUSPECT: status->state = PATH_SUSPECT; return;
    case HEALTH_DEAD: status->state = PATH_DEAD; return;
    case HEALTH_RETURNING: status->state = PATH_RETURNING; return;
    }
}

bool path_manager_status(struct path_manager *pm, size_t index, struct path_status *ret_status)
{
    /* status_at: a caller that reads all in order does not cost a walk from the beginning each time */
    bool on = pm->status_at != NULL && index >= pm->status_before;
    struct vpn *vpn = on ? pm->status_at : pm->vpns;
    size_t before = on ? pm->status_before : 0;
    for (; vpn != NULL; vpn = vpn->next) {
        size_t n = vpn_hidden(vpn) ? 0 : vpn_end_user(vpn) ? vpn->n_paths : vpn->session.n_legs;
        if (index - before >= n) {
            before += n;
            continue;
        }
        pm->status_at = vpn;
        pm->status_before = before;
        index -= before;
        *ret_status = (struct path_status){.session = vpn->session.id, .role = vpn->role};
        (void)snprintf(ret_status->conn, sizeof(ret_status->conn), "%s", vpn->conn->name);
        if (vpn_end_user(vpn))
            path_status_of(vpn, &vpn->paths[index], ret_status);
        else
            gateway_status(vpn, &vpn->legs[index], ret_status);
        return true;
    }
    return false;
}
