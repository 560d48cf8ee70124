/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_VICI_LOG_H
#define DAEMON_VICI_LOG_H

/* The latest lines of the engine's log, for later questions. */

#include "daemon/vici/engine_ops.h"

#define VICI_LOG_LINES 1024

struct vici_log; /* up to VICI_LOG_LINES lines of at most 1 KiB */

struct vici_log *vici_log_new(void);                  /* NULL: no memory */
struct vici_log *vici_log_free(struct vici_log *log); /* takes NULL; returns NULL */
void vici_log_add(struct vici_log *log,
                  /* copies the line; without memory the line is missing */
                  const struct engine_line *line);

struct vici_log_line {
    long long time; /* seconds since 1970 */
    unsigned level;
    const char *group, *text; /* borrowed until the next line is added */
};
/* vici_log_at - the line with this number, or the first later one that is still kept; numbers begin
 * with 0. false: none. */
bool vici_log_at(const struct vici_log *log, uint64_t number, uint64_t *ret_number,
                 struct vici_log_line *ret_line);

#endif
