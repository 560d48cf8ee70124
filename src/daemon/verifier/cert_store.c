/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/verifier/cert_store.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <time.h>

#include "crypto/key_id.h"
#include "daemon/common/log.h"
#include "daemon/verifier/cert_identity.h"

#define BIT(role) (1u << (role))

int cert_store_init(struct cert_store *store)
{
    *store = (struct cert_store){.certs = NULL};
    return 0;
}

static struct cert *cert_free(struct cert *cert)
{
    X509_free(cert->x509);
    EVP_PKEY_free(cert->key);
    free(cert->uris);
    free(cert);
    return NULL;
}

static void anchors_drop(struct cert_store *store)
{
    X509_STORE_free(store->anchors);
    store->anchors = NULL;
}

void cert_store_done(struct cert_store *store)
{
    struct cert *cert, *next;
    HASH_ITER(hh, store->certs, cert, next)
    {
        HASH_DEL(store->certs, cert);
        cert_free(cert);
    }
    for (size_t i = 0; i < store->n_crls; i++)
        X509_CRL_free(store->crls[i].list);
    free(store->crls);
    anchors_drop(store);
    free(store->keys);
    *store = (struct cert_store){0};
}

X509 *cert_read(struct span octets)
{
    const uint8_t *at = octets.ptr;
    if (octets.len == 0 || octets.len > VERIFIER_CERT_MAX)
        return NULL;
    X509 *x509 = d2i_X509(NULL, &at, (long)octets.len);
    if (x509 != NULL && at != octets.ptr + octets.len) {
        X509_free(x509);
        return NULL;
    }
    return x509;
}

EVP_PKEY *cert_read_pubkey(struct span octets)
{
    const uint8_t *at = octets.ptr;
    if (octets.len == 0 || octets.len > VERIFIER_CERT_MAX)
        return NULL;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)octets.len);
    if (key != NULL && at != octets.ptr + octets.len) {
        EVP_PKEY_free(key);
        return NULL;
    }
    return key;
}

struct cert *cert_store_find(const struct cert_store *store, const uint8_t digest[CERT_DIGEST])
{
    struct cert *cert;
    HASH_FIND(hh, store->certs, digest, CERT_DIGEST, cert);
    return cert;
}

static bool key_known(const struct cert_store *store, const uint8_t key_id[KEY_ID_SIZE])
{
    for (size_t i = 0; i < store->n_keys; i++)
        if (memcmp(store->keys[i], key_id, KEY_ID_SIZE) == 0)
            return true;
    return false;
}

static struct cert *cert_new(const struct verifier_cert *wanted, struct span octets)
{
    struct cert *cert = calloc(1, sizeof(*cert));
    if (cert == NULL)
        return NULL;
    memcpy(cert->digest, wanted->digest, CERT_DIGEST);
    if (cert_role_is_pubkey(wanted->role))
        cert->key = cert_read_pubkey(octets);
    else
        cert->x509 = cert_read(octets);
    if (cert->x509 != NULL)
        cert->key = X509_get_pubkey(cert->x509);
    if (cert->key == NULL || crypto_key_ids(cert->key, cert->key_id, cert->ca_id) != 0)
        return cert_free(cert);
    return cert;
}

/* blocks_tell - RFC 3779: a CA with address blocks limits the addresses of its holders. We limit
 * selectors only by the configuration, so the log warns the administrator. */
static void blocks_tell(const struct cert *cert)
{
    char subject[IDENTITY_TEXT_MAX], who[IDENTITY_TEXT_MAX + 8];
    if (cert->x509 == NULL || X509_check_ca(cert->x509) == 0 ||
        X509_get_ext_by_NID(cert->x509, NID_sbgp_ipAddrBlock, -1) < 0)
        return;
    log_line(
        LOG_LEVEL_WARNING,
        "event=address-blocks-unused certificate=%s reason=\"remote_ts says what its holders may "
        "have, and the address blocks of certificates (RFC 3779) do not narrow that\"",
        log_text(cert_identity_print(cert->x509, subject), who, sizeof(who)));
}

int cert_store_add(struct cert_store *store, const struct verifier_cert *wanted, struct span octets)
{
    uint8_t digest[CERT_DIGEST];
    if (wanted->role >= CERT_ROLES)
        return ERR_INVALID;
    SHA256(octets.ptr, octets.len, digest);
    if (memcmp(digest, wanted->digest, CERT_DIGEST) != 0)
        return ERR_INVALID;
    struct cert *cert = cert_store_find(store, digest);
    if (cert == NULL && HASH_COUNT(store->certs) >= CERT_STORE_CERTS)
        return ERR_FULL;
    if (cert == NULL) {
        cert = cert_new(wanted, octets);
        if (cert == NULL)
            return ERR_INVALID;
        cert->has_private = key_known(store, cert->key_id);
        HASH_ADD(hh, store->certs, digest, CERT_DIGEST, cert);
        if (!TABLE_HAS(cert)) {
            (void)cert_free(cert);
            return ERR_NO_MEMORY;
        }
        blocks_tell(cert);
    }
    cert->roles |= BIT(wanted->role);
    store->changes += cert->x509 != NULL && X509_check_ca(cert->x509) != 0;
    anchors_drop(store);
    return 0;
}

void cert_store_remove(struct cert_store *store, const struct verifier_cert *wanted)
{
    struct cert *cert = cert_store_find(store, wanted->digest);
    if (cert == NULL || wanted->role >= CERT_ROLES)
        return;
    cert->roles &= ~BIT(wanted->role);
    if (wanted->role == CERT_ROLE_AUTHORITY) {
        free(cert->uris);
        cert->uris = NULL;
    }
    anchors_drop(store);
    if (cert->roles == 0) {
        for (size_t i = 0; i < store->n_crls; i++)
            store->crls[i].verified = false; /* perhaps by this one */
        HASH_DEL(store->certs, cert);
        cert_free(cert);
    }
}

static int key_add(struct cert_store *store, const uint8_t key_id[KEY_ID_SIZE])
{
    uint8_t(*keys)[KEY_ID_SIZE] =
        reallocarray(store->keys, store->n_keys + 1, sizeof(store->keys[0]));
    if (keys == NULL)
        return ERR_NO_MEMORY;
    store->keys = keys;
    memcpy(store->keys[store->n_keys++], key_id, KEY_ID_SIZE);
    return 0;
}

static void key_remove(struct cert_store *store, const uint8_t key_id[KEY_ID_SIZE])
{
    for (size_t i = 0; i < store->n_keys; i++)
        if (memcmp(store->keys[i], key_id, KEY_ID_SIZE) == 0) {
            memmove(store->keys[i], store->keys[--store->n_keys], KEY_ID_SIZE);
            return;
        }
}

int cert_store_key(struct cert_store *store, const struct verifier_key *key)
{
    bool known = key_known(store, key->key_id);
    if (key->present != 0 && !known && key_add(store, key->key_id) != 0)
        return ERR_NO_MEMORY;
    if (key->present == 0)
        key_remove(store, key->key_id);
    for (struct cert *cert = store->certs; cert != NULL; cert = cert->hh.next)
        if (memcmp(cert->key_id, key->key_id, KEY_ID_SIZE) == 0)
            cert->has_private = key->present != 0;
    return 0;
}

/* --- lists of revocations --- */

/* The scope of a list: one without the extension covers all certificates of its
 * issuer. */
static bool extension_equal(const X509_CRL *a, const X509_CRL *b, int nid)
{
    X509_EXTENSION *one = X509_CRL_get_ext(a, X509_CRL_get_ext_by_NID(a, nid, -1));
    X509_EXTENSION *two = X509_CRL_get_ext(b, X509_CRL_get_ext_by_NID(b, nid, -1));
    if (one == NULL || two == NULL)
        return one == two;
    return ASN1_OCTET_STRING_cmp(X509_EXTENSION_get_data(one), X509_EXTENSION_get_data(two)) == 0;
}

static bool list_replaces(const struct cert_crl *one, const struct cert_crl *other)
{
    const X509_CRL *crl = one->list, *old = other->list;
    bool delta = X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0;
    return one->fetched == other->fetched &&
           delta == (X509_CRL_get_ext_by_NID(old, NID_delta_crl, -1) >= 0) &&
           X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_CRL_get_issuer(old)) == 0 &&
           extension_equal(crl, old, NID_authority_key_identifier) &&
           extension_equal(crl, old, NID_issuing_distribution_point);
}

/* number_compare - the number `nid` of `a` with the CRL number of `b`; 0 also: one has none. */
static int number_compare(const X509_CRL *a, int nid, const X509_CRL *b)
{
    ASN1_INTEGER *one = X509_CRL_get_ext_d2i(a, nid, NULL, NULL);
    ASN1_INTEGER *two = X509_CRL_get_ext_d2i(b, NID_crl_number, NULL, NULL);
    int order = one == NULL || two == NULL ? 0 : ASN1_INTEGER_cmp(one, two);
    ASN1_INTEGER_free(one);
    ASN1_INTEGER_free(two);
    return order;
}

static bool list_younger(const X509_CRL *a, const X509_CRL *b)
{
    int order = ASN1_TIME_compare(X509_CRL_get0_lastUpdate(a), X509_CRL_get0_lastUpdate(b));
    return order > 0 || (order == 0 && number_compare(a, NID_crl_number, b) > 0);
}

static bool signed_by(X509_CRL *list, X509 *ca)
{
    return X509_NAME_cmp(X509_CRL_get_issuer(list), X509_get_subject_name(ca)) == 0 &&
           X509_check_ca(ca) != 0 && X509_CRL_verify(list, X509_get0_pubkey(ca)) == 1;
}

static bool signed_by_ours(const struct cert_store *store, X509_CRL *list)
{
    for (const struct cert *cert = store->certs; cert != NULL; cert = cert->hh.next)
        if (cert->x509 != NULL && signed_by(list, cert->x509))
            return true;
    return false;
}

static bool signed_by_others(X509_CRL *list, const STACK_OF(X509) * others)
{
    for (int i = 0; i < sk_X509_num(others); i++)
        if (signed_by(list, sk_X509_value(others, i)))
            return true;
    return false;
}

static int crl_push(struct cert_store *store, const struct cert_crl *crl)
{
    if (store->n_crls == CERT_STORE_CRLS)
        return ERR_FULL;
    struct cert_crl *crls = reallocarray(store->crls, store->n_crls + 1, sizeof(crls[0]));
    if (crls == NULL)
        return ERR_NO_MEMORY;
    store->crls = crls;
    store->crls[store->n_crls++] = *crl;
    store->changes++;
    return 0;
}

static void crl_drop(struct cert_store *store, size_t index)
{
    X509_CRL_free(store->crls[index].list);
    store->changes++;
    store->n_crls--;
    memmove(&store->crls[index], &store->crls[index + 1],
            (store->n_crls - index) * sizeof(store->crls[0]));
}

/* crl_add - puts the list into the store, which owns it from then on. Of two lists of one CA the
 * younger one stays, so a replayed old list makes no certificate valid again. A list without a
 * verified signature never replaces one with it. *ret_kept: the store now has this list, or an
 * equally new one. */
static int crl_add(struct cert_store *store, struct cert_crl crl, bool *ret_kept)
{
    *ret_kept = true;
    crl.verified = signed_by_ours(store, crl.list);
    crl.load = store->load;
    for (size_t i = 0; i < store->n_crls; i++) {
        struct cert_crl *old = &store->crls[i];
        if (!list_replaces(&crl, old) || (old->verified && !crl.verified))
            continue;
        bool younger = list_younger(crl.list, old->list) || (crl.verified && !old->verified);
        *ret_kept = younger || !list_younger(old->list, crl.list);
        X509_CRL_free(younger ? old->list : crl.list);
        if (younger)
            *old = crl;
        store->changes += younger;
        old->load = store->load;
        return 0;
    }
    int error = crl_push(store, &crl);
    if (error != 0)
        X509_CRL_free(crl.list);
    return error;
}

STACK_OF(X509_CRL) * cert_store_crls(struct cert_store *store, const STACK_OF(X509) * others)
{
    STACK_OF(X509_CRL) *lists = sk_X509_CRL_new_null();
    bool ok = lists != NULL;
    for (size_t i = 0; ok && i < store->n_crls; i++) {
        struct cert_crl *crl = &store->crls[i];
        crl->verified = crl->verified || signed_by_ours(store, crl->list);
        if (crl->verified || signed_by_others(crl->list, others))
            ok = sk_X509_CRL_push(lists, crl->list) > 0;
    }
    if (!ok) {
        sk_X509_CRL_free(lists);
        return NULL;
    }
    return lists;
}

static X509_CRL *crl_read(struct span octets)
{
    const uint8_t *at = octets.ptr;
    if (octets.len == 0 || octets.len > VERIFIER_CRL_MAX)
        return NULL;
    X509_CRL *crl = d2i_X509_CRL(NULL, &at, (long)octets.len);
    if (crl != NULL && at != octets.ptr + octets.len) {
        X509_CRL_free(crl);
        return NULL;
    }
    return crl;
}

int cert_store_crl(struct cert_store *store, struct span octets)
{
    const struct cert_crl crl = {.list = crl_read(octets), .n_octets = octets.len};
    bool kept;
    return crl.list == NULL ? ERR_INVALID : crl_add(store, crl, &kept);
}

void cert_store_crls_begin(struct cert_store *store)
{
    store->load++;
}

void cert_store_crls_end(struct cert_store *store)
{
    for (size_t i = store->n_crls; i-- > 0;)
        if (!store->crls[i].fetched && store->crls[i].load != store->load)
            crl_drop(store, i);
}

/* --- lists that were fetched --- */

static X509_CRL *crl_read_pem(struct span octets)
{
    BIO *bio = octets.len > VERIFIER_CRL_MAX ? NULL : BIO_new_mem_buf(octets.ptr, (int)octets.len);
    X509_CRL *list = bio == NULL ? NULL : PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
    BIO_free(bio);
    return list;
}

/* room_make - drops the oldest fetched lists. */
static void room_make(struct cert_store *store, size_t n_octets)
{
    size_t n = 1, total = n_octets;
    for (size_t i = store->n_crls; i-- > 0;) {
        if (!store->crls[i].fetched)
            continue;
        n++;
        total += store->crls[i].n_octets;
        if (n > CERT_STORE_FETCHED || total > CERT_STORE_FETCHED_OCTETS)
            crl_drop(store, i);
    }
}

bool cert_store_list_of_now(const X509_CRL *list)
{
    const ASN1_TIME *next = X509_CRL_get0_nextUpdate(list);
    time_t now = time(NULL), latest = now + CERT_STORE_SKEW_S, earliest = now - CERT_STORE_SKEW_S;
    return X509_cmp_time(X509_CRL_get0_lastUpdate(list), &latest) < 0 &&
           (next == NULL || X509_cmp_time(next, &earliest) > 0);
}

X509_CRL *cert_store_base(const struct cert_store *store, X509 *issuer)
{
    for (size_t i = 0; i < store->n_crls; i++) {
        X509_CRL *list = store->crls[i].list;
        if (X509_CRL_get_ext_by_NID(list, NID_delta_crl, -1) < 0 &&
            X509_NAME_cmp(X509_CRL_get_issuer(list), X509_get_subject_name(issuer)) == 0 &&
            cert_store_list_of_now(list))
            return list;
    }
    return NULL;
}

/* delta_of_base - the delta belongs to the base; never if a number is missing. */
static bool delta_of_base(const X509_CRL *delta, const X509_CRL *base)
{
    return X509_CRL_get_ext_by_NID(base, NID_delta_crl, -1) < 0 &&
           X509_CRL_get_ext_by_NID(base, NID_crl_number, -1) >= 0 &&
           X509_NAME_cmp(X509_CRL_get_issuer(base), X509_CRL_get_issuer(delta)) == 0 &&
           extension_equal(base, delta, NID_authority_key_identifier) &&
           extension_equal(base, delta, NID_issuing_distribution_point) &&
           cert_store_list_of_now(base);
}

static enum cert_deltas delta_state(const struct cert_store *store, const X509_CRL *delta)
{
    enum cert_deltas state = CERT_DELTAS_NONE;
    for (size_t i = 0; state != CERT_DELTAS_FIT && i < store->n_crls; i++)
        if (delta_of_base(delta, store->crls[i].list))
            state = number_compare(delta, NID_delta_crl, store->crls[i].list) > 0
                        ? CERT_DELTAS_AHEAD
                        : CERT_DELTAS_FIT;
    return state;
}

enum cert_deltas cert_store_deltas(const struct cert_store *store, X509 *issuer)
{
    enum cert_deltas state = CERT_DELTAS_NONE;
    for (size_t i = 0; state != CERT_DELTAS_FIT && i < store->n_crls; i++) {
        const X509_CRL *list = store->crls[i].list;
        if (X509_CRL_get_ext_by_NID(list, NID_delta_crl, -1) < 0 ||
            X509_NAME_cmp(X509_CRL_get_issuer(list), X509_get_subject_name(issuer)) != 0 ||
            !cert_store_list_of_now(list))
            continue;
        enum cert_deltas one = delta_state(store, list);
        state = one != CERT_DELTAS_NONE ? one : state;
    }
    return state;
}

int64_t cert_store_lists_end(const struct cert_store *store, X509 *issuer)
{
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < store->n_crls; i++) {
        const X509_CRL *list = store->crls[i].list;
        struct tm tm;
        if (X509_NAME_cmp(X509_CRL_get_issuer(list), X509_get_subject_name(issuer)) != 0 ||
            !cert_store_list_of_now(list) || X509_CRL_get0_nextUpdate(list) == NULL ||
            ASN1_TIME_to_tm(X509_CRL_get0_nextUpdate(list), &tm) != 1)
            continue;
        int64_t end = timegm(&tm) + CERT_STORE_SKEW_S;
        first = end < first ? end : first;
    }
    return first;
}

int cert_store_fetched(struct cert_store *store, struct span octets, X509 *issuer)
{
    bool pem = octets.len > 0 && octets.ptr[0] == '-', kept;
    struct cert_crl crl = {.fetched = true, .n_octets = octets.len};
    crl.list = pem ? crl_read_pem(octets) : crl_read(octets);
    if (crl.list == NULL)
        return ERR_INVALID;
    int error = !signed_by(crl.list, issuer) && !signed_by_ours(store, crl.list) ? ERR_AUTH
                : !cert_store_list_of_now(crl.list)                              ? ERR_WRONG_STATE
                                                                                 : 0;
    if (error != 0) {
        X509_CRL_free(crl.list);
        return error;
    }
    room_make(store, octets.len);
    error = crl_add(store, crl, &kept);
    return error == 0 && !kept ? ERR_WRONG_STATE : error;
}

void cert_store_flush(struct cert_store *store)
{
    for (size_t i = store->n_crls; i-- > 0;)
        if (store->crls[i].fetched)
            crl_drop(store, i);
}

int cert_store_try(const struct cert_store *store, bool crl, uint32_t role, struct span octets)
{
    const struct verifier_cert wanted = {.role = role};
    X509_CRL *list = crl ? crl_read(octets) : NULL;
    struct cert *cert = crl || role >= CERT_ROLES ? NULL : cert_new(&wanted, octets);
    int error = list == NULL && cert == NULL ? ERR_INVALID : 0;
    if (cert != NULL && HASH_COUNT(store->certs) >= CERT_STORE_CERTS)
        error = ERR_FULL;
    X509_CRL_free(list);
    if (cert != NULL)
        cert_free(cert);
    return error;
}

/* --- OCSP --- */

int cert_store_authority(struct cert_store *store, const struct verifier_authority *authority)
{
    struct cert *cert = cert_store_find(store, authority->digest);
    if (cert == NULL)
        return ERR_NOT_FOUND;
    if (cert->uris == NULL && (cert->uris = malloc(sizeof(*cert->uris))) == NULL)
        return ERR_NO_MEMORY;
    *cert->uris = (struct cert_uris){.crl = authority->crl, .ocsp = authority->ocsp};
    memcpy(cert->uris->certs, authority->cert_uri_base, AUTHORITY_URI);
    return 0;
}

STACK_OF(X509) * cert_store_responders(const struct cert_store *store)
{
    STACK_OF(X509) *responders = sk_X509_new_null();
    bool ok = responders != NULL;
    for (const struct cert *cert = store->certs; ok && cert != NULL; cert = cert->hh.next)
        if ((cert->roles & BIT(CERT_ROLE_OCSP)) != 0 && cert->x509 != NULL)
            ok = sk_X509_push(responders, cert->x509) > 0;
    if (!ok) {
        sk_X509_free(responders);
        return NULL;
    }
    return responders;
}

/* --- trust anchors --- */

X509_STORE *cert_store_anchors(struct cert_store *store)
{
    if (store->anchors != NULL)
        return store->anchors;
    store->anchors = X509_STORE_new();
    for (const struct cert *cert = store->certs; store->anchors != NULL && cert != NULL;
         cert = cert->hh.next)
        if ((cert->roles & (BIT(CERT_ROLE_CA) | BIT(CERT_ROLE_AUTHORITY))) != 0 &&
            cert->x509 != NULL && X509_STORE_add_cert(store->anchors, cert->x509) != 1)
            anchors_drop(store);
    return store->anchors;
}
