/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_CHILD_TERMS_H
#define IKE_CHILD_TERMS_H

/* The negotiated terms of a Child SA; the same in IKE_AUTH and CREATE_CHILD_SA. */

#include "ike/core/child_sa.h"
#include "ike/terms/proposal.h"
#include "wire/builder.h"

struct child_terms {
    const struct ike_child_policy *policy;
    struct proposal_choice choice;
    uint32_t spi_in, spi_out;
    struct ike_ts_list local_ts, remote_ts;
    bool order;     /* packets have order trailers */
    bool transport; /* agreed; before child_terms_accept: offered */
};

/* child_policy_find - the child with that name; empty or NULL: the first child. NULL: no such
 * child. */
const struct ike_child_policy *child_policy_find(const struct ike_conn *conn, const char *name);

/* child_ts_any - an End User's own selectors before it has an inner address: any address of each
 * family that it asks for. */
void child_ts_any(const struct sa *sa, const struct ike_child_policy *policy,
                  struct ike_ts_list *ret_list);

/* child_ts_own, child_ts_peer - the selectors that the policy allows on this session. A dynamic
 * selector stands for the inner addresses, or without them for the outer one. An End User that has
 * no inner address yet asks for any. */
void child_ts_own(const struct sa *sa, const struct ike_child_policy *policy,
                  struct ike_ts_list *ret_list);
void child_ts_peer(const struct sa *sa, const struct ike_child_policy *policy,
                   struct ike_ts_list *ret_list);

/* child_ts_in_use - the selectors for a rekey: those of the Child SA that the loaded connection
 * still allows. false: one side has none left. */
bool child_ts_in_use(const struct child *child, struct ike_ts_list *ret_local,
                     struct ike_ts_list *ret_remote) MUST_USE;

/* child_ts_packet - section 2.9: the selectors of the packet that needs the Child SA come first in
 * the request. Its source is left out while our inner address is not known. */
void child_ts_packet(const struct sa *sa, const struct ike_child_policy *policy,
                     const struct ike_packet *packet, struct ike_ts_list *local,
                     struct ike_ts_list *remote);

/* child_transport_offer - true: the policy wants transport mode, and a part of its selectors lies
 * between the two hosts. `local` and `remote` become that part, and the request gets the notify. */
bool child_transport_offer(const struct sa *sa, const struct ike_child_policy *policy,
                           struct ike_ts_list *local, struct ike_ts_list *remote,
                           struct wire_builder *request);

/* child_offer_sa, child_offer_ts - payloads of a request; the caller adds Nonce and KE between. */
void child_offer_sa(const struct ike_child_policy *policy, uint32_t spi_in, bool with_ke,
                    struct wire_builder *request);
void child_offer_ts(const struct ike_ts_list *local, const struct ike_ts_list *remote,
                    struct wire_builder *request);

/*
 * child_terms_answer - the responder: chooses policy, proposal and selectors for the request.
 * `old`: the Child SA to rekey, whose policy and selectors stay. NULL: any policy that fits,
 * preferably one that takes the first selectors (section 2.9). Returns 0: `terms` is complete, with
 * terms->spi_in; or the notify of the refusal. INVALID_KE_PAYLOAD: the group is in
 * terms->choice.ke. NO_PROPOSAL_CHOSEN: the closest policy is in terms->policy.
 */
struct child_request {
    const struct wire_message *message;
    const struct child *old;
    bool with_ke; /* CREATE_CHILD_SA: PFS is negotiated */
};
uint16_t child_terms_answer(struct sa *sa, const struct child_request *request,
                            struct child_terms *ret_terms);
/* child_request_readable - the request has well-formed SA, TSi and TSr payloads of a Child SA. */
bool child_request_readable(const struct wire_message *request);
/* child_answer_sa, child_answer_ts - payloads of a response; the caller adds Nonce and KE between. */
void child_answer_sa(const struct child_terms *terms, struct wire_builder *reply);
void child_answer_ts(const struct child_terms *terms, struct wire_builder *reply);

/* child_terms_accept - the initiator checks SA, TSi and TSr of the response against its offer.
 * IKE_OK fills choice, spi_out and both selector lists of `terms`; policy and spi_in are given. */
enum ike_outcome child_terms_accept(struct sa *sa, const struct wire_message *response,
                                    bool with_ke, const struct ike_ts_list *offered_local,
                                    const struct ike_ts_list *offered_remote,
                                    struct child_terms *terms);

/* child_from_terms - derives KEYMAT and installs. NULL: no memory or crypto. */
struct child_keying {
    struct span ni, nr;
    const struct secret *shared; /* NULL: without PFS */
    bool exchange_initiator, outbound_now;
    ike_child_id replaces;
};
struct child *child_from_terms(struct sa *sa, const struct child_terms *terms,
                               const struct child_keying *keying, nanos now);

#endif
