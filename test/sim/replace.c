/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/replace.h"

#include "base/assert.h"
#include "multipath/whole_session.h"
#include "sim/host.h"
#include "sim/plane.h"

#define AGAIN SIM_MS(5) /* one session or another is not quiet: then they are asked again */
#define TRIES 100

struct move {
    unsigned n;
    struct ike_exported sessions[SIM_SESSIONS];
};

/* logs_in - an IKE SA has no session yet, or one that is not up. */
static bool logs_in(const struct ike *ike)
{
    struct ike_sa_info sa;
    for (ike_sa_id id = 0; ike_sa_next(ike, id, &sa); id = sa.id)
        if (sa.session == 0 || sa.life == IKE_HALF_OPEN || sa.life == IKE_AUTHENTICATING)
            return true;
    return false;
}

static void thaw_all(struct sim_host *host)
{
    struct ike_session_info info;
    for (ike_session_id id = 0; ike_session_next(host->ike, id, &info); id = info.id)
        ike_session_thaw(host->ike, info.id, host->sim->now);
}

static bool freeze_all(struct sim_host *host)
{
    struct ike_session_info info;
    bool all = !logs_in(host->ike);
    for (ike_session_id id = 0; all && ike_session_next(host->ike, id, &info); id = info.id)
        all = ike_session_freeze(host->ike, info.id, host->sim->now) == 0;
    sim_host_pump(host);
    return all;
}

/* waits - the path manager has a wish without a session. */
static bool waits(const struct sim_host *host)
{
    struct path_status status;
    for (size_t i = 0; path_manager_status(host->paths, i, &status); i++)
        if (status.session == 0)
            return true;
    return false;
}

static struct session_home home_of(const struct sim_host *host)
{
    return (struct session_home){host->ike, host->paths, sim_plane_verbs(host->plane)};
}

/* export_all - false: some did not leave; those that did are in `move`. */
static bool export_all(struct sim_host *host, struct move *move)
{
    const struct session_home home = home_of(host);
    struct ike_session_info info;
    while (ike_session_next(host->ike, 0, &info))
        if (move->n == SIM_SESSIONS ||
            whole_session_export(&home, info.id, &move->sessions[move->n], host->sim->now) != 0)
            return false;
        else
            move->n++;
    return true;
}

/* import_all - with_paths: the path manager is a new one. Otherwise it has kept what it knew. */
static void import_all(struct sim_host *host, struct move *move, bool with_paths)
{
    struct session_home home = home_of(host);
    if (!with_paths)
        home.paths = NULL;
    for (unsigned i = 0; i < move->n; i++) {
        ike_session_id id;
        struct ike_exported *session = &move->sessions[i];
        struct span cut = span_of(session->octets, session->len - 1);
        if (whole_session_import(&home, cut, &id, host->sim->now) != ERR_INVALID || id != 0)
            sim_violation(host->sim, "%s: a part of a session was taken", host->name);
        int err = whole_session_import(&home, span_of(session->octets, session->len), &id,
                                       host->sim->now);
        if (err != 0)
            sim_violation(host->sim, "%s: a session did not come back: %s", host->name,
                          error_text(err));
        ike_exported_done(session);
    }
}

static void core_begin(struct sim_host *host)
{
    sim_host_core_renew(host);
    host->replaced++;
    host->sim->counts.replaced++;
    sim_log(host->sim, host, "REPLACED");
}

static void paths_begin(struct sim_host *host)
{
    sim_host_paths_renew(host);
    host->sim->counts.paths_replaced++;
}

/* replace_all - false: some session stays, and so do all. */
static bool replace_all(struct sim_host *host)
{
    struct move move = {0};
    unsigned children = sim_plane_n(host->plane);
    bool all = freeze_all(host) && export_all(host, &move);
    bool paths = all && !waits(host);
    if (all)
        core_begin(host);
    if (paths)
        paths_begin(host);
    import_all(host, &move, paths); /* into what is new, or back */
    if (sim_plane_n(host->plane) != children)
        sim_violation(host->sim, "%s: %u Child SAs of %u came back", host->name,
                      sim_plane_n(host->plane), children);
    return all;
}

static void attempt(struct sim *sim, uint64_t argument)
{
    struct sim_host *host = &sim->hosts[argument >> 8 & 0xff];
    if (!host->running)
        return;
    bool all = replace_all(host);
    unsigned tries = (unsigned)(argument >> 16);
    if (all || tries == TRIES) {
        thaw_all(host);
        sim_host_pump(host);
        return;
    }
    sim_host_pump(host);
    sim_at(sim, AGAIN, attempt, argument + (1u << 16));
}

void sim_replace(struct sim *sim, uint64_t argument)
{
    attempt(sim, argument);
}
