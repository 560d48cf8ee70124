/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_PRIVATE_KEYS_H
#define DAEMON_PRIVATE_KEYS_H

/* The private keys of the keyholder, and their signatures for AUTH payloads and TLS. */

#include "base/writer.h"
#include "crypto/provider.h"
#include "daemon/common/key_channel.h"

#define PRIVATE_KEYS 65536

struct private_keys;

struct private_keys *private_keys_new(void);                       /* NULL: no memory */
struct private_keys *private_keys_free(struct private_keys *keys); /* wipes; returns NULL */

/*
 * private_keys_load - PEM or DER: PKCS#8, also encrypted, and the older forms of RSA and EC keys.
 * ERR_INVALID with ret_answer->reason: no key, a key that signs nothing here, or another
 * passphrase; ERR_DENIED: no passphrase is given; ERR_FULL. ret_answer->key_id names it.
 */
int private_keys_load(struct private_keys *keys, struct span octets, struct span passphrase,
                      struct key_answer *ret_answer) MUST_USE;
/* private_keys_try - whether the key could be loaded; keeps nothing. */
int private_keys_try(struct span octets, struct span passphrase,
                     struct key_answer *ret_answer) MUST_USE;
int private_keys_unload(struct private_keys *keys,
                        const uint8_t key_id[KEY_ID_SIZE]) MUST_USE; /* ERR_NOT_FOUND */
void private_keys_clear(struct private_keys *keys);

/* private_keys_replace - replaces all keys by those of `staged`, which is empty afterwards. A key
 * that was there before keeps its permissions. ERR_NO_MEMORY: some keys are lost, so the process
 * must end. */
int private_keys_replace(struct private_keys *keys, struct private_keys *staged) MUST_USE;

/* struct private_token - a key that is on a token: its public key, and where it is. */
struct private_token {
    EVP_PKEY *key;         /* borrowed */
    struct token_ref *ref; /* owned by the keys; NULL: it is no such key */
    bool tls;              /* it may sign for TLS */
};

/* private_keys_token_put - takes a reference of `key`. If the same key came from a file, that one
 * stays. ret_answer->key_id names it. ERR_FULL. */
int private_keys_token_put(struct private_keys *keys, EVP_PKEY *key, const struct token_ref *ref,
                           struct key_answer *ret_answer) MUST_USE;
/* private_keys_token - NULL: no such key, or it is not on a token. Borrowed until the next change. */
const struct private_token *private_keys_token(const struct private_keys *keys,
                                               const uint8_t key_id[KEY_ID_SIZE]);

/* private_keys_sign - the AUTH data over the octets. ERR_NOT_FOUND: no such key, or no scheme that
 * the peer takes, with a reason; ERR_CRYPTO. */
int private_keys_sign(struct private_keys *keys, const struct key_sign *sign, struct span octets,
                      struct key_answer *ret_answer, struct writer *ret_auth) MUST_USE;

/* private_keys_tls_allow - the key may sign for TLS until it is unloaded. ERR_NOT_FOUND. */
int private_keys_tls_allow(struct private_keys *keys, const uint8_t key_id[KEY_ID_SIZE]) MUST_USE;

/* private_keys_tls_sign - a signature of TLS (eap/tls_signed.h). ERR_NOT_FOUND: no such key;
 * ERR_INVALID: it is not allowed, nothing that TLS signs, or a scheme that does not fit the key;
 * ERR_CRYPTO. */
int private_keys_tls_sign(struct private_keys *keys, const struct key_tls *tls, struct span octets,
                          struct writer *ret_signature) MUST_USE;

#endif
