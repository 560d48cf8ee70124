/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/exchanges/mobike.h"
#include "ike/exchanges/exchange_path_terms.h"

#include "ike/core/ike_state.h"

static bool usable(const struct ike *ike, const struct address *address)
{
    return address_usable_outer(address, ike->options.allow_loopback) &&
           !address_is_link_local(address);
}

/* announces_address - the peer may learn this address: `local_addrs` is empty or has it. Path
 * sections name their addresses themselves. */
static bool announces_address(const struct ike_conn *conn, const struct address *address)
{
    bool any = conn->n_local_addrs == 0 || conn->n_paths > 0;
    for (uint8_t i = 0; i < conn->n_local_addrs; i++) {
        const struct ike_remote *own = &conn->local_addrs[i];
        any |= own->range.first.family == ADDRESS_NONE || range_contains(&own->range, address);
    }
    return any;
}

void mobike_add_addresses(const struct sa *sa, const struct ike_path *path, bool empty_too,
                          struct wire_builder *message)
{
    unsigned n = 0;
    for (uint8_t i = 0; i < sa->ike->n_local && n < LIMIT_ADDITIONAL; i++) {
        const struct address *address = &sa->ike->local[i];
        if (address_equal(address, &path->local.address) || !usable(sa->ike, address) ||
            !announces_address(sa->session->conn, address))
            continue;
        wire_add_notify(message,
                        address->family == ADDRESS_V4 ? N_ADDITIONAL_IP4_ADDRESS
                                                      : N_ADDITIONAL_IP6_ADDRESS,
                        address_span(address));
        n++;
    }
    if (n == 0 && empty_too)
        wire_add_notify(message, N_NO_ADDITIONAL_ADDRESSES, (struct span){0});
}

static void add_peer_address(struct sa *sa, const struct address *address)
{
    for (uint8_t i = 0; i < sa->n_peer_addresses; i++)
        if (address_equal(&sa->peer_addresses[i], address))
            return;
    if (sa->n_peer_addresses <= LIMIT_ADDITIONAL)
        sa->peer_addresses[sa->n_peer_addresses++] = *address;
}

void mobike_read_addresses(struct sa *sa, const struct wire_message *message,
                           const struct ike_path *path)
{
    struct address before[LIMIT_ADDITIONAL + 1];
    uint8_t n_before = sa->n_peer_addresses;
    const struct wire_payload *p = NULL;
    struct wire_notify notify;
    struct address address;
    bool any = false;

    memcpy(before, sa->peer_addresses, sizeof(before));
    while ((p = wire_find(message, WIRE_PAYLOAD_N, p)) != NULL) {
        if (!wire_notify_read(p->body, &notify))
            continue;
        bool v4 = notify.type == N_ADDITIONAL_IP4_ADDRESS;
        bool v6 = notify.type == N_ADDITIONAL_IP6_ADDRESS;
        if (!v4 && !v6 && notify.type != N_NO_ADDITIONAL_ADDRESSES)
            continue;
        if (!any) { /* section 3.6: a message holds the whole new list */
            any = true;
            sa->n_peer_addresses = 0;
            add_peer_address(sa, &path->remote.address);
        }
        if ((v4 || v6) && notify.data.len == (v4 ? 4u : 16u) &&
            address_from(notify.data, &address) && usable(sa->ike, &address))
            add_peer_address(sa, &address);
    }
    if (any && (n_before != sa->n_peer_addresses ||
                memcmp(before, sa->peer_addresses, n_before * sizeof(before[0])) != 0))
        event_sa(sa, IKE_EV_PEER_ADDRESSES);
}

/* RFC 4555 section 3.9: source address | destination address | ports, as the sender sees them. */
static bool nats_forbidden_but_there(const struct wire_message *request,
                                     const struct ike_path *path)
{
    struct wire_notify notify;
    uint8_t want[36];
    struct writer w = writer_of(want, sizeof(want));
    if (!wire_notify_find(request, N_NO_NATS_ALLOWED, &notify))
        return false;
    write_bytes(&w, address_span(&path->remote.address));
    write_bytes(&w, address_span(&path->local.address));
    write_u16(&w, path->remote.port);
    write_u16(&w, path->local.port);
    return !span_equal(notify.data, writer_span(&w));
}

uint16_t mobike_refusal(const struct sa *sa, const struct wire_message *request,
                        const struct ike_path *path, bool update)
{
    if (update && !usable(sa->ike, &path->remote.address))
        return N_UNACCEPTABLE_ADDRESSES;
    return nats_forbidden_but_there(request, path) ? N_UNEXPECTED_NAT_DETECTED : 0;
}

/* answer_cookie2 - section 3.7: returns COOKIE2 unchanged, even in a refusal. */
static void answer_cookie2(struct answering *answering)
{
    struct wire_notify cookie2;
    if (wire_notify_find(answering->request, N_COOKIE2, &cookie2) && cookie2.data.len >= 8 &&
        cookie2.data.len <= 64)
        wire_add_notify(answering->reply, N_COOKIE2, cookie2.data);
}

/* is_update - section 3.5: only the End User decides. We ignore the notify of any other peer (M2). */
static bool is_update(const struct sa *sa, const struct wire_message *request)
{
    return sa->session->mobike && sa->session->role == IKE_GATEWAY &&
           wire_notify_has(request, N_UPDATE_SA_ADDRESSES);
}

bool mobike_too_often(struct sa *sa, const struct wire_message *request, nanos now)
{
    return is_update(sa, request) && !session_moves(sa->session, now);
}

bool mobike_answer(struct sa *sa, struct answering *answering, bool *ret_move)
{
    const struct wire_message *request = answering->request;
    *ret_move = false;
    if (!sa->session->mobike)
        return true;
    bool update = is_update(sa, request);
    uint16_t refusal = mobike_refusal(sa, request, answering->path, update);
    if (refusal != 0)
        answer_refuse(answering, refusal);
    else if (wire_notify_has(request, N_NAT_DETECTION_SOURCE_IP))
        nat_detection_add(sa, answering->reply, answering->path, sa->session->conn->encap);
    answer_cookie2(answering);
    *ret_move = update;
    return refusal == 0;
}

bool mobike_watches_nat(const struct sa *sa)
{
    return sa->session->mobike && sa->session->role == IKE_END_USER && sa->nat_local;
}

bool mobike_mapping_changed(struct sa *sa, const struct wire_message *response)
{
    struct wire_notify notify;
    if (!mobike_watches_nat(sa) ||
        !wire_notify_find(response, N_NAT_DETECTION_DESTINATION_IP, &notify) ||
        notify.data.len != sizeof(sa->nat_mapping))
        return false;
    /* The first mapping that we see counts as a change. A login does not show the mapping, and a
     * hash before a rekey has other SPIs. So we tell the Gateway our address once. */
    bool changed =
        !sa->nat_mapping_known || memcmp(sa->nat_mapping, notify.data.ptr, notify.data.len) != 0;
    memcpy(sa->nat_mapping, notify.data.ptr, notify.data.len);
    sa->nat_mapping_known = true;
    return changed;
}

void mobike_moved(struct sa *sa, const struct ike_path *path, const struct nat_seen *nat, nanos now)
{
    struct sa *heir = sa_heir(sa);
    if (heir != NULL) { /* rekeyed meanwhile: the IKE SA with the Child SAs moves */
        mobike_moved(heir, path, nat, now);
        return;
    }
    path_terms_moved(sa);
    bool same_address = address_equal(&sa->path.remote.address, &path->remote.address) &&
                        address_equal(&sa->path.local.address, &path->local.address);
    sa->pending_path = *path;
    sa->pending_ns = now;
    sa->pending_follows = !sa->session->cloned;
    sa->pending_nat_local = nat->present ? nat->local : sa->nat_local;
    sa->pending_nat_remote = nat->present ? nat->remote : sa->nat_remote;
    exchange_redirect(sa, path, now);
    struct intent intent = {.kind = INTENT_ROUTABILITY, .path = *path};
    /* Section 3.7: the peer has to answer from a new address before that gets much traffic. A new
     * port of the same address is a new NAT mapping: it cannot hit a third party. */
    if (!same_address) {
        if (!intent_pending(sa, INTENT_ROUTABILITY, 0))
            intent_owe(sa, &intent);
        return;
    }
    mobike_apply_pending(sa);
}

void mobike_apply_pending(struct sa *sa)
{
    struct sa *moved = sa_heir(sa) != NULL ? sa_heir(sa) : sa;
    /* RFC 4555 section 3.5: the last move counts. The heir has moved later, and checks that
     * path. */
    if (moved->pending_ns > sa->pending_ns)
        return;
    moved->nat_local = sa->pending_nat_local;
    moved->nat_remote = sa->pending_nat_remote;
    moved->peer_addresses[0] = sa->pending_path.remote.address;
    if (moved->n_peer_addresses == 0)
        moved->n_peer_addresses = 1;
    sa_path_follow(moved, &sa->pending_path, sa->pending_follows);
}
