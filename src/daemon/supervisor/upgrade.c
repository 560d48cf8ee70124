/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/supervisor/upgrade.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/common/channel.h"

#define PROBE_PATIENCE (20 * NANOS_PER_SEC) /* a large configuration takes seconds */
#define LEAVE_PATIENCE (5 * NANOS_PER_SEC)  /* for the engine's farewell */
#define START_PATIENCE (10 * NANOS_PER_SEC)

void upgrade_init(struct upgrade *upgrade)
{
    *upgrade = (struct upgrade){.other_fd = -1, .sessions_fd = -1, .by = NANOS_NEVER};
}

static void upgrade_end(struct upgrade *upgrade)
{
    if (upgrade->other_fd >= 0)
        close(upgrade->other_fd);
    upgrade->other_fd = -1;
    if (upgrade->sessions_fd >= 0)
        close(upgrade->sessions_fd);
    upgrade->sessions_fd = -1;
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

enum upgrade_answer upgrade_probed(struct upgrade *upgrade, int status, nanos now)
{
    enum upgrade_answer answer = status_answer(status);
    if (answer != UPGRADE_GO) {
        upgrade_end(upgrade);
        return answer;
    }
    upgrade->sessions_fd = memfd_create("ikatd-sessions", MFD_CLOEXEC);
    phase_begin(upgrade, UPGRADE_LEAVING, nanos_after(now, LEAVE_PATIENCE));
    return answer;
}

int upgrade_sessions(struct upgrade *upgrade)
{
    struct stat file;
    int fd = upgrade->sessions_fd;
    upgrade->sessions_fd = -1;
    if (fd >= 0 && fstat(fd, &file) == 0 && file.st_size > 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static void programs_swap(struct upgrade *upgrade, struct processes *processes)
{
    int fd = processes->exe_fd;
    processes->exe_fd = upgrade->other_fd;
    upgrade->other_fd = fd;
}

bool upgrade_turn(struct upgrade *upgrade, struct processes *processes, nanos now)
{
    switch (upgrade->phase) {
    case UPGRADE_LEAVING:
        programs_swap(upgrade, processes);
        upgrade->outcome = UPGRADE_DONE;
        phase_begin(upgrade, UPGRADE_STARTING, nanos_after(now, START_PATIENCE));
        return true;
    case UPGRADE_STARTING:
        programs_swap(upgrade, processes);
        upgrade->outcome = UPGRADE_BACK;
        upgrade_end(upgrade);
        return true;
    case UPGRADE_IDLE:
    case UPGRADE_PROBING: break;
    }
    return false;
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
