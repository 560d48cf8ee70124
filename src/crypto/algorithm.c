/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/algorithm.h"

static const struct crypto_encr encrs[] = {
    {20, 128, 16, 4, 8, 16, 1, true}, /* AES-GCM with a 16 octet ICV */
    {20, 192, 24, 4, 8, 16, 1, true},   {20, 256, 32, 4, 8, 16, 1, true},
    {28, 0, 32, 4, 8, 16, 1, true},     /* ChaCha20-Poly1305, RFC 7634 */
    {12, 128, 16, 0, 16, 0, 16, false}, /* AES-CBC, RFC 3602 */
    {12, 192, 24, 0, 16, 0, 16, false}, {12, 256, 32, 0, 16, 0, 16, false},
};
static const struct crypto_integ integs[] = {
    {2, CRYPTO_SHA1, 20, 12}, /* RFC 2404; only where the configuration says `legacy = yes` */
    /* RFC 4868: key as long as the hash, ICV half of it */
    {12, CRYPTO_SHA2_256, 32, 16},
    {13, CRYPTO_SHA2_384, 48, 24},
    {14, CRYPTO_SHA2_512, 64, 32},
};
static const struct crypto_prf prfs[] = {
    {2, CRYPTO_SHA1, 20}, /* PRF_HMAC_SHA1: only where the configuration says `legacy = yes` */
    {5, CRYPTO_SHA2_256, 32},
    {6, CRYPTO_SHA2_384, 48},
    {7, CRYPTO_SHA2_512, 64},
};

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

const struct crypto_encr *crypto_encr_find(uint16_t id, uint16_t key_bits)
{
    for (size_t i = 0; i < LEN(encrs); i++)
        if (encrs[i].id == id && encrs[i].key_bits == key_bits)
            return &encrs[i];
    return NULL;
}

const struct crypto_integ *crypto_integ_find(uint16_t id)
{
    for (size_t i = 0; i < LEN(integs); i++)
        if (integs[i].id == id)
            return &integs[i];
    return NULL;
}

const struct crypto_prf *crypto_prf_find(uint16_t id)
{
    for (size_t i = 0; i < LEN(prfs); i++)
        if (prfs[i].id == id)
            return &prfs[i];
    return NULL;
}
