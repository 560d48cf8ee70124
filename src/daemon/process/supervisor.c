/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/process/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/common/channel.h"
#include "daemon/common/log.h"
#include "daemon/config/config_load.h"
#include "daemon/engine/engine.h"
#include "daemon/process/devices.h"
#include "daemon/process/helpers.h"
#include "daemon/process/hooks.h"
#include "daemon/process/privileged.h"
#include "linux/clock.h"
#include "linux/event_loop.h"
#include "linux/sandbox.h"

#define KEY_CHANNEL      (1 << 20)
#define SMALL_CHANNEL    (1 << 16)
#define VERIFIER_CHANNEL (8 << 20) /* one CRL of the largest size, and requests behind it */
#define HOOK_CHANNEL     (8 << 20) /* scripts take their time: a thousand logins at once */
#define STOP_PATIENCE    (5 * NANOS_PER_SEC)  /* for the engine's farewell, before it is ended */
#define HOOK_PATIENCE    (30 * NANOS_PER_SEC) /* for the scripts that take back what others set up */

enum child {
    CHILD_KEYHOLDER,
    CHILD_VERIFIER,
    CHILD_EAP,
    CHILD_AAA,
    CHILD_RESOLVER,
    CHILD_HOOKS,
    CHILD_ENGINE,
    CHILD_LOADER,
    N_CHILDREN
};
static const char *const child_names[N_CHILDREN] = {"keyholder", "verifier", "eap",    "aaa",
                                                    "resolver",  "hooks",    "engine", "loader"};

struct supervisor {
    const struct supervisor_options *options;
    struct privileged *privileged;
    struct event_loop *loop;
    pid_t pids[N_CHILDREN]; /* 0: does not run */
    int priv_fd, order_fd, signal_fd;
    bool listening; /* the VICI socket is ours to remove */
    bool stopping, done, reload_again;
    nanos stop_by;
    int status;
};

/* --- the configuration --- */

/* config_feed - a file with a fault changes nothing. It is read and checked as a whole before any of
 * it is sent, and the engine switches to it as a whole. */
static int config_feed(const struct supervisor_options *options, int fd)
{
    struct settings settings;
    static struct build_errors all, warnings;
    struct build_error error = {.all = &all, .warnings = &warnings};
    int err = config_load(options->config, &settings, &error);
    for (unsigned i = 0; i < warnings.n; i++)
        log_line(LOG_LEVEL_WARNING, "event=config-warning text=\"%s\"", warnings.text[i]);
    if (err != 0) {
        for (unsigned i = 0; i < all.n; i++)
            log_line(LOG_LEVEL_ERROR, "event=config-refused text=\"%s\"", all.text[i]);
        return ERR_INVALID;
    }
    int failure = config_send(fd, &settings, &error);
    settings_done(&settings);
    if (failure != 0)
        log_line(LOG_LEVEL_ERROR, "event=config-not-loaded text=\"%s\"", error.text);
    else
        log_line(LOG_LEVEL_INFO, "event=config-loaded from=%s", options->config);
    return failure;
}

/* loader_admit - the engine serves the loader by this descriptor, whoever holds the control socket.
 * An engine that has no room for the order gets none; the loader notices. */
static void loader_admit(struct supervisor *s, int fd)
{
    const struct order order = {.kind = ORDER_LOADER};
    if (channel_send(s->order_fd, &order, sizeof(order), &fd, 1) != 0)
        log_line(LOG_LEVEL_WARNING, "event=order-lost kind=loader");
    close(fd);
}

static void loader_start(struct supervisor *s)
{
    if (s->options->config == NULL || s->stopping)
        return;
    if (s->pids[CHILD_LOADER] != 0) { /* one at a time; a storm of SIGHUP makes one more */
        s->reload_again = true;
        return;
    }
    s->reload_again = false;
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        log_line(LOG_LEVEL_ERROR, "event=config-not-loaded reason=\"%s\"", strerror(errno));
        return;
    }
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        close(ends[0]);
        log_open("loader", s->options->debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
        bool loaded = sandbox_common(parent) == 0 && config_feed(s->options, ends[1]) == 0;
        _exit(loaded ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    close(ends[1]);
    s->pids[CHILD_LOADER] = pid > 0 ? pid : 0;
    loader_admit(s, ends[0]);
}

/* --- the engine's requests --- */

/* READY=1 for a service manager that asked for it (sd_notify(3): one datagram). */
static void manager_notify(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path == NULL || strlen(path) >= sizeof(address.sun_path))
        return;
    memcpy(address.sun_path, path, strlen(path));
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && sendto(fd, "READY=1", 7, MSG_NOSIGNAL, (struct sockaddr *)&address, len) < 0)
        log_line(LOG_LEVEL_WARNING, "event=notify-failed reason=\"%s\"", strerror(errno));
    if (fd >= 0)
        close(fd);
}

static void loaded_tell(struct supervisor *s)
{
    const struct order order = {.kind = ORDER_LOADED};
    if (channel_send(s->order_fd, &order, sizeof(order), NULL, 0) != 0)
        log_line(LOG_LEVEL_DEBUG, "event=order-lost");
}

static void engine_ready(struct supervisor *s)
{
    log_line(LOG_LEVEL_INFO, "event=started socket=%s", s->options->socket);
    manager_notify();
    loader_start(s);
    if (s->pids[CHILD_LOADER] == 0) /* no file, or no process for it */
        loaded_tell(s);
}

static void stop_begin(struct supervisor *s, int status)
{
    const struct order order = {.kind = ORDER_STOP};
    if (s->stopping)
        return;
    s->stopping = true;
    s->status = status;
    s->stop_by = nanos_after(clock_now(), STOP_PATIENCE);
    /* an engine that does not hear it has ended, which SIGCHLD tells, or hangs, until stop_by */
    if (channel_send(s->order_fd, &order, sizeof(order), NULL, 0) != 0)
        log_line(LOG_LEVEL_DEBUG, "event=order-lost");
}

static void on_request(void *context, int fd, unsigned events)
{
    struct supervisor *s = context;
    struct priv_request request;
    struct priv_answer answer;
    int fds[LIMIT_WORKERS];
    (void)events;
    int error = channel_recv(fd, &request, sizeof(request), NULL, NULL);
    if (error == ERR_AGAIN)
        return;
    if (error == ERR_NOT_FOUND) { /* SIGCHLD says why */
        event_loop_remove(s->loop, fd);
        return;
    }
    if (error != 0 || !priv_request_check(&request)) {
        /* our engine asks nothing of the kind: it is no longer ours */
        log_line(LOG_LEVEL_ERROR, "event=engine-misbehaves kind=%u", request.kind);
        s->status = EXIT_FAILURE;
        s->done = true;
        return;
    }
    privileged_answer(s->privileged, &request, &answer, fds);
    if (answer.error != 0)
        log_line(LOG_LEVEL_WARNING, "event=request-failed kind=%u error=%s reason=\"%s\"",
                 request.kind, error_text(answer.error), strerror(answer.system_error));
    if (channel_send(fd, &answer, sizeof(answer), fds, answer.n_fds) != 0)
        log_line(LOG_LEVEL_WARNING, "event=answer-lost kind=%u", request.kind);
    for (unsigned i = 0; i < answer.n_fds; i++)
        close(fds[i]);
    if (request.kind == PRIV_READY)
        engine_ready(s);
}

/* --- signals and children --- */

/* engine_gone - the hooks process runs what is left to run, and ends. */
static void engine_gone(struct supervisor *s)
{
    s->stopping = true;
    s->stop_by = nanos_after(clock_now(), HOOK_PATIENCE);
    s->done = s->pids[CHILD_HOOKS] == 0;
}

static void child_ended(struct supervisor *s, enum child child, int status)
{
    bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    s->pids[child] = 0;
    if (!clean || child != CHILD_LOADER)
        log_line(clean && s->stopping ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING,
                 "event=process-ended name=%s %s=%d", child_names[child],
                 WIFSIGNALED(status) ? "signal" : "status",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    if (child == CHILD_LOADER) {
        loaded_tell(s);
        if (s->reload_again)
            loader_start(s);
        return;
    }
    if (child == CHILD_ENGINE) {
        if (!s->stopping || !clean)
            s->status = EXIT_FAILURE;
        engine_gone(s);
        return;
    }
    if (child == CHILD_HOOKS && s->pids[CHILD_ENGINE] == 0) {
        s->done = true;
        return;
    }
    if (!s->stopping) /* the engine can still say farewell without it */
        stop_begin(s, EXIT_FAILURE);
}

static void children_reap(struct supervisor *s)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (int child = 0; child < N_CHILDREN; child++)
            if (s->pids[child] == pid)
                child_ended(s, (enum child)child, status);
}

static void on_signal(void *context, int fd, unsigned events)
{
    struct supervisor *s = context;
    struct signalfd_siginfo info;
    (void)events;
    while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGCHLD)
            children_reap(s);
        else if (info.ssi_signo == SIGHUP)
            loader_start(s);
        else if (s->stopping)
            s->done = true; /* asked twice */
        else
            stop_begin(s, EXIT_SUCCESS);
    }
}

static int signals_open(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return ERR_SYSTEM;
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* --- start --- */

typedef int helper_run(int fd, pid_t parent);

/* Starts a helper on one end of a new channel; *ret_fd is the engine's end. The helper holds no
 * other descriptor than its own, so that the engine's end is what keeps it alive. */
static int helper_start(struct supervisor *s, enum child child, helper_run *run, int room,
                        struct engine_start *start, int *ret_fd)
{
    int ends[2];
    pid_t parent = getpid();
    if (channel_pair(ends, room) != 0)
        return ERR_SYSTEM;
    pid_t pid = fork();
    if (pid < 0)
        return ERR_SYSTEM;
    if (pid == 0) {
        const int others[] = {start->key_fd, start->verifier_fd, start->eap_fd,
                              start->aaa_fd, start->resolver_fd, start->hooks_fd};
        devices_close(start);
        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
            if (others[i] >= 0)
                close(others[i]);
        close(s->signal_fd);
        close(ends[0]);
        _exit(run(ends[1], parent));
    }
    close(ends[1]);
    s->pids[child] = pid;
    *ret_fd = ends[0];
    return 0;
}

static int engine_start(struct supervisor *s, struct engine_start *start)
{
    int requests[2], orders[2];
    pid_t parent = getpid();
    if (channel_pair(requests, SMALL_CHANNEL) != 0 || channel_pair(orders, SMALL_CHANNEL) != 0)
        return ERR_SYSTEM;
    pid_t pid = fork();
    if (pid < 0)
        return ERR_SYSTEM;
    if (pid == 0) {
        close(requests[0]), close(orders[0]), close(s->signal_fd);
        start->priv_fd = requests[1];
        start->order_fd = orders[1];
        log_open("engine", s->options->debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
        _exit(engine_run(start, parent));
    }
    close(requests[1]), close(orders[1]);
    close(start->key_fd), close(start->verifier_fd), close(start->eap_fd), close(start->aaa_fd);
    close(start->resolver_fd), close(start->hooks_fd);
    s->pids[CHILD_ENGINE] = pid;
    s->priv_fd = requests[0];
    s->order_fd = orders[0];
    return fcntl(s->priv_fd, F_SETFL, O_NONBLOCK) < 0 ? ERR_SYSTEM : 0;
}

static int failed(const char *what)
{
    log_line(LOG_LEVEL_ERROR, "event=start-failed what=\"%s\" reason=\"%s\"", what,
             strerror(errno));
    return ERR_SYSTEM;
}

static int supervisor_start(struct supervisor *s)
{
    struct engine_start start;
    if (!sandbox_has_net_admin()) {
        errno = EPERM;
        return failed("needs the capability CAP_NET_ADMIN");
    }
    s->signal_fd = signals_open();
    if (s->signal_fd < 0)
        return failed("signals");
    int error = devices_open(s->options, &start);
    s->listening = start.vici_fd >= 0;
    if (error != 0)
        return error;
    if (helper_start(s, CHILD_KEYHOLDER, keyholder_run, KEY_CHANNEL, &start, &start.key_fd) != 0 ||
        helper_start(s, CHILD_VERIFIER, verifier_run, VERIFIER_CHANNEL, &start,
                     &start.verifier_fd) != 0 ||
        helper_start(s, CHILD_EAP, eap_run, KEY_CHANNEL, &start, &start.eap_fd) != 0 ||
        helper_start(s, CHILD_AAA, aaa_run, KEY_CHANNEL, &start, &start.aaa_fd) != 0 ||
        helper_start(s, CHILD_RESOLVER, resolver_run, SMALL_CHANNEL, &start, &start.resolver_fd) !=
            0 ||
        helper_start(s, CHILD_HOOKS, hooks_run, HOOK_CHANNEL, &start, &start.hooks_fd) != 0)
        return failed("helper processes");
    if (engine_start(s, &start) != 0)
        return failed("engine process");
    if (privileged_new(&start, &s->privileged) != 0)
        return failed("routing rules");
    devices_close(&start);
    if (sandbox_common(0) != 0 || sandbox_supervisor() != 0 ||
        sandbox_filter(SANDBOX_SUPERVISOR) != 0)
        return failed("sandbox");
    s->loop = event_loop_new();
    if (s->loop == NULL || event_loop_add(s->loop, s->signal_fd, EVENT_READ, on_signal, s) != 0 ||
        event_loop_add(s->loop, s->priv_fd, EVENT_READ, on_request, s) != 0)
        return failed("event loop");
    return 0;
}

static void supervisor_end(struct supervisor *s)
{
    /* what still runs dies with its parent, but must be gone before the rules are: no packet may
     * find the one without the other */
    if (s->order_fd >= 0)
        close(s->order_fd);
    if (s->priv_fd >= 0)
        close(s->priv_fd);
    s->privileged = privileged_free(s->privileged);
    if (s->listening)
        unlink(s->options->socket);
    s->loop = event_loop_free(s->loop);
}

int supervisor_run(const struct supervisor_options *options)
{
    struct supervisor s = {.options = options, .priv_fd = -1, .order_fd = -1, .signal_fd = -1};
    s.stop_by = NANOS_NEVER;
    log_open("supervisor", options->debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
    if (supervisor_start(&s) != 0) {
        supervisor_end(&s);
        return EXIT_FAILURE;
    }
    s.stop_by = NANOS_NEVER;
    while (!s.done) {
        nanos now;
        if (event_loop_wait(s.loop, s.stop_by, &now) < 0 || now >= s.stop_by)
            s.done = true;
    }
    supervisor_end(&s);
    log_line(LOG_LEVEL_INFO, "event=stopped status=%d", s.status);
    return s.status;
}
