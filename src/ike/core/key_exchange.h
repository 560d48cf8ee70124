/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_KEY_EXCHANGE_H
#define IKE_KEY_EXCHANGE_H

/*
 * The answer to a key exchange, computed at once or as a job (ike_options.ke_jobs). A request that
 * waits for its job is kept. When the job is done, the request is answered from its beginning. So
 * it sees every change since, as if it had arrived only now. The window of one keeps other requests
 * of the peer away. A retransmission starts no second job (gate.h).
 */

#include "base/error.h"
#include "crypto/ke.h"
#include "ike/core/sa.h"
#include "ike/ike.h"

/* struct key_exchange - of an IKE SA that answers; the IKE SA owns and wipes it. */
struct key_exchange {
    ike_job_id job; /* 0: `answer` is the result */
    struct ke_answer answer;
};

enum key_exchange_state {
    KEY_EXCHANGE_DONE,   /* the result is in sa->key_exchange->answer; its `error` is set */
    KEY_EXCHANGE_LATER,  /* the caller is called again */
    KEY_EXCHANGE_FAILED, /* the group is unknown, the value has the wrong length, or no memory */
};

/* key_exchange_answer - `peer`: the value of the KE payload, which is copied. */
enum key_exchange_state key_exchange_answer(struct sa *sa, uint16_t group, struct span peer,
                                            enum ike_ke_class class);

/* key_exchange_at_once - the same without a job. false: KEY_EXCHANGE_FAILED. */
bool key_exchange_at_once(struct sa *sa, uint16_t group, struct span peer) MUST_USE;

/* key_exchange_done - the job has ended. false: no request waits for it. */
bool key_exchange_done(struct sa *sa, ike_job_id job, const struct ike_result *result);

/* key_exchange_ready - the request that is being answered has its result. */
static inline bool key_exchange_ready(const struct sa *sa)
{
    return sa->key_exchange != NULL && sa->key_exchange->job == 0;
}

void key_exchange_drop(struct sa *sa); /* wipes it, if there is one */

#endif
