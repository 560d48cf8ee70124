/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_LOGIN_CHOOSE_H
#define IKE_LOGIN_CHOOSE_H

#include "ike/login/login.h"

/* struct login_claim - what the first IKE_AUTH request says that a connection must fit. */
struct login_claim {
    const struct ike_id *idi, *idr; /* idr NULL: none */
    uint8_t auth_method;            /* 0: no AUTH payload: EAP */
    bool more_rounds;               /* with AUTH: ANOTHER_AUTH_FOLLOWS */
    bool any_auth;                  /* ignore the three above: to find out why no connection fits */
};

/* login_choose - the Gateway's connection, by identities and authentication among those that fit
 * the addresses and algorithms; the most specific one. NULL: none. */
struct ike_conn *login_choose(const struct sa *sa, const struct login_claim *claim);

#endif
