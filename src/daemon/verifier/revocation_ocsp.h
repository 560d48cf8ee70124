/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_REVOCATION_OCSP_H
#define DAEMON_REVOCATION_OCSP_H

/* OCSP (RFC 6960): a request about one certificate, and the checks of the answer. */

#include <openssl/ocsp.h>

#include "base/span.h"
#include "daemon/common/verifier_channel.h"

/* struct ocsp_question - all borrowed. */
struct ocsp_question {
    X509 *cert, *issuer;
    /* as ocsp_request_new() made it: its nonce counts; NULL: none was made, and a peer has the response (RFC 4806):
     * any nonce */
    OCSP_REQUEST *request;
    STACK_OF(X509) * responders; /* trusted by configuration, whatever they answer about */
};

enum ocsp_status { OCSP_GOOD, OCSP_REVOKED };

struct ocsp_response {
    enum ocsp_status status;
    int64_t this_update; /* seconds since 1970 */
    int64_t next_update; /* 5 minutes later, if the response has none */
    int64_t good_until;  /* the response is valid until then; with the skew of clocks */
    char revoked_on[32]; /* REVOKED: a date for a person */
};

/* ocsp_request_new - with a nonce of 32 octets (RFC 9654). NULL: no memory. */
OCSP_REQUEST *ocsp_request_new(X509 *cert, X509 *issuer);

/*
 * ocsp_answer_check - anybody may have sent `octets`. An answer counts if it is about this
 * certificate and its times include `now`. The CA of the certificate, a responder that this CA
 * delegated, or one of `responders` must have signed it, with neither MD5 nor SHA-1. An answer
 * without a nonce counts (RFC 5019 section 4); one with another nonce than that of the request does
 * not. ERR_AUTH: with a reason.
 */
int ocsp_answer_check(const struct ocsp_question *question, struct span octets, int64_t now,
                      struct ocsp_response *ret_response,
                      char ret_reason[VERIFIER_REASON]) MUST_USE;

#endif
