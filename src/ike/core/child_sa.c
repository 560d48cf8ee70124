/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/child_sa.h"

#include <stdlib.h>

#include "base/assert.h"
#include "ike/core/exchange.h"
#include "ike/core/ike_state.h"
#include "ike/core/inner_address.h"
#include "ike/core/jobs.h"

/* The next attempt after a rekey that the peer took back. */
#define REKEY_AGAIN_NS (10 * NANOS_PER_SEC)

uint32_t child_spi_new(struct ike *ike)
{
    for (;;) {
        uint32_t spi = random_u32(ike->random);
        /* RFC 4303 section 2.1: 1 to 255 are reserved, 0 is never sent. */
        if (spi > 255 && map_get(&ike->children_by_spi, spi) == NULL)
            return spi;
    }
}

static int link_child(struct ike *ike, struct sa *sa, struct child *child)
{
    if (map_put(&ike->children_by_id, child->id, child) != 0)
        return ERR_NO_MEMORY;
    if (map_put(&ike->children_by_spi, child->spi_in, child) != 0) {
        (void)map_take(&ike->children_by_id, child->id);
        return ERR_NO_MEMORY;
    }
    child->sa = sa;
    child->sa_next = sa->children;
    sa->children = child;
    child->previous = ike->children_last;
    if (ike->children_last == NULL)
        ike->children = child;
    else
        ike->children_last->next = child;
    ike->children_last = child;
    sa->session->n_children++;
    ike->stats.children++;
    return 0;
}

static void unlink_child(struct ike *ike, struct child *child)
{
    struct child **link = &child->sa->children;
    while (*link != child)
        link = &(*link)->sa_next;
    *link = child->sa_next;
    if (child->previous == NULL)
        ike->children = child->next;
    else
        child->previous->next = child->next;
    if (child->next == NULL)
        ike->children_last = child->previous;
    else
        child->next->previous = child->previous;
    (void)map_take(&ike->children_by_id, child->id);
    (void)map_take(&ike->children_by_spi, child->spi_in);
    ASSERT(child->sa->session->n_children > 0 && ike->stats.children > 0);
    child->sa->session->n_children--;
    ike->stats.children--;
}

void child_leave(struct child *child)
{
    unlink_child(child->sa->ike, child);
    ike_conn_unref(child->conn);
    free(child);
}

void child_enter(struct child *child)
{
    struct ike *ike = child->sa->ike;
    struct child *before = ike->children_last;
    while (before != NULL && before->id > child->id)
        before = before->previous;
    child->previous = before;
    child->next = before == NULL ? ike->children : before->next;
    if (child->next == NULL)
        ike->children_last = child;
    else
        child->next->previous = child;
    if (before == NULL)
        ike->children = child;
    else
        before->next = child;
    int err = map_put(&ike->children_by_id, child->id, child);
    ASSERT(err == 0);
    err = map_put(&ike->children_by_spi, child->spi_in, child);
    ASSERT(err == 0);
    child->sa->session->n_children++;
    ike->stats.children++;
}

static void start_lifetime(struct child *child, struct ike *ike, nanos now)
{
    const struct ike_lifetime *lifetime = &child->policy->lifetime;
    child->installed_ns = now;
    child->rekey_at_ns = ike_lifetime_rekey_at(lifetime, ike->random, now);
    child->expires_ns = lifetime->life_ns > 0 ? nanos_after(now, lifetime->life_ns) : NANOS_NEVER;
}

static void event_child(const struct child *child, enum ike_event_kind kind)
{
    struct ike_event *event = event_sa(child->sa, kind);
    event->child = child->id;
    event->child_old = child->replaces;
    event->udp_encap = child->udp_encap;
}

/* emit_install - false: no memory. */
static bool emit_install(struct child *child, const struct child_spec *spec,
                         const struct ike_child_keys *keys)
{
    struct sa *sa = child->sa;
    const struct ike_lifetime *lifetime = &child->policy->lifetime;
    const struct random *random = sa->ike->random;
    struct ike_event *event = event_job(sa, IKE_EV_CHILD_INSTALL, child->id, (struct span){0});
    if (event == NULL)
        return false;
    event->child = child->id;
    event->child_old = child->replaces;
    event->udp_encap = child->udp_encap;
    event->install = (struct ike_child_install){
        .child = child->id,
        .sa = sa->id,
        .session = sa->session->id,
        .replaces = child->replaces,
        .spi_in = child->spi_in,
        .spi_out = child->spi_out,
        .keys = *keys,
        .esn = child->esn,
        .order = child->order,
        .transport = child->transport,
        .udp_encap = child->udp_encap,
        .outbound_now = child->outbound,
        .replay_window = child->policy->replay_window,
        .soft_packets =
            ike_lifetime_soft(lifetime->rekey_packets, lifetime->jitter_packets, random),
        .soft_octets = ike_lifetime_soft(lifetime->rekey_bytes, lifetime->jitter_bytes, random),
        .path = sa->path,
        .local_ts = *spec->local_ts,
        .remote_ts = *spec->remote_ts,
        .conn = child->conn,
        .policy = child->policy,
    };
    event_child(child, IKE_EV_CHILD_NEW);
    return true;
}

struct child *child_install(struct sa *sa, const struct child_spec *spec,
                            const struct ike_child_keys *keys, nanos now)
{
    struct ike *ike = sa->ike;
    size_t n = spec->local_ts->n + spec->remote_ts->n;
    bool outbound_now = spec->outbound_now && !inner_waits(sa);
    const struct child *old = child_find(ike, spec->replaces);
    if (map_get(&ike->children_by_spi, spec->spi_in) != NULL)
        return NULL; /* two exchanges under way chose the same SPI */
    struct child *child = calloc(1, sizeof(*child) + n * sizeof(child->ts[0]));
    if (child == NULL)
        return NULL;
    child->id = ++ike->last_child;
    child->replaces = spec->replaces;
    child->conn = ike_conn_ref(sa->session->conn);
    child->policy = spec->policy;
    child->life = outbound_now ? IKE_CHILD_ACTIVE : IKE_CHILD_INBOUND_READY;
    child->spi_in = spec->spi_in;
    child->spi_out = spec->spi_out;
    child->encr = spec->encr;
    child->encr_key_bits = spec->encr_key_bits;
    child->integ = spec->integ;
    child->ke = spec->ke;
    child->esn = spec->esn;
    child->order = spec->order;
    child->transport = spec->transport;
    child->udp_encap = sa_udp_encap(sa);
    child->outbound = outbound_now;
    child->waits = old != NULL ? old->waits && !old->outbound : spec->outbound_now && !outbound_now;
    child->n_local_ts = (uint8_t)spec->local_ts->n;
    child->n_remote_ts = (uint8_t)spec->remote_ts->n;
    memcpy(child->ts, spec->local_ts->ts, spec->local_ts->n * sizeof(child->ts[0]));
    memcpy(child->ts + child->n_local_ts, spec->remote_ts->ts,
           spec->remote_ts->n * sizeof(child->ts[0]));
    if (link_child(ike, sa, child) != 0) {
        ike_conn_unref(child->conn);
        free(child);
        return NULL;
    }
    start_lifetime(child, ike, now);
    if (!emit_install(child, spec, keys)) {
        unlink_child(ike, child);
        ike_conn_unref(child->conn);
        free(child);
        return NULL;
    }
    sa_touch(sa);
    return child;
}

void child_wait_over(struct sa *sa)
{
    for (struct child *child = sa->children; child != NULL; child = child->sa_next)
        if (child->waits && child_find(sa->ike, child->replaces) == NULL)
            child_switch(child);
}

void child_switch(struct child *child)
{
    if (child->outbound)
        return;
    child->outbound = true;
    if (child->life == IKE_CHILD_INBOUND_READY)
        child->life = IKE_CHILD_ACTIVE;
    struct ike_event *event = event_sa(child->sa, IKE_EV_CHILD_SWITCH);
    event->child = child->id;
    event->child_old = child->replaces;
}

void child_down(struct child *child, enum ike_outcome outcome, nanos linger_ns)
{
    struct sa *sa = child->sa;
    struct child *successor = child_find(sa->ike, child->replaced_by);
    struct child *predecessor = child_find(sa->ike, child->replaces);
    /* RFC 7296 section 2.8: without the old Child SA, traffic leaves on the new one. Exception:
     * both wait for an elder session. */
    if (successor != NULL && (child->outbound || (child->waits && !inner_waits(sa))))
        child_switch(successor);
    /* The peer took back its rekey. The old Child SA carries on, and we rekey it later. */
    if (predecessor != NULL && predecessor->replaced_by == child->id) {
        predecessor->replaced_by = 0;
        if (predecessor->life == IKE_CHILD_ACTIVE)
            predecessor->rekey_at_ns = nanos_after(sa->ike->now, REKEY_AGAIN_NS);
    }
    struct ike_event *event = event_sa(sa, IKE_EV_CHILD_REMOVE);
    event->child = child->id;
    event->outcome = outcome;
    event->linger_ns = linger_ns;
    event = event_sa(sa, IKE_EV_CHILD_DOWN);
    event->child = child->id;
    event->child_old = child->replaced_by;
    event->outcome = outcome;
    event_gone(sa, child, child->replaced_by != 0);
    unlink_child(sa->ike, child);
    sa->session->child_refused = false; /* RFC 7296 section 1.3: there may be room again */
    ike_conn_unref(child->conn);
    free(child);
    sa_touch(sa);
}

void child_replaced(struct child *old, struct child *by)
{
    old->life = IKE_CHILD_REPLACED;
    old->replaced_by = by->id;
    old->rekey_at_ns = NANOS_NEVER;
    sa_touch(old->sa);
}

struct child *child_find(const struct ike *ike, ike_child_id id)
{
    return map_get(&ike->children_by_id, id);
}

struct child *child_find_outbound(const struct sa *sa, uint32_t spi_out)
{
    struct child *child = sa->children;
    while (child != NULL && child->spi_out != spi_out)
        child = child->sa_next;
    return child;
}

static void follow(struct ike_ts *ts, uint8_t n, const struct address *from,
                   const struct address *to)
{
    for (uint8_t i = 0; i < n; i++)
        if (address_equal(&ts[i].range.first, from) && address_equal(&ts[i].range.last, from))
            ts[i].range = (struct address_range){*to, *to};
}

void child_path_changed(struct child *child, const struct ike_path *before, bool follows)
{
    const struct sa *sa = child->sa;
    const struct ike_child_policy *policy = child->policy;
    /* The address of the NAT belongs to no single host behind it. child_ts_peer() says the same. */
    bool of_nat =
        sa->session->role == IKE_GATEWAY && (sa->nat_remote || sa->session->conn->n_pools > 0);
    if (child->transport) {
        follow(child->ts, child->n_local_ts, &before->local.address, &sa->path.local.address);
        if (!sa->nat_remote) /* another peer behind the same NAT may have its address already */
            follow(child->ts + child->n_local_ts, child->n_remote_ts, &before->remote.address,
                   &sa->path.remote.address);
    } else if (inner_config(sa)->n_addresses == 0 && follows) {
        if (policy->local_ts.n_dynamic > 0)
            follow(child->ts, child->n_local_ts, &before->local.address, &sa->path.local.address);
        if (policy->remote_ts.n_dynamic > 0 && !of_nat)
            follow(child->ts + child->n_local_ts, child->n_remote_ts, &before->remote.address,
                   &sa->path.remote.address);
    }
    child->udp_encap = sa_udp_encap(child->sa);
    struct ike_event *event = event_sa(child->sa, IKE_EV_CHILD_MOVE);
    event->child = child->id;
    event->udp_encap = child->udp_encap;
}

/* rekey_due - a rekey that waits for a frozen session is due once the session is no longer
 * frozen. */
static nanos rekey_due(const struct child *child)
{
    return child->sa->session->frozen ? NANOS_NEVER : child->rekey_at_ns;
}

nanos child_deadline(const struct child *child)
{
    return nanos_min(rekey_due(child), child->expires_ns);
}

static void delete_with_peer(struct child *child, enum ike_outcome reason)
{
    struct intent intent = {.kind = INTENT_DELETE_CHILD, .child = child->id, .reason = reason};
    struct intent owed = {.kind = INTENT_DELETE_CHILD, .spi_in = child->spi_in, .reason = reason};
    if (intent_pending(child->sa, INTENT_DELETE_CHILD, child->id) ||
        intent_add(child->sa, &intent) == 0)
        return;
    intent_owe(child->sa, &owed);
    child_down(child, reason, 0);
}

void child_tick(struct child *child, nanos now)
{
    if (now >= child->expires_ns) {
        child_expire(child);
        return;
    }
    if (now < rekey_due(child))
        return;
    child->rekey_at_ns = NANOS_NEVER;
    child_rekey(child);
}

void child_rekey(struct child *child)
{
    struct intent intent = {.kind = INTENT_REKEY_CHILD, .child = child->id};
    if (child->life != IKE_CHILD_ACTIVE && child->life != IKE_CHILD_INBOUND_READY)
        return;
    if (intent_pending(child->sa, INTENT_REKEY_CHILD, child->id))
        return;
    /* the rekey is due at once, here or in the process that imports the session */
    if (child->sa->session->frozen) {
        child->rekey_at_ns = nanos_min(child->rekey_at_ns, child->sa->ike->now);
        return;
    }
    /* If the queue is full, the hard lifetime or the next volume limit asks again. */
    (void)!intent_add(child->sa, &intent);
}

/* RFC 7296 section 2.8: an expired SA is not used, even if the peer does not know that it
 * expired. */
void child_expire(struct child *child)
{
    struct intent intent = {
        .kind = INTENT_DELETE_CHILD, .spi_in = child->spi_in, .reason = IKE_EXPIRED};
    child->expires_ns = child->rekey_at_ns = NANOS_NEVER;
    if (intent_pending(child->sa, INTENT_DELETE_CHILD, child->id))
        return; /* the Delete is queued already; its response removes the Child SA */
    intent_owe(child->sa, &intent);
    child_down(child, IKE_EXPIRED, 0);
}

void child_installed(struct child *child, int error)
{
    if (error != 0) {
        delete_with_peer(child, IKE_INSTALL_FAILED);
        return;
    }
    child->up = true;
    event_child(child, IKE_EV_CHILD_UP);
}
