/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_KEY_EXCHANGE_H
#define IKE_KEY_EXCHANGE_H

/*
 * The steps of a key exchange (crypto/ke.h), computed at once or as jobs (ike_options.ke_jobs).
 *
 * Their side: a request that waits for its job is kept. When the job is done, the request is
 * answered from its beginning. So the answer respects each change since its arrival. The window of
 * one keeps other requests of the peer away. A retransmission starts no second job (gate.h).
 *
 * Our side: an exchange waits for its key pair before the request, and for the shared secret after
 * the response (exchange.h).
 */

#include "base/error.h"
#include "crypto/ke.h"
#include "ike/core/sa.h"
#include "ike/ike.h"

/* struct key_exchange - of an IKE SA that answers (sa->key_exchange), or of an exchange of ours
 * (asking->key_exchange), which owns and wipes it. */
struct key_exchange {
    ike_job_id job; /* 0: no job; `ke` holds the result of its step */
    struct ke_job ke;
};

enum key_exchange_state {
    KEY_EXCHANGE_DONE,   /* `ke` holds the result; its `error` is set */
    KEY_EXCHANGE_LATER,  /* a job computes it */
    KEY_EXCHANGE_FAILED, /* the group is unknown, the value has the wrong length, or no memory */
};

/* key_exchange_answer - computes the responder's step into sa->key_exchange. `peer`: the value of
 * the KE payload, copied. LATER: the caller is called again. */
enum key_exchange_state key_exchange_answer(struct sa *sa, uint16_t group, struct span peer,
                                            enum ike_ke_class class);

/* key_exchange_at_once - the same without a job. false: KEY_EXCHANGE_FAILED. */
bool key_exchange_at_once(struct sa *sa, uint16_t group, struct span peer) MUST_USE;

/* key_exchange_begin - makes our key pair in a new struct key_exchange. LATER: exchange_keys_done()
 * follows. */
enum key_exchange_state key_exchange_begin(struct sa *sa, uint16_t group,
                                           struct key_exchange **ret_exchange);

/* key_exchange_finish - computes the shared secret of our key pair and the peer's value. LATER:
 * exchange_keys_done() follows. */
enum key_exchange_state key_exchange_finish(struct sa *sa, struct key_exchange *exchange,
                                            struct span peer);

/* key_exchange_done - takes the result of a job. false: `exchange` (may be NULL) does not wait for
 * it. */
bool key_exchange_done(struct key_exchange *exchange, ike_job_id job,
                       const struct ike_result *result);

/* key_exchange_ready - the request that is being answered has its result. */
static inline bool key_exchange_ready(const struct sa *sa)
{
    return sa->key_exchange != NULL && sa->key_exchange->job == 0;
}

/* key_exchange_free - wipes it. Takes NULL, returns NULL. */
struct key_exchange *key_exchange_free(struct key_exchange *exchange);

#endif
