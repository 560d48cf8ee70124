/* SPDX-License-Identifier: Apache-2.0 */
/* The phases of an upgrade, without processes. test/lab/test_upgrade.py upgrades whole daemons. */
#include "daemon/supervisor/upgrade.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/unit_test.h"

#define OLD     10 /* no descriptors: they are only compared */
#define NEW     11
#define EXIT(n) ((n) << 8) /* a status of waitpid(2) */

/* probing - an upgrade whose probe runs. */
static struct upgrade probing(struct processes *processes)
{
    struct upgrade upgrade;
    processes_init(processes, NULL);
    processes->exe_fd = OLD;
    processes->pids[PROCESS_HOOKS] = 100;
    upgrade_init(&upgrade);
    upgrade.phase = UPGRADE_PROBING;
    upgrade.other_fd = NEW;
    upgrade.by = 5;
    return upgrade;
}

/* leaving - the processes of the new program wait at their gate. *ret_gate: their end of it. */
static struct upgrade leaving(struct processes *processes, int *ret_gate)
{
    int gate[2];
    struct upgrade upgrade = probing(processes);
    assert_int_equal(upgrade_probed(&upgrade, EXIT(PROBE_FITS)), UPGRADE_GO);
    processes_follow(processes, upgrade.other_fd, &upgrade.next);
    upgrade.next.pids[PROCESS_ENGINE] = 200;
    upgrade.phase = UPGRADE_WARMING;
    assert_int_equal(pipe(gate), 0);
    upgrade.gate_fd = gate[1];
    upgrade.sessions_fd = memfd_create("test", MFD_CLOEXEC);
    *ret_gate = gate[0];
    upgrade_warmed(&upgrade, 2);
    assert_int_equal(upgrade.phase, UPGRADE_LEAVING);
    return upgrade;
}

static bool take(struct upgrade *upgrade, struct processes *processes)
{
    struct engine_ends engine;
    struct loader_ends loader;
    return upgrade_take(upgrade, processes, &engine, &loader, 3);
}

static bool gate_says_go(int fd)
{
    return gate_pass(&(struct gate){fd, dup(fd)});
}

static void test_new_program(void **state)
{
    struct processes processes;
    int gate;
    struct upgrade upgrade = leaving(&processes, &gate);
    (void)state;
    assert_false(upgrade_back(&upgrade, &processes)); /* a crash of the engine is no way back */
    assert_false(take(&upgrade, &processes));
    assert_int_equal(processes.exe_fd, NEW);
    assert_int_equal(processes.pids[PROCESS_ENGINE], 200);
    assert_int_equal(processes.pids[PROCESS_HOOKS], 100);
    assert_false(upgrade_next_ended(&upgrade, 200)); /* it is one of ours now */
    assert_int_equal(upgrade.outcome, UPGRADE_DONE);
    upgrade_gate_open(&upgrade);
    assert_true(gate_says_go(gate));
    upgrade.other_fd = -1; /* not to be closed here */
    upgrade_served(&upgrade);
    assert_int_equal(upgrade.phase, UPGRADE_IDLE);
    assert_int_equal(upgrade.by, NANOS_NEVER);
    assert_false(upgrade_back(&upgrade, &processes));
}

/* The supervisor has the channels of the engine that serves: an upgrade that ends does not close them. */
static void test_channels_are_handed_on(void **state)
{
    struct processes processes;
    struct engine_ends engine;
    struct loader_ends loader;
    int gate;
    struct upgrade upgrade = leaving(&processes, &gate);
    (void)state;
    upgrade.engine.priv_fd = dup(gate);
    assert_false(upgrade_take(&upgrade, &processes, &engine, &loader, 3));
    upgrade.other_fd = -1; /* not to be closed here */
    upgrade_give_up(&upgrade);
    assert_int_not_equal(fcntl(engine.priv_fd, F_GETFD), -1);
    close(engine.priv_fd), close(gate);
}

static void test_back(void **state)
{
    struct processes processes;
    int gate;
    struct upgrade upgrade = leaving(&processes, &gate);
    (void)state;
    assert_false(take(&upgrade, &processes));
    upgrade.other_fd = -1;
    processes.exe_fd = NEW;
    assert_true(upgrade_back(&upgrade, &processes)); /* the new program has ended */
    assert_int_equal(upgrade.outcome, UPGRADE_BACK);
    assert_int_equal(upgrade.phase, UPGRADE_IDLE);
    close(gate);
}

/* The file of the sessions is closed once it was handed over: no second engine can get it. */
static void test_sessions(void **state)
{
    struct processes processes;
    int gate;
    struct upgrade upgrade = leaving(&processes, &gate);
    int fd = upgrade.sessions_fd;
    (void)state;
    assert_int_equal(write(fd, "session", 7), 7);
    assert_true(take(&upgrade, &processes));
    assert_int_equal(upgrade.sessions_fd, -1);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    upgrade.other_fd = -1;
    upgrade_served(&upgrade);
    close(gate);
}

/* A process of the new program ends before its time: the others end, too. */
static void test_given_up(void **state)
{
    struct processes processes;
    int gate;
    struct upgrade upgrade = leaving(&processes, &gate);
    (void)state;
    upgrade.phase = UPGRADE_WARMING;
    assert_false(upgrade_next_ended(&upgrade, 100));
    assert_true(upgrade_next_ended(&upgrade, 200));
    upgrade.other_fd = -1;
    upgrade_give_up(&upgrade);
    assert_int_equal(upgrade.phase, UPGRADE_IDLE);
    assert_int_equal(processes.exe_fd, OLD);
    assert_false(gate_says_go(gate));
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
        assert_int_equal(upgrade_probed(&upgrade, rows[i].status), rows[i].answer);
        assert_int_equal(upgrade.phase, UPGRADE_IDLE);
        assert_false(upgrade_back(&upgrade, &processes));
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
        cmocka_unit_test(test_new_program),
        cmocka_unit_test(test_back),
        cmocka_unit_test(test_channels_are_handed_on),
        cmocka_unit_test(test_sessions),
        cmocka_unit_test(test_given_up),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
