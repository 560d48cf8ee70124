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

/* shared_keys_replace - the secrets of `staged` take the place of all that a client can name; those
 * without a name of a client's stay. `staged` is empty then. ERR_NO_MEMORY: some are lost, and the
 * process had better end. */
int shared_keys_replace(struct shared_keys *keys, struct shared_keys *staged) MUST_USE;

/* shared_keys_choose - the secret, borrowed; empty: none serves the pair. A PPK never does. */
struct span shared_keys_choose(const struct shared_keys *keys, const struct ike_id *local,
                               const struct ike_id *remote);

/* shared_keys_ppk - the PPK of that PPK_ID (ID_KEY_ID), borrowed: one that names it, else one that
 * names none; of several the one loaded first. Empty: there is none. */
struct span shared_keys_ppk(const struct shared_keys *keys, const struct ike_id *id);

#endif
