/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An upgrade: the sessions of the engine before this one arrive (engine_leave.c), once the
 * configuration is loaded and before it starts connections. After the import the cores know the
 * sessions. Other parts of the engine normally learn of a session by events. These functions
 * replace those events.
 */
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/common/log.h"
#include "daemon/engine/accounts.h"
#include "daemon/engine/engine_aaa.h"
#include "daemon/engine/engine_state.h"
#include "daemon/engine/hand_over.h"
#include "daemon/engine/reqids.h"
#include "ike/terms/identity.h"
#include "multipath/whole_session.h"

int engine_arrival_open(struct engine *e)
{
    int fd = e->start->sessions_fd;
    struct stat file = {0};
    if (fd < 0)
        return 0;
    int error = fstat(fd, &file) == 0 ? 0 : ERR_SYSTEM;
    if (error == 0 && file.st_size > 0) {
        void *octets = mmap(NULL, (size_t)file.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        error = octets == MAP_FAILED ? ERR_SYSTEM : 0;
        if (error == 0)
            e->arrival = span_of(octets, (size_t)file.st_size);
    }
    close(fd);
    e->arriving = error == 0;
    return error;
}

/* --- instead of events --- */

static void child_arrived(struct engine *e, const struct ike_session_info *session,
                          const struct ike_child_info *child)
{
    struct ike_sa_info sa;
    if (!ike_sa_get(e->ike, child->sa, &sa))
        return;
    const struct ike_child_install install = {.child = child->id,
                                              .sa = child->sa,
                                              .session = child->session,
                                              .path = sa.path,
                                              .policy = child->policy,
                                              .local_ts = child->local_ts,
                                              .remote_ts = child->remote_ts};
    if (session->role == IKE_END_USER)
        engine_path_bind(e, &sa.path);
    engine_child_installed(e, &install, 0);
    accounts_child_counted(e->accounts, child->id);
    engine_name_servers_child_up(e, child->id);
}

static void session_arrived(struct engine *e, ike_session_id id)
{
    char local[IDENTITY_TEXT_MAX], remote[IDENTITY_TEXT_MAX];
    struct ike_session_info session;
    struct ike_child_info child = {0};
    if (!ike_session_get(e->ike, id, &session))
        return;
    const struct account_who who = {session.role, session.resumed, session.conn->name,
                                    identity_print(&session.local_id, local),
                                    identity_print(&session.remote_id, remote)};
    accounts_begin(e->accounts, id, &who, session.established_ns);
    while (ike_session_child_next(e->ike, id, child.id, &child))
        child_arrived(e, &session, &child);
    engine_grant_arrived(e, id);
    engine_session_log(e, "session-arrived", &(struct ike_event){.session = id});
}

/* --- leases of a Gateway --- */

static int lease_keep(struct engine *e, const struct ike_session_info *session,
                      const struct ike_sa_info *sa)
{
    struct ike_lease_job job = {.conn = session->conn,
                                .identity = session->remote_id,
                                .n_requested = sa->config->n_addresses};
    memcpy(job.requested, sa->config->addresses, sizeof(job.requested));
    return pools_keep(e->pools, &job, sa->config_owner);
}

/* leases_keep - keeps the leases of the session, and of its clones that have their own
 * addresses. */
static int leases_keep(struct engine *e, ike_session_id id)
{
    struct ike_session_info session;
    struct ike_sa_info sa = {0};
    int error = ike_session_get(e->ike, id, &session) ? 0 : ERR_NOT_FOUND;
    bool kept = false;
    while (error == 0 && session.role == IKE_GATEWAY && ike_sa_next(e->ike, sa.id, &sa)) {
        if (sa.session != id || (kept && sa.config_owner == id))
            continue;
        kept = kept || sa.config_owner == id;
        error = lease_keep(e, &session, &sa);
    }
    return error;
}

/* --- the file --- */

/* session_take - imports a session. A session that arrives without one of its parts is deleted, and its
 * peer logs in again. */
static bool session_take(struct engine *e, const struct handed_session *handed)
{
    const struct session_home home = {e->ike, e->paths, e->plane};
    struct carrier c = carrier_reads(handed->engine, HAND_OVER_VERSION, e->now);
    ike_session_id id;
    int error = whole_session_import(&home, handed->cores, &id, e->now);
    if (error == 0) {
        accounts_carry(e->accounts, id, &c);
        engine_chains_carry(e, id, &c);
        engine_grant_carry(e, id, &c);
        error = carrier_done(&c);
    }
    if (error == 0)
        error = leases_keep(e, id);
    if (error == 0)
        return true;
    log_line(LOG_LEVEL_WARNING, "event=session-not-taken session=%u error=%s", id,
             error_text(error));
    if (id != 0)
        engine_session_delete(e, id);
    return false;
}

static void sessions_take(struct engine *e)
{
    struct reader file;
    struct handed_session handed;
    unsigned n = 0, lost = 0;
    int error = e->arrival.len == 0 ? ERR_NOT_FOUND : hand_over_open(&file, e->arrival);
    while (error == 0 && hand_over_next(&file, &handed)) {
        bool taken = session_take(e, &handed);
        n += taken;
        lost += !taken;
    }
    e->kept = n > 0;
    log_line(LOG_LEVEL_INFO, "event=sessions-arrived n=%u lost=%u result=%s", n, lost,
             error_text(error));
}

void engine_arrive(struct engine *e)
{
    struct ike_session_info session = {0};
    struct ike_conn *conn;
    if (!e->arriving)
        return;
    sessions_take(e);
    if (e->arrival.len > 0)
        (void)munmap((void *)(uintptr_t)e->arrival.ptr, e->arrival.len);
    e->arrival = (struct span){0};
    e->arriving = false;
    engine_hooks_follow(e);
    engine_pump(e);
    for (size_t i = 0; (conn = ike_conn_at(e->ike, i)) != NULL; i++)
        engine_conn_begin(e, conn);
    while (ike_session_next(e->ike, session.id, &session))
        session_arrived(e, session.id);
    engine_name_servers_arrived(e);
    engine_grants_arrived(e);
    engine_pump(e);
    esp_plane_go(e->esp);
}
