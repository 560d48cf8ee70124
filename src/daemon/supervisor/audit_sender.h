/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_AUDIT_SENDER_H
#define DAEMON_AUDIT_SENDER_H

/* The supervisor's part of the audit file. It opens the file, and records when the daemon begins,
 * ends, loads its configuration and replaces a process. */

#include "daemon/common/audit_channel.h"
#include "daemon/supervisor/processes.h"

struct audit_sender {
    const char *path;               /* NULL: without an audit file all calls do nothing */
    int fd;                         /* to the audit process, not blocking */
    uint32_t left_out[AUDIT_KINDS]; /* records lost since the last one of the kind */
};

/* audit_sender_open - opens file and channels, and leaves their ends in `processes` and `devices`.
 * ERR_SYSTEM: with errno. */
int audit_sender_open(struct audit_sender *sender, const char *path, struct processes *processes,
                      struct engine_start *devices) MUST_USE;

/* audit_sender_say - sends a record of AUDIT_START to AUDIT_RELOAD. Without room it is logged, and
 * counted in the next one of its kind. */
void audit_sender_say(struct audit_sender *sender, enum audit_kind kind, const char *reason);

/* audit_sender_reopen - the file has been renamed: the audit process gets a new one of the same
 * name. Without one it keeps the old file, and the log says why. */
void audit_sender_reopen(const struct audit_sender *sender, struct processes *processes);

/* audit_sender_close - closes the channel: the audit process ends after the waiting records. */
void audit_sender_close(struct audit_sender *sender, struct engine_start *devices);

#endif
