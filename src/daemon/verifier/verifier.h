/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_VERIFIER_H
#define DAEMON_VERIFIER_H

/*
 * What the verifier process does: it looks into the certificates of peers, and checks the
 * signatures of their AUTH payloads. It holds no secret.
 */

#include "base/time.h"
#include "crypto/provider.h"
#include "daemon/common/fetch_channel.h"
#include "daemon/common/verifier_channel.h"

#define VERIFIER_ANSWER_MAX (VERIFIER_CHAIN * VERIFIER_CERT_MAX)

struct verifier;

struct verifier *verifier_new(struct crypto_provider *crypto); /* borrowed; NULL: no memory */
struct verifier *verifier_free(struct verifier *verifier);     /* takes NULL; returns NULL */

/* verifier_tick - the time of all calls until the next one. */
void verifier_tick(struct verifier *verifier, nanos now);
nanos verifier_deadline(const struct verifier *verifier);

/*
 * verifier_answer - does what a request of a hostile engine asks. `octets` stand behind it; what
 * stands behind the answer goes to `ret_octets`, which has room for VERIFIER_ANSWER_MAX. In
 * ret_answer->error: ERR_INVALID: the request makes no sense; ERR_NOT_FOUND: CHOOSE: no certificate
 * of ours with a private key; CHECK: no certificate of the peer; ERR_AUTH: refused, with a reason;
 * ERR_FULL, ERR_NO_MEMORY. false: the answer to CHECK or CHOOSE needs a revocation status, which
 * has to be fetched; verifier_late() has it later.
 */
bool verifier_answer(struct verifier *verifier, const struct verifier_request *request,
                     struct span octets, struct verifier_answer *ret_answer,
                     struct writer *ret_octets);

/* verifier_late - the next answer that had to wait, as verifier_answer() has it; false: none. */
bool verifier_late(struct verifier *verifier, struct verifier_answer *ret_answer,
                   struct writer *ret_octets);

/* verifier_revoked - checks some of the chains that are due (chain_watch.h), and returns a
 * session that must end, since a certificate was revoked after its login; false: none. */
bool verifier_revoked(struct verifier *verifier, struct verifier_answer *ret_answer);

/* verifier_fetch - the next request for the fetcher; false: none. verifier_fetched - its answer. */
bool verifier_fetch(struct verifier *verifier, struct fetch_request *ret_request,
                    uint8_t ret_body[FETCH_BODY]);
void verifier_fetched(struct verifier *verifier, const struct fetch_answer *answer,
                      struct span octets);
/* verifier_fetcher_lost - the fetcher has ended; another one may come. */
void verifier_fetcher_lost(struct verifier *verifier);

/* verifier_tls_answer - the same for a request of a hostile eap process, which may ask VERIFIER_TLS
 * alone: ERR_INVALID for all others. The engine may not ask that. */
void verifier_tls_answer(struct verifier *verifier, const struct verifier_request *request,
                         struct span octets, struct verifier_answer *ret_answer);

#endif
