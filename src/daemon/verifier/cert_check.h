/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_CERT_CHECK_H
#define DAEMON_CERT_CHECK_H

/*
 * Whether a certificate may be used by a peer of a connection: libcrypto's path validation (RFC
 * 5280 section 6: signatures, validity, basic and name constraints, policies, path length, critical
 * extensions, revocation), and the further demands of IKE and the configuration.
 */

#include "daemon/verifier/revocation.h"

#define CERT_WAITS (2 * VERIFIER_CHAIN)

struct cert_check {
    struct cert_store *store;
    struct revocation *revocation;
    nanos now;
    bool impatient;  /* never ERR_AGAIN: fetches begin, but only known statuses count */
    bool background; /* no login waits: few fetches, and those of logins go first */
    const struct cert_policy *policy;
    const char *conn;        /* its name, for the log */
    bool of_gateway;         /* the peer is the responder, or the server of a TLS method */
    bool tls;                /* for TLS in EAP, not for IKE */
    bool radius;             /* of a RADIUS server: `conn` names its section */
    X509 *leaf;              /* borrowed */
    STACK_OF(X509) * others; /* the other certificates of the peer; borrowed */
    const struct span *ocsp; /* OCSP responses that it sent (RFC 4806); borrowed */
    size_t n_ocsp;
    char ocsp_why[VERIFIER_REASON]; /* for the check itself: why a response was not accepted */
    char revoked_on[32];            /* for the check itself: the date in the CRL */
    uint32_t unlisted;              /* for the check itself: bit i: no list covers chain[i] */
    uint64_t waits[CERT_WAITS];     /* out, ERR_AGAIN: jobs of struct revocation */
    size_t n_waits;
    int64_t not_after; /* out: the first end of the chain */
    /* out, if the check succeeds: the verified chain; owned by the caller */
    STACK_OF(X509) * chain;
    bool revoked; /* out: a certificate of the chain is revoked for certain */
    /* out, cert_check_again(). unknown: the status of a certificate is unknown, and no server was
     * asked. n_fetching: servers that are being asked. crowded: a server could not be asked yet.
     * known_until: the end of the first status, in seconds since 1970 */
    bool unknown;
    size_t n_fetching;
    bool crowded;
    int64_t known_until;
    char reason[VERIFIER_REASON]; /* out: the reason of the refusal */
};

/* cert_check_run - ERR_AUTH: not to be trusted, with `reason`; ERR_NO_MEMORY; ERR_AGAIN: only the
 * revocation status is missing, and it is being fetched: call again when one of `waits` has
 * ended. */
int cert_check_run(struct cert_check *check) MUST_USE;

/* cert_check_again - checks whether a trusted chain is revoked now: `leaf`, and in `others` all its
 * CAs up to the trust anchor. It ignores policies and never waits. The result is in `revoked` and
 * `reason`. */
void cert_check_again(struct cert_check *check);

/* cert_check_key - kind and strength of the key, before any work is done with
 * it. */
bool cert_check_key(const struct cert_policy *policy, const EVP_PKEY *key);

/* cert_check_named - the digest is among them. */
bool cert_check_named(const uint8_t (*digests)[CERT_DIGEST], size_t n, const uint8_t *digest);

#endif
