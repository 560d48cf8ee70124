/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/replace.h"

#include "base/assert.h"
#include "ike/session_export.h"
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

/* export_all - false: some did not leave; those that did are in `move`. */
static bool export_all(struct sim_host *host, struct move *move)
{
    struct ike_session_info info;
    while (ike_session_next(host->ike, 0, &info))
        if (move->n == SIM_SESSIONS ||
            ike_session_export(host->ike, info.id, &move->sessions[move->n], host->sim->now) != 0)
            return false;
        else
            move->n++;
    return true;
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
    struct address addresses[SIM_INTERFACES];
    size_t n = 0;
    ike_free(host->ike);
    host->ike = ike_new(&host->options);
    ASSERT(host->ike != NULL && ike_conn_add(host->ike, host->conn) == 0);
    for (unsigned i = 0; i < host->n_interfaces; i++)
        if (host->interfaces[i].link.up && host->interfaces[i].address.family != ADDRESS_NONE)
            addresses[n++] = host->interfaces[i].address;
    ike_local_addresses_set(host->ike, addresses, n, host->sim->now);
    const struct path_view view = path_view_of(host->ike);
    path_manager_view_set(host->paths, &view);
    host->replaced++;
    host->sim->counts.replaced++;
    sim_log(host->sim, host, "REPLACED");
}

static void attempt(struct sim *sim, uint64_t argument)
{
    struct sim_host *host = &sim->hosts[argument >> 8 & 0xff];
    struct move move = {0};
    if (!host->running)
        return;
    bool all = freeze_all(host) && export_all(host, &move);
    if (all)
        core_begin(host);
    import_all(host, &move); /* into the new core, or back */
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
