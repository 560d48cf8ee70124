/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_METRICS_H
#define CTL_METRICS_H

/* The daemon's figures in the text format of OpenMetrics, version 1.0.0. */

#include <stddef.h>

#include "ctl/client.h"

#define METRICS_CONTENT_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

/*
 * METRICS_PATHS_MAX - paths beyond this number get no series of their own; the sums of their connection
 * include them. So a Gateway with many clients does not make series without end.
 */
#define METRICS_PATHS_MAX 256

/*
 * metrics_fetch - asks the daemon. The text ends in "# EOF\n" and a NUL; the caller frees it. NULL:
 * the daemon did not answer, or no memory.
 */
char *metrics_fetch(struct client *client);

#endif
