/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/ke.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>

#include "base/assert.h"

enum ke_kind { KE_MODP, KE_ECP, KE_MONTGOMERY };

struct ke_method {
    uint16_t group;
    enum ke_kind kind;
    int nid;              /* ECP: curve; Montgomery: EVP_PKEY type */
    uint16_t private_len; /* octets of randomness */
    uint16_t public_len, shared_len;
    nanos cost_ns; /* of a key pair and a shared secret, one core of 2020 */
};

/* Private exponents have twice the bits of the group's strength and some to spare. */
static const struct ke_method methods[] = {
    {5, KE_MODP, 0, 26, 192, 192, 200 * NANOS_PER_US}, /* only with `legacy = yes` */
    {14, KE_MODP, 0, 32, 256, 256, 350 * NANOS_PER_US},
    {15, KE_MODP, 0, 40, 384, 384, 900 * NANOS_PER_US},
    {16, KE_MODP, 0, 48, 512, 512, 1600 * NANOS_PER_US},
    {19, KE_ECP, NID_X9_62_prime256v1, 40, 64, 32, 150 * NANOS_PER_US},
    {20, KE_ECP, NID_secp384r1, 56, 96, 48, 1500 * NANOS_PER_US},
    {21, KE_ECP, NID_secp521r1, 74, 132, 66, 700 * NANOS_PER_US},
    {31, KE_MONTGOMERY, EVP_PKEY_X25519, 32, 32, 32, 120 * NANOS_PER_US},
    {32, KE_MONTGOMERY, EVP_PKEY_X448, 56, 56, 56, 700 * NANOS_PER_US},
};

/* struct ke - the private value, while a step runs. */
struct ke {
    const struct ke_method *method;
    BIGNUM *private; /* MODP, ECP */
    EVP_PKEY *pkey;  /* Montgomery */
};

static const struct ke_method *find(uint16_t group)
{
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (methods[i].group == group)
            return &methods[i];
    return NULL;
}

/* --- the peer's value --- */

static BIGNUM *modp_prime(uint16_t group)
{
    switch (group) {
    case 5: return BN_get_rfc3526_prime_1536(NULL);
    case 14: return BN_get_rfc3526_prime_2048(NULL);
    case 15: return BN_get_rfc3526_prime_3072(NULL);
    default: return BN_get_rfc3526_prime_4096(NULL);
    }
}

/* modp_fits - RFC 6989 section 2.1: 1 < y < p - 1. */
static bool modp_fits(const struct ke_method *method, struct span peer)
{
    BIGNUM *p = modp_prime(method->group), *y = BN_bin2bn(peer.ptr, (int)peer.len, NULL);
    bool ok = p != NULL && y != NULL && BN_sub_word(p, 1) == 1 && BN_cmp(y, BN_value_one()) > 0 &&
              BN_cmp(y, p) < 0;
    BN_free(p);
    BN_free(y);
    return ok;
}

/* ecp_point - RFC 6989 section 2.3: NULL unless the coordinates are those of a point on the curve;
 * the curves have cofactor 1. */
static EC_POINT *ecp_point(const EC_GROUP *group, struct span peer, BN_CTX *ctx)
{
    int len = (int)peer.len / 2;
    EC_POINT *point = EC_POINT_new(group);
    BIGNUM *x = BN_bin2bn(peer.ptr, len, NULL), *y = BN_bin2bn(peer.ptr + len, len, NULL);
    bool ok = point != NULL && x != NULL && y != NULL &&
              EC_POINT_set_affine_coordinates(group, point, x, y, ctx) == 1;
    BN_free(x);
    BN_free(y);
    if (ok)
        return point;
    EC_POINT_free(point);
    return NULL;
}

static bool ecp_fits(const struct ke_method *method, struct span peer)
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(method->nid);
    EC_POINT *point = group == NULL ? NULL : ecp_point(group, peer, NULL);
    EC_POINT_free(point);
    EC_GROUP_free(group);
    return point != NULL;
}

/*
 * small_order - the points whose order divides the cofactor, in each encoding below 2^255 or 2^448.
 * With them the shared secret is zero (RFC 7748 section 6). The top bit of X25519 is ignored
 * (RFC 7748 section 5).
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

bool ke_public_fits(uint16_t group, struct span peer)
{
    const struct ke_method *method = find(group);
    if (method == NULL || peer.len != method->public_len)
        return false;
    switch (method->kind) {
    case KE_MODP: return modp_fits(method, peer);
    case KE_ECP: return ecp_fits(method, peer);
    case KE_MONTGOMERY: return !small_order(peer);
    }
    return false;
}

nanos ke_cost_ns(uint16_t group)
{
    const struct ke_method *method = find(group);
    return method == NULL ? 0 : method->cost_ns;
}

/* --- key pairs and shared secrets --- */

/* modp_power - base^private mod p, padded to the length of p. */
static bool modp_power(const struct ke *ke, const BIGNUM *base, uint8_t *out)
{
    BN_CTX *ctx = BN_CTX_secure_new();
    BIGNUM *p = modp_prime(ke->method->group), *result = BN_new();
    bool ok = ctx != NULL && p != NULL && result != NULL &&
              BN_mod_exp_mont_consttime(result, base, ke->private, p, ctx, NULL) == 1 &&
              BN_bn2binpad(result, out, ke->method->public_len) == ke->method->public_len;
    BN_clear_free(result);
    BN_free(p);
    BN_CTX_free(ctx);
    return ok;
}

static bool modp_private(struct ke *ke, const uint8_t *seed)
{
    ke->private = BN_secure_new();
    return ke->private != NULL && BN_bin2bn(seed, ke->method->private_len, ke->private) != NULL;
}

static bool modp_public(const struct ke *ke, uint8_t *out)
{
    BIGNUM *two = BN_new();
    bool ok = two != NULL && BN_set_word(two, 2) == 1 && modp_power(ke, two, out);
    BN_free(two);
    return ok;
}

static bool modp_shared(const struct ke *ke, struct span peer, uint8_t *out)
{
    BIGNUM *y = BN_bin2bn(peer.ptr, (int)peer.len, NULL);
    bool ok = y != NULL && modp_fits(ke->method, peer) && modp_power(ke, y, out);
    BN_free(y);
    return ok;
}

/* ecp_multiply - private * point (NULL: the generator), both coordinates into `out`. */
static bool ecp_multiply(const struct ke *ke, const EC_GROUP *group, const EC_POINT *point,
                         BN_CTX *ctx, uint8_t *out)
{
    int len = ke->method->public_len / 2;
    EC_POINT *result = EC_POINT_new(group);
    BIGNUM *x = BN_new(), *y = BN_new();
    bool ok = result != NULL && x != NULL && y != NULL;
    if (ok && point == NULL)
        ok = EC_POINT_mul(group, result, ke->private, NULL, NULL, ctx) == 1;
    else if (ok)
        ok = EC_POINT_mul(group, result, NULL, point, ke->private, ctx) == 1;
    ok = ok && EC_POINT_get_affine_coordinates(group, result, x, y, ctx) == 1 &&
         BN_bn2binpad(x, out, len) == len && BN_bn2binpad(y, out + len, len) == len;
    BN_clear_free(x);
    BN_clear_free(y);
    EC_POINT_clear_free(result);
    return ok;
}

static bool ecp_private(struct ke *ke, const uint8_t *seed)
{
    BN_CTX *ctx = BN_CTX_secure_new();
    EC_GROUP *group = EC_GROUP_new_by_curve_name(ke->method->nid);
    BIGNUM *wide = BN_secure_new(), *bound = BN_new();
    ke->private = BN_secure_new();
    /* The seed has 64 bits more than the order, so its reduction to [1, n-1] has no notable bias. */
    bool ok = ctx != NULL && group != NULL && wide != NULL && bound != NULL &&
              ke->private != NULL && BN_copy(bound, EC_GROUP_get0_order(group)) != NULL &&
              BN_sub_word(bound, 1) == 1 &&
              BN_bin2bn(seed, ke->method->private_len, wide) != NULL &&
              BN_mod(ke->private, wide, bound, ctx) == 1 && BN_add_word(ke->private, 1) == 1;
    BN_clear_free(wide);
    BN_free(bound);
    EC_GROUP_free(group);
    BN_CTX_free(ctx);
    return ok;
}

static bool ecp_public(const struct ke *ke, uint8_t *out)
{
    BN_CTX *ctx = BN_CTX_secure_new();
    EC_GROUP *group = EC_GROUP_new_by_curve_name(ke->method->nid);
    bool ok = ctx != NULL && group != NULL && ecp_multiply(ke, group, NULL, ctx, out);
    EC_GROUP_free(group);
    BN_CTX_free(ctx);
    return ok;
}

static bool ecp_shared(const struct ke *ke, struct span peer, uint8_t *out)
{
    uint8_t both[2 * 66];
    BN_CTX *ctx = BN_CTX_secure_new();
    EC_GROUP *group = EC_GROUP_new_by_curve_name(ke->method->nid);
    EC_POINT *point = group == NULL || ctx == NULL ? NULL : ecp_point(group, peer, ctx);
    bool ok = point != NULL && ecp_multiply(ke, group, point, ctx, both);
    if (ok)
        memcpy(out, both, ke->method->shared_len); /* RFC 5903 section 7: the x coordinate */
    wipe(both, sizeof(both));
    EC_POINT_free(point);
    EC_GROUP_free(group);
    BN_CTX_free(ctx);
    return ok;
}

static bool montgomery_private(struct ke *ke, const uint8_t *seed)
{
    ke->pkey = EVP_PKEY_new_raw_private_key(ke->method->nid, NULL, seed, ke->method->private_len);
    return ke->pkey != NULL;
}

static bool montgomery_public(const struct ke *ke, uint8_t *out)
{
    size_t len = ke->method->public_len;
    return EVP_PKEY_get_raw_public_key(ke->pkey, out, &len) == 1;
}

static bool montgomery_shared(const struct ke *ke, struct span peer, uint8_t *out)
{
    size_t len = ke->method->shared_len;
    EVP_PKEY *other = EVP_PKEY_new_raw_public_key(ke->method->nid, NULL, peer.ptr, peer.len);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(ke->pkey, NULL);
    /* RFC 8031 section 5: an all-zero result is refused; EVP_PKEY_derive does it for both curves.
     * Every string of the right length is a public key, so libcrypto's slow check is left out. */
    bool ok = other != NULL && ctx != NULL && EVP_PKEY_derive_init(ctx) == 1 &&
              EVP_PKEY_derive_set_peer_ex(ctx, other, 0) == 1 &&
              EVP_PKEY_derive(ctx, out, &len) == 1 && len == ke->method->shared_len;
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(other);
    return ok;
}

static bool private_set(struct ke *ke, const uint8_t *seed)
{
    switch (ke->method->kind) {
    case KE_MODP: return modp_private(ke, seed);
    case KE_ECP: return ecp_private(ke, seed);
    case KE_MONTGOMERY: return montgomery_private(ke, seed);
    }
    return false;
}

static bool public_make(const struct ke *ke, uint8_t *out)
{
    switch (ke->method->kind) {
    case KE_MODP: return modp_public(ke, out);
    case KE_ECP: return ecp_public(ke, out);
    case KE_MONTGOMERY: return montgomery_public(ke, out);
    }
    return false;
}

static bool shared_make(const struct ke *ke, struct span peer, uint8_t *out)
{
    switch (ke->method->kind) {
    case KE_MODP: return modp_shared(ke, peer, out);
    case KE_ECP: return ecp_shared(ke, peer, out);
    case KE_MONTGOMERY: return montgomery_shared(ke, peer, out);
    }
    return false;
}

/* --- the steps --- */

bool ke_begin(struct ke_job *job, uint16_t group, const struct random *random)
{
    const struct ke_method *method = find(group);
    if (method == NULL)
        return false;
    ASSERT(method->private_len <= sizeof(job->seed));
    *job = (struct ke_job){.step = KE_PAIR, .group = group, .len = method->public_len};
    random_fill(random, job->seed, method->private_len);
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

bool ke_answer(struct ke_job *job, uint16_t group, struct span peer, const struct random *random)
{
    if (!ke_begin(job, group, random) || !ke_finish(job, peer))
        return false;
    job->step = KE_ANSWER;
    return true;
}

/* secret_make - job->shared from the peer's value. */
static int secret_make(const struct ke *ke, struct ke_job *job)
{
    uint8_t out[KE_PUBLIC_MAX];
    bool ok = shared_make(ke, span_of(job->peer, job->len), out);
    if (ok)
        secret_set(&job->shared, span_of(out, ke->method->shared_len));
    wipe(out, sizeof(out));
    return ok ? 0 : ERR_CRYPTO;
}

void ke_run(struct ke_job *job)
{
    struct ke ke = {.method = find(job->group)};
    ASSERT(ke.method != NULL && job->len == ke.method->public_len);
    job->error = private_set(&ke, job->seed) ? 0 : ERR_NO_MEMORY;
    if (job->error == 0 && job->step != KE_SECRET && !public_make(&ke, job->public_value))
        job->error = ERR_NO_MEMORY;
    if (job->error == 0 && job->step != KE_PAIR)
        job->error = secret_make(&ke, job);
    if (job->step != KE_PAIR)
        wipe(job->seed, sizeof(job->seed));
    BN_clear_free(ke.private);
    EVP_PKEY_free(ke.pkey);
}
