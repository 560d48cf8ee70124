/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/esp_cipher.h"

#include <endian.h>
#include <stdlib.h>
#ifdef WITH_IPSEC_MB
#define LINUX /* without it the header declares struct gcm_key_data without its alignment */
#include <intel-ipsec-mb.h>
#endif

#include "base/assert.h"
#include "base/secret.h"
#include "crypto/prf.h"

#define KEY_MAX   36 /* AES-256 or ChaCha20 with the salt */
#define INTEG_MAX 64
#define KEY_ALIGN 64

struct esp_key {
    const struct crypto_encr *encr;
    const struct crypto_integ *integ;
    uint8_t encr_key[KEY_MAX];
    uint8_t integ_key[INTEG_MAX];
#ifdef WITH_IPSEC_MB
    bool expanded;
    struct gcm_key_data gcm; /* the last member: keys without AES-GCM are allocated without it */
#endif
};

struct esp_crypto {
    struct crypto_provider *provider;
#ifdef WITH_IPSEC_MB
    IMB_MGR *mgr; /* NULL: the CPU lacks the instructions */
    struct gcm_context_data gcm;
    struct chacha20_poly1305_context_data chacha;
#endif
};

#ifdef WITH_IPSEC_MB
static IMB_MGR *manager_new(void)
{
    IMB_MGR *mgr = alloc_mb_mgr(0);
    IMB_ARCH arch;
    if (mgr == NULL)
        return NULL;
    init_mb_mgr_auto(mgr, &arch);
    if (arch == IMB_ARCH_NONE || arch == IMB_ARCH_NOAESNI) {
        free_mb_mgr(mgr);
        return NULL;
    }
    return mgr;
}

static void expand(IMB_MGR *mgr, struct esp_key *key)
{
    if (mgr == NULL)
        return;
    if (key->encr->key_len == 16)
        IMB_AES128_GCM_PRE(mgr, key->encr_key, &key->gcm);
    else if (key->encr->key_len == 24)
        IMB_AES192_GCM_PRE(mgr, key->encr_key, &key->gcm);
    else
        IMB_AES256_GCM_PRE(mgr, key->encr_key, &key->gcm);
    key->expanded = true;
}
#endif

/* key_size - octets of a struct esp_key; a multiple of the alignment of struct gcm_key_data. */
static size_t key_size(const struct crypto_encr *encr)
{
#ifdef WITH_IPSEC_MB
    size_t size = encr->id == 20 ? sizeof(struct esp_key) : offsetof(struct esp_key, gcm);
#else
    (void)encr;
    size_t size = sizeof(struct esp_key);
#endif
    return (size + KEY_ALIGN - 1) / KEY_ALIGN * KEY_ALIGN;
}

struct esp_key *esp_key_new(struct esp_crypto *crypto, const struct esp_algorithms *algorithms,
                            struct span encr_key, struct span integ_key)
{
    (void)crypto;
    const struct crypto_encr *info = crypto_encr_find(algorithms->encr, algorithms->key_bits);
    const struct crypto_integ *mac = crypto_integ_find(algorithms->integ);
    if (info == NULL || info->aead != (mac == NULL) ||
        encr_key.len != (size_t)info->key_len + info->salt_len ||
        (mac != NULL && integ_key.len != mac->key_len))
        return NULL;
    size_t size = key_size(info);
    struct esp_key *key = aligned_alloc(KEY_ALIGN, size);
    if (key == NULL)
        return NULL;
    memset(key, 0, size);
    key->encr = info;
    key->integ = mac;
    memcpy(key->encr_key, encr_key.ptr, encr_key.len);
    if (mac != NULL)
        memcpy(key->integ_key, integ_key.ptr, integ_key.len);
#ifdef WITH_IPSEC_MB
    if (info->id == 20)
        expand(crypto->mgr, key);
#endif
    return key;
}

struct esp_key *esp_key_free(struct esp_key *key)
{
    if (key != NULL)
        wipe(key, key_size(key->encr));
    free(key);
    return NULL;
}

struct esp_algorithms esp_key_algorithms(const struct esp_key *key)
{
    return (struct esp_algorithms){key->encr->id, key->encr->key_bits,
                                   key->integ != NULL ? key->integ->id : 0};
}

struct span esp_key_encr(const struct esp_key *key)
{
    return span_of(key->encr_key, (size_t)key->encr->key_len + key->encr->salt_len);
}

struct span esp_key_integ(const struct esp_key *key)
{
    return span_of(key->integ_key, key->integ != NULL ? key->integ->key_len : 0);
}

size_t esp_iv_len(const struct esp_key *key)
{
    return key->encr->iv_len;
}

size_t esp_icv_len(const struct esp_key *key)
{
    return key->integ != NULL ? key->integ->icv_len : key->encr->icv_len;
}

size_t esp_block_len(const struct esp_key *key)
{
    return key->encr->block_len > 4 ? key->encr->block_len : 4; /* RFC 4303 section 2.4 */
}

struct esp_crypto *esp_crypto_new_portable(void)
{
    struct esp_crypto *crypto = calloc(1, sizeof(*crypto));
    if (crypto == NULL)
        return NULL;
    crypto->provider = crypto_new();
    return crypto->provider != NULL ? crypto : esp_crypto_free(crypto);
}

struct esp_crypto *esp_crypto_new(void)
{
    struct esp_crypto *crypto = esp_crypto_new_portable();
#ifdef WITH_IPSEC_MB
    if (crypto != NULL)
        crypto->mgr = manager_new();
#endif
    return crypto;
}

struct esp_crypto *esp_crypto_free(struct esp_crypto *crypto)
{
    if (crypto == NULL)
        return NULL;
#ifdef WITH_IPSEC_MB
    if (crypto->mgr != NULL)
        free_mb_mgr(crypto->mgr);
#endif
    crypto_free(crypto->provider);
    wipe(crypto, sizeof(*crypto)); /* it holds one-time keys of the last packet */
    free(crypto);
    return NULL;
}

const char *esp_crypto_backend(const struct esp_crypto *crypto)
{
#ifdef WITH_IPSEC_MB
    if (crypto->mgr != NULL)
        return "ipsec-mb";
#endif
    (void)crypto;
    return "libcrypto";
}

/* associated - writes the associated data: SPI and sequence number; with ESN the upper half of the
 * number stands between them (RFC 4106 section 5). Returns its length. */
static size_t associated(const struct esp_job *job, uint8_t aad[12])
{
    if (!job->esn) {
        memcpy(aad, job->packet, 8);
        return 8;
    }
    uint32_t high = htobe32((uint32_t)(job->sequence >> 32));
    memcpy(aad, job->packet, 4);
    memcpy(aad + 4, &high, 4);
    memcpy(aad + 8, job->packet + 4, 4);
    return 12;
}

static void nonce_of(const struct esp_key *key, const uint8_t *iv, uint8_t nonce[12])
{
    memcpy(nonce, key->encr_key + key->encr->key_len, 4);
    memcpy(nonce + 4, iv, 8);
}

static const EVP_CIPHER *aead_cipher(const struct esp_crypto *crypto, const struct esp_key *key)
{
    if (key->encr->id == 28)
        return crypto->provider->chacha20_poly1305;
    return crypto_aes_gcm(crypto->provider, key->encr->key_len);
}

static int aead_evp(struct esp_crypto *crypto, const struct esp_key *key, const struct esp_job *job,
                    const uint8_t nonce[12], struct span aad, bool encrypt)
{
    EVP_CIPHER_CTX *ctx = crypto->provider->cipher;
    uint8_t *text = job->packet + ESP_HEADER_LEN + key->encr->iv_len;
    uint8_t *icv = text + job->text_len;
    int len, tag_len = key->encr->icv_len;
    if (EVP_CipherInit_ex2(ctx, aead_cipher(crypto, key), key->encr_key, nonce, encrypt, NULL) != 1)
        return ERR_CRYPTO;
    if (!encrypt && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, tag_len, icv) != 1)
        return ERR_CRYPTO;
    if (EVP_CipherUpdate(ctx, NULL, &len, aad.ptr, (int)aad.len) != 1 ||
        EVP_CipherUpdate(ctx, text, &len, encrypt ? job->text : text, (int)job->text_len) != 1)
        return ERR_CRYPTO;
    if (EVP_CipherFinal_ex(ctx, text + job->text_len, &len) != 1)
        return ERR_AUTH;
    if (encrypt && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, tag_len, icv) != 1)
        return ERR_CRYPTO;
    return 0;
}

#ifdef WITH_IPSEC_MB
static void gcm_seal(struct esp_crypto *crypto, const struct esp_key *key,
                     const struct esp_job *job, const uint8_t nonce[12], struct span aad)
{
    uint8_t *text = job->packet + ESP_HEADER_LEN + 8;
    uint8_t *icv = text + job->text_len;
    if (key->encr->key_len == 16)
        IMB_AES128_GCM_ENC(crypto->mgr, &key->gcm, &crypto->gcm, text, job->text, job->text_len,
                           nonce, aad.ptr, aad.len, icv, 16);
    else if (key->encr->key_len == 24)
        IMB_AES192_GCM_ENC(crypto->mgr, &key->gcm, &crypto->gcm, text, job->text, job->text_len,
                           nonce, aad.ptr, aad.len, icv, 16);
    else
        IMB_AES256_GCM_ENC(crypto->mgr, &key->gcm, &crypto->gcm, text, job->text, job->text_len,
                           nonce, aad.ptr, aad.len, icv, 16);
}

static int gcm_open(struct esp_crypto *crypto, const struct esp_key *key, const struct esp_job *job,
                    const uint8_t nonce[12], struct span aad)
{
    uint8_t *text = job->packet + ESP_HEADER_LEN + 8;
    uint8_t tag[16];
    if (key->encr->key_len == 16)
        IMB_AES128_GCM_DEC(crypto->mgr, &key->gcm, &crypto->gcm, text, text, job->text_len, nonce,
                           aad.ptr, aad.len, tag, 16);
    else if (key->encr->key_len == 24)
        IMB_AES192_GCM_DEC(crypto->mgr, &key->gcm, &crypto->gcm, text, text, job->text_len, nonce,
                           aad.ptr, aad.len, tag, 16);
    else
        IMB_AES256_GCM_DEC(crypto->mgr, &key->gcm, &crypto->gcm, text, text, job->text_len, nonce,
                           aad.ptr, aad.len, tag, 16);
    return ct_equal(tag, text + job->text_len, 16) ? 0 : ERR_AUTH;
}

static void chacha_seal(struct esp_crypto *crypto, const struct esp_key *key,
                        const struct esp_job *job, const uint8_t nonce[12], struct span aad)
{
    uint8_t *text = job->packet + ESP_HEADER_LEN + 8;
    IMB_CHACHA20_POLY1305_INIT(crypto->mgr, key->encr_key, &crypto->chacha, nonce, aad.ptr,
                               aad.len);
    IMB_CHACHA20_POLY1305_ENC_UPDATE(crypto->mgr, key->encr_key, &crypto->chacha, text, job->text,
                                     job->text_len);
    IMB_CHACHA20_POLY1305_ENC_FINALIZE(crypto->mgr, &crypto->chacha, text + job->text_len, 16);
}

static int chacha_open(struct esp_crypto *crypto, const struct esp_key *key,
                       const struct esp_job *job, const uint8_t nonce[12], struct span aad)
{
    uint8_t *text = job->packet + ESP_HEADER_LEN + 8;
    uint8_t tag[16];
    IMB_CHACHA20_POLY1305_INIT(crypto->mgr, key->encr_key, &crypto->chacha, nonce, aad.ptr,
                               aad.len);
    IMB_CHACHA20_POLY1305_DEC_UPDATE(crypto->mgr, key->encr_key, &crypto->chacha, text, text,
                                     job->text_len);
    IMB_CHACHA20_POLY1305_DEC_FINALIZE(crypto->mgr, &crypto->chacha, tag, 16);
    return ct_equal(tag, text + job->text_len, 16) ? 0 : ERR_AUTH;
}
#endif

static int aead(struct esp_crypto *crypto, const struct esp_key *key, const struct esp_job *job,
                bool encrypt)
{
    uint8_t aad_octets[12], nonce[12];
    uint8_t *iv = job->packet + ESP_HEADER_LEN;
    if (encrypt) {
        uint64_t sequence =
            htobe64(job->sequence); /* one store: octets would delay the nonce's load */
        memcpy(iv, &sequence, sizeof(sequence));
    }
    struct span aad = span_of(aad_octets, associated(job, aad_octets));
    nonce_of(key, iv, nonce);
#ifdef WITH_IPSEC_MB
    if (key->expanded && crypto->mgr != NULL) {
        if (!encrypt)
            return gcm_open(crypto, key, job, nonce, aad);
        gcm_seal(crypto, key, job, nonce, aad);
        return 0;
    }
    if (key->encr->id == 28 && crypto->mgr != NULL) {
        if (!encrypt)
            return chacha_open(crypto, key, job, nonce, aad);
        chacha_seal(crypto, key, job, nonce, aad);
        return 0;
    }
#endif
    return aead_evp(crypto, key, job, nonce, aad, encrypt);
}

static int cbc_mac(struct esp_crypto *crypto, const struct esp_key *key, const struct esp_job *job,
                   uint8_t out[CRYPTO_HASH_MAX])
{
    uint8_t high[4];
    for (int i = 0; i < 4; i++)
        high[i] = (uint8_t)(job->sequence >> (56 - 8 * i));
    struct span parts[2] = {
        span_of(job->packet, ESP_HEADER_LEN + key->encr->iv_len + job->text_len),
        span_of(high, sizeof(high)),
    };
    return crypto_hmac(crypto->provider, key->integ->hash,
                       span_of(key->integ_key, key->integ->key_len), parts, job->esn ? 2 : 1, out);
}

static int cbc_crypt(struct esp_crypto *crypto, const struct esp_key *key,
                     const struct esp_job *job, bool encrypt)
{
    EVP_CIPHER_CTX *ctx = crypto->provider->cipher;
    const EVP_CIPHER *cipher = crypto_aes_cbc(crypto->provider, key->encr->key_len);
    uint8_t *text = job->packet + ESP_HEADER_LEN + key->encr->iv_len;
    int len;
    return EVP_CipherInit_ex2(ctx, cipher, key->encr_key, job->packet + ESP_HEADER_LEN, encrypt,
                              NULL) == 1 &&
                   EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
                   EVP_CipherUpdate(ctx, text, &len, encrypt ? job->text : text,
                                    (int)job->text_len) == 1
               ? 0
               : ERR_CRYPTO;
}

int esp_seal(struct esp_crypto *crypto, const struct esp_key *key, const struct esp_job *job,
             const uint8_t *cbc_iv)
{
    ASSERT(job->text_len % esp_block_len(key) == 0);
    if (key->encr->aead)
        return aead(crypto, key, job, true);
    uint8_t tag[CRYPTO_HASH_MAX];
    uint8_t *text = job->packet + ESP_HEADER_LEN + key->encr->iv_len;
    memcpy(job->packet + ESP_HEADER_LEN, cbc_iv, key->encr->iv_len);
    if (cbc_crypt(crypto, key, job, true) != 0 || cbc_mac(crypto, key, job, tag) != 0)
        return ERR_CRYPTO;
    memcpy(text + job->text_len, tag, key->integ->icv_len);
    return 0;
}

int esp_open(struct esp_crypto *crypto, const struct esp_key *key, const struct esp_job *job)
{
    if (job->text_len == 0 || job->text_len % key->encr->block_len != 0)
        return ERR_AUTH;
    if (key->encr->aead)
        return aead(crypto, key, job, false);
    uint8_t tag[CRYPTO_HASH_MAX];
    uint8_t *text = job->packet + ESP_HEADER_LEN + key->encr->iv_len;
    if (cbc_mac(crypto, key, job, tag) != 0 ||
        !ct_equal(tag, text + job->text_len, key->integ->icv_len))
        return ERR_AUTH;
    return cbc_crypt(crypto, key, job, false);
}
