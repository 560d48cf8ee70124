/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/login/login_rounds.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/reader.h"
#include "crypto/prf.h"
#include "crypto/signature.h"
#include "ike/core/keymat.h"
#include "ike/terms/identity.h"

const struct ike_auth_policy *login_own_policy(const struct login *login)
{
    return &login->conn->local[login->ours.round];
}

const struct ike_auth_policy *login_peer_policy(const struct login *login)
{
    return &login->conn->remote[login->theirs.round];
}

bool login_own_last(const struct login *login)
{
    return login->resumption != NULL || login->ours.round + 1 >= login->conn->n_local_rounds;
}

bool login_peer_last(const struct login *login)
{
    return login->resumption != NULL || login->theirs.round + 1 >= login->conn->n_remote_rounds;
}

/* --- identities --- */

/* id_asked_for - RFC 7296 section 1.2: IDr of the initiator names the identity of the responder
 * that it wants. false: no IDr, or we are the initiator. */
static bool id_asked_for(const struct login *login, struct ike_id *ret_id)
{
    struct wire_message first;
    struct wire_id wire;
    kept_message_get(&login->first, &first);
    const struct wire_payload *idr = wire_find(&first, WIRE_PAYLOAD_IDr, NULL);
    return idr != NULL && wire_id_read(idr->body, &wire) && identity_from_wire(&wire, ret_id);
}

int login_own_id(struct sa *sa)
{
    struct login *login = sa->login;
    const struct ike_auth_policy *policy = login_own_policy(login);
    login->local_id = policy->id;
    if (login->local_id.type != ID_ANY)
        return 0;
    /* A certificate of ours must have that identity, so the initiator cannot give us another one. */
    if (policy->method == IKE_AUTH_PUBKEY && login->ours.round == 0 &&
        id_asked_for(login, &login->local_id))
        return 0;
    return identity_from_address(&sa->path.local.address, &login->local_id);
}

bool login_peer_id(struct login *login, const struct wire_payload *id)
{
    struct wire_id wire;
    struct ike_id fresh;
    if (id == NULL || id->body.len > sizeof(login->peer_id) || !wire_id_read(id->body, &wire) ||
        !identity_from_wire(&wire, &fresh))
        return false;
    login->remote_id = fresh;
    login->n_peer_id = id->body.len;
    memcpy(login->peer_id, id->body.ptr, id->body.len);
    return true;
}

bool login_peer_id_fits(const struct login *login)
{
    return identity_match(login_peer_policy(login)->id_pattern, &login->remote_id) != IDENTITY_NO;
}

/* --- AUTH --- */

bool login_method_fits(enum ike_auth_method method, uint8_t auth_method)
{
    switch (method) {
    case IKE_AUTH_PSK: return auth_method == AUTH_SHARED_KEY;
    case IKE_AUTH_PUBKEY:
        return auth_method == AUTH_RSA || auth_method == AUTH_ECDSA_P256 ||
               auth_method == AUTH_ECDSA_P384 || auth_method == AUTH_ECDSA_P521 ||
               auth_method == AUTH_DIGITAL_SIGNATURE;
    case IKE_AUTH_EAP: return false; /* EAP comes first, then AUTH by its key */
    }
    return false;
}

/* sk_p - SK_pi or SK_pr of the signer. Our AUTH uses the PPK before the peer has agreed to it (RFC
 * 8784 section 3). */
static struct span sk_p(const struct sa *sa, bool ours, bool initiator)
{
    const struct login_ppk *ppk = &sa->login->ppk;
    size_t len = crypto_prf_find(sa->prf)->len;
    return ours && ppk->offered && !ppk->plain ? span_of(ppk->keys + len, len)
                                               : sa_sk_p(sa, initiator);
}

/* octets_of - the octets that AUTH of one side covers (RFC 7296 section 2.15), as views. */
static struct auth_octets octets_of(const struct sa *sa, bool ours, uint8_t room[4 + LIMIT_ID])
{
    const struct login *login = sa->login;
    bool initiator = ours == sa_original_initiator(sa);
    return (struct auth_octets){
        .prf = sa->prf,
        .message = initiator ? span_of(login->init_request, login->n_init_request)
                             : span_of(login->init_response, login->n_init_response),
        .nonce = initiator ? span_of(login->nr, login->n_nr) : span_of(login->ni, login->n_ni),
        .sk_p = sk_p(sa, ours, initiator),
        .id_body = ours ? identity_body(&login->local_id, room)
                        : span_of(login->peer_id, login->n_peer_id),
    };
}

int login_shared_auth(const struct sa *sa, bool ours, uint8_t out[AUTH_OCTETS_PRF])
{
    uint8_t room[4 + LIMIT_ID];
    const struct secret *key = &sa->login->eap.key;
    struct auth_octets octets = octets_of(sa, ours, room);
    /* RFC 7296 section 2.16: without a key of the method, SK_pi and SK_pr are the keys. */
    struct span secret = key->len > 0 ? secret_span(key) : octets.sk_p;
    return auth_octets_shared(sa->ike->crypto, &octets, secret, out);
}

/* AUTH = prf(SK_px, <message octets>), without the pad of a pre-shared secret. */
int login_resumed_auth(const struct sa *sa, bool ours, uint8_t out[AUTH_OCTETS_PRF])
{
    uint8_t room[4 + LIMIT_ID], hash[AUTH_OCTETS_PRF];
    struct span parts[AUTH_OCTETS_PARTS];
    struct auth_octets octets = octets_of(sa, ours, room);
    int error = auth_octets_parts(sa->ike->crypto, &octets, hash, parts);
    return error != 0
               ? error
               : crypto_prf(sa->ike->crypto, sa->prf, octets.sk_p, parts, AUTH_OCTETS_PARTS, out);
}

/* encoding_fits - the CERT payload has an encoding that we asked for. Others are skipped. */
static bool encoding_fits(const struct ike_conn *conn, uint8_t encoding)
{
    bool url = encoding == CERT_HASH_URL || encoding == CERT_HASH_URL_BUNDLE;
    return encoding == CERT_X509 || encoding == CERT_RAW_KEY ||
           (encoding == CERT_OCSP && ike_conn_asks_ocsp(conn)) || (url && conn->hash_and_url);
}

static void read_certs(const struct login *login, struct ike_auth_job *job)
{
    struct wire_message message;
    const struct wire_payload *cert = NULL;
    kept_message_get(&login->message, &message);
    while ((cert = wire_find(&message, WIRE_PAYLOAD_CERT, cert)) != NULL) {
        struct wire_cert wire;
        if (wire_cert_read(cert->body, &wire) && job->n_certs < LIMIT_CERTS &&
            encoding_fits(login->conn, wire.encoding))
            job->certs[job->n_certs++] = (struct ike_cert){wire.encoding, wire.data};
    }
}

/* spans_of - lists the spans of a job, whose octets have to outlive the call. */
static size_t spans_of(struct ike_auth_job *job, struct span *ret_spans[])
{
    struct span *all[] = {
        &job->octets.message,  &job->octets.nonce, &job->octets.sk_p, &job->octets.id_body,
        &job->octets.int_auth, &job->ca_ids,       &job->auth};
    size_t n = sizeof(all) / sizeof(all[0]);
    memcpy(ret_spans, all, sizeof(all));
    for (uint8_t i = 0; i < job->n_certs; i++)
        ret_spans[n++] = &job->certs[i].octets;
    return n;
}

/* auth_job_emit - emits the job with copies of all its octets. */
static int auth_job_emit(struct sa *sa, enum ike_event_kind kind, struct ike_auth_job *job)
{
    struct span *spans[7 + LIMIT_CERTS];
    size_t n = spans_of(job, spans), total = 0;
    for (size_t i = 0; i < n; i++)
        total += spans[i]->len;
    uint8_t *copy = malloc(total + 1);
    if (copy == NULL)
        return ERR_NO_MEMORY;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (spans[i]->len > 0)
            memcpy(copy + at, spans[i]->ptr, spans[i]->len);
        *spans[i] = span_of(copy + at, spans[i]->len);
        at += spans[i]->len;
    }
    struct ike_event *event = event_job(sa, kind, 0, span_of(copy, total));
    if (event == NULL)
        return ERR_NO_MEMORY;
    event->auth = *job;
    return 0;
}

static struct ike_auth_job job_of(const struct login *login, const struct ike_auth_policy *policy)
{
    return (struct ike_auth_job){
        .method = policy->method,
        .credentials = policy->credentials,
        .policy = policy,
        .conn = login->conn->name,
        .local_id = login->local_id,
        .remote_id = login->remote_id,
    };
}

int login_sign(struct sa *sa)
{
    uint8_t room[4 + LIMIT_ID];
    const struct login *login = sa->login;
    const struct login_peer *peer = &login->peer;
    struct ike_auth_job job = job_of(login, login_own_policy(login));
    job.round = login->ours.round;
    job.octets = octets_of(sa, true, room);
    job.n_hashes = peer->n_hashes;
    memcpy(job.hashes, peer->hashes, sizeof(job.hashes));
    job.n_announced = peer->n_announced;
    memcpy(job.announced, peer->announced, sizeof(job.announced));
    job.ca_ids = span_of(peer->ca_ids, peer->n_ca_ids);
    job.cert_wanted = login->conn->send_cert == IKE_CERT_ALWAYS ||
                      (login->conn->send_cert == IKE_CERT_IF_ASKED && peer->cert_wanted);
    job.ocsp_wanted = job.cert_wanted && peer->ocsp_wanted && ike_conn_answers_ocsp(login->conn);
    job.hash_and_url = peer->hash_and_url;
    return auth_job_emit(sa, IKE_EV_AUTH_SIGN, &job);
}

int login_verify(struct sa *sa, const struct wire_auth *auth)
{
    uint8_t room[4 + LIMIT_ID];
    const struct login *login = sa->login;
    struct ike_auth_job job = job_of(login, login_peer_policy(login));
    job.round = login->theirs.round;
    job.octets = octets_of(sa, false, room);
    job.auth_method = auth->method;
    job.auth = auth->data;
    if (job.method == IKE_AUTH_PUBKEY)
        read_certs(login, &job);
    return auth_job_emit(sa, IKE_EV_AUTH_VERIFY, &job);
}

/* --- our proof --- */

void login_proof_done(struct login *login)
{
    struct login_proof *proof = &login->proof;
    if (proof->octets != NULL)
        wipe(proof->octets, proof->n_octets);
    free(proof->octets);
    *proof = (struct login_proof){0};
}

bool login_proof_keep(struct login *login, const struct ike_result *result)
{
    struct login_proof *proof = &login->proof;
    uint8_t method = result->auth_method != 0 ? result->auth_method : AUTH_SHARED_KEY;
    size_t total = result->auth.len;
    if (result->auth.len == 0 || result->auth.len > LOGIN_AUTH_MAX ||
        result->n_certs > LIMIT_CERTS ||
        !login_method_fits(login_own_policy(login)->method, method))
        return false;
    for (uint8_t i = 0; i < result->n_certs; i++)
        total += result->certs[i].octets.len;
    uint8_t *octets = total > LIMIT_IKE_MESSAGE ? NULL : malloc(total);
    if (octets == NULL)
        return false;
    login_proof_done(login);
    struct writer w = writer_of(octets, total);
    write_bytes(&w, result->auth);
    *proof = (struct login_proof){.method = method,
                                  .auth = span_of(octets, result->auth.len),
                                  .n_certs = result->n_certs,
                                  .octets = octets,
                                  .n_octets = total};
    for (uint8_t i = 0; i < result->n_certs; i++) {
        const struct ike_cert *cert = &result->certs[i];
        proof->certs[i] =
            (struct ike_cert){cert->encoding, span_of(octets + w.len, cert->octets.len)};
        write_bytes(&w, cert->octets);
    }
    return true;
}

static bool proof_made(struct sa *sa,
                       int (*make)(const struct sa *sa, bool ours, uint8_t out[AUTH_OCTETS_PRF]))
{
    struct login_proof *proof = &sa->login->proof;
    size_t len = crypto_prf_find(sa->prf)->len;
    uint8_t *octets = malloc(AUTH_OCTETS_PRF);
    if (octets == NULL || make(sa, true, octets) != 0) {
        free(octets);
        return false;
    }
    login_proof_done(sa->login);
    *proof = (struct login_proof){
        .method = AUTH_SHARED_KEY, .auth = span_of(octets, len), .octets = octets, .n_octets = len};
    return true;
}

bool login_proof_key(struct sa *sa)
{
    return proof_made(sa, login_shared_auth);
}

bool login_proof_resumed(struct sa *sa)
{
    return proof_made(sa, login_resumed_auth);
}

void login_proof_add(const struct login *login, struct wire_builder *message)
{
    const struct login_proof *proof = &login->proof;
    for (uint8_t i = 0; i < proof->n_certs; i++)
        wire_add_cert(message, proof->certs[i].encoding, proof->certs[i].octets);
    wire_add_auth(message, proof->method, proof->auth);
}

/* --- the results of the peer's proof --- */

/* text_fits - a pattern "*@example" matches every text with that end. Other texts must be equal. */
static bool text_fits(const char *pattern, const char *text)
{
    size_t n = strlen(pattern), len = strlen(text);
    if (pattern[0] != '*')
        return strcmp(pattern, text) == 0;
    return len >= n - 1 && strcmp(pattern + 1, text + len - (n - 1)) == 0;
}

/* name_fits - both are distinguished names; a '*' in the pattern stands for one whole value. */
static bool name_fits(const char *pattern, const char *identity)
{
    struct ike_id wanted, id;
    return identity_parse(pattern, &wanted) == 0 && wanted.type == ID_DER_ASN1_DN &&
           identity_parse(identity, &id) == 0 && identity_covers(&wanted, &id) != IDENTITY_NO;
}

/* eap_identity_fits - EAP proved the identity that the policy demands: its eap_id, or the ID
 * payload. Otherwise a peer could claim the identity of another user. */
static bool eap_identity_fits(const struct ike_auth_policy *policy, const struct ike_id *idi,
                              const char *identity)
{
    const char *wanted = policy->eap_id;
    char text[IDENTITY_TEXT_MAX];
    if (strcmp(wanted, "%any") == 0)
        return true;
    if (wanted[0] != '\0') { /* compared in printed form: "DOMAIN\x5cuser" */
        struct ike_id id = {.type = ID_EAP, .len = (uint16_t)strlen(wanted)};
        memcpy(id.data, wanted, id.len);
        return text_fits(identity_print(&id, text), identity) || name_fits(wanted, identity);
    }
    return strcmp(identity_print(idi, text), identity) == 0;
}

bool login_eap_fits(const struct ike_auth_policy *policy, const struct ike_id *idi,
                    const struct ike_id *proven)
{
    char identity[sizeof(proven->data) + 1];
    ASSERT(proven->type == ID_EAP && proven->len <= sizeof(proven->data));
    memcpy(identity, proven->data, proven->len);
    identity[proven->len] = '\0';
    return eap_identity_fits(policy, idi, identity);
}

bool login_eap_identity_fits(const struct ike_auth_policy *policy, const struct ike_id *idi,
                             const struct ike_proof *proof)
{
    return memchr(proof->identity, '\0', sizeof(proof->identity)) != NULL &&
           (proof->identity[0] == '\0' || eap_identity_fits(policy, idi, proof->identity));
}

static void take_identity(struct login *login, const char *identity)
{
    login->proven_id = (struct ike_id){.type = ID_EAP, .len = (uint16_t)strlen(identity)};
    memcpy(login->proven_id.data, identity, login->proven_id.len);
}

void login_chain_keep(struct login *login, const struct ike_proof *proof)
{
    struct ike_chains *chains = &login->chains;
    if (proof->chain == 0)
        return;
    ASSERT(chains->n < IKE_CHAINS); /* each round has one proof */
    chains->of[chains->n++] = proof->chain;
}

bool login_proven(struct login *login, const struct ike_proof *proof, nanos now)
{
    bool eap = login_peer_policy(login)->method == IKE_AUTH_EAP;
    bool named = proof->identity[0] != '\0';
    if (memchr(proof->identity, '\0', sizeof(proof->identity)) == NULL ||
        (eap && !login_eap_identity_fits(login_peer_policy(login), &login->remote_id, proof)))
        return false;
    nanos until = proof->valid_ns > 0 ? nanos_after(now, proof->valid_ns) : NANOS_NEVER;
    login->valid_until_ns = nanos_min(login->valid_until_ns, until);
    if (proof->grant == 0)
        login->certs_until_ns = nanos_min(login->certs_until_ns, until);
    if (proof->grant != 0)
        login->grant = proof->grant;
    login_chain_keep(login, proof);
    login->eap_types[login->theirs.round] = eap ? proof->eap_type : 0;
    if (eap && named)
        take_identity(login, proof->identity);
    else if (login->proven_id.type != ID_EAP)
        login->proven_id = login->remote_id;
    return true;
}

/* --- announcements --- */

bool login_conn_signs(const struct ike_conn *conn)
{
    for (uint8_t i = 0; i < conn->n_remote_rounds; i++)
        if (conn->remote[i].method == IKE_AUTH_PUBKEY)
            return true;
    return false;
}

static bool known(const uint8_t *ids, size_t n, const uint8_t *id)
{
    for (size_t i = 0; i + IKE_KEY_ID <= n; i += IKE_KEY_ID)
        if (memcmp(ids + i, id, IKE_KEY_ID) == 0)
            return true;
    return false;
}

/* struct key_ids - the key ids of a CERTREQ payload, each once. Key ids beyond the room are left
 * out. */
struct key_ids {
    size_t len;
    uint8_t octets[POLICY_CAS * IKE_KEY_ID];
};

static void key_ids_add(struct key_ids *ids, const uint8_t (*more)[IKE_KEY_ID], uint8_t n)
{
    for (uint8_t i = 0; i < n && ids->len < sizeof(ids->octets); i++) {
        if (known(ids->octets, ids->len, more[i]))
            continue;
        memcpy(ids->octets + ids->len, more[i], IKE_KEY_ID);
        ids->len += IKE_KEY_ID;
    }
}

void login_certreq_add(const struct ike_conn *const *conns, size_t n, struct wire_builder *message)
{
    struct key_ids cas = {.len = 0}, responders = {.len = 0};
    bool wanted = false, urls = false, ocsp = false;
    for (size_t c = 0; c < n; c++) {
        const struct ike_conn *conn = conns[c];
        if (!login_conn_signs(conn) || conn->no_certreq)
            continue;
        wanted = true;
        urls |= conn->hash_and_url;
        ocsp |= ike_conn_asks_ocsp(conn);
        const struct ike_cas *named = conn->cas;
        if (named == NULL)
            continue;
        key_ids_add(&cas, named->ids, named->n);
        if (ike_conn_asks_ocsp(conn))
            key_ids_add(&responders, named->responders, named->n_responders);
    }
    if (!wanted)
        return;
    wire_add_certreq(message, CERT_X509, span_of(cas.octets, cas.len));
    if (ocsp)
        wire_add_certreq(message, CERT_OCSP, span_of(responders.octets, responders.len));
    if (urls)
        wire_add_notify(message, N_HTTP_CERT_LOOKUP_SUPPORTED, (struct span){0});
}

void login_hashes_add(struct wire_builder *message)
{
    /* RFC 7427: SHA2-256, 384, 512; RFC 8420: Identity, for Ed25519 and Ed448 */
    static const uint8_t hashes[] = {0, 2, 0, 3, 0, 4, 0, 5};
    wire_add_notify(message, N_SIGNATURE_HASH_ALGORITHMS, span_of(hashes, sizeof(hashes)));
}

/* announce - one announcement of RFC 9593 section 3.2, for any CA. */
static void announce(struct writer *w, uint8_t method, const struct signature_scheme *scheme)
{
    size_t at = w->len;
    write_u8(w, 0);
    write_u8(w, method);
    write_u8(w, 0);
    if (scheme != NULL)
        signature_scheme_write(scheme, w);
    writer_patch_u8(w, at, (uint8_t)(w->len - at));
}

static bool scheme_taken(const struct ike_auth_policy *policy,
                         const struct signature_scheme *scheme)
{
    return policy->method == IKE_AUTH_PUBKEY &&
           (policy->signature_kinds == 0 || (policy->signature_kinds >> scheme->kind & 1) != 0) &&
           (policy->hashes == 0 || scheme->hash == SIGNATURE_IDENTITY ||
            (policy->hashes >> scheme->hash & 1) != 0);
}

static bool scheme_wanted(const struct ike_conn *const *conns, size_t n,
                          const struct signature_scheme *scheme)
{
    for (size_t c = 0; c < n; c++)
        for (uint8_t i = 0; i < conns[c]->n_remote_rounds; i++)
            if (scheme_taken(&conns[c]->remote[i], scheme))
                return true;
    return false;
}

void login_methods_add(const struct ike_conn *const *conns, size_t n, struct wire_builder *message)
{
    static const struct signature_scheme schemes[] = {
        {SIGNATURE_ED25519, SIGNATURE_IDENTITY},   {SIGNATURE_ED448, SIGNATURE_IDENTITY},
        {SIGNATURE_ECDSA, SIGNATURE_SHA2_256},     {SIGNATURE_ECDSA, SIGNATURE_SHA2_384},
        {SIGNATURE_ECDSA, SIGNATURE_SHA2_512},     {SIGNATURE_RSA_PSS, SIGNATURE_SHA2_256},
        {SIGNATURE_RSA_PSS, SIGNATURE_SHA2_384},   {SIGNATURE_RSA_PSS, SIGNATURE_SHA2_512},
        {SIGNATURE_RSA_PKCS1, SIGNATURE_SHA2_256}, {SIGNATURE_RSA_PKCS1, SIGNATURE_SHA2_384},
        {SIGNATURE_RSA_PKCS1, SIGNATURE_SHA2_512},
    };
    uint8_t octets[512];
    struct writer w = writer_of(octets, sizeof(octets));
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        if (scheme_wanted(conns, n, &schemes[i]))
            announce(&w, AUTH_DIGITAL_SIGNATURE, &schemes[i]);
    ASSERT(!writer_failed(&w));
    if (w.len > 0)
        wire_add_notify(message, N_SUPPORTED_AUTH_METHODS, writer_span(&w));
}

static void read_certreqs(struct login_peer *peer, const struct wire_message *message)
{
    const struct wire_payload *payload = NULL;
    while ((payload = wire_find(message, WIRE_PAYLOAD_CERTREQ, payload)) != NULL) {
        struct wire_cert request;
        if (!wire_certreq_read(payload->body, &request))
            continue;
        peer->cert_wanted |= request.encoding == CERT_X509 || request.encoding == CERT_RAW_KEY;
        peer->ocsp_wanted |= request.encoding == CERT_OCSP;
        /* A15: key ids beyond the limit are ignored */
        size_t room = sizeof(peer->ca_ids) - peer->n_ca_ids;
        size_t take = request.encoding != CERT_X509 ? 0
                      : request.data.len < room     ? request.data.len
                                                    : room;
        if (take > 0)
            memcpy(peer->ca_ids + peer->n_ca_ids, request.data.ptr, take);
        peer->n_ca_ids += take;
    }
}

/* announced_add - adds a method that the peer verifies of certificates of that CA. */
static void announced_add(struct login_peer *peer, uint16_t ca, uint16_t method)
{
    uint8_t i = 0;
    while (i < peer->n_announced && peer->announced[i].ca != ca)
        i++;
    if (i == IKE_ANNOUNCED)
        return;
    if (i == peer->n_announced)
        peer->announced[peer->n_announced++] = (struct ike_announced){.ca = ca};
    peer->announced[i].methods |= method;
}

/*
 * read_methods - the announcements of RFC 9593 section 3.2:
 *
 *     Length | Auth Method | Cert Link | AlgorithmIdentifier
 *
 * The section: "Implementations MUST ignore announcements whose semantics they don't understand."
 * We also ignore a link to a CA that is not in the CERTREQ payloads. A wrong length makes the rest
 * unreadable. Methods without signatures have 2 octets; we skip them.
 */
static void read_methods(struct login_peer *peer, struct span data, bool certreq)
{
    struct reader r = reader_of(data);
    while (r.left > 0) {
        uint8_t len = read_u8(&r);
        struct reader one = reader_of(read_bytes(&r, len < 2 ? r.left + 1 : len - 1u));
        if (reader_failed(&r))
            return;
        uint8_t method = read_u8(&one);
        uint8_t link = read_u8(&one);
        /* section 3.2.2: without CERTREQ the link "MUST be ignored and treated as zero" */
        uint16_t ca = certreq ? link : 0;
        if (reader_failed(&one) || ca > peer->n_ca_ids / IKE_KEY_ID)
            continue;
        uint16_t known = signature_method(method, read_rest(&one));
        if (known != 0)
            announced_add(peer, ca, known);
    }
}

/* read_announcements - section 3.1: the announcements of all notifies in the message form one list. */
static void read_announcements(struct login_peer *peer, const struct wire_message *message)
{
    bool certreq = wire_find(message, WIRE_PAYLOAD_CERTREQ, NULL) != NULL;
    const struct wire_payload *payload = NULL;
    while ((payload = wire_find(message, WIRE_PAYLOAD_N, payload)) != NULL) {
        struct wire_notify notify;
        if (wire_notify_read(payload->body, &notify) && notify.type == N_SUPPORTED_AUTH_METHODS)
            read_methods(peer, notify.data, certreq);
    }
}

void login_peer_read(struct login *login, const struct wire_message *message)
{
    struct login_peer *peer = &login->peer;
    struct wire_notify notify;
    read_certreqs(peer, message);
    peer->multiple_auth |= wire_notify_has(message, N_MULTIPLE_AUTH_SUPPORTED);
    peer->eap_only |= wire_notify_has(message, N_EAP_ONLY_AUTHENTICATION);
    peer->hash_and_url |= wire_notify_has(message, N_HTTP_CERT_LOOKUP_SUPPORTED);
    read_announcements(peer, message);
    if (!wire_notify_find(message, N_SIGNATURE_HASH_ALGORITHMS, &notify))
        return;
    struct reader r = reader_of(notify.data);
    while (r.left >= 2 && peer->n_hashes < IKE_HASHES)
        peer->hashes[peer->n_hashes++] = read_u16(&r);
}
