/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines of a session: its beginning, its end, and its traffic. */
#include <inttypes.h>
#include <stdio.h>

#include "daemon/common/log.h"
#include "daemon/engine/accounts.h"
#include "daemon/engine/engine_aaa.h"
#include "ike/terms/identity.h"

struct session_names {
    char local[IDENTITY_TEXT_MAX], remote[IDENTITY_TEXT_MAX];
};

/* session_who - finds the parties of a session, even of one that the core has forgotten. *ret_who
 * points into `names` or into its account. */
static bool session_who(const struct engine *e, ike_session_id id, struct session_names *names,
                        struct account_who *ret_who)
{
    struct ike_session_info session;
    nanos began;
    if (accounts_who(e->accounts, id, ret_who, &began))
        return true;
    if (!ike_session_get(e->ike, id, &session))
        return false;
    *ret_who = (struct account_who){session.role, session.resumed, session.conn->name,
                                    identity_print(&session.local_id, names->local),
                                    identity_print(&session.remote_id, names->remote)};
    return true;
}

/* session_text - describes the session, as keys of a log line. */
static void session_text(struct engine *e, ike_session_id id, char *text, size_t cap)
{
    char local[IDENTITY_TEXT_MAX + 8], remote[IDENTITY_TEXT_MAX + 8];
    struct session_names names;
    struct account_who who;
    text[0] = '\0';
    if (session_who(e, id, &names, &who))
        (void)snprintf(text, cap, "conn=%s local-id=%s remote-id=%s%s", who.conn,
                       log_text(who.local_id, local, sizeof(local)),
                       log_text(who.remote_id, remote, sizeof(remote)),
                       who.resumed ? " resumed=yes" : "");
}

#define SESSION_TEXT_MAX (LIMIT_NAME + 2 * IDENTITY_TEXT_MAX + 64)

void engine_session_log(struct engine *e, const char *what, const struct ike_event *event)
{
    char text[SESSION_TEXT_MAX];
    session_text(e, event->session, text, sizeof(text));
    log_line(LOG_LEVEL_INFO, "event=%s session=%u %s reason=%s", what, event->session, text,
             ike_outcome_name(event->outcome));
}

/* --- certificates that are revoked later --- */

void engine_session_revoked(struct engine *e, ike_session_id id, const char *reason)
{
    char text[SESSION_TEXT_MAX], why[2 * VERIFIER_REASON];
    struct ike_session_info session;
    if (!ike_session_get(e->ike, id, &session))
        return; /* it has ended meanwhile */
    session_text(e, id, text, sizeof(text));
    log_line(LOG_LEVEL_WARNING, "event=session-revoked session=%u %s reason=%s", id, text,
             log_text(reason, why, sizeof(why)));
    engine_say_session(e, &session, reason);
    engine_aaa_end(e, id, AAA_CAUSE_ADMIN_RESET, "certificate");
}

/* chains_pass - gives the certificate chains of the earlier session to the session that resumed
 * from it. */
static int chains_pass(struct engine *e, ike_session_id from, ike_session_id id)
{
    struct verifier_request request = {.kind = VERIFIER_PASS,
                                       .claim = {.from = from, .session = id}};
    return engine_verifier_send(e, &request, (struct span){0});
}

/* chains_claim - from now on the verifier tells when a certificate of the login is revoked. */
static void chains_claim(struct engine *e, ike_session_id id)
{
    const struct ike_chains *chains = ike_session_chains(e->ike, id);
    bool passed = chains != NULL && chains->n > 0 && chains->from != 0;
    int error = passed ? chains_pass(e, chains->from, id) : 0;
    for (uint8_t i = 0; chains != NULL && !passed && error == 0 && i < chains->n; i++) {
        struct verifier_request request = {.kind = VERIFIER_CLAIM,
                                           .claim = {.chain = chains->of[i], .session = id}};
        error = engine_verifier_send(e, &request, (struct span){0});
    }
    if (error != 0)
        engine_session_revoked(e, id, "whether its certificate is revoked cannot be watched");
}

void engine_chains_forget(struct engine *e, ike_session_id id)
{
    struct verifier_request request = {.kind = VERIFIER_FORGET, .claim = {.session = id}};
    if (engine_verifier_send(e, &request, (struct span){0}) != 0)
        log_line(LOG_LEVEL_WARNING, "event=certificate-not-forgotten session=%u", id);
}

void engine_log_unproven(ike_session_id id)
{
    log_line(LOG_LEVEL_ERROR, "event=session-unproven session=%u text=\"%s\"", id,
             "no proof of its peer came: please report this");
}

/* session_end_unproven - the session began, and was not admitted. It ends before it has a Child SA, and the peer gets
 * a Delete. */
static void session_end_unproven(struct engine *e, ike_session_id id)
{
    const struct ike_command command = {.kind = IKE_CMD_DELETE_SESSION,
                                        .session = id,
                                        .force = true,
                                        .reason = IKE_PEER_AUTH_FAILED,
                                        .tag = engine_number(e)};
    engine_log_unproven(id);
    if (ike_command(e->ike, &command, e->now) != 0)
        log_line(LOG_LEVEL_DEBUG, "event=not-deleted session=%u", id); /* it has ended */
}

void engine_session_up(struct engine *e, const struct ike_event *event)
{
    struct session_names names;
    struct account_who who;
    if (session_who(e, event->session, &names, &who))
        accounts_begin(e->accounts, event->session, &who, e->now);
    engine_session_log(e, "session-up", event);
    engine_audit_login(e, event);
    engine_aaa_up(e, event->session);
    chains_claim(e, event->session);
    if (!proofs_take(e->proofs, e->ike, event))
        session_end_unproven(e, event->session);
}

static void traffic_log(const struct account *account, const char *what, ike_session_id session,
                        const char *more)
{
    const struct engine_child_traffic *t = &account->traffic;
    log_line(LOG_LEVEL_INFO,
             "event=%s session=%u %s octets-in=%" PRIu64 " octets-out=%" PRIu64
             " packets-in=%" PRIu64 " packets-out=%" PRIu64,
             what, session, more, t->octets_in, t->octets_out, t->packets_in, t->packets_out);
}

/* session_account - logs the traffic of the session: a line for each path, and one for all paths
 * together. */
static void session_account(struct engine *e, const struct ike_event *event)
{
    char local[ADDRESS_TEXT_MAX], remote[ADDRESS_TEXT_MAX], text[SESSION_TEXT_MAX + 128];
    char parties[SESSION_TEXT_MAX];
    struct account one, all = {0};
    struct account_who who;
    nanos began;
    (void)accounts_who(e->accounts, event->session, &who, &began);
    for (size_t i = 0; accounts_at(e->accounts, event->session, i, &one); i++) {
        char interface[16] = "";
        (void)e->ops.interface_name(e, one.path.interface, interface);
        (void)snprintf(text, sizeof(text), "local=%s remote=%s interface=%s",
                       address_print(&one.path.local.address, local),
                       address_print(&one.path.remote.address, remote), interface);
        traffic_log(&one, "session-path", event->session, text);
        all.traffic.octets_in += one.traffic.octets_in;
        all.traffic.octets_out += one.traffic.octets_out;
        all.traffic.packets_in += one.traffic.packets_in;
        all.traffic.packets_out += one.traffic.packets_out;
    }
    session_text(e, event->session, parties, sizeof(parties));
    (void)snprintf(text, sizeof(text), "%s duration-s=%lld reason=%s", parties,
                   (long long)((e->now - began) / NANOS_PER_SEC), ike_outcome_name(event->outcome));
    traffic_log(&all, "session-account", event->session, text);
    engine_audit_end(e, event, &all.traffic);
}

void engine_session_down(struct engine *e, const struct ike_event *event)
{
    session_account(e, event);
    engine_aaa_down(e, event->session, event->outcome);
    engine_session_log(e, "session-down", event);
    accounts_end(e->accounts, event->session);
    host_session_gone(e->host, event->session);
    data_plane_session_end(e->plane, event->session);
}

void engine_accounts_close(struct engine *e)
{
    struct ike_session_info session = {0};
    while (ike_session_next(e->ike, session.id, &session)) {
        struct ike_event event = {.session = session.id, .outcome = IKE_CANCELLED};
        if (!session.established)
            continue;
        session_account(e, &event);
        engine_aaa_down(e, session.id, IKE_CANCELLED);
    }
    if (e->stopping && e->serving && !e->kept)
        engine_accounting_nas(e, AAA_ACCOUNT_OFF);
    engine_aaa_farewell(e);
}
