/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_LOGIN_CHOOSE_H
#define IKE_LOGIN_CHOOSE_H

/*
 * The Gateway's connection. The first IKE_AUTH request chooses among the connections that fit the
 * peer. If the peer later shows another identity than that connection demands, the login switches
 * to the next one that fits. Its policy must accept all proofs of the peer so far, and agree with
 * all identities that we have sent. A wrong proof ends the login: no other connection can accept
 * it.
 */

#include "ike/login/login.h"

/* struct login_claim - the contents of an IKE_AUTH request about the current round of the peer. */
struct login_claim {
    const struct ike_id *idi; /* of the round */
    struct ike_id idr;        /* type 0: none was sent */
    /* the request has an AUTH payload; without one EAP proves the round */
    bool auth;
    uint8_t auth_method;      /* of the AUTH payload */
    bool more_rounds;         /* with AUTH: ANOTHER_AUTH_FOLLOWS */
    struct span eap_identity; /* the identity that the peer sent in EAP; empty: none */
    /* the methods that it names in a Nak, which refuses another one; empty: no Nak */
    struct span eap_types;
    /* of an EAP conversation that has ended: the connection uses the same conversation and accepts the
     * identity that it proved. NULL: none has ended */
    const struct ike_proof *proof;
    bool any_auth; /* ignore all above but idi, idr: to find out why no connection fits */
};

/* login_claim_read - reads the request; the ID payloads have been read before. */
struct login_claim login_claim_read(const struct login *login, const struct wire_message *request);

/* login_choose - the connection that fits the addresses, the algorithms, the claim, and all proofs
 * so far. Of several the most specific one, then the one that was loaded first. NULL: none. */
struct ike_conn *login_choose(const struct sa *sa, const struct login_claim *claim);

/* login_claim_fits - the connection of the login fits the claim. */
bool login_claim_fits(const struct sa *sa, const struct login_claim *claim);

/* login_take - switches the login to that connection. */
void login_take(struct login *login, struct ike_conn *conn);

/* login_next - switches to the next connection that fits the claim, and logs the reason. false: no
 * connection is left, or LIMIT_LOGIN_CONNS were tried. login_unfit - the proof of the current round
 * does not meet the policy of this connection. Connections with the same policy are skipped. */
bool login_next(struct sa *sa, const struct login_claim *claim, const char *why);
void login_unfit(struct login *login);

/*
 * login_hear - reads an EAP packet of the peer. If it has an identity that the connection does not
 * accept, the login switches to the next connection that does, whose method begins with this
 * packet. The login stays if no other connection does, or if one conversation proves the round for
 * both: then the proven identity chooses. A Nak of the only method of the connection works likewise.
 * The next connection has a method that the Nak names, and *packet becomes the peer's earlier
 * identity packet. true: no identity is known, so the method begins with its own Request.
 */
bool login_hear(struct sa *sa, struct span *packet);

#endif
