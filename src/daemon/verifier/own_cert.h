/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_OWN_CERT_H
#define DAEMON_OWN_CERT_H

/*
 * The certificates that we present to a peer: ours, the CAs up to the root, and an OCSP response
 * about ours, if the peer asked for it (RFC 4806).
 */

#include "base/writer.h"
#include "daemon/verifier/revocation.h"

#define OWN_CERT_PATIENCE_NS (2 * NANOS_PER_SEC) /* then the peer gets no OCSP response */

struct own_cert {
    struct cert_store *store;
    struct revocation *revocation;
    nanos now;
    bool impatient; /* never ERR_AGAIN */
    uint64_t wait;  /* out, ERR_AGAIN: a job of struct revocation */
};

/*
 * own_cert_choose - fills `answer` and writes the certificates to `w`. Among several certificates
 * it prefers one whose signature the peer verifies (RFC 7427, RFC 9593), then one whose CA is in
 * `ca_ids`, the key ids of the peer's CERTREQ. ERR_NOT_FOUND: no certificate has a private key, and
 * `answer` has the reason; ERR_AGAIN: the OCSP response is being fetched: call again when `wait`
 * has ended.
 */
int own_cert_choose(struct own_cert *own, const struct verifier_choose *request, struct span ca_ids,
                    struct verifier_answer *answer, struct writer *w) MUST_USE;

#endif
