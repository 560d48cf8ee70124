/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_LOGIN_ROUNDS_H
#define IKE_LOGIN_ROUNDS_H

/* One authentication round of either side: its policy, ID payload, CERT and AUTH payloads, and the
 * jobs that make and check them. */

#include "ike/login/login.h"

/* login_own_policy, login_peer_policy - of the current rounds. */
const struct ike_auth_policy *login_own_policy(const struct login *login);
const struct ike_auth_policy *login_peer_policy(const struct login *login);

/* login_own_last, login_peer_last - no round of that side comes after the current one. */
bool login_own_last(const struct login *login);
bool login_peer_last(const struct login *login);

/* login_own_id - takes the identity of the current round of ours. ERR_INVALID: no address. */
int login_own_id(struct sa *sa) MUST_USE;

/* login_peer_id - takes the peer's ID payload of the current round. false: unreadable. Whether the
 * policy accepts it is another question: login_peer_id_fits. */
bool login_peer_id(struct login *login, const struct wire_payload *id);
bool login_peer_id_fits(const struct login *login);

/* login_method_fits - A17: the AUTH method is that of the configured round. */
bool login_method_fits(enum ike_auth_method method, uint8_t auth_method);

/* login_sign - emits the job for our AUTH. login_verify - for the peer's, with the CERT payloads of
 * login->message. ERR_NO_MEMORY. */
int login_sign(struct sa *sa) MUST_USE;
int login_verify(struct sa *sa, const struct wire_auth *auth) MUST_USE;

/* login_shared_auth - AUTH by the key of EAP, of our side or the peer's (RFC 7296 section 2.16).
 * ERR_CRYPTO. */
int login_shared_auth(const struct sa *sa, bool ours, uint8_t out[AUTH_OCTETS_PRF]) MUST_USE;

/* login_proof_keep - our AUTH as the job gave it. false: it makes no sense, or no memory. */
bool login_proof_keep(struct login *login, const struct ike_result *result);
/* login_proof_key - the same by the key of EAP. */
bool login_proof_key(struct sa *sa);
/* login_proof_add - CERT and AUTH payloads. */
void login_proof_add(const struct login *login, struct wire_builder *message);
void login_proof_done(struct login *login);

/* login_proven - the peer's round is proven: takes what the proof brought. false: the identity that
 * EAP proved is not the one that the policy demands. */
bool login_proven(struct login *login, const struct ike_proof *proof, nanos now);

/* login_certreq_add - CERTREQ, and what goes with it, for the rounds of the peer. */
void login_certreq_add(const struct ike_conn *const *conns, size_t n, struct wire_builder *message);
/* login_hashes_add - SIGNATURE_HASH_ALGORITHMS (RFC 7427 section 4). */
void login_hashes_add(struct wire_builder *message);
/* login_methods_add - SUPPORTED_AUTH_METHODS (RFC 9593): the signatures that we can verify. */
void login_methods_add(struct wire_builder *message);
/* login_peer_read - CERTREQ and the notifies of the peer about authentication. */
void login_peer_read(struct login *login, const struct wire_message *message);

#endif
