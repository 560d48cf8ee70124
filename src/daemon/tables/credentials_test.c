/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unit_test.h"
#include "daemon/tables/credentials.h"

/* Ten thousand connections with three policies of their own each, loaded twice. */
static void policies(void **state)
{
    (void)state;
    struct credentials *c = credentials_new();
    assert_non_null(c);
    for (uint32_t pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < 30000; i++) {
            struct cert_policy policy = {.n_certs = 1};
            memcpy(policy.certs[0], &i, sizeof(i));
            assert_int_equal(credentials_policy_add(c, &policy), i + 1);
        }
    for (uint32_t i = 0; i < 30000; i++)
        assert_memory_equal(credentials_policy(c, i + 1)->certs[0], &i, sizeof(i));
    assert_null(credentials_policy(c, 0));
    assert_null(credentials_policy(c, 30001));
    credentials_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
