/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_CONTAINER_H
#define CRYPTO_CONTAINER_H

/*
 * PKCS#12 containers (RFC 7292): a private key and certificates under one passphrase. The parser is
 * large, so only a process without other keys reads a container.
 */

#include "base/error.h"
#include "base/reader.h"
#include "base/writer.h"

#define CONTAINER_MAX        (64 * 1024) /* octets of a container, and of its items */
#define CONTAINER_PASSPHRASE 512
#define CONTAINER_ITERATIONS 10000000 /* iterations of the MAC: seconds of computing, not hours */

enum container_item { CONTAINER_KEY = 1, CONTAINER_CERT };

/* container_init - loads OpenSSL's legacy provider from a file; a further call does nothing. false: the
 * file is missing, so containers of older programs cannot be read. */
bool container_init(void);

/*
 * container_unpack - verifies the MAC, then writes the items: a key as PKCS#8 in DER, and
 * certificates in DER, first the certificate of the key. *ret_why: the reason of an error for a
 * person, static text; or NULL. ERR_INVALID: malformed or unsupported; ERR_DENIED: it needs a
 * passphrase, and none is given; ERR_AUTH: the passphrase is wrong; ERR_TRUNCATED: the items do not
 * fit.
 */
int container_unpack(struct span octets, struct span passphrase, struct writer *ret_items,
                     const char **ret_why) MUST_USE;

/* container_next - reads the next item, borrowed from `items`. false: the end, or malformed. */
bool container_next(struct reader *items, enum container_item *ret_kind, struct span *ret_octets);

#endif
