/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/entropy.h"

#include <errno.h>
#include <sys/random.h>

#include "base/assert.h"

static void entropy_fill(void *context, void *octets, size_t len)
{
    uint8_t *pos = octets;
    (void)context;
    while (len > 0) {
        ssize_t got = getrandom(pos, len, 0);
        if (got <= 0 && errno != EINTR) /* a key that can be guessed is worse than none */
            base_give_up("the kernel gives no random octets");
        if (got > 0) {
            pos += got;
            len -= (size_t)got;
        }
    }
}

const struct random *entropy_random(void)
{
    static const struct random random = {.fill = entropy_fill};
    return &random;
}
