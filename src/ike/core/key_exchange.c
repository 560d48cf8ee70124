/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/key_exchange.h"

#include <stdlib.h>

#include "base/assert.h"
#include "ike/core/ike_state.h"
#include "ike/core/jobs.h"

struct key_exchange *key_exchange_free(struct key_exchange *exchange)
{
    if (exchange != NULL)
        wipe(exchange, sizeof(*exchange));
    free(exchange);
    return NULL;
}

/* job_begin - a worker computes the step. false: no memory. */
static bool job_begin(struct sa *sa, struct key_exchange *exchange, enum ike_ke_class class)
{
    struct ike_event *event = event_job(sa, IKE_EV_KE, 0, (struct span){0});
    if (event == NULL)
        return false;
    exchange->job = event->job;
    event->ke = (struct ike_ke_job){.class = class, .step = exchange->ke};
    return true;
}

/* --- their side --- */

/* answers - the result belongs to this group and this value of the peer. */
static bool answers(const struct key_exchange *exchange, uint16_t group, struct span peer)
{
    const struct ke_job *ke = &exchange->ke;
    return exchange->job == 0 && ke->group == group && span_equal(span_of(ke->peer, ke->len), peer);
}

/* answer_begin - starts the step for a copy of the peer's value. false: refused, or no memory. */
static bool answer_begin(struct sa *sa, uint16_t group, struct span peer)
{
    sa->key_exchange = key_exchange_free(sa->key_exchange);
    if (!ke_public_fits(group, peer))
        return false;
    sa->key_exchange = calloc(1, sizeof(*sa->key_exchange));
    if (sa->key_exchange == NULL)
        return false;
    bool ok = ke_answer(&sa->key_exchange->ke, group, peer);
    ASSERT(ok);
    return true;
}

bool key_exchange_at_once(struct sa *sa, uint16_t group, struct span peer)
{
    if (!answer_begin(sa, group, peer))
        return false;
    ke_run(&sa->key_exchange->ke);
    return true;
}

enum key_exchange_state key_exchange_answer(struct sa *sa, uint16_t group, struct span peer,
                                            enum ike_ke_class class)
{
    if (sa->key_exchange != NULL && answers(sa->key_exchange, group, peer))
        return KEY_EXCHANGE_DONE;
    if (!sa->ike->options.ke_jobs)
        return key_exchange_at_once(sa, group, peer) ? KEY_EXCHANGE_DONE : KEY_EXCHANGE_FAILED;
    if (!answer_begin(sa, group, peer))
        return KEY_EXCHANGE_FAILED;
    if (!job_begin(sa, sa->key_exchange, class)) {
        sa->key_exchange->ke.error = ERR_NO_MEMORY;
        return KEY_EXCHANGE_DONE;
    }
    return KEY_EXCHANGE_LATER;
}

/* --- our side --- */

/* own_step - without a job, or without memory for one, the step is computed at once. */
static enum key_exchange_state own_step(struct sa *sa, struct key_exchange *exchange)
{
    if (sa->ike->options.ke_jobs && job_begin(sa, exchange, IKE_KE_ESTABLISHED))
        return KEY_EXCHANGE_LATER;
    ke_run(&exchange->ke);
    return KEY_EXCHANGE_DONE;
}

enum key_exchange_state key_exchange_begin(struct sa *sa, uint16_t group,
                                           struct key_exchange **ret_exchange)
{
    struct key_exchange *exchange = calloc(1, sizeof(*exchange));
    if (exchange == NULL || !ke_begin(&exchange->ke, group)) {
        (void)key_exchange_free(exchange);
        return KEY_EXCHANGE_FAILED;
    }
    *ret_exchange = exchange;
    return own_step(sa, exchange);
}

enum key_exchange_state key_exchange_finish(struct sa *sa, struct key_exchange *exchange,
                                            struct span peer)
{
    return ke_finish(&exchange->ke, peer) ? own_step(sa, exchange) : KEY_EXCHANGE_FAILED;
}

/* --- the jobs --- */

bool key_exchange_done(struct key_exchange *exchange, ike_job_id job,
                       const struct ike_result *result)
{
    if (exchange == NULL || exchange->job != job)
        return false;
    exchange->job = 0;
    if (result->ke != NULL) {
        ASSERT(result->ke->group == exchange->ke.group && result->ke->step == exchange->ke.step);
        exchange->ke = *result->ke;
    }
    if (exchange->ke.error == 0)
        exchange->ke.error = result->error;
    /* Our own exchanges are limited anyway: a step of ours is computed here if no worker has room
     * for it. */
    if (result->error == ERR_AGAIN && exchange->ke.step != KE_ANSWER)
        ke_run(&exchange->ke);
    return true;
}
