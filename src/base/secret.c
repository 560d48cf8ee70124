/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"

#include <string.h>

#include "base/assert.h"

void wipe(void *ptr, size_t len)
{
    if (len > 0)
        explicit_bzero(ptr, len);
}

void secret_set(struct secret *secret, struct span octets)
{
    ASSERT(octets.len <= SECRET_CAP);
    wipe(secret->octets, sizeof(secret->octets));
    if (octets.len > 0)
        memcpy(secret->octets, octets.ptr, octets.len);
    secret->len = octets.len;
}

void secret_done(struct secret *secret)
{
    wipe(secret, sizeof(*secret));
}

bool ct_equal(const void *a, const void *b, size_t len)
{
    const volatile uint8_t *x = a;
    const volatile uint8_t *y = b;
    uint8_t difference = 0;
    for (size_t i = 0; i < len; i++)
        difference |= (uint8_t)(x[i] ^ y[i]);
    return difference == 0;
}
