/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_SECRET_DOORS_H
#define DAEMON_SECRET_DOORS_H

/*
 * The loader's channels to the processes that keep secrets (load_door.h): each call hands one over
 * and waits until it is staged. It is not used before the engine commits the load.
 */

#include "daemon/common/aaa_channel.h"
#include "daemon/common/key_channel.h"
#include "daemon/common/unpack_channel.h"
#include "daemon/config/engine_load.h"

struct secret_doors {
    int key_fd, eap_fd, aaa_fd;
    int unpack_fd; /* opens containers, and keeps nothing */
};

/* All: ERR_INVALID, ERR_FULL, ERR_NO_MEMORY; ERR_SYSTEM: the process does not answer. */
int secret_doors_secret(const struct secret_doors *doors,
                        const struct engine_secret *secret) MUST_USE;
/* secret_doors_key - KEY_FILE octets at most, with the passphrase. *ret_answer: the id of the key, or
 * a reason. */
int secret_doors_key(const struct secret_doors *doors, struct span octets, struct span passphrase,
                     struct key_answer *ret_answer) MUST_USE;
/* secret_doors_token - as secret_doors_key. ERR_NOT_FOUND, ERR_AUTH, ERR_SYSTEM: the token cannot be
 * used now; ERR_DENIED: its library is not configured. secret_doors_module - a library. */
int secret_doors_token(const struct secret_doors *doors, const struct key_token *token,
                       struct key_answer *ret_answer) MUST_USE;
/* secret_doors_cert - the certificate with that handle, ret_answer->n_octets of `room`. */
int secret_doors_cert(const struct secret_doors *doors, const struct key_token *token,
                      struct buffer room, struct key_answer *ret_answer) MUST_USE;
int secret_doors_module(const struct secret_doors *doors, const struct key_module *module) MUST_USE;
/* secret_doors_unpack - the items of a PKCS#12 container (crypto/container.h) into `room`, which the
 * caller wipes; *ret_answer has a reason. ERR_DENIED, ERR_AUTH, ERR_INVALID: as container_unpack. */
int secret_doors_unpack(const struct secret_doors *doors, const struct span container_passphrase[2],
                        struct buffer room, struct unpack_answer *ret_answer) MUST_USE;
int secret_doors_radius(const struct secret_doors *doors, const struct aaa_server *server) MUST_USE;

#endif
