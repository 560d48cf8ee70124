/* SPDX-License-Identifier: Apache-2.0 */
/* The engine accepts only well-formed changes from the aaa process. */
#include "base/unit_test.h"
#include "daemon/engine/engine_aaa.h"

static void sound(void **state)
{
    (void)state;
    struct aaa_change change = {.timeout = 1, .idle = 1, .filter = 1};
    assert_true(engine_change_sound(&change));
    change = (struct aaa_change){.disconnect = 1, .user_len = RADIUS_VALUE};
    assert_true(engine_change_sound(&change));
}

static void hostile_flags(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++)
        for (unsigned value = 2; value <= UINT8_MAX; value++) {
            struct aaa_change change = {0};
            uint8_t *flags[] = {&change.disconnect, &change.timeout, &change.idle, &change.filter};
            *flags[i] = (uint8_t)value;
            assert_false(engine_change_sound(&change));
        }
}

static void hostile_lengths(void **state)
{
    (void)state;
    struct aaa_change change = {.user_len = RADIUS_VALUE + 1};
    assert_false(engine_change_sound(&change));
    change = (struct aaa_change){.groups.n = AAA_GROUPS + 1};
    assert_false(engine_change_sound(&change));
    change = (struct aaa_change){.groups.n = 1};
    memset(change.groups.names[0], 'x', sizeof(change.groups.names[0]));
    assert_false(engine_change_sound(&change));
    for (unsigned i = 0; i < 4; i++) {
        change = (struct aaa_change){0};
        char *texts[] = {change.session_id, change.calling, change.conn, change.nas};
        const size_t sizes[] = {sizeof(change.session_id), sizeof(change.calling),
                                sizeof(change.conn), sizeof(change.nas)};
        memset(texts[i], 'x', sizes[i]);
        assert_false(engine_change_sound(&change));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound),
        cmocka_unit_test(hostile_flags),
        cmocka_unit_test(hostile_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
