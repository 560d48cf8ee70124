/* SPDX-License-Identifier: Apache-2.0 */
#include "base/siphash.h"

#include "base/unit_test.h"

/* The vectors of the reference implementation: key 00..0f, input 00, 01, ... of each length. */
static void vectors(void **state)
{
    static const struct {
        size_t len;
        uint64_t hash;
    } rows[] = {{0, 0x726fdb47dd0e0e31u},
                {1, 0x74f839c593dc67fdu},
                {7, 0xab0200f58b01d137u},
                {8, 0x93f5f5799a932462u},
                {15, 0xa129ca6149be45e5u}};
    uint8_t key[SIPHASH_KEY_LEN], octets[64];
    (void)state;
    for (uint8_t i = 0; i < sizeof(key); i++)
        key[i] = i;
    for (uint8_t i = 0; i < sizeof(octets); i++)
        octets[i] = i;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(siphash(key, span_of(octets, rows[i].len)), rows[i].hash);
    key[0] ^= 1;
    assert_int_not_equal(siphash(key, span_of(octets, 15)), rows[4].hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(vectors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
