/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/supervisor/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/common/channel.h"
#include "daemon/common/log.h"
#include "daemon/keyholder/keyring.h"
#include "daemon/supervisor/audit_sender.h"
#include "daemon/supervisor/devices.h"
#include "daemon/supervisor/pace.h"
#include "daemon/supervisor/privileged.h"
#include "daemon/supervisor/processes.h"
#include "daemon/supervisor/service_manager.h"
#include "daemon/supervisor/signals.h"
#include "daemon/supervisor/supervisor_state.h"
#include "daemon/supervisor/upgrade.h"
#include "linux/clock.h"
#include "linux/event_loop.h"
#include "linux/sandbox.h"

#define REQUESTS_BATCH 64
#define PERMITS_BATCH  256
#define LOCKED_MEMORY  (KEYRING_ARENA + (16u << 20)) /* and the memory around the secrets */
#define STOP_PATIENCE  (5 * NANOS_PER_SEC)  /* for the engine's Deletes, before it is killed */
#define HOOK_PATIENCE  (30 * NANOS_PER_SEC) /* for the `down` scripts */

/* --- the loader --- */

/* loader_admit - hands the loader's connection to the engine, independently of the control socket.
 * If the engine has no room for the order, the loader sees its channel end. */
static void loader_admit(struct supervisor *s, int fd)
{
    const struct order order = {.kind = ORDER_LOADER, .load = s->processes.loads};
    if (channel_send(s->engine.order_fd, &order, sizeof(order), &fd, 1) != 0)
        log_line(LOG_LEVEL_WARNING, "event=order-lost kind=loader");
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

/* permit_take - reads a permit. false: no more now, or ever. A malformed permit ends the load. */
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
    for (unsigned i = 0; i < PERMITS_BATCH && permit_take(s); i++)
        ;
}

/* supervisor_loader_join - supervisor and engine serve a loader that was started. */
void supervisor_loader_join(struct supervisor *s, int error, const struct loader_ends *ends)
{
    fd_drop(s, &s->permit_fd);
    permits_done(&s->permits);
    s->permit_fd = ends->permit_fd;
    if (error == 0)
        error = event_loop_add(s->loop, s->permit_fd, EVENT_READ, on_permit, s);
    if (error == 0) {
        loader_admit(s, ends->engine_fd);
    } else {
        log_line(LOG_LEVEL_ERROR, "event=config-not-loaded reason=\"%s\"", strerror(errno));
        fd_drop(s, &s->permit_fd);
    }
    if (ends->engine_fd >= 0)
        close(ends->engine_fd);
}

static void loader_start(struct supervisor *s)
{
    if (s->options->config == NULL || s->stopping)
        return;
    /* one load at a time: many SIGHUPs during a load cause one more. The loader of an upgrade counts */
    s->reload_again = s->processes.pids[PROCESS_LOADER] != 0 ||
                      s->upgrade.phase == UPGRADE_WARMING || s->upgrade.phase == UPGRADE_LEAVING;
    if (s->reload_again)
        return;
    struct loader_ends ends;
    int error = processes_loader_start(&s->processes, &ends);
    supervisor_loader_join(s, error, &ends);
}

/* --- the engine's requests --- */

/* --- the watchdog --- */

/* watchdog_due - asks the engine, one question at a time, so a hanging engine does not fill the
 * channel. While no engine runs, the supervisor answers for itself. */
static void watchdog_due(struct supervisor *s, nanos now)
{
    const struct order order = {.kind = ORDER_ALIVE};
    if (now < s->watchdog.at)
        return;
    s->watchdog.at = nanos_after(now, s->watchdog.interval_ns);
    if (s->processes.pids[PROCESS_ENGINE] == 0)
        manager_notify("WATCHDOG=1");
    else if (!s->watchdog.asked)
        s->watchdog.asked = channel_send(s->engine.order_fd, &order, sizeof(order), NULL, 0) == 0;
}

/* on_alive - reads the engine's answer. A message without a question, or another one, does not come
 * from our engine. */
static void on_alive(void *context, int fd, unsigned events)
{
    struct supervisor *s = context;
    struct order order = {0};
    int error = channel_recv(fd, &order, sizeof(order), NULL, NULL);
    (void)events;
    if (error == ERR_AGAIN)
        return;
    if (error == 0 && order.kind == ORDER_ALIVE && s->watchdog.asked) {
        s->watchdog.asked = false;
        manager_notify("WATCHDOG=1");
        return;
    }
    event_loop_remove(s->loop, fd);
    if (error == ERR_NOT_FOUND || error == ERR_SYSTEM)
        return; /* the engine has ended, perhaps with orders unread; SIGCHLD follows */
    log_line(LOG_LEVEL_ERROR, "event=engine-misbehaves kind=%u", order.kind);
    processes_kill(&s->processes);
}

static void loaded_tell(struct supervisor *s, bool refused)
{
    const struct order order = {.kind = ORDER_LOADED, .load = refused};
    if (channel_send(s->engine.order_fd, &order, sizeof(order), NULL, 0) != 0)
        log_line(LOG_LEVEL_DEBUG, "event=order-lost");
}

static void engine_ready(struct supervisor *s)
{
    s->served = true;
    upgrade_served(&s->upgrade);
    log_line(LOG_LEVEL_INFO, "event=started socket=%s", s->options->socket);
    audit_sender_say(&s->audit, AUDIT_START, IKAT_VERSION);
    bool ahead = s->loading_ahead;
    s->loading_ahead = false;
    if (!ahead)
        loader_start(s);
    if (ahead || s->processes.pids[PROCESS_LOADER] != 0)
        return; /* READY=1 follows the end of the load */
    /* no file, or no process for it */
    manager_notify("READY=1\nSTATUS=nothing was loaded");
    loaded_tell(s, false);
}

static void hooks_finish(struct supervisor *s);

static void stop_begin(struct supervisor *s)
{
    const struct order order = {.kind = ORDER_STOP};
    s->stopping = true;
    if (s->upgrade.phase == UPGRADE_WARMING || s->upgrade.phase == UPGRADE_LEAVING)
        supervisor_upgrade_refuse(s, UPGRADE_BUSY);
    s->upgrade.by = NANOS_NEVER;
    s->all.at = s->fetcher.at = s->resolver.at = s->auditor.at = NANOS_NEVER;
    s->stop_by = nanos_after(clock_now(), STOP_PATIENCE);
    if (s->processes.pids[PROCESS_ENGINE] == 0) {
        hooks_finish(s);
        return;
    }
    /* an engine that takes no order has ended, and SIGCHLD follows; or it hangs, until stop_by */
    if (channel_send(s->engine.order_fd, &order, sizeof(order), NULL, 0) != 0)
        log_line(LOG_LEVEL_DEBUG, "event=order-lost");
}

/* --- requests of the engine --- */

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

struct served_request {
    struct priv_request request;
    struct priv_answer answer;
    int fds[LIMIT_WORKERS]; /* of the answer */
};

/* request_serve - false: there is no request. */
static bool request_serve(struct supervisor *s, int fd, struct served_request *ret)
{
    int error = channel_recv(fd, &ret->request, sizeof(ret->request), NULL, NULL);
    if (error == ERR_AGAIN)
        return false;
    if (error == ERR_NOT_FOUND || error == ERR_SYSTEM) {
        event_loop_remove(s->loop,
                          fd); /* it has ended, perhaps with answers unread; SIGCHLD says why */
        return false;
    }
    if (error != 0 || !priv_request_check(&ret->request)) {
        /* our engine sends no such request: somebody has taken it over */
        log_line(LOG_LEVEL_ERROR, "event=engine-misbehaves kind=%u", ret->request.kind);
        event_loop_remove(s->loop, fd);
        processes_kill(&s->processes);
        return false;
    }
    ret->answer = (struct priv_answer){0};
    if (!upgrade_holds(&s->upgrade, &ret->request))
        privileged_answer(s->privileged, &ret->request, &ret->answer, ret->fds);
    if (ret->answer.error != 0)
        request_failed(&ret->request, &ret->answer);
    return true;
}

static void request_answered(struct supervisor *s, int fd, const struct served_request *served)
{
    const struct priv_answer *answer = &served->answer;
    if (channel_send(fd, answer, sizeof(*answer), served->fds, answer->n_fds) != 0)
        log_line(LOG_LEVEL_WARNING, "event=answer-lost kind=%u", served->request.kind);
    for (unsigned i = 0; i < answer->n_fds; i++)
        close(served->fds[i]);
    if (served->request.kind == PRIV_READY)
        engine_ready(s);
    else if (served->request.kind == PRIV_UPGRADE)
        supervisor_upgrade_ask(s);
}

/* The packet filter is brought into line once for a batch. The engine gets its answers afterwards,
 * so that no address or route is told to be there before the filter guards it. A filter with thousands of
 * elements may come later (privileged_settle). */
static void on_request(void *context, int fd, unsigned events)
{
    static struct served_request batch[REQUESTS_BATCH];
    struct supervisor *s = context;
    unsigned n = 0;
    (void)events;
    while (n < REQUESTS_BATCH && request_serve(s, fd, &batch[n]))
        n++;
    privileged_settle(s->privileged);
    for (unsigned i = 0; i < n; i++)
        request_answered(s, fd, &batch[i]);
}

/* --- questions of the hooks process --- */

static bool hooks_serve(struct supervisor *s, int fd)
{
    struct hook_question question;
    struct hook_permission answer = {0};
    int error = channel_recv(fd, &question, sizeof(question), NULL, NULL);
    if (error == ERR_AGAIN)
        return false;
    if (error != 0) { /* SIGCHLD says why */
        fd_drop(s, &s->permission_fd);
        return false;
    }
    if (!permission_hook(privileged_permission(s->privileged), &question, s->devices.tun_name)) {
        answer.error = ERR_DENIED;
        log_line(LOG_LEVEL_WARNING, "event=request-denied what=\"%s\" reason=\"%s\"",
                 question.kind == HOOK_QUESTION_SCRIPT ? "updown" : "name servers",
                 priv_reason_text(PRIV_REASON_FILES));
    }
    if (channel_send(fd, &answer, sizeof(answer), NULL, 0) != 0)
        log_line(LOG_LEVEL_WARNING, "event=answer-lost kind=hooks");
    return true;
}

static void on_hooks(void *context, int fd, unsigned events)
{
    (void)events;
    while (hooks_serve(context, fd))
        ;
}

/* --- signals and children --- */

/* servers_forget - all processes that serve permanently have ended. */
static void servers_forget(struct supervisor *s)
{
    fd_drop(s, &s->engine.priv_fd);
    fd_drop(s, &s->engine.order_fd);
    s->watchdog.asked = s->loading_ahead = false;
    processes_close(&s->processes);
    s->fetcher.at = s->resolver.at = NANOS_NEVER;
}

/* next_took - an upgrade goes on. false: its processes have ended, too, or there is none. */
static bool next_took(struct supervisor *s)
{
    if (s->upgrade.phase == UPGRADE_WARMING)
        supervisor_upgrade_refuse(s, UPGRADE_BROKEN);
    if (s->upgrade.phase != UPGRADE_LEAVING)
        return false;
    supervisor_next_take(s);
    bool took = !processes_gone(&s->processes);
    if (!took)
        servers_forget(s);
    return took;
}

/* restart_plan - after the end of all processes that serve permanently. The TUN device and the blocked
 * selectors stay: their traffic remains blocked until the new engine protects it. */
static void restart_plan(struct supervisor *s)
{
    servers_forget(s);
    if (next_took(s))
        return;
    privileged_reset(s->privileged);
    pace_plan(&s->all, clock_now());
    if (upgrade_back(&s->upgrade, &s->processes))
        s->all.at = clock_now();
    s->devices.upgraded = s->upgrade.outcome;
}

static bool finished(const struct supervisor *s)
{
    return s->processes.pids[PROCESS_ENGINE] == 0 && s->processes.pids[PROCESS_HOOKS] == 0 &&
           s->processes.pids[PROCESS_AAA] == 0 && s->processes.pids[PROCESS_AUDIT] == 0;
}

/* hooks_finish - after the last end of the engine: the hooks process runs the remaining scripts, the
 * aaa process keeps or sends the last accounting records, the audit process writes the last records,
 * and all three end. */
static void hooks_finish(struct supervisor *s)
{
    fd_drop(s, &s->devices.hooks_fd);
    audit_sender_say(&s->audit, AUDIT_STOP, "");
    audit_sender_close(&s->audit, &s->devices);
    s->stop_by = nanos_after(clock_now(), HOOK_PATIENCE);
    s->done = finished(s);
}

/* hooks_ended - the hooks process starts before the supervisor's sandbox, so it cannot be restarted. */
static void hooks_ended(struct supervisor *s)
{
    s->done = s->done || finished(s) || !s->stopping;
    if (!s->stopping)
        s->status = EXIT_FAILURE;
}

static void audit_ended(struct supervisor *s)
{
    if (s->stopping)
        s->done = s->done || finished(s);
    else
        pace_plan(&s->auditor, clock_now());
}

/* cause_follows - the token process ends by itself when the keyholder ends. The keyholder's exit status names the
 * cause. */
static bool cause_follows(const struct supervisor *s, enum process process, bool clean)
{
    return clean && process == PROCESS_TOKEN && s->processes.pids[PROCESS_KEYHOLDER] != 0;
}

/* cause_of - the process whose end made `process` end. A process ends by itself when the engine has closed its
 * channel. The engine's own SIGCHLD may come later. */
static enum process cause_of(enum process process, bool clean)
{
    return clean ? PROCESS_ENGINE : process;
}

/* server_ended - for the processes that serve permanently. */
static void server_ended(struct supervisor *s, enum process process, bool clean)
{
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
    if (cause_follows(s, process, clean))
        return;
    audit_sender_say(&s->audit, AUDIT_RESTART, process_name(cause_of(process, clean)));
    processes_kill(&s->processes);
    if (processes_gone(&s->processes))
        restart_plan(s);
}

/* alone_pace - fetcher and resolver restart alone while all other processes serve. NULL: this one does
 * not. */
static struct pace *alone_pace(struct supervisor *s, enum process process)
{
    bool alone = s->served && !s->stopping;
    for (int i = 0; alone && i < PROCESS_LOADER; i++)
        alone = s->processes.pids[i] != 0 || i == PROCESS_FETCHER || i == PROCESS_RESOLVER;
    return alone && process == PROCESS_FETCHER    ? &s->fetcher
           : alone && process == PROCESS_RESOLVER ? &s->resolver
                                                  : NULL;
}

static void child_ended(struct supervisor *s, enum process process, int status)
{
    bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    s->processes.pids[process] = 0;
    if ((!clean && process != PROCESS_PROBE) || process < PROCESS_LOADER ||
        process == PROCESS_HOOKS)
        log_line(clean && s->stopping ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING,
                 "event=process-ended name=%s %s=%d", process_name(process),
                 WIFSIGNALED(status) ? "signal" : "status",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    if (process == PROCESS_HOOKS) {
        hooks_ended(s);
        return;
    }
    if (process == PROCESS_AUDIT) {
        audit_ended(s);
        return;
    }
    if (process == PROCESS_PROBE) {
        supervisor_probe_ended(s, status);
        return;
    }
    if (process == PROCESS_UNPACKER)
        return; /* the loader sees its channel end */
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
    audit_sender_say(&s->audit, AUDIT_RELOAD, clean ? "loaded" : "refused");
    manager_notify(clean ? "READY=1\nSTATUS=the configuration is loaded"
                         : "READY=1\nSTATUS=the configuration was refused, the one before is in "
                           "force; see the log");
    if (s->engine.order_fd >= 0)
        loaded_tell(s, !clean);
    if (s->reload_again)
        loader_start(s);
}

static void child_reap(struct supervisor *s, pid_t pid, int status)
{
    for (int process = 0; process < N_PROCESSES; process++)
        if (s->processes.pids[process] == pid) {
            child_ended(s, (enum process)process, status);
            return;
        }
    if (upgrade_next_ended(&s->upgrade, pid))
        supervisor_next_ended(s, status);
}

static void children_reap(struct supervisor *s)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        child_reap(s, pid, status);
}

/* reload - on SIGHUP; the service manager waits for READY=1, which comes with the loader's end. */
static void reload(struct supervisor *s)
{
    char text[64];
    (void)snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld",
                   (long long)(clock_now() / NANOS_PER_US));
    manager_notify(text);
    audit_sender_reopen(&s->audit, &s->processes);
    loader_start(s);
    if (s->processes.pids[PROCESS_LOADER] == 0)
        manager_notify("READY=1\nSTATUS=nothing was loaded");
}

/* stop_asked - `restart`: a service manager starts the daemon again at once. */
static void stop_asked(struct supervisor *s, bool restart)
{
    s->upgrade.restart = restart;
    if (s->stopping)
        s->done = true; /* asked twice */
    else
        stop_begin(s);
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
        else if (info.ssi_signo == SIGUSR1)
            audit_sender_reopen(&s->audit, &s->processes);
        else
            stop_asked(s, info.ssi_signo == SIGUSR2);
    }
}

/* --- start --- */

int supervisor_engine_join(struct supervisor *s)
{
    int error = event_loop_add(s->loop, s->engine.order_fd, EVENT_READ, on_alive, s);
    return error != 0 ? error
                      : event_loop_add(s->loop, s->engine.priv_fd, EVENT_READ, on_request, s);
}

static int servers_start(struct supervisor *s)
{
    pace_started(&s->all);
    int error = processes_servers_start(&s->processes, &s->devices, &s->engine);
    return error != 0 ? error : supervisor_engine_join(s);
}

/* resolver_start - the engine gets a channel to the new resolver. */
static int resolver_start(struct supervisor *s)
{
    const struct order order = {.kind = ORDER_RESOLVER};
    int fd, error = processes_resolver_start(&s->processes, &fd);
    if (error == 0)
        error = channel_send(s->engine.order_fd, &order, sizeof(order), &fd, 1);
    if (fd >= 0)
        close(fd);
    return error;
}

/* alone_restart - fetcher or resolver. A process whose channel was not taken ends, and its end plans
 * the next start. */
static void alone_restart(struct supervisor *s, enum process process)
{
    bool fetches = process == PROCESS_FETCHER;
    struct pace *pace = fetches ? &s->fetcher : &s->resolver;
    log_line(LOG_LEVEL_WARNING, "event=restarting name=%s", process_name(process));
    pace_started(pace);
    int error = fetches ? processes_fetcher_start(&s->processes) : resolver_start(s);
    if (error != 0)
        log_line(LOG_LEVEL_ERROR, "event=restart-failed name=%s error=\"%s\"",
                 process_name(process), error_text(error));
    if (s->processes.pids[process] == 0)
        pace_plan(pace, clock_now());
}

static void audit_start(struct supervisor *s)
{
    pace_started(&s->auditor);
    if (processes_audit_start(&s->processes) == 0)
        return;
    log_line(LOG_LEVEL_ERROR, "event=restart-failed name=audit reason=\"%s\"", strerror(errno));
    pace_plan(&s->auditor, clock_now());
}

static void servers_restart(struct supervisor *s)
{
    log_line(LOG_LEVEL_WARNING, "event=restarting");
    if (servers_start(s) == 0)
        return;
    log_line(LOG_LEVEL_ERROR, "event=restart-failed reason=\"%s\"", strerror(errno));
    processes_kill(&s->processes);
    if (processes_gone(&s->processes)) /* else the end of the last one plans the next start */
        restart_plan(s);
}

static nanos restart_deadline(const struct supervisor *s)
{
    return nanos_min(nanos_min(s->all.at, s->auditor.at), nanos_min(s->fetcher.at, s->resolver.at));
}

static void restart_due(struct supervisor *s, nanos now)
{
    if (now >= s->fetcher.at)
        alone_restart(s, PROCESS_FETCHER);
    if (now >= s->resolver.at)
        alone_restart(s, PROCESS_RESOLVER);
    if (now >= s->auditor.at)
        audit_start(s);
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
    s->processes.exe_fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
    if (s->processes.exe_fd < 0 ||
        readlink("/proc/self/exe", s->processes.exe_path, PATH_MAX - 1) <= 0)
        return failed("/proc/self/exe");
    s->signal_fd = supervisor_signals_open();
    if (s->signal_fd < 0)
        return failed("signals");
    state_open(s->options->state, s->processes.state_fds);
    int error = devices_open(s->options, &s->devices);
    s->listening = s->devices.vici_fd >= 0 && !s->devices.vici_given;
    if (error != 0)
        return error;
    if (privileged_new(&s->devices, &s->privileged) != 0)
        return failed("routing rules");
    if (s->options->config == NULL) /* then all connections come from VICI clients */
        privileged_permission(s->privileged)->now.all = true;
    if (processes_hooks_start(&s->processes, &s->devices.hooks_fd, &s->permission_fd) != 0)
        return failed("hooks process");
    if (audit_sender_open(&s->audit, s->options->audit, &s->processes, &s->devices) != 0)
        return failed(s->options->audit);
    s->devices.filtered = privileged_filters(s->privileged);
    if (sandbox_memory_lockable(LOCKED_MEMORY) != 0)
        log_line(LOG_LEVEL_DEBUG, "event=memory-limit reason=\"%s\"", strerror(errno));
    int abi;
    if (sandbox_common(0) != 0 || sandbox_supervisor() != 0 ||
        sandbox_supervisor_files(s->options->socket, s->options->audit, &abi) != 0 ||
        sandbox_filter(SANDBOX_SUPERVISOR) != 0)
        return failed("sandbox");
    s->loop = event_loop_new();
    if (s->loop == NULL || event_loop_add(s->loop, s->signal_fd, EVENT_READ, on_signal, s) != 0 ||
        event_loop_add(s->loop, s->permission_fd, EVENT_READ, on_hooks, s) != 0)
        return failed("event loop");
    if (s->audit.path != NULL)
        audit_start(s);
    return servers_start(s) != 0 ? failed("processes") : 0;
}

/* supervisor_end - blocks go only if the administrator wants the end, and no restart. */
static void supervisor_end(struct supervisor *s)
{
    bool wanted = s->stopping && s->status == EXIT_SUCCESS && !s->upgrade.restart;
    processes_kill(&s->processes);
    if (s->upgrade.phase != UPGRADE_IDLE)
        upgrade_give_up(&s->upgrade);
    fd_drop(s, &s->engine.order_fd);
    fd_drop(s, &s->engine.priv_fd);
    fd_drop(s, &s->permit_fd);
    fd_drop(s, &s->permission_fd);
    processes_close(&s->processes);
    permits_done(&s->permits);
    s->privileged = privileged_free(s->privileged, !wanted);
    if (s->listening)
        unlink(s->options->socket);
    s->loop = event_loop_free(s->loop);
}

int supervisor_run(const struct supervisor_options *options)
{
    struct supervisor s = {.options = options,
                           .engine = {-1, -1},
                           .signal_fd = -1,
                           .permit_fd = -1,
                           .permission_fd = -1,
                           .stop_by = NANOS_NEVER,
                           .all.at = NANOS_NEVER,
                           .fetcher.at = NANOS_NEVER,
                           .resolver.at = NANOS_NEVER,
                           .auditor.at = NANOS_NEVER};
    processes_init(&s.processes, options);
    log_open("supervisor", options->debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
    upgrade_init(&s.upgrade);
    watchdog_init(&s.watchdog);
    if (supervisor_start(&s) != 0) {
        supervisor_end(&s);
        return EXIT_FAILURE;
    }
    while (!s.done) {
        nanos now = 0;
        nanos deadline =
            nanos_min(nanos_min(s.upgrade.by, nanos_min(s.stop_by, restart_deadline(&s))),
                      nanos_min(s.watchdog.at, privileged_deadline(s.privileged)));
        if (event_loop_wait(s.loop, deadline, &now) < 0) {
            s.status = EXIT_FAILURE;
            s.done = true;
        }
        s.done = s.done || now >= s.stop_by;
        privileged_settle(s.privileged);
        if (!s.done)
            restart_due(&s, now);
        if (!s.done)
            watchdog_due(&s, now);
        if (!s.done)
            supervisor_upgrade_due(&s, now);
    }
    supervisor_end(&s);
    log_line(LOG_LEVEL_INFO, "event=stopped status=%d", s.status);
    return s.status;
}
