/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/intent.h"

#include <stdlib.h>

#include "base/assert.h"
#include "ike/core/exchange.h"
#include "ike/core/ike_state.h"

/* Lower is sooner. Exchanges that save traffic come before those that add SAs. */
static const uint8_t urgency[INTENT_KINDS] = {
    [INTENT_LOGIN] = 0,       [INTENT_DELETE_IKE] = 0,    [INTENT_MOVE] = 1,
    [INTENT_PATH_TEST] = 2,   [INTENT_PROBE] = 2,         [INTENT_STRAY] = 5,
    [INTENT_ROUTABILITY] = 1, [INTENT_DELETE_CHILD] = 3,  [INTENT_CREATE_MOVED] = 4,
    [INTENT_CLONE] = 4,       [INTENT_CREATE_CHILD] = 4,  [INTENT_REKEY_CHILD] = 4,
    [INTENT_ADDRESSES] = 5,   [INTENT_AUTH_LIFETIME] = 5, [INTENT_REKEY_IKE] = 6,
    [INTENT_REDIRECT] = 3,    [INTENT_PATH_TERMS] = 5,
};

static bool queued(const struct sa *sa, enum intent_kind kind)
{
    for (const struct intent *intent = sa->intents; intent != NULL; intent = intent->next)
        if (intent->kind == kind)
            return true;
    return sa->asking != NULL && sa->asking->intent.kind == kind;
}

/* queue_full - the limit is reached. One Delete of the IKE SA may exceed it. */
static bool queue_full(const struct sa *sa, const struct intent *intent)
{
    return sa->n_intents >= LIMIT_INTENTS &&
           (intent->kind != INTENT_DELETE_IKE || queued(sa, INTENT_DELETE_IKE));
}

static unsigned urgency_of(const struct intent *intent)
{
    return 2u * urgency[intent->kind] + intent_is_liveness(intent);
}

bool intent_enqueue(struct sa *sa, struct intent *intent)
{
    if (queue_full(sa, intent))
        return false;
    struct intent **link = &sa->intents;
    while (*link != NULL && urgency_of(*link) <= urgency_of(intent))
        link = &(*link)->next;
    intent->next = *link;
    *link = intent;
    sa->n_intents++;
    sa_touch(sa);
    return true;
}

int intent_add(struct sa *sa, const struct intent *intent)
{
    if (intent->kind == INTENT_DELETE_IKE && intent->tag == 0 && queued(sa, INTENT_DELETE_IKE))
        return 0; /* already queued or sent */
    if (queue_full(sa, intent))
        return ERR_FULL;
    struct asking *asking = calloc(1, sizeof(*asking));
    if (asking == NULL)
        return ERR_NO_MEMORY;
    asking->intent = *intent;
    bool queues = intent_enqueue(sa, &asking->intent);
    ASSERT(queues);
    return 0;
}

/* owed_add - remembers the intent. More Child SAs than fit in the list end the whole IKE SA. */
static void owed_add(struct sa *sa, const struct intent *intent)
{
    struct owed *owed = &sa->owed;
    bool many = owed->n_spis == sizeof(owed->spis) / sizeof(owed->spis[0]);
    owed->at_ns = nanos_after(sa->ike->now, MEMORY_AGAIN_NS);
    if (intent->kind == INTENT_DELETE_CHILD && !many)
        owed->spis[owed->n_spis++] = intent->spi_in;
    if (intent->kind == INTENT_DELETE_IKE || (intent->kind == INTENT_DELETE_CHILD && many)) {
        owed->delete_ike = true;
        owed->reason = many ? IKE_LIMIT : intent->reason;
    }
    owed->routability |= intent->kind == INTENT_ROUTABILITY;
    owed->addresses |= intent->kind == INTENT_ADDRESSES;
    sa_touch(sa);
}

void intent_owe(struct sa *sa, const struct intent *intent)
{
    ASSERT(intent->kind == INTENT_DELETE_IKE || intent->kind == INTENT_ROUTABILITY ||
           intent->kind == INTENT_ADDRESSES ||
           (intent->kind == INTENT_DELETE_CHILD && intent->child == 0));
    if (intent_add(sa, intent) != 0)
        owed_add(sa, intent);
}

void intents_pay(struct sa *from, struct sa *to)
{
    struct owed owed = from->owed;
    from->owed = (struct owed){.at_ns = NANOS_NEVER};
    if (owed.delete_ike)
        intent_owe(from, &(struct intent){.kind = INTENT_DELETE_IKE, .reason = owed.reason});
    if (owed.routability && !intent_pending(to, INTENT_ROUTABILITY, 0))
        intent_owe(to, &(struct intent){.kind = INTENT_ROUTABILITY, .path = to->pending_path});
    if (owed.addresses)
        intent_owe(to, &(struct intent){.kind = INTENT_ADDRESSES});
    for (uint8_t i = 0; i < owed.n_spis; i++)
        intent_owe(to, &(struct intent){.kind = INTENT_DELETE_CHILD, .spi_in = owed.spis[i]});
}

bool intent_pending(const struct sa *sa, enum intent_kind kind, ike_child_id child)
{
    if (child == 0)
        return queued(sa, kind) || (kind == INTENT_DELETE_IKE && sa->owed.delete_ike) ||
               (kind == INTENT_ROUTABILITY && sa->owed.routability) ||
               (kind == INTENT_ADDRESSES && sa->owed.addresses);
    if (sa->asking != NULL && sa->asking->intent.kind == kind && sa->asking->intent.child == child)
        return true;
    for (const struct intent *intent = sa->intents; intent != NULL; intent = intent->next)
        if (intent->kind == kind && intent->child == child)
            return true;
    return false;
}

void intents_move(struct sa *from, struct sa *to)
{
    intents_pay(from, to);
    struct intent **link = &from->intents;
    while (*link != NULL) {
        struct intent *intent = *link;
        bool wanted_gone = intent->kind == INTENT_DELETE_IKE && intent->reason == IKE_CANCELLED;
        if ((intent->kind == INTENT_DELETE_IKE && !wanted_gone) ||
            intent->kind == INTENT_REKEY_IKE) {
            link = &intent->next;
            continue;
        }
        *link = intent->next;
        from->n_intents--;
        if (intent_enqueue(to, intent))
            continue;
        intent_end(from, intent, IKE_CANCELLED);
        free(intent);
    }
}

struct intent *intent_take(struct sa *sa, struct intent **link)
{
    struct intent *intent = *link;
    *link = intent->next;
    intent->next = NULL;
    sa->n_intents--;
    return intent;
}
