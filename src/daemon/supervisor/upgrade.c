/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/supervisor/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/common/channel.h"
#include "daemon/common/log.h"

#define PROBE_PATIENCE (20 * NANOS_PER_SEC) /* a large configuration takes seconds */
#define WARM_PATIENCE  PROBE_PATIENCE
#define LEAVE_PATIENCE (5 * NANOS_PER_SEC) /* for the engine's farewell */
#define START_PATIENCE (10 * NANOS_PER_SEC)

void upgrade_init(struct upgrade *upgrade)
{
    *upgrade = (struct upgrade){.other_fd = -1,
                                .sessions_fd = -1,
                                .engine = {-1, -1},
                                .loader = {-1, -1},
                                .gate_fd = -1,
                                .warm_fd = -1,
                                .by = NANOS_NEVER};
    processes_init(&upgrade->next, NULL);
}

static void fd_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void upgrade_end(struct upgrade *upgrade)
{
    fd_end(&upgrade->other_fd);
    fd_end(&upgrade->sessions_fd);
    fd_end(&upgrade->gate_fd);
    fd_end(&upgrade->warm_fd);
    upgrade->phase = UPGRADE_IDLE;
    upgrade->by = NANOS_NEVER;
}

static void phase_begin(struct upgrade *upgrade, enum upgrade_phase phase, nanos by)
{
    upgrade->phase = phase;
    upgrade->by = by;
}

static bool same_file(int one, int other)
{
    struct stat a, b;
    return fstat(one, &a) == 0 && fstat(other, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

enum upgrade_answer upgrade_begin(struct upgrade *upgrade, struct processes *processes, nanos now)
{
    if (upgrade->phase != UPGRADE_IDLE)
        return UPGRADE_BUSY;
    upgrade->other_fd = open(processes->exe_path, O_PATH | O_CLOEXEC);
    if (upgrade->other_fd >= 0 && same_file(upgrade->other_fd, processes->exe_fd)) {
        upgrade_end(upgrade);
        return UPGRADE_SAME;
    }
    if (upgrade->other_fd < 0 || processes_probe_start(processes, upgrade->other_fd) != 0) {
        upgrade_end(upgrade);
        return UPGRADE_BROKEN;
    }
    phase_begin(upgrade, UPGRADE_PROBING, nanos_after(now, PROBE_PATIENCE));
    return 0;
}

static enum upgrade_answer status_answer(int status)
{
    if (!WIFEXITED(status))
        return UPGRADE_BROKEN;
    switch (WEXITSTATUS(status)) {
    case PROBE_FITS: return UPGRADE_GO;
    case PROBE_CONFIG: return UPGRADE_CONFIG;
    case SPAWN_OTHER: return UPGRADE_OTHER;
    default: return UPGRADE_BROKEN;
    }
}

enum upgrade_answer upgrade_probed(struct upgrade *upgrade, int status)
{
    enum upgrade_answer answer = status_answer(status);
    if (answer != UPGRADE_GO)
        upgrade_end(upgrade);
    return answer;
}

/* --- the processes of the installed program --- */

/* next_start - our ends of their pipes stay open, theirs are closed. */
static int next_start(struct upgrade *upgrade, struct engine_start *devices)
{
    struct processes *next = &upgrade->next;
    int gate[2] = {-1, -1}, warm[2] = {-1, -1};
    upgrade->engine = (struct engine_ends){-1, -1};
    upgrade->loader = (struct loader_ends){-1, -1};
    int error = pipe2(gate, O_CLOEXEC) != 0 || pipe2(warm, O_CLOEXEC) != 0 ? ERR_SYSTEM : 0;
    upgrade->gate_fd = gate[1];
    upgrade->warm_fd = warm[0];
    next->gate = (struct gate){gate[0], warm[1]};
    if (error == 0)
        error = processes_servers_start(next, devices, &upgrade->engine);
    if (error == 0 && next->options->config != NULL)
        error = processes_loader_start(next, &upgrade->loader);
    fd_end(&next->gate.gate_fd);
    fd_end(&next->gate.warm_fd);
    return error;
}

int upgrade_warm(struct upgrade *upgrade, const struct processes *processes,
                 const struct engine_start *devices, nanos now)
{
    struct engine_start start = *devices;
    processes_follow(processes, upgrade->other_fd, &upgrade->next);
    phase_begin(upgrade, UPGRADE_WARMING, nanos_after(now, WARM_PATIENCE));
    upgrade->sessions_fd = memfd_create("ikatd-sessions", MFD_CLOEXEC);
    start.sessions_fd = upgrade->sessions_fd;
    start.upgraded = UPGRADE_DONE;
    return upgrade->sessions_fd < 0 ? ERR_SYSTEM : next_start(upgrade, &start);
}

void upgrade_warmed(struct upgrade *upgrade, nanos now)
{
    fd_end(&upgrade->warm_fd);
    phase_begin(upgrade, UPGRADE_LEAVING, nanos_after(now, LEAVE_PATIENCE));
}

bool upgrade_next_ended(struct upgrade *upgrade, pid_t pid)
{
    for (int i = 0; i < N_PROCESSES; i++)
        if (upgrade->next.pids[i] == pid) {
            upgrade->next.pids[i] = 0;
            return true;
        }
    return false;
}

/* loader_kill - a loader that does not come to the gate. The unpacker beside it may have its own user already. */
static void loader_kill(const struct processes *processes)
{
    pid_t loader = processes->pids[PROCESS_LOADER], unpacker = processes->pids[PROCESS_UNPACKER];
    if (loader != 0)
        (void)kill(loader, SIGKILL);
    if (unpacker != 0 && sandbox_user_kill(process_user(PROCESS_UNPACKER), unpacker) != 0)
        log_line(LOG_LEVEL_ERROR, "event=kill-failed name=unpacker reason=\"%s\"", strerror(errno));
}

/* upgrade_give_up - an octet at the gate ends the processes that have come there. It kills the others. */
void upgrade_give_up(struct upgrade *upgrade)
{
    static const char ends[N_PROCESSES];
    if (upgrade->gate_fd >= 0 && write(upgrade->gate_fd, ends, sizeof(ends)) < 0 && errno != EPIPE)
        log_line(LOG_LEVEL_WARNING, "event=gate-fails reason=\"%s\"", strerror(errno));
    processes_kill(&upgrade->next);
    loader_kill(&upgrade->next);
    processes_close(&upgrade->next);
    fd_end(&upgrade->engine.priv_fd);
    fd_end(&upgrade->engine.order_fd);
    fd_end(&upgrade->loader.permit_fd);
    fd_end(&upgrade->loader.engine_fd);
    upgrade_end(upgrade);
}

static void programs_swap(struct upgrade *upgrade, struct processes *processes)
{
    int fd = processes->exe_fd;
    processes->exe_fd = upgrade->other_fd;
    upgrade->other_fd = fd;
}

/* processes_swap - hooks, audit and probe are no part of an upgrade. */
static void processes_swap(struct upgrade *upgrade, struct processes *processes)
{
    struct processes before = *processes;
    *processes = upgrade->next;
    processes->pids[PROCESS_HOOKS] = before.pids[PROCESS_HOOKS];
    processes->pids[PROCESS_AUDIT] = before.pids[PROCESS_AUDIT];
    processes->pids[PROCESS_PROBE] = before.pids[PROCESS_PROBE];
    processes_init(&upgrade->next, NULL);
    upgrade->other_fd = before.exe_fd;
}

bool upgrade_take(struct upgrade *upgrade, struct processes *processes,
                  struct engine_ends *ret_engine, struct loader_ends *ret_loader, nanos now)
{
    struct stat file;
    bool handed = fstat(upgrade->sessions_fd, &file) == 0 && file.st_size > 0;
    fd_end(&upgrade->sessions_fd); /* no other engine may get them */
    processes_swap(upgrade, processes);
    *ret_engine = upgrade->engine;
    *ret_loader = upgrade->loader;
    upgrade->engine = (struct engine_ends){-1, -1};
    upgrade->loader = (struct loader_ends){-1, -1};
    upgrade->outcome = UPGRADE_DONE;
    phase_begin(upgrade, UPGRADE_STARTING, nanos_after(now, START_PATIENCE));
    return handed;
}

void upgrade_gate_open(struct upgrade *upgrade)
{
    fd_end(&upgrade->gate_fd);
}

bool upgrade_back(struct upgrade *upgrade, struct processes *processes)
{
    if (upgrade->phase != UPGRADE_STARTING)
        return false;
    programs_swap(upgrade, processes);
    upgrade->outcome = UPGRADE_BACK;
    upgrade_end(upgrade);
    return true;
}

void upgrade_served(struct upgrade *upgrade)
{
    if (upgrade->phase == UPGRADE_STARTING)
        upgrade_end(upgrade);
}

bool upgrade_holds(const struct upgrade *upgrade, const struct priv_request *request)
{
    return (upgrade->phase == UPGRADE_LEAVING || upgrade->restart) &&
           (request->kind == PRIV_BLOCK_REMOVE || request->kind == PRIV_SHUNT_REMOVE ||
            request->kind == PRIV_ROUTE_REMOVE || request->kind == PRIV_ADDRESS_REMOVE ||
            request->kind == PRIV_DEVICE_CLOSE);
}

const char *upgrade_answer_name(enum upgrade_answer answer)
{
    static const char *const names[] = {
        [UPGRADE_GO] = "go",         [UPGRADE_SAME] = "same",   [UPGRADE_BUSY] = "busy",
        [UPGRADE_BROKEN] = "broken", [UPGRADE_OTHER] = "other", [UPGRADE_CONFIG] = "config",
    };
    return names[answer];
}
