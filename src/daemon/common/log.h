/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_LOG_H
#define DAEMON_LOG_H

#include <stddef.h>

/*
 * One line for each change of state, on standard error: "<level>t=<monotonic seconds> time=<UTC>
 * proc=... event=... key=value ...", for people, journald (which takes the <level> in front) and
 * programs. If the reader of the log is slow, lines are lost, and no time. Text of a peer goes
 * through log_text. Secrets are never logged.
 */

enum log_level {
    LOG_LEVEL_ERROR = 3,
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7
};

/* log_open - lines above `level` are not written. `who` names the process and is borrowed. Call it
 * before threads start. */
void log_open(const char *who, enum log_level level);

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* log_listen - gives `line` each later line of this thread, from `event=` on, except the lines that
 * `line` itself logs. NULL: ends that. */
void log_listen(void (*line)(void *context, enum log_level level, const char *text), void *context);

/* log_text - `text` as a value: in quotes, all but printable ASCII escaped, cut at `cap`. Returns
 * `out`. */
const char *log_text(const char *text, char *out, size_t cap);

/* log_clock - the time of day in UTC, as RFC 3339 writes it, to the millisecond. Returns `out`. */
#define LOG_CLOCK_MAX 160
const char *log_clock(char out[LOG_CLOCK_MAX]);

#endif
