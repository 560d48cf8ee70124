/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/exchanges/child_terms.h"

#include "base/writer.h"
#include "ike/core/exchange.h"
#include "ike/core/ike_state.h"
#include "ike/core/keymat.h"
#include "ike/core/session.h"
#include "ike/exchanges/clone_address.h"
#include "ike/exchanges/ordered_esp_terms.h"
#include "ike/exchanges/transport_terms.h"
#include "ike/terms/identity.h"
#include "ike/terms/narrow.h"

const struct ike_child_policy *child_policy_find(const struct ike_conn *conn, const char *name)
{
    for (uint8_t i = 0; i < conn->n_children; i++)
        if (name == NULL || name[0] == '\0' || strcmp(conn->children[i].name, name) == 0)
            return &conn->children[i];
    return NULL;
}

/* inner_addresses - the inner addresses of the End User: leased, or none. */
static size_t inner_addresses(const struct sa *sa, struct address *out)
{
    const struct ike_config *config = inner_config(sa);
    memcpy(out, config->addresses, config->n_addresses * sizeof(config->addresses[0]));
    return config->n_addresses;
}

void child_ts_any(const struct sa *sa, const struct ike_child_policy *policy,
                  struct ike_ts_list *ret_list)
{
    const struct ike_conn *conn = sa->session->conn;
    ts_fixed(&policy->local_ts, ret_list);
    for (uint8_t i = 0; i < policy->local_ts.n_dynamic; i++)
        for (uint8_t j = 0; j < conn->n_vips && ret_list->n < POLICY_TS; j++) {
            struct address any = {.family = conn->vips[j].family};
            struct ike_ts *ts = &ret_list->ts[ret_list->n++];
            ts->protocol = policy->local_ts.dynamic[i].protocol;
            ts->start_port = policy->local_ts.dynamic[i].start_port;
            ts->end_port = policy->local_ts.dynamic[i].end_port;
            (void)range_from_prefix(&any, 0, &ts->range);
        }
}

void child_ts_own(const struct sa *sa, const struct ike_child_policy *policy,
                  struct ike_ts_list *ret_list)
{
    struct address inner[IKE_LEASE_ADDRESSES];
    const struct session *session = sa->session;
    size_t n = session->role == IKE_END_USER ? inner_addresses(sa, inner) : 0;

    if (n == 0 && session->role == IKE_END_USER && session->conn->n_vips > 0) {
        child_ts_any(sa, policy, ret_list); /* not known yet */
        return;
    }
    if (n == 0)
        inner[n++] = sa->path.local.address;
    ts_resolve(&policy->local_ts, inner, n, ret_list);
}

void child_ts_peer(const struct sa *sa, const struct ike_child_policy *policy,
                   struct ike_ts_list *ret_list)
{
    struct address inner[IKE_LEASE_ADDRESSES];
    bool gateway = sa->session->role == IKE_GATEWAY;
    size_t n = gateway ? inner_addresses(sa, inner) : 0;
    /* Behind a NAT the outer address belongs to the NAT, not to the End User. Where the Gateway has
     * pools, only a lease is an inner address. */
    if (n == 0 && !(gateway && (sa->nat_remote || sa->session->conn->n_pools > 0)))
        inner[n++] = sa->path.remote.address;
    ts_resolve(&policy->remote_ts, inner, n, ret_list);
}

void child_ts_packet(const struct sa *sa, const struct ike_child_policy *policy,
                     const struct ike_packet *packet, struct ike_ts_list *local,
                     struct ike_ts_list *remote)
{
    bool waits = inner_asks(sa) || inner_config(sa)->n_addresses == 0;
    if (packet->src.family == ADDRESS_NONE)
        return;
    if (policy->local_ts.n_dynamic == 0 || sa->session->conn->n_vips == 0 || !waits)
        ts_first(&packet->src, packet->protocol, packet->src_port, local);
    ts_first(&packet->dst, packet->protocol, packet->dst_port, remote);
}

void child_offer_sa(const struct ike_child_policy *policy, uint32_t spi_in, bool with_ke,
                    struct wire_builder *request)
{
    struct wire_sa offer;
    uint8_t spi[4];
    struct writer w = writer_of(spi, sizeof(spi));
    write_u32(&w, spi_in);
    proposal_to_wire(&policy->proposals, span_of(spi, sizeof(spi)), with_ke, &offer);
    wire_add_sa(request, &offer);
}

bool child_transport_offer(const struct sa *sa, const struct ike_child_policy *policy,
                           struct ike_ts_list *local, struct ike_ts_list *remote,
                           struct wire_builder *request)
{
    if (policy->mode != IKE_MODE_TRANSPORT || !transport_narrow(sa, local, remote))
        return false;
    wire_add_notify(request, N_USE_TRANSPORT_MODE, (struct span){0});
    return true;
}

static void add_ts(struct wire_builder *message, uint8_t type, const struct ike_ts_list *list)
{
    struct wire_ts_list wire;
    ts_to_wire(list, &wire);
    wire_add_ts(message, type, &wire);
}

void child_offer_ts(const struct ike_ts_list *local, const struct ike_ts_list *remote,
                    struct wire_builder *request)
{
    add_ts(request, WIRE_PAYLOAD_TSi, local);
    add_ts(request, WIRE_PAYLOAD_TSr, remote);
}

static uint32_t spi_of(struct span octets)
{
    return (uint32_t)octets.ptr[0] << 24 | (uint32_t)octets.ptr[1] << 16 |
           (uint32_t)octets.ptr[2] << 8 | octets.ptr[3];
}

static bool spi_ok(const struct wire_sa *sa)
{
    for (size_t i = 0; i < sa->n; i++)
        if (sa->proposals[i].protocol == WIRE_PROTO_ESP &&
            (sa->proposals[i].spi.len != 4 || spi_of(sa->proposals[i].spi) < 256))
            return false;
    return true;
}

struct offered {
    struct wire_sa sa;
    struct ike_ts_list ts_i, ts_r;
};

/* policy_loaded - the child in the current configuration. An IKE SA keeps the connection that it
 * began with, even after its unload. NULL: the current connection has no such child. */
static const struct ike_child_policy *policy_loaded(const struct sa *sa,
                                                    const struct ike_child_policy *policy)
{
    const struct ike_conn *conn = ike_conn_find(sa->ike, sa->session->conn->name);
    return conn == NULL ? policy : child_policy_find(conn, policy->name);
}

/* still_allowed - the selectors in use that the policy still allows. A single address may come from
 * `dynamic`, so it stays if the policy has dynamic entries. */
static void still_allowed(const struct ike_ts *ts, uint8_t n, const struct ike_ts_policy *policy,
                          struct ike_ts_list *ret_list)
{
    ret_list->n = 0;
    struct ike_ts_list fixed;
    ts_fixed(policy, &fixed);
    for (uint8_t i = 0; i < n; i++) {
        struct ike_ts_list one = {.n = 1, .ts = {ts[i]}}, kept = one;
        bool host = address_equal(&ts[i].range.first, &ts[i].range.last);
        if (!host || policy->n_dynamic == 0)
            ts_narrow(&one, &fixed, &kept);
        for (size_t j = 0; j < kept.n && ret_list->n < POLICY_TS; j++)
            ret_list->ts[ret_list->n++] = kept.ts[j];
    }
}

/* with_those_in_use - section 2.9.2: a rekey does not narrow. So selectors in use stay, even if
 * `dynamic` stands for another outer address since a move. */
static void with_those_in_use(const struct ike_ts *ts, uint8_t n,
                              const struct ike_ts_policy *policy, struct ike_ts_list *list)
{
    struct ike_ts_list more = *list;
    still_allowed(ts, n, policy, list);
    for (size_t i = 0; i < more.n && list->n < POLICY_TS; i++)
        list->ts[list->n++] = more.ts[i];
}

bool child_ts_in_use(const struct child *child, struct ike_ts_list *ret_local,
                     struct ike_ts_list *ret_remote)
{
    const struct ike_child_policy *policy = policy_loaded(child->sa, child->policy);
    if (policy == NULL)
        return false;
    still_allowed(child->ts, child->n_local_ts, &policy->local_ts, ret_local);
    still_allowed(child->ts + child->n_local_ts, child->n_remote_ts, &policy->remote_ts,
                  ret_remote);
    return ret_local->n > 0 && ret_remote->n > 0;
}

static void ts_append(const struct ike_ts_policy *policy, const struct address *address,
                      struct ike_ts_list *list)
{
    struct ike_ts_list more;
    ts_resolve(policy, address, 1, &more);
    for (size_t i = 0; i < more.n && list->n < POLICY_TS; i++)
        list->ts[list->n++] = more.ts[i];
}

/* with_those_to_come - adds the outer addresses of our outstanding move. The peer may have moved
 * already, and its rekey may arrive before its response to the move. */
static void with_those_to_come(const struct sa *sa, const struct ike_child_policy *policy,
                               struct ike_ts_list *own, struct ike_ts_list *peer)
{
    const struct asking *asking = sa->asking;
    if (asking == NULL || asking->intent.kind != INTENT_MOVE || !window_busy(&sa->mine) ||
        inner_config(sa)->n_addresses > 0)
        return;
    ts_append(&policy->local_ts, &asking->path.local.address, own);
    ts_append(&policy->remote_ts, &asking->path.remote.address, peer);
}

/* outer_of_nat - the peer has no inner address, and a NAT may share its outer one with others. */
static bool outer_of_nat(const struct sa *sa)
{
    return sa->nat_remote && inner_config(sa)->n_addresses == 0;
}

/*
 * peer_claims_address - a peer that forces encapsulation looks as if it were behind a NAT. It asks
 * for the address that we see, while a host behind a NAT knows its private one only. Its ports must
 * be unchanged as well. This widens nothing: a host that lies about its address here could lie in
 * NAT_DETECTION_SOURCE_IP.
 */
static bool peer_claims_address(const struct sa *sa, const struct ike_ts_list *asked)
{
    const struct endpoint *peer = &sa->path.remote;
    if (sa->session->role != IKE_GATEWAY || !outer_of_nat(sa) || sa->session->conn->n_pools > 0 ||
        (peer->port != 500 && peer->port != 4500))
        return false;
    for (size_t i = 0; i < asked->n; i++)
        if (!address_equal(&asked->ts[i].range.first, &peer->address) ||
            !address_equal(&asked->ts[i].range.last, &peer->address))
            return false;
    return asked->n > 0;
}

static void with_claimed_address(const struct sa *sa, const struct ike_child_policy *policy,
                                 const struct ike_ts_list *asked, struct ike_ts_list *peer)
{
    if (peer_claims_address(sa, asked))
        ts_append(&policy->remote_ts, &sa->path.remote.address, peer);
}

static void ts_allowed(const struct sa *sa, const struct ike_child_policy *policy,
                       const struct child *old, struct ike_ts_list *ret_own,
                       struct ike_ts_list *ret_peer)
{
    child_ts_own(sa, policy, ret_own);
    child_ts_peer(sa, policy, ret_peer);
    if (old == NULL)
        return;
    with_those_to_come(sa, policy, ret_own, ret_peer);
    with_those_in_use(old->ts, old->n_local_ts, &policy->local_ts, ret_own);
    with_those_in_use(old->ts + old->n_local_ts, old->n_remote_ts, &policy->remote_ts, ret_peer);
}

static bool ts_overlap(const struct ike_ts_list *list, const struct child *child)
{
    struct ike_ts_list theirs = {.n = child->n_remote_ts}, both;
    memcpy(theirs.ts, child->ts + child->n_local_ts, child->n_remote_ts * sizeof(child->ts[0]));
    ts_narrow(list, &theirs, &both);
    return both.n > 0;
}

/* ts_claimed - another peer of the same connection already has a part of these selectors. Selectors of
 * different connections overlap only if the configuration says so. */
static bool ts_claimed(const struct sa *sa, const struct ike_child_policy *policy,
                       const struct child_terms *terms)
{
    const struct session *session = sa->session;
    const struct ike_ts_list *remote = &terms->remote_ts;
    if (session->role != IKE_GATEWAY || ike_child_is_unique(policy) ||
        (policy->remote_ts.fixed.n == 0 && !terms->transport && !outer_of_nat(sa)))
        return false; /* a lease belongs to one peer only, as does an outer address without a NAT */
    for (const struct child *child = sa->ike->children; child != NULL; child = child->next) {
        const struct session *other = child->sa->session;
        if (other != session && other->role == IKE_GATEWAY && child->life != IKE_CHILD_DELETING &&
            strcmp(other->conn->name, session->conn->name) == 0 &&
            !identity_equal(&other->remote_id, &session->remote_id) && ts_overlap(remote, child))
            return true;
    }
    return false;
}

/* transport_terms - section 2.23.1: the request asks for transport mode, and the policy allows it
 * between the two hosts. Behind a NAT, the addresses are those that this host sees. */
static bool transport_terms(const struct sa *sa, const struct ike_child_policy *policy,
                            const struct child_request *request, const struct offered *offered,
                            struct child_terms *terms)
{
    struct ike_ts_list own = offered->ts_r, peer = offered->ts_i, own_allowed, peer_allowed;
    const struct wire_message *m = request->message;
    if (policy->mode != IKE_MODE_TRANSPORT || !wire_notify_has(m, N_USE_TRANSPORT_MODE) ||
        wire_notify_has(m, N_UPDATE_SA_ADDRESSES) || !transport_seen(sa, &own, &peer))
        return false;
    ts_resolve(&policy->local_ts, &sa->path.local.address, 1, &own_allowed);
    ts_resolve(&policy->remote_ts, &sa->path.remote.address, 1, &peer_allowed);
    ts_narrow(&own, &own_allowed, &terms->local_ts);
    ts_narrow(&peer, &peer_allowed, &terms->remote_ts);
    return transport_between_hosts(sa, &terms->local_ts, &terms->remote_ts);
}

/* policy_fits - checks one policy against the request. 0, or the reason of refusal. */
static uint16_t policy_fits(const struct sa *sa, const struct ike_child_policy *policy,
                            const struct child_request *request, const struct offered *offered,
                            struct proposal_wish wish, struct child_terms *terms)
{
    const struct ike_child_policy *loaded = policy_loaded(sa, policy);
    struct ike_ts_list own, peer;
    if (loaded == NULL)
        return N_TS_UNACCEPTABLE;
    terms->transport = transport_terms(sa, loaded, request, offered, terms);
    if (!terms->transport) {
        ts_allowed(sa, loaded, request->old, &own, &peer);
        with_claimed_address(sa, loaded, &offered->ts_i, &peer);
        ts_narrow(&offered->ts_i, &peer, &terms->remote_ts);
        ts_narrow(&offered->ts_r, &own, &terms->local_ts);
    }
    if (terms->remote_ts.n == 0 || terms->local_ts.n == 0)
        return N_TS_UNACCEPTABLE;
    if (ts_claimed(sa, policy, terms))
        return N_TS_UNACCEPTABLE;
    terms->policy = policy;
    if (!proposal_select(&loaded->proposals, &offered->sa, WIRE_PROTO_ESP, wish, &terms->choice))
        return N_NO_PROPOSAL_CHOSEN;
    return 0;
}

/* ts_nearness - how much of the request's first selector the policy allows: 2 all of it, 1 a part,
 * 0 nothing. */
static unsigned ts_nearness(const struct ike_ts_list *asked, const struct ike_ts_list *allowed_ts)
{
    struct ike_ts_list first = {.n = 1}, both;
    if (asked->n == 0)
        return 0;
    first.ts[0] = asked->ts[0];
    ts_narrow(&first, allowed_ts, &both);
    return ts_within(&first, allowed_ts) ? 2 : both.n > 0;
}

#define RANKS 5

/* policy_rank - section 2.9: a responder must accept the first selectors if its policy allows. */
static unsigned policy_rank(const struct sa *sa, const struct ike_child_policy *policy,
                            const struct offered *offered)
{
    const struct ike_child_policy *loaded = policy_loaded(sa, policy);
    struct ike_ts_list own, peer;
    if (loaded == NULL)
        return 0;
    ts_allowed(sa, loaded, NULL, &own, &peer);
    with_claimed_address(sa, loaded, &offered->ts_i, &peer);
    unsigned i = ts_nearness(&offered->ts_i, &peer), r = ts_nearness(&offered->ts_r, &own);
    return i > 0 && r > 0 ? i + r : 0;
}

/* policy_choose - the policy that fits best; for a rekey the policy of the same name. 0, or the
 * refusal of the policy that was closest. */
static uint16_t policy_choose(const struct sa *sa, const struct child_request *request,
                              const struct offered *offered, struct proposal_wish wish,
                              struct child_terms *terms)
{
    const struct ike_conn *conn = sa->session->conn;
    uint16_t why = N_TS_UNACCEPTABLE;
    for (unsigned wanted = RANKS; wanted-- > 0;)
        for (uint8_t i = 0; why != 0 && i < conn->n_children; i++) {
            const struct ike_child_policy *policy = &conn->children[i];
            if (request->old != NULL && strcmp(request->old->policy->name, policy->name) != 0)
                continue;
            if (policy_rank(sa, policy, offered) != wanted)
                continue;
            uint16_t refused = policy_fits(sa, policy, request, offered, wish, terms);
            if (refused == 0 || refused == N_NO_PROPOSAL_CHOSEN)
                why = refused;
        }
    return why;
}

static bool offered_read(const struct wire_message *m, struct offered *ret_offered)
{
    const struct wire_payload *sa = wire_find(m, WIRE_PAYLOAD_SA, NULL);
    const struct wire_payload *tsi = wire_find(m, WIRE_PAYLOAD_TSi, NULL);
    const struct wire_payload *tsr = wire_find(m, WIRE_PAYLOAD_TSr, NULL);
    return sa != NULL && tsi != NULL && tsr != NULL && wire_sa_read(sa->body, &ret_offered->sa) &&
           spi_ok(&ret_offered->sa) && ts_from_wire(tsi->body, &ret_offered->ts_i) &&
           ts_from_wire(tsr->body, &ret_offered->ts_r);
}

bool child_request_readable(const struct wire_message *request)
{
    struct offered offered;
    return offered_read(request, &offered);
}

/* notice_refused - the peer learns the kind of refusal only, so our log says what it asked for. */
static void notice_refused(struct sa *sa, const struct offered *offered, uint16_t why)
{
    char peer[IDENTITY_TEXT_MAX], own[RANGE_TEXT_MAX], far[RANGE_TEXT_MAX];
    (void)identity_print(&sa->session->remote_id, peer);
    if (why == N_NO_PROPOSAL_CHOSEN)
        event_notice(sa, "a Child SA is refused to %s: no algorithms in common, see esp_proposals",
                     peer);
    else if (offered->ts_i.n > 0 && offered->ts_r.n > 0)
        event_notice(sa,
                     "a Child SA is refused to %s: it asks for %s here and %s there, which no "
                     "child of connection '%s' has in local_ts and remote_ts",
                     peer, range_print(&offered->ts_r.ts[0].range, own),
                     range_print(&offered->ts_i.ts[0].range, far), sa->session->conn->name);
}

uint16_t child_terms_answer(struct sa *sa, const struct child_request *request,
                            struct child_terms *ret_terms)
{
    const struct wire_message *m = request->message;
    const struct wire_payload *ke_payload = wire_find(m, WIRE_PAYLOAD_KE, NULL);
    struct offered offered;
    struct wire_ke ke = {0};

    if (!offered_read(m, &offered) ||
        (request->with_ke && ke_payload != NULL && !wire_ke_read(ke_payload->body, &ke)))
        return N_INVALID_SYNTAX;
    struct proposal_wish wish = {.with_ke = request->with_ke, .ke_sent = ke.group};
    /* RFC 7296 section 3.15.4: the peer must ask for an inner address, and did not */
    if (sa->session->role == IKE_GATEWAY && sa->session->conn->n_pools > 0 &&
        inner_config(sa)->n_addresses == 0)
        return N_FAILED_CP_REQUIRED;
    uint16_t why = policy_choose(sa, request, &offered, wish, ret_terms);
    if (why != 0) {
        notice_refused(sa, &offered, why);
        return why;
    }
    ret_terms->spi_out = spi_of(ret_terms->choice.spi);
    ret_terms->spi_in = child_spi_new(sa->ike);
    ret_terms->order = ordered_esp_agreed(sa, m);
    return request->with_ke && ret_terms->choice.ke != 0 && ret_terms->choice.ke != ke.group
               ? N_INVALID_KE_PAYLOAD
               : 0;
}

void child_answer_sa(const struct child_terms *terms, struct wire_builder *reply)
{
    struct wire_sa answer;
    uint8_t spi[4];
    struct writer w = writer_of(spi, sizeof(spi));
    write_u32(&w, terms->spi_in);
    proposal_choice_to_wire(&terms->choice, WIRE_PROTO_ESP, span_of(spi, sizeof(spi)), &answer);
    wire_add_sa(reply, &answer);
}

void child_answer_ts(const struct child_terms *terms, struct wire_builder *reply)
{
    add_ts(reply, WIRE_PAYLOAD_TSi, &terms->remote_ts);
    add_ts(reply, WIRE_PAYLOAD_TSr, &terms->local_ts);
    if (terms->transport)
        wire_add_notify(reply, N_USE_TRANSPORT_MODE, (struct span){0});
    if (terms->order)
        ordered_esp_answer(reply);
}

enum ike_outcome child_terms_accept(struct sa *sa, const struct wire_message *response,
                                    bool with_ke, const struct ike_ts_list *offered_local,
                                    const struct ike_ts_list *offered_remote,
                                    struct child_terms *terms)
{
    const struct wire_payload *sa_payload = wire_find(response, WIRE_PAYLOAD_SA, NULL);
    const struct wire_payload *tsi = wire_find(response, WIRE_PAYLOAD_TSi, NULL);
    const struct wire_payload *tsr = wire_find(response, WIRE_PAYLOAD_TSr, NULL);
    struct wire_sa answer;

    if (sa_payload == NULL || tsi == NULL || tsr == NULL ||
        !wire_sa_read(sa_payload->body, &answer) || !spi_ok(&answer) ||
        !ts_from_wire(tsi->body, &terms->local_ts) || !ts_from_wire(tsr->body, &terms->remote_ts))
        return IKE_INVALID_SYNTAX;
    if (!proposal_accept(&terms->policy->proposals, &answer, WIRE_PROTO_ESP, with_ke,
                         &terms->choice))
        return IKE_NO_PROPOSAL;
    /* Section 1.3.1: a peer that declines transport mode leaves us a tunnel. */
    bool transport = wire_notify_has(response, N_USE_TRANSPORT_MODE);
    if (transport && !terms->transport)
        return IKE_INVALID_SYNTAX;
    terms->transport = transport;
    if (transport && (!transport_seen(sa, &terms->local_ts, &terms->remote_ts) ||
                      !transport_between_hosts(sa, &terms->local_ts, &terms->remote_ts)))
        return IKE_TS_REFUSED;
    /* The responder may narrow the selectors, but not widen them. */
    if (!ts_within(&terms->local_ts, offered_local) ||
        !ts_within(&terms->remote_ts, offered_remote))
        return IKE_TS_REFUSED;
    ts_reduce(&terms->local_ts);
    ts_reduce(&terms->remote_ts);
    /* An End User with an inner address sends only from that address. */
    if (sa->session->role == IKE_END_USER && inner_config(sa)->n_addresses > 0) {
        struct ike_ts_list own, narrowed;
        child_ts_own(sa, terms->policy, &own);
        ts_narrow(&terms->local_ts, &own, &narrowed);
        if (narrowed.n == 0)
            return IKE_TS_REFUSED;
        terms->local_ts = narrowed;
    }
    terms->spi_out = spi_of(terms->choice.spi);
    terms->order = ordered_esp_agreed(sa, response);
    return IKE_OK;
}

struct child *child_from_terms(struct sa *sa, const struct child_terms *terms,
                               const struct child_keying *keying, nanos now)
{
    struct keymat_child input = {
        .encr = terms->choice.encr,
        .encr_key_bits = terms->choice.encr_key_bits,
        .integ = terms->choice.integ,
        .ni = keying->ni,
        .nr = keying->nr,
        .shared = keying->shared,
        .exchange_initiator = keying->exchange_initiator,
    };
    struct child_spec spec = {
        .policy = terms->policy,
        .spi_in = terms->spi_in,
        .spi_out = terms->spi_out,
        .encr = terms->choice.encr,
        .encr_key_bits = terms->choice.encr_key_bits,
        .integ = terms->choice.integ,
        .ke = terms->choice.ke,
        .esn = terms->choice.esn,
        .order = terms->order,
        .transport = terms->transport,
        .local_ts = &terms->local_ts,
        .remote_ts = &terms->remote_ts,
        .replaces = keying->replaces,
        .outbound_now = keying->outbound_now,
    };
    struct ike_child_keys keys;
    struct child *child = NULL;
    if (keymat_child(sa, &input, &keys) == 0)
        child = child_install(sa, &spec, &keys, now);
    wipe(&keys, sizeof(keys));
    return child;
}
