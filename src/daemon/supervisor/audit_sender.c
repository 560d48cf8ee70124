/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/supervisor/audit_sender.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/common/channel.h"
#include "daemon/common/log.h"

#define AUDIT_CHANNEL (1 << 20) /* octets in flight: some hundred records */

/* file_open - O_NONBLOCK: without it open(2) would wait at a FIFO. */
static int file_open(const char *path)
{
    struct stat stat;
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0640);
    if (fd < 0 || (fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode)))
        return fd;
    (void)close(fd);
    errno = EINVAL;
    return -1;
}

int audit_sender_open(struct audit_sender *sender, const char *path, struct processes *processes,
                      struct engine_start *devices)
{
    int engine[2], own[2];
    *sender = (struct audit_sender){.path = path, .fd = -1};
    if (path == NULL)
        return 0;
    processes->state_fds[PROCESS_AUDIT] = file_open(path);
    if (processes->state_fds[PROCESS_AUDIT] < 0 || channel_pair(engine, AUDIT_CHANNEL) != 0)
        return ERR_SYSTEM;
    devices->audit_fd = engine[0];
    processes->audit_fds[SPAWN_AUDIT_ENGINE] = engine[1];
    if (channel_pair(own, AUDIT_CHANNEL) != 0)
        return ERR_SYSTEM;
    sender->fd = own[0];
    processes->audit_fds[SPAWN_AUDIT_SUPERVISOR] = own[1];
    return fcntl(sender->fd, F_SETFL, O_NONBLOCK) < 0 ? ERR_SYSTEM : 0;
}

static bool send_record(const struct audit_sender *sender, const struct audit_record *record,
                        const int *fd)
{
    if (channel_send(sender->fd, record, sizeof(*record), fd, fd == NULL ? 0 : 1) == 0)
        return true;
    log_line(LOG_LEVEL_ERROR, "event=audit-record-lost kind=%u reason=\"%s\"", record->kind,
             strerror(errno));
    return false;
}

void audit_sender_say(struct audit_sender *sender, enum audit_kind kind, const char *reason)
{
    uint32_t *left_out = &sender->left_out[kind];
    struct audit_record record = {.kind = kind, .left_out = *left_out};
    if (sender->path == NULL)
        return;
    (void)snprintf(record.reason, sizeof(record.reason), "%s", reason);
    *left_out = send_record(sender, &record, NULL) ? 0 : *left_out + 1;
}

void audit_sender_reopen(const struct audit_sender *sender, struct processes *processes)
{
    const struct audit_record record = {.kind = AUDIT_REOPEN};
    int fd = sender->path == NULL ? -1 : file_open(sender->path);
    if (sender->path == NULL)
        return;
    if (fd < 0) {
        log_line(LOG_LEVEL_ERROR, "event=audit-not-reopened file=%s reason=\"%s\"", sender->path,
                 strerror(errno));
        return;
    }
    (void)send_record(sender, &record, &fd);
    (void)close(processes->state_fds[PROCESS_AUDIT]);
    processes->state_fds[PROCESS_AUDIT] = fd;
}

void audit_sender_close(struct audit_sender *sender, struct engine_start *devices)
{
    if (sender->path == NULL)
        return;
    (void)close(sender->fd);
    (void)close(devices->audit_fd);
    sender->fd = devices->audit_fd = -1;
    sender->path = NULL;
}
