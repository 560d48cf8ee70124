/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/session_octets.h"

#include <stdio.h>
#include <stdlib.h>

#include "ike/core/exchange.h"
#include "ike/core/inner_address.h"
#include "wire/traffic_classes.h"

/* The importer skips that many explicit IVs. The source has used none of them: each message that it
 * sealed was sent before the export. 2^64 are enough. */
#define IV_LEASE (1u << 16)
/* The highest number of the source that an importer takes. It counts on from there, so some numbers
 * must be left. */
#define NUMBER_MOST (UINT32_MAX - (1u << 20))
/* Octets of one message: its datagrams, headers and fragments included. */
#define PACKET_MOST (2 * LIMIT_IKE_MESSAGE)

enum section { SECTION_SESSION = 1, SECTION_SA, SECTION_CHILD };

/* The kinds of our requests that may leave without a response. The export has the index in this
 * table. */
static const struct {
    enum intent_kind kind;
    const struct exchange_ops *ops;
} questions[] = {
    {INTENT_PROBE, &exchange_probe},
    {INTENT_PATH_TEST, &exchange_path_test},
    {INTENT_STRAY, &exchange_stray},
};
#define N_QUESTIONS (sizeof(questions) / sizeof(questions[0]))

static uint32_t question_of(enum intent_kind kind)
{
    uint32_t i = 0;
    while (i < N_QUESTIONS && questions[i].kind != kind)
        i++;
    return i;
}

bool export_carries(enum intent_kind kind)
{
    return question_of(kind) < N_QUESTIONS;
}

/* --- parts of several structs --- */

/* carry_number - carries the number of a session, IKE SA or Child SA. */
static uint32_t carry_number(struct carrier *c, uint32_t number, uint32_t least)
{
    return carry_within(c, number, least, NUMBER_MOST);
}

static void carry_id(struct carrier *c, struct ike_id *id)
{
    id->type = carry_u8(c, id->type);
    id->len = (uint16_t)carry_within(c, id->len, 0, sizeof(id->data));
    carry_octets(c, id->data, id->len);
}

static void carry_path(struct carrier *c, struct ike_path *path)
{
    carry_endpoint(c, &path->local);
    carry_endpoint(c, &path->remote);
    path->interface = carry_u32(c, path->interface);
    carrier_check(c, path->remote.address.family != ADDRESS_NONE &&
                         path->remote.address.family == path->local.address.family);
}

static void carry_encrypted_dns(struct carrier *c, struct encrypted_dns *dns)
{
    dns->n = (uint8_t)carry_within(c, dns->n, 0, ENCRYPTED_DNS_SERVERS);
    for (uint8_t i = 0; i < dns->n; i++)
        carry_address(c, &dns->servers[i]);
    dns->port = carry_u16(c, dns->port);
    carry_text(c, dns->name, sizeof(dns->name));
    carrier_check(c, encrypted_dns_sound(dns));
}

static void carry_config(struct carrier *c, struct ike_config *config)
{
    config->n_addresses = (uint8_t)carry_within(c, config->n_addresses, 0, IKE_LEASE_ADDRESSES);
    for (uint8_t i = 0; i < config->n_addresses; i++)
        carry_address(c, &config->addresses[i]);
    config->n_dns =
        (uint8_t)carry_within(c, config->n_dns, 0, sizeof(config->dns) / sizeof(config->dns[0]));
    for (uint8_t i = 0; i < config->n_dns; i++)
        carry_address(c, &config->dns[i]);
    carry_encrypted_dns(c, &config->encrypted_dns);
    config->n_subnets = (uint8_t)carry_within(c, config->n_subnets, 0,
                                              sizeof(config->subnets) / sizeof(config->subnets[0]));
    for (uint8_t i = 0; i < config->n_subnets; i++)
        carry_range(c, &config->subnets[i]);
    carry_text(c, config->domains.text, sizeof(config->domains.text));
    carrier_check(c, domain_list_sound(&config->domains));
}

/* carry_room - allocates a zeroed object for a carrier that reads. NULL: no memory, or the carrier
 * had failed; it has failed now. */
static void *carry_room(struct carrier *c, size_t size)
{
    void *room = c->error == 0 ? calloc(1, size) : NULL;
    if (room == NULL)
        carrier_fail(c, ERR_NO_MEMORY);
    return room;
}

/* carry_optional - carries whether there is the object. Returns it, or a zeroed one for a carrier
 * that reads. NULL: there is none, or the carrier has failed. */
static void *carry_optional(struct carrier *c, void *object, size_t size)
{
    bool there = carry_bool(c, object != NULL);
    return there && object == NULL ? carry_room(c, size) : object;
}

/* --- Child SA --- */

static void carry_ts(struct carrier *c, struct ike_ts *ts)
{
    ts->protocol = carry_u8(c, ts->protocol);
    ts->start_port = carry_u16(c, ts->start_port);
    ts->end_port = carry_u16(c, ts->end_port);
    carry_range(c, &ts->range);
}

/* carry_policy - carries the name of the child in its connection. A session stays if the importer
 * has not loaded that child. */
static void carry_policy(struct carrier *c, const struct session *session, struct child *child)
{
    char name[LIMIT_NAME] = "";
    if (!carrier_is_reader(c))
        (void)snprintf(name, sizeof(name), "%s", child->policy->name);
    carry_text(c, name, sizeof(name));
    const struct ike_conn *conn =
        c->error == 0 ? ike_conn_find(session->ike, session->conn->name) : NULL;
    const struct ike_child_policy *policy = NULL;
    for (uint8_t i = 0; conn != NULL && i < conn->n_children && policy == NULL; i++)
        if (strcmp(conn->children[i].name, name) == 0)
            policy = &conn->children[i];
    if (policy == NULL)
        carrier_fail(c, ERR_NOT_FOUND);
    if (!carrier_is_reader(c) || policy == NULL)
        return;
    child->policy = policy;
    child->conn = ike_conn_ref(session->conn);
}

static void child_fields(struct carrier *c, struct sa *sa, struct child *child)
{
    carry_policy(c, sa->session, child);
    child->id = carry_number(c, child->id, 1);
    child->replaces = carry_number(c, child->replaces, 0);
    child->replaced_by = carry_number(c, child->replaced_by, 0);
    child->life = (enum ike_child_life)carry_within(c, child->life, IKE_CHILD_INBOUND_READY,
                                                    IKE_CHILD_REPLACED);
    child->spi_in = carry_u32(c, child->spi_in);
    child->spi_out = carry_u32(c, child->spi_out);
    carrier_check(c, child->spi_in > 255); /* RFC 4303 section 2.1 */
    child->encr = carry_u16(c, child->encr);
    child->encr_key_bits = carry_u16(c, child->encr_key_bits);
    child->integ = carry_u16(c, child->integ);
    child->ke = carry_u16(c, child->ke);
    child->esn = carry_bool(c, child->esn);
    child->udp_encap = carry_bool(c, child->udp_encap);
    child->up = carry_bool(c, child->up);
    child->order = carry_bool(c, child->order);
    child->transport = carry_bool(c, child->transport);
    child->outbound = carry_bool(c, child->outbound);
    child->waits = carry_bool(c, child->waits);
    child->installed_ns = carry_moment(c, child->installed_ns);
    child->rekey_at_ns = carry_moment(c, child->rekey_at_ns);
    child->expires_ns = carry_moment(c, child->expires_ns);
    for (unsigned i = 0; i < (unsigned)child->n_local_ts + child->n_remote_ts; i++)
        carry_ts(c, &child->ts[i]);
}

/* carry_child - carries one Child SA. `child` NULL: reads it. Returns it; NULL: the carrier has
 * failed. */
static struct child *carry_child(struct carrier *c, struct sa *sa, struct child *child)
{
    struct carrier_section section = carry_begin(c, SECTION_CHILD);
    bool read = child == NULL;
    uint32_t n_local = carry_within(c, read ? 0 : child->n_local_ts, 1, POLICY_TS);
    uint32_t n_remote = carry_within(c, read ? 0 : child->n_remote_ts, 1, POLICY_TS);
    if (read)
        child = carry_room(c, sizeof(*child) + (n_local + n_remote) * sizeof(child->ts[0]));
    if (child != NULL) {
        child->n_local_ts = (uint8_t)n_local;
        child->n_remote_ts = (uint8_t)n_remote;
        child->sa = sa;
        child_fields(c, sa, child);
    }
    carry_end(c, &section);
    return child;
}

static void carry_children(struct carrier *c, struct sa *sa)
{
    uint32_t n = 0;
    for (const struct child *child = sa->children; child != NULL; child = child->sa_next)
        n++;
    n = carry_within(c, n, 0, LIMIT_EXPORT_CHILDREN);
    struct child **link = &sa->children;
    for (uint32_t i = 0; i < n && c->error == 0; i++) {
        *link = carry_child(c, sa, *link);
        if (*link != NULL)
            link = &(*link)->sa_next;
    }
}

/* --- windows --- */

/* carry_packet - the datagrams of a sealed message. */
static void carry_packet(struct carrier *c, struct packet **packet)
{
    bool read = carrier_is_reader(c);
    if (!carry_bool(c, *packet != NULL))
        return;
    uint32_t n = carry_within(c, read ? 0 : (uint32_t)(*packet)->n, 1, LIMIT_FRAGMENTS);
    uint32_t lens[LIMIT_FRAGMENTS], whole = 0;
    for (uint32_t i = 0; i < n; i++) {
        lens[i] = carry_within(c, read ? 0 : (*packet)->parts[i].len, 1, LIMIT_IKE_MESSAGE);
        whole += lens[i];
    }
    carrier_check(c, whole <= PACKET_MOST);
    if (c->error != 0)
        return;
    if (read && (*packet = packet_new(n, whole)) == NULL) {
        carrier_fail(c, ERR_NO_MEMORY);
        return;
    }
    for (uint32_t i = 0, offset = 0; i < n; offset += lens[i++]) {
        if (read)
            (*packet)->parts[i] = (struct packet_part){offset, lens[i]};
        carry_octets(c, (*packet)->octets + (*packet)->parts[i].offset, lens[i]);
    }
    (*packet)->sent = true;
}

/*
 * carry_question - our request that has no response. It is abandoned: its own intent has ended. The
 * next intent borrows it, so the importer sends the same octets again (turn.h).
 */
static void carry_question(struct carrier *c, struct sa *sa)
{
    struct window *mine = &sa->mine;
    carry_packet(c, &mine->packet);
    if (mine->packet == NULL)
        return;
    struct asking *asking = sa->asking;
    if (asking == NULL)
        asking = sa->asking = carry_room(c, sizeof(*asking));
    if (asking == NULL)
        return;
    uint32_t which = carry_within(c, carrier_is_reader(c) ? 0 : question_of(asking->intent.kind), 0,
                                  N_QUESTIONS - 1);
    asking->intent.kind = questions[which].kind;
    asking->ops = questions[which].ops;
    asking->exchange = asking->ops->exchange;
    asking->holder = HOLDER_ABANDONED;
    asking->several_paths = carry_bool(c, asking->several_paths);
    asking->asked_ns = carry_moment(c, asking->asked_ns);
    carry_path(c, &asking->path);
    carry_path(c, &mine->path);
    mine->tries = carry_u8(c, mine->tries);
    mine->paced_ns = carry_moment(c, mine->paced_ns);
    mine->pace = WINDOW_CALLER;
    mine->end_ns = mine->resend_at_ns = c->now;
}

static void carry_windows(struct carrier *c, struct sa *sa)
{
    sa->theirs.next_id = carry_u32(c, sa->theirs.next_id);
    carry_packet(c, &sa->theirs.packet);
    sa->mine.next_id = carry_u32(c, sa->mine.next_id);
    sa->mine.unanswered = carry_u8(c, sa->mine.unanswered);
    carry_question(c, sa);
}

/* --- IKE SA --- */

static void carry_algorithms(struct carrier *c, struct sa *sa)
{
    sa->encr = carry_u16(c, sa->encr);
    sa->encr_key_bits = carry_u16(c, sa->encr_key_bits);
    sa->integ = carry_u16(c, sa->integ);
    sa->prf = carry_u16(c, sa->prf);
    sa->ke = carry_u16(c, sa->ke);
    const struct crypto_encr *encr = crypto_encr_find(sa->encr, sa->encr_key_bits);
    carrier_check(c, encr != NULL && crypto_prf_find(sa->prf) != NULL &&
                         encr->aead == (crypto_integ_find(sa->integ) == NULL));
}

static void carry_keys(struct carrier *c, struct sa *sa)
{
    struct ike_sa_keys *keys = &sa->keys;
    carry_octets(c, keys->sk_d, sizeof(keys->sk_d));
    carry_octets(c, keys->sk_ai, sizeof(keys->sk_ai));
    carry_octets(c, keys->sk_ar, sizeof(keys->sk_ar));
    carry_octets(c, keys->sk_ei, sizeof(keys->sk_ei));
    carry_octets(c, keys->sk_er, sizeof(keys->sk_er));
    carry_octets(c, keys->sk_pi, sizeof(keys->sk_pi));
    carry_octets(c, keys->sk_pr, sizeof(keys->sk_pr));
    sa->iv_counter = carry_u64(c, sa->iv_counter);
    carrier_check(c, sa->iv_counter < UINT64_MAX / 2);
    if (carrier_is_reader(c))
        sa->iv_counter += IV_LEASE;
}

static void carry_inner(struct carrier *c, struct sa *sa)
{
    sa->inner = carry_optional(c, sa->inner, sizeof(*sa->inner));
    if (sa->inner == NULL)
        return;
    sa->inner->owner = carry_number(c, sa->inner->owner, 1);
    sa->inner->known = carry_bool(c, sa->inner->known);
    sa->inner->given = carry_bool(c, sa->inner->given);
    carry_config(c, &sa->inner->config);
}

static void carry_peer(struct carrier *c, struct sa *sa)
{
    carry_path(c, &sa->path);
    sa->nat_local = carry_bool(c, sa->nat_local);
    sa->nat_remote = carry_bool(c, sa->nat_remote);
    sa->peer_encap = carry_bool(c, sa->peer_encap);
    sa->nat_mapping_known = carry_bool(c, sa->nat_mapping_known);
    carry_octets(c, sa->nat_mapping, sizeof(sa->nat_mapping));
    sa->moved_ns = carry_stamp(c, sa->moved_ns);
    sa->terms.rank = carry_u32(c, sa->terms.rank);
    sa->terms.weight = carry_u32(c, sa->terms.weight);
    sa->terms.metered = carry_bool(c, sa->terms.metered);
    sa->terms.classes = carry_u16(c, sa->terms.classes);
    sa->n_peer_addresses = (uint8_t)carry_within(c, sa->n_peer_addresses, 0, LIMIT_ADDITIONAL + 1);
    for (uint8_t i = 0; i < sa->n_peer_addresses; i++)
        carry_address(c, &sa->peer_addresses[i]);
}

static void carry_origin(struct carrier *c, struct sa *sa)
{
    sa->id = carry_number(c, sa->id, 1);
    sa->parent = carry_number(c, sa->parent, 0);
    sa->line = carry_number(c, sa->line, 1);
    sa->replaced_by = carry_number(c, sa->replaced_by, 0);
    /* an heir has a higher number: so the search for the last heir ends */
    carrier_check(c, sa->replaced_by == 0 || sa->replaced_by > sa->id);
    sa->life = (enum ike_sa_life)carry_within(c, sa->life, IKE_ESTABLISHED, IKE_SA_REPLACED);
    sa->role = (enum ike_sa_role)carry_within(c, sa->role, 0, IKE_SA_RESPONDER);
    sa->origin = (enum ike_origin)carry_within(c, sa->origin, 0, IKE_ORIGIN_REKEYED);
    sa->rekey = carry_bool(c, sa->rekey);
    sa->notices = carry_u8(c, sa->notices);
    sa->spi_i = carry_u64(c, sa->spi_i);
    sa->spi_r = carry_u64(c, sa->spi_r);
    carrier_check(c, sa->spi_i != 0 && sa->spi_r != 0); /* RFC 7296 section 3.1 */
}

static void carry_times(struct carrier *c, struct sa *sa)
{
    sa->established_ns = carry_moment(c, sa->established_ns);
    sa->rekey_at_ns = carry_moment(c, sa->rekey_at_ns);
    sa->expires_ns = carry_moment(c, sa->expires_ns);
    sa->last_heard_ns = carry_moment(c, sa->last_heard_ns);
    sa->suspected_ns = carry_stamp(c, sa->suspected_ns);
    sa->stray_ns = carry_stamp(c, sa->stray_ns);
    sa->unused_at_ns = carry_moment(c, sa->unused_at_ns);
}

/* carry_sa - carries one IKE SA. `sa` NULL: reads it. Returns it; NULL: the carrier has failed. */
static struct sa *carry_sa(struct carrier *c, struct session *session, struct sa *sa)
{
    struct carrier_section section = carry_begin(c, SECTION_SA);
    if (sa == NULL)
        sa = carry_room(c, sizeof(*sa));
    if (sa != NULL) {
        sa->ike = session->ike;
        sa->session = session;
        sa->announced = true;
        carry_origin(c, sa);
        carry_algorithms(c, sa);
        carry_keys(c, sa);
        carry_peer(c, sa);
        carry_times(c, sa);
        carry_windows(c, sa);
        carry_inner(c, sa);
        carry_children(c, sa);
    }
    carry_end(c, &section);
    return sa;
}

static void carry_sas(struct carrier *c, struct session *session)
{
    session->n_sas = carry_within(c, session->n_sas, 1, LIMIT_EXPORT_SAS);
    struct sa **link = &session->sas;
    for (uint32_t i = 0; i < session->n_sas && c->error == 0; i++) {
        *link = carry_sa(c, session, *link);
        if (*link != NULL)
            link = &(*link)->session_next;
    }
}

/* --- session --- */

/* carry_conn - carries the name of the connection: both processes have it loaded. */
static void carry_conn(struct carrier *c, struct session *session)
{
    char name[LIMIT_NAME] = "";
    if (!carrier_is_reader(c))
        (void)snprintf(name, sizeof(name), "%s", session->conn->name);
    carry_text(c, name, sizeof(name));
    struct ike_conn *conn = c->error == 0 ? ike_conn_find(session->ike, name) : NULL;
    if (conn == NULL)
        carrier_fail(c, ERR_NOT_FOUND);
    else if (carrier_is_reader(c))
        session->conn = ike_conn_ref(conn);
}

/* carry_proof - carries the results of the authentication, and how long it is valid. */
static void carry_proof(struct carrier *c, struct session *session)
{
    carry_id(c, &session->local_id);
    carry_id(c, &session->remote_id);
    carry_id(c, &session->claimed_id);
    session->grant = carry_u64(c, session->grant);
    carry_octets(c, session->eap_types, sizeof(session->eap_types));
    session->chains.n = (uint8_t)carry_within(c, session->chains.n, 0, IKE_CHAINS);
    session->chains.from = carry_number(c, session->chains.from, 0);
    for (uint8_t i = 0; i < session->chains.n; i++)
        session->chains.of[i] = carry_u64(c, session->chains.of[i]);
    session->valid_until_ns = carry_moment(c, session->valid_until_ns);
    session->certs_until_ns = carry_moment(c, session->certs_until_ns);
    session->logins = carry_u32(c, session->logins);
    carrier_check(c, session->logins > 0);
    session->established_ns = carry_moment(c, session->established_ns);
    session->auth_deadline_ns = carry_moment(c, session->auth_deadline_ns);
    session->reauth_at_ns = carry_moment(c, session->reauth_at_ns);
    session->own_reauth_ns = carry_moment(c, session->own_reauth_ns);
    session->tells_lifetime = carry_bool(c, session->tells_lifetime);
}

static void carry_abilities(struct carrier *c, struct session *session)
{
    session->mobike = carry_bool(c, session->mobike);
    session->fragmentation = carry_bool(c, session->fragmentation);
    session->childless = carry_bool(c, session->childless);
    session->redirects = carry_bool(c, session->redirects);
    session->ppk = carry_bool(c, session->ppk);
    session->esp_tfc_not_supported = carry_bool(c, session->esp_tfc_not_supported);
    session->peer_rfc7791 = carry_bool(c, session->peer_rfc7791);
    session->peer_keep_old = carry_bool(c, session->peer_keep_old);
    session->peer_notify = carry_u16(c, session->peer_notify);
    session->cloned = carry_bool(c, session->cloned);
    session->clone_never = carry_bool(c, session->clone_never);
    session->clone_refused = carry_bool(c, session->clone_refused);
    session->child_refused = carry_bool(c, session->child_refused);
    session->terms_refused = carry_bool(c, session->terms_refused);
    session->key_exchanges_ns = carry_stamp(c, session->key_exchanges_ns);
    session->new_children_ns = carry_stamp(c, session->new_children_ns);
    session->moves_ns = carry_stamp(c, session->moves_ns);
}

static void carry_numbers(struct carrier *c, struct number_range *range)
{
    range->first = carry_u16(c, range->first);
    range->last = carry_u16(c, range->last);
    carrier_check(c, range->first <= range->last);
}

static void carry_class(struct carrier *c, struct traffic_class *class)
{
    class->dscp = carry_u64(c, class->dscp);
    carry_numbers(c, &class->local_port);
    carry_numbers(c, &class->remote_port);
    carry_numbers(c, &class->size);
    class->protocol = (uint8_t)carry_within(c, class->protocol, 0, UINT8_MAX);
    class->redundant = carry_bool(c, class->redundant);
    class->strict = carry_bool(c, class->strict);
    class->n_remote = (uint8_t)carry_within(c, class->n_remote, 0, LIMIT_CLASS_RANGES);
    for (uint8_t i = 0; i < class->n_remote; i++)
        carry_range(c, &class->remote[i]);
}

/* carry_classes - those that a Gateway was told. */
static void carry_classes(struct carrier *c, struct session *session)
{
    session->classes_told = carry_bool(c, session->classes_told);
    session->classes = carry_optional(c, session->classes, sizeof(*session->classes));
    if (session->classes == NULL)
        return;
    session->classes->n = (uint8_t)carry_within(c, session->classes->n, 0, LIMIT_CLASSES);
    for (uint8_t i = 0; i < session->classes->n; i++)
        carry_class(c, &session->classes->classes[i]);
}

static void carry_ticket(struct carrier *c, struct session *session)
{
    session->resumed = carry_bool(c, session->resumed);
    session->ticket = carry_optional(c, session->ticket, sizeof(*session->ticket));
    if (session->ticket == NULL)
        return;
    session->ticket->family = carry_u64(c, session->ticket->family);
    session->ticket->continued = carry_bool(c, session->ticket->continued);
    carry_id(c, &session->ticket->peer_id);
}

void session_carry(struct carrier *c, struct session *session)
{
    struct carrier_section section = carry_begin(c, SECTION_SESSION);
    session->id = carry_number(c, session->id, 1);
    carry_conn(c, session);
    session->role = (enum ike_session_role)carry_within(c, session->role, 0, IKE_GATEWAY);
    carry_proof(c, session);
    carry_abilities(c, session);
    carry_classes(c, session);
    carry_ticket(c, session);
    session->leased = carry_bool(c, session->leased);
    carry_config(c, &session->config);
    carry_sas(c, session);
    carry_end(c, &section);
}

/* --- memory --- */

static void child_carried_free(struct child *child)
{
    ike_conn_unref(child->conn);
    free(child);
}

static void sa_carried_free(struct sa *sa)
{
    while (sa->children != NULL) {
        struct child *child = sa->children;
        sa->children = child->sa_next;
        child_carried_free(child);
    }
    window_clear(&sa->mine);
    window_clear(&sa->theirs);
    free(sa->asking);
    free(sa->inner);
    wipe(&sa->keys, sizeof(sa->keys));
    free(sa);
}

void session_carried_free(struct session *session)
{
    if (session == NULL)
        return;
    while (session->sas != NULL) {
        struct sa *sa = session->sas;
        session->sas = sa->session_next;
        sa_carried_free(sa);
    }
    ike_conn_unref(session->conn);
    free(session->ticket);
    free(session->classes);
    free(session);
}

static size_t packet_octets(const struct packet *packet)
{
    size_t n = 0;
    for (size_t i = 0; packet != NULL && i < packet->n; i++)
        n += packet->parts[i].len + sizeof(uint32_t);
    return n;
}

size_t session_octets_most(const struct session *session)
{
    /* no field takes more octets than in its struct, except for the heads of sections */
    size_t n = 64 + sizeof(*session) + sizeof(struct session_ticket) + LIMIT_NAME;
    for (const struct sa *sa = session->sas; sa != NULL; sa = sa->session_next) {
        n += 64 + sizeof(*sa) + sizeof(struct inner) + sizeof(struct asking);
        n += packet_octets(sa->mine.packet) + packet_octets(sa->theirs.packet);
        for (const struct child *child = sa->children; child != NULL; child = child->sa_next)
            n += 64 + sizeof(*child) + LIMIT_NAME +
                 ((size_t)child->n_local_ts + child->n_remote_ts) * sizeof(child->ts[0]);
    }
    return n;
}
