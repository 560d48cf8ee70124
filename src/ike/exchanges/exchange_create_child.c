/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CREATE_CHILD_SA for a Child SA, new or rekeyed (RFC 7296 sections 1.3.1 and 1.3.3):
 *
 *   HDR, SK{[N(REKEY_SA),] SA, Ni, [KEi,] TSi, TSr}  -->
 *                                               <--  HDR, SK{SA, Nr, [KEr,] TSi, TSr}
 *
 * and the form that also moves the IKE SA (draft-mglt-ipsecme-keep-old-ike-sa-00 B.5). The End User
 * sends it (D-08 a), or the Gateway as in the draft's drawing (M13, D-08 b). In that case the End
 * User agrees by its response:
 *
 *   IP_I2 -> IP_R1  HDR, SK{SA, Ni, [KEi,] TSi, TSr, N(UPDATE_SA_ADDRESSES), N(NAT_DETECTION_*)}
 *   IP_R1 -> IP_I2  the same
 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/rate.h"
#include "base/reader.h"
#include "crypto/ke.h"
#include "ike/core/ike_state.h"
#include "ike/core/key_exchange.h"
#include "ike/exchanges/child_terms.h"
#include "ike/exchanges/clone_address.h"
#include "ike/exchanges/mobike.h"
#include "ike/exchanges/ordered_esp_terms.h"
#include "ike/exchanges/rekey_ike.h"
#include "ike/terms/collision.h"

#define NONCE_LEN 32

/* Each Child SA costs work in the data plane and in the kernel, and a log line. A session may
 * create that many at once, and then one per interval. */
#define NEW_CHILDREN             (2 * LIMIT_CHILD_SAS_SESSION)
#define NEW_CHILDREN_INTERVAL_NS (NANOS_PER_SEC / 16)

struct creating {
    struct child_terms terms;
    struct ike_ts_list local, remote; /* offered */
    uint8_t ni[NONCE_LEN];
    uint16_t n_nr; /* of the response, while the shared secret is made */
    uint8_t nr[LIMIT_NONCE];
    ike_child_id rekeyed; /* the Child SA to be rekeyed; 0: a new one is wanted */
    uint32_t deleted[4];  /* peer's SPIs that it deleted before its response came */
    unsigned n_deleted;
    /* The peer's rekey of the same Child SA that crossed ours (section 2.8.1). */
    struct crossing crossed;
};

static void create_release(struct asking *asking)
{
    free(asking->state);
}

/* --- our side --- */

static uint16_t first_group(const struct ike_child_policy *policy)
{
    const struct ike_proposal *first = &policy->proposals.proposals[0];
    return policy->proposals.n > 0 && first->n_ke > 0 ? first->ke[0] : 0;
}

/* create_group - the group of PFS; 0: without. */
static uint16_t create_group(const struct sa *sa, const struct asking *asking)
{
    const struct child *old = child_find(sa->ike, asking->intent.child);
    const struct ike_child_policy *policy =
        asking->intent.kind != INTENT_REKEY_CHILD
            ? child_policy_find(sa->session->conn, asking->intent.child_name)
        : old == NULL ? NULL
                      : old->policy;
    if (asking->intent.ke_group != 0 || policy == NULL)
        return asking->intent.ke_group;
    return first_group(policy);
}

static enum ike_outcome creating_begin(struct sa *sa, struct asking *asking,
                                       const struct ike_child_policy *policy, struct creating **ret)
{
    struct creating *creating = asking->state;
    if (create_group(sa, asking) != 0 && exchange_pair(asking) == NULL)
        return IKE_KE_REFUSED;
    if (creating == NULL)
        creating = asking->state = calloc(1, sizeof(*creating));
    if (creating == NULL)
        return IKE_LIMIT;
    creating->terms.policy = policy;
    creating->terms.spi_in = child_spi_new(sa->ike);
    random_fill(sa->ike->random, creating->ni, NONCE_LEN);
    *ret = creating;
    return IKE_OK;
}

static void write_request(const struct sa *sa, const struct asking *asking,
                          struct wire_builder *request)
{
    const struct creating *creating = asking->state;
    const struct ke_job *pair = exchange_pair(asking);
    child_offer_sa(creating->terms.policy, creating->terms.spi_in, true, request);
    wire_add(request, WIRE_PAYLOAD_NONCE, span_of(creating->ni, NONCE_LEN));
    if (pair != NULL)
        wire_add_ke(request, pair->group, ke_public(pair));
    child_offer_ts(&creating->local, &creating->remote, request);
    ordered_esp_offer(sa, request);
}

static void transport_ask(const struct sa *sa, struct creating *creating,
                          struct wire_builder *request)
{
    creating->terms.transport = child_transport_offer(sa, creating->terms.policy, &creating->local,
                                                      &creating->remote, request);
}

static bool has(const struct sa *sa, const struct ike_child_policy *policy)
{
    for (const struct child *child = sa->children; child != NULL; child = child->sa_next)
        if (child->policy == policy && child->replaced_by == 0 &&
            (child->life == IKE_CHILD_ACTIVE || child->life == IKE_CHILD_INBOUND_READY))
            return true;
    return false;
}

static enum ike_outcome ask_create(struct sa *sa, struct asking *asking,
                                   struct wire_builder *request, nanos now)
{
    const struct ike_child_policy *policy =
        child_policy_find(sa->session->conn, asking->intent.child_name);
    struct creating *creating;
    (void)now;
    if (policy == NULL || (asking->intent.if_missing && has(sa, policy)))
        return IKE_CANCELLED;
    if (sa->session->child_refused)
        return IKE_NO_ADDITIONAL_SAS;
    if (session_children_full(sa->session))
        return IKE_LIMIT;
    enum ike_outcome outcome = creating_begin(sa, asking, policy, &creating);
    if (outcome != IKE_OK)
        return outcome;
    if (inner_asks(sa)) {
        /* KO-28: in front of the SA payload */
        bool moves = asking->intent.kind == INTENT_CREATE_MOVED;
        inner_ask(sa, moves ? &asking->intent.path : &sa->path, request);
        child_ts_any(sa, policy, &creating->local);
    } else {
        child_ts_own(sa, policy, &creating->local);
    }
    child_ts_peer(sa, policy, &creating->remote);
    if (creating->local.n == 0 || creating->remote.n == 0)
        return IKE_TS_REFUSED;
    /* both ends do not know yet the addresses of a Child SA that moves at once */
    if (asking->intent.kind != INTENT_CREATE_MOVED)
        transport_ask(sa, creating, request);
    child_ts_packet(sa, policy, &asking->intent.packet, &creating->local, &creating->remote);
    write_request(sa, asking, request);
    return IKE_OK;
}

/* gateway_may_move - D-08 (b): the path leads to an address that the End User announced, without a
 * NAT in front of it: a new address would have no mapping. */
static bool gateway_may_move(const struct sa *sa, const struct ike_path *path)
{
    if (sa->session->conn->reduced != IKE_REDUCED_GATEWAY || sa->nat_remote ||
        sa->origin != IKE_ORIGIN_CLONED)
        return false;
    for (uint8_t i = 0; i < sa->n_peer_addresses; i++)
        if (address_equal(&sa->peer_addresses[i], &path->remote.address))
            return true;
    return false;
}

static enum ike_outcome ask_create_moved(struct sa *sa, struct asking *asking,
                                         struct wire_builder *request, nanos now)
{
    bool end_user = sa->session->role == IKE_END_USER;
    /* only a peer that announced itself understands it */
    if (!sa->session->mobike || !sa->session->peer_keep_old ||
        !(end_user || gateway_may_move(sa, &asking->intent.path)))
        return IKE_UNACCEPTABLE_ADDRESSES;
    enum ike_outcome outcome = ask_create(sa, asking, request, now);
    if (outcome != IKE_OK)
        return outcome;
    asking->path = sa_path_fill(sa, &asking->intent.path);
    wire_add_notify(request, N_UPDATE_SA_ADDRESSES, (struct span){0});
    nat_detection_add(sa, request, &asking->path, sa->session->conn->encap);
    return IKE_OK;
}

static enum ike_outcome ask_rekey(struct sa *sa, struct asking *asking,
                                  struct wire_builder *request, nanos now)
{
    struct child *old = child_find(sa->ike, asking->intent.child);
    struct creating *creating;
    (void)now;
    if (old == NULL || old->sa != sa || old->life == IKE_CHILD_DELETING)
        return IKE_CANCELLED;
    if (old->replaced_by != 0)
        return IKE_REPLACED; /* the peer rekeyed it first */
    enum ike_outcome outcome = creating_begin(sa, asking, old->policy, &creating);
    if (outcome != IKE_OK)
        return outcome;
    creating->rekeyed = old->id;
    if (!child_ts_in_use(old, &creating->local, &creating->remote))
        return IKE_TS_REFUSED; /* the configuration no longer allows any of its selectors */
    if (old->transport)
        transport_ask(sa, creating, request);
    wire_add_notify_spi(request, WIRE_PROTO_ESP, old->spi_in, N_REKEY_SA, (struct span){0});
    write_request(sa, asking, request);
    return IKE_OK;
}

/* child_gone - CHILD_SA_NOT_FOUND: the peer no longer has the Child SA. Section 2.25: drop it and create
 * a new one. If the peer's rekey crossed ours, a new one exists, and the peer's Delete removes the
 * old one (section 2.8.1). */
static struct verdict child_gone(struct sa *sa, ike_child_id id)
{
    struct child *old = child_find(sa->ike, id);
    if (old == NULL || old->replaced_by != 0)
        return verdict_done(IKE_OK);
    struct intent intent = {.kind = INTENT_CREATE_CHILD};
    (void)snprintf(intent.child_name, sizeof(intent.child_name), "%s", old->policy->name);
    (void)!intent_add(sa, &intent); /* a full queue: the path manager notices the loss */
    child_down(old, IKE_PEER_DELETED, 0);
    return verdict_done(IKE_PEER_DELETED);
}

static struct verdict create_refused(struct sa *sa, struct asking *asking,
                                     const struct wire_message *response, nanos now)
{
    struct creating *creating = asking->state;
    struct wire_notify notify;
    struct verdict verdict = verdict_error(response);
    if (!wire_notify_error(response, &notify))
        return verdict;
    switch (notify.type) {
    case N_INVALID_KE_PAYLOAD:
        return exchange_other_ke(asking, &creating->terms.policy->proposals, &notify);
    case N_TEMPORARY_FAILURE:
        verdict = verdict_retry(sa, asking, now);
        if (verdict.kind == VERDICT_DONE && creating->rekeyed != 0)
            exchange_out_of_sync(sa);
        return verdict;
    case N_NO_ADDITIONAL_SAS: /* final until a Child SA of the session ends */
        sa->session->child_refused |= creating->rekeyed == 0;
        return verdict;
    case N_CHILD_SA_NOT_FOUND:
        return creating->rekeyed != 0 ? child_gone(sa, creating->rekeyed) : verdict;
    default: return verdict;
    }
}

/* delete_unwanted - sends a Delete for a Child SA that the peer has and this end does not. */
static void delete_unwanted(struct sa *sa, uint32_t spi_in)
{
    struct intent intent = {.kind = INTENT_DELETE_CHILD, .spi_in = spi_in};
    intent_owe(sa, &intent);
}

static void delete_child(struct sa *sa, struct child *child)
{
    struct intent intent = {
        .kind = INTENT_DELETE_CHILD, .child = child->id, .reason = IKE_REPLACED};
    if (!intent_pending(sa, INTENT_DELETE_CHILD, child->id) && intent_add(sa, &intent) != 0)
        child->expires_ns = sa->ike->now; /* its hard lifetime tries again at once */
}

/* given_up - a command to delete the Child SA came while its rekey was in flight. */
static bool given_up(const struct sa *sa, const struct child *old)
{
    for (const struct intent *intent = sa->intents; intent != NULL; intent = intent->next)
        if (intent->kind == INTENT_DELETE_CHILD && intent->child == old->id &&
            intent->reason == IKE_CANCELLED)
            return true;
    return false;
}

/* child_rekeyed - the new Child SA exists: decides which one is deleted (section 2.8.1). */
static void child_rekeyed(struct sa *sa, const struct creating *creating, struct child *child,
                          bool redundant)
{
    struct child *old = child_find(sa->ike, creating->rekeyed);
    struct child *crossed = child_find(sa->ike, creating->crossed.object);
    bool unwanted = old != NULL && given_up(sa, old);
    if (redundant) {
        /* We delete the Child SA of our exchange. The peer deletes the old one. Only that Delete
         * proves that the peer has the result of its own exchange, so until then we send on the old
         * one. */
        if (crossed != NULL)
            child_replaced(child, crossed);
        if (crossed != NULL && unwanted)
            delete_child(sa, crossed);
        delete_child(sa, child);
        return;
    }
    if (crossed != NULL)
        child_replaced(crossed, child); /* the peer deletes it */
    if (old != NULL) {
        child_replaced(old, child);
        delete_child(sa, old);
    }
    if (unwanted)
        delete_child(sa, child);
}

/* create_answer_read - reads the terms and the KE payload of the response, and checks them against
 * the request. */
static enum ike_outcome create_answer_read(struct sa *sa, struct asking *asking,
                                           const struct wire_message *response,
                                           struct wire_ke *ret_ke)
{
    struct creating *creating = asking->state;
    const struct ke_job *pair = exchange_pair(asking);
    const struct wire_payload *ke = wire_find(response, WIRE_PAYLOAD_KE, NULL);
    enum ike_outcome outcome = IKE_LIMIT;
    if (creating->rekeyed != 0 || inner_read(sa, response))
        outcome = child_terms_accept(sa, response, true, &creating->local, &creating->remote,
                                     &creating->terms);
    uint16_t group = creating->terms.choice.ke;
    if (outcome != IKE_OK || group == 0)
        return outcome;
    bool fits = pair != NULL && pair->group == group && ke != NULL &&
                wire_ke_read(ke->body, ret_ke) && ret_ke->group == group;
    return fits ? IKE_OK : IKE_KE_REFUSED;
}

static struct verdict create_failed(struct sa *sa, const struct creating *creating,
                                    enum ike_outcome outcome)
{
    delete_unwanted(sa, creating->terms.spi_in);
    return verdict_done(outcome);
}

static struct verdict create_agreed(struct sa *sa, struct asking *asking, nanos now);

static struct verdict create_granted(struct sa *sa, struct asking *asking,
                                     const struct wire_message *response, nanos now)
{
    struct creating *creating = asking->state;
    const struct wire_payload *nonce = wire_find(response, WIRE_PAYLOAD_NONCE, NULL);
    struct wire_ke ke;
    struct span nr;
    if (sa->session->ending) /* the Delete of this IKE SA follows; no Child SA is made */
        return verdict_done(sa->session->end_reason);
    if (!message_rules_fit(MESSAGE_CHILD_ANSWER, response) || !wire_nonce_read(nonce->body, &nr))
        return verdict_done(IKE_INVALID_SYNTAX);
    enum ike_outcome outcome = create_answer_read(sa, asking, response, &ke);
    if (outcome != IKE_OK)
        return create_failed(sa, creating, outcome);
    creating->n_nr = (uint16_t)nr.len;
    memcpy(creating->nr, nr.ptr, nr.len);
    return creating->terms.choice.ke == 0 ? create_agreed(sa, asking, now)
                                          : exchange_agree(sa, asking, ke.public_value, now);
}

/* deleted_already - the peer has created the Child SA and already deleted it. */
static bool deleted_already(const struct creating *creating)
{
    for (unsigned i = 0; i < creating->n_deleted; i++)
        if (creating->deleted[i] == creating->terms.spi_out)
            return true;
    return false;
}

static struct verdict create_agreed(struct sa *sa, struct asking *asking, nanos now)
{
    struct creating *creating = asking->state;
    struct span ni = span_of(creating->ni, NONCE_LEN), nr = span_of(creating->nr, creating->n_nr);
    const struct secret *secret = exchange_secret(asking);
    if (sa->session->ending)
        return verdict_done(sa->session->end_reason);
    if (creating->terms.choice.ke != 0 && secret == NULL)
        return create_failed(sa, creating, IKE_KE_REFUSED);
    if (deleted_already(creating))
        return verdict_done(IKE_PEER_DELETED);
    bool redundant =
        creating->crossed.object != 0 && crossing_ours_redundant(&creating->crossed, ni, nr);
    struct child_keying keying = {
        .ni = ni,
        .nr = nr,
        .shared = creating->terms.choice.ke != 0 ? secret : NULL,
        .exchange_initiator = true,
        .outbound_now = !redundant,
        .replaces = creating->rekeyed,
    };
    struct child *child = child_from_terms(sa, &creating->terms, &keying, now);
    if (child == NULL)
        return create_failed(sa, creating, IKE_LIMIT);
    if (creating->rekeyed != 0) {
        sa->ike->stats.rekeys_child++;
        count(sa->ike, sa, IKE_COUNT_CHILD_REKEY);
        child_rekeyed(sa, creating, child, redundant);
    }
    struct verdict verdict = verdict_done(IKE_OK);
    verdict.new_child = child->id;
    return verdict;
}

static struct verdict create_answered(struct sa *sa, struct asking *asking,
                                      const struct wire_message *response,
                                      const struct ike_path *from, nanos now)
{
    (void)from;
    if (!response_grants(response))
        return create_refused(sa, asking, response, now);
    return create_granted(sa, asking, response, now);
}

static struct verdict moved_answered(struct sa *sa, struct asking *asking,
                                     const struct wire_message *response,
                                     const struct ike_path *from, nanos now)
{
    if (response_grants(response)) {
        bool gateway = sa->session->role == IKE_GATEWAY;
        /* The peer agreed to the request on the path that it names. It refuses copies on other
         * paths (move_agreeable), or repeats its response to the first copy. */
        struct ike_path there = gateway ? asking->path : mobike_answered_over(asking, from);
        struct nat_seen nat = nat_detection_check(sa, response, &there);
        if (nat.present) {
            sa->nat_local = nat.local;
            sa->nat_remote = nat.remote;
        }
        if (gateway)
            sa->peer_addresses[0] = there.remote.address;
        sa_path_set(sa, &there);
        if (!gateway)
            mobike_say_again(sa, asking, &there);
    }
    return create_answered(sa, asking, response, from, now);
}

const struct exchange_ops exchange_create_child = {.what = "create-child",
                                                   .exchange = WIRE_CREATE_CHILD_SA,
                                                   .group = create_group,
                                                   .ask = ask_create,
                                                   .answered = create_answered,
                                                   .agreed = create_agreed,
                                                   .release = create_release};
const struct exchange_ops exchange_create_moved = {.what = "create-and-move",
                                                   .exchange = WIRE_CREATE_CHILD_SA,
                                                   .group = create_group,
                                                   .ask = ask_create_moved,
                                                   .answered = moved_answered,
                                                   .agreed = create_agreed,
                                                   .release = create_release};
const struct exchange_ops exchange_rekey_child = {.what = "rekey-child",
                                                  .exchange = WIRE_CREATE_CHILD_SA,
                                                  .group = create_group,
                                                  .ask = ask_rekey,
                                                  .answered = create_answered,
                                                  .agreed = create_agreed,
                                                  .release = create_release};

/* --- their side --- */

struct created {
    struct child_terms terms;
    struct nonce_pair nonces;
    struct secret shared;
    bool pfs, move;
    ike_child_id rekeyed;
    struct nat_seen nat;
};

static void note_crossing(struct sa *sa, const struct created *what, const struct child *child)
{
    struct asking *asking = sa->asking;
    if (asking == NULL || asking->intent.kind != INTENT_REKEY_CHILD ||
        asking->intent.child != what->rekeyed || asking->state == NULL)
        return;
    struct creating *creating = asking->state;
    crossing_set(&creating->crossed, child->id, span_of(what->nonces.ni, what->nonces.n_ni),
                 span_of(what->nonces.nr, what->nonces.n_nr));
}

/* move_agree - the End User takes the path of the Gateway's request. That path has no NAT (D-08
 * b). */
static void move_agree(struct sa *sa, const struct answering *answering)
{
    sa->nat_local = sa->nat_remote = false;
    sa->nat_mapping_known = false;
    sa_path_set(sa, answering->path);
}

static void create_commit(struct sa *sa, struct answering *answering)
{
    struct created *what = answering->state;
    bool agreed = what->move && sa->session->role == IKE_END_USER;
    if (agreed)
        move_agree(sa, answering);
    struct child_keying keying = {
        .ni = span_of(what->nonces.ni, what->nonces.n_ni),
        .nr = span_of(what->nonces.nr, what->nonces.n_nr),
        .shared = what->pfs ? &what->shared : NULL,
        /* Section 2.8: the responder of a rekey sends on the new SA once traffic arrives on it, or
         * once the old SA is deleted. */
        .outbound_now = what->rekeyed == 0,
        .replaces = what->rekeyed,
    };
    struct child *child = child_from_terms(sa, &what->terms, &keying, answering->now);
    secret_done(&what->shared);
    if (child == NULL) /* the response promises the Child SA, so the peer has to delete it */
        delete_unwanted(sa, what->terms.spi_in);
    struct child *old = child == NULL ? NULL : child_find(sa->ike, what->rekeyed);
    if (old != NULL) {
        sa->ike->stats.rekeys_child++;
        count(sa->ike, sa, IKE_COUNT_CHILD_REKEY);
        note_crossing(sa, what, child);
        old->replaced_by = child->id;
        old->rekey_at_ns = NANOS_NEVER;
    }
    if (what->move && !agreed)
        mobike_moved(sa, answering->path, &what->nat, answering->now);
}

static void create_drop(struct sa *sa, struct answering *answering)
{
    struct created *what = answering->state;
    (void)sa;
    secret_done(&what->shared);
}

static enum answer_verdict create_refuse(struct answering *answering, uint16_t notify,
                                         const struct child_terms *terms)
{
    uint8_t group[2] = {(uint8_t)(terms->choice.ke >> 8), (uint8_t)terms->choice.ke};
    if (notify == N_INVALID_KE_PAYLOAD)
        return answer_refuse_data(answering, notify, span_of(group, sizeof(group)));
    return answer_refuse(answering, notify);
}

/* agree_on_key - makes KEr and the shared secret if PFS was chosen. 0, or the notify. *ret_later: a
 * job computes them. */
static uint16_t agree_on_key(struct sa *sa, struct answering *answering, struct created *what,
                             bool *ret_later)
{
    const struct wire_payload *payload = wire_find(answering->request, WIRE_PAYLOAD_KE, NULL);
    struct wire_ke ke;
    *ret_later = false;
    if (what->terms.choice.ke == 0)
        return 0;
    what->pfs = true;
    if (payload == NULL || !wire_ke_read(payload->body, &ke))
        return N_INVALID_SYNTAX;
    switch (key_exchange_answer(sa, what->terms.choice.ke, ke.public_value, IKE_KE_ESTABLISHED)) {
    case KEY_EXCHANGE_FAILED: return N_INVALID_SYNTAX;
    case KEY_EXCHANGE_LATER: *ret_later = true; return 0;
    case KEY_EXCHANGE_DONE: break;
    }
    const struct ke_job *agreed = &sa->key_exchange->ke;
    if (agreed->error != 0) /* a failed allocation here is not the peer's fault */
        return agreed->error == ERR_CRYPTO ? N_INVALID_SYNTAX : N_TEMPORARY_FAILURE;
    what->shared = agreed->shared;
    return 0;
}

static bool too_often(struct session *session, nanos now)
{
    return !rate_take(&session->new_children_ns, NEW_CHILDREN, NEW_CHILDREN_INTERVAL_NS, now);
}

static enum answer_verdict answer_create(struct sa *sa, struct answering *answering,
                                         struct created *what, const struct child *old)
{
    const struct wire_payload *nonce = wire_find(answering->request, WIRE_PAYLOAD_NONCE, NULL);
    struct child_request wanted = {.message = answering->request, .old = old, .with_ke = true};
    uint8_t nr[NONCE_LEN];
    struct span ni;
    bool again = key_exchange_ready(sa), later;

    if (nonce == NULL || !wire_nonce_read(nonce->body, &ni))
        return answer_refuse(answering, N_INVALID_SYNTAX);
    if (!again && too_often(sa->session, answering->now))
        return answer_refuse(answering, N_TEMPORARY_FAILURE);
    if (old == NULL && !again)
        inner_give(sa, answering->request);
    uint16_t notify = child_terms_answer(sa, &wanted, &what->terms);
    if (notify != 0)
        return create_refuse(answering, notify, &what->terms);
    notify = agree_on_key(sa, answering, what, &later);
    if (notify != 0)
        return create_refuse(answering, notify, &what->terms);
    if (later)
        return ANSWER_LATER;
    random_fill(sa->ike->random, nr, sizeof(nr));
    nonce_pair_set(&what->nonces, ni, span_of(nr, sizeof(nr)));
    if (old == NULL)
        inner_answer(sa, answering->request, answering->reply);
    child_answer_sa(&what->terms, answering->reply);
    wire_add(answering->reply, WIRE_PAYLOAD_NONCE, span_of(nr, sizeof(nr)));
    if (what->pfs)
        wire_add_ke(answering->reply, what->terms.choice.ke, ke_public(&sa->key_exchange->ke));
    child_answer_ts(&what->terms, answering->reply);
    what->rekeyed = old == NULL ? 0 : old->id;
    answering->commit = create_commit;
    answering->drop = create_drop;
    return ANSWER_SEND;
}

/* ike_rekey_under_way - section 2.25.2: we are rekeying the IKE SA, so its Child SAs are about to
 * move. A clone moves none. But code 1 is a rekey, and a peer without an announced dialect
 * may answer with a plain rekey. */
static bool ike_rekey_under_way(const struct sa *sa)
{
    const struct asking *asking = sa->asking;
    bool rekeying = asking != NULL && (asking->intent.kind == INTENT_REKEY_IKE ||
                                       (asking->intent.kind == INTENT_CLONE &&
                                        asking->state != NULL && !rekey_ike_surely_clone(asking)));
    return sa->unused_at_ns != NANOS_NEVER || rekeying;
}

/*
 * move_agreeable - D-08 (b): whether the Gateway may create and move in one exchange. It may if our
 * configuration allows it, on a fresh clone without Child SAs, and without a NAT. No request of
 * ours may be outstanding: the two ends would disagree on the path of its result.
 */
static bool move_agreeable(struct sa *sa, const struct answering *answering)
{
    const struct ike_path *path = answering->path;
    if (sa->session->conn->reduced != IKE_REDUCED_GATEWAY || sa->origin != IKE_ORIGIN_CLONED ||
        sa->children != NULL || sa->nat_local ||
        (sa->asking != NULL && sa->asking->intent.kind != INTENT_PROBE) ||
        address_equal(&path->local.address, &sa->path.local.address))
        return false;
    struct nat_seen nat = nat_detection_check(sa, answering->request, path);
    return nat.present && !nat.local && !nat.remote;
}

static uint16_t move_refusal(struct sa *sa, const struct answering *answering)
{
    if (sa->session->role == IKE_GATEWAY)
        return mobike_refusal(sa, answering->request, answering->path, true);
    return move_agreeable(sa, answering) ? 0 : N_UNACCEPTABLE_ADDRESSES;
}

enum answer_verdict answer_create_child(struct sa *sa, struct answering *answering)
{
    const struct session *session = sa->session;
    bool wants_move = wire_notify_has(answering->request, N_UPDATE_SA_ADDRESSES) &&
                      session->peer_keep_old && session->mobike;
    if (ike_rekey_under_way(sa) || sa->ike->pressure == IKE_PRESSURE_ALL)
        return answer_refuse(answering, N_TEMPORARY_FAILURE);
    if (session_children_full(session))
        return answer_refuse(answering, N_NO_ADDITIONAL_SAS);
    uint16_t refusal = wants_move ? move_refusal(sa, answering) : 0;
    if (refusal != 0)
        return answer_refuse(answering, refusal);
    struct created *what = answering->state = calloc(1, sizeof(*what));
    if (what == NULL)
        return ANSWER_SILENT;
    enum answer_verdict verdict = answer_create(sa, answering, what, NULL);
    if (answering->commit != NULL && wants_move) {
        what->move = true;
        what->nat = nat_detection_check(sa, answering->request, answering->path);
        nat_detection_add(sa, answering->reply, answering->path, sa->session->conn->encap);
    }
    return verdict;
}

/* creating_of - state of our open exchange for a Child SA; NULL: none is open. */
static struct creating *creating_of(const struct sa *sa)
{
    bool asking = exchange_open(sa) && (sa->asking->intent.kind == INTENT_CREATE_CHILD ||
                                        sa->asking->intent.kind == INTENT_CREATE_MOVED ||
                                        sa->asking->intent.kind == INTENT_REKEY_CHILD);
    return asking ? sa->asking->state : NULL;
}

void create_child_deleted(struct sa *sa, uint32_t spi_out)
{
    struct creating *creating = creating_of(sa);
    if (creating != NULL && creating->n_deleted < sizeof(creating->deleted) / sizeof(uint32_t))
        creating->deleted[creating->n_deleted++] = spi_out;
}

static enum answer_verdict not_found(struct answering *answering, uint32_t spi)
{
    wire_builder_reset(answering->reply);
    wire_add_notify_spi(answering->reply, WIRE_PROTO_ESP, spi, N_CHILD_SA_NOT_FOUND,
                        (struct span){0});
    return ANSWER_SEND;
}

enum answer_verdict answer_rekey_child(struct sa *sa, struct answering *answering)
{
    struct wire_notify notify;
    if (!wire_notify_find(answering->request, N_REKEY_SA, &notify) || notify.spi.len != 4)
        return answer_refuse(answering, N_INVALID_SYNTAX);
    struct reader r = reader_of(notify.spi);
    uint32_t spi = read_u32(&r);
    struct child *old = notify.protocol == WIRE_PROTO_ESP ? child_find_outbound(sa, spi) : NULL;
    /* The peer may mean the Child SA that its response creates, which is still in flight. */
    if (old == NULL && creating_of(sa) != NULL)
        return answer_refuse(answering, N_TEMPORARY_FAILURE);
    if (old == NULL)
        return not_found(answering, spi);
    /* section 2.25.1: the Child SA is being deleted, or was already rekeyed */
    if (ike_rekey_under_way(sa) || old->life == IKE_CHILD_DELETING || old->replaced_by != 0 ||
        intent_pending(sa, INTENT_DELETE_CHILD, old->id) ||
        sa->session->n_children >= LIMIT_CHILD_SAS_SESSION + LIMIT_CHILD_SAS_SESSION / 2)
        return answer_refuse(answering, N_TEMPORARY_FAILURE);
    struct created *what = answering->state = calloc(1, sizeof(*what));
    return what == NULL ? ANSWER_SILENT : answer_create(sa, answering, what, old);
}
