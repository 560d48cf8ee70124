/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_LOGIN_H
#define IKE_LOGIN_H

/* What an IKE SA needs only until IKE_AUTH is over: freed with the last message of it. */

#include "crypto/ke.h"
#include "ike/ike.h"

struct login {
    struct ike_conn *conn; /* initiator: the connection; responder: candidates decide late */
    uint64_t tag;          /* of IKE_CMD_CONNECT */
    nanos give_up_at_ns;
    struct ke *ke; /* owned */
    uint16_t ke_group;
    uint8_t ke_retries, cookie_retries;
    uint8_t n_cookie;
    uint8_t cookie[LIMIT_COOKIE];
    uint16_t n_ni, n_nr;
    uint8_t ni[LIMIT_NONCE], nr[LIMIT_NONCE];
    uint8_t *init_request, *init_response; /* owned: AUTH covers them (RFC 7296 section 2.15) */
    uint32_t n_init_request, n_init_response;
};

#endif
