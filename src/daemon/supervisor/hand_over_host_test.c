/* SPDX-License-Identifier: Apache-2.0 */
/* What the host has from an engine that hands its sessions over, in a network namespace of its own. */

#include "daemon/supervisor/privileged_world.h"

static void ask(enum priv_kind kind, const char *address, uint8_t prefix_len)
{
    struct priv_request request = {.kind = kind, .prefix_len = prefix_len};
    struct priv_answer answer;
    int fds[LIMIT_WORKERS];
    if (address != NULL)
        assert_true(address_parse(address, &request.address));
    if (kind == PRIV_ROUTE_ADD)
        assert_true(address_parse("10.30.0.1", &request.source));
    privileged_answer(privileged, &request, &answer, fds);
    assert_int_equal(answer.error, 0);
}

static bool kernel_says(const char *text)
{
    char command[256];
    (void)snprintf(command, sizeof(command),
                   "{ ip route show table all; ip address; } | grep -q '%s'", text);
    return system(command) == 0;
}

static void engine_asks(void)
{
    ask(PRIV_ADDRESS_ADD, "10.30.0.1", 32);
    ask(PRIV_ROUTE_ADD, "10.20.0.0", 24);
}

/* Address and route of a session that goes on stay all the time. Others go at the end of the first load. */
static void test_hand_over(void **state)
{
    (void)state;
    engine_asks();
    ask(PRIV_ADDRESS_ADD, "10.30.0.9", 32);
    ask(PRIV_ROUTE_ADD, "10.29.0.0", 24);
    privileged_hand_over(privileged);
    assert_true(kernel_says("10.20.0.0/24.*src 10.30.0.1") && kernel_says("inet 10.30.0.1/32"));
    assert_true(kernel_says("10.29.0.0/24") && kernel_says("inet 10.30.0.9/32"));
    engine_asks();
    ask(PRIV_SHUNTS_ALL, NULL, 0);
    assert_true(kernel_says("10.20.0.0/24.*src 10.30.0.1") && kernel_says("inet 10.30.0.1/32"));
    assert_false(kernel_says("10.29.0.0/24") || kernel_says("inet 10.30.0.9/32"));
}

/* The engine that follows crashes: then nothing of the sessions stays. */
static void test_crash(void **state)
{
    (void)state;
    engine_asks();
    privileged_hand_over(privileged);
    privileged_reset(privileged);
    assert_false(kernel_says("10.20.0.0/24") || kernel_says("inet 10.30.0.1/32"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hand_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_crash, setup, teardown),
    };
    if (!namespace_enter())
        return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
