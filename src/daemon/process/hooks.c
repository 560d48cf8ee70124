/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/process/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/common/channel.h"
#include "daemon/common/hook_script.h"
#include "daemon/common/log.h"
#include "daemon/process/hook_env.h"
#include "linux/clock.h"

/* what a script was told to be up */
struct hooked {
    struct hooked *older;
    struct hook_request request;
};

/* script_safe - a regular file of root's that nobody else may write. */
static bool script_safe(const char *path)
{
    struct stat status;
    bool found = stat(path, &status) == 0;
    if (found && S_ISREG(status.st_mode) && status.st_uid == 0 &&
        (status.st_mode & (S_IWGRP | S_IWOTH)) == 0)
        return true;
    log_line(LOG_LEVEL_ERROR, "event=updown-failed script=%s reason=\"%s\"", path,
             found ? "not a file of root's that nobody else may write" : strerror(errno));
    return false;
}

static void script_exec(const struct hook_env *env)
{
    sigset_t none;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGTERM, SIG_DFL);
    (void)setpgid(0, 0);
    if (null >= 0)
        (void)dup2(null, STDIN_FILENO);
    (void)execve(env->argv[0], env->argv, env->envp);
    _exit(127);
}

/* script_wait - until the script ends; after HOOK_TIME_NS its process group is killed. */
static void script_wait(pid_t pid, const struct hook_env *env)
{
    int status = 0;
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    nanos deadline = nanos_after(clock_now(), HOOK_TIME_NS), now;
    while ((now = clock_now()) < deadline) {
        int ms = (int)((deadline - now) / NANOS_PER_MS) + 1;
        if (poll(&ended, 1, ms) != 0 && errno != EINTR)
            break;
        if ((ended.revents & POLLIN) != 0)
            break;
    }
    if ((ended.revents & POLLIN) == 0) {
        log_line(LOG_LEVEL_ERROR, "event=updown-killed script=%s text=\"it ran for 10 s\"",
                 env->argv[0]);
        (void)kill(-pid, SIGKILL);
        (void)kill(pid, SIGKILL);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (pidfd >= 0)
        close(pidfd);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        log_line(LOG_LEVEL_WARNING, "event=updown-failed script=%s %s=%d", env->argv[0],
                 WIFSIGNALED(status) ? "signal" : "status",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static void script_run(const struct hook_request *request)
{
    static struct hook_env env;
    if (hook_env_fill(request, &env) != 0) {
        log_line(LOG_LEVEL_ERROR, "event=updown-failed conn=%s reason=\"more than %d words\"",
                 request->conn, HOOK_ARGS_MAX);
        return;
    }
    if (!script_safe(env.argv[0]))
        return;
    log_line(LOG_LEVEL_INFO, "event=updown conn=%s child=%s script=%s %s", request->conn,
             request->child, env.argv[0], env.envp[2]);
    pid_t pid = fork();
    if (pid == 0)
        script_exec(&env);
    if (pid > 0)
        script_wait(pid, &env);
}

static bool ts_same(const struct ike_ts *a, const struct ike_ts *b)
{
    return a->protocol == b->protocol && a->start_port == b->start_port &&
           a->end_port == b->end_port && address_equal(&a->range.first, &b->range.first) &&
           address_equal(&a->range.last, &b->range.last);
}

static bool hook_same(const struct hook_request *a, const struct hook_request *b)
{
    return a->uniqueid == b->uniqueid && strcmp(a->conn, b->conn) == 0 &&
           strcmp(a->child, b->child) == 0 && ts_same(&a->local_ts, &b->local_ts) &&
           ts_same(&a->remote_ts, &b->remote_ts);
}

/* remember - without memory the end of the engine finds nothing to take back here. */
static void remember(struct hooked **newest, const struct hook_request *request)
{
    struct hooked *hooked = request->up ? malloc(sizeof(*hooked)) : NULL;
    if (hooked != NULL) {
        *hooked = (struct hooked){*newest, *request};
        *newest = hooked;
        return;
    }
    for (struct hooked **link = newest; *link != NULL; link = &(*link)->older)
        if (hook_same(&(*link)->request, request)) {
            struct hooked *gone = *link;
            *link = gone->older;
            free(gone);
            return;
        }
}

static void take_back(struct hooked *newest)
{
    while (newest != NULL) {
        struct hooked *hooked = newest;
        newest = hooked->older;
        hooked->request.up = 0;
        script_run(&hooked->request);
        free(hooked);
    }
}

int hooks_run(int fd, pid_t parent)
{
    struct hook_request request;
    struct hooked *newest = NULL;
    int error;
    (void)parent; /* it outlives the supervisor for as long as it has something to take back */
    log_open("hooks", LOG_LEVEL_INFO);
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGTERM, SIG_IGN);
    while ((error = channel_recv(fd, &request, sizeof(request), NULL, NULL)) == 0) {
        if (!hook_request_sound(&request) || !hook_script_allowed(request.script)) {
            log_line(LOG_LEVEL_ERROR, "event=updown-refused");
            continue;
        }
        script_run(&request);
        remember(&newest, &request);
    }
    take_back(newest);
    return error == ERR_NOT_FOUND ? EXIT_SUCCESS : EXIT_FAILURE;
}
