/* SPDX-License-Identifier: Apache-2.0 */
/* What an error notify means for the exchange that it ends. */
#include "ike/core/exchange.h"

#include "ike/core/ike_state.h"
#include "ike/terms/proposal.h"

#define RETRY_FIRST_NS NANOS_PER_SEC
#define RETRIES_MAX    6
/* after that many refused rekeys, two to four minutes, the IKE SA counts as out of step (section
 * 2.25) */
#define REKEYS_MAX     8
#define KE_RETRIES_MAX 3

static enum ike_outcome outcome_of(uint16_t notify)
{
    switch (notify) {
    case N_NO_PROPOSAL_CHOSEN: return IKE_NO_PROPOSAL;
    case N_INVALID_KE_PAYLOAD: return IKE_KE_REFUSED;
    case N_AUTHENTICATION_FAILED: return IKE_AUTH_FAILED;
    case N_TS_UNACCEPTABLE:
    case N_SINGLE_PAIR_REQUIRED: return IKE_TS_REFUSED;
    case N_INTERNAL_ADDRESS_FAILURE:
    case N_FAILED_CP_REQUIRED: return IKE_ADDRESS_FAILURE;
    case N_NO_ADDITIONAL_SAS: return IKE_NO_ADDITIONAL_SAS;
    case N_TEMPORARY_FAILURE: return IKE_TEMPORARY_FAILURE;
    case N_UNACCEPTABLE_ADDRESSES: return IKE_UNACCEPTABLE_ADDRESSES;
    case N_UNEXPECTED_NAT_DETECTED: return IKE_UNEXPECTED_NAT;
    case N_CHILD_SA_NOT_FOUND: return IKE_PEER_DELETED;
    case N_INVALID_SYNTAX: return IKE_INVALID_SYNTAX;
    default: return IKE_PROTOCOL_ERROR;
    }
}

struct verdict verdict_notify(uint16_t notify)
{
    struct verdict verdict = verdict_done(outcome_of(notify));
    verdict.notify = notify;
    return verdict;
}

bool response_grants(const struct wire_message *response)
{
    enum message_kind kind = message_kind(response);
    return kind == MESSAGE_CHILD_ANSWER || kind == MESSAGE_IKE_ANSWER;
}

struct verdict verdict_error(const struct wire_message *response)
{
    struct wire_notify notify;
    return wire_notify_error(response, &notify) ? verdict_notify(notify.type)
                                                : verdict_done(IKE_INVALID_SYNTAX);
}

void exchange_out_of_sync(struct sa *sa)
{
    struct intent intent = {.kind = INTENT_DELETE_IKE, .reason = IKE_TEMPORARY_FAILURE};
    intent_owe(sa, &intent);
}

struct verdict exchange_other_ke(struct asking *asking, const struct ike_proposal_list *ours,
                                 const struct wire_notify *notify)
{
    uint16_t group = proposal_other_ke(ours, notify->data, asking->intent.ke_group);
    if (group == 0 || asking->intent.attempt >= KE_RETRIES_MAX) {
        struct verdict verdict = verdict_done(IKE_KE_REFUSED);
        verdict.notify = notify->type;
        return verdict;
    }
    asking->intent.ke_group = group;
    return (struct verdict){.kind = VERDICT_AGAIN};
}

struct verdict verdict_retry(struct sa *sa, const struct asking *asking, nanos now)
{
    struct verdict verdict = verdict_done(IKE_TEMPORARY_FAILURE);
    verdict.notify = N_TEMPORARY_FAILURE;
    bool rekey =
        asking->intent.kind == INTENT_REKEY_IKE || asking->intent.kind == INTENT_REKEY_CHILD;
    if (asking->intent.attempt >= (rekey ? REKEYS_MAX : RETRIES_MAX))
        return verdict;
    nanos wait = RETRY_FIRST_NS << asking->intent.attempt;
    /* Jitter of a half: after a collision the two ends must not retry at the same time. */
    wait -= (nanos)(random_u64(sa->ike->random) % (uint64_t)(wait / 2));
    verdict.kind = VERDICT_AGAIN;
    verdict.not_before_ns = nanos_after(now, wait);
    return verdict;
}
