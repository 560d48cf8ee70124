/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/test_ke.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

void test_ke_octets(struct span octets)
{
    static bool ready;
    unsigned strength = 256;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_uint(OSSL_RAND_PARAM_STRENGTH, &strength),
        OSSL_PARAM_construct_octet_string(OSSL_RAND_PARAM_TEST_ENTROPY, (void *)octets.ptr,
                                          octets.len),
        OSSL_PARAM_construct_end(),
    };
    if (!ready)
        assert_int_equal(RAND_set_DRBG_type(NULL, "TEST-RAND", NULL, NULL, NULL), 1);
    ready = true;
    EVP_RAND_CTX *generator = RAND_get0_private(NULL);
    assert_non_null(generator);
    assert_int_equal(EVP_RAND_CTX_set_params(generator, params), 1);
    /* It begins with the first octet again. */
    assert_int_equal(EVP_RAND_instantiate(generator, strength, 0, NULL, 0, NULL), 1);
}
