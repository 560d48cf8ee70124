/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_FETCH_CHANNEL_H
#define DAEMON_FETCH_CHANNEL_H

/*
 * Requests of the verifier to the fetcher and its answers: structs of fixed size with octets behind
 * them (daemon/common/channel.h).
 */

#include "daemon/common/verifier_channel.h"

#define FETCH_URL    AUTHORITY_URI
#define FETCH_BODY   1024             /* octets of an OCSP request */
#define FETCH_OCTETS VERIFIER_CRL_MAX /* octets of an answer: the largest list of revocations */
#define FETCH_REASON 160

struct fetch_request {
    uint32_t n_octets; /* octets behind the struct, the body of a POST; 0: a GET */
    uint32_t local;    /* 1: the administrator wrote the URL, so it may name this host itself */
    uint64_t job;      /* never 0 */
    char url[FETCH_URL];
};

struct fetch_answer {
    uint32_t n_octets; /* octets behind the struct: the fetched document */
    int32_t error; /* ERR_NOT_FOUND: no connection to the host; ERR_AGAIN: it sent nothing in all of
                      its time; ERR_SYSTEM: any other failure */
    uint64_t job;
    char reason[FETCH_REASON]; /* the reason of a failure, for the log */
};

#endif
