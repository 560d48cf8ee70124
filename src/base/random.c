/* SPDX-License-Identifier: Apache-2.0 */
#include "base/random.h"

#include "base/assert.h"

uint32_t random_below(const struct random *random, uint32_t bound)
{
    ASSERT(bound > 0);
    uint32_t threshold =
        (0U - bound) % bound; /* 2^32 mod bound: values below it would be over-represented */
    for (;;) {
        uint32_t value = random_u32(random);
        if (value >= threshold)
            return value % bound;
    }
}
