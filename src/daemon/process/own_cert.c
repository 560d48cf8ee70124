/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/process/own_cert.h"

#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

#include "daemon/process/cert_check.h"
#include "daemon/process/cert_identity.h"
#include "wire/iana.h"

#define OCTETS_MAX (LIMIT_IKE_MESSAGE / 4 * 3) /* of all, if an OCSP response is among them */

static bool wanted_by_peer(const struct cert_store *store, X509 *x509, struct span ca_ids)
{
    for (const struct cert *ca = store->certs; ca != NULL; ca = ca->hh.next) {
        if (ca->x509 == NULL || X509_check_issued(ca->x509, x509) != X509_V_OK)
            continue;
        for (size_t at = 0; at + KEY_ID_SIZE <= ca_ids.len; at += KEY_ID_SIZE)
            if (memcmp(ca_ids.ptr + at, ca->ca_id, KEY_ID_SIZE) == 0)
                return true;
    }
    return false;
}

/* The configured certificates; else those of our identity. Among several, one whose CA the peer
 * names in its CERTREQ. */
static const struct cert *own_find(const struct cert_store *store,
                                   const struct verifier_choose *choose, struct span ca_ids)
{
    const struct cert_policy *policy = &choose->policy;
    const struct cert *best = NULL;
    bool named = policy->n_certs > 0 || policy->n_pubkeys > 0;
    for (const struct cert *cert = store->certs; cert != NULL; cert = cert->hh.next) {
        bool ours = named ? cert_check_named(policy->certs, policy->n_certs, cert->digest) ||
                                cert_check_named(policy->pubkeys, policy->n_pubkeys, cert->digest)
                          : cert->x509 != NULL && cert_identity_has(cert->x509, &choose->local);
        if (!ours || !cert->has_private)
            continue;
        if (best == NULL)
            best = cert;
        if (cert->x509 != NULL && wanted_by_peer(store, cert->x509, ca_ids))
            return cert;
    }
    return best;
}

static const struct cert *issuer_find(const struct cert_store *store, const struct cert *cert)
{
    for (const struct cert *ca = store->certs; ca != NULL; ca = ca->hh.next)
        if (ca != cert && ca->x509 != NULL && X509_check_ca(ca->x509) != 0 &&
            X509_check_issued(ca->x509, cert->x509) == X509_V_OK)
            return ca;
    return NULL;
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

/* base_of - where the certificates of that CA are; NULL: nowhere. */
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

/* response_find - the OCSP response about our certificate, from what was fetched. The fetch of a
 * younger one begins when half of its time is over. ERR_AGAIN: it is being fetched. */
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
    const struct cert *cert = own_find(own->store, request, ca_ids);
    if (cert == NULL)
        return none_found(request, answer);
    if (request->ocsp == 1 && response_find(own, cert, &ocsp) != 0)
        return ERR_AGAIN;
    memcpy(answer->key_id, cert->key_id, KEY_ID_SIZE);
    chain_put(own->store, cert, request->hash_and_url == 1, answer, w);
    /* the OCSP response comes last, if there is room: a login must not fail for it */
    if (ocsp.len > 0 && w->len + ocsp.len <= OCTETS_MAX)
        (void)octets_put(answer, CERT_OCSP, ocsp, w);
    return 0;
}
