/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_REVOCATION_H
#define DAEMON_REVOCATION_H

/*
 * The revocation status of certificates: OCSP responses, and fetches of those responses and of
 * lists of revocations. Lists themselves are in cert_store.h.
 *
 *      revocation_ask    begins to fetch from the next URL that was not tried recently, and
 *                        whose host is not dead (dead_hosts.h)
 *      revocation_send   the request for the fetcher
 *      revocation_take   checks and keeps its answer
 *
 * Only URLs of certificates with a trusted chain may be fetched. The caller of revocation_ask() has
 * verified the chain; another program lacked that check (CVE-2022-40617).
 */

#include "base/time.h"
#include "daemon/common/fetch_channel.h"
#include "daemon/verifier/cert_store.h"
#include "daemon/verifier/revocation_ocsp.h"

#define REVOCATION_RESPONSES  4096 /* answers of OCSP responders that are kept */
#define REVOCATION_OCTETS     4096 /* of one of them, if it is kept as it was signed */
#define REVOCATION_ATTEMPTS   1024 /* fetches that run, or ended recently */
#define REVOCATION_RUNNING    256
#define REVOCATION_BACKGROUND 32 /* no check in the background begins a fetch while so many run */
#define REVOCATION_FULL       UINT64_MAX /* in place of a job: REVOCATION_RUNNING fetches run already */
#define REVOCATION_CALM       (10 * NANOS_PER_SEC) /* before the same URL is tried again */

struct revocation;

struct revocation *revocation_new(void);                           /* NULL: no memory */
struct revocation *revocation_free(struct revocation *revocation); /* takes NULL; returns NULL */

/* struct revocation_of - a certificate whose chain is trusted, and its CA. Borrowed. */
struct revocation_of {
    X509 *cert, *issuer;
    const struct cert_uris *uris; /* what the configuration says of that CA; NULL: nothing */
    const X509_CRL *base; /* a valid list of that CA for which no delta is here; NULL: none */
    bool behind;          /* the deltas that are here need a later base (RFC 5280 section 5.2.4) */
    bool background;      /* no login waits for it */
};

/* revocation_response - the last OCSP response about the certificate, if it is still valid. NULL: none. Borrowed
 * until the next call. */
const struct ocsp_response *revocation_response(const struct revocation *revocation,
                                                const struct revocation_of *of, int64_t now);

/*
 * revocation_sent - a peer sent an OCSP response about the certificate (RFC 4806): it is checked and
 * kept as one that was fetched. ERR_AUTH: it does not count, with a reason; ERR_NO_MEMORY.
 */
int revocation_sent(struct revocation *revocation, const struct revocation_of *of,
                    struct cert_store *store, struct span octets,
                    char ret_reason[VERIFIER_REASON]) MUST_USE;

/* revocation_octets - the last OCSP response that calls the certificate good, as it was signed, for
 * a peer that asks for it. Borrowed until the next call. MISSING: there is none, or it is over; OLD:
 * half of its time is over. */
enum revocation_age { REVOCATION_MISSING, REVOCATION_OLD, REVOCATION_YOUNG };
enum revocation_age revocation_octets(const struct revocation *revocation,
                                      const struct revocation_of *of, int64_t now,
                                      struct span *ret_octets);

/* revocation_ask_ocsp - as revocation_ask(), of OCSP responders alone. */
uint64_t revocation_ask_ocsp(struct revocation *revocation, const struct revocation_of *of,
                             nanos now);

/* revocation_ask - `listed`: a valid list has the status. Then it asks only the responders, and
 * fetches a delta of that list (of->base) if the list or the certificate names one (freshestCRL),
 * or the next base (of->behind).
 * Returns the job of the fetch to wait for; REVOCATION_FULL: a fetch can begin when another one has
 * ended; 0: there is no URL, or each was tried recently or leads to a dead host. */
uint64_t revocation_ask(struct revocation *revocation, const struct revocation_of *of, bool listed,
                        nanos now);

/* revocation_running - of REVOCATION_FULL: no fetch can begin yet. */
bool revocation_running(const struct revocation *revocation, uint64_t job);

/* revocation_ended - how many fetches have ended: as long as it stays, revocation_running() does. */
uint64_t revocation_ended(const struct revocation *revocation);

/* revocation_has_uris - the certificate or its CA names a server. */
bool revocation_has_uris(const struct revocation_of *of);

/* revocation_lacks_delta - a list or the certificate says where a delta is, and none is here. */
bool revocation_lacks_delta(const struct revocation_of *of);

/* revocation_why - URL and reason of the last failed fetch for the certificate, or from its host;
 * empty: none. */
void revocation_why(const struct revocation *revocation, const struct revocation_of *of, nanos now,
                    char ret_text[VERIFIER_REASON]);

/* revocation_send - the oldest request that was not sent; false: none. */
bool revocation_send(struct revocation *revocation, struct fetch_request *ret_request,
                     uint8_t ret_body[FETCH_BODY]);

/* revocation_take - an answer of the fetcher. A list is added to `store`. */
void revocation_take(struct revocation *revocation, struct cert_store *store,
                     const struct fetch_answer *answer, struct span octets, nanos now);

/* revocation_lost - the fetcher has ended. Requests that were sent have failed, and are not sent
 * again at once: one of the answers may have ended the fetcher. Requests that were not sent stay. */
void revocation_lost(struct revocation *revocation, nanos now);

/* revocation_at - the response with that index, in the order of arrival, as it was signed; borrowed
 * until the next call; empty: it was too long to be kept so. false: no more. */
bool revocation_at(const struct revocation *revocation, uint32_t index, struct span *ret_octets);

/* revocation_flush - forgets all responses. */
void revocation_flush(struct revocation *revocation);
/* revocation_retry - forgets which URLs were tried and which hosts are dead. Fetches that run go on. */
void revocation_retry(struct revocation *revocation);

#endif
