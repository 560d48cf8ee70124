/* SPDX-License-Identifier: Apache-2.0 */
/* A session leaves the path manager, and comes into another one: what cannot be looked up in the IKE core and the data
 * plane. Probes, tests, moves and clones that were under way begin anew. */
#include <stdio.h>
#include <stdlib.h>

#include "base/carrier.h"
#include "multipath/vpn.h"

#define VERSION 1 /* an importer reads this one, and the one before once there is one */
#define SECTION 1

/* --- the wish --- */

/* carry_children - by their names: the importer's configuration may number them otherwise, or lack some. */
static uint32_t carry_children(struct carrier *c, const struct vpn *vpn, uint32_t children)
{
    uint32_t found = 0;
    uint32_t n = (uint32_t)__builtin_popcount(children);
    n = carry_within(c, n, 0, 32);
    for (uint32_t left = children; n > 0; n--, left &= left - 1) {
        char name[LIMIT_NAME] = "";
        if (!carrier_is_reader(c))
            (void)snprintf(name, sizeof(name), "%s", vpn->conn->children[__builtin_ctz(left)].name);
        carry_text(c, name, sizeof(name));
        if (name[0] != '\0')
            found |= wish_child(vpn->conn, name);
    }
    return carrier_is_reader(c) ? found : children;
}

static void carry_wish(struct carrier *c, struct vpn *vpn)
{
    struct vpn_wish *wish = &vpn->wish;
    wish->phase = (enum wish_phase)carry_within(c, wish->phase, WISH_OVER, WISH_KEPT);
    wish->children = carry_children(c, vpn, wish->children);
    wish->kept = carry_children(c, vpn, wish->kept);
    carry_text(c, wish->child, sizeof(wish->child));
    carry_address(c, &wish->only);
    wish->alone = carry_bool(c, wish->alone);
    wish->short_lives = carry_u32(c, wish->short_lives);
}

static void carry_addresses(struct carrier *c, struct address *addresses, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        carry_address(c, &addresses[i]);
        carrier_check(c, addresses[i].family != ADDRESS_NONE);
    }
}

static void carry_gateway(struct carrier *c, struct vpn *vpn)
{
    struct vpn_redirect *redirect = &vpn->redirect;
    vpn->n_remotes = (uint8_t)carry_within(c, vpn->n_remotes, 0, REMOTES_MAX);
    vpn->n_own_remotes = (uint8_t)carry_within(c, vpn->n_own_remotes, 0, OWN_REMOTES_MAX);
    carrier_check(c, vpn->n_own_remotes <= vpn->n_remotes);
    carry_addresses(c, vpn->gateway->remotes, vpn->n_remotes);
    redirect->n_home = (uint8_t)carry_within(c, redirect->n_home, 0, OWN_REMOTES_MAX);
    carry_addresses(c, vpn->gateway->home, redirect->n_home);
    redirect->n = carry_u32(c, redirect->n);
    redirect->since_ns = carry_stamp(c, redirect->since_ns);
    carry_address(c, &redirect->from);
    redirect->only = carry_bool(c, redirect->only);
}

/* --- the session --- */

static void carry_choice(struct carrier *c, struct vpn_choice *choice)
{
    choice->line = carry_u32(c, choice->line);
    choice->worse_ns = carry_stamp(c, choice->worse_ns);
    choice->changed_ns = carry_stamp(c, choice->changed_ns);
    choice->changes = carry_u32(c, choice->changes);
}

static void carry_session(struct carrier *c, struct vpn *vpn)
{
    struct vpn_session *session = &vpn->session;
    session->clones = (enum clones)carry_within(c, session->clones, CLONES_NO, CLONES_NEVER);
    session->mobike = carry_bool(c, session->mobike);
    session->path_terms = carry_bool(c, session->path_terms);
    session->separate = carry_bool(c, session->separate);
    session->first_clone_decided = carry_bool(c, session->first_clone_decided);
    session->favourite = carry_u32(c, session->favourite);
    carry_choice(c, &session->choice);
    session->up_ns = carry_moment(c, session->up_ns);
    session->some_alive_ns = carry_moment(c, session->some_alive_ns);
    session->all_dead_ns = carry_stamp(c, session->all_dead_ns);
    vpn->replace.reauth_again_ns = carry_stamp(c, vpn->replace.reauth_again_ns);
    vpn->replace.replacements = carry_u32(c, vpn->replace.replacements);
}

/* --- IKE SAs and Child SAs --- */

/* line_enter - a line that the IKE core has. false: it has none, or there is a record of it already. */
static bool line_enter(struct vpn *vpn, ike_sa_id line, nanos now)
{
    struct ike_sa_info sa;
    const struct path_view *view = &vpn->pm->options.view;
    return leg_of(vpn, line) == NULL && view->line(view->context, vpn->session.id, line, &sa) &&
           leg_add(vpn, sa.id, now) != NULL;
}

static void carry_lines(struct carrier *c, struct vpn *vpn)
{
    unsigned n = carry_within(c, vpn->session.n_legs, 1, LEGS_MAX);
    for (unsigned i = 0; c->error == 0 && i < n; i++) {
        bool reads = carrier_is_reader(c);
        ike_sa_id line = carry_u32(c, reads ? 0 : vpn->legs[i].line);
        carrier_check(c, !reads || line_enter(vpn, line, c->now));
    }
}

/* bearer_enter - NULL: the IKE core has no such Child SA on a line of the session, or there is no memory. */
static struct bearer *bearer_enter(struct vpn *vpn, ike_child_id child, nanos now)
{
    const struct ike_event event = {.kind = IKE_EV_CHILD_NEW, .child = child};
    bearer_add(vpn, &event, now);
    return bearer_find(vpn, child);
}

static void carry_bearers(struct carrier *c, struct vpn *vpn)
{
    unsigned n = carry_within(c, vpn->session.n_bearers, 0, BEARERS_MAX);
    for (unsigned i = 0; c->error == 0 && i < n; i++) {
        bool reads = carrier_is_reader(c);
        ike_child_id child = carry_u32(c, reads ? 0 : vpn->bearers[i].id);
        nanos since = carry_moment(c, reads ? 0 : vpn->bearers[i].since_ns);
        struct bearer *bearer = reads ? bearer_enter(vpn, child, c->now) : NULL;
        carrier_check(c, !reads || bearer != NULL);
        if (bearer != NULL)
            bearer->since_ns = since;
    }
}

static nanos carry_rtt(struct carrier *c, nanos rtt)
{
    return carry_within(c, (uint32_t)nanos_min(rtt, FAR_RTT_NS), 0, (uint32_t)FAR_RTT_NS);
}

/* carry_record - nobody waits for the outstanding probe any more: a suspect is judged by the next one. */
static void carry_record(struct carrier *c, struct leg *leg)
{
    enum health health = leg->health == HEALTH_SUSPECT ? HEALTH_GOOD : leg->health;
    leg->health = (enum health)carry_within(c, health, HEALTH_GOOD, HEALTH_RETURNING);
    leg->up_ns = carry_moment(c, leg->up_ns);
    leg->heard_ns = carry_stamp(c, leg->heard_ns);
    leg->proof_ns = carry_stamp(c, leg->proof_ns);
    leg->good_since_ns = carry_stamp(c, leg->good_since_ns);
    leg->dead_since_ns = carry_stamp(c, leg->dead_since_ns);
    leg->fell_silent = carry_bool(c, leg->fell_silent);
    leg->rtt_ns = carry_rtt(c, leg->rtt_ns);
    leg->jitter_ns = carry_rtt(c, leg->jitter_ns);
    leg->offered = carry_bool(c, leg->offered);
    carry_address(c, &leg->offer);
}

/* carry_records - behind the bearers: a bearer that is added counts as a sign of life. */
static void carry_records(struct carrier *c, struct vpn *vpn)
{
    for (unsigned i = 0; c->error == 0 && i < vpn->session.n_legs; i++) {
        struct leg record = vpn->legs[i];
        carry_record(c, &record);
        if (carrier_is_reader(c))
            vpn->legs[i] = record;
    }
}

/* --- paths of an End User --- */

/* carry_policy - by its name; an empty name: the connection had no sections of paths. false: the loaded connection has
 * no such section. */
static bool carry_policy(struct carrier *c, const struct vpn *vpn, int *policy)
{
    char name[LIMIT_NAME] = "";
    if (!carrier_is_reader(c) && *policy >= 0)
        (void)snprintf(name, sizeof(name), "%s", vpn->conn->paths[*policy].name);
    carry_text(c, name, sizeof(name));
    if (!carrier_is_reader(c))
        return true;
    *policy = -1;
    if (name[0] == '\0')
        return vpn->conn->n_paths == 0;
    for (int i = 0; i < vpn->conn->n_paths && *policy < 0; i++)
        if (strcmp(vpn->conn->paths[i].name, name) == 0)
            *policy = i;
    return *policy >= 0;
}

static void carry_use(struct carrier *c, struct path_use *use)
{
    use->line = carry_u32(c, use->line);
    use->lost = carry_bool(c, use->lost);
    use->answers_since_ns = carry_stamp(c, use->answers_since_ns);
    use->failures = carry_u32(c, use->failures);
    use->retry_ns = carry_moment(c, use->retry_ns);
}

static void carry_path(struct carrier *c, struct path *path)
{
    carry_text(c, path->name, sizeof(path->name));
    carry_text(c, path->interface, sizeof(path->interface));
    carry_address(c, &path->remote);
    path->losses = carry_u64(c, path->losses);
    path->state = (enum path_state)carry_within(c, path->state, PATH_DOWN, PATH_BACKOFF);
    path->since_ns = carry_stamp(c, path->since_ns);
    path->test_rtt_ns = carry_rtt(c, path->test_rtt_ns);
    carry_use(c, &path->use);
}

/* path_enter - the path is one of the loaded connection, and its IKE SA serves it. */
static void path_enter(struct carrier *c, struct vpn *vpn, const struct path *read)
{
    struct leg *leg = read->use.line == 0 ? NULL : leg_of(vpn, read->use.line);
    carrier_check(c, read->use.line == 0 || (leg != NULL && leg->path < 0));
    carrier_check(c, read->remote.family != ADDRESS_NONE);
    if (c->error != 0)
        return;
    struct path *path = &vpn->paths[vpn->n_paths];
    *path = wanted_path(vpn, read->policy, read->interface, &read->remote);
    memcpy(path->name, read->name, sizeof(path->name));
    path->losses = read->losses;
    path->state = read->state;
    path->since_ns = read->since_ns;
    path->test_rtt_ns = read->test_rtt_ns;
    path->use = (struct path_use){.line = read->use.line,
                                  .lost = read->use.lost,
                                  .answers_since_ns = read->use.answers_since_ns,
                                  .failures = read->use.failures,
                                  .retry_ns = read->use.retry_ns};
    if (leg != NULL)
        leg->path = (int)vpn->n_paths;
    vpn->n_paths++;
}

static void carry_paths(struct carrier *c, struct vpn *vpn)
{
    unsigned n = carry_within(c, vpn->n_paths, 0, LIMIT_SESSION_PATHS);
    bool reads = carrier_is_reader(c);
    for (unsigned i = 0; c->error == 0 && i < n; i++) {
        struct path path = {0};
        if (!reads)
            path = vpn->paths[i];
        bool wanted = carry_policy(c, vpn, &path.policy);
        carry_path(c, &path);
        if (reads && wanted)
            path_enter(c, vpn, &path);
    }
}

/* --- the whole --- */

static void carry_vpn(struct carrier *c, struct vpn *vpn)
{
    carry_wish(c, vpn);
    if (vpn_end_user(vpn))
        carry_gateway(c, vpn);
    carry_session(c, vpn);
    carry_lines(c, vpn);
    carry_bearers(c, vpn);
    carry_records(c, vpn);
    if (vpn_end_user(vpn))
        carry_paths(c, vpn);
}

/* may_leave - the session is whole: no login is to replace it or goes on, and it is not ending. */
static int may_leave(const struct vpn *vpn)
{
    const struct vpn_replace *replace = &vpn->replace;
    if (vpn_released(vpn) || vpn->session.n_legs == 0)
        return ERR_WRONG_STATE;
    bool login = vpn->session.login_tag != 0 || replace->elder != NULL;
    return login || replace->successor != NULL ? ERR_AGAIN : 0;
}

int path_manager_export(struct path_manager *pm, ike_session_id session, struct writer *w,
                        nanos now)
{
    struct vpn *vpn = vpn_find(pm, session);
    int error = vpn == NULL ? ERR_NOT_FOUND : may_leave(vpn);
    if (error != 0)
        return error;
    struct carrier c = carrier_writes(w, VERSION, now);
    write_u8(w, VERSION);
    struct carrier_section section = carry_begin(&c, SECTION);
    (void)carry_within(&c, session, 1, UINT32_MAX);
    carry_vpn(&c, vpn);
    carry_end(&c, &section);
    return carrier_done(&c);
}

/* vpn_enter - an empty record of a session of the IKE core. */
static int vpn_enter(struct path_manager *pm, ike_session_id session, struct vpn **ret_vpn)
{
    struct ike_session_info info;
    const struct path_view *view = &pm->options.view;
    if (vpn_find(pm, session) != NULL)
        return ERR_WRONG_STATE;
    if (session == 0 || !view->session(view->context, session, &info) || !info.established)
        return ERR_NOT_FOUND;
    struct vpn *vpn = vpn_new(pm, (struct ike_conn *)info.conn, info.role);
    if (vpn == NULL)
        return ERR_NO_MEMORY;
    if (info.role == IKE_END_USER)
        vpn->paths = calloc(LIMIT_SESSION_PATHS, sizeof(vpn->paths[0]));
    if (info.role == IKE_END_USER && vpn->paths == NULL) {
        vpn_free(vpn);
        return ERR_NO_MEMORY;
    }
    vpn_id_set(vpn, session);
    *ret_vpn = vpn;
    return 0;
}

/* alone - no other session or wish stands for the same connection and host. */
static bool alone(struct path_manager *pm, struct vpn *vpn)
{
    if (!vpn_end_user(vpn))
        return true;
    const struct vpn *first = wish_of(pm, vpn->conn->name, &vpn->wish.only);
    return first == NULL || first == vpn; /* the new one is the last of the list */
}

int path_manager_import(struct path_manager *pm, struct span octets, nanos now)
{
    if (octets.len == 0 || octets.ptr[0] != VERSION)
        return ERR_INVALID;
    struct carrier c = carrier_reads(span_of(octets.ptr + 1, octets.len - 1), VERSION, now);
    struct carrier_section section = carry_begin(&c, SECTION);
    ike_session_id session = carry_within(&c, 0, 1, UINT32_MAX);
    struct vpn *vpn = NULL;
    int error = c.error != 0 ? c.error : vpn_enter(pm, session, &vpn);
    if (error != 0)
        return error;
    manager_input(pm, now);
    carry_vpn(&c, vpn);
    carry_end(&c, &section);
    error = carrier_done(&c);
    if (error == 0 && !alone(pm, vpn))
        error = ERR_WRONG_STATE;
    if (error != 0) {
        vpn_free(vpn);
        return error;
    }
    if (vpn_end_user(vpn))
        wanted_plan(vpn, now);
    vpn_touch(vpn);
    manager_settle(pm, now);
    return 0;
}
