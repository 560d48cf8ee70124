/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_WAITING_CHECKS_H
#define DAEMON_WAITING_CHECKS_H

/* Requests to the verifier that wait for a revocation status: checks of peers (CHECK), and the
 * choice of our certificate with an OCSP response (CHOOSE). They are kept, and asked anew later. */

#include "base/time.h"
#include "daemon/common/verifier_channel.h"
#include "daemon/verifier/cert_check.h"

#define WAITING_CHECKS      512
#define WAITING_PATIENCE_NS (10 * NANOS_PER_SEC) /* then what is here has to be enough */

struct waiting_check {
    struct waiting_check *next;
    nanos deadline;
    uint64_t waits[CERT_WAITS];
    size_t n_waits;
    struct verifier_request request;
    size_t n_octets;
    uint8_t octets[]; /* SK_p is among them: wiped */
};

struct waiting_checks {
    struct waiting_check *oldest, **end;
    size_t n;
    nanos deadline;   /* no later than the first one of a check; NANOS_NEVER: none waits */
    uint64_t scanned; /* revocation_ended() when the last scan found none that is ready */
};

void waiting_checks_init(struct waiting_checks *checks);
void waiting_checks_done(struct waiting_checks *checks);

/* struct waiting_for - jobs of struct revocation, up to CERT_WAITS: it waits until one has ended. */
struct waiting_for {
    const uint64_t *jobs;
    size_t n;
    nanos deadline;
};

/* waiting_checks_add - ERR_FULL, ERR_NO_MEMORY. */
int waiting_checks_add(struct waiting_checks *checks, const struct verifier_request *request,
                       struct span octets, const struct waiting_for *what) MUST_USE;

/* waiting_checks_take - one whose turn it is; the caller frees it by waiting_check_free(). NULL:
 * none. */
struct waiting_check *waiting_checks_take(struct waiting_checks *checks,
                                          const struct revocation *revocation, nanos now);
struct waiting_check *waiting_check_free(struct waiting_check *waiting); /* returns NULL */
nanos waiting_checks_deadline(const struct waiting_checks *checks);      /* NANOS_NEVER: none */

#endif
