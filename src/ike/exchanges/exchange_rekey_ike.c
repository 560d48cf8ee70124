/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CREATE_CHILD_SA for an IKE SA (RFC 7296 section 1.3.2): a rekey, or with a notify in front of the
 * SA payload a clone, after which the old IKE SA stays (draft-mglt-ipsecme-keep-old-ike-sa-00
 * section 4, B.2; RFC 7791 section 5.2):
 *
 *   HDR, SK{[N(KEEP_OLD_IKE_SA, Q=1, code) | N(CLONE_IKE_SA),] SA, Ni, KEi}  -->
 *                   <--  HDR, SK{[N(KEEP_OLD_IKE_SA, Q=0, code) | N(CLONE_IKE_SA),] SA, Nr, KEr}
 *
 * This file sends the request; answer_rekey_ike.c answers it.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/reader.h"
#include "crypto/ke.h"
#include "ike/core/ike_state.h"
#include "ike/exchanges/clone_address.h"
#include "ike/exchanges/rekey_ike.h"

/* drop_larval - the request failed: ends the IKE SA that it should have created. */
static void drop_larval(struct rekeying *rekeying, nanos now)
{
    struct sa *larval = sa_find(rekeying->ike, rekeying->larval);
    if (larval != NULL && larval->life == IKE_HALF_OPEN)
        sa_down(larval, IKE_CANCELLED, now);
    rekeying->larval = 0;
}

static void rekey_release(struct asking *asking)
{
    struct rekeying *rekeying = asking->state;
    if (rekeying == NULL)
        return;
    drop_larval(rekeying, rekeying->ike->now);
    free(rekeying);
}

static bool is_clone(const struct asking *asking)
{
    return asking->intent.kind == INTENT_CLONE;
}

/* --- the request --- */

/* rekey_group - D-23: always a fresh key exchange. */
static uint16_t rekey_group(const struct sa *sa, const struct asking *asking)
{
    return asking->intent.ke_group != 0 ? asking->intent.ke_group : sa->ke;
}

static enum ike_outcome clone_allowed(const struct sa *sa)
{
    const struct session *session = sa->session;
    if (session_dialect(session) == IKE_DIALECT_NONE)
        return IKE_CLONE_UNSUPPORTED;
    /* a clone is useless if it cannot be moved */
    if (!session->mobike)
        return IKE_CLONE_UNSUPPORTED;
    if (session->clone_refused)
        return IKE_NO_ADDITIONAL_SAS;
    return session_full(session) ? IKE_LIMIT : IKE_OK;
}

/* add_notify - the notify of a clone, or code 1 of a rekey (KO-15). SUP-07: a peer without code 1
 * gets a plain rekey, which means the same to it. */
static void add_notify(struct sa *sa, struct asking *asking, struct wire_builder *request)
{
    struct rekeying *rekeying = asking->state;
    bool unused = !is_clone(asking) || asking->intent.unused_old;
    struct keep_old value = {.question = true, .code = unused ? KEEP_OLD_UNUSED : KEEP_OLD_KEEP};
    rekeying->dialect = session_dialect(sa->session);
    if ((unused && rekeying->dialect == IKE_DIALECT_RFC7791) ||
        (!is_clone(asking) &&
         !(sa->session->conn->unused_old && rekeying->dialect == IKE_DIALECT_KEEP_OLD)))
        rekeying->dialect = IKE_DIALECT_NONE;
    if (rekeying->dialect == IKE_DIALECT_NONE)
        return;
    if (rekeying->dialect == IKE_DIALECT_RFC7791)
        wire_add_notify(request, N_CLONE_IKE_SA, (struct span){0});
    else
        wire_add_keep_old(request, keep_old_number_peer(sa->session), value);
}

static enum ike_outcome rekey_ask(struct sa *sa, struct asking *asking,
                                  struct wire_builder *request, nanos now)
{
    const struct ike_proposal_list *proposals = &sa->session->conn->proposals;
    const struct ke_job *pair = exchange_pair(asking);
    struct rekeying *rekeying = asking->state;
    struct wire_sa offer;
    uint8_t spi[8];
    if (sa_heir(sa) != NULL)
        return IKE_REPLACED; /* the peer rekeyed it first */
    bool further = is_clone(asking) && !asking->intent.unused_old;
    enum ike_outcome allowed = further ? clone_allowed(sa) : IKE_OK;
    if (allowed != IKE_OK)
        return allowed;
    if (pair == NULL)
        return IKE_KE_REFUSED;
    if (rekeying == NULL)
        rekeying = asking->state = calloc(1, sizeof(*rekeying));
    if (rekeying != NULL)
        rekeying->ike = sa->ike;
    struct sa *larval =
        rekeying == NULL
            ? NULL
            : sa_derive(sa, IKE_SA_INITIATOR,
                        is_clone(asking) ? IKE_ORIGIN_CLONED : IKE_ORIGIN_REKEYED, now);
    if (larval == NULL)
        return IKE_LIMIT;
    rekeying->larval = larval->id;
    random_fill(sa->ike->random, rekeying->ni, REKEY_NONCE_LEN);
    add_notify(sa, asking, request);
    struct writer w = writer_of(spi, sizeof(spi));
    write_u64(&w, larval->spi_i);
    proposal_to_wire(proposals, span_of(spi, sizeof(spi)), true, &offer);
    wire_add_sa(request, &offer);
    wire_add(request, WIRE_PAYLOAD_NONCE, span_of(rekeying->ni, REKEY_NONCE_LEN));
    wire_add_ke(request, pair->group, ke_public(pair));
    return IKE_OK;
}

/* --- the response --- */

static void delete_sa(struct sa *sa, enum ike_outcome reason)
{
    struct intent intent = {.kind = INTENT_DELETE_IKE, .reason = reason};
    intent_owe(sa, &intent);
}

/* crossed_won - our request failed, but the peer's rekey of the same SA succeeded. The Child SAs
 * move to its new SA, and the peer deletes this one. */
static bool crossed_won(struct sa *sa, const struct rekeying *rekeying, nanos now)
{
    struct sa *crossed = sa_find(sa->ike, rekeying->crossed.object);
    if (crossed == NULL)
        return false;
    rekey_ike_hand_over(sa, crossed, now);
    return true;
}

static struct verdict rekey_refused(struct sa *sa, struct asking *asking,
                                    const struct wire_message *response, nanos now)
{
    struct rekeying *rekeying = asking->state;
    struct wire_notify notify;
    struct verdict verdict = verdict_error(response);
    drop_larval(rekeying, now);
    bool rekey = !is_clone(asking) || asking->intent.unused_old;
    if (crossed_won(sa, rekeying, now) && rekey) {
        verdict = verdict_done(IKE_OK);
        verdict.new_sa = rekeying->crossed.object;
        return verdict;
    }
    if (!wire_notify_error(response, &notify))
        return verdict;
    switch (notify.type) {
    case N_INVALID_KE_PAYLOAD:
        return exchange_other_ke(asking, &sa->session->conn->proposals, &notify);
    case N_TEMPORARY_FAILURE:
        verdict = verdict_retry(sa, asking, now);
        if (verdict.kind == VERDICT_DONE && !is_clone(asking))
            exchange_out_of_sync(sa);
        return verdict;
    case N_NO_ADDITIONAL_SAS:
        /* final until an IKE SA of the session ends. The old SA and the session continue, and
         * no reauthentication begins because of it. */
        if (is_clone(asking))
            sa->session->clone_refused = true;
        return verdict;
    default: return verdict;
    }
}

bool rekey_ike_read(struct sa *sa, struct rekeying *rekeying, const struct wire_message *response,
                    struct span *ret_peer)
{
    const struct ke_job *pair = exchange_pair(sa->asking);
    const struct wire_payload *payload = wire_find(response, WIRE_PAYLOAD_SA, NULL);
    const struct wire_payload *nonce = wire_find(response, WIRE_PAYLOAD_NONCE, NULL);
    const struct wire_payload *ke_payload = wire_find(response, WIRE_PAYLOAD_KE, NULL);
    struct proposal_choice *choice = &rekeying->choice;
    struct wire_sa answer;
    struct wire_ke ke;
    struct span nr;

    if (pair == NULL || !message_rules_fit(MESSAGE_IKE_ANSWER, response) ||
        !wire_sa_read(payload->body, &answer) || !wire_nonce_read(nonce->body, &nr) ||
        !wire_ke_read(ke_payload->body, &ke) ||
        !proposal_accept(&sa->session->conn->proposals, &answer, WIRE_PROTO_IKE, true, choice) ||
        choice->spi.len != 8 || choice->ke != pair->group || ke.group != choice->ke)
        return false;
    struct reader r = reader_of(choice->spi);
    rekeying->spi_r = read_u64(&r);
    choice->spi = (struct span){0}; /* it points into the response, which goes */
    rekeying->n_nr = (uint16_t)nr.len;
    memcpy(rekeying->nr, nr.ptr, nr.len);
    *ret_peer = ke.public_value;
    return rekeying->spi_r != 0;
}

bool rekey_ike_derive(struct sa *sa, const struct rekeying *rekeying, struct sa *fresh,
                      const struct secret *shared)
{
    if (shared == NULL)
        return false;
    sa_algorithms_set(fresh, &rekeying->choice);
    sa_spi_set(fresh, fresh->spi_i, rekeying->spi_r);
    return keymat_derived(fresh, sa, span_of(rekeying->ni, REKEY_NONCE_LEN),
                          span_of(rekeying->nr, rekeying->n_nr), shared) == 0;
}

/* old_sa_kept - the response says that the old SA stays (KO-22; ). */
static bool old_sa_kept(struct sa *sa, const struct rekeying *rekeying, const struct asking *asking,
                        const struct wire_message *response)
{
    struct keep_old value;
    if (rekeying->dialect == IKE_DIALECT_RFC7791)
        return true; /* SUP-06: a response without a notify means a clone */
    if (!keep_old_find(response, keep_old_number_own(sa->session), &value) &&
        !keep_old_find(response, keep_old_number_peer(sa->session), &value))
        return false;
    if (value.question) {
        event_notice(sa, "KEEP_OLD_IKE_SA in a response with the question bit set: ignored");
        return false;
    }
    if (asking->intent.unused_old)
        return false; /* with any code: our request told the peer that we leave the old SA */
    if (value.code != KEEP_OLD_KEEP)
        event_notice(sa, "the peer did not keep the old IKE SA (code %u), against KO-20",
                     value.code);
    return value.code == KEEP_OLD_KEEP;
}

/* rekey_concluded - the outcome is a plain rekey. One new SA inherits, the others are deleted (section
 * 2.8.2). */
static void rekey_concluded(struct sa *sa, struct rekeying *rekeying, struct sa *fresh, nanos now)
{
    struct span ni = span_of(rekeying->ni, REKEY_NONCE_LEN);
    struct span nr = span_of(rekeying->nr, rekeying->n_nr);
    struct sa *crossed = sa_find(sa->ike, rekeying->crossed.object);
    fresh->line = sa->line;
    sa->ike->stats.rekeys_ike++;
    count(sa->ike, sa, IKE_COUNT_REKEY_INIT);
    if (crossed != NULL && crossing_ours_redundant(&rekeying->crossed, ni, nr)) {
        rekey_ike_hand_over(sa, crossed, now); /* the peer deletes the old one */
        fresh->replaced_by = crossed->id;
        delete_sa(fresh, IKE_REPLACED);
        return;
    }
    if (crossed != NULL) {
        /* The peer deletes its own new SA. If our response to it was lost, the peer never knew it,
         * and it ends by itself. */
        rekey_ike_hand_over(crossed, fresh, now);
    }
    rekey_ike_hand_over(sa, fresh, now);
    delete_sa(sa, IKE_REPLACED);
}

/* may_have_moved - the peer's half of the old SA may have moved since our request left. */
static bool may_have_moved(const struct sa *sa)
{
    bool told = sa->moved_ns != 0 && sa->moved_ns > sa->asking->asked_ns;
    for (const struct intent *next = sa->intents; next != NULL; next = next->next)
        told |= next->told;
    return told;
}

/* rekey_unusable - the response grants a rekey that we cannot use. The peer believes that its Child
 * SAs moved, so the two ends disagree. A clone moves none. */
static struct verdict rekey_unusable(struct sa *sa, struct asking *asking, nanos now)
{
    struct rekeying *rekeying = asking->state;
    drop_larval(rekeying, now);
    if (!crossed_won(sa, rekeying, now) && !rekey_ike_surely_clone(asking))
        delete_sa(sa, IKE_INVALID_SYNTAX);
    return verdict_done(IKE_INVALID_SYNTAX);
}

static struct verdict rekey_answered(struct sa *sa, struct asking *asking,
                                     const struct wire_message *response,
                                     const struct ike_path *from, nanos now)
{
    struct rekeying *rekeying = asking->state;
    struct span peer;
    (void)from;
    if (!response_grants(response) || sa_find(sa->ike, rekeying->larval) == NULL)
        return rekey_refused(sa, asking, response, now);
    if (!rekey_ike_read(sa, rekeying, response, &peer))
        return rekey_unusable(sa, asking, now);
    rekeying->old_kept = is_clone(asking) && old_sa_kept(sa, rekeying, asking, response);
    return exchange_agree(sa, asking, peer, now);
}

/* path_inherit - A-19: the new SA has the path of the old one. If the old one moved while the
 * request was in flight, the peer may have used another path, so we send it ours. */
static void path_inherit(struct sa *sa, struct sa *fresh)
{
    struct intent update = {.kind = INTENT_MOVE, .path = sa->path};
    if (sa->session->role == IKE_END_USER && sa->session->mobike && may_have_moved(sa))
        /* no memory: the path manager moves it once its path fails */
        (void)!intent_add(fresh, &update);
    fresh->path = sa->path;
    fresh->moved_ns = sa->moved_ns;
    fresh->nat_local = sa->nat_local;
    fresh->nat_remote = sa->nat_remote;
    fresh->peer_encap = sa->peer_encap;
}

static struct verdict rekey_agreed(struct sa *sa, struct asking *asking, nanos now)
{
    struct rekeying *rekeying = asking->state;
    struct sa *fresh = sa_find(sa->ike, rekeying->larval);
    if (fresh == NULL || !rekey_ike_derive(sa, rekeying, fresh, exchange_secret(asking)))
        return rekey_unusable(sa, asking, now);
    path_inherit(sa, fresh);
    sa_life_set(fresh, IKE_ESTABLISHED, now);
    struct verdict verdict = verdict_done(IKE_OK);
    verdict.new_sa = fresh->id;
    if (rekeying->old_kept) {
        sa->ike->stats.clones++;
        inner_lease(fresh);
        if (fresh->inner == NULL) /* otherwise inner_leased() does it */
            early_due(fresh);
        (void)crossed_won(sa, rekeying, now); /* D-12: the peer's rekey counts beside our clone */
        return verdict;
    }
    rekey_concluded(sa, rekeying, fresh, now);
    early_due(fresh);
    if (is_clone(asking) && !asking->intent.unused_old) {
        /* without a notify the response is a plain rekey. We treat it as one, and never ask
         * this peer for a clone again. */
        sa->session->clone_never = true;
        fresh->origin = sa->origin;
        verdict.outcome = IKE_CLONE_UNSUPPORTED;
    }
    return verdict;
}

const struct exchange_ops exchange_rekey_ike = {.what = "rekey-ike",
                                                .exchange = WIRE_CREATE_CHILD_SA,
                                                .group = rekey_group,
                                                .ask = rekey_ask,
                                                .answered = rekey_answered,
                                                .agreed = rekey_agreed,
                                                .release = rekey_release};
const struct exchange_ops exchange_clone = {.what = "clone",
                                            .exchange = WIRE_CREATE_CHILD_SA,
                                            .group = rekey_group,
                                            .ask = rekey_ask,
                                            .answered = rekey_answered,
                                            .agreed = rekey_agreed,
                                            .release = rekey_release};
