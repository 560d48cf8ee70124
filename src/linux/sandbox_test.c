/* SPDX-License-Identifier: Apache-2.0 */

/* Each probe runs in a process of its own, behind the filter of one profile. */

#include "linux/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
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

/* a raw socket that writes its own IP headers could forge any packet; other options stay */
static int raw_fd, raw6_fd;

static int probe_header4(void)
{
    return result(setsockopt(raw_fd, IPPROTO_IP, IP_HDRINCL, &(int){1}, sizeof(int)));
}

static int probe_header6(void)
{
    return result(setsockopt(raw6_fd, IPPROTO_IPV6, IPV6_HDRINCL, &(int){1}, sizeof(int)));
}

static int probe_header_raw(void)
{
    return result(setsockopt(raw6_fd, IPPROTO_RAW, IPV6_HDRINCL, &(int){1}, sizeof(int)));
}

static int probe_unicast_if(void)
{
    return result(setsockopt(raw_fd, IPPROTO_IP, IP_UNICAST_IF, &(int){0}, sizeof(int)));
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

/* file descriptors that are open already */
static int probe_exec_open(void)
{
    char *const arguments[] = {"true", NULL};
    int fd = open("/bin/true", O_PATH | O_CLOEXEC);
    return result(syscall(SYS_execveat, fd, "", arguments, environ, AT_EMPTY_PATH));
}

static int probe_memory(void)
{
    void *page = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? errno : result(munmap(page, 1 << 20));
}

/* probe_time - the calls of time(3) and others without a vDSO in the kernel. Certificates need the
 * clock: without it each login would fail. */
static int probe_time(void)
{
    struct timespec t;
    struct timeval v;
#ifdef SYS_time
    if (syscall(SYS_time, NULL) < 0)
        return errno;
#endif
    return syscall(SYS_gettimeofday, &v, NULL) < 0
               ? errno
               : result(syscall(SYS_clock_gettime, CLOCK_REALTIME, &t));
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
        int engine, keyholder, supervisor, reader;
    } rows[] = {
        {probe_memory, 0, 0, 0, 0},
        {probe_time, 0, 0, 0, 0},
        {probe_open, EPERM, EPERM, 0, 0},
        {probe_socket, EPERM, EPERM, 0, 0},
        {probe_header4, EPERM, EPERM, 0, 0},
        {probe_header6, EPERM, EPERM, 0, 0},
        {probe_header_raw, EPERM, EPERM, 0, 0},
        {probe_unicast_if, 0, EPERM, 0, 0},
        {probe_fork, EPERM, EPERM, 0, 0},
        {probe_kill, EPERM, EPERM, 0, 0},
        {probe_code, EPERM, EPERM, EPERM, EPERM},
        {probe_exec, KILLED, KILLED, KILLED, KILLED},
        {probe_exec_open, KILLED, KILLED, 0, KILLED},
        {probe_ptrace, KILLED, KILLED, KILLED, KILLED},
    };
    raw_fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ESP);
    raw6_fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ESP);
    if (raw_fd < 0 || raw6_fd < 0)
        skip(); /* not root */
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int engine = outcome(SANDBOX_ENGINE, rows[i].run);
        int keyholder = outcome(SANDBOX_KEYHOLDER, rows[i].run);
        int supervisor = outcome(SANDBOX_SUPERVISOR, rows[i].run);
        int reader = outcome(SANDBOX_READER, rows[i].run);
        if (reader != rows[i].reader || engine != rows[i].engine ||
            keyholder != rows[i].keyholder || supervisor != rows[i].supervisor)
            fail_msg("row %zu: engine %d, keyholder %d, supervisor %d, reader %d", i, engine,
                     keyholder, supervisor, reader);
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

/* the filter also applies to a thread that started before it */
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

/* Landlock alone: reading and making files stay or go, exec goes */
static int probe_files(enum sandbox_files files)
{
    int abi;
    char name[] = "/tmp/ikat-sandbox-XXXXXX";
    if (sandbox_common(0) != 0 || sandbox_files(files, &abi) != 0)
        return 255;
    if (abi == 0)
        return 77;
    int read = files == SANDBOX_FILES_NONE ? EACCES : 0;
    int made = files == SANDBOX_FILES_OWN ? 0 : EACCES;
    if (probe_open() != read || result(mkstemp(name)) != made || (made == 0 && unlink(name) != 0))
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

/* the supervisor may start programs, remove files beside its socket, and make and write files
 * beside the audit file; nothing else */
static int probe_supervisor_files(void)
{
    int abi;
    char folder[] = "/tmp/ikat-sandbox-XXXXXX", audits[] = "/tmp/ikat-sandbox-XXXXXX";
    char name[64], other[64], audit[64];
    if (mkdtemp(folder) == NULL || mkdtemp(audits) == NULL)
        return 255;
    (void)snprintf(name, sizeof(name), "%s/socket", folder);
    (void)snprintf(other, sizeof(other), "/tmp/%s-other", folder + 5);
    (void)snprintf(audit, sizeof(audit), "%s/audit.log", audits);
    int fd = open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    int elsewhere = open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0 || elsewhere < 0 || sandbox_common(0) != 0 ||
        sandbox_supervisor_files(name, audit, &abi) != 0)
        return 255;
    if (abi == 0)
        return 77;
    if (probe_open() != 0 || open(name, O_WRONLY | O_CLOEXEC) >= 0 || unlink(other) == 0 ||
        unlink(name) != 0 || open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600) >= 0)
        return 1;
    if (open(audit, O_CREAT | O_WRONLY | O_CLOEXEC, 0600) < 0 || unlink(audit) == 0)
        return 3;
    return probe_exec() == 0 ? 0 : 2;
}

static void test_supervisor_files(void **state)
{
    (void)state;
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(probe_supervisor_files());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(system("rm -rf /tmp/ikat-sandbox-*"), 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
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

/* A process of the same user gets no signal, abort() still works. */
static void test_no_signals(void **state)
{
    int status;
    pid_t parent = getpid(), pid = fork();
    (void)state;
    assert_true(pid >= 0);
    if (pid == 0) {
        if (sandbox_common(parent) != 0 || sandbox_filter(SANDBOX_READER) != 0 ||
            kill(parent, 0) != 0 || sandbox_no_signals() != 0)
            _exit(1);
        if (kill(parent, 0) == 0 || errno != EPERM || kill(-1, 0) == 0 || errno != EPERM ||
            syscall(SYS_tgkill, parent, parent, 0) == 0 || errno != EPERM)
            _exit(2);
        abort();
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_profiles), cmocka_unit_test(test_threads),
        cmocka_unit_test(test_files),    cmocka_unit_test(test_supervisor_files),
        cmocka_unit_test(test_orphan),   cmocka_unit_test(test_no_signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
