/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_KEYRING_H
#define DAEMON_KEYRING_H

/* The pre-shared secrets and private keys of the keyholder process, and the operations with
 * them. */

#include "base/writer.h"
#include "crypto/provider.h"
#include "daemon/common/key_channel.h"
#include "daemon/keyholder/token_calls.h"

/* Memory of all secrets together: locked, left out of dumps, wiped when freed. Names and owners of secrets
 * lie elsewhere. During a reload both the old and the new secrets are in it (KEY_SECRETS_ROOM each). */
#define KEYRING_ARENA (64u << 20)

struct keyring;

/* keyring_arena_init - once in the process, before it gives up its rights. Private keys of
 * libcrypto lie there as well. false: the memory cannot be locked, and is used all the same. */
bool keyring_arena_init(void);

struct keyring *keyring_new(struct crypto_provider *crypto); /* borrowed; NULL: no memory */
/* keyring_tickets - adds session tickets to the keyring; `random` is borrowed, `fd` is for
 * ticket_file.h. ERR_NO_MEMORY. */
int keyring_tickets(struct keyring *keyring, const struct random *random, int fd) MUST_USE;
struct keyring *keyring_free(struct keyring *keyring); /* wipes; takes NULL; returns NULL */

/*
 * keyring_answer - handles a request of an engine that may be hostile. `octets` follow the request.
 * AUTH data or keys go to `ret_octets`, which has room for KEY_ANSWER. ERR_INVALID: the kind or a
 * length is wrong; ERR_NOT_FOUND: no secret for the identities, no such key, or no such PPK;
 * ERR_AUTH: the peer's AUTH is wrong; ERR_FULL. An unknown identity takes as long as a wrong AUTH.
 *
 * A secret serves a pair of identities in one of three cases: an owner names the peer, or all
 * owners name us, or it has no owners. While the peer is not known (%any), an owner that names us
 * is enough. A secret that names the peer wins; among those, one that names us too; then the one
 * that was loaded first.
 */
void keyring_answer(struct keyring *keyring, const struct key_request *request, struct span octets,
                    struct key_answer *ret_answer, struct writer *ret_octets);

/*
 * keyring_stage_begin - the loader with this number begins. keyring_stage_answer - handles its
 * requests. Its secrets and keys are kept aside until the engine sends KEY_STAGE_COMMIT.
 * ERR_INVALID: the request is not one of a loader.
 */
int keyring_stage_begin(struct keyring *keyring, uint64_t number) MUST_USE; /* ERR_NO_MEMORY */
void keyring_stage_answer(struct keyring *keyring, const struct key_request *request,
                          struct span octets, struct key_answer *ret_answer);

/*
 * Keys on tokens (KEY_TOKEN_LOAD, KEY_TOKEN_CERT, and signatures by such keys) need the token
 * process. For such a request ret_answer->error is ERR_AGAIN, and the answer comes later.
 * keyring_token_request - the next request for the token process; false: none. Call it after each
 * request of another process. The octets are borrowed until the answer.
 * keyring_token_answer - turns the answer of a hostile token process into the answer for the asker,
 * and returns the asker. `ret_octets` has room for TOKEN_ANSWER.
 */
bool keyring_token_request(struct keyring *keyring, struct token_request *ret_request,
                           struct span *ret_octets);
enum keyring_asker keyring_token_answer(struct keyring *keyring, const struct token_answer *answer,
                                        struct span octets, struct key_answer *ret_answer,
                                        struct writer *ret_octets);

/* keyring_tls_answer - the same for a request of a hostile eap process, which may ask KEY_TLS_SIGN
 * alone: ERR_INVALID for all others. The engine may not ask that. */
void keyring_tls_answer(struct keyring *keyring, const struct key_request *request,
                        struct span octets, struct key_answer *ret_answer,
                        struct writer *ret_octets);

/* keyring_radius_answer - the same for a hostile aaa process. It waits for the answer, so a key on a
 * token, which takes its time, is refused. */
void keyring_radius_answer(struct keyring *keyring, const struct key_request *request,
                           struct span octets, struct key_answer *ret_answer,
                           struct writer *ret_octets);

#endif
