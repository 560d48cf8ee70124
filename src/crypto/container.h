/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_CONTAINER_H
#define CRYPTO_CONTAINER_H

/*
 * PKCS#12 containers (RFC 7292): a private key and certificates under one passphrase. Reading one is
 * for a process that has no other keys.
 */

#include "base/error.h"
#include "base/reader.h"
#include "base/writer.h"

#define CONTAINER_MAX        (64 * 1024) /* octets of a container, and of what is in it */
#define CONTAINER_PASSPHRASE 512
#define CONTAINER_ITERATIONS 10000000 /* of the MAC: seconds of computing, not hours */

enum container_item { CONTAINER_KEY = 1, CONTAINER_CERT };

/* container_init - once in the process: containers that older programs write need OpenSSL's legacy
 * provider, which is a file. false: it is missing, and those containers cannot be read. */
bool container_init(void);

/*
 * container_unpack - verifies the MAC, then writes the items: a key as PKCS#8 in DER, certificates in
 * DER, the key's own first. *ret_why: for a person, else NULL. ERR_INVALID: no container, or none that
 * can be read; ERR_DENIED: it needs a passphrase, and none is given; ERR_AUTH: another passphrase;
 * ERR_TRUNCATED: the items do not fit.
 */
int container_unpack(struct span octets, struct span passphrase, struct writer *ret_items,
                     const char **ret_why) MUST_USE;

/* container_next - the next item. false: there is none, or the octets are no items. */
bool container_next(struct reader *items, enum container_item *ret_kind, struct span *ret_octets);

#endif
