/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/verifier/verifier.h"

#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypto/signature.h"
#include "daemon/verifier/cert_check.h"
#include "daemon/verifier/cert_identity.h"
#include "daemon/verifier/chain_watch.h"
#include "daemon/verifier/own_cert.h"
#include "daemon/verifier/waiting_checks.h"
#include "wire/iana.h"

#define HASHES_ACCEPTED                                                                            \
    (1u << SIGNATURE_SHA2_256 | 1u << SIGNATURE_SHA2_384 | 1u << SIGNATURE_SHA2_512 |              \
     1u << SIGNATURE_IDENTITY)
#define FLAGS_AT       19 /* in the header of an IKE message, RFC 7296 section 3.1 */
#define FLAG_INITIATOR 0x08

struct verifier {
    struct crypto_provider *crypto;
    struct cert_store store;
    struct revocation *revocation;
    struct waiting_checks waiting;
    struct chain_watch *watch;
    nanos now;
};

struct verifier *verifier_new(struct crypto_provider *crypto)
{
    struct verifier *verifier = calloc(1, sizeof(*verifier));
    if (verifier == NULL)
        return NULL;
    verifier->crypto = crypto;
    waiting_checks_init(&verifier->waiting);
    verifier->revocation = revocation_new();
    verifier->watch = chain_watch_new();
    return verifier->revocation != NULL && verifier->watch != NULL &&
                   cert_store_init(&verifier->store) == 0
               ? verifier
               : verifier_free(verifier);
}

struct verifier *verifier_free(struct verifier *verifier)
{
    if (verifier != NULL) {
        cert_store_done(&verifier->store);
        waiting_checks_done(&verifier->waiting);
        revocation_free(verifier->revocation);
        chain_watch_free(verifier->watch);
    }
    free(verifier);
    return NULL;
}

static int refuse(struct verifier_answer *answer, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int refuse(struct verifier_answer *answer, int error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(answer->reason, sizeof(answer->reason), format, arguments);
    va_end(arguments);
    return error;
}

static bool digests_sound(const struct cert_policy *policy)
{
    bool sound = policy->n_certs <= CERT_POLICY_CERTS && policy->n_cas <= CERT_POLICY_CERTS &&
                 policy->n_pubkeys <= CERT_POLICY_CERTS &&
                 policy->n_policies <= CERT_POLICY_POLICIES &&
                 policy->revocation <= CERT_REVOCATION_STRICT &&
                 policy->ca_id.len <= sizeof(policy->ca_id.data);
    for (int i = 0; sound && i < policy->n_policies; i++)
        sound = memchr(policy->policies[i], '\0', CERT_POLICY_OID) != NULL;
    return sound;
}

/* struct asked - a request. `deadline` 0: it did not wait yet. */
struct asked {
    const struct verifier_request *request;
    struct span octets;
    nanos deadline;
};

/* impatient - it has waited long enough. */
static bool impatient(const struct verifier *verifier, const struct asked *asked)
{
    return asked->deadline != 0 && verifier->now >= asked->deadline;
}

static nanos until(const struct verifier *verifier, const struct asked *asked, nanos patience)
{
    return asked->deadline != 0 ? asked->deadline : nanos_after(verifier->now, patience);
}

/* --- CHOOSE: the certificate that we present --- */

static int choose(struct verifier *verifier, const struct asked *asked, struct own_cert *own,
                  struct verifier_answer *answer, struct writer *w)
{
    const struct verifier_choose *request = &asked->request->choose;
    if (!digests_sound(&request->policy) || request->local.len > sizeof(request->local.data) ||
        asked->octets.len != (size_t)request->n_ca_ids * KEY_ID_SIZE ||
        request->n_announced > IKE_ANNOUNCED)
        return ERR_INVALID;
    own->store = &verifier->store;
    own->revocation = verifier->revocation;
    own->now = verifier->now;
    return own_cert_choose(own, request, asked->octets, answer, w);
}

/* choose_run - false: the answer comes later. */
static bool choose_run(struct verifier *verifier, const struct asked *asked,
                       struct verifier_answer *ret, struct writer *ret_octets)
{
    struct own_cert own = {.impatient = impatient(verifier, asked)};
    ret->error = choose(verifier, asked, &own, ret, ret_octets);
    if (ret->error != ERR_AGAIN)
        return true;
    const struct waiting_for wait = {&own.wait, 1, until(verifier, asked, OWN_CERT_PATIENCE_NS)};
    /* anybody can begin a login: most places stay free for the checks of peers */
    if (verifier->waiting.n < WAITING_CHECKS / 4 &&
        waiting_checks_add(&verifier->waiting, asked->request, asked->octets, &wait) == 0)
        return false;
    own.impatient = true;
    ret->error = choose(verifier, asked, &own, ret, ret_octets);
    return true;
}

/* --- CHECK: a peer --- */

struct peer {
    const struct verifier_check *request;
    struct auth_octets octets;
    struct signature_claim claim;
    struct span signed_octets;
    bool of_gateway;
    X509 *leaf;              /* of its first CERT payload, or of a configured certificate; owned */
    bool sent;               /* `leaf` is of its CERT payload */
    bool wrong;              /* its proof is wrong, whatever a policy demands */
    EVP_PKEY *raw;           /* a raw public key that it sent; owned */
    STACK_OF(X509) * others; /* owned */
    struct span ocsp[VERIFIER_CHAIN]; /* OCSP responses that it sent (RFC 4806) */
    size_t n_ocsp;
};

static bool peer_certs_read(struct peer *peer, struct reader *r)
{
    const struct verifier_check *request = peer->request;
    for (uint32_t i = 0; i < request->n_certs; i++) {
        struct span octets = read_bytes(r, request->cert_lengths[i]);
        if (reader_failed(r))
            return false;
        if (request->encodings[i] == CERT_RAW_KEY && peer->raw == NULL)
            peer->raw = cert_read_pubkey(octets);
        if (request->encodings[i] == CERT_OCSP)
            peer->ocsp[peer->n_ocsp++] = octets;
        if (request->encodings[i] != CERT_X509)
            continue;
        X509 *x509 = cert_read(octets); /* a malformed certificate is ignored */
        if (x509 != NULL && peer->leaf == NULL)
            peer->leaf = x509;
        else if (x509 != NULL && sk_X509_push(peer->others, x509) <= 0)
            X509_free(x509);
    }
    return true;
}

static int peer_read(struct verifier *verifier, const struct verifier_check *request,
                     struct span octets, struct peer *peer, struct writer *room)
{
    uint8_t prf[CRYPTO_HASH_MAX];
    struct span parts[AUTH_OCTETS_PARTS];
    struct reader r = reader_of(octets);
    *peer = (struct peer){.request = request, .others = sk_X509_new_null()};
    if (request->n_certs > VERIFIER_CHAIN || request->auth_method > UINT8_MAX ||
        request->remote.len > sizeof(request->remote.data) || !digests_sound(&request->policy) ||
        memchr(request->conn, '\0', sizeof(request->conn)) == NULL ||
        !auth_parts_read(&request->lengths, &r, &peer->octets, &peer->claim.auth) ||
        !auth_parts_name(&peer->octets, &request->remote))
        return ERR_INVALID;
    if (peer->others == NULL)
        return ERR_NO_MEMORY;
    if (!peer_certs_read(peer, &r) || !reader_done(&r))
        return ERR_INVALID;
    if (auth_octets_parts(verifier->crypto, &peer->octets, prf, parts) != 0)
        return ERR_CRYPTO;
    for (size_t i = 0; i < AUTH_OCTETS_PARTS; i++)
        write_bytes(room, parts[i]);
    peer->signed_octets = writer_span(room);
    peer->claim.method = (uint8_t)request->auth_method;
    peer->claim.hashes = request->policy.ike_hashes != 0
                             ? request->policy.ike_hashes | 1u << SIGNATURE_IDENTITY
                             : HASHES_ACCEPTED;
    peer->claim.hashes &= HASHES_ACCEPTED;
    peer->of_gateway = (peer->octets.message.ptr[FLAGS_AT] & FLAG_INITIATOR) == 0;
    return 0;
}

static void peer_done(struct peer *peer)
{
    X509_free(peer->leaf);
    EVP_PKEY_free(peer->raw);
    sk_X509_pop_free(peer->others, X509_free);
}

static int signature_verify(struct peer *peer, EVP_PKEY *key, const char *of,
                            struct verifier_answer *answer)
{
    struct signature_scheme scheme;
    const char *whose = peer->of_gateway ? "the gateway's" : "the peer's";
    if (!cert_check_key(&peer->request->policy, key))
        return refuse(answer, ERR_AUTH,
                      "%s key (%.200s) is of a kind or strength that connection "
                      "%.63s does not accept",
                      whose, of, peer->request->conn);
    int error = signature_check(key, &peer->claim, peer->signed_octets, &scheme);
    if (error == 0 && peer->request->policy.pss && scheme.kind == SIGNATURE_RSA_PKCS1)
        error = ERR_NOT_FOUND;
    if (error == ERR_NOT_FOUND)
        return refuse(answer, ERR_AUTH,
                      "%s AUTH is signed with an algorithm that connection %.63s "
                      "does not accept",
                      whose, peer->request->conn);
    if (error == 0)
        return 0;
    peer->wrong = peer->sent;
    return refuse(answer, ERR_AUTH, "%s AUTH was not made with the key of %.200s", whose, of);
}

/* raw_check - keys that the connection names (RFC 7670): the whole SubjectPublicKeyInfo counts. */
static int raw_check(struct verifier *verifier, struct peer *peer, struct verifier_answer *answer)
{
    const struct cert_policy *policy = &peer->request->policy;
    int error = refuse(answer, ERR_AUTH, "none of its configured public keys is loaded");
    for (int i = 0; i < policy->n_pubkeys; i++) {
        const struct cert *cert = cert_store_find(&verifier->store, policy->pubkeys[i]);
        if (cert == NULL || (peer->raw != NULL && EVP_PKEY_eq(cert->key, peer->raw) != 1))
            continue;
        error = signature_verify(peer, cert->key, "pubkeys", answer);
        if (error == 0)
            return 0;
    }
    return error;
}

/* known_key_find - a loaded public key whose id is the peer's identity. The id is the SHA-1 of the
 * whole SubjectPublicKeyInfo, or of the key in it. Connections with demands on a certificate do not
 * use it: a bare key has no CA, and cannot be revoked. */
static const struct cert *known_key_find(const struct verifier *verifier, const struct peer *peer)
{
    const struct cert_policy *policy = &peer->request->policy;
    const struct ike_id *id = &peer->request->remote;
    if (id->type != ID_KEY_ID || id->len != KEY_ID_SIZE || policy->n_certs > 0 ||
        policy->n_cas > 0 || policy->ca_id.type != 0 || policy->n_policies > 0 ||
        policy->revocation != CERT_REVOCATION_RELAXED)
        return NULL;
    for (const struct cert *cert = verifier->store.certs; cert != NULL; cert = cert->hh.next)
        if ((cert->roles & 1u << CERT_ROLE_PUBKEY) != 0 &&
            (memcmp(cert->ca_id, id->data, KEY_ID_SIZE) == 0 ||
             memcmp(cert->key_id, id->data, KEY_ID_SIZE) == 0))
            return cert;
    return NULL;
}

/* leaf_find - a peer may leave its certificate out if we have it (section 3.6). */
static void leaf_find(struct verifier *verifier, struct peer *peer)
{
    const struct verifier_check *request = peer->request;
    for (const struct cert *cert = verifier->store.certs; peer->leaf == NULL && cert != NULL;
         cert = cert->hh.next) {
        bool his =
            request->policy.n_certs > 0
                ? cert_check_named(request->policy.certs, request->policy.n_certs, cert->digest)
                : cert->x509 != NULL && cert_identity_has(cert->x509, &request->remote);
        if (his && cert->x509 != NULL && X509_up_ref(cert->x509) == 1)
            peer->leaf = cert->x509;
    }
}

/* chain_keep - the chain of a login is checked again later. */
static int chain_keep(struct verifier *verifier, struct cert_check *check,
                      struct verifier_answer *answer)
{
    const struct chain_watched what = {.chain = check->chain, .of_gateway = check->of_gateway};
    int error = chain_watch_add(verifier->watch, &what, verifier->now, &answer->chain);
    sk_X509_pop_free(check->chain, X509_free);
    check->chain = NULL;
    return error;
}

/* cert_verify - ERR_AGAIN: `check` says for which fetches the answer has to wait. */
static int cert_verify(struct verifier *verifier, struct peer *peer, struct cert_check *check,
                       struct verifier_answer *answer)
{
    char subject[IDENTITY_TEXT_MAX], text[IDENTITY_TEXT_MAX];
    check->store = &verifier->store;
    check->revocation = verifier->revocation;
    check->now = verifier->now;
    check->policy = &peer->request->policy;
    check->conn = peer->request->conn;
    check->of_gateway = peer->of_gateway;
    check->leaf = peer->leaf;
    check->others = peer->others;
    check->ocsp = peer->ocsp;
    check->n_ocsp = peer->n_ocsp;
    EVP_PKEY *key = X509_get0_pubkey(peer->leaf);
    cert_identity_print(peer->leaf, subject);
    bool named = cert_identity_has(peer->leaf, &peer->request->remote);
    peer->wrong = peer->sent && (key == NULL || !named);
    if (key == NULL)
        return refuse(answer, ERR_AUTH, "the key of certificate %.200s cannot be read", subject);
    if (!named)
        return refuse(answer, ERR_AUTH, "%s certificate %.150s is not that of its identity %.150s",
                      peer->of_gateway ? "the gateway's" : "the peer's", subject,
                      identity_print(&peer->request->remote, text));
    /* the signature first: it costs less than a path, and a stranger's certificate is refused here */
    int error = signature_verify(peer, key, subject, answer);
    if (error == 0)
        error = cert_check_run(check);
    if (error != 0 && check->reason[0] != '\0')
        memcpy(answer->reason, check->reason, sizeof(answer->reason));
    answer->not_after = error == 0 ? check->not_after : 0;
    return error == 0 ? chain_keep(verifier, check, answer) : error;
}

static int peer_check(struct verifier *verifier, const struct verifier_check *request,
                      struct span octets, struct cert_check *check, struct verifier_answer *answer)
{
    uint8_t room[AUTH_PARTS_MAX];
    struct writer w = writer_of(room, sizeof(room));
    struct peer peer;
    int error = peer_read(verifier, request, octets, &peer, &w);
    if (error == 0 && request->policy.n_pubkeys > 0)
        error = raw_check(verifier, &peer, answer);
    else if (error == 0) {
        const struct cert *known = known_key_find(verifier, &peer);
        peer.sent = peer.leaf != NULL;
        leaf_find(verifier, &peer);
        error = peer.leaf != NULL ? cert_verify(verifier, &peer, check, answer)
                : known != NULL
                    ? signature_verify(&peer, known->key, "pubkey", answer)
                    : refuse(answer, ERR_NOT_FOUND, "%s certificate was not sent, and is not here",
                             peer.of_gateway ? "the gateway's" : "the peer's");
    }
    answer->unfit = (error == ERR_AUTH || error == ERR_NOT_FOUND) && !peer.wrong;
    peer_done(&peer);
    check->ocsp = NULL; /* they point into the request; a later check reads them again */
    check->n_ocsp = 0;
    return error;
}

/* check_run - false: the answer comes later. */
static bool check_run(struct verifier *verifier, const struct asked *asked,
                      struct verifier_answer *ret)
{
    struct cert_check check = {.impatient = impatient(verifier, asked)};
    ret->error = peer_check(verifier, &asked->request->check, asked->octets, &check, ret);
    if (ret->error != ERR_AGAIN)
        return true;
    const struct waiting_for wait = {check.waits, check.n_waits,
                                     until(verifier, asked, WAITING_PATIENCE_NS)};
    if (waiting_checks_add(&verifier->waiting, asked->request, asked->octets, &wait) == 0)
        return false;
    check = (struct cert_check){.impatient = true};
    ret->error = peer_check(verifier, &asked->request->check, asked->octets, &check, ret);
    return true;
}

bool verifier_late(struct verifier *verifier, struct verifier_answer *ret,
                   struct writer *ret_octets)
{
    struct waiting_check *waiting;
    bool answered = false;
    while (!answered && (waiting = waiting_checks_take(&verifier->waiting, verifier->revocation,
                                                       verifier->now)) != NULL) {
        const struct asked asked = {&waiting->request, span_of(waiting->octets, waiting->n_octets),
                                    waiting->deadline};
        *ret = (struct verifier_answer){.job = waiting->request.job};
        answered = waiting->request.kind == VERIFIER_CHOOSE
                       ? choose_run(verifier, &asked, ret, ret_octets)
                       : check_run(verifier, &asked, ret);
        waiting_check_free(waiting);
    }
    ret->n_octets = (uint32_t)ret_octets->len;
    return answered;
}

/* --- revoked after the login --- */

bool verifier_revoked(struct verifier *verifier, struct verifier_answer *ret)
{
    *ret = (struct verifier_answer){.error = ERR_AUTH};
    if (chain_watch_revoked(verifier->watch, &ret->session, ret->reason))
        return true;
    chain_watch_step(verifier->watch, &verifier->store, verifier->revocation, verifier->now);
    return chain_watch_revoked(verifier->watch, &ret->session, ret->reason);
}

/* claim - true: the session must end, and the answer says so. */
static bool claim(struct verifier *verifier, const struct verifier_request *request,
                  struct span octets, struct verifier_answer *ret)
{
    struct chain_watch *watch = verifier->watch;
    const struct verifier_claim *claim = &request->claim;
    int error = request->kind == VERIFIER_PASS
                    ? chain_watch_pass(watch, claim->from, claim->session)
                : request->kind == VERIFIER_KEEP
                    ? chain_watch_import(watch, claim->session, octets, verifier->now)
                    : chain_watch_claim(watch, claim->chain, claim->session);
    if (error == 0)
        return false;
    *ret = (struct verifier_answer){.error = error, .session = claim->session};
    (void)refuse(ret, error, "whether its certificate is revoked can no longer be watched");
    return true;
}

/* --- fetches --- */

void verifier_tick(struct verifier *verifier, nanos now)
{
    verifier->now = now;
}

nanos verifier_deadline(const struct verifier *verifier)
{
    return nanos_min(waiting_checks_deadline(&verifier->waiting),
                     chain_watch_deadline(verifier->watch));
}

bool verifier_fetch(struct verifier *verifier, struct fetch_request *ret_request,
                    uint8_t ret_body[FETCH_BODY])
{
    return revocation_send(verifier->revocation, ret_request, ret_body);
}

void verifier_fetched(struct verifier *verifier, const struct fetch_answer *answer,
                      struct span octets)
{
    revocation_take(verifier->revocation, &verifier->store, answer, octets, verifier->now);
}

void verifier_fetcher_lost(struct verifier *verifier)
{
    revocation_lost(verifier->revocation, verifier->now);
}

/* --- TLS: the other side of an EAP method, and RADIUS servers --- */

/* radius_server_is - RFC 6614 section 2.3: the name or address that is configured is that of the
 * certificate. Names as RFC 6125 section 6.4 compares them: a wildcard stands for the first label,
 * and the CN counts if there is no dNSName. */
static bool radius_server_is(X509 *leaf, const struct ike_id *id)
{
    const char *name = (const char *)id->data;
    if (id->len == 0 || name[0] == '.') /* libcrypto takes the latter for a whole domain */
        return false;
    if (id->type == ID_FQDN)
        return X509_check_host(leaf, name, id->len, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) ==
               1;
    return (id->type == ID_IPV4_ADDR || id->type == ID_IPV6_ADDR) &&
           X509_check_ip(leaf, id->data, id->len, 0) == 1;
}

/* tls_names - the certificate has the identity. EAP identities are case-sensitive, and the session
 * has the identity as the peer wrote it. */
static bool tls_names(const struct verifier_tls *request, X509 *leaf)
{
    switch (request->of) {
    case TLS_OF_RADIUS_SERVER: return radius_server_is(leaf, &request->identity);
    case TLS_OF_EAP_SERVER: return cert_identity_has(leaf, &request->identity);
    default: return cert_identity_spells(leaf, &request->identity);
    }
}

static int tls_read(const struct verifier_tls *request, struct span octets, X509 **ret_leaf,
                    STACK_OF(X509) * others)
{
    struct reader r = reader_of(octets);
    if (request->n_certs == 0 || request->n_certs > VERIFIER_CHAIN ||
        request->of > TLS_OF_RADIUS_SERVER || request->identity.type == ID_ANY ||
        request->identity.len > sizeof(request->identity.data) ||
        memchr(request->conn, '\0', sizeof(request->conn)) == NULL ||
        !digests_sound(&request->policy))
        return ERR_INVALID;
    for (uint32_t i = 0; i < request->n_certs; i++) {
        X509 *x509 = cert_read(read_bytes(&r, request->cert_lengths[i]));
        if (i == 0)
            *ret_leaf = x509;
        else if (x509 != NULL && sk_X509_push(others, x509) <= 0)
            X509_free(x509);
    }
    return *ret_leaf != NULL && reader_done(&r) ? 0 : ERR_INVALID;
}

static int tls_check(struct verifier *verifier, const struct verifier_tls *request, X509 *leaf,
                     STACK_OF(X509) * others, struct verifier_answer *answer)
{
    static const char *const owners[] = {"peer", "EAP server", "RADIUS server"};
    char subject[IDENTITY_TEXT_MAX], text[IDENTITY_TEXT_MAX];
    struct cert_check check = {.store = &verifier->store,
                               .revocation = verifier->revocation,
                               .now = verifier->now,
                               .impatient = true, /* TLS waits for no answer */
                               .policy = &request->policy,
                               .conn = request->conn,
                               .of_gateway = request->of != TLS_OF_USER,
                               .tls = true,
                               .radius = request->of == TLS_OF_RADIUS_SERVER,
                               .leaf = leaf,
                               .others = others};
    if (!tls_names(request, leaf))
        return refuse(answer, ERR_AUTH, "the %s's certificate %.120s is not that of %.120s",
                      owners[request->of], cert_identity_print(leaf, subject),
                      identity_print(&request->identity, text));
    int error = cert_check_run(&check);
    if (error != 0)
        memcpy(answer->reason, check.reason, sizeof(answer->reason));
    answer->not_after = error == 0 ? check.not_after : 0;
    if (error == 0 && check.radius) { /* it has no session: a new connection is checked again */
        sk_X509_pop_free(check.chain, X509_free);
        return 0;
    }
    return error == 0 ? chain_keep(verifier, &check, answer) : error;
}

void verifier_tls_answer(struct verifier *verifier, const struct verifier_request *request,
                         struct span octets, struct verifier_answer *ret)
{
    X509 *leaf = NULL;
    STACK_OF(X509) *others = sk_X509_new_null();
    *ret = (struct verifier_answer){.job = request->job};
    ret->error = others == NULL                  ? ERR_NO_MEMORY
                 : request->kind != VERIFIER_TLS ? ERR_INVALID
                                                 : tls_read(&request->tls, octets, &leaf, others);
    if (ret->error == 0)
        ret->error = tls_check(verifier, &request->tls, leaf, others, ret);
    X509_free(leaf);
    sk_X509_pop_free(others, X509_free);
}

/* --- what is here --- */

static int list_show(const struct cert_store *store, uint32_t index, struct writer *w)
{
    uint8_t *der = NULL;
    if (index >= store->n_crls)
        return ERR_NOT_FOUND;
    int len = i2d_X509_CRL(store->crls[index].list, &der);
    bool fits = len > 0 && len <= VERIFIER_ANSWER_MAX;
    if (fits)
        write_bytes(w, span_of(der, (size_t)len));
    OPENSSL_free(der);
    return fits ? 0 : ERR_FULL;
}

static int show(const struct verifier *verifier, const struct verifier_show *what, struct writer *w)
{
    struct span octets;
    if (what->responses == 0)
        return list_show(&verifier->store, what->index, w);
    if (!revocation_at(verifier->revocation, what->index, &octets))
        return ERR_NOT_FOUND;
    write_bytes(w, octets);
    return octets.len > 0 ? 0 : ERR_FULL;
}

/* --- requests --- */

static bool uris_sound(const struct engine_uris *uris)
{
    bool sound = uris->n <= AUTHORITY_URIS;
    for (uint8_t i = 0; sound && i < uris->n; i++)
        sound = memchr(uris->text[i], '\0', AUTHORITY_URI) != NULL;
    return sound;
}

static int authority_take(struct cert_store *store, const struct verifier_authority *authority)
{
    return uris_sound(&authority->crl) && uris_sound(&authority->ocsp) &&
                   memchr(authority->cert_uri_base, '\0', AUTHORITY_URI) != NULL
               ? cert_store_authority(store, authority)
               : ERR_INVALID;
}

bool verifier_answer(struct verifier *verifier, const struct verifier_request *request,
                     struct span octets, struct verifier_answer *ret, struct writer *ret_octets)
{
    const struct asked asked = {.request = request, .octets = octets};
    struct cert_store *store = &verifier->store;
    bool answered = true;
    *ret = (struct verifier_answer){.job = request->job};
    switch (request->kind) {
    case VERIFIER_CERT: ret->error = cert_store_add(store, &request->cert, octets); break;
    case VERIFIER_UNCERT: cert_store_remove(store, &request->cert); break;
    case VERIFIER_KEY: ret->error = cert_store_key(store, &request->key); break;
    case VERIFIER_CRL: ret->error = cert_store_crl(store, octets); break;
    case VERIFIER_CRLS_BEGIN: cert_store_crls_begin(store); break;
    case VERIFIER_CRLS_END: cert_store_crls_end(store); break;
    case VERIFIER_AUTHORITY: ret->error = authority_take(store, &request->authority); break;
    case VERIFIER_FLUSH:
        if ((request->flush & VERIFIER_FLUSH_LISTS) != 0)
            cert_store_flush(store);
        if ((request->flush & VERIFIER_FLUSH_RESPONSES) != 0)
            revocation_flush(verifier->revocation);
        revocation_retry(verifier->revocation);
        store->changes++;
        break;
    case VERIFIER_CERT_TRY:
        ret->error = cert_store_try(store, false, request->cert.role, octets);
        break;
    case VERIFIER_CRL_TRY: ret->error = cert_store_try(store, true, 0, octets); break;
    case VERIFIER_SHOW: ret->error = show(verifier, &request->show, ret_octets); break;
    case VERIFIER_CHOOSE: answered = choose_run(verifier, &asked, ret, ret_octets); break;
    case VERIFIER_CLAIM:
    case VERIFIER_PASS:
    case VERIFIER_KEEP: answered = claim(verifier, request, octets, ret); break;
    case VERIFIER_CHAINS:
        ret->error = chain_watch_export(verifier->watch, request->claim.session, ret_octets);
        break;
    case VERIFIER_FORGET: chain_watch_forget(verifier->watch, request->claim.session); return false;
    case VERIFIER_CHECK: answered = check_run(verifier, &asked, ret); break;
    default: /* a number from outside */ ret->error = ERR_INVALID;
    }
    ret->n_octets = (uint32_t)ret_octets->len;
    return answered;
}
