/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An upgrade: sessions leave this engine, and the next engine goes on with them (engine_arrive.c). First the sessions
 * that cannot leave are deleted. Then all others are frozen. Once they are quiet the workers stop, and all leave at
 * once: their packets wait in the sockets and the TUN device until the next engine takes them.
 */
#include <unistd.h>

#include "daemon/common/log.h"
#include "daemon/engine/accounts.h"
#include "daemon/engine/engine_aaa.h"
#include "daemon/engine/engine_devices.h"
#include "daemon/engine/engine_state.h"
#include "daemon/engine/hand_over.h"
#include "daemon/vici/vici_server.h"
#include "multipath/whole_session.h"

#define ASKS_NS      NANOS_PER_SEC       /* how long the verifier may take to answer */
#define QUIET_NS     (NANOS_PER_SEC / 2) /* how long a session may take to become quiet */
#define ASK_AGAIN_NS (5 * NANOS_PER_MS)

/* --- which sessions leave --- */

void engine_leave_begin(struct engine *e, int fd)
{
    e->leave.fd = fd;
    e->leave.phase = LEAVE_ASKS;
    e->leave.by = nanos_after(e->now, ASKS_NS);
    ike_silence(e->ike);
    engine_chains_ask(e);
}

/* children_plain - no updown script belongs to a Child SA, and no device but the first one. */
static bool children_plain(const struct engine *e, ike_session_id session)
{
    struct ike_child_info child = {0};
    struct inner_marks marks;
    while (ike_session_child_next(e->ike, session, child.id, &child))
        if (child.policy->updown[0] != '\0' || engine_child_device(e, child.id) != 0 ||
            engine_child_marks(e, child.id, &marks))
            return false;
    return true;
}

bool engine_may_leave(const struct engine *e, const struct ike_session_info *session)
{
    return e->leave.fd >= 0 && session->established && engine_chains_known(e, session->id) &&
           vici_server_conn_of_files(e->vici, session->conn->name) &&
           children_plain(e, session->id);
}

void engine_leaving_conns(const struct engine *e, struct map *conns)
{
    struct ike_session_info session = {0};
    while (e->leave.fd >= 0 && ike_session_next(e->ike, session.id, &session)) {
        struct ike_conn *conn =
            engine_may_leave(e, &session) ? ike_conn_find(e->ike, session.conn->name) : NULL;
        if (conn != NULL && map_set(conns, (uintptr_t)conn, conn) != 0)
            log_line(LOG_LEVEL_WARNING, "event=session-does-not-leave session=%u error=%s",
                     session.id, error_text(ERR_NO_MEMORY));
    }
}

/* others_remain - a session that does not leave waits for the response to its Delete. A session with a ticket gets
 * none. */
static bool others_remain(const struct engine *e)
{
    struct ike_session_info session = {0};
    while (ike_session_next(e->ike, session.id, &session))
        if (!engine_may_leave(e, &session) &&
            (session.role != IKE_GATEWAY || session.ticket_family == 0))
            return true;
    return false;
}

/* --- waiting until they are quiet --- */

static void freeze_all(struct engine *e)
{
    struct ike_session_info session = {0};
    while (ike_session_next(e->ike, session.id, &session))
        if (engine_may_leave(e, &session) && ike_session_freeze(e->ike, session.id, e->now) != 0)
            log_line(LOG_LEVEL_DEBUG, "event=not-frozen session=%u", session.id);
    e->leave.phase = LEAVE_FROZEN;
    e->leave.by = nanos_after(e->now, QUIET_NS);
}

/* session_waits - a session whose login was under way may be up only now: it is frozen then. */
static bool session_waits(struct engine *e, ike_session_id id)
{
    if (ike_session_quiet(e->ike, id, e->now))
        return false;
    if (ike_session_freeze(e->ike, id, e->now) != 0)
        log_line(LOG_LEVEL_DEBUG, "event=not-frozen session=%u", id);
    return true;
}

/* all_quiet - checks sessions from the first one that was not quiet last time. */
static bool all_quiet(struct engine *e)
{
    struct ike_session_info session = {.id = e->leave.quiet_to};
    while (ike_session_next(e->ike, session.id, &session)) {
        if (engine_may_leave(e, &session) && session_waits(e, session.id))
            return false;
        e->leave.quiet_to = session.id;
    }
    return true;
}

nanos engine_leave_deadline(const struct engine *e)
{
    if (e->leave.fd < 0)
        return NANOS_NEVER;
    return e->leave.phase == LEAVE_FROZEN ? nanos_after(e->now, ASK_AGAIN_NS) : e->leave.by;
}

/* --- leaving --- */

/* engine_write - writes the engine's part of a session. Call it before the Child SAs leave, while
 * their counters are readable. */
static int engine_write(struct engine *e, ike_session_id id, struct writer *w)
{
    struct carrier c = carrier_writes(w, HAND_OVER_VERSION, e->now);
    accounts_carry(e->accounts, id, &c);
    engine_chains_carry(e, id, &c);
    engine_grant_carry(e, id, &c);
    return carrier_done(&c);
}

/* session_write - ERR_SYSTEM: no room, and the session is lost; other errors: the session is unchanged. */
static int session_write(struct engine *e, ike_session_id id)
{
    static uint8_t room[HAND_OVER_ENGINE];
    const struct session_home home = {e->ike, e->paths, e->plane};
    struct writer w = writer_of(room, sizeof(room));
    struct ike_exported cores;
    int error = engine_write(e, id, &w);
    if (error == 0)
        error = whole_session_export(&home, id, &cores, e->now);
    if (error != 0)
        return error;
    const struct handed_session session = {.cores = span_of(cores.octets, cores.len),
                                           .engine = writer_span(&w)};
    error = hand_over_add(e->leave.fd, &session);
    ike_exported_done(&cores);
    return error;
}

void engine_session_delete(struct engine *e, ike_session_id session)
{
    const struct ike_command command = {
        .kind = IKE_CMD_DELETE_SESSION, .session = session, .tag = engine_number(e)};
    int error = ike_command(e->ike, &command, e->now);
    if (error != 0)
        log_line(LOG_LEVEL_DEBUG, "event=not-deleted session=%u error=%s", session,
                 error_text(error));
}

/* session_leave - exports a session. If it cannot leave now, it ends with a Delete, without waiting
 * for a response. */
static bool session_leave(struct engine *e, ike_session_id id)
{
    int error = session_write(e, id);
    if (error == 0)
        return true;
    log_line(LOG_LEVEL_WARNING, "event=session-does-not-leave session=%u error=%s", id,
             error_text(error));
    ike_session_thaw(e->ike, id, e->now);
    engine_session_delete(e, id);
    return false;
}

static void leave_all(struct engine *e)
{
    struct ike_session_info session = {0};
    unsigned n = 0;
    esp_plane_stop(e->esp);
    engine_pump(e);
    int error = hand_over_begin(e->leave.fd);
    while (error == 0 && ike_session_next(e->ike, session.id, &session)) {
        if (engine_may_leave(e, &session))
            n += session_leave(e, session.id);
        engine_pump(e);
    }
    e->kept = n > 0;
    log_line(LOG_LEVEL_INFO, "event=sessions-leave n=%u", n);
}

/* phase_go - begins each phase whose predecessor has ended. */
static void phase_go(struct engine *e)
{
    struct engine_leave *leave = &e->leave;
    if (leave->phase == LEAVE_ASKS && (leave->n_asked == 0 || e->now >= leave->by)) {
        leave->phase = LEAVE_DELETES;
        leave->by = nanos_after(e->now, FAREWELL_NS);
        engine_delete_all(e);
        engine_pump(e);
    }
    if (leave->phase == LEAVE_DELETES && (!others_remain(e) || e->now >= leave->by)) {
        freeze_all(e);
        engine_pump(e);
    }
}

bool engine_leave_turn(struct engine *e)
{
    phase_go(e);
    if (e->leave.phase != LEAVE_FROZEN || (e->now < e->leave.by && !all_quiet(e)))
        return false;
    leave_all(e);
    close(e->leave.fd);
    e->leave.fd = -1;
    return true;
}
