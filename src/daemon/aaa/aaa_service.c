/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/aaa/aaa_service.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/secret.h"
#include "daemon/aaa/aaa_account.h"
#include "daemon/aaa/aaa_grant.h"
#include "daemon/common/eap_methods.h"
#include "daemon/process/load_door.h"
#include "eap/packet.h"
#include "radius/tls_link.h"

#define AAA_CONVERSATIONS (LIMIT_HALF_OPEN + LIMIT_PATIENT)
#define FRAMED_MTU        1400 /* limits the EAP packets of the server (RFC 3579 section 2.4) */

#define TAG_ACCOUNT (UINT64_C(1) << 63)

struct passage {
    uint32_t number; /* 0: free */
    uint64_t job;    /* job of the step that waits for the server; 0: none */
    uint64_t tag;
    unsigned server; /* the server that answered; RADIUS_SERVERS: no server has answered yet */
    unsigned rounds;
    bool asking; /* the identity that the peer gave */
    size_t identity_len, state_len;
    uint8_t identity[EAP_IDENTITY], state[RADIUS_VALUE];
    char pattern[LIMIT_ID / 2], called[ENDPOINT_TEXT_MAX], calling[ENDPOINT_TEXT_MAX];
    char nas[LIMIT_ID / 2];
    struct address nas_address;
    struct aaa_groups groups;
    uint64_t earlier;            /* grant */
    struct aaa_answer *accepted; /* owned: the answer that accepts the peer; NULL: not yet */
};

struct aaa_service {
    const struct random *random;
    struct radius_client *client;
    struct account_queue *accounts;
    struct change_requests *changes;
    uint64_t tags;                             /* tags of accounting records have TAG_ACCOUNT */
    struct aaa_server servers[RADIUS_SERVERS]; /* an empty name: none */
    char why[RADIUS_SERVERS][EAP_REASON];      /* no connection */
    struct passage passages[AAA_CONVERSATIONS];
    struct load_stages stages;
    unsigned staging; /* the place of the loader that came last */
    struct aaa_server staged[LOAD_STAGES][RADIUS_SERVERS];
};

static void passage_end(struct aaa_service *s, struct passage *p);

struct aaa_service *aaa_service_new(const struct random *random, int accounts_fd, bool handed)
{
    struct aaa_service *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    s->random = random;
    s->client = radius_client_new(random);
    s->accounts = account_queue_new(accounts_fd, handed);
    s->changes = change_requests_new();
    return s->client == NULL || s->accounts == NULL || s->changes == NULL ? aaa_service_free(s) : s;
}

struct aaa_service *aaa_service_free(struct aaa_service *s)
{
    if (s == NULL)
        return NULL;
    for (size_t i = 0; i < AAA_CONVERSATIONS; i++)
        if (s->passages[i].accepted != NULL)
            passage_end(s, &s->passages[i]);
    radius_client_free(s->client);
    account_queue_free(s->accounts);
    change_requests_free(s->changes);
    wipe(s, sizeof(*s));
    free(s);
    return NULL;
}

struct radius_client *aaa_service_client(struct aaa_service *s)
{
    return s->client;
}

const struct aaa_server *aaa_service_server(const struct aaa_service *s, unsigned index)
{
    return s->servers[index].name[0] == '\0' ? NULL : &s->servers[index];
}

/* --- servers --- */

static bool text_sound(const char *text, size_t cap)
{
    return memchr(text, 0, cap) != NULL;
}

/* The place of the server of that name, else a free one, else RADIUS_SERVERS. */
static unsigned server_place(const struct aaa_server *servers, const char *name)
{
    unsigned place = RADIUS_SERVERS;
    for (unsigned i = 0; i < RADIUS_SERVERS; i++) {
        if (strcmp(servers[i].name, name) == 0)
            return i;
        if (servers[i].name[0] == '\0' && place == RADIUS_SERVERS)
            place = i;
    }
    return place;
}

/* server_same - the server in this place equals the one that is loaded. */
static bool server_same(const struct aaa_service *s, unsigned place,
                        const struct aaa_server *server)
{
    const struct radius_key *key = radius_client_key(s->client, place);
    struct aaa_server bare = *server;
    wipe(bare.secret, sizeof(bare.secret));
    return key != NULL && key->len == server->secret_len &&
           ct_equal(key->octets, server->secret, key->len) &&
           span_equal(span_of(&bare, sizeof(bare)), span_of(&s->servers[place], sizeof(bare)));
}

static bool tls_sound(const struct aaa_tls *tls)
{
    struct reader r = reader_of(span_of(tls->octets, sizeof(tls->octets)));
    bool sound = tls->n_certs > 0 && tls->n_certs <= AAA_CERTS && tls->n_cas <= CERT_POLICY_CERTS &&
                 tls->id.len <= sizeof(tls->id.data) && tls->id.len < RADIUS_TLS_NAME &&
                 tls->revocation <= CERT_REVOCATION_STRICT;
    for (uint32_t i = 0; sound && i < tls->n_certs + tls->n_cas; i++)
        (void)read_bytes(&r, tls->lengths[i]);
    return sound && !reader_failed(&r);
}

static bool server_sound(const struct aaa_server *server)
{
    int flags = server->stream | server->class_group | server->accounting | server->watched |
                server->dae | server->undated;
    return flags <= 1 && (server->stream == 0 || tls_sound(&server->tls)) &&
           text_sound(server->name, sizeof(server->name)) && server->name[0] != '\0' &&
           server->secret_len != 0 && server->secret_len <= sizeof(server->secret) &&
           (server->address.family == ADDRESS_V4 || server->address.family == ADDRESS_V6) &&
           server->retransmit_tries <= 30 && server->retransmit_ns >= 0 && server->dead_ns >= 0 &&
           server->retransmit_ns <= 3600 * NANOS_PER_SEC;
}

static int server_load(struct aaa_service *s, const struct aaa_server *server,
                       uint32_t *ret_changed)
{
    if (!server_sound(server))
        return ERR_INVALID;
    unsigned place = server_place(s->servers, server->name);
    if (place == RADIUS_SERVERS)
        return ERR_FULL;
    if (server_same(s, place, server)) /* requests that wait for it continue */
        return 0;
    struct radius_server config = {.key = {.len = server->secret_len},
                                   .preference = server->preference,
                                   .accounting = server->accounting,
                                   .watched = server->watched,
                                   .stream = server->stream,
                                   .tries = server->retransmit_tries + 1,
                                   .first_ns = server->retransmit_ns,
                                   .dead_ns = server->dead_ns,
                                   .most = server->max_requests};
    memcpy(config.key.octets, server->secret, server->secret_len);
    radius_client_server_set(s->client, place, &config);
    wipe(&config, sizeof(config));
    s->servers[place] = *server;
    wipe(s->servers[place].secret, sizeof(s->servers[place].secret));
    s->why[place][0] = '\0';
    *ret_changed |= UINT32_C(1) << place;
    if (server->accounting)
        account_queue_hurry(s->accounts);
    return 0;
}

int aaa_service_load(struct aaa_service *s, struct aaa_server *server, uint32_t *ret_changed)
{
    *ret_changed = 0;
    int error = server_load(s, server, ret_changed);
    wipe(server->secret, sizeof(server->secret));
    return error;
}

void aaa_service_why_set(struct aaa_service *s, unsigned index, const char *why)
{
    (void)snprintf(s->why[index], sizeof(s->why[index]), "%s", why);
}

static int server_unload(struct aaa_service *s, const char *name, uint32_t *ret_changed)
{
    if (!text_sound(name, LIMIT_NAME) || name[0] == '\0')
        return ERR_INVALID;
    unsigned place = server_place(s->servers, name);
    if (place == RADIUS_SERVERS || s->servers[place].name[0] == '\0')
        return ERR_NOT_FOUND;
    radius_client_server_set(s->client, place, NULL);
    s->servers[place] = (struct aaa_server){0};
    *ret_changed |= UINT32_C(1) << place;
    return 0;
}

/* --- loads of whole configurations --- */

void aaa_service_stage_begin(struct aaa_service *s, uint64_t number)
{
    s->staging = load_stages_begin(&s->stages, number);
    wipe(s->staged[s->staging], sizeof(s->staged[0]));
}

int aaa_service_stage_load(struct aaa_service *s, struct aaa_server *server)
{
    struct aaa_server *staged = s->staged[s->staging];
    int error = ERR_INVALID;
    if (server_sound(server)) {
        unsigned place = server_place(staged, server->name);
        error = place == RADIUS_SERVERS ? ERR_FULL : 0;
        if (error == 0)
            staged[place] = *server;
    }
    wipe(server->secret, sizeof(server->secret));
    return error;
}

/* stage_switch - replaces the servers. The old servers are removed first, so there is room. */
static int stage_switch(struct aaa_service *s, const struct aaa_server *staged,
                        uint32_t *ret_changed)
{
    int error = 0;
    for (unsigned i = 0; i < RADIUS_SERVERS; i++) {
        const char *name = s->servers[i].name;
        unsigned place = name[0] == '\0' ? 0 : server_place(staged, name);
        if (name[0] != '\0' && (place == RADIUS_SERVERS || staged[place].name[0] == '\0'))
            (void)server_unload(s, name, ret_changed);
    }
    for (unsigned i = 0; error == 0 && i < RADIUS_SERVERS; i++)
        if (staged[i].name[0] != '\0')
            error = server_load(s, &staged[i], ret_changed);
    return error;
}

static int stage_end(struct aaa_service *s, uint64_t number, bool commit, uint32_t *ret_changed)
{
    unsigned place = load_stages_end(&s->stages, number);
    if (place == LOAD_STAGES)
        return commit ? ERR_NOT_FOUND : 0;
    int error = commit ? stage_switch(s, s->staged[place], ret_changed) : 0;
    wipe(s->staged[place], sizeof(s->staged[place]));
    return error;
}

/* --- conversations --- */

static struct passage *passage_find(struct aaa_service *s, uint32_t number)
{
    for (size_t i = 0; i < AAA_CONVERSATIONS; i++)
        if (s->passages[i].number == number)
            return &s->passages[i];
    return NULL;
}

static void passage_end(struct aaa_service *s, struct passage *p)
{
    if (p->job != 0)
        radius_client_forget(s->client, p->tag);
    if (p->accepted != NULL)
        wipe(p->accepted, sizeof(*p->accepted));
    free(p->accepted);
    wipe(p, sizeof(*p));
}

static void failure_set(struct eap_result *ret, uint8_t identifier, const char *reason)
{
    struct writer w = writer_of(ret->packet, sizeof(ret->packet));
    ret->verdict = EAP_FAILED;
    eap_packet_short(&w, EAP_FAILURE, identifier);
    ret->packet_len = w.len;
    (void)snprintf(ret->reason, sizeof(ret->reason), "%s", reason);
}

/* nas_write - RFC 2865 section 4.1: one of the two attributes is always present. Accounting uses it
 * too. */
static void nas_write(const struct passage *p, struct writer *w)
{
    enum radius_attribute type =
        p->nas_address.family == ADDRESS_V6 ? RADIUS_NAS_IPV6_ADDRESS : RADIUS_NAS_IP_ADDRESS;
    if (p->nas_address.family != ADDRESS_NONE)
        radius_attribute_write(w, type, address_span(&p->nas_address));
    radius_attribute_write(w, RADIUS_NAS_IDENTIFIER,
                           span_text(p->nas[0] == '\0' ? "ikat" : p->nas));
}

static int server_ask(struct aaa_service *s, struct passage *p, struct span eap, nanos now)
{
    uint8_t attributes[RADIUS_PACKET];
    struct writer w = writer_of(attributes, sizeof(attributes));
    radius_attribute_write(&w, RADIUS_USER_NAME, span_of(p->identity, p->identity_len));
    nas_write(p, &w);
    radius_u32_write(&w, RADIUS_NAS_PORT_TYPE, 5); /* Virtual */
    radius_u32_write(&w, RADIUS_SERVICE_TYPE, 2);  /* Framed */
    radius_u32_write(&w, RADIUS_FRAMED_MTU, FRAMED_MTU);
    if (p->called[0] != '\0')
        radius_attribute_write(&w, RADIUS_CALLED_STATION_ID, span_text(p->called));
    if (p->calling[0] != '\0')
        radius_attribute_write(&w, RADIUS_CALLING_STATION_ID, span_text(p->calling));
    if (p->state_len > 0)
        radius_attribute_write(&w, RADIUS_STATE, span_of(p->state, p->state_len));
    radius_eap_write(&w, eap);
    if (writer_failed(&w))
        return ERR_TRUNCATED;
    p->tag = ++s->tags;
    const struct radius_ask ask = {RADIUS_ACCESS_REQUEST, p->tag, p->server, writer_span(&w)};
    return radius_client_ask(s->client, &ask, now);
}

static void identity_request(struct aaa_service *s, struct passage *p, struct eap_result *ret)
{
    struct writer w = writer_of(ret->packet, sizeof(ret->packet));
    uint8_t identifier;
    random_fill(s->random, &identifier, 1);
    eap_packet_begin(&w, EAP_REQUEST, identifier, EAP_TYPE_IDENTITY);
    eap_packet_end(&w);
    p->asking = true;
    ret->verdict = EAP_REPLY;
    ret->packet_len = w.len;
}

/* RFC 3579 section 2.1: the server expects an EAP-Response/Identity first. IDi takes its place. */
static int identity_tell(struct aaa_service *s, struct passage *p, nanos now)
{
    uint8_t octets[EAP_HEADER + 1 + EAP_IDENTITY];
    struct writer w = writer_of(octets, sizeof(octets));
    eap_packet_begin(&w, EAP_RESPONSE, 0, EAP_TYPE_IDENTITY);
    write_bytes(&w, span_of(p->identity, p->identity_len));
    eap_packet_end(&w);
    return server_ask(s, p, writer_span(&w), now);
}

static bool groups_sound(const struct aaa_groups *groups)
{
    for (uint32_t i = 0; i < groups->n && i < AAA_GROUPS; i++)
        if (!text_sound(groups->names[i], LIMIT_NAME))
            return false;
    return groups->n <= AAA_GROUPS;
}

static bool step_sound(const struct aaa_step *step)
{
    return step->eap.conversation != 0 && step->eap.authenticator != 0 &&
           step->eap.identity_len <= EAP_IDENTITY && step->eap.packet_len <= EAP_PACKET &&
           text_sound(step->eap.pattern, sizeof(step->eap.pattern)) &&
           text_sound(step->called, sizeof(step->called)) &&
           text_sound(step->nas, sizeof(step->nas)) &&
           (step->nas_address.family == ADDRESS_NONE || step->nas_address.family == ADDRESS_V4 ||
            step->nas_address.family == ADDRESS_V6) &&
           text_sound(step->calling, sizeof(step->calling)) && groups_sound(&step->groups);
}

/* The peer's packet goes to the server unchanged: the EAP method runs between peer and server. */
static int passage_step(struct aaa_service *s, struct passage *p, const struct aaa_step *step,
                        nanos now, struct aaa_answer *ret)
{
    struct span octets = span_of(step->eap.packet, step->eap.packet_len);
    struct eap_packet packet;
    uint8_t identifier = octets.len > 1 ? octets.ptr[1] : 0;
    bool sound = eap_packet_read(octets, &packet) && packet.code == EAP_RESPONSE;
    bool named = !p->asking || (sound && packet.type == EAP_TYPE_IDENTITY && packet.data.len > 0 &&
                                packet.data.len <= EAP_IDENTITY);
    if (!sound || !named || ++p->rounds > EAP_ROUNDS) {
        failure_set(&ret->result, identifier,
                    !named ? "the peer does not say its identity"
                           : "the peer's packet is malformed, or one too many");
        return 0;
    }
    if (p->asking) {
        p->asking = false;
        p->identity_len = packet.data.len;
        memcpy(p->identity, packet.data.ptr, packet.data.len);
    }
    return server_ask(s, p, octets, now);
}

static int passage_begin(struct aaa_service *s, const struct aaa_step *step, uint64_t job,
                         nanos now, struct aaa_answer *ret)
{
    struct passage *p = passage_find(s, 0);
    if (p == NULL)
        return ERR_FULL;
    bool asked = step->eap.packet_len > 0; /* another conversation asked for the identity */
    if (asked && step->eap.identity_len > 0)
        return ERR_INVALID;
    p->number = step->eap.conversation;
    p->server = RADIUS_SERVERS;
    p->identity_len = step->eap.identity_len;
    memcpy(p->identity, step->eap.identity, p->identity_len);
    memcpy(p->pattern, step->eap.pattern, sizeof(p->pattern));
    memcpy(p->called, step->called, sizeof(p->called));
    memcpy(p->nas, step->nas, sizeof(p->nas));
    p->nas_address = step->nas_address;
    memcpy(p->calling, step->calling, sizeof(p->calling));
    p->groups = step->groups;
    p->earlier = step->earlier;
    p->asking = asked;
    if (!asked && p->identity_len == 0) {
        identity_request(s, p, &ret->result);
        return 0;
    }
    p->job = job;
    return asked ? passage_step(s, p, step, now, ret) : identity_tell(s, p, now);
}

/* --- the server's answer and the demands of the connection --- */

static const char *accept_unfit(const struct passage *p, const struct aaa_answer *accepted)
{
    const struct eap_result *result = &accepted->result;
    if (!eap_identity_fits(p->pattern, span_of(result->identity, result->identity_len)))
        return "the identity that was proven is not one of eap_id";
    return aaa_grant_names(&accepted->grant, &p->groups)
               ? NULL
               : "the RADIUS server names none of the groups";
}

/* accept_judge - the server accepts the peer, but its answer may not meet the demands of this
 * connection. Then the answer is kept, because another connection may accept it. */
static void accept_judge(struct passage *p, struct aaa_answer *ret)
{
    const char *why = accept_unfit(p, ret);
    if (why == NULL)
        return;
    if (p->accepted == NULL)
        p->accepted = malloc(sizeof(*p->accepted));
    if (p->accepted != NULL)
        *p->accepted = *ret;
    ret->grant = (struct aaa_grant){0};
    eap_result_refuse(&ret->result, why);
    ret->unfit = p->accepted != NULL;
}

/* passage_again - compares the kept answer with the demands of another connection. */
static int passage_again(struct passage *p, const struct aaa_step *step, uint64_t job,
                         struct aaa_answer *ret)
{
    if (p == NULL || p->accepted == NULL || step->eap.again != 1)
        return ERR_INVALID;
    memcpy(p->pattern, step->eap.pattern, sizeof(p->pattern));
    p->groups = step->groups;
    *ret = *p->accepted;
    ret->job = job;
    accept_judge(p, ret);
    return 0;
}

/* ask_failed - sets the reason, for a person, why no server was asked. */
static void ask_failed(int32_t *error, struct eap_result *ret)
{
    const char *why = *error == ERR_NOT_FOUND ? "no RADIUS server is configured"
                      : *error == ERR_FULL ? "all RADIUS servers have as many requests as they take"
                                           : NULL;
    if (why == NULL)
        return;
    *error = 0;
    failure_set(ret, 0, why);
}

static bool step_answer(struct aaa_service *s, const struct aaa_request *request, nanos now,
                        struct aaa_answer *ret)
{
    const struct aaa_step *step = &request->step;
    if (!step_sound(step) || request->job == 0) {
        ret->error = ERR_INVALID;
        return true;
    }
    struct passage *p = passage_find(s, step->eap.conversation);
    bool begins = p == NULL;
    if (!begins && p->job != 0) {
        ret->error = ERR_INVALID; /* the server was asked already */
        return true;
    }
    if (step->eap.again != 0 || (!begins && p->accepted != NULL)) {
        ret->error = passage_again(p, step, request->job, ret);
    } else if (begins) {
        ret->error = passage_begin(s, step, request->job, now, ret);
    } else {
        p->job = request->job;
        ret->error = passage_step(s, p, step, now, ret);
    }
    p = passage_find(s, step->eap.conversation);
    ask_failed(&ret->error, &ret->result);
    bool now_known = ret->error != 0 || ret->result.verdict != 0;
    if (p != NULL && now_known)
        p->job = 0;
    if (p != NULL && now_known && ret->unfit == 0 &&
        (ret->error != 0 || ret->result.verdict != EAP_REPLY))
        passage_end(s, p);
    ret->verdict = (uint32_t)ret->result.verdict;
    return now_known;
}

bool aaa_service_ask(struct aaa_service *s, const struct aaa_request *request, nanos now,
                     struct aaa_answer *ret, uint32_t *ret_changed)
{
    *ret = (struct aaa_answer){.job = request->job};
    *ret_changed = 0;
    struct passage *p;
    switch (request->kind) {
    case AAA_SERVER_UNLOAD: ret->error = server_unload(s, request->name, ret_changed); return true;
    case AAA_STAGE_COMMIT:
    case AAA_STAGE_DROP:
        ret->error =
            stage_end(s, request->load_number, request->kind == AAA_STAGE_COMMIT, ret_changed);
        return true;
    case AAA_STEP: return step_answer(s, request, now, ret);
    case AAA_ACCOUNT: ret->error = account_queue_add(s->accounts, &request->account); return false;
    case AAA_ACCOUNT_KEEP:
        ret->error = account_queue_keep(s->accounts, &request->account);
        return false;
    case AAA_ACCOUNTS_ALL: account_queue_settle(s->accounts); return false;
    case AAA_END:
        p = passage_find(s, request->step.eap.conversation);
        if (p != NULL && p->number != 0)
            passage_end(s, p);
        return false;
    default: /* a number from outside */ ret->error = ERR_INVALID; return true;
    }
}

/* --- answers of servers --- */

/* RFC 2865 section 5.1: a User-Name in the answer of the server replaces the peer's name. */
static void identity_take(const struct passage *p, const struct radius_packet *reply,
                          struct eap_result *ret)
{
    struct span name = span_of(p->identity, p->identity_len), other;
    if (radius_find(reply, RADIUS_USER_NAME, &other) && other.len > 0)
        name = other;
    ret->identity_len = name.len;
    memcpy(ret->identity, name.ptr, name.len);
}

static void accept_take(const struct aaa_service *s, struct passage *p,
                        const struct radius_outcome *outcome, const struct eap_packet *eap,
                        struct aaa_answer *ret)
{
    struct eap_result *result = &ret->result;
    if (eap->code != EAP_SUCCESS || outcome->msk_error == ERR_INVALID ||
        outcome->msk_error == ERR_CRYPTO) {
        /* RFC 3579 section 2.6.3: a reply whose code and EAP-Message differ */
        failure_set(result, eap->identifier, "the RADIUS server's Access-Accept makes no sense");
        return;
    }
    identity_take(p, &outcome->reply, result);
    aaa_grant_read(&outcome->reply, s->servers[outcome->server].class_group, &ret->grant);
    result->verdict = EAP_SUCCEEDED;
    result->packet_len = eap->octets.len;
    if (outcome->msk_error == 0) {
        memcpy(result->msk, outcome->msk, sizeof(result->msk));
        result->msk_len = sizeof(result->msk);
    }
    ret->earlier = p->earlier;
    accept_judge(p, ret);
}

static void challenge_take(struct passage *p, const struct radius_outcome *outcome,
                           const struct eap_packet *eap, struct aaa_answer *ret)
{
    struct span state;
    p->state_len = 0;
    if (radius_find(&outcome->reply, RADIUS_STATE, &state)) {
        p->state_len = state.len;
        memcpy(p->state, state.ptr, state.len);
    }
    if (eap->code != EAP_REQUEST) {
        failure_set(&ret->result, eap->identifier, "the RADIUS server's challenge makes no sense");
        return;
    }
    ret->result.verdict = EAP_REPLY;
    ret->result.packet_len = eap->octets.len;
}

static void reject_take(const struct aaa_service *s, const struct radius_outcome *outcome,
                        const struct eap_packet *eap, struct aaa_answer *ret)
{
    char text[80] = "";
    char reason[EAP_REASON];
    aaa_text_find(&outcome->reply, RADIUS_REPLY_MESSAGE, text, sizeof(text));
    (void)snprintf(reason, sizeof(reason), "the RADIUS server %s refuses the login%s%s",
                   s->servers[outcome->server].name, text[0] == '\0' ? "" : ": ", text);
    failure_set(&ret->result, eap->identifier, reason);
}

static void reply_take(const struct aaa_service *s, struct passage *p,
                       const struct radius_outcome *outcome, struct aaa_answer *ret)
{
    struct eap_result *result = &ret->result;
    struct eap_packet eap = {0};
    size_t len = radius_eap_join(&outcome->reply, result->packet, sizeof(result->packet));
    bool sound = eap_packet_read(span_of(result->packet, len), &eap);
    p->server = outcome->server;
    if (outcome->reply.code == RADIUS_ACCESS_REJECT)
        reject_take(s, outcome, &eap, ret);
    else if (!sound)
        failure_set(result, 0, "the RADIUS server's answer has no EAP packet");
    else if (outcome->reply.code == RADIUS_ACCESS_ACCEPT)
        accept_take(s, p, outcome, &eap, ret);
    else
        challenge_take(p, outcome, &eap, ret);
}

/* --- requests of servers --- */

enum change_verdict aaa_service_change(struct aaa_service *s, struct change_from *from,
                                       uint16_t port, const struct change_when *when,
                                       struct change_result *ret)
{
    enum change_verdict verdict = CHANGE_DROP;
    if (from->stream) {
        from->allowed = s->servers[from->server].dae;
        from->key = radius_client_key(s->client, from->server);
        return from->key == NULL ? CHANGE_DROP
                                 : change_requests_recv(s->changes, from, port, when, ret);
    }
    from->allowed = true;
    for (unsigned i = 0; i < RADIUS_SERVERS && verdict == CHANGE_DROP; i++) {
        const struct aaa_server *server = &s->servers[i];
        if (server->name[0] == '\0' || server->stream || !server->dae || server->dae_port != port ||
            !address_equal(&server->address, &from->source.address))
            continue;
        from->server = i;
        from->undated = server->undated;
        from->key = radius_client_key(s->client, i);
        verdict = change_requests_recv(s->changes, from, port, when, ret);
    }
    return verdict;
}

bool aaa_service_changed(struct aaa_service *s, const struct aaa_request *request,
                         struct change_reply *ret)
{
    unsigned server = change_requests_server(s->changes, request->job);
    const struct radius_key *key =
        server >= RADIUS_SERVERS ? NULL : radius_client_key(s->client, server);
    return key != NULL &&
           change_requests_done(s->changes, request->job, request->changed.cause, key, ret);
}

/* --- accounting --- */

void aaa_service_tick(struct aaa_service *s, nanos now, int64_t wall_s)
{
    uint8_t attributes[RADIUS_PACKET];
    const struct aaa_account *account;
    uint64_t tag;
    while ((account = account_queue_next(s->accounts, now, &tag)) != NULL) {
        struct writer w = writer_of(attributes, sizeof(attributes));
        aaa_account_write(account, wall_s, &w);
        const struct radius_ask ask = {RADIUS_ACCOUNTING_REQUEST, tag | TAG_ACCOUNT, RADIUS_SERVERS,
                                       writer_span(&w)};
        if (radius_client_ask(s->client, &ask, now) != 0)
            (void)account_queue_failed(s->accounts, tag, now);
    }
}

nanos aaa_service_deadline(const struct aaa_service *s)
{
    return nanos_min(radius_client_deadline(s->client), account_queue_deadline(s->accounts));
}

const struct account_queue *aaa_service_accounts(const struct aaa_service *s)
{
    return s->accounts;
}

static void account_outcome(struct aaa_service *s, const struct radius_outcome *outcome, nanos now)
{
    uint64_t tag = outcome->tag & ~TAG_ACCOUNT;
    if (outcome->error == 0)
        (void)account_queue_sent(s->accounts, tag, now);
    else
        (void)account_queue_failed(s->accounts, tag, now);
}

/* silence_print - prints the servers that were asked, as many as fit, and for each the reason why
 * it has no connection. */
static void silence_print(const struct aaa_service *s, uint32_t asked, char out[EAP_REASON])
{
    size_t at = (size_t)snprintf(out, EAP_REASON, "no answer from the RADIUS server");
    for (unsigned i = 0; i < RADIUS_SERVERS && at < EAP_REASON; i++)
        if ((asked & 1u << i) != 0 && s->servers[i].name[0] != '\0')
            at += (size_t)snprintf(out + at, EAP_REASON - at, " %s%s%s%s", s->servers[i].name,
                                   s->why[i][0] == '\0' ? "" : " (", s->why[i],
                                   s->why[i][0] == '\0' ? "" : ")");
}

bool aaa_service_outcome(struct aaa_service *s, const struct radius_outcome *outcome, nanos now,
                         struct aaa_answer *ret)
{
    struct passage *p = NULL;
    char reason[EAP_REASON];
    if (outcome->tag & TAG_ACCOUNT) {
        account_outcome(s, outcome, now);
        return false;
    }
    for (size_t i = 0; i < AAA_CONVERSATIONS && p == NULL; i++)
        if (s->passages[i].job != 0 && s->passages[i].tag == outcome->tag)
            p = &s->passages[i];
    if (p == NULL)
        return false;
    *ret = (struct aaa_answer){.job = p->job};
    p->job = 0;
    if (outcome->error == 0) {
        reply_take(s, p, outcome, ret);
    } else {
        silence_print(s, outcome->asked, reason);
        failure_set(&ret->result, 0, reason);
    }
    ret->verdict = (uint32_t)ret->result.verdict;
    if (ret->result.verdict != EAP_REPLY && ret->unfit == 0)
        passage_end(s, p);
    return true;
}
