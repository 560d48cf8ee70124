/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/process/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/common/channel.h"
#include "daemon/common/log.h"
#include "daemon/process/devices.h"
#include "daemon/process/keyring.h"
#include "daemon/process/privileged.h"
#include "daemon/process/spawn.h"
#include "daemon/process/tls_pairs.h"
#include "linux/clock.h"
#include "linux/event_loop.h"
#include "linux/sandbox.h"

#define KEY_CHANNEL      (1 << 20)
#define SMALL_CHANNEL    (1 << 16)
#define VERIFIER_CHANNEL (8 << 20) /* one CRL of the largest size, and requests behind it */
#define HOOK_CHANNEL     (8 << 20) /* scripts take their time: a thousand logins at once */
#define REQUESTS_BATCH   256
#define LOCKED_MEMORY    (KEYRING_ARENA + (16u << 20)) /* and what surrounds the secrets */
#define STOP_PATIENCE    (5 * NANOS_PER_SEC)  /* for the engine's farewell, before it is ended */
#define HOOK_PATIENCE    (30 * NANOS_PER_SEC) /* for the scripts that take back what others set up */

/* pauses before a new engine is started: none for the first, then from RESTART_LEAST on, twice as
 * long each time; an engine that served for RESTART_CALM starts the count anew */
#define RESTART_LEAST (NANOS_PER_SEC / 4)
#define RESTART_MOST  (30 * NANOS_PER_SEC)
#define RESTART_CALM  (60 * NANOS_PER_SEC)

/* struct pace - when a process, or all, are started again after their end. */
struct pace {
    nanos at, started_ns, pause_ns; /* at NANOS_NEVER: they run */
};

struct supervisor {
    const struct supervisor_options *options;
    struct engine_start devices; /* they outlive every engine */
    struct privileged *privileged;
    struct event_loop *loop;
    pid_t pids[N_PROCESSES]; /* 0: does not run */
    int priv_fd, order_fd, signal_fd, exe_fd, state_fds[N_PROCESSES];
    int door_fds[SPAWN_DOORS]; /* to those that keep secrets: loaders are handed over */
    int fetch_door_fd;         /* to the verifier: fetchers are handed over */
    uint64_t fetchers;         /* how many there were */
    uint64_t loads;            /* how many there were */
    int permit_fd;             /* the loader says what its files allow */
    struct permits permits;    /* so far */
    bool listening;            /* the VICI socket is ours to remove */
    bool served;               /* an engine has come up: from now on, one that ends is replaced */
    bool stopping, done, reload_again;
    nanos stop_by;
    struct pace all, fetcher, resolver;
    int status;
};

/* --- processes --- */

static void pace_plan(struct pace *pace, nanos now)
{
    if (now - pace->started_ns >= RESTART_CALM)
        pace->pause_ns = 0;
    pace->at = nanos_after(now, pace->pause_ns);
    pace->pause_ns =
        pace->pause_ns == 0 ? RESTART_LEAST : nanos_min(2 * pace->pause_ns, RESTART_MOST);
}

static void pace_started(struct pace *pace)
{
    pace->at = NANOS_NEVER;
    pace->started_ns = clock_now();
}

static struct spawn_start start_of(const struct supervisor *s, enum process process)
{
    struct spawn_start start = {.process = process,
                                .parent = getpid(),
                                .fd = -1,
                                .permit_fd = -1,
                                .state_fd = s->state_fds[process],
                                .load_fd = -1,
                                .door_fds = {-1, -1, -1},
                                .unpack_fd = -1,
                                .eap_fds = {-1, -1},
                                .aaa_fds = {-1, -1},
                                .token_fd = -1,
                                .fetch_fd = -1,
                                .debug = s->options->debug};
    if (s->options->config != NULL)
        (void)snprintf(start.config, sizeof(start.config), "%s", s->options->config);
    (void)snprintf(start.socket, sizeof(start.socket), "%s", s->options->socket);
    return start;
}

static int process_start(struct supervisor *s, const struct spawn_start *start)
{
    pid_t pid = spawn(s->exe_fd, start);
    s->pids[start->process] = pid > 0 ? pid : 0;
    return pid > 0 ? 0 : ERR_SYSTEM;
}

/* loader_admit - the engine serves the loader by this descriptor, whoever holds the control socket.
 * An engine that has no room for the order gets none; the loader notices. */
static void loader_admit(struct supervisor *s, int fd)
{
    const struct order order = {.kind = ORDER_LOADER, .load = s->loads};
    if (channel_send(s->order_fd, &order, sizeof(order), &fd, 1) != 0)
        log_line(LOG_LEVEL_WARNING, "event=order-lost kind=loader");
    close(fd);
}

static void fd_drop(struct supervisor *s, int *fd)
{
    if (*fd < 0)
        return;
    if (s->loop != NULL)
        event_loop_remove(s->loop, *fd);
    close(*fd);
    *fd = -1;
}

/* permit_take - false: no more now, or ever. What the loader says wrongly ends its load. */
static bool permit_take(struct supervisor *s)
{
    struct permit permit;
    struct permit_answer answer = {0};
    int error = channel_recv(s->permit_fd, &permit, sizeof(permit), NULL, NULL);
    if (error == ERR_AGAIN)
        return false;
    if (error == 0 && permit.kind != PERMIT_END)
        error = permits_add(&s->permits, &permit);
    if (error == 0 && permit.kind != PERMIT_END)
        return true;
    if (error == 0) {
        permits_settle(&s->permits);
        permission_load(privileged_permission(s->privileged), &s->permits);
    } else if (error != ERR_NOT_FOUND) {
        log_line(LOG_LEVEL_ERROR, "event=permits-refused error=%s", error_text(error));
    }
    answer.error = error;
    if (error != ERR_NOT_FOUND && channel_send(s->permit_fd, &answer, sizeof(answer), NULL, 0) != 0)
        log_line(LOG_LEVEL_WARNING, "event=answer-lost kind=permits");
    permits_done(&s->permits);
    fd_drop(s, &s->permit_fd);
    return false;
}

static void on_permit(void *context, int fd, unsigned events)
{
    struct supervisor *s = context;
    (void)fd, (void)events;
    for (unsigned i = 0; i < REQUESTS_BATCH && permit_take(s); i++)
        ;
}

/* permits_open - a channel to the loader; *ret_fd is its end. */
static int permits_open(struct supervisor *s, int *ret_fd)
{
    int ends[2];
    fd_drop(s, &s->permit_fd);
    permits_done(&s->permits);
    if (channel_pair(ends, SMALL_CHANNEL) != 0)
        return ERR_SYSTEM;
    s->permit_fd = ends[0];
    if (fcntl(s->permit_fd, F_SETFL, O_NONBLOCK) != 0 ||
        event_loop_add(s->loop, s->permit_fd, EVENT_READ, on_permit, s) != 0) {
        close(ends[1]);
        return ERR_SYSTEM;
    }
    *ret_fd = ends[1];
    return 0;
}

static void fds_close(int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}

/* doors_open - channels from the loader to those that keep secrets; its ends in ret_fds. */
static int doors_open(struct supervisor *s, int ret_fds[SPAWN_DOORS])
{
    const struct load_order order = {.load = s->loads};
    int error = 0;
    for (int i = 0; error == 0 && i < SPAWN_DOORS; i++) {
        int ends[2] = {-1, -1};
        error = channel_pair(ends, KEY_CHANNEL);
        if (error == 0)
            error = channel_send(s->door_fds[i], &order, sizeof(order), &ends[0], 1);
        fds_close(&ends[0], 1);
        ret_fds[i] = ends[1];
    }
    return error;
}

static int helper_start(struct supervisor *s, enum process process, int room, int *ret_fd);

/* loader_begin - `start` is given descriptors, which the caller closes. */
static int loader_begin(struct supervisor *s, struct spawn_start *start)
{
    int ends[2];
    s->loads++;
    if (permits_open(s, &start->permit_fd) != 0 || doors_open(s, start->door_fds) != 0 ||
        helper_start(s, PROCESS_UNPACKER, KEY_CHANNEL, &start->unpack_fd) != 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return ERR_SYSTEM;
    start->fd = ends[1];
    int error = process_start(s, start);
    loader_admit(s, ends[0]);
    return error;
}

static void loader_start(struct supervisor *s)
{
    if (s->options->config == NULL || s->stopping)
        return;
    if (s->pids[PROCESS_LOADER] != 0) { /* one at a time; a storm of SIGHUP makes one more */
        s->reload_again = true;
        return;
    }
    s->reload_again = false;
    struct spawn_start start = start_of(s, PROCESS_LOADER);
    if (loader_begin(s, &start) != 0) {
        log_line(LOG_LEVEL_ERROR, "event=config-not-loaded reason=\"%s\"", strerror(errno));
        fd_drop(s, &s->permit_fd);
    }
    fds_close(&start.fd, 1);
    fds_close(&start.permit_fd, 1);
    fds_close(&start.unpack_fd, 1);
    fds_close(start.door_fds, SPAWN_DOORS);
}

/* --- the engine's requests --- */

/* manager_notify - tells a service manager that asked for it (sd_notify(3): one datagram). */
static void manager_notify(const char *text)
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
    if (fd >= 0 &&
        sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&address, len) < 0)
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
    s->served = true;
    log_line(LOG_LEVEL_INFO, "event=started socket=%s", s->options->socket);
    manager_notify("READY=1");
    loader_start(s);
    if (s->pids[PROCESS_LOADER] == 0) /* no file, or no process for it */
        loaded_tell(s);
}

static void hooks_finish(struct supervisor *s);

static void stop_begin(struct supervisor *s)
{
    const struct order order = {.kind = ORDER_STOP};
    s->stopping = true;
    s->all.at = s->fetcher.at = s->resolver.at = NANOS_NEVER;
    s->stop_by = nanos_after(clock_now(), STOP_PATIENCE);
    if (s->pids[PROCESS_ENGINE] == 0) {
        hooks_finish(s);
        return;
    }
    /* an engine that does not hear it has ended, which SIGCHLD tells, or hangs, until stop_by */
    if (channel_send(s->order_fd, &order, sizeof(order), NULL, 0) != 0)
        log_line(LOG_LEVEL_DEBUG, "event=order-lost");
}

/* processes_kill - the engine and its helpers live and die together: their channels cannot be
 * handed to another. SIGCHLD tells when they are gone. */
static void processes_kill(struct supervisor *s)
{
    for (int process = 0; process < PROCESS_LOADER; process++)
        if (s->pids[process] != 0 &&
            sandbox_user_kill(process_user((enum process)process), s->pids[process]) != 0)
            log_line(LOG_LEVEL_ERROR, "event=kill-failed name=%s reason=\"%s\"",
                     process_name((enum process)process), strerror(errno));
}

static void request_failed(const struct priv_request *request, const struct priv_answer *answer)
{
    char text[ADDRESS_TEXT_MAX];
    if (answer->error == ERR_DENIED)
        log_line(LOG_LEVEL_WARNING, "event=request-denied kind=%u what=%s/%u reason=\"%s\"",
                 request->kind, address_print(&request->address, text),
                 (unsigned)request->prefix_len, priv_reason_text(answer->reason));
    else
        log_line(LOG_LEVEL_WARNING, "event=request-failed kind=%u error=%s reason=\"%s\"",
                 request->kind, error_text(answer->error), strerror(answer->system_error));
}

static bool request_serve(struct supervisor *s, int fd)
{
    struct priv_request request;
    struct priv_answer answer;
    int fds[LIMIT_WORKERS];
    int error = channel_recv(fd, &request, sizeof(request), NULL, NULL);
    if (error == ERR_AGAIN)
        return false;
    if (error == ERR_NOT_FOUND) { /* SIGCHLD says why */
        event_loop_remove(s->loop, fd);
        return false;
    }
    if (error != 0 || !priv_request_check(&request)) {
        /* our engine asks nothing of the kind: it is no longer ours */
        log_line(LOG_LEVEL_ERROR, "event=engine-misbehaves kind=%u", request.kind);
        event_loop_remove(s->loop, fd);
        processes_kill(s);
        return false;
    }
    privileged_answer(s->privileged, &request, &answer, fds);
    if (answer.error != 0)
        request_failed(&request, &answer);
    if (channel_send(fd, &answer, sizeof(answer), fds, answer.n_fds) != 0)
        log_line(LOG_LEVEL_WARNING, "event=answer-lost kind=%u", request.kind);
    for (unsigned i = 0; i < answer.n_fds; i++)
        close(fds[i]);
    if (request.kind == PRIV_READY)
        engine_ready(s);
    return true;
}

/* The packet filter is brought into line once for a batch: it costs as much as there are entries. */
static void on_request(void *context, int fd, unsigned events)
{
    struct supervisor *s = context;
    (void)events;
    for (unsigned i = 0; i < REQUESTS_BATCH && request_serve(s, fd); i++)
        ;
    privileged_settle(s->privileged);
}

/* --- signals and children --- */

/* restart_plan - all of them are gone. What they protected stays blocked until their successors have
 * it: the device and the blocks are still there. */
static void restart_plan(struct supervisor *s)
{
    fd_drop(s, &s->priv_fd);
    fd_drop(s, &s->order_fd);
    fds_close(s->door_fds, SPAWN_DOORS);
    fds_close(&s->fetch_door_fd, 1);
    privileged_reset(s->privileged);
    s->fetcher.at = s->resolver.at = NANOS_NEVER;
    pace_plan(&s->all, clock_now());
}

static bool finished(const struct supervisor *s)
{
    return s->pids[PROCESS_ENGINE] == 0 && s->pids[PROCESS_HOOKS] == 0 && s->pids[PROCESS_AAA] == 0;
}

/* hooks_finish - the engine is gone for good: the hooks process runs what is left, the aaa process
 * keeps or sends the last accounting records, and both end. */
static void hooks_finish(struct supervisor *s)
{
    fd_drop(s, &s->devices.hooks_fd);
    s->stop_by = nanos_after(clock_now(), HOOK_PATIENCE);
    s->done = finished(s);
}

/* hooks_ended - it is started before we restrict ourselves, and so cannot be started again. */
static void hooks_ended(struct supervisor *s)
{
    s->done = s->done || finished(s) || !s->stopping;
    if (!s->stopping)
        s->status = EXIT_FAILURE;
}

/* server_ended - one of those without which there is no service. */
static void server_ended(struct supervisor *s, enum process process, bool clean)
{
    bool all_gone = true;
    for (int i = 0; i < PROCESS_LOADER; i++)
        all_gone = all_gone && s->pids[i] == 0;
    if (s->stopping) { /* the engine can still say farewell without the others */
        if (process == PROCESS_ENGINE)
            hooks_finish(s);
        s->done = s->done || finished(s);
        return;
    }
    if (!s->served) { /* it never came up: a service manager is told so */
        s->status = clean ? s->status : EXIT_FAILURE;
        s->status = process == PROCESS_ENGINE ? EXIT_FAILURE : s->status;
        s->done = true;
        return;
    }
    processes_kill(s);
    if (all_gone)
        restart_plan(s);
}

/* alone_pace - of a process that is started again alone, since all others serve; else NULL. */
static struct pace *alone_pace(struct supervisor *s, enum process process)
{
    bool alone = s->served && !s->stopping;
    for (int i = 0; alone && i < PROCESS_LOADER; i++)
        alone = s->pids[i] != 0 || i == PROCESS_FETCHER || i == PROCESS_RESOLVER;
    return alone && process == PROCESS_FETCHER    ? &s->fetcher
           : alone && process == PROCESS_RESOLVER ? &s->resolver
                                                  : NULL;
}

static void child_ended(struct supervisor *s, enum process process, int status)
{
    bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    s->pids[process] = 0;
    if (!clean || process < PROCESS_LOADER || process == PROCESS_HOOKS)
        log_line(clean && s->stopping ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING,
                 "event=process-ended name=%s %s=%d", process_name(process),
                 WIFSIGNALED(status) ? "signal" : "status",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    if (process == PROCESS_HOOKS) {
        hooks_ended(s);
        return;
    }
    if (process == PROCESS_UNPACKER)
        return; /* its loader notices */
    struct pace *alone = alone_pace(s, process);
    if (alone != NULL) {
        pace_plan(alone, clock_now());
        return;
    }
    if (process != PROCESS_LOADER) {
        server_ended(s, process, clean);
        return;
    }
    permission_loaded(privileged_permission(s->privileged), clean);
    manager_notify(clean ? "READY=1\nSTATUS=the configuration is loaded"
                         : "READY=1\nSTATUS=the configuration was refused, the one before is in "
                           "force; see the log");
    if (s->order_fd >= 0)
        loaded_tell(s);
    if (s->reload_again)
        loader_start(s);
}

static void children_reap(struct supervisor *s)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (int process = 0; process < N_PROCESSES; process++)
            if (s->pids[process] == pid)
                child_ended(s, (enum process)process, status);
}

/* reload - on SIGHUP; the service manager waits for READY=1, which comes with the loader's end. */
static void reload(struct supervisor *s)
{
    char text[64];
    (void)snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld",
                   (long long)(clock_now() / NANOS_PER_US));
    manager_notify(text);
    loader_start(s);
    if (s->pids[PROCESS_LOADER] == 0)
        manager_notify("READY=1\nSTATUS=nothing was loaded");
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
            reload(s);
        else if (s->stopping)
            s->done = true; /* asked twice */
        else
            stop_begin(s);
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

/* helper_begin - a helper at one end of a new channel; *ret_fd is the engine's end. `start`: what it
 * is handed besides. */
static int helper_begin(struct supervisor *s, struct spawn_start *start, int room, int *ret_fd)
{
    int ends[2];
    if (channel_pair(ends, room) != 0)
        return ERR_SYSTEM;
    start->fd = ends[1];
    int error = process_start(s, start);
    close(ends[1]);
    *ret_fd = ends[0]; /* the engine's end is what keeps the helper alive */
    return error;
}

static int helper_start(struct supervisor *s, enum process process, int room, int *ret_fd)
{
    struct spawn_start start = start_of(s, process);
    return helper_begin(s, &start, room, ret_fd);
}

/* door_open - a channel by which loaders are handed to the process of `start`. A process that does not
 * take them must not stop us. */
static int door_open(struct supervisor *s, int door, struct spawn_start *start)
{
    int ends[2];
    if (channel_pair(ends, SMALL_CHANNEL) != 0)
        return ERR_SYSTEM;
    s->door_fds[door] = ends[0];
    start->load_fd = ends[1];
    return fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 ? ERR_SYSTEM : 0;
}

/* fetch_door_open - the same to the verifier, for fetchers. */
static int fetch_door_open(struct supervisor *s, struct spawn_start *verifier)
{
    int ends[2];
    if (channel_pair(ends, SMALL_CHANNEL) != 0)
        return ERR_SYSTEM;
    s->fetch_door_fd = ends[0];
    verifier->load_fd = ends[1];
    return fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 ? ERR_SYSTEM : 0;
}

/* keeper_begin - a helper that keeps secrets. */
static int keeper_begin(struct supervisor *s, int door, struct spawn_start *start, int *ret_fd)
{
    int error = door_open(s, door, start);
    if (error == 0)
        error = helper_begin(s, start, KEY_CHANNEL, ret_fd);
    fds_close(&start->load_fd, 1);
    return error;
}

/* tls_start - keyholder, verifier, and eap and aaa with a channel to each: TLS of EAP and RADIUS asks
 * there for signatures and for checks of certificates. The fetcher has a channel to the verifier
 * alone. */
static int tls_start(struct supervisor *s, struct engine_start *devices)
{
    struct tls_starts starts = {start_of(s, PROCESS_KEYHOLDER), start_of(s, PROCESS_VERIFIER),
                                start_of(s, PROCESS_EAP), start_of(s, PROCESS_AAA),
                                start_of(s, PROCESS_FETCHER)};
    struct spawn_start token = start_of(s, PROCESS_TOKEN);
    struct tls_pairs eap, aaa;
    int error = tls_pairs_open(&eap, KEY_CHANNEL);
    int error_aaa = tls_pairs_open(&aaa, KEY_CHANNEL);
    tls_pairs_hand(&eap, &aaa, &starts);
    if (error == 0)
        error = error_aaa;
    if (error == 0)
        error = helper_begin(s, &token, KEY_CHANNEL, &starts.key.token_fd);
    if (error == 0)
        error = keeper_begin(s, SPAWN_DOOR_KEY, &starts.key, &devices->key_fd);
    if (error == 0)
        error = helper_begin(s, &starts.fetcher, VERIFIER_CHANNEL, &starts.verifier.fetch_fd);
    if (error == 0)
        error = fetch_door_open(s, &starts.verifier);
    if (error == 0)
        error = helper_begin(s, &starts.verifier, VERIFIER_CHANNEL, &devices->verifier_fd);
    fds_close(&starts.verifier.load_fd, 1);
    if (error == 0)
        error = keeper_begin(s, SPAWN_DOOR_EAP, &starts.eap, &devices->eap_fd);
    if (error == 0)
        error = keeper_begin(s, SPAWN_DOOR_AAA, &starts.aaa, &devices->aaa_fd);
    tls_pairs_close(&eap);
    tls_pairs_close(&aaa);
    fds_close(&starts.verifier.fetch_fd, 1);
    fds_close(&starts.key.token_fd, 1);
    return error;
}

static int engine_start(struct supervisor *s, const struct engine_start *devices)
{
    int requests[2], orders[2];
    struct spawn_start start = start_of(s, PROCESS_ENGINE);
    if (channel_pair(requests, SMALL_CHANNEL) != 0 || channel_pair(orders, SMALL_CHANNEL) != 0)
        return ERR_SYSTEM;
    start.engine = *devices;
    start.engine.priv_fd = requests[1];
    start.engine.order_fd = orders[1];
    int error = process_start(s, &start);
    close(requests[1]), close(orders[1]);
    s->priv_fd = requests[0];
    s->order_fd = orders[0];
    pace_started(&s->all);
    if (error != 0 || fcntl(s->priv_fd, F_SETFL, O_NONBLOCK) < 0)
        return ERR_SYSTEM;
    return event_loop_add(s->loop, s->priv_fd, EVENT_READ, on_request, s);
}

/* servers_start - the helpers, then the engine. */
static int servers_start(struct supervisor *s)
{
    struct engine_start devices = s->devices;
    devices.key_fd = devices.verifier_fd = devices.eap_fd = -1;
    devices.aaa_fd = devices.resolver_fd = -1;
    int error = tls_start(s, &devices);
    if (error == 0)
        error = helper_start(s, PROCESS_RESOLVER, SMALL_CHANNEL, &devices.resolver_fd);
    if (error == 0)
        error = engine_start(s, &devices);
    const int handed[] = {devices.key_fd, devices.verifier_fd, devices.eap_fd, devices.aaa_fd,
                          devices.resolver_fd};
    for (size_t i = 0; i < sizeof(handed) / sizeof(handed[0]); i++)
        if (handed[i] >= 0)
            close(handed[i]);
    return error;
}

/* alone_restart - fetcher or resolver; the process that asks it gets a channel to the new one. */
static void alone_restart(struct supervisor *s, enum process process)
{
    const struct load_order to_verifier = {.load = ++s->fetchers};
    const struct order to_engine = {.kind = ORDER_RESOLVER};
    bool fetches = process == PROCESS_FETCHER;
    struct pace *pace = fetches ? &s->fetcher : &s->resolver;
    int fd = -1;
    log_line(LOG_LEVEL_WARNING, "event=restarting name=%s", process_name(process));
    pace_started(pace);
    int error = helper_start(s, process, fetches ? VERIFIER_CHANNEL : SMALL_CHANNEL, &fd);
    if (error == 0 && fetches)
        error = channel_send(s->fetch_door_fd, &to_verifier, sizeof(to_verifier), &fd, 1);
    else if (error == 0)
        error = channel_send(s->order_fd, &to_engine, sizeof(to_engine), &fd, 1);
    fds_close(&fd, 1); /* a helper that nobody took ends, and its end plans the next one */
    if (error != 0)
        log_line(LOG_LEVEL_ERROR, "event=restart-failed name=%s error=\"%s\"",
                 process_name(process), error_text(error));
    if (s->pids[process] == 0)
        pace_plan(pace, clock_now());
}

static void servers_restart(struct supervisor *s)
{
    s->all.at = NANOS_NEVER;
    log_line(LOG_LEVEL_WARNING, "event=restarting");
    if (servers_start(s) == 0)
        return;
    log_line(LOG_LEVEL_ERROR, "event=restart-failed reason=\"%s\"", strerror(errno));
    processes_kill(s);
    if (s->pids[PROCESS_KEYHOLDER] == 0) /* else their end plans the next one */
        restart_plan(s);
}

static nanos restart_deadline(const struct supervisor *s)
{
    return nanos_min(s->all.at, nanos_min(s->fetcher.at, s->resolver.at));
}

static void restart_due(struct supervisor *s, nanos now)
{
    if (now >= s->fetcher.at)
        alone_restart(s, PROCESS_FETCHER);
    if (now >= s->resolver.at)
        alone_restart(s, PROCESS_RESOLVER);
    if (now >= s->all.at)
        servers_restart(s);
}

static int failed(const char *what)
{
    log_line(LOG_LEVEL_ERROR, "event=start-failed what=\"%s\" reason=\"%s\"", what,
             strerror(errno));
    return ERR_SYSTEM;
}

static int supervisor_start(struct supervisor *s)
{
    if (!sandbox_has_net_admin()) {
        errno = EPERM;
        return failed("needs the capability CAP_NET_ADMIN");
    }
    s->exe_fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
    if (s->exe_fd < 0)
        return failed("/proc/self/exe");
    s->signal_fd = signals_open();
    if (s->signal_fd < 0)
        return failed("signals");
    state_open(s->options->state, s->state_fds);
    int error = devices_open(s->options, &s->devices);
    s->listening = s->devices.vici_fd >= 0;
    if (error != 0)
        return error;
    if (privileged_new(&s->devices, &s->privileged) != 0)
        return failed("routing rules");
    if (s->options->config == NULL) /* then all connections come from VICI clients */
        privileged_permission(s->privileged)->now.all = true;
    if (helper_start(s, PROCESS_HOOKS, HOOK_CHANNEL, &s->devices.hooks_fd) != 0)
        return failed("hooks process");
    s->devices.filtered = privileged_filters(s->privileged);
    if (sandbox_memory_lockable(LOCKED_MEMORY) != 0)
        log_line(LOG_LEVEL_DEBUG, "event=memory-limit reason=\"%s\"", strerror(errno));
    int abi;
    if (sandbox_common(0) != 0 || sandbox_supervisor() != 0 ||
        sandbox_supervisor_files(s->options->socket, &abi) != 0 ||
        sandbox_filter(SANDBOX_SUPERVISOR) != 0)
        return failed("sandbox");
    s->loop = event_loop_new();
    if (s->loop == NULL || event_loop_add(s->loop, s->signal_fd, EVENT_READ, on_signal, s) != 0)
        return failed("event loop");
    return servers_start(s) != 0 ? failed("processes") : 0;
}

/* supervisor_end - blocks go only if the administrator wants the end. */
static void supervisor_end(struct supervisor *s)
{
    bool wanted = s->stopping && s->status == EXIT_SUCCESS;
    processes_kill(s);
    fd_drop(s, &s->order_fd);
    fd_drop(s, &s->priv_fd);
    fd_drop(s, &s->permit_fd);
    fds_close(s->door_fds, SPAWN_DOORS);
    fds_close(&s->fetch_door_fd, 1);
    permits_done(&s->permits);
    s->privileged = privileged_free(s->privileged, !wanted);
    if (s->listening)
        unlink(s->options->socket);
    s->loop = event_loop_free(s->loop);
}

int supervisor_run(const struct supervisor_options *options)
{
    struct supervisor s = {.options = options,
                           .priv_fd = -1,
                           .order_fd = -1,
                           .signal_fd = -1,
                           .permit_fd = -1,
                           .door_fds = {-1, -1, -1},
                           .fetch_door_fd = -1,
                           .stop_by = NANOS_NEVER,
                           .all.at = NANOS_NEVER,
                           .fetcher.at = NANOS_NEVER,
                           .resolver.at = NANOS_NEVER};
    log_open("supervisor", options->debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
    if (supervisor_start(&s) != 0) {
        supervisor_end(&s);
        return EXIT_FAILURE;
    }
    while (!s.done) {
        nanos now = 0;
        nanos deadline = nanos_min(nanos_min(s.stop_by, restart_deadline(&s)),
                                   privileged_deadline(s.privileged));
        if (event_loop_wait(s.loop, deadline, &now) < 0) {
            s.status = EXIT_FAILURE;
            s.done = true;
        }
        s.done = s.done || now >= s.stop_by;
        privileged_settle(s.privileged);
        if (!s.done)
            restart_due(&s, now);
    }
    supervisor_end(&s);
    log_line(LOG_LEVEL_INFO, "event=stopped status=%d", s.status);
    return s.status;
}
