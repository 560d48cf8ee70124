/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_TRACE_DIAGRAM_H
#define CTL_TRACE_DIAGRAM_H

/* Prints messages between two peers, a line for each: this host is on the left, the peer on the
 * right. */

#include <stdbool.h>
#include <stdint.h>

#include "control/tree.h"

struct trace_diagram {
    bool colour;
    bool begun;
    uint32_t sa;        /* of the last line */
    char path[160];     /* of the last line */
    long long first_us; /* monotonic time of the first line */
    char day[16];       /* of the last line */
};

/* trace_diagram_put - prints an entry of `list-trace` or `trace`. The peer chose parts of its text,
 * so an entry with unprintable octets is replaced by a line that says so. */
void trace_diagram_put(struct trace_diagram *diagram, const struct tree *entry);

#endif
