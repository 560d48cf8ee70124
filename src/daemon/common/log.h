/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_LOG_H
#define DAEMON_LOG_H

#include <stddef.h>

/*
 * One line per change of state, on standard error: "<level>t=<monotonic seconds> time=<UTC> proc=...
 * event=... key=value ...", for people, journald (which takes the <level> in front) and programs. A reader that does
 * not read costs lines, never time. What came from a peer goes through log_text; secrets go
 * nowhere.
 */

enum log_level {
    LOG_LEVEL_ERROR = 3,
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7
};

/* log_open - lines above `level` are not written; `who` names the process and is borrowed. Before
 * threads start. */
void log_open(const char *who, enum log_level level);

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* log_listen - from now on `line` hears what this thread logs, from `event=` on. What it logs itself
 * is not heard. NULL: nobody listens. */
void log_listen(void (*line)(void *context, enum log_level level, const char *text), void *context);

/* log_text - `text` as a value: quoted, with everything escaped that is not printable ASCII, cut at
 * `cap`. Returns `out`. */
const char *log_text(const char *text, char *out, size_t cap);

#endif
