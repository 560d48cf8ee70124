/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_LOGIN_ROUNDS_H
#define IKE_LOGIN_ROUNDS_H

/* One authentication round of either side: its policy, ID payload, CERT and AUTH payloads, and the
 * jobs that make and check them. */

#include "ike/login/login.h"

/* login_own_policy, login_peer_policy - the policies of the current rounds. */
const struct ike_auth_policy *login_own_policy(const struct login *login);
const struct ike_auth_policy *login_peer_policy(const struct login *login);

/* login_own_last, login_peer_last - the current round of that side is its last one. */
bool login_own_last(const struct login *login);
bool login_peer_last(const struct login *login);

/* login_own_id - sets our identity of the current round: the configured one. Without one, a
 * responder with a public key takes the identity that the initiator asks for, in its first round.
 * Otherwise it is the local address. ERR_INVALID: the local address is no identity. */
int login_own_id(struct sa *sa) MUST_USE;

/* login_peer_id - reads the peer's ID payload of the current round. false: unreadable.
 * login_peer_id_fits() compares it with the policy. */
bool login_peer_id(struct login *login, const struct wire_payload *id);
bool login_peer_id_fits(const struct login *login);

/* login_method_fits - A17: the AUTH method is the one of the configured round. */
bool login_method_fits(enum ike_auth_method method, uint8_t auth_method);

/* login_sign - emits the job for our AUTH. login_verify - emits the job that verifies the peer's
 * AUTH, with the CERT payloads of login->message. ERR_NO_MEMORY. */
int login_sign(struct sa *sa) MUST_USE;
int login_verify(struct sa *sa, const struct wire_auth *auth) MUST_USE;

/* login_shared_auth - AUTH by the key of EAP, of our side or the peer's (RFC 7296 section 2.16).
 * ERR_CRYPTO. */
int login_shared_auth(const struct sa *sa, bool ours, uint8_t out[AUTH_OCTETS_PRF]) MUST_USE;

/* login_proof_keep - keeps our AUTH from the job's result. false: unusable, or no memory. */
bool login_proof_keep(struct login *login, const struct ike_result *result);
/* login_proof_key - makes our AUTH by the key of EAP. */
bool login_proof_key(struct sa *sa);
/* login_resumed_auth - AUTH of a login by a session ticket, of our side or the peer's (RFC 5723
 * section 4.3.3). ERR_CRYPTO. login_proof_resumed - makes ours. */
int login_resumed_auth(const struct sa *sa, bool ours, uint8_t out[AUTH_OCTETS_PRF]) MUST_USE;
bool login_proof_resumed(struct sa *sa);
/* login_proof_add - adds CERT and AUTH payloads. */
void login_proof_add(const struct login *login, struct wire_builder *message);
void login_proof_done(struct login *login);

/* login_proven - the peer's round is proven: keeps the results of the proof. false: EAP proved an
 * identity that the policy does not accept. */
bool login_proven(struct login *login, const struct ike_proof *proof, nanos now);

/* login_eap_fits - EAP proved the identity that the policy demands of a peer with that IDi.
 * `proven` has the type ID_EAP. */
bool login_eap_fits(const struct ike_auth_policy *policy, const struct ike_id *idi,
                    const struct ike_id *proven);

/* login_eap_identity_fits - the same for a proof; a proof without an identity fits. false also if the
 * identity is not terminated. */
bool login_eap_identity_fits(const struct ike_auth_policy *policy, const struct ike_id *idi,
                             const struct ike_proof *proof);

/* login_chain_keep - keeps the number of the proof's certificate chain, which may be that of an EAP
 * server. */
void login_chain_keep(struct login *login, const struct ike_proof *proof);

/* login_certreq_add - adds CERTREQ and its notifies for the rounds of the peer. */
void login_certreq_add(const struct ike_conn *const *conns, size_t n, struct wire_builder *message);
/* login_hashes_add - SIGNATURE_HASH_ALGORITHMS (RFC 7427 section 4). */
void login_hashes_add(struct wire_builder *message);
/* login_methods_add - adds SUPPORTED_AUTH_METHODS (RFC 9593): the signatures that we can verify and
 * that one of the connections accepts. */
void login_methods_add(const struct ike_conn *const *conns, size_t n, struct wire_builder *message);
/* login_peer_read - reads the peer's CERTREQ and its notifies about authentication. */
void login_peer_read(struct login *login, const struct wire_message *message);

#endif
