/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_PERMIT_BUILD_H
#define DAEMON_PERMIT_BUILD_H

/* The permits of a configuration: the requests that the engine may make to the supervisor. */

#include "daemon/common/permits.h"
#include "daemon/config/conn_build.h"

/* permits_check - the section `permits`: selectors and inner addresses of connections that VICI
 * clients load. */
int permits_check(const struct tree *section, struct build_error *error) MUST_USE;

/* permits_build - makes the permits of a configuration that has passed config_check(). *permits is
 * empty before; permits_done() frees it, even after an error. Without connections and without a
 * section `permits`, everything is allowed. ERR_INVALID with error, ERR_FULL, ERR_NO_MEMORY. */
int permits_build(const struct tree *root, struct permits *permits,
                  struct build_error *error) MUST_USE;

#endif
