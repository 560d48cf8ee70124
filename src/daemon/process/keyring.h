/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_KEYRING_H
#define DAEMON_KEYRING_H

/* The pre-shared keys, and the one thing that is done with them. Lives in the keyholder process. */

#include "crypto/provider.h"
#include "daemon/common/channel.h"

struct keyring;

struct keyring *keyring_new(struct crypto_provider *crypto); /* borrowed; NULL: no memory */
struct keyring *keyring_free(struct keyring *keyring);       /* wipes; takes NULL; returns NULL */

/*
 * keyring_answer - does what a request of a hostile engine asks, and wipes the secret of a LOAD in
 * place. ERR_INVALID: lengths or kind make no sense; ERR_NOT_FOUND: no secret for the identities;
 * ERR_AUTH: the peer's AUTH is wrong; ERR_FULL.
 *
 * A secret serves a pair of identities when its owners name the peer, or name nobody but ourselves,
 * or when it has no owners; where the peer is not known yet (%any), also when they name us. The one
 * that names the peer wins, among those the one that names us too.
 */
void keyring_answer(struct keyring *keyring, struct key_request *request,
                    struct key_answer *ret_answer);

#endif
