/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_PROPOSAL_H
#define IKE_PROPOSAL_H

/* Proposals: strings as in swanctl.conf, and the negotiation of RFC 7296 sections 2.7 and 3.3. */

#include "base/error.h"
#include "ike/connection.h"
#include "wire/payloads.h"

#define PROPOSAL_TEXT_MAX    256
#define PROPOSAL_REFUSAL_MAX 512 /* octets of proposal_refusal(): too few to amplify a flood */

/*
 * proposal_parse - "aes128gcm16-prfsha256-x25519"; `protocol` WIRE_PROTO_IKE or WIRE_PROTO_ESP.
 * ERR_INVALID: `error` names the word and the fault. Without a PRF, the integrity algorithms imply
 * it.
 */
int proposal_parse(uint8_t protocol, const char *text, struct ike_proposal *ret_proposal,
                   char error[PROPOSAL_TEXT_MAX]) MUST_USE;

/* proposal_is_legacy - it has SHA-1 or the group modp1536. */
bool proposal_is_legacy(const struct ike_proposal *p);

/* proposal_default - the proposals that "default" stands for: RFC 8247 and RFC 8221, strong ones
 * first. */
void proposal_default(uint8_t protocol, struct ike_proposal_list *list);

/* proposal_id_add - adds a transform id to a list, unless the list has it. false: the list is full
 * (POLICY_CHOICES). */
bool proposal_id_add(uint16_t *ids, uint8_t *n, uint16_t id);

/* proposal_print - prints the proposal in the form of proposal_parse; cut off at `size`. Returns
 * `out`. */
const char *proposal_print(const struct ike_proposal *proposal, char *out, size_t size);

struct proposal_choice {
    uint8_t number;
    struct span spi; /* of the peer; borrowed from the message */
    uint16_t encr, encr_key_bits, prf, integ;
    uint16_t ke; /* 0: none */
    bool esn;
};

/* proposal_to_wire - writes all our proposals. `with_ke` false: without key exchange methods (the
 * Child SA of IKE_AUTH, RFC 7296 section 1.2). `spi` is borrowed by the result. */
void proposal_to_wire(const struct ike_proposal_list *list, struct span spi, bool with_ke,
                      struct wire_sa *ret_sa);

struct proposal_wish {
    bool with_ke;
    /* group of the KE payload, taken if acceptable, since that saves a round trip; 0: none */
    uint16_t ke_sent;
};
/* proposal_select - chooses our first proposal that matches one of the peer's. false:
 * NO_PROPOSAL_CHOSEN. */
bool proposal_select(const struct ike_proposal_list *ours, const struct wire_sa *peers,
                     uint8_t protocol, struct proposal_wish wish,
                     struct proposal_choice *ret_choice);

/* proposal_overlaps - `w` shares an encryption, a PRF and a key exchange algorithm with `any`, the
 * union of several proposals. false: proposal_select fails with all. */
bool proposal_overlaps(const struct ike_proposal *any, const struct wire_proposal *w);

/* proposal_has - one of our proposals has these algorithms, of an IKE SA. */
bool proposal_has(const struct ike_proposal_list *ours, const struct proposal_choice *choice);

/* proposal_accept - checks the responder's answer: exactly one proposal with one transform of each
 * type, all of them offered by us. */
bool proposal_accept(const struct ike_proposal_list *ours, const struct wire_sa *answer,
                     uint8_t protocol, bool with_ke, struct proposal_choice *ret_choice);

/* proposal_other_ke - the group that the data of INVALID_KE_PAYLOAD asks for: 0 unless we offered
 * it and the peer has not just refused it (no loop, no downgrade). */
uint16_t proposal_other_ke(const struct ike_proposal_list *ours, struct span data,
                           uint16_t refused);

/*
 * NO_PROPOSAL_CHOSEN has no notification data (section 3.10.1), so a peer cannot tell the user why.
 * To a peer with the Vendor ID we add our proposals: the body of an SA payload. They serve the log
 * only, and decide nothing.
 *
 * proposal_refusal - writes the data to `out`; empty if it does not fit. proposal_refusal_print -
 * the text of such data, "a-b-c, d-e"; false: no data.
 */
struct span proposal_refusal(const struct ike_proposal_list *ours, struct buffer out);
bool proposal_refusal_print(struct span data, char *out, size_t size) MUST_USE;

/* proposal_choice_to_wire - writes the choice, for the response. */
void proposal_choice_to_wire(const struct proposal_choice *choice, uint8_t protocol,
                             struct span spi, struct wire_sa *ret_sa);

#endif
