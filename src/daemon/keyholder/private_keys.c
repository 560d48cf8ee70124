/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/keyholder/private_keys.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/secret.h"
#include "base/table.h"
#include "crypto/key_id.h"
#include "crypto/signature.h"
#include "eap/tls_signed.h"

struct private_key {
    UT_hash_handle hh;
    uint8_t id[KEY_ID_SIZE];
    EVP_PKEY *key; /* of a token: the public key */
    bool tls;      /* it may sign for TLS */
    struct private_token token;
};

struct private_keys {
    struct private_key *keys;
};

struct private_keys *private_keys_new(void)
{
    return calloc(1, sizeof(struct private_keys));
}

static struct private_key *key_find(const struct private_keys *keys,
                                    const uint8_t key_id[KEY_ID_SIZE])
{
    struct private_key *key;
    HASH_FIND(hh, keys->keys, key_id, KEY_ID_SIZE, key);
    return key;
}

static int put(struct private_keys *keys, struct private_key *key)
{
    HASH_ADD(hh, keys->keys, id, KEY_ID_SIZE, key);
    return TABLE_HAS(key) ? 0 : ERR_NO_MEMORY;
}

static void key_free(struct private_key *key)
{
    OPENSSL_secure_clear_free(key->token.ref, sizeof(*key->token.ref));
    EVP_PKEY_free(key->key);
    free(key);
}

static void drop(struct private_keys *keys, struct private_key *key)
{
    HASH_DEL(keys->keys, key);
    key_free(key);
}

void private_keys_clear(struct private_keys *keys)
{
    struct private_key *key, *next;
    HASH_ITER(hh, keys->keys, key, next)
    drop(keys, key);
}

struct private_keys *private_keys_free(struct private_keys *keys)
{
    if (keys != NULL)
        private_keys_clear(keys);
    free(keys);
    return NULL;
}

static int refuse(struct key_answer *answer, int error, const char *why)
{
    (void)snprintf(answer->reason, sizeof(answer->reason), "%s", why);
    return error;
}

/* --- reading --- */

/* on_passphrase - asks nobody: without a passphrase, encrypted keys are not read. */
static int on_passphrase(char *room, int cap, int writing, void *context)
{
    const struct span *passphrase = context;
    (void)writing;
    if (passphrase->len == 0 || passphrase->len > (size_t)cap)
        return -1;
    memcpy(room, passphrase->ptr, passphrase->len);
    return (int)passphrase->len;
}

static EVP_PKEY *read_der(struct span octets, struct span *passphrase)
{
    const uint8_t *at = octets.ptr;
    EVP_PKEY *key = d2i_AutoPrivateKey(NULL, &at, (long)octets.len);
    if (key != NULL)
        return key;
    BIO *bio = BIO_new_mem_buf(octets.ptr, (int)octets.len);
    key = bio == NULL ? NULL : d2i_PKCS8PrivateKey_bio(bio, NULL, on_passphrase, passphrase);
    BIO_free(bio);
    return key;
}

static EVP_PKEY *read_pem(struct span octets, struct span *passphrase)
{
    BIO *bio = BIO_new_mem_buf(octets.ptr, (int)octets.len);
    EVP_PKEY *key =
        bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, on_passphrase, passphrase);
    BIO_free(bio);
    return key;
}

static bool is_pem(struct span octets)
{
    return memmem(octets.ptr, octets.len, "-----BEGIN", 10) != NULL;
}

/* is_encrypted - in DER: an EncryptedPrivateKeyInfo (RFC 5958 section 3). */
static bool is_encrypted(struct span octets)
{
    const uint8_t *at = octets.ptr;
    if (is_pem(octets))
        return memmem(octets.ptr, octets.len, "ENCRYPTED", 9) != NULL;
    X509_SIG *info = d2i_X509_SIG(NULL, &at, (long)octets.len);
    X509_SIG_free(info);
    return info != NULL;
}

static EVP_PKEY *key_read(struct span octets, struct span passphrase, struct key_answer *answer,
                          int *ret_error)
{
    EVP_PKEY *key = is_pem(octets) ? read_pem(octets, &passphrase) : read_der(octets, &passphrase);
    ERR_clear_error();
    *ret_error = 0;
    if (key == NULL)
        *ret_error = !is_encrypted(octets)
                         ? refuse(answer, ERR_INVALID,
                                  "is no private key in PEM or DER, or is encrypted with another "
                                  "passphrase")
                     : passphrase.len == 0
                         ? refuse(answer, ERR_DENIED, "is encrypted, and no passphrase is given")
                         : refuse(answer, ERR_INVALID, "is encrypted with another passphrase");
    else if (signature_key_kind(key) == SIGNATURE_KEY_NONE)
        *ret_error = refuse(answer, ERR_INVALID,
                            "is neither RSA of 2,048 to 8,192 bits, nor ECDSA with P-256, P-384 or "
                            "P-521, nor Ed25519, nor Ed448");
    return key;
}

int private_keys_try(struct span octets, struct span passphrase, struct key_answer *ret_answer)
{
    uint8_t info_id[CRYPTO_KEY_ID];
    int error;
    EVP_PKEY *key = key_read(octets, passphrase, ret_answer, &error);
    if (error == 0 && crypto_key_ids(key, ret_answer->key_id, info_id) != 0)
        error = ERR_CRYPTO;
    EVP_PKEY_free(key);
    return error;
}

/* token_move - a key that is loaded anew may be on another token, or have another PIN. */
static void token_move(struct private_key *to, struct private_key *from)
{
    struct token_ref *old = to->token.ref;
    EVP_PKEY *key = to->key;
    to->token.ref = from->token.ref;
    to->key = from->key;
    from->token.ref = old;
    from->key = key;
}

static int key_keep(struct private_keys *keys, EVP_PKEY *pkey, struct key_answer *answer)
{
    uint8_t info_id[CRYPTO_KEY_ID];
    struct private_key *key;
    if (crypto_key_ids(pkey, answer->key_id, info_id) != 0)
        return ERR_CRYPTO;
    key = key_find(keys, answer->key_id);
    if (key != NULL) { /* the same key was loaded again; one of a file needs no token */
        struct private_key file = {.key = pkey};
        token_move(key, &file);
        OPENSSL_secure_clear_free(file.token.ref, sizeof(*file.token.ref));
        EVP_PKEY_free(file.key);
        return 0;
    }
    if (HASH_COUNT(keys->keys) >= PRIVATE_KEYS)
        return ERR_FULL;
    key = calloc(1, sizeof(*key));
    if (key == NULL)
        return ERR_NO_MEMORY;
    memcpy(key->id, answer->key_id, KEY_ID_SIZE);
    key->key = pkey;
    if (put(keys, key) == 0)
        return 0;
    free(key);
    return ERR_NO_MEMORY;
}

/* of_file - a token proves no possession when it is loaded, so it displaces no key that we have. */
static bool of_file(const struct private_keys *keys, EVP_PKEY *pkey, struct key_answer *answer)
{
    uint8_t info_id[CRYPTO_KEY_ID];
    if (crypto_key_ids(pkey, answer->key_id, info_id) != 0)
        return false;
    const struct private_key *key = key_find(keys, answer->key_id);
    return key != NULL && key->token.ref == NULL;
}

int private_keys_token_put(struct private_keys *keys, EVP_PKEY *pkey, const struct token_ref *ref,
                           struct key_answer *answer)
{
    if (of_file(keys, pkey, answer))
        return 0;
    struct token_ref *copy = OPENSSL_secure_zalloc(sizeof(*copy));
    if (copy == NULL)
        return ERR_NO_MEMORY;
    EVP_PKEY_up_ref(pkey);
    int error = key_keep(keys, pkey, answer);
    if (error != 0) {
        EVP_PKEY_free(pkey);
        OPENSSL_secure_clear_free(copy, sizeof(*copy));
        return error;
    }
    *copy = *ref;
    key_find(keys, answer->key_id)->token.ref = copy;
    return 0;
}

const struct private_token *private_keys_token(const struct private_keys *keys,
                                               const uint8_t key_id[KEY_ID_SIZE])
{
    struct private_key *key = key_find(keys, key_id);
    if (key == NULL || key->token.ref == NULL)
        return NULL;
    key->token.key = key->key;
    key->token.tls = key->tls;
    return &key->token;
}

int private_keys_replace(struct private_keys *keys, struct private_keys *staged)
{
    struct private_key *key, *next;
    int error = 0;
    HASH_ITER(hh, keys->keys, key, next)
    if (key_find(staged, key->id) == NULL)
        drop(keys, key);
    HASH_ITER(hh, staged->keys, key, next)
    {
        HASH_DEL(staged->keys, key);
        struct private_key *there = key_find(keys, key->id);
        if (there != NULL)
            token_move(there, key);
        else if (error == 0)
            error = put(keys, key);
        if (there != NULL || error != 0)
            key_free(key);
    }
    return error;
}

int private_keys_load(struct private_keys *keys, struct span octets, struct span passphrase,
                      struct key_answer *ret_answer)
{
    int error;
    EVP_PKEY *key = key_read(octets, passphrase, ret_answer, &error);
    if (error == 0)
        error = key_keep(keys, key, ret_answer);
    if (error != 0)
        EVP_PKEY_free(key);
    return error;
}

int private_keys_unload(struct private_keys *keys, const uint8_t key_id[KEY_ID_SIZE])
{
    struct private_key *key = key_find(keys, key_id);
    if (key == NULL)
        return ERR_NOT_FOUND;
    drop(keys, key);
    return 0;
}

/* --- signing --- */

int private_keys_sign(struct private_keys *keys, const struct key_sign *sign, struct span octets,
                      struct key_answer *ret_answer, struct writer *ret_auth)
{
    const struct signature_wish wish = {
        .hashes = sign->hashes, .own = sign->own, .methods = sign->methods, .pss = sign->pss != 0};
    struct signature_scheme scheme;
    uint8_t method;
    struct private_key *key = key_find(keys, sign->key_id);
    if (key == NULL)
        return refuse(ret_answer, ERR_NOT_FOUND, "the private key is not loaded");
    if (signature_choose(key->key, &wish, &method, &scheme) != 0)
        return refuse(ret_answer, ERR_NOT_FOUND,
                      "the peer announced no signature algorithm that fits our key");
    ret_answer->auth_method = method;
    return signature_make(key->key, method, &scheme, octets, ret_auth);
}

/* --- TLS --- */

int private_keys_tls_allow(struct private_keys *keys, const uint8_t key_id[KEY_ID_SIZE])
{
    struct private_key *key = key_find(keys, key_id);
    if (key == NULL)
        return ERR_NOT_FOUND;
    key->tls = true;
    return 0;
}

int private_keys_tls_sign(struct private_keys *keys, const struct key_tls *tls, struct span octets,
                          struct writer *ret_signature)
{
    const struct signature_scheme scheme = {(enum signature_kind)tls->kind,
                                            (enum signature_hash)tls->hash};
    struct private_key *key = key_find(keys, tls->key_id);
    if (key == NULL)
        return ERR_NOT_FOUND;
    if (!key->tls || tls->kind > SIGNATURE_ED448 || tls->hash > SIGNATURE_IDENTITY ||
        !tls_signed_is(octets))
        return ERR_INVALID;
    return signature_sign(key->key, &scheme, octets, ret_signature);
}
