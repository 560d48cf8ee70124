/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/ke.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "base/assert.h"

enum ke_kind { KE_MODP, KE_ECP, KE_MONTGOMERY };

struct ke_method {
    uint16_t group;
    enum ke_kind kind;
    const char *type, *name; /* libcrypto's names of key type and group; NULL: the type is enough */
    uint16_t public_len, shared_len;
    nanos cost_ns; /* of a key pair and a shared secret, on one core of 2020 */
};

static const struct ke_method methods[] = {
    {5, KE_MODP, "DH", "modp_1536", 192, 192, 200 * NANOS_PER_US}, /* only with `legacy = yes` */
    {14, KE_MODP, "DH", "modp_2048", 256, 256, 350 * NANOS_PER_US},
    {15, KE_MODP, "DH", "modp_3072", 384, 384, 900 * NANOS_PER_US},
    {16, KE_MODP, "DH", "modp_4096", 512, 512, 1600 * NANOS_PER_US},
    {19, KE_ECP, "EC", "P-256", 64, 32, 150 * NANOS_PER_US},
    {20, KE_ECP, "EC", "P-384", 96, 48, 1500 * NANOS_PER_US},
    {21, KE_ECP, "EC", "P-521", 132, 66, 700 * NANOS_PER_US},
    {31, KE_MONTGOMERY, "X25519", NULL, 32, 32, 120 * NANOS_PER_US},
    {32, KE_MONTGOMERY, "X448", NULL, 56, 56, 700 * NANOS_PER_US},
};

static const struct ke_method *find(uint16_t group)
{
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (methods[i].group == group)
            return &methods[i];
    return NULL;
}

/* --- keys of libcrypto --- */

#define POINT_UNCOMPRESSED 4 /* libcrypto writes this octet before the coordinates of a point */
#define PUBLIC_ROOM        (KE_PUBLIC_MAX + 1)

/* group_param - the parameter that names the group; the end of the list if the type is enough. */
static OSSL_PARAM group_param(const struct ke_method *method)
{
    return method->name == NULL ? OSSL_PARAM_construct_end()
                                : OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
                                                                   (char *)method->name, 0);
}

static EVP_PKEY *key_from(const struct ke_method *method, int selection, OSSL_PARAM *params)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, method->type, NULL);
    EVP_PKEY *key = NULL;
    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, selection, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static EVP_PKEY *pair_generate(const struct ke_method *method)
{
    OSSL_PARAM params[] = {group_param(method), OSSL_PARAM_construct_end()};
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, method->type, NULL);
    EVP_PKEY *key = NULL;
    if (ctx == NULL || EVP_PKEY_keygen_init(ctx) != 1 ||
        EVP_PKEY_CTX_set_params(ctx, params) != 1 || EVP_PKEY_generate(ctx, &key) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    return key;
}

/* public_get - writes the public value as the KE payload has it. */
static bool public_get(const struct ke_method *method, EVP_PKEY *key, uint8_t *out)
{
    uint8_t octets[PUBLIC_ROOM];
    size_t prefix = method->kind == KE_ECP, len = 0;
    if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, octets,
                                        sizeof(octets), &len) != 1 ||
        len != prefix + method->public_len)
        return false;
    memcpy(out, octets + prefix, method->public_len);
    return true;
}

/* public_set - puts the peer's value into `key`, which has its group. libcrypto checks the value:
 * MODP 1 < y < p - 1 (RFC 6989 section 2.1); ECP a point on the curve (section 2.3; the cofactor is
 * 1). */
static bool public_set(const struct ke_method *method, EVP_PKEY *key, struct span peer)
{
    uint8_t octets[PUBLIC_ROOM] = {POINT_UNCOMPRESSED};
    size_t prefix = method->kind == KE_ECP;
    memcpy(octets + prefix, peer.ptr, peer.len);
    return EVP_PKEY_set1_encoded_public_key(key, octets, prefix + peer.len) == 1;
}

/* private_param - the parameter with which libcrypto reads or writes a private value; `out` has
 * KE_PRIVATE_MAX octets. */
static OSSL_PARAM private_param(const struct ke_method *method, uint8_t *out)
{
    return method->kind == KE_MONTGOMERY
               ? OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PRIV_KEY, out,
                                                   method->public_len)
               : OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, out, KE_PRIVATE_MAX);
}

static bool private_get(const struct ke_method *method, EVP_PKEY *key, uint8_t *out)
{
    OSSL_PARAM params[] = {private_param(method, out), OSSL_PARAM_construct_end()};
    return EVP_PKEY_get_params(key, params) == 1;
}

/* pair_of - the key pair of `job`, which has run KE_PAIR. For the curves of RFC 7748 it passes the
 * public value too, so that libcrypto does not compute it again. */
static EVP_PKEY *pair_of(const struct ke_method *method, struct ke_job *job)
{
    OSSL_PARAM params[] = {
        private_param(method, job->private_value),
        method->kind == KE_MONTGOMERY ? OSSL_PARAM_construct_octet_string(
                                            OSSL_PKEY_PARAM_PUB_KEY, job->public_value, job->len)
                                      : group_param(method),
        OSSL_PARAM_construct_end(),
    };
    return key_from(method, EVP_PKEY_KEYPAIR, params);
}

/* --- the peer's value --- */

/*
 * small_order - whether the value is a point whose order divides the cofactor, in any encoding.
 * Such a point makes the shared secret zero (RFC 7748 section 6). X25519 ignores the top bit of a
 * value (RFC 7748 section 5).
 */
static bool small_order(struct span peer)
{
    static const uint8_t low[2] = {0, 1},
                         order8[2][32] = {
                             {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3,
                              0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32,
                              0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
                             {0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1,
                              0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c,
                              0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57}};
    uint8_t value[56], want[56];
    memcpy(value, peer.ptr, peer.len);
    if (peer.len == 32)
        value[31] &= 0x7f;
    for (size_t i = 0; i < 2; i++) {
        memset(want, 0, sizeof(want));
        want[0] = low[i];
        if (memcmp(value, want, peer.len) == 0 ||
            (peer.len == 32 && memcmp(value, order8[i], peer.len) == 0))
            return true;
    }
    /* p - 1, p and p + 1: p is 2^255 - 19 or 2^448 - 2^224 - 1 */
    for (int above = -1; above <= 1; above++) {
        memset(want, 0xff, sizeof(want));
        if (peer.len == 32) {
            want[0] = (uint8_t)(0xed + above);
            want[31] = 0x7f;
        } else if (above < 1) {
            want[0] = (uint8_t)(0xff + above);
            want[28] = 0xfe;
        } else {
            memset(want, 0, 28); /* 2^448 - 2^224 */
        }
        if (memcmp(value, want, peer.len) == 0)
            return true;
    }
    return false;
}

/* public_checked - whether public_set() accepts the peer's value. */
static bool public_checked(const struct ke_method *method, struct span peer)
{
    OSSL_PARAM params[] = {group_param(method), OSSL_PARAM_construct_end()};
    EVP_PKEY *key = key_from(method, EVP_PKEY_KEY_PARAMETERS, params);
    bool ok = key != NULL && public_set(method, key, peer);
    EVP_PKEY_free(key);
    return ok;
}

bool ke_public_fits(uint16_t group, struct span peer)
{
    const struct ke_method *method = find(group);
    if (method == NULL || peer.len != method->public_len)
        return false;
    return method->kind == KE_MONTGOMERY ? !small_order(peer) : public_checked(method, peer);
}

nanos ke_cost_ns(uint16_t group)
{
    const struct ke_method *method = find(group);
    return method == NULL ? 0 : method->cost_ns;
}

/* --- the shared secret --- */

/* derive - computes the shared secret from our key pair and the peer's checked value. RFC 8031
 * section 5: EVP_PKEY_derive() refuses a result of zeros only. */
static bool derive(const struct ke_method *method, EVP_PKEY *pair, EVP_PKEY *peer, uint8_t *out)
{
    size_t len = method->shared_len;
    unsigned pad = 1; /* RFC 7296 section 2.14: as long as the prime */
    OSSL_PARAM params[] = {OSSL_PARAM_construct_uint(OSSL_EXCHANGE_PARAM_PAD, &pad),
                           OSSL_PARAM_construct_end()};
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pair, NULL);
    bool ok = ctx != NULL && EVP_PKEY_derive_init(ctx) == 1 &&
              (method->kind != KE_MODP || EVP_PKEY_CTX_set_params(ctx, params) == 1) &&
              EVP_PKEY_derive_set_peer_ex(ctx, peer, 0) == 1 &&
              EVP_PKEY_derive(ctx, out, &len) == 1 && len == method->shared_len;
    EVP_PKEY_CTX_free(ctx);
    return ok;
}

/* secret_make - sets job->shared from our key pair and the peer's value. */
static int secret_make(const struct ke_method *method, EVP_PKEY *pair, struct ke_job *job)
{
    uint8_t out[KE_PUBLIC_MAX];
    EVP_PKEY *peer = EVP_PKEY_new();
    bool ok = peer != NULL && EVP_PKEY_copy_parameters(peer, pair) == 1 &&
              public_set(method, peer, span_of(job->peer, job->len)) &&
              derive(method, pair, peer, out);
    if (ok)
        secret_set(&job->shared, span_of(out, method->shared_len));
    wipe(out, sizeof(out));
    EVP_PKEY_free(peer);
    return ok ? 0 : ERR_CRYPTO;
}

/* --- the steps --- */

bool ke_begin(struct ke_job *job, uint16_t group)
{
    const struct ke_method *method = find(group);
    if (method == NULL)
        return false;
    *job = (struct ke_job){.step = KE_PAIR, .group = group, .len = method->public_len};
    return true;
}

bool ke_finish(struct ke_job *job, struct span peer)
{
    ASSERT(job->step == KE_PAIR && job->error == 0);
    if (peer.len != job->len)
        return false;
    job->step = KE_SECRET;
    memcpy(job->peer, peer.ptr, peer.len);
    return true;
}

bool ke_answer(struct ke_job *job, uint16_t group, struct span peer)
{
    if (!ke_begin(job, group) || !ke_finish(job, peer))
        return false;
    job->step = KE_ANSWER;
    return true;
}

/* pair_take - keeps the public value, and after KE_PAIR the private value, which KE_SECRET
 * needs. */
static bool pair_take(const struct ke_method *method, EVP_PKEY *pair, struct ke_job *job)
{
    return public_get(method, pair, job->public_value) &&
           (job->step != KE_PAIR || private_get(method, pair, job->private_value));
}

void ke_run(struct ke_job *job)
{
    const struct ke_method *method = find(job->group);
    ASSERT(method != NULL && job->len == method->public_len);
    EVP_PKEY *pair = job->step == KE_SECRET ? pair_of(method, job) : pair_generate(method);
    bool ok = pair != NULL && (job->step == KE_SECRET || pair_take(method, pair, job));
    job->error = ok ? 0 : ERR_NO_MEMORY;
    if (ok && job->step != KE_PAIR)
        job->error = secret_make(method, pair, job);
    if (job->step != KE_PAIR)
        wipe(job->private_value, sizeof(job->private_value));
    EVP_PKEY_free(pair);
}
