/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/hooks/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "daemon/common/log.h"
#include "linux/clock.h"

/* input_open - a pipe that holds the whole input; without input, /dev/null. */
static int input_open(struct span input)
{
    int ends[2];
    if (input.len == 0)
        return open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    bool whole = write(ends[1], input.ptr, input.len) == (ssize_t)input.len;
    close(ends[1]);
    if (whole)
        return ends[0];
    close(ends[0]);
    return -1;
}

static void program_exec(char *const argv[], char *const envp[], int input)
{
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGTERM, SIG_DFL);
    (void)setpgid(0, 0);
    if (input >= 0)
        (void)dup2(input, STDIN_FILENO);
    (void)execve(argv[0], argv, envp);
    _exit(127);
}

/* ended_within - waits for the end. false: the time is over. */
static bool ended_within(int pidfd, nanos patience)
{
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    nanos deadline = nanos_after(clock_now(), patience), now;
    while ((now = clock_now()) < deadline) {
        int ms = (int)((deadline - now) / NANOS_PER_MS) + 1;
        if (poll(&ended, 1, ms) != 0 && errno != EINTR)
            break;
        if ((ended.revents & POLLIN) != 0)
            break;
    }
    return (ended.revents & POLLIN) != 0;
}

static bool program_wait(pid_t pid, const char *path, nanos patience)
{
    int status = 0;
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (!ended_within(pidfd, patience)) {
        log_line(LOG_LEVEL_ERROR, "event=program-killed program=%s text=\"it ran for %lld s\"",
                 path, (long long)(patience / NANOS_PER_SEC));
        (void)kill(-pid, SIGKILL);
        (void)kill(pid, SIGKILL);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (pidfd >= 0)
        close(pidfd);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    log_line(LOG_LEVEL_WARNING, "event=program-failed program=%s %s=%d", path,
             WIFSIGNALED(status) ? "signal" : "status",
             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return false;
}

bool program_run(char *const argv[], char *const envp[], struct span input, nanos patience)
{
    ASSERT(input.len <= PROGRAM_INPUT);
    int in = input_open(input);
    pid_t pid = fork();
    if (pid == 0)
        program_exec(argv, envp, in);
    if (in >= 0)
        close(in);
    if (pid < 0)
        log_line(LOG_LEVEL_ERROR, "event=program-failed program=%s errno=%d", argv[0], errno);
    return pid > 0 && program_wait(pid, argv[0], patience);
}
