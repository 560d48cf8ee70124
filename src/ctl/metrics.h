/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_METRICS_H
#define CTL_METRICS_H

/* The daemon's figures in the text format of OpenMetrics, version 1.0.0. */

#include <stddef.h>

#include "ctl/client.h"

#define METRICS_CONTENT_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

/*
 * METRICS_PATHS_MAX - so many paths get series of their own. Further paths count in the sums of
 * their connection only, so that a Gateway with many clients does not create too many series.
 */
#define METRICS_PATHS_MAX 256

/*
 * metrics_fetch - asks the daemon. The text ends in "# EOF\n" and a NUL; the caller frees it. NULL:
 * the daemon did not answer, or no memory.
 */
char *metrics_fetch(struct client *client);

#endif
