/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_UNPACK_CHANNEL_H
#define DAEMON_UNPACK_CHANNEL_H

/* Requests of the loader to the unpacker, which opens PKCS#12 containers, and its answers. */

#include "crypto/container.h"

#define UNPACK_OCTETS (CONTAINER_MAX + CONTAINER_PASSPHRASE)
#define UNPACK_REASON 120

struct unpack_request {
    uint32_t n_octets; /* behind the struct: the container, then its passphrase */
    uint32_t passphrase_len;
};

struct unpack_answer {
    uint32_t n_octets; /* behind the struct: items (crypto/container.h) */
    int32_t error;     /* of container_unpack */
    char reason[UNPACK_REASON];
};

#endif
