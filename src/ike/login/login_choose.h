/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_LOGIN_CHOOSE_H
#define IKE_LOGIN_CHOOSE_H

/*
 * The Gateway's connection. The first IKE_AUTH request chooses among those that fit the peer. If the
 * peer later shows that it is not whom that connection demands, the login goes on with the next one
 * that fits: its demands hold for all that the peer has proven so far, and it agrees with all that we
 * have shown the peer of ourselves. A wrong proof ends the login: no other connection mends it.
 */

#include "ike/login/login.h"

/* struct login_claim - what an IKE_AUTH request says of the current round of the peer. */
struct login_claim {
    const struct ike_id *idi; /* of the round */
    struct ike_id idr;        /* type 0: none was sent */
    bool auth;                /* there is an AUTH payload; without one the round is by EAP */
    uint8_t auth_method;      /* of the AUTH payload */
    bool more_rounds;         /* with AUTH: ANOTHER_AUTH_FOLLOWS */
    struct span eap_identity; /* that the peer says in EAP; empty: none */
    struct span eap_types;    /* that it names in a Nak, which refuses another; empty: none */
    /* of an EAP conversation that is over: the connection is one of the same conversation, and for the
     * identity that it proved. NULL: none is over */
    const struct ike_proof *proof;
    bool any_auth; /* ignore all above but idi, idr: to find out why no connection fits */
};

/* login_claim_read - reads the request; the ID payloads have been read before. */
struct login_claim login_claim_read(const struct login *login, const struct wire_message *request);

/* login_choose - the connection that fits the addresses, the algorithms, the claim, and what both
 * sides have proven so far; the most specific one, and the first loaded of equals. NULL: none. */
struct ike_conn *login_choose(const struct sa *sa, const struct login_claim *claim);

/* login_claim_fits - the connection of the login is one that fits the claim. */
bool login_claim_fits(const struct sa *sa, const struct login_claim *claim);

/* login_take - the login is one of that connection from now on. */
void login_take(struct login *login, struct ike_conn *conn);

/* login_next - takes the next connection that fits the claim, and says so with the reason. false:
 * there is none, or LIMIT_LOGIN_CONNS were tried. login_unfit - the proof of the current round does
 * not meet the demands of this connection, so no connection with the same ones is next. */
bool login_next(struct sa *sa, const struct login_claim *claim, const char *why);
void login_unfit(struct login *login);

/*
 * login_hear - an EAP packet of the peer. If it says an identity that the connection is not for, the
 * login goes over to the next one that is, whose method begins with this packet. The login stays if
 * there is none, or if one conversation proves the round for both: then the proven identity chooses.
 * So it is with a Nak of the only method that the connection takes: the next connection has a method
 * that the Nak names, and begins with the identity that the peer has said: *packet becomes that.
 * true: no identity is there for it, so it begins by itself.
 */
bool login_hear(struct sa *sa, struct span *packet);

#endif
