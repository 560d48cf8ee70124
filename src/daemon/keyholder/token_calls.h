/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_TOKEN_CALLS_H
#define DAEMON_TOKEN_CALLS_H

/* The keyholder's requests to the token process that wait for an answer. */

#include <openssl/evp.h>

#include "base/table.h"
#include "crypto/signature.h"
#include "daemon/common/key_channel.h"
#include "daemon/common/token_channel.h"

#define TOKEN_CALLS 256 /* limit for each asker, so that no asker blocks the others */

/* enum keyring_asker - whose request it is: the channels of the keyholder. */
enum keyring_asker { KEYRING_ENGINE, KEYRING_LOADER, KEYRING_EAP, KEYRING_NOBODY };

/* struct token_call - one of them. */
struct token_call {
    UT_hash_handle hh;
    uint64_t number; /* job of the token process */
    struct token_call *next;
    enum keyring_asker from;
    uint64_t load;    /* LOADER: its number */
    uint64_t cleared; /* KEY_TOKEN_LOAD: how often all keys had been replaced or cleared */
    uint64_t job;     /* of the asker */
    uint32_t kind;    /* enum key_request_kind */
    struct token_ref ref;
    EVP_PKEY *key; /* owned; of signatures: the public key */
    uint8_t method;
    struct signature_scheme scheme;
    size_t n_octets;
    uint8_t octets[]; /* that are signed */
};

struct token_calls {
    struct token_call *all, *first, **last; /* `first`: not sent yet */
    uint64_t number;
    unsigned n[KEYRING_NOBODY]; /* by asker */
};

void token_calls_init(struct token_calls *calls);
void token_calls_done(struct token_calls *calls);

/* token_calls_add - a copy of `like` with `octets`, to be sent; takes a reference of its key.
 * ERR_FULL, ERR_NO_MEMORY. */
int token_calls_add(struct token_calls *calls, const struct token_call *like,
                    struct span octets) MUST_USE;

/* token_calls_send - the next request, for the caller to send; the octets are borrowed until the call
 * is freed. false: there is none. */
bool token_calls_send(struct token_calls *calls, struct token_request *ret_request,
                      struct span *ret_octets);

/* token_calls_take - removes the call with this number; the caller frees it. NULL: no such call. */
struct token_call *token_calls_take(struct token_calls *calls, uint64_t number);
void token_call_free(struct token_call *call); /* wipes; takes NULL */

#endif
