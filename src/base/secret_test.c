/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"

#include "base/unit_test.h"

static void done_leaves_nothing(void **state)
{
    (void)state;
    static const struct secret empty;
    struct secret secret = {0};
    secret_set(&secret, span_text("a long first value"));
    secret_set(&secret, span_text("short"));
    assert_int_equal(secret_span(&secret).len, 5);
    assert_int_equal(secret.octets[6], 0); /* the longer value left nothing behind */
    secret_done(&secret);
    assert_memory_equal(&secret, &empty, sizeof(secret));
}

static void comparison_sees_every_octet(void **state)
{
    (void)state;
    uint8_t a[16] = {0};
    uint8_t b[16] = {0};
    assert_true(ct_equal(a, b, sizeof(a)));
    assert_true(ct_equal(a, b, 0));
    for (size_t i = 0; i < sizeof(a); i++) {
        b[i] = 0x80;
        assert_false(ct_equal(a, b, sizeof(a)));
        b[i] = 0;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(done_leaves_nothing),
        cmocka_unit_test(comparison_sees_every_octet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
