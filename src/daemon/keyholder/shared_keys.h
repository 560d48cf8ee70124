/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_SHARED_KEYS_H
#define DAEMON_SHARED_KEYS_H

/* The pre-shared secrets of the keyholder, which of them serves a pair of identities (the rule is in
 * keyring.h), and the PPKs among them. A look-up costs the same with one secret as with 20,000. */

#include "daemon/common/key_channel.h"

struct shared_keys;

struct shared_keys *shared_keys_new(void);                      /* NULL: no memory */
struct shared_keys *shared_keys_free(struct shared_keys *keys); /* wipes; returns NULL */

/* shared_keys_load - replaces the one of the same name. ERR_INVALID, ERR_FULL: the arena is full.
 */
int shared_keys_load(struct shared_keys *keys, const struct key_load *load,
                     struct span secret) MUST_USE;
int shared_keys_unload(struct shared_keys *keys, const char *name) MUST_USE; /* ERR_NOT_FOUND */
void shared_keys_clear(struct shared_keys *keys);

/* shared_keys_replace - replaces all secrets that a client can name by those of `staged`, which is
 * empty afterwards. Other secrets stay. ERR_NO_MEMORY: some secrets are lost, so the process must
 * end. */
int shared_keys_replace(struct shared_keys *keys, struct shared_keys *staged) MUST_USE;

/* shared_keys_choose - the secret for the pair of identities, borrowed; empty: none. Never a
 * PPK. */
struct span shared_keys_choose(const struct shared_keys *keys, const struct ike_id *local,
                               const struct ike_id *remote);

/* shared_keys_ppk - the PPK for a PPK_ID (ID_KEY_ID), borrowed: the first loaded PPK that names it,
 * or else the first that names no PPK_ID. Empty: none. */
struct span shared_keys_ppk(const struct shared_keys *keys, const struct ike_id *id);

#endif
