/* SPDX-License-Identifier: Apache-2.0 */

/* Each probe runs in a process of its own, behind the filter of one profile. */

#include "linux/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/unit_test.h"

/* what a probe says: 0 it went well, else errno */
typedef int probe(void);

#define KILLED (-1)

static int outcome(enum sandbox_profile profile, probe *run)
{
    int status;
    pid_t parent = getpid(), pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (sandbox_common(parent) != 0 || sandbox_filter(profile) != 0)
            _exit(255);
        _exit(run());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status)) {
        assert_int_equal(WTERMSIG(status), SIGSYS);
        return KILLED;
    }
    assert_int_not_equal(WEXITSTATUS(status), 255);
    return WEXITSTATUS(status);
}

static int result(long rc)
{
    return rc < 0 ? errno : 0;
}

static int probe_open(void)
{
    return result(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

static int probe_socket(void)
{
    return result(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

static int probe_fork(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return result(pid);
}

static int probe_exec(void)
{
    char *const arguments[] = {"/bin/true", NULL};
    return result(execve("/bin/true", arguments, NULL));
}

static int probe_ptrace(void)
{
    return result(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static int probe_code(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return 254;
    return result(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

static int probe_memory(void)
{
    void *page = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? errno : result(munmap(page, 1 << 20));
}

static int probe_kill(void)
{
    return result(kill(getppid(), 0));
}

static void test_profiles(void **state)
{
    (void)state;
    const struct {
        probe *run;
        int engine, keyholder, supervisor;
    } rows[] = {
        {probe_memory, 0, 0, 0},
        {probe_open, EPERM, EPERM, 0},
        {probe_socket, EPERM, EPERM, 0},
        {probe_fork, EPERM, EPERM, 0},
        {probe_kill, EPERM, EPERM, 0},
        {probe_code, EPERM, EPERM, EPERM},
        {probe_exec, KILLED, KILLED, KILLED},
        {probe_ptrace, KILLED, KILLED, KILLED},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int engine = outcome(SANDBOX_ENGINE, rows[i].run);
        int keyholder = outcome(SANDBOX_KEYHOLDER, rows[i].run);
        int supervisor = outcome(SANDBOX_SUPERVISOR, rows[i].run);
        if (engine != rows[i].engine || keyholder != rows[i].keyholder ||
            supervisor != rows[i].supervisor)
            fail_msg("row %zu: engine %d, keyholder %d, supervisor %d", i, engine, keyholder,
                     supervisor);
    }
}

static void *read_a_file(void *context)
{
    int *go = context;
    char octet;
    ssize_t got = read(*go, &octet, 1);
    *go = got == 1 ? probe_open() : 254;
    return NULL;
}

/* a thread that ran before the filter came is behind it too */
static int probe_thread(void)
{
    int ends[2], go;
    pthread_t thread;
    if (pipe(ends) != 0)
        return 254;
    go = ends[0];
    if (pthread_create(&thread, NULL, read_a_file, &go) != 0 ||
        sandbox_filter(SANDBOX_KEYHOLDER) != 0 || write(ends[1], "x", 1) != 1 ||
        pthread_join(thread, NULL) != 0)
        return 254;
    return go;
}

static void test_threads(void **state)
{
    int status;
    pid_t pid = fork();
    (void)state;
    if (pid == 0)
        _exit(sandbox_common(0) != 0 ? 255 : probe_thread());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EPERM);
}

/* Landlock alone: reading stays or goes, writing and exec go */
static int probe_files(enum sandbox_files files)
{
    int abi;
    char name[] = "/tmp/ikat-sandbox-XXXXXX";
    if (sandbox_common(0) != 0 || sandbox_files(files, &abi) != 0)
        return 255;
    if (abi == 0)
        return 77;
    int expected = files == SANDBOX_FILES_READ ? 0 : EACCES;
    if (probe_open() != expected || mkstemp(name) >= 0 || errno != EACCES)
        return 1;
    (void)execl("/bin/true", "true", (char *)NULL);
    return errno == EACCES ? 0 : 2;
}

static void test_files(void **state)
{
    (void)state;
    for (int files = SANDBOX_FILES_NONE; files <= SANDBOX_FILES_READ; files++) {
        int status;
        pid_t pid = fork();
        if (pid == 0)
            _exit(probe_files((enum sandbox_files)files));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
            skip(); /* a kernel without Landlock */
        assert_int_equal(status, 0);
    }
}

/* a child whose parent is gone already ends at once */
static void test_orphan(void **state)
{
    int status;
    pid_t pid = fork();
    (void)state;
    if (pid == 0)
        _exit(sandbox_common(getppid() + 1) == ERR_SYSTEM && errno == ESRCH ? 0 : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_profiles),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_orphan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
