/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_PERMIT_BUILD_H
#define DAEMON_PERMIT_BUILD_H

/* What a configuration allows the engine to ask of the supervisor. */

#include "daemon/common/permits.h"
#include "daemon/config/conn_build.h"

/* permits_check - the section `permits`: selectors and inner addresses of connections that VICI
 * clients load. */
int permits_check(const struct tree *section, struct build_error *error) MUST_USE;

/* permits_build - of a whole configuration that passed config_check(). *permits is empty before;
 * permits_done() frees it, after a failure as well. Without any connection everything is allowed,
 * unless there is a section `permits`. ERR_INVALID with error, ERR_FULL, ERR_NO_MEMORY. */
int permits_build(const struct tree *root, struct permits *permits,
                  struct build_error *error) MUST_USE;

#endif
