/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Session tickets (RFC 5723), which the keyholder seals and opens. Each ticket has `extra` octets of
 * the engine:
 *
 *      EAP methods that the connection let the peer prove itself by (1), as in eap_methods.h
 *      grant of a RADIUS server (grant_octets.h): a resumed session has the same limits, and nobody
 *      asks the server again
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/secret.h"
#include "daemon/common/eap_methods.h"
#include "daemon/common/log.h"
#include "daemon/engine/engine_aaa.h"
#include "daemon/engine/engine_tickets.h"
#include "daemon/engine/grant_octets.h"
#include "daemon/tables/credentials.h"

/* struct ticket_use - a ticket that is being used, and the grant of its session. */
struct ticket_use {
    UT_hash_handle hh;
    ike_job_id job;
    uint64_t grant;
};

static void fail(struct engine *e, ike_job_id job, int error, const char *reason)
{
    const struct ike_result result = {.error = error, .reason = reason};
    engine_complete(e, job, &result);
}

/* --- times: the core's are relative, those of a ticket outlive us --- */

static int64_t until_of(nanos left)
{
    int64_t seconds = left / NANOS_PER_SEC;
    return left == 0 ? 0 : (int64_t)time(NULL) + (seconds < 1 ? 1 : seconds);
}

static nanos left_of(int64_t until)
{
    int64_t left = until - (int64_t)time(NULL);
    return until == 0 ? 0 : left < 1 ? 1 : left * NANOS_PER_SEC;
}

/* eap_of - the EAP methods by which the connection lets the peer prove itself. A session of one
 * round alone gets a ticket. */
static uint8_t eap_of(const struct engine *e, const struct ike_conn *conn)
{
    const struct cert_policy *policy =
        conn == NULL ? NULL : credentials_policy(e->credentials, conn->remote[0].credentials);
    return policy == NULL ? EAP_CREDENTIALS_ANY : (uint8_t)policy->eap;
}

/* --- sealing --- */

static int seal(struct engine *e, const struct ike_event *event)
{
    const struct ike_ticket *ticket = event->ticket.ticket;
    struct key_request request = {.kind = KEY_TICKET_SEAL, .job = event->job};
    struct key_ticket *key = &request.ticket;
    uint8_t octets[AUTH_OCTETS_PRF + LIMIT_TICKET_EXTRA];
    struct writer w = writer_of(octets, sizeof(octets));
    write_bytes(&w, event->ticket.sk_d);
    write_u8(&w, eap_of(e, ike_conn_find(e->ike, ticket->conn)));
    const struct grant *grant = grants_find(e->grants, ticket->grant);
    if ((ticket->grant != 0 && grant == NULL) ||
        !grant_octets_write(grant == NULL ? NULL : &grant->what, &w))
        return ERR_FULL; /* without all of it, no ticket */
    *key = (struct key_ticket){.family = ticket->family,
                               .valid_until_s = until_of(ticket->valid_ns),
                               .certs_until_s = until_of(ticket->certs_ns),
                               .lifetime_s = (uint32_t)(ticket->lifetime_ns / NANOS_PER_SEC),
                               .shared = ticket->shared,
                               .ppk = ticket->ppk,
                               .encr = ticket->encr,
                               .encr_key_bits = ticket->encr_key_bits,
                               .integ = ticket->integ,
                               .prf = ticket->prf,
                               .ke = ticket->ke,
                               .local = ticket->local_id,
                               .remote = ticket->remote_id,
                               .proven = ticket->proven_id,
                               .sk_d_len = (uint16_t)event->ticket.sk_d.len,
                               .extra_len = (uint16_t)(w.len - event->ticket.sk_d.len)};
    (void)snprintf(key->conn, sizeof(key->conn), "%s", ticket->conn);
    int error = engine_key_send(e, &request, writer_span(&w));
    wipe(octets, sizeof(octets));
    return error;
}

static void sealed(struct engine *e, ike_job_id job, const struct key_ticket *ticket,
                   struct span octets)
{
    const struct ike_result result = {.sealed = octets,
                                      .ticket_lifetime_ns = ticket->lifetime_s * NANOS_PER_SEC,
                                      .family = ticket->family};
    ike_complete(e->ike, job, &result, e->now);
}

/* --- opening --- */

static int open_ticket(struct engine *e, const struct ike_event *event)
{
    const struct ike_ticket_job *job = &event->ticket;
    struct key_request request = {.kind = KEY_TICKET_OPEN, .job = event->job};
    struct writer w = writer_of(e->parts, sizeof(e->parts));
    request.ticket.ticket_len = (uint16_t)job->sealed.len;
    request.ticket.ni_len = (uint16_t)job->ni.len;
    request.ticket.nr_len = (uint16_t)job->nr.len;
    write_bytes(&w, job->sealed);
    write_bytes(&w, job->ni);
    write_bytes(&w, job->nr);
    return engine_key_send(e, &request, writer_span(&w));
}

/* ticket_sound - the keyholder's answer is well-formed. */
static bool ticket_sound(const struct key_ticket *key, size_t behind)
{
    const struct ike_id *ids[] = {&key->local, &key->remote, &key->proven};
    for (size_t i = 0; i < 3; i++)
        if (ids[i]->len > sizeof(ids[i]->data))
            return false;
    return memchr(key->conn, '\0', sizeof(key->conn)) != NULL && key->extra_len > 0 &&
           key->extra_len <= LIMIT_TICKET_EXTRA && key->extra_len <= behind;
}

static void opened(struct engine *e, ike_job_id job, const struct key_ticket *key,
                   struct span octets)
{
    if (!ticket_sound(key, octets.len)) {
        fail(e, job, ERR_INVALID, NULL);
        return;
    }
    struct reader r = reader_of(octets);
    size_t skeyseed = octets.len - key->extra_len;
    struct ike_ticket ticket = {.local_id = key->local,
                                .remote_id = key->remote,
                                .proven_id = key->proven,
                                .encr = key->encr,
                                .encr_key_bits = key->encr_key_bits,
                                .integ = key->integ,
                                .prf = key->prf,
                                .ke = key->ke,
                                .ppk = key->ppk == 1,
                                .shared = key->shared == 1,
                                .valid_ns = left_of(key->valid_until_s),
                                .certs_ns = left_of(key->certs_until_s),
                                .family = key->family,
                                .issued = key->issued_ms,
                                .n_extra = key->extra_len};
    (void)snprintf(ticket.conn, sizeof(ticket.conn), "%s", key->conn);
    struct ike_result result = {.ticket = &ticket, .skeyseed = read_bytes(&r, skeyseed)};
    struct span extra = read_rest(&r);
    memcpy(ticket.extra, extra.ptr, extra.len);
    const struct ike_conn *conn = ike_conn_find(e->ike, ticket.conn);
    if (conn != NULL && extra.ptr[0] != eap_of(e, conn))
        fail(e, job, ERR_DENIED, "the connection demands another EAP method now");
    else
        ike_complete(e->ike, job, &result, e->now);
}

/* --- using --- */

/* grant_of - the grant of the session that resumes; 0: none. false: the connection demands groups
 * that it does not have now. */
static bool grant_of(struct engine *e, const struct ike_ticket *ticket, uint64_t *ret_grant)
{
    struct aaa_grant grant = {0};
    const struct ike_conn *conn = ike_conn_find(e->ike, ticket->conn);
    bool granted;
    *ret_grant = 0;
    if (conn == NULL ||
        !grant_octets_read(span_of(ticket->extra + 1, ticket->n_extra - 1U), &grant, &granted) ||
        !engine_groups_fit(e, conn, &grant.groups))
        return false;
    if (granted)
        *ret_grant = engine_grant_add(e, &grant, 0);
    return !granted || *ret_grant != 0;
}

static int use(struct engine *e, const struct ike_event *event)
{
    const struct ike_ticket *ticket = event->ticket.ticket;
    struct key_request request = {.kind = KEY_TICKET_USE, .job = event->job};
    uint64_t grant;
    if (!grant_of(e, ticket, &grant))
        return ERR_DENIED;
    struct ticket_use *use = calloc(1, sizeof(*use));
    if (use == NULL)
        return ERR_NO_MEMORY;
    *use = (struct ticket_use){.job = event->job, .grant = grant};
    HASH_ADD(hh, e->ticket_uses, job, sizeof(use->job), use);
    if (!TABLE_HAS(use)) {
        free(use);
        return ERR_NO_MEMORY;
    }
    request.ticket.family = ticket->family;
    request.ticket.issued_ms = ticket->issued;
    return engine_key_send(e, &request, (struct span){0});
}

static uint64_t use_take(struct engine *e, ike_job_id job)
{
    struct ticket_use *use;
    HASH_FIND(hh, e->ticket_uses, &job, sizeof(job), use);
    if (use == NULL)
        return 0;
    uint64_t grant = use->grant;
    HASH_DEL(e->ticket_uses, use);
    free(use);
    return grant;
}

/* --- both ways --- */

void engine_ticket(struct engine *e, const struct ike_event *event)
{
    int error = event->kind == IKE_EV_TICKET_SEAL   ? seal(e, event)
                : event->kind == IKE_EV_TICKET_OPEN ? open_ticket(e, event)
                                                    : use(e, event);
    if (error == 0)
        return;
    (void)use_take(e, event->job);
    fail(e, event->job, error,
         error == ERR_DENIED ? "it has none of the groups that the connection demands" : NULL);
}

void engine_ticket_end(struct engine *e, uint64_t family)
{
    struct key_request request = {.kind = KEY_TICKET_END, .ticket = {.family = family}};
    if (engine_key_send(e, &request, (struct span){0}) != 0)
        log_line(LOG_LEVEL_WARNING, "event=ticket-not-ended");
}

static const char *reason_of(int error)
{
    switch (error) {
    case ERR_AUTH: return "it is none of ours, or too old for its key";
    case ERR_DENIED: return "it has expired, was used, or its session was ended";
    case ERR_NOT_FOUND: return "the secret of its session is gone or another one";
    default: return NULL;
    }
}

void engine_ticket_answered(struct engine *e, const struct key_answer *answer, struct span octets)
{
    struct key_ticket ticket;
    struct reader r = reader_of(octets);
    uint64_t grant = use_take(e, answer->job);
    bool with_ticket = answer->kind == KEY_TICKET_SEAL || answer->kind == KEY_TICKET_OPEN;
    struct span first = read_bytes(&r, with_ticket && answer->error == 0 ? sizeof(ticket) : 0);
    struct span rest = read_rest(&r);
    if (answer->kind == KEY_TICKET_END)
        return;
    if (answer->error != 0 || (with_ticket && first.len != sizeof(ticket))) {
        fail(e, answer->job, answer->error != 0 ? answer->error : ERR_INVALID,
             reason_of(answer->error));
        return;
    }
    if (answer->kind == KEY_TICKET_USE) {
        const struct ike_result result = {.proof.grant = grant};
        engine_complete(e, answer->job, &result);
        return;
    }
    memcpy(&ticket, first.ptr, sizeof(ticket));
    if (answer->kind == KEY_TICKET_SEAL)
        sealed(e, answer->job, &ticket, rest);
    else
        opened(e, answer->job, &ticket, rest);
}

void engine_tickets_done(struct engine *e)
{
    struct ticket_use *use, *next;
    HASH_ITER(hh, e->ticket_uses, use, next)
    {
        HASH_DEL(e->ticket_uses, use);
        free(use);
    }
}
