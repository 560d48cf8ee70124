/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_LOG_LINE_H
#define CTL_LOG_LINE_H

/* A line of the daemon's log as JSON. */

#include <jansson.h>

/* log_line_json - a new object with `time`, `msg`, and, for a line "event=NAME key=value ...",
 * `event` and `values`. `time`: seconds since 1970. NULL: no memory. */
json_t *log_line_json(long long time, const char *msg);

#endif
