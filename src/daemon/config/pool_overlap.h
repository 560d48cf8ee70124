/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_POOL_OVERLAP_H
#define DAEMON_POOL_OVERLAP_H

/* Pools of the configuration that give out the same addresses. */

#include "daemon/config/conn_build.h"

/* pools_check_apart - the sections of `pools`: no two overlap. The load would refuse them, too, but
 * without file and line. ERR_INVALID with error, which names both; ERR_NO_MEMORY. */
int pools_check_apart(const struct tree *pools, struct build_error *error) MUST_USE;

#endif
