/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/audit/audit.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/audit/audit_log.h"
#include "daemon/common/channel.h"
#include "daemon/common/log.h"
#include "daemon/process/confine.h"
#include "linux/clock.h"

#define AUDIT_DESCRIPTORS 16

struct audit {
    struct audit_log *log;
    struct pollfd doors[SPAWN_AUDITS]; /* fd -1: all writers have ended */
};

static void fds_close(const int *fds, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        (void)close(fds[i]);
}

static void record_take(struct audit *audit, const struct audit_record *record, int door,
                        const int *fds, unsigned n_fds)
{
    bool engine = door == SPAWN_AUDIT_ENGINE, reopens = record->kind == AUDIT_REOPEN;
    if (!audit_record_sound(record, engine) || n_fds != (reopens ? 1 : 0)) {
        fds_close(fds, n_fds);
        log_line(LOG_LEVEL_ERROR, "event=audit-record-refused from=%s",
                 engine ? "engine" : "supervisor");
    } else if (reopens) {
        audit_log_reopen(audit->log, fds[0], clock_now());
    } else {
        audit_log_add(audit->log, record, clock_now());
    }
}

/* door_serve - takes one record. A message of another size is refused. When all writers have ended,
 * the door is closed. */
static void door_serve(struct audit *audit, int door)
{
    struct audit_record record;
    int fds[LIMIT_WORKERS];
    unsigned n_fds = 0;
    int error = channel_recv(audit->doors[door].fd, &record, sizeof(record), fds, &n_fds);
    if (error == 0)
        record_take(audit, &record, door, fds, n_fds);
    else if (error == ERR_INVALID)
        log_line(LOG_LEVEL_ERROR, "event=audit-record-refused error=%s", error_text(error));
    else if (error != ERR_AGAIN)
        audit->doors[door].fd = -1;
}

static int wait_ms(const struct audit *audit)
{
    nanos deadline = audit_log_deadline(audit->log), left = deadline - clock_now();
    return deadline == NANOS_NEVER ? -1 : left <= 0 ? 0 : (int)(left / NANOS_PER_MS + 1);
}

/* serve - runs until both doors are closed. It does not wait for a file that takes no lines
 * then. */
static void serve(struct audit *audit)
{
    while (audit->doors[SPAWN_AUDIT_ENGINE].fd >= 0 ||
           audit->doors[SPAWN_AUDIT_SUPERVISOR].fd >= 0) {
        if (poll(audit->doors, SPAWN_AUDITS, wait_ms(audit)) < 0 && errno != EINTR)
            return;
        for (int door = 0; door < SPAWN_AUDITS; door++)
            if (audit->doors[door].fd >= 0 && audit->doors[door].revents != 0)
                door_serve(audit, door);
        audit_log_tick(audit->log, clock_now());
    }
}

int audit_run(const struct spawn_start *start)
{
    const struct confinement kept = {.process = PROCESS_AUDIT,
                                     .files = SANDBOX_FILES_NONE,
                                     .calls = SANDBOX_KEYHOLDER,
                                     .descriptors = AUDIT_DESCRIPTORS};
    struct audit audit = {.log = audit_log_new(start->state_fd)};
    for (int i = 0; i < SPAWN_AUDITS; i++)
        audit.doors[i] = (struct pollfd){.fd = start->audit_fds[i], .events = POLLIN};
    if (audit.log == NULL || confine(&kept, 0) != 0) {
        log_line(LOG_LEVEL_ERROR, "event=helper-failed what=audit reason=\"%s\"", strerror(errno));
        return EXIT_FAILURE;
    }
    serve(&audit);
    audit_log_free(audit.log);
    return EXIT_SUCCESS;
}
