/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/keymat.h"

#include "base/assert.h"
#include "crypto/prf.h"
#include "ike/core/ike_state.h"

static size_t encr_len(const struct sa *sa)
{
    const struct crypto_encr *encr = crypto_encr_find(sa->encr, sa->encr_key_bits);
    return (size_t)encr->key_len + encr->salt_len;
}

static size_t integ_len(const struct sa *sa)
{
    const struct crypto_integ *integ = crypto_integ_find(sa->integ);
    return integ == NULL ? 0 : integ->key_len;
}

static struct span u64_octets(uint64_t value, uint8_t out[8])
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(value >> (56 - 8 * i));
    return span_of(out, 8);
}

static const uint8_t *take(const uint8_t *from, uint8_t *to, size_t len)
{
    memcpy(to, from, len);
    return from + len;
}

/* {SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr} = prf+ (SKEYSEED, Ni | Nr | SPIi | SPIr)
 */
static int expand(struct sa *sa, struct span skeyseed, struct span ni, struct span nr)
{
    const struct crypto_prf *prf = crypto_prf_find(sa->prf);
    uint8_t spi_i[8], spi_r[8];
    struct span seed[4] = {ni, nr, u64_octets(sa->spi_i, spi_i), u64_octets(sa->spi_r, spi_r)};
    uint8_t all[5 * SK_HASH_MAX + 2 * SK_ENCR_MAX];
    size_t need = 3u * prf->len + 2 * integ_len(sa) + 2 * encr_len(sa);

    ASSERT(need <= sizeof(all));
    int err =
        crypto_prf_plus(sa->ike->crypto, sa->prf, skeyseed, seed, 4, (struct buffer){all, need});
    if (err == 0) {
        const uint8_t *p = take(all, sa->keys.sk_d, prf->len);
        p = take(p, sa->keys.sk_ai, integ_len(sa));
        p = take(p, sa->keys.sk_ar, integ_len(sa));
        p = take(p, sa->keys.sk_ei, encr_len(sa));
        p = take(p, sa->keys.sk_er, encr_len(sa));
        p = take(p, sa->keys.sk_pi, prf->len);
        (void)take(p, sa->keys.sk_pr, prf->len);
    }
    wipe(all, sizeof(all));
    return err;
}

int keymat_initial(struct sa *sa, struct span ni, struct span nr, const struct secret *shared)
{
    uint8_t key[2 * LIMIT_NONCE], skeyseed[CRYPTO_HASH_MAX];
    struct span secret = secret_span(shared);

    memcpy(key, ni.ptr, ni.len);
    memcpy(key + ni.len, nr.ptr, nr.len);
    int err =
        crypto_prf(sa->ike->crypto, sa->prf, span_of(key, ni.len + nr.len), &secret, 1, skeyseed);
    if (err == 0)
        err = expand(sa, span_of(skeyseed, crypto_prf_find(sa->prf)->len), ni, nr);
    wipe(skeyseed, sizeof(skeyseed));
    return err;
}

int keymat_from_seed(struct sa *sa, struct span skeyseed, struct span ni, struct span nr)
{
    return skeyseed.len == crypto_prf_find(sa->prf)->len ? expand(sa, skeyseed, ni, nr)
                                                         : ERR_CRYPTO;
}

int keymat_resumed(struct sa *sa, struct span sk_d, struct span ni, struct span nr)
{
    uint8_t skeyseed[CRYPTO_HASH_MAX];
    const struct span parts[] = {span_text("Resumption"), ni, nr};
    int err = crypto_prf(sa->ike->crypto, sa->prf, sk_d, parts, 3, skeyseed);
    if (err == 0)
        err = expand(sa, span_of(skeyseed, sk_d.len), ni, nr);
    wipe(skeyseed, sizeof(skeyseed));
    return err;
}

int keymat_derived(struct sa *sa, const struct sa *old, struct span ni, struct span nr,
                   const struct secret *shared)
{
    uint8_t skeyseed[CRYPTO_HASH_MAX];
    size_t len = crypto_prf_find(old->prf)->len;
    struct span parts[3] = {secret_span(shared), ni, nr};

    int err =
        crypto_prf(sa->ike->crypto, old->prf, span_of(old->keys.sk_d, len), parts, 3, skeyseed);
    if (err == 0)
        err = expand(sa, span_of(skeyseed, len), ni, nr);
    wipe(skeyseed, sizeof(skeyseed));
    return err;
}

int keymat_child(const struct sa *sa, const struct keymat_child *input,
                 struct ike_child_keys *ret_keys)
{
    const struct crypto_encr *encr = crypto_encr_find(input->encr, input->encr_key_bits);
    const struct crypto_integ *integ = crypto_integ_find(input->integ);
    size_t encr_key = (size_t)encr->key_len + encr->salt_len;
    size_t integ_key = integ == NULL ? 0 : integ->key_len;
    uint8_t all[2 * (SK_ENCR_MAX + SK_HASH_MAX)];
    struct span parts[3];
    size_t n = 0, one = encr_key + integ_key;

    /* KEYMAT = prf+(SK_d, [g^ir |] Ni | Nr) */
    if (input->shared != NULL)
        parts[n++] = secret_span(input->shared);
    parts[n++] = input->ni;
    parts[n++] = input->nr;
    int err = crypto_prf_plus(sa->ike->crypto, sa->prf,
                              span_of(sa->keys.sk_d, crypto_prf_find(sa->prf)->len), parts, n,
                              (struct buffer){all, 2 * one});
    if (err == 0) {
        const uint8_t *out = input->exchange_initiator ? all : all + one;
        const uint8_t *in = input->exchange_initiator ? all + one : all;
        *ret_keys = (struct ike_child_keys){
            .encr = input->encr, .encr_key_bits = input->encr_key_bits, .integ = input->integ};
        secret_set(&ret_keys->encr_out, span_of(out, encr_key));
        secret_set(&ret_keys->integ_out, span_of(out + encr_key, integ_key));
        secret_set(&ret_keys->encr_in, span_of(in, encr_key));
        secret_set(&ret_keys->integ_in, span_of(in + encr_key, integ_key));
    }
    wipe(all, sizeof(all));
    return err;
}

struct sk_keys sk_keys_of(const struct sa *sa, bool initiator)
{
    return (struct sk_keys){
        .encr = crypto_encr_find(sa->encr, sa->encr_key_bits),
        .integ = crypto_integ_find(sa->integ),
        .encr_key = initiator ? sa->keys.sk_ei : sa->keys.sk_er,
        .integ_key = initiator ? sa->keys.sk_ai : sa->keys.sk_ar,
    };
}

struct span sa_sk_p(const struct sa *sa, bool initiator)
{
    return span_of(initiator ? sa->keys.sk_pi : sa->keys.sk_pr, crypto_prf_find(sa->prf)->len);
}

void sa_keys_export(const struct sa *sa, struct ike_keylog *ret_keys)
{
    secret_set(&ret_keys->sk_ei, span_of(sa->keys.sk_ei, encr_len(sa)));
    secret_set(&ret_keys->sk_er, span_of(sa->keys.sk_er, encr_len(sa)));
    secret_set(&ret_keys->sk_ai, span_of(sa->keys.sk_ai, integ_len(sa)));
    secret_set(&ret_keys->sk_ar, span_of(sa->keys.sk_ar, integ_len(sa)));
}
