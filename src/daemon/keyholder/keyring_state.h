/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_KEYRING_STATE_H
#define DAEMON_KEYRING_STATE_H

/* The inside of the keyring: keyring.c and keyring_tokens.c alone include it. */

#include "daemon/keyholder/keyring.h"
#include "daemon/keyholder/private_keys.h"
#include "daemon/keyholder/shared_keys.h"
#include "daemon/keyholder/tickets.h"
#include "daemon/keyholder/token_calls.h"
#include "daemon/process/load_door.h"

#define KEYRING_MODULES 8

/* struct token_modules - the PKCS#11 libraries that the configuration's files name. */
struct token_modules {
    struct key_module rows[KEYRING_MODULES];
    unsigned n;
};

struct key_set {
    struct shared_keys *shared;
    struct private_keys *private;
    struct token_modules modules;
};

struct keyring {
    struct crypto_provider *crypto;
    struct key_set live;
    struct load_stages stages;
    struct key_set staged[LOAD_STAGES];
    unsigned staging; /* the place of the loader that came last */
    struct token_calls calls;
    uint64_t cleared;        /* how often all keys in use were replaced or cleared */
    struct tickets *tickets; /* NULL: there are none */
};

/* keyring_tokens_module - of a loader: a library that may be loaded. ERR_FULL, ERR_INVALID. */
int keyring_tokens_module(struct key_set *set, const struct key_module *module) MUST_USE;

/* keyring_tokens_load - KEY_TOKEN_LOAD, KEY_TOKEN_CERT: the token is asked. `set`: that of the asker.
 * ERR_AGAIN: the answer comes later; ERR_DENIED, ERR_INVALID with a reason; ERR_FULL. */
int keyring_tokens_load(struct keyring *keyring, const struct key_set *set, enum keyring_asker from,
                        const struct key_request *request, struct key_answer *answer) MUST_USE;

/* keyring_tokens_auth, _tls - what private_keys_sign and private_keys_tls_sign do, by a token.
 * ERR_AGAIN: the answer comes later. */
int keyring_tokens_auth(struct keyring *keyring, const struct key_request *request,
                        struct span octets, struct key_answer *answer) MUST_USE;
int keyring_tokens_tls(struct keyring *keyring, const struct key_request *request,
                       struct span octets) MUST_USE;

#endif
