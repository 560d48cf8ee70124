/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of RADIUS servers to end or change sessions (RFC 5176). The request concerns each
 * session that matches all its attributes. The change is made for all such sessions, or for none.
 */
#include <stdio.h>
#include <stdlib.h>

#include "daemon/common/log.h"
#include "daemon/engine/engine_aaa.h"
#include "ike/terms/identity.h"

/* --- which sessions --- */

static bool text_sound(const char *text, size_t cap)
{
    return memchr(text, 0, cap) != NULL;
}

bool engine_change_sound(const struct aaa_change *c)
{
    bool sound = (c->disconnect | c->timeout | c->idle | c->filter) <= 1 &&
                 c->groups.n <= AAA_GROUPS && c->user_len <= RADIUS_VALUE &&
                 text_sound(c->session_id, sizeof(c->session_id)) &&
                 text_sound(c->calling, sizeof(c->calling)) &&
                 text_sound(c->conn, sizeof(c->conn)) && text_sound(c->nas, sizeof(c->nas));
    for (uint32_t i = 0; sound && i < c->groups.n; i++)
        sound = text_sound(c->groups.names[i], LIMIT_NAME);
    return sound;
}

static bool user_fits(const struct ike_session_info *session, const struct aaa_change *c)
{
    uint8_t user[RADIUS_VALUE];
    size_t n = engine_accounting_user(session, user);
    return c->user_len == 0 || span_equal(span_of(user, n), span_of(c->user, c->user_len));
}

static bool address_fits(const struct ike_config *config, const struct address *wanted)
{
    for (uint8_t i = 0; i < config->n_addresses; i++)
        if (address_equal(&config->addresses[i], wanted))
            return true;
    return wanted->family == ADDRESS_NONE;
}

/* calling_fits - the station is the address of the login, or of a path of the session now. */
static bool calling_fits(const struct engine *e, const struct ike_session_info *session,
                         const char *calling)
{
    char text[ENDPOINT_TEXT_MAX];
    struct ike_sa_info sa = {0};
    const struct grant *grant = grants_of(e->grants, session->id);
    bool fits = calling[0] == '\0' || (grant != NULL && grant->account != NULL &&
                                       strcmp(grant->account->calling, calling) == 0);
    while (!fits && ike_sa_next(e->ike, sa.id, &sa))
        fits = sa.session == session->id &&
               (strcmp(endpoint_print(&sa.path.remote, text), calling) == 0 ||
                strcmp(address_print(&sa.path.remote.address, text), calling) == 0);
    return fits;
}

static bool session_fits(const struct engine *e, const struct ike_session_info *session,
                         const struct aaa_change *c)
{
    char id[AAA_SESSION_ID];
    engine_accounting_id(e, session->id, id);
    return session->established && session->role == IKE_GATEWAY && user_fits(session, c) &&
           (c->session_id[0] == '\0' || strcmp(id, c->session_id) == 0) &&
           (c->port == 0 || c->port == session->id) &&
           (c->conn[0] == '\0' || strcmp(c->conn, session->conn->name) == 0) &&
           address_fits(&session->config, &c->framed4) &&
           address_fits(&session->config, &c->framed6) && calling_fits(e, session, c->calling);
}

/* nas_fits - the request names this Gateway. */
static bool nas_fits(const struct engine *e, const struct ike_session_info *session,
                     const struct aaa_change *c)
{
    char text[IDENTITY_TEXT_MAX];
    struct ike_sa_info sa = {0};
    if (c->nas[0] != '\0' && strcmp(identity_print(&session->local_id, text), c->nas) != 0)
        return false;
    bool fits = c->nas_address.family == ADDRESS_NONE;
    while (!fits && ike_sa_next(e->ike, sa.id, &sa))
        fits = sa.session == session->id && address_equal(&sa.path.local.address, &c->nas_address);
    return fits;
}

/* --- the change of the sessions --- */

bool engine_groups_fit(const struct engine *e, const struct ike_conn *conn,
                       const struct aaa_groups *groups)
{
    for (uint8_t i = 0; i < conn->n_remote_rounds; i++) {
        const struct cert_policy *policy =
            credentials_policy(e->credentials, conn->remote[i].credentials);
        bool fits = policy == NULL || policy->n_groups == 0;
        for (uint8_t j = 0; !fits && j < policy->n_groups; j++)
            for (uint32_t k = 0; !fits && k < groups->n; k++)
                fits = strcmp(policy->groups[j], groups->names[k]) == 0;
        if (!fits)
            return false;
    }
    return true;
}

/* grant_get - the grant of the session; a new empty one if it has none. NULL: no memory. */
static struct grant *grant_get(struct engine *e, ike_session_id session)
{
    struct grant *grant = grants_of(e->grants, session);
    if (grant != NULL)
        return grant;
    grant = grants_claim(e->grants, 0, session);
    if (grant != NULL)
        grant->up_ns = e->now;
    return grant;
}

static enum aaa_error session_change(struct engine *e, const struct ike_session_info *session,
                                     const struct aaa_change *c)
{
    struct grant *grant = grants_of(e->grants, session->id);
    if (c->disconnect) {
        engine_aaa_end(e, session->id, AAA_CAUSE_ADMIN_RESET, "Disconnect-Request");
        return AAA_DONE;
    }
    const struct ike_command command = {.kind = IKE_CMD_REAUTH,
                                        .tag = engine_number(e),
                                        .session = session->id,
                                        .lifetime_ns = c->session_timeout_s * NANOS_PER_SEC};
    /* a ticket carries what was granted before */
    const struct ike_command end_tickets = {.kind = IKE_CMD_END_TICKETS, .session = session->id};
    if (((c->timeout || c->idle || c->filter) && ike_command(e->ike, &end_tickets, e->now) != 0) ||
        (c->timeout && ike_command(e->ike, &command, e->now) != 0))
        return AAA_NO_RESOURCES;
    if (c->idle) {
        grant->what.idle_timeout_s = c->idle_timeout_s;
        engine_aaa_settle(e, grant);
    }
    if (c->filter) {
        grant->what.groups = c->groups;
        if (!engine_groups_fit(e, session->conn, &c->groups))
            engine_aaa_end(e, session->id, AAA_CAUSE_ADMIN_RESET,
                           "Filter-Id names none of the groups");
    }
    return AAA_DONE;
}

/* change_prepare - finds the matching sessions, and ensures that the change cannot fail for any of
 * them. */
static enum aaa_error change_prepare(struct engine *e, const struct aaa_change *c,
                                     unsigned *ret_sessions)
{
    struct ike_session_info session = {0};
    bool elsewhere = false;
    *ret_sessions = 0;
    while (ike_session_next(e->ike, session.id, &session)) {
        if (!session_fits(e, &session, c))
            continue;
        if (!nas_fits(e, &session, c)) {
            elsewhere = true;
            continue;
        }
        if (!c->disconnect && grant_get(e, session.id) == NULL)
            return AAA_NO_RESOURCES;
        ++*ret_sessions;
    }
    return *ret_sessions > 0 ? AAA_DONE : elsewhere ? AAA_NAS_MISMATCH : AAA_SESSION_NOT_FOUND;
}

static enum aaa_error change_make(struct engine *e, const struct aaa_change *c)
{
    struct ike_session_info session = {0};
    enum aaa_error error = AAA_DONE;
    while (error == AAA_DONE && ike_session_next(e->ike, session.id, &session))
        if (session_fits(e, &session, c) && nas_fits(e, &session, c))
            error = session_change(e, &session, c);
    return error;
}

void engine_change(struct engine *e, uint64_t job, const struct aaa_change *change)
{
    struct aaa_request answer = {.kind = AAA_CHANGED, .job = job};
    unsigned sessions = 0;
    enum aaa_error error =
        engine_change_sound(change) ? change_prepare(e, change, &sessions) : AAA_INVALID_REQUEST;
    if (error == AAA_DONE)
        error = change_make(e, change);
    log_line(LOG_LEVEL_INFO, "event=radius-change kind=%s sessions=%u error-cause=%u",
             change->disconnect ? "disconnect" : "coa", sessions, (unsigned)error);
    answer.changed.cause = error;
    if (engine_aaa_send(e, &answer) != 0)
        log_line(LOG_LEVEL_WARNING, "event=radius-change-unanswered");
}
