/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

/*
 * SipHash-2-4 (Aumasson and Bernstein, 2012): the keyed hash for tables whose keys a peer can
 * choose. Collisions cannot be made without the key.
 */

#include "base/span.h"

#define SIPHASH_KEY_LEN 16

uint64_t siphash(const uint8_t key[SIPHASH_KEY_LEN], struct span octets);

#endif
