/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/auth_wait.h"

#include "base/unit_test.h"

static const uint8_t key[SIPHASH_KEY_LEN] = {7};
static struct auth_wait wait_table;

static nanos failed(uint8_t host, const char *name, nanos now)
{
    struct address source = {.family = ADDRESS_V4, .octets = {10, 0, 0, host}};
    struct ike_id id = {.type = 2, .len = (uint16_t)strlen(name)};
    memcpy(id.data, name, id.len);
    return auth_wait_failed(&wait_table, key, &source, &id, now);
}

/* Each failure of a source or an identity doubles the wait; time forgives. */
static void doubles(void **state)
{
    (void)state;
    wait_table = (struct auth_wait){0};
    assert_int_equal(failed(1, "anna", 0), LIMIT_AUTH_WAIT_NS);
    assert_int_equal(failed(1, "bert", 0), 2 * LIMIT_AUTH_WAIT_NS); /* the same source */
    assert_int_equal(failed(2, "ANNA", 0), 2 * LIMIT_AUTH_WAIT_NS); /* the same identity */
    for (int i = 0; i < 100; i++)
        assert_true(failed(1, "anna", 0) <= LIMIT_AUTH_WAIT_MOST_NS);
    assert_int_equal(failed(1, "anna", 0), LIMIT_AUTH_WAIT_MOST_NS);
    assert_int_equal(failed(3, "carl", 0), LIMIT_AUTH_WAIT_NS); /* another source and identity do
                                                                 * not wait */
    assert_int_equal(failed(1, "anna", 3600 * NANOS_PER_SEC), LIMIT_AUTH_WAIT_NS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(doubles)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
