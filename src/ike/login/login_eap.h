/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_LOGIN_EAP_H
#define IKE_LOGIN_EAP_H

/*
 * An EAP conversation in IKE_AUTH (RFC 7296 section 2.16). The core checks the framing of RFC 3748
 * section 4 and the order; the method runs outside of the core and gets one packet per job:
 *
 *   End User                          Gateway
 *     HDR, SK{IDi, SA, TSi, TSr} -->            stage TALKS on both sides
 *                                <--  HDR, SK{IDr, [CERT,] AUTH, EAP(Request)}
 *     HDR, SK{EAP(Response)}     -->
 *                                <--  HDR, SK{EAP(Success)}            stage PROVEN
 *     HDR, SK{AUTH}              -->                                   stage CONFIRMS
 *                                <--  HDR, SK{AUTH, SA, TSi, TSr}
 */

#include "ike/login/login.h"

enum login_eap_came {
    LOGIN_EAP_BAD,    /* framing, code, Identifier or order is wrong, or too many packets */
    LOGIN_EAP_FAILED, /* EAP-Failure of the authenticator */
    LOGIN_EAP_ASKED,  /* a job was emitted */
};

/* login_eap_begin - authenticator: emits the job that makes the first Request. ERR_NO_MEMORY. */
int login_eap_begin(struct sa *sa) MUST_USE;

/* login_eap_again - authenticator: the login has switched to another connection. Emits the job that
 * asks whether the proof meets its policy. ERR_NO_MEMORY. */
int login_eap_again(struct sa *sa) MUST_USE;

/* login_eap_identity - authenticator: the packet answers the first Request with an identity.
 * login_eap_nak - the packet refuses the first Request of a method, and names others (RFC 3748
 * section 5.3.1). login_eap_leave - ends the conversation. The next packet of the peer begins
 * another one, as the answer to its first Request; or login_eap_anew begins it. */
bool login_eap_identity(const struct sa *sa, struct span packet, struct span *ret_identity);
bool login_eap_nak(const struct sa *sa, struct span packet, struct span *ret_types);
void login_eap_leave(struct sa *sa);
enum login_eap_came login_eap_anew(struct sa *sa);

/* login_eap_heard - the identity that the peer has sent; empty: none. login_eap_say_again -
 * replaces *packet, a Nak, by the peer's identity packet with the Identifier of the Nak. It begins
 * the conversation of another connection, whose next Request has another Identifier. false: no
 * identity is known. */
struct span login_eap_heard(const struct login *login);
bool login_eap_say_again(struct login *login, struct span *packet);

/* login_eap_recv - reads a packet of the peer in an open conversation. */
enum login_eap_came login_eap_recv(struct sa *sa, struct span packet);

enum login_eap_said {
    LOGIN_EAP_SENDS,   /* send eap.packet; the conversation continues or (authenticator) ends */
    LOGIN_EAP_PROVES,  /* peer: Success; only AUTH is sent */
    LOGIN_EAP_REFUSES, /* failure. Authenticator: eap.packet is the Failure, or empty */
};

/* login_eap_said - reads the result of a job. A success keeps the key and sets the stage PROVEN. A
 * success is refused before a Success of the peer (A20), without a key that is needed, or with a
 * key that is too short. */
enum login_eap_said login_eap_said(struct sa *sa, const struct ike_result *result, nanos now);

/* login_eap_need_key - only EAP proves the Gateway, so the method must have a key (RFC 5998 section
 * 3). */
bool login_eap_need_key(const struct login *login);

/* login_eap_end - ends the conversation and wipes the key. */
void login_eap_end(struct ike *ike, struct login *login);

#endif
