/* SPDX-License-Identifier: Apache-2.0 */
/* The endpoint: the functions of ike.h, except the queues (event_queue.c), the queries (info.c) and
 * the commands (command.c). */
#include "ike/ike.h"

#include <stdlib.h>

#include "base/assert.h"
#include "ike/core/answer.h"
#include "ike/core/command.h"
#include "ike/core/conn_index.h"
#include "ike/core/exchange.h"
#include "ike/core/fragment.h"
#include "ike/core/gate.h"
#include "ike/core/held_ticket.h"
#include "ike/core/ike_state.h"
#include "ike/core/inner_address.h"
#include "ike/core/jobs.h"
#include "ike/core/key_exchange.h"
#include "ike/core/receive.h"
#include "ike/core/trace.h"
#include "ike/core/unprotected_hint.h"
#include "ike/core/upper.h"

static void options_default(struct ike_options *options)
{
    if (options->max_half_open == 0)
        options->max_half_open = LIMIT_HALF_OPEN;
    if (options->cookie_threshold == 0)
        options->cookie_threshold = LIMIT_COOKIE_THRESHOLD;
    if (options->cookie_per_address == 0)
        options->cookie_per_address = LIMIT_COOKIE_PER_ADDRESS;
    if (options->block_per_address == 0)
        options->block_per_address = LIMIT_BLOCK_PER_ADDRESS;
    if (options->ke_budget_ns == 0)
        options->ke_budget_ns = LIMIT_KE_BUDGET_NS;
    if (options->retransmit_initial_ns == 0)
        options->retransmit_initial_ns = NANOS_PER_SEC;
    if (options->retransmit_base_percent == 0)
        options->retransmit_base_percent = 180;
    if (options->retransmit_tries == 0)
        options->retransmit_tries = 6;
    if (options->fragment_size == 0)
        options->fragment_size = 1280;
}

struct ike *ike_new(const struct ike_options *options)
{
    struct ike *ike = calloc(1, sizeof(*ike));
    if (ike == NULL)
        return NULL;
    ike->options = *options;
    options_default(&ike->options);
    ike->crypto = options->crypto;
    ike->random = options->random;
    ike->serving = !ike->options.silent_at_first;
    random_fill(ike->random, ike->hash_key, sizeof(ike->hash_key));
    struct half_open_limits limits = {
        .total = ike->options.max_half_open,
        .reserved = ike->options.max_half_open * LIMIT_HALF_OPEN_RESERVED / LIMIT_HALF_OPEN,
        .cookie_total = ike->options.cookie_threshold,
        .cookie_source = ike->options.cookie_per_address,
        .source = ike->options.block_per_address,
    };
    half_open_init(&ike->half_open, &limits, ike->random);
    ike->patient = ike->half_open; /* empty as well, and with the same key */
    ike->patient.limits =
        (struct half_open_limits){.total = LIMIT_PATIENT, .source = LIMIT_PATIENT_PER_ADDRESS};
    ike->refused = ike->half_open;
    ike->refused.limits =
        (struct half_open_limits){.total = LIMIT_REFUSED, .source = LIMIT_REFUSED_PER_ADDRESS};
    ike->ke_budget.left_ns = ike->options.ke_budget_ns;
    ike->sas_by_spi.beside = sizeof(struct gate);
    ike->retransmit = (struct retransmit_policy){
        .initial_ns = ike->options.retransmit_initial_ns,
        .base_percent = ike->options.retransmit_base_percent,
        .tries = ike->options.retransmit_tries,
        .random = options->random,
    };
    ike->scratch = malloc(LIMIT_DATAGRAM);
    ike->build = malloc(LIMIT_IKE_MESSAGE);
    ike->trace = trace_new();
    if (ike->scratch == NULL || ike->build == NULL || !event_pool_init(ike))
        return ike_free(ike);
    return ike;
}

static void free_dead(struct ike *ike)
{
    if (ike->dead != NULL)
        crypto_forget(ike->crypto); /* it still holds the last keys (section 2.12) */
    while (ike->dead != NULL) {
        struct sa *sa = ike->dead;
        ike->dead = sa->next;
        sa_free(sa);
    }
}

void ike_settle(struct ike *ike)
{
    while (ike->touched != NULL) {
        if (!events_room(ike))
            return;
        struct sa *sa = ike->touched;
        ike->touched = sa->touched_next;
        sa->touched = false;
        if (sa->life == IKE_DEAD)
            continue;
        exchange_run(sa, ike->now);
        if (sa->life == IKE_DEAD || sa->touched)
            continue;
        deadline_heap_set(&ike->deadlines, &sa->deadline, sa_deadline(sa));
        gate_renew(sa);
    }
    free_dead(ike);
}

struct ike *ike_free(struct ike *ike)
{
    if (ike == NULL)
        return NULL;
    ASSERT(ike->early[0] == NULL && ike->early[1] == NULL);
    ike->closing = true;
    while (ike->sas != NULL)
        sa_down(ike->sas, IKE_CANCELLED, ike->now);
    ike->touched = NULL;
    free_dead(ike);
    queues_done(ike);
    jobs_done(ike);
    held_tickets_done(ike);
    half_open_done(&ike->half_open);
    ike->conn_index = conn_index_drop(ike->conn_index);
    half_open_done(&ike->patient);
    half_open_done(&ike->refused);
    deadline_heap_done(&ike->deadlines);
    struct map *maps[] = {&ike->sas_by_id,        &ike->sas_by_spi,        &ike->sessions_by_id,
                          &ike->sessions_by_peer, &ike->children_by_id,    &ike->children_by_spi,
                          &ike->sas_by_remote,    &ike->logins_by_request, &ike->conns_by_name,
                          &ike->imported};
    for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
        map_done(maps[i]);
    for (size_t i = 0; i < ike->n_conns; i++)
        ike_conn_unref(ike->conns[i]);
    free(ike->conns);
    free(ike->conn_numbers);
    trace_free(ike->trace);
    counters_done(&ike->counters);
    free(ike->scratch);
    free(ike->build);
    wipe(&ike->cookies, sizeof(ike->cookies));
    free(ike);
    return NULL;
}

/* --- configuration --- */

void ike_ppk_set(struct ike *ike, bool any)
{
    ike->ppk = any;
}

void ike_serve(struct ike *ike)
{
    ike->serving = true;
}

void ike_pressure_set(struct ike *ike, enum ike_pressure pressure)
{
    ike->pressure = pressure;
}

void ike_local_addresses_set(struct ike *ike, const struct address *addresses, size_t n, nanos now)
{
    size_t max = sizeof(ike->local) / sizeof(ike->local[0]);
    ike->now = now;
    n = n < max ? n : max;
    if (n == ike->n_local &&
        (n == 0 || memcmp(ike->local, addresses, n * sizeof(addresses[0])) == 0))
        return;
    ike->n_local = (uint8_t)n;
    if (n > 0)
        memcpy(ike->local, addresses, n * sizeof(addresses[0]));
    for (struct sa *sa = ike->sas; sa != NULL; sa = sa->next) {
        struct intent intent = {.kind = INTENT_ADDRESSES};
        if (sa->life == IKE_ESTABLISHED && sa->session->mobike &&
            !intent_pending(sa, INTENT_ADDRESSES, 0))
            intent_owe(sa, &intent);
    }
    ike_settle(ike);
}

/* --- input --- */

void ike_recv(struct ike *ike, const struct ike_path *path, struct span datagram, nanos now)
{
    ike->now = now;
    ike->stats.received++;
    receive_datagram(ike, path, datagram, now);
    early_replay(ike, now);
    ike_settle(ike);
}

void ike_expect(const struct ike *ike, const struct span *datagrams, size_t n)
{
    for (size_t i = 0; i < n; i++)
        gate_expect(ike, datagrams[i]);
}

nanos ike_deadline(const struct ike *ike)
{
    const struct deadline *first = deadline_heap_first(&ike->deadlines);
    if (ike->touched != NULL)
        return ike->now;
    return first == NULL ? NANOS_NEVER : first->at;
}

void ike_tick(struct ike *ike, nanos now)
{
    ike->now = now;
    for (;;) {
        struct deadline *first = deadline_heap_first(&ike->deadlines);
        if (first == NULL || first->at > now || !events_room(ike))
            break;
        deadline_heap_remove(&ike->deadlines, first); /* ike_settle() puts it back */
        sa_tick(first->owner, now);
    }
    ike_settle(ike);
}

void ike_traffic_seen(struct ike *ike, ike_child_id id, nanos now)
{
    ike->now = now;
    struct child *child = child_find(ike, id);
    if (child == NULL)
        return;
    sa_heard(child->sa, now);
    child_switch(child);
    ike_settle(ike);
}

void ike_peer_rebound(struct ike *ike, ike_child_id id, const struct endpoint *from, nanos now)
{
    ike->now = now;
    struct child *child = child_find(ike, id);
    if (child == NULL)
        return;
    receive_follow_nat(child->sa, from);
    ike_settle(ike);
}

void ike_peer_encapsulates(struct ike *ike, ike_child_id id, const struct endpoint *from, nanos now)
{
    ike->now = now;
    struct child *child = child_find(ike, id);
    if (child == NULL)
        return;
    receive_follow_encap(child->sa, from);
    ike_settle(ike);
}

void ike_stray_esp(struct ike *ike, const struct endpoint *from, uint32_t spi, nanos now)
{
    ike->now = now;
    hint_stray(ike, from, spi, now);
    ike_settle(ike);
}

void ike_unreachable(struct ike *ike, const struct endpoint *remote, nanos now)
{
    ike->now = now;
    hint_unreachable(ike, remote, now);
    ike_settle(ike);
}

void ike_child_expiring(struct ike *ike, ike_child_id id, bool hard, nanos now)
{
    ike->now = now;
    struct child *child = child_find(ike, id);
    if (child == NULL)
        return;
    if (hard)
        child_expire(child);
    else
        child_rekey(child);
    ike_settle(ike);
}

/* --- jobs --- */

/* key_exchange_ended - the key exchange of a request of the peer has ended. */
static void key_exchange_ended(struct sa *sa, nanos now)
{
    bool dropped = sa->key_exchange->ke.error == ERR_AGAIN;
    if (sa->life == IKE_HALF_OPEN) {
        login_init_agreed(sa, now);
    } else if (dropped) { /* too many jobs wait: the request counts as lost */
        answer_forget(sa);
        sa->key_exchange = key_exchange_free(sa->key_exchange);
        sa->answering_later = false;
        sa_touch(sa);
    } else {
        answer_again(sa, now);
    }
}

static void key_exchange_step(struct sa *sa, ike_job_id id, const struct ike_result *result,
                              nanos now)
{
    if (key_exchange_done(sa->key_exchange, id, result))
        key_exchange_ended(sa, now);
    else if (sa->asking != NULL && key_exchange_done(sa->asking->key_exchange, id, result))
        exchange_keys_done(sa, now);
}

void ike_complete(struct ike *ike, ike_job_id id, const struct ike_result *result, nanos now)
{
    struct job job;
    ike->now = now;
    if (!job_take(ike, id, &job))
        return;
    if (job.kind == IKE_EV_CHILD_INSTALL) {
        struct child *child = child_find(ike, job.child);
        if (child != NULL)
            child_installed(child, result->error);
    } else {
        struct sa *sa = job_sa(ike, &job);
        if (job.kind == IKE_EV_KE) {
            if (sa != NULL)
                key_exchange_step(sa, id, result, now);
        } else if (job.kind == IKE_EV_LEASE && job.child != 0) {
            inner_leased(ike, sa, job.child, result);
        } else if (sa != NULL) {
            login_job_done(sa, job.kind, result, now);
        } else if (job.kind == IKE_EV_LEASE && result->error == 0)
            login_lease_orphaned(ike, &job);
        early_replay(ike, now);
    }
    ike_settle(ike);
}

/* --- commands --- */

int ike_command(struct ike *ike, const struct ike_command *command, nanos now)
{
    ike->now = now;
    int err = command_run(ike, command, now);
    ike_settle(ike);
    return err;
}
