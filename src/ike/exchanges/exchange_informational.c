/* SPDX-License-Identifier: Apache-2.0 */
/*
 * INFORMATIONAL (RFC 7296 section 1.4) is a container. Each request of ours has one purpose. We
 * read every D and N of a peer's request, and send one response:
 *
 *   HDR, SK{[D,] [N,] ...}  -->
 *                           <--  HDR, SK{[D,] [N,] ...}
 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/reader.h"
#include "base/writer.h"
#include "ike/core/ike_state.h"
#include "ike/core/upper.h"
#include "ike/exchanges/auth_lifetime.h"
#include "ike/exchanges/exchange_path_terms.h"
#include "ike/exchanges/mobike.h"

/* Packets may still be in flight on a Child SA that was replaced. The same holds if both ends
 * delete it at once (section 1.4.1: the incoming half goes with the response). */
#define REPLACED_LINGER_NS (3 * NANOS_PER_SEC)

static nanos linger_of(enum ike_outcome reason)
{
    return reason == IKE_REPLACED ? REPLACED_LINGER_NS : 0;
}

/* --- liveness: an empty request (section 2.4) --- */

static enum ike_outcome ask_probe(struct sa *sa, struct asking *asking,
                                  struct wire_builder *request, nanos now)
{
    (void)now;
    /* RFC 4555 section 3.8: behind a NAT a probe also shows whether the mapping changed. */
    if (mobike_watches_nat(sa))
        nat_detection_add(sa, request, &asking->path, sa->session->conn->encap);
    return IKE_OK;
}

static struct verdict probe_answered(struct sa *sa, struct asking *asking,
                                     const struct wire_message *response,
                                     const struct ike_path *from, nanos now)
{
    (void)asking;
    (void)from;
    (void)now;
    if (mobike_mapping_changed(sa, response) && !intent_pending(sa, INTENT_MOVE, 0)) {
        struct intent update = {.kind = INTENT_MOVE, .path = sa->path};
        (void)!intent_add(sa, &update); /* a full queue: the next probe notices the change again */
    }
    return verdict_done(IKE_OK);
}

const struct exchange_ops exchange_probe = {
    .what = "probe", .exchange = WIRE_INFORMATIONAL, .ask = ask_probe, .answered = probe_answered};

/* --- INVALID_SPI, within an IKE SA (section 2.21.4) --- */

static enum ike_outcome ask_stray(struct sa *sa, struct asking *asking,
                                  struct wire_builder *request, nanos now)
{
    uint8_t spi[4];
    struct writer w = writer_of(spi, sizeof(spi));
    (void)sa;
    (void)now;
    write_u32(&w, asking->intent.spi_in);
    wire_add_notify(request, N_INVALID_SPI, span_of(spi, sizeof(spi)));
    return IKE_OK;
}

const struct exchange_ops exchange_stray = {.what = "invalid-spi",
                                            .exchange = WIRE_INFORMATIONAL,
                                            .ask = ask_stray,
                                            .answered = exchange_acknowledged};

/* --- Delete --- */

static enum ike_outcome ask_delete_ike(struct sa *sa, struct asking *asking,
                                       struct wire_builder *request, nanos now)
{
    wire_add_delete_ike(request);
    if (sa->detoured)
        asking->path = sa->session->end_path;
    sa->down_reason = asking->intent.reason;
    if (sa->life != IKE_DELETING)
        sa_life_set(sa, IKE_DELETING, now);
    return IKE_OK;
}

static struct verdict delete_ike_answered(struct sa *sa, struct asking *asking,
                                          const struct wire_message *response,
                                          const struct ike_path *from, nanos now)
{
    (void)response;
    (void)from;
    sa_down(sa, asking->intent.reason, now);
    return verdict_done(IKE_OK);
}

const struct exchange_ops exchange_delete_ike = {.what = "delete-ike",
                                                 .exchange = WIRE_INFORMATIONAL,
                                                 .ask = ask_delete_ike,
                                                 .answered = delete_ike_answered};

static enum ike_outcome ask_delete_child(struct sa *sa, struct asking *asking,
                                         struct wire_builder *request, nanos now)
{
    (void)now;
    uint32_t spi = asking->intent.spi_in;
    if (asking->intent.child != 0) {
        struct child *child = child_find(sa->ike, asking->intent.child);
        if (child == NULL || child->sa != sa)
            return IKE_CANCELLED; /* it ended before the request */
        child->life = IKE_CHILD_DELETING;
        child->rekey_at_ns = child->expires_ns = NANOS_NEVER;
        spi = child->spi_in;
    }
    wire_add_delete_esp(request, &spi, 1);
    return IKE_OK;
}

static struct verdict delete_child_answered(struct sa *sa, struct asking *asking,
                                            const struct wire_message *response,
                                            const struct ike_path *from, nanos now)
{
    struct child *child = child_find(sa->ike, asking->intent.child);
    (void)response;
    (void)from;
    (void)now;
    if (child != NULL && asking->intent.child != 0)
        child_down(child, asking->intent.reason, linger_of(asking->intent.reason));
    return verdict_done(IKE_OK);
}

const struct exchange_ops exchange_delete_child = {.what = "delete-child",
                                                   .exchange = WIRE_INFORMATIONAL,
                                                   .ask = ask_delete_child,
                                                   .answered = delete_child_answered};

/* --- their side --- */

struct informational {
    bool delete_ike, move, login_failed;
    struct nat_seen nat;
    size_t n_children;
    ike_child_id children[LIMIT_DELETE_SPIS];
};

/* Section 1.4.1: the SPIs are the sender's inbound ones, so our outbound ones. The response names
 * our inbound SPIs, except of Child SAs that we are deleting ourselves. */
static bool take_deletes(struct sa *sa, const struct wire_message *request,
                         struct informational *what, uint32_t *spis, size_t *n_spis)
{
    const struct wire_payload *p = NULL;
    struct wire_delete d;
    while ((p = wire_find(request, WIRE_PAYLOAD_D, p)) != NULL) {
        if (!wire_delete_read(p->body, &d))
            return false;
        what->delete_ike |= d.protocol == WIRE_PROTO_IKE;
        for (size_t i = 0; d.protocol == WIRE_PROTO_ESP && i < d.n; i++) {
            const struct child *child = child_find_outbound(sa, d.spis[i]);
            if (child == NULL)
                create_child_deleted(sa, d.spis[i]);
            bool known = child == NULL || what->n_children == LIMIT_DELETE_SPIS;
            for (size_t j = 0; !known && j < what->n_children; j++)
                known = what->children[j] == child->id;
            if (known)
                continue;
            what->children[what->n_children++] = child->id;
            if (child->life != IKE_CHILD_DELETING)
                spis[(*n_spis)++] = child->spi_in;
        }
    }
    return true;
}

static void child_deleted(struct sa *sa, ike_child_id id)
{
    struct child *child = child_find(sa->ike, id);
    if (child == NULL)
        return;
    bool succeeded = child_find(sa->ike, child->replaced_by) != NULL;
    bool both = child->life == IKE_CHILD_DELETING;
    enum ike_outcome outcome = succeeded ? IKE_REPLACED : IKE_PEER_DELETED;
    child_down(child, outcome, both ? REPLACED_LINGER_NS : linger_of(outcome));
}

static void commit_informational(struct sa *sa, struct answering *answering)
{
    const struct informational *what = answering->state;
    nanos now = answering->now;
    if (what->delete_ike || what->login_failed) {
        enum ike_outcome outcome = what->login_failed         ? IKE_AUTH_FAILED
                                   : sa->replaced_by != 0     ? IKE_REPLACED
                                   : sa->life == IKE_DELETING ? sa->down_reason
                                                              : IKE_PEER_DELETED;
        sa_down(sa, outcome, now);
        return;
    }
    for (size_t i = 0; i < what->n_children; i++)
        child_deleted(sa, what->children[i]);
    auth_lifetime_read(sa->session, answering->request, now);
    if (sa->session->role == IKE_END_USER && redirect_found(sa, answering->request, false))
        redirect_follow(sa, answering->request);
    if (sa->session->mobike)
        mobike_read_addresses(sa, answering->request, answering->path);
    path_terms_take(sa, answering->request);
    if (what->move)
        mobike_moved(sa, answering->path, &what->nat, now);
}

/* notice_unknown_spi - the peer does not know an SPI that we send with. We only log it (section
 * 2.21.4). */
static void notice_unknown_spi(struct sa *sa, const struct wire_message *request)
{
    struct wire_notify notify;
    if (!wire_notify_find(request, N_INVALID_SPI, &notify) || notify.data.len != 4)
        return;
    struct reader r = reader_of(notify.data);
    event_notice(sa, "the peer gets ESP with the SPI %08x, which it does not know", read_u32(&r));
}

enum answer_verdict answer_informational(struct sa *sa, struct answering *answering)
{
    struct informational what = {0};
    uint32_t spis[LIMIT_DELETE_SPIS];
    size_t n_spis = 0;
    if (mobike_too_often(sa, answering->request, answering->now))
        return ANSWER_SILENT;
    if (!take_deletes(sa, answering->request, &what, spis, &n_spis))
        return answer_refuse(answering, N_INVALID_SYNTAX);
    if (!mobike_answer(sa, answering, &what.move))
        return ANSWER_SEND;
    /* An initiator that refuses our AUTH says so in an INFORMATIONAL request (section 2.21.2). */
    what.login_failed = wire_notify_has(answering->request, N_AUTHENTICATION_FAILED);
    what.nat = nat_detection_check(sa, answering->request, answering->path);
    if (n_spis > 0 && !what.delete_ike)
        wire_add_delete_esp(answering->reply, spis, n_spis);
    struct informational *state = malloc(sizeof(*state));
    if (state == NULL)
        return ANSWER_SILENT;
    *state = what;
    ticket_refuse(sa, answering->request, answering->reply);
    notice_unknown_spi(sa, answering->request);
    answering->state = state;
    answering->commit = commit_informational;
    return ANSWER_SEND;
}
