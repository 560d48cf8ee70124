/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/key_exchange.h"

#include <stdlib.h>

#include "base/assert.h"
#include "ike/core/ike_state.h"
#include "ike/core/jobs.h"

void key_exchange_drop(struct sa *sa)
{
    if (sa->key_exchange == NULL)
        return;
    wipe(sa->key_exchange, sizeof(*sa->key_exchange));
    free(sa->key_exchange);
    sa->key_exchange = NULL;
}

/* answers - the result is of this group and this value. */
static bool answers(const struct key_exchange *exchange, uint16_t group, struct span peer)
{
    const struct ke_answer *answer = &exchange->answer;
    return exchange->job == 0 && answer->group == group &&
           span_equal(span_of(answer->peer, answer->len), peer);
}

/* key_exchange_begin - the exchange with all that it needs. false: refused, or no memory. */
static bool key_exchange_begin(struct sa *sa, uint16_t group, struct span peer)
{
    key_exchange_drop(sa);
    if (!ke_public_fits(group, peer))
        return false;
    sa->key_exchange = calloc(1, sizeof(*sa->key_exchange));
    if (sa->key_exchange == NULL)
        return false;
    bool ok = ke_answer_init(&sa->key_exchange->answer, group, peer, sa->ike->random);
    ASSERT(ok);
    return true;
}

bool key_exchange_at_once(struct sa *sa, uint16_t group, struct span peer)
{
    if (!key_exchange_begin(sa, group, peer))
        return false;
    ke_answer_run(&sa->key_exchange->answer);
    return true;
}

enum key_exchange_state key_exchange_answer(struct sa *sa, uint16_t group, struct span peer,
                                            enum ike_ke_class class)
{
    if (sa->key_exchange != NULL && answers(sa->key_exchange, group, peer))
        return KEY_EXCHANGE_DONE;
    if (!sa->ike->options.ke_jobs)
        return key_exchange_at_once(sa, group, peer) ? KEY_EXCHANGE_DONE : KEY_EXCHANGE_FAILED;
    if (!key_exchange_begin(sa, group, peer))
        return KEY_EXCHANGE_FAILED;
    struct key_exchange *exchange = sa->key_exchange;
    struct ike_event *event = event_job(sa, IKE_EV_KE, 0, (struct span){0});
    if (event == NULL) {
        exchange->answer.error = ERR_NO_MEMORY;
        return KEY_EXCHANGE_DONE;
    }
    exchange->job = event->job;
    event->ke = (struct ike_ke_job){.class = class, .answer = exchange->answer};
    wipe(exchange->answer.seed, sizeof(exchange->answer.seed));
    return KEY_EXCHANGE_LATER;
}

bool key_exchange_done(struct sa *sa, ike_job_id job, const struct ike_result *result)
{
    struct key_exchange *exchange = sa->key_exchange;
    if (exchange == NULL || exchange->job != job)
        return false;
    exchange->job = 0;
    exchange->answer.error = result->error;
    if (result->error == 0 && result->ke != NULL) {
        ASSERT(result->ke->group == exchange->answer.group);
        exchange->answer = *result->ke;
    }
    return true;
}
