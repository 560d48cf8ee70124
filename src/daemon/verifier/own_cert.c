/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/verifier/own_cert.h"

#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

#include "crypto/signature.h"
#include "daemon/verifier/cert_check.h"
#include "daemon/verifier/cert_identity.h"
#include "wire/iana.h"

#define OCTETS_MAX (LIMIT_IKE_MESSAGE / 4 * 3) /* of all, if an OCSP response is among them */

static const struct cert *issuer_find(const struct cert_store *store, const struct cert *cert)
{
    for (const struct cert *ca = store->certs; ca != NULL; ca = ca->hh.next)
        if (ca != cert && ca->x509 != NULL && X509_check_ca(ca->x509) != 0 &&
            X509_check_issued(ca->x509, cert->x509) == X509_V_OK)
            return ca;
    return NULL;
}

/* struct asker - the peer that wants our certificate. */
struct asker {
    const struct cert_store *store;
    const struct verifier_choose *request;
    struct span ca_ids; /* of its CERTREQ */
};

/* issued_by - the CA with that id is in the chain of the certificate. */
static bool issued_by(const struct asker *asker, const struct cert *cert, const uint8_t *id)
{
    for (int depth = 0; depth < VERIFIER_CHAIN && cert != NULL && cert->x509 != NULL; depth++) {
        cert = issuer_find(asker->store, cert);
        if (cert != NULL && memcmp(id, cert->ca_id, KEY_ID_SIZE) == 0)
            return true;
    }
    return false;
}

static bool wanted_by_peer(const struct asker *asker, const struct cert *cert)
{
    for (size_t at = 0; at + KEY_ID_SIZE <= asker->ca_ids.len; at += KEY_ID_SIZE)
        if (issued_by(asker, cert, asker->ca_ids.ptr + at))
            return true;
    return false;
}

/* methods_for - the signatures by this certificate that the peer verifies (RFC 9593 section 3.2.2: a
 * linked announcement is about the certificates of that CA). */
static uint16_t methods_for(const struct asker *asker, const struct cert *cert)
{
    const struct verifier_choose *request = asker->request;
    uint16_t methods = 0;
    for (uint32_t i = 0; i < request->n_announced; i++) {
        const struct ike_announced *some = &request->announced[i];
        size_t at = some->ca == 0 ? 0 : (some->ca - 1u) * (size_t)KEY_ID_SIZE;
        if (some->ca == 0 || (at + KEY_ID_SIZE <= asker->ca_ids.len &&
                              issued_by(asker, cert, asker->ca_ids.ptr + at)))
            methods |= some->methods;
    }
    return methods;
}

/* verified_by_peer - the peer verifies a signature by the key. */
static bool verified_by_peer(const struct asker *asker, const struct cert *cert, uint16_t methods)
{
    const struct verifier_choose *request = asker->request;
    const EVP_PKEY *key = cert->x509 != NULL ? X509_get0_pubkey(cert->x509) : cert->key;
    const struct signature_wish wish = {.hashes = request->hashes,
                                        .own = request->policy.ike_hashes,
                                        .methods = methods,
                                        .pss = request->policy.pss != 0};
    struct signature_scheme scheme;
    uint8_t method;
    return (request->n_announced == 0 || methods != 0) && key != NULL &&
           signature_choose(key, &wish, &method, &scheme) == 0;
}

static bool is_ours(const struct verifier_choose *request, const struct cert *cert)
{
    const struct cert_policy *policy = &request->policy;
    if (!cert->has_private)
        return false;
    if (policy->n_certs > 0 || policy->n_pubkeys > 0)
        return cert_check_named(policy->certs, policy->n_certs, cert->digest) ||
               cert_check_named(policy->pubkeys, policy->n_pubkeys, cert->digest);
    return cert->x509 != NULL && cert_identity_has(cert->x509, &request->local);
}

/*
 * own_find - the configured certificates; else those of our identity. Among several, one with a key
 * whose signature the peer verifies; among these, one whose CA the peer names in its CERTREQ.
 *
 * *ret_methods 0: the peer announced nothing, or nothing that fits. Then we sign as without
 * announcements: RFC 9593 section 3 leaves their use to us, and the peer decides.
 */
static const struct cert *own_find(const struct asker *asker, uint16_t *ret_methods)
{
    const struct cert *best = NULL;
    int best_rank = -1;
    for (const struct cert *cert = asker->store->certs; cert != NULL; cert = cert->hh.next) {
        if (!is_ours(asker->request, cert))
            continue;
        uint16_t methods = methods_for(asker, cert);
        bool verified = asker->request->for_auth == 1 && verified_by_peer(asker, cert, methods);
        int rank = (verified ? 2 : 0) + (wanted_by_peer(asker, cert) ? 1 : 0);
        if (rank <= best_rank)
            continue;
        best = cert;
        best_rank = rank;
        *ret_methods = verified ? methods : 0;
    }
    return best;
}

static bool self_signed(X509 *x509)
{
    return X509_check_issued(x509, x509) == X509_V_OK;
}

static bool octets_put(struct verifier_answer *answer, uint8_t encoding, struct span octets,
                       struct writer *w)
{
    if (answer->n_certs == VERIFIER_CHAIN)
        return false;
    answer->encodings[answer->n_certs] = encoding;
    answer->cert_lengths[answer->n_certs++] = (uint32_t)octets.len;
    write_bytes(w, octets);
    return true;
}

/* url_put - RFC 7296 section 3.6: the SHA-1 of the certificate, and where its DER encoding is. */
static bool url_put(struct verifier_answer *answer, const char *base, struct span der,
                    struct writer *w)
{
    uint8_t room[SHA_DIGEST_LENGTH + AUTHORITY_URI + 2 * SHA_DIGEST_LENGTH];
    uint8_t digest[SHA_DIGEST_LENGTH];
    char digits[2 * SHA_DIGEST_LENGTH + 1];
    struct writer octets = writer_of(room, sizeof(room));
    SHA1(der.ptr, der.len, digest);
    for (size_t i = 0; i < SHA_DIGEST_LENGTH; i++)
        (void)snprintf(digits + 2 * i, 3, "%02x", digest[i]);
    write_bytes(&octets, span_of(digest, sizeof(digest)));
    write_bytes(&octets, span_text(base));
    write_bytes(&octets, span_text(digits));
    return octets_put(answer, CERT_HASH_URL, writer_span(&octets), w);
}

/* cert_put - `base`: of the CA that issued it; NULL: no URL. */
static bool cert_put(struct verifier_answer *answer, const struct cert *cert, const char *base,
                     struct writer *w)
{
    uint8_t *der = NULL;
    int len = cert->x509 != NULL ? i2d_X509(cert->x509, &der) : i2d_PUBKEY(cert->key, &der);
    struct span octets = span_of(der, len > 0 ? (size_t)len : 0);
    uint8_t encoding = cert->x509 != NULL ? CERT_X509 : CERT_RAW_KEY;
    bool put = len > 0 && (base != NULL ? url_put(answer, base, octets, w)
                                        : octets_put(answer, encoding, octets, w));
    OPENSSL_free(der);
    return put;
}

/* base_of - the URL of that CA's certificates; NULL: none. */
static const char *base_of(const struct cert *issuer)
{
    bool named = issuer != NULL && issuer->uris != NULL && issuer->uris->certs[0] != '\0';
    return named ? issuer->uris->certs : NULL;
}

/* chain_put - RFC 7296 section 3.6: ours first, then the CAs up to the root, which the peer has or
 * does not trust. */
static void chain_put(const struct cert_store *store, const struct cert *cert, bool urls,
                      struct verifier_answer *answer, struct writer *w)
{
    while (cert != NULL) {
        const struct cert *issuer = cert->x509 == NULL ? NULL : issuer_find(store, cert);
        if (!cert_put(answer, cert, urls ? base_of(issuer) : NULL, w) ||
            (issuer != NULL && self_signed(issuer->x509)))
            return;
        cert = issuer;
    }
}

/* response_find - the fetched OCSP response about our certificate. After half of its validity the
 * fetch of a newer one begins. ERR_AGAIN: it is being fetched. */
static int response_find(struct own_cert *own, const struct cert *cert, struct span *ret_ocsp)
{
    const struct cert *issuer = cert->x509 == NULL ? NULL : issuer_find(own->store, cert);
    if (issuer == NULL)
        return 0;
    struct revocation_of of = {.cert = cert->x509, .issuer = issuer->x509, .uris = issuer->uris};
    enum revocation_age age =
        revocation_octets(own->revocation, &of, (int64_t)time(NULL), ret_ocsp);
    if (age == REVOCATION_YOUNG)
        return 0;
    of.background = age == REVOCATION_OLD;
    own->wait = revocation_ask_ocsp(own->revocation, &of, own->now);
    return own->wait == 0 || own->impatient || age == REVOCATION_OLD ? 0 : ERR_AGAIN;
}

static int none_found(const struct verifier_choose *request, struct verifier_answer *answer)
{
    char text[IDENTITY_TEXT_MAX];
    (void)snprintf(answer->reason, sizeof(answer->reason),
                   request->policy.n_certs > 0
                       ? "no private key for the configured certificate of %.200s is loaded"
                       : "no certificate of %.200s with a private key is loaded",
                   identity_print(&request->local, text));
    return ERR_NOT_FOUND;
}

int own_cert_choose(struct own_cert *own, const struct verifier_choose *request, struct span ca_ids,
                    struct verifier_answer *answer, struct writer *w)
{
    struct span ocsp = {0};
    const struct asker asker = {own->store, request, ca_ids};
    uint16_t methods = 0;
    const struct cert *cert = own_find(&asker, &methods);
    if (cert == NULL)
        return none_found(request, answer);
    if (request->ocsp == 1 && response_find(own, cert, &ocsp) != 0)
        return ERR_AGAIN;
    memcpy(answer->key_id, cert->key_id, KEY_ID_SIZE);
    answer->methods = methods;
    chain_put(own->store, cert, request->hash_and_url == 1, answer, w);
    /* the OCSP response comes last, if there is room: a login must not fail for it */
    if (ocsp.len > 0 && w->len + ocsp.len <= OCTETS_MAX)
        (void)octets_put(answer, CERT_OCSP, ocsp, w);
    return 0;
}
