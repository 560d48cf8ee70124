/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include "base/span.h"

/* the largest keyed thing: the shared secret of group 16 (4096-bit MODP) */
#define SECRET_CAP 512

/*
 * struct secret - key material with its length. Wiped by secret_done, compared only in constant
 * time, never printed. A zeroed struct is an empty secret.
 */
struct secret {
    size_t len;
    uint8_t octets[SECRET_CAP];
};

/* secret_set - copies `octets` (at most SECRET_CAP) and wipes the old contents. */
void secret_set(struct secret *secret, struct span octets);
void secret_done(struct secret *secret);

static inline struct span secret_span(const struct secret *secret)
{
    return span_of(secret->octets, secret->len);
}

/* wipe - zeroes memory in a way the compiler keeps. */
void wipe(void *ptr, size_t len);

/* ct_equal - constant-time comparison of two strings of `len` octets. */
bool ct_equal(const void *a, const void *b, size_t len);

#endif
