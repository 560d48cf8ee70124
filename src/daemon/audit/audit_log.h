/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_AUDIT_LOG_H
#define DAEMON_AUDIT_LOG_H

/*
 * The audit file: one JSON object a line, dist/schema/audit.schema.json. A line that cannot be
 * written waits in memory, and is written in its order once the file takes it. Lines beyond
 * AUDIT_WAITING octets are counted, and a line "lost" says how many.
 *
 * A line goes to the kernel's page cache. It survives the end of our processes, but not a power
 * failure.
 */

#include "base/time.h"
#include "daemon/common/audit_channel.h"

#define AUDIT_WAITING  (4u << 20) /* octets of lines that wait: about ten thousand */
#define AUDIT_RETRY_NS NANOS_PER_SEC

struct audit_log;

/* audit_log_new - takes the descriptor of the file, which is open for appending. NULL: no memory,
 * and the descriptor is closed. */
struct audit_log *audit_log_new(int fd);
struct audit_log *audit_log_free(struct audit_log *log); /* takes NULL; returns NULL */

/* audit_record_sound - whether the engine, or else the supervisor, may send this record. */
bool audit_record_sound(const struct audit_record *record, bool engine);

/* audit_log_add - makes a line of a sound record. Writes it, or keeps it until the file takes
 * it. */
void audit_log_add(struct audit_log *log, const struct audit_record *record, nanos now);

/* audit_log_reopen - writes later lines to this file; takes the descriptor. A line that was written
 * in part is written again as a whole. */
void audit_log_reopen(struct audit_log *log, int fd, nanos now);

/* audit_log_tick - tries again; call it at audit_log_deadline. NANOS_NEVER: no line waits. */
void audit_log_tick(struct audit_log *log, nanos now);
nanos audit_log_deadline(const struct audit_log *log);

#endif
