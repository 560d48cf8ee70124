/* SPDX-License-Identifier: Apache-2.0 */
/* RAND_set_rand_method() is marked as obsolete; without it the test would need a whole provider. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/test_ke.h"

#include <openssl/rand.h>

static const struct random *source;

static int source_octets(unsigned char *octets, int len)
{
    random_fill(source, octets, (size_t)len);
    return 1;
}

void test_ke_random(const struct random *random)
{
    static const RAND_METHOD method = {.bytes = source_octets, .pseudorand = source_octets};
    source = random;
    assert_int_equal(RAND_set_rand_method(&method), 1);
}
