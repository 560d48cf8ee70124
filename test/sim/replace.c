/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/replace.h"

#include "base/assert.h"
#include "ike/session_export.h"
#include "sim/host.h"
#include "sim/plane.h"

#define AGAIN SIM_MS(5) /* one session or another is not quiet: then they are asked again */
#define TRIES 100

struct section {
    size_t len;
    uint8_t octets[PATH_EXPORT];
};

struct move {
    unsigned n;
    struct ike_exported sessions[SIM_SESSIONS];
    struct section *paths; /* SIM_SESSIONS; of each session */
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

static int paths_export(struct sim_host *host, struct section *section, ike_session_id id)
{
    struct writer w = writer_of(section->octets, sizeof(section->octets));
    int err = path_manager_export(host->paths, id, &w, host->sim->now);
    section->len = w.len;
    return err;
}

/* export_all - false: some did not leave; those that did are in `move`. */
static bool export_all(struct sim_host *host, struct move *move)
{
    struct ike_session_info info;
    while (ike_session_next(host->ike, 0, &info))
        if (move->n == SIM_SESSIONS || paths_export(host, &move->paths[move->n], info.id) != 0 ||
            ike_session_export(host->ike, info.id, &move->sessions[move->n], host->sim->now) != 0)
            return false;
        else
            move->n++;
    return true;
}

static void paths_import(struct sim_host *host, const struct move *move)
{
    for (unsigned i = 0; i < move->n; i++) {
        const struct section *section = &move->paths[i];
        int err = path_manager_import(host->paths, span_of(section->octets, section->len),
                                      host->sim->now);
        if (err != 0)
            sim_violation(host->sim, "%s: the paths of a session did not come back: %s", host->name,
                          error_text(err));
    }
}

static void import_all(struct sim_host *host, struct move *move)
{
    for (unsigned i = 0; i < move->n; i++) {
        ike_session_id id;
        struct ike_exported *session = &move->sessions[i];
        int err = ike_session_import(host->ike, span_of(session->octets, session->len), &id,
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

/* replace_all - false: some session stays, and so do all. */
static bool replace_all(struct sim_host *host)
{
    static struct section sections[SIM_SESSIONS];
    struct move move = {.paths = sections};
    bool all = freeze_all(host) && export_all(host, &move);
    bool paths = all && !waits(host);
    if (all)
        core_begin(host);
    import_all(host, &move); /* into the new core, or back */
    if (!paths)
        return all;
    sim_host_paths_renew(host);
    paths_import(host, &move);
    host->sim->counts.paths_replaced++;
    return true;
}

static void attempt(struct sim *sim, uint64_t argument)
{
    struct sim_host *host = &sim->hosts[argument >> 8 & 0xff];
    if (!host->running)
        return;
    bool all = replace_all(host);
    unsigned tries = (unsigned)(argument >> 16);
    if (all || tries == TRIES) {
        if (all)
            sim_plane_renew(host->plane);
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
