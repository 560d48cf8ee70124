/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_TEST_KE_H
#define CRYPTO_TEST_KE_H

/* Key exchanges for tests: each step runs at once. */

#include "base/random.h"
#include "base/unit_test.h"
#include "crypto/ke.h"

/* test_ke_random - makes libcrypto take all random octets from `random`, also private values, so
 * that a seed repeats each octet. Borrowed until the next call. */
void test_ke_random(const struct random *random);

static inline struct ke_job test_ke_pair(uint16_t group)
{
    struct ke_job pair;
    assert_true(ke_begin(&pair, group));
    ke_run(&pair);
    assert_int_equal(pair.error, 0);
    return pair;
}

/* test_ke_secret - computes the shared secret on a copy of `pair`, so that it may be used again. */
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
