/* SPDX-License-Identifier: Apache-2.0 */
/* The phases of an upgrade, without processes. test/lab/test_upgrade.py upgrades whole daemons. */
#include "daemon/supervisor/upgrade.h"

#include <unistd.h>

#include "base/unit_test.h"

#define OLD     10 /* no descriptors: they are only compared */
#define NEW     11
#define EXIT(n) ((n) << 8) /* a status of waitpid(2) */

/* probing - an upgrade whose probe runs. */
static struct upgrade probing(struct processes *processes)
{
    *processes = (struct processes){.exe_fd = OLD};
    return (struct upgrade){.phase = UPGRADE_PROBING, .other_fd = NEW, .sessions_fd = -1, .by = 5};
}

static void test_new_program(void **state)
{
    struct processes processes;
    struct upgrade upgrade = probing(&processes);
    (void)state;
    assert_false(
        upgrade_turn(&upgrade, &processes, 1)); /* a crash of the engine begins no upgrade */
    assert_int_equal(processes.exe_fd, OLD);
    assert_int_equal(upgrade_probed(&upgrade, EXIT(PROBE_FITS), 2), UPGRADE_GO);
    assert_int_equal(upgrade.phase, UPGRADE_LEAVING);
    assert_true(upgrade_turn(&upgrade, &processes, 3));
    assert_int_equal(processes.exe_fd, NEW);
    assert_int_equal(upgrade.outcome, UPGRADE_DONE);
    upgrade.other_fd = -1; /* not to be closed here */
    upgrade_served(&upgrade);
    assert_int_equal(upgrade.phase, UPGRADE_IDLE);
    assert_int_equal(upgrade.by, NANOS_NEVER);
    assert_false(upgrade_turn(&upgrade, &processes, 4));
}

static void test_back(void **state)
{
    struct processes processes;
    struct upgrade upgrade = probing(&processes);
    (void)state;
    assert_int_equal(upgrade_probed(&upgrade, EXIT(PROBE_FITS), 1), UPGRADE_GO);
    assert_true(upgrade_turn(&upgrade, &processes, 2));
    upgrade.other_fd = -1;
    processes.exe_fd = NEW;
    assert_true(upgrade_turn(&upgrade, &processes, 3)); /* the new program has ended */
    assert_int_equal(upgrade.outcome, UPGRADE_BACK);
    assert_int_equal(upgrade.phase, UPGRADE_IDLE);
}

/* The file of the sessions goes to one engine, if any session is in it. */
static void test_sessions(void **state)
{
    struct processes processes;
    (void)state;
    for (size_t some = 0; some < 2; some++) {
        struct upgrade upgrade = probing(&processes);
        assert_int_equal(upgrade_sessions(&upgrade), -1); /* a crash */
        assert_int_equal(upgrade_probed(&upgrade, EXIT(PROBE_FITS), 1), UPGRADE_GO);
        int fd = upgrade.sessions_fd;
        assert_true(fd >= 0);
        assert_int_equal(write(fd, "session", some), some);
        assert_int_equal(upgrade_sessions(&upgrade), some > 0 ? fd : -1);
        assert_int_equal(upgrade_sessions(&upgrade), -1);
        if (some > 0)
            close(fd);
    }
}

static void test_refused(void **state)
{
    static const struct {
        int status;
        enum upgrade_answer answer;
    } rows[] = {{EXIT(PROBE_CONFIG), UPGRADE_CONFIG},
                {EXIT(SPAWN_OTHER), UPGRADE_OTHER},
                {EXIT(0), UPGRADE_BROKEN}, /* any program may end with 0 */
                {EXIT(127), UPGRADE_BROKEN},
                {9, UPGRADE_BROKEN}}; /* killed */
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct processes processes;
        struct upgrade upgrade = probing(&processes);
        upgrade.other_fd = -1;
        assert_int_equal(upgrade_probed(&upgrade, rows[i].status, 1), rows[i].answer);
        assert_int_equal(upgrade.phase, UPGRADE_IDLE);
        assert_false(upgrade_turn(&upgrade, &processes, 2));
        assert_int_equal(processes.exe_fd, OLD);
    }
}

/* An engine that leaves opens no way for packets in the clear. */
static void test_holds(void **state)
{
    static const enum priv_kind held[] = {PRIV_BLOCK_REMOVE, PRIV_SHUNT_REMOVE, PRIV_ROUTE_REMOVE,
                                          PRIV_ADDRESS_REMOVE, PRIV_DEVICE_CLOSE};
    static const enum priv_kind done[] = {PRIV_READY, PRIV_ROUTE_ADD, PRIV_LAN_BLOCK, PRIV_UPGRADE};
    struct processes processes;
    struct upgrade upgrade = probing(&processes);
    (void)state;
    for (enum upgrade_phase phase = UPGRADE_IDLE; phase <= UPGRADE_STARTING; phase++) {
        upgrade.phase = phase;
        for (size_t i = 0; i < ARRAY_LEN(held); i++)
            assert_int_equal(upgrade_holds(&upgrade, &(struct priv_request){.kind = held[i]}),
                             phase == UPGRADE_LEAVING);
        for (size_t i = 0; i < ARRAY_LEN(done); i++)
            assert_false(upgrade_holds(&upgrade, &(struct priv_request){.kind = done[i]}));
    }
    upgrade_init(&upgrade);
    upgrade.restart = true;
    assert_true(upgrade_holds(&upgrade, &(struct priv_request){.kind = PRIV_BLOCK_REMOVE}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_program), cmocka_unit_test(test_back),
        cmocka_unit_test(test_sessions),    cmocka_unit_test(test_refused),
        cmocka_unit_test(test_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
