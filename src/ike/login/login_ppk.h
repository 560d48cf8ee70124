/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_LOGIN_PPK_H
#define IKE_LOGIN_PPK_H

/*
 * Post-quantum preshared keys in a login (RFC 8784). The PPK is mixed into SK_d, SK_pi and SK_pr
 * with the first AUTH of the initiator:
 *
 *      IKE_SA_INIT   N(USE_PPK)  -->                       <--  N(USE_PPK)
 *      IKE_AUTH      AUTH, N(PPK_IDENTITY, PPK_ID), [N(NO_PPK_AUTH)]  -->
 *                                                          <--  AUTH, N(PPK_IDENTITY)
 *
 * That AUTH is already made with the new SK_pi. The initiator switches to the new keys when the
 * response shows that the responder has the PPK. The responder switches before it verifies AUTH.
 */

#include "ike/login/login.h"

/* --- both roles --- */

/* login_ppk_mixed - reads the keys in the result of the job. false: they are unusable. */
bool login_ppk_mixed(struct sa *sa, const struct ike_result *result);
/* login_ppk_audit - section 6: emits a notice if a PPK was configured or offered, but is not
 * used. */
void login_ppk_audit(struct sa *sa);
void login_ppk_done(struct login *login);

/* --- initiator --- */

/* login_ppk_begin - decides whether the login uses a PPK. */
void login_ppk_begin(struct login *login, bool without);
/* login_ppk_due - our first AUTH comes next, and both ends use PPKs. */
bool login_ppk_due(const struct login *login);
/* login_ppk_ask - emits the job for our PPK. ERR_NO_MEMORY. */
int login_ppk_ask(struct sa *sa) MUST_USE;
/* login_ppk_plain - true: our AUTH is to be made without the PPK first, for NO_PPK_AUTH. */
bool login_ppk_plain(struct login *login);
/* login_ppk_keep_plain - keeps that AUTH. The AUTH with the PPK is due next. false: no memory. */
bool login_ppk_keep_plain(struct login *login);
/* login_ppk_add - PPK_IDENTITY and NO_PPK_AUTH, behind AUTH. */
void login_ppk_add(const struct login *login, struct wire_builder *request);
/* login_ppk_answered - reads the response to that request. false: a PPK is required, and not
 * used. */
bool login_ppk_answered(struct sa *sa, const struct wire_message *response);

/* --- responder --- */

enum login_ppk_next {
    LOGIN_PPK_NONE,    /* AUTH can be verified now */
    LOGIN_PPK_ASKED,   /* a job mixes the PPK first */
    LOGIN_PPK_REFUSED, /* login->ppk.why says why */
    LOGIN_PPK_FAILED,  /* no memory: nothing has changed */
};
/* login_ppk_read - reads the notifies beside the AUTH payload in login->message. */
enum login_ppk_next login_ppk_read(struct sa *sa);
/* login_ppk_unknown - no PPK with that PPK_ID is loaded. */
enum login_ppk_next login_ppk_unknown(struct sa *sa);
/* login_ppk_fits - the connection allows what is known of this login's PPK: this PPK, none, or no
 * decision yet. */
bool login_ppk_fits(const struct login *login, const struct ike_conn *conn);
/* login_ppk_apply - from now on the IKE SA has the mixed keys. */
void login_ppk_apply(struct sa *sa);
/* login_ppk_auth - the data that authenticates the initiator: of AUTH, or of NO_PPK_AUTH. */
struct span login_ppk_auth(const struct login *login, const struct wire_message *request,
                           struct span auth);

#endif
