/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_TEST_KE_H
#define CRYPTO_TEST_KE_H

/* Key exchanges for tests: each step runs at once. */

#include "base/span.h"
#include "base/unit_test.h"
#include "crypto/ke.h"

/*
 * test_ke_octets - the octets that libcrypto takes for the private values of this thread from now
 * on, until the next call; a key exchange fails once they are used up. The first call comes before
 * any other use of random octets by libcrypto. It puts TEST-RAND in the place of its generator.
 */
void test_ke_octets(struct span octets);

static inline struct ke_job test_ke_pair(uint16_t group)
{
    struct ke_job pair;
    assert_true(ke_begin(&pair, group));
    ke_run(&pair);
    assert_int_equal(pair.error, 0);
    return pair;
}

/* test_ke_secret - leaves the pair as it is, so that it may be used again. */
static inline int test_ke_secret(const struct ke_job *pair, struct span peer,
                                 struct secret *ret_secret)
{
    struct ke_job job = *pair;
    if (!ke_finish(&job, peer))
        return ERR_CRYPTO;
    ke_run(&job);
    if (job.error == 0)
        *ret_secret = job.shared;
    return job.error;
}

#endif
